// Clients without an SDK, as anybody can write them.
import http from 'node:http';
import WebSocket from 'ws';
import { cleanup } from './scope.mjs';

// An HTTP request. `text` grows; `ended` is when the connection ends; response.pause() stops reading.
export function request(t, target, { method = 'GET', headers = {}, body } = {}) {
  const run = { text: '', status: 0, isComplete: false };
  run.ended = new Promise((resolve) => {
    const sent = http.request(target, { method, headers, agent: false }, (response) => {
      run.status = response.statusCode;
      run.headers = response.headers;
      run.response = response;
      response.on('data', (data) => {
        run.text += data;
        run.onGrown?.();
      });
      response.on('end', () => (run.isComplete = true));
      response.on('error', () => {}); // cut off
      response.on('close', resolve);
    });
    sent.on('error', resolve);
    cleanup(t, () => sent.destroy());
    sent.end(body);
  });
  return run;
}

// A WebSocket that reads pushes; sends `first` when it is open. `code` is what it was closed with.
export function openSocket(t, target, first) {
  const run = { messages: [], code: undefined };
  const socket = new WebSocket(target);
  cleanup(t, () => socket.terminate());
  run.socket = socket;
  socket.on('error', () => {});
  socket.on('message', (data) => {
    if (`${data}` !== '{}') run.messages.push(JSON.parse(data));
    run.onGrown?.();
  });
  if (first !== undefined) socket.on('open', () => socket.send(first));
  run.ended = new Promise((resolve) => socket.on('close', (code) => resolve((run.code = code))));
  return run;
}

// Pushes of a stream of lines or events, as far as they are complete.
export function pushes(text) {
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines
    .map((line) => (line.startsWith('data: ') ? line.slice(6) : line))
    .filter((line) => line.startsWith('{') && line !== '{}')
    .map((line) => JSON.parse(line));
}

// A unidirectional client that follows one channel: it comes back whenever its connection ends, and asks
// for what follows the last publication that it has. what: 'uni_http_stream' or 'uni_websocket';
// query: of its address; onSubscribed, onPublication: told of each in order.
export class Follower {
  constructor(t, what, port, channel, { query = '', onSubscribed = () => {}, onPublication = () => {} } = {}) {
    Object.assign(this, { t, what, port, channel, query, onSubscribed, onPublication });
    this.publications = [];
    this.connects = [];
    this.isClosed = false;
    cleanup(t, () => (this.isClosed = true));
    this.#follow();
  }

  #take(push) {
    const sub = push.connect?.subs[this.channel];
    if (sub) {
      this.connects.push(sub);
      if (!sub.recovered || !this.position) this.position = { offset: sub.offset ?? 0 };
      this.position.epoch = sub.epoch;
      this.onSubscribed(sub);
    }
    for (const publication of [...(sub?.publications ?? []), ...(push.pub ? [push.pub] : [])]) {
      this.publications.push(publication);
      this.onPublication(publication);
      this.position.offset = publication.offset;
    }
  }

  async #follow() {
    while (!this.isClosed) {
      const wish = this.position ? { recover: true, ...this.position } : {};
      const connect = JSON.stringify({ subs: { [this.channel]: wish } });
      const path = `127.0.0.1:${this.port}/connection/${this.what}${this.query}`;
      const run =
        this.what === 'uni_websocket'
          ? openSocket(this.t, `ws://${path}`, connect)
          : request(this.t, `http://${path}`, { method: 'POST', body: connect });
      let taken = 0;
      const drain = () => {
        const all = run.messages ?? pushes(run.text);
        while (taken < all.length) this.#take(all[taken++]);
      };
      run.onGrown = drain;
      await run.ended;
      drain();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
