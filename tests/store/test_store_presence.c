/* Presence in the store contract: the same cases on the memory store and on a real Redis. */
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

#define TTL_MS      60000
#define KEYS_OF_ALL 1 /* holdfast:life, whatever the presence */

static struct hf_redis_server *server; /* of the group; NULL: memory */
static uint32_t ttl_ms = TTL_MS;

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

static struct hf_store_client *connect_client(void)
{
    struct hf_store_client *client = malloc(sizeof *client);
    hf_store_client_init(client, server != NULL ? hf_redis_server_unix(server) : NULL);
    client->config.presence_ttl_ms = ttl_ms;
    hf_store_client_connect(client);
    return client;
}

static int open_client(void **state)
{
    if (server != NULL)
        hf_redis_server_do(server, "FLUSHALL");
    ttl_ms = TTL_MS;
    *state = connect_client();
    return 0;
}

static int open_short_client(void **state)
{
    if (server != NULL)
        hf_redis_server_do(server, "FLUSHALL");
    ttl_ms = 300;
    *state = connect_client();
    return 0;
}

static int close_client(void **state)
{
    hf_store_client_close(*state);
    free(*state);
    return 0;
}

static long long number(const char *command)
{
    redisReply *reply = hf_redis_server_command(server, command);
    assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
    long long value = reply->integer;
    freeReplyObject(reply);
    return value;
}

/* --- requests ------------------------------------------------------------------------------- */

struct open_update {
    struct hf_store_presence request;
    bool is_done;
};

static void on_updated(struct hf_store_presence *request)
{
    ((struct open_update *)(void *)request)->is_done = true;
}

static bool is_update_done(void *context)
{
    return ((struct open_update *)context)->is_done;
}

static int update_all(struct hf_store_client *client, struct hf_presence_item *items, size_t count)
{
    struct open_update open = {.request = {.items = items, .count = count, .complete = on_updated}};
    client->store->ops->presence(client->store, &open.request);
    client->store->ops->flush(client->store);
    assert_true(hf_loop_until(client->base, is_update_done, &open, 5000));
    return open.request.result;
}

static struct hf_presence_item item_of(enum hf_presence_action action, const char *channel,
                                       const char *who, const char *user)
{
    return (struct hf_presence_item){.action = action,
                                     .who = {.channel = hf_bytes_of(channel),
                                             .client = hf_bytes_of(who),
                                             .user = hf_bytes_of(user),
                                             .info = hf_bytes_of(who)}};
}

/* Returns is_held. */
static bool update(struct hf_store_client *client, struct hf_presence_item item)
{
    assert_int_equal(update_all(client, &item, 1), HF_OK);
    return item.is_held;
}

static bool add(struct hf_store_client *client, const char *who, const char *user)
{
    return update(client, item_of(HF_PRESENCE_ADD, "a", who, user));
}

static bool leave(struct hf_store_client *client, const char *who, const char *user,
                  uint32_t grace_ms)
{
    struct hf_presence_item item = item_of(HF_PRESENCE_REMOVE, "a", who, user);
    item.tells = true;
    item.grace_ms = grace_ms;
    return update(client, item);
}

struct open_read {
    struct hf_store_presence_read request;
    bool is_done;
};

static void on_read(struct hf_store_presence_read *request)
{
    ((struct open_read *)(void *)request)->is_done = true;
}

static bool is_read_done(void *context)
{
    return ((struct open_read *)context)->is_done;
}

static struct hf_store_presence_read read_of(struct hf_store_client *client, const char *channel,
                                             bool wants_entries)
{
    struct open_read open = {.request = {.channel = hf_bytes_of(channel),
                                         .wants_entries = wants_entries,
                                         .complete = on_read}};
    client->store->ops->presence_read(client->store, &open.request);
    client->store->ops->flush(client->store);
    assert_true(hf_loop_until(client->base, is_read_done, &open, 5000));
    assert_int_equal(open.request.result, HF_OK);
    return open.request;
}

static void assert_stats(struct hf_store_client *client, const char *channel, uint64_t clients,
                         uint64_t users)
{
    struct hf_store_presence_read stats = read_of(client, channel, false);
    assert_int_equal(stats.clients, clients);
    assert_int_equal(stats.users, users);
    assert_null(stats.entries);
}

