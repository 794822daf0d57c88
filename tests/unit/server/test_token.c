/* Tokens: signatures of every algorithm, made here with OpenSSL, and what their claims allow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "base64.h"
#include "pattern.h"
#include "token/token.h"
#include "token/token_key.h"
#include "token/token_sign.h"

#define NOW_S  INT64_C(1700000000)
#define NOW_MS (NOW_S * 1000)

static struct hf_config_token settings(void)
{
    return (struct hf_config_token){
        .hmac_secret_key = (char *)(uintptr_t) "",
        .hmac_previous_secret_key = (char *)(uintptr_t) "",
        .rsa_public_key = (char *)(uintptr_t) "",
        .ecdsa_public_key = (char *)(uintptr_t) "",
        .jwks_public_endpoint = (char *)(uintptr_t) "",
        .audience = (char *)(uintptr_t) "",
        .issuer = (char *)(uintptr_t) "",
        .user_id_claim = (char *)(uintptr_t) "sub",
    };
}

#define TEXT(text) ((char *)(uintptr_t)(text))

struct made {
    char text[16384];
    size_t len;
};

static void append_part(struct made *made, const void *bytes, size_t len)
{
    made->len += hf_base64_encode_url(hf_slice(bytes, len), made->text + made->len);
}

/* header and payload, encoded, with their dot */
static void begin(struct made *made, const char *header, const char *payload)
{
    made->len = 0;
    append_part(made, header, strlen(header));
    made->text[made->len++] = '.';
    append_part(made, payload, strlen(payload));
}

static void end(struct made *made, const void *signature, size_t len)
{
    made->text[made->len++] = '.';
    append_part(made, signature, len);
}

static const EVP_MD *digest_of(int bits)
{
    return bits == 256 ? EVP_sha256() : bits == 384 ? EVP_sha384() : EVP_sha512();
}

static void sign_hmac_with_header(struct made *made, int bits, const char *secret,
                                  const char *header, const char *payload)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len;

    begin(made, header, payload);
    assert_non_null(HMAC(digest_of(bits), secret, (int)strlen(secret),
                         (const unsigned char *)made->text, made->len, mac, &len));
    end(made, mac, len);
}

static void sign_hmac(struct made *made, int bits, const char *secret, const char *payload)
{
    char header[64];

    (void)snprintf(header, sizeof(header), "{\"alg\":\"HS%d\",\"typ\":\"JWT\"}", bits);
    sign_hmac_with_header(made, bits, secret, header, payload);
}

/* family: RS or ES */
static void sign_public(struct made *made, const char *family, int bits, EVP_PKEY *key,
                        const char *payload)
{
    char header[64];
    unsigned char signature[1024];
    size_t len = sizeof(signature);
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    (void)snprintf(header, sizeof(header), "{\"alg\":\"%s%d\"}", family, bits);
    begin(made, header, payload);
    assert_int_equal(EVP_DigestSignInit(context, NULL, digest_of(bits), NULL, key), 1);
    assert_int_equal(
        EVP_DigestSign(context, signature, &len, (const unsigned char *)made->text, made->len), 1);
    EVP_MD_CTX_free(context);
    if (family[0] == 'E') {
        const unsigned char *der = signature;
        ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)len);
        int half = (EVP_PKEY_get_bits(key) + 7) / 8;
        unsigned char raw[256];

        assert_non_null(pair);
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, half), half);
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + half, half), half);
        ECDSA_SIG_free(pair);
        end(made, raw, (size_t)half * 2);
    } else {
        end(made, signature, len);
    }
}

/* The public half in PEM, to be freed. */
static char *public_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    long len;
    char *text;

    assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
    len = BIO_get_mem_data(bio, &data);
    text = malloc((size_t)len + 1);
    assert_non_null(text);
    memcpy(text, data, (size_t)len);
    text[len] = '\0';
    BIO_free(bio);
    return text;
}

struct checked {
    enum hf_token_result result;
    struct hf_token_claims claims;
    const char *reason;
    struct hf_arena arena;
    struct hf_token_verifier *verifier;
};

