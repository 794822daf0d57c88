#include "net/tls.h"

#include "connection_fixture.h"
#include "tls_fixture.h"

/* Connections under TLS: the driver takes lines and answers what `test` says. */
struct tls_test {
    struct loop_fixture fixture;
    struct tls_identity own;
    struct tls_identity other;
    SSL_CTX *client_context;
    struct hf_connection *connection;
    char *input; /* all that the driver was given; owned */
    size_t input_len;
    unsigned inputs;
    unsigned opened;
    unsigned closed;
    unsigned close_code;
    bool waits_for_line; /* input is consumed in whole lines only */
    bool closes;         /* after the first input, with finish */
};

static struct tls_test test;

/* A client: its TLS runs on the fixture's socket, whose bytes it takes itself. */
struct tls_client {
    struct loop_client raw;
    SSL *tls;
    char *data;
    size_t len;
    bool is_done;  /* the handshake */
    bool is_ended; /* close_notify has come */
    bool is_failed;
};

static void on_open(struct hf_connection *connection)
{
    test.opened++;
    test.connection = connection;
}

static size_t on_input(struct hf_connection *connection, char *data, size_t len)
{
    test.inputs++;
    if (test.waits_for_line && data[len - 1] != '\n') {
        return 0;
    }
    test.input = realloc(test.input, test.input_len + len);
    assert_non_null(test.input);
    memcpy(test.input + test.input_len, data, len);
    test.input_len += len;
    if (test.closes) {
        hf_connection_close(connection, 3001, true, 1000);
    }
    return len;
}

static void on_drain(struct hf_connection *connection)
{
    hf_connection_close(connection, 3001, true, 1000);
}

static void on_closed(struct hf_connection *connection, unsigned code)
{
    (void)connection;
    test.closed++;
    test.close_code = code;
}

static void on_nothing(struct hf_connection *connection)
{
    (void)connection;
}

static void on_deadline(struct hf_connection *connection, uint64_t now_ms)
{
    (void)connection;
    (void)now_ms;
}

static const struct hf_connection_driver driver = {
    .name = "lines",
    .on_open = on_open,
    .on_input = on_input,
    .on_drained = on_nothing,
    .on_deadline = on_deadline,
    .on_later = on_nothing,
    .on_drain = on_drain,
    .on_closed = on_closed,
};

static int set_up(void **state)
{
    (void)state;
    memset(&test, 0, sizeof(test));
    signal(SIGPIPE, SIG_IGN);
    loop_fixture_open(&test.fixture, &driver);
    tls_identity_make(&test.own, "own", NULL);
    tls_identity_make(&test.other, "other", NULL);
    test.fixture.worker.priv->tls[HF_ENTRANCE_CLIENTS] = tls_context_of(&test.own);
    test.client_context = tls_client_context();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_fixture_close(&test.fixture);
    SSL_CTX_free(test.client_context);
    tls_identity_free(&test.own);
    tls_identity_free(&test.other);
    free(test.input);
    return 0;
}

/* --- the client ------------------------------------------------------------------------------- */

static void client_open(struct tls_client *client, int send_buffer)
{
    *client = (struct tls_client){0};
    loop_connect(&test.fixture, &client->raw, send_buffer);
    client->tls = SSL_new(test.client_context);
    assert_non_null(client->tls);
    assert_int_equal(SSL_set_fd(client->tls, client->raw.fd), 1);
    SSL_set_connect_state(client->tls);
}

static void client_close(struct tls_client *client)
{
    if (client->is_done && !client->is_failed) {
        (void)SSL_shutdown(client->tls); /* without it a session may not be resumed */
    }
    ERR_clear_error();
    SSL_free(client->tls);
    free(client->data);
    loop_client_close(&client->raw);
}

static void note_result(struct tls_client *client, int result)
{
    int error = SSL_get_error(client->tls, result);
    if (error == SSL_ERROR_ZERO_RETURN) {
        client->is_ended = true;
    } else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        client->is_failed = true;
    }
    ERR_clear_error();
}

