/* Memory store: streams of one process, for a single node and for tests. The same contract as on
 * Redis: a request is applied at once, its completion and its deliveries come from the loop.
 *
 *   memory_stream.c    the streams
 *   memory_once.c      idempotency keys and versions
 *   memory_presence.c  presence
 *   memory_done.c      requests that wait for their completion
 *
 * Deliveries are in one queue, in the order of their publishes. While the store is paused they stay
 * there; when the queue is longer than pending_bytes_max, publishes are refused. */
#include "store/store.h"

#include "store/memory_done.h"
#include "store/memory_once.h"
#include "store/memory_presence.h"
#include "store/memory_stream.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include <event2/event.h>

#define LIFE           1 /* a process' memory loses nothing while it lives */
#define SWEEP_MS       100
#define DELIVERIES_MAX 4096 /* per turn, so that the loop serves others between */

enum push_kind { PUSH_PUBLICATION, PUSH_LISTENING, PUSH_REMOVED, PUSH_JOIN, PUSH_LEAVE, PUSH_BUS };

struct push {
    STAILQ_ENTRY(push) next;
    enum push_kind kind;
    struct hf_memory_stream *stream; /* NULL: the bus */
    uint64_t listen_number;
    struct hf_publication *publication; /* one reference, or NULL; its data is the bus' message, or
                                           the info of who joined or left */
};

struct memory_store {
    struct hf_store base;
    const struct hf_engine_config *config;
    const struct hf_store_events *events;
    struct event *turn;
    struct event *sweeper;
    struct hf_memory_streams streams;
    STAILQ_HEAD(, push) pushes;
    size_t pushes_bytes;
    struct hf_memory_done done;
    struct hf_memory_presence *presence;
    struct hf_memory_once *once;
    uint64_t commands;
    bool is_connected; /* on_connected was called */
    bool has_lost;     /* listens were lost: on_disconnected comes first */
    bool is_paused;
    bool is_closing;
};

static struct memory_store *store_of(struct hf_store *base)
{
    return (struct memory_store *)base;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void schedule(struct memory_store *store)
{
    const struct timeval at_once = {0, 0};
    if (!store->is_closing && !event_pending(store->turn, EV_TIMEOUT, NULL))
        event_add(store->turn, &at_once);
}

static void done(struct memory_store *store, void **internal, enum hf_memory_request kind)
{
    hf_memory_done_add(&store->done, internal, kind);
    schedule(store);
}

static struct hf_memory_stream *find(struct memory_store *store, struct hf_bytes channel)
{
    return hf_memory_stream_find(&store->streams, channel, now_ms());
}

/* NULL: no memory. */
static struct hf_memory_stream *find_or_add(struct memory_store *store, struct hf_bytes channel)
{
    return hf_memory_stream_get(&store->streams, channel, now_ms());
}

/* --- publish -------------------------------------------------------------------------------- */

static struct push *push_new(enum push_kind kind, struct hf_memory_stream *stream)
{
    struct push *push = calloc(1, sizeof *push);
    if (push == NULL)
        return NULL;
    push->kind = kind;
    push->stream = stream;
    push->listen_number = stream != NULL ? stream->listen_number : 0;
    return push;
}

/* Takes `publication`'s reference, which may be NULL. */
static void push_add(struct memory_store *store, struct push *push,
                     struct hf_publication *publication)
{
    push->publication = publication;
    if (push->stream != NULL)
        push->stream->pushes++;
    store->pushes_bytes += sizeof *push + (publication != NULL ? publication->size : 0);
    STAILQ_INSERT_TAIL(&store->pushes, push, next);
    schedule(store);
}

static int apply_new(struct memory_store *store, struct hf_memory_stream *stream,
                     struct hf_store_publish *request)
{
    const struct hf_stream_options *options = &request->options;
    struct hf_position position = {0};
    if (options->history_size > 0) {
        position = stream->top;
        if (position.epoch == HF_EPOCH_NONE)
            position.epoch = hf_memory_streams_new_epoch(&store->streams);
        position.offset++;
    }
    struct hf_publication *publication = hf_publication_new(position, &request->fields);
    struct push *push = stream->is_listening ? push_new(PUSH_PUBLICATION, stream) : NULL;
    if (publication == NULL || (stream->is_listening && push == NULL) ||
        (options->history_size > 0 && !hf_memory_stream_reserve(stream))) {
        hf_publication_unref(publication);
        free(push);
        return HF_ENOMEM;
    }

