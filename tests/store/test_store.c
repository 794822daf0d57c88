/* The store contract, the same cases on the memory store and on a real Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loop.h"
#include "redis_server.h"
#include "store_client.h"

static struct hf_redis_server *server; /* of the group; NULL: memory */

static int start_server(void **state)
{
    (void)state;
    server = hf_redis_server_start(NULL);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    hf_redis_server_free(server);
    server = NULL;
    return 0;
}

static int open_client(void **state)
{
    struct hf_store_client *client = malloc(sizeof *client);
    hf_store_client_init(client, server != NULL ? hf_redis_server_unix(server) : NULL);
    if (server != NULL)
        hf_redis_server_do(server, "FLUSHALL");
    hf_store_client_connect(client);
    *state = client;
    return 0;
}

static int close_client(void **state)
{
    hf_store_client_close(*state);
    free(*state);
    return 0;
}

static struct hf_position publish(struct hf_store_client *client, const char *channel,
                                  const char *data)
{
    struct hf_position position;
    assert_int_equal(hf_store_client_publish(client, channel, hf_options_10, data, &position),
                     HF_OK);
    return position;
}

static void publish_many(struct hf_store_client *client, const char *channel, int count)
{
    char data[16];
    for (int i = 1; i <= count; i++) {
        snprintf(data, sizeof data, "m%d", i);
        publish(client, channel, data);
    }
}

static struct hf_store_read read_of(const char *channel, uint32_t limit)
{
    return (struct hf_store_read){
        .channel = hf_bytes_of(channel), .options = hf_options_10, .limit = limit};
}

/* The page's offsets are first, first + step, ...; and the data "m<offset>". */
static void assert_page(const struct hf_store_read *request, uint64_t first, uint32_t count,
                        int step)
{
    if (count == 0) {
        assert_null(request->page);
        return;
    }
    assert_non_null(request->page);
    assert_int_equal(request->page->count, count);
    for (uint32_t i = 0; i < count; i++) {
        char data[24];
        const struct hf_publication *publication = request->page->items[i];
        uint64_t offset = first + (uint64_t)((int64_t)i * step);
        assert_int_equal(publication->position.offset, offset);
        assert_int_equal(publication->position.epoch, request->top.epoch);
        snprintf(data, sizeof data, "m%llu", (unsigned long long)offset);
        assert_int_equal(publication->fields.data.len, strlen(data));
        assert_memory_equal(publication->fields.data.data, data, strlen(data));
    }
}

static void read_ok(struct hf_store_client *client, struct hf_store_read *request)
{
    assert_int_equal(hf_store_client_read(client, request), HF_OK);
}

static void publications_get_consecutive_offsets_of_one_epoch(void **state)
{
    struct hf_store_client *client = *state;
    struct hf_position first = publish(client, "a", "m1");
    struct hf_position second = publish(client, "a", "m2");
    struct hf_position other = publish(client, "b", "m1");
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

    struct hf_store_read request = read_of("a", 10);
    read_ok(client, &request);
    assert_int_equal(request.top.epoch, 0);
    assert_page(&request, 0, 0, 1);
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
    struct hf_store_read request = read_of("a", HF_LIMIT_NONE);
    request.options = options;
    read_ok(client, &request);
    assert_page(&request, 1, COUNT, 1);
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

    struct hf_store_read request = read_of("a", 10);
    read_ok(client, &request);
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
    struct hf_store_read request = read_of("a", 1);
    read_ok(client, &request);
    assert_memory_equal(request.page->items[0]->fields.data.data, data, len);
    hf_page_unref(request.page);
    free(data);
}

