#include "engine_client.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TURN_MS 5

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static struct hf_bytes bytes_of(const char *text)
{
    return (struct hf_bytes){text, strlen(text)};
}

__attribute__((format(printf, 2, 3))) static void violate(struct hf_cluster *cluster,
                                                          const char *format, ...)
{
    va_list arguments;
    if (cluster->violation[0] != '\0' || cluster->is_closing) {
        return; /* the first one tells */
    }
    va_start(arguments, format);
    vsnprintf(cluster->violation, sizeof cluster->violation, format, arguments);
    va_end(arguments);
}

/* --- what a subscriber is told --------------------------------------------------------------- */

static void begin_story(struct hf_subscriber *subscriber, struct hf_position position)
{
    subscriber->begin = subscriber->position = position;
    if (subscriber->seen_size > 0) {
        memset(subscriber->seen, 0, subscriber->seen_size);
    }
}

static void see(struct hf_subscriber *subscriber, const struct hf_publication *publication)
{
    struct hf_cluster *cluster = subscriber->cluster;
    char text[16];
    size_t len = publication->fields.data.len;
    snprintf(text, sizeof text, "%.*s", (int)(len < 12 ? len : 12), publication->fields.data.data);
    size_t n = strtoul(text, NULL, 10);
    struct hf_position position = publication->position;
    if (n == 0 || n > cluster->published_count) {
        violate(cluster, "%s: a publication that nobody made: %s", subscriber->channel, text);
        return;
    }
    if (position.offset != 0 && (position.epoch != subscriber->position.epoch ||
                                 position.offset != subscriber->position.offset + 1)) {
        violate(cluster, "I2: %s: %zu came at %" PRIu64 "-%" PRIu64 " behind %" PRIu64 "-%" PRIu64,
                subscriber->channel, n, position.epoch, position.offset, subscriber->position.epoch,
                subscriber->position.offset);
    }
    if (n > subscriber->seen_size) {
        size_t size = n * 2 + 64;
        subscriber->seen = must(realloc(subscriber->seen, size));
        memset(subscriber->seen + subscriber->seen_size, 0, size - subscriber->seen_size);
        subscriber->seen_size = size;
    }
    if (subscriber->seen[n - 1]++ > 0) {
        violate(cluster, "I1: %s: %zu came twice, now at %" PRIu64, subscriber->channel, n,
                position.offset);
    }
    if (position.offset != 0) {
        subscriber->position = position;
    }
    subscriber->received++;
    subscriber->heard_ms = hf_test_now_ms();
}

static void ask(struct hf_subscriber *subscriber, bool recover, bool continues);

static void lose(struct hf_subscriber *subscriber)
{
    subscriber->losses++;
    subscriber->is_live = false;
    subscriber->heard_ms = hf_test_now_ms();
    if (subscriber->comes_back && subscriber->watch != NULL) {
        ask(subscriber, true, false);
    }
}

static void on_publication(void *context, struct hf_publication *publication)
{
    struct hf_subscriber *subscriber = context;
    if (subscriber->cluster->is_closing) {
        return;
    }
    if (!subscriber->is_live) {
        /* The watch is live, this subscriber is not yet: as a session, it takes no notice. */
        return;
    }
    see(subscriber, publication);
}

static void on_lost(void *context, int reason)
{
    struct hf_subscriber *subscriber = context;
    (void)reason;
    if (!subscriber->cluster->is_closing && subscriber->is_live) {
        lose(subscriber);
    }
}

struct asked {
    struct hf_subscriber *subscriber;
    unsigned visit;
    bool recover, continues;
};

static void take_page(struct hf_subscriber *subscriber, const struct hf_subscribe_result *answer)
{
    if (answer->page != NULL) {
        subscriber->pages++;
        if (answer->page->size > subscriber->page_bytes_max) {
            subscriber->page_bytes_max = answer->page->size;
        }
        for (uint32_t i = 0; i < answer->page->count; i++) {
            see(subscriber, answer->page->items[i]);
        }
    }
    if (!hf_position_equal(subscriber->position, answer->position)) {
        violate(subscriber->cluster,
                "%s: answered %" PRIu64 "-%" PRIu64 " with a page up to %" PRIu64 "-%" PRIu64,
                subscriber->channel, answer->position.epoch, answer->position.offset,
                subscriber->position.epoch, subscriber->position.offset);
    }
    if (answer->live && !hf_position_equal(answer->position, answer->top)) {
        violate(subscriber->cluster, "%s: live at %" PRIu64 ", the top is %" PRIu64,
                subscriber->channel, answer->position.offset, answer->top.offset);
    }
}

