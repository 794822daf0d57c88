/* Redis is there and answers with errors, under live subscribers and while they are away. */
#include "chaos.h"

#define NODES 2

/* Two nodes, each with a live subscriber; and one that has gone and missed two publications. */
struct outage {
    struct hf_cluster *cluster;
    struct hf_subscriber *live[NODES], *away;
    uint32_t first;   /* index of the first publication of the outage */
    uint64_t beat_ms; /* when the last ones were sent */
};

/* `address` NULL: the server's. */
static struct outage begin(struct hf_cluster *cluster, const char *address)
{
    struct outage outage = {.cluster = cluster};
    if (cluster->config.wait_ms == 0) {
        cluster->config.wait_ms = 2000;
    }
    for (unsigned i = 0; i < NODES; i++) {
        hf_cluster_add_node(cluster, address);
        outage.live[i] = hf_subscriber_open(cluster, i, "a");
        outage.live[i]->comes_back = true;
    }
    outage.away = hf_subscriber_open(cluster, 0, "a");
    outage.away->comes_back = true;
    struct hf_position top = hf_cluster_publish(cluster, 0, "a", 3);
    hf_until(cluster, hf_subscriber_is_at(outage.away, top));
    hf_subscriber_leave(outage.away);
    top = hf_cluster_publish(cluster, 1, "a", 2);
    hf_until(cluster,
             hf_subscriber_is_at(outage.live[0], top) && hf_subscriber_is_at(outage.live[1], top));
    outage.first = cluster->published_count;
    return outage;
}

/* Every node publishes now and then. */
static void keep_publishing(struct outage *outage)
{
    uint64_t now_ms = hf_test_now_ms();
    if (now_ms - outage->beat_ms >= 50) {
        outage->beat_ms = now_ms;
        for (unsigned i = 0; i < NODES; i++) {
            hf_cluster_send(outage->cluster, i, "a");
        }
    }
}

#define PUBLISH_UNTIL(outage, condition)                                                           \
    hf_until((outage)->cluster, (keep_publishing(outage), (condition)))

/* I8 */
static bool is_told(struct hf_cluster *cluster, unsigned nodes, const char *reason)
{
    bool is_told = true;
    for (unsigned i = 0; i < nodes; i++) {
        is_told = is_told && strstr(hf_cluster_status(cluster, i).reason, reason) != NULL;
    }
    return is_told;
}

static bool is_well(struct hf_cluster *cluster, unsigned nodes)
{
    bool is_well = true;
    for (unsigned i = 0; i < nodes; i++) {
        struct hf_engine_status status = hf_cluster_status(cluster, i);
        is_well = is_well && status.is_ready && status.reason[0] == '\0';
    }
    return is_well;
}

/* How many publications of the outage have ended so. */
static unsigned count_results(const struct outage *outage, int result)
{
    unsigned count = 0;
    for (uint32_t i = outage->first; i < outage->cluster->published_count; i++) {
        const struct hf_published *published = outage->cluster->published[i];
        count += published->is_done && published->result == result;
    }
    return count;
}

/* The fault is over: all is well without a restart (I7), the publishers were told the truth, the
 * live ones have all of it, and who came back meanwhile has missed nothing. */
static void end(struct outage *outage)
{
    struct hf_cluster *cluster = outage->cluster;
    PUBLISH_UNTIL(outage, is_well(cluster, NODES));
    hf_until(cluster, cluster->published_open == 0);
    for (uint32_t i = outage->first; i < cluster->published_count; i++) {
        int result = cluster->published[i]->result;
        assert_true(result == HF_OK || hf_error_is_temporary(result));
    }
    struct hf_position top = hf_cluster_publish(cluster, 0, "a", 1);
    assert_int_equal(top.epoch, outage->live[0]->begin.epoch);
    for (unsigned i = 0; i < NODES; i++) {
        hf_until(cluster, hf_subscriber_is_at(outage->live[i], top));
        assert_int_equal(outage->live[i]->losses, 0);
    }
    hf_until(cluster, hf_subscriber_is_at(outage->away, top));
    assert_int_equal(outage->away->recoveries, 1);
    assert_int_equal(outage->away->refusals, 0);
    hf_cluster_check(cluster);
}

