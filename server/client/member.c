#include "client/member.h"

#include <stdlib.h>

#include "client/publication_frame.h"
#include "client/session_internal.h"
#include "client/tailoring.h"
#include "json.h"
#include "log.h"

/* A member's name and info as text, for one request. */
struct identity {
    char client[HF_CLIENT_ID_TEXT_LEN + 1];
    struct hf_buffer *info;
};

static struct hf_member *member_of(struct hf_subscription *subscription)
{
    return (struct hf_member *)subscription;
}

struct hf_subscription *hf_member_new(const struct hf_channel_options *options)
{
    struct hf_member *member = calloc(1, sizeof(*member));

    if (member == NULL) {
        return NULL;
    }
    member->subscription.is_member = true;
    member->keeps_presence = options->presence;
    member->tells = options->join_leave;
    return &member->subscription;
}

bool hf_member_keeps_presence(const struct hf_subscription *subscription)
{
    return subscription->is_member && ((const struct hf_member *)subscription)->keeps_presence;
}

/* --- requests ------------------------------------------------------------------------------- */

/* The engine's form; it borrows from `identity`, the session and the hub's entry. False: no memory.
 */
static bool describe(const struct hf_subscription *subscription, struct identity *identity,
                     struct hf_presence_client *who)
{
    const struct hf_session *session = subscription->session;
    struct hf_slice channel = hf_hub_entry_channel(subscription->entry);
    struct hf_slice user = hf_session_user(session);

    identity->info = &session->worker->encode;
    hf_buffer_reset(identity->info);
    hf_session_write_client_info(session, subscription, identity->info);
    hf_session_client_text(session, identity->client);
    *who = (struct hf_presence_client){
        .channel = {channel.data, channel.len},
        .client = {identity->client, HF_CLIENT_ID_TEXT_LEN},
        .user = {user.data, user.len},
        .info = {identity->info->data, identity->info->len},
    };
    return !hf_buffer_failed(identity->info);
}

int hf_member_add(struct hf_subscription *subscription, hf_presence_add_callback *callback,
                  void *context)
{
    struct hf_presence_client who;
    struct identity identity;
    int rc = HF_ENOMEM;

    if (describe(subscription, &identity, &who)) {
        rc = hf_presence_add(subscription->session->worker->port, &who, callback, context);
    }
    member_of(subscription)->is_asked_for = rc == HF_OK;
    return rc;
}

void hf_member_added(struct hf_subscription *subscription, bool has_returned)
{
    struct hf_worker *worker = subscription->session->worker;
    struct hf_member *member = member_of(subscription);

    member->has_returned = has_returned;
    member->is_refreshed = true;
    member->refresh_at_ms =
        worker->now_ms + (uint64_t)worker->config->client.presence_update_interval_ms;
    TAILQ_INSERT_TAIL(hf_hub_members(worker->hub), member, in_members);
}

/* A lost request is no harm to the stream: others only miss the news, or see a client until its
 * presence expires. */
static void log_failure(const char *what, int rc)
{
    static struct hf_log_limit limit;

    if (rc != HF_OK && rc != HF_ECLOSED && hf_log_limit_pass(&limit, 1000, NULL)) {
        hf_log(HF_LOG_WARN, "presence falls behind", "request=%s reason=%s", what,
               hf_error_text(rc));
    }
}

static void on_join_told(void *context, int rc)
{
    (void)context;
    log_failure("join", rc);
}

static void on_left(void *context, int rc)
{
    (void)context;
    log_failure("leave", rc);
}

static void on_refreshed(void *context, int rc)
{
    (void)context;
    log_failure("refresh", rc);
}

void hf_member_tell_join(struct hf_subscription *subscription)
{
    struct hf_member *member = member_of(subscription);
    struct hf_presence_client who;
    struct identity identity;
    int rc = HF_ENOMEM;

    if (!member->tells) {
        return;
    }
    member->is_joined = true;
    if (member->has_returned) {
        return;
    }
    if (describe(subscription, &identity, &who)) {
        rc = hf_presence_join(subscription->session->worker->port, &who, on_join_told, NULL);
    }
    if (rc != HF_OK) {
        member->is_joined = false; /* nor will its leave be told */
        log_failure("join", rc);
    }
}

void hf_member_leave(struct hf_subscription *subscription)
{
    const struct hf_worker *worker = subscription->session->worker;
    struct hf_member *member = member_of(subscription);
    struct hf_presence_remove_options options = {
        .tells = member->is_joined,
        .grace_ms = (uint32_t)worker->config->holdfast.presence_leave_delay_ms,
    };
    struct hf_presence_client who;
    struct identity identity;
    int rc = HF_ENOMEM;

    if (member->is_refreshed) {
        TAILQ_REMOVE(hf_hub_members(worker->hub), member, in_members);
        member->is_refreshed = false;
    }
    if (!member->is_asked_for && !member->is_joined) {
        return;
    }
    if (describe(subscription, &identity, &who)) {
        rc = hf_presence_remove(worker->port, &who, &options, on_left, NULL);
    }
    log_failure("leave", rc);
}

/* --- refresh -------------------------------------------------------------------------------- */

