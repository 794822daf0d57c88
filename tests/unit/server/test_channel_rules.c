/* Channel rules (server/channel_rules.c). */
#include "config_fixture.h"

#include "client/channel_rules.h"

static const char rules[] =
    "{\"channel\":{\"namespaces\":["
    "{\"name\":\"open\",\"allow_subscribe_for_client\":true,\"allow_publish_for_client\":true,"
    "\"allow_history_for_client\":true,\"history_size\":1,\"history_ttl\":\"1s\"},"
    "{\"name\":\"anon\",\"allow_subscribe_for_client\":true,"
    "\"allow_subscribe_for_anonymous\":true,\"allow_publish_for_client\":true,"
    "\"allow_publish_for_anonymous\":true,\"allow_history_for_client\":true,"
    "\"allow_history_for_anonymous\":true,\"history_size\":1,\"history_ttl\":\"1s\"},"
    "{\"name\":\"subs\",\"allow_subscribe_for_client\":true,"
    "\"allow_publish_for_subscriber\":true,\"allow_history_for_subscriber\":true,"
    "\"history_size\":1,\"history_ttl\":\"1s\"},"
    "{\"name\":\"users\",\"allow_user_limited_channels\":true,"
    "\"allow_subscribe_for_client\":true},"
    "{\"name\":\"only-anon\",\"allow_subscribe_for_anonymous\":true,"
    "\"allow_publish_for_anonymous\":true,\"allow_history_for_anonymous\":true,"
    "\"history_size\":1,\"history_ttl\":\"1s\"},"
    "{\"name\":\"present\",\"presence\":true,\"allow_presence_for_client\":true},"
    "{\"name\":\"present-anon\",\"presence\":true,\"allow_presence_for_client\":true,"
    "\"allow_presence_for_anonymous\":true,\"join_leave\":true},"
    "{\"name\":\"present-subs\",\"presence\":true,\"allow_presence_for_subscriber\":true,"
    "\"join_leave\":true},"
    "{\"name\":\"told\",\"join_leave\":true,\"force_push_join_leave\":true},"
    "{\"name\":\"closed\",\"presence\":true,\"join_leave\":true,\"history_size\":1,\"history_ttl\":"
    "\"1s\"},"
    "{\"name\":\"plain\",\"allow_history_for_client\":true}]}}";

static struct loaded common;
static const struct hf_config *config;

static int load_rules(void **state)
{
    (void)state;
    config = load_good(&common, rules, NULL, NULL);
    return 0;
}

static int unload_rules(void **state)
{
    (void)state;
    unload(&common);
    return 0;
}

static struct hf_channel_caller caller_of(const char *user, bool is_subscribed)
{
    return (struct hf_channel_caller){user, strlen(user), is_subscribed};
}

static int subscribe(const struct hf_config *with, const char *channel, const char *user)
{
    struct hf_channel_ref ref;
    struct hf_channel_caller caller = caller_of(user, false);
    return (int)hf_channel_may_subscribe(with, channel, strlen(channel), &caller, &ref);
}

static int publish(const char *channel, const char *user, bool is_subscribed)
{
    struct hf_channel_ref ref;
    struct hf_channel_caller caller = caller_of(user, is_subscribed);
    return (int)hf_channel_may_publish(config, channel, strlen(channel), &caller, &ref);
}

static int history(const char *channel, const char *user, bool is_subscribed)
{
    struct hf_channel_ref ref;
    struct hf_channel_caller caller = caller_of(user, is_subscribed);
    return (int)hf_channel_may_history(config, channel, strlen(channel), &caller, &ref);
}

static void expect_namespace(const struct hf_config *with, const char *channel, const char *name,
                             bool is_private)
{
    struct hf_channel_ref ref;
    enum hf_channel_error error = hf_channel_lookup(with, channel, strlen(channel), &ref);
    assert_int_equal(ref.is_private, is_private);
    if (name == NULL) {
        assert_int_equal(error, HF_CHANNEL_UNKNOWN);
        assert_null(ref.options);
    } else {
        assert_int_equal(error, HF_CHANNEL_OK);
        assert_string_equal(ref.options->name, name);
    }
}

static void channel_leads_to_its_namespace(void **state)
{
    (void)state;
    expect_namespace(config, "open:a", "open", false);
    expect_namespace(config, "open:", "open", false);
    expect_namespace(config, "open:a:b", "open", false);
    expect_namespace(config, "$open:a", "open", true);
    expect_namespace(config, "open", "", false);
    expect_namespace(config, "$x", "", true);
    expect_namespace(config, "$", "", true);
    expect_namespace(config, "", "", false);
    expect_namespace(config, "$$open:a", NULL, true);
    expect_namespace(config, "nope:a", NULL, false);
    expect_namespace(config, ":a", NULL, false);
    expect_namespace(config, "Open:a", NULL, false);
    expect_namespace(config, "ope:a", NULL, false);
    expect_namespace(config, "opens:a", NULL, false);
}

