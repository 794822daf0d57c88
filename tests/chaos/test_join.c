/* Chaos 10, 27, 34: joining a stream while it is being written. */
#include "chaos.h"

#define TRY_MS 5000

/* Each round, every channel's stream is begun anew on the node (others have pushed it out of the
 * lingering ones) while somebody else publishes once. Then silence: nothing later would show what
 * was lost. */
static void
c10_publication_between_the_read_and_going_live_is_delivered_once_in_every_try(void **state)
{
    enum { CHANNELS = 32 };
    struct hf_cluster *cluster = chaos_start(state, NULL);
    cluster->config.lingering_streams_max = 1;
    unsigned node = hf_cluster_add_node(cluster, NULL);
    unsigned publisher = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *clients[CHANNELS];
    char channel[16];
    for (unsigned i = 0; i < CHANNELS; i++) {
        snprintf(channel, sizeof channel, "c%u", i);
        clients[i] = hf_subscriber_open(cluster, node, channel);
        hf_subscriber_leave(clients[i]);
    }
    uint64_t end_ms = hf_test_now_ms() + TRY_MS * chaos_scale();
    uint64_t tries = 0;
    unsigned random = 1;
    while (hf_test_now_ms() < end_ms) {
        uint32_t first = cluster->published_count;
        for (unsigned i = 0; i < CHANNELS; i++) {
            random = random * 1103515245 + 12345;
            bool is_early = (random >> 16) % 2 == 0; /* who has the longer way differs */
            if (is_early) {
                hf_cluster_send(cluster, publisher, clients[i]->channel);
            }
            hf_subscriber_enter(clients[i], node, true);
            if (!is_early) {
                hf_cluster_send(cluster, publisher, clients[i]->channel);
            }
            if ((random >> 20) % 4 == 0) {
                hf_cluster_turn(cluster);
            }
        }
        for (unsigned i = 0; i < CHANNELS; i++) {
            const struct hf_published *published = cluster->published[first + i];
            hf_within(cluster, T_DETECT_MS,
                      published->is_done && hf_subscriber_is_at(clients[i], published->position));
            assert_int_equal(published->result, HF_OK);
        }
        for (unsigned i = 0; i < CHANNELS; i++) {
            hf_subscriber_leave(clients[i]);
        }
        tries += CHANNELS;
    }
    for (unsigned i = 0; i < CHANNELS; i++) {
        assert_int_equal(clients[i]->recoveries, tries / CHANNELS);
        assert_int_equal(clients[i]->received, tries / CHANNELS);
    }
    print_message("%llu tries\n", (unsigned long long)tries);
}

static void c27_thousand_reconnects_in_no_time_on_changing_nodes_are_all_recovered(void **state)
{
    enum { TIMES = 1000, NODES = 3 };
    struct hf_cluster *cluster = chaos_start(state, NULL);
    for (unsigned i = 0; i < NODES; i++) {
        hf_cluster_add_node(cluster, NULL);
    }
    struct hf_subscriber *client = hf_subscriber_open(cluster, 0, "a");
    for (unsigned i = 1; i <= TIMES; i++) {
        if (cluster->published_open < 8) {
            hf_cluster_send(cluster, (i + 1) % NODES, "a");
        }
        hf_subscriber_leave(client);
        hf_subscriber_come_back(client, i % NODES);
        assert_int_equal(client->recoveries, i);
    }
    const struct hf_position top = hf_cluster_await_published(cluster, "a");
    hf_until(cluster, hf_subscriber_is_at(client, top));
    assert_int_equal(client->refusals + client->losses + client->errors, 0);
    hf_cluster_check(cluster);
}

/* The client has heard from one node what the next one has not heard yet: it is ahead, not wrong.
 */
