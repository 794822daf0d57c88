/* Chaos 11, 12, 13, 19, 28, 29: keys of a channel expire, are evicted or are deleted. */
#include "chaos.h"

enum { COUNT = 20 };

/* Entries of "a", and a client that has the first `has` of them and is away. */
static struct hf_subscriber *client_at(struct hf_cluster *cluster, struct hf_position top,
                                       uint64_t has)
{
    struct hf_subscriber *client = hf_subscriber_new(cluster, "a");
    client->position = client->begin = (struct hf_position){top.epoch, has};
    return client;
}

static void c11_meta_key_deleted_and_the_stream_kept_loses_nothing(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    unsigned node = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *live = hf_subscriber_open(cluster, node, "a");
    struct hf_position top = hf_cluster_publish(cluster, node, "a", COUNT);
    for (unsigned round = 0; round < 2; round++) {
        /* Both a node that knows the channel and one that does not find their way. */
        unsigned publisher = round == 0 ? node : hf_cluster_add_node(cluster, NULL);
        assert_int_equal(CHAOS_NUMBER(cluster, "DEL holdfast:meta:a"), 1);
        struct hf_position next = hf_cluster_publish(cluster, publisher, "a", 1);
        assert_int_equal(next.epoch, top.epoch);
        assert_int_equal(next.offset, COUNT + round + 1);
        hf_until(cluster, hf_subscriber_is_at(live, next));
        top = next;
    }
    assert_int_equal(CHAOS_NUMBER(cluster, "DEL holdfast:meta:a"), 1);
    unsigned newborn = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *client = client_at(cluster, top, COUNT / 2);
    hf_subscriber_come_back(client, newborn);
    assert_int_equal(client->recoveries, 1);
    assert_int_equal(live->losses, 0);
    hf_cluster_check(cluster);
}

static void c11_meta_key_and_stream_deleted_make_a_later_epoch_and_everyone_is_told(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    unsigned node = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *live = hf_subscriber_open(cluster, node, "a");
    live->comes_back = true;
    struct hf_position top = hf_cluster_publish(cluster, node, "a", COUNT);
    assert_int_equal(CHAOS_NUMBER(cluster, "DEL holdfast:meta:a holdfast:stream:a"), 2);
    unsigned newborn = hf_cluster_add_node(cluster, NULL);
    struct hf_position next = hf_cluster_publish(cluster, newborn, "a", 1);
    assert_true(next.epoch > top.epoch);
    assert_int_equal(next.offset, 1);
    hf_within(cluster, T_DETECT_MS, live->losses == 1 && live->refusals == 1 && live->is_live);
    struct hf_subscriber *client = client_at(cluster, top, COUNT);
    hf_subscriber_come_back(client, newborn);
    assert_int_equal(client->refusals, 1);
    next = hf_cluster_publish(cluster, newborn, "a", 1);
    hf_until(cluster, hf_subscriber_is_at(client, next) && hf_subscriber_is_at(live, next));
    hf_cluster_check(cluster);
}

static void c12_stream_deleted_and_meta_kept_recovers_only_who_is_at_the_top(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    unsigned node = hf_cluster_add_node(cluster, NULL);
    struct hf_position top = hf_cluster_publish(cluster, node, "a", COUNT);
    assert_int_equal(CHAOS_NUMBER(cluster, "DEL holdfast:stream:a"), 1);
    unsigned newborn = hf_cluster_add_node(cluster, NULL);
    for (uint64_t has = 0; has < COUNT; has += COUNT - 1) {
        struct hf_subscriber *behind = client_at(cluster, top, has);
        hf_subscriber_come_back(behind, newborn);
        assert_int_equal(behind->refusals, 1);
        assert_true(hf_position_equal(behind->position, top));
        hf_subscriber_leave(behind);
    }
    struct hf_subscriber *at_top = client_at(cluster, top, COUNT);
    hf_subscriber_come_back(at_top, newborn);
    assert_int_equal(at_top->recoveries, 1);
    struct hf_position next = hf_cluster_publish(cluster, node, "a", 1);
    assert_int_equal(next.epoch, top.epoch);
    assert_int_equal(next.offset, COUNT + 1);
    hf_until(cluster, hf_subscriber_is_at(at_top, next));
    hf_cluster_check(cluster);
}

