#include "engine_fixture.h"

#include <pthread.h>

static struct hf_engine *engine;
static struct hf_port *port;

static int set_up(void **state)
{
    (void)state;
    fixture_is_over = false;
    engine = open_engine(&(struct hf_engine_config){.store = HF_STORE_MEMORY});
    port = open_port(engine);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_is_over = true;
    hf_port_close(port);
    hf_engine_close(engine);
    return 0;
}

static void set_up_with(const struct hf_engine_config *config)
{
    hf_port_close(port);
    hf_engine_close(engine);
    engine = open_engine(config);
    port = open_port(engine);
}

/* --- requests and their completions ----------------------------------------------------------- */

static void a_publish_is_completed_with_its_position_and_not_before_dispatch(void **state)
{
    (void)state;
    struct reply first = {0}, second = {0};
    publish(port, "ch", &first);
    publish(port, "ch", &second);
    hf_port_flush(port);
    assert_int_equal(first.count, 0);
    turn_until(port, second.count == 1);
    assert_int_equal(first.count, 1);
    assert_int_equal(first.result, HF_OK);
    assert_int_equal(first.position.offset, 1);
    assert_int_equal(second.position.offset, 2);
    assert_int_not_equal(first.position.epoch, HF_EPOCH_NONE);
    assert_int_equal(first.position.epoch, second.position.epoch);
}

static void a_publish_without_history_has_no_position(void **state)
{
    (void)state;
    struct reply reply = {0};
    const struct hf_publish_params params = {.channel = fixture_bytes("ch"),
                                             .fields = {.data = fixture_bytes("{}")}};
    assert_int_equal(hf_publish(port, &params, on_published, &reply), HF_OK);
    turn_until(port, reply.count == 1);
    assert_int_equal(reply.result, HF_OK);
    assert_int_equal(reply.position.epoch, HF_EPOCH_NONE);
    assert_int_equal(reply.position.offset, 0);
}

static void a_publish_that_was_dropped_says_why(void **state)
{
    (void)state;
    struct reply replies[4] = {0};
    struct hf_publish_params params = {.channel = fixture_bytes("ch"),
                                       .options = fixture_history,
                                       .fields = {.data = fixture_bytes("{}"), .version = 5},
                                       .idempotency_key = fixture_bytes("order-17")};
    assert_int_equal(hf_publish(port, &params, on_published, &replies[0]), HF_OK);
    assert_int_equal(hf_publish(port, &params, on_published, &replies[1]), HF_OK);
    params.idempotency_key = (struct hf_bytes){0};
    params.fields.version = 4;
    assert_int_equal(hf_publish(port, &params, on_published, &replies[2]), HF_OK);
    params.fields.version = 6;
    assert_int_equal(hf_publish(port, &params, on_published, &replies[3]), HF_OK);
    turn_until(port, replies[3].count == 1);
    static const enum hf_publish_outcome outcomes[] = {HF_PUBLISHED, HF_PUBLISH_REPEATED,
                                                       HF_PUBLISH_OUTDATED, HF_PUBLISHED};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(replies[i].result, HF_OK);
        assert_int_equal(replies[i].outcome, outcomes[i]);
        assert_int_equal(replies[i].position.offset, i < 3 ? 1 : 2);
    }
}

static void what_cannot_be_meant_is_refused_at_once(void **state)
{
    (void)state;
    struct reply reply = {0};
    static const char name[UINT16_MAX + 1] = {0};
    const struct hf_bytes good = fixture_bytes("ch"), empty = {0}, longest = {name, UINT16_MAX},
                          too_long = {name, UINT16_MAX + 1};
    struct hf_publish_params params = {.channel = empty, .options = fixture_history};
    assert_int_equal(hf_publish(port, &params, on_published, &reply), HF_EINVAL);
    params.channel = too_long;
    assert_int_equal(hf_publish(port, &params, on_published, &reply), HF_EINVAL);
    params.channel = good;
    params.options = (struct hf_stream_options){10, 0, 10};
    assert_int_equal(hf_publish(port, &params, on_published, &reply), HF_EINVAL);
    params.options = (struct hf_stream_options){10, 10, 9};
    assert_int_equal(hf_publish(port, &params, on_published, &reply), HF_EINVAL);
    assert_null(hf_watch_open(port, good, &params.options, NULL));
    assert_null(hf_watch_open(port, empty, &fixture_history, NULL));
    assert_null(hf_watch_open(port, too_long, &fixture_history, NULL));
    struct hf_history_params history = {.channel = good};
    assert_int_equal(hf_history(port, &history, on_history, &reply), HF_EINVAL);
    history = (struct hf_history_params){.channel = empty, .options = fixture_history};
    assert_int_equal(hf_history(port, &history, on_history, &reply), HF_EINVAL);
    assert_int_equal(hf_history_remove(port, empty, on_done, &reply), HF_EINVAL);
    assert_int_equal(reply.count, 0);
    assert_int_equal(hf_history_remove(port, longest, on_done, &reply), HF_OK);
    turn_until(port, reply.count == 1);
}

