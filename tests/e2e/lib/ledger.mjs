// What clients, publishers and Redis show of the streams, held against the contract
// (docs/architecture.md) from the outside. Times are milliseconds of one clock.
//
//   R1  offsets of an epoch come one after the other, without gap or repeat; another epoch, or a part
//       left out, only after a `subscribed` that says so; and no other epoch while Redis has lost nothing
//       and no node was away for long
//   R2  a position (channel, epoch, offset) has one payload, whoever shows it: clients, the answer to
//       the publisher, Redis
//   R3  a publication has one position
//   R4  who is told `recovered: false` gets no part of what was missed; and nobody is told so while
//       everything is kept and Redis has lost nothing
// When Redis has lost something, R2 and R3 hold as far as a node lives that knew better (the contract's
// sixth point): a node that has shown a position, and was neither restarted nor cut off for long since.

// One run of a node's program, from its start to its end.
export class Life {
  constructor(name, toleratedMs) {
    this.name = name;
    this.toleratedMs = toleratedMs; // silent for longer, the other nodes may take it for dead
    this.absences = []; // { from, to }; to is undefined while it lasts
    this.ended = undefined;
  }

  // Silent from now on; returns the function that ends it.
  absent(clock) {
    const absence = { from: clock() };
    this.absences.push(absence);
    return () => {
      absence.to = clock();
    };
  }

  // When it was silent for longer than is tolerated: [{ from, to }]
  silences(now) {
    const silences = [];
    for (const { from, to = now } of this.absences) {
      const last = silences.at(-1);
      // two with less than a heartbeat or a reconnection between count as one
      if (last && from - last.to < 1000) last.to = Math.max(last.to, to);
      else silences.push({ from, to });
    }
    return silences.filter(({ from, to }) => to - from >= this.toleratedMs);
  }

  // Whether it has lived, and could be heard, all the time from `since` to `now`.
  isSound(since, now) {
    return this.ended === undefined && !this.silences(now).some(({ to }) => to >= since);
  }
}

// What was lost may be shown for so long after: a moment; and longer by a node that was stopped meanwhile.
const MOMENT_MS = 500;
const LATE_MS = 10000;

const place = ({ epoch, offset }) => `${epoch}-${offset}`;

export class Ledger {
  constructor(clock = () => Math.round(performance.now())) {
    this.clock = clock;
    this.violations = [];
    this.excused = []; // conflicts that nobody alive could have prevented
    this.losses = []; // when Redis lost something
    this.lives = []; // of all nodes
    this.positions = new Map(); // "channel epoch-offset" -> { id, first, lives, who }
    this.publications = new Map(); // id -> [{ channel, epoch, offset, first, lives }]
    this.repeated = new Set(); // ids that were sent more than once under a key, which Redis may lose
    this.acknowledged = []; // { channel, epoch, offset, id }
  }

  violation(rule, text) {
    this.violations.push({ at: this.clock(), rule, text });
  }

  // Redis has lost, or is about to lose, something that it had.
  loss() {
    this.losses.push(this.clock());
  }

  // When Redis may first have lost what was first seen at that time; undefined: not at all.
  lostAt(first) {
    const since = (ms) => this.losses.find((loss) => loss >= first - ms);
    return since(MOMENT_MS) ?? since(LATE_MS);
  }

  // Publication `id` is at that position, says `who`, to whom node `life` has shown it (Redis: undefined).
  seen(channel, { epoch, offset }, id, who, life) {
    const position = { channel, epoch, offset };
    const now = this.clock();
    const key = `${channel} ${place(position)}`;
    let record = this.positions.get(key);
    if (record && record.id !== id) {
      this.#conflict('R2', record, life, `${key} is ${record.id} for ${record.who}, ${id} for ${who}`);
      record = undefined;
    }
    if (!record) {
      record = { ...position, id, first: now, lives: new Set(), who };
      this.positions.set(key, record);
      this.#oncePerEpoch(record, life);
    }
    if (life) record.lives.add(life);
  }

  #oncePerEpoch(record, life) {
    const others = this.publications.get(record.id) ?? [];
    for (const other of others) {
      const text = `${record.id} is at ${other.channel} ${place(other)} for ${other.who}, at ${record.channel} ${place(record)} for ${record.who}`;
      if (other.epoch === record.epoch) {
        if (other.offset !== record.offset) this.#conflict('R3', other, life, text);
      } else if (this.lostAt(other.first) === undefined) {
        this.violation('R3', `${text}; nothing was lost`);
      }
    }
    this.publications.set(record.id, [...others, record]);
  }

  // `known` has been shown, and node `life` now shows what contradicts it.
  #conflict(rule, known, life, text) {
    const now = this.clock();
    const lost = this.lostAt(known.first);
    if (lost === undefined) {
      this.violation(rule, `${text}; nothing was lost since`);
      return;
    }
    const since = Math.min(lost, known.first);
    const state = (node) => `${node.name} ${node.isSound(since, now) ? 'knew' : node.ended === undefined ? 'was away' : 'has ended'}`;
    const story = `${text}; lost at ${lost}, ${[...known.lives].map(state).join(', ') || 'unseen by any node'}`;
    const isKnown = [...known.lives].some((node) => node.isSound(since, now));
    const isStale = life !== undefined && !life.isSound(since, now);
    if (rule === 'R3' && this.repeated.has(known.id)) {
      this.excused.push({ at: now, rule, text: `${story}; its key may be lost` });
    } else if (isKnown && !isStale) {
      this.violation(rule, story);
    } else {
      this.excused.push({ at: now, rule, text: isStale ? `${story}; ${life.name} was away` : story });
    }
  }

  // The answer to the publisher.
  acknowledge(channel, position, id, who, life) {
    this.seen(channel, position, id, who, life);
    this.acknowledged.push({ channel, ...position, id });
  }
}

