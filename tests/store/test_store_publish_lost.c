/* What becomes of a publication whose reply Redis gave and nobody got (PEERS C16, C17). */
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
#include "publish_world.h"

static bool has_lost(void *context)
{
    return hf_proxy_lost_bytes(context) > 0;
}

/* What is sent now is carried out, and its reply lost. */
static void lose_reply(struct hf_publish_world *world, struct hf_sent *sent, int count)
{
    hf_proxy_lose_replies(world->proxy, HF_PROXY_COMMANDS, true);
    for (int i = 0; i < count; i++)
        world->node.store->ops->publish(world->node.store, &sent[i].request);
    world->node.store->ops->flush(world->node.store);
    assert_true(hf_loop_until(world->node.base, has_lost, world->proxy, HF_TEST_DEADLINE_MS));
}

static void reconnect(struct hf_publish_world *world)
{
    hf_proxy_lose_replies(world->proxy, HF_PROXY_COMMANDS, false);
    hf_proxy_cut(world->proxy, HF_PROXY_COMMANDS);
}

static void C16_lost_reply_gives_one_offset(void **state)
{
    struct hf_publish_world *world = *state;
    hf_publish_plain(&world->node, "a");
    struct hf_sent sent[] = {hf_publish_of("a", hf_options_10, "x"),
                             hf_publish_of("a", hf_options_10, "y"),
                             hf_publish_of("a", hf_options_10, "z")};
    lose_reply(world, sent, 3);
    reconnect(world);
    for (int i = 0; i < 3; i++) {
        hf_publish_await(&world->node, &sent[i]);
        hf_publish_assert_sent(&sent[i], HF_PUBLISHED, 2 + (uint64_t)i);
    }
    assert_int_equal(hf_publish_top_of(&world->node, "a", 4), 4);
    assert_int_equal(hf_publish_plain(&world->node, "a").offset, 5);
}

static void lost_reply_is_found_behind_the_publications_of_others(void **state)
{
    struct hf_publish_world *world = *state;
    hf_publish_plain(&world->node, "a");
    struct hf_sent sent = hf_publish_of("a", hf_options_10, "x");
    lose_reply(world, &sent, 1);
    for (int i = 0; i < 5; i++)
        hf_publish_plain(&world->other, "a");
    reconnect(world);
    hf_publish_await(&world->node, &sent);
    hf_publish_assert_sent(&sent, HF_PUBLISHED, 2);
    assert_int_equal(hf_publish_top_of(&world->node, "a", 7), 7);
}

static void lost_reply_is_found_where_no_position_was_known(void **state)
{
    struct hf_publish_world *world = *state;
    hf_publish_plain(&world->other, "a");
    struct hf_sent sent = hf_publish_of("a", hf_options_10, "x");
    lose_reply(world, &sent, 1);
    reconnect(world);
    hf_publish_await(&world->node, &sent);
    hf_publish_assert_sent(&sent, HF_PUBLISHED, 2);
    assert_int_equal(hf_publish_top_of(&world->node, "a", 2), 2);
}

static void call_that_never_arrived_is_carried_out_once(void **state)
{
    struct hf_publish_world *world = *state;
    hf_publish_plain(&world->node, "a");
    hf_proxy_hold(world->proxy, true);
    struct hf_sent sent = hf_publish_of("a", hf_options_10, "x");
    hf_publish_start(&world->node, &sent);
    hf_loop_for(world->node.base, 50);
    hf_publish_plain(&world->other, "a");
    hf_proxy_cut(world->proxy, HF_PROXY_ALL);
    hf_proxy_hold(world->proxy, false);
    hf_publish_await(&world->node, &sent);
    hf_publish_assert_sent(&sent, HF_PUBLISHED, 3);
    assert_int_equal(hf_publish_top_of(&world->node, "a", 3), 3);
}

static void several_lost_attempts_give_one_offset(void **state)
{
    struct hf_publish_world *world = *state;
    world->node.config.wait_ms = 10000;
    hf_publish_plain(&world->node, "a");
    struct hf_sent sent = hf_publish_of("a", hf_options_10, "x");
    lose_reply(world, &sent, 1);
    for (int i = 0; i < 3; i++) {
        hf_proxy_cut(world->proxy, HF_PROXY_COMMANDS); /* the greeting's replies are lost, too */
        hf_loop_for(world->node.base, 50);
    }
    reconnect(world);
    hf_publish_await(&world->node, &sent);
    hf_publish_assert_sent(&sent, HF_PUBLISHED, 2);
    assert_int_equal(hf_publish_top_of(&world->node, "a", 2), 2);
}

