/* Hub: which subscriptions of this worker listen to which channel, and the fan-out to them.
 *
 * One entry and one engine watch per channel; both go with the last subscriber.
 * H1: subscribers [0, live) of an entry are live: they get every publication. The others wait for
 *     their subscribe's completion or for further pages. Of the live ones [plain, live) are those
 *     with a tailoring (tailoring.h), which get it in a form of their own, or not at all.
 * H2: subscription->hub_index is the subscription's place in its entry.
 * H3: a live tailored subscriber that has_base has got entry->base last.
 * H4: an entry without subscribers is gone before the call that removed the last one returns.
 * Adding, removing and going live are O(1). Sending never calls back, so the subscribers cannot
 * change under a fan-out. Worker's thread only. */
#ifndef HF_SERVER_HUB_H
#define HF_SERVER_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/engine.h>

#include "arena.h"
#include "client/session_output.h"
#include "hash.h"
#include "net/transport.h"
#include "slice.h"

#define HF_HUB_RANDOM_POOL 1024 /* bytes that are fetched at one time */

struct hf_directory;
struct hf_hub;
struct hf_members;
struct hf_shared_reply;
struct hf_subscription;
struct hf_tailoring;
struct hf_worker;

struct hf_hub_subscriber {
    const struct hf_transport *transport;
    union {
        struct hf_connection *connection;
        struct hf_tailoring *tailoring; /* owned; when subscription->is_tailored */
    };
    struct hf_subscription *subscription;
};

struct hf_hub_entry {
    struct hf_hub_entry *next; /* in the bucket */
    struct hf_hub *hub;
    struct hf_watch *watch;
    struct hf_hub_subscriber *subscribers; /* owned; `count` of `capacity` */
    struct hf_publication *base;           /* owned; what the next delta is made from; or NULL */
    uint32_t count;
    uint32_t live;
    uint32_t plain;
    uint32_t capacity;
    uint32_t hash;
    uint32_t channel_len;
    bool is_pinned; /* callbacks are running on it */
    char channel[]; /* channel_len bytes */
};

/* NULL: no memory or no randomness. */
struct hf_hub *hf_hub_open(struct hf_worker *worker);
/* The order of the end: hf_session_closed for all sessions (they close their watches), then
 * hf_port_close, then this. NULL is allowed. */
void hf_hub_close(struct hf_hub *hub);

/* For hf_port_callbacks. */
void hf_hub_on_publication(void *watch_context, struct hf_publication *publication);
void hf_hub_on_lost(void *watch_context, int reason);

/* A pinned entry stays when its last subscriber goes, until it is unpinned: for callbacks on it. */
void hf_hub_pin(struct hf_hub_entry *entry);
void hf_hub_unpin(struct hf_hub_entry *entry);

/* Sends the replies that were gathered and not sent yet. The worker calls it after every
 * hf_port_dispatch and after hf_port_close. */
void hf_hub_flush(struct hf_hub *hub);

/* The channel's entry, or NULL when nobody here listens. */
struct hf_hub_entry *hf_hub_find(const struct hf_hub *hub, struct hf_slice channel);

/* Calls `visit` for every channel with subscribers. It must not add or remove any. */
void hf_hub_each(const struct hf_hub *hub,
                 void (*visit)(void *context, const struct hf_hub_entry *entry), void *context);

/* A keyed hash of a channel's name: equal for equal names, and nobody outside can make others so.
 */
uint64_t hf_hub_hash(const struct hf_hub *hub, struct hf_slice channel);
/* Its key, for this worker's other tables of names; lives as long as the hub. */
const struct hf_hash_key *hf_hub_hash_key(const struct hf_hub *hub);

/* Adds a subscription, not live, opening the channel's watch when it is the first.
 * subscription->session must be set; ->entry and ->hub_index are filled. HF_OK, HF_ENOMEM (also
 * when the engine takes no further watch). */
int hf_hub_add(struct hf_hub *hub, struct hf_slice channel, const struct hf_stream_options *options,
               struct hf_subscription *subscription);
void hf_hub_remove(struct hf_subscription *subscription);
/* Gives a subscription that is not live a tailoring, which is taken. */
void hf_hub_tailor(struct hf_subscription *subscription, struct hf_tailoring *tailoring);
/* Sends the frame of a publication. Never calls back. */
void hf_hub_send(const struct hf_subscription *subscription, struct hf_frame *frame,
                 struct hf_position position);
/* NULL: it has none. */
struct hf_tailoring *hf_hub_tailoring(const struct hf_subscription *subscription);
void hf_hub_set_live(struct hf_subscription *subscription);
bool hf_hub_is_live(const struct hf_subscription *subscription);

static inline struct hf_slice hf_hub_entry_channel(const struct hf_hub_entry *entry)
{
    return hf_slice(entry->channel, entry->channel_len);
}

/* Those of this worker's subscriptions whose presence is refreshed (member.h). */
struct hf_members *hf_hub_members(struct hf_hub *hub);
/* This worker's sessions by user. */
struct hf_directory *hf_hub_directory(struct hf_hub *hub);

/* What sessions of a worker share. */
struct hf_session_output *hf_hub_output(struct hf_hub *hub);
struct hf_shared_reply *hf_hub_shared_reply(struct hf_hub *hub);
struct hf_arena *hf_hub_arena(struct hf_hub *hub);
/* The ping of this framing, built once; borrowed. NULL: no memory. */
struct hf_frame *hf_hub_ping_frame(struct hf_hub *hub, const struct hf_transport *transport);
/* `len` bytes (at most HF_HUB_RANDOM_POOL) that nobody can guess. False: the library has none. */
bool hf_hub_random_bytes(struct hf_hub *hub, unsigned char *out, size_t len);
/* Uniform in [0, bound), bound > 0. Not for secrets. */
uint64_t hf_hub_random(struct hf_hub *hub, uint64_t bound);

#endif
