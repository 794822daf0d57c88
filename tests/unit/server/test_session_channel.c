#include "session_fixture.h"

#include "client/session_channel.h"

static void expect_reply(struct client *client, const char *command, const char *expected)
{
    client_send(client, command);
    expect_sent(client, expected);
}

#define ERROR(id, code, message)                                                                   \
    "[{\"id\":" id ",\"error\":{\"code\":" code ",\"message\":\"" message "\"}}]"
#define INTERNAL(id)                                                                               \
    "[{\"id\":" id ",\"error\":{\"code\":100,\"message\":\"internal server error\","               \
    "\"temporary\":true}}]"
#define PUBLISH(id, channel, data)                                                                 \
    "{\"id\":" id ",\"publish\":{\"channel\":\"" channel "\",\"data\":" data "}}"

/* --- publish -------------------------------------------------------------------------------- */

static void publish_passes_the_payload_as_it_is(void **state)
{
    char info[128];
    char id[HF_CLIENT_ID_TEXT_LEN + 1];
    struct client client;

    client_connect(&client, *state);
    client_send(&client, PUBLISH("2", "plain:a", "{ \"x\" : 1.0}"));
    expect_sent(&client, "");
    assert_string_equal(request_at(0, FAKE_PUBLISH)->data, "{ \"x\" : 1.0}");
    assert_string_equal(fake_engine.requests[0].channel, "plain:a");
    assert_int_equal(fake_engine.requests[0].options.history_size, 0);
    hf_session_client_text(client.session, id);
    (void)snprintf(info, sizeof(info), "{\"user\":\"\",\"client\":\"%s\"}", id);
    assert_string_equal(fake_engine.requests[0].info, info);
    assert_string_equal(fake_engine.requests[0].tags, "");
    complete_publish(0, HF_OK, (struct hf_position){EPOCH, 5});
    expect_sent(&client, "[{\"id\":2,\"publish\":{}}]");
    client_close(&client);
}

static void publish_has_the_history_of_its_namespace(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_subscribe_live(&client, "chat:a", 0);
    client_send(&client, PUBLISH("3", "chat:a", "null"));
    assert_string_equal(request_at(1, FAKE_PUBLISH)->data, "null");
    assert_int_equal(fake_engine.requests[1].options.history_size, 10);
    assert_int_equal(fake_engine.requests[1].options.history_ttl_s, 600);
    complete_publish(1, HF_OK, (struct hf_position){EPOCH, 1});
    client_close(&client);
}

static void publish_right_after_subscribe_is_allowed_to_subscribers(void **state)
{
    struct hf_subscribe_result result = {.position = {EPOCH, 0}, .top = {EPOCH, 0}, .live = true};
    struct hf_publication *publication = publication_of(1, "7");
    struct client client;

    client_connect(&client, *state);
    client_send(&client,
                "{\"id\":2,\"subscribe\":{\"channel\":\"chat:a\"}}\n" PUBLISH("3", "chat:a", "7"));
    assert_int_equal(fake_engine.request_count, 1); /* the publish waits */
    complete_subscribe(0, HF_OK, &result);
    assert_string_equal(request_at(1, FAKE_PUBLISH)->data, "7");
    hf_hub_on_publication(fake_engine.watches[0]->context, publication);
    complete_publish(1, HF_OK, (struct hf_position){EPOCH, 1});
    expect_sent(&client, "[{\"id\":2,\"subscribe\":{\"recoverable\":true,"
                         "\"epoch\":\"1700000000000000\",\"positioned\":true}}]"
                         "[{\"push\":{\"channel\":\"chat:a\",\"pub\":{\"data\":7,\"offset\":1,"
                         "\"epoch\":\"1700000000000000\"}}}]"
                         "[{\"id\":3,\"publish\":{}}]");
    hf_publication_unref(publication);
    client_close(&client);
}

