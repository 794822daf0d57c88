/* Combinations of options, and what is filled in (server/config/validate.c), and the printed
 * configuration (describe.c). */
#include "config_fixture.h"

#include <jansson.h>

#define NAMESPACE(options) "{\"channel\":{\"namespaces\":[{\"name\":\"chat\"" options "}]}}"
#define REDIS(address)     "{\"engine\":{\"type\":\"redis\",\"redis\":{\"address\":\"" address "\"}}}"

static void ping_not_longer_than_pong_is_refused(void **state)
{
    (void)state;
    expect_error("{\"client\":{\"ping_interval\":\"8s\"}}",
                 ARGS("configuration: client.pong_timeout: 8s", "client.ping_interval (8s)"));
    expect_error("{\"client\":{\"pong_timeout\":\"26s\"}}", ARGS("client.pong_timeout: 26s"));
    expect_good("{\"client\":{\"ping_interval\":\"9s\"}}");
}

static void zero_or_minus_one_switches_pings_and_pongs_off(void **state)
{
    (void)state;
    static const char *const offs[] = {"0", "\"0s\"", "-1", "\"-1\""};
    for (size_t i = 0; i < sizeof(offs) / sizeof(offs[0]); i++) {
        struct loaded loaded;
        char json[128];
        snprintf(json, sizeof(json), "{\"client\":{\"ping_interval\":%s}}", offs[i]);
        const struct hf_config *config = load_good(&loaded, json, NULL, NULL);
        assert_int_equal(config->client.ping_interval_ms, 0);
        assert_int_equal(config->client.pong_timeout_ms, 0);
        unload(&loaded);
        snprintf(json, sizeof(json), "{\"client\":{\"pong_timeout\":%s}}", offs[i]);
        config = load_good(&loaded, json, NULL, NULL);
        assert_int_equal(config->client.ping_interval_ms, 25000);
        assert_int_equal(config->client.pong_timeout_ms, 0);
        unload(&loaded);
    }
    expect_error("{\"client\":{\"ping_interval\":\"-2s\"}}", ARGS("client.ping_interval"));
    expect_error("{\"client\":{\"stale_close_delay\":\"-1s\"}}", ARGS("stale_close_delay"));
}

static void explicit_zero_and_empty_are_honoured(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config = load_good(
        &loaded,
        "{\"client\":{\"recovery_max_publication_limit\":0,\"history_max_publication_limit\":0},"
        "\"channel\":{\"private_prefix\":\"\",\"user_boundary\":\"\",\"namespace_boundary\":\"\"},"
        "\"holdfast\":{\"linger\":0},\"http_server\":{\"port\":0}}",
        NULL, NULL);
    assert_int_equal(config->client.recovery_max_publication_limit, 0);
    assert_int_equal(config->client.history_max_publication_limit, 0);
    assert_string_equal(config->channel.private_prefix, "");
    assert_string_equal(config->channel.namespace_boundary, "");
    assert_int_equal(config->holdfast.linger_ms, 0);
    assert_int_equal(config->http_server.port, 0);
    unload(&loaded);
}

static void history_size_without_ttl_is_refused(void **state)
{
    (void)state;
    expect_error(NAMESPACE(",\"history_size\":1"),
                 ARGS("channel.namespaces[0] (chat): history_size and history_ttl go together"));
    expect_error(NAMESPACE(",\"history_ttl\":\"1s\""), ARGS("go together"));
    expect_error("{\"channel\":{\"without_namespace\":{\"history_size\":1}}}",
                 ARGS("channel.without_namespace: history_size and"));
}

static void history_ttl_above_meta_ttl_is_refused(void **state)
{
    (void)state;
    expect_error(NAMESPACE(",\"history_size\":1,\"history_ttl\":\"721h\""),
                 ARGS("history_ttl (721h)", "history_meta_ttl (720h)"));
    expect_error(
        NAMESPACE(",\"history_size\":1,\"history_ttl\":\"2s\",\"history_meta_ttl\":\"1s\""),
        ARGS("history_ttl (2s)", "history_meta_ttl (1s)"));
    expect_good(
        NAMESPACE(",\"history_size\":1,\"history_ttl\":\"2s\",\"history_meta_ttl\":\"2s\""));
    expect_error("{\"channel\":{\"history_meta_ttl\":\"0s\"}}", ARGS("channel.history_meta_ttl"));
}

