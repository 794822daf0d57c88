// A TCP load balancer: each new connection goes to the first backend, in the order of `ports` (or the
// one that `order` makes of it), that accepts it. Changing `ports` affects new connections; cut() breaks
// the present ones. Who asks for a stream with `client=NAME` in its query is told of by onServed.
import net from 'node:net';
import { freePort } from './process.mjs';
import { cleanup } from './scope.mjs';

class Balancer {
  constructor(ports, { order = (all) => [...all], onServed = () => {} } = {}) {
    this.ports = ports;
    this.onServed = onServed; // (client's name, port of its node)
    this.pairs = new Set();
    this.server = net.createServer((client) => this.#forward(client, order(this.ports)));
  }

  get url() {
    return `ws://127.0.0.1:${this.port}/connection/websocket`;
  }

  #forward(client, ports) {
    client.on('error', () => client.destroy());
    client.pause();
    const tryNext = () => {
      if (ports.length === 0 || client.destroyed) {
        client.destroy();
        return;
      }
      const port = ports.shift();
      const backend = net.connect(port, '127.0.0.1');
      backend.once('error', tryNext);
      backend.once('connect', () => {
        backend.off('error', tryNext);
        this.#join(client, backend, port);
      });
    };
    tryNext();
  }

  #join(client, backend, port) {
    const pair = { client, backend, port };
    this.pairs.add(pair);
    for (const [from, to] of [
      [client, backend],
      [backend, client],
    ]) {
      from.on('error', () => from.destroy());
      from.on('close', () => {
        this.pairs.delete(pair);
        to.destroy();
      });
      from.pipe(to);
    }
    client.on('data', (chunk) => {
      const name = /^(?:GET|POST) \S*[?&]client=([^& ]+)/.exec(chunk.toString('latin1', 0, 500))?.[1];
      if (name !== undefined) this.onServed(name, port);
    });
  }

  // How many connections each backend has: { port: count }
  load() {
    const count = {};
    for (const { port } of this.pairs) count[port] = (count[port] ?? 0) + 1;
    return count;
  }

  // All connections, or those to one backend.
  cut(only) {
    for (const { client, backend, port } of this.pairs) {
      if (only !== undefined && port !== only) continue;
      client.destroy();
      backend.destroy();
    }
  }

  close() {
    this.server.close();
    this.cut();
  }
}

export async function startBalancer(t, ports, options) {
  const balancer = new Balancer(ports, options);
  balancer.port = await freePort();
  await new Promise((resolve, reject) => {
    balancer.server.once('error', reject);
    balancer.server.listen(balancer.port, '127.0.0.1', resolve);
  });
  cleanup(t, () => balancer.close());
  return balancer;
}
