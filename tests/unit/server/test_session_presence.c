#include "session_fixture.h"

#define ERROR(id, code, message)                                                                   \
    "[{\"id\":" id ",\"error\":{\"code\":" code ",\"message\":\"" message "\"}}]"

static struct hf_bytes bytes_of(const char *text)
{
    return (struct hf_bytes){text, strlen(text)};
}

static void expect_reply(struct client *client, const char *command, const char *expected)
{
    client_send(client, command);
    expect_sent(client, expected);
}

/* Requests 0 to 2. */
static void subscribe_to_room(struct client *client)
{
    const struct hf_subscribe_result live = {.live = true};

    client_send(client, "{\"id\":2,\"subscribe\":{\"channel\":\"room:a\"}}");
    complete_presence_add(0, HF_OK, false);
    complete_subscribe(1, HF_OK, &live);
    hf_hub_flush(client->fixture->worker.hub);
    client_forget(client);
}

static void refusals_have_their_codes(void **state)
{
    struct client client;

    client_connect(&client, *state);
    expect_reply(&client, "{\"id\":2,\"presence\":{\"channel\":\"none:a\"}}",
                 ERROR("2", "102", "unknown channel"));
    expect_reply(&client, "{\"id\":3,\"presence_stats\":{\"channel\":\"chat:a\"}}",
                 ERROR("3", "108", "not available"));
    expect_reply(&client, "{\"id\":4,\"presence\":{\"channel\":\"room:a\"}}",
                 ERROR("4", "103", "permission denied"));
    expect_reply(&client, "{\"id\":5,\"presence_stats\":{\"channel\":\"room:\u00e4\"}}",
                 ERROR("5", "107", "bad request"));
    assert_int_equal(fake_engine.request_count, 0);
    client_close(&client);
}

static void subscriber_gets_who_is_present_without_what_is_no_json(void **state)
{
    const struct hf_present_client clients[] = {
        {bytes_of("c1"), bytes_of("{\"user\":\"ann\",\"client\":\"c1\"}")},
        {bytes_of("c2"), bytes_of("not ours")},
        {bytes_of("c\"3"), bytes_of("{}")},
    };
    struct client client;

    client_connect(&client, *state);
    subscribe_to_room(&client);
    client_send(&client, "{\"id\":3,\"presence\":{\"channel\":\"room:a\"}}");
    complete_presence_get(3, HF_OK, clients, 3);
    expect_sent(&client, "[{\"id\":3,\"presence\":{\"presence\":{\"c1\":{\"user\":\"ann\","
                         "\"client\":\"c1\"},\"c\\\"3\":{}}}}]");
    client_send(&client, "{\"id\":4,\"presence\":{\"channel\":\"room:a\"}}");
    complete_presence_get(4, HF_OK, NULL, 0);
    expect_sent(&client, "[{\"id\":4,\"presence\":{\"presence\":{}}}]");
    client_close(&client);
}

static void subscriber_gets_the_numbers(void **state)
{
    struct client client;

    client_connect(&client, *state);
    subscribe_to_room(&client);
    client_send(&client, "{\"id\":3,\"presence_stats\":{\"channel\":\"room:a\"}}");
    complete_presence_stats(3, HF_OK, 5, 2);
    expect_sent(&client, "[{\"id\":3,\"presence_stats\":{\"num_clients\":5,\"num_users\":2}}]");
    client_close(&client);
}

static void errors_of_the_engine_are_temporary(void **state)
{
    const char *internal = "[{\"id\":3,\"error\":{\"code\":100,\"message\":\"internal server "
                           "error\",\"temporary\":true}}]";
    struct client client;

    client_connect(&client, *state);
    subscribe_to_room(&client);
    client_send(&client, "{\"id\":3,\"presence\":{\"channel\":\"room:a\"}}");
    complete_presence_get(3, HF_EUNAVAILABLE, NULL, 0);
    expect_sent(&client, internal);
    client_send(&client, "{\"id\":3,\"presence_stats\":{\"channel\":\"room:a\"}}");
    complete_presence_stats(4, HF_EUNAVAILABLE, 0, 0);
    expect_sent(&client, internal);
    fake_engine.refuse = HF_ELIMIT;
    expect_reply(&client, "{\"id\":3,\"presence\":{\"channel\":\"room:a\"}}", internal);
    expect_reply(&client, "{\"id\":3,\"presence_stats\":{\"channel\":\"room:a\"}}", internal);
    fake_engine.refuse = 0;
    client_close(&client);
}

static void presence_waits_for_the_subscribe_before_it(void **state)
{
    const struct hf_subscribe_result live = {.live = true};
    struct client client;

    client_connect(&client, *state);
    client_send(&client, "{\"id\":2,\"subscribe\":{\"channel\":\"room:a\"}}\n"
                         "{\"id\":3,\"presence\":{\"channel\":\"room:a\"}}\n"
                         "{\"id\":4,\"unsubscribe\":{\"channel\":\"room:a\"}}");
    complete_presence_add(0, HF_OK, false);
    assert_int_equal(fake_engine.request_count, 2);
    complete_subscribe(1, HF_OK, &live);
    assert_int_equal(fake_engine.request_count, 4); /* join, get */
    complete_presence_get(3, HF_OK, NULL, 0);
    assert_int_equal(request_at(4, FAKE_PRESENCE_REMOVE)->kind, FAKE_PRESENCE_REMOVE);
    expect_sent(&client, "[{\"id\":2,\"subscribe\":{}}\n{\"id\":3,\"presence\":{\"presence\":{}}}\n"
                         "{\"id\":4,\"unsubscribe\":{}}]");
    client_close(&client);
}

static void answers_for_a_gone_client_are_dropped(void **state)
{
    struct client client;

    client_connect(&client, *state);
    subscribe_to_room(&client);
    client_send(&client, "{\"id\":3,\"presence\":{\"channel\":\"room:a\"}}");
    client_close(&client);
    complete_presence_get(3, HF_OK, NULL, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(refusals_have_their_codes),
        CASE(subscriber_gets_who_is_present_without_what_is_no_json),
        CASE(subscriber_gets_the_numbers),
        CASE(errors_of_the_engine_are_temporary),
        CASE(presence_waits_for_the_subscribe_before_it),
        CASE(answers_for_a_gone_client_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
