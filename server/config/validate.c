#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/loader.h"
#include "config/value.h"
#include "net/origin.h"

static void complete_channel_options(const struct hf_config_channel *channel,
                                     struct hf_channel_options *options)
{
    if (options->history_meta_ttl_ms == 0) {
        options->history_meta_ttl_ms = channel->history_meta_ttl_ms;
    }
    if (options->publication_data_format == HF_DATA_FORMAT_ANY) {
        options->publication_data_format = channel->publication_data_format;
    }
}

static void complete_node_name(struct hf_loader *loader)
{
    struct hf_config *config = loader->config;
    char host[256];
    if (config->node_name[0] != '\0') {
        return;
    }
    if (gethostname(host, sizeof(host)) != 0) {
        snprintf(host, sizeof(host), "localhost");
    }
    host[sizeof(host) - 1] = '\0';
    char *name;
    if (asprintf(&name, "%s_%" PRIu32, host, config->http_server.port) < 0) {
        loader->no_memory = true;
        return;
    }
    free(config->node_name);
    config->node_name = name;
}

void hf__complete(struct hf_loader *loader)
{
    struct hf_config *config = loader->config;
    if (config->holdfast.workers == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        config->holdfast.workers = cores < 1 ? 1 : cores > 1024 ? 1024 : (uint32_t)cores;
    }
    if (config->client.ping_interval_ms == 0) {
        config->client.pong_timeout_ms = 0;
    }
    complete_node_name(loader);
    complete_channel_options(&config->channel, &config->channel.without_namespace);
    for (size_t i = 0; i < config->channel.namespace_count; i++) {
        complete_channel_options(&config->channel, &config->channel.namespaces[i]);
    }
    for (size_t i = 0; i < config->client.allowed_origins.count; i++) {
        for (char *at = config->client.allowed_origins.items[i]; *at != '\0'; at++) {
            *at = (char)tolower((unsigned char)*at);
        }
    }
    if (!hf__namespaces_index(config)) {
        loader->no_memory = true;
    }
}

static void check_history(struct hf_loader *loader, const char *path,
                          const struct hf_channel_options *options)
{
    bool has_history = options->history_size > 0 && options->history_ttl_ms > 0;
    if ((options->history_size > 0) != (options->history_ttl_ms > 0)) {
        hf__loader_error(loader, path,
                         "history_size and history_ttl go together: set both or none");
    }
    if (options->history_ttl_ms > options->history_meta_ttl_ms) {
        char ttl[32];
        char meta_ttl[32];
        hf__duration_format(options->history_ttl_ms, ttl, sizeof(ttl));
        hf__duration_format(options->history_meta_ttl_ms, meta_ttl, sizeof(meta_ttl));
        hf__loader_error(loader, path,
                         "history_ttl (%s) must not be longer than history_meta_ttl (%s)", ttl,
                         meta_ttl);
    }
    if (options->force_recovery && !has_history) {
        hf__loader_error(loader, path,
                         "force_recovery needs history: set history_size and history_ttl");
    }
    if (options->auto_cache_recover &&
        !(options->force_recovery && options->force_recovery_mode == HF_RECOVERY_MODE_CACHE)) {
        hf__loader_error(loader, path,
                         "auto_cache_recover needs force_recovery and force_recovery_mode cache");
    }
    if (!has_history &&
        (options->allow_recovery || options->force_positioning || options->allow_positioning)) {
        hf__loader_warning(loader, path,
                           "allow_recovery, force_positioning and allow_positioning have no effect "
                           "without history_size and history_ttl");
    }
}

static void check_delta(struct hf_loader *loader, const char *path,
                        const struct hf_channel_options *options)
{
    const struct hf_string_list *types = &options->allowed_delta_types;
    for (size_t i = 0; i < types->count; i++) {
        if (strcmp(types->items[i], "fossil") != 0) {
            hf__loader_error(
                loader, path,
                "allowed_delta_types holds \"%.64s\"; the only type there is is fossil",
                types->items[i]);
        }
    }
    if (options->history_size == 0 && (types->count > 0 || options->delta_publish)) {
        hf__loader_warning(loader, path,
                           "allowed_delta_types and delta_publish have no effect without "
                           "history_size and history_ttl: every publication is sent in full");
    } else if (options->delta_publish && types->count == 0) {
        hf__loader_warning(loader, path, "delta_publish has no effect without allowed_delta_types");
    }
}