static void requests_are_copies_of_what_was_given(void **state)
{
    (void)state;
    char channel[] = "ch", data[] = "[1]";
    struct reply replies[2] = {{0}};
    const struct hf_publish_params params = {.channel = fixture_bytes(channel),
                                             .options = fixture_history,
                                             .fields = {.data = fixture_bytes(data)}};
    assert_int_equal(hf_publish(port, &params, on_published, &replies[0]), HF_OK);
    memset(channel, 'x', 2);
    memset(data, 'x', 3);
    turn_until(port, replies[0].count == 1);
    const struct hf_history_params history = {
        .channel = fixture_bytes("ch"), .options = fixture_history, .limit = 10};
    assert_int_equal(hf_history(port, &history, on_history, &replies[1]), HF_OK);
    turn_until(port, replies[1].count == 1);
    assert_int_equal(replies[1].items, 1);
}

/* --- history ---------------------------------------------------------------------------------- */

static struct reply ask_history(const struct hf_history_params *params)
{
    struct reply reply = {0};
    struct hf_history_params copy = *params;
    copy.channel = fixture_bytes("ch");
    copy.options = fixture_history;
    assert_int_equal(hf_history(port, &copy, on_history, &reply), HF_OK);
    turn_until(port, reply.count == 1);
    return reply;
}

static void assert_history(const struct hf_history_params *params, uint64_t first, uint64_t last)
{
    struct reply reply = ask_history(params);
    assert_int_equal(reply.result, HF_OK);
    assert_int_equal(reply.position.offset, 5);
    assert_int_equal(reply.first, first);
    assert_int_equal(reply.last, last);
}

static void history_is_read_from_either_end(void **state)
{
    (void)state;
    publish_all(port, "ch", 5);
    const struct hf_history_params position_only = {0};
    uint64_t epoch = ask_history(&position_only).position.epoch;
    assert_history(&position_only, 0, 0);
    assert_history(&(struct hf_history_params){.limit = HF_LIMIT_NONE}, 1, 5);
    assert_history(&(struct hf_history_params){.limit = 2}, 1, 2);
    assert_history(&(struct hf_history_params){.limit = 2, .reverse = true}, 5, 4);
    struct hf_history_params since = {.limit = HF_LIMIT_NONE, .has_since = true};
    since.since = (struct hf_position){epoch, 3};
    assert_history(&since, 4, 5);
    since.since.offset = 5;
    assert_history(&since, 0, 0);
    since.since = (struct hf_position){HF_EPOCH_NONE, 3};
    assert_history(&since, 4, 5);
    since.reverse = true;
    assert_history(&since, 2, 1);
}

static void history_since_another_epoch_is_unrecoverable(void **state)
{
    (void)state;
    publish_all(port, "ch", 5);
    struct hf_history_params since = {.limit = 10, .has_since = true, .since = {12345, 2}};
    struct reply reply = ask_history(&since);
    assert_int_equal(reply.result, HF_EUNRECOVERABLE);
    assert_int_equal(reply.position.offset, 5);
    assert_int_equal(reply.items, 0);
}

static void the_history_of_an_unknown_channel_has_a_position_that_stays(void **state)
{
    (void)state;
    struct reply before = ask_history(&(struct hf_history_params){.limit = 10});
    assert_int_equal(before.result, HF_OK);
    assert_int_equal(before.items, 0);
    assert_int_not_equal(before.position.epoch, HF_EPOCH_NONE);
    assert_int_equal(before.position.offset, 0);
    struct reply reply = {0};
    publish(port, "ch", &reply);
    turn_until(port, reply.count == 1);
    assert_int_equal(reply.position.epoch, before.position.epoch);
    assert_int_equal(reply.position.offset, 1);
}

