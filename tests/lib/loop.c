#include "loop.h"

#include <stddef.h>
#include <time.h>

#include <event2/event.h>

#define LOOK_MS 2

uint64_t hf_test_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool hf_loop_until(struct event_base *base, bool (*is_true)(void *context), void *context,
                   uint32_t deadline_ms)
{
    const struct timeval look = {0, LOOK_MS * 1000};
    uint64_t end_ms = hf_test_now_ms() + deadline_ms;
    while (!is_true(context)) {
        if (hf_test_now_ms() >= end_ms)
            return false;
        event_base_loopexit(base, &look);
        event_base_loop(base, EVLOOP_ONCE);
    }
    return true;
}

static bool never(void *context)
{
    (void)context;
    return false;
}

void hf_loop_for(struct event_base *base, uint32_t ms)
{
    hf_loop_until(base, never, NULL, ms);
}
