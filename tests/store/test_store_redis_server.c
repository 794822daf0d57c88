/* The Redis store against a real redis-server: what happens when that fails or refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "loop.h"
#include "redis_world.h"
#include "store/redis_store.h"

/* --- connections ---------------------------------------------------------------------------- */

static void server_down_at_start_fails_requests_in_time_and_is_found_later(void **state)
{
    struct hf_redis_world *world = *state;
    world->server = hf_redis_server_prepare(NULL);
    hf_store_client_init(&world->node, hf_redis_server_tcp(world->server));
    world->node.config.wait_ms = 300;
    hf_store_client_open(&world->node);
    assert_true(hf_redis_world_reason_has(&world->node, "not connected yet"));
    uint64_t begin_ms = hf_test_now_ms();
    assert_int_equal(hf_store_client_publish(&world->node, "a", hf_options_10, "x", NULL),
                     HF_EUNAVAILABLE);
    struct hf_store_read request = {.channel = hf_bytes_of("a"), .limit = 1};
    assert_int_equal(hf_store_client_read(&world->node, &request), HF_EUNAVAILABLE);
    assert_in_range(hf_test_now_ms() - begin_ms, 500, 5000);
    assert_true(hf_redis_world_reason_has(&world->node, "refused"));
    assert_int_equal(world->node.connects, 0);

    world->node.store->ops->listen(world->node.store, hf_bytes_of("early"));
    hf_redis_server_launch(world->server);
    assert_true(hf_store_client_wait_connects(&world->node, 1));
    hf_redis_world_publish(&world->node, "a", "x");
    assert_true(hf_store_client_wait_seen(&world->node, 1)); /* what was wished for meanwhile */
    assert_string_equal(world->node.seen[0].channel, "early");
}

