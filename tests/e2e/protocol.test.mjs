// The client protocol, command by command, over a bare WebSocket.
import test from 'node:test';
import assert from 'node:assert/strict';
import { startBroker } from './lib/broker.mjs';
import { connectRaw, openRaw } from './lib/raw.mjs';
import { startSubscriber } from './lib/sdk.mjs';
import { until } from './lib/scope.mjs';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

async function publishNumbers(broker, channel, from, to) {
  for (let n = from; n <= to; n++) await broker.api.publish(channel, { n });
}

function offsets(publications) {
  return (publications ?? []).map((publication) => publication.offset);
}

// Subtests of one node with the memory engine; each uses channels of its own.
test('commands', { timeout: 90000 }, async (t) => {
  const broker = await startBroker(t, { config: { client: { channel_limit: 8 } } });
  const { api } = broker;

  await t.test('connect -> client ID, version, ping interval', async (t) => {
    const client = await connectRaw(t, broker.url);
    assert.match(client.connect.client, UUID);
    assert.equal(typeof client.connect.version, 'string');
    assert.equal(client.connect.ping, 25);
    assert.equal(client.connect.pong, true);
    assert.ok(!('expires' in client.connect));
    const other = await connectRaw(t, broker.url);
    assert.notEqual(other.connect.client, client.connect.client);
  });

  await t.test('several commands in one frame -> all are answered', async (t) => {
    const client = await openRaw(t, broker.url);
    client.send(
      { id: 1, connect: { name: 'test' } },
      { id: 2, subscribe: { channel: 'chat:several' } },
      { id: 3, publish: { channel: 'chat:several', data: { n: 1 } } },
      { id: 4, history: { channel: 'chat:several', limit: 10 } },
      { id: 5, unsubscribe: { channel: 'chat:several' } },
      '', // one line feed may end the frame
    );
    for (const [id, kind] of [[1, 'connect'], [2, 'subscribe'], [3, 'publish'], [4, 'history'], [5, 'unsubscribe']]) {
      const reply = await client.reply(id);
      assert.ok(kind in reply, `${kind}: ${JSON.stringify(reply)}`);
    }
    assert.deepEqual(offsets(client.replies.get(4).history.publications), [1], 'in order of arrival');
  });

  await t.test('subscribe to an empty stream -> position, then live publications', async (t) => {
    const client = await connectRaw(t, broker.url);
    const result = await client.call('subscribe', { channel: 'chat:empty' });
    assert.equal(result.recoverable, true);
    assert.equal(result.positioned, true);
    assert.equal(result.offset ?? 0, 0);
    assert.ok(result.epoch.length > 0);
    assert.ok(!result.recovered && !result.was_recovering);
    await publishNumbers(broker, 'chat:empty', 1, 3);
    await client.received('chat:empty', 3);
    assert.deepEqual(
      client.publications('chat:empty').map(({ offset, data }) => ({ offset, data })),
      [1, 2, 3].map((n) => ({ offset: n, data: { n } })),
    );
    const { epoch, offset } = await api.history('chat:empty', { limit: 0 });
    assert.deepEqual({ epoch, offset }, { epoch: result.epoch, offset: 3 });
  });

  await t.test('channel without history -> publications without position', async (t) => {
    const client = await connectRaw(t, broker.url);
    const result = await client.call('subscribe', { channel: 'live:plain' });
    assert.ok(!result.positioned && !result.recoverable && !('epoch' in result));
    await api.publish('live:plain', 1);
    await client.received('live:plain', 1);
    assert.ok(!('offset' in client.publications('live:plain')[0]));
  });

  await t.test('recover from a position -> what came after it, then live', async (t) => {
    await publishNumbers(broker, 'chat:recover', 1, 5);
    const { epoch } = await api.history('chat:recover', { limit: 0 });
    const client = await connectRaw(t, broker.url);
    const result = await client.call('subscribe', {
      channel: 'chat:recover', recover: true, offset: 2, epoch,
    });
    assert.equal(result.was_recovering, true);
    assert.equal(result.recovered, true);
    assert.deepEqual(offsets(result.publications), [3, 4, 5]);
    assert.equal(result.offset, 2, 'the position that was asked for');
    assert.equal(result.epoch, epoch);
    await publishNumbers(broker, 'chat:recover', 6, 7);
    await client.received('chat:recover', 2);
    assert.deepEqual(offsets(client.publications('chat:recover')), [6, 7]);
  });

  await t.test('recover with nothing missed, or without an epoch -> recovered', async (t) => {
    await publishNumbers(broker, 'chat:same', 1, 3);
    const { epoch } = await api.history('chat:same', { limit: 0 });
    const client = await connectRaw(t, broker.url);
    const same = await client.call('subscribe', { channel: 'chat:same', recover: true, offset: 3, epoch });
    assert.equal(same.recovered, true);
    assert.deepEqual(offsets(same.publications), []);
    await client.call('unsubscribe', { channel: 'chat:same' });
    const all = await client.call('subscribe', { channel: 'chat:same', recover: true });
    assert.equal(all.recovered, true);
    assert.deepEqual(offsets(all.publications), [1, 2, 3]);
  });

  for (const [what, channel, position] of [
    ['an unknown epoch', 'chat:lost-a', (epoch) => ({ epoch: `${epoch}9`, offset: 3 })],
    ['an epoch of another server', 'chat:lost-b', () => ({ epoch: 'qwertyui', offset: 3 })],
    ['an offset beyond the top', 'chat:lost-c', (epoch) => ({ epoch, offset: 6 })],
    ['a position that is no longer kept', 'small:lost-d', (epoch) => ({ epoch, offset: 1 })],
  ]) {
    await t.test(`recover from ${what} -> recovered is false, nothing partial, live goes on`, async (t) => {
      await publishNumbers(broker, channel, 1, 5);
      const { epoch } = await api.history(channel, { limit: 0 });
      const client = await connectRaw(t, broker.url);
      const result = await client.call('subscribe', { channel, recover: true, ...position(epoch) });
      assert.equal(result.was_recovering, true);
      assert.ok(!result.recovered);
      assert.deepEqual(offsets(result.publications), []);
      assert.deepEqual({ epoch: result.epoch, offset: result.offset }, { epoch, offset: 5 });
      await publishNumbers(broker, channel, 6, 6);
      await client.received(channel, 1);
      assert.deepEqual(offsets(client.publications(channel)), [6]);
    });

    await t.test(`recover from ${what} with "reject unrecovered" -> error 112, not subscribed`, async (t) => {
      const { epoch } = await api.history(channel, { limit: 0 });
      const { offset: missing, ...rest } = position(epoch);
      const client = await connectRaw(t, broker.url);
      const request = { channel, recover: true, flag: 2, ...rest, offset: missing };
      if (what.includes('beyond')) request.offset = 100;
      const reply = await client.ask({ subscribe: request });
      assert.deepEqual(reply.error, { code: 112, message: 'unrecoverable position' });
      const again = await client.call('subscribe', { channel });
      assert.equal(again.epoch, epoch, 'a fresh subscription is possible');
    });
  }

  await t.test('unsubscribe -> no more publications; also fine when not subscribed', async (t) => {
    const client = await connectRaw(t, broker.url);
    const other = await connectRaw(t, broker.url);
    await client.call('subscribe', { channel: 'chat:leave' });
    await other.call('subscribe', { channel: 'chat:leave' });
    assert.deepEqual(await client.call('unsubscribe', { channel: 'chat:leave' }), {});
    assert.deepEqual(await client.call('unsubscribe', { channel: 'chat:never' }), {});
    await api.publish('chat:leave', { n: 1 });
    await other.received('chat:leave', 1);
    await client.call('history', { channel: 'chat:leave' });
    assert.deepEqual(client.publications('chat:leave'), []);
  });

  await t.test('client publishes -> empty result, subscribers see who it was', async (t) => {
    const client = await connectRaw(t, broker.url);
    const other = await connectRaw(t, broker.url);
    await client.call('subscribe', { channel: 'chat:client' });
    await other.call('subscribe', { channel: 'chat:client' });
    assert.deepEqual(await client.call('publish', { channel: 'chat:client', data: { n: 1 } }), {});
    for (const each of [client, other]) {
      await each.received('chat:client', 1);
      const [publication] = each.publications('chat:client');
      assert.deepEqual(publication.data, { n: 1 });
      assert.equal(publication.offset, 1);
      assert.equal(publication.info.client, client.connect.client);
      assert.equal(publication.info.user, '');
    }
    const { publications } = await api.history('chat:client');
    assert.equal(publications[0].info.client, client.connect.client);
  });

  await t.test('payloads -> the very bytes that were published, live, recovered and in history', async (t) => {
    const payloads = ['{"a":1.0,  "b":1e2}', '[1, 2 ,3]', '"\\u00e9 é \\ud83d\\ude00"', '12345678901234567890.50', 'null', '{"":{"x":[]}}'];
    const live = await connectRaw(t, broker.url);
    await live.call('subscribe', { channel: 'chat:bytes' });
    for (const payload of payloads) {
      const { status } = await api.raw('publish', `{"channel":"chat:bytes","data":${payload}}`);
      assert.equal(status, 200);
    }
    live.send(`{"id":90,"publish":{"channel":"chat:bytes","data":{"c" : 1.50}}}`);
    await live.received('chat:bytes', payloads.length + 1);
    payloads.push('{"c" : 1.50}');
    const recovering = await connectRaw(t, broker.url);
    await recovering.call('subscribe', { channel: 'chat:bytes', recover: true });
    await recovering.call('history', { channel: 'chat:bytes', limit: 100 });
    const { body } = await api.raw('history', { channel: 'chat:bytes', limit: -1 });
    const [subscribed, history] = recovering.frames.slice(-2);
    for (const payload of payloads) {
      const field = `"data":${payload}`;
      assert.ok(live.frames.some((text) => text.includes(field)), `live: ${field}`);
      assert.ok(subscribed.includes(field), `recovered: ${field} in ${subscribed}`);
      assert.ok(history.includes(field), `history: ${field}`);
      assert.ok(body.includes(field), `API history: ${field}`);
    }
  });

  await t.test('line feed inside a payload -> removed, frames stay one message per line', async (t) => {
    const client = await connectRaw(t, broker.url);
    await client.call('subscribe', { channel: 'chat:feed' });
    await api.raw('publish', '{"channel":"chat:feed","data":{"a":\n 1,\r\n"b":2}}');
    await client.received('chat:feed', 1);
    assert.deepEqual(client.publications('chat:feed')[0].data, { a: 1, b: 2 });
  });

  await t.test('history -> limit, since, reverse, position', async (t) => {
    await publishNumbers(broker, 'chat:history', 1, 6);
    const client = await connectRaw(t, broker.url);
    const { epoch } = await api.history('chat:history', { limit: 0 });
    for (const [what, request, expected] of [
      ['position only', {}, []],
      ['limit', { limit: 2 }, [1, 2]],
      ['all', { limit: -1 }, [1, 2, 3, 4, 5, 6]],
      ['reverse', { limit: 2, reverse: true }, [6, 5]],
      ['since', { limit: 10, since: { offset: 4, epoch } }, [5, 6]],
      ['since without an epoch', { limit: 1, since: { offset: 2 } }, [3]],
      ['since, reverse', { limit: 2, since: { offset: 4, epoch }, reverse: true }, [3, 2]],
      ['since the top', { limit: 10, since: { offset: 6, epoch } }, []],
    ]) {
      const result = await client.call('history', { channel: 'chat:history', ...request });
      assert.deepEqual(offsets(result.publications), expected, what);
      assert.ok(Array.isArray(result.publications), what);
      assert.deepEqual({ epoch: result.epoch, offset: result.offset }, { epoch, offset: 6 }, what);
    }
    const empty = await client.call('history', { channel: 'chat:nothing', limit: 10 });
    assert.deepEqual(empty.publications, []);
    assert.equal(empty.offset, 0);
    assert.ok(empty.epoch.length > 0);
    const error = async (request) =>
      (await client.ask({ history: { channel: 'chat:history', limit: 1, ...request } })).error.code;
    assert.equal(await error({ since: { offset: 1, epoch: 'other' } }), 112);
    assert.equal(await error({ since: { offset: 0, epoch }, reverse: true }), 107);
  });

  await t.test('refused requests -> the code that the protocol gives them', async (t) => {
    const client = await connectRaw(t, broker.url);
    await client.call('subscribe', { channel: 'chat:mine' });
    const long = `chat:${'x'.repeat(251)}`;
    const longest = long.slice(0, 255);
    for (const [code, message, command] of [
      [102, 'unknown channel', { subscribe: { channel: 'nowhere:x' } }],
      [102, 'unknown channel', { publish: { channel: 'nowhere:x', data: 1 } }],
      [102, 'unknown channel', { history: { channel: 'nowhere:x' } }],
      [102, 'unknown channel', { presence: { channel: 'nowhere:x' } }],
      [103, 'permission denied', { subscribe: { channel: '$chat:private' } }],
      [105, 'already subscribed', { subscribe: { channel: 'chat:mine' } }],
      [107, 'bad request', { subscribe: { channel: long } }],
      [107, 'bad request', { subscribe: { channel: 'chat:é' } }],
      [107, 'bad request', { publish: { channel: 'chat:mine' } }],
      [108, 'not available', { history: { channel: 'live:x', limit: 1 } }],
      [108, 'not available', { presence: { channel: 'chat:mine' } }],
      [108, 'not available', { presence_stats: { channel: 'chat:mine' } }],
      [108, 'not available', { rpc: { method: 'x', data: 1 } }],
    ]) {
      const reply = await client.ask(command);
      assert.deepEqual(reply.error, { code, message }, `${JSON.stringify(command).slice(0, 80)} -> ${JSON.stringify(reply)}`);
    }
    await client.call('subscribe', { channel: longest });
    for (let i = 3; i <= 8; i++) await client.call('subscribe', { channel: `chat:limit${i}` });
    const over = await client.ask({ subscribe: { channel: 'chat:limit9' } });
    assert.deepEqual(over.error, { code: 106, message: 'limit exceeded' });
    await client.call('unsubscribe', { channel: 'chat:limit3' });
    await client.call('subscribe', { channel: 'chat:limit9' });
  });

  await t.test('what this server does not offer -> told so, never silence', async (t) => {
    const client = await connectRaw(t, broker.url);
    for (const command of [
      { sub_refresh: { channel: 'chat:x', token: 'x' } },
      { subscribe: { channel: 'chat:x', type: 4 } },
    ]) {
      const reply = await client.ask(command);
      assert.ok([103, 108].includes(reply.error?.code), `${JSON.stringify(command)} -> ${JSON.stringify(reply)}`);
    }
    client.send({ send: { data: 1 } });
    assert.deepEqual(await client.close(), { code: 3508, reason: 'not available' });
    for (const frames of [
      [{ id: 1, connect: { token: 'eyJx.y.z' } }],
      [{ id: 1, connect: {} }, { id: 2, refresh: { token: 'eyJx.y.z' } }],
    ]) {
      const client = await openRaw(t, broker.url);
      client.send(...frames);
      assert.deepEqual(await client.close(), { code: 3500, reason: 'invalid token' }, 'no key, so no token is valid');
    }
  });

  for (const [what, frames] of [
    ['a command before connect', ['{"id":1,"subscribe":{"channel":"chat:x"}}']],
    ['a pong before connect', ['{}']],
    ['a second connect', ['{"id":1,"connect":{}}', '{"id":2,"connect":{}}']],
    ['a pong without a ping', ['{"id":1,"connect":{}}', '{}']],
    ['an empty channel', ['{"id":1,"connect":{}}', '{"id":2,"subscribe":{"channel":""}}']],
    ['a ping command', ['{"id":1,"connect":{}}', '{"id":2,"ping":{}}']],
    ['an unknown delta', ['{"id":1,"connect":{}}', '{"id":2,"subscribe":{"channel":"chat:x","delta":"zip"}}']],
    ['an empty line', ['{"id":1,"connect":{}}\n\n{"id":2,"history":{"channel":"chat:x"}}']],
    ['an empty frame', ['']],
  ]) {
    await t.test(`${what} -> disconnect 3501`, async (t) => {
      const client = await openRaw(t, broker.url);
      for (const frame of frames) client.send(frame);
      assert.deepEqual(await client.close(), { code: 3501, reason: 'bad request' });
    });
  }

  await t.test('subprotocol -> the first known one is echoed, unknown ones are not', async (t) => {
    const connect = (...protocols) => connectRaw(t, broker.url, { protocols });
    assert.equal((await connect('centrifuge-json')).ws.protocol, 'centrifuge-json');
    assert.equal((await connect('chess', 'centrifuge-json')).ws.protocol, 'centrifuge-json');
    assert.equal((await connect()).ws.protocol, '');
  });
});

