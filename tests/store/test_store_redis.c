/* The Redis store against a real redis-server: what lies in it, and what happens when it fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "loop.h"
#include "redis_server.h"
#include "store_client.h"

/* One server and up to two nodes; whatever a test leaves open is closed by the teardown. */
struct world {
    struct hf_redis_server *server, *second;
    struct hf_store_client node, other;
};

static int make_world(void **state)
{
    *state = calloc(1, sizeof(struct world));
    return 0;
}

static int end_world(void **state)
{
    struct world *world = *state;
    hf_store_client_close(&world->node);
    hf_store_client_close(&world->other);
    hf_redis_server_free(world->server);
    hf_redis_server_free(world->second);
    free(world);
    return 0;
}

static void start(struct world *world, const char *const *options)
{
    world->server = hf_redis_server_start(options);
    hf_store_client_init(&world->node, hf_redis_server_unix(world->server));
    hf_store_client_init(&world->other, hf_redis_server_tcp(world->server));
}

static struct world *start_connected(void **state)
{
    struct world *world = *state;
    start(world, NULL);
    hf_store_client_connect(&world->node);
    return world;
}

static struct hf_position publish(struct hf_store_client *node, const char *channel,
                                  const char *data)
{
    struct hf_position position;
    assert_int_equal(hf_store_client_publish(node, channel, hf_options_10, data, &position), HF_OK);
    return position;
}

static struct hf_store_read read_all(struct hf_store_client *node, const char *channel)
{
    struct hf_store_read request = {
        .channel = hf_bytes_of(channel), .options = hf_options_10, .limit = HF_LIMIT_NONE};
    assert_int_equal(hf_store_client_read(node, &request), HF_OK);
    return request;
}

static void assert_holds(struct hf_store_client *node, const char *channel, struct hf_position top,
                         uint64_t first_offset)
{
    struct hf_store_read request = read_all(node, channel);
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

static bool reason_has(struct hf_store_client *node, const char *text)
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
    return reason_has(wait->node, wait->text);
}

static bool wait_reason(struct hf_store_client *node, const char *text)
{
    struct reason_wait wait = {node, text};
    return hf_loop_until(node->base, has_reason, &wait, HF_TEST_DEADLINE_MS);
}

/* --- what lies in Redis --------------------------------------------------------------------- */

static void keys_and_entries_are_readable(void **state)
{
    struct world *world = start_connected(state);
    char expected[64];
    struct hf_position first = publish(&world->node, "chat:main", "{\"a\":1.0}");
    publish(&world->node, "chat:main", "two");

    redisReply *reply =
        hf_redis_server_command(world->server, "XRANGE holdfast:stream:chat:main - +");
    assert_int_equal(reply->elements, 2);
    snprintf(expected, sizeof expected, "%llu-1", (unsigned long long)first.epoch);
    assert_string_equal(reply->element[0]->element[0]->str, expected);
    assert_int_equal(reply->element[0]->element[1]->elements, 4);
    assert_string_equal(reply->element[0]->element[1]->element[0]->str, "data");
    assert_string_equal(reply->element[0]->element[1]->element[1]->str, "{\"a\":1.0}");
    assert_string_equal(reply->element[0]->element[1]->element[2]->str, "by");
    freeReplyObject(reply);

    reply = hf_redis_server_command(world->server, "GET holdfast:meta:chat:main");
    snprintf(expected, sizeof expected, "%llu-2", (unsigned long long)first.epoch);
    assert_string_equal(reply->str, expected);
    freeReplyObject(reply);
    reply = hf_redis_server_command(world->server, "TTL holdfast:stream:chat:main");
    assert_in_range(reply->integer, 53, 63); /* a sixteenth longer than asked */
    freeReplyObject(reply);
    reply = hf_redis_server_command(world->server, "TTL holdfast:meta:chat:main");
    assert_in_range(reply->integer, 110, 120);
    freeReplyObject(reply);
    reply = hf_redis_server_command(world->server, "KEYS *");
    assert_int_equal(reply->elements, 2);
    freeReplyObject(reply);
}

static void pubsub_message_is_readable(void **state)
{
    struct world *world = start_connected(state);
    redisContext *raw = redisConnect("127.0.0.1", hf_redis_server_port(world->server));
    redisReply *reply = redisCommand(raw, "SUBSCRIBE holdfast:stream:a");
    freeReplyObject(reply);
    struct hf_test_publish *one = hf_store_client_send(&world->node, "a", hf_options_10, "one");
    struct hf_test_publish *two = hf_store_client_send(&world->node, "a", hf_options_10, "three");
    assert_true(hf_store_client_wait_publish(&world->node, two));

    char expected[128];
    unsigned long long epoch = one->request.position.epoch;
    snprintf(expected, sizeof expected, "%llu-1 3\none%llu-2 5\nthree", epoch, epoch);
    assert_int_equal(redisGetReply(raw, (void **)&reply), REDIS_OK);
    assert_string_equal(reply->element[2]->str, expected);
    freeReplyObject(reply);
    redisFree(raw);
    hf_test_publish_free(one);
    hf_test_publish_free(two);
}

