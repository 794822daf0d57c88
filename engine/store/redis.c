/* Redis store: opening, its connections, the loop turn, status, closing. */
#include "store/redis_store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <event2/event.h>

#define TICK_MS      500
#define ERROR_LOG_MS 1000 /* at most one error reply is logged in so long */
/* A refusal is told for so long, or until a publication is taken. */
#define REFUSAL_TOLD_MS 10000
#define CLOSED_LOG_MS   10000 /* ... and the same reason of a lost connection */

uint64_t hf_redis_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void hf_redis_add_timer(struct event *event, uint64_t wait_ms)
{
    struct timeval wait = {(time_t)(wait_ms / 1000), (suseconds_t)(wait_ms % 1000 * 1000)};
    event_add(event, &wait);
}

void hf_redis_log(struct hf_redis_store *store, enum hf_log_severity severity, const char *format,
                  ...)
{
    char text[256];
    va_list arguments;
    if (store->config->log == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    store->config->log(store->config->log_context, severity, text);
}

int hf_redis_judge(struct hf_redis_store *store, const struct hf_reply *error)
{
    char text[HF_REDIS_REASON_SIZE];
    uint64_t now_ms = hf_redis_now_ms();
    hf_reply_error_text(error, text, sizeof text);
    if (store->error_log_ms == 0 || now_ms - store->error_log_ms >= ERROR_LOG_MS) {
        store->error_log_ms = now_ms;
        hf_redis_log(store, HF_SEVERITY_WARNING, "Redis answered: %s", text);
    }
    if (hf_reply_is_refusal(error)) {
        snprintf(store->refusal, sizeof store->refusal, "%s", text);
        store->refusal_ms = now_ms;
    }
    if (hf_reply_is_error(error, "READONLY") || hf_reply_is_error(error, "NOAUTH")) {
        hf_redis_reconnect(store, text);
    }
    return hf_reply_error_code(error);
}

void hf_redis_reconnect(struct hf_redis_store *store, const char *reason)
{
    hf_redis_connection_break(store->commands, reason);
    hf_redis_connection_break(store->pubsub, reason);
}

/* --- the loop turn -------------------------------------------------------------------------- */

void hf_redis_schedule(struct hf_redis_store *store)
{
    if (store->is_closing || store->is_scheduled)
        return;
    /* A timer, so that the loop reads its sockets between two turns. */
    store->is_scheduled = true;
    hf_redis_add_timer(store->turn, 0);
}

static void store_flush(struct hf_store *base)
{
    struct hf_redis_store *store = hf_redis_store_of(base);
    if (store->is_closing)
        return;
    hf_redis_pubsub_flush(store);
    hf_redis_send_ready(store);
    hf_redis_channels_trim(store);
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    struct hf_redis_store *store = context;
    store->is_scheduled = false;
    hf_redis_complete_failed(store, HF_ENOMEM);
    hf_redis_complete_done(store);
    hf_redis_pubsub_flush(store);
    hf_redis_pubsub_announce(store);
    hf_redis_send_ready(store);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    hf_redis_pubsub_tick(context);
}

/* --- connections ---------------------------------------------------------------------------- */

static void log_closed(struct hf_redis_store *store, const char *reason)
{
    uint64_t now_ms = hf_redis_now_ms();
    if (strcmp(reason, store->close_log_text) == 0 && now_ms - store->close_log_ms < CLOSED_LOG_MS)
        return;
    store->close_log_ms = now_ms;
    snprintf(store->close_log_text, sizeof store->close_log_text, "%s", reason);
    hf_redis_log(store, HF_SEVERITY_WARNING, "%s", reason);
}

static void on_commands_ready(void *context)
{
    struct hf_redis_store *store = context;
    store->ready_ms = hf_redis_now_ms();
    store->refusal[0] = '\0';
    hf_redis_hold(store);
    if (store->is_up && hf_redis_connection_life(store->commands) != store->up_life)
        hf_redis_connection_break(store->pubsub, "the commands go to another server than before");
    hf_redis_life_ask(store);
    /* Whether this server still is the one that delivers is asked at once. */
    hf_redis_probe(store);
    hf_redis_schedule(store);
    hf_redis_connection_hurry(store->pubsub);
}

static void on_commands_closed(void *context, const char *reason)
{
    struct hf_redis_store *store = context;
    store->is_probe_open = false;
    store->is_life_known = false;
    log_closed(store, reason);
}

static void on_pubsub_ready(void *context)
{
    struct hf_redis_store *store = context;
    hf_redis_pubsub_ready(store);
    hf_redis_connection_hurry(store->commands);
}

static void on_pubsub_closed(void *context, const char *reason)
{
    log_closed(context, reason);
    hf_redis_pubsub_closed(context, reason);
}

static void on_pubsub_push(void *context, const struct hf_reply *reply)
{
    hf_redis_pubsub_push(context, reply);
}

/* --- the rest of the contract --------------------------------------------------------------- */

static void store_listen(struct hf_store *base, struct hf_bytes channel)
{
    if (!hf_redis_store_of(base)->is_closing)
        hf_redis_listen(hf_redis_store_of(base), channel);
}

static void store_unlisten(struct hf_store *base, struct hf_bytes channel)
{
    if (!hf_redis_store_of(base)->is_closing)
        hf_redis_unlisten(hf_redis_store_of(base), channel);
}

static void store_pause(struct hf_store *base, bool paused)
{
    if (!hf_redis_store_of(base)->is_closing)
        hf_redis_pubsub_pause(hf_redis_store_of(base), paused);
}

static void store_status(const struct hf_store *base, struct hf_store_status *status)
{
    const struct hf_redis_store *store = (const struct hf_redis_store *)base;
    const char *reason = "";
    memset(status, 0, sizeof *status);
    if (store->is_closing)
        return;
    status->is_connected = hf_redis_connection_is_ready(store->commands);
    status->is_delivering = store->is_delivering;
    status->commands =
        hf_redis_connection_commands(store->commands) + hf_redis_connection_commands(store->pubsub);
    if (!status->is_connected)
        reason = hf_redis_connection_reason(store->commands);
    else if (!hf_redis_connection_is_ready(store->pubsub))
        reason = hf_redis_connection_reason(store->pubsub);
    else if (!store->is_delivering)
        reason = "Redis has not yet delivered a publication of our own";
    else if (hf_redis_now_ms() - store->refusal_ms < REFUSAL_TOLD_MS)
        reason = store->refusal;
    snprintf(status->reason, sizeof status->reason, "%s", reason);
}

static void free_store(struct hf_redis_store *store)
{
    hf_redis_connection_free(store->commands);
    hf_redis_connection_free(store->pubsub);
    hf_redis_channels_free(store);
    hf_redis_pool_free(store);
    struct event *events[] = {store->turn, store->deadline, store->tick};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (events[i] != NULL)
            event_free(events[i]);
    }
    hf_redis_names_free(store);
    free(store);
}

