// What stands where: the paths and switches of every endpoint, how the API tells errors, and the
// answers that docs/compatibility.md gives for what is not offered.
import test from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startBroker } from './lib/broker.mjs';
import { request as ask } from './lib/http.mjs';
import { freePort, tempDir } from './lib/process.mjs';
import { openSocket, pushes, request } from './lib/plain.mjs';
import { connectRaw, openRaw } from './lib/raw.mjs';
import { until } from './lib/scope.mjs';

const PATHS = {
  websocket: '/ws',
  http_stream: '/stream',
  sse: '/events',
  emulation: '/commands',
  uni_sse: '/uni/events',
  uni_http_stream: '/uni/stream',
  uni_websocket: '/uni/ws',
  http_api: '/backend/api',
  health: '/alive',
  prometheus: '/numbers',
};
const USUAL = {
  websocket: '/connection/websocket',
  http_stream: '/connection/http_stream',
  sse: '/connection/sse',
  emulation: '/emulation',
  uni_sse: '/connection/uni_sse',
  uni_http_stream: '/connection/uni_http_stream',
  uni_websocket: '/connection/uni_websocket',
  http_api: '/api/info',
  health: '/health',
  prometheus: '/metrics',
};
const SWITCHED = ['http_stream', 'sse', 'uni_sse', 'uni_http_stream', 'uni_websocket', 'health', 'prometheus'];

test('handler_prefix -> everything answers at its own path and no longer at the usual one', { timeout: 60000 }, async (t) => {
  const config = Object.fromEntries(Object.entries(PATHS).map(([name, path]) => [name, { handler_prefix: path }]));
  for (const name of SWITCHED) config[name].enabled = true;
  config.holdfast = { poll: { enabled: true, handler_prefix: '/follow' } };
  const broker = await startBroker(t, { config, start: false });
  await broker.start({ until: '/alive/ready' });
  const { port } = broker;
  const http = (path) => `http://127.0.0.1:${port}${path}`;

  const client = await connectRaw(t, `ws://127.0.0.1:${port}/ws`);
  await client.call('subscribe', { channel: 'chat:x' });
  const stream = request(t, http('/stream'), { method: 'POST', body: '{"id":1,"connect":{}}' });
  const uni = openSocket(t, `ws://127.0.0.1:${port}/uni/ws?channel=chat:x`);
  await until('a session', () => stream.text.includes('\n') && uni.messages.length === 1);
  const { session, node } = JSON.parse(stream.text.split('\n')[0]).connect;
  const data = '{"id":2,"subscribe":{"channel":"chat:x"}}';
  const sent = await ask({ port, path: '/commands', body: JSON.stringify({ session, node, data }) });
  assert.equal(sent.status, 204);
  await until('the answer on the stream', () => stream.text.includes('"id":2'));
  for (const [path, first, options] of [
    ['/events?cf_connect=%7B%22id%22%3A1%2C%22connect%22%3A%7B%7D%7D', /"connect":/],
    ['/uni/events?channel=chat:x', /"connect":/],
    ['/uni/stream?channel=chat:x', /"connect":/, { method: 'POST', body: '{}' }],
    ['/follow?channel=chat:x&timeout=0', /"offset":0/],
  ]) {
    const run = request(t, http(path), options);
    await until(() => `${path}: ${run.status} ${run.text}`, () => first.test(run.text));
  }
  assert.equal((await ask({ port, path: '/numbers', method: 'GET' })).status, 200);
  const key = { 'X-API-Key': 'e2e-key' };
  const info = await ask({ port, path: '/backend/api/info', headers: key, body: '{}' });
  assert.equal(info.json.result.nodes.length, 1);
  for (const path of [...Object.values(USUAL), '/connection/poll?channel=chat:x']) {
    const answer = await ask({ port, path, headers: key, body: '{}' });
    assert.equal(answer.status, 404, path);
  }
});

test('what is switched off -> HTTP 404; the emulation goes with the last of its transports', { timeout: 60000 }, async (t) => {
  const off = await startBroker(t, {
    config: { websocket: { disabled: true }, http_api: { disabled: true }, uni_websocket: { enabled: true } },
  });
  const { uni_websocket, health, ...gone } = USUAL;
  for (const path of Object.values(gone)) {
    assert.equal((await ask({ port: off.port, path, body: '{}', headers: { 'X-API-Key': 'e2e-key' } })).status, 404, path);
  }
  assert.equal((await off.health(health)).status, 200);
  const uni = openSocket(t, `ws://127.0.0.1:${off.port}${uni_websocket}?channel=chat:x`);
  await until('a connect push', () => uni.messages.length === 1);
  const sse = await startBroker(t, { config: { sse: { enabled: true } } });
  assert.equal((await ask({ port: sse.port, path: '/emulation', body: 'x' })).status, 400);
});