static void check_kind(struct checked *checked, const struct hf_config_token *config,
                       enum hf_token_kind kind, const char *token, size_t len, int64_t now_ms)
{
    hf_arena_init(&checked->arena, 0);
    checked->reason = NULL;
    checked->verifier = hf_token_verifier_new(config, false, NULL);
    assert_non_null(checked->verifier);
    checked->result = hf_token_verify(checked->verifier, kind, hf_slice(token, len), now_ms,
                                      &checked->arena, &checked->claims, &checked->reason);
    assert_int_equal(checked->result == HF_TOKEN_OK, checked->reason == NULL);
}

static void release(struct checked *checked)
{
    hf_arena_fini(&checked->arena);
    hf_token_verifier_free(checked->verifier);
}

static enum hf_token_result result_of(const struct hf_config_token *config, enum hf_token_kind kind,
                                      const struct made *made, int64_t now_ms)
{
    struct checked checked;
    char *copy = malloc(made->len + 1); /* exact, so that a sanitizer sees a read beyond it */

    memcpy(copy, made->text, made->len);
    check_kind(&checked, config, kind, copy, made->len, now_ms);
    release(&checked);
    free(copy);
    return checked.result;
}

/* The verdict on a well-signed connection token with this payload. */
static enum hf_token_result verdict(const char *payload)
{
    struct hf_config_token config = settings();
    struct made made;

    config.hmac_secret_key = TEXT("secret");
    sign_hmac(&made, 256, "secret", payload);
    return result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS);
}

#define assert_slice(slice, text)                                                                  \
    do {                                                                                           \
        assert_int_equal((slice).len, strlen(text));                                               \
        assert_memory_equal((slice).data, (text), strlen(text));                                   \
    } while (0)

/* --- signatures ----------------------------------------------------------------------------- */

static void hmac_of_each_size_is_accepted_and_only_with_its_secret(void **state)
{
    static const int sizes[] = {256, 384, 512};
    struct hf_config_token config = settings();
    struct made made;

    (void)state;
    for (int i = 0; i < 3; i++) {
        sign_hmac(&made, sizes[i], "secret", "{\"sub\":\"42\"}");
        assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS), HF_TOKEN_INVALID);
        config.hmac_secret_key = TEXT("secret");
        assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS), HF_TOKEN_OK);
        config.hmac_secret_key = TEXT("Secret");
        assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS), HF_TOKEN_INVALID);
        config.hmac_secret_key = TEXT("");
    }
}

static void any_changed_character_is_refused(void **state)
{
    struct hf_config_token config = settings();
    struct made made;

    (void)state;
    config.hmac_secret_key = TEXT("secret");
    sign_hmac(&made, 256, "secret", "{\"sub\":\"42\"}");
    for (size_t i = 0; i < made.len; i++) {
        char kept = made.text[i];

        made.text[i] = kept == 'A' ? 'B' : 'A';
        assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS), HF_TOKEN_INVALID);
        made.text[i] = kept;
    }
    for (size_t len = 0; len < made.len; len++) {
        struct made cut = made;

        cut.len = len;
        assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &cut, NOW_MS), HF_TOKEN_INVALID);
    }
    assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS), HF_TOKEN_OK);
}

static void alg_none_is_refused_with_and_without_signature(void **state)
{
    static const char *const headers[] = {
        "{\"alg\":\"none\"}", "{\"alg\":\"None\"}", "{\"alg\":\"\"}",
        "{\"typ\":\"JWT\"}",  "{\"alg\":\"HS25\"}", "{\"alg\":\"PS256\"}",
        "{\"alg\":256}",      "{\"alg\":null}",     "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}"};
    struct hf_config_token config = settings();
    struct made made;

    (void)state;
    config.hmac_secret_key = TEXT("secret");
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        begin(&made, headers[i], "{\"sub\":\"42\"}");
        end(&made, "", 0);
        assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS), HF_TOKEN_INVALID);
        sign_hmac_with_header(&made, 256, "secret", headers[i], "{\"sub\":\"42\"}");
        assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS), HF_TOKEN_INVALID);
    }
}

