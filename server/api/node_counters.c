#include "api/node_counters.h"

#include <string.h>

#include "net/http.h"
#include "net/worker_loop.h"
#include "node.h"
#include "worker.h"

static const char *const framing_names[HF_FRAMINGS][2] = {
    [HF_FRAMING_WEBSOCKET_JSON] = {"websocket", "json"},
    [HF_FRAMING_WEBSOCKET_PROTOBUF] = {"websocket", "protobuf"},
    [HF_FRAMING_WEBSOCKET_JSON_DEFLATE] = {"websocket", "json_deflate"},
    [HF_FRAMING_WEBSOCKET_PROTOBUF_DEFLATE] = {"websocket", "protobuf_deflate"},
    [HF_FRAMING_LINES] = {"http_stream", "json"},
    [HF_FRAMING_CHUNKS] = {"http_stream", "protobuf"},
    [HF_FRAMING_SSE] = {"sse", "json"},
    [HF_FRAMING_UNI_WEBSOCKET] = {"uni_websocket", "json"},
    [HF_FRAMING_UNI_LINES] = {"uni_http_stream", "json"},
    [HF_FRAMING_UNI_SSE] = {"uni_sse", "json"},
    [HF_FRAMING_POLL] = {"poll", "json"},
};

static const char *const command_names[HF_COMMAND_KINDS] = {
    [HF_COMMAND_NONE] = "unknown",
    [HF_COMMAND_CONNECT] = "connect",
    [HF_COMMAND_PING] = "ping",
    [HF_COMMAND_SUBSCRIBE] = "subscribe",
    [HF_COMMAND_UNSUBSCRIBE] = "unsubscribe",
    [HF_COMMAND_PUBLISH] = "publish",
    [HF_COMMAND_PRESENCE] = "presence",
    [HF_COMMAND_PRESENCE_STATS] = "presence_stats",
    [HF_COMMAND_HISTORY] = "history",
    [HF_COMMAND_RPC] = "rpc",
    [HF_COMMAND_SEND] = "send",
    [HF_COMMAND_REFRESH] = "refresh",
    [HF_COMMAND_SUB_REFRESH] = "sub_refresh",
    [HF_COMMAND_PONG] = "pong",
};

uint64_t hf_node_counter(const struct hf_node *node, size_t offset)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < hf_node_worker_count(node); i++) {
        const char *counters = (const char *)&hf_node_worker(node, i)->counters;
        total += hf_counter_read((const _Atomic uint64_t *)(const void *)(counters + offset));
    }
    return total;
}

const char *hf_framing_transport(size_t framing)
{
    return framing_names[framing][0];
}

const char *hf_framing_encoding(size_t framing)
{
    return framing_names[framing][1];
}

const char *hf_command_name(size_t kind)
{
    return command_names[kind];
}

const char *hf_counted_route(const struct hf_worker *worker, size_t i)
{
    const struct hf_worker_private *priv = worker->priv;
    if (i >= priv->route_count + priv->internal_route_count || i >= HF_COUNTED_ROUTES) {
        return NULL;
    }
    return i < priv->route_count ? priv->routes[i].path
                                 : priv->internal_routes[i - priv->route_count].path;
}

const char *hf_route_api_method(const struct hf_worker *worker, const char *path)
{
    const char *prefix = worker->config->http_api.handler_prefix;
    size_t len = strlen(prefix);
    return strncmp(path, prefix, len) == 0 && path[len] == '/' ? path + len + 1 : NULL;
}
