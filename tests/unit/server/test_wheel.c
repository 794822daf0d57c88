#include "net/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ENTRIES = 500 };

struct alarm {
    struct hf_wheel_entry entry; /* first */
    struct hf_wheel *wheel;
    uint64_t deadline_ms; /* UINT64_MAX: not set */
    uint64_t called_at_ms;
    unsigned calls;
    struct hf_wheel_entry *cancels; /* from inside the callback; NULL: nothing */
    uint64_t again_in_ms;           /* 0: not set again */
};

static void on_alarm(struct hf_wheel_entry *entry, uint64_t now_ms)
{
    struct alarm *alarm = (struct alarm *)entry;
    assert_false(hf_wheel_is_set(entry));
    assert_true(alarm->deadline_ms <= now_ms);
    alarm->called_at_ms = now_ms;
    alarm->calls++;
    alarm->deadline_ms = UINT64_MAX;
    if (alarm->cancels != NULL) {
        hf_wheel_cancel(alarm->wheel, alarm->cancels);
    }
    if (alarm->again_in_ms != 0) {
        alarm->deadline_ms = now_ms + alarm->again_in_ms;
        hf_wheel_set(alarm->wheel, entry, alarm->deadline_ms);
    }
}

static void set(struct hf_wheel *wheel, struct alarm *alarm, uint64_t deadline_ms)
{
    alarm->wheel = wheel;
    alarm->entry.callback = on_alarm;
    alarm->deadline_ms = deadline_ms;
    hf_wheel_set(wheel, &alarm->entry, deadline_ms);
}

/* The deadlines of each ring, its borders, and one beyond the last ring. */
static void a_deadline_is_met_at_its_tick_and_never_before(void **state)
{
    (void)state;
    static const uint64_t distances_ms[] = {1,          99,         100,       101,       25500,
                                            25599,      25600,      25601,     51200,     1638300,
                                            1638400,    1638500,    104857500, 104857600, 104857700,
                                            6710886300, 6710886400, 9000000000};
    static const uint64_t starts_ms[] = {0, 1, 99, 100, 25599, 1638399, 104857599, 987654321};
    for (size_t s = 0; s < sizeof(starts_ms) / sizeof(starts_ms[0]); s++) {
        for (size_t d = 0; d < sizeof(distances_ms) / sizeof(distances_ms[0]); d++) {
            if (s > 1 && distances_ms[d] > 1000000000) {
                continue; /* walking months takes its time */
            }
            struct hf_wheel *wheel = hf_wheel_new(starts_ms[s]);
            assert_non_null(wheel);
            struct alarm alarm = {0};
            uint64_t deadline_ms = starts_ms[s] + distances_ms[d];
            uint64_t due_ms = (deadline_ms + 99) / 100 * 100;
            set(wheel, &alarm, deadline_ms);
            hf_wheel_advance(wheel, due_ms - 1);
            assert_int_equal(alarm.calls, 0);
            hf_wheel_advance(wheel, due_ms);
            assert_int_equal(alarm.calls, 1);
            assert_int_equal(hf_wheel_next_ms(wheel), UINT64_MAX);
            hf_wheel_free(wheel);
        }
    }
}

static void waking_only_when_asked_to_meets_every_deadline_in_time(void **state)
{
    (void)state;
    struct hf_wheel *wheel = hf_wheel_new(12345);
    struct alarm alarm = {0};
    set(wheel, &alarm, 12345 + 300000);
    unsigned wakes = 0;
    while (alarm.calls == 0) {
        uint64_t next_ms = hf_wheel_next_ms(wheel);
        assert_true(next_ms != UINT64_MAX && ++wakes < 100);
        hf_wheel_advance(wheel, next_ms);
    }
    assert_int_equal(alarm.called_at_ms, 312400);
    hf_wheel_free(wheel);
}

static void a_deadline_in_the_past_is_met_by_the_next_tick(void **state)
{
    (void)state;
    struct hf_wheel *wheel = hf_wheel_new(1000);
    struct alarm alarm = {0};
    set(wheel, &alarm, 3);
    hf_wheel_advance(wheel, 1099);
    assert_int_equal(alarm.calls, 0);
    hf_wheel_advance(wheel, 1100);
    assert_int_equal(alarm.calls, 1);
    hf_wheel_free(wheel);
}

