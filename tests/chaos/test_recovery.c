/* Chaos 25, 26, 30, 37, 38: what a client that comes back is given. */
#include "chaos.h"

static struct hf_subscriber *client_behind(struct hf_cluster *cluster, struct hf_position top,
                                           uint64_t missed)
{
    struct hf_subscriber *client = hf_subscriber_new(cluster, "a");
    client->position = client->begin = (struct hf_position){top.epoch, top.offset - missed};
    return client;
}

static void
c25_missed_exactly_the_limit_one_more_and_ten_times_as_many_have_exact_answers(void **state)
{
    enum { LIMIT = 50 };
    struct hf_cluster *cluster = chaos_start(state, NULL);
    cluster->config.page_publications_max = LIMIT;
    cluster->config.tail_publications_max = 60; /* some from memory, some from Redis */
    unsigned node = hf_cluster_add_node(cluster, NULL);
    unsigned publisher = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *live = hf_subscriber_open(cluster, node, "a");
    struct hf_position top = hf_cluster_publish(cluster, publisher, "a", 10 * LIMIT);
    hf_until(cluster, hf_subscriber_is_at(live, top));
    hf_subscriber_leave(live);

    static const struct {
        uint32_t missed, limit, refusals, pages;
    } cases[] = {
        {LIMIT - 1, LIMIT, 0, 1},
        {LIMIT, LIMIT, 0, 1},
        {LIMIT + 1, LIMIT, 1, 0},
        {10 * LIMIT, LIMIT, 1, 0},
        {10 * LIMIT, 10 * LIMIT, 0, 10},
        {0, 1, 0, 0},
        {1, 1, 0, 1},
        {2, 1, 1, 0},
        {LIMIT, HF_LIMIT_NONE, 0, 1}, /* without a limit: pages */
        {LIMIT + 1, HF_LIMIT_NONE, 0, 2},
        {10 * LIMIT, HF_LIMIT_NONE, 0, 10},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        /* At once with the tail in memory, and on a node that has to read everything. */
        for (unsigned where = 0; where < 2; where++) {
            struct hf_subscriber *client = client_behind(cluster, top, cases[i].missed);
            client->recovery_limit = cases[i].limit;
            hf_subscriber_come_back(client, where == 0 ? node : publisher);
            assert_int_equal(client->refusals, cases[i].refusals);
            assert_int_equal(client->received, cases[i].refusals == 0 ? cases[i].missed : 0);
            assert_int_equal(client->pages, cases[i].pages);
            assert_true(hf_position_equal(client->position, top));
            hf_cluster_check(cluster);
            hf_subscriber_leave(client);
        }
    }
}

static void c25_backlog_trimmed_away_under_a_slow_reader_is_told(void **state)
{
    enum { PAGE = 10, SIZE = 100 };
    struct hf_cluster *cluster = chaos_start(state, NULL);
    cluster->options.history_size = SIZE;
    cluster->config.page_publications_max = PAGE;
    cluster->config.tail_publications_max = PAGE;
    unsigned node = hf_cluster_add_node(cluster, NULL);
    unsigned publisher = hf_cluster_add_node(cluster, NULL);
    unsigned slow = hf_cluster_add_port(cluster, node);
    struct hf_position top = hf_cluster_publish(cluster, publisher, "a", SIZE);
    struct hf_subscriber *client = client_behind(cluster, top, SIZE);
    struct hf_subscriber *live = hf_subscriber_open(cluster, node, "a");
    hf_subscriber_enter(client, slow, true);
    hf_until(cluster, client->pages == 2);
    cluster->clients[slow].is_stalled = true; /* the rest of its history goes meanwhile */
    top = hf_cluster_publish(cluster, publisher, "a", 2 * SIZE);
    hf_until(cluster, hf_subscriber_is_at(live, top));
    client->comes_back = true;
    cluster->clients[slow].is_stalled = false;
    hf_until(cluster, client->losses == 1 && client->refusals == 1);
    hf_until(cluster, hf_subscriber_is_at(client, top));
    hf_cluster_check(cluster);
}

