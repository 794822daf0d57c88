// Input that no well-behaved client sends. Each gets its error or close code, and after each a
// bystander on the same node still receives a publication.
import test from 'node:test';
import assert from 'node:assert/strict';
import { startBroker } from './lib/broker.mjs';
import { request } from './lib/http.mjs';
import { connectRaw, openRaw } from './lib/raw.mjs';
import { frame, openTcp, upgradeTcp } from './lib/tcp.mjs';
import { startSubscriber } from './lib/sdk.mjs';
import { until } from './lib/scope.mjs';

const CHANNEL = 'chat:bystander';
const CONNECT = '{"id":1,"connect":{}}';

test('bad input', { timeout: 90000 }, async (t) => {
  // One worker, so that the bystander shares the event loop with whatever comes in.
  const broker = await startBroker(t, { config: { holdfast: { workers: 1, http_timeout: '4s' } } });
  const bystander = await startSubscriber(t, broker.url, CHANNEL);
  let published = 0;
  const bystanderIsServed = async () => {
    published += 1;
    await broker.api.publish(CHANNEL, { n: published });
    await bystander.received(published, 5000);
    assert.equal(bystander.data.at(-1).n, published);
    assert.equal(bystander.subscribed.length, 1, 'the bystander was never disconnected');
  };
  const check = (name, body) =>
    t.test(name, async (t) => {
      await body(t);
      await bystanderIsServed();
    });

  // Slow ones first: they run while the others do.
  const slow = await openTcp(t, broker.port);
  slow.write('POST /api/publish HTTP/1.1\r\nHost: x\r\nX-Slow: ');
  const drip = setInterval(() => slow.write('x'), 500);
  t.after(() => clearInterval(drip));

  for (const [what, text] of [
    ['no JSON', 'hello'],
    ['half an object', '{"id":1,"connect":{}'],
    ['an object and more', '{"id":1,"connect":{}} x'],
    ['an array', '[{"id":1,"connect":{}}]'],
    ['a number', '17'],
    ['a trailing comma', '{"id":1,"connect":{},}'],
    ['a number with a leading zero', '{"id":01,"connect":{}}'],
    ['a raw control character', '{"id":1,"connect":{"name":"a\u0001b"}}'],
    ['a lone surrogate', '{"id":1,"connect":{"name":"\\ud800"}}'],
    ['a string id', '{"id":"1","connect":{}}'],
    ['a negative id', '{"id":-1,"connect":{}}'],
    ['an id out of range', '{"id":4294967296,"connect":{}}'],
    ['a fractional id', '{"id":1.5,"connect":{}}'],
    ['a request that is no object', '{"id":1,"connect":[]}'],
    ['deep nesting', `{"id":1,"connect":{"data":${'['.repeat(20000)}${']'.repeat(20000)}}}`],
    ['a NUL byte', '{"id":1,"connect":{}}\0'],
  ]) {
    await check(`first message is ${what} -> disconnect 3501`, async (t) => {
      const client = await openRaw(t, broker.url);
      client.send(text);
      assert.deepEqual(await client.close(), { code: 3501, reason: 'bad request' });
    });
  }

  for (const [what, text] of [
    ['an unknown command', '{"id":2,"dance":{}}'],
    ['no command at all', '{"id":2}'],
    ['a channel that is a number', '{"id":2,"subscribe":{"channel":5}}'],
    ['a channel that is null', '{"id":2,"subscribe":{"channel":null}}'],
    ['an offset that is a string', '{"id":2,"subscribe":{"channel":"chat:x","recover":true,"offset":"1"}}'],
    ['a negative offset', '{"id":2,"subscribe":{"channel":"chat:x","recover":true,"offset":-1}}'],
    ['an epoch that is a number', '{"id":2,"subscribe":{"channel":"chat:x","recover":true,"epoch":1}}'],
    ['a flag that is a string', '{"id":2,"subscribe":{"channel":"chat:x","recover":"yes"}}'],
    ['a limit that is no number', '{"id":2,"history":{"channel":"chat:x","limit":"all"}}'],
    ['data that is not JSON', '{"id":2,"publish":{"channel":"chat:x","data":{a:1}}}'],
  ]) {
    await check(`a connected client sends ${what} -> disconnect 3501`, async (t) => {
      const client = await connectRaw(t, broker.url);
      client.send(text);
      assert.deepEqual(await client.close(), { code: 3501, reason: 'bad request' });
    });
  }

  await check('channel name over the limit, unknown namespace -> errors 107 and 102, connection stays', async (t) => {
    const client = await connectRaw(t, broker.url);
    const long = await client.ask({ subscribe: { channel: `chat:${'c'.repeat(251)}` } });
    assert.equal(long.error.code, 107);
    const unknown = await client.ask({ subscribe: { channel: 'nowhere:x' } });
    assert.equal(unknown.error.code, 102);
    await client.call('subscribe', { channel: 'chat:fine' });
  });

  await check('message over websocket.message_size_limit -> close 1009', async (t) => {
    const client = await connectRaw(t, broker.url);
    client.send({ id: 2, publish: { channel: 'chat:x', data: 'x'.repeat(66000) } });
    assert.equal((await client.close()).code, 1009);
  });

  // Raw frames: [what, bytes after the handshake, close codes that may answer]
  const text = (payload, options) => frame(payload, options);
  for (const [what, bytes, codes] of [
    ['an unmasked frame', text(CONNECT, { mask: false }), [1002]],
    ['a reserved bit', text(CONNECT, { rsv: 4 }), [1002]],
    ['a reserved opcode', frame('x', { opcode: 3 }), [1002]],
    ['a fragmented ping', frame('x', { opcode: 9, fin: false }), [1002]],
    ['a long ping', frame('x'.repeat(126), { opcode: 9 }), [1002]],
    ['a continuation of nothing', frame('x', { opcode: 0 }), [1002]],
    ['a text frame inside a fragmented one', Buffer.concat([text('{', { fin: false }), text(CONNECT)]), [1002]],
    ['a close frame of one byte', frame('x', { opcode: 8 }), [1002]],
    ['a close code that must not be sent', frame(Buffer.from([0x03, 0xed]), { opcode: 8 }), [1002]],
    ['fragments over the limit', Buffer.concat([text('x'.repeat(40000), { fin: false }), frame('x'.repeat(40000), { opcode: 0 })]), [1009]],
    ['a length over the limit, without the bytes', Buffer.from([0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4]), [1009]],
    ['a length with the highest bit set', Buffer.from([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4]), [1002, 1009]],
    ['invalid UTF-8', frame(Buffer.from('{"id":1,"connect":{"name":"\xff\xfe"}}', 'latin1')), [1007, 3501]],
    ['an overlong encoding', frame(Buffer.from('{"id":1,"connect":{"name":"\xc0\xaf"}}', 'latin1')), [1007, 3501]],
    ['an encoded surrogate', frame(Buffer.from('{"id":1,"connect":{"name":"\xed\xa0\x80"}}', 'latin1')), [1007, 3501]],
  ]) {
    await check(`${what} -> close ${codes.join(' or ')}`, async (t) => {
      const tcp = await upgradeTcp(t, broker.port);
      tcp.write(bytes);
      const code = await until(
        () => `a close frame, got ${tcp.received.subarray(tcp.start).toString('hex').slice(0, 200)}`,
        () => tcp.closeCode(tcp.start),
      );
      assert.ok(codes.includes(code), `close code ${code}`);
      await tcp.ended();
    });
  }

  await check('a fragmented message, byte by byte, with a ping between -> answered', async (t) => {
    const tcp = await upgradeTcp(t, broker.port);
    const bytes = Buffer.concat([
      text(CONNECT.slice(0, 5), { fin: false }),
      frame('are you there', { opcode: 9 }),
      frame(CONNECT.slice(5), { opcode: 0 }),
    ]);
    for (const byte of bytes) tcp.write(Buffer.from([byte]));
    await tcp.match(/are you there/);
    await tcp.match(/"connect":\{"client":/);
  });

  await check('a client vanishes in the middle of a frame -> nothing happens to others', async (t) => {
    const tcp = await upgradeTcp(t, broker.port);
    tcp.write(text(CONNECT).subarray(0, 9));
    tcp.socket.resetAndDestroy();
    await tcp.ended();
  });

  await check('half an HTTP request, then the end of the connection', async (t) => {
    const tcp = await openTcp(t, broker.port);
    tcp.write('POST /api/publish HTTP/1.1\r\nHost: x\r\nX-API-Key: e2e-key\r\nContent-Length: 100\r\n\r\n{"chan');
    tcp.socket.end();
    await tcp.ended();
  });

  for (const [what, bytes] of [
    ['no HTTP', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello, I speak TLS\r\n\r\n'],
    ['a broken request line', 'GET\r\n\r\n'],
    ['a broken header', 'GET /health HTTP/1.1\r\nHost x\r\n\r\n'],
    ['a broken length', 'POST /api/info HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n'],
    ['a broken chunk', 'POST /api/info HTTP/1.1\r\nHost: x\r\nX-API-Key: e2e-key\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
    ['a length over the limit', 'POST /api/publish HTTP/1.1\r\nHost: x\r\nX-API-Key: e2e-key\r\nContent-Length: 99999999999\r\n\r\n{'],
    ['a header over the limit', `GET /health HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(300000)}\r\n\r\n`],
  ]) {
    await check(`${what} -> refused with a 4xx and the end of the connection`, async (t) => {
      const tcp = await openTcp(t, broker.port);
      tcp.write(Buffer.from(bytes, 'latin1'));
      await tcp.match(/^HTTP\/1\.1 4\d\d /);
      await tcp.ended();
      assert.doesNotMatch(tcp.text, /HTTP\/1\.1 200/);
    });
  }

  for (const [method, path, headers, status] of [
    ['GET', '/', {}, 404],
    ['GET', '/nowhere', {}, 404],
    ['GET', '/health/nowhere', {}, 404],
    ['GET', `/${'x'.repeat(4000)}`, {}, 404],
    ['GET', '/connection/websocket', {}, 400],
    ['POST', '/connection/websocket', {}, 405],
    ['GET', '/connection/websocket', { Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'short' }, 400],
    ['GET', '/connection/websocket', { Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '8', 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==' }, 400],
    ['GET', '/api/publish', { 'X-API-Key': 'e2e-key' }, 405],
    ['DELETE', '/api/publish', { 'X-API-Key': 'e2e-key' }, 405],
  ]) {
    await check(`${method} ${path.slice(0, 40)} ${JSON.stringify(headers).slice(0, 120)} -> ${status}`, async () => {
      const answer = await request({ port: broker.port, method, path, headers });
      assert.equal(answer.status, status, answer.body);
    });
  }

  await check('a request that never becomes complete -> ended by the server', async () => {
    await slow.ended(30000);
    assert.doesNotMatch(slow.text, /HTTP\/1\.1 200/);
  });
});
