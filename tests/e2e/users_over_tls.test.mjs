// Users with tokens over TLS: the official SDK over every transport in every encoding that it has
// there, refreshing its tokens, with server-side subscriptions that recover; and curl for what
// needs no SDK.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import https from 'node:https';
import test from 'node:test';
import { Centrifuge } from 'centrifuge';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';
import { EventSource } from 'eventsource';
import { SignJWT } from 'jose';
import WebSocket from 'ws';
import { startBroker } from './lib/broker.mjs';
import { certificatesFor } from './lib/certificates.mjs';
import { tempDir } from './lib/process.mjs';
import { cleanup, until } from './lib/scope.mjs';

// fetch() of Node takes an authority from the environment at the start of the process only. That the
// certificate is checked, and refused when it is another one's, is tested in tls.test.mjs.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';

const SECRET = 'a secret for tokens';
const CONFIG = {
  client: { insecure: false, token: { hmac_secret_key: SECRET }, expired_close_delay: '1s', expired_sub_close_delay: '1s' },
  http_stream: { enabled: true },
  sse: { enabled: true },
  uni_sse: { enabled: true },
  uni_http_stream: { enabled: true },
  holdfast: { workers: 2, poll: { enabled: true } },
  channel: {
    namespaces: [
      { name: 'news', history_size: 100, history_ttl: '60s', force_recovery: true },
      { name: 'closed' },
    ],
  },
};

function sign(claims, exp) {
  const payload = exp === undefined ? claims : { ...claims, exp: Math.floor(Date.now() / 1000) + exp };
  return new SignJWT(payload).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(SECRET));
}

async function startSecure(t) {
  const { cert, key, ca } = certificatesFor(tempDir(t));
  const broker = await startBroker(t, {
    config: { ...CONFIG, http_server: { tls: { enabled: true, cert_pem: cert, key_pem: key } } },
    start: false,
  });
  const ask = (path, { method = 'GET', headers = {}, body } = {}) =>
    new Promise((resolve, reject) => {
      const request = https.request({ host: '127.0.0.1', port: broker.port, path, method, headers, agent: false }, (response) => {
        let text = '';
        response.on('data', (data) => (text += data));
        response.on('end', () => resolve({ status: response.statusCode, text }));
      });
      request.on('error', reject);
      request.end(body);
    });
  broker.health = (path = '/health') => ask(path);
  broker.publish = async (channel, data) => {
    const body = JSON.stringify({ channel, data });
    const { text } = await ask('/api/publish', { method: 'POST', headers: { 'X-API-Key': 'e2e-key' }, body });
    assert.notEqual(JSON.parse(text).result, undefined, text);
  };
  broker.ca = ca;
  await broker.start();
  return broker;
}

const asIs = (data) => data;
const fromBytes = (data) => JSON.parse(new TextDecoder().decode(data));

for (const [transport, encoding, Sdk, decode] of [
  ['websocket', 'JSON', Centrifuge, asIs],
  ['websocket', 'Protobuf', ProtobufCentrifuge, fromBytes],
  ['http_stream', 'JSON', Centrifuge, asIs],
  ['http_stream', 'Protobuf', ProtobufCentrifuge, fromBytes],
  ['sse', 'JSON', Centrifuge, asIs],
]) {
  test(`${transport}, ${encoding}: tokens are refreshed, the server's subscriptions recover`, { timeout: 60000 }, async (t) => {
    const broker = await startSecure(t);
    const scheme = transport === 'websocket' ? 'wss' : 'https';
    const endpoint = `${scheme}://127.0.0.1:${broker.port}/connection/${transport}`;
    const seen = { connected: [], subscribed: [], publications: [], ends: [] };
    const tokens = { connection: 0, subscription: 0 };
    const client = new Sdk([{ transport, endpoint }], {
      websocket: WebSocket,
      eventsource: EventSource,
      emulationEndpoint: `https://127.0.0.1:${broker.port}/emulation`,
      minReconnectDelay: 20,
      maxReconnectDelay: 200,
      getToken: () => (tokens.connection++, sign({ sub: '42', channels: ['news:all'] }, 3)),
    });
    cleanup(t, () => client.disconnect());
    client.on('connected', (ctx) => seen.connected.push(ctx));
    client.on('disconnected', (ctx) => seen.ends.push(ctx));
    client.on('subscribed', (ctx) => seen.subscribed.push(ctx));
    client.on('publication', (ctx) => seen.publications.push(decode(ctx.data).n));
    const sub = client.newSubscription('closed:a', {
      getToken: ({ channel }) => (tokens.subscription++, sign({ sub: '42', channel }, 3)),
    });
    const own = [];
    sub.on('publication', (ctx) => own.push(decode(ctx.data).n));
    sub.on('unsubscribed', (ctx) => seen.ends.push(ctx));
    sub.subscribe();
    client.connect();
    await until(
      () => JSON.stringify({ tokens, seen }),
      () => tokens.connection >= 3 && tokens.subscription >= 3,
      20000,
    );
    assert.equal(seen.connected.length, 1, 'refreshed without a new connection');
    assert.deepEqual(seen.ends, []);
    await broker.publish('news:all', { n: 1 });
    await broker.publish('closed:a', { n: 1 });
    await until('both publications', () => seen.publications.length === 1 && own.length === 1);
    client.disconnect();
    for (const n of [2, 3]) await broker.publish('news:all', { n });
    client.connect();
    await until(() => JSON.stringify(seen), () => seen.publications.length === 3);
    assert.deepEqual(seen.publications, [1, 2, 3]);
    const { wasRecovering, recovered } = seen.subscribed.at(-1);
    assert.deepEqual([wasRecovering, recovered], [true, true]);
  });
}

test('curl over https: uni_sse, uni_http_stream, poll', { timeout: 60000 }, async (t) => {
  const broker = await startSecure(t);
  const token = await sign({ sub: '42', channels: ['news:all'] });
  const url = (path) => `https://127.0.0.1:${broker.port}/connection/${path}`;
  const curl = (...args) => {
    const child = spawn('curl', ['-sN', '--max-time', '30', '--cacert', broker.ca, ...args]);
    const run = { text: '', ended: new Promise((resolve) => child.on('close', resolve)) };
    child.stdout.on('data', (data) => (run.text += data));
    cleanup(t, () => (child.kill(), run.ended));
    return run;
  };
  const streams = [
    curl('-H', `Authorization: Bearer ${token}`, url('uni_sse?channel=news:all')),
    curl('-d', JSON.stringify({ token }), url('uni_http_stream')),
  ];
  for (const run of streams) await until('a connect push', () => run.text.includes('"connect"'));
  const poll = curl('-H', `Authorization: Bearer ${token}`, url('poll?channel=news:all&timeout=20'));
  await broker.publish('news:all', { n: 1 });
  for (const run of streams) await until('the publication', () => run.text.includes('{"n":1}'));
  await until('a poll that waited or came late', async () => {
    if (poll.text === '') await broker.publish('news:all', { n: 2 });
    return poll.text !== '';
  });
  await poll.ended;
  assert.ok(JSON.parse(poll.text).publications.length > 0, poll.text);
});
