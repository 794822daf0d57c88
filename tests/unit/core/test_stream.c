#include "core_fixture.h"

static struct core_fixture fx;

static int set_up(void **state)
{
    (void)state;
    fixture_init(&fx);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_stop(&fx);
    return 0;
}

static void reconnect(bool is_same_store)
{
    hf_core_disconnected(fx.core);
    hf_core_connected(fx.core, is_same_store);
    listening(&fx, "ch");
}

static void hear_all(uint64_t epoch, uint64_t first, uint64_t last)
{
    for (uint64_t offset = first; offset <= last; offset++) {
        hear(&fx, "ch", epoch, offset);
    }
}

static void forget_log(void)
{
    fx.log_len = 0;
    fx.log[0] = '\0';
}

/* Answers the reads that come with a store that stands still, until there are none. */
static void answer_reads(uint64_t epoch, uint64_t top, uint64_t first, uint64_t last)
{
    unsigned reads = 0;
    while (fx.reads_open > 0) {
        assert_true(++reads < 10); /* more would be a core that goes round in circles */
        read_gives(&fx, epoch, top, first, last);
    }
}

/* A live stream at 7:8 whose tail holds 5..8. */
static void start_live_with_tail(void)
{
    start_live(&fx, 7, 5);
    hear_all(7, 6, 8);
    expect(&fx, "deliver w 7:6\ndeliver w 7:7\ndeliver w 7:8\n");
}

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

/* --- a store that has lost something ---------------------------------------------------------- */

static void a_store_gone_back_is_healed_from_memory(void **state)
{
    (void)state;
    start_live_with_tail();
    reconnect(true);
    read_gives(&fx, 7, 6, 0, 0);
    expect(&fx, "listen ch\nread ch from 7:8\nread ch from 7:6\n");
    read_gives(&fx, 7, 6, 6, 6);
    expect(&fx, "mend ch at 7:6 with 7-8\n");
    hear(&fx, "ch", 7, 7); /* the mend delivers what it writes back */
    hear(&fx, "ch", 7, 8);
    mend_done(&fx, HF_OK);
    expect(&fx, "read ch from 7:8\n");
    read_gives(&fx, 7, 8, 8, 8);
    hear(&fx, "ch", 7, 9);
    expect(&fx, "deliver w 7:9\n");
    assert_int_equal(counters(&fx)->rollbacks_seen, 1);
    assert_int_equal(counters(&fx)->streams_healed, 1);
    assert_int_equal(counters(&fx)->streams_lost, 0);
}

static void nobody_is_answered_before_the_store_is_mended(void **state)
{
    (void)state;
    start_live_with_tail();
    struct hf_core_watch *second = watch(&fx, "ch", "w2");
    reconnect(true);
    forget_log();
    subscribe(&fx, second, "fresh");
    recover(&fx, second, "back", 7, 6);
    recover(&fx, second, "top", 7, 8);
    read_gives(&fx, 7, 6, 0, 0);
    read_gives(&fx, 7, 6, 6, 6);
    expect(&fx, "read ch from 7:6\nmend ch at 7:6 with 7-8\n");
    mend_done(&fx, HF_OK);
    expect(&fx, "read ch from 7:8\n");
    read_gives(&fx, 7, 8, 8, 8);
    expect(&fx, "answer fresh top 7:8 live\nanswer back recovered 7:8 of 7:8 7-8 live\n"
                "answer top recovered 7:8 of 7:8 live\n");
}

static void a_store_gone_back_to_an_empty_stream_is_healed(void **state)
{
    (void)state;
    start_live(&fx, 7, 0);
    hear_all(7, 1, 3);
    reconnect(true);
    forget_log();
    read_gives(&fx, 7, 0, 0, 0);
    expect(&fx, "read ch after 7:0\n");
    read_gives(&fx, 7, 0, 0, 0);
    expect(&fx, "mend ch at 7:0 with 1-3\n");
}

static void a_store_gone_back_to_an_empty_stream_behind_memory_gets_a_new_epoch(void **state)
{
    (void)state;
    start_live_with_tail();
    reconnect(true);
    forget_log();
    read_gives(&fx, 7, 0, 0, 0);
    read_gives(&fx, 7, 0, 0, 0);
    expect(&fx, "read ch after 7:0\nmend ch at 7:0 anew\n");
}

static void a_store_gone_back_further_than_memory_gets_a_new_epoch(void **state)
{
    (void)state;
    start_live_with_tail();
    reconnect(true);
    forget_log();
    read_gives(&fx, 7, 3, 0, 0);
    read_gives(&fx, 7, 3, 3, 3);
    expect(&fx, "read ch from 7:3\nmend ch at 7:3 anew\n");
}

