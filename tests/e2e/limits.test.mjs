// The limits of client.*, channel.* and the transports, reached from outside: what is answered, and
// the code that a connection or subscription ends with.
import test from 'node:test';
import assert from 'node:assert/strict';
import { SignJWT } from 'jose';
import { request as ask } from './lib/http.mjs';
import { startBroker } from './lib/broker.mjs';
import { openSocket, pushes, request } from './lib/plain.mjs';
import { connectRaw, openRaw } from './lib/raw.mjs';
import { until } from './lib/scope.mjs';

const SECRET = 'a secret for tokens';
const HISTORY = { history_size: 100, history_ttl: '300s' };
const NAMESPACES = [
  { name: 'open', allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true, ...HISTORY },
  { name: 'closed', ...HISTORY },
];

// exp, expire_at: seconds from now
function sign(claims, { exp, expire_at } = {}) {
  const now = Math.floor(Date.now() / 1000);
  const payload = { ...claims };
  if (exp !== undefined) payload.exp = now + exp;
  if (expire_at !== undefined) payload.expire_at = now + expire_at;
  return new SignJWT(payload).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(SECRET));
}

const startNode = (t, client, more = {}) =>
  startBroker(t, {
    config: {
      client: {
        insecure: false,
        allow_anonymous_connect_without_token: true,
        token: { hmac_secret_key: SECRET },
        ...client,
      },
      channel: { namespaces: NAMESPACES },
      ...more,
    },
  });

async function connectAs(t, broker, claims, times) {
  const client = await openRaw(t, broker.url);
  client.connect = await client.call('connect', { token: await sign(claims, times) });
  return client;
}

test('channel_limit -> 106 for a subscribe, 3505 for what a token or the API adds', { timeout: 60000 }, async (t) => {
  const broker = await startNode(t, { channel_limit: 3 });
  const client = await connectAs(t, broker, { sub: '42', channels: ['closed:1'] });
  await client.call('subscribe', { channel: 'open:2' });
  await client.call('subscribe', { channel: 'open:3' });
  assert.equal((await client.ask({ subscribe: { channel: 'open:4' } })).error.code, 106);
  await client.call('unsubscribe', { channel: 'open:3' });
  await client.call('subscribe', { channel: 'open:4' });
  await broker.api.call('subscribe', { user: '42', channel: 'open:5' });
  assert.deepEqual(await client.close(), { code: 3505, reason: 'channel limit' });

  const greedy = await openRaw(t, broker.url);
  const channels = ['closed:1', 'closed:2', 'closed:3', 'closed:4'];
  greedy.send({ id: 1, connect: { token: await sign({ sub: '7', channels }) } });
  assert.equal((await greedy.close()).code, 3505);
});

test('user_connection_limit -> 3504 for one more, not for others, the anonymous user, or when one has left', { timeout: 60000 }, async (t) => {
  const broker = await startNode(t, { user_connection_limit: 2 });
  const first = await connectAs(t, broker, { sub: '42' });
  await connectAs(t, broker, { sub: '42' });
  const third = await openRaw(t, broker.url);
  third.send({ id: 1, connect: { token: await sign({ sub: '42' }) } });
  assert.deepEqual(await third.close(), { code: 3504, reason: 'connection limit' });
  await connectAs(t, broker, { sub: '7' });
  for (let i = 0; i < 4; i++) await connectRaw(t, broker.url);
  first.ws.close();
  await first.closed;
  await until('room for another', () => connectAs(t, broker, { sub: '42' }));
});

test('connection_limit and connection_rate_limit -> 503 before anything is opened', { timeout: 60000 }, async (t) => {
  const uni = { uni_sse: { enabled: true }, http_stream: { enabled: true } };
  const refused = async (broker, statuses) => {
    const at = (path, options) => request(t, `http://127.0.0.1:${broker.port}/connection/${path}`, options);
    const asked = [at('uni_sse?channel=open:x'), at('http_stream', { method: 'POST', body: '{"id":1,"connect":{}}' })];
    await until('answers', () => asked.every((each) => each.status !== 0));
    for (const each of asked) assert.ok(statuses.includes(each.status), `${each.status}`);
    await assert.rejects(openRaw(t, broker.url), /503/);
  };
  const few = await startNode(t, { connection_limit: 1 }, uni);
  const only = await connectRaw(t, few.url);
  await refused(few, [503]);
  only.ws.close();
  await until('room again', () => openRaw(t, few.url));

  const slow = await startNode(t, { connection_rate_limit: 3 }, uni);
  const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => openRaw(t, slow.url)));
  const open = outcomes.filter(({ status }) => status === 'fulfilled').length;
  assert.ok(open >= 3 && open < 20, `${open} of 20 at once`);
  for (const { reason } of outcomes.filter(({ status }) => status === 'rejected')) assert.match(`${reason}`, /503/);
  await until('another second', () => openRaw(t, slow.url));
});

