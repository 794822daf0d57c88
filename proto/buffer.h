/* Buffer: growable bytes that encoders append to. Any thread, one at a time.
 * Failure (memory, or the maximum reached) is sticky: later appends do nothing, so an encoder may
 * write everything and ask hf_buffer_failed() once at its end. After a failure the content is a
 * prefix of what was asked for and must not be sent. */
#ifndef HF_PROTO_BUFFER_H
#define HF_PROTO_BUFFER_H

#include "slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct hf_buffer {
    char *data;      /* owned, malloc'ed; NULL until the first append */
    size_t len;      /* bytes written, <= capacity */
    size_t capacity; /* bytes allocated */
    size_t max;      /* most bytes it may hold; 0 = no limit but memory */
    bool failed;     /* sticky, cleared by reset */
};

/* Starts empty and allocates nothing. max: bytes, 0 = unlimited. */
void hf_buffer_init(struct hf_buffer *buffer, size_t max);

/* Frees the memory and leaves the buffer as after init with the same max. */
void hf_buffer_fini(struct hf_buffer *buffer);

/* Empties it and clears the failure, keeping the memory for reuse. */
void hf_buffer_reset(struct hf_buffer *buffer);

/* The slow path of hf_buffer_reserve: only for when the capacity is too small. */
bool hf_buffer_grow(struct hf_buffer *buffer, size_t extra);

/* Decimal digits of the value. */
void hf_buffer_append_u64(struct hf_buffer *buffer, uint64_t value);
void hf_buffer_append_i64(struct hf_buffer *buffer, int64_t value);

/* Cuts back to a length it had before (len <= buffer->len); does not clear a failure. */
void hf_buffer_truncate(struct hf_buffer *buffer, size_t len);

/* Hands the memory to the caller, who frees it with free(); *len gets its bytes. The buffer is
 * empty afterwards. NULL when it failed (the memory is freed then) or when it is empty. */
char *hf_buffer_take(struct hf_buffer *buffer, size_t *len);

static inline bool hf_buffer_failed(const struct hf_buffer *buffer)
{
    return buffer->failed;
}

/* Makes room for `extra` more bytes. False, and failed is set, when that is not possible. */
static inline bool hf_buffer_reserve(struct hf_buffer *buffer, size_t extra)
{
    if (!buffer->failed && extra <= buffer->capacity - buffer->len) {
        return true;
    }
    return hf_buffer_grow(buffer, extra);
}

/* A view of the content, valid until the next call that changes the buffer. */
static inline struct hf_slice hf_buffer_slice(const struct hf_buffer *buffer)
{
    return hf_slice(buffer->data, buffer->len);
}

/* data: borrowed until return; may be NULL when len is 0; must not point into the buffer. */
static inline void hf_buffer_append(struct hf_buffer *buffer, const void *data, size_t len)
{
    if (len != 0 && hf_buffer_reserve(buffer, len)) {
        memcpy(buffer->data + buffer->len, data, len);
        buffer->len += len;
    }
}

static inline void hf_buffer_append_slice(struct hf_buffer *buffer, struct hf_slice slice)
{
    hf_buffer_append(buffer, slice.data, slice.len);
}

static inline void hf_buffer_append_char(struct hf_buffer *buffer, char c)
{
    hf_buffer_append(buffer, &c, 1);
}

#define HF_BUFFER_APPEND_LITERAL(buffer, literal)                                                  \
    hf_buffer_append((buffer), "" literal "", sizeof(literal) - 1)

#endif
