#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/api_internal.h"

/* Decodes an exact copy, so that a sanitizer sees a read beyond it. The result is in the arena. */
static bool decode(const char *text, struct hf_arena *arena, struct hf_slice *out)
{
    size_t len = strlen(text);
    char *copy = malloc(len);
    bool is_memory;
    bool is_good;

    if (len > 0) {
        memcpy(copy, text, len);
    }
    is_good = hf_api_decode_base64(hf_slice(copy, len), arena, out, &is_memory);
    assert_false(is_memory);
    free(copy);
    return is_good;
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
    static const char *const texts[] = {
        "Z", "Zg", "Zg=", "Z===", "====", "=Zg=", "Zg==Zm9v", "Zm9-", "Zm9_", "Zm 9", "Zm9v\n"};
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
    bool is_memory;

    (void)state;
    hf_arena_init(&arena, 1);
    assert_false(hf_api_decode_base64(HF_SLICE("Zm9v"), &arena, &out, &is_memory));
    assert_true(is_memory);
    hf_arena_fini(&arena);
}

static void last_of_duplicate_fields_counts(void **state)
{
    struct hf_api_publish_request request;
    struct hf_arena arena;

    (void)state;
    hf_arena_init(&arena, 0);
    assert_int_equal(
        hf_api_parse_publish(HF_SLICE("{\"channel\":\"a\",\"channel\":\"b\",\"tags\":{\"x\":\"y\"},"
                                      "\"tags\":{},\"channels\":[\"p\",\"q\"],\"channels\":[\"r\"],"
                                      "\"data\":1,\"data\":2}"),
                             &arena, 10, &request),
        HF_API_PARSED);
    assert_true(hf_slice_equal(request.channel, HF_SLICE("b")));
    assert_true(hf_slice_equal(request.data, HF_SLICE("2")));
    assert_true(hf_slice_is_empty(request.tags));
    assert_int_equal(request.channel_count, 1);
    assert_true(hf_slice_equal(request.channels[0], HF_SLICE("r")));
    hf_arena_fini(&arena);
}

static void channels_are_counted_and_bounded(void **state)
{
    struct hf_api_publish_request request;
    struct hf_buffer body;
    struct hf_arena arena;

    (void)state;
    hf_arena_init(&arena, 0);
    hf_buffer_init(&body, 0);
    HF_BUFFER_APPEND_LITERAL(&body, "{\"channels\":[\"c\\u0061\"");
    for (int i = 1; i < 1000; i++) {
        HF_BUFFER_APPEND_LITERAL(&body, ",\"c\\u0061");
        hf_buffer_append_u64(&body, (uint64_t)i);
        hf_buffer_append_char(&body, '"');
    }
    HF_BUFFER_APPEND_LITERAL(&body, "]}");
    assert_int_equal(hf_api_parse_publish(hf_buffer_slice(&body), &arena, 1000, &request),
                     HF_API_PARSED);
    assert_int_equal(request.channel_count, 1000);
    assert_true(hf_slice_equal(request.channels[0], HF_SLICE("ca")));
    assert_true(hf_slice_equal(request.channels[999], HF_SLICE("ca999")));
    assert_int_equal(hf_api_parse_publish(hf_buffer_slice(&body), &arena, 999, &request),
                     HF_API_PARSE_TOO_MANY);
    hf_buffer_fini(&body);
    hf_arena_fini(&arena);
    hf_arena_init(&arena, 64);
    assert_int_equal(hf_api_parse_publish(HF_SLICE("{\"channels\":[\"a\"]}"), &arena, 10, &request),
                     HF_API_PARSE_NO_MEMORY);
    hf_arena_fini(&arena);
}

static void history_fields_are_read(void **state)
{
    struct hf_api_history_request request;
    struct hf_arena arena;

    (void)state;
    hf_arena_init(&arena, 0);
    assert_int_equal(
        hf_api_parse_history(HF_SLICE("{\"Channel\":\"a\",\"LIMIT\":-1,\"reverse\":true,\"x\":{},"
                                      "\"since\":{\"offset\":18446744073709551615,\"y\":[],"
                                      "\"epoch\":\"e\"}}"),
                             &arena, &request),
        HF_API_PARSED);
    assert_true(hf_slice_equal(request.channel, HF_SLICE("a")));
    assert_int_equal(request.limit, -1);
    assert_true(request.reverse && request.has_since);
    assert_int_equal(request.since_offset, UINT64_MAX);
    assert_true(hf_slice_equal(request.since_epoch, HF_SLICE("e")));
    assert_int_equal(hf_api_parse_history(HF_SLICE("{\"since\":{},\"since\":null,\"limit\":null}"),
                                          &arena, &request),
                     HF_API_PARSED);
    assert_false(request.has_since);
    assert_int_equal(
        hf_api_parse_history(HF_SLICE("{\"since\":{\"offset\":-1}}"), &arena, &request),
        HF_API_PARSE_MALFORMED);
    assert_int_equal(hf_api_parse_history(HF_SLICE("{\"limit\":1.5}"), &arena, &request),
                     HF_API_PARSE_MALFORMED);
    hf_arena_fini(&arena);
}

static void every_cut_of_a_body_is_refused(void **state)
{
    static const char body[] =
        "{\"channel\":\"a\",\"channels\":[\"b\",\"c\"],\"data\":{\"x\":[1,\"\\u00e4\"]},"
        "\"tags\":{\"k\":\"v\"},\"skip_history\":true,\"version\":1}";
    struct hf_api_publish_request request;
    struct hf_arena arena;

    (void)state;
    hf_arena_init(&arena, 0);
    for (size_t len = 0; len < sizeof(body) - 1; len++) {
        char *copy = malloc(len);

        if (len > 0) {
            memcpy(copy, body, len);
        }
        assert_int_equal(hf_api_parse_publish(hf_slice(copy, len), &arena, 10, &request),
                         HF_API_PARSE_MALFORMED);
        free(copy);
        hf_arena_reset(&arena);
    }
    assert_int_equal(hf_api_parse_publish(hf_slice(body, sizeof(body) - 1), &arena, 10, &request),
                     HF_API_PARSED);
    hf_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_of_every_length),
        cmocka_unit_test(what_is_not_base64_is_refused),
        cmocka_unit_test(base64_without_memory_says_so),
        cmocka_unit_test(last_of_duplicate_fields_counts),
        cmocka_unit_test(channels_are_counted_and_bounded),
        cmocka_unit_test(history_fields_are_read),
        cmocka_unit_test(every_cut_of_a_body_is_refused),
    };

    return cmocka_run_group_tests_name("api_request", tests, NULL, NULL);
}
