// Numbers that a seed decides.
export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  // 0 <= x < 1. The state is a counter whose bits are mixed (a Weyl sequence and a multiply-xorshift hash).
  next() {
    this.state = (this.state + 0x9e3779b9) >>> 0;
    let x = this.state;
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32;
  }

  // low <= n <= high, whole
  between(low, high) {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick(list) {
    return list[this.between(0, list.length - 1)];
  }

  chance(probability) {
    return this.next() < probability;
  }

  shuffled(list) {
    const rest = [...list];
    return list.map(() => rest.splice(this.between(0, rest.length - 1), 1)[0]);
  }

  // A generator of its own, which draws nothing more from this one.
  fork() {
    return new Random(Math.floor(this.next() * 2 ** 32));
  }
}
