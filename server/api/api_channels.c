#include <stdio.h>
#include <string.h>

#include "api/api_internal.h"
#include "api/survey.h"
#include "glob.h"
#include "log.h"

struct writing {
    struct hf_buffer *body;
    bool has_channel;
};

static void write_channel(void *context, struct hf_slice channel, uint64_t clients)
{
    struct writing *writing = context;

    if (writing->has_channel) {
        hf_buffer_append_char(writing->body, ',');
    }
    writing->has_channel = true;
    hf_json_append_string(writing->body, channel);
    HF_BUFFER_APPEND_LITERAL(writing->body, ":{\"num_clients\":");
    hf_buffer_append_u64(writing->body, clients);
    hf_buffer_append_char(writing->body, '}');
}

static int error_of(int result)
{
    return result == HF_ELIMIT ? HF_ERROR_LIMIT_EXCEEDED : (int)hf_api_engine_error(result);
}

static void on_survey(void *context, int result, const struct hf_survey *survey)
{
    struct hf_api_call *call = context;
    struct writing writing = {0};

    if (result != HF_OK) {
        hf_api_answer_error(call, error_of(result));
        return;
    }
    writing.body = hf_api_result_begin(call);
    HF_BUFFER_APPEND_LITERAL(writing.body, "{\"channels\":{");
    hf_survey_each(survey, write_channel, &writing);
    HF_BUFFER_APPEND_LITERAL(writing.body, "}}");
    hf_api_result_end(call);
}

void hf_api_channels(struct hf_api_call *call, const union hf_api_request *request)
{
    char pattern[HF_GLOB_MAX];
    struct hf_slice text = request->text;
    const char *error = text.len < sizeof(pattern) ? NULL : "it is too long";
    int rc;

    if (error == NULL) {
        (void)snprintf(pattern, sizeof(pattern), "%.*s", (int)text.len,
                       text.len > 0 ? text.data : "");
        error = strlen(pattern) == text.len ? hf_glob_error(pattern) : "it has a NUL";
    }
    if (error != NULL) {
        hf_log(HF_LOG_DEBUG, "a pattern of channels was refused", "reason=%s", error);
        hf_api_answer_error(call, HF_ERROR_BAD_REQUEST);
        return;
    }
    rc = hf_survey_start(call->worker->surveys, pattern, on_survey, call);
    if (rc != HF_OK) {
        hf_api_answer_error(call, error_of(rc));
    }
}
