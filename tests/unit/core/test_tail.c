#include "core/tail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const struct hf_tail_limits wide = {1000, 1 << 20};

static struct hf_publication *new_publication(uint64_t offset, size_t len)
{
    static const char letters[4096];
    const struct hf_publication_fields fields = {.data = {letters, len}};
    struct hf_publication *publication =
        hf_publication_new((struct hf_position){7, offset}, &fields);
    assert_non_null(publication);
    return publication;
}

static size_t size_of(size_t len)
{
    struct hf_publication *publication = new_publication(1, len);
    size_t size = publication->size;
    hf_publication_unref(publication);
    return size;
}

static void append(struct hf_tail *tail, uint64_t offset, size_t len,
                   const struct hf_tail_limits *limits)
{
    struct hf_publication *publication = new_publication(offset, len);
    hf_tail_append(tail, publication, limits);
    hf_publication_unref(publication);
}

static void append_all(struct hf_tail *tail, uint64_t first, uint64_t last,
                       const struct hf_tail_limits *limits)
{
    for (uint64_t offset = first; offset <= last; offset++) {
        append(tail, offset, 4, limits);
    }
}

static struct hf_page *new_page(uint64_t first, uint64_t last, size_t len)
{
    struct hf_publication *items[64] = {0};
    uint32_t count = 0;
    for (uint64_t offset = first; offset <= last; offset++) {
        items[count++] = new_publication(offset, len);
    }
    struct hf_page *page = hf_page_new(items, count);
    assert_non_null(page);
    for (uint32_t i = 0; i < count; i++) {
        hf_publication_unref(items[i]);
    }
    return page;
}

static void prepend(struct hf_tail *tail, uint64_t first, uint64_t last,
                    const struct hf_tail_limits *limits)
{
    struct hf_page *page = new_page(first, last, 4);
    hf_tail_prepend(tail, page, limits);
    hf_page_unref(page);
}

/* The tail is exactly first..last, or empty with 0, and its own books agree. */
static void assert_holds(const struct hf_tail *tail, uint64_t first, uint64_t last)
{
    uint32_t count = first > 0 ? (uint32_t)(last - first + 1) : 0;
    assert_int_equal(tail->count, count);
    assert_int_equal(hf_tail_first(tail), first);
    size_t bytes = 0;
    for (uint64_t offset = first; offset > 0 && offset <= last; offset++) {
        const struct hf_publication *publication = hf_tail_at(tail, offset);
        assert_non_null(publication);
        assert_int_equal(publication->position.offset, offset);
        bytes += publication->size;
    }
    assert_int_equal(tail->bytes, bytes);
    assert_null(hf_tail_at(tail, first > 0 ? first - 1 : 0));
    assert_null(hf_tail_at(tail, last + 1));
    assert_null(hf_tail_at(tail, UINT64_MAX));
}

static void assert_cut(const struct hf_tail *tail, uint64_t after, uint32_t limit, size_t bytes_max,
                       uint64_t last)
{
    struct hf_page *page = hf_tail_cut(tail, after, limit, bytes_max);
    assert_non_null(page);
    assert_int_equal(page->count, last - after);
    for (uint32_t i = 0; i < page->count; i++) {
        assert_ptr_equal(page->items[i], hf_tail_at(tail, after + 1 + i));
    }
    hf_page_unref(page);
}

static void an_empty_tail_holds_nothing(void **state)
{
    (void)state;
    struct hf_tail tail;
    hf_tail_init(&tail);
    assert_holds(&tail, 0, 0);
    prepend(&tail, 1, 3, &wide); /* joins nothing */
    assert_holds(&tail, 0, 0);
    hf_tail_clear(&tail);
    assert_holds(&tail, 0, 0);
}

static void appended_publications_are_found_by_their_offset(void **state)
{
    (void)state;
    struct hf_tail tail;
    hf_tail_init(&tail);
    append_all(&tail, 41, 60, &wide);
    assert_holds(&tail, 41, 60);
    hf_tail_clear(&tail);
    assert_holds(&tail, 0, 0);
    append_all(&tail, 7, 9, &wide); /* usable after clear, at any place */
    assert_holds(&tail, 7, 9);
    hf_tail_clear(&tail);
}

static void appending_above_the_count_drops_the_oldest(void **state)
{
    (void)state;
    const struct hf_tail_limits limits = {3, 1 << 20};
    struct hf_tail tail;
    hf_tail_init(&tail);
    for (uint64_t offset = 1; offset <= 50; offset++) {
        append(&tail, offset, 4, &limits);
        assert_holds(&tail, offset < 3 ? 1 : offset - 2, offset);
    }
    hf_tail_clear(&tail);
}