static void publish_refusals_have_their_codes(void **state)
{
    struct client client;

    client_connect(&client, *state);
    expect_reply(&client, PUBLISH("2", "none:a", "{}"), ERROR("2", "102", "unknown channel"));
    expect_reply(&client, PUBLISH("3", "plain:\u00e4", "{}"), ERROR("3", "107", "bad request"));
    expect_reply(&client, PUBLISH("4", "closed:a", "{}"), ERROR("4", "103", "permission denied"));
    expect_reply(&client, "{\"id\":5,\"publish\":{\"channel\":\"plain:a\"}}",
                 ERROR("5", "107", "bad request"));
    /* The payload is judged before the permission. */
    expect_reply(&client, "{\"id\":6,\"publish\":{\"channel\":\"closed:a\"}}",
                 ERROR("6", "107", "bad request"));
    expect_reply(&client, PUBLISH("7", "object:a", "[1]"), ERROR("7", "107", "bad request"));
    expect_reply(&client, PUBLISH("8", "chat:a", "{}"), ERROR("8", "103", "permission denied"));
    expect_reply(&client, "{\"id\":9,\"publish\":{\"channel\":\"plain:a\",\"data\":1,\"type\":1}}",
                 ERROR("9", "108", "not available"));
    assert_int_equal(fake_engine.request_count, 0);
    client_send(&client, PUBLISH("10", "object:a", " {\"a\":1}"));
    assert_int_equal(fake_engine.request_count, 1);
    complete_publish(0, HF_EUNKNOWN, (struct hf_position){0});
    expect_sent(&client, INTERNAL("10"));
    fake_engine.refuse = HF_ELIMIT;
    expect_reply(&client, PUBLISH("11", "plain:a", "{}"), INTERNAL("11"));
    assert_int_equal(client.session->request_count, 0);
    client_close(&client);
}

static void payload_formats_are_checked(void **state)
{
    static const struct {
        enum hf_data_format format;
        const char *data;
        bool is_json;
        bool is_good;
    } cases[] = {
        {HF_DATA_FORMAT_ANY, "", true, false},
        {HF_DATA_FORMAT_ANY, "\x01", false, true},
        {HF_DATA_FORMAT_BINARY, "", false, true},
        {HF_DATA_FORMAT_BINARY, "\x01", false, true},
        {HF_DATA_FORMAT_JSON, "", true, false},
        {HF_DATA_FORMAT_JSON, "[1]", true, true},
        {HF_DATA_FORMAT_JSON, "[1]", false, true},
        {HF_DATA_FORMAT_JSON, "[1", false, false},
        {HF_DATA_FORMAT_JSON_OBJECT, "", true, false},
        {HF_DATA_FORMAT_JSON_OBJECT, "[1]", true, false},
        {HF_DATA_FORMAT_JSON_OBJECT, "{\"a\":1}", true, true},
        {HF_DATA_FORMAT_JSON_OBJECT, "{\"a\":1", false, false},
        {HF_DATA_FORMAT_JSON_OBJECT, "{\"a\":1} x", false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hf_channel_options options = {.publication_data_format = cases[i].format};

        assert_int_equal(
            hf_channel_check_data(&options, hf_slice_of(cases[i].data), cases[i].is_json),
            cases[i].is_good ? 0 : HF_ERROR_BAD_REQUEST);
    }
}

/* --- history -------------------------------------------------------------------------------- */

static void history_gives_publications_and_position(void **state)
{
    struct hf_page *page = page_of(4, 5);
    struct client client;

    client_connect(&client, *state);
    client_send(&client, "{\"id\":2,\"history\":{\"channel\":\"chat:a\",\"limit\":2,"
                         "\"since\":{\"offset\":3,\"epoch\":\"1700000000000000\"}}}");
    assert_int_equal(request_at(0, FAKE_HISTORY)->history.limit, 2);
    assert_true(fake_engine.requests[0].history.has_since);
    assert_false(fake_engine.requests[0].history.reverse);
    assert_int_equal(fake_engine.requests[0].history.since.offset, 3);
    assert_int_equal(fake_engine.requests[0].history.since.epoch, EPOCH);
    complete_history(0, HF_OK, (struct hf_position){EPOCH, 9}, page);
    expect_sent(&client, "[{\"id\":2,\"history\":{\"publications\":[{\"data\":{\"n\":4},"
                         "\"offset\":4},{\"data\":{\"n\":5},\"offset\":5}],"
                         "\"epoch\":\"1700000000000000\",\"offset\":9}}]");
    hf_page_unref(page);
    client_close(&client);
}

static void history_of_an_empty_stream_has_all_fields(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_send(&client, "{\"id\":2,\"history\":{\"channel\":\"chat:a\"}}");
    assert_int_equal(request_at(0, FAKE_HISTORY)->history.limit, 0);
    assert_false(fake_engine.requests[0].history.has_since);
    complete_history(0, HF_OK, (struct hf_position){EPOCH, 0}, NULL);
    expect_sent(&client, "[{\"id\":2,\"history\":{\"publications\":[],"
                         "\"epoch\":\"1700000000000000\",\"offset\":0}}]");
    client_close(&client);
}

static void history_limits_are_clamped(void **state)
{
    static const struct {
        int limit;
        uint32_t max;
        uint32_t expected;
    } cases[] = {{0, 300, 0},    {300, 300, 300},        {301, 300, 300},
                 {-1, 300, 300}, {-1, 0, HF_LIMIT_NONE}, {100000, 0, 100000}};
    struct client client;

    client_connect(&client, *state);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char command[128];

        client.fixture->config->client.history_max_publication_limit = cases[i].max;
        (void)snprintf(command, sizeof(command),
                       "{\"id\":2,\"history\":{\"channel\":\"chat:a\",\"limit\":%d}}",
                       cases[i].limit);
        client_send(&client, command);
        assert_int_equal(request_at(i, FAKE_HISTORY)->history.limit, cases[i].expected);
        complete_history(i, HF_OK, (struct hf_position){EPOCH, 0}, NULL);
    }
    client_close(&client);
}

