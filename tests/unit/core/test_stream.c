#include "stream_fixture.h"

/* --- finding the place ------------------------------------------------------------------------ */

static void a_stream_listens_then_reads_then_answers(void **state)
{
    (void)state;
    fixture_start(&fx);
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    subscribe(&fx, w, "s");
    expect(&fx, "");
    connect_store(&fx);
    expect(&fx, "listen ch\n");
    listening(&fx, "ch");
    expect(&fx, "read ch newest\n");
    read_gives(&fx, 7, 5, 5, 5);
    expect(&fx, "answer s top 7:5 live\n");
}

static void a_stream_opened_on_a_connected_store_listens_at_once(void **state)
{
    (void)state;
    fixture_start(&fx);
    connect_store(&fx);
    watch(&fx, "ch", "w");
    expect(&fx, "listen ch\n");
}

static void what_is_heard_before_listening_is_confirmed_is_left_to_the_read(void **state)
{
    (void)state;
    fixture_start(&fx);
    connect_store(&fx);
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    hear(&fx, "ch", 7, 4);
    subscribe(&fx, w, "s");
    listening(&fx, "ch");
    hear(&fx, "ch", 7, 5);
    hear(&fx, "ch", 7, 6);
    read_gives(&fx, 7, 5, 5, 5);
    expect(&fx, "listen ch\nread ch newest\nanswer s top 7:6 live\n");
}

static void a_second_confirmation_of_listening_changes_nothing(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    listening(&fx, "ch");
    listening(&fx, "other");
    hear(&fx, "other", 7, 1);
    expect(&fx, "");
}

static void a_failed_read_of_the_place_is_repeated(void **state)
{
    (void)state;
    fixture_start(&fx);
    connect_store(&fx);
    watch(&fx, "ch", "w");
    listening(&fx, "ch");
    read_fails(&fx, HF_ESTORE);
    expect(&fx, "listen ch\nread ch newest\n");
    wait_ms(&fx, 199);
    expect(&fx, "");
    wait_ms(&fx, 1);
    expect(&fx, "read ch newest\n");
}

static void a_store_that_gives_no_epoch_has_failed(void **state)
{
    (void)state;
    fixture_start(&fx);
    connect_store(&fx);
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    subscribe(&fx, w, "s");
    listening(&fx, "ch");
    read_gives(&fx, 0, 0, 0, 0);
    char text[200];
    snprintf(text, sizeof text, "listen ch\nread ch newest\nanswer s error \"%s\"\n",
             hf_error_text(HF_ESTORE));
    expect(&fx, text);
}

/* --- live ------------------------------------------------------------------------------------- */

static void live_publications_go_out_in_order_to_every_live_watch(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    struct hf_core_watch *second = watch(&fx, "ch", "w2");
    hear(&fx, "ch", 7, 6);
    expect(&fx, "deliver w 7:6\n"); /* the other has no subscriber yet */
    subscribe(&fx, second, "s2");
    hear(&fx, "ch", 7, 7);
    expect(&fx, "answer s2 top 7:6 live\ndeliver w 7:7\ndeliver w2 7:7\n");
    assert_int_equal(counters(&fx)->publications_in, 2);
    assert_int_equal(counters(&fx)->reads, 1);
}

static void a_repeated_publication_is_dropped(void **state)
{
    (void)state;
    start_live_with_tail();
    hear(&fx, "ch", 7, 8);
    hear(&fx, "ch", 7, 6);
    expect(&fx, "");
    assert_int_equal(counters(&fx)->duplicates_dropped, 2);
}

static void a_repeat_of_what_memory_no_longer_has_is_looked_up_and_dropped(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    hear(&fx, "ch", 7, 3);
    expect(&fx, "read ch from 7:5\n");
    hear(&fx, "ch", 7, 6);
    read_gives(&fx, 7, 6, 5, 6);
    expect(&fx, "deliver w 7:6\n");
    assert_int_equal(fx.reads_open, 0);
    assert_int_equal(counters(&fx)->streams_lost, 0);
}

static void a_gap_is_repaired_without_anybody_noticing(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    hear(&fx, "ch", 7, 8);
    hear(&fx, "ch", 7, 9);
    expect(&fx, "read ch from 7:5\n");
    read_gives(&fx, 7, 8, 5, 8);
    expect(&fx, "deliver w 7:6\ndeliver w 7:7\ndeliver w 7:8\ndeliver w 7:9\n");
    assert_int_equal(counters(&fx)->gaps_repaired, 1);
    assert_int_equal(counters(&fx)->duplicates_dropped, 1);
    hear(&fx, "ch", 7, 10);
    expect(&fx, "deliver w 7:10\n");
}

