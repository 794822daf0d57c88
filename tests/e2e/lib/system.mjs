// A whole system: nodes behind a balancer, each with its own link to one Redis, clients of every kind,
// publishers, and what goes wrong with them. Everything random is drawn from one seed.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startBalancer } from './balancer.mjs';
import { startBroker } from './broker.mjs';
import { FAULTS, draft, plan, resource } from './faults.mjs';
import { Ledger, Life, Story } from './ledger.mjs';
import { startLink } from './link.mjs';
import { startRedis } from './redis.mjs';
import { cleanup, until } from './scope.mjs';
import { WITNESSES } from './witness.mjs';

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const NODES = 3;
const PUBLISHERS = 8;
const ATTEMPTS = 4; // of a publication that may be repeated
const NODE_TIMEOUT_MS = 3000;
// A node counts as dead to the others after NODE_TIMEOUT_MS; it takes itself for cut off after two thirds.
const TOLERATED_MS = 1500;
const STALL_MS = 1000; // our own process stood still for so long: so did the machine
const KEPT = { history_size: 100000, history_ttl: '600s' };

// kept: nothing is ever trimmed or expires; rare: seldom published to, so that it expires meanwhile;
// kinds: the clients that follow it
const ALL_KINDS = Object.keys(WITNESSES);
const CHANNELS = {
  'all:a': { kept: true, kinds: ALL_KINDS },
  'all:b': { kept: true, kinds: ['websocket', 'poll', 'eventsource'] },
  'all:lonely': { kept: true, kinds: ['websocket'] },
  'all:silent': { kept: true, kinds: [] },
  'delta:a': { kept: true, delta: 'fossil', kinds: ['websocket', 'websocket_protobuf', 'http_stream'] },
  'short:a': { kinds: ['websocket', 'http_stream_protobuf', 'uni_websocket'] },
  'brief:a': { rare: true, kinds: ['websocket', 'sse', 'uni_http_stream'] },
  'cache:a': { kind: 'cache', kinds: ['websocket', 'http_stream'] },
  'auto:a': { kind: 'cache', kinds: ['websocket_protobuf', 'sse'] },
  'place:a': { kind: 'live', kinds: ['websocket', 'http_stream'] },
};

function configuration(random) {
  const small = random.chance(0.6) ? { tail_max_publications: random.between(1, 40), page_max_publications: random.between(1, 20) } : {};
  return {
    engine: { type: 'redis', redis: { io_timeout: random.pick(['700ms', '2s', '4s']) } },
    holdfast: {
      workers: 2,
      node_timeout: `${NODE_TIMEOUT_MS}ms`,
      linger: random.pick(['0s', '300ms', '60s']),
      store_wait: random.pick(['500ms', '4s']),
      poll: { enabled: true },
      ...small,
    },
    client: { recovery_max_publication_limit: 0, ping_interval: '1s', pong_timeout: '700ms' },
    http_stream: { enabled: true },
    sse: { enabled: true },
    uni_sse: { enabled: true },
    uni_http_stream: { enabled: true },
    uni_websocket: { enabled: true },
    channel: {
      namespaces: [
        { name: 'all', ...KEPT, force_recovery: true },
        { name: 'delta', ...KEPT, force_recovery: true, allowed_delta_types: ['fossil'], delta_publish: true },
        { name: 'short', history_size: 8, history_ttl: '600s', force_recovery: true },
        { name: 'brief', history_size: 100, history_ttl: '1s', force_recovery: true },
        { name: 'cache', history_size: 5, history_ttl: '600s', force_recovery: true, force_recovery_mode: 'cache' },
        { name: 'auto', history_size: 1, history_ttl: '600s', force_recovery: true, force_recovery_mode: 'cache', auto_cache_recover: true },
        { name: 'place', history_size: 100, history_ttl: '600s', force_positioning: true },
      ],
    },
  };
}

// A node, its link to Redis, and the life that it has now.
class Node {
  constructor(system, number, broker, link) {
    Object.assign(this, { system, name: `node${number}`, broker, link, lives: 0 });
  }

