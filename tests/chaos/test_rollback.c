/* Chaos 1, 2, 14: Redis comes back with less than it had acknowledged. */
#include "chaos.h"

enum { SAVED = 10, TOLD = 20 };

/* 20 acknowledged, 10 of them in the snapshot; then Redis is killed and has only those. The nodes'
 * subscribers of "a" may be there or not. */
static void roll_back(struct hf_cluster *cluster, unsigned publisher)
{
    hf_redis_server_do(cluster->redis, "SAVE");
    struct hf_position told = hf_cluster_publish(cluster, publisher, "a", TOLD - SAVED);
    assert_int_equal(told.offset, TOLD);
    for (size_t i = 0; i < cluster->subscriber_count; i++) {
        hf_until(cluster, hf_subscriber_is_at(cluster->subscribers[i], told));
    }
    hf_redis_server_kill(cluster->redis);
}

static void
c01_rollback_while_clients_are_away_and_a_node_lingers_on_the_channel_is_healed(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    hf_cluster_add_node(cluster, NULL);
    hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *first = hf_subscriber_open(cluster, 0, "a");
    struct hf_subscriber *second = hf_subscriber_open(cluster, 1, "a");
    struct hf_position epoch = hf_cluster_publish(cluster, 0, "a", SAVED);
    roll_back(cluster, 1);
    hf_subscriber_leave(first);
    hf_subscriber_leave(second);
    hf_redis_server_restart(cluster->redis);
    struct hf_position top = hf_cluster_publish(cluster, 1, "a", TOLD - SAVED);

    /* Written back: the ten lost ones are there, and the new ones came behind them. */
    assert_int_equal(top.epoch, epoch.epoch);
    assert_int_equal(top.offset, TOLD + TOLD - SAVED);
    assert_int_equal(CHAOS_NUMBER(cluster, "XLEN holdfast:stream:a"), top.offset);
    hf_subscriber_come_back(first, 1);
    hf_subscriber_come_back(second, 0);
    assert_int_equal(first->recoveries, 1);
    assert_int_equal(second->recoveries, 1);
    hf_cluster_check(cluster);
}

static void c01_rollback_known_only_to_the_other_node_is_never_called_recovered(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    hf_cluster_add_node(cluster, NULL);
    unsigned witness = hf_cluster_add_node(cluster, NULL);
    hf_cluster_publish(cluster, witness, "a", SAVED);
    hf_redis_server_do(cluster->redis, "SAVE");
    struct hf_position told = hf_cluster_publish(cluster, witness, "a", TOLD - SAVED);
    struct hf_subscriber *client = hf_subscriber_open(cluster, 0, "b");
    hf_subscriber_leave(client); /* it knows the node, the node knows nothing of "a" */
    client = hf_subscriber_new(cluster, "a");
    client->position = client->begin = told;
    client->comes_back = true;
    hf_redis_server_kill(cluster->redis);
    hf_redis_server_restart(cluster->redis);

    /* It asks at once, before anybody has published again: Redis is behind its position now. */
    hf_subscriber_come_back(client, 0);
    assert_int_equal(client->recoveries, 0);
    assert_int_equal(client->refusals, 1);
    /* And so does one whose position Redis has reached again meanwhile. */
    struct hf_position top = hf_cluster_publish(cluster, witness, "a", TOLD);
    assert_true(top.epoch > told.epoch);
    struct hf_subscriber *late = hf_subscriber_new(cluster, "a");
    late->position = late->begin = told;
    hf_subscriber_come_back(late, witness);
    assert_int_equal(late->recoveries, 0);
    assert_true(hf_cluster_status(cluster, witness).epochs_rotated == 1);
    hf_until(cluster, hf_subscriber_is_at(client, top));
    hf_cluster_check(cluster);
}

/* Redis goes on from the snapshot at once, in the hands of a node that has seen nothing: new
 * publications take the offsets of the lost ones before a client comes back. */
