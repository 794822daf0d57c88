/* The store contract, on memory and on Redis: publications and the history that they make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loop.h"
#include "store_cases.h"

static void publications_get_consecutive_offsets_of_one_epoch(void **state)
{
    struct hf_store_client *client = *state;
    struct hf_position first = hf_cases_publish(client, "a", "m1");
    struct hf_position second = hf_cases_publish(client, "a", "m2");
    struct hf_position other = hf_cases_publish(client, "b", "m1");
    assert_true(first.epoch > 0 && first.epoch <= HF_EPOCH_MAX);
    assert_int_equal(first.offset, 1);
    assert_int_equal(second.offset, 2);
    assert_int_equal(second.epoch, first.epoch);
    assert_int_equal(other.offset, 1);
}

static void publication_without_history_has_no_position(void **state)
{
    struct hf_store_client *client = *state;
    struct hf_position position;
    assert_true(hf_store_client_listen(client, "a"));
    assert_int_equal(hf_store_client_publish(client, "a", hf_options_none, "x", &position), HF_OK);
    assert_int_equal(position.epoch, 0);
    assert_int_equal(position.offset, 0);
    assert_true(hf_store_client_wait_seen(client, 1));
    assert_int_equal(client->seen[0].publication->position.offset, 0);

    struct hf_store_read request = hf_cases_read_of("a", 10);
    hf_cases_read_ok(client, &request);
    assert_int_equal(request.top.epoch, 0);
    hf_cases_assert_page(&request, 0, 0, 1);
}

static void history_without_ttl_is_refused(void **state)
{
    struct hf_store_client *client = *state;
    struct hf_stream_options options = {10, 0, 0};
    assert_int_equal(hf_store_client_publish(client, "a", options, "x", NULL), HF_EINVAL);
}

static void publishes_of_one_turn_are_applied_and_delivered_in_order(void **state)
{
    struct hf_store_client *client = *state;
    enum { COUNT = 500 };
    struct hf_test_publish *publishes[COUNT];
    const struct hf_stream_options options = {COUNT, 60, 60};
    assert_true(hf_store_client_listen(client, "a"));
    for (int i = 0; i < COUNT; i++) {
        char data[16];
        snprintf(data, sizeof data, "m%d", i + 1);
        publishes[i] = hf_store_client_send(client, "a", options, data);
        assert_false(publishes[i]->is_done); /* never inside the call */
    }
    client->store->ops->flush(client->store);
    for (int i = 0; i < COUNT; i++) {
        assert_true(hf_store_client_wait_publish(client, publishes[i]));
        assert_int_equal(publishes[i]->request.result, HF_OK);
        assert_int_equal(publishes[i]->request.position.offset, i + 1);
    }
    assert_true(hf_store_client_wait_seen(client, COUNT));
    assert_int_equal(client->seen_count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        const struct hf_publication *publication = client->seen[i].publication;
        assert_true(hf_position_equal(publication->position, publishes[i]->request.position));
        assert_memory_equal(publication->fields.data.data, publishes[i]->data,
                            publication->fields.data.len);
        hf_test_publish_free(publishes[i]);
    }
    struct hf_store_read request = hf_cases_read_of("a", HF_LIMIT_NONE);
    request.options = options;
    hf_cases_read_ok(client, &request);
    hf_cases_assert_page(&request, 1, COUNT, 1);
    hf_page_unref(request.page);
}

static void publications_with_and_without_history_keep_their_order(void **state)
{
    struct hf_store_client *client = *state;
    struct hf_test_publish *publishes[30];
    assert_true(hf_store_client_listen(client, "a"));
    for (int i = 0; i < 30; i++) {
        char data[16];
        snprintf(data, sizeof data, "%d", i);
        publishes[i] =
            hf_store_client_send(client, "a", i % 3 == 0 ? hf_options_none : hf_options_10, data);
    }
    assert_true(hf_store_client_wait_seen(client, 30)); /* without flush */
    for (int i = 0; i < 30; i++) {
        char data[16];
        snprintf(data, sizeof data, "%d", i);
        assert_int_equal(client->seen[i].publication->fields.data.len, strlen(data));
        assert_memory_equal(client->seen[i].publication->fields.data.data, data, strlen(data));
        assert_true(hf_store_client_wait_publish(client, publishes[i]));
        hf_test_publish_free(publishes[i]);
    }
}

