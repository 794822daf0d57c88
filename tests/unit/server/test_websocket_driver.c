#include "websocket_fixture.h"

static void session_sends(const char *text)
{
    const struct hf_transport *transport = test.session.transport;
    struct hf_frame *frame = transport->wrap(text, strlen(text));
    assert_non_null(frame);
    transport->send(test.session.connection, frame);
    hf_frame_unref(frame);
}

/* --- messages --------------------------------------------------------------------------------- */

static void messages_of_all_lengths_arrive_whole(void **state)
{
    (void)state;
    websocket_upgrade();
    static const size_t lengths[] = {0, 1, 125, 126, 127, 4096, 65535, 65536};
    char *payload = malloc(65536);
    memset(payload, 'm', 65536);
    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        client_send_frame(i % 2 == 0 ? 0x81 : 0x82, payload, lengths[i]);
        LOOP_UNTIL(&test.fixture, NULL, test.messages == i + 1);
        assert_int_equal(test.message_len, lengths[i]);
        assert_memory_equal(test.message, payload, lengths[i]);
    }
    free(payload);
    assert_int_equal(test.closed, 0);
    assert_int_equal(hf_counter_read(&test.fixture.worker.counters.messages_in), 8);
}

static void a_message_sent_byte_by_byte_arrives_whole(void **state)
{
    (void)state;
    websocket_upgrade();
    char bytes[256];
    size_t len = client_frame(0x81, "{\"id\":1}", 8, bytes);
    len += client_frame(0x81, "{}", 2, bytes + len);
    for (size_t i = 0; i < len; i++) {
        loop_client_send(&test.client, bytes + i, 1);
        loop_turns(&test.fixture, 1);
    }
    LOOP_UNTIL(&test.fixture, NULL, test.messages == 2);
    assert_string_equal(test.message, "{}");
}

static void many_messages_in_one_read_arrive_in_order(void **state)
{
    (void)state;
    websocket_upgrade();
    char bytes[4096];
    size_t len = 0;
    for (int i = 0; i < 100; i++) {
        char text[16];
        int text_len = snprintf(text, sizeof(text), "{%d}", i);
        len += client_frame(0x81, text, (size_t)text_len, bytes + len);
    }
    loop_client_send(&test.client, bytes, len);
    LOOP_UNTIL(&test.fixture, NULL, test.messages == 100);
    assert_string_equal(test.message, "{99}");
}

static void fragments_with_a_ping_between_them_make_one_message(void **state)
{
    (void)state;
    websocket_upgrade();
    client_send_frame(0x01, "frag", 4);
    client_send_frame(0x89, "are you there", 13);
    client_send_frame(0x00, "men", 3);
    client_send_frame(0x80, "ted", 3);
    LOOP_UNTIL(&test.fixture, &test.client, test.messages == 1 && test.client.len > 0);
    assert_string_equal(test.message, "fragmented");
    assert_int_equal(test.client.len, 15);
    assert_memory_equal(test.client.data,
                        "\x8a\x0d"
                        "are you there",
                        15);
}

static void a_pong_needs_no_answer(void **state)
{
    (void)state;
    websocket_upgrade();
    client_send_frame(0x8a, "", 0);
    client_send_frame(0x81, "x", 1);
    LOOP_UNTIL(&test.fixture, &test.client, test.messages == 1);
    loop_turns(&test.fixture, 2);
    loop_client_take(&test.client, 100);
    assert_int_equal(test.client.len, 0);
}

