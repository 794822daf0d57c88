/* Sessions on the real engine with its memory store: what clients see from end to end. */
#define HF_TEST_REAL_ENGINE
#include "session_fixture.h"

#include <poll.h>

#include "json.h"

struct node_under_test {
    struct fixture *fixture;
    struct hf_engine *engine;
    unsigned published; /* acknowledged by the engine */
};

static int setup(void **state)
{
    struct node_under_test *node = calloc(1, sizeof(*node));
    struct hf_engine_config config = {
        .store = HF_STORE_MEMORY,
        .page_publications_max = 16,
        .tail_publications_max = 64, /* longer recoveries read the store */
        .pending_requests_max = 100000,
    };
    char reason[160];
    struct hf_port_callbacks callbacks = {.on_publication = hf_hub_on_publication,
                                          .on_lost = hf_hub_on_lost,
                                          .on_bus = hf_registry_on_bus};

    assert_non_null(node);
    node->fixture = fixture_with(CLIENT_DEFAULTS ",\"recovery_max_publication_limit\":10000");
    assert_int_equal(hf_engine_open(&config, &node->engine, reason, sizeof(reason)), HF_OK);
    callbacks.port_context = &node->fixture->worker;
    node->fixture->worker.port = hf_port_open(node->engine, &callbacks);
    assert_non_null(node->fixture->worker.port);
    *state = node;
    return 0;
}

static int teardown(void **state)
{
    struct node_under_test *node = *state;

    hf_port_close(node->fixture->worker.port);
    hf_hub_flush(node->fixture->worker.hub);
    hf_engine_close(node->engine);
    fixture_free(node->fixture);
    free(node);
    return 0;
}

/* One turn of a worker's loop: hands requests over and waits for something to come. */
static void turn(struct node_under_test *node, const char *sent_so_far)
{
    struct hf_port *port = node->fixture->worker.port;
    struct pollfd readable = {.fd = hf_port_fd(port), .events = POLLIN};

    hf_port_flush(port);
    if (poll(&readable, 1, 10000) != 1) {
        fail_msg("the engine says nothing; so far: %s", sent_so_far);
    }
    hf_port_dispatch(port);
    hf_hub_flush(node->fixture->worker.hub);
    hf_port_flush(port);
}

static void turn_until_sent(struct node_under_test *node, struct client *client, const char *text)
{
    while (strstr(client_sent(client), text) == NULL) {
        turn(node, client_sent(client));
    }
}

static void on_published(void *context, int rc, enum hf_publish_outcome outcome,
                         struct hf_position position)
{
    (void)outcome;
    struct node_under_test *node = context;

    (void)position;
    assert_int_equal(rc, HF_OK);
    node->published++;
}

/* Publishes {"n":first} ... {"n":last} and waits for the last one. */
static void publish(struct node_under_test *node, const char *channel, unsigned first,
                    unsigned last)
{
    bool is_long = strncmp(channel, "long:", 5) == 0; /* as the fixture's namespaces say */
    unsigned wanted = node->published + (last - first + 1);

    for (unsigned n = first; n <= last; n++) {
        char data[32];
        struct hf_publish_params params = {
            .channel = {channel, strlen(channel)},
            .options = {.history_size = is_long ? 10000 : 10,
                        .history_ttl_s = 600,
                        .meta_ttl_s = 3600},
            .fields.data = {data, (size_t)snprintf(data, sizeof(data), "{\"n\":%u}", n)},
        };

        assert_int_equal(hf_publish(node->fixture->worker.port, &params, on_published, node),
                         HF_OK);
    }
    while (node->published < wanted) {
        turn(node, "");
    }
}

/* Every `"offset":N` behind a payload in what was sent, in order: first..last, once each. */
static void expect_offsets(struct client *client, unsigned first, unsigned last)
{
    const char *at = client_sent(client);
    unsigned next = first;
    char expected[64];

    while ((at = strstr(at, "\"data\":")) != NULL) {
        (void)snprintf(expected, sizeof(expected), "\"data\":{\"n\":%u},\"offset\":%u", next, next);
        if (strncmp(at, expected, strlen(expected)) != 0) {
            fail_msg("expected %s, found %.40s", expected, at);
        }
        at += strlen(expected);
        next++;
    }
    assert_int_equal(next, last + 1);
}

