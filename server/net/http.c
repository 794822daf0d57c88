#include "net/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codes.h"
#include "net/http_request.h"
#include "net/worker_loop.h"

enum {
    LINGER_MS = 2000,               /* for the peer to take the last answer and close */
    WRITE_TIMEOUT_MS = 10000,       /* an answer of which nothing is taken for so long is dropped */
    PIPELINE_BYTES_MAX = 64 * 1024, /* answers that wait for the peer stop its next requests */
    SPARES_MAX = 64,                /* requests of a worker whose memory is kept for later ones */
};

static const char *status_text(int status)
{
    switch (status) {
    case 101:
        return "Switching Protocols";
    case 200:
        return "OK";
    case 204:
        return "No Content";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 413:
        return "Content Too Large";
    case 416:
        return "Range Not Satisfiable";
    case 417:
        return "Expectation Failed";
    case 426:
        return "Upgrade Required";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Unknown";
    }
}

static uint64_t monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* --- exchanges -------------------------------------------------------------------------------- */

static struct hf_http_exchange *take_exchange(struct hf_worker *worker)
{
    const struct hf_config_holdfast *config = &worker->config->holdfast;
    struct hf_http_exchange *exchange = worker->priv->spare_exchanges;
    if (exchange == NULL) {
        return hf__http_exchange_new(config->http_header_max_bytes, config->http_body_max_bytes);
    }
    worker->priv->spare_exchanges = exchange->spare;
    worker->priv->spare_exchange_count--;
    hf__http_exchange_renew(exchange, config->http_header_max_bytes, config->http_body_max_bytes);
    return exchange;
}

static void release_exchange(struct hf_http_exchange *exchange)
{
    struct hf_worker_private *priv = exchange->request.worker->priv;
    if (priv->spare_exchange_count == SPARES_MAX) {
        hf__http_exchange_free(exchange);
        return;
    }
    hf__http_exchange_trim(exchange);
    exchange->spare = priv->spare_exchanges;
    priv->spare_exchanges = exchange;
    priv->spare_exchange_count++;
}

/* --- answers ---------------------------------------------------------------------------------- */

struct answer {
    int status;
    const char *content_type;  /* NULL: none */
    const char *extra_headers; /* NULL: none */
    struct hf_slice body;
    bool is_head;     /* the body is only counted */
    bool is_http_1_0; /* keep-alive has to be said */
    bool keeps_alive;
};

/* What an answer is made of, in its order. */
struct pieces {
    struct hf_slice list[16];
    size_t count;
    size_t len; /* of all together */
};

static void add_piece(struct pieces *pieces, struct hf_slice piece)
{
    pieces->list[pieces->count++] = piece;
    pieces->len += piece.len;
}

/* In decimal, at the end of `digits`. snprintf is too slow for the publish path. */
static struct hf_slice number_text(size_t number, char digits[24])
{
    size_t at = 24;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return hf_slice(digits + at, 24 - at);
}

static struct hf_frame *build_answer(const struct answer *answer)
{
    struct pieces pieces = {0};
    char status[24], length[24];
    add_piece(&pieces, HF_SLICE("HTTP/1.1 "));
    add_piece(&pieces, number_text((size_t)answer->status, status));
    add_piece(&pieces, HF_SLICE(" "));
    add_piece(&pieces, hf_slice_of(status_text(answer->status)));
    if (answer->content_type != NULL) {
        add_piece(&pieces, HF_SLICE("\r\nContent-Type: "));
        add_piece(&pieces, hf_slice_of(answer->content_type));
    }
    if (answer->status != 204) { /* a 204 has none (RFC 9110, 8.6) */
        add_piece(&pieces, HF_SLICE("\r\nContent-Length: "));
        add_piece(&pieces, number_text(answer->body.len, length));
    }
    if (!answer->keeps_alive) {
        add_piece(&pieces, HF_SLICE("\r\nConnection: close"));
    } else if (answer->is_http_1_0) {
        add_piece(&pieces, HF_SLICE("\r\nConnection: keep-alive"));
    }
    add_piece(&pieces, HF_SLICE("\r\n"));
    if (answer->extra_headers != NULL) {
        add_piece(&pieces, hf_slice_of(answer->extra_headers));
    }
    add_piece(&pieces, HF_SLICE("\r\n"));
    if (!answer->is_head) {
        add_piece(&pieces, answer->body);
    }

    char *bytes;
    struct hf_frame *frame = hf_frame_new(pieces.len, &bytes);
    for (size_t i = 0; i < pieces.count && frame != NULL; i++) {
        if (pieces.list[i].len > 0) {
            memcpy(bytes, pieces.list[i].data, pieces.list[i].len);
            bytes += pieces.list[i].len;
        }
    }
    return frame;
}

