#include "net/http_chunks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct chunks_case {
    const char *bytes;
    size_t len; /* 0: strlen */
    enum hf_http_chunks_result result;
    const char *body; /* with DONE */
    size_t used;      /* with DONE; 0: all */
};

enum { BODY_MAX = 20 };

static const struct chunks_case cases[] = {
    {"0\r\n\r\n", 0, HF_HTTP_CHUNKS_DONE, "", 0},
    {"3\r\nabc\r\n0\r\n\r\n", 0, HF_HTTP_CHUNKS_DONE, "abc", 0},
    {"3\r\nabc\r\n0\r\n\r\nGET", 0, HF_HTTP_CHUNKS_DONE, "abc", 13},
    {"0a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n", 0, HF_HTTP_CHUNKS_DONE,
     "01234567890123456789", 0},
    {"1;name=\"value\"\r\nx\r\n0;y\r\n\r\n", 0, HF_HTTP_CHUNKS_DONE, "x", 0},
    {"1\r\nx\r\n0\r\nTrailer: a\r\nOther: b\r\n\r\n", 0, HF_HTTP_CHUNKS_DONE, "x", 0},
    {"2\r\n\r\n\r\n0\r\n\r\n", 0, HF_HTTP_CHUNKS_DONE, "\r\n", 0},
    {"3\r\nab", 0, HF_HTTP_CHUNKS_MORE, NULL, 0},
    {"0\r\n\r", 0, HF_HTTP_CHUNKS_MORE, NULL, 0},
    {"15\r\n", 0, HF_HTTP_CHUNKS_MORE, NULL, 0}, /* judged with the first byte of data */
    {"15\r\n0", 0, HF_HTTP_CHUNKS_TOO_BIG, NULL, 0},
    {"a\r\n0123456789\r\nb\r\n0", 0, HF_HTTP_CHUNKS_TOO_BIG, NULL, 0},
    {"fffffffffffffff\r\n0", 0, HF_HTTP_CHUNKS_TOO_BIG, NULL, 0},
    {"fffffffffffffffff\r\n", 0, HF_HTTP_CHUNKS_BAD, NULL, 0},
    {"\r\n", 0, HF_HTTP_CHUNKS_BAD, NULL, 0},
    {";a\r\n", 0, HF_HTTP_CHUNKS_BAD, NULL, 0},
    {"-1\r\n", 0, HF_HTTP_CHUNKS_BAD, NULL, 0},
    {"0x1\r\n", 0, HF_HTTP_CHUNKS_BAD, NULL, 0},
    {" 1\r\n", 0, HF_HTTP_CHUNKS_BAD, NULL, 0},
    {"1 \r\n", 0, HF_HTTP_CHUNKS_BAD, NULL, 0},
    {"1\nx", 0, HF_HTTP_CHUNKS_BAD, NULL, 0},
    {"1\rx", 0, HF_HTTP_CHUNKS_BAD, NULL, 0},
    {"1\r\nxy", 0, HF_HTTP_CHUNKS_BAD, NULL, 0},
    {"1\r\nx\ny", 0, HF_HTTP_CHUNKS_BAD, NULL, 0},
    {"1\r\nx\r0", 0, HF_HTTP_CHUNKS_BAD, NULL, 0},
    {"1;a\0b\r\nx", 8, HF_HTTP_CHUNKS_BAD, NULL, 0},
    {"0\r\nTrailer: a\nx", 0, HF_HTTP_CHUNKS_BAD, NULL, 0},
    {"0\r\n\rx", 0, HF_HTTP_CHUNKS_BAD, NULL, 0},
};

enum { CASES = sizeof(cases) / sizeof(cases[0]) };

/* Feeds the first `cut` bytes, then the rest. */
static void check(const struct chunks_case *one, size_t cut)
{
    size_t len = one->len != 0 ? one->len : strlen(one->bytes);
    struct hf_http_chunks chunks = {0};
    struct hf_buffer body;
    hf_buffer_init(&body, 0);
    size_t used;
    enum hf_http_chunks_result result =
        hf__http_chunks_feed(&chunks, one->bytes, cut, &body, BODY_MAX, &used);
    size_t total = used;
    if (result == HF_HTTP_CHUNKS_MORE) {
        assert_int_equal(used, cut);
        result = hf__http_chunks_feed(&chunks, one->bytes + cut, len - cut, &body, BODY_MAX, &used);
        total += used;
    }
    if (result != one->result) {
        fail_msg("%s cut at %zu: %d", one->bytes, cut, (int)result);
    }
    if (result == HF_HTTP_CHUNKS_DONE) {
        assert_int_equal(total, one->used != 0 ? one->used : len);
        assert_int_equal(body.len, strlen(one->body));
        if (body.len > 0) {
            assert_memory_equal(body.data, one->body, body.len);
        }
    }
    hf_buffer_fini(&body);
}

static void bodies_cut_at_any_byte_have_one_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        size_t len = cases[i].len != 0 ? cases[i].len : strlen(cases[i].bytes);
        for (size_t cut = 0; cut <= len; cut++) {
            check(&cases[i], cut);
        }
    }
}

static void trailers_without_end_are_refused(void **state)
{
    (void)state;
    struct hf_http_chunks chunks = {0};
    struct hf_buffer body;
    hf_buffer_init(&body, 0);
    size_t used;
    assert_int_equal(hf__http_chunks_feed(&chunks, "0\r\n", 3, &body, BODY_MAX, &used),
                     HF_HTTP_CHUNKS_MORE);
    enum hf_http_chunks_result result = HF_HTTP_CHUNKS_MORE;
    unsigned lines = 0;
    while (result == HF_HTTP_CHUNKS_MORE && lines < 10000) {
        result = hf__http_chunks_feed(&chunks, "a: b\r\n", 6, &body, BODY_MAX, &used);
        lines++;
    }
    assert_int_equal(result, HF_HTTP_CHUNKS_BAD);
    assert_true(lines > 100 && lines < 2000);
    hf_buffer_fini(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_cut_at_any_byte_have_one_meaning),
        cmocka_unit_test(trailers_without_end_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