/* Exactly these clients, each with its own name as info; up to NULL. */
static void assert_present(struct hf_store_client *client, const char *channel, ...)
{
    struct hf_store_presence_read all = read_of(client, channel, true);
    va_list names;
    size_t count = 0;
    va_start(names, channel);
    for (const char *name = va_arg(names, const char *); name != NULL;
         name = va_arg(names, const char *)) {
        bool is_found = false;
        for (size_t i = 0; i < all.count; i++) {
            const struct hf_present_client *entry = &all.entries[i];
            is_found |= entry->client.len == strlen(name) &&
                        memcmp(entry->client.data, name, strlen(name)) == 0 &&
                        entry->info.len == strlen(name) &&
                        memcmp(entry->info.data, name, strlen(name)) == 0;
        }
        if (!is_found)
            fail_msg("%s is not present", name);
        count++;
    }
    va_end(names);
    assert_int_equal(all.count, count);
    free(all.entries);
}

/* The n-th thing seen is this client's join or leave. */
static void assert_told(struct hf_store_client *client, size_t n, bool is_join, const char *who)
{
    assert_true(hf_store_client_wait_seen(client, n + 1));
    assert_int_equal(client->seen[n].is_join, is_join);
    assert_int_equal(client->seen[n].is_leave, !is_join);
    assert_string_equal(client->seen[n].channel, "a");
    assert_string_equal(client->seen[n].info, who);
}

/* --- cases ---------------------------------------------------------------------------------- */

static void nobody_is_in_an_unknown_channel(void **state)
{
    assert_present(*state, "a", NULL);
    assert_stats(*state, "a", 0, 0);
}

static void added_clients_are_present_and_counted_with_their_users(void **state)
{
    add(*state, "c1", "ann");
    add(*state, "c2", "ann");
    add(*state, "c3", "bob");
    add(*state, "c4", "");
    add(*state, "c5", "");
    update(*state, item_of(HF_PRESENCE_ADD, "b", "c1", "ann"));
    assert_present(*state, "a", "c1", "c2", "c3", "c4", "c5", NULL);
    assert_stats(*state, "a", 5, 3);
    assert_present(*state, "b", "c1", NULL);
}

static void client_added_twice_counts_once_with_its_newest_info(void **state)
{
    struct hf_presence_item item = item_of(HF_PRESENCE_ADD, "a", "c1", "ann");
    item.who.info = hf_bytes_of("old");
    update(*state, item);
    add(*state, "c1", "ann");
    assert_present(*state, "a", "c1", NULL);
    assert_stats(*state, "a", 1, 1);
}

static void removed_client_is_gone_and_its_user_with_the_last(void **state)
{
    add(*state, "c1", "ann");
    add(*state, "c2", "ann");
    update(*state, item_of(HF_PRESENCE_REMOVE, "a", "c1", "ann"));
    assert_present(*state, "a", "c2", NULL);
    assert_stats(*state, "a", 1, 1);
    update(*state, item_of(HF_PRESENCE_REMOVE, "a", "c2", "ann"));
    update(*state, item_of(HF_PRESENCE_REMOVE, "a", "c2", "ann"));
    assert_present(*state, "a", NULL);
    assert_stats(*state, "a", 0, 0);
    if (server != NULL)
        assert_int_equal(number("DBSIZE"), KEYS_OF_ALL);
}

static void changes_of_one_request_are_applied_in_order(void **state)
{
    struct hf_presence_item items[4] = {
        item_of(HF_PRESENCE_ADD, "a", "c1", "ann"), item_of(HF_PRESENCE_REMOVE, "a", "c1", "ann"),
        item_of(HF_PRESENCE_REMOVE, "b", "c2", "bob"), item_of(HF_PRESENCE_ADD, "b", "c2", "bob")};
    assert_int_equal(update_all(*state, items, 4), HF_OK);
    assert_present(*state, "a", NULL);
    assert_present(*state, "b", "c2", NULL);
}

static void many_changes_in_one_turn_are_applied_in_order(void **state)
{
    struct hf_store_client *client = *state;
    enum { PAIRS = 300 };
    static struct open_update opens[2 * PAIRS + 1];
    static struct hf_presence_item items[2 * PAIRS + 1];
    for (int i = 0; i <= 2 * PAIRS; i++) {
        items[i] = item_of(i % 2 == 0 ? HF_PRESENCE_ADD : HF_PRESENCE_REMOVE, "a", "c1", "ann");
        opens[i] = (struct open_update){
            .request = {.items = &items[i], .count = 1, .complete = on_updated}};
        client->store->ops->presence(client->store, &opens[i].request);
    }
    assert_present(client, "a", "c1", NULL); /* also: a read sees what was asked for before it */
    for (int i = 0; i <= 2 * PAIRS; i++) {
        assert_true(opens[i].is_done);
        assert_int_equal(opens[i].request.result, HF_OK);
    }
    assert_stats(client, "a", 1, 1);
}

