#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/session.h"
#include "codes.h"
#include "json.h"
#include "net/admission.h"
#include "net/cors.h"
#include "net/event_id.h"
#include "net/stream.h"
#include "net/uni_request.h"
#include "net/worker_loop.h"
#include "reply.h"

/* uni_http_stream and uni_sse. Events carry ids: the frame of a publication is shared and ends with
 * its data line; what follows, the id and the empty line that ends the event, is the connection's
 * own. A client that breaks off in between has not seen the event and has not taken the id. */

static struct hf_frame *wrap_lines(const char *data, size_t len)
{
    return hf__stream_chunk("", data, len, "\n");
}

static void start_lines(struct hf_connection *connection, const struct hf_start_channel *channels,
                        size_t count)
{
    (void)channels;
    (void)count;
    hf__stream_answer(connection);
}

static const struct hf_transport uni_http_stream_transport = {
    .name = "uni_http_stream",
    .encoding = HF_ENCODING_JSON,
    .framing = HF_FRAMING_UNI_LINES,
    .wrap = wrap_lines,
    .send = hf__stream_send,
    HF__STREAM_OPERATIONS,
    .encoder = &hf_encoder_json_bare,
    .is_unidirectional = true,
    .start = start_lines,
};

/* --- events with ids ---------------------------------------------------------------------------
 */

/* All events but the last are complete. */
static struct hf_frame *wrap_events(const char *data, size_t len)
{
    struct hf_buffer events;
    hf_buffer_init(&events, 0);
    for (size_t at = 0; at < len;) {
        const char *line_end = memchr(data + at, '\n', len - at);
        size_t line_len = line_end != NULL ? (size_t)(line_end - data) - at : len - at;
        hf_buffer_append_slice(&events, at > 0 ? HF_SLICE("\ndata: ") : HF_SLICE("data: "));
        hf_buffer_append(&events, data + at, line_len);
        hf_buffer_append_char(&events, '\n');
        at += line_len + 1;
    }
    struct hf_frame *frame =
        hf_buffer_failed(&events) ? NULL : hf__stream_chunk("", events.data, events.len, "");
    hf_buffer_fini(&events);
    return frame;
}

static void send_text(struct hf_connection *connection, const char *before, const char *text,
                      size_t len, const char *after)
{
    struct hf_frame *frame = hf__stream_chunk(before, text, len, after);
    if (frame == NULL) {
        hf_connection_close(connection, HF_DISCONNECT_SERVER_ERROR, false, 0);
        return;
    }
    hf_connection_send(connection, frame);
    hf_frame_unref(frame);
}

static void send_event(struct hf_connection *connection, struct hf_frame *frame)
{
    const struct hf_stream *stream = hf_connection_state(connection);
    char id[HF_EVENT_ID_TEXT_SIZE];
    if (stream->close_code != 0) {
        return;
    }
    hf__stream_send(connection, frame);
    size_t len = hf_event_ids_format(stream->ids, id);
    send_text(connection, len > 0 ? "id: " : "", id, len, len > 0 ? "\n\n" : "\n");
}

static void send_publication(struct hf_connection *connection, struct hf_frame *frame,
                             struct hf_slice channel, struct hf_position position)
{
    const struct hf_stream *stream = hf_connection_state(connection);
    struct hf_position known;
    /* A channel without history is in no id; one that is, keeps its place. */
    if (position.epoch != HF_EPOCH_NONE && hf_event_ids_find(stream->ids, channel, &known)) {
        hf_event_ids_set(stream->ids, channel, position);
    }
    send_event(connection, frame);
}

/* event: unrecovered, before the connect push that says the same in its subs. */
static void tell_unrecovered(struct hf_connection *connection,
                             const struct hf_start_channel *channel)
{
    struct hf_buffer *encode = &hf_connection_worker(connection)->encode;
    char epoch[HF_EPOCH_TEXT_SIZE];
    hf_buffer_reset(encode);
    HF_BUFFER_APPEND_LITERAL(encode, "event: unrecovered\ndata: {\"channel\":");
    hf_json_append_string(encode, channel->channel);
    HF_BUFFER_APPEND_LITERAL(encode, ",\"epoch\":\"");
    hf_buffer_append(encode, epoch, hf_epoch_format(channel->position.epoch, epoch));
    HF_BUFFER_APPEND_LITERAL(encode, "\",\"offset\":");
    hf_buffer_append_u64(encode, channel->position.offset);
    hf_buffer_append_char(encode, '}');
    if (hf_buffer_failed(encode)) {
        hf_connection_close(connection, HF_DISCONNECT_SERVER_ERROR, false, 0);
        return;
    }
    send_text(connection, "", encode->data, encode->len, "\n\n");
}

static void start_events(struct hf_connection *connection, const struct hf_start_channel *channels,
                         size_t count)
{
    const struct hf_stream *stream = hf_connection_state(connection);
    hf__stream_answer(connection);
    hf_event_ids_clear(stream->ids);
    for (size_t i = 0; i < count; i++) {
        if (channels[i].is_recoverable) {
            hf_event_ids_set(stream->ids, channels[i].channel, channels[i].position);
        }
        if (channels[i].was_recovering && !channels[i].is_recovered) {
            tell_unrecovered(connection, &channels[i]);
        }
    }
}

