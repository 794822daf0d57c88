/* Tail: the newest publications of a stream, kept in memory so that recovery needs no store.
 *
 * T1  Offsets are consecutive and of one epoch: item i has offset first + i.
 * T2  Limits hold after every call: at most `publications_max` items and `bytes_max` bytes (one
 *     publication larger than that leaves the tail empty).
 * One thread. The tail holds one reference of each publication in it. */
#ifndef HF_CORE_TAIL_H
#define HF_CORE_TAIL_H

#include <holdfast/publication.h>

struct hf_tail {
    struct hf_publication **items; /* ring of `capacity` slots, a power of two; NULL when 0 */
    uint32_t capacity;
    uint32_t head; /* slot of the oldest */
    uint32_t count;
    size_t bytes; /* sum of the items' sizes */
};

struct hf_tail_limits {
    uint32_t publications_max;
    size_t bytes_max;
};

void hf_tail_init(struct hf_tail *tail);
/* Drops everything and gives the memory back. The tail is usable afterwards. */
void hf_tail_clear(struct hf_tail *tail);

/* Offset of the oldest item, 0 when empty. */
uint64_t hf_tail_first(const struct hf_tail *tail);
/* The publication at `offset`, borrowed; NULL when it is not in the tail. */
struct hf_publication *hf_tail_at(const struct hf_tail *tail, uint64_t offset);

/* Adds the publication behind the newest; takes a reference. Drops the oldest above the limits.
 * Without memory the tail becomes empty, which is always correct: it is a cache. */
void hf_tail_append(struct hf_tail *tail, struct hf_publication *publication,
                    const struct hf_tail_limits *limits);
/* Adds what precedes the oldest item, newest first, until a limit is reached. `page` must end
 * right before the oldest item or overlap it; otherwise nothing happens. */
void hf_tail_prepend(struct hf_tail *tail, const struct hf_page *page,
                     const struct hf_tail_limits *limits);

/* The publications after offset `after` (which must be >= first - 1 and < newest), at most `limit`
 * and about `bytes_max` (at least one). One reference for the caller; NULL: no memory. */
struct hf_page *hf_tail_cut(const struct hf_tail *tail, uint64_t after, uint32_t limit,
                            size_t bytes_max);

#endif
