/* Memory done: the memory store's requests that are done and wait for their completion, in order.
 * The engine's thread only. They are linked through the requests' `internal`, so that nothing can
 * fail. */
#ifndef HF_STORE_MEMORY_DONE_H
#define HF_STORE_MEMORY_DONE_H

#include "store/store.h"

enum hf_memory_request {
    HF_MEMORY_PUBLISH,
    HF_MEMORY_READ,
    HF_MEMORY_REMOVE,
    HF_MEMORY_MEND,
    HF_MEMORY_BUS,
    HF_MEMORY_PRESENCE,
    HF_MEMORY_PRESENCE_READ,
};

/* All zero: empty. */
struct hf_memory_done {
    void **first, **last; /* internal[0]: the next; internal[1]: its kind */
};

/* `internal` is that of a request of this kind, whose results are filled in. */
void hf_memory_done_add(struct hf_memory_done *done, void **internal, enum hf_memory_request kind);
/* Completes what is there now; with `is_closing`, as HF_ECLOSED, whatever its result was. */
void hf_memory_done_complete(struct hf_memory_done *done, bool is_closing);

#endif
