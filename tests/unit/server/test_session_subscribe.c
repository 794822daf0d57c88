#include "session_fixture.h"

static void expect_reply(struct client *client, const char *command, const char *expected)
{
    client_send(client, command);
    expect_sent(client, expected);
}

#define SUBSCRIBE(id, channel) "{\"id\":" id ",\"subscribe\":{\"channel\":\"" channel "\"}}"
#define ERROR(id, code, message)                                                                   \
    "[{\"id\":" id ",\"error\":{\"code\":" code ",\"message\":\"" message "\"}}]"
#define INTERNAL(id)                                                                               \
    "[{\"id\":" id ",\"error\":{\"code\":100,\"message\":\"internal server error\","               \
    "\"temporary\":true}}]"
#define POSITION "\"epoch\":\"1700000000000000\""

static struct hf_subscribe_result live_at(uint64_t offset)
{
    return (struct hf_subscribe_result){
        .position = {EPOCH, offset}, .top = {EPOCH, offset}, .live = true};
}

/* --- checks --------------------------------------------------------------------------------- */

static void refusals_have_their_codes(void **state)
{
    struct client client;

    client_connect(&client, *state);
    expect_reply(&client, "{\"id\":2,\"subscribe\":{\"channel\":\"chat:a\",\"type\":1}}",
                 ERROR("2", "108", "not available"));
    expect_reply(&client, SUBSCRIBE("3", "chat:abcdefghijklmnopqrstuvwxyz0123456789"),
                 ERROR("3", "107", "bad request"));
    expect_reply(&client, SUBSCRIBE("4", "none:a"), ERROR("4", "102", "unknown channel"));
    expect_reply(&client, SUBSCRIBE("5", "chat:\u00e4"), ERROR("5", "107", "bad request"));
    expect_reply(&client, SUBSCRIBE("6", "closed:a"), ERROR("6", "103", "permission denied"));
    expect_reply(&client, SUBSCRIBE("7", "$chat:a"), ERROR("7", "103", "permission denied"));
    expect_reply(&client, "{\"id\":8,\"subscribe\":{\"channel\":\"chat:a\",\"token\":\"eyJ\"}}",
                 ERROR("8", "103", "permission denied"));
    expect_reply(&client, "{\"id\":9,\"subscribe\":{\"channel\":\"none:a\",\"token\":\"eyJ\"}}",
                 ERROR("9", "102", "unknown channel"));
    expect_reply(&client,
                 "{\"id\":10,\"subscribe\":{\"channel\":\"chat:a\",\"tf\":{\"key\":\"k\","
                 "\"cmp\":\"ex\"}}}",
                 ERROR("10", "107", "bad request"));
    assert_int_equal(fake_engine.request_count, 0);
    assert_int_equal(open_watches(), 0);
    client_close(&client);
}

static void second_subscribe_is_refused_while_the_first_lives(void **state)
{
    struct hf_subscribe_result result = live_at(1);
    struct client client;

    client_connect(&client, *state);
    client_send(&client, SUBSCRIBE("2", "chat:a"));
    client_send(&client, SUBSCRIBE("3", "chat:a")); /* decided when the first is answered */
    expect_sent(&client, "");
    complete_subscribe(0, HF_OK, &result);
    expect_sent(&client, "[{\"id\":2,\"subscribe\":{\"recoverable\":true," POSITION
                         ",\"offset\":1,\"positioned\":true}}\n"
                         "{\"id\":3,\"error\":{\"code\":105,\"message\":\"already subscribed\"}}]");
    expect_reply(&client, SUBSCRIBE("4", "chat:a"), ERROR("4", "105", "already subscribed"));
    assert_int_equal(fake_engine.request_count, 1);
    client_close(&client);
}

static void channel_limit_counts_open_subscribes(void **state)
{
    struct fixture *fixture = fixture_with(CLIENT_DEFAULTS ",\"channel_limit\":2");
    struct hf_subscribe_result result = live_at(0);
    struct client client;

    (void)state;
    client_connect(&client, fixture);
    client_subscribe_live(&client, "chat:a", 0);
    client_send(&client, SUBSCRIBE("3", "chat:b"));
    expect_reply(&client, SUBSCRIBE("4", "chat:c"), ERROR("4", "106", "limit exceeded"));
    client_send(&client, "{\"id\":5,\"unsubscribe\":{\"channel\":\"chat:a\"}}");
    client_send(&client, SUBSCRIBE("6", "chat:c"));
    assert_int_equal(fake_engine.request_count, 3);
    complete_subscribe(1, HF_OK, &result);
    complete_subscribe(2, HF_OK, &result);
    assert_int_equal(fixture->worker.counters.subscriptions, 2);
    client_close(&client);
    fixture_free(fixture);
}

