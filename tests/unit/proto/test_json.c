#include "json.h"

#include "json_cases.h"
#include "proto_test.h"

/* ---- whole texts ---- */

/* Takes the next value by walking into containers, as callers do. */
static void walk_value(struct hf_json *json)
{
    struct hf_json_key key;
    struct hf_slice text;
    switch (hf_json_peek(json)) {
    case HF_JSON_OBJECT:
        hf_json_object_begin(json);
        while (hf_json_object_next(json, &key)) {
            hf_json_key_is(&key, HF_SLICE("channel"));
            walk_value(json);
        }
        break;
    case HF_JSON_ARRAY:
        hf_json_array_begin(json);
        while (hf_json_array_next(json)) {
            walk_value(json);
        }
        break;
    default:
        hf_json_raw(json, &text);
        break;
    }
}

static bool walks(struct hf_slice text)
{
    struct hf_json json;
    hf_json_init(&json, text, HF_JSON_MAX_DEPTH);
    walk_value(&json);
    enum hf_json_status status = hf_json_end(&json);
    assert_int_equal(status == HF_JSON_OK, json.reason == NULL);
    assert_true(json.error_offset <= text.len);
    return status == HF_JSON_OK;
}

static void check(struct hf_slice text, bool expected)
{
    struct hf_slice copy = exact_copy(text);
    if (hf_json_is_valid(copy) != expected || walks(copy) != expected) {
        fail_msg("%s: %.*s", expected ? "refused" : "accepted", (int)text.len, text.data);
    }
    free((char *)copy.data);
}

static void test_accepts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(json_accepted); i++) {
        check(json_accepted[i], true);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(json_refused); i++) {
        check(json_refused[i], false);
    }
}

/* Every proper prefix of a text that ends with a bracket or quote is incomplete. */
static void test_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(json_accepted); i++) {
        struct hf_slice text = json_accepted[i];
        char last = text.data[text.len - 1];
        if (last != '}' && last != ']' && last != '"') {
            continue;
        }
        for (size_t len = 0; len < text.len; len++) {
            check(hf_slice(text.data, len), false);
        }
    }
}

/* Whatever a random change makes of a text, both ways of reading agree on it. */
static void test_random_changes(void **state)
{
    (void)state;
    static const char alphabet[] = "{}[]\",:\\u0 e.-tn\n\xc3\xa9\xff";
    uint32_t seed = 12345;
    unsigned accepted = 0;
    for (int round = 0; round < 100000; round++) {
        seed = seed * 1664525 + 1013904223;
        struct hf_slice text = json_accepted[(seed >> 8) % COUNT(json_accepted)];
        struct hf_slice copy = exact_copy(text);
        char *bytes = (char *)copy.data;
        seed = seed * 1664525 + 1013904223;
        bytes[(seed >> 8) % copy.len] = alphabet[(seed >> 20) % (sizeof(alphabet) - 1)];
        bool is_valid = hf_json_is_valid(copy);
        if (is_valid != walks(copy)) {
            fail_msg("readers differ on %.*s", (int)copy.len, copy.data);
        }
        accepted += is_valid;
        free(bytes);
    }
    assert_true(accepted > 1000 && accepted < 99000); /* both outcomes were met */
}

/* A special byte at each place of long strings: every lane of the fast scan. */
static void test_long_strings(void **state)
{
    (void)state;
    char text[102];
    for (size_t at = 1; at < sizeof(text) - 1; at++) {
        static const struct {
            char byte;
            bool is_valid;
        } cases[] = {{'x', true}, {'\x1f', false}, {'\xff', false}, {'"', false}, {' ', true}};
        for (size_t i = 0; i < COUNT(cases); i++) {
            memset(text, 'a', sizeof(text));
            text[0] = text[sizeof(text) - 1] = '"';
            text[at] = cases[i].byte;
            check(hf_slice(text, sizeof(text)), cases[i].is_valid);
        }
    }
}

static void test_depth(void **state)
{
    (void)state;
    char text[2 * (HF_JSON_MAX_DEPTH + 1)];
    for (size_t depth = HF_JSON_MAX_DEPTH; depth <= HF_JSON_MAX_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        check(hf_slice(text, 2 * depth), depth == HF_JSON_MAX_DEPTH);
    }
    struct hf_json json;
    hf_json_init(&json, HF_SLICE("{\"a\":[[1]]}"), 2);
    assert_true(hf_json_object_begin(&json));
    struct hf_json_key key;
    assert_true(hf_json_object_next(&json, &key));
    assert_false(hf_json_skip(&json));
    assert_int_equal(json.error_offset, 6);
    assert_string_equal(json.reason, "nested too deeply");
    /* A million open brackets cost neither stack nor time. */
    char *bomb = malloc(1000000);
    assert_non_null(bomb);
    memset(bomb, '[', 1000000);
    assert_false(hf_json_is_valid(hf_slice(bomb, 1000000)));
    free(bomb);
}