static void appending_above_the_bytes_drops_as_many_as_it_takes(void **state)
{
    (void)state;
    const struct hf_tail_limits limits = {1000, 4 * size_of(100)};
    struct hf_tail tail;
    hf_tail_init(&tail);
    for (uint64_t offset = 1; offset <= 6; offset++) {
        append(&tail, offset, 100, &limits);
    }
    assert_holds(&tail, 3, 6); /* exactly the limit */
    append(&tail, 7, 101, &limits);
    assert_holds(&tail, 5, 7);
    append(&tail, 8, limits.bytes_max - size_of(0), &limits);
    assert_holds(&tail, 8, 8); /* one as large as the limit itself */
    assert_int_equal(tail.bytes, limits.bytes_max);
    hf_tail_clear(&tail);
}

static void one_publication_above_the_bytes_leaves_the_tail_empty(void **state)
{
    (void)state;
    const struct hf_tail_limits limits = {1000, size_of(100)};
    struct hf_tail tail;
    hf_tail_init(&tail);
    append(&tail, 1, 100, &limits);
    append(&tail, 2, 101, &limits);
    assert_holds(&tail, 0, 0);
    append(&tail, 3, 100, &limits);
    assert_holds(&tail, 3, 3);
    append(&tail, 4, 1, &(struct hf_tail_limits){0, 1000});
    assert_holds(&tail, 0, 0);
}

static void a_page_right_before_the_tail_is_prepended(void **state)
{
    (void)state;
    struct hf_tail tail;
    hf_tail_init(&tail);
    append_all(&tail, 10, 12, &wide);
    prepend(&tail, 5, 9, &wide);
    assert_holds(&tail, 5, 12);
    prepend(&tail, 3, 7, &wide); /* overlaps */
    assert_holds(&tail, 3, 12);
    prepend(&tail, 1, 20, &wide); /* covers and goes further: what follows is not ours to add */
    assert_holds(&tail, 1, 12);
    hf_tail_clear(&tail);
}

static void a_page_that_does_not_join_changes_nothing(void **state)
{
    (void)state;
    struct hf_tail tail;
    hf_tail_init(&tail);
    append_all(&tail, 10, 12, &wide);
    prepend(&tail, 5, 8, &wide);
    assert_holds(&tail, 10, 12);
    prepend(&tail, 11, 15, &wide);
    assert_holds(&tail, 10, 12);
    hf_tail_clear(&tail);
}

static void prepending_stops_at_the_limits_and_keeps_the_newest(void **state)
{
    (void)state;
    struct hf_tail tail;
    hf_tail_init(&tail);
    append_all(&tail, 10, 12, &wide);
    const struct hf_tail_limits by_count = {5, 1 << 20};
    prepend(&tail, 1, 9, &by_count);
    assert_holds(&tail, 8, 12);
    const struct hf_tail_limits by_bytes = {1000, 6 * size_of(4)};
    prepend(&tail, 1, 7, &by_bytes);
    assert_holds(&tail, 7, 12);
    hf_tail_clear(&tail);
}

static void a_cut_starts_behind_the_position_and_keeps_its_limits(void **state)
{
    (void)state;
    struct hf_tail tail;
    hf_tail_init(&tail);
    append_all(&tail, 10, 19, &wide);
    size_t one = size_of(4);
    assert_cut(&tail, 9, 100, 1 << 20, 19);  /* everything: the position before the oldest */
    assert_cut(&tail, 18, 100, 1 << 20, 19); /* the newest only */
    assert_cut(&tail, 12, 3, 1 << 20, 15);
    assert_cut(&tail, 12, 7, 1 << 20, 19);
    assert_cut(&tail, 12, 100, 2 * one, 14);
    assert_cut(&tail, 12, 100, 3 * one - 1, 14);
    assert_cut(&tail, 12, 100, 1, 13); /* at least one */
    assert_cut(&tail, 12, UINT32_MAX, SIZE_MAX, 19);
    hf_tail_clear(&tail);
}

static void a_page_outlives_the_tail_that_it_was_cut_from(void **state)
{
    (void)state;
    struct hf_tail tail;
    hf_tail_init(&tail);
    append_all(&tail, 5, 9, &wide);
    struct hf_page *page = hf_tail_cut(&tail, 6, 10, 1000000);
    hf_tail_clear(&tail);
    assert_int_equal(page->count, 3);
    assert_int_equal(page->items[0]->position.offset, 7);
    hf_page_unref(page);
}

/* --- against a plain array -------------------------------------------------------------------- */

struct model {
    uint64_t first;
    uint32_t count;
    size_t lens[4096];
};

static size_t model_bytes(const struct model *model)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < model->count; i++) {
        bytes += size_of(model->lens[i]);
    }
    return bytes;
}

