/* The engine: streams with history and recovery over a store, for programs with their own loops.
 *
 * An engine runs one thread that owns every stream (DESIGN: one sequencer per channel). Programs
 * talk to it through ports. A port belongs to one thread of the program: all of a port's functions
 * and callbacks run there. Nothing here blocks except hf_engine_open and hf_engine_close.
 *
 *   hf_engine_open ─► hf_port_open ─► requests ─► hf_port_flush      (once per loop turn)
 *   poll(hf_port_fd) readable ─► hf_port_dispatch ─► completions and deliveries, in order
 *
 * E1  Every accepted request gets exactly one completion, from hf_port_dispatch, never before the
 *     call returns; at the latest in hf_port_close, with HF_ECLOSED.
 * E2  Events of a port come in one order. A subscribe completion with `live` set is followed by
 *     every later publication of the channel, none twice, none missing, until on_lost or close.
 * E3  `recovered` is said only when the page, the pages that follow (while !live), and what is then
 *     delivered hold every publication after the given position.
 * E4  Publishes of one port to one channel are applied in the order they were made. Other requests
 *     may overtake each other: who wants one after the other waits for the completion. */
#ifndef HF_HOLDFAST_ENGINE_H
#define HF_HOLDFAST_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/error.h>
#include <holdfast/position.h>
#include <holdfast/publication.h>

struct hf_engine;
struct hf_port;
struct hf_watch;

enum hf_store_kind {
    HF_STORE_MEMORY, /* this process only; history ends with it */
    HF_STORE_REDIS,
};

enum hf_log_severity {
    HF_SEVERITY_DEBUG,
    HF_SEVERITY_INFO,
    HF_SEVERITY_WARNING,
    HF_SEVERITY_ERROR
};

struct hf_redis_config {
    const char *address;         /* host:port, redis://[user[:password]@]host[:port][/db], or
                                    unix:///path; NULL: redis://127.0.0.1:6379 */
    const char *user;            /* NULL: none; the address wins */
    const char *password;        /* NULL: none; the address wins; never logged */
    uint32_t db;                 /* the address wins */
    const char *prefix;          /* of every key; NULL: "holdfast" */
    const char *client_name;     /* CLIENT SETNAME; NULL: none */
    uint32_t connect_timeout_ms; /* 0: 1000 */
    uint32_t io_timeout_ms; /* a command unanswered for so long breaks the connection; 0: 4000 */
    uint32_t probe_interval_ms; /* how often Redis has to prove that it delivers, and is asked
                                   whether it still is a primary; 0: 5000 */
};

#define HF_NODE_NAME_MAX 64

/* Zero in a numeric field means its default, given behind it. Strings are copied by open. */
struct hf_engine_config {
    enum hf_store_kind store;
    struct hf_redis_config redis;
    const char *node_name; /* what hf_bus_send_to reaches this engine by, 1 to HF_NODE_NAME_MAX
                              bytes, unique on the store; NULL: nothing does */

    uint32_t linger_ms;             /* a stream without watchers is kept warm; 60000 */
    uint32_t lingering_streams_max; /* oldest are dropped; 100000 */
    uint32_t tail_publications_max; /* newest publications kept per stream; 1024 */
    size_t tail_bytes_max;          /* the same in bytes; 1 MiB */
    size_t tails_bytes_max;         /* of all streams; longest unused are emptied; 256 MiB */
    uint32_t page_publications_max; /* per page of a recovery; 512 */
    size_t page_bytes_max;          /* per page of a recovery, at least one item; 256 KiB */
    uint32_t loads_in_flight_max;   /* reads of streams at one time; 64 */
    uint32_t wait_ms;               /* a request waits so long for the store; 4000 */
    uint32_t node_timeout_ms;       /* another node that is silent for so long is not waited for,
                                       after the store was lost (core/fence.h); 3000 */
    uint32_t node_hello_ms;         /* a node that meets another process of the store waits at least
                                       so long for others to make themselves known; 300 */
    uint32_t awaited_nodes_max;     /* other nodes that are waited for then; of more, the longest
                                       silent are not; 1024 */
    uint32_t witnesses_max;         /* channels that are not followed here, whose position is
                                       remembered to notice a store that went back; 100000 */
    size_t witnesses_bytes_max;     /* the same in bytes; the oldest go; 32 MiB */
    uint32_t witness_ttl_ms;        /* one that nothing is heard of for so long goes; 3600000 */
    uint32_t idle_channels_max;    /* Redis: channels whose stream's epoch is remembered though they
                                      are not used, to save a round trip; 65536 */
    uint32_t idle_channel_ttl_ms;  /* ... for so long; 60000 */
    uint32_t memory_keys_max;      /* memory store: idempotency keys remembered; above it a publish
                                      with a new key gets HF_ELIMIT; 1000000 */
    uint32_t memory_versions_max;  /* the same for channels' last versions; 1000000 */
    uint32_t presence_ttl_ms;      /* a client that is not refreshed is gone; presence.h; 60000 */
    uint32_t pending_requests_max; /* accepted and not completed, all ports; 100000 */
    size_t pending_bytes_max;      /* payloads waiting for the store; 64 MiB */
    size_t publication_bytes_max;  /* of one publication with its channel, info and tags; a larger
                                      one gets HF_ELIMIT; 256 MiB */
    size_t mailbox_bytes_max;      /* towards one port; then the engine stops reading from the
                                      store until the port catches up; 64 MiB */

