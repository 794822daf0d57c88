/* Answers to plain HTTP clients that are turned away (server/net/refusal.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codes.h"
#include "net/refusal.h"

static void assert_answer(unsigned code, const char *cors, const char *expected)
{
    struct hf_frame *frame = hf_refusal_frame(code, cors);
    assert_non_null(frame);
    assert_int_equal(frame->len, strlen(expected));
    assert_memory_equal(frame->data, expected, frame->len);
    hf_frame_unref(frame);
}

#define REST "Cache-Control: no-store\r\nConnection: close\r\n"
#define TEXT "Content-Type: text/plain; charset=utf-8\r\nContent-Length: "

static void the_status_stands_for_the_code_and_the_body_for_its_reason(void **state)
{
    (void)state;
    assert_answer(HF_DISCONNECT_INVALID_TOKEN, "Vary: Origin\r\n",
                  "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n" TEXT "14\r\n" REST
                  "Vary: Origin\r\n\r\ninvalid token\n");
    assert_answer(HF_DISCONNECT_BAD_REQUEST, "",
                  "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n" TEXT "18\r\n" REST
                  "\r\na token is needed\n");
    assert_answer(HF_DISCONNECT_PERMISSION_DENIED, "",
                  "HTTP/1.1 403 Forbidden\r\n" TEXT "18\r\n" REST "\r\npermission denied\n");
    assert_answer(HF_DISCONNECT_CHANNEL_LIMIT, "",
                  "HTTP/1.1 400 Bad Request\r\n" TEXT "14\r\n" REST "\r\nchannel limit\n");
    assert_answer(HF_DISCONNECT_CONNECTION_LIMIT, "",
                  "HTTP/1.1 429 Too Many Requests\r\n" TEXT "17\r\n" REST "\r\nconnection limit\n");
    assert_answer(HF_DISCONNECT_SHUTDOWN, "",
                  "HTTP/1.1 503 Service Unavailable\r\n" TEXT "9\r\n" REST "\r\nshutdown\n");
}

static void every_code_has_an_answer(void **state)
{
#define X(name, code, reason) code,
    static const unsigned codes[] = {HF_DISCONNECT_CODES(X)};
#undef X
    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct hf_frame *frame = hf_refusal_frame(codes[i], "");
        assert_non_null(frame);
        assert_memory_equal(frame->data, "HTTP/1.1 ", 9);
        hf_frame_unref(frame);
    }
}

/* A backend may disconnect a user with any code of its own. */
static void a_code_of_a_backend_has_an_answer_too(void **state)
{
    (void)state;
    assert_answer(4001, "",
                  "HTTP/1.1 503 Service Unavailable\r\n" TEXT "23\r\n" REST
                  "\r\ndisconnected by server\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_status_stands_for_the_code_and_the_body_for_its_reason),
        cmocka_unit_test(every_code_has_an_answer),
        cmocka_unit_test(a_code_of_a_backend_has_an_answer_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
