/* Memory store: streams of one process, for a single node and for tests. The same contract as on
 * Redis: a request is applied at once, its completion and its deliveries come from the loop.
 *
 * M1  A stream's entries are its newest `count` publications, with consecutive offsets up to the
 *     top; they expire together, the position later.
 * M2  What has expired is forgotten when it is looked at, and within seconds by the sweep, which
 *     visits a part of the streams on each tick.
 * M3  Deliveries are in one queue, in the order of their publishes. While the store is paused they
 *     stay there; when the queue is longer than pending_bytes_max, publishes are refused. */
#include "store/store.h"

#include "store/memory_once.h"
#include "store/memory_presence.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#define HASH_NONFATAL_OOM            1
#define uthash_nonfatal_oom(element) ((element)->len = SIZE_MAX)
#include <uthash.h>

#include <event2/event.h>

#define LIFE           1 /* a process' memory loses nothing while it lives */
#define SWEEP_MS       100
#define SWEEP_PARTS    64 /* ticks for all streams */
#define SWEEP_MIN      256
#define ENTRIES_MIN    8
#define DELIVERIES_MAX 4096 /* per turn, so that the loop serves others between */

struct stream {
    UT_hash_handle hh;             /* store->streams */
    TAILQ_ENTRY(stream) in_sweep;  /* store->sweep */
    struct hf_position top;        /* {0,0}: no position */
    uint64_t expires_ms;           /* of the entries */
    uint64_t position_expires_ms;  /* of the position */
    struct hf_publication **items; /* a ring of `capacity`, a power of two or 0 */
    uint32_t capacity, first, count;
    bool is_listening;
    uint64_t
        listen_number; /* of the last listen, so that what belongs to an older one is dropped */
    uint32_t pushes;   /* in the queue; they refer to the stream */
    size_t len;
    char name[]; /* the hash key */
};

enum push_kind { PUSH_PUBLICATION, PUSH_LISTENING, PUSH_REMOVED, PUSH_JOIN, PUSH_LEAVE, PUSH_BUS };

struct push {
    STAILQ_ENTRY(push) next;
    enum push_kind kind;
    struct stream *stream; /* NULL: the bus */
    uint64_t listen_number;
    struct hf_publication *publication; /* one reference, or NULL; its data is the bus' message, or
                                           the info of who joined or left */
};

enum request_kind {
    REQUEST_PUBLISH,
    REQUEST_READ,
    REQUEST_REMOVE,
    REQUEST_MEND,
    REQUEST_BUS,
    REQUEST_PRESENCE,
    REQUEST_PRESENCE_READ
};