static void database_is_kept_apart_in_keys_and_deliveries(void **state)
{
    struct world *world = *state;
    start(world, NULL);
    world->node.config.redis.db = 3;
    hf_store_client_connect(&world->node);
    hf_store_client_connect(&world->other);
    assert_true(hf_store_client_listen(&world->node, "a"));
    assert_true(hf_store_client_listen(&world->other, "a"));
    publish(&world->other, "a", "in 0");
    publish(&world->node, "a", "in 3");
    assert_int_equal(hf_store_client_bus(&world->node, "bus in 3"), HF_OK);
    assert_true(hf_store_client_wait_seen(&world->node, 2));
    assert_true(hf_store_client_wait_seen(&world->other, 1));
    hf_loop_for(world->other.base, 50);
    assert_int_equal(world->node.seen_count, 2);
    assert_int_equal(world->other.seen_count, 1);
    assert_memory_equal(world->node.seen[0].publication->fields.data.data, "in 3", 4);
    assert_memory_equal(world->other.seen[0].publication->fields.data.data, "in 0", 4);
}

static void bus_message_to_one_node_is_not_heard_by_the_other(void **state)
{
    struct world *world = *state;
    start(world, NULL);
    world->other.config.node_name = "other";
    hf_store_client_connect(&world->node);
    hf_store_client_connect(&world->other);
    assert_int_equal(hf_store_client_bus_to(&world->node, "other", "for it"), HF_OK);
    assert_int_equal(hf_store_client_bus(&world->node, "for all"), HF_OK);
    assert_true(hf_store_client_wait_seen(&world->other, 2));
    assert_true(hf_store_client_wait_seen(&world->node, 1));
    assert_string_equal(world->other.seen[0].channel, "for it");
    assert_string_equal(world->node.seen[0].channel, "for all");
    hf_store_client_close(&world->other);
    assert_int_equal(hf_store_client_bus_to(&world->node, "other", "too late"), HF_ENONODE);
}

static void two_nodes_share_one_stream(void **state)
{
    struct world *world = start_connected(state);
    hf_store_client_connect(&world->other);
    assert_true(hf_store_client_listen(&world->other, "a"));
    for (uint64_t i = 1; i <= 20; i += 2) {
        assert_int_equal(publish(&world->node, "a", "x").offset, i);
        assert_int_equal(publish(&world->other, "a", "y").offset, i + 1);
    }
    assert_true(hf_store_client_wait_seen(&world->other, 20));
    for (uint64_t i = 0; i < 20; i++)
        assert_int_equal(world->other.seen[i].publication->position.offset, i + 1);
}

/* --- keys that are lost --------------------------------------------------------------------- */

static void meta_key_deleted_keeps_epoch_and_offsets(void **state)
{
    struct world *world = start_connected(state);
    publish(&world->node, "a", "1");
    struct hf_position second = publish(&world->node, "a", "2");
    hf_redis_server_do(world->server, "DEL holdfast:meta:a");
    assert_holds(&world->node, "a", second, 1);
    struct hf_position third = publish(&world->node, "a", "3");
    assert_int_equal(third.epoch, second.epoch);
    assert_int_equal(third.offset, 3);

    /* The same for a node that does not know the epoch, on a stream that was emptied. */
    assert_int_equal(hf_store_client_remove(&world->node, "a"), HF_OK);
    hf_redis_server_do(world->server, "DEL holdfast:meta:a");
    hf_store_client_connect(&world->other);
    assert_holds(&world->other, "a", third, 0);
    struct hf_store_read create = {
        .channel = hf_bytes_of("a"), .options = hf_options_10, .create = true};
    assert_int_equal(hf_store_client_read(&world->other, &create), HF_OK);
    assert_true(hf_position_equal(create.top, third));
    struct hf_position fourth = publish(&world->other, "a", "4");
    assert_int_equal(fourth.epoch, third.epoch);
    assert_int_equal(fourth.offset, 4);
    assert_holds(&world->node, "a", fourth, 4);
}

static void stream_key_deleted_keeps_epoch_and_offsets(void **state)
{
    struct world *world = start_connected(state);
    publish(&world->node, "a", "1");
    struct hf_position second = publish(&world->node, "a", "2");
    hf_redis_server_do(world->server, "DEL holdfast:stream:a");
    assert_holds(&world->node, "a", second, 0);
    struct hf_position third = publish(&world->node, "a", "3");
    assert_int_equal(third.epoch, second.epoch);
    assert_holds(&world->node, "a", (struct hf_position){second.epoch, 3}, 3);
}

