/* Redis store, private: what its parts share. Loop thread only.
 *
 *   redis.c          opening, its connections, the loop turn, status, closing
 *   redis_names.c    its address, and the names of keys and pub/sub channels
 *   redis_request.c  the contract's requests, and their completion
 *   redis_operation.c  operations: queued, waiting, held, completed
 *   redis_channel.c  the table of channels
 *   redis_publish.c  publishes: queues, batches, replies
 *   redis_publish_once.c  publishes with a condition, and those whose outcome is unknown
 *   redis_change.c   removes, mends, the bus
 *   redis_read.c     reads
 *   redis_presence.c presence
 *   redis_life.c     which process of Redis it is, and whether it was admitted
 *   redis_role.c     whether that process still is a primary
 *   redis_pubsub.c   listening, deliveries, the probe
 *
 * Requests become operations. Those of a channel are carried out in the order given: each channel
 * has a queue, and at most one call that writes to it is in flight. What comes meanwhile gathers
 * and travels in one call (group commit), which also keeps the order when Redis has forgotten the
 * scripts and a call must be sent again.
 *
 *   queued ──flush──► in flight ──reply──► completed
 *     │                   └──connection lost──► read, remove: queued again; publish: queued again
 *     │                                         as unsure, if it can be told then whether it was
 *     │                                         applied; others: HF_EUNKNOWN
 *     └──wait_ms over──► HF_EUNAVAILABLE, HF_EUNKNOWN when unsure
 *
 * R1  channel->ops begins with the `in_flight` operations of the call that is in flight.
 * R2  An operation is in store->waiting, ordered by deadline, iff it is queued and not in flight.
 * R3  A channel with queued operations and nothing in flight is in store->ready.
 * R4  While publishes are held (store.h, S7), the reads and mends of a channel come before them.
 * R5  A channel is freed only from store->idle: no operations, no users, not listened to. What is
 *     known of it then (its epoch saves the next publish a round trip) is kept within
 *     config->idle_channels_max and idle_channel_ttl_ms, the longest idle going first. */
#ifndef HF_STORE_REDIS_STORE_H
#define HF_STORE_REDIS_STORE_H

#include <sys/queue.h>

#include "redis/connection.h"
#include "store/store.h"
#include "table.h"

struct event;
struct hf_script;

/* One call of the publish script carries at most so much, so that Redis serves others between. */
#define HF_CALL_PUBLICATIONS_MAX 128
#define HF_CALL_BYTES_MAX        ((size_t)256 * 1024)
#define HF_OPERATIONS_POOLED_MAX 4096
#define HF_REDIS_CALL_NAME_SIZE  26 /* 8 digits, the dot, 16 digits, the NUL */

enum hf_redis_op_kind {
    HF_REDIS_PUBLISH,
    HF_REDIS_READ,
    HF_REDIS_REMOVE,
    HF_REDIS_MEND,
    HF_REDIS_BUS,           /* its channel is store->bus */
    HF_REDIS_PRESENCE,      /* its channel is store->presence, and so of the next */
    HF_REDIS_PRESENCE_READ, /* ... behind the changes before it */
};

/* The first sending of publications: what a later one needs to find out whether it was applied. */
struct hf_redis_attempt {
    uint64_t number; /* names it, together with store->node; 0: not sent yet */
    uint64_t life;   /* of the store, see hf_redis_connection_life */
    uint64_t sent_ms;
    struct hf_position before; /* the channel's position was here or further */
};

struct hf_redis_op {
    enum hf_redis_op_kind kind;
    int result;                       /* for store->done */
    bool is_waiting;                  /* is in store->waiting */
    bool is_repeated;                 /* presence: may have been applied, its telling too */
    bool is_unsure;                   /* publish: was sent, and the connection broke */
    struct hf_redis_channel *channel; /* NULL: refused before it had one */
    uint64_t deadline_ms;
    size_t bytes;                    /* counted in store->pending_bytes */
    struct hf_redis_attempt attempt; /* of the first of a group that is in flight or unsure */
    union {
        struct hf_store_publish *publish;
        struct hf_store_read *read;
        struct hf_store_remove *remove;
        struct hf_store_mend *mend;
        struct hf_store_bus *bus;
        struct hf_store_presence *presence;
        struct hf_store_presence_read *presence_read;
    } request;
    TAILQ_ENTRY(hf_redis_op) in_channel; /* channel->ops */
    TAILQ_ENTRY(hf_redis_op) in_waiting; /* store->waiting, or store->done, or store->pool */
};
TAILQ_HEAD(hf_redis_ops, hf_redis_op);