struct memory_store {
    struct hf_store base;
    const struct hf_engine_config *config;
    const struct hf_store_events *events;
    struct event *turn;
    struct event *sweeper;
    struct stream *streams;
    TAILQ_HEAD(, stream) sweep; /* all streams, the longest unvisited first */
    STAILQ_HEAD(, push) pushes;
    size_t pushes_bytes;
    /* requests that are done but not completed: linked through internal[0], kind in internal[1] */
    void **done_first, **done_last;
    struct hf_memory_presence *presence;
    struct hf_memory_once *once;
    uint64_t last_epoch;
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

/* --- streams -------------------------------------------------------------------------------- */

static void drop_entries(struct stream *stream)
{
    for (uint32_t i = 0; i < stream->count; i++)
        hf_publication_unref(stream->items[(stream->first + i) & (stream->capacity - 1)]);
    free(stream->items);
    stream->items = NULL;
    stream->capacity = stream->first = stream->count = 0;
}

static void stream_free(struct memory_store *store, struct stream *stream)
{
    drop_entries(stream);
    HASH_DEL(store->streams, stream); /* NOLINT(clang-analyzer-core.NullDereference): uthash */
    TAILQ_REMOVE(&store->sweep, stream, in_sweep);
    free(stream);
}

/* M2; frees a stream that nothing needs any more, and then returns NULL. */
static struct stream *expire(struct memory_store *store, struct stream *stream, uint64_t now)
{
    if (stream->count > 0 && now >= stream->expires_ms)
        drop_entries(stream);
    if (stream->top.epoch != HF_EPOCH_NONE && now >= stream->position_expires_ms) {
        drop_entries(stream);
        stream->top = (struct hf_position){0};
    }
    if (stream->top.epoch != HF_EPOCH_NONE || stream->is_listening || stream->pushes > 0)
        return stream;
    stream_free(store, stream);
    return NULL;
}

static struct stream *find(struct memory_store *store, struct hf_bytes name)
{
    struct stream *stream;
    HASH_FIND(hh, store->streams, name.data, name.len, stream);
    return stream != NULL ? expire(store, stream, now_ms()) : NULL;
}

/* NULL: no memory. */
static struct stream *find_or_add(struct memory_store *store, struct hf_bytes name)
{
    struct stream *stream = find(store, name);
    if (stream != NULL)
        return stream;
    stream = calloc(1, sizeof *stream + name.len);
    if (stream == NULL)
        return NULL;
    stream->len = name.len;
    memcpy(stream->name, name.data, name.len);
    HASH_ADD_KEYPTR(hh, store->streams, stream->name, name.len, stream);
    if (stream->len == SIZE_MAX) {
        free(stream);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&store->sweep, stream, in_sweep);
    return stream;
}

/* The clock's microsecond, and later than every epoch before. */
static uint64_t new_epoch(struct memory_store *store)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t epoch = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    if (epoch <= store->last_epoch)
        epoch = store->last_epoch + 1;
    return store->last_epoch = epoch;
}

static bool reserve_entry(struct stream *stream)
{
    if (stream->count < stream->capacity)
        return true;
    uint32_t capacity = stream->capacity > 0 ? stream->capacity * 2 : ENTRIES_MIN;
    struct hf_publication **items = malloc(capacity * sizeof(struct hf_publication *));
    if (items == NULL)
        return false;
    for (uint32_t i = 0; i < stream->count; i++)
        items[i] = stream->items[(stream->first + i) & (stream->capacity - 1)];
    free(stream->items);
    stream->items = items;
    stream->capacity = capacity;
    stream->first = 0;
    return true;
}

static struct hf_publication *entry(const struct stream *stream, uint32_t i)
{
    return stream->items[(stream->first + i) & (stream->capacity - 1)];
}

static void append(struct stream *stream, struct hf_publication *publication, uint32_t size)
{
    stream->items[(stream->first + stream->count++) & (stream->capacity - 1)] =
        hf_publication_ref(publication);
    while (stream->count > size) {
        hf_publication_unref(entry(stream, 0));
        stream->first = (stream->first + 1) & (stream->capacity - 1);
        stream->count--;
    }
}

/* --- completions ---------------------------------------------------------------------------- */

static void done(struct memory_store *store, void **internal, enum request_kind kind)
{
    internal[0] = NULL;
    internal[1] = (void *)(uintptr_t)kind;
    if (store->done_first == NULL)
        store->done_first = internal;
    else
        store->done_last[0] = internal;
    store->done_last = internal;
    schedule(store);
}

#define REQUEST_OF(internal_pointer, type)                                                         \
    ((type *)(void *)((char *)(internal_pointer)-offsetof(type, internal)))

static void complete_publish(struct hf_store_publish *request, bool is_closing)
{
    if (is_closing) {
        request->result = HF_ECLOSED;
        request->position = (struct hf_position){0};
    }
    request->complete(request);
}

static void complete_read(struct hf_store_read *request, bool is_closing)
{
    if (is_closing) {
        hf_page_unref(request->page);
        request->page = NULL;
        request->top = (struct hf_position){0};
        request->has_more = false;
        request->result = HF_ECLOSED;
    }
    request->complete(request);
}

static void complete_remove(struct hf_store_remove *request, bool is_closing)
{
    if (is_closing)
        request->result = HF_ECLOSED;
    request->complete(request);
}

