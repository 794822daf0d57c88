/* Commands on users: their text, their way over the bus, and one connection per user. */
#include "session_fixture.h"

#include "client/user_command.h"
#include "token_fixture.h"

#define KEY "\"token\":{\"hmac_secret_key\":\"secret\"}"
#define SINGLE                                                                                     \
    KEY ",\"subscribe_to_user_personal_channel\":{\"enabled\":true,\"single_connection\":true,"    \
        "\"personal_channel_namespace\":\"plain\"}"

static void connect_as(struct client *client, struct fixture *fixture, const char *user)
{
    char text[8192];

    client_open(client, fixture);
    (void)snprintf(text, sizeof(text), "{\"id\":1,\"connect\":{\"token\":\"%s\"}}",
                   token_of("{\"sub\":\"%s\"}", user));
    client_send(client, text);
    hf_hub_flush(fixture->worker.hub);
    expect_open(client);
    client_forget(client);
}

/* Says to the worker what the bus brings, as an exact copy for the sanitizers. */
static bool hear(struct fixture *fixture, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool hear(struct fixture *fixture, const char *format, ...)
{
    char text[4096];
    char *copy;
    size_t len;
    bool is_taken;
    va_list args;

    va_start(args, format);
    len = (size_t)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    copy = malloc(len);
    assert_non_null(copy);
    memcpy(copy, text, len);
    is_taken = hf_user_command_take(&fixture->worker, (struct hf_bytes){copy, len});
    free(copy);
    return is_taken;
}

static const char *id_of(const struct client *client)
{
    static char texts[4][HF_CLIENT_ID_TEXT_LEN + 1];
    static unsigned next;
    char *text = texts[next++ % 4];

    hf_session_client_text(client->session, text);
    return text;
}

/* --- the text ------------------------------------------------------------------------------- */

static void every_parameter_is_read(void **state)
{
    struct hf_user_command command;
    struct hf_arena arena;

    (void)state;
    hf_arena_init(&arena, 0);
    assert_int_equal(
        hf_user_command_parse(
            HF_USER_SUBSCRIBE,
            HF_SLICE("{\"user\":\"u\",\"CLIENT\":\"c\",\"session\":\"s\",\"channel\":\"ch\","
                     "\"info\":{\"a\":1},\"b64data\":\"eyJiIjoyfQ==\",\"data\":1,"
                     "\"expire_at\":77,\"recover_since\":{\"offset\":9,\"epoch\":\"e\"},"
                     "\"override\":{\"presence\":{\"value\":true},\"join_leave\":{}},\"x\":[]}"),
            &arena, &command),
        HF_JSON_OK);
    assert_true(command.is_valid);
    assert_true(hf_slice_equal(command.user, HF_SLICE("u")));
    assert_true(hf_slice_equal(command.client, HF_SLICE("c")));
    assert_true(hf_slice_equal(command.session, HF_SLICE("s")));
    assert_true(hf_slice_equal(command.channel, HF_SLICE("ch")));
    assert_true(hf_slice_equal(command.sub.info, HF_SLICE("{\"a\":1}")));
    assert_true(hf_slice_equal(command.sub.data, HF_SLICE("{\"b\":2}")));
    assert_int_equal(command.expire_at_s, 77);
    assert_true(command.has_since);
    assert_int_equal(command.since_offset, 9);
    assert_true(hf_slice_equal(command.since_epoch, HF_SLICE("e")));
    assert_int_equal(command.sub.overridden,
                     HF_TOKEN_OVERRIDE_PRESENCE | HF_TOKEN_OVERRIDE_JOIN_LEAVE);
    assert_int_equal(command.sub.override_values, HF_TOKEN_OVERRIDE_PRESENCE);
    hf_arena_fini(&arena);
}

static void disconnect_has_a_code_and_words(void **state)
{
    static const struct {
        const char *text;
        uint32_t code;
        const char *reason;
        bool is_valid;
    } cases[] = {
        {"{}", 3503, "force disconnect", true},
        {"{\"disconnect\":null}", 3503, "force disconnect", true},
        {"{\"disconnect\":{\"code\":4000,\"reason\":\"why\"}}", 4000, "why", true},
        {"{\"disconnect\":{\"code\":3001}}", 3001, "shutdown", true},
        {"{\"disconnect\":{\"code\":4999}}", 4999, "disconnected by server", true},
        {"{\"disconnect\":{}}", 0, NULL, false},
        {"{\"disconnect\":{\"code\":2999,\"reason\":\"x\"}}", 2999, NULL, false},
        {"{\"disconnect\":{\"code\":5000,\"reason\":\"x\"}}", 5000, NULL, false},
        {"{\"disconnect\":{\"code\":4000,\"reason\":\"a\\u0000b\"}}", 4000, NULL, false},
    };
    struct hf_user_command command;
    struct hf_arena arena;
    char text[256];

    (void)state;
    hf_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(
            hf_user_command_parse(HF_USER_DISCONNECT, hf_slice_of(cases[i].text), &arena, &command),
            HF_JSON_OK);
        assert_int_equal(command.is_valid, cases[i].is_valid);
        assert_int_equal(command.code, cases[i].code);
        if (cases[i].reason != NULL) {
            assert_true(hf_slice_equal(command.reason, hf_slice_of(cases[i].reason)));
        }
    }
    for (int len = 123; len <= 124; len++) {
        (void)snprintf(text, sizeof(text), "{\"disconnect\":{\"code\":4000,\"reason\":\"%0*d\"}}",
                       len, 0);
        assert_int_equal(
            hf_user_command_parse(HF_USER_DISCONNECT, hf_slice_of(text), &arena, &command),
            HF_JSON_OK);
        assert_int_equal(command.is_valid, len == 123);
    }
    hf_arena_fini(&arena);
}

