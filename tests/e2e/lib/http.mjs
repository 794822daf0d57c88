// HTTP requests to a node, and the server API.
import http from 'node:http';

// request resolves to { status, headers, body, json }, json being undefined when the body is not
// JSON. Without an agent each request has a connection of its own.
export function request({ port, path, method = 'POST', headers = {}, body, agent = false }) {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : Buffer.from(body);
    const length = payload === undefined ? {} : { 'Content-Length': payload.length };
    const req = http.request(
      { host: '127.0.0.1', port, path, method, agent, headers: { ...length, ...headers } },
      (res) => {
        const chunks = [];
        res.on('data', (chunk) => chunks.push(chunk));
        res.on('error', reject);
        res.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          let json;
          try {
            json = JSON.parse(text);
          } catch {
            json = undefined;
          }
          resolve({ status: res.statusCode, headers: res.headers, body: text, json });
        });
      },
    );
    req.setTimeout(20000, () => req.destroy(new Error(`${method} ${path}: no answer in 20 s`)));
    req.on('error', reject);
    req.end(payload);
  });
}

// The API of one node over kept-alive connections.
export class Api {
  constructor(port, key) {
    this.port = port;
    this.key = key;
    this.agent = new http.Agent({ keepAlive: true });
  }

  // The whole response. body is sent as it is when it is a string.
  raw(method, body, headers = {}) {
    return request({
      port: this.port,
      path: `/api/${method}`,
      headers: { 'X-API-Key': this.key, 'Content-Type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      agent: this.agent,
    });
  }

  // The result; fails when the answer is an error.
  async call(method, body) {
    const response = await this.raw(method, body);
    if (response.status !== 200 || response.json?.result === undefined) {
      throw new Error(`api ${method}: ${response.status} ${response.body}`);
    }
    return response.json.result;
  }

  publish(channel, data) {
    return this.call('publish', { channel, data });
  }

  history(channel, options = { limit: -1 }) {
    return this.call('history', { channel, ...options });
  }

  close() {
    this.agent.destroy();
  }
}
