/* Backoff: how long to wait before the next attempt to connect. Pure: the caller brings the
 * randomness and the timer.
 *
 * Exponential with full jitter, so that the nodes of a cluster do not return in step: the n-th wait
 * is drawn evenly from [MIN, min(MAX, FIRST * 2^n)]. MIN keeps a server that accepts and closes at
 * once from being tried in a busy loop. */
#ifndef HF_REDIS_BACKOFF_H
#define HF_REDIS_BACKOFF_H

#include <stdint.h>

#define HF_BACKOFF_MIN_MS   10
#define HF_BACKOFF_FIRST_MS 50
#define HF_BACKOFF_MAX_MS   1000 /* an outage is followed by at most so long a one of our own */

struct hf_backoff {
    uint32_t attempts; /* since the last reset; 0 at the start */
};

/* The next wait in milliseconds. `random` is any evenly distributed number. */
uint32_t hf_backoff_next_ms(struct hf_backoff *backoff, uint64_t random);

/* After a success. */
void hf_backoff_reset(struct hf_backoff *backoff);

#endif
