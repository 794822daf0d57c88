// Presence, joins and leaves over two nodes with the SDK.
import test from 'node:test';
import assert from 'node:assert/strict';
import { SignJWT } from 'jose';
import { redisEngine, startBroker } from './lib/broker.mjs';
import { connectRaw } from './lib/raw.mjs';
import { startRedis } from './lib/redis.mjs';
import { startSubscriber } from './lib/sdk.mjs';
import { until } from './lib/scope.mjs';

const CHANNEL = 'room:main';
const NAMESPACE = { name: 'room', presence: true, join_leave: true };
const TTL_MS = 4000;

function config(redis, { presence = {}, ...over } = {}) {
  const engine = redis ? redisEngine(redis).engine : { type: 'memory' };
  if (redis) engine.redis.presence_ttl = `${TTL_MS}ms`;
  return {
    engine,
    client: { insecure: true, allowed_origins: ['*'], presence_update_interval: '1s' },
    channel: { namespaces: [{ ...NAMESPACE, ...presence }, { name: 'quiet' }] },
    ...over,
  };
}

async function startPair(t, over) {
  const redis = await startRedis(t);
  const nodes = await Promise.all([1, 2].map(() => startBroker(t, { config: config(redis, over) })));
  return { redis, a: nodes[0], b: nodes[1] };
}

// A subscriber that collects what it is told of the others.
async function startWatcher(t, url, options = {}) {
  const watcher = await startSubscriber(t, url, CHANNEL, { subscription: { joinLeave: true }, ...options });
  watcher.news = [];
  watcher.sub.on('join', (ctx) => watcher.news.push(['join', ctx.info.client]));
  watcher.sub.on('leave', (ctx) => watcher.news.push(['leave', ctx.info.client]));
  return watcher;
}

function clientOf(subscriber) {
  return subscriber.client._client;
}

async function presentAre(subscriber, clients) {
  const expected = [...clients].sort();
  let present;
  await until(
    () => `present are ${expected}, there are ${present}`,
    async () => {
      present = Object.keys((await subscriber.sub.presence()).clients).sort();
      return JSON.stringify(present) === JSON.stringify(expected);
    },
  );
}

test('clients on two nodes -> each node knows all of them and tells who joins and leaves', { timeout: 60000 }, async (t) => {
  const { redis, a, b } = await startPair(t);
  const watcher = await startWatcher(t, a.url);
  const me = clientOf(watcher);
  assert.deepEqual(Object.keys((await watcher.sub.presence()).clients), [me], 'it is there itself at once');

  const other = await startWatcher(t, b.url);
  const id = clientOf(other);
  await until('the join is seen on the other node', () => watcher.news.some(([kind, who]) => kind === 'join' && who === id));
  const { clients } = await watcher.sub.presence();
  assert.deepEqual(Object.keys(clients).sort(), [me, id].sort());
  assert.deepEqual({ ...clients[id] }, { user: '', client: id });
  assert.deepEqual(await other.sub.presenceStats(), { numClients: 2, numUsers: 1 });
  for (const node of [a, b]) {
    const { presence } = await node.api.call('presence', { channel: CHANNEL });
    assert.deepEqual(presence, { [me]: { user: '', client: me }, [id]: { user: '', client: id } });
    assert.deepEqual(await node.api.call('presence_stats', { channel: CHANNEL }), { num_clients: 2, num_users: 1 });
  }
  assert.deepEqual(
    JSON.parse(await redis.command('HGET', `holdfast:presence:${CHANNEL}`, id)),
    { user: '', client: id },
    'it is readable with redis-cli',
  );

  other.sub.unsubscribe();
  await until('the leave is seen', () => watcher.news.some(([kind, who]) => kind === 'leave' && who === id));
  await presentAre(watcher, [me]);
  other.sub.subscribe();
  await other.subscriptions(2);
  await presentAre(watcher, [me, id]);
  other.close();
  await presentAre(watcher, [me]);
  await until('all is told', () => watcher.news.filter(([, who]) => who === id).length === 4);
  assert.deepEqual(
    watcher.news.filter(([, who]) => who === id).map(([kind]) => kind),
    ['join', 'leave', 'join', 'leave'],
  );
  watcher.close();
  await until('no key is left', async () => (await redis.command('KEYS', 'holdfast:presence*')).length === 0);
});

