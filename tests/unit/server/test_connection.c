#include "net/connection.h"

#include <netinet/in.h>

#include "connection_fixture.h"
#include "net/send_batch.h"

enum { SMALL_SOCKET = 4096 };

/* The driver under test: takes lines ("....\n") and does what `test` says. */
struct line_test {
    struct loop_fixture fixture;
    struct hf_connection *connection;
    char lines[65536]; /* all that was consumed */
    size_t lines_len;
    size_t counted; /* by the driver that only counts */
    unsigned inputs;
    unsigned drained;
    unsigned deadlines;
    unsigned laters;
    unsigned drains;
    unsigned closed;
    unsigned close_code;
    bool stops_reading; /* after each line */
    const struct hf_connection_driver *successor;
};

static struct line_test test;

static void on_open(struct hf_connection *connection)
{
    test.connection = connection;
}

static size_t on_input(struct hf_connection *connection, char *data, size_t len)
{
    test.inputs++;
    size_t used = 0;
    char *end;
    while ((end = memchr(data + used, '\n', len - used)) != NULL) {
        size_t line_len = (size_t)(end - data) + 1 - used;
        assert_true(test.lines_len + line_len <= sizeof(test.lines));
        memcpy(test.lines + test.lines_len, data + used, line_len);
        test.lines_len += line_len;
        used += line_len;
        if (test.successor != NULL) {
            hf_connection_set_driver(connection, test.successor, &test);
            return used;
        }
        if (test.stops_reading) {
            hf_connection_set_reading(connection, false);
            return used;
        }
    }
    return used;
}

static void on_drained(struct hf_connection *connection)
{
    assert_int_equal(hf_connection_queued(connection), 0);
    test.drained++;
}

static void on_deadline(struct hf_connection *connection, uint64_t now_ms)
{
    (void)connection;
    assert_true(now_ms > 0);
    test.deadlines++;
}

static void on_later(struct hf_connection *connection)
{
    assert_ptr_equal(connection, test.connection);
    test.laters++;
}

static void on_drain(struct hf_connection *connection)
{
    test.drains++;
    hf_connection_close(connection, 3001, true, 1000);
}

static void on_closed(struct hf_connection *connection, unsigned code)
{
    assert_ptr_equal(connection, test.connection);
    test.closed++;
    test.close_code = code;
}

static const struct hf_connection_driver line_driver = {
    .name = "lines",
    .on_open = on_open,
    .on_input = on_input,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
    .on_later = on_later,
    .on_drain = on_drain,
    .on_closed = on_closed,
};

static const struct hf_connection_driver half_close_driver = {
    .name = "lines, answered after the peer's end",
    .answers_after_end = true,
    .on_open = on_open,
    .on_input = on_input,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
    .on_later = on_later,
    .on_drain = on_drain,
    .on_closed = on_closed,
};

static size_t on_rest(struct hf_connection *connection, char *data, size_t len)
{
    struct line_test *own = hf_connection_state(connection);
    memcpy(own->lines + own->lines_len, data, len);
    own->lines_len += len;
    return len;
}

static const struct hf_connection_driver successor_driver = {
    .name = "everything",
    .on_input = on_rest,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
    .on_later = on_later,
    .on_drain = on_drain,
    .on_closed = on_closed,
};

static size_t on_count(struct hf_connection *connection, char *data, size_t len)
{
    (void)connection;
    (void)data;
    test.counted += len;
    return len;
}

static const struct hf_connection_driver counting_driver = {
    .name = "counting",
    .on_input = on_count,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
    .on_later = on_later,
    .on_drain = on_drain,
    .on_closed = on_closed,
};

static int set_up(void **state)
{
    (void)state;
    memset(&test, 0, sizeof(test));
    loop_fixture_open(&test.fixture, &line_driver);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_fixture_close(&test.fixture);
    return 0;
}

static void send_text(size_t len)
{
    char *bytes;
    struct hf_frame *frame = hf_frame_new(len, &bytes);
    assert_non_null(frame);
    memset(bytes, 'x', len);
    hf_connection_send(test.connection, frame);
    hf_frame_unref(frame);
}

static void bytes_one_by_one_come_together_as_one_message(void **state)
{
    (void)state;
    struct loop_client client;
    loop_connect(&test.fixture, &client, 0);
    static const char text[] = "slowly but surely\n";
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        loop_client_send(&client, text + i, 1);
        LOOP_UNTIL(&test.fixture, NULL, test.inputs == i + 1);
    }
    assert_int_equal(test.lines_len, sizeof(text) - 1);
    assert_memory_equal(test.lines, text, sizeof(text) - 1);
    loop_client_close(&client);
}

