#include "net/websocket_driver.h"

#include <stdlib.h>
#include <string.h>

#include "client/session.h"
#include "codes.h"
#include "command.h"
#include "log.h"
#include "net/admission.h"
#include "net/session_id.h"
#include "net/websocket_deflate.h"
#include "net/websocket_frame.h"
#include "net/worker_loop.h"
#include "utf8.h"
#include "websocket.h"

enum {
    GOODBYE_MS = 5000, /* for the peer's close frame */
    LINGER_MS = 1000,  /* for the peer to close after both close frames */
};

struct hf_websocket {
    struct hf_session *session; /* NULL: not opened, or told that it is over */
    struct hf_websocket_reader reader;
    const struct hf_transport *transport;
    char session_text[HF_SESSION_ID_TEXT_LEN + 1]; /* unidirectional */
    bool pings_by_frame;                           /* with the frames that WebSocket has for it */
    bool is_started;     /* unidirectional: the connect request has come */
    uint16_t close_code; /* what the session is told; 0: nobody has closed */
    bool is_goodbye_sent;
};

/* --- closing ---------------------------------------------------------------------------------- */

static void end_session(struct hf_websocket *websocket, unsigned code)
{
    struct hf_session *session = websocket->session;
    websocket->session = NULL;
    if (session != NULL) {
        hf_session_closed(session, websocket->close_code != 0 ? websocket->close_code : code);
    }
}

static bool send_control(struct hf_connection *connection, const char *data, size_t len)
{
    char *bytes;
    struct hf_frame *frame = hf_frame_new(len, &bytes);
    if (frame == NULL) {
        hf_connection_close(connection, HF_DISCONNECT_SERVER_ERROR, false, 0);
        return false;
    }
    memcpy(bytes, data, len);
    hf_connection_send(connection, frame);
    hf_frame_unref(frame);
    return true;
}

static bool send_close_frame(struct hf_connection *connection, uint16_t code,
                             struct hf_slice reason)
{
    char frame[HF_WEBSOCKET_CLOSE_FRAME_MAX];
    return send_control(connection, frame, hf_websocket_close_frame(code, reason, frame));
}

/* Clients that only read messages may never see the close frame's code. */
static void send_disconnect(struct hf_connection *connection, const struct hf_transport *transport,
                            unsigned code, const char *reason)
{
    struct hf_buffer *encode = &hf_connection_worker(connection)->encode;
    hf_buffer_reset(encode);
    transport->encoder->push_disconnect(encode, code, hf_slice_of(reason));
    struct hf_frame *frame =
        hf_buffer_failed(encode) ? NULL : transport->wrap(encode->data, encode->len);
    if (frame != NULL) { /* without memory the close frame alone has to say it */
        hf_connection_send(connection, frame);
        hf_frame_unref(frame);
    }
}

static void transport_close(struct hf_connection *connection, unsigned code, const char *reason)
{
    struct hf_websocket *websocket = hf_connection_state(connection);
    if (websocket->close_code != 0 || hf_connection_is_closing(connection)) {
        return;
    }
    if (websocket->transport->is_unidirectional && code != HF_DISCONNECT_CONNECTION_CLOSED &&
        code != HF_DISCONNECT_SLOW) {
        send_disconnect(connection, websocket->transport, code, reason);
    }
    websocket->close_code = (uint16_t)code;
    if (code == HF_DISCONNECT_CONNECTION_CLOSED || code == HF_DISCONNECT_SLOW) {
        hf_connection_close(connection, code, false, 0);
        return;
    }
    if (send_close_frame(connection, (uint16_t)code, hf_slice_of(reason))) {
        websocket->is_goodbye_sent = true;
        hf_connection_set_deadline(connection,
                                   hf_connection_worker(connection)->now_ms + GOODBYE_MS);
        hf_connection_want_later(connection);
    }
}

static void follow_session_deadline(struct hf_connection *connection,
                                    const struct hf_websocket *websocket)
{
    if (websocket->session != NULL && websocket->close_code == 0) {
        hf_connection_set_deadline(connection, hf_session_deadline(websocket->session));
    }
}

