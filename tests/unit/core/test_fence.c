#include "core/fence.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SELF = 1, PEER = 2, OTHER = 3, LIFE = 100, NEXT_LIFE = 200 };

static struct hf_fence fence;

static int set_up(void **state)
{
    (void)state;
    const struct hf_fence_config config = {.self = SELF,
                                           .peer_timeout_ms = 1000,
                                           .hello_ms = 200,
                                           .heartbeat_ms = 300,
                                           .deaf_ms = 700,
                                           .peers_max = 2};
    return hf_fence_init(&fence, &config) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    hf_fence_fini(&fence);
    return 0;
}

static void hear(uint64_t number, uint64_t checked_life, uint64_t now_ms)
{
    hf_fence_heard(&fence, &(struct hf_fence_word){number, checked_life, now_ms, false}, now_ms);
}

/* What it says just now comes back. */
static bool is_open(uint64_t now_ms)
{
    hear(SELF, 0, now_ms);
    return hf_fence_is_open(&fence, now_ms);
}

/* An open fence of LIFE that knows a peer. */
static void open_with_peer(void)
{
    hf_fence_connected(&fence, LIFE, 0, 0);
    hf_fence_checked(&fence);
    hear(PEER, LIFE, 100);
    assert_true(is_open(200));
}

static void before_the_first_connection_it_is_closed(void **state)
{
    (void)state;
    struct hf_fence_word word;
    assert_false(is_open(100000));
    assert_false(hf_fence_says(&fence, &word, 100000));
}

static void alone_it_opens_when_checked_and_nobody_answered_the_hello(void **state)
{
    (void)state;
    hf_fence_connected(&fence, LIFE, 0, 1000);
    assert_false(is_open(1500)); /* not checked */
    hf_fence_checked(&fence);
    assert_false(is_open(1199));
    assert_true(is_open(1200));
}

static void one_that_has_just_started_waits_for_who_has_not_noticed_the_new_life(void **state)
{
    (void)state;
    hf_fence_connected(&fence, NEXT_LIFE, LIFE, 1000);
    hf_fence_checked(&fence);
    assert_false(is_open(1999)); /* a peer's timeout, not the hello */
    assert_true(is_open(2000));
}

static void one_that_has_just_started_does_not_wait_in_a_life_that_was_admitted(void **state)
{
    (void)state;
    hf_fence_connected(&fence, LIFE, LIFE, 1000);
    hf_fence_checked(&fence);
    assert_true(is_open(1200));
}

/* Who was cut off when it asked has not answered it. */
static void one_that_has_not_listened_for_long_does_not_know_all(void **state)
{
    (void)state;
    hf_fence_connected(&fence, LIFE, LIFE, 1000);
    hf_fence_checked(&fence);
    assert_true(is_open(1999));
    hf_fence_disconnected(&fence);
    hf_fence_connected(&fence, NEXT_LIFE, LIFE, 2500);
    hf_fence_checked(&fence);
    assert_false(is_open(3499));
    assert_true(is_open(3500));
}

static void one_that_has_listened_for_long_knows_all(void **state)
{
    (void)state;
    hf_fence_connected(&fence, LIFE, LIFE, 1000);
    hf_fence_checked(&fence);
    assert_true(is_open(2000));
    hf_fence_disconnected(&fence);
    hf_fence_connected(&fence, NEXT_LIFE, LIFE, 2500);
    hf_fence_checked(&fence);
    assert_false(is_open(2699));
    assert_true(is_open(2700));
}

static void one_that_has_begun_to_listen_anew_does_not_add_that_up(void **state)
{
    (void)state;
    hf_fence_connected(&fence, LIFE, LIFE, 1000);
    hf_fence_checked(&fence);
    assert_true(is_open(1900));
    hf_fence_connected(&fence, LIFE, LIFE, 1950);
    assert_true(is_open(2850));
    hf_fence_connected(&fence, NEXT_LIFE, LIFE, 2900);
    hf_fence_checked(&fence);
    assert_false(is_open(3899));
}

static void closed_while_disconnected_the_same_life_opens_it_at_once(void **state)
{
    (void)state;
    open_with_peer();
    hf_fence_disconnected(&fence);
    assert_false(is_open(300));
    hf_fence_connected(&fence, LIFE, 0, 5000);
    assert_true(is_open(5000));
}

