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

static void start_connected(void)
{
    fixture_start(&fx);
    connect_store(&fx);
}

/* A watched stream at 7:top, its tail holding the newest. */
static struct hf_core_watch *open_placed(const char *channel, const char *name, uint64_t top)
{
    struct hf_core_watch *w = watch(&fx, channel, name);
    listening(&fx, channel);
    read_gives(&fx, 7, top, top, top);
    forget_log();
    return w;
}

static void assert_error_of(const char *request, int error)
{
    char text[200];
    snprintf(text, sizeof text, "answer %s error \"%s\"\n", request, hf_error_text(error));
    expect(&fx, text);
}

/* --- deadlines and closing -------------------------------------------------------------------- */

static void a_subscriber_waits_for_the_store_until_its_deadline(void **state)
{
    (void)state;
    start_connected();
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    subscribe(&fx, w, "a");
    wait_ms(&fx, 1000);
    subscribe(&fx, w, "b");
    forget_log();
    wait_ms(&fx, 2999);
    expect(&fx, "");
    wait_ms(&fx, 1);
    assert_error_of("a", HF_ETIMEOUT);
    wait_ms(&fx, 999);
    expect(&fx, "");
    wait_ms(&fx, 1);
    assert_error_of("b", HF_ETIMEOUT);
}

static void without_a_connection_the_deadline_says_so(void **state)
{
    (void)state;
    fixture_start(&fx);
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    struct hf_core_watch *other = watch(&fx, "other", "v");
    subscribe(&fx, w, "a");
    recover(&fx, other, "b", 7, 3);
    wait_ms(&fx, 4000);
    char text[200];
    snprintf(text, sizeof text, "answer a error \"%s\"\nanswer b error \"%s\"\n",
             hf_error_text(HF_EUNAVAILABLE), hf_error_text(HF_EUNAVAILABLE));
    expect(&fx, text);
    wait_ms(&fx, 4000);
    expect(&fx, "");
}

static void one_answered_at_its_deadline_is_not_answered_again(void **state)
{
    (void)state;
    start_connected();
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    recover(&fx, w, "a", 7, 3);
    listening(&fx, "ch");
    forget_log();
    wait_ms(&fx, 4000);
    assert_error_of("a", HF_ETIMEOUT);
    read_gives(&fx, 7, 5, 4, 5);
    hear(&fx, "ch", 7, 6);
    expect(&fx, ""); /* and it is not live either */
}

static void closing_a_watch_answers_its_waiters_and_no_others(void **state)
{
    (void)state;
    start_connected();
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    struct hf_core_watch *v = watch(&fx, "ch", "v");
    subscribe(&fx, w, "a");
    subscribe(&fx, v, "b");
    recover(&fx, w, "c", 7, 2);
    forget_log();
    unwatch(&fx, w);
    char text[200];
    snprintf(text, sizeof text, "answer a error \"%s\"\nanswer c error \"%s\"\n",
             hf_error_text(HF_ECLOSED), hf_error_text(HF_ECLOSED));
    expect(&fx, text);
    listening(&fx, "ch");
    read_gives(&fx, 7, 5, 5, 5);
    hear(&fx, "ch", 7, 6);
    expect(&fx, "read ch newest\nanswer b top 7:5 live\ndeliver v 7:6\n");
}

static void a_closed_watch_hears_nothing_more(void **state)
{
    (void)state;
    start_connected();
    struct hf_core_watch *w = open_placed("ch", "w", 5);
    subscribe(&fx, w, "a");
    unwatch(&fx, w);
    forget_log();
    hear(&fx, "ch", 7, 6);
    hear(&fx, "ch", 9, 1);
    read_gives(&fx, 9, 1, 0, 0);
    expect(&fx, "read ch from 7:6\n");
}

static void freeing_the_core_answers_all_that_wait(void **state)
{
    (void)state;
    start_connected();
    struct hf_core_watch *w = watch(&fx, "ch", "w");
    struct hf_core_watch *v = watch(&fx, "other", "v");
    subscribe(&fx, w, "a");
    subscribe(&fx, w, "b");
    subscribe(&fx, v, "c");
    forget_log();
    hf_core_free(fx.core);
    static const char *const names[] = {"a", "b", "c"}; /* in no order */
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[100];
        snprintf(text, sizeof text, "answer %s error \"%s\"\n", names[i],
                 hf_error_text(HF_ECLOSED));
        assert_non_null(strstr(fx.log, text));
    }
    forget_log();
    fixture_start(&fx); /* for the tear-down */
}

