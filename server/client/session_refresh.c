#include "client/session_internal.h"

/* Refreshing of connections and subscriptions before they expire. */

/* Whether the token asks for other server-side subscriptions than the session has from the one
 * before: then the client has to connect again, so that they are as the token says. */
static bool subscriptions_differ(const struct hf_session *session,
                                 const struct hf_token_claims *claims)
{
    size_t from_token = 0;

    for (uint32_t i = 0; i < session->subscription_count; i++) {
        from_token += session->subscriptions[i]->is_from_token ? 1 : 0;
    }
    if (from_token != claims->subs_count) {
        return true;
    }
    for (size_t i = 0; i < claims->subs_count; i++) {
        const struct hf_subscription *subscription =
            hf_session_find_subscription(session, claims->subs[i].channel);

        if (subscription == NULL || !subscription->is_from_token) {
            return true;
        }
    }
    return false;
}

/* 0, or the disconnect code. */
static int take_token(struct hf_session *session, struct hf_slice token,
                      struct hf_token_claims *claims)
{
    int code;

    if (hf_slice_is_empty(token)) {
        return HF_DISCONNECT_BAD_REQUEST;
    }
    code = hf_session_verify_connection(session, token, claims);
    if (code == HF_ERROR_TOKEN_EXPIRED || code == HF_ERROR_EXPIRED) {
        return HF_DISCONNECT_EXPIRED;
    }
    if (code != 0) {
        return code >= HF_DISCONNECT_CONNECTION_CLOSED ? code : HF_DISCONNECT_SERVER_ERROR;
    }
    if (!hf_slice_equal(claims->user, hf_session_user(session))) {
        return HF_DISCONNECT_INVALID_TOKEN;
    }
    if (subscriptions_differ(session, claims)) {
        return HF_DISCONNECT_INSUFFICIENT_STATE;
    }
    if (!hf_session_expire_at(session, claims->expire_at_s) ||
        (!hf_slice_is_empty(claims->info) && !hf_session_set_info(session, claims->info))) {
        return HF_DISCONNECT_SERVER_ERROR;
    }
    return 0;
}

void hf_session_refresh(struct hf_session *session, uint32_t id,
                        const struct hf_refresh_request *request)
{
    struct hf_token_claims claims = {0};
    int code = take_token(session, request->token, &claims);
    bool expires = claims.expire_at_s != 0;

    if (code != 0) {
        hf_session_disconnect(session, (enum hf_disconnect_code)code);
        return;
    }
    hf_session_encoder(session)->refresh(hf_session_reply_begin(session), id, expires,
                                         expires ? hf_session_ttl(claims.expire_at_s) : 0);
    hf_session_reply_end(session);
}

/* An expired token is worth another try with a newer one, until the subscription itself is ended:
 * SDKs try again after a temporary error, and give the subscription up after another. */
static void reply_token_expired(struct hf_session *session, uint32_t id)
{
    hf_session_encoder(session)->error(hf_session_reply_begin(session), id, HF_ERROR_TOKEN_EXPIRED,
                                       hf_slice_of(hf_error_message(HF_ERROR_TOKEN_EXPIRED)), true);
    hf_session_reply_end(session);
}

static void refresh_subscription(struct hf_session *session, uint32_t id,
                                 struct hf_subscription *subscription, struct hf_slice token)
{
    struct hf_token_claims claims = {0};
    int code = hf_session_verify_subscription(session, hf_hub_entry_channel(subscription->entry),
                                              token, &claims);
    bool expires = claims.expire_at_s != 0;

    if (code == HF_ERROR_TOKEN_EXPIRED || code == HF_ERROR_EXPIRED) {
        reply_token_expired(session, id);
    } else if (code == HF_ERROR_INTERNAL) {
        hf_session_reply_error(session, id, HF_ERROR_INTERNAL);
    } else if (code != 0) {
        hf_session_disconnect(session, HF_DISCONNECT_INVALID_TOKEN);
    } else if (!hf_subscription_expire_at(subscription, claims.expire_at_s) ||
               !hf_session_set_channel_info(subscription, claims.info)) {
        hf_session_reply_error(session, id, HF_ERROR_INTERNAL);
    } else {
        hf_session_encoder(session)->sub_refresh(hf_session_reply_begin(session), id, expires,
                                                 expires ? hf_session_ttl(claims.expire_at_s) : 0);
        hf_session_reply_end(session);
    }
}

void hf_session_sub_refresh(struct hf_session *session, uint32_t id,
                            const struct hf_sub_refresh_request *request)
{
    struct hf_subscription *subscription = hf_session_find_subscription(session, request->channel);

    if (subscription == NULL) {
        hf_session_reply_error(session, id, HF_ERROR_PERMISSION_DENIED);
    } else if (hf_slice_is_empty(request->token)) {
        hf_session_reply_error(session, id, HF_ERROR_BAD_REQUEST);
    } else if (!subscription->has_token) {
        hf_session_disconnect(session, HF_DISCONNECT_BAD_REQUEST);
    } else {
        refresh_subscription(session, id, subscription, request->token);
    }
}
