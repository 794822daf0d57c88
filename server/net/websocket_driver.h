/* WebSocket: a connection's driver and the session's transports, one for each encoding.
 *
 *   open ──close()──► goodbye sent ──peer's close frame, or 5 s──► connection closes
 *     │                 (the session is told on the next turn)
 *     └──peer's close frame, error, end──► connection closes
 *
 * One message in one frame is delivered in place; fragments are put together in memory that lives
 * as long as the message. Worker's thread only. */
#ifndef HF_SERVER_WEBSOCKET_DRIVER_H
#define HF_SERVER_WEBSOCKET_DRIVER_H

#include "net/connection.h"
#include "net/http.h"
#include "net/transport.h"

/* The route of websocket.handler_prefix: checks the handshake, answers it, opens the session. */
hf_http_handler hf_websocket_handle;

/* The route of uni_websocket.handler_prefix: bare pushes; the first message, or cf_connect, is the
 * connect request, and what else the client sends is ignored. */
hf_http_handler hf_uni_websocket_handle;

extern const struct hf_transport hf_websocket_json_transport;
extern const struct hf_transport hf_uni_websocket_transport;
extern const struct hf_transport hf_websocket_protobuf_transport;
/* With permessage-deflate (websocket_deflate.h). */
extern const struct hf_transport hf_websocket_json_deflate_transport;
extern const struct hf_transport hf_websocket_protobuf_deflate_transport;

/* --- between handshake and driver ----------------------------------------------------------- */

struct hf_websocket;
extern const struct hf_connection_driver hf__websocket_driver;

bool hf__websocket_is_deflated(const struct hf_transport *transport);
/* NULL: no memory. `transport`: one of those above. `pings_by_frame`: instead of with the
 * protocol's messages. Holds a place of the node's admission until the driver's on_closed, or until
 * hf__websocket_free. */
struct hf_websocket *hf__websocket_new(struct hf_worker *worker,
                                       const struct hf_transport *transport, bool pings_by_frame);
void hf__websocket_free(struct hf_websocket *websocket, struct hf_worker *worker);
size_t hf__websocket_size(void); /* bytes per connection, besides the session */
struct hf_connect_request;
/* Unidirectional: the connect request has come with the handshake; as hf_session_start. */
void hf__websocket_start_session(struct hf_connection *connection,
                                 const struct hf_connect_request *request, bool is_strict);
/* Opens the session of a connection that was taken over with hf__websocket_driver. */
void hf__websocket_start(struct hf_connection *connection);

#endif