/* Closing the watches while freeing makes their streams linger, which may evict others. */
static void freeing_the_core_copes_with_a_full_waiting_room(void **state)
{
    (void)state;
    fx.config.lingering_streams_max = 1;
    start_connected();
    struct hf_core_watch *watches[6];
    static const char *const names[6] = {"a", "b", "c", "d", "e", "f"};
    for (size_t i = 0; i < 6; i++) {
        watches[i] = watch(&fx, names[i], names[i]);
    }
    unwatch(&fx, watches[1]); /* lingers, and follows the first one, which is still watched */
}

static void freeing_the_core_copes_without_a_waiting_room(void **state)
{
    (void)state;
    fx.config.lingering_streams_max = 0;
    start_connected();
    watch(&fx, "a", "w");
    watch(&fx, "a", "v");
    watch(&fx, "b", "u");
}

static void freeing_no_core_is_nothing(void **state)
{
    (void)state;
    hf_core_free(NULL);
    fixture_start(&fx);
}

/* --- lingering -------------------------------------------------------------------------------- */

static void a_stream_without_watches_stays_warm_for_a_while(void **state)
{
    (void)state;
    start_connected();
    struct hf_core_watch *w = open_placed("ch", "w", 5);
    unwatch(&fx, w);
    assert_int_equal(counters(&fx)->lingering, 1);
    wait_ms(&fx, 9999);
    hear(&fx, "ch", 7, 6); /* still in step */
    struct hf_core_watch *again = watch(&fx, "ch", "v");
    recover(&fx, again, "r", 7, 4);
    expect(&fx, "answer r recovered 7:6 of 7:6 5-6 live\n");
    assert_int_equal(counters(&fx)->lingering, 0);
    assert_int_equal(counters(&fx)->reads, 1);
    wait_ms(&fx, 100000);
    expect(&fx, ""); /* watched: it stays */
    assert_int_equal(counters(&fx)->streams, 1);
}

static void after_its_time_a_lingering_stream_goes(void **state)
{
    (void)state;
    start_connected();
    unwatch(&fx, open_placed("a", "w", 5));
    wait_ms(&fx, 4000);
    unwatch(&fx, open_placed("b", "w", 5));
    forget_log();
    wait_ms(&fx, 6000);
    expect(&fx, "unlisten a\n");
    wait_ms(&fx, 4000);
    expect(&fx, "unlisten b\n");
    assert_int_equal(counters(&fx)->streams, 0);
    assert_int_equal(counters(&fx)->lingering, 0);
    assert_int_equal(counters(&fx)->tails_bytes, 0);
    hear(&fx, "a", 7, 6); /* a last one on its way */
    watch(&fx, "a", "w");
    expect(&fx, "listen a\n");
}

static void a_stream_that_goes_while_disconnected_needs_no_unlisten(void **state)
{
    (void)state;
    start_connected();
    unwatch(&fx, open_placed("a", "w", 5));
    hf_core_disconnected(fx.core);
    wait_ms(&fx, 10000);
    connect_store(&fx);
    expect(&fx, "");
    assert_int_equal(counters(&fx)->streams, 0);
}

static void above_the_count_the_longest_lingering_goes(void **state)
{
    (void)state;
    fx.config.lingering_streams_max = 2;
    start_connected();
    struct hf_core_watch *a = open_placed("a", "w", 5);
    struct hf_core_watch *b = open_placed("b", "w", 5);
    struct hf_core_watch *c = open_placed("c", "w", 5);
    unwatch(&fx, b);
    unwatch(&fx, a);
    expect(&fx, "");
    unwatch(&fx, c);
    expect(&fx, "unlisten b\n");
    assert_int_equal(counters(&fx)->lingering, 2);
    assert_int_equal(counters(&fx)->streams, 2);
}

