/* A stream whose store has lost something, or may have. */
#include "stream_fixture.h"

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

/* Our place has expired, and what was published unheard follows it: nobody has published since the
 * life in which we were in step, so it was written behind our place. */
static void a_store_in_which_nobody_has_published_since_needs_no_proof(void **state)
{
    (void)state;
    start_live_with_tail();
    fx.admitted_life = fx.life;
    reconnect(false);
    read_gives(&fx, 7, 10, 9, 10);
    expect(&fx, "listen ch\nread ch from 7:8\ndeliver w 7:9\ndeliver w 7:10\n");
    assert_true(hf_core_is_checked(fx.core));
    assert_int_equal(counters(&fx)->epochs_rotated, 0);
}

static void a_store_in_which_somebody_has_published_since_must_prove_our_place(void **state)
{
    (void)state;
    start_live_with_tail();
    reconnect(false);
    fx.admitted_life = fx.life;
    read_gives(&fx, 7, 10, 9, 10);
    expect(&fx, "listen ch\nread ch from 7:8\nmend ch at 7:10 anew\n");
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

/* The store went back, and a read that had been under way for long is answered by what is left. */
static void a_read_that_another_life_answered_makes_nobody_forget(void **state)
{
    (void)state;
    fx.config.witnesses_max = 4;
    fx.config.linger_ms = 0;
    struct hf_core_watch *w = start_live(&fx, 7, 8);
    recover(&fx, w, "r", 7, 6);
    hf_core_disconnected(fx.core);
    fx.life++;
    read_gives_other(&fx, 7, 9, 7, 9, "other");
    unwatch(&fx, w);
    wait_ms(&fx, 1);
    forget_log();
    connect_store(&fx);
    expect(&fx, "read ch from 7:8\n"); /* not 7:9, where the store would be right */
    read_gives_other(&fx, 7, 9, 8, 9, "other");
    expect(&fx, "mend ch at 7:9 anew\n");
}

static void a_read_that_another_life_answered_counts_if_it_shows_what_we_know(void **state)
{
    (void)state;
    start_live_with_tail();
    hear(&fx, "ch", 7, 10);
    expect(&fx, "read ch from 7:8\n");
    hf_core_disconnected(fx.core);
    fx.life++;
    read_gives(&fx, 7, 11, 8, 11);
    fx.life++;
    connect_store(&fx);
    listening(&fx, "ch");
    forget_log();
    read_gives(&fx, 7, 10, 8, 10); /* it has lost 7:11 */
    expect(&fx, "mend ch at 7:10 anew\n");
}

static void a_read_that_a_life_answered_of_which_we_are_not_told_is_repeated(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_live(&fx, 7, 8);
    recover(&fx, w, "r", 7, 6);
    expect(&fx, "read ch after 7:6\n");
    fx.life++;
    read_gives_other(&fx, 7, 8, 7, 8, "other");
    expect(&fx, "");
    hf_core_disconnected(fx.core);
    connect_store(&fx);
    listening(&fx, "ch");
    expect(&fx, "listen ch\nread ch from 7:8\n");
    read_gives_other(&fx, 7, 8, 8, 8, "other");
    expect(&fx, "mend ch at 7:8 anew\n");
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
    const struct hf_core_read_result result = {.top = {7, 9}, .page = page, .life = fx.life};
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

/* A place at 7:20 that was taken over from a page which ends at 7:6. */
static struct hf_core_watch *start_ahead_of_the_page(void)
{
    fixture_start(&fx);
    connect_store(&fx);
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    recover(&fx, w, "r", 7, 2);
    listening(&fx, "ch");
    forget_log();
    read_gives(&fx, 7, 20, 3, 6);
    return w;
}

static void a_place_taken_over_without_its_publication_is_told_apart_all_the_same(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_ahead_of_the_page();
    subscribe(&fx, w, "fresh");
    expect(&fx, "answer r recovered 7:6 of 7:20 3-6\nread ch from 7:20\n");
    read_gives(&fx, 7, 20, 20, 20);
    expect(&fx, "answer fresh top 7:20 live\n");
    reconnect(false);
    forget_log();
    read_gives_other(&fx, 7, 20, 20, 20, "other");
    expect(&fx, "mend ch at 7:20 anew\n");
}

/* A channel as busy as that soon has one that is heard. */
static void a_place_left_behind_while_it_is_looked_at_is_not_looked_at_again(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_ahead_of_the_page();
    forget_log();
    read_gives(&fx, 7, 30, 20, 24);
    expect(&fx, "");
    subscribe(&fx, w, "fresh");
    expect(&fx, "answer fresh top 7:30 live\n");
}

static void a_place_taken_over_where_we_know_the_publication_needs_no_look(void **state)
{
    (void)state;
    fixture_start(&fx);
    connect_store(&fx);
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    const struct hf_publication_fields fields = {.data = fixture_bytes("same")};
    hf_core_published(fx.core, fixture_bytes("ch"), &fixture_history, (struct hf_position){7, 20},
                      &fields);
    recover(&fx, w, "r", 7, 2);
    listening(&fx, "ch");
    forget_log();
    read_gives(&fx, 7, 20, 3, 6);
    expect(&fx, "answer r recovered 7:6 of 7:20 3-6\n");
    reconnect(false);
    forget_log();
    read_gives_other(&fx, 7, 20, 20, 20, "other");
    expect(&fx, "mend ch at 7:20 anew\n");
}

/* Nobody had followed the stream, and the one who comes has all of it. */
static void the_top_at_which_the_first_subscriber_is_is_known_with_its_publication(void **state)
{
    (void)state;
    fixture_start(&fx);
    connect_store(&fx);
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    recover(&fx, w, "r", 7, 8);
    listening(&fx, "ch");
    read_gives(&fx, 7, 8, 8, 8);
    expect(&fx, "listen ch\nread ch from 7:8\nanswer r recovered 7:8 of 7:8 live\n");
    reconnect(false);
    forget_log();
    read_gives_other(&fx, 7, 8, 8, 8, "other");
    expect(&fx, "mend ch at 7:8 anew\n");
}

/* --- evidence beyond the place, and lives ----------------------------------------------------- */

static void acknowledge(uint64_t epoch, uint64_t offset)
{
    const struct hf_publication_fields fields = {.data = fixture_bytes("same")};
    hf_core_published(fx.core, fixture_bytes("ch"), &fixture_history,
                      (struct hf_position){epoch, offset}, &fields);
}

/* The next life of the store, which answers the read that is open before we are told of it. */
static void be_answered_by_another_life(uint64_t epoch, uint64_t top, uint64_t first, uint64_t last)
{
    fx.life++;
    read_gives(&fx, epoch, top, first, last);
    forget_log();
}

static void what_was_acknowledged_beyond_the_page_is_asked_for_before_the_place(void **state)
{
    (void)state;
    start_live_with_tail();
    acknowledge(7, 20);
    reconnect(false);
    expect(&fx, "listen ch\nread ch from 7:20\n");
    assert_false(hf_core_is_checked(fx.core));
    read_gives(&fx, 7, 20, 20, 20);
    expect(&fx, "read ch from 7:8\n");
    assert_false(hf_core_is_checked(fx.core));
    read_gives(&fx, 7, 20, 8, 12);
    assert_true(hf_core_is_checked(fx.core));
    expect(&fx, "deliver w 7:9\ndeliver w 7:10\ndeliver w 7:11\ndeliver w 7:12\nread ch from "
                "7:12\n");
}

static void what_was_acknowledged_beyond_the_page_and_is_another_now_gets_a_new_epoch(void **state)
{
    (void)state;
    start_live_with_tail();
    acknowledge(7, 20);
    reconnect(false);
    read_gives_other(&fx, 7, 20, 20, 20, "other");
    expect(&fx, "listen ch\nread ch from 7:20\nmend ch at 7:20 anew\n");
}

/* Our 7:8 is trimmed away in what it shows, so nobody can tell whether that is written behind it.
 */
static void what_a_life_showed_that_nobody_has_met_is_asked_for_in_the_next(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_live(&fx, 7, 8);
    recover(&fx, w, "r", 7, 6);
    be_answered_by_another_life(7, 14, 11, 14);
    reconnect(false);
    expect(&fx, "listen ch\nread ch from 7:14\n");
    read_gives(&fx, 7, 10, 0, 0); /* it has lost that, and nothing that we had before */
    expect(&fx, "mend ch at 7:10 anew\n");
}

static void of_what_two_lives_showed_the_first_is_kept_until_it_was_compared(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_live(&fx, 7, 8);
    recover(&fx, w, "r", 7, 6);
    be_answered_by_another_life(7, 14, 11, 14);
    wait_ms(&fx, 200); /* asked again, and still nobody has told us */
    be_answered_by_another_life(7, 17, 15, 17);
    reconnect(false);
    expect(&fx, "listen ch\nread ch from 7:14\n");
}

static void what_a_life_showed_and_the_next_one_has_is_of_our_line(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_live(&fx, 7, 8);
    recover(&fx, w, "r", 7, 6);
    be_answered_by_another_life(7, 12, 11, 12);
    reconnect(false);
    read_gives(&fx, 7, 12, 12, 12);
    read_gives(&fx, 7, 12, 8, 10);
    expect(&fx, "listen ch\nread ch from 7:12\nread ch from 7:8\n"
                "deliver w 7:9\ndeliver w 7:10\nread ch from 7:10\n");
    reconnect(false); /* the page before did not reach it, but we know it now */
    read_gives(&fx, 7, 10, 10, 10);
    forget_log();
    read_gives(&fx, 7, 11, 0, 0);
    expect(&fx, "mend ch at 7:11 anew\n");
}

static void what_a_life_showed_of_a_stream_that_was_empty_is_of_our_line(void **state)
{
    (void)state;
    struct hf_core_watch *w = start_live(&fx, 7, 0);
    recover(&fx, w, "r", 7, 2); /* is ahead of us */
    be_answered_by_another_life(7, 3, 1, 3);
    reconnect(false);
    expect(&fx, "listen ch\nread ch from 7:3\n");
    read_gives(&fx, 7, 2, 0, 0);
    expect(&fx, "mend ch at 7:2 anew\n");
}

static void what_a_life_showed_is_kept_when_nobody_follows_the_stream_any_more(void **state)
{
    (void)state;
    fx.config.linger_ms = 0;
    struct hf_core_watch *w = start_live(&fx, 7, 8);
    recover(&fx, w, "r", 7, 6);
    hf_core_disconnected(fx.core);
    be_answered_by_another_life(7, 14, 11, 14);
    unwatch(&fx, w);
    wait_ms(&fx, 1);
    assert_int_equal(counters(&fx)->lingering, 0);
    forget_log();
    fx.life++;
    connect_store(&fx);
    expect(&fx, "read ch from 7:14\n");
    assert_false(hf_core_is_checked(fx.core));
    read_gives(&fx, 7, 14, 14, 14);
    read_gives(&fx, 7, 14, 11, 14);
    expect(&fx, "read ch from 7:8\n");
    assert_true(hf_core_is_checked(fx.core));
    assert_int_equal(counters(&fx)->streams, 0);
    assert_int_equal(counters(&fx)->witnesses, 0);
}

/* 7:8 was heard in life 1, and its entry has expired; the store that comes back is level. */
static void a_level_store_that_knows_the_life_of_our_newest_is_believed(void **state)
{
    (void)state;
    start_live_with_tail();
    fx.lives = (struct hf_lives){2, {9, 1}};
    reconnect(false);
    forget_log();
    read_gives(&fx, 7, 8, 0, 0);
    expect(&fx, "");
    assert_true(hf_core_is_checked(fx.core));
}

static void a_level_store_that_does_not_know_the_life_of_our_newest_has_another(void **state)
{
    (void)state;
    start_live_with_tail();
    fx.lives = (struct hf_lives){1, {9}};
    reconnect(false);
    forget_log();
    read_gives(&fx, 7, 8, 0, 0);
    expect(&fx, "mend ch at 7:8 anew\n");
}

static void lives_that_were_dropped_from_the_list_prove_nothing(void **state)
{
    (void)state;
    start_live_with_tail();
    for (uint64_t life = 10; life < 10 + HF_LIVES_MAX; life++) {
        hf_lives_admit(&fx.lives, life);
    }
    reconnect(false);
    forget_log();
    read_gives(&fx, 7, 8, 0, 0);
    expect(&fx, "");
    assert_true(hf_core_is_checked(fx.core));
}

static void a_place_that_was_only_read_is_of_a_store_that_had_admitted_this_life(void **state)
{
    (void)state;
    start_live(&fx, 7, 8);
    fx.lives = (struct hf_lives){1, {9}};
    reconnect(false);
    forget_log();
    read_gives(&fx, 7, 8, 0, 0);
    expect(&fx, "mend ch at 7:8 anew\n");
}

static void
a_place_that_was_read_on_trial_is_of_a_store_that_had_admitted_the_life_before(void **state)
{
    (void)state;
    fixture_start(&fx);
    fx.life = 2;
    hf_core_set_fence(fx.core, true, fx.now_ms);
    connect_store(&fx); /* life 1 was admitted */
    watch(&fx, "ch", "w");
    listening(&fx, "ch");
    read_gives(&fx, 7, 8, 8, 8);
    reconnect(false);
    forget_log();
    read_gives(&fx, 7, 8, 0, 0);
    expect(&fx, "");
    fx.lives = (struct hf_lives){1, {9}};
    reconnect(false);
    forget_log();
    read_gives(&fx, 7, 8, 0, 0);
    expect(&fx, "mend ch at 7:8 anew\n");
}

/* It was lost, and another node has written it back into the life after. */
static void what_was_written_back_is_of_the_life_that_has_it(void **state)
{
    (void)state;
    start_live_with_tail();
    fx.lives = (struct hf_lives){1, {9}};
    reconnect(false);
    forget_log();
    read_gives(&fx, 7, 8, 8, 8);
    expect(&fx, "");
    hf_lives_admit(&fx.lives, fx.life);
    reconnect(false);
    forget_log();
    read_gives(&fx, 7, 8, 0, 0);
    expect(&fx, "");
    assert_int_equal(counters(&fx)->epochs_rotated, 0);
}

static void what_was_acknowledged_in_a_life_that_the_store_does_not_know_is_lost(void **state)
{
    (void)state;
    start_live_with_tail();
    acknowledge(7, 9);
    fx.lives = (struct hf_lives){0};
    reconnect(false);
    forget_log();
    read_gives(&fx, 7, 9, 0, 0);
    expect(&fx, "mend ch at 7:9 anew\n");
}

static void a_witness_knows_the_life_too(void **state)
{
    (void)state;
    fx.config.witnesses_max = 4;
    fixture_start(&fx);
    connect_store(&fx);
    acknowledge(7, 9);
    hf_core_disconnected(fx.core);
    fx.lives = (struct hf_lives){1, {9}};
    fx.life++;
    connect_store(&fx);
    expect(&fx, "read ch from 7:9\n");
    read_gives(&fx, 7, 9, 0, 0);
    expect(&fx, "mend ch at 7:9 anew\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        TEST(a_store_in_which_nobody_has_published_since_needs_no_proof),
        TEST(a_store_in_which_somebody_has_published_since_must_prove_our_place),
        TEST(a_store_that_has_proved_our_place_is_trusted_again),
        TEST(a_store_that_may_be_another_is_checked_when_every_place_is_confirmed),
        TEST(a_store_gone_back_is_not_checked_before_it_is_mended),
        TEST(a_read_that_another_life_answered_makes_nobody_forget),
        TEST(a_read_that_another_life_answered_counts_if_it_shows_what_we_know),
        TEST(a_read_that_a_life_answered_of_which_we_are_not_told_is_repeated),
        TEST(a_publish_acknowledged_here_is_known_before_it_is_heard),
        TEST(a_store_is_not_healed_from_less_than_was_acknowledged),
        TEST(another_publication_where_one_was_acknowledged_here_gets_a_new_epoch),
        TEST(an_older_epoch_in_the_store_is_a_life_that_had_ended),
        TEST(a_loss_once_seen_is_not_forgotten_with_the_connection),
        TEST(evidence_outlives_the_tail_as_a_fingerprint),
        TEST(a_level_store_without_entries_is_no_contradiction),
        TEST(a_place_taken_over_without_its_publication_is_told_apart_all_the_same),
        TEST(a_place_left_behind_while_it_is_looked_at_is_not_looked_at_again),
        TEST(a_place_taken_over_where_we_know_the_publication_needs_no_look),
        TEST(the_top_at_which_the_first_subscriber_is_is_known_with_its_publication),
        TEST(what_was_acknowledged_beyond_the_page_is_asked_for_before_the_place),
        TEST(what_was_acknowledged_beyond_the_page_and_is_another_now_gets_a_new_epoch),
        TEST(what_a_life_showed_that_nobody_has_met_is_asked_for_in_the_next),
        TEST(of_what_two_lives_showed_the_first_is_kept_until_it_was_compared),
        TEST(what_a_life_showed_and_the_next_one_has_is_of_our_line),
        TEST(what_a_life_showed_of_a_stream_that_was_empty_is_of_our_line),
        TEST(what_a_life_showed_is_kept_when_nobody_follows_the_stream_any_more),
        TEST(a_level_store_that_knows_the_life_of_our_newest_is_believed),
        TEST(a_level_store_that_does_not_know_the_life_of_our_newest_has_another),
        TEST(lives_that_were_dropped_from_the_list_prove_nothing),
        TEST(a_place_that_was_only_read_is_of_a_store_that_had_admitted_this_life),
        TEST(a_place_that_was_read_on_trial_is_of_a_store_that_had_admitted_the_life_before),
        TEST(what_was_written_back_is_of_the_life_that_has_it),
        TEST(what_was_acknowledged_in_a_life_that_the_store_does_not_know_is_lost),
        TEST(a_witness_knows_the_life_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
