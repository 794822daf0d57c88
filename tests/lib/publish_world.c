#include "publish_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loop.h"

static bool with_redis; /* of the group */

int hf_publish_end_world(void **state)
{
    struct hf_publish_world *world = *state;
    hf_store_client_close(&world->node);
    hf_store_client_close(&world->other);
    hf_proxy_free(world->proxy);
    hf_redis_server_free(world->server);
    free(world);
    return 0;
}

int hf_publish_start_world(void **state)
{
    struct hf_publish_world *world = calloc(1, sizeof *world);
    if (world == NULL)
        return -1;
    *state = world;
    if (with_redis) {
        world->server = hf_redis_server_start(NULL);
        world->proxy = hf_proxy_start(hf_redis_server_port(world->server));
        hf_store_client_init(&world->other, hf_redis_server_unix(world->server));
        hf_store_client_connect(&world->other);
    }
    hf_store_client_init(&world->node, with_redis ? hf_proxy_address(world->proxy) : NULL);
    hf_store_client_connect(&world->node);
    return 0;
}

int hf_publish_memory_group(void **state)
{
    (void)state;
    with_redis = false;
    return 0;
}

int hf_publish_redis_group(void **state)
{
    (void)state;
    with_redis = true;
    return 0;
}

static void on_published(struct hf_store_publish *request)
{
    struct hf_sent *sent = (struct hf_sent *)request;
    assert_false(sent->is_done);
    sent->is_done = true;
}

static bool is_done(void *context)
{
    return ((const struct hf_sent *)context)->is_done;
}

struct hf_sent hf_publish_of(const char *channel, struct hf_stream_options options,
                             const char *data)
{
    return (struct hf_sent){.request = {.channel = hf_bytes_of(channel),
                                        .options = options,
                                        .fields = {.data = hf_bytes_of(data)},
                                        .complete = on_published}};
}

void hf_publish_start(struct hf_store_client *client, struct hf_sent *sent)
{
    client->store->ops->publish(client->store, &sent->request);
    client->store->ops->flush(client->store);
}

void hf_publish_await(struct hf_store_client *client, struct hf_sent *sent)
{
    assert_true(hf_loop_until(client->base, is_done, sent, HF_TEST_DEADLINE_MS));
}

void hf_publish_assert_sent(const struct hf_sent *sent, enum hf_publish_outcome outcome,
                            uint64_t offset)
{
    assert_true(sent->is_done);
    assert_int_equal(sent->request.result, HF_OK);
    assert_int_equal(sent->request.outcome, outcome);
    assert_int_equal(sent->request.position.offset, offset);
}

void hf_publish_keyed(struct hf_store_client *client, const char *channel, const char *key,
                      enum hf_publish_outcome outcome, uint64_t offset)
{
    struct hf_sent sent = hf_publish_of(channel, hf_options_10, "x");
    sent.request.idempotency_key = hf_bytes_of(key);
    hf_publish_start(client, &sent);
    hf_publish_await(client, &sent);
    hf_publish_assert_sent(&sent, outcome, offset);
}

void hf_publish_versioned(struct hf_store_client *client, uint64_t version, const char *epoch,
                          enum hf_publish_outcome outcome, uint64_t offset)
{
    struct hf_sent sent = hf_publish_of("a", hf_options_10, "x");
    sent.request.fields.version = version;
    sent.request.fields.version_epoch = hf_bytes_of(epoch);
    hf_publish_start(client, &sent);
    hf_publish_await(client, &sent);
    hf_publish_assert_sent(&sent, outcome, offset);
}

struct hf_position hf_publish_plain(struct hf_store_client *client, const char *channel)
{
    struct hf_position position;
    assert_int_equal(hf_store_client_publish(client, channel, hf_options_10, "x", &position),
                     HF_OK);
    return position;
}

/* The top's offset; the entries must be `count`, consecutive up to it. */
uint64_t hf_publish_top_of(struct hf_store_client *client, const char *channel, uint32_t count)
{
    struct hf_store_read request = {
        .channel = hf_bytes_of(channel), .options = hf_options_10, .limit = HF_LIMIT_NONE};
    assert_int_equal(hf_store_client_read(client, &request), HF_OK);
    assert_int_equal(request.page != NULL ? request.page->count : 0, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(request.page->items[i]->position.offset,
                         request.top.offset - count + 1 + i);
    hf_page_unref(request.page);
    return request.top.offset;
}