static void a_stream_with_an_open_read_is_not_dropped_before_it_is_back(void **state)
{
    (void)state;
    start_connected();
    struct hf_core_watch *w = open_placed("ch", "w", 5);
    hear(&fx, "ch", 7, 8);
    unwatch(&fx, w);
    expect(&fx, "read ch from 7:5\n");
    wait_ms(&fx, 10000);
    expect(&fx, "");
    assert_int_equal(counters(&fx)->streams, 1);
    read_gives(&fx, 7, 8, 5, 8);
    expect(&fx, "unlisten ch\n");
    assert_int_equal(counters(&fx)->streams, 0);
}

static void a_stream_whose_time_was_over_goes_with_its_read_though_others_linger_on(void **state)
{
    (void)state;
    start_connected();
    struct hf_core_watch *a = open_placed("a", "w", 5);
    struct hf_core_watch *b = open_placed("b", "v", 5);
    hear(&fx, "a", 7, 8);
    unwatch(&fx, a);
    wait_ms(&fx, 9000);
    unwatch(&fx, b);
    wait_ms(&fx, 1000);
    assert_int_equal(counters(&fx)->lingering, 1);
    forget_log();
    read_gives(&fx, 7, 8, 5, 8);
    expect(&fx, "unlisten a\n");
    assert_int_equal(counters(&fx)->streams, 1);
}

static void a_stream_that_is_watched_again_before_its_last_read_is_back_stays(void **state)
{
    (void)state;
    start_connected();
    struct hf_core_watch *w = open_placed("ch", "w", 5);
    hear(&fx, "ch", 7, 8);
    unwatch(&fx, w);
    wait_ms(&fx, 10000);
    assert_int_equal(counters(&fx)->lingering, 0);
    w = watch(&fx, "ch", "w");
    recover(&fx, w, "r", 7, 5);
    forget_log();
    read_gives(&fx, 7, 8, 5, 8);
    expect(&fx, "answer r recovered 7:8 of 7:8 6-8 live\n");
    assert_int_equal(counters(&fx)->streams, 1);
    unwatch(&fx, w);
    assert_int_equal(counters(&fx)->lingering, 1);
}

static void a_connection_lost_under_the_last_read_lets_the_stream_go(void **state)
{
    (void)state;
    fx.config.witnesses_max = 1;
    start_connected();
    struct hf_core_watch *w = open_placed("ch", "w", 5);
    hear(&fx, "ch", 7, 8);
    unwatch(&fx, w);
    wait_ms(&fx, 10000);
    hf_core_disconnected(fx.core);
    forget_log();
    read_fails(&fx, HF_EUNAVAILABLE);
    expect(&fx, "");
    assert_int_equal(counters(&fx)->streams, 0);
    assert_int_equal(counters(&fx)->witnesses, 1);
}

static void an_evicted_stream_with_an_open_read_goes_when_it_is_back(void **state)
{
    (void)state;
    fx.config.lingering_streams_max = 1;
    start_connected();
    struct hf_core_watch *a = open_placed("a", "w", 5);
    struct hf_core_watch *b = open_placed("b", "v", 5);
    hear(&fx, "a", 7, 8);
    unwatch(&fx, a);
    forget_log();
    unwatch(&fx, b);
    expect(&fx, ""); /* a may not go while its read is open */
    assert_int_equal(counters(&fx)->lingering, 1);
    read_gives(&fx, 7, 8, 5, 8);
    expect(&fx, "unlisten a\n");
    assert_int_equal(counters(&fx)->streams, 1);
    wait_ms(&fx, 10000);
    expect(&fx, "unlisten b\n");
    assert_int_equal(counters(&fx)->streams, 0);
}

static void a_lingering_stream_whose_read_is_only_queued_may_go(void **state)
{
    (void)state;
    fx.config.reads_in_flight_max = 1;
    fx.config.lingering_streams_max = 1;
    start_connected();
    struct hf_core_watch *a = watch(&fx, "a", "w");
    struct hf_core_watch *b = watch(&fx, "b", "v");
    struct hf_core_watch *c = watch(&fx, "c", "u");
    listening(&fx, "a");
    listening(&fx, "b");
    expect(&fx, "listen a\nlisten b\nlisten c\nread a newest\n");
    unwatch(&fx, b);
    unwatch(&fx, c);
    expect(&fx, "unlisten b\n");
    read_gives(&fx, 7, 1, 1, 1);
    expect(&fx, "");
    unwatch(&fx, a);
}

