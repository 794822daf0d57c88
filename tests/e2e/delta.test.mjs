// Fossil deltas, decoded by the official SDK in both encodings: live, recovered, in pages, in cache
// mode, from one node to another; and what travels, by hand.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';
import { startBalancer } from './lib/balancer.mjs';
import { redisEngine, startBroker } from './lib/broker.mjs';
import { connectRaw, openRaw } from './lib/raw.mjs';
import { startRedis } from './lib/redis.mjs';
import { startSubscriber } from './lib/sdk.mjs';

const DELTA = {
  history_size: 1000,
  history_ttl: '300s',
  force_recovery: true,
  allowed_delta_types: ['fossil'],
};
const CONFIG = {
  channel: {
    namespaces: [
      { name: 'game', ...DELTA, delta_publish: true },
      { name: 'quiet', ...DELTA },
      { name: 'cache', ...DELTA, delta_publish: true, force_recovery_mode: 'cache' },
      { name: 'plain', history_size: 10, history_ttl: '300s', delta_publish: true },
    ],
  },
  holdfast: { page_max_publications: 16 },
};
const FOSSIL = { subscription: { delta: 'fossil' } };
const decode = (bytes) => JSON.parse(new TextDecoder().decode(bytes));

// About 600 bytes of which a few change, some of them within a character of several bytes.
function state(n) {
  const players = [];
  for (let i = 0; i < 8; i++) {
    players.push({ name: `spieler-${i}-ü∀😀`, x: i === n % 8 ? n : i, y: 100 + i, lives: 3 });
  }
  return { players, note: `${'éèêë'[n % 4]}${'😀😁😂🙀'.slice((n % 4) * 2, (n % 4) * 2 + 2)}`, n };
}

const states = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => state(from + i));

async function publish(broker, channel, from, to) {
  for (let n = from; n <= to; n++) await broker.api.publish(channel, state(n));
}

async function startNodes(t, count = 2) {
  const redis = await startRedis(t);
  const nodes = [];
  for (let i = 0; i < count; i++) {
    nodes.push(await startBroker(t, { config: { ...redisEngine(redis), ...CONFIG } }));
  }
  return nodes;
}

test('live: one in full, then deltas, for JSON and Protobuf beside plain clients', { timeout: 90000 }, async (t) => {
  const [first, second] = await startNodes(t);
  const json = await startSubscriber(t, first.url, 'game:1', FOSSIL);
  const protobuf = await startSubscriber(t, second.url, 'game:1', {
    sdk: ProtobufCentrifuge,
    ...FOSSIL,
  });
  const plain = await startSubscriber(t, first.url, 'game:1');
  await publish(second, 'game:1', 1, 20);
  const late = await startSubscriber(t, first.url, 'game:1', FOSSIL);
  await publish(first, 'game:1', 21, 40);
  await Promise.all([json.received(40), protobuf.received(40), plain.received(40), late.received(20)]);

  assert.deepEqual(json.data, states(1, 40));
  assert.deepEqual(plain.data, states(1, 40));
  assert.deepEqual(protobuf.data.map(decode), states(1, 40));
  assert.deepEqual(late.data, states(21, 40));
  for (const [subscriber, received] of [[json, 40], [protobuf, 40], [late, 20]]) {
    const stats = subscriber.sub.deltaStats();
    assert.equal(stats.numPublications, received);
    assert.equal(stats.numFullPayloads, 1, JSON.stringify(stats));
    assert.equal(stats.numDeltaPayloads, received - 1);
    assert.ok(stats.compressionRatio > 0.7, JSON.stringify(stats));
  }
});

