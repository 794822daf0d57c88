/* Pace: how long publications gather before a worker delivers them, so that the more there is to
 * do, the cheaper it becomes: each socket gets what has gathered with one write.
 *
 * A turn that spent HF_PACE_TURN_MIN_US or more on deliveries (a fan-out to many) is followed by a
 * rest HF_PACE_REST_FACTOR times as long, `rest_max_us` at most. What takes less is never held up.
 * Pure; one thread; times are of one monotonic clock, in microseconds. */
#ifndef HF_SERVER_PACE_H
#define HF_SERVER_PACE_H

#include <stdint.h>

#define HF_PACE_TURN_MIN_US 500
#define HF_PACE_REST_FACTOR 4

/* With all but rest_max_us zeroed: rested. */
struct hf_pace {
    uint64_t rest_max_us; /* 0: never rests */
    uint64_t began_us;    /* this turn's deliveries; 0: there were none */
    uint64_t rests_until_us;
};

/* There is something to deliver. 0: do it now; else how long to wait before asking again. */
uint64_t hf_pace_begin(struct hf_pace *pace, uint64_t now_us);

/* The turn is over and everything written. */
void hf_pace_end(struct hf_pace *pace, uint64_t now_us);

#endif