/* --- results -------------------------------------------------------------------------------- */

static void fresh_subscription_gets_the_position(void **state)
{
    struct hf_subscribe_result result = live_at(7);
    struct client client;

    client_connect(&client, *state);
    client_send(&client, SUBSCRIBE("2", "chat:a"));
    assert_false(request_at(0, FAKE_SUBSCRIBE)->subscribe.recover);
    assert_int_equal(fake_engine.requests[0].options.history_size, 10);
    assert_int_equal(fake_engine.requests[0].options.history_ttl_s, 600);
    assert_int_equal(fake_engine.requests[0].options.meta_ttl_s, 720 * 3600);
    complete_subscribe(0, HF_OK, &result);
    expect_sent(&client, "[{\"id\":2,\"subscribe\":{\"recoverable\":true," POSITION
                         ",\"offset\":7,\"positioned\":true}}]");
    client_close(&client);
}

static void subscription_without_history_has_no_position(void **state)
{
    struct hf_subscribe_result result = {.live = true};
    struct client client;

    client_connect(&client, *state);
    client_send(&client, "{\"id\":2,\"subscribe\":{\"channel\":\"plain:a\",\"recover\":true,"
                         "\"recoverable\":true,\"flag\":2,\"delta\":\"fossil\"}}");
    assert_false(request_at(0, FAKE_SUBSCRIBE)->subscribe.recover);
    complete_subscribe(0, HF_OK, &result);
    expect_sent(&client, "[{\"id\":2,\"subscribe\":{\"was_recovering\":true}}]");
    client_close(&client);
}

static void recovered_subscription_gets_its_publications(void **state)
{
    struct hf_page *page = page_of(6, 7);
    struct hf_subscribe_result result = live_at(7);
    struct client client;

    result.recovered = true;
    result.page = page;
    client_connect(&client, *state);
    client_send(&client, "{\"id\":2,\"subscribe\":{\"channel\":\"chat:a\",\"recover\":true,"
                         "\"epoch\":\"1700000000000000\",\"offset\":5,\"flag\":3}}");
    assert_true(request_at(0, FAKE_SUBSCRIBE)->subscribe.recover);
    assert_int_equal(fake_engine.requests[0].subscribe.since.epoch, EPOCH);
    assert_int_equal(fake_engine.requests[0].subscribe.since.offset, 5);
    assert_int_equal(fake_engine.requests[0].subscribe.recovery_limit, 300);
    complete_subscribe(0, HF_OK, &result);
    expect_sent(&client, "[{\"id\":2,\"subscribe\":{\"recoverable\":true," POSITION
                         ",\"publications\":[{\"data\":{\"n\":6},\"offset\":6},"
                         "{\"data\":{\"n\":7},\"offset\":7}],\"recovered\":true,\"offset\":5,"
                         "\"positioned\":true,\"was_recovering\":true}}]");
    hf_page_unref(page);
    client_close(&client);
}

static void recovery_limit_zero_is_no_limit(void **state)
{
    struct fixture *fixture = *state;
    struct client client;

    fixture->config->client.recovery_max_publication_limit = 0;
    client_connect(&client, fixture);
    client_send(&client, "{\"id\":2,\"subscribe\":{\"channel\":\"chat:a\",\"recover\":true,"
                         "\"epoch\":\"_\"}}");
    assert_int_equal(request_at(0, FAKE_SUBSCRIBE)->subscribe.recovery_limit, HF_LIMIT_NONE);
    assert_int_equal(fake_engine.requests[0].subscribe.since.epoch, HF_EPOCH_FOREIGN);
    client_close(&client);
    complete_subscribe(0, HF_ECLOSED, NULL);
}