static void rsa_of_each_size_is_accepted_and_only_with_its_key(void **state)
{
    static const int sizes[] = {256, 384, 512};
    struct hf_config_token config = settings();
    EVP_PKEY *key = EVP_RSA_gen(2048);
    EVP_PKEY *other = EVP_RSA_gen(2048);
    char *pem = public_pem(key);
    struct made made;

    (void)state;
    config.rsa_public_key = pem;
    for (int i = 0; i < 3; i++) {
        sign_public(&made, "RS", sizes[i], key, "{\"sub\":\"42\"}");
        assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS), HF_TOKEN_OK);
        sign_public(&made, "RS", sizes[i], other, "{\"sub\":\"42\"}");
        assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS), HF_TOKEN_INVALID);
    }
    free(pem);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

static void public_key_as_hmac_secret_is_refused(void **state)
{
    struct hf_config_token config = settings();
    EVP_PKEY *key = EVP_RSA_gen(2048);
    char *pem = public_pem(key);
    struct made made;

    (void)state;
    config.rsa_public_key = pem;
    sign_hmac(&made, 256, pem, "{\"sub\":\"42\"}");
    assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS), HF_TOKEN_INVALID);
    config.hmac_secret_key = TEXT("secret");
    assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS), HF_TOKEN_INVALID);
    free(pem);
    EVP_PKEY_free(key);
}

static void ecdsa_is_accepted_with_the_algorithm_of_its_curve_only(void **state)
{
    static const struct {
        const char *curve;
        int bits;
    } cases[] = {{"P-256", 256}, {"P-384", 384}, {"P-521", 512}};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct hf_config_token config = settings();
        EVP_PKEY *key = EVP_EC_gen(cases[i].curve);
        char *pem = public_pem(key);
        struct made made;

        config.ecdsa_public_key = pem;
        sign_public(&made, "ES", cases[i].bits, key, "{\"sub\":\"42\"}");
        assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS), HF_TOKEN_OK);
        made.text[made.len - 20] = made.text[made.len - 20] == 'A' ? 'B' : 'A';
        assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS), HF_TOKEN_INVALID);
        sign_public(&made, "ES", cases[(i + 1) % 3].bits, key, "{\"sub\":\"42\"}");
        assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS), HF_TOKEN_INVALID);
        sign_public(&made, "RS", cases[i].bits, key, "{\"sub\":\"42\"}");
        assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS), HF_TOKEN_INVALID);
        free(pem);
        EVP_PKEY_free(key);
    }
}

static void key_of_another_kind_cannot_be_loaded(void **state)
{
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    EVP_PKEY *ec = EVP_EC_gen("P-256");
    EVP_PKEY *odd = EVP_EC_gen("secp256k1");
    char *pems[] = {public_pem(rsa), public_pem(ec), public_pem(odd), strdup("no PEM")};
    struct hf_token_keys keys;
    const char *option = NULL;

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct hf_config_token config = settings();

        config.rsa_public_key = pems[i];
        if (i > 0) {
            assert_non_null(hf_token_keys_init(&keys, &config, &option));
            assert_string_equal(option, "rsa_public_key");
        }
        config.rsa_public_key = TEXT("");
        config.ecdsa_public_key = pems[i];
        if (i != 1) {
            assert_non_null(hf_token_keys_init(&keys, &config, &option));
            assert_string_equal(option, "ecdsa_public_key");
        }
    }
    for (int i = 0; i < 4; i++) {
        free(pems[i]);
    }
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(odd);
}

static void previous_secret_counts_until_its_time(void **state)
{
    struct hf_config_token config = settings();
    struct made made;

    (void)state;
    config.hmac_secret_key = TEXT("new");
    sign_hmac(&made, 256, "old", "{\"sub\":\"42\"}");
    assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS), HF_TOKEN_INVALID);
    config.hmac_previous_secret_key = TEXT("old");
    assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS), HF_TOKEN_OK);
    config.hmac_previous_secret_key_valid_until_s = (uint32_t)NOW_S + 1;
    assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS), HF_TOKEN_OK);
    assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS + 1000),
                     HF_TOKEN_INVALID);
    sign_hmac(&made, 256, "new", "{\"sub\":\"42\"}");
    assert_int_equal(result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS + 1000), HF_TOKEN_OK);
}

