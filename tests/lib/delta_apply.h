/* Applies a delta in Fossil's format (proto/delta.h has the grammar), as a client does; strict, and
 * written apart from the encoder. Header-only, since the tests of proto link nothing else. */
#ifndef HF_TEST_DELTA_APPLY_H
#define HF_TEST_DELTA_APPLY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "slice.h"

struct delta_reader {
    const char *at;
    const char *end;
    bool is_bad;
};

static inline uint64_t delta_number(struct delta_reader *reader)
{
    const char *first = reader->at;
    uint64_t value = 0;

    for (; reader->at < reader->end; reader->at++) {
        char c = *reader->at;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'A' && c <= 'Z' ? c - 'A' + 10
                    : c == '_'             ? 36
                    : c >= 'a' && c <= 'z' ? c - 'a' + 37
                    : c == '~'             ? 63
                                           : -1;
        if (digit < 0) {
            break;
        }
        value = value * 64 + (uint64_t)digit;
        reader->is_bad |= value > UINT32_MAX;
    }
    reader->is_bad |= reader->at == first || (*first == '0' && reader->at > first + 1);
    return value;
}

static inline bool delta_mark(struct delta_reader *reader, char mark)
{
    if (reader->at == reader->end || *reader->at != mark) {
        return false;
    }
    reader->at++;
    return true;
}

static inline uint32_t delta_checksum(const unsigned char *at, size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i += 4) {
        uint32_t word = 0;
        for (size_t j = i; j < i + 4; j++) {
            word = word << 8 | (j < len ? at[j] : 0);
        }
        sum += word;
    }
    return sum;
}

/* One segment: its bytes. False: that was the checksum, or the patch is bad. */
static inline bool delta_segment(struct delta_reader *reader, struct hf_slice source,
                                 struct hf_slice *bytes, uint64_t *checksum)
{
    uint64_t number = delta_number(reader);

    if (reader->is_bad) {
        return false;
    }
    if (delta_mark(reader, ';')) {
        *checksum = number;
        return false;
    }
    if (delta_mark(reader, '@')) {
        uint64_t offset = delta_number(reader);

        reader->is_bad |= !delta_mark(reader, ',') || offset + number > source.len;
        *bytes = hf_slice(source.data + offset, (size_t)number);
    } else if (delta_mark(reader, ':') && number <= (uint64_t)(reader->end - reader->at)) {
        *bytes = hf_slice(reader->at, (size_t)number);
        reader->at += number;
    } else {
        reader->is_bad = true;
    }
    return !reader->is_bad;
}

/* The target, which the caller frees; NULL when the patch is not one for the source. */
static inline char *delta_apply(struct hf_slice source, struct hf_slice patch, size_t *len)
{
    struct delta_reader reader = {patch.data, patch.data + patch.len, false};
    uint64_t target_len = delta_number(&reader);
    uint64_t checksum = 0;
    struct hf_slice bytes;
    char *target;

    if (reader.is_bad || !delta_mark(&reader, '\n')) {
        return NULL;
    }
    target = malloc((size_t)target_len + 1);
    *len = 0;
    while (target != NULL && delta_segment(&reader, source, &bytes, &checksum)) {
        if (bytes.len > target_len - *len) {
            reader.is_bad = true;
            break;
        }
        memcpy(target + *len, bytes.data, bytes.len);
        *len += bytes.len;
    }
    if (target == NULL || reader.is_bad || reader.at != reader.end || *len != target_len ||
        checksum != delta_checksum((const unsigned char *)target, *len)) {
        free(target);
        return NULL;
    }
    return target;
}

#endif
