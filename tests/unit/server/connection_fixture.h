/* A worker's loop without engine and sessions, and a client's end of connections on it: for tests
 * of connections and drivers. Everything runs on the test's thread. */
#ifndef HF_TESTS_CONNECTION_FIXTURE_H
#define HF_TESTS_CONNECTION_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/admission.h"
#include "net/worker_loop.h"

struct loop_fixture {
    struct hf_config config;
    struct hf_worker worker;
    struct hf_admission admission;
    uint32_t heartbeat_us;
};

/* A client's side of a connection, and what it has received. */
struct loop_client {
    int fd;
    char *data;
    size_t len;
    size_t size;
    bool is_ended; /* end of stream, or the connection is broken */
};

static inline void loop_on_heartbeat(struct hf_worker *worker)
{
    const struct loop_fixture *fixture =
        (struct loop_fixture *)((char *)worker - offsetof(struct loop_fixture, worker));
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    hf__loop_set_alarm(worker,
                       (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 +
                           fixture->heartbeat_us,
                       loop_on_heartbeat);
}

/* Turns come at least so often. */
static inline void loop_set_heartbeat(struct loop_fixture *fixture, uint32_t interval_us)
{
    fixture->heartbeat_us = interval_us;
    loop_on_heartbeat(&fixture->worker);
}

static inline void loop_fixture_open(struct loop_fixture *fixture,
                                     const struct hf_connection_driver *first_driver)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture->config.holdfast.http_body_max_bytes = 4096;
    fixture->config.holdfast.http_header_max_bytes = 2048;
    fixture->config.holdfast.http_timeout_ms = 5000;
    fixture->config.holdfast.http_idle_timeout_ms = 5000;
    fixture->config.holdfast.tls_handshake_timeout_ms = 5000;
    fixture->config.holdfast.io_uring = true;
    fixture->config.client.queue_max_size_bytes = 1 << 20;
    fixture->config.websocket.message_size_limit_bytes = 65536;
    fixture->config.websocket.write_timeout_ms = 1000;
    hf_admission_init(&fixture->admission, 0, 0);
    fixture->worker.config = &fixture->config;
    assert_int_equal(hf__loop_open(&fixture->worker), 0);
    fixture->worker.priv->first_driver = first_driver;
    fixture->worker.priv->admission = &fixture->admission;
    loop_set_heartbeat(fixture, 2000);
}

static inline void loop_fixture_close(struct loop_fixture *fixture)
{
    hf__loop_close(&fixture->worker);
    hf_buffer_fini(&fixture->worker.encode);
}

/* Connects a client; `send_buffer` (0: as it is) is the server's SO_SNDBUF. */
static inline void loop_connect(struct loop_fixture *fixture, struct loop_client *client,
                                int send_buffer)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    if (send_buffer > 0) {
        assert_int_equal(
            setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer)), 0);
    }
    *client = (struct loop_client){.fd = fds[0]};
    hf__loop_wake(&fixture->worker);
    assert_int_equal(hf_connection_accept(&fixture->worker, fds[1], HF_ENTRANCE_CLIENTS), 0);
}

static inline void loop_client_close(struct loop_client *client)
{
    if (client->fd >= 0) {
        close(client->fd);
    }
    free(client->data);
    *client = (struct loop_client){.fd = -1};
}

/* Takes what has arrived, at most `most` bytes. */
static inline void loop_client_take(struct loop_client *client, size_t most)
{
    char bytes[65536];
    size_t taken = 0;
    while (!client->is_ended && taken < most) {
        size_t want = most - taken < sizeof(bytes) ? most - taken : sizeof(bytes);
        ssize_t len = recv(client->fd, bytes, want, 0);
        if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return;
        }
        if (len <= 0) {
            client->is_ended = true;
            return;
        }
        if (client->len + (size_t)len + 1 > client->size) {
            client->size = (client->len + (size_t)len + 1) * 2;
            client->data = realloc(client->data, client->size);
            assert_non_null(client->data);
        }
        memcpy(client->data + client->len, bytes, (size_t)len);
        client->len += (size_t)len;
        client->data[client->len] = '\0';
        taken += (size_t)len;
    }
}

static inline void loop_client_forget(struct loop_client *client)
{
    client->len = 0;
    if (client->data != NULL) {
        client->data[0] = '\0';
    }
}

static inline void loop_client_send(struct loop_client *client, const char *data, size_t len)
{
    assert_int_equal(send(client->fd, data, len, MSG_NOSIGNAL), len);
}

static inline uint64_t loop_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline void loop_turns(struct loop_fixture *fixture, int count)
{
    while (count-- > 0) {
        hf__loop_turn(&fixture->worker);
    }
}

/* Turns the loop, receiving on `client` (may be NULL), until `condition`; fails after 10 s. */
#define LOOP_UNTIL(fixture, client, condition)                                                     \
    do {                                                                                           \
        uint64_t loop_deadline_ms = loop_now_ms() + 60000;                                         \
        for (;;) {                                                                                 \
            struct loop_client *loop_receiver = (client);                                          \
            if (loop_receiver != NULL) {                                                           \
                loop_client_take(loop_receiver, SIZE_MAX);                                         \
            }                                                                                      \
            if (condition) {                                                                       \
                break;                                                                             \
            }                                                                                      \
            if (loop_now_ms() > loop_deadline_ms) {                                                \
                fail_msg("not reached: %s", #condition);                                           \
            }                                                                                      \
            hf__loop_turn(&(fixture)->worker);                                                     \
        }                                                                                          \
    } while (0)

static inline bool loop_client_has(const struct loop_client *client, const char *text)
{
    return client->len > 0 && memmem(client->data, client->len, text, strlen(text)) != NULL;
}

#endif
