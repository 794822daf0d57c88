/* Model test: thousands of random operations on a store, each result compared with a small model of
 * what a stream is. On the memory store; on Redis with an append-only file that is killed and
 * started again; and on Redis with snapshots, which comes back as it was at the last one. On Redis
 * every operation goes through a store or an engine's port, by chance; recovery through the port.
 *
 *   HF_TEST_SEED=n     repeats a run; a failure prints its seed, the step and what was done
 *   HF_CHAOS_SCALE=n   n times as many steps */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "loop.h"
#include "redis_server.h"
#include "store_client.h"
#include "stream_model.h"

#define CHANNELS     4
#define STEPS        2500
#define BATCH_MAX    12
#define TRIM_SLACK   9 /* redis_publish.c: histories above a hundred are trimmed by tens */
#define EXPIRIES_MAX 2 /* each takes a second */
#define RECOVER_MS   20000

enum world { WORLD_MEMORY, WORLD_PORT, WORLD_REDIS_FILE, WORLD_REDIS_SNAPSHOT };

struct fixture {
    enum world world;
    uint64_t seed, random;
    uint32_t step;
    char doing[160];
    struct hf_redis_server *server; /* NULL: memory */
    struct hf_store_client client;  /* unless WORLD_PORT */
    struct hf_engine *engine;       /* unless WORLD_MEMORY */
    struct hf_port *port;
    struct model channels[CHANNELS];
    struct model saved[CHANNELS]; /* at the last snapshot */
    uint64_t next;                /* number of the next publication */
    uint32_t expiries;
};

static const struct hf_stream_options channel_options[CHANNELS] = {
    {3, 600, 1200}, {20, 600, 1200}, {100, 600, 1200}, {300, 600, 1200}};

#define check(fixture, condition)                                                                  \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            failed(fixture, #condition, __LINE__);                                                 \
        }                                                                                          \
    } while (0)

static void failed(const struct fixture *fixture, const char *condition, int line)
{
    fprintf(stderr, "HF_TEST_SEED=%" PRIu64 " step %" PRIu32 ", %s: line %d: %s\n", fixture->seed,
            fixture->step, fixture->doing, line, condition);
    fail();
}

static uint64_t draw(struct fixture *fixture, uint64_t below)
{
    uint64_t x = fixture->random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (x ^ (x >> 31)) % below;
}

static bool on_redis(const struct fixture *fixture)
{
    return fixture->server != NULL;
}

/* A position came out: the one that is known, or the first of a later life. */
static void see_epoch(struct fixture *fixture, struct model *model, uint64_t epoch)
{
    if (!model->is_known) {
        check(fixture, epoch > model->last_epoch);
        model->is_known = true;
        model->epoch = model->last_epoch = epoch;
        model->top = 0;
        model->first_low = model->first_high = 1;
    }
    check(fixture, epoch == model->epoch);
}

static void copy_models(struct model *to, const struct model *from)
{
    for (unsigned i = 0; i < CHANNELS; i++) {
        copy_model(&to[i], &from[i]);
    }
}

/* --- requests, through the store or the port ---------------------------------------------------
 */

static struct hf_bytes name_of(unsigned channel)
{
    static const char *const names[CHANNELS] = {"three", "twenty", "hundred", "many"};
    return hf_bytes_of(names[channel]);
}

static bool by_port(struct fixture *fixture)
{
    return fixture->world == WORLD_PORT ||
           (fixture->world != WORLD_MEMORY && draw(fixture, 2) == 0);
}

static void turn(struct fixture *fixture)
{
    struct pollfd readable = {.fd = hf_port_fd(fixture->port), .events = POLLIN};
    hf_port_flush(fixture->port);
    if (poll(&readable, 1, 100) < 0) {
        assert_int_equal(errno, EINTR);
    }
    hf_port_dispatch(fixture->port);
}

static void await_flag(struct fixture *fixture, const bool *flag)
{
    uint64_t end_ms = hf_test_now_ms() + HF_TEST_DEADLINE_MS;
    while (!*flag) {
        check(fixture, hf_test_now_ms() < end_ms);
        turn(fixture);
    }
}

