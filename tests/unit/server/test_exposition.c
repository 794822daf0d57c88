#include "api/exposition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "counters.h"

static struct hf_buffer text;

static int begin(void **state)
{
    (void)state;
    hf_buffer_init(&text, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    hf_buffer_fini(&text);
    return 0;
}

static void is_text(const char *wanted)
{
    assert_false(hf_buffer_failed(&text));
    hf_buffer_append_char(&text, '\0');
    assert_string_equal(text.data, wanted);
}

static void a_family_has_help_type_and_sample(void **state)
{
    (void)state;
    hf_exposition_single(&text, "a_total", "counter", "What it is.", UINT64_MAX);
    is_text("# HELP a_total What it is.\n# TYPE a_total counter\na_total 18446744073709551615\n");
}

static void help_and_label_values_are_escaped(void **state)
{
    (void)state;
    const struct hf_label labels[] = {{"x", "a\"b\\c\nd"}, {"y", ""}};
    hf_exposition_family(&text, "a", "gauge", "one \"line\"\\\ntwo");
    hf_exposition_sample(&text, "a", labels, 2, 0);
    is_text("# HELP a one \"line\"\\\\\\ntwo\n# TYPE a gauge\na{x=\"a\\\"b\\\\c\\nd\",y=\"\"} 0\n");
}

static void times_are_seconds_in_their_shortest_form(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, 1500000, 2000000, 10000000, 123456789};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        hf_exposition_time(&text, "t", NULL, 0, values[i]);
    }
    is_text("t 0.0\nt 0.000001\nt 1.5\nt 2.0\nt 10.0\nt 123.456789\n");
}

static void a_histogram_is_cumulative_and_ends_with_infinity(void **state)
{
    (void)state;
    static const uint64_t bounds[] = {1000, 500000};
    static const uint64_t counts[] = {2, 0, 3};
    const struct hf_label label = {"m", "x"};
    hf_exposition_histogram(&text, "h", &label, bounds, counts, 2, 7000001);
    is_text("h_bucket{m=\"x\",le=\"0.001\"} 2\nh_bucket{m=\"x\",le=\"0.5\"} 2\n"
            "h_bucket{m=\"x\",le=\"+Inf\"} 5\nh_sum{m=\"x\"} 7.000001\nh_count{m=\"x\"} 5\n");
}

static void a_full_buffer_is_a_failure(void **state)
{
    (void)state;
    struct hf_buffer small;
    hf_buffer_init(&small, 16);
    hf_exposition_single(&small, "a_total", "counter", "What it is.", 1);
    assert_true(hf_buffer_failed(&small));
    hf_buffer_fini(&small);
}

/* --- counters --------------------------------------------------------------------------------- */

static void codes_have_their_places(void **state)
{
    (void)state;
    static struct hf_worker_counters counters;
    static const unsigned codes[] = {3000, 3008, 3015, 3500, 3509, 3515};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        hf_counters_disconnect(&counters, codes[i]);
    }
    hf_counters_disconnect(&counters, 4000);
    hf_counters_disconnect(&counters, 3016);
    uint64_t others = 0;
    for (size_t i = 0; i < HF_DISCONNECTS_COUNTED; i++) {
        uint64_t count = hf_counter_read(&counters.disconnects[i]);
        unsigned code = hf_counters_disconnect_code(i);
        bool is_wanted = false;
        for (size_t k = 0; k < sizeof(codes) / sizeof(codes[0]); k++) {
            is_wanted |= codes[k] == code;
        }
        assert_int_equal(count, code == 0 ? 2 : is_wanted ? 1 : 0);
        others += code == 0;
    }
    assert_int_equal(others, 1);
    hf_counters_error(&counters, 100);
    hf_counters_error(&counters, 112);
    hf_counters_error(&counters, 400);
    assert_int_equal(hf_counter_read(&counters.errors[0]), 1);
    assert_int_equal(hf_counter_read(&counters.errors[12]), 1);
    assert_int_equal(hf_counter_read(&counters.errors[HF_ERRORS_COUNTED - 1]), 1);
    assert_int_equal(hf_counters_error_code(12), 112);
    assert_int_equal(hf_counters_error_code(HF_ERRORS_COUNTED - 1), 0);
}

static void durations_have_their_buckets(void **state)
{
    (void)state;
    static struct hf_http_counters http;
    hf_counters_http(&http, 200, 0);
    hf_counters_http(&http, 200, 1000);
    hf_counters_http(&http, 503, 1001);
    hf_counters_http(&http, 999, 99000000);
    assert_int_equal(hf_counter_read(&http.buckets[0]), 2);
    assert_int_equal(hf_counter_read(&http.buckets[1]), 1);
    assert_int_equal(hf_counter_read(&http.buckets[HF_DURATION_BUCKETS - 1]), 1);
    assert_int_equal(hf_counter_read(&http.sum_us), 99002001);
    assert_int_equal(hf_counter_read(&http.statuses[2]), 2);
    assert_int_equal(hf_counter_read(&http.statuses[5]), 1);
    assert_int_equal(hf_counter_read(&http.statuses[0]), 1);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_family_has_help_type_and_sample),
        CASE(help_and_label_values_are_escaped),
        CASE(times_are_seconds_in_their_shortest_form),
        CASE(a_histogram_is_cumulative_and_ends_with_infinity),
        CASE(a_full_buffer_is_a_failure),
        cmocka_unit_test(codes_have_their_places),
        cmocka_unit_test(durations_have_their_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
