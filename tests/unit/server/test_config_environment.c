/* Environment variables (server/config/environment.c) and which source wins. */
#include "config_fixture.h"

static void later_source_wins(void **state)
{
    (void)state;
    struct loaded loaded;
    const char *json = "{\"http_server\":{\"port\":9001}}";
    assert_int_equal(load_good(&loaded, NULL, NULL, NULL)->http_server.port, 8000);
    unload(&loaded);
    assert_int_equal(load_good(&loaded, json, NULL, NULL)->http_server.port, 9001);
    unload(&loaded);
    assert_int_equal(
        load_good(&loaded, json, ARGS("CENTRIFUGO_HTTP_SERVER_PORT=9002"), NULL)->http_server.port,
        9002);
    unload(&loaded);
    assert_int_equal(
        load_good(&loaded, json,
                  ARGS("HOLDFAST_HTTP_SERVER_PORT=9003", "CENTRIFUGO_HTTP_SERVER_PORT=9002"), NULL)
            ->http_server.port,
        9003);
    unload(&loaded);
    assert_int_equal(load_good(&loaded, json, ARGS("HOLDFAST_HTTP_SERVER_PORT=9003"),
                               ARGS("--http_server.port", "9004"))
                         ->http_server.port,
                     9004);
    unload(&loaded);
}

static void each_type_is_read(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config =
        load_good(&loaded, NULL,
                  ARGS("PATH=/bin", "HOLDFAST_CLIENT_INSECURE=T", "HOLDFAST_HEALTH_ENABLED=0",
                       "HOLDFAST_CLIENT_ALLOWED_ORIGINS=http://a  http://b",
                       "HOLDFAST_CLIENT_PING_INTERVAL=10s", "HOLDFAST_ENGINE_TYPE=redis",
                       "HOLDFAST_ENGINE_REDIS_PASSWORD=pw", "HOLDFAST_HOLDFAST_LINGER=5s",
                       "HOLDFAST_HOLDFAST_TAIL_MAX_BYTES=4KiB",
                       "HOLDFAST_CHANNEL_WITHOUT_NAMESPACE_HISTORY_SIZE=3",
                       "HOLDFAST_CHANNEL_WITHOUT_NAMESPACE_HISTORY_TTL=3s", "HOLDFAST_LOG_LEVEL="),
                  NULL);
    assert_true(config->client.insecure);
    assert_false(config->health.enabled);
    assert_int_equal(config->client.allowed_origins.count, 2);
    assert_string_equal(config->client.allowed_origins.items[1], "http://b");
    assert_int_equal(config->client.ping_interval_ms, 10000);
    assert_int_equal(config->engine.type, HF_ENGINE_TYPE_REDIS);
    assert_string_equal(config->engine.redis.password, "pw");
    assert_int_equal(config->holdfast.linger_ms, 5000);
    assert_int_equal(config->holdfast.tail_max_bytes, 4096);
    assert_int_equal(config->channel.without_namespace.history_size, 3);
    assert_int_equal(config->log.level, HF_LOG_INFO);
    unload(&loaded);
}

static void namespaces_as_json(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config = load_good(
        &loaded, "{\"channel\":{\"namespaces\":[{\"name\":\"from-file\"}]}}",
        ARGS("HOLDFAST_CHANNEL_NAMESPACES=[{\"Name\":\"chat\",\"history_size\":1,\"history_ttl\":"
             "\"1s\"},{\"name\":\"news\"}]"),
        NULL);
    assert_int_equal(config->channel.namespace_count, 2);
    assert_int_equal(hf_config_find_namespace(config, "chat", 4)->history_size, 1);
    assert_null(hf_config_find_namespace(config, "from-file", 9));
    unload(&loaded);
}

static void namespaces_by_name_with_a_variable_per_option(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config =
        load_good(&loaded, NULL,
                  ARGS("HOLDFAST_CHANNEL_NAMESPACES_MY_CHAT_HISTORY_SIZE=7",
                       "HOLDFAST_CHANNEL_NAMESPACES_MY_CHAT_HISTORY_TTL=7s",
                       "CENTRIFUGO_CHANNEL_NAMESPACES_NEWS_ALLOW_SUBSCRIBE_FOR_CLIENT=true",
                       "HOLDFAST_CHANNEL_NAMESPACES_NEWS_PRESENCE=false",
                       "CENTRIFUGO_CHANNEL_NAMESPACES=my-chat news"),
                  NULL);
    assert_int_equal(config->channel.namespace_count, 2);
    assert_int_equal(hf_config_find_namespace(config, "my-chat", 7)->history_size, 7);
    assert_int_equal(hf_config_find_namespace(config, "my-chat", 7)->history_ttl_ms, 7000);
    assert_true(hf_config_find_namespace(config, "news", 4)->allow_subscribe_for_client);
    unload(&loaded);
}

