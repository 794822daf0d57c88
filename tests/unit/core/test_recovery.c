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

static void forget_log(void)
{
    fx.log_len = 0;
    fx.log[0] = '\0';
}

/* A live stream at 7:20 whose tail holds 15..20; its watch. */
static struct hf_core_watch *start_with_tail(void)
{
    struct hf_core_watch *w = start_live(&fx, 7, 15);
    for (uint64_t offset = 16; offset <= 20; offset++) {
        hear(&fx, "ch", 7, offset);
    }
    forget_log();
    return w;
}

static void assert_error(const char *request, int error)
{
    char text[200];
    snprintf(text, sizeof text, "answer %s error \"%s\"\n", request, hf_error_text(error));
    expect(&fx, text);
}

static void assert_verdicts(uint64_t from_tail, uint64_t from_store, uint64_t refused)
{
    assert_int_equal(counters(&fx)->recoveries_from_tail, from_tail);
    assert_int_equal(counters(&fx)->recoveries_from_store, from_store);
    assert_int_equal(counters(&fx)->recoveries_refused, refused);
}

/* --- verdicts from memory --------------------------------------------------------------------- */

static void at_the_top_nothing_was_missed(void **state)
{
    (void)state;
    recover(&fx, start_with_tail(), "r", 7, 20);
    expect(&fx, "answer r recovered 7:20 of 7:20 live\n");
    assert_verdicts(1, 0, 0);
}

static void what_the_tail_has_is_recovered_without_the_store(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    recover(&fx, w, "newest", 7, 19);
    recover(&fx, w, "some", 7, 17);
    expect(&fx, "answer newest recovered 7:20 of 7:20 20-20 live\n"
                "answer some recovered 7:20 of 7:20 18-20 live\n");
    assert_int_equal(counters(&fx)->reads, 1);
    assert_verdicts(2, 0, 0);
}

static void without_an_epoch_only_the_offset_counts(void **state)
{
    (void)state;
    recover(&fx, start_with_tail(), "r", HF_EPOCH_NONE, 18);
    expect(&fx, "answer r recovered 7:20 of 7:20 19-20 live\n");
}

static void more_than_a_page_comes_in_pages_and_only_the_last_is_live(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    struct hf_core_watch *second = watch(&fx, "ch", "w2");
    (void)w;
    recover(&fx, second, "r", 7, 14);
    expect(&fx, "answer r recovered 7:18 of 7:20 15-18\n");
    hear(&fx, "ch", 7, 21);
    expect(&fx, "deliver w 7:21\n"); /* not to the one that is not live yet */
    recover_on(&fx, second, "r", 7, 18);
    expect(&fx, "answer r recovered 7:21 of 7:21 19-21 live\n");
    hear(&fx, "ch", 7, 22);
    expect(&fx, "deliver w 7:22\ndeliver w2 7:22\n");
}

static void a_page_ends_at_its_bytes_but_has_at_least_one(void **state)
{
    (void)state;
    fx.config.page_bytes_max = 1;
    recover(&fx, start_with_tail(), "r", 7, 17);
    expect(&fx, "answer r recovered 7:18 of 7:20 18-18\n");
}

static void equal_questions_share_a_page(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    recover(&fx, w, "a", 7, 17);
    struct hf_page *first = hf_page_ref(fx.last_page);
    recover(&fx, w, "b", 7, 17);
    assert_ptr_equal(fx.last_page, first);
    recover(&fx, w, "c", 7, 18);
    assert_ptr_not_equal(fx.last_page, first);
    hf_page_unref(first);
}

/* --- recovery_limit --------------------------------------------------------------------------- */

static void recover_at_most(struct hf_core_watch *w, const char *name, uint64_t offset,
                            uint32_t limit, bool continues)
{
    const struct hf_subscribe_params params = {
        .recover = true, .since = {7, offset}, .recovery_limit = limit};
    subscribe_with(&fx, w, name, &params, continues);
}

