#include "pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"

static const struct hf_pattern_limits generous = {100000, 1 << 20};

static enum hf_pattern_result match(const char *expression, const struct hf_pattern_limits *limits,
                                    const char *text, size_t len)
{
    char why[HF_PATTERN_WHY_MAX];
    struct hf_pattern *pattern = hf_pattern_new(expression, limits, why);
    enum hf_pattern_result result;

    if (pattern == NULL) {
        fail_msg("%s: %s", expression, why);
    }
    result = hf_pattern_match(pattern, text, len);
    hf_pattern_free(pattern);
    return result;
}

static enum hf_pattern_result match_text(const char *expression, const char *text)
{
    return match(expression, &generous, text, strlen(text));
}

static void test_matches(void **state)
{
    (void)state;
    assert_int_equal(match_text("b+", "abba"), HF_PATTERN_MATCHES);
    assert_int_equal(match_text("^b+$", "abba"), HF_PATTERN_MATCHES_NOT);
    assert_int_equal(match_text("^[a-z]{2,4}$", "abba"), HF_PATTERN_MATCHES);
    assert_int_equal(match_text("^(?P<tenant>\\w+)-x$", "acme-x"), HF_PATTERN_MATCHES);
    assert_int_equal(match_text("", "anything"), HF_PATTERN_MATCHES);
    assert_int_equal(match("^$", &generous, NULL, 0), HF_PATTERN_MATCHES);
}

/* A name that ends in a line feed is not the one that was meant. */
static void test_dollar_is_the_very_end(void **state)
{
    (void)state;
    assert_int_equal(match_text("^abc$", "abc\n"), HF_PATTERN_MATCHES_NOT);
}

static void test_texts_are_utf8(void **state)
{
    (void)state;
    assert_int_equal(match_text("^.$", "\xc3\xa4"), HF_PATTERN_MATCHES);
    assert_int_equal(match_text("^\\p{L}+$", "\xd0\xb4\xd0\xb0"), HF_PATTERN_MATCHES);
    assert_int_equal(match_text(".", "\xff"), HF_PATTERN_MATCHES_NOT);
    assert_int_equal(match("^a.b$", &generous, "a\0b", 3), HF_PATTERN_MATCHES);
}

static void test_bad_expression(void **state)
{
    (void)state;
    char why[HF_PATTERN_WHY_MAX];

    assert_null(hf_pattern_new("ab(", &generous, why));
    assert_non_null(strstr(why, "parenthesis"));
    assert_non_null(strstr(why, "at character 3"));
    assert_null(hf_pattern_new("\\C", &generous, why));
    assert_null(hf_pattern_new("\xff", &generous, why));
}

static size_t lines_in(const char *path)
{
    FILE *file = fopen(path, "r");
    size_t lines = 0;

    assert_non_null(file);
    for (int c = fgetc(file); c != EOF; c = fgetc(file)) {
        lines += c == '\n';
    }
    assert_int_equal(fclose(file), 0);
    return lines;
}

static void test_flood_is_logged_sparingly(void **state)
{
    const struct hf_pattern_limits few_steps = {1000, 1 << 20};
    const char *text = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";
    char path[] = "/tmp/hf_pattern_XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(hf_log_init(HF_LOG_WARN, path), 0);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(match("^(a|aa)+$", &few_steps, text, strlen(text)), HF_PATTERN_GAVE_UP);
    }
    hf_log_fini();
    assert_in_range(lines_in(path), 1, 20); /* one each second, on however slow a machine */
    unlink(path);
}

static void test_limits(void **state)
{
    (void)state;
    const struct hf_pattern_limits few_steps = {1000, 1 << 20};
    const struct hf_pattern_limits little_memory = {4000000, 1024};
    const char *text = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";
    char long_text[20000];

    assert_int_equal(match("^(a|aa)+$", &few_steps, text, strlen(text)), HF_PATTERN_GAVE_UP);
    memset(long_text, 'a', sizeof(long_text));
    assert_int_equal(match("^(a|b)+$", &little_memory, long_text, sizeof(long_text)),
                     HF_PATTERN_GAVE_UP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"pattern: a text -> matched anywhere unless anchored", test_matches, NULL, NULL, NULL},
        {"pattern: line feed at the end -> is not the end", test_dollar_is_the_very_end, NULL, NULL,
         NULL},
        {"pattern: characters beyond ASCII -> matched whole; no UTF-8 -> does not match",
         test_texts_are_utf8, NULL, NULL, NULL},
        {"pattern: not a regular expression -> refused, saying what and where", test_bad_expression,
         NULL, NULL, NULL},
        {"pattern: many that are given up -> at most one line in a second",
         test_flood_is_logged_sparingly, NULL, NULL, NULL},
        {"pattern: a match that costs too much -> given up", test_limits, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
