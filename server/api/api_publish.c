#include <stdlib.h>

#include "api/api_internal.h"
#include "client/session_channel.h"

/* --- what publish and broadcast share ------------------------------------------------------- */

/* The payload in *data, wherever it came from. 0 or an error. */
static int settle_data(const struct hf_api_publish_request *request, struct hf_arena *arena,
                       struct hf_slice *data)
{
    *data = request->data;
    return hf_slice_is_empty(request->b64data)
               ? 0
               : hf_api_decode_base64(request->b64data, arena, data);
}

/* Publishes into one channel. 0 (the callback follows) or an error. */
static int start(struct hf_worker *worker, struct hf_slice channel,
                 const struct hf_api_publish_request *request, struct hf_slice data,
                 hf_publish_callback *callback, void *context)
{
    struct hf_publish_params params = {
        .channel = {channel.data, channel.len},
        .fields = {.data = {data.data, data.len},
                   .tags = {request->tags.data, request->tags.len},
                   .version = request->version,
                   .version_epoch = {request->version_epoch.data, request->version_epoch.len}},
        .idempotency_key = {request->idempotency_key.data, request->idempotency_key.len},
    };
    struct hf_channel_ref ref;
    int rc;

    rc = hf_api_find_channel(worker, channel, &ref);
    if (rc != 0) {
        return rc;
    }
    rc = hf_channel_check_data(ref.options, data, hf_slice_is_empty(request->b64data));
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

/* {"offset":1,"epoch":"..."}, both absent without history. */
static void write_result(struct hf_buffer *body, struct hf_position position)
{
    char epoch[HF_EPOCH_TEXT_SIZE];

    hf_buffer_append_char(body, '{');
    if (position.offset != 0) {
        HF_BUFFER_APPEND_LITERAL(body, "\"offset\":");
        hf_buffer_append_u64(body, position.offset);
        HF_BUFFER_APPEND_LITERAL(body, ",\"epoch\":\"");
        hf_buffer_append(body, epoch, hf_epoch_format(position.epoch, epoch));
        hf_buffer_append_char(body, '"');
    }
    hf_buffer_append_char(body, '}');
}

/* --- publish -------------------------------------------------------------------------------- */

static void on_published(void *context, int rc, enum hf_publish_outcome outcome,
                         struct hf_position position)
{
    (void)outcome;
    struct hf_api_call *call = context;

    if (rc != HF_OK) {
        hf_api_answer_error(call, hf_api_engine_error(rc));
        return;
    }
    write_result(hf_api_result_begin(call), position);
    hf_api_result_end(call);
}

void hf_api_publish(struct hf_api_call *call, const union hf_api_request *request)
{
    struct hf_arena arena;
    struct hf_slice data;
    int rc;

    hf_arena_init(&arena, 0);
    rc = settle_data(&request->publish, &arena, &data);
    if (rc == 0) {
        rc = start(call->worker, request->publish.channel, &request->publish, data, on_published,
                   call);
    }
    hf_arena_fini(&arena);
    if (rc != 0) {
        hf_api_answer_error(call, rc);
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
    struct hf_api_call *call;
    size_t open; /* answers that are missing, and one while publishing goes on */
    size_t count;
    struct slot slots[]; /* in the order of the channels */
};

/* {"result":...} or {"error":...} */
static void write_slot(struct hf_buffer *body, const struct slot *slot)
{
    if (slot->error != 0) {
        HF_BUFFER_APPEND_LITERAL(body, "{\"error\":");
        hf_api_write_error(body, slot->error);
    } else {
        HF_BUFFER_APPEND_LITERAL(body, "{\"result\":");
        write_result(body, slot->position);
    }
    hf_buffer_append_char(body, '}');
}

/* Answers when nothing is missing any more. */
static void broadcast_release(struct broadcast *broadcast)
{
    struct hf_api_call *call = broadcast->call;
    struct hf_buffer *body;

    if (--broadcast->open > 0) {
        return;
    }
    body = hf_api_result_begin(call);
    HF_BUFFER_APPEND_LITERAL(body, "{\"responses\":[");
    for (size_t i = 0; i < broadcast->count; i++) {
        if (i > 0) {
            hf_buffer_append_char(body, ',');
        }
        write_slot(body, &broadcast->slots[i]);
    }
    HF_BUFFER_APPEND_LITERAL(body, "]}");
    free(broadcast);
    hf_api_result_end(call);
}

static void on_slot_published(void *context, int rc, enum hf_publish_outcome outcome,
                              struct hf_position position)
{
    (void)outcome;
    struct slot *slot = context;

    slot->position = position;
    slot->error = rc == HF_OK ? 0 : (int)hf_api_engine_error(rc);
    broadcast_release(slot->broadcast);
}

/* 0 (an answer follows) or an error. */
static int broadcast_start(struct hf_api_call *call, const struct hf_api_publish_request *request,
                           struct hf_slice data)
{
    struct broadcast *broadcast;

    if (request->channel_count == 0) {
        return HF_ERROR_BAD_REQUEST;
    }
    broadcast = calloc(1, sizeof(*broadcast) + request->channel_count * sizeof(struct slot));
    if (broadcast == NULL) {
        return HF_ERROR_INTERNAL;
    }
    broadcast->call = call;
    broadcast->count = request->channel_count;
    broadcast->open = 1;
    for (size_t i = 0; i < broadcast->count; i++) {
        struct slot *slot = &broadcast->slots[i];

        slot->broadcast = broadcast;
        slot->error =
            start(call->worker, request->channels[i], request, data, on_slot_published, slot);
        if (slot->error == 0) {
            broadcast->open++;
        }
    }
    broadcast_release(broadcast);
    return 0;
}

void hf_api_broadcast(struct hf_api_call *call, const union hf_api_request *request)
{
    struct hf_arena arena;
    struct hf_slice data;
    int rc;

    hf_arena_init(&arena, 0);
    rc = settle_data(&request->publish, &arena, &data);
    if (rc == 0) {
        rc = broadcast_start(call, &request->publish, data);
    }
    hf_arena_fini(&arena);
    if (rc != 0) {
        hf_api_answer_error(call, rc);
    }
}
