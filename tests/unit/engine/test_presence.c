/* Presence through ports (engine/presence.c), over the memory store. */
#include "engine_fixture.h"

/* What a port's watch was told and what requests were answered. */
struct answer {
    unsigned count;
    int result;
    bool has_returned;
    uint64_t clients, users;
    size_t present;
    char first[32]; /* "client=info" of the first one present */
};

static void on_added(void *context, int result, bool has_returned)
{
    struct answer *answer = context;
    answer->count++;
    answer->result = result;
    answer->has_returned = has_returned;
}

static void on_presence(void *context, int result, const struct hf_present_client *clients,
                        size_t count)
{
    struct answer *answer = context;
    answer->count++;
    answer->result = result;
    answer->present = count;
    if (count > 0) {
        snprintf(answer->first, sizeof answer->first, "%.*s=%.*s", (int)clients[0].client.len,
                 clients[0].client.data, (int)clients[0].info.len, clients[0].info.data);
    } else {
        assert_null(clients);
    }
}

static void on_stats(void *context, int result, uint64_t clients, uint64_t users)
{
    struct answer *answer = context;
    answer->count++;
    answer->result = result;
    answer->clients = clients;
    answer->users = users;
}

/* "+" and "-" with the infos of who joined and left. */
struct news {
    char text[128];
};

static void note(struct news *news, char sign, struct hf_bytes info)
{
    size_t len = strlen(news->text);
    snprintf(news->text + len, sizeof news->text - len, "%c%.*s", sign, (int)info.len, info.data);
}

static void on_join(void *context, struct hf_bytes info)
{
    note(context, '+', info);
}

static void on_leave(void *context, struct hf_bytes info)
{
    note(context, '-', info);
}

static void ignore_publication(void *context, struct hf_publication *publication)
{
    (void)context;
    (void)publication;
}

static void ignore_lost(void *context, int reason)
{
    (void)context;
    (void)reason;
}

struct setup {
    struct hf_engine *engine;
    struct hf_port *port;
};

static int open_setup(void **state)
{
    const struct hf_engine_config config = {.store = HF_STORE_MEMORY};
    const struct hf_port_callbacks callbacks = {.on_publication = ignore_publication,
                                                .on_lost = ignore_lost,
                                                .on_join = on_join,
                                                .on_leave = on_leave};
    struct setup *setup = calloc(1, sizeof *setup);
    assert_non_null(setup);
    setup->engine = open_engine(&config);
    setup->port = hf_port_open(setup->engine, &callbacks);
    assert_non_null(setup->port);
    *state = setup;
    return 0;
}

static int close_setup(void **state)
{
    struct setup *setup = *state;
    if (setup->port != NULL) {
        hf_port_close(setup->port);
    }
    hf_engine_close(setup->engine);
    free(setup);
    return 0;
}

static struct hf_presence_client client_of(const char *name, const char *user)
{
    return (struct hf_presence_client){.channel = fixture_bytes("a"),
                                       .client = fixture_bytes(name),
                                       .user = fixture_bytes(user),
                                       .info = fixture_bytes(name)};
}

static struct answer add(struct hf_port *port, const char *name, const char *user)
{
    struct hf_presence_client client = client_of(name, user);
    struct answer answer = {0};
    assert_int_equal(hf_presence_add(port, &client, on_added, &answer), HF_OK);
    turn_until(port, answer.count == 1);
    assert_int_equal(answer.result, HF_OK);
    return answer;
}

static void leave(struct hf_port *port, const char *name, const char *user, uint32_t grace_ms)
{
    const struct hf_presence_remove_options options = {.tells = true, .grace_ms = grace_ms};
    struct hf_presence_client client = client_of(name, user);
    struct reply reply = {0};
    assert_int_equal(hf_presence_remove(port, &client, &options, on_done, &reply), HF_OK);
    turn_until(port, reply.count == 1);
    assert_int_equal(reply.result, HF_OK);
}