static void skipped_signature_leaves_the_dates(void **state)
{
    struct hf_config_token config = settings();
    struct hf_token_verifier *verifier = hf_token_verifier_new(&config, true, NULL);
    struct hf_token_claims claims;
    const char *reason;
    struct hf_arena arena;
    struct made made;

    (void)state;
    hf_arena_init(&arena, 0);
    sign_hmac(&made, 256, "anything", "{\"sub\":\"42\"}");
    assert_int_equal(hf_token_verify(verifier, HF_TOKEN_CONNECTION, hf_slice(made.text, made.len),
                                     NOW_MS, &arena, &claims, &reason),
                     HF_TOKEN_OK);
    sign_hmac(&made, 256, "anything", "{\"exp\":1}");
    assert_int_equal(hf_token_verify(verifier, HF_TOKEN_CONNECTION, hf_slice(made.text, made.len),
                                     NOW_MS, &arena, &claims, &reason),
                     HF_TOKEN_EXPIRED);
    hf_arena_fini(&arena);
    hf_token_verifier_free(verifier);
}

/* --- claims --------------------------------------------------------------------------------- */

static void dates_decide(void **state)
{
    static const struct {
        const char *payload;
        enum hf_token_result result;
    } cases[] = {
        {"{}", HF_TOKEN_OK},
        {"{\"exp\":1700000001}", HF_TOKEN_OK},
        {"{\"exp\":1700000000}", HF_TOKEN_EXPIRED},
        {"{\"exp\":1700000000.9}", HF_TOKEN_EXPIRED}, /* rounded down */
        {"{\"exp\":1700000001.5}", HF_TOKEN_OK},
        {"{\"exp\":1.700000001e9}", HF_TOKEN_OK},
        {"{\"exp\":0}", HF_TOKEN_EXPIRED},
        {"{\"exp\":-5}", HF_TOKEN_EXPIRED},
        {"{\"exp\":1e300}", HF_TOKEN_OK},
        {"{\"exp\":null}", HF_TOKEN_OK},
        {"{\"exp\":\"1700000001\"}", HF_TOKEN_INVALID},
        {"{\"exp\":true}", HF_TOKEN_INVALID},
        {"{\"nbf\":1699999999}", HF_TOKEN_OK},
        {"{\"nbf\":1699999999.999}", HF_TOKEN_OK},
        {"{\"nbf\":1700000000}", HF_TOKEN_EXPIRED},
        {"{\"nbf\":1700000000.25}", HF_TOKEN_EXPIRED},
        {"{\"nbf\":{}}", HF_TOKEN_INVALID},
        {"{\"exp\":1700000001,\"expire_at\":1}", HF_TOKEN_OK}, /* the session judges that */
        {"{\"exp\":1,\"expire_at\":0}", HF_TOKEN_EXPIRED},
        {"{\"iat\":9999999999,\"jti\":\"x\"}", HF_TOKEN_OK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (verdict(cases[i].payload) != cases[i].result) {
            fail_msg("%s", cases[i].payload);
        }
    }
}

static void malformed_claims_are_invalid(void **state)
{
    static const char *const payloads[] = {
        "",
        "[]",
        "null",
        "{",
        "{} {}",
        "{\"sub\":42}",
        "{\"channel\":\"news\"}",
        "{\"channels\":\"news\"}",
        "{\"channels\":[\"\"]}",
        "{\"channels\":[1]}",
        "{\"subs\":[]}",
        "{\"subs\":{\"\":{}}}",
        "{\"subs\":{\"a\":1}}",
        "{\"subs\":{\"a\":{\"override\":{\"force_recovery\":true}}}}",
        "{\"b64info\":\"e30\"}",  /* not padded */
        "{\"b64info\":\"////\"}", /* no JSON */
        "{\"b64info\":7}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        if (verdict(payloads[i]) != HF_TOKEN_INVALID) {
            fail_msg("%s", payloads[i]);
        }
    }
}