test('a message above the limit of each transport -> 1009 or 413, one at the limit passes', { timeout: 60000 }, async (t) => {
  const limit = { max_request_body_size: 300 };
  const broker = await startNode(t, {}, {
    websocket: { message_size_limit: 300 },
    http_stream: { enabled: true, ...limit },
    sse: { enabled: true, ...limit },
    emulation: limit,
    uni_sse: { enabled: true, ...limit },
    uni_http_stream: { enabled: true, ...limit },
    uni_websocket: { enabled: true, message_size_limit: 300 },
  });
  // JSON with spaces up to that length
  const padded = (object, length) => JSON.stringify(object).padEnd(length, ' ');
  const command = { id: 1, connect: {} };
  const fits = await openRaw(t, broker.url);
  fits.send(padded(command, 300));
  assert.equal(typeof (await fits.reply(1)).connect.client, 'string');
  const large = await openRaw(t, broker.url);
  large.send(padded(command, 301));
  assert.equal((await large.close()).code, 1009);

  for (const [path, object] of [
    ['http_stream', command],
    ['sse', command],
    ['uni_sse', {}],
    ['uni_http_stream', {}],
  ]) {
    for (const [length, status] of [[300, 200], [301, 413]]) {
      const url = `http://127.0.0.1:${broker.port}/connection/${path}`;
      const sent = request(t, url, { method: 'POST', body: padded(object, length) });
      await until(`an answer of ${path}`, () => sent.status !== 0);
      assert.equal(sent.status, status, `${path} with ${length} bytes`);
    }
  }
  const url = `ws://127.0.0.1:${broker.port}/connection/uni_websocket`;
  const small = openSocket(t, url, padded({}, 300));
  await until('a connect push', () => small.messages.length === 1);
  const first = openSocket(t, url, padded({}, 301));
  await first.ended;
  assert.equal(first.code, 1009);
  const emulated = await ask({ port: broker.port, path: '/emulation', body: padded({}, 301) });
  assert.equal(emulated.status, 413);
});

test('no connect command within stale_close_delay -> 3502; with it, or without a limit, it stays', { timeout: 60000 }, async (t) => {
  const broker = await startNode(t, { stale_close_delay: '300ms' }, { uni_websocket: { enabled: true } });
  const connected = await connectRaw(t, broker.url);
  const silent = await openRaw(t, broker.url);
  assert.deepEqual(await silent.close(), { code: 3502, reason: 'stale' });
  const uni = openSocket(t, `ws://127.0.0.1:${broker.port}/connection/uni_websocket`);
  await uni.ended;
  assert.equal(uni.code, 3502);
  await connected.call('subscribe', { channel: 'open:x' });
});

test('expired_sub_close_delay -> 2501 for a client-side subscription, 3006 for a server-side one', { timeout: 60000 }, async (t) => {
  const broker = await startNode(t, { expired_sub_close_delay: '500ms', presence_update_interval: '1s' });
  const client = await connectAs(t, broker, { sub: '42' });
  const token = await sign({ sub: '42', channel: 'closed:x' }, { exp: 1 });
  const { expires, ttl } = await client.call('subscribe', { channel: 'closed:x', token });
  assert.deepEqual([expires, ttl], [true, 1]);
  await until('the unsubscribe push', () => client.pushes.some((push) => push.unsubscribe));
  const { channel, unsubscribe } = client.pushes.find((push) => push.unsubscribe);
  assert.deepEqual([channel, unsubscribe], ['closed:x', { code: 2501, reason: 'subscription expired' }]);
  assert.equal((await client.ask({ sub_refresh: { channel: 'closed:x', token } })).error.code, 103);

  await broker.api.call('subscribe', { user: '42', channel: 'closed:y', expire_at: Math.floor(Date.now() / 1000) + 1 });
  assert.deepEqual(await client.close(), { code: 3006, reason: 'subscription expired' });
});

