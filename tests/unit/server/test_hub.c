#include "session_fixture.h"

/* A subscription without a protocol behind it. */
struct member {
    struct hf_session session;
    struct hf_subscription subscription;
    struct hf_connection connection;
};

static const struct hf_stream_options options = {.history_size = 10, .history_ttl_s = 60};

static void member_add(struct member *member, struct fixture *fixture, const char *channel)
{
    memset(member, 0, sizeof(*member));
    member->session.worker = &fixture->worker;
    member->session.transport = &fake_transport;
    member->session.connection = &member->connection;
    member->subscription.session = &member->session;
    assert_int_equal(
        hf_hub_add(fixture->worker.hub, hf_slice_of(channel), &options, &member->subscription),
        HF_OK);
}

static void member_remove(struct member *member)
{
    hf_hub_remove(&member->subscription);
    assert_null(member->subscription.entry);
    free(member->connection.sent);
    member->connection.sent = NULL;
}

static void check_entry(const struct hf_hub_entry *entry)
{
    assert_true(entry->live <= entry->count && entry->count <= entry->capacity);
    for (uint32_t i = 0; i < entry->count; i++) {
        assert_int_equal(entry->subscribers[i].subscription->hub_index, i);
        assert_ptr_equal(entry->subscribers[i].subscription->entry, entry);
    }
}

static void channel_has_one_watch_until_the_last_is_gone(void **state)
{
    struct fixture *fixture = *state;
    struct member a;
    struct member b;

    assert_null(hf_hub_find(fixture->worker.hub, HF_SLICE("x")));
    member_add(&a, fixture, "x");
    member_add(&b, fixture, "x");
    assert_int_equal(fake_engine.watch_count, 1);
    assert_string_equal(fake_engine.watches[0]->channel, "x");
    assert_int_equal(fake_engine.watches[0]->options.history_ttl_s, 60);
    assert_ptr_equal(fake_engine.watches[0]->context, a.subscription.entry);
    assert_ptr_equal(hf_hub_find(fixture->worker.hub, HF_SLICE("x")), a.subscription.entry);
    assert_int_equal(fixture->worker.counters.channels, 1);
    member_remove(&a);
    assert_int_equal(open_watches(), 1);
    member_remove(&b);
    assert_int_equal(open_watches(), 0);
    assert_int_equal(fixture->worker.counters.channels, 0);
    assert_null(hf_hub_find(fixture->worker.hub, HF_SLICE("x")));
}

static void only_live_subscribers_are_sent_to(void **state)
{
    struct fixture *fixture = *state;
    struct hf_publication *publication = publication_of(2, "1");
    struct member a;
    struct member b;

    member_add(&a, fixture, "x");
    member_add(&b, fixture, "x");
    hf_hub_set_live(&b.subscription);
    hf_hub_set_live(&b.subscription); /* twice is once */
    assert_true(hf_hub_is_live(&b.subscription));
    assert_false(hf_hub_is_live(&a.subscription));
    hf_hub_on_publication(b.subscription.entry, publication);
    assert_null(a.connection.sent);
    assert_string_equal(b.connection.sent,
                        "[{\"push\":{\"channel\":\"x\",\"pub\":{\"data\":1,\"offset\":2}}}]");
    member_remove(&a);
    member_remove(&b);
    hf_publication_unref(publication);
}

static void random_changes_keep_the_order_of_things(void **state)
{
    enum { MEMBERS = 200, STEPS = 20000 };
    struct fixture *fixture = *state;
    struct member *members = calloc(MEMBERS, sizeof(*members));
    bool is_in[MEMBERS] = {false};
    bool is_live[MEMBERS] = {false};
    uint32_t seed = 12345;

    assert_non_null(members);
    for (int step = 0; step < STEPS; step++) {
        unsigned i;

        seed = seed * 1664525u + 1013904223u;
        i = (seed >> 8) % MEMBERS;
        if (!is_in[i]) {
            member_add(&members[i], fixture, i % 3 == 0 ? "x" : "y");
            is_in[i] = true;
        } else if (!is_live[i] && (seed >> 28) < 8) {
            hf_hub_set_live(&members[i].subscription);
            is_live[i] = true;
        } else {
            member_remove(&members[i]);
            is_in[i] = is_live[i] = false;
        }
        if (step % 100 == 0 || step == STEPS - 1) {
            for (unsigned m = 0; m < MEMBERS; m++) {
                if (is_in[m]) {
                    check_entry(members[m].subscription.entry);
                    assert_int_equal(hf_hub_is_live(&members[m].subscription), is_live[m]);
                }
            }
        }
    }
    for (unsigned m = 0; m < MEMBERS; m++) {
        if (is_in[m]) {
            member_remove(&members[m]);
        }
    }
    free(members);
}

