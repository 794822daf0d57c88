/* The page of metrics for Prometheus. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/ssl.h>

#include "api/api_routes.h"
#include "api/exposition.h"
#include "api/node_counters.h"
#include "api/process_metrics.h"
#include "net/admission.h"
#include "net/tls.h"
#include "net/worker_loop.h"
#include "node.h"
#include "worker.h"

/* A counter of hf_worker_counters that is summed over the workers. */
struct figure {
    const char *name;
    const char *type;
    const char *help;
    size_t offset;
};

#define COUNTER(name_, field_, help_)                                                              \
    {                                                                                              \
        .name = "holdfast_" name_, .type = "counter", .help = help_,                               \
        .offset = offsetof(struct hf_worker_counters, field_)                                      \
    }
#define GAUGE(name_, field_, help_)                                                                \
    {                                                                                              \
        .name = "holdfast_" name_, .type = "gauge", .help = help_,                                 \
        .offset = offsetof(struct hf_worker_counters, field_)                                      \
    }

static const struct figure figures[] = {
    GAUGE("node_num_clients", clients, "Clients that are connected to this node."),
    GAUGE("node_num_subscriptions", subscriptions, "Subscriptions of the clients of this node."),
    GAUGE("node_num_connections", connections, "Sockets that are open, HTTP included."),
    COUNTER("client_subscriptions_accepted", subscriptions_opened, "Subscriptions ever made."),
    COUNTER("transport_received_bytes_total", bytes_in, "Bytes received, without TLS."),
    COUNTER("transport_sent_bytes_total", bytes_out, "Bytes sent, without TLS."),
    COUNTER("transport_frames_received_total", messages_in, "Frames of clients' commands."),
    COUNTER("transport_frames_sent_total", messages_out, "Frames sent to clients."),
    COUNTER("transport_writes_total", writes, "System calls that wrote to sockets."),
    COUNTER("publication_frames_built_total", frames_built,
            "Publications encoded: once per encoding and transport, not per subscriber."),
    COUNTER("tls_handshakes_total", tls_handshakes, "TLS handshakes that were completed."),
    COUNTER("tls_resumptions_total", tls_resumptions, "... of which with a session ticket."),
    COUNTER("tls_handshake_failures_total", tls_failures,
            "TLS handshakes that failed, timed out, or were no TLS."),
};

/* --- workers ---------------------------------------------------------------------------------- */

static void write_figures(struct hf_buffer *text, const struct hf_node *node)
{
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        hf_exposition_single(text, figures[i].name, figures[i].type, figures[i].help,
                             hf_node_counter(node, figures[i].offset));
    }
}

static void write_transports(struct hf_buffer *text, const struct hf_node *node)
{
    hf_exposition_family(text, "holdfast_client_connections_inflight", "gauge",
                         "Clients' connections by transport, also before their connect command.");
    for (size_t i = 0; i < HF_FRAMINGS; i++) {
        const struct hf_label labels[] = {{"transport", hf_framing_transport(i)},
                                          {"encoding", hf_framing_encoding(i)}};
        hf_exposition_sample(text, "holdfast_client_connections_inflight", labels, 2,
                             HF_NODE_COUNTER(node, sessions[i]));
    }
    hf_exposition_family(text, "holdfast_client_connections_accepted", "counter",
                         "Clients' connections ever, by transport.");
    for (size_t i = 0; i < HF_FRAMINGS; i++) {
        const struct hf_label labels[] = {{"transport", hf_framing_transport(i)},
                                          {"encoding", hf_framing_encoding(i)}};
        hf_exposition_sample(text, "holdfast_client_connections_accepted", labels, 2,
                             HF_NODE_COUNTER(node, sessions_opened[i]));
    }
}

static void write_commands(struct hf_buffer *text, const struct hf_node *node)
{
    hf_exposition_family(text, "holdfast_client_commands_total", "counter",
                         "Commands of clients, by method.");
    for (size_t i = 0; i < HF_COMMAND_KINDS; i++) {
        const struct hf_label label = {"method", hf_command_name(i)};
        hf_exposition_sample(text, "holdfast_client_commands_total", &label, 1,
                             HF_NODE_COUNTER(node, commands[i]));
    }
}

/* The samples of a family that has one for each code; 0 is "other". */
static void write_codes(struct hf_buffer *text, const struct hf_node *node, const char *name,
                        size_t offset, size_t count, unsigned (*code_of)(size_t index),
                        const char *(*text_of)(uint32_t code))
{
    for (size_t i = 0; i < count; i++) {
        unsigned code = code_of(i);
        uint64_t value = hf_node_counter(node, offset + i * sizeof(_Atomic uint64_t));
        char number[16];
        if (value == 0 && (code == 0 || text_of(code) == NULL)) {
            continue; /* not one of the protocol's own */
        }
        snprintf(number, sizeof(number), "%u", code);
        const struct hf_label label = {"code", code != 0 ? number : "other"};
        hf_exposition_sample(text, name, &label, 1, value);
    }
}