/* ---- walking ---- */

static void test_members(void **state)
{
    (void)state;
    struct hf_json json;
    struct hf_arena arena;
    struct hf_json_key key;
    struct hf_slice text = {NULL, 0};
    struct hf_slice raw;
    uint32_t id = 0;
    bool flag = false;
    hf_arena_init(&arena, 0);
    hf_json_init(&json,
                 HF_SLICE(" { \"ID\" : 7 , \"name\":\"x\", \"flag\":true,\"data\": {\"a\": 1.0 } ,"
                          "\"other\":[1,{\"id\":2}],\"none\":null} "),
                 HF_JSON_MAX_DEPTH);
    assert_true(hf_json_object_begin(&json));
    assert_true(hf_json_object_next(&json, &key));
    assert_true(hf_json_key_is(&key, HF_SLICE("id")));
    assert_false(hf_json_key_is(&key, HF_SLICE("ie")));
    assert_true(hf_json_get_u32(&json, &id));
    assert_true(hf_json_object_next(&json, &key));
    assert_true(hf_json_get_string(&json, &arena, &text));
    assert_true(hf_json_object_next(&json, &key));
    assert_true(hf_json_get_bool(&json, &flag));
    assert_true(hf_json_object_next(&json, &key));
    assert_true(hf_json_raw(&json, &raw));
    assert_slice_equal(raw, "{\"a\": 1.0 }"); /* byte for byte */
    assert_true(hf_json_object_next(&json, &key));
    assert_true(hf_json_skip(&json));
    assert_true(hf_json_object_next(&json, &key));
    assert_slice_equal(key.raw, "none");
    assert_true(hf_json_take_null(&json));
    assert_false(hf_json_object_next(&json, &key));
    assert_int_equal(hf_json_end(&json), HF_JSON_OK);
    assert_int_equal(id, 7);
    assert_slice_equal(text, "x");
    assert_true(flag);
    assert_int_equal(arena.total, 0); /* no memory was needed */
}

static void test_arrays(void **state)
{
    (void)state;
    struct hf_json json;
    uint64_t sum = 0;
    uint64_t value;
    hf_json_init(&json, HF_SLICE("[[1,2],[],[3]]"), HF_JSON_MAX_DEPTH);
    assert_true(hf_json_array_begin(&json));
    while (hf_json_array_next(&json)) {
        assert_true(hf_json_array_begin(&json));
        while (hf_json_array_next(&json)) {
            assert_true(hf_json_get_u64(&json, &value));
            sum += value;
        }
    }
    assert_int_equal(hf_json_end(&json), HF_JSON_OK);
    assert_int_equal(sum, 6);
}

static void test_peek(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum hf_json_type type;
    } cases[] = {
        {" null", HF_JSON_NULL},    {"true", HF_JSON_BOOL}, {"false", HF_JSON_BOOL},
        {"-1", HF_JSON_NUMBER},     {"0", HF_JSON_NUMBER},  {"9", HF_JSON_NUMBER},
        {" \"a\"", HF_JSON_STRING}, {"[]", HF_JSON_ARRAY},  {"\n{}", HF_JSON_OBJECT},
        {"", HF_JSON_NONE},         {"]", HF_JSON_NONE},    {"+", HF_JSON_NONE},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hf_json json;
        hf_json_init(&json, hf_slice_of(cases[i].text), HF_JSON_MAX_DEPTH);
        assert_int_equal(hf_json_peek(&json), cases[i].type);
    }
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t offset;
        const char *reason;
    } cases[] = {
        {"", 0, "value expected"},
        {"{\"a\":1,}", 7, "member name expected"},
        {"{\"a\" 1}", 5, "colon expected"},
        {"{\"a\":1 1}", 7, "comma or closing bracket expected"},
        {"{\"a\":\"\x01\"}", 6, "control character in string"},
        {"{\"a\":\"\xff\"}", 6, "invalid UTF-8"},
        {"{\"a\":\"\\q\"}", 7, "unknown escape"},
        {"{\"a\":\"\\u00g0\"}", 10, "not a hexadecimal digit"},
        {"{\"a\":\"b", 7, "string is not closed"},
        {"{\"a\":\"\\u12", 10, "string is not closed"},
        {"{\"a\":-}", 6, "number without digits"},
        {"{\"a\":1.}", 7, "fraction without digits"},
        {"{\"a\":1e}", 7, "exponent without digits"},
        {"{\"a\":nul}", 5, "unknown literal"},
        {"{} {}", 3, "bytes after the value"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hf_json json;
        hf_json_init(&json, hf_slice_of(cases[i].text), HF_JSON_MAX_DEPTH);
        walk_value(&json);
        assert_int_equal(hf_json_end(&json), HF_JSON_MALFORMED);
        assert_true(hf_json_failed(&json));
        assert_string_equal(json.reason, cases[i].reason);
        assert_int_equal(json.error_offset, cases[i].offset);
    }
}

