#include "net/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

enum {
    PEM_FILE_MAX = 1024 * 1024,  /* bytes */
    CLIENT_CHAIN_MAX = 32 * 1024 /* bytes of certificates that a client may send */
};

static const char PEM_MARK[] = "-----BEGIN ";

/* Where a fault is to be told. */
struct fault {
    const char *option; /* "cert_pem" */
    char *text;
    size_t size;
};

static void tell(const struct fault *fault, const char *subject, const char *why)
{
    snprintf(fault->text, fault->size, "http_server.tls.%s: %s%s%s", fault->option, subject,
             subject[0] != '\0' ? ": " : "", why);
}

/* OpenSSL's own word on what has just failed. */
static void tell_library(const struct fault *fault, const char *what)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = error != 0 ? ERR_reason_error_string(error) : NULL;
    tell(fault, what, reason != NULL ? reason : "unknown error");
    ERR_clear_error();
}

/* --- PEM texts: as they are, in base64, or in a file ----------------------------------------- */

/* The PEM text that `text` is the base64 of, NUL-terminated, or NULL. */
static char *decode_base64(const char *text)
{
    size_t len = strlen(text);
    if (len % 4 != 0 || len > PEM_FILE_MAX) {
        return NULL;
    }
    char *decoded = malloc(len / 4 * 3 + 1);
    if (decoded == NULL) {
        return NULL;
    }
    int decoded_len =
        EVP_DecodeBlock((unsigned char *)decoded, (const unsigned char *)text, (int)len);
    if (decoded_len < 0) {
        ERR_clear_error();
        free(decoded);
        return NULL;
    }
    decoded[decoded_len] = '\0';
    if (strstr(decoded, PEM_MARK) == NULL) {
        free(decoded);
        return NULL;
    }
    return decoded;
}

static char *read_file(const char *path, const struct fault *fault)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        tell(fault, path, strerror(errno));
        return NULL;
    }
    char *text = malloc(PEM_FILE_MAX + 1);
    size_t len = text != NULL ? fread(text, 1, PEM_FILE_MAX + 1, file) : 0;
    bool is_read = text != NULL && ferror(file) == 0 && len <= PEM_FILE_MAX;
    if (text == NULL) {
        tell(fault, path, "no memory");
    } else if (!is_read) {
        tell(fault, path, len > PEM_FILE_MAX ? "more than 1 MiB" : "cannot be read");
    }
    (void)fclose(file); /* only read from */
    if (!is_read) {
        free(text);
        return NULL;
    }
    text[len] = '\0';
    return text;
}

/* The PEM text of an option, owned by the caller. NULL: told. */
static char *load_text(const char *value, const struct fault *fault)
{
    if (strstr(value, PEM_MARK) != NULL) {
        char *text = strdup(value);
        if (text == NULL) {
            tell(fault, "", "no memory");
        }
        return text;
    }
    char *decoded = decode_base64(value);
    return decoded != NULL ? decoded : read_file(value, fault);
}

static BIO *open_pem(const char *value, char **text, const struct fault *fault)
{
    *text = load_text(value, fault);
    if (*text == NULL) {
        return NULL;
    }
    BIO *bio = BIO_new_mem_buf(*text, -1);
    if (bio == NULL) {
        tell(fault, "", "no memory");
        OPENSSL_cleanse(*text, strlen(*text));
        free(*text);
    }
    return bio;
}

static void close_pem(BIO *bio, char *text)
{
    BIO_free(bio);
    OPENSSL_cleanse(text, strlen(text));
    free(text);
}

/* Instead of asking at the terminal. */
static int have_no_passphrase(char *buffer, int size, int is_writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)is_writing;
    (void)context;
    return -1;
}

/* Whether the last read ended only because the text did. */
static bool is_text_over(void)
{
    unsigned long error = ERR_peek_last_error();
    bool is_over =
        ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    if (is_over) {
        ERR_clear_error();
    }
    return is_over;
}

/* --- what a context holds --------------------------------------------------------------------- */

