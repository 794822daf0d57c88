#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "redis/backoff.h"

static void longest_wait_doubles_up_to_the_maximum(void **state)
{
    (void)state;
    const uint32_t ceilings[] = {50, 100, 200, 400, 800, 1000, 1000, 1000, 1000, 1000};
    struct hf_backoff backoff = {0};
    for (size_t i = 0; i < sizeof ceilings / sizeof ceilings[0]; i++) {
        /* the random number that gives the longest wait, and the one behind it the shortest */
        struct hf_backoff copy = backoff;
        assert_int_equal(hf_backoff_next_ms(&backoff, ceilings[i] - HF_BACKOFF_MIN_MS),
                         ceilings[i]);
        assert_int_equal(hf_backoff_next_ms(&copy, ceilings[i] - HF_BACKOFF_MIN_MS + 1),
                         HF_BACKOFF_MIN_MS);
    }
}

static void any_random_number_stays_in_bounds(void **state)
{
    (void)state;
    struct hf_backoff backoff = {0};
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < 100000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        assert_in_range(hf_backoff_next_ms(&backoff, random), HF_BACKOFF_MIN_MS, HF_BACKOFF_MAX_MS);
    }
    backoff.attempts = UINT32_MAX; /* years later */
    assert_in_range(hf_backoff_next_ms(&backoff, UINT64_MAX), HF_BACKOFF_MIN_MS, HF_BACKOFF_MAX_MS);
    assert_int_equal(backoff.attempts, UINT32_MAX);
}

static void reset_begins_anew(void **state)
{
    (void)state;
    struct hf_backoff backoff = {0};
    for (int i = 0; i < 20; i++)
        hf_backoff_next_ms(&backoff, 1);
    hf_backoff_reset(&backoff);
    assert_int_equal(hf_backoff_next_ms(&backoff, 40), 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest_wait_doubles_up_to_the_maximum),
        cmocka_unit_test(any_random_number_stays_in_bounds),
        cmocka_unit_test(reset_begins_anew),
    };
    return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
