// Namespaces that recover only the newest publication (force_recovery_mode: cache), over two nodes.
import test from 'node:test';
import assert from 'node:assert/strict';
import { startBalancer } from './lib/balancer.mjs';
import { redisEngine, startBroker } from './lib/broker.mjs';
import { startRedis } from './lib/redis.mjs';
import { startSubscriber } from './lib/sdk.mjs';

const CACHE = {
  history_size: 10,
  history_ttl: '60s',
  force_recovery: true,
  force_recovery_mode: 'cache',
};

async function startNodes(t) {
  const redis = await startRedis(t);
  const config = {
    ...redisEngine(redis),
    channel: {
      namespaces: [
        { name: 'price', ...CACHE },
        { name: 'board', ...CACHE, auto_cache_recover: true },
      ],
    },
  };
  const nodes = [];
  for (let i = 0; i < 2; i++) nodes.push(await startBroker(t, { config }));
  return nodes;
}

async function publish(broker, channel, from, to) {
  for (let n = from; n <= to; n++) await broker.api.publish(channel, { n });
}

test('many missed -> recovered with the newest only, on another node', { timeout: 60000 }, async (t) => {
  const [first, second] = await startNodes(t);
  const balancer = await startBalancer(t, [first.port]);
  const client = await startSubscriber(t, balancer.url, 'price:gold');
  await publish(second, 'price:gold', 1, 3);
  await client.received(3);

  balancer.ports = [];
  balancer.cut();
  await publish(second, 'price:gold', 4, 30); // more than the history keeps
  balancer.ports = [second.port];
  const again = await client.subscriptions(2);
  assert.equal(again.wasRecovering, true);
  assert.equal(again.recovered, true);
  await publish(first, 'price:gold', 31, 31);
  await client.received(5);
  assert.deepEqual(client.data.map((data) => data.n), [1, 2, 3, 30, 31]);
});

test('nothing missed -> recovered with nothing', { timeout: 60000 }, async (t) => {
  const [first, second] = await startNodes(t);
  const balancer = await startBalancer(t, [first.port]);
  const client = await startSubscriber(t, balancer.url, 'price:gold');
  await publish(first, 'price:gold', 1, 2);
  await client.received(2);
  balancer.ports = [second.port];
  balancer.cut();
  const again = await client.subscriptions(2);
  assert.equal(again.recovered, true);
  await publish(first, 'price:gold', 3, 3);
  await client.received(3);
  assert.deepEqual(client.data.map((data) => data.n), [1, 2, 3]);
});

test('automatic: the first subscribe gets the newest, if there is one', { timeout: 60000 }, async (t) => {
  const [first, second] = await startNodes(t);
  const early = await startSubscriber(t, first.url, 'board:menu');
  assert.equal(early.subscribed[0].recovered, false, 'there is nothing yet');
  await publish(first, 'board:menu', 1, 4);
  await early.received(4);
  const late = await startSubscriber(t, second.url, 'board:menu');
  assert.equal(late.subscribed[0].wasRecovering, true);
  assert.equal(late.subscribed[0].recovered, true);
  await late.received(1);
  await publish(second, 'board:menu', 5, 5);
  await late.received(2);
  assert.deepEqual(late.data.map((data) => data.n), [4, 5]);
});
