/* Publications and pages of publications: immutable, reference-counted, shared by threads.
 *
 * Whoever holds a reference may read every field from any thread. Each object carries attachments:
 * forms derived from it (a wire frame, say) that are built once by whoever needs them first and
 * then shared. */
#ifndef HF_HOLDFAST_PUBLICATION_H
#define HF_HOLDFAST_PUBLICATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/position.h>

/* A borrowed run of bytes, not NUL-terminated. len 0 means absent; data may then be NULL. */
struct hf_bytes {
    const char *data;
    size_t len;
};

/* What a publication is made of. All borrowed; opaque to the engine. */
struct hf_publication_fields {
    struct hf_bytes data; /* the payload */
    struct hf_bytes info; /* who published, or empty */
    struct hf_bytes tags; /* or empty */
    uint64_t version;     /* publisher's version, 0: none */
    bool delta;           /* the publisher asks for delta delivery */
    /* Beside a version, which is compared only with those of the same epoch; empty: with any. */
    struct hf_bytes version_epoch;
};

struct hf_publication {
    struct hf_position position; /* offset 0: published without history */
    struct hf_publication_fields fields;
    size_t size; /* bytes of this object, for limits */
};

struct hf_page {
    uint32_t count;
    size_t size;                         /* sum of the publications' sizes */
    struct hf_publication *const *items; /* ascending offsets unless read in reverse */
};

/* Copies `fields` into one allocation. One reference belongs to the caller. NULL: no memory. */
struct hf_publication *hf_publication_new(struct hf_position position,
                                          const struct hf_publication_fields *fields);
struct hf_publication *hf_publication_ref(struct hf_publication *publication);
void hf_publication_unref(struct hf_publication *publication); /* NULL is allowed */

/* Another publication with the fields of `of`, and attachments of its own, so that what is attached
 * for one use does not live as long as `of`. Holds a reference of `of`, where the bytes are. One
 * reference belongs to the caller. NULL: no memory. */
struct hf_publication *hf_publication_view(struct hf_publication *of);

/* What `publication` is a view of, or itself: for whoever keeps a publication, but not what was
 * attached for one use. Borrowed; lives as long as `publication`, or as the caller's reference. */
struct hf_publication *hf_publication_origin(struct hf_publication *publication);

/* A page over `items`; takes a reference of each. NULL: no memory. */
struct hf_page *hf_page_new(struct hf_publication *const *items, uint32_t count);
struct hf_page *hf_page_ref(struct hf_page *page);
void hf_page_unref(struct hf_page *page); /* NULL is allowed */

/* The first part of what is attached. */
struct hf_attachment {
    struct hf_attachment *next; /* the object's own use */
    void (*destroy)(struct hf_attachment *attachment);
    unsigned slot; /* tells an object's attachments apart; the numbers are the embedder's */
};

/* The attachment with that slot, or NULL. It lives as long as the object. Lock-free. */
struct hf_attachment *hf_publication_attachment(const struct hf_publication *publication,
                                                unsigned slot);
struct hf_attachment *hf_page_attachment(const struct hf_page *page, unsigned slot);

/* Attaches `attachment`, whose slot and destroy are set, unless another thread was first with this
 * slot; returns the one that is there now. When that is another one, the caller still owns
 * `attachment`. destroy runs with the last unref, on that thread. */
struct hf_attachment *hf_publication_attach(struct hf_publication *publication,
                                            struct hf_attachment *attachment);
struct hf_attachment *hf_page_attach(struct hf_page *page, struct hf_attachment *attachment);

#endif