static void a_cancelled_entry_is_not_called(void **state)
{
    (void)state;
    struct hf_wheel *wheel = hf_wheel_new(0);
    struct alarm first = {0};
    struct alarm second = {0};
    set(wheel, &first, 500);
    set(wheel, &second, 500);
    hf_wheel_set(wheel, &first.entry, UINT64_MAX);
    assert_false(hf_wheel_is_set(&first.entry));
    hf_wheel_cancel(wheel, &first.entry);
    hf_wheel_advance(wheel, 10000);
    assert_int_equal(first.calls, 0);
    assert_int_equal(second.calls, 1);
    hf_wheel_free(wheel);
}

static void a_callback_may_cancel_another_of_the_same_tick(void **state)
{
    (void)state;
    struct hf_wheel *wheel = hf_wheel_new(0);
    struct alarm a = {0};
    struct alarm b = {0};
    struct alarm c = {0};
    a.cancels = &b.entry;
    c.cancels = &b.entry;
    set(wheel, &a, 300);
    set(wheel, &b, 300);
    set(wheel, &c, 300);
    b.cancels = &a.entry;
    hf_wheel_advance(wheel, 300);
    assert_int_equal(c.calls, 1); /* the newest is called first and cancels b */
    assert_int_equal(b.calls, 0);
    assert_int_equal(a.calls, 1);
    hf_wheel_free(wheel);
}

static void a_callback_that_sets_itself_again_is_called_in_the_same_advance(void **state)
{
    (void)state;
    struct hf_wheel *wheel = hf_wheel_new(0);
    struct alarm alarm = {.again_in_ms = 200};
    set(wheel, &alarm, 200);
    for (uint64_t now_ms = 0; now_ms <= 1000; now_ms += 50) {
        hf_wheel_advance(wheel, now_ms);
    }
    assert_int_equal(alarm.calls, 5);
    hf_wheel_cancel(wheel, &alarm.entry);
    hf_wheel_free(wheel);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/* Against the simplest model: a list of deadlines. */
static void many_random_deadlines_are_all_met_on_time(void **state)
{
    (void)state;
    static struct alarm alarms[ENTRIES];
    static const uint64_t spans_ms[] = {1000, 30000, 2000000, 200000000};
    uint64_t seed = 20261121;
    uint64_t now_ms = 777;
    struct hf_wheel *wheel = hf_wheel_new(now_ms);
    for (size_t i = 0; i < ENTRIES; i++) {
        alarms[i] = (struct alarm){.deadline_ms = UINT64_MAX};
    }
    unsigned calls = 0;
    for (int step = 0; step < 20000; step++) {
        struct alarm *alarm = &alarms[next_random(&seed) % ENTRIES];
        uint64_t span_ms = spans_ms[next_random(&seed) % 4];
        if (next_random(&seed) % 8 == 0) {
            hf_wheel_cancel(wheel, &alarm->entry);
            alarm->deadline_ms = UINT64_MAX;
        } else {
            set(wheel, alarm, now_ms + 1 + next_random(&seed) % span_ms);
        }
        if (step % 4 == 0) {
            uint64_t tick_before = now_ms / HF_WHEEL_TICK_MS;
            now_ms += next_random(&seed) % spans_ms[next_random(&seed) % 64 == 0 ? 2 : 0];
            for (size_t i = 0; i < ENTRIES; i++) {
                alarms[i].calls = 0;
            }
            hf_wheel_advance(wheel, now_ms);
            for (size_t i = 0; i < ENTRIES; i++) {
                calls += alarms[i].calls;
                bool is_over = alarms[i].deadline_ms != UINT64_MAX &&
                               (alarms[i].deadline_ms + 99) / 100 <= now_ms / 100;
                bool had_tick = now_ms / HF_WHEEL_TICK_MS > tick_before;
                assert_false(is_over && had_tick);
            }
        }
    }
    assert_true(calls > 1000);
    hf_wheel_free(wheel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_is_met_at_its_tick_and_never_before),
        cmocka_unit_test(waking_only_when_asked_to_meets_every_deadline_in_time),
        cmocka_unit_test(a_deadline_in_the_past_is_met_by_the_next_tick),
        cmocka_unit_test(a_cancelled_entry_is_not_called),
        cmocka_unit_test(a_callback_may_cancel_another_of_the_same_tick),
        cmocka_unit_test(a_callback_that_sets_itself_again_is_called_in_the_same_advance),
        cmocka_unit_test(many_random_deadlines_are_all_met_on_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