static void own_boundaries_of_several_bytes_are_used(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *own =
        load_good(&loaded,
                  "{\"channel\":{\"private_prefix\":\"priv-\",\"namespace_boundary\":\"::\","
                  "\"user_boundary\":\"@@\",\"user_separator\":\"; \",\"namespaces\":"
                  "[{\"name\":\"ns\",\"allow_user_limited_channels\":true}]}}",
                  NULL, NULL);
    expect_namespace(own, "ns::a", "ns", false);
    expect_namespace(own, "ns:a", "", false);
    expect_namespace(own, "priv-ns::a", "ns", true);
    expect_namespace(own, "$ns::a", NULL, false);
    assert_int_equal(subscribe(own, "ns::a@@x; y", "y"), 0);
    assert_int_equal(subscribe(own, "ns::a@@x; y", "x"), 0);
    assert_int_equal(subscribe(own, "ns::a@@x; y", "x; y"), 103);
    unload(&loaded);
}

static void empty_boundaries_switch_the_rules_off(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *own =
        load_good(&loaded,
                  "{\"channel\":{\"private_prefix\":\"\",\"namespace_boundary\":\"\","
                  "\"user_boundary\":\"\",\"without_namespace\":"
                  "{\"allow_subscribe_for_client\":true}}}",
                  NULL, NULL);
    expect_namespace(own, "$a:b", "", false);
    assert_int_equal(subscribe(own, "$a:b#1", "u"), 0);
    assert_false(hf_channel_user_is_listed(own, "a#u", 3, "u", 1));
    unload(&loaded);
}

static void unknown_namespace_is_102_before_anything_else(void **state)
{
    (void)state;
    assert_int_equal(subscribe(config, "nope:\xc3\xa4", "u"), 102);
    assert_int_equal(publish("nope:a", "u", true), 102);
    assert_int_equal(history("nope:a", "u", true), 102);
}

static void name_that_is_not_ascii_is_107(void **state)
{
    (void)state;
    assert_int_equal(subscribe(config, "open:\xc3\xa4", "u"), 107);
    assert_int_equal(publish("open:\xc3\xa4", "u", true), 107);
    assert_int_equal(history("plain:\xc3\xa4", "u", true), 107);
}

static void name_above_the_limit_is_107(void **state)
{
    (void)state;
    assert_int_equal(hf_channel_check_length(config, 255), 0);
    assert_int_equal(hf_channel_check_length(config, 256), 107);
}

static void subscribing_follows_the_client_and_anonymous_flags(void **state)
{
    (void)state;
    assert_int_equal(subscribe(config, "open:a", "u"), 0);
    assert_int_equal(subscribe(config, "open:a", ""), 103);
    assert_int_equal(subscribe(config, "anon:a", ""), 0);
    assert_int_equal(subscribe(config, "only-anon:a", ""), 103);
    assert_int_equal(subscribe(config, "only-anon:a", "u"), 103);
    assert_int_equal(subscribe(config, "closed:a", "u"), 103);
    assert_int_equal(subscribe(config, "a", "u"), 103);
}

static void private_channel_wants_a_token_even_when_all_else_allows(void **state)
{
    (void)state;
    assert_int_equal(subscribe(config, "$open:a", "u"), 103);
    assert_int_equal(subscribe(config, "$nope:a", "u"), 102);
    struct loaded loaded;
    const struct hf_config *insecure =
        load_good(&loaded, "{\"client\":{\"insecure\":true}}", NULL, NULL);
    assert_int_equal(subscribe(insecure, "$a", "u"), 103);
    assert_int_equal(subscribe(insecure, "$a", ""), 103);
    unload(&loaded);
}

static void user_limited_channel_lets_in_the_listed_users_only(void **state)
{
    (void)state;
    assert_int_equal(subscribe(config, "users:a#42", "42"), 0);
    assert_int_equal(subscribe(config, "users:a#42,43", "43"), 0);
    assert_int_equal(subscribe(config, "users:a#42,43", "4"), 103);
    assert_int_equal(subscribe(config, "users:a#42,43", "42,43"), 103);
    assert_int_equal(subscribe(config, "users:a#1#2", "2"), 0);
    assert_int_equal(subscribe(config, "users:a#1#2", "1"), 103);
    assert_int_equal(subscribe(config, "users:a#", ""), 103);
    assert_int_equal(subscribe(config, "users:a#,42", ""), 103);
    /* Without the list, and in namespaces without the option, the name is an ordinary one. */
    assert_int_equal(subscribe(config, "users:a", "7"), 0);
    assert_int_equal(subscribe(config, "open:a#42", "7"), 0);
}

