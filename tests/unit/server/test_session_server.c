/* What the server does to a session for a backend. */
#include "session_fixture.h"

#include "client/member.h"
#include "client/session_server.h"
#include "token_fixture.h"

#define EPOCH_TEXT "1700000000000000"
#define KEY        "\"token\":{\"hmac_secret_key\":\"secret\"}"

/* Carries out a command with these parameters. */
static void serve(struct client *client, enum hf_user_command_kind kind, const char *text)
{
    struct hf_user_command command;
    struct hf_arena arena;
    size_t len = strlen(text);
    char *copy = malloc(len); /* exact, and gone when the call is over */

    assert_non_null(copy);
    memcpy(copy, text, len);
    hf_arena_init(&arena, 0);
    assert_int_equal(hf_user_command_parse(kind, hf_slice(copy, len), &arena, &command),
                     HF_JSON_OK);
    assert_true(command.is_valid);
    hf_session_serve(client->session, &command);
    hf_arena_fini(&arena);
    free(copy);
    hf_hub_flush(client->fixture->worker.hub);
}

static const struct hf_subscribe_result live_at_4 = {
    .position = {EPOCH, 4}, .top = {EPOCH, 4}, .live = true};

/* --- subscribe ------------------------------------------------------------------------------ */

static void subscribed_client_is_told_and_gets_publications(void **state)
{
    struct client client;
    struct hf_publication *publication = publication_of(5, "{}");

    client_connect(&client, *state);
    serve(&client, HF_USER_SUBSCRIBE, "{\"channel\":\"chat:a\",\"data\":{\"x\":1}}");
    expect_sent(&client, "");
    complete_subscribe(0, HF_OK, &live_at_4);
    expect_sent(&client, "[{\"push\":{\"channel\":\"chat:a\",\"subscribe\":{\"recoverable\":true,"
                         "\"epoch\":\"" EPOCH_TEXT "\",\"offset\":4,\"positioned\":true,"
                         "\"data\":{\"x\":1}}}}]");
    hf_hub_on_publication(fake_engine.watches[0]->context, publication);
    assert_non_null(strstr(client_sent(&client), "\"pub\":{\"data\":{},\"offset\":5}"));
    client_forget(&client);
    serve(&client, HF_USER_SUBSCRIBE, "{\"channel\":\"chat:a\"}"); /* it is already */
    assert_int_equal(fake_engine.request_count, 1);
    client_send(&client, "{\"id\":3,\"subscribe\":{\"channel\":\"chat:a\"}}");
    assert_non_null(strstr(client_sent(&client), "\"code\":105"));
    hf_publication_unref(publication);
    client_close(&client);
}

static void missed_publications_follow_the_push(void **state)
{
    struct hf_page *page = page_of(3, 4);
    struct hf_subscribe_result result = live_at_4;
    struct client client;

    result.recovered = true;
    result.page = page;
    client_connect(&client, *state);
    serve(&client, HF_USER_SUBSCRIBE,
          "{\"channel\":\"chat:a\",\"recover_since\":{\"offset\":2,\"epoch\":\"" EPOCH_TEXT "\"}}");
    assert_true(request_at(0, FAKE_SUBSCRIBE)->subscribe.recover);
    assert_int_equal(request_at(0, FAKE_SUBSCRIBE)->subscribe.since.offset, 2);
    complete_subscribe(0, HF_OK, &result);
    hf_hub_flush(client.fixture->worker.hub);
    assert_non_null(strstr(client_sent(&client), "\"offset\":2,\"positioned\":true}"));
    assert_true(strstr(client_sent(&client), "\"subscribe\":") <
                strstr(client_sent(&client), "\"offset\":3"));
    assert_true(strstr(client_sent(&client), "\"offset\":3") <
                strstr(client_sent(&client), "\"offset\":4"));
    hf_page_unref(page);
    client_close(&client);
}