/* --- watches with different options ------------------------------------------------------------
 */

static struct hf_core_watch *watch_with(const char *channel, const char *name,
                                        const struct hf_stream_options *options)
{
    struct hf_core_watch *opened =
        hf_core_watch_open(fx.core, fixture_bytes(channel), options, (void *)name);
    assert_non_null(opened);
    return opened;
}

static void a_second_watch_that_wants_more_history_gets_a_tail_as_long(void **state)
{
    static const struct hf_stream_options small = {
        .history_size = 2, .history_ttl_s = 60, .meta_ttl_s = 3600};
    (void)state;
    start_connected();
    struct hf_core_watch *w = watch_with("ch", "w", &small);
    subscribe(&fx, w, "s");
    listening(&fx, "ch");
    read_gives(&fx, 7, 5, 5, 5);
    struct hf_core_watch *v = watch(&fx, "ch", "v"); /* of 100 */
    for (uint64_t offset = 6; offset <= 9; offset++) {
        hear(&fx, "ch", 7, offset);
    }
    forget_log();
    recover(&fx, v, "r", 7, 5);
    expect(&fx, "answer r recovered 7:9 of 7:9 6-9 live\n"); /* from memory */
    watch_with("ch", "u", &small);                           /* wants less: nobody loses anything */
    recover(&fx, v, "again", 7, 5);
    expect(&fx, "answer again recovered 7:9 of 7:9 6-9 live\n");
}

static void a_history_wanted_by_a_second_watch_is_found_and_the_first_is_told(void **state)
{
    (void)state;
    start_connected();
    struct hf_core_watch *w = watch_with("ch", "w", &fixture_no_history);
    subscribe(&fx, w, "s");
    listening(&fx, "ch");
    expect(&fx, "listen ch\nanswer s top 0:0 live\n");
    struct hf_core_watch *v = watch(&fx, "ch", "v");
    expect(&fx, "lost w\nread ch newest\n");
    recover(&fx, v, "r", 7, 5);
    subscribe(&fx, w, "again");
    read_gives(&fx, 7, 5, 5, 5);
    expect(&fx, "answer r recovered 7:5 of 7:5 live\nanswer again top 7:5 live\n");
    hear(&fx, "ch", 7, 6);
    expect(&fx, "deliver w 7:6\ndeliver v 7:6\n");
}

static void a_history_wanted_before_the_stream_listens_is_found_then(void **state)
{
    (void)state;
    start_connected();
    watch_with("ch", "w", &fixture_no_history);
    struct hf_core_watch *v = watch(&fx, "ch", "v");
    recover(&fx, v, "r", 7, 5);
    expect(&fx, "listen ch\n");
    listening(&fx, "ch");
    expect(&fx, "read ch from 7:5\n");
}

static void without_another_watch_the_options_are_those_of_the_new_one(void **state)
{
    static const struct hf_stream_options small = {
        .history_size = 2, .history_ttl_s = 60, .meta_ttl_s = 3600};
    (void)state;
    start_connected();
    unwatch(&fx, open_placed("ch", "w", 5)); /* of 100; lingers */
    struct hf_core_watch *v = watch_with("ch", "v", &small);
    for (uint64_t offset = 6; offset <= 9; offset++) {
        hear(&fx, "ch", 7, offset);
    }
    forget_log();
    recover(&fx, v, "r", 7, 5);
    expect(&fx, "read ch after 7:5\n"); /* the tail holds two */
}

/* --- memory ----------------------------------------------------------------------------------- */

