/* The store contract, on memory and on Redis: what reads give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store_cases.h"

static void read_of_nothing_has_no_position(void **state)
{
    struct hf_store_read request = hf_cases_read_of("a", 10);
    hf_cases_read_ok(*state, &request);
    assert_int_equal(request.top.epoch, 0);
    assert_int_equal(request.top.offset, 0);
    hf_cases_assert_page(&request, 0, 0, 1);
    request = hf_cases_read_of("a", 0);
    request.has_since = true;
    hf_cases_read_ok(*state, &request);
    assert_int_equal(request.top.epoch, 0);
}

static void create_gives_an_epoch_once(void **state)
{
    struct hf_store_client *client = *state;
    struct hf_store_read request = hf_cases_read_of("a", 10);
    request.create = true;
    hf_cases_read_ok(client, &request);
    struct hf_position created = request.top;
    assert_true(created.epoch > 0);
    assert_int_equal(created.offset, 0);
    request = hf_cases_read_of("a", 0);
    request.create = true;
    hf_cases_read_ok(client, &request);
    assert_true(hf_position_equal(request.top, created));
    struct hf_position first = hf_cases_publish(client, "a", "m1");
    assert_int_equal(first.epoch, created.epoch);
    assert_int_equal(first.offset, 1);
    request = hf_cases_read_of("a", 10);
    request.create = true;
    hf_cases_read_ok(client, &request);
    hf_cases_assert_page(&request, 1, 1, 1);
    hf_page_unref(request.page);
}

static void position_only_read_gives_no_page(void **state)
{
    struct hf_store_client *client = *state;
    hf_cases_publish_many(client, "a", 4);
    struct hf_store_read request = hf_cases_read_of("a", 0);
    hf_cases_read_ok(client, &request);
    assert_int_equal(request.top.offset, 4);
    assert_null(request.page);
    assert_false(request.has_more);
}

struct read_case {
    bool has_since, reverse, with_since;
    uint64_t since;
    uint32_t limit;
    uint64_t first;
    uint32_t count;
    bool has_more;
};

/* The stream holds offsets 4..13. */
static const struct read_case read_cases[] = {
    {false, false, false, 0, 100, 4, 10, false}, {false, false, false, 0, 10, 4, 10, false},
    {false, false, false, 0, 3, 4, 3, true},     {true, false, false, 5, 100, 6, 8, false},
    {true, false, false, 5, 2, 6, 2, true},      {true, false, true, 5, 100, 5, 9, false},
    {true, false, false, 13, 100, 0, 0, false},  {true, false, true, 13, 100, 13, 1, false},
    {true, false, false, 0, 100, 4, 10, false},  {true, false, false, 3, 100, 4, 10, false},
    {true, false, false, 99, 100, 0, 0, false},  {true, false, true, 2, 1, 4, 1, true},
    {false, true, false, 0, 100, 13, 10, false}, {false, true, false, 0, 10, 13, 10, false},
    {false, true, false, 0, 3, 13, 3, true},     {true, true, false, 7, 100, 6, 3, false},
    {true, true, false, 7, 2, 6, 2, true},       {true, true, false, 7, 3, 6, 3, false},
    {true, true, true, 7, 100, 7, 4, false},     {true, true, false, 4, 100, 0, 0, false},
    {true, true, true, 4, 100, 4, 1, false},     {true, true, false, 99, 100, 13, 10, false},
    {true, true, false, 0, 100, 0, 0, false},    {true, false, false, UINT64_MAX, 9, 0, 0, false},
    {true, false, true, 5, 2, 5, 3, true},       {true, true, true, 7, 2, 7, 3, true},
    {true, false, true, 11, 2, 11, 3, false},    {true, false, true, 5, 0, 0, 0, false},
};

static void reads_follow_since_limit_and_direction(void **state)
{
    struct hf_store_client *client = *state;
    hf_cases_publish_many(client, "a", 13);
    struct hf_store_read top = hf_cases_read_of("a", 0);
    hf_cases_read_ok(client, &top);
    for (size_t i = 0; i < sizeof read_cases / sizeof read_cases[0]; i++) {
        const struct read_case *c = &read_cases[i];
        for (int with_epoch = 0; with_epoch < 2; with_epoch++) {
            struct hf_store_read request = hf_cases_read_of("a", c->limit);
            request.has_since = c->has_since;
            request.reverse = c->reverse;
            request.with_since = c->with_since;
            request.since = (struct hf_position){with_epoch ? top.top.epoch : 0, c->since};
            hf_cases_read_ok(client, &request);
            assert_true(hf_position_equal(request.top, top.top));
            hf_cases_assert_page(&request, c->first, c->count, c->reverse ? -1 : 1);
            assert_int_equal(request.has_more, c->has_more);
            hf_page_unref(request.page);
        }
    }
}