static void entry_that_was_trimmed_away_leaves_the_outcome_unknown(void **state)
{
    struct hf_publish_world *world = *state;
    hf_publish_plain(&world->node, "a");
    struct hf_sent sent = hf_publish_of("a", hf_options_10, "x");
    lose_reply(world, &sent, 1);
    for (int i = 0; i < 20; i++)
        hf_publish_plain(&world->other, "a");
    reconnect(world);
    hf_publish_await(&world->node, &sent);
    assert_int_equal(sent.request.result, HF_EUNKNOWN);
    assert_int_equal(hf_publish_top_of(&world->node, "a", 10), 22);
}

static void entry_that_was_removed_leaves_the_outcome_unknown(void **state)
{
    struct hf_publish_world *world = *state;
    hf_publish_plain(&world->node, "a");
    struct hf_sent sent = hf_publish_of("a", hf_options_10, "x");
    lose_reply(world, &sent, 1);
    assert_int_equal(hf_store_client_remove(&world->other, "a"), HF_OK);
    reconnect(world);
    hf_publish_await(&world->node, &sent);
    assert_int_equal(sent.request.result, HF_EUNKNOWN);
    assert_int_equal(hf_publish_top_of(&world->node, "a", 0), 2);
}

static void entry_that_was_written_back_leaves_the_outcome_unknown(void **state)
{
    struct hf_publish_world *world = *state;
    struct hf_position first = hf_publish_plain(&world->node, "a");
    struct hf_sent sent = hf_publish_of("a", hf_options_10, "x");
    lose_reply(world, &sent, 1);
    /* Redis loses it, and another node, which had heard it, brings it back. */
    const struct hf_publication_fields fields = {.data = hf_bytes_of("x")};
    struct hf_publication *lost = hf_publication_new((struct hf_position){first.epoch, 2}, &fields);
    struct hf_page *page = hf_page_new(&lost, 1);
    hf_redis_server_do(world->server, "XDEL holdfast:stream:a %llu-2",
                       (unsigned long long)first.epoch);
    hf_redis_server_do(world->server, "XSETID holdfast:stream:a %llu-1",
                       (unsigned long long)first.epoch);
    hf_redis_server_do(world->server, "SET holdfast:meta:a %llu-1",
                       (unsigned long long)first.epoch);
    struct hf_store_mend mend = {
        .channel = hf_bytes_of("a"), .options = hf_options_10, .expected = first, .page = page};
    assert_int_equal(hf_store_client_mend(&world->other, &mend), HF_OK);
    hf_page_unref(page);
    hf_publication_unref(lost);
    reconnect(world);
    hf_publish_await(&world->node, &sent);
    assert_int_equal(sent.request.result, HF_EUNKNOWN);
    assert_int_equal(hf_publish_top_of(&world->node, "a", 2), 2);
}

/* The old primary's end is lost; the new one is another life, and is looked after first. */
static void C17_lost_with_its_server_is_published_again_once_admitted(void **state)
{
    struct hf_publish_world *world = *state;
    struct hf_position first = hf_publish_plain(&world->node, "a");
    struct hf_sent sent = hf_publish_of("a", hf_options_10, "x");
    lose_reply(world, &sent, 1);
    world->node.keeps_fence = true;
    hf_redis_server_kill(world->server);
    hf_proxy_lose_replies(world->proxy, HF_PROXY_COMMANDS, false);
    hf_redis_server_restart(world->server); /* empty */
    assert_true(hf_store_client_wait_connects(&world->node, 2));
    assert_false(sent.is_done);
    assert_int_equal(hf_publish_top_of(&world->node, "a", 0), 0); /* reads go on */
    assert_false(sent.is_done);
    world->node.store->ops->admit(world->node.store, world->node.life);
    hf_publish_await(&world->node, &sent);
    hf_publish_assert_sent(&sent, HF_PUBLISHED, 1);
    assert_true(sent.request.position.epoch > first.epoch);
    assert_int_equal(hf_publish_top_of(&world->node, "a", 1), 1);
}