static void above_the_bytes_of_all_tails_the_longest_unused_are_emptied(void **state)
{
    (void)state;
    struct hf_publication *publication = fixture_publication(7, 5, "same");
    size_t one = publication->size;
    hf_publication_unref(publication);
    fx.config.tails_bytes_max = 4 * one;
    start_connected();
    struct hf_core_watch *a = open_placed("a", "w", 5);
    struct hf_core_watch *b = open_placed("b", "v", 5);
    struct hf_core_watch *c = open_placed("c", "u", 5);
    hear(&fx, "a", 7, 6); /* a is used last */
    assert_int_equal(counters(&fx)->tails_bytes, 4 * one);
    hear(&fx, "c", 7, 6);
    assert_int_equal(counters(&fx)->tails_bytes, 4 * one);
    recover(&fx, a, "ra", 7, 4);
    recover(&fx, c, "rc", 7, 4);
    recover(&fx, b, "rb", 7, 4);
    expect(&fx, "answer ra recovered 7:6 of 7:6 5-6 live\n"
                "answer rc recovered 7:6 of 7:6 5-6 live\nread b after 7:4\n");
    read_gives(&fx, 7, 5, 5, 5); /* b is back, and a goes */
    expect(&fx, "answer rb recovered 7:5 of 7:5 5-5 live\n");
    assert_int_equal(counters(&fx)->tails_bytes, 3 * one);
    recover(&fx, a, "ra", 7, 4);
    expect(&fx, "read a after 7:4\n");
}

static void an_answer_needs_no_room_in_memory(void **state)
{
    (void)state;
    fx.config.tails_bytes_max = 1;
    start_connected();
    struct hf_core_watch *w = open_placed("ch", "w", 5);
    assert_int_equal(counters(&fx)->tails_bytes, 0);
    recover(&fx, w, "r", 7, 2);
    read_gives(&fx, 7, 5, 3, 5);
    expect(&fx, "read ch after 7:2\nanswer r recovered 7:5 of 7:5 3-5 live\n");
    hear(&fx, "ch", 7, 6);
    expect(&fx, "deliver w 7:6\n");
}

/* --- reads ------------------------------------------------------------------------------------ */

static void above_the_reads_in_flight_streams_take_their_turn(void **state)
{
    (void)state;
    fx.config.reads_in_flight_max = 2;
    start_connected();
    static const char *const names[4] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++) {
        watch(&fx, names[i], names[i]);
    }
    forget_log();
    for (size_t i = 0; i < 4; i++) {
        listening(&fx, names[i]);
    }
    expect(&fx, "read a newest\nread b newest\n");
    read_gives(&fx, 7, 1, 1, 1);
    expect(&fx, "read c newest\n");
    read_fails(&fx, HF_ESTORE); /* a failed one makes room as well */
    expect(&fx, "read d newest\n");
    wait_ms(&fx, 200);
    expect(&fx, ""); /* no room for b */
    read_gives(&fx, 7, 1, 1, 1);
    expect(&fx, "read b newest\n");
    assert_int_equal(counters(&fx)->reads, 5);
}

static void a_mend_takes_the_place_of_a_read(void **state)
{
    (void)state;
    fx.config.reads_in_flight_max = 1;
    start_connected();
    open_placed("a", "w", 5);
    watch(&fx, "b", "v");
    hear_other(&fx, "a", 7, 5, "other");
    listening(&fx, "b");
    forget_log();
    read_gives_other(&fx, 7, 5, 5, 5, "other");
    expect(&fx, "mend a at 7:5 anew\n");
    mend_done(&fx, HF_OK);
    expect(&fx, "read b newest\n");
    read_gives(&fx, 7, 1, 1, 1);
    expect(&fx, "read a from 7:5\n");
}

static void reads_that_waited_for_room_are_forgotten_with_the_connection(void **state)
{
    (void)state;
    fx.config.reads_in_flight_max = 1;
    start_connected();
    watch(&fx, "a", "w");
    watch(&fx, "b", "v");
    listening(&fx, "a");
    listening(&fx, "b");
    hf_core_disconnected(fx.core);
    forget_log();
    read_fails(&fx, HF_EUNAVAILABLE);
    wait_ms(&fx, 1000);
    expect(&fx, "");
    connect_store(&fx);
    assert_non_null(strstr(fx.log, "listen a\n")); /* both, in no order */
    assert_non_null(strstr(fx.log, "listen b\n"));
    forget_log();
    listening(&fx, "b");
    listening(&fx, "a");
    expect(&fx, "read b newest\n");
    read_gives(&fx, 7, 1, 1, 1);
    expect(&fx, "read a newest\n");
}