static void c13_flushall_under_live_clients_is_told_to_each_with_the_next_publication(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    struct hf_subscriber *clients[2];
    for (unsigned i = 0; i < 2; i++) {
        hf_cluster_add_node(cluster, NULL);
        clients[i] = hf_subscriber_open(cluster, i, "a");
        clients[i]->comes_back = true;
    }
    struct hf_position top = hf_cluster_publish(cluster, 0, "a", COUNT);
    for (unsigned round = 1; round <= 3; round++) {
        for (unsigned i = 0; i < 2; i++) {
            hf_until(cluster, hf_subscriber_is_at(clients[i], top));
        }
        hf_redis_server_do(cluster->redis, "FLUSHALL");
        struct hf_position next = hf_cluster_publish(cluster, round % 2, "a", 1);
        assert_true(next.epoch > top.epoch); /* never one that was used */
        hf_within(cluster, T_DETECT_MS,
                  clients[0]->losses == round && clients[0]->refusals == round &&
                      clients[1]->losses == round && clients[1]->refusals == round);
        top = hf_cluster_publish(cluster, 0, "a", 2);
    }
    hf_until(cluster, hf_subscriber_is_at(clients[0], top) && hf_subscriber_is_at(clients[1], top));
    hf_cluster_check(cluster);
}

static void c13_flushall_while_a_client_is_away_is_told_by_a_node_that_knew_nothing(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    unsigned node = hf_cluster_add_node(cluster, NULL);
    struct hf_position top = hf_cluster_publish(cluster, node, "a", COUNT);
    hf_redis_server_do(cluster->redis, "FLUSHALL");
    unsigned newborn = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *client = client_at(cluster, top, COUNT);
    hf_subscriber_come_back(client, newborn);
    assert_int_equal(client->refusals, 1);
    struct hf_position next = hf_cluster_publish(cluster, node, "a", 1);
    hf_until(cluster, hf_subscriber_is_at(client, next));
    hf_cluster_check(cluster);
}

/* It has that publication, or was told that the stream goes on without. */
static bool has_or_was_told(const struct hf_subscriber *client, struct hf_position position)
{
    return client->is_live &&
           (hf_position_equal(client->position, position) || client->begin.epoch > position.epoch);
}

static void evict(void **state, const char *policy)
{
    enum { CHANNELS = 200, ROUNDS = 40, FOLLOWED = 8 };
    const char *const options[] = {"--maxmemory", "6mb", "--maxmemory-policy", policy, NULL};
    struct hf_cluster *cluster = chaos_start(state, options);
    cluster->options.history_size = 20;
    cluster->config.tails_bytes_max = 16 * 1024; /* recovery is mostly from Redis */
    unsigned publisher = hf_cluster_add_node(cluster, NULL);
    cluster->config.lingering_streams_max = 1;
    unsigned node = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *live[FOLLOWED], *visitors[FOLLOWED];
    char channel[16];
    for (unsigned i = 0; i < FOLLOWED; i++) {
        snprintf(channel, sizeof channel, "c%u", i);
        live[i] = hf_subscriber_open(cluster, publisher, channel);
        live[i]->comes_back = true;
        visitors[i] = hf_subscriber_open(cluster, node, channel);
        visitors[i]->comes_back = true;
        hf_subscriber_leave(visitors[i]);
    }
    cluster->pad = 2000;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t first = cluster->published_count;
        for (unsigned i = 0; i < CHANNELS; i++) {
            snprintf(channel, sizeof channel, "c%u", i);
            hf_cluster_send(cluster, i % 2 == 0 ? publisher : node, channel);
        }
        hf_until(cluster, cluster->published_open == 0);
        for (uint32_t i = first; i < cluster->published_count; i++) {
            assert_int_equal(cluster->published[i]->result, HF_OK); /* no publish error */
        }
        for (unsigned i = 0; i < FOLLOWED; i++) {
            hf_within(cluster, T_DETECT_MS,
                      has_or_was_told(live[i], cluster->published[first + i]->position));
        }
        for (unsigned i = 0; i < FOLLOWED; i++) {
            if ((round + i) % 3 == 0) {
                hf_subscriber_come_back(visitors[i], node);
                hf_within(cluster, T_DETECT_MS,
                          has_or_was_told(visitors[i], cluster->published[first + i]->position));
                hf_cluster_check(cluster);
                hf_subscriber_leave(visitors[i]);
            }
        }
    }
    assert_true(chaos_info(cluster, "evicted_keys") > 100); /* it was a churn */
    unsigned recoveries = 0;
    for (unsigned i = 0; i < FOLLOWED; i++) {
        recoveries += visitors[i]->recoveries;
    }
    print_message("%u recovered, %lld keys evicted\n", recoveries,
                  chaos_info(cluster, "evicted_keys"));
    assert_true(recoveries > 0);
    hf_cluster_check(cluster);
}

