/* Page cache: the page that was cut last from each of some tails. Many clients that come back at
 * once to one channel ask for the same page, and what is attached to it (the list of its
 * publications, encoded) is then made once for all of them.
 *
 * A fixed number of slots, each for any of several owners, so the newest question wins. The owner
 * of a tail forgets its page whenever the tail changes; everything is forgotten with every tick of
 * the core, since a page that nobody asks for any more is only memory.
 *
 * Private to engine/core. One thread. */
#ifndef HF_CORE_PAGE_CACHE_H
#define HF_CORE_PAGE_CACHE_H

#include <holdfast/publication.h>

#define HF_PAGE_CACHE_SLOTS 256 /* a power of two */

struct hf_page_cache_slot {
    const void *owner; /* NULL: empty */
    struct hf_page *page;
    uint64_t after; /* the question: publications after this offset, ... */
    uint32_t limit; /* ... so many of them */
};

/* All zero: empty. */
struct hf_page_cache {
    struct hf_page_cache_slot slots[HF_PAGE_CACHE_SLOTS];
    uint32_t count;
};

/* One reference for the caller; NULL: not there. */
struct hf_page *hf_page_cache_find(const struct hf_page_cache *cache, const void *owner,
                                   uint64_t after, uint32_t limit);
/* Takes a reference. */
void hf_page_cache_keep(struct hf_page_cache *cache, const void *owner, uint64_t after,
                        uint32_t limit, struct hf_page *page);
void hf_page_cache_forget(struct hf_page_cache *cache, const void *owner);
void hf_page_cache_clear(struct hf_page_cache *cache);

#endif
