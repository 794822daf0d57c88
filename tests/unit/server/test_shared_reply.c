#include "client/shared_reply.h"

#include "session_fixture.h"

#define CLIENTS 5

#define FROM_5(id)                                                                                 \
    "{\"id\":" id ",\"subscribe\":{\"channel\":\"chat:a\",\"recover\":true,"                       \
    "\"epoch\":\"1700000000000000\",\"offset\":5}}"
#define FROM_6(id)                                                                                 \
    "{\"id\":" id ",\"subscribe\":{\"channel\":\"chat:a\",\"recover\":true,"                       \
    "\"epoch\":\"1700000000000000\",\"offset\":6}}"
#define RECOVERED(id, publications, offset)                                                        \
    "[{\"id\":" id ",\"subscribe\":{\"recoverable\":true,\"epoch\":\"1700000000000000\","          \
    "\"publications\":[" publications "],\"recovered\":true,\"offset\":" offset ","                \
    "\"positioned\":true,\"was_recovering\":true}}]"
#define SIX_AND_SEVEN "{\"data\":{\"n\":6},\"offset\":6},{\"data\":{\"n\":7},\"offset\":7}"
#define SEVEN         "{\"data\":{\"n\":7},\"offset\":7}"

static struct client clients[CLIENTS];

static struct hf_subscribe_result recovered_with(struct hf_page *page)
{
    return (struct hf_subscribe_result){
        .position = {EPOCH, 7}, .top = {EPOCH, 7}, .live = true, .recovered = true, .page = page};
}

static void connect_all(struct fixture *fixture)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        client_connect(&clients[i], fixture);
    }
    fake_wraps = 0;
}

static void close_all(struct hf_page *page)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        client_close(&clients[i]);
    }
    hf_page_unref(page);
}

static void equal_answers_of_a_turn_share_a_frame_from_the_second_on(void **state)
{
    struct hf_page *page = page_of(6, 7);
    struct hf_subscribe_result result = recovered_with(page);

    connect_all(*state);
    for (unsigned i = 0; i < CLIENTS; i++) {
        client_send(&clients[i], FROM_5("2"));
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        complete_subscribe(i, HF_OK, &result);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        expect_sent(&clients[i], RECOVERED("2", SIX_AND_SEVEN, "5"));
        assert_true(hf_hub_is_live(clients[i].session->subscriptions[0]));
    }
    assert_int_equal(fake_wraps, 2);
    close_all(page);
}

static void what_differs_is_answered_apart(void **state)
{
    struct hf_page *page = page_of(6, 7);
    struct hf_page *last = page_of(7, 7);
    struct hf_subscribe_result result = recovered_with(page);
    struct hf_subscribe_result other = recovered_with(last);

    connect_all(*state);
    client_send(&clients[0], FROM_5("2"));
    client_send(&clients[1], FROM_5("3"));
    client_send(&clients[2], FROM_6("3"));
    client_send(&clients[3], FROM_6("3"));
    client_send(&clients[4], FROM_5("3"));
    complete_subscribe(0, HF_OK, &result);
    complete_subscribe(1, HF_OK, &result);
    complete_subscribe(2, HF_OK, &other);
    complete_subscribe(3, HF_OK, &other);
    complete_subscribe(4, HF_OK, &result);
    expect_sent(&clients[0], RECOVERED("2", SIX_AND_SEVEN, "5"));
    expect_sent(&clients[1], RECOVERED("3", SIX_AND_SEVEN, "5"));
    expect_sent(&clients[2], RECOVERED("3", SEVEN, "6"));
    expect_sent(&clients[3], RECOVERED("3", SEVEN, "6"));
    expect_sent(&clients[4], RECOVERED("3", SIX_AND_SEVEN, "5"));
    hf_page_unref(last);
    close_all(page);
}

static void nothing_is_shared_beyond_the_turn(void **state)
{
    struct hf_page *page = page_of(6, 7);
    struct hf_subscribe_result result = recovered_with(page);

    connect_all(*state);
    for (unsigned i = 0; i < CLIENTS; i++) {
        client_send(&clients[i], FROM_5("2"));
        complete_subscribe(i, HF_OK, &result);
        expect_sent(&clients[i], RECOVERED("2", SIX_AND_SEVEN, "5")); /* the end of a turn */
    }
    assert_int_equal(fake_wraps, CLIENTS);
    close_all(page);
}

static void shared_answer_comes_after_what_the_client_was_told_before(void **state)
{
    struct hf_page *page = page_of(6, 7);
    struct hf_subscribe_result result = recovered_with(page);
    struct hf_subscribe_result plain = {.live = true};

    connect_all(*state);
    client_send(&clients[0], FROM_5("2"));
    client_send(&clients[1], "{\"id\":7,\"subscribe\":{\"channel\":\"plain:a\"}}");
    client_send(&clients[1], FROM_5("2"));
    complete_subscribe(0, HF_OK, &result);
    complete_subscribe(1, HF_OK, &plain);
    complete_subscribe(2, HF_OK, &result);
    expect_sent(&clients[0], RECOVERED("2", SIX_AND_SEVEN, "5"));
    expect_sent(&clients[1], "[{\"id\":7,\"subscribe\":{}}]" RECOVERED("2", SIX_AND_SEVEN, "5"));
    close_all(page);
}

static void no_memory_for_the_shared_frame_ends_the_connection(void **state)
{
    struct hf_page *page = page_of(6, 7);
    struct hf_subscribe_result result = recovered_with(page);
    struct fixture *fixture = *state;

    connect_all(fixture);
    client_send(&clients[0], FROM_5("2"));
    client_send(&clients[1], FROM_5("2"));
    complete_subscribe(0, HF_OK, &result);
    hf_session_output_flush(hf_hub_output(fixture->worker.hub));
    fake_wrap_fails = true;
    complete_subscribe(1, HF_OK, &result);
    fake_wrap_fails = false;
    expect_sent(&clients[0], RECOVERED("2", SIX_AND_SEVEN, "5"));
    expect_closed(&clients[1], 3004, "internal server error");
    close_all(page);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(equal_answers_of_a_turn_share_a_frame_from_the_second_on),
        WITH_FIXTURE(what_differs_is_answered_apart),
        WITH_FIXTURE(nothing_is_shared_beyond_the_turn),
        WITH_FIXTURE(shared_answer_comes_after_what_the_client_was_told_before),
        WITH_FIXTURE(no_memory_for_the_shared_frame_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
