/* Redis store: opening, status, the loop turn, deadlines, closing. */
#include "store/redis_store.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <event2/event.h>

#define TICK_MS      500
#define ERROR_LOG_MS 1000 /* at most one error reply is logged in so long */
/* A refusal is told for so long, or until a publication is taken. */
#define REFUSAL_TOLD_MS 10000
#define CLOSED_LOG_MS   10000 /* ... and the same reason of a lost connection */

static struct hf_redis_store *store_of(struct hf_store *base)
{
    return (struct hf_redis_store *)base;
}

uint64_t hf_redis_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void add_timer(struct event *event, uint64_t wait_ms)
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
        hf_redis_connection_break(store->commands, text);
        hf_redis_connection_break(store->pubsub, text);
    }
    return hf_reply_error_code(error);
}

/* --- operations ----------------------------------------------------------------------------- */

void hf_redis_schedule(struct hf_redis_store *store)
{
    if (store->is_closing || store->is_scheduled)
        return;
    /* A timer, so that the loop reads its sockets between two turns. */
    store->is_scheduled = true;
    add_timer(store->turn, 0);
}

static void op_free(struct hf_redis_store *store, struct hf_redis_op *op)
{
    if (op->kind == HF_REDIS_READ) {
        hf_redis_read_free(op);
    } else if (store->pooled < HF_OPERATIONS_POOLED_MAX) {
        store->pooled++;
        TAILQ_INSERT_HEAD(&store->pool, op, in_waiting);
    } else {
        free(op);
    }
}

static struct hf_redis_op *op_new(struct hf_redis_store *store, enum hf_redis_op_kind kind)
{
    struct hf_redis_op *op = NULL;
    if (kind == HF_REDIS_READ) {
        op = hf_redis_read_new();
    } else if (!TAILQ_EMPTY(&store->pool)) {
        op = TAILQ_FIRST(&store->pool);
        TAILQ_REMOVE(&store->pool, op, in_waiting);
        store->pooled--;
        *op = (struct hf_redis_op){0};
    } else {
        op = calloc(1, sizeof *op);
    }
    if (op != NULL)
        op->kind = kind;
    return op;
}

static void complete_publish(struct hf_store_publish *request, int result)
{
    request->result = result;
    if (result != HF_OK) {
        request->position = (struct hf_position){0};
        request->outcome = HF_PUBLISHED;
    }
    request->complete(request);
}

static void complete_read(struct hf_store_read *request, int result)
{
    request->result = result;
    if (result != HF_OK) {
        request->top = (struct hf_position){0};
        request->page = NULL;
        request->has_more = false;
    }
    request->complete(request);
}

static void complete_remove(struct hf_store_remove *request, int result)
{
    request->result = result;
    request->complete(request);
}

static void complete_mend(struct hf_store_mend *request, int result)
{
    request->result = result;
    request->complete(request);
}

static void complete_bus(struct hf_store_bus *request, int result)
{
    request->result = result;
    request->complete(request);
}

static void complete_presence(struct hf_store_presence *request, int result)
{
    request->result = result;
    request->complete(request);
}

static void complete_presence_read(struct hf_store_presence_read *request, int result)
{
    request->result = result;
    request->complete(request);
}

void hf_redis_complete(struct hf_redis_store *store, struct hf_redis_op *op, int result)
{
    struct hf_redis_op ended = *op;
    assert(!op->is_waiting);
    store->pending_bytes -= ended.bytes;
    store->pending_requests--;
    op_free(store, op);
    switch (ended.kind) {
    case HF_REDIS_PUBLISH:
        if (result == HF_OK)
            store->refusal[0] = '\0';
        complete_publish(ended.request.publish, result);
        break;
    case HF_REDIS_READ:
        complete_read(ended.request.read, result);
        break;
    case HF_REDIS_REMOVE:
        complete_remove(ended.request.remove, result);
        break;
    case HF_REDIS_MEND:
        complete_mend(ended.request.mend, result);
        break;
    case HF_REDIS_BUS:
        complete_bus(ended.request.bus, result);
        break;
    case HF_REDIS_PRESENCE:
        complete_presence(ended.request.presence, result);
        break;
    case HF_REDIS_PRESENCE_READ:
        complete_presence_read(ended.request.presence_read, result);
        break;
    }
}

