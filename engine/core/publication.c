#include <holdfast/publication.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef void destroyer(void *value);

/* What both kinds of shared object have in front of their public part. */
struct shared {
    _Atomic uint32_t references;
    _Atomic(void *) attachment[HF_ATTACHMENTS];
    destroyer *_Atomic destroy[HF_ATTACHMENTS];
};

struct shared_publication {
    struct shared shared;
    struct hf_publication publication;
    char bytes[];
};

struct shared_page {
    struct shared shared;
    struct hf_page page;
    struct hf_publication *items[];
};

#define CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static void shared_init(struct shared *shared)
{
    memset(shared, 0, sizeof *shared);
    atomic_init(&shared->references, 1);
}

static void shared_ref(struct shared *shared)
{
    atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
}

/* True when that was the last reference; the attachments are then gone. */
static bool shared_unref(struct shared *shared)
{
    if (atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel) != 1) {
        return false;
    }
    for (unsigned slot = 0; slot < HF_ATTACHMENTS; slot++) {
        void *value = atomic_load_explicit(&shared->attachment[slot], memory_order_relaxed);
        if (value != NULL) {
            atomic_load_explicit(&shared->destroy[slot], memory_order_relaxed)(value);
        }
    }
    return true;
}

static void *shared_attachment(const struct shared *shared, unsigned slot)
{
    return atomic_load_explicit(&shared->attachment[slot], memory_order_acquire);
}

/* A slot has one destroyer, so it does not matter which of several attaching threads wrote it. */
static void *shared_attach(struct shared *shared, unsigned slot, void *value, destroyer *destroy)
{
    atomic_store_explicit(&shared->destroy[slot], destroy, memory_order_relaxed);
    void *winner = NULL;
    if (atomic_compare_exchange_strong_explicit(&shared->attachment[slot], &winner, value,
                                                memory_order_acq_rel, memory_order_acquire)) {
        return value;
    }
    return winner;
}

static struct hf_bytes copy_bytes(char **end, struct hf_bytes bytes)
{
    struct hf_bytes copy = {*end, bytes.len};
    if (bytes.len > 0) {
        memcpy(*end, bytes.data, bytes.len);
        *end += bytes.len;
    }
    return copy;
}

struct hf_publication *hf_publication_new(struct hf_position position,
                                          const struct hf_publication_fields *fields)
{
    size_t size = sizeof(struct shared_publication) + fields->data.len + fields->info.len +
                  fields->tags.len + fields->version_epoch.len;
    struct shared_publication *self = malloc(size);
    if (self == NULL) {
        return NULL;
    }
    shared_init(&self->shared);
    char *end = self->bytes;
    self->publication = (struct hf_publication){
        .position = position,
        .fields =
            {
                .data = copy_bytes(&end, fields->data),
                .info = copy_bytes(&end, fields->info),
                .tags = copy_bytes(&end, fields->tags),
                .version = fields->version,
                .version_epoch = copy_bytes(&end, fields->version_epoch),
                .delta = fields->delta,
            },
        .size = size,
    };
    return &self->publication;
}

static struct shared_publication *publication_self(const struct hf_publication *publication)
{
    return CONTAINER(publication, struct shared_publication, publication);
}

struct hf_publication *hf_publication_ref(struct hf_publication *publication)
{
    shared_ref(&publication_self(publication)->shared);
    return publication;
}

void hf_publication_unref(struct hf_publication *publication)
{
    if (publication != NULL && shared_unref(&publication_self(publication)->shared)) {
        free(publication_self(publication));
    }
}

void *hf_publication_attachment(const struct hf_publication *publication, unsigned slot)
{
    return shared_attachment(&publication_self(publication)->shared, slot);
}

void *hf_publication_attach(struct hf_publication *publication, unsigned slot, void *value,
                            destroyer *destroy)
{
    return shared_attach(&publication_self(publication)->shared, slot, value, destroy);
}

static struct shared_page *page_self(const struct hf_page *page)
{
    return CONTAINER(page, struct shared_page, page);
}

struct hf_page *hf_page_new(struct hf_publication *const *items, uint32_t count)
{
    struct shared_page *self = malloc(sizeof *self + count * sizeof(struct hf_publication *));
    if (self == NULL) {
        return NULL;
    }
    shared_init(&self->shared);
    self->page = (struct hf_page){.count = count, .items = self->items};
    for (uint32_t i = 0; i < count; i++) {
        self->items[i] = hf_publication_ref(items[i]);
        self->page.size += items[i]->size;
    }
    return &self->page;
}

struct hf_page *hf_page_ref(struct hf_page *page)
{
    shared_ref(&page_self(page)->shared);
    return page;
}

void hf_page_unref(struct hf_page *page)
{
    if (page == NULL || !shared_unref(&page_self(page)->shared)) {
        return;
    }
    struct shared_page *self = page_self(page);
    for (uint32_t i = 0; i < page->count; i++) {
        hf_publication_unref(self->items[i]);
    }
    free(self);
}

void *hf_page_attachment(const struct hf_page *page, unsigned slot)
{
    return shared_attachment(&page_self(page)->shared, slot);
}

void *hf_page_attach(struct hf_page *page, unsigned slot, void *value, destroyer *destroy)
{
    return shared_attach(&page_self(page)->shared, slot, value, destroy);
}
