/* Durations, sizes and the other texts of values (server/config/value.c, duration.c). */
#include "config_fixture.h"

#include "config/value.h"

static void expect_duration(const char *text, int64_t expected_ms)
{
    int64_t duration_ms = -12345;
    if (hf__duration_parse(text, &duration_ms) != HF_DURATION_OK || duration_ms != expected_ms) {
        fail_msg("\"%s\" gave %lld", text, (long long)duration_ms);
    }
}

static void duration_in_go_syntax_is_read(void **state)
{
    (void)state;
    expect_duration("0", 0);
    expect_duration("0s", 0);
    expect_duration("600s", 600000);
    expect_duration("1h30m", 5400000);
    expect_duration("300ms", 300);
    expect_duration("1.5s", 1500);
    expect_duration(".5s", 500);
    expect_duration("1.s", 1000);
    expect_duration("0.001s", 1);
    expect_duration("720h", INT64_C(2592000000));
    expect_duration("1000000ns", 1);
    expect_duration("2000us", 2);
    expect_duration("2000\xc2\xb5s", 2);
    expect_duration("-1.5s", -1500);
    expect_duration("+10s", 10000);
    expect_duration("1h1m1s1ms", 3661001);
}

static void duration_that_is_none_is_refused_by_kind(void **state)
{
    (void)state;
    static const char *const malformed[] = {"",
                                            "s",
                                            "-",
                                            "1x",
                                            "abc",
                                            "1h30",
                                            " 1s",
                                            "1s ",
                                            "1..5s",
                                            ".s",
                                            "1e3s",
                                            "--1s",
                                            "99999999999999999999s",
                                            "9223372036854775807h"};
    int64_t duration_ms;
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        if (hf__duration_parse(malformed[i], &duration_ms) != HF_DURATION_MALFORMED) {
            fail_msg("\"%s\" was taken", malformed[i]);
        }
    }
    assert_int_equal(hf__duration_parse("600", &duration_ms), HF_DURATION_BARE_NUMBER);
    assert_int_equal(hf__duration_parse("1.5", &duration_ms), HF_DURATION_BARE_NUMBER);
    assert_int_equal(hf__duration_parse("1ns", &duration_ms), HF_DURATION_TOO_FINE);
    assert_int_equal(hf__duration_parse("1.5ms", &duration_ms), HF_DURATION_TOO_FINE);
}

static void duration_formatted_then_parsed_is_the_same(void **state)
{
    (void)state;
    static const int64_t durations[] = {0,
                                        1,
                                        999,
                                        1000,
                                        1001,
                                        60000,
                                        61000,
                                        3600000,
                                        5400000,
                                        INT64_C(2592000000),
                                        INT64_C(9000000000000)};
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        char text[32];
        hf__duration_format(durations[i], text, sizeof(text));
        expect_duration(text, durations[i]);
    }
}

static void bare_number_as_duration_is_refused_with_the_right_form(void **state)
{
    (void)state;
    expect_error("{\"client\":{\"ping_interval\":25}}",
                 ARGS("test.json: client.ping_interval: ", "25 has no unit", "\"25s\""));
    expect_error("{\"channel\":{\"without_namespace\":{\"history_size\":1,\"history_ttl\":300}}}",
                 ARGS("channel.without_namespace.history_ttl", "nanoseconds", "\"300s\""));
    expect_error("{\"client\":{\"ping_interval\":\"25\"}}", ARGS("25 has no unit"));
}

static void zero_as_a_bare_number_is_a_duration(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config =
        load_good(&loaded, "{\"client\":{\"stale_close_delay\":0}}", NULL, NULL);
    assert_int_equal(config->client.stale_close_delay_ms, 0);
    unload(&loaded);
}

static void history_ttl_below_a_second_is_refused(void **state)
{
    (void)state;
    expect_error("{\"channel\":{\"without_namespace\":{\"history_size\":1,"
                 "\"history_ttl\":\"1500ms\"}}}",
                 ARGS("history_ttl", "whole number of seconds"));
    expect_error("{\"channel\":{\"history_meta_ttl\":\"1500ms\"}}",
                 ARGS("channel.history_meta_ttl", "whole number of seconds"));
}

static void sizes_with_units_are_read(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config =
        load_good(&loaded,
                  "{\"holdfast\":{\"tail_max_bytes\":\"2MiB\",\"tails_max_bytes\":\"1GiB\","
                  "\"page_max_bytes\":\"64kib\",\"http_body_max\":4096,"
                  "\"http_header_max\":\"512B\"}}",
                  NULL, NULL);
    assert_int_equal(config->holdfast.tail_max_bytes, 2 * 1024 * 1024);
    assert_int_equal(config->holdfast.tails_max_bytes, 1024 * 1024 * 1024);
    assert_int_equal(config->holdfast.page_max_bytes, 65536);
    assert_int_equal(config->holdfast.http_body_max_bytes, 4096);
    assert_int_equal(config->holdfast.http_header_max_bytes, 512);
    unload(&loaded);
    expect_error("{\"holdfast\":{\"tail_max_bytes\":\"2 parsecs\"}}",
                 ARGS("holdfast.tail_max_bytes", "\"2 parsecs\" is not valid", "64KiB"));
    expect_error("{\"holdfast\":{\"tail_max_bytes\":\"9223372036854775807GiB\"}}",
                 ARGS("holdfast.tail_max_bytes", "is not valid"));
}