static struct answer stats(struct hf_port *port)
{
    struct answer answer = {0};
    assert_int_equal(hf_presence_stats(port, fixture_bytes("a"), on_stats, &answer), HF_OK);
    turn_until(port, answer.count == 1);
    assert_int_equal(answer.result, HF_OK);
    return answer;
}

/* A live watch of the channel "a". */
static void watch(struct hf_port *port, struct news *news)
{
    struct hf_watch *opened = hf_watch_open(port, fixture_bytes("a"), &fixture_no_history, news);
    struct reply reply = {0};
    assert_non_null(opened);
    subscribe(opened, &reply);
    turn_until(port, reply.count == 1);
    assert_int_equal(reply.result, HF_OK);
}

static void added_client_is_got_and_counted(void **state)
{
    struct hf_port *port = ((struct setup *)*state)->port;
    struct answer answer = {0};
    assert_false(add(port, "c1", "ann").has_returned);
    assert_int_equal(hf_presence_get(port, fixture_bytes("a"), on_presence, &answer), HF_OK);
    turn_until(port, answer.count == 1);
    assert_int_equal(answer.present, 1);
    assert_string_equal(answer.first, "c1=c1");
    assert_int_equal(stats(port).clients, 1);
    assert_int_equal(stats(port).users, 1);
    answer = (struct answer){0};
    assert_int_equal(hf_presence_get(port, fixture_bytes("b"), on_presence, &answer), HF_OK);
    turn_until(port, answer.count == 1);
    assert_int_equal(answer.present, 0);
}

static void refresh_of_many_adds_them(void **state)
{
    struct hf_port *port = ((struct setup *)*state)->port;
    struct hf_presence_client clients[HF_PRESENCE_BATCH_MAX];
    char names[HF_PRESENCE_BATCH_MAX][8];
    struct reply reply = {0};
    for (int i = 0; i < HF_PRESENCE_BATCH_MAX; i++) {
        snprintf(names[i], sizeof names[i], "c%d", i);
        clients[i] = client_of(names[i], i % 2 == 0 ? "ann" : "");
    }
    assert_int_equal(hf_presence_refresh(port, clients, HF_PRESENCE_BATCH_MAX, on_done, &reply),
                     HF_OK);
    turn_until(port, reply.count == 1);
    assert_int_equal(reply.result, HF_OK);
    assert_int_equal(stats(port).clients, HF_PRESENCE_BATCH_MAX);
    assert_int_equal(stats(port).users, 2);
}

static void bad_arguments_are_refused(void **state)
{
    struct hf_port *port = ((struct setup *)*state)->port;
    const struct hf_presence_remove_options options = {0};
    char long_name[HF_PRESENCE_CLIENT_MAX + 2];
    memset(long_name, 'c', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    const char *const names[] = {"", "a b", "a\n", "\x7f", long_name};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct hf_presence_client client = client_of(names[i], "ann");
        assert_int_equal(hf_presence_add(port, &client, on_added, NULL), HF_EINVAL);
        assert_int_equal(hf_presence_remove(port, &client, &options, NULL, NULL), HF_EINVAL);
        assert_int_equal(hf_presence_join(port, &client, NULL, NULL), HF_EINVAL);
        assert_int_equal(hf_presence_refresh(port, &client, 1, NULL, NULL), HF_EINVAL);
    }
    struct hf_presence_client client = client_of("c1", "ann");
    assert_int_equal(hf_presence_refresh(port, &client, 0, NULL, NULL), HF_EINVAL);
    assert_int_equal(hf_presence_refresh(port, &client, HF_PRESENCE_BATCH_MAX + 1, NULL, NULL),
                     HF_EINVAL);
    client.channel.len = 0;
    assert_int_equal(hf_presence_add(port, &client, on_added, NULL), HF_EINVAL);
    assert_int_equal(hf_presence_get(port, client.channel, on_presence, NULL), HF_EINVAL);
    assert_int_equal(hf_presence_stats(port, client.channel, on_stats, NULL), HF_EINVAL);
}

