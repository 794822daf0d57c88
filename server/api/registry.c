#include "api/registry.h"

#include <stdlib.h>
#include <string.h>

#include <holdfast/engine.h>

#include "api/info_metrics.h"
#include "client/users.h"
#include "json.h"
#include "log.h"
#include "node.h"
#include "worker.h"

/* Longer messages than any node of ours sends are not looked at. */
#define MESSAGE_MAX 16384
#define TEXT_MAX    255 /* bytes of a uid, name or version that are taken */

/* Another node. */
struct peer {
    struct peer *next;
    uint64_t heard_ms;
    struct hf_node_info info; /* its slices point into `texts` */
    char texts[];
};

struct hf_registry {
    struct hf_worker *worker;
    struct peer *peers;
    uint32_t peer_count;
    uint64_t tell_at_ms;              /* 0: at the first tick */
    struct hf_info_metrics aggregate; /* worker 0's */
    char *metrics;                    /* of the own node; NULL: none yet */
    size_t metrics_len;
    bool has_left;
};

/* --- the own node --------------------------------------------------------------------------- */

/* Channels with subscribers on this node. The engine knows, since each is one stream to it, but its
 * figures are as old as its last tick; the workers' are of the moment, but a channel may be on
 * several of them. So the engine decides between what the workers allow. */
static uint64_t count_channels(const struct hf_node *node, uint64_t most_of_a_worker,
                               uint64_t sum_of_workers)
{
    struct hf_engine_status status;
    uint64_t watched;

    if (most_of_a_worker == sum_of_workers) {
        return sum_of_workers;
    }
    hf_engine_status(hf_node_engine(node), &status);
    watched = status.streams > status.lingering ? status.streams - status.lingering : 0;
    if (watched < most_of_a_worker) {
        return most_of_a_worker;
    }
    return watched < sum_of_workers ? watched : sum_of_workers;
}

/* Those without a name count as one user. */
static uint64_t count_users(struct hf_users *users, uint64_t clients)
{
    uint64_t named;
    uint64_t connections;

    hf_users_count(users, &named, &connections);
    return named + (clients > connections ? 1 : 0);
}

static void describe_self(const struct hf_registry *registry, struct hf_node_info *info)
{
    const struct hf_node *node = registry->worker->node;
    uint64_t most = 0;
    uint64_t sum = 0;

    *info = (struct hf_node_info){
        .uid = hf_slice_of(hf_node_uid(node)),
        .name = hf_slice_of(hf_node_name(node)),
        .version = HF_SLICE("Holdfast " HF_VERSION),
        .uptime_s = hf_node_uptime_s(node),
    };
    for (unsigned i = 0; i < hf_node_worker_count(node); i++) {
        const struct hf_worker *worker = hf_node_worker(node, i);
        uint64_t channels = hf_counter_read(&worker->counters.channels);

        info->num_clients += hf_counter_read(&worker->counters.clients);
        info->num_subs += hf_counter_read(&worker->counters.subscriptions);
        sum += channels;
        most = channels > most ? channels : most;
    }
    info->num_channels = count_channels(node, most, sum);
    info->num_users = count_users(registry->worker->users, info->num_clients);
    info->metrics = hf_slice(registry->metrics, registry->metrics_len);
}

/* Worker 0 has counted them, the others are told by it. Without memory they are what they were. */
static void keep_metrics(struct hf_registry *registry, struct hf_slice metrics)
{
    char *copy = metrics.len > 0 ? malloc(metrics.len) : NULL;

    if (copy != NULL) {
        memcpy(copy, metrics.data, metrics.len);
        free(registry->metrics);
        registry->metrics = copy;
        registry->metrics_len = metrics.len;
    }
}

static void aggregate(struct hf_registry *registry, uint64_t now_ms)
{
    struct hf_buffer *text = &registry->worker->encode;

    hf_buffer_reset(text);
    if (hf_info_metrics_tick(&registry->aggregate, registry->worker, now_ms, text) &&
        !hf_buffer_failed(text)) {
        keep_metrics(registry, hf_slice(text->data, text->len));
    }
}

/* --- telling -------------------------------------------------------------------------------- */

static void write_number(struct hf_buffer *text, struct hf_slice name, uint64_t value)
{
    hf_buffer_append_slice(text, name);
    hf_buffer_append_u64(text, value);
}

