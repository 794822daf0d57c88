/* Sessions of users: connection and subscription tokens, expiry, server-side subscriptions. */
#include "session_fixture.h"
#include "token_fixture.h"

#define KEY      "\"token\":{\"hmac_secret_key\":\"secret\"}"
#define HEAD     "[{\"id\":1,\"connect\":{\"client\":\""
#define PING_END "\"ping\":25,\"pong\":true}}"
#define VERSION  "\",\"version\":\"Holdfast " HF_VERSION "\","

static void send_format(struct client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void send_format(struct client *client, const char *format, ...)
{
    char text[8192];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    client_send(client, text);
}

/* Opens a client and sends its connect command with this token. */
static void connect_with(struct client *client, struct fixture *fixture, const char *token)
{
    client_open(client, fixture);
    send_format(client, "{\"id\":1,\"connect\":{\"token\":\"%s\"}}", token);
    hf_hub_flush(fixture->worker.hub);
}

static void connect_well(struct client *client, struct fixture *fixture, const char *token)
{
    connect_with(client, fixture, token);
    expect_open(client);
    assert_memory_equal(client_sent(client), HEAD, strlen(HEAD));
    client_forget(client);
}

/* The connect result behind the client's id. */
static void expect_connected(struct client *client, const char *rest)
{
    hf_hub_flush(client->fixture->worker.hub);
    assert_true(client->connection.sent_len > strlen(HEAD) + 36);
    assert_memory_equal(client_sent(client), HEAD, strlen(HEAD));
    assert_string_equal(client_sent(client) + strlen(HEAD) + 36, rest);
    client_forget(client);
}

static void expect_error_reply(struct client *client, const char *id, const char *code,
                               const char *message)
{
    char text[256];

    (void)snprintf(text, sizeof(text), "[{\"id\":%s,\"error\":{\"code\":%s,\"message\":\"%s\"}}]",
                   id, code, message);
    expect_sent(client, text);
}

/* --- connect -------------------------------------------------------------------------------- */

static void connect_is_judged_by_its_token(void **state)
{
    static const struct {
        const char *options;
        const char *claims; /* NULL: no token */
        unsigned code;      /* disconnect; 0: an error reply, 1: connected */
        const char *text;
    } cases[] = {
        {KEY, NULL, 3501, "bad request"},
        {KEY ",\"allow_anonymous_connect_without_token\":true", NULL, 1, NULL},
        {KEY ",\"insecure\":true", NULL, 1, NULL},
        {KEY, "{}", 1, NULL},
        {KEY ",\"disallow_anonymous_connection_tokens\":true", "{}", 3507, "permission denied"},
        {KEY ",\"disallow_anonymous_connection_tokens\":true", "{\"sub\":\"1\"}", 1, NULL},
        {KEY, "{\"channel\":\"chat:a\"}", 3500, "invalid token"},
        {KEY, "{\"sub\":1}", 3500, "invalid token"},
        {KEY, "{\"exp\":1}", 0, "109"},
        {KEY ",\"insecure\":true", "{\"exp\":1}", 0, "109"},
        {KEY, "{\"nbf\":99999999999}", 0, "109"},
        {KEY, "{\"expire_at\":1}", 0, "110"},
        {KEY ",\"insecure\":true", "{\"expire_at\":1}", 1, NULL},
        {KEY, "{\"channels\":[\"none:a\"]}", 0, "102"},
        {KEY ",\"channel_limit\":1", "{\"channels\":[\"plain:a\",\"plain:b\"]}", 3505,
         "channel limit"},
        {"\"token\":{\"hmac_secret_key\":\"other\"}", "{}", 3500, "invalid token"},
        {"\"token\":{\"hmac_secret_key\":\"other\"},\"insecure_skip_token_signature_verify\":true",
         "{}", 1, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture *fixture = fixture_with(cases[i].options);
        struct client client;

        connect_with(&client, fixture,
                     cases[i].claims == NULL ? "" : token_of("%s", cases[i].claims));
        if (cases[i].code == 1) {
            expect_open(&client);
            assert_memory_equal(client_sent(&client), HEAD, strlen(HEAD));
        } else if (cases[i].code == 0) {
            expect_closed(&client, 1, "dropped");
            assert_non_null(strstr(client_sent(&client), cases[i].text));
            assert_memory_equal(client_sent(&client), "[{\"id\":1,\"error\":", 17);
        } else {
            expect_closed(&client, cases[i].code, cases[i].text);
            expect_sent(&client, "");
        }
        client_close(&client);
        fixture_free(fixture);
    }
}

static void connection_expires_unless_it_is_refreshed(void **state)
{
    struct fixture *fixture =
        fixture_with(KEY ",\"ping_interval\":0,\"expired_close_delay\":\"5s\"");
    uint64_t start_ms = fixture->worker.now_ms;
    struct client client;

    (void)state;
    connect_with(&client, fixture, token_of("{\"sub\":\"42\",\"exp\":%lld}", in_seconds(60)));
    assert_non_null(strstr(client_sent(&client), "\"expires\":true,\"ttl\":"));
    client_forget(&client);
    assert_in_range(hf_session_deadline(client.session), start_ms + 63000, start_ms + 65000);
    send_format(&client, "{\"id\":2,\"refresh\":{\"token\":\"%s\"}}",
                token_of("{\"sub\":\"42\",\"exp\":%lld}", in_seconds(1000)));
    assert_memory_equal(client_sent(&client), "[{\"id\":2,\"refresh\":{\"expires\":true,\"ttl\":",
                        strlen("[{\"id\":2,\"refresh\":{\"expires\":true,\"ttl\":"));
    client_forget(&client);
    assert_in_range(hf_session_deadline(client.session), start_ms + 1003000, start_ms + 1005000);
    send_format(&client, "{\"id\":3,\"refresh\":{\"token\":\"%s\"}}", token_of("{\"sub\":\"42\"}"));
    expect_sent(&client, "[{\"id\":3,\"refresh\":{}}]");
    assert_int_equal(hf_session_deadline(client.session), UINT64_MAX);
    send_format(&client, "{\"id\":4,\"refresh\":{\"token\":\"%s\"}}",
                token_of("{\"sub\":\"42\",\"exp\":%lld}", in_seconds(60)));
    client_forget(&client);
    hf_session_tick(client.session, start_ms + 60000);
    expect_open(&client);
    hf_session_tick(client.session, start_ms + 65000);
    expect_closed(&client, 3005, "connection expired");
    client_close(&client);
    fixture_free(fixture);
}

static void refresh_that_is_not_right_ends_the_connection(void **state)
{
    static const struct {
        const char *claims;
        unsigned code;
        const char *reason;
    } cases[] = {
        {"{\"sub\":\"42\",\"exp\":1}", 3005, "connection expired"},
        {"{\"sub\":\"42\",\"expire_at\":1}", 3005, "connection expired"},
        {"{\"sub\":\"43\"}", 3500, "invalid token"},
        {"{\"sub\":\"42\",\"channel\":\"a\"}", 3500, "invalid token"},
        {"{\"sub\":\"42\",\"channels\":[\"plain:a\"]}", 3010, "insufficient state"},
        {NULL, 3501, "bad request"},
    };
    struct fixture *fixture = fixture_with(KEY);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client client;

        connect_well(&client, fixture, token_of("{\"sub\":\"42\"}"));
        send_format(&client, "{\"id\":2,\"refresh\":{\"token\":\"%s\"}}",
                    cases[i].claims == NULL ? "" : token_of("%s", cases[i].claims));
        expect_closed(&client, cases[i].code, cases[i].reason);
        client_close(&client);
    }
    fixture_free(fixture);
}

static void user_connection_limit_counts_users_of_the_node(void **state)
{
    struct fixture *fixture = fixture_with(KEY ",\"user_connection_limit\":2");
    struct client clients[5];

    (void)state;
    connect_well(&clients[0], fixture, token_of("{\"sub\":\"42\"}"));
    connect_well(&clients[1], fixture, token_of("{\"sub\":\"42\"}"));
    connect_with(&clients[2], fixture, token_of("{\"sub\":\"42\"}"));
    expect_closed(&clients[2], 3504, "connection limit");
    connect_well(&clients[3], fixture, token_of("{\"sub\":\"43\"}"));
    client_close(&clients[0]);
    connect_well(&clients[4], fixture, token_of("{\"sub\":\"42\"}"));
    client_close(&clients[1]);
    client_close(&clients[2]);
    client_close(&clients[3]);
    client_close(&clients[4]);
    fixture_free(fixture);
}

static void publications_carry_user_and_infos(void **state)
{
    struct fixture *fixture = fixture_with(KEY);
    char expected[256];
    char id[HF_CLIENT_ID_TEXT_LEN + 1];
    struct client client;

    (void)state;
    connect_well(&client, fixture, token_of("{\"sub\":\"42\",\"info\":{\"n\":1}}"));
    send_format(&client, "{\"id\":2,\"subscribe\":{\"channel\":\"chat:a\",\"token\":\"%s\"}}",
                token_of("{\"sub\":\"42\",\"channel\":\"chat:a\",\"info\":[2]}"));
    complete_subscribe(0, HF_OK, &(struct hf_subscribe_result){.live = true});
    send_format(&client, "{\"id\":3,\"publish\":{\"channel\":\"chat:a\",\"data\":{}}}");
    hf_session_client_text(client.session, id);
    (void)snprintf(expected, sizeof(expected),
                   "{\"user\":\"42\",\"client\":\"%s\",\"conn_info\":{\"n\":1},\"chan_info\":[2]}",
                   id);
    assert_string_equal(request_at(1, FAKE_PUBLISH)->info, expected);
    complete_publish(1, HF_OK, (struct hf_position){EPOCH, 1});
    client_close(&client);
    fixture_free(fixture);
}

/* --- subscribe ------------------------------------------------------------------------------ */

static void subscription_token_alone_decides(void **state)
{
    static const struct {
        const char *channel;
        const char *claims;
        const char *code; /* error; NULL: taken; "3500": disconnected */
    } cases[] = {
        {"closed:a", "{\"sub\":\"42\",\"channel\":\"closed:a\"}", NULL},
        {"$closed:a", "{\"sub\":\"42\",\"channel\":\"$closed:a\"}", NULL},
        {"closed:a", "{\"sub\":\"42\",\"channel\":\"closed:b\"}", "3500"},
        {"closed:a", "{\"sub\":\"43\",\"channel\":\"closed:a\"}", "3500"},
        {"closed:a", "{\"channel\":\"closed:a\"}", "3500"},
        {"closed:a", "{\"sub\":\"42\",\"channel\":\"closed:a\",\"client\":\"x\"}", "3500"},
        {"chat:a", "{\"sub\":\"42\"}", "103"},
        {"chat:a", "{\"sub\":\"42\",\"channel\":\"chat:a\",\"exp\":1}", "109"},
        {"chat:a", "{\"sub\":\"42\",\"channel\":\"chat:a\",\"expire_at\":1}", "110"},
        {"none:a", "{\"sub\":\"42\",\"channel\":\"none:a\"}", "102"},
    };
    struct fixture *fixture = fixture_with(KEY);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client client;
        unsigned requests = fake_engine.request_count;

        connect_well(&client, fixture, token_of("{\"sub\":\"42\"}"));
        send_format(&client, "{\"id\":2,\"subscribe\":{\"channel\":\"%s\",\"token\":\"%s\"}}",
                    cases[i].channel, token_of("%s", cases[i].claims));
        if (cases[i].code == NULL) {
            assert_int_equal(fake_engine.request_count, requests + 1);
            complete_subscribe(requests, HF_OK, &(struct hf_subscribe_result){.live = true});
            expect_sent(&client, "[{\"id\":2,\"subscribe\":{}}]");
        } else if (strcmp(cases[i].code, "3500") == 0) {
            expect_closed(&client, 3500, "invalid token");
        } else {
            assert_non_null(strstr(client_sent(&client), cases[i].code));
            assert_int_equal(fake_engine.request_count, requests);
            expect_open(&client);
        }
        client_close(&client);
    }
    fixture_free(fixture);
}

