// What the claims of a token do, seen by the client, by others and by the server API; and the options
// of client.token. Tokens are signed by another implementation (jose).
import test from 'node:test';
import assert from 'node:assert/strict';
import { SignJWT } from 'jose';
import { startBroker } from './lib/broker.mjs';
import { openRaw } from './lib/raw.mjs';
import { until } from './lib/scope.mjs';

const SECRET = 'a secret for tokens';
const OTHER = 'another secret';
const NAMESPACES = [
  { name: 'room', presence: true, join_leave: true, force_push_join_leave: true, allow_presence_for_subscriber: true,
    allow_publish_for_subscriber: true, history_size: 10, history_ttl: '300s' },
  { name: 'bare', history_size: 10, history_ttl: '300s' },
];

const base64 = (text) => Buffer.from(text).toString('base64');

function sign(claims, secret = SECRET) {
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(secret));
}

const startNode = (t, client = {}) =>
  startBroker(t, {
    config: {
      client: { insecure: false, token: { hmac_secret_key: SECRET }, ...client },
      channel: { namespaces: NAMESPACES },
    },
  });

async function connect(t, broker, token) {
  const client = await openRaw(t, broker.url);
  client.connect = await client.call('connect', { token: await token });
  return client;
}

// The code that the connection is closed with, or that of the error; 0 when it is connected.
async function outcome(t, broker, token) {
  const client = await openRaw(t, broker.url);
  client.send({ id: 1, connect: { token: await token } });
  return answered(client, 1);
}

// The code of the error that reply has, 0 for none, or what the connection was closed with instead.
async function answered(client, id) {
  const end = await Promise.race([until('an answer', () => client.replies.get(id)), client.closed]);
  const reply = client.replies.get(id);
  return reply ? (reply.error?.code ?? 0) : end.code;
}

test('sub, info and the info of a subscription -> in presence, joins and publications of the channel', { timeout: 60000 }, async (t) => {
  const broker = await startNode(t);
  const watcher = await connect(t, broker, sign({ sub: '1', channels: ['room:x'] }));
  const client = await connect(t, broker, sign({ sub: '42', info: { name: 'Ada' }, b64info: base64('{"name":"Ada L"}') }));
  await client.call('subscribe', {
    channel: 'room:x',
    token: await sign({ sub: '42', channel: 'room:x', info: { seat: 7 } }),
  });
  const info = { user: '42', client: client.connect.client, conn_info: { name: 'Ada L' }, chan_info: { seat: 7 } };
  await until('the join', () => watcher.pushes.some((push) => push.join?.info.user === '42'));
  assert.deepEqual(watcher.pushes.find((push) => push.join?.info.user === '42').join.info, info);
  const { presence } = await watcher.call('presence', { channel: 'room:x' });
  assert.deepEqual(presence[info.client], info);
  await client.call('publish', { channel: 'room:x', data: 1 });
  await watcher.received('room:x', 1);
  assert.deepEqual(watcher.publications('room:x')[0].info, info);
  assert.deepEqual((await broker.api.call('presence', { channel: 'room:x' })).presence[info.client], info);
});

test('channels -> subscribed from the start; subs instead, each with info, data and override', { timeout: 60000 }, async (t) => {
  const broker = await startNode(t);
  const plain = await connect(t, broker, sign({ sub: '1', channels: ['bare:a', 'room:a'] }));
  assert.deepEqual(Object.keys(plain.connect.subs).sort(), ['bare:a', 'room:a']);
  const rich = await connect(
    t,
    broker,
    sign({
      sub: '42',
      channels: ['room:a'],
      subs: {
        'room:b': { info: { seat: 7 }, data: { greeting: 'hello' } },
        'bare:b': { b64info: base64('"seat"'), b64data: base64('[1,2]'), override: { force_recovery: { value: true }, presence: { value: true } } },
      },
    }),
  );
  assert.deepEqual(Object.keys(rich.connect.subs).sort(), ['bare:b', 'room:b'], 'channels do not count beside subs');
  assert.deepEqual(rich.connect.subs['room:b'].data, { greeting: 'hello' });
  assert.equal(rich.connect.subs['room:b'].recoverable, undefined);
  assert.deepEqual(rich.connect.subs['bare:b'].data, [1, 2]);
  assert.equal(rich.connect.subs['bare:b'].recoverable, true);
  const { presence } = await broker.api.call('presence', { channel: 'room:b' });
  assert.deepEqual(Object.values(presence).map(({ chan_info }) => chan_info), [{ seat: 7 }]);
  await broker.api.publish('bare:b', 'push');
  await rich.received('bare:b', 1);
  assert.equal(await outcome(t, broker, sign({ sub: '1', channels: ['nowhere:x'] })), 102);
  assert.equal(await outcome(t, broker, sign({ sub: '1', subs: { 'nowhere:x': {} } })), 102);
});

test('meta -> nobody is told', { timeout: 60000 }, async (t) => {
  const broker = await startNode(t);
  const watcher = await connect(t, broker, sign({ sub: '1', channels: ['room:x'] }));
  const client = await connect(t, broker, sign({ sub: '42', channels: ['room:x'], meta: { mark: 'between-us' } }));
  await client.call('publish', { channel: 'room:x', data: 1 });
  await watcher.received('room:x', 1);
  const answers = await Promise.all(['presence', 'history'].map((method) => broker.api.raw(method, { channel: 'room:x', limit: -1 })));
  const told = [...watcher.frames, ...client.frames, ...answers.map(({ body }) => body)].join('\n');
  assert.doesNotMatch(told, /between-us|meta/);
});

