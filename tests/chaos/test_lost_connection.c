/* Chaos 8, 21, 22: the node and Redis live, but what Redis delivers does not arrive. */
#include "chaos.h"

/* In one step, nobody can come between: the connections that deliver are cut, and a publication is
 * made by somebody else. Returns the position. */
static struct hf_position publish_unheard(struct hf_cluster *cluster, struct hf_position top)
{
    struct hf_published *published = hf_cluster_send(cluster, 0, "elsewhere");
    hf_until(cluster, published->is_done); /* a number of the cluster's, which now is in "a" */
    snprintf(published->channel, sizeof published->channel, "a");
    published->position = (struct hf_position){top.epoch, top.offset + 1};
    hf_redis_server_do(cluster->redis, "MULTI");
    hf_redis_server_do(cluster->redis, "CLIENT KILL TYPE pubsub");
    hf_redis_server_do(cluster->redis, "XADD holdfast:stream:a %llu-%llu data %u",
                       (unsigned long long)top.epoch, (unsigned long long)top.offset + 1,
                       published->n);
    hf_redis_server_do(cluster->redis, "SET holdfast:meta:a %llu-%llu",
                       (unsigned long long)top.epoch, (unsigned long long)top.offset + 1);
    hf_redis_server_do(cluster->redis, "PUBLISH holdfast:stream:a anybody");
    redisReply *reply = hf_redis_server_command(cluster->redis, "EXEC");
    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    assert_true(reply->element[0]->integer >= 2);    /* killed */
    assert_int_equal(reply->element[3]->integer, 0); /* heard by nobody */
    freeReplyObject(reply);
    return published->position;
}

static void
c08_pubsub_killed_and_one_published_in_the_gap_then_silence_is_delivered_within_2_s(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    hf_cluster_add_node(cluster, NULL);
    hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *clients[2];
    for (unsigned i = 0; i < 2; i++) {
        clients[i] = hf_subscriber_open(cluster, i, "a");
    }
    struct hf_position top = hf_cluster_publish(cluster, 0, "a", 5);
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < 2; i++) {
            hf_until(cluster, hf_subscriber_is_at(clients[i], top));
            hf_until(cluster, hf_cluster_status(cluster, i).is_ready);
        }
        top = publish_unheard(cluster, top);
        hf_within(cluster, T_DETECT_MS,
                  hf_subscriber_is_at(clients[0], top) && hf_subscriber_is_at(clients[1], top));
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(clients[i]->losses, 0); /* repaired: they noticed nothing */
    }
    hf_cluster_check(cluster);
}

/* Single messages vanish on a connection that stays: only the next one shows it. */
static void
c08_message_lost_on_a_living_connection_is_repaired_when_the_next_one_comes(void **state)
{
    struct chaos *chaos = *state;
    struct hf_cluster *cluster = chaos_start(state, NULL);
    chaos->proxy = hf_proxy_start(hf_redis_server_port(cluster->redis));
    unsigned node = hf_cluster_add_node(cluster, hf_proxy_address(chaos->proxy));
    unsigned publisher = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *client = hf_subscriber_open(cluster, node, "a");
    for (unsigned round = 0; round < 10; round++) {
        struct hf_position top = hf_cluster_publish(cluster, publisher, "a", 3);
        hf_until(cluster, hf_subscriber_is_at(client, top));
        uint64_t lost = hf_proxy_lost_bytes(chaos->proxy);
        hf_proxy_lose_replies(chaos->proxy, HF_PROXY_PUBSUB, true);
        hf_cluster_publish(cluster, publisher, "a", 1 + round % 3);
        hf_until(cluster, hf_proxy_lost_bytes(chaos->proxy) > lost);
        hf_proxy_lose_replies(chaos->proxy, HF_PROXY_PUBSUB, false);
        top = hf_cluster_publish(cluster, publisher, "a", 1);
        hf_within(cluster, T_DETECT_MS, hf_subscriber_is_at(client, top));
    }
    assert_int_equal(client->losses, 0);
    hf_until(cluster, hf_cluster_status(cluster, node).gaps_repaired >= 10);
    hf_cluster_check(cluster);
}

/* The connection stays open and answers nothing at all. */
static void
c08_pubsub_connection_that_went_silent_is_replaced_and_what_was_missed_comes(void **state)
{
    struct chaos *chaos = *state;
    struct hf_cluster *cluster = chaos_start(state, NULL);
    chaos->proxy = hf_proxy_start(hf_redis_server_port(cluster->redis));
    cluster->config.redis.io_timeout_ms = 1000;
    unsigned node = hf_cluster_add_node(cluster, hf_proxy_address(chaos->proxy));
    unsigned publisher = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *client = hf_subscriber_open(cluster, node, "a");
    hf_proxy_lose_replies(chaos->proxy, HF_PROXY_PUBSUB, true);
    struct hf_position top = hf_cluster_publish(cluster, publisher, "a", 1);
    /* The last message of all is lost, and the node has to find out by itself. */
    hf_until(cluster, hf_cluster_logged(cluster, node, "not answered in time"));
    hf_proxy_lose_replies(chaos->proxy, HF_PROXY_PUBSUB, false);
    hf_within(cluster, 2 * T_DETECT_MS, hf_subscriber_is_at(client, top));
    assert_int_equal(client->losses, 0);
    hf_cluster_check(cluster);
}

