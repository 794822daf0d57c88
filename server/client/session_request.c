#include "client/session_internal.h"

#include <stdlib.h>
#include <string.h>

#include "client/publication_frame.h"
#include "log.h"

const struct hf_encoder *hf_session_encoder(const struct hf_session *session)
{
    return hf_transport_encoder(session->transport);
}

struct hf_buffer *hf_session_reply_begin(struct hf_session *session)
{
    return hf_session_output_begin(hf_hub_output(session->worker->hub), session);
}

void hf_session_reply_end(struct hf_session *session)
{
    hf_session_output_commit(hf_hub_output(session->worker->hub));
}

void hf_session_flush(struct hf_session *session)
{
    hf_session_output_flush(hf_hub_output(session->worker->hub));
}

void hf_session_reply_error(struct hf_session *session, uint32_t id, enum hf_error_code code)
{
    hf_counters_error(&session->worker->counters, code);
    hf_reply_error(hf_session_encoder(session), hf_session_reply_begin(session), id, code);
    hf_session_reply_end(session);
}

struct hf_session_request *hf_session_request_new(struct hf_session *session, uint32_t id,
                                                  struct hf_slice channel)
{
    struct hf_session_request *request;

    if (session->request_count + session->waiting_count >=
        session->worker->config->holdfast.session_requests_max) {
        hf_session_reply_error(session, id, HF_ERROR_TOO_MANY_REQUESTS);
        return NULL;
    }
    request = hf_session_request_link(session, id, channel);
    if (request == NULL) {
        hf_session_reply_error(session, id, HF_ERROR_INTERNAL);
    }
    return request;
}

struct hf_session_request *hf_session_request_link(struct hf_session *session, uint32_t id,
                                                   struct hf_slice channel)
{
    struct hf_session_request *request = calloc(1, sizeof(*request));

    if (request == NULL) {
        return NULL;
    }
    request->session = session;
    request->id = id;
    request->channel_hash = hf_hub_hash(session->worker->hub, channel);
    request->is_blocking = true;
    LIST_INSERT_HEAD(&session->requests, request, in_session);
    session->request_count++;
    return request;
}

void hf_session_request_free(struct hf_session_request *request)
{
    if (request->session != NULL) {
        LIST_REMOVE(request, in_session);
        request->session->request_count--;
    }
    free(request->data);
    free(request);
}

bool hf_session_request_set_data(struct hf_session_request *request, struct hf_slice data)
{
    if (data.len > 0) {
        request->data = malloc(data.len);
        if (request->data == NULL) {
            return false;
        }
        memcpy(request->data, data.data, data.len);
        request->data_len = (uint32_t)data.len;
    }
    return true;
}

void hf_session_requests_abandon(struct hf_session *session)
{
    struct hf_session_request *request;

    while ((request = LIST_FIRST(&session->requests)) != NULL) {
        LIST_REMOVE(request, in_session);
        request->session = NULL;
        request->subscription = NULL;
        if (request->is_waiting) {
            free(request->data);
            free(request);
        }
    }
    session->request_count = 0;
}

enum hf_error_code hf_session_engine_error(int result)
{
    if (result == HF_EINVAL || result == HF_EUNSUPPORTED) {
        static struct hf_log_limit limit;

        if (hf_log_limit_pass(&limit, 1000, NULL)) {
            hf_log(HF_LOG_ERROR, "the engine refused a request", "reason=%s",
                   hf_error_text(result));
        }
    }
    return HF_ERROR_INTERNAL;
}