test('presence_leave_delay: back on another node within it -> nobody is told; longer away -> a leave', { timeout: 60000 }, async (t) => {
  const secret = 'a secret for tokens';
  const sign = (sub) => new SignJWT({ sub }).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(secret));
  const { a, b } = await startPair(t, {
    presence: { allow_subscribe_for_client: true, allow_presence_for_subscriber: true },
    client: { insecure: false, presence_update_interval: '1s', token: { hmac_secret_key: secret } },
    holdfast: { presence_leave_delay: '3s' },
  });
  const watcher = await startWatcher(t, a.url, { token: await sign('watcher') });
  const token = await sign('42');
  const present = async () => Object.values((await watcher.sub.presence()).clients).filter(({ user }) => user === '42').length;
  const newsOfOthers = () => watcher.news.filter(([, who]) => who !== clientOf(watcher)).map(([kind]) => kind);

  const first = await startSubscriber(t, a.url, CHANNEL, { token });
  await until('its join', () => newsOfOthers().length === 1);
  first.close();
  const again = await startSubscriber(t, b.url, CHANNEL, { token });
  assert.equal(await present(), 1, 'the one that is back');
  again.close();
  const third = await startSubscriber(t, a.url, CHANNEL, { token });
  assert.deepEqual(newsOfOthers(), ['join'], 'it was away twice, and nobody was told');
  third.close();
  await until('gone for longer than that', () => newsOfOthers().length === 2);
  assert.deepEqual(newsOfOthers(), ['join', 'leave']);
  assert.equal(await present(), 0);
});

test('a subscriber that asks for joins -> is told of its own behind the reply, one that does not ask of none', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: config() });
  const raw = await connectRaw(t, broker.url);
  const told = () =>
    raw.pushes.map((push) => (push.join ? ['join', push.join.info.client] : ['leave', push.leave.info.client]));
  await raw.call('subscribe', { channel: CHANNEL, join_leave: true });
  await until('its own join', () => raw.pushes.length === 1);
  assert.deepEqual(raw.pushes[0], { channel: CHANNEL, join: { info: { user: '', client: raw.connect.client } } });
  const at = (word) => raw.frames.join('\n').indexOf(word);
  assert.ok(at('"subscribe"') < at('"join"'), 'the reply comes first');

  const deaf = await startSubscriber(t, broker.url, CHANNEL);
  let heard = 0;
  deaf.sub.on('join', () => (heard += 1));
  deaf.sub.on('leave', () => (heard += 1));
  const third = await startSubscriber(t, broker.url, CHANNEL);
  const ids = [clientOf(deaf), clientOf(third)];
  third.close();
  await until('all is told', () => raw.pushes.length === 4);
  assert.deepEqual(told().slice(1), [['join', ids[0]], ['join', ids[1]], ['leave', ids[1]]]);
  await deaf.sub.presence();
  assert.equal(heard, 0);
});

test('force_push_join_leave -> everyone is told', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: config(null, { presence: { force_push_join_leave: true } }) });
  const watcher = await startWatcher(t, broker.url, { subscription: {} });
  const other = await startSubscriber(t, broker.url, CHANNEL);
  await until('the join is told', () => watcher.news.some(([, who]) => who === clientOf(other)));
});

test('presence off, no permission, unknown namespace -> 108, 103, 102', { timeout: 60000 }, async (t) => {
  const open = await startBroker(t, { config: config() });
  const strict = await startBroker(t, {
    config: config(null, {
      client: { allow_anonymous_connect_without_token: true, insecure: false, allowed_origins: ['*'], presence_update_interval: '1s' },
      presence: { allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true },
    }),
  });
  const watcher = await startSubscriber(t, open.url, CHANNEL);
  await assert.rejects(watcher.client.presence('quiet:x'), { code: 108 });
  await assert.rejects(watcher.client.presenceStats('nobody:x'), { code: 102 });
  for (const method of ['presence', 'presence_stats']) {
    const { json } = await open.api.raw(method, { channel: 'quiet:x' });
    assert.equal(json.error.code, 108);
  }
  const denied = await startWatcher(t, strict.url);
  await assert.rejects(denied.sub.presence(), { code: 103 });
  await assert.rejects(denied.sub.presenceStats(), { code: 103 });
  const other = await startSubscriber(t, strict.url, CHANNEL);
  await until('it is present', async () => (await strict.api.call('presence_stats', { channel: CHANNEL })).num_clients === 2);
  await other.client.ready();
  assert.deepEqual(denied.news, [], 'who may not ask for presence is not told of joins');
});

