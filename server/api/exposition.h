/* Exposition: the text format of Prometheus, version 0.0.4. Pure; any thread.
 *
 * Names and label names are the caller's constants ([a-zA-Z_][a-zA-Z0-9_]*); help texts and label
 * values may be any text and are escaped. A buffer that runs out of memory remembers it. Format:
 * https://prometheus.io/docs/instrumenting/exposition_formats/ */
#ifndef HF_SERVER_EXPOSITION_H
#define HF_SERVER_EXPOSITION_H

#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

#define HF_EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct hf_label {
    const char *name;
    const char *value;
};

/* Begins a family; its samples follow. type: "counter", "gauge" or "histogram". */
void hf_exposition_family(struct hf_buffer *text, const char *name, const char *type,
                          const char *help);
/* One sample. labels NULL: none. */
void hf_exposition_sample(struct hf_buffer *text, const char *name, const struct hf_label *labels,
                          size_t label_count, uint64_t value);
/* The same for a time, given in microseconds and written in seconds. */
void hf_exposition_time(struct hf_buffer *text, const char *name, const struct hf_label *labels,
                        size_t label_count, uint64_t value_us);
/* A family of one sample without labels. */
void hf_exposition_single(struct hf_buffer *text, const char *name, const char *type,
                          const char *help, uint64_t value);
/* The samples of one histogram of times: `counts` has one more than `bounds_us` (ascending). At
 * most one label. */
void hf_exposition_histogram(struct hf_buffer *text, const char *name, const struct hf_label *label,
                             const uint64_t *bounds_us, const uint64_t *counts, size_t bound_count,
                             uint64_t sum_us);

#endif
