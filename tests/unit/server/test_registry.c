#include "session_fixture.h"

#define NODE(uid, clients)                                                                         \
    "{\"type\":\"node\",\"uid\":\"" uid                                                            \
    "\",\"name\":\"n\",\"version\":\"v\",\"num_clients\":" clients "}"

static void hear(struct fixture *fixture, const char *message)
{
    char *copy = malloc(strlen(message) + 1); /* exact, so that a sanitizer sees a read beyond it */

    assert_non_null(copy);
    memcpy(copy, message, strlen(message));
    hf_registry_on_bus(&fixture->worker, (struct hf_bytes){copy, strlen(message)});
    free(copy);
}

static void assert_slice(struct hf_slice actual, const char *expected)
{
    assert_int_equal(actual.len, strlen(expected));
    assert_memory_equal(actual.data, expected, actual.len);
}

struct seen {
    unsigned count;
    char uids[2048];
    struct hf_node_info last;
};

static void see(void *context, const struct hf_node_info *info)
{
    struct seen *seen = context;

    seen->count++;
    strncat(seen->uids, info->uid.data, info->uid.len);
    strcat(seen->uids, " ");
    seen->last = *info;
}

static struct seen look(struct fixture *fixture)
{
    struct seen seen = {0};

    hf_registry_each(fixture->worker.registry, see, &seen);
    return seen;
}

static void own_node_is_always_there_and_current(void **state)
{
    struct fixture *fixture = *state;
    struct hf_worker second = {.index = 1};
    struct seen seen = look(fixture);

    assert_string_equal(seen.uids, "uid-1 ");
    assert_int_equal(seen.last.num_clients, 0);
    assert_int_equal(seen.last.num_users, 0);
    fake_node.workers[1] = &second;
    fake_node.worker_count = 2;
    fake_node.uptime_s = 9;
    second.counters.clients = 3;
    second.counters.subscriptions = 5;
    second.counters.channels = 2;
    seen = look(fixture);
    assert_int_equal(seen.last.num_clients, 3);
    assert_int_equal(seen.last.num_users, 1);
    assert_int_equal(seen.last.num_subs, 5);
    assert_int_equal(seen.last.num_channels, 2);
    assert_int_equal(seen.last.uptime_s, 9);
}

static void channels_on_several_workers_count_once(void **state)
{
    static const struct {
        uint64_t a, b, streams, lingering, expected;
    } cases[] = {
        {4, 0, 100, 0, 4},                                   /* one worker has them all */
        {4, 3, 5, 0, 5},   {4, 3, 9, 4, 5}, {4, 3, 0, 0, 4}, /* the engine's figures are behind */
        {4, 3, 100, 2, 7}, {4, 3, 2, 9, 4},
    };
    struct fixture *fixture = *state;
    struct hf_worker second = {.index = 1};

    fake_node.workers[1] = &second;
    fake_node.worker_count = 2;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fixture->worker.counters.channels = cases[i].a;
        second.counters.channels = cases[i].b;
        fake_engine.status.streams = cases[i].streams;
        fake_engine.status.lingering = cases[i].lingering;
        assert_int_equal(look(fixture).last.num_channels, cases[i].expected);
    }
    fixture->worker.counters.channels = 0;
}

static void worker_0_tells_every_three_seconds(void **state)
{
    struct fixture *fixture = *state;
    struct hf_registry *registry = fixture->worker.registry;

    fake_node.uptime_s = 4;
    hf_registry_tick(registry, 1000000);
    assert_string_equal(request_at(0, FAKE_BUS)->data,
                        "{\"type\":\"node\",\"uid\":\"uid-1\",\"name\":\"node-1\","
                        "\"version\":\"Holdfast " HF_VERSION "\",\"num_clients\":0,"
                        "\"num_users\":0,\"num_subs\":0,\"num_channels\":0,\"uptime\":4}");
    hf_registry_tick(registry, 1002999);
    assert_int_equal(fake_engine.request_count, 1);
    hf_registry_tick(registry, 1003000);
    assert_int_equal(fake_engine.request_count, 2);
    complete_done(0, FAKE_BUS, HF_OK);
    complete_done(1, FAKE_BUS, HF_EUNAVAILABLE);
    fake_engine.refuse = HF_ELIMIT;
    hf_registry_tick(registry, 1006000);
    fake_engine.refuse = 0;
    hf_registry_tick(registry, 1009000); /* goes on after a failure */
    assert_int_equal(fake_engine.request_count, 3);
}

