/* Base64 (RFC 4648), both alphabets, strict: no blanks, no bits left over. Pure, any thread. */
#ifndef HF_SERVER_BASE64_H
#define HF_SERVER_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "slice.h"

enum hf_base64_alphabet {
    HF_BASE64_STANDARD, /* with + and /, padded with = */
    HF_BASE64_URL,      /* with - and _, never padded */
};

/* Room that decoding `len` characters needs, and encoding `len` bytes as HF_BASE64_URL. */
#define HF_BASE64_DECODED_MAX(len) ((len) / 4 * 3 + 3)
#define HF_BASE64_ENCODED_MAX(len) ((len) / 3 * 4 + 4)

/* Decodes into `out` (HF_BASE64_DECODED_MAX bytes). False when the text is not this encoding. */
bool hf_base64_decode(enum hf_base64_alphabet alphabet, struct hf_slice text, char *out,
                      size_t *out_len) __attribute__((warn_unused_result));

enum hf_base64_result { HF_BASE64_OK, HF_BASE64_MALFORMED, HF_BASE64_NO_MEMORY };
/* The same of the standard alphabet with room from the arena; an empty text gives an empty *out. */
enum hf_base64_result hf_base64_decode_arena(struct hf_slice text, struct hf_arena *arena,
                                             struct hf_slice *out)
    __attribute__((warn_unused_result));

/* Encodes as HF_BASE64_URL into `out` (HF_BASE64_ENCODED_MAX bytes, no NUL); returns the length. */
size_t hf_base64_encode_url(struct hf_slice bytes, char *out);

#endif