static void more_than_the_limit_is_not_recovered(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    recover_at_most(w, "just", 17, 3, false);
    recover_at_most(w, "more", 16, 3, false);
    recover_at_most(w, "none", 20, 0, false);
    recover_at_most(w, "one", 19, 0, false);
    expect(&fx, "answer just recovered 7:20 of 7:20 18-20 live\nanswer more top 7:20 live\n"
                "answer none recovered 7:20 of 7:20 live\nanswer one top 7:20 live\n");
    assert_verdicts(2, 0, 2);
}

static void the_limit_is_not_asked_again_for_later_pages(void **state)
{
    (void)state;
    recover_at_most(start_with_tail(), "r", 14, 1, true);
    expect(&fx, "answer r recovered 7:18 of 7:20 15-18\n");
}

static void the_limit_holds_for_a_page_of_the_first_read_too(void **state)
{
    (void)state;
    fixture_start(&fx);
    connect_store(&fx);
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    recover_at_most(w, "few", 5, 14, false);
    recover_at_most(w, "just", 5, 15, false);
    recover(&fx, w, "any", 7, 5);
    listening(&fx, "ch");
    forget_log();
    read_gives(&fx, 7, 20, 6, 9);
    expect(&fx, "answer just recovered 7:9 of 7:20 6-9\nanswer any recovered 7:9 of 7:20 6-9\n"
                "read ch from 7:20\n");
    read_gives(&fx, 7, 20, 20, 20);
    expect(&fx, "answer few top 7:20 live\n");
}

/* --- the newest only (cache mode) ------------------------------------------------------------- */

static void recover_newest(struct hf_core_watch *w, const char *name, uint64_t epoch,
                           uint64_t offset)
{
    const struct hf_subscribe_params params = {
        .recover = true, .latest = true, .since = {epoch, offset}, .recovery_limit = HF_LIMIT_NONE};
    subscribe_with(&fx, w, name, &params, false);
}

static void the_newest_comes_from_the_tail_whatever_was_missed(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    recover_newest(w, "far", 7, 2);
    recover_newest(w, "other epoch", 5, 90);
    recover_newest(w, "fresh", HF_EPOCH_NONE, 0);
    expect(&fx, "answer far recovered 7:20 of 7:20 20-20 live\n"
                "answer other epoch recovered 7:20 of 7:20 20-20 live\n"
                "answer fresh recovered 7:20 of 7:20 20-20 live\n");
}

static void who_has_the_newest_gets_nothing(void **state)
{
    (void)state;
    recover_newest(start_with_tail(), "r", 7, 20);
    expect(&fx, "answer r recovered 7:20 of 7:20 live\n");
}

/* It was on another node, which had heard of them already. */
static void who_has_a_newer_one_than_ours_is_answered_after_a_look(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    recover_newest(w, "same", 7, 22);
    recover_newest(w, "not so far", 7, 20);
    expect(&fx, "read ch from 7:20\nanswer not so far recovered 7:20 of 7:20 live\n");
    read_gives(&fx, 7, 22, 20, 22);
    expect(&fx, "deliver w 7:21\ndeliver w 7:22\nanswer same recovered 7:22 of 7:22 live\n");
}

static void who_has_a_newer_epoch_than_ours_is_answered_after_a_look(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    recover_newest(w, "r", 9, 1);
    expect(&fx, "read ch from 7:20\n");
    read_gives(&fx, 9, 2, 0, 0);
    expect(&fx, "lost w\nread ch newest\n");
    read_gives(&fx, 9, 2, 2, 2);
    expect(&fx, "answer r recovered 9:2 of 9:2 2-2 live\n");
}

/* The store has lost what it had, and nobody is left who knew it. */
static void who_has_a_newer_one_than_the_store_gets_that_of_the_store(void **state)
{
    (void)state;
    recover_newest(start_with_tail(), "r", 7, 25);
    expect(&fx, "read ch from 7:20\n");
    read_gives(&fx, 7, 20, 20, 20);
    expect(&fx, "answer r recovered 7:20 of 7:20 20-20 live\n");
}

/* What it has may have been published after the read was sent. */
static void a_newest_read_from_before_it_asked_is_not_for_who_has_a_newer_one(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    hf_core_removed(fx.core, fixture_bytes("ch"));
    recover_newest(w, "a", 7, 2);
    forget_log();
    recover_newest(w, "b", 7, 21);
    read_gives(&fx, 7, 20, 20, 20);
    expect(&fx, "answer a recovered 7:20 of 7:20 20-20 live\nread ch from 7:20\n");
    read_gives(&fx, 7, 21, 20, 21);
    expect(&fx, "deliver w 7:21\nanswer b recovered 7:21 of 7:21 live\n");
}