static void all_fields_travel_in_delivery_and_history(void **state)
{
    struct hf_store_client *client = *state;
    static const char binary[] = "a\0b\r\n\xff $5 \n";
    struct hf_test_publish *publish_plain = hf_store_client_send(client, "a", hf_options_10, "x");
    struct hf_test_publish *full = hf_store_client_send(client, "unused", hf_options_10, "x");
    assert_true(hf_store_client_wait_publish(client, full));
    full->is_done = false;
    full->request.channel = hf_bytes_of("a");
    full->request.fields = (struct hf_publication_fields){{binary, sizeof binary},
                                                          hf_bytes_of("{\"user\":\"ann\"}"),
                                                          hf_bytes_of("{\"t\":\"1\"}"),
                                                          UINT64_MAX,
                                                          true,
                                                          hf_bytes_of("e1")};
    assert_true(hf_store_client_wait_publish(client, publish_plain));
    assert_true(hf_store_client_listen(client, "a"));
    client->store->ops->publish(client->store, &full->request);
    assert_true(hf_store_client_wait_publish(client, full));
    assert_int_equal(full->request.result, HF_OK);
    assert_true(hf_store_client_wait_seen(client, 1));

    struct hf_store_read request = hf_cases_read_of("a", 10);
    hf_cases_read_ok(client, &request);
    assert_int_equal(request.page->count, 2);
    const struct hf_publication *both[] = {client->seen[0].publication, request.page->items[1]};
    for (int i = 0; i < 2; i++) {
        const struct hf_publication_fields *fields = &both[i]->fields;
        assert_int_equal(both[i]->position.offset, 2);
        assert_int_equal(fields->data.len, sizeof binary);
        assert_memory_equal(fields->data.data, binary, sizeof binary);
        assert_int_equal(fields->info.len, 14);
        assert_memory_equal(fields->info.data, "{\"user\":\"ann\"}", 14);
        assert_int_equal(fields->tags.len, 9);
        assert_memory_equal(fields->tags.data, "{\"t\":\"1\"}", 9);
        assert_true(fields->version == UINT64_MAX);
        assert_int_equal(fields->version_epoch.len, 2);
        assert_memory_equal(fields->version_epoch.data, "e1", 2);
        assert_true(fields->delta);
    }
    hf_page_unref(request.page);
    hf_test_publish_free(publish_plain);
    hf_test_publish_free(full);
}

static void large_payload_arrives_whole(void **state)
{
    struct hf_store_client *client = *state;
    size_t len = 3 * 1024 * 1024;
    char *data = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        data[i] = (char)('a' + i % 23);
    data[len] = '\0';
    assert_true(hf_store_client_listen(client, "a"));
    assert_int_equal(hf_store_client_publish(client, "a", hf_options_10, data, NULL), HF_OK);
    assert_true(hf_store_client_wait_seen(client, 1));
    assert_int_equal(client->seen[0].publication->fields.data.len, len);
    assert_memory_equal(client->seen[0].publication->fields.data.data, data, len);
    struct hf_store_read request = hf_cases_read_of("a", 1);
    hf_cases_read_ok(client, &request);
    assert_memory_equal(request.page->items[0]->fields.data.data, data, len);
    hf_page_unref(request.page);
    free(data);
}

static void history_is_trimmed_to_its_size(void **state)
{
    struct hf_store_client *client = *state;
    hf_cases_publish_many(client, "a", 25);
    struct hf_store_read request = hf_cases_read_of("a", HF_LIMIT_NONE);
    hf_cases_read_ok(client, &request);
    assert_int_equal(request.top.offset, 25);
    hf_cases_assert_page(&request, 16, 10, 1);
    assert_false(request.has_more);
    hf_page_unref(request.page);
}

