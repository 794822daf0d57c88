/* Fleet: many WebSocket clients over a few threads, each subscribed to one channel, each checking
 * all that it receives: payloads that belong to its channel, each publisher's sequence without gap
 * or repeat, offsets one after the other. The first thing that is wrong ends in hf_fleet_failure.
 *
 * Orders (open, cut, reset) are given by one thread, and return when every thread of the fleet has
 * taken them; counters may be read by any thread at any time. */
#ifndef HF_BENCH_FLEET_H
#define HF_BENCH_FLEET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "wire.h"

struct hf_fleet;

struct hf_fleet_config {
    const struct hf_wire *wire; /* static */
    const char *path; /* NULL: the wire's own; with %s for the channel where the wire's has it */
    uint32_t clients;
    uint32_t threads;
    uint32_t opening_max; /* connections that are being made at one time */
    /* Client i subscribes to channel i % channels. */
    const char *channel; /* printf format: %u is the channel's number; borrowed */
    uint32_t channels;   /* 0: clients subscribe to nothing */
    uint32_t publishers; /* that each channel has */
    bool is_stream;      /* positions are checked; a client that comes back recovers */
};

struct hf_fleet_counters {
    uint32_t ready;         /* clients that are connected and subscribed */
    uint32_t recovered;     /* subscribe replies that said so */
    uint64_t publications;  /* received */
    uint64_t messages;      /* WebSocket frames received */
    uint64_t reads;         /* calls of recv that gave something */
    uint64_t pings;         /* answered */
    uint64_t last_ready_ns; /* CLOCK_MONOTONIC */
    uint64_t last_publication_ns;
};

/* Ends the program with a message when memory, threads or descriptors lack. */
struct hf_fleet *hf_fleet_new(const struct hf_fleet_config *config);
void hf_fleet_free(struct hf_fleet *fleet); /* NULL: nothing */

/* Begins to connect everyone; see counters.ready. */
void hf_fleet_open(struct hf_fleet *fleet, const struct sockaddr_in *address);
void hf_fleet_cut(struct hf_fleet *fleet);   /* closes every connection without a word */
void hf_fleet_reset(struct hf_fleet *fleet); /* forgets counters but ready, and the histograms */

void hf_fleet_read(const struct hf_fleet *fleet, struct hf_fleet_counters *counters);
/* Publications received alone, cheaper. */
uint64_t hf_fleet_publications(const struct hf_fleet *fleet);
/* The sum of the clients' offsets. Only while nothing arrives. */
uint64_t hf_fleet_offsets(const struct hf_fleet *fleet);
/* Only while nothing arrives: from when a publication was due to its arrival; from the start of a
 * client's connecting until it was subscribed. */
void hf_fleet_latency(const struct hf_fleet *fleet, struct hf_histogram *delivery,
                      struct hf_histogram *connecting);

/* NULL while all is right, else what was wrong first. */
const char *hf_fleet_failure(const struct hf_fleet *fleet);

#endif
