// One node with the memory engine: recovery while it lives, and an honest answer after a restart.
import test from 'node:test';
import assert from 'node:assert/strict';
import { startBalancer } from './lib/balancer.mjs';
import { startBroker } from './lib/broker.mjs';
import { startSubscriber } from './lib/sdk.mjs';

const CHANNEL = 'chat:memory';

async function publish(broker, from, to) {
  for (let n = from; n <= to; n++) await broker.api.publish(CHANNEL, { n });
}

function range(from, to) {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

test('client reconnects to a living node -> gets what it missed', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: { engine: { type: 'memory' } } });
  const balancer = await startBalancer(t, [broker.port]);
  const client = await startSubscriber(t, balancer.url, CHANNEL);
  await publish(broker, 1, 5);
  await client.received(5);

  balancer.ports = [];
  balancer.cut();
  await publish(broker, 6, 25);
  balancer.ports = [broker.port];
  const again = await client.subscriptions(2);
  assert.equal(again.wasRecovering, true);
  assert.equal(again.recovered, true);
  await publish(broker, 26, 30);
  await client.received(30);
  assert.deepEqual(client.offsets, range(1, 30));
  assert.deepEqual(client.data.map((data) => data.n), range(1, 30));
});

test('offset of a known state given at first subscribe -> continues from there', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t);
  await publish(broker, 1, 10);
  const { epoch } = await broker.api.history(CHANNEL, { limit: 0 });
  const client = await startSubscriber(t, broker.url, CHANNEL, {
    subscription: { since: { offset: 7, epoch } },
  });
  assert.equal(client.subscribed[0].recovered, true);
  await client.received(3);
  assert.deepEqual(client.offsets, [8, 9, 10]);
});

test('node restarts -> clients are told that they could not recover', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t);
  const client = await startSubscriber(t, broker.url, CHANNEL);
  await publish(broker, 1, 3);
  await client.received(3);
  const before = client.subscribed[0].streamPosition.epoch;

  await broker.kill();
  await broker.start();
  const again = await client.subscriptions(2);
  assert.equal(again.wasRecovering, true);
  assert.equal(again.recovered, false);
  assert.notEqual(again.streamPosition.epoch, before);
  await publish(broker, 4, 5);
  await client.received(5);
  assert.deepEqual(client.offsets, [1, 2, 3, 1, 2], 'the new stream counts from 1');
});

test('more missed than kept -> recovered is false, and live goes on', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t);
  const balancer = await startBalancer(t, [broker.port]);
  const client = await startSubscriber(t, balancer.url, 'small:memory');
  await broker.api.publish('small:memory', { n: 1 });
  await client.received(1);

  balancer.ports = [];
  balancer.cut();
  for (let n = 2; n <= 5; n++) await broker.api.publish('small:memory', { n });
  balancer.ports = [broker.port];
  const again = await client.subscriptions(2);
  assert.equal(again.wasRecovering, true);
  assert.equal(again.recovered, false);
  await broker.api.publish('small:memory', { n: 6 });
  await client.received(2);
  assert.deepEqual(client.offsets, [1, 6]);
});
