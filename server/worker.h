/* A worker: one thread with one event loop, its listener, its connections and its engine port.
 *
 * Everything below a worker belongs to its thread. The node starts and stops workers. Counters are
 * written by the worker and read by anyone. */
#ifndef HF_SERVER_WORKER_H
#define HF_SERVER_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/engine.h>

#include "buffer.h"
#include "config/config.h"
#include "net/wheel.h"
#include "token/token.h"

struct event_base;
struct hf_admission;
struct hf_emulation;
struct hf_http_route;
struct hf_hub;
struct hf_node;
struct hf_registry;
struct hf_users;

struct hf_worker_counters {
    _Atomic uint64_t clients;       /* sessions that are connected now */
    _Atomic uint64_t subscriptions; /* of these sessions, now */
    _Atomic uint64_t channels;      /* with a subscriber here, now */
    _Atomic uint64_t connections;   /* sockets, now */
    _Atomic uint64_t messages_in, messages_out, bytes_in, bytes_out; /* ever */
    _Atomic uint64_t frames_built; /* publication frames encoded here, ever */
    _Atomic uint64_t writes;       /* writev calls, ever */
    _Atomic uint64_t slow_disconnects;
};

struct hf_worker {
    struct hf_node *node;
    const struct hf_config *config;
    unsigned index;
    struct event_base *base;
    struct hf_port *port;
    struct hf_hub *hub;             /* channels with subscribers on this worker */
    struct hf_registry *registry;   /* the nodes that were heard of */
    struct hf_emulation *emulation; /* streams that can be found by their session's id */
    struct hf_token_verifiers tokens;
    struct hf_users *users; /* of the node; NULL: nobody's connections are counted */
    struct hf_wheel *wheel;
    uint64_t now_ms;         /* monotonic, refreshed every loop turn */
    struct hf_buffer encode; /* scratch for encoding; reset before use */
    struct hf_worker_counters counters;
    struct hf_worker_private *priv; /* worker_loop.h */
};

/* Counters have one writer, the worker's thread, so they need no atomic read-modify-write. */
static inline uint64_t hf_counter_read(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline void hf_counter_add(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_store_explicit(counter, hf_counter_read(counter) + amount, memory_order_relaxed);
}

static inline void hf_counter_sub(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_store_explicit(counter, hf_counter_read(counter) - amount, memory_order_relaxed);
}

/* --- for other workers of the node: any thread, until it is freed --------------------------- */

/* Puts a message of net/emulation.h into the worker's inbox (copied). False: no memory, or the
 * inbox holds HF_WORKER_INBOX_MAX bytes. */
#define HF_WORKER_INBOX_MAX ((size_t)8 * 1024 * 1024)
bool hf_worker_tell(struct hf_worker *worker, struct hf_bytes message);

/* --- for the node: its thread only -------------------------------------------------------- */

/* What a worker is made of; pointers are borrowed until hf_worker_join. */
struct hf_worker_options {
    struct hf_node *node;
    const struct hf_config *config;
    struct hf_engine *engine;
    unsigned index;
    int listener_fd; /* listening and non-blocking; taken, also on failure */
    int report_fd;   /* an eventfd that is told when the worker has drained */
    const struct hf_http_route *routes;
    size_t route_count;
    struct hf_admission *admission;
    struct hf_users *users; /* NULL: connections of users are not limited */
};

/* Starts the worker's thread; it serves when this returns HF_OK. Else HF_ENOMEM. */
int hf_worker_start(const struct hf_worker_options *options, struct hf_worker **worker)
    __attribute__((warn_unused_result));
/* Closes the listener and says goodbye to every client; report_fd is told when the last one has
 * left. */
void hf_worker_drain(struct hf_worker *worker);
bool hf_worker_is_drained(const struct hf_worker *worker);
/* Ends the loop with whatever is still connected. */
void hf_worker_stop(struct hf_worker *worker);
/* Waits for the thread after hf_worker_stop. */
void hf_worker_join(struct hf_worker *worker);
/* After every worker of the node has been joined, since they look at each other's counters. */
void hf_worker_free(struct hf_worker *worker);

#endif
