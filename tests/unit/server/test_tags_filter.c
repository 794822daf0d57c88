#include "client/tags_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct hf_tags_filter_limits limits = {.bytes_max = 8192, .depth_max = 8};

/* A filter out of the JSON of a subscribe request's `tf`; NULL with *reason. */
static struct hf_tags_filter *make(const char *tf, const struct hf_tags_filter_limits *most,
                                   const char **reason)
{
    char message[4096];
    struct hf_arena arena;
    struct hf_command command;
    struct hf_tags_filter *filter = NULL;

    (void)snprintf(message, sizeof(message),
                   "{\"id\":1,\"subscribe\":{\"channel\":\"a\",\"tf\":%s}}", tf);
    hf_arena_init(&arena, 0);
    assert_int_equal(hf_command_decode_json(hf_slice_of(message), &arena, &command, NULL),
                     HF_COMMAND_OK);
    assert_non_null(command.request.subscribe.tf);
    if (hf_tags_filter_new(command.request.subscribe.tf, most, &filter, reason) !=
        HF_TAGS_FILTER_OK) {
        filter = NULL;
    }
    hf_arena_fini(&arena); /* the filter has copies of all */
    return filter;
}

static bool matches(const char *tf, const char *tags_text)
{
    const char *reason = NULL;
    struct hf_tags_filter *filter = make(tf, &limits, &reason);
    struct hf_arena arena;
    struct hf_tags tags;
    bool is_match;

    if (filter == NULL) {
        fail_msg("%s was refused: %s", tf, reason);
    }
    hf_arena_init(&arena, 0);
    assert_true(hf_tags_read(hf_slice_of(tags_text), &arena, &tags));
    is_match = hf_tags_filter_matches(filter, &tags);
    hf_arena_fini(&arena);
    hf_tags_filter_free(filter);
    return is_match;
}

static const char *refused(const char *tf)
{
    const char *reason = NULL;

    assert_null(make(tf, &limits, &reason));
    assert_non_null(reason);
    return reason;
}

#define LEAF(cmp, val) "{\"key\":\"k\",\"cmp\":\"" cmp "\",\"val\":\"" val "\"}"
#define LIST(cmp)      "{\"key\":\"k\",\"cmp\":\"" cmp "\",\"vals\":[\"a\",\"b\"]}"

static void test_comparisons(void **state)
{
    (void)state;
    static const struct {
        const char *tf;
        const char *holds[4];
        const char *fails[5];
    } cases[] = {
        {LEAF("eq", "a"),
         {"{\"k\":\"a\"}", "{\"k\":\"b\",\"k\":\"a\"}"},
         {"", "{}", "{\"k\":\"b\"}", "{\"j\":\"a\"}", "{\"k\":1}"}},
        {LEAF("neq", "a"), {"", "{\"k\":\"b\"}"}, {"{\"k\":\"a\"}", "{\"k\":\"\\u0061\"}"}},
        {LIST("in"), {"{\"k\":\"a\"}", "{\"k\":\"b\"}"}, {"", "{\"k\":\"c\"}", "{\"k\":\"\"}"}},
        {LIST("nin"), {"", "{\"k\":\"c\"}", "{\"k\":\"\"}"}, {"{\"k\":\"b\"}"}},
        {"{\"key\":\"k\",\"cmp\":\"in\",\"vals\":[\"\"]}", {"", "{\"k\":\"\"}"}, {"{\"k\":\"a\"}"}},
        {"{\"key\":\"k\",\"cmp\":\"ex\"}", {"{\"k\":\"\"}"}, {"", "{\"K\":\"a\"}"}},
        {"{\"key\":\"k\",\"cmp\":\"nex\"}", {"", "{\"K\":\"a\"}"}, {"{\"k\":\"\"}"}},
        {LEAF("sw", "ab"), {"{\"k\":\"ab\"}", "{\"k\":\"abc\"}"}, {"", "{\"k\":\"a\"}"}},
        {LEAF("ew", "bc"), {"{\"k\":\"bc\"}", "{\"k\":\"abc\"}"}, {"", "{\"k\":\"c\"}"}},
        {LEAF("ct", "b"), {"{\"k\":\"b\"}", "{\"k\":\"abc\"}"}, {"", "{\"k\":\"ac\"}"}},
        {LEAF("gt", "9"),
         {"{\"k\":\"10\"}", "{\"k\":\"9.1\"}"},
         {"", "{\"k\":\"9.0\"}", "{\"k\":\"-10\"}", "{\"k\":\"x\"}"}},
        {LEAF("gte", "9"), {"{\"k\":\"9.0\"}"}, {"{\"k\":\"8.99\"}"}},
        {LEAF("lt", "-1"), {"{\"k\":\"-1.5\"}"}, {"{\"k\":\"-1\"}", "{\"k\":\"\"}"}},
        {LEAF("lte", "0"), {"{\"k\":\"-0\"}", "{\"k\":\"-3\"}"}, {"{\"k\":\"0.1\"}"}},
        {LEAF("lte", "x"), {NULL}, {"{\"k\":\"0\"}", "{\"k\":\"x\"}"}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t j = 0; j < 4 && cases[i].holds[j] != NULL; j++) {
            if (!matches(cases[i].tf, cases[i].holds[j])) {
                fail_msg("%s should hold for %s", cases[i].tf, cases[i].holds[j]);
            }
        }
        for (size_t j = 0; j < 5 && cases[i].fails[j] != NULL; j++) {
            if (matches(cases[i].tf, cases[i].fails[j])) {
                fail_msg("%s should not hold for %s", cases[i].tf, cases[i].fails[j]);
            }
        }
    }
}