/* The epoch in a reply that was sent. */
static void take_epoch(const struct client *client, char *epoch, size_t size)
{
    const char *at = strstr(client_sent(client), "\"epoch\":\"");
    size_t len;

    assert_non_null(at);
    at += strlen("\"epoch\":\"");
    len = strcspn(at, "\"");
    assert_true(len > 0 && len < size);
    memcpy(epoch, at, len);
    epoch[len] = '\0';
}

static void first_publications_reach_a_live_subscriber(void **state)
{
    struct node_under_test *node = *state;
    struct client client;

    client_connect(&client, node->fixture);
    client_send(&client, "{\"id\":2,\"subscribe\":{\"channel\":\"chat:a\"}}");
    turn_until_sent(node, &client, "\"id\":2,");
    assert_non_null(strstr(client_sent(&client), "\"recoverable\":true,\"epoch\":\""));
    client_forget(&client);
    publish(node, "chat:a", 1, 100);
    turn_until_sent(node, &client, "\"offset\":100");
    expect_offsets(&client, 1, 100);
    client_close(&client);
}

static void connect_subscribe_publish_unsubscribe_in_one_frame(void **state)
{
    struct node_under_test *node = *state;
    const char *sent;
    struct client client;

    client_open(&client, node->fixture);
    client_send(&client, "{\"id\":1,\"connect\":{}}\n"
                         "{\"id\":2,\"subscribe\":{\"channel\":\"chat:a\"}}\n"
                         "{\"id\":3,\"publish\":{\"channel\":\"chat:a\",\"data\":{\"n\":1}}}\n"
                         "{\"id\":4,\"history\":{\"channel\":\"chat:a\",\"limit\":5}}");
    turn_until_sent(node, &client, "\"id\":4,");
    turn_until_sent(node, &client, "\"push\"");
    sent = client_sent(&client);
    assert_true(strstr(sent, "\"id\":1,") < strstr(sent, "\"id\":2,"));
    assert_true(strstr(sent, "\"id\":2,") < strstr(sent, "\"push\""));
    assert_non_null(strstr(sent, "{\"id\":3,\"publish\":{}}"));
    assert_non_null(strstr(sent, "{\"id\":4,\"history\":{\"publications\":[{\"data\":{\"n\":1},"));
    client_close(&client);
}

static void rapid_pairs_end_unsubscribed(void **state)
{
    struct node_under_test *node = *state;
    struct client client;

    client_connect(&client, node->fixture);
    for (int i = 0; i < 10; i++) {
        char frame[128];

        (void)snprintf(frame, sizeof(frame),
                       "{\"id\":%d,\"subscribe\":{\"channel\":\"chat:a\"}}\n"
                       "{\"id\":%d,\"unsubscribe\":{\"channel\":\"chat:a\"}}",
                       10 + 2 * i, 11 + 2 * i);
        client_send(&client, frame);
    }
    turn_until_sent(node, &client, "{\"id\":29,\"unsubscribe\":{}}");
    if (strstr(client_sent(&client), "error") != NULL) {
        fail_msg("%s", client_sent(&client));
    }
    for (int id = 10; id < 29; id++) {
        char a[16];
        char b[16];

        (void)snprintf(a, sizeof(a), "\"id\":%d,", id);
        (void)snprintf(b, sizeof(b), "\"id\":%d,", id + 1);
        assert_true(strstr(client_sent(&client), a) < strstr(client_sent(&client), b));
    }
    assert_int_equal(node->fixture->worker.counters.subscriptions, 0);
    client_close(&client);
}