static void reads_and_mends_overtake_what_is_held(void **state)
{
    struct hf_publish_world *world = *state;
    struct hf_position first = hf_publish_plain(&world->node, "a");
    world->node.keeps_fence = true;
    hf_redis_server_kill(world->server);
    assert_true(hf_store_client_wait_disconnects(&world->node, 1));
    struct hf_sent queued = hf_publish_of("a", hf_options_10, "x");
    hf_publish_start(&world->node, &queued);
    hf_redis_server_restart(world->server);
    hf_redis_server_do(world->server, "SET holdfast:meta:a %llu-0",
                       (unsigned long long)first.epoch);
    assert_true(hf_store_client_wait_connects(&world->node, 2));
    struct hf_store_mend mend = {
        .channel = hf_bytes_of("a"), .options = hf_options_10, .expected = {first.epoch, 0}};
    assert_int_equal(hf_store_client_mend(&world->node, &mend), HF_OK);
    assert_int_equal(hf_publish_top_of(&world->node, "a", 0), 0);
    /* Without history there is nothing to look after. */
    assert_int_equal(hf_store_client_publish(&world->node, "b", hf_options_none, "x", NULL), HF_OK);
    assert_false(queued.is_done);
    world->node.store->ops->admit(world->node.store, world->node.life);
    hf_publish_await(&world->node, &queued);
    hf_publish_assert_sent(&queued, HF_PUBLISHED, 1);
    assert_true(queued.request.position.epoch > first.epoch);
}

static void on_mended(struct hf_store_mend *mend)
{
    *(bool *)mend->internal[3] = true;
}

static bool is_true(void *context)
{
    return *(const bool *)context;
}

static void read_behind_a_mend_and_a_held_publish_is_answered(void **state)
{
    struct hf_publish_world *world = *state;
    struct hf_position first = hf_publish_plain(&world->node, "a");
    world->node.keeps_fence = true;
    hf_redis_server_kill(world->server);
    hf_redis_server_restart(world->server);
    hf_redis_server_do(world->server, "SET holdfast:meta:a %llu-0",
                       (unsigned long long)first.epoch);
    assert_true(hf_store_client_wait_connects(&world->node, 2));
    bool is_mended = false;
    struct hf_store_mend mend = {.channel = hf_bytes_of("a"),
                                 .options = hf_options_10,
                                 .expected = {first.epoch, 0},
                                 .complete = on_mended,
                                 .internal = {[3] = &is_mended}};
    struct hf_store *store = world->node.store;
    store->ops->mend(store, &mend);
    store->ops->flush(store); /* it is in flight */
    struct hf_sent held = hf_publish_of("a", hf_options_10, "x");
    hf_publish_start(&world->node, &held);
    assert_int_equal(hf_publish_top_of(&world->node, "a", 0), 0);
    assert_true(hf_loop_until(world->node.base, is_true, &is_mended, HF_TEST_DEADLINE_MS));
    assert_int_equal(mend.result, HF_OK);
    assert_false(held.is_done);
    store->ops->admit(store, world->node.life);
    hf_publish_await(&world->node, &held);
    hf_publish_assert_sent(&held, HF_PUBLISHED, 1);
}

static void what_is_never_admitted_fails_in_time(void **state)
{
    struct hf_publish_world *world = *state;
    hf_store_client_close(&world->node);
    hf_store_client_init(&world->node, hf_proxy_address(world->proxy));
    world->node.config.wait_ms = 300;
    world->node.keeps_fence = true;
    hf_store_client_connect(&world->node);
    struct hf_sent sent = hf_publish_of("a", hf_options_10, "x");
    hf_publish_start(&world->node, &sent);
    hf_publish_await(&world->node, &sent);
    assert_int_equal(sent.request.result, HF_EUNAVAILABLE);
}

static bool is_connected(void *context)
{
    const struct hf_store_client *client = context;
    struct hf_store_status status;
    client->store->ops->status(client->store, &status);
    return status.is_connected;
}

static void lost_reply_without_a_way_back_is_told_in_time(void **state)
{
    struct hf_publish_world *world = *state;
    hf_store_client_close(&world->node);
    hf_store_client_init(&world->node, hf_proxy_address(world->proxy));
    world->node.config.wait_ms = 500;
    hf_store_client_connect(&world->node);
    struct hf_sent sent[] = {hf_publish_of("a", hf_options_10, "x"),
                             hf_publish_of("a", hf_options_10, "y")};
    lose_reply(world, sent, 2);
    hf_proxy_refuse(world->proxy, true);
    reconnect(world);
    for (int i = 0; i < 2; i++) {
        hf_publish_await(&world->node, &sent[i]);
        assert_int_equal(sent[i].request.result, HF_EUNKNOWN);
    }
    hf_proxy_refuse(world->proxy, false);
    assert_true(hf_loop_until(world->node.base, is_connected, &world->node, HF_TEST_DEADLINE_MS));
    assert_int_equal(hf_publish_plain(&world->node, "a").offset, 3);
}

