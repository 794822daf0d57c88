#include "net/gather.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOW 1000000u

static void arrive(struct hf_gather *gather, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        hf_gather_arrival(gather);
    }
}

static void do_much(struct hf_gather *gather)
{
    for (unsigned i = 0; i < HF_GATHER_EVENTS_MIN; i++) {
        hf_gather_event(gather);
    }
}

static void test_few_who_arrive_are_no_reason_to_rest(void **state)
{
    (void)state;
    struct hf_gather gather = {.window_at_ms = NOW};
    arrive(&gather, HF_GATHER_STORM - 1);
    assert_int_equal(hf_gather_end_turn(&gather, NOW), 0);
}

static void test_much_else_to_do_is_no_reason_to_rest(void **state)
{
    (void)state;
    struct hf_gather gather = {.window_at_ms = NOW};
    for (unsigned turn = 0; turn < 100; turn++) {
        hf_gather_event(&gather);
        assert_int_equal(hf_gather_end_turn(&gather, NOW), 0);
    }
}

static void test_many_who_arrive_in_a_window_bring_a_rest_to_turns_with_little_to_do(void **state)
{
    (void)state;
    struct hf_gather gather = {.window_at_ms = NOW};
    arrive(&gather, HF_GATHER_STORM / 2);
    assert_int_equal(hf_gather_end_turn(&gather, NOW), 0);
    arrive(&gather, HF_GATHER_STORM / 2);
    assert_int_equal(hf_gather_end_turn(&gather, NOW + 1), HF_GATHER_REST_US);
    assert_int_equal(hf_gather_end_turn(&gather, NOW + 2), HF_GATHER_REST_US);
}

static void test_turn_with_its_hands_full_is_followed_by_no_rest(void **state)
{
    (void)state;
    struct hf_gather gather = {.window_at_ms = NOW};
    arrive(&gather, HF_GATHER_STORM);
    do_much(&gather);
    assert_int_equal(hf_gather_end_turn(&gather, NOW + 1), 0);
    assert_int_equal(hf_gather_end_turn(&gather, NOW + 2), HF_GATHER_REST_US);
}

static void test_storm_ends_with_the_window_after_its_last_arrivals(void **state)
{
    (void)state;
    struct hf_gather gather = {.window_at_ms = NOW};
    uint64_t next = NOW + HF_GATHER_WINDOW_MS;
    arrive(&gather, HF_GATHER_STORM);
    assert_int_equal(hf_gather_end_turn(&gather, next), HF_GATHER_REST_US);
    assert_int_equal(hf_gather_end_turn(&gather, next + HF_GATHER_WINDOW_MS - 1),
                     HF_GATHER_REST_US);
    assert_int_equal(hf_gather_end_turn(&gather, next + HF_GATHER_WINDOW_MS), 0);
}

/* One turn may take longer than a window. */
static void test_rate_counts_where_a_window_has_become_long(void **state)
{
    (void)state;
    struct hf_gather gather = {.window_at_ms = NOW};
    arrive(&gather, 3 * HF_GATHER_STORM);
    assert_int_equal(hf_gather_end_turn(&gather, NOW), 0);
    assert_int_equal(hf_gather_end_turn(&gather, NOW + 3 * HF_GATHER_WINDOW_MS), HF_GATHER_REST_US);
    gather = (struct hf_gather){.window_at_ms = NOW};
    arrive(&gather, 3 * HF_GATHER_STORM - 1);
    do_much(&gather);
    assert_int_equal(hf_gather_end_turn(&gather, NOW + 3 * HF_GATHER_WINDOW_MS), 0);
    assert_int_equal(hf_gather_end_turn(&gather, NOW + 3 * HF_GATHER_WINDOW_MS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_who_arrive_are_no_reason_to_rest),
        cmocka_unit_test(test_much_else_to_do_is_no_reason_to_rest),
        cmocka_unit_test(test_many_who_arrive_in_a_window_bring_a_rest_to_turns_with_little_to_do),
        cmocka_unit_test(test_turn_with_its_hands_full_is_followed_by_no_rest),
        cmocka_unit_test(test_storm_ends_with_the_window_after_its_last_arrivals),
        cmocka_unit_test(test_rate_counts_where_a_window_has_become_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
