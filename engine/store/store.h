/* The store contract: where streams live. Two sides: memory.c and redis.c.
 *
 * A store belongs to the engine's thread and its event loop. No callback or completion runs inside
 * a call into the store: it comes from the loop, later. Requests are the caller's memory; the store
 * keeps the pointer until the completion, which comes exactly once (at the latest from close).
 *
 * S1  A publish that completed with HF_OK is in the stream at the position that it gave.
 * S2  Publishes to one channel are applied, and their publications delivered, in the order given.
 * S3  After on_listening(channel), every publication of the channel that is applied from then on is
 *     handed to on_publication in order, until on_disconnected. Reads sent after on_listening
 *     therefore leave no hole.
 * S4  A read never writes, except that `create` gives a stream that has no epoch its first one.
 * S5  A stream holds entries of one epoch only, with consecutive offsets up to its top.
 * S6  on_disconnected forgets every listen; on_connected tells that listens are wanted anew.
 * S7  A store that may have lost something takes nothing new before it was looked after: publishes
 *     with history and removes wait while the store's life (on_connected) is not the one that
 *     `admit` named last. Reads and mends do not wait, and overtake them.
 * Failures: while the store cannot be reached, requests wait up to config->wait_ms, then complete
 * with HF_EUNAVAILABLE. A publish that was sent when the connection broke is sent again, with
 * history or an idempotency key, so that it is applied once; where that cannot be known, or for
 * want of time, it completes with HF_EUNKNOWN. Reads are sent again. */
#ifndef HF_STORE_STORE_H
#define HF_STORE_STORE_H

#include <holdfast/engine.h>

#include "core/lives.h"

struct event_base;
struct hf_store;

struct hf_store_events {
    /* `life` names the store's process: another number than before means that it may have lost what
     * it acknowledged. Never 0. `admitted` are those that nodes have admitted (S7), as far as the
     * store itself knows: after a loss those since then are missing, or all. Borrowed until return.
     */
    void (*on_connected)(void *context, uint64_t life, const struct hf_lives *admitted);
    void (*on_disconnected)(void *context, const char *reason);
    void (*on_listening)(void *context, struct hf_bytes channel);
    /* `publication` is borrowed: take a reference to keep it. */
    void (*on_publication)(void *context, struct hf_bytes channel,
                           struct hf_publication *publication);
    /* The channel's entries were removed (by any node): what was heard of them must not be
     * recovered. */
    void (*on_removed)(void *context, struct hf_bytes channel);
    /* What any node on this store gave to `bus_send` for all or for us; borrowed. Heard whenever
     * connected. */
    void (*on_bus)(void *context, struct hf_bytes message);
    /* A client has joined the channel, or left it; `info` is borrowed. */
    void (*on_presence)(void *context, struct hf_bytes channel, bool is_join, struct hf_bytes info);
    void *context;
};

#define HF_IDEMPOTENCY_TTL_S 300

struct hf_store_publish {
    /* in, borrowed until the completion */
    struct hf_bytes channel;
    struct hf_stream_options options;
    /* With a version, and history: it is dropped unless it is newer than the last one (of the same
     * version_epoch, or of any when that is empty). */
    struct hf_publication_fields fields;
    struct hf_bytes idempotency_key; /* empty: none. One that was there is not published again */
    uint32_t idempotency_ttl_s;      /* how long it is remembered; 0: HF_IDEMPOTENCY_TTL_S */
    void (*complete)(struct hf_store_publish *request);
    /* out */
    int result;
    enum hf_publish_outcome outcome;
    /* {0,0} without history. Repeated: that of the first. Outdated: the top */
    struct hf_position position;
    /* the store's own; kept for a retry */
    void *internal[4];
};

struct hf_store_read {
    /* in, borrowed until the completion */
    struct hf_bytes channel;
    /* meta_ttl_s is for `create`. history_size > 0: only so many newest publications are there,
     * even if the store has not trimmed the others yet. */
    struct hf_stream_options options;
    uint32_t limit;   /* publications at most; 0: the position only */
    size_t bytes_max; /* stop after the publication that passes this; 0: none */
    bool create;      /* a stream without an epoch gets one (offset 0) */
    bool has_since;
    bool reverse;
    /* Include the publication at `since` itself, if it is there; it counts neither against `limit`
     * nor against `bytes_max`. */
    bool with_since;
    bool with_admitted_life;
    struct hf_position since; /* HF_EPOCH_NONE: the current epoch */
    void (*complete)(struct hf_store_read *request);
    /* out; a `since` of another epoch gives no publications */
    int result;
    uint64_t life;          /* with HF_OK: of the store that answered; before on_connected tells it,
                               when the connection was lost and made again meanwhile */
    uint64_t admitted_life; /* the newest of those, after all else was read; 0: none, or not asked
                               for */
    struct hf_position top; /* {0,0}: there is no stream (and !create) */
    struct hf_page *page;   /* one reference for the caller; NULL when empty */
    bool has_more;          /* limit or bytes_max cut the page short */
    void *internal[4];
};

struct hf_store_remove {
    struct hf_bytes channel;
    void (*complete)(struct hf_store_remove *request);
    int result;
    void *internal[4];
};

