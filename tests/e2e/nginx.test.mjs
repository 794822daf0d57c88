// Behind a real nginx: what a reload of it does to everybody, and HTTP as a proxy speaks it.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { EventSource } from 'eventsource';
import WebSocket from 'ws';
import { API_KEY, redisEngine, startBroker } from './lib/broker.mjs';
import { certificatesFor } from './lib/certificates.mjs';
import { request } from './lib/http.mjs';
import { startNginx } from './lib/nginx.mjs';
import { freePort, tempDir } from './lib/process.mjs';
import { startRedis } from './lib/redis.mjs';
import { cleanup, until } from './lib/scope.mjs';
import { startSubscriber } from './lib/sdk.mjs';
import { openTcp } from './lib/tcp.mjs';

async function startPair(t, config = {}, nginxOptions = {}) {
  const redis = await startRedis(t);
  const options = { config: { ...redisEngine(redis), ...config } };
  const nodes = [await startBroker(t, options), await startBroker(t, options)];
  const nginx = await startNginx(t, nodes.map((node) => node.port), nginxOptions);
  return { redis, nodes, nginx };
}

// How often Redis has run a command.
async function calls(redis, command) {
  const stats = await redis.command('EVAL', "return redis.call('INFO', 'commandstats')", 0);
  return Number(stats.match(new RegExp(`cmdstat_${command}:calls=(\\d+)`))?.[1] ?? 0);
}

const CLIENTS = 60;

test('a reload drops everyone at once -> all are back with everything, Redis is hardly asked', { timeout: 120000 }, async (t) => {
  const { redis, nodes, nginx } = await startPair(t);
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, () => startSubscriber(t, nginx.url, 'chat:storm')),
  );
  let published = 0;
  const publish = async () => nodes[published % 2].api.publish('chat:storm', { n: ++published });
  for (let n = 0; n < 10; n++) await publish();
  await Promise.all(clients.map((client) => client.received(10)));
  const before = await calls(redis, 'xrange');

  for (let round = 1; round <= 2; round++) {
    nginx.reload();
    await until('everybody was dropped', async () => {
      await publish(); // while they are away, and while they come back
      return clients.every((client) => client.subscribed.length > round || client.events.filter((each) => each.type === 'connecting').length > round);
    }, 30000);
    for (let n = 0; n < 20; n++) await publish();
    await Promise.all(clients.map((client) => client.subscriptions(round + 1, 40000)));
  }
  await publish();
  const expected = Array.from({ length: published }, (_, i) => i + 1);
  for (const client of clients) {
    await client.received(published, 30000);
    assert.deepEqual(client.offsets, expected, client.story());
    assert.deepEqual(client.data.map((each) => each.n), expected);
    for (const ctx of client.subscribed.slice(1)) assert.equal(ctx.recovered, true, client.story());
  }
  const reads = (await calls(redis, 'xrange')) - before;
  assert.ok(reads <= 10, `${reads} reads for ${2 * CLIENTS} recoveries`);
});

test('API calls through nginx -> kept alive, over HTTP/1.0, chunked, large, with Expect', { timeout: 60000 }, async (t) => {
  const { nodes, nginx } = await startPair(t);
  const headers = { 'X-API-Key': API_KEY };
  const publish = (path, n, more = {}) =>
    request({ port: nginx.port, path, headers: { ...headers, ...more }, body: JSON.stringify({ channel: 'chat:http', data: { n } }) });
  const offsets = [];
  for (let n = 1; n <= 10; n++) {
    const answer = await publish(n % 2 ? '/api/publish' : '/old/api/publish', n);
    assert.equal(answer.status, 200, answer.body);
    offsets.push(answer.json.result.offset);
  }
  assert.deepEqual(offsets, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);

  const chunked = await new Promise((resolve, reject) => {
    const req = http.request({ port: nginx.port, host: '127.0.0.1', method: 'POST', path: '/api/publish', agent: false, headers: { ...headers, 'Transfer-Encoding': 'chunked', Expect: '100-continue' } }, (res) => {
      let text = '';
      res.on('data', (chunk) => (text += chunk));
      res.on('end', () => resolve({ status: res.statusCode, text }));
    });
    req.on('error', reject);
    req.on('continue', () => {
      req.write('{"channel":"chat:http",');
      req.write(`"data":"${'x'.repeat(300000)}"`);
      req.end('}');
    });
  });
  assert.equal(chunked.status, 200, chunked.text);
  assert.equal((await nodes[1].api.history('chat:http')).publications.length, 11);
  assert.equal((await request({ port: nginx.port, path: '/api/publish', body: '{}' })).status, 401);
  assert.equal((await request({ port: nginx.port, path: '/health/ready', method: 'GET' })).status, 200);
});

