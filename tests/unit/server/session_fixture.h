/* Fixture for sessions, hub and server API: doubles for everything below and beside them.
 *
 *   engine     records requests; a test completes them when and how it wants. Not with
 *              HF_TEST_REAL_ENGINE defined: then the library's engine is used
 *   transport  a frame is its messages in square brackets; a connection records what was sent
 *   node, http the little that is asked of them
 *
 * Include it once per test program; it defines the doubles. Single thread. */
#ifndef HF_TEST_SESSION_FIXTURE_H
#define HF_TEST_SESSION_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <holdfast/engine.h>

#include "api/registry.h"
#include "api/survey.h"
#include "buffer.h"
#include "client/hub.h"
#include "client/session.h"
#include "client/session_internal.h"
#include "client/users.h"
#include "config/config.h"
#include "net/connection.h"
#include "net/http.h"
#include "net/worker_loop.h"
#include "node.h"
#include "worker.h"

/* --- engine --------------------------------------------------------------------------------- */

#define EPOCH UINT64_C(1700000000000000)

#ifndef HF_TEST_REAL_ENGINE

struct hf_watch {
    char channel[300];
    void *context;
    struct hf_stream_options options;
    bool is_open;
};

enum fake_kind {
    FAKE_SUBSCRIBE,
    FAKE_CONTINUE,
    FAKE_PUBLISH,
    FAKE_HISTORY,
    FAKE_REMOVE,
    FAKE_BUS,
    FAKE_PRESENCE_ADD,
    FAKE_PRESENCE_REFRESH,
    FAKE_PRESENCE_JOIN,
    FAKE_PRESENCE_REMOVE,
    FAKE_PRESENCE_GET,
    FAKE_PRESENCE_STATS,
};

struct fake_request {
    enum fake_kind kind;
    struct hf_watch *watch;
    char channel[300];
    struct hf_stream_options options;
    struct hf_subscribe_params subscribe;
    struct hf_history_params history;
    char data[2048];
    char info[256];
    char tags[256];
    char version_epoch[32], idempotency_key[32];
    uint64_t version;
    bool delta;
    size_t count;                              /* PRESENCE_REFRESH; the first client follows */
    char client[40];                           /* PRESENCE_*: with its info in `info` */
    struct hf_presence_remove_options removal; /* PRESENCE_REMOVE */
    void (*callback)(void);
    void *context;
    bool is_done;
};

#define FAKE_REQUESTS 4096
#define FAKE_WATCHES  32768

static struct {
    struct hf_watch *watches[FAKE_WATCHES];
    unsigned watch_count;
    struct fake_request requests[FAKE_REQUESTS];
    unsigned request_count;
    int refuse; /* returned by the next requests instead of taking them */
    struct hf_engine_status status;
} fake_engine;

static inline void copy_bytes(char *out, size_t size, struct hf_bytes bytes)
{
    assert_true(bytes.len < size);
    if (bytes.len > 0) {
        memcpy(out, bytes.data, bytes.len);
    }
    out[bytes.len] = '\0';
}

static inline int fake_take(enum fake_kind kind, struct hf_bytes channel, void (*callback)(void),
                            void *context, struct fake_request **taken)
{
    struct fake_request *request = &fake_engine.requests[fake_engine.request_count];

    if (fake_engine.refuse != 0) {
        return fake_engine.refuse;
    }
    assert_true(fake_engine.request_count < FAKE_REQUESTS);
    fake_engine.request_count++;
    memset(request, 0, sizeof(*request));
    request->kind = kind;
    copy_bytes(request->channel, sizeof(request->channel), channel);
    request->callback = callback;
    request->context = context;
    if (taken != NULL) {
        *taken = request;
    }
    return HF_OK;
}

struct hf_watch *hf_watch_open(struct hf_port *port, struct hf_bytes channel,
                               const struct hf_stream_options *options, void *watch_context)
{
    struct hf_watch *watch = calloc(1, sizeof(*watch));

    (void)port;
    assert_non_null(watch);
    for (unsigned i = 0; i < fake_engine.watch_count; i++) { /* one per channel and port */
        assert_false(fake_engine.watches[i]->is_open &&
                     strlen(fake_engine.watches[i]->channel) == channel.len &&
                     memcmp(fake_engine.watches[i]->channel, channel.data, channel.len) == 0);
    }
    copy_bytes(watch->channel, sizeof(watch->channel), channel);
    watch->context = watch_context;
    watch->options = *options;
    watch->is_open = true;
    assert_true(fake_engine.watch_count < FAKE_WATCHES);
    fake_engine.watches[fake_engine.watch_count++] = watch;
    return watch;
}

