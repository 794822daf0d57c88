/* The store contract, on memory and on Redis: listening, the bus, status, closing. */
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

static void listening_delivers_from_then_on_and_unlistening_ends_it(void **state)
{
    struct hf_store_client *client = *state;
    hf_cases_publish(client, "a", "m1");
    assert_true(hf_store_client_listen(client, "a"));
    hf_cases_publish(client, "a", "m2");
    hf_cases_publish(client, "b", "m1");
    assert_true(hf_store_client_wait_seen(client, 1));
    assert_int_equal(client->seen[0].publication->position.offset, 2);
    assert_string_equal(client->seen[0].channel, "a");

    client->store->ops->unlisten(client->store, hf_bytes_of("a"));
    assert_true(hf_store_client_listen(client, "b")); /* both in one turn */
    hf_cases_publish(client, "a", "m3");
    hf_cases_publish(client, "b", "m2");
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
    hf_cases_publish(client, "a", "m1");
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
    hf_cases_publish_many(client, "a", 5);
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
    hf_cases_publish(client, "a", "m1");
    client->store->ops->status(client->store, &status);
    assert_true(status.is_connected);
    assert_true(status.is_delivering);
    assert_string_equal(status.reason, "");
    assert_true(status.commands > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HF_CASE(bus_message_reaches_its_sender_too),
        HF_CASE(bus_message_to_a_node_is_heard_there_or_nobody_has_the_name),
        HF_CASE(listening_delivers_from_then_on_and_unlistening_ends_it),
        HF_CASE(listening_again_is_announced_each_time),
        HF_CASE(many_channels_are_listened_to_and_served),
        HF_CASE(paused_store_delivers_later_and_in_order),
        HF_CASE(closing_completes_what_is_open),
        HF_CASE(status_tells_that_it_works),
    };
    return HF_CASES_RUN(tests);
}
