/* What the tests of the protocol library share: cmocka, named tests, and copies of exact size, so
 * that the address sanitizer sees each byte that is read past an input's end. */
#ifndef HF_TEST_PROTO_TEST_H
#define HF_TEST_PROTO_TEST_H

#include "buffer.h"
#include "slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Lets a test ask for more memory than there is and get NULL, as without a sanitizer. */
#define ALLOW_HUGE_ALLOCATIONS                                                                     \
    const char *__asan_default_options(void);                                                      \
    const char *__asan_default_options(void)                                                       \
    {                                                                                              \
        return "allocator_may_return_null=1";                                                      \
    }                                                                                              \
    const char *__tsan_default_options(void);                                                      \
    const char *__tsan_default_options(void)                                                       \
    {                                                                                              \
        return "allocator_may_return_null=1";                                                      \
    }

#define TEST(name, function)                                                                       \
    {                                                                                              \
        name, function, NULL, NULL, NULL                                                           \
    }

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A heap copy without a spare byte; the caller frees data. */
static inline struct hf_slice exact_copy(struct hf_slice source)
{
    char *copy = malloc(source.len != 0 ? source.len : 1);
    assert_non_null(copy);
    if (source.len != 0) {
        memcpy(copy, source.data, source.len);
    }
    return hf_slice(copy, source.len);
}

#define assert_slice_equal(slice, text)                                                            \
    do {                                                                                           \
        struct hf_slice got_ = (slice);                                                            \
        struct hf_slice want_ = hf_slice_of(text);                                                 \
        if (!hf_slice_equal(got_, want_)) {                                                        \
            fail_msg("got  %.*s\nwant %.*s", (int)got_.len, got_.data, (int)want_.len,             \
                     want_.data);                                                                  \
        }                                                                                          \
    } while (0)

#define assert_buffer_equal(buffer, text)                                                          \
    do {                                                                                           \
        assert_false(hf_buffer_failed(buffer));                                                    \
        assert_slice_equal(hf_buffer_slice(buffer), text);                                         \
    } while (0)

#endif