static void
native_pings_that_were_asked_for_go_out_as_frames_and_the_session_hears_the_pong(void **state)
{
    (void)state;
    client_text("GET /ws?cf_ws_frame_ping_pong=true HTTP/1.1\r\n" HANDSHAKE "\r\n");
    LOOP_UNTIL(&test.fixture, &test.client, loop_client_has(&test.client, "\r\n\r\n"));
    loop_client_forget(&test.client);
    struct hf_connect_result result = {.ping = 25, .pong = true};
    test.session.transport->describe(test.session.connection, &result);
    assert_int_equal(result.ping, 0);
    assert_false(result.pong);

    assert_true(test.session.transport->ping(test.session.connection));
    LOOP_UNTIL(&test.fixture, &test.client, test.client.len == 2);
    assert_memory_equal(test.client.data, "\x89\x00", 2);
    client_send_frame(0x8a, "", 0);
    LOOP_UNTIL(&test.fixture, &test.client, test.pongs == 1);
}

static void without_native_pings_the_sessions_own_are_sent_and_told(void **state)
{
    (void)state;
    websocket_upgrade();
    struct hf_connect_result result = {.ping = 25, .pong = true};
    test.session.transport->describe(test.session.connection, &result);
    assert_int_equal(result.ping, 25);
    assert_true(result.pong);
    assert_false(test.session.transport->ping(test.session.connection));
    client_send_frame(0x8a, "", 0);
    client_send_frame(0x81, "x", 1);
    LOOP_UNTIL(&test.fixture, &test.client, test.messages == 1);
    assert_int_equal(test.pongs, 0);
}

/* --- broken input ----------------------------------------------------------------------------- */

struct broken {
    const char *name;
    unsigned first_byte;
    const char *payload;
    size_t len;
    unsigned code;
};

static void broken_frames_are_answered_with_their_close_code(void **state)
{
    (void)state;
    static char big[70000];
    static const struct broken cases[] = {
        {"reserved bit", 0xc1, "x", 1, 1002},
        {"unknown opcode", 0x83, "x", 1, 1002},
        {"continuation of nothing", 0x80, "x", 1, 1002},
        {"fragmented ping", 0x09, "x", 1, 1002},
        {"ping of 126 bytes", 0x89, big, 126, 1002},
        {"message above the limit", 0x82, big, 65537, 1009},
        {"text that is not UTF-8", 0x81, "\xc3\x28", 2, 1007},
        {"UTF-8 surrogate", 0x81, "\xed\xa0\x80", 3, 1007},
        {"close with one byte", 0x88, "\x03", 1, 1002},
        {"close with a code that is never sent", 0x88, "\x03\xed", 2, 1002},
        {"close with a reason that is not UTF-8", 0x88, "\x03\xe8\xff", 3, 1007},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        test.opened = 0;
        test.closed = 0;
        websocket_upgrade();
        client_send_frame(cases[i].first_byte, cases[i].payload, cases[i].len);
        LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
        if (!client_has_close(cases[i].code)) {
            fail_msg("%s: no close frame with %u", cases[i].name, cases[i].code);
        }
        assert_int_equal(test.closed, 1);
        assert_int_equal(test.closed_code, 3000);
        assert_int_equal(test.messages, 0);
        loop_client_close(&test.client);
        loop_connect(&test.fixture, &test.client, 0);
    }
}

static void an_unmasked_frame_is_1002(void **state)
{
    (void)state;
    websocket_upgrade();
    loop_client_send(&test.client, "\x81\x02{}", 4);
    LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
    assert_true(client_has_close(1002));
    assert_int_equal(test.messages, 0);
}

static void fragments_above_the_message_limit_together_are_1009(void **state)
{
    (void)state;
    test.fixture.config.websocket.message_size_limit_bytes = 1000;
    websocket_upgrade();
    char part[400];
    memset(part, 'p', sizeof(part));
    client_send_frame(0x01, part, sizeof(part));
    client_send_frame(0x00, part, sizeof(part));
    client_send_frame(0x80, part, sizeof(part));
    LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
    assert_true(client_has_close(1009));
}

/* --- closing ---------------------------------------------------------------------------------- */

static void the_peers_close_is_echoed_and_tells_the_session_3000(void **state)
{
    (void)state;
    websocket_upgrade();
    client_send_frame(0x88,
                      "\x03\xe8"
                      "bye",
                      5);
    LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
    assert_true(client_has_close(1000));
    assert_int_equal(test.client.len, 4);
    assert_int_equal(test.closed, 1);
    assert_int_equal(test.closed_code, 3000);
}

