/* The loop under a worker: turns, the clock, the timer and the list of connections.
 *
 * Private to worker.c, connection.c, listener.c and http*.c; the worker's thread only. It knows
 * neither engine nor sessions, so connections and drivers can be tested on it alone.
 *
 * A turn: wait for events, run their callbacks (each begins with hf__loop_wake, so that now_ms is
 * of this turn), then end the turn: `on_turn_end`, work of connections (input that waited, writing,
 * closing), and `on_turn_end` again for what that work asked for. */
#ifndef HF_SERVER_WORKER_LOOP_H
#define HF_SERVER_WORKER_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

#include "net/connection.h"
#include "net/gather.h"
#include "worker.h"

struct hf_admission;
struct hf_http_exchange;
struct hf_http_route;
struct hf_poller;
struct hf_send_batch;
struct hf_websocket_hash;

#define HF_LOOP_SCRATCH_BYTES ((size_t)128 * 1024) /* one read at most */

struct hf_worker_private {
    /* set before the loop runs */
    const struct hf_connection_driver *first_driver; /* of accepted connections */
    const struct hf_http_route *routes;              /* borrowed */
    size_t route_count;
    const struct hf_http_route *internal_routes; /* of HF_ENTRANCE_INTERNAL; borrowed */
    size_t internal_route_count;
    SSL_CTX *tls[HF_ENTRANCES];                    /* a reference each; NULL: without TLS */
    struct hf_admission *admission;                /* borrowed, shared by the node's workers */
    void (*on_turn_end)(struct hf_worker *worker); /* NULL: nothing to do */
    /* the loop's own */
    struct hf_poller *poller;
    uint64_t alarm_us; /* monotonic; UINT64_MAX: none */
    void (*on_alarm)(struct hf_worker *worker);
    bool is_awake; /* now_ms is of this turn */
    struct hf_gather gather;
    uint32_t rest_us;            /* before the next turn */
    bool is_draining;            /* answers are the last of their connections */
    uint64_t awaited;            /* connections from before draining that are still there */
    char *scratch;               /* HF_LOOP_SCRATCH_BYTES */
    struct hf_send_batch *batch; /* for the end of the turn; empty otherwise */
    struct hf_websocket_hash *hash;
    struct hf_http_exchange *spare_exchanges; /* for the next requests */
    uint32_t spare_exchange_count;
    struct hf_connection *connections; /* all, linked by connection->next */
    struct hf_connection *with_work;   /* for the end of the turn, by connection->next_work */
};

/* Fills worker->base, wheel, now_ms and priv (zeroed but for what the loop needs). worker->config
 * must be set. 0 or HF_ENOMEM. */
int hf__loop_open(struct hf_worker *worker) __attribute__((warn_unused_result));
/* Closes every connection (their drivers hear 3000) and frees what open made. */
void hf__loop_close(struct hf_worker *worker);

/* One turn. Blocks until there is something to do; in a storm of arriving clients the next one
 * begins with a rest, as gather.h says. */
void hf__loop_turn(struct hf_worker *worker);

/* Calls on_alarm once, in the first turn from `when_us` on, which is woken for it (UINT64_MAX: not
 * at all). There is one: a later call takes the place of the one before. */
void hf__loop_set_alarm(struct hf_worker *worker, uint64_t when_us,
                        void (*on_alarm)(struct hf_worker *worker));

/* First thing in every event callback: brings worker->now_ms up to date, once per turn. */
void hf__loop_wake(struct hf_worker *worker);

/* Bytes that an idle connection takes before its driver's. */
size_t hf__connection_size(void);

/* connection.c's part of a turn's end. */
void hf__connections_work(struct hf_worker *worker);
/* Tells each connection's driver that the node is going away. */
void hf__connections_drain(struct hf_worker *worker);
/* Closes each at once; on_closed runs before return. */
void hf__connections_close(struct hf_worker *worker, unsigned code);

#endif
