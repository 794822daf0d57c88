#include "session_fixture.h"

#define SUBSCRIBE(id, channel)   "{\"id\":" id ",\"subscribe\":{\"channel\":\"" channel "\"}}"
#define UNSUBSCRIBE(id, channel) "{\"id\":" id ",\"unsubscribe\":{\"channel\":\"" channel "\"}}"
#define PUBLISH(id, channel)                                                                       \
    "{\"id\":" id ",\"publish\":{\"channel\":\"" channel "\",\"data\":" id "}}"
#define HISTORY(id, channel) "{\"id\":" id ",\"history\":{\"channel\":\"" channel "\"}}"
#define SUBSCRIBED(id)                                                                             \
    "{\"id\":" id ",\"subscribe\":{\"recoverable\":true,\"epoch\":\"1700000000000000\","           \
    "\"positioned\":true}}"
#define TOO_MANY(id)                                                                               \
    "{\"id\":" id ",\"error\":{\"code\":111,\"message\":\"too many requests\","                    \
    "\"temporary\":true}}"

static const struct hf_position nowhere = {EPOCH, 0};
static const struct hf_subscribe_result subscribed = {
    .position = {EPOCH, 0}, .top = {EPOCH, 0}, .live = true};

static void commands_on_a_channel_wait_for_its_subscribe(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_send(&client,
                SUBSCRIBE("2", "chat:a") "\n" PUBLISH("3", "chat:a") "\n" PUBLISH(
                    "4", "chat:a") "\n" HISTORY("5", "chat:a") "\n" UNSUBSCRIBE("6", "chat:a"));
    assert_int_equal(fake_engine.request_count, 1);
    assert_int_equal(client.session->waiting_count, 4);
    complete_subscribe(0, HF_OK, &subscribed);
    assert_int_equal(fake_engine.request_count, 3); /* publishes do not wait for publishes */
    assert_string_equal(request_at(1, FAKE_PUBLISH)->data, "3");
    assert_string_equal(request_at(2, FAKE_PUBLISH)->data, "4");
    complete_publish(1, HF_OK, nowhere);
    assert_int_equal(fake_engine.request_count, 3);
    complete_publish(2, HF_OK, nowhere);
    complete_history(3, HF_OK, nowhere, NULL);
    expect_sent(&client, "[" SUBSCRIBED("2") "\n{\"id\":3,\"publish\":{}}\n"
                                             "{\"id\":4,\"publish\":{}}\n"
                                             "{\"id\":5,\"history\":{\"publications\":[],"
                                             "\"epoch\":\"1700000000000000\",\"offset\":0}}\n"
                                             "{\"id\":6,\"unsubscribe\":{}}]");
    assert_int_equal(client.session->waiting_count, 0);
    assert_int_equal(client.session->waiting_bytes, 0);
    assert_int_equal(open_watches(), 0);
    client_close(&client);
}

static void channels_do_not_wait_for_each_other(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_send(&client, SUBSCRIBE("2", "chat:a") "\n" SUBSCRIBE("3", "chat:b") "\n" PUBLISH(
                             "4", "plain:c") "\n" PUBLISH("5", "chat:b"));
    assert_int_equal(fake_engine.request_count, 3);
    complete_subscribe(1, HF_OK, &subscribed);
    assert_string_equal(request_at(3, FAKE_PUBLISH)->channel, "chat:b");
    complete_publish(2, HF_OK, nowhere);
    complete_publish(3, HF_OK, nowhere);
    complete_subscribe(0, HF_OK, &subscribed);
    expect_sent(&client, "[" SUBSCRIBED("3") "\n{\"id\":4,\"publish\":{}}\n"
                                             "{\"id\":5,\"publish\":{}}\n" SUBSCRIBED("2") "]");
    client_close(&client);
}

static void clients_do_not_wait_for_each_other(void **state)
{
    struct client a;
    struct client b;

    client_connect(&a, *state);
    client_connect(&b, *state);
    client_send(&a, SUBSCRIBE("2", "chat:a"));
    client_send(&b, SUBSCRIBE("2", "chat:a"));
    assert_int_equal(fake_engine.request_count, 2);
    complete_subscribe(0, HF_OK, &subscribed);
    complete_subscribe(1, HF_OK, &subscribed);
    client_close(&a);
    client_close(&b);
}

static void publish_waits_behind_a_waiting_history(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_subscribe_live(&client, "chat:a", 0);
    client_send(&client,
                PUBLISH("3", "chat:a") "\n" HISTORY("4", "chat:a") "\n" PUBLISH("5", "chat:a"));
    assert_int_equal(fake_engine.request_count, 2);
    complete_publish(1, HF_OK, nowhere);
    assert_int_equal(fake_engine.request_count, 3);
    complete_history(2, HF_ETIMEOUT, nowhere, NULL);
    assert_string_equal(request_at(3, FAKE_PUBLISH)->data, "5");
    complete_publish(3, HF_OK, nowhere);
    client_close(&client);
}

