#include <stdlib.h>

#include "api/api_internal.h"
#include "client/session_channel.h"
#include "log.h"

/* --- what publish and broadcast share ------------------------------------------------------- */

/* Reads the body. 0, or the error to answer with; *is_malformed: HTTP 400 instead. */
static int parse(struct hf_http_request *http, struct hf_arena *arena,
                 struct hf_api_publish_request *request, bool *is_malformed)
{
    size_t channels_max = http->worker->config->holdfast.broadcast_channels_max;

    *is_malformed = false;
    switch (hf_api_parse_publish(http->body, arena, channels_max, request)) {
    case HF_API_PARSED:
        return 0;
    case HF_API_PARSE_MALFORMED:
        *is_malformed = true;
        return HF_ERROR_BAD_REQUEST;
    case HF_API_PARSE_TOO_MANY:
        hf_log(HF_LOG_DEBUG, "broadcast to more channels than holdfast.broadcast_channels_max",
               "max=%zu", channels_max);
        return HF_ERROR_BAD_REQUEST;
    case HF_API_PARSE_NO_MEMORY:
        break;
    }
    return HF_ERROR_INTERNAL;
}

/* The payload in `data`, wherever it came from. 0 or an error. */
static int settle_data(struct hf_api_publish_request *request, struct hf_arena *arena)
{
    bool is_memory;

    if (hf_slice_is_empty(request->b64data) ||
        hf_api_decode_base64(request->b64data, arena, &request->data, &is_memory)) {
        return 0;
    }
    return is_memory ? HF_ERROR_INTERNAL : HF_ERROR_BAD_REQUEST;
}

/* Publishes into one channel. 0 (the callback follows) or an error. */
static int start(struct hf_worker *worker, struct hf_slice channel,
                 const struct hf_api_publish_request *request, hf_publish_callback *callback,
                 void *context)
{
    struct hf_publish_params params = {
        .channel = {channel.data, channel.len},
        .fields = {.data = {request->data.data, request->data.len},
                   .tags = {request->tags.data, request->tags.len},
                   .version = request->version},
        .version_epoch = {request->version_epoch.data, request->version_epoch.len},
        .idempotency_key = {request->idempotency_key.data, request->idempotency_key.len},
    };
    struct hf_channel_ref ref;
    int rc;

    if (hf_slice_is_empty(channel)) {
        return HF_ERROR_BAD_REQUEST;
    }
    if (hf_channel_lookup(worker->config, channel.data, channel.len, &ref) != HF_CHANNEL_OK) {
        return HF_ERROR_UNKNOWN_CHANNEL;
    }
    rc = hf_channel_check_data(ref.options, request->data, hf_slice_is_empty(request->b64data));
    if (rc != 0) {
        return rc;
    }
    params.fields.delta = request->delta || ref.options->delta_publish;
    if (!request->skip_history) {
        params.options = hf_channel_stream_options(ref.options);
    }
    rc = hf_publish(worker->port, &params, callback, context);
    return rc == HF_OK ? 0 : (int)hf_api_engine_error(rc);
}

/* {"result":{"offset":1,"epoch":"..."}}, both absent without history. */
static void write_result(struct hf_buffer *body, struct hf_position position)
{
    char epoch[HF_EPOCH_TEXT_SIZE];

    HF_BUFFER_APPEND_LITERAL(body, "{\"result\":{");
    if (position.offset != 0) {
        HF_BUFFER_APPEND_LITERAL(body, "\"offset\":");
        hf_buffer_append_u64(body, position.offset);
        HF_BUFFER_APPEND_LITERAL(body, ",\"epoch\":\"");
        hf_buffer_append(body, epoch, hf_epoch_format(position.epoch, epoch));
        hf_buffer_append_char(body, '"');
    }
    HF_BUFFER_APPEND_LITERAL(body, "}}");
}

/* --- publish -------------------------------------------------------------------------------- */

static void on_published(void *context, int rc, struct hf_position position)
{
    struct hf_http_request *http = context;
    struct hf_buffer *body = &http->worker->encode;

    if (rc != HF_OK) {
        hf_api_respond_error(http, hf_api_engine_error(rc));
        return;
    }
    hf_buffer_reset(body);
    write_result(body, position);
    hf_api_respond(http, body);
}