/* While a script is busy, Redis answers every command so, those of its connections as well. */
static void busy_script_of_somebody_else_refuses_publishes_and_loses_nothing(void **state)
{
    static const char *const options[] = {"--busy-reply-threshold", "50", NULL};
    struct hf_cluster *cluster = chaos_start(state, options);
    struct outage outage = begin(cluster, NULL);
    redisContext *script = hf_redis_server_begin(cluster->redis, "EVAL %s 0", "while true do end");
    PUBLISH_UNTIL(&outage,
                  is_told(cluster, NODES, "BUSY") && count_results(&outage, HF_EUNAVAILABLE) > 8);
    hf_subscriber_enter(outage.away, 1, true);
    uint64_t end_ms = hf_test_now_ms() + 1500;
    PUBLISH_UNTIL(&outage, hf_test_now_ms() > end_ms);
    assert_true(is_told(cluster, NODES, "BUSY"));
    hf_redis_server_do(cluster->redis, "SCRIPT KILL");
    freeReplyObject(hf_redis_server_end(script));
    end(&outage);
}

static void user_of_its_own(struct hf_cluster *cluster, char *address, size_t size)
{
    hf_redis_server_do(cluster->redis, "ACL SETUSER node on >first ~* &* +@all");
    snprintf(address, size, "redis://node:first@%s", hf_redis_server_tcp(cluster->redis));
}

/* Connections that are logged in stay so; those that break are not made again. */
static void wrongpass_after_the_password_was_changed_is_waited_for_and_loses_nothing(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    char address[64];
    user_of_its_own(cluster, address, sizeof address);
    struct outage outage = begin(cluster, address);
    hf_redis_server_do(cluster->redis, "ACL SETUSER node resetpass >second");
    hf_redis_server_do(cluster->redis, "CLIENT KILL USER node");
    PUBLISH_UNTIL(&outage, is_told(cluster, NODES, "WRONGPASS") &&
                               count_results(&outage, HF_EUNAVAILABLE) > 8);
    for (unsigned i = 0; i < NODES; i++) {
        assert_false(hf_cluster_status(cluster, i).is_ready);
        assert_null(strstr(hf_cluster_status(cluster, i).reason, "first"));
    }
    hf_subscriber_enter(outage.away, 1, true);

    /* A node of another user publishes what they cannot hear, and then nothing more shows a gap. */
    unsigned stranger = hf_cluster_add_node(cluster, NULL);
    hf_until(cluster, cluster->published_open == 0);
    struct hf_position top = hf_cluster_publish(cluster, stranger, "a", 3);
    hf_redis_server_do(cluster->redis, "ACL SETUSER node resetpass >first");
    hf_until(cluster,
             hf_subscriber_is_at(outage.live[0], top) && hf_subscriber_is_at(outage.live[1], top));
    end(&outage);
}

static void noauth_after_a_password_was_set_is_waited_for_and_loses_nothing(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    struct outage outage = begin(cluster, NULL);
    hf_redis_server_do(cluster->redis, "CONFIG SET requirepass new");
    hf_redis_server_do(cluster->redis, "CLIENT KILL TYPE normal");
    hf_redis_server_do(cluster->redis, "CLIENT KILL TYPE pubsub");
    PUBLISH_UNTIL(&outage,
                  is_told(cluster, NODES, "NOAUTH") && count_results(&outage, HF_EUNAVAILABLE) > 8);
    hf_subscriber_enter(outage.away, 1, true);
    hf_redis_server_do(cluster->redis, "CONFIG SET requirepass %s", "");
    end(&outage);
}

