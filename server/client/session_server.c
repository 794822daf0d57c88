#include "client/session_server.h"

#include <stdlib.h>
#include <string.h>

#include "client/member.h"
#include "client/session_internal.h"
#include "log.h"

/* --- subscribe ------------------------------------------------------------------------------ */

static void log_refusal(const struct hf_user_command *command, const char *reason)
{
    hf_log(HF_LOG_WARN, "a connection was not subscribed for the server API",
           "channel=%.*s reason=%s", (int)command->channel.len, command->channel.data, reason);
}

/* Nobody waits for an answer, but the client must not believe in what is not there. */
static void fail(struct hf_session_request *request, int rc)
{
    hf_log(HF_LOG_WARN, "a connection could not be subscribed for the server API", "reason=%s",
           hf_error_text(rc));
    if (request->subscription != NULL) {
        hf_subscription_free(request->subscription);
    }
    hf_session_request_free(request);
}

static void push_subscribe(struct hf_session *session, const struct hf_session_request *request,
                           const struct hf_subscribe_result *result)
{
    char epoch[HF_EPOCH_TEXT_SIZE];
    struct hf_subscribe_push push = {
        .recoverable = request->is_recoverable,
        .positioned = request->is_positioned,
        .data = hf_slice(request->data, request->data_len),
    };

    if (request->is_positioned) {
        push.epoch = hf_slice(epoch, hf_epoch_format(result->position.epoch, epoch));
        push.offset = result->recovered ? request->since_offset : result->position.offset;
    }
    hf_session_encoder(session)->push_subscribe(
        hf_session_reply_begin(session), hf_hub_entry_channel(request->subscription->entry), &push);
    hf_session_reply_end(session);
}

/* Tells the client; what was recovered follows as ordinary publications. Takes the request. */
static void begin(struct hf_session_request *request, const struct hf_subscribe_result *result)
{
    struct hf_subscription *subscription = request->subscription;
    struct hf_session *session = request->session;

    push_subscribe(session, request, result);
    if (!hf_session_is_closing(session) && hf_session_send_page(subscription, result->page)) {
        hf_session_go_on(request, result);
    } else {
        hf_session_request_free(request);
    }
}

static void on_subscribed(void *context, int rc, const struct hf_subscribe_result *result)
{
    struct hf_session_request *request = context;
    struct hf_session *session = request->session;
    uint64_t channel_hash = request->channel_hash;

    if (session == NULL || hf_session_is_closing(session)) {
        hf_session_request_free(request);
        return;
    }
    request->is_blocking = false;
    if (rc != HF_OK) {
        fail(request, rc);
    } else {
        begin(request, result);
    }
    hf_session_resume(session, channel_hash);
}

/* The client is present: what it is subscribed to can be asked for. */
static void on_present(void *context, int rc, bool has_returned)
{
    struct hf_session_request *request = context;
    struct hf_session *session = request->session;
    uint64_t channel_hash = request->channel_hash;

    if (session == NULL || hf_session_is_closing(session)) {
        hf_session_request_free(request);
        return;
    }
    if (rc == HF_OK) {
        hf_member_added(request->subscription, has_returned);
        rc = hf_subscribe(request->subscription->entry->watch, &request->params, false,
                          on_subscribed, request);
    }
    if (rc != HF_OK) {
        fail(request, rc);
        hf_session_resume(session, channel_hash);
    }
}

/* What the subscription is to be, and what is asked of the engine for it. */
static void prepare(struct hf_session_request *request, const struct hf_user_command *command,
                    const struct hf_channel_options *options)
{
    const struct hf_config *config = request->session->worker->config;
    uint32_t limit = config->client.recovery_max_publication_limit;
    struct hf_channel_position_flags flags = {
        .positioned = options->force_positioning,
        .recoverable = options->force_recovery,
    };
    bool is_cache = options->force_recovery_mode == HF_RECOVERY_MODE_CACHE;
    bool is_asked = command->has_since || (is_cache && options->auto_cache_recover);

    flags = hf_session_override_position(flags, options, &command->sub);
    request->is_positioned = flags.positioned;
    request->is_recoverable = flags.recoverable;
    request->has_recover = is_asked;
    request->since_offset = command->since_offset;
    request->params = (struct hf_subscribe_params){
        .recover = flags.recoverable && is_asked,
        .latest = flags.recoverable && is_asked && is_cache,
        .since = {.epoch = hf_epoch_parse(command->since_epoch.data, command->since_epoch.len),
                  .offset = command->since_offset},
        .recovery_limit = limit == 0 ? HF_LIMIT_NONE : limit,
    };
}