for (const [name, sdk, read] of [['JSON', undefined, (x) => x], ['Protobuf', ProtobufCentrifuge, decode]]) {
  test(`recovered on another node: in full, then deltas, in pages (${name})`, { timeout: 90000 }, async (t) => {
    const [first, second] = await startNodes(t);
    const balancer = await startBalancer(t, [first.port]);
    const client = await startSubscriber(t, balancer.url, 'game:1', { sdk, ...FOSSIL });
    await publish(first, 'game:1', 1, 3);
    await client.received(3);

    balancer.ports = [];
    balancer.cut();
    await publish(second, 'game:1', 4, 103); // seven pages
    balancer.ports = [second.port];
    const again = await client.subscriptions(2);
    assert.equal(again.recovered, true);
    await publish(first, 'game:1', 104, 110);
    await client.received(110);
    assert.deepEqual(client.data.map(read), states(1, 110));
    const stats = client.sub.deltaStats();
    assert.ok(stats.numFullPayloads <= 1 + 7, JSON.stringify(stats)); // one a page at most
    assert.equal(stats.numPublications, 110);
  });
}

test('nothing missed, or a position without a publication -> the next one in full', { timeout: 90000 }, async (t) => {
  const [broker] = await startNodes(t, 1);
  const balancer = await startBalancer(t, [broker.port]);
  const client = await startSubscriber(t, balancer.url, 'game:1', FOSSIL);
  await publish(broker, 'game:1', 1, 3);
  await client.received(3);
  balancer.cut();
  await client.subscriptions(2);
  await publish(broker, 'game:1', 4, 6);
  await client.received(6);
  assert.deepEqual(client.data, states(1, 6));
  assert.equal(client.sub.deltaStats().numFullPayloads, 2);

  const { epoch } = await broker.api.history('game:1', { limit: 0 });
  const fresh = await startSubscriber(t, broker.url, 'game:1', {
    subscription: { delta: 'fossil', since: { offset: 6, epoch } },
  });
  assert.equal(fresh.subscribed[0].recovered, true);
  await publish(broker, 'game:1', 7, 8);
  await fresh.received(2);
  assert.deepEqual(fresh.data, states(7, 8));
});

test('unsubscribed and back -> recovered, then deltas', { timeout: 60000 }, async (t) => {
  const [broker] = await startNodes(t, 1);
  const client = await startSubscriber(t, broker.url, 'game:1', FOSSIL);
  await publish(broker, 'game:1', 1, 2);
  await client.received(2);
  client.sub.unsubscribe();
  await publish(broker, 'game:1', 3, 6);
  client.sub.subscribe();
  const again = await client.subscriptions(2);
  assert.equal(again.recovered, true);
  await publish(broker, 'game:1', 7, 8);
  await client.received(8);
  assert.deepEqual(client.data, states(1, 8));
  assert.equal(client.sub.deltaStats().numFullPayloads, 2);
});

test('cache mode -> the newest in full, then deltas', { timeout: 60000 }, async (t) => {
  const [first, second] = await startNodes(t);
  const balancer = await startBalancer(t, [first.port]);
  const client = await startSubscriber(t, balancer.url, 'cache:1', FOSSIL);
  await publish(first, 'cache:1', 1, 2);
  await client.received(2);
  balancer.ports = [];
  balancer.cut();
  await publish(first, 'cache:1', 3, 9);
  balancer.ports = [second.port];
  await client.subscriptions(2);
  await publish(first, 'cache:1', 10, 12);
  await client.received(6);
  assert.deepEqual(client.data, [...states(1, 2), ...states(9, 12)]);
  assert.equal(client.sub.deltaStats().numFullPayloads, 2);
});

