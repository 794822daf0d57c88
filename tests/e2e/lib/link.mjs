// What lies between one node and Redis: a TCP relay that makes the network fail as told. A change holds
// for bytes that arrive after it.
import net from 'node:net';
import { freePort } from './process.mjs';
import { cleanup } from './scope.mjs';

// One direction of a connection.
class Flow {
  constructor(link, from, to, isReplies) {
    Object.assign(this, { link, to, waiting: [], isEnded: false });
    from.on('data', (chunk) => {
      if (isReplies && link.losesReplies) return;
      this.waiting.push({ chunk, at: performance.now() + link.delayMs });
      this.pump();
    });
    from.on('error', () => {}); // 'close' follows
    from.on('close', () => {
      this.isEnded = true;
      this.pump();
    });
  }

  pump() {
    if (this.link.isHeld) return;
    clearTimeout(this.timer);
    for (;;) {
      const wait = (this.waiting[0]?.at ?? 0) - performance.now();
      if (this.waiting.length > 0 && wait > 0) {
        this.timer = setTimeout(() => this.pump(), wait);
        return;
      }
      const next = this.waiting.shift();
      if (!next) break;
      this.to.write(next.chunk);
    }
    if (this.isEnded) this.to.destroy();
  }
}

class Link {
  constructor(redisPort) {
    this.connections = new Set();
    this.delayMs = 0; // how long each byte takes
    this.isHeld = false; // a black hole: nothing passes and nothing is closed
    this.losesReplies = false; // half open: commands arrive, answers and messages vanish
    this.refuses = false; // new connections are closed at once
    this.server = net.createServer((node) => {
      if (this.refuses) {
        node.destroy();
        return;
      }
      const redis = net.connect(redisPort, '127.0.0.1');
      const flows = [new Flow(this, node, redis, false), new Flow(this, redis, node, true)];
      const connection = { node, redis, flows };
      this.connections.add(connection);
      node.on('close', () => redis.destroyed && this.connections.delete(connection));
      redis.on('close', () => node.destroyed && this.connections.delete(connection));
    });
  }

  get address() {
    return `redis://127.0.0.1:${this.port}`;
  }

  // Lets pass again what was held.
  release() {
    this.isHeld = false;
    for (const { flows } of this.connections) flows.forEach((flow) => flow.pump());
  }

  cut() {
    for (const { node, redis } of this.connections) {
      node.destroy();
      redis.destroy();
    }
  }

  close() {
    this.server.close();
    this.release();
    this.cut();
  }
}

export async function startLink(t, redisPort) {
  const link = new Link(redisPort);
  link.port = await freePort();
  await new Promise((resolve, reject) => {
    link.server.once('error', reject);
    link.server.listen(link.port, '127.0.0.1', resolve);
  });
  cleanup(t, () => link.close());
  return link;
}