static void a_gap_longer_than_a_page_takes_several_reads(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    hear(&fx, "ch", 7, 12);
    read_gives(&fx, 7, 12, 5, 8);
    expect(&fx, "read ch from 7:5\ndeliver w 7:6\ndeliver w 7:7\ndeliver w 7:8\n"
                "read ch from 7:8\n");
    hear(&fx, "ch", 7, 13);
    read_gives(&fx, 7, 13, 8, 11);
    expect(&fx, "deliver w 7:9\ndeliver w 7:10\ndeliver w 7:11\nread ch from 7:11\n");
    read_gives(&fx, 7, 13, 11, 13);
    expect(&fx, "deliver w 7:12\ndeliver w 7:13\n");
    assert_int_equal(fx.reads_open, 0);
}

static void a_gap_behind_a_gap_is_repaired_too(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    hear(&fx, "ch", 7, 7);
    hear(&fx, "ch", 7, 9);
    read_gives(&fx, 7, 7, 5, 7);
    expect(&fx, "read ch from 7:5\ndeliver w 7:6\ndeliver w 7:7\nread ch from 7:7\n");
    read_gives(&fx, 7, 9, 7, 9);
    expect(&fx, "deliver w 7:8\ndeliver w 7:9\n");
}

static void nobody_is_answered_while_the_place_is_in_doubt(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_live(&fx, 7, 5);
    hear(&fx, "ch", 7, 8);
    subscribe(&fx, w, "fresh");
    recover(&fx, w, "back", 7, 6);
    expect(&fx, "read ch from 7:5\n");
    read_gives(&fx, 7, 8, 5, 8);
    expect(&fx, "deliver w 7:6\ndeliver w 7:7\ndeliver w 7:8\n"
                "answer fresh top 7:8 live\nanswer back recovered 7:8 of 7:8 7-8 live\n");
}

static void a_gap_whose_part_is_gone_is_a_loss_for_the_live(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_live(&fx, 7, 5);
    hear(&fx, "ch", 7, 12);
    read_gives(&fx, 7, 12, 9, 12);
    expect(&fx, "read ch from 7:5\nlost w\n");
    assert_int_equal(counters(&fx)->streams_lost, 1);
    hear(&fx, "ch", 7, 13);
    expect(&fx, ""); /* lost is lost until somebody subscribes again */
    recover(&fx, w, "back", 7, 8);
    expect(&fx, "answer back recovered 7:12 of 7:13 9-12\n");
    recover_on(&fx, w, "back", 7, 12);
    hear(&fx, "ch", 7, 14);
    expect(&fx, "answer back recovered 7:13 of 7:13 13-13 live\ndeliver w 7:14\n");
}

static void a_gap_of_which_nothing_is_kept_is_a_loss(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    hear(&fx, "ch", 7, 12);
    read_gives(&fx, 7, 12, 0, 0);
    expect(&fx, "read ch from 7:5\nlost w\n");
    assert_int_equal(fx.reads_open, 0);
}

static void another_epoch_is_a_loss_for_the_live(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_live(&fx, 7, 5);
    hear(&fx, "ch", 9, 1);
    expect(&fx, "read ch from 7:5\n");
    read_gives(&fx, 9, 1, 0, 0);
    expect(&fx, "lost w\n");
    hear(&fx, "ch", 9, 2);
    expect(&fx, "");
    subscribe(&fx, w, "s");
    hear(&fx, "ch", 9, 3);
    expect(&fx, "answer s top 9:2 live\ndeliver w 9:3\n");
}

static void what_was_heard_of_the_epoch_before_does_not_hold_the_new_one_up(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_live(&fx, 7, 5);
    hear(&fx, "ch", 7, 8); /* a gap: kept back */
    hear(&fx, "ch", 9, 1); /* and then another life of the stream */
    expect(&fx, "read ch from 7:5\n");
    read_gives(&fx, 9, 1, 0, 0);
    answer_reads(9, 1, 1, 1);
    forget_log();
    subscribe(&fx, w, "s");
    expect(&fx, "answer s top 9:1 live\n");
}

