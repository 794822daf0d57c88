/* Tailoring: what makes publications different for one subscriber: he gets them as deltas, with a
 * number in the channel's place, or only those whose tags pass his filter. Worker's thread. Most
 * subscribers have none and pay nothing.
 *
 * A delta is the difference to the publication one offset before. A client surely has that one when
 * it got it on this subscription: from the page of a recovery, or live. Whatever else comes first
 * (a fresh subscription, a position without a publication, a publication without an offset) is told
 * in full, and the next one is a delta to it.
 *
 * The hub owns the tailoring of a subscription (hf_hub_tailor). */
#ifndef HF_SERVER_TAILORING_H
#define HF_SERVER_TAILORING_H

#include <stdbool.h>

#include <holdfast/publication.h>

#include "client/publication_frame.h"
#include "command.h"
#include "config/config.h"

struct hf_hub_entry;
struct hf_session;
struct hf_subscription;
struct hf_tags_filter;

struct hf_tailoring {
    struct hf_tags_filter *filter; /* owned; NULL: every publication; else gets_deltas is false */
    uint32_t number;               /* the channel's, in pushes to this client; 0: they name it */
    struct hf_publication *base;   /* owned; while not live: what the client got last, or NULL */
    bool gets_deltas;              /* negotiated, though some may come in full */
    bool has_base;                 /* live: the client got the entry's base last */
};

/* What a subscribe request asks for and the channel allows; *tailoring is NULL when that is nothing
 * special. With a filter no deltas are given: their chain would have holes. A number that another
 * channel of the session has is not given again. 0, or an error code. */
int hf_tailoring_new(const struct hf_session *session, const struct hf_channel_options *options,
                     const struct hf_subscribe_request *request, struct hf_tailoring **tailoring);
void hf_tailoring_free(struct hf_tailoring *tailoring); /* NULL is allowed */

/* The subscriber goes live in the entry; for the hub. */
void hf_tailoring_live(struct hf_hub_entry *entry, struct hf_tailoring *tailoring);

/* Sends a live publication to the entry's tailored live subscribers; for the hub. The entry is
 * pinned. Those who cannot be given it are ended. */
void hf_tailoring_fan_out(struct hf_hub_entry *entry, struct hf_publication *publication);

/* The list of a recovered page for the answer to this subscription, tailored or not. It lives until
 * the worker's next encoding or as long as the page, whichever is shorter; page NULL: empty. */
enum hf_publication_frame_result hf_tailored_list(const struct hf_subscription *subscription,
                                                  struct hf_page *page, struct hf_slice *list);

/* What of a recovered page the subscription gets, tailored or not, and is about to get: one
 * reference for the caller, NULL in *part for nothing. False: no memory. */
bool hf_tailored_part(const struct hf_subscription *subscription, struct hf_page *page,
                      struct hf_page **part);

/* Whether the subscription was granted deltas; the channel's number that it was given, or 0. */
bool hf_gets_deltas(const struct hf_subscription *subscription);
uint32_t hf_number_given(const struct hf_subscription *subscription);

#endif