static void client_without_refresh_expires(void **state)
{
    add(*state, "c1", "ann");
    add(*state, "c2", "bob");
    for (int i = 0; i < 4; i++) {
        hf_loop_for(((struct hf_store_client *)*state)->base, 150);
        update(*state, item_of(HF_PRESENCE_REFRESH, "a", "c2", "bob"));
    }
    assert_present(*state, "a", "c2", NULL);
    assert_stats(*state, "a", 1, 1);
}

static void expired_clients_are_not_seen_although_nobody_took_them_out(void **state)
{
    /* Another, longer lived one keeps the keys alive, and nothing writes after the expiry. */
    struct hf_store_client *client = *state;
    ttl_ms = TTL_MS;
    struct hf_store_client *other = connect_client();
    add(other, "c3", "ann");
    add(client, "c1", "ann");
    add(client, "c2", "bob");
    if (server != NULL) {
        assert_stats(client, "a", 3, 2);
        hf_loop_for(client->base, 400);
        assert_present(client, "a", "c3", NULL);
        assert_stats(client, "a", 1, 1);
        assert_int_equal(number("HLEN holdfast:presence:a"), 3);
        update(other, item_of(HF_PRESENCE_REFRESH, "a", "c3", "ann"));
        assert_int_equal(number("HLEN holdfast:presence:a"), 1);
        assert_stats(client, "a", 1, 1);
    }
    hf_store_client_close(other);
    free(other);
}

static void refresh_adds_what_the_store_has_lost(void **state)
{
    if (server == NULL)
        return; /* a process' memory loses nothing */
    add(*state, "c1", "ann");
    hf_redis_server_do(server, "FLUSHALL");
    assert_present(*state, "a", NULL);
    update(*state, item_of(HF_PRESENCE_REFRESH, "a", "c1", "ann"));
    assert_present(*state, "a", "c1", NULL);
    assert_stats(*state, "a", 1, 1);
}

static void keys_expire_with_the_last_client(void **state)
{
    if (server == NULL)
        return;
    add(*state, "c1", "ann");
    assert_int_equal(number("DBSIZE"), KEYS_OF_ALL + 3);
    hf_loop_for(((struct hf_store_client *)*state)->base, 500);
    assert_int_equal(number("DBSIZE"), KEYS_OF_ALL);
}

static void joins_and_leaves_are_told_in_order_with_publications(void **state)
{
    struct hf_store_client *client = *state;
    assert_true(hf_store_client_listen(client, "a"));
    add(client, "c1", "ann");
    update(client, item_of(HF_PRESENCE_JOIN, "a", "c1", "ann"));
    assert_int_equal(hf_store_client_publish(client, "a", hf_options_none, "x", NULL), HF_OK);
    leave(client, "c1", "ann", 0);
    assert_told(client, 0, true, "c1");
    assert_told(client, 2, false, "c1");
    assert_non_null(client->seen[1].publication);
    assert_int_equal(client->seen_count, 3);
    assert_stats(client, "a", 0, 0);
}

static void leave_with_grace_stays_and_ends_with_its_leave(void **state)
{
    struct hf_store_client *client = *state;
    assert_true(hf_store_client_listen(client, "a"));
    add(client, "c1", "ann");
    assert_true(leave(client, "c1", "ann", 10000));
    assert_present(client, "a", "c1", NULL);
    update(client, item_of(HF_PRESENCE_END, "a", "c1", "ann"));
    assert_told(client, 0, false, "c1");
    update(client, item_of(HF_PRESENCE_END, "a", "c1", "ann"));
    assert_present(client, "a", NULL);
    assert_stats(client, "a", 0, 0);
    assert_int_equal(client->seen_count, 1);
}

