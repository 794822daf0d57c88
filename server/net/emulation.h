/* Emulation: commands of clients on one-way streams, which come as requests of their own to
 * whichever node and worker the network brings them to.
 *
 * A session id is a UUID of version 4 whose last 16 bits are the worker's index; the client gets it
 * with the node's uid when it connects. A request of the same worker is handed over in a call, of
 * another worker of the node through its inbox, of another node through the engine's bus. What is
 * on its way is "emulation\n" <node uid> "\n" <session id> "\n" <commands>. Commands are in the
 * session's encoding, whatever that of the request around them.
 * Worker's thread only. */
#ifndef HF_SERVER_EMULATION_H
#define HF_SERVER_EMULATION_H

#include <holdfast/publication.h>

#include "net/http.h"
#include "net/stream.h"

struct hf_emulation;

/* The streams of a worker that can be found by their ids. NULL: no memory. */
struct hf_emulation *hf_emulation_open(void);
void hf_emulation_close(struct hf_emulation *emulation); /* NULL is allowed */

void hf_emulation_add(struct hf_worker *worker, struct hf_stream *stream);
void hf_emulation_remove(struct hf_stream *stream); /* also when it is not there */
/* What clients have to send back as `node`. */
struct hf_slice hf_emulation_node(const struct hf_worker *worker);

/* The route of emulation.handler_prefix. */
hf_http_handler hf_emulation_handle;

/* A message from the bus or the inbox. True: it was one of these, for whomever. */
bool hf_emulation_take(struct hf_worker *worker, struct hf_bytes message);

#endif