test('ping unanswered -> disconnect 3012; answered -> stays', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, {
    config: { client: { ping_interval: '1s', pong_timeout: '500ms' } },
  });
  const good = await connectRaw(t, broker.url);
  const deaf = await connectRaw(t, broker.url);
  deaf.answersPings = false;
  assert.equal(good.connect.ping, 1);
  assert.deepEqual(await deaf.close(), { code: 3012, reason: 'no pong' });
  await until('three pings', () => good.pings >= 3);
  await good.call('subscribe', { channel: 'chat:still-there' });
});

test('connect that waits for its subscriptions, long stale_close_delay -> pings come in time', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, {
    config: { client: { ping_interval: '1s', pong_timeout: '500ms', stale_close_delay: '300s' } },
  });
  const client = await openRaw(t, broker.url);
  const { subs } = await client.call('connect', { subs: { 'chat:a': {} } });
  assert.deepEqual(Object.keys(subs), ['chat:a']);
  await until('two pings', () => client.pings >= 2);
});

test('cf_ws_frame_ping_pong -> pings are WebSocket frames; who does not answer them gets 3012', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, {
    config: { client: { ping_interval: '1s', pong_timeout: '500ms' }, uni_websocket: { enabled: true } },
  });
  const url = `${broker.url}?cf_ws_frame_ping_pong=true`;
  const good = await openRaw(t, url);
  let pings = 0;
  good.ws.on('ping', () => { pings += 1; });
  good.connect = await good.call('connect');
  assert.ok(!('ping' in good.connect) && !('pong' in good.connect), JSON.stringify(good.connect));
  good.ws.pong(); // one that nobody asked for means nothing
  const deaf = await connectRaw(t, url, { autoPong: false });
  assert.deepEqual(await deaf.close(), { code: 3012, reason: 'no pong' });
  await until('three pings', () => pings >= 3);
  assert.equal(good.pings, 0, 'none is a message');
  await good.call('subscribe', { channel: 'chat:still-there' });

  const subscriber = await startSubscriber(t, url, 'chat:frames');
  await subscriber.subscriptions();
  await until('another ping or two', ((seen) => () => pings >= seen + 2)(pings));
  await broker.api.publish('chat:frames', 1);
  await subscriber.received(1);
  assert.deepEqual(subscriber.events.filter(({ type }) => type === 'disconnected'), []);

  const uni = await openRaw(t, `${broker.url.replace('/websocket', '/uni_websocket')}?cf_ws_frame_ping_pong=true`);
  let uniPings = 0;
  uni.ws.on('ping', () => { uniPings += 1; });
  uni.send({});
  await until('two pings', () => uniPings >= 2);
  assert.deepEqual(uni.frames.filter((frame) => frame === '{}'), []);
});

