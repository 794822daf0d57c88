// Chaos 20: one client's window is closed while thousands of messages a second are published.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { startBroker } from './lib/broker.mjs';
import { connectRaw } from './lib/raw.mjs';
import { until } from './lib/scope.mjs';
import { upgradeTcp, frame } from './lib/tcp.mjs';

const BATCHES = 40;
const BATCH = 500;
const PAD = 'x'.repeat(1000); // 20 MB in all: more than kernel and queue hold for one client

function residentKilobytes(broker) {
  const status = readFileSync(`/proc/${broker.child.handle.pid}/status`, 'utf8');
  return Number(status.match(/VmRSS:\s+(\d+) kB/)[1]);
}

async function clients(broker) {
  const { nodes } = await broker.api.call('info', {});
  return nodes[0].num_clients;
}

test('c20 client with a closed window under a flood -> it alone is cut, at its queue limit', { timeout: 90000 }, async (t) => {
  // AddressSanitizer keeps freed memory for a while, which is not what is measured here
  const sanitizer = `${process.env.ASAN_OPTIONS ?? ''}:quarantine_size_mb=4`;
  const broker = await startBroker(t, {
    config: { client: { ping_interval: '0s' } },
    env: { ASAN_OPTIONS: sanitizer },
  });
  const slow = await upgradeTcp(t, broker.port);
  slow.write(frame(`${JSON.stringify({ id: 1, connect: {} })}\n${JSON.stringify({ id: 2, subscribe: { channel: 'live:flood' } })}`));
  await slow.match(/"id":2/);
  const healthy = await connectRaw(t, broker.url);
  await healthy.call('subscribe', { channel: 'live:flood' });
  const bystander = await connectRaw(t, broker.url);
  await bystander.call('subscribe', { channel: 'live:quiet' });
  const publisher = await connectRaw(t, broker.url);
  assert.equal(await clients(broker), 4);
  const before = residentKilobytes(broker);
  let largest = before;

  slow.socket.pause(); // the window closes when the kernel's buffers are full
  let slowest = 0;
  const begin = Date.now();
  for (let batch = 0; batch < BATCHES; batch++) {
    const commands = [];
    for (let i = 1; i <= BATCH; i++) {
      const n = batch * BATCH + i;
      commands.push({ id: 10 + n, publish: { channel: 'live:flood', data: { n, pad: PAD } } });
    }
    for (let at = 0; at < BATCH; at += 50) publisher.send(...commands.slice(at, at + 50));
    const sent = Date.now();
    await broker.api.publish('live:quiet', { batch });
    await bystander.received('live:quiet', batch + 1);
    slowest = Math.max(slowest, Date.now() - sent);
    await healthy.received('live:flood', (batch + 1) * BATCH);
    largest = Math.max(largest, residentKilobytes(broker));
  }
  const rate = Math.round((BATCHES * BATCH * 1000) / (Date.now() - begin));
  t.diagnostic(`${rate} messages a second, slowest to the bystander ${slowest} ms, ${largest - before} kB more memory`);

  await until('the slow client is gone', async () => (await clients(broker)) === 3);
  assert.deepEqual(
    healthy.publications('live:flood').map(({ data }) => data.n),
    Array.from({ length: BATCHES * BATCH }, (_, i) => i + 1),
  );
  assert.ok(slowest < 2000, `the bystander waited ${slowest} ms`);
  assert.ok(largest - before < 48 * 1024, `${largest - before} kB more memory`);
});
