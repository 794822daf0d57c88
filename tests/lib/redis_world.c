/* A redis-server with up to two Redis stores, for tests. */
#include "redis_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loop.h"

int hf_redis_world_make(void **state)
{
    *state = calloc(1, sizeof(struct hf_redis_world));
    return 0;
}

int hf_redis_world_end(void **state)
{
    struct hf_redis_world *world = *state;
    hf_store_client_close(&world->node);
    hf_store_client_close(&world->other);
    hf_redis_server_free(world->server);
    hf_redis_server_free(world->second);
    free(world);
    return 0;
}

void hf_redis_world_start(struct hf_redis_world *world, const char *const *options)
{
    world->server = hf_redis_server_start(options);
    hf_store_client_init(&world->node, hf_redis_server_unix(world->server));
    hf_store_client_init(&world->other, hf_redis_server_tcp(world->server));
}

struct hf_redis_world *hf_redis_world_connected(void **state)
{
    struct hf_redis_world *world = *state;
    hf_redis_world_start(world, NULL);
    hf_store_client_connect(&world->node);
    return world;
}

struct hf_position hf_redis_world_publish(struct hf_store_client *node, const char *channel,
                                          const char *data)
{
    struct hf_position position;
    assert_int_equal(hf_store_client_publish(node, channel, hf_options_10, data, &position), HF_OK);
    return position;
}

struct hf_store_read hf_redis_world_read(struct hf_store_client *node, const char *channel)
{
    struct hf_store_read request = {
        .channel = hf_bytes_of(channel), .options = hf_options_10, .limit = HF_LIMIT_NONE};
    assert_int_equal(hf_store_client_read(node, &request), HF_OK);
    return request;
}

void hf_redis_world_holds(struct hf_store_client *node, const char *channel, struct hf_position top,
                          uint64_t first_offset)
{
    struct hf_store_read request = hf_redis_world_read(node, channel);
    assert_int_equal(request.top.epoch, top.epoch);
    assert_int_equal(request.top.offset, top.offset);
    if (first_offset == 0) {
        assert_null(request.page);
        return;
    }
    assert_non_null(request.page);
    assert_int_equal(request.page->count, top.offset - first_offset + 1);
    for (uint32_t i = 0; i < request.page->count; i++)
        assert_int_equal(request.page->items[i]->position.offset, first_offset + i);
    hf_page_unref(request.page);
}

bool hf_redis_world_reason_has(struct hf_store_client *node, const char *text)
{
    struct hf_store_status status;
    node->store->ops->status(node->store, &status);
    return strstr(status.reason, text) != NULL;
}

struct reason_wait {
    struct hf_store_client *node;
    const char *text;
};

static bool has_reason(void *context)
{
    const struct reason_wait *wait = context;
    return hf_redis_world_reason_has(wait->node, wait->text);
}

bool hf_redis_world_wait_reason(struct hf_store_client *node, const char *text)
{
    struct reason_wait wait = {node, text};
    return hf_loop_until(node->base, has_reason, &wait, HF_TEST_DEADLINE_MS);
}