/* The answer to a store that has lost acknowledged publications (core.h, hf_core_mend): if the
 * stream is still at `expected`, `page` is written back behind it, with its offsets, and delivered;
 * without a page the stream's epoch is replaced if it is still that of `expected`. One atomic step;
 * HF_EUNRECOVERABLE when the stream is elsewhere, or the store is in another life. */
struct hf_store_mend {
    struct hf_bytes channel;
    struct hf_stream_options options;
    struct hf_position expected;
    uint64_t life;        /* in which it was seen there; 0: any */
    struct hf_page *page; /* borrowed until the completion; NULL: a new epoch */
    void (*complete)(struct hf_store_mend *request);
    int result;
    void *internal[4];
};

/* One message to every node, itself included, or to the one of that name; not kept. In Redis:
 * PUBLISH <prefix>:bus or <prefix>:node:<name>. */
struct hf_store_bus {
    struct hf_bytes message;
    struct hf_bytes target; /* config->node_name of a node, else HF_ENONODE; empty: all */
    void (*complete)(struct hf_store_bus *request);
    int result;
    void *internal[4];
};

/* A client that waits for an END that does not come goes so long after its grace, with its leave
 * told, as soon as the channel's presence is changed or refreshed again. */
#define HF_PRESENCE_SLACK_MS 2000

enum hf_presence_action {
    HF_PRESENCE_ADD,
    HF_PRESENCE_REFRESH, /* keeps a client, or adds it when it is not there */
    HF_PRESENCE_JOIN,    /* only tells on_presence */
    HF_PRESENCE_REMOVE,  /* with grace_ms (and a user): the client stays, but waits for its end */
    HF_PRESENCE_END,     /* the grace is over: removes the client if it still waits */
};

struct hf_presence_item {
    enum hf_presence_action action;
    struct hf_presence_client who;
    bool tells;        /* REMOVE: the leave is told to on_presence, at its END when it waits */
    uint32_t grace_ms; /* REMOVE */
    /* out. ADD: the client, or another one of its user, was waiting, and was taken out without a
     * leave. REMOVE: the client waits now. */
    bool is_held;
};

/* Changes of presence, in the order given, also over several requests. Adds and refreshes hold for
 * config->presence_ttl_ms. An answer that was lost is asked for again, without telling anybody
 * again: so a join or leave may be missed, but nobody hears it twice. */
struct hf_store_presence {
    struct hf_presence_item *items; /* borrowed until the completion */
    size_t count;                   /* 1 to HF_PRESENCE_BATCH_MAX */
    void (*complete)(struct hf_store_presence *request);
    int result;
    void *internal[4];
};

/* Sees the changes that were asked for before. Never writes. */
struct hf_store_presence_read {
    struct hf_bytes channel;
    bool wants_entries; /* else only the numbers are read */
    void (*complete)(struct hf_store_presence_read *request);
    /* out */
    int result;
    uint64_t clients, users;           /* without wants_entries */
    struct hf_present_client *entries; /* one block with its texts, for the caller to free() */
    size_t count;
    void *internal[4];
};

struct hf_store_status {
    bool is_connected;  /* commands are answered */
    bool is_delivering; /* listening works */
    char reason[160];   /* when not both */
    uint64_t commands;  /* sent so far */
};

struct hf_store_ops {
    void (*publish)(struct hf_store *store, struct hf_store_publish *request);
    void (*read)(struct hf_store *store, struct hf_store_read *request);
    void (*remove)(struct hf_store *store, struct hf_store_remove *request);
    void (*mend)(struct hf_store *store, struct hf_store_mend *request);
    void (*bus_send)(struct hf_store *store, struct hf_store_bus *request);
    void (*presence)(struct hf_store *store, struct hf_store_presence *request);
    void (*presence_read)(struct hf_store *store, struct hf_store_presence_read *request);
    void (*listen)(struct hf_store *store, struct hf_bytes channel);
    void (*unlisten)(struct hf_store *store, struct hf_bytes channel);
    void (*admit)(struct hf_store *store, uint64_t life); /* S7; any time */
    void (*flush)(struct hf_store *store); /* end of a loop turn: send what was gathered */
    /* Stop, or go on, reading publications: back-pressure of a slow port. */
    void (*pause)(struct hf_store *store, bool paused);
    void (*status)(const struct hf_store *store, struct hf_store_status *status);
    /* Completes everything open with HF_ECLOSED (inside this call), then frees the store. */
    void (*close)(struct hf_store *store);
};

/* First member of every store. */
struct hf_store {
    const struct hf_store_ops *ops;
};

/* Open a store on `base`. `config` (with its defaults filled in) and `events` are borrowed for the
 * store's life. On failure NULL, and `reason` says why. The first on_connected comes from the loop.
 */
struct hf_store *hf_store_memory_open(struct event_base *base,
                                      const struct hf_engine_config *config,
                                      const struct hf_store_events *events, char *reason,
                                      size_t reason_size);
struct hf_store *hf_store_redis_open(struct event_base *base, const struct hf_engine_config *config,
                                     const struct hf_store_events *events, char *reason,
                                     size_t reason_size);

#endif