static void variable_changes_a_namespace_of_the_file(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config =
        load_good(&loaded,
                  "{\"channel\":{\"namespaces\":[{\"name\":\"chat\",\"history_size\":1,"
                  "\"history_ttl\":\"1s\"}]}}",
                  ARGS("HOLDFAST_CHANNEL_NAMESPACES_CHAT_HISTORY_SIZE=9"), NULL);
    assert_int_equal(config->channel.namespaces[0].history_size, 9);
    assert_int_equal(config->channel.namespaces[0].history_ttl_ms, 1000);
    unload(&loaded);
}

static void expect_refused(const char *variable, const char *const *texts)
{
    struct loaded loaded;
    load_all(&loaded, NULL, ARGS(variable), NULL);
    assert_int_equal(loaded.status, HF_CONFIG_BAD_CONTENT);
    assert_int_equal(loaded.result.errors.count, 1);
    expect_message(&loaded.result.errors, texts);
    unload(&loaded);
}

static void wrong_variable_is_refused_with_its_name(void **state)
{
    (void)state;
    expect_refused("HOLDFAST_HTTP_SERVER_PROT=1",
                   ARGS("environment: HOLDFAST_HTTP_SERVER_PROT: unknown variable",
                        "is HOLDFAST_HTTP_SERVER_PORT"));
    expect_refused("HOLDFAST_HTTP_SERVER_PORT=x",
                   ARGS("environment: HOLDFAST_HTTP_SERVER_PORT: \"x\" is not valid"));
    expect_refused("CENTRIFUGO_HTTP_SERVER_PORT=x", ARGS("CENTRIFUGO_HTTP_SERVER_PORT: \"x\""));
    expect_refused("CENTRIFUGO_ENGINE=redis",
                   ARGS("CENTRIFUGO_ENGINE: unknown", "is HOLDFAST_ENGINE_TYPE"));
    expect_refused("HOLDFAST_ADMIN_ENABLED=true",
                   ARGS("HOLDFAST_ADMIN_ENABLED: known, but not offered"));
    expect_refused("HOLDFAST_CHANNEL_NAMESPACES=[{",
                   ARGS("HOLDFAST_CHANNEL_NAMESPACES: is not valid JSON"));
    expect_refused("HOLDFAST_CHANNEL_NAMESPACES=x", ARGS("channel.namespaces[0].name", "\"x\""));
    expect_refused("HOLDFAST_CHANNEL_NAMESPACES_CHAT_HISTORY_SIZE=9",
                   ARGS("HOLDFAST_CHANNEL_NAMESPACES_CHAT_HISTORY_SIZE: unknown variable"));
    expect_refused("HOLDFAST_PORT=8000", ARGS("HOLDFAST_PORT", "is HOLDFAST_HTTP_SERVER_PORT"));
}

static void namespace_option_that_is_not_offered_is_refused(void **state)
{
    (void)state;
    struct loaded loaded;
    load_all(&loaded, NULL,
             ARGS("HOLDFAST_CHANNEL_NAMESPACES=chat",
                  "HOLDFAST_CHANNEL_NAMESPACES_CHAT_PUBLISH_PROXY_ENABLED=true"),
             NULL);
    expect_message(
        &loaded.result.errors,
        ARGS("HOLDFAST_CHANNEL_NAMESPACES_CHAT_PUBLISH_PROXY_ENABLED: known, but not offered"));
    unload(&loaded);
}

static void variables_of_kubernetes_and_empty_ones_are_left_alone(void **state)
{
    (void)state;
    struct loaded loaded;
    load_good(&loaded, NULL,
              ARGS("HOLDFAST_PORT=tcp://10.0.0.1:8000", "HOLDFAST_SERVICE_HOST=10.0.0.1",
                   "HOLDFAST_SERVICE_PORT=8000", "HOLDFAST_SERVICE_PORT_HTTP=8000",
                   "HOLDFAST_PORT_8000_TCP=tcp://10.0.0.1:8000", "HOLDFAST_PORT_8000_TCP_PROTO=tcp",
                   "HOLDFAST_PORT_8000_TCP_PORT=8000", "HOLDFAST_PORT_8000_TCP_ADDR=10.0.0.1",
                   "HOLDFAST_MAIN_SERVICE_HOST=10.0.0.1", "CENTRIFUGO_SERVICE_HOST=10.0.0.1",
                   "CENTRIFUGO_VAR_NAME=x", "HOLDFAST_NONSENSE=", "HOLDFASTLY=1", "HOLDFAST"),
              NULL);
    unload(&loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_source_wins),
        cmocka_unit_test(each_type_is_read),
        cmocka_unit_test(namespaces_as_json),
        cmocka_unit_test(namespaces_by_name_with_a_variable_per_option),
        cmocka_unit_test(variable_changes_a_namespace_of_the_file),
        cmocka_unit_test(wrong_variable_is_refused_with_its_name),
        cmocka_unit_test(namespace_option_that_is_not_offered_is_refused),
        cmocka_unit_test(variables_of_kubernetes_and_empty_ones_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