static void accept_with(const char *text, struct loop_client *client)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    *client = (struct loop_client){.fd = fds[0]};
    loop_client_send(client, text, strlen(text));
    hf__loop_wake(&test.fixture.worker);
    assert_int_equal(hf_connection_accept(&test.fixture.worker, fds[1], HF_ENTRANCE_CLIENTS), 0);
}

static void what_was_sent_before_the_accept_is_read_with_it(void **state)
{
    (void)state;
    struct loop_client client;
    accept_with("early\nla", &client);
    assert_int_equal(test.lines_len, 6);
    loop_client_send(&client, "te\n", 3);
    LOOP_UNTIL(&test.fixture, NULL, test.lines_len == 11);
    assert_memory_equal(test.lines, "early\nlate\n", 11);
    loop_client_close(&client);
}

static void who_has_left_before_the_accept_is_closed_after_it(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    close(fds[0]);
    hf__loop_wake(&test.fixture.worker);
    assert_int_equal(hf_connection_accept(&test.fixture.worker, fds[1], HF_ENTRANCE_CLIENTS), 0);
    assert_int_equal(test.closed, 0);
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
    assert_int_equal(test.close_code, 3000);
}

static void what_is_not_consumed_comes_again_with_more_behind_it(void **state)
{
    (void)state;
    struct loop_client client;
    loop_connect(&test.fixture, &client, 0);
    char *long_line = malloc(20000);
    memset(long_line, 'a', 20000);
    long_line[19999] = '\n';
    loop_client_send(&client, "one\ntwo", 7);
    LOOP_UNTIL(&test.fixture, NULL, test.lines_len == 4);
    loop_client_send(&client, "\nthree", 6);
    LOOP_UNTIL(&test.fixture, NULL, test.lines_len == 8);
    loop_client_send(&client, long_line, 20000);
    LOOP_UNTIL(&test.fixture, NULL, test.lines_len == 20013);
    assert_memory_equal(test.lines, "one\ntwo\nthreeaaa", 16);
    free(long_line);
    loop_client_close(&client);
}

static void a_driver_that_switches_hands_the_rest_to_its_successor(void **state)
{
    (void)state;
    struct loop_client client;
    test.successor = &successor_driver;
    loop_connect(&test.fixture, &client, 0);
    loop_client_send(&client, "first\nrest", 10);
    LOOP_UNTIL(&test.fixture, NULL, test.lines_len == 10);
    assert_memory_equal(test.lines, "first\nrest", 10);
    assert_int_equal(test.inputs, 1);
    loop_client_close(&client);
}

static void input_waits_while_reading_is_off(void **state)
{
    (void)state;
    struct loop_client client;
    test.stops_reading = true;
    loop_connect(&test.fixture, &client, 0);
    loop_client_send(&client, "a\nb\n", 4);
    LOOP_UNTIL(&test.fixture, NULL, test.lines_len == 2);
    loop_client_send(&client, "c\n", 2);
    loop_turns(&test.fixture, 5);
    assert_int_equal(test.lines_len, 2);
    hf_connection_set_reading(test.connection, true);
    LOOP_UNTIL(&test.fixture, NULL, test.lines_len == 4);
    loop_turns(&test.fixture, 5);
    assert_int_equal(test.lines_len, 4);
    hf_connection_set_reading(test.connection, true);
    LOOP_UNTIL(&test.fixture, NULL, test.lines_len == 6);
    assert_memory_equal(test.lines, "a\nb\nc\n", 6);
    loop_client_close(&client);
}

static void frames_of_one_turn_leave_with_one_call(void **state)
{
    (void)state;
    struct loop_client client;
    loop_connect(&test.fixture, &client, 0);
    for (int i = 0; i < 10; i++) {
        send_text(10);
    }
    assert_int_equal(hf_connection_queued(test.connection), 100);
    hf_connection_want_drain(test.connection);
    LOOP_UNTIL(&test.fixture, &client, client.len == 100);
    assert_int_equal(hf_counter_read(&test.fixture.worker.counters.writes), 1);
    assert_int_equal(hf_counter_read(&test.fixture.worker.counters.bytes_out), 100);
    assert_int_equal(test.drained, 1);
    loop_client_close(&client);
}