static void transport_reschedule(struct hf_connection *connection)
{
    follow_session_deadline(connection, hf_connection_state(connection));
}

static void transport_drop(struct hf_connection *connection)
{
    struct hf_websocket *websocket = hf_connection_state(connection);
    if (websocket->close_code == 0) {
        websocket->close_code = HF_DISCONNECT_CONNECTION_CLOSED;
    }
    hf_connection_close(connection, HF_DISCONNECT_CONNECTION_CLOSED, true, GOODBYE_MS);
    hf_connection_want_later(connection);
}

/* The peer has broken the protocol: nothing that it sends is understood any more. */
static void fail(struct hf_connection *connection, uint16_t code, const char *reason)
{
    struct hf_websocket *websocket = hf_connection_state(connection);
    hf_log(HF_LOG_DEBUG, "websocket refused", "code=%u reason=%s", (unsigned)code, reason);
    if (!websocket->is_goodbye_sent) {
        (void)send_close_frame(connection, code, hf_slice_of(reason));
    }
    hf_connection_close(connection, HF_DISCONNECT_CONNECTION_CLOSED, true, GOODBYE_MS);
    hf_connection_want_later(connection);
}

/* --- sending ---------------------------------------------------------------------------------- */

static struct hf_frame *wrap_text(const char *data, size_t len)
{
    return hf__websocket_wrap(HF_WEBSOCKET_TEXT, data, len);
}

static struct hf_frame *wrap_binary(const char *data, size_t len)
{
    return hf__websocket_wrap(HF_WEBSOCKET_BINARY, data, len);
}

static struct hf_frame *wrap_text_deflated(const char *data, size_t len)
{
    return hf_websocket_deflate_wrap(HF_WEBSOCKET_TEXT, data, len);
}

static struct hf_frame *wrap_binary_deflated(const char *data, size_t len)
{
    return hf_websocket_deflate_wrap(HF_WEBSOCKET_BINARY, data, len);
}

static void transport_send(struct hf_connection *connection, struct hf_frame *frame)
{
    const struct hf_websocket *websocket = hf_connection_state(connection);
    if (websocket->close_code != 0) {
        return; /* nothing may follow the close frame */
    }
    hf_connection_send(connection, frame);
    hf_counter_add(&hf_connection_worker(connection)->counters.messages_out, 1);
}

static bool transport_ping(struct hf_connection *connection)
{
    const struct hf_websocket *websocket = hf_connection_state(connection);
    char ping[HF_WEBSOCKET_SERVER_HEADER_MAX];
    if (websocket->pings_by_frame && websocket->close_code == 0) {
        (void)send_control(connection, ping, hf_websocket_header(HF_WEBSOCKET_PING, 0, ping));
    }
    return websocket->pings_by_frame;
}

static void describe(const struct hf_connection *connection, struct hf_connect_result *result)
{
    const struct hf_websocket *websocket = hf_connection_state(connection);
    if (websocket->transport->is_unidirectional) {
        result->session = hf_slice(websocket->session_text, HF_SESSION_ID_TEXT_LEN);
    }
    if (websocket->pings_by_frame) {
        result->ping = 0;
        result->pong = false;
    }
}

/* clang-format off */
#define COMMON_OPERATIONS                                                                          \
    .send = transport_send,                                                                        \
    .queued = hf_connection_queued,                                                                \
    .close = transport_close,                                                                      \
    .drop = transport_drop,                                                                        \
    .reschedule = transport_reschedule,                                                            \
    .describe = describe,                                                                          \
    .ping = transport_ping
/* clang-format on */

const struct hf_transport hf_websocket_json_transport = {
    .name = "websocket",
    .encoding = HF_ENCODING_JSON,
    .framing = HF_FRAMING_WEBSOCKET_JSON,
    .wrap = wrap_text,
    COMMON_OPERATIONS,
};

