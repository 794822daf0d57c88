/* A transport: how a session's messages travel. Every transport is a framing of one reply stream.
 *
 * Worker's thread only. The session calls these functions; the transport calls hf_session_*.
 * Sending never calls back into the session before it returns; a failed or overfull connection is
 * closed on a later loop turn. */
#ifndef HF_SERVER_TRANSPORT_H
#define HF_SERVER_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "net/frame.h"
#include "reply.h"

struct hf_connection;

/* The framings there are; an index into per-publication caches of built frames. */
enum hf_framing { HF_FRAMING_WEBSOCKET_JSON, HF_FRAMING_WEBSOCKET_PROTOBUF, HF_FRAMINGS };

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
};

#endif
