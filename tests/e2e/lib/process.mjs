// Child processes and ports. No child outlives the test process.
import { spawn } from 'node:child_process';
import net from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cleanup, until, within } from './scope.mjs';

const MAX_LOG_BYTES = 1 << 20; // the newest output that is kept of each child
const live = new Set();

process.on('exit', () => {
  for (const child of live) child.signal('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => process.exit(1));
}

export class Child {
  constructor(name, command, args, options = {}) {
    this.name = name;
    this.output = '';
    this.exit = null; // { code, signal } once ended
    this.handle = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    live.add(this);
    const keep = (chunk) => {
      this.output = (this.output + chunk).slice(-MAX_LOG_BYTES);
    };
    this.handle.stdout.on('data', keep);
    this.handle.stderr.on('data', keep);
    this.ended = new Promise((resolve, reject) => {
      this.handle.on('error', (error) => {
        live.delete(this);
        this.exit = { code: null, signal: null, error };
        reject(new Error(`${command} does not start: ${error.message}`));
      });
      this.handle.on('close', (code, signal) => {
        live.delete(this);
        this.exit = { code, signal };
        resolve(this.exit);
      });
    });
    this.ended.catch(() => {}); // whoever awaits it gets the error
  }

  signal(name) {
    if (this.exit === null && this.handle.pid !== undefined) this.handle.kill(name);
  }

  // Asks it to end and returns { code, signal }; kills it and fails after timeout ms.
  async stop(name = 'SIGTERM', timeout = 15000) {
    this.signal(name);
    try {
      return await within(`${this.name} ends after ${name}`, this.ended, timeout);
    } catch (error) {
      this.signal('SIGKILL');
      error.message += `\n${this.tail()}`;
      throw error;
    }
  }

  tail(bytes = 4000) {
    return `--- output of ${this.name} ---\n${this.output.slice(-bytes)}---`;
  }

  // Polls condition until true; fails at once when the process ends, and shows its output.
  async ready(condition, timeout = 20000) {
    try {
      await until(
        `${this.name} is ready`,
        async () => this.exit !== null || (await condition()),
        timeout,
      );
    } catch (error) {
      error.message += `\n${this.tail()}`;
      throw error;
    }
    if (this.exit !== null) {
      throw new Error(
        `${this.name} ended while starting: ${JSON.stringify(this.exit)}\n${this.tail()}`,
      );
    }
  }
}

// Brokers listen with SO_REUSEPORT, so two tests that picked the same port would silently share it, and what
// is stopped and started again must find its port free. Therefore each test process draws from a range of its
// own, below the kernel's ephemeral ports, which it holds by listening on the first one.
const PORTS_PER_PROCESS = 64;
const RANGES = 320;
const FIRST_PORT = 11000;
let range; // a promise of { first }
let drawn = 1;

// Resolves to the server, or undefined when somebody else listens there.
function listen(port) {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.on('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

async function claimRange() {
  for (let i = 0; i < RANGES; i++) {
    const first = FIRST_PORT + ((process.pid + i) % RANGES) * PORTS_PER_PROCESS;
    const server = await listen(first);
    if (server) {
      server.unref(); // it is held until the process ends
      return { first };
    }
  }
  throw new Error(`all ranges of ports from ${FIRST_PORT} are in use`);
}

export async function freePort() {
  range ??= claimRange();
  const { first } = await range;
  while (drawn < PORTS_PER_PROCESS) {
    const port = first + drawn++;
    const server = await listen(port);
    if (server) {
      await new Promise((resolve) => server.close(resolve));
      return port;
    }
  }
  throw new Error(`no free port from ${first} to ${first + PORTS_PER_PROCESS - 1}`);
}

export function tempDir(t) {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-e2e-'));
  cleanup(t, () => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
