#include "publisher.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fleet_internal.h"
#include "payload.h"
#include "socket.h"

#define EVENTS_MAX      256
#define INPUT_SIZE      ((size_t)64 * 1024)
#define SOURCE_NUMBER   (16384u * 200) /* connects from an address of its own */
#define CONNECT_WAIT_MS 10000
#define WINDOW_WAIT_NS  200000
#define FIRST_ID        16 /* of publish commands: the slot counts from here */

struct connection {
    struct hf_publisher *publisher;
    int fd;
    bool is_ready;
    uint32_t index;
    uint32_t next_channel;
    struct hf_buffer out;
    size_t out_at; /* bytes of `out` that are sent */
    char *input;   /* INPUT_SIZE */
    size_t input_len;
    uint64_t *due_ns; /* per slot */
    uint32_t *free_slots;
    uint32_t free_count;
    uint64_t quota; /* publications that are left to it in this run */
};

struct hf_publisher {
    struct hf_publisher_config config;
    struct connection *connections;
    uint32_t *sequences; /* per channel, or per publisher of the only one */
    char *payload;
    struct hf_buffer body;
    int epoll_fd;
    pthread_t thread;
    bool is_running; /* the thread is to be joined */
    double seconds;
    uint64_t most; /* publications of this run */
    uint64_t sent; /* of this run */
    uint64_t total_sent;
    uint64_t started_ns;
    uint32_t turn; /* the connection that comes next */
    struct hf_histogram latency;
    _Atomic uint64_t acknowledged;
    _Atomic bool is_done, has_failed, is_failure_told;
    char failure[512];
};

static void fail(struct hf_publisher *publisher, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void fail(struct hf_publisher *publisher, const char *format, ...)
{
    va_list arguments;
    if (atomic_exchange(&publisher->has_failed, true)) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(publisher->failure, sizeof publisher->failure, format, arguments);
    va_end(arguments);
    atomic_store(&publisher->is_failure_told, true);
}

const char *hf_publisher_failure(const struct hf_publisher *publisher)
{
    return atomic_load(&publisher->is_failure_told) ? publisher->failure : NULL;
}

uint32_t hf_publisher_count(uint32_t channels, uint32_t connections)
{
    return channels > 1 ? 1 : connections;
}

/* --- sending -----------------------------------------------------------------------------------
 */

static void flush(struct connection *connection)
{
    struct hf_buffer *out = &connection->out;
    while (connection->out_at < out->len) {
        ssize_t sent = send(connection->fd, out->data + connection->out_at,
                            out->len - connection->out_at, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN) {
                fail(connection->publisher, "cannot send: %s", strerror(errno));
            }
            return;
        }
        connection->out_at += (size_t)sent;
    }
    hf_buffer_reset(out);
    connection->out_at = 0;
}

static void append_post(const struct hf_publisher *publisher, struct hf_buffer *out,
                        const char *channel, struct hf_slice body)
{
    char head[768];
    const char *hole = strstr(publisher->config.path, "%s");
    const char *end = publisher->config.path + strlen(publisher->config.path);
    int len = snprintf(head, sizeof head,
                       "POST %.*s%s%s HTTP/1.1\r\nHost: bench\r\nX-API-Key: %s\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                       (int)((hole != NULL ? hole : end) - publisher->config.path),
                       publisher->config.path, hole != NULL ? channel : "",
                       hole != NULL ? hole + 2 : "", publisher->config.key, body.len);
    hf_buffer_append(out, head, (size_t)len);
    hf_buffer_append_slice(out, body);
}

