/* World: a virtual clock, a queue of what will happen, and one seeded source of chance.
 *
 * Everything in a simulated history comes from here, so a seed replays it exactly. One thread. */
#ifndef HF_SIM_WORLD_H
#define HF_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void world_action(void *subject, uint64_t number);

struct world_event {
    uint64_t at_ms;
    uint64_t sequence; /* equal times happen in the order of planning */
    world_action *action;
    void *subject;
    uint64_t number;
};

struct world {
    uint64_t now_ms;
    uint64_t chance;
    uint64_t sequence;
    struct world_event *events; /* binary heap, earliest first */
    size_t count, capacity;
};

void world_init(struct world *world, uint64_t seed);
void world_fini(struct world *world);

/* A number below `bound` (> 0). */
uint64_t world_below(struct world *world, uint64_t bound);
/* True `percent` times in a hundred. */
bool world_likely(struct world *world, unsigned percent);

/* Plans action(subject, number) in `delay_ms`. */
void world_plan(struct world *world, uint64_t delay_ms, world_action *action, void *subject,
                uint64_t number);
/* Lets the next planned thing happen. False: nothing is planned up to `until_ms`, and it is then.
 */
bool world_step(struct world *world, uint64_t until_ms);

#endif
