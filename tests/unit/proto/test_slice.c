#include "slice.h"

#include "proto_test.h"

static void test_equal(void **state)
{
    (void)state;
    assert_true(hf_slice_equal(HF_SLICE("abc"), hf_slice_of("abc")));
    assert_false(hf_slice_equal(HF_SLICE("abc"), HF_SLICE("abd")));
    assert_false(hf_slice_equal(HF_SLICE("abc"), HF_SLICE("ab")));
    assert_true(hf_slice_equal(hf_slice(NULL, 0), HF_SLICE("")));
    assert_true(hf_slice_equal(HF_SLICE("a\0b"), hf_slice("a\0b", 3)));
    assert_true(hf_slice_is_empty(hf_slice_of(NULL)));
}

static void test_equal_fold(void **state)
{
    (void)state;
    assert_true(hf_slice_equal_fold(HF_SLICE("WebSocket"), HF_SLICE("webSOCKET")));
    assert_false(hf_slice_equal_fold(HF_SLICE("a"), HF_SLICE("ab")));
    assert_false(hf_slice_equal_fold(HF_SLICE("ab"), HF_SLICE("ac")));
    /* Only letters differ by case: '[' and '{' are 32 apart too. */
    assert_false(hf_slice_equal_fold(HF_SLICE("["), HF_SLICE("{")));
    assert_false(hf_slice_equal_fold(HF_SLICE("@"), HF_SLICE("`")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("slice: same and different bytes -> equal or not", test_equal),
        TEST("slice: letters of either case -> equal when folded", test_equal_fold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
