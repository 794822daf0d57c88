/* What the engine's thread (engine.c) and its ports (port.c) share. Private to engine/.
 *
 * A request is made by a port, carried to the engine's thread in its mailbox, and comes back in the
 * port's mailbox as its own completion: one allocation, always owned by the side that it is at.
 * Deliveries are events, allocated by the engine's thread and freed by the port. */
#ifndef HF_ENGINE_PRIVATE_H
#define HF_ENGINE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include <holdfast/engine.h>

#include "core/core.h"
#include "core/fence.h"
#include "mailbox.h"
#include "store/store.h"

/* On the bus, a message is one letter and its text. */
#define HF__BUS_FENCE   'f' /* a fence's word */
#define HF__BUS_MESSAGE 'm' /* a port's message */

enum hf_mail_kind {
    /* requests, towards the engine and back */
    HF_MAIL_PUBLISH,
    HF_MAIL_HISTORY,
    HF_MAIL_REMOVE,
    HF_MAIL_BUS_SEND,
    HF_MAIL_PRESENCE_ADD,
    HF_MAIL_PRESENCE, /* the other changes */
    HF_MAIL_PRESENCE_GET,
    HF_MAIL_PRESENCE_STATS,
    HF_MAIL_SUBSCRIBE,
    HF_MAIL_WATCH_OPEN,
    HF_MAIL_WATCH_CLOSE,
    HF_MAIL_PORT_OPEN,
    HF_MAIL_PORT_CLOSE,
    /* events, towards a port only */
    HF_MAIL_PUBLICATION,
    HF_MAIL_LOST,
    HF_MAIL_BUS,
    HF_MAIL_JOIN,
    HF_MAIL_LEAVE,
};

/* What every mail of the engine starts with. */
struct hf_letter {
    struct hf_mail mail;
    enum hf_mail_kind kind;
};

struct hf_watch {
    struct hf_port *port;
    void *context;
    bool is_closed;                  /* port's side: no more callbacks */
    struct hf_core_watch *core;      /* engine's side; NULL until opened, or when that failed */
    bool is_broken;                  /* engine's side: an event could not be allocated */
    LIST_ENTRY(hf_watch) in_watches; /* port->watches, port's side */
    LIST_ENTRY(hf_watch) in_opened;  /* port->opened, engine's side; linked while core != NULL */
    TAILQ_ENTRY(hf_watch) in_broken; /* engine->broken when is_broken */
    struct hf_stream_options options;
    size_t channel_len;
    char channel[];
};

union hf_callback {
    hf_publish_callback *publish;
    hf_history_callback *history;
    hf_done_callback *done;
    hf_subscribe_callback *subscribe;
    hf_presence_add_callback *presence_add;
    hf_presence_callback *presence_get;
    hf_presence_stats_callback *presence_stats;
};

struct hf_request {
    struct hf_letter letter;
    struct hf_port *port;            /* NULL: the port was closed meanwhile */
    struct hf_engine *engine;        /* engine's side */
    TAILQ_ENTRY(hf_request) in_open; /* port->open, engine's side, while the store has it */
    union hf_callback callback;
    void *context;
    int result;
    size_t bytes; /* of payload, counted in engine->pending_bytes */
    union {
        struct hf_store_publish publish;
        struct hf_store_read history;
        struct hf_store_remove remove;
        struct hf_store_bus bus;
        struct hf_store_presence presence; /* its items begin the payload */
        struct hf_store_presence_read presence_read;
        struct {
            struct hf_watch *watch;
            struct hf_subscribe_params params;
            bool continues;
            struct hf_subscribe_result answer; /* its page has a reference */
        } subscribe;
        struct hf_watch *watch; /* WATCH_OPEN, WATCH_CLOSE */
    };
    char payload[]; /* channel, data, info, tags: what the store request borrows */
};

struct hf_event {
    struct hf_letter letter;
    struct hf_watch *watch;             /* PUBLICATION, LOST, JOIN, LEAVE */
    struct hf_publication *publication; /* PUBLICATION: one reference */
    int reason;                         /* LOST */
    size_t len;                         /* BUS, JOIN, LEAVE */
    char message[];
};

