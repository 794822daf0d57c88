#include "net/cors.h"

#include <stdio.h>

#include "net/origin.h"
#include "worker.h"

enum { REQUESTED_MAX = 512 };

void hf_cors_headers(const struct hf_http_request *request, char out[HF_CORS_MAX])
{
    struct hf_slice origin = hf_http_header(request, "origin");
    struct hf_slice requested = hf_http_header(request, "access-control-request-headers");
    out[0] = '\0';
    if (origin.data == NULL || origin.len > HF_ORIGIN_MAX ||
        !hf_origin_is_allowed(&request->worker->config->client.allowed_origins, origin.data,
                              origin.len)) {
        return;
    }
    bool echoes = requested.len > 0 && requested.len <= REQUESTED_MAX;
    snprintf(out, HF_CORS_MAX,
             "Access-Control-Allow-Origin: %.*s\r\n"
             "Access-Control-Allow-Credentials: true\r\n"
             "Vary: Origin\r\n"
             "%s%.*s%s",
             (int)origin.len, origin.data, echoes ? "Access-Control-Allow-Headers: " : "",
             echoes ? (int)requested.len : 0, echoes ? requested.data : "", echoes ? "\r\n" : "");
}

void hf_cors_preflight(struct hf_http_request *request, const char *methods)
{
    char cors[HF_CORS_MAX];
    char headers[HF_CORS_MAX + 256];
    hf_cors_headers(request, cors);
    snprintf(headers, sizeof(headers),
             "%sAccess-Control-Max-Age: 300\r\nAccess-Control-Allow-Methods: %s\r\n", cors,
             methods);
    hf_http_respond(request, 204, NULL, headers, NULL, 0);
}
