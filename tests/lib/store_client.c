#include "store_client.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "loop.h"

const struct hf_stream_options hf_options_10 = {10, 60, 120};
const struct hf_stream_options hf_options_none = {0, 0, 0};

static void *must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

struct hf_bytes hf_bytes_of(const char *text)
{
    return (struct hf_bytes){text, strlen(text)};
}

/* --- events --------------------------------------------------------------------------------- */

static void see(struct hf_store_client *client, struct hf_bytes channel,
                struct hf_publication *publication)
{
    if (client->seen_count == client->seen_capacity) {
        client->seen_capacity = client->seen_capacity * 2 + 64;
        client->seen = must(realloc(client->seen, client->seen_capacity * sizeof client->seen[0]));
    }
    struct hf_seen *seen = &client->seen[client->seen_count++];
    *seen = (struct hf_seen){0};
    snprintf(seen->channel, sizeof seen->channel, "%.*s", (int)channel.len, channel.data);
    seen->publication = publication != NULL ? hf_publication_ref(publication) : NULL;
}

static void on_connected(void *context, uint64_t life, const struct hf_lives *admitted)
{
    struct hf_store_client *client = context;
    client->life = life;
    client->admitted = *admitted;
    if (!client->keeps_fence)
        client->store->ops->admit(client->store, life);
    client->connects++;
}

static void on_disconnected(void *context, const char *reason)
{
    struct hf_store_client *client = context;
    client->disconnects++;
    snprintf(client->last_reason, sizeof client->last_reason, "%s", reason);
}

static void on_listening(void *context, struct hf_bytes channel)
{
    see(context, channel, NULL);
}

static void on_publication(void *context, struct hf_bytes channel,
                           struct hf_publication *publication)
{
    see(context, channel, publication);
}

static void on_removed_channel(void *context, struct hf_bytes channel)
{
    struct hf_store_client *client = context;
    see(client, channel, NULL);
    client->seen[client->seen_count - 1].is_removed = true;
}

static void on_bus(void *context, struct hf_bytes message)
{
    struct hf_store_client *client = context;
    see(client, message, NULL);
    client->seen[client->seen_count - 1].is_bus = true;
}

static void on_presence(void *context, struct hf_bytes channel, bool is_join, struct hf_bytes info)
{
    struct hf_store_client *client = context;
    see(client, channel, NULL);
    struct hf_seen *seen = &client->seen[client->seen_count - 1];
    seen->is_join = is_join;
    seen->is_leave = !is_join;
    snprintf(seen->info, sizeof seen->info, "%.*s", (int)info.len, info.data);
}

static void on_log(void *context, enum hf_log_severity severity, const char *text)
{
    (void)severity;
    struct hf_store_client *client = context;
    size_t len = strlen(client->log);
    snprintf(client->log + len, sizeof client->log - len, "%s\n", text);
}

/* --- life ----------------------------------------------------------------------------------- */

void hf_store_client_init(struct hf_store_client *client, const char *address)
{
    memset(client, 0, sizeof *client);
    client->config = (struct hf_engine_config){
        .node_name = "node",
        .store = address != NULL ? HF_STORE_REDIS : HF_STORE_MEMORY,
        .redis = {.address = address,
                  .prefix = "holdfast",
                  .connect_timeout_ms = 1000,
                  .io_timeout_ms = 4000},
        .wait_ms = 4000,
        .presence_ttl_ms = 60000,
        .pending_requests_max = 100000,
        .idle_channels_max = 1000,
        .idle_channel_ttl_ms = 600000,
        .memory_keys_max = 1000,
        .memory_versions_max = 1000,
        .pending_bytes_max = (size_t)64 * 1024 * 1024,
        .log = on_log,
        .log_context = client,
    };
    client->events =
        (struct hf_store_events){on_connected,       on_disconnected, on_listening, on_publication,
                                 on_removed_channel, on_bus,          on_presence,  client};
}

void hf_store_client_open(struct hf_store_client *client)
{
    char reason[160] = "";
    /* The engine's thread blocks it: writing to a closed connection is an error, not a death. */
    signal(SIGPIPE, SIG_IGN);
    client->base = must(event_base_new());
    client->store = client->config.store == HF_STORE_REDIS
                        ? hf_store_redis_open(client->base, &client->config, &client->events,
                                              reason, sizeof reason)
                        : hf_store_memory_open(client->base, &client->config, &client->events,
                                               reason, sizeof reason);
    if (client->store == NULL) {
        fprintf(stderr, "store: %s\n", reason);
        abort();
    }
}

void hf_store_client_connect(struct hf_store_client *client)
{
    hf_store_client_open(client);
    if (!hf_store_client_wait_connects(client, 1)) {
        struct hf_store_status status;
        client->store->ops->status(client->store, &status);
        fprintf(stderr, "store: not connected: %s\n", status.reason);
        abort();
    }
}

void hf_store_client_forget_seen(struct hf_store_client *client)
{
    for (size_t i = 0; i < client->seen_count; i++)
        hf_publication_unref(client->seen[i].publication);
    client->seen_count = 0;
}

void hf_store_client_close(struct hf_store_client *client)
{
    if (client->store != NULL)
        client->store->ops->close(client->store);
    hf_store_client_forget_seen(client);
    free(client->seen);
    if (client->base != NULL)
        event_base_free(client->base);
    client->store = NULL;
    client->seen = NULL;
    client->base = NULL;
}

/* --- waiting -------------------------------------------------------------------------------- */

struct wait {
    struct hf_store_client *client;
    size_t count;
    const bool *is_done;
};

static bool has_connects(void *context)
{
    const struct wait *wait = context;
    return wait->client->connects >= wait->count;
}

static bool has_disconnects(void *context)
{
    const struct wait *wait = context;
    return wait->client->disconnects >= wait->count;
}