/* Every size up to 5, every number of live ones, each member removed first and then all others. */
static void removing_any_member_keeps_the_places_of_the_others(void **state)
{
    enum { MOST = 5 };
    struct fixture *fixture = *state;

    for (unsigned count = 1; count <= MOST; count++) {
        for (unsigned live = 0; live <= count; live++) {
            for (unsigned first = 0; first < count; first++) {
                struct member members[MOST];

                for (unsigned i = 0; i < count; i++) {
                    member_add(&members[i], fixture, "x");
                }
                for (unsigned i = 0; i < live; i++) {
                    hf_hub_set_live(&members[i].subscription);
                }
                for (unsigned i = 0; i < count; i++) {
                    unsigned removed = (first + i) % count;

                    member_remove(&members[removed]);
                    for (unsigned k = i + 1; k < count; k++) {
                        unsigned left = (first + k) % count;

                        check_entry(members[left].subscription.entry);
                        assert_ptr_equal(members[left]
                                             .subscription.entry
                                             ->subscribers[members[left].subscription.hub_index]
                                             .subscription,
                                         &members[left].subscription);
                        assert_int_equal(hf_hub_is_live(&members[left].subscription), left < live);
                    }
                }
                assert_int_equal(open_watches(), 0);
            }
        }
    }
}

static void table_grows_and_shrinks(void **state)
{
    enum { CHANNELS = 3000 };
    struct fixture *fixture = *state;
    struct member *members = calloc(CHANNELS, sizeof(*members));
    char channel[32];

    assert_non_null(members);
    for (int i = 0; i < CHANNELS; i++) {
        (void)snprintf(channel, sizeof(channel), "channel-number-%d", i);
        member_add(&members[i], fixture, channel);
    }
    assert_int_equal(fixture->worker.counters.channels, CHANNELS);
    for (int i = 0; i < CHANNELS; i++) {
        (void)snprintf(channel, sizeof(channel), "channel-number-%d", i);
        assert_ptr_equal(hf_hub_find(fixture->worker.hub, hf_slice_of(channel)),
                         members[i].subscription.entry);
    }
    assert_null(hf_hub_find(fixture->worker.hub, HF_SLICE("channel-number-")));
    for (int i = 0; i < CHANNELS; i++) {
        member_remove(&members[i]);
    }
    free(members);
}

static void fan_out_to_5000_builds_one_frame(void **state)
{
    enum { MEMBERS = 5000 };
    struct fixture *fixture = *state;
    struct hf_publication *publication = publication_of(2, "{\"a\":1.0}");
    struct member *members = calloc(MEMBERS, sizeof(*members));

    assert_non_null(members);
    for (int i = 0; i < MEMBERS; i++) {
        member_add(&members[i], fixture, "x");
        hf_hub_set_live(&members[i].subscription);
    }
    hf_hub_on_publication(members[0].subscription.entry, publication);
    assert_int_equal(fixture->worker.counters.frames_built, 1);
    for (int i = 0; i < MEMBERS; i++) {
        assert_int_equal(members[i].connection.frames, 1);
        assert_string_equal(
            members[i].connection.sent,
            "[{\"push\":{\"channel\":\"x\",\"pub\":{\"data\":{\"a\":1.0},\"offset\":2}}}]");
        member_remove(&members[i]);
    }
    free(members);
    hf_publication_unref(publication);
}

/* --- with sessions: what happens when a publication cannot be sent -------------------------- */