static void the_newest_is_read_once_when_the_tail_is_gone(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    hf_core_removed(fx.core, fixture_bytes("ch"));
    recover_newest(w, "a", 7, 2);
    recover_newest(w, "b", 7, 3);
    expect(&fx, "read ch newest\n");
    read_gives(&fx, 7, 20, 20, 20);
    expect(&fx, "answer a recovered 7:20 of 7:20 20-20 live\n"
                "answer b recovered 7:20 of 7:20 20-20 live\n");
    recover_newest(w, "c", 7, 4);
    expect(&fx, "answer c recovered 7:20 of 7:20 20-20 live\n");
}

static void without_a_newest_nothing_is_recovered(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    wait_ms(&fx, 60000); /* expired in the store */
    recover_newest(w, "r", 7, 2);
    expect(&fx, "read ch newest\n");
    read_gives(&fx, 7, 20, 0, 0);
    expect(&fx, "answer r top 7:20 live\n");
}

static void a_first_subscriber_of_the_newest_needs_one_read(void **state)
{
    (void)state;
    fixture_start(&fx);
    connect_store(&fx);
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    recover_newest(w, "r", HF_EPOCH_NONE, 0);
    listening(&fx, "ch");
    read_gives(&fx, 7, 9, 9, 9);
    expect(&fx, "listen ch\nread ch newest\nanswer r recovered 7:9 of 7:9 9-9 live\n");
}

/* --- older than the tail ---------------------------------------------------------------------- */

static void many_that_are_older_than_the_tail_share_one_read(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    recover(&fx, w, "a", 7, 12);
    recover(&fx, w, "b", 7, 12);
    recover(&fx, w, "c", 7, 13);
    expect(&fx, "read ch after 7:12\n");
    read_gives(&fx, 7, 20, 13, 16);
    expect(&fx, "answer a recovered 7:16 of 7:20 13-16\nanswer b recovered 7:16 of 7:20 13-16\n"
                "answer c recovered 7:17 of 7:20 14-17\n");
    assert_int_equal(counters(&fx)->reads, 2);
    /* the tail has grown: the next one needs no read */
    recover(&fx, w, "d", 7, 12);
    expect(&fx, "answer d recovered 7:16 of 7:20 13-16\n");
    assert_int_equal(counters(&fx)->reads, 2);
}

/* 7:21 and 7:22 are on their way to us. */
static void what_a_page_has_beyond_our_place_is_left_to_the_messages(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    hf_core_removed(fx.core, fixture_bytes("ch"));
    recover(&fx, w, "r", 7, 18);
    expect(&fx, "read ch after 7:18\n");
    read_gives(&fx, 7, 22, 19, 22);
    expect(&fx, "answer r recovered 7:20 of 7:20 19-20 live\n");
    hear(&fx, "ch", 7, 21);
    expect(&fx, "deliver w 7:21\n");
}

static void a_page_that_does_not_reach_the_tail_is_answered_as_it_is(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    recover(&fx, w, "a", 7, 2);
    recover(&fx, w, "b", 7, 4);
    recover(&fx, w, "c", 7, 8); /* not in the first page: read next */
    expect(&fx, "read ch after 7:2\n");
    read_gives(&fx, 7, 20, 3, 6);
    expect(&fx, "answer a recovered 7:6 of 7:20 3-6\nanswer b recovered 7:6 of 7:20 5-6\n"
                "read ch after 7:8\n");
    assert_verdicts(0, 2, 0);
    read_gives(&fx, 7, 20, 9, 12);
    expect(&fx, "answer c recovered 7:12 of 7:20 9-12\n");
    recover_on(&fx, w, "c", 7, 12);
    read_gives(&fx, 7, 20, 13, 16);
    expect(&fx, "read ch after 7:12\nanswer c recovered 7:16 of 7:20 13-16\n");
    recover_on(&fx, w, "c", 7, 16);
    expect(&fx, "answer c recovered 7:20 of 7:20 17-20 live\n");
}

