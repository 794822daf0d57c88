#include "model_store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void model_init(struct model_store *store)
{
    memset(store, 0, sizeof *store);
    store->clock = 1000;
}

void model_fini(struct model_store *store)
{
    free(store->publications);
}

static uint64_t new_number(struct model_store *store, unsigned channel, uint64_t behind)
{
    if (store->numbers + 1 >= store->capacity) {
        store->capacity = store->capacity > 0 ? store->capacity * 2 : 256;
        store->publications =
            realloc(store->publications, store->capacity * sizeof *store->publications);
        if (store->publications == NULL) {
            abort();
        }
    }
    store->publications[++store->numbers] =
        (struct model_publication){.channel = channel, .behind = behind};
    return store->numbers;
}

uint64_t model_number(const struct hf_publication *publication)
{
    uint64_t number;
    assert(publication->fields.data.len == sizeof number);
    memcpy(&number, publication->fields.data.data, sizeof number);
    return number;
}

static struct hf_publication *publication_of(uint64_t number, struct hf_position position)
{
    struct hf_publication_fields fields = {
        .data = {(const char *)&number, sizeof number},
    };
    struct hf_publication *publication = hf_publication_new(position, &fields);
    if (publication == NULL) {
        abort();
    }
    return publication;
}

static void create(struct model_store *store, struct model_stream *stream)
{
    if (stream->top.epoch == 0) {
        stream->top = (struct hf_position){++store->clock, 0};
        stream->count = 0;
    }
}

static void append(struct model_stream *stream, uint64_t number)
{
    if (stream->count == MODEL_HISTORY) {
        memmove(stream->numbers, stream->numbers + 1,
                (MODEL_HISTORY - 1) * sizeof stream->numbers[0]);
        stream->count--;
    }
    stream->numbers[stream->count++] = number;
    stream->top.offset++;
}

/* The publication at the top as far as the line is concerned: remembered even when the entries are
 * gone, because the next one is written behind it all the same. */
static uint64_t newest(const struct model_stream *stream)
{
    return stream->top.offset > 0 ? stream->newest : 0;
}

struct hf_publication *model_publish(struct model_store *store, unsigned channel)
{
    struct model_stream *stream = &store->streams[channel];
    create(store, stream);
    uint64_t number = new_number(store, channel, newest(stream));
    append(stream, number);
    store->publications[number].position = stream->top;
    stream->newest = number;
    return publication_of(number, stream->top);
}

void model_read(struct model_store *store, unsigned channel, const struct hf_core_read *read,
                struct hf_core_read_result *result)
{
    struct model_stream *stream = &store->streams[channel];
    create(store, stream);
    *result = (struct hf_core_read_result){.result = HF_OK, .top = stream->top};
    struct hf_publication *items[MODEL_HISTORY + 1];
    uint32_t count = 0;
    uint64_t first = stream->top.offset - stream->count + 1;
    bool other_epoch = read->has_since && read->since.epoch != HF_EPOCH_NONE &&
                       read->since.epoch != stream->top.epoch;
    for (uint32_t n = 0; n < stream->count && !other_epoch; n++) {
        uint32_t i = read->reverse ? stream->count - 1 - n : n;
        struct hf_position position = {stream->top.epoch, first + i};
        uint64_t from = read->with_since ? read->since.offset : read->since.offset + 1;
        if (read->has_since && position.offset < from) {
            continue;
        }
        bool is_anchor = read->with_since && position.offset == read->since.offset;
        uint32_t anchors =
            count > 0 && read->with_since && items[0]->position.offset == read->since.offset;
        if (!is_anchor && count - anchors == read->limit) {
            result->has_more = true;
            break;
        }
        items[count++] = publication_of(stream->numbers[i], position);
    }
    if (count > 0) {
        result->page = hf_page_new(items, count);
        if (result->page == NULL) {
            abort();
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        hf_publication_unref(items[i]);
    }
}

int model_mend(struct model_store *store, unsigned channel, const struct hf_core_mend *mend)
{
    struct model_stream *stream = &store->streams[channel];
    if (stream->top.epoch != mend->expected.epoch ||
        (mend->page != NULL && stream->top.offset != mend->expected.offset)) {
        return HF_EUNRECOVERABLE;
    }
    if (mend->page == NULL) {
        *stream = (struct model_stream){.has_lost = stream->has_lost};
        create(store, stream);
        return HF_OK;
    }
    for (uint32_t i = 0; i < mend->page->count; i++) {
        stream->newest = model_number(mend->page->items[i]);
        append(stream, stream->newest);
        assert(mend->page->items[i]->position.offset == stream->top.offset);
    }
    return HF_OK;
}

void model_go_back(struct model_store *store, unsigned channel, const struct model_stream *before,
                   bool has_forgotten)
{
    struct model_stream *stream = &store->streams[channel];
    bool is_loss = !hf_position_equal(stream->top, before->top) || stream->newest != before->newest;
    bool has_lost = stream->has_lost || is_loss || has_forgotten;
    *stream = *before;
    stream->has_lost = has_lost;
}

bool model_follows(const struct model_store *store, unsigned channel, struct hf_position position,
                   uint64_t number)
{
    const struct model_stream *stream = &store->streams[channel];
    if (stream->top.epoch != position.epoch || position.offset > stream->top.offset ||
        stream->top.offset - position.offset > stream->count) {
        return false;
    }
    if (number == 0) {
        return true;
    }
    uint64_t missed = stream->top.offset - position.offset;
    if (missed == 0) {
        return stream->newest == number;
    }
    return store->publications[stream->numbers[stream->count - missed]].behind == number;
}

static void mark_line(struct model_store *store, unsigned channel)
{
    for (uint64_t number = 1; number <= store->numbers; number++) {
        store->publications[number].is_on_line = false;
    }
    for (uint64_t number = newest(&store->streams[channel]); number != 0;
         number = store->publications[number].behind) {
        store->publications[number].is_on_line = true;
    }
}

void model_note_line(struct model_store *store, unsigned channel, uint64_t now_ms, bool by_ghost)
{
    mark_line(store, channel);
    for (uint64_t number = 1; number <= store->numbers; number++) {
        struct model_publication *publication = &store->publications[number];
        if (publication->is_on_line) {
            publication->left_ms = 0;
        } else if (publication->channel == channel && publication->left_ms == 0) {
            publication->left_ms = now_ms;
            publication->is_orphan |= publication->seen_by == 0;
            publication->left_to_ghost = by_ghost;
        }
    }
}

uint64_t model_forgotten(struct model_store *store, unsigned channel)
{
    const struct model_stream *stream = &store->streams[channel];
    const uint64_t oldest = stream->top.offset - stream->count; /* who is there can be recovered */
    mark_line(store, channel);
    for (uint64_t number = 1; number <= store->numbers; number++) {
        const struct model_publication *publication = &store->publications[number];
        if (publication->channel == channel && publication->seen_by != 0 &&
            publication->position.epoch == stream->top.epoch &&
            publication->position.offset >= oldest && !publication->is_on_line) {
            return number;
        }
    }
    return 0;
}