static void removing_the_history_keeps_the_position(void **state)
{
    (void)state;
    publish_all(port, "ch", 5);
    struct reply removed = {0};
    assert_int_equal(hf_history_remove(port, fixture_bytes("ch"), on_done, &removed), HF_OK);
    turn_until(port, removed.count == 1);
    assert_int_equal(removed.result, HF_OK);
    assert_history(&(struct hf_history_params){.limit = 10}, 0, 0);
    struct reply next = {0};
    publish(port, "ch", &next);
    turn_until(port, next.count == 1);
    assert_int_equal(next.position.offset, 6);
}

static void removed_history_is_not_recovered_from_memory(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct hf_watch *watch = open_live(port, "ch", &heard);
    publish_all(port, "ch", 5);
    turn_until(port, heard.count == 5);
    struct reply removed = {0};
    assert_int_equal(hf_history_remove(port, fixture_bytes("ch"), on_done, &removed), HF_OK);
    turn_until(port, removed.count == 1);
    publish_all(port, "ch", 1);
    turn_until(port, heard.count == 6); /* the removal was heard before */
    struct reply reply = {0};
    recover(watch, (struct hf_position){HF_EPOCH_NONE, 2}, false, &reply);
    turn_until(port, reply.count == 1);
    assert_int_equal(reply.result, HF_OK);
    assert_false(reply.recovered);
    assert_int_equal(reply.position.offset, 6);
}

/* --- order ------------------------------------------------------------------------------------ */

static void publishes_of_a_port_are_applied_in_order(void **state)
{
    (void)state;
    struct reply published[20] = {{0}};
    for (int i = 0; i < 20; i++) {
        publish(port, "ch", &published[i]);
    }
    turn_until(port, published[19].count == 1);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(published[i].position.offset, i + 1);
        assert_true(i == 0 || published[i - 1].order < published[i].order);
    }
}

static void what_is_asked_after_a_completion_knows_of_it(void **state)
{
    (void)state;
    const struct hf_history_params params = {
        .channel = fixture_bytes("ch"), .options = fixture_history, .limit = 10};
    for (unsigned i = 1; i <= 5; i++) {
        struct reply asked = {0}, removed = {0};
        publish_all(port, "ch", 1);
        assert_int_equal(hf_history(port, &params, on_history, &asked), HF_OK);
        turn_until(port, asked.count == 1);
        assert_int_equal(asked.first, i);
        assert_int_equal(asked.items, 1);
        assert_int_equal(hf_history_remove(port, fixture_bytes("ch"), on_done, &removed), HF_OK);
        turn_until(port, removed.count == 1);
    }
}

static void a_live_subscriber_hears_all_that_any_port_publishes(void **state)
{
    (void)state;
    struct hf_port *other = open_port(engine);
    publish_all(other, "ch", 3);
    struct heard heard = {0}, own = {0};
    open_live(port, "ch", &heard);
    open_live(other, "ch", &own);
    publish_all(other, "ch", 50);
    publish_all(port, "ch", 50);
    turn_until(port, heard.count == 100);
    turn_until(other, own.count == 100);
    assert_true(heard.is_in_order && own.is_in_order);
    assert_int_equal(heard.first, 4);
    assert_int_equal(own.first, 4);
    assert_int_equal(heard.lost, 0);
    hf_port_close(other);
}

static void the_completion_of_a_subscribe_comes_before_what_follows_it(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct hf_watch *watch = open_watch(port, "ch", &heard);
    struct reply subscribed = {0}, published[20] = {{0}};
    subscribe(watch, &subscribed);
    for (unsigned i = 0; i < 20; i++) {
        publish(port, "ch", &published[i]);
    }
    turn_until(port, published[19].count == 1 && subscribed.count == 1);
    uint64_t missing = 20 - subscribed.position.offset;
    turn_until(port, heard.count == missing);
    if (missing > 0) {
        assert_int_equal(heard.first, subscribed.position.offset + 1);
        assert_true(heard.is_in_order);
    }
}

static void one_publication_reaches_no_other_channel(void **state)
{
    (void)state;
    struct heard a = {0}, b = {0};
    open_live(port, "a", &a);
    open_live(port, "b", &b);
    publish_all(port, "a", 3);
    publish_all(port, "b", 1);
    turn_until(port, a.count == 3 && b.count == 1);
    assert_true(a.is_in_order);
}

