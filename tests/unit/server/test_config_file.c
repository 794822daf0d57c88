/* The JSON file, unknown keys and suggestions (server/config/file.c, apply.c, suggest.c). */
#include "config_fixture.h"

static void nothing_given_then_defaults(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config = load_good(&loaded, NULL, NULL, NULL);
    char expected[300];
    char host[256] = "";
    gethostname(host, sizeof(host) - 1);
    snprintf(expected, sizeof(expected), "%s_8000", host);
    assert_string_equal(config->http_server.address, "");
    assert_int_equal(config->http_server.port, 8000);
    assert_int_equal(config->log.level, HF_LOG_INFO);
    assert_string_equal(config->node_name, expected);
    assert_int_equal(config->shutdown_timeout_ms, 30000);
    assert_int_equal(config->engine.type, HF_ENGINE_TYPE_MEMORY);
    assert_string_equal(config->engine.redis.address, "redis://127.0.0.1:6379");
    assert_string_equal(config->engine.redis.prefix, "holdfast");
    assert_int_equal(config->engine.redis.connect_timeout_ms, 1000);
    assert_int_equal(config->engine.redis.io_timeout_ms, 4000);
    assert_int_equal(config->client.ping_interval_ms, 25000);
    assert_int_equal(config->client.pong_timeout_ms, 8000);
    assert_int_equal(config->client.stale_close_delay_ms, 10000);
    assert_int_equal(config->client.channel_limit, 128);
    assert_int_equal(config->client.queue_max_size_bytes, 1048576);
    assert_int_equal(config->client.history_max_publication_limit, 300);
    assert_int_equal(config->client.recovery_max_publication_limit, 300);
    assert_false(config->client.insecure);
    assert_string_equal(config->websocket.handler_prefix, "/connection/websocket");
    assert_int_equal(config->websocket.message_size_limit_bytes, 65536);
    assert_int_equal(config->channel.max_length_bytes, 255);
    assert_string_equal(config->channel.private_prefix, "$");
    assert_string_equal(config->channel.namespace_boundary, ":");
    assert_int_equal(config->channel.without_namespace.history_meta_ttl_ms, INT64_C(2592000000));
    assert_string_equal(config->http_api.handler_prefix, "/api");
    assert_true(config->health.enabled);
    assert_in_range(config->holdfast.workers, 1, 1024);
    assert_int_equal(config->holdfast.tails_max_bytes, 256 * 1024 * 1024);
    unload(&loaded);
}

static void nested_file_is_read_with_keys_in_any_case(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config =
        load_good(&loaded,
                  "{\"HTTP_Server\":{\"Port\":9000},"
                  "\"channel\":{\"Namespaces\":[{\"Name\":\"Chat\",\"HISTORY_SIZE\":10,"
                  "\"history_ttl\":\"60s\",\"force_recovery_mode\":\"stream\"}]}}",
                  NULL, NULL);
    assert_int_equal(config->http_server.port, 9000);
    assert_int_equal(config->channel.namespace_count, 1);
    const struct hf_channel_options *chat = hf_config_find_namespace(config, "Chat", 4);
    assert_non_null(chat);
    assert_int_equal(chat->history_size, 10);
    assert_int_equal(chat->history_ttl_ms, 60000);
    assert_null(hf_config_find_namespace(config, "chat", 4));
    assert_null(hf_config_find_namespace(config, "Cha", 3));
    assert_null(hf_config_find_namespace(config, "Chat\0x", 6));
    unload(&loaded);
}

static void key_twice_in_different_case_is_refused(void **state)
{
    (void)state;
    expect_error("{\"log\":{\"level\":\"info\",\"Level\":\"warn\"}}",
                 ARGS("log.level", "given twice"));
}

static void key_twice_is_refused_with_its_name_and_line(void **state)
{
    (void)state;
    expect_error("{\n \"pid_file\": \"a\",\n \"pid_file\": \"b\"\n}",
                 ARGS("test.json: line 3, column", "duplicate", "pid_file"));
}

static void broken_json_is_refused_with_line_and_column(void **state)
{
    (void)state;
    expect_error("{\n  \"log\": {\"level\": }\n}", ARGS("test.json: line 2, column 20"));
    expect_error("", ARGS("test.json: line 1, column"));
    expect_error("{} {}", ARGS("test.json: line 1"));
    expect_error("{\"pid_file\":\"\xff\"}", ARGS("test.json: line 1", "decode byte 0xff"));
    expect_error("[]", ARGS("test.json: must hold one JSON object"));
    expect_error("null", ARGS("must hold one JSON object"));
}

static void broken_json_next_to_a_secret_does_not_print_it(void **state)
{
    (void)state;
    struct loaded loaded;
    load_all(&loaded, "{\"http_api\":{\"key\": hunter2secret}}", NULL, NULL);
    assert_int_equal(loaded.status, HF_CONFIG_BAD_CONTENT);
    assert_null(find_message(&loaded.result.errors, ARGS("hunter2")));
    unload(&loaded);
    load_all(&loaded, "{\"http_api\":{\"key\" \"hunter2secret\"}}", NULL, NULL);
    assert_null(find_message(&loaded.result.errors, ARGS("hunter2")));
    unload(&loaded);
    load_all(&loaded, "{\"http_api\":{\"key\": \"hunter2secret\" \"hunter2secret\"}}", NULL, NULL);
    assert_null(find_message(&loaded.result.errors, ARGS("hunter2")));
    unload(&loaded);
}