const struct hf_transport hf_websocket_protobuf_transport = {
    .name = "websocket",
    .encoding = HF_ENCODING_PROTOBUF,
    .framing = HF_FRAMING_WEBSOCKET_PROTOBUF,
    .wrap = wrap_binary,
    COMMON_OPERATIONS,
};

const struct hf_transport hf_websocket_json_deflate_transport = {
    .name = "websocket",
    .encoding = HF_ENCODING_JSON,
    .framing = HF_FRAMING_WEBSOCKET_JSON_DEFLATE,
    .wrap = wrap_text_deflated,
    COMMON_OPERATIONS,
};

const struct hf_transport hf_websocket_protobuf_deflate_transport = {
    .name = "websocket",
    .encoding = HF_ENCODING_PROTOBUF,
    .framing = HF_FRAMING_WEBSOCKET_PROTOBUF_DEFLATE,
    .wrap = wrap_binary_deflated,
    COMMON_OPERATIONS,
};

bool hf__websocket_is_deflated(const struct hf_transport *transport)
{
    return transport == &hf_websocket_json_deflate_transport ||
           transport == &hf_websocket_protobuf_deflate_transport;
}

/* One message for each push, as clients parse each as one object. */
static struct hf_frame *uni_wrap(const char *data, size_t len)
{
    struct hf_buffer out;
    hf_buffer_init(&out, 0);
    for (size_t at = 0; at < len;) {
        const char *line_end = memchr(data + at, '\n', len - at);
        size_t line_len = line_end != NULL ? (size_t)(line_end - data) - at : len - at;
        char header[HF_WEBSOCKET_SERVER_HEADER_MAX];
        hf_buffer_append(&out, header, hf_websocket_header(HF_WEBSOCKET_TEXT, line_len, header));
        hf_buffer_append(&out, data + at, line_len);
        at += line_len + 1;
    }
    char *bytes;
    struct hf_frame *frame = hf_buffer_failed(&out) ? NULL : hf_frame_new(out.len, &bytes);
    if (frame != NULL && out.len > 0) {
        memcpy(bytes, out.data, out.len);
    }
    hf_buffer_fini(&out);
    return frame;
}

const struct hf_transport hf_uni_websocket_transport = {
    .name = "uni_websocket",
    .encoding = HF_ENCODING_JSON,
    .framing = HF_FRAMING_UNI_WEBSOCKET,
    .wrap = uni_wrap,
    COMMON_OPERATIONS,
    .encoder = &hf_encoder_json_bare,
    .is_unidirectional = true,
};

/* --- receiving -------------------------------------------------------------------------------- */

void hf__websocket_start_session(struct hf_connection *connection,
                                 const struct hf_connect_request *request, bool is_strict)
{
    struct hf_websocket *websocket = hf_connection_state(connection);
    websocket->is_started = true;
    if (websocket->session != NULL && websocket->close_code == 0) {
        hf_session_start(websocket->session, request, is_strict);
        follow_session_deadline(connection, websocket);
    }
}

/* The first message of a unidirectional client; later ones are ignored. */
static void take_connect_request(struct hf_connection *connection,
                                 const struct hf_websocket *websocket, struct hf_slice payload)
{
    if (websocket->is_started) {
        return;
    }
    struct hf_connect_request request;
    struct hf_arena arena;
    hf_arena_init(&arena, payload.len * 64 + 4096);
    if (hf_connect_request_decode_json(payload, &arena, &request, NULL) == HF_COMMAND_OK) {
        hf__websocket_start_session(connection, &request, false);
    } else {
        transport_close(connection, HF_DISCONNECT_BAD_REQUEST,
                        hf_disconnect_reason(HF_DISCONNECT_BAD_REQUEST));
    }
    hf_arena_fini(&arena);
}

