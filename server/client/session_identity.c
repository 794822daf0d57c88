#include "client/session_identity.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/session_internal.h"
#include "client/users.h"
#include "log.h"

/* A subscription that is due while it waits for its first answer is looked at again. */
#define RETRY_MS 1000

#define TTL_MAX_S (INT64_C(365) * 24 * 3600)

struct hf_channel_info {
    struct hf_channel_info *next; /* of the same session */
    const struct hf_subscription *subscription;
    size_t len;
    char info[]; /* len bytes */
};

bool hf_session_identify(struct hf_session *session, struct hf_slice user, struct hf_slice info)
{
    struct hf_session_identity *identity = calloc(1, sizeof(*identity) + user.len);

    if (identity == NULL) {
        return false;
    }
    identity->close_at_ms = HF_SESSION_NEVER;
    identity->subscriptions_at_ms = HF_SESSION_NEVER;
    identity->user_len = (uint32_t)user.len;
    if (user.len > 0) {
        memcpy(identity->user, user.data, user.len);
    }
    session->identity = identity;
    if (!hf_session_set_info(session, info)) {
        hf_session_identity_free(session);
        return false;
    }
    return true;
}

struct hf_session_identity *hf_session_identity(struct hf_session *session)
{
    if (session->identity == NULL) {
        (void)hf_session_identify(session, (struct hf_slice){0}, (struct hf_slice){0});
    }
    return session->identity;
}

bool hf_session_set_info(struct hf_session *session, struct hf_slice info)
{
    struct hf_session_identity *identity = hf_session_identity(session);
    char *copy = NULL;

    if (identity == NULL) {
        return false;
    }
    if (info.len > 0) {
        copy = malloc(info.len);
        if (copy == NULL) {
            return false;
        }
        memcpy(copy, info.data, info.len);
    }
    free(identity->info);
    identity->info = copy;
    identity->info_len = (uint32_t)info.len;
    return true;
}

void hf_session_identity_leave(struct hf_session *session)
{
    struct hf_session_identity *identity = session->identity;

    if (identity == NULL) {
        return;
    }
    if (identity->is_counted) {
        hf_users_remove(session->worker->users, hf_session_user(session));
        identity->is_counted = false;
    }
    identity->close_at_ms = HF_SESSION_NEVER;
    identity->subscriptions_at_ms = HF_SESSION_NEVER;
    hf_session_join_free(identity->join);
    identity->join = NULL;
}

void hf_session_identity_free(struct hf_session *session)
{
    struct hf_session_identity *identity = session->identity;

    if (identity == NULL) {
        return;
    }
    while (identity->channel_infos != NULL) {
        struct hf_channel_info *next = identity->channel_infos->next;

        free(identity->channel_infos);
        identity->channel_infos = next;
    }
    free(identity->info);
    free(identity);
    session->identity = NULL;
}

struct hf_slice hf_session_user(const struct hf_session *session)
{
    const struct hf_session_identity *identity = session->identity;

    return identity == NULL ? HF_SLICE("") : hf_slice(identity->user, identity->user_len);
}

/* --- chan_info ------------------------------------------------------------------------------ */

bool hf_session_set_channel_info(struct hf_subscription *subscription, struct hf_slice info)
{
    struct hf_session_identity *identity;
    struct hf_channel_info *entry;

    if (hf_slice_is_empty(info)) {
        return true;
    }
    identity = hf_session_identity(subscription->session);
    entry = identity == NULL ? NULL : malloc(sizeof(*entry) + info.len);
    if (entry == NULL) {
        return false;
    }
    hf_session_drop_channel_info(subscription);
    entry->subscription = subscription;
    entry->len = info.len;
    memcpy(entry->info, info.data, info.len);
    entry->next = identity->channel_infos;
    identity->channel_infos = entry;
    subscription->has_info = true;
    return true;
}

void hf_session_drop_channel_info(struct hf_subscription *subscription)
{
    struct hf_channel_info **at;
    struct hf_channel_info *entry;

    if (!subscription->has_info) {
        return;
    }
    at = &subscription->session->identity->channel_infos;
    for (entry = *at; entry != NULL; entry = *at) {
        if (entry->subscription == subscription) {
            *at = entry->next;
            free(entry);
            break;
        }
        at = &entry->next;
    }
    subscription->has_info = false;
}

static struct hf_slice channel_info(const struct hf_session *session,
                                    const struct hf_subscription *subscription)
{
    const struct hf_channel_info *entry = NULL;

    if (subscription != NULL && subscription->has_info) {
        entry = session->identity->channel_infos;
        while (entry != NULL && entry->subscription != subscription) {
            entry = entry->next;
        }
    }
    return entry == NULL ? (struct hf_slice){0} : hf_slice(entry->info, entry->len);
}

void hf_session_write_client_info(const struct hf_session *session,
                                  const struct hf_subscription *subscription,
                                  struct hf_buffer *buffer)
{
    char text[HF_CLIENT_ID_TEXT_LEN + 1];
    struct hf_client_info info = {.user = hf_session_user(session),
                                  .chan_info = channel_info(session, subscription)};

