/* Keys that are known to the peer and not offered (server/config/peer_options.c), and the tables
 * themselves. */
#include "config_fixture.h"

#include "config/loader.h"
#include "config/value.h"

static void key_that_asks_for_what_is_not_offered_is_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"admin\":{\"enabled\":true}}", "admin.enabled"},
        {"{\"prometheus\":{\"native_histograms\":true}}", "prometheus.native_histograms"},
        {"{\"http_server\":{\"tls_autocert\":{\"enabled\":true}}}",
         "http_server.tls_autocert.enabled"},
        {"{\"http_server\":{\"internal_tls\":{\"enabled\":true}}}",
         "http_server.internal_tls.enabled"},
        {"{\"http_server\":{\"http3\":{\"enabled\":true}}}", "http_server.http3.enabled"},
        {"{\"client\":{\"user_id_http_header\":\"X-User\"}}", "client.user_id_http_header"},
        {"{\"client\":{\"proxy\":{\"connect\":{\"enabled\":true}}}}",
         "client.proxy.connect.enabled"},
        {"{\"websocket\":{\"decompressed_message_size_limit\":9}}",
         "websocket.decompressed_message_size_limit"},
        {"{\"uni_websocket\":{\"join_push_messages\":true}}", "uni_websocket.join_push_messages"},
        {"{\"uni_sse\":{\"connect_code_to_http_response\":{\"enabled\":true}}}",
         "uni_sse.connect_code_to_http_response.enabled"},
        {"{\"grpc_api\":{\"enabled\":true}}", "grpc_api.enabled"},
        {"{\"engine\":{\"redis\":{\"cluster_address\":[\"a:1\"]}}}",
         "engine.redis.cluster_address"},
        {"{\"engine\":{\"redis\":{\"sentinel_address\":\"a:1\"}}}",
         "engine.redis.sentinel_address"},
        {"{\"engine\":{\"redis\":{\"tls\":{\"enabled\":true}}}}", "engine.redis.tls.enabled"},
        {"{\"engine\":{\"redis\":{\"history_use_lists\":true}}}", "history_use_lists"},
        {"{\"broker\":{\"enabled\":true}}", "broker.enabled"},
        {"{\"presence_manager\":{\"enabled\":true}}", "presence_manager.enabled"},
        {"{\"proxies\":[{\"name\":\"x\"}]}", "proxies"},
        {"{\"consumers\":[{}]}", "consumers"},
        {"{\"rpc\":{\"ping\":{\"enabled\":true}}}", "rpc.ping.enabled"},
        {"{\"channel\":{\"without_namespace\":{\"publish_proxy_enabled\":true}}}",
         "without_namespace.publish_proxy_enabled"},
        {"{\"channel\":{\"namespaces\":[{\"name\":\"ab\",\"subscribe_proxy_enabled\":true}]}}",
         "channel.namespaces[0].subscribe_proxy_enabled"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_error(cases[i][0], ARGS("test.json: ", cases[i][1],
                                       "known, but not offered in this version of Holdfast"));
    }
}

static void key_that_asks_for_nothing_is_fine(void **state)
{
    (void)state;
    expect_good(
        "{\"admin\":{\"enabled\":false,\"password\":\"x\",\"secret\":\"y\",\"insecure\":false},"
        "\"prometheus\":{\"enabled\":false,\"handler_prefix\":\"/m\"},"
        "\"http_server\":{\"internal_port\":\"\",\"internal_address\":\"\",\"tls\":{\"enabled\":"
        "false,\"cert_pem\":\"x\"},\"tls_autocert\":{}},"
        "\"client\":{\"token\":{\"hmac_secret_key\":\"\",\"user_id_claim\":\"sub\"},"
        "\"presence_update_interval\":\"27000ms\",\"expired_close_delay\":\"25s\","
        "\"user_connection_limit\":0,\"proxy\":{\"connect\":{\"enabled\":false,\"timeout\":\"1s\"}}"
        "},"
        "\"websocket\":{\"compression\":false,\"compression_level\":1,\"read_buffer_size\":0},"
        "\"engine\":{\"redis\":{\"cluster_address\":[],\"force_resp2\":true,"
        "\"presence_ttl\":\"60s\"}},"
        "\"broker\":{\"enabled\":false,\"type\":\"nats\"},\"proxies\":[],\"consumers\":null,"
        "\"usage_stats\":{\"disabled\":true},\"rpc\":{\"namespace_boundary\":\":\"},"
        "\"channel\":{\"without_namespace\":{\"presence\":false,\"subscribe_proxy_name\":"
        "\"default\",\"allowed_delta_types\":[],\"map\":{}}}}");
}

