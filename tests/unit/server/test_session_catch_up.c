#include "session_fixture.h"

#define RECOVER(id, channel)                                                                       \
    "{\"id\":" id ",\"subscribe\":{\"channel\":\"" channel                                         \
    "\",\"recover\":true,\"epoch\":\"1700000000000000\",\"offset\":1}}"

/* A recovered answer with offsets first..last; `live` ends the recovery. */
static void answer(unsigned index, uint64_t first, uint64_t last, bool live)
{
    struct hf_page *page = page_of(first, last);
    struct hf_subscribe_result result = {.position = {EPOCH, last},
                                         .top = {EPOCH, 1000},
                                         .recovered = true,
                                         .live = live,
                                         .page = page};

    complete_subscribe(index, HF_OK, &result);
    hf_page_unref(page);
}

static void pages_follow_as_publications_and_then_live_ones(void **state)
{
    struct hf_publication *live = publication_of(6, "{\"n\":6}");
    struct client client;

    client_connect(&client, *state);
    client_send(&client, RECOVER("2", "chat:a"));
    answer(0, 2, 3, false);
    assert_non_null(strstr(client_sent(&client), "\"recovered\":true,\"offset\":1,"));
    client_forget(&client);
    assert_true(request_at(1, FAKE_CONTINUE)->subscribe.recover);
    assert_int_equal(fake_engine.requests[1].subscribe.since.epoch, EPOCH);
    assert_int_equal(fake_engine.requests[1].subscribe.since.offset, 3);
    assert_int_equal(fake_engine.requests[1].subscribe.recovery_limit, HF_LIMIT_NONE);
    hf_hub_on_publication(fake_engine.watches[0]->context, live); /* not yet for this one */
    expect_sent(&client, "");
    answer(1, 4, 5, true);
    expect_sent(&client,
                "[{\"push\":{\"channel\":\"chat:a\",\"pub\":{\"data\":{\"n\":4},\"offset\":4}}}\n"
                "{\"push\":{\"channel\":\"chat:a\",\"pub\":{\"data\":{\"n\":5},\"offset\":5}}}]");
    hf_hub_on_publication(fake_engine.watches[0]->context, live);
    expect_sent(&client,
                "[{\"push\":{\"channel\":\"chat:a\",\"pub\":{\"data\":{\"n\":6},\"offset\":6}}}]");
    hf_publication_unref(live);
    client_close(&client);
}

static void last_answer_may_be_empty(void **state)
{
    struct hf_subscribe_result result = {
        .position = {EPOCH, 3}, .top = {EPOCH, 3}, .recovered = true, .live = true};
    struct client client;

    client_connect(&client, *state);
    client_send(&client, RECOVER("2", "chat:a"));
    answer(0, 2, 3, false);
    client_forget(&client);
    complete_subscribe(1, HF_OK, &result);
    expect_sent(&client, "");
    assert_true(hf_hub_is_live(client.session->subscriptions[0]));
    assert_int_equal(client.session->request_count, 0);
    client_close(&client);
}

static void slow_client_gets_a_page_when_its_queue_is_short(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client.connection.queued = HF_CATCH_UP_LOW_WATER;
    client_send(&client, RECOVER("2", "chat:a"));
    answer(0, 2, 3, false);
    assert_int_equal(fake_engine.request_count, 1);
    assert_true(client.connection.wants_drain);
    client.connection.queued = 0;
    hf_session_drained(client.session);
    assert_int_equal(request_at(1, FAKE_CONTINUE)->subscribe.since.offset, 3);
    hf_session_drained(client.session); /* asked for once */
    assert_int_equal(fake_engine.request_count, 2);
    answer(1, 4, 4, true);
    client_close(&client);
}

