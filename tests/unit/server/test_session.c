#include "session_fixture.h"

#include <ctype.h>

static void expect_refused(const char *client_options, const char *frame, unsigned code,
                           const char *reason)
{
    struct fixture *fixture = fixture_with(client_options);
    struct client client;

    client_open(&client, fixture);
    client_send(&client, frame);
    expect_closed(&client, code, reason);
    expect_sent(&client, "");
    assert_int_equal(hf_session_deadline(client.session), UINT64_MAX);
    client_close(&client);
    fixture_free(fixture);
}

/* --- connect -------------------------------------------------------------------------------- */

static void is_uuid_v4(const char *text)
{
    for (int i = 0; i < 36; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            assert_int_equal(text[i], '-');
        } else {
            assert_true(isxdigit((unsigned char)text[i]) && !isupper((unsigned char)text[i]));
        }
    }
    assert_int_equal(text[14], '4');
    assert_non_null(strchr("89ab", text[19]));
}

static void anonymous_connect_gives_the_result(void **state)
{
    struct fixture *fixture = *state;
    const char *head = "[{\"id\":1,\"connect\":{\"client\":\"";
    const char *tail = "\",\"version\":\"Holdfast " HF_VERSION "\",\"ping\":25,\"pong\":true}}]";
    struct client client;

    client_open(&client, fixture);
    client_send(&client, "{\"id\":1,\"connect\":{\"name\":\"js\",\"data\":{\"a\":1}}}");
    expect_open(&client);
    assert_int_equal(client.connection.sent_len, strlen(head) + 36 + strlen(tail));
    assert_memory_equal(client_sent(&client), head, strlen(head));
    is_uuid_v4(client_sent(&client) + strlen(head));
    assert_string_equal(client_sent(&client) + strlen(head) + 36, tail);
    assert_int_equal(fixture->worker.counters.clients, 1);
    client_close(&client);
    assert_int_equal(fixture->worker.counters.clients, 0);
}

static void insecure_connect_with_server_time(void **state)
{
    struct fixture *fixture = fixture_with(
        "\"insecure\":true,\"connect_include_server_time\":true,\"ping_interval\":\"2500ms\","
        "\"pong_timeout\":\"1s\"");
    struct client client;

    (void)state;
    client_open(&client, fixture);
    client_send(&client, "{\"id\":7,\"connect\":{}}");
    assert_memory_equal(client_sent(&client), "[{\"id\":7,\"connect\":{", 20);
    assert_non_null(strstr(client_sent(&client), "\"ping\":3,\"pong\":true,\"time\":1"));
    client_close(&client);
    fixture_free(fixture);
}

static void two_clients_have_two_ids(void **state)
{
    struct client a;
    struct client b;

    client_connect(&a, *state);
    client_connect(&b, *state);
    assert_memory_not_equal(a.session->client_id, b.session->client_id, HF_CLIENT_ID_SIZE);
    client_close(&a);
    client_close(&b);
}

static void connect_without_credentials_is_bad_request(void **state)
{
    (void)state;
    expect_refused("", "{\"id\":1,\"connect\":{}}", 3501, "bad request");
}

static void any_token_is_invalid_without_a_key(void **state)
{
    (void)state;
    expect_refused(CLIENT_DEFAULTS, "{\"id\":1,\"connect\":{\"token\":\"eyJ\"}}", 3500,
                   "invalid token");
    expect_refused("\"insecure\":true", "{\"id\":1,\"connect\":{\"token\":\"eyJ\"}}", 3500,
                   "invalid token");
}

static void wished_channel_of_unknown_namespace_is_bad_request(void **state)
{
    (void)state;
    expect_refused(CLIENT_DEFAULTS,
                   "{\"id\":1,\"connect\":{\"subs\":{\"chat:a\":{},\"none:x\":{}}}}", 3501,
                   "bad request");
}