static void binary_publication_disconnects_its_subscribers(void **state)
{
    struct hf_publication *publication = publication_of(2, "\x01");
    struct client a;
    struct client b;
    struct client other;

    client_connect(&a, *state);
    client_connect(&b, *state);
    client_connect(&other, *state);
    client_subscribe_live(&a, "chat:a", 1);
    client_subscribe_live(&b, "chat:a", 1);
    client_subscribe_live(&other, "chat:b", 1);
    hf_hub_on_publication(fake_engine.watches[0]->context, publication);
    expect_closed(&a, 3506, "inappropriate protocol");
    expect_closed(&b, 3506, "inappropriate protocol");
    expect_open(&other);
    assert_int_equal(open_watches(), 1);
    client_close(&a);
    client_close(&b);
    client_close(&other);
    hf_publication_unref(publication);
}

static void publication_without_a_frame_is_a_loss_to_its_subscribers(void **state)
{
    struct hf_publication *publication = publication_of(2, "1");
    struct client a;
    struct client b;

    client_connect(&a, *state);
    client_connect(&b, *state);
    client_subscribe_live(&a, "chat:a", 1);
    client_subscribe_live(&b, "chat:a", 1);
    fake_wrap_fails = true;
    hf_hub_on_publication(fake_engine.watches[0]->context, publication);
    hf_hub_flush(a.fixture->worker.hub);
    fake_wrap_fails = false;
    /* The goodbye has no memory either: the connections end instead. */
    expect_closed(&a, 3004, "internal server error");
    expect_closed(&b, 3004, "internal server error");
    assert_int_equal(open_watches(), 0);
    client_close(&a);
    client_close(&b);
    hf_publication_unref(publication);
}

static void failing_flush_inside_a_fan_out_may_remove_the_last_subscriber(void **state)
{
    struct hf_subscribe_result result = {.position = {EPOCH, 1}, .top = {EPOCH, 1}, .live = true};
    struct hf_publication *publication = publication_of(2, "1");
    struct client client;

    client_connect(&client, *state);
    client_send(&client, "{\"id\":2,\"subscribe\":{\"channel\":\"chat:a\"}}");
    complete_subscribe(0, HF_OK, &result); /* the reply is gathered, not sent */
    fake_wrap_fails = true;
    hf_hub_on_publication(fake_engine.watches[0]->context, publication);
    fake_wrap_fails = false;
    expect_closed(&client, 3004, "internal server error");
    assert_int_equal(open_watches(), 0);
    client_close(&client);
    hf_publication_unref(publication);
}

static void lost_stream_of_many_ends_each_once(void **state)
{
    enum { CLIENTS = 50 };
    struct client *clients = calloc(CLIENTS, sizeof(*clients));

    assert_non_null(clients);
    for (int i = 0; i < CLIENTS; i++) {
        client_connect(&clients[i], *state);
        client_subscribe_live(&clients[i], "chat:a", 1);
    }
    hf_hub_on_lost(fake_engine.watches[0]->context, HF_EUNRECOVERABLE);
    assert_int_equal(open_watches(), 0);
    for (int i = 0; i < CLIENTS; i++) {
        expect_sent(&clients[i], "[{\"push\":{\"channel\":\"chat:a\",\"unsubscribe\":"
                                 "{\"code\":2500,\"reason\":\"insufficient state\"}}}]");
        client_close(&clients[i]);
    }
    free(clients);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(channel_has_one_watch_until_the_last_is_gone),
        WITH_FIXTURE(only_live_subscribers_are_sent_to),
        WITH_FIXTURE(random_changes_keep_the_order_of_things),
        WITH_FIXTURE(removing_any_member_keeps_the_places_of_the_others),
        WITH_FIXTURE(table_grows_and_shrinks),
        WITH_FIXTURE(fan_out_to_5000_builds_one_frame),
        WITH_FIXTURE(binary_publication_disconnects_its_subscribers),
        WITH_FIXTURE(publication_without_a_frame_is_a_loss_to_its_subscribers),
        WITH_FIXTURE(failing_flush_inside_a_fan_out_may_remove_the_last_subscriber),
        WITH_FIXTURE(lost_stream_of_many_ends_each_once),
    };

    return cmocka_run_group_tests_name("hub", tests, NULL, NULL);
}