static void what_the_store_has_trimmed_is_refused(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    recover(&fx, w, "gone", 7, 9);
    recover(&fx, w, "kept", 7, 11);
    expect(&fx, "read ch after 7:9\n");
    read_gives(&fx, 7, 20, 12, 15);
    expect(&fx, "answer gone top 7:20 live\nanswer kept recovered 7:15 of 7:20 12-15\n");
    assert_int_equal(counters(&fx)->recoveries_refused, 1);
}

static void a_store_that_keeps_nothing_refuses_all_that_is_older(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    wait_ms(&fx, 60000); /* history_ttl_s: the store's entries and the tail are gone */
    recover(&fx, w, "r", 7, 19);
    recover(&fx, w, "top", 7, 20);
    expect(&fx, "read ch after 7:19\nanswer top recovered 7:20 of 7:20 live\n");
    read_gives(&fx, 7, 20, 0, 0);
    expect(&fx, "answer r top 7:20 live\n");
}

/* Their read was sent before they asked: it may have been answered before what they missed. */
static void those_who_came_after_the_read_was_sent_are_not_refused_by_it(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    recover(&fx, w, "a", 7, 9);
    expect(&fx, "read ch after 7:9\n");
    recover(&fx, w, "b", 7, 10);
    read_gives(&fx, 7, 20, 12, 15);
    expect(&fx, "answer a top 7:20 live\nread ch after 7:10\n");
    read_gives(&fx, 7, 20, 12, 15);
    expect(&fx, "answer b top 7:20 live\n");
}

static void what_is_newer_than_our_place_waits_for_its_message(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    recover(&fx, w, "r", 7, 12);
    forget_log();
    read_gives(&fx, 7, 22, 13, 22); /* the messages 21 and 22 are still on their way */
    expect(&fx, "answer r recovered 7:16 of 7:20 13-16\n");
    hear(&fx, "ch", 7, 21);
    expect(&fx, "deliver w 7:21\n");
}

static void a_slow_reader_whose_next_page_is_trimmed_is_told_so(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    recover(&fx, w, "slow", 7, 2);
    read_gives(&fx, 7, 20, 3, 6);
    forget_log();
    recover_on(&fx, w, "slow", 7, 6);
    expect(&fx, "read ch after 7:6\n");
    read_gives(&fx, 7, 20, 12, 15);
    assert_error("slow", HF_EUNRECOVERABLE);
    assert_int_equal(counters(&fx)->recoveries_refused, 1);
}

static void a_slow_reader_is_told_of_another_epoch(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    hear(&fx, "ch", 9, 1);
    read_gives(&fx, 9, 1, 0, 0);
    forget_log();
    recover_on(&fx, w, "slow", 7, 18);
    expect(&fx, "read ch from 9:1\n");
    read_gives(&fx, 9, 1, 1, 1);
    assert_error("slow", HF_EUNRECOVERABLE);
}

static void a_failed_read_is_answered_to_those_who_asked_and_repeated_for_the_rest(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    recover(&fx, w, "a", 7, 9);
    forget_log();
    recover(&fx, w, "b", 7, 10);
    read_fails(&fx, HF_ESTORE);
    assert_error("a", HF_ESTORE);
    wait_ms(&fx, 200);
    expect(&fx, "read ch after 7:10\n");
    read_gives(&fx, 7, 20, 11, 14);
    expect(&fx, "answer b recovered 7:14 of 7:20 11-14\n");
}

static void while_the_store_is_away_those_who_asked_wait_for_it(void **state)
{
    (void)state;
    recover(&fx, start_with_tail(), "r", 7, 12);
    forget_log();
    read_fails(&fx, HF_EUNAVAILABLE);
    expect(&fx, "");
    wait_ms(&fx, 200);
    expect(&fx, "read ch after 7:12\n");
    read_gives(&fx, 7, 20, 13, 16);
    expect(&fx, "answer r recovered 7:16 of 7:20 13-16\n");
}