static bool has_seen(void *context)
{
    const struct wait *wait = context;
    return wait->client->seen_count >= wait->count;
}

static bool is_done(void *context)
{
    const struct wait *wait = context;
    return *wait->is_done;
}

static bool run_until(struct wait wait, bool (*is_true)(void *context))
{
    return hf_loop_until(wait.client->base, is_true, &wait, HF_TEST_DEADLINE_MS);
}

bool hf_store_client_wait_connects(struct hf_store_client *client, unsigned connects)
{
    return run_until((struct wait){client, connects, NULL}, has_connects);
}

bool hf_store_client_wait_disconnects(struct hf_store_client *client, unsigned disconnects)
{
    return run_until((struct wait){client, disconnects, NULL}, has_disconnects);
}

bool hf_store_client_wait_seen(struct hf_store_client *client, size_t count)
{
    return run_until((struct wait){client, count, NULL}, has_seen);
}

bool hf_store_client_listen(struct hf_store_client *client, const char *channel)
{
    size_t before = client->seen_count;
    client->store->ops->listen(client->store, hf_bytes_of(channel));
    client->store->ops->flush(client->store);
    if (!hf_store_client_wait_seen(client, before + 1) ||
        client->seen[before].publication != NULL ||
        strcmp(client->seen[before].channel, channel) != 0)
        return false;
    client->seen_count--;
    return true;
}

/* --- requests ------------------------------------------------------------------------------- */

static void on_published(struct hf_store_publish *request)
{
    struct hf_test_publish *publish = (struct hf_test_publish *)request;
    if (publish->is_done)
        abort(); /* completed twice */
    publish->is_done = true;
}

struct hf_test_publish *hf_store_client_send(struct hf_store_client *client, const char *channel,
                                             struct hf_stream_options options, const char *data)
{
    struct hf_test_publish *publish = must(calloc(1, sizeof *publish));
    snprintf(publish->channel, sizeof publish->channel, "%s", channel);
    publish->data = must(strdup(data));
    publish->request.channel = hf_bytes_of(publish->channel);
    publish->request.options = options;
    publish->request.fields.data = hf_bytes_of(publish->data);
    publish->request.complete = on_published;
    client->store->ops->publish(client->store, &publish->request);
    return publish;
}

bool hf_store_client_wait_publish(struct hf_store_client *client, struct hf_test_publish *publish)
{
    return run_until((struct wait){client, 0, &publish->is_done}, is_done);
}

void hf_test_publish_free(struct hf_test_publish *publish)
{
    if (!publish->is_done)
        abort();
    free(publish->data);
    free(publish);
}

int hf_store_client_publish(struct hf_store_client *client, const char *channel,
                            struct hf_stream_options options, const char *data,
                            struct hf_position *position)
{
    struct hf_test_publish *publish = hf_store_client_send(client, channel, options, data);
    client->store->ops->flush(client->store);
    if (!hf_store_client_wait_publish(client, publish))
        abort();
    int result = publish->request.result;
    if (position != NULL)
        *position = publish->request.position;
    hf_test_publish_free(publish);
    return result;
}

/* Request and flag in one, for those that wait. */
struct open_read {
    struct hf_store_read request; /* first member */
    bool is_done;
};

static void on_read(struct hf_store_read *request)
{
    ((struct open_read *)request)->is_done = true;
}

int hf_store_client_read(struct hf_store_client *client, struct hf_store_read *request)
{
    struct open_read open = {.request = *request};
    open.request.complete = on_read;
    client->store->ops->read(client->store, &open.request);
    client->store->ops->flush(client->store);
    if (!run_until((struct wait){client, 0, &open.is_done}, is_done))
        abort();
    *request = open.request;
    return request->result;
}

struct open_remove {
    struct hf_store_remove request; /* first member */
    bool is_done;
};

static void on_removed(struct hf_store_remove *request)
{
    ((struct open_remove *)request)->is_done = true;
}

int hf_store_client_remove(struct hf_store_client *client, const char *channel)
{
    struct open_remove open = {
        .request = {.channel = hf_bytes_of(channel), .complete = on_removed}};
    client->store->ops->remove(client->store, &open.request);
    client->store->ops->flush(client->store);
    if (!run_until((struct wait){client, 0, &open.is_done}, is_done))
        abort();
    return open.request.result;
}

struct open_bus {
    struct hf_store_bus request; /* first member */
    bool is_done;
};

static void on_bus_sent(struct hf_store_bus *request)
{
    ((struct open_bus *)request)->is_done = true;
}

int hf_store_client_bus(struct hf_store_client *client, const char *message)
{
    return hf_store_client_bus_to(client, "", message);
}

int hf_store_client_bus_to(struct hf_store_client *client, const char *target, const char *message)
{
    struct open_bus open = {.request = {.message = hf_bytes_of(message),
                                        .target = hf_bytes_of(target),
                                        .complete = on_bus_sent}};
    client->store->ops->bus_send(client->store, &open.request);
    client->store->ops->flush(client->store);
    if (!run_until((struct wait){client, 0, &open.is_done}, is_done))
        abort();
    return open.request.result;
}

struct open_mend {
    struct hf_store_mend request; /* first member */
    bool is_done;
};

static void on_mended(struct hf_store_mend *request)
{
    ((struct open_mend *)request)->is_done = true;
}

int hf_store_client_mend(struct hf_store_client *client, struct hf_store_mend *request)
{
    struct open_mend open = {.request = *request};
    open.request.complete = on_mended;
    client->store->ops->mend(client->store, &open.request);
    client->store->ops->flush(client->store);
    if (!run_until((struct wait){client, 0, &open.is_done}, is_done))
        abort();
    return open.request.result;
}
