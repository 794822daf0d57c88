// Users with tokens: JWTs signed by another implementation (jose), the official SDK with its refresh
// flows, server-side subscriptions that recover over a killed node, and the console commands.
import test from 'node:test';
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Centrifuge } from 'centrifuge';
import { SignJWT } from 'jose';
import WebSocket from 'ws';
import { startBalancer } from './lib/balancer.mjs';
import { redisEngine, runHoldfast, startBroker } from './lib/broker.mjs';
import { tempDir } from './lib/process.mjs';
import { startRedis } from './lib/redis.mjs';
import { cleanup, until } from './lib/scope.mjs';

const SECRET = 'a secret that is long enough for every digest, which takes sixty-four bytes';
const NAMESPACES = [
  { name: 'chat', history_size: 100, history_ttl: '300s', force_recovery: true },
  { name: 'closed' },
  { name: 'personal', history_size: 100, history_ttl: '300s', force_recovery: true },
];
const withKeys = (token, client = {}) => ({
  client: { insecure: false, token, ...client },
  channel: { namespaces: NAMESPACES },
});

// options: alg, key, exp and nbf (seconds from now)
function sign(claims, { alg = 'HS256', key = new TextEncoder().encode(SECRET), exp, nbf } = {}) {
  const now = Date.now() / 1000;
  const payload = { ...claims };
  if (exp !== undefined) payload.exp = now + exp;
  if (nbf !== undefined) payload.nbf = now + nbf;
  return new SignJWT(payload).setProtectedHeader({ alg }).sign(key);
}

// An SDK client; what happens to it is in client.seen.
function open(t, url, options = {}) {
  const client = new Centrifuge(url, {
    websocket: WebSocket,
    minReconnectDelay: 20,
    maxReconnectDelay: 200,
    ...options,
  });
  client.seen = { connected: [], disconnected: [], errors: [], subscribed: [], publications: [] };
  client.on('connected', (ctx) => client.seen.connected.push(ctx));
  client.on('disconnected', (ctx) => client.seen.disconnected.push(ctx));
  client.on('error', (ctx) => client.seen.errors.push(ctx));
  client.on('subscribed', (ctx) => client.seen.subscribed.push(ctx));
  client.on('publication', (ctx) => client.seen.publications.push(ctx));
  cleanup(t, () => client.disconnect());
  return client;
}

async function connected(client, times = 1) {
  client.connect();
  await until(
    () => `${times} connects: ${JSON.stringify(client.seen)}`,
    () => client.seen.connected.length >= times,
  );
}

async function refused(client) {
  client.connect();
  await until(() => JSON.stringify(client.seen), () => client.seen.disconnected.length > 0);
  return client.seen.disconnected[0].code;
}

test('every algorithm of another implementation -> accepted with its key only', { timeout: 60000 }, async (t) => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };
  const pem = (key) => key.export({ type: 'spki', format: 'pem' });
  for (const [alg, namedCurve] of Object.entries(ec)) {
    const pair = generateKeyPairSync('ec', { namedCurve });
    const broker = await startBroker(t, {
      config: withKeys({ hmac_secret_key: SECRET, rsa_public_key: pem(rsa.publicKey), ecdsa_public_key: pem(pair.publicKey) }),
    });
    const good = [[alg, pair.privateKey]];
    if (alg === 'ES256') {
      for (const bits of [256, 384, 512]) {
        good.push([`HS${bits}`, undefined], [`RS${bits}`, rsa.privateKey]);
      }
    }
    for (const [name, key] of good) {
      const client = open(t, broker.url, { token: await sign({ sub: 'u' }, { alg: name, key }) });
      await connected(client);
    }
    const stranger = generateKeyPairSync('ec', { namedCurve });
    assert.equal(await refused(open(t, broker.url, { token: await sign({ sub: 'u' }, { alg, key: stranger.privateKey }) })), 3500);
    const confused = await sign({ sub: 'u' }, { key: new TextEncoder().encode(pem(pair.publicKey)) });
    assert.equal(await refused(open(t, broker.url, { token: confused })), 3500, 'a public key is no secret');
  }
});

