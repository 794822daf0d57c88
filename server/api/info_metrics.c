#include "api/info_metrics.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <holdfast/engine.h>

#include "api/node_counters.h"
#include "node.h"
#include "worker.h"

#define NAME_MAX_BYTES 192

enum { ENGINE_ITEMS = 4 };
static_assert(2 * HF_COMMAND_KINDS + 2 * HF_FRAMINGS + HF_DISCONNECTS_COUNTED + HF_COUNTED_ROUTES +
                      ENGINE_ITEMS <=
                  sizeof(((struct hf_info_metrics *)NULL)->before) / sizeof(uint64_t),
              "every item has a place");

struct writer {
    struct hf_info_metrics *metrics;
    size_t place;           /* of the next counter in `before` */
    struct hf_buffer *text; /* NULL: the counters are only remembered */
    bool has_item;
};

__attribute__((format(printf, 3, 0))) static void write_item(struct writer *writer, uint64_t value,
                                                             const char *format, va_list arguments)
{
    char name[NAME_MAX_BYTES];
    int len = vsnprintf(name, sizeof(name), format, arguments);

    if (writer->text == NULL || value == 0 || len < 0 || len >= NAME_MAX_BYTES) {
        return;
    }
    hf_buffer_append_slice(writer->text, writer->has_item ? HF_SLICE(",\"centrifugo.")
                                                          : HF_SLICE("\"centrifugo."));
    hf_buffer_append(writer->text, name, (size_t)len);
    HF_BUFFER_APPEND_LITERAL(writer->text, "\":");
    hf_buffer_append_u64(writer->text, value);
    writer->has_item = true;
}

__attribute__((format(printf, 3, 4))) static void gauge(struct writer *writer, uint64_t value,
                                                        const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_item(writer, value, format, arguments);
    va_end(arguments);
}

__attribute__((format(printf, 3, 4))) static void counter(struct writer *writer, uint64_t value,
                                                          const char *format, ...)
{
    uint64_t *before = &writer->metrics->before[writer->place++];
    va_list arguments;
    va_start(arguments, format);
    write_item(writer, value - *before, format, arguments);
    va_end(arguments);
    *before = value;
}

static void write_commands(struct writer *writer, const struct hf_node *node)
{
    for (size_t i = 0; i < HF_COMMAND_KINDS; i++) {
        uint64_t commands = HF_NODE_COUNTER(node, commands[i]);
        counter(writer, commands, "client.command_duration_seconds.count.method.%s",
                hf_command_name(i));
        counter(writer, commands, "transport.messages_received.frame_type.%s", hf_command_name(i));
    }
}

/* The peer's open source version tells no clients' names either. JSON and Protobuf are one. */
static void write_connections(struct writer *writer, const struct hf_node *node)
{
    static const char labels[] = "client_name.unregistered.client_version.unregistered.transport";
    uint64_t inflight = 0, accepted = 0;

    for (size_t i = 0; i < HF_FRAMINGS; i++) {
        const char *transport = hf_framing_transport(i);
        inflight += HF_NODE_COUNTER(node, sessions[i]);
        accepted += HF_NODE_COUNTER(node, sessions_opened[i]);
        if (i + 1 < HF_FRAMINGS && strcmp(hf_framing_transport(i + 1), transport) == 0) {
            continue;
        }
        gauge(writer, inflight, "client.connections_inflight.%s.%s", labels, transport);
        counter(writer, accepted, "client.connections_accepted.%s.%s", labels, transport);
        inflight = accepted = 0;
    }
}

static void write_disconnects(struct writer *writer, const struct hf_node *node)
{
    for (size_t i = 0; i < HF_DISCONNECTS_COUNTED; i++) {
        unsigned code = hf_counters_disconnect_code(i);
        if (code != 0) {
            counter(writer, HF_NODE_COUNTER(node, disconnects[i]),
                    "client.num_server_disconnects.code.%u", code);
        }
    }
}

static void write_api(struct writer *writer, const struct hf_worker *worker)
{
    const char *path;

    for (size_t i = 0; (path = hf_counted_route(worker, i)) != NULL; i++) {
        const char *method = hf_route_api_method(worker, path);
        uint64_t calls = 0;
        for (size_t k = 0; k < HF_DURATION_BUCKETS; k++) {
            calls += HF_NODE_COUNTER(worker->node, http[i].buckets[k]);
        }
        if (method != NULL) {
            counter(writer, calls, "api.command_duration_seconds.count.method.%s.protocol.http",
                    method);
        }
    }
}

static void write_engine(struct writer *writer, const struct hf_node *node)
{
    struct hf_engine_status status;

    hf_engine_status(hf_node_engine(node), &status);
    counter(writer, status.publications_out, "node.messages_sent_count.type.publication");
    counter(writer, status.publications_in, "node.messages_received_count.type.publication");
    counter(writer, status.recoveries_from_tail + status.recoveries_from_store,
            "client.recover.recovered.yes");
    counter(writer, status.recoveries_refused, "client.recover.recovered.no");
}

bool hf_info_metrics_tick(struct hf_info_metrics *metrics, const struct hf_worker *worker,
                          uint64_t now_ms, struct hf_buffer *text)
{
    struct writer writer = {.metrics = metrics};
    bool is_first = metrics->begun_at_ms == 0;
    uint64_t elapsed_ms = now_ms - metrics->begun_at_ms;

    if (!is_first && elapsed_ms < (uint64_t)worker->config->info_metrics_interval_ms) {
        return false;
    }
    if (!is_first) {
        writer.text = text;
        HF_BUFFER_APPEND_LITERAL(text, "{\"interval\":");
        hf_buffer_append_u64(text, (elapsed_ms + 500) / 1000);
        HF_BUFFER_APPEND_LITERAL(text, ",\"items\":{");
    }
    write_commands(&writer, worker->node);
    write_connections(&writer, worker->node);
    write_disconnects(&writer, worker->node);
    write_api(&writer, worker);
    write_engine(&writer, worker->node);
    metrics->begun_at_ms = now_ms;
    if (!is_first) {
        HF_BUFFER_APPEND_LITERAL(text, "}}");
    }
    return !is_first;
}
