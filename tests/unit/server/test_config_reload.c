#include "config_fixture.h"

#include "pattern.h"

/* What a reload makes of a configuration file that has changed (hf_config_reload). */
struct reloaded {
    struct loaded loaded;
    struct hf_config_result result;
    struct hf_string_list changed;
    struct hf_string_list waiting;
    enum hf_config_status status;
};

static void reload(struct reloaded *reloaded, const char *before, const char *after)
{
    *reloaded = (struct reloaded){0};
    load_good(&reloaded->loaded, before, NULL, NULL);
    FILE *file = fopen(reloaded->loaded.path, "w");
    assert_non_null(file);
    assert_true(fputs(after, file) >= 0);
    assert_int_equal(fclose(file), 0);
    const char *const argv[] = {"holdfast", "-c", reloaded->loaded.path};
    const char *const envp[] = {NULL};
    reloaded->status = hf_config_reload(&reloaded->result, reloaded->loaded.result.config, 3, argv,
                                        envp, &reloaded->changed, &reloaded->waiting);
}

static void forget(struct reloaded *reloaded)
{
    hf_config_list_fini(&reloaded->changed);
    hf_config_list_fini(&reloaded->waiting);
    hf_config_result_fini(&reloaded->result);
    unload(&reloaded->loaded);
}

static void live_options_and_namespaces_change_at_once(void **state)
{
    (void)state;
    struct reloaded reloaded;
    reload(&reloaded,
           "{\"client\":{\"allowed_origins\":[\"a\"],\"channel_limit\":5},"
           "\"channel\":{\"namespaces\":[{\"name\":\"chat\"}]}}",
           "{\"client\":{\"allowed_origins\":[\"a\",\"b\"],\"channel_limit\":5},"
           "\"channel\":{\"without_namespace\":{\"presence\":true},"
           "\"namespaces\":[{\"name\":\"chat\",\"presence\":true}]}}");
    assert_int_equal(reloaded.status, HF_CONFIG_LOADED);
    assert_int_equal(reloaded.waiting.count, 0);
    assert_int_equal(reloaded.changed.count, 3);
    assert_string_equal(reloaded.changed.items[0], "client.allowed_origins");
    assert_string_equal(reloaded.changed.items[1], "channel.without_namespace");
    assert_string_equal(reloaded.changed.items[2], "channel.namespaces");
    assert_int_equal(reloaded.result.config->client.allowed_origins.count, 2);
    assert_true(reloaded.result.config->channel.namespaces[0].presence);
    forget(&reloaded);
}

static void options_of_the_start_keep_their_values_and_are_named(void **state)
{
    (void)state;
    struct reloaded reloaded;
    reload(&reloaded, "{\"http_server\":{\"port\":7001},\"node\":{\"name\":\"n\"}}",
           "{\"http_server\":{\"port\":7002,\"address\":\"10.0.0.1\"},\"node\":{\"name\":\"n\"},"
           "\"client\":{\"user_connection_limit\":3},\"http_api\":{\"key\":\"k\"}}");
    assert_int_equal(reloaded.status, HF_CONFIG_LOADED);
    assert_int_equal(reloaded.changed.count, 1);
    assert_string_equal(reloaded.changed.items[0], "http_api.key");
    assert_int_equal(reloaded.waiting.count, 3);
    const struct hf_config *config = reloaded.result.config;
    assert_int_equal(config->http_server.port, 7001);
    assert_string_equal(config->http_server.address, "");
    assert_int_equal(config->client.user_connection_limit, 0);
    assert_string_equal(config->http_api.key, "k");
    forget(&reloaded);
}

static void the_same_file_changes_nothing(void **state)
{
    (void)state;
    static const char file[] = "{\"client\":{\"allowed_origins\":[\"A\"],\"ping_interval\":\"0s\"},"
                               "\"channel\":{\"namespaces\":[{\"name\":\"chat\",\"history_size\":2,"
                               "\"history_ttl\":\"9s\"}]}}";
    struct reloaded reloaded;
    reload(&reloaded, file, file);
    assert_int_equal(reloaded.status, HF_CONFIG_LOADED);
    assert_int_equal(reloaded.changed.count, 0);
    assert_int_equal(reloaded.waiting.count, 0);
    forget(&reloaded);
}

static void a_broken_file_is_refused(void **state)
{
    (void)state;
    static const char *const files[] = {
        "{\"client\":", "{\"client\":{\"channel_limit\":-1}}",
        "{\"channel\":{\"namespaces\":[{\"name\":\"chat\",\"force_recovery\":true}]}}"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct reloaded reloaded;
        reload(&reloaded, "{}", files[i]);
        assert_int_equal(reloaded.status, HF_CONFIG_BAD_CONTENT);
        assert_null(reloaded.result.config);
        assert_true(reloaded.result.errors.count > 0);
        forget(&reloaded);
    }
}

/* The new interval would fit the new lifetime, which waits for a restart. */
static void what_is_right_only_with_options_that_wait_is_refused(void **state)
{
    (void)state;
    struct reloaded reloaded;
    reload(&reloaded, "{\"channel\":{\"without_namespace\":{\"presence\":true}}}",
           "{\"engine\":{\"redis\":{\"presence_ttl\":\"300s\"}},"
           "\"client\":{\"presence_update_interval\":\"200s\"},"
           "\"channel\":{\"without_namespace\":{\"presence\":true}}}");
    assert_int_equal(reloaded.status, HF_CONFIG_BAD_CONTENT);
    assert_int_equal(reloaded.result.errors.count, 1);
    assert_non_null(strstr(reloaded.result.errors.items[0], "presence_ttl"));
    forget(&reloaded);
}

/* The limit of the start counts for what is compiled: the second check compiles everything anew. */
static void expressions_are_compiled_anew_with_the_limits_of_the_start(void **state)
{
    (void)state;
    struct reloaded reloaded;
    reload(&reloaded, "{\"channel\":{\"without_namespace\":{\"channel_regex\":\"^a\"}}}",
           "{\"channel\":{\"without_namespace\":{\"channel_regex\":\"^b\"},"
           "\"namespaces\":[{\"name\":\"chat\",\"channel_regex\":\"^c\"}]},"
           "\"client\":{\"token\":{\"hmac_secret_key\":\"s\",\"audience_regex\":\"^d\"}},"
           "\"holdfast\":{\"regex_match_limit\":200}}");
    assert_int_equal(reloaded.status, HF_CONFIG_LOADED);
    assert_int_equal(reloaded.waiting.count, 1);
    assert_string_equal(reloaded.waiting.items[0], "holdfast.regex_match_limit");
    const struct hf_config *config = reloaded.result.config;
    assert_int_equal(hf_pattern_match(config->channel.without_namespace.channel_pattern, "b", 1),
                     HF_PATTERN_MATCHES);
    assert_int_equal(hf_pattern_match(config->channel.namespaces[0].channel_pattern, "c", 1),
                     HF_PATTERN_MATCHES);
    assert_int_equal(hf_pattern_match(config->client.token.audience_pattern, "d", 1),
                     HF_PATTERN_MATCHES);
    forget(&reloaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_options_and_namespaces_change_at_once),
        cmocka_unit_test(options_of_the_start_keep_their_values_and_are_named),
        cmocka_unit_test(the_same_file_changes_nothing),
        cmocka_unit_test(a_broken_file_is_refused),
        cmocka_unit_test(what_is_right_only_with_options_that_wait_is_refused),
        cmocka_unit_test(expressions_are_compiled_anew_with_the_limits_of_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
