// What a backend asks of users through the server API reaches their connections on every node:
// subscribe, unsubscribe, disconnect, refresh; one connection per user; the overrides of tokens.
import test from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { Centrifuge } from 'centrifuge';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';
import { SignJWT } from 'jose';
import WebSocket from 'ws';
import { redisEngine, startBroker } from './lib/broker.mjs';
import { startRedis } from './lib/redis.mjs';
import { cleanup, until, within } from './lib/scope.mjs';

const SECRET = 'a secret that is long enough for every digest, which takes sixty-four bytes';
const CONFIG = {
  client: { insecure: false, token: { hmac_secret_key: SECRET } },
  channel: {
    namespaces: [
      { name: 'chat', history_size: 100, history_ttl: '300s', force_recovery: true },
      { name: 'plain' },
      { name: 'room', presence: true, join_leave: true, force_push_join_leave: true, allow_subscribe_for_client: true },
    ],
  },
};

function sign(claims, { exp } = {}) {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT(exp === undefined ? claims : { ...claims, exp: now + exp })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(SECRET));
}

const ENCODINGS = {
  JSON: { sdk: Centrifuge, value: (data) => data },
  Protobuf: { sdk: ProtobufCentrifuge, value: (data) => JSON.parse(new TextDecoder().decode(data)) },
};

// A connected client of the user; client.seen has all that happened to it.
async function connect(t, url, user, { sdk = Centrifuge, claims = {}, exp, waits = true, ...options } = {}) {
  const token = await sign({ sub: user, ...claims }, { exp });
  const client = new sdk(url, {
    websocket: WebSocket, token, minReconnectDelay: 20, maxReconnectDelay: 200, ...options,
  });
  client.seen = { connected: [], connecting: [], disconnected: [], subscribed: [], unsubscribed: [], publication: [], join: [], leave: [] };
  for (const type of Object.keys(client.seen)) client.on(type, (ctx) => client.seen[type].push(ctx));
  cleanup(t, () => client.disconnect());
  client.connect();
  if (waits) await client.ready(10000);
  return client;
}

const seen = (client, type, n = 1) =>
  until(() => `${n} ${type}: ${JSON.stringify(client.seen)}`, () => client.seen[type].length >= n && client.seen[type][n - 1]);

// A node-wide view of all frames a WebSocket gets: for what the SDK does not show.
async function openRaw(t, url, token) {
  const ws = new WebSocket(url);
  cleanup(t, () => ws.terminate());
  const messages = [];
  ws.on('message', (data) => messages.push(...data.toString().split('\n').map((line) => JSON.parse(line))));
  await within('the WebSocket opens', new Promise((resolve, reject) => {
    ws.once('open', resolve);
    ws.once('error', reject);
  }));
  ws.send(JSON.stringify({ id: 1, connect: { token } }));
  await until('the connect reply', () => messages.some((message) => message.connect));
  const push = (type) => until(() => `a push of ${type}: ${JSON.stringify(messages)}`,
    () => messages.find((message) => message.push?.[type]));
  return { ws, messages, push };
}

// A unidirectional stream of lines: pushes collects them, readable resolves when it ends.
async function stream(t, port, path, body) {
  const pushes = [];
  const request = http.request({ host: '127.0.0.1', port, path: `/connection/${path}`, method: 'POST', agent: false });
  cleanup(t, () => request.destroy());
  request.on('error', () => {});
  request.end(JSON.stringify(body));
  const response = await new Promise((resolve) => { request.once('response', resolve); });
  let rest = '';
  response.on('data', (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    pushes.push(...lines.filter((line) => line !== '' && line !== '{}').map((line) => JSON.parse(line)));
  });
  const readable = new Promise((resolve) => { response.once('close', resolve); });
  return { pushes, readable };
}

async function twoNodes(t, config = {}) {
  const redis = await startRedis(t);
  const whole = { ...redisEngine(redis), ...CONFIG, ...config };
  const here = await startBroker(t, { config: whole });
  const there = await startBroker(t, { config: whole });
  await until('the nodes know each other', async () => {
    const infos = await Promise.all([here, there].map((broker) => broker.api.call('info', {})));
    return infos.every(({ nodes }) => nodes.length === 2);
  });
  return { redis, here, there, api: here.api };
}