static void on_entered(struct hf_subscriber *subscriber, const struct asked *asked,
                       const struct hf_subscribe_result *answer)
{
    subscriber->answers++;
    subscriber->answer = *answer;
    subscriber->answer.page = NULL;
    if (answer->recovered) {
        subscriber->recoveries += !asked->continues;
        take_page(subscriber, answer);
    } else {
        subscriber->refusals += asked->recover;
        if (answer->page != NULL || !answer->live) {
            violate(subscriber->cluster, "%s: not recovered, and yet something partial",
                    subscriber->channel);
        }
        begin_story(subscriber, answer->position);
    }
    if (answer->live) {
        subscriber->is_live = true;
    } else {
        ask(subscriber, true, true);
    }
}

static void on_subscribed(void *context, int result, const struct hf_subscribe_result *answer)
{
    struct asked *asked = context;
    struct hf_subscriber *subscriber = asked->subscriber;
    if (!subscriber->cluster->is_closing && asked->visit == subscriber->visit) {
        subscriber->heard_ms = hf_test_now_ms();
        if (result == HF_OK) {
            on_entered(subscriber, asked, answer);
        } else if (result == HF_EUNRECOVERABLE && asked->continues) {
            lose(subscriber);
        } else {
            subscriber->errors++;
            subscriber->last_error = result;
            if (subscriber->comes_back && result != HF_ECLOSED) {
                ask(subscriber, asked->recover, asked->continues);
            }
        }
    }
    free(asked);
}

static void ask(struct hf_subscriber *subscriber, bool recover, bool continues)
{
    const struct hf_subscribe_params params = {
        .recover = recover,
        .since = subscriber->position,
        .recovery_limit = subscriber->recovery_limit,
    };
    struct asked *asked = must(malloc(sizeof *asked));
    *asked = (struct asked){subscriber, subscriber->visit, recover, continues};
    int result = hf_subscribe(subscriber->watch, &params, continues, on_subscribed, asked);
    if (result != HF_OK) {
        free(asked);
        subscriber->errors++;
        subscriber->last_error = result;
    }
}

/* --- nodes ----------------------------------------------------------------------------------- */

static void on_log(void *context, enum hf_log_severity severity, const char *text)
{
    struct hf_engine_client *client = context;
    (void)severity;
    pthread_mutex_lock(&client->log_lock);
    size_t len = strlen(client->log), more = strlen(text) + 2;
    if (len + more > sizeof client->log) {
        memmove(client->log, client->log + len / 2, len - len / 2 + 1);
        len = strlen(client->log);
    }
    snprintf(client->log + len, sizeof client->log - len, "%s\n", text);
    pthread_mutex_unlock(&client->log_lock);
}

void hf_cluster_init(struct hf_cluster *cluster, const char *const *options)
{
    memset(cluster, 0, sizeof *cluster);
    signal(SIGPIPE, SIG_IGN);
    cluster->options = (struct hf_stream_options){1000, 3600, 7200};
    cluster->config.store = HF_STORE_REDIS;
    cluster->redis = hf_redis_server_start(options);
}

static struct hf_engine_client *new_client(struct hf_cluster *cluster)
{
    if (cluster->client_count == HF_CLUSTER_CLIENTS_MAX) {
        abort();
    }
    struct hf_engine_client *client = &cluster->clients[cluster->client_count++];
    *client = (struct hf_engine_client){.cluster = cluster};
    return client;
}

static void open_port(struct hf_engine_client *client)
{
    static const struct hf_port_callbacks callbacks = {
        .on_publication = on_publication,
        .on_lost = on_lost,
    };
    client->port = must(hf_port_open(client->engine, &callbacks));
}

unsigned hf_cluster_open_node(struct hf_cluster *cluster, const char *address)
{
    struct hf_engine_client *client = new_client(cluster);
    struct hf_engine_config config = cluster->config;
    char reason[160];
    pthread_mutex_init(&client->log_lock, NULL);
    config.redis.address = address != NULL ? address : hf_redis_server_unix(cluster->redis);
    config.log = on_log;
    config.log_context = client;
    client->owns_engine = true;
    if (hf_engine_open(&config, &client->engine, reason, sizeof reason) != HF_OK) {
        fail_msg("engine: %s", reason);
    }
    open_port(client);
    return cluster->client_count - 1;
}

