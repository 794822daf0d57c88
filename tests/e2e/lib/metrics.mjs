// What /metrics says of a node at this moment.
import assert from 'node:assert/strict';
import { parseExposition } from './exposition.mjs';
import { request } from './http.mjs';

class Metrics {
  constructor(families) {
    this.families = families;
  }

  // The value of the one sample of that name with (at least) these labels.
  get(name, labels = {}) {
    const family = [...this.families.values()].find((each) =>
      each.samples.some((sample) => each.name + sample.suffix === name),
    );
    assert.ok(family, `there is no ${name}`);
    const found = family.samples.filter(
      (sample) =>
        family.name + sample.suffix === name &&
        Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
    assert.equal(found.length, 1, `${name} ${JSON.stringify(labels)}`);
    return found[0].value;
  }
}

export async function readMetrics(port) {
  const { status, headers, body } = await request({ port, path: '/metrics', method: 'GET' });
  assert.equal(status, 200);
  assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  return new Metrics(parseExposition(body));
}