static void another_life_closes_it_until_every_living_peer_has_checked(void **state)
{
    (void)state;
    open_with_peer();
    hf_fence_disconnected(&fence);
    hf_fence_connected(&fence, NEXT_LIFE, 0, 5000);
    assert_false(is_open(5000));
    hf_fence_checked(&fence);
    assert_false(is_open(5500)); /* the peer has not said so */
    hear(PEER, 0, 5600);
    assert_false(is_open(5600));
    hear(PEER, LIFE, 5700); /* it speaks of the life before */
    assert_false(is_open(5700));
    hear(PEER, NEXT_LIFE, 5800);
    assert_true(is_open(5800));
}

static void a_peer_that_stays_silent_is_waited_for_from_the_connection_on(void **state)
{
    (void)state;
    open_with_peer();
    hf_fence_disconnected(&fence);
    hf_fence_connected(&fence, NEXT_LIFE, 0, 50000);
    hf_fence_checked(&fence);
    assert_false(is_open(50500));
    assert_false(is_open(50999));
    assert_true(is_open(51000));
}

static void one_that_does_not_hear_itself_stays_closed(void **state)
{
    (void)state;
    hf_fence_connected(&fence, LIFE, 0, 1000);
    hf_fence_checked(&fence);
    hear(PEER, LIFE, 1200);
    assert_false(hf_fence_is_open(&fence, 1200));
    hear(SELF, LIFE, 1250);
    assert_true(hf_fence_is_open(&fence, 1260));
}

static void one_that_has_not_heard_itself_for_long_closes_until_it_does(void **state)
{
    (void)state;
    struct hf_fence_word word;
    open_with_peer();
    assert_true(hf_fence_says(&fence, &word, 300));
    hf_fence_heard(&fence, &word, 450); /* under way for long: it counts when it was said */
    assert_true(hf_fence_is_open(&fence, 999));
    assert_false(hf_fence_is_open(&fence, 1000)); /* stopped until now, or cut off unnoticed */
    assert_true(hf_fence_says(&fence, &word, 1000));
    assert_false(hf_fence_is_open(&fence, 1001));
    hf_fence_heard(&fence, &word, 1002);
    assert_true(hf_fence_is_open(&fence, 1002));
}

/* It was stopped for longer than peers are waited for, and has not read yet what they said. */
static void after_a_stop_it_still_knows_its_peers(void **state)
{
    (void)state;
    struct hf_fence_word word;
    open_with_peer();
    assert_true(hf_fence_says(&fence, &word, 5000));
    hf_fence_heard(&fence, &word, 5001);
    assert_true(hf_fence_says(&fence, &word, 5301));
    hf_fence_disconnected(&fence);
    hf_fence_connected(&fence, NEXT_LIFE, LIFE, 5400);
    hf_fence_checked(&fence);
    assert_false(
        is_open(5700)); /* the hello is over, and the peer has not said that it has checked */
    hear(PEER, NEXT_LIFE, 5800);
    assert_true(is_open(5800));
}

static void after_a_stop_silence_counts_from_when_it_hears_itself_again(void **state)
{
    (void)state;
    struct hf_fence_word word;
    open_with_peer();
    hear(PEER, LIFE, 300); /* said before the stop, read behind it */
    assert_true(hf_fence_says(&fence, &word, 5000));
    hf_fence_heard(&fence, &word, 5001);
    assert_true(is_open(5500));
    assert_true(hf_fence_says(&fence, &word, 6000)); /* not silent for long enough */
    assert_int_equal(fence.count, 1);
    assert_true(is_open(6001));
    assert_true(hf_fence_says(&fence, &word, 6300));
    assert_int_equal(fence.count, 0);
}

static void an_old_word_of_its_own_proves_nothing(void **state)
{
    (void)state;
    struct hf_fence_word before, late;
    open_with_peer();
    assert_true(hf_fence_says(&fence, &late, 300));
    assert_true(hf_fence_says(&fence, &before, 600));
    hf_fence_heard(&fence, &before, 610);
    hf_fence_heard(&fence, &late, 620);
    assert_true(hf_fence_is_open(&fence, 1299));
    hf_fence_disconnected(&fence);
    hf_fence_connected(&fence, LIFE, 0, 1300);
    hf_fence_heard(&fence, &before, 1300); /* said over the connection before */
    assert_false(hf_fence_is_open(&fence, 1300));
}