/* What stands in base64 becomes part of what others are told, and must not nest too deep there. */
static void encoded_info_may_nest_one_level_less_than_any_json(void **state)
{
    char payload[512] = "{\"b64info\":\"";

    (void)state;
    for (int i = 0; i < 42; i++) { /* [[[ */
        (void)strcat(payload, "W1tb");
    }
    size_t half = strlen(payload);
    (void)strcat(payload, "W11d");
    for (int i = 0; i < 41; i++) { /* ]]] */
        (void)strcat(payload, "XV1d");
    }
    (void)strcat(payload, "XV0=\"}");
    assert_int_equal(verdict(payload), HF_TOKEN_OK); /* 127 */
    (void)strcpy(payload + half, "W1td");
    for (int i = 0; i < 42; i++) {
        (void)strcat(payload, "XV1d");
    }
    (void)strcat(payload, "XQ==\"}");
    assert_int_equal(verdict(payload), HF_TOKEN_INVALID); /* 128 */
}

static void audience_and_issuer_are_asked_for(void **state)
{
    static const struct {
        const char *payload;
        enum hf_token_result result;
    } cases[] = {
        {"{\"aud\":\"us\",\"iss\":\"them\"}", HF_TOKEN_OK},
        {"{\"aud\":[\"x\",\"us\",\"y\"],\"iss\":\"them\"}", HF_TOKEN_OK},
        {"{\"aud\":[],\"iss\":\"them\"}", HF_TOKEN_INVALID},
        {"{\"aud\":[\"usa\"],\"iss\":\"them\"}", HF_TOKEN_INVALID},
        {"{\"iss\":\"them\"}", HF_TOKEN_INVALID},
        {"{\"aud\":\"us\"}", HF_TOKEN_INVALID},
        {"{\"aud\":\"us\",\"iss\":\"Them\"}", HF_TOKEN_INVALID},
        {"{\"aud\":7,\"iss\":\"them\"}", HF_TOKEN_INVALID},
    };
    struct hf_config_token config = settings();
    struct made made;

    (void)state;
    config.hmac_secret_key = TEXT("secret");
    config.audience = TEXT("us");
    config.issuer = TEXT("them");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sign_hmac(&made, 256, "secret", cases[i].payload);
        if (result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS) != cases[i].result) {
            fail_msg("%s", cases[i].payload);
        }
    }
}

static void audience_and_issuer_match_expressions(void **state)
{
    static const struct {
        const char *payload;
        enum hf_token_result result;
    } cases[] = {
        {"{\"aud\":\"app-7\",\"iss\":\"them\"}", HF_TOKEN_OK},
        {"{\"aud\":[\"x\",\"app-12\"],\"iss\":\"they\"}", HF_TOKEN_OK},
        {"{\"aud\":\"app-\",\"iss\":\"them\"}", HF_TOKEN_INVALID},
        {"{\"aud\":[],\"iss\":\"them\"}", HF_TOKEN_INVALID},
        {"{\"iss\":\"them\"}", HF_TOKEN_INVALID},
        {"{\"aud\":\"app-7\"}", HF_TOKEN_INVALID},
        {"{\"aud\":\"app-7\",\"iss\":\"them\\n\"}", HF_TOKEN_INVALID},
    };
    const struct hf_pattern_limits limits = {1000, 65536};
    char why[HF_PATTERN_WHY_MAX];
    struct hf_config_token config = settings();
    struct made made;

    (void)state;
    config.hmac_secret_key = TEXT("secret");
    config.audience_pattern = hf_pattern_new("^app-[0-9]+$", &limits, why);
    config.issuer_pattern = hf_pattern_new("^the[my]$", &limits, why);
    assert_true(config.audience_pattern != NULL && config.issuer_pattern != NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sign_hmac(&made, 256, "secret", cases[i].payload);
        if (result_of(&config, HF_TOKEN_CONNECTION, &made, NOW_MS) != cases[i].result) {
            fail_msg("%s", cases[i].payload);
        }
    }
    hf_pattern_free(config.audience_pattern);
    hf_pattern_free(config.issuer_pattern);
}

