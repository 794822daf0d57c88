/* Session ids: what a client of a one-way transport is known by. A UUID of version 4 (RFC 9562)
 * whose last 16 bits are the worker's index, so that a node knows where to look. Pure but for the
 * random bits; any thread. */
#ifndef HF_SERVER_SESSION_ID_H
#define HF_SERVER_SESSION_ID_H

#include <stdbool.h>

#include "slice.h"

struct hf_worker;

#define HF_SESSION_ID_SIZE     16
#define HF_SESSION_ID_TEXT_LEN 36

/* False: no randomness. */
bool hf_session_id_choose(const struct hf_worker *worker, unsigned char id[HF_SESSION_ID_SIZE],
                          char text[HF_SESSION_ID_TEXT_LEN + 1]);
/* False: `text` is not the text of an id, in lower case. */
bool hf_session_id_parse(struct hf_slice text, unsigned char id[HF_SESSION_ID_SIZE]);

#endif