static void write_errors(struct hf_buffer *text, const struct hf_node *node)
{
    hf_exposition_family(text, "holdfast_client_num_reply_errors", "counter",
                         "Errors in replies to clients, by code.");
    write_codes(text, node, "holdfast_client_num_reply_errors",
                offsetof(struct hf_worker_counters, errors), HF_ERRORS_COUNTED,
                hf_counters_error_code, hf_error_message);
    hf_exposition_family(text, "holdfast_client_num_server_disconnects", "counter",
                         "Clients that this node has disconnected, by code; 3008: their queue "
                         "overflowed.");
    write_codes(text, node, "holdfast_client_num_server_disconnects",
                offsetof(struct hf_worker_counters, disconnects), HF_DISCONNECTS_COUNTED,
                hf_counters_disconnect_code, hf_disconnect_reason);
}

/* --- HTTP ------------------------------------------------------------------------------------- */

static void write_requests(struct hf_buffer *text, const struct hf_worker *own)
{
    static const char *const classes[6] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};
    const char *path;
    hf_exposition_family(text, "holdfast_http_requests_total", "counter",
                         "HTTP requests that were answered, by path and class of status.");
    for (size_t i = 0; (path = hf_counted_route(own, i)) != NULL; i++) {
        for (size_t status = 0; status < 6; status++) {
            const struct hf_label labels[] = {{"path", path}, {"status", classes[status]}};
            uint64_t value = HF_NODE_COUNTER(own->node, http[i].statuses[status]);
            if (value > 0) {
                hf_exposition_sample(text, "holdfast_http_requests_total", labels, 2, value);
            }
        }
    }
}

static void write_durations(struct hf_buffer *text, const struct hf_worker *own)
{
    static const uint64_t bounds[HF_DURATION_BUCKETS - 1] = HF_DURATION_BOUNDS_US;
    const char *path;
    hf_exposition_family(text, "holdfast_api_command_duration_seconds", "histogram",
                         "Time from a complete request of the server API to its answer, the "
                         "store's part included, by method.");
    for (size_t i = 0; (path = hf_counted_route(own, i)) != NULL; i++) {
        uint64_t counts[HF_DURATION_BUCKETS];
        const struct hf_label label = {"method", hf_route_api_method(own, path)};
        if (label.value == NULL) {
            continue;
        }
        for (size_t k = 0; k < HF_DURATION_BUCKETS; k++) {
            counts[k] = HF_NODE_COUNTER(own->node, http[i].buckets[k]);
        }
        hf_exposition_histogram(text, "holdfast_api_command_duration_seconds", &label, bounds,
                                counts, HF_DURATION_BUCKETS - 1,
                                HF_NODE_COUNTER(own->node, http[i].sum_us));
    }
}

/* --- the engine and the store ----------------------------------------------------------------- */

struct labelled {
    const char *value;
    uint64_t count;
};

static void write_labelled(struct hf_buffer *text, const char *name, const char *type,
                           const char *help, const char *label_name, const struct labelled *items,
                           size_t count)
{
    hf_exposition_family(text, name, type, help);
    for (size_t i = 0; i < count; i++) {
        const struct hf_label label = {label_name, items[i].value};
        hf_exposition_sample(text, name, &label, 1, items[i].count);
    }
}

static void write_recoveries(struct hf_buffer *text, const struct hf_engine_status *status)
{
    const struct labelled verdicts[] = {
        {"yes", status->recoveries_from_tail + status->recoveries_from_store},
        {"no", status->recoveries_refused}};
    const struct labelled sources[] = {{"tail", status->recoveries_from_tail},
                                       {"store", status->recoveries_from_store}};
    write_labelled(text, "holdfast_client_recover", "counter", "Recoveries by what was told.",
                   "recovered", verdicts, 2);
    write_labelled(text, "holdfast_recovery_source_total", "counter",
                   "Recoveries by where the publications came from: memory or the store.", "source",
                   sources, 2);
}

static void write_store(struct hf_buffer *text, const struct hf_engine_status *status)
{
    hf_exposition_single(text, "holdfast_store_connected", "gauge",
                         "1: commands reach the store (Redis).", status->is_connected);
    hf_exposition_single(text, "holdfast_store_ready", "gauge",
                         "1: it takes commands, delivers publications, and was checked for losses.",
                         status->is_ready);
    hf_exposition_family(text, "holdfast_store_not_ready_seconds", "gauge",
                         "For how long it has not been; reconnecting goes on meanwhile.");
    hf_exposition_time(text, "holdfast_store_not_ready_seconds", NULL, 0,
                       status->not_ready_ms * 1000);
    hf_exposition_single(text, "holdfast_store_commands_total", "counter",
                         "Commands sent to the store.", status->store_commands);
    hf_exposition_single(text, "holdfast_store_stream_reads_total", "counter",
                         "Reads of streams among them.", status->store_reads);
}