static void a_backlog_that_shows_another_epoch_puts_the_place_in_doubt(void **state)
{
    (void)state;
    recover(&fx, start_with_tail(), "r", 7, 12);
    forget_log();
    read_gives(&fx, 9, 3, 0, 0);
    expect(&fx, "read ch from 7:20\n");
    read_gives(&fx, 9, 3, 0, 0);
    expect(&fx, "lost w\nanswer r top 9:3 live\n");
}

/* C5: the read was sent when our place was 7:20, so its top cannot be older for good reasons. */
static void a_backlog_from_a_store_that_went_back_answers_nobody(void **state)
{
    (void)state;
    recover(&fx, start_with_tail(), "r", 7, 12);
    forget_log();
    read_gives(&fx, 7, 16, 13, 16);
    expect(&fx, "read ch from 7:20\n");
    read_gives(&fx, 7, 16, 0, 0);
    expect(&fx, "read ch from 7:16\n");
    assert_int_equal(counters(&fx)->rollbacks_seen, 1);
    read_gives(&fx, 7, 16, 16, 16);
    expect(&fx, "mend ch at 7:16 with 17-20\n");
}

/* The other way round is no sign of anything: the message was faster than the read's answer. */
static void a_backlog_read_before_the_newest_message_is_good(void **state)
{
    (void)state;
    recover(&fx, start_with_tail(), "r", 7, 12);
    hear(&fx, "ch", 7, 21);
    forget_log();
    read_gives(&fx, 7, 20, 13, 16);
    expect(&fx, "answer r recovered 7:16 of 7:21 13-16\n");
    assert_int_equal(counters(&fx)->rollbacks_seen, 0);
}

/* --- positions that we do not know ------------------------------------------------------------ */

static void an_older_epoch_is_refused_after_a_look(void **state)
{
    (void)state;
    recover(&fx, start_with_tail(), "r", 3, 8);
    expect(&fx, "read ch from 7:20\n");
    read_gives(&fx, 7, 20, 20, 20);
    expect(&fx, "answer r top 7:20 live\n");
    assert_verdicts(0, 0, 1);
}

static void a_foreign_epoch_is_refused_without_a_look(void **state)
{
    (void)state;
    recover(&fx, start_with_tail(), "r", HF_EPOCH_FOREIGN, 20);
    expect(&fx, "answer r top 7:20 live\n");
    assert_int_equal(counters(&fx)->reads, 1);
}

static void a_newer_epoch_is_looked_up_and_may_be_right(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    recover(&fx, w, "r", 9, 1);
    expect(&fx, "read ch from 7:20\n");
    read_gives(&fx, 9, 2, 0, 0);
    expect(&fx, "lost w\nread ch after 9:1\n");
    read_gives(&fx, 9, 2, 2, 2);
    expect(&fx, "answer r recovered 9:2 of 9:2 2-2 live\n");
}

static void ahead_of_the_top_is_looked_up_and_refused(void **state)
{
    (void)state;
    recover(&fx, start_with_tail(), "r", 7, 25);
    expect(&fx, "read ch from 7:20\n");
    read_gives(&fx, 7, 20, 20, 20);
    expect(&fx, "answer r top 7:20 live\n");
    assert_verdicts(0, 0, 1);
}

static void ahead_of_the_top_is_looked_up_and_may_be_right(void **state)
{
    (void)state;
    recover(&fx, start_with_tail(), "r", 7, 22);
    expect(&fx, "read ch from 7:20\n");
    read_gives(&fx, 7, 23, 20, 23);
    expect(&fx, "deliver w 7:21\ndeliver w 7:22\ndeliver w 7:23\n"
                "answer r recovered 7:23 of 7:23 23-23 live\n");
    hear(&fx, "ch", 7, 21); /* on their way all the time */
    hear(&fx, "ch", 7, 22);
    hear(&fx, "ch", 7, 23);
    expect(&fx, "");
    assert_int_equal(counters(&fx)->duplicates_dropped, 3);
}

/* C3: what it knows may have been published after the read was sent. */
static void one_that_asked_after_the_look_was_sent_is_not_refused_by_it(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    recover(&fx, w, "a", 7, 22);
    forget_log();
    recover(&fx, w, "b", 7, 22);
    read_gives(&fx, 7, 20, 20, 20);
    expect(&fx, "answer a top 7:20 live\nread ch from 7:20\n");
    read_gives(&fx, 7, 22, 20, 22);
    expect(&fx, "deliver w 7:21\ndeliver w 7:22\nanswer b recovered 7:22 of 7:22 live\n");
}