static void a_late_message_of_an_older_epoch_does_not_hold_the_stream_up(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    hear(&fx, "ch", 3, 50);
    expect(&fx, "read ch from 7:5\n");
    answer_reads(7, 5, 5, 5);
    forget_log();
    hear(&fx, "ch", 7, 6);
    expect(&fx, "deliver w 7:6\n");
    assert_int_equal(counters(&fx)->streams_lost, 0);
}

static void a_new_epoch_heard_after_the_read_was_sent_is_read_again(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    hear(&fx, "ch", 7, 7);
    expect(&fx, "read ch from 7:5\n");
    hear(&fx, "ch", 9, 1);
    read_gives(&fx, 7, 7, 5, 7); /* it was answered before the stream ended */
    expect(&fx, "deliver w 7:6\ndeliver w 7:7\nread ch from 7:7\n");
    read_gives(&fx, 9, 1, 0, 0);
    expect(&fx, "lost w\n");
    answer_reads(9, 1, 1, 1);
    expect(&fx, "");
}

static void a_gap_heard_while_a_backlog_is_read_is_repaired(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_live(&fx, 7, 20);
    recover(&fx, w, "old", 7, 17);
    expect(&fx, "read ch after 7:17\n");
    hear(&fx, "ch", 7, 22);
    read_gives(&fx, 7, 20, 18, 20);
    expect(&fx, "read ch from 7:20\n");
    read_gives(&fx, 7, 22, 20, 22);
    expect(&fx, "deliver w 7:21\ndeliver w 7:22\nread ch after 7:17\n");
    read_gives(&fx, 7, 22, 18, 21);
    expect(&fx, "answer old recovered 7:21 of 7:22 18-21\n");
}

/* The check was sent before the old message was heard, so it does not speak for it. */
static void an_old_message_heard_while_the_place_is_checked_is_checked_for_itself(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_live(&fx, 7, 5);
    recover(&fx, w, "ahead", 7, 9);
    expect(&fx, "read ch from 7:5\n");
    hear_other(&fx, "ch", 7, 3, "other");
    read_gives(&fx, 7, 5, 5, 5);
    assert_int_equal(fx.reads_open, 1);
    forget_log();
    read_gives(&fx, 7, 3, 0, 0);
    expect(&fx, "read ch from 7:3\n");
    assert_int_equal(counters(&fx)->rollbacks_seen, 1);
}

static void
a_check_that_shows_less_than_was_heard_meanwhile_does_not_take_the_place_back(void **state)
{
    (void)state;
    fx.config.page_publications_max = 1;
    fixture_start(&fx);
    connect_store(&fx);
    struct hf_core_watch *w =
        hf_core_watch_open(fx.core, fixture_bytes("ch"), &fixture_history, (void *)"w");
    listening(&fx, "ch");
    read_gives(&fx, 7, 5, 5, 5); /* at 7:5, and nobody is live */
    recover(&fx, w, "r", 7, 7);  /* it knows more than we do: the place is checked */
    hear_all(7, 6, 8);
    forget_log();
    read_gives(&fx, 7, 7, 5, 6); /* as the store was before 7:8, and there is more */
    subscribe(&fx, w, "s");
    expect(&fx, "answer r recovered 7:8 of 7:8 8-8 live\nanswer s top 7:8 live\n");
}

static void too_much_kept_back_is_read_instead(void **state)
{
    (void)state;
    fx.config.tail_publications_max = 3;
    start_live(&fx, 7, 5);
    hear_all(7, 7, 10); /* one too many */
    read_gives(&fx, 7, 8, 5, 8);
    expect(&fx, "read ch from 7:5\ndeliver w 7:6\ndeliver w 7:7\ndeliver w 7:8\n"
                "read ch from 7:8\n");
    hear(&fx, "ch", 7, 11);
    read_gives(&fx, 7, 10, 8, 10);
    expect(&fx, "deliver w 7:9\ndeliver w 7:10\ndeliver w 7:11\n");
    assert_int_equal(fx.reads_open, 0);
}

static void too_many_bytes_kept_back_are_read_instead(void **state)
{
    (void)state;
    struct hf_publication *publication = fixture_publication(7, 5, "same");
    fx.config.tail_bytes_max = 2 * publication->size;
    hf_publication_unref(publication);
    start_live(&fx, 7, 5);
    hear_all(7, 7, 9);
    read_gives(&fx, 7, 7, 5, 7);
    expect(&fx, "read ch from 7:5\ndeliver w 7:6\ndeliver w 7:7\nread ch from 7:7\n");
    read_gives(&fx, 7, 9, 7, 9);
    expect(&fx, "deliver w 7:8\ndeliver w 7:9\n");
}