    /* Called from the engine thread and from hf_engine_open; `text` is borrowed. NULL: silent. */
    void (*log)(void *log_context, enum hf_log_severity severity, const char *text);
    void *log_context;
};

/* A stream's limits. history_size 0: no history, so no positions and no recovery. */
struct hf_stream_options {
    uint32_t history_size;  /* publications kept */
    uint32_t history_ttl_s; /* the whole history expires so long after the newest publication */
    uint32_t meta_ttl_s;    /* the position outlives the history; >= history_ttl_s */
};

/* --- engine: any thread ------------------------------------------------------------------- */

/* Starts the engine's thread. An unreachable store is no error: it is tried for ever, see
 * hf_engine_status. HF_EINVAL for a configuration it cannot use (`reason` then says which, a static
 * or NUL-terminated text copied into at most `reason_size` bytes), HF_ENOMEM. */
int hf_engine_open(const struct hf_engine_config *config, struct hf_engine **engine_out,
                   char *reason, size_t reason_size);

/* Ends the thread and frees the engine. Every port must be closed. */
void hf_engine_close(struct hf_engine *engine);

struct hf_engine_status {
    bool is_ready;         /* the store takes commands and delivers publications */
    bool is_connected;     /* commands reach it */
    char reason[160];      /* why it is not ready, or what it cannot do though it is, or "" */
    uint64_t not_ready_ms; /* since when, 0 when ready */
    uint64_t streams, lingering, tails_bytes, witnesses;
    uint64_t streams_in_step; /* of `streams`: what is heard of them is delivered at once */
    uint64_t store_commands;  /* sent to the store so far */
    uint64_t store_reads;     /* stream reads among them */
    uint64_t publications_in, publications_out, duplicates_dropped, gaps_repaired, streams_lost;
    uint64_t recoveries_from_tail, recoveries_from_store, recoveries_refused;
    uint64_t rollbacks_seen, streams_healed, epochs_rotated;
};
void hf_engine_status(struct hf_engine *engine, struct hf_engine_status *status);

/* --- ports: the opening thread ------------------------------------------------------------ */

struct hf_port_callbacks {
    /* A publication for everyone on the channel who is live. Borrowed until return. */
    void (*on_publication)(void *watch_context, struct hf_publication *publication);
    /* The stream went on without a part that nobody can get any more, or in another epoch: no
     * subscriber is live any longer; each must subscribe again (HF_EUNRECOVERABLE). */
    void (*on_lost)(void *watch_context, int reason);
    /* A message that some engine on the same store (this one included) sent with hf_bus_send,
     * or to this one alone.
     * Borrowed until return. NULL: not wanted. */
    void (*on_bus)(void *port_context, struct hf_bytes message);
    /* A client has joined or left the watched channel (presence.h); `info` is its own, borrowed
     * until return. In order with the channel's publications while its stream is in step with the
     * store. NULL: not wanted. */
    void (*on_join)(void *watch_context, struct hf_bytes info);
    void (*on_leave)(void *watch_context, struct hf_bytes info);
    void *port_context;
};

/* NULL: no memory or no file descriptor. Callbacks are copied. */
struct hf_port *hf_port_open(struct hf_engine *engine, const struct hf_port_callbacks *callbacks);

/* Completes what is open with HF_ECLOSED (callbacks run inside this call), frees all watches and
 * the port. */
void hf_port_close(struct hf_port *port);

int hf_port_fd(const struct hf_port *port);  /* readable when hf_port_dispatch has work */
void hf_port_dispatch(struct hf_port *port); /* runs the callbacks of what has arrived */
void hf_port_flush(struct hf_port *port);    /* hands the requests made so far to the engine */

/* --- requests: return HF_OK (completion follows) or an error (no completion) -------------- */

