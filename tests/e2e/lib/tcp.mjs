// A bare TCP connection to a node, for bytes that no well-behaved client sends.
import net from 'node:net';
import { randomBytes } from 'node:crypto';
import { cleanup, until, within } from './scope.mjs';

class Tcp {
  constructor(socket) {
    this.socket = socket;
    this.received = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    socket.on('error', () => {}); // 'close' follows
    this.closed = new Promise((resolve) => socket.on('close', resolve));
  }

  write(data) {
    this.socket.write(data);
  }

  get text() {
    return this.received.toString('latin1');
  }

  // Waits until the answer matches and returns the match.
  match(pattern, timeout) {
    return until(
      () => `an answer like ${pattern}, got ${JSON.stringify(this.text.slice(0, 300))}`,
      () => this.text.match(pattern),
      timeout,
    );
  }

  ended(timeout) {
    return within('the node closes the TCP connection', this.closed, timeout);
  }

  // The code of the WebSocket close frame received after offset bytes, or undefined.
  closeCode(offset) {
    for (let at = offset; at + 2 <= this.received.length; ) {
      const opcode = this.received[at] & 0x0f;
      let length = this.received[at + 1] & 0x7f;
      let body = at + 2;
      if (length === 126) {
        length = this.received.readUInt16BE(body);
        body += 2;
      }
      if (opcode === 8) return this.received.readUInt16BE(body);
      at = body + length;
    }
    return undefined;
  }
}

export async function openTcp(t, port) {
  const socket = net.connect(port, '127.0.0.1');
  cleanup(t, () => socket.destroy());
  const tcp = new Tcp(socket);
  await within(
    'TCP connects',
    new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    }),
  );
  return tcp;
}

// upgradeTcp(t, port): a TCP connection on which the WebSocket handshake is done; .start is the
// number of bytes received before the first frame
export async function upgradeTcp(t, port) {
  const tcp = await openTcp(t, port);
  const key = randomBytes(16).toString('base64');
  tcp.write(
    'GET /connection/websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n' +
      `Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  await tcp.match(/^HTTP\/1\.1 101 [^]*\r\n\r\n/);
  tcp.start = tcp.text.indexOf('\r\n\r\n') + 4;
  return tcp;
}

// A client's frame. mask: false leaves it unmasked, which RFC 6455 forbids.
export function frame(payload, { opcode = 1, fin = true, mask = true, rsv = 0 } = {}) {
  const body = Buffer.from(payload);
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const bit = mask ? 0x80 : 0;
  if (body.length < 126) head.push(bit | body.length);
  else if (body.length < 65536) head.push(bit | 126, body.length >> 8, body.length & 0xff);
  else {
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(body.length));
    head.push(bit | 127, ...length);
  }
  if (!mask) return Buffer.concat([Buffer.from(head), body]);
  const key = randomBytes(4);
  const masked = body.map((byte, i) => byte ^ key[i % 4]);
  return Buffer.concat([Buffer.from(head), key, masked]);
}
