/* Chaos 15 to 18: publishes that Redis refuses, forgets how to do, or does without saying so. */
#include "chaos.h"

static void c15_scripts_flushed_again_and_again_fail_no_publish_and_lose_nothing(void **state)
{
    enum { FLUSHES = 100, EACH = 40 };
    struct hf_cluster *cluster = chaos_start(state, NULL);
    cluster->options.history_size = FLUSHES * EACH;
    hf_cluster_add_node(cluster, NULL);
    hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *a = hf_subscriber_open(cluster, 0, "a");
    struct hf_subscriber *b = hf_subscriber_open(cluster, 1, "b");
    for (unsigned i = 0; i < FLUSHES; i++) {
        for (unsigned k = 0; k < EACH / 2; k++) {
            hf_cluster_send(cluster, k % 2, "a");
            hf_cluster_send(cluster, k % 2, "b");
        }
        hf_cluster_turn(cluster); /* on their way when the scripts go */
        hf_redis_server_do(cluster->redis, "SCRIPT FLUSH");
    }
    hf_until(cluster, cluster->published_open == 0);
    for (uint32_t i = 0; i < cluster->published_count; i++) {
        assert_int_equal(cluster->published[i]->result, HF_OK);
    }
    hf_until(cluster, a->received == FLUSHES * EACH / 2 && b->received == FLUSHES * EACH / 2);
    assert_int_equal(CHAOS_NUMBER(cluster, "XLEN holdfast:stream:a"), FLUSHES * EACH / 2);
    /* A stream's first epoch, too, is given by a script. */
    hf_redis_server_do(cluster->redis, "SCRIPT FLUSH");
    hf_subscriber_open(cluster, 0, "new");
    assert_int_equal(a->losses + b->losses, 0);
    hf_cluster_check(cluster);
}

/* Publishes through a proxy that lets the command pass and loses the reply. */
static struct hf_published *publish_unanswered(struct chaos *chaos, unsigned node)
{
    struct hf_cluster *cluster = &chaos->cluster;
    uint64_t lost = hf_proxy_lost_bytes(chaos->proxy);
    hf_proxy_lose_replies(chaos->proxy, HF_PROXY_COMMANDS, true);
    struct hf_published *published = hf_cluster_send(cluster, node, "a");
    hf_until(cluster, hf_proxy_lost_bytes(chaos->proxy) > lost);
    /* The fence's heartbeat is answered as well: wait for the entry itself. */
    hf_until(cluster, CHAOS_NUMBER(cluster, "XLEN holdfast:stream:a") > 0);
    return published;
}

static unsigned open_behind_proxy(struct chaos *chaos)
{
    chaos->proxy = hf_proxy_start(hf_redis_server_port(chaos->cluster.redis));
    return hf_cluster_add_node(&chaos->cluster, hf_proxy_address(chaos->proxy));
}

static void c16_reply_lost_after_the_script_ran_is_retried_and_applied_once(void **state)
{
    struct chaos *chaos = *state;
    struct hf_cluster *cluster = chaos_start(state, NULL);
    unsigned node = open_behind_proxy(chaos);
    unsigned other = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *client = hf_subscriber_open(cluster, other, "a");
    struct hf_published *published = publish_unanswered(chaos, node);
    /* Others go on meanwhile: it is not the newest any more when it is looked for. */
    hf_cluster_publish(cluster, other, "a", 3);
    assert_false(published->is_done);
    hf_proxy_lose_replies(chaos->proxy, HF_PROXY_COMMANDS, false);
    hf_proxy_cut(chaos->proxy, HF_PROXY_COMMANDS);
    hf_until(cluster, published->is_done);
    assert_int_equal(published->result, HF_OK);
    assert_int_equal(published->position.offset, 1); /* where it was put the first time */
    assert_int_equal(CHAOS_NUMBER(cluster, "XLEN holdfast:stream:a"), 4);
    struct hf_position top = hf_cluster_publish(cluster, node, "a", 1);
    assert_int_equal(top.offset, 5);
    hf_until(cluster, hf_subscriber_is_at(client, top));
    assert_int_equal(client->received, 5); /* it came once */
    hf_cluster_check(cluster);
}

/* The publisher itself tries again, under its key, on another node: its own is gone. */
static void
c16_publisher_retries_with_its_key_on_another_node_and_gets_the_same_offset(void **state)
{
    struct chaos *chaos = *state;
    struct hf_cluster *cluster = chaos_start(state, NULL);
    unsigned node = open_behind_proxy(chaos);
    unsigned other = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *client = hf_subscriber_open(cluster, other, "a");
    cluster->idempotency_key = "order-17";
    struct hf_published *first = publish_unanswered(chaos, node);
    hf_cluster_stop_node(cluster, node);
    assert_true(first->is_done && first->result != HF_OK); /* its publisher does not know */
    for (unsigned i = 0; i < 3; i++) {
        struct hf_published *retry = hf_cluster_send(cluster, other, "a");
        hf_until(cluster, retry->is_done);
        assert_int_equal(retry->result, HF_OK);
        assert_int_equal(retry->outcome, HF_PUBLISH_REPEATED);
        assert_int_equal(retry->position.offset, 1);
    }
    cluster->idempotency_key = NULL;
    struct hf_position top = hf_cluster_publish(cluster, other, "a", 1);
    assert_int_equal(top.offset, 2);
    hf_until(cluster, hf_subscriber_is_at(client, top));
    assert_int_equal(client->received, 2);
    assert_int_equal(CHAOS_NUMBER(cluster, "XLEN holdfast:stream:a"), 2);
}