static void claims_of_a_connection_are_read(void **state)
{
    struct hf_config_token config = settings();
    struct checked checked;
    struct made made;

    (void)state;
    config.hmac_secret_key = TEXT("secret");
    config.user_id_claim = TEXT("user_name");
    sign_hmac(&made, 512, "secret",
              "{\"sub\":7,\"user_name\":\"j\\u00f6rg\",\"exp\":1700000010.7,\"info\":{\"a\": 1},"
              "\"meta\":{\"m\":1},\"channels\":[\"a\",\"b\",\"a\"],\"subs\":{\"b\":{\"info\":1,"
              "\"b64info\":\"eyJiIjoyfQ==\",\"data\":[2],\"override\":{\"force_recovery\":"
              "{\"value\":true},\"presence\":{\"value\":false},\"other\":1}},\"c\":null}}");
    check_kind(&checked, &config, HF_TOKEN_CONNECTION, made.text, made.len, NOW_MS);
    assert_int_equal(checked.result, HF_TOKEN_OK);
    assert_slice(checked.claims.user, "j\xc3\xb6rg");
    assert_slice(checked.claims.info, "{\"a\": 1}");
    assert_slice(checked.claims.meta, "{\"m\":1}");
    assert_slice(checked.claims.algorithm, "HS512");
    assert_int_equal(checked.claims.expire_at_s, NOW_S + 10);
    assert_int_equal(checked.claims.subs_count, 2);
    assert_slice(checked.claims.subs[0].channel, "b");
    assert_slice(checked.claims.subs[0].info, "{\"b\":2}");
    assert_slice(checked.claims.subs[0].data, "[2]");
    assert_int_equal(checked.claims.subs[0].overridden,
                     HF_TOKEN_OVERRIDE_FORCE_RECOVERY | HF_TOKEN_OVERRIDE_PRESENCE);
    assert_int_equal(checked.claims.subs[0].override_values, HF_TOKEN_OVERRIDE_FORCE_RECOVERY);
    assert_slice(checked.claims.subs[1].channel, "c");
    release(&checked);
}

static void channels_count_where_no_subs_are_named(void **state)
{
    struct hf_config_token config = settings();
    struct checked checked;
    struct made made;

    (void)state;
    config.hmac_secret_key = TEXT("secret");
    sign_hmac(&made, 256, "secret", "{\"subs\":{},\"channels\":[\"a\",\"b\",\"a\"]}");
    check_kind(&checked, &config, HF_TOKEN_CONNECTION, made.text, made.len, NOW_MS);
    assert_int_equal(checked.result, HF_TOKEN_OK);
    assert_int_equal(checked.claims.subs_count, 2);
    assert_slice(checked.claims.subs[0].channel, "a");
    assert_slice(checked.claims.subs[1].channel, "b");
    release(&checked);
}

static void claims_of_a_subscription_are_read(void **state)
{
    struct hf_config_token config = settings();
    struct checked checked;
    struct made made;

    (void)state;
    config.hmac_secret_key = TEXT("secret");
    sign_hmac(&made, 256, "secret",
              "{\"sub\":\"42\",\"channel\":\"chat:a\",\"client\":\"c\",\"exp\":1700000010,"
              "\"expire_at\":0,\"b64data\":\"bnVsbA==\",\"channels\":7}");
    check_kind(&checked, &config, HF_TOKEN_SUBSCRIPTION, made.text, made.len, NOW_MS);
    assert_int_equal(checked.result, HF_TOKEN_OK);
    assert_slice(checked.claims.sub.channel, "chat:a");
    assert_slice(checked.claims.client, "c");
    assert_slice(checked.claims.sub.data, "null");
    assert_int_equal(checked.claims.expire_at_s, 0);
    release(&checked);
    sign_hmac(&made, 256, "secret", "{\"sub\":\"42\"}");
    assert_int_equal(result_of(&config, HF_TOKEN_SUBSCRIPTION, &made, NOW_MS), HF_TOKEN_INVALID);
}

