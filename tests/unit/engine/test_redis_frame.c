#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <holdfast/error.h>

#include "redis/frame.h"

static struct hf_bytes bytes(const char *text)
{
    return (struct hf_bytes){text, strlen(text)};
}

static void assert_bytes(struct hf_bytes actual, const char *expected)
{
    assert_int_equal(actual.len, strlen(expected));
    assert_memory_equal(actual.data != NULL ? actual.data : "", expected, actual.len);
}

/* A frame in memory of exactly its size, so that reading past it is seen. The fields point into it
 * until the next call. */
static int parse(const char *text, size_t len, struct hf_position *position,
                 struct hf_publication_fields *fields, size_t *used)
{
    static char *copy;
    free(copy);
    copy = malloc(len > 0 ? len : 1);
    memcpy(copy, text, len);
    const char *cursor = copy;
    int rc = hf_frame_parse(&cursor, copy + len, position, fields);
    *used = (size_t)(cursor - copy);
    return rc;
}

static void head_holds_only_what_is_present(void **state)
{
    (void)state;
    char head[HF_FRAME_HEAD_SIZE];
    struct hf_publication_fields fields = {.data = bytes("hello")};
    assert_int_equal(hf_frame_head(&fields, head), 3);
    assert_string_equal(head, " 5\n");
    fields.info = bytes("{}");
    fields.tags = bytes("abcdefghijkl");
    fields.version = 7;
    fields.delta = true;
    hf_frame_head(&fields, head);
    assert_string_equal(head, " 5 i2 t12 v7 d\n");
    fields.version_epoch = (struct hf_bytes){"ab", 2};
    hf_frame_head(&fields, head);
    assert_string_equal(head, " 5 i2 t12 v7 e2 d\n");
    fields = (struct hf_publication_fields){.delta = true, .version_epoch = {"ab", 2}};
    hf_frame_head(&fields, head); /* an epoch of no version is none */
    assert_string_equal(head, " 0 d\n");
}

static void largest_head_fits(void **state)
{
    (void)state;
    char head[HF_FRAME_HEAD_SIZE];
    const struct hf_publication_fields fields = {{"", SIZE_MAX}, {"", SIZE_MAX}, {"", SIZE_MAX},
                                                 UINT64_MAX,     true,           {"", SIZE_MAX}};
    assert_true(hf_frame_head(&fields, head) < sizeof head);
}

static void frames_in_one_message_are_read_one_by_one(void **state)
{
    (void)state;
    static const char message[] =
        "1763714901000000-7 13 i14 t2 v9 e2 d\n{\"text\":\"hi\"}{\"user\":\"ann\"}"
        "[]xy0-0 0\n1763714901000000-8 1\nx";
    const char *cursor = message, *end = message + sizeof message - 1;
    struct hf_position position;
    struct hf_publication_fields fields;
    assert_int_equal(hf_frame_parse(&cursor, end, &position, &fields), HF_OK);
    assert_int_equal(position.epoch, 1763714901000000);
    assert_int_equal(position.offset, 7);
    assert_bytes(fields.data, "{\"text\":\"hi\"}");
    assert_bytes(fields.info, "{\"user\":\"ann\"}");
    assert_bytes(fields.tags, "[]");
    assert_int_equal(fields.version, 9);
    assert_bytes(fields.version_epoch, "xy");
    assert_true(fields.delta);
    assert_int_equal(hf_frame_parse(&cursor, end, &position, &fields), HF_OK);
    assert_int_equal(position.epoch, 0);
    assert_int_equal(fields.data.len, 0);
    assert_false(fields.delta);
    assert_int_equal(fields.version, 0);
    assert_int_equal(hf_frame_parse(&cursor, end, &position, &fields), HF_OK);
    assert_int_equal(position.offset, 8);
    assert_bytes(fields.data, "x");
    assert_ptr_equal(cursor, end);
}

static void message_without_a_head_is_data_to_its_end(void **state)
{
    (void)state;
    static const char message[] = "1763714901000000-7\n9-1 1\nx";
    const char *cursor = message, *end = message + sizeof message - 1;
    struct hf_position position;
    struct hf_publication_fields fields;
    assert_int_equal(hf_frame_parse(&cursor, end, &position, &fields), HF_OK);
    assert_int_equal(position.epoch, 1763714901000000);
    assert_int_equal(position.offset, 7);
    assert_bytes(fields.data, "9-1 1\nx");
    assert_ptr_equal(cursor, end);

    cursor = message;
    end = message + 19;
    assert_int_equal(hf_frame_parse(&cursor, end, &position, &fields), HF_OK);
    assert_int_equal(fields.data.len, 0);
    assert_null(fields.data.data);
    assert_ptr_equal(cursor, end);
}

