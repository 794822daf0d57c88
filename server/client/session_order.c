#include <stdlib.h>
#include <string.h>

#include "client/session_internal.h"

/* The order of a session's commands on one channel; see session_internal.h for the rule.
 *
 * A command that must wait is kept as its text and decoded again when its turn comes. Channels are
 * told apart by a 64-bit hash: two that share one would only wait for each other. */

struct hf_session_waiting {
    STAILQ_ENTRY(hf_session_waiting) in_session;
    uint64_t channel_hash;
    enum hf_command_kind kind;
    size_t len;
    char message[]; /* len bytes */
};

/* Whether a request that is open keeps the command from being carried out. */
static bool is_blocked(const struct hf_session *session, enum hf_command_kind kind,
                       uint64_t channel_hash)
{
    const struct hf_session_request *request;

    LIST_FOREACH (request, &session->requests, in_session) {
        if (request->is_blocking && request->channel_hash == channel_hash &&
            !(request->is_publish && kind == HF_COMMAND_PUBLISH)) {
            return true;
        }
    }
    return false;
}

static struct hf_session_waiting *find_waiting(const struct hf_session *session,
                                               uint64_t channel_hash)
{
    struct hf_session_waiting *waiting;

    STAILQ_FOREACH (waiting, &session->waiting, in_session) {
        if (waiting->channel_hash == channel_hash) {
            break;
        }
    }
    return waiting;
}

bool hf_session_must_wait(const struct hf_session *session, enum hf_command_kind kind,
                          struct hf_slice channel)
{
    uint64_t channel_hash;

    if (LIST_EMPTY(&session->requests)) {
        return false;
    }
    channel_hash = hf_hub_hash(session->worker->hub, channel);
    return find_waiting(session, channel_hash) != NULL || is_blocked(session, kind, channel_hash);
}

void hf_session_wait(struct hf_session *session, const struct hf_command *command,
                     struct hf_slice channel, struct hf_slice message)
{
    const struct hf_config *config = session->worker->config;
    struct hf_session_waiting *waiting;

    if (session->request_count + session->waiting_count >= config->holdfast.session_requests_max ||
        session->waiting_bytes + message.len > config->client.queue_max_size_bytes ||
        session->waiting_bytes + message.len > UINT32_MAX) {
        hf_session_reply_error(session, command->id, HF_ERROR_TOO_MANY_REQUESTS);
        return;
    }
    waiting = malloc(sizeof(*waiting) + message.len);
    if (waiting == NULL) {
        hf_session_reply_error(session, command->id, HF_ERROR_INTERNAL);
        return;
    }
    waiting->channel_hash = hf_hub_hash(session->worker->hub, channel);
    waiting->kind = command->kind;
    waiting->len = message.len;
    memcpy(waiting->message, message.data, message.len);
    STAILQ_INSERT_TAIL(&session->waiting, waiting, in_session);
    session->waiting_count++;
    session->waiting_bytes += (uint32_t)message.len;
}

static void take_out(struct hf_session *session, struct hf_session_waiting *waiting)
{
    STAILQ_REMOVE(&session->waiting, waiting, hf_session_waiting, in_session);
    session->waiting_count--;
    session->waiting_bytes -= (uint32_t)waiting->len;
}

void hf_session_resume(struct hf_session *session, uint64_t channel_hash)
{
    struct hf_arena *arena = hf_hub_arena(session->worker->hub);

    while (!hf_session_is_closing(session)) {
        struct hf_session_waiting *waiting = find_waiting(session, channel_hash);
        struct hf_command command;

        if (waiting == NULL || is_blocked(session, waiting->kind, channel_hash)) {
            return;
        }
        take_out(session, waiting);
        hf_arena_reset(arena);
        /* It was decoded before, so only memory can be missing. */
        if (hf_command_decode(session->transport->encoding,
                              hf_slice(waiting->message, waiting->len), arena, &command,
                              NULL) == HF_COMMAND_OK) {
            hf_session_execute(session, &command);
        } else {
            hf_session_disconnect(session, HF_DISCONNECT_SERVER_ERROR);
        }
        free(waiting);
        hf_arena_reset(arena);
    }
}

void hf_session_resume_all(struct hf_session *session)
{
    struct hf_arena *arena = hf_hub_arena(session->worker->hub);
    struct hf_session_waiting_list all = STAILQ_HEAD_INITIALIZER(all);
    struct hf_session_waiting *waiting;

    STAILQ_CONCAT(&all, &session->waiting);
    session->waiting_count = 0;
    session->waiting_bytes = 0;
    while ((waiting = STAILQ_FIRST(&all)) != NULL) {
        struct hf_slice message = hf_slice(waiting->message, waiting->len);
        struct hf_command command;

        STAILQ_REMOVE_HEAD(&all, in_session);
        hf_arena_reset(arena);
        if (hf_session_is_closing(session)) {
            /* nobody waits for it any more */
        } else if (hf_command_decode(session->transport->encoding, message, arena, &command,
                                     NULL) == HF_COMMAND_OK) {
            hf_session_dispatch(session, &command, message);
        } else {
            hf_session_disconnect(session, HF_DISCONNECT_SERVER_ERROR);
        }
        free(waiting);
    }
    hf_arena_reset(arena);
}

void hf_session_drop_waiting(struct hf_session *session)
{
    struct hf_session_waiting *waiting;

    while ((waiting = STAILQ_FIRST(&session->waiting)) != NULL) {
        take_out(session, waiting);
        free(waiting);
    }
}