static void wished_channel_without_a_right_to_it_is_skipped(void **state)
{
    struct client client;

    client_open(&client, *state);
    client_send(&client, "{\"id\":1,\"connect\":{\"subs\":{\"closed:b\":{\"recover\":true},"
                         "\"$chat:a\":{}}}}");
    expect_open(&client);
    assert_null(strstr(client_sent(&client), "subs"));
    assert_int_equal(fake_engine.request_count, 0);
    client_close(&client);
}

/* --- what is no order of things ------------------------------------------------------------- */

static void commands_before_connect_are_bad_requests(void **state)
{
    (void)state;
    expect_refused(CLIENT_DEFAULTS, "{\"id\":1,\"subscribe\":{\"channel\":\"chat:a\"}}", 3501,
                   "bad request");
    expect_refused(CLIENT_DEFAULTS, "{}", 3501, "bad request"); /* an early pong */
    expect_refused(CLIENT_DEFAULTS, "{\"id\":1}", 3501, "bad request");
}

static void expect_ends(struct fixture *fixture, const char *frame, unsigned code,
                        const char *reason)
{
    struct client client;

    client_connect(&client, fixture);
    client_send(&client, frame);
    expect_closed(&client, code, reason);
    expect_sent(&client, "");
    assert_int_equal(fixture->worker.counters.clients, 0);
    client_close(&client);
}

static void bad_frames_end_the_connection(void **state)
{
    static const char *const frames[] = {
        "",
        "\n",
        "{\"id\":2,\"rpc\":{}}x",
        "{\"id\":2",
        "[]",
        "not json",
        "{\"id\":-1,\"rpc\":{}}",
        "{\"id\":\"2\",\"rpc\":{}}",
        "{\"id\":2,\"subscribe\":{\"channel\":7}}",
        "{\"id\":2,\"subscribe\":{\"channel\":\"\xff\"}}",
        "{\"id\":2,\"whatever\":{}}",
        "{\"id\":2,\"connect\":{}}",                   /* a second one */
        "{\"id\":2,\"ping\":{}}",                      /* no command of this protocol's clients */
        "{\"id\":2,\"subscribe\":{}}",                 /* empty channels */
        "{\"id\":2,\"unsubscribe\":{}}",               //
        "{\"id\":2,\"publish\":{\"data\":{}}}",        //
        "{\"id\":2,\"history\":{}}",                   //
        "{\"id\":2,\"presence\":{}}",                  //
        "{\"id\":2,\"presence_stats\":{}}",            //
        "{\"id\":2,\"sub_refresh\":{\"token\":\"\"}}", //
        "{\"id\":2,\"refresh\":{}}",                   /* empty token */
        "{}",                                          /* a pong without a ping */
        "{\"id\":2,\"subscribe\":{\"channel\":\"chat:a\",\"delta\":\"other\"}}",
    };

    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        expect_ends(*state, frames[i], 3501, "bad request");
    }
    assert_int_equal(fake_engine.request_count, 0);
}

static void unoffered_commands_have_their_codes(void **state)
{
    struct client client;

    expect_ends(*state, "{\"send\":{\"data\":{}}}", 3508, "not available");
    expect_ends(*state, "{\"id\":2,\"refresh\":{\"token\":\"t\"}}", 3500, "invalid token");
    client_connect(&client, *state);
    client_send(&client, "{\"id\":2,\"rpc\":{\"method\":\"m\"}}\n"
                         "{\"id\":3,\"presence\":{\"channel\":\"chat:a\"}}\n"
                         "{\"id\":4,\"presence_stats\":{\"channel\":\"chat:a\"}}\n"
                         "{\"id\":5,\"presence\":{\"channel\":\"none:a\"}}\n"
                         "{\"id\":6,\"sub_refresh\":{\"channel\":\"chat:a\",\"token\":\"t\"}}");
    expect_sent(&client, "[{\"id\":2,\"error\":{\"code\":108,\"message\":\"not available\"}}\n"
                         "{\"id\":3,\"error\":{\"code\":108,\"message\":\"not available\"}}\n"
                         "{\"id\":4,\"error\":{\"code\":108,\"message\":\"not available\"}}\n"
                         "{\"id\":5,\"error\":{\"code\":102,\"message\":\"unknown channel\"}}\n"
                         "{\"id\":6,\"error\":{\"code\":103,\"message\":\"permission denied\"}}]");
    client_close(&client);
}

