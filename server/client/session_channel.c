#include "client/session_channel.h"

#include <stdlib.h>

#include "client/publication_frame.h"
#include "client/session_internal.h"
#include "json.h"

struct hf_stream_options hf_channel_stream_options(const struct hf_channel_options *options)
{
    return (struct hf_stream_options){
        .history_size = options->history_size,
        .history_ttl_s = (uint32_t)(options->history_ttl_ms / 1000),
        .meta_ttl_s = (uint32_t)(options->history_meta_ttl_ms / 1000),
    };
}

int hf_channel_check_data(const struct hf_channel_options *options, struct hf_slice data,
                          bool is_json)
{
    struct hf_json json;

    switch (options->publication_data_format) {
    case HF_DATA_FORMAT_ANY:
        return data.len > 0 ? 0 : HF_ERROR_BAD_REQUEST;
    case HF_DATA_FORMAT_BINARY:
        return 0;
    case HF_DATA_FORMAT_JSON:
        return data.len > 0 && (is_json || hf_json_is_valid(data)) ? 0 : HF_ERROR_BAD_REQUEST;
    case HF_DATA_FORMAT_JSON_OBJECT:
        hf_json_init(&json, data, HF_JSON_MAX_DEPTH);
        return hf_json_peek(&json) == HF_JSON_OBJECT && (is_json || hf_json_is_valid(data))
                   ? 0
                   : HF_ERROR_BAD_REQUEST;
    }
    return HF_ERROR_BAD_REQUEST;
}

static struct hf_channel_caller caller_of(const struct hf_session *session, struct hf_slice channel)
{
    struct hf_slice user = hf_session_user(session);

    return (struct hf_channel_caller){
        .user = user.data,
        .user_len = user.len,
        .is_subscribed = hf_session_find_subscription(session, channel) != NULL,
    };
}

/* --- publish -------------------------------------------------------------------------------- */

static void on_published(void *context, int rc, enum hf_publish_outcome outcome,
                         struct hf_position position)
{
    (void)outcome;
    struct hf_session_request *request = context;
    struct hf_session *session = request->session;
    uint64_t channel_hash = request->channel_hash;
    uint32_t id = request->id;

    (void)position; /* the protocol does not tell it */
    hf_session_request_free(request);
    if (session == NULL || hf_session_is_closing(session)) {
        return;
    }
    if (rc != HF_OK) {
        hf_session_reply_error(session, id, hf_session_engine_error(rc));
    } else {
        hf_session_encoder(session)->publish(hf_session_reply_begin(session), id);
        hf_session_reply_end(session);
    }
    hf_session_resume(session, channel_hash);
}

/* 0 with *ref, or an error code, in the protocol's order: unknown channel and malformed name, then
 * the payload, then permission. */
static int check_publish(const struct hf_session *session, const struct hf_publish_request *request,
                         struct hf_channel_ref *ref)
{
    struct hf_slice channel = request->channel;
    struct hf_channel_caller caller = caller_of(session, channel);
    enum hf_channel_error allowed =
        hf_channel_may_publish(session->worker->config, channel.data, channel.len, &caller, ref);
    int data_error;

    if (allowed == HF_CHANNEL_UNKNOWN || allowed == HF_CHANNEL_BAD_REQUEST) {
        return (int)allowed;
    }
    if (request->type != 0 || request->removed || !hf_slice_is_empty(request->key)) {
        return HF_ERROR_NOT_AVAILABLE; /* map channels are not offered */
    }
    data_error = hf_channel_check_data(ref->options, request->data,
                                       session->transport->encoding == HF_ENCODING_JSON);
    return data_error != 0 ? data_error : (int)allowed;
}