for (const [encoding, { sdk, value }] of Object.entries(ENCODINGS)) {
  test(`${encoding}: commands given to one node reach clients of another`, { timeout: 90000 }, async (t) => {
    const { there, here, api } = await twoNodes(t);

    await t.test('subscribe -> the client is told and gets publications; unsubscribe ends it', async (t) => {
      const ann = await connect(t, there.url, 'ann', { sdk });
      const bob = await connect(t, there.url, 'bob', { sdk });
      const local = await connect(t, here.url, 'ann', { sdk });
      await api.publish('chat:a', { n: 1 });
      await api.call('subscribe', { user: 'ann', channel: 'chat:a', data: { hello: 'ann' } });
      for (const client of [ann, local]) {
        const subscribed = await seen(client, 'subscribed');
        assert.equal(subscribed.channel, 'chat:a');
        assert.equal(subscribed.recoverable, true);
        assert.equal(subscribed.streamPosition.offset, 1);
        assert.deepEqual(value(subscribed.data), { hello: 'ann' });
      }
      await api.publish('chat:a', { n: 2 });
      for (const client of [ann, local]) {
        const publication = await seen(client, 'publication');
        assert.deepEqual(value(publication.data), { n: 2 });
        assert.equal(publication.offset, 2);
      }
      await api.call('unsubscribe', { user: 'ann', channel: 'chat:a' });
      for (const client of [ann, local]) assert.equal((await seen(client, 'unsubscribed')).channel, 'chat:a');
      await api.publish('chat:a', { n: 3 });
      await api.call('subscribe', { user: 'bob', channel: 'chat:a' });
      await seen(bob, 'subscribed');
      assert.equal(ann.seen.publication.length, 1);
      assert.equal(bob.seen.subscribed.length, 1);
    });

    await t.test('subscribe with recover_since -> what was missed follows, in order', async (t) => {
      const client = await connect(t, there.url, 'rec', { sdk });
      const { epoch } = await api.publish('chat:r', 1);
      for (let n = 2; n <= 5; n++) await api.publish('chat:r', n);
      await api.call('subscribe', { user: 'rec', channel: 'chat:r', recover_since: { offset: 2, epoch } });
      await api.publish('chat:r', 6);
      await seen(client, 'publication', 4);
      assert.deepEqual(client.seen.publication.map(({ offset }) => offset), [3, 4, 5, 6]);
      assert.equal(client.seen.subscribed.length, 1);
    });

    await t.test('a client-side subscription that the server ends -> 2000, and it stays so', async (t) => {
      const client = await connect(t, there.url, 'cat', { sdk });
      const sub = client.newSubscription('room:x');
      const events = [];
      sub.on('unsubscribed', (ctx) => events.push(ctx));
      sub.subscribe();
      await sub.ready(5000);
      await api.call('unsubscribe', { user: 'cat', channel: 'room:x' });
      await until('the unsubscribe', () => events.length === 1);
      assert.equal(events[0].code, 2000);
      assert.equal(events[0].reason, 'server unsubscribe');
      assert.equal(sub.state, 'unsubscribed');
      await until('nobody is there', async () => (await api.call('presence_stats', { channel: 'room:x' })).num_clients === 0);
      sub.subscribe();
      await sub.ready(5000);
    });

    await t.test('unsubscribe without a channel -> from all of them', async (t) => {
      const client = await connect(t, there.url, 'all', { sdk });
      for (const channel of ['plain:a', 'plain:b']) await api.call('subscribe', { user: 'all', channel });
      await seen(client, 'subscribed', 2);
      await api.call('unsubscribe', { user: 'all' });
      await seen(client, 'unsubscribed', 2);
    });

    await t.test('disconnect -> the code and the words of the backend; 3503 without', async (t) => {
      const first = await connect(t, there.url, 'dan', { sdk });
      await api.call('disconnect', { user: 'dan' });
      const ended = await seen(first, 'disconnected');
      assert.equal(ended.code, 3503);
      assert.equal(ended.reason, 'force disconnect');
      const second = await connect(t, there.url, 'dan', { sdk });
      await api.call('disconnect', { user: 'dan', disconnect: { code: 4500, reason: 'no more' } });
      assert.deepEqual({ ...(await seen(second, 'disconnected')) }, { code: 4500, reason: 'no more' });
      const third = await connect(t, there.url, 'dan', { sdk });
      await api.call('disconnect', { user: 'dan', disconnect: { code: 4000, reason: 'come again' } });
      await seen(third, 'connected', 2); // 4000 to 4499: the SDK comes back
      assert.equal(third.seen.connecting[1].code, 4000);
    });

    await t.test('client and whitelist -> narrow a command down', async (t) => {
      const clients = [];
      for (let i = 0; i < 3; i++) clients.push(await connect(t, i === 0 ? here.url : there.url, 'eve', { sdk }));
      const ids = clients.map((client) => client.seen.connected[0].client);
      await api.call('subscribe', { user: 'eve', client: ids[1], channel: 'plain:x' });
      await seen(clients[1], 'subscribed');
      await api.call('disconnect', { user: 'eve', whitelist: [ids[0], ids[1]] });
      await seen(clients[2], 'disconnected');
      await api.call('subscribe', { user: 'eve', channel: 'plain:y' });
      await seen(clients[0], 'subscribed');
      await seen(clients[1], 'subscribed', 2);
      assert.deepEqual(clients[0].seen.subscribed.map(({ channel }) => channel), ['plain:y']);
      await api.call('disconnect', { user: 'eve', session: 'unknown' });
      await api.call('disconnect', { user: 'eve', client: ids[1] });
      await seen(clients[1], 'disconnected');
      assert.equal(clients[0].seen.disconnected.length, 0);
    });

    await t.test('refresh -> expired ends with 3005; a later date keeps a connection that would end', async (t) => {
      const gone = await connect(t, there.url, 'fay', { sdk, getToken: () => sign({ sub: 'fay' }) });
      await api.call('refresh', { user: 'fay', expired: true });
      await seen(gone, 'connected', 2);
      assert.equal(gone.seen.connecting[1].code, 3005);
      const past = await connect(t, there.url, 'gus', { sdk, getToken: () => sign({ sub: 'gus' }) });
      await api.call('refresh', { user: 'gus', expire_at: 1000 });
      await seen(past, 'connected', 2);
    });

    await t.test('presence, joins and leaves of server-side subscriptions', async (t) => {
      const watcher = await connect(t, here.url, 'watcher', { sdk });
      await api.call('subscribe', { user: 'watcher', channel: 'room:p' });
      await seen(watcher, 'subscribed');
      const client = await connect(t, there.url, 'hal', { sdk });
      await api.call('subscribe', { user: 'hal', channel: 'room:p', info: { role: 'guest' } });
      await seen(client, 'subscribed');
      const join = await until('the join', () => watcher.seen.join.find(({ info }) => info.user === 'hal'));
      assert.deepEqual(value(join.info.chanInfo), { role: 'guest' });
      const { presence } = await api.call('presence', { channel: 'room:p' });
      const id = client.seen.connected[0].client;
      assert.deepEqual(presence[id], { user: 'hal', client: id, chan_info: { role: 'guest' } });
      await api.call('unsubscribe', { user: 'hal', channel: 'room:p' });
      await until('the leave', () => watcher.seen.leave.find(({ info }) => info.user === 'hal'));
      await until('gone', async () => !(id in (await api.call('presence', { channel: 'room:p' })).presence));
    });
  });
}

