// The checks of the whole-system test notice what they are there for.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Ledger, Life, Story } from './lib/ledger.mjs';

const CHANNEL = 'all:a';
const payload = (id) => ({ id, channel: CHANNEL });

// A ledger on a clock of its own, one client of it, and the node that serves it.
function world(options = {}) {
  const time = { now: 0 };
  const ledger = new Ledger(() => ++time.now);
  const node = new Life('node0.1', 1000);
  const story = (more) => new Story(ledger, { who: 'client', channel: CHANNEL, kind: 'stream', isKept: true, life: () => node, ...options, ...more });
  const rules = () => ledger.violations.map(({ rule }) => rule);
  return { time, ledger, node, story, rules };
}

// A client that has publications 1 to n of epoch 7, which are named a1 to an.
function follower(story, n) {
  story.subscribed({ epoch: '7', offset: 0 });
  for (let i = 1; i <= n; i++) story.publication(i, payload(`a${i}`));
  return story;
}

test('a story without a fault -> nothing', () => {
  const { story, ledger, rules } = world();
  const client = follower(story(), 3);
  client.subscribed({ epoch: '7', offset: 3, wasRecovering: true, recovered: true, count: 1 });
  client.publication(4, payload('a4'));
  ledger.acknowledge(CHANNEL, { epoch: '7', offset: 4 }, 'a4', 'its publisher');
  ledger.loss();
  client.subscribed({ epoch: '8', offset: 5, wasRecovering: true, recovered: false });
  client.publication(6, payload('b6'));
  assert.deepEqual(rules(), []);
  assert.ok(client.isAt({ epoch: '8', offset: 6 }));
});

const FAULTS = {
  'a gap': ['R1', (client) => client.publication(5, payload('a5'))],
  'a repeat': ['R1', (client) => client.publication(3, payload('a3'))],
  'a gap behind recovered: true': ['R1', (client) => {
    client.subscribed({ epoch: '7', offset: 4, wasRecovering: true, recovered: true });
    client.publication(5, payload('a5'));
  }],
  'recovered in another epoch': ['R1', (client) => client.subscribed({ epoch: '8', offset: 3, wasRecovering: true, recovered: true })],
  'a resubscribe that forgot the client': ['R1', (client) => client.subscribed({ epoch: '7', offset: 3 })],
  'a publication before a subscription': ['R1', (client, more) => more().publication(1, payload('a1'))],
  'a publication of another channel': ['R2', (client) => client.publication(4, { id: 'a4', channel: 'all:b' })],
  'another payload than the publisher was told': ['R2', (client, more, ledger) => {
    ledger.acknowledge(CHANNEL, { epoch: '7', offset: 4 }, 'b4', 'its publisher');
    client.publication(4, payload('a4'));
  }],
  'another epoch, and nothing lost': ['R1', (client, more) => {
    const live = follower(more({ kind: 'live' }), 3);
    live.subscribed({ epoch: '8', offset: 0 });
  }],
  'two positions in one epoch': ['R3', (client) => client.publication(4, payload('a3'))],
  'two epochs, and nothing lost': ['R3', (client, more, ledger) => ledger.seen(CHANNEL, { epoch: '8', offset: 1 }, 'a3', 'Redis')],
  'refused, and nothing lost': ['R4', (client) => client.subscribed({ epoch: '7', offset: 5, wasRecovering: true })],
  'refused, with a part': ['R4', (client, more, ledger) => {
    ledger.loss();
    client.subscribed({ epoch: '7', offset: 5, wasRecovering: true, count: 2 });
  }],
};

for (const [what, [rule, run]] of Object.entries(FAULTS)) {
  test(`${what} -> ${rule}`, () => {
    const { story, ledger, rules } = world();
    run(follower(story(), 3), story, ledger);
    assert.deepEqual([...new Set(rules())], [rule], JSON.stringify(ledger.violations));
  });
}

test('cache: recovered with the newest, parts left out -> nothing; an older one -> R1', () => {
  const { story, rules } = world({ kind: 'cache', isKept: false });
  const client = follower(story(), 3);
  client.subscribed({ epoch: '7', offset: 9, wasRecovering: true, recovered: true, count: 1 });
  client.publication(9, payload('a9'));
  client.publication(10, payload('a10'));
  assert.deepEqual(rules(), []);
  client.subscribed({ epoch: '7', offset: 10, wasRecovering: true, recovered: true, count: 1 });
  client.publication(10, payload('a10'));
  assert.deepEqual(rules(), ['R1']);
});

test('a repeated publication at two positions -> R3, but not when Redis may have lost its key', () => {
  const { story, ledger, rules } = world();
  follower(story(), 3);
  ledger.repeated.add('a2').add('a3');
  ledger.seen(CHANNEL, { epoch: '7', offset: 4 }, 'a3', 'Redis');
  assert.deepEqual(rules(), ['R3']);
  ledger.loss();
  ledger.seen(CHANNEL, { epoch: '7', offset: 5 }, 'a2', 'Redis');
  assert.deepEqual(rules(), ['R3']);
});

test('an offset given twice after a loss -> R2 while the node lives that showed the first', () => {
  const { story, ledger, rules } = world();
  follower(story(), 3);
  ledger.loss();
  ledger.seen(CHANNEL, { epoch: '7', offset: 3 }, 'b3', 'Redis');
  assert.deepEqual(rules(), ['R2']);
});

for (const [what, happens] of Object.entries({
  'it has ended': ({ node, time }) => (node.ended = time.now),
  'it was away for long': ({ node, time }) => node.absences.push({ from: time.now, to: (time.now += 2000) }),
  'it was away in two parts': ({ node, time }) => {
    node.absences.push({ from: time.now, to: time.now + 600 }, { from: time.now + 700, to: time.now + 1300 });
    time.now += 1300;
  },
})) {
  test(`an offset given twice after a loss -> excused where nobody knew better: ${what}`, () => {
    const all = world();
    follower(all.story(), 3);
    happens(all);
    all.ledger.loss();
    all.ledger.seen(CHANNEL, { epoch: '7', offset: 3 }, 'b3', 'Redis');
    assert.deepEqual(all.rules(), []);
    assert.equal(all.ledger.excused.length, 1);
  });
}

test('another epoch, and nothing lost, after a node was away -> excused where something is trimmed, R1 elsewhere', () => {
  for (const isKept of [false, true]) {
    const { story, ledger, node, rules } = world({ isKept });
    ledger.lives.push(node);
    node.absences.push({ from: 0, to: 1000 });
    follower(story({ kind: 'cache' }), 3).subscribed({ epoch: '8', offset: 0, wasRecovering: true });
    assert.deepEqual(rules(), isKept ? ['R1'] : []);
    assert.equal(ledger.excused.length, isKept ? 0 : 1);
  }
});

test('what was shown late, by a node that was away during the loss -> excused', () => {
  const { story, ledger, node, time, rules } = world();
  node.absences.push({ from: time.now, to: time.now + 2000 });
  ledger.loss();
  time.now += 3000;
  follower(story(), 3);
  ledger.seen(CHANNEL, { epoch: '7', offset: 3 }, 'b3', 'Redis');
  assert.deepEqual(rules(), []);
  assert.equal(ledger.excused.length, 1);
});

test('a node that was away for a moment knows better all the same -> R2', () => {
  const { story, ledger, node, time, rules } = world();
  follower(story(), 3);
  const back = node.absent(() => time.now);
  time.now += 500;
  back();
  ledger.loss();
  ledger.seen(CHANNEL, { epoch: '7', offset: 3 }, 'b3', 'Redis');
  assert.deepEqual(rules(), ['R2']);
});