struct hf_publish_params {
    struct hf_bytes channel;
    struct hf_stream_options options;
    /* fields.version, with history: the publication is dropped unless its version is newer than the
     * channel's last one, which is kept as long as the position. */
    struct hf_publication_fields fields;
    struct hf_bytes idempotency_key; /* empty: none. A publication whose key was given for the
                                        channel within idempotency_ttl_s is dropped */
    uint32_t idempotency_ttl_s;      /* 0: 300 */
};
enum hf_publish_outcome {
    HF_PUBLISHED,
    HF_PUBLISH_REPEATED, /* the idempotency key was known: nothing was published */
    HF_PUBLISH_OUTDATED, /* the version was not newer: nothing was published */
};
/* `outcome` and `position` are meaningful with HF_OK. `position`: {0,0} without history; repeated:
 * that of the first publication with the key; outdated: the top of the stream. */
typedef void hf_publish_callback(void *context, int result, enum hf_publish_outcome outcome,
                                 struct hf_position position);
int hf_publish(struct hf_port *port, const struct hf_publish_params *params,
               hf_publish_callback *callback, void *context);

#define HF_LIMIT_NONE UINT32_MAX

struct hf_history_params {
    struct hf_bytes channel;
    struct hf_stream_options options; /* history_size 0: HF_EINVAL */
    uint32_t limit;                   /* 0: the position only; HF_LIMIT_NONE: all */
    bool has_since;
    bool reverse;             /* newest first; `since` is then an upper bound */
    struct hf_position since; /* exclusive. Another epoch than the stream's:
                                 HF_EUNRECOVERABLE; HF_EPOCH_NONE: any */
};
/* `page` is borrowed until return, NULL when empty. `position` is the stream's top. */
typedef void hf_history_callback(void *context, int result, struct hf_position position,
                                 struct hf_page *page);
int hf_history(struct hf_port *port, const struct hf_history_params *params,
               hf_history_callback *callback, void *context);

typedef void hf_done_callback(void *context, int result);
/* Removes the entries; the position stays. */
int hf_history_remove(struct hf_port *port, struct hf_bytes channel, hf_done_callback *callback,
                      void *context);

/* Tells every port of every engine on the same store, once, at most once, in no order with
 * streams. For what nodes say to each other. */
int hf_bus_send(struct hf_port *port, struct hf_bytes message, hf_done_callback *callback,
                void *context);
/* The same for the ports of one engine only, by its config's node_name; HF_ENONODE when none of
 * that name listens at this moment. HF_EINVAL: no name that an engine can have. */
int hf_bus_send_to(struct hf_port *port, struct hf_bytes node_name, struct hf_bytes message,
                   hf_done_callback *callback, void *context);

/* A watch is a port's interest in a channel, at most one per channel and port. Where watches of one
 * channel have different options, each is served the most that any of them asks for (when the first
 * with a history comes, on_lost is called for those without one). It belongs to the port; after
 * hf_watch_close it must not be used and none of its callbacks runs any more
 * (completions of its open requests still do). NULL: no memory or too many requests. */
struct hf_watch *hf_watch_open(struct hf_port *port, struct hf_bytes channel,
                               const struct hf_stream_options *options, void *watch_context);
void hf_watch_close(struct hf_watch *watch);

struct hf_subscribe_params {
    bool recover; /* wants what follows `since` */
    bool latest;  /* with `recover`: wants only the newest publication, and not even that
                     when it is at `since`. Recovered unless there is none; another
                     epoch does not matter, nor how much lies between */
    struct hf_position since; /* HF_EPOCH_NONE: the epoch is not checked */
    uint32_t recovery_limit;  /* more missed than this is not recovered; HF_LIMIT_NONE: any */
};

struct hf_subscribe_result {
    struct hf_position position; /* recovered: of the last publication in `page`, or `since` when it
                                    is empty; else the stream's top. {0,0}: no history */
    struct hf_position top;      /* the stream's top when answered */
    bool recovered;
    bool live;            /* later publications are delivered from here on. When false (only
                             with `recovered`), ask again with `since` = `position` as soon
                             as the page is sent; such an answer may be HF_EUNRECOVERABLE */
    struct hf_page *page; /* borrowed until return, NULL when empty */
};
typedef void hf_subscribe_callback(void *context, int result,
                                   const struct hf_subscribe_result *subscribe_result);
/* One subscriber's entry to the channel, or with `continues` the next page of one. */
int hf_subscribe(struct hf_watch *watch, const struct hf_subscribe_params *params, bool continues,
                 hf_subscribe_callback *callback, void *context);

#include <holdfast/presence.h>

#endif