static void subscription_expires_unless_it_is_refreshed(void **state)
{
    struct fixture *fixture =
        fixture_with(KEY ",\"ping_interval\":0,\"expired_sub_close_delay\":\"5s\"");
    uint64_t start_ms = fixture->worker.now_ms;
    struct client client;

    (void)state;
    connect_well(&client, fixture, token_of("{\"sub\":\"42\"}"));
    send_format(&client, "{\"id\":2,\"subscribe\":{\"channel\":\"plain:a\",\"token\":\"%s\"}}",
                token_of("{\"sub\":\"42\",\"channel\":\"plain:a\",\"exp\":%lld,\"data\":{\"d\":1}}",
                         in_seconds(60)));
    complete_subscribe(0, HF_OK, &(struct hf_subscribe_result){.live = true});
    hf_hub_flush(fixture->worker.hub);
    assert_memory_equal(client_sent(&client), "[{\"id\":2,\"subscribe\":{\"expires\":true,\"ttl\":",
                        strlen("[{\"id\":2,\"subscribe\":{\"expires\":true,\"ttl\":"));
    assert_non_null(strstr(client_sent(&client), ",\"data\":{\"d\":1}}}]"));
    client_forget(&client);
    assert_in_range(hf_session_deadline(client.session), start_ms + 63000, start_ms + 65000);
    send_format(&client, "{\"id\":3,\"sub_refresh\":{\"channel\":\"plain:a\",\"token\":\"%s\"}}",
                token_of("{\"sub\":\"42\",\"channel\":\"plain:a\",\"exp\":1}"));
    expect_sent(&client, "[{\"id\":3,\"error\":{\"code\":109,\"message\":\"token expired\","
                         "\"temporary\":true}}]");
    send_format(&client, "{\"id\":4,\"sub_refresh\":{\"channel\":\"plain:a\",\"token\":\"%s\"}}",
                token_of("{\"sub\":\"42\",\"channel\":\"plain:a\"}"));
    expect_sent(&client, "[{\"id\":4,\"sub_refresh\":{}}]");
    hf_session_tick(client.session, start_ms + 65000);
    expect_sent(&client, "");
    send_format(&client, "{\"id\":5,\"sub_refresh\":{\"channel\":\"plain:a\",\"token\":\"%s\"}}",
                token_of("{\"sub\":\"42\",\"channel\":\"plain:a\",\"exp\":%lld}", in_seconds(60)));
    client_forget(&client);
    hf_session_tick(client.session, start_ms + 66000);
    expect_sent(&client, "[{\"push\":{\"channel\":\"plain:a\",\"unsubscribe\":{\"code\":2501,"
                         "\"reason\":\"subscription expired\"}}}]");
    expect_open(&client);
    send_format(&client, "{\"id\":6,\"sub_refresh\":{\"channel\":\"plain:a\",\"token\":\"x\"}}");
    expect_error_reply(&client, "6", "103", "permission denied");
    client_close(&client);
    fixture_free(fixture);
}