static void sub_refresh_of_a_subscription_without_expiry(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_subscribe_live(&client, "chat:a", 0);
    client_send(&client, "{\"id\":3,\"sub_refresh\":{\"channel\":\"chat:a\"}}");
    expect_sent(&client, "[{\"id\":3,\"error\":{\"code\":107,\"message\":\"bad request\"}}]");
    client_send(&client, "{\"id\":4,\"sub_refresh\":{\"channel\":\"chat:a\",\"token\":\"t\"}}");
    expect_closed(&client, 3501, "bad request");
    client_close(&client);
}

static void replies_before_a_bad_command_are_sent(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_send(&client, "{\"id\":2,\"rpc\":{}}\n{\"id\":3,\"connect\":{}}\n{\"id\":4,\"rpc\":{}}");
    assert_string_equal(client_sent(&client),
                        "[{\"id\":2,\"error\":{\"code\":108,\"message\":\"not available\"}}]");
    expect_closed(&client, 3501, "bad request");
    client_close(&client);
}

static void replies_are_joined_sixteen_to_a_frame(void **state)
{
    struct client client;
    char frame[40 * 32] = "";

    client_connect(&client, *state);
    for (int i = 0; i < 40; i++) {
        char command[32];

        (void)snprintf(command, sizeof(command), "{\"id\":%d,\"rpc\":{}}\n", i + 2);
        strcat(frame, command);
    }
    client_send(&client, frame);
    assert_int_equal(client.connection.frames, 3);
    assert_non_null(strstr(client_sent(&client), "}}\n{\"id\":17,"));
    assert_non_null(strstr(client_sent(&client), "}}][{\"id\":18,"));
    assert_non_null(strstr(client_sent(&client), "}}][{\"id\":34,"));
    client_close(&client);
}

/* --- time ----------------------------------------------------------------------------------- */

static void client_without_connect_is_stale(void **state)
{
    struct fixture *fixture = *state;
    struct client client;

    client_open(&client, fixture);
    assert_int_equal(hf_session_deadline(client.session), fixture->worker.now_ms + 10000);
    hf_session_tick(client.session, fixture->worker.now_ms + 9999);
    expect_open(&client);
    hf_session_tick(client.session, fixture->worker.now_ms + 10000);
    expect_closed(&client, 3502, "stale");
    client_close(&client);
}

static void first_ping_is_in_the_second_half_of_the_interval(void **state)
{
    struct fixture *fixture = *state;
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;

    for (int i = 0; i < 300; i++) {
        struct client client;
        uint64_t wait_ms;

        client_connect(&client, fixture);
        wait_ms = hf_session_deadline(client.session) - fixture->worker.now_ms;
        assert_in_range(wait_ms, 12500, 24999);
        least = wait_ms < least ? wait_ms : least;
        most = wait_ms > most ? wait_ms : most;
        client_close(&client);
    }
    assert_true(most - least > 8000); /* spread, not all the same */
}

static void ping_and_pong_go_on(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    uint64_t now_ms;

    client_connect(&client, fixture);
    now_ms = hf_session_deadline(client.session);
    hf_session_tick(client.session, now_ms);
    expect_sent(&client, "[{}]");
    assert_int_equal(hf_session_deadline(client.session), now_ms + 8000);
    client_send(&client, "{}");
    expect_open(&client);
    assert_int_equal(hf_session_deadline(client.session), now_ms + 25000);
    hf_session_tick(client.session, now_ms + 25000);
    expect_sent(&client, "[{}]");
    client_send(&client, "{}\n{}"); /* two pongs for one ping */
    expect_closed(&client, 3501, "bad request");
    client_close(&client);
}

