#include "core_fixture.h"

static struct core_fixture fx;

static int set_up(void **state)
{
    (void)state;
    fixture_init(&fx);
    fx.config.witnesses_max = 3;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_stop(&fx);
    return 0;
}

static void forget_log(void)
{
    fx.log_len = 0;
    fx.log[0] = '\0';
}

static void published(const char *channel, uint64_t epoch, uint64_t offset)
{
    const struct hf_publication_fields fields = {.data = fixture_bytes("same")};
    hf_core_published(fx.core, fixture_bytes(channel), &fixture_history,
                      (struct hf_position){epoch, offset}, &fields);
}

static void start_connected(void)
{
    fixture_start(&fx);
    connect_store(&fx);
}

static void reconnect_to_another(void)
{
    hf_core_disconnected(fx.core);
    fx.life++;
    connect_store(&fx);
}

static void a_published_channel_is_compared_after_the_store_may_have_changed(void **state)
{
    (void)state;
    start_connected();
    published("ch", 7, 5);
    published("ch", 7, 4); /* acknowledged later, but older */
    assert_int_equal(counters(&fx)->witnesses, 1);
    assert_true(hf_core_is_checked(fx.core));
    reconnect_to_another();
    expect(&fx, "read ch from 7:5\n"); /* nothing is listened to for that */
    assert_false(hf_core_is_checked(fx.core));
    read_gives(&fx, 7, 6, 5, 6);
    expect(&fx, "");
    assert_true(hf_core_is_checked(fx.core));
    assert_int_equal(counters(&fx)->streams, 0);
    assert_int_equal(counters(&fx)->witnesses, 1); /* it goes on, as one of 7:6 */
    reconnect_to_another();
    expect(&fx, "read ch from 7:6\n");
}

static void the_same_store_hears_no_witnesses(void **state)
{
    (void)state;
    start_connected();
    published("ch", 7, 5);
    hf_core_disconnected(fx.core);
    connect_store(&fx);
    expect(&fx, "");
    assert_true(hf_core_is_checked(fx.core));
}

static void a_witness_of_what_is_lost_gets_the_stream_a_new_epoch(void **state)
{
    (void)state;
    start_connected();
    published("ch", 7, 5);
    reconnect_to_another();
    read_gives(&fx, 7, 3, 0, 0);
    expect(&fx, "read ch from 7:5\nread ch from 7:3\n");
    read_gives(&fx, 7, 3, 3, 3);
    expect(&fx, "mend ch at 7:3 anew\n");
    assert_false(hf_core_is_checked(fx.core));
    mend_done(&fx, HF_OK);
    expect(&fx, "read ch from 7:5\n");
    read_gives(&fx, 9, 0, 0, 0);
    assert_true(hf_core_is_checked(fx.core));
    assert_int_equal(counters(&fx)->epochs_rotated, 1);
}

static void a_witness_of_another_publication_gets_the_stream_a_new_epoch(void **state)
{
    (void)state;
    start_connected();
    published("ch", 7, 5);
    reconnect_to_another();
    forget_log();
    read_gives_other(&fx, 7, 8, 5, 8, "other");
    expect(&fx, "mend ch at 7:8 anew\n");
}

static void witnesses_are_heard_a_few_at_a_time(void **state)
{
    (void)state;
    fx.config.reads_in_flight_max = 2;
    start_connected();
    published("a", 7, 1);
    published("b", 7, 1);
    published("c", 7, 1);
    reconnect_to_another();
    expect(&fx, "read a from 7:1\nread b from 7:1\n");
    read_gives(&fx, 7, 1, 1, 1);
    expect(&fx, "read c from 7:1\n");
    read_gives(&fx, 7, 1, 1, 1);
    assert_false(hf_core_is_checked(fx.core));
    read_gives(&fx, 7, 1, 1, 1);
    assert_true(hf_core_is_checked(fx.core));
}

