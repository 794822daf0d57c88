// Tags filters: which publications a subscriber gets, live and recovered, and that those he does not
// get are no gap.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';
import { startBalancer } from './lib/balancer.mjs';
import { redisEngine, startBroker } from './lib/broker.mjs';
import { connectRaw } from './lib/raw.mjs';
import { startRedis } from './lib/redis.mjs';
import { startSubscriber } from './lib/sdk.mjs';

const HISTORY = { history_size: 1000, history_ttl: '300s', force_recovery: true };
const CONFIG = {
  channel: {
    namespaces: [
      { name: 'score', ...HISTORY, allow_tags_filter: true, allowed_delta_types: ['fossil'], delta_publish: true },
      { name: 'cache', ...HISTORY, allow_tags_filter: true, force_recovery_mode: 'cache', auto_cache_recover: true },
      { name: 'plain', ...HISTORY },
    ],
  },
  holdfast: { page_max_publications: 16, tags_filter_max_depth: 3, tags_filter_max_bytes: 500 },
};
const HIGH = { key: 'n', cmp: 'gte', val: '5' };
const ODD = { op: 'and', nodes: [{ key: 'kind', cmp: 'eq', val: 'odd' }, { op: 'not', nodes: [{ key: 'n', cmp: 'in', vals: ['1', '3'] }] }] };

async function publish(broker, channel, from, to) {
  for (let n = from; n <= to; n++) {
    const tags = { n: String(n), kind: n % 2 === 1 ? 'odd' : 'even' };
    await broker.api.call('publish', { channel, data: { n }, tags });
  }
}

const numbers = (subscriber) => subscriber.data.map((data) => data.n);
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const odds = (from, to) => range(from, to).filter((n) => n % 2 === 1 && n > 3);

test('live: each gets what passes his filter', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: CONFIG });
  const high = await startSubscriber(t, broker.url, 'score:1', { subscription: { tagsFilter: HIGH } });
  const odd = await startSubscriber(t, broker.url, 'score:1', {
    sdk: ProtobufCentrifuge,
    subscription: { tagsFilter: ODD },
  });
  const all = await startSubscriber(t, broker.url, 'score:1');
  await publish(broker, 'score:1', 1, 9);
  await all.received(9);
  await high.received(5);
  await odd.received(3);
  assert.deepEqual(numbers(all), range(1, 9));
  assert.deepEqual(numbers(high), range(5, 9));
  assert.deepEqual(odd.data.map((bytes) => JSON.parse(new TextDecoder().decode(bytes)).n), odds(1, 9));
  assert.deepEqual(high.offsets, range(5, 9));
});

test('recovered: filtered as well, in pages, and not a gap', { timeout: 60000 }, async (t) => {
  const redis = await startRedis(t);
  const config = { ...redisEngine(redis), ...CONFIG };
  const first = await startBroker(t, { config });
  const second = await startBroker(t, { config });
  const balancer = await startBalancer(t, [first.port]);
  const client = await startSubscriber(t, balancer.url, 'score:1', { subscription: { tagsFilter: ODD } });
  await publish(first, 'score:1', 1, 8);
  await client.received(2);
  balancer.ports = [];
  balancer.cut();
  await publish(first, 'score:1', 9, 80);
  balancer.ports = [second.port];
  const again = await client.subscriptions(2);
  assert.equal(again.recovered, true);
  await publish(second, 'score:1', 81, 85);
  await client.received(odds(1, 85).length);
  assert.deepEqual(numbers(client), odds(1, 85));

  // nothing that passes was missed: recovered with nothing
  balancer.ports = [];
  balancer.cut();
  await publish(first, 'score:1', 86, 86);
  balancer.ports = [first.port];
  assert.equal((await client.subscriptions(3)).recovered, true);
  await publish(first, 'score:1', 87, 87);
  await client.received(odds(1, 87).length);
  assert.deepEqual(numbers(client), odds(1, 87));
  const lost = client.events.filter((event) => event.type === 'subscription subscribing' && event.code === 2500);
  assert.deepEqual(lost, []);
});

test('cache mode: the newest that passes', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: CONFIG });
  await publish(broker, 'cache:1', 1, 40);
  const subscribe = (tagsFilter) => startSubscriber(t, broker.url, 'cache:1', { subscription: { tagsFilter } });
  const odd = await subscribe({ key: 'kind', cmp: 'eq', val: 'odd' });
  await odd.received(1);
  assert.deepEqual(numbers(odd), [39]);
  assert.equal(odd.subscribed[0].recovered, true);
  const old = await subscribe({ key: 'n', cmp: 'lt', val: '3' }); // more than a page back
  await old.received(1);
  assert.deepEqual(numbers(old), [2]);
  const none = await subscribe({ key: 'n', cmp: 'gt', val: '40' });
  assert.equal(none.subscribed[0].recovered, false);
  await publish(broker, 'cache:1', 41, 42);
  await none.received(2);
  await odd.received(2);
  assert.deepEqual(numbers(none), [41, 42]);
  assert.deepEqual(numbers(odd), [39, 41]);
  assert.deepEqual(numbers(old), [2]);
});

test('refused: where it is not allowed, and what is no filter', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: CONFIG });
  const raw = await connectRaw(t, broker.url);
  const deep = { op: 'not', nodes: [{ op: 'not', nodes: [{ op: 'not', nodes: [HIGH] }] }] };
  const large = { key: 'n', cmp: 'in', vals: range(1, 100).map(String) };
  for (const [channel, tf] of [
    ['plain:1', HIGH],
    ['score:1', {}],
    ['score:1', { key: 'n', cmp: 'like', val: 'x' }],
    ['score:1', { op: 'and', nodes: [] }],
    ['score:1', deep],
    ['score:1', large],
  ]) {
    const reply = await raw.ask({ subscribe: { channel, tf } });
    assert.equal(reply.error?.code, 107, `${channel} ${JSON.stringify(tf)}: ${JSON.stringify(reply)}`);
  }
  // the SDK does not let one ask for both; a filter comes first
  const result = await raw.call('subscribe', { channel: 'score:1', tf: HIGH, delta: 'fossil' });
  assert.equal(result.delta, undefined);
});