static void send_answer(struct hf_connection *connection, const struct answer *answer)
{
    struct hf_frame *frame = build_answer(answer);
    if (frame == NULL) {
        hf_connection_close(connection, HF_DISCONNECT_SERVER_ERROR, false, 0);
        return;
    }
    hf_connection_send(connection, frame);
    hf_frame_unref(frame);
    if (!answer->keeps_alive) {
        hf_connection_close(connection, HF_DISCONNECT_CONNECTION_CLOSED, true, LINGER_MS);
    }
}

/* The connection is between requests. */
static void become_idle(struct hf_connection *connection)
{
    struct hf_worker *worker = hf_connection_worker(connection);
    hf_connection_set_state(connection, NULL);
    hf_connection_set_deadline(
        connection, worker->now_ms + (uint64_t)worker->config->holdfast.http_idle_timeout_ms);
}

static bool has_much_to_write(const struct hf_connection *connection)
{
    return hf_connection_queued(connection) > PIPELINE_BYTES_MAX;
}

void hf_http_respond(struct hf_http_request *request, int status, const char *content_type,
                     const char *extra_headers, const char *body, size_t body_len)
{
    struct hf_http_exchange *exchange = (struct hf_http_exchange *)request;
    struct hf_connection *connection = request->connection;
    if (exchange->counters != NULL) {
        hf_counters_http(exchange->counters, status, monotonic_us() - exchange->complete_at_us);
    }
    if (connection == NULL) {
        release_exchange(exchange);
        return;
    }
    struct answer answer = {
        .status = status,
        .content_type = content_type,
        .extra_headers = extra_headers,
        .body = hf_slice(body, body_len),
        .is_head = exchange->parser.method == HTTP_HEAD,
        .is_http_1_0 = request->version_minor == 0,
        .keeps_alive = exchange->keeps_alive && !request->worker->priv->is_draining,
    };
    send_answer(connection, &answer);
    become_idle(connection);
    if (!exchange->is_in_handler && !hf_connection_is_closing(connection)) {
        if (has_much_to_write(connection)) {
            hf_connection_want_drain(connection);
        } else {
            hf_connection_set_reading(connection, true);
        }
    }
    release_exchange(exchange);
}