/* Goes on with the handshake, or takes what has come. */
static void client_run(struct tls_client *client)
{
    static char bytes[65536];
    if (client->is_ended || client->is_failed) {
        return;
    }
    if (!client->is_done) {
        int result = SSL_do_handshake(client->tls);
        client->is_done = result == 1;
        if (result != 1) {
            note_result(client, result);
        }
        return;
    }
    for (;;) {
        int len = SSL_read(client->tls, bytes, sizeof(bytes));
        if (len <= 0) {
            note_result(client, len);
            return;
        }
        client->data = realloc(client->data, client->len + (size_t)len);
        assert_non_null(client->data);
        memcpy(client->data + client->len, bytes, (size_t)len);
        client->len += (size_t)len;
    }
}

#define CLIENT_UNTIL(client, condition)                                                            \
    LOOP_UNTIL(&test.fixture, NULL, (client_run(client), (condition)))

static void client_shake(struct tls_client *client)
{
    CLIENT_UNTIL(client, client->is_done && test.opened > 0);
}

static void client_send(struct tls_client *client, const char *data, size_t len)
{
    while (len > 0) {
        int sent = SSL_write(client->tls, data, (int)len);
        if (sent > 0) {
            data += sent;
            len -= (size_t)sent;
        } else {
            note_result(client, sent);
            assert_false(client->is_failed);
            loop_turns(&test.fixture, 1);
        }
    }
}

static void queue(const char *data, size_t len)
{
    char *bytes;
    struct hf_frame *frame = hf_frame_new(len, &bytes);
    assert_non_null(frame);
    memcpy(bytes, data, len);
    hf_connection_send(test.connection, frame);
    hf_frame_unref(frame);
}

static uint64_t failures(void)
{
    return hf_counter_read(&test.fixture.worker.counters.tls_failures);
}

/* --- handshake -------------------------------------------------------------------------------- */

static void the_driver_begins_when_the_handshake_is_done(void **state)
{
    (void)state;
    struct tls_client client;
    client_open(&client, 0);
    loop_turns(&test.fixture, 3);
    assert_int_equal(test.opened, 0);
    client_shake(&client);
    assert_int_equal(test.opened, 1);
    client_send(&client, "hello\n", 6);
    LOOP_UNTIL(&test.fixture, NULL, test.input_len == 6);
    queue("welcome", 7);
    CLIENT_UNTIL(&client, client.len == 7);
    assert_memory_equal(client.data, "welcome", 7);
    assert_int_equal(hf_counter_read(&test.fixture.worker.counters.tls_handshakes), 1);
    assert_int_equal(failures(), 0);
    client_close(&client);
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
    assert_int_equal(test.close_code, 3000);
}

static void a_client_that_says_nothing_is_dropped_in_time(void **state)
{
    (void)state;
    struct loop_client client;
    test.fixture.config.holdfast.tls_handshake_timeout_ms = 150;
    uint64_t begin_ms = loop_now_ms();
    loop_connect(&test.fixture, &client, 0);
    LOOP_UNTIL(&test.fixture, &client, client.is_ended);
    assert_true(loop_now_ms() - begin_ms >= 150);
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
    assert_int_equal(test.opened, 0);
    assert_int_equal(failures(), 1);
    loop_client_close(&client);
}

/* The client's TLS writes into memory, from where the test lets it drip. */
static void a_client_hello_in_single_bytes_is_understood_and_does_not_stretch_the_time(void **state)
{
    (void)state;
    struct loop_client client;
    char hello[4096];
    test.fixture.config.holdfast.tls_handshake_timeout_ms = 400;
    loop_connect(&test.fixture, &client, 0);
    SSL *tls = SSL_new(test.client_context);
    BIO *out = BIO_new(BIO_s_mem());
    SSL_set_bio(tls, BIO_new(BIO_s_mem()), out);
    SSL_set_connect_state(tls);
    assert_int_equal(SSL_do_handshake(tls), -1);
    int len = BIO_read(out, hello, sizeof(hello));
    assert_in_range(len, 100, 1000);
    for (int i = 0; i < len; i++) {
        loop_client_send(&client, hello + i, 1);
        loop_turns(&test.fixture, 1);
    }
    LOOP_UNTIL(&test.fixture, &client, client.len > 100 || client.is_ended);
    assert_int_equal(client.data[0], 22); /* a handshake record: the server's hello */
    LOOP_UNTIL(&test.fixture, &client, client.is_ended); /* since the client says no more */
    assert_int_equal(test.opened, 0);
    SSL_free(tls);
    loop_client_close(&client);
}

