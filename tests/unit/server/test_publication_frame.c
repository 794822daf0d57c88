#include "session_fixture.h"

#include <pthread.h>

#include "client/publication_frame.h"

#define CHANNEL HF_SLICE("chat:a")

static void expect_frame(struct fixture *fixture, struct hf_publication *publication,
                         const char *expected)
{
    struct hf_frame *frame;

    assert_int_equal(
        hf_publication_frame(&fixture->worker, &fake_transport, CHANNEL, publication, &frame),
        HF_PUBLICATION_FRAME_OK);
    assert_int_equal(frame->len, strlen(expected));
    assert_memory_equal(frame->data, expected, frame->len);
    hf_frame_unref(frame);
}

static void push_carries_everything_that_was_published(void **state)
{
    struct hf_publication_fields fields = {.data = {"{ \"a\":1.0,\n\"b\":2}", 17},
                                           .info = {"{\"user\":\"\",\"client\":\"c\"}", 24},
                                           .tags = {"{\"k\":\"v\"}", 9},
                                           .version = 3};
    struct hf_publication *publication =
        hf_publication_new((struct hf_position){EPOCH, 2}, &fields);

    expect_frame(*state, publication,
                 "[{\"push\":{\"channel\":\"chat:a\",\"pub\":{\"data\":{ \"a\":1.0,\"b\":2},"
                 "\"info\":{\"user\":\"\",\"client\":\"c\"},\"offset\":2,\"tags\":{\"k\":\"v\"},"
                 "\"version\":3}}}]");
    hf_publication_unref(publication);
}

static void first_offset_carries_the_epoch_live_but_not_in_lists(void **state)
{
    struct fixture *fixture = *state;
    struct hf_publication *publication = publication_of(1, "1");
    struct hf_page *page = hf_page_new(&publication, 1);
    struct hf_slice list;

    expect_frame(fixture, publication,
                 "[{\"push\":{\"channel\":\"chat:a\",\"pub\":{\"data\":1,\"offset\":1,"
                 "\"epoch\":\"1700000000000000\"}}}]");
    assert_int_equal(hf_page_list(&fixture->worker, &fake_transport, page, &list),
                     HF_PUBLICATION_FRAME_OK);
    assert_true(hf_slice_equal(list, HF_SLICE("{\"data\":1,\"offset\":1}")));
    hf_page_unref(page);
    hf_publication_unref(publication);
}

static void publication_without_history_has_no_offset(void **state)
{
    struct hf_publication *publication = publication_of(0, "\"x\"");

    expect_frame(*state, publication,
                 "[{\"push\":{\"channel\":\"chat:a\",\"pub\":{\"data\":\"x\"}}}]");
    hf_publication_unref(publication);
}

static void frame_is_built_once_and_shared_by_workers(void **state)
{
    struct fixture *fixture = *state;
    struct hf_publication *publication = publication_of(2, "1");
    struct hf_worker second = {.config = fixture->config};
    struct hf_frame *a;
    struct hf_frame *b;

    hf_buffer_init(&second.encode, 0);
    assert_int_equal(
        hf_publication_frame(&fixture->worker, &fake_transport, CHANNEL, publication, &a), 0);
    assert_int_equal(hf_publication_frame(&second, &fake_transport, CHANNEL, publication, &b), 0);
    assert_ptr_equal(a->data, b->data);
    assert_int_equal(fixture->worker.counters.frames_built, 1);
    assert_int_equal(second.counters.frames_built, 0);
    hf_publication_unref(publication); /* the frames keep the bytes */
    hf_frame_unref(a);
    assert_int_equal(b->data[0], '[');
    hf_frame_unref(b);
    hf_buffer_fini(&second.encode);
}

static void binary_is_unfit_and_tried_once(void **state)
{
    static const struct {
        struct hf_publication_fields fields;
    } cases[] = {
        {{.data = {"\x01", 1}}},
        {{.data = {"{\"a\":", 5}}},
        {{.data = {"1", 1}, .info = {"{", 1}}},
        {{.data = {"1", 1}, .tags = {"x", 1}}},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hf_publication *publication =
            hf_publication_new((struct hf_position){EPOCH, 2}, &cases[i].fields);
        struct hf_page *page = hf_page_new(&publication, 1);
        struct hf_frame *frame;
        struct hf_slice list;

        for (int again = 0; again < 2; again++) {
            assert_int_equal(hf_publication_frame(&fixture->worker, &fake_transport, CHANNEL,
                                                  publication, &frame),
                             HF_PUBLICATION_FRAME_UNFIT);
            assert_int_equal(
                hf_page_frame(&fixture->worker, &fake_transport, CHANNEL, page, &frame),
                HF_PUBLICATION_FRAME_UNFIT);
            assert_int_equal(hf_page_list(&fixture->worker, &fake_transport, page, &list),
                             HF_PUBLICATION_FRAME_UNFIT);
        }
        hf_page_unref(page);
        hf_publication_unref(publication);
    }
    assert_int_equal(fixture->worker.counters.frames_built, 0);
}

