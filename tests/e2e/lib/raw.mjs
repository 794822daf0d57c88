// The client protocol by hand: commands as objects or text, frames and close codes as they come.
import WebSocket from 'ws';
import { cleanup, until, within } from './scope.mjs';

export class RawClient {
  // options: those of ws, and protocols: the subprotocols to offer
  constructor(url, { protocols = [], ...options } = {}) {
    this.ws = new WebSocket(url, protocols, options);
    this.answersPings = true;
    this.pings = 0;
    this.frames = []; // text of every frame received
    this.replies = new Map(); // id -> reply
    this.pushes = []; // push objects, oldest first
    this.nextId = 1;
    this.opened = new Promise((resolve, reject) => {
      this.ws.once('open', resolve);
      this.ws.once('error', reject);
    });
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => {
      this.ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    this.ws.on('error', () => {}); // 'close' follows
    this.ws.on('message', (data) => this.#onFrame(data.toString()));
  }

  #onFrame(text) {
    this.frames.push(text);
    for (const line of text.split('\n')) {
      const reply = JSON.parse(line);
      if (reply.id !== undefined) {
        this.replies.set(reply.id, reply);
      } else if (reply.push !== undefined) {
        this.pushes.push(reply.push);
      } else {
        this.pings += 1;
        if (this.answersPings) this.send('{}');
      }
    }
  }

  // One frame: text as it is, objects as JSON, several joined by newlines.
  send(...commands) {
    const lines = commands.map((each) => (typeof each === 'string' ? each : JSON.stringify(each)));
    this.ws.send(lines.join('\n'));
  }

  reply(id, timeout) {
    return until(
      () => `reply ${id}; frames: ${JSON.stringify(this.frames.slice(-5))}`,
      () => this.replies.get(id),
      timeout,
    );
  }

  // Sends one command under the next id and returns its whole reply.
  async ask(command) {
    const id = this.nextId++;
    this.send({ id, ...command });
    return this.reply(id);
  }

  // As ask, and the result of that kind; fails on an error reply.
  async call(kind, body = {}) {
    const reply = await this.ask({ [kind]: body });
    if (reply[kind] === undefined) throw new Error(`${kind}: ${JSON.stringify(reply)}`);
    return reply[kind];
  }

  publications(channel) {
    return this.pushes.filter((push) => push.channel === channel && push.pub).map((push) => push.pub);
  }

  received(channel, n, timeout) {
    return until(
      () => `${n} publications in ${channel}, pushes: ${JSON.stringify(this.pushes.slice(-5))}`,
      () => this.publications(channel).length >= n,
      timeout,
    );
  }

  // The close code and reason that the node sends.
  close(timeout) {
    return within('the node closes the connection', this.closed, timeout);
  }
}

// openRaw(t, url): connected at the WebSocket level only
export async function openRaw(t, url, options) {
  const client = new RawClient(url, options);
  cleanup(t, () => client.ws.terminate());
  await within('the WebSocket opens', client.opened);
  return client;
}

// connectRaw(t, url): connected at the protocol level; .connect is the result
export async function connectRaw(t, url, options) {
  const client = await openRaw(t, url, options);
  client.connect = await client.call('connect', {});
  return client;
}
