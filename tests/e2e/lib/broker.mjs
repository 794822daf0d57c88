// Holdfast nodes, started from HOLDFAST_BIN (default: the release build of this checkout).
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Api, request } from './http.mjs';
import { Child, freePort, tempDir } from './process.mjs';
import { cleanup } from './scope.mjs';

// HOLDFAST_BIN is ours: the broker takes variables with its prefix for configuration.
const { HOLDFAST_BIN, ...inherited } = process.env;
const here = fileURLToPath(new URL('.', import.meta.url));
export const HOLDFAST = HOLDFAST_BIN ?? join(here, '../../../build/release/holdfast');
export const API_KEY = 'e2e-key';

const SANITIZER_REPORT =
  /ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:|SUMMARY: \w+Sanitizer/;

if (!existsSync(HOLDFAST)) {
  throw new Error(`there is no ${HOLDFAST}: run scripts/build, or set HOLDFAST_BIN`);
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// merge returns base with the values of over in it; objects are merged, everything else replaced.
export function merge(base, over) {
  const out = { ...base };
  for (const [key, value] of Object.entries(over)) {
    out[key] = isObject(value) && isObject(out[key]) ? merge(out[key], value) : value;
  }
  return out;
}

const HISTORY = { history_size: 1000, history_ttl: '300s' };

// A node that lets every client subscribe and publish. Namespaces: chat (history and recovery),
// live (neither), small (keeps two publications).
export const BASE_CONFIG = {
  http_server: { address: '127.0.0.1' },
  client: { insecure: true, allowed_origins: ['*'] },
  http_api: { key: API_KEY },
  channel: {
    namespaces: [
      { name: 'chat', ...HISTORY, force_recovery: true },
      { name: 'live' },
      { name: 'small', history_size: 2, history_ttl: '300s', force_recovery: true },
    ],
  },
};

export function redisEngine(redis) {
  return { engine: { type: 'redis', redis: { address: redis.address } } };
}

// A program that is not expected to stay: runs to its end and returns { code, output }.
export async function runHoldfast(t, args, env = {}) {
  const child = new Child('holdfast', HOLDFAST, args, { env: { ...inherited, ...env } });
  cleanup(t, () => child.stop('SIGKILL'));
  const { code, signal } = await child.ended;
  return { code, signal, output: child.output };
}

export class Broker {
  constructor(port, dir, config, options) {
    this.port = port;
    this.api = new Api(port, API_KEY);
    this.configFile = join(dir, `node-${port}.json`);
    this.config = config;
    this.options = options;
    this.children = [];
    writeFileSync(this.configFile, JSON.stringify(config, null, 2));
  }

  get child() {
    return this.children.at(-1);
  }

  get url() {
    return `ws://127.0.0.1:${this.port}/connection/websocket`;
  }

  health(path = '/health') {
    return request({ port: this.port, path, method: 'GET' });
  }

  // until: the path that must answer 200 before this returns
  async start({ until = '/health/ready' } = {}) {
    const child = new Child(`holdfast on ${this.port}`, HOLDFAST, ['--config', this.configFile], {
      env: { ...inherited, ...this.options.env },
    });
    this.children.push(child);
    await child.ready(async () => (await this.health(until)).status === 200);
  }

  // SIGKILL, as a machine that loses power
  async kill() {
    this.child.signal('SIGKILL');
    await this.child.ended;
    this.api.close();
  }

  // SIGTERM, and the end that must come of it: exit code 0
  async stop() {
    this.api.close();
    if (this.child === undefined) return;
    if (this.child.exit === null) {
      const { code, signal } = await this.child.stop('SIGTERM', 40000);
      assert.deepEqual({ code, signal }, { code: 0, signal: null }, this.child.tail());
    }
    for (const child of this.children) {
      assert.doesNotMatch(child.output, SANITIZER_REPORT, child.name);
      const ended = child.exit;
      const isExpected = ended.code === 0 || ended.signal === 'SIGKILL';
      assert.ok(isExpected, `${child.name} ended with ${JSON.stringify(ended)}\n${child.tail()}`);
    }
  }
}

// startBroker(t, { config, env, start }): a node with BASE_CONFIG and config over it. At the end of
// test t it is stopped with SIGTERM and must exit with 0 and without a sanitizer's report.
export async function startBroker(t, { config = {}, env = {}, start = true, until } = {}) {
  const port = await freePort();
  const whole = merge(merge(BASE_CONFIG, { http_server: { port } }), config);
  const broker = new Broker(port, tempDir(t), whole, { env });
  cleanup(t, () => broker.stop());
  if (start) await broker.start({ until });
  return broker;
}