struct hf_redis_channel {
    struct hf_table_node in_table; /* store->channels */
    struct hf_redis_store *store;
    struct hf_redis_ops ops;
    uint32_t in_flight; /* see R1 */
    uint32_t users;     /* reads in flight and deliveries in course */
    uint64_t epoch;     /* known from the last reply or delivery; 0: none */
    uint64_t offset;    /* of `epoch`, known in the life `offset_life` of the store */
    uint64_t offset_life;
    uint64_t refreshed_ms; /* the keys' expiry was set by us; counts on this connection only */
    uint32_t refreshed_ttl_s, refreshed_meta_ttl_s;

    /* listening */
    bool is_wanted;        /* the last request was to listen */
    bool is_subscribed;    /* the last command was SUBSCRIBE */
    bool is_announced;     /* on_listening was called; deliveries are handed on */
    bool needs_announce;   /* ... or is to be called (again) */
    uint32_t acks_pending; /* SUBSCRIBE and UNSUBSCRIBE commands that are not acknowledged */

    bool is_idle, is_ready, is_changed; /* is in the list of that name */
    uint32_t idle_s;                    /* since when it is idle */
    union {                             /* never in both */
        TAILQ_ENTRY(hf_redis_channel) in_idle;
        TAILQ_ENTRY(hf_redis_channel) in_ready;
    };
    TAILQ_ENTRY(hf_redis_channel) in_changed;
    size_t len;
    char name[]; /* in the table */
};
TAILQ_HEAD(hf_redis_channels, hf_redis_channel);

/* The keys of a channel's presence, in the order in which the scripts take them. */
enum hf_redis_presence_key {
    HF_REDIS_PRESENCE_INFO,    /* "holdfast:presence:" */
    HF_REDIS_PRESENCE_EXPIRE,  /* "holdfast:presence-expire:" */
    HF_REDIS_PRESENCE_USERS,   /* "holdfast:presence-users:" */
    HF_REDIS_PRESENCE_LEAVING, /* "holdfast:presence-leaving:" */
    HF_REDIS_PRESENCE_KEYS,
};

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
    uint32_t io_timeout_ms, probe_interval_ms;
    struct hf_redis_prefix stream_prefix;  /* "holdfast:stream:" */
    struct hf_redis_prefix meta_prefix;    /* "holdfast:meta:" */
    struct hf_redis_prefix version_prefix; /* "holdfast:version:" */
    struct hf_redis_prefix idem_prefix;    /* "holdfast:idem:" */
    struct hf_redis_prefix presence_prefixes[HF_REDIS_PRESENCE_KEYS];
    struct hf_redis_prefix db_prefix;     /* "" or "db3:": pub/sub has no databases */
    struct hf_redis_prefix pubsub_prefix; /* db_prefix, then stream_prefix */
    struct hf_redis_connection *commands;
    struct hf_redis_connection *pubsub;
    struct event *turn;     /* runs what was put off to the loop */
    struct event *deadline; /* of the first operation in `waiting` */
    struct event *tick;     /* pub/sub liveness */

    /* operations */
    struct hf_hash_key hash_key;
    struct hf_table channels;
    struct hf_redis_channel *bus;      /* not in `channels`: the queue of what goes to the bus */
    struct hf_redis_channel *presence; /* the same for presence, of all channels */
    struct hf_redis_channels idle;     /* the longest idle first */
    uint32_t idle_count;
    struct hf_redis_channels ready;
    struct hf_redis_ops waiting;
    struct hf_redis_op *waiting_near; /* the last that was put between others there, or NULL */
    struct hf_redis_ops done;         /* to be completed from the loop */
    struct hf_redis_ops pool;
    uint32_t pooled;
    uint32_t pending_requests;
    size_t pending_bytes;
    struct hf_redis_call *call; /* being gathered by flush; NULL: none */
    uint32_t node;              /* random; with the next it names a call */
    uint64_t calls;             /* of publishing so far */
    uint64_t admitted_life;     /* the life into which publishes with history go */
    uint64_t up_life;           /* of the last on_connected */
    struct hf_lives noted;      /* those that Redis says were admitted */
    bool is_life_known;         /* `noted` is the answer of this command connection */
    bool is_life_noted;         /* ... or has its own, or Redis has by now */
    uint64_t ready_ms;          /* when the command connection became ready last */
    /* refused without memory for an operation; linked through internal[0] */
    struct hf_store_publish *failed_publishes;
    struct hf_store_read *failed_reads;
    struct hf_store_remove *failed_removes;
    struct hf_store_mend *failed_mends;
    struct hf_store_bus *failed_buses;
    struct hf_store_presence *failed_presences;
    struct hf_store_presence_read *failed_presence_reads;
    bool is_closing;
    bool is_scheduled; /* `turn` is set */

    /* listening */
    struct hf_redis_channels changed;    /* to be subscribed, unsubscribed or announced */
    char probe_name[192], bus_name[192]; /* pub/sub channels of our own and of all nodes */
    char life_key[192];
    struct hf_redis_prefix node_prefix;  /* of the channels of single nodes */
    struct hf_redis_prefix node_channel; /* our own; text NULL: we have no name */
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
    char refusal[HF_REDIS_REASON_SIZE]; /* hf_reply_is_refusal, on this connection; "" after the
                                           next publication that was taken */
    uint64_t refusal_ms;                /* when it said so last */
};