static void subscription_that_is_due_while_it_is_made_ends_after_its_answer(void **state)
{
    struct fixture *fixture =
        fixture_with(KEY ",\"ping_interval\":0,\"expired_sub_close_delay\":0");
    uint64_t start_ms = fixture->worker.now_ms;
    struct client client;

    (void)state;
    connect_well(&client, fixture, token_of("{}"));
    send_format(&client, "{\"id\":2,\"subscribe\":{\"channel\":\"plain:a\",\"token\":\"%s\"}}",
                token_of("{\"channel\":\"plain:a\",\"exp\":%lld}", in_seconds(60)));
    hf_session_tick(client.session, start_ms + 60000);
    assert_int_equal(hf_session_deadline(client.session), start_ms + 61000);
    complete_subscribe(0, HF_OK, &(struct hf_subscribe_result){.live = true});
    hf_hub_flush(fixture->worker.hub);
    client_forget(&client);
    hf_session_tick(client.session, start_ms + 61000);
    assert_non_null(strstr(client_sent(&client), "\"code\":2501"));
    client_close(&client);
    fixture_free(fixture);
}

/* --- server-side subscriptions ---------------------------------------------------------------- */

static void connect_waits_for_the_subscriptions_of_its_token(void **state)
{
    struct fixture *fixture = fixture_with(KEY);
    struct client client;

    (void)state;
    client_open(&client, fixture);
    send_format(
        &client,
        "{\"id\":1,\"connect\":{\"token\":\"%s\",\"subs\":{\"chat:a\":{\"recover\":true,"
        "\"offset\":3}}}}\n{\"id\":2,\"subscribe\":{\"channel\":\"chat:a\"}}\n"
        "{\"id\":3,\"rpc\":{}}",
        token_of("{\"sub\":\"42\",\"channels\":[\"chat:none\"]," /* do not count beside subs */
                 "\"subs\":{\"plain:b\":{},\"chat:a\":{\"data\":{\"d\":1}}}}"));
    expect_sent(&client, "");
    assert_int_equal(fake_engine.request_count, 2);
    assert_true(request_at(1, FAKE_SUBSCRIBE)->subscribe.recover);
    assert_int_equal(request_at(1, FAKE_SUBSCRIBE)->subscribe.since.offset, 3);
    struct hf_page *page = page_of(4, 4);
    complete_subscribe(1, HF_OK,
                       &(struct hf_subscribe_result){.position = {EPOCH, 4},
                                                     .top = {EPOCH, 4},
                                                     .recovered = true,
                                                     .live = true,
                                                     .page = page});
    hf_page_unref(page);
    expect_sent(&client, "");
    complete_subscribe(0, HF_OK, &(struct hf_subscribe_result){.live = true});
    hf_hub_flush(fixture->worker.hub);
    assert_non_null(strstr(client_sent(&client),
                           "\"subs\":{\"plain:b\":{},\"chat:a\":{\"recoverable\":true,\"epoch\":"));
    assert_non_null(
        strstr(client_sent(&client),
               "\"publications\":[{\"data\":{\"n\":4},\"offset\":4}],\"recovered\":true,"
               "\"offset\":3,\"positioned\":true,\"data\":{\"d\":1},\"was_recovering\":true}}"));
    assert_non_null(
        strstr(client_sent(&client),
               "{\"id\":2,\"error\":{\"code\":105,\"message\":\"already subscribed\"}}\n"
               "{\"id\":3,\"error\":{\"code\":108,\"message\":\"not available\"}}"));
    client_forget(&client);
    assert_int_equal(hf_counter_read(&fixture->worker.counters.commands[HF_COMMAND_SUBSCRIBE]), 1);
    /* what was published to chat:a meanwhile is asked for from where the client is */
    assert_int_equal(fake_engine.request_count, 3);
    assert_int_equal(request_at(2, FAKE_CONTINUE)->subscribe.since.offset, 4);
    complete_subscribe(
        2, HF_OK,
        &(struct hf_subscribe_result){
            .position = {EPOCH, 4}, .top = {EPOCH, 4}, .recovered = true, .live = true});
    assert_int_equal(hf_session_find_subscription(client.session, HF_SLICE("chat:a"))->state,
                     HF_SUBSCRIPTION_LIVE);
    client_close(&client);
    fixture_free(fixture);
}