/* The connections live on, and commands are refused. */
static void noperm_after_rights_were_taken_refuses_publishes_and_loses_nothing(void **state)
{
    static const struct {
        const char *taken, *given, *reason;
        int result;
    } cases[] = {
        {"-evalsha -eval", "+evalsha +eval", "NOPERM", HF_ESTORE},
        {"-xadd", "+xadd", "can't run this command", HF_ESTORE},
        {"resetkeys", "~*", "NOPERM", HF_ESTORE},
        {"resetchannels", "&*", "NOPERM", HF_EUNKNOWN}, /* written, but told to nobody */
        {"-@all", "+@all", "NOPERM", HF_ESTORE},
    };
    struct hf_cluster *cluster = chaos_start(state, NULL);
    char address[64], command[64];
    user_of_its_own(cluster, address, sizeof address);
    struct outage outage = begin(cluster, address);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        outage.first = cluster->published_count;
        snprintf(command, sizeof command, "ACL SETUSER node %s", cases[i].taken);
        hf_redis_server_do(cluster->redis, command);
        PUBLISH_UNTIL(&outage, is_told(cluster, NODES, cases[i].reason) &&
                                   count_results(&outage, cases[i].result) > 8);
        if (outage.away->watch == NULL) {
            hf_subscriber_enter(outage.away, 1, true);
        }
        snprintf(command, sizeof command, "ACL SETUSER node %s", cases[i].given);
        hf_redis_server_do(cluster->redis, command);
        end(&outage);
    }
}

/* It follows nobody: what it has stays as it is. Publications wait for it. */
static void readonly_primary_that_became_a_replica_and_goes_back_loses_nothing(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    cluster->config.wait_ms = 5000;
    struct outage outage = begin(cluster, NULL);
    for (unsigned round = 0; round < 2; round++) {
        outage.first = cluster->published_count;
        hf_redis_server_do(cluster->redis, "REPLICAOF 127.0.0.1 1");
        PUBLISH_UNTIL(&outage, is_told(cluster, NODES, "READONLY") &&
                                   count_results(&outage, HF_EUNAVAILABLE) > 8);
        if (outage.away->watch == NULL) {
            hf_subscriber_enter(outage.away, 1, true);
        }
        const struct hf_published *waiting = hf_cluster_send(cluster, round, "a");
        hf_cluster_turn(cluster);
        hf_redis_server_do(cluster->redis, "REPLICAOF NO ONE");
        end(&outage);
        assert_int_equal(waiting->result, HF_OK);
    }
}

/* A replica is served at once. */
static const char *const replicating[] = {"--repl-diskless-sync-delay", "0", NULL};

/* The server gets a replica, with which its replication history begins anew. */
static void attach_copy(struct chaos *chaos)
{
    struct hf_cluster *cluster = &chaos->cluster;
    chaos->second = hf_redis_server_start(replicating);
    hf_redis_server_do(chaos->second, "REPLICAOF 127.0.0.1 %d",
                       (int)hf_redis_server_port(cluster->redis));
    hf_until(cluster, CHAOS_NUMBER(cluster, "WAIT 1 100") == 1);
}

/* The replica has all of it by now (WAIT speaks of its connection's own writes), and is a primary
 * of its own. */
static void detach_copy(struct chaos *chaos)
{
    hf_redis_server_do(chaos->cluster.redis, "SET copied 1");
    hf_until(&chaos->cluster, CHAOS_NUMBER(&chaos->cluster, "WAIT 1 100") == 1);
    hf_redis_server_do(chaos->second, "REPLICAOF NO ONE");
}

static void follow_copy(struct chaos *chaos)
{
    hf_redis_server_do(chaos->cluster.redis, "REPLICAOF 127.0.0.1 %d",
                       (int)hf_redis_server_port(chaos->second));
}

/* It follows one that has an older copy, and so loses what came later. */
static void readonly_primary_that_followed_an_older_copy_is_healed_when_it_goes_back(void **state)
{
    struct chaos *chaos = *state;
    struct hf_cluster *cluster = chaos_start(state, replicating);
    struct outage outage = begin(cluster, NULL);
    attach_copy(chaos);
    detach_copy(chaos);
    struct hf_position top = hf_cluster_publish(cluster, 0, "a", 2);
    hf_until(cluster,
             hf_subscriber_is_at(outage.live[0], top) && hf_subscriber_is_at(outage.live[1], top));
    long long held = CHAOS_NUMBER(cluster, "XLEN holdfast:stream:a");

    outage.first = cluster->published_count;
    follow_copy(chaos);
    PUBLISH_UNTIL(&outage, is_told(cluster, NODES, "READONLY") &&
                               count_results(&outage, HF_EUNAVAILABLE) > 8 &&
                               CHAOS_NUMBER(cluster, "XLEN holdfast:stream:a") == held - 2);
    hf_subscriber_enter(outage.away, 1, true);
    hf_redis_server_do(cluster->redis, "REPLICAOF NO ONE");
    end(&outage);
    assert_true(hf_cluster_status(cluster, 0).streams_healed +
                    hf_cluster_status(cluster, 1).streams_healed >
                0);
}

