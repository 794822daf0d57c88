/* Publish world: a store behind a proxy that can lose replies, another store beside it, and
 * requests that are kept open; for tests of publishing once. */
#ifndef HF_TESTS_PUBLISH_WORLD_H
#define HF_TESTS_PUBLISH_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy.h"
#include "redis_server.h"
#include "store_client.h"

struct hf_publish_world {
    struct hf_redis_server *server; /* NULL: the memory store */
    struct hf_proxy *proxy;         /* between `node` and the server */
    struct hf_store_client node, other;
};

/* Setups of a group: on which store its cases run. */
int hf_publish_memory_group(void **state);
int hf_publish_redis_group(void **state);
/* Setup and teardown of a case: *state is the world, connected. */
int hf_publish_start_world(void **state);
int hf_publish_end_world(void **state);

#define HF_PUBLISH_CASE(name)                                                                      \
    cmocka_unit_test_setup_teardown(name, hf_publish_start_world, hf_publish_end_world)

struct hf_sent {
    struct hf_store_publish request; /* first member */
    bool is_done;
};

struct hf_sent hf_publish_of(const char *channel, struct hf_stream_options options,
                             const char *data);
void hf_publish_start(struct hf_store_client *client, struct hf_sent *sent);
void hf_publish_await(struct hf_store_client *client, struct hf_sent *sent);
/* It was acknowledged so. */
void hf_publish_assert_sent(const struct hf_sent *sent, enum hf_publish_outcome outcome,
                            uint64_t offset);

/* These publish "x" with hf_options_10 and wait; the first two check the answer. */
void hf_publish_keyed(struct hf_store_client *client, const char *channel, const char *key,
                      enum hf_publish_outcome outcome, uint64_t offset);
void hf_publish_versioned(struct hf_store_client *client, uint64_t version, const char *epoch,
                          enum hf_publish_outcome outcome, uint64_t offset);
struct hf_position hf_publish_plain(struct hf_store_client *client, const char *channel);
/* The top's offset; the entries must be `count`, consecutive up to it. */
uint64_t hf_publish_top_of(struct hf_store_client *client, const char *channel, uint32_t count);

#endif