/* Answers as a store at 7:7 that holds all of it and keeps the read's limits. */
static void answer_within_limits(void)
{
    struct hf_core_read asked = fx.asked[0];
    uint64_t last = asked.since.offset;
    size_t bytes = 0;
    for (uint32_t count = 0; last < 7 && count < asked.limit && bytes <= asked.bytes_max; count++) {
        struct hf_publication *publication = fixture_publication(7, ++last, "same");
        bytes += publication->size;
        hf_publication_unref(publication);
    }
    read_gives(&fx, 7, 7, asked.with_since ? asked.since.offset : asked.since.offset + 1, last);
}

static void assert_gap_is_repaired(void)
{
    start_live(&fx, 7, 5);
    hear(&fx, "ch", 7, 7);
    unsigned reads = 0;
    while (fx.reads_open > 0) {
        assert_true(++reads <= 2);
        answer_within_limits();
    }
    hear(&fx, "ch", 7, 8);
    expect(&fx, "read ch from 7:5\ndeliver w 7:6\nread ch from 7:6\ndeliver w 7:7\n"
                "deliver w 7:8\n");
}

static void a_gap_is_repaired_with_pages_of_one(void **state)
{
    (void)state;
    fx.config.page_publications_max = 1;
    assert_gap_is_repaired();
}

static void a_gap_of_publications_larger_than_a_page_is_repaired(void **state)
{
    (void)state;
    fx.config.page_bytes_max = 10;
    assert_gap_is_repaired();
}

/* --- losing the connection -------------------------------------------------------------------- */

static void after_a_reconnect_the_missed_part_is_caught_up(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    hf_core_disconnected(fx.core);
    connect_store(&fx);
    hear(&fx, "ch", 7, 8); /* not confirmed yet */
    expect(&fx, "listen ch\n");
    listening(&fx, "ch");
    hear(&fx, "ch", 7, 9);
    expect(&fx, "read ch from 7:5\n");
    read_gives(&fx, 7, 8, 5, 8);
    expect(&fx, "deliver w 7:6\ndeliver w 7:7\ndeliver w 7:8\ndeliver w 7:9\n");
}

static void after_a_reconnect_without_news_nobody_notices(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    reconnect(true);
    read_gives(&fx, 7, 5, 5, 5);
    hear(&fx, "ch", 7, 6);
    expect(&fx, "listen ch\nread ch from 7:5\ndeliver w 7:6\n");
}

static void a_disconnected_stream_hears_nothing(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_live(&fx, 7, 5);
    hf_core_disconnected(fx.core);
    hear(&fx, "ch", 7, 6);
    subscribe(&fx, w, "s");
    hf_core_disconnected(fx.core); /* told twice: no harm */
    expect(&fx, "");
}

static void the_result_of_a_read_from_before_a_disconnect_is_ignored(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    hear(&fx, "ch", 7, 8);
    expect(&fx, "read ch from 7:5\n");
    hf_core_disconnected(fx.core);
    read_gives(&fx, 7, 8, 5, 8);
    expect(&fx, "");
    connect_store(&fx);
    listening(&fx, "ch");
    read_gives(&fx, 7, 9, 5, 8);
    expect(&fx, "listen ch\nread ch from 7:5\ndeliver w 7:6\ndeliver w 7:7\ndeliver w 7:8\n"
                "read ch from 7:8\n");
}

static void a_read_that_outlives_a_reconnect_is_ignored_and_repeated(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    hear(&fx, "ch", 7, 7);
    reconnect(true);
    expect(&fx, "read ch from 7:5\nlisten ch\n"); /* one read of a stream at a time */
    read_gives(&fx, 7, 7, 5, 7);
    expect(&fx, "read ch from 7:5\n");
    read_gives(&fx, 7, 8, 5, 8);
    expect(&fx, "deliver w 7:6\ndeliver w 7:7\ndeliver w 7:8\n");
}

static void a_disconnect_forgets_the_retry_of_a_read(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    hear(&fx, "ch", 7, 8);
    read_fails(&fx, HF_EUNAVAILABLE);
    expect(&fx, "read ch from 7:5\n");
    hf_core_disconnected(fx.core);
    wait_ms(&fx, 1000);
    expect(&fx, "");
    connect_store(&fx);
    listening(&fx, "ch");
    expect(&fx, "listen ch\nread ch from 7:5\n");
}

