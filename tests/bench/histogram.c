#include "histogram.h"

#include <math.h>
#include <stddef.h>

#define STEPS (UINT64_C(1) << HF_HISTOGRAM_STEP_BITS)

/* Values below 128 have a bucket each; from there on the 6 bits behind the first one choose it. */
static size_t bucket_of(uint64_t value)
{
    if (value >= UINT64_C(1) << HF_HISTOGRAM_MAX_BITS) {
        return HF_HISTOGRAM_BUCKETS - 1;
    }
    if (value < STEPS) {
        return (size_t)value;
    }
    unsigned shift = 63u - HF_HISTOGRAM_STEP_BITS - (unsigned)__builtin_clzll(value);
    return ((size_t)shift << HF_HISTOGRAM_STEP_BITS) + (size_t)(value >> shift);
}

/* The largest value that falls into the bucket. */
static uint64_t bucket_end(size_t bucket)
{
    if (bucket < STEPS) {
        return bucket;
    }
    size_t shift = (bucket >> HF_HISTOGRAM_STEP_BITS) - 1;
    uint64_t first = (bucket - (shift << HF_HISTOGRAM_STEP_BITS)) << shift;
    return first + (UINT64_C(1) << shift) - 1;
}

void hf_histogram_add(struct hf_histogram *histogram, uint64_t ns)
{
    histogram->counts[bucket_of(ns)]++;
    histogram->count++;
    if (ns > histogram->max) {
        histogram->max = ns;
    }
}

void hf_histogram_merge(struct hf_histogram *into, const struct hf_histogram *from)
{
    for (size_t i = 0; i < HF_HISTOGRAM_BUCKETS; i++) {
        into->counts[i] += from->counts[i];
    }
    into->count += from->count;
    if (from->max > into->max) {
        into->max = from->max;
    }
}

uint64_t hf_histogram_quantile(const struct hf_histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)ceil(share * (double)histogram->count);
    uint64_t seen = 0;
    for (size_t i = 0; i < HF_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen > 0 && seen >= wanted) {
            return bucket_end(i) < histogram->max ? bucket_end(i) : histogram->max;
        }
    }
    return histogram->max;
}
