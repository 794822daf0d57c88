// Clients of every kind that follow one channel, for as long as the test lasts, and tell a Story of it.
// Each has a `story`; those with the SDK also leave() (they go away), join() (they come back) and problem()
// (what they cannot recover from, or undefined).
import { Centrifuge } from 'centrifuge';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';
import { EventSource } from 'eventsource';
import { request } from './http.mjs';
import { Follower } from './plain.mjs';
import { cleanup } from './scope.mjs';
import { Subscriber } from './sdk.mjs';

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const text = (data) => (data instanceof Uint8Array ? JSON.parse(new TextDecoder().decode(data)) : data);

// What an answer says of a subscription, in the protocol's words.
const position = (sub) => ({
  epoch: sub.epoch,
  offset: sub.offset ?? 0,
  wasRecovering: sub.was_recovering ?? false,
  recovered: sub.recovered ?? false,
  count: sub.publications?.length ?? 0,
});

class SdkWitness {
  constructor(t, port, story, { transport, sdk, delta }) {
    this.story = story;
    const scheme = transport === 'websocket' ? 'ws' : 'http';
    const endpoint = `${scheme}://127.0.0.1:${port}/connection/${transport}?client=${story.who}`;
    this.subscriber = new Subscriber([{ transport, endpoint }], story.channel, {
      sdk,
      emulationEndpoint: `http://127.0.0.1:${port}/emulation`,
      fetch: globalThis.fetch,
      readableStream: globalThis.ReadableStream,
      eventsource: EventSource,
      timeout: 2000,
      maxServerPingDelay: 1500,
      subscription: { minResubscribeDelay: 20, maxResubscribeDelay: 300, ...(delta ? { delta } : {}) },
    });
    const { client, sub } = this.subscriber;
    sub.on('subscribed', (ctx) =>
      story.subscribed({
        epoch: ctx.streamPosition?.epoch,
        offset: ctx.streamPosition?.offset,
        wasRecovering: ctx.wasRecovering,
        recovered: ctx.recovered,
        count: ctx.hasRecoveredPublications ? 1 : 0,
      }),
    );
    sub.on('publication', (ctx) => story.publication(ctx.offset, text(ctx.data)));
    for (const type of ['connecting', 'disconnected', 'error']) {
      client.on(type, (ctx) => story.note(`${type} ${ctx.code ?? ctx.error?.code} ${ctx.reason ?? ctx.error?.message}`));
    }
    for (const type of ['subscribing', 'unsubscribed', 'error']) {
      sub.on(type, (ctx) => story.note(`subscription ${type} ${ctx.code ?? ctx.error?.code} ${ctx.reason ?? ctx.error?.message}`));
    }
    cleanup(t, () => this.subscriber.close());
    this.subscriber.start();
  }

  leave() {
    this.subscriber.client.disconnect();
  }

  join() {
    this.subscriber.client.connect();
  }

  problem() {
    const { client, sub } = this.subscriber;
    if (client.state === 'disconnected') return 'it was told not to come back';
    return sub.state === 'unsubscribed' ? 'it was unsubscribed for good' : undefined;
  }
}

class PushWitness {
  constructor(t, port, story, { what }) {
    this.story = story;
    this.follower = new Follower(t, what, port, story.channel, {
      query: `?client=${story.who}`,
      onSubscribed: (sub) => story.subscribed(position(sub)),
      onPublication: (publication) => story.publication(publication.offset, publication.data),
    });
  }
}

// The browser's interface: it comes back by itself with the last event's id. After an answer that is not a
// stream it gives up; a page would then begin anew with that id, as this one does.
class EventSourceWitness {
  constructor(t, port, story) {
    Object.assign(this, { story, isClosed: false, wasTold: false });
    this.url = `http://127.0.0.1:${port}/connection/uni_sse?channel=${story.channel}&client=${story.who}`;
    cleanup(t, () => {
      this.isClosed = true;
      this.source.close();
    });
    this.#open();
  }