static void append_publication(struct connection *connection, uint32_t slot, uint32_t number,
                               struct hf_slice payload)
{
    struct hf_publisher *publisher = connection->publisher;
    const struct hf_publisher_config *config = &publisher->config;
    struct hf_buffer *body = &publisher->body;
    char name[HF_CHANNEL_MAX];
    struct hf_slice channel = hf_channel_name(config->channel, number, name);
    hf_buffer_reset(body);
    if (config->way == HF_PUBLISH_RAW) {
        append_post(publisher, &connection->out, name, payload);
    } else if (config->way == HF_PUBLISH_API) {
        HF_BUFFER_APPEND_LITERAL(body, "{\"channel\":\"");
        hf_buffer_append_slice(body, channel);
        HF_BUFFER_APPEND_LITERAL(body, "\",\"data\":");
        hf_buffer_append_slice(body, payload);
        HF_BUFFER_APPEND_LITERAL(body, "}");
        append_post(publisher, &connection->out, name, hf_buffer_slice(body));
    } else {
        config->wire->publish(body, FIRST_ID + slot, channel, payload);
        hf_socket_append_frame(&connection->out, config->wire->is_binary, hf_buffer_slice(body));
    }
    if (hf_buffer_failed(body) || hf_buffer_failed(&connection->out)) {
        fail(publisher, "no memory");
    }
}

static void publish(struct connection *connection, uint64_t due_ns)
{
    struct hf_publisher *publisher = connection->publisher;
    const struct hf_publisher_config *config = &publisher->config;
    struct hf_payload payload = {.time_ns = due_ns};
    uint32_t slot = connection->free_slots[--connection->free_count];
    if (config->channels > 1) {
        payload.channel = connection->next_channel;
        payload.sequence = ++publisher->sequences[payload.channel];
        connection->next_channel += config->connections;
        if (connection->next_channel >= config->channels) {
            connection->next_channel = connection->index;
        }
    } else {
        payload.publisher = connection->index;
        payload.sequence = ++publisher->sequences[payload.publisher];
    }
    connection->quota--;
    connection->due_ns[slot] = due_ns;
    hf_payload_write(&payload, publisher->payload, config->payload_size);
    append_publication(connection, slot, payload.channel,
                       hf_slice(publisher->payload, config->payload_size));
    publisher->sent++;
    publisher->total_sent++;
}

/* --- acknowledgements --------------------------------------------------------------------------
 */

static void acknowledge(struct connection *connection, uint32_t slot)
{
    struct hf_publisher *publisher = connection->publisher;
    if (slot >= publisher->config.in_flight ||
        connection->free_count >= publisher->config.in_flight) {
        fail(publisher, "an acknowledgement of nothing");
        return;
    }
    uint64_t now_ns = hf_now_ns();
    connection->free_slots[connection->free_count++] = slot;
    hf_histogram_add(&publisher->latency, now_ns - connection->due_ns[slot]);
    hf_add(&publisher->acknowledged, 1);
}

/* One HTTP answer at the start of the input. Returns its length, 0: incomplete. */
static size_t take_answer(struct connection *connection)
{
    char *input = connection->input;
    input[connection->input_len] = '\0';
    char *body = strstr(input, "\r\n\r\n");
    const char *length = strcasestr(input, "\r\nContent-Length:");
    if (body == NULL) {
        return 0;
    }
    body += 4;
    size_t head_len = (size_t)(body - input);
    size_t len = length != NULL && length < body ? strtoul(length + 17, NULL, 10) : 0;
    if (connection->input_len < head_len + len) {
        return 0;
    }
    if (memcmp(input, "HTTP/1.1 20", 11) != 0 || memmem(body, len, "\"error\"", 7) != NULL) {
        fail(connection->publisher, "a publication was answered: %.300s", input);
        return 0;
    }
    acknowledge(connection, 0);
    return head_len + len;
}

static void on_wire_event(void *context, const struct hf_wire_event *event)
{
    struct connection *connection = context;
    struct hf_publisher *publisher = connection->publisher;
    if (event->kind == HF_WIRE_PUBLISHED) {
        acknowledge(connection, event->id - FIRST_ID);
    } else if (event->kind == HF_WIRE_CONNECTED) {
        connection->is_ready = true;
    } else if (event->kind == HF_WIRE_PING) {
        hf_buffer_reset(&publisher->body);
        publisher->config.wire->pong(&publisher->body);
        hf_socket_append_frame(&connection->out, publisher->config.wire->is_binary,
                               hf_buffer_slice(&publisher->body));
    } else {
        fail(publisher, "an unexpected message");
    }
}

