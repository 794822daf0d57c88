/* Redis store, private: what its parts share. Loop thread only.
 *
 *   redis.c          opening, status, the loop turn, deadlines, closing
 *   redis_channel.c  the table of channels
 *   redis_publish.c  publishes: queues, batches, replies
 *   redis_change.c   removes, mends, the bus
 *   redis_read.c     reads
 *   redis_pubsub.c   listening, deliveries, the probe
 *
 * Requests become operations. Those of a channel are carried out in the order given: each channel
 * has a queue, and at most one call that writes to it is in flight. What comes meanwhile gathers
 * and travels in one call (group commit), which also keeps the order when Redis has forgotten the
 * scripts and a call must be sent again.
 *
 *   queued ──flush──► in flight ──reply──► completed
 *     │                   └──connection lost──► read, remove: queued again; others: HF_EUNKNOWN
 *     └──wait_ms over──► HF_EUNAVAILABLE
 *
 * R1  channel->ops begins with the `in_flight` operations of the call that is in flight.
 * R2  An operation is in store->waiting, ordered by deadline, iff it is queued and not in flight.
 * R3  A channel with queued operations and nothing in flight is in store->ready.
 * R4  A channel is freed only from store->idle: no operations, no users, not listened to. */
#ifndef HF_STORE_REDIS_STORE_H
#define HF_STORE_REDIS_STORE_H

#include <sys/queue.h>

#define HASH_NONFATAL_OOM            1
#define uthash_nonfatal_oom(element) ((element)->store = NULL)
#include <uthash.h>

#include "redis/connection.h"
#include "store/store.h"

struct event;

/* One call of the publish script carries at most so much, so that Redis serves others between. */
#define HF_CALL_PUBLICATIONS_MAX 64
#define HF_CALL_BYTES_MAX        ((size_t)256 * 1024)
/* Redis refuses larger strings by closing the connection; stay far below. */
#define HF_PUBLICATION_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define HF_IDLE_CHANNELS_MAX     65536 /* channels kept only because their epoch is known */
#define HF_OPERATIONS_POOLED_MAX 4096

enum hf_redis_op_kind {
    HF_REDIS_PUBLISH,
    HF_REDIS_READ,
    HF_REDIS_REMOVE,
    HF_REDIS_MEND,
    HF_REDIS_BUS, /* its channel is store->bus */
};

struct hf_redis_op {
    enum hf_redis_op_kind kind;
    int result;                       /* for store->done */
    bool is_waiting;                  /* is in store->waiting */
    struct hf_redis_channel *channel; /* NULL: refused before it had one */
    uint64_t deadline_ms;
    size_t bytes; /* counted in store->pending_bytes */
    union {
        struct hf_store_publish *publish;
        struct hf_store_read *read;
        struct hf_store_remove *remove;
        struct hf_store_mend *mend;
        struct hf_store_bus *bus;
    } request;
    TAILQ_ENTRY(hf_redis_op) in_channel; /* channel->ops */
    TAILQ_ENTRY(hf_redis_op) in_waiting; /* store->waiting, or store->done, or store->pool */
};
TAILQ_HEAD(hf_redis_ops, hf_redis_op);

struct hf_redis_channel {
    UT_hash_handle hh; /* store->channels */
    struct hf_redis_store *store;
    struct hf_redis_ops ops;
    uint32_t in_flight; /* see R1 */
    uint32_t users;     /* reads in flight and deliveries in course */
    uint64_t epoch;     /* known from the last reply or delivery; 0: none */

    /* listening */
    bool is_wanted;        /* the last request was to listen */
    bool is_subscribed;    /* the last command was SUBSCRIBE */
    bool is_announced;     /* on_listening was called; deliveries are handed on */
    bool needs_announce;   /* ... or is to be called (again) */
    uint32_t acks_pending; /* SUBSCRIBE and UNSUBSCRIBE commands that are not acknowledged */

    bool is_idle, is_ready, is_changed; /* is in the list of that name */
    TAILQ_ENTRY(hf_redis_channel) in_idle, in_ready, in_changed;
    size_t len;
    char name[]; /* the hash key */
};
TAILQ_HEAD(hf_redis_channels, hf_redis_channel);

/* A key's constant first part. */
struct hf_redis_prefix {
    char *text;
    size_t len;
};

struct hf_redis_store {
    struct hf_store base;
    /* set by open */
    struct event_base *loop;
    const struct hf_engine_config *config;
    const struct hf_store_events *events;
    struct hf_redis_address address;
    uint32_t io_timeout_ms;
    struct hf_redis_prefix stream_prefix; /* "holdfast:stream:" */
    struct hf_redis_prefix meta_prefix;   /* "holdfast:meta:" */
    struct hf_redis_prefix db_prefix;     /* "" or "db3:": pub/sub has no databases */
    struct hf_redis_prefix pubsub_prefix; /* db_prefix, then stream_prefix */
    struct hf_redis_connection *commands;
    struct hf_redis_connection *pubsub;
    struct event *turn;     /* runs what was put off to the loop */
    struct event *deadline; /* of the first operation in `waiting` */
    struct event *tick;     /* pub/sub liveness */