/* The message's bytes, decompressed where they have to be. False: the connection has failed. */
static bool open_message(struct hf_connection *connection, const struct hf_websocket *websocket,
                         const struct hf_websocket_message *message, struct hf_slice *payload)
{
    *payload = message->payload;
    if (!message->is_compressed) {
        return true;
    }
    switch (hf_websocket_deflate_open_message(message->payload, websocket->reader.fragments.max,
                                              payload)) {
    case HF_INFLATE_OK:
        return true;
    case HF_INFLATE_BAD:
        fail(connection, HF_WEBSOCKET_CLOSE_INVALID_DATA, "invalid compressed data");
        break;
    case HF_INFLATE_TOO_BIG:
        fail(connection, HF_WEBSOCKET_CLOSE_TOO_BIG, "message over the size limit");
        break;
    case HF_INFLATE_NO_MEMORY:
        fail(connection, HF_WEBSOCKET_CLOSE_INTERNAL, "out of memory");
        break;
    }
    return false;
}

static void take_message(struct hf_connection *connection, struct hf_websocket *websocket,
                         const struct hf_websocket_message *message)
{
    struct hf_slice payload;
    if (websocket->close_code != 0) {
        return; /* sent before the peer saw the goodbye */
    }
    if (!open_message(connection, websocket, message, &payload)) {
        return;
    }
    if (message->opcode == HF_WEBSOCKET_TEXT && !hf_utf8_is_valid(payload.data, payload.len)) {
        fail(connection, HF_WEBSOCKET_CLOSE_INVALID_DATA, "invalid UTF-8");
        return;
    }
    hf_counter_add(&hf_connection_worker(connection)->counters.messages_in, 1);
    if (websocket->transport->is_unidirectional) {
        take_connect_request(connection, websocket, payload);
        return;
    }
    /* The bytes are the connection's, the reader's or the decompressor's own: writable. */
    hf_session_receive(websocket->session, (char *)(uintptr_t)payload.data, payload.len);
}

static void take_close(struct hf_connection *connection, struct hf_websocket *websocket,
                       struct hf_slice payload)
{
    struct hf_websocket_close close;
    uint16_t error = hf_websocket_parse_close(payload, &close);
    if (error != 0) {
        fail(connection, error, "invalid close frame");
        return;
    }
    if (!websocket->is_goodbye_sent) {
        (void)send_close_frame(connection, close.code, hf_slice(NULL, 0));
    }
    hf_connection_close(connection, HF_DISCONNECT_CONNECTION_CLOSED, true, LINGER_MS);
    hf_connection_want_later(connection);
}

static void take_control(struct hf_connection *connection, struct hf_websocket *websocket,
                         const struct hf_websocket_message *message)
{
    if (message->opcode == HF_WEBSOCKET_CLOSE) {
        take_close(connection, websocket, message->payload);
    } else if (message->opcode == HF_WEBSOCKET_PING && !websocket->is_goodbye_sent) {
        char pong[HF_WEBSOCKET_SERVER_HEADER_MAX + HF_WEBSOCKET_CONTROL_MAX];
        size_t header_len = hf_websocket_header(HF_WEBSOCKET_PONG, message->payload.len, pong);
        if (message->payload.len > 0) {
            memcpy(pong + header_len, message->payload.data, message->payload.len);
        }
        (void)send_control(connection, pong, header_len + message->payload.len);
    } else if (message->opcode == HF_WEBSOCKET_PONG && websocket->pings_by_frame &&
               websocket->session != NULL && websocket->close_code == 0) {
        hf_session_pong(websocket->session);
    }
}

static size_t on_input(struct hf_connection *connection, char *data, size_t len)
{
    struct hf_websocket *websocket = hf_connection_state(connection);
    size_t used = 0;
    while (used < len && !hf_connection_is_closing(connection)) {
        struct hf_websocket_message message;
        enum hf_websocket_result result =
            hf_websocket_read(&websocket->reader, data + used, len - used, &message);
        if (result == HF_WEBSOCKET_NEED_MORE) {
            break;
        }
        if (result == HF_WEBSOCKET_ERROR) {
            fail(connection, message.close_code, message.reason);
            break;
        }
        if (result == HF_WEBSOCKET_MESSAGE) {
            take_message(connection, websocket, &message);
        } else if (result == HF_WEBSOCKET_CONTROL) {
            take_control(connection, websocket, &message);
        }
        used += message.consumed;
    }
    follow_session_deadline(connection, websocket);
    return used;
}

