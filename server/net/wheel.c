#include "net/wheel.h"

#include <stdlib.h>
#include <string.h>

enum {
    RINGS = 4,
    FIRST_BITS = 8, /* slots of the finest ring, as a power of two */
    NEXT_BITS = 6,  /* of each coarser ring */
    FIRST_SLOTS = 1 << FIRST_BITS,
    NEXT_SLOTS = 1 << NEXT_BITS,
};

struct hf_wheel {
    uint64_t tick;    /* every entry due at or before it has been called */
    uint64_t wake_at; /* no work before this tick; may be too early after a cancel */
    uint64_t entries;
    struct hf_wheel_entry *first[FIRST_SLOTS];
    struct hf_wheel_entry *coarse[RINGS - 1][NEXT_SLOTS];
};

static unsigned ring_shift(unsigned ring)
{
    return ring == 0 ? 0 : FIRST_BITS + (ring - 1) * NEXT_BITS;
}

struct hf_wheel *hf_wheel_new(uint64_t now_ms)
{
    struct hf_wheel *wheel = calloc(1, sizeof(*wheel));
    if (wheel != NULL) {
        wheel->tick = now_ms / HF_WHEEL_TICK_MS;
    }
    return wheel;
}

void hf_wheel_free(struct hf_wheel *wheel)
{
    free(wheel);
}

static void link_entry(struct hf_wheel_entry **slot, struct hf_wheel_entry *entry)
{
    entry->next = *slot;
    entry->link = slot;
    if (entry->next != NULL) {
        entry->next->link = &entry->next;
    }
    *slot = entry;
}

static void unlink_entry(struct hf_wheel_entry *entry)
{
    *entry->link = entry->next;
    if (entry->next != NULL) {
        entry->next->link = entry->link;
    }
    entry->next = NULL;
    entry->link = NULL;
}

/* Puts an entry where its distance from the wheel's tick belongs. A ring's slot is opened when its
 * first tick is reached, so an entry may share a coarse slot with the present only by coming a
 * whole round later, which the distance check rules out. */
static void place(struct hf_wheel *wheel, struct hf_wheel_entry *entry)
{
    uint64_t due = entry->due_tick;
    if (due - wheel->tick < FIRST_SLOTS) {
        link_entry(&wheel->first[due % FIRST_SLOTS], entry);
        return;
    }
    for (unsigned ring = 1; ring < RINGS; ring++) {
        unsigned shift = ring_shift(ring);
        uint64_t distance = (due >> shift) - (wheel->tick >> shift);
        if (distance < NEXT_SLOTS) {
            link_entry(&wheel->coarse[ring - 1][(due >> shift) % NEXT_SLOTS], entry);
            return;
        }
    }
    uint64_t last = (wheel->tick >> ring_shift(RINGS - 1)) + NEXT_SLOTS - 1;
    link_entry(&wheel->coarse[RINGS - 2][last % NEXT_SLOTS], entry);
}

/* The tick at which the next coarse slot is opened. */
static uint64_t next_boundary(const struct hf_wheel *wheel)
{
    return (wheel->tick / FIRST_SLOTS + 1) * FIRST_SLOTS;
}

void hf_wheel_set(struct hf_wheel *wheel, struct hf_wheel_entry *entry, uint64_t deadline_ms)
{
    if (deadline_ms == UINT64_MAX) {
        hf_wheel_cancel(wheel, entry);
        return;
    }
    uint64_t due = deadline_ms / HF_WHEEL_TICK_MS + (deadline_ms % HF_WHEEL_TICK_MS != 0);
    if (due <= wheel->tick) {
        due = wheel->tick + 1; /* this tick's slot has been called already */
    }
    if (hf_wheel_is_set(entry)) {
        if (entry->due_tick == due) {
            return;
        }
        unlink_entry(entry);
    } else {
        wheel->entries++;
    }
    entry->due_tick = due;
    place(wheel, entry);
    uint64_t boundary = next_boundary(wheel);
    uint64_t work_at = due < boundary ? due : boundary;
    if (wheel->entries == 1 || work_at < wheel->wake_at) {
        wheel->wake_at = work_at;
    }
}

void hf_wheel_cancel(struct hf_wheel *wheel, struct hf_wheel_entry *entry)
{
    if (hf_wheel_is_set(entry)) {
        unlink_entry(entry);
        wheel->entries--;
    }
}

/* Moves what a coarse slot holds to finer rings. */
static void open_slot(struct hf_wheel *wheel, struct hf_wheel_entry **slot)
{
    struct hf_wheel_entry *entry = *slot;
    *slot = NULL;
    while (entry != NULL) {
        struct hf_wheel_entry *next = entry->next;
        entry->next = NULL;
        entry->link = NULL;
        place(wheel, entry);
        entry = next;
    }
}

static void open_slots_at(struct hf_wheel *wheel, uint64_t tick)
{
    for (unsigned ring = RINGS - 1; ring >= 1; ring--) {
        unsigned shift = ring_shift(ring);
        if (tick % (UINT64_C(1) << shift) == 0) {
            open_slot(wheel, &wheel->coarse[ring - 1][(tick >> shift) % NEXT_SLOTS]);
        }
    }
}

/* The next tick at which something must be done: a slot of the finest ring that is not empty, or
 * the opening of a coarse slot. */
static uint64_t next_tick(const struct hf_wheel *wheel)
{
    uint64_t boundary = next_boundary(wheel);
    for (uint64_t tick = wheel->tick + 1; tick < boundary; tick++) {
        if (wheel->first[tick % FIRST_SLOTS] != NULL) {
            return tick;
        }
    }
    return boundary;
}

static void run_slot(struct hf_wheel *wheel, struct hf_wheel_entry **slot, uint64_t now_ms)
{
    /* Taken off one by one: a callback may cancel any of the others. None can be added to this
     * slot, because a new deadline lies at least one tick and less than one round ahead. */
    while (*slot != NULL) {
        struct hf_wheel_entry *entry = *slot;
        unlink_entry(entry);
        wheel->entries--;
        entry->callback(entry, now_ms);
    }
}

void hf_wheel_advance(struct hf_wheel *wheel, uint64_t now_ms)
{
    uint64_t target = now_ms / HF_WHEEL_TICK_MS;
    while (wheel->tick < target) {
        uint64_t tick = wheel->entries == 0 ? UINT64_MAX : next_tick(wheel);
        if (tick > target) {
            wheel->tick = target;
            break;
        }
        wheel->tick = tick;
        open_slots_at(wheel, tick);
        run_slot(wheel, &wheel->first[tick % FIRST_SLOTS], now_ms);
    }
    wheel->wake_at = next_tick(wheel);
}

uint64_t hf_wheel_next_ms(const struct hf_wheel *wheel)
{
    return wheel->entries == 0 ? UINT64_MAX : wheel->wake_at * HF_WHEEL_TICK_MS;
}