unsigned hf_cluster_add_node(struct hf_cluster *cluster, const char *address)
{
    unsigned node = hf_cluster_open_node(cluster, address);
    hf_until(cluster, hf_cluster_status(cluster, node).is_ready);
    return node;
}

unsigned hf_cluster_add_port(struct hf_cluster *cluster, unsigned node)
{
    struct hf_engine_client *client = new_client(cluster);
    client->engine = cluster->clients[node].engine;
    open_port(client);
    return cluster->client_count - 1;
}

static void close_client(struct hf_engine_client *client)
{
    if (client->port != NULL) {
        hf_port_close(client->port);
    }
    client->port = NULL;
}

static void close_engine(struct hf_engine_client *client)
{
    if (client->engine != NULL && client->owns_engine) {
        hf_engine_close(client->engine);
        pthread_mutex_destroy(&client->log_lock);
    }
    client->engine = NULL;
}

void hf_cluster_stop_node(struct hf_cluster *cluster, unsigned node)
{
    for (size_t i = 0; i < cluster->subscriber_count; i++) {
        if (cluster->subscribers[i]->client == node && cluster->subscribers[i]->watch != NULL) {
            hf_subscriber_leave(cluster->subscribers[i]);
        }
    }
    close_client(&cluster->clients[node]);
    close_engine(&cluster->clients[node]);
}

void hf_cluster_close(struct hf_cluster *cluster)
{
    cluster->is_closing = true;
    if (cluster->redis != NULL) {
        hf_redis_server_cont(cluster->redis); /* nobody waits for one that was stopped */
    }
    for (unsigned i = 0; i < cluster->client_count; i++) {
        close_client(&cluster->clients[i]);
    }
    for (unsigned i = 0; i < cluster->client_count; i++) {
        close_engine(&cluster->clients[i]);
    }
    for (uint32_t i = 0; i < cluster->published_count; i++) {
        free(cluster->published[i]);
    }
    for (size_t i = 0; i < cluster->subscriber_count; i++) {
        free(cluster->subscribers[i]->seen);
        free(cluster->subscribers[i]);
    }
    free(cluster->published);
    free(cluster->subscribers);
    hf_redis_server_free(cluster->redis);
    memset(cluster, 0, sizeof *cluster);
}

struct hf_engine_status hf_cluster_status(struct hf_cluster *cluster, unsigned node)
{
    struct hf_engine_status status;
    hf_engine_status(cluster->clients[node].engine, &status);
    return status;
}

bool hf_cluster_logged(struct hf_cluster *cluster, unsigned node, const char *text)
{
    struct hf_engine_client *client = &cluster->clients[node];
    pthread_mutex_lock(&client->log_lock);
    bool is_there = strstr(client->log, text) != NULL;
    pthread_mutex_unlock(&client->log_lock);
    return is_there;
}

/* --- turning --------------------------------------------------------------------------------- */

static void fail_on_violation(struct hf_cluster *cluster)
{
    if (cluster->violation[0] != '\0') {
        char text[sizeof cluster->violation];
        memcpy(text, cluster->violation, sizeof text);
        cluster->is_closing = true;
        fail_msg("%s", text);
    }
}

void hf_cluster_turn(struct hf_cluster *cluster)
{
    struct pollfd readable[HF_CLUSTER_CLIENTS_MAX];
    struct hf_port *ports[HF_CLUSTER_CLIENTS_MAX];
    nfds_t count = 0;
    for (unsigned i = 0; i < cluster->client_count; i++) {
        const struct hf_engine_client *client = &cluster->clients[i];
        if (client->port != NULL && !client->is_stalled) {
            hf_port_flush(client->port);
            ports[count] = client->port;
            readable[count++] = (struct pollfd){.fd = hf_port_fd(client->port), .events = POLLIN};
        } else if (client->port != NULL) {
            hf_port_flush(client->port);
        }
    }
    if (poll(readable, count, TURN_MS) > 0) {
        for (nfds_t i = 0; i < count; i++) {
            if (readable[i].revents != 0) {
                hf_port_dispatch(ports[i]);
                hf_port_flush(ports[i]);
            }
        }
    }
    fail_on_violation(cluster);
}

