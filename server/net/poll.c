#include "net/poll.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/session.h"
#include "codes.h"
#include "net/admission.h"
#include "net/cors.h"
#include "net/refusal.h"
#include "net/stream.h"
#include "net/transport.h"
#include "net/uni_request.h"
#include "net/worker_loop.h"
#include "reply.h"

enum {
    PIPELINE_BYTES_MAX = 64 * 1024, /* of further requests while this one waits */
    LINGER_MS = 2000,
    WRITE_TIMEOUT_MS = 10000,
    HEAD_MAX = 2048,
};

struct poll {
    struct hf_session *session;
    uint64_t ends_at_ms;
    struct hf_position position;
    struct hf_buffer publications; /* a JSON list's items */
    unsigned refusal;              /* the disconnect code that is the answer; 0: none */
    bool has_answer;
    bool is_started;
    bool is_recovered;
    bool is_answered;
    char cors[HF_CORS_MAX];
};

/* --- the answer --------------------------------------------------------------------------------
 */

static void write_body(const struct poll *poll, struct hf_buffer *body)
{
    char epoch[HF_EPOCH_TEXT_SIZE];
    hf_buffer_reset(body);
    HF_BUFFER_APPEND_LITERAL(body, "{\"epoch\":\"");
    hf_buffer_append(body, epoch, hf_epoch_format(poll->position.epoch, epoch));
    HF_BUFFER_APPEND_LITERAL(body, "\",\"offset\":");
    hf_buffer_append_u64(body, poll->position.offset);
    hf_buffer_append_slice(body, poll->is_recovered ? HF_SLICE(",\"recovered\":true")
                                                    : HF_SLICE(",\"recovered\":false"));
    HF_BUFFER_APPEND_LITERAL(body, ",\"publications\":[");
    hf_buffer_append(body, poll->publications.data, poll->publications.len);
    HF_BUFFER_APPEND_LITERAL(body, "]}\n");
}

static struct hf_frame *build_answer(const struct poll *poll, struct hf_buffer *body, bool closes)
{
    char head[HEAD_MAX];
    if (poll->refusal != 0) {
        return hf_refusal_frame(poll->refusal, poll->cors);
    }
    write_body(poll, body);
    int len =
        snprintf(head, sizeof(head),
                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                 "Cache-Control: no-store\r\n%s%s%" PRIu64 "\r\n\r\n",
                 body->len, poll->cors,
                 closes ? "Connection: close\r\nHoldfast-Since: " : "Holdfast-Since: ",
                 poll->position.offset);
    if (hf_buffer_failed(body) || hf_buffer_failed(&poll->publications) || len < 0 ||
        len >= HEAD_MAX) {
        return NULL;
    }
    char *bytes;
    struct hf_frame *frame = hf_frame_new((size_t)len + body->len, &bytes);
    if (frame != NULL) {
        memcpy(bytes, head, (size_t)len);
        memcpy(bytes + len, body->data, body->len);
    }
    return frame;
}

static void poll_free(struct poll *poll, struct hf_worker *worker)
{
    hf_buffer_fini(&poll->publications);
    free(poll);
    hf_admission_release(worker->priv->admission);
}

/* Sends the answer and gives the connection back to HTTP. Not from inside of the session. */
static void respond(struct hf_connection *connection)
{
    struct poll *poll = hf_connection_state(connection);
    struct hf_worker *worker = hf_connection_worker(connection);
    bool closes = worker->priv->is_draining || poll->refusal != 0;
    if (poll->session != NULL) {
        hf_session_closed(poll->session, HF_DISCONNECT_CONNECTION_CLOSED);
        poll->session = NULL;
    }
    struct hf_frame *frame = build_answer(poll, &worker->encode, closes);
    if (frame == NULL) {
        hf_connection_close(connection, HF_DISCONNECT_SERVER_ERROR, false, 0);
        return;
    }
    hf_connection_set_queue_max(connection, 0);
    hf_connection_send(connection, frame);
    hf_frame_unref(frame);
    if (closes) {
        hf_connection_close(connection, HF_DISCONNECT_CONNECTION_CLOSED, true, LINGER_MS);
        return;
    }
    poll_free(poll, worker);
    hf_connection_set_driver(connection, &hf_http_driver, NULL);
    hf_connection_set_write_timeout(connection, WRITE_TIMEOUT_MS);
    hf_connection_set_deadline(
        connection, worker->now_ms + (uint64_t)worker->config->holdfast.http_idle_timeout_ms);
    hf_connection_set_reading(connection, false);
    hf_connection_set_reading(connection, true); /* what has come meanwhile is for HTTP */
}