static void a_store_gone_back_with_another_publication_there_gets_a_new_epoch(void **state)
{
    (void)state;
    start_live_with_tail();
    reconnect(true);
    forget_log();
    read_gives(&fx, 7, 6, 0, 0);
    read_gives_other(&fx, 7, 6, 6, 6, "other");
    expect(&fx, "read ch from 7:6\nmend ch at 7:6 anew\n");
}

static void a_store_gone_back_with_nothing_kept_there_gets_a_new_epoch(void **state)
{
    (void)state;
    start_live_with_tail();
    reconnect(true);
    forget_log();
    read_gives(&fx, 7, 6, 0, 0);
    read_gives(&fx, 7, 6, 0, 0);
    expect(&fx, "read ch from 7:6\nmend ch at 7:6 anew\n");
}

static void another_publication_at_our_place_gets_a_new_epoch_and_is_a_loss(void **state)
{
    (void)state;
    start_live_with_tail();
    struct hf_core_watch *second = watch(&fx, "ch", "w2");
    reconnect(true);
    recover(&fx, second, "back", 7, 8);
    forget_log();
    read_gives_other(&fx, 7, 8, 8, 8, "other");
    expect(&fx, "mend ch at 7:8 anew\n");
    mend_done(&fx, HF_OK);
    expect(&fx, "read ch from 7:8\n");
    read_gives(&fx, 9, 0, 0, 0);
    expect(&fx, "lost w\nanswer back top 9:0 live\n");
    assert_int_equal(counters(&fx)->rollbacks_seen, 1);
    assert_int_equal(counters(&fx)->epochs_rotated, 1);
    assert_int_equal(counters(&fx)->streams_healed, 0);
    hear(&fx, "ch", 9, 1);
    expect(&fx, "deliver w2 9:1\n");
}

static void another_publication_at_our_place_is_seen_from_further_on_too(void **state)
{
    (void)state;
    start_live_with_tail();
    reconnect(true);
    forget_log();
    read_gives_other(&fx, 7, 10, 8, 10, "other");
    expect(&fx, "mend ch at 7:10 anew\n");
}

static void a_store_that_moves_between_two_looks_is_looked_at_again(void **state)
{
    (void)state;
    start_live_with_tail();
    reconnect(true);
    forget_log();
    read_gives(&fx, 7, 6, 0, 0);
    read_gives(&fx, 7, 8, 6, 6); /* another node has healed it */
    expect(&fx, "read ch from 7:6\nread ch from 7:8\n");
    read_gives(&fx, 7, 8, 8, 8);
    hear(&fx, "ch", 7, 9);
    expect(&fx, "deliver w 7:9\n");
}

static void a_mend_for_which_somebody_was_faster_is_followed_by_a_look(void **state)
{
    (void)state;
    start_live_with_tail();
    reconnect(true);
    read_gives(&fx, 7, 6, 0, 0);
    read_gives(&fx, 7, 6, 6, 6);
    forget_log();
    mend_done(&fx, HF_EUNRECOVERABLE);
    expect(&fx, "read ch from 7:8\n");
    assert_int_equal(counters(&fx)->streams_healed, 0);
    read_gives(&fx, 7, 8, 8, 8);
    expect(&fx, "");
    assert_int_equal(counters(&fx)->streams_lost, 0);
}

static void a_mend_that_failed_is_tried_again_from_the_look(void **state)
{
    (void)state;
    start_live_with_tail();
    reconnect(true);
    read_gives(&fx, 7, 6, 0, 0);
    read_gives(&fx, 7, 6, 6, 6);
    forget_log();
    mend_done(&fx, HF_ESTORE);
    expect(&fx, "");
    wait_ms(&fx, 200);
    expect(&fx, "read ch from 7:8\n");
    read_gives(&fx, 7, 6, 0, 0);
    read_gives(&fx, 7, 6, 6, 6);
    expect(&fx, "read ch from 7:6\nmend ch at 7:6 with 7-8\n");
}

static void a_mend_that_outlives_a_reconnect_is_ignored(void **state)
{
    (void)state;
    start_live_with_tail();
    reconnect(true);
    read_gives(&fx, 7, 6, 0, 0);
    read_gives(&fx, 7, 6, 6, 6);
    reconnect(true);
    forget_log();
    mend_done(&fx, HF_OK);
    expect(&fx, "read ch from 7:8\n");
    assert_int_equal(counters(&fx)->streams_healed, 0);
}