/* A client that missed many pages gets all, in order, before what is published meanwhile. */
static void long_recovery_is_gapless_while_publishing_goes_on(void **state)
{
    struct node_under_test *node = *state;
    struct client client;
    char epoch[64];
    char command[256];

    client_connect(&client, node->fixture);
    client_send(&client, "{\"id\":2,\"subscribe\":{\"channel\":\"long:a\"}}");
    turn_until_sent(node, &client, "\"id\":2,");
    take_epoch(&client, epoch, sizeof(epoch));
    client_close(&client);
    publish(node, "long:a", 1, 2000);

    client_connect(&client, node->fixture);
    (void)snprintf(command, sizeof(command),
                   "{\"id\":2,\"subscribe\":{\"channel\":\"long:a\",\"recover\":true,"
                   "\"epoch\":\"%s\",\"offset\":0}}",
                   epoch);
    client_send(&client, command);
    for (unsigned n = 2001; n <= 3000; n += 50) {
        publish(node, "long:a", n, n + 49);
        client.connection.queued = n % 100 == 1 ? HF_CATCH_UP_LOW_WATER : 0;
        if (client.connection.queued == 0 && client.connection.wants_drain) {
            client.connection.wants_drain = false;
            hf_session_drained(client.session);
        }
    }
    client.connection.queued = 0;
    hf_session_drained(client.session);
    turn_until_sent(node, &client, "\"offset\":3000}");
    assert_non_null(strstr(client_sent(&client), "\"recovered\":true"));
    expect_open(&client);
    expect_offsets(&client, 1, 3000);
    assert_true(hf_hub_is_live(client.session->subscriptions[0]));
    client_close(&client);
}

static void wrong_epoch_is_not_recovered(void **state)
{
    struct node_under_test *node = *state;
    struct client client;

    publish(node, "chat:a", 1, 5);
    client_connect(&client, node->fixture);
    client_send(&client, "{\"id\":2,\"subscribe\":{\"channel\":\"chat:a\",\"recover\":true,"
                         "\"epoch\":\"_\",\"offset\":2}}");
    turn_until_sent(node, &client, "\"id\":2,");
    assert_null(strstr(client_sent(&client), "\"recovered\""));
    assert_non_null(strstr(client_sent(&client), "\"offset\":5,"));
    client_send(&client, "{\"id\":3,\"unsubscribe\":{\"channel\":\"chat:a\"}}");
    client_forget(&client);
    client_send(&client, "{\"id\":4,\"subscribe\":{\"channel\":\"chat:a\",\"recover\":true,"
                         "\"epoch\":\"_\",\"offset\":2,\"flag\":2}}");
    turn_until_sent(node, &client, "\"id\":4,");
    assert_string_equal(
        client_sent(&client),
        "[{\"id\":4,\"error\":{\"code\":112,\"message\":\"unrecoverable position\"}}]");
    client_close(&client);
}

/* --- random walk ---------------------------------------------------------------------------- */

/* Clients subscribe, leave, reconnect with their position, read slowly; all the while publications
 * come. Checked from the outside: within a subscription offsets follow each other, a recovered
 * subscription starts where the client stood, and in the end everyone is at the top. */

enum { WALKERS = 6, CHANNELS = 3, WALK_STEPS = 4000, WALK_STEPS_MAX = 100 * WALK_STEPS };
enum { ID_SUBSCRIBE = 1, ID_UNSUBSCRIBE = 2, ID_KINDS = 4 };

struct walk_channel {
    bool wants;       /* commands sent so far end in a subscription */
    unsigned pending; /* commands without an answer */
    bool is_on;       /* answers so far end in a subscription */
    bool has_place;
    uint64_t offset; /* of the last publication, or position */
    char epoch[32];
    uint64_t asked_offset; /* of the recovery that is asked for */
    bool asked_recover;
};

struct walker {
    struct client client;
    struct walk_channel channels[CHANNELS];
    unsigned recovered, unrecovered, lost;
};

struct walk {
    struct node_under_test *node;
    struct walker walkers[WALKERS];
    uint64_t tops[CHANNELS];
    uint64_t random;
};

static uint32_t roll(struct walk *walk, uint32_t bound)
{
    walk->random = walk->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(walk->random >> 33) % bound;
}

/* Frames end in a line feed here, so that each line is a message. */
static struct hf_frame *line_wrap(const char *data, size_t len)
{
    char *bytes;
    struct hf_frame *frame = hf_frame_new(len + 1, &bytes);

