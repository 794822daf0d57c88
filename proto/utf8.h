/* UTF-8: strict validation (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
 * Pure functions, any thread. */
#ifndef HF_PROTO_UTF8_H
#define HF_PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* data may be NULL when len is 0. */
bool hf_utf8_is_valid(const char *data, size_t len);

/* Bytes of the longest prefix that is valid and ends between characters. */
size_t hf_utf8_valid_prefix(const char *data, size_t len);

/* Bytes (1-4) of the one character at `at`, or 0 when the bytes before `end` hold no valid one.
 * at < end. */
size_t hf_utf8_char_len(const char *at, const char *end);

/* Writes the character as 1-4 bytes and returns how many. code_point: a Unicode scalar value. */
size_t hf_utf8_encode(uint32_t code_point, char out[4]);

#endif