void hf_watch_close(struct hf_watch *watch)
{
    assert_true(watch->is_open);
    watch->is_open = false;
}

int hf_subscribe(struct hf_watch *watch, const struct hf_subscribe_params *params, bool continues,
                 hf_subscribe_callback *callback, void *context)
{
    struct fake_request *request;
    struct hf_bytes channel = {watch->channel, strlen(watch->channel)};
    int rc = fake_take(continues ? FAKE_CONTINUE : FAKE_SUBSCRIBE, channel,
                       (void (*)(void))callback, context, &request);

    assert_true(watch->is_open);
    if (rc == HF_OK) {
        request->watch = watch;
        request->subscribe = *params;
        request->options = watch->options;
    }
    return rc;
}

int hf_publish(struct hf_port *port, const struct hf_publish_params *params,
               hf_publish_callback *callback, void *context)
{
    struct fake_request *request;
    int rc = fake_take(FAKE_PUBLISH, params->channel, (void (*)(void))callback, context, &request);

    (void)port;
    if (rc == HF_OK) {
        request->options = params->options;
        copy_bytes(request->data, sizeof(request->data), params->fields.data);
        copy_bytes(request->info, sizeof(request->info), params->fields.info);
        copy_bytes(request->tags, sizeof(request->tags), params->fields.tags);
        copy_bytes(request->version_epoch, sizeof(request->version_epoch),
                   params->fields.version_epoch);
        copy_bytes(request->idempotency_key, sizeof(request->idempotency_key),
                   params->idempotency_key);
        request->version = params->fields.version;
        request->delta = params->fields.delta;
    }
    return rc;
}

int hf_history(struct hf_port *port, const struct hf_history_params *params,
               hf_history_callback *callback, void *context)
{
    struct fake_request *request;
    int rc = fake_take(FAKE_HISTORY, params->channel, (void (*)(void))callback, context, &request);

    (void)port;
    if (rc == HF_OK) {
        request->history = *params;
        request->options = params->options;
    }
    return rc;
}

int hf_history_remove(struct hf_port *port, struct hf_bytes channel, hf_done_callback *callback,
                      void *context)
{
    (void)port;
    return fake_take(FAKE_REMOVE, channel, (void (*)(void))callback, context, NULL);
}

int hf_bus_send(struct hf_port *port, struct hf_bytes message, hf_done_callback *callback,
                void *context)
{
    struct fake_request *request;
    int rc =
        fake_take(FAKE_BUS, (struct hf_bytes){"", 0}, (void (*)(void))callback, context, &request);

    (void)port;
    if (rc == HF_OK) {
        copy_bytes(request->data, sizeof(request->data), message);
    }
    return rc;
}

int hf_bus_send_to(struct hf_port *port, struct hf_bytes node_name, struct hf_bytes message,
                   hf_done_callback *callback, void *context)
{
    struct fake_request *request;
    int rc = fake_take(FAKE_BUS, node_name, (void (*)(void))callback, context, &request);

    (void)port;
    if (rc == HF_OK) {
        copy_bytes(request->data, sizeof(request->data), message);
    }
    return rc;
}

static inline int fake_presence(enum fake_kind kind, const struct hf_presence_client *client,
                                void (*callback)(void), void *context, struct fake_request **taken)
{
    int rc = fake_take(kind, client->channel, callback, context, taken);

    if (rc == HF_OK) {
        copy_bytes((*taken)->client, sizeof((*taken)->client), client->client);
        copy_bytes((*taken)->info, sizeof((*taken)->info), client->info);
    }
    return rc;
}

int hf_presence_add(struct hf_port *port, const struct hf_presence_client *client,
                    hf_presence_add_callback *callback, void *context)
{
    struct fake_request *request;

    (void)port;
    return fake_presence(FAKE_PRESENCE_ADD, client, (void (*)(void))callback, context, &request);
}