static void check_presence(struct hf_loader *loader, const char *path,
                           const struct hf_channel_options *options)
{
    const struct hf_config *config = loader->config;
    if (options->presence &&
        config->client.presence_update_interval_ms >= config->engine.redis.presence_ttl_ms) {
        hf__loader_error(loader, path,
                         "presence needs a client.presence_update_interval that is shorter than "
                         "engine.redis.presence_ttl: present clients would vanish in between");
    }
    if (options->force_push_join_leave && !options->join_leave) {
        hf__loader_warning(loader, path, "force_push_join_leave has no effect without join_leave");
    }
}

static void check_permissions(struct hf_loader *loader, const char *path,
                              const struct hf_channel_options *options)
{
    if (options->allow_user_limited_channels && loader->config->channel.user_boundary[0] == '\0') {
        hf__loader_error(loader, path,
                         "allow_user_limited_channels needs channel.user_boundary, which is empty");
    }
    if (options->allow_subscribe_for_anonymous && !options->allow_subscribe_for_client) {
        hf__loader_warning(loader, path,
                           "allow_subscribe_for_anonymous has no effect without "
                           "allow_subscribe_for_client");
    }
    if (options->allow_publish_for_anonymous && !options->allow_publish_for_client &&
        !options->allow_publish_for_subscriber) {
        hf__loader_warning(loader, path,
                           "allow_publish_for_anonymous has no effect without "
                           "allow_publish_for_client or allow_publish_for_subscriber");
    }
    if (options->allow_history_for_anonymous && !options->allow_history_for_client &&
        !options->allow_history_for_subscriber) {
        hf__loader_warning(loader, path,
                           "allow_history_for_anonymous has no effect without "
                           "allow_history_for_client or allow_history_for_subscriber");
    }
}

/* [-a-zA-Z0-9_.], at least two of them. */
static bool is_namespace_name(const char *name)
{
    size_t len = 0;
    for (; name[len] != '\0'; len++) {
        unsigned char letter = (unsigned char)name[len];
        if (letter >= 128 || (!isalnum(letter) && strchr("-_.", letter) == NULL)) {
            return false;
        }
    }
    return len >= 2;
}

static void check_namespaces(struct hf_loader *loader)
{
    const struct hf_config_channel *channel = &loader->config->channel;
    if (channel->namespace_count > 0 && channel->namespace_boundary[0] == '\0') {
        hf__loader_error(loader, "channel.namespace_boundary",
                         "must not be empty when there are namespaces");
    }
    for (size_t i = 0; i < channel->namespace_count; i++) {
        const struct hf_channel_options *options = &channel->namespaces[i];
        char path[HF_CONFIG_PATH_MAX];
        snprintf(path, sizeof(path), "channel.namespaces[%zu].name", i);
        if (!is_namespace_name(options->name)) {
            hf__loader_error(loader, path,
                             "\"%.64s\" is not valid; valid are two or more of the characters "
                             "a-z A-Z 0-9 - _ .",
                             options->name);
            snprintf(path, sizeof(path), "channel.namespaces[%zu]", i);
        } else {
            /* The index holds one of several with the same name: the first. */
            const struct hf_channel_options *first =
                hf_config_find_namespace(loader->config, options->name, strlen(options->name));
            if (first != NULL && first < options) {
                hf__loader_error(loader, path, "\"%.64s\" is given twice; names must be unique",
                                 options->name);
            }
            snprintf(path, sizeof(path), "channel.namespaces[%zu] (%.40s)", i, options->name);
        }
        check_history(loader, path, options);
        check_delta(loader, path, options);
        check_presence(loader, path, options);
        check_permissions(loader, path, options);
    }
}