    hf_session_client_text(session, text);
    info.client = hf_slice(text, HF_CLIENT_ID_TEXT_LEN);
    if (session->identity != NULL) {
        info.conn_info = hf_slice(session->identity->info, session->identity->info_len);
    }
    hf_reply_json_client_info(buffer, &info);
}

/* --- time ----------------------------------------------------------------------------------- */

int64_t hf_session_unix_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint32_t hf_session_ttl(int64_t expire_at_s)
{
    int64_t left_s = expire_at_s - hf_session_unix_ms() / 1000;

    return (uint32_t)(left_s < 1 ? 1 : left_s > TTL_MAX_S ? TTL_MAX_S : left_s);
}

/* In the worker's clock: so long after the given time of day. */
static uint64_t deadline_of(const struct hf_session *session, int64_t expire_at_s, int64_t delay_ms)
{
    int64_t left_ms = expire_at_s * 1000 - hf_session_unix_ms() + delay_ms;

    return session->worker->now_ms + (left_ms > 0 ? (uint64_t)left_ms : 0);
}

bool hf_session_expire_at(struct hf_session *session, int64_t expire_at_s)
{
    int64_t delay_ms = session->worker->config->client.expired_close_delay_ms;
    struct hf_session_identity *identity = session->identity;

    if (expire_at_s == 0) {
        if (identity != NULL) {
            identity->close_at_ms = HF_SESSION_NEVER;
        }
        return true;
    }
    identity = hf_session_identity(session);
    if (identity == NULL) {
        return false;
    }
    identity->close_at_ms = deadline_of(session, expire_at_s, delay_ms);
    hf_session_reschedule(session);
    return true;
}

bool hf_subscription_expire_at(struct hf_subscription *subscription, int64_t expire_at_s)
{
    struct hf_session *session = subscription->session;
    int64_t delay_ms = session->worker->config->client.expired_sub_close_delay_ms;
    struct hf_session_identity *identity;
    uint64_t deadline_ms;

    if (expire_at_s == 0) {
        subscription->expire_at_s = 0; /* a deadline that is left behind finds nothing to do */
        return true;
    }
    identity = hf_session_identity(session);
    if (identity == NULL) {
        return false;
    }
    expire_at_s = expire_at_s < 1 ? 1 : expire_at_s; /* past, and not 0, which is never */
    subscription->expire_at_s = expire_at_s > UINT32_MAX ? UINT32_MAX : (uint32_t)expire_at_s;
    deadline_ms = deadline_of(session, subscription->expire_at_s, delay_ms);
    if (deadline_ms < identity->subscriptions_at_ms) {
        identity->subscriptions_at_ms = deadline_ms;
        hf_session_reschedule(session);
    }
    return true;
}

/* Ends the subscriptions that are due and finds the next deadline. */
static void end_subscriptions(struct hf_session *session, uint64_t now_ms)
{
    int64_t delay_ms = session->worker->config->client.expired_sub_close_delay_ms;
    uint64_t next_ms = HF_SESSION_NEVER;
    uint32_t i = 0;

    while (i < session->subscription_count) {
        struct hf_subscription *subscription = session->subscriptions[i];
        uint64_t deadline_ms = subscription->expire_at_s == 0
                                   ? HF_SESSION_NEVER
                                   : deadline_of(session, subscription->expire_at_s, delay_ms);

        if (deadline_ms > now_ms) {
            next_ms = deadline_ms < next_ms ? deadline_ms : next_ms;
            i++;
        } else if (subscription->state == HF_SUBSCRIPTION_SUBSCRIBING) {
            next_ms = now_ms + RETRY_MS < next_ms ? now_ms + RETRY_MS : next_ms;
            i++;
        } else if (subscription->is_server_side) {
            hf_session_disconnect(session, HF_DISCONNECT_SUBSCRIPTION_EXPIRED);
            return;
        } else {
            hf_subscription_end(subscription, HF_UNSUBSCRIBE_EXPIRED); /* another takes its place */
        }
    }
    session->identity->subscriptions_at_ms = next_ms;
    hf_session_flush(session);
}

bool hf_session_end_expired(struct hf_session *session, uint64_t now_ms)
{
    const struct hf_session_identity *identity = session->identity;

    if (identity != NULL && now_ms >= identity->close_at_ms) {
        hf_session_disconnect(session, HF_DISCONNECT_EXPIRED);
    } else if (identity != NULL && now_ms >= identity->subscriptions_at_ms) {
        end_subscriptions(session, now_ms);
    }
    return hf_session_is_closing(session);
}

uint64_t hf_session_expiry_deadline(const struct hf_session *session)
{
    const struct hf_session_identity *identity = session->identity;

    if (identity == NULL) {
        return HF_SESSION_NEVER;
    }
    return identity->close_at_ms < identity->subscriptions_at_ms ? identity->close_at_ms
                                                                 : identity->subscriptions_at_ms;
}