    assert_non_null(frame);
    memcpy(bytes, data, len);
    bytes[len] = '\n';
    return frame;
}

static struct hf_transport line_transport;

static void walker_connect(struct walk *walk, struct walker *walker)
{
    client_open(&walker->client, walk->node->fixture);
    walker->client.session->transport = &line_transport;
    client_send(&walker->client, "{\"id\":1000,\"connect\":{}}");
    for (unsigned c = 0; c < CHANNELS; c++) {
        walker->channels[c].wants = walker->channels[c].is_on = false;
        walker->channels[c].pending = 0;
    }
}

static void hear_publication(struct walk_channel *channel, uint64_t offset)
{
    assert_int_equal(offset, channel->offset + 1);
    channel->offset = offset;
}

static uint64_t read_offset(struct hf_json *json)
{
    struct hf_json_key key;
    uint64_t offset = 0;

    (void)hf_json_object_begin(json);
    while (hf_json_object_next(json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("offset"))) {
            (void)hf_json_get_u64(json, &offset);
        } else {
            (void)hf_json_skip(json);
        }
    }
    return offset;
}

static void hear_subscribed(struct walker *walker, struct walk_channel *channel,
                            struct hf_json *json)
{
    struct hf_json_key key;
    struct hf_slice publications = {0};
    struct hf_slice epoch = {0};
    uint64_t offset = 0;
    bool recovered = false;

    (void)hf_json_object_begin(json);
    while (hf_json_object_next(json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("offset"))) {
            (void)hf_json_get_u64(json, &offset);
        } else if (hf_json_key_is(&key, HF_SLICE("epoch"))) {
            (void)hf_json_get_string(json, NULL, &epoch);
        } else if (hf_json_key_is(&key, HF_SLICE("recovered"))) {
            (void)hf_json_get_bool(json, &recovered);
        } else if (hf_json_key_is(&key, HF_SLICE("publications"))) {
            (void)hf_json_raw(json, &publications);
        } else {
            (void)hf_json_skip(json);
        }
    }
    assert_true(epoch.len > 0 && epoch.len < sizeof(channel->epoch));
    assert_false(recovered && !channel->asked_recover);
    assert_true(recovered || publications.len == 0);
    if (recovered) {
        assert_int_equal(offset, channel->asked_offset);
    }
    walker->recovered += recovered;
    walker->unrecovered += channel->asked_recover && !recovered;
    channel->is_on = channel->has_place = true;
    channel->offset = offset;
    memcpy(channel->epoch, epoch.data, epoch.len);
    channel->epoch[epoch.len] = '\0';
    if (publications.len > 0) {
        struct hf_json list;

        hf_json_init(&list, publications, HF_JSON_MAX_DEPTH);
        (void)hf_json_array_begin(&list);
        while (hf_json_array_next(&list)) {
            hear_publication(channel, read_offset(&list));
        }
        assert_int_equal(hf_json_end(&list), HF_JSON_OK);
    }
}

static void hear_push(struct walker *walker, struct hf_json *json)
{
    struct walk_channel *channel = NULL;
    struct hf_json_key key;
    struct hf_slice name = {0};

    (void)hf_json_object_begin(json);
    while (hf_json_object_next(json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("channel"))) {
            (void)hf_json_get_string(json, NULL, &name);
            channel = &walker->channels[name.data[name.len - 1] - 'a'];
        } else if (hf_json_key_is(&key, HF_SLICE("pub"))) {
            assert_non_null(channel);
            assert_true(channel->is_on);
            hear_publication(channel, read_offset(json));
        } else {
            assert_true(hf_json_key_is(&key, HF_SLICE("unsubscribe")));
            assert_non_null(channel);
            assert_true(channel->is_on);
            channel->is_on = channel->wants = false;
            walker->lost++;
            (void)hf_json_skip(json);
        }
    }
}

