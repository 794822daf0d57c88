/* Fixture for HTTP handlers: a double of http.h that records the answer. Include it once, after
 * session_fixture.h. As the real one does, answering frees the request. */
#ifndef HF_TEST_API_FIXTURE_H
#define HF_TEST_API_FIXTURE_H

#include "session_fixture.h"

#include "api/api_routes.h"

struct fake_http {
    struct hf_http_request request; /* first: handlers are given its address */
    char *body;                     /* exact, so that a sanitizer sees a read beyond it */
    const char *headers[8];         /* name, value, ... NULL */
    const char *api_key;            /* of the query, or NULL */
};

static struct {
    int status; /* 0: not answered */
    unsigned count;
    char type[64];
    char headers[128];
    char *body;
} answer;

struct hf_slice hf_http_header(const struct hf_http_request *request, const char *name)
{
    const struct fake_http *http = (const struct fake_http *)request;

    for (int i = 0; http->headers[i] != NULL; i += 2) {
        if (strcasecmp(http->headers[i], name) == 0) {
            return hf_slice_of(http->headers[i + 1]);
        }
    }
    return (struct hf_slice){0};
}

bool hf_http_query(const struct hf_http_request *request, const char *name, char *out, size_t size,
                   size_t *len)
{
    const struct fake_http *http = (const struct fake_http *)request;

    if (strcmp(name, "api_key") != 0 || http->api_key == NULL || strlen(http->api_key) >= size) {
        return false;
    }
    *len = strlen(http->api_key);
    memcpy(out, http->api_key, *len + 1);
    return true;
}

void hf_http_respond(struct hf_http_request *request, int status, const char *content_type,
                     const char *extra_headers, const char *body, size_t body_len)
{
    struct fake_http *http = (struct fake_http *)request;

    answer.status = status;
    answer.count++;
    (void)snprintf(answer.type, sizeof(answer.type), "%s", content_type ? content_type : "");
    (void)snprintf(answer.headers, sizeof(answer.headers), "%s",
                   extra_headers ? extra_headers : "");
    free(answer.body);
    answer.body = calloc(1, body_len + 1);
    assert_non_null(answer.body);
    if (body_len > 0) {
        memcpy(answer.body, body, body_len);
    }
    free(http->body);
    free(http);
}

/* --- requests ------------------------------------------------------------------------------- */

static inline struct fake_http *http_new(struct fixture *fixture, const char *method,
                                         const char *path, const char *body)
{
    struct fake_http *http = calloc(1, sizeof(*http));
    size_t len = strlen(body);

    assert_non_null(http);
    http->body = malloc(len);
    if (len > 0) {
        memcpy(http->body, body, len);
    }
    http->request.method = hf_slice_of(method);
    http->request.path = hf_slice_of(path);
    http->request.body = hf_slice(http->body, len);
    http->request.worker = &fixture->worker;
    answer.status = 0;
    return http;
}

/* Finds the handler as the server would: by exact path. NULL: HTTP 404. */
static inline hf_http_handler *find_handler(const struct hf_routes *routes, const char *path)
{
    for (size_t i = 0; i < routes->count; i++) {
        if (strcmp(routes->items[i].path, path) == 0) {
            return routes->items[i].handler;
        }
    }
    return NULL;
}

static inline void handle(struct hf_routes *routes, struct fake_http *http)
{
    hf_http_handler *handler = find_handler(routes, http->request.path.data);

    assert_non_null(handler);
    handler(&http->request);
}

static inline void expect_answer(int status, const char *body)
{
    assert_int_equal(answer.status, status);
    assert_string_equal(answer.body, body);
    free(answer.body);
    answer.body = NULL;
}

#endif
