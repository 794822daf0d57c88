#include "client/session_internal.h"

#include <stdlib.h>
#include <string.h>

#include "client/member.h"
#include "client/publication_frame.h"
#include "client/session_plan.h"
#include "client/session_server.h"
#include "client/tailoring.h"

/* Server-side subscriptions made by the connect command.
 *
 * All are asked of the engine at once; their answers are kept until the last has come, since they
 * travel in the one answer to connect. Publications that come between a subscription's answer and
 * that are not lost: the subscription is not live in the hub yet, and goes on from the position
 * that the client is told, as after the first page of a long recovery. */

/* One of them, while the connect command waits. */
struct join_sub {
    struct hf_subscription *subscription;
    struct hf_connect_result_sub result; /* its texts are below or in the subscription's entry */
    struct hf_position position;         /* where the client is with the answer */
    char epoch[HF_EPOCH_TEXT_SIZE];
    char *publications; /* owned; NULL for none */
    bool is_live;       /* the engine had no more for it */
};

struct hf_session_join {
    int64_t expire_at_s; /* of the connection */
    uint32_t id;         /* of the connect command */
    uint32_t count;
    uint32_t pending;
    uint32_t last; /* the one that was answered last */
    struct join_sub subs[];
};

void hf_session_join_free(struct hf_session_join *join)
{
    if (join != NULL) {
        for (uint32_t i = 0; i < join->count; i++) {
            free(join->subs[i].publications);
        }
        free(join);
    }
}

/* --- the end: all are answered ------------------------------------------------------------------
 */