static void
c26_300_publications_of_64_kib_are_recovered_under_live_traffic_in_bounded_pages(void **state)
{
    enum { COUNT = 300, BYTES = 64 * 1024, PAGE_BYTES = 512 * 1024 };
    struct hf_cluster *cluster = chaos_start(state, NULL);
    cluster->config.page_bytes_max = PAGE_BYTES;
    cluster->config.mailbox_bytes_max = 4 * 1024 * 1024;
    unsigned node = hf_cluster_add_node(cluster, NULL);
    unsigned publisher = hf_cluster_add_node(cluster, NULL);
    cluster->pad = BYTES;
    struct hf_subscriber *client = hf_subscriber_open(cluster, node, "a");
    hf_subscriber_leave(client);
    hf_cluster_publish(cluster, publisher, "a", COUNT);
    unsigned at_once = hf_cluster_add_port(cluster, node);
    struct hf_subscriber *live = hf_subscriber_open(cluster, at_once, "a");
    hf_subscriber_enter(client, node, true);
    struct hf_published *last = NULL;
    while (!client->is_live) { /* live traffic until the client has caught up with it */
        if (cluster->published_open < 4 && cluster->published_count < 2 * COUNT) {
            last = hf_cluster_send(cluster, publisher, "a");
        }
        hf_cluster_turn(cluster);
    }
    last = hf_cluster_send(cluster, publisher, "a");
    hf_until(cluster, last->is_done);
    hf_until(cluster, hf_subscriber_is_at(client, last->position) &&
                          hf_subscriber_is_at(live, last->position));
    assert_int_equal(client->received, last->position.offset);
    assert_true(client->pages >= COUNT * BYTES / PAGE_BYTES);
    assert_true(client->page_bytes_max <= PAGE_BYTES + BYTES + 4096); /* I5 */
    assert_int_equal(client->losses + client->refusals + live->losses, 0);
    hf_cluster_check(cluster);
}

static void c30_three_offline_cycles_without_traffic_repeat_nothing(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    hf_cluster_add_node(cluster, NULL);
    hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *client = hf_subscriber_open(cluster, 0, "a");
    hf_subscriber_leave(client);
    struct hf_position top = hf_cluster_publish(cluster, 1, "a", 10);
    for (unsigned i = 1; i <= 6; i++) {
        hf_subscriber_come_back(client, i % 2);
        assert_int_equal(client->recoveries, i);
        assert_int_equal(client->received, 10);
        assert_true(hf_subscriber_is_at(client, top));
        /* What a session would tell its client is where the page ended, not where it began. */
        assert_true(hf_position_equal(client->answer.position, top));
        hf_subscriber_leave(client);
    }
    assert_int_equal(client->pages, 1);
}

static void c37_noisy_channel_takes_nothing_from_quiet_ones(void **state)
{
    enum { QUIET = 20, EACH = 10, NOISE = 20000, WINDOW = 256 };
    struct hf_cluster *cluster = chaos_start(state, NULL);
    cluster->config.tail_bytes_max = 64 * 1024;
    cluster->config.tails_bytes_max = 256 * 1024; /* for all: four noisy ones would fill it */
    unsigned node = hf_cluster_add_node(cluster, NULL);
    unsigned publisher = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *quiet[QUIET];
    char channel[16];
    for (unsigned i = 0; i < QUIET; i++) {
        snprintf(channel, sizeof channel, "q%u", i);
        quiet[i] = hf_subscriber_open(cluster, node, channel);
        hf_subscriber_leave(quiet[i]);
        hf_cluster_publish(cluster, publisher, channel, EACH);
    }
    cluster->options.history_size = 100;
    struct hf_subscriber *listener = hf_subscriber_open(cluster, node, "noise");
    struct hf_published *last = NULL;
    for (unsigned i = 0; i < NOISE; i++) {
        last = hf_cluster_send(cluster, publisher, "noise");
        if (cluster->published_open >= WINDOW) {
            hf_until(cluster, cluster->published_open < WINDOW / 2);
        }
    }
    hf_until(cluster, last->is_done && hf_subscriber_is_at(listener, last->position));
    assert_in_range(CHAOS_NUMBER(cluster, "XLEN holdfast:stream:noise"), 100, 250);
    hf_cluster_run(cluster, 200);
    uint64_t reads = hf_cluster_status(cluster, node).store_reads;
    for (unsigned i = 0; i < QUIET; i++) {
        hf_subscriber_come_back(quiet[i], node);
        assert_int_equal(quiet[i]->recoveries, 1);
        assert_int_equal(quiet[i]->received, EACH);
    }
    hf_cluster_run(cluster, 200);
    /* In memory, too, the noise has only its own part. */
    assert_int_equal(hf_cluster_status(cluster, node).store_reads, reads);
    unsigned newborn = hf_cluster_add_node(cluster, NULL);
    for (unsigned i = 0; i < QUIET; i++) {
        struct hf_subscriber *client = hf_subscriber_new(cluster, quiet[i]->channel);
        client->position = client->begin = (struct hf_position){quiet[i]->position.epoch, 0};
        hf_subscriber_come_back(client, newborn);
        assert_int_equal(client->received, EACH);
    }
    hf_cluster_check(cluster);
}

