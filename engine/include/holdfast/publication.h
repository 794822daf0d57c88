/* Publications and pages of publications: immutable, reference-counted, shared by threads.
 *
 * Whoever holds a reference may read every field from any thread. Each object carries slots for
 * attachments: forms derived from it (a wire frame, say) that are built once by whoever needs
 * them first and then shared. */
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

#define HF_ATTACHMENTS 12 /* slots; their use is the embedder's */

/* What a publication is made of. All borrowed; opaque to the engine. */
struct hf_publication_fields {
    struct hf_bytes data; /* the payload */
    struct hf_bytes info; /* who published, or empty */
    struct hf_bytes tags; /* or empty */
    uint64_t version;     /* publisher's version, 0: none */
    bool delta;           /* the publisher asks for delta delivery */
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

/* A page over `items`; takes a reference of each. NULL: no memory. */
struct hf_page *hf_page_new(struct hf_publication *const *items, uint32_t count);
struct hf_page *hf_page_ref(struct hf_page *page);
void hf_page_unref(struct hf_page *page); /* NULL is allowed */

/* The attachment in `slot`, or NULL. It lives as long as the object. Lock-free. */
void *hf_publication_attachment(const struct hf_publication *publication, unsigned slot);
void *hf_page_attachment(const struct hf_page *page, unsigned slot);

/* Puts `value` into the slot unless another thread was first; returns the one that is there now.
 * When that is not `value`, the caller still owns `value`. `destroy` runs with the last unref, on
 * that thread; it must be the same function for every value of a slot. */
void *hf_publication_attach(struct hf_publication *publication, unsigned slot, void *value,
                            void (*destroy)(void *value));
void *hf_page_attach(struct hf_page *page, unsigned slot, void *value,
                     void (*destroy)(void *value));

#endif
