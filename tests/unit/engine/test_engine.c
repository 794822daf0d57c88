#include "engine_fixture.h"

#include <stdatomic.h>

#include "redis_server.h"

static struct hf_engine_status status_of(struct hf_engine *engine)
{
    struct hf_engine_status status;
    hf_engine_status(engine, &status);
    return status;
}

/* The status is a copy that the engine renews now and then: there is nothing to wait on but it. */
#define await_status(engine, status, condition)                                                    \
    do {                                                                                           \
        uint64_t deadline_ms = fixture_clock_ms() + FIXTURE_TIMEOUT_MS;                            \
        while ((status) = status_of(engine), !(condition)) {                                       \
            assert_true(fixture_clock_ms() < deadline_ms);                                         \
            (void)poll(NULL, 0, 5);                                                                \
        }                                                                                          \
    } while (0)

static void an_engine_opens_and_closes_without_ports(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        hf_engine_close(open_engine(&(struct hf_engine_config){.store = HF_STORE_MEMORY}));
    }
}

static void an_unknown_store_is_refused_with_a_reason(void **state)
{
    (void)state;
    struct hf_engine *engine = NULL;
    char reason[128] = "";
    const struct hf_engine_config config = {.store = (enum hf_store_kind)77};
    assert_int_equal(hf_engine_open(&config, &engine, reason, sizeof reason), HF_EINVAL);
    assert_null(engine);
    assert_non_null(strstr(reason, "77"));
    char tiny[8];
    memset(tiny, 'x', sizeof tiny);
    assert_int_equal(hf_engine_open(&config, &engine, tiny, 4), HF_EINVAL);
    assert_int_equal(strlen(tiny), 3);
    assert_int_equal(tiny[4], 'x');
}

static void an_unusable_address_is_refused_with_a_reason(void **state)
{
    (void)state;
    struct hf_engine *engine = NULL;
    char reason[128] = "";
    const struct hf_engine_config config = {.store = HF_STORE_REDIS,
                                            .redis = {.address = "http://nowhere"}};
    assert_int_equal(hf_engine_open(&config, &engine, reason, sizeof reason), HF_EINVAL);
    assert_null(engine);
    assert_true(strlen(reason) > 0);
}

/* Nothing listens there: opening succeeds, and what is asked waits for its time. */
static void an_unreachable_store_is_no_error_of_opening(void **state)
{
    (void)state;
    const struct hf_engine_config config = {
        .store = HF_STORE_REDIS,
        .redis = {.address = "unix:///nonexistent/holdfast-test.sock"},
        .wait_ms = 50,
    };
    struct hf_engine *engine = open_engine(&config);
    struct hf_port *port = open_port(engine);
    struct heard heard = {0};
    struct reply subscribed = {0}, published = {0};
    subscribe(open_watch(port, "ch", &heard), &subscribed);
    publish(port, "ch", &published);
    turn_until(port, subscribed.count == 1 && published.count == 1);
    assert_int_equal(subscribed.result, HF_EUNAVAILABLE);
    assert_int_equal(published.result, HF_EUNAVAILABLE);
    struct hf_engine_status status;
    await_status(engine, status, status.not_ready_ms > 0);
    assert_false(status.is_ready);
    assert_false(status.is_connected);
    assert_true(strlen(status.reason) > 0);
    hf_port_close(port);
    hf_engine_close(engine);
}

/* Requests that the store cannot serve yet: an engine that closes must not lose one of them. */
static void a_port_closes_while_its_requests_wait_for_an_unreachable_store(void **state)
{
    (void)state;
    const struct hf_engine_config config = {
        .store = HF_STORE_REDIS,
        .redis = {.address = "unix:///nonexistent/holdfast-test.sock"},
        .wait_ms = 60000,
    };
    struct hf_engine *engine = open_engine(&config);
    struct hf_port *port = open_port(engine);
    struct heard heard = {0};
    struct reply subscribed = {0}, published = {0}, asked = {0}, sent = {0};
    subscribe(open_watch(port, "ch", &heard), &subscribed);
    publish(port, "ch", &published);
    const struct hf_history_params history = {
        .channel = fixture_bytes("ch"), .options = fixture_history, .limit = 10};
    assert_int_equal(hf_history(port, &history, on_history, &asked), HF_OK);
    assert_int_equal(hf_bus_send(port, fixture_bytes("x"), on_done, &sent), HF_OK);
    hf_port_close(port);
    assert_int_equal(subscribed.count, 1);
    assert_int_equal(subscribed.result, HF_ECLOSED);
    assert_int_equal(published.count, 1);
    assert_int_equal(published.result, HF_ECLOSED);
    assert_int_equal(asked.count, 1);
    assert_int_equal(asked.result, HF_ECLOSED);
    assert_int_equal(sent.count, 1);
    hf_engine_close(engine);
}