static void stream_behind_its_meta_key_goes_on_at_the_larger_position(void **state)
{
    struct world *world = start_connected(state);
    struct hf_position first = publish(&world->node, "a", "1");
    hf_redis_server_do(world->server, "SET holdfast:meta:a %llu-8",
                       (unsigned long long)first.epoch);
    /* Entry 1 connects to nothing any more. */
    assert_holds(&world->node, "a", (struct hf_position){first.epoch, 8}, 0);
    hf_store_client_connect(&world->other); /* knows no epoch: the slow path */
    assert_int_equal(publish(&world->other, "a", "9").offset, 9);
    assert_holds(&world->node, "a", (struct hf_position){first.epoch, 9}, 9);
}

static void stream_of_an_older_epoch_is_dropped(void **state)
{
    struct world *world = start_connected(state);
    struct hf_position first = publish(&world->node, "a", "old");
    hf_redis_server_do(world->server, "SET holdfast:meta:a %llu-4",
                       (unsigned long long)first.epoch + 1);
    struct hf_position top = {first.epoch + 1, 4};
    assert_holds(&world->node, "a", top, 0);
    top.offset = 5;
    assert_true(hf_position_equal(publish(&world->node, "a", "new"), top));
    assert_holds(&world->node, "a", top, 5);
}

static void everything_flushed_starts_a_later_epoch(void **state)
{
    struct world *world = start_connected(state);
    struct hf_position first = publish(&world->node, "a", "1");
    hf_redis_server_do(world->server, "FLUSHALL");
    struct hf_position second = publish(&world->node, "a", "2");
    assert_true(second.epoch > first.epoch);
    assert_int_equal(second.offset, 1);
    assert_holds(&world->node, "a", second, 1);
}

static void epoch_that_redis_has_lost_is_never_used_again(void **state)
{
    struct world *world = start_connected(state);
    struct hf_position first = publish(&world->node, "a", "1");
    redisReply *dump = hf_redis_server_command(world->server, "DUMP holdfast:stream:a");
    struct hf_store_mend mend = {
        .channel = hf_bytes_of("a"), .options = hf_options_10, .expected = first};
    assert_int_equal(hf_store_client_mend(&world->node, &mend), HF_OK);
    struct hf_position lost = publish(&world->node, "a", "2");
    assert_true(lost.epoch > first.epoch);

    /* Redis returns to before the new epoch, which the node still knows. */
    hf_redis_server_do(world->server, "RESTORE holdfast:stream:a 0 %b REPLACE", dump->str,
                       (size_t)dump->len);
    hf_redis_server_do(world->server, "SET holdfast:meta:a %llu-1",
                       (unsigned long long)first.epoch);
    freeReplyObject(dump);
    struct hf_position next = publish(&world->node, "a", "3");
    assert_true(next.epoch > lost.epoch);
    assert_int_equal(next.offset, 1);
    assert_holds(&world->node, "a", next, 1);
}

static void epoch_replaced_by_another_node_is_followed(void **state)
{
    struct world *world = start_connected(state);
    hf_store_client_connect(&world->other);
    struct hf_position first = publish(&world->node, "a", "1");
    struct hf_store_mend mend = {
        .channel = hf_bytes_of("a"), .options = hf_options_10, .expected = first};
    assert_int_equal(hf_store_client_mend(&world->other, &mend), HF_OK);
    struct hf_position second = publish(&world->other, "a", "2");
    assert_true(second.epoch > first.epoch);
    struct hf_position third = publish(&world->node, "a", "3");
    assert_int_equal(third.epoch, second.epoch);
    assert_int_equal(third.offset, 2);
}

static void lost_end_is_written_back(void **state)
{
    struct world *world = start_connected(state);
    struct hf_position position = {0};
    char data[8];
    redisReply *dump = NULL;
    assert_true(hf_store_client_listen(&world->node, "a"));
    for (int i = 1; i <= 8; i++) {
        snprintf(data, sizeof data, "%d", i);
        position = publish(&world->node, "a", data);
        if (i == 5)
            dump = hf_redis_server_command(world->server, "DUMP holdfast:stream:a");
    }
    assert_true(hf_store_client_wait_seen(&world->node, 8));
    struct hf_publication *lost[3];
    for (int i = 0; i < 3; i++)
        lost[i] = hf_publication_ref(world->node.seen[5 + i].publication);
    hf_redis_server_do(world->server, "RESTORE holdfast:stream:a 0 %b REPLACE", dump->str,
                       (size_t)dump->len);
    hf_redis_server_do(world->server, "SET holdfast:meta:a %llu-5",
                       (unsigned long long)position.epoch);
    freeReplyObject(dump);

    struct hf_store_mend mend = {.channel = hf_bytes_of("a"),
                                 .options = hf_options_10,
                                 .expected = {position.epoch, 5},
                                 .page = hf_page_new(lost, 3)};
    hf_store_client_forget_seen(&world->node);
    assert_int_equal(hf_store_client_mend(&world->node, &mend), HF_OK);
    assert_true(hf_store_client_wait_seen(&world->node, 3));
    assert_int_equal(world->node.seen[2].publication->position.offset, 8);
    assert_memory_equal(world->node.seen[2].publication->fields.data.data, "8", 1);
    assert_holds(&world->node, "a", position, 1);
    assert_int_equal(hf_store_client_mend(&world->node, &mend), HF_EUNRECOVERABLE);
    assert_int_equal(publish(&world->node, "a", "9").offset, 9);

    mend.expected.offset = 4; /* the page does not follow it */
    assert_int_equal(hf_store_client_mend(&world->node, &mend), HF_EINVAL);
    hf_page_unref(mend.page);
    for (int i = 0; i < 3; i++)
        hf_publication_unref(lost[i]);
}

