#include "core/tail.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void hf_tail_init(struct hf_tail *tail)
{
    memset(tail, 0, sizeof *tail);
}

static struct hf_publication **slot(const struct hf_tail *tail, uint32_t index)
{
    return &tail->items[(tail->head + index) & (tail->capacity - 1)];
}

void hf_tail_clear(struct hf_tail *tail)
{
    for (uint32_t i = 0; i < tail->count; i++) {
        hf_publication_unref(*slot(tail, i));
    }
    free(tail->items);
    hf_tail_init(tail);
}

uint64_t hf_tail_first(const struct hf_tail *tail)
{
    return tail->count > 0 ? (*slot(tail, 0))->position.offset : 0;
}

struct hf_publication *hf_tail_at(const struct hf_tail *tail, uint64_t offset)
{
    uint64_t first = hf_tail_first(tail);
    if (tail->count == 0 || offset < first || offset - first >= tail->count) {
        return NULL;
    }
    return *slot(tail, (uint32_t)(offset - first));
}

/* Makes room for one more item; false without memory. */
static bool grow(struct hf_tail *tail)
{
    if (tail->count < tail->capacity) {
        return true;
    }
    uint32_t capacity = tail->capacity > 0 ? tail->capacity * 2 : 4;
    struct hf_publication **items = malloc(capacity * sizeof(struct hf_publication *));
    if (items == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < tail->count; i++) {
        items[i] = *slot(tail, i);
    }
    free(tail->items);
    tail->items = items;
    tail->capacity = capacity;
    tail->head = 0;
    return true;
}

static void drop_oldest(struct hf_tail *tail)
{
    struct hf_publication *oldest = *slot(tail, 0);
    tail->head = (tail->head + 1) & (tail->capacity - 1);
    tail->count--;
    tail->bytes -= oldest->size;
    hf_publication_unref(oldest);
}

void hf_tail_append(struct hf_tail *tail, struct hf_publication *publication,
                    const struct hf_tail_limits *limits)
{
    assert(tail->count == 0 || publication->position.offset == hf_tail_first(tail) + tail->count);
    while (tail->count > 0 && (tail->count >= limits->publications_max ||
                               tail->bytes + publication->size > limits->bytes_max)) {
        drop_oldest(tail);
    }
    if (limits->publications_max == 0 || publication->size > limits->bytes_max || !grow(tail)) {
        hf_tail_clear(tail);
        return;
    }
    *slot(tail, tail->count) = hf_publication_ref(publication);
    tail->count++;
    tail->bytes += publication->size;
}

void hf_tail_prepend(struct hf_tail *tail, const struct hf_page *page,
                     const struct hf_tail_limits *limits)
{
    uint64_t first = hf_tail_first(tail);
    if (page->count == 0 || first == 0 ||
        page->items[page->count - 1]->position.offset + 1 < first) {
        return;
    }
    for (uint32_t i = page->count; i-- > 0;) {
        struct hf_publication *publication = page->items[i];
        if (publication->position.offset >= first) {
            continue;
        }
        if (tail->count >= limits->publications_max ||
            tail->bytes + publication->size > limits->bytes_max || !grow(tail)) {
            return;
        }
        tail->head = (tail->head - 1) & (tail->capacity - 1);
        tail->count++;
        *slot(tail, 0) = hf_publication_ref(publication);
        tail->bytes += publication->size;
    }
}

struct hf_page *hf_tail_cut(const struct hf_tail *tail, uint64_t after, uint32_t limit,
                            size_t bytes_max)
{
    uint64_t first = hf_tail_first(tail);
    assert(limit > 0 && tail->count > 0 && after + 1 >= first && after + 1 - first < tail->count);
    uint32_t begin = (uint32_t)(after + 1 - first);
    uint32_t count = 0;
    size_t bytes = 0;
    while (count < limit && begin + count < tail->count) {
        bytes += (*slot(tail, begin + count))->size;
        if (count > 0 && bytes > bytes_max) {
            break;
        }
        count++;
    }
    struct hf_publication **items = malloc(count * sizeof(struct hf_publication *));
    if (items == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        items[i] = *slot(tail, begin + i);
    }
    struct hf_page *page = hf_page_new(items, count);
    free(items);
    return page;
}
