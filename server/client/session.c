#include "client/session.h"

#include <stdlib.h>
#include <string.h>

#include "client/directory.h"
#include "client/session_internal.h"
#include "client/session_server.h"
#include "log.h"

struct hf_session *hf_session_open(struct hf_worker *worker, const struct hf_transport *transport,
                                   struct hf_connection *connection)
{
    struct hf_session *session = calloc(1, sizeof(*session));
    int64_t stale_ms = worker->config->client.stale_close_delay_ms;

    if (session == NULL) {
        return NULL;
    }
    session->worker = worker;
    hf_counter_add(&worker->counters.sessions[transport->framing], 1);
    hf_counter_add(&worker->counters.sessions_opened[transport->framing], 1);
    session->transport = transport;
    session->connection = connection;
    session->state = HF_SESSION_CONNECTING;
    session->ping_at_ms = stale_ms > 0 ? worker->now_ms + (uint64_t)stale_ms : HF_SESSION_NEVER;
    session->pong_at_ms = HF_SESSION_NEVER;
    LIST_INIT(&session->requests);
    STAILQ_INIT(&session->waiting);
    return session;
}

/* Leaves the hub and the counters; nothing is delivered to this session afterwards. */
static void leave(struct hf_session *session)
{
    if (session->state == HF_SESSION_CONNECTED) {
        hf_counter_sub(&session->worker->counters.clients, 1);
    }
    session->state = HF_SESSION_CLOSING;
    while (session->subscription_count > 0) {
        hf_subscription_free(session->subscriptions[session->subscription_count - 1]);
    }
    hf_session_drop_waiting(session);
    hf_session_drop_deferred(session);
    hf_directory_remove(hf_hub_directory(session->worker->hub), session);
    hf_session_identity_leave(session);
    free(session->subscriptions);
    session->subscriptions = NULL;
    session->subscription_capacity = 0;
    session->ping_at_ms = HF_SESSION_NEVER;
    session->pong_at_ms = HF_SESSION_NEVER;
}

/* reason: NUL-terminated. */
static void disconnect(struct hf_session *session, uint32_t code, const char *reason)
{
    if (hf_session_is_closing(session)) {
        return;
    }
    leave(session);
    hf_session_flush(session);
    hf_counters_disconnect(&session->worker->counters, code);
    hf_log(HF_LOG_DEBUG, "client disconnected by server", "code=%u reason=%s", code, reason);
    session->transport->close(session->connection, code, reason);
}

void hf_session_disconnect(struct hf_session *session, enum hf_disconnect_code code)
{
    disconnect(session, code, hf_disconnect_reason(code));
}

void hf_session_disconnect_saying(struct hf_session *session, uint32_t code, struct hf_slice reason)
{
    char text[HF_DISCONNECT_REASON_MAX + 1];
    size_t len = reason.len < sizeof(text) ? reason.len : sizeof(text) - 1;

    memcpy(text, reason.data, len);
    text[len] = '\0';
    disconnect(session, code, text);
}

/* What a unidirectional client is told instead of the error, as it gets no replies. */
static enum hf_disconnect_code disconnect_for(enum hf_error_code code)
{
    switch (code) {
    case HF_ERROR_TOKEN_EXPIRED:
    case HF_ERROR_EXPIRED:
        return HF_DISCONNECT_EXPIRED;
    case HF_ERROR_PERMISSION_DENIED:
        return HF_DISCONNECT_PERMISSION_DENIED;
    default:
        return HF_DISCONNECT_SERVER_ERROR;
    }
}

void hf_session_refuse(struct hf_session *session, uint32_t id, enum hf_error_code code)
{
    if (session->transport->is_unidirectional) {
        hf_session_disconnect(session, disconnect_for(code));
        return;
    }
    hf_session_reply_error(session, id, code);
    if (hf_session_is_closing(session)) {
        return;
    }
    leave(session);
    hf_session_flush(session);
    hf_log(HF_LOG_DEBUG, "client refused", "code=%d", (int)code);
    session->transport->drop(session->connection);
}

