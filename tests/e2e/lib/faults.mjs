// What can go wrong with a system of nodes, their links to Redis, Redis and clients; and a plan of it, which
// a seed decides. Each fault has
//   of     what it happens to: 'redis', or one 'node', 'link' (between that node and Redis), 'client'
//   loses  whether Redis loses something by it
//   draw   its parameters; `ms` is about how long it takes
//   run    does it and undoes it: (world, parameters, target)
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function restartRedis({ redis, ledger }, { ms }, lose = () => {}) {
  await redis.kill();
  const bytes = redis.writtenBytes;
  lose();
  const lost = bytes - redis.writtenBytes;
  if (lost > 0) ledger.loss();
  await pause(ms);
  await redis.start();
  return lost > 0 ? `${lost} of ${bytes} bytes were lost` : '';
}

async function configured(redis, name, value, ms, back) {
  await redis.command('CONFIG', 'SET', name, value);
  await pause(ms);
  await redis.command('CONFIG', 'SET', name, back);
}

export const FAULTS = {
  // nodes
  kill: {
    of: 'node', weight: 4,
    draw: (random) => ({ ms: random.between(50, 2500) }),
    run: async (world, { ms }, node) => {
      await node.kill();
      await pause(ms);
      await node.start();
    },
  },
  terminate: {
    of: 'node', weight: 2,
    draw: (random) => ({ ms: random.between(50, 1500) }),
    run: async (world, { ms }, node) => {
      await node.terminate();
      await pause(ms);
      await node.start();
    },
  },
  stop: {
    of: 'node', weight: 4,
    draw: (random) => ({ ms: random.chance(0.6) ? random.between(200, 1500) : random.between(1500, 8000) }),
    run: async (world, { ms }, node) => {
      const back = node.life.absent(world.clock);
      node.broker.child.signal('SIGSTOP');
      await pause(ms);
      node.broker.child.signal('SIGCONT');
      back();
    },
  },
  cut_clients: {
    of: 'node', weight: 3,
    draw: () => ({ ms: 0 }),
    run: async (world, parameters, node) => world.balancer.cut(node.broker.port),
  },
  // one client
  leave: {
    of: 'client', weight: 5,
    draw: (random) => ({ ms: random.between(50, 5000) }),
    run: async (world, { ms }, client) => {
      client.leave();
      await pause(ms);
      client.join();
    },
  },
  // links
  delay: {
    of: 'link', weight: 2,
    draw: (random) => ({ ms: random.between(500, 4000), delayMs: random.between(5, 300) }),
    run: async (world, { ms, delayMs }, node) => {
      node.link.delayMs = delayMs;
      await pause(ms);
      node.link.delayMs = 0;
    },
  },
  hold: {
    of: 'link', weight: 3,
    draw: (random) => ({ ms: random.chance(0.6) ? random.between(100, 1500) : random.between(1500, 6000) }),
    run: async (world, { ms }, node) => {
      const back = node.life.absent(world.clock);
      node.link.isHeld = true;
      await pause(ms);
      node.link.release();
      back();
    },
  },
  half_open: {
    of: 'link', weight: 3,
    draw: (random) => ({ ms: random.between(20, 1500) }),
    run: async (world, { ms }, node) => {
      const back = node.life.absent(world.clock);
      node.link.losesReplies = true;
      await pause(ms);
      node.link.cut();
      node.link.losesReplies = false;
      back();
    },
  },
  refuse: {
    of: 'link', weight: 2,
    draw: (random) => ({ ms: random.between(0, 4000) }),
    run: async (world, { ms }, node) => {
      const back = node.life.absent(world.clock);
      node.link.refuses = true;
      node.link.cut();
      await pause(ms);
      node.link.refuses = false;
      back();
    },
  },
  // Redis
  redis_stop: {
    of: 'redis', weight: 3,
    draw: (random) => ({ ms: random.chance(0.6) ? random.between(100, 1000) : random.between(1000, 5000) }),
    run: async ({ redis }, { ms }) => {
      redis.pause();
      await pause(ms);
      redis.resume();
    },
  },
  redis_restart: {
    of: 'redis', weight: 3,
    draw: (random) => ({ ms: random.between(0, 2500) }),
    run: (world, parameters) => restartRedis(world, parameters),
  },
  redis_rollback: {
    of: 'redis', weight: 5, loses: true,
    draw: (random) => ({ ms: random.between(0, 2500), looks: random.between(0, random.pick([3, 40])) }),
    run: (world, parameters) => {
      const bytes = world.writtenBefore(parameters.looks);
      return restartRedis(world, parameters, () => world.redis.rollback(bytes));
    },
  },
  redis_empty: {
    of: 'redis', weight: 1, loses: true,
    draw: (random) => ({ ms: random.between(0, 2500) }),
    run: (world, parameters) => restartRedis(world, parameters, () => world.redis.forget()),
  },
  flush_all: {
    of: 'redis', weight: 1, loses: true,
    draw: () => ({ ms: 0 }),
    run: async ({ redis, ledger }) => {
      ledger.loss();
      await redis.command('FLUSHALL');
      ledger.loss(); // between the two
    },
  },
  kill_pubsub: {
    of: 'redis', weight: 3,
    draw: () => ({ ms: 0 }),
    run: ({ redis }) => redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub'),
  },
  kill_commands: {
    of: 'redis', weight: 3,
    draw: () => ({ ms: 0 }),
    run: ({ redis }) => redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'),
  },
  pause_writes: {
    of: 'redis', weight: 2,
    draw: (random) => ({ ms: random.between(100, 3000) }),
    run: async ({ redis }, { ms }) => {
      await redis.command('CLIENT', 'PAUSE', ms, 'WRITE');
      await pause(ms);
    },
  },
  out_of_memory: {
    of: 'redis', weight: 2,
    draw: (random) => ({ ms: random.between(100, 2500) }),
    run: ({ redis }, { ms }) => configured(redis, 'maxmemory', '1mb', ms, '0'),
  },
  forget_scripts: {
    of: 'redis', weight: 2,
    draw: () => ({ ms: 0 }),
    run: ({ redis }) => redis.command('SCRIPT', 'FLUSH'),
  },
};

