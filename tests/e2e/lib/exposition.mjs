// A strict reader of Prometheus' text format 0.0.4: whatever the format does not allow, or what a
// server would take in silence and get wrong, is an error.
import assert from 'node:assert/strict';

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = '([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\\\\n]|\\\\\\\\|\\\\"|\\\\n)*)"';
const HELP = new RegExp(`^# HELP (${NAME}) ((?:[^\\\\\\n]|\\\\\\\\|\\\\n)+)$`);
const TYPE = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram|summary|untyped)$`);
const SAMPLE = new RegExp(`^(${NAME})(\\{(?:${LABEL})(?:,(?:${LABEL}))*\\})? ([0-9]+(?:\\.[0-9]+)?|\\+Inf|NaN)$`);

function labelsOf(text, line) {
  const labels = {};
  for (const [, name, value] of (text ?? '').matchAll(new RegExp(LABEL, 'g'))) {
    assert.ok(!(name in labels), `label twice: ${line}`);
    labels[name] = value.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
  }
  return labels;
}

function checkHistogram(family) {
  const groups = new Map(); // labels without le -> samples
  for (const { suffix, labels, value } of family.samples) {
    const { le, ...rest } = labels;
    const key = JSON.stringify(rest);
    const group = groups.get(key) ?? groups.set(key, { buckets: [] }).get(key);
    if (suffix === '_bucket') group.buckets.push([le, value]);
    else group[suffix] = value;
  }
  for (const [key, group] of groups) {
    const where = `${family.name} ${key}`;
    const bounds = group.buckets.map(([le]) => (le === '+Inf' ? Infinity : Number(le)));
    assert.deepEqual(bounds, [...new Set(bounds)].sort((a, b) => a - b), `${where}: bounds ascend`);
    assert.equal(bounds.at(-1), Infinity, where);
    const counts = group.buckets.map(([, value]) => value);
    assert.deepEqual(counts, [...counts].sort((a, b) => a - b), `${where}: counts are cumulative`);
    assert.equal(counts.at(-1), group._count, where);
    assert.ok(group._sum >= 0, where);
  }
}

// parseExposition(text): Map of family name -> { name, type, help, samples: [{ suffix, labels, value }] }
export function parseExposition(text) {
  assert.ok(text.endsWith('\n'), 'the last line ends with a newline');
  const families = new Map();
  const seen = new Set();
  let family;
  for (const line of text.slice(0, -1).split('\n')) {
    const help = line.match(HELP);
    const type = line.match(TYPE);
    if (help) {
      assert.ok(!families.has(help[1]), `family twice: ${line}`);
      family = { name: help[1], help: help[2], samples: [] };
      families.set(family.name, family);
    } else if (type) {
      assert.equal(type[1], family?.name, `TYPE stands behind its HELP: ${line}`);
      assert.equal(family.type, undefined, line);
      family.type = type[2];
    } else {
      const sample = line.match(SAMPLE);
      assert.ok(sample, `no line of the format: ${JSON.stringify(line)}`);
      assert.ok(family?.type && sample[1].startsWith(family.name), `sample outside its family: ${line}`);
      const suffix = sample[1].slice(family.name.length);
      const suffixes = family.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      assert.ok(suffixes.includes(suffix), `name of a sample: ${line}`);
      const series = line.slice(0, line.lastIndexOf(' '));
      assert.ok(!seen.has(series), `sample twice: ${line}`);
      seen.add(series);
      family.samples.push({ suffix, labels: labelsOf(sample[2], line), value: Number(sample.at(-1)) });
    }
  }
  for (const each of families.values()) {
    assert.ok(each.samples.length > 0 || each.type === 'counter' || each.type === 'histogram', `${each.name} has samples`);
    if (each.type === 'histogram') checkHistogram(each);
  }
  return families;
}