static void without_history_publications_are_delivered_all_the_same(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct hf_watch *watch = hf_watch_open(port, fixture_bytes("ch"), &fixture_no_history, &heard);
    assert_non_null(watch);
    struct reply subscribed = {0}, published = {0};
    recover(watch, (struct hf_position){7, 7}, false, &subscribed);
    turn_until(port, subscribed.count == 1);
    assert_int_equal(subscribed.result, HF_OK);
    assert_false(subscribed.recovered);
    assert_true(subscribed.live);
    assert_int_equal(subscribed.position.epoch, HF_EPOCH_NONE);
    const struct hf_publish_params params = {.channel = fixture_bytes("ch"),
                                             .fields = {.data = fixture_bytes("{}")}};
    assert_int_equal(hf_publish(port, &params, on_published, &published), HF_OK);
    turn_until(port, heard.count == 1 && published.count == 1);
    assert_int_equal(heard.last, 0);
}

/* --- recovery --------------------------------------------------------------------------------- */

static void what_was_missed_is_recovered_and_then_live(void **state)
{
    (void)state;
    publish_all(port, "ch", 10);
    struct heard heard = {0};
    struct hf_watch *watch = open_watch(port, "ch", &heard);
    struct reply cold = {0}, warm = {0}, top = {0};
    recover(watch, (struct hf_position){HF_EPOCH_NONE, 6}, false, &cold);
    turn_until(port, cold.count == 1);
    assert_int_equal(cold.result, HF_OK);
    assert_true(cold.recovered && cold.live);
    assert_int_equal(cold.first, 7);
    assert_int_equal(cold.last, 10);
    recover(watch, (struct hf_position){cold.position.epoch, 7}, false, &warm);
    recover(watch, cold.position, false, &top);
    turn_until(port, top.count == 1);
    assert_true(warm.recovered && warm.live && top.recovered && top.live);
    assert_int_equal(warm.first, 8);
    assert_int_equal(top.items, 0);
    publish_all(port, "ch", 1);
    turn_until(port, heard.count == 1);
    assert_int_equal(heard.first, 11);
}

static void a_wrong_position_is_refused_with_the_truth(void **state)
{
    (void)state;
    publish_all(port, "ch", 10);
    struct heard heard = {0};
    struct hf_watch *watch = open_watch(port, "ch", &heard);
    const struct hf_position wrong[] = {
        {HF_EPOCH_FOREIGN, 10}, {12345, 10}, {HF_EPOCH_MAX, 10}, {HF_EPOCH_NONE, 11}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct reply reply = {0};
        recover(watch, wrong[i], false, &reply);
        turn_until(port, reply.count == 1);
        assert_int_equal(reply.result, HF_OK);
        assert_false(reply.recovered);
        assert_true(reply.live);
        assert_int_equal(reply.position.offset, 10);
        assert_int_equal(reply.items, 0);
    }
}

static void a_long_recovery_comes_in_pages_while_publishing_goes_on(void **state)
{
    (void)state;
    set_up_with(&(struct hf_engine_config){
        .store = HF_STORE_MEMORY, .page_publications_max = 7, .tail_publications_max = 16});
    publish_all(port, "ch", 100);
    struct heard heard = {0};
    struct hf_watch *watch = open_watch(port, "ch", &heard);
    struct hf_position position = {HF_EPOCH_NONE, 0};
    unsigned pages = 0;
    for (bool is_live = false; !is_live; pages++) {
        struct reply reply = {0};
        recover(watch, position, pages > 0, &reply);
        if (pages < 10) {
            publish_all(port, "ch", 2);
        }
        turn_until(port, reply.count == 1);
        assert_int_equal(reply.result, HF_OK);
        assert_true(reply.recovered);
        if (reply.items > 0) {
            assert_int_equal(reply.first, position.offset + 1);
            assert_true(reply.items <= 7);
            assert_int_equal(reply.last, reply.first + reply.items - 1);
            assert_int_equal(reply.position.offset, reply.last);
        } else {
            assert_int_equal(reply.position.offset, position.offset);
        }
        position = reply.position;
        is_live = reply.live;
        assert_true(is_live || heard.count == 0);
        assert_true(pages < 100);
    }
    assert_true(pages >= 120 / 7);
    publish_all(port, "ch", 1);
    turn_until(port, heard.last == 121);
    assert_int_equal(heard.first, position.offset + 1);
    assert_true(heard.is_in_order);
}

/* --- watches ---------------------------------------------------------------------------------- */

