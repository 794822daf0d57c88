#include "client/subscription.h"

#include <stdlib.h>

#include "client/member.h"
#include "client/session_internal.h"
#include "client/tailoring.h"

/* A scan of pointers; the channel's text is compared once, by the hub's hash table. */
struct hf_subscription *hf_session_find_subscription(const struct hf_session *session,
                                                     struct hf_slice channel)
{
    const struct hf_hub_entry *entry;

    if (session->subscription_count == 0) {
        return NULL;
    }
    entry = hf_hub_find(session->worker->hub, channel);
    if (entry == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < session->subscription_count; i++) {
        if (session->subscriptions[i]->entry == entry) {
            return session->subscriptions[i];
        }
    }
    return NULL;
}

/* Grows from one, since most sessions have one; doubles afterwards. */
static bool reserve_subscription(struct hf_session *session)
{
    uint32_t capacity;
    struct hf_subscription **grown;

    if (session->subscription_count < session->subscription_capacity) {
        return true;
    }
    capacity = session->subscription_capacity == 0 ? 1 : session->subscription_capacity * 2;
    grown = realloc(session->subscriptions, capacity * sizeof(struct hf_subscription *));
    if (grown == NULL) {
        return false;
    }
    session->subscriptions = grown;
    session->subscription_capacity = capacity;
    return true;
}

/* In session and hub. False: no memory, or no watch from the engine. */
static bool enlist(struct hf_session *session, struct hf_slice channel,
                   const struct hf_channel_options *options, struct hf_subscription *subscription)
{
    struct hf_stream_options stream_options = hf_channel_stream_options(options);

    subscription->session = session;
    subscription->state = HF_SUBSCRIPTION_SUBSCRIBING;
    if (!reserve_subscription(session) ||
        hf_hub_add(session->worker->hub, channel, &stream_options, subscription) != HF_OK) {
        return false;
    }
    subscription->session_index = session->subscription_count;
    session->subscriptions[session->subscription_count++] = subscription;
    hf_counter_add(&session->worker->counters.subscriptions, 1);
    hf_counter_add(&session->worker->counters.subscriptions_opened, 1);
    return true;
}

struct hf_subscription *hf_subscription_new(struct hf_session *session, struct hf_slice channel,
                                            const struct hf_channel_options *options,
                                            struct hf_tailoring *tailoring)
{
    struct hf_subscription *subscription =
        hf_member_is_wanted(options) ? hf_member_new(options) : calloc(1, sizeof(*subscription));

    if (subscription == NULL || !enlist(session, channel, options, subscription)) {
        free(subscription);
        hf_tailoring_free(tailoring);
        return NULL;
    }
    if (tailoring != NULL) {
        hf_hub_tailor(subscription, tailoring);
    }
    return subscription;
}

void hf_subscription_free(struct hf_subscription *subscription)
{
    struct hf_session *session = subscription->session;
    struct hf_subscription *last = session->subscriptions[session->subscription_count - 1];

    session->subscriptions[subscription->session_index] = last;
    last->session_index = subscription->session_index;
    session->subscription_count--;
    hf_counter_sub(&session->worker->counters.subscriptions, 1);
    if (subscription->request != NULL) {
        subscription->request->subscription = NULL;
        if (subscription->request->is_waiting) {
            hf_session_request_free(subscription->request);
        }
    }
    if (subscription->is_member) {
        hf_member_leave(subscription);
    }
    hf_session_drop_channel_info(subscription);
    hf_hub_remove(subscription);
    free(subscription);
}

void hf_subscription_end(struct hf_subscription *subscription, enum hf_unsubscribe_code code)
{
    struct hf_session *session = subscription->session;

    /* Encoded before the subscription goes: the channel's name lives in the hub's entry. */
    hf_session_encoder(session)->push_unsubscribe(hf_session_reply_begin(session),
                                                  hf_hub_entry_channel(subscription->entry), code,
                                                  hf_slice_of(hf_unsubscribe_reason(code)));
    hf_subscription_free(subscription);
    hf_session_reply_end(session);
}

void hf_subscription_lost(struct hf_subscription *subscription)
{
    if (subscription->is_server_side) {
        hf_session_disconnect(subscription->session, HF_DISCONNECT_INSUFFICIENT_STATE);
    } else {
        hf_subscription_end(subscription, HF_UNSUBSCRIBE_INSUFFICIENT_STATE);
    }
}

void hf_subscription_unfit(struct hf_subscription *subscription)
{
    hf_session_disconnect(subscription->session, HF_DISCONNECT_INAPPROPRIATE_PROTOCOL);
}
