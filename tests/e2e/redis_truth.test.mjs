// /health/ready and /metrics say the same of Redis, and it is true: in service, connected but not
// delivering, hanging, gone, back.
import test from 'node:test';
import assert from 'node:assert/strict';
import { startBroker } from './lib/broker.mjs';
import { readMetrics } from './lib/metrics.mjs';
import { startRedis } from './lib/redis.mjs';
import { until } from './lib/scope.mjs';
import { startSubscriber } from './lib/sdk.mjs';

const CHANNEL = 'chat:truth';

// What both pages say, in one object; they are asked again when the state changed between the two.
async function look(broker) {
  for (;;) {
    const { status, body } = await broker.health('/health/ready');
    const metrics = await readMetrics(broker.port);
    const again = await broker.health('/health/ready');
    if (again.status !== status) continue;
    const { store } = JSON.parse(body);
    assert.equal(status, store.ready ? 200 : 503, body);
    return {
      ready: store.ready,
      connected: store.connected,
      reason: store.reason ?? '',
      gauges: {
        ready: metrics.get('holdfast_store_ready') === 1,
        connected: metrics.get('holdfast_store_connected') === 1,
        seconds: metrics.get('holdfast_store_not_ready_seconds'),
        lagging: metrics.get('holdfast_streams_lagging'),
      },
    };
  }
}

// Until both say so: { ready, connected }
async function becomes(broker, what, { ready, connected }) {
  return until(what, async () => {
    const seen = await look(broker);
    const pages = [seen, seen.gauges];
    return pages.every((page) => page.ready === ready && page.connected === connected) && seen;
  }, 30000);
}

async function serves(broker, subscriber, count) {
  const seen = await until('in service and in step', async () => {
    const now = await becomes(broker, 'ready', { ready: true, connected: true });
    return now.gauges.lagging === 0 && now;
  }, 30000);
  assert.equal(seen.gauges.seconds, 0);
  await broker.api.publish(CHANNEL, { n: count });
  await subscriber.received(count);
  // what Redis has refused is told until it has taken a publication
  await until('nothing to complain of', async () => (await look(broker)).reason === '');
}

async function start(t) {
  const redis = await startRedis(t, { appendonly: true });
  const broker = await startBroker(t, {
    config: {
      engine: { type: 'redis', redis: { address: redis.address, io_timeout: '500ms' } },
      prometheus: { enabled: true },
      holdfast: { redis_probe_interval: '500ms' },
    },
  });
  const subscriber = await startSubscriber(t, broker.url, CHANNEL);
  await serves(broker, subscriber, 1);
  return { redis, broker, subscriber };
}

test('commands are taken but nothing is delivered -> connected, not ready, streams lag', { timeout: 60000 }, async (t) => {
  const { redis, broker, subscriber } = await start(t);
  await redis.command('ACL', 'SETUSER', 'default', '-subscribe');
  await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
  const seen = await becomes(broker, 'deaf', { ready: false, connected: true });
  assert.match(seen.reason, /redis|noperm|permission/i);
  const later = await until('time passes and the stream lags', async () => {
    const now = await look(broker);
    return now.gauges.seconds > 0 && now.gauges.lagging === 1 && now;
  });
  assert.equal(later.ready, false);
  await redis.command('ACL', 'SETUSER', 'default', '+subscribe');
  await serves(broker, subscriber, 2);
});

test('Redis hangs -> neither connected nor ready, for longer and longer, until it goes on', { timeout: 60000 }, async (t) => {
  const { redis, broker, subscriber } = await start(t);
  redis.pause();
  const seen = await becomes(broker, 'hanging', { ready: false, connected: false });
  assert.match(seen.reason, /redis/i);
  await until('a second of it', async () => (await look(broker)).gauges.seconds >= 1);
  redis.resume();
  await serves(broker, subscriber, 2);
});

test('the primary becomes a replica, and nobody publishes -> neither connected nor ready, READONLY', { timeout: 60000 }, async (t) => {
  const { redis, broker, subscriber } = await start(t);
  await redis.command('REPLICAOF', '127.0.0.1', '1');
  const seen = await becomes(broker, 'a replica', { ready: false, connected: false });
  assert.match(seen.reason, /READONLY/);
  await redis.command('REPLICAOF', 'NO', 'ONE');
  await serves(broker, subscriber, 2);
});

test('Redis is killed and comes back -> gone with a reason, then in service', { timeout: 60000 }, async (t) => {
  const { redis, broker, subscriber } = await start(t);
  await redis.kill();
  const seen = await becomes(broker, 'gone', { ready: false, connected: false });
  assert.match(seen.reason, /redis/i);
  await redis.start();
  await serves(broker, subscriber, 2);
});