  async start() {
    this.lives++;
    this.life = new Life(`${this.name}.${this.lives}`, TOLERATED_MS);
    this.system.ledger.lives.push(this.life);
    await this.broker.start({ until: '/health' });
  }

  async kill() {
    this.life.ended = this.system.clock();
    await this.broker.kill();
  }

  async terminate() {
    this.life.ended = this.system.clock();
    await this.broker.stop();
  }
}

export class System {
  constructor(t, random, { loses }) {
    Object.assign(this, { t, random });
    this.draft = draft(random, { loses });
    this.log = [];
    this.started = performance.now();
    this.clock = () => Math.round(performance.now() - this.started);
    this.ledger = new Ledger(this.clock);
    this.nodes = [];
    this.clients = [];
    this.served = new Map(); // client's name -> life that serves it
    this.sizes = []; // how much Redis had written, whenever it was more or less than before
    this.answers = {}; // what publishers were told, counted
    this.sent = 0;
    this.busy = new Set(); // what faults go on with
  }

  // Clients that go away and come back.
  get travellers() {
    return this.clients.filter((client) => client.leave);
  }

  tell(line) {
    this.log.push(`${String(this.clock()).padStart(7)} ${line}`);
  }

  async start() {
    const { t, random } = this;
    this.redis = await startRedis(t, { appendonly: true });
    this.config = configuration(random);
    this.tell(`faults ${[...new Set(this.draft.names)].join(' ')}, ${this.draft.gapMs} ms apart at most`);
    this.tell(`configuration ${JSON.stringify(this.config.holdfast)} ${JSON.stringify(this.config.engine)}`);
    for (let i = 0; i < NODES; i++) {
      const link = await startLink(t, this.redis.port);
      const engine = { type: 'redis', redis: { ...this.config.engine.redis, address: link.address } };
      const broker = await startBroker(t, { config: { ...this.config, engine }, start: false });
      this.nodes.push(new Node(this, i, broker, link));
    }
    await Promise.all(this.nodes.map((node) => node.start()));
    const order = random.fork();
    this.balancer = await startBalancer(t, this.nodes.map((node) => node.broker.port), {
      order: (ports) => order.shuffled(ports),
      onServed: (name, port) => this.served.set(name, this.nodes.find((node) => node.broker.port === port).life),
    });
    for (const [channel, options] of Object.entries(CHANNELS)) {
      for (const kind of options.kinds) this.#open(channel, kind, options);
    }
    this.#watch();
    await this.#settled('all clients are subscribed', () => this.clients.every(({ story }) => story.position));
  }