static void lost_server_side_subscription_ends_the_connection(void **state)
{
    struct fixture *fixture = fixture_with(KEY);
    struct client client;

    (void)state;
    connect_with(&client, fixture, token_of("{\"channels\":[\"chat:a\"]}"));
    complete_subscribe(
        0, HF_OK,
        &(struct hf_subscribe_result){.position = {EPOCH, 1}, .top = {EPOCH, 1}, .live = true});
    expect_open(&client);
    hf_hub_on_lost(hf_hub_find(fixture->worker.hub, HF_SLICE("chat:a")), HF_EUNRECOVERABLE);
    expect_closed(&client, 3010, "insufficient state");
    client_close(&client);
    fixture_free(fixture);
}

static void failed_server_side_subscription_fails_the_connect(void **state)
{
    struct fixture *fixture = fixture_with(KEY);
    struct client client;

    (void)state;
    connect_with(&client, fixture, token_of("{\"channels\":[\"chat:a\",\"chat:b\"]}"));
    complete_subscribe(1, HF_EUNAVAILABLE, NULL);
    expect_sent(&client, "[{\"id\":1,\"error\":{\"code\":100,\"message\":\"internal server error\","
                         "\"temporary\":true}}]");
    expect_closed(&client, 1, "dropped");
    complete_subscribe(0, HF_EUNAVAILABLE, NULL);
    client_close(&client);
    fixture_free(fixture);
}

