// Who may read without an SDK: unidirectional streams and long polling judge tokens and channels as
// the bidirectional connect does, and whoever is turned away is sent no publication.
import assert from 'node:assert/strict';
import test from 'node:test';
import { EventSource } from 'eventsource';
import { SignJWT } from 'jose';
import { startBroker } from './lib/broker.mjs';
import { openSocket, request } from './lib/plain.mjs';
import { cleanup, until } from './lib/scope.mjs';

const SECRET = 'a secret that is long enough for every digest, which takes sixty-four bytes';
const CONFIG = {
  client: { insecure: false, token: { hmac_secret_key: SECRET } },
  channel: {
    namespaces: [
      { name: 'chat', allow_subscribe_for_client: true, history_size: 10, history_ttl: '60s', force_recovery: true },
      { name: 'own', allow_user_limited_channels: true },
      { name: 'closed' },
    ],
  },
  uni_sse: { enabled: true },
  uni_http_stream: { enabled: true },
  uni_websocket: { enabled: true },
  holdfast: { poll: { enabled: true, max_wait: '10s' } },
};

function sign(claims, { secret = SECRET, exp } = {}) {
  const payload = exp === undefined ? claims : { ...claims, exp: Math.floor(Date.now() / 1000) + exp };
  return new SignJWT(payload).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(secret));
}

const address = (port, path) => `http://127.0.0.1:${port}/connection/${path}`;
const publish = (broker, channel, n) => broker.api.call('publish', { channel, data: { n } });

// What is refused: [why, token, channel, disconnect code, HTTP status]
async function refusals() {
  return [
    ['no token', '', 'chat:a', 3501, 401],
    ['signed by another', await sign({ sub: '42' }, { secret: 'another' }), 'chat:a', 3500, 401],
    ['garbage', 'eyJgarbage', 'chat:a', 3500, 401],
    ['expired', await sign({ sub: '42' }, { exp: -5 }), 'chat:a', 3005, 401],
    ['a subscription token', await sign({ sub: '42', channel: 'chat:a' }), 'chat:a', 3500, 401],
    ['closed channel', await sign({ sub: '42' }), 'closed:a', 3507, 403],
    ['private channel', await sign({ sub: '42' }), '$chat:a', 3507, 403],
    ['channel of another user', await sign({ sub: '42' }), 'own:x#43', 3507, 403],
  ];
}

test('turned away by the HTTP status: uni_sse, uni_http_stream and poll with parameters', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: CONFIG });
  for (const [why, token, channel, , status] of await refusals()) {
    await publish(broker, channel, 1);
    const query = `channel=${encodeURIComponent(channel)}&token=${token}`;
    const runs = [
      request(t, address(broker.port, `uni_sse?${query}`)),
      request(t, address(broker.port, `uni_http_stream?${query}`), { method: 'POST', body: '{}' }),
      request(t, address(broker.port, `poll?${query}&since=0`)),
      request(t, address(broker.port, `poll?channel=${encodeURIComponent(channel)}`), {
        headers: token === '' ? {} : { authorization: `Bearer ${token}` },
      }),
    ];
    for (const run of runs) {
      await run.ended;
      assert.equal(run.status, status, `${why}: ${run.text}`);
      assert.doesNotMatch(run.text, /"n":|connect"/, why);
      if (status === 401) assert.equal(run.headers['www-authenticate'], 'Bearer');
    }
  }
});

test('turned away with the disconnect code: connect requests of uni transports', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: CONFIG });
  for (const [why, token, channel, code] of await refusals()) {
    if (code === 3507) continue; // left out, see the next test
    await publish(broker, channel, 1);
    const connect = JSON.stringify({ token, subs: { [channel]: { recover: true } } });
    const encoded = encodeURIComponent(connect);
    for (const run of [
      request(t, address(broker.port, `uni_sse?cf_connect=${encoded}`)),
      request(t, address(broker.port, 'uni_sse'), { method: 'POST', body: connect }),
      request(t, address(broker.port, 'uni_http_stream'), { method: 'POST', body: connect }),
    ]) {
      await run.ended;
      assert.equal(run.status, 200, why);
      assert.match(run.text, new RegExp(`"disconnect":\\{"code":${code},`), why);
      assert.doesNotMatch(run.text, /"n":|"connect"/, why);
    }
    const base = `ws://127.0.0.1:${broker.port}/connection/uni_websocket`;
    for (const run of [
      openSocket(t, `${base}?cf_connect=${encoded}`),
      openSocket(t, base, connect),
      openSocket(t, `${base}?channel=${channel}&token=${token}`),
    ]) {
      await run.ended;
      assert.equal(run.code, code, why);
      assert.deepEqual(run.messages.map((message) => message.disconnect?.code), [code], why);
    }
  }
});

test('a connect request that wishes for too much -> connected without it, and gets nothing of it', { timeout: 30000 }, async (t) => {
  const broker = await startBroker(t, { config: CONFIG });
  const denied = ['closed:a', '$chat:a', 'own:x#43'];
  for (const channel of denied) await publish(broker, channel, 1);
  const subs = Object.fromEntries([...denied, 'chat:good', 'own:x#42'].map((channel) => [channel, { recover: true }]));
  const body = JSON.stringify({ token: await sign({ sub: '42' }), subs });
  const run = request(t, address(broker.port, 'uni_http_stream'), { method: 'POST', body });
  await until('the connect push', () => run.text.includes('"connect"'));
  const { connect } = JSON.parse(run.text.split('\n')[0]);
  assert.deepEqual(Object.keys(connect.subs).sort(), ['chat:good', 'own:x#42']);
  for (const channel of [...denied, 'chat:good']) await publish(broker, channel, 2);
  await until('what it may have', () => run.text.includes('"chat:good","pub"'));
  for (const channel of denied) assert.ok(!run.text.includes(channel));
  const strict = openSocket(t, `ws://127.0.0.1:${broker.port}/connection/uni_websocket?channel=closed:a&token=${await sign({ sub: '42' })}`);
  await strict.ended;
  assert.equal(strict.code, 3507);
});

