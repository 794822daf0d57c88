/* Origins (server/origin.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/origin.h"

static bool is_allowed(const char *pattern, const char *origin)
{
    char *items[] = {(char *)(uintptr_t)pattern};
    struct hf_string_list list = {.items = items, .count = 1};
    return hf_origin_is_allowed(&list, origin, strlen(origin));
}

static void no_origin_header_passes_always(void **state)
{
    (void)state;
    char *items[] = {(char *)(uintptr_t) "https://a"};
    struct hf_string_list list = {.items = items, .count = 1};
    assert_true(hf_origin_is_allowed(&list, NULL, 0));
    list.count = 0;
    assert_true(hf_origin_is_allowed(&list, NULL, 0));
}

static void empty_list_refuses_every_origin(void **state)
{
    (void)state;
    struct hf_string_list list = {0};
    assert_false(hf_origin_is_allowed(&list, "https://a", 9));
    assert_false(hf_origin_is_allowed(&list, "", 0));
    assert_false(hf_origin_is_allowed(&list, "null", 4));
}

static void single_star_allows_all(void **state)
{
    (void)state;
    assert_true(is_allowed("*", "https://anything.example"));
    assert_true(is_allowed("*", "null"));
    assert_true(is_allowed("*", ""));
}

static void origin_is_compared_in_lower_case(void **state)
{
    (void)state;
    assert_true(is_allowed("https://example.com", "https://example.com"));
    assert_true(is_allowed("https://example.com", "HTTPS://Example.COM"));
    assert_false(is_allowed("https://example.com", "https://example.com.evil.com"));
    assert_false(is_allowed("https://example.com", "https://evil-example.com"));
    assert_false(is_allowed("https://example.com", "http://example.com"));
    assert_false(is_allowed("https://example.com", "https://example.com:8080"));
    assert_false(is_allowed("https://example.com", ""));
}

static void star_takes_any_bytes(void **state)
{
    (void)state;
    assert_true(is_allowed("https://*.example.com", "https://a.example.com"));
    assert_true(is_allowed("https://*.example.com", "https://a.b.example.com"));
    assert_true(is_allowed("https://*.example.com", "https://.example.com"));
    assert_false(is_allowed("https://*.example.com", "https://example.com"));
    assert_false(is_allowed("https://*.example.com", "https://a.example.com.evil"));
    assert_true(is_allowed("http://localhost:*", "http://localhost:3000"));
    assert_true(is_allowed("http://localhost*", "http://localhost"));
    assert_true(is_allowed("*a*b*", "xxaxxbxx"));
    assert_true(is_allowed("*ab", "aab"));
    assert_true(is_allowed("*abab", "abaabab"));
    assert_false(is_allowed("*a*b*", "xxbxxaxx"));
    assert_true(is_allowed("**", "x"));
}

static void question_mark_and_sets_take_one_byte(void **state)
{
    (void)state;
    assert_true(is_allowed("http://app?.x", "http://app1.x"));
    assert_false(is_allowed("http://app?.x", "http://app.x"));
    assert_false(is_allowed("http://app?.x", "http://app12.x"));
    assert_true(is_allowed("http://app[0-9a].x", "http://app5.x"));
    assert_true(is_allowed("http://app[0-9a].x", "http://appa.x"));
    assert_false(is_allowed("http://app[0-9a].x", "http://appb.x"));
    assert_true(is_allowed("http://app[!0-9].x", "http://appb.x"));
    assert_false(is_allowed("http://app[!0-9].x", "http://app7.x"));
    assert_true(is_allowed("x[a-]", "x-"));
    assert_true(is_allowed("x[\\]]", "x]"));
    assert_false(is_allowed("x[a]", "x"));
}

static void alternatives_are_tried_each(void **state)
{
    (void)state;
    assert_true(is_allowed("http{,s}://a.com", "http://a.com"));
    assert_true(is_allowed("http{,s}://a.com", "https://a.com"));
    assert_false(is_allowed("http{,s}://a.com", "httpx://a.com"));
    assert_true(is_allowed("https://{a,b*}.{com,org}", "https://bxx.org"));
    assert_true(is_allowed("https://{a,b*}.{com,org}", "https://a.com"));
    assert_false(is_allowed("https://{a,b*}.{com,org}", "https://ax.com"));
    assert_true(is_allowed("{[,}],x}", ","));
    assert_true(is_allowed("{[,}],x}", "x"));
}

static void backslash_takes_the_next_byte_as_it_is(void **state)
{
    (void)state;
    assert_true(is_allowed("a\\*", "a*"));
    assert_false(is_allowed("a\\*", "ab"));
    assert_true(is_allowed("\\{a,b\\}", "{a,b}"));
    assert_true(is_allowed("\\[a\\]", "[a]"));
}

static void one_of_several_patterns_is_enough(void **state)
{
    (void)state;
    char *items[] = {(char *)(uintptr_t) "https://a", (char *)(uintptr_t) "https://b",
                     (char *)(uintptr_t) "*"};
    struct hf_string_list list = {.items = items, .count = 2};
    assert_true(hf_origin_is_allowed(&list, "https://b", 9));
    assert_false(hf_origin_is_allowed(&list, "https://c", 9));
    list.count = 3;
    assert_true(hf_origin_is_allowed(&list, "https://c", 9));
}

static void hostile_origin_is_refused_in_bounded_time(void **state)
{
    (void)state;
    char origin[HF_ORIGIN_MAX + 1];
    memset(origin, 'a', sizeof(origin));
    char *items[] = {(char *)(uintptr_t) "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b"};
    struct hf_string_list list = {.items = items, .count = 1};
    assert_false(hf_origin_is_allowed(&list, origin, HF_ORIGIN_MAX));
    items[0] = (char *)(uintptr_t) "a*";
    assert_true(hf_origin_is_allowed(&list, origin, HF_ORIGIN_MAX));
    assert_false(hf_origin_is_allowed(&list, origin, HF_ORIGIN_MAX + 1));
    assert_false(hf_origin_is_allowed(&list, "\0a", 2));
}

static void unusable_pattern_is_named(void **state)
{
    (void)state;
    static const char *const good[] = {"*",     "https://*.x", "[a-z]",       "[!a]",
                                       "{a,b}", "a\\[b",       "]",           "{[},]}",
                                       "a,b",   "[a\\]]",      "{a}{b}{c}{d}"};
    static const char *const bad[] = {"",
                                      "[",
                                      "[]",
                                      "[!]",
                                      "[a",
                                      "{",
                                      "{a",
                                      "}",
                                      "{a}}",
                                      "{{a}}",
                                      "a\\",
                                      "[a\\]",
                                      "{a}{b}{c}{d}{e}"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (hf_origin_pattern_error(good[i]) != NULL) {
            fail_msg("%s: %s", good[i], hf_origin_pattern_error(good[i]));
        }
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (hf_origin_pattern_error(bad[i]) == NULL) {
            fail_msg("%s was taken", bad[i]);
        }
    }
    char pattern[HF_ORIGIN_MAX + 1];
    memset(pattern, 'a', HF_ORIGIN_MAX);
    pattern[HF_ORIGIN_MAX] = '\0';
    assert_non_null(hf_origin_pattern_error(pattern));
    pattern[HF_ORIGIN_MAX - 1] = '\0';
    assert_null(hf_origin_pattern_error(pattern));
}

static void random_patterns_that_are_taken_can_be_matched(void **state)
{
    (void)state;
    static const char letters[] = "ab*?[]{},!-\\";
    uint32_t seed = 12345;
    for (int round = 0; round < 200000; round++) {
        char pattern[12];
        size_t len = 0;
        do {
            seed = seed * 1664525 + 1013904223;
            pattern[len++] = letters[(seed >> 16) % (sizeof(letters) - 1)];
        } while (len < 11 && (seed >> 8) % 9 != 0);
        pattern[len] = '\0';
        if (hf_origin_pattern_error(pattern) == NULL) {
            (void)is_allowed(pattern, "abab-ab"); /* the sanitizers judge */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_origin_header_passes_always),
        cmocka_unit_test(empty_list_refuses_every_origin),
        cmocka_unit_test(single_star_allows_all),
        cmocka_unit_test(origin_is_compared_in_lower_case),
        cmocka_unit_test(star_takes_any_bytes),
        cmocka_unit_test(question_mark_and_sets_take_one_byte),
        cmocka_unit_test(alternatives_are_tried_each),
        cmocka_unit_test(backslash_takes_the_next_byte_as_it_is),
        cmocka_unit_test(one_of_several_patterns_is_enough),
        cmocka_unit_test(hostile_origin_is_refused_in_bounded_time),
        cmocka_unit_test(unusable_pattern_is_named),
        cmocka_unit_test(random_patterns_that_are_taken_can_be_matched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