static void what_we_sign_is_valid(void **state)
{
    struct hf_config_token config = settings();
    struct checked checked;
    char *token;

    (void)state;
    config.hmac_secret_key = TEXT("secret");
    config.audience = TEXT("us");
    config.issuer = TEXT("them");
    config.user_id_claim = TEXT("uid");
    token = hf_token_sign(&config, "a \"b\"", "chat:a", 10, NOW_S);
    check_kind(&checked, &config, HF_TOKEN_SUBSCRIPTION, token, strlen(token), NOW_MS);
    assert_int_equal(checked.result, HF_TOKEN_OK);
    assert_slice(checked.claims.user, "a \"b\"");
    assert_slice(checked.claims.sub.channel, "chat:a");
    assert_int_equal(checked.claims.expire_at_s, NOW_S + 10);
    release(&checked);
    free(token);
    token = hf_token_sign(&config, "", NULL, -1, NOW_S);
    check_kind(&checked, &config, HF_TOKEN_CONNECTION, token, strlen(token), NOW_MS);
    assert_int_equal(checked.result, HF_TOKEN_OK);
    assert_int_equal(checked.claims.user.len, 0);
    assert_int_equal(checked.claims.expire_at_s, 0);
    release(&checked);
    free(token);
}

static void base64_is_strict(void **state)
{
    static const struct {
        enum hf_base64_alphabet alphabet;
        const char *text;
        const char *decoded; /* NULL: refused */
    } cases[] = {
        {HF_BASE64_URL, "", ""},
        {HF_BASE64_URL, "Zg", "f"},
        {HF_BASE64_URL, "Zm8", "fo"},
        {HF_BASE64_URL, "Zm9v", "foo"},
        {HF_BASE64_URL, "Zg==", NULL},
        {HF_BASE64_URL, "Z", NULL},
        {HF_BASE64_URL, "Zh", NULL},
        {HF_BASE64_URL, "-_-_", "\xfb\xff\xbf"},
        {HF_BASE64_URL, "+/+/", NULL},
        {HF_BASE64_URL, "Zm 9v", NULL},
        {HF_BASE64_STANDARD, "Zg==", "f"},
        {HF_BASE64_STANDARD, "Zg", NULL},
        {HF_BASE64_STANDARD, "====", NULL},
        {HF_BASE64_STANDARD, "+/+/", "\xfb\xff\xbf"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[32];
        size_t len = 99;
        bool is_good = hf_base64_decode(cases[i].alphabet, hf_slice_of(cases[i].text), out, &len);

        if (is_good != (cases[i].decoded != NULL) ||
            (is_good &&
             (len != strlen(cases[i].decoded) || memcmp(out, cases[i].decoded, len) != 0))) {
            fail_msg("%s", cases[i].text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hmac_of_each_size_is_accepted_and_only_with_its_secret),
        cmocka_unit_test(any_changed_character_is_refused),
        cmocka_unit_test(alg_none_is_refused_with_and_without_signature),
        cmocka_unit_test(rsa_of_each_size_is_accepted_and_only_with_its_key),
        cmocka_unit_test(public_key_as_hmac_secret_is_refused),
        cmocka_unit_test(ecdsa_is_accepted_with_the_algorithm_of_its_curve_only),
        cmocka_unit_test(key_of_another_kind_cannot_be_loaded),
        cmocka_unit_test(previous_secret_counts_until_its_time),
        cmocka_unit_test(skipped_signature_leaves_the_dates),
        cmocka_unit_test(dates_decide),
        cmocka_unit_test(malformed_claims_are_invalid),
        cmocka_unit_test(encoded_info_may_nest_one_level_less_than_any_json),
        cmocka_unit_test(audience_and_issuer_are_asked_for),
        cmocka_unit_test(audience_and_issuer_match_expressions),
        cmocka_unit_test(claims_of_a_connection_are_read),
        cmocka_unit_test(channels_count_where_no_subs_are_named),
        cmocka_unit_test(claims_of_a_subscription_are_read),
        cmocka_unit_test(what_we_sign_is_valid),
        cmocka_unit_test(base64_is_strict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
