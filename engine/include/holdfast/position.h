/* Positions in a stream: an epoch names one life of the stream, an offset counts in it from 1.
 *
 * In Redis a stream entry's ID is "<epoch>-<offset>", so both are numbers. An epoch is the
 * microsecond of its creation by the store's clock (so a later epoch is greater), below 2^53
 * because Lua numbers are doubles. Clients see the epoch as opaque decimal text. */
#ifndef HF_HOLDFAST_POSITION_H
#define HF_HOLDFAST_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_EPOCH_NONE      UINT64_C(0) /* not given: matches any epoch */
#define HF_EPOCH_FOREIGN   UINT64_MAX  /* a text that no stream of ours ever had */
#define HF_EPOCH_MAX       ((UINT64_C(1) << 53) - 1)
#define HF_EPOCH_TEXT_SIZE 21 /* decimal digits of a uint64_t and the NUL */

struct hf_position {
    uint64_t epoch;  /* HF_EPOCH_NONE: no stream position at all */
    uint64_t offset; /* 0: before the first publication of the epoch */
};

/* Decimal text of `epoch`, "" for HF_EPOCH_NONE. Returns its length. */
size_t hf_epoch_format(uint64_t epoch, char text[HF_EPOCH_TEXT_SIZE]);

/* The epoch that `text` names: HF_EPOCH_NONE for an empty text, HF_EPOCH_FOREIGN for one that
 * hf_epoch_format never wrote (leading zero, sign, too large, not digits). Never fails. */
uint64_t hf_epoch_parse(const char *text, size_t len);

static inline bool hf_position_equal(struct hf_position a, struct hf_position b)
{
    return a.epoch == b.epoch && a.offset == b.offset;
}

#endif