int hf_presence_refresh(struct hf_port *port, const struct hf_presence_client *clients,
                        size_t count, hf_done_callback *callback, void *context)
{
    struct fake_request *request;
    int rc =
        fake_presence(FAKE_PRESENCE_REFRESH, clients, (void (*)(void))callback, context, &request);

    (void)port;
    if (rc == HF_OK) {
        request->count = count;
    }
    return rc;
}

int hf_presence_join(struct hf_port *port, const struct hf_presence_client *client,
                     hf_done_callback *callback, void *context)
{
    struct fake_request *request;

    (void)port;
    return fake_presence(FAKE_PRESENCE_JOIN, client, (void (*)(void))callback, context, &request);
}

int hf_presence_remove(struct hf_port *port, const struct hf_presence_client *client,
                       const struct hf_presence_remove_options *options, hf_done_callback *callback,
                       void *context)
{
    struct fake_request *request;
    int rc =
        fake_presence(FAKE_PRESENCE_REMOVE, client, (void (*)(void))callback, context, &request);

    (void)port;
    if (rc == HF_OK) {
        request->removal = *options;
    }
    return rc;
}

int hf_presence_get(struct hf_port *port, struct hf_bytes channel, hf_presence_callback *callback,
                    void *context)
{
    (void)port;
    return fake_take(FAKE_PRESENCE_GET, channel, (void (*)(void))callback, context, NULL);
}

int hf_presence_stats(struct hf_port *port, struct hf_bytes channel,
                      hf_presence_stats_callback *callback, void *context)
{
    (void)port;
    return fake_take(FAKE_PRESENCE_STATS, channel, (void (*)(void))callback, context, NULL);
}

void hf_engine_status(struct hf_engine *engine, struct hf_engine_status *status)
{
    (void)engine;
    *status = fake_engine.status;
}

/* The n-th request since the start, 0 is the first; checks that it is of this kind. */
static inline struct fake_request *request_at(unsigned index, enum fake_kind kind)
{
    assert_true(index < fake_engine.request_count);
    assert_int_equal(fake_engine.requests[index].kind, kind);
    return &fake_engine.requests[index];
}

static inline void finish(struct fake_request *request)
{
    assert_false(request->is_done);
    request->is_done = true;
}

static inline void complete_subscribe(unsigned index, int rc,
                                      const struct hf_subscribe_result *result)
{
    struct fake_request *request = &fake_engine.requests[index];

    assert_true(index < fake_engine.request_count);
    assert_true(request->kind == FAKE_SUBSCRIBE || request->kind == FAKE_CONTINUE);
    finish(request);
    ((hf_subscribe_callback *)request->callback)(request->context, rc, result);
}

static inline void complete_publish(unsigned index, int rc, struct hf_position position)
{
    struct fake_request *request = request_at(index, FAKE_PUBLISH);

    finish(request);
    ((hf_publish_callback *)request->callback)(request->context, rc, HF_PUBLISHED, position);
}

static inline void complete_history(unsigned index, int rc, struct hf_position position,
                                    struct hf_page *page)
{
    struct fake_request *request = request_at(index, FAKE_HISTORY);

    finish(request);
    ((hf_history_callback *)request->callback)(request->context, rc, position, page);
}

static inline void complete_presence_add(unsigned index, int rc, bool has_returned)
{
    struct fake_request *request = request_at(index, FAKE_PRESENCE_ADD);

    finish(request);
    ((hf_presence_add_callback *)request->callback)(request->context, rc, has_returned);
}

static inline void complete_presence_get(unsigned index, int rc,
                                         const struct hf_present_client *clients, size_t count)
{
    struct fake_request *request = request_at(index, FAKE_PRESENCE_GET);

    finish(request);
    ((hf_presence_callback *)request->callback)(request->context, rc, clients, count);
}

static inline void complete_presence_stats(unsigned index, int rc, uint64_t clients, uint64_t users)
{
    struct fake_request *request = request_at(index, FAKE_PRESENCE_STATS);

    finish(request);
    ((hf_presence_stats_callback *)request->callback)(request->context, rc, clients, users);
}

static inline void complete_done(unsigned index, enum fake_kind kind, int rc)
{
    struct fake_request *request = request_at(index, kind);

    finish(request);
    ((hf_done_callback *)request->callback)(request->context, rc);
}

