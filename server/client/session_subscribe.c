#include "client/session_internal.h"

#include "client/member.h"
#include "client/publication_frame.h"
#include "client/shared_reply.h"
#include "client/tailoring.h"

/* The checks that need no engine, in the protocol's order. 0 with *ref, an error code, or a
 * disconnect code (3000 and above). */
static int check_subscribe(const struct hf_session *session,
                           const struct hf_subscribe_request *request,
                           const struct hf_channel_caller *caller, struct hf_channel_ref *ref,
                           struct hf_token_claims *claims)
{
    const struct hf_config *config = session->worker->config;
    struct hf_slice channel = request->channel;
    enum hf_channel_error allowed;

    if (request->type != 0) {
        return HF_ERROR_NOT_AVAILABLE;
    }
    if (!hf_slice_is_empty(request->delta) && !hf_slice_equal(request->delta, HF_SLICE("fossil"))) {
        return HF_DISCONNECT_BAD_REQUEST;
    }
    if (hf_channel_check_length(config, channel.len) != HF_CHANNEL_OK) {
        return HF_ERROR_BAD_REQUEST;
    }
    if (hf_session_find_subscription(session, channel) != NULL) {
        return HF_ERROR_ALREADY_SUBSCRIBED;
    }
    if (session->subscription_count >= config->client.channel_limit) {
        return HF_ERROR_LIMIT_EXCEEDED;
    }
    allowed = hf_channel_may_subscribe(config, channel.data, channel.len, caller, ref);
    if (allowed == HF_CHANNEL_UNKNOWN || allowed == HF_CHANNEL_BAD_REQUEST) {
        return (int)allowed;
    }
    if (!hf_slice_is_empty(request->token)) {
        /* A token alone decides. */
        int code = hf_session_verify_subscription(session, channel, request->token, claims);

        if (code != 0) {
            return code;
        }
    } else if (allowed != HF_CHANNEL_OK) {
        return (int)allowed;
    }
    return 0;
}

/* shared: the answer goes out as this; NULL: it is the session's own. */
static void write_result(struct hf_session *session, const struct hf_session_request *request,
                         const struct hf_subscribe_result *engine_result,
                         struct hf_slice publications, struct hf_shared_reply *shared)
{
    struct hf_subscribe_reply result = {
        .positioned = request->is_positioned,
        .recoverable = request->is_recoverable,
        .was_recovering = request->has_recover,
        .recovered = engine_result->recovered,
        .delta = hf_gets_deltas(request->subscription),
        .id = hf_number_given(request->subscription),
        .publications_raw = publications,
        .data = hf_slice(request->data, request->data_len),
        .expires = request->subscription->expire_at_s != 0,
    };
    char epoch[HF_EPOCH_TEXT_SIZE];

    if (result.expires) {
        result.ttl = hf_session_ttl(request->subscription->expire_at_s);
    }
    if (request->is_positioned) {
        result.epoch = hf_slice(epoch, hf_epoch_format(engine_result->position.epoch, epoch));
        /* A recovering client advances by its publications, starting from what it asked for. */
        result.offset =
            engine_result->recovered ? request->since_offset : engine_result->position.offset;
    }
    if (shared == NULL) {
        hf_session_encoder(session)->subscribe(hf_session_reply_begin(session), request->id,
                                               &result);
        hf_session_reply_end(session);
    } else if (!hf_shared_reply_build(shared, request, &result) ||
               !hf_shared_reply_send(shared, session)) {
        hf_session_disconnect(session, HF_DISCONNECT_SERVER_ERROR);
    }
}

/* Answers the command. False when there is no subscription, or no connection, afterwards. */
static bool answer_subscribe(struct hf_session_request *request, int rc,
                             const struct hf_subscribe_result *engine_result)
{
    struct hf_session *session = request->session;
    struct hf_slice publications = {0};
    struct hf_shared_reply *shared;

    if (rc != HF_OK) {
        hf_session_reply_error(session, request->id, hf_session_engine_error(rc));
        return false;
    }
    if (request->rejects_unrecovered && !engine_result->recovered) {
        hf_session_reply_error(session, request->id, HF_ERROR_UNRECOVERABLE_POSITION);
        return false;
    }
    shared = hf_hub_shared_reply(session->worker->hub);
    if (!hf_shared_reply_is_next(shared, request, engine_result)) {
        shared = NULL;
    } else if (hf_shared_reply_send(shared, session)) {
        return !hf_session_is_closing(session);
    }
    if (engine_result->recovered) {
        switch (hf_tailored_list(request->subscription, engine_result->page, &publications)) {
        case HF_PUBLICATION_FRAME_OK:
            break;
        case HF_PUBLICATION_FRAME_NO_MEMORY:
            hf_session_reply_error(session, request->id, HF_ERROR_INTERNAL);
            return false;
        case HF_PUBLICATION_FRAME_UNFIT:
            hf_session_disconnect(session, HF_DISCONNECT_INAPPROPRIATE_PROTOCOL);
            return false;
        }
    }
    write_result(session, request, engine_result, publications, shared);
    return !hf_session_is_closing(session);
}

