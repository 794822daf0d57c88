/* Memory: when to give freed memory back to the system. The allocator keeps what many clients have
 * used when they have gone, since small blocks that live on keep its heaps from shrinking at their
 * ends; whole free pages between them can be given back, but that walks every heap, so it is done
 * only when much has gone and the rest has come to rest. Pure but for hf_memory_release; one
 * thread. */
#ifndef HF_SERVER_MEMORY_H
#define HF_SERVER_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#define HF_MEMORY_TICK_MS     1000                /* ask about so often */
#define HF_MEMORY_RELEASE_MIN (UINT64_C(4) << 20) /* less is not worth it; bytes */
#define HF_MEMORY_PER_CLIENT  UINT64_C(2048)      /* of a connection and its subscriptions */
#define HF_MEMORY_PER_STREAM  UINT64_C(1024)      /* of a stream without its tail */

struct hf_memory { /* all zero at first */
    uint64_t high; /* the most that was held since memory was given back last; bytes */
    uint64_t last; /* what was held at the last tick; bytes */
};

/* `held`: an estimate of what connections, streams and tails hold now; bytes. True: a quarter of
 * what was held, and at least HF_MEMORY_RELEASE_MIN, has gone, and it has stopped falling. */
bool hf_memory_tick(struct hf_memory *memory, uint64_t held);

/* Gives free pages back; takes some milliseconds for a hundred MiB. Any thread. */
void hf_memory_release(void);

#endif
