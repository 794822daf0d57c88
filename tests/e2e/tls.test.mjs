// TLS on the client listener: the SDK over wss, the API over https, certificates that change.
import test from 'node:test';
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import tls from 'node:tls';
import WebSocket from 'ws';
import { API_KEY, merge, startBroker } from './lib/broker.mjs';
import { issue, makeAuthority } from './lib/certificates.mjs';
import { request } from './lib/http.mjs';
import { freePort, tempDir } from './lib/process.mjs';
import { cleanup, until } from './lib/scope.mjs';
import { startSubscriber } from './lib/sdk.mjs';
import { openTcp } from './lib/tcp.mjs';

// A node with TLS; .secure(path, options) asks it over https, .wss is its WebSocket class.
async function startSecure(t, config = {}, health = undefined) {
  const dir = tempDir(t);
  const authority = makeAuthority(dir);
  const first = issue(dir, authority, 'first');
  const cert = join(dir, 'cert.pem');
  const key = join(dir, 'key.pem');
  copyFileSync(first.cert, cert);
  copyFileSync(first.key, key);
  const broker = await startBroker(t, {
    config: merge({ http_server: { tls: { enabled: true, cert_pem: cert, key_pem: key } } }, config),
    start: false,
  });
  const ca = authority.pem;
  Object.assign(broker, {
    dir,
    authority,
    ca,
    cert,
    key,
    secureUrl: `wss://127.0.0.1:${broker.port}/connection/websocket`,
    secure: (path, options = {}) => secureRequest(broker.port, path, { ca, ...options }),
    wss: class extends WebSocket {
      constructor(url, protocols) {
        super(url, protocols, { ca });
      }
    },
    health: health ?? ((path = '/health') => broker.secure(path)),
  });
  await broker.start();
  return broker;
}

// Resolves to { status, body, json, certificate, protocol }.
function secureRequest(port, path, { ca, method = 'GET', headers = {}, body, agent = false, ...rest }) {
  return new Promise((resolve, reject) => {
    const req = https.request(
      { host: '127.0.0.1', port, path, method, headers, ca, agent, ...rest },
      (res) => {
        const certificate = res.socket.getPeerCertificate();
        const protocol = res.socket.getProtocol();
        let text = '';
        res.on('data', (chunk) => (text += chunk));
        res.on('end', () => {
          const json = text.startsWith('{') ? JSON.parse(text) : undefined;
          resolve({ status: res.statusCode, body: text, json, certificate, protocol });
        });
      },
    );
    req.setTimeout(20000, () => req.destroy(new Error(`${path}: no answer in 20 s`)));
    req.on('error', reject);
    req.end(body);
  });
}

function publish(broker, channel, data, agent) {
  return broker.secure('/api/publish', {
    method: 'POST',
    headers: { 'X-API-Key': API_KEY },
    body: JSON.stringify({ channel, data }),
    agent,
  });
}

test('the SDK over wss -> subscribes, hears a publication of the API over https, recovers', { timeout: 60000 }, async (t) => {
  const broker = await startSecure(t);
  const client = await startSubscriber(t, broker.secureUrl, 'chat:tls', { websocket: broker.wss });
  const first = await publish(broker, 'chat:tls', { n: 1 });
  assert.equal(first.json.result.offset, 1);
  assert.equal(first.protocol, 'TLSv1.3');
  await client.received(1);
  client.client.disconnect();
  await publish(broker, 'chat:tls', { n: 2, filler: 'x'.repeat(60000) });
  client.client.connect();
  await client.received(2);
  assert.deepEqual(client.offsets, [1, 2]);
  assert.equal(client.subscribed[1].recovered, true);
});

test('several requests on one kept-alive TLS connection -> each answered', { timeout: 60000 }, async (t) => {
  const broker = await startSecure(t);
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  cleanup(t, () => agent.destroy());
  const answers = [];
  for (let n = 1; n <= 20; n++) answers.push((await publish(broker, 'chat:agent', { n }, agent)).json.result.offset);
  assert.deepEqual(answers, Array.from({ length: 20 }, (_, i) => i + 1));
});