// What it is left alone for afterwards, at least and at most.
const REST_MS = { redis: [100, 4000], node: [800, 3000], link: [800, 3000], client: [100, 1000] };

// A seed has some kinds of faults and not others, so that each comes often with each, and its own density.
export function draft(random, { loses }) {
  const possible = Object.keys(FAULTS).filter((name) => loses || !FAULTS[name].loses);
  const some = possible.filter(() => random.chance(0.6));
  const names = (some.length > 0 ? some : possible).flatMap((name) => Array(FAULTS[name].weight).fill(name));
  return { names, gapMs: random.pick([100, 300, 700]) };
}

// What a fault keeps busy: a node and its link are one.
export const resource = (fault, target) => `${FAULTS[fault].of.replace('link', 'node')} ${target}`;

// Steps [{ at, fault, target, ... }] for ms milliseconds from such a draft, at most one at a time on Redis, on
// a node with its link, and on a client.
export function plan(random, { names, gapMs }, { ms, nodes, clients }) {
  const freeAt = new Map();
  const steps = [];
  for (let at = 300; at < ms; at += random.between(20, gapMs)) {
    const fault = random.pick(names);
    const { of, draw } = FAULTS[fault];
    const target = of === 'redis' ? 0 : random.between(0, (of === 'client' ? clients : nodes) - 1);
    const parameters = draw(random);
    const busy = resource(fault, target);
    if (at < (freeAt.get(busy) ?? 0)) continue;
    freeAt.set(busy, at + parameters.ms + random.between(...REST_MS[of]));
    steps.push({ at, fault, target, ...parameters });
  }
  return steps;
}
