#include "client/decimal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct hf_decimal parse(const char *text)
{
    struct hf_decimal decimal;

    if (!hf_decimal_parse(hf_slice_of(text), &decimal)) {
        fail_msg("\"%s\" was refused", text);
    }
    return decimal;
}

static int compare(const char *a, const char *b)
{
    struct hf_decimal left = parse(a);
    struct hf_decimal right = parse(b);
    int difference = hf_decimal_compare(&left, &right);
    int back = hf_decimal_compare(&right, &left);

    assert_int_equal((difference > 0) - (difference < 0), (back < 0) - (back > 0));
    return (difference > 0) - (difference < 0);
}

static void test_order(void **state)
{
    (void)state;
    /* ascending; one value per line */
    static const char *const ascending[] = {
        "-100000000000000000000000000000",
        "-99.5",
        "-10",
        "-9.0000000000000000001",
        "-9",
        "-0.5",
        "0",
        "0.0000000000000000001",
        "0.09",
        "0.1",
        "0.12",
        "1",
        "1.5",
        "9",
        "10",
        "10.01",
        "99999999999999999999999999999999999999999",
    };
    size_t count = sizeof(ascending) / sizeof(ascending[0]);

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            assert_int_equal(compare(ascending[i], ascending[j]), (i > j) - (i < j));
        }
    }
}

static void test_same_value(void **state)
{
    (void)state;
    assert_int_equal(compare("1", "+1.000"), 0);
    assert_int_equal(compare("-0", "0.00"), 0);
    assert_int_equal(compare("007", "7"), 0);
    assert_int_equal(compare("-1.50", "-01.5"), 0);
}

static void test_no_numbers(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",   "-",     "+",   ".",   ".5",  "5.",  "1e3",  "1 ",
        " 1", "1.2.3", "--1", "0x1", "NaN", "1,5", "1.-2", "0.00000000000000000001"};
    struct hf_decimal decimal;
    char longest[HF_DECIMAL_LEN_MAX + 2];

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (hf_decimal_parse(hf_slice_of(texts[i]), &decimal)) {
            fail_msg("\"%s\" was taken", texts[i]);
        }
    }
    memset(longest, '1', sizeof(longest));
    assert_true(hf_decimal_parse(hf_slice(longest, HF_DECIMAL_LEN_MAX), &decimal));
    assert_false(hf_decimal_parse(hf_slice(longest, HF_DECIMAL_LEN_MAX + 1), &decimal));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"decimal: numbers of any length and sign -> ordered", test_order, NULL, NULL, NULL},
        {"decimal: zeros around a number -> the same value", test_same_value, NULL, NULL, NULL},
        {"decimal: exponents, blanks, lonely points, too long -> no number", test_no_numbers, NULL,
         NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