static void publishing_follows_the_client_subscriber_and_anonymous_flags(void **state)
{
    (void)state;
    assert_int_equal(publish("open:a", "u", false), 0);
    assert_int_equal(publish("open:a", "", true), 103);
    assert_int_equal(publish("anon:a", "", false), 0);
    assert_int_equal(publish("subs:a", "u", true), 0);
    assert_int_equal(publish("subs:a", "u", false), 103);
    assert_int_equal(publish("subs:a", "", true), 103);
    assert_int_equal(publish("only-anon:a", "", true), 103);
    assert_int_equal(publish("closed:a", "u", true), 103);
}

static void history_follows_the_same_flags(void **state)
{
    (void)state;
    assert_int_equal(history("open:a", "u", false), 0);
    assert_int_equal(history("open:a", "", true), 103);
    assert_int_equal(history("anon:a", "", false), 0);
    assert_int_equal(history("subs:a", "u", true), 0);
    assert_int_equal(history("subs:a", "u", false), 103);
    assert_int_equal(history("only-anon:a", "", true), 103);
    assert_int_equal(history("closed:a", "u", true), 103);
}

static void history_that_is_not_kept_is_108(void **state)
{
    (void)state;
    assert_int_equal(history("plain:a", "u", false), 108);
    assert_int_equal(history("a", "u", false), 108);
}

static void insecure_mode_allows_all_but_what_cannot_be(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *common_config = config;
    config = load_good(&loaded, rules, ARGS("HOLDFAST_CLIENT_INSECURE=true"), NULL);
    assert_int_equal(subscribe(config, "closed:a", ""), 0);
    assert_int_equal(subscribe(config, "users:a#42", "7"), 0);
    assert_int_equal(subscribe(config, "a", ""), 0);
    assert_int_equal(publish("closed:a", "", false), 0);
    assert_int_equal(history("closed:a", "", false), 0);
    assert_int_equal(subscribe(config, "nope:a", ""), 102);
    assert_int_equal(publish("closed:\xc3\xa4", "", false), 107);
    assert_int_equal(history("plain:a", "", false), 108);
    config = common_config;
    unload(&loaded);
}

static void expect_flags(const char *json, const char *user, bool asks, bool positioned,
                         bool recoverable)
{
    struct loaded loaded;
    char text[512];
    snprintf(text, sizeof(text), "{\"channel\":{\"without_namespace\":{%s}}}", json);
    const struct hf_config *own = load_good(&loaded, text, NULL, NULL);
    struct hf_channel_caller caller = caller_of(user, false);
    struct hf_channel_position_flags flags =
        hf_channel_position_flags(own, &own->channel.without_namespace, &caller, asks, asks);
    assert_int_equal(flags.positioned, positioned);
    assert_int_equal(flags.recoverable, recoverable);
    unload(&loaded);
}

#define HISTORY "\"history_size\":1,\"history_ttl\":\"1s\""

static void positioning_and_recovery_are_forced_or_asked_for_with_a_right(void **state)
{
    (void)state;
    expect_flags(HISTORY ",\"force_recovery\":true", "u", false, true, true);
    expect_flags(HISTORY ",\"force_positioning\":true", "u", false, true, false);
    expect_flags(HISTORY ",\"allow_recovery\":true", "u", false, false, false);
    expect_flags(HISTORY ",\"allow_recovery\":true", "u", true, true, true);
    expect_flags(HISTORY ",\"allow_positioning\":true", "u", true, true, false);
    expect_flags(HISTORY, "u", true, false, false);
    expect_flags(HISTORY ",\"allow_history_for_subscriber\":true", "u", true, true, true);
    expect_flags(HISTORY ",\"allow_history_for_client\":true", "u", true, true, true);
    expect_flags(HISTORY ",\"allow_history_for_client\":true", "", true, false, false);
    expect_flags(HISTORY ",\"allow_history_for_client\":true", "u", false, false, false);
    expect_flags("\"allow_recovery\":true,\"force_positioning\":true", "u", true, false, false);
}

static int presence(const char *channel, const char *user, bool is_subscribed)
{
    struct hf_channel_ref ref;
    struct hf_channel_caller caller = caller_of(user, is_subscribed);
    return (int)hf_channel_may_presence(config, channel, strlen(channel), &caller, &ref);
}

static bool gets_joins(const char *channel, const char *user, bool asks)
{
    struct hf_channel_ref ref;
    struct hf_channel_caller caller = caller_of(user, false);
    assert_int_equal(hf_channel_lookup(config, channel, strlen(channel), &ref), HF_CHANNEL_OK);
    return hf_channel_gets_joins(config, ref.options, &caller, asks);
}

