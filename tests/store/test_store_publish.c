/* Publishing once: idempotency keys and versions on both stores, and how they look in Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loop.h"
#include "publish_world.h"

/* --- idempotency keys and versions: both stores --------------------------------------------- */

static void repeated_key_gets_the_first_position_and_is_not_delivered(void **state)
{
    struct hf_store_client *node = &((struct hf_publish_world *)*state)->node;
    assert_true(hf_store_client_listen(node, "a"));
    hf_publish_keyed(node, "a", "k", HF_PUBLISHED, 1);
    hf_publish_keyed(node, "a", "other", HF_PUBLISHED, 2);
    hf_publish_keyed(node, "a", "k", HF_PUBLISH_REPEATED, 1);
    hf_publish_keyed(node, "b", "k", HF_PUBLISHED, 1); /* keys are the channel's */
    assert_int_equal(hf_publish_plain(node, "a").offset, 3);
    assert_int_equal(hf_publish_top_of(node, "a", 3), 3);
    assert_true(hf_store_client_wait_seen(node, 3));
    assert_int_equal(node->seen_count, 3);
    assert_int_equal(node->seen[2].publication->position.offset, 3);
}

static void key_of_one_channel_is_never_that_of_another(void **state)
{
    struct hf_store_client *node = &((struct hf_publish_world *)*state)->node;
    hf_publish_keyed(node, "chat", "index:1", HF_PUBLISHED, 1);
    hf_publish_keyed(node, "chat:index", "1", HF_PUBLISHED, 1);
    hf_publish_keyed(node, "chat:index", "1", HF_PUBLISH_REPEATED, 1);
}

static void key_works_without_history(void **state)
{
    struct hf_store_client *node = &((struct hf_publish_world *)*state)->node;
    assert_true(hf_store_client_listen(node, "a"));
    for (int i = 0; i < 3; i++) {
        struct hf_sent sent = hf_publish_of("a", hf_options_none, "x");
        sent.request.idempotency_key = hf_bytes_of("k");
        hf_publish_start(node, &sent);
        hf_publish_await(node, &sent);
        hf_publish_assert_sent(&sent, i == 0 ? HF_PUBLISHED : HF_PUBLISH_REPEATED, 0);
        assert_int_equal(sent.request.position.epoch, 0);
    }
    assert_int_equal(hf_store_client_publish(node, "a", hf_options_none, "end", NULL), HF_OK);
    assert_true(hf_store_client_wait_seen(node, 2));
    assert_int_equal(node->seen_count, 2);
    assert_int_equal(node->seen[1].publication->fields.data.len, 3);
}

static void key_is_forgotten_after_its_time(void **state)
{
    struct hf_store_client *node = &((struct hf_publish_world *)*state)->node;
    struct hf_sent first = hf_publish_of("a", hf_options_10, "x");
    first.request.idempotency_key = hf_bytes_of("k");
    first.request.idempotency_ttl_s = 1;
    hf_publish_start(node, &first);
    hf_publish_await(node, &first);
    hf_publish_assert_sent(&first, HF_PUBLISHED, 1);
    hf_publish_keyed(node, "a", "k", HF_PUBLISH_REPEATED, 1);
    hf_loop_for(node->base, 1200);
    hf_publish_keyed(node, "a", "k", HF_PUBLISHED, 2);
}

static void version_that_is_not_newer_gets_the_top_and_moves_nothing(void **state)
{
    struct hf_store_client *node = &((struct hf_publish_world *)*state)->node;
    assert_true(hf_store_client_listen(node, "a"));
    hf_publish_versioned(node, 9, "", HF_PUBLISHED, 1);
    hf_publish_versioned(node, 9, "", HF_PUBLISH_OUTDATED, 1);
    hf_publish_versioned(node, 10, "", HF_PUBLISHED, 2);
    hf_publish_versioned(node, 9, "", HF_PUBLISH_OUTDATED, 2);
    assert_int_equal(hf_publish_plain(node, "a").offset, 3); /* keeps the last version */
    hf_publish_versioned(node, 10, "", HF_PUBLISH_OUTDATED, 3);
    hf_publish_versioned(node, UINT64_MAX, "", HF_PUBLISHED, 4);
    hf_publish_versioned(node, UINT64_MAX - 1, "", HF_PUBLISH_OUTDATED, 4);
    assert_int_equal(hf_publish_top_of(node, "a", 4), 4);
    assert_true(hf_store_client_wait_seen(node, 4));
    assert_int_equal(node->seen_count, 4);
    assert_int_equal(node->seen[1].publication->fields.version, 10);
}

