/* Once: what the memory store remembers so that a publication is not published twice: idempotency
 * keys with the position that they were given, and the last version of each channel. Loop thread.
 * Of each kind there is a most; then a publish that needs another one gets HF_ELIMIT. */
#ifndef HF_STORE_MEMORY_ONCE_H
#define HF_STORE_MEMORY_ONCE_H

#include "store/store.h"

struct hf_memory_once;
struct hf_memory_once_entry;

/* What a publish in course has reserved; filled by _begin. */
struct hf_memory_once_claim {
    struct hf_memory_once_entry *key, *version; /* NULL: not needed */
    bool is_key_new, is_version_new;
    char *version_epoch; /* to become the version's */
};

/* NULL: no memory or no randomness. */
struct hf_memory_once *hf_memory_once_new(uint32_t keys_max, uint32_t versions_max);
void hf_memory_once_free(struct hf_memory_once *once);

/* Looks whether the request is to be published, and then reserves what remembering it needs, so
 * that _end cannot fail. When request->outcome is not HF_PUBLISHED afterwards, the request has its
 * answer and there is no claim. `top` is the channel's position. HF_ENOMEM, HF_ELIMIT: no claim. */
int hf_memory_once_begin(struct hf_memory_once *once, struct hf_store_publish *request,
                         struct hf_position top, uint64_t now_ms,
                         struct hf_memory_once_claim *claim);

/* The request was published at `position`, or else was not. */
void hf_memory_once_end(struct hf_memory_once *once, const struct hf_store_publish *request,
                        struct hf_memory_once_claim *claim, bool is_published,
                        struct hf_position position, uint64_t now_ms);

/* Forgets what has expired, some of it with each call. */
void hf_memory_once_sweep(struct hf_memory_once *once, uint64_t now_ms);

#endif
