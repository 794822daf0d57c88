#include "net/websocket_driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "net/admission.h"
#include "net/origin.h"
#include "net/uni_request.h"
#include "net/websocket_deflate.h"
#include "net/worker_loop.h"
#include "websocket.h"

enum {
    HEADER_VALUE_MAX = 1024,
    LOG_INTERVAL_MS = 5000,
};

/* Why a handshake is refused; status 0: it is not. */
struct refusal {
    int status;
    const char *text;
};

static bool query_is(const struct hf_http_request *request, const char *name, const char *value)
{
    char found[16];
    size_t len;
    return hf_http_query(request, name, found, sizeof(found), &len) &&
           hf_slice_equal(hf_slice(found, len), hf_slice_of(value));
}

static struct refusal check_request(const struct hf_http_request *request)
{
    char connection[HEADER_VALUE_MAX];
    char upgrade[HEADER_VALUE_MAX];
    if (!hf_http_header_join(request, "connection", connection, sizeof(connection)) ||
        !hf_http_header_join(request, "upgrade", upgrade, sizeof(upgrade)) ||
        request->body.len > 0) {
        return (struct refusal){400, "not a WebSocket handshake"};
    }
    struct hf_websocket_handshake handshake = {
        .method = request->method,
        .http_major = request->version_major,
        .http_minor = request->version_minor,
        .connection = hf_slice_of(connection),
        .upgrade = hf_slice_of(upgrade),
        .version = hf_http_header(request, "sec-websocket-version"),
        .key = hf_http_header(request, "sec-websocket-key"),
    };
    int status = hf_websocket_handshake_status(&handshake);
    return status == 101 ? (struct refusal){0, NULL}
                         : (struct refusal){status, "not a WebSocket handshake"};
}

/* What the client asks for: *chosen is the subprotocol to echo, if any. */
static struct refusal check_offers(const struct hf_http_request *request, struct hf_slice *chosen,
                                   enum hf_encoding *encoding)
{
    char protocols[HEADER_VALUE_MAX];
    if (!hf_http_header_join(request, "sec-websocket-protocol", protocols, sizeof(protocols))) {
        return (struct refusal){400, "Sec-WebSocket-Protocol is too long"};
    }
    *encoding = hf_websocket_choose_subprotocol(hf_slice_of(protocols), chosen);
    if (query_is(request, "format", "protobuf") || query_is(request, "cf_protocol", "protobuf")) {
        *encoding = HF_ENCODING_PROTOBUF;
    }
    return (struct refusal){0, NULL};
}

static struct refusal check_origin(const struct hf_http_request *request)
{
    struct hf_slice origin = hf_http_header(request, "origin");
    if (hf_origin_is_allowed(&request->worker->config->client.allowed_origins, origin.data,
                             origin.len)) {
        return (struct refusal){0, NULL};
    }
    static struct hf_log_limit limit;
    uint32_t suppressed = 0;
    if (hf_log_limit_pass(&limit, LOG_INTERVAL_MS, &suppressed)) {
        hf_log(HF_LOG_INFO, "origin is not allowed", "origin=%.*s suppressed=%u", (int)origin.len,
               origin.data, suppressed);
    }
    return (struct refusal){403, "origin is not allowed"};
}

static struct refusal ask_admission(const struct hf_http_request *request)
{
    struct hf_worker *worker = request->worker;
    static struct hf_log_limit limit;
    enum hf_admission_result result = hf_admission_ask(worker->priv->admission, worker->now_ms);
    if (result == HF_ADMISSION_GRANTED) {
        return (struct refusal){0, NULL};
    }
    const char *text =
        result == HF_ADMISSION_FULL ? "connection limit reached" : "connection rate limit reached";
    uint32_t suppressed = 0;
    if (hf_log_limit_pass(&limit, LOG_INTERVAL_MS, &suppressed)) {
        hf_log(HF_LOG_WARN, text, "suppressed=%u", suppressed);
    }
    return (struct refusal){503, text};
}

/* The 101, in the worker's buffer; empty when it cannot be made. */
static struct hf_slice build_response(const struct hf_http_request *request,
                                      struct hf_slice protocol, bool is_deflated)
{
    struct hf_worker *worker = request->worker;
    struct hf_buffer *out = &worker->encode;
    char accept[HF_WEBSOCKET_ACCEPT_LEN + 1];
    if (!hf_websocket_accept_key(worker->priv->hash, hf_http_header(request, "sec-websocket-key"),
                                 accept)) {
        return hf_slice(NULL, 0);
    }
    hf_buffer_reset(out);
    HF_BUFFER_APPEND_LITERAL(out, "HTTP/1.1 101 Switching Protocols\r\n"
                                  "Upgrade: websocket\r\n"
                                  "Connection: Upgrade\r\n"
                                  "Sec-WebSocket-Accept: ");
    hf_buffer_append(out, accept, HF_WEBSOCKET_ACCEPT_LEN);
    if (is_deflated) {
        HF_BUFFER_APPEND_LITERAL(out, "\r\nSec-WebSocket-Extensions: " HF_WEBSOCKET_DEFLATE_ANSWER);
    }
    if (protocol.len > 0) {
        HF_BUFFER_APPEND_LITERAL(out, "\r\nSec-WebSocket-Protocol: ");
        hf_buffer_append_slice(out, protocol);
    }
    HF_BUFFER_APPEND_LITERAL(out, "\r\n\r\n");
    return hf_buffer_failed(out) ? hf_slice(NULL, 0) : hf_buffer_slice(out);
}