static inline struct hf_redis_store *hf_redis_store_of(struct hf_store *base)
{
    return (struct hf_redis_store *)base;
}

uint64_t hf_redis_now_ms(void);
void hf_redis_add_timer(struct event *event, uint64_t wait_ms);
void hf_redis_log(struct hf_redis_store *store, enum hf_log_severity severity, const char *format,
                  ...) __attribute__((format(printf, 3, 4)));
/* Logs an error reply (not every one) and reconnects when it says that this server takes no writes
 * any more. Returns its code. */
int hf_redis_judge(struct hf_redis_store *store, const struct hf_reply *error);
/* Gives both connections up: they go to a server that is of no use to us. */
void hf_redis_reconnect(struct hf_redis_store *store, const char *reason);

/* Makes the loop run what was put off. */
void hf_redis_schedule(struct hf_redis_store *store);

/* redis_names.c: false, HF_ENOMEM: no memory. What the address leaves open comes from the
 * configuration. */
bool hf_redis_names_make(struct hf_redis_store *store);
int hf_redis_address_complete(struct hf_redis_store *store);
void hf_redis_names_free(struct hf_redis_store *store);

/* redis_request.c: these of struct hf_store_ops. */
void hf_redis_publish(struct hf_store *base, struct hf_store_publish *request);
void hf_redis_read(struct hf_store *base, struct hf_store_read *request);
void hf_redis_remove(struct hf_store *base, struct hf_store_remove *request);
void hf_redis_mend(struct hf_store *base, struct hf_store_mend *request);
void hf_redis_bus_send(struct hf_store *base, struct hf_store_bus *request);
void hf_redis_presence(struct hf_store *base, struct hf_store_presence *request);
void hf_redis_presence_read(struct hf_store *base, struct hf_store_presence_read *request);
/* The request's own completion, with what the operation has found. */
void hf_redis_request_complete(const struct hf_redis_op *op, int result);
/* Completes those for which there was no memory. */
void hf_redis_complete_failed(struct hf_redis_store *store, int result);

/* redis_operation.c */
/* NULL: no memory. */
struct hf_redis_op *hf_redis_op_new(struct hf_redis_store *store, enum hf_redis_op_kind kind);
/* Queues an operation, or with a `refusal` completes it with that from the loop, as it does when a
 * limit is reached. HF_ENOMEM, with `op` NULL: not even that. */
int hf_redis_enqueue(struct hf_redis_store *store, struct hf_redis_op *op, struct hf_bytes name,
                     size_t bytes, int refusal);
void hf_redis_pool_free(struct hf_redis_store *store);
/* Completes what was completed "later" until now. */
void hf_redis_complete_done(struct hf_redis_store *store);
void hf_redis_on_deadline(int fd, short what, void *context);
/* R4, after the commands' connection has become ready. */
void hf_redis_hold(struct hf_redis_store *store);
void hf_redis_admit(struct hf_store *base, uint64_t life);
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
/* hf_table_next for channels. */
struct hf_redis_channel *hf_redis_channel_next(const struct hf_redis_store *store,
                                               struct hf_table_walk *walk);