static void recovery_without_history_is_refused(void **state)
{
    (void)state;
    expect_error(NAMESPACE(",\"force_recovery\":true"),
                 ARGS("(chat): force_recovery needs history"));
    expect_warning(NAMESPACE(",\"allow_recovery\":true"), ARGS("(chat)", "no effect"));
    expect_error(NAMESPACE(",\"history_size\":1,\"history_ttl\":\"1s\","
                           "\"force_recovery\":true,\"auto_cache_recover\":true"),
                 ARGS("auto_cache_recover needs", "force_recovery_mode cache"));
    expect_warning(NAMESPACE(",\"force_positioning\":true"), ARGS("(chat)", "no effect"));
}

static void presence_that_expires_between_refreshes_is_refused(void **state)
{
    (void)state;
    expect_error("{\"engine\":{\"redis\":{\"presence_ttl\":\"27s\"}},"
                 "\"channel\":{\"without_namespace\":{\"presence\":true}}}",
                 ARGS("channel.without_namespace: ", "client.presence_update_interval",
                      "engine.redis.presence_ttl"));
    expect_error("{\"client\":{\"presence_update_interval\":\"500ms\"}}",
                 ARGS("client.presence_update_interval"));
    expect_warning(NAMESPACE(",\"force_push_join_leave\":true"),
                   ARGS("channel.namespaces[0]", "join_leave"));
    expect_good("{\"engine\":{\"redis\":{\"presence_ttl\":\"5s\"}},"
                "\"client\":{\"presence_update_interval\":\"2s\"},"
                "\"holdfast\":{\"presence_leave_delay\":\"15s\"},"
                "\"channel\":{\"without_namespace\":{\"presence\":true,\"join_leave\":true}}}");
}

static void namespace_names_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "a", "a b", "a:b", "\\u00e4\\u00e4", "$ab"};
    char json[256];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(json, sizeof(json), "{\"channel\":{\"namespaces\":[{\"name\":\"%s\"}]}}", bad[i]);
        expect_error(json, ARGS("channel.namespaces[0].name: ", "is not valid"));
    }
    expect_error("{\"channel\":{\"namespaces\":[{}]}}", ARGS("channel.namespaces[0].name"));
    expect_error("{\"channel\":{\"namespaces\":[{\"name\":\"ab\"},{\"name\":\"cd\"},"
                 "{\"name\":\"ab\"}]}}",
                 ARGS("channel.namespaces[2].name: \"ab\" is given twice"));
    expect_good("{\"channel\":{\"namespaces\":[{\"name\":\"a-B_9.\"},{\"name\":\"--\"}]}}");
}

static void many_namespaces_are_all_found(void **state)
{
    (void)state;
    struct loaded loaded;
    char *json = NULL;
    size_t len;
    FILE *out = open_memstream(&json, &len);
    assert_non_null(out);
    fputs("{\"channel\":{\"namespaces\":[", out);
    for (unsigned i = 0; i < 1000; i++) {
        fprintf(out, "%s{\"name\":\"ns%u\",\"history_size\":%u,\"history_ttl\":\"1s\"}",
                i == 0 ? "" : ",", i, i + 1);
    }
    fputs("]}}", out);
    fclose(out);
    const struct hf_config *config = load_good(&loaded, json, NULL, NULL);
    free(json);
    for (unsigned i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof(name), "ns%u", i);
        const struct hf_channel_options *options =
            hf_config_find_namespace(config, name, strlen(name));
        assert_non_null(options);
        assert_int_equal(options->history_size, i + 1);
    }
    assert_null(hf_config_find_namespace(config, "ns1000", 6));
    assert_null(hf_config_find_namespace(config, "", 0));
    unload(&loaded);
}

