// The Protobuf encoding, with the official SDK's Protobuf build and by hand.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';
import WebSocket from 'ws';
import { startBalancer } from './lib/balancer.mjs';
import { BASE_CONFIG, redisEngine, startBroker } from './lib/broker.mjs';
import { Publisher } from './lib/publisher.mjs';
import { connectRaw } from './lib/raw.mjs';
import { startRedis } from './lib/redis.mjs';
import { cleanup, until, within } from './lib/scope.mjs';
import { startSubscriber } from './lib/sdk.mjs';

const PROTOBUF = { sdk: ProtobufCentrifuge };
const encode = (value) => new TextEncoder().encode(JSON.stringify(value));
const decode = (bytes) => JSON.parse(new TextDecoder().decode(bytes));
const ALL_BYTES = Uint8Array.from({ length: 1024 }, (_, i) => i & 0xff);
const BINARY = { channel: { namespaces: [...BASE_CONFIG.channel.namespaces, {
  name: 'binary',
  history_size: 1000,
  history_ttl: '300s',
  force_recovery: true,
  publication_data_format: 'binary',
}, {
  name: 'room',
  presence: true,
  join_leave: true,
  force_push_join_leave: true,
}] } };

// A connection by hand: open sends bytes, closed is what the node ends it with.
async function openBinary(t, url, { protocols = ['centrifuge-protobuf'] } = {}) {
  const ws = new WebSocket(url, protocols);
  cleanup(t, () => ws.terminate());
  const frames = [];
  ws.on('message', (data, isBinary) => frames.push({ data, isBinary }));
  ws.on('error', () => {});
  const closed = new Promise((resolve) => {
    ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  await within('the WebSocket opens', new Promise((resolve, reject) => {
    ws.once('open', resolve);
    ws.once('error', reject);
  }));
  return {
    ws,
    frames,
    frame: (n) => until(() => `${n} frames`, () => frames[n - 1]),
    close: () => within('the node closes the connection', closed),
  };
}

test('commands', { timeout: 90000 }, async (t) => {
  const broker = await startBroker(t, { config: BINARY });
  const { api } = broker;

  await t.test('connect, subscribe, publish, history, unsubscribe with the SDK', async (t) => {
    const subscriber = await startSubscriber(t, broker.url, 'chat:sdk', PROTOBUF);
    const { client, sub } = subscriber;
    const [context] = subscriber.subscribed;
    assert.equal(context.recoverable, true);
    assert.equal(context.positioned, true);
    assert.ok(context.streamPosition.epoch.length > 0);
    await sub.publish(encode({ n: 1 }));
    await api.call('publish', { channel: 'chat:sdk', data: { n: 2 }, tags: { a: 'ü', b: '' } });
    await subscriber.received(2);
    const [first, second] = subscriber.publications;
    assert.deepEqual(decode(first.data), { n: 1 });
    assert.equal(first.offset, 1);
    assert.match(first.info.client, /^[0-9a-f-]{36}$/);
    assert.deepEqual(decode(second.data), { n: 2 });
    assert.deepEqual({ ...second.tags }, { a: 'ü', b: '' });
    assert.equal(second.info, undefined);
    const history = await sub.history({ limit: 10 });
    assert.equal(history.offset, 2);
    assert.equal(history.epoch, context.streamPosition.epoch);
    assert.deepEqual(history.publications.map((each) => decode(each.data).n), [1, 2]);
    assert.deepEqual({ ...history.publications[1].tags }, { a: 'ü', b: '' });
    const reversed = await sub.history({ limit: 1, reverse: true });
    assert.deepEqual(reversed.publications.map((each) => each.offset), [2]);
    sub.unsubscribe();
    await assert.rejects(client.rpc('nothing', encode({})), { code: 108 });
    await assert.rejects(client.history('nowhere:x', { limit: 1 }), { code: 102 });
  });

  await t.test('binary payload -> every byte as it was, live, in history and recovered', async (t) => {
    const subscriber = await startSubscriber(t, broker.url, 'binary:all', PROTOBUF);
    await subscriber.sub.publish(ALL_BYTES);
    await api.call('publish', {
      channel: 'binary:all',
      b64data: Buffer.from(ALL_BYTES).toString('base64'),
    });
    await subscriber.received(2);
    for (const data of subscriber.data) assert.deepEqual(Uint8Array.from(data), ALL_BYTES);
    const { publications } = await subscriber.sub.history({ limit: 10 });
    assert.equal(publications.length, 2);
    for (const { data } of publications) assert.deepEqual(Uint8Array.from(data), ALL_BYTES);
    const { epoch } = subscriber.subscribed[0].streamPosition;
    const late = await startSubscriber(t, broker.url, 'binary:all', {
      ...PROTOBUF,
      subscription: { since: { epoch, offset: 0 } },
    });
    await late.received(2);
    assert.equal(late.subscribed[0].recovered, true);
    for (const data of late.data) assert.deepEqual(Uint8Array.from(data), ALL_BYTES);
  });

  await t.test('presence, joins and leaves -> the same for JSON and Protobuf clients', async (t) => {
    const watchers = [
      await startSubscriber(t, broker.url, 'room:a', PROTOBUF),
      await startSubscriber(t, broker.url, 'room:a'),
    ];
    const joins = watchers.map(() => []);
    const leaves = watchers.map(() => []);
    watchers.forEach(({ sub }, i) => {
      sub.on('join', ({ info }) => joins[i].push(info.client));
      sub.on('leave', ({ info }) => leaves[i].push(info.client));
    });
    const ids = async ({ sub }) => Object.keys((await sub.presence()).clients).sort();
    const before = await ids(watchers[0]);
    const guest = await startSubscriber(t, broker.url, 'room:a', PROTOBUF);
    const after = await ids(guest);
    assert.deepEqual(after, await ids(watchers[1]));
    const [id, ...rest] = after.filter((each) => !before.includes(each));
    assert.deepEqual([before.length, rest], [2, []]);
    const { client, user } = (await guest.sub.presence()).clients[id];
    assert.deepEqual({ client, user }, { client: id, user: '' });
    assert.deepEqual({ ...(await guest.sub.presenceStats()) }, { numClients: 3, numUsers: 1 });
    for (const seen of joins) await until(() => `the join, there is ${seen}`, () => seen.includes(id));
    guest.close();
    for (const seen of leaves) await until(() => `the leave, there is ${seen}`, () => seen.length > 0);
    assert.deepEqual(leaves, [[id], [id]]);
  });

  await t.test('JSON and Protobuf clients on one channel -> each gets all', async (t) => {
    const clients = await Promise.all(
      [{}, PROTOBUF, {}, PROTOBUF].map((options) =>
        startSubscriber(t, broker.url, 'chat:both', options),
      ),
    );
    const [json, protobuf] = clients;
    await json.sub.publish({ from: 'json', text: 'ü\n' });
    await protobuf.sub.publish(encode({ from: 'protobuf' }));
    await api.publish('chat:both', { from: 'api' });
    for (const client of clients) {
      await client.received(3);
      const parse = client === json || client === clients[2] ? (data) => data : decode;
      assert.deepEqual(client.data.map(parse), [
        { from: 'json', text: 'ü\n' },
        { from: 'protobuf' },
        { from: 'api' },
      ]);
      assert.deepEqual(client.offsets, [1, 2, 3]);
      assert.equal(
        client.publications[0].info.client,
        json.publications[0].info.client,
        'the info is the same in both encodings',
      );
    }
  });

  await t.test('bytes that are not JSON -> the JSON client is closed with 3506, others go on', async (t) => {
    const raw = await connectRaw(t, broker.url);
    await raw.call('subscribe', { channel: 'binary:mixed' });
    const protobuf = await startSubscriber(t, broker.url, 'binary:mixed', PROTOBUF);
    await protobuf.sub.publish(ALL_BYTES);
    assert.deepEqual(await raw.close(), { code: 3506, reason: 'inappropriate protocol' });
    await protobuf.sub.publish(encode(1));
    await protobuf.received(2);
    assert.deepEqual(protobuf.events.filter(({ type }) => type === 'disconnected'), []);
  });

  await t.test('several commands in one frame -> all are answered, in binary frames', async (t) => {
    const client = await openBinary(t, `${broker.url}?format=protobuf`, { protocols: [] });
    // { id 1, connect {} } { id 2, unsubscribe { channel "a" } } { id 3, rpc {} }
    client.ws.send(Buffer.from('0408012200' + '0708023203' + '0a0161' + '0408036a00', 'hex'));
    const { data, isBinary } = await client.frame(1);
    assert.equal(isBinary, true);
    assert.equal(data[0] + 1 < data.length, true, 'the three replies came in one frame');
    assert.deepEqual(data.subarray(data[0] + 1, data[0] + 6), Buffer.from('0408023a00', 'hex'));
    client.ws.send(Buffer.from('0408046a00', 'hex'));
    const second = await client.frame(2);
    // { id 4, error { code 108, message "not available" } }
    assert.equal(second.data.toString('hex'), '15080412' + '11086c120d' + Buffer.from('not available').toString('hex'));
  });

  await t.test('commands that wait for a subscribe in one frame -> carried out in order', async (t) => {
    const client = await openBinary(t, broker.url);
    const channel = `0a0a${Buffer.from('chat:order').toString('hex')}`;
    const message = (hex) => (hex.length / 2).toString(16).padStart(2, '0') + hex;
    client.ws.send(Buffer.from([
      '08012200', // connect
      `08022a${message(channel)}`, // subscribe
      `08033a${message(`${channel}120200ff`)}`, // publish { data: 00 ff }
      `080452${message(`${channel}380a`)}`, // history { limit: 10 }
    ].map(message).join(''), 'hex'));
    const all = () => Buffer.concat(client.frames.map((frame) => frame.data)).toString('hex');
    // Publication { data: 00 ff, ... } in the push, and in the history's answer after that
    await until(() => `the history's answer, there is ${all()}`, () => /08045a.*220200ff/.test(all()));
    const got = all();
    assert.match(got, /^..0801.*0802.*0408034200/);
  });

  for (const [name, hex] of [
    ['empty frame', ''],
    ['message that is cut short', '050801'],
    ['wrong field type', '0622040a020a00'],
    ['JSON', Buffer.from('{"id":1,"connect":{}}').toString('hex')],
    ['command before connect', '0408012a00'],
    ['length that overflows', 'ffffffffffffffffffff01'],
  ]) {
    await t.test(`${name} -> 3501`, async (t) => {
      const client = await openBinary(t, broker.url);
      assert.equal(client.ws.protocol, 'centrifuge-protobuf');
      client.ws.send(Buffer.from(hex, 'hex'));
      assert.deepEqual(await client.close(), { code: 3501, reason: 'bad request' });
    });
  }

  const other = await startSubscriber(t, broker.url, 'chat:after', PROTOBUF);
  await other.sub.publish(encode('still serving'));
  await other.received(1);
});

test('ping -> one zero byte, answered by the SDK', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, {
    config: { client: { ping_interval: '3s', pong_timeout: '2500ms' } },
  });
  const sdk = await startSubscriber(t, broker.url, 'chat:ping', PROTOBUF);
  const raw = await openBinary(t, broker.url);
  raw.ws.send(Buffer.from('0408012200', 'hex'));
  const { data } = await raw.frame(2);
  assert.deepEqual(data, Buffer.from([0]));
  // Who does not answer is closed; by then the SDK has answered several pings.
  assert.deepEqual(await raw.close(), { code: 3012, reason: 'no pong' });
  await sdk.sub.publish(encode(1));
  await sdk.received(1);
  assert.deepEqual(sdk.events.filter(({ type }) => type === 'disconnected'), []);
});