static size_t take_frame(struct connection *connection)
{
    const struct hf_wire *wire = connection->publisher->config.wire;
    const struct hf_wire_sink sink = {connection, on_wire_event};
    struct hf_socket_frame frame;
    struct hf_slice message;
    enum hf_socket_result result =
        hf_socket_parse(hf_slice(connection->input, connection->input_len), &frame);
    if (result == HF_SOCKET_NEED_MORE) {
        return 0;
    }
    if (result != HF_SOCKET_MESSAGE) {
        fail(connection->publisher, "a publisher was closed, or got an unexpected frame");
        return 0;
    }
    while (frame.payload.len > 0) {
        const char *wrong =
            wire->split(&frame.payload, &message) ? wire->read(message, &sink) : "cut short";
        if (wrong != NULL) {
            fail(connection->publisher, "%s: %.*s", wrong, (int)message.len, message.data);
            return 0;
        }
    }
    return frame.total;
}

static void on_readable(struct connection *connection)
{
    struct hf_publisher *publisher = connection->publisher;
    size_t used;
    ssize_t len = recv(connection->fd, connection->input + connection->input_len,
                       INPUT_SIZE - 1 - connection->input_len, MSG_DONTWAIT);
    if (len <= 0) {
        if (len == 0 || errno != EAGAIN) {
            fail(publisher, "a publisher's connection ended: %s",
                 len == 0 ? "closed by the server" : strerror(errno));
        }
        return;
    }
    connection->input_len += (size_t)len;
    do {
        used = publisher->config.way == HF_PUBLISH_CLIENT ? take_frame(connection)
                                                          : take_answer(connection);
        connection->input_len -= used;
        memmove(connection->input, connection->input + used, connection->input_len);
    } while (used > 0 && connection->input_len > 0);
}

/* --- the thread --------------------------------------------------------------------------------
 */

/* Publications that may go out now; *wait_ns is how long there is nothing to do if none may. */
static uint64_t allowed(const struct hf_publisher *publisher, uint64_t now_ns, int64_t *wait_ns)
{
    const struct hf_publisher_config *config = &publisher->config;
    double elapsed = (double)(now_ns - publisher->started_ns) / 1e9;
    uint64_t most = publisher->most > 0 ? publisher->most - publisher->sent : UINT64_MAX;
    *wait_ns = 100000000;
    if (elapsed >= publisher->seconds) {
        return 0;
    }
    if (config->rate > 0) {
        double due = elapsed * config->rate + 1 - (double)publisher->sent;
        if (due < 1) {
            *wait_ns = (int64_t)((1 - due) / config->rate * 1e9) + 1;
            return 0;
        }
        most = due < (double)most ? (uint64_t)due : most;
    }
    if (config->window > 0) {
        double delivered = (double)hf_fleet_publications(config->fleet);
        double away = (double)publisher->total_sent - delivered / config->subscribers_per_channel;
        double room = (double)config->window - away;
        if (room < 1) {
            *wait_ns = WINDOW_WAIT_NS;
            return 0;
        }
        most = room < (double)most ? (uint64_t)room : most;
    }
    return most;
}

static uint64_t due_time(const struct hf_publisher *publisher, uint64_t now_ns)
{
    double rate = publisher->config.rate;
    return rate > 0 ? publisher->started_ns + (uint64_t)((double)publisher->sent / rate * 1e9)
                    : now_ns;
}

