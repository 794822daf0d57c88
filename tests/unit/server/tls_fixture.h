/* Certificates made on the spot, and a TLS client on one end of a loop_client. */
#ifndef HF_TESTS_TLS_FIXTURE_H
#define HF_TESTS_TLS_FIXTURE_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "net/tls.h"

/* A certificate and its key, as objects and as PEM texts. */
struct tls_identity {
    X509 *certificate;
    EVP_PKEY *key;
    char *cert_pem;
    char *key_pem;
};

static inline char *tls_text_of(BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    char *text = calloc(1, (size_t)len + 1);
    assert_non_null(text);
    memcpy(text, data, (size_t)len);
    BIO_free(bio);
    return text;
}

static inline void tls_allow_signing(X509 *certificate)
{
    X509_EXTENSION *extension =
        X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* Signed by `issuer`, or by itself when that is NULL. */
static inline void tls_identity_make(struct tls_identity *identity, const char *name,
                                     const struct tls_identity *issuer)
{
    identity->key = EVP_EC_gen("P-256");
    identity->certificate = X509_new();
    assert_non_null(identity->key);
    assert_non_null(identity->certificate);
    X509 *certificate = identity->certificate;
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, identity->key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate,
                         issuer == NULL ? subject : X509_get_subject_name(issuer->certificate));
    tls_allow_signing(certificate);
    assert_true(X509_sign(certificate, issuer == NULL ? identity->key : issuer->key, EVP_sha256()) >
                0);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
    identity->cert_pem = tls_text_of(bio);
    bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(bio, identity->key, NULL, NULL, 0, NULL, NULL), 1);
    identity->key_pem = tls_text_of(bio);
}

static inline void tls_identity_free(struct tls_identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
    free(identity->cert_pem);
    free(identity->key_pem);
    *identity = (struct tls_identity){0};
}

static inline struct hf_config_tls tls_config_of(const struct tls_identity *identity)
{
    static char none[] = "";
    return (struct hf_config_tls){.enabled = true,
                                  .cert_pem = identity->cert_pem,
                                  .key_pem = identity->key_pem,
                                  .client_ca_pem = none};
}

static inline SSL_CTX *tls_context_of(const struct tls_identity *identity)
{
    char reason[256] = "";
    struct hf_config_tls config = tls_config_of(identity);
    SSL_CTX *context = hf_tls_context_new(&config, reason, sizeof(reason));
    if (context == NULL) {
        fail_msg("no context: %s", reason);
    }
    return context;
}

/* A client that believes every certificate. */
static inline SSL_CTX *tls_client_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    assert_non_null(context);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    return context;
}

#endif
