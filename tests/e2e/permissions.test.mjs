// What a namespace lets whom do: every permission option, names of channels, and what is done where
// a permission is missing.
import test from 'node:test';
import assert from 'node:assert/strict';
import { SignJWT } from 'jose';
import { startBroker } from './lib/broker.mjs';
import { openRaw } from './lib/raw.mjs';

const SECRET = 'a secret for tokens';
const OPEN = { allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true };
const HISTORY = { history_size: 10, history_ttl: '300s' };

const sign = (claims) =>
  new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(SECRET));

const startNode = (t, channel, client = {}) =>
  startBroker(t, {
    config: {
      client: {
        insecure: false,
        allow_anonymous_connect_without_token: true,
        token: { hmac_secret_key: SECRET },
        ...client,
      },
      channel,
    },
  });

// A connection of that user; '' is the anonymous one.
async function connect(t, broker, user) {
  const client = await openRaw(t, broker.url);
  await client.call('connect', user === '' ? {} : { token: await sign({ sub: user }) });
  return client;
}

// The code of the error that a command gets; 0 for none.
const codeOf = async (client, command) => (await client.ask(command)).error?.code ?? 0;

const apiCode = async (broker, body) => (await broker.api.raw('publish', body)).json.error?.code ?? 0;

const COMMANDS = {
  publish: (channel) => ({ publish: { channel, data: {} } }),
  history: (channel) => ({ history: { channel, limit: 1 } }),
  presence: (channel) => ({ presence: { channel } }),
  presence_stats: (channel) => ({ presence_stats: { channel } }),
};

// Flags, then who is let in: anonymous, anonymous subscriber, user, subscribed user.
const FLAGS = [
  [[], false, false, false, false],
  [['client'], false, false, true, true],
  [['subscriber'], false, false, false, true],
  [['anonymous'], false, false, false, false],
  [['client', 'subscriber'], false, false, true, true],
  [['client', 'anonymous'], true, true, true, true],
  [['subscriber', 'anonymous'], false, true, false, true],
  [['client', 'subscriber', 'anonymous'], true, true, true, true],
];

for (const [command, build] of Object.entries(COMMANDS)) {
  const feature = command.replace('_stats', '');
  test(`${command}: the flags for clients, subscribers and the anonymous user -> done or 103`, { timeout: 60000 }, async (t) => {
    const namespaces = FLAGS.map(([flags], i) => ({
      name: `flags${i}`,
      ...OPEN,
      ...HISTORY,
      presence: true,
      ...Object.fromEntries(flags.map((flag) => [`allow_${feature}_for_${flag}`, true])),
    }));
    const broker = await startNode(t, { namespaces });
    for (const [user, column] of [['', 1], ['42', 3]]) {
      const client = await connect(t, broker, user);
      for (const [i, row] of FLAGS.entries()) {
        const channel = `flags${i}:x`;
        const what = `${row[0]} for user "${user}"`;
        assert.equal(await codeOf(client, build(channel)), row[column] ? 0 : 103, what);
        await client.call('subscribe', { channel });
        assert.equal(await codeOf(client, build(channel)), row[column + 1] ? 0 : 103, `${what}, subscribed`);
      }
    }
  });
}

test('without_namespace has the same options', { timeout: 60000 }, async (t) => {
  const broker = await startNode(t, {
    namespaces: [{ name: 'other' }],
    without_namespace: {
      ...HISTORY,
      presence: true,
      allow_subscribe_for_client: true,
      allow_publish_for_subscriber: true,
      allow_history_for_client: true,
      allow_presence_for_subscriber: true,
    },
  });
  const anonymous = await connect(t, broker, '');
  assert.equal(await codeOf(anonymous, { subscribe: { channel: 'plain' } }), 103);
  const user = await connect(t, broker, '42');
  for (const [command, before] of [['publish', 103], ['history', 0], ['presence', 103]]) {
    assert.equal(await codeOf(user, COMMANDS[command]('plain')), before, command);
  }
  await user.call('subscribe', { channel: 'plain' });
  for (const command of Object.keys(COMMANDS)) {
    assert.equal(await codeOf(user, COMMANDS[command]('plain')), 0, command);
    assert.equal(await codeOf(user, COMMANDS[command]('other:x')), /publish/.test(command) ? 103 : 108, `${command} elsewhere`);
  }
});

