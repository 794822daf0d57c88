#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fleet_internal.h"
#include "socket.h"

#define PATH_SIZE 512

struct hf_slice hf_channel_name(const char *format, uint32_t number, char out[HF_CHANNEL_MAX])
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* what the format is for */
    int len = snprintf(out, HF_CHANNEL_MAX, format, number);
#pragma GCC diagnostic pop
    return hf_slice(out, (size_t)len);
}

/* --- what is said ------------------------------------------------------------------------------
 */

static void send_command(struct hf_member *member, struct hf_client *client)
{
    hf_buffer_reset(&member->frame);
    hf_socket_append_frame(&member->frame, member->fleet->config.wire->is_binary,
                           hf_buffer_slice(&member->command));
    if (hf_buffer_failed(&member->command) || hf_buffer_failed(&member->frame) ||
        !hf_socket_send(client->fd, member->frame.data, member->frame.len)) {
        hf_fleet_fail(member->fleet, client, "cannot send: %s", strerror(errno));
    }
    hf_buffer_reset(&member->command);
}

static void send_upgrade(struct hf_member *member, struct hf_client *client)
{
    const struct hf_fleet_config *config = &member->fleet->config;
    char path[PATH_SIZE], channel[HF_CHANNEL_MAX];
    const char *form = config->path != NULL ? config->path : config->wire->path;
    const char *hole = strstr(form, "%s");
    hf_channel_name(config->channel, client->channel, channel);
    if (hole != NULL) {
        snprintf(path, sizeof path, "%.*s%s%s", (int)(hole - form), form, channel, hole + 2);
    } else {
        snprintf(path, sizeof path, "%s", form);
    }
    client->state = HF_CLIENT_UPGRADING;
    if (!hf_socket_send_upgrade(client->fd, path, config->wire->subprotocol)) {
        hf_fleet_fail(member->fleet, client, "cannot send: %s", strerror(errno));
    }
}

static void send_subscribe(struct hf_member *member, struct hf_client *client)
{
    const struct hf_fleet_config *config = &member->fleet->config;
    char name[HF_CHANNEL_MAX];
    config->wire->subscribe(&member->command, 2,
                            hf_channel_name(config->channel, client->channel, name),
                            client->has_position ? &client->position : NULL);
    send_command(member, client);
}

/* --- what is heard -----------------------------------------------------------------------------
 */

static void become_ready(struct hf_member *member, struct hf_client *client)
{
    client->state = HF_CLIENT_READY;
    member->opening--;
    hf_histogram_add(&member->connecting, member->now_ns - client->opened_ns);
    atomic_store_explicit(&member->last_ready_ns, member->now_ns, memory_order_relaxed);
    /* Who has seen that all are ready may read how long it took. */
    atomic_fetch_add_explicit(&member->ready, 1, memory_order_release);
}

static void check_publication(struct hf_member *member, struct hf_client *client,
                              const struct hf_payload *payload, uint64_t offset)
{
    struct hf_fleet *fleet = member->fleet;
    if (payload->channel != client->channel || payload->publisher >= fleet->config.publishers) {
        hf_fleet_fail(fleet, client, "a publication of channel %u, publisher %u", payload->channel,
                      payload->publisher);
        return;
    }
    uint32_t *sequence = &client->sequences[payload->publisher];
    if (payload->sequence != *sequence + 1) {
        hf_fleet_fail(fleet, client, "publication %u of publisher %u after %u", payload->sequence,
                      payload->publisher, *sequence);
    }
    *sequence = payload->sequence;
    if (fleet->config.is_stream && offset != client->position.offset + 1) {
        hf_fleet_fail(fleet, client, "offset %" PRIu64 " after %" PRIu64, offset,
                      client->position.offset);
    }
    client->position.offset = offset;
    client->received++;
    hf_histogram_add(&member->delivery,
                     member->now_ns > payload->time_ns ? member->now_ns - payload->time_ns : 0);
    atomic_store_explicit(&member->last_publication_ns, member->now_ns, memory_order_relaxed);
    hf_add(&member->publications, 1);
}

static struct hf_memo *memo_of(struct hf_member *member, const struct hf_client *client)
{
    return &member->memo[(client->channel * 31 + client->received) & (HF_MEMO_SLOTS - 1)];
}

/* What a client reads; a lone publication is remembered for the channel's other clients. */
struct reading {
    struct hf_member *member;
    struct hf_client *client;
    struct hf_slice message;
};

