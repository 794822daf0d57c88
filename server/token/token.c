#include "token/token.h"

#include <stdlib.h>
#include <string.h>

#include <holdfast/error.h>

#include "base64.h"
#include "json.h"
#include "token/token_claims.h"
#include "token/token_key.h"

struct hf_token_verifier {
    const struct hf_config_token *config;
    struct hf_token_keys keys;
    bool skips_signature;
};

/* The three parts of a token (RFC 7515 section 7.1). */
struct parts {
    struct hf_slice header; /* encoded, as the others */
    struct hf_slice payload;
    struct hf_slice signature;
    struct hf_slice signed_text; /* header and payload with their dot */
};

struct hf_token_verifier *hf_token_verifier_new(const struct hf_config_token *config,
                                                bool skips_signature)
{
    struct hf_token_verifier *verifier = calloc(1, sizeof(*verifier));
    const char *option;

    if (verifier == NULL) {
        return NULL;
    }
    verifier->config = config;
    verifier->skips_signature = skips_signature;
    if (hf_token_keys_init(&verifier->keys, config, &option) != NULL) {
        free(verifier);
        return NULL;
    }
    return verifier;
}

void hf_token_verifier_free(struct hf_token_verifier *verifier)
{
    if (verifier != NULL) {
        hf_token_keys_fini(&verifier->keys);
        free(verifier);
    }
}

static bool split(struct hf_slice token, struct parts *parts)
{
    const char *end = token.data + token.len;
    const char *first;
    const char *second;

    if (token.len < 3 || memcmp(token.data, "eyJ", 3) != 0) { /* `{"` in base64 */
        return false;
    }
    first = memchr(token.data, '.', token.len);
    if (first == NULL) {
        return false;
    }
    second = memchr(first + 1, '.', (size_t)(end - first - 1));
    if (second == NULL || memchr(second + 1, '.', (size_t)(end - second - 1)) != NULL) {
        return false;
    }
    parts->header = hf_slice(token.data, (size_t)(first - token.data));
    parts->payload = hf_slice(first + 1, (size_t)(second - first - 1));
    parts->signature = hf_slice(second + 1, (size_t)(end - second - 1));
    parts->signed_text = hf_slice(token.data, (size_t)(second - token.data));
    return true;
}

static enum hf_token_result decode_part(struct hf_slice encoded, struct hf_arena *arena,
                                        struct hf_slice *decoded)
{
    char *bytes = hf_arena_alloc(arena, HF_BASE64_DECODED_MAX(encoded.len));
    size_t len;

    if (bytes == NULL) {
        return HF_TOKEN_NO_MEMORY;
    }
    if (!hf_base64_decode(HF_BASE64_URL, encoded, bytes, &len)) {
        return HF_TOKEN_INVALID;
    }
    *decoded = hf_slice(bytes, len);
    return HF_TOKEN_OK;
}

/* Finds the algorithm. An extension that must be understood ("crit") is not. */
static enum hf_token_result read_header(struct hf_slice text, struct hf_arena *arena,
                                        struct hf_slice *algorithm)
{
    struct hf_json json;
    struct hf_json_key key;
    struct hf_slice name;
    enum hf_json_status status;

    hf_json_init(&json, text, HF_JSON_MAX_DEPTH);
    (void)hf_json_object_begin(&json);
    while (!hf_json_failed(&json) && hf_json_object_next(&json, &key) &&
           hf_json_key_text(&json, &key, arena, &name)) {
        if (hf_slice_equal(name, HF_SLICE("alg"))) {
            if (!hf_slice_is_empty(*algorithm)) {
                hf_json_fail(&json, "alg is given twice");
            }
            (void)hf_json_get_string(&json, arena, algorithm);
        } else if (hf_slice_equal(name, HF_SLICE("crit"))) {
            hf_json_fail(&json, "crit is not supported");
        } else {
            (void)hf_json_skip(&json);
        }
    }
    status = hf_json_end(&json);
    return status == HF_JSON_NO_MEMORY ? HF_TOKEN_NO_MEMORY
           : status == HF_JSON_OK      ? HF_TOKEN_OK
                                       : HF_TOKEN_INVALID;
}

static const char *check_signature(const struct hf_token_verifier *verifier,
                                   struct hf_slice algorithm, struct hf_slice signed_text,
                                   struct hf_slice signature, int64_t now_ms)
{
    if (verifier->skips_signature) {
        return NULL;
    }
    switch (
        hf_token_keys_verify(&verifier->keys, algorithm, signed_text, signature, now_ms / 1000)) {
    case HF_SIGNATURE_OK:
        return NULL;
    case HF_SIGNATURE_BAD:
        return "the signature is not ours";
    case HF_SIGNATURE_NOT_ENABLED:
        return "there is no key for the algorithm";
    }
    return "the signature is not ours";
}

/* Takes the token apart and checks its signature; the claims' text is in claims->payload then. */
static enum hf_token_result open_token(const struct hf_token_verifier *verifier,
                                       struct hf_slice token, int64_t now_ms,
                                       struct hf_arena *arena, struct hf_token_claims *claims,
                                       const char **reason)
{
    struct parts parts;
    struct hf_slice header;
    struct hf_slice signature = {0};
    enum hf_token_result result;

    *reason = "not three parts of base64 with a JSON header";
    if (!split(token, &parts)) {
        return HF_TOKEN_INVALID;
    }
    result = decode_part(parts.header, arena, &header);
    if (result == HF_TOKEN_OK) {
        result = read_header(header, arena, &claims->algorithm);
    }
    if (result == HF_TOKEN_OK) {
        result = decode_part(parts.payload, arena, &claims->payload);
    }
    if (result == HF_TOKEN_OK) {
        result = decode_part(parts.signature, arena, &signature);
    }
    if (result != HF_TOKEN_OK) {
        return result;
    }
    *reason = check_signature(verifier, claims->algorithm, parts.signed_text, signature, now_ms);
    return *reason == NULL ? HF_TOKEN_OK : HF_TOKEN_INVALID;
}

enum hf_token_result hf_token_verify(const struct hf_token_verifier *verifier,
                                     enum hf_token_kind kind, struct hf_slice token, int64_t now_ms,
                                     struct hf_arena *arena, struct hf_token_claims *claims,
                                     const char **reason)
{
    enum hf_token_result result;

    *claims = (struct hf_token_claims){0};
    result = open_token(verifier, token, now_ms, arena, claims, reason);
    if (result == HF_TOKEN_OK) {
        result = hf__token_claims_read(verifier->config, kind, now_ms, arena, claims, reason);
    }
    if (result == HF_TOKEN_NO_MEMORY) {
        *reason = "out of memory";
    }
    return result;
}

int hf_token_verifiers_open(struct hf_token_verifiers *verifiers, const struct hf_config *config)
{
    bool skips = config->client.insecure_skip_token_signature_verify;

    verifiers->connection = hf_token_verifier_new(&config->client.token, skips);
    verifiers->subscription = config->client.subscription_token.enabled
                                  ? hf_token_verifier_new(&config->client.subscription_token, skips)
                                  : verifiers->connection;
    if (verifiers->connection == NULL || verifiers->subscription == NULL) {
        hf_token_verifiers_close(verifiers);
        return HF_ENOMEM;
    }
    return HF_OK;
}

void hf_token_verifiers_close(struct hf_token_verifiers *verifiers)
{
    if (verifiers->subscription != verifiers->connection) {
        hf_token_verifier_free(verifiers->subscription);
    }
    hf_token_verifier_free(verifiers->connection);
    *verifiers = (struct hf_token_verifiers){0};
}
