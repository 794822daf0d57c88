/* HTTP streams and emulation on the loop, with a session that writes down what it is told. */
#include "websocket_fixture.h"

#include "client/channel_rules.h"
#include "codes.h"
#include "net/emulation.h"
#include "node.h"

#define NODE "0f8fad5b-d9cb-469f-a165-70867728950e"

static struct {
    char told[1024]; /* the newest message to another worker */
    unsigned tells;
    bool inbox_is_full;
    char bus[1024];
    char target[64];
    unsigned sends;
    hf_done_callback *callback;
    void *context;
    struct hf_worker other;
} doubles;

const char *hf_node_uid(const struct hf_node *node)
{
    (void)node;
    return NODE;
}

unsigned hf_node_worker_count(const struct hf_node *node)
{
    (void)node;
    return 2;
}

struct hf_worker *hf_node_worker(const struct hf_node *node, unsigned index)
{
    (void)node;
    assert_int_equal(index, 1);
    return &doubles.other;
}

bool hf_worker_tell(struct hf_worker *worker, struct hf_bytes message)
{
    assert_ptr_equal(worker, &doubles.other);
    snprintf(doubles.told, sizeof(doubles.told), "%.*s", (int)message.len, message.data);
    doubles.tells++;
    return !doubles.inbox_is_full;
}

int hf_bus_send_to(struct hf_port *port, struct hf_bytes node_name, struct hf_bytes message,
                   hf_done_callback *callback, void *context)
{
    (void)port;
    snprintf(doubles.target, sizeof(doubles.target), "%.*s", (int)node_name.len, node_name.data);
    snprintf(doubles.bus, sizeof(doubles.bus), "%.*s", (int)message.len, message.data);
    doubles.sends++;
    doubles.callback = callback;
    doubles.context = context;
    return HF_OK;
}

enum hf_channel_error hf_channel_check_length(const struct hf_config *config, size_t len)
{
    (void)config;
    (void)len;
    return HF_CHANNEL_OK;
}

enum hf_channel_error hf_channel_may_subscribe(const struct hf_config *config, const char *channel,
                                               size_t len, const struct hf_channel_caller *caller,
                                               struct hf_channel_ref *ref)
{
    (void)config;
    (void)channel;
    (void)len;
    (void)caller;
    (void)ref;
    return HF_CHANNEL_DENIED; /* to somebody without a name */
}

static const struct hf_http_route routes[] = {
    {"/stream", hf_http_stream_handle},  {"/sse", hf_sse_handle},
    {"/uni_sse", hf_uni_sse_handle},     {"/uni_stream", hf_uni_http_stream_handle},
    {"/emulation", hf_emulation_handle},
};

static struct hf_string_list origins;

static int set_up(void **state)
{
    static char origin[] = "https://good.example";
    static char *items[] = {origin};
    websocket_set_up(state);
    memset(&doubles, 0, sizeof(doubles));
    struct hf_config *config = &test.fixture.config;
    config->http_stream.max_request_body_size_bytes = 100;
    config->sse.max_request_body_size_bytes = 100;
    config->uni_sse.max_request_body_size_bytes = 100;
    config->uni_http_stream.max_request_body_size_bytes = 100;
    config->emulation.max_request_body_size_bytes = 1000;
    origins = (struct hf_string_list){.items = items, .count = 1};
    config->client.allowed_origins = origins;
    test.fixture.worker.priv->routes = routes;
    test.fixture.worker.priv->route_count = sizeof(routes) / sizeof(routes[0]);
    test.fixture.worker.emulation = hf_emulation_open();
    assert_non_null(test.fixture.worker.emulation);
    return 0;
}

static int tear_down(void **state)
{
    struct hf_emulation *emulation = test.fixture.worker.emulation;
    hf_buffer_fini(&test.fixture.worker.encode);
    websocket_tear_down(state);
    hf_emulation_close(emulation);
    return 0;
}

static void expect(const char *text)
{
    LOOP_UNTIL(&test.fixture, &test.client, loop_client_has(&test.client, text));
}

