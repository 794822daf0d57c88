/* Command-line flags, help and version (server/config/flags.c, help.c). */
#include "config_fixture.h"

#include "config/options.h"

static void each_way_to_write_a_flag_is_read(void **state)
{
    (void)state;
    static const char *const ways[][3] = {
        {"--http_server.port", "9000", NULL},
        {"--http_server.port=9000", NULL, NULL},
        {"-p", "9000", NULL},
        {"-p9000", NULL, NULL},
        {"-p=9000", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct loaded loaded;
        assert_int_equal(load_good(&loaded, NULL, NULL, ways[i])->http_server.port, 9000);
        unload(&loaded);
    }
}

static void switch_needs_no_value_and_takes_none_from_the_next_argument(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *config =
        load_good(&loaded, NULL, NULL,
                  ARGS("--client.insecure", "--health.enabled=false", "-a", "127.0.0.1",
                       "--admin.enabled=false", "--client.allowed_origins", "a b",
                       "--channel.without_namespace.history_size=1",
                       "--channel.without_namespace.history_ttl=1s"));
    assert_true(config->client.insecure);
    assert_false(config->health.enabled);
    assert_string_equal(config->http_server.address, "127.0.0.1");
    assert_int_equal(config->client.allowed_origins.count, 2);
    assert_int_equal(config->channel.without_namespace.history_size, 1);
    unload(&loaded);
}

static void last_of_several_wins(void **state)
{
    (void)state;
    struct loaded loaded;
    assert_int_equal(
        load_good(&loaded, NULL, NULL, ARGS("-p", "1", "--http_server.port=2"))->http_server.port,
        2);
    unload(&loaded);
}

static void expect_usage(const char *const *args, const char *const *texts)
{
    struct loaded loaded;
    load_all(&loaded, NULL, NULL, args);
    assert_int_equal(loaded.status, HF_CONFIG_BAD_USAGE);
    assert_null(loaded.result.config);
    assert_int_equal(loaded.result.errors.count, 1);
    expect_message(&loaded.result.errors, texts);
    unload(&loaded);
}

static void wrong_flag_is_bad_usage_with_the_nearest(void **state)
{
    (void)state;
    expect_usage(ARGS("--http_server.prot=1"),
                 ARGS("flags: --http_server.prot: unknown flag", "is --http_server.port"));
    expect_usage(ARGS("--port=8000"), ARGS("--port: unknown flag", "is --http_server.port"));
    expect_usage(ARGS("--engine=redis"), ARGS("--engine: unknown flag", "is --engine.type"));
    expect_usage(ARGS("-x"), ARGS("-x: unknown flag"));
    expect_usage(ARGS("--http_server.port"), ARGS("--http_server.port: needs a value"));
    expect_usage(ARGS("-c"), ARGS("-c: needs a value"));
    expect_usage(ARGS("-p", "70000"), ARGS("flags: -p: \"70000\" is not valid", "0 to 65535"));
    expect_usage(ARGS("--client.insecure=perhaps"), ARGS("--client.insecure", "true or false"));
    expect_usage(ARGS("--admin.enabled"), ARGS("--admin.enabled: known, but not offered"));
    expect_usage(ARGS("--grpc_api.port", "1", "--grpc_api.enabled"),
                 ARGS("--grpc_api.enabled: known, but not offered"));
    expect_usage(ARGS("--channel.namespaces=[]"), ARGS("cannot be given as a flag"));
    expect_usage(ARGS("serve"), ARGS("argument 1: is not a flag"));
    expect_usage(ARGS("--"), ARGS("argument 1"));
    expect_usage(ARGS("-"), ARGS("argument 1"));
    expect_usage(ARGS(""), ARGS("argument 1"));
    expect_usage(ARGS("--="), ARGS("--: unknown flag"));
}

static void help_names_every_option_with_its_default(void **state)
{
    (void)state;
    static const char *const asks[] = {"-h", "--help"};
    for (size_t i = 0; i < 2; i++) {
        struct loaded loaded;
        load_all(&loaded, NULL, NULL, ARGS("--nonsense", asks[i]));
        assert_int_equal(loaded.status, HF_CONFIG_HELP);
        assert_non_null(loaded.result.text);
        assert_int_equal(loaded.result.errors.count, 0);
        for (size_t j = 0; j < hf__option_count; j++) {
            char wanted[128];
            snprintf(wanted, sizeof(wanted), "\n  --%s", hf__options[j].path);
            assert_non_null(strstr(loaded.result.text, wanted));
        }
        for (size_t j = 0; j < hf__channel_option_count; j++) {
            assert_non_null(strstr(loaded.result.text, hf__channel_options[j].path));
        }
        assert_non_null(strstr(loaded.result.text, "default: redis://127.0.0.1:6379"));
        unload(&loaded);
    }
}

static void version_is_printed(void **state)
{
    (void)state;
    struct loaded loaded;
    load_all(&loaded, NULL, NULL, ARGS("--version"));
    assert_int_equal(loaded.status, HF_CONFIG_VERSION);
    assert_string_equal(loaded.result.text, "Holdfast v" HF_VERSION "\n");
    unload(&loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_way_to_write_a_flag_is_read),
        cmocka_unit_test(switch_needs_no_value_and_takes_none_from_the_next_argument),
        cmocka_unit_test(last_of_several_wins),
        cmocka_unit_test(wrong_flag_is_bad_usage_with_the_nearest),
        cmocka_unit_test(help_names_every_option_with_its_default),
        cmocka_unit_test(version_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
