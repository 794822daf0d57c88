#include <stdlib.h>
#include <string.h>

#include "client/session.h"
#include "net/admission.h"
#include "net/cors.h"
#include "net/stream.h"
#include "net/worker_loop.h"

/* http_stream and sse: the first request brings the connect command, the answers come as lines or
 * as events; later commands come to emulation.c. */

static struct hf_frame *wrap_lines(const char *data, size_t len)
{
    return hf__stream_chunk("", data, len, "\n");
}

static const struct hf_transport http_stream_json_transport = {
    .name = "http_stream",
    .encoding = HF_ENCODING_JSON,
    .framing = HF_FRAMING_LINES,
    .wrap = wrap_lines,
    .send = hf__stream_send,
    HF__STREAM_OPERATIONS,
};

static struct hf_frame *wrap_chunk(const char *data, size_t len)
{
    return hf__stream_chunk("", data, len, "");
}

static const struct hf_transport http_stream_protobuf_transport = {
    .name = "http_stream",
    .encoding = HF_ENCODING_PROTOBUF,
    .framing = HF_FRAMING_CHUNKS,
    .wrap = wrap_chunk,
    .send = hf__stream_send,
    HF__STREAM_OPERATIONS,
};

/* Messages are lines already, so that each becomes one event. */
static struct hf_frame *wrap_events(const char *data, size_t len)
{
    struct hf_buffer events;
    hf_buffer_init(&events, 0);
    for (size_t at = 0; at < len;) {
        const char *line_end = memchr(data + at, '\n', len - at);
        size_t line_len = line_end != NULL ? (size_t)(line_end - data) - at : len - at;
        HF_BUFFER_APPEND_LITERAL(&events, "data: ");
        hf_buffer_append(&events, data + at, line_len);
        HF_BUFFER_APPEND_LITERAL(&events, "\n\n");
        at += line_len + 1;
    }
    struct hf_frame *frame =
        hf_buffer_failed(&events) ? NULL : hf__stream_chunk("", events.data, events.len, "");
    hf_buffer_fini(&events);
    return frame;
}

static const struct hf_transport sse_transport = {
    .name = "sse",
    .encoding = HF_ENCODING_JSON,
    .framing = HF_FRAMING_SSE,
    .wrap = wrap_events,
    .send = hf__stream_send,
    HF__STREAM_OPERATIONS,
};

static void begin(struct hf_http_request *request, const struct hf_transport *transport,
                  const char *type, const char *preamble, char *commands, size_t len)
{
    if (!hf__stream_admit(request)) {
        return;
    }
    /* The request is gone once its connection is taken over. */
    struct hf_worker *worker = request->worker;
    struct hf_buffer copy;
    hf_buffer_init(&copy, 0);
    hf_buffer_append(&copy, commands, len);
    if (hf_buffer_failed(&copy)) {
        hf_admission_release(worker->priv->admission);
        hf_http_respond_text(request, 500, "Internal Server Error");
        return;
    }
    const struct hf_stream_opening opening = {.content_type = type, .preamble = preamble};
    struct hf_stream *stream = hf__stream_begin(request, transport, &opening);
    if (stream != NULL) {
        hf_counter_add(&worker->counters.messages_in, 1);
        hf_session_receive(stream->session, copy.data, copy.len);
        hf__stream_follow(stream);
    }
    hf_buffer_fini(&copy);
}

void hf_http_stream_handle(struct hf_http_request *request)
{
    const struct hf_config *config = request->worker->config;
    if (hf_http_method_is(request, "OPTIONS")) {
        hf_cors_preflight(request, "POST, OPTIONS");
    } else if (!hf_http_method_is(request, "POST")) {
        hf_http_respond_method_not_allowed(request, "POST, OPTIONS");
    } else if (request->body.len > config->http_stream.max_request_body_size_bytes) {
        hf_http_respond_text(request, 413, "the request body is too large");
    } else if (request->body.len == 0) {
        hf_http_respond_text(request, 400, "the body must be a connect command");
    } else {
        begin(request,
              hf__stream_encoding(request) == HF_ENCODING_PROTOBUF ? &http_stream_protobuf_transport
                                                                   : &http_stream_json_transport,
              "", "", (char *)(uintptr_t)request->body.data, request->body.len);
    }
}

static const char sse_type[] = "text/event-stream; charset=utf-8";
static const char sse_preamble[] = "2\r\n\r\n\r\n"; /* a chunk of one empty line */

static void handle_sse_get(struct hf_http_request *request)
{
    size_t size = request->query.len + 1;
    char *commands = malloc(size);
    size_t len = 0;
    if (commands == NULL) {
        hf_http_respond_text(request, 500, "Internal Server Error");
    } else if (!hf_http_query(request, "cf_connect", commands, size, &len) || len == 0) {
        hf_http_respond_text(request, 400, "cf_connect must be a connect command");
    } else {
        begin(request, &sse_transport, sse_type, sse_preamble, commands, len);
    }
    free(commands);
}

void hf_sse_handle(struct hf_http_request *request)
{
    const struct hf_config *config = request->worker->config;
    if (hf_http_method_is(request, "GET")) {
        handle_sse_get(request);
    } else if (hf_http_method_is(request, "OPTIONS")) {
        hf_cors_preflight(request, "GET, POST, OPTIONS");
    } else if (!hf_http_method_is(request, "POST")) {
        hf_http_respond_method_not_allowed(request, "GET, POST, OPTIONS");
    } else if (request->body.len > config->sse.max_request_body_size_bytes) {
        hf_http_respond_text(request, 413, "the request body is too large");
    } else if (request->body.len == 0) {
        hf_http_respond_text(request, 400, "the body must be a connect command");
    } else {
        begin(request, &sse_transport, sse_type, sse_preamble,
              (char *)(uintptr_t)request->body.data, request->body.len);
    }
}