struct hf_port {
    struct hf_engine *engine;
    struct hf_port_callbacks callbacks;
    struct hf_mailbox inbox;   /* from the engine */
    struct hf_outbox requests; /* port's side: collected until hf_port_flush */
    struct hf_mail *spares;    /* port's side: memory of requests, linked by `next` */
    uint32_t spare_count;
    _Atomic size_t undelivered;    /* bytes of publications posted and not dispatched */
    bool is_closing;               /* port's side: no more requests are taken */
    bool is_closed;                /* port's side: the engine has let go of the port */
    _Atomic bool is_released;      /* the engine's last touch of the port is over */
    LIST_HEAD(, hf_watch) watches; /* port's side: open or closing */
    /* engine's side */
    struct hf_outbox events;
    TAILQ_HEAD(, hf_request) open; /* requests that the store has */
    LIST_HEAD(, hf_watch) opened;  /* watches that the core has */
    LIST_ENTRY(hf_port) in_ports;  /* engine->ports */
};

struct hf_held_client; /* presence.c */

/* A stream's read or mend that the store works on. */
struct hf_read {
    union {
        struct hf_store_read store;
        struct hf_store_mend mend; /* its page has a reference */
    };
    struct hf_engine *engine;
    struct hf_stream *stream;
    struct hf_read *next_free; /* engine->free_reads */
};

struct hf_engine {
    struct hf_engine_config config; /* defaults filled in; strings owned */
    struct hf_mailbox inbox;        /* from the ports */
    _Atomic uint64_t pending_requests;
    _Atomic size_t pending_bytes;
    _Atomic bool is_stopping;
    _Atomic bool is_paused; /* the store does not read publications: a port is behind */
    pthread_t thread;
    pthread_mutex_t status_lock; /* of `status`, which is copied now and then: no message path */
    struct hf_engine_status status;
    /* engine's thread only */
    struct event_base *base;
    struct event *inbox_event, *tick_event;
    struct hf_store *store;
    struct hf_store_events store_events;
    struct hf_core *core;
    struct hf_read *reads, *free_reads; /* loads_in_flight_max of them, and the unused ones */
    LIST_HEAD(, hf_port) ports;
    TAILQ_HEAD(, hf_watch) broken;
    TAILQ_HEAD(, hf_request) closing; /* PORT_CLOSE requests to be tried again */
    TAILQ_HEAD(hf_held_clients, hf_held_client)
    held_clients;               /* whose grace this engine ends, by
                                   time */
    uint32_t held_client_count; /* with those whose end the store is told */
    struct hf_fence fence;
    bool is_fenced;
    bool is_crowded; /* awaited_nodes_max other nodes were known: it was logged */
    uint64_t now_ms;
    uint64_t not_ready_since_ms; /* 0: ready */
    uint64_t publications_out;
};

/* engine.c, for engine_open.c */
extern const struct hf_core_effects hf__engine_core_effects;
extern const struct hf_store_events hf__engine_store_events; /* its context is to be filled in */
void hf__engine_on_inbox(int fd, short what, void *context);
void hf__engine_on_tick(int fd, short what, void *context);
void *hf__engine_run(void *context);
void hf__engine_update_status(struct hf_engine *engine);

/* engine.c: an event of `len` bytes, NULL: no memory; to be posted with _post_event. */
struct hf_event *hf__engine_new_event(enum hf_mail_kind kind, size_t len);
void hf__engine_post_event(struct hf_port *port, struct hf_event *event);
/* Back to its port, out of port->open. */
void hf__engine_complete_open(struct hf_engine *engine, struct hf_request *request, int result);

/* presence.c, engine's side */
void hf__presence_to_store(struct hf_engine *engine, struct hf_request *request);
void hf__presence_on_store_event(void *context, struct hf_bytes channel, bool is_join,
                                 struct hf_bytes info);
void hf__presence_tick(struct hf_engine *engine);
void hf__presence_fini(struct hf_engine *engine);
/* presence.c, port's side: runs the callback of a completed request. */
void hf__presence_complete(struct hf_request *request);

/* port.c: a request with room for `bytes` of payload, counted against the engine's limits. */
int hf__port_request_new(struct hf_port *port, enum hf_mail_kind kind, size_t bytes, void *context,
                         struct hf_request **request);
void hf__port_send_request(struct hf_port *port, struct hf_request *request);

/* Frees a request whose completion has run, and counts it off. Any thread. */
void hf__engine_release(struct hf_engine *engine, struct hf_request *request);

#endif
