// Keys for tokens from an address on the web: every algorithm, keys that change while the node runs,
// an address that is away, slow or answers nonsense. Tokens are signed by another implementation (jose).
import test from 'node:test';
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { Centrifuge } from 'centrifuge';
import { SignJWT } from 'jose';
import WebSocket from 'ws';
import { runHoldfast, startBroker } from './lib/broker.mjs';
import { certificatesFor } from './lib/certificates.mjs';
import { freePort, tempDir } from './lib/process.mjs';
import { connectRaw, openRaw } from './lib/raw.mjs';
import { cleanup, until } from './lib/scope.mjs';

const ALGORITHMS = {
  RS256: ['rsa', { modulusLength: 2048 }],
  RS384: ['rsa', { modulusLength: 2048 }],
  RS512: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  ES384: ['ec', { namedCurve: 'P-384' }],
  ES512: ['ec', { namedCurve: 'P-521' }],
  EdDSA: ['ed25519', {}],
};

// A key pair and what a set says of it.
function makeKey(alg, kid) {
  const { privateKey, publicKey } = generateKeyPairSync(...ALGORITHMS[alg]);
  return { alg, kid, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig' } };
}

const sign = ({ alg, kid, privateKey }, claims = { sub: '42' }) =>
  new SignJWT(claims).setProtectedHeader({ alg, kid }).sign(privateKey);

// An address with keys; .answer is what it says, .asked how often it was asked.
async function startAddress(t, keys, port) {
  const address = { asked: 0, keys };
  address.answer = (response) => response.end(JSON.stringify({ keys: address.keys.map(({ jwk }) => jwk) }));
  const server = http.createServer((request, response) => {
    address.asked++;
    address.answer(response);
  });
  await new Promise((resolve) => server.listen(port ?? 0, '127.0.0.1', resolve));
  cleanup(t, () => {
    server.closeAllConnections();
    server.close();
  });
  address.port = server.address().port;
  return address;
}

const startNode = (t, port, holdfast = {}, client = {}) =>
  startBroker(t, {
    config: {
      client: { insecure: false, token: { jwks_public_endpoint: `http://127.0.0.1:${port}/keys` }, ...client },
      channel: { namespaces: [{ name: 'closed' }] },
      holdfast: { jwks_retry: '200ms', ...holdfast },
    },
  });

// 0, the error's code, or what the connection was closed with.
async function outcome(t, broker, token) {
  const client = await openRaw(t, broker.url);
  client.send({ id: 1, connect: { token: await token } });
  const end = await Promise.race([until('an answer', () => client.replies.get(1)), client.closed]);
  const reply = client.replies.get(1);
  return reply ? (reply.error?.code ?? 0) : end.code;
}

const settles = (t, broker, token, code) =>
  until(`the outcome ${code}`, async () => (await outcome(t, broker, token)) === code);

test('every algorithm -> accepted with the key that its kid names, and with no other', { timeout: 60000 }, async (t) => {
  const keys = Object.keys(ALGORITHMS).map((alg) => makeKey(alg, `key of ${alg}`));
  const address = await startAddress(t, keys);
  const broker = await startNode(t, address.port, { jwks_retry: '1h' }, { token: {
    jwks_public_endpoint: `http://127.0.0.1:${address.port}/keys`, hmac_secret_key: 'not used beside it',
  } });
  for (const [i, key] of keys.entries()) {
    await settles(t, broker, sign(key), 0);
    const other = keys[(i + 1) % keys.length];
    assert.equal(await outcome(t, broker, sign({ ...key, kid: other.kid })), 3500, `${key.alg} with ${other.kid}`);
    assert.equal(await outcome(t, broker, sign({ ...key, kid: undefined })), 3500, 'no kid');
    assert.equal(await outcome(t, broker, sign({ ...key, kid: 'unknown' })), 3500, 'unknown kid');
    assert.equal(await outcome(t, broker, sign(makeKey(key.alg, key.kid))), 3500, 'a stranger');
  }
  const secret = new TextEncoder().encode('not used beside it');
  const hmac = new SignJWT({ sub: '42' }).setProtectedHeader({ alg: 'HS256', kid: keys[0].kid }).sign(secret);
  assert.equal(await outcome(t, broker, hmac), 3500);
  assert.equal(address.asked, 1, 'all workers share one, and unknown names do not make it ask again');
  const client = await openRaw(t, broker.url);
  await client.call('connect', { token: await sign(keys[0]) });
  await client.call('subscribe', { channel: 'closed:x', token: await sign(keys[3], { sub: '42', channel: 'closed:x' }) });
});

test('the address is away -> error 100, which SDKs try again after; it comes -> they are in', { timeout: 60000 }, async (t) => {
  const key = makeKey('ES256', 'one');
  const port = await freePort();
  const broker = await startNode(t, port);
  assert.equal(await outcome(t, broker, sign(key)), 100);
  const client = new Centrifuge(broker.url, { websocket: WebSocket, token: await sign(key), minReconnectDelay: 20, maxReconnectDelay: 200 });
  cleanup(t, () => client.disconnect());
  client.connect();
  await until('a line in the log', () => /keys for tokens could not be fetched/.test(broker.child.output));
  await startAddress(t, [key], port);
  await client.ready(15000);
});

test('keys change -> the new one counts at its first token, the old one until the next fetch', { timeout: 60000 }, async (t) => {
  const [first, second] = [makeKey('ES256', 'first'), makeKey('RS256', 'second')];
  const address = await startAddress(t, [first]);
  const broker = await startNode(t, address.port, { jwks_ttl: '1s' });
  await settles(t, broker, sign(first), 0);
  address.keys = [first, second];
  await settles(t, broker, sign(second), 0);
  address.keys = [second];
  await settles(t, broker, sign(first), 3500);
  assert.equal(await outcome(t, broker, sign(second)), 0);
});

for (const [what, answer, reason] of [
  ['an error', (response) => response.writeHead(500).end('{"keys":[]}'), /500|error/i],
  ['nonsense', (response) => response.end('<html>'), /no JSON object/],
  ['too much', (response) => response.end(`{"keys":[],"x":"${'x'.repeat(3000)}"}`), /jwks_max_bytes/],
  ['a redirect', (response) => response.writeHead(302, { location: '/elsewhere' }).end(), /no JSON object/],
  ['nothing within jwks_timeout', () => {}, /[Tt]ime/],
]) {
  test(`the address answers with ${what} -> the keys that are known stay, and it is logged`, { timeout: 60000 }, async (t) => {
    const key = makeKey('ES256', 'one');
    const address = await startAddress(t, [key]);
    const broker = await startNode(t, address.port, { jwks_ttl: '1s', jwks_max_bytes: 2000, jwks_timeout: '500ms' });
    await settles(t, broker, sign(key), 0);
    address.answer = answer;
    const asked = address.asked;
    await until('more fetches', () => address.asked >= asked + 3, 20000);
    assert.equal(await outcome(t, broker, sign(key)), 0);
    const lines = broker.child.output.split('\n').filter((line) => line.includes('could not be fetched'));
    assert.match(lines.at(-1), reason);
  });
}

test('a fetch that hangs -> nobody waits for it, not even the end of the node', { timeout: 60000 }, async (t) => {
  const address = await startAddress(t, []);
  address.answer = () => {};
  const broker = await startNode(t, address.port, { jwks_timeout: '1h' }, { allow_anonymous_connect_without_token: true });
  await until('a fetch', () => address.asked === 1);
  const began = Date.now();
  const client = await connectRaw(t, broker.url);
  assert.equal(await outcome(t, broker, sign(makeKey('ES256', 'x'))), 100);
  await client.ask({ history: { channel: 'closed:x' } });
  await broker.stop();
  assert.ok(Date.now() - began < 10000, `${Date.now() - began} ms`);
});

test('an address whose certificate nobody known has signed -> none of its keys is taken', { timeout: 60000 }, async (t) => {
  const key = makeKey('ES256', 'one');
  const { cert, key: secret } = certificatesFor(tempDir(t));
  const server = https.createServer({ cert: readFileSync(cert), key: readFileSync(secret) }, (request, response) =>
    response.end(JSON.stringify({ keys: [key.jwk] })),
  );
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup(t, () => server.close());
  const url = `https://127.0.0.1:${server.address().port}/`;
  const broker = await startNode(t, 1, {}, { token: { jwks_public_endpoint: url } });
  await until('a line in the log', () => /could not be fetched[^\n]*(SSL|certificate)/.test(broker.child.output));
  assert.equal(await outcome(t, broker, sign(key)), 100);
});

test('another address and SIGHUP -> its keys count, and those of the former no longer', { timeout: 60000 }, async (t) => {
  const [first, second] = [makeKey('ES256', 'first'), makeKey('ES256', 'second')];
  const addresses = [await startAddress(t, [first]), await startAddress(t, [second])];
  const broker = await startNode(t, addresses[0].port);
  await settles(t, broker, sign(first), 0);
  broker.config.client.token.jwks_public_endpoint = `http://127.0.0.1:${addresses[1].port}/keys`;
  writeFileSync(broker.configFile, JSON.stringify(broker.config));
  broker.child.signal('SIGHUP');
  await settles(t, broker, sign(second), 0);
  await settles(t, broker, sign(first), 3500);
});

test('checktoken asks the address; an address that is none is refused', { timeout: 60000 }, async (t) => {
  const key = makeKey('EdDSA', 'one');
  const address = await startAddress(t, [key]);
  const file = join(tempDir(t), 'config.json');
  const check = (url, command, ...args) => {
    writeFileSync(file, JSON.stringify({ client: { token: { jwks_public_endpoint: url } } }));
    return runHoldfast(t, [command, '-c', file, ...args]);
  };
  const url = `http://127.0.0.1:${address.port}/`;
  const good = await check(url, 'checktoken', await sign(key));
  assert.match(good.output, /^valid token for user "42"/);
  const bad = await check(url, 'checktoken', await sign(makeKey('EdDSA', 'two')));
  assert.equal(bad.code, 1);
  assert.match(bad.output, /no key of that kid/);
  for (const [wrong, why] of [['ftp://host/keys', /http:\/\/ or https:\/\//], ['https://host/{{tenant}}/keys', /not offered/]]) {
    const { code, output } = await check(wrong, 'checkconfig');
    assert.equal(code, 1);
    assert.match(output, why);
  }
});