static void above_the_limit_the_least_recently_renewed_goes(void **state)
{
    (void)state;
    start_connected();
    published("a", 7, 1);
    published("b", 7, 1);
    published("c", 7, 1);
    published("a", 7, 2);
    published("d", 7, 1);
    assert_int_equal(counters(&fx)->witnesses, 3);
    reconnect_to_another();
    expect(&fx, "read c from 7:1\nread a from 7:2\nread d from 7:1\n");
}

static void above_the_bytes_the_least_recently_renewed_goes(void **state)
{
    (void)state;
    fx.config.witnesses_max = 1000;
    fx.config.witnesses_bytes_max = 1000;
    start_connected();
    char name[101] = "";
    memset(name, 'x', 100);
    for (char first = 'a'; first <= 'z'; first++) {
        name[0] = first;
        published(name, 7, 1);
    }
    assert_in_range(counters(&fx)->witnesses, 4, 9); /* names alone are 100 bytes each */
    reconnect_to_another();
    name[0] = 'z';
    assert_non_null(strstr(fx.log, name)); /* the newest are those that were kept */
    name[0] = 'a';
    assert_null(strstr(fx.log, name));
}

static void one_that_is_larger_than_all_bytes_is_not_noted(void **state)
{
    (void)state;
    fx.config.witnesses_bytes_max = 10;
    start_connected();
    published("ch", 7, 1);
    assert_int_equal(counters(&fx)->witnesses, 0);
}

static void one_that_is_not_renewed_for_its_time_goes(void **state)
{
    (void)state;
    start_connected();
    published("before the first tick", 7, 1);
    wait_ms(&fx, 1000);
    published("a", 7, 1);
    published("b", 7, 1);
    wait_ms(&fx, 30000);
    published("a", 7, 2);
    wait_ms(&fx, 29000);
    assert_int_equal(counters(&fx)->witnesses, 3);
    wait_ms(&fx, 1000);
    assert_int_equal(counters(&fx)->witnesses, 1);
    reconnect_to_another();
    expect(&fx, "read a from 7:2\n");
    read_gives(&fx, 7, 2, 2, 2);
    wait_ms(&fx, 61000);
    assert_int_equal(counters(&fx)->witnesses, 0);
}

static void while_the_store_is_away_time_makes_nobody_forget(void **state)
{
    (void)state;
    start_connected();
    published("ch", 7, 5);
    hf_core_disconnected(fx.core);
    wait_ms(&fx, 100);
    wait_ms(&fx, 1000000);
    fx.life++;
    connect_store(&fx);
    expect(&fx, "read ch from 7:5\n");
}

static void a_disconnect_interrupts_the_hearing_and_it_begins_again(void **state)
{
    (void)state;
    start_connected();
    published("ch", 7, 5);
    reconnect_to_another();
    hf_core_disconnected(fx.core);
    read_fails(&fx, HF_EUNAVAILABLE);
    forget_log();
    connect_store(&fx);
    expect(&fx, "read ch from 7:5\n");
    assert_false(hf_core_is_checked(fx.core));
    read_fails(&fx, HF_ESTORE);
    wait_ms(&fx, 200);
    expect(&fx, "read ch from 7:5\n");
    read_gives(&fx, 7, 5, 5, 5);
    assert_true(hf_core_is_checked(fx.core));
}

static void a_stream_that_has_gone_leaves_a_witness(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_live(&fx, 7, 5);
    hear(&fx, "ch", 7, 6);
    unwatch(&fx, w);
    wait_ms(&fx, 10000);
    assert_int_equal(counters(&fx)->streams, 0);
    forget_log();
    reconnect_to_another();
    expect(&fx, "read ch from 7:6\n");
    read_gives_other(&fx, 7, 6, 6, 6, "other");
    expect(&fx, "mend ch at 7:6 anew\n");
}

static void a_channel_opened_while_it_is_compared_is_followed_from_its_witness(void **state)
{
    (void)state;
    start_connected();
    published("ch", 7, 5);
    reconnect_to_another();
    forget_log();
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    recover(&fx, w, "r", 7, 5);
    expect(&fx, "listen ch\n");
    listening(&fx, "ch");
    read_gives(&fx, 7, 5, 5, 5); /* from before it listened */
    expect(&fx, "read ch from 7:5\n");
    read_gives(&fx, 7, 6, 5, 6);
    expect(&fx, "answer r recovered 7:6 of 7:6 6-6 live\n");
    assert_true(hf_core_is_checked(fx.core));
}