test('http_api.error_mode and its header -> the error with an HTTP status', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: { http_api: { error_mode: 'transport' } } });
  const plain = await startBroker(t);
  const header = { 'X-Centrifugo-Error-Mode': 'transport' };
  for (const [method, body, status, error] of [
    ['publish', { channel: 'nowhere:x', data: 1 }, 404, { code: 102, message: 'unknown channel' }],
    ['publish', { channel: '', data: 1 }, 400, { code: 107, message: 'bad request' }],
    ['presence', { channel: 'chat:x' }, 400, { code: 108, message: 'not available' }],
    ['rpc', { method: 'x' }, 404, { code: 104, message: 'method not found' }],
    ['history', { channel: 'chat:x', since: { offset: 1, epoch: 'other' } }, 416, { code: 112, message: 'unrecoverable position' }],
  ]) {
    for (const answer of [await broker.api.raw(method, body), await plain.api.raw(method, body, header)]) {
      assert.deepEqual([answer.status, answer.json.code], [status, error.code], answer.body);
    }
    const answer = await plain.api.raw(method, body);
    assert.deepEqual([answer.status, answer.json.error.code], [200, error.code], answer.body);
  }
  const batch = await broker.api.raw('batch', { commands: [{ publish: { channel: '', data: 1 } }] });
  assert.deepEqual([batch.status, batch.json.replies[0].error.code], [200, 107]);
});

test('http_api.external -> with an internal port the API stays outside, health and metrics do not', { timeout: 60000 }, async (t) => {
  const internal = await freePort();
  const broker = await startBroker(t, {
    config: {
      http_server: { internal_port: internal, internal_address: '127.0.0.1' },
      http_api: { external: true },
      prometheus: { enabled: true },
    },
    start: false,
  });
  broker.health = (path) => ask({ port: internal, path, method: 'GET' });
  await broker.start();
  assert.equal((await broker.api.raw('info', {})).status, 200);
  for (const path of ['/health', '/metrics']) {
    assert.equal((await ask({ port: broker.port, path, method: 'GET' })).status, 404, path);
    assert.equal((await ask({ port: internal, path, method: 'GET' })).status, 200, path);
  }
  await connectRaw(t, broker.url);
});

test('pid_file and connect_include_server_time -> written, and told', { timeout: 60000 }, async (t) => {
  const file = join(tempDir(t), 'pid');
  const broker = await startBroker(t, {
    config: { pid_file: file, client: { connect_include_server_time: true } },
  });
  assert.equal(Number(readFileSync(file)), broker.child.handle.pid);
  const client = await connectRaw(t, broker.url);
  assert.ok(Math.abs(client.connect.time - Date.now()) < 60000, `${client.connect.time}`);
  await broker.stop();
  assert.ok(!existsSync(file));
});

test('what the client protocol has and this server has not -> its error', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: { uni_http_stream: { enabled: true } } });
  const client = await connectRaw(t, broker.url);
  for (const type of [1, 2, 3, 4]) {
    const reply = await client.ask({ subscribe: { channel: 'chat:x', type } });
    assert.equal(reply.error?.code, 108, JSON.stringify(reply));
  }
  assert.equal((await client.ask({ rpc: { method: 'x', data: {} } })).error.code, 108);
  const flagged = await openRaw(t, broker.url);
  const { flag, dict } = await flagged.call('connect', { flag: 1 });
  assert.deepEqual([flag, dict], [undefined, undefined]);
  client.send({ send: { data: 1 } });
  assert.equal((await client.close()).code, 3508);
  for (const path of ['/connection/init', '/connection/webtransport', '/swagger', '/debug/pprof', '/admin/auth']) {
    assert.equal((await ask({ port: broker.port, path, method: 'GET' })).status, 404, path);
  }
  const old = await ask({ port: broker.port, path: '/connection/uni_http_stream', method: 'GET' });
  assert.equal(old.status, 405);
  const stream = request(t, `http://127.0.0.1:${broker.port}/connection/uni_http_stream`, { method: 'POST', body: '{"subs":{"nowhere:x":{}}}' });
  await stream.ended;
  assert.equal(pushes(stream.text)[0].disconnect.code, 3501);
});

test('what the server API of the peer has and this one has not -> HTTP 404, in a batch 104', { timeout: 60000 }, async (t) => {
  const { api } = await startBroker(t);
  const methods = ['map_publish', 'map_remove', 'map_read_state', 'map_read_stream', 'map_stats', 'map_clear', 'shared_poll_publish'];
  for (const method of methods) assert.equal((await api.raw(method, { channel: 'chat:x' })).status, 404, method);
  const { json } = await api.raw('batch', { commands: methods.map((method) => ({ [method]: { channel: 'chat:x' } })) });
  assert.deepEqual(json.replies.map(({ error }) => error?.code), methods.map(() => 104));
});