static void model_append(struct model *model, uint64_t offset, size_t len,
                         const struct hf_tail_limits *limits)
{
    if (model->count == 0) {
        model->first = offset;
    }
    model->lens[model->count++] = len;
    while (model->count > 0 &&
           (model->count > limits->publications_max || model_bytes(model) > limits->bytes_max)) {
        memmove(model->lens, model->lens + 1, (model->count - 1) * sizeof model->lens[0]);
        model->first++;
        model->count--;
    }
}

static void model_prepend(struct model *model, uint64_t last, size_t len, uint32_t count,
                          const struct hf_tail_limits *limits)
{
    for (uint64_t offset = last; count > 0; count--, offset--) {
        if (model->count == 0 || offset >= model->first) {
            continue;
        }
        if (offset + 1 != model->first || model->count >= limits->publications_max ||
            model_bytes(model) + size_of(len) > limits->bytes_max) {
            return;
        }
        memmove(model->lens + 1, model->lens, model->count * sizeof model->lens[0]);
        model->lens[0] = len;
        model->first = offset;
        model->count++;
    }
}

static uint64_t below(uint64_t *seed, uint64_t bound)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed % bound;
}

static void assert_like_model(struct hf_tail *tail, const struct model *model)
{
    assert_holds(tail, model->count > 0 ? model->first : 0,
                 model->count > 0 ? model->first + model->count - 1 : 0);
    for (uint32_t i = 0; i < model->count; i++) {
        assert_int_equal(hf_tail_at(tail, model->first + i)->fields.data.len, model->lens[i]);
    }
}

static void cut_like_model(struct hf_tail *tail, const struct model *model, uint64_t *seed)
{
    uint32_t begin = (uint32_t)below(seed, model->count);
    uint32_t limit = 1 + (uint32_t)below(seed, 8);
    size_t bytes_max = below(seed, 2000);
    uint32_t count = 0;
    size_t bytes = 0;
    while (begin + count < model->count && count < limit) {
        bytes += size_of(model->lens[begin + count]);
        if (count > 0 && bytes > bytes_max) {
            break;
        }
        count++;
    }
    uint64_t after = model->first + begin - 1;
    assert_cut(tail, after, limit, bytes_max, after + count);
    assert_cut(tail, after, limit, bytes_max, after + count);
}

static void random_use_agrees_with_an_array(void **state)
{
    (void)state;
    const char *given = getenv("HF_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2 + 1;
    print_message("HF_TEST_SEED=%llu\n", (unsigned long long)seed);
    static struct model model;
    struct hf_tail tail;
    hf_tail_init(&tail);
    uint64_t newest = 500;
    for (unsigned step = 0; step < 20000; step++) {
        const struct hf_tail_limits limits = {1 + (uint32_t)below(&seed, 40),
                                              size_of(0) + below(&seed, 6000)};
        size_t len = below(&seed, 300);
        uint64_t choice = below(&seed, 100);
        if (choice < 60) {
            newest++;
            append(&tail, newest, len, &limits);
            model_append(&model, newest, len, &limits);
        } else if (choice < 75 && model.count > 0) {
            uint32_t count = 1 + (uint32_t)below(&seed, 12);
            uint64_t last = model.first + below(&seed, 4) - 2;
            struct hf_page *page = new_page(last - count + 1, last, len);
            hf_tail_prepend(&tail, page, &limits);
            hf_page_unref(page);
            model_prepend(&model, last, len, count, &limits);
        } else if (choice < 98 && model.count > 0) {
            cut_like_model(&tail, &model, &seed);
        } else if (choice >= 99) {
            hf_tail_clear(&tail);
            model.count = 0;
            newest += below(&seed, 10); /* an empty tail may start anywhere */
        }
        assert_like_model(&tail, &model);
    }
    hf_tail_clear(&tail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_tail_holds_nothing),
        cmocka_unit_test(appended_publications_are_found_by_their_offset),
        cmocka_unit_test(appending_above_the_count_drops_the_oldest),
        cmocka_unit_test(appending_above_the_bytes_drops_as_many_as_it_takes),
        cmocka_unit_test(one_publication_above_the_bytes_leaves_the_tail_empty),
        cmocka_unit_test(a_page_right_before_the_tail_is_prepended),
        cmocka_unit_test(a_page_that_does_not_join_changes_nothing),
        cmocka_unit_test(prepending_stops_at_the_limits_and_keeps_the_newest),
        cmocka_unit_test(a_cut_starts_behind_the_position_and_keeps_its_limits),
        cmocka_unit_test(a_page_outlives_the_tail_that_it_was_cut_from),
        cmocka_unit_test(random_use_agrees_with_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