static inline unsigned open_watches(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < fake_engine.watch_count; i++) {
        count += fake_engine.watches[i]->is_open;
    }
    return count;
}

static inline void fake_engine_reset(void)
{
    for (unsigned i = 0; i < fake_engine.watch_count; i++) {
        free(fake_engine.watches[i]);
    }
    memset(&fake_engine, 0, sizeof(fake_engine));
}

#endif

/* --- publications --------------------------------------------------------------------------- */

static inline struct hf_publication *publication_of(uint64_t offset, const char *data)
{
    struct hf_publication_fields fields = {.data = {data, strlen(data)}};
    struct hf_position position = {offset == 0 ? HF_EPOCH_NONE : EPOCH, offset};
    struct hf_publication *publication = hf_publication_new(position, &fields);

    assert_non_null(publication);
    return publication;
}

/* A page of publications first..last whose payloads are {"n":<offset>}. */
static inline struct hf_page *page_of(uint64_t first, uint64_t last)
{
    struct hf_publication *items[1024] = {NULL};
    uint32_t count = 0;
    struct hf_page *page;

    for (uint64_t offset = first; offset <= last; offset++) {
        char data[64];

        (void)snprintf(data, sizeof(data), "{\"n\":%llu}", (unsigned long long)offset);
        items[count++] = publication_of(offset, data);
    }
    page = hf_page_new(items, count);
    assert_non_null(page);
    while (count > 0) {
        hf_publication_unref(items[--count]);
    }
    return page;
}

/* --- transport ------------------------------------------------------------------------------ */

struct hf_connection {
    char *sent; /* all frames, NUL-terminated */
    size_t sent_len;
    unsigned frames;
    size_t queued; /* what transport->queued says */
    bool wants_drain;
    unsigned close_code; /* 0: open */
    char close_reason[64];
};

static bool fake_wrap_fails;
static atomic_uint fake_wraps; /* frames built, on any thread */

static inline struct hf_frame *fake_wrap(const char *data, size_t len)
{
    char *bytes;
    struct hf_frame *frame;

    if (fake_wrap_fails) {
        return NULL;
    }
    frame = hf_frame_new(len + 2, &bytes);
    assert_non_null(frame);
    fake_wraps++;
    bytes[0] = '[';
    memcpy(bytes + 1, data, len);
    bytes[len + 1] = ']';
    return frame;
}

static inline void fake_send(struct hf_connection *connection, struct hf_frame *frame)
{
    if (connection->close_code != 0) {
        return;
    }
    connection->sent = realloc(connection->sent, connection->sent_len + frame->len + 1);
    assert_non_null(connection->sent);
    memcpy(connection->sent + connection->sent_len, frame->data, frame->len);
    connection->sent_len += frame->len;
    connection->sent[connection->sent_len] = '\0';
    connection->frames++;
}

static inline size_t fake_queued(const struct hf_connection *connection)
{
    return connection->queued;
}

static inline void fake_close(struct hf_connection *connection, unsigned code, const char *reason)
{
    if (connection->close_code == 0) {
        connection->close_code = code;
        (void)snprintf(connection->close_reason, sizeof(connection->close_reason), "%s", reason);
    }
}

static inline void fake_drop(struct hf_connection *connection)
{
    fake_close(connection, 1, "dropped");
}

void hf_connection_prefetch(const struct hf_connection *connection)
{
    (void)connection;
}

void hf_connection_want_drain(struct hf_connection *connection)
{
    connection->wants_drain = true;
}

static const struct hf_transport fake_transport = {
    .name = "fake",
    .encoding = HF_ENCODING_JSON,
    .framing = HF_FRAMING_WEBSOCKET_JSON,
    .wrap = fake_wrap,
    .send = fake_send,
    .queued = fake_queued,
    .close = fake_close,
    .drop = fake_drop,
};

/* --- node ----------------------------------------------------------------------------------- */

struct hf_node {
    bool is_draining;
    uint64_t uptime_s;
    struct hf_worker *workers[2];
    unsigned worker_count;
};

static struct hf_node fake_node;

const char *hf_node_uid(const struct hf_node *node)
{
    (void)node;
    return "uid-1";
}

const char *hf_node_name(const struct hf_node *node)
{
    (void)node;
    return "node-1";
}