static void hear_line(struct walker *walker, struct hf_slice line)
{
    struct walk_channel *channel = NULL;
    struct hf_json_key key;
    struct hf_json json;
    uint32_t id = 0;

    hf_json_init(&json, line, HF_JSON_MAX_DEPTH);
    (void)hf_json_object_begin(&json);
    while (hf_json_object_next(&json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("id"))) {
            (void)hf_json_get_u32(&json, &id);
            channel = id < 1000 ? &walker->channels[id / ID_KINDS] : NULL;
        } else if (hf_json_key_is(&key, HF_SLICE("push"))) {
            hear_push(walker, &json);
        } else if (hf_json_key_is(&key, HF_SLICE("connect"))) {
            (void)hf_json_skip(&json);
        } else {
            assert_non_null(channel);
            assert_true(channel->pending > 0);
            channel->pending--;
            if (hf_json_key_is(&key, HF_SLICE("subscribe"))) {
                assert_false(channel->is_on);
                hear_subscribed(walker, channel, &json);
            } else {
                assert_true(hf_json_key_is(&key, HF_SLICE("unsubscribe")));
                channel->is_on = false;
                (void)hf_json_skip(&json);
            }
        }
    }
    if (hf_json_end(&json) != HF_JSON_OK) {
        fail_msg("not a message: %.*s", (int)line.len, line.data);
    }
}

static void walker_hear(struct walker *walker)
{
    const char *at = client_sent(&walker->client);
    const char *end;

    while ((end = strchr(at, '\n')) != NULL) {
        hear_line(walker, hf_slice(at, (size_t)(end - at)));
        at = end + 1;
    }
    client_forget(&walker->client);
    expect_open(&walker->client);
}

static void walker_toggle(struct walker *walker, unsigned c)
{
    struct walk_channel *channel = &walker->channels[c];
    char command[256];

    if (channel->wants) {
        (void)snprintf(command, sizeof(command),
                       "{\"id\":%u,\"unsubscribe\":{\"channel\":\"chat:%c\"}}",
                       c * ID_KINDS + ID_UNSUBSCRIBE, 'a' + (int)c);
    } else if (channel->pending > 0) {
        return; /* where it stands is not known yet */
    } else {
        channel->asked_recover = channel->has_place;
        channel->asked_offset = channel->offset;
        (void)snprintf(command, sizeof(command),
                       "{\"id\":%u,\"subscribe\":{\"channel\":\"chat:%c\",\"recover\":%s,"
                       "\"epoch\":\"%s\",\"offset\":%llu}}",
                       c * ID_KINDS + ID_SUBSCRIBE, 'a' + (int)c,
                       channel->has_place ? "true" : "false", channel->epoch,
                       (unsigned long long)channel->offset);
    }
    channel->wants = !channel->wants;
    channel->pending++;
    client_send(&walker->client, command);
}

static void on_walk_published(void *context, int rc, enum hf_publish_outcome outcome,
                              struct hf_position position)
{
    (void)outcome;
    uint64_t *top = context;

    assert_int_equal(rc, HF_OK);
    assert_int_equal(position.offset, *top + 1);
    *top = position.offset;
}

static void walk_publish(struct walk *walk, unsigned c, unsigned count)
{
    char channel[] = "chat:a";
    struct hf_publish_params params = {
        .channel = {channel, 6},
        .options = {.history_size = 200, .history_ttl_s = 600, .meta_ttl_s = 3600},
        .fields.data = {"{}", 2},
    };

    channel[5] = (char)('a' + (int)c);
    while (count-- > 0) {
        assert_int_equal(hf_publish(walk->node->fixture->worker.port, &params, on_walk_published,
                                    &walk->tops[c]),
                         HF_OK);
    }
}

/* Takes what has come, if anything. */
static void walk_dispatch(struct walk *walk, int wait_ms)
{
    struct hf_port *port = walk->node->fixture->worker.port;
    struct pollfd readable = {.fd = hf_port_fd(port), .events = POLLIN};

    hf_port_flush(port);
    if (poll(&readable, 1, wait_ms) == 1) {
        hf_port_dispatch(port);
    }
    hf_hub_flush(walk->node->fixture->worker.hub);
    for (unsigned w = 0; w < WALKERS; w++) {
        walker_hear(&walk->walkers[w]);
    }
}