// One client's subscription of one channel.
export class Story {
  // kind: 'stream' (recovers all), 'cache' (recovers the newest), 'live' (only positioned)
  // isKept: nothing of the channel is ever trimmed or expires
  // life: () => the node's life that serves the client now
  constructor(ledger, { who, channel, kind, isKept, life }) {
    Object.assign(this, { ledger, who, channel, kind, isKept, life });
    this.position = undefined; // { epoch, offset } of the newest that it has
    this.isCatchingUp = false; // cache: the next publication may leave some out
    this.events = []; // what happened, as text
    this.recoveries = { recovered: 0, refused: 0 };
    this.deliveries = 0;
  }

  note(text) {
    this.events.push(`${this.ledger.clock()} ${text}`);
  }

  #violation(rule, text) {
    const last = this.events.slice(-8).join(' | ');
    this.ledger.violation(rule, `${this.who} on ${this.channel} (${this.life()?.name}): ${text}. ${last}`);
  }

  // count: of the publications that came with the answer
  subscribed({ epoch, offset, wasRecovering = false, recovered = false, count = 0 }) {
    const before = this.position;
    const result = `${wasRecovering ? (recovered ? 'recovered' : 'not recovered') : 'new'}`;
    this.note(`subscribed at ${place({ epoch, offset })} ${result}, ${count} with it, ${this.life()?.name}`);
    if (this.kind === 'stream' && wasRecovering !== (before !== undefined)) {
      this.#violation('R1', `wasRecovering is ${wasRecovering} at ${before && place(before)}`);
    }
    if (before && before.epoch !== epoch && this.ledger.losses.length === 0) this.#newEpoch(before);
    if (recovered && this.kind === 'stream') {
      this.recoveries.recovered++;
      if (before && before.epoch !== epoch) {
        this.#violation('R1', `recovered from ${place(before)} into another epoch, ${epoch}`);
      }
      this.position = { epoch, offset: before?.offset ?? offset };
      return;
    }
    if (wasRecovering && !recovered) {
      this.recoveries.refused++;
      if (count > 0) this.#violation('R4', `not recovered, and ${count} publications`);
      if (this.kind === 'stream' && this.isKept && this.ledger.losses.length === 0) {
        this.#violation('R4', `not recovered from ${before && place(before)}, and nothing was lost`);
      }
    }
    this.isCatchingUp = count > 0;
    this.newest = before;
    this.position = { epoch, offset };
  }

  // A node that the others took for dead cannot prove its place in what has been trimmed since, and then gives
  // the stream a new epoch.
  #newEpoch(before) {
    const { ledger } = this;
    const now = ledger.clock();
    const text = `another epoch than that of ${place(before)}, and nothing was lost`;
    const away = ledger.lives.filter((life) => life.silences(now).length > 0);
    if (this.isKept || away.length === 0) this.#violation('R1', text);
    else ledger.excused.push({ at: now, rule: 'R1', text: `${this.who} on ${this.channel}: ${text}; ${away.map((life) => life.name)} was away` });
  }

  publication(offset, payload) {
    this.note(`#${offset} ${payload.id}`);
    this.deliveries++;
    if (payload.channel !== this.channel) this.#violation('R2', `#${offset} is ${JSON.stringify(payload).slice(0, 80)}`);
    if (!this.position) {
      this.#violation('R1', `#${offset} before a subscription`);
      return;
    }
    if (this.isCatchingUp) {
      const { newest } = this;
      const isBack = newest?.epoch === this.position.epoch && offset <= newest.offset;
      if (isBack && this.ledger.losses.length === 0) {
        this.#violation('R1', `#${offset} from the cache behind ${place(newest)}`);
      }
      this.isCatchingUp = false;
    } else if (offset !== this.position.offset + 1) {
      this.#violation('R1', `#${offset} follows ${place(this.position)}`);
    }
    this.position = { epoch: this.position.epoch, offset };
    this.ledger.seen(this.channel, this.position, payload.id, this.who, this.life());
  }

  isAt(top) {
    return this.position?.epoch === top.epoch && this.position.offset === top.offset;
  }
}