void hf_redis_complete_later(struct hf_redis_store *store, struct hf_redis_op *op, int result)
{
    assert(!op->is_waiting);
    op->result = result;
    TAILQ_INSERT_TAIL(&store->done, op, in_waiting);
    hf_redis_schedule(store);
}

void hf_redis_stop_waiting(struct hf_redis_store *store, struct hf_redis_op *op)
{
    assert(op->is_waiting);
    TAILQ_REMOVE(&store->waiting, op, in_waiting);
    op->is_waiting = false;
}

static void set_deadline(struct hf_redis_store *store)
{
    const struct hf_redis_op *first = TAILQ_FIRST(&store->waiting);
    if (first == NULL || store->is_closing || event_pending(store->deadline, EV_TIMEOUT, NULL))
        return;
    uint64_t now_ms = hf_redis_now_ms();
    add_timer(store->deadline, first->deadline_ms > now_ms ? first->deadline_ms - now_ms : 0);
}

void hf_redis_wait_in_place(struct hf_redis_store *store, struct hf_redis_op *op)
{
    struct hf_redis_op *later = TAILQ_FIRST(&store->waiting);
    while (later != NULL && later->deadline_ms < op->deadline_ms)
        later = TAILQ_NEXT(later, in_waiting);
    if (later != NULL)
        TAILQ_INSERT_BEFORE(later, op, in_waiting);
    else
        TAILQ_INSERT_TAIL(&store->waiting, op, in_waiting);
    op->is_waiting = true;
    event_del(store->deadline); /* it may be the first now */
    set_deadline(store);
}

/* R1: the first behind what is in flight. */
static void insert_first(struct hf_redis_op *op)
{
    struct hf_redis_channel *channel = op->channel;
    struct hf_redis_op *next = TAILQ_FIRST(&channel->ops);
    while (next != NULL && !next->is_waiting) /* R2; in_flight still counts what completes now */
        next = TAILQ_NEXT(next, in_channel);
    if (next != NULL)
        TAILQ_INSERT_BEFORE(next, op, in_channel);
    else
        TAILQ_INSERT_TAIL(&channel->ops, op, in_channel);
}

void hf_redis_wait_again(struct hf_redis_store *store, struct hf_redis_op *op)
{
    hf_redis_wait_in_place(store, op);
    insert_first(op);
    hf_redis_channel_settle(op->channel);
}

static void expire(struct hf_redis_op *op, int result)
{
    struct hf_redis_store *store = op->channel->store;
    hf_redis_stop_waiting(store, op);
    TAILQ_REMOVE(&op->channel->ops, op, in_channel);
    hf_redis_complete(store, op, result);
}

/* A group that was sent together can only be looked for together. */
static void expire_unsure(struct hf_redis_channel *channel)
{
    struct hf_redis_op *op, *next;
    for (op = TAILQ_FIRST(&channel->ops); op != NULL; op = next) {
        next = TAILQ_NEXT(op, in_channel);
        if (op->is_unsure)
            expire(op, HF_EUNKNOWN);
    }
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    struct hf_redis_store *store = context;
    struct hf_redis_op *op;
    uint64_t now_ms = hf_redis_now_ms();
    while ((op = TAILQ_FIRST(&store->waiting)) != NULL && op->deadline_ms <= now_ms) {
        struct hf_redis_channel *channel = op->channel;
        channel->users++;
        if (op->is_unsure)
            expire_unsure(channel);
        else
            expire(op, HF_EUNAVAILABLE);
        channel->users--;
        hf_redis_channel_settle(channel);
    }
    set_deadline(store);
}

/* R4 */
static bool overtakes(const struct hf_redis_op *op)
{
    return op->kind == HF_REDIS_READ || op->kind == HF_REDIS_MEND;
}

static bool is_holding(const struct hf_redis_store *store)
{
    return !store->is_closing && hf_redis_connection_is_ready(store->commands) &&
           hf_redis_connection_life(store->commands) != store->admitted_life;
}

bool hf_redis_is_held(const struct hf_redis_op *op)
{
    const struct hf_redis_store *store = op->channel->store;
    bool writes = op->kind == HF_REDIS_REMOVE ||
                  (op->kind == HF_REDIS_PUBLISH && op->request.publish->options.history_size > 0);
    return writes && is_holding(store);
}

