/* Gathering: in a storm of arriving clients, what they send gathers between the turns of the loop.
 *
 * A client that comes back says three things and waits for an answer to each. Served one by one,
 * every one of them wakes the worker, and most of its time goes into falling asleep and waking up.
 * So while clients arrive fast, a turn that found little to do is followed by a rest of a
 * millisecond, and the next one serves all who have spoken since. Who arrives one by one never
 * waits, nor does anybody once a turn has its hands full. Pure; one thread; milliseconds are of one
 * monotonic clock. */
#ifndef HF_SERVER_GATHER_H
#define HF_SERVER_GATHER_H

#include <stdbool.h>
#include <stdint.h>

#define HF_GATHER_WINDOW_MS  20 /* over which arrivals are counted */
#define HF_GATHER_STORM      32 /* so many in a window are a storm until the end of the next one */
#define HF_GATHER_EVENTS_MIN 64 /* of a turn that is worth its waking up */
#define HF_GATHER_REST_US    1000

/* Zeroed: nobody has come. */
struct hf_gather {
    uint64_t window_at_ms; /* when the present window began */
    uint32_t arrivals;     /* in it */
    uint32_t events;       /* of the present turn */
    bool was_storm;        /* the window before was one */
};

/* A client has arrived. */
static inline void hf_gather_arrival(struct hf_gather *gather)
{
    gather->arrivals++;
    gather->events++;
}

/* The turn has had something else to do. */
static inline void hf_gather_event(struct hf_gather *gather)
{
    gather->events++;
}

/* The turn, which began at now_ms, is over: how long to rest, in microseconds. */
uint32_t hf_gather_end_turn(struct hf_gather *gather, uint64_t now_ms);

#endif
