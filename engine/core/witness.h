/* Witnesses: what this node knows of streams that it no longer follows.
 *
 * A node that published to a channel, or followed it once, can tell whether the store still has
 * what it acknowledged. After the store was restarted or replaced, each witness is heard: its
 * channel is read once and compared.
 *
 * W1  At most `max` are kept, of `bytes_max` bytes; above that the one that was renewed least
 *     recently goes. What is still to be heard does not go: then the new one is not noted.
 * W2  While the store is there, one that was not renewed for `ttl_ms` goes too: a store that is
 *     replaced later than that by an older state is taken at its word.
 *
 * Private to engine/core. One thread. */
#ifndef HF_CORE_WITNESS_H
#define HF_CORE_WITNESS_H

#include <sys/queue.h>

#include <holdfast/engine.h>

#include "table.h"

struct hf_witness {
    struct hf_table_node in_table;
    TAILQ_ENTRY(hf_witness) in_list;
    struct hf_position position; /* the newest that was acknowledged or heard */
    uint64_t print;              /* fingerprint of the publication there; 0: unknown */
    uint64_t seen_life;          /* as in struct hf_stream */
    struct hf_stream_options options;
    uint32_t noted_s : 31;   /* on the clock of the witnesses */
    uint32_t is_doubted : 1; /* in `doubted`, else in `trusted` */
    char channel[];
};
TAILQ_HEAD(hf_witness_list, hf_witness);

struct hf_witness_limits {
    uint32_t max;
    size_t bytes_max;
    uint64_t ttl_ms;
};

struct hf_witnesses {
    struct hf_table table;
    struct hf_witness_list trusted; /* least recently renewed first */
    struct hf_witness_list doubted; /* to be heard: the store may have lost what they say */
    struct hf_witness_limits limits;
    size_t bytes;
    uint64_t clock_ms;  /* since the first tick */
    uint64_t ticked_ms; /* when the last tick was; 0: there was none */
};

void hf__witnesses_init(struct hf_witnesses *witnesses, const struct hf_witness_limits *limits,
                        const struct hf_hash_key *hash_key);
void hf__witnesses_fini(struct hf_witnesses *witnesses);

/* Notes what is known of a channel unless something newer is. Without memory or room (W1) nothing
 * is noted. */
void hf__witness_note(struct hf_witnesses *witnesses, struct hf_bytes channel,
                      const struct hf_stream_options *options, struct hf_position position,
                      uint64_t print, uint64_t seen_life);
struct hf_witness *hf__witness_find(struct hf_witnesses *witnesses, struct hf_bytes channel);
struct hf_bytes hf__witness_channel(const struct hf_witness *witness);
void hf__witness_remove(struct hf_witnesses *witnesses, struct hf_witness *witness);
/* This one is to be heard (again). */
void hf__witness_doubt(struct hf_witnesses *witnesses, struct hf_bytes channel);
/* Moves all to `doubted`. */
void hf__witnesses_doubt(struct hf_witnesses *witnesses);
/* Time goes on; `is_connected`: with W2. */
void hf__witnesses_tick(struct hf_witnesses *witnesses, bool is_connected, uint64_t now_ms);

#endif