static void lost_reply_without_history_is_unknown_unless_it_has_a_key(void **state)
{
    struct hf_publish_world *world = *state;
    assert_true(hf_store_client_listen(&world->other, "a"));
    struct hf_sent bare = hf_publish_of("a", hf_options_none, "bare");
    struct hf_sent with_key = hf_publish_of("b", hf_options_none, "key");
    with_key.request.idempotency_key = hf_bytes_of("k");
    assert_true(hf_store_client_listen(&world->other, "b"));
    world->node.store->ops->publish(world->node.store, &bare.request);
    lose_reply(world, &with_key, 1);
    assert_true(hf_store_client_wait_seen(&world->other, 2));
    reconnect(world);
    hf_publish_await(&world->node, &bare);
    hf_publish_await(&world->node, &with_key);
    assert_int_equal(bare.request.result, HF_EUNKNOWN);
    hf_publish_assert_sent(&with_key, HF_PUBLISHED, 0);
    assert_int_equal(hf_store_client_publish(&world->node, "b", hf_options_none, "end", NULL),
                     HF_OK);
    assert_true(hf_store_client_wait_seen(&world->other, 3));
    assert_int_equal(world->other.seen_count, 3);
}

static void lost_reply_of_a_version_is_no_outdated_one(void **state)
{
    struct hf_publish_world *world = *state;
    hf_publish_versioned(&world->node, 3, "", HF_PUBLISHED, 1);
    struct hf_sent sent = hf_publish_of("a", hf_options_10, "x");
    sent.request.fields.version = 4;
    lose_reply(world, &sent, 1);
    reconnect(world);
    hf_publish_await(&world->node, &sent);
    hf_publish_assert_sent(&sent, HF_PUBLISHED, 2);
    hf_publish_versioned(&world->node, 4, "", HF_PUBLISH_OUTDATED, 2);
}

static void read_in_flight_before_a_publish_survives_with_it(void **state)
{
    struct hf_publish_world *world = *state;
    for (uint64_t i = 1; i <= 20; i++) {
        struct hf_sent sent = hf_publish_of("a", hf_options_10, "x");
        struct hf_store_read request = {
            .channel = hf_bytes_of("a"), .options = hf_options_10, .limit = 1};
        if (i % 2 == 0)
            hf_proxy_cut(world->proxy, HF_PROXY_COMMANDS);
        /* hf_store_client_read flushes both, the publish behind or before the read */
        if (i % 4 < 2)
            world->node.store->ops->publish(world->node.store, &sent.request);
        else
            hf_publish_start(&world->node, &sent);
        assert_int_equal(hf_store_client_read(&world->node, &request), HF_OK);
        hf_page_unref(request.page);
        hf_publish_await(&world->node, &sent);
        hf_publish_assert_sent(&sent, HF_PUBLISHED, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HF_PUBLISH_CASE(C16_lost_reply_gives_one_offset),
        HF_PUBLISH_CASE(lost_reply_is_found_behind_the_publications_of_others),
        HF_PUBLISH_CASE(lost_reply_is_found_where_no_position_was_known),
        HF_PUBLISH_CASE(call_that_never_arrived_is_carried_out_once),
        HF_PUBLISH_CASE(several_lost_attempts_give_one_offset),
        HF_PUBLISH_CASE(entry_that_was_trimmed_away_leaves_the_outcome_unknown),
        HF_PUBLISH_CASE(entry_that_was_removed_leaves_the_outcome_unknown),
        HF_PUBLISH_CASE(entry_that_was_written_back_leaves_the_outcome_unknown),
        HF_PUBLISH_CASE(C17_lost_with_its_server_is_published_again_once_admitted),
        HF_PUBLISH_CASE(reads_and_mends_overtake_what_is_held),
        HF_PUBLISH_CASE(read_behind_a_mend_and_a_held_publish_is_answered),
        HF_PUBLISH_CASE(what_is_never_admitted_fails_in_time),
        HF_PUBLISH_CASE(lost_reply_without_a_way_back_is_told_in_time),
        HF_PUBLISH_CASE(lost_reply_without_history_is_unknown_unless_it_has_a_key),
        HF_PUBLISH_CASE(lost_reply_of_a_version_is_no_outdated_one),
        HF_PUBLISH_CASE(read_in_flight_before_a_publish_survives_with_it),
    };
    return cmocka_run_group_tests(tests, hf_publish_redis_group, NULL);
}
