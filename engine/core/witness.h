/* Witnesses: what this node knows of streams that it no longer follows.
 *
 * A node that published to a channel, or followed it once, can tell whether the store still has
 * what it acknowledged. After the store was restarted or replaced, each witness is heard: its
 * channel is read once and compared. At most `max` are kept; the one that was renewed least
 * recently goes.
 *
 * Private to engine/core. One thread. */
#ifndef HF_CORE_WITNESS_H
#define HF_CORE_WITNESS_H

#include <sys/queue.h>

#include <holdfast/engine.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct hf_witness {
    UT_hash_handle hh; /* witnesses->table */
    struct hf_stream_options options;
    struct hf_position position; /* the newest that was acknowledged or heard */
    uint64_t print;              /* fingerprint of the publication there; 0: unknown */
    bool is_doubted;             /* in `doubted`, else in `trusted` */
    TAILQ_ENTRY(hf_witness) in_list;
    size_t channel_len;
    char channel[];
};
TAILQ_HEAD(hf_witness_list, hf_witness);

struct hf_witnesses {
    struct hf_witness *table;
    struct hf_witness_list trusted; /* least recently renewed first */
    struct hf_witness_list doubted; /* to be heard: the store may have lost what they say */
    uint32_t count, max;
};

void hf__witnesses_init(struct hf_witnesses *witnesses, uint32_t max);
void hf__witnesses_fini(struct hf_witnesses *witnesses);

/* Notes what is known of a channel unless something newer is. Without memory, or with max 0,
 * nothing is noted. */
void hf__witness_note(struct hf_witnesses *witnesses, struct hf_bytes channel,
                      const struct hf_stream_options *options, struct hf_position position,
                      uint64_t print);
struct hf_witness *hf__witness_find(struct hf_witnesses *witnesses, struct hf_bytes channel);
void hf__witness_remove(struct hf_witnesses *witnesses, struct hf_witness *witness);
/* This one is to be heard (again). */
void hf__witness_doubt(struct hf_witnesses *witnesses, struct hf_bytes channel);
/* Moves all to `doubted`. */
void hf__witnesses_doubt(struct hf_witnesses *witnesses);

#endif