static void memorise(struct hf_member *member, struct hf_memo *memo, struct hf_slice message,
                     const struct hf_payload *payload, uint64_t offset)
{
    if (message.len > memo->len || memo->message == NULL) {
        char *grown = realloc(memo->message, message.len);
        if (grown == NULL) {
            hf_fleet_fail(member->fleet, NULL, "no memory");
            return;
        }
        memo->message = grown;
    }
    memcpy(memo->message, message.data, message.len);
    memo->len = message.len;
    memo->payload = *payload;
    memo->offset = offset;
}

static void on_publication(const struct reading *reading, const struct hf_wire_event *event)
{
    struct hf_payload payload;
    struct hf_client *client = reading->client;
    if (!hf_payload_read(event->data, &payload)) {
        hf_fleet_fail(reading->member->fleet, client, "not what was published: %.*s",
                      (int)(event->data.len < 200 ? event->data.len : 200), event->data.data);
        return;
    }
    if (client->state == HF_CLIENT_READY) {
        memorise(reading->member, memo_of(reading->member, client), reading->message, &payload,
                 event->offset);
    }
    check_publication(reading->member, client, &payload, event->offset);
}

static void on_subscribed(struct hf_member *member, struct hf_client *client,
                          const struct hf_wire_event *event)
{
    struct hf_fleet *fleet = member->fleet;
    if (fleet->config.is_stream) {
        if (!event->has_position || event->epoch.len >= HF_WIRE_EPOCH_MAX) {
            hf_fleet_fail(fleet, client, "the subscription has no position");
            return;
        }
        if (client->has_position &&
            (!event->recovered ||
             !hf_slice_equal(event->epoch, hf_slice_of(client->position.epoch)))) {
            hf_fleet_fail(fleet, client, "not recovered: at offset %" PRIu64 " of %" PRIu64,
                          client->position.offset, event->offset);
            return;
        }
        if (!client->has_position) { /* else it goes on from what it has received */
            client->position.offset = event->offset;
        }
        client->has_position = true;
        memcpy(client->position.epoch, event->epoch.data, event->epoch.len);
        client->position.epoch[event->epoch.len] = '\0';
        atomic_fetch_add_explicit(&member->recovered, event->recovered, memory_order_relaxed);
    }
    become_ready(member, client);
}

static void on_wire_event(void *context, const struct hf_wire_event *event)
{
    const struct reading *reading = context;
    struct hf_member *member = reading->member;
    struct hf_client *client = reading->client;
    switch (event->kind) {
    case HF_WIRE_CONNECTED:
        if (member->fleet->config.channels > 0) {
            send_subscribe(member, client);
        } else {
            become_ready(member, client);
        }
        return;
    case HF_WIRE_SUBSCRIBED:
        on_subscribed(member, client, event);
        return;
    case HF_WIRE_PUBLICATION:
        on_publication(reading, event);
        return;
    case HF_WIRE_PING:
        hf_add(&member->pings, 1);
        member->fleet->config.wire->pong(&member->command);
        send_command(member, client);
        return;
    case HF_WIRE_PUBLISHED:
        hf_fleet_fail(member->fleet, client, "an answer to a publish that was not made");
        return;
    }
}

/* --- frames ------------------------------------------------------------------------------------
 */

static void take_message(struct hf_member *member, struct hf_client *client,
                         struct hf_slice message)
{
    const struct hf_memo *memo = memo_of(member, client);
    if (memo->len == message.len && memo->message != NULL && client->state == HF_CLIENT_READY &&
        memcmp(memo->message, message.data, message.len) == 0) {
        check_publication(member, client, &memo->payload, memo->offset);
        return;
    }
    struct reading reading = {member, client, message};
    const struct hf_wire_sink sink = {&reading, on_wire_event};
    const char *wrong = member->fleet->config.wire->read(message, &sink);
    if (wrong != NULL) {
        hf_fleet_fail(member->fleet, client, "%s: %.*s", wrong,
                      (int)(message.len < 300 ? message.len : 300), message.data);
    }
}

static void take_messages(struct hf_member *member, struct hf_client *client, struct hf_slice frame)
{
    struct hf_slice message;
    hf_add(&member->messages, 1);
    while (frame.len > 0) {
        if (!member->fleet->config.wire->split(&frame, &message)) {
            hf_fleet_fail(member->fleet, client, "a message that is cut short");
            return;
        }
        take_message(member, client, message);
    }
}

static void send_pong_frame(struct hf_member *member, struct hf_client *client)
{
    static const char pong[] = {(char)0x8a, (char)0x80, 0, 0, 0, 0};
    hf_add(&member->pings, 1);
    if (!hf_socket_send(client->fd, pong, sizeof pong)) {
        hf_fleet_fail(member->fleet, client, "cannot send: %s", strerror(errno));
    }
}

