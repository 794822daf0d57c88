// The codes that no other test provokes; and docs/protocol.md lists every code of proto/codes.h, with
// a test that provokes it.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Centrifuge } from 'centrifuge';
import { SignJWT } from 'jose';
import WebSocket from 'ws';
import { redisEngine, startBroker } from './lib/broker.mjs';
import { readMetrics } from './lib/metrics.mjs';
import { openSocket, request } from './lib/plain.mjs';
import { connectRaw, openRaw } from './lib/raw.mjs';
import { startRedis } from './lib/redis.mjs';
import { cleanup, until } from './lib/scope.mjs';
import { startSubscriber } from './lib/sdk.mjs';

const SECRET = 'a secret for tokens';
const TOKENS = { client: { insecure: false, token: { hmac_secret_key: SECRET } } };

const sign = (claims) =>
  new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(SECRET));

async function connectAs(t, broker, claims) {
  const client = await openRaw(t, broker.url);
  client.connect = await client.call('connect', { token: await sign(claims) });
  return client;
}

test('Redis is away -> 100, temporary, for every command that needs it; 3004 for a uni client', { timeout: 60000 }, async (t) => {
  const redis = await startRedis(t);
  const namespaces = [{ name: 'room', history_size: 10, history_ttl: '60s', presence: true }];
  const broker = await startBroker(t, {
    config: {
      ...redisEngine(redis),
      channel: { namespaces },
      uni_sse: { enabled: true },
      uni_websocket: { enabled: true },
      holdfast: { store_wait: '300ms' },
    },
  });
  const client = await connectRaw(t, broker.url);
  await redis.kill();
  const channel = 'room:a';
  for (const command of [
    { publish: { channel, data: 1 } },
    { history: { channel, limit: 1 } },
    { presence: { channel } },
    { presence_stats: { channel } },
    { subscribe: { channel } },
  ]) {
    const { error } = await client.ask(command);
    assert.deepEqual(error, { code: 100, message: 'internal server error', temporary: true }, JSON.stringify(command));
  }
  const base = `127.0.0.1:${broker.port}/connection`;
  const wish = JSON.stringify({ subs: { 'room:a': {} } });
  const events = request(t, `http://${base}/uni_sse?cf_connect=${encodeURIComponent(wish)}`);
  const socket = openSocket(t, `ws://${base}/uni_websocket`, wish);
  await Promise.all([events.ended, socket.ended]);
  assert.match(events.text, /"disconnect":\{"code":3004,"reason":"internal server error"\}/);
  assert.equal(socket.code, 3004);
});

test('expire_at in the past -> 110 for a connection and for a subscription', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: TOKENS });
  const client = await openRaw(t, broker.url);
  const { error } = await client.ask({ connect: { token: await sign({ sub: '42', expire_at: 1 }) } });
  assert.deepEqual(error, { code: 110, message: 'expired' });
  const other = await connectAs(t, broker, { sub: '42' });
  const token = await sign({ sub: '42', channel: 'chat:a', expire_at: 1 });
  assert.equal((await other.ask({ subscribe: { channel: 'chat:a', token } })).error.code, 110);
});

test('nothing can be written for websocket.write_timeout -> 3009', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, {
    config: {
      client: { queue_max_size: 256 << 20 },
      websocket: { write_timeout: '300ms' },
      prometheus: { enabled: true },
    },
  });
  const stuck = await connectRaw(t, broker.url);
  await stuck.call('subscribe', { channel: 'live:a' });
  stuck.ws.pause();
  const data = 'x'.repeat(60000);
  const cut = async () => (await readMetrics(broker.port)).get('holdfast_client_num_server_disconnects', { code: '3009' });
  await until('it is given up', async () => {
    for (let i = 0; i < 20; i++) await broker.api.publish('live:a', data);
    return (await cut()) === 1;
  });
  stuck.ws.resume();
  assert.equal((await stuck.close()).code, 1006, 'there is no way to tell it');
});