static void write_self(const struct hf_registry *registry, struct hf_buffer *text)
{
    struct hf_node_info info;

    describe_self(registry, &info);
    HF_BUFFER_APPEND_LITERAL(text, "{\"type\":\"node\",\"uid\":");
    hf_json_append_string(text, info.uid);
    HF_BUFFER_APPEND_LITERAL(text, ",\"name\":");
    hf_json_append_string(text, info.name);
    HF_BUFFER_APPEND_LITERAL(text, ",\"version\":");
    hf_json_append_string(text, info.version);
    write_number(text, HF_SLICE(",\"num_clients\":"), info.num_clients);
    write_number(text, HF_SLICE(",\"num_users\":"), info.num_users);
    write_number(text, HF_SLICE(",\"num_subs\":"), info.num_subs);
    write_number(text, HF_SLICE(",\"num_channels\":"), info.num_channels);
    write_number(text, HF_SLICE(",\"uptime\":"), info.uptime_s);
    if (info.metrics.len > 0) {
        HF_BUFFER_APPEND_LITERAL(text, ",\"metrics\":");
        hf_buffer_append_slice(text, info.metrics);
    }
    hf_buffer_append_char(text, '}');
}

static void on_told(void *context, int rc)
{
    (void)context; /* nothing of the registry, which may be gone */
    if (rc != HF_OK && rc != HF_ECLOSED) {
        static struct hf_log_limit limit;

        if (hf_log_limit_pass(&limit, 60000, NULL)) {
            hf_log(HF_LOG_WARN, "other nodes could not be told about this one", "reason=%s",
                   hf_error_text(rc));
        }
    }
}

static void tell(const struct hf_registry *registry)
{
    const struct hf_buffer *text = &registry->worker->encode;
    int rc = HF_ENOMEM;

    if (!hf_buffer_failed(text)) {
        rc = hf_bus_send(registry->worker->port, (struct hf_bytes){text->data, text->len}, on_told,
                         NULL);
    }
    if (rc != HF_OK) {
        on_told(NULL, rc);
    }
}

/* --- hearing -------------------------------------------------------------------------------- */

static struct peer **find_peer(struct hf_registry *registry, struct hf_slice uid)
{
    struct peer **link = &registry->peers;

    while (*link != NULL && !hf_slice_equal((*link)->info.uid, uid)) {
        link = &(*link)->next;
    }
    return link;
}

static void remove_peer(struct hf_registry *registry, struct peer **link)
{
    struct peer *peer = *link;

    *link = peer->next;
    registry->peer_count--;
    free(peer);
}

static struct hf_slice keep_text(char **at, struct hf_slice text)
{
    struct hf_slice kept = hf_slice(*at, text.len);

    if (text.len > 0) {
        memcpy(*at, text.data, text.len);
    }
    *at += text.len;
    return kept;
}

static struct peer *peer_new(const struct hf_node_info *info, uint64_t now_ms)
{
    struct peer *peer = malloc(sizeof(*peer) + info->uid.len + info->name.len + info->version.len +
                               info->metrics.len);
    char *at;

    if (peer != NULL) {
        at = peer->texts;
        peer->heard_ms = now_ms;
        peer->info = *info;
        peer->info.uid = keep_text(&at, info->uid);
        peer->info.name = keep_text(&at, info->name);
        peer->info.version = keep_text(&at, info->version);
        peer->info.metrics = keep_text(&at, info->metrics);
    }
    return peer;
}

/* Replaces what was known of the node. Without memory it is what it was. */
static void hear_node(struct hf_registry *registry, const struct hf_node_info *info)
{
    struct peer **link = find_peer(registry, info->uid);
    struct peer *peer;

    if (*link == NULL &&
        registry->peer_count >= registry->worker->config->holdfast.registry_nodes_max) {
        static struct hf_log_limit limit;

        if (hf_log_limit_pass(&limit, 60000, NULL)) {
            hf_log(HF_LOG_WARN, "more nodes than holdfast.registry_nodes_max", "uid=%.*s",
                   (int)info->uid.len, info->uid.data);
        }
        return;
    }
    peer = peer_new(info, registry->worker->now_ms);
    if (peer == NULL) {
        return;
    }
    if (*link != NULL) {
        remove_peer(registry, link);
    } else {
        registry->tell_at_ms = 0; /* it does not know us either: with the next tick */
    }
    peer->next = registry->peers;
    registry->peers = peer;
    registry->peer_count++;
}

static void take_text(struct hf_json *json, struct hf_arena *arena, struct hf_slice *text)
{
    if (hf_json_get_string(json, arena, text) && text->len > TEXT_MAX) {
        hf_json_fail(json, "text too long");
    }
}

/* Reads a message. False when it is none of ours. */
static bool parse(struct hf_slice message, struct hf_arena *arena, struct hf_slice *type,
                  struct hf_node_info *info)
{
    struct hf_json json;
    struct hf_json_key key;

