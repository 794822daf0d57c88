/* Member: a subscription in a channel that keeps presence, or that tells who joins and leaves.
 * Worker's thread. Channels without these options have plain subscriptions and pay nothing.
 *
 *   hf_member_new ─► hf_member_add ─completion─► hf_member_added ─► reply ─► hf_member_tell_join
 *                                                         hf_subscription_free ─► hf_member_leave
 *
 * The engine applies what one worker asks of it in order, so a leave follows its join and a removal
 * its add, whether these were answered or not. A member is refreshed from hf_members_refresh, in
 * requests that carry many. */
#ifndef HF_SERVER_MEMBER_H
#define HF_SERVER_MEMBER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <holdfast/engine.h>

#include "client/subscription.h"
#include "config/config.h"

struct hf_worker;

struct hf_member {
    struct hf_subscription subscription; /* first: they share their address */
    TAILQ_ENTRY(hf_member) in_members;   /* while is_refreshed */
    uint64_t refresh_at_ms;
    bool keeps_presence; /* set at creation, as the channel's options are */
    bool tells;          /* same: joins and leaves */
    bool is_asked_for;   /* an add was made */
    bool is_refreshed;
    bool has_returned; /* nobody was told of a leave: no join is told either */
    bool is_joined;    /* its join was told, or did not have to be */
};

/* A worker's members that are refreshed, the next one first. */
TAILQ_HEAD(hf_members, hf_member);

static inline bool hf_member_is_wanted(const struct hf_channel_options *options)
{
    return options->presence || options->join_leave;
}

/* A zeroed subscription that is one; NULL: no memory. */
struct hf_subscription *hf_member_new(const struct hf_channel_options *options);
bool hf_member_keeps_presence(const struct hf_subscription *subscription); /* also of a plain one */

/* Asks the engine to add it; HF_OK: `callback` follows. */
int hf_member_add(struct hf_subscription *subscription, hf_presence_add_callback *callback,
                  void *context);
/* It was added: it is refreshed from now on. */
void hf_member_added(struct hf_subscription *subscription, bool has_returned);
/* The subscribe was answered: tells the channel, if it wants to know. */
void hf_member_tell_join(struct hf_subscription *subscription);
/* Undoes what was done of the above; the subscription is about to go. */
void hf_member_leave(struct hf_subscription *subscription);

/* Refreshes those whose time has come; about once a second. */
void hf_members_refresh(struct hf_worker *worker, uint64_t now_ms);

/* For hf_port_callbacks: pushes to the subscribers of the channel that get joins. */
void hf_member_on_join(void *watch_context, struct hf_bytes info);
void hf_member_on_leave(void *watch_context, struct hf_bytes info);

#endif