static void permission_is_judged_after_the_wait(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_send(&client, SUBSCRIBE("2", "chat:a") "\n" PUBLISH("3", "chat:a"));
    complete_subscribe(0, HF_ETIMEOUT, NULL); /* so it is no subscriber who publishes */
    expect_sent(&client, "[{\"id\":2,\"error\":{\"code\":100,\"message\":\"internal server error\","
                         "\"temporary\":true}}\n"
                         "{\"id\":3,\"error\":{\"code\":103,\"message\":\"permission denied\"}}]");
    assert_int_equal(fake_engine.request_count, 1);
    client_close(&client);
}

static void further_pages_of_a_recovery_block_nothing(void **state)
{
    struct hf_page *page = page_of(1, 2);
    struct hf_subscribe_result result = {
        .position = {EPOCH, 2}, .top = {EPOCH, 9}, .recovered = true, .page = page};
    struct client client;

    client_connect(&client, *state);
    client_send(&client, "{\"id\":2,\"subscribe\":{\"channel\":\"chat:a\",\"recover\":true}}");
    complete_subscribe(0, HF_OK, &result);
    (void)request_at(1, FAKE_CONTINUE);
    client_send(&client, PUBLISH("3", "chat:a"));
    (void)request_at(2, FAKE_PUBLISH);
    complete_publish(2, HF_OK, nowhere);
    client_forget(&client);
    client_send(&client, UNSUBSCRIBE("4", "chat:a"));
    expect_sent(&client, "[{\"id\":3,\"publish\":{}}\n{\"id\":4,\"unsubscribe\":{}}]");
    complete_subscribe(1, HF_ECLOSED, NULL);
    hf_page_unref(page);
    client_close(&client);
}

static void what_waits_is_bounded_in_number_and_bytes(void **state)
{
    struct fixture *fixture = *state;
    struct client client;

    client_connect(&client, fixture);
    client_send(&client, SUBSCRIBE("2", "chat:a"));
    fixture->config->holdfast.session_requests_max = 3;
    client_send(&client,
                PUBLISH("3", "chat:a") "\n" PUBLISH("4", "chat:a") "\n" PUBLISH("5", "chat:a"));
    expect_sent(&client, "[" TOO_MANY("5") "]");
    client_send(&client, PUBLISH("6", "plain:b")); /* waiting ones count for new requests too */
    expect_sent(&client, "[" TOO_MANY("6") "]");
    fixture->config->holdfast.session_requests_max = 1024;
    fixture->config->client.queue_max_size_bytes =
        client.session->waiting_bytes + strlen(PUBLISH("7", "chat:a"));
    client_send(&client, PUBLISH("7", "chat:a") "\n" PUBLISH("8", "chat:a"));
    expect_sent(&client, "[" TOO_MANY("8") "]");
    complete_subscribe(0, HF_OK, &subscribed);
    for (unsigned i = 1; i <= 3; i++) {
        complete_publish(i, HF_OK, nowhere);
    }
    assert_int_equal(client.session->waiting_bytes, 0);
    client_close(&client);
}

static void what_waits_goes_with_the_session(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_send(&client, SUBSCRIBE("2", "chat:a") "\n" PUBLISH("3", "chat:a"));
    client_close(&client);
    complete_subscribe(0, HF_OK, &subscribed);
    client_connect(&client, *state);
    client_send(&client, SUBSCRIBE("2", "chat:a") "\n" PUBLISH("3", "chat:a") "\n{\"send\":{}}");
    expect_closed(&client, 3508, "not available");
    complete_subscribe(1, HF_OK, &subscribed);
    assert_int_equal(fake_engine.request_count, 2);
    client_close(&client);
}

static void resumed_command_may_end_the_connection(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_send(&client,
                SUBSCRIBE("2", "chat:a") "\n{\"id\":3,\"subscribe\":{\"channel\":\"chat:a\","
                                         "\"delta\":\"x\"}}\n" PUBLISH("4", "chat:a"));
    expect_open(&client);
    complete_subscribe(0, HF_OK, &subscribed);
    expect_closed(&client, 3501, "bad request");
    assert_int_equal(fake_engine.request_count, 1);
    client_close(&client);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(commands_on_a_channel_wait_for_its_subscribe),
        WITH_FIXTURE(channels_do_not_wait_for_each_other),
        WITH_FIXTURE(clients_do_not_wait_for_each_other),
        WITH_FIXTURE(publish_waits_behind_a_waiting_history),
        WITH_FIXTURE(permission_is_judged_after_the_wait),
        WITH_FIXTURE(further_pages_of_a_recovery_block_nothing),
        WITH_FIXTURE(what_waits_is_bounded_in_number_and_bytes),
        WITH_FIXTURE(what_waits_goes_with_the_session),
        WITH_FIXTURE(resumed_command_may_end_the_connection),
    };

    return cmocka_run_group_tests_name("session_order", tests, NULL, NULL);
}
