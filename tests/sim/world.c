#include "world.h"

#include <stdlib.h>
#include <string.h>

void world_init(struct world *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->chance = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    world->now_ms = 1000;
}

void world_fini(struct world *world)
{
    free(world->events);
}

/* splitmix64 */
static uint64_t next_number(struct world *world)
{
    uint64_t z = (world->chance += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t world_below(struct world *world, uint64_t bound)
{
    return next_number(world) % bound;
}

bool world_likely(struct world *world, unsigned percent)
{
    return world_below(world, 100) < percent;
}

static bool is_earlier(const struct world_event *a, const struct world_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->sequence < b->sequence;
}

static void swap(struct world_event *a, struct world_event *b)
{
    struct world_event c = *a;
    *a = *b;
    *b = c;
}

void world_plan(struct world *world, uint64_t delay_ms, world_action *action, void *subject,
                uint64_t number)
{
    if (world->count == world->capacity) {
        world->capacity = world->capacity > 0 ? world->capacity * 2 : 256;
        world->events = realloc(world->events, world->capacity * sizeof *world->events);
        if (world->events == NULL) {
            abort();
        }
    }
    size_t i = world->count++;
    world->events[i] =
        (struct world_event){world->now_ms + delay_ms, world->sequence++, action, subject, number};
    while (i > 0 && is_earlier(&world->events[i], &world->events[(i - 1) / 2])) {
        swap(&world->events[i], &world->events[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
}

static struct world_event take_first(struct world *world)
{
    struct world_event first = world->events[0];
    world->events[0] = world->events[--world->count];
    size_t i = 0;
    for (;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < world->count; child++) {
            if (is_earlier(&world->events[child], &world->events[least])) {
                least = child;
            }
        }
        if (least == i) {
            return first;
        }
        swap(&world->events[i], &world->events[least]);
        i = least;
    }
}

bool world_step(struct world *world, uint64_t until_ms)
{
    if (world->count == 0 || world->events[0].at_ms > until_ms) {
        world->now_ms = until_ms;
        return false;
    }
    struct world_event event = take_first(world);
    world->now_ms = event.at_ms;
    event.action(event.subject, event.number);
    return true;
}
