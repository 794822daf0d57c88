#include "pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOW      1000000u
#define REST_MAX 8000u

static void test_first_delivery_goes_at_once(void **state)
{
    (void)state;
    struct hf_pace pace = {.rest_max_us = REST_MAX};
    assert_int_equal(hf_pace_begin(&pace, NOW), 0);
}

static void test_turn_without_deliveries_is_no_reason_to_rest(void **state)
{
    (void)state;
    struct hf_pace pace = {.rest_max_us = REST_MAX};
    hf_pace_end(&pace, NOW);
    assert_int_equal(hf_pace_begin(&pace, NOW), 0);
}

static void test_short_turn_is_followed_by_no_rest(void **state)
{
    (void)state;
    struct hf_pace pace = {.rest_max_us = REST_MAX};
    hf_pace_begin(&pace, NOW);
    hf_pace_end(&pace, NOW + HF_PACE_TURN_MIN_US - 1);
    assert_int_equal(hf_pace_begin(&pace, NOW + HF_PACE_TURN_MIN_US - 1), 0);
}

static void test_long_turn_is_followed_by_a_rest_four_times_as_long(void **state)
{
    (void)state;
    struct hf_pace pace = {.rest_max_us = REST_MAX};
    hf_pace_begin(&pace, NOW);
    hf_pace_end(&pace, NOW + 1000);
    assert_int_equal(hf_pace_begin(&pace, NOW + 1000), 4000);
    assert_int_equal(hf_pace_begin(&pace, NOW + 4999), 1);
    assert_int_equal(hf_pace_begin(&pace, NOW + 5000), 0);
}

/* Turns without deliveries in between neither lengthen nor end it. */
static void test_rest_goes_on_over_other_turns(void **state)
{
    (void)state;
    struct hf_pace pace = {.rest_max_us = REST_MAX};
    hf_pace_begin(&pace, NOW);
    hf_pace_end(&pace, NOW + 1000);
    hf_pace_end(&pace, NOW + 2000);
    assert_int_equal(hf_pace_begin(&pace, NOW + 2000), 3000);
    hf_pace_end(&pace, NOW + 4000);
    assert_int_equal(hf_pace_begin(&pace, NOW + 5000), 0);
}

static void test_very_long_turn_is_followed_by_the_longest_rest(void **state)
{
    (void)state;
    struct hf_pace pace = {.rest_max_us = REST_MAX};
    hf_pace_begin(&pace, NOW);
    hf_pace_end(&pace, NOW + 500000);
    assert_int_equal(hf_pace_begin(&pace, NOW + 500000), REST_MAX);
}

static void test_without_a_longest_rest_nothing_is_held_up(void **state)
{
    (void)state;
    struct hf_pace pace = {.rest_max_us = 0};
    hf_pace_begin(&pace, NOW);
    hf_pace_end(&pace, NOW + 500000);
    assert_int_equal(hf_pace_begin(&pace, NOW + 500000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_delivery_goes_at_once),
        cmocka_unit_test(test_turn_without_deliveries_is_no_reason_to_rest),
        cmocka_unit_test(test_short_turn_is_followed_by_no_rest),
        cmocka_unit_test(test_long_turn_is_followed_by_a_rest_four_times_as_long),
        cmocka_unit_test(test_rest_goes_on_over_other_turns),
        cmocka_unit_test(test_without_a_longest_rest_nothing_is_held_up),
        cmocka_unit_test(test_very_long_turn_is_followed_by_the_longest_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