static void a_closed_watch_is_silent_even_about_what_was_on_its_way(void **state)
{
    (void)state;
    struct hf_port *other = open_port(engine);
    struct heard heard = {0}, witness = {0};
    struct hf_watch *watch = open_live(port, "ch", &heard);
    open_live(other, "ch", &witness);
    publish_all(other, "ch", 3);
    turn_until(other, witness.count == 3); /* so the port's mailbox has them too, or will have */
    hf_watch_close(watch);
    struct reply reply = {0};
    publish(port, "ch", &reply);
    turn_until(port, reply.count == 1);
    assert_int_equal(heard.count, 0);
    hf_port_close(other);
}

static void a_watch_may_be_opened_again_right_behind_its_close(void **state)
{
    (void)state;
    struct heard before = {0}, after = {0};
    struct reply first = {0}, second = {0};
    struct hf_watch *watch = open_watch(port, "ch", &before);
    subscribe(watch, &first);
    hf_watch_close(watch);
    watch = open_watch(port, "ch", &after);
    subscribe(watch, &second);
    turn_until(port, second.count == 1);
    assert_int_equal(first.count, 1);
    assert_true(first.order < second.order);
    assert_true(first.result == HF_OK || first.result == HF_ECLOSED);
    assert_int_equal(second.result, HF_OK);
    publish_all(port, "ch", 2);
    turn_until(port, after.count == 2);
    assert_int_equal(before.count, 0);
}

static struct hf_watch *closing_watch;

static void on_publication_close(void *context, struct hf_publication *publication)
{
    on_publication(context, publication);
    hf_watch_close(closing_watch);
}

static void a_watch_may_be_closed_from_its_own_callback(void **state)
{
    (void)state;
    const struct hf_port_callbacks callbacks = {.on_publication = on_publication_close,
                                                .on_lost = on_lost};
    struct hf_port *closer = hf_port_open(engine, &callbacks);
    assert_non_null(closer);
    struct heard heard = {0};
    closing_watch = open_live(closer, "ch", &heard);
    publish_all(port, "ch", 20);
    turn_until(closer, heard.count == 1);
    struct reply reply = {0};
    publish(closer, "ch", &reply);
    turn_until(closer, reply.count == 1);
    assert_int_equal(heard.count, 1);
    hf_port_close(closer);
}

/* --- limits ----------------------------------------------------------------------------------- */

static void above_the_pending_requests_one_is_refused_until_others_complete(void **state)
{
    (void)state;
    set_up_with(&(struct hf_engine_config){.store = HF_STORE_MEMORY, .pending_requests_max = 10});
    struct reply warm_up = {0};
    publish(port, "ch", &warm_up);
    turn_until(port, warm_up.count == 1); /* the opening of the port is over as well */
    struct reply replies[10] = {{0}};
    struct heard heard = {0};
    struct hf_watch *watch = open_watch(port, "ch", &heard);
    for (unsigned i = 0; i < 9; i++) {
        publish(port, "ch", &replies[i]);
    }
    assert_int_equal(try_publish(port, "ch", "{}", 2, &replies[9]), HF_ELIMIT);
    const struct hf_subscribe_params params = {0};
    assert_int_equal(hf_subscribe(watch, &params, false, on_subscribed, &replies[9]), HF_ELIMIT);
    assert_null(hf_watch_open(port, fixture_bytes("other"), &fixture_history, NULL));
    hf_watch_close(watch); /* is never refused */
    turn_until(port, replies[8].count == 1);
    assert_int_equal(replies[9].count, 0);
    publish(port, "ch", &replies[9]);
    turn_until(port, replies[9].count == 1);
    assert_int_equal(replies[9].position.offset, 11);
}

static void a_publication_above_the_bound_of_one_is_refused(void **state)
{
    (void)state;
    set_up_with(
        &(struct hf_engine_config){.store = HF_STORE_MEMORY, .publication_bytes_max = 1000});
    static const char data[1000] = {'1'};
    struct reply replies[2] = {{0}};
    assert_int_equal(try_publish(port, "ch", data, 999, &replies[0]), HF_ELIMIT); /* + channel */
    assert_int_equal(try_publish(port, "ch", data, 998, &replies[1]), HF_OK);
    turn_until(port, replies[1].count == 1);
    assert_int_equal(replies[0].count, 0);
}