static void options_that_need_a_boundary_are_refused_without(void **state)
{
    (void)state;
    expect_error("{\"channel\":{\"namespace_boundary\":\"\",\"namespaces\":[{\"name\":\"ab\"}]}}",
                 ARGS("channel.namespace_boundary: must not be empty"));
    expect_error("{\"channel\":{\"user_boundary\":\"\",\"without_namespace\":"
                 "{\"allow_user_limited_channels\":true}}}",
                 ARGS("channel.without_namespace", "needs channel.user_boundary"));
}

static void permissions_without_effect_are_warned_about(void **state)
{
    (void)state;
    expect_warning(NAMESPACE(",\"allow_subscribe_for_anonymous\":true"),
                   ARGS("(chat)", "allow_subscribe_for_anonymous has no effect"));
    expect_warning(NAMESPACE(",\"allow_publish_for_anonymous\":true"),
                   ARGS("allow_publish_for_anonymous has no effect"));
    expect_warning(NAMESPACE(",\"allow_history_for_anonymous\":true"),
                   ARGS("allow_history_for_anonymous has no effect"));
}

static void paths_in_each_others_way_are_refused(void **state)
{
    (void)state;
    expect_error("{\"health\":{\"handler_prefix\":\"/api\"}}",
                 ARGS("http_api.handler_prefix", "health.handler_prefix", "each other's way"));
    expect_error("{\"health\":{\"handler_prefix\":\"/api/publish\"}}", ARGS("each other's way"));
    expect_error("{\"websocket\":{\"handler_prefix\":\"/api/ws\"}}",
                 ARGS("websocket.handler_prefix", "http_api.handler_prefix"));
    expect_error("{\"websocket\":{\"handler_prefix\":\"/health\"}}",
                 ARGS("websocket.handler_prefix", "health.handler_prefix"));
    expect_good("{\"health\":{\"handler_prefix\":\"/apiary\"}}");
    expect_good("{\"health\":{\"handler_prefix\":\"/api\"},\"http_api\":{\"disabled\":true}}");
}

static void redis_address_with_a_wrong_scheme_is_refused_without_quoting_it(void **state)
{
    (void)state;
    expect_error(REDIS("rediss://x"), ARGS("engine.redis.address: rediss:// is known but not"));
    expect_error(REDIS("redis+sentinel://x"), ARGS("redis+sentinel:// is known but not offered"));
    expect_error(REDIS("redis+cluster://x"), ARGS("redis+cluster:// is known but not offered"));
    expect_error(REDIS("http://x"), ARGS("unknown scheme; valid are redis://"));
    expect_error(REDIS("unix:/tmp/x"), ARGS("a unix socket is given as unix:///path"));
    expect_error(REDIS("/tmp/x"), ARGS("a unix socket is given as unix:///path"));
    expect_error(REDIS("unix://"), ARGS("a unix socket is given as"));
    expect_error(REDIS("unix:///"), ARGS("a unix socket is given as"));
    expect_error(REDIS("unix://u:p@x"), ARGS("a unix socket is given as"));
    expect_good(REDIS("unix:///run/redis.sock"));
    expect_good(REDIS("unix://u:p@/run/redis.sock?io_timeout=1s"));
    expect_good(REDIS("redis://:pw@127.0.0.1:6379/1"));
    expect_good(REDIS("tcp://127.0.0.1:6379"));
    expect_good(REDIS("127.0.0.1:6379"));
    char json[512];
    char path[200];
    memset(path, 'p', sizeof(path));
    snprintf(json, sizeof(json), REDIS("unix:///%.150s"), path);
    expect_error(json, ARGS("must be shorter than 108 bytes"));
    struct loaded loaded;
    load_all(&loaded, REDIS("nope://u:hunter2@x"), NULL, NULL);
    assert_int_equal(loaded.status, HF_CONFIG_BAD_CONTENT);
    assert_null(find_message(&loaded.result.errors, ARGS("hunter2")));
    unload(&loaded);
    expect_error("{\"engine\":{\"type\":\"redis\",\"redis\":{\"prefix\":\"a b\"}}}",
                 ARGS("engine.redis.prefix"));
}