/* One request of the next members that are due. Returns how many it carries; 0: none are, or it
 * could not be made. */
static size_t refresh_some(struct hf_worker *worker, uint64_t now_ms, struct hf_buffer *infos)
{
    struct hf_members *members = hf_hub_members(worker->hub);
    struct hf_presence_client clients[HF_PRESENCE_BATCH_MAX];
    struct identity identities[HF_PRESENCE_BATCH_MAX];
    size_t ends[HF_PRESENCE_BATCH_MAX];
    const struct hf_member *member = TAILQ_FIRST(members);
    size_t count = 0;

    hf_buffer_reset(infos);
    while (member != NULL && member->refresh_at_ms <= now_ms && count < HF_PRESENCE_BATCH_MAX) {
        if (!describe(&member->subscription, &identities[count], &clients[count])) {
            return 0;
        }
        hf_buffer_append(infos, clients[count].info.data, clients[count].info.len);
        ends[count++] = infos->len;
        member = TAILQ_NEXT(member, in_members);
    }
    if (count == 0 || hf_buffer_failed(infos)) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        size_t start = i > 0 ? ends[i - 1] : 0;
        clients[i].info = (struct hf_bytes){infos->data + start, ends[i] - start};
    }
    int rc = hf_presence_refresh(worker->port, clients, count, on_refreshed, NULL);
    log_failure("refresh", rc);
    return rc == HF_OK ? count : 0;
}

void hf_members_refresh(struct hf_worker *worker, uint64_t now_ms)
{
    struct hf_members *members = hf_hub_members(worker->hub);
    uint64_t interval_ms = (uint64_t)worker->config->client.presence_update_interval_ms;
    struct hf_buffer infos;
    size_t count;

    if (TAILQ_EMPTY(members) || TAILQ_FIRST(members)->refresh_at_ms > now_ms) {
        return;
    }
    hf_buffer_init(&infos, 0);
    while ((count = refresh_some(worker, now_ms, &infos)) > 0) {
        for (; count > 0; count--) {
            struct hf_member *member = TAILQ_FIRST(members);

            TAILQ_REMOVE(members, member, in_members);
            member->refresh_at_ms = now_ms + interval_ms;
            TAILQ_INSERT_TAIL(members, member, in_members);
        }
    }
    hf_buffer_fini(&infos);
}

/* --- what the engine tells ------------------------------------------------------------------ */

static struct hf_frame *build(struct hf_worker *worker, const struct hf_transport *transport,
                              struct hf_push_channel channel, bool is_join, struct hf_slice info)
{
    const struct hf_encoder *encoder = hf_transport_encoder(transport);
    struct hf_buffer *encode = &worker->encode;

    hf_buffer_reset(encode);
    if (is_join) {
        encoder->push_join(encode, channel, NULL, info);
    } else {
        encoder->push_leave(encode, channel, NULL, info);
    }
    return hf_buffer_failed(encode) ? NULL : transport->wrap(encode->data, encode->len);
}

/* Each framing's message is built once, and once more for those who know the channel's number.
 * Without memory its subscribers miss the news: it is told at most once in any case. Sending never
 * calls back. */
static void push_all(struct hf_hub_entry *entry, bool is_join, struct hf_bytes bytes)
{
    struct hf_worker *worker = entry->subscribers[0].subscription->session->worker;
    struct hf_slice info = hf_slice(bytes.data, bytes.len);
    struct hf_frame *frames[2 * HF_FRAMINGS] = {NULL};
    bool is_tried[2 * HF_FRAMINGS] = {false};

    if (!hf_json_is_valid(info)) {
        return; /* no Holdfast wrote it */
    }
    hf_hub_pin(entry);
    hf_hub_flush(entry->hub); /* a subscribe reply must not be overtaken; may end subscribers */
    for (uint32_t i = 0; i < entry->count; i++) {
        const struct hf_hub_subscriber *subscriber = &entry->subscribers[i];
        const struct hf_transport *transport = subscriber->transport;
        const struct hf_push_channel channel = {.name = hf_hub_entry_channel(entry),
                                                .id = hf_number_given(subscriber->subscription)};
        unsigned form = (unsigned)transport->framing + (channel.id != 0 ? HF_FRAMINGS : 0);

        if (!subscriber->subscription->gets_joins ||
            subscriber->subscription->state == HF_SUBSCRIPTION_SUBSCRIBING) {
            continue;
        }
        if (!is_tried[form]) {
            is_tried[form] = true;
            frames[form] = build(worker, transport, channel, is_join, info);
        }
        if (frames[form] != NULL) {
            transport->send(subscriber->subscription->session->connection, frames[form]);
        }
    }
    for (unsigned form = 0; form < 2 * HF_FRAMINGS; form++) {
        if (frames[form] != NULL) {
            hf_frame_unref(frames[form]);
        }
    }
    hf_hub_unpin(entry);
}

void hf_member_on_join(void *watch_context, struct hf_bytes info)
{
    push_all(watch_context, true, info);
}

void hf_member_on_leave(void *watch_context, struct hf_bytes info)
{
    push_all(watch_context, false, info);
}