static void c38_forged_tokens_get_no_data_of_others_and_the_truth(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    unsigned node = hf_cluster_add_node(cluster, NULL);
    struct hf_position b = hf_cluster_publish(cluster, node, "b", 30);
    struct hf_position a = hf_cluster_publish(cluster, node, "a", 10);
    const struct hf_position forged[] = {
        b, /* another channel's */
        {b.epoch, 5},
        {a.epoch, UINT64_MAX},
        {a.epoch, a.offset + 1},
        {a.epoch + 1, a.offset},
        {a.epoch - 1, a.offset},
        {HF_EPOCH_MAX, 0},
        {HF_EPOCH_MAX + 1, 1},
        {UINT64_MAX - 1, UINT64_MAX},
        {HF_EPOCH_FOREIGN, a.offset},
        {HF_EPOCH_NONE, UINT64_MAX},
        {1, 1},
    };
    unsigned newborn = hf_cluster_add_node(cluster, NULL);
    for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
        for (unsigned where = 0; where < 2; where++) {
            struct hf_subscriber *client = hf_subscriber_new(cluster, "a");
            client->position = client->begin = forged[i];
            hf_subscriber_come_back(client, where == 0 ? node : newborn);
            assert_int_equal(client->refusals, 1);
            assert_int_equal(client->received, 0);
            assert_true(hf_position_equal(client->position, a));
            hf_subscriber_leave(client);
        }
    }
    hf_cluster_check(cluster);
}

/* Nor does anything else that only asks: a replica would have to be told of it. */
static void reads_of_what_is_there_write_nothing_to_redis(void **state)
{
    struct hf_cluster *cluster = chaos_start(state, NULL);
    unsigned first = hf_cluster_add_node(cluster, NULL);
    struct hf_subscriber *away = hf_subscriber_open(cluster, first, "a");
    struct hf_position top = hf_cluster_publish(cluster, first, "a", 2);
    hf_until(cluster, hf_subscriber_is_at(away, top));
    hf_subscriber_leave(away);
    top = hf_cluster_publish(cluster, first, "a", 20);
    unsigned second = hf_cluster_add_node(cluster, NULL); /* it knows nothing: all is read */
    long long changes = chaos_info(cluster, "rdb_changes_since_last_save");
    long long reads = chaos_info(cluster, "total_reads_processed");
    hf_subscriber_come_back(away, second);
    hf_until(cluster, hf_subscriber_is_at(away, top));
    assert_int_equal(away->recoveries, 1);
    assert_true(chaos_info(cluster, "total_reads_processed") > reads);
    assert_int_equal(chaos_info(cluster, "rdb_changes_since_last_save"), changes);
    hf_cluster_check(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHAOS_TEST(c25_missed_exactly_the_limit_one_more_and_ten_times_as_many_have_exact_answers),
        CHAOS_TEST(c25_backlog_trimmed_away_under_a_slow_reader_is_told),
        CHAOS_TEST(
            c26_300_publications_of_64_kib_are_recovered_under_live_traffic_in_bounded_pages),
        CHAOS_TEST(c30_three_offline_cycles_without_traffic_repeat_nothing),
        CHAOS_TEST(c37_noisy_channel_takes_nothing_from_quiet_ones),
        CHAOS_TEST(c38_forged_tokens_get_no_data_of_others_and_the_truth),
        CHAOS_TEST(reads_of_what_is_there_write_nothing_to_redis),
    };
    return CHAOS_RUN(tests);
}