void hf_session_closed(struct hf_session *session, unsigned code)
{
    if (!hf_session_is_closing(session)) {
        hf_log(HF_LOG_DEBUG, "client gone", "code=%u", code);
        leave(session);
    }
    hf_counter_sub(&session->worker->counters.sessions[session->transport->framing], 1);
    hf_session_output_forget(hf_hub_output(session->worker->hub), session);
    hf_session_requests_abandon(session);
    hf_session_identity_free(session);
    free(session);
}

void hf_session_pong(struct hf_session *session)
{
    session->awaits_pong = false;
    session->pong_at_ms = HF_SESSION_NEVER;
}

static void on_pong(struct hf_session *session)
{
    if (!session->awaits_pong) {
        hf_session_disconnect(session, HF_DISCONNECT_BAD_REQUEST);
        return;
    }
    hf_session_pong(session);
}

/* The channel that a command is about; an empty one is a bad request of the whole connection. */
static bool has_channel(struct hf_session *session, struct hf_slice channel)
{
    if (hf_slice_is_empty(channel)) {
        hf_session_disconnect(session, HF_DISCONNECT_BAD_REQUEST);
        return false;
    }
    return true;
}

void hf_session_execute(struct hf_session *session, const struct hf_command *command)
{
    const union hf_request *request = &command->request;

    switch (command->kind) {
    case HF_COMMAND_PONG:
        on_pong(session);
        break;
    case HF_COMMAND_SUBSCRIBE:
        if (has_channel(session, request->subscribe.channel)) {
            hf_session_subscribe(session, command->id, &request->subscribe);
        }
        break;
    case HF_COMMAND_UNSUBSCRIBE:
        if (has_channel(session, request->unsubscribe.channel)) {
            hf_session_unsubscribe(session, command->id, request->unsubscribe.channel);
        }
        break;
    case HF_COMMAND_PUBLISH:
        if (has_channel(session, request->publish.channel)) {
            hf_session_publish(session, command->id, &request->publish);
        }
        break;
    case HF_COMMAND_PRESENCE:
        if (has_channel(session, request->presence.channel)) {
            hf_session_presence(session, command->id, request->presence.channel);
        }
        break;
    case HF_COMMAND_PRESENCE_STATS:
        if (has_channel(session, request->presence_stats.channel)) {
            hf_session_presence_stats(session, command->id, request->presence_stats.channel);
        }
        break;
    case HF_COMMAND_HISTORY:
        if (has_channel(session, request->history.channel)) {
            hf_session_history(session, command->id, &request->history);
        }
        break;
    case HF_COMMAND_RPC:
        hf_session_reply_error(session, command->id, HF_ERROR_NOT_AVAILABLE);
        break;
    case HF_COMMAND_SEND: /* has no reply, so an error can only be said this way */
        hf_session_disconnect(session, HF_DISCONNECT_NOT_AVAILABLE);
        break;
    case HF_COMMAND_REFRESH:
        hf_session_refresh(session, command->id, &request->refresh);
        break;
    case HF_COMMAND_SUB_REFRESH:
        if (has_channel(session, request->sub_refresh.channel)) {
            hf_session_sub_refresh(session, command->id, &request->sub_refresh);
        }
        break;
    case HF_COMMAND_NONE:
    case HF_COMMAND_CONNECT: /* a second one */
    case HF_COMMAND_PING:    /* the protocol's clients send pongs only */
        hf_session_disconnect(session, HF_DISCONNECT_BAD_REQUEST);
        break;
    }
}

/* The channel whose order the command keeps; empty when it keeps none. */
static struct hf_slice ordered_channel(const struct hf_command *command)
{
    switch (command->kind) {
    case HF_COMMAND_SUBSCRIBE:
        return command->request.subscribe.channel;
    case HF_COMMAND_UNSUBSCRIBE:
        return command->request.unsubscribe.channel;
    case HF_COMMAND_PUBLISH:
        return command->request.publish.channel;
    case HF_COMMAND_HISTORY:
        return command->request.history.channel;
    case HF_COMMAND_PRESENCE:
        return command->request.presence.channel;
    case HF_COMMAND_PRESENCE_STATS:
        return command->request.presence_stats.channel;
    default:
        return HF_SLICE("");
    }
}