static void what_is_no_tls_is_closed(void **state)
{
    (void)state;
    static const char *const garbage[] = {
        "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", /* a hello cut short inside */
        "\x16\x03\x01\xff\xff................................",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\x80\x2e\x01\x00\x02................................................",
    };
    static const size_t lens[] = {10, 37, 21, 53};
    for (unsigned i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        struct loop_client client;
        loop_connect(&test.fixture, &client, 0);
        loop_client_send(&client, garbage[i], lens[i]);
        LOOP_UNTIL(&test.fixture, &client, client.is_ended);
        LOOP_UNTIL(&test.fixture, NULL, test.closed == i + 1);
        assert_int_equal(failures(), i + 1);
        loop_client_close(&client);
    }
    assert_int_equal(test.opened, 0);
}

static void http_without_tls_is_told_so(void **state)
{
    (void)state;
    struct loop_client client;
    loop_connect(&test.fixture, &client, 0);
    loop_client_send(&client, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n", 34);
    LOOP_UNTIL(&test.fixture, &client, client.is_ended);
    assert_true(loop_client_has(&client, "HTTP/1.1 400 Bad Request\r\n"));
    const char *body = strstr(client.data, "\r\n\r\n") + 4;
    const char *length = strstr(client.data, "Content-Length: ");
    assert_int_equal(strlen(body), atoi(length + 16));
    assert_non_null(strstr(body, "https://"));
    assert_int_equal(test.opened, 0);
    assert_int_equal(failures(), 1);
    loop_client_close(&client);
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
}

static void versions_before_1_2_are_refused(void **state)
{
    (void)state;
    struct tls_client client;
    SSL_CTX_set_security_level(test.client_context, 0);
    SSL_CTX_set_max_proto_version(test.client_context, TLS1_1_VERSION);
    SSL_CTX_set_min_proto_version(test.client_context, TLS1_VERSION);
    client_open(&client, 0);
    CLIENT_UNTIL(&client, client.is_failed);
    client_close(&client);
    SSL_CTX_set_max_proto_version(test.client_context, TLS1_2_VERSION);
    client_open(&client, 0);
    client_shake(&client);
    assert_string_equal(SSL_get_version(client.tls), "TLSv1.2");
    client_close(&client);
}

static void the_protocol_is_http_1_1_or_none(void **state)
{
    (void)state;
    struct tls_client client;
    const unsigned char *chosen;
    unsigned len;
    SSL_CTX_set_alpn_protos(test.client_context, (const unsigned char *)"\x02h2\x08http/1.1", 12);
    client_open(&client, 0);
    client_shake(&client);
    SSL_get0_alpn_selected(client.tls, &chosen, &len);
    assert_int_equal(len, 8);
    assert_memory_equal(chosen, "http/1.1", 8);
    client_close(&client);
    SSL_CTX_set_alpn_protos(test.client_context, (const unsigned char *)"\x02h2", 3);
    client_open(&client, 0);
    CLIENT_UNTIL(&client, client.is_failed);
    assert_false(client.is_done);
    client_close(&client);
}

static void a_client_that_comes_back_resumes_with_its_ticket(void **state)
{
    (void)state;
    struct tls_client client;
    client_open(&client, 0);
    client_shake(&client);
    queue("x", 1); /* the ticket comes before it */
    CLIENT_UNTIL(&client, client.len == 1);
    SSL_SESSION *session = SSL_get1_session(client.tls);
    assert_true(SSL_SESSION_is_resumable(session));
    client_close(&client);
    test.opened = 0;
    client_open(&client, 0);
    SSL_set_session(client.tls, session);
    client_shake(&client);
    assert_true(SSL_session_reused(client.tls));
    assert_int_equal(hf_counter_read(&test.fixture.worker.counters.tls_resumptions), 1);
    SSL_SESSION_free(session);
    client_close(&client);
}

static void clients_without_the_right_certificate_are_refused(void **state)
{
    (void)state;
    struct tls_client client;
    struct tls_identity user;
    char reason[256];
    struct hf_config_tls config = tls_config_of(&test.own);
    config.client_ca_pem = test.other.cert_pem;
    SSL_CTX *context = hf_tls_context_new(&config, reason, sizeof(reason));
    assert_non_null(context);
    SSL_CTX_free(test.fixture.worker.priv->tls[HF_ENTRANCE_CLIENTS]);
    test.fixture.worker.priv->tls[HF_ENTRANCE_CLIENTS] = context;
    client_open(&client, 0);
    CLIENT_UNTIL(&client, client.is_failed);
    client_close(&client);
    assert_int_equal(test.opened, 0);
    tls_identity_make(&user, "user", &test.other);
    SSL_CTX_use_certificate(test.client_context, user.certificate);
    SSL_CTX_use_PrivateKey(test.client_context, user.key);
    client_open(&client, 0);
    client_shake(&client);
    client_close(&client);
    tls_identity_free(&user);
}

static void a_new_certificate_is_for_new_connections(void **state)
{
    (void)state;
    struct tls_client old;
    struct tls_client new;
    client_open(&old, 0);
    client_shake(&old);
    struct hf_connection *former = test.connection;
    SSL_CTX_free(test.fixture.worker.priv->tls[HF_ENTRANCE_CLIENTS]);
    test.fixture.worker.priv->tls[HF_ENTRANCE_CLIENTS] = tls_context_of(&test.other);
    test.opened = 0;
    client_open(&new, 0);
    client_shake(&new);
    X509 *seen = SSL_get1_peer_certificate(new.tls);
    assert_int_equal(X509_cmp(seen, test.other.certificate), 0);
    X509_free(seen);
    client_send(&old, "still here\n", 11);
    LOOP_UNTIL(&test.fixture, NULL, test.input_len == 11);
    test.connection = former;
    queue("yes", 3);
    CLIENT_UNTIL(&old, old.len == 3);
    client_close(&old);
    client_close(&new);
}

static void draining_during_a_handshake_closes(void **state)
{
    (void)state;
    struct loop_client client;
    loop_connect(&test.fixture, &client, 0);
    loop_turns(&test.fixture, 1);
    hf__connections_drain(&test.fixture.worker);
    LOOP_UNTIL(&test.fixture, &client, client.is_ended);
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
    loop_client_close(&client);
}

/* --- bytes ------------------------------------------------------------------------------------ */

static char *pattern(size_t len)
{
    char *bytes = malloc(len);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (char)('a' + i * 7919 % 23);
    }
    return bytes;
}