struct hf_redis_channel *hf_redis_channel_new(struct hf_redis_store *store, struct hf_bytes name);
struct hf_redis_channel *hf_redis_channel_get(struct hf_redis_store *store, struct hf_bytes name);
/* What a reply or a delivery of the present life says about the channel's position. */
void hf_redis_channel_learn(struct hf_redis_channel *channel, struct hf_position position);
/* Whether the operation has to wait for its store's life to be admitted (store.h, S7). */
bool hf_redis_is_held(const struct hf_redis_op *op);
/* After a change: keeps R3 and R4. */
void hf_redis_channel_settle(struct hf_redis_channel *channel);
/* Frees idle channels (R5); to be called once per turn, outside of a walk. */
void hf_redis_channels_trim(struct hf_redis_store *store);
void hf_redis_channels_free(struct hf_redis_store *store);

/* redis_publish.c: sends what the channels in `ready` hold. */
void hf_redis_send_ready(struct hf_redis_store *store);
/* Ends what the channel has in flight. `last` is the position of the last publication. */
void hf_redis_finish_group(struct hf_redis_channel *channel, int result, struct hf_position last);
/* The same from the loop, later: it could not be sent. */
void hf_redis_refuse_group(struct hf_redis_channel *channel, int result);
/* The server has not carried out what is in flight, or with `is_unsure` nobody knows: it waits. */
void hf_redis_queue_again(struct hf_redis_channel *channel, bool is_unsure);
/* Names the group in flight, unless it is another attempt. */
void hf_redis_begin_attempt(struct hf_redis_channel *channel, uint64_t number);
size_t hf_redis_call_name(const struct hf_redis_store *store, uint64_t number,
                          char name[HF_REDIS_CALL_NAME_SIZE]);
/* Of a key in Redis: a little longer than asked, so that it need not be set with each call. */
uint64_t hf_redis_ttl(uint32_t ttl_s);

/* "<epoch>-*", or "" for none. */
char *hf_redis_write_any(char *at, uint64_t epoch);
#define HF_REDIS_ANY_SIZE 24

/* redis_publish_once.c: the first of the channel's queue, which is unsure or conditional. */
bool hf_redis_is_once(const struct hf_redis_op *op);
void hf_redis_send_once(struct hf_redis_channel *channel);

/* What a publication is in the scripts' ARGV: its size at most, its arguments, their writing. */
size_t hf_redis_publication_size_max(const struct hf_publication_fields *fields);
size_t hf_redis_publication_arguments(const struct hf_publication_fields *fields);
char *hf_redis_write_publication(char *at, const struct hf_publication_fields *fields);
const char *hf_redis_trim(uint32_t history_size); /* XTRIM's "=" or "~" */

/* redis_change.c */

/* EVALSHA, or EVAL for a script that Redis has forgotten, up to the keys' number. */
size_t hf_redis_script_size(const struct hf_script *script, bool with_text);
char *hf_redis_write_script(char *at, const struct hf_script *script, bool with_text, uint64_t keys,
                            size_t arguments);
/* The first of the channel's queue. */
void hf_redis_send_remove(struct hf_redis_channel *channel);
void hf_redis_send_mend(struct hf_redis_channel *channel);
void hf_redis_send_bus(struct hf_redis_op *op);

/* redis_presence.c: the first of the queue, with those that may go in the same call; a read. */
void hf_redis_send_presence(struct hf_redis_store *store);
void hf_redis_send_presence_read(struct hf_redis_op *op);
/* Hands a join or leave on; false when the message is none. */
bool hf_redis_deliver_presence(struct hf_redis_channel *channel, const struct hf_reply *message);

/* redis_read.c */
struct hf_redis_op *hf_redis_read_new(void);
void hf_redis_read_free(struct hf_redis_op *op);
void hf_redis_read_start(struct hf_redis_op *op);

/* redis_role.c: asks; a server that is no primary any more, or another one, is left. */
void hf_redis_role_ask(struct hf_redis_store *store);

/* redis_life.c */
void hf_redis_life_ask(struct hf_redis_store *store); /* commands have become ready */
/* Notes store->admitted_life, unless that is done: when it has changed, and before publishing. */
void hf_redis_life_admit(struct hf_redis_store *store);
/* What the answer to GET life_key says. */
void hf_redis_life_parse(struct hf_redis_store *store, const struct hf_reply *reply,
                         struct hf_lives *lives);

/* redis_pubsub.c */
/* Tells on_connected when all that it waits for is there. */
void hf_redis_pubsub_set_up(struct hf_redis_store *store);
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
