// The SDK over HTTP streaming and SSE: two nodes, commands that land on the other one, a node's end.
import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';
import { EventSource } from 'eventsource';
import { redisEngine, startBroker } from './lib/broker.mjs';
import { startBalancer } from './lib/balancer.mjs';
import { startRedis } from './lib/redis.mjs';
import { startSubscriber } from './lib/sdk.mjs';
import { until } from './lib/scope.mjs';

const TRANSPORTS = {
  http_stream: '/connection/http_stream',
  sse: '/connection/sse',
};
const STREAMS = { http_stream: { enabled: true }, sse: { enabled: true } };

function options(port, emulationPort = port) {
  return {
    transport: (name) => [
      { transport: name, endpoint: `http://127.0.0.1:${port}${TRANSPORTS[name]}` },
    ],
    sdk: {
      emulationEndpoint: `http://127.0.0.1:${emulationPort}/emulation`,
      fetch: globalThis.fetch,
      readableStream: globalThis.ReadableStream,
      eventsource: EventSource,
    },
  };
}

async function subscribe(t, name, port, emulationPort) {
  const { transport, sdk } = options(port, emulationPort);
  return startSubscriber(t, transport(name), 'chat:room', sdk);
}

function post(port, path, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ port, path, method: 'POST', headers, agent: false }, (response) => {
      let text = '';
      response.on('data', (data) => (text += data));
      response.on('end', () => resolve({ status: response.statusCode, text, headers: response.headers }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

for (const name of Object.keys(TRANSPORTS)) {
  test(`${name}: subscribe, publish, history with several workers of one node`, async (t) => {
    const broker = await startBroker(t, { config: { ...STREAMS, holdfast: { workers: 3 } } });
    const subscriber = await subscribe(t, name, broker.port);
    for (let n = 1; n <= 20; n++) await subscriber.sub.publish({ n });
    await subscriber.received(20);
    assert.deepEqual(subscriber.data, Array.from({ length: 20 }, (_, i) => ({ n: i + 1 })));
    const history = await subscriber.sub.history({ limit: -1 });
    assert.equal(history.publications.length, 20);
  });

  test(`${name}: commands land on the other node -> they reach the session`, async (t) => {
    const redis = await startRedis(t);
    const config = { ...STREAMS, ...redisEngine(redis) };
    const owner = await startBroker(t, { config });
    const other = await startBroker(t, { config });
    await until('the nodes know each other', async () => {
      const { nodes } = await other.api.call('info', {});
      return nodes.length === 2;
    });
    const subscriber = await subscribe(t, name, owner.port, other.port);
    await subscriber.sub.publish({ text: 'ä€😀' });
    await subscriber.received(1);
    assert.deepEqual(subscriber.data, [{ text: 'ä€😀' }]);
  });

  test(`${name}: the node is killed -> the client recovers on the other one`, async (t) => {
    const redis = await startRedis(t);
    const config = { ...STREAMS, ...redisEngine(redis) };
    const first = await startBroker(t, { config });
    const second = await startBroker(t, { config });
    const balancer = await startBalancer(t, [first.port, second.port]);
    const subscriber = await subscribe(t, name, balancer.port);
    await second.api.call('publish', { channel: 'chat:room', data: { n: 1 } });
    await subscriber.received(1);
    await first.kill();
    for (let n = 2; n <= 30; n++) {
      await second.api.call('publish', { channel: 'chat:room', data: { n } });
    }
    await subscriber.received(30);
    assert.deepEqual(subscriber.offsets, Array.from({ length: 30 }, (_, i) => i + 1));
    const last = subscriber.subscribed.at(-1);
    assert.equal(last.recovered, true);
  });
}

test('a node that stops tells clients of streams to reconnect', async (t) => {
  const broker = await startBroker(t, { config: STREAMS });
  const subscriber = await subscribe(t, 'http_stream', broker.port);
  const stopped = broker.stop();
  await until('a disconnect with 3001', () => subscriber.events.some((event) => event.code === 3001));
  await stopped;
});

test('emulation: unknown node 404, unknown session 204, broken body 400, too large 413', async (t) => {
  const broker = await startBroker(t, { config: STREAMS });
  const { nodes } = await broker.api.call('info', {});
  const session = '00000000-0000-4000-8000-000000000000';
  const status = async (body) => (await post(broker.port, '/emulation', body)).status;
  assert.equal(await status(JSON.stringify({ session, node: 'nobody', data: '{}' })), 404);
  assert.equal(await status(JSON.stringify({ session, node: nodes[0].uid, data: '{}' })), 204);
  assert.equal(await status(JSON.stringify({ session: 'x', node: nodes[0].uid, data: '{}' })), 204);
  assert.equal(await status('{"session":'), 400);
  assert.equal(await status(JSON.stringify({ session })), 400);
  assert.equal(await status('x'.repeat(65537)), 413);
});

test('CORS: an allowed origin is told so, another one is not', async (t) => {
  const config = { ...STREAMS, client: { allowed_origins: ['https://good.example'] } };
  const broker = await startBroker(t, { config });
  const preflight = async (origin) => {
    const response = await fetch(`http://127.0.0.1:${broker.port}/connection/http_stream`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-headers': 'x-a' },
    });
    assert.equal(response.status, 204);
    return response.headers;
  };
  const good = await preflight('https://good.example');
  assert.equal(good.get('access-control-allow-origin'), 'https://good.example');
  assert.equal(good.get('access-control-allow-headers'), 'x-a');
  assert.equal(good.get('access-control-max-age'), '300');
  const bad = await preflight('https://bad.example');
  assert.equal(bad.get('access-control-allow-origin'), null);
});
