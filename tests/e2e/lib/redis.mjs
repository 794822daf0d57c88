// A private redis-server, which can be killed, stopped and started again.
import { execFile } from 'node:child_process';
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
    args.push('--appendfsync', 'always');
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
