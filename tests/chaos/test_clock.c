/* Chaos 36: the wall clock of the node jumps. This program has its own: what libc's functions tell
 * of it is shifted by `skew_s` for everything in the process, the engine included; Redis, another
 * process, keeps the true one. */
#include "chaos.h"

#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t skew_s;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        now->tv_sec += atomic_load(&skew_s);
    }
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    *now = (struct timeval){precise.tv_sec, precise.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *now)
{
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now != NULL) {
        *now = precise.tv_sec;
    }
    return precise.tv_sec;
}

static long long redis_clock_s(struct hf_cluster *cluster)
{
    redisReply *reply = hf_redis_server_command(cluster->redis, "TIME");
    long long seconds = strtoll(reply->element[0]->str, NULL, 10);
    freeReplyObject(reply);
    return seconds;
}

/* The clock jumps while the client is away, and stays wrong for one story. */
static void live_through(struct hf_cluster *cluster, unsigned node, struct hf_subscriber *client,
                         int64_t jump_to_s)
{
    struct hf_position before = client->position;
    hf_subscriber_leave(client);
    hf_cluster_publish(cluster, node, "a", 5);
    hf_cluster_run(cluster, 200); /* the status is copied now and then */
    uint64_t reads = hf_cluster_status(cluster, node).store_reads;
    atomic_store(&skew_s, jump_to_s);
    assert_true(llabs(time(NULL) - redis_clock_s(cluster) - jump_to_s) <= 1);
    hf_cluster_run(cluster, 200);
    /* Memory has not expired: the client is recovered without Redis. */
    hf_subscriber_come_back(client, node);
    hf_cluster_run(cluster, 200);
    assert_int_equal(hf_cluster_status(cluster, node).store_reads, reads);

    struct hf_position top = hf_cluster_publish(cluster, node, "a", 5);
    assert_int_equal(top.epoch, before.epoch);
    assert_int_equal(top.offset, before.offset + 10);
    hf_until(cluster, hf_subscriber_is_at(client, top));
    assert_in_range(CHAOS_NUMBER(cluster, "TTL holdfast:stream:a"), 590,
                    601); /* a second of slack */
    assert_in_range(CHAOS_NUMBER(cluster, "TTL holdfast:meta:a"), 1190, 1201);

    /* A new stream's epoch is of Redis' clock. */
    char channel[32];
    snprintf(channel, sizeof channel, "new%lld", (long long)atomic_load(&skew_s));
    struct hf_position fresh = hf_cluster_publish(cluster, node, channel, 1);
    long long difference = redis_clock_s(cluster) - (long long)(fresh.epoch / 1000000);
    assert_in_range(difference, 0, 60);

    /* Waiting ends when it should. */
    hf_redis_server_stop(cluster->redis);
    struct hf_published *lost = hf_cluster_send(cluster, node, "other");
    hf_within(cluster, 4000, lost->is_done);
    assert_true(lost->result != HF_OK);
    hf_redis_server_cont(cluster->redis);
    hf_within(cluster, 5000, hf_cluster_status(cluster, node).is_ready);
    hf_until(cluster, client->is_live);
}

static void c36_clock_jumps_of_an_hour_change_neither_offsets_nor_ttls_nor_waiting(void **state)
{
    static const int64_t skews_s[] = {3600, -3600, 0};
    struct hf_cluster *cluster = chaos_start(state, NULL);
    cluster->options = (struct hf_stream_options){1000, 600, 1200};
    cluster->config.wait_ms = 700;
    cluster->config.redis.io_timeout_ms = 700;
    unsigned node = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *client = hf_subscriber_open(cluster, node, "a");
    struct hf_position top = hf_cluster_publish(cluster, node, "a", 5);
    hf_until(cluster, hf_subscriber_is_at(client, top));
    for (size_t i = 0; i < sizeof skews_s / sizeof skews_s[0]; i++) {
        live_through(cluster, node, client, skews_s[i]);
    }
    assert_int_equal(client->losses + client->refusals, 0);
    hf_cluster_check(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAOS_TEST(c36_clock_jumps_of_an_hour_change_neither_offsets_nor_ttls_nor_waiting),
    };
    return CHAOS_RUN(tests);
}
