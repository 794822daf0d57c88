#include "net/uni_request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/channel_rules.h"
#include "worker.h"

/* The connect request, from a copy: the texts must outlive the HTTP request. */
static int decode(struct hf_uni_request *request, struct hf_slice text, const char **reason)
{
    char *copy = hf_arena_alloc(&request->arena, text.len + 2);
    *reason = "no memory";
    if (copy == NULL) {
        return 500;
    }
    memcpy(copy, text.len > 0 ? text.data : "{}", text.len > 0 ? text.len : 2);
    struct hf_slice message = hf_slice(copy, text.len > 0 ? text.len : 2);
    switch (hf_connect_request_decode_json(message, &request->arena, &request->connect, NULL)) {
    case HF_COMMAND_OK:
        return 0;
    case HF_COMMAND_NO_MEMORY:
        return 500;
    default:
        *reason = "the connect request is not understood";
        return 400;
    }
}

/* One `channel=` of the query. Whether a client may have it is not asked here, only whether any
 * could. */
static int add_channel(struct hf_uni_request *request, const struct hf_worker *worker,
                       struct hf_slice channel, const char **reason)
{
    struct hf_connect_request *connect = &request->connect;
    struct hf_channel_caller anyone = {.user = "", .is_subscribed = true};
    struct hf_channel_ref ref;
    if (channel.len == 0 || hf_channel_check_length(worker->config, channel.len) != HF_CHANNEL_OK) {
        *reason = "a channel is empty or too long";
        return 400;
    }
    switch (hf_channel_may_subscribe(worker->config, channel.data, channel.len, &anyone, &ref)) {
    case HF_CHANNEL_OK:
    case HF_CHANNEL_DENIED: /* to anyone */
        break;
    default:
        *reason = "unknown channel";
        return 400;
    }
    request->is_plain = true;
    connect->subs[connect->subs_count++] = (struct hf_connect_sub){
        .channel = channel,
        .request = {.channel = channel, .positioned = true, .recoverable = true},
    };
    return 0;
}

static int add_subscription_token(struct hf_uni_request *request, struct hf_slice token,
                                  const char **reason)
{
    struct hf_connect_request *connect = &request->connect;
    if (!request->is_plain) {
        *reason = "a subscription_token needs a channel before it";
        return 400;
    }
    connect->subs[connect->subs_count - 1].request.token = token;
    return 0;
}

/* How many channels a query has room for. */
static size_t most_channels(struct hf_slice query)
{
    return query.len / (sizeof("channel=") - 1);
}

enum parameter { PARAMETER_CHANNEL, PARAMETER_SUBSCRIPTION_TOKEN, PARAMETER_TOKEN, PARAMETERS };

static const char *const parameter_names[] = {
    [PARAMETER_CHANNEL] = "channel",
    [PARAMETER_SUBSCRIPTION_TOKEN] = "subscription_token",
    [PARAMETER_TOKEN] = "token",
};

/* Takes the one parameter that is left in the query of `rest`. */
static int add_parameter(struct hf_uni_request *request, const struct hf_http_request *rest,
                         enum parameter parameter, const char **reason)
{
    struct hf_connect_request *connect = &request->connect;
    size_t size = rest->query.len + 1;
    size_t len = 0;
    char *text = hf_arena_alloc(&request->arena, size);
    if (text == NULL) {
        *reason = "no memory";
        return 500;
    }
    if (!hf_http_query(rest, parameter_names[parameter], text, size, &len)) {
        *reason = "a parameter is not percent-encoded as it should be";
        return 400;
    }
    if (parameter == PARAMETER_CHANNEL) {
        return add_channel(request, rest->worker, hf_slice(text, len), reason);
    }
    if (parameter == PARAMETER_SUBSCRIPTION_TOKEN) {
        return add_subscription_token(request, hf_slice(text, len), reason);
    }
    if (hf_slice_is_empty(connect->token)) {
        connect->token = hf_slice(text, len);
    }
    return 0;
}

/* Each parameter in turn: hf_http_query finds the first of what is left of the query. */
static int add_query(struct hf_uni_request *request, const struct hf_http_request *http,
                     const char **reason)
{
    struct hf_connect_request *connect = &request->connect;
    size_t most = connect->subs_count + most_channels(http->query);
    struct hf_connect_sub *subs = hf_arena_alloc(&request->arena, (most + 1) * sizeof(*subs));
    *reason = "no memory";
    if (subs == NULL) {
        return 500;
    }
    if (connect->subs_count > 0) {
        memcpy(subs, connect->subs, connect->subs_count * sizeof(*subs));
    }
    connect->subs = subs;
    struct hf_http_request rest = *http;
    int status = 0;
    for (const char *at = http->query.data, *end = at + http->query.len; at < end;) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        next = next != NULL ? next : end;
        rest.query = hf_slice(at, (size_t)(next - at));
        for (unsigned i = 0; i < PARAMETERS && status == 0; i++) {
            if (hf_http_query_has(&rest, parameter_names[i])) {
                status = add_parameter(request, &rest, (enum parameter)i, reason);
            }
        }
        if (status != 0) {
            return status;
        }
        at = next + 1;
    }
    return 0;
}

static int add_header_token(struct hf_uni_request *request, const struct hf_http_request *http,
                            const char **reason)
{
    static const char scheme[] = "Bearer ";
    size_t scheme_len = sizeof(scheme) - 1;
    struct hf_slice value = hf_http_header(http, "authorization");
    if (!hf_slice_is_empty(request->connect.token) || value.len <= scheme_len ||
        strncasecmp(value.data, scheme, scheme_len) != 0) {
        return 0;
    }
    char *text = hf_arena_alloc(&request->arena, value.len - scheme_len);
    if (text == NULL) {
        *reason = "no memory";
        return 500;
    }
    memcpy(text, value.data + scheme_len, value.len - scheme_len);
    request->connect.token = hf_slice(text, value.len - scheme_len);
    return 0;
}

/* What the client has seen already, where its request does not say so itself. */
static int add_positions(struct hf_uni_request *request, const struct hf_event_ids *since)
{
    for (size_t i = 0; since != NULL && i < request->connect.subs_count; i++) {
        struct hf_subscribe_request *sub = &request->connect.subs[i].request;
        struct hf_position position;
        char epoch[HF_EPOCH_TEXT_SIZE];
        if (sub->recover ||
            !hf_event_ids_find(since, request->connect.subs[i].channel, &position)) {
            continue;
        }
        size_t len = hf_epoch_format(position.epoch, epoch);
        char *text = hf_arena_alloc(&request->arena, len + 1);
        if (text == NULL) {
            return 500;
        }
        memcpy(text, epoch, len);
        sub->recover = true;
        sub->offset = position.offset;
        sub->epoch = hf_slice(text, len);
    }
    return 0;
}

int hf_uni_request_read(struct hf_uni_request *request, const struct hf_http_request *http,
                        struct hf_slice text, const struct hf_event_ids *since, const char **reason)
{
    struct hf_slice header = hf_http_header(http, "authorization");
    hf_arena_init(&request->arena, (text.len + http->query.len + header.len + 64) * 64);
    request->is_plain = false;
    int status = decode(request, text, reason);
    if (status == 0) {
        status = add_query(request, http, reason);
    }
    if (status == 0) {
        status = add_header_token(request, http, reason);
    }
    return status != 0 ? status : add_positions(request, since);
}

void hf_uni_request_fini(struct hf_uni_request *request)
{
    hf_arena_fini(&request->arena);
}
