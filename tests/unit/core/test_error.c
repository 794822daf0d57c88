#include <holdfast/error.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    int code;
    bool is_temporary;
} codes[] = {
    {HF_ENOMEM, true},  {HF_EINVAL, false},         {HF_EUNAVAILABLE, true}, {HF_ETIMEOUT, true},
    {HF_ELIMIT, true},  {HF_EUNRECOVERABLE, false}, {HF_ESTORE, true},       {HF_EUNKNOWN, true},
    {HF_ECLOSED, true}, {HF_EUNSUPPORTED, false},   {HF_ENONODE, false},
};

enum { CODES = sizeof codes / sizeof codes[0] };

static void every_code_has_a_text_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < CODES; i++) {
        const char *text = hf_error_text(codes[i].code);
        assert_true(strlen(text) > 0);
        assert_string_not_equal(text, hf_error_text(HF_OK));
        assert_string_not_equal(text, hf_error_text(1));
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(text, hf_error_text(codes[j].code));
        }
    }
}

static void codes_are_the_negatives_that_callers_have_stored(void **state)
{
    (void)state;
    assert_int_equal(HF_OK, 0);
    for (size_t i = 0; i < CODES; i++) {
        assert_int_equal(codes[i].code, -(int)i - 1);
    }
}

static void a_code_outside_the_list_still_has_a_text_and_is_not_temporary(void **state)
{
    (void)state;
    const int others[] = {1, -CODES - 1, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_string_equal(hf_error_text(others[i]), hf_error_text(1));
        assert_false(hf_error_is_temporary(others[i]));
    }
}

static void temporary_are_those_that_the_same_request_may_outlive(void **state)
{
    (void)state;
    assert_false(hf_error_is_temporary(HF_OK));
    for (size_t i = 0; i < CODES; i++) {
        assert_int_equal(hf_error_is_temporary(codes[i].code), codes[i].is_temporary);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_text_of_its_own),
        cmocka_unit_test(codes_are_the_negatives_that_callers_have_stored),
        cmocka_unit_test(a_code_outside_the_list_still_has_a_text_and_is_not_temporary),
        cmocka_unit_test(temporary_are_those_that_the_same_request_may_outlive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
