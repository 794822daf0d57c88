#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "glob.h"

static bool matches(const char *pattern, const char *text)
{
    if (hf_glob_error(pattern) != NULL) {
        fail_msg("%s: %s", pattern, hf_glob_error(pattern));
    }
    return hf_glob_matches(pattern, hf_slice_of(text));
}

static void star_crosses_namespaces(void **state)
{
    (void)state;
    assert_true(matches("*", ""));
    assert_true(matches("*", "news:a"));
    assert_true(matches("news:*", "news:a:b"));
    assert_false(matches("news:*", "olds:a"));
    assert_true(matches("*:a", "news:a"));
    assert_true(matches("a**b", "ab"));
    assert_false(matches("", "a"));
    assert_true(matches("", ""));
}

static void sets_marks_and_alternatives(void **state)
{
    (void)state;
    assert_true(matches("chat:[0-9]?", "chat:1a"));
    assert_false(matches("chat:[!0-9]", "chat:1"));
    assert_true(matches("{chat,news}:{a,b*}", "news:bcd"));
    assert_false(matches("{chat,news}:{a,b*}", "news:cd"));
    assert_true(matches("\\{a\\}", "{a}"));
}

static void bytes_of_any_value_are_compared(void **state)
{
    (void)state;
    assert_true(matches("[\xc3]\xa4", "\xc3\xa4"));
    assert_true(hf_glob_matches("a?b", hf_slice("a\0b", 3)));
    assert_false(hf_glob_matches("a", hf_slice("a\0", 2)));
}

/* `groups` times {x,x,...} with `alternatives` each. */
static const char *pattern_of(size_t groups, size_t alternatives)
{
    static char pattern[4 * HF_GLOB_MAX];
    size_t len = 0;

    for (size_t i = 0; i < groups; i++) {
        pattern[len++] = '{';
        for (size_t j = 1; j < alternatives; j++) {
            pattern[len++] = ',';
        }
        pattern[len++] = '}';
    }
    pattern[len] = '\0';
    return pattern;
}

static void work_of_a_pattern_is_bounded(void **state)
{
    char longest[HF_GLOB_MAX + 1];

    (void)state;
    assert_null(hf_glob_error(pattern_of(4, 4)));
    assert_non_null(hf_glob_error(pattern_of(4, 5)));
    assert_null(hf_glob_error(pattern_of(1, 256)));
    assert_non_null(hf_glob_error(pattern_of(1, 257)));
    assert_non_null(hf_glob_error(pattern_of(5, 1)));
    memset(longest, 'a', sizeof(longest));
    longest[HF_GLOB_MAX] = '\0';
    assert_non_null(hf_glob_error(longest));
    longest[HF_GLOB_MAX - 1] = '\0';
    assert_null(hf_glob_error(longest));
}

static void unusable_patterns_are_named(void **state)
{
    static const char *const bad[] = {"[", "[]", "[!]", "[a", "{", "{a", "}", "{{a}}", "a\\"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (hf_glob_error(bad[i]) == NULL) {
            fail_msg("%s was taken", bad[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(star_crosses_namespaces),
        cmocka_unit_test(sets_marks_and_alternatives),
        cmocka_unit_test(bytes_of_any_value_are_compared),
        cmocka_unit_test(work_of_a_pattern_is_bounded),
        cmocka_unit_test(unusable_patterns_are_named),
    };

    return cmocka_run_group_tests_name("glob", tests, NULL, NULL);
}