static void limits_that_contradict_are_refused(void **state)
{
    (void)state;
    expect_error("{\"holdfast\":{\"tail_max_bytes\":\"2MiB\",\"tails_max_bytes\":\"1MiB\"}}",
                 ARGS("holdfast.tail_max_bytes", "holdfast.tails_max_bytes (1048576)"));
    expect_error("{\"holdfast\":{\"page_max_bytes\":\"2KiB\",\"mailbox_max_bytes\":\"1KiB\"}}",
                 ARGS("holdfast.page_max_bytes", "holdfast.mailbox_max_bytes"));
    expect_error("{\"holdfast\":{\"registry_interval\":\"10s\"}}",
                 ARGS("holdfast.registry_timeout", "longer than holdfast.registry_interval"));
    expect_error("{\"engine\":{\"redis\":{\"db\":65536}}}", ARGS("engine.redis.db", "65535"));
    expect_warning("{\"client\":{\"queue_max_size\":1000}}",
                   ARGS("holdfast.page_max_bytes", "client.queue_max_size (1000)"));
}

static void origins_are_checked_and_lower_cased(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config = load_good(
        &loaded, "{\"client\":{\"allowed_origins\":[\"HTTPS://*.Example.com\"]}}", NULL, NULL);
    assert_string_equal(config->client.allowed_origins.items[0], "https://*.example.com");
    unload(&loaded);
    expect_error("{\"client\":{\"allowed_origins\":[\"https://[a\"]}}",
                 ARGS("client.allowed_origins: \"https://[a\" is not a valid glob", "not closed"));
}

static void token_options_are_checked_without_being_quoted(void **state)
{
    (void)state;
    expect_error("{\"client\":{\"token\":{\"rsa_public_key\":\"hunter2\"}}}",
                 ARGS("client.token.rsa_public_key: is no public key in PEM"));
    expect_error("{\"client\":{\"subscription_token\":{\"enabled\":true,"
                 "\"ecdsa_public_key\":\"hunter2\"}}}",
                 ARGS("client.subscription_token.ecdsa_public_key: is no public key in PEM"));
    expect_good("{\"client\":{\"subscription_token\":{\"ecdsa_public_key\":\"hunter2\"}}}");
    expect_error("{\"client\":{\"token\":{\"hmac_previous_secret_key\":\"hunter2\"}}}",
                 ARGS("client.token.hmac_previous_secret_key: needs the present one"));
    expect_error("{\"client\":{\"token\":{\"user_id_claim\":\"user-id\"}}}",
                 ARGS("client.token.user_id_claim: must consist of"));
    expect_warning("{\"client\":{\"insecure_skip_token_signature_verify\":true}}",
                   ARGS("client.insecure_skip_token_signature_verify", "development"));
    expect_warning("{\"client\":{\"subscription_token\":{\"enabled\":true}}}",
                   ARGS("every subscription token is invalid"));
    expect_error("{\"client\":{\"subscribe_to_user_personal_channel\":{\"enabled\":true,"
                 "\"personal_channel_namespace\":\"none\"}}}",
                 ARGS("personal_channel_namespace: there is no namespace \"none\""));
    expect_error("{\"client\":{\"subscribe_to_user_personal_channel\":{\"enabled\":true}},"
                 "\"channel\":{\"user_boundary\":\"\"}}",
                 ARGS("needs channel.user_boundary"));
}