static void test_trees(void **state)
{
    (void)state;
    const char *both =
        "{\"op\":\"and\",\"nodes\":[" LEAF("eq", "a") ",{\"key\":\"n\",\"cmp\":\"gt\","
                                                      "\"val\":\"5\"}]}";
    assert_true(matches(both, "{\"k\":\"a\",\"n\":\"6\"}"));
    assert_false(matches(both, "{\"k\":\"a\",\"n\":\"5\"}"));
    assert_false(matches(both, "{\"n\":\"6\"}"));
    const char *either = "{\"op\":\"or\",\"nodes\":[" LEAF("eq", "a") "," LEAF("eq", "b") "]}";
    assert_true(matches(either, "{\"k\":\"b\"}"));
    assert_false(matches(either, "{\"k\":\"c\"}"));
    const char *neither =
        "{\"op\":\"not\",\"nodes\":[{\"op\":\"or\",\"nodes\":[" LEAF("eq", "a") "]}]}";
    assert_false(matches(neither, "{\"k\":\"a\"}"));
    assert_true(matches(neither, ""));
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"key\":\"k\"}",
        "{\"key\":\"k\",\"cmp\":\"EQ\",\"val\":\"a\"}",
        "{\"cmp\":\"eq\",\"val\":\"a\"}",
        "{\"key\":\"k\",\"cmp\":\"eq\"}",
        "{\"key\":\"k\",\"cmp\":\"eq\",\"val\":\"a\",\"vals\":[\"b\"]}",
        "{\"key\":\"k\",\"cmp\":\"in\"}",
        "{\"key\":\"k\",\"cmp\":\"nin\",\"val\":\"a\",\"vals\":[\"b\"]}",
        "{\"key\":\"k\",\"cmp\":\"ex\",\"val\":\"a\"}",
        "{\"key\":\"k\",\"cmp\":\"nex\",\"vals\":[\"a\"]}",
        "{\"op\":\"xor\",\"nodes\":[" LEAF("eq", "a") "]}",
        "{\"op\":\"and\"}",
        "{\"op\":\"or\",\"nodes\":[]}",
        "{\"op\":\"not\"}",
        "{\"op\":\"not\",\"nodes\":[" LEAF("eq", "a") "," LEAF("eq", "a") "]}",
        "{\"op\":\"and\",\"nodes\":[" LEAF("eq", "a") ",{}]}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        (void)refused(texts[i]);
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct hf_tags_filter_limits tight = {.bytes_max = 8192, .depth_max = 2};
    const char *reason = NULL;
    const char *tf = "{\"op\":\"not\",\"nodes\":[" LEAF("eq", "a") "]}";
    struct hf_tags_filter *filter = make(tf, &tight, &reason);

    assert_non_null(filter);
    hf_tags_filter_free(filter);
    tight.depth_max = 1;
    assert_null(make(tf, &tight, &reason));
    assert_non_null(strstr(reason, "holdfast.tags_filter_max_depth"));
    tight = (struct hf_tags_filter_limits){.bytes_max = 64, .depth_max = 8};
    assert_null(make(tf, &tight, &reason));
    assert_non_null(strstr(reason, "holdfast.tags_filter_max_bytes"));
}

static void test_no_room_for_tags(void **state)
{
    (void)state;
    struct hf_arena arena;
    struct hf_tags tags;

    hf_arena_init(&arena, 8);
    assert_false(hf_tags_read(hf_slice_of("{\"k\":\"a\"}"), &arena, &tags));
    assert_true(hf_tags_read(hf_slice_of("[1]"), &arena, &tags));
    assert_int_equal(tags.count, 0);
    hf_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"tags filter: every comparison -> holds and fails where it should", test_comparisons, NULL,
         NULL, NULL},
        {"tags filter: and, or, not -> combine", test_trees, NULL, NULL, NULL},
        {"tags filter: not well-formed -> refused with a reason", test_malformed, NULL, NULL, NULL},
        {"tags filter: too deep or too large -> refused, naming the option", test_limits, NULL,
         NULL, NULL},
        {"tags filter: no memory for the tags -> said", test_no_room_for_tags, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