/* The witness must not be gone before the stream has a place of its own. */
static void a_stream_that_had_no_place_yet_still_has_its_witness(void **state)
{
    (void)state;
    start_connected();
    published("ch", 7, 5);
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    recover(&fx, w, "r", 7, 5);
    reconnect_to_another();
    listening(&fx, "ch");
    forget_log();
    read_gives_other(&fx, 7, 5, 5, 5, "other");
    expect(&fx, "mend ch at 7:5 anew\n");
}

static void what_is_published_without_a_position_has_no_witness(void **state)
{
    (void)state;
    start_connected();
    published("ch", 0, 0);
    assert_int_equal(counters(&fx)->witnesses, 0);
}

/* --- the fence -------------------------------------------------------------------------------- */

static void while_fenced_nobody_is_told_recovered(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_live(&fx, 7, 5);
    hear(&fx, "ch", 7, 6);
    forget_log();
    hf_core_set_fence(fx.core, true, fx.now_ms);
    recover(&fx, w, "tail", 7, 5);
    recover(&fx, w, "top", 7, 6);
    subscribe(&fx, w, "fresh"); /* is told nothing about the past */
    hear(&fx, "ch", 7, 7);
    expect(&fx, "answer fresh top 7:6 live\ndeliver w 7:7\n");
    hf_core_set_fence(fx.core, true, fx.now_ms);
    expect(&fx, "");
    hf_core_set_fence(fx.core, false, fx.now_ms);
    expect(&fx, "answer tail recovered 7:7 of 7:7 6-7 live\n"
                "answer top recovered 7:7 of 7:7 7-7 live\n");
}

static void a_page_read_behind_the_fence_is_not_served(void **state)
{
    (void)state;
    fixture_start(&fx);
    connect_store(&fx);
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    hf_core_set_fence(fx.core, true, fx.now_ms);
    recover(&fx, w, "r", 7, 2);
    listening(&fx, "ch");
    read_gives(&fx, 7, 20, 3, 6);
    expect(&fx, "listen ch\nread ch from 7:2\nread ch from 7:20\n");
    read_gives(&fx, 7, 20, 20, 20);
    hf_core_set_fence(fx.core, false, fx.now_ms);
    expect(&fx, "read ch from 7:20\n"); /* its place is provisional */
    read_gives(&fx, 7, 20, 20, 20);
    expect(&fx, "read ch after 7:2\n");
    read_gives(&fx, 7, 20, 3, 6);
    expect(&fx, "answer r recovered 7:6 of 7:20 3-6\n");
}

/* Another node rotates the epoch of what this one has read: nothing is announced of that. */
static void a_place_read_behind_the_fence_of_another_life_is_read_again(void **state)
{
    (void)state;
    fixture_start(&fx);
    hf_core_set_fence(fx.core, true, fx.now_ms);
    connect_store(&fx);
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    recover(&fx, w, "top", 7, 5);
    recover(&fx, w, "older", 7, 4);
    listening(&fx, "ch");
    read_gives(&fx, 7, 5, 5, 5);
    expect(&fx, "listen ch\nread ch from 7:4\n");
    hf_core_set_fence(fx.core, false, fx.now_ms);
    expect(&fx, "read ch from 7:5\n");
    read_gives(&fx, 8, 0, 0, 0);
    expect(&fx, "answer top top 8:0 live\nanswer older top 8:0 live\n");
}

