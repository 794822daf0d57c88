// The server API: shapes, errors, keys.
import test from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { API_KEY, startBroker } from './lib/broker.mjs';
import { request } from './lib/http.mjs';
import { connectRaw } from './lib/raw.mjs';
import { until } from './lib/scope.mjs';

test('server API', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, {
    config: {
      node: { info_metrics_aggregate_interval: '1s' },
      holdfast: { workers: 3, registry_interval: '1s' },
    },
  });
  const { api, port } = broker;

  // The error object of an HTTP 200 answer.
  const errorOf = async (method, body) => {
    const answer = await api.raw(method, body);
    assert.equal(answer.status, 200, answer.body);
    assert.equal(answer.json.result, undefined, answer.body);
    return answer.json.error;
  };

  await t.test('publish -> position with history, an empty result without', async () => {
    const answer = await api.raw('publish', { channel: 'chat:a', data: { x: 1 } });
    assert.equal(answer.status, 200);
    assert.match(answer.headers['content-type'], /^application\/json/);
    const { offset, epoch } = answer.json.result;
    assert.equal(offset, 1);
    assert.match(epoch, /^\d+$/);
    assert.deepEqual(await api.publish('chat:a', 2), { offset: 2, epoch });
    assert.deepEqual(await api.publish('live:a', 1), {});
  });

  await t.test('publish without what it needs -> errors 107 and 102', async () => {
    assert.deepEqual(await errorOf('publish', { data: 1 }), { code: 107, message: 'bad request' });
    assert.deepEqual(await errorOf('publish', { channel: '', data: 1 }), { code: 107, message: 'bad request' });
    assert.deepEqual(await errorOf('publish', { channel: 'chat:a' }), { code: 107, message: 'bad request' });
    assert.deepEqual(await errorOf('publish', { channel: 'nowhere:a', data: 1 }), { code: 102, message: 'unknown channel' });
  });

  await t.test('idempotency_key, version, version_epoch, delta -> applied once, the newest stays', async () => {
    const publish = (options) => api.call('publish', { channel: 'chat:options', data: 1, ...options });
    const first = await publish({ idempotency_key: 'k' });
    assert.equal(first.offset, 1);
    assert.deepEqual(await publish({ idempotency_key: 'k' }), first);
    assert.equal((await publish({ version: 3, version_epoch: 'a' })).offset, 2);
    assert.equal((await publish({ version: 3, version_epoch: 'a' })).offset, 2);
    assert.equal((await publish({ version: 1, version_epoch: 'b' })).offset, 3);
    assert.equal((await publish({ delta: true })).offset, 4);
    assert.equal((await api.history('chat:options', { limit: 0 })).offset, 4);
    assert.deepEqual(await api.call('publish', { channel: 'live:a', data: 1, idempotency_key: 'k' }), {});
    assert.deepEqual(await api.call('publish', { channel: 'live:a', data: 1, idempotency_key: 'k' }), {});
    const broadcast = { channels: ['chat:o1', 'chat:o2'], data: 1, idempotency_key: 'b' };
    const { responses } = await api.call('broadcast', broadcast);
    assert.equal(responses[0].result.offset, 1);
    assert.deepEqual((await api.call('broadcast', broadcast)).responses, responses);
  });

  await t.test('skip_history, tags, b64data -> as the peer has them', async (t) => {
    const client = await connectRaw(t, broker.url);
    await client.call('subscribe', { channel: 'chat:how' });
    assert.deepEqual(await api.call('publish', { channel: 'chat:how', data: 1, skip_history: true }), {});
    const b64data = Buffer.from('{"from": "base64"}').toString('base64');
    const { offset } = await api.call('publish', { channel: 'chat:how', b64data, tags: { kind: 'x' } });
    assert.equal(offset, 1);
    await client.received('chat:how', 2);
    const [skipped, kept] = client.publications('chat:how');
    assert.deepEqual(skipped, { data: 1 });
    assert.deepEqual(kept.data, { from: 'base64' });
    assert.deepEqual(kept.tags, { kind: 'x' });
    const { publications } = await api.history('chat:how');
    assert.deepEqual(publications, [{ data: { from: 'base64' }, offset: 1, tags: { kind: 'x' } }]);
    assert.equal((await errorOf('publish', { channel: 'chat:how', b64data: '***' })).code, 107);
    assert.equal((await api.raw('publish', { channel: 'chat:how', data: 1, tags: { kind: 5 } })).status, 400);
  });

  await t.test('broadcast -> one answer per channel, in order', async () => {
    const { responses } = await api.call('broadcast', {
      channels: ['chat:b1', 'nowhere:x', 'live:b2', '', 'chat:b1'], data: { y: 2 },
    });
    assert.equal(responses.length, 5);
    assert.equal(responses[0].result.offset, 1);
    assert.deepEqual(responses[1].error, { code: 102, message: 'unknown channel' });
    assert.deepEqual(responses[2].result, {});
    assert.equal(responses[3].error.code, 107);
    assert.equal(responses[4].result.offset, 2);
    const { publications } = await api.history('chat:b1');
    assert.deepEqual(publications.map((each) => each.data), [{ y: 2 }, { y: 2 }]);
    assert.equal((await errorOf('broadcast', { channels: [], data: 1 })).code, 107);
    assert.equal((await errorOf('broadcast', { data: 1 })).code, 107);
    const empty = await api.call('broadcast', { channels: ['chat:b1'] });
    assert.deepEqual(empty.responses, [{ error: { code: 107, message: 'bad request' } }], 'no data');
  });

  await t.test('history -> limit, since, reverse, position', async () => {
    for (let n = 1; n <= 5; n++) await api.publish('chat:h', { n });
    const { epoch, offset, publications } = await api.history('chat:h', {});
    assert.deepEqual(publications, [], 'no limit: position only');
    assert.equal(offset, 5);
    const offsets = async (options) =>
      (await api.history('chat:h', options)).publications.map((each) => each.offset);
    assert.deepEqual(await offsets({ limit: -1 }), [1, 2, 3, 4, 5]);
    assert.deepEqual(await offsets({ limit: 2 }), [1, 2]);
    assert.deepEqual(await offsets({ limit: 2, reverse: true }), [5, 4]);
    assert.deepEqual(await offsets({ limit: -1, since: { offset: 3, epoch } }), [4, 5]);
    assert.deepEqual(await offsets({ limit: -1, since: { offset: 3, epoch }, reverse: true }), [2, 1]);
    assert.deepEqual((await api.history('chat:h', { limit: 1 })).publications, [{ data: { n: 1 }, offset: 1 }]);
    assert.deepEqual(await errorOf('history', { channel: 'chat:h', limit: 1, since: { offset: 1, epoch: 'x' } }), { code: 112, message: 'unrecoverable position' });
    assert.equal((await errorOf('history', { channel: 'live:h' })).code, 108);
    assert.equal((await errorOf('history', { channel: 'nowhere:h' })).code, 102);
    assert.equal((await errorOf('history', { limit: 1 })).code, 107);
  });

  await t.test('history of a trimmed stream -> the newest that are kept', async () => {
    for (let n = 1; n <= 5; n++) await api.publish('small:h', { n });
    const { publications, offset } = await api.history('small:h');
    assert.deepEqual(publications.map((each) => each.offset), [4, 5]);
    assert.equal(offset, 5);
  });

  await t.test('history_remove -> entries gone, position kept', async () => {
    await api.publish('chat:r', 1);
    const { epoch } = await api.publish('chat:r', 2);
    assert.deepEqual(await api.call('history_remove', { channel: 'chat:r' }), {});
    assert.deepEqual(await api.history('chat:r'), { publications: [], epoch, offset: 2 });
    assert.deepEqual(await api.publish('chat:r', 3), { offset: 3, epoch });
    assert.equal((await errorOf('history_remove', { channel: 'nowhere:r' })).code, 102);
    assert.equal((await errorOf('history_remove', { channel: 'live:r' })).code, 108);
    assert.equal((await errorOf('history_remove', {})).code, 107);
  });

  await t.test('info -> this node', async () => {
    const { nodes } = await api.call('info', {});
    assert.equal(nodes.length, 1);
    const [node] = nodes;
    assert.match(node.uid, /^[0-9a-f-]{36}$/);
    for (const name of ['name', 'version']) assert.ok(node[name].length > 0, name);
    for (const name of ['num_clients', 'num_users', 'num_subs', 'num_channels']) {
      assert.equal(typeof node[name], 'number', name);
    }
  });

  await t.test('info -> metrics of the last interval, on every worker', async () => {
    const key = (method) => `centrifugo.api.command_duration_seconds.count.method.${method}.protocol.http`;
    await until('an interval in which was published', async () => {
      await api.publish('chat:metrics', 1);
      const [{ metrics }] = (await api.call('info', {})).nodes;
      return metrics?.items['centrifugo.node.messages_sent_count.type.publication'] > 0 && metrics;
    });
    for (let i = 0; i < 8; i++) {
      const metrics = await until('the same from whichever worker has the connection', async () => {
        const headers = { 'X-API-Key': API_KEY };
        const answer = await request({ port, path: '/api/info', headers, body: '{}' });
        return answer.json.result.nodes[0].metrics;
      });
      assert.ok(metrics.interval >= 1 && metrics.interval <= 5, `${metrics.interval}`);
      for (const [name, value] of Object.entries(metrics.items)) {
        assert.match(name, /^centrifugo(\.[a-z_0-9]+)+$/);
        assert.ok(Number.isInteger(value) && value > 0, name);
      }
      assert.ok(metrics.items[key('info')] > 0);
    }
  });

  await t.test('key -> X-API-Key, Authorization, query; anything else is 401', async () => {
    const call = (headers, query = '') =>
      request({ port, path: `/api/info${query}`, headers, body: '{}' }).then(({ status }) => status);
    assert.equal(await call({ 'X-API-Key': API_KEY }), 200);
    assert.equal(await call({ Authorization: `apikey ${API_KEY}` }), 200);
    assert.equal(await call({ Authorization: `ApiKey ${API_KEY}` }), 200);
    assert.equal(await call({}, `?api_key=${API_KEY}`), 200);
    assert.equal(await call({ 'X-API-Key': 'wrong' }, `?api_key=${API_KEY}`), 200);
    assert.equal(await call({}), 401);
    assert.equal(await call({ 'X-API-Key': '' }), 401);
    assert.equal(await call({ 'X-API-Key': `${API_KEY}x` }), 401);
    assert.equal(await call({ 'X-API-Key': API_KEY.slice(0, -1) }), 401);
    assert.equal(await call({ Authorization: `Bearer ${API_KEY}` }), 401);
    assert.equal(await call({ Authorization: `apikey ${API_KEY} x` }), 401);
    assert.equal(await call({ 'X-API-Key': 'wrong', Authorization: `apikey ${API_KEY}` }), 401);
    assert.equal(await call({}, '?api_key=wrong'), 401);
    const refused = await request({ port, path: '/api/publish', body: '{"channel":"chat:a","data":1}' });
    assert.equal(refused.status, 401);
    assert.equal(refused.body, '');
  });

  await t.test('method and path -> 405 before the key, 404 for what is not there', async () => {
    const get = await request({ port, path: '/api/publish', method: 'GET' });
    assert.deepEqual({ status: get.status, body: get.body }, { status: 405, body: '' });
    for (const path of ['/api/nothing', '/api/publish/', '/api/batch/x', '/apix/publish']) {
      const answer = await request({ port, path, headers: { 'X-API-Key': API_KEY }, body: '{}' });
      assert.equal(answer.status, 404, path);
    }
  });

  await t.test('body that is not what it should be -> 400', async () => {
    for (const body of ['', 'x', '{', '[]', '17', '{"channel":5,"data":1}', '{"channel":"chat:a","data":1} x', '{"channel":"chat:a","data":{a:1}}']) {
      const answer = await api.raw('publish', body);
      assert.equal(answer.status, 400, `${body} -> ${answer.status} ${answer.body}`);
    }
    assert.equal((await api.raw('info', '')).status, 400);
    assert.equal((await api.raw('history', '{"channel":"chat:a","limit":"all"}')).status, 400);
    assert.equal((await api.raw('broadcast', '{"channels":"chat:a","data":1}')).status, 400);
  });

  await t.test('unknown fields and other case of names -> as the peer takes them', async () => {
    const answer = await api.raw('publish', '{"Channel":"chat:case","DATA":1,"something":[1]}');
    assert.equal(answer.json?.result?.offset, 1, answer.body);
  });

  await t.test('error mode transport -> mapped status and the bare error', async () => {
    const mode = { 'X-Centrifugo-Error-Mode': 'transport' };
    for (const [method, body, status, code] of [
      ['publish', { channel: 'nowhere:a', data: 1 }, 404, 102],
      ['publish', { data: 1 }, 400, 107],
      ['history', { channel: 'live:a' }, 400, 108],
      ['history', { channel: 'chat:h', limit: 1, since: { offset: 1, epoch: 'x' } }, 416, 112],
    ]) {
      const answer = await api.raw(method, body, mode);
      assert.equal(answer.status, status, answer.body);
      assert.equal(answer.json.code, code);
      assert.equal(typeof answer.json.message, 'string');
    }
    const fine = await api.raw('publish', { channel: 'live:a', data: 1 }, mode);
    assert.deepEqual(fine.json, { result: {} });
  });

  await t.test('many requests on one connection -> answered in order', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    const ports = new Set();
    const calls = Array.from({ length: 50 }, (_, i) =>
      request({
        port, agent, path: '/api/publish', headers: { 'X-API-Key': API_KEY },
        body: JSON.stringify({ channel: 'chat:keep', data: { i } }),
      }),
    );
    agent.on('free', (socket) => ports.add(socket.localPort));
    const answers = await Promise.all(calls);
    assert.deepEqual(answers.map((each) => each.json.result.offset), Array.from({ length: 50 }, (_, i) => i + 1));
    assert.equal(ports.size, 1, 'the connection was kept');
  });

  await t.test('chunked body, and Expect: 100-continue -> taken', async () => {
    const send = (headers, chunks) =>
      new Promise((resolve, reject) => {
        const req = http.request({ host: '127.0.0.1', port, path: '/api/publish', method: 'POST', headers: { 'X-API-Key': API_KEY, ...headers } }, (res) => {
          let text = '';
          res.on('data', (chunk) => (text += chunk));
          res.on('end', () => resolve({ status: res.statusCode, json: JSON.parse(text) }));
        });
        req.on('error', reject);
        for (const chunk of chunks) req.write(chunk);
        req.end();
      });
    const chunked = await send({}, ['{"channel":', '"chat:chunk","da', 'ta":1}']);
    assert.equal(chunked.json.result.offset, 1);
    const expecting = await send({ Expect: '100-continue', 'Content-Length': 33 }, ['{"channel":"chat:chunk","data":2}']);
    assert.equal(expecting.json.result.offset, 2);
  });

  await t.test('health -> alive and ready', async () => {
    for (const path of ['/health', '/health/ready']) {
      const answer = await request({ port, path, method: 'GET' });
      assert.equal(answer.status, 200, answer.body);
    }
  });
});

test('no key configured -> every call is 401; insecure -> none is asked for', { timeout: 60000 }, async (t) => {
  const locked = await startBroker(t, { config: { http_api: { key: '' } } });
  const call = (port) => request({ port, path: '/api/info', headers: { 'X-API-Key': '' }, body: '{}' });
  assert.equal((await call(locked.port)).status, 401);
  const open = await startBroker(t, { config: { http_api: { key: '', insecure: true } } });
  assert.equal((await call(open.port)).status, 200);
});
