#include "net/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/publication_frame.h"
#include "client/session.h"
#include "codes.h"
#include "net/admission.h"
#include "net/cors.h"
#include "net/emulation.h"
#include "net/event_id.h"
#include "net/refusal.h"
#include "net/worker_loop.h"

enum {
    LINGER_MS = 5000, /* for the peer to take the last chunk and close */
    HEAD_MAX = 2048,
};

/* A response that has not begun. */
struct hf_stream_head {
    char cors[HF_CORS_MAX];
    size_t len;
    char text[HEAD_MAX];
};

/* --- framing -----------------------------------------------------------------------------------
 */

struct hf_frame *hf__stream_chunk(const char *before, const char *data, size_t len,
                                  const char *after)
{
    size_t before_len = strlen(before);
    size_t after_len = strlen(after);
    char size[24];
    int size_len = snprintf(size, sizeof(size), "%zx\r\n", before_len + len + after_len);
    char *bytes;
    struct hf_frame *frame =
        hf_frame_new((size_t)size_len + before_len + len + after_len + 2, &bytes);
    if (frame == NULL) {
        return NULL;
    }
    memcpy(bytes, size, (size_t)size_len);
    bytes += size_len;
    memcpy(bytes, before, before_len);
    bytes += before_len;
    if (len > 0) {
        memcpy(bytes, data, len);
    }
    bytes += len;
    memcpy(bytes, after, after_len);
    memcpy(bytes + after_len, "\r\n", 2);
    return frame;
}

/* --- transport ------------------------------------------------------------------------------- */

void hf__stream_send(struct hf_connection *connection, struct hf_frame *frame)
{
    const struct hf_stream *stream = hf_connection_state(connection);
    if (stream->close_code != 0) {
        return; /* nothing may follow the goodbye */
    }
    hf_connection_send(connection, frame);
    hf_counter_add(&hf_connection_worker(connection)->counters.messages_out, 1);
}

static void end_session(struct hf_stream *stream, unsigned code)
{
    struct hf_session *session = stream->session;
    stream->session = NULL;
    hf_emulation_remove(stream);
    if (session != NULL) {
        hf_session_closed(session, stream->close_code != 0 ? stream->close_code : code);
    }
}

/* The chunk that says that no more follows. */
static void send_last_chunk(struct hf_connection *connection)
{
    static const char last[] = "0\r\n\r\n";
    struct hf_frame *frame = hf_frame_borrow(last, sizeof(last) - 1, NULL, NULL);
    if (frame == NULL) {
        hf_connection_close(connection, HF_DISCONNECT_SERVER_ERROR, false, 0);
        return;
    }
    hf_connection_send(connection, frame);
    hf_frame_unref(frame);
}

static void send_disconnect(struct hf_connection *connection, const struct hf_stream *stream,
                            unsigned code, const char *reason)
{
    struct hf_buffer *encode = &hf_connection_worker(connection)->encode;
    hf_buffer_reset(encode);
    hf_transport_encoder(stream->transport)->push_disconnect(encode, code, hf_slice_of(reason));
    struct hf_frame *frame =
        hf_buffer_failed(encode) ? NULL : stream->transport->wrap(encode->data, encode->len);
    if (frame != NULL) { /* without memory the end alone has to say it */
        stream->transport->send(connection, frame);
        hf_frame_unref(frame);
    }
}

static void drop_head(struct hf_stream *stream)
{
    free(stream->head);
    stream->head = NULL;
}

void hf__stream_answer(struct hf_connection *connection)
{
    struct hf_stream *stream = hf_connection_state(connection);
    if (stream->head == NULL) {
        return;
    }
    char *bytes;
    struct hf_frame *frame = hf_frame_new(stream->head->len, &bytes);
    if (frame == NULL) {
        hf_connection_close(connection, HF_DISCONNECT_SERVER_ERROR, false, 0);
        return;
    }
    memcpy(bytes, stream->head->text, stream->head->len);
    drop_head(stream);
    hf_connection_send(connection, frame);
    hf_frame_unref(frame);
}

/* Instead of the response. */
static void refuse(struct hf_connection *connection, struct hf_stream *stream, unsigned code)
{
    struct hf_frame *frame = hf_refusal_frame(code, stream->head->cors);
    stream->close_code = (uint16_t)code;
    if (frame == NULL) {
        hf_connection_close(connection, HF_DISCONNECT_SERVER_ERROR, false, 0);
        return;
    }
    hf_connection_send(connection, frame);
    hf_frame_unref(frame);
    hf_connection_close(connection, code, true, LINGER_MS);
    hf_connection_want_later(connection);
}

void hf__stream_close(struct hf_connection *connection, unsigned code, const char *reason)
{
    struct hf_stream *stream = hf_connection_state(connection);
    if (stream->close_code != 0 || hf_connection_is_closing(connection)) {
        return;
    }
    if (code == HF_DISCONNECT_CONNECTION_CLOSED || code == HF_DISCONNECT_SLOW) {
        stream->close_code = (uint16_t)code;
        hf_connection_close(connection, code, false, 0);
        return;
    }
    if (stream->head != NULL) {
        refuse(connection, stream, code);
        return;
    }
    send_disconnect(connection, stream, code, reason);
    stream->close_code = (uint16_t)code;
    send_last_chunk(connection);
    hf_connection_close(connection, code, true, LINGER_MS);
    hf_connection_want_later(connection);
}

void hf__stream_drop(struct hf_connection *connection)
{
    struct hf_stream *stream = hf_connection_state(connection);
    if (stream->close_code == 0) {
        stream->close_code = HF_DISCONNECT_CONNECTION_CLOSED;
    }
    send_last_chunk(connection);
    hf_connection_close(connection, HF_DISCONNECT_CONNECTION_CLOSED, true, LINGER_MS);
    hf_connection_want_later(connection);
}

