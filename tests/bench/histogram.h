/* Histogram of durations, after the idea of HdrHistogram: buckets whose width grows with the value,
 * so that every value is kept to within 1/64 (1.6 %), from one nanosecond to 18 minutes, in a fixed
 * 18 KiB. Counts, sums and merges; no allocation. Any thread, one at a time. */
#ifndef HF_BENCH_HISTOGRAM_H
#define HF_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HF_HISTOGRAM_STEP_BITS 6  /* 64 buckets for each doubling */
#define HF_HISTOGRAM_MAX_BITS  40 /* values of 2^40 ns and more count as the largest */
#define HF_HISTOGRAM_BUCKETS                                                                       \
    ((HF_HISTOGRAM_MAX_BITS - HF_HISTOGRAM_STEP_BITS + 1) << HF_HISTOGRAM_STEP_BITS)

/* Zeroed: empty. */
struct hf_histogram {
    uint64_t counts[HF_HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t max; /* ns, exact */
};

void hf_histogram_add(struct hf_histogram *histogram, uint64_t ns);
void hf_histogram_merge(struct hf_histogram *into, const struct hf_histogram *from);

/* The smallest value that at least `share` (0..1) of all values do not exceed, in ns: at most 1/64
 * above the true one, never above the largest. 0 when empty. */
uint64_t hf_histogram_quantile(const struct hf_histogram *histogram, double share);

#endif
