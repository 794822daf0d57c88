#include "tls_fixture.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static struct tls_identity own;
static struct tls_identity other;

static int make_identities(void **state)
{
    (void)state;
    tls_identity_make(&own, "own", NULL);
    tls_identity_make(&other, "other", NULL);
    return 0;
}

static int free_identities(void **state)
{
    (void)state;
    tls_identity_free(&own);
    tls_identity_free(&other);
    return 0;
}

static void is_taken(const struct hf_config_tls *config)
{
    char reason[256] = "";
    SSL_CTX *context = hf_tls_context_new(config, reason, sizeof(reason));
    if (context == NULL) {
        fail_msg("%s", reason);
    }
    assert_int_equal(ERR_peek_error(), 0);
    SSL_CTX_free(context);
}

/* Refused with a text that names the option and, when not NULL, `what`. */
static void is_refused(const struct hf_config_tls *config, const char *option, const char *what)
{
    char reason[256] = "";
    assert_null(hf_tls_context_new(config, reason, sizeof(reason)));
    assert_non_null(strstr(reason, option));
    if (what != NULL && strstr(reason, what) == NULL) {
        fail_msg("%s does not say %s", reason, what);
    }
    assert_null(strstr(reason, "PRIVATE"));
    assert_int_equal(ERR_peek_error(), 0);
}

static void pem_texts_are_taken(void **state)
{
    (void)state;
    struct hf_config_tls config = tls_config_of(&own);
    is_taken(&config);
}

static char *base64_of(const char *text)
{
    size_t len = strlen(text);
    char *encoded = malloc(len / 3 * 4 + 5);
    assert_non_null(encoded);
    EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)text, (int)len);
    return encoded;
}

static void base64_of_pem_is_taken(void **state)
{
    (void)state;
    struct hf_config_tls config = tls_config_of(&own);
    config.cert_pem = base64_of(own.cert_pem);
    config.key_pem = base64_of(own.key_pem);
    is_taken(&config);
    free(config.cert_pem);
    free(config.key_pem);
}

static void write_file(char *path, const char *text)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void files_are_taken(void **state)
{
    (void)state;
    char cert_path[] = "/tmp/hf_tls_cert_XXXXXX";
    char key_path[] = "/tmp/hf_tls_key_XXXXXX";
    write_file(cert_path, own.cert_pem);
    write_file(key_path, own.key_pem);
    struct hf_config_tls config = tls_config_of(&own);
    config.cert_pem = cert_path;
    config.key_pem = key_path;
    is_taken(&config);
    unlink(cert_path);
    is_refused(&config, "cert_pem", "No such file");
    unlink(key_path);
}

static void a_directory_for_a_file_is_refused(void **state)
{
    (void)state;
    struct hf_config_tls config = tls_config_of(&own);
    char path[] = "/tmp";
    config.cert_pem = path;
    is_refused(&config, "cert_pem", "/tmp");
}

static void a_key_of_another_certificate_is_refused(void **state)
{
    (void)state;
    struct hf_config_tls config = tls_config_of(&own);
    config.key_pem = other.key_pem;
    is_refused(&config, "key_pem", "does not fit");
}

static void a_certificate_in_place_of_a_key_is_refused(void **state)
{
    (void)state;
    struct hf_config_tls config = tls_config_of(&own);
    config.key_pem = own.cert_pem;
    is_refused(&config, "key_pem", "no usable key");
}

static void a_key_with_a_passphrase_is_refused_without_asking_for_it(void **state)
{
    (void)state;
    unsigned char passphrase[] = "secret";
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(
        PEM_write_bio_PrivateKey(bio, own.key, EVP_aes_128_cbc(), passphrase, 6, NULL, NULL), 1);
    char *text = tls_text_of(bio);
    struct hf_config_tls config = tls_config_of(&own);
    config.key_pem = text;
    is_refused(&config, "key_pem", "passphrase");
    free(text);
}

static void a_broken_certificate_is_refused(void **state)
{
    (void)state;
    char text[] = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n";
    struct hf_config_tls config = tls_config_of(&own);
    config.cert_pem = text;
    is_refused(&config, "cert_pem", "no usable certificate");
}

static char *joined(const char *first, const char *second)
{
    size_t size = strlen(first) + strlen(second) + 1;
    char *text = malloc(size);
    assert_non_null(text);
    snprintf(text, size, "%s%s", first, second);
    return text;
}

static void a_chain_is_taken_and_a_broken_one_refused(void **state)
{
    (void)state;
    struct hf_config_tls config = tls_config_of(&own);
    config.cert_pem = joined(own.cert_pem, other.cert_pem);
    is_taken(&config);
    free(config.cert_pem);
    config.cert_pem = joined(
        own.cert_pem, "-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n");
    is_refused(&config, "cert_pem", "chain");
    free(config.cert_pem);
}

static void an_authority_that_is_no_certificate_is_refused(void **state)
{
    (void)state;
    struct hf_config_tls config = tls_config_of(&own);
    config.client_ca_pem = own.key_pem;
    is_refused(&config, "client_ca_pem", "no usable certificate");
    config.client_ca_pem = other.cert_pem;
    is_taken(&config);
}

static void the_end_of_the_certificate_is_told(void **state)
{
    (void)state;
    SSL_CTX *context = tls_context_of(&own);
    int64_t left_s = hf_tls_context_not_after(context) - (int64_t)time(NULL);
    assert_in_range(left_s, 3000, 3600);
    SSL_CTX_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pem_texts_are_taken),
        cmocka_unit_test(base64_of_pem_is_taken),
        cmocka_unit_test(files_are_taken),
        cmocka_unit_test(a_directory_for_a_file_is_refused),
        cmocka_unit_test(a_key_of_another_certificate_is_refused),
        cmocka_unit_test(a_certificate_in_place_of_a_key_is_refused),
        cmocka_unit_test(a_key_with_a_passphrase_is_refused_without_asking_for_it),
        cmocka_unit_test(a_broken_certificate_is_refused),
        cmocka_unit_test(a_chain_is_taken_and_a_broken_one_refused),
        cmocka_unit_test(an_authority_that_is_no_certificate_is_refused),
        cmocka_unit_test(the_end_of_the_certificate_is_told),
    };
    return cmocka_run_group_tests(tests, make_identities, free_identities);
}