static void open_doors_are_warned_about(void **state)
{
    (void)state;
    expect_warning("{\"client\":{\"insecure\":true}}", ARGS("client.insecure", "development"));
    expect_warning("{\"http_api\":{\"insecure\":true}}", ARGS("http_api.insecure", "development"));
    expect_warning("{}", ARGS("http_api.key: is not set"));
    expect_warning("{}", ARGS("no client can connect"));
    struct loaded loaded;
    load_good(&loaded,
              "{\"http_api\":{\"key\":\"k\"},\"client\":"
              "{\"allow_anonymous_connect_without_token\":true}}",
              NULL, NULL);
    assert_int_equal(loaded.result.warnings.count, 0);
    unload(&loaded);
}

static void values_of_the_whole_channel_section_are_filled_in(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config =
        load_good(&loaded,
                  "{\"channel\":{\"history_meta_ttl\":\"2h\",\"publication_data_format\":\"json\","
                  "\"namespaces\":[{\"name\":\"ab\"},{\"name\":\"cd\",\"history_meta_ttl\":\"3h\","
                  "\"publication_data_format\":\"binary\"}]}}",
                  NULL, NULL);
    assert_int_equal(config->channel.without_namespace.history_meta_ttl_ms, 7200000);
    assert_int_equal(config->channel.namespaces[0].history_meta_ttl_ms, 7200000);
    assert_int_equal(config->channel.namespaces[0].publication_data_format, HF_DATA_FORMAT_JSON);
    assert_int_equal(config->channel.namespaces[1].history_meta_ttl_ms, 10800000);
    assert_int_equal(config->channel.namespaces[1].publication_data_format, HF_DATA_FORMAT_BINARY);
    unload(&loaded);
}

static void described_configuration_hides_secrets_and_can_be_loaded_again(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config = load_good(
        &loaded,
        "{\"http_api\":{\"key\":\"hunter2\"},\"engine\":{\"type\":\"redis\",\"redis\":{"
        "\"password\":"
        "\"hunter3\",\"address\":\"redis://u:hunter4@h@127.0.0.1:6379/2\"}},"
        "\"client\":{\"allowed_origins\":[\"*\"],\"pong_timeout\":\"1500ms\"},"
        "\"channel\":{\"namespaces\":[{\"name\":\"chat\",\"history_size\":3,"
        "\"history_ttl\":\"90s\",\"force_recovery\":true}]},\"holdfast\":{\"workers\":3}}",
        NULL, NULL);
    char *text = hf_config_describe(config);
    assert_non_null(text);
    assert_null(strstr(text, "hunter"));
    assert_non_null(strstr(text, "\"***\""));
    assert_non_null(strstr(text, "redis://***@127.0.0.1:6379/2"));
    unload(&loaded);

    config = load_good(&loaded, text, NULL, NULL);
    assert_int_equal(config->engine.type, HF_ENGINE_TYPE_REDIS);
    assert_int_equal(config->client.pong_timeout_ms, 1500);
    assert_int_equal(config->holdfast.workers, 3);
    const struct hf_channel_options *chat = hf_config_find_namespace(config, "chat", 4);
    assert_non_null(chat);
    assert_int_equal(chat->history_ttl_ms, 90000);
    char *again = hf_config_describe(config);
    assert_non_null(again);
    assert_string_equal(again, text);
    free(again);
    free(text);
    unload(&loaded);
}