test('an EventSource with a bad token fails for good; with a good one it gets its channels', { timeout: 30000 }, async (t) => {
  const broker = await startBroker(t, { config: CONFIG });
  const bad = new EventSource(address(broker.port, `uni_sse?channel=chat:a&token=${await sign({ sub: '42' }, { exp: -5 })}`));
  cleanup(t, () => bad.close());
  const seen = [];
  bad.onmessage = (event) => seen.push(event.data);
  await until('the end of it', () => bad.readyState === 2);
  assert.deepEqual(seen, []);
  const token = await sign({ sub: '42', channels: ['closed:mine'] });
  const other = await sign({ sub: '42', channel: 'closed:other' });
  const good = new EventSource(address(broker.port, `uni_sse?channel=chat:a&channel=closed:other&subscription_token=${other}&token=${token}`));
  cleanup(t, () => good.close());
  good.onmessage = (event) => seen.push(JSON.parse(event.data));
  await until('the connect push', () => seen.length === 1);
  assert.deepEqual(Object.keys(seen[0].connect.subs).sort(), ['chat:a', 'closed:mine', 'closed:other']);
  await publish(broker, 'closed:mine', 1);
  await publish(broker, 'closed:other', 2);
  await publish(broker, 'closed:third', 3);
  await publish(broker, 'chat:a', 4);
  await until('the last', () => seen.length === 4);
  assert.deepEqual(seen.slice(1).map((push) => push.pub.data.n), [1, 2, 4]);
});

test('polls: by the user of the connection token, by its channels, by a subscription token', { timeout: 30000 }, async (t) => {
  const broker = await startBroker(t, { config: CONFIG });
  const authorization = `Bearer ${await sign({ sub: '42', channels: ['closed:mine', 'chat:b'] })}`;
  const get = async (query) => {
    const run = request(t, address(broker.port, `poll?timeout=0&${query}`), { headers: { authorization } });
    await run.ended;
    return run.status;
  };
  assert.equal(await get('channel=chat:a'), 200);
  assert.equal(await get('channel=own:x%2342'), 200);
  assert.equal(await get('channel=closed:mine'), 200);
  assert.equal(await get('channel=closed:other'), 403);
  assert.equal(await get(`channel=closed:other&subscription_token=${await sign({ sub: '42', channel: 'closed:other' })}`), 200);
  assert.equal(await get(`channel=closed:other&subscription_token=${await sign({ sub: '43', channel: 'closed:other' })}`), 401);
  assert.equal(await get(`channel=closed:other&subscription_token=${await sign({ sub: '42', channel: 'closed:mine' })}`), 401);
  assert.equal(await get(`channel=closed:other&subscription_token=${await sign({ sub: '42', channel: 'closed:other' }, { exp: -5 })}`), 401);
  const waiting = request(t, address(broker.port, 'poll?channel=closed:mine'), { headers: { authorization } });
  await until('it waits', async () => (await broker.api.call('info', {})).nodes[0].num_subs === 1);
  await publish(broker, 'closed:mine', 1);
  await waiting.ended;
  assert.deepEqual(JSON.parse(waiting.text).publications[0].data, { n: 1 });
});

test('a backend ends a poll with a code of its own -> an answer, and the node lives', { timeout: 30000 }, async (t) => {
  const broker = await startBroker(t, { config: CONFIG });
  const headers = { authorization: `Bearer ${await sign({ sub: '42' })}` };
  const waiting = request(t, address(broker.port, 'poll?channel=chat:a'), { headers });
  await until('it waits', async () => (await broker.api.call('info', {})).nodes[0].num_subs === 1);
  await broker.api.call('disconnect', { user: '42', disconnect: { code: 4001, reason: 'go' } });
  await waiting.ended;
  assert.equal(waiting.status, 503);
  assert.equal((await broker.health()).status, 200);
});

test('a connection that expires ends; the page comes back with a new token and its last id', { timeout: 30000 }, async (t) => {
  const config = { ...CONFIG, client: { ...CONFIG.client, expired_close_delay: '0s' } };
  const broker = await startBroker(t, { config });
  const path = async (exp) => `uni_sse?channel=chat:a&token=${await sign({ sub: '42' }, { exp })}`;
  const run = request(t, address(broker.port, await path(2)));
  await until('the connect push', () => run.text.includes('"connect"'));
  assert.match(run.text, /"expires":true,"ttl":[12]/);
  await publish(broker, 'chat:a', 1);
  await run.ended;
  assert.match(run.text, /"disconnect":\{"code":3005,"reason":"connection expired"\}/);
  const id = run.text.match(/^id: (.*)$/gm).at(-1).slice(4);
  await publish(broker, 'chat:a', 2);
  const again = request(t, address(broker.port, `${await path(60)}&last_event_id=${id}`));
  await until('what was missed', () => again.text.includes('"n":2'));
  assert.doesNotMatch(again.text, /"n":1/);
});