static void history_is_trimmed_to_its_size(void **state)
{
    struct hf_store_client *client = *state;
    publish_many(client, "a", 25);
    struct hf_store_read request = read_of("a", HF_LIMIT_NONE);
    read_ok(client, &request);
    assert_int_equal(request.top.offset, 25);
    assert_page(&request, 16, 10, 1);
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
        struct hf_store_read request = read_of(channel, HF_LIMIT_NONE);
        request.options = options;
        read_ok(client, &request);
        assert_int_equal(request.top.offset, top);
        assert_page(&request, 68, size, 1);
        hf_page_unref(request.page);

        request.reverse = true;
        read_ok(client, &request);
        assert_page(&request, top, size, -1);
        assert_false(request.has_more);
        hf_page_unref(request.page);

        request.reverse = false;
        request.limit = 4;
        read_ok(client, &request);
        assert_page(&request, 68, 4, 1);
        assert_true(request.has_more);
        hf_page_unref(request.page);

        request.has_since = request.with_since = true;
        for (request.since = (struct hf_position){request.top.epoch, 0}; request.since.offset < 68;
             request.since.offset++) {
            read_ok(client, &request); /* trimmed away, or not there: the page begins later */
            assert_page(&request, 68, 4, 1);
            hf_page_unref(request.page);
        }
        read_ok(client, &request);
        assert_page(&request, 68, 5, 1); /* with the one at `since` */
        hf_page_unref(request.page);
    }
}

static void expired_history_leaves_the_position(void **state)
{
    struct hf_store_client *client = *state;
    const struct hf_stream_options options = {10, 1, 60};
    struct hf_position first;
    hf_store_client_publish(client, "a", options, "m1", NULL);
    hf_store_client_publish(client, "a", options, "m2", &first);
    hf_loop_for(client->base, 1300); /* the store's clock cannot be moved */

    struct hf_store_read request = read_of("a", 10);
    read_ok(client, &request);
    assert_true(hf_position_equal(request.top, first));
    assert_page(&request, 0, 0, 1);

    struct hf_position next = publish(client, "a", "m3");
    assert_int_equal(next.epoch, first.epoch);
    assert_int_equal(next.offset, 3);
    request = read_of("a", 10);
    read_ok(client, &request);
    assert_page(&request, 3, 1, 1);
    hf_page_unref(request.page);
}

static void expired_position_ends_the_epoch(void **state)
{
    struct hf_store_client *client = *state;
    const struct hf_stream_options options = {10, 1, 1};
    struct hf_position first, second;
    hf_store_client_publish(client, "a", options, "m1", &first);
    hf_loop_for(client->base, 1300);
    struct hf_store_read request = read_of("a", 10);
    read_ok(client, &request);
    assert_int_equal(request.top.epoch, 0);
    hf_store_client_publish(client, "a", options, "m1", &second);
    assert_true(second.epoch > first.epoch);
    assert_int_equal(second.offset, 1);
}

static void removed_history_leaves_the_position(void **state)
{
    struct hf_store_client *client = *state;
    publish_many(client, "a", 3);
    assert_true(hf_store_client_listen(client, "a"));
    assert_int_equal(hf_store_client_remove(client, "a"), HF_OK);
    struct hf_store_read request = read_of("a", 10);
    read_ok(client, &request);
    assert_int_equal(request.top.offset, 3);
    assert_page(&request, 0, 0, 1);
    assert_true(hf_store_client_wait_seen(client, 1));
    assert_true(client->seen[0].is_removed);

    assert_int_equal(publish(client, "a", "m4").offset, 4);
    request = read_of("a", 10);
    read_ok(client, &request);
    assert_page(&request, 4, 1, 1);
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
    struct hf_store_read request = read_of("a", 10);
    read_ok(client, &request); /* carried out behind the publish before it */
    assert_true(one->is_done && two->is_done);
    assert_page(&request, 3, 1, 1);
    hf_page_unref(request.page);
    assert_true(hf_store_client_wait_publish(client, three));
    hf_test_publish_free(one);
    hf_test_publish_free(two);
    hf_test_publish_free(three);
}

static void bus_message_reaches_its_sender_too(void **state)
{
    struct hf_store_client *client = *state;
    assert_int_equal(hf_store_client_bus(client, "one"), HF_OK);
    assert_int_equal(hf_store_client_bus(client, "two"), HF_OK);
    assert_true(hf_store_client_wait_seen(client, 2));
    assert_true(client->seen[0].is_bus);
    assert_string_equal(client->seen[0].channel, "one");
    assert_string_equal(client->seen[1].channel, "two");
}