  #open() {
    const last = this.lastId ? `&last_event_id=${encodeURIComponent(this.lastId)}` : '';
    this.source = new EventSource(this.url + last);
    this.source.addEventListener('unrecovered', () => (this.wasTold = true));
    this.source.onmessage = (event) => this.#take(event);
    this.source.onerror = (event) => {
      this.story.note(`error ${event.code} ${event.message}`);
      if (this.source.readyState !== EventSource.CLOSED || this.isClosed) return;
      setTimeout(() => this.isClosed || this.#open(), 50);
    };
  }

  #take(event) {
    const push = JSON.parse(event.data);
    const sub = push.connect?.subs[this.story.channel];
    if (sub) {
      this.story.subscribed(position(sub));
      const isLost = (sub.was_recovering ?? false) && !sub.recovered;
      if (isLost !== this.wasTold) {
        this.story.ledger.violation('R4', `${this.story.who}: unrecovered event ${this.wasTold}, answer ${JSON.stringify(sub).slice(0, 200)}`);
      }
      this.wasTold = false;
    }
    for (const { offset, data } of [...(sub?.publications ?? []), ...(push.pub ? [push.pub] : [])]) {
      this.story.publication(offset, data);
    }
    if (event.lastEventId) this.lastId = event.lastEventId;
  }
}

// curl in a loop: each answer says where the next one goes on.
class PollWitness {
  constructor(t, port, story) {
    Object.assign(this, { story, port, isClosed: false });
    this.path = `/connection/poll?channel=${story.channel}&timeout=1&client=${story.who}`;
    const loop = this.#run();
    cleanup(t, async () => {
      this.isClosed = true;
      await loop;
    });
  }

  async #run() {
    let since = '';
    while (!this.isClosed) {
      try {
        const { status, json, body } = await request({ port: this.port, path: this.path + since, method: 'GET' });
        if (status !== 200) throw new Error(`${status} ${body}`);
        if (!this.isClosed) this.#take(json, since !== '');
        since = `&since=${json.offset}&epoch=${json.epoch}`;
      } catch (error) {
        this.story.note(`error ${error.message}`);
        await pause(50);
      }
    }
  }

  #take({ epoch, offset, recovered, publications }, wasRecovering) {
    const { story } = this;
    // where it goes on from: publications of an answer that is not recovered came behind that
    const begin = (publications[0]?.offset ?? offset + 1) - 1;
    story.subscribed({ epoch, offset: begin, wasRecovering, recovered: wasRecovering && recovered });
    for (const publication of publications) story.publication(publication.offset, publication.data);
    if (!story.isAt({ epoch, offset })) {
      story.ledger.violation('R1', `${story.who}: told to go on from ${epoch}-${offset}, and is at ${JSON.stringify(story.position)}`);
    }
  }
}

// name -> (t, port, story, { delta }) => a client of that kind
export const WITNESSES = {
  websocket: (t, port, story, options) => new SdkWitness(t, port, story, { transport: 'websocket', sdk: Centrifuge, ...options }),
  websocket_protobuf: (t, port, story, options) => new SdkWitness(t, port, story, { transport: 'websocket', sdk: ProtobufCentrifuge, ...options }),
  http_stream: (t, port, story, options) => new SdkWitness(t, port, story, { transport: 'http_stream', sdk: Centrifuge, ...options }),
  http_stream_protobuf: (t, port, story, options) => new SdkWitness(t, port, story, { transport: 'http_stream', sdk: ProtobufCentrifuge, ...options }),
  sse: (t, port, story, options) => new SdkWitness(t, port, story, { transport: 'sse', sdk: Centrifuge, ...options }),
  eventsource: (t, port, story) => new EventSourceWitness(t, port, story),
  uni_http_stream: (t, port, story) => new PushWitness(t, port, story, { what: 'uni_http_stream' }),
  uni_websocket: (t, port, story) => new PushWitness(t, port, story, { what: 'uni_websocket' }),
  poll: (t, port, story) => new PollWitness(t, port, story),
};