static void since_of_another_epoch_gives_the_position_only(void **state)
{
    struct hf_store_client *client = *state;
    hf_cases_publish_many(client, "a", 3);
    struct hf_store_read top = hf_cases_read_of("a", 0);
    hf_cases_read_ok(client, &top);
    const uint64_t epochs[] = {1, top.top.epoch - 1, top.top.epoch + 1, HF_EPOCH_FOREIGN};
    for (size_t i = 0; i < 4; i++) {
        for (int reverse = 0; reverse < 2; reverse++) {
            struct hf_store_read request = hf_cases_read_of("a", 100);
            request.has_since = true;
            request.reverse = reverse;
            request.since = (struct hf_position){epochs[i], 1};
            hf_cases_read_ok(client, &request);
            assert_true(hf_position_equal(request.top, top.top));
            assert_null(request.page);
            assert_false(request.has_more);
        }
    }
}

/* Else a reader whose own place is a large publication would never get on. */
static void publication_at_since_counts_towards_no_limit_of_bytes(void **state)
{
    struct hf_store_client *client = *state;
    hf_cases_publish_many(client, "a", 5);
    struct hf_store_read request = hf_cases_read_of("a", 100);
    request.has_since = request.with_since = true;
    request.since.offset = 2;
    request.bytes_max = 1;
    hf_cases_read_ok(client, &request);
    hf_cases_assert_page(&request, 2, 2, 1);
    assert_true(request.has_more);
    hf_page_unref(request.page);
}

static void bytes_max_cuts_the_page_after_one_at_least(void **state)
{
    struct hf_store_client *client = *state;
    hf_cases_publish_many(client, "a", 8);
    for (int reverse = 0; reverse < 2; reverse++) {
        struct hf_store_read request = hf_cases_read_of("a", 100);
        request.reverse = reverse;
        request.bytes_max = 1;
        hf_cases_read_ok(client, &request);
        hf_cases_assert_page(&request, reverse ? 8 : 1, 1, 1);
        assert_true(request.has_more);
        size_t one = request.page->items[0]->size;
        hf_page_unref(request.page);

        request = hf_cases_read_of("a", 100);
        request.reverse = reverse;
        request.bytes_max = 2 * one; /* the third passes it */
        hf_cases_read_ok(client, &request);
        hf_cases_assert_page(&request, reverse ? 8 : 1, 3, reverse ? -1 : 1);
        assert_true(request.has_more);
        hf_page_unref(request.page);
    }
}

static void long_history_is_read_whole_and_in_pages(void **state)
{
    struct hf_store_client *client = *state;
    enum { COUNT = 3000 };
    const struct hf_stream_options options = {5000, 60, 60};
    struct hf_test_publish **publishes = calloc(COUNT, sizeof(struct hf_test_publish *));
    for (int i = 0; i < COUNT; i++) {
        char data[16];
        snprintf(data, sizeof data, "m%d", i + 1);
        publishes[i] = hf_store_client_send(client, "a", options, data);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_true(hf_store_client_wait_publish(client, publishes[i]));
        hf_test_publish_free(publishes[i]);
    }
    free(publishes);
    for (int reverse = 0; reverse < 2; reverse++) {
        struct hf_store_read request = hf_cases_read_of("a", HF_LIMIT_NONE);
        request.options = options;
        request.reverse = reverse;
        hf_cases_read_ok(client, &request);
        hf_cases_assert_page(&request, reverse ? COUNT : 1, COUNT, reverse ? -1 : 1);
        assert_false(request.has_more);
        hf_page_unref(request.page);
    }
    struct hf_position since = {0, 0};
    for (uint64_t next = 1; next <= COUNT;) {
        struct hf_store_read request = hf_cases_read_of("a", 700);
        request.options = options;
        request.bytes_max = 50000;
        request.has_since = true;
        request.since = since;
        hf_cases_read_ok(client, &request);
        assert_non_null(request.page);
        hf_cases_assert_page(&request, next, request.page->count, 1);
        next += request.page->count;
        since = request.page->items[request.page->count - 1]->position;
        assert_int_equal(request.has_more, next <= COUNT);
        hf_page_unref(request.page);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HF_CASE(read_of_nothing_has_no_position),
        HF_CASE(create_gives_an_epoch_once),
        HF_CASE(position_only_read_gives_no_page),
        HF_CASE(reads_follow_since_limit_and_direction),
        HF_CASE(since_of_another_epoch_gives_the_position_only),
        HF_CASE(bytes_max_cuts_the_page_after_one_at_least),
        HF_CASE(publication_at_since_counts_towards_no_limit_of_bytes),
        HF_CASE(long_history_is_read_whole_and_in_pages),
    };
    return HF_CASES_RUN(tests);
}
