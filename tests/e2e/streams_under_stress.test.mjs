// Streams when something is slow, long, or ends: clients that stop reading, recoveries of many pages,
// nodes that are killed or stopped.
import assert from 'node:assert/strict';
import test from 'node:test';
import { startBalancer } from './lib/balancer.mjs';
import { redisEngine, startBroker } from './lib/broker.mjs';
import { Follower, openSocket, pushes, request } from './lib/plain.mjs';
import { Publisher } from './lib/publisher.mjs';
import { startRedis } from './lib/redis.mjs';
import { cleanup, until } from './lib/scope.mjs';
import { startSubscriber } from './lib/sdk.mjs';

const ALL = {
  http_stream: { enabled: true },
  sse: { enabled: true },
  uni_sse: { enabled: true },
  uni_http_stream: { enabled: true },
  uni_websocket: { enabled: true },
  holdfast: { poll: { enabled: true, max_wait: '30s' } },
};
const COMMANDS = (channel) => `{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"${channel}"}}`;

const address = (port, path) => `http://127.0.0.1:${port}/connection/${path}`;

// One client of each kind on the channel: { name: { pause(), ended, ... } }
function openAll(t, port, channel) {
  const sse = encodeURIComponent(COMMANDS(channel));
  const connect = `{"subs":{"${channel}":{}}}`;
  return {
    http_stream: request(t, address(port, 'http_stream'), { method: 'POST', body: COMMANDS(channel) }),
    sse: request(t, address(port, `sse?cf_connect=${sse}`)),
    uni_http_stream: request(t, address(port, 'uni_http_stream'), { method: 'POST', body: connect }),
    uni_sse: request(t, address(port, `uni_sse?channel=${channel}`)),
    uni_websocket: openSocket(t, `ws://127.0.0.1:${port}/connection/uni_websocket`, connect),
  };
}

const all = (run) => run.messages ?? pushes(run.text);
const info = async (broker) => (await broker.api.call('info', {})).nodes[0];

for (const [why, limits] of [
  ['its queue is full', { client: { queue_max_size: 262144 }, websocket: { write_timeout: '60s' }, uni_websocket: { enabled: true, write_timeout: '60s' } }],
  ['the write timeout passes', { client: { queue_max_size: 1 << 28 }, websocket: { write_timeout: '500ms' }, uni_websocket: { enabled: true, write_timeout: '500ms' } }],
]) {
  test(`a stream's client stops reading -> it is cut when ${why}, nobody else notices`, { timeout: 120000 }, async (t) => {
    const broker = await startBroker(t, { config: { ...ALL, ...limits } });
    const runs = Object.entries(openAll(t, broker.port, 'live:flood'));
    const healthy = await startSubscriber(t, broker.url, 'live:flood');
    await until('all are subscribed', async () => (await info(broker)).num_subs === runs.length + 1);
    for (const [, run] of runs) {
      await until('an answer', () => run.response ?? run.messages?.length);
      (run.response ?? run.socket).pause();
    }
    // More than the kernel holds for a loopback connection (up to about 10 MiB) and the queue.
    const pad = 'x'.repeat(30000);
    for (let n = 1; n <= 600; n++) await broker.api.publish('live:flood', { n, pad });
    await until('only the reading client is left', async () => (await info(broker)).num_clients === 1, 20000);
    await healthy.received(600);
    assert.equal(healthy.subscribed.length, 1, healthy.story());
    for (const [name, run] of runs) {
      (run.response ?? run.socket).resume();
      await run.ended;
      assert.ok(all(run).filter((push) => push.pub ?? push.push?.pub).length < 600, name);
      if (run.response) assert.equal(run.isComplete, false, `${name} was cut, not ended`);
    }
  });
}

