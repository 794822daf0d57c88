#include <string.h>

#include "api/api_internal.h"
#include "log.h"

struct hf_buffer *hf_api_result_begin(const struct hf_api_call *call)
{
    struct hf_buffer *body = &call->worker->encode;

    hf_buffer_reset(body);
    HF_BUFFER_APPEND_LITERAL(body, "{\"result\":");
    return body;
}

void hf_api_result_end(struct hf_api_call *call)
{
    struct hf_buffer *body = &call->worker->encode;

    hf_buffer_append_char(body, '}');
    if (hf_buffer_failed(body)) {
        call->answered(call, HF_API_FAILED, (struct hf_slice){0});
    } else {
        call->answered(call, 0, hf_buffer_slice(body));
    }
}

void hf_api_answer_empty(struct hf_api_call *call)
{
    HF_BUFFER_APPEND_LITERAL(hf_api_result_begin(call), "{}");
    hf_api_result_end(call);
}

void hf_api_answer_error(struct hf_api_call *call, int code)
{
    call->answered(call, code, (struct hf_slice){0});
}

void hf_api_write_error(struct hf_buffer *body, int code)
{
    HF_BUFFER_APPEND_LITERAL(body, "{\"code\":");
    hf_buffer_append_u64(body, (uint64_t)code);
    HF_BUFFER_APPEND_LITERAL(body, ",\"message\":");
    hf_json_append_string(body, code == HF_ERROR_METHOD_NOT_FOUND
                                    ? HF_SLICE("not found") /* here also of other things */
                                    : hf_slice_of(hf_error_message((uint32_t)code)));
    hf_buffer_append_char(body, '}');
}

enum hf_error_code hf_api_engine_error(int result)
{
    if (result == HF_EUNRECOVERABLE) {
        return HF_ERROR_UNRECOVERABLE_POSITION;
    }
    if (result == HF_EINVAL || result == HF_EUNSUPPORTED) {
        static struct hf_log_limit limit;

        if (hf_log_limit_pass(&limit, 1000, NULL)) {
            hf_log(HF_LOG_ERROR, "the engine refused a request of the server API", "reason=%s",
                   hf_error_text(result));
        }
    }
    return HF_ERROR_INTERNAL;
}

int hf_api_find_channel(const struct hf_worker *worker, struct hf_slice channel,
                        struct hf_channel_ref *ref)
{
    if (hf_slice_is_empty(channel)) {
        return HF_ERROR_BAD_REQUEST;
    }
    return hf_channel_lookup(worker->config, channel.data, channel.len, ref) == HF_CHANNEL_OK
               ? 0
               : HF_ERROR_UNKNOWN_CHANNEL;
}

/* --- methods -------------------------------------------------------------------------------- */

void hf_api_rpc(struct hf_api_call *call, const union hf_api_request *request)
{
    hf_api_answer_error(call, hf_slice_is_empty(request->text) ? HF_ERROR_BAD_REQUEST
                                                               : HF_ERROR_METHOD_NOT_FOUND);
}

const struct hf_api_method hf_api_methods[] = {
    {"publish", 0, hf_api_parse_publish, hf_api_publish},
    {"broadcast", 1, hf_api_parse_publish, hf_api_broadcast},
    {"subscribe", 11, hf_api_parse_subscribe, hf_api_user_command},
    {"unsubscribe", 2, hf_api_parse_unsubscribe, hf_api_user_command},
    {"disconnect", 3, hf_api_parse_disconnect, hf_api_user_command},
    {"history", 6, hf_api_parse_history, hf_api_history},
    {"history_remove", 7, hf_api_parse_history, hf_api_history_remove},
    {"presence", 4, hf_api_parse_history, hf_api_presence},
    {"presence_stats", 5, hf_api_parse_history, hf_api_presence_stats},
    {"info", 9, hf_api_parse_empty, hf_api_info},
    {"rpc", 10, hf_api_parse_rpc, hf_api_rpc},
    {"refresh", 12, hf_api_parse_refresh, hf_api_user_command},
    {"channels", 8, hf_api_parse_channels, hf_api_channels},
};

const size_t hf_api_method_count = sizeof(hf_api_methods) / sizeof(hf_api_methods[0]);

const struct hf_api_method *hf_api_find_method(struct hf_slice name)
{
    for (size_t i = 0; i < hf_api_method_count; i++) {
        if (hf_slice_equal_fold(name, hf_slice_of(hf_api_methods[i].name))) {
            return &hf_api_methods[i];
        }
    }
    return NULL;
}
