#include "swarm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "websocket.h"

#define SCRATCH_SIZE ((size_t)256 * 1024)
#define COMMAND_MAX  512
#define CHANNEL_MAX  64
#define EPOCH_MAX    32

enum client_state {
    CLIENT_IDLE,
    CLIENT_CONNECTING, /* TCP */
    CLIENT_UPGRADING,  /* HTTP */
    CLIENT_ASKING,     /* connect and subscribe are sent */
    CLIENT_SUBSCRIBED,
};

struct client {
    int fd;
    enum client_state state;
    char *rest; /* an incomplete frame or head; NULL: none */
    size_t rest_len;
    double started_ms, took_ms;
    bool is_there; /* at the offset that is waited for */
    bool has_position;
    char epoch[EPOCH_MAX];
    uint64_t offset;
};

struct hf_swarm {
    struct hf_swarm_config config;
    int epoll_fd;
    struct client *clients;
    char *scratch;
    struct sockaddr_in address;
    uint64_t wanted; /* the offset that is waited for */
    uint32_t opening, there, recovered;
    uint64_t publications;
    char failure[256];
};

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static void fail(struct hf_swarm *swarm, const struct client *client, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fail(struct hf_swarm *swarm, const struct client *client, const char *format, ...)
{
    if (swarm->failure[0] != '\0') {
        return;
    }
    int len =
        snprintf(swarm->failure, sizeof swarm->failure, "client %td: ", client - swarm->clients);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(swarm->failure + len, sizeof swarm->failure - (size_t)len, format, arguments);
    va_end(arguments);
}

/* --- sending -----------------------------------------------------------------------------------
 */

static void send_all(struct hf_swarm *swarm, struct client *client, const char *data, size_t len)
{
    /* Little is ever sent, so the socket's buffer always has room. */
    if (send(client->fd, data, len, MSG_NOSIGNAL) != (ssize_t)len) {
        fail(swarm, client, "send: %s", strerror(errno));
    }
}

/* A masked text frame; the mask is 0, which leaves the text as it is. */
static void send_text(struct hf_swarm *swarm, struct client *client, const char *text, size_t len)
{
    char frame[COMMAND_MAX + HF_WEBSOCKET_CLIENT_HEADER_MAX];
    size_t head = hf_websocket_header(HF_WEBSOCKET_TEXT, len, frame);
    frame[1] = (char)(frame[1] | 0x80);
    memset(frame + head, 0, 4);
    memcpy(frame + head + 4, text, len);
    send_all(swarm, client, frame, head + 4 + len);
}

static void send_upgrade(struct hf_swarm *swarm, struct client *client)
{
    static const char request[] = "GET /connection/websocket HTTP/1.1\r\nHost: bench\r\n"
                                  "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                                  "Sec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    client->state = CLIENT_UPGRADING;
    send_all(swarm, client, request, sizeof request - 1);
}

static void send_commands(struct hf_swarm *swarm, struct client *client)
{
    char text[COMMAND_MAX], channel[CHANNEL_MAX], position[128] = "";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* what the format is for */
    snprintf(channel, sizeof channel, swarm->config.channel, (unsigned)(client - swarm->clients));
#pragma GCC diagnostic pop
    if (client->has_position) {
        snprintf(position, sizeof position,
                 ",\"recover\":true,\"epoch\":\"%s\",\"offset\":%" PRIu64, client->epoch,
                 client->offset);
    }
    int len = snprintf(text, sizeof text,
                       "{\"id\":1,\"connect\":{}}\n"
                       "{\"id\":2,\"subscribe\":{\"channel\":\"%s\"%s}}",
                       channel, position);
    client->state = CLIENT_ASKING;
    send_text(swarm, client, text, (size_t)len);
}

/* --- what arrives ------------------------------------------------------------------------------
 */

static void arrive(struct hf_swarm *swarm, struct client *client)
{
    if (!client->is_there && client->state == CLIENT_SUBSCRIBED &&
        client->offset == swarm->wanted) {
        client->is_there = true;
        client->took_ms = now_ms() - client->started_ms;
        swarm->there++;
        swarm->opening--;
    }
}

static void take_publication(struct hf_swarm *swarm, struct client *client, struct hf_json *json)
{
    struct hf_json_key key;
    struct hf_slice data = {0};
    uint64_t offset = 0;
    char expected[48];
    hf_json_object_begin(json);
    while (hf_json_object_next(json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("offset"))) {
            hf_json_get_u64(json, &offset);
        } else if (hf_json_key_is(&key, HF_SLICE("data"))) {
            hf_json_raw(json, &data);
        } else {
            hf_json_skip(json);
        }
    }
    snprintf(expected, sizeof expected, "{\"n\":%" PRIu64 "}", offset);
    if (offset != client->offset + 1) {
        fail(swarm, client, "offset %" PRIu64 " after %" PRIu64, offset, client->offset);
    } else if (!hf_slice_equal(data, hf_slice_of(expected))) {
        fail(swarm, client, "%.*s at offset %" PRIu64, (int)data.len, data.data, offset);
    }
    client->offset = offset;
    swarm->publications++;
}

