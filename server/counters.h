/* Counters: what a worker has done and has open, for metrics and for the node's own figures.
 *
 * Written by the worker's thread, read by any, without locks: each value is right by itself,
 * several of them need not be of one moment. */
#ifndef HF_SERVER_COUNTERS_H
#define HF_SERVER_COUNTERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "codes.h"
#include "command.h"
#include "net/transport.h"

/* Bounds of the histogram of durations, microseconds; above the last: no bound. */
#define HF_DURATION_BOUNDS_US                                                                      \
    {                                                                                              \
        1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000,  \
            10000000                                                                               \
    }
#define HF_DURATION_BUCKETS 14

/* Requests of one HTTP path, from the complete request to its answer. */
struct hf_http_counters {
    _Atomic uint64_t buckets[HF_DURATION_BUCKETS]; /* each without those below */
    _Atomic uint64_t sum_us;
    _Atomic uint64_t statuses[6]; /* by the first digit; 0: never */
};

#define HF_COUNTED_ROUTES 96 /* of both listeners */
#define HF_COMMAND_KINDS  ((size_t)HF_COMMAND_PONG + 1)
#define HF_ERRORS_COUNTED 16 /* errors 100 to 114; the last: any other */
#define HF_DISCONNECTS_COUNTED                                                                     \
    33 /* disconnects 3000 to 3015 and 3500 to 3515; the last: any other */

struct hf_worker_counters {
    /* now */
    _Atomic uint64_t clients;       /* sessions that are connected */
    _Atomic uint64_t subscriptions; /* of these sessions */
    _Atomic uint64_t channels;      /* with a subscriber here */
    _Atomic uint64_t connections;   /* sockets */
    _Atomic uint64_t sessions[HF_FRAMINGS];
    /* ever */
    _Atomic uint64_t messages_in, messages_out, bytes_in, bytes_out;
    _Atomic uint64_t frames_built; /* publication frames encoded here */
    _Atomic uint64_t writes;       /* calls that write to sockets */
    _Atomic uint64_t tls_handshakes, tls_resumptions, tls_failures;
    _Atomic uint64_t sessions_opened[HF_FRAMINGS];
    _Atomic uint64_t subscriptions_opened;
    _Atomic uint64_t commands[HF_COMMAND_KINDS];
    _Atomic uint64_t errors[HF_ERRORS_COUNTED];
    _Atomic uint64_t disconnects[HF_DISCONNECTS_COUNTED];
    struct hf_http_counters http[HF_COUNTED_ROUTES]; /* by route; the internal ones behind */
};

/* Counters have one writer, the worker's thread, so they need no atomic read-modify-write. */
static inline uint64_t hf_counter_read(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline void hf_counter_add(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_store_explicit(counter, hf_counter_read(counter) + amount, memory_order_relaxed);
}

static inline void hf_counter_sub(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_store_explicit(counter, hf_counter_read(counter) - amount, memory_order_relaxed);
}

/* An error in a reply; a session that the server has ended. */
void hf_counters_error(struct hf_worker_counters *counters, unsigned code);
void hf_counters_disconnect(struct hf_worker_counters *counters, unsigned code);
/* The code behind a place of `errors` or `disconnects`; 0: any other. */
unsigned hf_counters_error_code(size_t index);
unsigned hf_counters_disconnect_code(size_t index);
/* A request that was answered with `status` after duration_us. */
void hf_counters_http(struct hf_http_counters *counters, int status, uint64_t duration_us);

#endif