/* The connection is one to a life that is not admitted: R4. */
static void hold(struct hf_redis_store *store)
{
    struct hf_redis_op *op;
    TAILQ_FOREACH (op, &store->waiting, in_waiting) {
        if (!overtakes(op))
            continue;
        TAILQ_REMOVE(&op->channel->ops, op, in_channel);
        insert_first(op);
        hf_redis_channel_settle(op->channel);
    }
}

static void store_admit(struct hf_store *base, uint64_t life)
{
    struct hf_redis_store *store = store_of(base);
    struct hf_redis_op *op;
    if (store->is_closing || store->admitted_life == life)
        return;
    store->admitted_life = life;
    hf_redis_life_admit(store);
    TAILQ_FOREACH (op, &store->waiting, in_waiting)
        hf_redis_channel_settle(op->channel);
}

/* Queues an operation, or refuses it with an error that is completed from the loop. HF_ENOMEM:
 * not even that; the caller's lists without allocation must do. */
static int enqueue(struct hf_redis_store *store, struct hf_redis_op *op, struct hf_bytes name,
                   size_t bytes, int refusal)
{
    if (op == NULL)
        return HF_ENOMEM;
    const struct hf_engine_config *config = store->config;
    op->bytes = bytes;
    if (store->is_closing)
        refusal = HF_ECLOSED;
    else if (refusal == HF_OK && (bytes > HF_PUBLICATION_BYTES_MAX ||
                                  bytes > config->pending_bytes_max - store->pending_bytes ||
                                  store->pending_requests >= config->pending_requests_max))
        refusal = HF_ELIMIT;
    if (op->kind == HF_REDIS_BUS)
        op->channel = store->bus;
    else if (op->kind == HF_REDIS_PRESENCE || op->kind == HF_REDIS_PRESENCE_READ)
        op->channel = store->presence;
    else if (refusal == HF_OK && (op->channel = hf_redis_channel_get(store, name)) == NULL)
        refusal = HF_ENOMEM;
    store->pending_requests++;
    if (refusal != HF_OK) {
        op->bytes = 0;
        hf_redis_complete_later(store, op, refusal);
        return HF_OK;
    }
    store->pending_bytes += bytes;
    op->deadline_ms = hf_redis_now_ms() + config->wait_ms;
    op->is_waiting = true;
    TAILQ_INSERT_TAIL(&store->waiting, op, in_waiting);
    if (overtakes(op) && is_holding(store))
        insert_first(op);
    else
        TAILQ_INSERT_TAIL(&op->channel->ops, op, in_channel);
    hf_redis_channel_settle(op->channel);
    set_deadline(store);
    return HF_OK;
}

static void store_publish(struct hf_store *base, struct hf_store_publish *request)
{
    struct hf_redis_store *store = store_of(base);
    const struct hf_stream_options *options = &request->options;
    const struct hf_publication_fields *fields = &request->fields;
    request->outcome = HF_PUBLISHED;
    bool has_ttl = options->history_ttl_s > 0 && options->meta_ttl_s > 0;
    struct hf_redis_op *op = op_new(store, HF_REDIS_PUBLISH);
    if (op != NULL)
        op->request.publish = request;
    if (enqueue(store, op, request->channel,
                fields->data.len + fields->info.len + fields->tags.len + request->channel.len +
                    request->idempotency_key.len + request->fields.version_epoch.len,
                options->history_size > 0 && !has_ttl ? HF_EINVAL : HF_OK) != HF_OK) {
        request->internal[0] = store->failed_publishes;
        store->failed_publishes = request;
        hf_redis_schedule(store);
    }
}

static void store_read(struct hf_store *base, struct hf_store_read *request)
{
    struct hf_redis_store *store = store_of(base);
    struct hf_redis_op *op = op_new(store, HF_REDIS_READ);
    if (op != NULL)
        op->request.read = request;
    if (enqueue(store, op, request->channel, 0,
                request->create && request->options.meta_ttl_s == 0 ? HF_EINVAL : HF_OK) != HF_OK) {
        request->internal[0] = store->failed_reads;
        store->failed_reads = request;
        hf_redis_schedule(store);
    }
}