static void a_peer_that_reads_slowly_gets_everything(void **state)
{
    (void)state;
    struct loop_client client;
    loop_connect(&test.fixture, &client, SMALL_SOCKET);
    for (int i = 0; i < 100; i++) {
        send_text(5000);
    }
    hf_connection_want_drain(test.connection);
    while (client.len < 500000) {
        hf__loop_turn(&test.fixture.worker);
        loop_client_take(&client, 3000);
    }
    LOOP_UNTIL(&test.fixture, &client, test.drained == 1);
    assert_int_equal(client.len, 500000);
    assert_int_equal(test.closed, 0);
    loop_client_close(&client);
}

static void more_queued_than_the_limit_closes_with_3008_and_sends_no_more(void **state)
{
    (void)state;
    struct loop_client client;
    loop_connect(&test.fixture, &client, SMALL_SOCKET);
    hf_connection_set_queue_max(test.connection, 50000);
    for (int i = 0; i < 40 && !hf_connection_is_closing(test.connection); i++) {
        send_text(5000);
    }
    assert_true(hf_connection_is_closing(test.connection));
    assert_int_equal(hf_connection_queued(test.connection), 0);
    assert_int_equal(test.closed, 0); /* not from inside of sending */
    LOOP_UNTIL(&test.fixture, &client, client.is_ended);
    assert_int_equal(test.closed, 1);
    assert_int_equal(test.close_code, 3008);
    assert_true(client.len < 100000);
    assert_int_equal(hf_counter_read(&test.fixture.worker.counters.disconnects[8]), 1);
    loop_client_close(&client);
}

static void much_in_one_turn_is_not_slow_while_the_kernel_takes_it(void **state)
{
    (void)state;
    struct loop_client client;
    loop_connect(&test.fixture, &client, 1 << 20);
    hf_connection_set_queue_max(test.connection, 10000);
    for (int i = 0; i < 20; i++) {
        send_text(5000);
    }
    LOOP_UNTIL(&test.fixture, &client, client.len == 100000);
    assert_int_equal(test.closed, 0);
    loop_client_close(&client);
}

static void a_peer_that_takes_nothing_is_dropped_with_3009_in_time(void **state)
{
    (void)state;
    struct loop_client client;
    loop_connect(&test.fixture, &client, SMALL_SOCKET);
    hf_connection_set_write_timeout(test.connection, 300);
    uint64_t started_ms = loop_now_ms();
    send_text(200000);
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
    uint64_t took_ms = loop_now_ms() - started_ms;
    assert_int_equal(test.close_code, 3009);
    assert_true(took_ms >= 300);
    loop_client_close(&client);
}

static void closing_with_finish_writes_the_queue_and_waits_for_the_peer(void **state)
{
    (void)state;
    struct loop_client client;
    loop_connect(&test.fixture, &client, SMALL_SOCKET);
    send_text(100000);
    hf_connection_close(test.connection, 3001, true, 5000);
    hf_connection_close(test.connection, 3500, true, 5000);
    send_text(10); /* too late */
    LOOP_UNTIL(&test.fixture, &client, client.is_ended);
    assert_int_equal(client.len, 100000);
    assert_int_equal(test.closed, 0); /* the peer has not closed yet */
    loop_client_send(&client, "ignored\n", 8);
    loop_turns(&test.fixture, 3);
    assert_int_equal(test.lines_len, 0);
    loop_client_close(&client);
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
    assert_int_equal(test.close_code, 3001);
}

static void closing_with_finish_ends_in_time_when_the_peer_does_nothing(void **state)
{
    (void)state;
    struct loop_client client;
    loop_connect(&test.fixture, &client, SMALL_SOCKET);
    send_text(100000);
    hf_connection_close(test.connection, 3001, true, 200);
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
    assert_int_equal(test.close_code, 3001);
    loop_client_close(&client);
}

static void closing_at_once_cuts_a_finish_short(void **state)
{
    (void)state;
    struct loop_client client;
    loop_connect(&test.fixture, &client, SMALL_SOCKET);
    send_text(100000);
    hf_connection_close(test.connection, 3001, true, 60000);
    loop_turns(&test.fixture, 2);
    hf_connection_close(test.connection, 3000, false, 0);
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
    assert_int_equal(test.close_code, 3001);
    loop_client_close(&client);
}

static void a_peer_that_leaves_closes_with_3000(void **state)
{
    (void)state;
    struct loop_client client;
    loop_connect(&test.fixture, &client, 0);
    assert_int_equal(hf_counter_read(&test.fixture.worker.counters.connections), 1);
    loop_client_close(&client);
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
    assert_int_equal(test.close_code, 3000);
    assert_int_equal(hf_counter_read(&test.fixture.worker.counters.connections), 0);
}

