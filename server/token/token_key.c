#include "token/token_key.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static const EVP_MD *digest_of(unsigned bits)
{
    return bits == 256 ? EVP_sha256() : bits == 384 ? EVP_sha384() : EVP_sha512();
}

/* A public key, or that of a certificate; NULL when the text is neither. */
static EVP_PKEY *read_public_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = NULL;

    if (bio != NULL) {
        key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    }
    if (key == NULL && bio != NULL && BIO_reset(bio) == 1) {
        X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

        key = certificate == NULL ? NULL : X509_get_pubkey(certificate);
        X509_free(certificate);
    }
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static const char *load_rsa(struct hf_token_keys *keys, const char *pem)
{
    keys->rsa = read_public_key(pem);
    if (keys->rsa == NULL) {
        return "is no public key in PEM";
    }
    return EVP_PKEY_get_base_id(keys->rsa) == EVP_PKEY_RSA ? NULL : "is no RSA key";
}

/* RFC 7518 section 3.4: each algorithm goes with one curve. */
static const char *load_ecdsa(struct hf_token_keys *keys, const char *pem)
{
    static const struct {
        const char *curve;
        unsigned digest_bits;
    } curves[] = {{"prime256v1", 256}, {"secp384r1", 384}, {"secp521r1", 512}};
    char name[64];

    keys->ecdsa = read_public_key(pem);
    if (keys->ecdsa == NULL) {
        return "is no public key in PEM";
    }
    if (EVP_PKEY_get_base_id(keys->ecdsa) != EVP_PKEY_EC ||
        EVP_PKEY_get_group_name(keys->ecdsa, name, sizeof(name), NULL) != 1) {
        return "is no ECDSA key";
    }
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (strcmp(name, curves[i].curve) == 0) {
            keys->ecdsa_digest_bits = curves[i].digest_bits;
            return NULL;
        }
    }
    return "is of a curve that no algorithm uses; valid are P-256, P-384 and P-521";
}

const char *hf_token_keys_init(struct hf_token_keys *keys, const struct hf_config_token *config,
                               const char **option)
{
    const char *why = NULL;

    *keys = (struct hf_token_keys){.config = config};
    if (config->rsa_public_key[0] != '\0') {
        *option = "rsa_public_key";
        why = load_rsa(keys, config->rsa_public_key);
    }
    if (why == NULL && config->ecdsa_public_key[0] != '\0') {
        *option = "ecdsa_public_key";
        why = load_ecdsa(keys, config->ecdsa_public_key);
    }
    if (why != NULL) {
        hf_token_keys_fini(keys);
    }
    return why;
}

void hf_token_keys_fini(struct hf_token_keys *keys)
{
    EVP_PKEY_free(keys->rsa);
    EVP_PKEY_free(keys->ecdsa);
    EVP_PKEY_free(keys->ed25519);
    *keys = (struct hf_token_keys){0};
}

bool hf_token_keys_exist(const struct hf_config_token *config)
{
    return config->hmac_secret_key[0] != '\0' || config->rsa_public_key[0] != '\0' ||
           config->ecdsa_public_key[0] != '\0' || config->jwks_public_endpoint[0] != '\0';
}

static bool hmac_matches(const char *secret, const EVP_MD *digest, struct hf_slice text,
                         struct hf_slice signature)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    size_t secret_len = strlen(secret);

    if (secret_len > INT32_MAX ||
        HMAC(digest, secret, (int)secret_len, (const unsigned char *)text.data, text.len, mac,
             &mac_len) == NULL) {
        return false;
    }
    return signature.len == mac_len && CRYPTO_memcmp(mac, signature.data, mac_len) == 0;
}

static enum hf_signature_result verify_hmac(const struct hf_config_token *config, unsigned bits,
                                            struct hf_slice text, struct hf_slice signature,
                                            int64_t now_s)
{
    const char *previous = config->hmac_previous_secret_key;
    int64_t until_s = config->hmac_previous_secret_key_valid_until_s;
    bool is_match;

    if (config->hmac_secret_key[0] == '\0') {
        return HF_SIGNATURE_NOT_ENABLED;
    }
    is_match = hmac_matches(config->hmac_secret_key, digest_of(bits), text, signature);
    if (!is_match && previous[0] != '\0' && (until_s == 0 || now_s < until_s)) {
        is_match = hmac_matches(previous, digest_of(bits), text, signature);
    }
    return is_match ? HF_SIGNATURE_OK : HF_SIGNATURE_BAD;
}