static void user_who_returns_within_the_grace_is_not_told_to_have_left(void **state)
{
    struct hf_store_client *client = *state;
    assert_true(hf_store_client_listen(client, "a"));
    assert_false(add(client, "c1", "ann"));
    assert_false(add(client, "c2", "ann"));
    assert_true(leave(client, "c1", "ann", 10000));
    assert_true(leave(client, "c2", "ann", 10000));
    assert_stats(client, "a", 2, 1);
    assert_false(add(client, "c3", "bob"));
    assert_true(add(client, "c4", "ann"));
    assert_stats(client, "a", 3, 2);
    assert_true(add(client, "c2", "ann") || add(client, "c5", "ann"));
    assert_false(add(client, "c6", "ann"));
    update(client, item_of(HF_PRESENCE_END, "a", "c1", "ann"));
    update(client, item_of(HF_PRESENCE_END, "a", "c2", "ann"));
    update(client, item_of(HF_PRESENCE_JOIN, "a", "last", ""));
    assert_told(client, 0, true, "last");
    assert_int_equal(client->seen_count, 1);
}

static void same_client_that_returns_within_the_grace_stays(void **state)
{
    struct hf_store_client *client = *state;
    add(client, "c1", "ann");
    assert_true(leave(client, "c1", "ann", 10000));
    assert_true(add(client, "c1", "ann"));
    update(client, item_of(HF_PRESENCE_END, "a", "c1", "ann"));
    assert_present(client, "a", "c1", NULL);
    assert_stats(client, "a", 1, 1);
}

static void grace_without_user_or_presence_is_none(void **state)
{
    struct hf_store_client *client = *state;
    assert_true(hf_store_client_listen(client, "a"));
    add(client, "c1", "");
    assert_false(leave(client, "c1", "", 10000));
    assert_false(leave(client, "c2", "ann", 10000));
    assert_told(client, 0, false, "c1");
    assert_told(client, 1, false, "c2");
    assert_stats(client, "a", 0, 0);
}

static void grace_whose_end_does_not_come_ends_with_the_next_change(void **state)
{
    struct hf_store_client *client = *state;
    assert_true(hf_store_client_listen(client, "a"));
    add(client, "c1", "ann");
    assert_true(leave(client, "c1", "ann", 1));
    hf_loop_for(client->base, HF_PRESENCE_SLACK_MS + 200);
    add(client, "c2", "bob");
    assert_told(client, 0, false, "c1");
    assert_present(client, "a", "c2", NULL);
    assert_stats(client, "a", 1, 1);
}

static void forgotten_scripts_are_sent_again(void **state)
{
    if (server == NULL)
        return;
    add(*state, "c1", "ann");
    hf_redis_server_do(server, "SCRIPT FLUSH");
    add(*state, "c2", "bob");
    hf_redis_server_do(server, "SCRIPT FLUSH");
    assert_present(*state, "a", "c1", "c2", NULL);
    hf_redis_server_do(server, "SCRIPT FLUSH");
    assert_stats(*state, "a", 2, 2);
}

static void wrong_type_is_an_error(void **state)
{
    if (server == NULL)
        return;
    hf_redis_server_do(server, "SET holdfast:presence-expire:a x");
    struct hf_presence_item item = item_of(HF_PRESENCE_ADD, "a", "c1", "ann");
    assert_int_equal(update_all(*state, &item, 1), HF_ESTORE);
}

/* All that goes in one call of the script: two requests, one of them of two channels. */
static void wrong_type_in_one_channel_is_no_error_of_the_others(void **state)
{
    struct hf_store_client *client = *state;
    struct hf_presence_item mixed[] = {item_of(HF_PRESENCE_REFRESH, "b", "one", "ann"),
                                       item_of(HF_PRESENCE_REFRESH, "a", "one", "ann"),
                                       item_of(HF_PRESENCE_REFRESH, "c", "one", "ann")};
    struct hf_presence_item own[] = {item_of(HF_PRESENCE_ADD, "b", "two", "bob")};
    struct open_update first = {.request = {.items = own, .count = 1, .complete = on_updated}};
    if (server == NULL)
        return; /* the memory store has no keys */
    hf_redis_server_do(server, "SET holdfast:presence-expire:a x");
    client->store->ops->presence(client->store, &first.request);
    assert_int_equal(update_all(client, mixed, 3), HF_ESTORE);
    assert_int_equal(first.request.result, HF_OK);
    assert_non_null(strstr(client->log, "WRONGTYPE"));
    assert_stats(client, "b", 2, 2);
    assert_stats(client, "c", 1, 1);
    assert_in_range(number("PTTL holdfast:presence:c"), 1, TTL_MS);
}

