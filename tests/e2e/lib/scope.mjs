// What a test opened, closed in reverse order when the test ends, however it ends.

const scopes = new WeakMap();

// cleanup registers close (may be async) to run after the test of context t. Every registered close
// runs, even when an earlier one failed; the first failure then fails the test.
export function cleanup(t, close) {
  let closers = scopes.get(t);
  if (!closers) {
    closers = [];
    scopes.set(t, closers);
    t.after(async () => {
      const errors = [];
      for (const each of closers.reverse()) {
        try {
          await each();
        } catch (error) {
          errors.push(error);
        }
      }
      if (errors.length > 0) throw errors[0];
    });
  }
  closers.push(close);
}

// until polls condition, which may be async, until it returns something true and returns that.
// An exception counts as "not yet"; after timeout ms the last one is part of the error.
export async function until(what, condition, timeout = 15000) {
  const deadline = Date.now() + timeout;
  let last;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`not within ${timeout} ms: ${typeof what === 'function' ? what() : what}`, {
        cause: last,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}

// within rejects when promise has not settled after timeout ms.
export async function within(what, promise, timeout = 15000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${timeout} ms: ${what}`)), timeout);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