/* Larger histories are trimmed in batches by the store; nobody sees that. */
static void reads_give_no_more_than_the_history_holds(void **state)
{
    struct hf_store_client *client = *state;
    static const uint32_t sizes[] = {10, 105, 1050};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const uint32_t size = sizes[i], top = size + 67;
        const struct hf_stream_options options = {size, 60, 120};
        char channel[8], data[16];
        snprintf(channel, sizeof channel, "c%u", size);
        for (uint32_t j = 1; j <= top; j++) {
            snprintf(data, sizeof data, "m%u", j);
            assert_int_equal(hf_store_client_publish(client, channel, options, data, NULL), HF_OK);
        }
        struct hf_store_read request = hf_cases_read_of(channel, HF_LIMIT_NONE);
        request.options = options;
        hf_cases_read_ok(client, &request);
        assert_int_equal(request.top.offset, top);
        hf_cases_assert_page(&request, 68, size, 1);
        hf_page_unref(request.page);

        request.reverse = true;
        hf_cases_read_ok(client, &request);
        hf_cases_assert_page(&request, top, size, -1);
        assert_false(request.has_more);
        hf_page_unref(request.page);

        request.reverse = false;
        request.limit = 4;
        hf_cases_read_ok(client, &request);
        hf_cases_assert_page(&request, 68, 4, 1);
        assert_true(request.has_more);
        hf_page_unref(request.page);

        request.has_since = request.with_since = true;
        for (request.since = (struct hf_position){request.top.epoch, 0}; request.since.offset < 68;
             request.since.offset++) {
            hf_cases_read_ok(client,
                             &request); /* trimmed away, or not there: the page begins later */
            hf_cases_assert_page(&request, 68, 4, 1);
            hf_page_unref(request.page);
        }
        hf_cases_read_ok(client, &request);
        hf_cases_assert_page(&request, 68, 5, 1); /* with the one at `since` */
        hf_page_unref(request.page);
    }
}

/* A configuration that was loaded anew may allow less than was kept until then. */
static void read_of_a_smaller_history_gives_only_so_many(void **state)
{
    struct hf_store_client *client = *state;
    struct hf_position top = {0};
    hf_cases_publish_many(client, "a", 4);
    top = hf_cases_publish(client, "a", "m5");
    struct hf_store_read newest = hf_cases_read_of("a", 10);
    newest.options.history_size = 2;
    struct hf_store_read reverse = newest, since = newest, with_since = newest;
    hf_cases_read_ok(client, &newest);
    hf_cases_assert_page(&newest, 4, 2, 1);
    reverse.reverse = true;
    hf_cases_read_ok(client, &reverse);
    hf_cases_assert_page(&reverse, 5, 2, -1);
    assert_false(reverse.has_more);
    since.has_since = with_since.has_since = with_since.with_since = true;
    since.since = (struct hf_position){top.epoch, 1};
    hf_cases_read_ok(client, &since);
    hf_cases_assert_page(&since, 4, 2, 1);
    with_since.since = (struct hf_position){top.epoch, 4};
    hf_cases_read_ok(client, &with_since);
    hf_cases_assert_page(&with_since, 4, 2, 1);
    struct hf_store_read *reads[] = {&newest, &reverse, &since, &with_since};
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++)
        hf_page_unref(reads[i]->page);
}

static void expired_history_leaves_the_position(void **state)
{
    struct hf_store_client *client = *state;
    const struct hf_stream_options options = {10, 1, 60};
    struct hf_position first;
    hf_store_client_publish(client, "a", options, "m1", NULL);
    hf_store_client_publish(client, "a", options, "m2", &first);
    hf_loop_for(client->base, 1300); /* the store's clock cannot be moved */

    struct hf_store_read request = hf_cases_read_of("a", 10);
    hf_cases_read_ok(client, &request);
    assert_true(hf_position_equal(request.top, first));
    hf_cases_assert_page(&request, 0, 0, 1);

    struct hf_position next = hf_cases_publish(client, "a", "m3");
    assert_int_equal(next.epoch, first.epoch);
    assert_int_equal(next.offset, 3);
    request = hf_cases_read_of("a", 10);
    hf_cases_read_ok(client, &request);
    hf_cases_assert_page(&request, 3, 1, 1);
    hf_page_unref(request.page);
}

static void expired_position_ends_the_epoch(void **state)
{
    struct hf_store_client *client = *state;
    const struct hf_stream_options options = {10, 1, 1};
    struct hf_position first, second;
    hf_store_client_publish(client, "a", options, "m1", &first);
    hf_loop_for(client->base, 1300);
    struct hf_store_read request = hf_cases_read_of("a", 10);
    hf_cases_read_ok(client, &request);
    assert_int_equal(request.top.epoch, 0);
    hf_store_client_publish(client, "a", options, "m1", &second);
    assert_true(second.epoch > first.epoch);
    assert_int_equal(second.offset, 1);
}

