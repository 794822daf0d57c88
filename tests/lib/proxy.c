#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINKS_MAX 64
#define LOOK_MS   2

struct link {
    int client, server; /* -1: free */
    enum hf_proxy_kind kind;
};

struct hf_proxy {
    pthread_t thread;
    pthread_mutex_t lock; /* of everything below, and held while bytes are passed on */
    int listener;
    char address[32];
    struct link links[LINKS_MAX];
    uint16_t server_port;
    unsigned loses; /* kinds whose replies are lost */
    bool holds, refuses, stops;
    uint64_t attempts, lost_bytes;
};

static void die(const char *what)
{
    fprintf(stderr, "proxy fixture: %s: %s\n", what, strerror(errno));
    abort();
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void close_link(struct link *link)
{
    close(link->client);
    close(link->server);
    link->client = link->server = -1;
}

static void accept_link(struct hf_proxy *proxy)
{
    struct sockaddr_in address = loopback(proxy->server_port);
    int yes = 1, client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) {
        return;
    }
    proxy->attempts++;
    struct link *link = proxy->links;
    while (link < proxy->links + LINKS_MAX && link->client >= 0) {
        link++;
    }
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (proxy->refuses || link == proxy->links + LINKS_MAX || server < 0 ||
        connect(server, (struct sockaddr *)&address, sizeof address) != 0) {
        close(client);
        close(server);
        return;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    *link = (struct link){client, server, HF_PROXY_COMMANDS};
}

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t written = send(fd, data, len, MSG_NOSIGNAL);
        if (written <= 0) {
            return false;
        }
        data += written;
        len -= (size_t)written;
    }
    return true;
}

static bool pass_on(struct hf_proxy *proxy, struct link *link, bool is_reply)
{
    static char data[1 << 16]; /* the thread's */
    int from = is_reply ? link->server : link->client;
    ssize_t len = recv(from, data, sizeof data, MSG_DONTWAIT);
    if (len <= 0) {
        return len < 0 && (errno == EAGAIN || errno == EINTR);
    }
    if (!is_reply && memmem(data, (size_t)len, "\r\nSUBSCRIBE\r\n", 13) != NULL) {
        link->kind = HF_PROXY_PUBSUB;
    }
    if (is_reply && (proxy->loses & link->kind) != 0) {
        proxy->lost_bytes += (uint64_t)len;
        return true;
    }
    return write_all(is_reply ? link->client : link->server, data, (size_t)len);
}

static void look(struct hf_proxy *proxy, struct pollfd *polled)
{
    if (polled[0].revents != 0) {
        accept_link(proxy);
    }
    for (int i = 0; i < LINKS_MAX && !proxy->holds; i++) {
        struct link *link = &proxy->links[i];
        const struct pollfd *pair = &polled[1 + 2 * i];
        /* Those polled may have been closed, or replaced, since. */
        bool is_fine = true;
        if (link->client >= 0 && pair[0].fd == link->client && pair[0].revents != 0) {
            is_fine = pass_on(proxy, link, false);
        }
        if (is_fine && link->client >= 0 && pair[1].fd == link->server && pair[1].revents != 0) {
            is_fine = pass_on(proxy, link, true);
        }
        if (!is_fine) {
            close_link(link);
        }
    }
}

static void *run(void *context)
{
    struct hf_proxy *proxy = context;
    struct pollfd polled[1 + 2 * LINKS_MAX];
    bool stops = false;
    while (!stops) {
        pthread_mutex_lock(&proxy->lock);
        stops = proxy->stops;
        polled[0] = (struct pollfd){.fd = proxy->listener, .events = POLLIN};
        for (int i = 0; i < LINKS_MAX; i++) {
            const struct link *link = &proxy->links[i];
            short events = proxy->holds ? 0 : POLLIN;
            polled[1 + 2 * i] = (struct pollfd){.fd = link->client, .events = events};
            polled[2 + 2 * i] = (struct pollfd){.fd = link->server, .events = events};
        }
        pthread_mutex_unlock(&proxy->lock);
        if (poll(polled, 1 + 2 * LINKS_MAX, LOOK_MS) > 0) {
            pthread_mutex_lock(&proxy->lock);
            look(proxy, polled);
            pthread_mutex_unlock(&proxy->lock);
        }
    }
    return NULL;
}

