/* Swarm: many WebSocket clients of the Centrifuge JSON protocol in one thread, each subscribed to
 * one channel, each checking what it receives: offsets of its epoch one after the other, and the
 * payload that belongs to the offset ({"n":<offset>}). For benches; the first thing that is wrong
 * stays in `failure`. One thread. */
#ifndef HF_BENCH_SWARM_H
#define HF_BENCH_SWARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_swarm;

struct hf_swarm_config {
    uint32_t clients;
    const char *channel;  /* printf format with one %u for the client's number, or none; borrowed */
    uint32_t opening_max; /* connections that are being made at one time */
};

/* Aborts without memory. */
struct hf_swarm *hf_swarm_new(const struct hf_swarm_config *config);
void hf_swarm_free(struct hf_swarm *swarm);

struct hf_swarm_times {
    double all_ms;                 /* from the first connect to the last answer */
    double p50_ms, p99_ms, max_ms; /* of one client: from its connect to its answer */
    uint32_t recovered;            /* answers that said so */
    uint64_t publications;         /* received in the answers and right behind them */
};

/* Connects every client to 127.0.0.1:`port` and subscribes; those that were subscribed before
 * recover from where they are. Returns when each is at `offset` (its stream's top), or after
 * `timeout_ms`: false then, or when something was wrong. */
bool hf_swarm_connect(struct hf_swarm *swarm, uint16_t port, uint64_t offset, uint32_t timeout_ms,
                      struct hf_swarm_times *times);

/* Lives on for `ms`: pings are answered. False: something was wrong. */
bool hf_swarm_run(struct hf_swarm *swarm, uint32_t ms);

/* Closes every connection at once, without a word. */
void hf_swarm_cut(struct hf_swarm *swarm);

const char *hf_swarm_failure(const struct hf_swarm *swarm); /* "" when all was right */

#endif
