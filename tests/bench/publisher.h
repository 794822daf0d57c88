/* Publisher: a thread that publishes payloads (payload.h) over several connections, through the
 * HTTP API or as clients, as fast as it may or at a fixed rate. Each publication must be
 * acknowledged; the first thing that is wrong ends in hf_publisher_failure.
 *
 * With one channel every connection publishes to it, as its publisher 0, 1, ...; with more, channel
 * c belongs to connection c % connections, as its only publisher. At a fixed rate a publication
 * bears the time at which it was due, so that a server that falls behind shows in the latency. */
#ifndef HF_BENCH_PUBLISHER_H
#define HF_BENCH_PUBLISHER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "fleet.h"
#include "histogram.h"
#include "wire.h"

struct hf_publisher;

enum hf_publisher_way {
    HF_PUBLISH_API,    /* POST of {"channel":...,"data":...} */
    HF_PUBLISH_RAW,    /* POST of the payload to a path with the channel in it */
    HF_PUBLISH_CLIENT, /* publish commands over WebSocket */
};

struct hf_publisher_config {
    enum hf_publisher_way way;
    const struct hf_wire *wire; /* CLIENT */
    struct sockaddr_in address;
    const char *path;    /* the API's publish, the raw path with %s, or the WebSocket */
    const char *key;     /* of the API */
    const char *channel; /* printf format, as the fleet's */
    uint32_t channels;
    uint32_t connections;
    uint32_t in_flight; /* of one connection; 1 over HTTP */
    uint32_t payload_size;
    double rate; /* publications per second; 0: as fast as in_flight and window allow */
    /* Publications that may be on their way to the fleet's subscribers; 0: any number. */
    uint32_t window;
    const struct hf_fleet *fleet;   /* for the window; may be NULL without one */
    double subscribers_per_channel; /* of the fleet */
};

/* Publications that each channel's publishers are numbered in: for the fleet's `publishers`. */
uint32_t hf_publisher_count(uint32_t channels, uint32_t connections);

/* Connects. Ends the program with a message when it cannot. */
struct hf_publisher *hf_publisher_new(const struct hf_publisher_config *config);
void hf_publisher_free(struct hf_publisher *publisher); /* NULL: nothing */

/* Publishes for so long, or so many (0: no end), whichever is first, in its thread. So many are
 * spread evenly over the channels, and must be a multiple of them. */
void hf_publisher_start(struct hf_publisher *publisher, double seconds, uint64_t publications);
/* Whether that is over and all is acknowledged. */
bool hf_publisher_is_done(const struct hf_publisher *publisher);
uint64_t hf_publisher_acknowledged(const struct hf_publisher *publisher); /* since the start */
/* Once done: from due to acknowledged, since the start. */
const struct hf_histogram *hf_publisher_latency(const struct hf_publisher *publisher);

const char *hf_publisher_failure(const struct hf_publisher *publisher); /* NULL: none */

#endif
