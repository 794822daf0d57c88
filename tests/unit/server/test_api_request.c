#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/api_internal.h"

static struct hf_config config = {.holdfast.broadcast_channels_max = 10};

static enum hf_api_parse_result publish(struct hf_slice text, struct hf_arena *arena,
                                        struct hf_api_publish_request *request)
{
    union hf_api_request parameters;
    enum hf_api_parse_result result = hf_api_parse_publish(text, arena, &config, &parameters);

    *request = parameters.publish;
    return result;
}

static enum hf_api_parse_result history(struct hf_slice text, struct hf_arena *arena,
                                        struct hf_api_history_request *request)
{
    union hf_api_request parameters;
    enum hf_api_parse_result result = hf_api_parse_history(text, arena, &config, &parameters);

    *request = parameters.history;
    return result;
}

static void last_of_duplicate_fields_counts(void **state)
{
    struct hf_api_publish_request request;
    struct hf_arena arena;

    (void)state;
    hf_arena_init(&arena, 0);
    assert_int_equal(publish(HF_SLICE("{\"channel\":\"a\",\"channel\":\"b\",\"tags\":{\"x\":\"y\"},"
                                      "\"tags\":{},\"channels\":[\"p\",\"q\"],\"channels\":[\"r\"],"
                                      "\"data\":1,\"data\":2}"),
                             &arena, &request),
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
    config.holdfast.broadcast_channels_max = 1000;
    assert_int_equal(publish(hf_buffer_slice(&body), &arena, &request), HF_API_PARSED);
    assert_int_equal(request.channel_count, 1000);
    assert_true(hf_slice_equal(request.channels[0], HF_SLICE("ca")));
    assert_true(hf_slice_equal(request.channels[999], HF_SLICE("ca999")));
    config.holdfast.broadcast_channels_max = 999;
    assert_int_equal(publish(hf_buffer_slice(&body), &arena, &request), HF_API_PARSE_TOO_MANY);
    hf_buffer_fini(&body);
    hf_arena_fini(&arena);
    hf_arena_init(&arena, 64);
    assert_int_equal(publish(HF_SLICE("{\"channels\":[\"a\"]}"), &arena, &request),
                     HF_API_PARSE_NO_MEMORY);
    hf_arena_fini(&arena);
}

static void history_fields_are_read(void **state)
{
    struct hf_api_history_request request;
    struct hf_arena arena;

    (void)state;
    hf_arena_init(&arena, 0);
    assert_int_equal(history(HF_SLICE("{\"Channel\":\"a\",\"LIMIT\":-1,\"reverse\":true,\"x\":{},"
                                      "\"since\":{\"offset\":18446744073709551615,\"y\":[],"
                                      "\"epoch\":\"e\"}}"),
                             &arena, &request),
                     HF_API_PARSED);
    assert_true(hf_slice_equal(request.channel, HF_SLICE("a")));
    assert_int_equal(request.limit, -1);
    assert_true(request.reverse && request.has_since);
    assert_int_equal(request.since_offset, UINT64_MAX);
    assert_true(hf_slice_equal(request.since_epoch, HF_SLICE("e")));
    assert_int_equal(
        history(HF_SLICE("{\"since\":{},\"since\":null,\"limit\":null}"), &arena, &request),
        HF_API_PARSED);
    assert_false(request.has_since);
    assert_int_equal(history(HF_SLICE("{\"since\":{\"offset\":-1}}"), &arena, &request),
                     HF_API_PARSE_MALFORMED);
    assert_int_equal(history(HF_SLICE("{\"limit\":1.5}"), &arena, &request),
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
        assert_int_equal(publish(hf_slice(copy, len), &arena, &request), HF_API_PARSE_MALFORMED);
        free(copy);
        hf_arena_reset(&arena);
    }
    assert_int_equal(publish(hf_slice(body, sizeof(body) - 1), &arena, &request), HF_API_PARSED);
    hf_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_of_duplicate_fields_counts),
        cmocka_unit_test(channels_are_counted_and_bounded),
        cmocka_unit_test(history_fields_are_read),
        cmocka_unit_test(every_cut_of_a_body_is_refused),
    };

    return cmocka_run_group_tests_name("api_request", tests, NULL, NULL);
}
