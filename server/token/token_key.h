/* Token keys: the signatures that a verifier accepts (RFC 7518 section 3).
 *
 * Each configured key stands for one family of algorithms, so a token's header only ever picks a
 * digest within a family that has a key: an HMAC can never be checked with a public key as its
 * secret, and "none" is nothing at all. Immutable once loaded; any thread. */
#ifndef HF_SERVER_TOKEN_KEY_H
#define HF_SERVER_TOKEN_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

#include "config/config.h"
#include "slice.h"

struct hf_token_keys {
    const struct hf_config_token *config; /* borrowed: its HMAC secrets are used in place */
    EVP_PKEY *rsa;                        /* owned; NULL: RS* is not accepted */
    EVP_PKEY *ecdsa;                      /* owned; NULL: ES* is not accepted */
    EVP_PKEY *ed25519;                    /* owned; NULL: EdDSA is not accepted */
    unsigned ecdsa_digest_bits; /* of the one algorithm that fits the curve: 256, 384, 512 */
};

/* NULL when all keys can be used, else what is wrong with one (static text) and, in *option, the
 * name of its option. config: kept until fini. On failure nothing is owned. */
const char *hf_token_keys_init(struct hf_token_keys *keys, const struct hf_config_token *config,
                               const char **option) __attribute__((warn_unused_result));
void hf_token_keys_fini(struct hf_token_keys *keys);

/* Whether any token can be valid. */
bool hf_token_keys_exist(const struct hf_config_token *config);

enum hf_signature_result {
    HF_SIGNATURE_OK,
    HF_SIGNATURE_BAD,
    HF_SIGNATURE_NOT_ENABLED, /* unknown algorithm, or one without a key */
};

/* Checks `signature` over `text`. algorithm: the header's alg. now_s: seconds since 1970, for the
 * previous HMAC secret's last day. HMACs are compared in constant time. */
enum hf_signature_result hf_token_keys_verify(const struct hf_token_keys *keys,
                                              struct hf_slice algorithm, struct hf_slice text,
                                              struct hf_slice signature, int64_t now_s)
    __attribute__((warn_unused_result));

#endif
