#include "net/poller.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* A source on one end of a pair of sockets. */
struct end {
    struct hf_poll_source source; /* first */
    int peer;
    unsigned calls;
    unsigned what;     /* of the last call */
    struct end *other; /* taken out by the callback; NULL: none */
};

static struct hf_poller *poller;

static void on_ready(struct hf_poll_source *source, unsigned what)
{
    struct end *end = (struct end *)source;
    end->calls++;
    end->what = what;
    if (end->other != NULL) {
        assert_int_equal(hf_poller_set(poller, &end->other->source, HF_POLL_NONE), 0);
    }
}

static int set_up(void **state)
{
    (void)state;
    poller = hf_poller_open();
    return poller == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    hf_poller_close(poller);
    return 0;
}

static void open_end(struct end *end, enum hf_poll_mode mode)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    *end = (struct end){.source = {.on_ready = on_ready, .fd = fds[0]}, .peer = fds[1]};
    assert_int_equal(hf_poller_set(poller, &end->source, mode), 0);
    assert_int_equal(end->source.mode, mode);
}

static void close_end(struct end *end)
{
    close(end->source.fd);
    if (end->peer >= 0) {
        close(end->peer);
    }
}

static void say(const struct end *end)
{
    assert_int_equal(write(end->peer, "x", 1), 1);
}

static void hear(const struct end *end)
{
    char byte;
    assert_int_equal(read(end->source.fd, &byte, 1), 1);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void test_level_tells_until_it_is_read(void **state)
{
    (void)state;
    struct end end;
    open_end(&end, HF_POLL_LEVEL);
    hf_poller_wait(poller, 0);
    assert_int_equal(end.calls, 0);
    say(&end);
    hf_poller_wait(poller, HF_POLL_FOREVER);
    hf_poller_wait(poller, HF_POLL_FOREVER);
    assert_int_equal(end.calls, 2);
    assert_int_equal(end.what, HF_POLL_READ);
    hear(&end);
    hf_poller_wait(poller, 0);
    assert_int_equal(end.calls, 2);
    close_end(&end);
}

static void test_edge_tells_once_for_each_that_comes(void **state)
{
    (void)state;
    struct end end;
    open_end(&end, HF_POLL_EDGE);
    say(&end);
    hf_poller_wait(poller, HF_POLL_FOREVER);
    hf_poller_wait(poller, 0);
    assert_int_equal(end.calls, 1);
    say(&end);
    hf_poller_wait(poller, HF_POLL_FOREVER);
    assert_int_equal(end.calls, 2);
    assert_int_equal(end.what, HF_POLL_READ);
    close_end(&end);
}

static void test_edge_set_after_the_event_tells_of_it(void **state)
{
    (void)state;
    struct end end;
    open_end(&end, HF_POLL_NONE);
    say(&end);
    hf_poller_wait(poller, 0);
    assert_int_equal(end.calls, 0);
    assert_int_equal(hf_poller_set(poller, &end.source, HF_POLL_EDGE), 0);
    hf_poller_wait(poller, 0);
    assert_int_equal(end.calls, 1);
    close_end(&end);
}

static void test_edge_tells_of_the_end_together_with_what_came_before_it(void **state)
{
    (void)state;
    struct end end;
    open_end(&end, HF_POLL_EDGE);
    say(&end);
    assert_int_equal(shutdown(end.peer, SHUT_WR), 0);
    hf_poller_wait(poller, HF_POLL_FOREVER);
    assert_int_equal(end.what, HF_POLL_READ | HF_POLL_END);
    close(end.peer);
    end.peer = -1;
    hf_poller_wait(poller, HF_POLL_FOREVER);
    assert_int_equal(end.what & HF_POLL_END, HF_POLL_END);
    assert_int_equal(end.what & HF_POLL_WRITE, HF_POLL_WRITE);
    close_end(&end);
}

static void test_room_is_told_of_when_there_is_some_again(void **state)
{
    (void)state;
    struct end end;
    char bytes[4096] = {0};
    open_end(&end, HF_POLL_EDGE);
    while (write(end.source.fd, bytes, sizeof(bytes)) > 0) {
    }
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(hf_poller_set(poller, &end.source, HF_POLL_EDGE_WRITE), 0);
    hf_poller_wait(poller, 0);
    assert_int_equal(end.calls, 0);
    while (read(end.peer, bytes, sizeof(bytes)) > 0) {
    }
    hf_poller_wait(poller, HF_POLL_FOREVER);
    assert_int_equal(end.what, HF_POLL_WRITE);
    close_end(&end);
}

static void test_source_taken_out_by_another_in_the_same_wait_is_not_told(void **state)
{
    (void)state;
    struct end first, second;
    open_end(&first, HF_POLL_LEVEL);
    open_end(&second, HF_POLL_LEVEL);
    first.other = &second;
    second.other = &first;
    say(&first);
    say(&second);
    hf_poller_wait(poller, HF_POLL_FOREVER);
    assert_int_equal(first.calls + second.calls, 1);
    close_end(&first);
    close_end(&second);
}

static void test_closed_descriptor_cannot_be_set(void **state)
{
    (void)state;
    struct hf_poll_source source = {.on_ready = on_ready, .fd = -1};
    assert_int_equal(hf_poller_set(poller, &source, HF_POLL_EDGE), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(source.mode, HF_POLL_NONE);
}

static void test_wait_lasts_as_long_as_it_is_told(void **state)
{
    (void)state;
    static const int64_t timeouts_us[] = {0, 300, 1000, 20500};
    for (size_t i = 0; i < sizeof(timeouts_us) / sizeof(timeouts_us[0]); i++) {
        uint64_t began_us = now_us();
        hf_poller_wait(poller, timeouts_us[i]);
        assert_true(now_us() - began_us >= (uint64_t)timeouts_us[i]);
    }
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_level_tells_until_it_is_read),
        CASE(test_edge_tells_once_for_each_that_comes),
        CASE(test_edge_set_after_the_event_tells_of_it),
        CASE(test_edge_tells_of_the_end_together_with_what_came_before_it),
        CASE(test_room_is_told_of_when_there_is_some_again),
        CASE(test_source_taken_out_by_another_in_the_same_wait_is_not_told),
        CASE(test_closed_descriptor_cannot_be_set),
        CASE(test_wait_lasts_as_long_as_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