/* refusal: 0 for what has been gathered. */
static void answer_later(struct hf_connection *connection, unsigned refusal)
{
    struct poll *poll = hf_connection_state(connection);
    if (!poll->has_answer) {
        poll->has_answer = true;
        poll->refusal = refusal;
        hf_connection_want_later(connection);
    }
}

/* A poll ends when its time is over, yet not before its place in the stream is known: also
 * timeout=0 is told that. How long this may take is the session's to say. */
static void follow(struct hf_connection *connection, const struct poll *poll)
{
    uint64_t deadline_ms = hf_session_deadline(poll->session);
    hf_connection_set_deadline(connection, poll->is_started && poll->ends_at_ms < deadline_ms
                                               ? poll->ends_at_ms
                                               : deadline_ms);
}

/* --- transport ---------------------------------------------------------------------------------
 */

static struct hf_frame *wrap(const char *data, size_t len)
{
    char *bytes;
    struct hf_frame *frame = hf_frame_new(len, &bytes);
    if (frame != NULL && len > 0) {
        memcpy(bytes, data, len);
    }
    return frame;
}

static void send_nothing(struct hf_connection *connection, struct hf_frame *frame)
{
    (void)connection; /* the connect push and pings: of no use here */
    (void)frame;
}

static void send_publication(struct hf_connection *connection, struct hf_frame *frame,
                             struct hf_slice channel, struct hf_position position)
{
    struct poll *poll = hf_connection_state(connection);
    (void)channel;
    if (poll->publications.len > 0) {
        hf_buffer_append_char(&poll->publications, ',');
    }
    hf_buffer_append(&poll->publications, frame->data, frame->len);
    if (position.epoch != HF_EPOCH_NONE) {
        poll->position = position;
    }
    answer_later(connection, 0);
}

static void start(struct hf_connection *connection, const struct hf_start_channel *channels,
                  size_t count)
{
    struct poll *poll = hf_connection_state(connection);
    assert(count == 1); /* it was asked for strictly */
    (void)count;
    poll->is_started = true;
    poll->position = channels->position;
    poll->is_recovered = !channels->was_recovering || channels->is_recovered;
    hf_buffer_append_slice(&poll->publications, channels->publications);
    /* Where recovery is not to be had, an answer at once would be asked for again at once. */
    if (channels->publications.len > 0 || (!poll->is_recovered && channels->is_recoverable)) {
        answer_later(connection, 0);
    } else {
        follow(connection, poll);
    }
}

static void close_poll(struct hf_connection *connection, unsigned code, const char *reason)
{
    (void)reason;
    answer_later(connection, code);
}

static void drop(struct hf_connection *connection)
{
    answer_later(connection, HF_DISCONNECT_SERVER_ERROR);
}

static size_t queued(const struct hf_connection *connection)
{
    (void)connection;
    return SIZE_MAX; /* no second page: the client asks for it */
}

static const struct hf_transport poll_transport = {
    .name = "poll",
    .encoding = HF_ENCODING_JSON,
    .framing = HF_FRAMING_POLL,
    .wrap = wrap,
    .send = send_nothing,
    .queued = queued,
    .close = close_poll,
    .drop = drop,
    .encoder = &hf_encoder_json_item,
    .is_unidirectional = true,
    .is_transient = true,
    .start = start,
    .send_publication = send_publication,
};

/* --- driver ------------------------------------------------------------------------------------
 */

static size_t on_input(struct hf_connection *connection, char *data, size_t len)
{
    (void)data;
    if (len > PIPELINE_BYTES_MAX) {
        hf_connection_close(connection, HF_DISCONNECT_CONNECTION_CLOSED, false, 0);
    }
    return 0; /* kept for the next request */
}

static void on_drained(struct hf_connection *connection)
{
    (void)connection; /* a second page is never asked for */
}

static void on_deadline(struct hf_connection *connection, uint64_t now_ms)
{
    struct poll *poll = hf_connection_state(connection);
    if (poll->is_started && now_ms >= poll->ends_at_ms) {
        answer_later(connection, 0);
    } else if (poll->session != NULL) {
        hf_session_tick(poll->session, now_ms);
        follow(connection, poll);
    }
}

static void on_later(struct hf_connection *connection)
{
    struct poll *poll = hf_connection_state(connection);
    if (!poll->is_answered) {
        poll->is_answered = true;
        respond(connection);
    }
}

