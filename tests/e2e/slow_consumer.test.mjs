// A client that stops reading is cut at client.queue_max_size; nobody else notices.
import test from 'node:test';
import assert from 'node:assert/strict';
import { startBroker } from './lib/broker.mjs';
import { connectRaw } from './lib/raw.mjs';
import { until } from './lib/scope.mjs';
import { startSubscriber } from './lib/sdk.mjs';

const CHANNEL = 'live:flood';
// More than the kernel holds for one loopback connection (up to about 10 MiB) and the queue limit.
const MESSAGES = 800;
const PAYLOAD = 'x'.repeat(30000);

async function clients(broker) {
  const { nodes } = await broker.api.call('info', {});
  return nodes[0].num_clients;
}

test('subscriber stops reading -> it is disconnected, the other one gets everything', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: { client: { queue_max_size: 262144 }, websocket: { write_timeout: '60s' } } });
  const slow = await connectRaw(t, broker.url);
  await slow.call('subscribe', { channel: CHANNEL });
  const healthy = await startSubscriber(t, broker.url, CHANNEL);
  assert.equal(await clients(broker), 2);

  slow.ws.pause();
  for (let n = 1; n <= MESSAGES; n++) await broker.api.publish(CHANNEL, { n, pad: PAYLOAD });
  await until('only the reading client is left', async () => (await clients(broker)) === 1, 20000);
  await healthy.received(MESSAGES, 20000);
  assert.deepEqual(healthy.data.map((data) => data.n), Array.from({ length: MESSAGES }, (_, i) => i + 1));
  assert.equal(healthy.subscribed.length, 1, healthy.story());

  slow.ws.resume();
  const { code } = await slow.close();
  // The close frame waits behind what the client never read: it may not get through.
  assert.ok([3008, 1006].includes(code), `closed with ${code}`);
  assert.ok(slow.publications(CHANNEL).length < MESSAGES);
});