static void above_the_pending_bytes_one_is_refused_until_others_complete(void **state)
{
    (void)state;
    set_up_with(&(struct hf_engine_config){.store = HF_STORE_MEMORY, .pending_bytes_max = 1000});
    static const char data[1000] = {'1'};
    struct reply replies[3] = {{0}};
    assert_int_equal(try_publish(port, "ch", data, 999, &replies[0]), HF_ELIMIT); /* + channel */
    assert_int_equal(try_publish(port, "ch", data, 600, &replies[0]), HF_OK);
    assert_int_equal(try_publish(port, "ch", data, 397, &replies[1]), HF_ELIMIT);
    assert_int_equal(try_publish(port, "ch", data, 396, &replies[1]), HF_OK);
    turn_until(port, replies[0].count == 1 && replies[1].count == 1);
    assert_int_equal(try_publish(port, "ch", data, 998, &replies[2]), HF_OK);
    turn_until(port, replies[2].count == 1);
    assert_int_equal(replies[2].result, HF_OK);
}

/* --- closing a port --------------------------------------------------------------------------- */

static void closing_a_port_completes_all_that_is_open_once(void **state)
{
    (void)state;
    enum { REQUESTS = 50 };
    struct hf_port *closing = open_port(engine);
    struct reply published[REQUESTS] = {{0}}, asked[REQUESTS] = {{0}}, subscribed[2] = {{0}},
                 removed = {0}, sent = {0};
    struct heard heard = {0};
    struct hf_watch *watch = open_watch(closing, "ch", &heard);
    subscribe(watch, &subscribed[0]);
    const struct hf_history_params history = {
        .channel = fixture_bytes("ch"), .options = fixture_history, .limit = 10};
    for (unsigned i = 0; i < REQUESTS; i++) {
        publish(closing, "ch", &published[i]);
        assert_int_equal(hf_history(closing, &history, on_history, &asked[i]), HF_OK);
        if (i == REQUESTS / 2) {
            hf_port_flush(closing); /* half is under way, half was never sent */
        }
    }
    subscribe(watch, &subscribed[1]);
    assert_int_equal(hf_history_remove(closing, fixture_bytes("ch"), on_done, &removed), HF_OK);
    assert_int_equal(hf_bus_send(closing, fixture_bytes("x"), on_done, &sent), HF_OK);
    hf_port_close(closing);
    unsigned closed = 0;
    for (unsigned i = 0; i < REQUESTS; i++) {
        assert_int_equal(published[i].count, 1);
        assert_int_equal(asked[i].count, 1);
        assert_true(published[i].result == HF_OK || published[i].result == HF_ECLOSED);
        assert_true(asked[i].result == HF_OK || asked[i].result == HF_ECLOSED);
        closed += published[i].result == HF_ECLOSED;
    }
    assert_true(closed > 0);
    assert_int_equal(subscribed[0].count, 1);
    assert_int_equal(subscribed[1].count, 1);
    assert_int_equal(removed.count, 1);
    assert_int_equal(sent.count, 1);
}

struct last_word {
    struct hf_port *port;
    struct reply reply;
    int result;
};

static void on_published_again(void *context, int result, enum hf_publish_outcome outcome,
                               struct hf_position position)
{
    struct last_word *word = context;
    on_published(&word->reply, result, outcome, position);
    word->result = try_publish(word->port, "ch", "{}", 2, &word->reply);
}

static void a_closing_port_takes_no_more_requests(void **state)
{
    (void)state;
    struct last_word word = {.port = open_port(engine)};
    const struct hf_publish_params params = {.channel = fixture_bytes("ch"),
                                             .options = fixture_history};
    assert_int_equal(hf_publish(word.port, &params, on_published_again, &word), HF_OK);
    hf_port_close(word.port);
    assert_int_equal(word.reply.count, 1);
    assert_int_equal(word.result, HF_ECLOSED);
}

static void what_a_closed_port_held_is_free_again(void **state)
{
    (void)state;
    set_up_with(&(struct hf_engine_config){.store = HF_STORE_MEMORY, .pending_requests_max = 8});
    for (unsigned round = 0; round < 50; round++) {
        struct hf_port *closing = open_port(engine);
        struct reply replies[3] = {{0}};
        for (unsigned i = 0; i < 3; i++) {
            publish(closing, "ch", &replies[i]);
        }
        hf_port_close(closing);
        struct reply reply = {0}; /* a round trip: the store is done with the orphans too */
        publish(port, "ch", &reply);
        turn_until(port, reply.count == 1);
    }
}