uint64_t hf_node_uptime_s(const struct hf_node *node)
{
    return node->uptime_s;
}

bool hf_node_is_draining(const struct hf_node *node)
{
    return node->is_draining;
}

struct hf_engine *hf_node_engine(const struct hf_node *node)
{
    (void)node;
    return NULL;
}

unsigned hf_node_worker_count(const struct hf_node *node)
{
    return node->worker_count;
}

struct hf_worker *hf_node_worker(const struct hf_node *node, unsigned index)
{
    assert_true(index < node->worker_count);
    return node->workers[index];
}

/* --- the fixture ---------------------------------------------------------------------------- */

struct fixture {
    struct hf_config *config;
    struct hf_worker worker;
};

/* Namespaces that most tests want; `client` is spliced into the section of that name. */
static inline struct hf_config *load_config(const char *client)
{
    char path[] = "/tmp/hf_session_test_XXXXXX.json";
    int fd = mkstemps(path, 5);
    FILE *file = fdopen(fd, "w");
    const char *argv[] = {"holdfast", "-c", path};
    const char *envp[] = {NULL};
    struct hf_config_result result = {0};
    struct hf_config *config;
    enum hf_config_status status;

    assert_non_null(file);
    (void)fprintf(
        file,
        "{\"client\":{%s},\"http_api\":{\"key\":\"secret\"},"
        "\"channel\":{\"max_length\":40,\"namespaces\":["
        "{\"name\":\"chat\",\"allow_subscribe_for_client\":true,"
        "\"allow_subscribe_for_anonymous\":true,"
        "\"allow_publish_for_subscriber\":true,\"allow_publish_for_anonymous\":true,"
        "\"allow_history_for_client\":true,\"allow_history_for_anonymous\":true,"
        "\"history_size\":10,\"history_ttl\":\"600s\",\"force_recovery\":true},"
        "{\"name\":\"long\",\"allow_subscribe_for_client\":true,"
        "\"allow_subscribe_for_anonymous\":true,"
        "\"allow_publish_for_subscriber\":true,\"allow_publish_for_anonymous\":true,"
        "\"allow_history_for_client\":true,\"allow_history_for_anonymous\":true,"
        "\"history_size\":10000,\"history_ttl\":\"600s\",\"force_recovery\":true},"
        "{\"name\":\"plain\",\"allow_subscribe_for_client\":true,"
        "\"allow_subscribe_for_anonymous\":true,"
        "\"allow_publish_for_client\":true,\"allow_publish_for_anonymous\":true},"
        "{\"name\":\"object\",\"allow_publish_for_client\":true,"
        "\"allow_publish_for_anonymous\":true,\"publication_data_format\":\"json_object\"},"
        "{\"name\":\"room\",\"allow_subscribe_for_client\":true,"
        "\"allow_subscribe_for_anonymous\":true,\"presence\":true,\"join_leave\":true,"
        "\"allow_presence_for_subscriber\":true,\"allow_presence_for_anonymous\":true},"
        "{\"name\":\"lobby\",\"allow_subscribe_for_client\":true,"
        "\"allow_subscribe_for_anonymous\":true,\"join_leave\":true,"
        "\"force_push_join_leave\":true},"
        "{\"name\":\"closed\"}"
        "]}}",
        client);
    (void)fclose(file);
    status = hf_config_load(&result, 3, argv, envp);
    (void)unlink(path);
    for (size_t i = 0; i < result.errors.count; i++) {
        print_error("%s\n", result.errors.items[i]);
    }
    assert_int_equal(status, HF_CONFIG_LOADED);
    config = result.config;
    result.config = NULL;
    hf_config_result_fini(&result);
    return config;
}

static struct hf_worker_private fake_worker_private; /* no routes */

#define CLIENT_DEFAULTS "\"allow_anonymous_connect_without_token\":true"

