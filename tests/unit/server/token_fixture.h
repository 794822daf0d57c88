/* Tokens for tests: JWTs of HS256 with the key "secret". After cmocka.h. Single thread. */
#ifndef HF_TEST_TOKEN_FIXTURE_H
#define HF_TEST_TOKEN_FIXTURE_H

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <openssl/hmac.h>

#include "slice.h"
#include "token/base64.h"

/* A token of HS256 over claims in printf form; the text lives until the next call but three. */
static inline const char *token_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline const char *token_of(const char *format, ...)
{
    static char texts[4][4096];
    static unsigned next;
    char *text = texts[next++ % 4];
    char claims[2048];
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len;
    size_t len;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(claims, sizeof(claims), format, args);
    va_end(args);
    len = hf_base64_encode_url(HF_SLICE("{\"alg\":\"HS256\"}"), text);
    text[len++] = '.';
    len += hf_base64_encode_url(hf_slice_of(claims), text + len);
    assert_non_null(
        HMAC(EVP_sha256(), "secret", 6, (const unsigned char *)text, len, mac, &mac_len));
    text[len++] = '.';
    len += hf_base64_encode_url(hf_slice((const char *)mac, mac_len), text + len);
    text[len] = '\0';
    return text;
}

static inline long long in_seconds(int seconds)
{
    return (long long)time(NULL) + seconds;
}

#endif