#define PROBE_INTERVAL_MS 500

/* A replica takes over by hand: its primary is told to follow nobody that is there, nothing is cut,
 * and what is published from now on goes to the other one. */
static void
readonly_primary_that_was_replaced_is_noticed_by_a_node_that_publishes_nothing(void **state)
{
    struct chaos *chaos = *state;
    struct hf_cluster *cluster = chaos_start(state, replicating);
    cluster->config.redis.probe_interval_ms = PROBE_INTERVAL_MS;
    attach_copy(chaos);
    chaos->proxy = hf_proxy_start(hf_redis_server_port(cluster->redis));
    unsigned quiet = hf_cluster_add_node(cluster, hf_proxy_address(chaos->proxy));
    struct hf_subscriber *live = hf_subscriber_open(cluster, quiet, "a");
    unsigned first = hf_cluster_add_node(cluster, NULL);
    struct hf_position top = hf_cluster_publish(cluster, first, "a", 3);
    hf_until(cluster, hf_subscriber_is_at(live, top));
    hf_cluster_stop_node(cluster, first);

    detach_copy(chaos);
    hf_proxy_lead_to(chaos->proxy, hf_redis_server_port(chaos->second));
    hf_redis_server_do(cluster->redis, "REPLICAOF 127.0.0.1 1");
    uint64_t replaced_ms = hf_test_now_ms();
    hf_until(cluster, hf_cluster_logged(cluster, quiet, "READONLY"));
    uint64_t noticed_ms = hf_test_now_ms();
    assert_in_range(noticed_ms - replaced_ms, 0, PROBE_INTERVAL_MS + T_DETECT_MS);

    unsigned second = hf_cluster_add_node(cluster, hf_proxy_address(chaos->proxy));
    top = hf_cluster_publish(cluster, second, "a", 2);
    hf_until(cluster, hf_subscriber_is_at(live, top));
    assert_int_equal(live->losses, 0);
    hf_cluster_check(cluster);
}

/* As long as there is no primary, the node that publishes nothing says so. */
static void readonly_is_told_by_the_health_of_a_node_that_publishes_nothing(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, replicating);
    cluster->config.redis.probe_interval_ms = PROBE_INTERVAL_MS;
    unsigned quiet = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *live = hf_subscriber_open(cluster, quiet, "a");
    hf_redis_server_do(cluster->redis, "REPLICAOF 127.0.0.1 1");
    hf_within(cluster, PROBE_INTERVAL_MS + T_DETECT_MS, is_told(cluster, 1, "READONLY"));
    assert_false(hf_cluster_status(cluster, quiet).is_ready);
    hf_redis_server_do(cluster->redis, "REPLICAOF NO ONE");
    hf_until(cluster, is_well(cluster, 1));
    struct hf_position top = hf_cluster_publish(cluster, quiet, "a", 2);
    hf_until(cluster, hf_subscriber_is_at(live, top));
    hf_cluster_check(cluster);
}

/* Between two probes it follows an older copy and is a primary again: nobody was told READONLY. */
static void readonly_for_less_than_a_probe_is_noticed_by_the_replication_history(void **state)
{
    struct chaos *chaos = *state;
    struct hf_cluster *cluster = chaos_start(state, replicating);
    cluster->config.redis.probe_interval_ms = 8 * PROBE_INTERVAL_MS;
    unsigned quiet = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *live = hf_subscriber_open(cluster, quiet, "a");
    hf_cluster_publish(cluster, quiet, "a", 3);
    attach_copy(chaos);
    detach_copy(chaos);
    struct hf_position top = hf_cluster_publish(cluster, quiet, "a", 2);
    hf_until(cluster, hf_subscriber_is_at(live, top));

    follow_copy(chaos);
    hf_until(cluster, CHAOS_NUMBER(cluster, "XLEN holdfast:stream:a") == 3);
    hf_redis_server_do(cluster->redis, "REPLICAOF NO ONE");
    hf_until(cluster, CHAOS_NUMBER(cluster, "XLEN holdfast:stream:a") == 5); /* written back */
    top = hf_cluster_publish(cluster, quiet, "a", 1);
    hf_until(cluster, hf_subscriber_is_at(live, top));
    assert_int_equal(live->losses, 0);
    hf_cluster_check(cluster);
}