test('node killed with -9 -> its clients vanish within presence_ttl, those of others stay', { timeout: 60000 }, async (t) => {
  const { a, b } = await startPair(t);
  const watcher = await startSubscriber(t, a.url, CHANNEL);
  const lost = await Promise.all([1, 2, 3].map(() => startSubscriber(t, b.url, CHANNEL)));
  await presentAre(watcher, [watcher, ...lost].map(clientOf));
  await b.kill();
  const killed = Date.now();
  lost.forEach((client) => client.close());
  assert.equal((await watcher.sub.presenceStats()).numClients, 4, 'nobody knows yet');
  await presentAre(watcher, [clientOf(watcher)]);
  const took = Date.now() - killed;
  assert.ok(took < TTL_MS + 2000, `it took ${took} ms`);
  assert.deepEqual(await watcher.sub.presenceStats(), { numClients: 1, numUsers: 1 });
});

test('node stopped with SIGTERM -> its clients leave at once and it is told', { timeout: 60000 }, async (t) => {
  const { a, b } = await startPair(t);
  const watcher = await startWatcher(t, a.url);
  const lost = await Promise.all([1, 2, 3].map(() => startSubscriber(t, b.url, CHANNEL)));
  const ids = lost.map(clientOf).sort();
  await presentAre(watcher, [clientOf(watcher), ...ids]);
  await b.stop();
  lost.forEach((client) => client.close());
  const left = () => watcher.news.filter(([kind]) => kind === 'leave').map(([, who]) => who).sort();
  await until(() => `three leaves, there are ${left()}`, () => left().length === 3, TTL_MS / 2);
  assert.deepEqual(left(), ids);
  assert.deepEqual(Object.keys((await watcher.sub.presence()).clients), [clientOf(watcher)]);
});

test('Redis loses everything -> the next refresh brings everyone back', { timeout: 60000 }, async (t) => {
  const { redis, a, b } = await startPair(t);
  const clients = await Promise.all([a, b].map((node) => startSubscriber(t, node.url, CHANNEL)));
  await redis.command('DEL', ...(await redis.command('KEYS', 'holdfast:presence*')));
  await presentAre(clients[0], clients.map(clientOf));
  assert.equal((await clients[1].sub.presenceStats()).numClients, 2);
});

for (const kind of ['redis', 'memory']) {
  test(`${kind}: ten rapid subscribe/unsubscribe pairs -> presence is exactly 1, then 0`, { timeout: 60000 }, async (t) => {
    const redis = kind === 'redis' ? await startRedis(t) : null;
    const broker = await startBroker(t, { config: config(redis) });
    const other = redis ? await startBroker(t, { config: config(redis) }) : broker;
    const watcher = await startWatcher(t, other.url);
    const raw = await connectRaw(t, broker.url);
    const me = raw.connect.client;
    let id = 10;
    const pairs = [];
    for (let i = 0; i < 10; i++) {
      pairs.push({ id: id++, subscribe: { channel: CHANNEL } }, { id: id++, unsubscribe: { channel: CHANNEL } });
    }
    const subscribe = { id: id++, subscribe: { channel: CHANNEL } };
    raw.send(...pairs, subscribe, { id, presence_stats: { channel: CHANNEL } });
    assert.deepEqual((await raw.reply(id)).presence_stats, { num_clients: 2, num_users: 1 });
    const { presence } = await broker.api.call('presence', { channel: CHANNEL });
    assert.deepEqual(Object.keys(presence).sort(), [me, clientOf(watcher)].sort());
    raw.send({ id: id + 1, unsubscribe: { channel: CHANNEL } }, { id: id + 2, presence: { channel: CHANNEL } });
    const after = (await raw.reply(id + 2)).presence.presence;
    assert.deepEqual(Object.keys(after), [clientOf(watcher)], 'who has unsubscribed does not see itself');
    const news = () => watcher.news.filter(([, who]) => who === me).map(([what]) => what);
    await until(() => `22 pieces of news, there are ${news()}`, () => news().length === 22);
    assert.deepEqual(news(), Array.from({ length: 22 }, (_, i) => (i % 2 === 0 ? 'join' : 'leave')));
  });
}