static void walker_drain(struct walker *walker)
{
    walker->client.connection.queued = 0;
    if (walker->client.connection.wants_drain) {
        walker->client.connection.wants_drain = false;
        hf_session_drained(walker->client.session);
    }
}

static void walk_step(struct walk *walk)
{
    struct walker *walker = &walk->walkers[roll(walk, WALKERS)];
    unsigned c = roll(walk, CHANNELS);

    switch (roll(walk, 8)) {
    case 0:
    case 1:
        walker_toggle(walker, c);
        break;
    case 2:
        walk_publish(walk, c, 1 + roll(walk, 60));
        break;
    case 3:
        walk_publish(walk, c, 1);
        break;
    case 4:
        if (roll(walk, 4) == 0) {
            client_close(&walker->client);
            walker_connect(walk, walker);
        }
        break;
    case 5:
        walker->client.connection.queued = HF_CATCH_UP_LOW_WATER;
        break;
    case 6:
        walker_drain(walker);
        break;
    default:
        walk_dispatch(walk, (int)roll(walk, 2));
        break;
    }
}

static bool walk_is_settled(const struct walk *walk)
{
    for (unsigned w = 0; w < WALKERS; w++) {
        for (unsigned c = 0; c < CHANNELS; c++) {
            const struct walk_channel *channel = &walk->walkers[w].channels[c];

            if (!channel->is_on || channel->pending > 0 || channel->offset != walk->tops[c]) {
                return false;
            }
        }
    }
    return true;
}

/* Enough of both verdicts. */
static bool walk_shows(const struct walk *walk)
{
    unsigned recovered = 0;
    unsigned unrecovered = 0;

    for (unsigned w = 0; w < WALKERS; w++) {
        recovered += walk->walkers[w].recovered;
        unrecovered += walk->walkers[w].unrecovered;
    }
    return recovered > 100 && unrecovered > 10;
}

static void random_walk_keeps_the_contract(void **state)
{
    struct walk *walk = calloc(1, sizeof(*walk));
    const char *seed = getenv("HF_TEST_SEED");
    int turns = 0;

    assert_non_null(walk);
    line_transport = fake_transport;
    line_transport.wrap = line_wrap;
    walk->node = *state;
    walk->node->fixture->config->channel.namespaces[0].history_size = 200;
    walk->random = seed != NULL ? strtoull(seed, NULL, 10) : 20261121;
    print_message("seed %llu (HF_TEST_SEED)\n", (unsigned long long)walk->random);
    for (unsigned w = 0; w < WALKERS; w++) {
        walker_connect(walk, &walk->walkers[w]);
    }
    /* How much of it recovers depends on the engine's threads too. */
    for (int step = 0; step < WALK_STEPS || (step < WALK_STEPS_MAX && !walk_shows(walk)); step++) {
        walk_step(walk);
    }
    do { /* all come to rest on all channels */
        for (unsigned w = 0; w < WALKERS; w++) {
            walker_drain(&walk->walkers[w]);
            for (unsigned c = 0; c < CHANNELS; c++) {
                if (!walk->walkers[w].channels[c].wants) {
                    walker_toggle(&walk->walkers[w], c);
                }
            }
        }
        walk_dispatch(walk, 10);
    } while (!walk_is_settled(walk) && ++turns < 1000);
    assert_true(walk_is_settled(walk));
    for (unsigned w = 0; w < WALKERS; w++) {
        client_close(&walk->walkers[w].client);
    }
    assert_true(walk_shows(walk));
    free(walk);
}

#define WITH_ENGINE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ENGINE(first_publications_reach_a_live_subscriber),
        WITH_ENGINE(connect_subscribe_publish_unsubscribe_in_one_frame),
        WITH_ENGINE(rapid_pairs_end_unsubscribed),
        WITH_ENGINE(long_recovery_is_gapless_while_publishing_goes_on),
        WITH_ENGINE(wrong_epoch_is_not_recovered),
        WITH_ENGINE(random_walk_keeps_the_contract),
    };

    return cmocka_run_group_tests_name("session_engine", tests, NULL, NULL);
}