static void longer_recovery_goes_on_in_pages(void **state)
{
    struct hf_page *page = page_of(3, 3);
    struct hf_subscribe_result result = {
        .position = {EPOCH, 3}, .top = {EPOCH, 4}, .recovered = true, .page = page};
    struct client client;

    client_connect(&client, *state);
    serve(&client, HF_USER_SUBSCRIBE, "{\"channel\":\"chat:a\",\"recover_since\":{\"offset\":2}}");
    complete_subscribe(0, HF_OK, &result);
    assert_int_equal(request_at(1, FAKE_CONTINUE)->subscribe.since.offset, 3);
    client_forget(&client);
    hf_page_unref(page);
    page = page_of(4, 4);
    result = (struct hf_subscribe_result){
        .position = {EPOCH, 4}, .top = {EPOCH, 4}, .recovered = true, .live = true, .page = page};
    complete_subscribe(1, HF_OK, &result);
    hf_hub_flush(client.fixture->worker.hub);
    assert_non_null(strstr(client_sent(&client), "\"offset\":4"));
    assert_true(hf_hub_is_live(client.session->subscriptions[0]));
    hf_page_unref(page);
    client_close(&client);
}

static void failed_subscribe_leaves_nothing(void **state)
{
    struct client client;

    client_connect(&client, *state);
    serve(&client, HF_USER_SUBSCRIBE, "{\"channel\":\"chat:a\"}");
    complete_subscribe(0, HF_EUNAVAILABLE, NULL);
    assert_int_equal(open_watches(), 0);
    fake_engine.refuse = HF_ELIMIT;
    serve(&client, HF_USER_SUBSCRIBE, "{\"channel\":\"chat:a\"}");
    serve(&client, HF_USER_SUBSCRIBE, "{\"channel\":\"room:a\"}");
    fake_engine.refuse = 0;
    serve(&client, HF_USER_SUBSCRIBE, "{\"channel\":\"none:a\"}");
    assert_int_equal(open_watches(), 0);
    expect_sent(&client, "");
    expect_open(&client);
    serve(&client, HF_USER_SUBSCRIBE, "{\"channel\":\"room:a\"}");
    complete_presence_add(1, HF_EUNAVAILABLE, false);
    assert_int_equal(open_watches(), 0);
    client_close(&client);
}

static void session_that_closes_meanwhile_gets_nothing(void **state)
{
    struct client client;

    client_connect(&client, *state);
    serve(&client, HF_USER_SUBSCRIBE, "{\"channel\":\"chat:a\"}");
    serve(&client, HF_USER_SUBSCRIBE, "{\"channel\":\"room:a\"}");
    client_close(&client);
    complete_subscribe(0, HF_OK, &live_at_4);
    complete_presence_add(1, HF_OK, false);
    assert_int_equal(open_watches(), 0);
}

static void one_channel_too_many_ends_the_connection(void **state)
{
    struct fixture *fixture = *state;
    struct client client;

    fixture->config->client.channel_limit = 1;
    client_connect(&client, fixture);
    client_subscribe_live(&client, "plain:a", 0);
    serve(&client, HF_USER_SUBSCRIBE, "{\"channel\":\"plain:b\"}");
    expect_closed(&client, 3505, "channel limit");
    client_close(&client);
}

static void overrides_change_presence_joins_and_positions(void **state)
{
    struct client client;

    client_connect(&client, *state);
    serve(&client, HF_USER_SUBSCRIBE,
          "{\"channel\":\"chat:a\",\"override\":{\"presence\":{\"value\":true},"
          "\"join_leave\":{\"value\":true},\"force_push_join_leave\":{\"value\":true},"
          "\"force_recovery\":{\"value\":false},\"force_positioning\":{\"value\":true}}}");
    complete_presence_add(0, HF_OK, false);
    complete_subscribe(1, HF_OK, &live_at_4);
    expect_sent(&client, "[{\"push\":{\"channel\":\"chat:a\",\"subscribe\":{"
                         "\"epoch\":\"" EPOCH_TEXT "\",\"offset\":4,\"positioned\":true}}}]");
    assert_string_equal(request_at(2, FAKE_PRESENCE_JOIN)->channel, "chat:a");
    hf_member_on_join(fake_engine.watches[0]->context, (struct hf_bytes){"{}", 2});
    assert_non_null(strstr(client_sent(&client), "\"join\""));
    client_forget(&client);
    serve(&client, HF_USER_SUBSCRIBE,
          "{\"channel\":\"room:a\",\"override\":{\"presence\":{\"value\":false},"
          "\"join_leave\":{\"value\":false}}}");
    (void)request_at(3, FAKE_SUBSCRIBE); /* at once */
    complete_subscribe(3, HF_OK, &(struct hf_subscribe_result){.live = true});
    assert_int_equal(fake_engine.request_count, 4);
    client_close(&client);
}