  #open(channel, kind, { kept = false, kind: recovery = 'stream', delta }) {
    const who = `${this.clients.length}-${kind}`;
    const life = () => this.served.get(who);
    const story = new Story(this.ledger, { who, channel, kind: recovery, isKept: kept, life });
    this.clients.push(WITNESSES[kind](this.t, this.balancer.port, story, { delta }));
  }

  // Looks how much Redis has written, and whether we stood still ourselves.
  #watch() {
    let last = this.clock();
    const timer = setInterval(() => {
      const now = this.clock();
      const bytes = this.redis.writtenBytes;
      if (bytes !== this.sizes.at(-1)) this.sizes.push(bytes);
      if (now - last > STALL_MS) {
        this.tell(`the machine stood still for ${now - last} ms`);
        for (const { life } of this.nodes) life.absences.push({ from: last, to: now });
      }
      last = now;
    }, 50);
    cleanup(this.t, () => clearInterval(timer));
  }

  // How much Redis had written so many looks ago.
  writtenBefore(looks) {
    return this.sizes.at(-1 - looks) ?? 0;
  }

  // Publishes one message. Returns its position when it is acknowledged. Some have an idempotency key and
  // are repeated, at whatever node, until they are.
  async publish(random, channel) {
    const id = `p${++this.sent}`;
    const pad = 'x'.repeat(random.chance(0.03) ? 20000 : random.between(0, 400));
    const message = { channel, data: { id, channel, pad } };
    if (!random.chance(0.25)) return this.#publishOnce(random, id, message);
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      if (attempt > 1) this.ledger.repeated.add(id);
      const position = await this.#publishOnce(random, id, { ...message, idempotency_key: id });
      if (position) return position;
      await pause(random.between(5, 300));
    }
    return undefined;
  }

  async #publishOnce(random, id, message) {
    const node = random.pick(this.nodes);
    const { life } = node;
    let answer;
    try {
      answer = await node.broker.api.raw('publish', message);
    } catch (error) {
      this.#count(error.code ?? error.message);
      return undefined; // the outcome is unknown
    }
    const { status, json } = answer;
    if (status === 200 && json?.result) {
      this.#count('acknowledged');
      this.ledger.acknowledge(message.channel, json.result, id, 'its publisher', life);
      return json.result;
    }
    this.#count(`${status} ${json?.error?.code ?? ''} ${json?.error?.message ?? ''}`);
    if (!(status === 200 && json?.error?.code === 100) && status !== 503) {
      this.ledger.violation('API', `publish was answered with ${status} ${answer.body.slice(0, 200)}`);
    }
    return undefined;
  }

  #count(answer) {
    this.answers[answer] = (this.answers[answer] ?? 0) + 1;
  }

  async #publishFor(random, isOver) {
    const often = Object.keys(CHANNELS).filter((channel) => !CHANNELS[channel].rare);
    const rare = Object.keys(CHANNELS).filter((channel) => CHANNELS[channel].rare);
    while (!isOver()) {
      await this.publish(random, random.pick(random.chance(0.02) ? rare : often));
      await pause(random.between(5, 60));
    }
  }

  // Things go wrong for ms milliseconds while messages are published; then everything is as it should be.
  async round(ms) {
    const steps = plan(this.random, this.draft, { ms, nodes: NODES, clients: this.travellers.length });
    let isOver = false;
    const publishers = Array.from({ length: PUBLISHERS }, () => this.#publishFor(this.random.fork(), () => isOver));
    const begin = this.clock();
    this.tell(`round of ${ms} ms, ${steps.length} faults`);
    const running = [];
    for (const step of steps) {
      await pause(Math.max(0, begin + step.at - this.clock()));
      running.push(this.#run(step));
    }
    await pause(Math.max(0, begin + ms - this.clock()));
    await Promise.all(running);
    isOver = true;
    await Promise.all(publishers);
    this.tell('the faults are over');
  }

  async #run({ fault, target, ...parameters }) {
    const { of, run } = FAULTS[fault];
    const what = { redis: undefined, client: this.travellers[target], node: this.nodes[target], link: this.nodes[target] }[of];
    const name = what?.life?.name ?? what?.story?.who ?? '';
    const busy = resource(fault, target);
    if (this.busy.has(busy)) {
      this.tell(`${fault} ${name} is left out: the last one took longer than planned`);
      return;
    }
    this.busy.add(busy);
    this.tell(`${fault} ${name} ${JSON.stringify(parameters)}`);
    try {
      const result = await run(this, parameters, what);
      this.tell(`${fault} ${name} is over ${typeof result === 'string' ? result : ''}`);
    } catch (error) {
      this.ledger.violation('FAULT', `${fault} ${name}: ${error.stack}`);
    } finally {
      this.busy.delete(busy);
    }
  }

  // Waits for what must become true by itself, or notes a violation.
  async #settled(what, condition, explain = () => '', timeout = 30000) {
    const begin = this.clock();
    try {
      await until(what, condition, timeout);
      this.tell(`${what}: after ${this.clock() - begin} ms`);
      return true;
    } catch (error) {
      this.ledger.violation('R5', `${what}: not within ${timeout} ms; ${explain()} ${error.cause?.message ?? ''}`);
      return false;
    }
  }

  // R5  When all is well every node serves, and every client comes to the end of its channel: first without
  //     any further publication, then with one.
  async settle() {
    const { nodes, clients, redis } = this;
    const isReady = async () => {
      const all = await Promise.all(nodes.map(({ broker }) => broker.health('/health/ready')));
      return all.every(({ status }) => status === 200);
    };
    if (!(await this.#settled('all nodes are ready', isReady))) return;
    const tops = {};
    const behind = () => clients.filter(({ story }) => tops[story.channel] && !story.isAt(tops[story.channel]));
    const explain = () =>
      behind()
        .map(({ story }) => `${story.who} (${story.life()?.name}) at ${JSON.stringify(story.position)} of ${story.channel} ${JSON.stringify(tops[story.channel])} ${story.events.slice(-6).join(' | ')}`)
        .join('\n    ');
    const look = async () => {
      for (const channel of Object.keys(CHANNELS)) {
        const top = await redis.top(channel);
        // where nothing has been published since Redis lost all, nobody misses anything
        tops[channel] = top?.offset > 0 ? top : undefined;
      }
    };
    const isNobodyBehind = async () => {
      await look();
      return behind().length === 0;
    };
    if (!(await this.#settled('everybody is at the end', isNobodyBehind, explain))) return;
    for (const channel of Object.keys(CHANNELS)) {
      const isPublished = async () => (tops[channel] = await this.publish(this.random, channel));
      if (!(await this.#settled(`${channel} is published to`, isPublished, () => JSON.stringify(this.answers)))) return;
    }
    if (!(await this.#settled('everybody has the last', () => behind().length === 0, explain))) return;
    for (const { story, problem } of this.travellers.map((client) => ({ story: client.story, problem: client.problem() }))) {
      if (problem) this.ledger.violation('R5', `${story.who}: ${problem}: ${story.events.slice(-8).join(' | ')}`);
    }
    await this.#readRedis();
  }

  // What Redis holds is what everybody was shown. What was acknowledged and is kept is there.
  async #readRedis() {
    for (const [channel, { kept }] of Object.entries(CHANNELS)) {
      const stream = await this.redis.stream(channel);
      for (const entry of stream) this.ledger.seen(channel, entry, JSON.parse(entry.data).id, 'Redis');
      if (!kept || this.ledger.losses.length > 0) continue;
      const there = new Set(stream.map(({ id }) => id));
      const missing = this.ledger.acknowledged.filter((each) => each.channel === channel && !there.has(`${each.epoch}-${each.offset}`));
      for (const { epoch, offset, id } of missing) {
        this.ledger.violation('R2', `${id} was acknowledged at ${channel} ${epoch}-${offset}, and is not in Redis`);
      }
    }
  }

  summary() {
    const { ledger, clients } = this;
    const total = (count) => clients.reduce((sum, { story }) => sum + count(story), 0);
    return {
      deliveries: total((story) => story.deliveries),
      recovered: total((story) => story.recoveries.recovered),
      refused: total((story) => story.recoveries.refused),
      losses: ledger.losses.length,
      excused: ledger.excused.length,
      violations: ledger.violations.length,
      answers: this.answers,
    };
  }

  // Everything that is needed to see what happened, in files.
  keep(dir) {
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'log.txt'), `${this.log.join('\n')}\n`);
    const stories = this.clients.map(({ story }) => `${story.who} on ${story.channel}\n  ${story.events.join('\n  ')}\n`);
    writeFileSync(join(dir, 'clients.txt'), stories.join('\n'));
    const { positions, repeated } = this.ledger;
    const lines = [...positions].map(([key, { id, first, lives, who }]) => {
      const nodes = [...lives].map((life) => life.name);
      return `${first} ${key} ${id}${repeated.has(id) ? ' (repeated)' : ''} ${who} ${nodes}`;
    });
    writeFileSync(join(dir, 'positions.txt'), `${lines.join('\n')}\n`);
    for (const { name, broker } of this.nodes) {
      broker.children.forEach((child, i) => writeFileSync(join(dir, `${name}.${i + 1}.log`), child.output));
    }
    return dir;
  }
}