static bool upgrade(struct hf_http_request *request, struct hf_slice protocol,
                    const struct hf_transport *transport)
{
    struct hf_worker *worker = request->worker;
    struct hf_connection *connection = request->connection;
    struct hf_slice response =
        build_response(request, protocol, hf__websocket_is_deflated(transport));
    bool pings_by_frame = query_is(request, "cf_ws_frame_ping_pong", "true");
    struct hf_websocket *websocket =
        response.len > 0 ? hf__websocket_new(worker, transport, pings_by_frame) : NULL;
    if (websocket == NULL) {
        hf_admission_release(worker->priv->admission);
        hf_http_respond_text(request, 500, "Internal Server Error");
        return false;
    }
    if (!hf_http_take_over(request, response.data, response.len, &hf__websocket_driver,
                           websocket)) {
        hf__websocket_free(websocket, worker);
        return false;
    }
    hf__websocket_start(connection);
    return true;
}

/* Checks the handshake; *encoding is the client's choice, which may have to be JSON. False: it was
 * refused. */
static bool accept(struct hf_http_request *request, struct hf_slice *protocol,
                   enum hf_encoding *encoding, bool is_json_only)
{
    struct refusal refusal = check_request(request);
    *protocol = hf_slice(NULL, 0);
    if (refusal.status == 405) {
        hf_http_respond_method_not_allowed(request, "GET");
        return false;
    }
    if (refusal.status == 0) {
        refusal = check_origin(request);
    }
    if (refusal.status == 0) {
        refusal = check_offers(request, protocol, encoding);
    }
    if (refusal.status == 0 && is_json_only && *encoding != HF_ENCODING_JSON) {
        refusal = (struct refusal){400, "only JSON is spoken here"};
    }
    if (refusal.status == 0) {
        refusal = ask_admission(request);
    }
    if (refusal.status != 0) {
        hf_http_respond_text(request, refusal.status, refusal.text);
    }
    return refusal.status == 0;
}

/* Whether compression is on, offered, and possible: without memory for it the client does without.
 */
static bool agrees_to_deflate(const struct hf_http_request *request)
{
    const struct hf_config_websocket *config = &request->worker->config->websocket;
    char extensions[HEADER_VALUE_MAX];
    return config->compression &&
           hf_http_header_join(request, "sec-websocket-extensions", extensions,
                               sizeof(extensions)) &&
           hf_websocket_accepts_deflate(hf_slice_of(extensions)) &&
           hf_websocket_deflate_open(config);
}

static const struct hf_transport *choose_transport(const struct hf_http_request *request,
                                                   enum hf_encoding encoding)
{
    static const struct hf_transport *const transports[HF_ENCODINGS][2] = {
        [HF_ENCODING_JSON] = {&hf_websocket_json_transport, &hf_websocket_json_deflate_transport},
        [HF_ENCODING_PROTOBUF] = {&hf_websocket_protobuf_transport,
                                  &hf_websocket_protobuf_deflate_transport},
    };
    return transports[encoding][agrees_to_deflate(request)];
}

void hf_websocket_handle(struct hf_http_request *request)
{
    struct hf_slice protocol;
    enum hf_encoding encoding = HF_ENCODING_JSON;
    if (accept(request, &protocol, &encoding, false)) {
        (void)upgrade(request, protocol, choose_transport(request, encoding));
    }
}

void hf_uni_websocket_handle(struct hf_http_request *request)
{
    struct hf_connection *connection = request->connection;
    struct hf_slice protocol;
    enum hf_encoding encoding = HF_ENCODING_JSON;
    struct hf_uni_request uni;
    const char *reason = "";
    size_t size = request->query.len + 1;
    char *text = malloc(size);
    size_t len = 0;
    bool is_given = text != NULL && hf_http_query(request, "cf_connect", text, size, &len);
    int status =
        hf_uni_request_read(&uni, request, hf_slice(text, is_given ? len : 0), NULL, &reason);
    if (status == 0 && !is_given && hf_http_query_has(request, "cf_connect")) {
        status = 400;
        reason = "cf_connect is not percent-encoded as it should be";
    }
    if (text == NULL || status != 0) {
        hf_http_respond_text(request, text == NULL ? 500 : status, reason);
    } else if (accept(request, &protocol, &encoding, true) &&
               upgrade(request, protocol, &hf_uni_websocket_transport) &&
               (is_given || uni.is_plain)) { /* else it starts with the first message */
        hf__websocket_start_session(connection, &uni.connect, uni.is_plain);
    }
    free(text);
    hf_uni_request_fini(&uni);
}