static void c01_offsets_given_twice_by_a_newborn_node_are_not_called_recovered(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    unsigned witness = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *client = hf_subscriber_open(cluster, witness, "a");
    hf_cluster_publish(cluster, witness, "a", SAVED);
    roll_back(cluster, witness);
    hf_subscriber_leave(client);
    hf_redis_server_restart(cluster->redis);
    unsigned newborn = hf_cluster_open_node(cluster, NULL);
    /* Its publishes wait until the witness has spoken. */
    hf_cluster_publish(cluster, newborn, "a", TOLD - SAVED);
    hf_subscriber_come_back(client, newborn);
    hf_cluster_check(cluster);
    struct hf_position top = hf_cluster_publish(cluster, newborn, "a", 1);
    hf_until(cluster, hf_subscriber_is_at(client, top));
    hf_cluster_check(cluster);
}

/* What Redis has just saved is put aside as old.rdb, or comes back. */
static void change_snapshot(struct hf_cluster *cluster, const char *from, const char *to)
{
    const char *socket = hf_redis_server_unix(cluster->redis) + strlen("unix://");
    char before[160], after[160];
    int folder = (int)(strrchr(socket, '/') - socket);
    snprintf(before, sizeof before, "%.*s/%s", folder, socket, from);
    snprintf(after, sizeof after, "%.*s/%s", folder, socket, to);
    assert_int_equal(rename(before, after), 0);
}

/* The old data is as far on as what the node has heard since, and what it held there has expired:
 * nothing can be compared but the lives that it knows. */
static void c01_old_data_that_is_as_far_on_is_not_taken_for_ours_when_it_has_expired(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    unsigned forgotten = hf_cluster_add_node(cluster, NULL);
    hf_cluster_publish(cluster, forgotten, "a", SAVED);
    hf_redis_server_do(cluster->redis, "SAVE");
    change_snapshot(cluster, "dump.rdb", "less.rdb");
    struct hf_position old = hf_cluster_publish(cluster, forgotten, "a", 1);
    hf_redis_server_do(cluster->redis, "XTRIM holdfast:stream:a MAXLEN 0");
    hf_redis_server_do(cluster->redis, "SAVE");
    hf_redis_server_kill(cluster->redis);
    hf_cluster_stop_node(cluster, forgotten);
    change_snapshot(cluster, "dump.rdb", "more.rdb");
    change_snapshot(cluster, "less.rdb", "dump.rdb");
    hf_redis_server_restart(cluster->redis);

    unsigned node = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *client = hf_subscriber_open(cluster, node, "a");
    client->comes_back = true;
    struct hf_position ours = hf_cluster_publish(cluster, node, "a", 1);
    assert_true(hf_position_equal(ours, old));
    hf_until(cluster, hf_subscriber_is_at(client, ours));
    hf_redis_server_kill(cluster->redis);
    change_snapshot(cluster, "more.rdb", "dump.rdb");
    hf_redis_server_restart(cluster->redis);

    hf_until(cluster, client->refusals == 1 && client->is_live);
    assert_int_equal(client->losses, 1);
    assert_int_equal(client->recoveries, 0);
    assert_true(client->position.epoch > ours.epoch);
    struct hf_position top = hf_cluster_publish(cluster, node, "a", 1);
    hf_until(cluster, hf_subscriber_is_at(client, top));
    hf_cluster_check(cluster);
}

static void c02_rollback_under_live_clients_is_healed_and_none_skips(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    hf_cluster_add_node(cluster, NULL);
    hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *clients[2];
    for (unsigned i = 0; i < 2; i++) {
        clients[i] = hf_subscriber_open(cluster, i, "a");
        clients[i]->comes_back = true;
    }
    hf_cluster_publish(cluster, 0, "a", SAVED);
    roll_back(cluster, 0);
    hf_redis_server_restart(cluster->redis);
    uint64_t answers_ms = hf_test_now_ms();
    struct hf_position top = hf_cluster_publish(cluster, 1, "a", TOLD - SAVED);
    for (unsigned i = 0; i < 2; i++) {
        hf_until(cluster, hf_subscriber_is_at(clients[i], top));
        assert_true(clients[i]->heard_ms - answers_ms < 2 * T_DETECT_MS);
        assert_int_equal(clients[i]->losses, 0); /* it fitted: they noticed nothing */
    }
    hf_cluster_check(cluster);
    assert_int_equal(CHAOS_NUMBER(cluster, "XLEN holdfast:stream:a"), top.offset);
}

/* What was lost fits nowhere: a stranger has written behind the snapshot before the nodes are back.
 */
