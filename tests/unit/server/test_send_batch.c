/* Every test runs twice: with a ring, where the kernel permits one, and with a call for each. */
#include "net/send_batch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A queue, the socket that it goes to, and what the batch has told. */
struct peer {
    int fds[2];
    struct hf_output output;
    ssize_t result;
    unsigned order; /* counted from 1; 0: not told */
};

static unsigned told;

static void on_done(void *owner, ssize_t result)
{
    struct peer *peer = owner;
    peer->result = result;
    peer->order = ++told;
}

static void peer_open(struct peer *peer, int send_buffer)
{
    *peer = (struct peer){0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, peer->fds), 0);
    if (send_buffer > 0) {
        assert_int_equal(
            setsockopt(peer->fds[0], SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer)), 0);
    }
}

static void peer_close(struct peer *peer)
{
    hf_output_clear(&peer->output);
    close(peer->fds[0]);
    close(peer->fds[1]);
}

static void push(struct peer *peer, char letter, size_t len)
{
    char *bytes;
    struct hf_frame *frame = hf_frame_new(len, &bytes);
    assert_non_null(frame);
    memset(bytes, letter, len);
    assert_true(hf_output_push(&peer->output, frame));
    hf_frame_unref(frame);
}

static struct hf_send_batch *open_batch(void **state)
{
    struct hf_send_batch *batch = hf_send_batch_open(*(const bool *)*state);
    assert_non_null(batch);
    told = 0;
    return batch;
}

static void assert_received(const struct peer *peer, const char *expected)
{
    char data[256];
    ssize_t len = recv(peer->fds[1], data, sizeof(data), 0);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(data, expected, strlen(expected));
}

static void nothing_added_needs_no_call(void **state)
{
    struct hf_send_batch *batch = open_batch(state);
    assert_int_equal(hf_send_batch_run(batch, on_done), 0);
    assert_int_equal(told, 0);
    hf_send_batch_close(batch);
}

static void each_socket_gets_its_queue_and_each_owner_is_told_in_order(void **state)
{
    struct hf_send_batch *batch = open_batch(state);
    struct peer peers[3];
    for (int i = 0; i < 3; i++) {
        peer_open(&peers[i], 0);
        push(&peers[i], (char)('a' + i), 2);
        push(&peers[i], 'x', (size_t)i + 1);
    }
    for (int round = 0; round < 2; round++) { /* a batch serves again */
        told = 0;
        for (int i = 0; i < 3; i++) {
            assert_true(hf_send_batch_add(batch, peers[i].fds[0], &peers[i].output, &peers[i]));
        }
        uint64_t calls = hf_send_batch_run(batch, on_done);
        assert_int_equal(calls, hf_send_batch_has_ring(batch) ? 1 : 3);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(peers[i].result, i + 3);
            assert_int_equal(peers[i].order, i + 1);
        }
        assert_received(&peers[0], "aax");
        assert_received(&peers[1], "bbxx");
        assert_received(&peers[2], "ccxxx");
    }
    for (int i = 0; i < 3; i++) {
        peer_close(&peers[i]);
    }
    hf_send_batch_close(batch);
}

static void what_is_written_already_is_not_sent_again(void **state)
{
    struct hf_send_batch *batch = open_batch(state);
    struct peer peers[2];
    for (int i = 0; i < 2; i++) {
        peer_open(&peers[i], 0);
        push(&peers[i], 'a', 4);
        push(&peers[i], 'b', 4);
        hf_output_take(&peers[i].output, i == 0 ? 3 : 6);
        assert_true(hf_send_batch_add(batch, peers[i].fds[0], &peers[i].output, &peers[i]));
    }
    hf_send_batch_run(batch, on_done);
    assert_received(&peers[0], "abbbb");
    assert_received(&peers[1], "bb");
    for (int i = 0; i < 2; i++) {
        peer_close(&peers[i]);
    }
    hf_send_batch_close(batch);
}

static void full_socket_and_gone_peer_are_told_and_do_not_touch_the_others(void **state)
{
    enum { FULL, GONE, GOOD, PEERS };
    struct hf_send_batch *batch = open_batch(state);
    struct peer peers[PEERS];
    char filler[4096] = {0};
    for (int i = 0; i < PEERS; i++) {
        peer_open(&peers[i], i == FULL ? 4096 : 0);
        push(&peers[i], 'a', 3);
    }
    while (send(peers[FULL].fds[0], filler, sizeof(filler), 0) > 0) {
    }
    shutdown(peers[GONE].fds[1], SHUT_RDWR);
    for (int i = 0; i < PEERS; i++) {
        assert_true(hf_send_batch_add(batch, peers[i].fds[0], &peers[i].output, &peers[i]));
    }
    hf_send_batch_run(batch, on_done);
    assert_int_equal(peers[FULL].result, -EAGAIN);
    assert_int_equal(peers[GONE].result, -EPIPE);
    assert_int_equal(peers[GOOD].result, 3);
    assert_received(&peers[GOOD], "aaa");
    for (int i = 0; i < PEERS; i++) {
        peer_close(&peers[i]);
    }
    hf_send_batch_close(batch);
}

static void full_batch_takes_no_more_until_it_has_run(void **state)
{
    struct hf_send_batch *batch = open_batch(state);
    struct peer peer;
    peer_open(&peer, 0);
    push(&peer, 'a', 1);
    for (int i = 0; i < HF_SEND_BATCH_MAX; i++) {
        assert_true(hf_send_batch_add(batch, peer.fds[0], &peer.output, &peer));
    }
    assert_false(hf_send_batch_add(batch, peer.fds[0], &peer.output, &peer));
    hf_send_batch_run(batch, on_done);
    assert_int_equal(told, HF_SEND_BATCH_MAX);
    assert_true(hf_send_batch_add(batch, peer.fds[0], &peer.output, &peer));
    hf_send_batch_run(batch, on_done);
    peer_close(&peer);
    hf_send_batch_close(batch);
}

static void long_queues_fill_a_batch_sooner(void **state)
{
    struct hf_send_batch *batch = open_batch(state);
    struct peer peer;
    unsigned added = 0;
    peer_open(&peer, 0);
    for (int i = 0; i < HF_OUTPUT_VECTORS_MAX + 1; i++) {
        push(&peer, 'a', 1);
    }
    while (hf_send_batch_add(batch, peer.fds[0], &peer.output, &peer)) {
        added++;
    }
    assert_in_range(added, 2, HF_SEND_BATCH_MAX - 1);
    hf_send_batch_run(batch, on_done);
    assert_int_equal(told, added);
    assert_int_equal(peer.result, HF_OUTPUT_VECTORS_MAX);
    peer_close(&peer);
    hf_send_batch_close(batch);
}

#define TEST_BOTH(name)                                                                            \
    {#name " (a ring)", name, NULL, NULL, &with_ring},                                             \
    {                                                                                              \
#name " (no ring)", name, NULL, NULL, &without_ring                                        \
    }

int main(void)
{
    static bool with_ring = true, without_ring = false;
    const struct CMUnitTest tests[] = {
        TEST_BOTH(nothing_added_needs_no_call),
        TEST_BOTH(each_socket_gets_its_queue_and_each_owner_is_told_in_order),
        TEST_BOTH(what_is_written_already_is_not_sent_again),
        TEST_BOTH(full_socket_and_gone_peer_are_told_and_do_not_touch_the_others),
        TEST_BOTH(full_batch_takes_no_more_until_it_has_run),
        TEST_BOTH(long_queues_fill_a_batch_sooner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