static void removed_history_leaves_the_position(void **state)
{
    struct hf_store_client *client = *state;
    hf_cases_publish_many(client, "a", 3);
    assert_true(hf_store_client_listen(client, "a"));
    assert_int_equal(hf_store_client_remove(client, "a"), HF_OK);
    struct hf_store_read request = hf_cases_read_of("a", 10);
    hf_cases_read_ok(client, &request);
    assert_int_equal(request.top.offset, 3);
    hf_cases_assert_page(&request, 0, 0, 1);
    assert_true(hf_store_client_wait_seen(client, 1));
    assert_true(client->seen[0].is_removed);

    assert_int_equal(hf_cases_publish(client, "a", "m4").offset, 4);
    request = hf_cases_read_of("a", 10);
    hf_cases_read_ok(client, &request);
    hf_cases_assert_page(&request, 4, 1, 1);
    hf_page_unref(request.page);
    assert_int_equal(hf_store_client_remove(client, "never"), HF_OK);
}

static void remove_between_publishes_takes_what_was_before_it(void **state)
{
    struct hf_store_client *client = *state;
    struct hf_test_publish *one = hf_store_client_send(client, "a", hf_options_10, "m1");
    struct hf_test_publish *two = hf_store_client_send(client, "a", hf_options_10, "m2");
    assert_int_equal(hf_store_client_remove(client, "a"), HF_OK);
    struct hf_test_publish *three = hf_store_client_send(client, "a", hf_options_10, "m3");
    struct hf_store_read request = hf_cases_read_of("a", 10);
    hf_cases_read_ok(client, &request); /* carried out behind the publish before it */
    assert_true(one->is_done && two->is_done);
    hf_cases_assert_page(&request, 3, 1, 1);
    hf_page_unref(request.page);
    assert_true(hf_store_client_wait_publish(client, three));
    hf_test_publish_free(one);
    hf_test_publish_free(two);
    hf_test_publish_free(three);
}

static void mend_without_page_gives_a_new_epoch_once(void **state)
{
    struct hf_store_client *client = *state;
    hf_cases_publish_many(client, "a", 3);
    struct hf_store_read read = hf_cases_read_of("a", 0);
    hf_cases_read_ok(client, &read);
    struct hf_store_mend mend = {
        .channel = hf_bytes_of("a"), .options = hf_options_10, .expected = read.top};
    assert_int_equal(hf_store_client_mend(client, &mend), HF_OK);
    assert_int_equal(hf_store_client_mend(client, &mend), HF_EUNRECOVERABLE);
    struct hf_store_read after = hf_cases_read_of("a", 10);
    hf_cases_read_ok(client, &after);
    assert_true(after.top.epoch > read.top.epoch);
    assert_int_equal(after.top.offset, 0);
    assert_null(after.page);
    struct hf_position next = hf_cases_publish(client, "a", "m1");
    assert_int_equal(next.epoch, after.top.epoch);
    assert_int_equal(next.offset, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HF_CASE(publications_get_consecutive_offsets_of_one_epoch),
        HF_CASE(publication_without_history_has_no_position),
        HF_CASE(history_without_ttl_is_refused),
        HF_CASE(publishes_of_one_turn_are_applied_and_delivered_in_order),
        HF_CASE(publications_with_and_without_history_keep_their_order),
        HF_CASE(all_fields_travel_in_delivery_and_history),
        HF_CASE(large_payload_arrives_whole),
        HF_CASE(history_is_trimmed_to_its_size),
        HF_CASE(reads_give_no_more_than_the_history_holds),
        HF_CASE(read_of_a_smaller_history_gives_only_so_many),
        HF_CASE(expired_history_leaves_the_position),
        HF_CASE(expired_position_ends_the_epoch),
        HF_CASE(removed_history_leaves_the_position),
        HF_CASE(remove_between_publishes_takes_what_was_before_it),
        HF_CASE(mend_without_page_gives_a_new_epoch_once),
    };
    return HF_CASES_RUN(tests);
}