test('expired token -> 109, the SDK asks for another; a connection is refreshed before it ends', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, {
    config: withKeys({ hmac_secret_key: SECRET }, { expired_close_delay: '1s' }),
  });
  let asked = 0;
  const client = open(t, broker.url, {
    token: await sign({ sub: 'u' }, { exp: -5 }),
    getToken: () => {
      asked++;
      return sign({ sub: 'u' }, { exp: 3 });
    },
  });
  await connected(client);
  assert.equal(asked, 1, 'for the expired one');
  assert.ok(client.seen.errors.some((ctx) => ctx.error.code === 109 || ctx.error?.error?.code === 109), JSON.stringify(client.seen.errors));
  await until('two refreshes', () => asked >= 3, 15000);
  assert.equal(client.seen.connected.length, 1, 'still the same connection');
});

test('a connection that is not refreshed -> 3005', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, {
    config: withKeys({ hmac_secret_key: SECRET }, { expired_close_delay: '500ms' }),
  });
  const token = await sign({ sub: 'u' }, { exp: 2 });
  const socket = new WebSocket(broker.url);
  cleanup(t, () => socket.terminate());
  socket.on('open', () => socket.send(JSON.stringify({ id: 1, connect: { token } })));
  const [reply, ...rest] = await new Promise((resolve) => {
    const frames = [];
    socket.on('message', (data) => frames.push(JSON.parse(data)));
    socket.on('close', (code) => resolve([...frames, code]));
  });
  assert.equal(reply.connect.expires, true);
  assert.ok(reply.connect.ttl >= 1 && reply.connect.ttl <= 2, JSON.stringify(reply));
  assert.equal(rest.at(-1), 3005);
});

test('subscription tokens -> channels that nobody else may have, refreshed while subscribed', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, {
    config: withKeys({ hmac_secret_key: SECRET }, { expired_sub_close_delay: '1s' }),
  });
  const client = open(t, broker.url, { token: await sign({ sub: 'u', info: { n: 1 } }) });
  await connected(client);
  const denied = client.newSubscription('closed:a');
  const end = new Promise((resolve) => denied.on('unsubscribed', resolve));
  denied.subscribe();
  assert.equal((await end).code, 103);

  let asked = 0;
  const sub = client.newSubscription('closed:b', {
    getToken: ({ channel }) => {
      asked++;
      return sign({ sub: 'u', channel }, { exp: 3 });
    },
  });
  const got = [];
  sub.on('publication', (ctx) => got.push(ctx.data));
  sub.subscribe();
  await sub.ready(10000);
  await until('two refreshes', () => asked >= 3, 15000);
  assert.equal(sub.state, 'subscribed');
  await broker.api.call('publish', { channel: 'closed:b', data: { hello: 1 } });
  await until('the publication', () => got.length === 1);
  assert.deepEqual(got, [{ hello: 1 }]);
});

test('server-side subscriptions -> recover over a killed node', { timeout: 120000 }, async (t) => {
  const redis = await startRedis(t, { appendonly: true });
  const config = {
    ...redisEngine(redis),
    ...withKeys(
      { hmac_secret_key: SECRET },
      { subscribe_to_user_personal_channel: { enabled: true, personal_channel_namespace: 'personal' } },
    ),
  };
  const [a, b] = await Promise.all([startBroker(t, { config }), startBroker(t, { config })]);
  const balancer = await startBalancer(t, [a.port, b.port]);
  const client = open(t, balancer.url, { token: await sign({ sub: '42', channels: ['chat:news'] }) });
  await connected(client);
  await until('both channels', () => client.seen.subscribed.length === 2);
  assert.deepEqual(client.seen.subscribed.map((ctx) => ctx.channel).sort(), ['chat:news', 'personal:#42']);

  const publish = (node, channel, n) => node.api.call('publish', { channel, data: { n } });
  await publish(b, 'chat:news', 1);
  await publish(b, 'personal:#42', 1);
  await until('two publications', () => client.seen.publications.length === 2);
  await a.kill();
  for (let n = 2; n <= 20; n++) {
    await publish(b, 'chat:news', n);
    await publish(b, 'personal:#42', n);
  }
  await until(
    () => JSON.stringify(client.seen),
    () => client.seen.connected.length >= 2 && client.seen.publications.length >= 40,
    30000,
  );
  for (const channel of ['chat:news', 'personal:#42']) {
    const got = client.seen.publications.filter((ctx) => ctx.channel === channel);
    assert.deepEqual(got.map((ctx) => ctx.data.n), Array.from({ length: 20 }, (_, i) => i + 1), channel);
    const last = client.seen.subscribed.filter((ctx) => ctx.channel === channel).at(-1);
    assert.equal(last.wasRecovering, true);
    assert.equal(last.recovered, true);
  }
});