/* The server dies between carrying it out and its answer: `keeps` tells whether it has it still. */
static void retry_across_a_restart(void **state, const char *const *options, bool keeps)
{
    struct chaos *chaos = *state;
    struct hf_cluster *cluster = chaos_start(state, options);
    unsigned node = open_behind_proxy(chaos);
    struct hf_subscriber *client = hf_subscriber_open(cluster, node, "a");
    client->comes_back = true;
    struct hf_published *published = publish_unanswered(chaos, node);
    hf_proxy_refuse(chaos->proxy, true);
    hf_redis_server_kill(cluster->redis);
    hf_proxy_cut(chaos->proxy, HF_PROXY_ALL);
    hf_proxy_lose_replies(chaos->proxy, HF_PROXY_ALL, false);
    hf_redis_server_restart(cluster->redis);
    hf_proxy_refuse(chaos->proxy, false);
    hf_until(cluster, published->is_done && client->is_live);
    long long copies = CHAOS_NUMBER(cluster, "XLEN holdfast:stream:a");
    if (published->result == HF_OK) {
        assert_int_equal(copies, 1); /* acknowledged: it is there, once */
    } else {
        assert_int_equal(published->result, HF_EUNKNOWN); /* reported, not hidden */
        assert_in_range(copies, 0, 1);
    }
    assert_true(!keeps || copies == 1);
    hf_until(cluster, hf_cluster_status(cluster, node).is_ready);
    struct hf_position top = hf_cluster_publish(cluster, node, "a", 1);
    hf_until(cluster, hf_subscriber_is_at(client, top));
    hf_cluster_check(cluster);
}

static void c17_retry_across_a_restart_that_lost_nothing_makes_one_copy(void **state)
{
    static const char *const options[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
    retry_across_a_restart(state, options, true);
}

static void c17_retry_across_a_restart_that_lost_all_makes_one_copy_or_is_reported(void **state)
{
    retry_across_a_restart(state, NULL, false);
}

static void c18_full_redis_refuses_publishes_and_serves_reads(void **state)
{
    enum { COUNT = 20 };
    struct hf_cluster *cluster = chaos_start(state, NULL);
    unsigned node = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *live = hf_subscriber_open(cluster, node, "a");
    struct hf_position top = hf_cluster_publish(cluster, node, "a", COUNT);
    hf_until(cluster, hf_subscriber_is_at(live, top));
    hf_redis_server_do(cluster->redis, "CONFIG SET maxmemory-policy noeviction");
    hf_redis_server_do(cluster->redis, "CONFIG SET maxmemory 1");
    uint32_t first = cluster->published_count;
    for (unsigned i = 0; i < 200; i++) {
        hf_cluster_send(cluster, node, i % 2 == 0 ? "a" : "unheard-of");
    }
    hf_until(cluster, cluster->published_open == 0);
    for (uint32_t i = first; i < cluster->published_count; i++) {
        assert_int_equal(cluster->published[i]->result, HF_ESTORE); /* refused, not acknowledged */
        assert_true(hf_error_is_temporary(HF_ESTORE));
    }
    assert_true(hf_cluster_logged(cluster, node, "OOM"));
    assert_int_equal(CHAOS_NUMBER(cluster, "XLEN holdfast:stream:a"), COUNT);

    unsigned newborn = hf_cluster_open_node(cluster, NULL); /* reads work, on any node */
    struct hf_subscriber *client = hf_subscriber_new(cluster, "a");
    client->position = client->begin = (struct hf_position){top.epoch, 5};
    client->comes_back = true;
    hf_subscriber_come_back(client, newborn);
    assert_int_equal(client->recoveries, 1);
    assert_int_equal(client->received, COUNT - 5);

    hf_redis_server_do(cluster->redis, "CONFIG SET maxmemory 0");
    top = hf_cluster_publish(cluster, node, "a", 1);
    assert_int_equal(top.offset, COUNT + 1);
    hf_until(cluster, hf_subscriber_is_at(live, top) && hf_subscriber_is_at(client, top));
    assert_int_equal(live->losses, 0);
    hf_cluster_check(cluster);
}

static void c18_full_redis_is_told_by_the_health(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    unsigned node = hf_cluster_add_node(cluster, NULL);
    hf_cluster_publish(cluster, node, "a", 1);
    hf_redis_server_do(cluster->redis, "CONFIG SET maxmemory 1");
    struct hf_published *refused = hf_cluster_send(cluster, node, "a");
    hf_until(cluster, refused->is_done);
    assert_int_equal(refused->result, HF_ESTORE);
    hf_within(cluster, T_DETECT_MS,
              strstr(hf_cluster_status(cluster, node).reason, "OOM") != NULL); /* I8 */
    hf_redis_server_do(cluster->redis, "CONFIG SET maxmemory 0");
    hf_cluster_publish(cluster, node, "a", 1);
    hf_within(cluster, T_DETECT_MS,
              hf_cluster_status(cluster, node).is_ready &&
                  hf_cluster_status(cluster, node).reason[0] == '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAOS_TEST(c15_scripts_flushed_again_and_again_fail_no_publish_and_lose_nothing),
        CHAOS_TEST(c16_reply_lost_after_the_script_ran_is_retried_and_applied_once),
        CHAOS_TEST(c16_publisher_retries_with_its_key_on_another_node_and_gets_the_same_offset),
        CHAOS_TEST(c17_retry_across_a_restart_that_lost_nothing_makes_one_copy),
        CHAOS_TEST(c17_retry_across_a_restart_that_lost_all_makes_one_copy_or_is_reported),
        CHAOS_TEST(c18_full_redis_refuses_publishes_and_serves_reads),
        CHAOS_TEST(c18_full_redis_is_told_by_the_health),
    };
    return CHAOS_RUN(tests);
}