static void history_refusals_have_their_codes(void **state)
{
    struct client client;

    client_connect(&client, *state);
    expect_reply(&client, "{\"id\":2,\"history\":{\"channel\":\"none:a\"}}",
                 ERROR("2", "102", "unknown channel"));
    expect_reply(&client, "{\"id\":3,\"history\":{\"channel\":\"plain:a\"}}",
                 ERROR("3", "108", "not available"));
    expect_reply(&client,
                 "{\"id\":4,\"history\":{\"channel\":\"chat:a\",\"reverse\":true,"
                 "\"since\":{\"offset\":0}}}",
                 ERROR("4", "107", "bad request"));
    assert_int_equal(fake_engine.request_count, 0);
    client_send(&client, "{\"id\":5,\"history\":{\"channel\":\"chat:a\",\"reverse\":true,"
                         "\"since\":{\"offset\":4,\"epoch\":\"x\"},\"limit\":1}}");
    assert_true(request_at(0, FAKE_HISTORY)->history.reverse);
    assert_int_equal(fake_engine.requests[0].history.since.epoch, HF_EPOCH_FOREIGN);
    complete_history(0, HF_EUNRECOVERABLE, (struct hf_position){0}, NULL);
    expect_sent(&client, ERROR("5", "112", "unrecoverable position"));
    client_send(&client, "{\"id\":6,\"history\":{\"channel\":\"chat:a\"}}");
    complete_history(1, HF_EUNAVAILABLE, (struct hf_position){0}, NULL);
    expect_sent(&client, INTERNAL("6"));
    fake_engine.refuse = HF_ELIMIT;
    expect_reply(&client, "{\"id\":7,\"history\":{\"channel\":\"chat:a\"}}", INTERNAL("7"));
    client_close(&client);
}

static void answers_find_nobody_after_the_end(void **state)
{
    struct hf_page *page = page_of(1, 1);
    struct client client;

    client_connect(&client, *state);
    client_send(&client,
                PUBLISH("2", "plain:a",
                        "{}") "\n"
                              "{\"id\":3,\"history\":{\"channel\":\"chat:a\",\"limit\":-1}}");
    client_close(&client);
    complete_publish(0, HF_OK, (struct hf_position){EPOCH, 1});
    complete_history(1, HF_OK, (struct hf_position){EPOCH, 1}, page);
    hf_page_unref(page);
}

static void replies_of_two_clients_do_not_mix(void **state)
{
    struct client a;
    struct client b;

    client_connect(&a, *state);
    client_connect(&b, *state);
    client_send(&a, PUBLISH("2", "plain:a", "1") "\n" PUBLISH("3", "plain:a", "2"));
    client_send(&b, PUBLISH("4", "plain:a", "3"));
    complete_publish(0, HF_OK, (struct hf_position){0});
    complete_publish(1, HF_OK, (struct hf_position){0});
    complete_publish(2, HF_OK, (struct hf_position){0});
    expect_sent(&a, "[{\"id\":2,\"publish\":{}}\n{\"id\":3,\"publish\":{}}]");
    expect_sent(&b, "[{\"id\":4,\"publish\":{}}]");
    client_close(&a);
    client_close(&b);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(publish_passes_the_payload_as_it_is),
        WITH_FIXTURE(publish_has_the_history_of_its_namespace),
        WITH_FIXTURE(publish_right_after_subscribe_is_allowed_to_subscribers),
        WITH_FIXTURE(publish_refusals_have_their_codes),
        cmocka_unit_test(payload_formats_are_checked),
        WITH_FIXTURE(history_gives_publications_and_position),
        WITH_FIXTURE(history_of_an_empty_stream_has_all_fields),
        WITH_FIXTURE(history_limits_are_clamped),
        WITH_FIXTURE(history_refusals_have_their_codes),
        WITH_FIXTURE(answers_find_nobody_after_the_end),
        WITH_FIXTURE(replies_of_two_clients_do_not_mix),
    };

    return cmocka_run_group_tests_name("session_channel", tests, NULL, NULL);
}
