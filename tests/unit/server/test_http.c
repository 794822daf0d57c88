#include "net/http.h"

#include <stdio.h>

#include "connection_fixture.h"
#include "net/http_request.h"

struct http_test {
    struct loop_fixture fixture;
    struct loop_client client;
    unsigned calls;
    char method[16];
    char path[128];
    char query[128];
    char body[8192];
    size_t body_len;
    struct hf_http_request *waiting; /* of /later */
    struct hf_connection *taken;
    char taken_bytes[256];
    size_t taken_len;
};

static struct http_test test;

static void copy_slice(char *out, size_t size, struct hf_slice slice)
{
    assert_true(slice.len < size);
    memcpy(out, slice.data, slice.len);
    out[slice.len] = '\0';
}

static void remember(const struct hf_http_request *request)
{
    test.calls++;
    copy_slice(test.method, sizeof(test.method), request->method);
    copy_slice(test.path, sizeof(test.path), request->path);
    copy_slice(test.query, sizeof(test.query), request->query);
    test.body_len = request->body.len;
    if (request->body.len > 0) {
        memcpy(test.body, request->body.data, request->body.len);
    }
}

static void handle_echo(struct hf_http_request *request)
{
    remember(request);
    hf_http_respond(request, 200, "text/plain", "X-Extra: 1\r\n", test.body, test.body_len);
}

static void handle_later(struct hf_http_request *request)
{
    remember(request);
    assert_null(test.waiting);
    test.waiting = request;
}

static void handle_big(struct hf_http_request *request)
{
    remember(request);
    char *body = calloc(1, 50000);
    memset(body, 'b', 50000);
    hf_http_respond(request, 200, "text/plain", NULL, body, 50000);
    free(body);
}

static void handle_get_only(struct hf_http_request *request)
{
    remember(request);
    hf_http_respond_method_not_allowed(request, "GET, HEAD");
}

static size_t on_taken_input(struct hf_connection *connection, char *data, size_t len)
{
    test.taken = connection;
    memcpy(test.taken_bytes + test.taken_len, data, len);
    test.taken_len += len;
    return len;
}

static void on_taken_closed(struct hf_connection *connection, unsigned code)
{
    (void)connection;
    (void)code;
    test.taken = NULL;
}

static const struct hf_connection_driver taker = {
    .name = "taker",
    .on_input = on_taken_input,
    .on_closed = on_taken_closed,
};

static void handle_take(struct hf_http_request *request)
{
    remember(request);
    static const char response[] = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
    assert_true(hf_http_take_over(request, response, sizeof(response) - 1, &taker, NULL));
}

static const struct hf_http_route routes[] = {
    {"/echo", handle_echo}, {"/later", handle_later},       {"/big", handle_big},
    {"/take", handle_take}, {"/get-only", handle_get_only},
};

static int set_up(void **state)
{
    (void)state;
    memset(&test, 0, sizeof(test));
    loop_fixture_open(&test.fixture, &hf_http_driver);
    test.fixture.worker.priv->routes = routes;
    test.fixture.worker.priv->route_count = sizeof(routes) / sizeof(routes[0]);
    loop_connect(&test.fixture, &test.client, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_client_close(&test.client);
    loop_fixture_close(&test.fixture);
    if (test.waiting != NULL) {
        hf_http_respond(test.waiting, 200, NULL, NULL, NULL, 0);
    }
    return 0;
}

static void send_text(const char *text)
{
    loop_client_send(&test.client, text, strlen(text));
}

static unsigned answers(void)
{
    unsigned count = 0;
    const char *at = test.client.data;
    size_t left = test.client.len;
    const char *found;
    while (left > 0 && (found = memmem(at, left, "HTTP/1.1 200 OK\r\n", 17)) != NULL) {
        count++;
        left -= (size_t)(found - at) + 17;
        at = found + 17;
    }
    return count;
}

static void reconnect(void)
{
    loop_client_close(&test.client);
    loop_connect(&test.fixture, &test.client, 0);
}

/* --- good requests -------------------------------------------------------------------------- */

struct good {
    const char *bytes;
    const char *method;
    const char *path;
    const char *query;
    const char *body;
};

static const struct good good_requests[] = {
    {"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/echo", "", ""},
    {"\r\nGET /echo?a=1&b=2 HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/echo", "a=1&b=2", ""},
    {"GET /echo? HTTP/1.1\r\nHost:a\r\n\r\n", "GET", "/echo", "", ""},
    {"GET http://host:80/echo?x HTTP/1.1\r\nHost: host:80\r\n\r\n", "GET", "/echo", "x", ""},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "POST", "/echo", "",
     "hello"},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
     "3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n",
     "POST", "/echo", "", "abcde"},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST", "/echo", "", ""},
    {"GET /echo HTTP/1.0\r\n\r\n", "GET", "/echo", "", ""},
    {"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\r\n", "PUT", "/echo", "", "\r\n"},
    {"DELETE /echo HTTP/1.1\r\nhOsT: a\r\nX-Empty:\r\nX-Tab:\t v \t\r\n\r\n", "DELETE", "/echo", "",
     ""},
};