/* Tells the transport what the client is going to be told. False: no memory. */
static bool tell_transport(struct hf_session *session, const struct join_sub *subs, uint32_t count)
{
    struct hf_start_channel *channels = NULL;

    if (session->transport->start == NULL) {
        return true;
    }
    if (count > 0) {
        channels = calloc(count, sizeof(*channels));
        if (channels == NULL) {
            return false;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct hf_subscribe_reply *result = &subs[i].result.result;

        channels[i] = (struct hf_start_channel){
            .channel = subs[i].result.channel,
            .publications = result->publications_raw,
            .position = result->positioned ? subs[i].position : (struct hf_position){0},
            .is_recoverable = result->recoverable,
            .was_recovering = result->was_recovering,
            .is_recovered = result->recovered,
        };
    }
    session->transport->start(session->connection, channels, count);
    free(channels);
    return true;
}

/* Answers the connect command. */
static void reply(struct hf_session *session, uint32_t id, int64_t expire_at_s,
                  const struct join_sub *subs, uint32_t count)
{
    struct hf_connect_result_sub *results = NULL;

    if (count > 0) {
        results = calloc(count, sizeof(*results));
    }
    if ((count > 0 && results == NULL) || !tell_transport(session, subs, count)) {
        hf_session_refuse(session, id, HF_ERROR_INTERNAL);
    } else {
        for (uint32_t i = 0; i < count; i++) {
            results[i] = subs[i].result;
        }
        hf_session_reply_connect(session, id, expire_at_s, results, count);
    }
    free(results);
}

/* Goes live, or on with what has been published since. Nothing follows the one that was answered
 * last yet, and nothing is missed by those without a position. */
static void let_go(const struct join_sub *sub, bool is_last)
{
    struct hf_subscription *subscription = sub->subscription;
    struct hf_session_request *request = subscription->request;

    request->is_waiting = false;
    if (subscription->is_member) {
        hf_member_tell_join(subscription);
    }
    if (sub->is_live && (is_last || !request->is_positioned)) {
        subscription->request = NULL;
        subscription->state = HF_SUBSCRIPTION_LIVE;
        hf_hub_set_live(subscription);
        hf_session_request_free(request);
    } else {
        subscription->state = HF_SUBSCRIPTION_CATCHING_UP;
        hf_session_catch_up(request, sub->position);
    }
}

static void finish(struct hf_session *session)
{
    struct hf_session_join *join = session->identity->join;

    reply(session, join->id, join->expire_at_s, join->subs, join->count);
    if (hf_session_is_closing(session)) {
        return; /* refused, which has freed the join */
    }
    session->identity->join = NULL;
    hf_session_connected(session);
    /* The last one first: going on with the others may end the connection. */
    let_go(&join->subs[join->last], true);
    for (uint32_t i = 0; i < join->count && !hf_session_is_closing(session); i++) {
        if (i != join->last) {
            let_go(&join->subs[i], false);
        }
    }
    hf_session_join_free(join);
    hf_session_serve_deferred(session);
    hf_session_resume_all(session);
}

/* --- one answer ---------------------------------------------------------------------------------
 */

/* Keeps what the engine says. 0, an error code, or a disconnect code. */
static int keep_answer(const struct hf_session_request *request,
                       const struct hf_subscribe_result *engine_result, struct join_sub *sub)
{
    struct hf_subscribe_reply *result = &sub->result.result;
    struct hf_slice publications = {0};

    sub->position = engine_result->position;
    sub->is_live = engine_result->live;
    result->recovered = engine_result->recovered;
    if (request->is_positioned) {
        result->epoch =
            hf_slice(sub->epoch, hf_epoch_format(engine_result->position.epoch, sub->epoch));
        result->offset =
            engine_result->recovered ? request->since_offset : engine_result->position.offset;
    }
    if (!engine_result->recovered) {
        return 0;
    }
    switch (hf_tailored_list(sub->subscription, engine_result->page, &publications)) {
    case HF_PUBLICATION_FRAME_OK:
        break;
    case HF_PUBLICATION_FRAME_NO_MEMORY:
        return HF_ERROR_INTERNAL;
    case HF_PUBLICATION_FRAME_UNFIT:
        return HF_DISCONNECT_INAPPROPRIATE_PROTOCOL;
    }
    if (publications.len > 0) { /* the page goes before the answer does */
        sub->publications = malloc(publications.len);
        if (sub->publications == NULL) {
            return HF_ERROR_INTERNAL;
        }
        memcpy(sub->publications, publications.data, publications.len);
        result->publications_raw = hf_slice(sub->publications, publications.len);
    }
    return 0;
}

static void on_joined(void *context, int rc, const struct hf_subscribe_result *engine_result)
{
    struct hf_session_request *request = context;
    struct hf_session *session = request->session;
    struct hf_session_join *join;
    int code;

    if (session == NULL || hf_session_is_closing(session)) {
        hf_session_request_free(request);
        return;
    }
    join = session->identity->join;
    code = rc == HF_OK ? keep_answer(request, engine_result, &join->subs[request->join_index])
                       : (int)hf_session_engine_error(rc);
    request->is_blocking = false;
    request->is_waiting = true; /* goes with its subscription from here on */
    if (code >= HF_DISCONNECT_CONNECTION_CLOSED) {
        hf_session_disconnect(session, (enum hf_disconnect_code)code);
    } else if (code != 0) {
        hf_session_refuse(session, join->id, (enum hf_error_code)code);
    } else {
        join->last = request->join_index;
        join->pending--;
        if (join->pending == 0) {
            finish(session);
        }
    }
}

/* The client is present: what it subscribes to can be asked for. */
static void on_present(void *context, int rc, bool has_returned)
{
    struct hf_session_request *request = context;
    struct hf_session *session = request->session;
    struct hf_subscription *subscription = request->subscription;

    if (session == NULL || hf_session_is_closing(session)) {
        hf_session_request_free(request);
        return;
    }
    if (rc == HF_OK) {
        hf_member_added(subscription, has_returned);
        rc = hf_subscribe(subscription->entry->watch, &request->params, false, on_joined, request);
    }
    if (rc != HF_OK) {
        hf_session_refuse(session, session->identity->join->id, hf_session_engine_error(rc));
        hf_session_request_free(request);
    }
}

/* Asks the engine for the channel, after having made the client present where that is kept. */
static int ask(struct hf_subscription *subscription, struct hf_session_request *request,
               const struct hf_subscribe_params *params)
{
    if (hf_member_keeps_presence(subscription)) {
        request->params = *params;
        return hf_member_add(subscription, on_present, request);
    }
    return hf_subscribe(subscription->entry->watch, params, false, on_joined, request);
}

/* --- the start ----------------------------------------------------------------------------------
 */

static void prepare(struct hf_subscription *subscription, const struct hf_join_item *item,
                    const struct hf_channel_options *effective, struct hf_session_request *request,
                    struct hf_subscribe_params *params)
{
    const struct hf_session *session = subscription->session;
    const struct hf_config *config = session->worker->config;
    struct hf_slice user = hf_session_user(session);
    const struct hf_channel_caller caller = {
        .user = user.data, .user_len = user.len, .is_subscribed = true};
    /* Who has no subscribe command asks with the wish. */
    const struct hf_subscribe_request *asks =
        session->transport->is_unidirectional ? item->wish : NULL;
    struct hf_channel_position_flags flags =
        hf_channel_position_flags(config, item->options, &caller, asks != NULL && asks->positioned,
                                  asks != NULL && (asks->recoverable || asks->recover));
    uint32_t limit = config->client.recovery_max_publication_limit;
    bool is_cache = item->options->force_recovery_mode == HF_RECOVERY_MODE_CACHE;

    if (item->token != NULL) {
        flags = hf_session_override_position(flags, item->options, item->token);
    }
    subscription->gets_joins =
        hf_channel_gets_joins(config, effective, &caller, asks != NULL && asks->join_leave);
    request->is_positioned = flags.positioned;
    request->is_recoverable = flags.recoverable;
    request->has_recover = (item->wish != NULL && item->wish->recover) ||
                           (is_cache && item->options->auto_cache_recover);
    *params = (struct hf_subscribe_params){
        .recover = flags.recoverable && request->has_recover,
        .latest = flags.recoverable && request->has_recover && is_cache,
        .recovery_limit = limit == 0 ? HF_LIMIT_NONE : limit,
    };
    if (params->recover && item->wish != NULL && item->wish->recover) {
        request->since_offset = item->wish->offset;
        params->since.offset = item->wish->offset;
        params->since.epoch = hf_epoch_parse(item->wish->epoch.data, item->wish->epoch.len);
    }
}

/* The channel's options for this subscription. Who only looks in is no member of the channel. */
static struct hf_channel_options options_of(const struct hf_session *session,
                                            const struct hf_join_item *item)
{
    static const struct hf_token_sub nothing;
    struct hf_channel_options effective =
        hf_session_override_members(item->options, item->token != NULL ? item->token : &nothing);

    if (session->transport->is_transient) {
        effective.presence = false;
        effective.join_leave = false;
    }
    return effective;
}

/* Deltas, when the client's words ask for them; plain clients have no use for these. Filters and
 * numbers are for subscribe commands. NULL: none, or no memory, and then they come in full. */
static struct hf_tailoring *tailoring_of(const struct hf_session *session,
                                         const struct hf_join_item *item)
{
    struct hf_subscribe_request words;
    struct hf_tailoring *tailoring = NULL;

    if (item->wish != NULL && !session->transport->is_unidirectional) {
        words = *item->wish;
        words.tf = NULL;
        words.flag = 0;
        (void)hf_tailoring_new(session, item->options, &words, &tailoring);
    }
    return tailoring;
}

/* What a token says of the subscription. False: no memory. */
static bool apply_token(struct hf_subscription *subscription, const struct hf_join_item *item)
{
    subscription->is_from_token = item->token != NULL && !item->has_own_token;
    subscription->has_token = item->has_own_token;
    return item->token == NULL || (hf_session_set_channel_info(subscription, item->token->info) &&
                                   hf_subscription_expire_at(subscription, item->expire_at_s));
}

/* Subscribes to one channel. 0 or an error code; what was begun then goes with the session. */
static int start_one(struct hf_session *session, const struct hf_join_item *item, uint32_t index)
{
    const struct hf_channel_options effective = options_of(session, item);
    struct hf_session_join *join = session->identity->join;
    struct join_sub *sub = &join->subs[index];
    struct hf_subscription *subscription =
        hf_subscription_new(session, item->channel, &effective, tailoring_of(session, item));
    struct hf_session_request *request;
    struct hf_subscribe_params params;
    int rc;

    if (subscription == NULL) {
        return HF_ERROR_INTERNAL;
    }
    subscription->is_server_side = true;
    if (!apply_token(subscription, item)) {
        return HF_ERROR_INTERNAL;
    }
    request = hf_session_request_link(session, join->id, item->channel);
    if (request == NULL) {
        return HF_ERROR_INTERNAL;
    }
    prepare(subscription, item, &effective, request, &params);
    request->join_index = index;
    sub->subscription = subscription;
    sub->result.channel = hf_hub_entry_channel(subscription->entry);
    sub->result.result = (struct hf_subscribe_reply){
        .positioned = request->is_positioned,
        .recoverable = request->is_recoverable,
        .was_recovering = request->has_recover,
        .delta = hf_gets_deltas(subscription),
        .expires = item->expire_at_s != 0,
        .ttl = item->expire_at_s != 0 ? hf_session_ttl(item->expire_at_s) : 0,
    };
    rc = item->token == NULL || hf_session_request_set_data(request, item->token->data)
             ? ask(subscription, request, &params)
             : HF_ENOMEM;
    if (rc != HF_OK) {
        hf_session_request_free(request);
        return (int)hf_session_engine_error(rc);
    }
    sub->result.result.data = hf_slice(request->data, request->data_len);
    subscription->request = request;
    request->subscription = subscription;
    return 0;
}

int hf_session_join(struct hf_session *session, uint32_t id,
                    const struct hf_connect_request *request, bool is_strict,
                    const struct hf_token_claims *claims)
{
    struct hf_join_plan plan = {0};
    struct hf_session_identity *identity;
    int code = hf_session_plan_join(session, request, is_strict, claims, &plan);

    if (code != 0) {
        return code;
    }
    if (plan.count == 0) {
        hf_session_connected(session);
        reply(session, id, claims->expire_at_s, NULL, 0);
        return 0;
    }
    identity = hf_session_identity(session);
    if (identity != NULL) {
        identity->join = calloc(1, sizeof(*identity->join) + plan.count * sizeof(struct join_sub));
    }
    if (identity == NULL || identity->join == NULL) {
        return HF_ERROR_INTERNAL;
    }
    session->state = HF_SESSION_JOINING;
    identity->join->id = id;
    identity->join->expire_at_s = claims->expire_at_s;
    identity->join->count = (uint32_t)plan.count;
    identity->join->pending = (uint32_t)plan.count;
    for (size_t i = 0; i < plan.count && code == 0; i++) {
        code = start_one(session, &plan.items[i], (uint32_t)i);
    }
    return code;
}