void hf_cluster_run(struct hf_cluster *cluster, uint32_t ms)
{
    uint64_t end_ms = hf_test_now_ms() + ms;
    while (hf_test_now_ms() < end_ms) {
        hf_cluster_turn(cluster);
    }
}

static void check_subscriber(struct hf_cluster *cluster, const struct hf_subscriber *subscriber)
{
    for (uint32_t i = 0; subscriber->is_live && i < cluster->published_count; i++) {
        const struct hf_published *published = cluster->published[i];
        struct hf_position position = published->position;
        if (!published->is_done || published->result != HF_OK || position.offset == 0 ||
            strcmp(published->channel, subscriber->channel) != 0 ||
            position.epoch < subscriber->begin.epoch ||
            (position.epoch == subscriber->begin.epoch &&
             position.offset <= subscriber->begin.offset)) {
            continue;
        }
        if (published->n > subscriber->seen_size || subscriber->seen[published->n - 1] != 1) {
            violate(cluster,
                    "I1: %s: %u, acknowledged at %" PRIu64 "-%" PRIu64
                    ", never came; the story goes from %" PRIu64 "-%" PRIu64 " to %" PRIu64
                    "-%" PRIu64,
                    subscriber->channel, published->n, position.epoch, position.offset,
                    subscriber->begin.epoch, subscriber->begin.offset, subscriber->position.epoch,
                    subscriber->position.offset);
        }
    }
}

void hf_cluster_check(struct hf_cluster *cluster)
{
    for (size_t i = 0; i < cluster->subscriber_count; i++) {
        check_subscriber(cluster, cluster->subscribers[i]);
    }
    fail_on_violation(cluster);
}

void hf_cluster_fail(struct hf_cluster *cluster, const char *condition, uint64_t ms,
                     const char *file, int line)
{
    for (unsigned i = 0; i < cluster->client_count; i++) {
        if (cluster->clients[i].engine != NULL) {
            struct hf_engine_status status = hf_cluster_status(cluster, i);
            print_error("client %u: ready %d, reason '%s', streams %" PRIu64 ", reads %" PRIu64
                        "\n",
                        i, status.is_ready, status.reason, status.streams, status.store_reads);
        }
    }
    for (size_t i = 0; i < cluster->subscriber_count && i < 8; i++) {
        const struct hf_subscriber *it = cluster->subscribers[i];
        print_error("subscriber of %s on %u: live %d at %" PRIu64 "-%" PRIu64 ", received %" PRIu64
                    ", recovered %u, refused %u, lost %u, errors %u (%d)\n",
                    it->channel, it->client, it->is_live, it->position.epoch, it->position.offset,
                    it->received, it->recoveries, it->refusals, it->losses, it->errors,
                    it->last_error);
    }
    print_error("not within %" PRIu64 " ms: %s\n", ms, condition);
    _fail(file, line);
}

/* --- publishing ------------------------------------------------------------------------------ */

struct publishing {
    struct hf_cluster *cluster;
    struct hf_published *published;
};

static void on_published(void *context, int result, enum hf_publish_outcome outcome,
                         struct hf_position position)
{
    struct publishing *publishing = context;
    struct hf_published *published = publishing->published;
    if (!publishing->cluster->is_closing) {
        if (published->is_done) {
            violate(publishing->cluster, "%u was completed twice", published->n);
        }
        published->is_done = true;
        published->result = result;
        published->outcome = outcome;
        published->position = position;
        published->done_ms = hf_test_now_ms();
        publishing->cluster->published_open--;
    }
    free(publishing);
}

static struct hf_published *new_published(struct hf_cluster *cluster, const char *channel)
{
    if (cluster->published_count == cluster->published_capacity) {
        cluster->published_capacity = cluster->published_capacity * 2 + 256;
        cluster->published = must(
            realloc(cluster->published, cluster->published_capacity * sizeof *cluster->published));
    }
    struct hf_published *published = must(calloc(1, sizeof *published));
    cluster->published[cluster->published_count++] = published;
    published->n = cluster->published_count;
    snprintf(published->channel, sizeof published->channel, "%s", channel);
    published->sent_ms = hf_test_now_ms();
    return published;
}