static void complete_mend(struct hf_store_mend *request, bool is_closing)
{
    if (is_closing)
        request->result = HF_ECLOSED;
    request->complete(request);
}

static void complete_bus(struct hf_store_bus *request, bool is_closing)
{
    if (is_closing)
        request->result = HF_ECLOSED;
    request->complete(request);
}

static void complete_presence(struct hf_store_presence *request, bool is_closing)
{
    if (is_closing)
        request->result = HF_ECLOSED;
    request->complete(request);
}

static void complete_presence_read(struct hf_store_presence_read *request, bool is_closing)
{
    if (is_closing) {
        free(request->entries);
        request->entries = NULL;
        request->count = 0;
        request->result = HF_ECLOSED;
    }
    request->complete(request);
}

/* Those that are done while this runs come with the next turn, except at the end. */
static void complete_done(struct memory_store *store)
{
    void **next = store->done_first;
    store->done_first = store->done_last = NULL;
    while (next != NULL) {
        void **internal = next;
        next = internal[0];
        switch ((enum request_kind)(uintptr_t)internal[1]) {
        case REQUEST_PUBLISH:
            complete_publish(REQUEST_OF(internal, struct hf_store_publish), store->is_closing);
            break;
        case REQUEST_READ:
            complete_read(REQUEST_OF(internal, struct hf_store_read), store->is_closing);
            break;
        case REQUEST_REMOVE:
            complete_remove(REQUEST_OF(internal, struct hf_store_remove), store->is_closing);
            break;
        case REQUEST_MEND:
            complete_mend(REQUEST_OF(internal, struct hf_store_mend), store->is_closing);
            break;
        case REQUEST_BUS:
            complete_bus(REQUEST_OF(internal, struct hf_store_bus), store->is_closing);
            break;
        case REQUEST_PRESENCE:
            complete_presence(REQUEST_OF(internal, struct hf_store_presence), store->is_closing);
            break;
        case REQUEST_PRESENCE_READ:
            complete_presence_read(REQUEST_OF(internal, struct hf_store_presence_read),
                                   store->is_closing);
            break;
        }
    }
}

/* --- publish -------------------------------------------------------------------------------- */

static struct push *push_new(enum push_kind kind, struct stream *stream)
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

/* The publication becomes the stream's newest; reserve_entry has made room. */
static void put(struct stream *stream, struct hf_publication *publication,
                const struct hf_stream_options *options)
{
    uint64_t now = now_ms();
    stream->top = publication->position;
    stream->expires_ms = now + (uint64_t)options->history_ttl_s * 1000;
    stream->position_expires_ms = now + (uint64_t)options->meta_ttl_s * 1000;
    if (stream->position_expires_ms < stream->expires_ms)
        stream->position_expires_ms = stream->expires_ms;
    append(stream, publication, options->history_size);
}

static int apply_new(struct memory_store *store, struct stream *stream,
                     struct hf_store_publish *request)
{
    const struct hf_stream_options *options = &request->options;
    struct hf_position position = {0};
    if (options->history_size > 0) {
        position = stream->top;
        if (position.epoch == HF_EPOCH_NONE)
            position.epoch = new_epoch(store);
        position.offset++;
    }
    struct hf_publication *publication = hf_publication_new(position, &request->fields);
    struct push *push = stream->is_listening ? push_new(PUSH_PUBLICATION, stream) : NULL;
    if (publication == NULL || (stream->is_listening && push == NULL) ||
        (options->history_size > 0 && !reserve_entry(stream))) {
        hf_publication_unref(publication);
        free(push);
        return HF_ENOMEM;
    }

    if (options->history_size > 0)
        put(stream, publication, options);
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
    struct stream *stream = find_or_add(store, request->channel);
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
    done(store, request->internal, REQUEST_PUBLISH);
}

/* --- read ----------------------------------------------------------------------------------- */