static void other_workers_do_not_tell(void **state)
{
    struct fixture *fixture = *state;

    fixture->worker.index = 1;
    hf_registry_tick(fixture->worker.registry, 1000000);
    hf_registry_leave(fixture->worker.registry);
    assert_int_equal(fake_engine.request_count, 0);
}

static void leaving_is_told_once_and_is_the_last_word(void **state)
{
    struct fixture *fixture = *state;

    hf_registry_leave(fixture->worker.registry);
    assert_string_equal(request_at(0, FAKE_BUS)->data, "{\"type\":\"leave\",\"uid\":\"uid-1\"}");
    hf_registry_leave(fixture->worker.registry);
    hf_registry_tick(fixture->worker.registry, 2000000);
    assert_int_equal(fake_engine.request_count, 1);
}

static void what_a_node_tells_replaces_what_was_known(void **state)
{
    struct fixture *fixture = *state;
    struct seen seen;

    hear(fixture, NODE("uid-2", "7"));
    hear(fixture, NODE("uid-2", "8"));
    seen = look(fixture);
    assert_string_equal(seen.uids, "uid-1 uid-2 ");
    assert_int_equal(seen.last.num_clients, 8);
}

static void own_messages_are_not_heard(void **state)
{
    hear(*state, NODE("uid-1", "7"));
    hear(*state, "{\"type\":\"leave\",\"uid\":\"uid-1\"}");
    assert_string_equal(look(*state).uids, "uid-1 ");
}

static void silent_nodes_are_forgotten_after_ten_seconds(void **state)
{
    struct fixture *fixture = *state;

    hear(fixture, NODE("uid-2", "1"));
    fixture->worker.now_ms += 5000;
    hear(fixture, NODE("uid-3", "1"));
    hf_registry_tick(fixture->worker.registry, 1009999);
    assert_int_equal(look(fixture).count, 3);
    hf_registry_tick(fixture->worker.registry, 1010000);
    assert_string_equal(look(fixture).uids, "uid-1 uid-3 ");
    hf_registry_tick(fixture->worker.registry, 1015000);
    assert_string_equal(look(fixture).uids, "uid-1 ");
}

static void leaving_nodes_are_forgotten_at_once(void **state)
{
    hear(*state, NODE("uid-2", "1"));
    hear(*state, NODE("uid-3", "1"));
    hear(*state, "{\"type\":\"leave\",\"uid\":\"uid-2\"}");
    hear(*state, "{\"type\":\"leave\",\"uid\":\"uid-9\"}");
    assert_string_equal(look(*state).uids, "uid-1 uid-3 ");
}

static void messages_of_others_are_ignored(void **state)
{
    static const char *const messages[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"type\":\"node\"}",
        "{\"type\":\"node\",\"uid\":\"\"}",
        "{\"type\":\"node\",\"uid\":7}",
        "{\"type\":\"survey\",\"uid\":\"uid-4\"}",
        "{\"type\":\"node\",\"uid\":\"uid-4\",\"num_clients\":\"many\"}",
        "{\"type\":\"node\",\"uid\":\"uid-4\"} tail",
        "{\"type\":\"node\",\"uid\":\"\xff\"}",
    };
    char *large;

    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        hear(*state, messages[i]);
        assert_string_equal(look(*state).uids, "uid-1 ");
    }
    large = calloc(1, 40000);
    assert_non_null(large);
    memset(large, ' ', 39000);
    strcpy(large + 20000, NODE("uid-4", "1"));
    hear(*state, large);
    (void)snprintf(large, 40000, "{\"type\":\"node\",\"uid\":\"%0300d\"}", 1);
    hear(*state, large); /* a text that is too long */
    assert_string_equal(look(*state).uids, "uid-1 ");
    free(large);
    hear(*state, "{\"type\":\"node\",\"uid\":\"uid-5\",\"news\":[{}]}"); /* a newer version */
    assert_string_equal(look(*state).uids, "uid-1 uid-5 ");
}

static void table_of_nodes_is_bounded(void **state)
{
    struct fixture *fixture = *state;

    fixture->config->holdfast.registry_nodes_max = 2;
    hear(fixture, NODE("uid-2", "1"));
    hear(fixture, NODE("uid-3", "1"));
    hear(fixture, NODE("uid-4", "1"));
    assert_int_equal(look(fixture).count, 3);
    hear(fixture, NODE("uid-3", "2")); /* known ones go on */
    assert_int_equal(look(fixture).count, 3);
    hear(fixture, "{\"type\":\"leave\",\"uid\":\"uid-2\"}");
    hear(fixture, NODE("uid-4", "1"));
    assert_int_equal(look(fixture).count, 3);
    assert_non_null(strstr(look(fixture).uids, "uid-4"));
}

