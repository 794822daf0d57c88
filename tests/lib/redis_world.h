/* Redis world: a private redis-server and up to two Redis stores on it, for tests. */
#ifndef HF_TESTS_REDIS_WORLD_H
#define HF_TESTS_REDIS_WORLD_H

#include "redis_server.h"
#include "store_client.h"

/* One server and up to two nodes; whatever a test leaves open is closed by the teardown. */
struct hf_redis_world {
    struct hf_redis_server *server, *second;
    struct hf_store_client node, other;
};

/* Setup and teardown of a cmocka test. */
int hf_redis_world_make(void **state);
int hf_redis_world_end(void **state);

/* Starts the server, with options for it (redis_server.h), and prepares both nodes. */
void hf_redis_world_start(struct hf_redis_world *world, const char *const *options);
/* The same, with `node` connected; *state is the world. */
struct hf_redis_world *hf_redis_world_connected(void **state);

/* These fail the test when they do not succeed. They use hf_options_10. */
struct hf_position hf_redis_world_publish(struct hf_store_client *node, const char *channel,
                                          const char *data);
struct hf_store_read hf_redis_world_read(struct hf_store_client *node, const char *channel);
/* The stream is at `top` and holds all from `first_offset` on; 0: it is empty. */
void hf_redis_world_holds(struct hf_store_client *node, const char *channel, struct hf_position top,
                          uint64_t first_offset);

/* Whether the status' reason has the text; until it has. */
bool hf_redis_world_reason_has(struct hf_store_client *node, const char *text);
bool hf_redis_world_wait_reason(struct hf_store_client *node, const char *text);

#endif