test('event streams and long polls through nginx -> nothing is held back by its buffers', { timeout: 60000 }, async (t) => {
  const { nodes, nginx } = await startPair(t, { uni_sse: { enabled: true }, holdfast: { poll: { enabled: true } } });
  const events = new EventSource(`http://127.0.0.1:${nginx.port}/connection/uni_sse?channel=chat:stream`);
  cleanup(t, () => events.close());
  const seen = [];
  events.onmessage = (event) => seen.push(JSON.parse(event.data));
  await until('the stream has begun', () => seen.length > 0);
  for (let n = 1; n <= 5; n++) {
    await nodes[n % 2].api.publish('chat:stream', { n });
    await until(`publication ${n} arrives by itself`, () => seen.filter((each) => each.pub).length === n, 5000);
  }
  const poll = request({ port: nginx.port, path: '/connection/poll?channel=chat:poll&timeout=20', method: 'GET' });
  await until('the poll waits at a node', async () =>
    (await Promise.all(nodes.map((node) => node.api.call('info', {})))).some((info) => info.nodes.some((each) => each.num_channels > 1)),
  ).catch(() => {});
  await nodes[0].api.publish('chat:poll', { late: true });
  const answer = await poll;
  assert.equal(answer.status, 200);
  assert.match(answer.body, /late/);
});

test('TLS ended by nginx or passed on to a node with TLS -> the SDK does not notice', { timeout: 60000 }, async (t) => {
  const dir = tempDir(t);
  const { ca, cert, key } = certificatesFor(dir);
  const outer = await freePort();
  const secureNode = await startBroker(t, {
    config: { http_server: { tls: { enabled: true, cert_pem: cert, key_pem: key }, internal_port: await freePort(), tls_external: true } },
    start: false,
  });
  secureNode.health = (path) => request({ port: secureNode.config.http_server.internal_port, path, method: 'GET' });
  await secureNode.start();
  const { nginx } = await startPair(t, {}, {
    server: `
    listen 127.0.0.1:${outer} ssl;
    ssl_certificate ${cert};
    ssl_certificate_key ${key};
    location /secure/ {
      proxy_pass https://127.0.0.1:${secureNode.port}/;
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate ${ca};
      proxy_ssl_name localhost;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_header;
    }`,
  });
  const passed = await startSubscriber(t, `ws://127.0.0.1:${nginx.port}/secure/connection/websocket`, 'chat:a');
  await passed.sub.publish({ over: 'TLS to the node' });
  await passed.received(1);
  const trusted = class extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { ca: readFileSync(ca) });
    }
  };
  const ended = await startSubscriber(t, `wss://127.0.0.1:${outer}/connection/websocket`, 'chat:b', { websocket: trusted });
  await ended.sub.publish({ over: 'TLS to nginx' });
  await ended.received(1);
});

test('several requests in one segment on one connection -> answered in order; what is too large or broken ends it', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: { holdfast: { http_body_max: '2KiB', http_header_max: '1KiB' } } });
  const call = (n) => {
    const body = JSON.stringify({ channel: 'chat:pipe', data: { n } });
    return `POST /api/publish HTTP/1.1\r\nHost: a\r\nX-API-Key: ${API_KEY}\r\nX-Forwarded-For: 1.2.3.4\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  };
  const tcp = await openTcp(t, broker.port);
  tcp.write(Array.from({ length: 8 }, (_, i) => call(i + 1)).join(''));
  await until('eight answers', () => (tcp.text.match(/HTTP\/1\.1 200 OK/g) ?? []).length === 8);
  assert.deepEqual([...tcp.text.matchAll(/"offset":(\d+)/g)].map(([, offset]) => Number(offset)), [1, 2, 3, 4, 5, 6, 7, 8]);
  tcp.write('GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await tcp.ended();
  assert.match(tcp.text, /Connection: close/);

  for (const [what, bytes, status] of [
    ['a body above the limit', `POST /api/publish HTTP/1.1\r\nHost: a\r\nX-API-Key: ${API_KEY}\r\nContent-Length: 3000\r\n\r\n`, 413],
    ['a head above the limit', `GET /health HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(2000)}\r\n\r\n`, 431],
    ['two lengths', 'POST /api/info HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}', 400],
    ['a length and chunks', 'POST /api/info HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
    ['an expectation that nobody knows', 'POST /api/info HTTP/1.1\r\nHost: a\r\nExpect: the-unexpected\r\nContent-Length: 2\r\n\r\n{}', 417],
    ['HTTP/2', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505],
  ]) {
    const bad = await openTcp(t, broker.port);
    bad.write(bytes);
    await bad.match(new RegExp(`^HTTP/1\\.1 ${status} `)).catch((error) => assert.fail(`${what}: ${error.message}`));
    await bad.ended();
  }
});