static void a_message_that_contradicts_memory_leads_to_a_new_epoch_and_rest(void **state)
{
    (void)state;
    start_live_with_tail();
    struct hf_core_watch *second = watch(&fx, "ch", "w2");
    hear_other(&fx, "ch", 7, 7, "other");
    expect(&fx, "read ch from 7:8\n");
    read_gives(&fx, 7, 7, 0, 0);
    read_gives_other(&fx, 7, 7, 7, 7, "other");
    expect(&fx, "read ch from 7:7\nmend ch at 7:7 anew\n");
    mend_done(&fx, HF_OK);
    expect(&fx, "read ch from 7:8\n");
    read_gives(&fx, 9, 0, 0, 0);
    answer_reads(9, 0, 0, 0); /* what was heard of the old epoch is over */
    assert_int_equal(counters(&fx)->streams_lost, 1);
    forget_log();
    subscribe(&fx, second, "fresh");
    hear(&fx, "ch", 9, 1);
    expect(&fx, "answer fresh top 9:0 live\ndeliver w2 9:1\n");
}

/* --- evidence --------------------------------------------------------------------------------- */

static void the_same_store_may_have_trimmed_our_place(void **state)
{
    (void)state;
    start_live_with_tail();
    reconnect(true);
    forget_log();
    read_gives(&fx, 7, 10, 9, 10);
    expect(&fx, "deliver w 7:9\ndeliver w 7:10\n");
}

static void a_store_that_may_be_another_must_prove_our_place(void **state)
{
    (void)state;
    start_live_with_tail();
    reconnect(false);
    forget_log();
    read_gives(&fx, 7, 10, 9, 10);
    expect(&fx, "mend ch at 7:10 anew\n");
}

static void a_store_that_has_proved_our_place_is_trusted_again(void **state)
{
    (void)state;
    start_live_with_tail();
    reconnect(false);
    forget_log();
    read_gives(&fx, 7, 10, 8, 10);
    expect(&fx, "deliver w 7:9\ndeliver w 7:10\n");
    hear(&fx, "ch", 7, 12);
    read_gives(&fx, 7, 12, 11, 12);
    expect(&fx, "read ch from 7:10\ndeliver w 7:11\ndeliver w 7:12\n");
}

static void a_store_that_may_be_another_is_checked_when_every_place_is_confirmed(void **state)
{
    (void)state;
    start_live_with_tail();
    assert_true(hf_core_is_checked(fx.core));
    reconnect(false);
    assert_false(hf_core_is_checked(fx.core));
    read_fails(&fx, HF_EUNAVAILABLE);
    assert_false(hf_core_is_checked(fx.core));
    reconnect(true); /* the doubt outlives another connection */
    assert_false(hf_core_is_checked(fx.core));
    read_gives(&fx, 7, 8, 8, 8);
    assert_true(hf_core_is_checked(fx.core));
}

static void a_store_gone_back_is_not_checked_before_it_is_mended(void **state)
{
    (void)state;
    start_live_with_tail();
    reconnect(false);
    read_gives(&fx, 7, 6, 0, 0);
    read_gives(&fx, 7, 6, 6, 6);
    assert_false(hf_core_is_checked(fx.core));
    mend_done(&fx, HF_OK);
    assert_false(hf_core_is_checked(fx.core));
    read_gives(&fx, 7, 8, 8, 8);
    assert_true(hf_core_is_checked(fx.core));
}

static void a_publish_acknowledged_here_is_known_before_it_is_heard(void **state)
{
    (void)state;
    start_live_with_tail();
    const struct hf_publication_fields fields = {.data = fixture_bytes("same")};
    hf_core_published(fx.core, fixture_bytes("ch"), &fixture_history, (struct hf_position){7, 9},
                      &fields);
    reconnect(false);
    forget_log();
    read_gives(&fx, 7, 8, 8, 8); /* as if the ninth had never been */
    expect(&fx, "mend ch at 7:8 anew\n");
}

/* To write back the half that was heard would make the other half's loss invisible. */
static void a_store_is_not_healed_from_less_than_was_acknowledged(void **state)
{
    (void)state;
    start_live_with_tail();
    const struct hf_publication_fields fields = {.data = fixture_bytes("same")};
    hf_core_published(fx.core, fixture_bytes("ch"), &fixture_history, (struct hf_position){7, 9},
                      &fields);
    reconnect(false);
    forget_log();
    read_gives(&fx, 7, 6, 0, 0);
    read_gives(&fx, 7, 6, 6, 6);
    expect(&fx, "read ch from 7:6\nmend ch at 7:6 anew\n");
}