static void check_good(const struct good *good)
{
    assert_int_equal(test.calls, 1);
    assert_string_equal(test.method, good->method);
    assert_string_equal(test.path, good->path);
    assert_string_equal(test.query, good->query);
    assert_int_equal(test.body_len, strlen(good->body));
    assert_memory_equal(test.body, good->body, test.body_len);
    test.calls = 0;
}

static void good_requests_reach_their_handler(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good_requests) / sizeof(good_requests[0]); i++) {
        send_text(good_requests[i].bytes);
        LOOP_UNTIL(&test.fixture, &test.client, answers() == 1);
        check_good(&good_requests[i]);
        reconnect();
    }
}

static void good_requests_cut_at_any_byte_are_the_same_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good_requests) / sizeof(good_requests[0]); i++) {
        size_t len = strlen(good_requests[i].bytes);
        for (size_t cut = 1; cut < len; cut++) {
            struct hf_http_exchange *exchange = hf__http_exchange_new(2048, 4096);
            assert_int_equal(hf__http_exchange_feed(exchange, good_requests[i].bytes, cut), cut);
            assert_false(exchange->is_complete);
            assert_int_equal(exchange->error_status, 0);
            assert_int_equal(
                hf__http_exchange_feed(exchange, good_requests[i].bytes + cut, len - cut),
                len - cut);
            assert_true(exchange->is_complete);
            remember(&exchange->request);
            check_good(&good_requests[i]);
            hf__http_exchange_free(exchange);
        }
        struct hf_http_exchange *exchange = hf__http_exchange_new(2048, 4096);
        for (size_t at = 0; at < len; at++) {
            assert_int_equal(hf__http_exchange_feed(exchange, good_requests[i].bytes + at, 1), 1);
        }
        assert_true(exchange->is_complete);
        remember(&exchange->request);
        check_good(&good_requests[i]);
        hf__http_exchange_free(exchange);
    }
}

/* --- bad requests --------------------------------------------------------------------------- */

struct bad {
    const char *bytes;
    size_t len; /* 0: strlen */
    int status;
};

#define NUL_IN_HEADER "GET /echo HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"

static const struct bad bad_requests[] = {
    {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11, 400}, /* TLS on the plain port */
    {"NONSENSE /echo HTTP/1.1\r\n\r\n", 0, 400},
    {"get /echo HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
    {"GET /echo\r\n\r\n", 0, 505},
    {"GET /echo HTTP/2.0\r\nHost: a\r\n\r\n", 0, 505},
    {"GET /echo HTTX/1.1\r\nHost: a\r\n\r\n", 0, 400},
    {"GET /ec\x01ho HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
    {"GET /echo HTTP/1.1\r\n\r\n", 0, 400},                       /* no Host */
    {"GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 0, 400}, /* two */
    {"GET /echo HTTP/1.1\r\nHost : a\r\n\r\n", 0, 400},           /* space before the colon */
    {"GET /echo HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n", 0, 400},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n 2\r\n\r\nab", 0, 400},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\n\tchunked\r\n\r\n0\r\n\r\n", 0, 400},
    {"GET /echo HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n", 0, 400},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length : 2\r\n\r\nab", 0, 400},
    {"GET /echo HTTP/1.1\r\nHost: a\r\nA B: a\r\n\r\n", 0, 400},
    {"POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, 400},
    {"GET /echo HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 0, 400},
    {NUL_IN_HEADER, sizeof(NUL_IN_HEADER) - 1, 400},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     0, 400},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
     "Content-Length: 5\r\n\r\n0\r\n\r\n",
     0, 400},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 0,
     400},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello", 0, 400},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5x\r\n\r\nhello", 0, 400},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 0, 400},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\nhello", 0, 400},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 0, 400},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n", 0, 400},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4097\r\n\r\n", 0, 413},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0, 501},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\rxab\r\n", 0, 400},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n;\r\n", 0, 400},
    {"GET /echo HTTP/1.1\r\nHost: a\r\n\rX", 0, 400},
    {"GET /echo HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 0, 400},
    {"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
     "ffffffffffffffffff\r\n",
     0, 400},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: something\r\nContent-Length: 1\r\n\r\n", 0, 417},
};