static void the_status_tells_what_is_there(void **state)
{
    (void)state;
    struct hf_engine *engine =
        open_engine(&(struct hf_engine_config){.store = HF_STORE_MEMORY, .linger_ms = 1});
    struct hf_engine_status status;
    await_status(engine, status, status.is_ready);
    assert_true(status.is_connected);
    assert_string_equal(status.reason, "");
    assert_int_equal(status.not_ready_ms, 0);
    struct hf_port *port = open_port(engine);
    struct heard heard = {0};
    struct hf_watch *watch = open_live(port, "ch", &heard);
    publish_all(port, "ch", 5);
    turn_until(port, heard.count == 5);
    struct reply reply = {0};
    recover(watch, (struct hf_position){HF_EPOCH_NONE, 2}, false, &reply);
    turn_until(port, reply.count == 1);
    await_status(engine, status, status.recoveries_from_tail == 1);
    assert_int_equal(status.streams, 1);
    assert_int_equal(status.lingering, 0);
    assert_int_equal(status.publications_in, 5);
    assert_int_equal(status.publications_out, 5);
    assert_int_equal(status.store_reads, 1);
    assert_true(status.store_commands >= 6);
    assert_true(status.tails_bytes > 0);
    assert_int_equal(status.recoveries_refused, 0);
    hf_watch_close(watch);
    hf_port_flush(port);
    await_status(engine, status, status.streams == 0); /* its lingering is over */
    assert_int_equal(status.tails_bytes, 0);
    hf_port_close(port);
    hf_engine_close(engine);
}

/* A port that does not look after its mailbox makes the engine stop reading, for as long as it
 * takes; nothing is lost, and nothing grows beyond the limit and what one turn brings. */
static void a_port_that_is_behind_pauses_the_engine_and_loses_nothing(void **state)
{
    (void)state;
    enum { BATCHES = 60, BATCH = 50, SIZE = 1000 };
    static const char data[SIZE] = {'1'};
    struct hf_engine *engine = open_engine(
        &(struct hf_engine_config){.store = HF_STORE_MEMORY, .mailbox_bytes_max = 100 * SIZE});
    struct hf_port *slow = open_port(engine), *busy = open_port(engine);
    struct heard heard = {0};
    open_live(slow, "ch", &heard);
    for (unsigned i = 0; i < BATCHES; i++) {
        struct reply replies[BATCH] = {{0}};
        for (unsigned j = 0; j < BATCH; j++) {
            assert_int_equal(try_publish(busy, "ch", data, SIZE, &replies[j]), HF_OK);
        }
        turn_until(busy, replies[BATCH - 1].count == 1);
        assert_int_equal(replies[BATCH - 1].result, HF_OK);
    }
    struct hf_engine_status status;
    await_status(engine, status, status.store_commands >= BATCHES * BATCH);
    assert_true(status.publications_out >= 90);
    assert_true(status.publications_out <= 100 + 4 * BATCH);
    assert_int_equal(heard.count, 0);
    turn_until(slow, heard.count == BATCHES * BATCH);
    assert_true(heard.is_in_order);
    assert_int_equal(heard.first, 1);
    assert_int_equal(heard.lost, 0);
    hf_port_close(slow);
    hf_port_close(busy);
    hf_engine_close(engine);
}

static void a_slow_port_that_closes_lets_the_others_go_on(void **state)
{
    (void)state;
    enum { COUNT = 400, SIZE = 1000 };
    static const char data[SIZE] = {'1'};
    struct hf_engine *engine = open_engine(
        &(struct hf_engine_config){.store = HF_STORE_MEMORY, .mailbox_bytes_max = 20 * SIZE});
    struct hf_port *slow = open_port(engine), *busy = open_port(engine);
    struct heard unheard = {0}, heard = {0};
    open_live(slow, "ch", &unheard);
    open_live(busy, "ch", &heard);
    for (unsigned i = 0; i < COUNT; i += 10) {
        struct reply replies[10] = {{0}};
        for (unsigned j = 0; j < 10; j++) {
            assert_int_equal(try_publish(busy, "ch", data, SIZE, &replies[j]), HF_OK);
        }
        turn_until(busy, replies[9].count == 1);
    }
    hf_port_close(slow);
    turn_until(busy, heard.count == COUNT);
    assert_true(heard.is_in_order);
    hf_port_close(busy);
    hf_engine_close(engine);
}

