// Headless Chromium: its own EventSource and WebSocket, and the SDK as pages load it, from a page of
// another origin, through the end of a node.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import test from 'node:test';
import { chromium } from 'playwright-core';
import { startBalancer } from './lib/balancer.mjs';
import { redisEngine, startBroker } from './lib/broker.mjs';
import { startRedis } from './lib/redis.mjs';
import { cleanup, until } from './lib/scope.mjs';

const CONFIG = {
  http_stream: { enabled: true },
  sse: { enabled: true },
  uni_sse: { enabled: true },
  uni_websocket: { enabled: true },
};

// HOLDFAST_CHROMIUM, or the one in PATH; undefined: none.
function chromiumPath() {
  if (process.env.HOLDFAST_CHROMIUM) return process.env.HOLDFAST_CHROMIUM;
  try {
    return execFileSync('sh', ['-c', 'command -v chromium || command -v chromium-browser'])
      .toString()
      .trim();
  } catch {
    return undefined;
  }
}


// Without these it looks for its makers' hosts.
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const executablePath = chromiumPath();
const options = { timeout: 90000, skip: executablePath ? false : 'chromium is not installed (Debian: chromium)' };

const SCRIPTS = {
  '/json.js': new URL('./node_modules/centrifuge/dist/centrifuge.js', import.meta.url),
  '/protobuf.js': new URL('./node_modules/centrifuge/dist/centrifuge.protobuf.js', import.meta.url),
};

// A page of another origin than the brokers'. Returns a tab that shows it.
async function openPage(t, script = '') {
  const page = http.createServer((request, response) => {
    const file = SCRIPTS[request.url];
    response.setHeader('content-type', file ? 'text/javascript' : 'text/html');
    response.end(file ? readFileSync(file) : `<title>page</title>${script && `<script src="${script}"></script>`}`);
  });
  await new Promise((resolve) => page.listen(0, '127.0.0.1', resolve));
  cleanup(t, () => page.close());
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  cleanup(t, () => browser.close());
  const tab = await browser.newPage();
  await tab.goto(`http://127.0.0.1:${page.address().port}/`);
  return tab;
}

// Two nodes on one Redis, and what to publish with. The balancer prefers the first.
async function startNodes(t) {
  const redis = await startRedis(t);
  const config = { ...CONFIG, ...redisEngine(redis) };
  const [first, second] = await Promise.all([startBroker(t, { config }), startBroker(t, { config })]);
  const balancer = await startBalancer(t, [first.port, second.port]);
  return { first, second, port: balancer.port, publish: (n) => second.api.publish('chat:a', { n }) };
}

const numbers = (count) => Array.from({ length: count }, (_, i) => i + 1);

test('EventSource: its node is killed -> it comes back to the other one by itself, nothing lost or twice', options, async (t) => {
  const nodes = await startNodes(t);
  const tab = await openPage(t);
  await tab.evaluate((address) => {
    window.seen = [];
    window.unrecovered = 0;
    window.source = new EventSource(address);
    window.source.addEventListener('unrecovered', () => window.unrecovered++);
    window.source.onmessage = (event) => {
      const push = JSON.parse(event.data);
      for (const sub of Object.values(push.connect?.subs ?? {})) {
        for (const publication of sub.publications ?? []) window.seen.push(publication.data.n);
      }
      if (push.pub) window.seen.push(push.pub.data.n);
    };
  }, `http://127.0.0.1:${nodes.port}/connection/uni_sse?channel=chat:a`);
  await until('open', () => tab.evaluate(() => window.source.readyState === 1));
  await nodes.publish(1);
  await until('the first', () => tab.evaluate(() => window.seen.length === 1));
  await nodes.first.kill();
  for (let n = 2; n <= 20; n++) await nodes.publish(n);
  await until('all', () => tab.evaluate(() => window.seen.length >= 20), 30000);
  assert.deepEqual(await tab.evaluate(() => window.seen), numbers(20));
  assert.equal(await tab.evaluate(() => window.unrecovered), 0);
});

test('EventSource: a channel that it may not have -> it fails for good', options, async (t) => {
  const config = { ...CONFIG, client: { insecure: false, allow_anonymous_connect_without_token: true } };
  const broker = await startBroker(t, { config });
  const tab = await openPage(t);
  const state = await tab.evaluate(
    (address) =>
      new Promise((resolve) => {
        const source = new EventSource(address);
        source.onerror = () => resolve(source.readyState);
      }),
    `http://127.0.0.1:${broker.port}/connection/uni_sse?channel=chat:a`,
  );
  assert.equal(state, 2);
});

