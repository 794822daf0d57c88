#include "base64.h"

#include <stdint.h>

/* 0-63, or -1. */
static int value_of(enum hf_base64_alphabet alphabet, char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == (alphabet == HF_BASE64_URL ? '-' : '+')) {
        return 62;
    }
    return c == (alphabet == HF_BASE64_URL ? '_' : '/') ? 63 : -1;
}

bool hf_base64_decode(enum hf_base64_alphabet alphabet, struct hf_slice text, char *out,
                      size_t *out_len)
{
    size_t digits = text.len;
    size_t len = 0;
    uint32_t bits = 0;
    unsigned bit_count = 0;

    if (alphabet == HF_BASE64_STANDARD) {
        if (digits % 4 != 0) {
            return false;
        }
        for (int i = 0; i < 2 && digits > 0 && text.data[digits - 1] == '='; i++) {
            digits--;
        }
    }
    if (digits % 4 == 1) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        int value = value_of(alphabet, text.data[i]);

        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            out[len++] = (char)(unsigned char)(bits >> bit_count);
            bits &= (UINT32_C(1) << bit_count) - 1;
        }
    }
    *out_len = len;
    return bits == 0;
}

enum hf_base64_result hf_base64_decode_arena(struct hf_slice text, struct hf_arena *arena,
                                             struct hf_slice *out)
{
    size_t room = HF_BASE64_DECODED_MAX(text.len);
    char *bytes;
    size_t len;

    *out = (struct hf_slice){0};
    if (hf_slice_is_empty(text)) {
        return HF_BASE64_OK;
    }
    bytes = hf_arena_alloc(arena, room);
    if (bytes == NULL) {
        return HF_BASE64_NO_MEMORY;
    }
    if (!hf_base64_decode(HF_BASE64_STANDARD, text, bytes, &len)) {
        return HF_BASE64_MALFORMED;
    }
    *out = hf_slice(bytes, len);
    return HF_BASE64_OK;
}

size_t hf_base64_encode_url(struct hf_slice bytes, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    unsigned bit_count = 0;
    size_t len = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | (unsigned char)bytes.data[i];
        bit_count += 8;
        while (bit_count >= 6) {
            bit_count -= 6;
            out[len++] = digits[bits >> bit_count & 63];
        }
    }
    if (bit_count > 0) {
        out[len++] = digits[bits << (6 - bit_count) & 63];
    }
    return len;
}
