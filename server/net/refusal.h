/* Refusals: the HTTP answers of sessions that end before their response has begun.
 *
 * A session says why with a disconnect code of the protocol; a client that speaks plain HTTP is
 * told with the status that stands for it: 401 for tokens that are missing, invalid or expired, 403
 * for a channel that the client may not have, 400 for too many channels, 429 for too many
 * connections of its user, 503 for what may work later. Pure. */
#ifndef HF_SERVER_REFUSAL_H
#define HF_SERVER_REFUSAL_H

#include "net/frame.h"

/* A whole answer, after which the connection is to be closed; the body is the code's reason. cors:
 * complete header lines. NULL: no memory. */
struct hf_frame *hf_refusal_frame(unsigned disconnect_code, const char *cors);

#endif
