// Configuration from the outside: what starts, what does not, and what is said.
import test from 'node:test';
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BASE_CONFIG, merge, runHoldfast, startBroker } from './lib/broker.mjs';
import { freePort, tempDir } from './lib/process.mjs';
import { startSubscriber } from './lib/sdk.mjs';

// What a start with this configuration text answers; it must refuse to start.
async function refusal(t, text, env) {
  const file = join(tempDir(t), 'config.json');
  writeFileSync(file, text);
  const { code, signal, output } = await runHoldfast(t, ['--config', file], env);
  assert.equal(signal, null, output);
  assert.notEqual(code, 0, output);
  return output;
}

const withBase = async (config) =>
  JSON.stringify(merge(merge(BASE_CONFIG, { http_server: { port: await freePort() } }), config));

for (const [what, config, ...patterns] of [
  ['an unknown section', { clent: { insecure: true } }, /clent/, /\bclient\b/],
  ['an unknown key', { client: { insecur: true } }, /client\.insecur\b/, /client\.insecure/],
  ['an unknown namespace key', { channel: { namespaces: [{ name: 'ns', history_sise: 3 }] } }, /history_sise/, /history_size/],
  ['a namespace with size and no TTL', { channel: { namespaces: [{ name: 'lopsided', history_size: 3 }] } }, /lopsided/, /history_ttl/],
  ['forced recovery without history', { channel: { namespaces: [{ name: 'forced', force_recovery: true }] } }, /force_recovery/, /history/],
  ['a namespace twice', { channel: { namespaces: [{ name: 'twice' }, { name: 'twice' }] } }, /twice/],
  ['a bad duration', { client: { ping_interval: '25 parsecs' } }, /ping_interval/],
  ['a wrong type', { client: { channel_limit: 'many' } }, /channel_limit/],
  ['an unknown engine', { engine: { type: 'punchcards' } }, /engine\.type/, /redis/],
  ['an engine of the peer that is not offered', { broker: { enabled: true, type: 'nats' } }, /broker/],
  ['a feature of the peer that is not offered', { admin: { enabled: true } }, /admin/, /not offered|not supported|does not offer/],
]) {
  test(`${what} -> does not start and names it`, { timeout: 30000 }, async (t) => {
    const output = await refusal(t, await withBase(config));
    for (const pattern of patterns) assert.match(output, pattern);
  });
}

test('no JSON -> does not start and says where', { timeout: 30000 }, async (t) => {
  const output = await refusal(t, '{\n  "client": {\n    "insecure": yes\n  }\n}\n');
  assert.match(output, /config\.json/);
  assert.match(output, /\b3\b/, 'the line');
});

test('no such file, unknown flag -> does not start', { timeout: 30000 }, async (t) => {
  const missing = await runHoldfast(t, ['--config', join(tempDir(t), 'none.json')]);
  assert.notEqual(missing.code, 0);
  assert.match(missing.output, /none\.json/);
  const flag = await runHoldfast(t, ['--no-such-flag']);
  assert.notEqual(flag.code, 0);
  assert.match(flag.output, /no-such-flag/);
});

test('--help and --version -> printed, exit code 0', { timeout: 30000 }, async (t) => {
  const help = await runHoldfast(t, ['--help']);
  assert.equal(help.code, 0);
  assert.match(help.output, /--config/);
  const version = await runHoldfast(t, ['--version']);
  assert.equal(version.code, 0);
  assert.match(version.output, /\d+\.\d+\.\d+/);
});

test('keys of the peer that ask for nothing -> start all the same', { timeout: 30000 }, async (t) => {
  await startBroker(t, {
    config: { admin: { enabled: false }, prometheus: { enabled: false }, sse: { enabled: false } },
  });
});

test('the flat layout of the tutorial -> works', { timeout: 30000 }, async (t) => {
  const broker = await startBroker(t, { start: false });
  writeFileSync(
    broker.configFile,
    JSON.stringify({
      port: broker.port,
      address: '127.0.0.1',
      api_key: 'e2e-key',
      client_insecure: true,
      allowed_origins: ['http://localhost:9000'],
      namespaces: [
        { name: 'personal', history_size: 300, history_ttl: '600s', force_recovery: true },
      ],
    }),
  );
  await broker.start();
  const client = await startSubscriber(t, broker.url, 'personal:7');
  assert.equal(client.subscribed[0].recoverable, true);
  await broker.api.publish('personal:7', { hello: 'there' });
  await client.received(1);
  assert.match(broker.child.output, /http_api\.key/, 'each old name is told with its new one');
});

test('environment over file -> wins; an unknown variable stops the start', { timeout: 30000 }, async (t) => {
  const broker = await startBroker(t, { env: { HOLDFAST_HTTP_API_KEY: 'from-environment' } });
  assert.equal((await broker.api.raw('info', {})).status, 401);
  broker.api.key = 'from-environment';
  assert.equal((await broker.api.raw('info', {})).status, 200);

  const output = await refusal(t, await withBase({}), { HOLDFAST_HTTP_API_KEE: 'x' });
  assert.match(output, /HOLDFAST_HTTP_API_KEE/);
});

test('port in use -> does not start and says so', { timeout: 30000 }, async (t) => {
  const { createServer } = await import('node:net');
  const server = createServer();
  t.after(() => server.close());
  const port = await freePort();
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const output = await refusal(t, JSON.stringify({ http_server: { address: '127.0.0.1', port } }));
  assert.match(output, new RegExp(`${port}`));
});
