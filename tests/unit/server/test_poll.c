/* Long polling on the loop, with a session that writes down what it is told. */
#include "websocket_fixture.h"

#include "client/channel_rules.h"
#include "net/poll.h"

static struct hf_channel_options channel_options;

enum hf_channel_error hf_channel_check_length(const struct hf_config *config, size_t len)
{
    (void)config;
    return len <= 20 ? HF_CHANNEL_OK : HF_CHANNEL_BAD_REQUEST;
}

enum hf_channel_error hf_channel_may_subscribe(const struct hf_config *config, const char *channel,
                                               size_t len, const struct hf_channel_caller *caller,
                                               struct hf_channel_ref *ref)
{
    (void)config;
    (void)caller;
    ref->options = &channel_options;
    return hf_slice_equal(hf_slice(channel, len), HF_SLICE("closed")) ? HF_CHANNEL_DENIED
                                                                      : HF_CHANNEL_OK;
}

static const struct hf_http_route routes[] = {{"/poll", hf_poll_handle}};

static int set_up(void **state)
{
    websocket_set_up(state);
    test.fixture.config.holdfast.poll_max_wait_ms = 25000;
    test.fixture.worker.priv->routes = routes;
    return 0;
}

static int tear_down(void **state)
{
    hf_buffer_fini(&test.fixture.worker.encode);
    return websocket_tear_down(state);
}

static void expect(const char *text)
{
    LOOP_UNTIL(&test.fixture, &test.client, loop_client_has(&test.client, text));
}

static void get(const char *query)
{
    char text[512];
    snprintf(text, sizeof(text), "GET /poll?%s HTTP/1.1\r\nHost: a\r\n\r\n", query);
    client_text(text);
}

/* The session starts as with an answer of the engine. */
static void start(struct hf_start_channel channel)
{
    LOOP_UNTIL(&test.fixture, &test.client, test.starts == test.opened && test.opened > 0);
    channel.channel = HF_SLICE("a");
    test.session.transport->start(test.session.connection, &channel, 1);
}

static void publish(const char *item, uint64_t offset)
{
    const struct hf_transport *transport = test.session.transport;
    struct hf_frame *frame = transport->wrap(item, strlen(item));
    assert_non_null(frame);
    transport->send_publication(test.session.connection, frame, HF_SLICE("a"),
                                (struct hf_position){17, offset});
    hf_frame_unref(frame);
}

static void what_is_missed_is_answered_at_once_and_the_connection_goes_on(void **state)
{
    (void)state;
    get("channel=a&since=1&epoch=17");
    start((struct hf_start_channel){.publications = HF_SLICE("{\"data\":1,\"offset\":2}"),
                                    .position = {17, 2},
                                    .is_recoverable = true,
                                    .was_recovering = true,
                                    .is_recovered = true});
    expect("{\"epoch\":\"17\",\"offset\":2,\"recovered\":true,"
           "\"publications\":[{\"data\":1,\"offset\":2}]}\n");
    assert_true(loop_client_has(&test.client, "Holdfast-Since: 2\r\n"));
    assert_int_equal(test.closed, 1);
    assert_int_equal(atomic_load(&test.fixture.admission.admitted), 0);
    loop_client_forget(&test.client);
    test.starts = test.opened = 0;
    get("channel=a"); /* the same connection */
    start((struct hf_start_channel){.position = {17, 2}, .is_recoverable = true});
    publish("{\"data\":3,\"offset\":3}", 3);
    publish("{\"data\":4,\"offset\":4}", 4);
    expect("\"offset\":4,\"recovered\":true,\"publications\":[{\"data\":3,\"offset\":3},"
           "{\"data\":4,\"offset\":4}]}\n");
}

static void the_end_of_the_time_is_an_empty_answer(void **state)
{
    (void)state;
    get("channel=a&timeout=0");
    start((struct hf_start_channel){.position = {17, 2}, .is_recoverable = true});
    expect("{\"epoch\":\"17\",\"offset\":2,\"recovered\":true,\"publications\":[]}\n");
}

static void what_cannot_be_recovered_is_told_at_once_but_not_without_recovery(void **state)
{
    (void)state;
    get("channel=a&since=1&epoch=16");
    start((struct hf_start_channel){
        .position = {17, 9}, .is_recoverable = true, .was_recovering = true});
    expect("{\"epoch\":\"17\",\"offset\":9,\"recovered\":false,\"publications\":[]}\n");
    loop_client_forget(&test.client);
    test.starts = test.opened = 0;
    get("channel=a&since=1");
    start((struct hf_start_channel){.was_recovering = true});
    hf__loop_turn(&test.fixture.worker);
    hf__loop_turn(&test.fixture.worker);
    loop_client_take(&test.client, SIZE_MAX);
    assert_int_equal(test.client.len, 0);
    publish("{\"data\":1}", 0);
    expect("\"recovered\":false,\"publications\":[{\"data\":1}]}\n");
}