void hf_api_publish(struct hf_http_request *http)
{
    struct hf_api_publish_request request;
    struct hf_arena arena;
    bool is_malformed;
    int rc;

    if (!hf_api_admit(http)) {
        return;
    }
    hf_arena_init(&arena, 0);
    rc = parse(http, &arena, &request, &is_malformed);
    if (rc == 0) {
        rc = settle_data(&request, &arena);
    }
    if (rc == 0) {
        rc = start(http->worker, request.channel, &request, on_published, http);
    }
    hf_arena_fini(&arena);
    if (is_malformed) {
        hf_api_respond_malformed(http);
    } else if (rc != 0) {
        hf_api_respond_error(http, (enum hf_error_code)rc);
    }
}

/* --- broadcast ------------------------------------------------------------------------------ */

struct broadcast;

/* One channel's answer. */
struct slot {
    struct broadcast *broadcast;
    struct hf_position position;
    int error; /* 0 or an error code */
};

struct broadcast {
    struct hf_http_request *http;
    size_t open; /* answers that are missing, and one while publishing goes on */
    size_t count;
    struct slot slots[]; /* in the order of the channels */
};

static void write_slot_error(struct hf_buffer *body, int code)
{
    HF_BUFFER_APPEND_LITERAL(body, "{\"error\":{\"code\":");
    hf_buffer_append_u64(body, (uint64_t)code);
    HF_BUFFER_APPEND_LITERAL(body, ",\"message\":");
    hf_json_append_string(body, hf_slice_of(hf_error_message((uint32_t)code)));
    HF_BUFFER_APPEND_LITERAL(body, "}}");
}

/* Answers when nothing is missing any more. */
static void broadcast_release(struct broadcast *broadcast)
{
    struct hf_buffer *body = &broadcast->http->worker->encode;

    if (--broadcast->open > 0) {
        return;
    }
    hf_buffer_reset(body);
    HF_BUFFER_APPEND_LITERAL(body, "{\"result\":{\"responses\":[");
    for (size_t i = 0; i < broadcast->count; i++) {
        const struct slot *slot = &broadcast->slots[i];

        if (i > 0) {
            hf_buffer_append_char(body, ',');
        }
        if (slot->error != 0) {
            write_slot_error(body, slot->error);
        } else {
            write_result(body, slot->position);
        }
    }
    HF_BUFFER_APPEND_LITERAL(body, "]}}");
    hf_api_respond(broadcast->http, body);
    free(broadcast);
}

static void on_slot_published(void *context, int rc, struct hf_position position)
{
    struct slot *slot = context;

    slot->position = position;
    slot->error = rc == HF_OK ? 0 : (int)hf_api_engine_error(rc);
    broadcast_release(slot->broadcast);
}

/* 0 (an answer follows) or an error. */
static int broadcast_start(struct hf_http_request *http,
                           const struct hf_api_publish_request *request)
{
    struct broadcast *broadcast;

    if (request->channel_count == 0) {
        return HF_ERROR_BAD_REQUEST;
    }
    broadcast = calloc(1, sizeof(*broadcast) + request->channel_count * sizeof(struct slot));
    if (broadcast == NULL) {
        return HF_ERROR_INTERNAL;
    }
    broadcast->http = http;
    broadcast->count = request->channel_count;
    broadcast->open = 1;
    for (size_t i = 0; i < broadcast->count; i++) {
        struct slot *slot = &broadcast->slots[i];

        slot->broadcast = broadcast;
        slot->error = start(http->worker, request->channels[i], request, on_slot_published, slot);
        if (slot->error == 0) {
            broadcast->open++;
        }
    }
    broadcast_release(broadcast);
    return 0;
}

void hf_api_broadcast(struct hf_http_request *http)
{
    struct hf_api_publish_request request;
    struct hf_arena arena;
    bool is_malformed;
    int rc;

    if (!hf_api_admit(http)) {
        return;
    }
    hf_arena_init(&arena, 0);
    rc = parse(http, &arena, &request, &is_malformed);
    if (rc == 0) {
        rc = settle_data(&request, &arena);
    }
    if (rc == 0) {
        rc = broadcast_start(http, &request);
    }
    hf_arena_fini(&arena);
    if (is_malformed) {
        hf_api_respond_malformed(http);
    } else if (rc != 0) {
        hf_api_respond_error(http, (enum hf_error_code)rc);
    }
}