    if (options->history_size > 0)
        hf_memory_stream_append(stream, publication, options, now_ms());
    if (push != NULL)
        push_add(store, push, publication);
    else
        hf_publication_unref(publication);
    request->position = position;
    return HF_OK;
}

static int apply_publish(struct memory_store *store, struct hf_store_publish *request)
{
    const struct hf_stream_options *options = &request->options;
    struct hf_memory_once_claim claim;
    if (store->is_closing)
        return HF_ECLOSED;
    if (options->history_size > 0 && (options->history_ttl_s == 0 || options->meta_ttl_s == 0))
        return HF_EINVAL;
    if (store->pushes_bytes > store->config->pending_bytes_max)
        return HF_ELIMIT;
    struct hf_memory_stream *stream = find_or_add(store, request->channel);
    if (stream == NULL)
        return HF_ENOMEM;
    int rc = hf_memory_once_begin(store->once, request, stream->top, now_ms(), &claim);
    if (rc != HF_OK || request->outcome != HF_PUBLISHED)
        return rc;
    rc = apply_new(store, stream, request);
    hf_memory_once_end(store->once, request, &claim, rc == HF_OK, request->position, now_ms());
    return rc;
}

static void store_publish(struct hf_store *base, struct hf_store_publish *request)
{
    struct memory_store *store = store_of(base);
    store->commands++;
    request->outcome = HF_PUBLISHED;
    request->position = (struct hf_position){0};
    request->result = apply_publish(store, request);
    done(store, request->internal, HF_MEMORY_PUBLISH);
}

/* --- read ----------------------------------------------------------------------------------- */

static int apply_read(struct memory_store *store, struct hf_store_read *request)
{
    if (store->is_closing)
        return HF_ECLOSED;
    if (request->create && request->options.meta_ttl_s == 0)
        return HF_EINVAL;
    struct hf_memory_stream *stream =
        request->create ? find_or_add(store, request->channel) : find(store, request->channel);
    if (stream == NULL)
        return request->create ? HF_ENOMEM : HF_OK;
    if (stream->top.epoch == HF_EPOCH_NONE && request->create) {
        stream->top = (struct hf_position){hf_memory_streams_new_epoch(&store->streams), 0};
        stream->position_expires_ms = now_ms() + (uint64_t)request->options.meta_ttl_s * 1000;
    }
    int rc = hf_memory_stream_read(stream, request);
    if (rc == HF_OK)
        request->top = stream->top;
    return rc;
}

static void store_read(struct hf_store *base, struct hf_store_read *request)
{
    struct memory_store *store = store_of(base);
    store->commands++;
    request->page = NULL;
    request->top = (struct hf_position){0};
    request->has_more = false;
    request->life = LIFE;
    request->admitted_life = request->with_admitted_life ? LIFE : 0;
    request->result = apply_read(store, request);
    done(store, request->internal, HF_MEMORY_READ);
}

/* --- remove, mend, bus ---------------------------------------------------------------------- */

static int apply_remove(struct memory_store *store, const struct hf_store_remove *request)
{
    struct hf_memory_stream *stream = find(store, request->channel);
    if (store->is_closing)
        return HF_ECLOSED;
    if (stream == NULL)
        return HF_OK;
    if (stream->is_listening) {
        struct push *push = push_new(PUSH_REMOVED, stream);
        if (push == NULL)
            return HF_ENOMEM;
        push_add(store, push, NULL);
    }
    hf_memory_stream_drop_entries(stream);
    return HF_OK;
}

static void store_remove(struct hf_store *base, struct hf_store_remove *request)
{
    struct memory_store *store = store_of(base);
    store->commands++;
    request->result = apply_remove(store, request);
    done(store, request->internal, HF_MEMORY_REMOVE);
}

/* A process' memory loses nothing of what it acknowledged, so there is nothing to write back: the
 * stream is never at a place that calls for it. A new epoch is given as asked. */
static int apply_mend(struct memory_store *store, const struct hf_store_mend *request)
{
    struct hf_memory_stream *stream = find(store, request->channel);
    if (store->is_closing)
        return HF_ECLOSED;
    if (request->options.meta_ttl_s == 0 || request->expected.epoch == HF_EPOCH_NONE)
        return HF_EINVAL;
    if (request->page != NULL)
        return HF_EUNSUPPORTED;
    if (stream == NULL || stream->top.epoch != request->expected.epoch)
        return HF_EUNRECOVERABLE;
    hf_memory_stream_drop_entries(stream);
    stream->top = (struct hf_position){hf_memory_streams_new_epoch(&store->streams), 0};
    stream->position_expires_ms = now_ms() + (uint64_t)request->options.meta_ttl_s * 1000;
    return HF_OK;
}

static void store_mend(struct hf_store *base, struct hf_store_mend *request)
{
    struct memory_store *store = store_of(base);
    store->commands++;
    request->result = apply_mend(store, request);
    done(store, request->internal, HF_MEMORY_MEND);
}

static int apply_bus(struct memory_store *store, const struct hf_store_bus *request)
{
    const struct hf_publication_fields fields = {.data = request->message};
    const char *own_name = store->config->node_name;
    if (store->is_closing)
        return HF_ECLOSED;
    if (request->target.len > 0 &&
        (own_name == NULL || strlen(own_name) != request->target.len ||
         memcmp(own_name, request->target.data, request->target.len) != 0))
        return HF_ENONODE;
    if (store->pushes_bytes > store->config->pending_bytes_max)
        return HF_ELIMIT;
    struct hf_publication *message = hf_publication_new((struct hf_position){0}, &fields);
    struct push *push = push_new(PUSH_BUS, NULL);
    if (message == NULL || push == NULL) {
        hf_publication_unref(message);
        free(push);
        return HF_ENOMEM;
    }
    push_add(store, push, message);
    return HF_OK;
}

static void store_bus_send(struct hf_store *base, struct hf_store_bus *request)
{
    struct memory_store *store = store_of(base);
    store->commands++;
    request->result = apply_bus(store, request);
    done(store, request->internal, HF_MEMORY_BUS);
}

/* --- presence ------------------------------------------------------------------------------- */

/* At most once: without memory nobody hears it. */
static void tell_presence(void *context, struct hf_bytes channel, bool is_join,
                          struct hf_bytes info)
{
    struct memory_store *store = context;
    struct hf_memory_stream *stream = find(store, channel);
    if (stream == NULL || !stream->is_listening ||
        store->pushes_bytes > store->config->pending_bytes_max)
        return;
    const struct hf_publication_fields fields = {.data = info};
    struct hf_publication *message = hf_publication_new((struct hf_position){0}, &fields);
    struct push *push = push_new(is_join ? PUSH_JOIN : PUSH_LEAVE, stream);
    if (message == NULL || push == NULL) {
        hf_publication_unref(message);
        free(push);
        return;
    }
    push_add(store, push, message);
}

static void store_presence(struct hf_store *base, struct hf_store_presence *request)
{
    struct memory_store *store = store_of(base);
    store->commands++;
    request->result = store->is_closing ? HF_ECLOSED
                                        : hf_memory_presence_apply(store->presence, request->items,
                                                                   request->count, now_ms());
    done(store, request->internal, HF_MEMORY_PRESENCE);
}

static void store_presence_read(struct hf_store *base, struct hf_store_presence_read *request)
{
    struct memory_store *store = store_of(base);
    store->commands++;
    request->entries = NULL;
    request->count = 0;
    request->clients = request->users = 0;
    request->result = store->is_closing
                          ? HF_ECLOSED
                          : hf_memory_presence_read(store->presence, request, now_ms());
    done(store, request->internal, HF_MEMORY_PRESENCE_READ);
}

/* --- listening ------------------------------------------------------------------------------ */

/* Without memory the listen is made up for like a lost connection: all are asked for anew. */
static void lose_listens(struct memory_store *store)
{
    struct hf_memory_stream *stream;
    TAILQ_FOREACH (stream, &store->streams.sweep, in_sweep) {
        stream->is_listening = false;
    }
    store->is_connected = false;
    store->has_lost = true;
}

static void store_listen(struct hf_store *base, struct hf_bytes channel)
{
    struct memory_store *store = store_of(base);
    if (store->is_closing)
        return;
    struct hf_memory_stream *stream = find_or_add(store, channel);
    struct push *push = stream != NULL ? push_new(PUSH_LISTENING, stream) : NULL;
    if (push == NULL) {
        lose_listens(store);
        schedule(store);
        return;
    }
    if (!stream->is_listening)
        push->listen_number = ++stream->listen_number;
    stream->is_listening = true;
    push_add(store, push, NULL);
}

static void store_unlisten(struct hf_store *base, struct hf_bytes channel)
{
    struct hf_memory_stream *stream = find(store_of(base), channel);
    if (stream == NULL)
        return;
    stream->is_listening = false;
    hf_memory_stream_settle(&store_of(base)->streams, stream, now_ms());
}

static void hand_on(struct memory_store *store, const struct push *push)
{
    const struct hf_memory_stream *stream = push->stream;
    const struct hf_store_events *events = store->events;
    if (stream == NULL) {
        events->on_bus(events->context, push->publication->fields.data);
        return;
    }
    if (!stream->is_listening || push->listen_number != stream->listen_number)
        return;
    const struct hf_bytes name = hf_memory_stream_name(stream);
    switch (push->kind) {
    case PUSH_PUBLICATION:
        events->on_publication(events->context, name, push->publication);
        break;
    case PUSH_LISTENING:
        events->on_listening(events->context, name);
        break;
    case PUSH_REMOVED:
        events->on_removed(events->context, name);
        break;
    case PUSH_JOIN:
    case PUSH_LEAVE:
        events->on_presence(events->context, name, push->kind == PUSH_JOIN,
                            push->publication->fields.data);
        break;
    case PUSH_BUS:
        break;
    }
}

/* Takes the first push off the queue; `is_wanted`: hands it on. */
static void push_out(struct memory_store *store, bool is_wanted)
{
    struct push *push = STAILQ_FIRST(&store->pushes);
    struct hf_memory_stream *stream = push->stream;
    STAILQ_REMOVE_HEAD(&store->pushes, next);
    store->pushes_bytes -= sizeof *push + (push->publication != NULL ? push->publication->size : 0);
    if (is_wanted)
        hand_on(store, push);
    hf_publication_unref(push->publication);
    free(push);
    if (stream == NULL)
        return;
    stream->pushes--; /* until here the stream could not go */
    hf_memory_stream_settle(&store->streams, stream, now_ms());
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    struct memory_store *store = context;
    if (!store->is_connected) {
        if (store->has_lost)
            store->events->on_disconnected(store->events->context, "out of memory");
        store->has_lost = false;
        store->is_connected = true;
        static const struct hf_lives admitted = {1, {LIFE}};
        store->events->on_connected(store->events->context, LIFE, &admitted);
    }
    hf_memory_done_complete(&store->done, false);
    for (uint32_t i = 0; i < DELIVERIES_MAX && !store->is_paused; i++) {
        if (STAILQ_EMPTY(&store->pushes))
            return;
        push_out(store, true);
    }
    if (!store->is_paused)
        schedule(store);
}

static void on_sweep(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    struct memory_store *store = context;
    uint64_t now = now_ms();
    hf_memory_streams_sweep(&store->streams, now);
    hf_memory_presence_sweep(store->presence, now);
    hf_memory_once_sweep(store->once, now);
}

/* --- the rest of the contract --------------------------------------------------------------- */

static void store_flush(struct hf_store *base)
{
    (void)base; /* everything was applied at once */
}

static void store_admit(struct hf_store *base, uint64_t life)
{
    (void)base, (void)life; /* there is only one */
}

static void store_pause(struct hf_store *base, bool paused)
{
    struct memory_store *store = store_of(base);
    store->is_paused = paused;
    if (!paused)
        schedule(store);
}

static void store_status(const struct hf_store *base, struct hf_store_status *status)
{
    const struct memory_store *store = (const struct memory_store *)base;
    *status = (struct hf_store_status){.is_connected = store->is_connected,
                                       .is_delivering = store->is_connected,
                                       .commands = store->commands};
    if (!store->is_connected)
        snprintf(status->reason, sizeof status->reason, "the memory store is starting");
}

static void store_close(struct hf_store *base)
{
    struct memory_store *store = store_of(base);
    store->is_closing = true;
    while (store->done.first != NULL)
        hf_memory_done_complete(&store->done, true);
    while (!STAILQ_EMPTY(&store->pushes))
        push_out(store, false);
    hf_memory_streams_fini(&store->streams);
    hf_memory_presence_free(store->presence);
    hf_memory_once_free(store->once);
    if (store->turn != NULL)
        event_free(store->turn);
    if (store->sweeper != NULL)
        event_free(store->sweeper);
    free(store);
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

struct hf_store *hf_store_memory_open(struct event_base *base,
                                      const struct hf_engine_config *config,
                                      const struct hf_store_events *events, char *reason,
                                      size_t reason_size)
{
    const struct timeval period = {0, SWEEP_MS * 1000};
    struct memory_store *store = calloc(1, sizeof *store);
    if (store != NULL) {
        store->base.ops = &ops;
        store->config = config;
        store->events = events;
        STAILQ_INIT(&store->pushes);
        store->turn = evtimer_new(base, on_turn, store);
        store->sweeper = event_new(base, -1, EV_PERSIST, on_sweep, store);
        store->presence = hf_memory_presence_new(config->presence_ttl_ms, tell_presence, store);
        store->once = hf_memory_once_new(config->memory_keys_max, config->memory_versions_max);
        if (hf_memory_streams_init(&store->streams) && store->turn != NULL &&
            store->sweeper != NULL && store->presence != NULL && store->once != NULL &&
            event_add(store->sweeper, &period) == 0) {
            schedule(store);
            return &store->base;
        }
        store_close(&store->base);
    }
    snprintf(reason, reason_size, "out of memory");
    return NULL;
}