static void bus_message_to_a_node_is_heard_there_or_nobody_has_the_name(void **state)
{
    struct hf_store_client *client = *state;
    assert_int_equal(hf_store_client_bus_to(client, "node", "for us"), HF_OK);
    assert_int_equal(hf_store_client_bus_to(client, "nod", "x"), HF_ENONODE);
    assert_int_equal(hf_store_client_bus_to(client, "other", "x"), HF_ENONODE);
    assert_int_equal(hf_store_client_bus(client, "for all"), HF_OK);
    assert_true(hf_store_client_wait_seen(client, 2));
    assert_true(client->seen[0].is_bus);
    assert_string_equal(client->seen[0].channel, "for us");
    assert_string_equal(client->seen[1].channel, "for all");
}

static void mend_without_page_gives_a_new_epoch_once(void **state)
{
    struct hf_store_client *client = *state;
    publish_many(client, "a", 3);
    struct hf_store_read read = read_of("a", 0);
    read_ok(client, &read);
    struct hf_store_mend mend = {
        .channel = hf_bytes_of("a"), .options = hf_options_10, .expected = read.top};
    assert_int_equal(hf_store_client_mend(client, &mend), HF_OK);
    assert_int_equal(hf_store_client_mend(client, &mend), HF_EUNRECOVERABLE);
    struct hf_store_read after = read_of("a", 10);
    read_ok(client, &after);
    assert_true(after.top.epoch > read.top.epoch);
    assert_int_equal(after.top.offset, 0);
    assert_null(after.page);
    struct hf_position next = publish(client, "a", "m1");
    assert_int_equal(next.epoch, after.top.epoch);
    assert_int_equal(next.offset, 1);
}

static void read_of_nothing_has_no_position(void **state)
{
    struct hf_store_read request = read_of("a", 10);
    read_ok(*state, &request);
    assert_int_equal(request.top.epoch, 0);
    assert_int_equal(request.top.offset, 0);
    assert_page(&request, 0, 0, 1);
    request = read_of("a", 0);
    request.has_since = true;
    read_ok(*state, &request);
    assert_int_equal(request.top.epoch, 0);
}

static void create_gives_an_epoch_once(void **state)
{
    struct hf_store_client *client = *state;
    struct hf_store_read request = read_of("a", 10);
    request.create = true;
    read_ok(client, &request);
    struct hf_position created = request.top;
    assert_true(created.epoch > 0);
    assert_int_equal(created.offset, 0);
    request = read_of("a", 0);
    request.create = true;
    read_ok(client, &request);
    assert_true(hf_position_equal(request.top, created));
    struct hf_position first = publish(client, "a", "m1");
    assert_int_equal(first.epoch, created.epoch);
    assert_int_equal(first.offset, 1);
    request = read_of("a", 10);
    request.create = true;
    read_ok(client, &request);
    assert_page(&request, 1, 1, 1);
    hf_page_unref(request.page);
}

static void position_only_read_gives_no_page(void **state)
{
    struct hf_store_client *client = *state;
    publish_many(client, "a", 4);
    struct hf_store_read request = read_of("a", 0);
    read_ok(client, &request);
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
    publish_many(client, "a", 13);
    struct hf_store_read top = read_of("a", 0);
    read_ok(client, &top);
    for (size_t i = 0; i < sizeof read_cases / sizeof read_cases[0]; i++) {
        const struct read_case *c = &read_cases[i];
        for (int with_epoch = 0; with_epoch < 2; with_epoch++) {
            struct hf_store_read request = read_of("a", c->limit);
            request.has_since = c->has_since;
            request.reverse = c->reverse;
            request.with_since = c->with_since;
            request.since = (struct hf_position){with_epoch ? top.top.epoch : 0, c->since};
            read_ok(client, &request);
            assert_true(hf_position_equal(request.top, top.top));
            assert_page(&request, c->first, c->count, c->reverse ? -1 : 1);
            assert_int_equal(request.has_more, c->has_more);
            hf_page_unref(request.page);
        }
    }
}