struct publish {
    bool is_done;
    int result;
    struct hf_position position;
    struct hf_test_publish *by_store;
    char data[24];
};

static void on_published(void *context, int result, enum hf_publish_outcome outcome,
                         struct hf_position position)
{
    (void)outcome;
    struct publish *publish = context;
    publish->is_done = true;
    publish->result = result;
    publish->position = position;
}

static void send_publish(struct fixture *fixture, unsigned channel, bool port,
                         struct hf_stream_options options, struct publish *publish)
{
    *publish = (struct publish){0};
    snprintf(publish->data, sizeof publish->data, "%" PRIu64, fixture->next++);
    if (!port) {
        struct hf_bytes name = name_of(channel);
        publish->by_store =
            hf_store_client_send(&fixture->client, name.data, options, publish->data);
        return;
    }
    const struct hf_publish_params params = {
        .channel = name_of(channel), .options = options, .fields.data = hf_bytes_of(publish->data)};
    assert_int_equal(hf_publish(fixture->port, &params, on_published, publish), HF_OK);
}

static void finish_publish(struct fixture *fixture, unsigned channel, struct publish *publish)
{
    if (publish->by_store != NULL) {
        fixture->client.store->ops->flush(fixture->client.store);
        check(fixture, hf_store_client_wait_publish(&fixture->client, publish->by_store));
        publish->result = publish->by_store->request.result;
        publish->position = publish->by_store->request.position;
        hf_test_publish_free(publish->by_store);
    } else {
        await_flag(fixture, &publish->is_done);
    }
    struct model *model = &fixture->channels[channel];
    if (publish->result != HF_OK) {
        failed(fixture, hf_error_text(publish->result), __LINE__);
    }
    see_epoch(fixture, model, publish->position.epoch);
    check(fixture, publish->position.offset == model->top + 1);
    uint64_t size = channel_options[channel].history_size;
    note_published(model, strtoull(publish->data, NULL, 10), size,
                   on_redis(fixture) && size > 100 ? TRIM_SLACK : 0);
}

