/* An engine over the memory store and ports of it on the test's thread. What a port's callbacks say
 * is counted and kept in the order of its coming; every wait is for an event and ends at a timeout.
 * Static: each test program has its own. */
#ifndef HF_TESTS_ENGINE_FIXTURE_H
#define HF_TESTS_ENGINE_FIXTURE_H

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <holdfast/engine.h>

#define FIXTURE_TIMEOUT_MS 30000

static const struct hf_stream_options fixture_history = {
    .history_size = 10000, .history_ttl_s = 300, .meta_ttl_s = 3600};
static const struct hf_stream_options fixture_no_history = {0};

static inline struct hf_bytes fixture_bytes(const char *text)
{
    return (struct hf_bytes){text, strlen(text)};
}

static inline uint64_t fixture_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline struct hf_engine *open_engine(const struct hf_engine_config *config)
{
    struct hf_engine *engine = NULL;
    char reason[128];
    assert_int_equal(hf_engine_open(config, &engine, reason, sizeof reason), HF_OK);
    assert_non_null(engine);
    return engine;
}

/* One turn of the port's loop: sends what was asked, waits for an answer, dispatches. */
static inline void turn(struct hf_port *port)
{
    hf_port_flush(port);
    struct pollfd readable = {.fd = hf_port_fd(port), .events = POLLIN};
    int count = poll(&readable, 1, FIXTURE_TIMEOUT_MS);
    if (count < 0 && errno == EINTR) {
        return;
    }
    assert_int_equal(count, 1); /* 0: nothing came in time */
    hf_port_dispatch(port);
}

#define turn_until(port, condition)                                                                \
    do {                                                                                           \
        while (!(condition)) {                                                                     \
            turn(port);                                                                            \
        }                                                                                          \
    } while (0)

/* --- completions ------------------------------------------------------------------------------ */

/* What one request was answered. */
struct reply {
    unsigned count; /* completions: E1 wants exactly one */
    unsigned order; /* its place among all completions and deliveries of the test */
    int result;
    enum hf_publish_outcome outcome;
    struct hf_position position, top;
    bool recovered, live;
    uint64_t first, last; /* offsets of the page's ends, in its own order; 0: no page */
    uint32_t items;
};

static _Atomic unsigned fixture_order; /* ports may be on several threads */
static bool fixture_is_over; /* the test is: what its contexts pointed to has gone with it */

static inline void reply_page(struct reply *reply, const struct hf_page *page)
{
    if (page != NULL) {
        assert_true(page->count > 0);
        reply->items = page->count;
        reply->first = page->items[0]->position.offset;
        reply->last = page->items[page->count - 1]->position.offset;
    }
}

static inline void on_published(void *context, int result, enum hf_publish_outcome outcome,
                                struct hf_position position)
{
    struct reply *reply = context;
    if (fixture_is_over) {
        return;
    }
    reply->count++;
    reply->order = ++fixture_order;
    reply->result = result;
    reply->outcome = outcome;
    reply->position = position;
}

static inline void on_history(void *context, int result, struct hf_position position,
                              struct hf_page *page)
{
    on_published(context, result, HF_PUBLISHED, position);
    if (!fixture_is_over) {
        reply_page(context, page);
    }
}

static inline void on_done(void *context, int result)
{
    on_published(context, result, HF_PUBLISHED, (struct hf_position){0});
}

static inline void on_subscribed(void *context, int result,
                                 const struct hf_subscribe_result *subscribed)
{
    struct reply *reply = context;
    if (fixture_is_over) {
        return;
    }
    on_published(reply, result, HF_PUBLISHED, subscribed->position);
    reply->top = subscribed->top;
    reply->recovered = subscribed->recovered;
    reply->live = subscribed->live;
    reply->first = reply->last = 0;
    reply->items = 0;
    reply_page(reply, subscribed->page);
}

/* --- deliveries ------------------------------------------------------------------------------- */

/* What one watch was told. */
struct heard {
    unsigned count;
    unsigned order; /* of the newest */
    unsigned lost;
    uint64_t first, last; /* offsets */
    bool is_in_order;     /* offsets were consecutive */
};

static inline void on_publication(void *context, struct hf_publication *publication)
{
    struct heard *heard = context;
    uint64_t offset = publication->position.offset;
    if (fixture_is_over) {
        return;
    }
    heard->is_in_order = heard->count == 0 || (heard->is_in_order && offset == heard->last + 1);
    heard->first = heard->count == 0 ? offset : heard->first;
    heard->last = offset;
    heard->count++;
    heard->order = ++fixture_order;
}

static inline void on_lost(void *context, int reason)
{
    struct heard *heard = context;
    (void)reason;
    if (!fixture_is_over) {
        heard->lost++;
    }
}

static const struct hf_port_callbacks fixture_callbacks = {
    .on_publication = on_publication,
    .on_lost = on_lost,
};

static inline struct hf_port *open_port(struct hf_engine *engine)
{
    struct hf_port *port = hf_port_open(engine, &fixture_callbacks);
    assert_non_null(port);
    return port;
}

/* --- requests --------------------------------------------------------------------------------- */

static inline int try_publish(struct hf_port *port, const char *channel, const char *data,
                              size_t len, struct reply *reply)
{
    const struct hf_publish_params params = {
        .channel = fixture_bytes(channel),
        .options = fixture_history,
        .fields = {.data = {data, len}},
    };
    return hf_publish(port, &params, on_published, reply);
}

static inline void publish(struct hf_port *port, const char *channel, struct reply *reply)
{
    assert_int_equal(try_publish(port, channel, "{}", 2, reply), HF_OK);
}

/* Publishes so many and waits for their completions; the channel's next offsets. */
static inline void publish_all(struct hf_port *port, const char *channel, unsigned count)
{
    struct reply *replies = calloc(count, sizeof *replies);
    assert_non_null(replies);
    for (unsigned i = 0; i < count; i++) {
        publish(port, channel, &replies[i]);
    }
    turn_until(port, replies[count - 1].count == 1);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(replies[i].count, 1);
        assert_int_equal(replies[i].result, HF_OK);
        assert_int_equal(replies[i].position.offset, replies[0].position.offset + i);
    }
    free(replies);
}

static inline struct hf_watch *open_watch(struct hf_port *port, const char *channel,
                                          struct heard *heard)
{
    struct hf_watch *watch = hf_watch_open(port, fixture_bytes(channel), &fixture_history, heard);
    assert_non_null(watch);
    return watch;
}

static inline void subscribe(struct hf_watch *watch, struct reply *reply)
{
    const struct hf_subscribe_params params = {0};
    assert_int_equal(hf_subscribe(watch, &params, false, on_subscribed, reply), HF_OK);
}

static inline void recover(struct hf_watch *watch, struct hf_position since, bool continues,
                           struct reply *reply)
{
    const struct hf_subscribe_params params = {
        .recover = true, .since = since, .recovery_limit = HF_LIMIT_NONE};
    assert_int_equal(hf_subscribe(watch, &params, continues, on_subscribed, reply), HF_OK);
}

/* A live subscriber of the channel. */
static inline struct hf_watch *open_live(struct hf_port *port, const char *channel,
                                         struct heard *heard)
{
    struct hf_watch *watch = open_watch(port, channel, heard);
    struct reply reply = {0};
    subscribe(watch, &reply);
    turn_until(port, reply.count == 1);
    assert_int_equal(reply.result, HF_OK);
    assert_true(reply.live);
    return watch;
}

#endif
