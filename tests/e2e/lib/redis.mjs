// A private redis-server, which can be killed, stopped and started again.
import { execFile } from 'node:child_process';
import { existsSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Child, freePort, tempDir } from './process.mjs';
import { cleanup } from './scope.mjs';

const run = promisify(execFile);

export class Redis {
  constructor(port, dir, options) {
    this.port = port;
    this.dir = dir;
    this.options = options;
    this.child = null;
  }

  get address() {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start() {
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.dir];
    args.push('--save', '', '--appendonly', this.options.appendonly ? 'yes' : 'no');
    args.push('--appendfsync', 'always', '--auto-aof-rewrite-percentage', '0');
    this.child = new Child(`redis-server on ${this.port}`, 'redis-server', args);
    // PING is answered with LOADING until the append-only file is read
    await this.child.ready(async () => (await this.command('PING')) === 'PONG');
  }

  async kill() {
    this.child.signal('SIGKILL');
    await this.child.ended;
  }

  pause() {
    this.child.signal('SIGSTOP');
  }

  resume() {
    this.child.signal('SIGCONT');
  }

  // What redis-cli answers, parsed: strings, numbers, arrays. Fails on an error reply.
  async command(...args) {
    const { stdout } = await run(
      'redis-cli',
      ['-h', '127.0.0.1', '-p', String(this.port), '-e', '--json', ...args.map(String)],
      { maxBuffer: 64 << 20, timeout: 20000 },
    );
    return JSON.parse(stdout);
  }

  // The entries of a channel's stream as an operator reads them: [{ id, epoch, offset, data }].
  async stream(channel) {
    const entries = await this.command('XRANGE', `holdfast:stream:${channel}`, '-', '+');
    return entries.map(([id, fields]) => {
      const [epoch, offset] = id.split('-');
      const pairs = {};
      for (let i = 0; i < fields.length; i += 2) pairs[fields[i]] = fields[i + 1];
      return { id, epoch, offset: Number(offset), data: pairs.data };
    });
  }

  // The file that everything was written to since the first start, in the order in which it happened.
  get #log() {
    return join(this.dir, 'appendonlydir', 'appendonly.aof.1.incr.aof');
  }

  // How much has been written; rollback(writtenBytes) to what was there then. Needs `appendonly`.
  get writtenBytes() {
    return existsSync(this.#log) ? statSync(this.#log).size : 0;
  }

  // While it is not running: what it wrote after that is lost when it starts again.
  rollback(bytes) {
    if (bytes < this.writtenBytes) truncateSync(this.#log, bytes);
  }

  // While it is not running: it starts empty.
  forget() {
    rmSync(join(this.dir, 'appendonlydir'), { recursive: true, force: true });
  }

  // Where the channel is: { epoch, offset }, or undefined when nothing is known of it.
  async top(channel) {
    const [last] = await this.command('XREVRANGE', `holdfast:stream:${channel}`, '+', '-', 'COUNT', 1);
    const meta = await this.command('GET', `holdfast:meta:${channel}`);
    const known = [last?.[0], meta].filter(Boolean).map((id) => id.split('-'));
    known.sort((a, b) => b[0] - a[0] || b[1] - a[1]);
    return known[0] && { epoch: known[0][0], offset: Number(known[0][1]) };
  }

  async stop() {
    if (this.child === null || this.child.exit !== null) return;
    this.resume();
    await this.child.stop('SIGTERM');
  }
}

// startRedis(t, { appendonly, start: false }): stopped when test t ends
export async function startRedis(t, { start = true, ...options } = {}) {
  const redis = new Redis(await freePort(), tempDir(t), options);
  cleanup(t, () => redis.stop());
  if (start) await redis.start();
  return redis;
}