static void a_session_that_is_closed_is_answered_with_the_status_of_its_code(void **state)
{
    static const struct {
        unsigned code;
        const char *status;
        const char *body;
    } cases[] = {
        {3004, "HTTP/1.1 503 ", "\r\n\r\ninternal server error\n"},
        {3500, "HTTP/1.1 401 ", "\r\n\r\ninvalid token\n"},
        {3501, "HTTP/1.1 401 ", "\r\n\r\na token is needed\n"},
        {3005, "HTTP/1.1 401 ", "\r\n\r\nconnection expired\n"},
        {3507, "HTTP/1.1 403 ", "\r\n\r\npermission denied\n"},
        {3505, "HTTP/1.1 400 ", "\r\n\r\nchannel limit\n"},
        {3504, "HTTP/1.1 429 ", "\r\n\r\nconnection limit\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        get("channel=a");
        LOOP_UNTIL(&test.fixture, &test.client, test.starts == 1);
        test.session.transport->close(test.session.connection, cases[i].code, "");
        expect(cases[i].status);
        expect(cases[i].body);
        LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
        tear_down(state);
        set_up(state);
    }
}

static void tokens_come_from_the_query_or_the_header(void **state)
{
    (void)state;
    get("channel=a&token=t1&subscription_token=s1");
    LOOP_UNTIL(&test.fixture, &test.client, test.starts == 1);
    assert_true(test.is_strict);
    assert_string_equal(test.token, "t1");
    assert_string_equal(test.subscription_token, "s1");
    tear_down(state);
    set_up(state);
    client_text("GET /poll?channel=a HTTP/1.1\r\nHost: a\r\nAuthorization: bearer t2\r\n\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, test.starts == 1);
    assert_string_equal(test.token, "t2");
    assert_string_equal(test.subscription_token, "");
    tear_down(state);
    set_up(state);
    client_text(
        "GET /poll?channel=a&token=t1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t2\r\n\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, test.starts == 1);
    assert_string_equal(test.token, "t1");
    tear_down(state);
    set_up(state);
    client_text("GET /poll?channel=a HTTP/1.1\r\nHost: a\r\nAuthorization: Basic t2\r\n\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, test.starts == 1);
    assert_string_equal(test.token, "");
}

static void a_client_that_leaves_ends_its_session(void **state)
{
    (void)state;
    get("channel=a");
    LOOP_UNTIL(&test.fixture, &test.client, test.starts == 1);
    shutdown(test.client.fd, SHUT_RDWR);
    LOOP_UNTIL(&test.fixture, &test.client, test.closed == 1);
}

static void a_request_behind_a_waiting_one_is_answered_after_it(void **state)
{
    (void)state;
    get("channel=a");
    client_text("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
    start((struct hf_start_channel){.position = {17, 2}, .is_recoverable = true});
    hf__loop_turn(&test.fixture.worker);
    publish("{\"data\":3}", 3);
    expect("HTTP/1.1 404 ");
    assert_true(strstr(test.client.data, "200 OK") < strstr(test.client.data, "404 Not"));
}

static void bad_requests_open_no_session(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"since=1", "400"},
        {"channel=a&channel=b", "400"},
        {"subscription_token=x&channel=a", "400"},
        {"channel=a&since=-1", "400"},
        {"channel=", "400"},
        {"channel=a&timeout=soon", "400"},
        {"channel=a&since=", "400"},
        {"channel=aaaaaaaaaaaaaaaaaaaaaaaaaa", "400"},
        {"channel=a&since=%zz", "400"},
        {"channel=a&since=111111111111111111111111111111", "400"},
        {"channel=a&since=1&epoch=%zz", "400"},
        {"channel=a&timeout=%2", "400"},
        {"channel=a&channel=%zz", "400"},
        {"channel=a&token=%zz", "400"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char status[32];
        snprintf(status, sizeof(status), "HTTP/1.1 %s ", cases[i][1]);
        get(cases[i][0]);
        expect("\r\n\r\n");
        assert_true(loop_client_has(&test.client, status));
        loop_client_forget(&test.client);
    }
    assert_int_equal(test.opened, 0);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_missed_is_answered_at_once_and_the_connection_goes_on),
        CASE(the_end_of_the_time_is_an_empty_answer),
        CASE(what_cannot_be_recovered_is_told_at_once_but_not_without_recovery),
        CASE(a_session_that_is_closed_is_answered_with_the_status_of_its_code),
        CASE(tokens_come_from_the_query_or_the_header),
        CASE(a_client_that_leaves_ends_its_session),
        CASE(a_request_behind_a_waiting_one_is_answered_after_it),
        CASE(bad_requests_open_no_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
