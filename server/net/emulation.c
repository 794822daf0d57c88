#include "net/emulation.h"

#include <stdlib.h>
#include <string.h>

#include <holdfast/engine.h>

#include "client/session.h"
#include "command.h"
#include "net/cors.h"
#include "node.h"
#include "worker.h"

#define BUCKETS 1024 /* ids are random, so that their first bits spread them */

static const char magic[] = "emulation\n";

LIST_HEAD(stream_list, hf_stream);

struct hf_emulation {
    struct stream_list buckets[BUCKETS];
};

struct hf_emulation *hf_emulation_open(void)
{
    return calloc(1, sizeof(struct hf_emulation));
}

void hf_emulation_close(struct hf_emulation *emulation)
{
    free(emulation);
}

/* --- ids ---------------------------------------------------------------------------------------
 */

static struct stream_list *bucket_of(struct hf_emulation *emulation, const unsigned char *id)
{
    return &emulation->buckets[(id[0] << 8 | id[1]) % BUCKETS];
}

void hf_emulation_add(struct hf_worker *worker, struct hf_stream *stream)
{
    LIST_INSERT_HEAD(bucket_of(worker->emulation, stream->id), stream, in_table);
    stream->is_listed = true;
}

void hf_emulation_remove(struct hf_stream *stream)
{
    if (stream->is_listed) {
        LIST_REMOVE(stream, in_table);
        stream->is_listed = false;
    }
}

struct hf_slice hf_emulation_node(const struct hf_worker *worker)
{
    return hf_slice_of(hf_node_uid(worker->node));
}

/* --- delivery ----------------------------------------------------------------------------------
 */

/* Hands commands (writable) to the session, if it is here. */
static void deliver(struct hf_worker *worker, const unsigned char *id, char *commands, size_t len)
{
    struct hf_stream *stream;
    LIST_FOREACH (stream, bucket_of(worker->emulation, id), in_table) {
        if (memcmp(stream->id, id, HF_SESSION_ID_SIZE) == 0) {
            break;
        }
    }
    if (stream != NULL && stream->session != NULL && stream->close_code == 0) {
        hf_counter_add(&worker->counters.messages_in, 1);
        hf_session_receive(stream->session, commands, len);
        hf__stream_follow(stream);
    }
}

static bool take_line(struct hf_slice *rest, struct hf_slice *line)
{
    const char *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
    if (end == NULL) {
        return false;
    }
    *line = hf_slice(rest->data, (size_t)(end - rest->data));
    *rest = hf_slice(end + 1, rest->len - line->len - 1);
    return true;
}

bool hf_emulation_take(struct hf_worker *worker, struct hf_bytes message)
{
    size_t magic_len = sizeof(magic) - 1;
    if (message.len < magic_len || memcmp(message.data, magic, magic_len) != 0) {
        return false;
    }
    struct hf_slice rest = hf_slice(message.data + magic_len, message.len - magic_len);
    struct hf_slice node;
    struct hf_slice session;
    unsigned char id[HF_SESSION_ID_SIZE];
    if (!take_line(&rest, &node) || !take_line(&rest, &session) || rest.len == 0 ||
        !hf_slice_equal(node, hf_emulation_node(worker)) || !hf_session_id_parse(session, id) ||
        (unsigned)(id[14] << 8 | id[15]) != worker->index) {
        return true;
    }
    char *commands = malloc(rest.len); /* sessions write into what they read */
    if (commands != NULL) {
        memcpy(commands, rest.data, rest.len);
        deliver(worker, id, commands, rest.len);
        free(commands);
    }
    return true;
}

/* --- the request -------------------------------------------------------------------------------
 */

static void answer(struct hf_http_request *request, int status, const char *text)
{
    char cors[HF_CORS_MAX] = "";
    char line[128];
    if (request->connection != NULL) { /* else the headers are of nobody's interest */
        hf_cors_headers(request, cors);
    }
    size_t len = status == 204 ? 0 : strlen(text);
    memcpy(line, text, len);
    hf_http_respond(request, status, status == 204 ? NULL : "text/plain; charset=utf-8", cors, line,
                    len);
}

