// Redis dies, hangs, loses its scripts or is not there yet: nothing acknowledged is lost, live
// subscribers go on, and /health/ready tells the truth.
import test from 'node:test';
import assert from 'node:assert/strict';
import { redisEngine, startBroker } from './lib/broker.mjs';
import { Publisher } from './lib/publisher.mjs';
import { startRedis } from './lib/redis.mjs';
import { cleanup, until } from './lib/scope.mjs';
import { startSubscriber } from './lib/sdk.mjs';

const CHANNEL = 'chat:restart';

async function becomesReady(broker, timeout = 30000) {
  await until('ready', async () => (await broker.health('/health/ready')).status === 200, timeout);
}

async function becomesUnready(broker, timeout = 30000) {
  const answer = await until(
    'not ready',
    async () => {
      const got = await broker.health('/health/ready');
      return got.status === 503 && got;
    },
    timeout,
  );
  assert.match(answer.body, /redis/i, 'the body names the reason');
  const alive = await broker.health('/health');
  assert.equal(alive.status, 200, 'liveness does not depend on Redis');
  assert.match(alive.body, /redis/i, 'but its body says what is degraded');
}

// Every subscriber has exactly what the stream has, in order.
async function checkDelivered(subscribers, stream) {
  for (const subscriber of subscribers) {
    await subscriber.received(stream.length);
    assert.deepEqual(subscriber.offsets, stream.map((entry) => entry.offset), subscriber.story());
    assert.deepEqual(subscriber.data, stream.map((entry) => JSON.parse(entry.data)));
    for (const context of subscriber.subscribed.slice(1)) {
      assert.equal(context.recovered, true, subscriber.story());
    }
  }
}

async function startTwoNodes(t, redis) {
  const config = redisEngine(redis);
  const nodes = await Promise.all([startBroker(t, { config }), startBroker(t, { config })]);
  const subscribers = await Promise.all(
    nodes.flatMap((node) => [1, 2].map(() => startSubscriber(t, node.url, CHANNEL))),
  );
  const publisher = new Publisher(CHANNEL, nodes.map((node) => node.api), 5);
  cleanup(t, () => publisher.stop());
  publisher.start();
  return { nodes, subscribers, publisher };
}

test('Redis is killed and restarts with its append-only file -> nothing acknowledged is lost', { timeout: 90000 }, async (t) => {
  const redis = await startRedis(t, { appendonly: true });
  const { nodes, subscribers, publisher } = await startTwoNodes(t, redis);
  await publisher.published(100);
  await redis.kill();
  await Promise.all(nodes.map((node) => becomesUnready(node)));
  await redis.start();
  await Promise.all(nodes.map((node) => becomesReady(node)));
  await publisher.published(publisher.acknowledged.length + 100);
  await publisher.stop();

  const stream = await redis.stream(CHANNEL);
  assert.equal(new Set(stream.map((entry) => entry.epoch)).size, 1, 'the epoch survives');
  publisher.checkAgainst(stream);
  await checkDelivered(subscribers, stream);
});

test('Redis drops every connection and forgets its scripts -> service goes on', { timeout: 60000 }, async (t) => {
  const redis = await startRedis(t);
  const { subscribers, publisher } = await startTwoNodes(t, redis);
  for (let round = 1; round <= 3; round++) {
    await publisher.published(50 * round);
    await redis.command('SCRIPT', 'FLUSH');
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  }
  await publisher.published(publisher.acknowledged.length + 50);
  await publisher.stop();

  const stream = await redis.stream(CHANNEL);
  publisher.checkAgainst(stream);
  await checkDelivered(subscribers, stream);
});

test('Redis hangs for a moment -> waiting publishes succeed or fail, none is lost', { timeout: 60000 }, async (t) => {
  const redis = await startRedis(t);
  const { nodes, subscribers, publisher } = await startTwoNodes(t, redis);
  await publisher.published(50);
  redis.pause();
  cleanup(t, () => redis.resume());
  await Promise.all(nodes.map((node) => becomesUnready(node)));
  redis.resume();
  await Promise.all(nodes.map((node) => becomesReady(node)));
  await publisher.published(publisher.acknowledged.length + 50);
  await publisher.stop();

  const stream = await redis.stream(CHANNEL);
  publisher.checkAgainst(stream);
  await checkDelivered(subscribers, stream);
});

test('Redis is away -> a publish is refused with a temporary error within its bound', { timeout: 60000 }, async (t) => {
  const redis = await startRedis(t);
  const broker = await startBroker(t, { config: redisEngine(redis) });
  await broker.api.publish(CHANNEL, { n: 1 });
  await redis.kill();
  const answer = await broker.api.raw('publish', { channel: CHANNEL, data: { n: 2 } });
  assert.equal(answer.status, 200);
  assert.equal(answer.json.error.code, 100);
  assert.equal(answer.json.result, undefined);
});

test('Redis is down at start -> the node says so, keeps trying, and serves once it is there', { timeout: 60000 }, async (t) => {
  const redis = await startRedis(t, { start: false });
  const broker = await startBroker(t, { config: redisEngine(redis), until: '/health' });
  await becomesUnready(broker);
  assert.match(broker.child.output, /redis/i, 'the log says so too');
  await redis.start();
  await becomesReady(broker);
  const client = await startSubscriber(t, broker.url, CHANNEL);
  await broker.api.publish(CHANNEL, { n: 1 });
  await client.received(1);
  assert.deepEqual(client.data, [{ n: 1 }]);
});
