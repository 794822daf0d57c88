#include "token/key_set.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "base64.h"

/* Bytes of a decoded number of a key: RSA with 16,384 bits, the most that OpenSSL takes. */
#define NUMBER_MAX 2048

struct named_key {
    char *kid; /* owned */
    struct hf_token_keys keys;
};

struct hf_key_set {
    _Atomic uint32_t references;
    size_t count;
    struct named_key keys[];
};

/* Keys of a set come without secrets. */
static const struct hf_config_token no_secrets = {
    .hmac_secret_key = (char *)(uintptr_t) "",
    .hmac_previous_secret_key = (char *)(uintptr_t) "",
};

struct number {
    unsigned char bytes[NUMBER_MAX + 3]; /* what base64 may write */
    size_t len;
};

/* A member in base64url. */
static bool read_number(const json_t *jwk, const char *name, struct number *number)
{
    const char *text = json_string_value(json_object_get(jwk, name));

    return text != NULL && HF_BASE64_DECODED_MAX(strlen(text)) <= sizeof(number->bytes) &&
           hf_base64_decode(HF_BASE64_URL, hf_slice_of(text), (char *)number->bytes,
                            &number->len) &&
           number->len > 0;
}

/* The public key that these parameters make; NULL: they make none. */
static EVP_PKEY *build_key(const char *type, OSSL_PARAM_BLD *builder)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    if (params == NULL || context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        key = NULL;
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return key;
}

static bool read_rsa(const json_t *jwk, struct hf_token_keys *keys)
{
    struct number n;
    struct number e;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *modulus = NULL;
    BIGNUM *exponent = NULL;

    if (builder != NULL && read_number(jwk, "n", &n) && read_number(jwk, "e", &e)) {
        modulus = BN_bin2bn(n.bytes, (int)n.len, NULL);
        exponent = BN_bin2bn(e.bytes, (int)e.len, NULL);
        if (modulus != NULL && exponent != NULL &&
            OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
            OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1) {
            keys->rsa = build_key("RSA", builder);
        }
    }
    OSSL_PARAM_BLD_free(builder);
    BN_free(modulus);
    BN_free(exponent);
    return keys->rsa != NULL;
}

struct curve {
    const char *name; /* in a key set */
    const char *group;
    size_t size; /* bytes of a coordinate */
    unsigned digest_bits;
};

static const struct curve *find_curve(const json_t *jwk)
{
    static const struct curve curves[] = {
        {"P-256", "prime256v1", 32, 256},
        {"P-384", "secp384r1", 48, 384},
        {"P-521", "secp521r1", 66, 512},
    };
    const char *name = json_string_value(json_object_get(jwk, "crv"));

    for (size_t i = 0; name != NULL && i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (strcmp(name, curves[i].name) == 0) {
            return &curves[i];
        }
    }
    return NULL;
}

static bool read_ec(const json_t *jwk, const struct curve *curve, struct hf_token_keys *keys)
{
    struct number x;
    struct number y;
    unsigned char point[1 + 2 * 66] = {0x04}; /* SEC 1: not compressed */
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();

    if (builder != NULL && read_number(jwk, "x", &x) && read_number(jwk, "y", &y) &&
        x.len == curve->size && y.len == curve->size) {
        memcpy(point + 1, x.bytes, x.len);
        memcpy(point + 1 + x.len, y.bytes, y.len);
        if (OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0) ==
                1 &&
            OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
                                             1 + 2 * curve->size) == 1) {
            keys->ecdsa = build_key("EC", builder);
            keys->ecdsa_digest_bits = curve->digest_bits;
        }
    }
    OSSL_PARAM_BLD_free(builder);
    return keys->ecdsa != NULL;
}

static bool read_ed25519(const json_t *jwk, struct hf_token_keys *keys)
{
    struct number x;

    if (read_number(jwk, "x", &x)) {
        keys->ed25519 = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x.bytes, x.len);
    }
    return keys->ed25519 != NULL;
}

static bool is(const json_t *jwk, const char *name, const char *value)
{
    const char *text = json_string_value(json_object_get(jwk, name));

    return text != NULL && strcmp(text, value) == 0;
}

static bool is_for_us(const json_t *jwk)
{
    return json_is_string(json_object_get(jwk, "kid")) &&
           (json_object_get(jwk, "use") == NULL || is(jwk, "use", "sig")) &&
           (is(jwk, "kty", "RSA") || (is(jwk, "kty", "EC") && find_curve(jwk) != NULL) ||
            (is(jwk, "kty", "OKP") && is(jwk, "crv", "Ed25519")));
}

/* Adds a key; false with *reason. */
static bool add(struct hf_key_set *set, const json_t *jwk, const char **reason)
{
    const char *kid = json_string_value(json_object_get(jwk, "kid"));
    struct named_key *key = &set->keys[set->count];
    bool is_read;

    if (hf_key_set_find(set, hf_slice_of(kid)) != NULL) {
        *reason = "two keys have the same kid";
        return false;
    }
    *key = (struct named_key){.kid = strdup(kid), .keys = {.config = &no_secrets}};
    if (key->kid == NULL) {
        *reason = "out of memory";
        return false;
    }
    set->count++;
    is_read = is(jwk, "kty", "RSA")  ? read_rsa(jwk, &key->keys)
              : is(jwk, "kty", "EC") ? read_ec(jwk, find_curve(jwk), &key->keys)
                                     : read_ed25519(jwk, &key->keys);
    ERR_clear_error();
    *reason = "a key that is not as its kty demands";
    return is_read;
}

struct hf_key_set *hf_key_set_read(struct hf_slice text, uint32_t keys_max, const char **reason)
{
    json_t *root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *list = json_object_get(root, "keys");
    size_t count = json_array_size(list);
    struct hf_key_set *set = NULL;

    if (!json_is_array(list)) {
        *reason = "no JSON object with a list of keys";
    } else if (count > keys_max) {
        *reason = "more keys than holdfast.jwks_max_keys";
    } else {
        *reason = "out of memory";
        set = calloc(1, sizeof(*set) + count * sizeof(set->keys[0]));
    }
    if (set != NULL) {
        atomic_init(&set->references, 1);
    }
    for (size_t i = 0; set != NULL && i < count; i++) {
        const json_t *jwk = json_array_get(list, i);

        if (is_for_us(jwk) && !add(set, jwk, reason)) {
            hf_key_set_unref(set);
            set = NULL;
        }
    }
    json_decref(root);
    return set;
}

struct hf_key_set *hf_key_set_ref(struct hf_key_set *set)
{
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    return set;
}

void hf_key_set_unref(struct hf_key_set *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        hf_token_keys_fini(&set->keys[i].keys);
        free(set->keys[i].kid);
    }
    free(set);
}

const struct hf_token_keys *hf_key_set_find(const struct hf_key_set *set, struct hf_slice kid)
{
    for (size_t i = 0; i < set->count; i++) {
        if (hf_slice_equal(hf_slice_of(set->keys[i].kid), kid)) {
            return &set->keys[i].keys;
        }
    }
    return NULL;
}

size_t hf_key_set_count(const struct hf_key_set *set)
{
    return set->count;
}
