/* JSON tokens: finds where strings, numbers, literals and whole values end, validating each byte on
 * the way. Private to the JSON reader and writers; pure, any thread.
 * A scan returns the first byte after the token, or NULL with the place and reason in *error. */
#ifndef HF_PROTO_JSON_SCAN_H
#define HF_PROTO_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct hf__json_error {
    const char *at;     /* where the text stops being JSON */
    const char *reason; /* static text */
};

/* at: the opening quote. */
const char *hf__json_scan_string(const char *at, const char *end, bool *has_escapes,
                                 struct hf__json_error *error);

/* at: a digit or minus sign. */
const char *hf__json_scan_number(const char *at, const char *end, struct hf__json_error *error);

/* at: the value's first byte, not a blank. depth_left: containers that may still be opened,
 * <= HF_JSON_MAX_DEPTH. */
const char *hf__json_scan_value(const char *at, const char *end, unsigned depth_left,
                                struct hf__json_error *error);

/* at: `u` of an escape that hf__json_scan_string has passed. */
uint32_t hf__json_hex4(const char *at);

static inline const char *hf__json_skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) {
        at++;
    }
    return at;
}

/* Bytes of a string that stand for themselves: no quote, backslash or control character, and, with
 * stop_at_high, none of a multi-byte character. */
static inline bool hf__json_is_plain(unsigned char byte, bool stop_at_high)
{
    return byte >= 0x20 && byte != '"' && byte != '\\' && !(stop_at_high && byte >= 0x80);
}

/* The first byte from `at` on that is not plain, or end. */
static inline const char *hf__json_skip_plain(const char *at, const char *end, bool stop_at_high)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i last_control = _mm_set1_epi8(0x1f);
    while (end - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i is_control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
        __m128i is_special =
            _mm_or_si128(is_control, _mm_or_si128(_mm_cmpeq_epi8(bytes, quote),
                                                  _mm_cmpeq_epi8(bytes, backslash)));
        if (stop_at_high) {
            is_special = _mm_or_si128(is_special, bytes);
        }
        unsigned mask = (unsigned)_mm_movemask_epi8(is_special);
        if (mask != 0) {
            return at + __builtin_ctz(mask);
        }
        at += 16;
    }
#endif
    while (at < end && hf__json_is_plain((unsigned char)*at, stop_at_high)) {
        at++;
    }
    return at;
}

#endif
