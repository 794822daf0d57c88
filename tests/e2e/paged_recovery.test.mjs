// Recovery and history in pages: fifty thousand missed publications for one client, a reader whose
// stream is trimmed away under it, and walks through a stream that is being written.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { redisEngine, startBroker } from './lib/broker.mjs';
import { Publisher } from './lib/publisher.mjs';
import { connectRaw } from './lib/raw.mjs';
import { startRedis } from './lib/redis.mjs';
import { cleanup, until } from './lib/scope.mjs';
import { Subscriber } from './lib/sdk.mjs';

const MISSED = 50000;
const PAD = 'x'.repeat(1000);
// The missed publications are 50 MiB. What a node may grow by while it hands them on: the stream's
// tail (1 MiB), a page of 256 KiB and its frame, the client's queue, and the allocator's slack.
const GROWTH_MIB = 16;

// ASan keeps freed memory for a while, 256 MiB of it unless told otherwise.
const env = { ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:quarantine_size_mb=1` };

async function start(t, historySize) {
  const redis = await startRedis(t);
  const broker = await startBroker(t, {
    env,
    config: {
      ...redisEngine(redis),
      client: { recovery_max_publication_limit: 0 },
      websocket: { write_timeout: '60s' },
      channel: {
        namespaces: [{ name: 'big', history_size: historySize, history_ttl: '600s', force_recovery: true }],
      },
    },
  });
  return { redis, broker };
}

// count publications to one channel, many to a request
async function fill(broker, channel, count, data, batch = 500) {
  for (let sent = 0; sent < count; sent += batch) {
    const channels = Array(Math.min(batch, count - sent)).fill(channel);
    const { responses } = await broker.api.call('broadcast', { channels, data });
    for (const { error } of responses) assert.equal(error, undefined);
  }
}

function rssMib(broker) {
  const status = readFileSync(`/proc/${broker.child.handle.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)[1]) / 1024;
}

// offsets are first, first + 1, ... without gap or repeat
function assertConsecutive(offsets, first) {
  const wrong = offsets.findIndex((offset, i) => offset !== first + i);
  assert.equal(wrong, -1, `offset ${offsets[wrong]} at place ${wrong}, expected ${first + wrong}`);
}

test('50,000 publications missed while publishing goes on -> all in order, recovered, then live, with flat memory', { timeout: 240000 }, async (t) => {
  const { broker } = await start(t, 60000);
  const channel = 'big:feed';
  await fill(broker, channel, MISSED, { pad: PAD });
  const { offset: top, epoch } = await broker.api.call('history', { channel, limit: 0 });
  assert.equal(top, MISSED);

  const before = rssMib(broker);
  let peak = before;
  const sampler = setInterval(() => { peak = Math.max(peak, rssMib(broker)); }, 20);
  cleanup(t, () => clearInterval(sampler));
  const publisher = new Publisher(channel, [broker.api], 2);
  publisher.start();
  cleanup(t, () => publisher.stop());
  const subscriber = new Subscriber(broker.url, channel, { subscription: { since: { offset: 0, epoch } } });
  cleanup(t, () => subscriber.close());
  subscriber.start();
  const subscribed = await subscriber.subscriptions(1);
  assert.equal(subscribed.recovered, true);
  await subscriber.received(MISSED, 120000);
  await publisher.published(publisher.acknowledged.length + 50);
  await publisher.stop();
  clearInterval(sampler);

  const last = publisher.acknowledged.at(-1).offset;
  assert.ok(last > MISSED);
  await subscriber.received(last);
  assertConsecutive(subscriber.offsets, 1);
  for (const { n, offset } of publisher.acknowledged) {
    assert.equal(subscriber.data[offset - 1].n, n);
  }
  assert.equal(subscriber.subscribed.length, 1, subscriber.story());
  t.diagnostic(`RSS ${before.toFixed(1)} MiB, peak ${peak.toFixed(1)} MiB`);
  assert.ok(peak - before < GROWTH_MIB, `RSS grew from ${before.toFixed(1)} to ${peak.toFixed(1)} MiB`);
});

test('the stream is trimmed away under a slow reader -> it is told (2500), and what it has holds no gap', { timeout: 120000 }, async (t) => {
  const SIZE = 3000; // 30 MiB: more than the kernel holds for a connection that is not read
  const { broker } = await start(t, SIZE);
  const channel = 'big:slow';
  await fill(broker, channel, SIZE, { pad: PAD.repeat(10) }, 50);
  const { epoch } = await broker.api.call('history', { channel, limit: 0 });

  const slow = await connectRaw(t, broker.url);
  slow.send({ id: 7, subscribe: { channel, recover: true, offset: 0, epoch } });
  const { subscribe } = await slow.reply(7);
  slow.ws.pause();
  assert.equal(subscribe.recovered, true);
  await fill(broker, channel, SIZE, { pad: 'new' });
  slow.ws.resume();
  const told = await until(
    'the reader is told',
    () => slow.pushes.find((push) => push.unsubscribe !== undefined),
    30000,
  );
  assert.equal(told.unsubscribe.code, 2500);
  const offsets = [...subscribe.publications, ...slow.publications(channel)].map((each) => each.offset);
  assertConsecutive(offsets, 1);
  assert.ok(offsets.length < 2 * SIZE, `${offsets.length} publications`);

  // It is unsubscribed: nothing follows, and it may subscribe again.
  const heard = slow.publications(channel).length;
  await broker.api.publish(channel, { after: true });
  const again = await slow.call('subscribe', { channel, recover: true, offset: offsets.at(-1), epoch });
  assert.equal(again.recovered ?? false, false);
  assert.equal(slow.publications(channel).length, heard);
});

test('history is paged forward and in reverse while the stream is written -> every publication once', { timeout: 120000 }, async (t) => {
  const { broker } = await start(t, 60000);
  const channel = 'big:walk';
  const FIRST = 5000;
  const LIMIT = 97;
  await fill(broker, channel, FIRST, { early: true });
  const publisher = new Publisher(channel, [broker.api], 1);
  publisher.start();
  cleanup(t, () => publisher.stop());

  const { epoch } = await broker.api.call('history', { channel, limit: 0 });
  const forward = [];
  while (forward.length < FIRST + 200) {
    const since = { offset: forward.at(-1) ?? 0, epoch };
    const page = await broker.api.call('history', { channel, limit: LIMIT, since });
    assert.ok(page.publications.length <= LIMIT);
    assert.ok(page.offset >= (page.publications.at(-1)?.offset ?? 0));
    forward.push(...page.publications.map((each) => each.offset));
    if (page.publications.length === 0) await publisher.published(publisher.acknowledged.length + 20);
  }
  assertConsecutive(forward, 1);

  const newest = await broker.api.call('history', { channel, limit: LIMIT, reverse: true });
  const reverse = newest.publications.map((each) => each.offset);
  while (reverse.at(-1) > 1) {
    const since = { offset: reverse.at(-1), epoch };
    const page = await broker.api.call('history', { channel, limit: LIMIT, since, reverse: true });
    assert.ok(page.publications.length > 0 && page.publications.length <= LIMIT);
    reverse.push(...page.publications.map((each) => each.offset));
  }
  assertConsecutive(reverse.reverse(), 1);
  assert.ok(reverse.length >= forward.length);
  await publisher.stop();
});