/* It has nothing to hold against what the store has: another node may. */
static void what_was_missed_is_not_handed_on_before_the_fence_opens(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    hf_core_disconnected(fx.core);
    hf_core_set_fence(fx.core, true, fx.now_ms);
    fx.life++;
    connect_store(&fx);
    listening(&fx, "ch");
    read_gives(&fx, 7, 7, 5, 7);
    expect(&fx, "listen ch\nread ch from 7:5\n");
    assert_true(hf_core_is_checked(fx.core)); /* the others wait for this one */
    wait_ms(&fx, 1000);
    expect(&fx, "");
    hf_core_set_fence(fx.core, false, fx.now_ms);
    expect(&fx, "read ch from 7:5\n");
    read_gives(&fx, 7, 7, 5, 7);
    expect(&fx, "deliver w 7:6\ndeliver w 7:7\n");
}

/* 7:5 expires, and nobody has published since the life in which it was found right. */
static void a_place_found_right_behind_the_fence_needs_no_other_proof(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    hf_core_disconnected(fx.core);
    hf_core_set_fence(fx.core, true, fx.now_ms);
    fx.life = 2;
    connect_store(&fx);
    listening(&fx, "ch");
    read_gives(&fx, 7, 7, 5, 7);
    hf_core_set_fence(fx.core, false, fx.now_ms);
    hf_core_disconnected(fx.core);
    hf_core_set_fence(fx.core, true, fx.now_ms);
    read_fails(&fx, HF_EUNAVAILABLE);
    fx.admitted_life = 2;
    fx.life = 3;
    connect_store(&fx);
    listening(&fx, "ch");
    read_gives(&fx, 7, 8, 7, 8); /* the newest that was read behind the fence */
    read_gives(&fx, 7, 8, 6, 8);
    hf_core_set_fence(fx.core, false, fx.now_ms);
    read_gives(&fx, 7, 8, 6, 8);
    expect(&fx, "listen ch\nread ch from 7:5\nread ch from 7:5\nlisten ch\nread ch from 7:7\n"
                "read ch from 7:5\nread ch from 7:5\n"
                "deliver w 7:6\ndeliver w 7:7\ndeliver w 7:8\n");
}

static void meet_another_life_behind_the_fence(void)
{
    hf_core_disconnected(fx.core);
    hf_core_set_fence(fx.core, true, fx.now_ms);
    fx.life++;
    connect_store(&fx);
    listening(&fx, "ch");
}

/* 7:5 expires, but 7:7 is there. */
static void a_place_behind_one_that_was_found_needs_no_proof_of_its_own(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    meet_another_life_behind_the_fence(); /* life 2, into which somebody publishes */
    read_gives(&fx, 7, 7, 5, 7);
    meet_another_life_behind_the_fence();
    read_gives(&fx, 7, 7, 7, 7);
    read_gives(&fx, 7, 7, 5, 7);
    fx.admitted_life = 2;
    meet_another_life_behind_the_fence();
    read_gives(&fx, 7, 7, 7, 7);
    read_gives(&fx, 7, 7, 6, 7);
    assert_int_equal(counters(&fx)->rollbacks_seen, 0);
    assert_true(hf_core_is_checked(fx.core));
}

static void what_was_missed_is_read_again_if_the_fence_opened_meanwhile(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    hf_core_disconnected(fx.core);
    hf_core_set_fence(fx.core, true, fx.now_ms);
    fx.life++;
    connect_store(&fx);
    listening(&fx, "ch");
    hf_core_set_fence(fx.core, false, fx.now_ms);
    read_gives(&fx, 7, 7, 5, 7);
    expect(&fx, "listen ch\nread ch from 7:5\nread ch from 7:5\n");
    read_gives(&fx, 8, 0, 0, 0); /* it was mended */
    expect(&fx, "lost w\n");
}

static void a_page_asked_for_behind_the_fence_is_not_served_after_it(void **state)
{
    (void)state;
    fixture_start(&fx);
    hf_core_set_fence(fx.core, true, fx.now_ms);
    connect_store(&fx);
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    recover(&fx, w, "r", 7, 2);
    listening(&fx, "ch");
    hf_core_set_fence(fx.core, false, fx.now_ms);
    read_gives(&fx, 7, 20, 3, 6);
    expect(&fx, "listen ch\nread ch from 7:2\nread ch from 7:20\n");
    read_gives(&fx, 8, 0, 0, 0);
    expect(&fx, "answer r top 8:0 live\n");
}