static void take_subscribe(struct hf_swarm *swarm, struct client *client, struct hf_json *json)
{
    struct hf_json_key key;
    struct hf_slice epoch = {0};
    uint64_t offset = 0;
    bool recovered = false, was_there = client->has_position;
    struct hf_json publications = {0};
    bool has_publications = false;
    hf_json_object_begin(json);
    while (hf_json_object_next(json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("offset"))) {
            hf_json_get_u64(json, &offset);
        } else if (hf_json_key_is(&key, HF_SLICE("epoch"))) {
            struct hf_slice raw;
            hf_json_raw(json, &raw);
            epoch = raw.len >= 2 ? hf_slice(raw.data + 1, raw.len - 2) : epoch;
        } else if (hf_json_key_is(&key, HF_SLICE("recovered"))) {
            hf_json_get_bool(json, &recovered);
        } else if (hf_json_key_is(&key, HF_SLICE("publications"))) {
            struct hf_slice raw;
            hf_json_raw(json, &raw);
            hf_json_init(&publications, raw, HF_JSON_MAX_DEPTH);
            has_publications = true;
        } else {
            hf_json_skip(json);
        }
    }
    if (epoch.len == 0 || epoch.len >= EPOCH_MAX) {
        fail(swarm, client, "the subscribe has no epoch");
        return;
    }
    if (was_there && (!recovered || !hf_slice_equal(epoch, hf_slice_of(client->epoch)))) {
        fail(swarm, client, "not recovered, offset %" PRIu64, offset);
    }
    swarm->recovered += recovered;
    memcpy(client->epoch, epoch.data, epoch.len);
    client->epoch[epoch.len] = '\0';
    client->has_position = true;
    client->state = CLIENT_SUBSCRIBED;
    if (!was_there) {
        client->offset = offset;
    }
    if (has_publications) {
        hf_json_array_begin(&publications);
        while (hf_json_array_next(&publications)) {
            take_publication(swarm, client, &publications);
        }
    }
}

static void take_push(struct hf_swarm *swarm, struct client *client, struct hf_json *json)
{
    struct hf_json_key key;
    hf_json_object_begin(json);
    while (hf_json_object_next(json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("pub"))) {
            take_publication(swarm, client, json);
        } else if (hf_json_key_is(&key, HF_SLICE("channel"))) {
            hf_json_skip(json);
        } else {
            fail(swarm, client, "an unexpected push %.*s", (int)key.raw.len, key.raw.data);
            hf_json_skip(json);
        }
    }
}

static void take_reply(struct hf_swarm *swarm, struct client *client, struct hf_slice text)
{
    struct hf_json json;
    struct hf_json_key key;
    bool is_ping = true;
    hf_json_init(&json, text, HF_JSON_MAX_DEPTH);
    hf_json_object_begin(&json);
    while (hf_json_object_next(&json, &key)) {
        is_ping = false;
        if (hf_json_key_is(&key, HF_SLICE("subscribe"))) {
            take_subscribe(swarm, client, &json);
        } else if (hf_json_key_is(&key, HF_SLICE("push"))) {
            take_push(swarm, client, &json);
        } else if (hf_json_key_is(&key, HF_SLICE("error"))) {
            fail(swarm, client, "%.*s", (int)text.len, text.data);
            hf_json_skip(&json);
        } else {
            hf_json_skip(&json);
        }
    }
    if (hf_json_end(&json) != HF_JSON_OK) {
        fail(swarm, client, "malformed: %.*s", (int)text.len, text.data);
    } else if (is_ping) {
        send_text(swarm, client, "{}", 2);
    }
    arrive(swarm, client);
}