static void presence_needs_the_feature_and_a_permission(void **state)
{
    (void)state;
    assert_int_equal(presence("none:a", "ann", true), HF_CHANNEL_UNKNOWN);
    assert_int_equal(presence("present:\u00e4", "ann", true), HF_CHANNEL_BAD_REQUEST);
    assert_int_equal(presence("open:a", "ann", true), HF_CHANNEL_NOT_AVAILABLE);
    assert_int_equal(presence("told:a", "ann", true), HF_CHANNEL_NOT_AVAILABLE);
    assert_int_equal(presence("closed:a", "ann", true), HF_CHANNEL_DENIED);
    assert_int_equal(presence("present:a", "ann", false), HF_CHANNEL_OK);
    assert_int_equal(presence("present:a", "", true), HF_CHANNEL_DENIED);
    assert_int_equal(presence("present-anon:a", "", false), HF_CHANNEL_OK);
    assert_int_equal(presence("present-subs:a", "ann", false), HF_CHANNEL_DENIED);
    assert_int_equal(presence("present-subs:a", "ann", true), HF_CHANNEL_OK);
}

static void joins_are_told_by_force_or_to_who_asks_and_may_see_presence(void **state)
{
    (void)state;
    assert_true(gets_joins("told:a", "", false));
    assert_false(gets_joins("present:a", "ann", true)); /* it tells nobody */
    assert_true(gets_joins("present-anon:a", "", true));
    assert_false(gets_joins("present-anon:a", "", false));
    assert_true(gets_joins("present-subs:a", "ann", true));
    assert_false(gets_joins("present-subs:a", "", true));
    assert_false(gets_joins("closed:a", "ann", true));
}

static void channel_regex_judges_what_follows_the_namespace(void **state)
{
    (void)state;
    struct loaded loaded;
    const struct hf_config *own =
        load_good(&loaded,
                  "{\"channel\":{\"without_namespace\":{\"allow_subscribe_for_client\":true,"
                  "\"channel_regex\":\"^\\\\$?[a-z]+$\"},\"namespaces\":["
                  "{\"name\":\"any\",\"allow_subscribe_for_client\":true,\"channel_regex\":\".\"},"
                  "{\"name\":\"hex\",\"allow_subscribe_for_client\":true,"
                  "\"channel_regex\":\"^[0-9a-f]+$\"}]}}",
                  NULL, NULL);
    assert_int_equal(subscribe(own, "abc", "u"), 0);
    assert_int_equal(subscribe(own, "a1", "u"), 107);
    assert_int_equal(subscribe(own, "$abc", "u"), 103); /* the name is fine, but it wants a token */
    assert_int_equal(subscribe(own, "$1", "u"), 107);
    assert_int_equal(subscribe(own, "hex:0f", "u"), 0);
    assert_int_equal(subscribe(own, "hex:0g", "u"), 107);
    assert_int_equal(subscribe(own, "hex:", "u"), 107);
    assert_int_equal(subscribe(own, "any:\xc3\xa4", "u"), 0); /* the regex says what is allowed */
    assert_int_equal(subscribe(own, "hex:\xc3\xa4", "u"), 107);
    unload(&loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channel_leads_to_its_namespace),
        cmocka_unit_test(own_boundaries_of_several_bytes_are_used),
        cmocka_unit_test(empty_boundaries_switch_the_rules_off),
        cmocka_unit_test(unknown_namespace_is_102_before_anything_else),
        cmocka_unit_test(name_that_is_not_ascii_is_107),
        cmocka_unit_test(name_above_the_limit_is_107),
        cmocka_unit_test(subscribing_follows_the_client_and_anonymous_flags),
        cmocka_unit_test(private_channel_wants_a_token_even_when_all_else_allows),
        cmocka_unit_test(user_limited_channel_lets_in_the_listed_users_only),
        cmocka_unit_test(publishing_follows_the_client_subscriber_and_anonymous_flags),
        cmocka_unit_test(history_follows_the_same_flags),
        cmocka_unit_test(history_that_is_not_kept_is_108),
        cmocka_unit_test(insecure_mode_allows_all_but_what_cannot_be),
        cmocka_unit_test(positioning_and_recovery_are_forced_or_asked_for_with_a_right),
        cmocka_unit_test(presence_needs_the_feature_and_a_permission),
        cmocka_unit_test(channel_regex_judges_what_follows_the_namespace),
        cmocka_unit_test(joins_are_told_by_force_or_to_who_asks_and_may_see_presence),
    };
    return cmocka_run_group_tests(tests, load_rules, unload_rules);
}