static void publish_some(struct fixture *fixture, unsigned channel, uint32_t count,
                         struct hf_stream_options options)
{
    struct publish publishes[BATCH_MAX];
    bool port = by_port(fixture);
    strcat(fixture->doing, port ? " by port" : " by store");
    for (uint32_t i = 0; i < count; i++) {
        send_publish(fixture, channel, port, options, &publishes[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        finish_publish(fixture, channel, &publishes[i]);
    }
}

struct history {
    bool is_done;
    struct hf_store_read *read;
};

static void on_history(void *context, int result, struct hf_position position, struct hf_page *page)
{
    struct history *history = context;
    history->is_done = true;
    history->read->result = result;
    history->read->top = position;
    history->read->page = page != NULL ? hf_page_ref(page) : NULL;
}

static void read_by_port(struct fixture *fixture, struct hf_store_read *read)
{
    struct history history = {.read = read};
    const struct hf_history_params params = {
        .channel = read->channel,
        .options = read->options,
        .limit = read->limit,
        .has_since = read->has_since,
        .reverse = read->reverse,
        .since = read->since,
    };
    assert_int_equal(hf_history(fixture->port, &params, on_history, &history), HF_OK);
    await_flag(fixture, &history.is_done);
}

/* --- comparing ---------------------------------------------------------------------------------
 */

static void check_publication(struct fixture *fixture, const struct model *model,
                              const struct hf_publication *publication, uint64_t offset)
{
    char data[24];
    int len = snprintf(data, sizeof data, "%" PRIu64, model->log[offset]);
    check(fixture, publication->position.epoch == model->epoch);
    check(fixture, publication->position.offset == offset);
    check(fixture, publication->fields.data.len == (size_t)len);
    check(fixture, memcmp(publication->fields.data.data, data, (size_t)len) == 0);
}

static void check_forward(struct fixture *fixture, const struct model *model,
                          const struct hf_store_read *read)
{
    uint64_t start = read->has_since ? read->since.offset + !read->with_since : 0;
    uint64_t begin = max_of(start, model->first_high);
    if (read->page == NULL) {
        check(fixture, read->limit == 0 || begin > model->top);
        return;
    }
    uint64_t first = read->page->items[0]->position.offset;
    check(fixture, first >= max_of(start, model->first_low) && first <= begin);
    bool has_since = read->with_since && first == read->since.offset;
    uint64_t limit = (uint64_t)read->limit + has_since;
    check(fixture, read->page->count == min_of(limit, model->top - first + 1));
    for (uint32_t i = 0; i < read->page->count; i++) {
        check_publication(fixture, model, read->page->items[i], first + i);
    }
}

static void check_reverse(struct fixture *fixture, const struct model *model,
                          const struct hf_store_read *read)
{
    uint64_t from = model->top;
    if (read->has_since) {
        uint64_t bound = read->since.offset;
        from = bound == 0 ? 0 : min_of(from, bound - 1);
    }
    if (read->page == NULL) {
        check(fixture, read->limit == 0 || from < model->first_high);
        return;
    }
    uint32_t count = read->page->count;
    for (uint32_t i = 0; i < count; i++) {
        check_publication(fixture, model, read->page->items[i], from - i);
    }
    uint64_t last = from - (count - 1);
    check(fixture, count <= read->limit && last >= model->first_low);
    check(fixture, count == read->limit || last <= model->first_high);
}

static void open_engine(struct fixture *fixture);
static void close_engine(struct fixture *fixture);

/* --- operations --------------------------------------------------------------------------------
 */

static void do_publish(struct fixture *fixture, unsigned channel)
{
    uint32_t count = draw(fixture, 3) == 0 ? 1 + (uint32_t)draw(fixture, BATCH_MAX) : 1;
    snprintf(fixture->doing, sizeof fixture->doing, "publish %" PRIu32 " to %u", count, channel);
    publish_some(fixture, channel, count, channel_options[channel]);
}

/* Somewhere in the stream's life, or a little outside. */
static struct hf_position some_position(struct fixture *fixture, const struct model *model)
{
    struct hf_position position = {model->is_known ? model->epoch : model->last_epoch,
                                   draw(fixture, model->top + 3)};
    if (draw(fixture, 2) == 0 && model->top + 1 > model->first_low) { /* where entries are */
        position.offset = model->first_low - 1 + draw(fixture, model->top + 2 - model->first_low);
    }
    if (draw(fixture, 12) == 0) {
        position.epoch = model->last_epoch + 1 + draw(fixture, 9);
    }
    return position;
}

static void do_read(struct fixture *fixture, unsigned channel)
{
    struct model *model = &fixture->channels[channel];
    bool port = by_port(fixture);
    const uint32_t limits[] = {0, 1, 2, 7, 50, 1000};
    struct hf_store_read read = {
        .channel = name_of(channel),
        .options = channel_options[channel],
        .limit = limits[draw(fixture, 6)],
        .create = port || draw(fixture, 2) == 0,
        .has_since = draw(fixture, 2) == 0,
        .reverse = draw(fixture, 2) == 0,
    };
    if (read.has_since) {
        read.since = some_position(fixture, model);
        read.since.epoch = draw(fixture, 4) == 0 ? HF_EPOCH_NONE : read.since.epoch;
        read.with_since = !port && !read.reverse && read.since.offset > 0 && draw(fixture, 2) == 0;
    }
    snprintf(fixture->doing, sizeof fixture->doing,
             "read %u by %s: limit %" PRIu32 "%s%s%s since %d %" PRIu64 "-%" PRIu64, channel,
             port ? "port" : "store", read.limit, read.create ? " create" : "",
             read.reverse ? " reverse" : "", read.with_since ? " with" : "", read.has_since,
             read.since.epoch, read.since.offset);
    if (port) {
        read_by_port(fixture, &read);
    } else {
        check(fixture, hf_store_client_read(&fixture->client, &read) == HF_OK);
    }
    if (!model->is_known && !read.create) {
        check(fixture, read.top.epoch == HF_EPOCH_NONE && read.page == NULL);
        return;
    }
    bool was_known = model->is_known;
    see_epoch(fixture, model, read.top.epoch);
    model->has_meta |= !was_known;
    check(fixture, read.top.offset == model->top);
    bool is_other =
        read.has_since && read.since.epoch != HF_EPOCH_NONE && read.since.epoch != model->epoch;
    if (is_other) {
        check(fixture, !port || read.result == HF_EUNRECOVERABLE);
        check(fixture, read.page == NULL);
    } else {
        check(fixture, read.result == HF_OK);
        (read.reverse ? check_reverse : check_forward)(fixture, model, &read);
    }
    hf_page_unref(read.page);
}

/* One subscriber, from its question to the stream's top. */
struct visitor {
    struct fixture *fixture;
    const struct model *model;
    struct hf_watch *watch;
    struct hf_subscribe_params params;
    struct hf_position at;
    bool is_answered, recovered, is_live;
};

static void on_publication(void *context, struct hf_publication *publication)
{
    struct visitor *visitor = context;
    if (visitor->is_live && publication->position.offset <= visitor->model->top) {
        check_publication(visitor->fixture, visitor->model, publication, visitor->at.offset + 1);
        visitor->at = publication->position;
    }
}

static void on_lost(void *context, int reason)
{
    const struct visitor *visitor = context;
    fprintf(stderr, "lost: %s\n", hf_error_text(reason));
    failed(visitor->fixture, "on_lost", __LINE__);
}

static void on_subscribed(void *context, int result, const struct hf_subscribe_result *answer);

static void ask(struct visitor *visitor, bool continues)
{
    assert_int_equal(
        hf_subscribe(visitor->watch, &visitor->params, continues, on_subscribed, visitor), HF_OK);
}

static void on_subscribed(void *context, int result, const struct hf_subscribe_result *answer)
{
    struct visitor *visitor = context;
    struct fixture *fixture = visitor->fixture;
    const bool continues = visitor->is_answered;
    if (continues && result == HF_EUNRECOVERABLE &&
        visitor->params.since.offset + 1 < visitor->model->first_high) {
        /* The history was removed, and the engine heard of it only now, between two pages that
         * came from its memory. */
        visitor->is_answered = false;
        ask(visitor, false);
        return;
    }
    if (result != HF_OK) { /* nothing is trimmed while it waits */
        failed(fixture, hf_error_text(result), __LINE__);
    }
    visitor->is_answered = true;
    check(fixture, !continues || answer->recovered);
    visitor->recovered = answer->recovered;
    if (!answer->recovered) {
        check(fixture, answer->page == NULL && answer->live);
        visitor->at = answer->position;
    } else {
        visitor->at = visitor->params.since;
        visitor->at.epoch = answer->position.epoch;
    }
    for (uint32_t i = 0; answer->page != NULL && i < answer->page->count; i++) {
        check_publication(fixture, visitor->model, answer->page->items[i], visitor->at.offset + 1);
        visitor->at.offset++;
    }
    check(fixture, hf_position_equal(visitor->at, answer->position));
    visitor->is_live = answer->live;
    if (!answer->live) {
        visitor->params.since = answer->position;
        ask(visitor, true);
    }
}

static void do_recover(struct fixture *fixture, unsigned channel)
{
    struct model *model = &fixture->channels[channel];
    if (!model->is_known) {
        return; /* it would be made by the engine, and is tested as a read */
    }
    struct visitor visitor = {
        .fixture = fixture,
        .model = model,
        .params = {.recover = draw(fixture, 8) > 0,
                   .since = some_position(fixture, model),
                   .recovery_limit = HF_LIMIT_NONE},
    };
    const struct hf_position since = visitor.params.since;
    snprintf(fixture->doing, sizeof fixture->doing,
             "recover %u %d from %" PRIu64 "-%" PRIu64 " (top %" PRIu64 "-%" PRIu64
             ", first %" PRIu64 "-%" PRIu64 ")",
             channel, visitor.params.recover, since.epoch, since.offset, model->epoch, model->top,
             model->first_low, model->first_high);
    visitor.watch =
        hf_watch_open(fixture->port, name_of(channel), &channel_options[channel], &visitor);
    assert_non_null(visitor.watch);
    ask(&visitor, false);
    uint64_t end_ms = hf_test_now_ms() + RECOVER_MS;
    while (!visitor.is_live || visitor.at.offset < model->top) {
        check(fixture, hf_test_now_ms() < end_ms);
        turn(fixture);
    }
    check(fixture, visitor.at.epoch == model->epoch && visitor.at.offset == model->top);
    bool is_possible = visitor.params.recover && since.epoch == model->epoch &&
                       since.offset <= model->top; /* at most: memory may hold more */
    bool is_due = is_possible && since.offset + 1 >= model->first_high;
    check(fixture, visitor.recovered ? is_possible : !is_due);
    hf_watch_close(visitor.watch);
    turn(fixture); /* so that it is closed before something else happens */
}

static void on_done(void *context, int result)
{
    bool *is_done = context;
    assert_int_equal(result, HF_OK);
    *is_done = true;
}

static void do_remove(struct fixture *fixture, unsigned channel)
{
    struct model *model = &fixture->channels[channel];
    snprintf(fixture->doing, sizeof fixture->doing, "remove %u", channel);
    if (by_port(fixture)) {
        bool is_done = false;
        assert_int_equal(hf_history_remove(fixture->port, name_of(channel), on_done, &is_done),
                         HF_OK);
        await_flag(fixture, &is_done);
    } else {
        check(fixture, hf_store_client_remove(&fixture->client, name_of(channel).data) == HF_OK);
    }
    note_emptied(model);
}

/* Until the history's TTL has passed. */
static void await_expiry(struct fixture *fixture, unsigned channel)
{
    uint64_t end_ms = hf_test_now_ms() + HF_TEST_DEADLINE_MS;
    bool is_empty = false;
    while (!is_empty) {
        check(fixture, hf_test_now_ms() < end_ms);
        nanosleep(&(struct timespec){0, 10000000}, NULL);
        struct hf_store_read read = {
            .channel = name_of(channel), .options = channel_options[channel], .limit = 1};
        if (by_port(fixture)) {
            read_by_port(fixture, &read);
        } else {
            read.result = hf_store_client_read(&fixture->client, &read);
        }
        check(fixture, read.result == HF_OK);
        is_empty = read.page == NULL;
        hf_page_unref(read.page);
    }
}

/* The history's TTL passes; the position's does not. */
static void do_expire(struct fixture *fixture, unsigned channel)
{
    struct model *model = &fixture->channels[channel];
    struct hf_stream_options options = channel_options[channel];
    snprintf(fixture->doing, sizeof fixture->doing, "expire %u", channel);
    if (on_redis(fixture)) {
        hf_redis_server_do(fixture->server, "DEL holdfast:stream:%s", name_of(channel).data);
        model->has_stream = false;
    } else if (fixture->expiries++ < EXPIRIES_MAX) {
        options.history_ttl_s = 1;
        publish_some(fixture, channel, 1, options);
        await_expiry(fixture, channel);
    } else {
        return;
    }
    note_emptied(model);
    if (on_redis(fixture) && !model->has_meta) {
        close_engine(fixture); /* a lingering stream knows better, until it reads again */
        note_forgotten(model);
        open_engine(fixture);
    }
}

static void do_trim(struct fixture *fixture, unsigned channel)
{
    struct model *model = &fixture->channels[channel];
    if (!model->has_stream) {
        return;
    }
    uint64_t keep = draw(fixture, channel_options[channel].history_size);
    snprintf(fixture->doing, sizeof fixture->doing, "trim %u to %" PRIu64, channel, keep);
    hf_redis_server_do(fixture->server, "XTRIM holdfast:stream:%s MAXLEN %d", name_of(channel).data,
                       (int)keep);
    if (model->top > keep) {
        model->first_low = max_of(model->first_low, model->top - keep + 1);
        model->first_high = max_of(model->first_high, model->top - keep + 1);
    }
}

/* --- what happens to the whole ------------------------------------------------------------------
 */

static void open_engine(struct fixture *fixture)
{
    if (fixture->world == WORLD_MEMORY) {
        return;
    }
    char reason[160];
    const struct hf_engine_config config = {
        .store = on_redis(fixture) ? HF_STORE_REDIS : HF_STORE_MEMORY,
        .redis.address = on_redis(fixture) ? hf_redis_server_unix(fixture->server) : NULL,
        .page_publications_max = 16, /* so that there are several pages */
        .tail_publications_max = 40, /* ... and streams that are longer than the tail */
        .wait_ms = 15000,
    };
    const struct hf_port_callbacks callbacks = {.on_publication = on_publication,
                                                .on_lost = on_lost};
    assert_int_equal(hf_engine_open(&config, &fixture->engine, reason, sizeof reason), HF_OK);
    fixture->port = hf_port_open(fixture->engine, &callbacks);
    assert_non_null(fixture->port);
}

static void close_engine(struct fixture *fixture)
{
    if (fixture->engine != NULL) {
        hf_port_close(fixture->port);
        hf_engine_close(fixture->engine);
    }
    fixture->engine = NULL;
}

static void open_client(struct fixture *fixture)
{
    if (fixture->world != WORLD_PORT) {
        hf_store_client_init(&fixture->client,
                             on_redis(fixture) ? hf_redis_server_unix(fixture->server) : NULL);
        fixture->client.config.wait_ms = 15000;
        hf_store_client_connect(&fixture->client);
    }
}

static void close_client(struct fixture *fixture)
{
    if (fixture->world != WORLD_PORT) {
        hf_store_client_close(&fixture->client);
    }
}

/* Until the engine has compared what it knows. A history that has expired and was published to
 * unheard by the engine, before or after a restart, looks to it like one that was lost, and rightly
 * gets a new epoch; so it hears everything before, and nothing happens until it is done. */
static void await_step(struct fixture *fixture)
{
    struct hf_engine_status status;
    uint64_t end_ms = hf_test_now_ms() + HF_TEST_DEADLINE_MS;
    uint64_t dead_ms = hf_test_now_ms() + 150; /* a status may be 100 ms old */
    do {
        check(fixture, hf_test_now_ms() < end_ms);
        turn(fixture);
        hf_engine_status(fixture->engine, &status);
    } while (hf_test_now_ms() < dead_ms || !status.is_ready ||
             status.streams_in_step < status.streams);
}

/* Redis dies and comes back; with its append-only file nothing is lost and nobody notices, else it
 * is as it was, and only a node that knew nothing better goes on from there without a word (what
 * nodes do that knew better is tested by tests/chaos and the simulation). */
static void do_restart(struct fixture *fixture)
{
    bool goes_back = fixture->world == WORLD_REDIS_SNAPSHOT;
    for (unsigned i = 0; i < CHANNELS && !goes_back; i++) {
        do_recover(fixture, i);
    }
    snprintf(fixture->doing, sizeof fixture->doing, goes_back ? "rollback" : "restart");
    if (goes_back) {
        close_engine(fixture);
        close_client(fixture);
        copy_models(fixture->channels, fixture->saved);
    }
    unsigned connects = fixture->client.connects;
    hf_redis_server_kill(fixture->server);
    hf_redis_server_restart(fixture->server);
    if (goes_back) {
        open_client(fixture);
        open_engine(fixture);
    } else {
        check(fixture, hf_store_client_wait_connects(&fixture->client, connects + 1));
        await_step(fixture);
    }
}

static void do_snapshot(struct fixture *fixture)
{
    snprintf(fixture->doing, sizeof fixture->doing, "snapshot");
    hf_redis_server_do(fixture->server, "SAVE");
    copy_models(fixture->saved, fixture->channels);
}

static void do_flush(struct fixture *fixture)
{
    snprintf(fixture->doing, sizeof fixture->doing, "flush all");
    close_engine(fixture); /* its memory would rightly write back what was flushed */
    hf_redis_server_do(fixture->server, "FLUSHALL");
    for (unsigned i = 0; i < CHANNELS; i++) {
        note_forgotten(&fixture->channels[i]);
    }
    open_engine(fixture);
}

/* The meta key was evicted: the stream itself tells the position, if it is there. */
static void do_forget_meta(struct fixture *fixture, unsigned channel)
{
    struct model *model = &fixture->channels[channel];
    snprintf(fixture->doing, sizeof fixture->doing, "meta of %u evicted", channel);
    if (!model->has_stream) {
        return; /* both gone is what flush does */
    }
    hf_redis_server_do(fixture->server, "DEL holdfast:meta:%s", name_of(channel).data);
    model->has_meta = false;
}

/* --- the walk -----------------------------------------------------------------------------------
 */

static void step(struct fixture *fixture)
{
    unsigned channel = (unsigned)draw(fixture, CHANNELS);
    uint64_t dice = draw(fixture, 1000);
    bool is_restartable = on_redis(fixture);
    if (dice < 400) {
        do_publish(fixture, channel);
    } else if (dice < 700) {
        do_read(fixture, channel);
    } else if (dice < 930) {
        if (fixture->world != WORLD_MEMORY) {
            do_recover(fixture, channel);
        }
    } else if (dice < 945) {
        do_remove(fixture, channel);
    } else if (dice < 960) {
        do_expire(fixture, channel);
    } else if (is_restartable && dice < 975) {
        do_trim(fixture, channel);
    } else if (is_restartable && dice < 990) {
        do_forget_meta(fixture, channel);
    } else if (is_restartable && dice < 992) {
        do_flush(fixture);
    } else if (is_restartable && dice < 995) {
        do_restart(fixture);
    } else if (fixture->world == WORLD_REDIS_SNAPSHOT) {
        do_snapshot(fixture);
    }
}

static uint64_t number_from(const char *variable, uint64_t fallback)
{
    const char *text = getenv(variable);
    return text != NULL ? strtoull(text, NULL, 10) : fallback;
}

/* In the end: no stream is there for ever. */
static void check_ttls(struct fixture *fixture)
{
    snprintf(fixture->doing, sizeof fixture->doing, "the keys' TTL");
    for (unsigned i = 0; i < CHANNELS; i++) {
        redisReply *reply =
            hf_redis_server_command(fixture->server, "TTL holdfast:stream:%s", name_of(i).data);
        bool is_bounded = reply->integer == -2 || reply->integer > 0; /* -2: there is none */
        freeReplyObject(reply);
        check(fixture, is_bounded);
    }
}

static void walk(enum world world)
{
    static const char *const file[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->world = world;
    fixture->seed = fixture->random = number_from("HF_TEST_SEED", (uint64_t)time(NULL));
    uint64_t steps = STEPS * number_from("HF_CHAOS_SCALE", 1);
    printf("HF_TEST_SEED=%" PRIu64 "\n", fixture->seed);
    if (world >= WORLD_REDIS_FILE) {
        fixture->server = hf_redis_server_start(world == WORLD_REDIS_FILE ? file : NULL);
    }
    open_client(fixture);
    open_engine(fixture);
    if (world == WORLD_REDIS_SNAPSHOT) {
        do_snapshot(fixture);
    }
    for (fixture->step = 1; fixture->step <= steps; fixture->step++) {
        step(fixture);
    }
    if (on_redis(fixture)) {
        check_ttls(fixture);
    }
    close_engine(fixture);
    close_client(fixture);
    hf_redis_server_free(fixture->server);
    for (unsigned i = 0; i < CHANNELS; i++) {
        free(fixture->channels[i].log);
        free(fixture->saved[i].log);
    }
    free(fixture);
}

static void memory_store_is_as_the_model(void **state)
{
    (void)state;
    walk(WORLD_MEMORY);
}

static void engine_on_memory_is_as_the_model(void **state)
{
    (void)state;
    walk(WORLD_PORT);
}

static void redis_with_restarts_is_as_the_model(void **state)
{
    (void)state;
    walk(WORLD_REDIS_FILE);
}

static void redis_with_rollbacks_is_as_the_model(void **state)
{
    (void)state;
    walk(WORLD_REDIS_SNAPSHOT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_store_is_as_the_model),
        cmocka_unit_test(engine_on_memory_is_as_the_model),
        cmocka_unit_test(redis_with_restarts_is_as_the_model),
        cmocka_unit_test(redis_with_rollbacks_is_as_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
