/* How a unidirectional session starts (server/client/session_start.c). */
#include "session_fixture.h"

#include "command.h"

/* A connection of these tests writes down what `start` said. */
static char started[512];

static void note_start(struct hf_connection *connection, const struct hf_start_channel *channels,
                       size_t count)
{
    (void)connection;
    started[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t at = strlen(started);
        (void)snprintf(
            started + at, sizeof(started) - at, "%.*s@%llu%s%s%s ", (int)channels[i].channel.len,
            channels[i].channel.data, (unsigned long long)channels[i].position.offset,
            channels[i].was_recovering ? " recovering" : "",
            channels[i].is_recovered ? " recovered" : "", channels[i].has_more ? " more" : "");
    }
}

static struct hf_transport uni_transport;

static void open_client(struct client *client, struct fixture *fixture)
{
    uni_transport = fake_transport;
    uni_transport.encoder = &hf_encoder_json_bare;
    uni_transport.framing = HF_FRAMING_UNI_WEBSOCKET;
    uni_transport.is_unidirectional = true;
    uni_transport.start = note_start;
    memset(client, 0, sizeof(*client));
    client->fixture = fixture;
    client->session = hf_session_open(&fixture->worker, &uni_transport, &client->connection);
    assert_non_null(client->session);
}

static void start_with(struct client *client, const char *text)
{
    struct hf_connect_request request;
    struct hf_arena arena;
    hf_arena_init(&arena, 65536);
    assert_int_equal(hf_connect_request_decode_json(hf_slice_of(text), &arena, &request, NULL),
                     HF_COMMAND_OK);
    hf_session_start(client->session, &request);
    hf_arena_fini(&arena); /* the request is only borrowed */
    hf_hub_flush(client->fixture->worker.hub);
}

static bool has_sent(const struct client *client, const char *text)
{
    return strstr(client_sent(client), text) != NULL;
}

static void without_channels_the_connect_push_comes_at_once(void **state)
{
    struct client client;
    open_client(&client, *state);
    start_with(&client, "{}");
    assert_true(has_sent(&client, "[{\"connect\":{\"client\":\""));
    assert_false(has_sent(&client, "\"pong\""));
    assert_false(has_sent(&client, "\"subs\""));
    client_close(&client);
}

static void the_connect_push_waits_for_every_channel(void **state)
{
    struct client client;
    struct hf_subscribe_result first = {.position = {EPOCH, 3}, .top = {EPOCH, 3}, .live = true};
    struct hf_subscribe_result second = {.position = {EPOCH, 5}, .top = {EPOCH, 5}, .live = true};
    open_client(&client, *state);
    start_with(&client, "{\"subs\":{\"chat:a\":{},\"chat:b\":{}}}");
    assert_string_equal(request_at(0, FAKE_SUBSCRIBE)->channel, "chat:b");
    complete_subscribe(0, HF_OK, &first);
    hf_hub_flush(client.fixture->worker.hub);
    assert_string_equal(client_sent(&client), "");
    complete_subscribe(1, HF_OK, &second);
    hf_hub_flush(client.fixture->worker.hub);
    assert_true(has_sent(&client, "\"chat:b\":{\"recoverable\":true"));
    assert_true(has_sent(&client, "\"offset\":5"));
    assert_string_equal(started, "chat:b@3 chat:a@5 ");
    /* The one that waited goes on as a recovery from what it was told. */
    assert_true(request_at(2, FAKE_CONTINUE)->subscribe.recover);
    assert_int_equal(request_at(2, FAKE_CONTINUE)->subscribe.since.offset, 3);
    client_close(&client);
    complete_subscribe(2, HF_OK, &first);
}