/* It becomes part of what others are told, which nests one level deeper. */
static void encoded_info_as_deep_as_any_json_is_wrong(void **state)
{
    struct hf_user_command command;
    struct hf_arena arena;
    char text[512] = "{\"b64info\":\"";

    (void)state;
    for (int i = 0; i < 42; i++) { /* [[[ */
        (void)strcat(text, "W1tb");
    }
    (void)strcat(text, "W1td");
    for (int i = 0; i < 42; i++) { /* ]]] */
        (void)strcat(text, "XV1d");
    }
    (void)strcat(text, "XQ==\"}");
    hf_arena_init(&arena, 0);
    assert_int_equal(hf_user_command_parse(HF_USER_SUBSCRIBE, hf_slice_of(text), &arena, &command),
                     HF_JSON_OK);
    assert_false(command.is_valid);
    hf_arena_fini(&arena);
}

static void what_is_malformed_is_not_what_is_wrong(void **state)
{
    static const struct {
        enum hf_user_command_kind kind;
        const char *text;
        enum hf_json_status status;
    } cases[] = {
        {HF_USER_SUBSCRIBE, "{\"user\":1}", HF_JSON_MALFORMED},
        {HF_USER_SUBSCRIBE, "[]", HF_JSON_MALFORMED},
        {HF_USER_SUBSCRIBE, "", HF_JSON_MALFORMED},
        {HF_USER_SUBSCRIBE, "{\"expire_at\":\"1\"}", HF_JSON_MALFORMED},
        {HF_USER_SUBSCRIBE, "{\"recover_since\":3}", HF_JSON_MALFORMED},
        {HF_USER_SUBSCRIBE, "{\"override\":{\"presence\":true}}", HF_JSON_MALFORMED},
        {HF_USER_DISCONNECT, "{\"whitelist\":\"a\"}", HF_JSON_MALFORMED},
        {HF_USER_REFRESH, "{\"expired\":1}", HF_JSON_MALFORMED},
        {HF_USER_SUBSCRIBE, "{\"b64data\":\"***\"}", HF_JSON_OK},
        {HF_USER_SUBSCRIBE, "{\"b64info\":\"/w==\"}", HF_JSON_OK}, /* no JSON */
    };
    struct hf_user_command command;
    struct hf_arena arena;

    (void)state;
    hf_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(
            hf_user_command_parse(cases[i].kind, hf_slice_of(cases[i].text), &arena, &command),
            cases[i].status);
        assert_true(cases[i].status != HF_JSON_OK || !command.is_valid);
    }
    hf_arena_fini(&arena);
    hf_arena_init(&arena, 1);
    assert_int_equal(hf_user_command_parse(HF_USER_DISCONNECT, HF_SLICE("{\"whitelist\":[\"a\"]}"),
                                           &arena, &command),
                     HF_JSON_NO_MEMORY);
    assert_int_equal(hf_user_command_parse(HF_USER_SUBSCRIBE, HF_SLICE("{\"b64data\":\"MQ==\"}"),
                                           &arena, &command),
                     HF_JSON_NO_MEMORY);
    hf_arena_fini(&arena);
}