static void closing_sends_the_queue_then_code_and_reason_then_waits_for_the_peer(void **state)
{
    (void)state;
    websocket_upgrade();
    session_sends("last words");
    test.close_code = 3501;
    client_send_frame(0x81, "bad", 3);
    client_send_frame(0x81, "more", 4); /* not delivered any more */
    LOOP_UNTIL(&test.fixture, &test.client, test.closed == 1);
    assert_int_equal(test.closed_code, 3501);
    assert_int_equal(test.messages, 1);
    LOOP_UNTIL(&test.fixture, &test.client, test.client.len >= 24);
    assert_memory_equal(test.client.data,
                        "\x81\x0alast words\x88\x0a\x0d\xad"
                        "a reason",
                        24);
    assert_false(test.client.is_ended);
    client_send_frame(0x88, "\x0d\xad", 2);
    LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
    assert_int_equal(test.client.len, 24);
    assert_int_equal(test.closed, 1);
}

static void the_first_close_wins_and_nothing_is_sent_behind_it(void **state)
{
    (void)state;
    websocket_upgrade();
    const struct hf_transport *transport = test.session.transport;
    transport->close(test.session.connection, 3012, "no pong");
    transport->close(test.session.connection, 3500, "second");
    session_sends("too late");
    LOOP_UNTIL(&test.fixture, &test.client, test.closed == 1);
    assert_int_equal(test.closed_code, 3012);
    LOOP_UNTIL(&test.fixture, &test.client, test.client.len > 0);
    assert_true(client_has_close(3012));
}

static void closing_with_3000_or_3008_goes_without_a_goodbye(void **state)
{
    (void)state;
    static const unsigned codes[] = {3000, 3008};
    for (size_t i = 0; i < 2; i++) {
        test.opened = 0;
        test.closed = 0;
        websocket_upgrade();
        session_sends("never sent");
        test.session.transport->close(test.session.connection, codes[i], "x");
        LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
        assert_int_equal(test.client.len, 0);
        assert_int_equal(test.closed, 1);
        assert_int_equal(test.closed_code, codes[i]);
        loop_client_close(&test.client);
        loop_connect(&test.fixture, &test.client, 0);
    }
}

static void dropping_writes_the_queue_without_a_close_frame(void **state)
{
    (void)state;
    websocket_upgrade();
    session_sends("error reply");
    test.session.transport->drop(test.session.connection);
    LOOP_UNTIL(&test.fixture, &test.client, test.client.is_ended);
    assert_int_equal(test.client.len, 13);
    assert_int_equal(test.closed, 1);
    assert_int_equal(test.closed_code, 3000);
}

static void a_peer_that_vanishes_tells_the_session_3000(void **state)
{
    (void)state;
    websocket_upgrade();
    loop_client_close(&test.client);
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
    assert_int_equal(test.closed_code, 3000);
}

static void a_slow_peer_is_dropped_and_the_session_told_3008(void **state)
{
    (void)state;
    loop_client_close(&test.client);
    loop_connect(&test.fixture, &test.client, 4096);
    test.fixture.config.client.queue_max_size_bytes = 20000;
    websocket_upgrade();
    char *text = malloc(5001);
    memset(text, 's', 5000);
    text[5000] = '\0';
    for (int i = 0; i < 20; i++) {
        session_sends(text);
    }
    free(text);
    assert_int_equal(test.closed, 0); /* never from inside of sending */
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
    assert_int_equal(test.closed_code, 3008);
}

static void draining_says_3001(void **state)
{
    (void)state;
    websocket_upgrade();
    hf__connections_drain(&test.fixture.worker);
    LOOP_UNTIL(&test.fixture, &test.client, test.closed == 1 && test.client.len > 0);
    assert_int_equal(test.closed_code, 3001);
    assert_true(client_has_close(3001));
    assert_memory_equal(test.client.data + 4, "shutdown", 8);
}