static void a_place_read_behind_the_fence_that_stands_is_answered_from(void **state)
{
    (void)state;
    fixture_start(&fx);
    hf_core_set_fence(fx.core, true, fx.now_ms);
    connect_store(&fx);
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    recover(&fx, w, "r", 7, 4);
    listening(&fx, "ch");
    hf_core_set_fence(fx.core, false, fx.now_ms); /* while the read is open */
    read_gives(&fx, 7, 5, 5, 5);
    expect(&fx, "listen ch\nread ch from 7:4\nread ch from 7:5\n");
    read_gives(&fx, 7, 5, 5, 5);
    expect(&fx, "answer r recovered 7:5 of 7:5 5-5 live\n");
    recover(&fx, w, "next", 7, 4);
    expect(&fx, "answer next recovered 7:5 of 7:5 5-5 live\n");
}

static void a_place_read_behind_the_fence_of_the_same_life_stands(void **state)
{
    (void)state;
    fixture_start(&fx);
    hf_core_set_fence(fx.core, true, fx.now_ms);
    connect_store(&fx);
    hf_core_set_fence(fx.core, false, fx.now_ms);
    hf_core_disconnected(fx.core);
    hf_core_set_fence(fx.core, true, fx.now_ms);
    connect_store(&fx);
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    recover(&fx, w, "r", 7, 5);
    listening(&fx, "ch");
    read_gives(&fx, 7, 5, 5, 5);
    hf_core_set_fence(fx.core, false, fx.now_ms);
    expect(&fx, "listen ch\nread ch from 7:5\nanswer r recovered 7:5 of 7:5 live\n");
}

static void one_that_waits_behind_the_fence_has_its_deadline(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_live(&fx, 7, 5);
    hf_core_set_fence(fx.core, true, fx.now_ms);
    recover(&fx, w, "r", 7, 5);
    wait_ms(&fx, 4000);
    assert_non_null(strstr(fx.log, "answer r error"));
    forget_log();
    hf_core_set_fence(fx.core, false, fx.now_ms);
    expect(&fx, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_published_channel_is_compared_after_the_store_may_have_changed),
        TEST(the_same_store_hears_no_witnesses),
        TEST(a_witness_of_what_is_lost_gets_the_stream_a_new_epoch),
        TEST(a_witness_of_another_publication_gets_the_stream_a_new_epoch),
        TEST(witnesses_are_heard_a_few_at_a_time),
        TEST(above_the_limit_the_least_recently_renewed_goes),
        TEST(above_the_bytes_the_least_recently_renewed_goes),
        TEST(one_that_is_larger_than_all_bytes_is_not_noted),
        TEST(one_that_is_not_renewed_for_its_time_goes),
        TEST(while_the_store_is_away_time_makes_nobody_forget),
        TEST(a_disconnect_interrupts_the_hearing_and_it_begins_again),
        TEST(a_stream_that_has_gone_leaves_a_witness),
        TEST(a_channel_opened_while_it_is_compared_is_followed_from_its_witness),
        TEST(a_stream_that_had_no_place_yet_still_has_its_witness),
        TEST(what_is_published_without_a_position_has_no_witness),
        TEST(while_fenced_nobody_is_told_recovered),
        TEST(a_page_read_behind_the_fence_is_not_served),
        TEST(a_place_read_behind_the_fence_of_another_life_is_read_again),
        TEST(what_was_missed_is_not_handed_on_before_the_fence_opens),
        TEST(a_place_found_right_behind_the_fence_needs_no_other_proof),
        TEST(a_place_behind_one_that_was_found_needs_no_proof_of_its_own),
        TEST(what_was_missed_is_read_again_if_the_fence_opened_meanwhile),
        TEST(a_page_asked_for_behind_the_fence_is_not_served_after_it),
        TEST(a_place_read_behind_the_fence_that_stands_is_answered_from),
        TEST(a_place_read_behind_the_fence_of_the_same_life_stands),
        TEST(one_that_waits_behind_the_fence_has_its_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