/* Many short lives, each closed while the engine is busy with it: for the sanitizers. */
static void ports_may_come_and_go_at_any_moment(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct hf_port *closing = open_port(engine);
        struct heard heard = {0};
        struct reply replies[3] = {{0}};
        subscribe(open_watch(closing, "ch", &heard), &replies[0]);
        publish(closing, "ch", &replies[1]);
        hf_port_flush(closing);
        publish(closing, "ch", &replies[2]);
        if (round % 3 == 0) {
            turn(closing);
        }
        hf_port_close(closing);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(replies[i].count, 1);
        }
    }
}

/* --- the bus ---------------------------------------------------------------------------------- */

struct bus_heard {
    unsigned count;
    char last[16];
};

static void on_bus(void *context, struct hf_bytes message)
{
    struct bus_heard *heard = context;
    heard->count++;
    assert_true(message.len < sizeof heard->last);
    memcpy(heard->last, message.data, message.len);
    heard->last[message.len] = '\0';
}

static void a_bus_message_reaches_every_port_that_wants_it(void **state)
{
    (void)state;
    struct bus_heard heard[2] = {{0}};
    struct hf_port *ports[2];
    for (unsigned i = 0; i < 2; i++) {
        struct hf_port_callbacks callbacks = fixture_callbacks;
        callbacks.on_bus = on_bus;
        callbacks.port_context = &heard[i];
        ports[i] = hf_port_open(engine, &callbacks);
        assert_non_null(ports[i]);
        struct reply warm_up = {0}; /* the engine knows the port, and the store is connected */
        struct heard unused = {0};
        subscribe(open_watch(ports[i], "ch", &unused), &warm_up);
        turn_until(ports[i], warm_up.count == 1);
    }
    struct reply sent = {0};
    assert_int_equal(hf_bus_send(ports[0], fixture_bytes("hello"), on_done, &sent), HF_OK);
    turn_until(ports[0], sent.count == 1 && heard[0].count == 1);
    assert_int_equal(sent.result, HF_OK);
    turn_until(ports[1], heard[1].count == 1);
    assert_string_equal(heard[0].last, "hello");
    assert_string_equal(heard[1].last, "hello");
    assert_int_equal(hf_bus_send(ports[0], fixture_bytes("again"), NULL, NULL), HF_OK);
    turn_until(ports[0], heard[0].count == 2);
    turn_until(ports[1], heard[1].count == 2);
    assert_string_equal(heard[1].last, "again");
    /* no engine here has a name */
    assert_int_equal(hf_bus_send_to(ports[0], fixture_bytes(""), fixture_bytes("x"), NULL, NULL),
                     HF_EINVAL);
    static const char name[HF_NODE_NAME_MAX + 1];
    assert_int_equal(hf_bus_send_to(ports[0], (struct hf_bytes){name, sizeof name},
                                    fixture_bytes("x"), NULL, NULL),
                     HF_EINVAL);
    assert_int_equal(
        hf_bus_send_to(ports[0], fixture_bytes("nobody"), fixture_bytes("x"), on_done, &sent),
        HF_OK);
    turn_until(ports[0], sent.count == 2);
    assert_int_equal(sent.result, HF_ENONODE);
    assert_int_equal(heard[0].count, 2);
    hf_port_close(ports[0]);
    hf_port_close(ports[1]);
}

/* --- several threads -------------------------------------------------------------------------- */

enum { SUBSCRIBERS = 2, PUBLISHERS = 2, EACH = 400 };

struct worker {
    pthread_barrier_t *start;
    struct heard heard;
    unsigned published;
};

/* Asserts belong to the test's own thread: these loops only write down, and end at a timeout. */
static bool turn_quietly(struct hf_port *of)
{
    hf_port_flush(of);
    struct pollfd readable = {.fd = hf_port_fd(of), .events = POLLIN};
    int count = poll(&readable, 1, FIXTURE_TIMEOUT_MS);
    hf_port_dispatch(of);
    return count == 1;
}

static void *run_subscriber(void *context)
{
    struct worker *worker = context;
    struct hf_port *own = hf_port_open(engine, &fixture_callbacks);
    struct reply reply = {0};
    struct hf_watch *watch =
        hf_watch_open(own, fixture_bytes("ch"), &fixture_history, &worker->heard);
    const struct hf_subscribe_params params = {0};
    (void)hf_subscribe(watch, &params, false, on_subscribed, &reply);
    bool is_alive = true;
    while (reply.count == 0 && is_alive) {
        is_alive = turn_quietly(own);
    }
    pthread_barrier_wait(worker->start);
    while (worker->heard.count < PUBLISHERS * EACH && is_alive) {
        is_alive = turn_quietly(own);
    }
    hf_port_close(own);
    return NULL;
}

