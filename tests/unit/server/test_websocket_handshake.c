#include "websocket_fixture.h"

static void expect_status(const char *request, const char *status_line)
{
    client_text(request);
    LOOP_UNTIL(&test.fixture, &test.client, loop_client_has(&test.client, "\r\n\r\n"));
    if (!loop_client_has(&test.client, status_line)) {
        fail_msg("wanted %s, got %s", status_line, test.client.data);
    }
    loop_client_forget(&test.client);
}

static void the_example_of_the_rfc_is_answered_with_its_accept_key(void **state)
{
    (void)state;
    client_text("GET /ws?x=1 HTTP/1.1\r\n" HANDSHAKE "\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, loop_client_has(&test.client, "\r\n\r\n"));
    assert_string_equal(test.client.data, "HTTP/1.1 101 Switching Protocols\r\n"
                                          "Upgrade: websocket\r\n"
                                          "Connection: Upgrade\r\n"
                                          "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                                          "\r\n");
    assert_int_equal(test.opened, 1);
    assert_ptr_equal(test.session.transport, &hf_websocket_json_transport);
    assert_int_equal(atomic_load(&test.fixture.admission.admitted), 1);
}

static void a_known_subprotocol_is_echoed_and_an_unknown_one_is_not(void **state)
{
    (void)state;
    expect_status("GET /ws HTTP/1.1\r\n" HANDSHAKE
                  "Sec-WebSocket-Protocol: other, centrifuge-json\r\n\r\n",
                  "Sec-WebSocket-Protocol: centrifuge-json\r\n");
    loop_client_close(&test.client);
    loop_connect(&test.fixture, &test.client, 0);
    client_text("GET /ws HTTP/1.1\r\n" HANDSHAKE "Sec-WebSocket-Protocol: other\r\n\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, loop_client_has(&test.client, "\r\n\r\n"));
    assert_true(loop_client_has(&test.client, "HTTP/1.1 101 "));
    assert_false(loop_client_has(&test.client, "Sec-WebSocket-Protocol"));
}

/* The connection stays an HTTP connection, so all run on one. */
static void what_is_not_a_handshake_is_refused(void **state)
{
    (void)state;
    expect_status("POST /ws HTTP/1.1\r\n" HANDSHAKE "\r\n", "HTTP/1.1 405 ");
    expect_status("GET /ws HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 ");
    expect_status("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                  "Sec-WebSocket-Version: 12\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                  "HTTP/1.1 400 ");
    expect_status("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
                  "HTTP/1.1 400 ");
    expect_status("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nUpgrade: websocket\r\n"
                  "Sec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                  "HTTP/1.1 400 ");
    assert_int_equal(test.opened, 0);
}

static void protobuf_is_chosen_by_query_or_subprotocol(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "GET /ws?format=protobuf HTTP/1.1\r\n" HANDSHAKE "\r\n",
        "GET /ws?a=b&cf_protocol=protobuf HTTP/1.1\r\n" HANDSHAKE "\r\n",
        "GET /ws HTTP/1.1\r\n" HANDSHAKE "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n\r\n",
        "GET /ws HTTP/1.1\r\n" HANDSHAKE
        "Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Protocol: centrifuge-protobuf\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        if (i != 0) {
            loop_connect(&test.fixture, &test.client, 0);
        }
        expect_status(requests[i],
                      i < 2 ? "HTTP/1.1 101 " : "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n");
        assert_int_equal(test.opened, i + 1);
        assert_ptr_equal(test.session.transport, &hf_websocket_protobuf_transport);
        loop_client_close(&test.client);
        LOOP_UNTIL(&test.fixture, NULL, test.closed == i + 1);
    }
    loop_connect(&test.fixture, &test.client, 0);
    expect_status("GET /ws?format=json HTTP/1.1\r\n" HANDSHAKE "\r\n", "HTTP/1.1 101 ");
    assert_ptr_equal(test.session.transport, &hf_websocket_json_transport);
}

static void an_origin_that_is_not_allowed_is_403(void **state)
{
    (void)state;
    expect_status("GET /ws HTTP/1.1\r\n" HANDSHAKE "Origin: https://evil.example\r\n\r\n",
                  "HTTP/1.1 403 ");
    char pattern[] = "https://*.example";
    char *items[] = {pattern};
    test.fixture.config.client.allowed_origins = (struct hf_string_list){items, 1};
    expect_status("GET /ws HTTP/1.1\r\n" HANDSHAKE "Origin: https://other\r\n\r\n",
                  "HTTP/1.1 403 ");
    expect_status("GET /ws HTTP/1.1\r\n" HANDSHAKE "Origin: HTTPS://Good.example\r\n\r\n",
                  "HTTP/1.1 101 ");
}

static void above_the_connection_limit_the_answer_is_503_until_one_leaves(void **state)
{
    (void)state;
    hf_admission_init(&test.fixture.admission, 1, 0);
    websocket_upgrade();
    struct loop_client second;
    loop_connect(&test.fixture, &second, 0);
    static const char request[] = "GET /ws HTTP/1.1\r\n" HANDSHAKE "\r\n";
    loop_client_send(&second, request, sizeof(request) - 1);
    LOOP_UNTIL(&test.fixture, &second, loop_client_has(&second, "\r\n\r\n"));
    assert_true(loop_client_has(&second, "HTTP/1.1 503 "));
    loop_client_forget(&second);
    loop_client_close(&test.client);
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
    loop_client_send(&second, request, sizeof(request) - 1);
    LOOP_UNTIL(&test.fixture, &second, loop_client_has(&second, "HTTP/1.1 101 "));
    loop_client_close(&second);
}

static void above_the_connection_rate_the_answer_is_503(void **state)
{
    (void)state;
    hf_admission_init(&test.fixture.admission, 0, 1);
    websocket_upgrade();
    struct loop_client second;
    loop_connect(&test.fixture, &second, 0);
    static const char request[] = "GET /ws HTTP/1.1\r\n" HANDSHAKE "\r\n";
    loop_client_send(&second, request, sizeof(request) - 1);
    LOOP_UNTIL(&test.fixture, &second, loop_client_has(&second, "HTTP/1.1 503 "));
    loop_client_close(&second);
}

static void a_frame_right_behind_the_handshake_is_delivered(void **state)
{
    (void)state;
    char bytes[512] = "GET /ws HTTP/1.1\r\n" HANDSHAKE "\r\n";
    size_t len = strlen(bytes);
    len += client_frame(0x81, "{}", 2, bytes + len);
    loop_client_send(&test.client, bytes, len);
    LOOP_UNTIL(&test.fixture, &test.client, test.messages == 1);
    assert_string_equal(test.message, "{}");
}

static void a_session_that_cannot_be_opened_closes_with_3004(void **state)
{
    (void)state;
    test.open_fails = true;
    client_text("GET /ws HTTP/1.1\r\n" HANDSHAKE "\r\n");
    LOOP_UNTIL(&test.fixture, &test.client,
               loop_client_has(&test.client, "\x88\x17\x0b\xbcinternal server error"));
    assert_int_equal(test.closed, 0);
}

static void a_handshake_while_draining_is_closed_with_3001(void **state)
{
    (void)state;
    test.fixture.worker.priv->is_draining = true;
    client_text("GET /ws HTTP/1.1\r\n" HANDSHAKE "\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, test.closed == 1);
    LOOP_UNTIL(&test.fixture, &test.client, loop_client_has(&test.client, "shutdown"));
    assert_int_equal(test.closed_code, 3001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WEBSOCKET_CASE(the_example_of_the_rfc_is_answered_with_its_accept_key),
        WEBSOCKET_CASE(a_known_subprotocol_is_echoed_and_an_unknown_one_is_not),
        WEBSOCKET_CASE(what_is_not_a_handshake_is_refused),
        WEBSOCKET_CASE(protobuf_is_chosen_by_query_or_subprotocol),
        WEBSOCKET_CASE(an_origin_that_is_not_allowed_is_403),
        WEBSOCKET_CASE(above_the_connection_limit_the_answer_is_503_until_one_leaves),
        WEBSOCKET_CASE(above_the_connection_rate_the_answer_is_503),
        WEBSOCKET_CASE(a_frame_right_behind_the_handshake_is_delivered),
        WEBSOCKET_CASE(a_session_that_cannot_be_opened_closes_with_3004),
        WEBSOCKET_CASE(a_handshake_while_draining_is_closed_with_3001),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