static void another_publication_where_one_was_acknowledged_here_gets_a_new_epoch(void **state)
{
    (void)state;
    start_live_with_tail();
    const struct hf_publication_fields fields = {.data = fixture_bytes("same")};
    hf_core_published(fx.core, fixture_bytes("ch"), &fixture_history, (struct hf_position){7, 9},
                      &fields);
    reconnect(false);
    forget_log();
    struct hf_publication *items[2] = {fixture_publication(7, 8, "same"),
                                       fixture_publication(7, 9, "other")};
    struct hf_page *page = hf_page_new(items, 2);
    assert_non_null(page);
    const struct hf_core_read_result result = {.top = {7, 9}, .page = page};
    hf_core_read_done(fx.core, fixture_take_read(&fx), &result, fx.now_ms);
    hf_page_unref(page);
    hf_publication_unref(items[0]);
    hf_publication_unref(items[1]);
    expect(&fx, "mend ch at 7:9 anew\n");
}

static void an_older_epoch_in_the_store_is_a_life_that_had_ended(void **state)
{
    (void)state;
    start_live_with_tail();
    reconnect(false);
    forget_log();
    read_gives(&fx, 5, 30, 0, 0);
    expect(&fx, "mend ch at 5:30 anew\n");
    mend_done(&fx, HF_OK);
    read_gives(&fx, 9, 0, 0, 0);
    expect(&fx, "read ch from 7:8\nlost w\n");
}

static void a_loss_once_seen_is_not_forgotten_with_the_connection(void **state)
{
    (void)state;
    start_live_with_tail();
    reconnect(true);
    read_gives(&fx, 7, 6, 0, 0); /* behind us, for all to see */
    reconnect(true);
    read_fails(&fx, HF_EUNAVAILABLE); /* the look from before */
    forget_log();
    read_gives(&fx, 7, 12, 9, 12); /* it went on from there: this is not our 9 */
    expect(&fx, "mend ch at 7:12 anew\n");
}

static void evidence_outlives_the_tail_as_a_fingerprint(void **state)
{
    (void)state;
    fx.config.tails_bytes_max = 1; /* no tail stays */
    start_live(&fx, 7, 5);
    hear(&fx, "ch", 7, 6);
    reconnect(false);
    forget_log();
    read_gives(&fx, 7, 7, 6, 7);
    expect(&fx, "deliver w 7:7\n");
    reconnect(false);
    forget_log();
    read_gives_other(&fx, 7, 7, 7, 7, "other");
    expect(&fx, "mend ch at 7:7 anew\n");
}

static void a_level_store_without_entries_is_no_contradiction(void **state)
{
    (void)state;
    start_live_with_tail();
    reconnect(false);
    forget_log();
    read_gives(&fx, 7, 8, 0, 0);
    hear(&fx, "ch", 7, 9);
    expect(&fx, "deliver w 7:9\n");
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
        TEST(a_store_gone_back_is_healed_from_memory),
        TEST(nobody_is_answered_before_the_store_is_mended),
        TEST(a_store_gone_back_to_an_empty_stream_is_healed),
        TEST(a_store_gone_back_to_an_empty_stream_behind_memory_gets_a_new_epoch),
        TEST(a_store_gone_back_further_than_memory_gets_a_new_epoch),
        TEST(a_store_gone_back_with_another_publication_there_gets_a_new_epoch),
        TEST(a_store_gone_back_with_nothing_kept_there_gets_a_new_epoch),
        TEST(another_publication_at_our_place_gets_a_new_epoch_and_is_a_loss),
        TEST(another_publication_at_our_place_is_seen_from_further_on_too),
        TEST(a_store_that_moves_between_two_looks_is_looked_at_again),
        TEST(a_mend_for_which_somebody_was_faster_is_followed_by_a_look),
        TEST(a_mend_that_failed_is_tried_again_from_the_look),
        TEST(a_mend_that_outlives_a_reconnect_is_ignored),
        TEST(a_message_that_contradicts_memory_leads_to_a_new_epoch_and_rest),
        TEST(the_same_store_may_have_trimmed_our_place),
        TEST(a_store_that_may_be_another_must_prove_our_place),
        TEST(a_store_that_has_proved_our_place_is_trusted_again),
        TEST(a_store_that_may_be_another_is_checked_when_every_place_is_confirmed),
        TEST(a_store_gone_back_is_not_checked_before_it_is_mended),
        TEST(a_publish_acknowledged_here_is_known_before_it_is_heard),
        TEST(a_store_is_not_healed_from_less_than_was_acknowledged),
        TEST(another_publication_where_one_was_acknowledged_here_gets_a_new_epoch),
        TEST(an_older_epoch_in_the_store_is_a_life_that_had_ended),
        TEST(a_loss_once_seen_is_not_forgotten_with_the_connection),
        TEST(evidence_outlives_the_tail_as_a_fingerprint),
        TEST(a_level_store_without_entries_is_no_contradiction),
        TEST(a_stream_without_history_is_live_as_soon_as_it_listens),
        TEST(a_publication_without_a_position_goes_through_in_its_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