/* Redis reads its file again and meanwhile answers LOADING to whoever is connected. */
static void loading_on_living_connections_refuses_publishes_and_loses_nothing(void **state)
{
    static const char *const options[] = {"--appendonly",
                                          "yes",
                                          "--appendfsync",
                                          "always",
                                          "--aof-use-rdb-preamble",
                                          "no",
                                          "--key-load-delay",
                                          "200",
                                          "--loading-process-events-interval-bytes",
                                          "1024",
                                          NULL};
    struct hf_cluster *cluster = chaos_start(state, options);
    hf_redis_server_do(cluster->redis, "DEBUG POPULATE 10000 key 100");
    struct outage outage = begin(cluster, NULL);
    redisContext *load = hf_redis_server_begin(cluster->redis, "DEBUG RELOAD");
    PUBLISH_UNTIL(&outage, is_told(cluster, NODES, "LOADING") &&
                               count_results(&outage, HF_EUNAVAILABLE) > 8);
    hf_subscriber_enter(outage.away, 1, true);
    redisReply *reply = hf_redis_server_end(load);
    assert_string_equal(reply->str, "OK");
    freeReplyObject(reply);
    end(&outage);
}

/* OOM without an end is c18; here with live ones on other nodes, and other refusals of writes. */
static void refused_writes_are_told_and_lose_nothing(void **state)
{
    static const char *const set[][3] = {
        {"OOM", "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"},
        {"NOREPLICAS", "CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"},
    };
    struct hf_cluster *cluster = chaos_start(state, NULL);
    struct outage outage = begin(cluster, NULL);
    for (size_t i = 0; i < sizeof set / sizeof set[0]; i++) {
        outage.first = cluster->published_count;
        hf_redis_server_do(cluster->redis, set[i][1]);
        PUBLISH_UNTIL(&outage, is_told(cluster, NODES, set[i][0]) &&
                                   cluster->published_count - outage.first > 16);
        hf_until(cluster, cluster->published_open == 0);
        assert_int_equal(count_results(&outage, HF_OK), 0);
        if (outage.away->watch == NULL) {
            hf_subscriber_enter(outage.away, 1, true);
            hf_until(cluster, outage.away->is_live); /* reads are served */
        }
        hf_redis_server_do(cluster->redis, set[i][2]);
        end(&outage);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAOS_TEST(busy_script_of_somebody_else_refuses_publishes_and_loses_nothing),
        CHAOS_TEST(wrongpass_after_the_password_was_changed_is_waited_for_and_loses_nothing),
        CHAOS_TEST(noauth_after_a_password_was_set_is_waited_for_and_loses_nothing),
        CHAOS_TEST(noperm_after_rights_were_taken_refuses_publishes_and_loses_nothing),
        CHAOS_TEST(readonly_primary_that_became_a_replica_and_goes_back_loses_nothing),
        CHAOS_TEST(readonly_primary_that_followed_an_older_copy_is_healed_when_it_goes_back),
        CHAOS_TEST(readonly_primary_that_was_replaced_is_noticed_by_a_node_that_publishes_nothing),
        CHAOS_TEST(readonly_is_told_by_the_health_of_a_node_that_publishes_nothing),
        CHAOS_TEST(readonly_for_less_than_a_probe_is_noticed_by_the_replication_history),
        CHAOS_TEST(loading_on_living_connections_refuses_publishes_and_loses_nothing),
        CHAOS_TEST(refused_writes_are_told_and_lose_nothing),
    };
    return CHAOS_RUN(tests);
}