/* One frame. Returns its length, 0: incomplete. */
static size_t take_frame(struct hf_member *member, struct hf_client *client, struct hf_slice data)
{
    struct hf_socket_frame frame = {0};
    switch (hf_socket_parse(data, &frame)) {
    case HF_SOCKET_NEED_MORE:
        return 0;
    case HF_SOCKET_MESSAGE:
        take_messages(member, client, frame.payload);
        return frame.total;
    case HF_SOCKET_PING:
        send_pong_frame(member, client);
        return frame.total;
    case HF_SOCKET_CLOSED:
        hf_fleet_fail(member->fleet, client, "closed by the server with %u", frame.close_code);
        return frame.total;
    case HF_SOCKET_WRONG:
    default:
        hf_fleet_fail(member->fleet, client, "an unexpected frame");
        return 0;
    }
}

static size_t take_upgrade(struct hf_member *member, struct hf_client *client, struct hf_slice data)
{
    const struct hf_wire *wire = member->fleet->config.wire;
    ptrdiff_t len = hf_socket_parse_upgrade(data);
    if (len < 0) {
        hf_fleet_fail(member->fleet, client, "the upgrade was refused: %.40s", data.data);
        return 0;
    }
    if (len == 0) {
        return 0;
    }
    client->state = HF_CLIENT_JOINING;
    if (wire->is_by_path) {
        become_ready(member, client);
    } else {
        wire->connect(&member->command, 1);
        send_command(member, client);
    }
    return (size_t)len;
}

static void take(struct hf_member *member, struct hf_client *client, struct hf_slice data)
{
    size_t used;
    do {
        used = client->state == HF_CLIENT_UPGRADING ? take_upgrade(member, client, data)
                                                    : take_frame(member, client, data);
        data = hf_slice(data.data + used, data.len - used);
    } while (used > 0 && data.len > 0 &&
             !atomic_load_explicit(&member->fleet->has_failed, memory_order_relaxed));
    free(client->rest);
    client->rest = NULL;
    client->rest_len = data.len;
    if (data.len > 0) {
        client->rest = malloc(data.len);
        if (client->rest == NULL) {
            hf_fleet_fail(member->fleet, client, "no memory");
            client->rest_len = 0;
            return;
        }
        memcpy(client->rest, data.data, data.len);
    }
}

static void on_readable(struct hf_member *member, struct hf_client *client)
{
    size_t kept = client->rest_len;
    if (kept >= HF_FLEET_SCRATCH_SIZE) {
        hf_fleet_fail(member->fleet, client, "a frame of more than %zu bytes", kept);
        return;
    }
    if (kept > 0) {
        memcpy(member->scratch, client->rest, kept);
    }
    ssize_t len =
        recv(client->fd, member->scratch + kept, HF_FLEET_SCRATCH_SIZE - kept, MSG_DONTWAIT);
    if (len > 0) {
        member->now_ns = hf_now_ns();
        hf_add(&member->reads, 1);
        take(member, client, hf_slice(member->scratch, kept + (size_t)len));
    } else if (len == 0 || (errno != EAGAIN && errno != EINTR)) {
        hf_fleet_fail(member->fleet, client, "the connection ended: %s",
                      len == 0 ? "closed by the server" : strerror(errno));
    }
}

/* --- the connection ----------------------------------------------------------------------------
 */

void hf_client_open(struct hf_member *member, struct hf_client *client)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = client};
    client->opened_ns = hf_now_ns();
    client->fd = hf_socket_connect(&member->fleet->address, client->number);
    client->state = HF_CLIENT_CONNECTING;
    member->opening++;
    if (client->fd < 0 || epoll_ctl(member->epoll_fd, EPOLL_CTL_ADD, client->fd, &event) != 0) {
        hf_fleet_fail(member->fleet, client, "cannot connect: %s", strerror(errno));
    }
}

void hf_client_cut(struct hf_member *member, struct hf_client *client)
{
    if (client->fd >= 0) {
        close(client->fd);
    }
    if (client->state == HF_CLIENT_READY) {
        atomic_fetch_sub_explicit(&member->ready, 1, memory_order_relaxed);
    }
    client->fd = -1;
    client->state = HF_CLIENT_CLOSED;
    free(client->rest);
    client->rest = NULL;
    client->rest_len = 0;
}

void hf_client_on_event(struct hf_member *member, struct hf_client *client)
{
    if (client->state != HF_CLIENT_CONNECTING) {
        on_readable(member, client);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    int error = hf_socket_error(client->fd);
    if (error != 0 || epoll_ctl(member->epoll_fd, EPOLL_CTL_MOD, client->fd, &event) != 0) {
        hf_fleet_fail(member->fleet, client, "cannot connect: %s",
                      strerror(error != 0 ? error : errno));
        return;
    }
    send_upgrade(member, client);
}