struct hf_published *hf_cluster_send(struct hf_cluster *cluster, unsigned client,
                                     const char *channel)
{
    struct hf_published *published = new_published(cluster, channel);
    struct publishing *publishing = must(malloc(sizeof *publishing));
    *publishing = (struct publishing){cluster, published};
    char *payload = must(malloc(16 + cluster->pad));
    int len = snprintf(payload, 16, "%u", published->n);
    memset(payload + len, ' ', cluster->pad);
    const struct hf_publish_params params = {
        .channel = bytes_of(published->channel),
        .options = cluster->options,
        .fields = {.data = {payload, (size_t)len + cluster->pad}},
        .idempotency_key =
            bytes_of(cluster->idempotency_key != NULL ? cluster->idempotency_key : ""),
    };
    int result = hf_publish(cluster->clients[client].port, &params, on_published, publishing);
    cluster->published_open++;
    if (result != HF_OK) {
        on_published(publishing, result, HF_PUBLISHED, (struct hf_position){0});
    }
    free(payload);
    return published;
}

struct hf_position hf_cluster_await_published(struct hf_cluster *cluster, const char *channel)
{
    hf_until(cluster, cluster->published_open == 0);
    struct hf_position newest = {0};
    for (uint32_t i = 0; i < cluster->published_count; i++) {
        const struct hf_published *published = cluster->published[i];
        struct hf_position position = published->position;
        bool is_newer = position.epoch > newest.epoch ||
                        (position.epoch == newest.epoch && position.offset > newest.offset);
        if (strcmp(published->channel, channel) == 0 && is_newer) {
            newest = position;
        }
    }
    return newest;
}

struct hf_position hf_cluster_publish(struct hf_cluster *cluster, unsigned client,
                                      const char *channel, unsigned count)
{
    uint32_t first = cluster->published_count;
    for (unsigned i = 0; i < count; i++) {
        hf_cluster_send(cluster, client, channel);
    }
    struct hf_position position = {0};
    for (unsigned i = 0; i < count; i++) {
        const struct hf_published *published = cluster->published[first + i];
        hf_until(cluster, published->is_done);
        if (published->result != HF_OK) {
            fail_msg("publication %u: %s", published->n, hf_error_text(published->result));
        }
        position = published->position;
    }
    return position;
}

/* --- subscribers ----------------------------------------------------------------------------- */

struct hf_subscriber *hf_subscriber_new(struct hf_cluster *cluster, const char *channel)
{
    if (cluster->subscriber_count == cluster->subscriber_capacity) {
        cluster->subscriber_capacity = cluster->subscriber_capacity * 2 + 16;
        cluster->subscribers = must(realloc(
            cluster->subscribers, cluster->subscriber_capacity * sizeof(struct hf_subscriber *)));
    }
    struct hf_subscriber *subscriber = must(calloc(1, sizeof *subscriber));
    cluster->subscribers[cluster->subscriber_count++] = subscriber;
    subscriber->cluster = cluster;
    snprintf(subscriber->channel, sizeof subscriber->channel, "%s", channel);
    subscriber->options = cluster->options;
    subscriber->recovery_limit = HF_LIMIT_NONE;
    return subscriber;
}

void hf_subscriber_enter(struct hf_subscriber *subscriber, unsigned client, bool recover)
{
    subscriber->client = client;
    subscriber->watch =
        must(hf_watch_open(subscriber->cluster->clients[client].port, bytes_of(subscriber->channel),
                           &subscriber->options, subscriber));
    ask(subscriber, recover, false);
}

void hf_subscriber_leave(struct hf_subscriber *subscriber)
{
    hf_watch_close(subscriber->watch);
    subscriber->watch = NULL;
    subscriber->is_live = false;
    subscriber->visit++;
}

struct hf_subscriber *hf_subscriber_open(struct hf_cluster *cluster, unsigned client,
                                         const char *channel)
{
    struct hf_subscriber *subscriber = hf_subscriber_new(cluster, channel);
    hf_subscriber_enter(subscriber, client, false);
    hf_until(cluster, subscriber->is_live);
    return subscriber;
}

void hf_subscriber_come_back(struct hf_subscriber *subscriber, unsigned client)
{
    hf_subscriber_enter(subscriber, client, true);
    hf_until(subscriber->cluster, subscriber->is_live);
}

bool hf_subscriber_is_at(const struct hf_subscriber *subscriber, struct hf_position position)
{
    return subscriber->is_live && hf_position_equal(subscriber->position, position);
}
