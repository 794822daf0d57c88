/* Subscription: one session's interest in one channel. Worker's thread only.
 *
 *   SUBSCRIBING ─completion, live─────────────────────────► LIVE ─► freed
 *        └───────completion, more pages─► CATCHING_UP ──last page──┘
 *
 * Owned by its session (session->subscriptions), listed in the hub's entry of its channel. */
#ifndef HF_SERVER_SUBSCRIPTION_H
#define HF_SERVER_SUBSCRIPTION_H

#include <stdbool.h>
#include <stdint.h>

#include <holdfast/position.h>

struct hf_hub_entry;
struct hf_session;
struct hf_session_request;

enum hf_subscription_state {
    HF_SUBSCRIPTION_SUBSCRIBING, /* `request` waits for the first answer */
    HF_SUBSCRIPTION_CATCHING_UP, /* `request` waits for the next page, or for the queue to empty */
    HF_SUBSCRIPTION_LIVE,        /* no request */
};

struct hf_subscription {
    struct hf_session *session;
    struct hf_hub_entry *entry;
    struct hf_session_request *request; /* the engine's or, while the queue is full, held back */
    uint32_t hub_index;
    uint32_t session_index;  /* place in session->subscriptions */
    uint32_t expire_at_s;    /* since 1970; 0: never */
    uint8_t state;           /* enum hf_subscription_state */
    bool is_server_side : 1; /* made by the server: its loss ends the connection */
    bool is_from_token : 1;  /* server-side, because the connection's token says so */
    bool has_token : 1;      /* made with a subscription token, so it may be refreshed */
    bool has_info : 1;       /* the session's identity holds its chan_info */
    bool is_member : 1;      /* it is the first part of a struct hf_member */
    bool gets_joins : 1;     /* joins and leaves are pushed to it */
    bool is_unwanted : 1;    /* the server ends it as soon as it has its first answer */
    bool is_tailored : 1;    /* the hub has its tailoring */
};

/* The stream was lost under a live subscription: the client is told with code 2500, or disconnected
 * with 3010 when it is server-side, and the subscription is freed. */
void hf_subscription_lost(struct hf_subscription *subscription);
/* A publication cannot be sent to this subscriber's encoding: its connection ends with 3506. */
void hf_subscription_unfit(struct hf_subscription *subscription);

#endif