static void version_of_another_epoch_starts_anew(void **state)
{
    struct hf_store_client *node = &((struct hf_publish_world *)*state)->node;
    hf_publish_versioned(node, 5, "one", HF_PUBLISHED, 1);
    hf_publish_versioned(node, 5, "one", HF_PUBLISH_OUTDATED, 1);
    hf_publish_versioned(node, 1, "two words", HF_PUBLISHED, 2);
    hf_publish_versioned(node, 1, "two words", HF_PUBLISH_OUTDATED, 2);
    hf_publish_versioned(node, 1, "", HF_PUBLISH_OUTDATED, 2);
    hf_publish_versioned(node, 5, "one", HF_PUBLISHED, 3);
}

static void outdated_publication_does_not_use_up_its_key(void **state)
{
    struct hf_store_client *node = &((struct hf_publish_world *)*state)->node;
    hf_publish_versioned(node, 5, "", HF_PUBLISHED, 1);
    struct hf_sent sent = hf_publish_of("a", hf_options_10, "x");
    sent.request.fields.version = 4;
    sent.request.idempotency_key = hf_bytes_of("k");
    hf_publish_start(node, &sent);
    hf_publish_await(node, &sent);
    hf_publish_assert_sent(&sent, HF_PUBLISH_OUTDATED, 1);
    hf_publish_keyed(node, "a", "k", HF_PUBLISHED, 2);
}

static void version_outlives_the_entries(void **state)
{
    struct hf_store_client *node = &((struct hf_publish_world *)*state)->node;
    hf_publish_versioned(node, 5, "", HF_PUBLISHED, 1);
    assert_int_equal(hf_store_client_remove(node, "a"), HF_OK);
    hf_publish_versioned(node, 5, "", HF_PUBLISH_OUTDATED, 1);
    hf_publish_versioned(node, 6, "", HF_PUBLISHED, 2);
}

