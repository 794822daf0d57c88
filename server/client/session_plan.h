/* The plan of a connect command: which server-side subscriptions a client gets, and by what right.
 *
 * Those of the connection's token, the personal channel of its user, and the channels that the
 * client wishes for and could subscribe to by itself, each once. Private to session*.c; worker's
 * thread. */
#ifndef HF_SERVER_SESSION_PLAN_H
#define HF_SERVER_SESSION_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

struct hf_channel_options;
struct hf_connect_request;
struct hf_session;
struct hf_subscribe_request;
struct hf_token_claims;
struct hf_token_sub;

/* A subscription to be made; slices live in the arena. */
struct hf_join_item {
    struct hf_slice channel;
    const struct hf_channel_options *options;
    const struct hf_token_sub *token;        /* what a token says of it, NULL for none */
    const struct hf_subscribe_request *wish; /* the client's words about it, NULL for none */
    int64_t expire_at_s;                     /* since 1970; 0: never */
    bool has_own_token;                      /* `token` is a subscription token's */
};

struct hf_join_plan {
    struct hf_join_item *items;
    size_t count;
};

/* Fills the plan (empty before) for an authenticated session, with the hub's arena. Of a transient
 * session only what it wishes for; is_strict: it must have all that it wishes for. 0, an error
 * code, or a disconnect code (3000 and above). */
int hf_session_plan_join(const struct hf_session *session, const struct hf_connect_request *request,
                         bool is_strict, const struct hf_token_claims *claims,
                         struct hf_join_plan *plan);

#endif
