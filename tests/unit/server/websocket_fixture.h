/* A WebSocket client on the loop fixture, and a session that records what it is told: the double of
 * session.c for tests of the WebSocket driver. */
#ifndef HF_TESTS_WEBSOCKET_FIXTURE_H
#define HF_TESTS_WEBSOCKET_FIXTURE_H

#include <stdio.h>

#include "client/session.h"
#include "command.h"
#include "connection_fixture.h"
#include "net/websocket_driver.h"

struct hf_session {
    struct hf_connection *connection;
    const struct hf_transport *transport;
};

struct websocket_test {
    struct loop_fixture fixture;
    struct loop_client client;
    struct hf_session session; /* the newest */
    unsigned opened;
    unsigned starts;
    size_t wishes;
    bool is_strict;
    char token[64];
    char subscription_token[64]; /* of the last wish */
    unsigned messages;
    char *message; /* the newest, copied */
    size_t message_len;
    unsigned pongs;
    unsigned drained;
    unsigned ticks;
    uint64_t deadline_ms;
    unsigned closed;
    unsigned closed_code;
    bool open_fails;
    unsigned close_code; /* answer every message and start by closing with it; 0: do not */
};

static struct websocket_test test;

struct hf_session *hf_session_open(struct hf_worker *worker, const struct hf_transport *transport,
                                   struct hf_connection *connection)
{
    (void)worker;
    test.opened++;
    test.session.connection = connection;
    test.session.transport = transport;
    return test.open_fails ? NULL : &test.session;
}

void hf_session_receive(struct hf_session *session, char *data, size_t len)
{
    free(test.message);
    test.message = malloc(len + 1);
    memcpy(test.message, data, len);
    test.message[len] = '\0';
    memset(data, '#', len); /* it is writable */
    test.message_len = len;
    test.messages++;
    if (test.close_code != 0) {
        session->transport->close(session->connection, test.close_code, "a reason");
    }
}

static inline void copy_slice(char *out, size_t size, struct hf_slice text)
{
    (void)snprintf(out, size, "%.*s", (int)text.len, text.len > 0 ? text.data : "");
}

void hf_session_start(struct hf_session *session, const struct hf_connect_request *request,
                      bool is_strict)
{
    assert_ptr_equal(session, &test.session);
    test.starts++;
    test.wishes = request->subs_count;
    test.is_strict = is_strict;
    copy_slice(test.token, sizeof(test.token), request->token);
    test.subscription_token[0] = '\0';
    if (request->subs_count > 0) {
        copy_slice(test.subscription_token, sizeof(test.subscription_token),
                   request->subs[request->subs_count - 1].request.token);
    }
    if (test.close_code != 0) {
        session->transport->close(session->connection, test.close_code, "a reason");
    }
}

void hf_session_pong(struct hf_session *session)
{
    assert_ptr_equal(session, &test.session);
    test.pongs++;
}

void hf_session_drained(struct hf_session *session)
{
    assert_ptr_equal(session, &test.session);
    test.drained++;
}

void hf_session_tick(struct hf_session *session, uint64_t now_ms)
{
    assert_ptr_equal(session, &test.session);
    assert_true(now_ms >= test.deadline_ms);
    test.deadline_ms = UINT64_MAX;
    test.ticks++;
}

uint64_t hf_session_deadline(const struct hf_session *session)
{
    assert_ptr_equal(session, &test.session);
    return test.deadline_ms;
}

void hf_session_closed(struct hf_session *session, unsigned code)
{
    assert_ptr_equal(session, &test.session);
    test.closed++;
    test.closed_code = code;
}

static const struct hf_http_route websocket_routes[] = {{"/ws", hf_websocket_handle}};

static int websocket_set_up(void **state)
{
    (void)state;
    memset(&test, 0, sizeof(test));
    test.deadline_ms = UINT64_MAX;
    loop_fixture_open(&test.fixture, &hf_http_driver);
    test.fixture.worker.priv->routes = websocket_routes;
    test.fixture.worker.priv->route_count = 1;
    loop_connect(&test.fixture, &test.client, 0);
    return 0;
}

static int websocket_tear_down(void **state)
{
    (void)state;
    loop_client_close(&test.client);
    loop_fixture_close(&test.fixture);
    free(test.message);
    assert_int_equal(atomic_load(&test.fixture.admission.admitted), 0);
    return 0;
}

static inline void client_text(const char *text)
{
    loop_client_send(&test.client, text, strlen(text));
}

#define HANDSHAKE                                                                                  \
    "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"        \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

/* Upgrades the client; its received bytes are empty afterwards. */
static inline void websocket_upgrade(void)
{
    client_text("GET /ws HTTP/1.1\r\n" HANDSHAKE "\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, loop_client_has(&test.client, "\r\n\r\n"));
    assert_true(loop_client_has(&test.client, "HTTP/1.1 101 "));
    assert_int_equal(test.opened, 1);
    loop_client_forget(&test.client);
}

/* Builds a masked client frame. Returns its length; `out` needs len + 14 bytes. */
static inline size_t client_frame(unsigned first_byte, const char *payload, size_t len, char *out)
{
    static const unsigned char mask[4] = {0x11, 0xa2, 0x33, 0xc4};
    size_t at = 0;
    out[at++] = (char)first_byte;
    if (len < 126) {
        out[at++] = (char)(0x80 | len);
    } else if (len < 65536) {
        out[at++] = (char)(0x80 | 126);
        out[at++] = (char)(len >> 8);
        out[at++] = (char)len;
    } else {
        out[at++] = (char)(0x80 | 127);
        for (int shift = 56; shift >= 0; shift -= 8) {
            out[at++] = (char)((uint64_t)len >> shift);
        }
    }
    memcpy(out + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < len; i++) {
        out[at + i] = (char)((unsigned char)payload[i] ^ mask[i % 4]);
    }
    return at + len;
}

static inline void client_send_frame(unsigned first_byte, const char *payload, size_t len)
{
    char *bytes = malloc(len + 14);
    assert_non_null(bytes);
    loop_client_send(&test.client, bytes, client_frame(first_byte, payload, len, bytes));
    free(bytes);
}

/* Whether the client has received, to the byte, a close frame with this code and nothing else. */
static inline bool client_has_close(unsigned code)
{
    const unsigned char *data = (const unsigned char *)test.client.data;
    return test.client.len >= 4 && data[0] == 0x88 && data[1] == test.client.len - 2 &&
           (unsigned)(data[2] << 8 | data[3]) == code;
}

#define WEBSOCKET_CASE(function)                                                                   \
    cmocka_unit_test_setup_teardown(function, websocket_set_up, websocket_tear_down)

#endif
