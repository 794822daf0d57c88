#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "memory.h"

#define MIB (UINT64_C(1) << 20)

static void held_that_grows_or_stays_gives_nothing_back(void **state)
{
    (void)state;
    struct hf_memory memory = {0};
    const uint64_t held[] = {0, 10, 100 * MIB, 100 * MIB, 99 * MIB, 500 * MIB, 500 * MIB};
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
        assert_false(hf_memory_tick(&memory, held[i]));
    }
}

static void departure_gives_back_once_when_it_is_over(void **state)
{
    (void)state;
    struct hf_memory memory = {0};
    assert_false(hf_memory_tick(&memory, 100 * MIB));
    assert_false(hf_memory_tick(&memory, 80 * MIB));
    assert_false(hf_memory_tick(&memory, 40 * MIB)); /* still falling */
    assert_true(hf_memory_tick(&memory, 39 * MIB));
    assert_false(hf_memory_tick(&memory, 39 * MIB));
    assert_false(hf_memory_tick(&memory, 0)); /* and the rest, the same way */
    assert_true(hf_memory_tick(&memory, 0));
    assert_false(hf_memory_tick(&memory, 0));
}

static void slow_departure_gives_back_too(void **state)
{
    (void)state;
    struct hf_memory memory = {0};
    unsigned times = 0;
    for (uint64_t held = 1000 * MIB; held >= 10 * MIB; held -= held / 50) {
        times += hf_memory_tick(&memory, held);
    }
    assert_in_range(times, 10, 20); /* by quarters, down to a hundredth */
}

static void departure_of_a_part_or_of_little_gives_nothing_back(void **state)
{
    (void)state;
    struct hf_memory memory = {0};
    assert_false(hf_memory_tick(&memory, 100 * MIB));
    assert_false(hf_memory_tick(&memory, 76 * MIB));
    assert_false(hf_memory_tick(&memory, 76 * MIB));
    memory = (struct hf_memory){0};
    assert_false(hf_memory_tick(&memory, HF_MEMORY_RELEASE_MIN - 1));
    assert_false(hf_memory_tick(&memory, 0));
    assert_false(hf_memory_tick(&memory, 0));
}

/* Resident pages of this process. */
static long resident(void)
{
    long size, pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &size, &pages), 2);
    fclose(file);
    return pages;
}

static void release_returns_pages_between_blocks_that_live_on(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* the sanitizers bring an allocator of their own */
#endif
    enum { BLOCKS = 40000, SIZE = 1000 };
    char **blocks = malloc(BLOCKS * sizeof *blocks);
    assert_non_null(blocks);
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(SIZE);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, SIZE);
    }
    for (int i = 0; i < BLOCKS; i++) {
        if (i % 100 != 99) {
            free(blocks[i]);
        }
    }
    long before = resident();
    hf_memory_release();
    assert_true(resident() < before - 4000); /* of nearly 10000 */
    for (int i = 99; i < BLOCKS; i += 100) {
        free(blocks[i]);
    }
    free(blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_that_grows_or_stays_gives_nothing_back),
        cmocka_unit_test(departure_gives_back_once_when_it_is_over),
        cmocka_unit_test(slow_departure_gives_back_too),
        cmocka_unit_test(departure_of_a_part_or_of_little_gives_nothing_back),
        cmocka_unit_test(release_returns_pages_between_blocks_that_live_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
