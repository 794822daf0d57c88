/* Publication frames: the wire forms of publications, built once per framing for the whole process.
 *
 * The first worker that needs a form builds it and attaches it to the engine's object; the others
 * share the bytes. When two build at the same time, one result is dropped.
 *   publication -> its push, wrapped by the transport            (live fan-out)
 *   page        -> the list for a subscribe reply or a history reply
 *   page        -> all its pushes, wrapped, several per message  (further pages of a recovery)
 * and the same for subscribers that get them in another form (struct hf_publication_form):
 *   deltas    what follows a publication that the client has is the difference to that if the
 *             difference is shorter, and in JSON every payload is a text in quotes. What a delta is
 *             made from is always the publication one offset before, so that it is one for all
 *   compact   pushes tell a number instead of the channel's name, the same for all of a channel
 * Worker's thread. Builds are counted in worker->counters.frames_built, one per publication that
 * was encoded. */
#ifndef HF_SERVER_PUBLICATION_FRAME_H
#define HF_SERVER_PUBLICATION_FRAME_H

#include <holdfast/publication.h>

#include "net/transport.h"
#include "reply.h"

struct hf_worker;

/* Most messages that are joined into one frame. */
#define HF_FRAME_MESSAGES_MAX 16

enum hf_publication_frame_result {
    HF_PUBLICATION_FRAME_OK,
    HF_PUBLICATION_FRAME_NO_MEMORY,
    HF_PUBLICATION_FRAME_UNFIT, /* the payload cannot be said in this encoding (binary in JSON) */
};

/* The push of a publication. *frame: one reference for the caller; holds the publication. */
enum hf_publication_frame_result hf_publication_frame(struct hf_worker *worker,
                                                      const struct hf_transport *transport,
                                                      struct hf_slice channel,
                                                      struct hf_publication *publication,
                                                      struct hf_frame **frame);

/* A form other than the plain one. */
struct hf_publication_form {
    bool is_delta;
    const struct hf_publication *base; /* with is_delta: the publication one offset before, which
                                          the client has; NULL: it has not. Pages begin without */
    bool is_compact;
};

/* The same in another form. */
enum hf_publication_frame_result
hf_publication_form_frame(struct hf_worker *worker, const struct hf_transport *transport,
                          struct hf_slice channel, const struct hf_publication_form *form,
                          struct hf_publication *publication, struct hf_frame **frame);

/* The pushes of a page (not NULL), as hf_publication_frame. */
enum hf_publication_frame_result hf_page_frame(struct hf_worker *worker,
                                               const struct hf_transport *transport,
                                               struct hf_slice channel, struct hf_page *page,
                                               struct hf_frame **frame);

/* The same in another form. */
enum hf_publication_frame_result hf_page_form_frame(struct hf_worker *worker,
                                                    const struct hf_transport *transport,
                                                    struct hf_slice channel,
                                                    const struct hf_publication_form *form,
                                                    struct hf_page *page, struct hf_frame **frame);

/* The list for publications_raw; lives as long as the page. NULL page: the empty list. */
enum hf_publication_frame_result hf_page_list(struct hf_worker *worker,
                                              const struct hf_transport *transport,
                                              struct hf_page *page, struct hf_slice *list);
/* The same with deltas, the first one in full. */
enum hf_publication_frame_result hf_page_delta_list(struct hf_worker *worker,
                                                    const struct hf_transport *transport,
                                                    struct hf_page *page, struct hf_slice *list);

/* The wire form of a publication as a list item or API item. Texts of the result borrow from
 * `publication`. False when the encoding cannot say it: JSON data that is not JSON, or info and
 * tags that are not JSON. epoch: needed only by live pushes. */
bool hf_publication_to_wire(const struct hf_publication *publication, enum hf_encoding encoding,
                            struct hf_wire_publication *wire);

/* The number of a channel in compact pushes, never 0. Different channels may have the same. */
uint32_t hf_channel_number(struct hf_slice channel);

/* The encoder that a transport's messages are written with. */
const struct hf_encoder *hf_transport_encoder(const struct hf_transport *transport);

#endif
