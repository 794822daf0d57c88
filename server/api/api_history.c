#include "api/api_internal.h"
#include "client/publication_frame.h"
#include "client/session_channel.h"

/* Reads the body and finds the channel's options. False: the request was answered. *arena is to be
 * finished by the caller in any case. */
static bool begin(struct hf_http_request *http, struct hf_arena *arena,
                  struct hf_api_history_request *request, struct hf_channel_ref *ref)
{
    enum hf_error_code code;

    switch (hf_api_parse_history(http->body, arena, request)) {
    case HF_API_PARSED:
        break;
    case HF_API_PARSE_NO_MEMORY:
        hf_api_respond_error(http, HF_ERROR_INTERNAL);
        return false;
    case HF_API_PARSE_MALFORMED:
    case HF_API_PARSE_TOO_MANY:
        hf_api_respond_malformed(http);
        return false;
    }
    if (hf_slice_is_empty(request->channel)) {
        code = HF_ERROR_BAD_REQUEST;
    } else if (hf_channel_lookup(http->worker->config, request->channel.data, request->channel.len,
                                 ref) != HF_CHANNEL_OK) {
        code = HF_ERROR_UNKNOWN_CHANNEL;
    } else if (!hf_channel_has_history(ref->options)) {
        code = HF_ERROR_NOT_AVAILABLE;
    } else {
        return true;
    }
    hf_api_respond_error(http, code);
    return false;
}

/* --- history -------------------------------------------------------------------------------- */

static void on_history(void *context, int rc, struct hf_position position, struct hf_page *page)
{
    struct hf_http_request *http = context;
    struct hf_buffer *body = &http->worker->encode;
    char epoch[HF_EPOCH_TEXT_SIZE];

    if (rc != HF_OK) {
        hf_api_respond_error(http, hf_api_engine_error(rc));
        return;
    }
    hf_buffer_reset(body);
    HF_BUFFER_APPEND_LITERAL(body, "{\"result\":{\"publications\":[");
    for (uint32_t i = 0; page != NULL && i < page->count; i++) {
        struct hf_wire_publication wire;

        if (!hf_publication_to_wire(page->items[i], HF_ENCODING_JSON, &wire)) {
            hf_api_respond_failure(http); /* binary payloads have no form in JSON */
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
    HF_BUFFER_APPEND_LITERAL(body, "}}");
    hf_api_respond(http, body);
}

static int start_history(struct hf_http_request *http, const struct hf_api_history_request *request,
                         const struct hf_channel_ref *ref)
{
    struct hf_history_params params = {
        .channel = {request->channel.data, request->channel.len},
        .options = hf_channel_stream_options(ref->options),
        .limit = request->limit < 0 ? HF_LIMIT_NONE : (uint32_t)request->limit,
        .has_since = request->has_since,
        .reverse = request->reverse,
        .since = {.epoch = hf_epoch_parse(request->since_epoch.data, request->since_epoch.len),
                  .offset = request->since_offset},
    };

    if (request->reverse && request->has_since && request->since_offset == 0) {
        return HF_ERROR_INTERNAL; /* the peer's answer; clients of the protocol get 107 */
    }
    int rc = hf_history(http->worker->port, &params, on_history, http);
    return rc == HF_OK ? 0 : (int)hf_api_engine_error(rc);
}

void hf_api_history(struct hf_http_request *http)
{
    struct hf_api_history_request request;
    struct hf_channel_ref ref;
    struct hf_arena arena;

    if (!hf_api_admit(http)) {
        return;
    }
    hf_arena_init(&arena, 0);
    if (begin(http, &arena, &request, &ref)) {
        int rc = start_history(http, &request, &ref);

        if (rc != 0) {
            hf_api_respond_error(http, (enum hf_error_code)rc);
        }
    }
    hf_arena_fini(&arena);
}

/* --- history_remove ------------------------------------------------------------------------- */

static void on_removed(void *context, int rc)
{
    struct hf_http_request *http = context;
    struct hf_buffer *body = &http->worker->encode;

    if (rc != HF_OK) {
        hf_api_respond_error(http, hf_api_engine_error(rc));
        return;
    }
    hf_buffer_reset(body);
    HF_BUFFER_APPEND_LITERAL(body, "{\"result\":{}}");
    hf_api_respond(http, body);
}

void hf_api_history_remove(struct hf_http_request *http)
{
    struct hf_api_history_request request;
    struct hf_channel_ref ref;
    struct hf_arena arena;

    if (!hf_api_admit(http)) {
        return;
    }
    hf_arena_init(&arena, 0);
    if (begin(http, &arena, &request, &ref)) {
        struct hf_bytes channel = {request.channel.data, request.channel.len};
        int rc = hf_history_remove(http->worker->port, channel, on_removed, http);

        if (rc != HF_OK) {
            hf_api_respond_error(http, hf_api_engine_error(rc));
        }
    }
    hf_arena_fini(&arena);
}