static void store_remove(struct hf_store *base, struct hf_store_remove *request)
{
    struct hf_redis_store *store = store_of(base);
    struct hf_redis_op *op = op_new(store, HF_REDIS_REMOVE);
    if (op != NULL)
        op->request.remove = request;
    if (enqueue(store, op, request->channel, 0, HF_OK) != HF_OK) {
        request->internal[0] = store->failed_removes;
        store->failed_removes = request;
        hf_redis_schedule(store);
    }
}

/* Whether the page is what follows `expected`. */
static bool is_mend_valid(const struct hf_store_mend *request)
{
    if (request->options.history_size == 0 || request->options.history_ttl_s == 0 ||
        request->options.meta_ttl_s == 0 || request->expected.epoch == HF_EPOCH_NONE)
        return false;
    for (uint32_t i = 0; request->page != NULL && i < request->page->count; i++) {
        const struct hf_position position = {request->expected.epoch,
                                             request->expected.offset + 1 + i};
        if (!hf_position_equal(request->page->items[i]->position, position))
            return false;
    }
    return request->page == NULL || request->page->count > 0;
}

static void store_mend(struct hf_store *base, struct hf_store_mend *request)
{
    struct hf_redis_store *store = store_of(base);
    struct hf_redis_op *op = op_new(store, HF_REDIS_MEND);
    if (op != NULL)
        op->request.mend = request;
    if (enqueue(store, op, request->channel, request->page != NULL ? request->page->size : 0,
                is_mend_valid(request) ? HF_OK : HF_EINVAL) != HF_OK) {
        request->internal[0] = store->failed_mends;
        store->failed_mends = request;
        hf_redis_schedule(store);
    }
}

static void store_bus_send(struct hf_store *base, struct hf_store_bus *request)
{
    struct hf_redis_store *store = store_of(base);
    struct hf_redis_op *op = op_new(store, HF_REDIS_BUS);
    if (op != NULL)
        op->request.bus = request;
    if (enqueue(store, op, (struct hf_bytes){0}, request->message.len, HF_OK) != HF_OK) {
        request->internal[0] = store->failed_buses;
        store->failed_buses = request;
        hf_redis_schedule(store);
    }
}

static size_t presence_bytes(const struct hf_store_presence *request)
{
    size_t bytes = 0;
    for (size_t i = 0; i < request->count; i++) {
        const struct hf_presence_client *who = &request->items[i].who;
        bytes += who->channel.len + who->client.len + who->user.len + who->info.len;
    }
    return bytes;
}

static void store_presence(struct hf_store *base, struct hf_store_presence *request)
{
    struct hf_redis_store *store = store_of(base);
    struct hf_redis_op *op = op_new(store, HF_REDIS_PRESENCE);
    if (op != NULL)
        op->request.presence = request;
    if (enqueue(store, op, (struct hf_bytes){0}, presence_bytes(request), HF_OK) != HF_OK) {
        request->internal[0] = store->failed_presences;
        store->failed_presences = request;
        hf_redis_schedule(store);
    }
}

static void store_presence_read(struct hf_store *base, struct hf_store_presence_read *request)
{
    struct hf_redis_store *store = store_of(base);
    struct hf_redis_op *op = op_new(store, HF_REDIS_PRESENCE_READ);
    request->entries = NULL;
    request->count = 0;
    request->clients = request->users = 0;
    if (op != NULL)
        op->request.presence_read = request;
    if (enqueue(store, op, (struct hf_bytes){0}, 0, HF_OK) != HF_OK) {
        request->internal[0] = store->failed_presence_reads;
        store->failed_presence_reads = request;
        hf_redis_schedule(store);
    }
}

/* --- the loop turn -------------------------------------------------------------------------- */

