#include "session_fixture.h"

#include "client/member.h"

#define SUBSCRIBE(id, channel) "{\"id\":" id ",\"subscribe\":{\"channel\":\"" channel "\"}}"
#define ASK_JOINS(id, channel)                                                                     \
    "{\"id\":" id ",\"subscribe\":{\"channel\":\"" channel "\",\"join_leave\":true}}"
#define UNSUBSCRIBE(id, channel) "{\"id\":" id ",\"unsubscribe\":{\"channel\":\"" channel "\"}}"

static const struct hf_subscribe_result live = {.live = true};

static struct hf_bytes bytes_of(const char *text)
{
    return (struct hf_bytes){text, strlen(text)};
}

/* The client's part of a request is that of this session. */
static void expect_client(const struct fake_request *request, const struct client *client)
{
    char id[HF_CLIENT_ID_TEXT_LEN + 1];
    char info[128];

    hf_session_client_text(client->session, id);
    (void)snprintf(info, sizeof(info), "{\"user\":\"\",\"client\":\"%s\"}", id);
    assert_string_equal(request->client, id);
    assert_string_equal(request->info, info);
}

/* Subscribes with three requests from `first` on: add, subscribe, join. */
static void subscribe_to_room(struct client *client, unsigned first, const char *command)
{
    client_send(client, command);
    complete_presence_add(first, HF_OK, false);
    complete_subscribe(first + 1, HF_OK, &live);
    hf_hub_flush(client->fixture->worker.hub);
    client_forget(client);
}

static void client_is_present_before_the_reply_and_joins_after_it(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_send(&client, SUBSCRIBE("2", "room:a"));
    expect_client(request_at(0, FAKE_PRESENCE_ADD), &client);
    assert_string_equal(request_at(0, FAKE_PRESENCE_ADD)->channel, "room:a");
    assert_int_equal(fake_engine.request_count, 1);
    complete_presence_add(0, HF_OK, false);
    assert_int_equal(request_at(1, FAKE_SUBSCRIBE)->kind, FAKE_SUBSCRIBE);
    expect_sent(&client, "");
    complete_subscribe(1, HF_OK, &live);
    expect_client(request_at(2, FAKE_PRESENCE_JOIN), &client);
    expect_sent(&client, "[{\"id\":2,\"subscribe\":{}}]");
    client_send(&client, UNSUBSCRIBE("3", "room:a"));
    expect_client(request_at(3, FAKE_PRESENCE_REMOVE), &client);
    assert_true(request_at(3, FAKE_PRESENCE_REMOVE)->removal.tells);
    assert_int_equal(request_at(3, FAKE_PRESENCE_REMOVE)->removal.grace_ms, 0);
    assert_int_equal(fake_engine.request_count, 4);
    client_close(&client);
    assert_int_equal(fake_engine.request_count, 4);
}

static void plain_channel_asks_for_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct client client;

    client_connect(&client, fixture);
    client_subscribe_live(&client, "plain:a", 0);
    assert_true(TAILQ_EMPTY(hf_hub_members(fixture->worker.hub)));
    client_close(&client);
    assert_int_equal(fake_engine.request_count, 1);
}

static void closed_connection_leaves_all_its_channels(void **state)
{
    struct client client;

    client_connect(&client, *state);
    subscribe_to_room(&client, 0, SUBSCRIBE("2", "room:a"));
    subscribe_to_room(&client, 3, SUBSCRIBE("3", "room:b"));
    client_close(&client);
    assert_string_equal(request_at(6, FAKE_PRESENCE_REMOVE)->channel, "room:b");
    assert_string_equal(request_at(7, FAKE_PRESENCE_REMOVE)->channel, "room:a");
    assert_int_equal(fake_engine.request_count, 8);
}

static void connection_that_closes_during_the_add_is_removed_without_a_leave(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_send(&client, SUBSCRIBE("2", "room:a"));
    client_close(&client);
    assert_false(request_at(1, FAKE_PRESENCE_REMOVE)->removal.tells);
    complete_presence_add(0, HF_OK, false);
    assert_int_equal(fake_engine.request_count, 2);
}

