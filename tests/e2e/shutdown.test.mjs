// SIGTERM: clients are told to reconnect, the node ends with exit code 0 within its limit.
import test from 'node:test';
import assert from 'node:assert/strict';
import { startBalancer } from './lib/balancer.mjs';
import { redisEngine, startBroker } from './lib/broker.mjs';
import { startRedis } from './lib/redis.mjs';
import { until } from './lib/scope.mjs';
import { connectRaw } from './lib/raw.mjs';
import { startSubscriber } from './lib/sdk.mjs';

test('SIGTERM -> every client is closed with 3001 and the node exits with 0', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: { shutdown: { timeout: '10s' } } });
  const raw = await Promise.all(Array.from({ length: 10 }, () => connectRaw(t, broker.url)));
  const subscriber = await startSubscriber(t, broker.url, 'chat:shutdown');
  const { code, signal } = await broker.child.stop('SIGTERM', 12000);
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, broker.child.tail());
  for (const client of raw) {
    assert.deepEqual(await client.close(), { code: 3001, reason: 'shutdown' });
  }
  await until('the SDK reconnects', () =>
    subscriber.events.some((event) => event.type === 'connecting' && event.code === 3001),
  );
  assert.ok(!subscriber.events.some((event) => event.type === 'disconnected'), subscriber.story());
});

test('a client does not answer the close -> readiness is 503 meanwhile, then the node ends all the same', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: { shutdown: { timeout: '20s' } } });
  const deaf = await connectRaw(t, broker.url);
  deaf.ws.pause();
  const stopping = broker.child.stop('SIGTERM', 22000);
  const answer = await until('readiness is refused', async () => {
    const got = await broker.health('/health/ready');
    return got.status === 503 && got;
  });
  assert.equal(answer.json.draining, true, answer.body);
  assert.deepEqual(await stopping, { code: 0, signal: null }, broker.child.tail());
});

test('rolling restart of two nodes -> subscribers move and recover', { timeout: 60000 }, async (t) => {
  const redis = await startRedis(t);
  const config = redisEngine(redis);
  const [a, b] = await Promise.all([startBroker(t, { config }), startBroker(t, { config })]);
  const balancer = await startBalancer(t, [a.port, b.port]);
  const clients = await Promise.all(
    Array.from({ length: 5 }, () => startSubscriber(t, balancer.url, 'chat:rolling')),
  );
  let n = 0;
  const publish = async (api, count) => {
    for (let i = 0; i < count; i++) await api.publish('chat:rolling', { n: ++n });
  };
  await publish(a.api, 10);
  const { code } = await a.child.stop('SIGTERM');
  assert.equal(code, 0);
  await publish(b.api, 10);
  await Promise.all(clients.map((client) => client.subscriptions(2)));
  await a.start();
  await b.child.stop('SIGTERM');
  await publish(a.api, 10);
  for (const client of clients) {
    await client.subscriptions(3);
    await client.received(n);
    assert.deepEqual(client.offsets, Array.from({ length: n }, (_, i) => i + 1));
    assert.ok(client.subscribed.slice(1).every((context) => context.recovered), client.story());
  }
});