test('kill -9 of a node -> JSON and Protobuf clients recover on the other', { timeout: 120000 }, async (t) => {
  const redis = await startRedis(t);
  const config = redisEngine(redis);
  const [a, b] = await Promise.all([startBroker(t, { config }), startBroker(t, { config })]);
  const balancer = await startBalancer(t, [a.port, b.port]);
  const clients = await Promise.all(
    Array.from({ length: 6 }, (_, i) =>
      startSubscriber(t, balancer.url, 'chat:kill', i % 2 === 0 ? PROTOBUF : {}),
    ),
  );
  const publisher = new Publisher('chat:kill', [b.api], 5);
  cleanup(t, () => publisher.stop());
  publisher.start();
  await publisher.published(60);
  await a.kill();
  for (const client of clients) await client.subscriptions(2, 30000);
  await publisher.published(publisher.acknowledged.length + 60);
  await publisher.stop();
  const { offset, publications } = await b.api.history('chat:kill');
  assert.ok(publications.length >= 120);
  for (const [i, client] of clients.entries()) {
    await client.received(offset);
    assert.deepEqual(client.offsets, publications.map((each) => each.offset), client.story());
    const data = i % 2 === 0 ? client.data.map(decode) : client.data;
    assert.deepEqual(data, publications.map((each) => each.data));
    for (const context of client.subscribed.slice(1)) {
      assert.equal(context.recovered, true, client.story());
    }
  }
});