static void test_error_is_sticky(void **state)
{
    (void)state;
    struct hf_json json;
    struct hf_json_key key;
    struct hf_slice raw = HF_SLICE("x");
    bool flag = true;
    int64_t number = 5;
    hf_json_init(&json, HF_SLICE("[{},1,true]"), HF_JSON_MAX_DEPTH);
    assert_false(hf_json_object_begin(&json));
    assert_string_equal(json.reason, "object expected");
    assert_false(hf_json_array_begin(&json));
    assert_false(hf_json_array_next(&json));
    assert_false(hf_json_object_next(&json, &key));
    assert_false(hf_json_raw(&json, &raw));
    assert_int_equal(raw.len, 0);
    assert_false(hf_json_get_bool(&json, &flag));
    assert_false(hf_json_get_i64(&json, &number));
    assert_false(hf_json_take_null(&json));
    assert_int_equal(hf_json_peek(&json), HF_JSON_NONE);
    assert_int_equal(number, 5);
    hf_json_fail_memory(&json);
    assert_int_equal(hf_json_end(&json), HF_JSON_MALFORMED);
    assert_string_equal(json.reason, "object expected");
    assert_int_equal(json.error_offset, 0);
}

static void test_own_error(void **state)
{
    (void)state;
    struct hf_json json;
    hf_json_init(&json, HF_SLICE("[1]"), HF_JSON_MAX_DEPTH);
    assert_true(hf_json_array_begin(&json));
    hf_json_fail(&json, "not today");
    assert_false(hf_json_array_next(&json));
    assert_int_equal(hf_json_end(&json), HF_JSON_MALFORMED);
    assert_string_equal(json.reason, "not today");
    assert_int_equal(json.error_offset, 1);
    hf_json_init(&json, HF_SLICE("1"), HF_JSON_MAX_DEPTH);
    hf_json_fail_memory(&json);
    assert_int_equal(hf_json_end(&json), HF_JSON_NO_MEMORY);
}

/* ---- values ---- */

static void test_strings(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        struct hf_slice text;
    } cases[] = {
        {"\"\"", HF_SLICE("")},
        {"\"abc\"", HF_SLICE("abc")},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", HF_SLICE("\"\\/\b\f\n\r\t")},
        {"\"a\\u0041b\"", HF_SLICE("aAb")},
        {"\"\\u0000\"", HF_SLICE("\0")},
        {"\"\\u00e9\\u20AC\"", HF_SLICE("\xc3\xa9\xe2\x82\xac")},
        {"\"\\ud83d\\ude00\"", HF_SLICE("\xf0\x9f\x98\x80")},
        {"\"\\uDBFF\\uDFFF\"", HF_SLICE("\xf4\x8f\xbf\xbf")},
        {"\"\\\\u0041\"", HF_SLICE("\\u0041")},
        {"\"\\ud7ff\\ue000\"", HF_SLICE("\xed\x9f\xbf\xee\x80\x80")}, /* around the surrogates */
    };
    struct hf_arena arena;
    hf_arena_init(&arena, 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hf_json json;
        struct hf_slice text = {NULL, 0};
        struct hf_slice copy = exact_copy(hf_slice_of(cases[i].json));
        hf_json_init(&json, copy, HF_JSON_MAX_DEPTH);
        assert_true(hf_json_get_string(&json, &arena, &text));
        assert_int_equal(hf_json_end(&json), HF_JSON_OK);
        assert_true(hf_slice_equal(text, cases[i].text));
        free((char *)copy.data);
    }
    hf_arena_fini(&arena);
}

