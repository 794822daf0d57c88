/* Streams: HTTP responses that do not end, as transports of sessions.
 *
 *   http_stream, sse            answers of a session; commands come as POSTs (emulation.h)
 *   uni_http_stream, uni_sse    bare pushes; nothing comes from the client
 *
 * The response begins at once, or, where a refusal is to be told by the HTTP status (refusal.h),
 * once the session has started.
 *
 * A frame is one chunk of the response (RFC 9112, 7.1) with whole messages, so that it can be
 * shared by connections and is never split by us. A disconnect is told as a push, then the response
 * ends and the connection with it. HTTP/1.0 has no chunks and is refused with 505.
 * Worker's thread only. */
#ifndef HF_SERVER_STREAM_H
#define HF_SERVER_STREAM_H

#include <stdbool.h>

#include <sys/queue.h>

#include "net/http.h"
#include "net/session_id.h"
#include "net/transport.h"

hf_http_handler hf_sse_handle;
hf_http_handler hf_http_stream_handle;
hf_http_handler hf_uni_sse_handle;
hf_http_handler hf_uni_http_stream_handle;

/* --- what the drivers share ------------------------------------------------------------------ */

struct hf_event_ids;
struct hf_stream_head;

/* How a response begins. */
struct hf_stream_opening {
    const char *content_type;  /* "" for none */
    const char *preamble;      /* first bytes of the body, a chunk */
    struct hf_event_ids *ids;  /* taken, also on failure; NULL but for uni_sse */
    bool is_refused_by_status; /* until hf__stream_answer; else it begins at once */
};

struct hf_stream {
    struct hf_session *session; /* NULL: not opened, or told that it is over */
    struct hf_connection *connection;
    const struct hf_transport *transport;
    LIST_ENTRY(hf_stream) in_table; /* while is_listed: found by its id (emulation.h) */
    struct hf_event_ids *ids;       /* owned; uni_sse only */
    struct hf_stream_head *head;    /* owned; the response has not begun, else NULL */
    uint16_t close_code;            /* 0: nobody has closed */
    bool is_listed;
    unsigned char id[HF_SESSION_ID_SIZE];
    char id_text[HF_SESSION_ID_TEXT_LEN + 1];
};

extern const struct hf_connection_driver hf__stream_driver;

/* One chunk of `before` + data + `after`. NULL: no memory. */
struct hf_frame *hf__stream_chunk(const char *before, const char *data, size_t len,
                                  const char *after);

/* Members of struct hf_transport. */
void hf__stream_send(struct hf_connection *connection, struct hf_frame *frame);
void hf__stream_close(struct hf_connection *connection, unsigned code, const char *reason);
void hf__stream_drop(struct hf_connection *connection);
void hf__stream_reschedule(struct hf_connection *connection);
void hf__stream_describe(const struct hf_connection *connection, struct hf_connect_result *result);

/* All of these but _send. */
/* clang-format off */
#define HF__STREAM_OPERATIONS                                                                      \
    .queued = hf_connection_queued,                                                                \
    .close = hf__stream_close,                                                                     \
    .drop = hf__stream_drop,                                                                       \
    .reschedule = hf__stream_reschedule,                                                           \
    .describe = hf__stream_describe
/* clang-format on */

/* Of the request's body: Protobuf for the content type application/octet-stream, else JSON. */
enum hf_encoding hf__stream_encoding(const struct hf_http_request *request);
/* Checks that are common to all: version, draining, admission. False: the request was answered. */
bool hf__stream_admit(struct hf_http_request *request);
/* Takes over and opens the session. NULL: it has failed and everything is answered and released. */
struct hf_stream *hf__stream_begin(struct hf_http_request *request,
                                   const struct hf_transport *transport,
                                   const struct hf_stream_opening *opening);
/* Begins the response, answering 200, if it has not begun. */
void hf__stream_answer(struct hf_connection *connection);
/* To be called after every call into the session. */
void hf__stream_follow(struct hf_stream *stream);

#endif
