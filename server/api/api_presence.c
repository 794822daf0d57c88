#include "api/api_internal.h"

static void on_presence(void *context, int rc, const struct hf_present_client *clients,
                        size_t count)
{
    struct hf_api_call *call = context;
    struct hf_buffer *body;
    bool has_member = false;

    if (rc != HF_OK) {
        hf_api_answer_error(call, hf_api_engine_error(rc));
        return;
    }
    body = hf_api_result_begin(call);
    HF_BUFFER_APPEND_LITERAL(body, "{\"presence\":{");
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
    HF_BUFFER_APPEND_LITERAL(body, "}}");
    hf_api_result_end(call);
}

static void on_stats(void *context, int rc, uint64_t clients, uint64_t users)
{
    struct hf_api_call *call = context;
    struct hf_buffer *body;

    if (rc != HF_OK) {
        hf_api_answer_error(call, hf_api_engine_error(rc));
        return;
    }
    body = hf_api_result_begin(call);
    HF_BUFFER_APPEND_LITERAL(body, "{\"num_clients\":");
    hf_buffer_append_u64(body, clients);
    HF_BUFFER_APPEND_LITERAL(body, ",\"num_users\":");
    hf_buffer_append_u64(body, users);
    hf_buffer_append_char(body, '}');
    hf_api_result_end(call);
}

/* The channel's name, when its presence is kept. 0 or an error. */
static int find(const struct hf_worker *worker, const union hf_api_request *request,
                struct hf_bytes *channel)
{
    struct hf_channel_ref ref;
    int rc = hf_api_find_channel(worker, request->history.channel, &ref);

    *channel = (struct hf_bytes){request->history.channel.data, request->history.channel.len};
    return rc == 0 && !ref.options->presence ? HF_ERROR_NOT_AVAILABLE : rc;
}

void hf_api_presence(struct hf_api_call *call, const union hf_api_request *request)
{
    struct hf_bytes channel;
    int rc = find(call->worker, request, &channel);

    if (rc == 0) {
        int sent = hf_presence_get(call->worker->port, channel, on_presence, call);

        rc = sent == HF_OK ? 0 : (int)hf_api_engine_error(sent);
    }
    if (rc != 0) {
        hf_api_answer_error(call, rc);
    }
}

void hf_api_presence_stats(struct hf_api_call *call, const union hf_api_request *request)
{
    struct hf_bytes channel;
    int rc = find(call->worker, request, &channel);

    if (rc == 0) {
        int sent = hf_presence_stats(call->worker->port, channel, on_stats, call);

        rc = sent == HF_OK ? 0 : (int)hf_api_engine_error(sent);
    }
    if (rc != 0) {
        hf_api_answer_error(call, rc);
    }
}