static void c19_eviction_by_lru_fails_no_publish_and_is_never_called_recovered(void **state)
{
    evict(state, "allkeys-lru");
}

static void c19_eviction_by_lfu_fails_no_publish_and_is_never_called_recovered(void **state)
{
    evict(state, "allkeys-lfu");
}

static void c28_idle_longer_than_the_retention_recovers_who_missed_nothing(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    cluster->options.history_ttl_s = 1;
    unsigned node = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *client = hf_subscriber_open(cluster, node, "a");
    struct hf_position top = hf_cluster_publish(cluster, node, "a", COUNT);
    hf_until(cluster, hf_subscriber_is_at(client, top));
    hf_subscriber_leave(client);
    hf_until(cluster, CHAOS_NUMBER(cluster, "EXISTS holdfast:stream:a") == 0);
    hf_cluster_run(cluster, 1000); /* twice the retention */

    unsigned newborn = hf_cluster_add_node(cluster, NULL);
    const unsigned nodes[] = {node, newborn};
    for (unsigned i = 0; i < 2; i++) {
        hf_subscriber_come_back(client, nodes[i]);
        assert_int_equal(client->recoveries, i + 1);
        hf_subscriber_leave(client);
        struct hf_subscriber *behind = client_at(cluster, top, COUNT - 1);
        hf_subscriber_come_back(behind, nodes[i]);
        assert_int_equal(behind->refusals, 1); /* what it missed is gone, in memory too */
        hf_subscriber_leave(behind);
    }
    struct hf_position next = hf_cluster_publish(cluster, node, "a", 1);
    assert_int_equal(next.epoch, top.epoch);
    assert_int_equal(next.offset, COUNT + 1);
    hf_subscriber_come_back(client, newborn);
    assert_int_equal(client->recoveries, 3);
    hf_until(cluster, hf_subscriber_is_at(client, next)); /* recovered, or live a moment later */
    hf_cluster_check(cluster);
}

static void c29_reconnect_on_a_channel_without_any_message_is_recovered_on_every_node(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    unsigned node = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *client = hf_subscriber_open(cluster, node, "a");
    assert_true(client->position.epoch != HF_EPOCH_NONE);
    assert_int_equal(client->position.offset, 0);
    for (unsigned i = 1; i <= 3; i++) {
        hf_subscriber_leave(client);
        hf_subscriber_come_back(client, i == 1 ? node : hf_cluster_add_node(cluster, NULL));
        assert_int_equal(client->recoveries, i);
    }
    hf_subscriber_leave(client);
    struct hf_position first = hf_cluster_publish(cluster, node, "a", 1);
    assert_int_equal(first.epoch, client->position.epoch);
    assert_int_equal(first.offset, 1);
    hf_subscriber_come_back(client, node);
    assert_int_equal(client->recoveries, 4);
    hf_until(cluster, hf_subscriber_is_at(client, first)); /* recovered, or live a moment later */
    assert_int_equal(client->received, 1);
    hf_cluster_check(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAOS_TEST(c11_meta_key_deleted_and_the_stream_kept_loses_nothing),
        CHAOS_TEST(c11_meta_key_and_stream_deleted_make_a_later_epoch_and_everyone_is_told),
        CHAOS_TEST(c12_stream_deleted_and_meta_kept_recovers_only_who_is_at_the_top),
        CHAOS_TEST(c13_flushall_under_live_clients_is_told_to_each_with_the_next_publication),
        CHAOS_TEST(c13_flushall_while_a_client_is_away_is_told_by_a_node_that_knew_nothing),
        CHAOS_TEST(c19_eviction_by_lru_fails_no_publish_and_is_never_called_recovered),
        CHAOS_TEST(c19_eviction_by_lfu_fails_no_publish_and_is_never_called_recovered),
        CHAOS_TEST(c28_idle_longer_than_the_retention_recovers_who_missed_nothing),
        CHAOS_TEST(c29_reconnect_on_a_channel_without_any_message_is_recovered_on_every_node),
    };
    return CHAOS_RUN(tests);
}