test('expiry that a backend sets on a connection at rest -> ends it in time, not with the next ping', { timeout: 60000 }, async (t) => {
  const broker = await startNode(t, { ping_interval: '50s', expired_sub_close_delay: '100ms', expired_close_delay: '100ms' });
  const soon = () => Math.floor(Date.now() / 1000) + 3;
  const subscribed = await connectAs(t, broker, { sub: '1' });
  const refreshed = await connectAs(t, broker, { sub: '2' });
  const began = Date.now();
  await broker.api.call('subscribe', { user: '1', channel: 'closed:y', expire_at: soon() });
  await broker.api.call('refresh', { user: '2', expire_at: soon() });
  assert.equal((await subscribed.close()).code, 3006);
  assert.equal((await refreshed.close()).code, 3005);
  assert.ok(Date.now() - began < 20000);
});

test('expired_close_delay -> 3005 after exp or expire_at; expire_at 0 and insecure never end', { timeout: 60000 }, async (t) => {
  const broker = await startNode(t, { expired_close_delay: '300ms' });
  const began = Date.now();
  const early = await connectAs(t, broker, { sub: '42' }, { exp: 100, expire_at: 1 });
  assert.equal(early.connect.ttl, 1);
  const stays = await connectAs(t, broker, { sub: '42', expire_at: 0 }, { exp: 1 });
  assert.equal(stays.connect.expires, undefined);
  assert.deepEqual(await early.close(), { code: 3005, reason: 'connection expired' });
  assert.ok(Date.now() - began < 10000);
  await stays.call('subscribe', { channel: 'open:x' });

  const insecure = await startNode(t, { insecure: true, expired_close_delay: '0s' });
  const free = await connectAs(t, insecure, { sub: '42' }, { exp: 1 });
  assert.equal(free.connect.expires, undefined);
});

test('history_max_publication_limit -> the most that a call gets; recovery_max_publication_limit -> recovered false beyond', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, {
    config: { client: { history_max_publication_limit: 4, recovery_max_publication_limit: 6 } },
  });
  const client = await connectRaw(t, broker.url);
  const { epoch } = await client.call('subscribe', { channel: 'chat:x' });
  for (let n = 1; n <= 10; n++) await broker.api.publish('chat:x', { n });
  for (const limit of [-1, 5, 100]) {
    const { publications, offset } = await client.call('history', { channel: 'chat:x', limit });
    assert.deepEqual(publications.map((each) => each.offset), [1, 2, 3, 4], `limit ${limit}`);
    assert.equal(offset, 10);
  }
  assert.equal((await client.call('history', { channel: 'chat:x', limit: 3 })).publications.length, 3);
  assert.equal((await broker.api.history('chat:x')).publications.length, 10, 'not for the API');
  const back = await connectRaw(t, broker.url);
  const recover = async (since) => back.call('subscribe', { channel: 'chat:x', recover: true, offset: since, epoch });
  const most = await recover(4);
  assert.deepEqual([most.recovered, most.publications.length], [true, 6]);
  await back.call('unsubscribe', { channel: 'chat:x' });
  const more = await recover(3);
  assert.deepEqual([more.recovered, more.publications, more.offset], [undefined, undefined, 10]);
});

test('holdfast.session_requests_max -> 111 for more commands at once than that', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: { holdfast: { session_requests_max: 4 } } });
  const client = await connectRaw(t, broker.url);
  const commands = Array.from({ length: 40 }, (_, i) => ({ id: 100 + i, subscribe: { channel: `chat:${i}` } }));
  client.send(...commands);
  const codes = [];
  for (const { id } of commands) codes.push((await client.reply(id)).error?.code ?? 0);
  assert.ok(codes.slice(0, 4).every((code) => code === 0), `${codes}`);
  assert.ok(codes.includes(111), `${codes}`);
  assert.ok(codes.every((code) => code === 0 || code === 111), `${codes}`);
});

test('an expired or refused connect request of a plain client is told in the stream', { timeout: 60000 }, async (t) => {
  const broker = await startNode(t, { user_connection_limit: 1 }, { uni_http_stream: { enabled: true } });
  await connectAs(t, broker, { sub: '42' });
  const body = JSON.stringify({ token: await sign({ sub: '42' }) });
  const second = request(t, `http://127.0.0.1:${broker.port}/connection/uni_http_stream`, { method: 'POST', body });
  await second.ended;
  assert.equal(second.status, 200);
  assert.deepEqual(pushes(second.text), [{ disconnect: { code: 3504, reason: 'connection limit' } }]);
});
