/* Fence: nobody is told `recovered` before every living node has said what it knows of the store.
 *
 * After a restart or a failover the store may have lost publications that it acknowledged. A node
 * that saw them finds out and mends the stream, but meanwhile another node, which did not, could
 * answer a client from the mended-to-be stream. So a node that meets another life of the store (a
 * server process has one, hf_fence_connected) closes its fence, checks what it knows itself, says
 * so to the others, and opens when all the others that live have said the same.
 *
 *          disconnected, or deaf           hears itself, in the same life; or in another life that
 *                                          was checked here and by every peer
 *   OPEN ─────────────────────────► CLOSED ─────────────────────────────────────────────────► OPEN
 *
 * A node hears its own words too, and is deaf when it has said none of the last `deaf_ms` that came
 * back: it was stopped, or its connection is gone without a sign. The others may have given it up
 * by then, and gone on without what it knows.
 *
 * Peers are the nodes that were heard within `peer_timeout_ms`; counted from the connection, or
 * from when it was no longer deaf, because they could not be heard before. A node that has just
 * started knows no peers: it asks, and waits `hello_ms` for who answers. But who is cut off just
 * then does not answer, and lives: only a node that has heard everything for `peer_timeout_ms` on
 * end is acquainted with all. One that is not waits for so long in a life that nobody has admitted
 * yet, after which the others are peers, or dead. Pure: no clock, no I/O. One thread. */
#ifndef HF_CORE_FENCE_H
#define HF_CORE_FENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_fence_config {
    uint64_t self;            /* this node's number, random, never 0 */
    uint64_t peer_timeout_ms; /* a peer that is silent for so long does not live */
    uint64_t hello_ms;
    uint64_t heartbeat_ms; /* a node says what it has checked at least so often */
    uint64_t deaf_ms;      /* longer than a heartbeat takes, shorter than peer_timeout_ms */
    uint32_t peers_max;    /* more are not waited for: the longest silent is forgotten */
};

struct hf_fence_peer {
    uint64_t number;
    uint64_t checked_life; /* the store's life that it has checked; 0: none yet */
    uint64_t heard_ms;
};

/* What nodes say to each other. */
struct hf_fence_word {
    uint64_t number;
    uint64_t checked_life;
    uint64_t said_ms; /* by the clock of who said it, and only of use to it */
    bool wants_answer;
};

struct hf_fence {
    struct hf_fence_config config;
    struct hf_fence_peer *peers;
    uint32_t count;
    uint64_t life;      /* the store's, 0: not connected yet */
    uint64_t open_life; /* the life for which the fence has been opened; 0: none yet */
    uint64_t connected_ms;
    uint64_t listening_ms; /* since then it hears itself without a long break, and so the others */
    uint64_t hello_ms;     /* from then on it waits at least so long */
    uint64_t said_ms;
    uint64_t echo_ms; /* when the newest word was said that came back; until then all was heard */
    bool is_connected;
    bool is_acquainted; /* it has heard everything for peer_timeout_ms on end, once */
    bool is_echoed;     /* one that was said over this connection */
    bool is_checked;    /* this node has checked `life` */
    bool must_say;      /* something has changed that the others wait for */
    bool must_ask;
};

/* false: no memory. */
bool hf_fence_init(struct hf_fence *fence, const struct hf_fence_config *config);
void hf_fence_fini(struct hf_fence *fence);

/* Another life than before: what is known must be checked.
 * `admitted_life`: the last one for which some node's fence was open, as far as the store itself
 * knows; 0: there was none, so there is nothing in it that it could have lost. */
void hf_fence_connected(struct hf_fence *fence, uint64_t life, uint64_t admitted_life,
                        uint64_t now_ms);
void hf_fence_disconnected(struct hf_fence *fence);
/* Everything this node knows has been compared with the present life, and mended. */
void hf_fence_checked(struct hf_fence *fence);
void hf_fence_heard(struct hf_fence *fence, const struct hf_fence_word *word, uint64_t now_ms);

/* Whether there is something to say now; it is then taken as said. */
bool hf_fence_says(struct hf_fence *fence, struct hf_fence_word *word, uint64_t now_ms);
bool hf_fence_is_open(struct hf_fence *fence, uint64_t now_ms);

#endif