static void on_sent(void *context, int rc)
{
    if (rc == HF_ENONODE || rc == HF_EINVAL) {
        answer(context, 404, "unknown node\n");
    } else {
        answer(context, rc == HF_OK ? 204 : 500, "the node cannot be reached\n");
    }
}

static void write_message(const struct hf_emulation_request *order, struct hf_buffer *out)
{
    hf_buffer_reset(out);
    hf_buffer_append(out, magic, sizeof(magic) - 1);
    hf_buffer_append_slice(out, order->node);
    hf_buffer_append_char(out, '\n');
    hf_buffer_append_slice(out, order->session);
    hf_buffer_append_char(out, '\n');
    hf_buffer_append_slice(out, order->data);
}

/* To this worker, another one of this node, or another node: whether there is one, the bus knows,
 * also when this node has not heard of it yet. `id` is NULL when it is none of ours. */
static void route(struct hf_http_request *request, const struct hf_emulation_request *order,
                  const unsigned char *id)
{
    struct hf_worker *worker = request->worker;
    unsigned index = id != NULL ? (unsigned)(id[14] << 8 | id[15]) : 0;
    bool is_here = hf_slice_equal(order->node, hf_emulation_node(worker));
    if (id == NULL || (is_here && index >= hf_node_worker_count(worker->node))) {
        answer(request, 204, ""); /* nobody's session */
        return;
    }
    if (is_here && index == worker->index) {
        deliver(worker, id, (char *)(uintptr_t)order->data.data, order->data.len);
        answer(request, 204, "");
        return;
    }
    write_message(order, &worker->encode);
    struct hf_bytes message = {worker->encode.data, worker->encode.len};
    if (hf_buffer_failed(&worker->encode)) {
        answer(request, 500, "no memory\n");
    } else if (is_here) {
        bool is_taken = hf_worker_tell(hf_node_worker(worker->node, index), message);
        answer(request, is_taken ? 204 : 503, "the worker has too much to do\n");
    } else {
        struct hf_bytes node = {order->node.data, order->node.len};
        int rc = hf_bus_send_to(worker->port, node, message, on_sent, request);
        if (rc != HF_OK) {
            on_sent(request, rc);
        }
    }
}

static void handle_post(struct hf_http_request *request)
{
    struct hf_emulation_request order;
    unsigned char id[HF_SESSION_ID_SIZE];
    struct hf_arena arena;
    hf_arena_init(&arena, request->body.len * 2 + 4096);
    enum hf_command_status status = hf_emulation_request_decode(
        hf__stream_encoding(request), request->body, &arena, &order, NULL);
    if (status == HF_COMMAND_NO_MEMORY) {
        answer(request, 500, "no memory\n");
    } else if (status != HF_COMMAND_OK || order.session.len == 0 || order.node.len == 0 ||
               order.data.len == 0) {
        answer(request, 400, "session, node and data are needed\n");
    } else {
        /* The texts are the arena's or the body's: the body is gone when answered, the arena not.
         */
        struct hf_buffer data;
        hf_buffer_init(&data, 0);
        hf_buffer_append_slice(&data, order.data);
        order.data = hf_buffer_slice(&data);
        if (hf_buffer_failed(&data)) {
            answer(request, 500, "no memory\n");
        } else {
            route(request, &order, hf_session_id_parse(order.session, id) ? id : NULL);
        }
        hf_buffer_fini(&data);
    }
    hf_arena_fini(&arena);
}

void hf_emulation_handle(struct hf_http_request *request)
{
    const struct hf_config *config = request->worker->config;
    if (hf_http_method_is(request, "OPTIONS")) {
        hf_cors_preflight(request, "POST, OPTIONS");
    } else if (!hf_http_method_is(request, "POST")) {
        hf_http_respond_method_not_allowed(request, "POST, OPTIONS");
    } else if (request->body.len > config->emulation.max_request_body_size_bytes) {
        answer(request, 413, "the request body is too large\n");
    } else {
        handle_post(request);
    }
}