/* --- refusals ------------------------------------------------------------------------------- */

static void key_of_another_type_fails_its_channel_only(void **state)
{
    struct world *world = start_connected(state);
    const char *const names[] = {"a", "b", "c", "d"};
    struct hf_test_publish *publishes[4];
    hf_redis_server_do(world->server, "SET holdfast:stream:b x");
    hf_redis_server_do(world->server, "LPUSH holdfast:meta:c x");
    for (int i = 0; i < 4; i++)
        publishes[i] = hf_store_client_send(&world->node, names[i], hf_options_10, "x");
    for (int i = 0; i < 4; i++) {
        assert_true(hf_store_client_wait_publish(&world->node, publishes[i]));
        assert_int_equal(publishes[i]->request.result, i == 1 || i == 2 ? HF_ESTORE : HF_OK);
        assert_int_equal(publishes[i]->request.position.offset, i == 1 || i == 2 ? 0 : 1);
        hf_test_publish_free(publishes[i]);
    }
    struct hf_store_read request = {
        .channel = hf_bytes_of("b"), .options = hf_options_10, .limit = 10};
    assert_int_equal(hf_store_client_read(&world->node, &request), HF_ESTORE);
    assert_int_equal(hf_store_client_remove(&world->node, "b"), HF_ESTORE);
    redisReply *reply = hf_redis_server_command(world->server, "EXISTS holdfast:stream:c");
    assert_int_equal(reply->integer, 0);
    freeReplyObject(reply);
    assert_non_null(strstr(world->node.log, "WRONGTYPE"));
}

static void full_redis_refuses_publishes_and_serves_reads(void **state)
{
    struct world *world = start_connected(state);
    struct hf_position first = publish(&world->node, "a", "1");
    hf_redis_server_do(world->server, "CONFIG SET maxmemory 1");
    assert_int_equal(hf_store_client_publish(&world->node, "a", hf_options_10, "2", NULL),
                     HF_ESTORE);
    assert_int_equal(hf_store_client_publish(&world->node, "new", hf_options_10, "2", NULL),
                     HF_ESTORE);
    assert_holds(&world->node, "a", first, 1);
    hf_redis_server_do(world->server, "CONFIG SET maxmemory 0");
    assert_int_equal(publish(&world->node, "a", "2").offset, 2);
}

static void pending_bytes_are_limited(void **state)
{
    struct world *world = *state;
    start(world, NULL);
    world->node.config.pending_bytes_max = 1000;
    hf_store_client_connect(&world->node);
    char data[401];
    memset(data, 'x', 400);
    data[400] = '\0';
    struct hf_test_publish *publishes[4];
    for (int i = 0; i < 4; i++)
        publishes[i] = hf_store_client_send(&world->node, "a", hf_options_10, data);
    for (int i = 0; i < 4; i++) {
        assert_true(hf_store_client_wait_publish(&world->node, publishes[i]));
        assert_int_equal(publishes[i]->request.result, i < 2 ? HF_OK : HF_ELIMIT);
        hf_test_publish_free(publishes[i]);
    }
    assert_int_equal(publish(&world->node, "a", data).offset, 3);
}

/* --- scripts -------------------------------------------------------------------------------- */

static void forgotten_scripts_are_brought_again_in_order(void **state)
{
    struct world *world = start_connected(state);
    enum { ROUNDS = 10, PER_ROUND = 100 };
    struct hf_test_publish *publishes[PER_ROUND];
    const struct hf_stream_options options = {5000, 60, 60};
    char data[16];
    uint64_t offset = 0;
    assert_true(hf_store_client_listen(&world->node, "a"));
    for (int round = 0; round < ROUNDS; round++) {
        hf_redis_server_do(world->server, "SCRIPT FLUSH");
        for (int i = 0; i < PER_ROUND; i++) {
            snprintf(data, sizeof data, "%d", round * PER_ROUND + i + 1);
            publishes[i] =
                hf_store_client_send(&world->node, i % 10 == 9 ? "b" : "a", options, data);
        }
        for (int i = 0; i < PER_ROUND; i++) {
            assert_true(hf_store_client_wait_publish(&world->node, publishes[i]));
            assert_int_equal(publishes[i]->request.result, HF_OK);
            if (i % 10 != 9)
                assert_int_equal(publishes[i]->request.position.offset, ++offset);
            hf_test_publish_free(publishes[i]);
        }
    }
    assert_true(hf_store_client_wait_seen(&world->node, offset));
    for (uint64_t i = 0; i < offset; i++)
        assert_int_equal(world->node.seen[i].publication->position.offset, i + 1);

    hf_redis_server_do(world->server, "SCRIPT FLUSH");
    struct hf_store_read create = {
        .channel = hf_bytes_of("new"), .options = hf_options_10, .create = true, .limit = 5};
    assert_int_equal(hf_store_client_read(&world->node, &create), HF_OK);
    assert_true(create.top.epoch > 0);
    hf_redis_server_do(world->server, "SCRIPT FLUSH");
    struct hf_store_mend mend = {
        .channel = hf_bytes_of("new"), .options = hf_options_10, .expected = create.top};
    assert_int_equal(hf_store_client_mend(&world->node, &mend), HF_OK);
    hf_redis_server_do(world->server, "SCRIPT FLUSH");
    assert_int_equal(hf_store_client_remove(&world->node, "a"), HF_OK);
}

