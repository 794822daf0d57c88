#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <holdfast/error.h>

#include "redis/reply.h"

static const struct hf_reply *next(struct hf_reply_reader *reader)
{
    const char *error;
    const struct hf_reply *reply = hf_reply_reader_next(reader, &error);
    assert_null(error);
    return reply;
}

static void replies_arriving_byte_by_byte_are_read_whole(void **state)
{
    (void)state;
    static const char input[] =
        "+OK\r\n:-12\r\n$-1\r\n*3\r\n$3\r\na\0b\r\n*0\r\n*2\r\n:1\r\n-ERR x\r\n";
    struct hf_reply_reader *reader = hf_reply_reader_new();
    const struct hf_reply *reply = NULL;
    int count = 0;
    for (size_t i = 0; i < sizeof input - 1; i++) {
        assert_true(hf_reply_reader_feed(reader, input + i, 1));
        while ((reply = next(reader)) != NULL) {
            switch (count++) {
            case 0:
                assert_true(hf_reply_is_text(reply, "OK"));
                break;
            case 1:
                assert_int_equal(reply->type, HF_REPLY_NUMBER);
                assert_int_equal(reply->number, -12);
                break;
            case 2:
                assert_int_equal(reply->type, HF_REPLY_NIL);
                break;
            default:
                assert_int_equal(reply->type, HF_REPLY_ARRAY);
                assert_int_equal(reply->len, 3);
                assert_int_equal(reply->items[0]->len, 3);
                assert_memory_equal(reply->items[0]->text, "a\0b", 4);
                assert_int_equal(reply->items[1]->len, 0);
                assert_int_equal(reply->items[2]->items[0]->number, 1);
                assert_true(hf_reply_is_error(reply->items[2]->items[1], "ERR"));
                assert_int_equal(i, sizeof input - 2);
            }
        }
    }
    assert_int_equal(count, 4);
    hf_reply_reader_free(reader);
}

static void arena_returns_to_its_size_after_a_large_reply(void **state)
{
    (void)state;
    struct hf_reply_reader *reader = hf_reply_reader_new();
    size_t len = 1024 * 1024;
    char *large = malloc(len), head[32];
    memset(large, 'x', len);
    for (int round = 0; round < 3; round++) {
        snprintf(head, sizeof head, "$%zu\r\n", len);
        hf_reply_reader_feed(reader, head, strlen(head));
        assert_null(next(reader));
        hf_reply_reader_feed(reader, large, len);
        hf_reply_reader_feed(reader, "\r\n", 2);
        assert_int_equal(next(reader)->len, len);
        assert_true(hf_reply_reader_arena_size(reader) > len);
        for (int i = 0; i < 10000; i++) {
            hf_reply_reader_feed(reader, ":1\r\n", 4);
            assert_int_equal(next(reader)->number, 1);
        }
        assert_true(hf_reply_reader_arena_size(reader) <= 64 * 1024);
    }
    free(large);
    hf_reply_reader_free(reader);
}

static void what_is_no_reply_is_an_error(void **state)
{
    (void)state;
    struct hf_reply_reader *reader = hf_reply_reader_new();
    const char *error;
    hf_reply_reader_feed(reader, "HTTP/1.1 400\r\n", 14);
    assert_null(hf_reply_reader_next(reader, &error));
    assert_non_null(error);
    hf_reply_reader_free(reader);
}

static void an_array_longer_than_any_is_an_error_before_memory_is_taken(void **state)
{
    (void)state;
    static const char *const inputs[] = {"*16777217\r\n", "*777777777\r\n", "*1\r\n*777777777\r\n"};
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        struct hf_reply_reader *reader = hf_reply_reader_new();
        const char *error;
        assert_true(hf_reply_reader_feed(reader, inputs[i], strlen(inputs[i])));
        assert_null(hf_reply_reader_next(reader, &error));
        assert_non_null(error);
        assert_true(hf_reply_reader_arena_size(reader) < 1 << 20);
        hf_reply_reader_free(reader);
    }
}

static struct hf_reply error_of(const char *text)
{
    return (struct hf_reply){.type = HF_REPLY_ERROR, .text = text, .len = strlen(text)};
}

static void errors_are_mapped_by_their_first_word(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
        bool is_refusal;
    } cases[] = {
        {"LOADING Redis is loading the dataset in memory", HF_EUNAVAILABLE, true},
        {"READONLY You can't write against a read only replica.", HF_EUNAVAILABLE, true},
        {"MASTERDOWN Link with MASTER is down", HF_EUNAVAILABLE, true},
        {"BUSY Redis is busy running a script.", HF_EUNAVAILABLE, true},
        {"BUSYGROUP name", HF_ESTORE, false},
        {"OOM command not allowed when used memory > 'maxmemory'.", HF_ESTORE, true},
        {"WRONGTYPE Operation against a key", HF_ESTORE, false},
        {"NOPERM this user has no permissions", HF_ESTORE, true},
        {"ERR The user executing the script can't run this command", HF_ESTORE, true},
        {"HFMIDWAY NOPERM x", HF_EUNKNOWN, false},
        {"ERR user_script:3: attempt to index nil", HF_EUNKNOWN, false},
        {"ERR Error running script", HF_EUNKNOWN, false},
        {"ERR syntax error", HF_ESTORE, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hf_reply error = error_of(cases[i].text);
        assert_int_equal(hf_reply_error_code(&error), cases[i].code);
        assert_int_equal(hf_reply_is_refusal(&error), cases[i].is_refusal);
    }
}

static void error_text_hides_arguments_and_unprintable_bytes(void **state)
{
    (void)state;
    char text[32];
    struct hf_reply error =
        error_of("ERR unknown command 'AUTH', with args beginning with: 's3cret' ");
    hf_reply_error_text(&error, text, sizeof text);
    assert_string_equal(text, "ERR unknown command 'AUTH'");
    error = error_of("ERR a\x01\xff\n and more than fits into thirty-two bytes");
    hf_reply_error_text(&error, text, sizeof text);
    assert_int_equal(strlen(text), 31);
    assert_memory_equal(text, "ERR a??? and", 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_arriving_byte_by_byte_are_read_whole),
        cmocka_unit_test(arena_returns_to_its_size_after_a_large_reply),
        cmocka_unit_test(what_is_no_reply_is_an_error),
        cmocka_unit_test(an_array_longer_than_any_is_an_error_before_memory_is_taken),
        cmocka_unit_test(errors_are_mapped_by_their_first_word),
        cmocka_unit_test(error_text_hides_arguments_and_unprintable_bytes),
    };
    return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