static void on_counted(void *context, int result, enum hf_publish_outcome outcome,
                       struct hf_position position)
{
    (void)outcome;
    unsigned *count = context;
    (void)position;
    *count += result == HF_OK;
}

static void *run_publisher(void *context)
{
    struct worker *worker = context;
    struct hf_port *own = hf_port_open(engine, &fixture_callbacks);
    pthread_barrier_wait(worker->start);
    const struct hf_publish_params params = {.channel = fixture_bytes("ch"),
                                             .options = fixture_history,
                                             .fields = {.data = fixture_bytes("{}")}};
    for (unsigned i = 0; i < EACH; i++) {
        (void)hf_publish(own, &params, on_counted, &worker->published);
        if (i % 16 == 0) {
            hf_port_flush(own);
        }
    }
    bool is_alive = true;
    while (worker->published < EACH && is_alive) {
        is_alive = turn_quietly(own);
    }
    hf_port_close(own);
    return NULL;
}

static void threads_with_their_own_ports_hear_one_order(void **state)
{
    (void)state;
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, SUBSCRIBERS + PUBLISHERS);
    struct worker workers[SUBSCRIBERS + PUBLISHERS] = {{0}};
    pthread_t threads[SUBSCRIBERS + PUBLISHERS];
    for (unsigned i = 0; i < SUBSCRIBERS + PUBLISHERS; i++) {
        workers[i].start = &start;
        void *(*run)(void *) = i < SUBSCRIBERS ? run_subscriber : run_publisher;
        assert_int_equal(pthread_create(&threads[i], NULL, run, &workers[i]), 0);
    }
    for (unsigned i = 0; i < SUBSCRIBERS + PUBLISHERS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&start);
    for (unsigned i = 0; i < SUBSCRIBERS; i++) {
        assert_int_equal(workers[i].heard.count, PUBLISHERS * EACH);
        assert_true(workers[i].heard.is_in_order);
        assert_int_equal(workers[i].heard.first, 1);
    }
    for (unsigned i = SUBSCRIBERS; i < SUBSCRIBERS + PUBLISHERS; i++) {
        assert_int_equal(workers[i].published, EACH);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_publish_is_completed_with_its_position_and_not_before_dispatch),
        TEST(a_publish_without_history_has_no_position),
        TEST(a_publish_that_was_dropped_says_why),
        TEST(what_cannot_be_meant_is_refused_at_once),
        TEST(requests_are_copies_of_what_was_given),
        TEST(history_is_read_from_either_end),
        TEST(history_since_another_epoch_is_unrecoverable),
        TEST(the_history_of_an_unknown_channel_has_a_position_that_stays),
        TEST(removing_the_history_keeps_the_position),
        TEST(removed_history_is_not_recovered_from_memory),
        TEST(publishes_of_a_port_are_applied_in_order),
        TEST(what_is_asked_after_a_completion_knows_of_it),
        TEST(a_live_subscriber_hears_all_that_any_port_publishes),
        TEST(the_completion_of_a_subscribe_comes_before_what_follows_it),
        TEST(one_publication_reaches_no_other_channel),
        TEST(without_history_publications_are_delivered_all_the_same),
        TEST(what_was_missed_is_recovered_and_then_live),
        TEST(a_wrong_position_is_refused_with_the_truth),
        TEST(a_long_recovery_comes_in_pages_while_publishing_goes_on),
        TEST(a_closed_watch_is_silent_even_about_what_was_on_its_way),
        TEST(a_watch_may_be_opened_again_right_behind_its_close),
        TEST(a_watch_may_be_closed_from_its_own_callback),
        TEST(above_the_pending_requests_one_is_refused_until_others_complete),
        TEST(a_publication_above_the_bound_of_one_is_refused),
        TEST(above_the_pending_bytes_one_is_refused_until_others_complete),
        TEST(closing_a_port_completes_all_that_is_open_once),
        TEST(a_closing_port_takes_no_more_requests),
        TEST(what_a_closed_port_held_is_free_again),
        TEST(ports_may_come_and_go_at_any_moment),
        TEST(a_bus_message_reaches_every_port_that_wants_it),
        TEST(threads_with_their_own_ports_hear_one_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