static void take_message(struct hf_swarm *swarm, struct client *client, char *data, size_t len)
{
    char *end = data + len;
    while (data < end) {
        char *line = memchr(data, '\n', (size_t)(end - data));
        char *line_end = line != NULL ? line : end;
        take_reply(swarm, client, hf_slice(data, (size_t)(line_end - data)));
        data = line_end + 1;
    }
}

/* One server frame at the start of `data`. Returns its length, 0: incomplete. */
static size_t take_frame(struct hf_swarm *swarm, struct client *client, char *data, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)data;
    if (len < 2) {
        return 0;
    }
    size_t head = 2, payload = bytes[1] & 0x7f;
    size_t extra = payload == 126 ? 2 : payload == 127 ? 8 : 0;
    if (len < head + extra) {
        return 0;
    }
    payload = extra > 0 ? 0 : payload;
    for (size_t i = 0; i < extra; i++) {
        payload = payload << 8 | bytes[head + i];
    }
    head += extra;
    if (len - head < payload) {
        return 0;
    }
    if (bytes[0] == (0x80 | HF_WEBSOCKET_TEXT)) {
        take_message(swarm, client, data + head, payload);
    } else if (bytes[0] == (0x80 | HF_WEBSOCKET_CLOSE)) {
        fail(swarm, client, "closed with %u",
             payload >= 2 ? bytes[head] * 256u + bytes[head + 1] : 0);
    } else {
        fail(swarm, client, "an unexpected frame 0x%02x", bytes[0]);
    }
    return head + payload;
}

/* The answer to the upgrade. Returns its length, 0: incomplete. */
static size_t take_head(struct hf_swarm *swarm, struct client *client, const char *data, size_t len)
{
    const char *end = memmem(data, len, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }
    if (len < 12 || memcmp(data, "HTTP/1.1 101", 12) != 0) {
        fail(swarm, client, "the upgrade was refused: %.30s", data);
    }
    send_commands(swarm, client);
    return (size_t)(end - data) + 4;
}

static void take(struct hf_swarm *swarm, struct client *client, char *data, size_t len)
{
    size_t used, at = 0;
    do {
        used = client->state == CLIENT_UPGRADING ? take_head(swarm, client, data + at, len - at)
                                                 : take_frame(swarm, client, data + at, len - at);
        at += used;
    } while (used > 0 && at < len && swarm->failure[0] == '\0');
    free(client->rest);
    client->rest = NULL;
    client->rest_len = len - at;
    if (client->rest_len > 0) {
        client->rest = must(malloc(client->rest_len));
        memcpy(client->rest, data + at, client->rest_len);
    }
}

static void on_readable(struct hf_swarm *swarm, struct client *client)
{
    size_t kept = client->rest_len;
    if (kept >= SCRATCH_SIZE) {
        fail(swarm, client, "a frame of more than %zu bytes", kept);
        return;
    }
    if (kept > 0) {
        memcpy(swarm->scratch, client->rest, kept);
    }
    ssize_t len = recv(client->fd, swarm->scratch + kept, SCRATCH_SIZE - kept, MSG_DONTWAIT);
    if (len > 0) {
        take(swarm, client, swarm->scratch, kept + (size_t)len);
    } else if (len == 0 || (errno != EAGAIN && errno != EINTR)) {
        fail(swarm, client, "the connection ended: %s", len == 0 ? "closed" : strerror(errno));
    }
}

/* --- connections -------------------------------------------------------------------------------
 */

static void open_client(struct hf_swarm *swarm, struct client *client)
{
    const int on = 1;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0) {
        fail(swarm, client, "socket: %s", strerror(errno));
        return;
    }
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    client->state = CLIENT_CONNECTING;
    client->is_there = false;
    client->started_ms = now_ms();
    swarm->opening++;
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = client};
    if ((connect(client->fd, (struct sockaddr *)&swarm->address, sizeof swarm->address) != 0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(swarm->epoll_fd, EPOLL_CTL_ADD, client->fd, &event) != 0) {
        fail(swarm, client, "connect: %s", strerror(errno));
    }
}