static void failed_add_is_a_temporary_error_and_taken_back(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_send(&client, SUBSCRIBE("2", "room:a"));
    complete_presence_add(0, HF_EUNAVAILABLE, false);
    expect_sent(&client, "[{\"id\":2,\"error\":{\"code\":100,\"message\":\"internal server error\","
                         "\"temporary\":true}}]");
    assert_string_equal(request_at(1, FAKE_PRESENCE_REMOVE)->channel, "room:a");
    client_forget(&client);
    subscribe_to_room(&client, 2, SUBSCRIBE("3", "room:a"));
    client_close(&client);
}

static void failed_subscribe_takes_the_presence_back_without_a_leave(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_send(&client, SUBSCRIBE("2", "room:a"));
    complete_presence_add(0, HF_OK, false);
    complete_subscribe(1, HF_EUNAVAILABLE, &live);
    assert_false(request_at(2, FAKE_PRESENCE_REMOVE)->removal.tells);
    assert_int_equal(fake_engine.request_count, 3);
    expect_open(&client);
    client_close(&client);
}

static void refused_add_is_an_error_reply(void **state)
{
    struct client client;

    client_connect(&client, *state);
    fake_engine.refuse = HF_ELIMIT;
    client_send(&client, SUBSCRIBE("2", "room:a"));
    fake_engine.refuse = 0;
    expect_sent(&client, "[{\"id\":2,\"error\":{\"code\":100,\"message\":\"internal server "
                         "error\",\"temporary\":true}}]");
    client_close(&client);
    assert_int_equal(fake_engine.request_count, 0);
}

static void user_who_has_returned_does_not_join_but_leaves(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_send(&client, SUBSCRIBE("2", "room:a"));
    complete_presence_add(0, HF_OK, true);
    complete_subscribe(1, HF_OK, &live);
    assert_int_equal(fake_engine.request_count, 2);
    client_close(&client);
    assert_true(request_at(2, FAKE_PRESENCE_REMOVE)->removal.tells);
}

static void configured_delay_is_the_grace(void **state)
{
    struct fixture *fixture = *state;
    struct client client;

    fixture->config->holdfast.presence_leave_delay_ms = 1500;
    client_connect(&client, fixture);
    subscribe_to_room(&client, 0, SUBSCRIBE("2", "room:a"));
    client_close(&client);
    assert_int_equal(request_at(3, FAKE_PRESENCE_REMOVE)->removal.grace_ms, 1500);
}

static void channel_without_presence_still_tells_joins_and_leaves(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_subscribe_live(&client, "lobby:a", 0);
    assert_int_equal(request_at(1, FAKE_PRESENCE_JOIN)->kind, FAKE_PRESENCE_JOIN);
    client_close(&client);
    assert_true(request_at(2, FAKE_PRESENCE_REMOVE)->removal.tells);
}

/* --- pushes --------------------------------------------------------------------------------- */

static void news_go_to_those_who_get_them(void **state)
{
    struct client asks, deaf;
    const char *join = "[{\"push\":{\"channel\":\"room:a\",\"join\":{\"info\":{\"user\":\"u\"}}}}]";
    const char *leave =
        "[{\"push\":{\"channel\":\"room:a\",\"leave\":{\"info\":{\"user\":\"u\"}}}}]";

    client_connect(&asks, *state);
    client_connect(&deaf, *state);
    subscribe_to_room(&asks, 0, ASK_JOINS("2", "room:a"));
    subscribe_to_room(&deaf, 3, SUBSCRIBE("2", "room:a"));
    hf_member_on_join(fake_engine.watches[0]->context, bytes_of("{\"user\":\"u\"}"));
    expect_sent(&asks, join);
    expect_sent(&deaf, "");
    hf_member_on_leave(fake_engine.watches[0]->context, bytes_of("{\"user\":\"u\"}"));
    expect_sent(&asks, leave);
    hf_member_on_leave(fake_engine.watches[0]->context, bytes_of("not ours"));
    expect_sent(&asks, "");
    client_close(&asks);
    client_close(&deaf);
}