struct hf_proxy *hf_proxy_start(uint16_t server_port)
{
    struct hf_proxy *proxy = calloc(1, sizeof *proxy);
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    if (proxy == NULL) {
        die("calloc");
    }
    for (int i = 0; i < LINKS_MAX; i++) {
        proxy->links[i] = (struct link){-1, -1, HF_PROXY_COMMANDS};
    }
    proxy->server_port = server_port;
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (proxy->listener < 0 ||
        bind(proxy->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(proxy->listener, (struct sockaddr *)&address, &len) != 0 ||
        listen(proxy->listener, 64) != 0) {
        die("listen");
    }
    snprintf(proxy->address, sizeof proxy->address, "127.0.0.1:%u", ntohs(address.sin_port));
    pthread_mutex_init(&proxy->lock, NULL);
    if (pthread_create(&proxy->thread, NULL, run, proxy) != 0) {
        die("thread");
    }
    return proxy;
}

void hf_proxy_free(struct hf_proxy *proxy)
{
    if (proxy == NULL) {
        return;
    }
    pthread_mutex_lock(&proxy->lock);
    proxy->stops = true;
    pthread_mutex_unlock(&proxy->lock);
    pthread_join(proxy->thread, NULL);
    for (int i = 0; i < LINKS_MAX; i++) {
        if (proxy->links[i].client >= 0) {
            close_link(&proxy->links[i]);
        }
    }
    close(proxy->listener);
    pthread_mutex_destroy(&proxy->lock);
    free(proxy);
}

const char *hf_proxy_address(const struct hf_proxy *proxy)
{
    return proxy->address;
}

void hf_proxy_lead_to(struct hf_proxy *proxy, uint16_t server_port)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->server_port = server_port;
    pthread_mutex_unlock(&proxy->lock);
}

void hf_proxy_lose_replies(struct hf_proxy *proxy, enum hf_proxy_kind kind, bool lose)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->loses = lose ? proxy->loses | kind : proxy->loses & ~(unsigned)kind;
    pthread_mutex_unlock(&proxy->lock);
}

uint64_t hf_proxy_lost_bytes(const struct hf_proxy *proxy)
{
    struct hf_proxy *mine = (struct hf_proxy *)proxy;
    pthread_mutex_lock(&mine->lock);
    uint64_t bytes = mine->lost_bytes;
    pthread_mutex_unlock(&mine->lock);
    return bytes;
}

void hf_proxy_hold(struct hf_proxy *proxy, bool hold)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->holds = hold;
    pthread_mutex_unlock(&proxy->lock);
}

void hf_proxy_refuse(struct hf_proxy *proxy, bool refuse)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->refuses = refuse;
    pthread_mutex_unlock(&proxy->lock);
}

void hf_proxy_cut(struct hf_proxy *proxy, enum hf_proxy_kind kind)
{
    pthread_mutex_lock(&proxy->lock);
    for (int i = 0; i < LINKS_MAX; i++) {
        if (proxy->links[i].client >= 0 && (proxy->links[i].kind & kind) != 0) {
            close_link(&proxy->links[i]);
        }
    }
    pthread_mutex_unlock(&proxy->lock);
}

uint64_t hf_proxy_attempts(const struct hf_proxy *proxy)
{
    struct hf_proxy *mine = (struct hf_proxy *)proxy;
    pthread_mutex_lock(&mine->lock);
    uint64_t attempts = mine->attempts;
    pthread_mutex_unlock(&mine->lock);
    return attempts;
}
