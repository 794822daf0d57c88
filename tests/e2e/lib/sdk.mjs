// The official JavaScript SDK as a browser uses it, with everything it reports collected.
import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';
import { cleanup, until } from './scope.mjs';

// A client with one subscription. Collected, oldest first:
//   publications  contexts of 'publication'      subscribed   contexts of 'subscribed'
//   id            the client's, of its newest connection
//   events        { type, code, reason } of everything that went wrong or changed the state
export class Subscriber {
  // options: the SDK's; subscription: those of the subscription; sdk: another build of the SDK
  constructor(url, channel, { sdk = Centrifuge, ...options } = {}) {
    this.channel = channel;
    this.publications = [];
    this.subscribed = [];
    this.events = [];
    this.client = new sdk(url, {
      websocket: WebSocket,
      minReconnectDelay: 20,
      maxReconnectDelay: 300,
      ...options,
    });
    this.sub = this.client.newSubscription(channel, options.subscription);
    const note = (type) => (ctx) =>
      this.events.push({ type, code: ctx.code ?? ctx.error?.code, reason: ctx.reason ?? ctx.error?.message });
    for (const type of ['connecting', 'connected', 'disconnected', 'error']) {
      this.client.on(type, note(type));
    }
    for (const type of ['subscribing', 'unsubscribed', 'error']) {
      this.sub.on(type, note(`subscription ${type}`));
    }
    this.client.on('connected', (ctx) => (this.id = ctx.client));
    this.sub.on('publication', (ctx) => this.publications.push(ctx));
    this.sub.on('subscribed', (ctx) => this.subscribed.push(ctx));
  }

  start() {
    this.sub.subscribe();
    this.client.connect();
  }

  get offsets() {
    return this.publications.map((publication) => publication.offset);
  }

  get data() {
    return this.publications.map((publication) => publication.data);
  }

  // Waits until it has subscribed n times in all.
  async subscriptions(n = 1, timeout = 20000) {
    await until(
      () => `${n} subscriptions, there are ${this.subscribed.length}; ${this.story()}`,
      () => this.subscribed.length >= n,
      timeout,
    );
    return this.subscribed[n - 1];
  }

  // Waits until it has n publications.
  received(n, timeout = 20000) {
    return until(
      () => `${n} publications, there are ${this.publications.length}; ${this.story()}`,
      () => this.publications.length >= n,
      timeout,
    );
  }

  story() {
    return `events: ${JSON.stringify(this.events.slice(-12))}`;
  }

  close() {
    this.client.disconnect();
  }
}

// startSubscriber(t, url, channel, options): options are the SDK's, and subscription: those of the
// subscription. Returns once subscribed.
export async function startSubscriber(t, url, channel, options = {}) {
  const subscriber = new Subscriber(url, channel, options);
  cleanup(t, () => subscriber.close());
  subscriber.start();
  await subscriber.subscriptions(1);
  return subscriber;
}