static void a_half_written_record_is_waited_for(void **state)
{
    (void)state;
    struct tls_client client;
    char record[4096];
    client_open(&client, 0);
    client_shake(&client);
    /* From here on the client's records go to memory first. */
    BIO *out = BIO_new(BIO_s_mem());
    SSL_set0_wbio(client.tls, out);
    assert_int_equal(SSL_write(client.tls, "hello\n", 6), 6);
    int len = BIO_read(out, record, sizeof(record));
    assert_in_range(len, 20, 100);
    loop_client_send(&client.raw, record, 10);
    loop_turns(&test.fixture, 5);
    assert_int_equal(test.inputs, 0);
    loop_client_send(&client.raw, record + 10, (size_t)len - 10);
    LOOP_UNTIL(&test.fixture, NULL, test.input_len == 6);
    /* A record that was tampered with ends the connection. */
    assert_int_equal(SSL_write(client.tls, "again\n", 6), 6);
    len = BIO_read(out, record, sizeof(record));
    record[len - 1] ^= 1;
    loop_client_send(&client.raw, record, (size_t)len);
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
    assert_int_equal(test.input_len, 6);
    client_close(&client);
}

static void a_message_of_many_records_comes_together(void **state)
{
    (void)state;
    enum { LEN = 700000 };
    struct tls_client client;
    char *bytes = pattern(LEN);
    bytes[LEN - 1] = '\n';
    test.waits_for_line = true;
    client_open(&client, 0);
    client_shake(&client);
    client_send(&client, bytes, LEN);
    LOOP_UNTIL(&test.fixture, NULL, test.input_len == LEN);
    assert_memory_equal(test.input, bytes, LEN);
    free(bytes);
    client_close(&client);
}