/* --- unsubscribe ---------------------------------------------------------------------------- */

static void unsubscribed_client_is_told(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_subscribe_live(&client, "plain:a", 0);
    client_subscribe_live(&client, "plain:b", 0);
    client_subscribe_live(&client, "plain:c", 0);
    serve(&client, HF_USER_UNSUBSCRIBE, "{\"channel\":\"plain:x\"}");
    expect_sent(&client, "");
    serve(&client, HF_USER_UNSUBSCRIBE, "{\"channel\":\"plain:a\"}");
    expect_sent(&client, "[{\"push\":{\"channel\":\"plain:a\",\"unsubscribe\":{\"code\":2000,"
                         "\"reason\":\"server unsubscribe\"}}}]");
    serve(&client, HF_USER_UNSUBSCRIBE, "{}");
    assert_non_null(strstr(client_sent(&client), "plain:b"));
    assert_non_null(strstr(client_sent(&client), "plain:c"));
    assert_int_equal(open_watches(), 0);
    client_close(&client);
}

static void subscription_that_is_not_answered_yet_ends_with_its_answer(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_send(&client, "{\"id\":2,\"subscribe\":{\"channel\":\"plain:a\"}}");
    serve(&client, HF_USER_UNSUBSCRIBE, "{\"channel\":\"plain:a\"}");
    expect_sent(&client, "");
    complete_subscribe(0, HF_OK, &(struct hf_subscribe_result){.live = true});
    hf_hub_flush(client.fixture->worker.hub);
    assert_true(strstr(client_sent(&client), "{\"id\":2,\"subscribe\":{}}") <
                strstr(client_sent(&client), "\"code\":2000"));
    assert_int_equal(open_watches(), 0);
    client_close(&client);
}

/* --- refresh -------------------------------------------------------------------------------- */

static void refreshed_client_is_told_and_lives_on(void **state)
{
    struct client client;
    char text[128];

    client_connect(&client, *state);
    (void)snprintf(text, sizeof(text), "{\"expire_at\":%lld,\"info\":{\"v\":2}}", in_seconds(1000));
    serve(&client, HF_USER_REFRESH, text);
    assert_memory_equal(client_sent(&client), "[{\"push\":{\"refresh\":{\"expires\":true,\"ttl\":",
                        strlen("[{\"push\":{\"refresh\":{\"expires\":true,\"ttl\":"));
    client_forget(&client);
    assert_true(hf_session_deadline(client.session) < UINT64_MAX);
    assert_memory_equal(client.session->identity->info, "{\"v\":2}", 7);
    serve(&client, HF_USER_REFRESH, "{}");
    expect_sent(&client, "[{\"push\":{\"refresh\":{}}}]");
    assert_int_equal(client.session->identity->close_at_ms, HF_SESSION_NEVER);
    client_close(&client);
}

static void expired_client_is_disconnected(void **state)
{
    static const char *const texts[] = {"{\"expired\":true}", "{\"expire_at\":1}",
                                        "{\"expire_at\":-5}"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct client client;

        client_connect(&client, *state);
        serve(&client, HF_USER_REFRESH, texts[i]);
        expect_closed(&client, 3005, "connection expired");
        client_close(&client);
    }
}

static void dates_that_no_clock_reaches_are_the_last_or_the_first_one(void **state)
{
    struct client client;

    client_connect(&client, *state);
    serve(&client, HF_USER_REFRESH, "{\"expire_at\":9223372036854775807}");
    expect_sent(&client, "[{\"push\":{\"refresh\":{\"expires\":true,\"ttl\":31536000}}}]");
    serve(&client, HF_USER_REFRESH, "{\"expire_at\":-9223372036854775808}");
    expect_closed(&client, 3005, "connection expired");
    client_close(&client);
}

static void subscription_of_a_date_before_1970_ends(void **state)
{
    struct client client;

    client_connect(&client, *state);
    serve(&client, HF_USER_SUBSCRIBE,
          "{\"channel\":\"chat:a\",\"expire_at\":-9223372036854775808}");
    complete_subscribe(0, HF_OK, &live_at_4);
    hf_session_tick(client.session, hf_session_deadline(client.session));
    expect_closed(&client, 3006, "subscription expired");
    client_close(&client);
}