static void c27_client_ahead_of_the_next_node_is_recovered_after_a_look_into_the_store(void **state)
{
    struct chaos *chaos = *state;
    struct hf_cluster *cluster = chaos_start(state, NULL);
    chaos->proxy = hf_proxy_start(hf_redis_server_port(cluster->redis));
    unsigned fast = hf_cluster_add_node(cluster, NULL);
    unsigned slow = hf_cluster_add_node(cluster, hf_proxy_address(chaos->proxy));
    struct hf_subscriber *client = hf_subscriber_open(cluster, fast, "a");
    struct hf_subscriber *other = hf_subscriber_open(cluster, slow, "a");
    hf_proxy_lose_replies(chaos->proxy, HF_PROXY_PUBSUB, true);
    struct hf_position top = hf_cluster_publish(cluster, fast, "a", 3);
    hf_until(cluster, hf_subscriber_is_at(client, top));
    hf_until(cluster, hf_proxy_lost_bytes(chaos->proxy) > 0);
    assert_int_equal(other->received, 0);
    hf_subscriber_leave(client);
    hf_subscriber_leave(other);
    hf_subscriber_come_back(client, slow);
    assert_int_equal(client->recoveries, 1);
    hf_subscriber_leave(client);
    hf_subscriber_come_back(other, slow);
    assert_int_equal(other->recoveries, 1);
    hf_cluster_check(cluster);
}

static void c34_many_recoverable_channels_at_once_under_a_flood_stall_nobody(void **state)
{
    enum { CHANNELS = 64, BACKLOG = 20, ROUNDS = 10 };
    struct hf_cluster *cluster = chaos_start(state, NULL);
    cluster->config.loads_in_flight_max = 1; /* every load has to hand on to the next */
    cluster->config.lingering_streams_max = 1;
    unsigned node = hf_cluster_add_node(cluster, NULL);
    unsigned publisher = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *clients[CHANNELS];
    char channel[16];
    for (unsigned i = 0; i < CHANNELS; i++) {
        snprintf(channel, sizeof channel, "c%u", i);
        clients[i] = hf_subscriber_open(cluster, node, channel);
        hf_subscriber_leave(clients[i]);
    }
    struct hf_subscriber *bystander = hf_subscriber_open(cluster, node, "flood");
    uint64_t slowest_ms = 0, longest_ms = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < CHANNELS * BACKLOG; i++) {
            hf_cluster_send(cluster, publisher, clients[i % CHANNELS]->channel);
        }
        hf_until(cluster, cluster->published_open == 0);
        uint64_t begin_ms = hf_test_now_ms();
        for (unsigned i = 0; i < CHANNELS; i++) {
            hf_subscriber_enter(clients[i], node, true); /* all in one hand-over to the engine */
        }
        unsigned live = 0;
        while (live < CHANNELS) {
            struct hf_published *published = hf_cluster_send(cluster, publisher, "flood");
            hf_cluster_send(cluster, publisher, clients[live]->channel);
            hf_within(cluster, T_DETECT_MS,
                      published->is_done && hf_subscriber_is_at(bystander, published->position));
            uint64_t took_ms = bystander->heard_ms - published->sent_ms;
            slowest_ms = took_ms > slowest_ms ? took_ms : slowest_ms;
            for (live = 0; live < CHANNELS && clients[live]->is_live;) {
                live++;
            }
        }
        uint64_t took_ms = hf_test_now_ms() - begin_ms;
        longest_ms = took_ms > longest_ms ? took_ms : longest_ms;
        hf_until(cluster, cluster->published_open == 0);
        for (unsigned i = 0; i < CHANNELS; i++) {
            hf_subscriber_leave(clients[i]);
            assert_int_equal(clients[i]->recoveries, round + 1);
        }
    }
    print_message("slowest delivery meanwhile %llu ms, all recovered in %llu ms at most\n",
                  (unsigned long long)slowest_ms, (unsigned long long)longest_ms);
    assert_true(slowest_ms < 500); /* on a machine that is busy with other tests */
    assert_true(longest_ms < T_DETECT_MS);
    hf_cluster_check(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAOS_TEST(c10_publication_between_the_read_and_going_live_is_delivered_once_in_every_try),
        CHAOS_TEST(c27_thousand_reconnects_in_no_time_on_changing_nodes_are_all_recovered),
        CHAOS_TEST(c27_client_ahead_of_the_next_node_is_recovered_after_a_look_into_the_store),
        CHAOS_TEST(c34_many_recoverable_channels_at_once_under_a_flood_stall_nobody),
    };
    return CHAOS_RUN(tests);
}
