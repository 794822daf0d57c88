/* The flat layout of Centrifugo 3 to 5 (server/config/flat.c). */
#include "config_fixture.h"

static void messenger_tutorial_is_loaded(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config =
        load_good(&loaded,
                  "{\n"
                  "  \"api_key\": \"f2b0e3a1\",\n"
                  "  \"allowed_origins\": [\"http://localhost:9000\"],\n"
                  "  \"log_level\": \"debug\",\n"
                  "  \"namespaces\": [\n"
                  "    {\"name\": \"personal\", \"history_size\": 300, \"history_ttl\": \"600s\",\n"
                  "     \"force_recovery\": true}\n"
                  "  ]\n"
                  "}",
                  NULL, NULL);
    assert_string_equal(config->http_api.key, "f2b0e3a1");
    assert_int_equal(config->client.allowed_origins.count, 1);
    assert_string_equal(config->client.allowed_origins.items[0], "http://localhost:9000");
    assert_int_equal(config->log.level, HF_LOG_DEBUG);
    const struct hf_channel_options *personal = hf_config_find_namespace(config, "personal", 8);
    assert_non_null(personal);
    assert_int_equal(personal->history_size, 300);
    assert_int_equal(personal->history_ttl_ms, 600000);
    assert_true(personal->force_recovery);
    expect_message(&loaded.result.warnings,
                   ARGS("test.json: api_key: ", "older, flat layout", "http_api.key"));
    expect_message(&loaded.result.warnings, ARGS("allowed_origins", "client.allowed_origins"));
    expect_message(&loaded.result.warnings, ARGS("log_level", "log.level"));
    expect_message(&loaded.result.warnings, ARGS("namespaces", "channel.namespaces"));
    unload(&loaded);
}

static void token_keys_of_older_versions_are_taken(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config =
        load_good(&loaded,
                  "{\"token_hmac_secret_key\":\"hunter2\",\"token_audience\":\"us\","
                  "\"token_issuer\":\"them\",\"token_user_id_claim\":\"uid\","
                  "\"separate_subscription_token_config\":true,"
                  "\"subscription_token_hmac_secret_key\":\"hunter3\","
                  "\"user_subscribe_to_personal\":true,"
                  "\"user_personal_channel_namespace\":\"personal\","
                  "\"namespaces\":[{\"name\":\"personal\"}],"
                  "\"client_user_connection_limit\":3,"
                  "\"disallow_anonymous_connection_tokens\":true}",
                  NULL, NULL);
    assert_string_equal(config->client.token.hmac_secret_key, "hunter2");
    assert_string_equal(config->client.token.audience, "us");
    assert_string_equal(config->client.token.issuer, "them");
    assert_string_equal(config->client.token.user_id_claim, "uid");
    assert_true(config->client.subscription_token.enabled);
    assert_string_equal(config->client.subscription_token.hmac_secret_key, "hunter3");
    assert_true(config->client.subscribe_to_user_personal_channel.enabled);
    assert_string_equal(
        config->client.subscribe_to_user_personal_channel.personal_channel_namespace, "personal");
    assert_int_equal(config->client.user_connection_limit, 3);
    assert_true(config->client.disallow_anonymous_connection_tokens);
    assert_null(find_message(&loaded.result.warnings, ARGS("hunter")));
    unload(&loaded);
}

static void flat_channel_options_go_to_channels_without_namespace(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config =
        load_good(&loaded,
                  "{\"history_size\":5,\"history_ttl\":\"600s\",\"force_recovery\":true,"
                  "\"allow_subscribe_for_client\":true,\"history_meta_ttl\":\"1h\","
                  "\"global_history_meta_ttl\":\"2h\"}",
                  NULL, NULL);
    const struct hf_channel_options *options = &config->channel.without_namespace;
    assert_int_equal(options->history_size, 5);
    assert_int_equal(options->history_ttl_ms, 600000);
    assert_true(options->force_recovery);
    assert_true(options->allow_subscribe_for_client);
    assert_int_equal(options->history_meta_ttl_ms, 3600000);
    assert_int_equal(config->channel.history_meta_ttl_ms, 7200000);
    size_t flat_count = 0;
    for (size_t i = 0; i < loaded.result.warnings.count; i++) {
        flat_count += strstr(loaded.result.warnings.items[i], "flat layout") != NULL ? 1 : 0;
    }
    assert_int_equal(flat_count, 6); /* one per key */
    unload(&loaded);
}

