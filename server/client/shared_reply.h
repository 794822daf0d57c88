/* A shared reply: one frame for all who are told the same about what they have missed.
 *
 * In a storm many come back to one channel from one place, and their clients number their commands
 * alike, so that the answers are the same byte for byte. From the second equal one in a row on, one
 * frame is built and goes to all: neither time nor queued memory grows with clients times what they
 * missed. Worker's thread only; it ends with hf_hub_flush, so no page is held on to. */
#ifndef HF_SERVER_SHARED_REPLY_H
#define HF_SERVER_SHARED_REPLY_H

#include <stdbool.h>
#include <stdint.h>

struct hf_frame;
struct hf_page;
struct hf_session;
struct hf_session_request;
struct hf_subscribe_reply;
struct hf_subscribe_result;
struct hf_transport;

/* Zeroed: nothing is shared yet. */
struct hf_shared_reply {
    /* what the answer that came last was made from, and is made of alone */
    const struct hf_transport *transport; /* NULL: there was none */
    struct hf_page *page;                 /* a reference */
    uint64_t epoch;
    uint64_t since_offset;
    uint32_t id;
    bool is_positioned, is_recoverable, has_recover;
    struct hf_frame *frame; /* a reference; NULL: not built yet */
};

void hf_shared_reply_clear(struct hf_shared_reply *shared);

/* Whether the answer equals the last one; it is remembered as the last from now on. Only answers
 * with publications, and with nothing of the session's own in them, can be equal. */
bool hf_shared_reply_is_next(struct hf_shared_reply *shared,
                             const struct hf_session_request *request,
                             const struct hf_subscribe_result *engine_result);

/* Builds the frame of an answer that equals the last one. False: no memory. */
bool hf_shared_reply_build(struct hf_shared_reply *shared, const struct hf_session_request *request,
                           const struct hf_subscribe_reply *result);

/* Sends it, after what the session was told before. False: it is not built yet. */
bool hf_shared_reply_send(const struct hf_shared_reply *shared, struct hf_session *session);

#endif
