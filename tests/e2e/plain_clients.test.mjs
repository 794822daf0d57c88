// Clients without an SDK: curl for the unidirectional streams and long polling, and an EventSource of
// the npm package. browser.test.mjs has the ones of a browser.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import http from 'node:http';
import test from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { EventSource } from 'eventsource';
import WebSocket from 'ws';
import { startBalancer } from './lib/balancer.mjs';
import { redisEngine, startBroker } from './lib/broker.mjs';
import { readMetrics } from './lib/metrics.mjs';
import { request } from './lib/plain.mjs';
import { startRedis } from './lib/redis.mjs';
import { cleanup, until } from './lib/scope.mjs';

const PLAIN = {
  uni_sse: { enabled: true },
  uni_http_stream: { enabled: true },
  uni_websocket: { enabled: true },
  holdfast: { poll: { enabled: true, max_wait: '10s' } },
};

// curl as a person types it; collects standard output.
function curl(t, ...args) {
  const child = spawn('curl', ['-sN', '--max-time', '60', ...args]);
  const run = { text: '', ended: new Promise((resolve) => child.on('close', resolve)), child };
  child.stdout.on('data', (data) => (run.text += data));
  cleanup(t, async () => {
    child.kill();
    await run.ended;
  });
  return run;
}

async function curlJson(t, ...args) {
  const run = curl(t, ...args);
  await run.ended;
  return JSON.parse(run.text);
}

const url = (port, path) => `http://127.0.0.1:${port}/connection/${path}`;
const publish = (broker, channel, data) => broker.api.call('publish', { channel, data });

// What an EventSource page sees: publications, also those that came with the connect push.
function take(seen, text) {
  const push = JSON.parse(text);
  for (const sub of Object.values(push.connect?.subs ?? {})) {
    for (const publication of sub.publications ?? []) seen.push(publication.data.n);
  }
  if (push.pub) seen.push(push.pub.data.n);
}

test('curl on uni_http_stream: connect, publications, and a disconnect before the end', async (t) => {
  const broker = await startBroker(t, { config: PLAIN });
  const run = curl(t, '-d', '{"subs":{"chat:a":{}}}', url(broker.port, 'uni_http_stream'));
  await until('the connect push', () => run.text.includes('"connect"'));
  await publish(broker, 'chat:a', { n: 1 });
  await until('the publication', () => run.text.includes('{"n":1}'));
  await broker.stop();
  await run.ended;
  const pushes = run.text.trim().split('\n').map((line) => JSON.parse(line));
  assert.ok(pushes[0].connect.session);
  assert.equal(pushes[0].connect.node, undefined);
  assert.equal(pushes[0].connect.subs['chat:a'].recoverable, true);
  assert.equal(pushes[1].channel, 'chat:a');
  assert.equal(pushes[1].pub.offset, 1);
  assert.deepEqual(pushes[2], { disconnect: { code: 3001, reason: 'shutdown' } });
});

test('curl on uni_sse: a channel that may not be had is refused with 403', async (t) => {
  const config = { ...PLAIN, client: { insecure: false, allow_anonymous_connect_without_token: true } };
  const broker = await startBroker(t, { config });
  const run = curl(t, '-w', '%{http_code}', url(broker.port, 'uni_sse?channel=chat:a'));
  await run.ended;
  assert.equal(run.text, 'permission denied\n403');
});

test('many channels on one stream -> all publications, none twice, also while it starts', async (t) => {
  const broker = await startBroker(t, { config: PLAIN });
  const channels = Array.from({ length: 20 }, (_, i) => `chat:${i}`);
  for (const channel of channels) await publish(broker, channel, { n: 0 });
  const query = channels.map((channel) => `channel=${channel}`).join('&');
  let isDone = false;
  const publisher = (async () => {
    for (let n = 1; n <= 10; n++) {
      for (const channel of channels) await publish(broker, channel, { n });
    }
    isDone = true;
  })();
  const run = curl(t, url(broker.port, `uni_sse?${query}`));
  await publisher;
  assert.ok(isDone);
  const pushes = () =>
    run.text.split('\n').filter((line) => line.startsWith('data: ')).map((line) => JSON.parse(line.slice(6)));
  await until('the last publications', () =>
    run.text.endsWith('\n\n') && channels.every((channel) =>
      pushes().some((push) => push.channel === channel && push.pub?.data.n === 10)));
  const { subs } = pushes()[0].connect;
  for (const channel of channels) {
    const offsets = pushes().filter((push) => push.channel === channel).map((push) => push.pub.offset);
    const first = (subs[channel].offset ?? 0) + 1;
    assert.deepEqual(offsets, Array.from({ length: 11 - first + 1 }, (_, i) => first + i), channel);
  }
});