static void write_streams(struct hf_buffer *text, const struct hf_engine_status *status)
{
    hf_exposition_single(text, "holdfast_node_num_channels", "gauge",
                         "Channels with subscribers on this node.",
                         status->streams - status->lingering);
    hf_exposition_single(text, "holdfast_streams_lingering", "gauge",
                         "Streams kept warm without subscribers.", status->lingering);
    hf_exposition_single(text, "holdfast_streams_lagging", "gauge",
                         "Streams that are finding their place in the store; what is heard of them "
                         "waits.",
                         status->streams - status->streams_in_step);
    hf_exposition_single(text, "holdfast_tails_bytes", "gauge",
                         "Bytes of publications kept in memory.", status->tails_bytes);
    hf_exposition_single(text, "holdfast_witnesses", "gauge",
                         "Positions remembered of channels that are not followed.",
                         status->witnesses);
    const struct labelled publications[] = {{"publication", status->publications_in}};
    write_labelled(text, "holdfast_node_messages_received_count", "counter",
                   "Messages heard from the store's pub/sub.", "type", publications, 1);
    const struct labelled sent[] = {{"publication", status->publications_out}};
    write_labelled(text, "holdfast_node_messages_sent_count", "counter",
                   "Messages published to the store.", "type", sent, 1);
}

static void write_repairs(struct hf_buffer *text, const struct hf_engine_status *status)
{
    const struct {
        const char *name;
        const char *help;
        uint64_t value;
    } items[] = {
        {"holdfast_duplicates_dropped_total", "Publications heard again, dropped.",
         status->duplicates_dropped},
        {"holdfast_gaps_repaired_total", "Gaps on live streams filled from the store.",
         status->gaps_repaired},
        {"holdfast_streams_lost_total",
         "Streams whose missing part nobody had any more: their subscribers were told.",
         status->streams_lost},
        {"holdfast_rollbacks_seen_total", "Streams of which the store had lost a part.",
         status->rollbacks_seen},
        {"holdfast_rollbacks_healed_total", "... written back from memory.",
         status->streams_healed},
        {"holdfast_epochs_rotated_total", "... given a new epoch, since memory did not fit.",
         status->epochs_rotated},
    };
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        hf_exposition_single(text, items[i].name, "counter", items[i].help, items[i].value);
    }
}

static void write_engine(struct hf_buffer *text, const struct hf_node *node)
{
    struct hf_engine_status status;
    hf_engine_status(hf_node_engine(node), &status);
    write_streams(text, &status);
    write_recoveries(text, &status);
    write_repairs(text, &status);
    write_store(text, &status);
}

/* --- the node --------------------------------------------------------------------------------- */

static void write_node(struct hf_buffer *text, const struct hf_worker *own)
{
    const struct hf_label version = {"version", HF_VERSION};
    const struct hf_admission *admission = own->priv->admission;
    const struct labelled refusals[] = {{"limit", hf_counter_read(&admission->full)},
                                        {"rate", hf_counter_read(&admission->too_fast)}};
    const SSL_CTX *tls = own->priv->tls[HF_ENTRANCE_CLIENTS];
    hf_exposition_family(text, "holdfast_node_build", "gauge", "1, with the version as a label.");
    hf_exposition_sample(text, "holdfast_node_build", &version, 1, 1);
    hf_exposition_single(text, "holdfast_node_draining", "gauge",
                         "1: the node is shutting down and asks clients to go elsewhere.",
                         hf_node_is_draining(own->node));
    write_labelled(text, "holdfast_node_client_connection_limit", "counter",
                   "Connections refused by client.connection_limit or connection_rate_limit.",
                   "reason", refusals, 2);
    if (tls != NULL) {
        hf_exposition_single(text, "holdfast_tls_certificate_not_after_seconds", "gauge",
                             "When the certificate ends, seconds since 1970.",
                             (uint64_t)hf_tls_context_not_after(tls));
    }
}

static void metrics(struct hf_http_request *request)
{
    const struct hf_worker *own = request->worker;
    struct hf_buffer *text = &request->worker->encode;
    if (!hf_http_method_is(request, "GET") && !hf_http_method_is(request, "HEAD")) {
        hf_http_respond_method_not_allowed(request, "GET, HEAD");
        return;
    }
    hf_buffer_reset(text);
    write_node(text, own);
    write_figures(text, own->node);
    write_transports(text, own->node);
    write_commands(text, own->node);
    write_errors(text, own->node);
    write_requests(text, own);
    write_durations(text, own);
    write_engine(text, own->node);
    hf_process_metrics_write(text);
    if (hf_buffer_failed(text)) {
        hf_http_respond_text(request, 500, "no memory for the metrics");
        return;
    }
    hf_http_respond(request, 200, HF_EXPOSITION_TYPE, NULL, text->data, text->len);
}

int hf_metrics_add_routes(const struct hf_config *config, struct hf_routes *routes)
{
    return config->prometheus.enabled
               ? hf_routes_add(routes, config->prometheus.handler_prefix, "", metrics)
               : HF_OK;
}