static void one_page_at_a_time_for_a_session(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client.connection.queued = HF_CATCH_UP_LOW_WATER;
    client_send(&client, RECOVER("2", "chat:a") "\n" RECOVER("3", "chat:b"));
    answer(0, 2, 3, false);
    answer(1, 2, 3, false);
    client.connection.queued = 0;
    hf_session_drained(client.session);
    assert_int_equal(fake_engine.request_count, 3);
    assert_string_equal(request_at(2, FAKE_CONTINUE)->channel, "chat:a");
    client.connection.queued = HF_CATCH_UP_LOW_WATER; /* its page fills the queue */
    client.connection.wants_drain = false;
    answer(2, 4, 5, true);
    assert_int_equal(fake_engine.request_count, 3);
    assert_true(client.connection.wants_drain);
    client.connection.queued = 0;
    hf_session_drained(client.session);
    assert_string_equal(request_at(3, FAKE_CONTINUE)->channel, "chat:b");
    answer(3, 4, 5, true);
    client_close(&client);
}

static void next_recovery_goes_on_when_one_is_abandoned(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client.connection.queued = HF_CATCH_UP_LOW_WATER;
    client_send(&client, RECOVER("2", "chat:a") "\n" RECOVER("3", "chat:b"));
    answer(0, 2, 3, false);
    answer(1, 2, 3, false);
    client.connection.queued = 0;
    hf_session_drained(client.session);
    client_send(&client, "{\"id\":4,\"unsubscribe\":{\"channel\":\"chat:a\"}}");
    answer(2, 4, 5, true); /* for nobody */
    assert_string_equal(request_at(3, FAKE_CONTINUE)->channel, "chat:b");
    client_send(&client, "{\"id\":5,\"unsubscribe\":{\"channel\":\"chat:b\"}}");
    assert_int_equal(open_watches(), 0);
    answer(3, 4, 5, false);
    assert_int_equal(client.session->request_count, 0);
    client_close(&client);
}

static void trimmed_stream_unsubscribes_with_2500(void **state)
{
    static const int errors[] = {HF_EUNRECOVERABLE, HF_ETIMEOUT};
    struct client client;

    client_connect(&client, *state);
    for (unsigned i = 0; i < 2; i++) {
        client_send(&client, RECOVER("2", "chat:a"));
        answer(2 * i, 2, 3, false);
        client_forget(&client);
        complete_subscribe(2 * i + 1, errors[i], NULL);
        expect_sent(&client, "[{\"push\":{\"channel\":\"chat:a\",\"unsubscribe\":{\"code\":2500,"
                             "\"reason\":\"insufficient state\"}}}]");
        assert_int_equal(open_watches(), 0);
    }
    client_close(&client);
}

static void refused_page_unsubscribes_with_2500(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client.connection.queued = HF_CATCH_UP_LOW_WATER;
    client_send(&client, RECOVER("2", "chat:a"));
    answer(0, 2, 3, false);
    client_forget(&client);
    client.connection.queued = 0;
    fake_engine.refuse = HF_ELIMIT;
    hf_session_drained(client.session);
    expect_sent(&client, "[{\"push\":{\"channel\":\"chat:a\",\"unsubscribe\":{\"code\":2500,"
                         "\"reason\":\"insufficient state\"}}}]");
    client_close(&client);
}

static void refused_pages_leave_no_recovery_waiting(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client.connection.queued = HF_CATCH_UP_LOW_WATER;
    client_send(&client, RECOVER("2", "chat:a") "\n" RECOVER("3", "chat:b"));
    answer(0, 2, 3, false);
    answer(1, 2, 3, false);
    client_forget(&client);
    client.connection.queued = 0;
    fake_engine.refuse = HF_ELIMIT;
    hf_session_drained(client.session); /* nothing of the worker's follows: both are told now */
    assert_non_null(strstr(client_sent(&client), "{\"channel\":\"chat:a\",\"unsubscribe\":"));
    assert_non_null(strstr(client_sent(&client), "{\"channel\":\"chat:b\",\"unsubscribe\":"));
    assert_int_equal(client.session->subscription_count, 0);
    fake_engine.refuse = 0;
    client_close(&client);
}

