#include "net/event_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define EPOCH UINT64_C(1795257779106063)

static struct hf_event_ids *ids;
static struct hf_event_ids *read_back;

static int set_up(void **state)
{
    (void)state;
    ids = hf_event_ids_new();
    read_back = hf_event_ids_new();
    return ids != NULL && read_back != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    hf_event_ids_free(ids);
    hf_event_ids_free(read_back);
    return 0;
}

static void set(const char *channel, uint64_t epoch, uint64_t offset)
{
    hf_event_ids_set(ids, hf_slice_of(channel), (struct hf_position){epoch, offset});
}

static void assert_has(const char *channel, uint64_t epoch, uint64_t offset)
{
    struct hf_position position;
    assert_true(hf_event_ids_find(read_back, hf_slice_of(channel), &position));
    assert_true(position.epoch == epoch);
    assert_true(position.offset == offset);
}

static void positions_of_several_channels_come_back_from_the_text(void **state)
{
    (void)state;
    char text[HF_EVENT_ID_TEXT_SIZE];
    struct hf_position position;
    set("chat:a", EPOCH, 7);
    set("chat:b", HF_EPOCH_MAX, (UINT64_C(1) << 56) - 1);
    set("chat:c", 1, 0);
    set("chat:a", EPOCH, 8); /* the newest counts */
    size_t len = hf_event_ids_format(ids, text);
    assert_int_equal(len, 81);
    assert_int_equal(strlen(text), len);
    assert_true(hf_event_ids_parse(read_back, hf_slice(text, len)));
    assert_has("chat:a", EPOCH, 8);
    assert_has("chat:b", HF_EPOCH_MAX, (UINT64_C(1) << 56) - 1);
    assert_has("chat:c", 1, 0);
    assert_false(hf_event_ids_find(read_back, hf_slice_of("chat:d"), &position));
}

static void nothing_known_gives_no_id(void **state)
{
    (void)state;
    char text[HF_EVENT_ID_TEXT_SIZE];
    assert_int_equal(hf_event_ids_format(ids, text), 0);
    assert_string_equal(text, "");
}

static void the_most_channels_fit_and_one_more_ends_ids(void **state)
{
    (void)state;
    char text[HF_EVENT_ID_TEXT_SIZE];
    char name[16];
    for (int i = 0; i < HF_EVENT_ID_CHANNELS_MAX; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        set(name, EPOCH, (uint64_t)i);
    }
    size_t len = hf_event_ids_format(ids, text);
    assert_true(len > 0 && len < HF_EVENT_ID_TEXT_SIZE);
    assert_true(hf_event_ids_parse(read_back, hf_slice(text, len)));
    assert_has("c31", EPOCH, 31);
    set("one more", EPOCH, 1);
    assert_int_equal(hf_event_ids_format(ids, text), 0);
    hf_event_ids_clear(ids);
    set("one more", EPOCH, 1);
    assert_true(hf_event_ids_format(ids, text) > 0);
}

static void a_position_that_does_not_fit_ends_ids(void **state)
{
    (void)state;
    char text[HF_EVENT_ID_TEXT_SIZE];
    set("a", HF_EPOCH_MAX + 1, 1);
    assert_int_equal(hf_event_ids_format(ids, text), 0);
    hf_event_ids_clear(ids);
    set("a", EPOCH, UINT64_C(1) << 56);
    assert_int_equal(hf_event_ids_format(ids, text), 0);
}

static void what_is_no_id_of_ours_is_refused(void **state)
{
    (void)state;
    char text[HF_EVENT_ID_TEXT_SIZE];
    set("a", EPOCH, 1);
    size_t len = hf_event_ids_format(ids, text);
    assert_true(hf_event_ids_parse(read_back, hf_slice(text, len)));
    assert_false(hf_event_ids_parse(read_back, hf_slice(text, len - 1)));
    assert_false(hf_event_ids_parse(read_back, hf_slice(text, 1)));
    assert_false(hf_event_ids_parse(read_back, hf_slice(NULL, 0)));
    text[0] = 'b'; /* another version */
    assert_false(hf_event_ids_parse(read_back, hf_slice(text, len)));
    text[0] = 'a';
    text[5] = '+';
    assert_false(hf_event_ids_parse(read_back, hf_slice(text, len)));
    text[5] = '\0';
    assert_false(hf_event_ids_parse(read_back, hf_slice(text, len)));
    char large[HF_EVENT_ID_TEXT_SIZE * 3];
    memset(large, 'a', sizeof(large));
    for (size_t n = HF_EVENT_ID_TEXT_SIZE - 4; n < sizeof(large); n++) {
        struct hf_position position;
        (void)hf_event_ids_parse(read_back, hf_slice(large, n)); /* ASan watches */
        (void)hf_event_ids_find(read_back, hf_slice_of("a"), &position);
    }
    assert_false(hf_event_ids_parse(read_back, hf_slice(large, sizeof(large))));
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(positions_of_several_channels_come_back_from_the_text),
        CASE(nothing_known_gives_no_id),
        CASE(the_most_channels_fit_and_one_more_ends_ids),
        CASE(a_position_that_does_not_fit_ends_ids),
        CASE(what_is_no_id_of_ours_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