static void a_slow_reader_gets_every_byte_in_order(void **state)
{
    (void)state;
    enum { FRAMES = 400 };
    struct tls_client client;
    size_t total = 0;
    char *bytes = pattern(FRAMES * 40000);
    client_open(&client, 4096);
    client_shake(&client);
    for (unsigned i = 0; i < FRAMES; i++) {
        size_t len = i % 7 == 0 ? 37123 : 1 + i * 13 % 500; /* many small ones, some of records */
        queue(bytes + total, len);
        total += len;
        if (i % 16 == 0) {
            loop_turns(&test.fixture, 1); /* the queue grows while a record is stuck */
        }
    }
    CLIENT_UNTIL(&client, client.len == total);
    assert_memory_equal(client.data, bytes, total);
    free(bytes);
    client_close(&client);
}

static void small_frames_of_one_turn_share_a_record(void **state)
{
    (void)state;
    struct tls_client client;
    client_open(&client, 0);
    client_shake(&client);
    loop_turns(&test.fixture, 2);
    uint64_t before = hf_counter_read(&test.fixture.worker.counters.writes);
    for (int i = 0; i < 50; i++) {
        queue("0123456789", 10);
    }
    CLIENT_UNTIL(&client, client.len == 500);
    assert_int_equal(hf_counter_read(&test.fixture.worker.counters.writes) - before, 1);
    client_close(&client);
}

static void a_finished_connection_says_so_to_the_peer(void **state)
{
    (void)state;
    struct tls_client client;
    test.closes = true;
    client_open(&client, 0);
    client_shake(&client);
    queue("goodbye", 7);
    client_send(&client, "end\n", 4);
    CLIENT_UNTIL(&client, client.is_ended);
    assert_int_equal(client.len, 7);
    assert_false(client.is_failed);
    client_close(&client);
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
    assert_int_equal(test.close_code, 3001);
}

static void the_peers_goodbye_closes_also_right_behind_data(void **state)
{
    (void)state;
    struct tls_client client;
    client_open(&client, 0);
    client_shake(&client);
    client_send(&client, "last\n", 5);
    (void)SSL_shutdown(client.tls);
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
    assert_int_equal(test.input_len, 5);
    assert_int_equal(test.close_code, 3000);
    client_close(&client);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_driver_begins_when_the_handshake_is_done),
        CASE(a_client_that_says_nothing_is_dropped_in_time),
        CASE(a_client_hello_in_single_bytes_is_understood_and_does_not_stretch_the_time),
        CASE(what_is_no_tls_is_closed),
        CASE(http_without_tls_is_told_so),
        CASE(versions_before_1_2_are_refused),
        CASE(the_protocol_is_http_1_1_or_none),
        CASE(a_client_that_comes_back_resumes_with_its_ticket),
        CASE(clients_without_the_right_certificate_are_refused),
        CASE(a_new_certificate_is_for_new_connections),
        CASE(draining_during_a_handshake_closes),
        CASE(a_half_written_record_is_waited_for),
        CASE(a_message_of_many_records_comes_together),
        CASE(a_slow_reader_gets_every_byte_in_order),
        CASE(small_frames_of_one_turn_share_a_record),
        CASE(a_finished_connection_says_so_to_the_peer),
        CASE(the_peers_goodbye_closes_also_right_behind_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