static void metrics_are_told_after_each_interval_with_what_has_grown(void **state)
{
    struct fixture *fixture = *state;
    struct hf_registry *registry = fixture->worker.registry;

    hf_registry_tick(registry, 1000000);
    assert_int_equal(look(fixture).last.metrics.len, 0);
    hf_counter_add(&fixture->worker.counters.commands[HF_COMMAND_CONNECT], 7);
    hf_counter_add(&fixture->worker.counters.sessions[HF_FRAMING_WEBSOCKET_JSON], 2);
    hf_counter_add(&fixture->worker.counters.sessions[HF_FRAMING_WEBSOCKET_PROTOBUF], 1);
    hf_counter_add(&fixture->worker.counters.disconnects[5], 1);
    fake_engine.status.publications_out = 3;
    hf_registry_tick(registry, 1059999);
    assert_int_equal(look(fixture).last.metrics.len, 0);
    hf_registry_tick(registry, 1060000);
    assert_slice(look(fixture).last.metrics,
                 "{\"interval\":60,\"items\":{"
                 "\"centrifugo.client.command_duration_seconds.count.method.connect\":7,"
                 "\"centrifugo.transport.messages_received.frame_type.connect\":7,"
                 "\"centrifugo.client.connections_inflight.client_name.unregistered."
                 "client_version.unregistered.transport.websocket\":3,"
                 "\"centrifugo.client.num_server_disconnects.code.3005\":1,"
                 "\"centrifugo.node.messages_sent_count.type.publication\":3}}");
    hf_registry_tick(registry, 1063000);
    assert_non_null(strstr(request_at(fake_engine.request_count - 1, FAKE_BUS)->data,
                           "\"metrics\":{\"interval\":60,"));

    hf_counter_sub(&fixture->worker.counters.sessions[HF_FRAMING_WEBSOCKET_JSON], 2);
    hf_counter_sub(&fixture->worker.counters.sessions[HF_FRAMING_WEBSOCKET_PROTOBUF], 1);
    hf_registry_tick(registry, 1120600);
    assert_slice(look(fixture).last.metrics, "{\"interval\":61,\"items\":{}}");
    fake_engine.status.publications_out = 0;
}

static void metrics_of_other_nodes_and_of_the_own_node_are_heard(void **state)
{
    struct fixture *fixture = *state;

    hear(fixture,
         "{\"type\":\"node\",\"uid\":\"uid-2\",\"metrics\":{\"interval\":60,\"items\":{}}}");
    assert_slice(look(fixture).last.metrics, "{\"interval\":60,\"items\":{}}");
    hear(fixture, "{\"type\":\"node\",\"uid\":\"uid-2\",\"metrics\":[1]}");
    assert_int_equal(look(fixture).last.metrics.len, 0);
    hear(fixture, "{\"type\":\"leave\",\"uid\":\"uid-2\"}");
    hear(fixture, "{\"type\":\"node\",\"uid\":\"uid-1\",\"metrics\":{\"a\":1}}");
    assert_int_equal(look(fixture).last.metrics.len, 0); /* worker 0 counts itself */
    fixture->worker.index = 1;
    hear(fixture, "{\"type\":\"node\",\"uid\":\"uid-1\",\"metrics\":{\"a\":1}}");
    assert_slice(look(fixture).last.metrics, "{\"a\":1}");
    hear(fixture, "{\"type\":\"node\",\"uid\":\"uid-1\"}"); /* none: they are what they were */
    assert_slice(look(fixture).last.metrics, "{\"a\":1}");
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(own_node_is_always_there_and_current),
        WITH_FIXTURE(channels_on_several_workers_count_once),
        WITH_FIXTURE(worker_0_tells_every_three_seconds),
        WITH_FIXTURE(other_workers_do_not_tell),
        WITH_FIXTURE(leaving_is_told_once_and_is_the_last_word),
        WITH_FIXTURE(what_a_node_tells_replaces_what_was_known),
        WITH_FIXTURE(own_messages_are_not_heard),
        WITH_FIXTURE(silent_nodes_are_forgotten_after_ten_seconds),
        WITH_FIXTURE(leaving_nodes_are_forgotten_at_once),
        WITH_FIXTURE(messages_of_others_are_ignored),
        WITH_FIXTURE(table_of_nodes_is_bounded),
        WITH_FIXTURE(metrics_are_told_after_each_interval_with_what_has_grown),
        WITH_FIXTURE(metrics_of_other_nodes_and_of_the_own_node_are_heard),
    };

    return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
