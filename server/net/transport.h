/* A transport: how a session's messages travel. Every transport is a framing of one reply stream.
 *
 * Worker's thread only. The session calls these functions; the transport calls hf_session_*.
 * Sending never calls back into the session before it returns; a failed or overfull connection is
 * closed on a later loop turn. */
#ifndef HF_SERVER_TRANSPORT_H
#define HF_SERVER_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

#include <holdfast/position.h>

#include "net/frame.h"
#include "reply.h"

struct hf_connection;
struct hf_connect_result;
struct hf_encoder;

/* The framings there are; an index into per-publication caches of built frames. */
enum hf_framing {
    HF_FRAMING_WEBSOCKET_JSON,
    HF_FRAMING_WEBSOCKET_PROTOBUF,
    HF_FRAMING_WEBSOCKET_JSON_DEFLATE, /* the same two compressed */
    HF_FRAMING_WEBSOCKET_PROTOBUF_DEFLATE,
    HF_FRAMING_LINES,         /* chunks of lines: http_stream */
    HF_FRAMING_CHUNKS,        /* chunks of Protobuf messages: http_stream */
    HF_FRAMING_SSE,           /* chunks of events: sse */
    HF_FRAMING_UNI_WEBSOCKET, /* the same three with bare pushes */
    HF_FRAMING_UNI_LINES,
    HF_FRAMING_UNI_SSE, /* each event's end is sent apart, since it may carry an id */
    HF_FRAMING_POLL,    /* publications alone */
    HF_FRAMINGS
};

/* What a unidirectional session has of one channel when it starts. Borrowed. */
struct hf_start_channel {
    struct hf_slice channel;
    struct hf_slice publications; /* a list of hf_encoder.publication_list_add */
    struct hf_position position;  /* after `publications`; {0,0}: the channel keeps no history */
    bool is_recoverable;
    bool was_recovering;
    bool is_recovered;
};

struct hf_transport {
    const char *name; /* "websocket" */
    enum hf_encoding encoding;
    enum hf_framing framing;
    /* Wraps encoded messages' bytes (already joined by the encoding's separator) into this
     * transport's framing. One reference for the caller; NULL: no memory. Usable for any
     * connection with the same framing. */
    struct hf_frame *(*wrap)(const char *data, size_t len);
    /* Queues a frame; takes a reference of its own. Above client.queue_max_size the connection is
     * closed with 3008. */
    void (*send)(struct hf_connection *connection, struct hf_frame *frame);
    /* Bytes queued and not yet taken by the kernel. */
    size_t (*queued)(const struct hf_connection *connection);
    /* Says goodbye with a disconnect code after what is queued (but 3000 and 3008: at once).
     * hf_session_closed follows on a later turn. Idempotent: the first call wins. */
    void (*close)(struct hf_connection *connection, unsigned code, const char *reason);
    /* Drops the connection without a goodbye, once what is queued is written (a connect error
     * reply, say). hf_session_closed follows on a later turn. */
    void (*drop)(struct hf_connection *connection);

    /* What follows is NULL or false where a transport has nothing of the kind. */

    /* Writes messages instead of the encoding's own encoder. */
    const struct hf_encoder *encoder;
    /* The client sends nothing after its connect request: no commands, no pongs. */
    bool is_unidirectional;
    /* Its sessions are over with one answer: they are nobody's presence. */
    bool is_transient;
    /* Fills `session` and `node` of the answer to connect, which live as long as the connection,
     * and takes back `ping` and `pong` when it pings by itself. */
    void (*describe)(const struct hf_connection *connection, struct hf_connect_result *result);
    /* Sends a ping of the transport's own, which the client's program does not see; its answer
     * comes as hf_session_pong. False: this connection has none, the protocol's is to be sent. */
    bool (*ping)(struct hf_connection *connection);
    /* hf_session_deadline may be sooner than before, and not within a call of the driver's: by a
     * backend's command, say. */
    void (*reschedule)(struct hf_connection *connection);
    /* A unidirectional session has started; its connect push follows. */
    void (*start)(struct hf_connection *connection, const struct hf_start_channel *channels,
                  size_t count);
    /* Instead of `send` for the frame of one publication of the channel. */
    void (*send_publication)(struct hf_connection *connection, struct hf_frame *frame,
                             struct hf_slice channel, struct hf_position position);
};

#endif