/* A stream over TCP, whose ends can be reset. */
static void connect_over_tcp(struct loop_client *client)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, len), 0);
    int peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(peer >= 0);
    close(listener);
    *client = (struct loop_client){.fd = fd};
    hf__loop_wake(&test.fixture.worker);
    assert_int_equal(hf_connection_accept(&test.fixture.worker, peer, HF_ENTRANCE_CLIENTS), 0);
    loop_turns(&test.fixture, 2);
}

/* One event tells of both, and none comes after it. */
static void last_words_and_the_end_in_one_event_are_both_heard(void **state)
{
    for (int is_reset = 0; is_reset < 2; is_reset++) {
        struct loop_client client;
        const struct linger reset = {.l_onoff = 1, .l_linger = 0};
        tear_down(state);
        set_up(state);
        connect_over_tcp(&client);
        loop_client_send(&client, "bye\n", 4);
        if (is_reset) {
            assert_int_equal(setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)),
                             0);
        }
        loop_client_close(&client);
        LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
        assert_int_equal(test.lines_len, 4);
        assert_int_equal(test.close_code, 3000);
    }
}

static void more_than_one_read_takes_is_read_to_its_end(void **state)
{
    (void)state;
    enum { BYTES = 3 * HF_LOOP_SCRATCH_BYTES / 2 }; /* and a UNIX socket holds that */
    struct loop_client client;
    char *zeros = calloc(1, BYTES);
    int size = 4 * BYTES;
    test.successor = &counting_driver;
    loop_connect(&test.fixture, &client, 0);
    assert_int_equal(setsockopt(client.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    loop_client_send(&client, "\n", 1);
    LOOP_UNTIL(&test.fixture, NULL, test.lines_len == 1);
    loop_client_send(&client, zeros, BYTES);
    LOOP_UNTIL(&test.fixture, NULL, test.counted == BYTES);
    free(zeros);
    loop_client_close(&client);
}

static void the_end_that_comes_while_reading_is_off_is_heard_when_it_is_on_again(void **state)
{
    (void)state;
    struct loop_client client;
    test.stops_reading = true;
    loop_connect(&test.fixture, &client, 0);
    loop_client_send(&client, "a\n", 2);
    LOOP_UNTIL(&test.fixture, NULL, test.lines_len == 2);
    loop_client_send(&client, "b\n", 2);
    loop_client_close(&client);
    loop_turns(&test.fixture, 5);
    assert_int_equal(test.closed, 0);
    test.stops_reading = false;
    hf_connection_set_reading(test.connection, true);
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
    assert_memory_equal(test.lines, "a\nb\n", 4);
}

/* It stays registered for room after the first time: each further time has to be heard of, too. */
static void a_peer_that_is_slow_again_and_again_gets_everything(void **state)
{
    (void)state;
    struct loop_client client;
    loop_connect(&test.fixture, &client, SMALL_SOCKET);
    for (size_t round = 1; round <= 3; round++) {
        send_text(100000);
        loop_turns(&test.fixture, 3);
        assert_true(hf_connection_queued(test.connection) > 0);
        LOOP_UNTIL(&test.fixture, &client, client.len == round * 100000);
        LOOP_UNTIL(&test.fixture, NULL, hf_connection_queued(test.connection) == 0);
    }
    loop_client_close(&client);
}

static void a_half_closed_peer_gets_what_is_queued_when_the_driver_answers(void **state)
{
    (void)state;
    struct loop_client client;
    test.fixture.worker.priv->first_driver = &half_close_driver;
    loop_connect(&test.fixture, &client, SMALL_SOCKET);
    send_text(100000);
    loop_turns(&test.fixture, 2);
    assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
    loop_turns(&test.fixture, 2);
    LOOP_UNTIL(&test.fixture, &client, client.is_ended);
    assert_int_equal(client.len, 100000);
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
    loop_client_close(&client);
}

static void a_large_answer_does_not_hold_its_memory_beyond_the_turn(void **state)
{
    struct hf_buffer *encode = &test.fixture.worker.encode;

    (void)state;
    assert_true(hf_buffer_reserve(encode, 1000));
    size_t small = encode->capacity;
    hf__loop_turn(&test.fixture.worker);
    assert_int_equal(encode->capacity, small);
    assert_true(hf_buffer_reserve(encode, (size_t)2 << 20));
    hf__loop_turn(&test.fixture.worker);
    assert_int_equal(encode->capacity, 0);
}

static void a_deadline_is_called_once_and_can_be_moved_or_taken_back(void **state)
{
    (void)state;
    struct loop_client client;
    loop_connect(&test.fixture, &client, 0);
    uint64_t started_ms = loop_now_ms();
    hf_connection_set_deadline(test.connection, started_ms + 60000);
    hf_connection_set_deadline(test.connection, started_ms + 250);
    LOOP_UNTIL(&test.fixture, NULL, test.deadlines == 1);
    assert_true(loop_now_ms() - started_ms >= 250);
    hf_connection_set_deadline(test.connection, loop_now_ms() + 100);
    hf_connection_set_deadline(test.connection, UINT64_MAX);
    uint64_t until_ms = loop_now_ms() + 400;
    LOOP_UNTIL(&test.fixture, NULL, loop_now_ms() >= until_ms);
    assert_int_equal(test.deadlines, 1);
    loop_client_close(&client);
}

static void later_comes_once_at_the_end_of_the_turn(void **state)
{
    (void)state;
    struct loop_client client;
    loop_connect(&test.fixture, &client, 0);
    hf_connection_want_later(test.connection);
    hf_connection_want_later(test.connection);
    assert_int_equal(test.laters, 0);
    loop_turns(&test.fixture, 3);
    assert_int_equal(test.laters, 1);
    loop_client_close(&client);
}

static void draining_asks_each_driver_for_its_goodbye(void **state)
{
    (void)state;
    struct loop_client client;
    loop_connect(&test.fixture, &client, 0);
    hf__connections_drain(&test.fixture.worker);
    hf__connections_drain(&test.fixture.worker);
    assert_int_equal(test.drains, 1);
    LOOP_UNTIL(&test.fixture, &client, client.is_ended);
    loop_client_close(&client);
    LOOP_UNTIL(&test.fixture, NULL, test.closed == 1);
    assert_int_equal(test.close_code, 3001);
}

static void an_idle_connection_takes_less_than_400_bytes(void **state)
{
    (void)state;
    assert_true(hf__connection_size() <= 400);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

/* --- connections that meddle with each other at the end of a turn ------------------------------
 */

enum { CROWD = 300 }; /* more than a batch holds */

static struct {
    struct hf_connection *connections[CROWD];
    unsigned count;
    unsigned closed;
    struct hf_connection *victim; /* of `meddle`, which every on_later calls */
    void (*meddle)(struct hf_connection *victim);
} crowd;

static void crowd_on_open(struct hf_connection *connection)
{
    crowd.connections[crowd.count++] = connection;
}

static void crowd_on_later(struct hf_connection *connection)
{
    if (connection != crowd.victim) {
        crowd.meddle(crowd.victim);
    }
}

static void crowd_on_closed(struct hf_connection *connection, unsigned code)
{
    (void)connection;
    assert_int_equal(code, 3001);
    crowd.closed++;
}

static const struct hf_connection_driver crowd_driver = {.name = "crowd",
                                                         .on_open = crowd_on_open,
                                                         .on_input = on_input,
                                                         .on_drained = crowd_on_later,
                                                         .on_later = crowd_on_later,
                                                         .on_closed = crowd_on_closed};

static void send_letter(struct hf_connection *connection)
{
    char *bytes;
    struct hf_frame *frame = hf_frame_new(1, &bytes);
    assert_non_null(frame);
    *bytes = 'x';
    hf_connection_send(connection, frame);
    hf_frame_unref(frame);
}

static void close_at_once(struct hf_connection *connection)
{
    hf_connection_close(connection, 3001, false, 0);
}

static void crowd_open(struct loop_client *clients, unsigned count)
{
    memset(&crowd, 0, sizeof(crowd));
    test.fixture.worker.priv->first_driver = &crowd_driver;
    for (unsigned i = 0; i < count; i++) {
        loop_connect(&test.fixture, &clients[i], 0);
    }
    assert_int_equal(crowd.count, count);
}

static void crowd_close(struct loop_client *clients, unsigned count)
{
    crowd.victim = NULL;
    for (unsigned i = 0; i < count; i++) {
        loop_client_close(&clients[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        close_at_once(crowd.connections[i]);
    }
    loop_turns(&test.fixture, 2);
}

static void a_crowd_is_written_to_in_one_turn_with_a_call_for_each_batch(void **state)
{
    (void)state;
    static struct loop_client clients[CROWD];
    crowd_open(clients, CROWD);
    for (unsigned i = 0; i < CROWD; i++) {
        send_letter(crowd.connections[i]);
        send_letter(crowd.connections[i]);
    }
    loop_turns(&test.fixture, 1);
    for (unsigned i = 0; i < CROWD; i++) {
        loop_client_take(&clients[i], 10);
        assert_int_equal(clients[i].len, 2);
    }
    uint64_t calls = hf_counter_read(&test.fixture.worker.counters.writes);
    bool has_ring = hf_send_batch_has_ring(test.fixture.worker.priv->batch);
    assert_int_equal(calls, has_ring ? 2 : CROWD);
    crowd_close(clients, CROWD);
}

/* The victim comes first and last among those with work. */
static void what_others_send_at_the_end_of_the_turn_leaves_with_it(void **state)
{
    (void)state;
    for (unsigned victim = 0; victim < 3; victim++) {
        struct loop_client clients[3];
        crowd_open(clients, 3);
        crowd.victim = crowd.connections[victim];
        crowd.meddle = send_letter;
        for (unsigned i = 0; i < 3; i++) {
            hf_connection_want_later(crowd.connections[i]);
            hf_connection_want_drain(crowd.connections[i]);
        }
        loop_turns(&test.fixture, 2);
        loop_client_take(&clients[victim], 10);
        assert_int_equal(clients[victim].len, 4); /* two from on_later, two from on_drained */
        crowd_close(clients, 3);
    }
}

static void whom_others_close_at_the_end_of_the_turn_gets_nothing_more(void **state)
{
    (void)state;
    for (unsigned victim = 0; victim < 3; victim++) {
        struct loop_client clients[3];
        crowd_open(clients, 3);
        crowd.victim = crowd.connections[victim];
        crowd.meddle = close_at_once;
        for (unsigned i = 0; i < 3; i++) {
            send_letter(crowd.connections[i]);
            hf_connection_want_later(crowd.connections[i]);
        }
        loop_turns(&test.fixture, 2);
        for (unsigned i = 0; i < 3; i++) {
            loop_client_take(&clients[i], 10);
            assert_int_equal(clients[i].len, i == victim ? 0 : 1);
        }
        assert_int_equal(crowd.closed, 1);
        crowd.connections[victim] = crowd.connections[(victim + 1) % 3];
        crowd_close(clients, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bytes_one_by_one_come_together_as_one_message),
        CASE(what_was_sent_before_the_accept_is_read_with_it),
        CASE(who_has_left_before_the_accept_is_closed_after_it),
        CASE(what_is_not_consumed_comes_again_with_more_behind_it),
        CASE(a_driver_that_switches_hands_the_rest_to_its_successor),
        CASE(input_waits_while_reading_is_off),
        CASE(frames_of_one_turn_leave_with_one_call),
        CASE(a_peer_that_reads_slowly_gets_everything),
        CASE(more_queued_than_the_limit_closes_with_3008_and_sends_no_more),
        CASE(much_in_one_turn_is_not_slow_while_the_kernel_takes_it),
        CASE(a_peer_that_takes_nothing_is_dropped_with_3009_in_time),
        CASE(a_crowd_is_written_to_in_one_turn_with_a_call_for_each_batch),
        CASE(what_others_send_at_the_end_of_the_turn_leaves_with_it),
        CASE(whom_others_close_at_the_end_of_the_turn_gets_nothing_more),
        CASE(closing_with_finish_writes_the_queue_and_waits_for_the_peer),
        CASE(closing_with_finish_ends_in_time_when_the_peer_does_nothing),
        CASE(closing_at_once_cuts_a_finish_short),
        CASE(a_peer_that_leaves_closes_with_3000),
        CASE(last_words_and_the_end_in_one_event_are_both_heard),
        CASE(more_than_one_read_takes_is_read_to_its_end),
        CASE(the_end_that_comes_while_reading_is_off_is_heard_when_it_is_on_again),
        CASE(a_peer_that_is_slow_again_and_again_gets_everything),
        CASE(a_half_closed_peer_gets_what_is_queued_when_the_driver_answers),
        CASE(a_large_answer_does_not_hold_its_memory_beyond_the_turn),
        CASE(a_deadline_is_called_once_and_can_be_moved_or_taken_back),
        CASE(later_comes_once_at_the_end_of_the_turn),
        CASE(draining_asks_each_driver_for_its_goodbye),
        CASE(an_idle_connection_takes_less_than_400_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