test('a new certificate and SIGHUP -> new connections get it, old ones go on; a bad one changes nothing', { timeout: 60000 }, async (t) => {
  const broker = await startSecure(t);
  const client = await startSubscriber(t, broker.secureUrl, 'chat:reload', { websocket: broker.wss });
  assert.equal((await broker.secure('/health')).certificate.subject.CN, 'first');

  const second = issue(broker.dir, broker.authority, 'second');
  copyFileSync(second.cert, broker.cert);
  copyFileSync(second.key, broker.key);
  broker.child.signal('SIGHUP');
  await until(
    'the second certificate is shown',
    async () => (await broker.secure('/health')).certificate.subject.CN === 'second',
  );
  await publish(broker, 'chat:reload', { n: 1 });
  await client.received(1);

  writeFileSync(broker.key, 'no key\n');
  broker.child.signal('SIGHUP');
  await until('the node says that it keeps the former one', () =>
    /the former one stays in use[^\n]*key_pem/.test(broker.child.output),
  );
  assert.equal((await broker.secure('/health')).certificate.subject.CN, 'second');
  copyFileSync(second.key, broker.key);
  broker.child.signal('SIGHUP');
  await until('it is loaded again', () => broker.child.output.match(/certificate loaded/g).length >= 3);
  await publish(broker, 'chat:reload', { n: 2 });
  await client.received(2);
  assert.equal(client.subscribed.length, 1, client.story());
});

test('SIGHUP storms with TLS clients coming and going -> nobody is dropped', { timeout: 60000 }, async (t) => {
  const broker = await startSecure(t);
  const steady = await startSubscriber(t, broker.secureUrl, 'chat:storm', { websocket: broker.wss });
  for (let n = 1; n <= 30; n++) {
    broker.child.signal('SIGHUP');
    const answers = await Promise.all([publish(broker, 'chat:storm', { n }), broker.secure('/health')]);
    assert.deepEqual(answers.map((each) => each.status), [200, 200]);
  }
  await steady.received(30);
  assert.equal(steady.subscribed.length, 1, steady.story());
});

test('SIGHUP with a changed file -> namespaces and keys count at once, ports wait, errors change nothing', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t);
  const client = await startSubscriber(t, broker.url, 'chat:config');
  const rewrite = (config) => writeFileSync(broker.configFile, JSON.stringify(config));
  const undefinedNamespace = await broker.api.raw('publish', { channel: 'fresh:1', data: {} });
  assert.equal(undefinedNamespace.json.error.code, 102);

  rewrite(
    merge(broker.config, {
      http_server: { port: await freePort() },
      http_api: { key: 'second-key' },
      channel: { namespaces: [...broker.config.channel.namespaces, { name: 'fresh' }] },
    }),
  );
  broker.child.signal('SIGHUP');
  await until('the new key counts', async () => (await broker.api.raw('info', {})).status === 401);
  broker.api.key = 'second-key';
  await until('every worker has it', async () => {
    const answers = await Promise.all([1, 2, 3, 4].map(() => request({
      port: broker.port, path: '/api/publish', headers: { 'X-API-Key': 'second-key' },
      body: JSON.stringify({ channel: 'fresh:1', data: {} }),
    })));
    return answers.every((answer) => answer.status === 200 && answer.json.result !== undefined);
  });
  assert.match(broker.child.output, /configuration reloaded[^\n]*http_api\.key,channel\.namespaces/);
  assert.match(broker.child.output, /wait for a restart[^\n]*http_server\.port/);
  assert.doesNotMatch(broker.child.output, /second-key/);

  writeFileSync(broker.configFile, '{ "client": { "channel_limit": "many" } }');
  broker.child.signal('SIGHUP');
  await until('the error is told', () => /channel_limit/.test(broker.child.output));
  assert.match(broker.child.output, /the former one stays in use/);
  await broker.api.publish('chat:config', { n: 1 });
  await client.received(1);
  assert.equal(client.subscribed.length, 1, client.story());
});