/* Which entries the read wants: `count` from index `first`, in ascending order. */
static void select_entries(const struct stream *stream, const struct hf_store_read *request,
                           uint32_t *first, uint32_t *count)
{
    *first = 0;
    *count = stream->count;
    if (!request->has_since)
        return;
    if (request->since.epoch != HF_EPOCH_NONE && request->since.epoch != stream->top.epoch) {
        *count = 0;
        return;
    }
    uint64_t oldest = stream->top.offset - stream->count + 1;
    if (request->reverse) {
        uint64_t end = request->since.offset; /* exclusive */
        if (request->with_since && end < UINT64_MAX)
            end++;
        if (end <= oldest)
            *count = 0;
        else if (end - oldest < *count)
            *count = (uint32_t)(end - oldest);
    } else {
        uint64_t begin = request->since.offset; /* inclusive */
        if (!request->with_since && begin < UINT64_MAX)
            begin++;
        if (begin > stream->top.offset) {
            *count = 0;
        } else if (begin > oldest) {
            *first = (uint32_t)(begin - oldest);
            *count -= *first;
        }
    }
}

static int make_page(const struct stream *stream, struct hf_store_read *request)
{
    uint32_t first, count, taken = 0;
    size_t bytes = 0;
    select_entries(stream, request, &first, &count);
    if (count == 0 || request->limit == 0)
        return HF_OK;
    /* The publication at `since` itself counts towards no limit. */
    const struct hf_publication *begin =
        entry(stream, request->reverse ? first + count - 1 : first);
    uint32_t extra = request->with_since && begin->position.offset == request->since.offset;
    uint32_t wanted = count - extra < request->limit ? count : request->limit + extra;
    struct hf_publication **items = malloc(wanted * sizeof(struct hf_publication *));
    if (items == NULL)
        return HF_ENOMEM;
    while (taken < wanted && (request->bytes_max == 0 || bytes <= request->bytes_max)) {
        uint32_t i = request->reverse ? first + count - 1 - taken : first + taken;
        items[taken] = entry(stream, i);
        bytes += taken >= extra ? items[taken]->size : 0;
        taken++;
    }
    request->page = hf_page_new(items, taken);
    request->has_more = taken < count;
    free(items);
    return request->page != NULL ? HF_OK : HF_ENOMEM;
}

static int apply_read(struct memory_store *store, struct hf_store_read *request)
{
    if (store->is_closing)
        return HF_ECLOSED;
    if (request->create && request->options.meta_ttl_s == 0)
        return HF_EINVAL;
    struct stream *stream =
        request->create ? find_or_add(store, request->channel) : find(store, request->channel);
    if (stream == NULL)
        return request->create ? HF_ENOMEM : HF_OK;
    if (stream->top.epoch == HF_EPOCH_NONE && request->create) {
        stream->top = (struct hf_position){new_epoch(store), 0};
        stream->position_expires_ms = now_ms() + (uint64_t)request->options.meta_ttl_s * 1000;
    }
    int rc = make_page(stream, request);
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
    request->result = apply_read(store, request);
    done(store, request->internal, REQUEST_READ);
}

/* --- remove, mend, bus ---------------------------------------------------------------------- */

static int apply_remove(struct memory_store *store, const struct hf_store_remove *request)
{
    struct stream *stream = find(store, request->channel);
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
    drop_entries(stream);
    return HF_OK;
}

static void store_remove(struct hf_store *base, struct hf_store_remove *request)
{
    struct memory_store *store = store_of(base);
    store->commands++;
    request->result = apply_remove(store, request);
    done(store, request->internal, REQUEST_REMOVE);
}

/* A process' memory loses nothing of what it acknowledged, so there is nothing to write back: the
 * stream is never at a place that calls for it. A new epoch is given as asked. */
static int apply_mend(struct memory_store *store, const struct hf_store_mend *request)
{
    struct stream *stream = find(store, request->channel);
    if (store->is_closing)
        return HF_ECLOSED;
    if (request->options.meta_ttl_s == 0 || request->expected.epoch == HF_EPOCH_NONE)
        return HF_EINVAL;
    if (request->page != NULL)
        return HF_EUNSUPPORTED;
    if (stream == NULL || stream->top.epoch != request->expected.epoch)
        return HF_EUNRECOVERABLE;
    drop_entries(stream);
    stream->top = (struct hf_position){new_epoch(store), 0};
    stream->position_expires_ms = now_ms() + (uint64_t)request->options.meta_ttl_s * 1000;
    return HF_OK;
}

