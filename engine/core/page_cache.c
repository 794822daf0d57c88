#include "core/page_cache.h"

/* Owners are allocated objects: their low bits say nothing, and Fibonacci hashing spreads the rest.
 */
static uint32_t slot_of(const void *owner)
{
    uint64_t bits = (uint64_t)(uintptr_t)owner * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(bits >> 32) & (HF_PAGE_CACHE_SLOTS - 1);
}

struct hf_page *hf_page_cache_find(const struct hf_page_cache *cache, const void *owner,
                                   uint64_t after, uint32_t limit)
{
    const struct hf_page_cache_slot *slot = &cache->slots[slot_of(owner)];
    bool is_it = slot->owner == owner && slot->after == after && slot->limit == limit;
    return is_it ? hf_page_ref(slot->page) : NULL;
}

static void empty(struct hf_page_cache *cache, struct hf_page_cache_slot *slot)
{
    if (slot->owner != NULL) {
        hf_page_unref(slot->page);
        *slot = (struct hf_page_cache_slot){0};
        cache->count--;
    }
}

void hf_page_cache_keep(struct hf_page_cache *cache, const void *owner, uint64_t after,
                        uint32_t limit, struct hf_page *page)
{
    struct hf_page_cache_slot *slot = &cache->slots[slot_of(owner)];
    empty(cache, slot);
    *slot = (struct hf_page_cache_slot){owner, hf_page_ref(page), after, limit};
    cache->count++;
}

void hf_page_cache_forget(struct hf_page_cache *cache, const void *owner)
{
    struct hf_page_cache_slot *slot = &cache->slots[slot_of(owner)];
    if (slot->owner == owner) {
        empty(cache, slot);
    }
}

void hf_page_cache_clear(struct hf_page_cache *cache)
{
    for (uint32_t i = 0; i < HF_PAGE_CACHE_SLOTS && cache->count > 0; i++) {
        empty(cache, &cache->slots[i]);
    }
}