static bool use_chain(SSL_CTX *context, BIO *bio, const struct fault *fault)
{
    X509 *own = PEM_read_bio_X509_AUX(bio, NULL, have_no_passphrase, NULL);
    bool is_used = own != NULL && SSL_CTX_use_certificate(context, own) == 1;
    X509_free(own);
    if (!is_used) {
        tell_library(fault, "no usable certificate");
        return false;
    }
    for (;;) {
        X509 *issuer = PEM_read_bio_X509(bio, NULL, have_no_passphrase, NULL);
        if (issuer == NULL) {
            break;
        }
        is_used = SSL_CTX_add1_chain_cert(context, issuer) == 1;
        X509_free(issuer);
        if (!is_used) {
            break;
        }
    }
    if (!is_used || !is_text_over()) {
        tell_library(fault, "the chain behind the certificate");
        return false;
    }
    return true;
}

static bool use_key(SSL_CTX *context, BIO *bio, const struct fault *fault)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, have_no_passphrase, NULL);
    if (key == NULL) {
        tell_library(fault, "no usable key (keys with a passphrase are not taken)");
        return false;
    }
    bool fits =
        SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
    EVP_PKEY_free(key);
    if (!fits) {
        tell_library(fault, "the key does not fit the certificate");
    }
    return fits;
}

/* Clients must show a certificate that one of these has signed. */
static bool use_client_ca(SSL_CTX *context, BIO *bio, const struct fault *fault)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    size_t count = 0;
    for (;; count++) {
        X509 *authority = PEM_read_bio_X509(bio, NULL, have_no_passphrase, NULL);
        if (authority == NULL) {
            break;
        }
        bool is_added = X509_STORE_add_cert(store, authority) == 1 &&
                        SSL_CTX_add_client_CA(context, authority) == 1;
        X509_free(authority);
        if (!is_added) {
            tell_library(fault, "a certificate");
            return false;
        }
    }
    if (count == 0 || !is_text_over()) {
        tell_library(fault, "no usable certificate");
        return false;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_max_cert_list(context, CLIENT_CHAIN_MAX);
    return true;
}

static bool use_option(SSL_CTX *context, const char *value, struct fault *fault, const char *option,
                       bool (*use)(SSL_CTX *context, BIO *bio, const struct fault *fault))
{
    char *text;
    fault->option = option;
    BIO *bio = open_pem(value, &text, fault);
    if (bio == NULL) {
        return false;
    }
    bool is_used = use(context, bio, fault);
    close_pem(bio, text);
    return is_used;
}

/* --- how it behaves --------------------------------------------------------------------------- */

/* A client that offers protocols of which we speak none is refused (RFC 7301, 3.2). */
static int choose_protocol(SSL *tls, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *offered, unsigned offered_len, void *context)
{
    (void)tls;
    (void)context;
    static const unsigned char spoken[] = "\x08http/1.1";
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, spoken, sizeof(spoken) - 1, offered, offered_len) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool set_behaviour(SSL_CTX *context)
{
    static const unsigned char session_context[] = "holdfast";
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* The two last ones are what hf_tls_writev promises; idle connections hold no buffers. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets need none */
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    SSL_CTX_set_default_passwd_cb(context, have_no_passphrase);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_num_tickets(context, 1) == 1 &&
           SSL_CTX_set_session_id_context(context, session_context, sizeof(session_context) - 1) ==
               1;
}

SSL_CTX *hf_tls_context_new(const struct hf_config_tls *config, char *reason, size_t reason_size)
{
    struct fault fault = {.option = "enabled", .text = reason, .size = reason_size};
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || !set_behaviour(context)) {
        tell_library(&fault, "TLS cannot be set up");
        SSL_CTX_free(context);
        return NULL;
    }
    if (!use_option(context, config->cert_pem, &fault, "cert_pem", use_chain) ||
        !use_option(context, config->key_pem, &fault, "key_pem", use_key) ||
        (config->client_ca_pem[0] != '\0' &&
         !use_option(context, config->client_ca_pem, &fault, "client_ca_pem", use_client_ca))) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

int64_t hf_tls_context_not_after(const SSL_CTX *context)
{
    const X509 *certificate = SSL_CTX_get0_certificate(context);
    struct tm when;
    if (certificate == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &when) != 1) {
        return 0;
    }
    return (int64_t)timegm(&when);
}
