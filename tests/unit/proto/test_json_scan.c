/* The scanner without SIMD instructions: it must judge as the fast one does (test_json.c). */
#undef __SSE2__
#include "json_scan.c"

#include "json_cases.h"
#include "proto_test.h"

static bool is_valid(struct hf_slice text)
{
    struct hf__json_error error;
    struct hf_slice copy = exact_copy(text);
    const char *end = copy.data + copy.len;
    const char *at = hf__json_skip_blanks(copy.data, end);
    at = hf__json_scan_value(at, end, HF_JSON_MAX_DEPTH, &error);
    bool is_whole = at && hf__json_skip_blanks(at, end) == end;
    free((char *)copy.data);
    return is_whole;
}

static void test_accepts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(json_accepted); i++) {
        if (!is_valid(json_accepted[i])) {
            fail_msg("refused: %.*s", (int)json_accepted[i].len, json_accepted[i].data);
        }
    }
}

static void test_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(json_refused); i++) {
        if (is_valid(json_refused[i])) {
            fail_msg("accepted: %.*s", (int)json_refused[i].len, json_refused[i].data);
        }
    }
}

static void test_skip_plain(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        bool is_special = byte < 0x20 || byte == '"' || byte == '\\';
        bool stops_reader = is_special || byte >= 0x80;
        assert_int_equal(hf__json_skip_plain(&c, &c + 1, true) - &c, !stops_reader);
        assert_int_equal(hf__json_skip_plain(&c, &c + 1, false) - &c, !is_special);
    }
}

static void test_depth(void **state)
{
    (void)state;
    struct hf__json_error error;
    const char text[] = "[{\"a\":[]}]";
    const char *end = text + sizeof(text) - 1;
    assert_ptr_equal(hf__json_scan_value(text, end, 3, &error), end);
    assert_null(hf__json_scan_value(text, end, 2, &error));
    assert_ptr_equal(error.at, text + 6);
    assert_null(hf__json_scan_value(text, end, 0, &error));
    assert_ptr_equal(error.at, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("json_scan: valid texts without SIMD -> accepted", test_accepts),
        TEST("json_scan: invalid texts without SIMD -> refused", test_refuses),
        TEST("json_scan: each byte -> plain or not", test_skip_plain),
        TEST("json_scan: depth limit -> refused at the bracket that exceeds it", test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
