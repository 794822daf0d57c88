/* Stream model: what a stream is, as simply as it can be said, to compare stores with. */
#ifndef HF_TESTS_STREAM_MODEL_H
#define HF_TESTS_STREAM_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What was published is log[offset]; the stream holds the offsets from `first` to `top`, of which
 * only limits are known where the store may trim later. */
struct model {
    bool is_known; /* there is a position */
    uint64_t epoch, top;
    uint64_t first_low, first_high; /* first <= top + 1 */
    bool has_stream, has_meta;      /* Redis: the keys that hold the position */
    uint64_t last_epoch;            /* of any life so far */
    uint64_t *log;
    size_t log_size;
};

static inline uint64_t max_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline uint64_t min_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Of histories of `size` the store may keep `slack` more. */
static inline void note_published(struct model *model, uint64_t number, uint64_t size,
                                  uint64_t slack)
{
    model->top++;
    if (model->top >= model->log_size) {
        model->log_size = model->top * 2 + 64;
        model->log = realloc(model->log, model->log_size * sizeof *model->log);
        if (model->log == NULL) {
            abort();
        }
    }
    model->log[model->top] = number;
    if (model->top > size) {
        model->first_high = max_of(model->first_high, model->top - size + 1);
    }
    if (model->top > size + slack) {
        model->first_low = max_of(model->first_low, model->top - size - slack + 1);
    }
    model->has_stream = model->has_meta = true;
}

static inline void note_emptied(struct model *model)
{
    model->first_low = model->first_high = model->top + 1;
}

static inline void note_forgotten(struct model *model)
{
    model->is_known = model->has_stream = model->has_meta = false;
}

/* `to` becomes as `from`; what lives it has had stays known. */
static inline void copy_model(struct model *to, const struct model *from)
{
    uint64_t last_epoch = max_of(to->last_epoch, from->last_epoch);
    free(to->log);
    *to = *from;
    to->last_epoch = last_epoch;
    to->log = NULL;
    if (from->log_size > 0) {
        to->log = malloc(from->log_size * sizeof *to->log);
        if (to->log == NULL) {
            abort();
        }
        memcpy(to->log, from->log, from->log_size * sizeof *to->log);
    }
}

#endif