static void since_of_another_epoch_gives_the_position_only(void **state)
{
    struct hf_store_client *client = *state;
    publish_many(client, "a", 3);
    struct hf_store_read top = read_of("a", 0);
    read_ok(client, &top);
    const uint64_t epochs[] = {1, top.top.epoch - 1, top.top.epoch + 1, HF_EPOCH_FOREIGN};
    for (size_t i = 0; i < 4; i++) {
        for (int reverse = 0; reverse < 2; reverse++) {
            struct hf_store_read request = read_of("a", 100);
            request.has_since = true;
            request.reverse = reverse;
            request.since = (struct hf_position){epochs[i], 1};
            read_ok(client, &request);
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
    publish_many(client, "a", 5);
    struct hf_store_read request = read_of("a", 100);
    request.has_since = request.with_since = true;
    request.since.offset = 2;
    request.bytes_max = 1;
    read_ok(client, &request);
    assert_page(&request, 2, 2, 1);
    assert_true(request.has_more);
    hf_page_unref(request.page);
}

static void bytes_max_cuts_the_page_after_one_at_least(void **state)
{
    struct hf_store_client *client = *state;
    publish_many(client, "a", 8);
    for (int reverse = 0; reverse < 2; reverse++) {
        struct hf_store_read request = read_of("a", 100);
        request.reverse = reverse;
        request.bytes_max = 1;
        read_ok(client, &request);
        assert_page(&request, reverse ? 8 : 1, 1, 1);
        assert_true(request.has_more);
        size_t one = request.page->items[0]->size;
        hf_page_unref(request.page);

        request = read_of("a", 100);
        request.reverse = reverse;
        request.bytes_max = 2 * one; /* the third passes it */
        read_ok(client, &request);
        assert_page(&request, reverse ? 8 : 1, 3, reverse ? -1 : 1);
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
        struct hf_store_read request = read_of("a", HF_LIMIT_NONE);
        request.options = options;
        request.reverse = reverse;
        read_ok(client, &request);
        assert_page(&request, reverse ? COUNT : 1, COUNT, reverse ? -1 : 1);
        assert_false(request.has_more);
        hf_page_unref(request.page);
    }
    struct hf_position since = {0, 0};
    for (uint64_t next = 1; next <= COUNT;) {
        struct hf_store_read request = read_of("a", 700);
        request.options = options;
        request.bytes_max = 50000;
        request.has_since = true;
        request.since = since;
        read_ok(client, &request);
        assert_non_null(request.page);
        assert_page(&request, next, request.page->count, 1);
        next += request.page->count;
        since = request.page->items[request.page->count - 1]->position;
        assert_int_equal(request.has_more, next <= COUNT);
        hf_page_unref(request.page);
    }
}

static void listening_delivers_from_then_on_and_unlistening_ends_it(void **state)
{
    struct hf_store_client *client = *state;
    publish(client, "a", "m1");
    assert_true(hf_store_client_listen(client, "a"));
    publish(client, "a", "m2");
    publish(client, "b", "m1");
    assert_true(hf_store_client_wait_seen(client, 1));
    assert_int_equal(client->seen[0].publication->position.offset, 2);
    assert_string_equal(client->seen[0].channel, "a");

    client->store->ops->unlisten(client->store, hf_bytes_of("a"));
    assert_true(hf_store_client_listen(client, "b")); /* both in one turn */
    publish(client, "a", "m3");
    publish(client, "b", "m2");
    assert_true(hf_store_client_wait_seen(client, 2));
    assert_string_equal(client->seen[1].channel, "b");
    assert_int_equal(client->seen_count, 2);
}

static void listening_again_is_announced_each_time(void **state)
{
    struct hf_store_client *client = *state;
    const struct hf_store_ops *ops = client->store->ops;
    assert_true(hf_store_client_listen(client, "a"));
    assert_true(hf_store_client_listen(client, "a"));
    ops->unlisten(client->store, hf_bytes_of("a"));
    assert_true(hf_store_client_listen(client, "a"));
    ops->unlisten(client->store, hf_bytes_of("a"));
    ops->flush(client->store);
    assert_true(hf_store_client_listen(client, "a"));
    publish(client, "a", "m1");
    assert_true(hf_store_client_wait_seen(client, 1));
    hf_loop_for(client->base, 50);
    assert_int_equal(client->seen_count, 1);
}

static void many_channels_are_listened_to_and_served(void **state)
{
    struct hf_store_client *client = *state;
    enum { COUNT = 2000 };
    struct hf_test_publish **publishes = calloc(COUNT, sizeof(struct hf_test_publish *));
    char name[32];
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "channel-%d", i);
        client->store->ops->listen(client->store, hf_bytes_of(name));
    }
    client->store->ops->flush(client->store);
    assert_true(hf_store_client_wait_seen(client, COUNT));
    client->seen_count = 0;
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "channel-%d", i);
        publishes[i] = hf_store_client_send(client, name, hf_options_10, name);
    }
    client->store->ops->flush(client->store);
    assert_true(hf_store_client_wait_seen(client, COUNT));
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(client->seen[i].publication->position.offset, 1);
        assert_memory_equal(client->seen[i].publication->fields.data.data, client->seen[i].channel,
                            strlen(client->seen[i].channel));
        assert_true(hf_store_client_wait_publish(client, publishes[i]));
        assert_int_equal(publishes[i]->request.result, HF_OK);
        hf_test_publish_free(publishes[i]);
        snprintf(name, sizeof name, "channel-%d", i);
        client->store->ops->unlisten(client->store, hf_bytes_of(name));
    }
    free(publishes);
}