/* Returns how long to wait then. */
static int64_t publish_more(struct hf_publisher *publisher)
{
    uint32_t count = publisher->config.connections, idle = 0;
    uint64_t now_ns = hf_now_ns();
    int64_t wait_ns;
    uint64_t most = allowed(publisher, now_ns, &wait_ns);
    while (most > 0 && idle < count) {
        struct connection *connection = &publisher->connections[publisher->turn];
        publisher->turn = (publisher->turn + 1) % count;
        if (connection->free_count == 0 || connection->out_at > 0 || connection->quota == 0) {
            idle++;
            continue;
        }
        publish(connection, due_time(publisher, now_ns));
        idle = 0;
        most--;
    }
    for (uint32_t i = 0; i < count; i++) {
        flush(&publisher->connections[i]);
    }
    return wait_ns;
}

static bool is_over(const struct hf_publisher *publisher)
{
    return (publisher->most > 0 && publisher->sent >= publisher->most) ||
           (double)(hf_now_ns() - publisher->started_ns) / 1e9 >= publisher->seconds;
}

static void wait_for_events(struct hf_publisher *publisher, int64_t wait_ns)
{
    struct epoll_event events[EVENTS_MAX];
    const struct timespec wait = {wait_ns / 1000000000, wait_ns % 1000000000};
    int count = epoll_pwait2(publisher->epoll_fd, events, EVENTS_MAX, &wait, NULL);
    for (int i = 0; i < count; i++) {
        on_readable(events[i].data.ptr);
    }
}

static void *run(void *argument)
{
    struct hf_publisher *publisher = argument;
    while (!atomic_load(&publisher->has_failed) &&
           !(is_over(publisher) && atomic_load(&publisher->acknowledged) == publisher->sent)) {
        wait_for_events(publisher, publish_more(publisher));
    }
    atomic_store(&publisher->is_done, true);
    return NULL;
}

static void join(struct hf_publisher *publisher)
{
    if (publisher->is_running) {
        pthread_join(publisher->thread, NULL);
        publisher->is_running = false;
    }
}

/* With several channels each connection publishes as much as makes its channels' share. */
static uint64_t quota_of(const struct hf_publisher *publisher, uint32_t index)
{
    const struct hf_publisher_config *config = &publisher->config;
    if (publisher->most == 0 || config->channels == 1) {
        return UINT64_MAX;
    }
    uint64_t own = (config->channels - index + config->connections - 1) / config->connections;
    return own * (publisher->most / config->channels);
}

void hf_publisher_start(struct hf_publisher *publisher, double seconds, uint64_t publications)
{
    join(publisher);
    publisher->seconds = seconds;
    publisher->most = publications;
    publisher->sent = 0;
    /* The fleet was reset: what was sent before is delivered and counts no more. */
    publisher->total_sent = 0;
    memset(&publisher->latency, 0, sizeof publisher->latency);
    atomic_store(&publisher->acknowledged, 0);
    atomic_store(&publisher->is_done, false);
    for (uint32_t i = 0; i < publisher->config.connections; i++) {
        publisher->connections[i].quota = quota_of(publisher, i);
    }
    publisher->started_ns = hf_now_ns();
    publisher->is_running = true;
    errno = pthread_create(&publisher->thread, NULL, run, publisher);
    if (errno != 0) {
        fail(publisher, "thread: %s", strerror(errno));
        publisher->is_running = false;
    }
}

bool hf_publisher_is_done(const struct hf_publisher *publisher)
{
    return atomic_load(&publisher->is_done);
}

uint64_t hf_publisher_acknowledged(const struct hf_publisher *publisher)
{
    return atomic_load(&publisher->acknowledged);
}

const struct hf_histogram *hf_publisher_latency(const struct hf_publisher *publisher)
{
    return &publisher->latency;
}

/* --- making ------------------------------------------------------------------------------------
 */

