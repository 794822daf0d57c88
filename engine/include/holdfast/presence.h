/* Presence: who is in a channel, and the news of who joins and leaves it.
 *
 * The store remembers each client that was added until it is removed, or until presence_ttl_ms
 * (hf_engine_config) after its last add or refresh: so the clients of a node that died go by
 * themselves. Time is the store's clock. All functions are requests of a port, as in engine.h: the
 * port's thread, HF_OK and one completion later, or an error and none; arguments are borrowed until
 * return.
 *
 * P1  Adds, refreshes, joins and removes of one port are applied in the order they were made; a get
 *     or stats sees those that were made before it.
 * P2  Who joins and leaves is told to every port that watches the channel (hf_port_callbacks,
 *     on_join and on_leave), on every node, at most once and without history. A join and the leave
 *     of the same client come in this order.
 * P3  With a grace, a removed client stays for so long. If its user is added in the meantime, on
 *     any node, under this or another client, it is removed at once and nobody is told anything:
 *     the add says `has_returned`, and the caller then tells no join. Else it is removed, and its
 *     leave told, when the grace is over; if this engine is gone by then, when another one next
 *     changes or refreshes the channel's presence. The empty user has no grace.
 * Limits: client 1 to 255 bytes without spaces and control characters; HF_EINVAL otherwise. */
#ifndef HF_HOLDFAST_PRESENCE_H
#define HF_HOLDFAST_PRESENCE_H

#include <holdfast/engine.h>

#define HF_PRESENCE_CLIENT_MAX 255 /* bytes */
#define HF_PRESENCE_BATCH_MAX  128 /* clients in one refresh */

/* One client in one channel. */
struct hf_presence_client {
    struct hf_bytes channel;
    struct hf_bytes client; /* unique in the channel; its user never changes */
    struct hf_bytes user;   /* what is counted as users; may be empty */
    struct hf_bytes info;   /* opaque; what get, on_join and on_leave give */
};

/* `has_returned`: see P3. */
typedef void hf_presence_add_callback(void *context, int result, bool has_returned);
/* Adds the client, or takes over new `info` for it. */
int hf_presence_add(struct hf_port *port, const struct hf_presence_client *client,
                    hf_presence_add_callback *callback, void *context);

/* Keeps up to HF_PRESENCE_BATCH_MAX clients of any channels for another presence_ttl_ms; those that
 * the store has lost are added again. `callback` may be NULL. */
int hf_presence_refresh(struct hf_port *port, const struct hf_presence_client *clients,
                        size_t count, hf_done_callback *callback, void *context);

/* Tells that the client has joined; changes nothing. `callback` may be NULL. */
int hf_presence_join(struct hf_port *port, const struct hf_presence_client *client,
                     hf_done_callback *callback, void *context);

struct hf_presence_remove_options {
    bool tells;        /* the leave is told, also of a client that was never added */
    uint32_t grace_ms; /* see P3; 0: removed at once */
};
/* Removes the client, which need not be there. Completes before a grace. `callback` may be NULL. */
int hf_presence_remove(struct hf_port *port, const struct hf_presence_client *client,
                       const struct hf_presence_remove_options *options, hf_done_callback *callback,
                       void *context);

struct hf_present_client {
    struct hf_bytes client;
    struct hf_bytes info;
};
/* `entries` (in no order) is borrowed until return, NULL when empty. */
typedef void hf_presence_callback(void *context, int result,
                                  const struct hf_present_client *entries, size_t count);
int hf_presence_get(struct hf_port *port, struct hf_bytes channel, hf_presence_callback *callback,
                    void *context);

/* The number of clients and of different users among them. */
typedef void hf_presence_stats_callback(void *context, int result, uint64_t clients,
                                        uint64_t users);
int hf_presence_stats(struct hf_port *port, struct hf_bytes channel,
                      hf_presence_stats_callback *callback, void *context);

#endif