static void paused_store_delivers_later_and_in_order(void **state)
{
    struct hf_store_client *client = *state;
    assert_true(hf_store_client_listen(client, "a"));
    client->store->ops->pause(client->store, true);
    publish_many(client, "a", 5);
    hf_loop_for(client->base, 100);
    assert_int_equal(client->seen_count, 0);
    client->store->ops->pause(client->store, false);
    assert_true(hf_store_client_wait_seen(client, 5));
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(client->seen[i].publication->position.offset, i + 1);
}

static void closing_completes_what_is_open(void **state)
{
    struct hf_store_client *client = *state;
    struct hf_test_publish *publishes[5];
    assert_true(hf_store_client_listen(client, "a"));
    for (int i = 0; i < 5; i++) {
        publishes[i] = hf_store_client_send(client, "a", hf_options_10, "x");
        if (i == 2)
            client->store->ops->flush(client->store); /* sent, or only queued */
    }
    client->store->ops->close(client->store);
    client->store = NULL;
    for (int i = 0; i < 5; i++) {
        assert_true(publishes[i]->is_done);
        assert_int_equal(publishes[i]->request.result, HF_ECLOSED);
        hf_test_publish_free(publishes[i]);
    }
}

static void status_tells_that_it_works(void **state)
{
    struct hf_store_client *client = *state;
    struct hf_store_status status;
    publish(client, "a", "m1");
    client->store->ops->status(client->store, &status);
    assert_true(status.is_connected);
    assert_true(status.is_delivering);
    assert_string_equal(status.reason, "");
    assert_true(status.commands > 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_client, close_client)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(publications_get_consecutive_offsets_of_one_epoch),
        CASE(publication_without_history_has_no_position),
        CASE(history_without_ttl_is_refused),
        CASE(publishes_of_one_turn_are_applied_and_delivered_in_order),
        CASE(publications_with_and_without_history_keep_their_order),
        CASE(all_fields_travel_in_delivery_and_history),
        CASE(large_payload_arrives_whole),
        CASE(history_is_trimmed_to_its_size),
        CASE(reads_give_no_more_than_the_history_holds),
        CASE(expired_history_leaves_the_position),
        CASE(expired_position_ends_the_epoch),
        CASE(removed_history_leaves_the_position),
        CASE(remove_between_publishes_takes_what_was_before_it),
        CASE(bus_message_reaches_its_sender_too),
        CASE(bus_message_to_a_node_is_heard_there_or_nobody_has_the_name),
        CASE(mend_without_page_gives_a_new_epoch_once),
        CASE(read_of_nothing_has_no_position),
        CASE(create_gives_an_epoch_once),
        CASE(position_only_read_gives_no_page),
        CASE(reads_follow_since_limit_and_direction),
        CASE(since_of_another_epoch_gives_the_position_only),
        CASE(bytes_max_cuts_the_page_after_one_at_least),
        CASE(publication_at_since_counts_towards_no_limit_of_bytes),
        CASE(long_history_is_read_whole_and_in_pages),
        CASE(listening_delivers_from_then_on_and_unlistening_ends_it),
        CASE(listening_again_is_announced_each_time),
        CASE(many_channels_are_listened_to_and_served),
        CASE(paused_store_delivers_later_and_in_order),
        CASE(closing_completes_what_is_open),
        CASE(status_tells_that_it_works),
    };
    int failed = cmocka_run_group_tests_name("memory", tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("redis", tests, start_server, stop_server);
    return failed;
}
