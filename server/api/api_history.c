#include "api/api_internal.h"
#include "client/publication_frame.h"
#include "client/session_channel.h"

/* The options of a channel that has history. 0 or an error. */
static int find(const struct hf_worker *worker, struct hf_slice channel, struct hf_channel_ref *ref)
{
    int rc = hf_api_find_channel(worker, channel, ref);

    return rc == 0 && !hf_channel_has_history(ref->options) ? HF_ERROR_NOT_AVAILABLE : rc;
}

/* --- history -------------------------------------------------------------------------------- */

static void on_history(void *context, int rc, struct hf_position position, struct hf_page *page)
{
    struct hf_api_call *call = context;
    struct hf_buffer *body;
    char epoch[HF_EPOCH_TEXT_SIZE];

    if (rc != HF_OK) {
        hf_api_answer_error(call, hf_api_engine_error(rc));
        return;
    }
    body = hf_api_result_begin(call);
    HF_BUFFER_APPEND_LITERAL(body, "{\"publications\":[");
    for (uint32_t i = 0; page != NULL && i < page->count; i++) {
        struct hf_wire_publication wire;

        if (!hf_publication_to_wire(page->items[i], HF_ENCODING_JSON, &wire)) {
            hf_api_answer_error(call, HF_API_FAILED); /* binary payloads have no form in JSON */
            return;
        }
        if (i > 0) {
            hf_buffer_append_char(body, ',');
        }
        hf_reply_json_publication(body, &wire);
    }
    HF_BUFFER_APPEND_LITERAL(body, "],\"epoch\":\"");
    hf_buffer_append(body, epoch, hf_epoch_format(position.epoch, epoch));
    HF_BUFFER_APPEND_LITERAL(body, "\",\"offset\":");
    hf_buffer_append_u64(body, position.offset);
    hf_buffer_append_char(body, '}');
    hf_api_result_end(call);
}

static int start_history(struct hf_api_call *call, const struct hf_api_history_request *request)
{
    struct hf_channel_ref ref;
    struct hf_history_params params;
    int rc = find(call->worker, request->channel, &ref);

    if (rc == 0 && request->reverse && request->has_since && request->since_offset == 0) {
        rc = HF_ERROR_INTERNAL; /* the peer's answer; clients of the protocol get 107 */
    }
    if (rc != 0) {
        return rc;
    }
    params = (struct hf_history_params){
        .channel = {request->channel.data, request->channel.len},
        .options = hf_channel_stream_options(ref.options),
        .limit = request->limit < 0 ? HF_LIMIT_NONE : (uint32_t)request->limit,
        .has_since = request->has_since,
        .reverse = request->reverse,
        .since = {.epoch = hf_epoch_parse(request->since_epoch.data, request->since_epoch.len),
                  .offset = request->since_offset},
    };
    rc = hf_history(call->worker->port, &params, on_history, call);
    return rc == HF_OK ? 0 : (int)hf_api_engine_error(rc);
}

void hf_api_history(struct hf_api_call *call, const union hf_api_request *request)
{
    int rc = start_history(call, &request->history);

    if (rc != 0) {
        hf_api_answer_error(call, rc);
    }
}

/* --- history_remove ------------------------------------------------------------------------- */

static void on_removed(void *context, int rc)
{
    struct hf_api_call *call = context;

    if (rc != HF_OK) {
        hf_api_answer_error(call, hf_api_engine_error(rc));
    } else {
        hf_api_answer_empty(call);
    }
}

void hf_api_history_remove(struct hf_api_call *call, const union hf_api_request *request)
{
    struct hf_slice channel = request->history.channel;
    struct hf_channel_ref ref;
    int rc = find(call->worker, channel, &ref);

    if (rc == 0) {
        int sent = hf_history_remove(
            call->worker->port, (struct hf_bytes){channel.data, channel.len}, on_removed, call);

        rc = sent == HF_OK ? 0 : (int)hf_api_engine_error(sent);
    }
    if (rc != 0) {
        hf_api_answer_error(call, rc);
    }
}
