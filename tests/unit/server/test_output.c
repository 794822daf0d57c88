#include "net/output.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct hf_frame *frame_of(const char *text)
{
    char *bytes;
    struct hf_frame *frame = hf_frame_new(strlen(text), &bytes);
    assert_non_null(frame);
    memcpy(bytes, text, strlen(text));
    return frame;
}

static void push_text(struct hf_output *output, const char *text)
{
    struct hf_frame *frame = frame_of(text);
    assert_true(hf_output_push(output, frame));
    hf_frame_unref(frame);
}

static void open_pair(int fds[2], int send_buffer)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    if (send_buffer > 0) {
        assert_int_equal(
            setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer)), 0);
    }
}

static void one_frame_needs_no_ring(void **state)
{
    (void)state;
    int fds[2];
    open_pair(fds, 0);
    struct hf_output output = {0};
    push_text(&output, "one");
    assert_null(output.ring);
    assert_int_equal(output.bytes, 3);
    uint64_t written = 0;
    uint64_t calls = 0;
    assert_int_equal(hf_output_write(&output, fds[0], NULL, &written, &calls), HF_OUTPUT_EMPTY);
    assert_int_equal(written, 3);
    assert_int_equal(calls, 1);
    close(fds[0]);
    close(fds[1]);
}

static void sixty_four_frames_go_out_in_one_call_and_the_ring_is_freed(void **state)
{
    (void)state;
    int fds[2];
    open_pair(fds, 0);
    struct hf_output output = {0};
    for (int i = 0; i < 64; i++) {
        push_text(&output, "x");
    }
    assert_non_null(output.ring);
    uint64_t written = 0;
    uint64_t calls = 0;
    assert_int_equal(hf_output_write(&output, fds[0], NULL, &written, &calls), HF_OUTPUT_EMPTY);
    assert_int_equal(written, 64);
    assert_int_equal(calls, 1);
    assert_null(output.ring);
    assert_int_equal(output.bytes, 0);
    close(fds[0]);
    close(fds[1]);
}

/* Frames of all lengths through a socket that takes a little at a time, with pushes in between. */
static void every_byte_arrives_once_and_in_order_through_a_tiny_socket(void **state)
{
    (void)state;
    int fds[2];
    open_pair(fds, 2048);
    struct hf_output output = {0};
    size_t pushed = 0;
    size_t received = 0;
    bool was_blocked = false;
    for (int round = 0; round < 400; round++) {
        char *bytes;
        size_t len = (size_t)(round * 37 % 1500);
        struct hf_frame *frame = hf_frame_new(len, &bytes);
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (char)((pushed + i) % 251);
        }
        pushed += len;
        assert_true(hf_output_push(&output, frame));
        hf_frame_unref(frame);
        uint64_t written = 0;
        uint64_t calls = 0;
        was_blocked |=
            hf_output_write(&output, fds[0], NULL, &written, &calls) == HF_OUTPUT_BLOCKED;
        char data[700];
        ssize_t got = read(fds[1], data, sizeof(data));
        for (ssize_t i = 0; i < got; i++) {
            assert_int_equal((unsigned char)data[i], (received + (size_t)i) % 251);
        }
        received += got > 0 ? (size_t)got : 0;
    }
    assert_true(was_blocked);
    while (received < pushed) {
        uint64_t written = 0;
        uint64_t calls = 0;
        hf_output_write(&output, fds[0], NULL, &written, &calls);
        char data[700];
        ssize_t got = read(fds[1], data, sizeof(data));
        assert_true(got > 0);
        for (ssize_t i = 0; i < got; i++) {
            assert_int_equal((unsigned char)data[i], (received + (size_t)i) % 251);
        }
        received += (size_t)got;
    }
    assert_int_equal(output.bytes, 0);
    assert_null(output.ring);
    close(fds[0]);
    close(fds[1]);
}

static void a_peer_that_has_gone_is_a_failure(void **state)
{
    (void)state;
    int fds[2];
    open_pair(fds, 0);
    close(fds[1]);
    struct hf_output output = {0};
    push_text(&output, "nobody");
    uint64_t written = 0;
    uint64_t calls = 0;
    assert_int_equal(hf_output_write(&output, fds[0], NULL, &written, &calls), HF_OUTPUT_FAILED);
    hf_output_clear(&output);
    close(fds[0]);
}

static void clearing_drops_the_references(void **state)
{
    (void)state;
    struct hf_output output = {0};
    struct hf_frame *frame = frame_of("kept");
    for (int i = 0; i < 20; i++) {
        assert_true(hf_output_push(&output, frame));
    }
    assert_int_equal(frame->references, 21);
    hf_output_clear(&output);
    assert_int_equal(frame->references, 1);
    assert_int_equal(output.bytes, 0);
    hf_frame_unref(frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_frame_needs_no_ring),
        cmocka_unit_test(sixty_four_frames_go_out_in_one_call_and_the_ring_is_freed),
        cmocka_unit_test(every_byte_arrives_once_and_in_order_through_a_tiny_socket),
        cmocka_unit_test(a_peer_that_has_gone_is_a_failure),
        cmocka_unit_test(clearing_drops_the_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