static void c02_rollback_that_cannot_be_healed_is_told_to_every_live_client(void **state)
{
    struct chaos *chaos = *state;
    struct hf_cluster *cluster = chaos_start(state, NULL);
    chaos->proxy = hf_proxy_start(hf_redis_server_port(cluster->redis));
    const char *address = hf_proxy_address(chaos->proxy);
    struct hf_subscriber *clients[2];
    for (unsigned i = 0; i < 2; i++) {
        hf_cluster_add_node(cluster, address);
        clients[i] = hf_subscriber_open(cluster, i, "a");
        clients[i]->comes_back = true;
    }
    struct hf_position saved = hf_cluster_publish(cluster, 0, "a", SAVED);
    roll_back(cluster, 0);
    hf_proxy_refuse(chaos->proxy, true);
    hf_redis_server_restart(cluster->redis);
    char id[48];
    for (uint64_t i = SAVED + 1; i <= TOLD + 1; i++) {
        snprintf(id, sizeof id, "%llu-%llu", (unsigned long long)saved.epoch,
                 (unsigned long long)i);
        hf_redis_server_do(cluster->redis, "XADD holdfast:stream:a %s data 1", id);
    }
    hf_redis_server_do(cluster->redis, "SET holdfast:meta:a %s", id);
    hf_proxy_refuse(chaos->proxy, false);
    uint64_t open_ms = hf_test_now_ms();

    /* Nobody publishes: it is told in silence. */
    for (unsigned i = 0; i < 2; i++) {
        hf_until(cluster, clients[i]->refusals == 1 && clients[i]->is_live);
        assert_true(clients[i]->heard_ms - open_ms < 2 * T_DETECT_MS);
        assert_int_equal(clients[i]->losses, 1);
        assert_int_equal(clients[i]->recoveries, 0);
        assert_true(clients[i]->position.epoch > saved.epoch);
    }
    struct hf_position top = hf_cluster_publish(cluster, 1, "a", 3);
    for (unsigned i = 0; i < 2; i++) {
        hf_until(cluster, hf_subscriber_is_at(clients[i], top));
    }
    hf_cluster_check(cluster);
}

static void c14_token_ahead_of_the_top_is_refused_and_placed_anew(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    unsigned node = hf_cluster_add_node(cluster, NULL);
    struct hf_position saved = hf_cluster_publish(cluster, node, "a", SAVED);
    hf_redis_server_do(cluster->redis, "SAVE");
    struct hf_position told = hf_cluster_publish(cluster, node, "a", TOLD - SAVED);
    hf_cluster_stop_node(cluster, node); /* nobody is left who knows */
    hf_redis_server_kill(cluster->redis);
    hf_redis_server_restart(cluster->redis);
    for (uint32_t i = SAVED; i < TOLD; i++) {
        cluster->published[i]->result = HF_ESTORE; /* they are lost, and nobody can know */
    }
    node = hf_cluster_add_node(cluster, NULL);

    const uint64_t offsets[] = {told.offset, SAVED + 1, UINT64_MAX, (uint64_t)1 << 53};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        struct hf_subscriber *client = hf_subscriber_new(cluster, "a");
        client->position = client->begin = (struct hf_position){told.epoch, offsets[i]};
        hf_subscriber_come_back(client, node);
        assert_int_equal(client->refusals, 1);
        assert_true(hf_position_equal(client->position, saved));
        hf_subscriber_leave(client);
    }
    struct hf_subscriber *at_top = hf_subscriber_new(cluster, "a");
    at_top->position = at_top->begin = saved;
    hf_subscriber_come_back(at_top, node);
    assert_int_equal(at_top->recoveries, 1);
    hf_cluster_check(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAOS_TEST(c01_rollback_while_clients_are_away_and_a_node_lingers_on_the_channel_is_healed),
        CHAOS_TEST(c01_rollback_known_only_to_the_other_node_is_never_called_recovered),
        CHAOS_TEST(c01_offsets_given_twice_by_a_newborn_node_are_not_called_recovered),
        CHAOS_TEST(c01_old_data_that_is_as_far_on_is_not_taken_for_ours_when_it_has_expired),
        CHAOS_TEST(c02_rollback_under_live_clients_is_healed_and_none_skips),
        CHAOS_TEST(c02_rollback_that_cannot_be_healed_is_told_to_every_live_client),
        CHAOS_TEST(c14_token_ahead_of_the_top_is_refused_and_placed_anew),
    };
    return CHAOS_RUN(tests);
}
