/* Payload: what the load generator publishes. A JSON object of fixed-width texts that says which
 * channel it is for, which of the channel's publishers sent it, as its how many-th publication and
 * when; filled up to the wanted length with a text that depends on these, so that nothing can be
 * mixed up unnoticed. Pure functions, any thread. */
#ifndef HF_BENCH_PAYLOAD_H
#define HF_BENCH_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

#define HF_PAYLOAD_MIN 88    /* bytes */
#define HF_PAYLOAD_MAX 60000 /* below the message size limit of every server */

struct hf_payload {
    uint32_t channel;
    uint32_t publisher; /* of this channel */
    uint32_t sequence;  /* from 1, per channel and publisher */
    uint64_t time_ns;   /* CLOCK_MONOTONIC when it was due */
};

/* Writes exactly `size` bytes (HF_PAYLOAD_MIN..HF_PAYLOAD_MAX). */
void hf_payload_write(const struct hf_payload *payload, char *out, size_t size);

/* False when the bytes are not exactly what was written. */
bool hf_payload_read(struct hf_slice data, struct hf_payload *payload);

#endif