static void complete_failed(struct hf_redis_store *store, int result)
{
    struct hf_store_publish *publish;
    struct hf_store_read *read;
    struct hf_store_remove *remove;
    while ((publish = store->failed_publishes) != NULL) {
        store->failed_publishes = publish->internal[0];
        complete_publish(publish, result);
    }
    while ((read = store->failed_reads) != NULL) {
        store->failed_reads = read->internal[0];
        complete_read(read, result);
    }
    while ((remove = store->failed_removes) != NULL) {
        store->failed_removes = remove->internal[0];
        complete_remove(remove, result);
    }
    struct hf_store_mend *mend;
    while ((mend = store->failed_mends) != NULL) {
        store->failed_mends = mend->internal[0];
        complete_mend(mend, result);
    }
    struct hf_store_bus *bus;
    while ((bus = store->failed_buses) != NULL) {
        store->failed_buses = bus->internal[0];
        complete_bus(bus, result);
    }
    struct hf_store_presence *presence;
    while ((presence = store->failed_presences) != NULL) {
        store->failed_presences = presence->internal[0];
        complete_presence(presence, result);
    }
    struct hf_store_presence_read *presence_read;
    while ((presence_read = store->failed_presence_reads) != NULL) {
        store->failed_presence_reads = presence_read->internal[0];
        complete_presence_read(presence_read, result);
    }
}

/* What is refused during a completion comes with the next turn. */
static void complete_done(struct hf_redis_store *store)
{
    struct hf_redis_ops done = TAILQ_HEAD_INITIALIZER(done);
    struct hf_redis_op *op;
    TAILQ_CONCAT(&done, &store->done, in_waiting);
    while ((op = TAILQ_FIRST(&done)) != NULL) {
        TAILQ_REMOVE(&done, op, in_waiting);
        hf_redis_complete(store, op, op->result);
    }
}

static void store_flush(struct hf_store *base)
{
    struct hf_redis_store *store = store_of(base);
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
    complete_failed(store, HF_ENOMEM);
    complete_done(store);
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
    if (is_holding(store))
        hold(store);
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
    if (!store_of(base)->is_closing)
        hf_redis_listen(store_of(base), channel);
}

static void store_unlisten(struct hf_store *base, struct hf_bytes channel)
{
    if (!store_of(base)->is_closing)
        hf_redis_unlisten(store_of(base), channel);
}

static void store_pause(struct hf_store *base, bool paused)
{
    if (!store_of(base)->is_closing)
        hf_redis_pubsub_pause(store_of(base), paused);
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
    struct hf_redis_op *op;
    hf_redis_connection_free(store->commands);
    hf_redis_connection_free(store->pubsub);
    hf_redis_channels_free(store);
    while ((op = TAILQ_FIRST(&store->pool)) != NULL) {
        TAILQ_REMOVE(&store->pool, op, in_waiting);
        free(op);
    }
    struct event *events[] = {store->turn, store->deadline, store->tick};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (events[i] != NULL)
            event_free(events[i]);
    }
    struct hf_redis_prefix *prefixes[] = {
        &store->stream_prefix, &store->meta_prefix,   &store->version_prefix, &store->idem_prefix,
        &store->db_prefix,     &store->pubsub_prefix, &store->node_prefix,    &store->node_channel};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        free(prefixes[i]->text);
    for (size_t i = 0; i < HF_REDIS_PRESENCE_KEYS; i++)
        free(store->presence_prefixes[i].text);
    hf_redis_address_fini(&store->address);
    free(store);
}

static void store_close(struct hf_store *base)
{
    struct hf_redis_store *store = store_of(base);
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
        complete_done(store);
    complete_failed(store, HF_ECLOSED);
    free_store(store);
}

static const struct hf_store_ops ops = {
    .publish = store_publish,
    .read = store_read,
    .remove = store_remove,
    .mend = store_mend,
    .bus_send = store_bus_send,
    .presence = store_presence,
    .presence_read = store_presence_read,
    .listen = store_listen,
    .unlisten = store_unlisten,
    .admit = store_admit,
    .flush = store_flush,
    .pause = store_pause,
    .status = store_status,
    .close = store_close,
};

/* --- opening -------------------------------------------------------------------------------- */

static bool make_prefix(struct hf_redis_prefix *prefix, const char *first, const char *second)
{
    prefix->len = strlen(first) + strlen(second);
    prefix->text = malloc(prefix->len + 1);
    if (prefix->text == NULL)
        return false;
    snprintf(prefix->text, prefix->len + 1, "%s%s", first, second);
    return true;
}