static void test_bad_strings(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        size_t offset;
        const char *reason;
    } cases[] = {
        {"1", 0, "string expected"},
        {"null", 0, "string expected"},
        {"\"a\\ud800\"", 2, "lone surrogate in text"},
        {"\"a\\ud800b\"", 2, "lone surrogate in text"},
        {"\"\\ud800\\n\"", 1, "lone surrogate in text"},
        {"\"\\ud800\\ud800\\udc00\"", 1, "lone surrogate in text"},
        {"\"\\ud800\\u0041\"", 1, "lone surrogate in text"},
        {"\"\\ud800\\ue000\"", 1, "lone surrogate in text"},
        {"\"\\udbff\\udbff\"", 1, "lone surrogate in text"},
        {"\"\\udc00\"", 1, "lone surrogate in text"},
        {"\"\\udfff\"", 1, "lone surrogate in text"},
    };
    struct hf_arena arena;
    hf_arena_init(&arena, 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hf_json json;
        struct hf_slice text = HF_SLICE("before");
        hf_json_init(&json, hf_slice_of(cases[i].json), HF_JSON_MAX_DEPTH);
        assert_false(hf_json_get_string(&json, &arena, &text));
        assert_int_equal(hf_json_end(&json), HF_JSON_MALFORMED);
        assert_string_equal(json.reason, cases[i].reason);
        assert_int_equal(json.error_offset, cases[i].offset);
        assert_slice_equal(text, "before");
    }
    hf_arena_fini(&arena);
}

static void test_string_memory(void **state)
{
    (void)state;
    struct hf_arena arena;
    struct hf_json json;
    struct hf_slice text = {NULL, 0};
    hf_arena_init(&arena, 16);
    hf_json_init(&json, HF_SLICE("\"" PAD PAD "\\n\""), HF_JSON_MAX_DEPTH);
    assert_false(hf_json_get_string(&json, &arena, &text));
    assert_int_equal(hf_json_end(&json), HF_JSON_NO_MEMORY);
    hf_json_init(&json, HF_SLICE("\"" PAD PAD "\""), HF_JSON_MAX_DEPTH);
    assert_true(hf_json_get_string(&json, &arena, &text)); /* without escapes it needs none */
    hf_arena_fini(&arena);
}

static void test_keys(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        bool is_channel;
    } cases[] = {
        {"channel", true},
        {"Channel", true},
        {"CHANNEL", true},
        {"\\u0063hannel", true},
        {"\\u0043hanne\\u006c", true},
        {"channel\\u0000", false},
        {"channe", false},
        {"channels", false},
        {"channe\\u006", false},
        {"\\u0163hannel", false},
        {"\\u2163hannel", false},
        {"c\\/annel", false},
        {"channel\\n", false},
        {"\xc3\xa7hannel", false},
        {"", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[64];
        struct hf_json json;
        struct hf_json_key key;
        int len = snprintf(text, sizeof(text), "{\"%s\":1}", cases[i].raw);
        hf_json_init(&json, hf_slice(text, (size_t)len), HF_JSON_MAX_DEPTH);
        assert_true(hf_json_object_begin(&json));
        bool is_member = hf_json_object_next(&json, &key);
        assert_int_equal(is_member && hf_json_key_is(&key, HF_SLICE("channel")),
                         cases[i].is_channel);
    }
}

static void test_key_text(void **state)
{
    (void)state;
    struct hf_arena arena;
    struct hf_json json;
    struct hf_json_key key;
    struct hf_slice text;
    hf_arena_init(&arena, 0);
    hf_json_init(&json, HF_SLICE("{\"a\":1,\"b\\u00e9\\n\":2,\"\\ud800\":3}"), HF_JSON_MAX_DEPTH);
    assert_true(hf_json_object_begin(&json));
    assert_true(hf_json_object_next(&json, &key));
    assert_true(hf_json_key_text(&json, &key, &arena, &text));
    assert_slice_equal(text, "a");
    assert_true(hf_json_skip(&json));
    assert_true(hf_json_object_next(&json, &key));
    assert_true(hf_json_key_text(&json, &key, &arena, &text));
    assert_slice_equal(text, "b\xc3\xa9\n");
    assert_true(hf_json_skip(&json));
    assert_true(hf_json_object_next(&json, &key));
    assert_false(hf_json_key_text(&json, &key, &arena, &text));
    assert_int_equal(hf_json_end(&json), HF_JSON_MALFORMED);
    hf_arena_fini(&arena);
}