/* Sum over the connections that deliver of a field of CLIENT LIST. */
static long long sum_of_pubsub(struct hf_cluster *cluster, const char *field)
{
    redisReply *reply = hf_redis_server_command(cluster->redis, "CLIENT LIST TYPE pubsub");
    long long sum = 0;
    for (const char *at = reply->str; (at = strstr(at, field)) != NULL; at++) {
        sum += strtoll(at + strlen(field), NULL, 10);
    }
    freeReplyObject(reply);
    return sum;
}

/* Everything up to `top` comes, and it never stands still for longer than a loss may take to be
 * noticed: megabytes take their time on a busy machine, a standstill does not. */
static void await_flow(struct hf_cluster *cluster, const struct hf_subscriber *client,
                       struct hf_position top)
{
    while (!hf_subscriber_is_at(client, top)) {
        uint64_t received = client->received;
        hf_within(cluster, 2 * T_DETECT_MS, client->received > received);
    }
}

static void
c21_burst_beyond_the_pubsub_output_buffer_is_noticed_and_everything_arrives(void **state)
{
    enum { BURST = 400, BYTES = 64 * 1024 }; /* 25 MiB against a buffer of 1 MiB */
    static const char *const options[] = {"--client-output-buffer-limit", "pubsub 1mb 0 0", NULL};
    struct hf_cluster *cluster = chaos_start(state, options);
    unsigned publisher = hf_cluster_add_node(cluster, NULL);
    cluster->config.mailbox_bytes_max = 512 * 1024;
    unsigned node = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *client = hf_subscriber_open(cluster, node, "a");
    hf_cluster_publish(cluster, publisher, "a", 1);
    hf_until(cluster, client->received == 1);
    long long ids = sum_of_pubsub(cluster, "id=");

    /* The node does not keep up: it stops reading, and Redis cuts it off. */
    cluster->clients[node].is_stalled = true;
    cluster->pad = BYTES;
    struct hf_position top = hf_cluster_publish(cluster, publisher, "a", BURST);
    cluster->clients[node].is_stalled = false;
    await_flow(cluster, client, top);
    hf_until(cluster, hf_cluster_status(cluster, node).is_ready);
    assert_true(sum_of_pubsub(cluster, "id=") != ids); /* it was cut off */
    assert_true(hf_cluster_status(cluster, node).tails_bytes < 2 * 1024 * 1024); /* I5 */
    assert_int_equal(client->losses, 0);
    hf_cluster_check(cluster);
}

static void c22_blocked_handler_stalls_no_publish_and_misses_nothing(void **state)
{
    enum { COUNT = 300, BYTES = 32 * 1024 };
    struct hf_cluster *cluster = chaos_start(state, NULL);
    cluster->config.mailbox_bytes_max = 1024 * 1024;
    unsigned node = hf_cluster_add_node(cluster, NULL);
    unsigned blocked = hf_cluster_add_port(cluster, node);
    unsigned remote = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *client = hf_subscriber_open(cluster, blocked, "a");
    struct hf_subscriber *other = hf_subscriber_open(cluster, remote, "a");
    cluster->clients[blocked].is_stalled = true;
    cluster->pad = BYTES;
    struct hf_position top = {0};
    uint64_t slowest_ms = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        top = hf_cluster_publish(cluster, node, "a", 1);
        const struct hf_published *last = cluster->published[cluster->published_count - 1];
        uint64_t took_ms = last->done_ms - last->sent_ms;
        slowest_ms = took_ms > slowest_ms ? took_ms : slowest_ms;
    }
    assert_true(slowest_ms < 1000); /* no publish stall, though 10 MiB wait for the handler */
    hf_until(cluster, hf_subscriber_is_at(other, top));
    /* I5: the node holds about a MiB of it, the rest waits where it came from. */
    hf_until(cluster, sum_of_pubsub(cluster, "omem=") > 0);
    assert_int_equal(client->received, 0);

    cluster->clients[blocked].is_stalled = false;
    await_flow(cluster, client, top);
    assert_int_equal(client->losses, 0);
    hf_cluster_check(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAOS_TEST(
            c08_pubsub_killed_and_one_published_in_the_gap_then_silence_is_delivered_within_2_s),
        CHAOS_TEST(c08_message_lost_on_a_living_connection_is_repaired_when_the_next_one_comes),
        CHAOS_TEST(c08_pubsub_connection_that_went_silent_is_replaced_and_what_was_missed_comes),
        CHAOS_TEST(c21_burst_beyond_the_pubsub_output_buffer_is_noticed_and_everything_arrives),
        CHAOS_TEST(c22_blocked_handler_stalls_no_publish_and_misses_nothing),
    };
    return CHAOS_RUN(tests);
}