/* Asks the engine, after having made the client present where that is kept. */
static int ask(struct hf_session_request *request)
{
    struct hf_subscription *subscription = request->subscription;

    if (hf_member_keeps_presence(subscription)) {
        return hf_member_add(subscription, on_present, request);
    }
    return hf_subscribe(subscription->entry->watch, &request->params, false, on_subscribed,
                        request);
}

/* All checks are passed. HF_OK, or an error and nothing was begun. */
static int start(struct hf_session *session, const struct hf_user_command *command,
                 const struct hf_channel_options *options)
{
    const struct hf_channel_options effective = hf_session_override_members(options, &command->sub);
    struct hf_session_request *request = hf_session_request_link(session, 0, command->channel);
    struct hf_subscription *subscription;
    int rc = HF_ENOMEM;

    if (request == NULL) {
        return HF_ENOMEM;
    }
    subscription = hf_subscription_new(session, command->channel, &effective, NULL);
    if (subscription != NULL) {
        subscription->is_server_side = true;
        subscription->gets_joins = effective.force_push_join_leave;
        subscription->request = request;
        request->subscription = subscription;
        prepare(request, command, &effective);
        if (hf_subscription_expire_at(subscription, command->expire_at_s) &&
            hf_session_set_channel_info(subscription, command->sub.info) &&
            hf_session_request_set_data(request, command->sub.data)) {
            rc = ask(request);
        }
        if (rc == HF_OK) {
            return HF_OK;
        }
        hf_subscription_free(subscription);
    }
    hf_session_request_free(request);
    return rc;
}

static void subscribe(struct hf_session *session, const struct hf_user_command *command)
{
    const struct hf_config *config = session->worker->config;
    struct hf_slice channel = command->channel;
    struct hf_channel_ref ref;

    if (hf_channel_lookup(config, channel.data, channel.len, &ref) != HF_CHANNEL_OK) {
        log_refusal(command, "no such namespace on this node");
    } else if (hf_session_find_subscription(session, channel) != NULL) {
        hf_log(HF_LOG_DEBUG, "the connection is subscribed already", "channel=%.*s",
               (int)channel.len, channel.data);
    } else if (session->subscription_count >= config->client.channel_limit) {
        hf_session_disconnect(session, HF_DISCONNECT_CHANNEL_LIMIT);
    } else {
        int rc = start(session, command, ref.options);

        if (rc != HF_OK) {
            log_refusal(command, hf_error_text(rc));
        }
    }
}

/* --- unsubscribe ---------------------------------------------------------------------------- */

/* One that still waits for its first answer ends with that. */
static void end(struct hf_subscription *subscription)
{
    if (subscription->state == HF_SUBSCRIPTION_SUBSCRIBING) {
        subscription->is_unwanted = true;
    } else {
        hf_subscription_end(subscription, HF_UNSUBSCRIBE_SERVER);
    }
}

static void unsubscribe(struct hf_session *session, const struct hf_user_command *command)
{
    struct hf_subscription *subscription;

    if (hf_slice_is_empty(command->channel)) {
        for (uint32_t i = session->subscription_count; i > 0; i--) {
            end(session->subscriptions[i - 1]); /* the last one takes the place of who goes */
        }
        return;
    }
    subscription = hf_session_find_subscription(session, command->channel);
    if (subscription != NULL) {
        end(subscription);
    }
}

/* --- refresh -------------------------------------------------------------------------------- */