/* digest: NULL where the key's kind has its own (RFC 8032). */
static enum hf_signature_result verify_public(EVP_PKEY *key, const EVP_MD *digest,
                                              struct hf_slice text, const unsigned char *signature,
                                              size_t signature_len)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_match = context != NULL &&
                    EVP_DigestVerifyInit(context, NULL, digest, NULL, key) == 1 &&
                    EVP_DigestVerify(context, signature, signature_len,
                                     (const unsigned char *)text.data, text.len) == 1;

    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return is_match ? HF_SIGNATURE_OK : HF_SIGNATURE_BAD;
}

/* RFC 7518 section 3.4: R and S as big-endian numbers of the curve's size. OpenSSL wants DER. */
static enum hf_signature_result verify_ecdsa(const struct hf_token_keys *keys, struct hf_slice text,
                                             struct hf_slice signature)
{
    size_t half = ((size_t)EVP_PKEY_get_bits(keys->ecdsa) + 7) / 8;
    enum hf_signature_result result = HF_SIGNATURE_BAD;
    ECDSA_SIG *pair;
    BIGNUM *r;
    BIGNUM *s;
    unsigned char *der = NULL;
    int der_len;

    if (signature.len != 2 * half) {
        return HF_SIGNATURE_BAD;
    }
    pair = ECDSA_SIG_new();
    r = BN_bin2bn((const unsigned char *)signature.data, (int)half, NULL);
    s = BN_bin2bn((const unsigned char *)signature.data + half, (int)half, NULL);
    if (pair == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(pair, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(pair);
        return HF_SIGNATURE_BAD;
    }
    der_len = i2d_ECDSA_SIG(pair, &der); /* the pair owns r and s now */
    if (der_len > 0) {
        result = verify_public(keys->ecdsa, digest_of(keys->ecdsa_digest_bits), text, der,
                               (size_t)der_len);
    }
    OPENSSL_free(der);
    ECDSA_SIG_free(pair);
    return result;
}

enum hf_signature_result hf_token_keys_verify(const struct hf_token_keys *keys,
                                              struct hf_slice algorithm, struct hf_slice text,
                                              struct hf_slice signature, int64_t now_s)
{
    struct hf_slice family;
    struct hf_slice size;
    unsigned bits;

    if (algorithm.len != 5) {
        return HF_SIGNATURE_NOT_ENABLED;
    }
    if (hf_slice_equal(algorithm, HF_SLICE("EdDSA")) && keys->ed25519 != NULL) {
        return verify_public(keys->ed25519, NULL, text, (const unsigned char *)signature.data,
                             signature.len);
    }
    family = hf_slice(algorithm.data, 2);
    size = hf_slice(algorithm.data + 2, 3);
    bits = hf_slice_equal(size, HF_SLICE("256"))   ? 256
           : hf_slice_equal(size, HF_SLICE("384")) ? 384
           : hf_slice_equal(size, HF_SLICE("512")) ? 512
                                                   : 0;
    if (bits == 0) {
        return HF_SIGNATURE_NOT_ENABLED;
    }
    if (hf_slice_equal(family, HF_SLICE("HS"))) {
        return verify_hmac(keys->config, bits, text, signature, now_s);
    }
    if (hf_slice_equal(family, HF_SLICE("RS")) && keys->rsa != NULL) {
        return verify_public(keys->rsa, digest_of(bits), text,
                             (const unsigned char *)signature.data, signature.len);
    }
    if (hf_slice_equal(family, HF_SLICE("ES")) && keys->ecdsa != NULL &&
        bits == keys->ecdsa_digest_bits) {
        return verify_ecdsa(keys, text, signature);
    }
    return HF_SIGNATURE_NOT_ENABLED;
}