static void each_flat_key_is_mapped_to_its_option(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config = load_good(
        &loaded,
        "{\"address\":\"127.0.0.1\",\"port\":\"9001\",\"name\":\"n1\",\"engine\":\"redis\","
        "\"redis_address\":\"127.0.0.1:6380\",\"redis_prefix\":\"p\",\"redis_db\":3,"
        "\"redis_user\":\"u\",\"redis_password\":\"pw\",\"redis_connect_timeout\":\"2s\","
        "\"redis_io_timeout\":\"3s\",\"redis_force_resp2\":true,\"log_file\":\"/tmp/l\","
        "\"client_insecure\":true,\"client_channel_limit\":7,\"client_queue_max_size\":1000000,"
        "\"ping_interval\":\"20s\",\"pong_timeout\":\"5s\","
        "\"allow_anonymous_connect_without_token\":true,\"channel_max_length\":100,"
        "\"channel_private_prefix\":\"!\",\"channel_namespace_boundary\":\"/\","
        "\"channel_user_boundary\":\"@\",\"channel_user_separator\":\";\","
        "\"websocket_handler_prefix\":\"/ws\",\"websocket_message_size_limit\":1000,"
        "\"shutdown_timeout\":\"3s\",\"health\":false,\"health_handler_prefix\":\"/h\","
        "\"api_insecure\":true,\"api_handler_prefix\":\"/a\",\"api_error_mode\":\"transport\","
        "\"pid_file\":\"/tmp/pid\",\"admin\":false,\"admin_password\":\"x\","
        "\"client_history_max_publication_limit\":0}",
        NULL, NULL);
    assert_string_equal(config->http_server.address, "127.0.0.1");
    assert_int_equal(config->http_server.port, 9001);
    assert_string_equal(config->node_name, "n1");
    assert_int_equal(config->engine.type, HF_ENGINE_TYPE_REDIS);
    assert_string_equal(config->engine.redis.address, "127.0.0.1:6380");
    assert_string_equal(config->engine.redis.prefix, "p");
    assert_int_equal(config->engine.redis.db, 3);
    assert_string_equal(config->engine.redis.user, "u");
    assert_string_equal(config->engine.redis.password, "pw");
    assert_int_equal(config->engine.redis.connect_timeout_ms, 2000);
    assert_int_equal(config->engine.redis.io_timeout_ms, 3000);
    assert_string_equal(config->log.file, "/tmp/l");
    assert_true(config->client.insecure);
    assert_int_equal(config->client.channel_limit, 7);
    assert_int_equal(config->client.queue_max_size_bytes, 1000000);
    assert_int_equal(config->client.ping_interval_ms, 20000);
    assert_int_equal(config->client.pong_timeout_ms, 5000);
    assert_true(config->client.allow_anonymous_connect_without_token);
    assert_int_equal(config->client.history_max_publication_limit, 0);
    assert_int_equal(config->channel.max_length_bytes, 100);
    assert_string_equal(config->channel.private_prefix, "!");
    assert_string_equal(config->channel.namespace_boundary, "/");
    assert_string_equal(config->channel.user_boundary, "@");
    assert_string_equal(config->channel.user_separator, ";");
    assert_string_equal(config->websocket.handler_prefix, "/ws");
    assert_int_equal(config->websocket.message_size_limit_bytes, 1000);
    assert_int_equal(config->shutdown_timeout_ms, 3000);
    assert_false(config->health.enabled);
    assert_string_equal(config->health.handler_prefix, "/h");
    assert_true(config->http_api.insecure);
    assert_string_equal(config->http_api.handler_prefix, "/a");
    assert_int_equal(config->http_api.error_mode, HF_API_ERROR_MODE_TRANSPORT);
    assert_string_equal(config->pid_file, "/tmp/pid");
    assert_null(find_message(&loaded.result.warnings, ARGS("pid_file")));
    unload(&loaded);
}