static void expressions_are_compiled_when_the_configuration_is_loaded(void **state)
{
    (void)state;
    expect_error("{\"client\":{\"token\":{\"audience_regex\":\"a(\"}}}",
                 ARGS("client.token.audience_regex", "no regular expression", "at character 2"));
    expect_error("{\"client\":{\"subscription_token\":{\"issuer_regex\":\"[\"}}}",
                 ARGS("client.subscription_token.issuer_regex", "no regular expression"));
    expect_error("{\"client\":{\"token\":{\"issuer_regex\":\"a\",\"issuer\":\"a\"}}}",
                 ARGS("client.token.issuer_regex", "issuer", "exclude each other"));
    expect_error("{\"channel\":{\"without_namespace\":{\"channel_regex\":\"+\"}}}",
                 ARGS("channel.without_namespace.channel_regex", "no regular expression"));
    expect_error("{\"channel\":{\"namespaces\":[{\"name\":\"ab\",\"channel_regex\":\"(?<\"}]}}",
                 ARGS("channel.namespaces[0] (ab).channel_regex", "no regular expression"));
    struct loaded loaded;
    const struct hf_config *config =
        load_good(&loaded,
                  "{\"client\":{\"token\":{\"audience_regex\":\"^a\",\"issuer_regex\":\"b$\"}},"
                  "\"channel\":{\"namespaces\":[{\"name\":\"ab\",\"channel_regex\":\"^c$\"}]}}",
                  NULL, NULL);
    assert_non_null(config->client.token.audience_pattern);
    assert_non_null(config->client.token.issuer_pattern);
    assert_null(config->client.subscription_token.audience_pattern);
    assert_non_null(config->channel.namespaces[0].channel_pattern);
    assert_null(config->channel.without_namespace.channel_pattern);
    unload(&loaded);
}

static void delta_options_are_checked(void **state)
{
    (void)state;
    expect_error(
        "{\"channel\":{\"without_namespace\":{\"allowed_delta_types\":[\"fossil\",\"zip\"],"
        "\"history_size\":1,\"history_ttl\":\"1s\"}}}",
        ARGS("channel.without_namespace", "allowed_delta_types", "\"zip\"", "fossil"));
    expect_warning("{\"channel\":{\"without_namespace\":{\"allowed_delta_types\":[\"fossil\"]}}}",
                   ARGS("no effect without history_size"));
    expect_warning("{\"channel\":{\"namespaces\":[{\"name\":\"ab\",\"delta_publish\":true,"
                   "\"history_size\":1,\"history_ttl\":\"1s\"}]}}",
                   ARGS("channel.namespaces[0] (ab)", "no effect without allowed_delta_types"));
    struct loaded loaded;
    const struct hf_config *config =
        load_good(&loaded,
                  "{\"channel\":{\"namespaces\":[{\"name\":\"ab\",\"delta_publish\":true,"
                  "\"allowed_delta_types\":[\"fossil\"],\"allow_tags_filter\":true,"
                  "\"history_size\":1,\"history_ttl\":\"1s\"}]}}",
                  NULL, NULL);
    assert_int_equal(config->channel.namespaces[0].allowed_delta_types.count, 1);
    assert_true(config->channel.namespaces[0].delta_publish);
    assert_true(config->channel.namespaces[0].allow_tags_filter);
    unload(&loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ping_not_longer_than_pong_is_refused),
        cmocka_unit_test(zero_or_minus_one_switches_pings_and_pongs_off),
        cmocka_unit_test(explicit_zero_and_empty_are_honoured),
        cmocka_unit_test(history_size_without_ttl_is_refused),
        cmocka_unit_test(history_ttl_above_meta_ttl_is_refused),
        cmocka_unit_test(recovery_without_history_is_refused),
        cmocka_unit_test(presence_that_expires_between_refreshes_is_refused),
        cmocka_unit_test(namespace_names_are_checked),
        cmocka_unit_test(many_namespaces_are_all_found),
        cmocka_unit_test(options_that_need_a_boundary_are_refused_without),
        cmocka_unit_test(permissions_without_effect_are_warned_about),
        cmocka_unit_test(paths_in_each_others_way_are_refused),
        cmocka_unit_test(redis_address_with_a_wrong_scheme_is_refused_without_quoting_it),
        cmocka_unit_test(limits_that_contradict_are_refused),
        cmocka_unit_test(origins_are_checked_and_lower_cased),
        cmocka_unit_test(token_options_are_checked_without_being_quoted),
        cmocka_unit_test(open_doors_are_warned_about),
        cmocka_unit_test(values_of_the_whole_channel_section_are_filled_in),
        cmocka_unit_test(expressions_are_compiled_when_the_configuration_is_loaded),
        cmocka_unit_test(delta_options_are_checked),
        cmocka_unit_test(described_configuration_hides_secrets_and_can_be_loaded_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