static void change_whose_answer_is_lost_is_repeated_without_telling_again(void **state)
{
    (void)state;
    if (server == NULL)
        return;
    struct hf_store_client *listener = connect_client();
    struct hf_store_client *client = malloc(sizeof *client);
    hf_store_client_init(client, hf_redis_server_unix(server));
    client->config.redis.io_timeout_ms = 300;
    client->config.wait_ms = 20000;
    hf_store_client_connect(client);
    assert_true(hf_store_client_listen(listener, "a"));
    hf_redis_server_stop(server);
    struct hf_presence_item items[3] = {item_of(HF_PRESENCE_ADD, "a", "c1", "ann"),
                                        item_of(HF_PRESENCE_JOIN, "a", "c1", "ann"),
                                        item_of(HF_PRESENCE_REFRESH, "a", "c2", "bob")};
    struct open_update open = {.request = {.items = items, .count = 3, .complete = on_updated}};
    client->store->ops->presence(client->store, &open.request);
    client->store->ops->flush(client->store);
    hf_loop_for(client->base, 1000); /* more than the timeout */
    assert_false(open.is_done);
    hf_redis_server_cont(server);
    assert_true(hf_loop_until(client->base, is_update_done, &open, HF_TEST_DEADLINE_MS));
    assert_int_equal(open.request.result, HF_OK);
    assert_present(client, "a", "c1", "c2", NULL);
    assert_stats(client, "a", 2, 2);
    struct hf_presence_item last = item_of(HF_PRESENCE_JOIN, "a", "last", "");
    update(client, last);
    assert_true(hf_store_client_wait_seen(listener, 1));
    while (strcmp(listener->seen[listener->seen_count - 1].info, "last") != 0)
        assert_true(hf_store_client_wait_seen(listener, listener->seen_count + 1));
    assert_true(listener->seen_count <= 2);
    hf_store_client_close(client);
    hf_store_client_close(listener);
    free(client);
    free(listener);
}

static void closing_completes_what_is_open(void **state)
{
    struct hf_store_client *client = *state;
    struct hf_presence_item item = item_of(HF_PRESENCE_ADD, "a", "c1", "ann");
    struct open_update sent = {.request = {.items = &item, .count = 1, .complete = on_updated}};
    struct open_update queued = sent;
    struct open_read read = {
        .request = {.channel = hf_bytes_of("a"), .wants_entries = true, .complete = on_read}};
    client->store->ops->presence(client->store, &sent.request);
    client->store->ops->flush(client->store);
    client->store->ops->presence(client->store, &queued.request);
    client->store->ops->presence_read(client->store, &read.request);
    client->store->ops->close(client->store);
    client->store = NULL;
    assert_true(sent.is_done && queued.is_done && read.is_done);
    assert_int_equal(sent.request.result, HF_ECLOSED);
    assert_int_equal(queued.request.result, HF_ECLOSED);
    assert_int_equal(read.request.result, HF_ECLOSED);
}

#define CASE(name)       cmocka_unit_test_setup_teardown(name, open_client, close_client)
#define SHORT_CASE(name) cmocka_unit_test_setup_teardown(name, open_short_client, close_client)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nobody_is_in_an_unknown_channel),
        CASE(added_clients_are_present_and_counted_with_their_users),
        CASE(client_added_twice_counts_once_with_its_newest_info),
        CASE(removed_client_is_gone_and_its_user_with_the_last),
        CASE(changes_of_one_request_are_applied_in_order),
        CASE(many_changes_in_one_turn_are_applied_in_order),
        SHORT_CASE(client_without_refresh_expires),
        SHORT_CASE(expired_clients_are_not_seen_although_nobody_took_them_out),
        CASE(refresh_adds_what_the_store_has_lost),
        SHORT_CASE(keys_expire_with_the_last_client),
        CASE(joins_and_leaves_are_told_in_order_with_publications),
        CASE(leave_with_grace_stays_and_ends_with_its_leave),
        CASE(user_who_returns_within_the_grace_is_not_told_to_have_left),
        CASE(same_client_that_returns_within_the_grace_stays),
        CASE(grace_without_user_or_presence_is_none),
        CASE(grace_whose_end_does_not_come_ends_with_the_next_change),
        CASE(forgotten_scripts_are_sent_again),
        CASE(wrong_type_is_an_error),
        CASE(wrong_type_in_one_channel_is_no_error_of_the_others),
        CASE(change_whose_answer_is_lost_is_repeated_without_telling_again),
        CASE(closing_completes_what_is_open),
    };
    int failed = cmocka_run_group_tests_name("memory", tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("redis", tests, start_server, stop_server);
    return failed;
}