    /* operations */
    struct hf_redis_channel *channels;
    struct hf_redis_channel *bus;  /* not in `channels`: the queue of what goes to the bus */
    struct hf_redis_channels idle; /* the longest idle first */
    uint32_t idle_count;
    struct hf_redis_channels ready;
    struct hf_redis_ops waiting;
    struct hf_redis_ops done; /* to be completed from the loop */
    struct hf_redis_ops pool;
    uint32_t pooled;
    uint32_t pending_requests;
    size_t pending_bytes;
    struct hf_redis_call *call; /* being gathered by flush; NULL: none */
    /* refused without memory for an operation; linked through internal[0] */
    struct hf_store_publish *failed_publishes;
    struct hf_store_read *failed_reads;
    struct hf_store_remove *failed_removes;
    struct hf_store_mend *failed_mends;
    struct hf_store_bus *failed_buses;
    bool is_closing;
    bool is_scheduled; /* `turn` is set */

    /* listening */
    struct hf_redis_channels changed;    /* to be subscribed, unsubscribed or announced */
    char probe_name[192], bus_name[192]; /* pub/sub channels of our own and of all nodes */
    bool is_probe_subscribed;
    bool is_delivering; /* a probe came back on this pub/sub connection */
    bool is_up;         /* on_connected was called, on_disconnected not yet */
    bool is_paused;
    bool is_ping_open, is_probe_open;
    uint64_t arrived_ms, ping_ms, probe_ms; /* when: last push, the open ping, the last probe */
    uint64_t probe_number;                  /* of the last probe */
    uint32_t probes_open;                   /* PUBLISH commands of probes that are not answered */

    /* log limits */
    uint64_t error_log_ms, close_log_ms; /* when one was logged last; 0: never */
    char close_log_text[HF_REDIS_REASON_SIZE];
};

uint64_t hf_redis_now_ms(void);
void hf_redis_log(struct hf_redis_store *store, enum hf_log_severity severity, const char *format,
                  ...) __attribute__((format(printf, 3, 4)));
/* Logs an error reply (not every one) and reconnects when it says that this server takes no writes
 * any more. Returns its code. */
int hf_redis_judge(struct hf_redis_store *store, const struct hf_reply *error);

/* Makes the loop run what was put off. */
void hf_redis_schedule(struct hf_redis_store *store);
/* Ends an operation: accounting, then the request's completion. `op` is gone afterwards. */
void hf_redis_complete(struct hf_redis_store *store, struct hf_redis_op *op, int result);
/* The same from the loop, later. */
void hf_redis_complete_later(struct hf_redis_store *store, struct hf_redis_op *op, int result);
/* R2: the operation goes into flight. */
void hf_redis_stop_waiting(struct hf_redis_store *store, struct hf_redis_op *op);
/* One that was in flight waits again; it is still at its place in the channel's queue. */
void hf_redis_wait_in_place(struct hf_redis_store *store, struct hf_redis_op *op);
/* One that was taken off the queue waits again, as the channel's first. */
void hf_redis_wait_again(struct hf_redis_store *store, struct hf_redis_op *op);

/* redis_channel.c. _get makes it when it is not there, _new leaves it out of the table; NULL: no
 * memory. */
struct hf_redis_channel *hf_redis_channel_find(struct hf_redis_store *store, const char *name,
                                               size_t len);
struct hf_redis_channel *hf_redis_channel_new(struct hf_redis_store *store, struct hf_bytes name);
struct hf_redis_channel *hf_redis_channel_get(struct hf_redis_store *store, struct hf_bytes name);
/* After a change: keeps R3 and R4. */
void hf_redis_channel_settle(struct hf_redis_channel *channel);
void hf_redis_channels_free(struct hf_redis_store *store);

/* redis_publish.c: sends what the channels in `ready` hold. */
void hf_redis_send_ready(struct hf_redis_store *store);

/* What a publication is in the scripts' ARGV: its size at most, its arguments, their writing. */
size_t hf_redis_publication_size_max(const struct hf_publication_fields *fields);
size_t hf_redis_publication_arguments(const struct hf_publication_fields *fields);
char *hf_redis_write_publication(char *at, const struct hf_publication_fields *fields);
const char *hf_redis_trim(uint32_t history_size); /* XADD's and XTRIM's "=" or "~" */

/* redis_change.c: the first of the channel's queue. */
void hf_redis_send_remove(struct hf_redis_channel *channel);
void hf_redis_send_mend(struct hf_redis_channel *channel);
void hf_redis_send_bus(struct hf_redis_op *op);

/* redis_read.c */
struct hf_redis_op *hf_redis_read_new(void);
void hf_redis_read_free(struct hf_redis_op *op);
void hf_redis_read_start(struct hf_redis_op *op);

/* redis_pubsub.c */
void hf_redis_pubsub_ready(struct hf_redis_store *store);
void hf_redis_pubsub_closed(struct hf_redis_store *store, const char *reason);
void hf_redis_pubsub_push(struct hf_redis_store *store, const struct hf_reply *reply);
void hf_redis_pubsub_flush(struct hf_redis_store *store);
void hf_redis_pubsub_announce(struct hf_redis_store *store);
void hf_redis_pubsub_tick(struct hf_redis_store *store);
void hf_redis_pubsub_pause(struct hf_redis_store *store, bool paused);
void hf_redis_probe(struct hf_redis_store *store);
void hf_redis_listen(struct hf_redis_store *store, struct hf_bytes name);
void hf_redis_unlisten(struct hf_redis_store *store, struct hf_bytes name);

#endif
