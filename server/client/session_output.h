/* Session output: joins the replies that one session gets in one loop turn into few frames.
 *
 * One per worker, since the answers to one inbound frame come in a row: a reply for another session
 * sends what was gathered so far. Whatever is sent to a connection in another way (a shared frame,
 * a ping, a close) must be preceded by a flush, so that nothing overtakes. Worker's thread only. */
#ifndef HF_SERVER_SESSION_OUTPUT_H
#define HF_SERVER_SESSION_OUTPUT_H

#include <stdbool.h>

#include "buffer.h"
#include "reply.h"

struct hf_session;

struct hf_session_output {
    struct hf_session *session; /* whose messages are in `buffer`; NULL when it is empty */
    struct hf_buffer buffer;    /* messages with separators between them */
    unsigned count;             /* messages in it */
};

void hf_session_output_init(struct hf_session_output *output);
void hf_session_output_fini(struct hf_session_output *output); /* must have been flushed */

/* Where the next message of `session` is to be encoded, behind the separator when needed. End with
 * hf_session_output_commit. */
struct hf_buffer *hf_session_output_begin(struct hf_session_output *output,
                                          struct hf_session *session);
/* Sends when enough is gathered. A message that could not be encoded (no memory) ends the
 * connection with 3004. */
void hf_session_output_commit(struct hf_session_output *output);
void hf_session_output_flush(struct hf_session_output *output);
/* Drops what was gathered for this session. */
void hf_session_output_forget(struct hf_session_output *output, const struct hf_session *session);

#endif