static void killed_server_with_its_log_loses_nothing(void **state)
{
    struct hf_redis_world *world = *state;
    const char *const options[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
    hf_redis_world_start(world, options);
    hf_store_client_connect(&world->node);
    assert_true(hf_store_client_listen(&world->node, "a"));
    struct hf_position position = {0};
    for (int i = 0; i < 5; i++)
        position = hf_redis_world_publish(&world->node, "a", "x");
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
    hf_redis_world_holds(&world->node, "a", waiting->request.position, 1);

    hf_redis_world_publish(&world->node, "a", "x"); /* every listen was forgotten */
    hf_loop_for(world->node.base, 50);
    assert_int_equal(world->node.seen_count, 5);
    assert_true(hf_store_client_listen(&world->node, "a"));
    hf_redis_world_publish(&world->node, "a", "x");
    assert_true(hf_store_client_wait_seen(&world->node, 6));
    assert_int_equal(world->node.seen[5].publication->position.offset, 8);
    hf_test_publish_free(waiting);
}

static void restarted_empty_starts_a_later_epoch(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    struct hf_position first = hf_redis_world_publish(&world->node, "a", "x");
    uint64_t life = world->node.life;
    hf_redis_server_kill(world->server);
    assert_true(hf_store_client_wait_disconnects(&world->node, 1));
    hf_redis_server_restart(world->server);
    assert_true(hf_store_client_wait_connects(&world->node, 2));
    assert_true(world->node.life != life && world->node.life != 0);
    assert_int_equal(hf_redis_world_read(&world->node, "a").top.epoch, 0);
    struct hf_position second = hf_redis_world_publish(&world->node, "a", "x");
    assert_true(second.epoch > first.epoch);
    assert_int_equal(second.offset, 1);
}

static void frozen_server_fails_requests_in_time(void **state)
{
    struct hf_redis_world *world = *state;
    hf_redis_world_start(world, NULL);
    world->node.config.redis.io_timeout_ms = 400;
    world->node.config.wait_ms = 400;
    hf_store_client_connect(&world->node);
    hf_redis_world_publish(&world->node, "a", "x");
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
    assert_in_range(hf_redis_world_publish(&world->node, "a", "x").offset, 2, 3);
}

static uint64_t cpu_ms(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

/* Each has its place among those that wait; with a search from the first on, these take 1.5 s of a
 * processor's time, of the one thread that all streams depend on. */
static void lost_connection_with_many_requests_in_flight_costs_little_time(void **state)
{
    struct hf_redis_world *world = *state;
    enum { COUNT = 20000, PER_TURN = 20 };
    static struct hf_test_publish *publishes[COUNT];
    hf_redis_world_start(world, NULL);
    world->node.config.wait_ms = world->node.config.redis.io_timeout_ms = HF_TEST_DEADLINE_MS * 2;
    hf_store_client_connect(&world->node);
    hf_redis_server_stop(world->server);
    for (int i = 0; i < COUNT; i++) {
        char channel[16];
        snprintf(channel, sizeof channel, "%d", i);
        publishes[i] = hf_store_client_send(&world->node, channel, hf_options_10, "x");
        if (i % PER_TURN == PER_TURN - 1) {
            world->node.store->ops->flush(world->node.store);
            hf_loop_for(world->node.base, 1); /* their deadlines are different ones */
        }
    }
    hf_redis_server_kill(world->server);
    uint64_t begin_ms = cpu_ms();
    assert_true(hf_store_client_wait_disconnects(&world->node, 1));
    hf_loop_for(world->node.base, 100); /* both connections */
    assert_true(cpu_ms() - begin_ms < 500);
    hf_store_client_close(&world->node);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(publishes[i]->request.result, HF_ECLOSED);
        hf_test_publish_free(publishes[i]);
    }
}

static void killed_pubsub_connection_is_told_and_made_again(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
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
    hf_redis_world_publish(&world->node, "a", "x");
    assert_true(hf_store_client_wait_seen(&world->node, 1));
}

static void killed_command_connection_keeps_the_listens(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
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
    hf_redis_world_read(&world->node, "a");
}

static void read_in_flight_survives_a_broken_connection(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    struct hf_position position = hf_redis_world_publish(&world->node, "a", "x");
    for (int i = 0; i < 5; i++) {
        hf_redis_server_do(world->server, "CLIENT KILL TYPE normal SKIPME yes");
        hf_redis_world_holds(&world->node, "a", position, 1);
    }
}

static void server_that_answers_but_does_not_deliver_is_left(void **state)
{
    struct hf_redis_world *world = *state;
    world->second = hf_redis_server_start(NULL);
    hf_redis_world_start(world, NULL);
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
    hf_redis_world_publish(&world->node, "a", "x");
    assert_true(hf_store_client_wait_seen(&world->node, 1));
    assert_non_null(strstr(world->node.last_reason, "another server"));
    hf_store_client_close(&world->node);
    unlink(path);
    rmdir(directory);
}

static void replica_is_not_used_until_it_is_a_primary(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    hf_redis_world_publish(&world->node, "a", "1");
    hf_redis_server_do(world->server, "REPLICAOF 127.0.0.1 1");
    struct hf_test_publish *waiting[2];
    waiting[0] = hf_store_client_send(&world->node, "a", hf_options_10, "2");
    waiting[1] = hf_store_client_send(&world->node, "a", hf_options_10, "3");
    assert_true(hf_redis_world_wait_reason(&world->node, "READONLY"));
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
    struct hf_redis_world *world = *state;
    const char *const options[] = {"--key-load-delay", "500",
                                   "--loading-process-events-interval-bytes", "1024", NULL};
    hf_redis_world_start(world, options);
    hf_redis_server_do(world->server, "DEBUG POPULATE 3000 key 100");
    hf_redis_server_do(world->server, "SAVE");
    hf_redis_server_kill(world->server);
    hf_redis_server_launch_only(world->server);
    hf_store_client_open(&world->node);
    assert_true(hf_redis_world_wait_reason(&world->node, "LOADING"));
    assert_true(hf_store_client_wait_connects(&world->node, 1));
    hf_redis_world_publish(&world->node, "a", "x");
}

/* --- who we are ----------------------------------------------------------------------------- */

static void password_and_user_are_used_and_never_shown(void **state)
{
    struct hf_redis_world *world = *state;
    const char *const options[] = {"--requirepass", "s3cret", NULL};
    world->server = hf_redis_server_prepare(options);
    hf_redis_server_auth(world->server, "s3cret");
    hf_redis_server_launch(world->server);
    hf_redis_server_do(world->server, "ACL SETUSER node on >n0de ~holdfast:* &holdfast:* +@all");

    hf_store_client_init(&world->node, hf_redis_server_tcp(world->server));
    hf_store_client_open(&world->node);
    assert_true(hf_redis_world_wait_reason(&world->node, "NOAUTH"));
    hf_store_client_close(&world->node);

    hf_store_client_init(&world->node, hf_redis_server_tcp(world->server));
    world->node.config.redis.password = "wr0ng";
    hf_store_client_open(&world->node);
    assert_true(hf_redis_world_wait_reason(&world->node, "WRONGPASS"));
    assert_false(hf_redis_world_reason_has(&world->node, "wr0ng"));
    assert_null(strstr(world->node.log, "wr0ng"));
    hf_store_client_close(&world->node);

    hf_store_client_init(&world->node, hf_redis_server_tcp(world->server));
    world->node.config.redis.password = "s3cret";
    hf_store_client_connect(&world->node);
    hf_redis_world_publish(&world->node, "a", "x");

    char address[64];
    snprintf(address, sizeof address, "redis://node:n0de@%s", hf_redis_server_tcp(world->server));
    hf_store_client_init(&world->other, address);
    hf_store_client_connect(&world->other);
    assert_true(hf_store_client_listen(&world->other, "a"));
    assert_int_equal(hf_redis_world_publish(&world->other, "a", "y").offset, 2);
    assert_true(hf_store_client_wait_seen(&world->other, 1));
}

static void missing_permission_fails_the_request_and_is_logged(void **state)
{
    struct hf_redis_world *world = *state;
    hf_redis_world_start(world, NULL);
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
    assert_int_equal(reply->integer, 1); /* holdfast:life */
    freeReplyObject(reply);
}

/* It is closed on the loop's next turn, but not connected from now on. */
static void connection_that_is_given_up_says_why_at_once(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    struct hf_store_status status;
    hf_redis_reconnect((struct hf_redis_store *)world->node.store, "told to");
    world->node.store->ops->status(world->node.store, &status);
    assert_false(status.is_connected);
    assert_true(hf_redis_world_reason_has(&world->node, "Redis at"));
    assert_true(hf_redis_world_reason_has(&world->node, "told to"));
    assert_true(hf_store_client_wait_connects(&world->node, 2));
}

/* Who comes to a life that nobody has admitted yet is told so (fence.h). */
static void life_that_was_admitted_last_is_told_on_connecting(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    assert_int_equal(world->node.admitted.count, 0); /* nothing was there to lose */
    hf_redis_world_publish(&world->node, "a", "x");
    char noted[17];
    snprintf(noted, sizeof noted, "%llx", (unsigned long long)world->node.life);
    redisReply *reply = hf_redis_server_command(world->server, "GET holdfast:life");
    assert_string_equal(reply->str, noted);
    freeReplyObject(reply);
    const uint64_t first = world->node.life;
    hf_redis_server_do(world->server, "SAVE");
    world->node.keeps_fence = true;
    hf_redis_server_kill(world->server);
    hf_redis_server_restart(world->server);
    assert_true(hf_store_client_wait_connects(&world->node, 2));
    assert_true(world->node.life != first);
    assert_true(hf_lives_newest(&world->node.admitted) == first);
    world->node.store->ops->admit(world->node.store, world->node.life);
    hf_redis_world_publish(&world->node, "a", "y"); /* goes out behind it */
    hf_store_client_close(&world->node);
    hf_store_client_open(&world->node);
    assert_true(hf_store_client_wait_connects(&world->node, 3));
    assert_int_equal(world->node.admitted.count, 2);
    assert_true(world->node.admitted.lives[0] == world->node.life);
    assert_true(world->node.admitted.lives[1] == first);
}

/* Redis is killed, starts with what it saved last, and the node sees what is left. */
static void lose_what_was_not_saved(struct hf_redis_world *world, unsigned connects)
{
    hf_redis_server_kill(world->server);
    hf_redis_server_restart(world->server);
    assert_true(hf_store_client_wait_connects(&world->node, connects));
}

static void life_that_was_admitted_after_the_data_was_saved_is_missing_from_it(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    hf_redis_world_publish(&world->node, "a", "1");
    const uint64_t first = world->node.life;
    hf_redis_server_do(world->server, "SAVE");
    lose_what_was_not_saved(world, 2);
    const uint64_t second = world->node.life;
    hf_redis_world_publish(&world->node, "a", "2");
    lose_what_was_not_saved(world, 3);
    assert_false(hf_lives_lack(&world->node.admitted, first));
    assert_true(hf_lives_lack(&world->node.admitted, second));
    hf_redis_world_publish(&world->node, "a", "3");
    hf_redis_server_do(world->server, "SAVE");
    const uint64_t third = world->node.life;
    lose_what_was_not_saved(world, 4);
    assert_int_equal(world->node.admitted.count, 2);
    assert_true(world->node.admitted.lives[0] == third);
    assert_true(world->node.admitted.lives[1] == first);
}

static void nodes_that_admit_the_same_life_note_it_once(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    hf_redis_world_publish(&world->node, "a", "1");
    hf_redis_server_do(world->server, "SAVE");
    hf_store_client_init(&world->other, hf_redis_server_tcp(world->server));
    hf_store_client_connect(&world->other);
    hf_redis_server_kill(world->server);
    hf_redis_server_restart(world->server);
    assert_true(hf_store_client_wait_connects(&world->node, 2));
    assert_true(hf_store_client_wait_connects(&world->other, 2));
    hf_redis_world_publish(&world->node, "a", "2");
    hf_redis_world_publish(&world->other, "a", "3");
    hf_store_client_close(&world->other);
    hf_store_client_open(&world->other);
    assert_true(hf_store_client_wait_connects(&world->other, 3));
    assert_int_equal(world->other.admitted.count, 2);
    assert_true(world->other.admitted.lives[0] == world->node.life);
}

/* Neither a list that is cut short nor one that cannot be read says that anything is missing. */
static void lives_that_are_not_known_are_not_missing(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    hf_redis_server_do(world->server, "SET holdfast:life 22_11");
    hf_store_client_close(&world->node);
    hf_store_client_open(&world->node);
    assert_true(hf_store_client_wait_connects(&world->node, 2));
    assert_true(world->node.admitted.lives[0] == 0x22);
    assert_false(hf_lives_lack(&world->node.admitted, 0x33));
    redisReply *reply = hf_redis_server_command(world->server, "SET holdfast:life %s",
                                                "10 f e d c b a 9 8 7 6 5 4 3 2 1");
    freeReplyObject(reply);
    hf_store_client_close(&world->node);
    hf_store_client_open(&world->node);
    assert_true(hf_store_client_wait_connects(&world->node, 3));
    assert_int_equal(world->node.admitted.count, HF_LIVES_MAX);
    hf_redis_world_publish(&world->node, "a", "x"); /* 1 goes */
    char noted[80];
    snprintf(noted, sizeof noted, "%llx 10 f e d c b a 9 8 7 6 5 4 3 2",
             (unsigned long long)world->node.life);
    reply = hf_redis_server_command(world->server, "GET holdfast:life");
    assert_string_equal(reply->str, noted);
    freeReplyObject(reply);
}

static void life_that_answers_a_read_is_told_and_no_other_is_mended(void **state)
{
    struct hf_redis_world *world = hf_redis_world_connected(state);
    struct hf_position first = hf_redis_world_publish(&world->node, "a", "1");
    struct hf_store_read read = {.channel = hf_bytes_of("a"), .limit = 1};
    assert_int_equal(hf_store_client_read(&world->node, &read), HF_OK);
    assert_true(read.life == world->node.life && read.life != 0);
    hf_page_unref(read.page);
    hf_redis_server_do(world->server, "SAVE");
    hf_redis_server_kill(world->server);
    hf_redis_server_restart(world->server);
    assert_true(hf_store_client_wait_connects(&world->node, 2));
    struct hf_store_mend mend = {.channel = hf_bytes_of("a"),
                                 .options = hf_options_10,
                                 .expected = first,
                                 .life = read.life};
    assert_int_equal(hf_store_client_mend(&world->node, &mend), HF_EUNRECOVERABLE);
    assert_int_equal(hf_store_client_read(&world->node, &read), HF_OK);
    assert_true(read.life == world->node.life && read.life != mend.life);
    assert_true(hf_position_equal(read.top, first));
    hf_page_unref(read.page);
    mend.life = read.life;
    assert_int_equal(hf_store_client_mend(&world->node, &mend), HF_OK);
}

/* What waited for the connection goes out with it, but behind the note: no snapshot holds a stream
 * and no life. */
static void life_is_noted_before_the_first_stream_is_made(void **state)
{
    struct hf_redis_world *world = *state;
    hf_redis_world_start(world, NULL);
    hf_redis_server_do(world->server, "CONFIG SET slowlog-log-slower-than 0");
    hf_store_client_open(&world->node);
    struct hf_store_read request = {
        .channel = hf_bytes_of("a"), .options = hf_options_10, .limit = 1, .create = true};
    assert_int_equal(hf_store_client_read(&world->node, &request), HF_OK);
    redisReply *log = hf_redis_server_command(world->server, "SLOWLOG GET -1"); /* newest first */
    int noted = -1, created = -1;
    for (int i = 0; i < (int)log->elements; i++) {
        const redisReply *command = log->element[i]->element[3];
        bool is_note = strcasecmp(command->element[0]->str, "SET") == 0 &&
                       strcmp(command->element[1]->str, "holdfast:life") == 0;
        noted = is_note ? i : noted;
        if (strncasecmp(command->element[0]->str, "EVAL", 4) == 0) {
            created = i;
        }
    }
    assert_true(created >= 0);
    assert_true(noted > created);
    freeReplyObject(log);
}

/* Who is in step must never find a life there that is older than what was published. */
static void life_that_redis_refused_to_note_is_noted_before_the_next_publication(void **state)
{
    struct hf_redis_world *world = *state;
    hf_redis_world_start(world, NULL);
    hf_redis_server_do(world->server, "CONFIG SET maxmemory 1");
    hf_store_client_connect(&world->node);
    assert_int_equal(hf_store_client_publish(&world->node, "a", hf_options_10, "x", NULL),
                     HF_ESTORE);
    hf_redis_server_do(world->server, "CONFIG SET maxmemory 0");
    hf_redis_world_publish(&world->node, "a", "y");
    redisReply *reply = hf_redis_server_command(world->server, "GET holdfast:life");
    char noted[17];
    snprintf(noted, sizeof noted, "%llx", (unsigned long long)world->node.life);
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    assert_string_equal(reply->str, noted);
    freeReplyObject(reply);
}

/* The list in docs/redis-keys.md. */
static void documented_permissions_suffice(void **state)
{
    struct hf_redis_world *world = *state;
    hf_redis_world_start(world, NULL);
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
    struct hf_position first = hf_redis_world_publish(&world->node, "a", "x");
    hf_redis_world_holds(&world->node, "a", first, 1);
    hf_redis_server_do(world->server, "DEL holdfast:meta:a");
    create.reverse = true;
    assert_int_equal(hf_store_client_read(&world->node, &create), HF_OK);
    hf_page_unref(create.page);
    hf_redis_world_holds(&world->node, "a", first, 1);
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

#define CASE(name) cmocka_unit_test_setup_teardown(name, hf_redis_world_make, hf_redis_world_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(server_down_at_start_fails_requests_in_time_and_is_found_later),
        CASE(killed_server_with_its_log_loses_nothing),
        CASE(restarted_empty_starts_a_later_epoch),
        CASE(frozen_server_fails_requests_in_time),
        CASE(lost_connection_with_many_requests_in_flight_costs_little_time),
        CASE(killed_pubsub_connection_is_told_and_made_again),
        CASE(killed_command_connection_keeps_the_listens),
        CASE(read_in_flight_survives_a_broken_connection),
        CASE(server_that_answers_but_does_not_deliver_is_left),
        CASE(replica_is_not_used_until_it_is_a_primary),
        CASE(loading_server_is_waited_for),
        CASE(password_and_user_are_used_and_never_shown),
        CASE(missing_permission_fails_the_request_and_is_logged),
        CASE(connection_that_is_given_up_says_why_at_once),
        CASE(life_that_was_admitted_last_is_told_on_connecting),
        CASE(life_that_was_admitted_after_the_data_was_saved_is_missing_from_it),
        CASE(nodes_that_admit_the_same_life_note_it_once),
        CASE(lives_that_are_not_known_are_not_missing),
        CASE(life_that_answers_a_read_is_told_and_no_other_is_mended),
        CASE(life_is_noted_before_the_first_stream_is_made),
        CASE(life_that_redis_refused_to_note_is_noted_before_the_next_publication),
        CASE(documented_permissions_suffice),
    };
    return cmocka_run_group_tests_name("redis server", tests, NULL, NULL);
}