static void a_look_that_fails_is_answered_with_the_failure(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    recover(&fx, w, "r", 7, 22);
    forget_log();
    read_fails(&fx, HF_ETIMEOUT);
    assert_error("r", HF_ETIMEOUT);
    hear(&fx, "ch", 7, 21); /* others are not touched */
    expect(&fx, "deliver w 7:21\n");
}

static void a_look_and_a_backlog_are_both_read(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    recover(&fx, w, "old", 7, 12);
    recover(&fx, w, "ahead", 7, 22);
    expect(&fx, "read ch after 7:12\n");
    read_gives(&fx, 7, 20, 13, 16);
    expect(&fx, "answer old recovered 7:16 of 7:20 13-16\nread ch from 7:20\n");
    read_gives(&fx, 7, 20, 20, 20);
    expect(&fx, "answer ahead top 7:20 live\n");
}

/* --- the first read of a stream --------------------------------------------------------------- */

static struct hf_core_watch *start_unplaced(void)
{
    fixture_start(&fx);
    connect_store(&fx);
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    expect(&fx, "listen ch\n");
    return w;
}

static void the_first_read_starts_where_the_oldest_waiter_left_off(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_unplaced();
    recover(&fx, w, "b", 7, 4);
    recover(&fx, w, "a", 7, 3);
    recover(&fx, w, "stale", 5, 1);
    recover(&fx, w, "foreign", HF_EPOCH_FOREIGN, 0);
    subscribe(&fx, w, "fresh");
    listening(&fx, "ch");
    expect(&fx, "read ch from 7:3\n");
    read_gives(&fx, 7, 6, 4, 6);
    expect(&fx, "answer b recovered 7:6 of 7:6 5-6 live\nanswer a recovered 7:6 of 7:6 4-6 live\n"
                "answer stale top 7:6 live\nanswer foreign top 7:6 live\n"
                "answer fresh top 7:6 live\n");
    assert_int_equal(counters(&fx)->reads, 1);
}

static void a_first_page_that_does_not_reach_the_top_is_served_and_followed(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_unplaced();
    recover(&fx, w, "r", 7, 2);
    recover(&fx, w, "near", 7, 8);
    listening(&fx, "ch");
    read_gives(&fx, 7, 9, 3, 6);
    expect(&fx, "read ch from 7:2\nanswer r recovered 7:6 of 7:9 3-6\nread ch from 7:9\n");
    read_gives(&fx, 7, 9, 9, 9);
    expect(&fx, "read ch after 7:8\n");
    hear(&fx, "ch", 7, 10);
    read_gives(&fx, 7, 9, 9, 9);
    expect(&fx, "answer near recovered 7:10 of 7:10 9-10 live\n");
    recover_on(&fx, w, "r", 7, 6);
    read_gives(&fx, 7, 10, 7, 10);
    expect(&fx, "read ch after 7:6\nanswer r recovered 7:10 of 7:10 7-10 live\n");
}

static void a_first_page_behind_a_trimmed_part_refuses_after_one_more_look_at_most(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_unplaced();
    recover(&fx, w, "gone", 7, 2);
    recover(&fx, w, "kept", 7, 7);
    listening(&fx, "ch");
    forget_log();
    read_gives(&fx, 7, 9, 6, 9);
    if (fx.reads_open > 0) {
        read_gives(&fx, 7, 9, 6, 9);
    }
    assert_int_equal(fx.reads_open, 0);
    assert_non_null(strstr(fx.log, "answer gone top 7:9 live\n"));
    assert_non_null(strstr(fx.log, "answer kept recovered 7:9 of 7:9 8-9 live\n"));
}

static void messages_heard_during_the_first_read_follow_its_answer(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_unplaced();
    recover(&fx, w, "r", 7, 3);
    listening(&fx, "ch");
    forget_log();
    hear(&fx, "ch", 7, 5);
    hear(&fx, "ch", 7, 6);
    read_gives(&fx, 7, 5, 4, 5);
    expect(&fx, "answer r recovered 7:6 of 7:6 4-6 live\n");
    hear(&fx, "ch", 7, 7);
    expect(&fx, "deliver w 7:7\n");
}