static void check_client(struct hf_loader *loader)
{
    const struct hf_config_client *client = &loader->config->client;
    if (client->ping_interval_ms > 0 && client->pong_timeout_ms >= client->ping_interval_ms) {
        char ping[32];
        char pong[32];
        hf__duration_format(client->ping_interval_ms, ping, sizeof(ping));
        hf__duration_format(client->pong_timeout_ms, pong, sizeof(pong));
        hf__loader_error(loader, "client.pong_timeout",
                         "%s must be shorter than client.ping_interval (%s); 0 switches it off",
                         pong, ping);
    }
    for (size_t i = 0; i < client->allowed_origins.count; i++) {
        const char *why = hf_origin_pattern_error(client->allowed_origins.items[i]);
        if (why != NULL) {
            hf__loader_error(loader, "client.allowed_origins", "\"%.100s\" is not a valid glob: %s",
                             client->allowed_origins.items[i], why);
        }
    }
    if (client->insecure) {
        hf__loader_warning(loader, "client.insecure",
                           "every client may do everything: for development only");
    }
}

static void check_path_pair(struct hf_loader *loader, const char *left_key, const char *left,
                            const char *right_key, const char *right)
{
    size_t left_len = strlen(left);
    size_t right_len = strlen(right);
    size_t common = left_len < right_len ? left_len : right_len;
    const char *longer = left_len < right_len ? right : left;
    if (strncmp(left, right, common) == 0 && (longer[common] == '\0' || longer[common] == '/')) {
        hf__loader_error(loader, left_key,
                         "%s and %s (%s) are in each other's way; give them "
                         "different paths",
                         left, right_key, right);
    }
}

struct endpoint {
    bool is_on;
    const char *key;
    const char *path;
};

static void check_paths(struct hf_loader *loader)
{
    const struct hf_config *config = loader->config;
    bool has_websocket = !config->websocket.disabled;
    bool has_api = !config->http_api.disabled;
    const struct endpoint endpoints[] = {
        {has_websocket, "websocket.handler_prefix", config->websocket.handler_prefix},
        {has_api, "http_api.handler_prefix", config->http_api.handler_prefix},
        {config->health.enabled, "health.handler_prefix", config->health.handler_prefix},
        {config->prometheus.enabled, "prometheus.handler_prefix",
         config->prometheus.handler_prefix},
        {config->http_stream.enabled, "http_stream.handler_prefix",
         config->http_stream.handler_prefix},
        {config->sse.enabled, "sse.handler_prefix", config->sse.handler_prefix},
        {config->http_stream.enabled || config->sse.enabled, "emulation.handler_prefix",
         config->emulation.handler_prefix},
        {config->uni_sse.enabled, "uni_sse.handler_prefix", config->uni_sse.handler_prefix},
        {config->uni_http_stream.enabled, "uni_http_stream.handler_prefix",
         config->uni_http_stream.handler_prefix},
        {config->uni_websocket.enabled, "uni_websocket.handler_prefix",
         config->uni_websocket.handler_prefix},
        {config->holdfast.poll_enabled, "holdfast.poll.handler_prefix",
         config->holdfast.poll_handler_prefix},
    };
    size_t count = sizeof(endpoints) / sizeof(endpoints[0]);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = i + 1; k < count; k++) {
            if (endpoints[i].is_on && endpoints[k].is_on) {
                check_path_pair(loader, endpoints[i].key, endpoints[i].path, endpoints[k].key,
                                endpoints[k].path);
            }
        }
    }
    if (has_api && config->http_api.insecure) {
        hf__loader_warning(loader, "http_api.insecure",
                           "everyone may call the server API: for development only");
    } else if (has_api && config->http_api.key[0] == '\0') {
        hf__loader_warning(loader, "http_api.key",
                           "is not set: every call of the server API is refused");
    }
}

/* unix://[userinfo@]/path, the path fitting a socket address. */
static void check_unix_address(struct hf_loader *loader, const char *rest)
{
    size_t len = strcspn(rest, "?");
    const char *at = memrchr(rest, '@', len);
    const char *path = at == NULL ? rest : at + 1;
    size_t path_len = len - (size_t)(path - rest);
    if (path_len < 2 || path[0] != '/') {
        hf__loader_error(loader, "engine.redis.address",
                         "a unix socket is given as unix:///path or unix://user:password@/path");
    } else if (path_len >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        hf__loader_error(loader, "engine.redis.address",
                         "the path of a unix socket must be shorter than %zu bytes",
                         sizeof(((struct sockaddr_un *)NULL)->sun_path));
    }
}