/* --- the session's wishes -----------------------------------------------------------------------
 */

static void the_sessions_deadline_is_kept(void **state)
{
    (void)state;
    uint64_t started_ms = loop_now_ms();
    test.deadline_ms = started_ms + 250;
    websocket_upgrade();
    LOOP_UNTIL(&test.fixture, NULL, test.ticks == 1);
    assert_true(loop_now_ms() - started_ms >= 250);
}

static void the_session_hears_when_its_queue_is_written(void **state)
{
    (void)state;
    websocket_upgrade();
    session_sends("page");
    assert_int_equal(test.session.transport->queued(test.session.connection), 6);
    hf_connection_want_drain(test.session.connection);
    LOOP_UNTIL(&test.fixture, &test.client, test.drained == 1);
    assert_int_equal(test.session.transport->queued(test.session.connection), 0);
    loop_turns(&test.fixture, 3);
    assert_int_equal(test.drained, 1);
}

static void one_frame_is_shared_by_all_and_counted(void **state)
{
    (void)state;
    websocket_upgrade();
    struct hf_frame *frame = test.session.transport->wrap("shared", 6);
    test.session.transport->send(test.session.connection, frame);
    test.session.transport->send(test.session.connection, frame);
    assert_int_equal(frame->references, 3);
    LOOP_UNTIL(&test.fixture, &test.client, test.client.len == 16);
    assert_int_equal(frame->references, 1);
    hf_frame_unref(frame);
    assert_int_equal(hf_counter_read(&test.fixture.worker.counters.messages_out), 2);
}

static void an_idle_websocket_takes_less_than_512_bytes_besides_its_session(void **state)
{
    (void)state;
    assert_true(hf__connection_size() + hf__websocket_size() <= 512);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WEBSOCKET_CASE(messages_of_all_lengths_arrive_whole),
        WEBSOCKET_CASE(a_message_sent_byte_by_byte_arrives_whole),
        WEBSOCKET_CASE(many_messages_in_one_read_arrive_in_order),
        WEBSOCKET_CASE(fragments_with_a_ping_between_them_make_one_message),
        WEBSOCKET_CASE(a_pong_needs_no_answer),
        WEBSOCKET_CASE(
            native_pings_that_were_asked_for_go_out_as_frames_and_the_session_hears_the_pong),
        WEBSOCKET_CASE(without_native_pings_the_sessions_own_are_sent_and_told),
        WEBSOCKET_CASE(broken_frames_are_answered_with_their_close_code),
        WEBSOCKET_CASE(an_unmasked_frame_is_1002),
        WEBSOCKET_CASE(fragments_above_the_message_limit_together_are_1009),
        WEBSOCKET_CASE(the_peers_close_is_echoed_and_tells_the_session_3000),
        WEBSOCKET_CASE(closing_sends_the_queue_then_code_and_reason_then_waits_for_the_peer),
        WEBSOCKET_CASE(the_first_close_wins_and_nothing_is_sent_behind_it),
        WEBSOCKET_CASE(closing_with_3000_or_3008_goes_without_a_goodbye),
        WEBSOCKET_CASE(dropping_writes_the_queue_without_a_close_frame),
        WEBSOCKET_CASE(a_peer_that_vanishes_tells_the_session_3000),
        WEBSOCKET_CASE(a_slow_peer_is_dropped_and_the_session_told_3008),
        WEBSOCKET_CASE(draining_says_3001),
        WEBSOCKET_CASE(the_sessions_deadline_is_kept),
        WEBSOCKET_CASE(the_session_hears_when_its_queue_is_written),
        WEBSOCKET_CASE(one_frame_is_shared_by_all_and_counted),
        WEBSOCKET_CASE(an_idle_websocket_takes_less_than_512_bytes_besides_its_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