void hf_session_go_on(struct hf_session_request *request,
                      const struct hf_subscribe_result *engine_result)
{
    struct hf_subscription *subscription = request->subscription;

    if (subscription->is_member) {
        hf_member_tell_join(subscription);
    }
    if (subscription->is_unwanted) {
        hf_subscription_end(subscription, HF_UNSUBSCRIBE_SERVER);
        hf_session_request_free(request);
    } else if (engine_result->live) {
        subscription->request = NULL;
        subscription->state = HF_SUBSCRIPTION_LIVE;
        hf_hub_set_live(subscription);
        hf_session_request_free(request);
    } else {
        subscription->state = HF_SUBSCRIPTION_CATCHING_UP;
        hf_session_catch_up(request, engine_result->position);
    }
}

void hf_session_finish_subscribe(struct hf_session_request *request, int rc,
                                 const struct hf_subscribe_result *engine_result)
{
    struct hf_session *session = request->session;
    uint64_t channel_hash = request->channel_hash;

    if (session == NULL || hf_session_is_closing(session)) {
        hf_session_request_free(request);
        return;
    }
    request->is_blocking = false;
    if (answer_subscribe(request, rc, engine_result)) {
        hf_session_go_on(request, engine_result);
    } else {
        /* Answering may have ended the connection, and the subscription with it. */
        if (request->subscription != NULL) {
            hf_subscription_free(request->subscription);
        }
        hf_session_request_free(request);
    }
    hf_session_resume(session, channel_hash);
}

static void on_subscribed(void *context, int rc, const struct hf_subscribe_result *engine_result)
{
    struct hf_session_request *request = context;

    if (rc != HF_OK || request->session == NULL || hf_session_is_closing(request->session) ||
        !hf_session_search_latest(request, engine_result)) {
        hf_session_finish_subscribe(request, rc, engine_result);
    }
}

/* The client is present: what it subscribes to can be asked for. */
static void on_present(void *context, int rc, bool has_returned)
{
    struct hf_session_request *request = context;
    struct hf_session *session = request->session;
    struct hf_subscription *subscription = request->subscription;
    uint64_t channel_hash = request->channel_hash;

    if (session == NULL || hf_session_is_closing(session)) {
        hf_session_request_free(request);
        return;
    }
    if (subscription != NULL) {
        if (rc == HF_OK) {
            hf_member_added(subscription, has_returned);
            rc = hf_subscribe(subscription->entry->watch, &request->params, false, on_subscribed,
                              request);
        }
        if (rc == HF_OK) {
            return;
        }
        hf_subscription_free(subscription); /* removes the client where it may have been added */
        hf_session_reply_error(session, request->id, hf_session_engine_error(rc));
    }
    hf_session_request_free(request);
    hf_session_resume(session, channel_hash);
}

/* Asks the engine for the channel, after having made the client present where that is kept. */
static int ask(struct hf_subscription *subscription, struct hf_session_request *request,
               const struct hf_subscribe_params *params)
{
    request->params = *params;
    if (hf_member_keeps_presence(subscription)) {
        return hf_member_add(subscription, on_present, request);
    }
    return hf_subscribe(subscription->entry->watch, params, false, on_subscribed, request);
}

/* Fills the request and the engine's parameters from the command. */
static void prepare(struct hf_session_request *open, const struct hf_subscribe_request *request,
                    const struct hf_channel_options *options,
                    struct hf_channel_position_flags flags, uint32_t recovery_limit,
                    struct hf_subscribe_params *params)
{
    bool is_cache = options->force_recovery_mode == HF_RECOVERY_MODE_CACHE;
    bool is_asked = request->recover || (is_cache && options->auto_cache_recover);
    bool recovers = flags.recoverable && is_asked;

