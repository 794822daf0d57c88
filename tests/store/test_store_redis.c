/* The Redis store against a real redis-server: what lies in it, and what happens when it is lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "loop.h"
#include "redis_world.h"

/* --- what lies in Redis --------------------------------------------------------------------- */

static void keys_and_entries_are_readable(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    char expected[64];
    struct hf_position first = hf_redis_world_publish(&world->node, "chat:main", "{\"a\":1.0}");
    hf_redis_world_publish(&world->node, "chat:main", "two");

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
    assert_in_range(reply->integer, 53, 61); /* a second longer than asked */
    freeReplyObject(reply);
    reply = hf_redis_server_command(world->server, "TTL holdfast:meta:chat:main");
    assert_in_range(reply->integer, 110, 121);
    freeReplyObject(reply);
    reply = hf_redis_server_command(world->server, "KEYS *");
    assert_int_equal(reply->elements, 3); /* and holdfast:life */
    freeReplyObject(reply);
}

static void pubsub_message_is_readable(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
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
    struct hf_redis_world *world = *state;
    hf_redis_world_start(world, NULL);
    world->node.config.redis.db = 3;
    hf_store_client_connect(&world->node);
    hf_store_client_connect(&world->other);
    assert_true(hf_store_client_listen(&world->node, "a"));
    assert_true(hf_store_client_listen(&world->other, "a"));
    hf_redis_world_publish(&world->other, "a", "in 0");
    hf_redis_world_publish(&world->node, "a", "in 3");
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
    struct hf_redis_world *world = *state;
    hf_redis_world_start(world, NULL);
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
    /* Redis sees the end of the connection a moment later. */
    int result;
    unsigned tries = 0;
    do {
        result = hf_store_client_bus_to(&world->node, "other", "too late");
        hf_loop_for(world->node.base, 10);
    } while (result == HF_OK && ++tries < 500);
    assert_int_equal(result, HF_ENONODE);
}

static void two_nodes_share_one_stream(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    hf_store_client_connect(&world->other);
    assert_true(hf_store_client_listen(&world->other, "a"));
    for (uint64_t i = 1; i <= 20; i += 2) {
        assert_int_equal(hf_redis_world_publish(&world->node, "a", "x").offset, i);
        assert_int_equal(hf_redis_world_publish(&world->other, "a", "y").offset, i + 1);
    }
    assert_true(hf_store_client_wait_seen(&world->other, 20));
    for (uint64_t i = 0; i < 20; i++)
        assert_int_equal(world->other.seen[i].publication->position.offset, i + 1);
}

/* --- keys that are lost --------------------------------------------------------------------- */

static void meta_key_deleted_keeps_epoch_and_offsets(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    hf_redis_world_publish(&world->node, "a", "1");
    struct hf_position second = hf_redis_world_publish(&world->node, "a", "2");
    hf_redis_server_do(world->server, "DEL holdfast:meta:a");
    hf_redis_world_holds(&world->node, "a", second, 1);
    struct hf_position third = hf_redis_world_publish(&world->node, "a", "3");
    assert_int_equal(third.epoch, second.epoch);
    assert_int_equal(third.offset, 3);

    /* The same for a node that does not know the epoch, on a stream that was emptied. */
    assert_int_equal(hf_store_client_remove(&world->node, "a"), HF_OK);
    hf_redis_server_do(world->server, "DEL holdfast:meta:a");
    hf_store_client_connect(&world->other);
    hf_redis_world_holds(&world->other, "a", third, 0);
    struct hf_store_read create = {
        .channel = hf_bytes_of("a"), .options = hf_options_10, .create = true};
    assert_int_equal(hf_store_client_read(&world->other, &create), HF_OK);
    assert_true(hf_position_equal(create.top, third));
    struct hf_position fourth = hf_redis_world_publish(&world->other, "a", "4");
    assert_int_equal(fourth.epoch, third.epoch);
    assert_int_equal(fourth.offset, 4);
    hf_redis_world_holds(&world->node, "a", fourth, 4);
}

static void stream_key_deleted_keeps_epoch_and_offsets(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    hf_redis_world_publish(&world->node, "a", "1");
    struct hf_position second = hf_redis_world_publish(&world->node, "a", "2");
    hf_redis_server_do(world->server, "DEL holdfast:stream:a");
    hf_redis_world_holds(&world->node, "a", second, 0);
    struct hf_position third = hf_redis_world_publish(&world->node, "a", "3");
    assert_int_equal(third.epoch, second.epoch);
    hf_redis_world_holds(&world->node, "a", (struct hf_position){second.epoch, 3}, 3);
}