/* More streams than reads at a time: each is opened in its turn. */
static void many_streams_open_with_one_read_at_a_time(void **state)
{
    (void)state;
    enum { STREAMS = 200 };
    struct hf_engine *engine =
        open_engine(&(struct hf_engine_config){.store = HF_STORE_MEMORY, .loads_in_flight_max = 1});
    struct hf_port *port = open_port(engine);
    static struct heard heard[STREAMS];
    static struct reply replies[STREAMS];
    for (unsigned i = 0; i < STREAMS; i++) {
        char channel[16];
        snprintf(channel, sizeof channel, "ch%u", i);
        subscribe(open_watch(port, channel, &heard[i]), &replies[i]);
    }
    unsigned answered = 0;
    while (answered < STREAMS) {
        turn(port);
        answered = 0;
        for (unsigned i = 0; i < STREAMS; i++) {
            assert_true(replies[i].count <= 1);
            answered += replies[i].count == 1 && replies[i].result == HF_OK && replies[i].live;
        }
    }
    hf_port_close(port);
    hf_engine_close(engine);
}

/* Reads that wait for their turn when the engine goes are not sent to a store that is closing. */
static void an_engine_closes_while_reads_are_under_way(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 30; round++) {
        struct hf_engine *engine = open_engine(&(struct hf_engine_config){
            .store = HF_STORE_MEMORY, .loads_in_flight_max = 1 + round % 3});
        struct hf_port *port = open_port(engine);
        struct heard heard[20] = {{0}};
        struct reply replies[20] = {{0}};
        for (unsigned i = 0; i < 20; i++) {
            char channel[16];
            snprintf(channel, sizeof channel, "ch%u", i);
            subscribe(open_watch(port, channel, &heard[i]), &replies[i]);
        }
        hf_port_flush(port);
        unsigned enough = round % 20; /* answers, and then it ends */
        turn_until(port, replies[enough].count == 1 || enough == 0);
        hf_port_close(port);
        hf_engine_close(engine);
        for (unsigned i = 0; i < 20; i++) {
            assert_int_equal(replies[i].count, 1);
        }
    }
}

static void note_crowd(void *context, enum hf_log_severity severity, const char *text)
{
    if (severity == HF_SEVERITY_WARNING && strstr(text, "awaited_nodes_max") != NULL) {
        atomic_fetch_add((_Atomic unsigned *)context, 1);
    }
}

static void as_many_nodes_as_are_waited_for_are_told_of_once(void **state)
{
    (void)state;
    _Atomic unsigned told = 0;
    struct hf_redis_server *redis = hf_redis_server_start(NULL);
    struct hf_engine *engine = open_engine(&(struct hf_engine_config){
        .store = HF_STORE_REDIS,
        .redis = {.address = hf_redis_server_unix(redis)},
        .awaited_nodes_max = 2,
        .log = note_crowd,
        .log_context = &told,
    });
    struct hf_engine_status status;
    await_status(engine, status, status.is_ready);
    hf_redis_server_do(redis, "PUBLISH holdfast:bus %s", "fa1 0 0"); /* another node's word */
    hf_redis_server_do(redis, "PUBLISH holdfast:bus %s", "fa1 0 0");
    struct hf_port *port = open_port(engine);
    struct reply published = {0};
    publish(port, "ch", &published); /* it is behind those words when it is heard */
    turn_until(port, published.count == 1);
    assert_int_equal(told, 0);
    hf_redis_server_do(redis, "PUBLISH holdfast:bus %s", "fa2 0 0");
    await_status(engine, status, told == 1);
    hf_redis_server_do(redis, "PUBLISH holdfast:bus %s", "fa3 0 0");
    hf_port_close(port);
    hf_engine_close(engine);
    assert_int_equal(told, 1);
    hf_redis_server_free(redis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_engine_opens_and_closes_without_ports),
        cmocka_unit_test(an_unknown_store_is_refused_with_a_reason),
        cmocka_unit_test(an_unusable_address_is_refused_with_a_reason),
        cmocka_unit_test(an_unreachable_store_is_no_error_of_opening),
        cmocka_unit_test(a_port_closes_while_its_requests_wait_for_an_unreachable_store),
        cmocka_unit_test(the_status_tells_what_is_there),
        cmocka_unit_test(a_port_that_is_behind_pauses_the_engine_and_loses_nothing),
        cmocka_unit_test(a_slow_port_that_closes_lets_the_others_go_on),
        cmocka_unit_test(many_streams_open_with_one_read_at_a_time),
        cmocka_unit_test(an_engine_closes_while_reads_are_under_way),
        cmocka_unit_test(as_many_nodes_as_are_waited_for_are_told_of_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
