/* Store client: one store with its loop, as the engine would hold it, and what came out of it;
 * requests that wait for their answer, for tests. */
#ifndef HF_TESTS_STORE_CLIENT_H
#define HF_TESTS_STORE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "store/store.h"

struct event_base;

/* A delivery, or with `publication` NULL an on_listening, or an on_removed or on_bus. */
struct hf_seen {
    bool is_removed, is_bus, is_join, is_leave;
    char channel[64];                   /* or the bus' message */
    char info[64];                      /* of who joined or left */
    struct hf_publication *publication; /* one reference */
};

struct hf_store_client {
    struct hf_engine_config config;
    struct hf_store_events events;
    struct event_base *base;
    struct hf_store *store;
    unsigned connects, disconnects;
    uint64_t life; /* of the last on_connected */
    struct hf_lives admitted;
    bool keeps_fence; /* set by the test: it admits lives itself */
    char last_reason[160];
    struct hf_seen *seen;
    size_t seen_count, seen_capacity;
    char log[4096]; /* everything that was logged, as far as it fits */
};

/* Defaults as the engine fills them in; `address` NULL: the memory store. Borrowed. */
void hf_store_client_init(struct hf_store_client *client, const char *address);
/* Opens the store with client->config. */
void hf_store_client_open(struct hf_store_client *client);
/* Opens, and waits for on_connected. */
void hf_store_client_connect(struct hf_store_client *client);
void hf_store_client_close(struct hf_store_client *client);

bool hf_store_client_wait_connects(struct hf_store_client *client, unsigned connects);
bool hf_store_client_wait_disconnects(struct hf_store_client *client, unsigned disconnects);
/* Until `count` deliveries and announcements were seen. */
bool hf_store_client_wait_seen(struct hf_store_client *client, size_t count);
/* Asks to listen and waits for the announcement, which is then taken off what was seen. */
bool hf_store_client_listen(struct hf_store_client *client, const char *channel);
void hf_store_client_forget_seen(struct hf_store_client *client);

struct hf_bytes hf_bytes_of(const char *text);

extern const struct hf_stream_options hf_options_10; /* size 10, ttl 60, meta ttl 120 */
extern const struct hf_stream_options hf_options_none;

/* A publish that may be left open; its text is copied. */
struct hf_test_publish {
    struct hf_store_publish request;
    char channel[64];
    char *data;
    bool is_done;
};
/* Freed with hf_test_publish_free when it is done. */
struct hf_test_publish *hf_store_client_send(struct hf_store_client *client, const char *channel,
                                             struct hf_stream_options options, const char *data);
bool hf_store_client_wait_publish(struct hf_store_client *client, struct hf_test_publish *publish);
void hf_test_publish_free(struct hf_test_publish *publish);

/* Publishes and waits. */
int hf_store_client_publish(struct hf_store_client *client, const char *channel,
                            struct hf_stream_options options, const char *data,
                            struct hf_position *position);

/* Reads and waits; request->channel, limit and the like are set by the caller. */
int hf_store_client_read(struct hf_store_client *client, struct hf_store_read *request);
int hf_store_client_bus(struct hf_store_client *client, const char *message);
int hf_store_client_bus_to(struct hf_store_client *client, const char *target, const char *message);
int hf_store_client_mend(struct hf_store_client *client, struct hf_store_mend *request);
int hf_store_client_remove(struct hf_store_client *client, const char *channel);

#endif
