/* Chaos 9, 32, 33: Redis is there and does not answer, is away for long, or is loading. */
#include "chaos.h"

#include <sys/resource.h>

static void
c09_frozen_redis_fails_commands_within_5_s_acknowledges_nothing_and_resumes(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    unsigned node = hf_cluster_add_node(cluster, NULL);
    unsigned other = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *client = hf_subscriber_open(cluster, other, "a");
    client->comes_back = true;
    struct hf_subscriber *late = hf_subscriber_new(cluster, "b");
    late->options = cluster->options;
    hf_cluster_publish(cluster, node, "a", 5);

    hf_redis_server_stop(cluster->redis);
    uint32_t first = cluster->published_count;
    for (unsigned i = 0; i < 20; i++) {
        hf_cluster_send(cluster, i % 2 == 0 ? node : other, "a");
    }
    hf_subscriber_enter(late, node, true);
    hf_within(cluster, 5000, cluster->published_open == 0 && late->errors == 1);
    for (uint32_t i = first; i < cluster->published_count; i++) {
        assert_true(cluster->published[i]->result != HF_OK);
        assert_true(hf_error_is_temporary(cluster->published[i]->result));
    }
    hf_until(cluster, !hf_cluster_status(cluster, node).is_ready); /* I8 */
    assert_true(hf_cluster_status(cluster, node).reason[0] != '\0');
    hf_cluster_run(cluster, 500 * chaos_scale());

    hf_redis_server_cont(cluster->redis);
    uint64_t woken_ms = hf_test_now_ms();
    hf_until(cluster, hf_cluster_status(cluster, node).is_ready &&
                          hf_cluster_status(cluster, other).is_ready);
    assert_true(hf_test_now_ms() - woken_ms < 5000); /* I7 */
    struct hf_position top = hf_cluster_publish(cluster, node, "a", 5);
    hf_until(cluster, hf_subscriber_is_at(client, top));
    assert_int_equal(client->losses, 0);
    hf_cluster_check(cluster);
}

static uint64_t cpu_ms(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

static void c32_long_outage_with_10000_channels_costs_little_and_one_resync_each(void **state)
{
    enum { CHANNELS = 10000 };
    struct chaos *chaos = *state;
    static const char *const options[] = {"--appendonly", "yes", "--appendfsync", "no", NULL};
    struct hf_cluster *cluster = chaos_start(state, options);
    chaos->proxy = hf_proxy_start(hf_redis_server_port(cluster->redis));
    unsigned node = hf_cluster_add_node(cluster, hf_proxy_address(chaos->proxy));
    char channel[16];
    for (unsigned i = 0; i < CHANNELS; i++) {
        snprintf(channel, sizeof channel, "c%u", i);
        hf_subscriber_enter(hf_subscriber_new(cluster, channel), node, false);
    }
    for (unsigned i = 0; i < CHANNELS; i++) {
        hf_until(cluster, cluster->subscribers[i]->is_live);
    }
    hf_cluster_publish(cluster, node, "c7", 3);
    hf_cluster_run(cluster,
                   200); /* until the status, which is copied now and then, is up to date */
    uint64_t reads = hf_cluster_status(cluster, node).store_reads;

    hf_proxy_refuse(chaos->proxy, true);
    hf_redis_server_kill(cluster->redis);
    hf_until(cluster, !hf_cluster_status(cluster, node).is_ready);
    uint64_t attempts = hf_proxy_attempts(chaos->proxy), cpu = cpu_ms();
    uint32_t outage_ms = 4000 * chaos_scale();
    hf_cluster_run(cluster, outage_ms);
    attempts = hf_proxy_attempts(chaos->proxy) - attempts;
    cpu = cpu_ms() - cpu;
    /* Two connections, each tried again after half a second on the average. */
    assert_in_range(attempts, 2, 2 * 8 * outage_ms / 1000 + 10);
    assert_true(cpu < outage_ms / 5);
    assert_int_equal(hf_cluster_status(cluster, node).store_reads, reads);

    hf_redis_server_restart(cluster->redis);
    hf_proxy_refuse(chaos->proxy, false);
    hf_until(cluster, hf_cluster_status(cluster, node).is_ready);
    struct hf_position top = hf_cluster_publish(cluster, node, "c7", 1);
    hf_until(cluster, hf_subscriber_is_at(cluster->subscribers[7], top));
    hf_cluster_run(cluster, 300);
    reads = hf_cluster_status(cluster, node).store_reads - reads;
    assert_in_range(reads, CHANNELS, CHANNELS + CHANNELS / 10); /* I6 */
    for (unsigned i = 0; i < CHANNELS; i++) {
        assert_true(cluster->subscribers[i]->is_live);
        assert_int_equal(cluster->subscribers[i]->losses, 0);
    }
    hf_cluster_check(cluster);
}

static void c33_redis_that_is_loading_is_waited_for_and_the_health_says_so(void **state)
{
    static const char *const options[] = {"--key-load-delay", "700",
                                          "--loading-process-events-interval-bytes", "1024", NULL};
    struct hf_cluster *cluster = chaos_start(state, options);
    hf_redis_server_do(cluster->redis, "DEBUG POPULATE 3000 key 100");
    unsigned node = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *client = hf_subscriber_open(cluster, node, "a");
    client->comes_back = true;
    struct hf_position top = hf_cluster_publish(cluster, node, "a", 5);
    hf_until(cluster, hf_subscriber_is_at(client, top));
    hf_redis_server_do(cluster->redis, "SAVE");
    hf_redis_server_kill(cluster->redis);
    hf_redis_server_launch_only(cluster->redis);
    hf_until(cluster, !hf_cluster_status(cluster, node).is_ready);
    hf_until(cluster, strstr(hf_cluster_status(cluster, node).reason, "LOADING") != NULL);
    struct hf_published *waiting = hf_cluster_send(cluster, node, "a");
    hf_until(cluster, waiting->is_done);
    assert_true(waiting->result == HF_OK || hf_error_is_temporary(waiting->result));
    hf_until(cluster, hf_cluster_status(cluster, node).is_ready); /* I7, I8 */
    top = hf_cluster_publish(cluster, node, "a", 5);
    hf_until(cluster, hf_subscriber_is_at(client, top));
    assert_int_equal(client->losses, 0);
    hf_cluster_check(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAOS_TEST(c09_frozen_redis_fails_commands_within_5_s_acknowledges_nothing_and_resumes),
        CHAOS_TEST(c32_long_outage_with_10000_channels_costs_little_and_one_resync_each),
        CHAOS_TEST(c33_redis_that_is_loading_is_waited_for_and_the_health_says_so),
    };
    return CHAOS_RUN(tests);
}
