/* Pace: how long publications gather before a worker delivers them, so that the more there is to
 * do, the cheaper it becomes: each socket gets what has gathered with one system call.
 *
 * A turn that spent a millisecond or more on deliveries (a fan-out to many) is followed by a rest
 * of the same length, rest_max_us at most. What takes less is never held up. Pure; one
 * thread; times are of one monotonic clock, in microseconds. */
#ifndef HF_SERVER_PACE_H
#define HF_SERVER_PACE_H

#include <stdint.h>

#define HF_PACE_REST_MIN_US 1000 /* what the loop's timers can measure */

/* Zeroed but for the first: rested. */
struct hf_pace {
    uint64_t rest_max_us; /* set by the owner, at any time; 0: never a rest */
    uint64_t began_us;    /* this turn's deliveries; 0: there were none */
    uint64_t rests_until_us;
};

/* There is something to deliver. 0: do it now; else how long to wait before asking again. */
uint64_t hf_pace_begin(struct hf_pace *pace, uint64_t now_us);

/* The turn is over and everything written. */
void hf_pace_end(struct hf_pace *pace, uint64_t now_us);

#endif
