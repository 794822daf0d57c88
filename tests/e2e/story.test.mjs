// The main job: two nodes, one Redis, a balancer, twenty clients. The node that serves the clients
// is killed while publishing goes on, comes back, and then the other one is killed. Every client
// ends with every message once and in order.
import test from 'node:test';
import assert from 'node:assert/strict';
import { startBalancer } from './lib/balancer.mjs';
import { redisEngine, startBroker } from './lib/broker.mjs';
import { Publisher } from './lib/publisher.mjs';
import { startRedis } from './lib/redis.mjs';
import { cleanup, until } from './lib/scope.mjs';
import { startSubscriber } from './lib/sdk.mjs';

const CHANNEL = 'chat:main';
const CLIENTS = 20;
const MESSAGES = 600;
const PACE_MS = 8;

test('kill -9 of either node while publishing -> nobody misses a message', { timeout: 150000 }, async (t) => {
  const redis = await startRedis(t, { appendonly: true });
  const config = redisEngine(redis);
  const [a, b] = await Promise.all([startBroker(t, { config }), startBroker(t, { config })]);
  const balancer = await startBalancer(t, [a.port, b.port]);
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, () => startSubscriber(t, balancer.url, CHANNEL)),
  );
  assert.deepEqual(balancer.load(), { [a.port]: CLIENTS }, 'the first node serves everyone');

  const publisher = new Publisher(CHANNEL, [a.api, b.api], PACE_MS);
  cleanup(t, () => publisher.stop());
  publisher.start();
  const everyoneIsOn = (node, time) =>
    until(
      () => `all clients are on node ${node.port} for the ${time}. time: ${JSON.stringify(balancer.load())}`,
      () =>
        clients.every((client) => client.subscribed.length >= time) &&
        balancer.load()[node.port] === CLIENTS,
      30000,
    );

  await publisher.published(150);
  await a.kill();
  await everyoneIsOn(b, 2);
  await checkReadable(redis);

  await a.start();
  await publisher.published(publisher.acknowledged.length + 50);
  await b.kill();
  await everyoneIsOn(a, 3);
  await checkReadable(redis);

  await publisher.published(MESSAGES);
  await publisher.stop();

  const stream = await checkReadable(redis);
  publisher.checkAgainst(stream);
  assert.ok(stream.length >= MESSAGES);
  for (const client of clients) {
    await client.received(stream.length);
    assert.deepEqual(client.offsets, stream.map((entry) => entry.offset), client.story());
    assert.deepEqual(client.data, stream.map((entry) => JSON.parse(entry.data)));
    const [first, ...again] = client.subscribed;
    assert.equal(first.wasRecovering, false);
    for (const context of again) {
      assert.equal(context.wasRecovering, true);
      assert.equal(context.recovered, true, client.story());
      assert.equal(context.streamPosition.epoch, stream[0].epoch);
    }
  }
});

// What an operator sees: IDs <epoch>-<offset> of one epoch, without a hole, payloads as published.
async function checkReadable(redis) {
  const stream = await redis.stream(CHANNEL);
  stream.forEach((entry, i) => {
    assert.match(entry.id, /^[1-9][0-9]*-[1-9][0-9]*$/);
    assert.equal(entry.epoch, stream[0].epoch);
    assert.equal(entry.offset, i + 1);
    assert.match(entry.data, /^\{"n":\d+,"text":"message \d+"\}$/);
  });
  return stream;
}
