// Chaos 34: clients connect and recover two channels in one frame while both are being flooded.
import test from 'node:test';
import assert from 'node:assert/strict';
import { redisEngine, startBroker } from './lib/broker.mjs';
import { connectRaw, openRaw } from './lib/raw.mjs';
import { startRedis } from './lib/redis.mjs';

const CHANNELS = ['chat:one', 'chat:two'];
const CLIENTS = 60;

test('c34 two recoverable channels at connect under a flood -> no stall, no deadlock, nothing lost', { timeout: 90000 }, async (t) => {
  const redis = await startRedis(t);
  // one read of Redis at a time: every load has to hand on to the next
  const config = { ...redisEngine(redis), holdfast: { loads_in_flight_max: 1 } };
  const broker = await startBroker(t, { config });
  const publisher = await connectRaw(t, broker.url);
  const watcher = await connectRaw(t, broker.url);
  const epochs = new Map();
  for (const channel of CHANNELS) {
    epochs.set(channel, (await watcher.call('subscribe', { channel })).epoch);
  }
  let n = 0;
  let floods = true;
  let slowest = 0;
  const flood = (async () => {
    while (floods && n < 950) { // below history_size: everything stays recoverable
      const commands = [];
      for (const end = n + 10; n < end; ) {
        n += 1;
        for (const [i, channel] of CHANNELS.entries()) {
          commands.push({ id: 1000 + 2 * n + i, publish: { channel, data: { n } } });
        }
      }
      publisher.send(...commands);
      const sent = Date.now();
      for (const channel of CHANNELS) await watcher.received(channel, n);
      slowest = Math.max(slowest, Date.now() - sent);
    }
  })();

  const clients = [];
  while (clients.length < CLIENTS) {
    const clientsNow = await Promise.all(Array.from({ length: 10 }, () => openRaw(t, broker.url)));
    for (const client of clientsNow) {
      client.send(
        { id: 1, connect: {} },
        ...CHANNELS.map((channel, i) => ({
          id: 2 + i,
          subscribe: { channel, recover: true, epoch: epochs.get(channel), offset: 0 },
        })),
      );
    }
    for (const client of clientsNow) {
      for (const id of [2, 3]) {
        const { subscribe } = await client.reply(id);
        assert.equal(subscribe?.recovered, true, JSON.stringify(client.replies.get(id)).slice(0, 200));
      }
    }
    clients.push(...clientsNow);
  }
  floods = false;
  await flood;
  t.diagnostic(`${n} publications to each channel meanwhile, the slowest took ${slowest} ms`);
  assert.ok(n > 50, 'there was a flood');
  assert.ok(slowest < 2000, `a publication took ${slowest} ms`);
  for (const client of clients) {
    for (const [i, channel] of CHANNELS.entries()) {
      const recovered = client.replies.get(2 + i).subscribe.publications ?? [];
      await client.received(channel, n - recovered.length);
      const offsets = [...recovered, ...client.publications(channel)].map(({ offset }) => offset);
      assert.deepEqual(offsets, Array.from({ length: n }, (_, k) => k + 1));
    }
  }
});