test('what a subscription token must say -> the channel and the user, else 3500; badly signed 103, expired 109', { timeout: 60000 }, async (t) => {
  const broker = await startNode(t);
  const subscribe = async (claims, secret) => {
    const client = await connect(t, broker, sign({ sub: '42' }));
    client.send({ id: 9, subscribe: { channel: 'bare:x', token: await sign(claims, secret) } });
    return answered(client, 9);
  };
  const right = { sub: '42', channel: 'bare:x' };
  const past = Math.floor(Date.now() / 1000) - 5;
  for (const [what, claims, code, secret] of [
    ['right', right, 0],
    ['another channel', { ...right, channel: 'bare:y' }, 3500],
    ['another user', { ...right, sub: '7' }, 3500],
    ['another client', { ...right, client: 'someone' }, 3500],
    ['no channel', { sub: '42' }, 103],
    ['signed by another', right, 103, OTHER],
    ['expired', { ...right, exp: past }, 109],
    ['from the future', { ...right, nbf: past + 1000 }, 109],
  ]) {
    assert.equal(await subscribe(claims, secret), code, what);
  }
});

test('aud and iss -> must be what is configured, by name or by expression', { timeout: 60000 }, async (t) => {
  const exact = await startNode(t, { token: { hmac_secret_key: SECRET, audience: 'holdfast', issuer: 'app' } });
  const regex = await startNode(t, {
    token: { hmac_secret_key: SECRET, audience_regex: '^hold', issuer_regex: '^(app|test)$' },
  });
  for (const [claims, byName, byRegex] of [
    [{ aud: 'holdfast', iss: 'app' }, 0, 0],
    [{ aud: ['x', 'holdfast'], iss: 'app' }, 0, 0],
    [{ aud: 'holding', iss: 'test' }, 3500, 0],
    [{ aud: 'free', iss: 'app' }, 3500, 3500],
    [{ aud: 'holdfast', iss: 'apple' }, 3500, 3500],
    [{ aud: 'holdfast' }, 3500, 3500],
    [{ iss: 'app' }, 3500, 3500],
  ]) {
    const token = await sign({ sub: '42', ...claims });
    assert.equal(await outcome(t, exact, token), byName, JSON.stringify(claims));
    assert.equal(await outcome(t, regex, token), byRegex, JSON.stringify(claims));
  }
});

test('user_id_claim, no user, no leeway for nbf -> as configured', { timeout: 60000 }, async (t) => {
  const claim = await startNode(t, {
    token: { hmac_secret_key: SECRET, user_id_claim: 'account' },
    disallow_anonymous_connection_tokens: true,
  });
  const client = await connect(t, claim, sign({ account: '42', sub: '7', channels: ['room:x'] }));
  const { presence } = await client.call('presence', { channel: 'room:x' });
  assert.equal(presence[client.connect.client].user, '42');
  assert.equal(await outcome(t, claim, sign({ sub: '7' })), 3507);
  const lenient = await startNode(t);
  assert.equal(await outcome(t, lenient, sign({})), 0);
  assert.equal(await outcome(t, lenient, sign({ sub: '42', nbf: Math.floor(Date.now() / 1000) + 100 })), 109);
  assert.equal(await outcome(t, lenient, sign({ sub: '42', channel: 'room:x' })), 3500);
  assert.equal(await outcome(t, lenient, ''), 3501);
});

test('the former secret -> counts until its end', { timeout: 60000 }, async (t) => {
  const now = Math.floor(Date.now() / 1000);
  for (const [until_, code] of [[0, 0], [now + 1000, 0], [now - 5, 3500]]) {
    const broker = await startNode(t, {
      token: { hmac_secret_key: SECRET, hmac_previous_secret_key: OTHER, hmac_previous_secret_key_valid_until: until_ },
    });
    assert.equal(await outcome(t, broker, sign({ sub: '42' })), 0);
    assert.equal(await outcome(t, broker, sign({ sub: '42' }, OTHER)), code, `until ${until_}`);
    assert.equal(await outcome(t, broker, sign({ sub: '42' }, 'a third')), 3500);
  }
});

test('subscription_token.enabled -> its own key, and nothing of the other', { timeout: 60000 }, async (t) => {
  const broker = await startNode(t, { subscription_token: { enabled: true, hmac_secret_key: OTHER } });
  const client = await connect(t, broker, sign({ sub: '42' }));
  const claims = { sub: '42', channel: 'bare:x' };
  const wrong = await client.ask({ subscribe: { channel: 'bare:x', token: await sign(claims) } });
  assert.equal(wrong.error.code, 103);
  await client.call('subscribe', { channel: 'bare:x', token: await sign(claims, OTHER) });
  assert.equal(await outcome(t, broker, sign({ sub: '42' }, OTHER)), 3500);
});

test('insecure_skip_token_signature_verify -> believed whoever signed, but not expired or for a channel', { timeout: 60000 }, async (t) => {
  const broker = await startNode(t, { insecure_skip_token_signature_verify: true });
  assert.equal(await outcome(t, broker, sign({ sub: '42' }, 'nobody knows')), 0);
  assert.equal(await outcome(t, broker, sign({ sub: '42', exp: 1000 }, 'nobody knows')), 109);
  assert.equal(await outcome(t, broker, sign({ sub: '42', channel: 'room:x' }, 'nobody knows')), 3500);
  assert.match(broker.child.output, /insecure_skip_token_signature_verify/);
});