test('console commands -> tokens that the node takes, and configurations that it starts with', { timeout: 60000 }, async (t) => {
  const dir = tempDir(t);
  const file = join(dir, 'fresh.json');
  assert.equal((await runHoldfast(t, ['genconfig', '-c', file])).code, 0);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const fresh = JSON.parse(readFileSync(file));
  assert.match(fresh.client.token.hmac_secret_key, /^[-_A-Za-z0-9]{86}$/);
  assert.match((await runHoldfast(t, ['genconfig', '-c', file])).output, /error: .*exists/);
  assert.deepEqual(JSON.parse(readFileSync(file)), fresh);
  assert.deepEqual(await runHoldfast(t, ['checkconfig', '-c', file]), { code: 0, signal: null, output: '' });

  const token = await runHoldfast(t, ['gentoken', '-c', file, '-u', '42', '-q']);
  assert.equal(token.code, 0, token.output);
  const checked = await runHoldfast(t, ['checktoken', '-c', file, token.output]);
  assert.match(checked.output, /^valid token for user "42"\npayload: \{.*"sub":"42".*\}\n$/);
  const loud = await runHoldfast(t, ['gentoken', '-c', file, '-u', '42', '-t', '3600']);
  assert.match(loud.output, /^HMAC SHA-256 JWT for user "42" with expiration TTL 1h0m0s:\neyJ\S+\n$/);
  const sub = await runHoldfast(t, ['gensubtoken', '-c', file, '-u', '42', '-s', 'closed:x', '-q']);
  assert.match((await runHoldfast(t, ['checksubtoken', '-c', file, sub.output])).output, /channel "closed:x"/);
  const wrong = await runHoldfast(t, ['checktoken', '-c', file, sub.output]);
  assert.equal(wrong.code, 1);
  assert.match(wrong.output, /^error: token with algorithm HS256 and claims \{.*\} has error: a subscription token/);
  assert.doesNotMatch(wrong.output, new RegExp(fresh.client.token.hmac_secret_key));

  const all = await runHoldfast(t, ['defaultconfig', '--base', file, '--dry-run']);
  assert.equal(JSON.parse(all.output).client.token.hmac_secret_key, fresh.client.token.hmac_secret_key);
  assert.equal(JSON.parse(all.output).http_server.port, 8000);
  writeFileSync(join(dir, 'all.json'), all.output);
  const whole = await runHoldfast(t, ['checkconfig', '-c', join(dir, 'all.json')]);
  assert.deepEqual(whole, { code: 0, signal: null, output: '' });
  writeFileSync(join(dir, 'bad.json'), '{"clent":{}}');
  const bad = await runHoldfast(t, ['checkconfig', '-c', join(dir, 'bad.json')]);
  assert.equal(bad.code, 1);
  assert.match(bad.output, /error: .*clent.*client/);
  assert.match((await runHoldfast(t, ['version'])).output, /^Holdfast v\d+\.\d+\.\d+\n$/);
  assert.equal((await runHoldfast(t, ['no-such-command'])).code, 2);
  assert.match((await runHoldfast(t, ['help'])).output, /gentoken/);

  const broker = await startBroker(t, { config: withKeys(fresh.client.token) });
  const client = open(t, broker.url, { token: token.output });
  await connected(client);
});