test('WebSocket: uni_websocket with nothing but the browser', options, async (t) => {
  const nodes = await startNodes(t);
  const tab = await openPage(t);
  await tab.evaluate((address) => {
    window.seen = [];
    const follow = (wish) => {
      const socket = new WebSocket(address);
      socket.onopen = () => socket.send(JSON.stringify({ subs: { 'chat:a': wish } }));
      socket.onmessage = (event) => {
        const push = JSON.parse(event.data);
        const sub = push.connect?.subs['chat:a'];
        if (sub) window.epoch = sub.epoch;
        for (const publication of [...(sub?.publications ?? []), ...(push.pub ? [push.pub] : [])]) {
          window.seen.push(publication.data.n);
          window.offset = publication.offset;
        }
      };
      socket.onclose = () =>
        setTimeout(() => follow({ recover: true, offset: window.offset, epoch: window.epoch }), 50);
    };
    follow({});
  }, `ws://127.0.0.1:${nodes.port}/connection/uni_websocket`);
  await until('connected', () => tab.evaluate(() => window.epoch !== undefined));
  await nodes.publish(1);
  await until('the first', () => tab.evaluate(() => window.seen.length === 1));
  await nodes.first.kill();
  for (let n = 2; n <= 20; n++) await nodes.publish(n);
  await until('all', () => tab.evaluate(() => window.seen.length >= 20), 30000);
  assert.deepEqual(await tab.evaluate(() => window.seen), numbers(20));
});

for (const [transport, script] of [
  ['websocket', '/json.js'],
  ['websocket', '/protobuf.js'],
  ['http_stream', '/json.js'],
  ['http_stream', '/protobuf.js'],
  ['sse', '/json.js'],
]) {
  test(`the SDK's ${script.slice(1)} in a page, over ${transport}: its node is killed -> recovered, nothing lost or twice`, options, async (t) => {
    const nodes = await startNodes(t);
    const tab = await openPage(t, script);
    await tab.evaluate(
      ([transport, port, isBinary]) => {
        const scheme = transport === 'websocket' ? 'ws' : 'http';
        const decode = (data) => (isBinary ? JSON.parse(new TextDecoder().decode(data)) : data);
        window.encode = (value) => (isBinary ? new TextEncoder().encode(JSON.stringify(value)) : value);
        window.seen = [];
        window.subscribed = [];
        const client = new window.Centrifuge(
          [{ transport, endpoint: `${scheme}://127.0.0.1:${port}/connection/${transport}` }],
          { emulationEndpoint: `http://127.0.0.1:${port}/emulation`, minReconnectDelay: 20, maxReconnectDelay: 300 },
        );
        window.sub = client.newSubscription('chat:a');
        window.sub.on('publication', (ctx) => window.seen.push(decode(ctx.data).n));
        window.sub.on('subscribed', (ctx) => window.subscribed.push(ctx.recovered));
        window.sub.subscribe();
        client.connect();
      },
      [transport, nodes.port, script === '/protobuf.js'],
    );
    await until('subscribed', () => tab.evaluate(() => window.subscribed.length === 1));
    await tab.evaluate(() => window.sub.publish(window.encode({ n: 1 })));
    await until('its own', () => tab.evaluate(() => window.seen.length === 1));
    await nodes.first.kill();
    for (let n = 2; n <= 20; n++) await nodes.publish(n);
    await until('all', () => tab.evaluate(() => window.seen.length >= 20), 30000);
    assert.deepEqual(await tab.evaluate(() => window.seen), numbers(20));
    assert.ok((await tab.evaluate(() => window.subscribed)).slice(1).every(Boolean));
  });
}

test('docs/examples/follow.html, opened as a file: its node is killed -> goes on at the other one', options, async (t) => {
  const { first, second, publish } = await startNodes(t);
  const tab = await openPage(t);
  const page = new URL('../../docs/examples/follow.html', import.meta.url);
  page.searchParams.set('channel', 'chat:a');
  for (const node of [first, second]) page.searchParams.append('node', `http://127.0.0.1:${node.port}`);
  await tab.goto(page.href);
  const rows = () =>
    tab.evaluate(() => [...document.querySelectorAll('tr')].map((row) => [...row.cells].map((cell) => cell.textContent)));
  await until('connected', () => tab.evaluate(() => document.querySelector('#state.open') !== null));
  await publish(1);
  await until('live', async () => (await rows()).length === 1);
  await first.kill();
  await until('it noticed', () => tab.evaluate(() => document.querySelector('#state.open') === null));
  for (let n = 2; n <= 5; n++) await publish(n);
  await until('all', async () => (await rows()).length === 5, 30000);
  assert.deepEqual(
    (await rows()).reverse().map(([offset, data]) => [offset, data]),
    numbers(5).map((n) => [String(n), `{"n":${n}}`]),
  );
  assert.equal((await rows()).at(-1)[2], 'live');
});