static void store_close(struct hf_store *base)
{
    struct hf_redis_store *store = hf_redis_store_of(base);
    struct hf_redis_op *op;
    store->is_closing = true;
    /* What is in flight is called back by the connections' end, what is not is queued. */
    hf_redis_connection_free(store->commands);
    hf_redis_connection_free(store->pubsub);
    store->commands = store->pubsub = NULL;
    while ((op = TAILQ_FIRST(&store->waiting)) != NULL) {
        hf_redis_stop_waiting(store, op);
        TAILQ_REMOVE(&op->channel->ops, op, in_channel);
        hf_redis_complete(store, op, HF_ECLOSED);
    }
    while (!TAILQ_EMPTY(&store->done))
        hf_redis_complete_done(store);
    hf_redis_complete_failed(store, HF_ECLOSED);
    free_store(store);
}

static const struct hf_store_ops ops = {
    .publish = hf_redis_publish,
    .read = hf_redis_read,
    .remove = hf_redis_remove,
    .mend = hf_redis_mend,
    .bus_send = hf_redis_bus_send,
    .presence = hf_redis_presence,
    .presence_read = hf_redis_presence_read,
    .listen = store_listen,
    .unlisten = store_unlisten,
    .admit = hf_redis_admit,
    .flush = store_flush,
    .pause = store_pause,
    .status = store_status,
    .close = store_close,
};

/* --- opening -------------------------------------------------------------------------------- */

static bool make_connections(struct hf_redis_store *store)
{
    const struct hf_redis_config *redis = &store->config->redis;
    store->io_timeout_ms = redis->io_timeout_ms != 0 ? redis->io_timeout_ms : 4000;
    store->probe_interval_ms = redis->probe_interval_ms != 0 ? redis->probe_interval_ms : 5000;
    struct hf_redis_connection_config config = {
        .address = store->address,
        .client_name = redis->client_name,
        .connect_timeout_ms = redis->connect_timeout_ms != 0 ? redis->connect_timeout_ms : 1000,
        .io_timeout_ms = store->io_timeout_ms,
        .has_scripts = true,
    };
    const struct hf_redis_connection_events commands = {on_commands_ready, on_commands_closed, NULL,
                                                        store};
    const struct hf_redis_connection_events pubsub = {on_pubsub_ready, on_pubsub_closed,
                                                      on_pubsub_push, store};
    store->commands = hf_redis_connection_new(store->loop, &config, &commands);
    config.has_scripts = false;
    store->pubsub = hf_redis_connection_new(store->loop, &config, &pubsub);
    return store->commands != NULL && store->pubsub != NULL;
}

static bool make_events(struct hf_redis_store *store)
{
    store->turn = evtimer_new(store->loop, on_turn, store);
    store->deadline = evtimer_new(store->loop, hf_redis_on_deadline, store);
    store->tick = event_new(store->loop, -1, EV_PERSIST, on_tick, store);
    if (store->turn == NULL || store->deadline == NULL || store->tick == NULL)
        return false;
    hf_redis_add_timer(store->tick, TICK_MS);
    return true;
}

struct hf_store *hf_store_redis_open(struct event_base *base, const struct hf_engine_config *config,
                                     const struct hf_store_events *events, char *reason,
                                     size_t reason_size)
{
    struct hf_redis_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        snprintf(reason, reason_size, "out of memory");
        return NULL;
    }
    store->base.ops = &ops;
    store->loop = base;
    store->config = config;
    store->events = events;
    TAILQ_INIT(&store->idle);
    TAILQ_INIT(&store->ready);
    TAILQ_INIT(&store->changed);
    TAILQ_INIT(&store->waiting);
    TAILQ_INIT(&store->done);
    TAILQ_INIT(&store->pool);

    const char *text = config->redis.address != NULL ? config->redis.address : "127.0.0.1:6379";
    if (hf_redis_address_parse(text, &store->address, reason, reason_size) != HF_OK) {
        free_store(store);
        return NULL;
    }
    if (hf_redis_address_complete(store) != HF_OK || !hf_redis_names_make(store) ||
        !make_events(store) || !make_connections(store)) {
        snprintf(reason, reason_size, "out of memory");
        free_store(store);
        return NULL;
    }
    return &store->base;
}