/* Who carries a command out on many has the next one in hand while the one before says goodbye. */
static void session_that_is_closing_keeps_nothing(void **state)
{
    struct client client;

    client_connect(&client, *state);
    hf_session_disconnect(client.session, HF_DISCONNECT_SERVER_ERROR);
    serve(&client, HF_USER_SUBSCRIBE, "{\"channel\":\"chat:a\"}");
    assert_null(client.session->identity);
    client_close(&client);
}

/* --- while the connect command waits -------------------------------------------------------- */

static void commands_wait_for_the_connect_command(void **state)
{
    struct fixture *fixture = fixture_with(KEY);
    struct client client;
    char text[8192];

    (void)state;
    client_open(&client, fixture);
    (void)snprintf(text, sizeof(text), "{\"id\":1,\"connect\":{\"token\":\"%s\"}}",
                   token_of("{\"sub\":\"ann\",\"channels\":[\"plain:a\"]}"));
    client_send(&client, text);
    serve(&client, HF_USER_SUBSCRIBE, "{\"channel\":\"plain:b\"}");
    serve(&client, HF_USER_UNSUBSCRIBE, "{\"channel\":\"plain:a\"}");
    assert_int_equal(fake_engine.request_count, 1);
    expect_sent(&client, "");
    complete_subscribe(0, HF_OK, &(struct hf_subscribe_result){.live = true});
    hf_hub_flush(fixture->worker.hub);
    assert_true(strstr(client_sent(&client), "\"connect\"") <
                strstr(client_sent(&client), "\"code\":2000"));
    assert_string_equal(request_at(1, FAKE_SUBSCRIBE)->channel, "plain:b");
    complete_subscribe(1, HF_OK, &(struct hf_subscribe_result){.live = true});
    expect_open(&client);
    client_close(&client);
    fixture_free(fixture);
}

static void waiting_commands_are_bounded_and_a_disconnect_does_not_wait(void **state)
{
    struct fixture *fixture = fixture_with(KEY);
    char text[8192];

    (void)state;
    fixture->config->holdfast.session_requests_max = 2;
    for (int i = 0; i < 2; i++) {
        struct client client;

        client_open(&client, fixture);
        (void)snprintf(text, sizeof(text), "{\"id\":1,\"connect\":{\"token\":\"%s\"}}",
                       token_of("{\"sub\":\"ann\",\"channels\":[\"plain:a\"]}"));
        client_send(&client, text);
        serve(&client, HF_USER_SUBSCRIBE, "{\"channel\":\"plain:b\"}");
        serve(&client, HF_USER_SUBSCRIBE, "{\"channel\":\"plain:c\"}");
        expect_open(&client);
        if (i == 0) {
            serve(&client, HF_USER_SUBSCRIBE, "{\"channel\":\"plain:d\"}");
            expect_closed(&client, 3004, "internal server error");
        } else {
            serve(&client, HF_USER_DISCONNECT, "{}");
            expect_closed(&client, 3503, "force disconnect");
        }
        client_close(&client);
        complete_subscribe((unsigned)i, HF_OK, &(struct hf_subscribe_result){.live = true});
    }
    fixture_free(fixture);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(subscribed_client_is_told_and_gets_publications),
        WITH_FIXTURE(missed_publications_follow_the_push),
        WITH_FIXTURE(longer_recovery_goes_on_in_pages),
        WITH_FIXTURE(failed_subscribe_leaves_nothing),
        WITH_FIXTURE(session_that_closes_meanwhile_gets_nothing),
        WITH_FIXTURE(one_channel_too_many_ends_the_connection),
        WITH_FIXTURE(overrides_change_presence_joins_and_positions),
        WITH_FIXTURE(unsubscribed_client_is_told),
        WITH_FIXTURE(subscription_that_is_not_answered_yet_ends_with_its_answer),
        WITH_FIXTURE(refreshed_client_is_told_and_lives_on),
        WITH_FIXTURE(expired_client_is_disconnected),
        WITH_FIXTURE(dates_that_no_clock_reaches_are_the_last_or_the_first_one),
        WITH_FIXTURE(subscription_of_a_date_before_1970_ends),
        WITH_FIXTURE(session_that_is_closing_keeps_nothing),
        cmocka_unit_test(commands_wait_for_the_connect_command),
        cmocka_unit_test(waiting_commands_are_bounded_and_a_disconnect_does_not_wait),
    };

    return cmocka_run_group_tests_name("session_server", tests, NULL, NULL);
}