test('refresh push -> expires and ttl; the connection outlives its token, or ends with the new date', { timeout: 60000 }, async (t) => {
  const { there, api } = await twoNodes(t, { client: { ...CONFIG.client, expired_close_delay: '300ms' } });
  const { ws, messages, push } = await openRaw(t, there.url, await sign({ sub: 'ida' }, { exp: 2 }));
  const closed = new Promise((resolve) => { ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() })); });
  assert.equal(messages[0].connect.expires, true);
  await api.call('refresh', { user: 'ida', expire_at: Math.floor(Date.now() / 1000) + 100 });
  const { push: { refresh } } = await push('refresh');
  assert.equal(refresh.expires, true);
  assert.ok(refresh.ttl > 95 && refresh.ttl <= 100, refresh.ttl);
  const count = messages.length;
  await api.call('refresh', { user: 'ida' });
  await until('the second push', () => messages.length > count);
  assert.deepEqual(messages.at(-1), { push: { refresh: {} } });
  await api.call('refresh', { user: 'ida', expire_at: Math.floor(Date.now() / 1000) + 1 });
  assert.deepEqual(await within('the connection ends', closed), { code: 3005, reason: 'connection expired' });
});

test('channels and info -> gathered from all nodes', { timeout: 60000 }, async (t) => {
  const { here, there, api } = await twoNodes(t);
  for (const [broker, user] of [[here, 'a'], [there, 'a'], [there, 'b']]) {
    const client = await connect(t, broker.url, user);
    await api.call('subscribe', { user, channel: `plain:${user}`, client: client.seen.connected[0].client });
    await api.call('subscribe', { user, channel: 'chat:all', client: client.seen.connected[0].client });
    await seen(client, 'subscribed', 2);
  }
  const expected = { 'plain:a': { num_clients: 2 }, 'plain:b': { num_clients: 1 }, 'chat:all': { num_clients: 3 } };
  for (const broker of [here, there]) {
    assert.deepEqual((await broker.api.call('channels', {})).channels, expected);
    assert.deepEqual((await broker.api.call('channels', { pattern: 'plain:*' })).channels,
      { 'plain:a': expected['plain:a'], 'plain:b': expected['plain:b'] });
    assert.deepEqual((await broker.api.call('channels', { pattern: '*:{b,all}' })).channels,
      { 'plain:b': expected['plain:b'], 'chat:all': expected['chat:all'] });
    assert.deepEqual((await broker.api.call('channels', { pattern: 'none' })).channels, {});
  }
  assert.deepEqual((await api.raw('channels', { pattern: '[' })).json.error, { code: 107, message: 'bad request' });
  const info = await until('both nodes know each other', async () => {
    const { nodes } = await api.call('info', {});
    return nodes.reduce((sum, node) => sum + node.num_clients, 0) === 3 && nodes;
  });
  assert.deepEqual(info.map(({ num_users }) => num_users).sort(), [1, 2]);
  await there.kill();
  const answer = await api.raw('channels', {});
  assert.deepEqual(answer.json.error, { code: 100, message: 'internal server error' }, 'a node that died does not answer');
  await until('the dead node is forgotten', async () => {
    const { json } = await api.raw('channels', {});
    return json.result && Object.keys(json.result.channels).sort().join() === 'chat:all,plain:a';
  }, 30000);
});

