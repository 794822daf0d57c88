// Random histories of the whole system: real nodes, a real Redis, real clients, and everything goes wrong
// on a seed, as in tests/sim for the core alone. lib/faults.mjs says what; lib/ledger.mjs and System.settle
// what is checked.
//   HF_TEST_SEED     what is drawn from (default: a fixed one); not everything: the machine has its say, too
//   HF_SYSTEM_MS     how long things go wrong (default: 30 s)
//   HF_SYSTEM_KEEP   where the story of a run with a violation is kept (default: the temporary directory);
//                    when given, also of one with what only looks like one
import test from 'node:test';
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from './lib/random.mjs';
import { System } from './lib/system.mjs';

const SEED = Number(process.env.HF_TEST_SEED ?? 20261122);
const FAULTS_MS = Number(process.env.HF_SYSTEM_MS ?? 30000);
const KEEP = process.env.HF_SYSTEM_KEEP;
const ROUND_MS = 10000;

test(`everything goes wrong for ${FAULTS_MS} ms, seed ${SEED} -> the contract holds`, { timeout: 10 * FAULTS_MS + 200000 }, async (t) => {
  const random = new Random(SEED);
  const loses = SEED % 3 !== 0; // every third run: whatever happens, Redis loses nothing
  const system = new System(t, random, { loses });
  try {
    await system.start();
    for (let left = FAULTS_MS; left > 0 && system.ledger.violations.length === 0; left -= ROUND_MS) {
      await system.round(Math.min(left, ROUND_MS));
      await system.settle();
    }
  } finally {
    const { violations, excused } = system.ledger;
    t.diagnostic(JSON.stringify(system.summary()));
    for (const { at, rule, text } of excused) t.diagnostic(`excused at ${at}: ${rule} ${text}`);
    if (violations.length > 0 || (KEEP && excused.length > 0)) {
      const dir = system.keep(join(KEEP ?? tmpdir(), `holdfast-system-${SEED}`));
      for (const line of system.log) t.diagnostic(line);
      for (const { at, rule, text } of violations.slice(0, 20)) t.diagnostic(`VIOLATION at ${at}: ${rule} ${text}`);
      t.diagnostic(`logs of clients, positions and nodes: ${dir}`);
    }
  }
  assert.deepEqual(system.ledger.violations, []);
});
