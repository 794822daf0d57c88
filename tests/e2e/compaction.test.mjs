// Channel compaction: pushes tell a number instead of the channel's name, with the official SDK in
// both encodings, compressed or not, and by hand.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';
import { startBalancer } from './lib/balancer.mjs';
import { startBroker } from './lib/broker.mjs';
import { readMetrics } from './lib/metrics.mjs';
import { connectRaw } from './lib/raw.mjs';
import { until } from './lib/scope.mjs';
import { startSubscriber } from './lib/sdk.mjs';

const HISTORY = { history_size: 1000, history_ttl: '300s', force_recovery: true };
const CONFIG = {
  channel: {
    namespaces: [
      {
        name: 'room',
        ...HISTORY,
        allow_channel_compaction: true,
        presence: true,
        join_leave: true,
        force_push_join_leave: true,
        allowed_delta_types: ['fossil'],
        delta_publish: true,
        allow_tags_filter: true,
      },
      { name: 'plain', ...HISTORY },
    ],
  },
  holdfast: { page_max_publications: 8 },
};

const text = 'a text that is the same in every publication, so that a difference is short';
const publish = async (broker, channel, from, to) => {
  for (let n = from; n <= to; n++) await broker.api.call('publish', { channel, data: { n, text }, tags: { n: String(n) } });
};
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

test('what travels: a number for who offers it, the name for others', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: CONFIG });
  const compact = await connectRaw(t, broker.url);
  const named = await connectRaw(t, broker.url);
  const { id } = await compact.call('subscribe', { channel: 'room:a', flag: 1 });
  assert.ok(Number.isInteger(id) && id > 0, `id ${id}`);
  assert.equal((await named.call('subscribe', { channel: 'room:a' })).id, undefined);
  assert.equal((await compact.call('subscribe', { channel: 'plain:a', flag: 1 })).id, undefined);
  await publish(broker, 'room:a', 1, 1);
  await named.received('room:a', 1);
  await until('the compact push', () => compact.pushes.find((push) => push.pub));
  const pub = compact.pushes.find((push) => push.pub);
  assert.deepEqual(Object.keys(pub).sort(), ['id', 'pub']);
  assert.equal(pub.id, id);
  await until('joins', () => compact.pushes.filter((push) => push.join).length >= 2);
  for (const push of compact.pushes.filter((each) => each.join)) {
    assert.equal(push.id, id);
    assert.equal(push.channel, undefined);
  }
  const again = await connectRaw(t, broker.url);
  assert.equal((await again.call('subscribe', { channel: 'room:a', flag: 1 })).id, id, 'one for all');
});

const decode = (bytes) => JSON.parse(new TextDecoder().decode(bytes));
for (const [name, sdk, read, compression, encoding] of [
  ['JSON', undefined, (x) => x, false, 'json'],
  ['Protobuf', ProtobufCentrifuge, decode, false, 'protobuf'],
  ['JSON, permessage-deflate', undefined, (x) => x, true, 'json_deflate'],
  ['Protobuf, permessage-deflate', ProtobufCentrifuge, decode, true, 'protobuf_deflate'],
]) {
  test(`with deltas, filters, joins, and recovered in pages (${name})`, { timeout: 90000 }, async (t) => {
    const config = { ...CONFIG, prometheus: { enabled: true }, websocket: { compression } };
    const broker = await startBroker(t, { config });
    const balancer = await startBalancer(t, [broker.port]);
    const start = (subscription) => startSubscriber(t, balancer.url, 'room:a', { sdk, subscription });
    const all = await start({});
    const deltas = await start({ delta: 'fossil' });
    const some = await start({ tagsFilter: { key: 'n', cmp: 'gt', val: '3' } });
    const joins = [];
    all.sub.on('join', (ctx) => joins.push(ctx.info.client));
    await publish(broker, 'room:a', 1, 5);
    await Promise.all([all.received(5), deltas.received(5), some.received(2)]);
    balancer.ports = [];
    balancer.cut();
    await publish(broker, 'room:a', 6, 50);
    balancer.ports = [broker.port];
    for (const each of [all, deltas, some]) assert.equal((await each.subscriptions(2)).recovered, true);
    await publish(broker, 'room:a', 51, 53);
    await Promise.all([all.received(53), deltas.received(53), some.received(50)]);
    assert.deepEqual(all.data.map((data) => read(data).n), range(1, 53));
    assert.deepEqual(deltas.data.map((data) => read(data).n), range(1, 53));
    assert.deepEqual(some.data.map((data) => read(data).n), range(4, 53));
    assert.ok(deltas.sub.deltaStats().numDeltaPayloads > 35);
    const metrics = await readMetrics(broker.port);
    assert.equal(metrics.get('holdfast_client_connections_inflight', { transport: 'websocket', encoding }), 3);
    await until('joins', () => joins.length >= 1);
  });
}

test('two channels of one number: the second is told by name', { timeout: 60000 }, async (t) => {
  // found by trying: FNV-1a, 31 bits
  const number = (channel) => {
    let hash = 2166136261;
    for (const c of Buffer.from(channel)) hash = Math.imul(hash ^ c, 16777619) >>> 0;
    return hash & 0x7fffffff;
  };
  const seen = new Map();
  let pair;
  for (let i = 0; pair === undefined; i++) {
    const channel = `room:${i}`;
    const hash = number(channel);
    if (seen.has(hash)) pair = [seen.get(hash), channel];
    seen.set(hash, channel);
  }
  const broker = await startBroker(t, { config: CONFIG });
  const client = await connectRaw(t, broker.url);
  const first = await client.call('subscribe', { channel: pair[0], flag: 1 });
  assert.equal(first.id, number(pair[0]));
  assert.equal((await client.call('subscribe', { channel: pair[1], flag: 1 })).id, undefined);
  await publish(broker, pair[1], 1, 1);
  await client.received(pair[1], 1);
  await client.call('unsubscribe', { channel: pair[0] });
  await client.call('unsubscribe', { channel: pair[1] });
  assert.equal((await client.call('subscribe', { channel: pair[1], flag: 1 })).id, first.id);
});