/* --- connections ---------------------------------------------------------------------------- */

static void server_down_at_start_fails_requests_in_time_and_is_found_later(void **state)
{
    struct world *world = *state;
    world->server = hf_redis_server_prepare(NULL);
    hf_store_client_init(&world->node, hf_redis_server_tcp(world->server));
    world->node.config.wait_ms = 300;
    hf_store_client_open(&world->node);
    assert_true(reason_has(&world->node, "not connected yet"));
    uint64_t begin_ms = hf_test_now_ms();
    assert_int_equal(hf_store_client_publish(&world->node, "a", hf_options_10, "x", NULL),
                     HF_EUNAVAILABLE);
    struct hf_store_read request = {.channel = hf_bytes_of("a"), .limit = 1};
    assert_int_equal(hf_store_client_read(&world->node, &request), HF_EUNAVAILABLE);
    assert_in_range(hf_test_now_ms() - begin_ms, 500, 5000);
    assert_true(reason_has(&world->node, "refused"));
    assert_int_equal(world->node.connects, 0);

    world->node.store->ops->listen(world->node.store, hf_bytes_of("early"));
    hf_redis_server_launch(world->server);
    assert_true(hf_store_client_wait_connects(&world->node, 1));
    publish(&world->node, "a", "x");
    assert_true(hf_store_client_wait_seen(&world->node, 1)); /* what was wished for meanwhile */
    assert_string_equal(world->node.seen[0].channel, "early");
}