static void client_that_leaves_while_it_joins_leaves_nothing(void **state)
{
    struct fixture *fixture = fixture_with(KEY);
    struct client client;

    (void)state;
    connect_with(&client, fixture,
                 token_of("{\"sub\":\"1\",\"channels\":[\"chat:a\",\"chat:b\"]}"));
    complete_subscribe(0, HF_OK, &(struct hf_subscribe_result){.live = true});
    client_close(&client);
    complete_subscribe(1, HF_OK, &(struct hf_subscribe_result){.live = true});
    fixture_free(fixture);
}

static void user_has_a_personal_channel(void **state)
{
    struct fixture *fixture =
        fixture_with(KEY ",\"subscribe_to_user_personal_channel\":{\"enabled\":true,"
                         "\"personal_channel_namespace\":\"plain\"}");
    struct client client;

    (void)state;
    connect_with(&client, fixture, token_of("{\"sub\":\"42\"}"));
    assert_string_equal(request_at(0, FAKE_SUBSCRIBE)->channel, "plain:#42");
    complete_subscribe(0, HF_OK, &(struct hf_subscribe_result){.live = true});
    expect_connected(&client, VERSION "\"subs\":{\"plain:#42\":{}}," PING_END "]");
    client_close(&client);
    connect_well(&client, fixture, token_of("{}"));
    assert_int_equal(fake_engine.request_count, 1);
    client_close(&client);
    fixture_free(fixture);
}