    open->has_recover = is_asked;
    open->is_positioned = flags.positioned;
    open->is_recoverable = flags.recoverable;
    open->rejects_unrecovered =
        recovers && !is_cache && (request->flag & HF_SUBSCRIBE_FLAG_REJECT_UNRECOVERED) != 0;
    open->since_offset = request->offset;
    *params = (struct hf_subscribe_params){
        .recover = recovers,
        .latest = recovers && is_cache,
        .recovery_limit = recovery_limit == 0 ? HF_LIMIT_NONE : recovery_limit,
    };
    if (recovers && request->recover) {
        params->since.offset = request->offset;
        params->since.epoch = hf_epoch_parse(request->epoch.data, request->epoch.len);
    }
}

/* What the token, if there was one, says of the subscription. False: no memory. */
static bool apply_token(struct hf_subscription *subscription, struct hf_session_request *open,
                        const struct hf_token_claims *claims)
{
    subscription->has_token = !hf_slice_is_empty(claims->payload);
    return hf_subscription_expire_at(subscription, claims->expire_at_s) &&
           hf_session_set_channel_info(subscription, claims->sub.info) &&
           hf_session_request_set_data(open, claims->sub.data);
}

/* All checks are passed: asks the engine. tailoring: taken; NULL for none. */
static void start_subscribe(struct hf_session *session, uint32_t id,
                            const struct hf_subscribe_request *request,
                            const struct hf_channel_options *options,
                            const struct hf_channel_caller *caller,
                            const struct hf_token_claims *claims, struct hf_tailoring *tailoring)
{
    const struct hf_config *config = session->worker->config;
    const struct hf_channel_options effective = hf_session_override_members(options, &claims->sub);
    struct hf_channel_position_flags flags = hf_channel_position_flags(
        config, options, caller, request->positioned, request->recoverable);
    struct hf_session_request *open;
    struct hf_subscription *subscription;
    struct hf_subscribe_params params;
    int rc = HF_ENOMEM;

    flags = hf_session_override_position(flags, options, &claims->sub);
    open = hf_session_request_new(session, id, request->channel);
    if (open == NULL) {
        hf_tailoring_free(tailoring);
        return;
    }
    prepare(open, request, options, flags, config->client.recovery_max_publication_limit, &params);
    subscription = hf_subscription_new(session, request->channel, &effective, tailoring);
    if (subscription != NULL) {
        subscription->request = open;
        open->subscription = subscription;
        subscription->gets_joins =
            hf_channel_gets_joins(config, &effective, caller, request->join_leave);
        rc = apply_token(subscription, open, claims) ? ask(subscription, open, &params) : HF_ENOMEM;
    }
    if (rc != HF_OK) {
        if (subscription != NULL) {
            hf_subscription_free(subscription);
        }
        hf_session_request_free(open);
        hf_session_reply_error(session, id, hf_session_engine_error(rc));
    }
}

void hf_session_subscribe(struct hf_session *session, uint32_t id,
                          const struct hf_subscribe_request *request)
{
    struct hf_slice user = hf_session_user(session);
    struct hf_channel_caller caller = {
        .user = user.data, .user_len = user.len, .is_subscribed = true};
    struct hf_token_claims claims = {0};
    struct hf_tailoring *tailoring = NULL;
    struct hf_channel_ref ref;
    int code = check_subscribe(session, request, &caller, &ref, &claims);

    if (code == 0) {
        code = hf_tailoring_new(session, ref.options, request, &tailoring);
    }
    if (code >= HF_DISCONNECT_CONNECTION_CLOSED) {
        hf_session_disconnect(session, (enum hf_disconnect_code)code);
    } else if (code != 0) {
        hf_session_reply_error(session, id, (enum hf_error_code)code);
    } else {
        start_subscribe(session, id, request, ref.options, &caller, &claims, tailoring);
    }
}

/* --- unsubscribe ---------------------------------------------------------------------------- */

/* Never comes while the channel's subscribe waits for its first answer: it waits for that. */
void hf_session_unsubscribe(struct hf_session *session, uint32_t id, struct hf_slice channel)
{
    struct hf_subscription *subscription = hf_session_find_subscription(session, channel);

    if (subscription != NULL) {
        hf_subscription_free(subscription);
    }
    hf_session_encoder(session)->unsubscribe(hf_session_reply_begin(session), id);
    hf_session_reply_end(session);
}