static void joins_and_leaves_reach_the_watches_in_order(void **state)
{
    struct hf_port *port = ((struct setup *)*state)->port;
    struct hf_presence_client client = client_of("c1", "ann");
    struct news news = {""};
    watch(port, &news);
    assert_int_equal(hf_presence_join(port, &client, NULL, NULL), HF_OK);
    leave(port, "c1", "ann", 0);
    client.channel = fixture_bytes("b");
    assert_int_equal(hf_presence_join(port, &client, NULL, NULL), HF_OK);
    leave(port, "c2", "ann", 0);
    turn_until(port, strlen(news.text) >= 9);
    assert_string_equal(news.text, "+c1-c1-c2");
}

static void grace_is_ended_by_the_engine(void **state)
{
    struct hf_port *port = ((struct setup *)*state)->port;
    struct news news = {""};
    watch(port, &news);
    add(port, "c1", "ann");
    leave(port, "c1", "ann", 50);
    uint64_t start_ms = fixture_clock_ms();
    turn_until(port, strlen(news.text) > 0);
    assert_string_equal(news.text, "-c1");
    assert_true(fixture_clock_ms() - start_ms < 1500); /* not by the store's own slack */
    assert_int_equal(stats(port).clients, 0);
}

static void user_who_is_back_within_the_grace_has_returned(void **state)
{
    struct hf_port *port = ((struct setup *)*state)->port;
    struct news news = {""};
    watch(port, &news);
    add(port, "c1", "ann");
    leave(port, "c1", "ann", 200);
    assert_int_equal(stats(port).clients, 1);
    assert_true(add(port, "c2", "ann").has_returned);
    assert_int_equal(stats(port).clients, 1);
    leave(port, "c3", "", 200); /* nobody waits for the empty user */
    add(port, "c4", "bob");
    leave(port, "c4", "bob", 300);
    turn_until(port, strlen(news.text) >= 6); /* the end of the later grace: c1's is over too */
    assert_string_equal(news.text, "-c3-c4");
}

static void closing_the_port_completes_what_is_open(void **state)
{
    struct setup *setup = *state;
    struct hf_presence_client client = client_of("c1", "ann");
    const struct hf_presence_remove_options options = {.tells = true, .grace_ms = 60000};
    struct answer answers[3] = {{0}};
    struct reply replies[3] = {{0}};
    assert_int_equal(hf_presence_add(setup->port, &client, on_added, &answers[0]), HF_OK);
    assert_int_equal(hf_presence_get(setup->port, client.channel, on_presence, &answers[1]), HF_OK);
    assert_int_equal(hf_presence_stats(setup->port, client.channel, on_stats, &answers[2]), HF_OK);
    assert_int_equal(hf_presence_refresh(setup->port, &client, 1, on_done, &replies[0]), HF_OK);
    assert_int_equal(hf_presence_join(setup->port, &client, on_done, &replies[1]), HF_OK);
    assert_int_equal(hf_presence_remove(setup->port, &client, &options, on_done, &replies[2]),
                     HF_OK);
    hf_port_close(setup->port); /* and then the engine, while it waits for the grace's end */
    setup->port = NULL;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(answers[i].count, 1);
        assert_int_equal(replies[i].count, 1);
        assert_true(answers[i].result == HF_OK || answers[i].result == HF_ECLOSED);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_setup, close_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(added_client_is_got_and_counted),
        CASE(refresh_of_many_adds_them),
        CASE(bad_arguments_are_refused),
        CASE(joins_and_leaves_reach_the_watches_in_order),
        CASE(grace_is_ended_by_the_engine),
        CASE(user_who_is_back_within_the_grace_has_returned),
        CASE(closing_the_port_completes_what_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
