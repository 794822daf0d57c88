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
#include <openssl/types.h>

#include "buffer.h"
#include "config/config.h"
#include "counters.h"
#include "net/connection.h"
#include "net/wheel.h"
#include "token/token.h"

struct hf_admission;
struct hf_emulation;
struct hf_http_route;
struct hf_hub;
struct hf_node;
struct hf_registry;
struct hf_surveys;
struct hf_users;

struct hf_worker {
    struct hf_node *node;
    const struct hf_config *config;
    unsigned index;
    struct hf_port *port;
    struct hf_hub *hub;             /* channels with subscribers on this worker */
    struct hf_registry *registry;   /* the nodes that were heard of */
    struct hf_surveys *surveys;     /* questions to them */
    struct hf_emulation *emulation; /* streams that can be found by their session's id */
    struct hf_token_verifiers tokens;
    struct hf_users *users; /* of the node */
    struct hf_wheel *wheel;
    uint64_t now_ms;         /* monotonic, refreshed every loop turn */
    struct hf_buffer encode; /* scratch for encoding; reset before use */
    struct hf_worker_counters counters;
    struct hf_worker_private *priv; /* worker_loop.h */
};

/* --- for other workers of the node: any thread, until it is freed --------------------------- */

/* Puts a message of net/emulation.h into the worker's inbox (copied). False: no memory, or the
 * inbox would hold more than holdfast.inbox_max_bytes. */
bool hf_worker_tell(struct hf_worker *worker, struct hf_bytes message);

/* --- for the node: its thread only -------------------------------------------------------- */

/* What a worker is made of; pointers are borrowed until hf_worker_join. */
struct hf_worker_options {
    struct hf_node *node;
    const struct hf_config *config;
    struct hf_engine *engine;
    unsigned index;
    int listener_fd; /* listening and non-blocking; taken, also on failure */
    bool has_internal_listener;
    int internal_listener_fd; /* with has_internal_listener, as listener_fd */
    int report_fd;            /* an eventfd that is told when the worker has drained */
    const struct hf_http_route *routes;
    size_t route_count;
    const struct hf_http_route *internal_routes; /* of the internal listener */
    size_t internal_route_count;
    SSL_CTX *tls[HF_ENTRANCES]; /* NULL: without TLS */
    struct hf_admission *admission;
    struct hf_users *users;
};

/* Starts the worker's thread; it serves when this returns HF_OK. Else HF_ENOMEM. */
int hf_worker_start(const struct hf_worker_options *options, struct hf_worker **worker)
    __attribute__((warn_unused_result));
/* Has the worker go over to another configuration (borrowed until the worker is joined or has gone
 * over to a later one, see hf_worker_generation) and other certificates (NULL stays NULL), for all
 * that it does from then on; connections stay. HF_ENOMEM: nothing changes. */
int hf_worker_reload(struct hf_worker *worker, const struct hf_config *config,
                     SSL_CTX *const tls[HF_ENTRANCES], uint64_t generation)
    __attribute__((warn_unused_result));
/* Of the last reload that the worker has gone over to; 0: none. */
uint64_t hf_worker_generation(const struct hf_worker *worker);
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
