#include "net/admission.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { THREADS = 4, ASKS = 20000 };

static void without_limits_everyone_is_admitted(void **state)
{
    (void)state;
    struct hf_admission admission;
    hf_admission_init(&admission, 0, 0);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(hf_admission_ask(&admission, 1), HF_ADMISSION_GRANTED);
    }
}

static void at_the_limit_a_place_must_be_released_first(void **state)
{
    (void)state;
    struct hf_admission admission;
    hf_admission_init(&admission, 2, 0);
    assert_int_equal(hf_admission_ask(&admission, 1), HF_ADMISSION_GRANTED);
    assert_int_equal(hf_admission_ask(&admission, 1), HF_ADMISSION_GRANTED);
    assert_int_equal(hf_admission_ask(&admission, 1), HF_ADMISSION_FULL);
    hf_admission_release(&admission);
    assert_int_equal(hf_admission_ask(&admission, 1), HF_ADMISSION_GRANTED);
    assert_int_equal(hf_admission_ask(&admission, 1), HF_ADMISSION_FULL);
}

static void a_second_of_connections_may_come_at_once_then_they_come_at_the_rate(void **state)
{
    (void)state;
    struct hf_admission admission;
    hf_admission_init(&admission, 0, 10);
    uint64_t now_ms = 5000;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(hf_admission_ask(&admission, now_ms), HF_ADMISSION_GRANTED);
    }
    assert_int_equal(hf_admission_ask(&admission, now_ms), HF_ADMISSION_TOO_FAST);
    assert_int_equal(hf_admission_ask(&admission, now_ms + 99), HF_ADMISSION_TOO_FAST);
    assert_int_equal(hf_admission_ask(&admission, now_ms + 100), HF_ADMISSION_GRANTED);
    assert_int_equal(hf_admission_ask(&admission, now_ms + 100), HF_ADMISSION_TOO_FAST);
    assert_int_equal(atomic_load(&admission.admitted), 11);
    int granted = 0;
    for (int i = 0; i < 50; i++) {
        granted += hf_admission_ask(&admission, now_ms + 60000) == HF_ADMISSION_GRANTED;
    }
    assert_int_equal(granted, 10);
}

static void *ask_and_release(void *context)
{
    struct hf_admission *admission = context;
    uintptr_t excess = 0;
    for (int i = 0; i < ASKS; i++) {
        if (hf_admission_ask(admission, 1) == HF_ADMISSION_GRANTED) {
            /* Asking adds before it checks, so others in the middle of it may be counted too. */
            excess += atomic_load(&admission->admitted) > 3 + THREADS;
            hf_admission_release(admission);
        }
    }
    return (void *)excess;
}

static void threads_together_stay_at_the_limit_and_leave_nothing_behind(void **state)
{
    (void)state;
    struct hf_admission admission;
    hf_admission_init(&admission, 3, 0);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask_and_release, &admission), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *excess;
        pthread_join(threads[i], &excess);
        assert_null(excess);
    }
    assert_int_equal(atomic_load(&admission.admitted), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_limits_everyone_is_admitted),
        cmocka_unit_test(at_the_limit_a_place_must_be_released_first),
        cmocka_unit_test(a_second_of_connections_may_come_at_once_then_they_come_at_the_rate),
        cmocka_unit_test(threads_together_stay_at_the_limit_and_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
