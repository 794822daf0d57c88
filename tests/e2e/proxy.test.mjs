// A real nginx in front, configured as docs/operations.md says: the SDK over every transport and plain
// clients get through it at once, and go on with the other node when theirs is killed.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { EventSource } from 'eventsource';
import { redisEngine, startBroker } from './lib/broker.mjs';
import { Follower, openSocket, pushes, request } from './lib/plain.mjs';
import { Child, freePort, tempDir } from './lib/process.mjs';
import { startRedis } from './lib/redis.mjs';
import { cleanup, until } from './lib/scope.mjs';
import { startSubscriber } from './lib/sdk.mjs';

const CONFIG = {
  http_stream: { enabled: true },
  sse: { enabled: true },
  uni_sse: { enabled: true },
  uni_http_stream: { enabled: true },
  uni_websocket: { enabled: true },
  holdfast: { poll: { enabled: true, max_wait: '10s' } },
};

function hasNginx() {
  try {
    execFileSync('sh', ['-c', 'command -v nginx']);
    return true;
  } catch {
    return false;
  }
}

// The documented site between two nodes. Returns its port.
async function startNginx(t, ports) {
  const manual = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const site = /```nginx\n([^`]*)```/.exec(manual)[1];
  const port = await freePort();
  const dir = tempDir(t);
  const own = site
    .replace('listen 80;', `listen 127.0.0.1:${port};`)
    .replace('node1:8000', `127.0.0.1:${ports[0]}`)
    .replace('node2:8000', `127.0.0.1:${ports[1]}`);
  assert.ok(own.includes(`127.0.0.1:${port};`) && own.includes(`:${ports[1]} `), own);
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${dir};`);
  writeFileSync(
    join(dir, 'nginx.conf'),
    `daemon off; master_process off; pid ${dir}/pid; error_log stderr warn;
     events {} http { access_log off; ${paths.join(' ')} ${own} }`,
  );
  const child = new Child('nginx', 'nginx', ['-p', dir, '-c', join(dir, 'nginx.conf')]);
  cleanup(t, () => child.stop('SIGTERM'));
  await child.ready(async () => (await fetch(`http://127.0.0.1:${port}/connection/poll`)).status === 400);
  return port;
}

test('nginx: every transport is through at once, and survives its node', { timeout: 90000, skip: hasNginx() ? false : 'nginx is not installed (Debian: nginx-light)' }, async (t) => {
  const redis = await startRedis(t);
  const config = { ...CONFIG, ...redisEngine(redis) };
  const [a, b] = await Promise.all([startBroker(t, { config }), startBroker(t, { config })]);
  const port = await startNginx(t, [a.port, b.port]);
  assert.equal((await fetch(`http://127.0.0.1:${port}/api/info`, { method: 'POST' })).status, 404, 'the API is not public');
  const follow = async (transport) =>
    startSubscriber(t, [{ transport, endpoint: `${transport === 'websocket' ? 'ws' : 'http'}://127.0.0.1:${port}/connection/${transport}` }], 'chat:room', {
      emulationEndpoint: `http://127.0.0.1:${port}/emulation`,
      fetch: globalThis.fetch,
      readableStream: globalThis.ReadableStream,
      eventsource: EventSource,
    });
  const sdk = await Promise.all(['websocket', 'http_stream', 'sse'].map(follow));
  const plain = ['uni_http_stream', 'uni_websocket'].map((what) => new Follower(t, what, port, 'chat:room'));
  const seen = [];
  const source = new EventSource(`http://127.0.0.1:${port}/connection/uni_sse?channel=chat:room`);
  cleanup(t, () => source.close());
  source.onmessage = (event) => {
    for (const push of pushes(`${event.data}\n`)) {
      for (const publication of push.connect?.subs['chat:room'].publications ?? []) seen.push(publication.offset);
      if (push.pub) seen.push(push.pub.offset);
    }
  };
  await until('all are connected', () => source.readyState === 1 && plain.every((follower) => follower.connects.length > 0));

  await sdk[1].sub.publish({ n: 1 });
  const poll = request(t, `http://127.0.0.1:${port}/connection/poll?channel=chat:room&since=0`);
  await poll.ended;
  assert.equal(JSON.parse(poll.text).offset, 1);
  await Promise.all(sdk.map((subscriber) => subscriber.received(1, 2000)));
  await until('the plain clients have it', () => seen.length === 1 && plain.every((follower) => follower.publications.length === 1), 2000);

  await a.kill();
  for (let n = 2; n <= 50; n++) await b.api.publish('chat:room', { n });
  const expected = Array.from({ length: 50 }, (_, i) => i + 1);
  for (const subscriber of sdk) {
    await subscriber.received(50);
    assert.deepEqual(subscriber.offsets, expected, subscriber.story());
  }
  await until(() => `50 events: ${seen}`, () => seen.length >= 50);
  assert.deepEqual(seen, expected);
  for (const follower of plain) {
    await until('50 publications', () => follower.publications.length >= 50);
    assert.deepEqual(follower.publications.map((publication) => publication.offset), expected);
  }
  const uni = openSocket(t, `ws://127.0.0.1:${port}/connection/uni_websocket?channel=chat:room`);
  await until('a connect push', () => uni.messages.length > 0);
});