static void unsubscribe_while_waiting_ends_the_recovery(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client.connection.queued = HF_CATCH_UP_LOW_WATER;
    client_send(&client, RECOVER("2", "chat:a"));
    answer(0, 2, 3, false);
    client_forget(&client);
    client_send(&client, "{\"id\":3,\"unsubscribe\":{\"channel\":\"chat:a\"}}");
    expect_sent(&client, "[{\"id\":3,\"unsubscribe\":{}}]");
    assert_int_equal(client.session->request_count, 0);
    client.connection.queued = 0;
    hf_session_drained(client.session);
    assert_int_equal(fake_engine.request_count, 1);
    client_close(&client);
}

static void close_while_waiting_frees_the_request(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client.connection.queued = HF_CATCH_UP_LOW_WATER;
    client_send(&client, RECOVER("2", "chat:a") "\n" RECOVER("3", "chat:b"));
    answer(0, 2, 3, false);
    answer(1, 2, 3, false);
    client.connection.queued = 0;
    hf_session_drained(client.session);
    client_close(&client);
    answer(2, 4, 5, false); /* finds nobody */
}

static void long_page_is_sent_sixteen_to_a_frame(void **state)
{
    struct client client;

    client_connect(&client, *state);
    client_send(&client, RECOVER("2", "chat:a"));
    answer(0, 2, 3, false);
    client_forget(&client);
    answer(1, 4, 43, true); /* 40 publications: 16, 16, 8 */
    hf_hub_flush(client.fixture->worker.hub);
    assert_int_equal(client.connection.frames, 1); /* one piece of shared bytes */
    assert_non_null(strstr(client_sent(&client), "\"offset\":19}}}][{\"push\""));
    assert_non_null(strstr(client_sent(&client), "\"offset\":35}}}][{\"push\""));
    assert_non_null(strstr(client_sent(&client), "\"offset\":43}}}]"));
    client_close(&client);
}

static void clients_share_the_bytes_of_a_page(void **state)
{
    struct fixture *fixture = *state;
    struct hf_page *page = page_of(4, 23);
    struct hf_subscribe_result result = {
        .position = {EPOCH, 23}, .top = {EPOCH, 23}, .recovered = true, .live = true, .page = page};
    struct client a;
    struct client b;
    uint64_t built;

    client_connect(&a, fixture);
    client_connect(&b, fixture);
    client_send(&a, RECOVER("2", "chat:a"));
    client_send(&b, RECOVER("2", "chat:a"));
    answer(0, 2, 3, false);
    answer(1, 2, 3, false);
    built = fixture->worker.counters.frames_built;
    complete_subscribe(2, HF_OK, &result);
    complete_subscribe(3, HF_OK, &result);
    assert_int_equal(fixture->worker.counters.frames_built - built, 20);
    client_close(&a);
    client_close(&b);
    hf_page_unref(page);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(pages_follow_as_publications_and_then_live_ones),
        WITH_FIXTURE(last_answer_may_be_empty),
        WITH_FIXTURE(slow_client_gets_a_page_when_its_queue_is_short),
        WITH_FIXTURE(one_page_at_a_time_for_a_session),
        WITH_FIXTURE(next_recovery_goes_on_when_one_is_abandoned),
        WITH_FIXTURE(trimmed_stream_unsubscribes_with_2500),
        WITH_FIXTURE(refused_page_unsubscribes_with_2500),
        WITH_FIXTURE(refused_pages_leave_no_recovery_waiting),
        WITH_FIXTURE(unsubscribe_while_waiting_ends_the_recovery),
        WITH_FIXTURE(close_while_waiting_frees_the_request),
        WITH_FIXTURE(long_page_is_sent_sixteen_to_a_frame),
        WITH_FIXTURE(clients_share_the_bytes_of_a_page),
    };

    return cmocka_run_group_tests_name("session_catch_up", tests, NULL, NULL);
}