static bool make_presence_names(struct hf_redis_store *store, const char *prefix)
{
    static const char *const names[] = {
        [HF_REDIS_PRESENCE_INFO] = ":presence:",
        [HF_REDIS_PRESENCE_EXPIRE] = ":presence-expire:",
        [HF_REDIS_PRESENCE_USERS] = ":presence-users:",
        [HF_REDIS_PRESENCE_LEAVING] = ":presence-leaving:",
    };
    bool is_made = true;
    for (size_t i = 0; i < HF_REDIS_PRESENCE_KEYS; i++)
        is_made &= make_prefix(&store->presence_prefixes[i], prefix, names[i]);
    store->presence = hf_redis_channel_new(store, (struct hf_bytes){0});
    if (store->presence != NULL)
        store->presence->users = 1; /* it never goes */
    return is_made && store->presence != NULL;
}

static bool make_node_names(struct hf_redis_store *store, const char *db, const char *prefix)
{
    const char *own_name = store->config->node_name;
    struct hf_redis_prefix start;
    bool is_made =
        make_prefix(&start, db, prefix) && make_prefix(&store->node_prefix, start.text, ":node:") &&
        (own_name == NULL || make_prefix(&store->node_channel, store->node_prefix.text, own_name));
    free(start.text);
    return is_made;
}

static bool make_names(struct hf_redis_store *store)
{
    const char *prefix =
        store->config->redis.prefix != NULL ? store->config->redis.prefix : "holdfast";
    char db[16] = "";
    uint64_t node = 0;
    if (store->address.db != 0)
        snprintf(db, sizeof db, "db%u:", store->address.db);
    if (getrandom(&node, sizeof node, 0) != sizeof node ||
        getrandom(&store->node, sizeof store->node, 0) != sizeof store->node ||
        !hf_hash_key_new(&store->hash_key))
        return false;
    hf_table_init(&store->channels, &store->hash_key,
                  HF_TABLE_NAME_AT(struct hf_redis_channel, in_table, name));
    store->bus = hf_redis_channel_new(store, (struct hf_bytes){0});
    if (store->bus == NULL)
        return false;
    store->bus->users = 1; /* it never goes */
    snprintf(store->probe_name, sizeof store->probe_name, "%s%.128s:probe:%016llx", db, prefix,
             (unsigned long long)node);
    snprintf(store->bus_name, sizeof store->bus_name, "%s%.128s:bus", db, prefix);
    snprintf(store->life_key, sizeof store->life_key, "%.128s:life", prefix);
    return make_node_names(store, db, prefix) &&
           make_prefix(&store->stream_prefix, prefix, ":stream:") &&
           make_prefix(&store->meta_prefix, prefix, ":meta:") &&
           make_prefix(&store->version_prefix, prefix, ":version:") &&
           make_prefix(&store->idem_prefix, prefix, ":idem:") &&
           make_presence_names(store, prefix) && make_prefix(&store->db_prefix, db, "") &&
           make_prefix(&store->pubsub_prefix, db, store->stream_prefix.text);
}

/* What the address leaves open comes from the configuration. */
static int complete_address(struct hf_redis_store *store)
{
    const struct hf_redis_config *redis = &store->config->redis;
    struct hf_redis_address *address = &store->address;
    if (address->password == NULL && redis->password != NULL && redis->password[0] != '\0') {
        address->password = strdup(redis->password);
        if (address->password == NULL)
            return HF_ENOMEM;
    }
    if (address->user == NULL && redis->user != NULL && redis->user[0] != '\0') {
        address->user = strdup(redis->user);
        if (address->user == NULL)
            return HF_ENOMEM;
    }
    if (!address->has_db)
        address->db = redis->db;
    return HF_OK;
}

static bool make_connections(struct hf_redis_store *store)
{
    const struct hf_redis_config *redis = &store->config->redis;
    store->io_timeout_ms = redis->io_timeout_ms != 0 ? redis->io_timeout_ms : 4000;
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
    store->deadline = evtimer_new(store->loop, on_deadline, store);
    store->tick = event_new(store->loop, -1, EV_PERSIST, on_tick, store);
    if (store->turn == NULL || store->deadline == NULL || store->tick == NULL)
        return false;
    add_timer(store->tick, TICK_MS);
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
    if (complete_address(store) != HF_OK || !make_names(store) || !make_events(store) ||
        !make_connections(store)) {
        snprintf(reason, reason_size, "out of memory");
        free_store(store);
        return NULL;
    }
    return &store->base;
}
