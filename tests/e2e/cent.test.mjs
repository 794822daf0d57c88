// The API library for Node.js (cent.js), unmodified: one call per request, and its pipeline, which
// sends several to the single route.
import test from 'node:test';
import assert from 'node:assert/strict';
import { CentClient } from 'cent.js';
import { API_KEY, startBroker } from './lib/broker.mjs';
import { startSubscriber } from './lib/sdk.mjs';

const ROOM = { name: 'room', presence: true, history_size: 10, history_ttl: '300s' };

test('cent.js', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, {
    config: { channel: { namespaces: [ROOM, { name: 'live' }] } },
  });
  const cent = new CentClient({ url: `http://127.0.0.1:${broker.port}/api`, apiKey: API_KEY });

  await t.test('every method', async (t) => {
    const subscriber = await startSubscriber(t, broker.url, 'room:a');
    assert.equal((await cent.publish({ channel: 'room:a', data: { n: 1 } })).offset, 1);
    const { responses } = await cent.broadcast({ channels: ['room:a', 'live:a', 'none:a'], data: { n: 2 } });
    assert.equal(responses[0].result.offset, 2);
    assert.deepEqual(responses[1], { result: {} });
    assert.equal(responses[2].error.code, 102);
    await subscriber.received(2);
    assert.deepEqual(subscriber.data, [{ n: 1 }, { n: 2 }]);
    const { presence } = await cent.getPresence({ channel: 'room:a' });
    assert.equal(Object.keys(presence).length, 1);
    assert.deepEqual(await cent.getPresenceStats({ channel: 'room:a' }), { num_clients: 1, num_users: 1 });
    const { publications } = await cent.getHistory({ channel: 'room:a', limit: 1, reverse: true });
    assert.deepEqual(publications.map(({ data }) => data), [{ n: 2 }]);
    await cent.removeHistory({ channel: 'room:a' });
    assert.deepEqual((await cent.getHistory({ channel: 'room:a', limit: 9 })).publications, []);
    assert.deepEqual(await cent.getChannels(), { channels: { 'room:a': { num_clients: 1 } } });
    assert.equal((await cent.getInfo()).nodes.length, 1);
    const [client] = Object.keys(presence);
    const subscribed = new Promise((resolve) => { subscriber.client.on('subscribed', resolve); });
    await cent.subscribe({ user: '', client, channel: 'live:b' });
    assert.equal((await subscribed).channel, 'live:b');
    await cent.refresh({ user: '', client });
    const unsubscribed = new Promise((resolve) => { subscriber.client.on('unsubscribed', resolve); });
    await cent.unsubscribe({ user: '', client, channel: 'live:b' });
    assert.equal((await unsubscribed).channel, 'live:b');
    const disconnected = new Promise((resolve) => { subscriber.client.on('disconnected', resolve); });
    await cent.disconnect({ user: '', client });
    assert.equal((await disconnected).code, 3503);
  });

  await t.test('an error is thrown', async () => {
    await assert.rejects(cent.publish({ channel: 'none:a', data: {} }));
    await assert.rejects(cent.subscribe({ user: 'u' }));
  });

  await t.test('pipeline -> the results in order', async () => {
    const results = await cent.pipeline([
      { method: 'publish', params: { channel: 'room:p', data: { n: 1 } } },
      { method: 'publish', params: { channel: 'room:p', data: { n: 2 } } },
      { method: 'publish', params: { channel: 'none:p', data: {} } },
      { method: 'history', params: { channel: 'room:p', limit: 5 } },
      { method: 'info', params: {} },
    ]);
    assert.deepEqual(results.slice(0, 2).map(({ offset }) => offset), [1, 2]);
    assert.equal(results[2], undefined);
    assert.deepEqual(results[3].publications.map(({ data }) => data), [{ n: 1 }, { n: 2 }]);
    assert.equal(results[4].nodes.length, 1);
  });
});