test('plaintext on the TLS port -> 400 that says so; garbage and half a handshake -> closed', { timeout: 60000 }, async (t) => {
  const broker = await startSecure(t, { holdfast: { tls_handshake_timeout: '500ms' } });
  const plain = await request({ port: broker.port, path: '/health', method: 'GET' });
  assert.equal(plain.status, 400);
  assert.match(plain.body, /https/);

  const garbage = await openTcp(t, broker.port);
  garbage.write(Buffer.from('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'.repeat(30), 'latin1'));
  await garbage.ended();

  const silent = await openTcp(t, broker.port);
  const begun = Date.now();
  await silent.ended();
  assert.ok(Date.now() - begun < 5000);
  assert.equal((await broker.secure('/health')).status, 200);
});

test('clients must show a certificate of client_ca_pem -> others are refused', { timeout: 60000 }, async (t) => {
  const dir = tempDir(t);
  const authority = makeAuthority(dir, 'clients');
  const member = issue(dir, authority, 'member');
  const identity = { cert: readFileSync(member.cert), key: readFileSync(member.key) };
  const internal = await freePort();
  const broker = await startSecure(
    t,
    { http_server: { tls: { client_ca_pem: authority.cert }, internal_port: internal, tls_external: true } },
    (path) => request({ port: internal, path, method: 'GET' }),
  );
  assert.equal((await broker.secure('/connection/websocket', identity)).status, 400);
  await assert.rejects(broker.secure('/connection/websocket'));
});

test('an internal port -> API and health only there, plain with tls_external', { timeout: 60000 }, async (t) => {
  const internal = await freePort();
  const broker = await startBroker(t, { config: { http_server: { internal_port: internal } }, start: false });
  broker.health = (path) => request({ port: internal, path, method: 'GET' });
  await broker.start();
  const client = await startSubscriber(t, broker.url, 'chat:internal');
  const body = JSON.stringify({ channel: 'chat:internal', data: {} });
  const headers = { 'X-API-Key': API_KEY };
  assert.equal((await request({ port: internal, path: '/api/publish', headers, body })).status, 200);
  await client.received(1);
  assert.equal((await request({ port: broker.port, path: '/api/publish', headers, body })).status, 404);
  assert.equal((await request({ port: broker.port, path: '/health', method: 'GET' })).status, 404);
  assert.equal((await request({ port: internal, path: '/connection/websocket', method: 'GET' })).status, 404);
});

test('a certificate that cannot be loaded -> the node does not start and says which', { timeout: 30000 }, async (t) => {
  const broker = await startBroker(t, {
    config: { http_server: { tls: { enabled: true, cert_pem: '/nowhere/cert.pem', key_pem: '/nowhere/key.pem' } } },
    start: false,
  });
  await assert.rejects(broker.start(), /ended while starting/);
  assert.match(broker.child.output, /cert_pem[^\n]*\/nowhere\/cert\.pem/);
  broker.children.pop();
});

test('TLS 1.1 -> refused; a ticket -> resumed', { timeout: 30000 }, async (t) => {
  const broker = await startSecure(t);
  const connect = (options) =>
    new Promise((resolve, reject) => {
      const socket = tls.connect({ port: broker.port, host: '127.0.0.1', ca: broker.ca, ...options });
      cleanup(t, () => socket.destroy());
      socket.once('error', reject);
      socket.once('secureConnect', () => resolve(socket));
    });
  await assert.rejects(connect({ maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }));
  const first = await connect({ maxVersion: 'TLSv1.2' });
  const session = first.getSession();
  first.end();
  const second = await connect({ maxVersion: 'TLSv1.2', session });
  assert.equal(second.isSessionReused(), true);
});
