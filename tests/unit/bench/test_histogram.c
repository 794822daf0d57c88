#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

#include "histogram.h"

static struct hf_histogram *histogram_new(void)
{
    struct hf_histogram *histogram = calloc(1, sizeof *histogram);
    assert_non_null(histogram);
    return histogram;
}

static void test_empty_histogram_has_quantile_zero(void **state)
{
    (void)state;
    struct hf_histogram *histogram = histogram_new();
    assert_int_equal(hf_histogram_quantile(histogram, 0.5), 0);
    assert_int_equal(hf_histogram_quantile(histogram, 1), 0);
    free(histogram);
}

static void test_one_value_is_every_quantile(void **state)
{
    (void)state;
    struct hf_histogram *histogram = histogram_new();
    hf_histogram_add(histogram, 123456789);
    assert_int_equal(hf_histogram_quantile(histogram, 0), 123456789);
    assert_int_equal(hf_histogram_quantile(histogram, 0.5), 123456789);
    assert_int_equal(hf_histogram_quantile(histogram, 1), 123456789);
    free(histogram);
}

static void test_small_values_are_exact(void **state)
{
    (void)state;
    struct hf_histogram *histogram = histogram_new();
    for (uint64_t value = 1; value <= 100; value++) {
        hf_histogram_add(histogram, value);
    }
    assert_int_equal(hf_histogram_quantile(histogram, 0.5), 50);
    assert_int_equal(hf_histogram_quantile(histogram, 0.99), 99);
    assert_int_equal(hf_histogram_quantile(histogram, 0.999), 100);
    assert_int_equal(histogram->count, 100);
    free(histogram);
}

/* Every value on both sides of each power of two, alone: its quantile may be off by 1/64. */
static void test_each_magnitude_is_kept_within_a_64th(void **state)
{
    (void)state;
    struct hf_histogram *histogram = histogram_new();
    for (unsigned bits = 1; bits < HF_HISTOGRAM_MAX_BITS; bits++) {
        for (int64_t step = -2; step <= 2; step++) {
            uint64_t value = (UINT64_C(1) << bits) + (uint64_t)step;
            *histogram = (struct hf_histogram){0};
            hf_histogram_add(histogram, value);
            hf_histogram_add(histogram, UINT64_C(1) << HF_HISTOGRAM_MAX_BITS);
            uint64_t found = hf_histogram_quantile(histogram, 0.5);
            assert_true(found >= value);
            assert_true(found - value <= value / 64);
        }
    }
    free(histogram);
}

static void test_value_beyond_the_range_counts_as_the_largest(void **state)
{
    (void)state;
    struct hf_histogram *histogram = histogram_new();
    hf_histogram_add(histogram, 5);
    hf_histogram_add(histogram, UINT64_MAX);
    assert_int_equal(hf_histogram_quantile(histogram, 0.5), 5);
    assert_true(histogram->max == UINT64_MAX);
    assert_true(hf_histogram_quantile(histogram, 1) >= (UINT64_C(1) << HF_HISTOGRAM_MAX_BITS) - 1);
    free(histogram);
}

static void test_merged_histograms_are_as_one(void **state)
{
    (void)state;
    struct hf_histogram *one = histogram_new(), *other = histogram_new(), *both = histogram_new();
    for (uint64_t i = 0; i < 10000; i++) {
        uint64_t value = i * i * 37 + 11;
        hf_histogram_add(i % 3 == 0 ? one : other, value);
        hf_histogram_add(both, value);
    }
    hf_histogram_merge(one, other);
    assert_memory_equal(one, both, sizeof *one);
    free(one);
    free(other);
    free(both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_histogram_has_quantile_zero),
        cmocka_unit_test(test_one_value_is_every_quantile),
        cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_each_magnitude_is_kept_within_a_64th),
        cmocka_unit_test(test_value_beyond_the_range_counts_as_the_largest),
        cmocka_unit_test(test_merged_histograms_are_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
