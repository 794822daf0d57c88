#include "token/token.h"

#include <stdlib.h>
#include <string.h>

#include <holdfast/error.h>

#include "base64.h"
#include "json.h"
#include "token/jwks.h"
#include "token/token_claims.h"
#include "token/token_key.h"

struct hf_token_verifier {
    const struct hf_config_token *config;
    struct hf_token_keys keys;
    bool skips_signature;
    struct hf_jwks *jwks; /* ours to close; NULL: the keys above count */
};

struct header {
    struct hf_slice algorithm;
    struct hf_slice kid; /* empty: none */
};

/* The three parts of a token (RFC 7515 section 7.1). */
struct parts {
    struct hf_slice header; /* encoded, as the others */
    struct hf_slice payload;
    struct hf_slice signature;
    struct hf_slice signed_text; /* header and payload with their dot */
};

struct hf_token_verifier *hf_token_verifier_new(const struct hf_config_token *config,
                                                bool skips_signature, struct hf_jwks *jwks)
{
    struct hf_token_verifier *verifier = calloc(1, sizeof(*verifier));
    const char *option;

    if (verifier == NULL) {
        hf_jwks_close(jwks);
        return NULL;
    }
    verifier->jwks = jwks;
    verifier->config = config;
    verifier->skips_signature = skips_signature;
    if (hf_token_keys_init(&verifier->keys, config, &option) != NULL) {
        hf_jwks_close(jwks);
        free(verifier);
        return NULL;
    }
    return verifier;
}

void hf_token_verifier_free(struct hf_token_verifier *verifier)
{
    if (verifier != NULL) {
        hf_token_keys_fini(&verifier->keys);
        hf_jwks_close(verifier->jwks);
        free(verifier);
    }
}

void hf_token_verifier_wait(const struct hf_token_verifier *verifier)
{
    if (verifier->jwks != NULL) {
        hf_jwks_wait(verifier->jwks);
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

/* Finds algorithm and key. An extension that must be understood ("crit") is not. */
static enum hf_token_result read_header(struct hf_slice text, struct hf_arena *arena,
                                        struct header *header)
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
            if (!hf_slice_is_empty(header->algorithm)) {
                hf_json_fail(&json, "alg is given twice");
            }
            (void)hf_json_get_string(&json, arena, &header->algorithm);
        } else if (hf_slice_equal(name, HF_SLICE("kid"))) {
            (void)hf_json_get_string(&json, arena, &header->kid);
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

/* Checks the signature with the keys, which may be those of a key set. */
static enum hf_token_result check_with(const struct hf_token_keys *keys,
                                       const struct header *header, const struct parts *parts,
                                       struct hf_slice signature, int64_t now_ms,
                                       const char **reason)
{
    switch (hf_token_keys_verify(keys, header->algorithm, parts->signed_text, signature,
                                 now_ms / 1000)) {
    case HF_SIGNATURE_OK:
        return HF_TOKEN_OK;
    case HF_SIGNATURE_BAD:
        *reason = "the signature is not ours";
        return HF_TOKEN_INVALID;
    case HF_SIGNATURE_NOT_ENABLED:
        *reason = "there is no key for the algorithm";
        return HF_TOKEN_INVALID;
    }
    return HF_TOKEN_INVALID;
}

static enum hf_token_result check_signature(const struct hf_token_verifier *verifier,
                                            const struct header *header, const struct parts *parts,
                                            struct hf_slice signature, int64_t now_ms,
                                            const char **reason)
{
    struct hf_key_set *set = NULL;
    const struct hf_token_keys *keys;
    enum hf_token_result result = HF_TOKEN_INVALID;

    if (verifier->skips_signature) {
        return HF_TOKEN_OK;
    }
    if (verifier->jwks == NULL) {
        return check_with(&verifier->keys, header, parts, signature, now_ms, reason);
    }
    switch (hf_jwks_find(verifier->jwks, header->kid, &set, &keys)) {
    case HF_JWKS_FOUND:
        result = check_with(keys, header, parts, signature, now_ms, reason);
        break;
    case HF_JWKS_UNKNOWN:
        *reason = "there is no key of that kid";
        break;
    case HF_JWKS_PENDING:
        *reason = "its key is being fetched";
        result = HF_TOKEN_KEY_PENDING;
        break;
    }
    hf_key_set_unref(set);
    return result;
}

/* Takes the token apart and checks its signature; the claims' text is in claims->payload then. */
static enum hf_token_result open_token(const struct hf_token_verifier *verifier,
                                       struct hf_slice token, int64_t now_ms,
                                       struct hf_arena *arena, struct hf_token_claims *claims,
                                       const char **reason)
{
    struct parts parts;
    struct header header = {0};
    struct hf_slice header_text;
    struct hf_slice signature = {0};
    enum hf_token_result result;

    *reason = "not three parts of base64 with a JSON header";
    if (!split(token, &parts)) {
        return HF_TOKEN_INVALID;
    }
    result = decode_part(parts.header, arena, &header_text);
    if (result == HF_TOKEN_OK) {
        result = read_header(header_text, arena, &header);
        claims->algorithm = header.algorithm;
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
    return check_signature(verifier, &header, &parts, signature, now_ms, reason);
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

/* The verifier for one set of options, with its key set opened where there is one; NULL: no memory.
 */
static struct hf_token_verifier *open_verifier(const struct hf_config *config,
                                               const struct hf_config_token *token)
{
    const struct hf_config_holdfast *own = &config->holdfast;
    const struct hf_jwks_limits limits = {
        .ttl_ms = own->jwks_ttl_ms,
        .retry_ms = own->jwks_retry_ms,
        .timeout_ms = own->jwks_timeout_ms,
        .bytes_max = own->jwks_max_bytes,
        .keys_max = own->jwks_max_keys,
    };
    struct hf_jwks *jwks = NULL;

    if (token->jwks_public_endpoint[0] != '\0') {
        jwks = hf_jwks_open(token->jwks_public_endpoint, &limits);
        if (jwks == NULL) {
            return NULL;
        }
    }
    return hf_token_verifier_new(token, config->client.insecure_skip_token_signature_verify, jwks);
}

int hf_token_verifiers_open(struct hf_token_verifiers *verifiers, const struct hf_config *config)
{
    const struct hf_config_client *client = &config->client;

    verifiers->connection = open_verifier(config, &client->token);
    verifiers->subscription = client->subscription_token.enabled
                                  ? open_verifier(config, &client->subscription_token)
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