void hf_session_publish(struct hf_session *session, uint32_t id,
                        const struct hf_publish_request *request)
{
    struct hf_worker *worker = session->worker;
    struct hf_publish_params params;
    struct hf_session_request *open;
    struct hf_channel_ref ref;
    int rc = check_publish(session, request, &ref);

    if (rc != 0) {
        hf_session_reply_error(session, id, (enum hf_error_code)rc);
        return;
    }
    open = hf_session_request_new(session, id, request->channel);
    if (open == NULL) {
        return;
    }
    open->is_publish = true;
    hf_buffer_reset(&worker->encode);
    hf_session_write_client_info(session, hf_session_find_subscription(session, request->channel),
                                 &worker->encode);
    params = (struct hf_publish_params){
        .channel = {request->channel.data, request->channel.len},
        .options = hf_channel_stream_options(ref.options),
        .fields = {.data = {request->data.data, request->data.len},
                   .info = {worker->encode.data, worker->encode.len},
                   .delta = ref.options->delta_publish},
    };
    rc = hf_buffer_failed(&worker->encode) ? HF_ENOMEM
                                           : hf_publish(worker->port, &params, on_published, open);
    if (rc != HF_OK) {
        hf_session_request_free(open);
        hf_session_reply_error(session, id, hf_session_engine_error(rc));
    }
}

/* --- history -------------------------------------------------------------------------------- */

static void write_history(struct hf_session *session, uint32_t id, struct hf_position position,
                          struct hf_page *page)
{
    struct hf_history_result result = {.offset = position.offset};
    char epoch[HF_EPOCH_TEXT_SIZE];

    switch (hf_page_list(session->worker, session->transport, page, &result.publications_raw)) {
    case HF_PUBLICATION_FRAME_OK:
        break;
    case HF_PUBLICATION_FRAME_NO_MEMORY:
        hf_session_reply_error(session, id, HF_ERROR_INTERNAL);
        return;
    case HF_PUBLICATION_FRAME_UNFIT:
        hf_session_disconnect(session, HF_DISCONNECT_INAPPROPRIATE_PROTOCOL);
        return;
    }
    result.epoch = hf_slice(epoch, hf_epoch_format(position.epoch, epoch));
    hf_session_encoder(session)->history(hf_session_reply_begin(session), id, &result);
    hf_session_reply_end(session);
}

static void on_history(void *context, int rc, struct hf_position position, struct hf_page *page)
{
    struct hf_session_request *request = context;
    struct hf_session *session = request->session;
    uint64_t channel_hash = request->channel_hash;
    uint32_t id = request->id;

    hf_session_request_free(request);
    if (session == NULL || hf_session_is_closing(session)) {
        return;
    }
    if (rc == HF_EUNRECOVERABLE) {
        hf_session_reply_error(session, id, HF_ERROR_UNRECOVERABLE_POSITION);
    } else if (rc != HF_OK) {
        hf_session_reply_error(session, id, hf_session_engine_error(rc));
    } else {
        write_history(session, id, position, page);
    }
    hf_session_resume(session, channel_hash);
}

/* limit: of the client, negative for all; max: client.history_max_publication_limit, 0 for none. */
static uint32_t clamp_limit(int32_t limit, uint32_t max)
{
    uint32_t wanted = limit < 0 ? HF_LIMIT_NONE : (uint32_t)limit;

    return max != 0 && wanted > max ? max : wanted;
}

void hf_session_history(struct hf_session *session, uint32_t id,
                        const struct hf_history_request *request)
{
    const struct hf_config *config = session->worker->config;
    struct hf_channel_caller caller = caller_of(session, request->channel);
    struct hf_history_params params;
    struct hf_session_request *open;
    struct hf_channel_ref ref;
    int rc = (int)hf_channel_may_history(config, request->channel.data, request->channel.len,
                                         &caller, &ref);

    if (rc == 0 && request->reverse && request->has_since && request->since.offset == 0) {
        rc = HF_ERROR_BAD_REQUEST;
    }
    if (rc != 0) {
        hf_session_reply_error(session, id, (enum hf_error_code)rc);
        return;
    }
    open = hf_session_request_new(session, id, request->channel);
    if (open == NULL) {
        return;
    }
    params = (struct hf_history_params){
        .channel = {request->channel.data, request->channel.len},
        .options = hf_channel_stream_options(ref.options),
        .limit = clamp_limit(request->limit, config->client.history_max_publication_limit),
        .has_since = request->has_since,
        .reverse = request->reverse,
        .since = {.epoch = hf_epoch_parse(request->since.epoch.data, request->since.epoch.len),
                  .offset = request->since.offset},
    };
    rc = hf_history(session->worker->port, &params, on_history, open);
    if (rc != HF_OK) {
        hf_session_request_free(open);
        hf_session_reply_error(session, id, hf_session_engine_error(rc));
    }
}