test('subscribing: by flag, by the users that a name lists, never to a private channel', { timeout: 60000 }, async (t) => {
  const broker = await startNode(t, {
    namespaces: [
      { name: 'nobody' },
      { name: 'users', allow_subscribe_for_client: true },
      { name: 'all', ...OPEN },
      { name: 'listed', allow_user_limited_channels: true },
      { name: 'lone', allow_subscribe_for_anonymous: true },
    ],
  });
  const clients = { '': await connect(t, broker, ''), 42: await connect(t, broker, '42') };
  for (const [channel, anonymous, user] of [
    ['nobody:x', 103, 103],
    ['users:x', 103, 0],
    ['all:x', 0, 0],
    ['lone:x', 103, 103],
    ['listed:x', 103, 103],
    ['listed:x#42', 103, 0],
    ['listed:x#7,42,9', 103, 0],
    ['listed:x#7,9', 103, 103],
    ['listed:x#42#7', 103, 103],
    ['listed:x#', 103, 103],
    ['users:x#7', 103, 0],
    ['$all:x', 103, 103],
    ['unknown:x', 102, 102],
    ['$unknown:x', 102, 102],
    ['all:smörgås', 107, 107],
  ]) {
    for (const [client, code] of [[clients[''], anonymous], [clients[42], user]]) {
      assert.equal(await codeOf(client, { subscribe: { channel } }), code, channel);
    }
  }
});

test('channel.*: other boundaries, none at all, the longest name', { timeout: 60000 }, async (t) => {
  const other = await startNode(t, {
    private_prefix: '%%',
    namespace_boundary: '/',
    user_boundary: '!',
    user_separator: '|',
    max_length: 16,
    namespaces: [{ name: 'room', ...OPEN }, { name: 'mine', allow_user_limited_channels: true }],
    without_namespace: OPEN,
  });
  const client = await connect(t, other, '42');
  for (const [channel, code] of [
    ['room/x', 0],
    ['room:x', 0],
    ['hall/x', 102],
    ['%%room/x', 103],
    ['$room', 0],
    ['mine/x!7|42', 0],
    ['mine/x!7,42', 103],
    ['exactly-sixteen-', 0],
    ['more-than-sixteen', 107],
  ]) {
    assert.equal(await codeOf(client, { subscribe: { channel } }), code, channel);
  }
  const none = await startNode(t, {
    private_prefix: '',
    namespace_boundary: '',
    user_boundary: '',
    namespaces: [],
    without_namespace: OPEN,
  });
  const free = await connect(t, none, '42');
  for (const channel of ['$room', 'a:b', 'x#7']) {
    assert.equal(await codeOf(free, { subscribe: { channel } }), 0, channel);
  }
});

test('channel_regex -> the part behind the namespace must match, and may be more than ASCII', { timeout: 60000 }, async (t) => {
  const broker = await startNode(t, {
    namespaces: [{ name: 'room', ...OPEN, presence: true, allow_presence_for_client: true, channel_regex: '^[0-9]+$|^ö$' }],
  });
  const client = await connect(t, broker, '42');
  for (const [channel, code] of [['room:12', 0], ['room:ö', 0], ['room:1a', 107], ['room:', 107]]) {
    assert.equal(await codeOf(client, { subscribe: { channel } }), code, channel);
    assert.equal(await codeOf(client, { presence: { channel } }), code, channel);
  }
});