static void unrecovered_subscription_gets_the_current_position(void **state)
{
    struct hf_subscribe_result result = live_at(9);
    struct client client;

    client_connect(&client, *state);
    client_send(&client, "{\"id\":2,\"subscribe\":{\"channel\":\"chat:a\",\"recover\":true,"
                         "\"epoch\":\"123\",\"offset\":5}}");
    complete_subscribe(0, HF_OK, &result);
    expect_sent(&client, "[{\"id\":2,\"subscribe\":{\"recoverable\":true," POSITION
                         ",\"offset\":9,\"positioned\":true,\"was_recovering\":true}}]");
    client_close(&client);
}

static void unrecovered_is_rejected_when_the_client_says_so(void **state)
{
    struct hf_subscribe_result result = live_at(9);
    struct client client;

    client_connect(&client, *state);
    client_send(&client, "{\"id\":2,\"subscribe\":{\"channel\":\"chat:a\",\"recover\":true,"
                         "\"epoch\":\"123\",\"offset\":5,\"flag\":2}}");
    complete_subscribe(0, HF_OK, &result);
    expect_sent(&client, ERROR("2", "112", "unrecoverable position"));
    assert_int_equal(open_watches(), 0);
    client_send(&client, SUBSCRIBE("3", "chat:a"));
    assert_int_equal(fake_engine.request_count, 2);
    client_close(&client);
    complete_subscribe(1, HF_ECLOSED, NULL);
}

static void engine_errors_are_internal_and_temporary(void **state)
{
    static const int errors[] = {HF_EUNAVAILABLE, HF_ETIMEOUT, HF_ELIMIT,
                                 HF_EUNKNOWN,     HF_ESTORE,   HF_ENOMEM};
    struct client client;

    client_connect(&client, *state);
    for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        client_send(&client, SUBSCRIBE("2", "chat:a"));
        complete_subscribe(i, errors[i], NULL);
        expect_sent(&client, INTERNAL("2"));
        assert_int_equal(open_watches(), 0);
    }
    fake_engine.refuse = HF_ELIMIT;
    expect_reply(&client, SUBSCRIBE("3", "chat:a"), INTERNAL("3"));
    assert_int_equal(open_watches(), 0);
    client_close(&client);
}

static void binary_recovered_publication_ends_the_connection(void **state)
{
    struct hf_publication *item = publication_of(6, "\x01\x02");
    struct hf_page *page = hf_page_new(&item, 1);
    struct hf_subscribe_result result = live_at(6);
    struct client client;

    result.recovered = true;
    result.page = page;
    client_connect(&client, *state);
    client_send(&client, "{\"id\":2,\"subscribe\":{\"channel\":\"chat:a\",\"recover\":true,"
                         "\"offset\":5}}");
    complete_subscribe(0, HF_OK, &result);
    expect_closed(&client, 3506, "inappropriate protocol");
    expect_sent(&client, "");
    client_close(&client);
    hf_page_unref(page);
    hf_publication_unref(item);
}

/* --- unsubscribe ---------------------------------------------------------------------------- */

static void unsubscribe_is_always_answered(void **state)
{
    struct client client;

    client_connect(&client, *state);
    expect_reply(&client, "{\"id\":2,\"unsubscribe\":{\"channel\":\"chat:a\"}}",
                 "[{\"id\":2,\"unsubscribe\":{}}]");
    client_subscribe_live(&client, "chat:a", 0);
    expect_reply(&client, "{\"id\":3,\"unsubscribe\":{\"channel\":\"chat:a\"}}",
                 "[{\"id\":3,\"unsubscribe\":{}}]");
    assert_int_equal(open_watches(), 0);
    assert_int_equal(client.fixture->worker.counters.subscriptions, 0);
    client_close(&client);
}

static void pairs_in_one_frame_are_answered_in_order(void **state)
{
    struct hf_subscribe_result result = live_at(3);
    struct client client;

    client_connect(&client, *state);
    client_send(
        &client,
        SUBSCRIBE("2", "chat:a") "\n"
                                 "{\"id\":3,\"unsubscribe\":{\"channel\":\"chat:a\"}}\n" SUBSCRIBE(
                                     "4", "chat:a"));
    assert_string_equal(client_sent(&client), "");
    assert_int_equal(fake_engine.request_count, 1);
    complete_subscribe(0, HF_OK, &result);
    complete_subscribe(1, HF_OK, &result);
    expect_sent(&client, "[{\"id\":2,\"subscribe\":{\"recoverable\":true," POSITION
                         ",\"offset\":3,\"positioned\":true}}\n"
                         "{\"id\":3,\"unsubscribe\":{}}\n"
                         "{\"id\":4,\"subscribe\":{\"recoverable\":true," POSITION
                         ",\"offset\":3,\"positioned\":true}}]");
    assert_int_equal(client.fixture->worker.counters.subscriptions, 1);
    assert_int_equal(open_watches(), 1);
    client_close(&client);
}

