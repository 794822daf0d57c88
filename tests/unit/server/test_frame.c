#include "net/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void count_release(void *owner)
{
    ++*(int *)owner;
}

static void own_bytes_live_until_the_last_unref(void **state)
{
    (void)state;
    char *bytes;
    struct hf_frame *frame = hf_frame_new(5, &bytes);
    assert_non_null(frame);
    memcpy(bytes, "hello", 5);
    assert_ptr_equal(hf_frame_ref(frame), frame);
    hf_frame_unref(frame);
    assert_int_equal(frame->references, 1);
    assert_int_equal(frame->len, 5);
    assert_memory_equal(frame->data, "hello", 5);
    hf_frame_unref(frame);
}

static void borrowed_bytes_are_released_once_with_the_last_unref(void **state)
{
    (void)state;
    int released = 0;
    static const char bytes[] = "shared";
    struct hf_frame *frame = hf_frame_borrow(bytes, 6, count_release, &released);
    assert_non_null(frame);
    assert_ptr_equal(frame->data, bytes);
    hf_frame_ref(frame);
    hf_frame_unref(frame);
    assert_int_equal(released, 0);
    hf_frame_unref(frame);
    assert_int_equal(released, 1);
}

static void a_length_beyond_32_bits_is_refused_and_not_released(void **state)
{
    (void)state;
    int released = 0;
    char *bytes;
    assert_null(hf_frame_new((size_t)UINT32_MAX + 1, &bytes));
    assert_null(hf_frame_borrow("", (size_t)UINT32_MAX + 1, count_release, &released));
    assert_int_equal(released, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_bytes_live_until_the_last_unref),
        cmocka_unit_test(borrowed_bytes_are_released_once_with_the_last_unref),
        cmocka_unit_test(a_length_beyond_32_bits_is_refused_and_not_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