static inline struct fixture *fixture_with(const char *client)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    memset(&fake_node, 0, sizeof(fake_node));
    fake_wrap_fails = false;
    fixture->config = load_config(client);
    fixture->worker.config = fixture->config;
    fixture->worker.node = &fake_node;
    fixture->worker.now_ms = 1000000;
    hf_buffer_init(&fixture->worker.encode, 0);
    fixture->worker.priv = &fake_worker_private;
    fake_node.workers[0] = &fixture->worker;
    fake_node.worker_count = 1;
    assert_int_equal(hf_token_verifiers_open(&fixture->worker.tokens, fixture->config), HF_OK);
    fixture->worker.users = hf_users_new(fixture->config->client.user_connection_limit);
    assert_non_null(fixture->worker.users);
    fixture->worker.hub = hf_hub_open(&fixture->worker);
    fixture->worker.registry = hf_registry_open(&fixture->worker);
    assert_non_null(fixture->worker.hub);
    assert_non_null(fixture->worker.registry);
    fixture->worker.surveys = hf_surveys_open(&fixture->worker);
    assert_non_null(fixture->worker.surveys);
    return fixture;
}

static inline int fixture_setup(void **state)
{
    *state = fixture_with(CLIENT_DEFAULTS);
    return 0;
}

/* All connections must be closed before. */
static inline void fixture_free(struct fixture *fixture)
{
#ifndef HF_TEST_REAL_ENGINE
    assert_int_equal(open_watches(), 0);
    fake_engine_reset();
#endif
    assert_int_equal(fixture->worker.counters.clients, 0);
    assert_int_equal(fixture->worker.counters.subscriptions, 0);
    assert_int_equal(fixture->worker.counters.channels, 0);
    hf_token_verifiers_close(&fixture->worker.tokens);
    hf_users_free(fixture->worker.users);
    hf_surveys_close(fixture->worker.surveys);
    hf_registry_close(fixture->worker.registry);
    hf_hub_close(fixture->worker.hub);
    hf_buffer_fini(&fixture->worker.encode);
    hf_config_free(fixture->config);
    free(fixture);
}

static inline int fixture_teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

/* --- a client ------------------------------------------------------------------------------- */

struct client {
    struct hf_connection connection;
    struct hf_session *session;
    struct fixture *fixture;
};

static inline void client_forget(struct client *client)
{
    free(client->connection.sent);
    client->connection.sent = NULL;
    client->connection.sent_len = 0;
    client->connection.frames = 0;
}

static inline void client_open(struct client *client, struct fixture *fixture)
{
    memset(client, 0, sizeof(*client));
    client->fixture = fixture;
    client->session = hf_session_open(&fixture->worker, &fake_transport, &client->connection);
    assert_non_null(client->session);
}

static inline void client_send(struct client *client, const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len + 1); /* exact, so that a sanitizer sees a read beyond it */

    assert_non_null(copy);
    memcpy(copy, text, len);
    hf_session_receive(client->session, copy, len);
    free(copy);
}

static inline const char *client_sent(const struct client *client)
{
    return client->connection.sent == NULL ? "" : client->connection.sent;
}

/* What was sent since the last call, and the code that the connection was closed with, if any. */
static inline void expect_sent(struct client *client, const char *expected)
{
    hf_hub_flush(client->fixture->worker.hub);
    assert_string_equal(client_sent(client), expected);
    client_forget(client);
}

static inline void expect_open(const struct client *client)
{
    assert_int_equal(client->connection.close_code, 0);
}

static inline void expect_closed(const struct client *client, unsigned code, const char *reason)
{
    assert_int_equal(client->connection.close_code, code);
    assert_string_equal(client->connection.close_reason, reason);
}

static inline void client_connect(struct client *client, struct fixture *fixture)
{
    client_open(client, fixture);
    client_send(client, "{\"id\":1,\"connect\":{}}");
    expect_open(client);
    client_forget(client);
}

static inline void client_close(struct client *client)
{
    hf_session_closed(client->session, 3000);
    client_forget(client);
}

#ifndef HF_TEST_REAL_ENGINE
/* Subscribes to a channel that is answered as a stream at `top`, not recovered, live. */
static inline void client_subscribe_live(struct client *client, const char *channel, uint64_t top)
{
    struct hf_subscribe_result result = {
        .position = {EPOCH, top}, .top = {EPOCH, top}, .live = true};
    unsigned index = fake_engine.request_count;
    char text[400];

    (void)snprintf(text, sizeof(text), "{\"id\":2,\"subscribe\":{\"channel\":\"%s\"}}", channel);
    client_send(client, text);
    complete_subscribe(index, HF_OK, &result);
    hf_hub_flush(client->fixture->worker.hub);
    expect_open(client);
    client_forget(client);
}

#endif

#endif