static void from_the_very_beginning_a_whole_stream_is_recovered(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_unplaced();
    recover(&fx, w, "r", HF_EPOCH_NONE, 0);
    listening(&fx, "ch");
    expect(&fx, "read ch after 0:0\n");
    read_gives(&fx, 7, 3, 1, 3);
    expect(&fx, "answer r recovered 7:3 of 7:3 1-3 live\n");
}

static void an_empty_stream_is_recovered_at_its_beginning(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_unplaced();
    recover(&fx, w, "r", 7, 0);
    listening(&fx, "ch");
    read_gives(&fx, 7, 0, 0, 0);
    hear(&fx, "ch", 7, 1);
    expect(&fx, "read ch after 7:0\nanswer r recovered 7:0 of 7:0 live\ndeliver w 7:1\n");
}

/* --- what memory must forget ------------------------------------------------------------------ */

static void the_tail_expires_with_the_store_s_history(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    wait_ms(&fx, 59999);
    recover(&fx, w, "in time", 7, 18);
    expect(&fx, "answer in time recovered 7:20 of 7:20 19-20 live\n");
    wait_ms(&fx, 1);
    recover(&fx, w, "late", 7, 18);
    expect(&fx, "read ch after 7:18\n");
    assert_int_equal(counters(&fx)->tails_bytes, 0);
}

static void every_publication_renews_the_tail(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    wait_ms(&fx, 59999);
    hear(&fx, "ch", 7, 21);
    forget_log();
    wait_ms(&fx, 59999);
    recover(&fx, w, "r", 7, 18);
    expect(&fx, "answer r recovered 7:21 of 7:21 19-21 live\n");
}

static void removed_entries_are_not_recovered_from_memory(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    hf_core_removed(fx.core, fixture_bytes("ch"));
    hf_core_removed(fx.core, fixture_bytes("unknown"));
    recover(&fx, w, "top", 7, 20);
    recover(&fx, w, "r", 7, 18);
    expect(&fx, "answer top recovered 7:20 of 7:20 live\nread ch after 7:18\n");
    read_gives(&fx, 7, 20, 0, 0);
    expect(&fx, "answer r top 7:20 live\n");
    hear(&fx, "ch", 7, 21); /* the position stays */
    recover(&fx, w, "r2", 7, 20);
    expect(&fx, "deliver w 7:21\nanswer r2 recovered 7:21 of 7:21 21-21 live\n");
}

static void a_read_from_before_the_removal_does_not_bring_the_entries_back(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    recover(&fx, w, "a", 7, 12);
    hf_core_removed(fx.core, fixture_bytes("ch"));
    read_gives(&fx, 7, 20, 13, 16);
    while (fx.reads_open > 0) {
        read_gives(&fx, 7, 20, 0, 0);
    }
    forget_log();
    recover(&fx, w, "b", 7, 12);
    expect(&fx, "read ch after 7:12\n");
}

static void a_look_from_before_the_removal_does_not_bring_the_entries_back(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_with_tail();
    hear(&fx, "ch", 7, 22); /* a gap: 21 and 22 are read */
    hf_core_removed(fx.core, fixture_bytes("ch"));
    read_gives(&fx, 7, 22, 20, 22);
    while (fx.reads_open > 0) {
        read_gives(&fx, 7, 22, 0, 0);
    }
    forget_log();
    recover(&fx, w, "r", 7, 20);
    expect(&fx, "read ch after 7:20\n");
}

