#include "buffer.h"

#include "proto_test.h"

ALLOW_HUGE_ALLOCATIONS

static void test_append(void **state)
{
    (void)state;
    struct hf_buffer buffer;
    hf_buffer_init(&buffer, 0);
    assert_null(buffer.data);
    hf_buffer_append(&buffer, NULL, 0);
    assert_null(buffer.data);
    HF_BUFFER_APPEND_LITERAL(&buffer, "ab");
    hf_buffer_append_char(&buffer, 'c');
    hf_buffer_append_slice(&buffer, HF_SLICE("de"));
    assert_buffer_equal(&buffer, "abcde");
    hf_buffer_truncate(&buffer, 2);
    assert_buffer_equal(&buffer, "ab");
    hf_buffer_reset(&buffer);
    assert_int_equal(buffer.len, 0);
    assert_non_null(buffer.data);
    hf_buffer_fini(&buffer);
    assert_null(buffer.data);
}

static void test_grows(void **state)
{
    (void)state;
    struct hf_buffer buffer;
    hf_buffer_init(&buffer, 0);
    size_t growths = 0;
    for (unsigned i = 0; i < 100000; i++) {
        size_t capacity = buffer.capacity;
        hf_buffer_append_char(&buffer, (char)(i % 251));
        growths += buffer.capacity != capacity;
    }
    assert_true(growths < 12); /* doubling, not one step after the other */
    assert_false(hf_buffer_failed(&buffer));
    assert_int_equal(buffer.len, 100000);
    for (unsigned i = 0; i < 100000; i++) {
        assert_int_equal(buffer.data[i], (char)(i % 251));
    }
    hf_buffer_fini(&buffer);
}

static void test_reserve(void **state)
{
    (void)state;
    struct hf_buffer buffer;
    hf_buffer_init(&buffer, 0);
    assert_true(hf_buffer_reserve(&buffer, 1000));
    const char *before = buffer.data;
    for (int i = 0; i < 1000; i++) {
        hf_buffer_append_char(&buffer, 'x');
    }
    assert_ptr_equal(buffer.data, before);
    hf_buffer_fini(&buffer);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {7, "7"},
        {10, "10"},
        {-1, "-1"},
        {INT64_MAX, "9223372036854775807"},
        {INT64_MIN, "-9223372036854775808"},
    };
    struct hf_buffer buffer;
    hf_buffer_init(&buffer, 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        hf_buffer_reset(&buffer);
        hf_buffer_append_i64(&buffer, cases[i].value);
        assert_buffer_equal(&buffer, cases[i].text);
    }
    hf_buffer_reset(&buffer);
    hf_buffer_append_u64(&buffer, UINT64_MAX);
    assert_buffer_equal(&buffer, "18446744073709551615");
    hf_buffer_fini(&buffer);
}

static void test_maximum(void **state)
{
    (void)state;
    struct hf_buffer buffer;
    hf_buffer_init(&buffer, 5);
    HF_BUFFER_APPEND_LITERAL(&buffer, "abcde");
    assert_buffer_equal(&buffer, "abcde");
    hf_buffer_append_char(&buffer, 'f');
    assert_true(hf_buffer_failed(&buffer));
    hf_buffer_truncate(&buffer, 0);
    hf_buffer_append_char(&buffer, 'g'); /* would fit, but the failure is sticky */
    assert_int_equal(buffer.len, 0);
    assert_false(hf_buffer_reserve(&buffer, 1));
    hf_buffer_reset(&buffer);
    HF_BUFFER_APPEND_LITERAL(&buffer, "xyz");
    assert_buffer_equal(&buffer, "xyz");
    assert_true(buffer.capacity <= 5);
    hf_buffer_fini(&buffer);
}

static void test_absurd_size(void **state)
{
    (void)state;
    struct hf_buffer buffer;
    hf_buffer_init(&buffer, 0);
    hf_buffer_append_char(&buffer, 'a');
    assert_false(hf_buffer_reserve(&buffer, SIZE_MAX));
    assert_true(hf_buffer_failed(&buffer));
    hf_buffer_reset(&buffer);
    assert_false(hf_buffer_reserve(&buffer, SIZE_MAX / 2 + 1));
    hf_buffer_reset(&buffer);
    hf_buffer_append_char(&buffer, 'a');
    assert_false(hf_buffer_reserve(&buffer, SIZE_MAX / 2 - 1)); /* the allocator refuses */
    assert_true(hf_buffer_failed(&buffer));
    assert_int_equal(buffer.data[0], 'a');
    hf_buffer_fini(&buffer);
}

static void test_take(void **state)
{
    (void)state;
    struct hf_buffer buffer;
    size_t len = 99;
    hf_buffer_init(&buffer, 4);
    assert_null(hf_buffer_take(&buffer, &len));
    assert_int_equal(len, 0);
    HF_BUFFER_APPEND_LITERAL(&buffer, "abc");
    char *taken = hf_buffer_take(&buffer, &len);
    assert_int_equal(len, 3);
    assert_memory_equal(taken, "abc", 3);
    free(taken);
    assert_int_equal(buffer.len, 0);
    HF_BUFFER_APPEND_LITERAL(&buffer, "abcd");
    hf_buffer_append_char(&buffer, 'e');
    assert_null(hf_buffer_take(&buffer, &len));
    assert_int_equal(len, 0);
    assert_false(hf_buffer_failed(&buffer));
    hf_buffer_append_char(&buffer, 'z');
    assert_buffer_equal(&buffer, "z");
    hf_buffer_fini(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("buffer: appends -> bytes in order", test_append),
        TEST("buffer: many appends -> grows and keeps them", test_grows),
        TEST("buffer: reserved room -> appends do not move the memory", test_reserve),
        TEST("buffer: numbers at their limits -> exact digits", test_numbers),
        TEST("buffer: maximum reached -> sticky failure until reset", test_maximum),
        TEST("buffer: size beyond memory -> failure, no overflow", test_absurd_size),
        TEST("buffer: take -> caller owns the bytes, failure gives NULL", test_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
