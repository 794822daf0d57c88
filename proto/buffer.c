#include "buffer.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_CAPACITY = 256 };

void hf_buffer_init(struct hf_buffer *buffer, size_t max)
{
    *buffer = (struct hf_buffer){.max = max};
}

void hf_buffer_fini(struct hf_buffer *buffer)
{
    free(buffer->data);
    hf_buffer_init(buffer, buffer->max);
}

void hf_buffer_reset(struct hf_buffer *buffer)
{
    buffer->len = 0;
    buffer->failed = false;
}

bool hf_buffer_grow(struct hf_buffer *buffer, size_t extra)
{
    bool is_limited = buffer->max != 0 && buffer->max < SIZE_MAX / 2;
    size_t limit = is_limited ? buffer->max : SIZE_MAX / 2;
    if (buffer->failed || extra > limit - buffer->len) {
        buffer->failed = true;
        return false;
    }
    size_t needed = buffer->len + extra;
    /* At least double, for amortised cost; exactly what is needed when more is asked at once. */
    size_t capacity = buffer->capacity != 0 ? 2 * buffer->capacity : FIRST_CAPACITY;
    if (capacity < needed) {
        capacity = needed;
    }
    if (capacity > limit) {
        capacity = limit;
    }
    char *data = realloc(buffer->data, capacity);
    if (!data) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

void hf_buffer_append_u64(struct hf_buffer *buffer, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    hf_buffer_append(buffer, digits + at, sizeof(digits) - at);
}

void hf_buffer_append_i64(struct hf_buffer *buffer, int64_t value)
{
    if (value < 0) {
        hf_buffer_append_char(buffer, '-');
        hf_buffer_append_u64(buffer, 0 - (uint64_t)value);
    } else {
        hf_buffer_append_u64(buffer, (uint64_t)value);
    }
}

void hf_buffer_truncate(struct hf_buffer *buffer, size_t len)
{
    assert(len <= buffer->len);
    buffer->len = len;
}

char *hf_buffer_take(struct hf_buffer *buffer, size_t *len)
{
    char *data = buffer->data;
    *len = buffer->len;
    if (buffer->failed || buffer->len == 0) {
        free(data);
        data = NULL;
        *len = 0;
    }
    hf_buffer_init(buffer, buffer->max);
    return data;
}
