// A TCP load balancer: each new connection goes to the first backend, in the order of `ports`, that
// accepts it. Changing `ports` affects new connections; cut() breaks the present ones.
import net from 'node:net';
import { freePort } from './process.mjs';
import { cleanup } from './scope.mjs';

class Balancer {
  constructor(ports) {
    this.ports = ports;
    this.pairs = new Set();
    this.server = net.createServer((client) => this.#forward(client, [...this.ports]));
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
  }

  // How many connections each backend has: { port: count }
  load() {
    const count = {};
    for (const { port } of this.pairs) count[port] = (count[port] ?? 0) + 1;
    return count;
  }

  cut() {
    for (const { client, backend } of this.pairs) {
      client.destroy();
      backend.destroy();
    }
  }

  close() {
    this.server.close();
    this.cut();
  }
}

export async function startBalancer(t, ports) {
  const balancer = new Balancer(ports);
  balancer.port = await freePort();
  await new Promise((resolve, reject) => {
    balancer.server.once('error', reject);
    balancer.server.listen(balancer.port, '127.0.0.1', resolve);
  });
  cleanup(t, () => balancer.close());
  return balancer;
}
