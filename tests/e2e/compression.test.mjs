// permessage-deflate between real clients and a node.
import test from 'node:test';
import assert from 'node:assert/strict';
import { deflateRawSync, constants } from 'node:zlib';
import WebSocket from 'ws';
import { startBroker } from './lib/broker.mjs';
import { openRaw } from './lib/raw.mjs';
import { until } from './lib/scope.mjs';
import { startSubscriber } from './lib/sdk.mjs';
import { frame, openTcp } from './lib/tcp.mjs';

const compressing = { websocket: { compression: true } };

class Deflating extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { perMessageDeflate: { threshold: 0 } });
    Deflating.newest = this;
  }
}

class Plain extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { perMessageDeflate: false });
  }
}

test('compressed and plain subscribers in one channel -> both get everything, live and recovered; fewer bytes', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: compressing });
  const deflating = await startSubscriber(t, broker.url, 'chat:z', { websocket: Deflating });
  const plain = await startSubscriber(t, broker.url, 'chat:z', { websocket: Plain });
  const long = { text: 'again and again '.repeat(500) };
  for (let n = 0; n < 5; n++) await broker.api.publish('chat:z', { n, ...long });
  await deflating.received(5);
  await plain.received(5);
  deflating.client.disconnect();
  plain.client.disconnect();
  for (let n = 5; n < 40; n++) await broker.api.publish('chat:z', { n, ...long });
  deflating.client.connect();
  plain.client.connect();
  await deflating.received(40);
  await plain.received(40);
  assert.deepEqual(deflating.data, plain.data);
  assert.deepEqual(deflating.offsets, plain.offsets);
  await assert.doesNotReject(deflating.client.publish('chat:z', { from: 'a client', ...long }));
  await plain.received(41);
  assert.equal(plain.data[40].text, long.text);

  plain.client.disconnect();
  const socket = Deflating.newest._socket;
  const before = socket.bytesRead;
  await broker.api.publish('chat:z', long);
  await deflating.received(42);
  assert.ok(socket.bytesRead - before < 1000, 'the 8 kB came compressed');
});

test('the answer to offers -> no context takeover; none when it is off or cannot be met', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: compressing });
  const off = await startBroker(t);
  const offer = async (port, extensions) => {
    const tcp = await openTcp(t, port);
    tcp.write(
      'GET /connection/websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n' +
        'Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
        `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: ${extensions}\r\n\r\n`,
    );
    await tcp.match(/^HTTP\/1\.1 101 [^]*\r\n\r\n/);
    return tcp.text.match(/Sec-WebSocket-Extensions: (.*)\r\n/)?.[1];
  };
  const answer = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover';
  assert.equal(await offer(broker.port, 'permessage-deflate; client_max_window_bits'), answer);
  assert.equal(await offer(broker.port, 'permessage-deflate; server_max_window_bits=9'), undefined);
  assert.equal(await offer(broker.port, 'permessage-deflate; server_max_window_bits=9, permessage-deflate'), answer);
  assert.equal(await offer(off.port, 'permessage-deflate'), undefined);
});

// A negotiated connection on bare TCP.
async function openDeflating(t, broker) {
  const tcp = await openTcp(t, broker.port);
  tcp.write(
    'GET /connection/websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n' +
      'Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
      'Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n',
  );
  await tcp.match(/^HTTP\/1\.1 101 [^]*\r\n\r\n/);
  tcp.start = tcp.text.indexOf('\r\n\r\n') + 4;
  return tcp;
}

const deflate = (text) =>
  deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);

test('a bomb -> 1009; garbage -> 1007; the bit where it does not belong -> 1002; fragments -> taken', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, { config: compressing });
  const closes = async (bytes, code) => {
    const tcp = await openDeflating(t, broker);
    tcp.write(bytes);
    await until(`a close frame ${code}`, () => tcp.closeCode(tcp.start) === code);
    await tcp.ended();
  };
  const bomb = deflate(Buffer.alloc(50 * 1024 * 1024, ' '));
  assert.ok(bomb.length < 65536);
  await closes(frame(bomb, { rsv: 4 }), 1009);
  await closes(frame(Buffer.from('ffffffff', 'hex'), { rsv: 4 }), 1007);
  await closes(frame(deflate(Buffer.from('c328', 'hex')), { rsv: 4 }), 1007); // no UTF-8
  await closes(frame('x', { rsv: 4, opcode: 9 }), 1002);
  await closes(frame('x', { rsv: 2 }), 1002);

  const tcp = await openDeflating(t, broker);
  const connect = deflate(Buffer.from('{"id":1,"connect":{}}'));
  tcp.write(frame(connect.subarray(0, 5), { rsv: 4, fin: false }));
  tcp.write(frame('between', { opcode: 9 }));
  tcp.write(frame(connect.subarray(5), { opcode: 0 }));
  await until('an answer', () => tcp.received.length > tcp.start + 20);

  const without = await openRaw(t, broker.url, { perMessageDeflate: false });
  assert.equal(without.ws.extensions, '');
  assert.ok((await without.call('connect', {})).client);
});

test('short messages with compression_min_size -> sent as they are', { timeout: 60000 }, async (t) => {
  const broker = await startBroker(t, {
    config: { websocket: { compression: true, compression_min_size: 100000, compression_level: 9 } },
  });
  const tcp = await openDeflating(t, broker);
  tcp.write(frame(deflate(Buffer.from('{"id":1,"connect":{}}')), { rsv: 4 }));
  await until('a plain answer', () => tcp.text.slice(tcp.start).includes('"connect":'));
  assert.equal(tcp.received[tcp.start], 0x81);
});