test('SIGTERM -> every stream is told 3001 and ended, polls are answered, the node exits with 0', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: ALL });
  const runs = openAll(t, broker.port, 'chat:stop');
  const poll = request(t, address(broker.port, 'poll?channel=chat:stop'));
  await until('all are subscribed', async () => (await info(broker)).num_subs === 6);
  const { code, signal } = await broker.child.stop('SIGTERM', 12000);
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, broker.child.tail());
  for (const [name, run] of Object.entries(runs)) {
    await run.ended;
    const last = all(run).at(-1);
    assert.deepEqual(last.disconnect ?? last.push.disconnect, { code: 3001, reason: 'shutdown' }, name);
    if (run.response) assert.ok(run.isComplete, `${name} has its last chunk`);
  }
  assert.equal(runs.uni_websocket.code, 3001);
  await poll.ended;
  assert.equal(poll.status, 200);
  assert.deepEqual(JSON.parse(poll.text).publications, []);
});

test('a recovery of many pages -> in order over uni_sse, also when the node is killed in the middle', { timeout: 120000 }, async (t) => {
  const redis = await startRedis(t);
  const config = {
    ...ALL,
    ...redisEngine(redis),
    holdfast: { page_max_publications: 50, tail_max_publications: 50 },
    client: { recovery_max_publication_limit: 0 },
    channel: { namespaces: [{ name: 'big', history_size: 10000, history_ttl: '300s', force_recovery: true }] },
  };
  const [a, b] = await Promise.all([startBroker(t, { config }), startBroker(t, { config })]);
  const before = request(t, address(a.port, 'uni_sse?channel=big:feed'));
  await until('an id', () => /^id: .*\n\n/m.test(before.text));
  let id = /^id: (.*)$/m.exec(before.text)[1];
  before.response.destroy();
  const data = { pad: 'x'.repeat(500) };
  for (let i = 0; i < 6; i++) {
    await b.api.call('broadcast', { channels: Array(500).fill('big:feed'), data });
  }
  const offsets = [];
  // What an EventSource has seen: events with their empty line.
  const take = (run) => {
    const text = run.text.slice(0, run.text.lastIndexOf('\n\n') + 2);
    for (const push of pushes(text)) {
      for (const sub of Object.values(push.connect?.subs ?? {})) {
        assert.equal(sub.recovered, true);
        for (const publication of sub.publications ?? []) offsets.push(publication.offset);
      }
      if (push.pub) offsets.push(push.pub.offset);
    }
    id = text.match(/^id: (.*)$/gm)?.at(-1).slice(4) ?? id;
  };
  const first = request(t, `${address(a.port, 'uni_sse?channel=big:feed')}&last_event_id=${id}`);
  await until('a few pages', () => first.text.length > 200000);
  first.response.pause(); // so that it is in the middle
  await a.kill();
  first.response.resume();
  await first.ended;
  take(first);
  assert.ok(offsets.length > 100 && offsets.length < 3000, `${offsets.length} before the end`);
  const second = request(t, `${address(b.port, 'uni_sse?channel=big:feed')}&last_event_id=${id}`);
  await b.api.publish('big:feed', data);
  await until('the last', () => second.text.includes('"offset":3001'), 60000);
  take(second);
  assert.deepEqual(offsets, Array.from({ length: 3001 }, (_, i) => i + 1));
});

for (const what of ['uni_http_stream', 'uni_websocket']) {
  test(`${what}: its node is killed while publishing goes on -> every message once, in order`, { timeout: 60000 }, async (t) => {
    const redis = await startRedis(t);
    const config = { ...ALL, ...redisEngine(redis) };
    const [a, b] = await Promise.all([startBroker(t, { config }), startBroker(t, { config })]);
    const balancer = await startBalancer(t, [a.port, b.port]);
    const followers = Array.from({ length: 5 }, () => new Follower(t, what, balancer.port, 'chat:room'));
    await until('all are connected', () => followers.every((follower) => follower.connects.length === 1));
    const publisher = new Publisher('chat:room', [b.api], 5);
    cleanup(t, () => publisher.stop());
    publisher.start();
    await publisher.published(40);
    await a.kill();
    await publisher.published(120);
    await publisher.stop();
    const stream = await redis.stream('chat:room');
    for (const follower of followers) {
      await until(
        () => `${stream.length} publications, there are ${follower.publications.length}`,
        () => follower.publications.length >= stream.length,
      );
      assert.deepEqual(follower.publications.map((publication) => publication.offset), stream.map((entry) => entry.offset));
      assert.ok(follower.connects.length > 1);
      assert.ok(follower.connects.slice(1).every((sub) => sub.recovered));
    }
  });
}