static void store_mend(struct hf_store *base, struct hf_store_mend *request)
{
    struct memory_store *store = store_of(base);
    store->commands++;
    request->result = apply_mend(store, request);
    done(store, request->internal, REQUEST_MEND);
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
    done(store, request->internal, REQUEST_BUS);
}

/* --- presence ------------------------------------------------------------------------------- */

/* At most once: without memory nobody hears it. */
static void tell_presence(void *context, struct hf_bytes channel, bool is_join,
                          struct hf_bytes info)
{
    struct memory_store *store = context;
    struct stream *stream = find(store, channel);
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
    done(store, request->internal, REQUEST_PRESENCE);
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
    done(store, request->internal, REQUEST_PRESENCE_READ);
}

/* --- listening ------------------------------------------------------------------------------ */

/* Without memory the listen is made up for like a lost connection: all are asked for anew. */
static void lose_listens(struct memory_store *store)
{
    struct stream *stream, *next;
    HASH_ITER (hh, store->streams, stream, next) {
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
    struct stream *stream = find_or_add(store, channel);
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
    struct stream *stream = find(store_of(base), channel);
    if (stream == NULL)
        return;
    stream->is_listening = false;
    expire(store_of(base), stream, now_ms());
}

static void hand_on(struct memory_store *store, const struct push *push)
{
    const struct stream *stream = push->stream;
    const struct hf_store_events *events = store->events;
    if (stream == NULL) {
        events->on_bus(events->context, push->publication->fields.data);
        return;
    }
    if (!stream->is_listening || push->listen_number != stream->listen_number)
        return;
    const struct hf_bytes name = {stream->name, stream->len};
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
    struct stream *stream = push->stream;
    STAILQ_REMOVE_HEAD(&store->pushes, next);
    store->pushes_bytes -= sizeof *push + (push->publication != NULL ? push->publication->size : 0);
    if (is_wanted)
        hand_on(store, push);
    hf_publication_unref(push->publication);
    free(push);
    if (stream == NULL)
        return;
    stream->pushes--; /* until here the stream could not go */
    expire(store, stream, now_ms());
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
        store->events->on_connected(store->events->context, LIFE);
    }
    complete_done(store);
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
    size_t count = HASH_COUNT(store->streams);
    size_t visits = count / SWEEP_PARTS > SWEEP_MIN ? count / SWEEP_PARTS : SWEEP_MIN;
    uint64_t now = now_ms();
    for (size_t i = 0; i < visits && i < count; i++) {
        struct stream *stream = TAILQ_FIRST(&store->sweep);
        TAILQ_REMOVE(&store->sweep, stream, in_sweep);
        TAILQ_INSERT_TAIL(&store->sweep, stream, in_sweep);
        expire(store, stream, now);
    }
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
    while (store->done_first != NULL)
        complete_done(store);
    while (!STAILQ_EMPTY(&store->pushes))
        push_out(store, false);
    struct stream *stream;
    while ((stream = TAILQ_FIRST(&store->sweep)) != NULL)
        stream_free(store, stream);
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
        TAILQ_INIT(&store->sweep);
        STAILQ_INIT(&store->pushes);
        store->turn = evtimer_new(base, on_turn, store);
        store->sweeper = event_new(base, -1, EV_PERSIST, on_sweep, store);
        store->presence = hf_memory_presence_new(config->presence_ttl_ms, tell_presence, store);
        if (store->turn != NULL && store->sweeper != NULL && store->presence != NULL &&
            (store->once = hf_memory_once_new()) != NULL &&
            event_add(store->sweeper, &period) == 0) {
            schedule(store);
            return &store->base;
        }
        store_close(&store->base);
    }
    snprintf(reason, reason_size, "out of memory");
    return NULL;
}