static void what_was_missed_is_in_the_connect_push_and_more_follows(void **state)
{
    struct client client;
    struct hf_page *page = page_of(3, 4);
    struct hf_page *next_page = page_of(5, 6);
    struct hf_subscribe_result first = {
        .position = {EPOCH, 4}, .top = {EPOCH, 6}, .recovered = true, .page = page};
    struct hf_subscribe_result next = {.position = {EPOCH, 6},
                                       .top = {EPOCH, 6},
                                       .recovered = true,
                                       .live = true,
                                       .page = next_page};
    open_client(&client, *state);
    start_with(&client, "{\"subs\":{\"chat:a\":{\"recover\":true,\"offset\":2}}}");
    assert_int_equal(request_at(0, FAKE_SUBSCRIBE)->subscribe.since.offset, 2);
    complete_subscribe(0, HF_OK, &first);
    assert_string_equal(started, "chat:a@4 recovering recovered more ");
    assert_true(has_sent(&client, "\"publications\":[{"));
    assert_true(has_sent(&client, "\"offset\":2,\"positioned\":true,\"was_recovering\":true"));
    client_forget(&client);
    complete_subscribe(1, HF_OK, &next);
    assert_true(has_sent(&client, "{\"channel\":\"chat:a\",\"pub\":{"));
    assert_true(has_sent(&client, "\"offset\":6"));
    hf_page_unref(page);
    hf_page_unref(next_page);
    client_close(&client);
}

static void a_channel_that_may_not_be_had_is_left_out_an_unknown_one_ends_it(void **state)
{
    struct client client;
    open_client(&client, *state);
    start_with(&client, "{\"subs\":{\"closed:a\":{}}}");
    assert_true(has_sent(&client, "\"connect\""));
    assert_false(has_sent(&client, "closed"));
    client_close(&client);
    open_client(&client, *state);
    start_with(&client, "{\"subs\":{\"chat:a\":{},\"nosuch:a\":{}}}");
    expect_closed(&client, HF_DISCONNECT_BAD_REQUEST, "bad request");
    client_close(&client);
}

static void an_engine_that_fails_ends_the_connection_and_the_other_answer_finds_nobody(void **state)
{
    struct client client;
    struct hf_subscribe_result result = {.position = {EPOCH, 3}, .top = {EPOCH, 3}, .live = true};
    open_client(&client, *state);
    start_with(&client, "{\"subs\":{\"chat:a\":{},\"chat:b\":{},\"chat:c\":{}}}");
    complete_subscribe(0, HF_OK, &result);
    complete_subscribe(1, HF_ETIMEOUT, NULL);
    expect_closed(&client, HF_DISCONNECT_SERVER_ERROR, "internal server error");
    client_close(&client);
    complete_subscribe(2, HF_OK, &result);
}

static void a_client_that_leaves_while_it_starts_is_forgotten(void **state)
{
    struct client client;
    struct hf_subscribe_result result = {.position = {EPOCH, 3}, .top = {EPOCH, 3}, .live = true};
    open_client(&client, *state);
    start_with(&client, "{\"subs\":{\"chat:a\":{},\"chat:b\":{}}}");
    complete_subscribe(0, HF_OK, &result);
    client_close(&client);
    complete_subscribe(1, HF_OK, &result);
}

static void a_lost_stream_ends_the_connection_so_that_it_starts_again(void **state)
{
    struct client client;
    struct hf_subscribe_result result = {.position = {EPOCH, 3}, .top = {EPOCH, 3}, .live = true};
    open_client(&client, *state);
    start_with(&client, "{\"subs\":{\"chat:a\":{}}}");
    complete_subscribe(0, HF_OK, &result);
    hf_hub_on_lost(request_at(0, FAKE_SUBSCRIBE)->watch->context, HF_EUNRECOVERABLE);
    expect_closed(&client, HF_DISCONNECT_INSUFFICIENT_STATE, "insufficient state");
    client_close(&client);
}

static void a_ping_needs_no_pong(void **state)
{
    struct client client;
    uint64_t now_ms;
    open_client(&client, *state);
    start_with(&client, "{}");
    client_forget(&client);
    now_ms = hf_session_deadline(client.session);
    hf_session_tick(client.session, now_ms);
    assert_string_equal(client_sent(&client), "[{}]");
    assert_true(hf_session_deadline(client.session) >= now_ms + 25000);
    client_close(&client);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(without_channels_the_connect_push_comes_at_once),
        CASE(the_connect_push_waits_for_every_channel),
        CASE(what_was_missed_is_in_the_connect_push_and_more_follows),
        CASE(a_channel_that_may_not_be_had_is_left_out_an_unknown_one_ends_it),
        CASE(an_engine_that_fails_ends_the_connection_and_the_other_answer_finds_nobody),
        CASE(a_client_that_leaves_while_it_starts_is_forgotten),
        CASE(a_lost_stream_ends_the_connection_so_that_it_starts_again),
        CASE(a_ping_needs_no_pong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
