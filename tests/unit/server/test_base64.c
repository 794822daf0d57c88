#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base64.h"

/* Decodes an exact copy, so that a sanitizer sees a read beyond it. The result is in the arena. */
static bool decode(const char *text, struct hf_arena *arena, struct hf_slice *out)
{
    size_t len = strlen(text);
    char *copy = malloc(len);
    enum hf_base64_result result;

    if (len > 0) {
        memcpy(copy, text, len);
    }
    result = hf_base64_decode_arena(hf_slice(copy, len), arena, out);
    assert_int_not_equal(result, HF_BASE64_NO_MEMORY);
    free(copy);
    return result == HF_BASE64_OK;
}

static void base64_of_every_length(void **state)
{
    static const struct {
        const char *text, *bytes;
        size_t len;
    } cases[] = {
        {"", "", 0},        {"Zg==", "f", 1},          {"Zm8=", "fo", 2},
        {"Zm9v", "foo", 3}, {"Zm9vYmFy", "foobar", 6}, {"+/8A", "\xfb\xff\x00", 3},
    };
    struct hf_arena arena;

    (void)state;
    hf_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hf_slice out;

        assert_true(decode(cases[i].text, &arena, &out));
        assert_int_equal(out.len, cases[i].len);
        assert_memory_equal(out.data, cases[i].bytes, out.len);
    }
    hf_arena_fini(&arena);
}

static void what_is_not_base64_is_refused(void **state)
{
    static const char *const texts[] = {"Z",    "Zg",       "Zh==", "Zg=",  "Z===", "====",
                                        "=Zg=", "Zg==Zm9v", "Zm9-", "Zm9_", "Zm 9", "Zm9v\n"};
    struct hf_arena arena;

    (void)state;
    hf_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct hf_slice out;

        assert_false(decode(texts[i], &arena, &out));
    }
    hf_arena_fini(&arena);
}

static void base64_without_memory_says_so(void **state)
{
    struct hf_arena arena;
    struct hf_slice out;

    (void)state;
    hf_arena_init(&arena, 1);
    assert_int_equal(hf_base64_decode_arena(HF_SLICE("Zm9v"), &arena, &out), HF_BASE64_NO_MEMORY);
    hf_arena_fini(&arena);
}

static void url_alphabet_goes_both_ways(void **state)
{
    static const char bytes[] = "\xfb\xff\x00\x10";

    (void)state;
    for (size_t len = 0; len <= 4; len++) {
        char text[HF_BASE64_ENCODED_MAX(4)];
        char back[HF_BASE64_DECODED_MAX(sizeof(text))];
        size_t text_len = hf_base64_encode_url(hf_slice(bytes, len), text);
        size_t back_len;

        assert_true(hf_base64_decode(HF_BASE64_URL, hf_slice(text, text_len), back, &back_len));
        assert_int_equal(back_len, len);
        assert_memory_equal(back, bytes, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_of_every_length),
        cmocka_unit_test(what_is_not_base64_is_refused),
        cmocka_unit_test(base64_without_memory_says_so),
        cmocka_unit_test(url_alphabet_goes_both_ways),
    };

    return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