static void secret_of_what_is_not_offered_is_not_printed(void **state)
{
    (void)state;
    struct loaded loaded;
    load_all(&loaded,
             "{\"client\":{\"user_id_http_header\":\"hunter2\"},"
             "\"redis_sentinel_password\":\"hunter2\"}",
             ARGS("HOLDFAST_CLIENT_USER_ID_HTTP_HEADER=hunter2",
                  "HOLDFAST_ENGINE_REDIS_PASSWROD=hunter2", "CENTRIFUGO_API_KEY=hunter2"),
             ARGS("--engine.redis.passwrd=hunter2", "hunter2"));
    assert_int_equal(loaded.status, HF_CONFIG_BAD_USAGE);
    assert_true(loaded.result.errors.count >= 6);
    assert_null(find_message(&loaded.result.errors, ARGS("hunter2")));
    assert_null(find_message(&loaded.result.warnings, ARGS("hunter2")));
    unload(&loaded);
}

static void paths_and_variables_of_all_keys_are_unique(void **state)
{
    (void)state;
    struct hf_config_result result = {0};
    struct hf_loader loader;
    assert_true(hf__loader_init(&loader, &result));
    assert_true(loader.entry_count > 300);
    for (size_t i = 0; i < loader.entry_count; i++) {
        const char *path = loader.entries[i].path;
        char name[HF_CONFIG_PATH_MAX];
        assert_true(strlen(path) < HF_CONFIG_PATH_MAX - 1);
        hf__catalogue_environment_name(path, name);
        if (hf__catalogue_find(&loader, path) != &loader.entries[i] ||
            hf__catalogue_find_environment(&loader, name) != &loader.entries[i]) {
            fail_msg("%s is there twice", path);
        }
        if (hf__catalogue_is_section(&loader, path)) {
            fail_msg("%s is a key and a section", path);
        }
    }
    hf__loader_fini(&loader);
}

static void each_flat_key_leads_to_a_key(void **state)
{
    (void)state;
    struct hf_config_result result = {0};
    struct hf_loader loader;
    assert_true(hf__loader_init(&loader, &result));
    for (const struct hf_flat_key *flat = hf__flat_keys; flat->key != NULL; flat++) {
        if (strcmp(flat->path, "channel.namespaces") != 0 &&
            hf__catalogue_find(&loader, flat->path) == NULL) {
            fail_msg("%s leads to %s, which is nothing", flat->key, flat->path);
        }
    }
    for (const struct hf_flat_key *family = hf__flat_families; family->key != NULL; family++) {
        char section[HF_CONFIG_PATH_MAX];
        snprintf(section, sizeof(section), "%.*s", (int)strlen(family->path) - 1, family->path);
        if (!hf__catalogue_is_section(&loader, section)) {
            fail_msg("%s leads to %s, which is nothing", family->key, family->path);
        }
    }
    for (const struct hf_old_channel_key *old = hf__old_channel_keys; old->key != NULL; old++) {
        assert_true((old->path == NULL) != (old->advice == NULL));
        assert_true(old->path == NULL || hf__channel_option_find(old->path) != NULL ||
                    hf__peer_channel_key_find(old->path) != NULL);
    }
    hf__loader_fini(&loader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_that_asks_for_what_is_not_offered_is_refused),
        cmocka_unit_test(key_that_asks_for_nothing_is_fine),
        cmocka_unit_test(secret_of_what_is_not_offered_is_not_printed),
        cmocka_unit_test(paths_and_variables_of_all_keys_are_unique),
        cmocka_unit_test(each_flat_key_leads_to_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
