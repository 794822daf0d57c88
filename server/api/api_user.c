#include "api/api_internal.h"
#include "log.h"

/* Commands on users: taken when the store has handed them to the nodes; see user_command.h. */

static void on_sent(void *context, int rc)
{
    struct hf_api_call *call = context;

    if (rc != HF_OK) {
        static struct hf_log_limit limit;

        if (hf_log_limit_pass(&limit, 1000, NULL)) {
            hf_log(HF_LOG_WARN, "a command on a user did not reach the nodes", "reason=%s",
                   hf_error_text(rc));
        }
        hf_api_answer_error(call, hf_api_engine_error(rc));
        return;
    }
    hf_api_answer_empty(call);
}

/* 0 or an error. */
static int check(const struct hf_worker *worker, const struct hf_user_command *command)
{
    struct hf_channel_ref ref;

    if (!command->is_valid) {
        return HF_ERROR_BAD_REQUEST;
    }
    switch (command->kind) {
    case HF_USER_SUBSCRIBE:
        return hf_api_find_channel(worker, command->channel, &ref);
    case HF_USER_UNSUBSCRIBE:
        return hf_slice_is_empty(command->channel)
                   ? 0 /* all of them */
                   : hf_api_find_channel(worker, command->channel, &ref);
    case HF_USER_DISCONNECT:
    case HF_USER_REFRESH:
        break;
    }
    return 0;
}

void hf_api_user_command(struct hf_api_call *call, const union hf_api_request *request)
{
    struct hf_buffer *message = &call->worker->encode;
    int code = check(call->worker, &request->user);
    int rc = HF_ENOMEM;

    if (code != 0) {
        hf_api_answer_error(call, code);
        return;
    }
    hf_buffer_reset(message);
    hf_user_command_write(&request->user, message);
    if (!hf_buffer_failed(message)) {
        rc = hf_bus_send(call->worker->port, (struct hf_bytes){message->data, message->len},
                         on_sent, call);
    }
    if (rc != HF_OK) {
        on_sent(call, rc);
    }
}
