#include "json.h"

#include "proto_test.h"

static void check_string(struct hf_slice text, const char *expected)
{
    struct hf_buffer buffer;
    hf_buffer_init(&buffer, 0);
    hf_json_append_string(&buffer, text);
    assert_buffer_equal(&buffer, expected);
    hf_buffer_fini(&buffer);
}

static void test_string(void **state)
{
    (void)state;
    check_string(HF_SLICE(""), "\"\"");
    check_string(hf_slice(NULL, 0), "\"\"");
    check_string(HF_SLICE("chat:main"), "\"chat:main\"");
    check_string(HF_SLICE("\"\\/"), "\"\\\"\\\\/\"");
    check_string(HF_SLICE("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
    check_string(HF_SLICE("a\0b\x01\x1f"), "\"a\\u0000b\\u0001\\u001f\"");
    check_string(HF_SLICE("<>&\x7f\xc3\xa9\xe2\x80\xa8"), "\"<>&\x7f\xc3\xa9\xe2\x80\xa8\"");
    check_string(HF_SLICE("0123456789abcdef0123456789abcdef\n0123456789abcdef"),
                 "\"0123456789abcdef0123456789abcdef\\n0123456789abcdef\"");
}

/* What is written can be read back, for every byte that text can hold at every place. */
static void test_round_trip(void **state)
{
    (void)state;
    struct hf_arena arena;
    struct hf_buffer buffer;
    hf_arena_init(&arena, 0);
    hf_buffer_init(&buffer, 0);
    for (int byte = 0; byte < 0x80; byte++) {
        for (size_t at = 0; at < 40; at++) {
            char text[40];
            memset(text, 'x', sizeof(text));
            text[at] = (char)byte;
            hf_buffer_reset(&buffer);
            hf_json_append_string(&buffer, hf_slice(text, sizeof(text)));
            struct hf_json json;
            struct hf_slice read = {NULL, 0};
            hf_json_init(&json, hf_buffer_slice(&buffer), 1);
            assert_true(hf_json_get_string(&json, &arena, &read));
            assert_int_equal(hf_json_end(&json), HF_JSON_OK);
            assert_true(hf_slice_equal(read, hf_slice(text, sizeof(text))));
        }
        hf_arena_reset(&arena);
    }
    hf_buffer_fini(&buffer);
    hf_arena_fini(&arena);
}

static void check_raw(const char *raw, const char *expected)
{
    struct hf_buffer buffer;
    hf_buffer_init(&buffer, 0);
    hf_json_append_raw(&buffer, hf_slice_of(raw));
    assert_buffer_equal(&buffer, expected);
    hf_buffer_fini(&buffer);
}

static void test_raw(void **state)
{
    (void)state;
    check_raw("", "");
    check_raw("{\"a\": 1.0}", "{\"a\": 1.0}");
    check_raw("{\n  \"a\":\r\n 1\r}\n", "{  \"a\": 1}");
    check_raw("\n\n", "");
    check_raw("[1,\r2]", "[1,2]");
    check_raw("\"\\n\\r\"", "\"\\n\\r\""); /* escapes are no line breaks */
}

static void test_full_buffer(void **state)
{
    (void)state;
    struct hf_buffer buffer;
    hf_buffer_init(&buffer, 6);
    hf_json_append_string(&buffer, HF_SLICE("abcd"));
    assert_buffer_equal(&buffer, "\"abcd\"");
    hf_buffer_reset(&buffer);
    hf_json_append_string(&buffer, HF_SLICE("abcde"));
    assert_true(hf_buffer_failed(&buffer));
    hf_buffer_reset(&buffer);
    hf_json_append_string(&buffer, HF_SLICE("abc\n")); /* fits until it is escaped */
    assert_true(hf_buffer_failed(&buffer));
    hf_buffer_reset(&buffer);
    hf_json_append_raw(&buffer, HF_SLICE("[1,\n2,3]"));
    assert_true(hf_buffer_failed(&buffer));
    hf_buffer_fini(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("json_write: text -> quoted, only what must be is escaped", test_string),
        TEST("json_write: any ASCII byte anywhere -> reads back the same", test_round_trip),
        TEST("json_write: raw value -> line breaks between tokens removed", test_raw),
        TEST("json_write: buffer full -> failure", test_full_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
