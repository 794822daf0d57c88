#include "log.h"
#include "net/admission.h"
#include "net/stream.h"
#include "net/worker_loop.h"

enum { LOG_INTERVAL_MS = 5000 };

enum hf_encoding hf__stream_encoding(const struct hf_http_request *request)
{
    struct hf_slice type = hf_http_header(request, "content-type");
    return hf_slice_equal(type, HF_SLICE("application/octet-stream")) ? HF_ENCODING_PROTOBUF
                                                                      : HF_ENCODING_JSON;
}

bool hf__stream_admit(struct hf_http_request *request)
{
    struct hf_worker *worker = request->worker;
    if (request->version_minor == 0) {
        hf_http_respond_text(request, 505, "streams need HTTP/1.1");
        return false;
    }
    if (worker->priv->is_draining) {
        hf_http_respond_text(request, 503, "draining");
        return false;
    }
    enum hf_admission_result result = hf_admission_ask(worker->priv->admission, worker->now_ms);
    if (result == HF_ADMISSION_GRANTED) {
        return true;
    }
    const char *text =
        result == HF_ADMISSION_FULL ? "connection limit reached" : "connection rate limit reached";
    static struct hf_log_limit limit;
    uint32_t suppressed = 0;
    if (hf_log_limit_pass(&limit, LOG_INTERVAL_MS, &suppressed)) {
        hf_log(HF_LOG_WARN, text, "suppressed=%u", suppressed);
    }
    hf_http_respond_text(request, 503, text);
    return false;
}