static void streams_do_not_touch_each_other(void **state)
{
    (void)state;
    start_connected();
    struct hf_core_watch *a = open_placed("a", "w", 5);
    struct hf_core_watch *b = open_placed("b", "v", 5);
    subscribe(&fx, a, "sa");
    subscribe(&fx, b, "sb");
    forget_log();
    hear(&fx, "a", 7, 8);
    hear(&fx, "b", 7, 6);
    expect(&fx, "read a from 7:5\ndeliver v 7:6\n");
    read_gives(&fx, 9, 1, 0, 0);
    expect(&fx, "lost w\n");
    hear(&fx, "b", 7, 7);
    expect(&fx, "deliver v 7:7\n");
}

static void channels_are_told_apart_by_every_byte(void **state)
{
    (void)state;
    start_connected();
    struct hf_core_watch *a =
        hf_core_watch_open(fx.core, (struct hf_bytes){"c\0a", 3}, &fixture_no_history, (void *)"a");
    struct hf_core_watch *b =
        hf_core_watch_open(fx.core, (struct hf_bytes){"c\0b", 3}, &fixture_no_history, (void *)"b");
    hf_core_listening(fx.core, (struct hf_bytes){"c\0a", 3}, fx.now_ms);
    hf_core_listening(fx.core, (struct hf_bytes){"c\0b", 3}, fx.now_ms);
    subscribe(&fx, a, "sa");
    subscribe(&fx, b, "sb");
    forget_log();
    struct hf_publication *publication = fixture_publication(0, 0, "same");
    hf_core_message(fx.core, (struct hf_bytes){"c\0b", 3}, publication, fx.now_ms);
    hf_core_message(fx.core, (struct hf_bytes){"c", 1}, publication, fx.now_ms);
    hf_publication_unref(publication);
    expect(&fx, "deliver b 0:0\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_subscriber_waits_for_the_store_until_its_deadline),
        TEST(without_a_connection_the_deadline_says_so),
        TEST(one_answered_at_its_deadline_is_not_answered_again),
        TEST(closing_a_watch_answers_its_waiters_and_no_others),
        TEST(a_closed_watch_hears_nothing_more),
        TEST(freeing_the_core_answers_all_that_wait),
        TEST(freeing_no_core_is_nothing),
        TEST(a_stream_without_watches_stays_warm_for_a_while),
        TEST(after_its_time_a_lingering_stream_goes),
        TEST(a_stream_that_goes_while_disconnected_needs_no_unlisten),
        TEST(above_the_count_the_longest_lingering_goes),
        TEST(a_stream_with_an_open_read_is_not_dropped_before_it_is_back),
        TEST(a_stream_whose_time_was_over_goes_with_its_read_though_others_linger_on),
        TEST(a_stream_that_is_watched_again_before_its_last_read_is_back_stays),
        TEST(a_connection_lost_under_the_last_read_lets_the_stream_go),
        TEST(an_evicted_stream_with_an_open_read_goes_when_it_is_back),
        TEST(a_lingering_stream_whose_read_is_only_queued_may_go),
        TEST(a_second_watch_that_wants_more_history_gets_a_tail_as_long),
        TEST(a_history_wanted_by_a_second_watch_is_found_and_the_first_is_told),
        TEST(a_history_wanted_before_the_stream_listens_is_found_then),
        TEST(without_another_watch_the_options_are_those_of_the_new_one),
        TEST(above_the_bytes_of_all_tails_the_longest_unused_are_emptied),
        TEST(an_answer_needs_no_room_in_memory),
        TEST(above_the_reads_in_flight_streams_take_their_turn),
        TEST(a_mend_takes_the_place_of_a_read),
        TEST(reads_that_waited_for_room_are_forgotten_with_the_connection),
        TEST(streams_do_not_touch_each_other),
        TEST(channels_are_told_apart_by_every_byte),
        TEST(freeing_the_core_copes_with_a_full_waiting_room),
        TEST(freeing_the_core_copes_without_a_waiting_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