/* --- the rest of the driver ------------------------------------------------------------------- */

static void on_drained(struct hf_connection *connection)
{
    struct hf_websocket *websocket = hf_connection_state(connection);
    if (websocket->session != NULL) {
        hf_session_drained(websocket->session);
        follow_session_deadline(connection, websocket);
    }
}

static void on_deadline(struct hf_connection *connection, uint64_t now_ms)
{
    struct hf_websocket *websocket = hf_connection_state(connection);
    if (websocket->close_code != 0) {
        hf_connection_close(connection, websocket->close_code, false, 0);
    } else if (websocket->session != NULL) {
        hf_session_tick(websocket->session, now_ms);
        follow_session_deadline(connection, websocket);
    }
}

static void on_later(struct hf_connection *connection)
{
    end_session(hf_connection_state(connection), HF_DISCONNECT_CONNECTION_CLOSED);
}

static void on_drain(struct hf_connection *connection)
{
    transport_close(connection, HF_DISCONNECT_SHUTDOWN,
                    hf_disconnect_reason(HF_DISCONNECT_SHUTDOWN));
}

static void on_closed(struct hf_connection *connection, unsigned code)
{
    struct hf_websocket *websocket = hf_connection_state(connection);
    end_session(websocket, code);
    hf__websocket_free(websocket, hf_connection_worker(connection));
}

const struct hf_connection_driver hf__websocket_driver = {
    .name = "websocket",
    .answers_after_end = false,
    .on_open = NULL,
    .on_input = on_input,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
    .on_later = on_later,
    .on_drain = on_drain,
    .on_closed = on_closed,
};

struct hf_websocket *hf__websocket_new(struct hf_worker *worker,
                                       const struct hf_transport *transport, bool pings_by_frame)
{
    const struct hf_config *config = worker->config;
    struct hf_websocket *websocket = calloc(1, sizeof(*websocket));
    unsigned char id[HF_SESSION_ID_SIZE];
    if (websocket == NULL) {
        return NULL;
    }
    websocket->transport = transport;
    websocket->pings_by_frame = pings_by_frame;
    if (transport->is_unidirectional &&
        !hf_session_id_choose(worker, id, websocket->session_text)) {
        free(websocket);
        return NULL;
    }
    hf_websocket_reader_init(&websocket->reader,
                             transport->is_unidirectional
                                 ? config->uni_websocket.max_request_body_size_bytes
                                 : config->websocket.message_size_limit_bytes);
    websocket->reader.allows_deflate = hf__websocket_is_deflated(transport);
    return websocket;
}

void hf__websocket_free(struct hf_websocket *websocket, struct hf_worker *worker)
{
    hf_websocket_reader_fini(&websocket->reader);
    free(websocket);
    hf_admission_release(worker->priv->admission);
}

size_t hf__websocket_size(void)
{
    return sizeof(struct hf_websocket);
}

void hf__websocket_start(struct hf_connection *connection)
{
    struct hf_websocket *websocket = hf_connection_state(connection);
    const struct hf_transport *transport = websocket->transport;
    struct hf_worker *worker = hf_connection_worker(connection);
    hf_connection_set_queue_max(connection, worker->config->client.queue_max_size_bytes);
    hf_connection_set_write_timeout(connection,
                                    (uint32_t)(transport->is_unidirectional
                                                   ? worker->config->uni_websocket.write_timeout_ms
                                                   : worker->config->websocket.write_timeout_ms));
    websocket->session = hf_session_open(worker, transport, connection);
    if (websocket->session == NULL) {
        transport_close(connection, HF_DISCONNECT_SERVER_ERROR,
                        hf_disconnect_reason(HF_DISCONNECT_SERVER_ERROR));
    } else if (worker->priv->is_draining) {
        on_drain(connection);
    }
    follow_session_deadline(connection, websocket);
}