static void message_is_taken_as_it_was_written(void **state)
{
    struct hf_user_command command = {.kind = HF_USER_REFRESH,
                                      .text = HF_SLICE("{\"user\":\"a\"}")};
    struct hf_buffer message;

    (void)state;
    hf_buffer_init(&message, 0);
    hf_user_command_write(&command, &message);
    hf_buffer_append_char(&message, '\0');
    assert_string_equal(message.data, "user\nrefresh\n{\"user\":\"a\"}");
    hf_buffer_fini(&message);
}

/* --- the way -------------------------------------------------------------------------------- */

static void command_is_carried_out_on_those_it_means(void **state)
{
    struct fixture *fixture = fixture_with(KEY ",\"allow_anonymous_connect_without_token\":true");
    struct client clients[4];

    (void)state;
    connect_as(&clients[0], fixture, "ann");
    connect_as(&clients[1], fixture, "ann");
    connect_as(&clients[2], fixture, "bob");
    client_connect(&clients[3], fixture);
    assert_true(hear(fixture, "user\ndisconnect\n{\"user\":\"ann\",\"client\":\"x\"}"));
    assert_true(hear(fixture, "user\ndisconnect\n{\"user\":\"ann\",\"session\":\"x\"}"));
    assert_true(hear(fixture, "user\ndisconnect\n{\"user\":\"ann\",\"whitelist\":[\"%s\",\"%s\"]}",
                     id_of(&clients[0]), id_of(&clients[1])));
    for (size_t i = 0; i < 4; i++) {
        expect_open(&clients[i]);
    }
    assert_true(hear(fixture, "user\ndisconnect\n{\"user\":\"ann\",\"client\":\"%s\"}",
                     id_of(&clients[1])));
    expect_closed(&clients[1], 3503, "force disconnect");
    expect_open(&clients[0]);
    assert_true(
        hear(fixture, "user\ndisconnect\n{\"disconnect\":{\"code\":4001,\"reason\":\"r\"}}"));
    expect_closed(&clients[3], 4001, "r"); /* those without a name are a user, too */
    expect_open(&clients[2]);
    assert_true(hear(fixture, "user\ndisconnect\n{\"user\":\"ann\"}"));
    expect_closed(&clients[0], 3503, "force disconnect");
    for (size_t i = 0; i < 4; i++) {
        client_close(&clients[i]);
    }
    fixture_free(fixture);
}

static void strange_messages_do_nothing(void **state)
{
    struct fixture *fixture = fixture_with(KEY);
    struct client client;

    (void)state;
    connect_as(&client, fixture, "ann");
    assert_false(hear(fixture, "{\"type\":\"node\"}"));
    assert_false(hear(fixture, "use"));
    assert_false(hear(fixture, "single"));
    assert_true(hear(fixture, "user\n"));
    assert_true(hear(fixture, "user\ndisconnect"));
    assert_true(hear(fixture, "user\ndisconnect\n"));
    assert_true(hear(fixture, "user\nfly\n{\"user\":\"ann\"}"));
    assert_true(hear(fixture, "user\ndisconnect\n{\"user\":\"ann\",\"disconnect\":{\"code\":1}}"));
    assert_true(hear(fixture, "single\n"));
    assert_true(hear(fixture, "single\nann"));
    expect_open(&client);
    client_close(&client);
    fixture_free(fixture);
}

/* --- one connection per user ---------------------------------------------------------------- */

static const char *announcement_at(unsigned index)
{
    return request_at(index, FAKE_BUS)->data;
}

