/* The modelled store: what the simulation assumes of Redis with our scripts.
 *
 * Streams of one epoch with consecutive offsets, trimmed to a size; a position that outlives the
 * entries; atomic publish, read and mend. It can lose everything, lose entries only, or go back to
 * an earlier state. tests/store holds the real stores to the same behaviour.
 *
 * Every publication has a number of its own; the model remembers which one it was written behind,
 * so that a client's sequence can be checked against the line that it claims to follow. */
#ifndef HF_SIM_MODEL_STORE_H
#define HF_SIM_MODEL_STORE_H

#include <holdfast/publication.h>

#include "core/core.h"

#define MODEL_CHANNELS 3
#define MODEL_HISTORY  12 /* entries kept per stream */

struct model_stream {
    struct hf_position top; /* epoch 0: there is no stream */
    uint32_t count;         /* entries kept, the last one at top */
    uint64_t numbers[MODEL_HISTORY];
    uint64_t newest;  /* the publication at top, whether its entry is kept or not */
    uint64_t emptied; /* the newest when the entries were lost last */
    bool has_lost;    /* it went back once, or forgot a life: so it may have to be mended */
};

struct model_publication {
    unsigned channel;
    struct hf_position position; /* that it was given */
    uint64_t behind;             /* the one it was written behind, 0: the first of its epoch */
    uint64_t left_ms;            /* when the stream ceased to go through it; 0: it does */
    bool left_to_ghost;          /* ... because one mended that the others took for dead */
    uint8_t seen_by;             /* bit per node that has heard or read it, and lives */
    bool is_orphan;              /* the stream left it once when no living node had seen it */
    uint64_t found_ms;           /* ... and one saw it again then, with the store's old data, */
    uint64_t found_life;         /* in this life */
    bool is_on_line;             /* scratch of mark_line */
};

struct model_store {
    struct model_stream streams[MODEL_CHANNELS];
    uint64_t clock;                         /* of the store: gives epochs, never goes back */
    struct model_publication *publications; /* by number; 0 is none */
    uint64_t numbers, capacity;
};

void model_init(struct model_store *store);
void model_fini(struct model_store *store);

/* Appends a new publication; one reference for the caller. */
struct hf_publication *model_publish(struct model_store *store, unsigned channel);
/* Answers as a store's read with `create`. The result's page has one reference for the caller. */
void model_read(struct model_store *store, unsigned channel, const struct hf_core_read *read,
                struct hf_core_read_result *result);
/* HF_OK or HF_EUNRECOVERABLE, as struct hf_core_mend says. */
int model_mend(struct model_store *store, unsigned channel, const struct hf_core_mend *mend);

/* The store has lost everything of the stream that came after it was as `before`; and a life that
 * was admitted since. */
void model_go_back(struct model_store *store, unsigned channel, const struct model_stream *before,
                   bool has_forgotten);
/* Whether the store has all that was written behind this publication (number 0: not known which it
 * was). */
bool model_follows(const struct model_store *store, unsigned channel, struct hf_position position,
                   uint64_t number);

/* After a stream has become another one than before: notes what it does not go through any more. */
void model_note_line(struct model_store *store, unsigned channel, uint64_t now_ms, bool by_ghost);

/* A publication that a living node has seen, but that the stream, still in that epoch, does not go
 * through, although it holds what would follow it (V7); 0: there is none. */
uint64_t model_forgotten(struct model_store *store, unsigned channel);

/* The number that a publication's payload carries. */
uint64_t model_number(const struct hf_publication *publication);

#endif