static void failed_subscribe_is_answered_before_its_unsubscribe(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_send(&client,
                SUBSCRIBE("2", "chat:a") "\n"
                                         "{\"id\":3,\"unsubscribe\":{\"channel\":\"chat:a\"}}");
    complete_subscribe(0, HF_ETIMEOUT, NULL);
    expect_sent(&client, "[{\"id\":2,\"error\":{\"code\":100,\"message\":\"internal server error\","
                         "\"temporary\":true}}\n{\"id\":3,\"unsubscribe\":{}}]");
    client_close(&client);
}

static void unsubscribed_client_gets_nothing_live(void **state)
{
    struct client client;
    struct client other;
    struct hf_publication *publication = publication_of(4, "{}");

    client_connect(&client, *state);
    client_connect(&other, *state);
    client_subscribe_live(&client, "chat:a", 3);
    client_subscribe_live(&other, "chat:a", 3);
    client_send(&client, "{\"id\":3,\"unsubscribe\":{\"channel\":\"chat:a\"}}");
    client_forget(&client);
    hf_hub_on_publication(fake_engine.watches[0]->context, publication);
    expect_sent(&client, "");
    expect_sent(&other, "[{\"push\":{\"channel\":\"chat:a\",\"pub\":{\"data\":{},\"offset\":4}}}]");
    hf_publication_unref(publication);
    client_close(&client);
    client_close(&other);
}

/* --- life and death ------------------------------------------------------------------------- */

static void reply_comes_before_live_publications(void **state)
{
    struct hf_subscribe_result result = live_at(3);
    struct hf_publication *publication = publication_of(4, "{}");
    struct client client;

    client_connect(&client, *state);
    client_send(&client, SUBSCRIBE("2", "chat:a"));
    hf_hub_on_publication(fake_engine.watches[0]->context, publication); /* for no one */
    complete_subscribe(0, HF_OK, &result);
    hf_hub_on_publication(fake_engine.watches[0]->context, publication);
    expect_sent(&client,
                "[{\"id\":2,\"subscribe\":{\"recoverable\":true," POSITION
                ",\"offset\":3,\"positioned\":true}}]"
                "[{\"push\":{\"channel\":\"chat:a\",\"pub\":{\"data\":{},\"offset\":4}}}]");
    hf_publication_unref(publication);
    client_close(&client);
}

static void lost_stream_unsubscribes_with_2500(void **state)
{
    struct hf_subscribe_result result = live_at(3);
    struct client client;
    struct client pending;

    client_connect(&client, *state);
    client_connect(&pending, *state);
    client_subscribe_live(&client, "chat:a", 3);
    client_send(&pending, SUBSCRIBE("2", "chat:a"));
    hf_hub_on_lost(fake_engine.watches[0]->context, HF_EUNRECOVERABLE);
    expect_sent(&client, "[{\"push\":{\"channel\":\"chat:a\",\"unsubscribe\":{\"code\":2500,"
                         "\"reason\":\"insufficient state\"}}}]");
    expect_sent(&pending, "");
    complete_subscribe(1, HF_OK, &result); /* not touched by it */
    assert_int_equal(client.fixture->worker.counters.subscriptions, 1);
    client_close(&client);
    client_close(&pending);
}

static void answers_after_the_end_are_dropped(void **state)
{
    struct hf_subscribe_result result = live_at(3);
    struct client client;

    client_connect(&client, *state);
    client_send(&client, SUBSCRIBE("2", "chat:a"));
    client_send(&client,
                SUBSCRIBE("3", "chat:b") "\n"
                                         "{\"id\":4,\"unsubscribe\":{\"channel\":\"chat:b\"}}");
    client_close(&client);
    assert_int_equal(open_watches(), 0);
    complete_subscribe(0, HF_OK, &result);
    complete_subscribe(1, HF_OK, &result);
}