static void bad_requests_are_refused_and_the_connection_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_requests) / sizeof(bad_requests[0]); i++) {
        const struct bad *bad = &bad_requests[i];
        size_t len = bad->len != 0 ? bad->len : strlen(bad->bytes);
        loop_client_send(&test.client, bad->bytes, len);
        LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
        char status_line[64];
        snprintf(status_line, sizeof(status_line), "HTTP/1.1 %d ", bad->status);
        if (!loop_client_has(&test.client, status_line)) {
            fail_msg("request %zu: wanted %d, got: %s", i, bad->status,
                     test.client.data != NULL ? test.client.data : "nothing");
        }
        assert_true(loop_client_has(&test.client, "Connection: close\r\n"));
        assert_int_equal(test.calls, 0);
        reconnect();
    }
}

static void bad_requests_cut_at_any_byte_are_refused_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_requests) / sizeof(bad_requests[0]); i++) {
        const struct bad *bad = &bad_requests[i];
        size_t len = bad->len != 0 ? bad->len : strlen(bad->bytes);
        for (size_t cut = 0; cut < len; cut++) {
            struct hf_http_exchange *exchange = hf__http_exchange_new(2048, 4096);
            hf__http_exchange_feed(exchange, bad->bytes, cut);
            hf__http_exchange_feed(exchange, bad->bytes + cut, len - cut);
            assert_int_equal(exchange->error_status, bad->status);
            assert_false(exchange->is_complete);
            hf__http_exchange_free(exchange);
        }
    }
}

static void a_head_above_the_limit_is_431(void **state)
{
    (void)state;
    send_text("GET /echo HTTP/1.1\r\nHost: a\r\nX-Long: ");
    char filler[1000];
    memset(filler, 'x', sizeof(filler));
    for (int i = 0; i < 3; i++) {
        loop_client_send(&test.client, filler, sizeof(filler));
    }
    LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
    assert_true(loop_client_has(&test.client, "HTTP/1.1 431 "));
}

