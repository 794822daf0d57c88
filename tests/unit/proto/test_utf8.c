#include "utf8.h"

#include "proto_test.h"

static const char *const valid[] = {
    "",
    "plain",
    "\x7f",
    "\xc2\x80",         /* U+0080, first of two bytes */
    "\xdf\xbf",         /* U+07FF, last of two bytes */
    "\xe0\xa0\x80",     /* U+0800, first of three bytes */
    "\xed\x9f\xbf",     /* U+D7FF, before the surrogates */
    "\xee\x80\x80",     /* U+E000, after the surrogates */
    "\xef\xbf\xbf",     /* U+FFFF, last of three bytes */
    "\xf0\x90\x80\x80", /* U+10000, first of four bytes */
    "\xf4\x8f\xbf\xbf", /* U+10FFFF, the last */
    "\xef\xbb\xbf",     /* U+FEFF */
    "gr\xc3\xbc\xc3\x9f \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80",
};

static const char *const invalid[] = {
    "\x80",             /* continuation alone */
    "\xbf",             /* the same */
    "\xc0\x80",         /* overlong NUL */
    "\xc1\xbf",         /* overlong U+007F */
    "\xc2",             /* cut */
    "\xc2\x41",         /* no continuation */
    "\xc2\xc2",         /* a second start */
    "\xe0\x80\x80",     /* overlong */
    "\xe0\x9f\xbf",     /* overlong U+07FF */
    "\xe1\x80",         /* cut */
    "\xe1\x41\x80",     /* no first continuation */
    "\xe1\x80\x41",     /* no second continuation */
    "\xed\xa0\x80",     /* U+D800 */
    "\xed\xbf\xbf",     /* U+DFFF */
    "\xf0\x80\x80\x80", /* overlong */
    "\xf0\x8f\xbf\xbf", /* overlong U+FFFF */
    "\xf1\x80\x80",     /* cut */
    "\xf1\x80\x80\x41", /* no third continuation */
    "\xf1\x80\x41\x80", /* no second continuation */
    "\xf1\x41\x80\x80", /* no first continuation */
    "\xf4\x90\x80\x80", /* U+110000 */
    "\xf5\x80\x80\x80", /* starts no character */
    "\xf8\x88\x80\x80\x80",
    "\xfe",
    "\xff",
};

/* Each case behind ASCII of every length up to two fast steps, and with ASCII behind it. */
static void check(const char *text, bool expected)
{
    for (size_t before = 0; before < 40; before++) {
        for (size_t after = 0; after < 20; after += 19) {
            char joined[80];
            size_t len = strlen(text);
            memset(joined, 'a', sizeof(joined));
            memcpy(joined + before, text, len);
            size_t total = before + len + after;
            struct hf_slice copy = exact_copy(hf_slice(joined, total));
            assert_int_equal(hf_utf8_is_valid(copy.data, copy.len), expected);
            size_t prefix = hf_utf8_valid_prefix(copy.data, copy.len);
            assert_int_equal(prefix, expected ? total : before);
            free((char *)copy.data);
        }
    }
}

static void test_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(valid); i++) {
        check(valid[i], true);
    }
    assert_true(hf_utf8_is_valid(NULL, 0));
    assert_true(hf_utf8_is_valid("a\0b", 3));
}

static void test_invalid(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(invalid); i++) {
        check(invalid[i], false);
    }
}

static void test_encode(void **state)
{
    (void)state;
    for (uint32_t code_point = 0; code_point <= 0x10ffff; code_point++) {
        char text[4];
        if (code_point == 0xd800) {
            code_point = 0xe000;
        }
        size_t len = hf_utf8_encode(code_point, text);
        if (hf_utf8_char_len(text, text + len) != len) {
            fail_msg("U+%X", code_point);
        }
    }
    char text[4];
    assert_int_equal(hf_utf8_encode(0x20ac, text), 3);
    assert_memory_equal(text, "\xe2\x82\xac", 3);
    assert_int_equal(hf_utf8_encode(0x1f600, text), 4);
    assert_memory_equal(text, "\xf0\x9f\x98\x80", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("utf8: characters at the edges of each length -> valid", test_valid),
        TEST("utf8: overlong, surrogate, cut, out of range -> invalid from there", test_invalid),
        TEST("utf8: every code point encoded -> one valid character", test_encode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
