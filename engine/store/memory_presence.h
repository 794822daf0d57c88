/* Memory presence: who is in which channel, for the memory store. The engine's thread only.
 *
 * Every function looks after what has expired first, so nothing expired is ever seen. The leaves of
 * clients whose grace ended that way are told from inside the call. */
#ifndef HF_STORE_MEMORY_PRESENCE_H
#define HF_STORE_MEMORY_PRESENCE_H

#include "store/store.h"

struct hf_memory_presence;

/* What a join or leave is handed to; `channel` and `info` are borrowed. It must not call back. */
typedef void hf_memory_presence_tell(void *context, struct hf_bytes channel, bool is_join,
                                     struct hf_bytes info);

/* NULL: no memory or no randomness. */
struct hf_memory_presence *hf_memory_presence_new(uint32_t ttl_ms, hf_memory_presence_tell *tell,
                                                  void *context);
void hf_memory_presence_free(struct hf_memory_presence *presence); /* NULL is allowed */

/* As hf_store_presence: fills is_held. HF_ENOMEM: the items before the one that failed have been
 * applied. */
int hf_memory_presence_apply(struct hf_memory_presence *presence, struct hf_presence_item *items,
                             size_t count, uint64_t now_ms);
/* Fills the request's results. */
int hf_memory_presence_read(struct hf_memory_presence *presence,
                            struct hf_store_presence_read *request, uint64_t now_ms);
/* Lets go of what has expired; to be called now and then. */
void hf_memory_presence_sweep(struct hf_memory_presence *presence, uint64_t now_ms);

#endif
