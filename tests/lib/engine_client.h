/* Engine client: several engines ("nodes") on one Redis, driven by the test's thread, with
 * publications and subscribers whose story is checked as it happens.
 *
 * Every publication is a number that is used once. Every subscriber is checked with each delivery:
 * I2 (offsets of one epoch one after another, no gap and no repeat) and that no number comes twice.
 * hf_cluster_check() does the rest, I1: all that was acknowledged behind the begin of a
 * subscriber's unbroken story is in it. A story is broken only by being told: on_lost, or an answer
 * that says `recovered` false (I3).
 *
 * A violation is kept and fails the test from hf_cluster_turn or hf_cluster_check. */
#ifndef HF_TESTS_ENGINE_CLIENT_H
#define HF_TESTS_ENGINE_CLIENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/engine.h>

#include "loop.h"
#include "redis_server.h"

#define HF_CLUSTER_CLIENTS_MAX 8

struct hf_cluster;

/* A port of an engine; the first of an engine is the one that owns it. */
struct hf_engine_client {
    struct hf_cluster *cluster;
    struct hf_engine *engine; /* NULL: it was stopped, or there is none */
    struct hf_port *port;
    bool owns_engine;
    bool is_stalled; /* its port is not dispatched, as if a handler were blocked */
    pthread_mutex_t log_lock;
    char log[16384]; /* the newest part of what the engine logged */
};

struct hf_published {
    uint32_t n; /* its payload, in decimal, then cluster->pad spaces */
    char channel[64];
    bool is_done;
    int result; /* when done */
    enum hf_publish_outcome outcome;
    struct hf_position position;
    uint64_t sent_ms, done_ms;
};

/* One subscriber: it may go and come back, on any node, as a client with its position does. */
struct hf_subscriber {
    struct hf_cluster *cluster;
    char channel[64];
    struct hf_stream_options options;
    uint32_t recovery_limit; /* HF_LIMIT_NONE */
    bool comes_back;         /* asks again by itself when it is told of a loss */
    unsigned client;         /* where it is */
    struct hf_watch *watch;  /* NULL: it is away */
    unsigned visit;          /* counts watches, so that late answers are known as such */
    bool is_live;
    bool was_asked_to_recover;
    struct hf_position position;       /* of the last publication, or what it was told */
    struct hf_position begin;          /* of its unbroken story */
    struct hf_subscribe_result answer; /* the last one; its page is not kept */
    unsigned answers;                  /* with HF_OK, further pages included */
    unsigned pages;                    /* answers that held publications */
    unsigned recoveries;               /* entries answered with `recovered` */
    unsigned refusals;                 /* asked to recover and answered that it cannot be */
    unsigned losses;                   /* on_lost, or a page that could not be had */
    unsigned errors;                   /* other answers */
    int last_error;
    uint64_t received; /* publications in all */
    uint64_t heard_ms; /* when the last one came, or it was told something */
    size_t page_bytes_max;
    unsigned char *seen; /* by number, in this story */
    size_t seen_size;
};

struct hf_cluster {
    struct hf_redis_server *redis;
    struct hf_engine_config config;   /* for the nodes to come */
    struct hf_stream_options options; /* for publications and the subscribers to come */
    size_t pad;                       /* bytes that payloads are longer than their number */
    const char *idempotency_key;      /* of publications to come; NULL: none */
    struct hf_engine_client clients[HF_CLUSTER_CLIENTS_MAX];
    unsigned client_count;
    struct hf_published **published; /* by number - 1 */
    uint32_t published_count, published_capacity, published_open;
    struct hf_subscriber **subscribers;
    size_t subscriber_count, subscriber_capacity;
    bool is_closing;
    char violation[256]; /* "": none */
};

/* Defaults: history of 1000, TTLs that no test outlives; short lingering is for the test to set.
 * Starts redis-server with `options`. Close it in any case. */
void hf_cluster_init(struct hf_cluster *cluster, const char *const *options);
void hf_cluster_close(struct hf_cluster *cluster);

/* Opens a node with cluster->config on the cluster's Redis, or `address` when that is set, and
 * waits until it is ready. Returns its client's number. */
unsigned hf_cluster_add_node(struct hf_cluster *cluster, const char *address);
/* The same without waiting. */
unsigned hf_cluster_open_node(struct hf_cluster *cluster, const char *address);
/* Another port of a node. */
unsigned hf_cluster_add_port(struct hf_cluster *cluster, unsigned node);
/* Ends the node: its memory is gone, its subscribers are away. Not with further ports open. */
void hf_cluster_stop_node(struct hf_cluster *cluster, unsigned node);

struct hf_engine_status hf_cluster_status(struct hf_cluster *cluster, unsigned node);
bool hf_cluster_logged(struct hf_cluster *cluster, unsigned node, const char *text);

/* Waits a little for the ports, dispatches, flushes. Fails the test on a violation. */
void hf_cluster_turn(struct hf_cluster *cluster);
void hf_cluster_run(struct hf_cluster *cluster, uint32_t ms); /* for what must not happen */
/* Fails the test unless everything acknowledged is where it has to be; for quiet times. */
void hf_cluster_check(struct hf_cluster *cluster);

/* Runs until the condition holds; fails the test when it does not within `ms`. */
#define hf_within(cluster, ms, condition)                                                          \
    do {                                                                                           \
        uint64_t hf_end_ms = hf_test_now_ms() + (ms);                                              \
        while (!(condition)) {                                                                     \
            if (hf_test_now_ms() > hf_end_ms) {                                                    \
                hf_cluster_fail((cluster), #condition, (ms), __FILE__, __LINE__);                  \
            }                                                                                      \
            hf_cluster_turn(cluster);                                                              \
        }                                                                                          \
    } while (0)
#define hf_until(cluster, condition) hf_within(cluster, HF_TEST_DEADLINE_MS, condition)
void hf_cluster_fail(struct hf_cluster *cluster, const char *condition, uint64_t ms,
                     const char *file, int line);

/* --- publishing ----------------------------------------------------------------------------- */

/* Hands one publication to the engine; it belongs to the cluster. */
struct hf_published *hf_cluster_send(struct hf_cluster *cluster, unsigned client,
                                     const char *channel);
/* Publishes `count` and waits; each must be acknowledged. Returns the last one's position. */
struct hf_position hf_cluster_publish(struct hf_cluster *cluster, unsigned client,
                                      const char *channel, unsigned count);

/* Waits for all that was sent. Returns the newest position that it got on this channel: publishes
 * of several nodes overtake each other. */
struct hf_position hf_cluster_await_published(struct hf_cluster *cluster, const char *channel);

/* --- subscribers ---------------------------------------------------------------------------- */

/* A subscriber that was never there yet. */
struct hf_subscriber *hf_subscriber_new(struct hf_cluster *cluster, const char *channel);
/* Comes for the first time, or back: with `recover`, since its position. Further pages are asked
 * for as they come. */
void hf_subscriber_enter(struct hf_subscriber *subscriber, unsigned client, bool recover);
void hf_subscriber_leave(struct hf_subscriber *subscriber);
/* The same and waits until it is live. */
struct hf_subscriber *hf_subscriber_open(struct hf_cluster *cluster, unsigned client,
                                         const char *channel);
void hf_subscriber_come_back(struct hf_subscriber *subscriber, unsigned client);
/* Whether it has everything up to that position. */
bool hf_subscriber_is_at(const struct hf_subscriber *subscriber, struct hf_position position);

#endif