static void keyed_and_plain_publications_keep_their_order(void **state)
{
    struct hf_store_client *node = &((struct hf_publish_world *)*state)->node;
    enum { COUNT = 60 };
    struct hf_sent sent[COUNT];
    char keys[COUNT][8];
    for (int i = 0; i < COUNT; i++) {
        sent[i] = hf_publish_of("a", hf_options_10, "x");
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        if (i % 3 == 1)
            sent[i].request.idempotency_key = hf_bytes_of(keys[i]);
        if (i % 3 == 2)
            sent[i].request.fields.version = (uint64_t)i;
        hf_publish_start(node, &sent[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        hf_publish_await(node, &sent[i]);
        hf_publish_assert_sent(&sent[i], HF_PUBLISHED, (uint64_t)i + 1);
    }
}

/* --- Redis: readable ------------------------------------------------------------------------ */

static void keys_hold_what_an_operator_can_read(void **state)
{
    struct hf_publish_world *world = *state;
    char expected[64];
    struct hf_sent sent = hf_publish_of("a", hf_options_10, "x");
    sent.request.idempotency_key = hf_bytes_of("order:17");
    sent.request.fields.version = 7;
    sent.request.fields.version_epoch = hf_bytes_of("v1");
    hf_publish_start(&world->node, &sent);
    hf_publish_await(&world->node, &sent);
    hf_publish_assert_sent(&sent, HF_PUBLISHED, 1);
    snprintf(expected, sizeof expected, "%llu-1", (unsigned long long)sent.request.position.epoch);

    redisReply *reply = hf_redis_server_command(world->server, "GET holdfast:idem:1:a:order:17");
    assert_string_equal(reply->str, expected);
    freeReplyObject(reply);
    reply = hf_redis_server_command(world->server, "TTL holdfast:idem:1:a:order:17");
    assert_in_range(reply->integer, 290, 300);
    freeReplyObject(reply);
    reply = hf_redis_server_command(world->server, "GET holdfast:version:a");
    assert_string_equal(reply->str, "7 v1");
    freeReplyObject(reply);
    reply = hf_redis_server_command(world->server, "TTL holdfast:version:a");
    assert_in_range(reply->integer, 110, 121);
    freeReplyObject(reply);
}

/* A node has it from what it heard. */
static void version_that_redis_has_lost_is_written_back_with_the_stream(void **state)
{
    struct hf_publish_world *world = *state;
    struct hf_publication *lost[2];
    char text[64];
    assert_true(hf_store_client_listen(&world->node, "a"));
    struct hf_sent sent = hf_publish_of("a", hf_options_10, "x");
    sent.request.fields.version = 7;
    sent.request.fields.version_epoch = hf_bytes_of("v1");
    hf_publish_start(&world->node, &sent);
    hf_publish_await(&world->node, &sent);
    struct hf_sent plain = hf_publish_of("a", hf_options_10, "y");
    hf_publish_start(&world->node, &plain);
    hf_publish_await(&world->node, &plain);
    assert_true(hf_store_client_wait_seen(&world->node, 2));
    for (int i = 0; i < 2; i++)
        lost[i] = hf_publication_ref(world->node.seen[i].publication);
    hf_redis_server_do(world->server, "DEL holdfast:stream:a holdfast:version:a");
    hf_redis_server_do(world->server, "SET holdfast:meta:a %llu-0",
                       (unsigned long long)sent.request.position.epoch);

    struct hf_store_mend mend = {.channel = hf_bytes_of("a"),
                                 .options = hf_options_10,
                                 .expected = {sent.request.position.epoch, 0},
                                 .page = hf_page_new(lost, 2)};
    assert_int_equal(hf_store_client_mend(&world->node, &mend), HF_OK);
    hf_page_unref(mend.page);
    for (int i = 0; i < 2; i++)
        hf_publication_unref(lost[i]);
    redisReply *reply = hf_redis_server_command(world->server, "GET holdfast:version:a");
    snprintf(text, sizeof text, "%s", reply->type == REDIS_REPLY_STRING ? reply->str : "none");
    freeReplyObject(reply);
    assert_string_equal(text, "7 v1");

    struct hf_sent older = hf_publish_of("a", hf_options_10, "older");
    older.request.fields.version = 6;
    older.request.fields.version_epoch = hf_bytes_of("v1");
    hf_publish_start(&world->node, &older);
    hf_publish_await(&world->node, &older);
    hf_publish_assert_sent(&older, HF_PUBLISH_OUTDATED, 2);
}

/* --------------------------------------------------------------------------------------------- */

#define CASES_OF_BOTH                                                                              \
    HF_PUBLISH_CASE(repeated_key_gets_the_first_position_and_is_not_delivered),                    \
        HF_PUBLISH_CASE(key_of_one_channel_is_never_that_of_another),                              \
        HF_PUBLISH_CASE(key_works_without_history),                                                \
        HF_PUBLISH_CASE(key_is_forgotten_after_its_time),                                          \
        HF_PUBLISH_CASE(version_that_is_not_newer_gets_the_top_and_moves_nothing),                 \
        HF_PUBLISH_CASE(version_of_another_epoch_starts_anew),                                     \
        HF_PUBLISH_CASE(outdated_publication_does_not_use_up_its_key),                             \
        HF_PUBLISH_CASE(version_outlives_the_entries),                                             \
        HF_PUBLISH_CASE(keyed_and_plain_publications_keep_their_order)

int main(void)
{
    const struct CMUnitTest memory[] = {CASES_OF_BOTH};
    const struct CMUnitTest redis[] = {
        CASES_OF_BOTH,
        HF_PUBLISH_CASE(keys_hold_what_an_operator_can_read),
        HF_PUBLISH_CASE(version_that_redis_has_lost_is_written_back_with_the_stream),
    };
    return cmocka_run_group_tests_name("memory", memory, hf_publish_memory_group, NULL) +
           cmocka_run_group_tests_name("redis", redis, hf_publish_redis_group, NULL);
}