static void answers_after_a_disconnect_are_dropped(void **state)
{
    struct hf_subscribe_result result = live_at(3);
    struct client client;

    client_connect(&client, *state);
    client_send(&client, SUBSCRIBE("2", "chat:a") "\n{\"send\":{}}");
    expect_closed(&client, 3508, "not available");
    complete_subscribe(0, HF_OK, &result);
    expect_sent(&client, "");
    client_close(&client);
}

static void reply_that_cannot_be_sent_ends_the_connection(void **state)
{
    struct hf_subscribe_result result = live_at(3);
    struct client client;

    client_connect(&client, *state);
    client_send(&client, SUBSCRIBE("2", "chat:a"));
    complete_subscribe(0, HF_OK, &result);
    fake_wrap_fails = true;
    hf_hub_flush(client.fixture->worker.hub);
    fake_wrap_fails = false;
    expect_closed(&client, 3004, "internal server error");
    assert_int_equal(open_watches(), 0);
    client_close(&client);
}

static void many_channels_of_a_session_are_kept_apart(void **state)
{
    struct client client;
    char channel[32];

    client_connect(&client, *state);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(channel, sizeof(channel), "chat:%d", i);
        client_subscribe_live(&client, channel, 0);
    }
    assert_int_equal(client.fixture->worker.counters.channels, 100);
    for (int i = 0; i < 100; i += 2) {
        char command[96];

        (void)snprintf(command, sizeof(command),
                       "{\"id\":9,\"unsubscribe\":{\"channel\":\"chat:%d\"}}", i);
        client_send(&client, command);
    }
    for (int i = 0; i < 100; i++) {
        struct hf_subscription *found;

        (void)snprintf(channel, sizeof(channel), "chat:%d", i);
        found = hf_session_find_subscription(client.session, hf_slice_of(channel));
        assert_int_equal(found != NULL, i % 2 == 1);
        if (found != NULL) {
            assert_ptr_equal(client.session->subscriptions[found->session_index], found);
            assert_true(hf_slice_equal(hf_hub_entry_channel(found->entry), hf_slice_of(channel)));
        }
    }
    client_close(&client);
}

static void idle_session_is_small(void **state)
{
    (void)state;
    /* What an idle client with one subscription of a shared channel costs here, beside malloc's
     * own bytes: the session, the subscription, its place in the session and in the hub. */
    assert_true(sizeof(struct hf_session) + sizeof(struct hf_subscription) +
                    sizeof(struct hf_subscription *) + sizeof(struct hf_hub_subscriber) <=
                208);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(refusals_have_their_codes),
        WITH_FIXTURE(second_subscribe_is_refused_while_the_first_lives),
        cmocka_unit_test(channel_limit_counts_open_subscribes),
        WITH_FIXTURE(fresh_subscription_gets_the_position),
        WITH_FIXTURE(subscription_without_history_has_no_position),
        WITH_FIXTURE(recovered_subscription_gets_its_publications),
        WITH_FIXTURE(recovery_limit_zero_is_no_limit),
        WITH_FIXTURE(unrecovered_subscription_gets_the_current_position),
        WITH_FIXTURE(unrecovered_is_rejected_when_the_client_says_so),
        WITH_FIXTURE(engine_errors_are_internal_and_temporary),
        WITH_FIXTURE(binary_recovered_publication_ends_the_connection),
        WITH_FIXTURE(unsubscribe_is_always_answered),
        WITH_FIXTURE(pairs_in_one_frame_are_answered_in_order),
        WITH_FIXTURE(failed_subscribe_is_answered_before_its_unsubscribe),
        WITH_FIXTURE(unsubscribed_client_gets_nothing_live),
        WITH_FIXTURE(reply_comes_before_live_publications),
        WITH_FIXTURE(lost_stream_unsubscribes_with_2500),
        WITH_FIXTURE(answers_after_the_end_are_dropped),
        WITH_FIXTURE(answers_after_a_disconnect_are_dropped),
        WITH_FIXTURE(reply_that_cannot_be_sent_ends_the_connection),
        WITH_FIXTURE(many_channels_of_a_session_are_kept_apart),
        cmocka_unit_test(idle_session_is_small),
    };

    return cmocka_run_group_tests_name("session_subscribe", tests, NULL, NULL);
}