static void test_bools(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int expected; /* -1 = refused */
    } cases[] = {
        {"true", 1}, {" false ", 0}, {"null", -1}, {"1", -1},    {"\"true\"", -1},
        {"tru", -1}, {"truex", -1},  {"", -1},     {"fals", -1}, {"TRUE", -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hf_json json;
        bool value = false;
        hf_json_init(&json, hf_slice_of(cases[i].text), HF_JSON_MAX_DEPTH);
        bool is_taken = hf_json_get_bool(&json, &value) && hf_json_end(&json) == HF_JSON_OK;
        assert_int_equal(is_taken, cases[i].expected >= 0);
        if (is_taken) {
            assert_int_equal(value, cases[i].expected);
        }
    }
}

enum integer_type { U32 = 1, U64 = 2, I32 = 4, I64 = 8, ALL = 15 };

static void check_integer(const char *text, enum integer_type type, bool expected, uint64_t value)
{
    struct hf_json json;
    uint32_t u32 = 77;
    uint64_t u64 = 77;
    int32_t i32 = 77;
    int64_t i64 = 77;
    bool is_taken = false;
    hf_json_init(&json, hf_slice_of(text), HF_JSON_MAX_DEPTH);
    switch (type) {
    case U32:
        is_taken = hf_json_get_u32(&json, &u32);
        u64 = u32;
        break;
    case U64:
        is_taken = hf_json_get_u64(&json, &u64);
        break;
    case I32:
        is_taken = hf_json_get_i32(&json, &i32);
        u64 = (uint64_t)(int64_t)i32;
        break;
    case I64:
        is_taken = hf_json_get_i64(&json, &i64);
        u64 = (uint64_t)i64;
        break;
    case ALL:
        fail();
    }
    if (is_taken != expected || u64 != (expected ? value : 77)) {
        fail_msg("%s as type %d", text, (int)type);
    }
    assert_int_equal(hf_json_end(&json) == HF_JSON_OK, expected);
}

static void test_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
        unsigned types; /* that take it */
    } cases[] = {
        {"0", 0, ALL},
        {"-0", 0, I32 | I64},
        {"1", 1, ALL},
        {"-1", UINT64_MAX, I32 | I64},
        {"2147483647", INT32_MAX, ALL},
        {"-2147483648", (uint64_t)(int64_t)INT32_MIN, I32 | I64},
        {"2147483648", 2147483648, U32 | U64 | I64},
        {"-2147483649", (uint64_t)-2147483649, I64},
        {"4294967295", UINT32_MAX, U32 | U64 | I64},
        {"4294967296", 4294967296, U64 | I64},
        {"9223372036854775807", INT64_MAX, U64 | I64},
        {"-9223372036854775808", (uint64_t)INT64_MIN, I64},
        {"9223372036854775808", (uint64_t)INT64_MAX + 1, U64},
        {"-9223372036854775809", 0, 0},
        {"18446744073709551615", UINT64_MAX, U64},
        {"18446744073709551616", 0, 0},
        {"99999999999999999999999", 0, 0},
        {"1.0", 0, 0},
        {"1e3", 0, 0},
        {"-", 0, 0},
        {"\"1\"", 0, 0},
        {"null", 0, 0},
        {"true", 0, 0},
        {"", 0, 0},
        {"[]", 0, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (unsigned type = U32; type <= I64; type <<= 1) {
            check_integer(cases[i].text, (enum integer_type)type, (cases[i].types & type) != 0,
                          cases[i].value);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("json: valid texts -> accepted whole and walked", test_accepts),
        TEST("json: invalid texts -> refused whole and walked", test_refuses),
        TEST("json: texts cut anywhere -> refused, nothing read past the end", test_cut),
        TEST("json: random changes -> both ways of reading agree", test_random_changes),
        TEST("json: special byte at any place of a long string -> seen", test_long_strings),
        TEST("json: nesting at and over the limit -> accepted, refused", test_depth),
        TEST("json: walk over members -> values in order, raw bytes exact", test_members),
        TEST("json: walk over nested arrays -> each element once", test_arrays),
        TEST("json: peek -> type by the first byte", test_peek),
        TEST("json: malformed text -> offset and reason of the first error", test_errors),
        TEST("json: after an error -> every call fails, the first error stays",
             test_error_is_sticky),
        TEST("json: caller's own error -> status, reason and offset", test_own_error),
        TEST("json: strings with and without escapes -> text", test_strings),
        TEST("json: other types and lone surrogates -> no text", test_bad_strings),
        TEST("json: arena exhausted -> no-memory status", test_string_memory),
        TEST("json: names in any case or escaped -> matched", test_keys),
        TEST("json: name as text -> unescaped", test_key_text),
        TEST("json: truth values -> only true and false", test_bools),
        TEST("json: integers at the limits of each type -> value or refused", test_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