static void die(const char *what)
{
    fprintf(stderr, "holdfast-bench: publisher: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void *must(void *memory)
{
    if (memory == NULL) {
        die("memory");
    }
    return memory;
}

static void wait_for(int fd, short events)
{
    struct pollfd wanted = {.fd = fd, .events = events};
    if (poll(&wanted, 1, CONNECT_WAIT_MS) != 1) {
        errno = ETIMEDOUT;
        die("connect");
    }
}

/* The upgrade, and the protocol's connect. */
static void join_as_client(struct connection *connection)
{
    const struct hf_publisher_config *config = &connection->publisher->config;
    struct hf_buffer *body = &connection->publisher->body;
    if (!hf_socket_send_upgrade(connection->fd, config->path, config->wire->subprotocol)) {
        die("upgrade");
    }
    ptrdiff_t len = 0;
    while (len == 0) {
        wait_for(connection->fd, POLLIN);
        ssize_t got = recv(connection->fd, connection->input + connection->input_len,
                           INPUT_SIZE - connection->input_len, 0);
        if (got <= 0) {
            die("upgrade");
        }
        connection->input_len += (size_t)got;
        len = hf_socket_parse_upgrade(hf_slice(connection->input, connection->input_len));
    }
    errno = EPROTO;
    if (len < 0 || (size_t)len != connection->input_len) {
        die("the upgrade was refused");
    }
    connection->input_len = 0;
    hf_buffer_reset(body);
    config->wire->connect(body, 1);
    hf_socket_append_frame(&connection->out, config->wire->is_binary, hf_buffer_slice(body));
    flush(connection);
    while (!connection->is_ready && !atomic_load(&connection->publisher->has_failed)) {
        wait_for(connection->fd, POLLIN);
        on_readable(connection);
    }
}

static void open_connection(struct hf_publisher *publisher, uint32_t index)
{
    const struct hf_publisher_config *config = &publisher->config;
    struct connection *connection = &publisher->connections[index];
    *connection = (struct connection){
        .publisher = publisher,
        .index = index,
        .next_channel = index,
        .input = must(malloc(INPUT_SIZE)),
        .due_ns = must(calloc(config->in_flight, sizeof *connection->due_ns)),
        .free_slots = must(calloc(config->in_flight, sizeof *connection->free_slots)),
        .free_count = config->in_flight,
        .fd = hf_socket_connect(&config->address, SOURCE_NUMBER + index),
    };
    if (connection->fd < 0) {
        die("connect");
    }
    for (uint32_t i = 0; i < config->in_flight; i++) {
        connection->free_slots[i] = i;
    }
    wait_for(connection->fd, POLLOUT);
    errno = hf_socket_error(connection->fd);
    if (errno != 0) {
        die("connect");
    }
    if (config->way == HF_PUBLISH_CLIENT) {
        join_as_client(connection);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(publisher->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0) {
        die("epoll");
    }
}

struct hf_publisher *hf_publisher_new(const struct hf_publisher_config *config)
{
    struct hf_publisher *publisher = must(calloc(1, sizeof *publisher));
    uint32_t sequences =
        config->channels > config->connections ? config->channels : config->connections;
    publisher->config = *config;
    publisher->sequences = must(calloc(sequences, sizeof *publisher->sequences));
    publisher->payload = must(malloc(config->payload_size));
    publisher->connections = must(calloc(config->connections, sizeof *publisher->connections));
    publisher->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (publisher->epoll_fd < 0) {
        die("epoll");
    }
    for (uint32_t i = 0; i < config->connections; i++) {
        open_connection(publisher, i);
    }
    return publisher;
}

static void close_connection(struct connection *connection)
{
    close(connection->fd);
    hf_buffer_fini(&connection->out);
    free(connection->input);
    free(connection->due_ns);
    free(connection->free_slots);
}

void hf_publisher_free(struct hf_publisher *publisher)
{
    if (publisher == NULL) {
        return;
    }
    join(publisher);
    for (uint32_t i = 0; i < publisher->config.connections; i++) {
        close_connection(&publisher->connections[i]);
    }
    close(publisher->epoll_fd);
    hf_buffer_fini(&publisher->body);
    free(publisher->connections);
    free(publisher->payload);
    free(publisher->sequences);
    free(publisher);
}