static void post(const char *path, const char *headers, const char *body)
{
    char text[4096];
    snprintf(text, sizeof(text), "POST %s HTTP/1.1\r\nHost: a\r\n%sContent-Length: %zu\r\n\r\n%s",
             path, headers, strlen(body), body);
    client_text(text);
}

/* Sends as the session would. */
static void send_message(const char *text)
{
    const struct hf_transport *transport = test.session.transport;
    struct hf_frame *frame = transport->wrap(text, strlen(text));
    assert_non_null(frame);
    transport->send(test.session.connection, frame);
    hf_frame_unref(frame);
}

static void http_stream_gives_the_body_to_the_session_and_sends_lines_in_chunks(void **state)
{
    (void)state;
    post("/stream", "Origin: https://good.example\r\n", "{\"id\":1,\"connect\":{}}");
    expect("\r\n\r\n");
    assert_true(loop_client_has(&test.client, "Transfer-Encoding: chunked\r\n"));
    assert_true(loop_client_has(&test.client, "X-Accel-Buffering: no\r\n"));
    assert_true(
        loop_client_has(&test.client, "Access-Control-Allow-Origin: https://good.example\r\n"));
    assert_int_equal(test.messages, 1);
    assert_string_equal(test.message, "{\"id\":1,\"connect\":{}}");
    send_message("{\"a\":1}\n{\"b\":2}");
    expect("10\r\n{\"a\":1}\n{\"b\":2}\n\r\n");
}

static void http_stream_in_protobuf_sends_messages_as_they_are(void **state)
{
    (void)state;
    post("/stream", "Content-Type: application/octet-stream\r\n", "\x04\x08\x01\x22");
    expect("\r\n\r\n");
    assert_int_equal(test.session.transport->encoding, HF_ENCODING_PROTOBUF);
    assert_string_equal(test.message, "\x04\x08\x01\x22");
    send_message("\x02\x08\x01\x02\x08\n");
    expect("6\r\n\x02\x08\x01\x02\x08\n\r\n");
    test.session.transport->close(test.session.connection, 3001, "shutdown");
    expect("\x11\x22\x0f\x5a\x0d\x08\xb9\x17\x12\x08shutdown\r\n0\r\n\r\n");
}

static void sse_sends_each_message_as_an_event(void **state)
{
    (void)state;
    client_text("GET /sse?cf_connect=%7B%7D HTTP/1.1\r\nHost: a\r\n\r\n");
    expect("2\r\n\r\n\r\n");
    assert_true(loop_client_has(&test.client, "Content-Type: text/event-stream; charset=utf-8"));
    assert_string_equal(test.message, "{}");
    send_message("{\"a\":1}\n{\"b\":2}");
    expect("1e\r\ndata: {\"a\":1}\n\ndata: {\"b\":2}\n\n\r\n");
}

