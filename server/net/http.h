/* HTTP/1.1 on a connection: requests are parsed, routed by path, answered in order.
 *
 * Worker's thread only. A request is handed to its handler when it is complete (head and body, both
 * bounded by configuration). Each request is answered exactly once with hf_http_respond, during the
 * handler or later; the next request of the connection is read after that. If the client leaves
 * first, the answer goes nowhere and hf_http_respond just frees. */
#ifndef HF_SERVER_HTTP_H
#define HF_SERVER_HTTP_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>

#include "net/connection.h"
#include "slice.h"

struct hf_worker;

#define HF_HTTP_HANDLER_BYTES 64

struct hf_http_request {
    struct hf_slice method; /* "GET" */
    struct hf_slice path;   /* without the query, as sent */
    struct hf_slice query;  /* without '?'; empty when absent */
    struct hf_slice body;   /* writable memory */
    unsigned version_major; /* always 1 */
    unsigned version_minor; /* 0 or more */
    struct hf_worker *worker;
    struct hf_connection *connection;                        /* NULL when the client has left */
    alignas(max_align_t) char memory[HF_HTTP_HANDLER_BYTES]; /* the handler's, until it answers */
    /* http.c's own follows */
};

/* The first header of that name (case-insensitive); data NULL when absent. */
struct hf_slice hf_http_header(const struct hf_http_request *request, const char *name);
/* All headers of that name joined with ", " into `out`, NUL-terminated. False when they do not fit;
 * "" when there is none. */
bool hf_http_header_join(const struct hf_http_request *request, const char *name, char *out,
                         size_t size);
/* A query parameter, percent-decoded into `out`; false when absent, broken or too long. */
bool hf_http_query(const struct hf_http_request *request, const char *name, char *out, size_t size,
                   size_t *len);
/* Whether there is such a parameter, also a broken one. */
bool hf_http_query_has(const struct hf_http_request *request, const char *name);

/* `extra_headers`: complete lines each ending in \r\n, or NULL. All borrowed until return. An
 * answer to HEAD goes out without its body. Frees the request. No memory for it closes the
 * connection. */
void hf_http_respond(struct hf_http_request *request, int status, const char *content_type,
                     const char *extra_headers, const char *body, size_t body_len);
/* A plain text answer: `text` with a line's end. */
void hf_http_respond_text(struct hf_http_request *request, int status, const char *text);
/* 405; `allowed` is the value of Allow: "GET, HEAD". */
void hf_http_respond_method_not_allowed(struct hf_http_request *request, const char *allowed);
bool hf_http_method_is(const struct hf_http_request *request, const char *method);

typedef void hf_http_handler(struct hf_http_request *request);
/* Exact path match, any method. Set up before workers start; read-only afterwards. */
struct hf_http_route {
    const char *path;
    hf_http_handler *handler;
};

/* Leaves HTTP, from inside of the handler: the request is freed, the connection is handed over to
 * `driver`; bytes behind the request go to it. `response` (may be empty) is queued first. False: no
 * memory; then `state` stays the caller's and the connection is closed. */
bool hf_http_take_over(struct hf_http_request *request, const char *response, size_t response_len,
                       const struct hf_connection_driver *driver, void *state);

/* What accepted connections begin with. */
extern const struct hf_connection_driver hf_http_driver;

#endif