static void missing_pong_ends_the_connection(void **state)
{
    struct client client;
    uint64_t now_ms;

    client_connect(&client, *state);
    now_ms = hf_session_deadline(client.session);
    hf_session_tick(client.session, now_ms);
    hf_session_tick(client.session, now_ms + 7999);
    expect_open(&client);
    hf_session_tick(client.session, now_ms + 8000);
    expect_closed(&client, 3012, "no pong");
    assert_int_equal(hf_session_deadline(client.session), UINT64_MAX);
    client_close(&client);
}

/* --- ends ----------------------------------------------------------------------------------- */

static void nothing_is_done_after_a_disconnect(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_subscribe_live(&client, "chat:a", 0);
    client_send(&client, "{\"send\":{}}");
    expect_closed(&client, 3508, "not available");
    assert_int_equal(open_watches(), 0);
    client_send(&client, "{\"id\":3,\"subscribe\":{\"channel\":\"chat:b\"}}");
    hf_session_drained(client.session);
    hf_session_tick(client.session, UINT64_MAX - 1);
    assert_int_equal(fake_engine.request_count, 1);
    expect_closed(&client, 3508, "not available");
    client_close(&client);
}

static void frame_that_cannot_be_made_ends_the_connection(void **state)
{
    struct client client;

    client_connect(&client, *state);
    fake_wrap_fails = true;
    client_send(&client, "{\"id\":2,\"rpc\":{}}");
    expect_closed(&client, 3004, "internal server error");
    fake_wrap_fails = false;
    client_close(&client);
}

static void too_many_open_requests_are_refused(void **state)
{
    struct fixture *fixture = fixture_with(CLIENT_DEFAULTS);
    struct client client;

    (void)state;
    fixture->config->holdfast.session_requests_max = 2;
    client_connect(&client, fixture);
    for (int i = 0; i < 3; i++) {
        client_send(&client, "{\"id\":2,\"publish\":{\"channel\":\"plain:a\",\"data\":{}}}");
    }
    expect_sent(&client, "[{\"id\":2,\"error\":{\"code\":111,\"message\":\"too many requests\","
                         "\"temporary\":true}}]");
    complete_publish(0, HF_OK, (struct hf_position){0});
    client_forget(&client);
    client_send(&client, "{\"id\":3,\"publish\":{\"channel\":\"plain:a\",\"data\":{}}}");
    assert_int_equal(fake_engine.request_count, 3);
    client_close(&client);
    complete_publish(1, HF_OK, (struct hf_position){0});
    complete_publish(2, HF_ECLOSED, (struct hf_position){0});
    fixture_free(fixture);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(anonymous_connect_gives_the_result),
        cmocka_unit_test(insecure_connect_with_server_time),
        WITH_FIXTURE(two_clients_have_two_ids),
        cmocka_unit_test(connect_without_credentials_is_bad_request),
        cmocka_unit_test(any_token_is_invalid_without_a_key),
        cmocka_unit_test(wished_channel_of_unknown_namespace_is_bad_request),
        WITH_FIXTURE(wished_channel_without_a_right_to_it_is_skipped),
        cmocka_unit_test(commands_before_connect_are_bad_requests),
        WITH_FIXTURE(bad_frames_end_the_connection),
        WITH_FIXTURE(unoffered_commands_have_their_codes),
        WITH_FIXTURE(sub_refresh_of_a_subscription_without_expiry),
        WITH_FIXTURE(replies_before_a_bad_command_are_sent),
        WITH_FIXTURE(replies_are_joined_sixteen_to_a_frame),
        WITH_FIXTURE(client_without_connect_is_stale),
        WITH_FIXTURE(first_ping_is_in_the_second_half_of_the_interval),
        WITH_FIXTURE(ping_and_pong_go_on),
        WITH_FIXTURE(missing_pong_ends_the_connection),
        WITH_FIXTURE(nothing_is_done_after_a_disconnect),
        WITH_FIXTURE(frame_that_cannot_be_made_ends_the_connection),
        cmocka_unit_test(too_many_open_requests_are_refused),
    };

    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
