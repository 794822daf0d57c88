/* Tags filter: a subscriber's condition on the tags of publications, as a tree of comparisons.
 *
 * The protocol's documentation of `tf` says what it means. A node is an operation over others (and,
 * or, not) or a leaf that compares the value of one tag. In short: eq, neq, in, nin; ex, nex (the
 * tag is there, or not); sw, ew, ct (starts with, ends with, contains); gt, gte, lt, lte compare
 * decimal numbers of any length exactly, and are false for what is none: an optional sign, digits,
 * and perhaps a point and more digits, 200 characters at most, 19 behind the point.
 * neq, nex and nin hold for a tag that is not there; in and nin take it for an empty text.
 *
 * A filter is immutable: any thread. */
#ifndef HF_SERVER_TAGS_FILTER_H
#define HF_SERVER_TAGS_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "command.h"
#include "slice.h"

struct hf_tags_filter;

struct hf_tags_filter_limits {
    size_t bytes_max;   /* of memory that the filter takes */
    unsigned depth_max; /* nodes from the root to a leaf, both counted */
};

enum hf_tags_filter_result {
    HF_TAGS_FILTER_OK,
    HF_TAGS_FILTER_BAD, /* not well-formed, or above a limit: *reason says which, a static text */
    HF_TAGS_FILTER_NO_MEMORY,
};

/* Checks and copies `root`. On HF_TAGS_FILTER_OK the caller owns *filter. */
enum hf_tags_filter_result hf_tags_filter_new(const struct hf_filter_node *root,
                                              const struct hf_tags_filter_limits *limits,
                                              struct hf_tags_filter **filter, const char **reason);
void hf_tags_filter_free(struct hf_tags_filter *filter); /* NULL is allowed */

struct hf_tag {
    struct hf_slice key;
    struct hf_slice value;
};

/* The tags of one publication, taken apart once for all filters. */
struct hf_tags {
    struct hf_tag *items; /* arena; of equal keys the last counts */
    size_t count;
};

/* text: a JSON object of texts, or empty for no tags; members of other types are no tags. It and
 * the arena's content must outlive *tags. False: no memory. */
bool hf_tags_read(struct hf_slice text, struct hf_arena *arena, struct hf_tags *tags);

bool hf_tags_filter_matches(const struct hf_tags_filter *filter, const struct hf_tags *tags);

#endif
