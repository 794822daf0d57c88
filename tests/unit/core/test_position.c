#include <holdfast/position.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void an_epoch_is_formatted_as_decimal_text(void **state)
{
    (void)state;
    static const struct {
        uint64_t epoch;
        const char *text;
    } cases[] = {
        {HF_EPOCH_NONE, ""},
        {1, "1"},
        {10, "10"},
        {UINT64_C(1700000000123456), "1700000000123456"},
        {HF_EPOCH_MAX, "9007199254740991"},
        {HF_EPOCH_FOREIGN, "18446744073709551615"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[HF_EPOCH_TEXT_SIZE];
        memset(text, 'x', sizeof text);
        assert_int_equal(hf_epoch_format(cases[i].epoch, text), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
}

/* The text is not NUL-terminated: a copy of its exact size lets a sanitizer see a byte too many. */
static uint64_t parse(const char *text, size_t len)
{
    char *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    uint64_t epoch = hf_epoch_parse(exact, len);
    free(exact);
    return epoch;
}

static void only_what_format_writes_is_parsed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t epoch;
    } cases[] = {
        {"", HF_EPOCH_NONE},
        {"1", 1},
        {"9", 9},
        {"10", 10},
        {"1700000000123456", UINT64_C(1700000000123456)},
        {"9007199254740991", HF_EPOCH_MAX},
        {"9007199254740992", HF_EPOCH_FOREIGN},
        {"9999999999999999", HF_EPOCH_FOREIGN},
        {"10000000000000000", HF_EPOCH_FOREIGN},
        {"18446744073709551615", HF_EPOCH_FOREIGN},
        {"18446744073709551617", HF_EPOCH_FOREIGN}, /* 1 again, were it to wrap around */
        {"0", HF_EPOCH_FOREIGN},
        {"01", HF_EPOCH_FOREIGN},
        {"-1", HF_EPOCH_FOREIGN},
        {"+1", HF_EPOCH_FOREIGN},
        {" 1", HF_EPOCH_FOREIGN},
        {"1 ", HF_EPOCH_FOREIGN},
        {"1a", HF_EPOCH_FOREIGN},
        {"0x1", HF_EPOCH_FOREIGN},
        {"1.0", HF_EPOCH_FOREIGN},
        {"1/", HF_EPOCH_FOREIGN},
        {"1:", HF_EPOCH_FOREIGN},
        {"xyz", HF_EPOCH_FOREIGN},
        {"\xd9\xa1", HF_EPOCH_FOREIGN}, /* a digit, but not ours */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(parse(cases[i].text, strlen(cases[i].text)), cases[i].epoch);
    }
    assert_int_equal(parse("1\0", 2), HF_EPOCH_FOREIGN);
    assert_int_equal(hf_epoch_parse(NULL, 0), HF_EPOCH_NONE);
}

static void what_is_formatted_is_parsed_back(void **state)
{
    (void)state;
    for (uint64_t epoch = 1; epoch <= HF_EPOCH_MAX; epoch = epoch * 3 + 1) {
        char text[HF_EPOCH_TEXT_SIZE];
        size_t len = hf_epoch_format(epoch, text);
        assert_int_equal(parse(text, len), epoch);
    }
}

static void positions_are_equal_only_in_both_parts(void **state)
{
    (void)state;
    struct hf_position a = {7, 3};
    assert_true(hf_position_equal(a, (struct hf_position){7, 3}));
    assert_false(hf_position_equal(a, (struct hf_position){7, 4}));
    assert_false(hf_position_equal(a, (struct hf_position){8, 3}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_is_formatted_as_decimal_text),
        cmocka_unit_test(only_what_format_writes_is_parsed),
        cmocka_unit_test(what_is_formatted_is_parsed_back),
        cmocka_unit_test(positions_are_equal_only_in_both_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