static const struct hf_transport uni_sse_transport = {
    .name = "uni_sse",
    .encoding = HF_ENCODING_JSON,
    .framing = HF_FRAMING_UNI_SSE,
    .wrap = wrap_events,
    .send = send_event,
    HF__STREAM_OPERATIONS,
    .encoder = &hf_encoder_json_bare,
    .is_unidirectional = true,
    .start = start_events,
    .send_publication = send_publication,
};

/* --- requests ----------------------------------------------------------------------------------
 */

static void refuse(struct hf_http_request *request, int status, const char *reason)
{
    char cors[HF_CORS_MAX];
    char line[128];
    hf_cors_headers(request, cors);
    int len = snprintf(line, sizeof(line), "%s\n", reason);
    hf_http_respond(request, status, "text/plain; charset=utf-8", cors, line, (size_t)len);
}

/* Takes `ids`. */
static void begin(struct hf_http_request *http, struct hf_slice text,
                  const struct hf_transport *transport, const char *type, const char *preamble,
                  struct hf_event_ids *ids)
{
    struct hf_uni_request request;
    const char *reason = "no memory";
    int status = hf_uni_request_read(&request, http, text, ids, &reason);
    if (status != 0) {
        refuse(http, status, reason);
        hf_event_ids_free(ids);
    } else if (!hf__stream_admit(http)) {
        hf_event_ids_free(ids);
    } else {
        const struct hf_stream_opening opening = {.content_type = type,
                                                  .preamble = preamble,
                                                  .ids = ids,
                                                  .is_refused_by_status = request.is_plain};
        struct hf_stream *stream = hf__stream_begin(http, transport, &opening);
        if (stream != NULL) {
            hf_session_start(stream->session, &request.connect, request.is_plain);
            hf__stream_follow(stream);
        }
    }
    hf_uni_request_fini(&request);
}

void hf_uni_http_stream_handle(struct hf_http_request *request)
{
    if (hf_http_method_is(request, "OPTIONS")) {
        hf_cors_preflight(request, "POST, OPTIONS");
    } else if (!hf_http_method_is(request, "POST")) {
        hf_http_respond_method_not_allowed(request, "POST, OPTIONS");
    } else if (request->body.len >
               request->worker->config->uni_http_stream.max_request_body_size_bytes) {
        refuse(request, 413, "the request body is too large");
    } else if (request->body.len == 0) {
        refuse(request, 400, "the body must be a connect request");
    } else {
        begin(request, request->body, &uni_http_stream_transport, "", "", NULL);
    }
}

/* The last id that the client has seen, from the header or, where that cannot be set, the query. */
static struct hf_event_ids *read_ids(const struct hf_http_request *request)
{
    struct hf_event_ids *ids = hf_event_ids_new();
    struct hf_slice text = hf_http_header(request, "last-event-id");
    char query[HF_EVENT_ID_TEXT_SIZE];
    size_t len;
    if (text.len == 0 && hf_http_query(request, "last_event_id", query, sizeof(query), &len)) {
        text = hf_slice(query, len);
    }
    if (ids != NULL && !hf_event_ids_parse(ids, text)) {
        hf_event_ids_clear(ids); /* not ours: a new client */
    }
    return ids;
}

static void handle_uni_sse(struct hf_http_request *request, struct hf_slice text)
{
    struct hf_event_ids *ids = read_ids(request);
    if (ids == NULL) {
        refuse(request, 500, "no memory");
    } else {
        begin(request, text, &uni_sse_transport, "text/event-stream; charset=utf-8",
              "2\r\n\r\n\r\n", ids);
    }
}

static void handle_uni_sse_get(struct hf_http_request *request)
{
    size_t size = request->query.len + 1;
    char *text = malloc(size);
    size_t len = 0;
    if (text == NULL) {
        refuse(request, 500, "no memory");
        return;
    }
    if (hf_http_query(request, "cf_connect", text, size, &len)) {
        handle_uni_sse(request, hf_slice(text, len));
    } else if (hf_http_query_has(request, "cf_connect")) {
        refuse(request, 400, "cf_connect is not percent-encoded as it should be");
    } else {
        handle_uni_sse(request, HF_SLICE(""));
    }
    free(text);
}

void hf_uni_sse_handle(struct hf_http_request *request)
{
    if (hf_http_method_is(request, "GET")) {
        handle_uni_sse_get(request);
    } else if (hf_http_method_is(request, "OPTIONS")) {
        hf_cors_preflight(request, "GET, POST, OPTIONS");
    } else if (!hf_http_method_is(request, "POST")) {
        hf_http_respond_method_not_allowed(request, "GET, POST, OPTIONS");
    } else if (request->body.len > request->worker->config->uni_sse.max_request_body_size_bytes) {
        refuse(request, 413, "the request body is too large");
    } else {
        handle_uni_sse(request, request->body);
    }
}
