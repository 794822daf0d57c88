#include "api/health.h"

#include "json.h"
#include "node.h"
#include "worker.h"

static void write_bool(struct hf_buffer *body, struct hf_slice name, bool value)
{
    hf_buffer_append_slice(body, name);
    hf_buffer_append_slice(body, value ? HF_SLICE("true") : HF_SLICE("false"));
}

bool hf_health_describe(struct hf_buffer *body, const struct hf_engine_status *status,
                        bool is_draining)
{
    bool is_serving = status->is_ready && !is_draining;

    bool is_whole = is_serving && status->reason[0] == '\0';

    hf_buffer_append_slice(body, is_whole ? HF_SLICE("{\"status\":\"ok\"")
                                          : HF_SLICE("{\"status\":\"degraded\""));
    write_bool(body, HF_SLICE(",\"draining\":"), is_draining);
    write_bool(body, HF_SLICE(",\"store\":{\"ready\":"), status->is_ready);
    write_bool(body, HF_SLICE(",\"connected\":"), status->is_connected);
    if (!status->is_ready) {
        HF_BUFFER_APPEND_LITERAL(body, ",\"not_ready_ms\":");
        hf_buffer_append_u64(body, status->not_ready_ms);
    }
    if (!status->is_ready || status->reason[0] != '\0') {
        HF_BUFFER_APPEND_LITERAL(body, ",\"reason\":");
        hf_json_append_string(body, hf_slice_of(status->reason));
    }
    HF_BUFFER_APPEND_LITERAL(body, "}}");
    return is_serving;
}

static void respond(struct hf_http_request *request, bool is_readiness)
{
    struct hf_node *node = request->worker->node;
    struct hf_buffer *body = &request->worker->encode;
    struct hf_engine_status status;
    bool is_serving;

    if (!hf_slice_equal(request->method, HF_SLICE("GET")) &&
        !hf_slice_equal(request->method, HF_SLICE("HEAD"))) {
        hf_http_respond(request, 405, NULL, "Allow: GET, HEAD\r\n", NULL, 0);
        return;
    }
    hf_engine_status(hf_node_engine(node), &status);
    hf_buffer_reset(body);
    is_serving = hf_health_describe(body, &status, hf_node_is_draining(node));
    if (hf_buffer_failed(body)) {
        hf_http_respond(request, 500, NULL, NULL, NULL, 0);
        return;
    }
    hf_http_respond(request, is_readiness && !is_serving ? 503 : 200, "application/json",
                    "Cache-Control: no-store\r\n", body->data, body->len);
}

static void health(struct hf_http_request *request)
{
    respond(request, false);
}

static void readiness(struct hf_http_request *request)
{
    respond(request, true);
}

int hf_health_add_routes(const struct hf_config *config, struct hf_routes *routes)
{
    const char *prefix = config->health.handler_prefix;
    int rc;

    if (!config->health.enabled) {
        return HF_OK;
    }
    rc = hf_routes_add(routes, prefix, "", health);
    return rc == HF_OK ? hf_routes_add(routes, prefix, "/ready", readiness) : rc;
}
