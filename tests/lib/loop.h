/* Loop: runs an event loop until something has come true, for tests. */
#ifndef HF_TESTS_LOOP_H
#define HF_TESTS_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;

#define HF_TEST_DEADLINE_MS 30000 /* generous: only a failing test waits for it */

/* Runs the loop until `is_true`; false: not within `deadline_ms`. */
bool hf_loop_until(struct event_base *base, bool (*is_true)(void *context), void *context,
                   uint32_t deadline_ms);

/* Runs the loop for `ms`, for what must not happen. */
void hf_loop_for(struct event_base *base, uint32_t ms);

/* Milliseconds of the monotonic clock. */
uint64_t hf_test_now_ms(void);

#endif
