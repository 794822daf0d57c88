/* A timer wheel: very many deadlines, few of which ever pass, on one loop's clock.
 *
 * Pure: no clock and no loop of its own; one thread. Setting and cancelling cost O(1) and allocate
 * nothing, since entries are part of their owner's memory. A deadline is met by the first
 * hf_wheel_advance whose time has reached it, rounded up to a tick: never early.
 *
 * Four rings of slots count ticks in steps of 1, 2^8, 2^14 and 2^20. An entry waits in the ring
 * that its distance needs and moves to a finer one when that ring's slot comes up. What lies beyond
 * the last ring (about 77 days) waits in its last slot and is looked at again then. */
#ifndef HF_SERVER_WHEEL_H
#define HF_SERVER_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_WHEEL_TICK_MS UINT64_C(100)

struct hf_wheel;
struct hf_wheel_entry;

/* The deadline has passed; the entry is no longer set. It may be set again, and any entry may be
 * set or cancelled, from inside. */
typedef void hf_wheel_callback(struct hf_wheel_entry *entry, uint64_t now_ms);

/* Embedded in its owner, which finds itself with offsetof. Zeroed: not set. */
struct hf_wheel_entry {
    struct hf_wheel_entry *next;
    struct hf_wheel_entry **link; /* what points here; NULL: not set */
    uint64_t due_tick;
    hf_wheel_callback *callback; /* written by the owner before the first set */
};

/* `now_ms` is where the wheel's time begins. NULL: no memory. */
struct hf_wheel *hf_wheel_new(uint64_t now_ms);
/* Entries that are still set are left alone and must not be used with the wheel again. */
void hf_wheel_free(struct hf_wheel *wheel);

/* Sets or moves the entry; UINT64_MAX cancels. A deadline in the past is met by the next advance
 * that reaches another tick. */
void hf_wheel_set(struct hf_wheel *wheel, struct hf_wheel_entry *entry, uint64_t deadline_ms);
void hf_wheel_cancel(struct hf_wheel *wheel, struct hf_wheel_entry *entry);
static inline bool hf_wheel_is_set(const struct hf_wheel_entry *entry)
{
    return entry->link != NULL;
}

/* Brings the wheel to `now_ms` (never backwards) and calls what is due, in order of ticks. */
void hf_wheel_advance(struct hf_wheel *wheel, uint64_t now_ms);

/* When hf_wheel_advance has to be called next, at the latest; UINT64_MAX: nothing is set. May be
 * earlier than the next deadline. */
uint64_t hf_wheel_next_ms(const struct hf_wheel *wheel);

#endif
