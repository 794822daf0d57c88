/* Memory streams: the memory store's history, by channel. The engine's thread only.
 *
 * M1  A stream's entries are its newest `count` publications, with consecutive offsets up to the
 *     top; they expire together, the position later.
 * M2  What has expired is forgotten when it is looked at, and within seconds by the sweep, which
 *     visits a part of the streams on each call.
 * M3  A stream is in the table while it has a position, is listened to, or is needed (`pushes`). */
#ifndef HF_STORE_MEMORY_STREAM_H
#define HF_STORE_MEMORY_STREAM_H

#include <sys/queue.h>

#include "store/store.h"
#include "table.h"

struct hf_memory_stream {
    struct hf_table_node in_table;
    TAILQ_ENTRY(hf_memory_stream) in_sweep;
    struct hf_position top;        /* {0,0}: no position */
    uint64_t expires_ms;           /* of the entries */
    uint64_t position_expires_ms;  /* of the position */
    struct hf_publication **items; /* a ring of `capacity`, a power of two or 0 */
    uint32_t capacity, first, count;
    uint32_t pushes;        /* in the store's queue; they refer to the stream */
    uint64_t listen_number; /* of the last listen: what belongs to an older one is dropped */
    bool is_listening;
    char name[];
};

struct hf_memory_streams {
    struct hf_hash_key hash_key;
    struct hf_table table;
    TAILQ_HEAD(, hf_memory_stream) sweep; /* all, the longest unvisited first */
    uint64_t last_epoch;
};

/* False: no randomness. */
bool hf_memory_streams_init(struct hf_memory_streams *streams);
void hf_memory_streams_fini(struct hf_memory_streams *streams);
/* Forgets what has expired, some of it with each call. */
void hf_memory_streams_sweep(struct hf_memory_streams *streams, uint64_t now_ms);

/* NULL: there is none. */
struct hf_memory_stream *hf_memory_stream_find(struct hf_memory_streams *streams,
                                               struct hf_bytes name, uint64_t now_ms);
/* Makes it when there is none. NULL: no memory. */
struct hf_memory_stream *hf_memory_stream_get(struct hf_memory_streams *streams,
                                              struct hf_bytes name, uint64_t now_ms);
/* M2, M3: after something that kept the stream has gone. It may be gone afterwards. */
void hf_memory_stream_settle(struct hf_memory_streams *streams, struct hf_memory_stream *stream,
                             uint64_t now_ms);

static inline struct hf_bytes hf_memory_stream_name(const struct hf_memory_stream *stream)
{
    return (struct hf_bytes){stream->name, stream->in_table.len};
}

/* The clock's microsecond, and later than every epoch before. */
uint64_t hf_memory_streams_new_epoch(struct hf_memory_streams *streams);

/* Makes room for one more entry; false: no memory. */
bool hf_memory_stream_reserve(struct hf_memory_stream *stream);
/* The publication becomes the newest, after _reserve; takes a reference. */
void hf_memory_stream_append(struct hf_memory_stream *stream, struct hf_publication *publication,
                             const struct hf_stream_options *options, uint64_t now_ms);
/* Only the position stays. */
void hf_memory_stream_drop_entries(struct hf_memory_stream *stream);

/* Fills request->page and has_more. HF_OK or HF_ENOMEM. */
int hf_memory_stream_read(const struct hf_memory_stream *stream, struct hf_store_read *request);

#endif