static void too_many_headers_are_431(void **state)
{
    (void)state;
    send_text("GET /echo HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 200; i++) {
        send_text("a:b\r\n");
    }
    send_text("\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
    assert_true(loop_client_has(&test.client, "HTTP/1.1 431 "));
}

static void chunks_that_exceed_the_body_limit_together_are_413(void **state)
{
    (void)state;
    send_text("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    char chunk[1024 + 16];
    int len = snprintf(chunk, sizeof(chunk), "400\r\n%01024d\r\n", 0);
    for (int i = 0; i < 5; i++) {
        loop_client_send(&test.client, chunk, (size_t)len);
    }
    LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
    assert_true(loop_client_has(&test.client, "HTTP/1.1 413 "));
    assert_int_equal(test.calls, 0);
}

/* --- answers -------------------------------------------------------------------------------- */

static void an_answer_has_its_length_and_the_connection_stays(void **state)
{
    (void)state;
    send_text("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok");
    LOOP_UNTIL(&test.fixture, &test.client, loop_client_has(&test.client, "\r\n\r\nok"));
    assert_string_equal(test.client.data, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                          "Content-Length: 2\r\nX-Extra: 1\r\n\r\nok");
    loop_client_forget(&test.client);
    send_text("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, answers() == 1);
    assert_int_equal(test.calls, 2);
}

static void head_gets_the_length_without_the_body(void **state)
{
    (void)state;
    send_text("HEAD /big HTTP/1.1\r\nHost: a\r\n\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, answers() == 2);
    assert_true(loop_client_has(&test.client, "Content-Length: 50000\r\n"));
    assert_true(test.client.len < 500);
}

static void an_unknown_path_is_404_and_405_names_what_is_allowed(void **state)
{
    (void)state;
    send_text("GET /echo/ HTTP/1.1\r\nHost: a\r\n\r\nPOST /get-only HTTP/1.1\r\nHost: a\r\n"
              "Content-Length: 1\r\n\r\nx");
    LOOP_UNTIL(&test.fixture, &test.client, loop_client_has(&test.client, "HTTP/1.1 405 "));
    assert_true(loop_client_has(&test.client, "HTTP/1.1 404 Not Found\r\n"));
    assert_true(loop_client_has(&test.client, "Allow: GET, HEAD\r\n"));
}

static void connection_close_and_http_1_0_end_after_the_answer(void **state)
{
    (void)state;
    send_text("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
    assert_true(loop_client_has(&test.client, "Connection: close\r\n"));
    reconnect();
    send_text("GET /echo HTTP/1.0\r\n\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
    assert_int_equal(answers(), 1);
    reconnect();
    send_text("GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, answers() == 1);
    assert_true(loop_client_has(&test.client, "Connection: keep-alive\r\n"));
    loop_turns(&test.fixture, 3);
    loop_client_take(&test.client, 1000);
    assert_false(test.client.is_ended);
}

static void pipelined_requests_are_answered_in_order_even_when_one_waits(void **state)
{
    (void)state;
    send_text("GET /echo HTTP/1.1\r\nHost: a\r\n\r\nGET /later HTTP/1.1\r\nHost: a\r\n\r\n"
              "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nlast");
    LOOP_UNTIL(&test.fixture, &test.client, test.waiting != NULL);
    loop_turns(&test.fixture, 5);
    assert_int_equal(test.calls, 2);
    struct hf_http_request *request = test.waiting;
    test.waiting = NULL;
    hf_http_respond(request, 200, "text/plain", NULL, "middle", 6);
    LOOP_UNTIL(&test.fixture, &test.client, loop_client_has(&test.client, "last"));
    assert_int_equal(answers(), 3);
    assert_true(strstr(test.client.data, "middle") < strstr(test.client.data, "last"));
}

static void a_client_that_does_not_read_stops_its_next_requests(void **state)
{
    (void)state;
    loop_client_close(&test.client);
    loop_connect(&test.fixture, &test.client, 4096);
    enum { REQUESTS = 60 };
    for (int i = 0; i < REQUESTS; i++) {
        send_text("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    loop_turns(&test.fixture, 20);
    assert_true(test.calls > 0 && test.calls < 5);
    LOOP_UNTIL(&test.fixture, &test.client, answers() == REQUESTS);
    assert_int_equal(test.calls, REQUESTS);
}

static void a_half_closed_client_still_gets_its_answer(void **state)
{
    (void)state;
    send_text("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(shutdown(test.client.fd, SHUT_WR), 0);
    LOOP_UNTIL(&test.fixture, &test.client, test.waiting != NULL);
    loop_turns(&test.fixture, 3);
    struct hf_http_request *request = test.waiting;
    test.waiting = NULL;
    hf_http_respond(request, 200, "text/plain", NULL, "late", 4);
    LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
    assert_true(loop_client_has(&test.client, "\r\n\r\nlate"));
}

static void the_answer_to_a_client_that_left_goes_nowhere(void **state)
{
    (void)state;
    send_text("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, test.waiting != NULL);
    hf__connections_close(&test.fixture.worker, 3000);
    assert_null(test.waiting->connection);
    assert_int_equal(test.waiting->path.len, 6);
    hf_http_respond(test.waiting, 200, NULL, NULL, "x", 1);
    test.waiting = NULL;
}

static void a_client_that_expects_100_is_invited_to_send_its_body(void **state)
{
    (void)state;
    send_text(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    LOOP_UNTIL(&test.fixture, &test.client,
               loop_client_has(&test.client, "HTTP/1.1 100 Continue\r\n\r\n"));
    assert_int_equal(test.calls, 0);
    send_text("body");
    LOOP_UNTIL(&test.fixture, &test.client, answers() == 1);
    assert_memory_equal(test.body, "body", 4);
    reconnect();
    send_text("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n"
              "Expect: 100-continue\r\n\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
    assert_true(loop_client_has(&test.client, "HTTP/1.1 413 "));
    assert_false(loop_client_has(&test.client, "100 Continue"));
}

/* --- time ------------------------------------------------------------------------------------- */

static void half_a_request_is_408_in_time(void **state)
{
    (void)state;
    test.fixture.config.holdfast.http_timeout_ms = 200;
    send_text("GET /echo HTT");
    LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
    assert_true(loop_client_has(&test.client, "HTTP/1.1 408 "));
}

static void a_slow_sender_gets_no_more_time_for_each_byte(void **state)
{
    (void)state;
    test.fixture.config.holdfast.http_timeout_ms = 300;
    uint64_t started_ms = loop_now_ms();
    send_text("GET /echo HTTP/1.1\r\nX: ");
    uint64_t next_ms = started_ms;
    while (!test.client.is_ended && loop_now_ms() < started_ms + 5000) {
        if (loop_now_ms() >= next_ms) {
            (void)!send(test.client.fd, "x", 1, MSG_NOSIGNAL);
            next_ms += 20;
        }
        loop_turns(&test.fixture, 1);
        loop_client_take(&test.client, 1000);
    }
    assert_true(loop_client_has(&test.client, "HTTP/1.1 408 "));
}

static void an_idle_connection_ends_without_a_word(void **state)
{
    (void)state;
    test.fixture.config.holdfast.http_idle_timeout_ms = 200;
    send_text("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, answers() == 1);
    size_t len = test.client.len;
    LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
    assert_int_equal(test.client.len, len);
}

static void draining_ends_idle_connections_and_the_others_after_their_answer(void **state)
{
    (void)state;
    struct loop_client idle;
    loop_connect(&test.fixture, &idle, 0);
    send_text("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, test.waiting != NULL);
    test.fixture.worker.priv->is_draining = true;
    hf__connections_drain(&test.fixture.worker);
    LOOP_UNTIL(&test.fixture, &idle, idle.is_ended);
    loop_client_take(&test.client, 1000);
    assert_false(test.client.is_ended);
    hf_http_respond(test.waiting, 200, NULL, NULL, NULL, 0);
    test.waiting = NULL;
    LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
    assert_true(loop_client_has(&test.client, "Connection: close\r\n"));
    loop_client_close(&idle);
}

/* --- what handlers ask ---------------------------------------------------------------------- */

static void headers_and_query_parameters_are_found(void **state)
{
    (void)state;
    static const char bytes[] =
        "GET /echo?a=1&empty=&flag&enc=x%20y+z%2f&bad=%4&bad2=%zz HTTP/1.1\r\n"
        "Host: a\r\nX-One: first \r\nx-one:second\r\n\r\n";
    struct hf_http_exchange *exchange = hf__http_exchange_new(2048, 4096);
    hf__http_exchange_feed(exchange, bytes, sizeof(bytes) - 1);
    assert_true(exchange->is_complete);
    const struct hf_http_request *request = &exchange->request;
    assert_true(hf_slice_equal(hf_http_header(request, "X-ONE"), HF_SLICE("first")));
    assert_null(hf_http_header(request, "x-two").data);
    char joined[32];
    assert_true(hf_http_header_join(request, "x-one", joined, sizeof(joined)));
    assert_string_equal(joined, "first, second");
    assert_false(hf_http_header_join(request, "x-one", joined, 13));
    char value[16];
    size_t len = 99;
    assert_true(hf_http_query(request, "a", value, sizeof(value), &len));
    assert_true(hf_slice_equal(hf_slice(value, len), HF_SLICE("1")));
    assert_true(hf_http_query(request, "empty", value, sizeof(value), &len));
    assert_int_equal(len, 0);
    assert_true(hf_http_query(request, "flag", value, sizeof(value), &len));
    assert_int_equal(len, 0);
    assert_true(hf_http_query(request, "enc", value, sizeof(value), &len));
    assert_true(hf_slice_equal(hf_slice(value, len), HF_SLICE("x y z/")));
    assert_false(hf_http_query(request, "enc", value, 5, &len));
    assert_false(hf_http_query(request, "bad", value, sizeof(value), &len));
    assert_false(hf_http_query(request, "bad2", value, sizeof(value), &len));
    assert_false(hf_http_query(request, "none", value, sizeof(value), &len));
    hf__http_exchange_free(exchange);
}

static void renewed_exchange_knows_nothing_of_the_request_before(void **state)
{
    (void)state;
    static const char first[] = "POST /first?a=1 HTTP/1.1\r\nHost: a\r\nX-One: 1\r\n"
                                "Expect: 100-continue\r\nContent-Length: 4\r\n\r\nbody";
    static const char second[] = "GET /second HTTP/1.1\r\nHost: b\r\n\r\n";
    struct hf_http_exchange *exchange = hf__http_exchange_new(2048, 4096);
    hf__http_exchange_feed(exchange, first, sizeof(first) - 1);
    assert_true(exchange->is_complete);
    hf__http_exchange_renew(exchange, 2048, 4096);
    assert_false(exchange->is_complete);
    assert_int_equal(hf__http_exchange_feed(exchange, second, sizeof(second) - 1),
                     sizeof(second) - 1);
    assert_true(exchange->is_complete);
    assert_false(exchange->wants_continue);
    const struct hf_http_request *request = &exchange->request;
    assert_true(hf_slice_equal(request->method, HF_SLICE("GET")));
    assert_true(hf_slice_equal(request->path, HF_SLICE("/second")));
    assert_int_equal(request->query.len, 0);
    assert_int_equal(request->body.len, 0);
    assert_null(hf_http_header(request, "x-one").data);
    assert_true(hf_slice_equal(hf_http_header(request, "host"), HF_SLICE("b")));
    hf__http_exchange_renew(exchange, 16, 4096); /* the limits are those of the new request */
    hf__http_exchange_feed(exchange, second, sizeof(second) - 1);
    assert_int_equal(exchange->error_status, 431);
    hf__http_exchange_free(exchange);
}

static void taking_over_hands_the_rest_of_the_bytes_to_the_new_driver(void **state)
{
    (void)state;
    send_text("GET /take HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nmore");
    LOOP_UNTIL(&test.fixture, &test.client, test.taken_len == 4);
    assert_memory_equal(test.taken_bytes, "more", 4);
    LOOP_UNTIL(&test.fixture, &test.client, loop_client_has(&test.client, "HTTP/1.1 101 "));
    send_text("GET ");
    LOOP_UNTIL(&test.fixture, &test.client, test.taken_len == 8);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(good_requests_reach_their_handler),
        CASE(good_requests_cut_at_any_byte_are_the_same_requests),
        CASE(bad_requests_are_refused_and_the_connection_ends),
        CASE(bad_requests_cut_at_any_byte_are_refused_too),
        CASE(a_head_above_the_limit_is_431),
        CASE(too_many_headers_are_431),
        CASE(chunks_that_exceed_the_body_limit_together_are_413),
        CASE(an_answer_has_its_length_and_the_connection_stays),
        CASE(head_gets_the_length_without_the_body),
        CASE(an_unknown_path_is_404_and_405_names_what_is_allowed),
        CASE(connection_close_and_http_1_0_end_after_the_answer),
        CASE(pipelined_requests_are_answered_in_order_even_when_one_waits),
        CASE(a_client_that_does_not_read_stops_its_next_requests),
        CASE(a_half_closed_client_still_gets_its_answer),
        CASE(the_answer_to_a_client_that_left_goes_nowhere),
        CASE(a_client_that_expects_100_is_invited_to_send_its_body),
        CASE(half_a_request_is_408_in_time),
        CASE(a_slow_sender_gets_no_more_time_for_each_byte),
        CASE(an_idle_connection_ends_without_a_word),
        CASE(draining_ends_idle_connections_and_the_others_after_their_answer),
        CASE(headers_and_query_parameters_are_found),
        CASE(renewed_exchange_knows_nothing_of_the_request_before),
        CASE(taking_over_hands_the_rest_of_the_bytes_to_the_new_driver),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