static void on_connected(struct hf_swarm *swarm, struct client *client)
{
    int error = 0;
    socklen_t len = sizeof error;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0 || epoll_ctl(swarm->epoll_fd, EPOLL_CTL_MOD, client->fd, &event) != 0) {
        fail(swarm, client, "connect: %s", strerror(error != 0 ? error : errno));
        return;
    }
    send_upgrade(swarm, client);
}

static void turn(struct hf_swarm *swarm, int wait_ms)
{
    struct epoll_event events[512];
    int count = epoll_wait(swarm->epoll_fd, events, 512, wait_ms);
    for (int i = 0; i < count && swarm->failure[0] == '\0'; i++) {
        struct client *client = events[i].data.ptr;
        if (client->state == CLIENT_CONNECTING) {
            on_connected(swarm, client);
        } else {
            on_readable(swarm, client);
        }
    }
}

static int compare(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static void summarise(struct hf_swarm *swarm, double started_ms, struct hf_swarm_times *times)
{
    uint32_t count = swarm->config.clients;
    double *took = must(calloc(count, sizeof *took));
    for (uint32_t i = 0; i < count; i++) {
        took[i] = swarm->clients[i].took_ms;
    }
    qsort(took, count, sizeof *took, compare);
    *times = (struct hf_swarm_times){
        .all_ms = now_ms() - started_ms,
        .p50_ms = took[count / 2],
        .p99_ms = took[(uint64_t)count * 99 / 100],
        .max_ms = took[count - 1],
        .recovered = swarm->recovered,
        .publications = swarm->publications,
    };
    free(took);
}

bool hf_swarm_connect(struct hf_swarm *swarm, uint16_t port, uint64_t offset, uint32_t timeout_ms,
                      struct hf_swarm_times *times)
{
    double started_ms = now_ms();
    uint32_t next = 0, count = swarm->config.clients;
    swarm->address = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    swarm->wanted = offset;
    swarm->there = swarm->recovered = swarm->opening = 0;
    swarm->publications = 0;
    while (swarm->there < count && swarm->failure[0] == '\0') {
        while (next < count && swarm->opening < swarm->config.opening_max &&
               swarm->failure[0] == '\0') {
            open_client(swarm, &swarm->clients[next++]);
        }
        turn(swarm, 10);
        if (now_ms() - started_ms > timeout_ms) {
            snprintf(swarm->failure, sizeof swarm->failure,
                     "%u of %u clients are there after %u ms", swarm->there, count, timeout_ms);
        }
    }
    summarise(swarm, started_ms, times);
    return swarm->failure[0] == '\0';
}

bool hf_swarm_run(struct hf_swarm *swarm, uint32_t ms)
{
    double end_ms = now_ms() + ms;
    while (now_ms() < end_ms && swarm->failure[0] == '\0') {
        turn(swarm, 10);
    }
    return swarm->failure[0] == '\0';
}

void hf_swarm_cut(struct hf_swarm *swarm)
{
    for (uint32_t i = 0; i < swarm->config.clients; i++) {
        struct client *client = &swarm->clients[i];
        if (client->fd >= 0) {
            close(client->fd);
        }
        client->fd = -1;
        client->state = CLIENT_IDLE;
        free(client->rest);
        client->rest = NULL;
        client->rest_len = 0;
    }
}

const char *hf_swarm_failure(const struct hf_swarm *swarm)
{
    return swarm->failure;
}

struct hf_swarm *hf_swarm_new(const struct hf_swarm_config *config)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    struct hf_swarm *swarm = must(calloc(1, sizeof *swarm));
    swarm->config = *config;
    swarm->clients = must(calloc(config->clients, sizeof *swarm->clients));
    swarm->scratch = must(malloc(SCRATCH_SIZE));
    swarm->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (swarm->epoll_fd < 0) {
        abort();
    }
    for (uint32_t i = 0; i < config->clients; i++) {
        swarm->clients[i].fd = -1;
    }
    return swarm;
}

void hf_swarm_free(struct hf_swarm *swarm)
{
    hf_swarm_cut(swarm);
    close(swarm->epoll_fd);
    free(swarm->clients);
    free(swarm->scratch);
    free(swarm);
}