static void flat_and_nested_that_differ_contradict_each_other(void **state)
{
    (void)state;
    expect_error("{\"port\":9000,\"http_server\":{\"port\":9001}}",
                 ARGS("test.json: port: contradicts http_server.port"));
    expect_error("{\"engine\":\"redis\",\"namespaces\":[],\"channel\":{\"namespaces\":[{\"name\":"
                 "\"ab\"}]}}",
                 ARGS("namespaces: contradicts channel.namespaces"));
    expect_error("{\"presence_ttl\":\"60s\",\"global_presence_ttl\":\"61s\"}",
                 ARGS("contradicts ", "engine.redis.presence_ttl"));
}

static void flat_and_nested_that_agree_are_fine(void **state)
{
    (void)state;
    expect_warning("{\"port\":9000,\"http_server\":{\"port\":9000}}",
                   ARGS("port: key of an older"));
}

static void switch_of_an_older_version_for_what_is_not_offered_is_refused(void **state)
{
    (void)state;
    expect_error("{\"swagger\":true}", ARGS("swagger.enabled", "given as swagger", "not offered"));
    expect_error("{\"admin\":true}", ARGS("admin.enabled", "not offered"));
    expect_error("{\"tls_autocert\":true}",
                 ARGS("http_server.tls_autocert.enabled", "given as tls_autocert"));
    expect_error("{\"uni_grpc\":true}", ARGS("uni_grpc.enabled"));
    expect_good("{\"sse\":true,\"http_stream\":true,\"uni_sse\":true}");
    expect_error("{\"redis_cluster_address\":[\"a:1\"]}", ARGS("engine.redis.cluster_address"));
    expect_error("{\"publish_proxy_enabled\":true}",
                 ARGS("channel.without_namespace.publish_proxy_enabled", "not offered"));
    expect_error("{\"proxy_connect_endpoint\":\"http://x\"}",
                 ARGS("client.proxy.connect.endpoint", "not offered"));
    expect_good("{\"prometheus\":false,\"admin\":false,\"sse\":false,\"debug\":false,"
                "\"tls\":false,\"presence\":false,\"redis_tls\":false,\"swagger\":false}");
}

static void error_in_a_flat_key_names_it(void **state)
{
    (void)state;
    expect_error("{\"port\":70000}", ARGS("http_server.port (given as port): ", "0 to 65535"));
    expect_error("{\"shutdown_timeout\":30}", ARGS("given as shutdown_timeout", "has no unit"));
}

static void version_3_names_of_channel_options(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config =
        load_good(&loaded,
                  "{\"namespaces\":[{\"name\":\"ab\",\"history_size\":1,\"history_ttl\":\"1s\","
                  "\"recover\":true,\"position\":true}],\"recover\":false}",
                  NULL, NULL);
    assert_true(config->channel.namespaces[0].force_recovery);
    assert_true(config->channel.namespaces[0].force_positioning);
    expect_message(&loaded.result.warnings,
                   ARGS("channel.namespaces[0].recover", "write force_recovery"));
    unload(&loaded);
    expect_error("{\"namespaces\":[{\"name\":\"ab\",\"publish\":true}]}",
                 ARGS("channel.namespaces[0].publish", "allow_publish_for_client"));
    expect_error("{\"namespaces\":[{\"name\":\"ab\",\"proxy_publish\":true}]}",
                 ARGS("channel.namespaces[0].proxy_publish", "not offered"));
    expect_error("{\"protected\":true}", ARGS("channel.without_namespace.protected", "instead"));
    expect_error("{\"namespaces\":[{\"name\":\"ab\",\"recover\":true,\"force_recovery\":false}]}",
                 ARGS("contradicts force_recovery"));
}

static void object_in_the_way_of_a_flat_key_is_reported_once(void **state)
{
    (void)state;
    expect_error("{\"http_server\":5,\"port\":9000}", ARGS("http_server: must be an object"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messenger_tutorial_is_loaded),
        cmocka_unit_test(token_keys_of_older_versions_are_taken),
        cmocka_unit_test(flat_channel_options_go_to_channels_without_namespace),
        cmocka_unit_test(each_flat_key_is_mapped_to_its_option),
        cmocka_unit_test(flat_and_nested_that_differ_contradict_each_other),
        cmocka_unit_test(flat_and_nested_that_agree_are_fine),
        cmocka_unit_test(switch_of_an_older_version_for_what_is_not_offered_is_refused),
        cmocka_unit_test(error_in_a_flat_key_names_it),
        cmocka_unit_test(version_3_names_of_channel_options),
        cmocka_unit_test(object_in_the_way_of_a_flat_key_is_reported_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