test('EventSource: its node is killed -> it goes on with the other one, nothing lost or twice', async (t) => {
  const redis = await startRedis(t);
  const config = { ...PLAIN, ...redisEngine(redis) };
  const first = await startBroker(t, { config });
  const second = await startBroker(t, { config });
  const balancer = await startBalancer(t, [first.port, second.port]);
  const seen = [];
  const source = new EventSource(url(balancer.port, 'uni_sse?channel=chat:a&channel=chat:b'));
  cleanup(t, () => source.close());
  let unrecovered = 0;
  source.addEventListener('unrecovered', () => unrecovered++);
  source.onmessage = (event) => take(seen, event.data);
  await until('open', () => source.readyState === 1);
  await publish(second, 'chat:a', { n: 1 });
  await until('the first', () => seen.length === 1);
  await first.kill();
  for (let n = 2; n <= 40; n++) await publish(second, n % 2 ? 'chat:a' : 'chat:b', { n });
  await until(() => `40 publications: ${seen}`, () => seen.length >= 40, 30000);
  assert.deepEqual([...seen].sort((a, b) => a - b), Array.from({ length: 40 }, (_, i) => i + 1));
  assert.equal(unrecovered, 0);
});

test('curl on uni_sse and uni_http_stream: their node is killed -> a new one goes on where it was', async (t) => {
  const redis = await startRedis(t);
  const config = { ...PLAIN, ...redisEngine(redis) };
  const first = await startBroker(t, { config });
  const second = await startBroker(t, { config });
  const balancer = await startBalancer(t, [first.port, second.port]);
  const sse = curl(t, url(balancer.port, 'uni_sse?channel=chat:a'));
  const lines = curl(t, '-d', '{"subs":{"chat:a":{}}}', url(balancer.port, 'uni_http_stream'));
  await until('both are connected', () => [sse, lines].every((run) => run.text.includes('"connect"')));
  await publish(second, 'chat:a', { n: 1 });
  await until('both have it', () => [sse, lines].every((run) => run.text.includes('{"n":1}')));
  const { epoch } = JSON.parse(lines.text.split('\n')[0]).connect.subs['chat:a'];
  await first.kill();
  await Promise.all([sse.ended, lines.ended]);
  await publish(second, 'chat:a', { n: 2 });
  const id = sse.text.match(/^id: (.*)$/gm).at(-1).slice(4);
  const wish = { recover: true, offset: 1, epoch };
  const again = [
    curl(t, '-H', `Last-Event-ID: ${id}`, url(balancer.port, 'uni_sse?channel=chat:a')),
    curl(t, '-d', JSON.stringify({ subs: { 'chat:a': wish } }), url(balancer.port, 'uni_http_stream')),
  ];
  await until('both are connected again', () => again.every((run) => run.text.includes('"connect"')));
  await publish(second, 'chat:a', { n: 3 });
  for (const run of again) {
    await until('the newest', () => run.text.includes('{"n":3}'));
    assert.match(run.text, /"recovered":true/);
    assert.match(run.text, /\{"n":2\}[^]*\{"n":3\}/);
    assert.doesNotMatch(run.text, /\{"n":1\}/);
  }
});

test('a last id that cannot be served -> event: unrecovered with the position to go on from', async (t) => {
  const broker = await startBroker(t, { config: PLAIN });
  const path = url(broker.port, 'uni_sse?channel=small:a');
  await publish(broker, 'small:a', { n: 0 });
  const before = curl(t, path);
  await until('an id', () => /^id: .*\n\n/m.test(before.text));
  const id = /^id: (.*)$/m.exec(before.text)[1];
  before.child.kill();
  for (let n = 1; n <= 5; n++) await publish(broker, 'small:a', { n });
  const after = curl(t, `${path}&last_event_id=${id}`);
  await until('a connect push', () => after.text.includes('"connect"'));
  const told = /^event: unrecovered\ndata: (.*)\n\n/m.exec(after.text);
  assert.ok(told, after.text);
  assert.equal(JSON.parse(told[1]).channel, 'small:a');
  assert.equal(JSON.parse(told[1]).offset, 6);
});

test('a forged id -> a new client, or an unrecovered one, never an error', async (t) => {
  const broker = await startBroker(t, { config: PLAIN });
  for (const id of ['x', 'a', 'a!', `a${'A'.repeat(200)}`, `a${'_'.repeat(5000)}`, 'b'.repeat(900)]) {
    const run = curl(t, '-H', `Last-Event-ID: ${id}`, url(broker.port, 'uni_sse?channel=chat:a'));
    await until(`a connect push with ${id.slice(0, 20)}`, () => run.text.includes('"connect"'));
    run.child.kill();
  }
});

