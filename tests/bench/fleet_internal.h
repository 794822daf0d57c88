/* What the two halves of the fleet share: fleet.c has the threads, fleet_client.c what a client
 * does. A member (its clients, memo and histograms) belongs to its thread; its counters are written
 * by that thread alone and read by all. */
#ifndef HF_BENCH_FLEET_INTERNAL_H
#define HF_BENCH_FLEET_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "fleet.h"
#include "payload.h"

#define HF_MEMO_SLOTS         4096 /* a power of two */
#define HF_FLEET_SCRATCH_SIZE ((size_t)1024 * 1024)

enum hf_client_state {
    HF_CLIENT_CLOSED,
    HF_CLIENT_CONNECTING, /* TCP */
    HF_CLIENT_UPGRADING,  /* HTTP */
    HF_CLIENT_JOINING,    /* connect is sent, then subscribe */
    HF_CLIENT_READY,
};

enum hf_fleet_order { HF_FLEET_OPEN, HF_FLEET_CUT, HF_FLEET_RESET, HF_FLEET_END };

struct hf_client {
    int fd;
    enum hf_client_state state;
    uint32_t number;
    uint32_t channel;
    char *rest; /* an incomplete frame or head; NULL: none */
    size_t rest_len;
    uint64_t opened_ns;
    uint64_t received;   /* publications */
    uint32_t *sequences; /* per publisher: the newest that came */
    bool has_position;
    struct hf_wire_position position;
};

/* A message that was read and checked before: subscribers of a channel get the same bytes. */
struct hf_memo {
    char *message; /* NULL: free */
    size_t len;
    struct hf_payload payload;
    uint64_t offset;
};

struct hf_member {
    struct hf_fleet *fleet;
    pthread_t thread;
    uint32_t first, count; /* of the fleet's clients */
    uint32_t next;         /* to be opened; count: none */
    uint32_t opening;
    int epoll_fd, order_fd;
    char *scratch;
    uint64_t now_ns; /* when what is being read had arrived */
    struct hf_buffer command, frame;
    struct hf_memo *memo; /* HF_MEMO_SLOTS */
    struct hf_histogram delivery, connecting;

    _Atomic uint32_t ready, recovered;
    _Atomic uint64_t publications, messages, reads, pings, last_ready_ns, last_publication_ns;
};

struct hf_fleet {
    struct hf_fleet_config config;
    struct sockaddr_in address; /* written before the order to open */
    struct hf_client *clients;
    uint32_t *sequences; /* clients x publishers */
    struct hf_member *members;
    enum hf_fleet_order order;
    _Atomic uint32_t taken; /* members that have taken the newest order */
    _Atomic bool has_failed;
    _Atomic bool is_failure_told;
    char failure[512];
};

/* Notes the first thing that is wrong. client: NULL: none. */
void hf_fleet_fail(struct hf_fleet *fleet, const struct hf_client *client, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void hf_client_open(struct hf_member *member, struct hf_client *client);
void hf_client_cut(struct hf_member *member, struct hf_client *client);
void hf_client_on_event(struct hf_member *member, struct hf_client *client);

/* The name of a channel. */
#define HF_CHANNEL_MAX 128
struct hf_slice hf_channel_name(const char *format, uint32_t number, char out[HF_CHANNEL_MAX]);

static inline void hf_add(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + value,
                          memory_order_release);
}

#endif
