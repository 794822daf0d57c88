#include "codes.h"

#include "proto_test.h"

struct code_text {
    uint32_t code;
    const char *text;
};

/* Written out again on purpose: the numbers and texts are what SDKs know. */
static void test_errors(void **state)
{
    (void)state;
    static const struct code_text expected[] = {
        {100, "internal server error"},  {101, "unauthorized"},     {102, "unknown channel"},
        {103, "permission denied"},      {104, "method not found"}, {105, "already subscribed"},
        {106, "limit exceeded"},         {107, "bad request"},      {108, "not available"},
        {109, "token expired"},          {110, "expired"},          {111, "too many requests"},
        {112, "unrecoverable position"},
    };
    size_t known = 0;
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_string_equal(hf_error_message(expected[i].code), expected[i].text);
    }
    for (uint32_t code = 0; code < 6000; code++) {
        known += hf_error_message(code) != NULL;
        assert_int_equal(hf_error_code_is_temporary(code), code == 100 || code == 111);
    }
    assert_int_equal(known, COUNT(expected));
    assert_int_equal(HF_ERROR_UNRECOVERABLE_POSITION, 112);
}

static void test_disconnects(void **state)
{
    (void)state;
    static const struct code_text expected[] = {
        {3000, "connection closed"},
        {3001, "shutdown"},
        {3004, "internal server error"},
        {3005, "connection expired"},
        {3006, "subscription expired"},
        {3008, "slow"},
        {3009, "write error"},
        {3010, "insufficient state"},
        {3011, "force reconnect"},
        {3012, "no pong"},
        {3013, "too many requests"},
        {3014, "state invalidated"},
        {3500, "invalid token"},
        {3501, "bad request"},
        {3502, "stale"},
        {3503, "force disconnect"},
        {3504, "connection limit"},
        {3505, "channel limit"},
        {3506, "inappropriate protocol"},
        {3507, "permission denied"},
        {3508, "not available"},
        {3509, "too many errors"},
    };
    size_t known = 0;
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_string_equal(hf_disconnect_reason(expected[i].code), expected[i].text);
        assert_true(strlen(expected[i].text) <= 123);
    }
    for (uint32_t code = 0; code < 6000; code++) {
        known += hf_disconnect_reason(code) != NULL;
    }
    assert_int_equal(known, COUNT(expected));
}

static void test_unsubscribes(void **state)
{
    (void)state;
    assert_string_equal(hf_unsubscribe_reason(0), "client unsubscribed");
    assert_string_equal(hf_unsubscribe_reason(1), "client disconnected");
    assert_string_equal(hf_unsubscribe_reason(2000), "server unsubscribe");
    assert_string_equal(hf_unsubscribe_reason(2500), "insufficient state");
    assert_string_equal(hf_unsubscribe_reason(2501), "subscription expired");
    assert_string_equal(hf_unsubscribe_reason(2502), "state invalidated");
    assert_null(hf_unsubscribe_reason(2));
}

static void test_terminal(void **state)
{
    (void)state;
    static const struct {
        uint32_t code;
        bool is_terminal;
    } cases[] = {
        {3000, false}, {3499, false}, {3500, true}, {3999, true},  {4000, false},
        {4499, false}, {4500, true},  {4999, true}, {5000, false}, {1009, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(hf_disconnect_is_terminal(cases[i].code), cases[i].is_terminal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("codes: errors -> canonical messages, 100 and 111 temporary", test_errors),
        TEST("codes: disconnects -> canonical reasons that fit a close frame", test_disconnects),
        TEST("codes: unsubscribes -> canonical reasons", test_unsubscribes),
        TEST("codes: disconnect ranges -> terminal or reconnect", test_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