test('a server-side subscription whose stream is gone -> 3010; the SDK comes back and is told', { timeout: 60000 }, async (t) => {
  const redis = await startRedis(t);
  const broker = await startBroker(t, { config: { ...redisEngine(redis), ...TOKENS } });
  const token = await sign({ sub: '42', channels: ['chat:a'] });
  const client = new Centrifuge(broker.url, { websocket: WebSocket, minReconnectDelay: 20, token });
  cleanup(t, () => client.disconnect());
  const seen = { subscribed: [], connecting: [], publications: [] };
  for (const type of ['subscribed', 'connecting']) client.on(type, (ctx) => seen[type].push(ctx));
  client.on('publication', (ctx) => seen.publications.push(ctx.data));
  client.connect();
  await until('subscribed', () => seen.subscribed.length === 1);
  await broker.api.publish('chat:a', 1);
  await until('live', () => seen.publications.length === 1);
  await redis.command('FLUSHALL');
  await broker.api.publish('chat:a', 2);
  await until('told', () => seen.connecting.some((ctx) => ctx.code === 3010 && ctx.reason === 'insufficient state'));
  await until('back', () => seen.subscribed.length === 2);
  assert.equal(seen.subscribed[1].wasRecovering, true);
  assert.equal(seen.subscribed[1].recovered, false);
  await broker.api.publish('chat:a', 3);
  await until('live again', () => seen.publications.at(-1) === 3);
});

test('refreshed with a token of other channels -> 3010', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: TOKENS });
  const exp = Math.floor(Date.now() / 1000) + 60;
  const client = await connectAs(t, broker, { sub: '42', exp, channels: ['chat:a'] });
  const same = await sign({ sub: '42', exp: exp + 60, channels: ['chat:a'] });
  assert.ok((await client.call('refresh', { token: same })).ttl > 60);
  client.send({ id: 9, refresh: { token: await sign({ sub: '42', exp, channels: ['chat:b'] }) } });
  assert.deepEqual(await client.close(), { code: 3010, reason: 'insufficient state' });
});

test('a backend says 3011 -> the SDK comes back; it says 3509 -> it stays away', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: TOKENS });
  const token = await sign({ sub: '42', channels: ['chat:a'] });
  const subscriber = await startSubscriber(t, broker.url, 'chat:b', { token, subscription: { token: await sign({ sub: '42', channel: 'chat:b' }) } });
  const disconnect = (code, reason) => broker.api.call('disconnect', { user: '42', disconnect: { code, reason } });
  await disconnect(3011, 'force reconnect');
  await subscriber.subscriptions(2);
  assert.ok(subscriber.events.some(({ type, code }) => type === 'connecting' && code === 3011), subscriber.story());
  await disconnect(3509, 'too many errors');
  await until('gone for good', () => subscriber.events.some(({ type, code }) => type === 'disconnected' && code === 3509));
});

test('docs/protocol.md -> has every code of proto/codes.h, and the test that it names has the code', () => {
  const read = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  const codes = [...read('proto/codes.h').matchAll(/^ {4}X\([A-Z_]+, (\d+),/gm)].map((match) => match[1]);
  assert.ok(codes.length > 35);
  const rows = new Map(
    [...read('docs/protocol.md').matchAll(/^\| (\d+) \|.*\| ([^|]*) \|$/gm)].map((match) => [match[1], match[2]]),
  );
  assert.deepEqual([...rows.keys()], codes, 'in the order of the header');
  for (const [code, where] of rows) {
    if (where === 'never sent') continue;
    const name = where.match(/^`e2e\/([a-z_]+)`$/)?.[1];
    assert.ok(name, `${code}: ${where}`);
    assert.match(read(`tests/e2e/${name}.test.mjs`), new RegExp(`\\b${code}\\b`), `${code} in ${name}`);
  }
});