/* The scheme only: the engine takes the address apart. It may hold a password: never quoted. */
static void check_redis(struct hf_loader *loader)
{
    static const char *const not_offered[] = {"rediss",        "redis+sentinel", "rediss+sentinel",
                                              "redis+cluster", "rediss+cluster", "tcps"};
    const struct hf_config_redis *redis = &loader->config->engine.redis;
    const char *key = "engine.redis.address";
    for (const char *at = redis->prefix; *at != '\0'; at++) {
        if ((unsigned char)*at <= ' ' || *at == 127) {
            hf__loader_error(loader, "engine.redis.prefix",
                             "must not hold spaces or control characters");
            break;
        }
    }
    const char *scheme_end = strstr(redis->address, "://");
    if (scheme_end == NULL) {
        if (strncmp(redis->address, "unix:", 5) == 0 || redis->address[0] == '/') {
            hf__loader_error(loader, key, "a unix socket is given as unix:///path");
        }
        return;
    }
    size_t len = (size_t)(scheme_end - redis->address);
    for (size_t i = 0; i < sizeof(not_offered) / sizeof(not_offered[0]); i++) {
        if (strlen(not_offered[i]) == len && strncmp(redis->address, not_offered[i], len) == 0) {
            hf__loader_error(loader, key,
                             "%s:// is known but not offered in this version; offered are "
                             "redis://, tcp://, unix:// and host:port",
                             not_offered[i]);
            return;
        }
    }
    if (len == 4 && strncmp(redis->address, "unix", 4) == 0) {
        check_unix_address(loader, scheme_end + 3);
    } else if (!((len == 5 && strncmp(redis->address, "redis", 5) == 0) ||
                 (len == 3 && strncmp(redis->address, "tcp", 3) == 0))) {
        hf__loader_error(loader, key,
                         "unknown scheme; valid are redis://, tcp://, unix:// and host:port");
    }
}

static void check_registry(struct hf_loader *loader)
{
    const struct hf_config_holdfast *own = &loader->config->holdfast;
    if (own->registry_timeout_ms <= own->registry_interval_ms) {
        hf__loader_error(loader, "holdfast.registry_timeout",
                         "%" PRId64 "ms must be longer than holdfast.registry_interval (%" PRId64
                         "ms): nodes would forget each other",
                         own->registry_timeout_ms, own->registry_interval_ms);
    }
}

static void check_limits(struct hf_loader *loader)
{
    const struct hf_config *config = loader->config;
    const struct hf_config_holdfast *own = &config->holdfast;
    if (own->tail_max_bytes > own->tails_max_bytes) {
        hf__loader_error(loader, "holdfast.tail_max_bytes",
                         "one stream (%" PRIu64 ") must not be allowed more than all together, "
                         "holdfast.tails_max_bytes (%" PRIu64 ")",
                         own->tail_max_bytes, own->tails_max_bytes);
    }
    if (own->page_max_bytes > own->mailbox_max_bytes) {
        hf__loader_error(loader, "holdfast.page_max_bytes",
                         "a page (%" PRIu64 ") must fit holdfast.mailbox_max_bytes (%" PRIu64 ")",
                         own->page_max_bytes, own->mailbox_max_bytes);
    }
    if (own->page_max_bytes > config->client.queue_max_size_bytes) {
        hf__loader_warning(loader, "holdfast.page_max_bytes",
                           "is above client.queue_max_size (%" PRIu64 "): a client that misses "
                           "much is disconnected as slow while it recovers",
                           config->client.queue_max_size_bytes);
    }
}

void hf__validate(struct hf_loader *loader)
{
    const struct hf_config *config = loader->config;
    loader->source = "configuration";
    check_client(loader);
    hf__validate_tokens(loader);
    hf__validate_patterns(loader);
    check_history(loader, "channel.without_namespace", &config->channel.without_namespace);
    check_delta(loader, "channel.without_namespace", &config->channel.without_namespace);
    check_presence(loader, "channel.without_namespace", &config->channel.without_namespace);
    check_permissions(loader, "channel.without_namespace", &config->channel.without_namespace);
    check_namespaces(loader);
    check_paths(loader);
    if (config->engine.type == HF_ENGINE_TYPE_REDIS) {
        check_redis(loader);
    }
    check_limits(loader);
    check_registry(loader);
    hf__validate_listeners(loader);
}