static void wished_channel_that_may_be_had_is_joined(void **state)
{
    struct fixture *fixture = fixture_with(CLIENT_DEFAULTS);
    struct client client;

    (void)state;
    client_open(&client, fixture);
    client_send(&client, "{\"id\":1,\"connect\":{\"subs\":{\"plain:a\":{},\"closed:a\":{}}}}");
    complete_subscribe(0, HF_OK, &(struct hf_subscribe_result){.live = true});
    expect_connected(&client, VERSION "\"subs\":{\"plain:a\":{}}," PING_END "]");
    client_close(&client);
    fixture_free(fixture);
}

/* Each is compared with all before it: thousands would keep the worker busy. */
static void wishes_beyond_the_limit_are_not_looked_at(void **state)
{
    struct fixture *fixture = fixture_with(CLIENT_DEFAULTS ",\"channel_limit\":2");
    struct client client;

    (void)state;
    client_open(&client, fixture);
    client_send(&client, "{\"id\":1,\"connect\":{\"subs\":{\"plain:a\":{},\"plain:b\":{},"
                         "\"plain:c\":{},\"nosuch:d\":{}}}}");
    expect_closed(&client, 3505, "channel limit");
    client_close(&client);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_is_judged_by_its_token),
        cmocka_unit_test(connection_expires_unless_it_is_refreshed),
        cmocka_unit_test(refresh_that_is_not_right_ends_the_connection),
        cmocka_unit_test(user_connection_limit_counts_users_of_the_node),
        cmocka_unit_test(publications_carry_user_and_infos),
        cmocka_unit_test(subscription_token_alone_decides),
        cmocka_unit_test(subscription_expires_unless_it_is_refreshed),
        cmocka_unit_test(subscription_that_is_due_while_it_is_made_ends_after_its_answer),
        cmocka_unit_test(connect_waits_for_the_subscriptions_of_its_token),
        cmocka_unit_test(lost_server_side_subscription_ends_the_connection),
        cmocka_unit_test(failed_server_side_subscription_fails_the_connect),
        cmocka_unit_test(client_that_leaves_while_it_joins_leaves_nothing),
        cmocka_unit_test(user_has_a_personal_channel),
        cmocka_unit_test(wished_channel_that_may_be_had_is_joined),
        cmocka_unit_test(wishes_beyond_the_limit_are_not_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
