// The official SDK over every transport, in every encoding that it has there: all commands, then the
// end of the node that serves it while publishing goes on.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Centrifuge } from 'centrifuge';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';
import { EventSource } from 'eventsource';
import { BASE_CONFIG, redisEngine, startBroker } from './lib/broker.mjs';
import { startBalancer } from './lib/balancer.mjs';
import { Publisher } from './lib/publisher.mjs';
import { startRedis } from './lib/redis.mjs';
import { startSubscriber } from './lib/sdk.mjs';
import { cleanup, until } from './lib/scope.mjs';

const CHANNEL = 'chat:room';
const MESSAGES = 120;
const CONFIG = {
  http_stream: { enabled: true },
  sse: { enabled: true },
  holdfast: { workers: 2 },
  channel: {
    namespaces: [
      ...BASE_CONFIG.channel.namespaces,
      { name: 'who', presence: true, join_leave: true, force_push_join_leave: true, history_size: 10, history_ttl: '60s' },
    ],
  },
};

const JSON_CODEC = { sdk: Centrifuge, encode: (value) => value, decode: (data) => data };
const PROTOBUF_CODEC = {
  sdk: ProtobufCentrifuge,
  encode: (value) => new TextEncoder().encode(JSON.stringify(value)),
  decode: (data) => JSON.parse(new TextDecoder().decode(data)),
};
const CELLS = [
  ['websocket', 'JSON', JSON_CODEC],
  ['websocket', 'Protobuf', PROTOBUF_CODEC],
  ['http_stream', 'JSON', JSON_CODEC],
  ['http_stream', 'Protobuf', PROTOBUF_CODEC],
  ['sse', 'JSON', JSON_CODEC],
];

function open(t, transport, codec, port, channel) {
  const scheme = transport === 'websocket' ? 'ws' : 'http';
  const endpoint = `${scheme}://127.0.0.1:${port}/connection/${transport}`;
  return startSubscriber(t, [{ transport, endpoint }], channel, {
    sdk: codec.sdk,
    emulationEndpoint: `http://127.0.0.1:${port}/emulation`,
    fetch: globalThis.fetch,
    readableStream: globalThis.ReadableStream,
    eventsource: EventSource,
  });
}

for (const [transport, encoding, codec] of CELLS) {
  test(`${transport}, ${encoding}: publish, history, presence, joins and leaves, unsubscribe`, { timeout: 60000 }, async (t) => {
    const broker = await startBroker(t, { config: CONFIG });
    const first = await open(t, transport, codec, broker.port, 'who:a');
    const joins = [];
    first.sub.on('join', (ctx) => joins.push(`join ${ctx.info.client}`));
    first.sub.on('leave', (ctx) => joins.push(`leave ${ctx.info.client}`));
    const second = await open(t, transport, codec, broker.port, 'who:a');
    const sent = [{ text: 'ä€😀 "\n' }, { n: 2 }, { list: Array.from({ length: 2000 }, (_, i) => i) }];
    for (const value of sent) await first.sub.publish(codec.encode(value));
    for (const subscriber of [first, second]) {
      await subscriber.received(3);
      assert.deepEqual(subscriber.data.map(codec.decode), sent);
      assert.deepEqual(subscriber.offsets, [1, 2, 3]);
    }
    const history = await second.sub.history({ limit: 2, reverse: true });
    assert.deepEqual(history.publications.map((publication) => codec.decode(publication.data)), [sent[2], sent[1]]);
    assert.equal(history.offset, 3);
    const { clients } = await second.sub.presence();
    assert.deepEqual(Object.keys(clients).sort(), [first.id, second.id].sort());
    await until(() => `the second's join: ${joins}`, () => joins.includes(`join ${second.id}`));
    assert.equal((await second.sub.presenceStats()).numClients, 2);
    await assert.rejects(first.client.rpc('nothing', codec.encode({})), { code: 108 });
    second.sub.unsubscribe();
    await until(() => `a leave: ${joins}`, () => joins.at(-1) === `leave ${second.id}`);
    second.client.disconnect();
    first.client.disconnect();
    await until('nobody is left', async () => (await broker.api.call('info', {})).nodes[0].num_clients === 0);
  });

  test(`${transport}, ${encoding}: its node is killed while publishing goes on -> every message once, in order`, { timeout: 60000 }, async (t) => {
    const redis = await startRedis(t);
    const config = { ...CONFIG, ...redisEngine(redis) };
    const [a, b] = await Promise.all([startBroker(t, { config }), startBroker(t, { config })]);
    const balancer = await startBalancer(t, [a.port, b.port]);
    const clients = await Promise.all(
      Array.from({ length: 5 }, () => open(t, transport, codec, balancer.port, CHANNEL)),
    );
    const publisher = new Publisher(CHANNEL, [b.api], 5);
    cleanup(t, () => publisher.stop());
    publisher.start();
    await publisher.published(MESSAGES / 3);
    await a.kill();
    await publisher.published(MESSAGES);
    await publisher.stop();
    const stream = await redis.stream(CHANNEL);
    assert.ok(stream.length >= MESSAGES);
    for (const client of clients) {
      await client.received(stream.length);
      assert.deepEqual(client.offsets, stream.map((entry) => entry.offset), client.story());
      assert.deepEqual(client.data.map(codec.decode), stream.map((entry) => JSON.parse(entry.data)));
      assert.ok(client.subscribed.slice(1).every((context) => context.recovered), client.story());
    }
  });
}
