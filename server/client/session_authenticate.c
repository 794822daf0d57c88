#include "client/session_internal.h"

#include "client/directory.h"
#include "client/user_command.h"
#include "client/users.h"
#include "log.h"

/* What tokens allow; the numbers are the protocol's: 0 (fine), an error code, or a disconnect code
 * (3000 and above). */

static enum hf_token_result verify(const struct hf_session *session, enum hf_token_kind kind,
                                   struct hf_slice token, struct hf_token_claims *claims)
{
    const struct hf_worker *worker = session->worker;
    const char *reason = NULL;
    enum hf_token_result result = hf_token_verify(
        kind == HF_TOKEN_CONNECTION ? worker->tokens.connection : worker->tokens.subscription, kind,
        token, hf_session_unix_ms(), hf_hub_arena(worker->hub), claims, &reason);

    if (result != HF_TOKEN_OK) {
        hf_log(HF_LOG_DEBUG, "a token was refused", "kind=%s reason=%s",
               kind == HF_TOKEN_CONNECTION ? "connection" : "subscription", reason);
    }
    return result;
}

static bool is_past(int64_t expire_at_s)
{
    return expire_at_s != 0 && expire_at_s * 1000 <= hf_session_unix_ms();
}

int hf_session_verify_connection(const struct hf_session *session, struct hf_slice token,
                                 struct hf_token_claims *claims)
{
    const struct hf_config_client *client = &session->worker->config->client;

    switch (verify(session, HF_TOKEN_CONNECTION, token, claims)) {
    case HF_TOKEN_OK:
        break;
    case HF_TOKEN_INVALID:
        return HF_DISCONNECT_INVALID_TOKEN;
    case HF_TOKEN_EXPIRED:
        return HF_ERROR_TOKEN_EXPIRED;
    case HF_TOKEN_KEY_PENDING: /* SDKs try again after this error */
    case HF_TOKEN_NO_MEMORY:
        return HF_ERROR_INTERNAL;
    }
    if (client->disallow_anonymous_connection_tokens && hf_slice_is_empty(claims->user)) {
        return HF_DISCONNECT_PERMISSION_DENIED;
    }
    if (client->insecure) {
        claims->expire_at_s = 0;
    }
    return is_past(claims->expire_at_s) ? HF_ERROR_EXPIRED : 0;
}

/* Counts the connection of a user who has a name. */
static int count_user(struct hf_session *session)
{
    struct hf_users *users = session->worker->users;
    struct hf_slice user = hf_session_user(session);

    if (hf_slice_is_empty(user)) {
        return 0;
    }
    switch (hf_users_add(users, user)) {
    case HF_USERS_OK:
        session->identity->is_counted = true;
        return 0;
    case HF_USERS_FULL:
        return HF_DISCONNECT_CONNECTION_LIMIT;
    case HF_USERS_NO_MEMORY:
        break;
    }
    return HF_ERROR_INTERNAL;
}

/* Counts and lists the client, which is known now. */
static int enlist(struct hf_session *session)
{
    int code = count_user(session);

    const struct hf_config_personal_channel *personal =
        &session->worker->config->client.subscribe_to_user_personal_channel;

    if (code == 0 && !hf_directory_add(hf_hub_directory(session->worker->hub), session)) {
        code = HF_ERROR_INTERNAL;
    }
    if (code == 0 && personal->enabled && personal->single_connection &&
        !session->transport->is_transient && !hf_slice_is_empty(hf_session_user(session))) {
        hf_user_announce_single(session);
    }
    return code;
}

int hf_session_authenticate(struct hf_session *session, struct hf_slice token,
                            struct hf_token_claims *claims)
{
    const struct hf_config_client *client = &session->worker->config->client;
    int code;

    *claims = (struct hf_token_claims){0};
    if (hf_slice_is_empty(token)) {
        return client->insecure || client->allow_anonymous_connect_without_token
                   ? enlist(session)
                   : HF_DISCONNECT_BAD_REQUEST;
    }
    code = hf_session_verify_connection(session, token, claims);
    if (code != 0) {
        return code;
    }
    if ((!hf_slice_is_empty(claims->user) || !hf_slice_is_empty(claims->info)) &&
        !hf_session_identify(session, claims->user, claims->info)) {
        return HF_ERROR_INTERNAL;
    }
    if (!hf_session_expire_at(session, claims->expire_at_s)) {
        return HF_ERROR_INTERNAL;
    }
    return enlist(session);
}

/* Whether the token is for this subscription of this client. */
static bool is_for(const struct hf_session *session, struct hf_slice channel,
                   const struct hf_token_claims *claims)
{
    char text[HF_CLIENT_ID_TEXT_LEN + 1];

    hf_session_client_text(session, text);
    return hf_slice_equal(claims->sub.channel, channel) &&
           hf_slice_equal(claims->user, hf_session_user(session)) &&
           (hf_slice_is_empty(claims->client) ||
            hf_slice_equal(claims->client, hf_slice(text, HF_CLIENT_ID_TEXT_LEN)));
}

int hf_session_verify_subscription(const struct hf_session *session, struct hf_slice channel,
                                   struct hf_slice token, struct hf_token_claims *claims)
{
    switch (verify(session, HF_TOKEN_SUBSCRIPTION, token, claims)) {
    case HF_TOKEN_OK:
        break;
    case HF_TOKEN_INVALID:
        return HF_ERROR_PERMISSION_DENIED;
    case HF_TOKEN_EXPIRED:
        return HF_ERROR_TOKEN_EXPIRED;
    case HF_TOKEN_KEY_PENDING: /* SDKs try again after this error */
    case HF_TOKEN_NO_MEMORY:
        return HF_ERROR_INTERNAL;
    }
    if (!is_for(session, channel, claims)) {
        return HF_DISCONNECT_INVALID_TOKEN;
    }
    return is_past(claims->expire_at_s) ? HF_ERROR_EXPIRED : 0;
}

struct hf_channel_position_flags
hf_session_override_position(struct hf_channel_position_flags flags,
                             const struct hf_channel_options *options,
                             const struct hf_token_sub *sub)
{
    unsigned given = sub->overridden;
    unsigned values = sub->override_values;

    if ((given & HF_TOKEN_OVERRIDE_FORCE_RECOVERY) != 0) {
        flags.recoverable = (values & HF_TOKEN_OVERRIDE_FORCE_RECOVERY) != 0;
    }
    if ((given & HF_TOKEN_OVERRIDE_FORCE_POSITIONING) != 0) {
        flags.positioned = (values & HF_TOKEN_OVERRIDE_FORCE_POSITIONING) != 0;
    }
    flags.recoverable = flags.recoverable && hf_channel_has_history(options);
    flags.positioned = flags.recoverable || (flags.positioned && hf_channel_has_history(options));
    return flags;
}

/* What `sub` says of the flag, else what it was. */
static bool overridden(const struct hf_token_sub *sub, enum hf_token_override bit, bool value)
{
    return (sub->overridden & bit) != 0 ? (sub->override_values & bit) != 0 : value;
}

struct hf_channel_options hf_session_override_members(const struct hf_channel_options *options,
                                                      const struct hf_token_sub *sub)
{
    struct hf_channel_options effective = *options;

    effective.presence = overridden(sub, HF_TOKEN_OVERRIDE_PRESENCE, options->presence);
    effective.join_leave = overridden(sub, HF_TOKEN_OVERRIDE_JOIN_LEAVE, options->join_leave);
    effective.force_push_join_leave =
        overridden(sub, HF_TOKEN_OVERRIDE_FORCE_PUSH_JOIN_LEAVE, options->force_push_join_leave);
    return effective;
}