test('publication_data_format: of the namespace, or else of channel, for clients and the API', { timeout: 60000 }, async (t) => {
  const broker = await startNode(t, {
    publication_data_format: 'json_object',
    namespaces: [
      { name: 'object', allow_publish_for_client: true },
      { name: 'json', publication_data_format: 'json', allow_publish_for_client: true },
      { name: 'binary', publication_data_format: 'binary' },
    ],
  });
  const client = await connect(t, broker, '42');
  for (const [channel, data, code] of [
    ['object:x', {}, 0],
    ['object:x', 'text', 107],
    ['json:x', 'text', 0],
    ['json:x', {}, 0],
  ]) {
    const what = `${channel} ${JSON.stringify(data)}`;
    assert.equal(await codeOf(client, { publish: { channel, data } }), code, what);
    assert.equal(await apiCode(broker, { channel, data }), code, what);
  }
  const bytes = Buffer.from([0xff, 0]).toString('base64');
  for (const [channel, b64data, code] of [['object:x', bytes, 107], ['json:x', bytes, 107], ['binary:x', bytes, 0]]) {
    assert.equal(await apiCode(broker, { channel, b64data }), code, channel);
  }
});

test('positioning and recovery: forced, allowed to who asks, or had with the right to read history', { timeout: 60000 }, async (t) => {
  const broker = await startNode(t, {
    namespaces: [
      { name: 'plain', ...OPEN, ...HISTORY },
      { name: 'positioned', ...OPEN, ...HISTORY, force_positioning: true },
      { name: 'recovered', ...OPEN, ...HISTORY, force_recovery: true },
      { name: 'position', ...OPEN, ...HISTORY, allow_positioning: true },
      { name: 'recover', ...OPEN, ...HISTORY, allow_recovery: true },
      { name: 'reader', ...OPEN, ...HISTORY, allow_history_for_subscriber: true },
      { name: 'kept', ...OPEN, allow_recovery: true, allow_positioning: true },
    ],
  });
  const silent = await connect(t, broker, '42');
  const asking = await connect(t, broker, '42');
  // what it gets unasked, and when it asks for both: p = positioned, r = recoverable
  for (const [namespace, unasked, asked] of [
    ['plain', '', ''],
    ['positioned', 'p', 'p'],
    ['recovered', 'pr', 'pr'],
    ['position', '', 'p'],
    ['recover', '', 'pr'],
    ['reader', '', 'pr'],
    ['kept', '', ''],
  ]) {
    const channel = `${namespace}:x`;
    const got = async (client, body) => {
      const { positioned, recoverable } = await client.call('subscribe', { channel, ...body });
      return (positioned ? 'p' : '') + (recoverable ? 'r' : '');
    };
    assert.equal(await got(silent, {}), unasked, namespace);
    assert.equal(await got(asking, { positioned: true, recoverable: true }), asked, namespace);
  }
});

test('insecure -> allowed what permissions forbid, not what is no channel or not kept', { timeout: 60000 }, async (t) => {
  const broker = await startNode(
    t,
    { namespaces: [{ name: 'bare' }, { name: 'kept', ...HISTORY, presence: true }] },
    { insecure: true, allow_anonymous_connect_without_token: false },
  );
  const client = await connect(t, broker, '');
  assert.equal(await codeOf(client, { subscribe: { channel: 'bare:x' } }), 0);
  assert.equal(await codeOf(client, { subscribe: { channel: '$bare:x' } }), 103);
  for (const command of Object.keys(COMMANDS)) {
    assert.equal(await codeOf(client, COMMANDS[command]('kept:x')), 0, command);
    assert.equal(await codeOf(client, COMMANDS[command]('unknown:x')), 102, command);
    assert.equal(await codeOf(client, COMMANDS[command]('bare:x')), command === 'publish' ? 0 : 108, command);
  }
  const { recoverable } = await client.call('subscribe', { channel: 'kept:x', recoverable: true });
  assert.equal(recoverable, true);
  const forged = await openRaw(t, broker.url);
  forged.send({ id: 1, connect: { token: 'eyJhbGciOiJub25lIn0.e30.' } });
  assert.equal((await forged.close()).code, 3500, 'a token is verified all the same');
});