static void a_disconnect_is_a_push_then_the_response_ends(void **state)
{
    (void)state;
    post("/stream", "", "{}");
    expect("\r\n\r\n");
    test.session.transport->close(test.session.connection, 3001, "shutdown");
    expect("{\"push\":{\"disconnect\":{\"code\":3001,\"reason\":\"shutdown\"}}}\n\r\n0\r\n\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
    assert_int_equal(test.closed, 1);
    assert_int_equal(test.closed_code, 3001);
}

static void a_client_that_leaves_ends_its_session(void **state)
{
    (void)state;
    post("/stream", "", "{}");
    expect("\r\n\r\n");
    shutdown(test.client.fd, SHUT_RDWR);
    LOOP_UNTIL(&test.fixture, &test.client, test.closed == 1);
    assert_int_equal(test.closed_code, 3000);
}

static void unidirectional_events_end_apart_from_what_is_shared(void **state)
{
    (void)state;
    client_text("GET /uni_sse HTTP/1.1\r\nHost: a\r\n\r\n");
    expect("2\r\n\r\n\r\n");
    assert_int_equal(test.starts, 1);
    const struct hf_transport *transport = test.session.transport;
    struct hf_connection *connection = test.session.connection;
    const struct hf_start_channel channel = {.channel = HF_SLICE("chat:a"),
                                             .position = {17, 4},
                                             .is_recoverable = true,
                                             .was_recovering = true};
    transport->start(connection, &channel, 1);
    expect("event: unrecovered\ndata: {\"channel\":\"chat:a\",\"epoch\":\"17\",\"offset\":4}\n\n");
    struct hf_frame *frame = transport->wrap("{\"p\":5}", 7);
    transport->send_publication(connection, frame, HF_SLICE("chat:a"), (struct hf_position){17, 5});
    hf_frame_unref(frame);
    expect("e\r\ndata: {\"p\":5}\n\r\n22\r\nid: a");
    expect("\n\n\r\n");
}

static void who_names_channels_in_the_query_is_refused_by_the_status(void **state)
{
    static const char *const requests[] = {
        "GET /uni_sse?channel=a&token=x HTTP/1.1\r\nHost: a\r\nOrigin: "
        "https://good.example\r\n\r\n",
        "POST /uni_stream?channel=a HTTP/1.1\r\nHost: a\r\nOrigin: https://good.example\r\n"
        "Authorization: Bearer x\r\nContent-Length: 2\r\n\r\n{}",
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        test.close_code = 3500;
        client_text(requests[i]);
        LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
        assert_string_equal(test.token, "x");
        assert_true(test.is_strict);
        assert_memory_equal(test.client.data, "HTTP/1.1 401 Unauthorized\r\n", 27);
        assert_true(loop_client_has(&test.client, "WWW-Authenticate: Bearer\r\n"));
        assert_true(loop_client_has(&test.client, "Allow-Origin: https://good.example\r\n"));
        assert_true(loop_client_has(&test.client, "\r\n\r\ninvalid token\n"));
        assert_false(loop_client_has(&test.client, "chunked"));
        assert_int_equal(test.closed, 1);
        assert_int_equal(test.closed_code, 3500);
        tear_down(state);
        set_up(state);
    }
}

static void such_a_response_begins_when_the_session_has_started(void **state)
{
    (void)state;
    client_text("GET /uni_sse?channel=a HTTP/1.1\r\nHost: a\r\n\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, test.starts == 1);
    hf__loop_turn(&test.fixture.worker);
    loop_client_take(&test.client, SIZE_MAX);
    assert_int_equal(test.client.len, 0);
    const struct hf_start_channel channel = {.channel = HF_SLICE("a")};
    test.session.transport->start(test.session.connection, &channel, 1);
    send_message("{}");
    expect("\r\n\r\n2\r\n\r\n\r\n9\r\ndata: {}\n\r\n");
    assert_memory_equal(test.client.data, "HTTP/1.1 200 OK\r\n", 17);
}

static void who_sends_a_connect_request_is_refused_by_a_push(void **state)
{
    (void)state;
    test.close_code = 3507;
    client_text("GET /uni_sse?cf_connect=%7B%7D HTTP/1.1\r\nHost: a\r\n\r\n");
    expect("data: {\"disconnect\":{\"code\":3507,\"reason\":\"a reason\"}}\n");
    assert_false(test.is_strict);
    assert_memory_equal(test.client.data, "HTTP/1.1 200 OK\r\n", 17);
    LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
}

static void requests_that_cannot_be_served_are_refused(void **state)
{
    (void)state;
    char large[200];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    const struct {
        const char *request;
        const char *answer;
    } cases[] = {
        {"GET /sse HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 "},
        {"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 405 "},
        {"GET /emulation HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 405 "},
        {"GET /uni_sse?cf_connect=x HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 "},
        {"GET /uni_sse?cf_connect=%zz HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 "},
        {"OPTIONS /stream HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 204 "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        client_text(cases[i].request);
        expect("\r\n\r\n");
        assert_true(loop_client_has(&test.client, cases[i].answer));
        loop_client_forget(&test.client);
    }
    post("/stream", "", large);
    expect("HTTP/1.1 413 ");
    loop_client_forget(&test.client);
    assert_int_equal(test.opened, 0);
}

/* --- emulation ---------------------------------------------------------------------------------
 */

static void emulate(struct loop_client *client, const char *node, const char *session,
                    const char *answer)
{
    char body[512];
    char text[1024];
    snprintf(body, sizeof(body), "{\"session\":\"%s\",\"node\":\"%s\",\"data\":\"{\\\"id\\\":2}\"}",
             session, node);
    snprintf(text, sizeof(text),
             "POST /emulation HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
             body);
    loop_client_send(client, text, strlen(text));
    LOOP_UNTIL(&test.fixture, client, client->len > 0 || answer == NULL);
    if (answer != NULL) {
        assert_true(loop_client_has(client, answer));
        loop_client_forget(client);
    }
}

static void a_command_reaches_the_session_of_the_same_worker(void **state)
{
    (void)state;
    struct loop_client other;
    post("/stream", "", "{}");
    expect("\r\n\r\n");
    struct hf_connect_result result = {0};
    test.session.transport->describe(test.session.connection, &result);
    assert_int_equal(result.session.len, 36);
    assert_true(hf_slice_equal(result.node, HF_SLICE(NODE)));
    char session[40];
    snprintf(session, sizeof(session), "%.*s", (int)result.session.len, result.session.data);
    loop_connect(&test.fixture, &other, 0);
    emulate(&other, NODE, session, "HTTP/1.1 204 ");
    assert_int_equal(test.messages, 2);
    assert_string_equal(test.message, "{\"id\":2}");
    session[0] = session[0] == '0' ? '1' : '0';
    emulate(&other, NODE, session, "HTTP/1.1 204 "); /* nobody's: nothing happens */
    assert_int_equal(test.messages, 2);
    loop_client_close(&other);
}

static void commands_in_protobuf_may_hold_any_byte(void **state)
{
    (void)state;
    static const char commands[] = "\n\x08\n{\"a\":\n}"; /* a message of ten bytes */
    char body[200];
    struct loop_client other;
    struct hf_connect_result result = {0};
    post("/stream", "Content-Type: application/octet-stream\r\n", "\x01\x08");
    expect("\r\n\r\n");
    test.session.transport->describe(test.session.connection, &result);
    snprintf(body, sizeof(body), "\n%c" NODE "\x12%c%.*s\x1a%c%s", (int)strlen(NODE),
             (int)result.session.len, (int)result.session.len, result.session.data,
             (int)strlen(commands), commands);
    char text[512];
    snprintf(text, sizeof(text),
             "POST /emulation HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    loop_connect(&test.fixture, &other, 0);
    loop_client_send(&other, text, strlen(text));
    LOOP_UNTIL(&test.fixture, &other, loop_client_has(&other, "HTTP/1.1 204 "));
    assert_string_equal(test.message, commands);
    /* through an inbox or the bus */
    snprintf(text, sizeof(text), "emulation\n" NODE "\n%.*s\n%s", (int)result.session.len,
             result.session.data, commands);
    assert_true(hf_emulation_take(&test.fixture.worker, (struct hf_bytes){text, strlen(text)}));
    assert_string_equal(test.message, commands);
    assert_int_equal(test.messages, 3);
    loop_client_close(&other);
}

static void a_command_for_another_worker_goes_to_its_inbox(void **state)
{
    (void)state;
    emulate(&test.client, NODE, "00000000-0000-4000-8000-000000000001", "HTTP/1.1 204 ");
    assert_string_equal(doubles.told,
                        "emulation\n" NODE "\n00000000-0000-4000-8000-000000000001\n{\"id\":2}");
    doubles.inbox_is_full = true;
    emulate(&test.client, NODE, "00000000-0000-4000-8000-000000000001", "HTTP/1.1 503 ");
    emulate(&test.client, NODE, "00000000-0000-4000-8000-000000000002", "HTTP/1.1 204 ");
    assert_int_equal(doubles.tells, 2); /* there is no third worker */
}

static void a_command_for_another_node_goes_over_the_bus_and_is_answered_after_it(void **state)
{
    (void)state;
    loop_client_send(&test.client, "", 0);
    post("/emulation", "",
         "{\"session\":\"00000000-0000-4000-8000-000000000000\",\"node\":\"another\","
         "\"data\":\"{}\"}");
    LOOP_UNTIL(&test.fixture, &test.client, doubles.sends == 1);
    assert_string_equal(doubles.bus,
                        "emulation\nanother\n00000000-0000-4000-8000-000000000000\n{}");
    assert_string_equal(doubles.target, "another");
    assert_int_equal(test.client.len, 0);
    doubles.callback(doubles.context, HF_OK);
    expect("HTTP/1.1 204 ");
    loop_client_forget(&test.client);
    const struct {
        int rc;
        const char *answer;
    } failures[] = {{HF_ENONODE, "HTTP/1.1 404 "}, {HF_EUNAVAILABLE, "HTTP/1.1 500 "}};
    for (size_t i = 0; i < 2; i++) { /* nobody has that name; Redis is away */
        post("/emulation", "",
             "{\"session\":\"00000000-0000-4000-8000-000000000000\",\"node\":\"another\","
             "\"data\":\"{}\"}");
        LOOP_UNTIL(&test.fixture, &test.client, doubles.sends == 2 + i);
        doubles.callback(doubles.context, failures[i].rc);
        expect(failures[i].answer);
        loop_client_forget(&test.client);
    }
}

static void messages_from_elsewhere_reach_only_their_session(void **state)
{
    (void)state;
    struct hf_worker *worker = &test.fixture.worker;
    post("/stream", "", "{}");
    expect("\r\n\r\n");
    struct hf_connect_result result = {0};
    test.session.transport->describe(test.session.connection, &result);
    char text[200];
    snprintf(text, sizeof(text), "emulation\n" NODE "\n%.*s\n{\"id\":3}", (int)result.session.len,
             result.session.data);
    assert_true(hf_emulation_take(worker, (struct hf_bytes){text, strlen(text)}));
    assert_string_equal(test.message, "{\"id\":3}");
    text[10] = 'x'; /* another node's */
    assert_true(hf_emulation_take(worker, (struct hf_bytes){text, strlen(text)}));
    assert_int_equal(test.messages, 2);
    for (size_t len = 10; len < 84; len++) { /* cut off: nothing happens */
        assert_true(hf_emulation_take(worker, (struct hf_bytes){text, len}));
    }
    assert_int_equal(test.messages, 2);
    assert_false(hf_emulation_take(worker, (struct hf_bytes){"{\"type\":\"node\"}", 15}));
    assert_false(hf_emulation_take(worker, (struct hf_bytes){NULL, 0}));
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(http_stream_gives_the_body_to_the_session_and_sends_lines_in_chunks),
        CASE(http_stream_in_protobuf_sends_messages_as_they_are),
        CASE(sse_sends_each_message_as_an_event),
        CASE(a_disconnect_is_a_push_then_the_response_ends),
        CASE(a_client_that_leaves_ends_its_session),
        CASE(unidirectional_events_end_apart_from_what_is_shared),
        CASE(who_names_channels_in_the_query_is_refused_by_the_status),
        CASE(such_a_response_begins_when_the_session_has_started),
        CASE(who_sends_a_connect_request_is_refused_by_a_push),
        CASE(requests_that_cannot_be_served_are_refused),
        CASE(a_command_reaches_the_session_of_the_same_worker),
        CASE(commands_in_protobuf_may_hold_any_byte),
        CASE(a_command_for_another_worker_goes_to_its_inbox),
        CASE(a_command_for_another_node_goes_over_the_bus_and_is_answered_after_it),
        CASE(messages_from_elsewhere_reach_only_their_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
