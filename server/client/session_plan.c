#include "client/session_plan.h"

#include <string.h>

#include "client/session_internal.h"
#include "log.h"

static struct hf_join_item *find_item(const struct hf_join_plan *plan, struct hf_slice channel)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (hf_slice_equal(plan->items[i].channel, channel)) {
            return &plan->items[i];
        }
    }
    return NULL;
}

static int plan_token(const struct hf_session *session, const struct hf_token_claims *claims,
                      struct hf_join_plan *plan)
{
    for (size_t i = 0; i < claims->subs_count; i++) {
        struct hf_slice channel = claims->subs[i].channel;
        struct hf_channel_ref ref;

        if (hf_channel_lookup(session->worker->config, channel.data, channel.len, &ref) !=
            HF_CHANNEL_OK) {
            return HF_ERROR_UNKNOWN_CHANNEL;
        }
        plan->items[plan->count++] = (struct hf_join_item){
            .channel = channel, .options = ref.options, .token = &claims->subs[i]};
    }
    return 0;
}

/* [namespace:]#user */
static int plan_personal_channel(const struct hf_session *session, struct hf_join_plan *plan)
{
    const struct hf_config *config = session->worker->config;
    const struct hf_config_personal_channel *personal =
        &config->client.subscribe_to_user_personal_channel;
    struct hf_slice parts[] = {hf_slice_of(personal->personal_channel_namespace),
                               hf_slice_of(personal->personal_channel_namespace[0] == '\0'
                                               ? ""
                                               : config->channel.namespace_boundary),
                               hf_slice_of(config->channel.user_boundary),
                               hf_session_user(session)};
    struct hf_slice channel = {0};
    struct hf_channel_ref ref;
    char *name;

    if (!personal->enabled || hf_slice_is_empty(hf_session_user(session))) {
        return 0;
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        channel.len += parts[i].len;
    }
    name = hf_arena_alloc(hf_hub_arena(session->worker->hub), channel.len);
    if (name == NULL) {
        return HF_ERROR_INTERNAL;
    }
    channel.data = name;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        memcpy(name, parts[i].data, parts[i].len);
        name += parts[i].len;
    }
    if (find_item(plan, channel) != NULL) {
        return 0;
    }
    if (hf_channel_lookup(config, channel.data, channel.len, &ref) != HF_CHANNEL_OK) {
        return HF_ERROR_UNKNOWN_CHANNEL; /* a user name may hold a boundary */
    }
    plan->items[plan->count++] = (struct hf_join_item){.channel = channel, .options = ref.options};
    return 0;
}

/* The subscription token that a unidirectional client has sent with its wish. */
static int plan_token_of_wish(const struct hf_session *session, struct hf_join_item *item)
{
    struct hf_token_claims *claims =
        hf_arena_alloc(hf_hub_arena(session->worker->hub), sizeof(*claims));
    int code;

    if (claims == NULL) {
        return HF_ERROR_INTERNAL;
    }
    *claims = (struct hf_token_claims){0};
    code = hf_session_verify_subscription(session, item->channel, item->wish->token, claims);
    item->token = &claims->sub;
    item->has_own_token = true;
    item->expire_at_s = claims->expire_at_s;
    return code;
}

/* A channel of the client's own choice. */
static int plan_wish(const struct hf_session *session, const struct hf_connect_sub *sub,
                     bool is_strict, struct hf_join_plan *plan)
{
    const struct hf_config *config = session->worker->config;
    struct hf_slice user = hf_session_user(session);
    const struct hf_channel_caller caller = {
        .user = user.data, .user_len = user.len, .is_subscribed = true};
    struct hf_join_item item = {.channel = sub->channel, .wish = &sub->request};
    struct hf_channel_ref ref;
    int allowed =
        (int)hf_channel_may_subscribe(config, sub->channel.data, sub->channel.len, &caller, &ref);

    if (allowed == (int)HF_CHANNEL_UNKNOWN) {
        return HF_DISCONNECT_BAD_REQUEST;
    }
    if (hf_slice_is_empty(sub->channel) ||
        hf_channel_check_length(config, sub->channel.len) != HF_CHANNEL_OK) {
        allowed = (int)HF_CHANNEL_BAD_REQUEST;
    }
    if (allowed != (int)HF_CHANNEL_BAD_REQUEST && session->transport->is_unidirectional &&
        !hf_slice_is_empty(sub->request.token)) {
        allowed = plan_token_of_wish(session, &item); /* it alone decides */
        if (allowed != 0) {
            return allowed;
        }
    }
    if (allowed == (int)HF_CHANNEL_OK) {
        item.options = ref.options;
        plan->items[plan->count++] = item;
        return 0;
    }
    hf_log(HF_LOG_DEBUG, "a client may not have the channel that it wishes for", "channel=%.*s",
           (int)sub->channel.len, sub->channel.data);
    return is_strict ? HF_DISCONNECT_PERMISSION_DENIED : 0;
}

/* What the client wishes for: words about what it gets anyway, and channels of its own choice,
 * which it gets if it could subscribe to them by itself. */
static int plan_wishes(const struct hf_session *session, const struct hf_connect_request *request,
                       bool is_strict, struct hf_join_plan *plan)
{
    uint32_t limit = session->worker->config->client.channel_limit;
    int code = 0;

    for (size_t i = 0; i < request->subs_count && code == 0; i++) {
        struct hf_join_item *item = find_item(plan, request->subs[i].channel);

        if (item != NULL) {
            item->wish = &request->subs[i].request;
        } else {
            code = plan_wish(session, &request->subs[i], is_strict, plan);
        }
        if (code == 0 && plan->count > limit && !session->transport->is_transient) {
            code = HF_DISCONNECT_CHANNEL_LIMIT;
        }
    }
    return code;
}

/* Who only looks in gets what it came for. */
static void drop_unwished(struct hf_join_plan *plan)
{
    size_t kept = 0;

    for (size_t i = 0; i < plan->count; i++) {
        if (plan->items[i].wish != NULL) {
            plan->items[kept++] = plan->items[i];
        }
    }
    plan->count = kept;
}

int hf_session_plan_join(const struct hf_session *session, const struct hf_connect_request *request,
                         bool is_strict, const struct hf_token_claims *claims,
                         struct hf_join_plan *plan)
{
    uint32_t limit = session->worker->config->client.channel_limit;
    size_t most = claims->subs_count + request->subs_count + 1;
    int code;

    if (claims->subs_count > limit) {
        return HF_DISCONNECT_CHANNEL_LIMIT;
    }
    plan->items = hf_arena_alloc(hf_hub_arena(session->worker->hub), most * sizeof(*plan->items));
    if (plan->items == NULL) {
        return HF_ERROR_INTERNAL;
    }
    code = plan_token(session, claims, plan);
    if (code == 0) {
        code = plan_personal_channel(session, plan);
    }
    if (code == 0) {
        code = plan_wishes(session, request, is_strict, plan);
    }
    if (session->transport->is_transient) {
        drop_unwished(plan);
    }
    return code == 0 && plan->count > limit ? HF_DISCONNECT_CHANNEL_LIMIT : code;
}
