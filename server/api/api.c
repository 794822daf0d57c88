#include "api/api.h"

#include <assert.h>
#include <stdio.h>
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

void hf_api_respond_json(struct hf_http_request *request, struct hf_slice text)
{
    hf_http_respond(request, 200, APPLICATION_JSON, NULL, text.data, text.len);
}

static int http_status(int code)
{
    switch (code) {
    case HF_ERROR_UNKNOWN_CHANNEL:
    case HF_ERROR_METHOD_NOT_FOUND:
        return 404;
    case HF_ERROR_LIMIT_EXCEEDED:
    case HF_ERROR_BAD_REQUEST:
    case HF_ERROR_NOT_AVAILABLE:
        return 400;
    case HF_ERROR_UNRECOVERABLE_POSITION:
        return 416;
    default:
        return 500;
    }
}

void hf_api_respond_error(struct hf_http_request *request, int code)
{
    struct hf_buffer *body = &request->worker->encode;
    struct hf_slice mode = hf_http_header(request, "X-Centrifugo-Error-Mode");
    bool is_bare = request->worker->config->http_api.error_mode == HF_API_ERROR_MODE_TRANSPORT ||
                   hf_slice_equal(mode, HF_SLICE("transport"));

    hf_buffer_reset(body);
    if (!is_bare) {
        HF_BUFFER_APPEND_LITERAL(body, "{\"error\":");
    }
    hf_api_write_error(body, code);
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

/* --- a request that is one call ------------------------------------------------------------- */

/* In the request's memory for its handler. */
struct http_call {
    struct hf_api_call call; /* first */
    struct hf_http_request *request;
};
static_assert(sizeof(struct http_call) <= HF_HTTP_HANDLER_BYTES, "a call fits into its request");

static void on_answered(struct hf_api_call *call, int code, struct hf_slice text)
{
    struct hf_http_request *request = ((struct http_call *)call)->request;

    if (code == 0) {
        hf_api_respond_json(request, text);
    } else if (code == HF_API_FAILED) {
        hf_api_respond_failure(request);
    } else {
        hf_api_respond_error(request, code);
    }
}

/* Parsed: runs the method. */
static void run(struct hf_http_request *request, const struct hf_api_method *method,
                const union hf_api_request *parameters)
{
    struct http_call *call = (struct http_call *)(void *)request->memory;

    *call = (struct http_call){{.worker = request->worker, .answered = on_answered}, request};
    method->run(&call->call, parameters);
}

/* The method's name is what follows the path's last slash: routes are exact. */
static const struct hf_api_method *method_of(const struct hf_http_request *request)
{
    size_t start = request->path.len;

    while (start > 0 && request->path.data[start - 1] != '/') {
        start--;
    }
    return hf_api_find_method(hf_slice(request->path.data + start, request->path.len - start));
}

static void handle_call(struct hf_http_request *request)
{
    const struct hf_api_method *method = method_of(request);
    union hf_api_request parameters;
    struct hf_arena arena;

    if (!hf_api_admit(request)) {
        return;
    }
    hf_arena_init(&arena, 0);
    switch (method->parse(request->body, &arena, request->worker->config, &parameters)) {
    case HF_API_PARSED:
        run(request, method, &parameters);
        break;
    case HF_API_PARSE_MALFORMED:
        hf_api_respond_malformed(request);
        break;
    case HF_API_PARSE_TOO_MANY:
        hf_api_respond_error(request, HF_ERROR_BAD_REQUEST);
        break;
    case HF_API_PARSE_NO_MEMORY:
        hf_api_respond_failure(request);
        break;
    }
    hf_arena_fini(&arena);
}

/* --- routes --------------------------------------------------------------------------------- */

int hf_api_add_routes(const struct hf_config *config, struct hf_routes *routes)
{
    const char *prefix = config->http_api.handler_prefix;
    int rc;

    if (config->http_api.disabled) {
        return HF_OK;
    }
    rc = hf_routes_add(routes, prefix, "", hf_api_commands);
    if (rc == HF_OK) {
        rc = hf_routes_add(routes, prefix, "/batch", hf_api_batch);
    }
    for (size_t i = 0; i < hf_api_method_count && rc == HF_OK; i++) {
        char suffix[32];

        (void)snprintf(suffix, sizeof(suffix), "/%s", hf_api_methods[i].name);
        rc = hf_routes_add(routes, prefix, suffix, handle_call);
    }
    return rc;
}