static void stream_behind_its_meta_key_goes_on_at_the_larger_position(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    struct hf_position first = hf_redis_world_publish(&world->node, "a", "1");
    hf_redis_server_do(world->server, "SET holdfast:meta:a %llu-8",
                       (unsigned long long)first.epoch);
    /* Entry 1 connects to nothing any more. */
    hf_redis_world_holds(&world->node, "a", (struct hf_position){first.epoch, 8}, 0);
    hf_store_client_connect(&world->other); /* knows no epoch: the slow path */
    assert_int_equal(hf_redis_world_publish(&world->other, "a", "9").offset, 9);
    hf_redis_world_holds(&world->node, "a", (struct hf_position){first.epoch, 9}, 9);
}

static void stream_of_an_older_epoch_is_dropped(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    struct hf_position first = hf_redis_world_publish(&world->node, "a", "old");
    hf_redis_server_do(world->server, "SET holdfast:meta:a %llu-4",
                       (unsigned long long)first.epoch + 1);
    struct hf_position top = {first.epoch + 1, 4};
    hf_redis_world_holds(&world->node, "a", top, 0);
    top.offset = 5;
    assert_true(hf_position_equal(hf_redis_world_publish(&world->node, "a", "new"), top));
    hf_redis_world_holds(&world->node, "a", top, 5);
}

static void everything_flushed_starts_a_later_epoch(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    struct hf_position first = hf_redis_world_publish(&world->node, "a", "1");
    hf_redis_server_do(world->server, "FLUSHALL");
    struct hf_position second = hf_redis_world_publish(&world->node, "a", "2");
    assert_true(second.epoch > first.epoch);
    assert_int_equal(second.offset, 1);
    hf_redis_world_holds(&world->node, "a", second, 1);
}

static void epoch_that_redis_has_lost_is_never_used_again(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    struct hf_position first = hf_redis_world_publish(&world->node, "a", "1");
    redisReply *dump = hf_redis_server_command(world->server, "DUMP holdfast:stream:a");
    struct hf_store_mend mend = {
        .channel = hf_bytes_of("a"), .options = hf_options_10, .expected = first};
    assert_int_equal(hf_store_client_mend(&world->node, &mend), HF_OK);
    struct hf_position lost = hf_redis_world_publish(&world->node, "a", "2");
    assert_true(lost.epoch > first.epoch);

    /* Redis returns to before the new epoch, which the node still knows. */
    hf_redis_server_do(world->server, "RESTORE holdfast:stream:a 0 %b REPLACE", dump->str,
                       (size_t)dump->len);
    hf_redis_server_do(world->server, "SET holdfast:meta:a %llu-1",
                       (unsigned long long)first.epoch);
    freeReplyObject(dump);
    struct hf_position next = hf_redis_world_publish(&world->node, "a", "3");
    assert_true(next.epoch > lost.epoch);
    assert_int_equal(next.offset, 1);
    hf_redis_world_holds(&world->node, "a", next, 1);
}

static void epoch_replaced_by_another_node_is_followed(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    hf_store_client_connect(&world->other);
    struct hf_position first = hf_redis_world_publish(&world->node, "a", "1");
    struct hf_store_mend mend = {
        .channel = hf_bytes_of("a"), .options = hf_options_10, .expected = first};
    assert_int_equal(hf_store_client_mend(&world->other, &mend), HF_OK);
    struct hf_position second = hf_redis_world_publish(&world->other, "a", "2");
    assert_true(second.epoch > first.epoch);
    struct hf_position third = hf_redis_world_publish(&world->node, "a", "3");
    assert_int_equal(third.epoch, second.epoch);
    assert_int_equal(third.offset, 2);
}

