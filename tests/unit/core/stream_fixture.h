/* Fixture of the tests of streams: one core, and a channel "ch" that is mostly live. */
#ifndef HF_TESTS_STREAM_FIXTURE_H
#define HF_TESTS_STREAM_FIXTURE_H

#include "core_fixture.h"

static struct core_fixture fx;

static inline int set_up(void **state)
{
    (void)state;
    fixture_init(&fx);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    fixture_stop(&fx);
    return 0;
}

static inline void reconnect(bool is_same_store)
{
    hf_core_disconnected(fx.core);
    fx.life += !is_same_store;
    connect_store(&fx);
    listening(&fx, "ch");
}

static inline void hear_all(uint64_t epoch, uint64_t first, uint64_t last)
{
    for (uint64_t offset = first; offset <= last; offset++) {
        hear(&fx, "ch", epoch, offset);
    }
}

static inline void forget_log(void)
{
    fx.log_len = 0;
    fx.log[0] = '\0';
}

/* Answers the reads that come with a store that stands still, until there are none. */
static inline void answer_reads(uint64_t epoch, uint64_t top, uint64_t first, uint64_t last)
{
    unsigned reads = 0;
    while (fx.reads_open > 0) {
        assert_true(++reads < 10); /* more would be a core that goes round in circles */
        read_gives(&fx, epoch, top, first, last);
    }
}

/* A live stream at 7:8 whose tail holds 5..8. */
static inline void start_live_with_tail(void)
{
    start_live(&fx, 7, 5);
    hear_all(7, 6, 8);
    expect(&fx, "deliver w 7:6\ndeliver w 7:7\ndeliver w 7:8\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