void hf__stream_describe(const struct hf_connection *connection, struct hf_connect_result *result)
{
    const struct hf_stream *stream = hf_connection_state(connection);
    result->session = hf_slice(stream->id_text, HF_SESSION_ID_TEXT_LEN);
    if (!stream->transport->is_unidirectional) {
        result->node = hf_emulation_node(hf_connection_worker(connection));
    }
}

/* --- driver ------------------------------------------------------------------------------------
 */

void hf__stream_follow(struct hf_stream *stream)
{
    if (stream->session != NULL && stream->close_code == 0) {
        hf_connection_set_deadline(stream->connection, hf_session_deadline(stream->session));
    }
}

void hf__stream_reschedule(struct hf_connection *connection)
{
    hf__stream_follow(hf_connection_state(connection));
}

/* The response never ends before the connection, so no further request on it can be answered. */
static size_t on_input(struct hf_connection *connection, char *data, size_t len)
{
    (void)connection;
    (void)data;
    return len;
}

static void on_drained(struct hf_connection *connection)
{
    struct hf_stream *stream = hf_connection_state(connection);
    if (stream->session != NULL) {
        hf_session_drained(stream->session);
        hf__stream_follow(stream);
    }
}

static void on_deadline(struct hf_connection *connection, uint64_t now_ms)
{
    struct hf_stream *stream = hf_connection_state(connection);
    if (stream->session != NULL && stream->close_code == 0) {
        hf_session_tick(stream->session, now_ms);
        hf__stream_follow(stream);
    }
}

static void on_later(struct hf_connection *connection)
{
    end_session(hf_connection_state(connection), HF_DISCONNECT_CONNECTION_CLOSED);
}

static void on_drain(struct hf_connection *connection)
{
    hf__stream_close(connection, HF_DISCONNECT_SHUTDOWN,
                     hf_disconnect_reason(HF_DISCONNECT_SHUTDOWN));
}

static void on_closed(struct hf_connection *connection, unsigned code)
{
    struct hf_stream *stream = hf_connection_state(connection);
    end_session(stream, code);
    hf_event_ids_free(stream->ids);
    drop_head(stream);
    free(stream);
    hf_admission_release(hf_connection_worker(connection)->priv->admission);
}

const struct hf_connection_driver hf__stream_driver = {
    .name = "stream",
    .on_input = on_input,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
    .on_later = on_later,
    .on_drain = on_drain,
    .on_closed = on_closed,
};

/* --- beginning ---------------------------------------------------------------------------------
 */

static size_t write_head(const struct hf_http_request *request,
                         const struct hf_stream_opening *opening, struct hf_stream_head *head)
{
    bool has_type = opening->content_type[0] != '\0';
    hf_cors_headers(request, head->cors);
    int len = snprintf(head->text, HEAD_MAX,
                       "HTTP/1.1 200 OK\r\n"
                       "%s%s%s"
                       "Transfer-Encoding: chunked\r\n"
                       "X-Accel-Buffering: no\r\n"
                       "Cache-Control: private, no-cache, no-store, must-revalidate, max-age=0\r\n"
                       "Pragma: no-cache\r\n"
                       "Expire: 0\r\n"
                       "Connection: close\r\n"
                       "%s\r\n%s",
                       has_type ? "Content-Type: " : "", opening->content_type,
                       has_type ? "\r\n" : "", head->cors, opening->preamble);
    return len > 0 && len < HEAD_MAX ? (size_t)len : 0;
}

/* NULL: no memory, or no randomness. */
static struct hf_stream *stream_new(const struct hf_http_request *request,
                                    const struct hf_transport *transport,
                                    const struct hf_stream_opening *opening)
{
    struct hf_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        return NULL;
    }
    stream->transport = transport;
    stream->connection = request->connection;
    stream->head = calloc(1, sizeof(*stream->head));
    if (stream->head != NULL) {
        stream->head->len = write_head(request, opening, stream->head);
    }
    if (stream->head == NULL || stream->head->len == 0 ||
        !hf_session_id_choose(request->worker, stream->id, stream->id_text)) {
        drop_head(stream);
        free(stream);
        return NULL;
    }
    stream->ids = opening->ids;
    return stream;
}

struct hf_stream *hf__stream_begin(struct hf_http_request *request,
                                   const struct hf_transport *transport,
                                   const struct hf_stream_opening *opening)
{
    struct hf_worker *worker = request->worker;
    struct hf_connection *connection = request->connection;
    struct hf_stream *stream = stream_new(request, transport, opening);
    if (stream == NULL) {
        hf_event_ids_free(opening->ids);
        hf_admission_release(worker->priv->admission);
        hf_http_respond_text(request, 500, "Internal Server Error");
        return NULL;
    }
    if (!hf_http_take_over(request, "", 0, &hf__stream_driver, stream)) {
        hf_event_ids_free(stream->ids);
        drop_head(stream);
        free(stream);
        hf_admission_release(worker->priv->admission);
        return NULL;
    }
    if (!opening->is_refused_by_status) {
        hf__stream_answer(connection);
    }
    hf_connection_set_queue_max(connection, worker->config->client.queue_max_size_bytes);
    hf_connection_set_write_timeout(connection,
                                    (uint32_t)worker->config->websocket.write_timeout_ms);
    stream->session = hf_session_open(worker, transport, connection);
    if (stream->session == NULL) {
        hf__stream_close(connection, HF_DISCONNECT_SERVER_ERROR,
                         hf_disconnect_reason(HF_DISCONNECT_SERVER_ERROR));
        return NULL;
    }
    if (!transport->is_unidirectional) {
        hf_emulation_add(worker, stream);
    }
    hf__stream_follow(stream);
    return stream;
}
