#include <holdfast/publication.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* What both kinds of shared object have in front of their public part. */
struct shared {
    _Atomic uint32_t references;
    bool is_view;                                /* a publication that borrows its bytes */
    _Atomic(struct hf_attachment *) attachments; /* only ever grows while there are references */
};

struct shared_publication {
    struct shared shared;
    struct hf_publication publication;
    union {
        char bytes[1];             /* as many as the fields need */
        struct hf_publication *of; /* of a view: one reference */
    } owned;
};

struct shared_page {
    struct shared shared;
    struct hf_page page;
    struct hf_publication *items[];
};

#define CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static void shared_init(struct shared *shared)
{
    atomic_init(&shared->references, 1);
    atomic_init(&shared->attachments, NULL);
    shared->is_view = false;
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
    struct hf_attachment *attachment =
        atomic_load_explicit(&shared->attachments, memory_order_relaxed);
    while (attachment != NULL) {
        struct hf_attachment *next = attachment->next;
        attachment->destroy(attachment);
        attachment = next;
    }
    return true;
}

/* Among those that were attached before `head` and with it. */
static struct hf_attachment *find_slot(struct hf_attachment *head, unsigned slot)
{
    while (head != NULL && head->slot != slot) {
        head = head->next;
    }
    return head;
}

static struct hf_attachment *shared_attachment(const struct shared *shared, unsigned slot)
{
    return find_slot(atomic_load_explicit(&shared->attachments, memory_order_acquire), slot);
}

static struct hf_attachment *shared_attach(struct shared *shared, struct hf_attachment *attachment)
{
    struct hf_attachment *head = atomic_load_explicit(&shared->attachments, memory_order_acquire);
    do {
        struct hf_attachment *winner = find_slot(head, attachment->slot);
        if (winner != NULL) {
            return winner;
        }
        attachment->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&shared->attachments, &head, attachment,
                                                    memory_order_acq_rel, memory_order_acquire));
    return attachment;
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
    size_t size = offsetof(struct shared_publication, owned) + fields->data.len + fields->info.len +
                  fields->tags.len + fields->version_epoch.len;
    struct shared_publication *self = malloc(size);
    if (self == NULL) {
        return NULL;
    }
    shared_init(&self->shared);
    char *end = self->owned.bytes;
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
    if (publication == NULL || !shared_unref(&publication_self(publication)->shared)) {
        return;
    }
    struct shared_publication *self = publication_self(publication);
    if (self->shared.is_view) {
        hf_publication_unref(self->owned.of);
    }
    free(self);
}

struct hf_publication *hf_publication_view(struct hf_publication *of)
{
    struct shared_publication *self = malloc(sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    shared_init(&self->shared);
    self->shared.is_view = true;
    self->publication = *of;
    self->owned.of = hf_publication_ref(of);
    return &self->publication;
}

struct hf_publication *hf_publication_origin(struct hf_publication *publication)
{
    struct shared_publication *self = publication_self(publication);
    return self->shared.is_view ? self->owned.of : publication;
}

struct hf_attachment *hf_publication_attachment(const struct hf_publication *publication,
                                                unsigned slot)
{
    return shared_attachment(&publication_self(publication)->shared, slot);
}

struct hf_attachment *hf_publication_attach(struct hf_publication *publication,
                                            struct hf_attachment *attachment)
{
    return shared_attach(&publication_self(publication)->shared, attachment);
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

struct hf_attachment *hf_page_attachment(const struct hf_page *page, unsigned slot)
{
    return shared_attachment(&page_self(page)->shared, slot);
}

struct hf_attachment *hf_page_attach(struct hf_page *page, struct hf_attachment *attachment)
{
    return shared_attach(&page_self(page)->shared, attachment);
}