test('uni_websocket: first message or cf_connect starts, later ones are ignored', async (t) => {
  const broker = await startBroker(t, { config: PLAIN });
  const base = `ws://127.0.0.1:${broker.port}/connection/uni_websocket`;
  const request = '{"subs":{"chat:a":{}}}';
  for (const path of [base, `${base}?cf_connect=${encodeURIComponent(request)}`]) {
    const messages = [];
    const socket = new WebSocket(path);
    cleanup(t, () => socket.terminate());
    const closed = new Promise((resolve) => socket.on('close', (code) => resolve(code)));
    socket.on('message', (data) => messages.push(JSON.parse(data)));
    await new Promise((resolve) => socket.on('open', resolve));
    socket.send(request);
    await until('the connect push', () => messages.length === 1);
    socket.send('whatever');
    await publish(broker, 'chat:a', { n: 1 });
    await until('the publication', () => messages.length === 2);
    assert.equal(messages[0].connect.subs['chat:a'].recoverable, true);
    assert.deepEqual(messages[1].pub.data, { n: 1 });
    await broker.api.call('info', {});
    socket.close();
    await closed;
  }
  const bad = new WebSocket(base);
  cleanup(t, () => bad.terminate());
  const code = new Promise((resolve) => bad.on('close', resolve));
  bad.on('open', () => bad.send('nonsense'));
  assert.equal(await code, 3501);
});

test('curl on poll: waits, answers at once, follows a stream over a node kill', async (t) => {
  const redis = await startRedis(t);
  const config = { ...PLAIN, ...redisEngine(redis) };
  const first = await startBroker(t, { config });
  const second = await startBroker(t, { config });
  const balancer = await startBalancer(t, [first.port, second.port]);
  const seen = [];
  let next = '';
  const poll = async (timeout) => {
    const answer = await curlJson(t, `${url(balancer.port, 'poll?channel=chat:a')}${next}&timeout=${timeout}`);
    assert.equal(answer.recovered, true);
    for (const publication of answer.publications) seen.push(publication.data.n);
    next = `&since=${answer.offset}&epoch=${answer.epoch}`;
    return answer;
  };
  assert.deepEqual((await poll(0)).publications, []);
  const waiting = poll(10);
  await publish(second, 'chat:a', { n: 1 });
  await waiting;
  await publish(second, 'chat:a', { n: 2 });
  await publish(second, 'chat:a', { n: 3 });
  await poll(10);
  await first.kill();
  await publish(second, 'chat:a', { n: 4 });
  await poll(10);
  while (seen.length < 4) await poll(10);
  assert.deepEqual(seen, [1, 2, 3, 4]);
});

test('poll with timeout=0 while Redis is slow -> waits for its place instead of answering 503', async (t) => {
  const redis = await startRedis(t);
  const broker = await startBroker(t, { config: { ...PLAIN, ...redisEngine(redis), prometheus: { enabled: true } } });
  redis.pause();
  const run = request(t, url(broker.port, 'poll?channel=chat:b&timeout=0'));
  const polls = async () => (await readMetrics(broker.port)).get('holdfast_client_connections_inflight', { transport: 'poll' });
  await until('the poll is under way', async () => (await polls()) === 1 || run.status !== 0);
  await Promise.race([run.ended, setTimeout(500)]); // several ticks of the timers, which are 100 ms
  assert.equal(run.status, 0, 'it is not answered yet');
  redis.resume();
  await run.ended;
  assert.equal(run.status, 200, run.text);
  assert.deepEqual(JSON.parse(run.text).publications, []);
});

test('poll while Redis is away -> 503 after holdfast.store_wait, also with timeout=0', async (t) => {
  const redis = await startRedis(t);
  const config = { ...PLAIN, ...redisEngine(redis), holdfast: { ...PLAIN.holdfast, store_wait: '500ms' } };
  const broker = await startBroker(t, { config });
  await redis.kill();
  for (const timeout of [0, 8]) {
    const run = request(t, url(broker.port, `poll?channel=chat:a&timeout=${timeout}`));
    await run.ended;
    assert.equal(run.status, 503, run.text);
  }
});

test('poll: another epoch -> recovered false at once; bad parameters 400; keep-alive goes on', async (t) => {
  const broker = await startBroker(t, { config: PLAIN });
  await publish(broker, 'chat:a', { n: 1 });
  const lost = await curlJson(t, url(broker.port, 'poll?channel=chat:a&since=1&epoch=12'));
  const foreign = await curlJson(t, url(broker.port, 'poll?channel=chat:a&since=1&epoch=abcdefghijklmnopqrstuvwxyz'));
  assert.deepEqual([foreign.recovered, foreign.publications], [false, []]);
  assert.equal(lost.recovered, false);
  assert.equal(lost.offset, 1);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  cleanup(t, () => agent.destroy());
  const sockets = new Set();
  const get = (path) =>
    new Promise((resolve, reject) => {
      http
        .get(url(broker.port, path), { agent }, (response) => {
          sockets.add(response.socket);
          response.resume();
          response.on('end', () => resolve(response.statusCode));
        })
        .on('error', reject);
    });
  assert.equal(await get('poll?channel=chat:a&since=0'), 200);
  assert.equal(await get('poll?channel=chat:a&since=x'), 400);
  assert.equal(await get('poll?channel=nosuch:a'), 400);
  assert.equal(await get('poll'), 400);
  assert.equal(await get('poll?channel=chat:a&channel=chat:b'), 400);
  assert.equal(await get('poll?channel=chat:a&timeout=0'), 200);
  assert.equal(sockets.size, 1);
});