static void refresh(struct hf_session *session, const struct hf_user_command *command)
{
    bool expires = command->expire_at_s > 0;

    if (command->expired || command->expire_at_s < 0 ||
        (expires && command->expire_at_s * 1000 <= hf_session_unix_ms())) {
        hf_session_disconnect(session, HF_DISCONNECT_EXPIRED);
    } else if (!hf_session_expire_at(session, command->expire_at_s) ||
               (!hf_slice_is_empty(command->sub.info) &&
                !hf_session_set_info(session, command->sub.info))) {
        hf_session_disconnect(session, HF_DISCONNECT_SERVER_ERROR);
    } else {
        hf_session_encoder(session)->push_refresh(hf_session_reply_begin(session), expires,
                                                  expires ? hf_session_ttl(command->expire_at_s)
                                                          : 0);
        hf_session_reply_end(session);
    }
}

/* --- the command ---------------------------------------------------------------------------- */

struct hf_deferred {
    struct hf_deferred *next;
    enum hf_user_command_kind kind;
    size_t len;
    char text[]; /* len bytes: the parameters */
};

static void carry_out(struct hf_session *session, const struct hf_user_command *command)
{
    switch (command->kind) {
    case HF_USER_SUBSCRIBE:
        subscribe(session, command);
        break;
    case HF_USER_UNSUBSCRIBE:
        unsubscribe(session, command);
        break;
    case HF_USER_DISCONNECT:
        hf_session_disconnect_saying(session, command->code, command->reason);
        break;
    case HF_USER_REFRESH:
        refresh(session, command);
        break;
    }
}

/* False: no memory, or too many. */
static bool defer(struct hf_session *session, const struct hf_user_command *command)
{
    struct hf_session_identity *identity = hf_session_identity(session);
    uint32_t left = session->worker->config->holdfast.session_requests_max;
    struct hf_deferred *deferred;
    struct hf_deferred **link;

    if (identity == NULL) {
        return false;
    }
    for (link = &identity->deferred; *link != NULL && left > 0; left--) {
        link = &(*link)->next;
    }
    deferred = left > 0 ? malloc(sizeof(*deferred) + command->text.len) : NULL;
    if (deferred == NULL) {
        return false;
    }
    *deferred = (struct hf_deferred){.kind = command->kind, .len = command->text.len};
    memcpy(deferred->text, command->text.data, command->text.len);
    *link = deferred;
    return true;
}

void hf_session_serve(struct hf_session *session, const struct hf_user_command *command)
{
    if (session->transport->is_transient && command->kind != HF_USER_DISCONNECT) {
        return; /* it is over with one answer, and nobody is subscribed by looking in */
    }
    if (hf_session_is_closing(session)) {
        return;
    }
    if (session->state == HF_SESSION_CONNECTED || command->kind == HF_USER_DISCONNECT) {
        carry_out(session, command);
    } else if (!defer(session, command)) {
        hf_session_disconnect(session, HF_DISCONNECT_SERVER_ERROR);
    }
}

void hf_session_serve_deferred(struct hf_session *session)
{
    struct hf_deferred *deferred = session->identity != NULL ? session->identity->deferred : NULL;

    if (deferred != NULL) {
        session->identity->deferred = NULL;
    }
    while (deferred != NULL) {
        struct hf_deferred *next = deferred->next;
        struct hf_user_command command;
        struct hf_arena arena;

        hf_arena_init(&arena, 0);
        if (hf_session_is_closing(session)) {
            /* nothing is done any more */
        } else if (hf_user_command_parse(deferred->kind, hf_slice(deferred->text, deferred->len),
                                         &arena, &command) == HF_JSON_OK) {
            carry_out(session, &command);
        } else { /* it was parsed before, so only memory can be missing */
            hf_session_disconnect(session, HF_DISCONNECT_SERVER_ERROR);
        }
        hf_arena_fini(&arena);
        free(deferred);
        deferred = next;
    }
}

void hf_session_drop_deferred(struct hf_session *session)
{
    while (session->identity != NULL && session->identity->deferred != NULL) {
        struct hf_deferred *deferred = session->identity->deferred;

        session->identity->deferred = deferred->next;
        free(deferred);
    }
}

bool hf_session_has_session_id(const struct hf_session *session, struct hf_slice id)
{
    struct hf_connect_result told = {0};

    if (session->transport->describe != NULL) {
        session->transport->describe(session->connection, &told);
    }
    return hf_slice_equal(told.session, id);
}