/* Whatever has come until now; before the start, nothing can be said. */
static void on_drain(struct hf_connection *connection)
{
    const struct poll *poll = hf_connection_state(connection);
    answer_later(connection, poll->is_started ? 0 : HF_DISCONNECT_SERVER_ERROR);
}

static void on_closed(struct hf_connection *connection, unsigned code)
{
    struct poll *poll = hf_connection_state(connection);
    if (poll->session != NULL) {
        hf_session_closed(poll->session, code);
    }
    poll_free(poll, hf_connection_worker(connection));
}

static const struct hf_connection_driver poll_driver = {
    .name = "poll",
    .on_input = on_input,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
    .on_later = on_later,
    .on_drain = on_drain,
    .on_closed = on_closed,
};

/* --- request -----------------------------------------------------------------------------------
 */

/* A number of the query; `otherwise` when it is absent. False: it is none. */
static bool read_number(const struct hf_http_request *request, const char *name, uint64_t otherwise,
                        uint64_t *number)
{
    char text[24];
    size_t len;
    *number = otherwise;
    if (!hf_http_query(request, name, text, sizeof(text), &len)) {
        return !hf_http_query_has(request, name);
    }
    *number = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || *number > UINT64_MAX / 10 - 10) {
            return false;
        }
        *number = *number * 10 + (uint64_t)(text[i] - '0');
    }
    return len > 0;
}

/* The channel's position from the query, as the client's wish for recovery. */
static bool read_since(const struct hf_http_request *http, struct hf_uni_request *request)
{
    struct hf_subscribe_request *sub = &request->connect.subs[0].request;
    size_t size = http->query.len + 1;
    size_t len = 0;
    if (!read_number(http, "since", UINT64_MAX, &sub->offset)) {
        return false;
    }
    sub->recover = sub->offset != UINT64_MAX;
    if (!sub->recover) {
        sub->offset = 0;
        return true;
    }
    char *epoch = hf_arena_alloc(&request->arena, size);
    if (epoch == NULL || !hf_http_query(http, "epoch", epoch, size, &len)) {
        return epoch != NULL && !hf_http_query_has(http, "epoch");
    }
    sub->epoch = hf_slice(epoch, len);
    return true;
}

static void begin(struct hf_http_request *http, const struct hf_uni_request *request,
                  uint64_t wait_ms)
{
    struct hf_worker *worker = http->worker;
    struct hf_connection *connection = http->connection;
    struct poll *poll = calloc(1, sizeof(*poll));
    if (poll == NULL) {
        hf_admission_release(worker->priv->admission);
        hf_http_respond_text(http, 500, "no memory");
        return;
    }
    hf_buffer_init(&poll->publications, 0);
    poll->ends_at_ms = worker->now_ms + wait_ms;
    hf_cors_headers(http, poll->cors);
    if (!hf_http_take_over(http, "", 0, &poll_driver, poll)) {
        poll_free(poll, worker);
        return;
    }
    hf_connection_set_reading(connection, true);
    poll->session = hf_session_open(worker, &poll_transport, connection);
    if (poll->session == NULL) {
        answer_later(connection, HF_DISCONNECT_SERVER_ERROR);
        return;
    }
    hf_session_start(poll->session, &request->connect, true);
    follow(connection, poll);
}

static void handle_get(struct hf_http_request *http)
{
    struct hf_uni_request request;
    const char *reason = "exactly one channel is needed";
    uint64_t max_s = (uint64_t)http->worker->config->holdfast.poll_max_wait_ms / 1000;
    uint64_t timeout_s;
    int status = hf_uni_request_read(&request, http, hf_slice(NULL, 0), NULL, &reason);
    if (status == 0 && request.connect.subs_count != 1) {
        status = 400;
        reason = "exactly one channel is needed";
    } else if (status == 0 &&
               (!read_since(http, &request) || !read_number(http, "timeout", max_s, &timeout_s))) {
        status = 400;
        reason = "since and timeout are numbers, epoch is the text of an earlier answer";
    }
    if (status != 0) {
        hf_http_respond_text(http, status, reason);
    } else if (hf__stream_admit(http)) {
        begin(http, &request, (timeout_s < max_s ? timeout_s : max_s) * 1000);
    }
    hf_uni_request_fini(&request);
}

void hf_poll_handle(struct hf_http_request *request)
{
    if (hf_http_method_is(request, "GET")) {
        handle_get(request);
    } else if (hf_http_method_is(request, "OPTIONS")) {
        hf_cors_preflight(request, "GET, OPTIONS");
    } else {
        hf_http_respond_method_not_allowed(request, "GET, OPTIONS");
    }
}
