/* Key sets as addresses on the web publish them: which keys are taken, and what is no set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "token/key_set.h"

/* Points of the curves, made for this test. */
#define P256                                                                                       \
    "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"IHdBQ8fC4s4T1O3JpjAK1IqNVp4nh4W7dJyGdfkaV3w\","      \
    "\"y\":\"c1UKzHyReo49zexBhHwpQvVPdmua7-_qVcn2WqLStNI\""
#define ED25519                                                                                    \
    "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"17m5Wr3dCxHjZjQtMIIZF3pbZDDztkDK5aVaYm4LxKM\""
#define RSA                                                                                        \
    "\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\""                                                      \
    "hJ6pOHrjKLPoX7Y03wSgEE8SxIbuxrugxF94xEUF2JXSaU4bDDusS1kHUEd5ZPfD2erUTpq5dd7X2RcM"             \
    "CeCjeGTTpg3g6y1XM_9Weg9z1wR3UvDaPEK9c1cTelQ9B89jhR12tN7BVIQt5xSN1gZ37-Ybu_B87SX1"             \
    "ySUpq03zCipfLWAeESnIWFEJxTU2sYP0aWoObjKoHSIp-2iGmx4MY92s9M5H25k310l4Xqfiwys0XNvc"             \
    "wh-Ir1ZByl-0Ni5oQn0-8GXUCcmhmY2IrBNgwLDBmTmfX1uBmiPdShrrhkLirsg2Z2c1Vy5I3Xt7nl2e"             \
    "o2kKhehmgX_JuDVNh92AEw"                                                                       \
    "\""

static struct hf_key_set *read_set(const char *text, const char **reason)
{
    *reason = NULL;
    return hf_key_set_read(hf_slice_of(text), 4, reason);
}

static void keys_are_found_by_their_names(void **state)
{
    const char *reason;
    struct hf_key_set *set = read_set("{\"other\":1,\"keys\":[{\"kid\":\"r\"," RSA "},"
                                      "{\"kid\":\"e\",\"use\":\"sig\"," P256 "},"
                                      "{\"kid\":\"d\"," ED25519 "}]}",
                                      &reason);

    (void)state;
    assert_non_null(set);
    assert_int_equal(hf_key_set_count(set), 3);
    assert_non_null(hf_key_set_find(set, HF_SLICE("r"))->rsa);
    assert_non_null(hf_key_set_find(set, HF_SLICE("e"))->ecdsa);
    assert_int_equal(hf_key_set_find(set, HF_SLICE("e"))->ecdsa_digest_bits, 256);
    assert_non_null(hf_key_set_find(set, HF_SLICE("d"))->ed25519);
    assert_null(hf_key_set_find(set, HF_SLICE("x")));
    assert_null(hf_key_set_find(set, HF_SLICE("")));
    assert_ptr_equal(hf_key_set_ref(set), set);
    hf_key_set_unref(set);
    assert_non_null(hf_key_set_find(set, HF_SLICE("r")));
    hf_key_set_unref(set);
    hf_key_set_unref(NULL);
}

static void keys_that_are_not_for_us_are_left_out(void **state)
{
    const char *reason;
    struct hf_key_set *set = read_set("{\"keys\":[{" RSA "},"
                                      "{\"kid\":\"a\",\"use\":\"enc\"," RSA "},"
                                      "{\"kid\":\"b\",\"kty\":\"oct\",\"k\":\"AAAA\"},"
                                      "{\"kid\":\"c\",\"kty\":\"EC\",\"crv\":\"secp256k1\"}]}",
                                      &reason);

    (void)state;
    assert_non_null(set);
    assert_int_equal(hf_key_set_count(set), 0);
    hf_key_set_unref(set);
}

static void what_is_no_set_is_refused_with_the_reason(void **state)
{
    static const char *const cases[][2] = {
        {"", "no JSON object"},
        {"[]", "no JSON object"},
        {"{\"keys\":{}}", "no JSON object"},
        {"{\"keys\":[1,2,3,4,5]}", "jwks_max_keys"},
        {"{\"keys\":[{\"kid\":\"a\"," P256 "},{\"kid\":\"a\"," RSA "}]}", "same kid"},
        {"{\"keys\":[{\"kid\":\"a\",\"kty\":\"RSA\",\"n\":\"AQAB\"}]}", "kty demands"},
        {"{\"keys\":[{\"kid\":\"a\",\"kty\":\"RSA\",\"n\":\"+/\",\"e\":\"AQAB\"}]}", "kty demands"},
        {"{\"keys\":[{\"kid\":\"a\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
         "\"IHdBQ8fC4s4T1O3JpjAK1IqNVp4nh4W7dJyGdfkaV3w\",\"y\":"
         "\"IHdBQ8fC4s4T1O3JpjAK1IqNVp4nh4W7dJyGdfkaV3w\"}]}",
         "kty demands"}, /* not on the curve */
        {"{\"keys\":[{\"kid\":\"a\",\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":"
         "\"IHdBQ8fC4s4T1O3JpjAK1IqNVp4nh4W7dJyGdfkaV3w\",\"y\":"
         "\"c1UKzHyReo49zexBhHwpQvVPdmua7-_qVcn2WqLStNI\"}]}",
         "kty demands"},
        {"{\"keys\":[{\"kid\":\"a\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}]}",
         "kty demands"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *reason;

        if (read_set(cases[i][0], &reason) != NULL || strstr(reason, cases[i][1]) == NULL) {
            fail_msg("%s: %s", cases[i][0], reason == NULL ? "taken" : reason);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_found_by_their_names),
        cmocka_unit_test(keys_that_are_not_for_us_are_left_out),
        cmocka_unit_test(what_is_no_set_is_refused_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