test('only what the publisher allows is a delta, and never across what has no offset', { timeout: 60000 }, async (t) => {
  const [broker] = await startNodes(t, 1);
  const client = await startSubscriber(t, broker.url, 'quiet:1', FOSSIL);
  const raw = await connectRaw(t, broker.url);
  const result = await raw.call('subscribe', { channel: 'quiet:1', delta: 'fossil' });
  assert.equal(result.delta, true);
  const send = (n, options) => broker.api.call('publish', { channel: 'quiet:1', data: state(n), ...options });
  await send(1, { delta: true });
  await send(2, { delta: true });
  await send(3, {});
  await send(4, { delta: true });
  await send(5, { delta: true, skip_history: true });
  await send(6, { delta: true });
  await send(7, { delta: true });
  await client.received(7);
  await raw.received('quiet:1', 7);
  assert.deepEqual(client.data, states(1, 7));
  const publications = raw.publications('quiet:1');
  assert.deepEqual(publications.map((pub) => pub.delta ?? false), [false, true, false, true, false, false, true]);
  for (const pub of publications) {
    assert.equal(typeof pub.data, 'string'); // JSON of JSON, or a patch
    if (!pub.delta) JSON.parse(pub.data);
  }
});

test('a delta that is not shorter -> in full', { timeout: 60000 }, async (t) => {
  const [broker] = await startNodes(t, 1);
  const raw = await connectRaw(t, broker.url);
  await raw.call('subscribe', { channel: 'game:1', delta: 'fossil' });
  await broker.api.publish('game:1', { a: 1 });
  await broker.api.publish('game:1', { a: 2 });
  await broker.api.publish('game:1', { completely: 'another thing', with: 'nothing in common' });
  await raw.received('game:1', 3);
  const publications = raw.publications('game:1');
  assert.deepEqual(publications.map((pub) => pub.delta), [undefined, undefined, undefined]);
  assert.deepEqual(publications.map((pub) => JSON.parse(pub.data)), [
    { a: 1 },
    { a: 2 },
    { completely: 'another thing', with: 'nothing in common' },
  ]);
});

test('payload above holdfast.delta_payload_max -> in full', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: { ...CONFIG, holdfast: { delta_payload_max: 300 } } });
  const client = await startSubscriber(t, broker.url, 'game:1', FOSSIL);
  await publish(broker, 'game:1', 1, 3);
  await client.received(3);
  assert.deepEqual(client.data, states(1, 3));
  assert.equal(client.sub.deltaStats().numFullPayloads, 3);
});

test('where it is not allowed, deltas are not given; an unknown kind is a bad request', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: CONFIG });
  const client = await startSubscriber(t, broker.url, 'plain:1', FOSSIL);
  await publish(broker, 'plain:1', 1, 2);
  await client.received(2);
  assert.deepEqual(client.data, states(1, 2));
  const raw = await connectRaw(t, broker.url);
  const result = await raw.call('subscribe', { channel: 'plain:1', delta: 'fossil' });
  assert.equal(result.delta, undefined);
  raw.send({ id: 9, subscribe: { channel: 'game:1', delta: 'zip' } });
  assert.equal((await raw.close()).code, 3501);
});

test('server-side subscriptions: granted when the connect command asks, recovered too', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: CONFIG });
  await publish(broker, 'game:1', 1, 4);
  const { epoch } = await broker.api.history('game:1', { limit: 0 });
  const raw = await openRaw(t, broker.url);
  const { subs } = await raw.call('connect', {
    subs: { 'game:1': { delta: 'fossil', recover: true, offset: 1, epoch } },
  });
  const result = subs['game:1'];
  assert.equal(result.delta, true);
  assert.equal(result.recovered, true);
  assert.deepEqual(result.publications.map((pub) => pub.delta ?? false), [false, true, true]);
  assert.deepEqual(JSON.parse(result.publications[0].data), state(2));
  await publish(broker, 'game:1', 5, 5);
  await raw.received('game:1', 1);
  assert.equal(raw.publications('game:1')[0].delta, true);
});

test('history is never in deltas', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: CONFIG });
  await publish(broker, 'game:1', 1, 3);
  const raw = await connectRaw(t, broker.url);
  await raw.call('subscribe', { channel: 'game:1', delta: 'fossil' });
  const { publications } = await raw.call('history', { channel: 'game:1', limit: 10 });
  assert.deepEqual(publications.map((pub) => pub.data), states(1, 3));
});