    memset(info, 0, sizeof(*info));
    *type = (struct hf_slice){0};
    hf_json_init(&json, message, HF_JSON_MAX_DEPTH);
    (void)hf_json_object_begin(&json);
    while (!hf_json_failed(&json) && hf_json_object_next(&json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("type"))) {
            take_text(&json, arena, type);
        } else if (hf_json_key_is(&key, HF_SLICE("uid"))) {
            take_text(&json, arena, &info->uid);
        } else if (hf_json_key_is(&key, HF_SLICE("name"))) {
            take_text(&json, arena, &info->name);
        } else if (hf_json_key_is(&key, HF_SLICE("version"))) {
            take_text(&json, arena, &info->version);
        } else if (hf_json_key_is(&key, HF_SLICE("num_clients"))) {
            (void)hf_json_get_u64(&json, &info->num_clients);
        } else if (hf_json_key_is(&key, HF_SLICE("num_users"))) {
            (void)hf_json_get_u64(&json, &info->num_users);
        } else if (hf_json_key_is(&key, HF_SLICE("num_subs"))) {
            (void)hf_json_get_u64(&json, &info->num_subs);
        } else if (hf_json_key_is(&key, HF_SLICE("num_channels"))) {
            (void)hf_json_get_u64(&json, &info->num_channels);
        } else if (hf_json_key_is(&key, HF_SLICE("uptime"))) {
            (void)hf_json_get_u64(&json, &info->uptime_s);
        } else if (hf_json_key_is(&key, HF_SLICE("metrics")) &&
                   hf_json_peek(&json) == HF_JSON_OBJECT) {
            (void)hf_json_raw(&json, &info->metrics);
        } else {
            (void)hf_json_skip(&json);
        }
    }
    return hf_json_end(&json) == HF_JSON_OK && !hf_slice_is_empty(info->uid);
}

void hf_registry_on_bus(void *port_context, struct hf_bytes message)
{
    const struct hf_worker *worker = port_context;
    struct hf_registry *registry = worker->registry;
    struct hf_node_info info;
    struct hf_slice type;
    struct hf_arena arena;

    if (registry == NULL || message.len > MESSAGE_MAX) {
        return;
    }
    hf_arena_init(&arena, MESSAGE_MAX * 2);
    if (!parse(hf_slice(message.data, message.len), &arena, &type, &info)) {
        hf_log(HF_LOG_DEBUG, "a message between nodes was not understood", "bytes=%zu",
               message.len);
    } else if (hf_slice_equal(info.uid, hf_slice_of(hf_node_uid(worker->node)))) {
        if (worker->index != 0) {
            keep_metrics(registry, info.metrics);
        }
    } else if (hf_slice_equal(type, HF_SLICE("node"))) {
        hear_node(registry, &info);
    } else if (hf_slice_equal(type, HF_SLICE("leave"))) {
        struct peer **link = find_peer(registry, info.uid);

        if (*link != NULL) {
            remove_peer(registry, link);
        }
    }
    hf_arena_fini(&arena);
}

/* --- the registry itself -------------------------------------------------------------------- */

struct hf_registry *hf_registry_open(struct hf_worker *worker)
{
    struct hf_registry *registry = calloc(1, sizeof(*registry));

    if (registry != NULL) {
        registry->worker = worker;
    }
    return registry;
}

void hf_registry_close(struct hf_registry *registry)
{
    if (registry == NULL) {
        return;
    }
    while (registry->peers != NULL) {
        remove_peer(registry, &registry->peers);
    }
    free(registry->metrics);
    free(registry);
}

void hf_registry_tick(struct hf_registry *registry, uint64_t now_ms)
{
    const struct hf_config_holdfast *own = &registry->worker->config->holdfast;
    uint64_t forget_ms = (uint64_t)own->registry_timeout_ms;
    struct peer **link = &registry->peers;

    while (*link != NULL) {
        if (now_ms >= (*link)->heard_ms + forget_ms) {
            remove_peer(registry, link);
        } else {
            link = &(*link)->next;
        }
    }
    if (registry->worker->index == 0) {
        aggregate(registry, now_ms);
    }
    if (registry->worker->index == 0 && !registry->has_left && now_ms >= registry->tell_at_ms) {
        registry->tell_at_ms = now_ms + (uint64_t)own->registry_interval_ms;
        hf_buffer_reset(&registry->worker->encode);
        write_self(registry, &registry->worker->encode);
        tell(registry);
    }
}

void hf_registry_leave(struct hf_registry *registry)
{
    struct hf_buffer *text = &registry->worker->encode;

    if (registry->worker->index != 0 || registry->has_left) {
        return;
    }
    registry->has_left = true;
    hf_buffer_reset(text);
    HF_BUFFER_APPEND_LITERAL(text, "{\"type\":\"leave\",\"uid\":");
    hf_json_append_string(text, hf_slice_of(hf_node_uid(registry->worker->node)));
    hf_buffer_append_char(text, '}');
    tell(registry);
}

void hf_registry_each(struct hf_registry *registry,
                      void (*visit)(void *context, const struct hf_node_info *info), void *context)
{
    struct hf_node_info self;

    describe_self(registry, &self);
    visit(context, &self);
    for (const struct peer *peer = registry->peers; peer != NULL; peer = peer->next) {
        visit(context, &peer->info);
    }
}