void hf_http_respond_text(struct hf_http_request *request, int status, const char *text)
{
    char line[256];
    int len = snprintf(line, sizeof(line), "%s\n", text);
    size_t line_len = len < 0 ? 0 : (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1;
    hf_http_respond(request, status, "text/plain; charset=utf-8", NULL, line, line_len);
}

void hf_http_respond_method_not_allowed(struct hf_http_request *request, const char *allowed)
{
    char header[128];
    snprintf(header, sizeof(header), "Allow: %s\r\n", allowed);
    hf_http_respond(request, 405, NULL, header, NULL, 0);
}

bool hf_http_take_over(struct hf_http_request *request, const char *response, size_t response_len,
                       const struct hf_connection_driver *driver, void *state)
{
    struct hf_http_exchange *exchange = (struct hf_http_exchange *)request;
    struct hf_connection *connection = request->connection;
    char *bytes;
    struct hf_frame *frame = response_len > 0 ? hf_frame_new(response_len, &bytes) : NULL;
    hf_connection_set_state(connection, NULL);
    release_exchange(exchange);
    if (frame == NULL && response_len > 0) {
        hf_connection_close(connection, HF_DISCONNECT_SERVER_ERROR, false, 0);
        return false;
    }
    if (frame != NULL) {
        memcpy(bytes, response, response_len);
        hf_connection_send(connection, frame);
        hf_frame_unref(frame);
    }
    hf_connection_set_deadline(connection, UINT64_MAX);
    hf_connection_set_driver(connection, driver, state);
    return true;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Refuses what was read so far; nothing that follows can be understood. */
static void refuse(struct hf_connection *connection, struct hf_http_exchange *exchange, int status)
{
    char body[64];
    int len = snprintf(body, sizeof(body), "%s\n", status_text(status));
    struct answer answer = {
        .status = status,
        .content_type = "text/plain; charset=utf-8",
        .body = hf_slice(body, (size_t)len),
        .is_head = exchange->is_head_done && exchange->parser.method == HTTP_HEAD,
    };
    hf_connection_set_state(connection, NULL);
    release_exchange(exchange);
    send_answer(connection, &answer);
}

static struct hf_http_exchange *begin_request(struct hf_connection *connection)
{
    struct hf_worker *worker = hf_connection_worker(connection);
    struct hf_http_exchange *exchange = take_exchange(worker);
    if (exchange == NULL) {
        hf_connection_close(connection, HF_DISCONNECT_SERVER_ERROR, false, 0);
        return NULL;
    }
    exchange->request.worker = worker;
    exchange->request.connection = connection;
    hf_connection_set_state(connection, exchange);
    hf_connection_set_deadline(connection,
                               worker->now_ms + (uint64_t)worker->config->holdfast.http_timeout_ms);
    return exchange;
}

static void invite_body(struct hf_connection *connection, struct hf_http_exchange *exchange)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    exchange->wants_continue = false;
    if (exchange->body.len > 0) {
        return; /* it has not waited */
    }
    struct hf_frame *frame = hf_frame_borrow(text, sizeof(text) - 1, NULL, NULL);
    if (frame == NULL) {
        hf_connection_close(connection, HF_DISCONNECT_SERVER_ERROR, false, 0);
        return;
    }
    hf_connection_send(connection, frame);
    hf_frame_unref(frame);
}

/* The time that the handler takes is counted for the route. */
static void count_from_here(struct hf_http_exchange *exchange, size_t index)
{
    if (index < HF_COUNTED_ROUTES) {
        exchange->counters = &exchange->request.worker->counters.http[index];
        exchange->complete_at_us = monotonic_us();
    }
}

/* Hands a complete request to its handler. */
static void dispatch(struct hf_connection *connection, struct hf_http_exchange *exchange)
{
    struct hf_http_request *request = &exchange->request;
    const struct hf_worker_private *priv = request->worker->priv;
    bool is_internal = hf_connection_entrance(connection) == HF_ENTRANCE_INTERNAL;
    const struct hf_http_route *routes = is_internal ? priv->internal_routes : priv->routes;
    size_t count = is_internal ? priv->internal_route_count : priv->route_count;
    hf_connection_set_deadline(connection, UINT64_MAX);
    exchange->is_in_handler = true;
    for (size_t i = 0; i < count; i++) {
        if (hf_slice_equal(request->path, hf_slice_of(routes[i].path))) {
            count_from_here(exchange, i + (is_internal ? priv->route_count : 0));
            routes[i].handler(request);
            return;
        }
    }
    hf_http_respond_text(request, 404, "Not Found");
}

/* Whether the next request on the connection may be read now. */
static bool may_go_on(struct hf_connection *connection)
{
    if (hf_connection_driver(connection) != &hf_http_driver ||
        hf_connection_is_closing(connection)) {
        return false;
    }
    struct hf_http_exchange *open = hf_connection_state(connection);
    if (open != NULL) {
        open->is_in_handler = false; /* it is answered later */
        hf_connection_set_reading(connection, false);
        return false;
    }
    if (has_much_to_write(connection)) {
        hf_connection_set_reading(connection, false);
        hf_connection_want_drain(connection);
        return false;
    }
    return true;
}

static size_t on_input(struct hf_connection *connection, char *data, size_t len)
{
    size_t used = 0;
    while (used < len) {
        struct hf_http_exchange *exchange = hf_connection_state(connection);
        if (exchange == NULL) {
            exchange = begin_request(connection);
            if (exchange == NULL) {
                return len;
            }
        }
        used += hf__http_exchange_feed(exchange, data + used, len - used);
        if (exchange->error_status != 0) {
            refuse(connection, exchange, exchange->error_status);
            return len;
        }
        if (!exchange->is_complete) {
            if (exchange->wants_continue) {
                invite_body(connection, exchange);
            }
            return len;
        }
        dispatch(connection, exchange);
        if (!may_go_on(connection)) {
            return used;
        }
    }
    return used;
}

static void on_open(struct hf_connection *connection)
{
    struct hf_worker *worker = hf_connection_worker(connection);
    hf_connection_set_write_timeout(connection, WRITE_TIMEOUT_MS);
    hf_connection_set_deadline(connection,
                               worker->now_ms + (uint64_t)worker->config->holdfast.http_timeout_ms);
}

static void on_drained(struct hf_connection *connection)
{
    hf_connection_set_reading(connection, true);
}

static void on_deadline(struct hf_connection *connection, uint64_t now_ms)
{
    (void)now_ms;
    struct hf_http_exchange *exchange = hf_connection_state(connection);
    if (exchange != NULL) {
        refuse(connection, exchange, 408);
    } else {
        hf_connection_close(connection, HF_DISCONNECT_CONNECTION_CLOSED, true, LINGER_MS);
    }
}

static void on_later(struct hf_connection *connection)
{
    (void)connection; /* never asked for */
}

static void on_drain(struct hf_connection *connection)
{
    if (hf_connection_state(connection) == NULL) {
        hf_connection_close(connection, HF_DISCONNECT_SHUTDOWN, true, LINGER_MS);
    }
}

static void on_closed(struct hf_connection *connection, unsigned code)
{
    (void)code;
    struct hf_http_exchange *exchange = hf_connection_state(connection);
    if (exchange == NULL) {
        return;
    }
    if (exchange->is_complete) {
        exchange->request.connection = NULL; /* its handler has it and frees it by answering */
    } else {
        release_exchange(exchange);
    }
}

const struct hf_connection_driver hf_http_driver = {
    .name = "http",
    .answers_after_end = true,
    .on_open = on_open,
    .on_input = on_input,
    .on_drained = on_drained,
    .on_deadline = on_deadline,
    .on_later = on_later,
    .on_drain = on_drain,
    .on_closed = on_closed,
};