static void named_file_that_is_missing_is_an_error(void **state)
{
    (void)state;
    struct loaded loaded;
    load_all(&loaded, NULL, NULL, ARGS("--config", "/nonexistent/holdfast.json"));
    assert_int_equal(loaded.status, HF_CONFIG_BAD_CONTENT);
    expect_message(&loaded.result.errors,
                   ARGS("/nonexistent/holdfast.json: cannot be opened: No such file"));
    unload(&loaded);
}

static void directory_as_file_is_an_error(void **state)
{
    (void)state;
    struct loaded loaded;
    load_all(&loaded, NULL, NULL, ARGS("-c", "/tmp"));
    assert_int_equal(loaded.status, HF_CONFIG_BAD_CONTENT);
    expect_message(&loaded.result.errors, ARGS("/tmp: cannot be read: Is a directory"));
    unload(&loaded);
}

static void yaml_is_refused_as_not_offered(void **state)
{
    (void)state;
    struct loaded loaded;
    load_all(&loaded, NULL, NULL, ARGS("-c", "config.yaml"));
    expect_message(&loaded.result.errors, ARGS("config.yaml: YAML and TOML", "not offered"));
    unload(&loaded);
}

static void unknown_key_names_the_nearest(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"{\"http_server\":{\"prot\":1}}", "http_server.prot: ", "is http_server.port"},
        {"{\"clinet\":{}}", "clinet: unknown", "the nearest valid key is client"},
        {"{\"client\":{\"alowed_origins\":[]}}",
         "client.alowed_origins: ", "is client.allowed_origins"},
        {"{\"client\":{\"max_length\":1}}", "client.max_length: ", "is channel.max_length"},
        {"{\"channel\":{\"namespace\":[]}}", "channel.namespace: ", "is channel.namespaces"},
        {"{\"channel\":{\"without_namespace\":{\"histry_size\":1}}}",
         "channel.without_namespace.histry_size: ", "is channel.without_namespace.history_size"},
        {"{\"channel\":{\"namespaces\":[{\"name\":\"ab\"},{\"name\":\"cd\",\"force_recover\":true}]"
         "}}",
         "channel.namespaces[1].force_recover: ", "is channel.namespaces[1].force_recovery"},
        {"{\"redis_adress\":\"x\"}", "redis_adress: ", "is engine.redis.address"},
        {"{\"engine\":{\"redis\":{\"adress\":\"x\"}}}",
         "engine.redis.adress: ", "is engine.redis.address"},
        {"{\"prometeus\":{\"enabled\":false}}", "prometeus: ", "is prometheus"},
        {"{\"holdfast\":{\"tail_max\":1}}", "holdfast.tail_max: ", "is holdfast.tail_max_bytes"},
        {"{\"singleflight\":{\"enabled\":true}}", "singleflight: ", "unknown key"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_error(cases[i][0], ARGS("test.json: ", cases[i][1], "unknown key", cases[i][2]));
    }
}

static void all_errors_are_reported_not_only_the_first(void **state)
{
    (void)state;
    struct loaded loaded;
    load_all(&loaded,
             "{\"http_server\":{\"port\":70000,\"x\":1},\"log\":{\"level\":\"loud\"},"
             "\"admin\":{\"enabled\":true}}",
             ARGS("HOLDFAST_CLIENT_PING_INTERVAL=1"), NULL);
    assert_int_equal(loaded.status, HF_CONFIG_BAD_CONTENT);
    assert_int_equal(loaded.result.errors.count, 5);
    expect_message(&loaded.result.errors, ARGS("http_server.port"));
    expect_message(&loaded.result.errors, ARGS("http_server.x"));
    expect_message(&loaded.result.errors, ARGS("log.level"));
    expect_message(&loaded.result.errors, ARGS("admin.enabled"));
    expect_message(&loaded.result.errors, ARGS("environment: HOLDFAST_CLIENT_PING_INTERVAL"));
    unload(&loaded);
}

static void hostile_file_is_refused_without_harm(void **state)
{
    (void)state;
    char deep[8192] = "";
    memset(deep, '[', 4000);
    expect_error(deep, ARGS("test.json: line 1"));
    char long_key[1200];
    memset(long_key, 'k', sizeof(long_key));
    memcpy(long_key, "{\"", 2);
    memcpy(long_key + 1190, "\":{}}", 6);
    expect_error(long_key, ARGS("unknown key"));
    expect_error("{\"channel\":{\"namespaces\":[{\"name\":[[[{\"a\":{}}]]]}]}}", ARGS("name"));
    expect_error("{\"\":1}", ARGS("unknown key"));
    expect_error("{\"channel\":{\"namespaces\":[1]}}", ARGS("channel.namespaces[0]", "an object"));
    expect_error("{\"channel\":{\"namespaces\":{}}}", ARGS("channel.namespaces", "a list"));
    expect_error("{\"channel\":{\"without_namespace\":[]}}", ARGS("must be an object"));
    expect_error("{\"channel\":{\"without_namespace\":{\"name\":\"ab\"}}}",
                 ARGS("channel.without_namespace.name: unknown key"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_given_then_defaults),
        cmocka_unit_test(nested_file_is_read_with_keys_in_any_case),
        cmocka_unit_test(key_twice_in_different_case_is_refused),
        cmocka_unit_test(key_twice_is_refused_with_its_name_and_line),
        cmocka_unit_test(broken_json_is_refused_with_line_and_column),
        cmocka_unit_test(broken_json_next_to_a_secret_does_not_print_it),
        cmocka_unit_test(named_file_that_is_missing_is_an_error),
        cmocka_unit_test(directory_as_file_is_an_error),
        cmocka_unit_test(yaml_is_refused_as_not_offered),
        cmocka_unit_test(unknown_key_names_the_nearest),
        cmocka_unit_test(all_errors_are_reported_not_only_the_first),
        cmocka_unit_test(hostile_file_is_refused_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
