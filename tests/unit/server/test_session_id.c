/* Session ids (server/net/session_id.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/session_id.h"
#include "worker.h"

static void the_text_is_a_uuid_of_version_4_and_is_read_back(void **state)
{
    struct hf_worker worker = {.index = 0x1a2};
    unsigned char id[HF_SESSION_ID_SIZE];
    unsigned char read_back[HF_SESSION_ID_SIZE];
    char text[HF_SESSION_ID_TEXT_LEN + 1];

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_true(hf_session_id_choose(&worker, id, text));
        assert_int_equal(strlen(text), HF_SESSION_ID_TEXT_LEN);
        for (size_t at = 0; at < HF_SESSION_ID_TEXT_LEN; at++) {
            bool is_dash = at == 8 || at == 13 || at == 18 || at == 23;
            assert_non_null(strchr(is_dash ? "-" : "0123456789abcdef", text[at]));
        }
        assert_int_equal(text[14], '4');
        assert_non_null(strchr("89ab", text[19]));
        assert_string_equal(text + 32, "01a2"); /* the worker's index */
        assert_true(hf_session_id_parse(hf_slice_of(text), read_back));
        assert_memory_equal(read_back, id, HF_SESSION_ID_SIZE);
    }
}

static void two_ids_differ(void **state)
{
    struct hf_worker worker = {.index = 0};
    unsigned char id[HF_SESSION_ID_SIZE];
    char first[HF_SESSION_ID_TEXT_LEN + 1];
    char second[HF_SESSION_ID_TEXT_LEN + 1];

    (void)state;
    assert_true(hf_session_id_choose(&worker, id, first));
    assert_true(hf_session_id_choose(&worker, id, second));
    assert_string_not_equal(first, second);
}

static void what_is_no_id_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "x",
        "7c9e6679-7425-40de-944b-e07fc1f9000",   /* too short */
        "7c9e6679-7425-40de-944b-e07fc1f900000", /* too long */
        "7C9E6679-7425-40DE-944B-E07FC1F90000",
        "7c9e6679-7425-40de-944b-e07fc1f9000g",
        "7c9e66797-425-40de-944b-e07fc1f90000",
        "7c9e667967425740de8944b9e07fc1f90000",
        "{c9e6679-7425-40de-944b-e07fc1f9000}",
    };
    unsigned char id[HF_SESSION_ID_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_false(hf_session_id_parse(hf_slice_of(texts[i]), id));
    }
    assert_false(hf_session_id_parse(hf_slice(NULL, 0), id));
    assert_true(hf_session_id_parse(HF_SLICE("7c9e6679-7425-40de-944b-e07fc1f90000"), id));
    assert_int_equal(id[0], 0x7c);
    assert_int_equal(id[15], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_is_a_uuid_of_version_4_and_is_read_back),
        cmocka_unit_test(two_ids_differ),
        cmocka_unit_test(what_is_no_id_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