/* Connects, with the personal channel answered. Returns the place of the announcement. */
static unsigned connect_single(struct client *client, struct fixture *fixture, const char *user)
{
    unsigned at = fake_engine.request_count;

    connect_as(client, fixture, user);
    complete_subscribe(at + 1, HF_OK, &(struct hf_subscribe_result){.live = true});
    hf_hub_flush(fixture->worker.hub);
    client_forget(client);
    return at;
}

static void newer_connection_ends_the_older_one(void **state)
{
    struct fixture *fixture = fixture_with(SINGLE);
    struct client first, second, other;
    char expected[64];
    unsigned at;

    (void)state;
    at = connect_single(&first, fixture, "ann");
    (void)snprintf(expected, sizeof(expected), "single\n%s\nann", id_of(&first));
    assert_string_equal(announcement_at(at), expected);
    assert_true(hear(fixture, "%s", announcement_at(at)));
    expect_open(&first);
    (void)connect_single(&other, fixture, "bob");
    at = connect_single(&second, fixture, "ann");
    expect_open(&first); /* until everyone has heard of it */
    assert_true(hear(fixture, "%s", announcement_at(at)));
    expect_closed(&first, 3504, "connection limit");
    expect_open(&second);
    expect_open(&other);
    client_close(&first);
    client_close(&second);
    client_close(&other);
    fixture_free(fixture);
}

static void of_two_at_once_the_one_that_is_heard_last_stays(void **state)
{
    struct fixture *fixture = fixture_with(SINGLE);
    struct client first, second;
    unsigned a;
    unsigned b;

    (void)state;
    a = connect_single(&first, fixture, "ann");
    b = connect_single(&second, fixture, "ann");
    assert_true(hear(fixture, "%s", announcement_at(b)));
    expect_open(&first); /* its own announcement is still to come: it is the newer one */
    assert_true(hear(fixture, "%s", announcement_at(a)));
    expect_closed(&second, 3504, "connection limit");
    expect_open(&first);
    client_close(&first);
    client_close(&second);
    fixture_free(fixture);
}

/* No Holdfast announces one; a message of somebody else must do no harm. */
static void nobodys_connection_is_not_one_of_a_user(void **state)
{
    struct fixture *fixture = fixture_with("\"allow_anonymous_connect_without_token\":true");
    struct client first, second;

    (void)state;
    client_open(&first, fixture);
    client_open(&second, fixture);
    client_send(&first, "{\"id\":1,\"connect\":{}}");
    client_send(&second, "{\"id\":1,\"connect\":{}}");
    hf_hub_flush(fixture->worker.hub);
    assert_true(hear(fixture, "single\n%s\n", id_of(&first)));
    expect_open(&first);
    expect_open(&second);
    client_close(&first);
    client_close(&second);
    fixture_free(fixture);
}

static void lost_announcement_protects_only_for_a_while(void **state)
{
    struct fixture *fixture = fixture_with(SINGLE);
    struct client first, second;
    unsigned at;

    (void)state;
    at = connect_single(&first, fixture, "ann");
    complete_done(at, FAKE_BUS, HF_EUNAVAILABLE);
    fixture->worker.now_ms += 5000;
    at = connect_single(&second, fixture, "ann");
    assert_true(hear(fixture, "%s", announcement_at(at)));
    expect_closed(&first, 3504, "connection limit");
    client_close(&first);
    client_close(&second);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_parameter_is_read),
        cmocka_unit_test(disconnect_has_a_code_and_words),
        cmocka_unit_test(encoded_info_as_deep_as_any_json_is_wrong),
        cmocka_unit_test(what_is_malformed_is_not_what_is_wrong),
        cmocka_unit_test(message_is_taken_as_it_was_written),
        cmocka_unit_test(command_is_carried_out_on_those_it_means),
        cmocka_unit_test(strange_messages_do_nothing),
        cmocka_unit_test(newer_connection_ends_the_older_one),
        cmocka_unit_test(of_two_at_once_the_one_that_is_heard_last_stays),
        cmocka_unit_test(nobodys_connection_is_not_one_of_a_user),
        cmocka_unit_test(lost_announcement_protects_only_for_a_while),
    };

    return cmocka_run_group_tests_name("user_command", tests, NULL, NULL);
}
