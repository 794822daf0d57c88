/* How a unidirectional session starts (session_connect.c, session_join.c). */
#include "session_fixture.h"
#include "token_fixture.h"

#include "client/user_command.h"
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
        (void)snprintf(started + at, sizeof(started) - at, "%.*s@%llu%s%s ",
                       (int)channels[i].channel.len, channels[i].channel.data,
                       (unsigned long long)channels[i].position.offset,
                       channels[i].was_recovering ? " recovering" : "",
                       channels[i].is_recovered ? " recovered" : "");
    }
}

static struct hf_transport uni_transport;

static void open_client(struct client *client, struct fixture *fixture)
{
    started[0] = '\0';
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

static void start_as(struct client *client, bool is_strict, const char *text)
{
    struct hf_connect_request request;
    struct hf_arena arena;
    hf_arena_init(&arena, 65536);
    assert_int_equal(hf_connect_request_decode_json(hf_slice_of(text), &arena, &request, NULL),
                     HF_COMMAND_OK);
    hf_session_start(client->session, &request, is_strict);
    hf_arena_fini(&arena); /* the request is only borrowed */
    hf_hub_flush(client->fixture->worker.hub);
}

static void start_with(struct client *client, const char *text)
{
    start_as(client, false, text);
}

static void start_format(struct client *client, bool is_strict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void start_format(struct client *client, bool is_strict, const char *format, ...)
{
    char text[8192];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    start_as(client, is_strict, text);
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
    assert_string_equal(request_at(0, FAKE_SUBSCRIBE)->channel, "chat:a");
    complete_subscribe(1, HF_OK, &first);
    hf_hub_flush(client.fixture->worker.hub);
    assert_string_equal(client_sent(&client), "");
    complete_subscribe(0, HF_OK, &second);
    hf_hub_flush(client.fixture->worker.hub);
    assert_true(has_sent(&client, "\"chat:b\":{\"recoverable\":true"));
    assert_true(has_sent(&client, "\"offset\":5"));
    assert_string_equal(started, "chat:a@5 chat:b@3 ");
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
    assert_string_equal(started, "chat:a@4 recovering recovered ");
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

/* --- tokens --------------------------------------------------------------------------------- */

#define KEY "\"token\":{\"hmac_secret_key\":\"secret\"}"

static void who_may_not_connect_gets_a_disconnect_code_and_nothing_else(void **state)
{
    static const struct {
        const char *options;
        const char *claims; /* NULL: no token */
        unsigned code;
        const char *reason;
    } cases[] = {
        {KEY, NULL, 3501, "bad request"},
        {KEY, "{\"sub\":\"42\",\"exp\":1}", 3005, "connection expired"},
        {KEY, "{\"sub\":\"42\",\"nbf\":33000000000}", 3005, "connection expired"},
        {KEY, "{\"sub\":\"42\",\"expire_at\":1}", 3005, "connection expired"},
        {KEY, "{\"sub\":\"42\",\"channel\":\"chat:a\"}", 3500, "invalid token"},
        {KEY, "{\"sub\":\"42\",\"subs\":{\"nosuch:a\":{}}}", 3004, "internal server error"},
        {KEY ",\"disallow_anonymous_connection_tokens\":true", "{}", 3507, "permission denied"},
        {KEY ",\"channel_limit\":1", "{\"sub\":\"42\",\"channels\":[\"chat:x\"]}", 3505,
         "channel limit"},
        {"\"token\":{\"hmac_secret_key\":\"other\"}", "{\"sub\":\"42\"}", 3500, "invalid token"},
        {"\"insecure\":true", "{\"sub\":\"42\"}", 3500, "invalid token"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture *fixture = fixture_with(cases[i].options);
        struct client client;

        open_client(&client, fixture);
        start_format(&client, false, "{\"token\":\"%s\",\"subs\":{\"chat:a\":{}}}",
                     cases[i].claims == NULL ? "" : token_of("%s", cases[i].claims));
        expect_closed(&client, cases[i].code, cases[i].reason);
        expect_sent(&client, "");
        assert_string_equal(started, "");
        assert_int_equal(fake_engine.request_count, 0);
        client_close(&client);
        fixture_free(fixture);
    }
}

static void a_user_gets_the_channels_of_its_token_and_those_it_may_have(void **state)
{
    struct hf_subscribe_result result = {.position = {EPOCH, 3}, .top = {EPOCH, 3}, .live = true};
    struct fixture *fixture = fixture_with(KEY);
    struct client client;

    (void)state;
    open_client(&client, fixture);
    start_format(
        &client, false, "{\"token\":\"%s\",\"subs\":{\"chat:a\":{},\"closed:a\":{}}}",
        token_of("{\"sub\":\"42\",\"exp\":%lld,\"subs\":{\"closed:b\":{\"data\":{\"n\":1}}}}",
                 in_seconds(60)));
    assert_int_equal(fake_engine.request_count, 2);
    assert_string_equal(request_at(0, FAKE_SUBSCRIBE)->channel, "closed:b");
    assert_string_equal(request_at(1, FAKE_SUBSCRIBE)->channel, "chat:a");
    complete_subscribe(0, HF_OK, &result);
    complete_subscribe(1, HF_OK, &result);
    hf_hub_flush(fixture->worker.hub);
    assert_string_equal(started, "closed:b@0 chat:a@3 ");
    assert_true(has_sent(&client, "\"expires\":true,\"ttl\":"));
    assert_true(has_sent(&client, "\"closed:b\":{\"data\":{\"n\":1}}"));
    assert_false(has_sent(&client, "closed:a"));
    expect_open(&client);
    /* It has no way to refresh. */
    hf_session_tick(client.session, hf_session_deadline(client.session)); /* a ping */
    while (client.connection.close_code == 0) {
        hf_session_tick(client.session, hf_session_deadline(client.session));
    }
    expect_closed(&client, 3005, "connection expired");
    client_close(&client);
    fixture_free(fixture);
}

static void what_is_asked_for_strictly_ends_the_session_when_it_may_not_be_had(void **state)
{
    static const char *const channels[] = {"closed:a", "$chat:a", "closed:x#43"};
    struct fixture *fixture = fixture_with(KEY);

    (void)state;
    for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++) {
        struct client client;

        open_client(&client, fixture);
        start_format(&client, true, "{\"token\":\"%s\",\"subs\":{\"chat:a\":{},\"%s\":{}}}",
                     token_of("{\"sub\":\"42\"}"), channels[i]);
        expect_closed(&client, 3507, "permission denied");
        expect_sent(&client, "");
        assert_int_equal(fake_engine.request_count, 0);
        client_close(&client);
    }
    fixture_free(fixture);
}

static void a_subscription_token_alone_decides(void **state)
{
    static const struct {
        const char *claims;
        unsigned code; /* 0: it starts */
        const char *reason;
    } cases[] = {
        {"{\"sub\":\"42\",\"channel\":\"closed:a\"}", 0, NULL},
        {"{\"sub\":\"43\",\"channel\":\"closed:a\"}", 3500, "invalid token"},
        {"{\"channel\":\"closed:a\"}", 3500, "invalid token"},
        {"{\"sub\":\"42\",\"channel\":\"closed:b\"}", 3500, "invalid token"},
        {"{\"sub\":\"42\"}", 3507, "permission denied"},
        {"{\"sub\":\"42\",\"channel\":\"closed:a\",\"exp\":1}", 3005, "connection expired"},
        {"{\"sub\":\"42\",\"channel\":\"closed:a\",\"expire_at\":1}", 3005, "connection expired"},
    };
    struct hf_subscribe_result result = {.position = {EPOCH, 3}, .top = {EPOCH, 3}, .live = true};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture *fixture = fixture_with(KEY);
        struct client client;

        open_client(&client, fixture);
        start_format(&client, false,
                     "{\"token\":\"%s\",\"subs\":{\"closed:a\":{\"token\":\"%s\"}}}",
                     token_of("{\"sub\":\"42\"}"), token_of("%s", cases[i].claims));
        if (cases[i].code == 0) {
            complete_subscribe(0, HF_OK, &result);
            hf_hub_flush(fixture->worker.hub);
            assert_true(has_sent(&client, "\"subs\":{\"closed:a\":{}}"));
        } else {
            expect_closed(&client, cases[i].code, cases[i].reason);
            expect_sent(&client, "");
            assert_int_equal(fake_engine.request_count, 0);
        }
        client_close(&client);
        fixture_free(fixture);
    }
}

static void a_subscription_that_expires_ends_the_connection(void **state)
{
    struct hf_subscribe_result result = {.position = {EPOCH, 3}, .top = {EPOCH, 3}, .live = true};
    struct fixture *fixture =
        fixture_with(KEY ",\"ping_interval\":0,\"expired_sub_close_delay\":\"5s\"");
    struct client client;

    (void)state;
    open_client(&client, fixture);
    start_format(
        &client, false, "{\"token\":\"%s\",\"subs\":{\"closed:a\":{\"token\":\"%s\"}}}",
        token_of("{\"sub\":\"42\"}"),
        token_of("{\"sub\":\"42\",\"channel\":\"closed:a\",\"exp\":%lld}", in_seconds(60)));
    complete_subscribe(0, HF_OK, &result);
    hf_hub_flush(fixture->worker.hub);
    assert_true(has_sent(&client, "\"closed:a\":{\"expires\":true,\"ttl\":"));
    client_forget(&client);
    hf_session_tick(client.session, hf_session_deadline(client.session) - 2000);
    expect_open(&client);
    fixture->worker.now_ms = hf_session_deadline(client.session) + 2000;
    hf_session_tick(client.session, fixture->worker.now_ms);
    hf_session_tick(client.session, hf_session_deadline(client.session) + 70000);
    expect_closed(&client, 3006, "subscription expired");
    client_close(&client);
    fixture_free(fixture);
}

static void a_transient_session_has_only_what_it_came_for(void **state)
{
    struct hf_subscribe_result result = {.position = {EPOCH, 3}, .top = {EPOCH, 3}, .live = true};
    struct fixture *fixture = fixture_with(KEY);
    struct client client;

    (void)state;
    open_client(&client, fixture);
    uni_transport.is_transient = true;
    start_format(&client, true, "{\"token\":\"%s\",\"subs\":{\"closed:b\":{}}}",
                 token_of("{\"sub\":\"42\",\"channels\":[\"chat:x\",\"closed:b\"]}"));
    assert_int_equal(fake_engine.request_count, 1);
    complete_subscribe(0, HF_OK, &result);
    assert_string_equal(started, "closed:b@0 ");
    client_close(&client);
    open_client(&client, fixture);
    uni_transport.is_transient = true;
    start_format(&client, true, "{\"token\":\"%s\",\"subs\":{\"room:a\":{}}}",
                 token_of("{\"sub\":\"42\"}"));
    assert_string_equal(request_at(1, FAKE_SUBSCRIBE)->channel, "room:a"); /* no presence */
    client_close(&client);
    complete_subscribe(1, HF_OK, &result);
    fixture_free(fixture);
}

static void a_transient_session_is_not_the_single_connection_of_its_user(void **state)
{
    static const char newer[] = "single\n00000000-0000-4000-8000-000000000000\n42";
    struct fixture *fixture =
        fixture_with(KEY ",\"subscribe_to_user_personal_channel\":{\"enabled\":true,"
                         "\"single_connection\":true}");
    struct client client;

    (void)state;
    open_client(&client, fixture);
    uni_transport.is_transient = true;
    start_format(&client, true, "{\"token\":\"%s\",\"subs\":{\"chat:a\":{}}}",
                 token_of("{\"sub\":\"42\"}"));
    assert_int_equal(fake_engine.request_count, 1); /* nobody else is told to go */
    assert_string_equal(request_at(0, FAKE_SUBSCRIBE)->channel, "chat:a");
    assert_true(
        hf_user_command_take(&fixture->worker, (struct hf_bytes){newer, sizeof(newer) - 1}));
    expect_open(&client); /* nor does it have to */
    complete_subscribe(0, HF_OK, &(struct hf_subscribe_result){.live = true});
    client_close(&client);
    fixture_free(fixture);
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
        cmocka_unit_test(who_may_not_connect_gets_a_disconnect_code_and_nothing_else),
        cmocka_unit_test(a_user_gets_the_channels_of_its_token_and_those_it_may_have),
        cmocka_unit_test(what_is_asked_for_strictly_ends_the_session_when_it_may_not_be_had),
        cmocka_unit_test(a_subscription_token_alone_decides),
        cmocka_unit_test(a_subscription_that_expires_ends_the_connection),
        cmocka_unit_test(a_transient_session_has_only_what_it_came_for),
        cmocka_unit_test(a_transient_session_is_not_the_single_connection_of_its_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