static void the_tail_is_no_longer_than_the_history(void **state)
{
    (void)state;
    fixture_start(&fx);
    connect_store(&fx);
    const struct hf_stream_options options = {
        .history_size = 2, .history_ttl_s = 60, .meta_ttl_s = 3600};
    struct hf_core_watch *w =
        hf_core_watch_open(fx.core, fixture_bytes("ch"), &options, (void *)"w");
    assert_non_null(w);
    listening(&fx, "ch");
    read_gives(&fx, 7, 1, 1, 1);
    for (uint64_t offset = 2; offset <= 5; offset++) {
        hear(&fx, "ch", 7, offset);
    }
    forget_log();
    recover(&fx, w, "kept", 7, 3);
    recover(&fx, w, "trimmed", 7, 2);
    expect(&fx, "answer kept recovered 7:5 of 7:5 4-5 live\nread ch after 7:2\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(at_the_top_nothing_was_missed),
        TEST(what_the_tail_has_is_recovered_without_the_store),
        TEST(without_an_epoch_only_the_offset_counts),
        TEST(more_than_a_page_comes_in_pages_and_only_the_last_is_live),
        TEST(a_page_ends_at_its_bytes_but_has_at_least_one),
        TEST(equal_questions_share_a_page),
        TEST(more_than_the_limit_is_not_recovered),
        TEST(the_limit_is_not_asked_again_for_later_pages),
        TEST(the_limit_holds_for_a_page_of_the_first_read_too),
        TEST(the_newest_comes_from_the_tail_whatever_was_missed),
        TEST(who_has_the_newest_gets_nothing),
        TEST(who_has_a_newer_one_than_ours_is_answered_after_a_look),
        TEST(who_has_a_newer_epoch_than_ours_is_answered_after_a_look),
        TEST(who_has_a_newer_one_than_the_store_gets_that_of_the_store),
        TEST(a_newest_read_from_before_it_asked_is_not_for_who_has_a_newer_one),
        TEST(the_newest_is_read_once_when_the_tail_is_gone),
        TEST(without_a_newest_nothing_is_recovered),
        TEST(a_first_subscriber_of_the_newest_needs_one_read),
        TEST(many_that_are_older_than_the_tail_share_one_read),
        TEST(what_a_page_has_beyond_our_place_is_left_to_the_messages),
        TEST(a_page_that_does_not_reach_the_tail_is_answered_as_it_is),
        TEST(what_the_store_has_trimmed_is_refused),
        TEST(a_store_that_keeps_nothing_refuses_all_that_is_older),
        TEST(those_who_came_after_the_read_was_sent_are_not_refused_by_it),
        TEST(what_is_newer_than_our_place_waits_for_its_message),
        TEST(a_slow_reader_whose_next_page_is_trimmed_is_told_so),
        TEST(a_slow_reader_is_told_of_another_epoch),
        TEST(a_failed_read_is_answered_to_those_who_asked_and_repeated_for_the_rest),
        TEST(while_the_store_is_away_those_who_asked_wait_for_it),
        TEST(a_backlog_that_shows_another_epoch_puts_the_place_in_doubt),
        TEST(a_backlog_from_a_store_that_went_back_answers_nobody),
        TEST(a_backlog_read_before_the_newest_message_is_good),
        TEST(an_older_epoch_is_refused_after_a_look),
        TEST(a_foreign_epoch_is_refused_without_a_look),
        TEST(a_newer_epoch_is_looked_up_and_may_be_right),
        TEST(ahead_of_the_top_is_looked_up_and_refused),
        TEST(ahead_of_the_top_is_looked_up_and_may_be_right),
        TEST(one_that_asked_after_the_look_was_sent_is_not_refused_by_it),
        TEST(a_look_that_fails_is_answered_with_the_failure),
        TEST(a_look_and_a_backlog_are_both_read),
        TEST(the_first_read_starts_where_the_oldest_waiter_left_off),
        TEST(a_first_page_that_does_not_reach_the_top_is_served_and_followed),
        TEST(a_first_page_behind_a_trimmed_part_refuses_after_one_more_look_at_most),
        TEST(messages_heard_during_the_first_read_follow_its_answer),
        TEST(from_the_very_beginning_a_whole_stream_is_recovered),
        TEST(an_empty_stream_is_recovered_at_its_beginning),
        TEST(the_tail_expires_with_the_store_s_history),
        TEST(every_publication_renews_the_tail),
        TEST(removed_entries_are_not_recovered_from_memory),
        TEST(a_read_from_before_the_removal_does_not_bring_the_entries_back),
        TEST(a_look_from_before_the_removal_does_not_bring_the_entries_back),
        TEST(the_tail_is_no_longer_than_the_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
