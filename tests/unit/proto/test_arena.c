#include "arena.h"

#include "proto_test.h"

#include <stdalign.h>

ALLOW_HUGE_ALLOCATIONS

static void test_alignment(void **state)
{
    (void)state;
    struct hf_arena arena;
    hf_arena_init(&arena, 0);
    assert_int_equal(arena.total, 0);
    for (size_t size = 1; size < 100; size++) {
        char *memory = hf_arena_alloc(&arena, size);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % alignof(max_align_t), 0);
        memset(memory, (int)size, size);
    }
    hf_arena_fini(&arena);
}

static void test_keeps_contents(void **state)
{
    (void)state;
    struct hf_arena arena;
    unsigned char *pieces[500];
    hf_arena_init(&arena, 0);
    for (size_t i = 0; i < COUNT(pieces); i++) {
        size_t size = 1 + i * 37 % 20000; /* also larger than a block */
        pieces[i] = hf_arena_alloc(&arena, size);
        assert_non_null(pieces[i]);
        memset(pieces[i], (int)(i % 256), size);
    }
    for (size_t i = 0; i < COUNT(pieces); i++) {
        size_t size = 1 + i * 37 % 20000;
        assert_int_equal(pieces[i][0], i % 256);
        assert_int_equal(pieces[i][size - 1], i % 256);
    }
    hf_arena_fini(&arena);
}

static void test_reset(void **state)
{
    (void)state;
    struct hf_arena arena;
    hf_arena_init(&arena, 0);
    char *first = hf_arena_alloc(&arena, 100);
    assert_non_null(hf_arena_alloc(&arena, 100000));
    hf_arena_reset(&arena);
    assert_true(arena.total > 0 && arena.total <= 8192);
    assert_ptr_equal(hf_arena_alloc(&arena, 100), first);
    hf_arena_fini(&arena);
    assert_int_equal(arena.total, 0);
    hf_arena_reset(&arena);
    assert_int_equal(arena.total, 0);
}

static void test_limit(void **state)
{
    (void)state;
    struct hf_arena arena;
    hf_arena_init(&arena, 10000);
    assert_non_null(hf_arena_alloc(&arena, 8000));
    assert_non_null(hf_arena_alloc(&arena, 1600));
    assert_null(hf_arena_alloc(&arena, 1600));
    assert_true(arena.total <= 10000);
    hf_arena_reset(&arena);
    assert_non_null(hf_arena_alloc(&arena, 1600));
    hf_arena_fini(&arena);

    hf_arena_init(&arena, 8);
    assert_null(hf_arena_alloc(&arena, 9));
    assert_null(hf_arena_alloc(&arena, 1)); /* rounded up it does not fit either */
    hf_arena_fini(&arena);
}

static void test_absurd_sizes(void **state)
{
    (void)state;
    struct hf_arena arena;
    hf_arena_init(&arena, 0);
    assert_null(hf_arena_alloc(&arena, 0));
    assert_null(hf_arena_alloc(&arena, SIZE_MAX));
    assert_null(hf_arena_alloc(&arena, SIZE_MAX - 8));
    assert_null(hf_arena_alloc(&arena, SIZE_MAX / 2)); /* the allocator refuses */
    assert_non_null(hf_arena_alloc(&arena, 1));
    hf_arena_fini(&arena);
}

static void test_trim(void **state)
{
    (void)state;
    struct hf_arena arena;
    hf_arena_init(&arena, 0);
    char *first = hf_arena_alloc(&arena, 1000);
    hf_arena_trim(&arena, first, 1000, 16);
    char *second = hf_arena_alloc(&arena, 1000);
    assert_true(second > first && second < first + 1000);
    hf_arena_trim(&arena, first, 16, 0); /* not the newest: left alone */
    char *third = hf_arena_alloc(&arena, 16);
    assert_true(third >= second + 1000);
    hf_arena_fini(&arena);
}

static void test_copy(void **state)
{
    (void)state;
    struct hf_arena arena;
    hf_arena_init(&arena, 64);
    struct hf_slice copy = hf_arena_copy(&arena, HF_SLICE("hello"));
    assert_slice_equal(copy, "hello");
    copy = hf_arena_copy(&arena, hf_slice(NULL, 0));
    assert_non_null(copy.data);
    assert_int_equal(copy.len, 0);
    char large[100] = {0};
    assert_null(hf_arena_copy(&arena, hf_slice(large, sizeof(large))).data);
    hf_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("arena: any size -> aligned for any type", test_alignment),
        TEST("arena: many sizes over blocks -> contents do not overlap", test_keeps_contents),
        TEST("arena: reset -> one block is kept and used again", test_reset),
        TEST("arena: limit reached -> NULL, usable after reset", test_limit),
        TEST("arena: nothing or too much asked -> NULL", test_absurd_sizes),
        TEST("arena: trim of the newest allocation -> its rest is used again", test_trim),
        TEST("arena: copy -> same bytes, NULL without memory", test_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
