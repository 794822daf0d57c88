/* Publishing once: idempotency keys and versions on both stores, and on Redis what becomes of a
 * publication whose reply was lost. */
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
#include "proxy.h"
#include "redis_server.h"
#include "store_client.h"

static bool with_redis; /* of the group */

struct world {
    struct hf_redis_server *server;
    struct hf_proxy *proxy; /* between `node` and the server */
    struct hf_store_client node, other;
};

static int end_world(void **state)
{
    struct world *world = *state;
    hf_store_client_close(&world->node);
    hf_store_client_close(&world->other);
    hf_proxy_free(world->proxy);
    hf_redis_server_free(world->server);
    free(world);
    return 0;
}

static int start_world(void **state)
{
    struct world *world = calloc(1, sizeof *world);
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

static int memory_group(void **state)
{
    (void)state;
    with_redis = false;
    return 0;
}

static int redis_group(void **state)
{
    (void)state;
    with_redis = true;
    return 0;
}

/* --- requests ------------------------------------------------------------------------------- */

struct sent {
    struct hf_store_publish request; /* first member */
    bool is_done;
};

static void on_published(struct hf_store_publish *request)
{
    struct sent *sent = (struct sent *)request;
    assert_false(sent->is_done);
    sent->is_done = true;
}

static bool is_done(void *context)
{
    return ((const struct sent *)context)->is_done;
}

static struct sent of(const char *channel, struct hf_stream_options options, const char *data)
{
    return (struct sent){.request = {.channel = hf_bytes_of(channel),
                                     .options = options,
                                     .fields = {.data = hf_bytes_of(data)},
                                     .complete = on_published}};
}

static void start(struct hf_store_client *client, struct sent *sent)
{
    client->store->ops->publish(client->store, &sent->request);
    client->store->ops->flush(client->store);
}

static void await(struct hf_store_client *client, struct sent *sent)
{
    assert_true(hf_loop_until(client->base, is_done, sent, HF_TEST_DEADLINE_MS));
}

static void assert_sent(const struct sent *sent, enum hf_publish_outcome outcome, uint64_t offset)
{
    assert_true(sent->is_done);
    assert_int_equal(sent->request.result, HF_OK);
    assert_int_equal(sent->request.outcome, outcome);
    assert_int_equal(sent->request.position.offset, offset);
}

static void keyed(struct hf_store_client *client, const char *channel, const char *key,
                  enum hf_publish_outcome outcome, uint64_t offset)
{
    struct sent sent = of(channel, hf_options_10, "x");
    sent.request.idempotency_key = hf_bytes_of(key);
    start(client, &sent);
    await(client, &sent);
    assert_sent(&sent, outcome, offset);
}

static void versioned(struct hf_store_client *client, uint64_t version, const char *epoch,
                      enum hf_publish_outcome outcome, uint64_t offset)
{
    struct sent sent = of("a", hf_options_10, "x");
    sent.request.fields.version = version;
    sent.request.fields.version_epoch = hf_bytes_of(epoch);
    start(client, &sent);
    await(client, &sent);
    assert_sent(&sent, outcome, offset);
}

static struct hf_position plain(struct hf_store_client *client, const char *channel)
{
    struct hf_position position;
    assert_int_equal(hf_store_client_publish(client, channel, hf_options_10, "x", &position),
                     HF_OK);
    return position;
}

/* The top's offset; the entries must be `count`, consecutive up to it. */
static uint64_t top_of(struct hf_store_client *client, const char *channel, uint32_t count)
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

/* --- idempotency keys and versions: both stores --------------------------------------------- */

static void repeated_key_gets_the_first_position_and_is_not_delivered(void **state)
{
    struct hf_store_client *node = &((struct world *)*state)->node;
    assert_true(hf_store_client_listen(node, "a"));
    keyed(node, "a", "k", HF_PUBLISHED, 1);
    keyed(node, "a", "other", HF_PUBLISHED, 2);
    keyed(node, "a", "k", HF_PUBLISH_REPEATED, 1);
    keyed(node, "b", "k", HF_PUBLISHED, 1); /* keys are the channel's */
    assert_int_equal(plain(node, "a").offset, 3);
    assert_int_equal(top_of(node, "a", 3), 3);
    assert_true(hf_store_client_wait_seen(node, 3));
    assert_int_equal(node->seen_count, 3);
    assert_int_equal(node->seen[2].publication->position.offset, 3);
}

static void key_works_without_history(void **state)
{
    struct hf_store_client *node = &((struct world *)*state)->node;
    assert_true(hf_store_client_listen(node, "a"));
    for (int i = 0; i < 3; i++) {
        struct sent sent = of("a", hf_options_none, "x");
        sent.request.idempotency_key = hf_bytes_of("k");
        start(node, &sent);
        await(node, &sent);
        assert_sent(&sent, i == 0 ? HF_PUBLISHED : HF_PUBLISH_REPEATED, 0);
        assert_int_equal(sent.request.position.epoch, 0);
    }
    assert_int_equal(hf_store_client_publish(node, "a", hf_options_none, "end", NULL), HF_OK);
    assert_true(hf_store_client_wait_seen(node, 2));
    assert_int_equal(node->seen_count, 2);
    assert_int_equal(node->seen[1].publication->fields.data.len, 3);
}

static void key_is_forgotten_after_its_time(void **state)
{
    struct hf_store_client *node = &((struct world *)*state)->node;
    struct sent first = of("a", hf_options_10, "x");
    first.request.idempotency_key = hf_bytes_of("k");
    first.request.idempotency_ttl_s = 1;
    start(node, &first);
    await(node, &first);
    assert_sent(&first, HF_PUBLISHED, 1);
    keyed(node, "a", "k", HF_PUBLISH_REPEATED, 1);
    hf_loop_for(node->base, 1200);
    keyed(node, "a", "k", HF_PUBLISHED, 2);
}

static void version_that_is_not_newer_gets_the_top_and_moves_nothing(void **state)
{
    struct hf_store_client *node = &((struct world *)*state)->node;
    assert_true(hf_store_client_listen(node, "a"));
    versioned(node, 9, "", HF_PUBLISHED, 1);
    versioned(node, 9, "", HF_PUBLISH_OUTDATED, 1);
    versioned(node, 10, "", HF_PUBLISHED, 2);
    versioned(node, 9, "", HF_PUBLISH_OUTDATED, 2);
    assert_int_equal(plain(node, "a").offset, 3); /* keeps the last version */
    versioned(node, 10, "", HF_PUBLISH_OUTDATED, 3);
    versioned(node, UINT64_MAX, "", HF_PUBLISHED, 4);
    versioned(node, UINT64_MAX - 1, "", HF_PUBLISH_OUTDATED, 4);
    assert_int_equal(top_of(node, "a", 4), 4);
    assert_true(hf_store_client_wait_seen(node, 4));
    assert_int_equal(node->seen_count, 4);
    assert_int_equal(node->seen[1].publication->fields.version, 10);
}

static void version_of_another_epoch_starts_anew(void **state)
{
    struct hf_store_client *node = &((struct world *)*state)->node;
    versioned(node, 5, "one", HF_PUBLISHED, 1);
    versioned(node, 5, "one", HF_PUBLISH_OUTDATED, 1);
    versioned(node, 1, "two words", HF_PUBLISHED, 2);
    versioned(node, 1, "two words", HF_PUBLISH_OUTDATED, 2);
    versioned(node, 1, "", HF_PUBLISH_OUTDATED, 2);
    versioned(node, 5, "one", HF_PUBLISHED, 3);
}

static void outdated_publication_does_not_use_up_its_key(void **state)
{
    struct hf_store_client *node = &((struct world *)*state)->node;
    versioned(node, 5, "", HF_PUBLISHED, 1);
    struct sent sent = of("a", hf_options_10, "x");
    sent.request.fields.version = 4;
    sent.request.idempotency_key = hf_bytes_of("k");
    start(node, &sent);
    await(node, &sent);
    assert_sent(&sent, HF_PUBLISH_OUTDATED, 1);
    keyed(node, "a", "k", HF_PUBLISHED, 2);
}

static void version_outlives_the_entries(void **state)
{
    struct hf_store_client *node = &((struct world *)*state)->node;
    versioned(node, 5, "", HF_PUBLISHED, 1);
    assert_int_equal(hf_store_client_remove(node, "a"), HF_OK);
    versioned(node, 5, "", HF_PUBLISH_OUTDATED, 1);
    versioned(node, 6, "", HF_PUBLISHED, 2);
}

static void keyed_and_plain_publications_keep_their_order(void **state)
{
    struct hf_store_client *node = &((struct world *)*state)->node;
    enum { COUNT = 60 };
    struct sent sent[COUNT];
    char keys[COUNT][8];
    for (int i = 0; i < COUNT; i++) {
        sent[i] = of("a", hf_options_10, "x");
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        if (i % 3 == 1)
            sent[i].request.idempotency_key = hf_bytes_of(keys[i]);
        if (i % 3 == 2)
            sent[i].request.fields.version = (uint64_t)i;
        start(node, &sent[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        await(node, &sent[i]);
        assert_sent(&sent[i], HF_PUBLISHED, (uint64_t)i + 1);
    }
}

/* --- Redis: readable ------------------------------------------------------------------------ */

static void keys_hold_what_an_operator_can_read(void **state)
{
    struct world *world = *state;
    char expected[64];
    struct sent sent = of("a", hf_options_10, "x");
    sent.request.idempotency_key = hf_bytes_of("order:17");
    sent.request.fields.version = 7;
    sent.request.fields.version_epoch = hf_bytes_of("v1");
    start(&world->node, &sent);
    await(&world->node, &sent);
    assert_sent(&sent, HF_PUBLISHED, 1);
    snprintf(expected, sizeof expected, "%llu-1", (unsigned long long)sent.request.position.epoch);

    redisReply *reply = hf_redis_server_command(world->server, "GET holdfast:idem:a:order:17");
    assert_string_equal(reply->str, expected);
    freeReplyObject(reply);
    reply = hf_redis_server_command(world->server, "TTL holdfast:idem:a:order:17");
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
    struct world *world = *state;
    struct hf_publication *lost[2];
    char text[64];
    assert_true(hf_store_client_listen(&world->node, "a"));
    struct sent sent = of("a", hf_options_10, "x");
    sent.request.fields.version = 7;
    sent.request.fields.version_epoch = hf_bytes_of("v1");
    start(&world->node, &sent);
    await(&world->node, &sent);
    struct sent plain = of("a", hf_options_10, "y");
    start(&world->node, &plain);
    await(&world->node, &plain);
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

    struct sent older = of("a", hf_options_10, "older");
    older.request.fields.version = 6;
    older.request.fields.version_epoch = hf_bytes_of("v1");
    start(&world->node, &older);
    await(&world->node, &older);
    assert_sent(&older, HF_PUBLISH_OUTDATED, 2);
}

/* --- Redis: lost replies (PEERS C16, C17) --------------------------------------------------- */

static bool has_lost(void *context)
{
    return hf_proxy_lost_bytes(context) > 0;
}

/* What is sent now is carried out, and its reply lost. */
static void lose_reply(struct world *world, struct sent *sent, int count)
{
    hf_proxy_lose_replies(world->proxy, HF_PROXY_COMMANDS, true);
    for (int i = 0; i < count; i++)
        world->node.store->ops->publish(world->node.store, &sent[i].request);
    world->node.store->ops->flush(world->node.store);
    assert_true(hf_loop_until(world->node.base, has_lost, world->proxy, HF_TEST_DEADLINE_MS));
}

static void reconnect(struct world *world)
{
    hf_proxy_lose_replies(world->proxy, HF_PROXY_COMMANDS, false);
    hf_proxy_cut(world->proxy, HF_PROXY_COMMANDS);
}

static void C16_lost_reply_gives_one_offset(void **state)
{
    struct world *world = *state;
    plain(&world->node, "a");
    struct sent sent[] = {of("a", hf_options_10, "x"), of("a", hf_options_10, "y"),
                          of("a", hf_options_10, "z")};
    lose_reply(world, sent, 3);
    reconnect(world);
    for (int i = 0; i < 3; i++) {
        await(&world->node, &sent[i]);
        assert_sent(&sent[i], HF_PUBLISHED, 2 + (uint64_t)i);
    }
    assert_int_equal(top_of(&world->node, "a", 4), 4);
    assert_int_equal(plain(&world->node, "a").offset, 5);
}

static void lost_reply_is_found_behind_the_publications_of_others(void **state)
{
    struct world *world = *state;
    plain(&world->node, "a");
    struct sent sent = of("a", hf_options_10, "x");
    lose_reply(world, &sent, 1);
    for (int i = 0; i < 5; i++)
        plain(&world->other, "a");
    reconnect(world);
    await(&world->node, &sent);
    assert_sent(&sent, HF_PUBLISHED, 2);
    assert_int_equal(top_of(&world->node, "a", 7), 7);
}

static void lost_reply_is_found_where_no_position_was_known(void **state)
{
    struct world *world = *state;
    plain(&world->other, "a");
    struct sent sent = of("a", hf_options_10, "x");
    lose_reply(world, &sent, 1);
    reconnect(world);
    await(&world->node, &sent);
    assert_sent(&sent, HF_PUBLISHED, 2);
    assert_int_equal(top_of(&world->node, "a", 2), 2);
}

static void call_that_never_arrived_is_carried_out_once(void **state)
{
    struct world *world = *state;
    plain(&world->node, "a");
    hf_proxy_hold(world->proxy, true);
    struct sent sent = of("a", hf_options_10, "x");
    start(&world->node, &sent);
    hf_loop_for(world->node.base, 50);
    plain(&world->other, "a");
    hf_proxy_cut(world->proxy, HF_PROXY_ALL);
    hf_proxy_hold(world->proxy, false);
    await(&world->node, &sent);
    assert_sent(&sent, HF_PUBLISHED, 3);
    assert_int_equal(top_of(&world->node, "a", 3), 3);
}

static void several_lost_attempts_give_one_offset(void **state)
{
    struct world *world = *state;
    world->node.config.wait_ms = 10000;
    plain(&world->node, "a");
    struct sent sent = of("a", hf_options_10, "x");
    lose_reply(world, &sent, 1);
    for (int i = 0; i < 3; i++) {
        hf_proxy_cut(world->proxy, HF_PROXY_COMMANDS); /* the greeting's replies are lost, too */
        hf_loop_for(world->node.base, 50);
    }
    reconnect(world);
    await(&world->node, &sent);
    assert_sent(&sent, HF_PUBLISHED, 2);
    assert_int_equal(top_of(&world->node, "a", 2), 2);
}

static void entry_that_was_trimmed_away_leaves_the_outcome_unknown(void **state)
{
    struct world *world = *state;
    plain(&world->node, "a");
    struct sent sent = of("a", hf_options_10, "x");
    lose_reply(world, &sent, 1);
    for (int i = 0; i < 20; i++)
        plain(&world->other, "a");
    reconnect(world);
    await(&world->node, &sent);
    assert_int_equal(sent.request.result, HF_EUNKNOWN);
    assert_int_equal(top_of(&world->node, "a", 10), 22);
}

static void entry_that_was_removed_leaves_the_outcome_unknown(void **state)
{
    struct world *world = *state;
    plain(&world->node, "a");
    struct sent sent = of("a", hf_options_10, "x");
    lose_reply(world, &sent, 1);
    assert_int_equal(hf_store_client_remove(&world->other, "a"), HF_OK);
    reconnect(world);
    await(&world->node, &sent);
    assert_int_equal(sent.request.result, HF_EUNKNOWN);
    assert_int_equal(top_of(&world->node, "a", 0), 2);
}

static void entry_that_was_written_back_leaves_the_outcome_unknown(void **state)
{
    struct world *world = *state;
    struct hf_position first = plain(&world->node, "a");
    struct sent sent = of("a", hf_options_10, "x");
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
    await(&world->node, &sent);
    assert_int_equal(sent.request.result, HF_EUNKNOWN);
    assert_int_equal(top_of(&world->node, "a", 2), 2);
}

/* The old primary's end is lost; the new one is another life, and is looked after first. */
static void C17_lost_with_its_server_is_published_again_once_admitted(void **state)
{
    struct world *world = *state;
    struct hf_position first = plain(&world->node, "a");
    struct sent sent = of("a", hf_options_10, "x");
    lose_reply(world, &sent, 1);
    world->node.keeps_fence = true;
    hf_redis_server_kill(world->server);
    hf_proxy_lose_replies(world->proxy, HF_PROXY_COMMANDS, false);
    hf_redis_server_restart(world->server); /* empty */
    assert_true(hf_store_client_wait_connects(&world->node, 2));
    assert_false(sent.is_done);
    assert_int_equal(top_of(&world->node, "a", 0), 0); /* reads go on */
    assert_false(sent.is_done);
    world->node.store->ops->admit(world->node.store, world->node.life);
    await(&world->node, &sent);
    assert_sent(&sent, HF_PUBLISHED, 1);
    assert_true(sent.request.position.epoch > first.epoch);
    assert_int_equal(top_of(&world->node, "a", 1), 1);
}

static void reads_and_mends_overtake_what_is_held(void **state)
{
    struct world *world = *state;
    struct hf_position first = plain(&world->node, "a");
    world->node.keeps_fence = true;
    hf_redis_server_kill(world->server);
    assert_true(hf_store_client_wait_disconnects(&world->node, 1));
    struct sent queued = of("a", hf_options_10, "x");
    start(&world->node, &queued);
    hf_redis_server_restart(world->server);
    hf_redis_server_do(world->server, "SET holdfast:meta:a %llu-0",
                       (unsigned long long)first.epoch);
    assert_true(hf_store_client_wait_connects(&world->node, 2));
    struct hf_store_mend mend = {
        .channel = hf_bytes_of("a"), .options = hf_options_10, .expected = {first.epoch, 0}};
    assert_int_equal(hf_store_client_mend(&world->node, &mend), HF_OK);
    assert_int_equal(top_of(&world->node, "a", 0), 0);
    /* Without history there is nothing to look after. */
    assert_int_equal(hf_store_client_publish(&world->node, "b", hf_options_none, "x", NULL), HF_OK);
    assert_false(queued.is_done);
    world->node.store->ops->admit(world->node.store, world->node.life);
    await(&world->node, &queued);
    assert_sent(&queued, HF_PUBLISHED, 1);
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
    struct world *world = *state;
    struct hf_position first = plain(&world->node, "a");
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
    struct sent held = of("a", hf_options_10, "x");
    start(&world->node, &held);
    assert_int_equal(top_of(&world->node, "a", 0), 0);
    assert_true(hf_loop_until(world->node.base, is_true, &is_mended, HF_TEST_DEADLINE_MS));
    assert_int_equal(mend.result, HF_OK);
    assert_false(held.is_done);
    store->ops->admit(store, world->node.life);
    await(&world->node, &held);
    assert_sent(&held, HF_PUBLISHED, 1);
}

static void what_is_never_admitted_fails_in_time(void **state)
{
    struct world *world = *state;
    hf_store_client_close(&world->node);
    hf_store_client_init(&world->node, hf_proxy_address(world->proxy));
    world->node.config.wait_ms = 300;
    world->node.keeps_fence = true;
    hf_store_client_connect(&world->node);
    struct sent sent = of("a", hf_options_10, "x");
    start(&world->node, &sent);
    await(&world->node, &sent);
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
    struct world *world = *state;
    hf_store_client_close(&world->node);
    hf_store_client_init(&world->node, hf_proxy_address(world->proxy));
    world->node.config.wait_ms = 500;
    hf_store_client_connect(&world->node);
    struct sent sent[] = {of("a", hf_options_10, "x"), of("a", hf_options_10, "y")};
    lose_reply(world, sent, 2);
    hf_proxy_refuse(world->proxy, true);
    reconnect(world);
    for (int i = 0; i < 2; i++) {
        await(&world->node, &sent[i]);
        assert_int_equal(sent[i].request.result, HF_EUNKNOWN);
    }
    hf_proxy_refuse(world->proxy, false);
    assert_true(hf_loop_until(world->node.base, is_connected, &world->node, HF_TEST_DEADLINE_MS));
    assert_int_equal(plain(&world->node, "a").offset, 3);
}

static void lost_reply_without_history_is_unknown_unless_it_has_a_key(void **state)
{
    struct world *world = *state;
    assert_true(hf_store_client_listen(&world->other, "a"));
    struct sent bare = of("a", hf_options_none, "bare");
    struct sent with_key = of("b", hf_options_none, "key");
    with_key.request.idempotency_key = hf_bytes_of("k");
    assert_true(hf_store_client_listen(&world->other, "b"));
    world->node.store->ops->publish(world->node.store, &bare.request);
    lose_reply(world, &with_key, 1);
    assert_true(hf_store_client_wait_seen(&world->other, 2));
    reconnect(world);
    await(&world->node, &bare);
    await(&world->node, &with_key);
    assert_int_equal(bare.request.result, HF_EUNKNOWN);
    assert_sent(&with_key, HF_PUBLISHED, 0);
    assert_int_equal(hf_store_client_publish(&world->node, "b", hf_options_none, "end", NULL),
                     HF_OK);
    assert_true(hf_store_client_wait_seen(&world->other, 3));
    assert_int_equal(world->other.seen_count, 3);
}

static void lost_reply_of_a_version_is_no_outdated_one(void **state)
{
    struct world *world = *state;
    versioned(&world->node, 3, "", HF_PUBLISHED, 1);
    struct sent sent = of("a", hf_options_10, "x");
    sent.request.fields.version = 4;
    lose_reply(world, &sent, 1);
    reconnect(world);
    await(&world->node, &sent);
    assert_sent(&sent, HF_PUBLISHED, 2);
    versioned(&world->node, 4, "", HF_PUBLISH_OUTDATED, 2);
}

static void read_in_flight_before_a_publish_survives_with_it(void **state)
{
    struct world *world = *state;
    for (uint64_t i = 1; i <= 20; i++) {
        struct sent sent = of("a", hf_options_10, "x");
        struct hf_store_read request = {
            .channel = hf_bytes_of("a"), .options = hf_options_10, .limit = 1};
        if (i % 2 == 0)
            hf_proxy_cut(world->proxy, HF_PROXY_COMMANDS);
        /* hf_store_client_read flushes both, the publish behind or before the read */
        if (i % 4 < 2)
            world->node.store->ops->publish(world->node.store, &sent.request);
        else
            start(&world->node, &sent);
        assert_int_equal(hf_store_client_read(&world->node, &request), HF_OK);
        hf_page_unref(request.page);
        await(&world->node, &sent);
        assert_sent(&sent, HF_PUBLISHED, i);
    }
}

/* --------------------------------------------------------------------------------------------- */

#define CASE(name) cmocka_unit_test_setup_teardown(name, start_world, end_world)

#define CASES_OF_BOTH                                                                              \
    CASE(repeated_key_gets_the_first_position_and_is_not_delivered),                               \
        CASE(key_works_without_history), CASE(key_is_forgotten_after_its_time),                    \
        CASE(version_that_is_not_newer_gets_the_top_and_moves_nothing),                            \
        CASE(version_of_another_epoch_starts_anew),                                                \
        CASE(outdated_publication_does_not_use_up_its_key), CASE(version_outlives_the_entries),    \
        CASE(keyed_and_plain_publications_keep_their_order)

int main(void)
{
    const struct CMUnitTest memory[] = {CASES_OF_BOTH};
    const struct CMUnitTest redis[] = {
        CASES_OF_BOTH,
        CASE(keys_hold_what_an_operator_can_read),
        CASE(version_that_redis_has_lost_is_written_back_with_the_stream),
        CASE(C16_lost_reply_gives_one_offset),
        CASE(lost_reply_is_found_behind_the_publications_of_others),
        CASE(lost_reply_is_found_where_no_position_was_known),
        CASE(call_that_never_arrived_is_carried_out_once),
        CASE(several_lost_attempts_give_one_offset),
        CASE(entry_that_was_trimmed_away_leaves_the_outcome_unknown),
        CASE(entry_that_was_removed_leaves_the_outcome_unknown),
        CASE(entry_that_was_written_back_leaves_the_outcome_unknown),
        CASE(C17_lost_with_its_server_is_published_again_once_admitted),
        CASE(reads_and_mends_overtake_what_is_held),
        CASE(read_behind_a_mend_and_a_held_publish_is_answered),
        CASE(what_is_never_admitted_fails_in_time),
        CASE(lost_reply_without_a_way_back_is_told_in_time),
        CASE(lost_reply_without_history_is_unknown_unless_it_has_a_key),
        CASE(lost_reply_of_a_version_is_no_outdated_one),
        CASE(read_in_flight_before_a_publish_survives_with_it),
    };
    int failed = cmocka_run_group_tests_name("memory", memory, memory_group, NULL);
    failed += cmocka_run_group_tests_name("redis", redis, redis_group, NULL);
    return failed;
}
