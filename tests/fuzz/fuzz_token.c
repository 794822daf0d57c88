/* Tokens: whatever is sent as one has a clear verdict, and nobody forges one. The first byte says
 * whether the rest is a token as it travels, or the claims of one whose signature is believed. */
#include "base64.h"
#include "config/config.h"
#include "fuzz.h"
#include "pattern.h"
#include "token/token.h"

#define TEXT(text) ((char *)(uintptr_t)(text))
#define HEADER     "eyJhbGciOiJIUzI1NiJ9." /* {"alg":"HS256"} */
#define NOW_MS     (INT64_C(1700000000) * 1000)

enum { CLAIMS_MAX = 8192 };

static struct hf_token_verifier *verifier_new(bool skips_signature)
{
    static struct hf_config_token config; /* kept for all runs */
    const struct hf_pattern_limits limits = {10000, 65536};
    char why[HF_PATTERN_WHY_MAX];
    struct hf_token_verifier *verifier;

    if (config.hmac_secret_key == NULL) {
        config = (struct hf_config_token){
            .hmac_secret_key = TEXT("a secret that no input knows"),
            .hmac_previous_secret_key = TEXT(""),
            .rsa_public_key = TEXT(""),
            .ecdsa_public_key = TEXT(""),
            .jwks_public_endpoint = TEXT(""),
            .audience = TEXT(""),
            .issuer = TEXT(""),
            .user_id_claim = TEXT("sub"),
            .issuer_pattern = hf_pattern_new("^(a|b)*$", &limits, why),
        };
        assert(config.issuer_pattern != NULL);
    }
    verifier = hf_token_verifier_new(&config, skips_signature, NULL);
    assert(verifier != NULL);
    return verifier;
}

static enum hf_token_result verify(const struct hf_token_verifier *verifier, struct hf_slice token)
{
    struct hf_token_claims claims = {0};
    enum hf_token_result result = HF_TOKEN_OK;
    struct hf_arena arena;

    for (int kind = HF_TOKEN_CONNECTION; kind <= HF_TOKEN_SUBSCRIPTION; kind++) {
        const char *reason = NULL;

        hf_arena_init(&arena, 1 << 20);
        result = hf_token_verify(verifier, (enum hf_token_kind)kind, token, NOW_MS, &arena, &claims,
                                 &reason);
        assert((result == HF_TOKEN_OK) == (reason == NULL));
        if (result == HF_TOKEN_OK) {
            assert((kind == HF_TOKEN_SUBSCRIPTION) == (claims.sub.channel.len > 0));
            assert(claims.expire_at_s == 0 || claims.payload.len > 0);
            for (size_t i = 0; i < claims.subs_count; i++) {
                assert(claims.subs[i].channel.len > 0);
            }
        }
        hf_arena_fini(&arena);
    }
    return result;
}

static void verify_claims(const struct hf_token_verifier *verifier, struct hf_slice claims)
{
    char token[sizeof(HEADER) + CLAIMS_MAX * 4 / 3 + 8];
    size_t len = sizeof(HEADER) - 1;

    memcpy(token, HEADER, len);
    len += hf_base64_encode_url(claims, token + len);
    token[len++] = '.';
    char *copy = exact_copy((const uint8_t *)token, len);
    (void)verify(verifier, hf_slice(copy, len));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hf_token_verifier *strict;
    static struct hf_token_verifier *trusting;
    char *text;

    if (strict == NULL) {
        strict = verifier_new(false);
        trusting = verifier_new(true);
    }
    if (size == 0 || size > CLAIMS_MAX) {
        return 0;
    }
    text = exact_copy(data + 1, size - 1);
    if (data[0] % 2 == 0) {
        assert(verify(strict, hf_slice(text, size - 1)) != HF_TOKEN_OK);
        (void)verify(trusting, hf_slice(text, size - 1));
    } else {
        verify_claims(trusting, hf_slice(text, size - 1));
    }
    free(text);
    return 0;
}
