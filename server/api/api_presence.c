#include "api/api_internal.h"

#include "reply.h"

/* The body's channel, when its presence is kept. False: the request was answered. The caller ends
 * `arena` in any case. */
static bool begin(struct hf_http_request *http, struct hf_arena *arena, struct hf_bytes *channel)
{
    struct hf_api_history_request request;
    struct hf_channel_ref ref;
    enum hf_error_code code;

    switch (hf_api_parse_history(http->body, arena, &request)) {
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
    if (hf_slice_is_empty(request.channel)) {
        code = HF_ERROR_BAD_REQUEST;
    } else if (hf_channel_lookup(http->worker->config, request.channel.data, request.channel.len,
                                 &ref) != HF_CHANNEL_OK) {
        code = HF_ERROR_UNKNOWN_CHANNEL;
    } else if (!ref.options->presence) {
        code = HF_ERROR_NOT_AVAILABLE;
    } else {
        *channel = (struct hf_bytes){request.channel.data, request.channel.len};
        return true;
    }
    hf_api_respond_error(http, code);
    return false;
}

static void on_presence(void *context, int rc, const struct hf_present_client *clients,
                        size_t count)
{
    struct hf_http_request *http = context;
    struct hf_buffer *body = &http->worker->encode;
    bool has_member = false;

    if (rc != HF_OK) {
        hf_api_respond_error(http, hf_api_engine_error(rc));
        return;
    }
    hf_buffer_reset(body);
    HF_BUFFER_APPEND_LITERAL(body, "{\"result\":{\"presence\":{");
    for (size_t i = 0; i < count; i++) {
        struct hf_slice info = hf_slice(clients[i].info.data, clients[i].info.len);

        if (!hf_json_is_valid(info)) {
            continue; /* no Holdfast wrote it */
        }
        if (has_member) {
            hf_buffer_append_char(body, ',');
        }
        has_member = true;
        hf_json_append_string(body, hf_slice(clients[i].client.data, clients[i].client.len));
        hf_buffer_append_char(body, ':');
        hf_json_append_raw(body, info);
    }
    HF_BUFFER_APPEND_LITERAL(body, "}}}");
    hf_api_respond(http, body);
}

static void on_stats(void *context, int rc, uint64_t clients, uint64_t users)
{
    struct hf_http_request *http = context;
    struct hf_buffer *body = &http->worker->encode;

    if (rc != HF_OK) {
        hf_api_respond_error(http, hf_api_engine_error(rc));
        return;
    }
    hf_buffer_reset(body);
    HF_BUFFER_APPEND_LITERAL(body, "{\"result\":{\"num_clients\":");
    hf_buffer_append_u64(body, clients);
    HF_BUFFER_APPEND_LITERAL(body, ",\"num_users\":");
    hf_buffer_append_u64(body, users);
    HF_BUFFER_APPEND_LITERAL(body, "}}");
    hf_api_respond(http, body);
}

static void answer(struct hf_http_request *http, bool wants_stats)
{
    struct hf_bytes channel;
    struct hf_arena arena;

    if (!hf_api_admit(http)) {
        return;
    }
    hf_arena_init(&arena, 0);
    if (begin(http, &arena, &channel)) {
        struct hf_port *port = http->worker->port;
        int rc = wants_stats ? hf_presence_stats(port, channel, on_stats, http)
                             : hf_presence_get(port, channel, on_presence, http);

        if (rc != HF_OK) {
            hf_api_respond_error(http, hf_api_engine_error(rc));
        }
    }
    hf_arena_fini(&arena);
}

void hf_api_presence(struct hf_http_request *http)
{
    answer(http, false);
}

void hf_api_presence_stats(struct hf_http_request *http)
{
    answer(http, true);
}