static const char *const bads[] = {
    "",
    "x",
    "1",
    "1-",
    "1-1",
    "1-1 ",
    "1-1 1",
    "1-1 1\n",
    "1-1 2\na",
    "1-1  1\na",
    "1-1 01\na",
    "01-1 1\na",
    "1-01 1\na",
    "1-0 1\na",
    "0-1 1\na",
    "-1-1 1\na",
    "1-1 +1\na",
    "1-1 1 \na",
    "1-1 1 i0\na",
    "1-1 1 i\na",
    "1-1 1 x1\na",
    "1-1 1 d \na",
    "1-1 1 dd\na",
    "1-1 1 t1 i1\nabc",
    "1-1 1 d v1\na",
    "1-1 1 i1 i1\nabc",
    "1-1 1 v0\na",
    "1-1 1 i1\na",
    "1-1 18446744073709551615\na",
    "1-1 1 i18446744073709551615\na",
    "1-1 18446744073709551616\na",
    "9007199254740992-1 1\na",
    "1-18446744073709551616 1\na",
    "1-1 1\r\na",
    "1-1 1 v18446744073709551616\na",
    "removed\n",
};

static void malformed_frame_is_refused_and_nothing_consumed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        struct hf_position position;
        struct hf_publication_fields fields;
        size_t used;
        if (parse(bads[i], strlen(bads[i]), &position, &fields, &used) == HF_OK)
            fail_msg("taken: %s", bads[i]);
        assert_int_equal(used, 0);
    }
}

static void every_cut_of_a_frame_is_refused(void **state)
{
    (void)state;
    static const char whole[] = "12-34 5 i2 t3 v6 d\nhello{}abc";
    struct hf_position position;
    struct hf_publication_fields fields;
    size_t used;
    for (size_t len = 0; len < sizeof whole - 1; len++)
        assert_int_equal(parse(whole, len, &position, &fields, &used), HF_EINVAL);
    assert_int_equal(parse(whole, sizeof whole - 1, &position, &fields, &used), HF_OK);
    assert_int_equal(used, sizeof whole - 1);
}

/* Mutated frames: no read outside, and what is taken means the same when it is written again. */
static void random_frames_are_read_safely(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789-- \n\nitvdx\0\xff";
    uint64_t random = 2463534242u;
    unsigned taken = 0;
    for (int round = 0; round < 200000; round++) {
        char text[40] = "12-34 5 i2 t3 v6 d\nhello{}abcdefghij";
        size_t len = 1 + random % sizeof text;
        for (unsigned changes = 0; changes < 1 + (unsigned)round % 4; changes++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            text[(random >> 20) % len] = alphabet[(random >> 40) % (sizeof alphabet - 1)];
        }
        struct hf_position position;
        struct hf_publication_fields fields;
        size_t used;
        if (parse(text, len, &position, &fields, &used) != HF_OK)
            continue;
        char again[HF_POSITION_TEXT_SIZE + HF_FRAME_HEAD_SIZE];
        size_t again_len = hf_position_format(position, again);
        if (text[again_len] == '\n') { /* no head */
            assert_int_equal(used, again_len + 1 + fields.data.len);
            continue;
        }
        again_len += hf_frame_head(&fields, again + again_len);
        assert_memory_equal(again, text, again_len);
        assert_int_equal(used, again_len + fields.data.len + fields.info.len + fields.tags.len);
        taken++;
    }
    assert_true(taken > 1000);
}

static void position_text_is_read_strictly(void **state)
{
    (void)state;
    struct hf_position position;
    char text[HF_POSITION_TEXT_SIZE];
    const struct hf_position largest = {HF_EPOCH_MAX, UINT64_MAX};
    size_t len = hf_position_format(largest, text);
    assert_string_equal(text, "9007199254740991-18446744073709551615");
    assert_int_equal(hf_position_parse(text, len, &position), HF_OK);
    assert_true(hf_position_equal(position, largest));
    static const char *const wrong[] = {"",     "-",     "1-",    "-1", "1-1 ",
                                        " 1-1", "1-1-1", "1-1\n", "a-1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(hf_position_parse(wrong[i], strlen(wrong[i]), &position), HF_EINVAL);
    assert_int_equal(hf_position_parse("1-1\0", 4, &position), HF_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_holds_only_what_is_present),
        cmocka_unit_test(largest_head_fits),
        cmocka_unit_test(frames_in_one_message_are_read_one_by_one),
        cmocka_unit_test(message_without_a_head_is_data_to_its_end),
        cmocka_unit_test(malformed_frame_is_refused_and_nothing_consumed),
        cmocka_unit_test(every_cut_of_a_frame_is_refused),
        cmocka_unit_test(random_frames_are_read_safely),
        cmocka_unit_test(position_text_is_read_strictly),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
