#include "delta.h"

#include <stdlib.h>

#define BLOCK     8u                  /* bytes that are looked up */
#define SLOTS_MAX (UINT32_C(1) << 16) /* of the index */

/* Which block of the source has which hash: the first one, so that runs match at their full length.
 * 0 for none, else its offset + 1. */
struct index {
    uint32_t *slots; /* owned */
    unsigned bits;   /* of their number */
};

struct encoder {
    const unsigned char *source;
    const unsigned char *target;
    size_t source_len;
    size_t target_len;
    struct index index;
    struct hf_buffer *patch;
};

/* A run of bytes that both texts have. */
struct match {
    size_t source_at;
    size_t target_at;
    size_t len;
};

/* --- numbers -------------------------------------------------------------------------------- */

static unsigned count_digits(uint32_t value)
{
    unsigned count = 1;

    while (value >= 64) {
        value >>= 6;
        count++;
    }
    return count;
}

static void append_number(struct hf_buffer *patch, uint32_t value)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

    for (unsigned left = count_digits(value); left > 0; left--) {
        hf_buffer_append_char(patch, digits[value >> 6 * (left - 1) & 63]);
    }
}

static uint32_t checksum(const unsigned char *at, size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum += (uint32_t)at[i] << 8 * (3 - i % 4);
    }
    return sum;
}

/* --- the index of the source ---------------------------------------------------------------- */

static uint32_t slot_of(const struct index *index, const unsigned char *block)
{
    uint64_t word;

    memcpy(&word, block, sizeof(word));
    return (uint32_t)(word * UINT64_C(0x9e3779b97f4a7c15) >> (64 - index->bits));
}

/* Every block of a short source; of a long one every n-th, as many as there are slots. */
static bool index_build(struct encoder *encoder)
{
    struct index *index = &encoder->index;
    size_t step = encoder->source_len / SLOTS_MAX + 1;

    index->bits = 4;
    while (index->bits < 16 && (size_t)1 << index->bits < encoder->source_len) {
        index->bits++;
    }
    index->slots = calloc((size_t)1 << index->bits, sizeof(*index->slots));
    if (index->slots == NULL) {
        return false;
    }
    for (size_t at = 0; at + BLOCK <= encoder->source_len; at += step) {
        uint32_t *slot = &index->slots[slot_of(index, encoder->source + at)];

        if (*slot == 0) {
            *slot = (uint32_t)at + 1;
        }
    }
    return true;
}

/* --- matches -------------------------------------------------------------------------------- */

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* How far the texts are the same from these places on. */
static size_t same_ahead(const struct encoder *encoder, size_t source_at, size_t target_at)
{
    size_t most = encoder->source_len - source_at;
    size_t len = 0;

    if (encoder->target_len - target_at < most) {
        most = encoder->target_len - target_at;
    }
    while (len < most && encoder->source[source_at + len] == encoder->target[target_at + len]) {
        len++;
    }
    return len;
}

/* Cuts off what belongs to characters that begin before the match or end behind it: at most three
 * bytes of one in UTF-8. */
static void trim_to_characters(const struct encoder *encoder, struct match *match)
{
    size_t end = match->target_at + match->len;

    for (int i = 0; i < 3 && match->len > 0; i++) {
        if (is_continuation(encoder->target[match->target_at])) {
            match->source_at++;
            match->target_at++;
            match->len--;
        }
    }
    for (int i = 0; i < 3 && match->len > 0; i++) {
        if (end < encoder->target_len && is_continuation(encoder->target[end])) {
            match->len--;
            end--;
        }
    }
}

/* The run around the block at target_at, which reaches back to `start` at most. False: the source
 * has none that is worth a copy. */
static bool find_match(const struct encoder *encoder, size_t start, size_t target_at,
                       struct match *match)
{
    uint32_t slot = encoder->index.slots[slot_of(&encoder->index, encoder->target + target_at)];

    if (slot == 0 || memcmp(encoder->source + slot - 1, encoder->target + target_at, BLOCK) != 0) {
        return false;
    }
    match->source_at = slot - 1;
    match->target_at = target_at;
    match->len = same_ahead(encoder, match->source_at, target_at);
    while (match->target_at > start && match->source_at > 0 &&
           encoder->source[match->source_at - 1] == encoder->target[match->target_at - 1]) {
        match->source_at--;
        match->target_at--;
        match->len++;
    }
    trim_to_characters(encoder, match);
    /* A copy costs its two numbers and marks, and another insert behind it. */
    return match->len >
           count_digits((uint32_t)match->len) + count_digits((uint32_t)match->source_at) + 2 + 2;
}

/* --- the patch ------------------------------------------------------------------------------ */

static void append_insert(const struct encoder *encoder, size_t start, size_t end)
{
    if (end > start) {
        append_number(encoder->patch, (uint32_t)(end - start));
        hf_buffer_append_char(encoder->patch, ':');
        hf_buffer_append(encoder->patch, encoder->target + start, end - start);
    }
}

static void append_copy(const struct encoder *encoder, const struct match *match)
{
    append_number(encoder->patch, (uint32_t)match->len);
    hf_buffer_append_char(encoder->patch, '@');
    append_number(encoder->patch, (uint32_t)match->source_at);
    hf_buffer_append_char(encoder->patch, ',');
}

/* What both texts begin with: found without a look-up, since most changes are in the middle. */
static size_t copy_start(const struct encoder *encoder)
{
    struct match match = {.len = same_ahead(encoder, 0, 0)};

    trim_to_characters(encoder, &match);
    if (match.target_at != 0 || match.len < BLOCK) {
        return 0;
    }
    append_copy(encoder, &match);
    return match.len;
}

static void append_segments(const struct encoder *encoder)
{
    size_t start = copy_start(encoder); /* of what is not in the patch yet */
    size_t at = start;

    while (at + BLOCK <= encoder->target_len && encoder->patch->len < encoder->target_len) {
        struct match match;

        if (find_match(encoder, start, at, &match)) {
            append_insert(encoder, start, match.target_at);
            append_copy(encoder, &match);
            start = match.target_at + match.len;
            at = start;
        } else {
            at++;
        }
    }
    append_insert(encoder, start, encoder->target_len);
}

enum hf_delta_result hf_delta_encode(struct hf_slice source, struct hf_slice target,
                                     struct hf_buffer *patch)
{
    struct encoder encoder = {.source = (const unsigned char *)source.data,
                              .target = (const unsigned char *)target.data,
                              .source_len = source.len,
                              .target_len = target.len,
                              .patch = patch};

    if (source.len > HF_DELTA_TEXT_MAX || target.len > HF_DELTA_TEXT_MAX || source.len < BLOCK ||
        target.len < BLOCK) {
        return HF_DELTA_USELESS;
    }
    if (!index_build(&encoder)) {
        return HF_DELTA_NO_MEMORY;
    }
    append_number(patch, (uint32_t)target.len);
    hf_buffer_append_char(patch, '\n');
    append_segments(&encoder);
    append_number(patch, checksum(encoder.target, target.len));
    hf_buffer_append_char(patch, ';');
    free(encoder.index.slots);
    return hf_buffer_failed(patch) || patch->len < target.len ? HF_DELTA_OK : HF_DELTA_USELESS;
}