void hf_session_dispatch(struct hf_session *session, const struct hf_command *command,
                         struct hf_slice message)
{
    if (session->state == HF_SESSION_CONNECTED) {
        struct hf_slice channel = ordered_channel(command);

        if (!hf_slice_is_empty(channel) && hf_session_must_wait(session, command->kind, channel)) {
            hf_session_wait(session, command, channel, message);
        } else {
            hf_session_execute(session, command);
        }
    } else if (session->state == HF_SESSION_JOINING) {
        hf_session_wait(session, command, ordered_channel(command), message);
    } else if (command->kind == HF_COMMAND_CONNECT) {
        hf_session_connect(session, command->id, &command->request.connect);
    } else {
        hf_session_disconnect(session, HF_DISCONNECT_BAD_REQUEST);
    }
}

void hf_session_receive(struct hf_session *session, char *data, size_t len)
{
    struct hf_worker *worker = session->worker;
    struct hf_arena *arena = hf_hub_arena(worker->hub);
    struct hf_command_iterator iterator;
    struct hf_command_error error = {0};
    struct hf_command command;
    struct hf_slice message;

    hf_command_iterator_init(&iterator, session->transport->encoding, hf_slice(data, len), 0);
    while (!hf_session_is_closing(session)) {
        enum hf_command_status status;

        hf_arena_reset(arena);
        status = hf_command_iterator_next_message(&iterator, &message, &error);
        if (status == HF_COMMAND_OK) {
            status =
                hf_command_decode(session->transport->encoding, message, arena, &command, &error);
        }
        if (status == HF_COMMAND_END) {
            break;
        }
        if (status != HF_COMMAND_OK) {
            hf_log(HF_LOG_DEBUG, "malformed command", "reason=%s offset=%zu", error.reason,
                   error.offset);
            hf_session_disconnect(session, status == HF_COMMAND_NO_MEMORY
                                               ? HF_DISCONNECT_SERVER_ERROR
                                               : HF_DISCONNECT_BAD_REQUEST);
            break;
        }
        hf_counter_add(&worker->counters.commands[command.kind], 1);
        hf_session_dispatch(session, &command, message);
    }
    hf_arena_reset(arena);
    hf_session_flush(session);
}

void hf_session_drained(struct hf_session *session)
{
    if (session->state == HF_SESSION_CONNECTED) {
        hf_session_catch_up_resume(session);
        hf_session_flush(session);
    }
}

static void send_ping(struct hf_session *session, uint64_t now_ms)
{
    const struct hf_config_client *client = &session->worker->config->client;
    const struct hf_transport *transport = session->transport;
    bool is_answered = !transport->is_unidirectional;

    hf_session_flush(session);
    if (transport->ping != NULL && transport->ping(session->connection)) {
        is_answered = true;
    } else {
        struct hf_frame *frame = hf_hub_ping_frame(session->worker->hub, transport);
        if (frame == NULL) {
            hf_session_disconnect(session, HF_DISCONNECT_SERVER_ERROR);
            return;
        }
        transport->send(session->connection, frame);
    }
    session->ping_at_ms = now_ms + (uint64_t)client->ping_interval_ms;
    if (!is_answered) {
        return;
    }
    session->awaits_pong = true;
    if (client->pong_timeout_ms > 0) {
        session->pong_at_ms = now_ms + (uint64_t)client->pong_timeout_ms;
    }
}

void hf_session_tick(struct hf_session *session, uint64_t now_ms)
{
    if (hf_session_end_expired(session, now_ms)) {
        return;
    }
    if (now_ms >= session->pong_at_ms) {
        hf_session_disconnect(session, HF_DISCONNECT_NO_PONG);
    } else if (now_ms >= session->ping_at_ms) {
        if (session->state != HF_SESSION_CONNECTED) {
            hf_session_disconnect(session, HF_DISCONNECT_STALE);
        } else {
            send_ping(session, now_ms);
        }
    }
}

uint64_t hf_session_deadline(const struct hf_session *session)
{
    uint64_t deadline_ms = hf_session_expiry_deadline(session);

    deadline_ms = session->ping_at_ms < deadline_ms ? session->ping_at_ms : deadline_ms;
    return session->pong_at_ms < deadline_ms ? session->pong_at_ms : deadline_ms;
}
