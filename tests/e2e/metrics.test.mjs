// The page for Prometheus: its format, and that what happens is counted.
import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { startBroker } from './lib/broker.mjs';
import { parseExposition } from './lib/exposition.mjs';
import { request } from './lib/http.mjs';
import { readMetrics } from './lib/metrics.mjs';
import { freePort } from './lib/process.mjs';
import { openRaw } from './lib/raw.mjs';
import { startRedis } from './lib/redis.mjs';
import { redisEngine } from './lib/broker.mjs';
import { until } from './lib/scope.mjs';
import { startSubscriber } from './lib/sdk.mjs';

const enabled = { prometheus: { enabled: true } };

test('clients, subscriptions, publications, commands, errors, requests -> counted', { timeout: 60000 }, async (t) => {
  const redis = await startRedis(t);
  const broker = await startBroker(t, { config: { ...redisEngine(redis), ...enabled } });
  const before = await readMetrics(broker.port);
  assert.equal(before.get('holdfast_node_num_clients'), 0);
  assert.equal(before.get('holdfast_store_ready'), 1);

  const client = await startSubscriber(t, broker.url, 'chat:metrics');
  for (let n = 0; n < 5; n++) await broker.api.publish('chat:metrics', { n });
  await client.received(5);
  await assert.rejects(client.client.publish('nowhere:x', {}));
  const bad = await openRaw(t, broker.url);
  bad.send('no json');
  await bad.close();
  await request({ port: broker.port, path: '/api/publish', body: '{}' }); // without a key

  const after = await until('the streams are in step', async () => {
    const metrics = await readMetrics(broker.port); // the engine's figures are copied now and then
    return metrics.get('holdfast_node_messages_sent_count', { type: 'publication' }) === 5 && metrics;
  });
  const expected = [
    ['holdfast_node_num_clients', {}, 1],
    ['holdfast_node_num_subscriptions', {}, 1],
    ['holdfast_node_num_channels', {}, 1],
    ['holdfast_client_connections_inflight', { transport: 'websocket', encoding: 'json' }, 1],
    ['holdfast_client_connections_accepted', { transport: 'websocket', encoding: 'json' }, 2],
    ['holdfast_client_subscriptions_accepted', {}, 1],
    ['holdfast_client_commands_total', { method: 'connect' }, 1],
    ['holdfast_client_commands_total', { method: 'publish' }, 1],
    ['holdfast_client_num_reply_errors', { code: '102' }, 1],
    ['holdfast_client_num_server_disconnects', { code: '3501' }, 1],
    ['holdfast_http_requests_total', { path: '/api/publish', status: '2xx' }, 5],
    ['holdfast_http_requests_total', { path: '/api/publish', status: '4xx' }, 1],
    ['holdfast_api_command_duration_seconds_count', { method: 'publish' }, 6],
    ['holdfast_publication_frames_built_total', {}, 5],
    ['holdfast_store_connected', {}, 1],
    ['holdfast_streams_lagging', {}, 0],
    ['holdfast_tls_handshakes_total', {}, 0],
  ];
  for (const [name, labels, value] of expected) {
    assert.equal(after.get(name, labels), value, `${name} ${JSON.stringify(labels)}`);
  }
  assert.ok(after.get('process_resident_memory_bytes') > 1e6);
  assert.ok(after.get('process_cpu_seconds_total') > 0);
  assert.ok(after.get('holdfast_transport_sent_bytes_total') > before.get('holdfast_transport_sent_bytes_total'));

  client.client.disconnect();
  await broker.api.publish('chat:metrics', { n: 5 });
  client.client.connect();
  await client.received(6);
  await until('the recovery is counted', async () => (await readMetrics(broker.port)).get('holdfast_client_recover', { recovered: 'yes' }) === 1);

  await redis.stop();
  await until('the store is told to be away', async () => {
    const metrics = await readMetrics(broker.port);
    return metrics.get('holdfast_store_ready') === 0 && metrics.get('holdfast_store_not_ready_seconds') > 0;
  });
});

test('a queue that overflows, a limit that refuses -> counted by reason', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, {
    config: { ...enabled, client: { connection_limit: 1, queue_max_size: 20000 } },
  });
  const slow = await openRaw(t, broker.url);
  slow.ws.send(JSON.stringify({ id: 1, connect: {} }));
  await slow.reply(1);
  await slow.ask({ subscribe: { channel: 'live:flood' } }).catch(() => {});
  await assert.rejects(openRaw(t, broker.url));
  slow.ws.pause();
  await until('the slow client is dropped', async () => {
    await Promise.all(Array.from({ length: 20 }, () => broker.api.publish('live:flood', 'x'.repeat(10000))));
    return (await readMetrics(broker.port)).get('holdfast_client_num_server_disconnects', { code: '3008' }) === 1;
  }, 30000);
  const metrics = await readMetrics(broker.port);
  assert.equal(metrics.get('holdfast_node_client_connection_limit', { reason: 'limit' }), 1);
});

test('every metric -> is in docs/metrics.md, and nothing else is; HEAD, other methods, switched off', { timeout: 60000 }, async (t) => {
  const internal = await freePort();
  const broker = await startBroker(t, { config: { ...enabled, http_server: { internal_port: internal } }, start: false });
  broker.health = (path) => request({ port: internal, path, method: 'GET' });
  await broker.start();
  const text = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const documented = new Set([...text.matchAll(/^\| `([a-z_]+)/gm)].map(([, name]) => name));
  const { families } = await readMetrics(internal);
  const given = [...families.keys()].filter((name) => name !== 'process_open_fds');
  assert.deepEqual(given.filter((name) => !documented.has(name)), [], 'missing in docs/metrics.md');
  const optional = ['holdfast_tls_certificate_not_after_seconds', 'process_open_fds'];
  assert.deepEqual([...documented].filter((name) => !families.has(name) && !optional.includes(name)), []);

  assert.equal((await request({ port: broker.port, path: '/metrics', method: 'GET' })).status, 404);
  const head = await request({ port: internal, path: '/metrics', method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.body, '');
  assert.equal((await request({ port: internal, path: '/metrics', method: 'POST' })).status, 405);
  const off = await startBroker(t);
  assert.equal((await request({ port: off.port, path: '/metrics', method: 'GET' })).status, 404);
});