static void number_out_of_range_is_refused_with_the_range(void **state)
{
    (void)state;
    expect_error("{\"http_server\":{\"port\":65536}}",
                 ARGS("http_server.port", "\"65536\"", "0 to 65535"));
    expect_error("{\"http_server\":{\"port\":-1}}", ARGS("http_server.port", "0 to 65535"));
    expect_error("{\"http_server\":{\"port\":\"80x\"}}", ARGS("http_server.port", "\"80x\""));
    expect_error("{\"client\":{\"channel_limit\":0}}", ARGS("client.channel_limit", "1 to "));
    expect_error("{\"websocket\":{\"write_timeout\":\"0s\"}}", ARGS("write_timeout", "1ms to 1h"));
    expect_error("{\"client\":{\"ping_interval\":\"1ms\"}}",
                 ARGS("client.ping_interval", "0 or 1s to 24h"));
}

static void value_of_the_wrong_json_type_is_refused(void **state)
{
    (void)state;
    expect_error("{\"http_server\":{\"port\":true}}",
                 ARGS("http_server.port", "not true or false"));
    expect_error("{\"http_server\":{\"port\":80.5}}", ARGS("http_server.port", "fraction"));
    expect_error("{\"http_server\":{\"address\":1}}", ARGS("http_server.address", "not a number"));
    expect_error("{\"client\":{\"insecure\":1}}", ARGS("client.insecure", "not a number"));
    expect_error("{\"client\":{\"insecure\":\"maybe\"}}", ARGS("client.insecure", "true or false"));
    expect_error("{\"client\":{\"ping_interval\":[]}}", ARGS("client.ping_interval", "not a list"));
    expect_error("{\"client\":{\"allowed_origins\":[1]}}", ARGS("allowed_origins", "element 0"));
    expect_error("{\"client\":[]}", ARGS("client: must be an object"));
    expect_error("{\"http_api\":{\"key\":{}}}", ARGS("http_api.key", "not an object"));
}

static void null_is_the_same_as_absent(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config = load_good(
        &loaded,
        "{\"http_server\":{\"port\":null},\"client\":null,\"channel\":{\"namespaces\":null}}", NULL,
        NULL);
    assert_int_equal(config->http_server.port, 8000);
    unload(&loaded);
}

static void unknown_name_of_a_choice_is_refused_with_the_valid_ones(void **state)
{
    (void)state;
    expect_error("{\"engine\":{\"type\":\"disk\"}}",
                 ARGS("engine.type", "\"disk\" is not valid", "memory, redis"));
    expect_error("{\"log\":{\"level\":\"loud\"}}",
                 ARGS("log.level", "trace, debug, info, warn, error, none"));
    expect_error("{\"http_api\":{\"error_mode\":\"x\"}}", ARGS("error_mode", "transport"));
    expect_error("{\"channel\":{\"publication_data_format\":\"xml\"}}",
                 ARGS("json, json_object, binary"));
}

static void choice_of_the_peer_that_is_not_offered_says_so(void **state)
{
    (void)state;
    expect_error("{\"engine\":{\"type\":\"nats\"}}",
                 ARGS("engine.type", "known but not offered in this version", "memory, redis"));
    expect_error("{\"channel\":{\"without_namespace\":{\"subscription_type\":\"map\"}}}",
                 ARGS("subscription_type", "not offered"));
}

static void url_path_is_checked_and_trimmed(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config =
        load_good(&loaded, "{\"http_api\":{\"handler_prefix\":\"/v1/api/\"}}", NULL, NULL);
    assert_string_equal(config->http_api.handler_prefix, "/v1/api");
    unload(&loaded);
    expect_error("{\"http_api\":{\"handler_prefix\":\"api\"}}",
                 ARGS("http_api.handler_prefix", "\"api\" is not a URL path like /api"));
    expect_error("{\"http_api\":{\"handler_prefix\":\"\"}}", ARGS("is not a URL path"));
    expect_error("{\"http_api\":{\"handler_prefix\":\"/\"}}", ARGS("is not a URL path"));
}

static void list_of_redis_addresses_is_taken_with_one_element_only(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config = load_good(
        &loaded, "{\"engine\":{\"redis\":{\"address\":[\"127.0.0.1:7000\"]}}}", NULL, NULL);
    assert_string_equal(config->engine.redis.address, "127.0.0.1:7000");
    unload(&loaded);
    expect_error("{\"engine\":{\"redis\":{\"address\":[\"a:1\",\"b:2\"]}}}",
                 ARGS("engine.redis.address", "not offered"));
    expect_error("{\"engine\":{\"redis\":{\"address\":\"a:1 b:2\"}}}", ARGS("not offered"));
    expect_error("{\"engine\":{\"redis\":{\"address\":[]}}}", ARGS("the list is empty"));
    expect_error("{\"engine\":{\"redis\":{\"address\":\"\"}}}", ARGS("must not be empty"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duration_in_go_syntax_is_read),
        cmocka_unit_test(duration_that_is_none_is_refused_by_kind),
        cmocka_unit_test(duration_formatted_then_parsed_is_the_same),
        cmocka_unit_test(bare_number_as_duration_is_refused_with_the_right_form),
        cmocka_unit_test(zero_as_a_bare_number_is_a_duration),
        cmocka_unit_test(history_ttl_below_a_second_is_refused),
        cmocka_unit_test(sizes_with_units_are_read),
        cmocka_unit_test(number_out_of_range_is_refused_with_the_range),
        cmocka_unit_test(value_of_the_wrong_json_type_is_refused),
        cmocka_unit_test(null_is_the_same_as_absent),
        cmocka_unit_test(unknown_name_of_a_choice_is_refused_with_the_valid_ones),
        cmocka_unit_test(choice_of_the_peer_that_is_not_offered_says_so),
        cmocka_unit_test(url_path_is_checked_and_trimmed),
        cmocka_unit_test(list_of_redis_addresses_is_taken_with_one_element_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
