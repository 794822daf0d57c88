/* CORS headers (server/net/cors.c), with requests of two headers and an answer that is written
 * down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "net/cors.h"
#include "net/origin.h"
#include "worker.h"

static struct {
    struct hf_slice origin;
    struct hf_slice requested; /* Access-Control-Request-Headers */
    int status;
    char headers[4096];
} test;

struct hf_slice hf_http_header(const struct hf_http_request *request, const char *name)
{
    (void)request;
    return strcmp(name, "origin") == 0                           ? test.origin
           : strcmp(name, "access-control-request-headers") == 0 ? test.requested
                                                                 : hf_slice(NULL, 0);
}

void hf_http_respond(struct hf_http_request *request, int status, const char *content_type,
                     const char *extra_headers, const char *body, size_t body_len)
{
    (void)request;
    (void)body;
    assert_null(content_type);
    assert_int_equal(body_len, 0);
    test.status = status;
    (void)snprintf(test.headers, sizeof(test.headers), "%s", extra_headers);
}

static char allowed[] = "https://*.example";
static char *allowed_items[] = {allowed};
static struct hf_config config;
static struct hf_worker worker = {.config = &config};
static struct hf_http_request request = {.worker = &worker};

static int set_up(void **state)
{
    (void)state;
    memset(&test, 0, sizeof(test));
    config.client.allowed_origins = (struct hf_string_list){.items = allowed_items, .count = 1};
    return 0;
}

static void an_allowed_origin_is_named_and_may_send_credentials(void **state)
{
    char out[HF_CORS_MAX];
    (void)state;
    test.origin = HF_SLICE("https://page.example");
    hf_cors_headers(&request, out);
    assert_string_equal(out, "Access-Control-Allow-Origin: https://page.example\r\n"
                             "Access-Control-Allow-Credentials: true\r\n"
                             "Vary: Origin\r\n");
}

static void another_origin_or_none_is_told_nothing(void **state)
{
    static char long_origin[HF_ORIGIN_MAX + 2];
    char out[HF_CORS_MAX];
    (void)state;
    hf_cors_headers(&request, out);
    assert_string_equal(out, "");
    test.origin = HF_SLICE("https://page.evil");
    hf_cors_headers(&request, out);
    assert_string_equal(out, "");
    memset(long_origin, 'a', sizeof(long_origin));
    memcpy(long_origin, "https://", 8);
    memcpy(long_origin + sizeof(long_origin) - 8, ".example", 8);
    test.origin = hf_slice(long_origin, sizeof(long_origin));
    hf_cors_headers(&request, out);
    assert_string_equal(out, "");
}

static void the_longest_origin_and_headers_fit(void **state)
{
    static char origin[HF_ORIGIN_MAX];
    static char requested[513];
    char out[HF_CORS_MAX];
    (void)state;
    memset(origin, 'a', sizeof(origin));
    memcpy(origin, "https://", 8);
    memcpy(origin + sizeof(origin) - 8, ".example", 8);
    memset(requested, 'x', sizeof(requested));
    test.origin = hf_slice(origin, sizeof(origin));
    test.requested = hf_slice(requested, 512);
    hf_cors_headers(&request, out);
    assert_string_equal(out + strlen(out) - 4, "xx\r\n");
    assert_non_null(strstr(out, ".example\r\n"));
    assert_non_null(strstr(out, "Vary: Origin\r\nAccess-Control-Allow-Headers: xx"));
    test.requested = hf_slice(requested, 513); /* more than is echoed */
    hf_cors_headers(&request, out);
    assert_null(strstr(out, "Allow-Headers"));
    assert_non_null(strstr(out, ".example\r\n"));
}

static void a_preflight_is_answered_with_204_whoever_asks(void **state)
{
    (void)state;
    test.origin = HF_SLICE("https://page.example");
    test.requested = HF_SLICE("content-type");
    hf_cors_preflight(&request, "POST, OPTIONS");
    assert_int_equal(test.status, 204);
    assert_string_equal(test.headers, "Access-Control-Allow-Origin: https://page.example\r\n"
                                      "Access-Control-Allow-Credentials: true\r\n"
                                      "Vary: Origin\r\n"
                                      "Access-Control-Allow-Headers: content-type\r\n"
                                      "Access-Control-Max-Age: 300\r\n"
                                      "Access-Control-Allow-Methods: POST, OPTIONS\r\n");
    test.origin = HF_SLICE("https://page.evil");
    hf_cors_preflight(&request, "POST, OPTIONS");
    assert_int_equal(test.status, 204);
    assert_null(strstr(test.headers, "Allow-Origin"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_allowed_origin_is_named_and_may_send_credentials, set_up),
        cmocka_unit_test_setup(another_origin_or_none_is_told_nothing, set_up),
        cmocka_unit_test_setup(the_longest_origin_and_headers_fit, set_up),
        cmocka_unit_test_setup(a_preflight_is_answered_with_204_whoever_asks, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