/* --- without positions ------------------------------------------------------------------------ */

static void a_stream_without_history_is_live_as_soon_as_it_listens(void **state)
{
    (void)state;
    fixture_start(&fx);
    connect_store(&fx);
    struct hf_core_watch *w =
        hf_core_watch_open(fx.core, fixture_bytes("ch"), &fixture_no_history, (void *)"w");
    subscribe(&fx, w, "s");
    expect(&fx, "listen ch\n");
    listening(&fx, "ch");
    hear(&fx, "ch", 0, 0);
    hear(&fx, "ch", 0, 0);
    expect(&fx, "answer s top 0:0 live\ndeliver w 0:0\ndeliver w 0:0\n");
    recover(&fx, w, "r", 7, 3);
    expect(&fx, "answer r top 0:0 live\n");
    hf_core_disconnected(fx.core);
    connect_store(&fx);
    listening(&fx, "ch");
    hear(&fx, "ch", 0, 0);
    expect(&fx, "listen ch\ndeliver w 0:0\n");
    assert_int_equal(counters(&fx)->reads, 0);
    assert_int_equal(counters(&fx)->tails_bytes, 0);
}

static void a_publication_without_a_position_goes_through_in_its_turn(void **state)
{
    (void)state;
    start_live(&fx, 7, 5);
    hear(&fx, "ch", 0, 0);
    expect(&fx, "deliver w 0:0\n");
    hear(&fx, "ch", 7, 7);
    hear(&fx, "ch", 0, 0);
    hear(&fx, "ch", 7, 8);
    read_gives(&fx, 7, 7, 5, 7);
    expect(&fx, "read ch from 7:5\ndeliver w 7:6\ndeliver w 7:7\ndeliver w 0:0\ndeliver w 7:8\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_stream_listens_then_reads_then_answers),
        TEST(a_stream_opened_on_a_connected_store_listens_at_once),
        TEST(what_is_heard_before_listening_is_confirmed_is_left_to_the_read),
        TEST(a_second_confirmation_of_listening_changes_nothing),
        TEST(a_failed_read_of_the_place_is_repeated),
        TEST(a_store_that_gives_no_epoch_has_failed),
        TEST(live_publications_go_out_in_order_to_every_live_watch),
        TEST(a_repeated_publication_is_dropped),
        TEST(a_repeat_of_what_memory_no_longer_has_is_looked_up_and_dropped),
        TEST(a_gap_is_repaired_without_anybody_noticing),
        TEST(a_gap_longer_than_a_page_takes_several_reads),
        TEST(a_gap_behind_a_gap_is_repaired_too),
        TEST(nobody_is_answered_while_the_place_is_in_doubt),
        TEST(a_gap_whose_part_is_gone_is_a_loss_for_the_live),
        TEST(a_gap_of_which_nothing_is_kept_is_a_loss),
        TEST(another_epoch_is_a_loss_for_the_live),
        TEST(what_was_heard_of_the_epoch_before_does_not_hold_the_new_one_up),
        TEST(a_late_message_of_an_older_epoch_does_not_hold_the_stream_up),
        TEST(a_new_epoch_heard_after_the_read_was_sent_is_read_again),
        TEST(a_gap_heard_while_a_backlog_is_read_is_repaired),
        TEST(an_old_message_heard_while_the_place_is_checked_is_checked_for_itself),
        TEST(a_check_that_shows_less_than_was_heard_meanwhile_does_not_take_the_place_back),
        TEST(too_much_kept_back_is_read_instead),
        TEST(too_many_bytes_kept_back_are_read_instead),
        TEST(a_gap_is_repaired_with_pages_of_one),
        TEST(a_gap_of_publications_larger_than_a_page_is_repaired),
        TEST(after_a_reconnect_the_missed_part_is_caught_up),
        TEST(after_a_reconnect_without_news_nobody_notices),
        TEST(a_disconnected_stream_hears_nothing),
        TEST(the_result_of_a_read_from_before_a_disconnect_is_ignored),
        TEST(a_read_that_outlives_a_reconnect_is_ignored_and_repeated),
        TEST(a_disconnect_forgets_the_retry_of_a_read),
        TEST(a_stream_without_history_is_live_as_soon_as_it_listens),
        TEST(a_publication_without_a_position_goes_through_in_its_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
