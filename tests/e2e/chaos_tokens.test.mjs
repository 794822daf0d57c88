// Chaos 38: forged positions over the protocol: the truth or an error, never another channel's data,
// and the node goes on.
import test from 'node:test';
import assert from 'node:assert/strict';
import { redisEngine, startBroker } from './lib/broker.mjs';
import { connectRaw } from './lib/raw.mjs';
import { startRedis } from './lib/redis.mjs';
import { until } from './lib/scope.mjs';

const VICTIM = 'chat:victim'; // 30 publications that nobody else must see
const MINE = 'chat:mine'; // 10

// The reply's text, or the code that the connection was closed with.
async function subscribe(t, broker, members) {
  const client = await connectRaw(t, broker.url);
  client.send(`{"id":77,"subscribe":{"channel":"${MINE}","recover":true,${members}}}`);
  let closed;
  client.closed.then(({ code }) => { closed = code; });
  await until(`an answer to ${members.slice(0, 100)}`, () => closed !== undefined || client.replies.get(77));
  const reply = client.replies.get(77);
  for (const text of client.frames) assert.ok(!text.includes('secret'), `data of ${VICTIM}: ${text.slice(0, 200)}`);
  client.ws.terminate();
  return { reply, closed };
}

function random(seed) {
  let x = seed;
  return (below) => {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    return (x >>> 8) % below;
  };
}

test('c38 forged and fuzzed positions -> not recovered or an error, no crash, no leak', { timeout: 90000 }, async (t) => {
  const redis = await startRedis(t);
  const broker = await startBroker(t, { config: redisEngine(redis) });
  for (let n = 1; n <= 30; n++) await broker.api.publish(VICTIM, { secret: n });
  for (let n = 1; n <= 10; n++) await broker.api.publish(MINE, { n });
  const { epoch: theirs } = await broker.api.history(VICTIM, { limit: 0 });
  const { epoch } = await broker.api.history(MINE, { limit: 0 });
  assert.notEqual(theirs, epoch);

  const honest = await subscribe(t, broker, `"epoch":"${epoch}","offset":7`);
  assert.equal(honest.reply.subscribe.recovered, true);
  assert.deepEqual(honest.reply.subscribe.publications.map(({ offset }) => offset), [8, 9, 10]);

  // what is well-formed is told the truth
  const wellFormed = [
    `"epoch":"${theirs}","offset":5`,
    `"epoch":"${theirs}","offset":30`,
    `"epoch":"${epoch}","offset":11`,
    `"epoch":"${epoch}","offset":18446744073709551615`,
    `"epoch":"${epoch}","offset":9007199254740993`,
    `"epoch":"${epoch}0","offset":10`,
    `"epoch":"0${epoch}","offset":10`,
    `"epoch":" ${epoch}","offset":10`,
    `"epoch":"-1","offset":10`,
    `"epoch":"18446744073709551615","offset":10`,
    `"epoch":"18446744073709551616","offset":10`,
    `"epoch":"9007199254740992","offset":0`,
    `"epoch":"*","offset":0`,
    `"epoch":"+","offset":0`,
    `"epoch":"${epoch}-0","offset":0`,
    `"epoch":"0","offset":18446744073709551615`,
    `"epoch":"${epoch}\\r\\nFLUSHALL\\r\\n","offset":0`,
    `"epoch":"${'9'.repeat(3000)}","offset":1`,
    `"epoch":"\\u0000","offset":1`,
  ];
  for (const members of wellFormed) {
    const { reply } = await subscribe(t, broker, members);
    assert.ok(reply?.subscribe, `${members.slice(0, 80)}: ${JSON.stringify(reply)}`);
    assert.ok(!reply.subscribe.recovered, members.slice(0, 80));
    assert.equal(reply.subscribe.publications?.length ?? 0, 0, members.slice(0, 80));
    assert.equal(reply.subscribe.epoch, epoch, 'it is told where the stream is');
    assert.equal(reply.subscribe.offset, 10);
  }

  // what is not is refused
  const malformed = [
    `"epoch":"${epoch}","offset":18446744073709551616`,
    `"epoch":"${epoch}","offset":-1`,
    `"epoch":"${epoch}","offset":1.5`,
    `"epoch":"${epoch}","offset":1e400`,
    `"epoch":${epoch},"offset":"x"`,
    `"epoch":"${epoch}","offset":{}`,
    `"epoch":["${epoch}"],"offset":1`,
  ];
  for (const members of malformed) {
    const { reply, closed } = await subscribe(t, broker, members);
    assert.ok(closed === 3501 || reply?.error?.code === 107, `${members}: ${closed} ${JSON.stringify(reply)}`);
  }

  const pick = random(38);
  for (let i = 0; i < 60; i++) {
    const text = Array.from({ length: pick(24) }, () => String.fromCharCode(32 + pick(95))).join('');
    const offset = [pick(12), 2 ** 32 + pick(100), 2 ** 52 + pick(100)][pick(3)];
    const { reply, closed } = await subscribe(t, broker, `"epoch":${JSON.stringify(text)},"offset":${offset}`);
    const isTrue = text === '' && offset <= 10; // no epoch given: the offset alone counts
    assert.ok(closed || reply.error || isTrue || !reply.subscribe.recovered, `${text} ${offset}`);
  }

  assert.equal((await broker.health('/health/ready')).status, 200);
  assert.equal((await broker.api.history(VICTIM)).publications.length, 30);
  const again = await subscribe(t, broker, `"epoch":"${epoch}","offset":10`);
  assert.equal(again.reply.subscribe.recovered, true);
});