/* The double above, with the other encoding. */
static struct hf_transport protobuf_transport(void)
{
    struct hf_transport transport = fake_transport;

    transport.encoding = HF_ENCODING_PROTOBUF;
    transport.framing = HF_FRAMING_WEBSOCKET_PROTOBUF;
    return transport;
}

static void encodings_of_one_publication_are_built_and_kept_apart(void **state)
{
    struct fixture *fixture = *state;
    const struct hf_transport protobuf = protobuf_transport();
    struct hf_publication *publication = publication_of(2, "1");
    struct hf_page *page = hf_page_new(&publication, 1);
    struct hf_frame *frame;
    struct hf_slice list;

    for (int again = 0; again < 2; again++) {
        expect_frame(fixture, publication,
                     "[{\"push\":{\"channel\":\"chat:a\",\"pub\":{\"data\":1,\"offset\":2}}}]");
        assert_int_equal(
            hf_publication_frame(&fixture->worker, &protobuf, CHANNEL, publication, &frame), 0);
        assert_int_equal(frame->len, 20);
        assert_memory_equal(frame->data,
                            "[\x11\x22\x0f\x12\x06"
                            "chat:a\x22\x05\x22\x01"
                            "1\x30\x02]",
                            20);
        hf_frame_unref(frame);
        assert_int_equal(fixture->worker.counters.frames_built, 2);
    }
    assert_int_equal(hf_page_list(&fixture->worker, &fake_transport, page, &list), 0);
    assert_true(hf_slice_equal(list, HF_SLICE("{\"data\":1,\"offset\":2}")));
    assert_int_equal(hf_page_list(&fixture->worker, &protobuf, page, &list), 0);
    assert_true(hf_slice_equal(list, HF_SLICE("\x3a\x05\x22\x01"
                                              "1\x30\x02")));
    assert_int_equal(hf_page_frame(&fixture->worker, &protobuf, CHANNEL, page, &frame), 0);
    assert_int_equal(frame->len, 20);
    hf_frame_unref(frame);
    hf_page_unref(page);
    hf_publication_unref(publication);
}

static void binary_data_fits_protobuf_but_broken_info_does_not(void **state)
{
    struct fixture *fixture = *state;
    const struct hf_transport protobuf = protobuf_transport();
    struct hf_publication_fields fields = {.data = {"\x00\xff", 2}};
    struct hf_publication *publication =
        hf_publication_new((struct hf_position){EPOCH, 2}, &fields);
    struct hf_frame *frame;

    assert_int_equal(
        hf_publication_frame(&fixture->worker, &fake_transport, CHANNEL, publication, &frame),
        HF_PUBLICATION_FRAME_UNFIT);
    assert_int_equal(
        hf_publication_frame(&fixture->worker, &protobuf, CHANNEL, publication, &frame),
        HF_PUBLICATION_FRAME_OK);
    hf_frame_unref(frame);
    hf_publication_unref(publication);
    fields.info = (struct hf_bytes){"{", 1};
    publication = hf_publication_new((struct hf_position){EPOCH, 2}, &fields);
    assert_int_equal(
        hf_publication_frame(&fixture->worker, &protobuf, CHANNEL, publication, &frame),
        HF_PUBLICATION_FRAME_UNFIT);
    hf_publication_unref(publication);
}

static void lists_are_built_once_for_a_page(void **state)
{
    struct fixture *fixture = *state;
    struct hf_page *page = page_of(3, 5);
    struct hf_slice a;
    struct hf_slice b;

    assert_int_equal(hf_page_list(&fixture->worker, &fake_transport, page, &a), 0);
    assert_int_equal(hf_page_list(&fixture->worker, &fake_transport, page, &b), 0);
    assert_ptr_equal(a.data, b.data);
    assert_true(hf_slice_equal(a, HF_SLICE("{\"data\":{\"n\":3},\"offset\":3},"
                                           "{\"data\":{\"n\":4},\"offset\":4},"
                                           "{\"data\":{\"n\":5},\"offset\":5}")));
    assert_int_equal(fixture->worker.counters.frames_built, 3);
    assert_int_equal(hf_page_list(&fixture->worker, &fake_transport, NULL, &a), 0);
    assert_int_equal(a.len, 0);
    hf_page_unref(page);
}

