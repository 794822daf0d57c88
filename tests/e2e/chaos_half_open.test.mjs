// Chaos 31: a client's old connection is half open, and the client is back on a new one.
import test from 'node:test';
import assert from 'node:assert/strict';
import { redisEngine, startBroker } from './lib/broker.mjs';
import { connectRaw } from './lib/raw.mjs';
import { startRedis } from './lib/redis.mjs';
import { until } from './lib/scope.mjs';

const CHANNEL = 'chat:half-open';

// Of this node, which info names first: what it knows of others is a few seconds old.
async function clients(broker) {
  const { nodes: [own] } = await broker.api.call('info', {});
  return own.num_clients;
}

// sameNode: the client comes back to the node that still has its old connection
async function comeBack(t, sameNode) {
  const redis = await startRedis(t);
  const config = { ...redisEngine(redis), client: { ping_interval: '1s', pong_timeout: '700ms' } };
  const first = await startBroker(t, { config });
  const second = sameNode ? first : await startBroker(t, { config });
  const old = await connectRaw(t, first.url);
  const { epoch } = await old.call('subscribe', { channel: CHANNEL, recover: true });
  for (let n = 1; n <= 3; n++) await first.api.publish(CHANNEL, { n });
  await old.received(CHANNEL, 3);

  old.answersPings = false; // stopped: it neither reads nor answers, and nothing closes it
  old.ws.pause();
  for (let n = 4; n <= 6; n++) await first.api.publish(CHANNEL, { n });
  const fresh = await connectRaw(t, second.url);
  const result = await fresh.call('subscribe', { channel: CHANNEL, recover: true, epoch, offset: 3 });
  assert.equal(result.recovered, true);
  assert.deepEqual(result.publications.map(({ offset }) => offset), [4, 5, 6]);

  for (let n = 7; n <= 9; n++) await first.api.publish(CHANNEL, { n });
  await until('the old connection is given up', async () => (await clients(first)) === (sameNode ? 1 : 0), 10000);
  for (let n = 10; n <= 12; n++) await first.api.publish(CHANNEL, { n });
  await fresh.received(CHANNEL, 6);
  assert.deepEqual(fresh.publications(CHANNEL).map(({ offset }) => offset), [7, 8, 9, 10, 11, 12]);
  assert.equal(fresh.ws.readyState, fresh.ws.OPEN, 'the end of the old one is not the new one\'s');

  old.ws.resume();
  const { code } = await old.close();
  assert.ok([3012, 1006].includes(code), `the old one was closed with ${code}`);
  const late = old.publications(CHANNEL).map(({ offset }) => offset);
  assert.deepEqual(late, [...late.keys()].map((i) => i + 1), 'in order as far as it got');
  assert.ok(!late.includes(12), 'nothing is sent to it after the end');
}

test('c31 half-open connection and a resume on the same node -> the new one has all, once', { timeout: 60000 }, (t) => comeBack(t, true));
test('c31 half-open connection and a resume on another node -> the new one has all, once', { timeout: 60000 }, (t) => comeBack(t, false));
