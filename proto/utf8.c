#include "utf8.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

size_t hf_utf8_char_len(const char *at, const char *end)
{
    const unsigned char *byte = (const unsigned char *)at;
    size_t left = (size_t)(end - at);
    unsigned char lead = byte[0];
    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xc2) { /* a continuation, or the start of an overlong form */
        return 0;
    }
    if (lead < 0xe0) {
        return left >= 2 && is_continuation(byte[1]) ? 2 : 0;
    }
    if (lead < 0xf0) {
        if (left < 3 || !is_continuation(byte[1]) || !is_continuation(byte[2])) {
            return 0;
        }
        bool is_overlong = lead == 0xe0 && byte[1] < 0xa0;
        bool is_surrogate = lead == 0xed && byte[1] >= 0xa0;
        return is_overlong || is_surrogate ? 0 : 3;
    }
    if (lead < 0xf5) {
        if (left < 4 || !is_continuation(byte[1]) || !is_continuation(byte[2]) ||
            !is_continuation(byte[3])) {
            return 0;
        }
        bool is_overlong = lead == 0xf0 && byte[1] < 0x90;
        bool is_above_range = lead == 0xf4 && byte[1] >= 0x90;
        return is_overlong || is_above_range ? 0 : 4;
    }
    return 0;
}

size_t hf_utf8_valid_prefix(const char *data, size_t len)
{
    if (len == 0) {
        return 0;
    }
    const char *at = data;
    const char *end = data + len;
    while (at < end) {
        uint64_t words[2];
        while ((size_t)(end - at) >= sizeof(words)) {
            memcpy(words, at, sizeof(words));
            if (((words[0] | words[1]) & HIGH_BITS) != 0) {
                break;
            }
            at += sizeof(words);
        }
        /* Whatever stopped the fast loop lies within the next 16 bytes. */
        const char *stop = (size_t)(end - at) > sizeof(words) ? at + sizeof(words) : end;
        while (at < stop) {
            size_t char_len = hf_utf8_char_len(at, end);
            if (char_len == 0) {
                return (size_t)(at - data);
            }
            at += char_len;
        }
    }
    return len;
}

bool hf_utf8_is_valid(const char *data, size_t len)
{
    return hf_utf8_valid_prefix(data, len) == len;
}

size_t hf_utf8_encode(uint32_t code_point, char out[4])
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xc0 | (code_point >> 6));
        out[1] = (char)(0x80 | (code_point & 0x3f));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (char)(0xe0 | (code_point >> 12));
        out[1] = (char)(0x80 | ((code_point >> 6) & 0x3f));
        out[2] = (char)(0x80 | (code_point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | (code_point >> 18));
    out[1] = (char)(0x80 | ((code_point >> 12) & 0x3f));
    out[2] = (char)(0x80 | ((code_point >> 6) & 0x3f));
    out[3] = (char)(0x80 | (code_point & 0x3f));
    return 4;
}