static void missing_memory_is_told_and_not_remembered(void **state)
{
    struct fixture *fixture = *state;
    struct hf_publication *publication = publication_of(2, "1");
    struct hf_page *page = page_of(3, 4);
    struct hf_frame *frame;

    fake_wrap_fails = true;
    assert_int_equal(
        hf_publication_frame(&fixture->worker, &fake_transport, CHANNEL, publication, &frame),
        HF_PUBLICATION_FRAME_NO_MEMORY);
    assert_int_equal(hf_page_frame(&fixture->worker, &fake_transport, CHANNEL, page, &frame),
                     HF_PUBLICATION_FRAME_NO_MEMORY);
    fake_wrap_fails = false;
    assert_int_equal(
        hf_publication_frame(&fixture->worker, &fake_transport, CHANNEL, publication, &frame), 0);
    hf_frame_unref(frame);
    assert_int_equal(hf_page_frame(&fixture->worker, &fake_transport, CHANNEL, page, &frame), 0);
    hf_frame_unref(frame);
    hf_page_unref(page);
    hf_publication_unref(publication);
}

/* --- several workers at once ---------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 300 };

struct race {
    pthread_barrier_t barrier;
    struct hf_publication *publications[ROUNDS];
    struct hf_page *pages[ROUNDS];
    const struct hf_config *config;
};

static void *build_in_thread(void *context)
{
    struct race *race = context;
    struct hf_worker worker = {.config = race->config};

    hf_buffer_init(&worker.encode, 0);
    for (int i = 0; i < ROUNDS; i++) {
        struct hf_frame *push;
        struct hf_frame *pushes;
        struct hf_slice list;

        pthread_barrier_wait(&race->barrier);
        if (hf_publication_frame(&worker, &fake_transport, CHANNEL, race->publications[i], &push) !=
                HF_PUBLICATION_FRAME_OK ||
            hf_page_frame(&worker, &fake_transport, CHANNEL, race->pages[i], &pushes) !=
                HF_PUBLICATION_FRAME_OK ||
            hf_page_list(&worker, &fake_transport, race->pages[i], &list) !=
                HF_PUBLICATION_FRAME_OK ||
            push->data[0] != '[' || pushes->data[0] != '[' || list.data[0] != '{') {
            abort();
        }
        hf_publication_unref(race->publications[i]); /* this thread's reference */
        hf_frame_unref(push);
        hf_frame_unref(pushes);
        hf_page_unref(race->pages[i]);
    }
    hf_buffer_fini(&worker.encode);
    return NULL;
}

static void threads_that_build_at_once_share_one_result(void **state)
{
    struct fixture *fixture = *state;
    struct race *race = calloc(1, sizeof(*race));
    pthread_t threads[THREADS];

    assert_non_null(race);
    race->config = fixture->config;
    pthread_barrier_init(&race->barrier, NULL, THREADS);
    for (int i = 0; i < ROUNDS; i++) {
        race->publications[i] = publication_of(2, "{}");
        race->pages[i] = page_of(1, 20);
        for (int t = 1; t < THREADS; t++) {
            hf_publication_ref(race->publications[i]);
            hf_page_ref(race->pages[i]);
        }
    }
    for (int t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_create(&threads[t], NULL, build_in_thread, race), 0);
    }
    for (int t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
    }
    pthread_barrier_destroy(&race->barrier);
    free(race);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(push_carries_everything_that_was_published),
        WITH_FIXTURE(first_offset_carries_the_epoch_live_but_not_in_lists),
        WITH_FIXTURE(publication_without_history_has_no_offset),
        WITH_FIXTURE(frame_is_built_once_and_shared_by_workers),
        WITH_FIXTURE(binary_is_unfit_and_tried_once),
        WITH_FIXTURE(encodings_of_one_publication_are_built_and_kept_apart),
        WITH_FIXTURE(binary_data_fits_protobuf_but_broken_info_does_not),
        WITH_FIXTURE(lists_are_built_once_for_a_page),
        WITH_FIXTURE(missing_memory_is_told_and_not_remembered),
        WITH_FIXTURE(threads_that_build_at_once_share_one_result),
    };

    return cmocka_run_group_tests_name("publication_frame", tests, NULL, NULL);
}
