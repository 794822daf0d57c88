#include "api/api.h"

#include <string.h>

#include <openssl/crypto.h>

#include "api/api_internal.h"
#include "log.h"

#define TEXT_PLAIN       "text/plain; charset=utf-8"
#define APPLICATION_JSON "application/json"
#define API_KEY_MAX      1024 /* bytes of a key in the query */

/* --- answers -------------------------------------------------------------------------------- */

static void respond_text(struct hf_http_request *request, int status, const char *text)
{
    hf_http_respond(request, status, TEXT_PLAIN, NULL, text, strlen(text));
}

void hf_api_respond_malformed(struct hf_http_request *request)
{
    respond_text(request, 400, "Bad Request");
}

void hf_api_respond_failure(struct hf_http_request *request)
{
    respond_text(request, 500, "Internal Server Error");
}

void hf_api_respond(struct hf_http_request *request, const struct hf_buffer *body)
{
    if (hf_buffer_failed(body)) {
        hf_api_respond_failure(request);
        return;
    }
    hf_http_respond(request, 200, APPLICATION_JSON, NULL, body->data, body->len);
}

static int http_status(enum hf_error_code code)
{
    switch (code) {
    case HF_ERROR_UNKNOWN_CHANNEL:
    case HF_ERROR_METHOD_NOT_FOUND:
        return 404;
    case HF_ERROR_BAD_REQUEST:
    case HF_ERROR_NOT_AVAILABLE:
        return 400;
    case HF_ERROR_UNRECOVERABLE_POSITION:
        return 416;
    default:
        return 500;
    }
}

void hf_api_respond_error(struct hf_http_request *request, enum hf_error_code code)
{
    struct hf_buffer *body = &request->worker->encode;
    struct hf_slice mode = hf_http_header(request, "X-Centrifugo-Error-Mode");
    bool is_bare = request->worker->config->http_api.error_mode == HF_API_ERROR_MODE_TRANSPORT ||
                   hf_slice_equal(mode, HF_SLICE("transport"));

    hf_buffer_reset(body);
    if (!is_bare) {
        HF_BUFFER_APPEND_LITERAL(body, "{\"error\":");
    }
    HF_BUFFER_APPEND_LITERAL(body, "{\"code\":");
    hf_buffer_append_u64(body, code);
    HF_BUFFER_APPEND_LITERAL(body, ",\"message\":");
    hf_json_append_string(body, hf_slice_of(hf_error_message(code)));
    hf_buffer_append_char(body, '}');
    if (!is_bare) {
        hf_buffer_append_char(body, '}');
    }
    if (hf_buffer_failed(body)) {
        hf_api_respond_failure(request);
        return;
    }
    hf_http_respond(request, is_bare ? http_status(code) : 200, APPLICATION_JSON, NULL, body->data,
                    body->len);
}

enum hf_error_code hf_api_engine_error(int result)
{
    if (result == HF_EUNRECOVERABLE) {
        return HF_ERROR_UNRECOVERABLE_POSITION;
    }
    if (result == HF_EINVAL || result == HF_EUNSUPPORTED) {
        static struct hf_log_limit limit;

        if (hf_log_limit_pass(&limit, 1000, NULL)) {
            hf_log(HF_LOG_ERROR, "the engine refused a request of the server API", "reason=%s",
                   hf_error_text(result));
        }
    }
    return HF_ERROR_INTERNAL;
}

/* --- the key -------------------------------------------------------------------------------- */

/* In time that does not depend on where the two differ. */
static bool is_key(const char *key, struct hf_slice given)
{
    size_t len = strlen(key);

    return given.len == len && CRYPTO_memcmp(key, given.data, len) == 0;
}

/* The key in `apikey K`: exactly two words, the first in any case; empty otherwise. */
static struct hf_slice authorization_key(struct hf_slice header)
{
    const struct hf_slice scheme = HF_SLICE("apikey");
    size_t at = scheme.len;
    struct hf_slice key;

    if (header.len <= at || !hf_slice_equal_fold(hf_slice(header.data, at), scheme) ||
        header.data[at] != ' ') {
        return (struct hf_slice){0};
    }
    while (at < header.len && header.data[at] == ' ') {
        at++;
    }
    key = hf_slice(header.data + at, header.len - at);
    while (key.len > 0 && key.data[key.len - 1] == ' ') {
        key.len--;
    }
    return memchr(key.data, ' ', key.len) == NULL ? key : (struct hf_slice){0};
}

static bool has_key(const struct hf_http_request *request)
{
    const struct hf_config_http_api *api = &request->worker->config->http_api;
    struct hf_slice given;
    char query[API_KEY_MAX];
    size_t query_len;

    if (api->insecure) {
        return true;
    }
    if (api->key[0] == '\0') {
        static struct hf_log_limit limit;

        if (hf_log_limit_pass(&limit, 10000, NULL)) {
            hf_log(HF_LOG_ERROR, "a call of the server API was refused: http_api.key is not set",
                   "path=%.*s", (int)request->path.len, request->path.data);
        }
        return false;
    }
    given = hf_http_header(request, "X-API-Key");
    if (given.len == 0) {
        given = authorization_key(hf_http_header(request, "Authorization"));
    }
    if (given.len > 0 && is_key(api->key, given)) {
        return true;
    }
    return hf_http_query(request, "api_key", query, sizeof(query), &query_len) &&
           is_key(api->key, hf_slice(query, query_len));
}

bool hf_api_admit(struct hf_http_request *request)
{
    if (!hf_slice_equal(request->method, HF_SLICE("POST"))) {
        hf_http_respond(request, 405, NULL, "Allow: POST\r\n", NULL, 0);
        return false;
    }
    if (!has_key(request)) {
        hf_http_respond(request, 401, NULL, NULL, NULL, 0);
        return false;
    }
    return true;
}

/* --- routes --------------------------------------------------------------------------------- */

/* A method of the peer that is not offered. */
static void not_offered(struct hf_http_request *request)
{
    if (hf_api_admit(request)) {
        hf_log(HF_LOG_DEBUG, "a method of the server API that is not offered was called",
               "path=%.*s", (int)request->path.len, request->path.data);
        hf_api_respond_error(request, HF_ERROR_NOT_AVAILABLE);
    }
}

int hf_api_add_routes(const struct hf_config *config, struct hf_routes *routes)
{
    static const struct hf_http_route methods[] = {
        {"/publish", hf_api_publish},
        {"/broadcast", hf_api_broadcast},
        {"/history", hf_api_history},
        {"/history_remove", hf_api_history_remove},
        {"/info", hf_api_info},
        {"/subscribe", not_offered},
        {"/unsubscribe", not_offered},
        {"/disconnect", not_offered},
        {"/refresh", not_offered},
        {"/presence", hf_api_presence},
        {"/presence_stats", hf_api_presence_stats},
        {"/channels", not_offered},
        {"/batch", not_offered},
        {"/rpc", not_offered},
    };

    if (config->http_api.disabled) {
        return HF_OK;
    }
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        int rc = hf_routes_add(routes, config->http_api.handler_prefix, methods[i].path,
                               methods[i].handler);

        if (rc != HF_OK) {
            return rc;
        }
    }
    return HF_OK;
}