static void lost_end_is_written_back(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    struct hf_position position = {0};
    char data[8];
    redisReply *dump = NULL;
    assert_true(hf_store_client_listen(&world->node, "a"));
    for (int i = 1; i <= 8; i++) {
        snprintf(data, sizeof data, "%d", i);
        position = hf_redis_world_publish(&world->node, "a", data);
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
    hf_redis_world_holds(&world->node, "a", position, 1);
    assert_int_equal(hf_store_client_mend(&world->node, &mend), HF_EUNRECOVERABLE);
    assert_int_equal(hf_redis_world_publish(&world->node, "a", "9").offset, 9);

    mend.expected.offset = 4; /* the page does not follow it */
    assert_int_equal(hf_store_client_mend(&world->node, &mend), HF_EINVAL);
    hf_page_unref(mend.page);
    for (int i = 0; i < 3; i++)
        hf_publication_unref(lost[i]);
}

/* The expiry is set once a second at most; what is published between leaves the keys theirs. */
static void keys_lost_under_a_busy_channel_come_back_with_their_expiry(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    static const char *const keys[] = {"meta", "stream"};
    for (size_t i = 0; i < 2; i++) {
        hf_redis_world_publish(&world->node, "a", "x");
        hf_redis_world_publish(&world->node, "a", "x");
        hf_redis_server_do(world->server, i == 0 ? "DEL holdfast:meta:a" : "DEL holdfast:stream:a");
        struct hf_position top = hf_redis_world_publish(&world->node, "a", "x");
        assert_int_equal(top.offset, 3 * (i + 1));
        for (size_t j = 0; j < 2; j++) {
            redisReply *reply =
                hf_redis_server_command(world->server, "TTL holdfast:%s:a", keys[j]);
            assert_in_range(reply->integer, 53, 121);
            freeReplyObject(reply);
        }
    }
}

static void expiry_is_set_anew_when_it_is_a_second_old(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    hf_redis_world_publish(&world->node, "a", "x");
    hf_redis_server_do(world->server, "EXPIRE holdfast:stream:a 30");
    hf_redis_server_do(world->server, "EXPIRE holdfast:meta:a 30");
    uint64_t begin_ms = hf_test_now_ms();
    while (hf_test_now_ms() - begin_ms < 1100)
        hf_redis_world_publish(&world->node, "a", "x");
    static const char *const keys[] = {"meta", "stream"};
    for (size_t j = 0; j < 2; j++) {
        redisReply *reply = hf_redis_server_command(world->server, "TTL holdfast:%s:a", keys[j]);
        assert_in_range(reply->integer, 53, 121);
        freeReplyObject(reply);
    }
}

/* --- refusals ------------------------------------------------------------------------------- */

static void key_of_another_type_fails_its_channel_only(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
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
    struct hf_redis_world *world = hf_redis_world_connected(state);
    struct hf_position first = hf_redis_world_publish(&world->node, "a", "1");
    hf_redis_server_do(world->server, "CONFIG SET maxmemory 1");
    assert_int_equal(hf_store_client_publish(&world->node, "a", hf_options_10, "2", NULL),
                     HF_ESTORE);
    assert_int_equal(hf_store_client_publish(&world->node, "new", hf_options_10, "2", NULL),
                     HF_ESTORE);
    hf_redis_world_holds(&world->node, "a", first, 1);
    hf_redis_server_do(world->server, "CONFIG SET maxmemory 0");
    assert_int_equal(hf_redis_world_publish(&world->node, "a", "2").offset, 2);
}

static void pending_bytes_are_limited(void **state)
{
    struct hf_redis_world *world = *state;
    hf_redis_world_start(world, NULL);
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
    assert_int_equal(hf_redis_world_publish(&world->node, "a", data).offset, 3);
}

/* Held publishes (S7) wait until the nodes have compared and told each other so: that must get
 * through a queue that is full of them. */
static void full_queue_lets_through_what_it_waits_for(void **state)
{
    struct hf_redis_world *world = *state;
    hf_redis_world_start(world, NULL);
    world->node.config.pending_requests_max = 3;
    world->node.keeps_fence = true;
    hf_store_client_connect(&world->node);
    struct hf_test_publish *publishes[4];
    for (int i = 0; i < 4; i++)
        publishes[i] = hf_store_client_send(&world->node, "a", hf_options_10, "x");
    world->node.store->ops->flush(world->node.store);
    assert_true(hf_store_client_wait_publish(&world->node, publishes[3]));
    assert_int_equal(publishes[3]->request.result, HF_ELIMIT);

    struct hf_store_read read = {
        .channel = hf_bytes_of("a"), .options = hf_options_10, .limit = 10, .create = true};
    assert_int_equal(hf_store_client_read(&world->node, &read), HF_OK);
    struct hf_store_mend mend = {
        .channel = hf_bytes_of("a"), .options = hf_options_10, .expected = read.top};
    assert_int_equal(hf_store_client_mend(&world->node, &mend), HF_OK);
    assert_int_equal(hf_store_client_bus(&world->node, "checked"), HF_OK);
    assert_false(publishes[0]->is_done);
    world->node.store->ops->admit(world->node.store, world->node.life);
    for (int i = 0; i < 4; i++) {
        assert_true(hf_store_client_wait_publish(&world->node, publishes[i]));
        assert_int_equal(publishes[i]->request.result, i < 3 ? HF_OK : HF_ELIMIT);
        hf_test_publish_free(publishes[i]);
    }
}

/* --- scripts -------------------------------------------------------------------------------- */

static void forgotten_scripts_are_brought_again_in_order(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
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

/* --- races ---------------------------------------------------------------------------------- */

/* A reader walks the stream in pages while another node writes it: no hole, no repeat. */
static void pages_connect_while_the_stream_is_written(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
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

#define CASE(name) cmocka_unit_test_setup_teardown(name, hf_redis_world_make, hf_redis_world_end)

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
        CASE(keys_lost_under_a_busy_channel_come_back_with_their_expiry),
        CASE(expiry_is_set_anew_when_it_is_a_second_old),
        CASE(key_of_another_type_fails_its_channel_only),
        CASE(full_redis_refuses_publishes_and_serves_reads),
        CASE(pending_bytes_are_limited),
        CASE(full_queue_lets_through_what_it_waits_for),
        CASE(forgotten_scripts_are_brought_again_in_order),
        CASE(pages_connect_while_the_stream_is_written),
    };
    return cmocka_run_group_tests_name("redis", tests, NULL, NULL);
}