static void forced_news_go_to_all_who_were_answered(void **state)
{
    struct client answered, waits;

    client_connect(&answered, *state);
    client_connect(&waits, *state);
    client_subscribe_live(&answered, "lobby:a", 0);
    client_send(&waits, SUBSCRIBE("2", "lobby:a"));
    hf_member_on_join(fake_engine.watches[0]->context, bytes_of("{}"));
    expect_sent(&answered, "[{\"push\":{\"channel\":\"lobby:a\",\"join\":{\"info\":{}}}}]");
    expect_sent(&waits, "");
    client_close(&answered);
    client_close(&waits);
    complete_subscribe(2, HF_ECLOSED, &live);
}

/* --- refresh -------------------------------------------------------------------------------- */

static void members_are_refreshed_together_when_their_time_has_come(void **state)
{
    struct fixture *fixture = *state;
    uint64_t interval_ms = (uint64_t)fixture->config->client.presence_update_interval_ms;
    uint64_t start_ms = fixture->worker.now_ms;
    struct client client;
    unsigned next;

    client_connect(&client, fixture);
    fixture->config->client.channel_limit = 1000;
    for (unsigned i = 0; i < HF_PRESENCE_BATCH_MAX + 2; i++) {
        char command[80];

        (void)snprintf(command, sizeof(command), SUBSCRIBE("2", "room:%u"), i);
        subscribe_to_room(&client, i * 3, command);
    }
    next = fake_engine.request_count;
    hf_members_refresh(&fixture->worker, start_ms + interval_ms - 1);
    assert_int_equal(fake_engine.request_count, next);
    hf_members_refresh(&fixture->worker, start_ms + interval_ms);
    assert_int_equal(fake_engine.request_count, next + 2);
    assert_int_equal(request_at(next, FAKE_PRESENCE_REFRESH)->count, HF_PRESENCE_BATCH_MAX);
    assert_int_equal(request_at(next + 1, FAKE_PRESENCE_REFRESH)->count, 2);
    expect_client(request_at(next, FAKE_PRESENCE_REFRESH), &client);
    assert_string_equal(request_at(next, FAKE_PRESENCE_REFRESH)->channel, "room:0");
    complete_done(next, FAKE_PRESENCE_REFRESH, HF_OK);
    complete_done(next + 1, FAKE_PRESENCE_REFRESH, HF_EUNAVAILABLE);
    hf_members_refresh(&fixture->worker, start_ms + interval_ms);
    assert_int_equal(fake_engine.request_count, next + 2);

    fake_engine.refuse = HF_ELIMIT;
    hf_members_refresh(&fixture->worker, start_ms + 2 * interval_ms);
    fake_engine.refuse = 0;
    hf_members_refresh(&fixture->worker, start_ms + 2 * interval_ms);
    assert_int_equal(fake_engine.request_count, next + 4);
    client_close(&client);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(client_is_present_before_the_reply_and_joins_after_it),
        CASE(plain_channel_asks_for_nothing),
        CASE(closed_connection_leaves_all_its_channels),
        CASE(connection_that_closes_during_the_add_is_removed_without_a_leave),
        CASE(failed_add_is_a_temporary_error_and_taken_back),
        CASE(failed_subscribe_takes_the_presence_back_without_a_leave),
        CASE(refused_add_is_an_error_reply),
        CASE(user_who_has_returned_does_not_join_but_leaves),
        CASE(configured_delay_is_the_grace),
        CASE(channel_without_presence_still_tells_joins_and_leaves),
        CASE(news_go_to_those_who_get_them),
        CASE(forced_news_go_to_all_who_were_answered),
        CASE(members_are_refreshed_together_when_their_time_has_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
