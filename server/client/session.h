/* A session: one client of the Centrifuge protocol, whatever transport carries it.
 *
 *   hf_session_open ─► (connecting) ─ connect command ─► (connected) ─► hf_session_closed ─► freed
 *
 * Worker's thread only. A session is owned by its connection's transport from open to closed; it
 * outlives hf_session_closed only inside, until its open engine requests have completed. */
#ifndef HF_SERVER_SESSION_H
#define HF_SERVER_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/transport.h"

struct hf_connect_request;
struct hf_session;
struct hf_worker;

/* NULL: no memory. The transport must outlive the session (they are constants). */
struct hf_session *hf_session_open(struct hf_worker *worker, const struct hf_transport *transport,
                                   struct hf_connection *connection);

/* One inbound frame: one or more commands. `data` is writable, borrowed until return. The session
 * may call transport->close from inside. */
void hf_session_receive(struct hf_session *session, char *data, size_t len);

/* Starts a session of a unidirectional transport with its connect request; the transport's `start`
 * and the connect push follow once every channel has been asked for, or its `close` with the reason
 * why not. A wished for channel that the client may not have is left out, or, is_strict, ends the
 * session with 3507. The request is borrowed until return. May close the transport from inside. */
void hf_session_start(struct hf_session *session, const struct hf_connect_request *request,
                      bool is_strict);

/* A ping of the transport's own was answered. One that nobody waits for is ignored. */
void hf_session_pong(struct hf_session *session);

/* The output queue has been written out (called only after hf_session_want_drain). */
void hf_session_drained(struct hf_session *session);

/* The session's deadline has passed (see hf_session_deadline): stale check, ping, pong check. */
void hf_session_tick(struct hf_session *session, uint64_t now_ms);
/* When hf_session_tick wants to be called next, in the worker's clock; asked for after open and
 * after every call into the session. UINT64_MAX: never. */
uint64_t hf_session_deadline(const struct hf_session *session);

/* The transport is gone, `code` tells why (a disconnect code, 3000 when the peer left). */
void hf_session_closed(struct hf_session *session, unsigned code);

#endif
