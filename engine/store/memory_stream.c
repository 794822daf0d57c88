#include "store/memory_stream.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SWEEP_PARTS 64 /* calls for all streams */
#define SWEEP_MIN   256
#define ENTRIES_MIN 8

bool hf_memory_streams_init(struct hf_memory_streams *streams)
{
    *streams = (struct hf_memory_streams){0};
    TAILQ_INIT(&streams->sweep);
    hf_table_init(&streams->table, &streams->hash_key,
                  HF_TABLE_NAME_AT(struct hf_memory_stream, in_table, name));
    return hf_hash_key_new(&streams->hash_key);
}

void hf_memory_stream_drop_entries(struct hf_memory_stream *stream)
{
    for (uint32_t i = 0; i < stream->count; i++)
        hf_publication_unref(stream->items[(stream->first + i) & (stream->capacity - 1)]);
    free(stream->items);
    stream->items = NULL;
    stream->capacity = stream->first = stream->count = 0;
}

static void stream_free(struct hf_memory_streams *streams, struct hf_memory_stream *stream)
{
    hf_memory_stream_drop_entries(stream);
    hf_table_remove(&streams->table, &stream->in_table);
    TAILQ_REMOVE(&streams->sweep, stream, in_sweep);
    free(stream);
}

void hf_memory_streams_fini(struct hf_memory_streams *streams)
{
    struct hf_memory_stream *stream;
    while ((stream = TAILQ_FIRST(&streams->sweep)) != NULL)
        stream_free(streams, stream);
    hf_table_clear(&streams->table);
}

/* M2, M3; false: it is gone. */
static bool expire(struct hf_memory_streams *streams, struct hf_memory_stream *stream,
                   uint64_t now_ms)
{
    if (stream->count > 0 && now_ms >= stream->expires_ms)
        hf_memory_stream_drop_entries(stream);
    if (stream->top.epoch != HF_EPOCH_NONE && now_ms >= stream->position_expires_ms) {
        hf_memory_stream_drop_entries(stream);
        stream->top = (struct hf_position){0};
    }
    if (stream->top.epoch != HF_EPOCH_NONE || stream->is_listening || stream->pushes > 0)
        return true;
    stream_free(streams, stream);
    return false;
}

void hf_memory_stream_settle(struct hf_memory_streams *streams, struct hf_memory_stream *stream,
                             uint64_t now_ms)
{
    (void)expire(streams, stream, now_ms);
}

struct hf_memory_stream *hf_memory_stream_find(struct hf_memory_streams *streams,
                                               struct hf_bytes name, uint64_t now_ms)
{
    struct hf_table_node *node = hf_table_find(&streams->table, name.data, name.len);
    if (node == NULL)
        return NULL;
    struct hf_memory_stream *stream = HF_TABLE_ITEM(node, struct hf_memory_stream, in_table);
    return expire(streams, stream, now_ms) ? stream : NULL;
}

struct hf_memory_stream *hf_memory_stream_get(struct hf_memory_streams *streams,
                                              struct hf_bytes name, uint64_t now_ms)
{
    struct hf_memory_stream *stream = hf_memory_stream_find(streams, name, now_ms);
    if (stream != NULL)
        return stream;
    stream = calloc(1, sizeof *stream + name.len);
    if (stream == NULL)
        return NULL;
    memcpy(stream->name, name.data, name.len);
    if (!hf_table_add(&streams->table, &stream->in_table, name.len)) {
        free(stream);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&streams->sweep, stream, in_sweep);
    return stream;
}

void hf_memory_streams_sweep(struct hf_memory_streams *streams, uint64_t now_ms)
{
    uint32_t count = streams->table.count;
    uint32_t visits = count / SWEEP_PARTS > SWEEP_MIN ? count / SWEEP_PARTS : SWEEP_MIN;
    for (uint32_t i = 0; i < visits && i < count; i++) {
        struct hf_memory_stream *stream = TAILQ_FIRST(&streams->sweep);
        TAILQ_REMOVE(&streams->sweep, stream, in_sweep);
        TAILQ_INSERT_TAIL(&streams->sweep, stream, in_sweep);
        (void)expire(streams, stream, now_ms);
    }
    hf_table_shrink(&streams->table);
}

uint64_t hf_memory_streams_new_epoch(struct hf_memory_streams *streams)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t epoch = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    if (epoch <= streams->last_epoch)
        epoch = streams->last_epoch + 1;
    return streams->last_epoch = epoch;
}

/* --- entries -------------------------------------------------------------------------------- */

bool hf_memory_stream_reserve(struct hf_memory_stream *stream)
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

static struct hf_publication *entry(const struct hf_memory_stream *stream, uint32_t i)
{
    return stream->items[(stream->first + i) & (stream->capacity - 1)];
}

void hf_memory_stream_append(struct hf_memory_stream *stream, struct hf_publication *publication,
                             const struct hf_stream_options *options, uint64_t now_ms)
{
    stream->top = publication->position;
    stream->expires_ms = now_ms + (uint64_t)options->history_ttl_s * 1000;
    stream->position_expires_ms = now_ms + (uint64_t)options->meta_ttl_s * 1000;
    if (stream->position_expires_ms < stream->expires_ms)
        stream->position_expires_ms = stream->expires_ms;
    stream->items[(stream->first + stream->count++) & (stream->capacity - 1)] =
        hf_publication_ref(publication);
    while (stream->count > options->history_size) {
        hf_publication_unref(entry(stream, 0));
        stream->first = (stream->first + 1) & (stream->capacity - 1);
        stream->count--;
    }
}

/* --- reading -------------------------------------------------------------------------------- */

/* Which entries the read wants: `count` from index `first`, in ascending order. A history that was
 * longer when it was published holds no more than the read's options say. */
static void select_entries(const struct hf_memory_stream *stream,
                           const struct hf_store_read *request, uint32_t *first, uint32_t *count)
{
    const uint32_t size = request->options.history_size;
    *first = size > 0 && size < stream->count ? stream->count - size : 0;
    *count = stream->count - *first;
    if (!request->has_since)
        return;
    if (request->since.epoch != HF_EPOCH_NONE && request->since.epoch != stream->top.epoch) {
        *count = 0;
        return;
    }
    uint64_t oldest = stream->top.offset - *count + 1;
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
            *first += (uint32_t)(begin - oldest);
            *count -= (uint32_t)(begin - oldest);
        }
    }
}

int hf_memory_stream_read(const struct hf_memory_stream *stream, struct hf_store_read *request)
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