static void killed_server_with_its_log_loses_nothing(void **state)
{
    struct world *world = *state;
    const char *const options[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
    start(world, options);
    hf_store_client_connect(&world->node);
    assert_true(hf_store_client_listen(&world->node, "a"));
    struct hf_position position = {0};
    for (int i = 0; i < 5; i++)
        position = publish(&world->node, "a", "x");
    assert_true(hf_store_client_wait_seen(&world->node, 5));

    hf_redis_server_kill(world->server);
    assert_true(hf_store_client_wait_disconnects(&world->node, 1));
    struct hf_test_publish *waiting =
        hf_store_client_send(&world->node, "a", hf_options_10, "while it was away");
    hf_loop_for(world->node.base, 100);
    assert_false(waiting->is_done);
    hf_redis_server_restart(world->server);
    assert_true(hf_store_client_wait_publish(&world->node, waiting));
    assert_int_equal(waiting->request.result, HF_OK);
    assert_int_equal(waiting->request.position.epoch, position.epoch);
    assert_int_equal(waiting->request.position.offset, 6);
    assert_true(hf_store_client_wait_connects(&world->node, 2));
    assert_holds(&world->node, "a", waiting->request.position, 1);

    publish(&world->node, "a", "x"); /* every listen was forgotten */
    hf_loop_for(world->node.base, 50);
    assert_int_equal(world->node.seen_count, 5);
    assert_true(hf_store_client_listen(&world->node, "a"));
    publish(&world->node, "a", "x");
    assert_true(hf_store_client_wait_seen(&world->node, 6));
    assert_int_equal(world->node.seen[5].publication->position.offset, 8);
    hf_test_publish_free(waiting);
}

static void restarted_empty_starts_a_later_epoch(void **state)
{
    struct world *world = start_connected(state);
    struct hf_position first = publish(&world->node, "a", "x");
    uint64_t life = world->node.life;
    hf_redis_server_kill(world->server);
    assert_true(hf_store_client_wait_disconnects(&world->node, 1));
    hf_redis_server_restart(world->server);
    assert_true(hf_store_client_wait_connects(&world->node, 2));
    assert_true(world->node.life != life && world->node.life != 0);
    assert_int_equal(read_all(&world->node, "a").top.epoch, 0);
    struct hf_position second = publish(&world->node, "a", "x");
    assert_true(second.epoch > first.epoch);
    assert_int_equal(second.offset, 1);
}

static void frozen_server_fails_requests_in_time(void **state)
{
    struct world *world = *state;
    start(world, NULL);
    world->node.config.redis.io_timeout_ms = 400;
    world->node.config.wait_ms = 400;
    hf_store_client_connect(&world->node);
    publish(&world->node, "a", "x");
    hf_redis_server_stop(world->server);

    uint64_t begin_ms = hf_test_now_ms();
    struct hf_test_publish *sent = hf_store_client_send(&world->node, "a", hf_options_10, "sent");
    world->node.store->ops->flush(world->node.store);
    struct hf_test_publish *queued =
        hf_store_client_send(&world->node, "a", hf_options_10, "queued behind it");
    struct hf_store_read request = {.channel = hf_bytes_of("b"), .limit = 1};
    assert_int_equal(hf_store_client_read(&world->node, &request), HF_EUNAVAILABLE);
    assert_true(hf_store_client_wait_publish(&world->node, sent));
    assert_true(hf_store_client_wait_publish(&world->node, queued));
    assert_int_equal(sent->request.result, HF_EUNKNOWN);
    assert_int_equal(queued->request.result, HF_EUNAVAILABLE);
    assert_true(hf_store_client_wait_disconnects(&world->node, 1));
    assert_true(hf_test_now_ms() - begin_ms < 5000);
    hf_test_publish_free(sent);
    hf_test_publish_free(queued);

    hf_redis_server_cont(world->server);
    assert_true(hf_store_client_wait_connects(&world->node, 2));
    /* What was sent may have been applied when the server went on, or not. */
    assert_in_range(publish(&world->node, "a", "x").offset, 2, 3);
}

static void killed_pubsub_connection_is_told_and_made_again(void **state)
{
    struct world *world = start_connected(state);
    uint64_t life = world->node.life;
    assert_true(life != 0);
    for (unsigned i = 1; i <= 3; i++) {
        assert_true(hf_store_client_listen(&world->node, "a"));
        hf_redis_server_do(world->server, "CLIENT KILL TYPE pubsub");
        assert_true(hf_store_client_wait_disconnects(&world->node, i));
        assert_true(hf_store_client_wait_connects(&world->node, i + 1));
        assert_true(world->node.life == life); /* the same server all along */
    }
    assert_true(hf_store_client_listen(&world->node, "a"));
    publish(&world->node, "a", "x");
    assert_true(hf_store_client_wait_seen(&world->node, 1));
}

static void killed_command_connection_keeps_the_listens(void **state)
{
    struct world *world = start_connected(state);
    assert_true(hf_store_client_listen(&world->node, "a"));
    for (int i = 0; i < 3; i++) {
        hf_redis_server_do(world->server, "CLIENT KILL TYPE normal SKIPME yes");
        /* Sent into the closed connection, or waiting for the next: never refused. */
        int result = hf_store_client_publish(&world->node, "a", hf_options_none, "x", NULL);
        assert_true(result == HF_OK || result == HF_EUNKNOWN);
        assert_int_equal(hf_store_client_publish(&world->node, "a", hf_options_none, "y", NULL),
                         HF_OK);
    }
    assert_true(hf_store_client_wait_seen(&world->node, 3));
    assert_int_equal(world->node.disconnects, 0);
    read_all(&world->node, "a");
}

static void read_in_flight_survives_a_broken_connection(void **state)
{
    struct world *world = start_connected(state);
    struct hf_position position = publish(&world->node, "a", "x");
    for (int i = 0; i < 5; i++) {
        hf_redis_server_do(world->server, "CLIENT KILL TYPE normal SKIPME yes");
        assert_holds(&world->node, "a", position, 1);
    }
}

static void server_that_answers_but_does_not_deliver_is_left(void **state)
{
    struct world *world = *state;
    world->second = hf_redis_server_start(NULL);
    start(world, NULL);
    char directory[] = "/tmp/hf-link-XXXXXX", path[64], next[64], address[80];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/redis", directory);
    snprintf(next, sizeof next, "%s/next", directory);
    snprintf(address, sizeof address, "unix://%s", path);
    assert_int_equal(symlink(hf_redis_server_unix(world->server) + 7, path), 0);
    world->node.config.redis.address = address;
    hf_store_client_connect(&world->node);
    assert_true(hf_store_client_listen(&world->node, "a"));

    /* The name now leads elsewhere, and only the command connection is made anew. */
    assert_int_equal(symlink(hf_redis_server_unix(world->second) + 7, next), 0);
    assert_int_equal(rename(next, path), 0);
    hf_redis_server_do(world->server, "CLIENT KILL TYPE normal SKIPME yes");
    assert_true(hf_store_client_wait_disconnects(&world->node, 1));
    assert_true(hf_store_client_wait_connects(&world->node, 2));
    assert_true(hf_store_client_listen(&world->node, "a"));
    publish(&world->node, "a", "x");
    assert_true(hf_store_client_wait_seen(&world->node, 1));
    assert_non_null(strstr(world->node.last_reason, "another server"));
    hf_store_client_close(&world->node);
    unlink(path);
    rmdir(directory);
}

static void replica_is_not_used_until_it_is_a_primary(void **state)
{
    struct world *world = start_connected(state);
    publish(&world->node, "a", "1");
    hf_redis_server_do(world->server, "REPLICAOF 127.0.0.1 1");
    struct hf_test_publish *waiting[2];
    waiting[0] = hf_store_client_send(&world->node, "a", hf_options_10, "2");
    waiting[1] = hf_store_client_send(&world->node, "a", hf_options_10, "3");
    assert_true(wait_reason(&world->node, "READONLY"));
    hf_redis_server_do(world->server, "REPLICAOF NO ONE");
    assert_true(hf_store_client_wait_connects(&world->node, 2));
    for (int i = 0; i < 2; i++) {
        assert_true(hf_store_client_wait_publish(&world->node, waiting[i]));
        assert_int_equal(waiting[i]->request.result, HF_OK);
        assert_int_equal(waiting[i]->request.position.offset, 2 + i);
        hf_test_publish_free(waiting[i]);
    }
}

static void loading_server_is_waited_for(void **state)
{
    struct world *world = *state;
    const char *const options[] = {"--key-load-delay", "500",
                                   "--loading-process-events-interval-bytes", "1024", NULL};
    start(world, options);
    hf_redis_server_do(world->server, "DEBUG POPULATE 3000 key 100");
    hf_redis_server_do(world->server, "SAVE");
    hf_redis_server_kill(world->server);
    hf_redis_server_launch_only(world->server);
    hf_store_client_open(&world->node);
    assert_true(wait_reason(&world->node, "LOADING"));
    assert_true(hf_store_client_wait_connects(&world->node, 1));
    publish(&world->node, "a", "x");
}

/* --- who we are ----------------------------------------------------------------------------- */

static void password_and_user_are_used_and_never_shown(void **state)
{
    struct world *world = *state;
    const char *const options[] = {"--requirepass", "s3cret", NULL};
    world->server = hf_redis_server_prepare(options);
    hf_redis_server_auth(world->server, "s3cret");
    hf_redis_server_launch(world->server);
    hf_redis_server_do(world->server, "ACL SETUSER node on >n0de ~holdfast:* &holdfast:* +@all");

    hf_store_client_init(&world->node, hf_redis_server_tcp(world->server));
    hf_store_client_open(&world->node);
    assert_true(wait_reason(&world->node, "NOAUTH"));
    hf_store_client_close(&world->node);

    hf_store_client_init(&world->node, hf_redis_server_tcp(world->server));
    world->node.config.redis.password = "wr0ng";
    hf_store_client_open(&world->node);
    assert_true(wait_reason(&world->node, "WRONGPASS"));
    assert_false(reason_has(&world->node, "wr0ng"));
    assert_null(strstr(world->node.log, "wr0ng"));
    hf_store_client_close(&world->node);

    hf_store_client_init(&world->node, hf_redis_server_tcp(world->server));
    world->node.config.redis.password = "s3cret";
    hf_store_client_connect(&world->node);
    publish(&world->node, "a", "x");

    char address[64];
    snprintf(address, sizeof address, "redis://node:n0de@%s", hf_redis_server_tcp(world->server));
    hf_store_client_init(&world->other, address);
    hf_store_client_connect(&world->other);
    assert_true(hf_store_client_listen(&world->other, "a"));
    assert_int_equal(publish(&world->other, "a", "y").offset, 2);
    assert_true(hf_store_client_wait_seen(&world->other, 1));
}

static void missing_permission_fails_the_request_and_is_logged(void **state)
{
    struct world *world = *state;
    start(world, NULL);
    hf_redis_server_do(world->server,
                       "ACL SETUSER node on >n0de ~holdfast:* &holdfast:* +@all -xadd");
    char address[64];
    snprintf(address, sizeof address, "redis://node:n0de@%s", hf_redis_server_tcp(world->server));
    world->node.config.redis.address = address;
    hf_store_client_connect(&world->node);
    assert_int_equal(hf_store_client_publish(&world->node, "a", hf_options_10, "x", NULL),
                     HF_ESTORE);
    assert_non_null(strstr(world->node.log, "can't run this command"));
    redisReply *reply = hf_redis_server_command(world->server, "DBSIZE");
    assert_int_equal(reply->integer, 0);
    freeReplyObject(reply);
}

/* The list in docs/redis-keys.md. */
static void documented_permissions_suffice(void **state)
{
    struct world *world = *state;
    start(world, NULL);
    hf_redis_server_do(
        world->server,
        "ACL SETUSER node on >n0de resetkeys ~holdfast:* resetchannels &holdfast:* "
        "-@all +auth +hello +client|setname +select +ping +script|load +eval "
        "+evalsha +get +set +setex +del +expire +time +xadd +xtrim +xrange +xrevrange "
        "+info +xinfo +publish +subscribe +unsubscribe");
    char address[64];
    snprintf(address, sizeof address, "redis://node:n0de@%s", hf_redis_server_tcp(world->server));
    world->node.config.redis.address = address;
    world->node.config.redis.client_name = "node-1";
    hf_store_client_connect(&world->node);
    assert_true(hf_store_client_listen(&world->node, "a"));
    struct hf_store_read create = {
        .channel = hf_bytes_of("a"), .options = hf_options_10, .create = true, .limit = 1};
    assert_int_equal(hf_store_client_read(&world->node, &create), HF_OK);
    struct hf_position first = publish(&world->node, "a", "x");
    assert_holds(&world->node, "a", first, 1);
    hf_redis_server_do(world->server, "DEL holdfast:meta:a");
    create.reverse = true;
    assert_int_equal(hf_store_client_read(&world->node, &create), HF_OK);
    hf_page_unref(create.page);
    assert_holds(&world->node, "a", first, 1);
    struct hf_store_mend mend = {
        .channel = hf_bytes_of("a"), .options = hf_options_10, .expected = first};
    assert_int_equal(hf_store_client_mend(&world->node, &mend), HF_OK);
    assert_int_equal(hf_store_client_remove(&world->node, "a"), HF_OK);
    assert_int_equal(hf_store_client_publish(&world->node, "a", hf_options_none, "x", NULL), HF_OK);
    assert_int_equal(hf_store_client_bus(&world->node, "x"), HF_OK);
    /* both publications, the removal, the bus */
    assert_true(hf_store_client_wait_seen(&world->node, 4));
    world->node.store->ops->unlisten(world->node.store, hf_bytes_of("a"));
    assert_true(hf_store_client_listen(&world->node, "b"));
    redisReply *reply = hf_redis_server_command(world->server, "CLIENT LIST");
    assert_non_null(strstr(reply->str, "name=node-1"));
    freeReplyObject(reply);
}

/* --- races ---------------------------------------------------------------------------------- */

/* A reader walks the stream in pages while another node writes it: no hole, no repeat. */
static void pages_connect_while_the_stream_is_written(void **state)
{
    struct world *world = start_connected(state);
    enum { COUNT = 2000 };
    const struct hf_stream_options options = {COUNT, 60, 60};
    hf_store_client_connect(&world->other);
    struct hf_position since = {0};
    uint64_t sent = 0;
    while (since.offset < COUNT) {
        struct hf_test_publish *publishes[50];
        int open = 0;
        for (; open < 50 && sent < COUNT; open++, sent++)
            publishes[open] = hf_store_client_send(&world->other, "a", options, "x");
        world->other.store->ops->flush(world->other.store);
        event_base_loop(world->other.base, EVLOOP_NONBLOCK);
        struct hf_store_read request = {.channel = hf_bytes_of("a"),
                                        .options = options,
                                        .limit = 37,
                                        .has_since = true,
                                        .since = since};
        assert_int_equal(hf_store_client_read(&world->node, &request), HF_OK);
        for (uint32_t i = 0; request.page != NULL && i < request.page->count; i++) {
            assert_int_equal(request.page->items[i]->position.offset, since.offset + 1);
            since = request.page->items[i]->position;
        }
        assert_int_equal(request.has_more, since.offset < request.top.offset);
        hf_page_unref(request.page);
        while (open > 0) {
            assert_true(hf_store_client_wait_publish(&world->other, publishes[--open]));
            hf_test_publish_free(publishes[open]);
        }
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_world, end_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(keys_and_entries_are_readable),
        CASE(pubsub_message_is_readable),
        CASE(database_is_kept_apart_in_keys_and_deliveries),
        CASE(bus_message_to_one_node_is_not_heard_by_the_other),
        CASE(two_nodes_share_one_stream),
        CASE(meta_key_deleted_keeps_epoch_and_offsets),
        CASE(stream_key_deleted_keeps_epoch_and_offsets),
        CASE(stream_behind_its_meta_key_goes_on_at_the_larger_position),
        CASE(stream_of_an_older_epoch_is_dropped),
        CASE(everything_flushed_starts_a_later_epoch),
        CASE(epoch_that_redis_has_lost_is_never_used_again),
        CASE(epoch_replaced_by_another_node_is_followed),
        CASE(lost_end_is_written_back),
        CASE(key_of_another_type_fails_its_channel_only),
        CASE(full_redis_refuses_publishes_and_serves_reads),
        CASE(pending_bytes_are_limited),
        CASE(forgotten_scripts_are_brought_again_in_order),
        CASE(server_down_at_start_fails_requests_in_time_and_is_found_later),
        CASE(killed_server_with_its_log_loses_nothing),
        CASE(restarted_empty_starts_a_later_epoch),
        CASE(frozen_server_fails_requests_in_time),
        CASE(killed_pubsub_connection_is_told_and_made_again),
        CASE(killed_command_connection_keeps_the_listens),
        CASE(read_in_flight_survives_a_broken_connection),
        CASE(server_that_answers_but_does_not_deliver_is_left),
        CASE(replica_is_not_used_until_it_is_a_primary),
        CASE(loading_server_is_waited_for),
        CASE(password_and_user_are_used_and_never_shown),
        CASE(missing_permission_fails_the_request_and_is_logged),
        CASE(documented_permissions_suffice),
        CASE(pages_connect_while_the_stream_is_written),
    };
    return cmocka_run_group_tests_name("redis", tests, NULL, NULL);
}