test('rpc and send of the SDK, no backend -> 108 and the connection stays, 3508 and it ends', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, {});
  const { client, ...subscriber } = await startSubscriber(t, broker.url, 'chat:backend');
  await until('subscribed', () => subscriber.subscribed.length === 1);
  await Promise.all(['x', ''].map((method) =>
    assert.rejects(client.rpc(method, { n: 1 }), { code: 108, message: 'not available' })));
  assert.equal(client.state, 'connected');
  await client.send({ n: 1 });
  await until('disconnected', () => client.state === 'disconnected');
  const last = subscriber.events.findLast(({ type }) => type === 'disconnected');
  assert.deepEqual({ code: last.code, reason: last.reason }, { code: 3508, reason: 'not available' });
});

test('no connect command -> disconnect 3502', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: { client: { stale_close_delay: '500ms' } } });
  const silent = await openRaw(t, broker.url);
  assert.deepEqual(await silent.close(), { code: 3502, reason: 'stale' });
  const prompt = await connectRaw(t, broker.url);
  await prompt.call('subscribe', { channel: 'chat:x' });
});

test('not insecure and no permission -> 3501 without token, 103 where anonymous may not', { timeout: 60000 }, async (t) => {
  const strict = await startBroker(t, { config: { client: { insecure: false } } });
  const refused = await openRaw(t, strict.url);
  refused.send({ id: 1, connect: {} });
  assert.deepEqual(await refused.close(), { code: 3501, reason: 'bad request' });

  const anonymous = await startBroker(t, {
    config: {
      client: { insecure: false, allow_anonymous_connect_without_token: true },
      channel: {
        namespaces: [
          { name: 'closed', history_size: 10, history_ttl: '60s' },
          { name: 'open', allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true },
        ],
      },
    },
  });
  const client = await connectRaw(t, anonymous.url);
  for (const command of [
    { subscribe: { channel: 'closed:x' } },
    { publish: { channel: 'closed:x', data: 1 } },
    { publish: { channel: 'open:x', data: 1 } },
    { history: { channel: 'closed:x', limit: 1 } },
  ]) {
    const reply = await client.ask(command);
    assert.equal(reply.error?.code, 103, JSON.stringify(command));
  }
  await client.call('subscribe', { channel: 'open:x' });
});

test('Origin -> only the allowed ones may connect; none at all is fine', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, {
    config: { client: { allowed_origins: ['https://*.example.com'] } },
  });
  await connectRaw(t, broker.url);
  await connectRaw(t, broker.url, { origin: 'https://App.Example.com' });
  await assert.rejects(connectRaw(t, broker.url, { origin: 'https://example.org' }), /403/);
});