test('single connection -> the newest stays, on whichever node; two at once leave one', { timeout: 90000 }, async (t) => {
  const { here, there } = await twoNodes(t, {
    client: {
      ...CONFIG.client,
      subscribe_to_user_personal_channel: { enabled: true, single_connection: true, personal_channel_namespace: 'chat' },
    },
  });
  const first = await connect(t, here.url, 'kim');
  const stranger = await connect(t, here.url, 'lee');
  const second = await connect(t, there.url, 'kim');
  assert.equal((await seen(first, 'disconnected')).code, 3504);
  const third = await connect(t, there.url, 'kim');
  assert.equal((await seen(second, 'disconnected')).code, 3504);
  assert.equal(third.seen.disconnected.length, 0);
  assert.equal(stranger.seen.disconnected.length, 0);
  for (let round = 0; round < 10; round++) {
    const user = `twin${round}`;
    const twins = await Promise.all([here, there, here, there].map((broker) => connect(t, broker.url, user, { waits: false })));
    const left = () => twins.filter((client) => client.seen.disconnected.length === 0);
    await until('one of them is left', () => left().length === 1 && left()[0].state === 'connected');
    await here.api.publish(`chat:#${user}`, round);
    await seen(left()[0], 'publication');
  }
});

test('override -> a token and a backend set presence, joins and recovery of one subscription', { timeout: 60000 }, async (t) => {
  const { here, there, api } = await twoNodes(t);
  const on = { value: true };
  const members = { presence: on, join_leave: on, force_push_join_leave: on };
  const off = { presence: { value: false }, join_leave: { value: false }, force_push_join_leave: { value: false } };

  await t.test('in the token of a connection and of a subscription', async (t) => {
    const watcher = await connect(t, here.url, 'w', { claims: { subs: { 'plain:o': { override: members } } } });
    await seen(watcher, 'join');
    const client = await connect(t, there.url, 'x');
    const sub = client.newSubscription('plain:o', { token: await sign({ sub: 'x', channel: 'plain:o', override: members }) });
    sub.subscribe();
    await sub.ready(5000);
    await until('the join', () => watcher.seen.join.some(({ info }) => info.user === 'x'));
    sub.unsubscribe();
    await until('the leave', () => watcher.seen.leave.some(({ info }) => info.user === 'x'));
    assert.deepEqual((await api.raw('presence', { channel: 'plain:o' })).json.error.code, 108, 'the namespace has none');
    const hidden = await connect(t, there.url, 'y', { claims: { subs: { 'room:o': { override: off } } } });
    const open = await connect(t, there.url, 'z', { claims: { subs: { 'room:o': {} } } });
    await seen(open, 'join');
    assert.deepEqual(open.seen.join.map(({ info }) => info.user), ['z']);
    assert.equal(hidden.seen.join.length, 0);
    const { presence } = await api.call('presence', { channel: 'room:o' });
    assert.deepEqual(Object.values(presence).map(({ user }) => user), ['z']);
  });

  await t.test('in subscribe', async (t) => {
    const watcher = await connect(t, here.url, 'aw', { claims: { subs: { 'room:s': {} } } });
    const client = await connect(t, there.url, 'as');
    await api.call('subscribe', { user: 'as', channel: 'room:s', override: off });
    await seen(client, 'subscribed');
    await api.call('subscribe', { user: 'as', channel: 'chat:s', override: { force_recovery: { value: false }, force_positioning: on } });
    const subscribed = await seen(client, 'subscribed', 2);
    assert.equal(subscribed.recoverable, false);
    assert.equal(subscribed.positioned, true);
    const { presence } = await api.call('presence', { channel: 'room:s' });
    assert.deepEqual(Object.values(presence).map(({ user }) => user), ['aw']);
    assert.equal(watcher.seen.join.filter(({ info }) => info.user === 'as').length, 0);
  });
});

