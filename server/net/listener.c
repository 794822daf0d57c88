#include "net/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "net/poller.h"
#include "net/worker_loop.h"

enum {
    BACKLOG = 4096,        /* the kernel cuts it to net.core.somaxconn */
    ACCEPTS_PER_TURN = 64, /* then connections that are there already get their turn */
    PAUSE_MS = 100,
    LOG_INTERVAL_MS = 5000,
};

struct hf_listener {
    struct hf_poll_source source; /* the listening socket */
    struct hf_worker *worker;
    enum hf_entrance entrance;
    struct hf_wheel_entry pause; /* set while descriptors or memory have run out */
    struct hf_log_limit log_limit;
};

/* --- binding ---------------------------------------------------------------------------------- */

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage storage;
};

static int open_socket(const union socket_address *address, socklen_t len, bool shares_port)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int on = 1;
    int off = 0;
    /* Accepted sockets inherit it. Only a speed-up. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (shares_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) ||
        (address->any.sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0) ||
        bind(fd, &address->any, len) != 0 || listen(fd, BACKLOG) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static void set_port(union socket_address *address, uint16_t port)
{
    if (address->any.sa_family == AF_INET6) {
        address->v6.sin6_port = htons(port);
    } else {
        address->v4.sin_port = htons(port);
    }
}

static uint16_t port_of(int fd)
{
    union socket_address address = {.any.sa_family = AF_UNSPEC};
    socklen_t len = sizeof(address);
    if (getsockname(fd, &address.any, &len) != 0) {
        return 0;
    }
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

static int bind_all(union socket_address address, socklen_t len, uint16_t *port, int *fds,
                    unsigned count)
{
    set_port(&address, *port);
    /* SO_REUSEPORT would let a second process of the same user take half of the connections: a
     * socket without it tells whether the port is free. */
    int probe = open_socket(&address, len, false);
    if (probe < 0) {
        return -1;
    }
    close(probe);
    for (unsigned i = 0; i < count; i++) {
        fds[i] = open_socket(&address, len, true);
        if (fds[i] < 0) {
            int error = errno;
            while (i-- > 0) {
                close(fds[i]);
            }
            errno = error;
            return -1;
        }
        if (i == 0) {
            *port = port_of(fds[0]);
            set_port(&address, *port);
        }
    }
    return 0;
}

static int bind_everywhere(uint16_t *port, int *fds, unsigned count)
{
    union socket_address address = {.v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any}};
    int result = bind_all(address, sizeof(address.v6), port, fds, count);
    if (result != 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        address = (union socket_address){
            .v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)}};
        result = bind_all(address, sizeof(address.v4), port, fds, count);
    }
    return result;
}

int hf_listener_bind(const char *name, uint16_t *port, int *fds, unsigned count, char *reason,
                     size_t reason_size)
{
    if (name[0] == '\0') {
        if (bind_everywhere(port, fds, count) != 0) {
            snprintf(reason, reason_size, "port %u: %s", (unsigned)*port, strerror(errno));
            return -1;
        }
        return 0;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(name, NULL, &hints, &found);
    if (failure != 0) {
        snprintf(reason, reason_size, "address %s: %s", name, gai_strerror(failure));
        return -1;
    }
    union socket_address address = {.any.sa_family = AF_UNSPEC};
    memcpy(&address, found->ai_addr, found->ai_addrlen);
    socklen_t len = found->ai_addrlen;
    freeaddrinfo(found);
    if (bind_all(address, len, port, fds, count) != 0) {
        snprintf(reason, reason_size, "address %s port %u: %s", name, (unsigned)*port,
                 strerror(errno));
        return -1;
    }
    return 0;
}

/* --- accepting -------------------------------------------------------------------------------- */

/* Errors of one pending connection, which accept reports instead of it. */
static bool is_of_one_peer(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EPERM: /* a firewall's word */
        return true;
    default:
        return false;
    }
}

/* Out of descriptors or memory: without a pause the listening socket would stay readable and the
 * loop would spin. */
static void pause_accepting(struct hf_listener *listener, int error)
{
    uint32_t suppressed = 0;
    if (hf_log_limit_pass(&listener->log_limit, LOG_INTERVAL_MS, &suppressed)) {
        hf_log(HF_LOG_ERROR, "connections cannot be accepted", "worker=%u error=%s suppressed=%u",
               listener->worker->index, strerror(error), suppressed);
    }
    (void)hf_poller_set(listener->worker->priv->poller, &listener->source, HF_POLL_NONE);
    hf_wheel_set(listener->worker->wheel, &listener->pause, listener->worker->now_ms + PAUSE_MS);
}

static void on_pause_over(struct hf_wheel_entry *entry, uint64_t now_ms)
{
    struct hf_listener *listener =
        (struct hf_listener *)((char *)entry - offsetof(struct hf_listener, pause));
    if (hf_poller_set(listener->worker->priv->poller, &listener->source, HF_POLL_LEVEL) != 0) {
        hf_wheel_set(listener->worker->wheel, &listener->pause, now_ms + PAUSE_MS);
    }
}

static void on_connection(struct hf_poll_source *source, unsigned what)
{
    (void)what;
    struct hf_listener *listener =
        (struct hf_listener *)((char *)source - offsetof(struct hf_listener, source));
    hf__loop_wake(listener->worker);
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int peer = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (peer < 0) {
            if (is_of_one_peer(errno)) {
                continue;
            }
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                pause_accepting(listener, errno);
            }
            return;
        }
        if (hf_connection_accept(listener->worker, peer, listener->entrance) != 0) {
            pause_accepting(listener, ENOMEM);
            return;
        }
    }
}

struct hf_listener *hf_listener_open(struct hf_worker *worker, int fd, enum hf_entrance entrance)
{
    struct hf_listener *listener = calloc(1, sizeof(*listener));
    if (listener == NULL) {
        close(fd);
        return NULL;
    }
    listener->worker = worker;
    listener->source.fd = fd;
    listener->source.on_ready = on_connection;
    listener->entrance = entrance;
    listener->pause.callback = on_pause_over;
    if (hf_poller_set(worker->priv->poller, &listener->source, HF_POLL_LEVEL) != 0) {
        hf_listener_close(listener);
        return NULL;
    }
    return listener;
}

void hf_listener_close(struct hf_listener *listener)
{
    if (listener == NULL) {
        return;
    }
    hf_wheel_cancel(listener->worker->wheel, &listener->pause);
    close(listener->source.fd);
    free(listener);
}