static void its_own_words_are_nobody_s(void **state)
{
    (void)state;
    hf_fence_connected(&fence, LIFE, 0, 0);
    hf_fence_checked(&fence);
    hear(SELF, 0, 100);
    assert_true(is_open(200));
}

static void once_open_for_a_life_a_newcomer_does_not_close_it(void **state)
{
    (void)state;
    open_with_peer();
    hear(OTHER, 0, 300);
    assert_true(is_open(300));
}

static void it_says_what_it_has_checked_and_asks_once_for_each_life(void **state)
{
    (void)state;
    struct hf_fence_word word;
    hf_fence_connected(&fence, LIFE, 0, 1000);
    assert_true(hf_fence_says(&fence, &word, 1000));
    assert_int_equal(word.number, SELF);
    assert_int_equal(word.checked_life, 0);
    assert_true(word.wants_answer);
    assert_false(hf_fence_says(&fence, &word, 1001));
    hf_fence_checked(&fence);
    assert_true(hf_fence_says(&fence, &word, 1002));
    assert_int_equal(word.checked_life, LIFE);
    assert_false(word.wants_answer);
    hf_fence_checked(&fence); /* no news */
    assert_false(hf_fence_says(&fence, &word, 1301));
    assert_true(hf_fence_says(&fence, &word, 1302)); /* the heartbeat */
    hf_fence_disconnected(&fence);
    assert_false(hf_fence_says(&fence, &word, 9000));
    hf_fence_connected(&fence, NEXT_LIFE, 0, 9000);
    assert_true(hf_fence_says(&fence, &word, 9000));
    assert_int_equal(word.checked_life, 0);
    assert_true(word.wants_answer);
}

static void a_peer_that_asks_is_answered_at_once(void **state)
{
    (void)state;
    struct hf_fence_word word;
    open_with_peer();
    assert_true(hf_fence_says(&fence, &word, 200));
    assert_false(hf_fence_says(&fence, &word, 201));
    hf_fence_heard(&fence, &(struct hf_fence_word){OTHER, 0, 1, true}, 202);
    assert_true(hf_fence_says(&fence, &word, 202));
    assert_int_equal(word.checked_life, LIFE);
    assert_false(word.wants_answer); /* or they would answer each other for ever */
}

static void of_too_many_peers_the_longest_silent_is_forgotten(void **state)
{
    (void)state;
    hf_fence_connected(&fence, LIFE, 0, 0);
    hf_fence_checked(&fence);
    hear(PEER, 0, 100);
    hear(OTHER, 0, 150);
    hear(PEER, 0, 160);
    hear(9, LIFE, 170); /* instead of OTHER */
    assert_false(is_open(300));
    hear(PEER, LIFE, 310);
    assert_true(is_open(310));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(before_the_first_connection_it_is_closed),
        TEST(alone_it_opens_when_checked_and_nobody_answered_the_hello),
        TEST(one_that_has_just_started_waits_for_who_has_not_noticed_the_new_life),
        TEST(one_that_has_just_started_does_not_wait_in_a_life_that_was_admitted),
        TEST(one_that_has_not_listened_for_long_does_not_know_all),
        TEST(one_that_has_listened_for_long_knows_all),
        TEST(one_that_has_begun_to_listen_anew_does_not_add_that_up),
        TEST(closed_while_disconnected_the_same_life_opens_it_at_once),
        TEST(another_life_closes_it_until_every_living_peer_has_checked),
        TEST(a_peer_that_stays_silent_is_waited_for_from_the_connection_on),
        TEST(one_that_does_not_hear_itself_stays_closed),
        TEST(one_that_has_not_heard_itself_for_long_closes_until_it_does),
        TEST(after_a_stop_it_still_knows_its_peers),
        TEST(after_a_stop_silence_counts_from_when_it_hears_itself_again),
        TEST(an_old_word_of_its_own_proves_nothing),
        TEST(its_own_words_are_nobody_s),
        TEST(once_open_for_a_life_a_newcomer_does_not_close_it),
        TEST(it_says_what_it_has_checked_and_asks_once_for_each_life),
        TEST(a_peer_that_asks_is_answered_at_once),
        TEST(of_too_many_peers_the_longest_silent_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