test('streams over HTTP -> the session id names one connection; unidirectional ones are told, too', { timeout: 60000 }, async (t) => {
  const { there, api } = await twoNodes(t, { uni_http_stream: { enabled: true }, http_stream: { enabled: true } });
  const openStream = async () => {
    const { readable, pushes } = await stream(t, there.port, 'uni_http_stream', { token: await sign({ sub: 'nan' }) });
    const { connect: { session } } = await until('the connect push', () => pushes[0]);
    return { readable, pushes, session };
  };
  const [first, second] = [await openStream(), await openStream()];
  const sdk = await connect(t, [{ transport: 'http_stream', endpoint: `http://127.0.0.1:${there.port}/connection/http_stream` }], 'nan');
  await api.call('subscribe', { user: 'nan', session: first.session, channel: 'chat:s' });
  await until('the subscribe push', () => first.pushes.some((push) => push.channel === 'chat:s' && push.subscribe));
  await api.publish('chat:s', { n: 1 });
  await until('the publication', () => first.pushes.some(({ pub }) => pub?.data.n === 1));
  await api.call('unsubscribe', { user: 'nan', session: first.session, channel: 'chat:s' });
  await until('the unsubscribe push', () => first.pushes.some(({ unsubscribe }) => unsubscribe?.code === 2000));
  await api.call('refresh', { user: 'nan', session: second.session });
  await until('the refresh push', () => second.pushes.some(({ refresh }) => refresh));
  assert.ok(!first.pushes.some(({ refresh }) => refresh));
  await api.call('disconnect', { user: 'nan', session: first.session, disconnect: { code: 4001, reason: 'bye' } });
  await within('the stream ends', first.readable);
  assert.deepEqual(first.pushes.at(-1), { disconnect: { code: 4001, reason: 'bye' } });
  assert.deepEqual(second.pushes.map((push) => Object.keys(push).join()), ['connect', 'refresh']);
  await api.call('subscribe', { user: 'nan', channel: 'plain:s' });
  assert.equal((await seen(sdk, 'subscribed')).channel, 'plain:s');
  await api.call('disconnect', { user: 'nan' });
  assert.equal((await seen(sdk, 'disconnected')).code, 3503);
  await within('the other stream ends', second.readable);
});

test('Redis stalls -> a command fails with an error, and works when it is back', { timeout: 60000 }, async (t) => {
  const { redis, there, api } = await twoNodes(t, { holdfast: { store_wait: '500ms' } });
  const client = await connect(t, there.url, 'mia');
  redis.pause();
  assert.deepEqual((await api.raw('disconnect', { user: 'mia' })).json.error, { code: 100, message: 'internal server error' });
  assert.deepEqual((await api.raw('channels', {})).json.error, { code: 100, message: 'internal server error' });
  redis.resume();
  await until('ready', async () => (await there.health('/health/ready')).status === 200);
  await until('the command is taken', async () => (await api.raw('disconnect', { user: 'mia' })).json.result);
  await seen(client, 'disconnected');
});
