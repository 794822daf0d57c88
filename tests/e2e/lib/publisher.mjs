// A backend that publishes numbered messages one after another, spread over several nodes, and
// repeats a message until it is acknowledged. An answer that never came leaves the outcome unknown:
// such a message may be in the stream, and then its repetition is there as well.
import assert from 'node:assert/strict';
import { until } from './scope.mjs';

export class Publisher {
  // apis: of the nodes; pace: milliseconds between messages
  constructor(channel, apis, pace) {
    this.channel = channel;
    this.apis = apis;
    this.pace = pace;
    this.acknowledged = []; // { n, offset, epoch } in order
    this.failures = []; // { n, error }, each with unknown outcome
    this.stopped = false;
    this.loop = null;
  }

  start() {
    this.loop = this.#run();
  }

  async #run() {
    for (let n = 1; !this.stopped; n++) {
      await this.#publish(n);
      await new Promise((resolve) => setTimeout(resolve, this.pace));
    }
  }

  async #publish(n) {
    for (let attempt = 0; !this.stopped; attempt++) {
      const api = this.apis[(n + attempt) % this.apis.length];
      try {
        const result = await api.publish(this.channel, { n, text: `message ${n}` });
        this.acknowledged.push({ n, ...result });
        return;
      } catch (error) {
        this.failures.push({ n, error });
        // a round of nodes has failed: do not spin
        if (attempt >= this.apis.length) await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  // Waits until count messages are acknowledged.
  published(count, timeout = 60000) {
    return until(
      () => `${count} acknowledged publishes, there are ${this.acknowledged.length}; last failure: ${this.failures.at(-1)?.error}`,
      () => this.acknowledged.length >= count,
      timeout,
    );
  }

  async stop() {
    this.stopped = true;
    await this.loop;
  }

  // Every acknowledged message is in the stream at the position that was acknowledged, and what else
  // is there had an unknown outcome.
  checkAgainst(stream) {
    const byOffset = new Map(stream.map((entry) => [entry.offset, entry]));
    for (const { n, offset, epoch } of this.acknowledged) {
      const entry = byOffset.get(offset);
      assert.ok(entry, `message ${n}, acknowledged at ${epoch}-${offset}, is not in the stream`);
      assert.equal(entry.epoch, epoch);
      assert.equal(JSON.parse(entry.data).n, n);
      byOffset.delete(offset);
    }
    const unknown = new Set(this.failures.map((failure) => failure.n));
    for (const entry of byOffset.values()) {
      assert.ok(unknown.has(JSON.parse(entry.data).n), `nobody published ${entry.id} ${entry.data}`);
    }
  }
}
