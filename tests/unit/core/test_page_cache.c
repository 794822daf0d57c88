/* The cache of pages that were cut from tails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/page_cache.h"

static struct hf_page_cache cache;
static char owners[100000]; /* their addresses are what counts */

static int tear_down(void **state)
{
    (void)state;
    hf_page_cache_clear(&cache);
    assert_int_equal(cache.count, 0);
    return 0;
}

static struct hf_page *new_page(void)
{
    const struct hf_publication_fields fields = {0};
    struct hf_publication *publication = hf_publication_new((struct hf_position){1, 1}, &fields);
    assert_non_null(publication);
    struct hf_page *page = hf_page_new(&publication, 1);
    assert_non_null(page);
    hf_publication_unref(publication);
    return page;
}

/* Keeps a new page, without a reference of the test's own. */
static const struct hf_page *keep(const void *owner, uint64_t after, uint32_t limit)
{
    struct hf_page *page = new_page();
    hf_page_cache_keep(&cache, owner, after, limit, page);
    hf_page_unref(page);
    return page;
}

static const struct hf_page *find(const void *owner, uint64_t after, uint32_t limit)
{
    struct hf_page *page = hf_page_cache_find(&cache, owner, after, limit);
    hf_page_unref(page);
    return page;
}

static void the_same_question_of_the_same_owner_gets_the_page(void **state)
{
    (void)state;
    assert_null(find(&owners[0], 5, 10));
    const struct hf_page *page = keep(&owners[0], 5, 10);
    assert_ptr_equal(find(&owners[0], 5, 10), page);
    assert_ptr_equal(find(&owners[0], 5, 10), page);
    assert_null(find(&owners[0], 6, 10));
    assert_null(find(&owners[0], 5, 9));
    assert_null(find(&owners[1], 5, 10));
}

static void the_newest_question_of_an_owner_wins(void **state)
{
    (void)state;
    keep(&owners[0], 5, 10);
    const struct hf_page *page = keep(&owners[0], 6, 10);
    assert_null(find(&owners[0], 5, 10));
    assert_ptr_equal(find(&owners[0], 6, 10), page);
}

static void a_forgotten_owner_has_no_page_and_others_keep_theirs(void **state)
{
    (void)state;
    const struct hf_page *page = NULL;
    const void *other = NULL;
    keep(&owners[0], 5, 10);
    for (size_t i = 1; page == NULL; i++) { /* the first that has another slot */
        other = &owners[i];
        page = keep(other, 5, 10);
        if (find(&owners[0], 5, 10) == NULL) {
            keep(&owners[0], 5, 10);
            page = NULL;
        }
    }
    hf_page_cache_forget(&cache, &owners[0]);
    hf_page_cache_forget(&cache, &owners[0]);
    assert_null(find(&owners[0], 5, 10));
    assert_ptr_equal(find(other, 5, 10), page);
}

static void many_owners_take_no_more_than_the_slots(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof owners; i++) {
        const struct hf_page *page = keep(&owners[i], 1, 1);
        assert_ptr_equal(find(&owners[i], 1, 1), page);
    }
    assert_in_range(cache.count, HF_PAGE_CACHE_SLOTS / 2, HF_PAGE_CACHE_SLOTS);
}

static void a_page_that_was_found_lives_on_when_the_cache_is_cleared(void **state)
{
    (void)state;
    keep(&owners[0], 5, 10);
    struct hf_page *page = hf_page_cache_find(&cache, &owners[0], 5, 10);
    hf_page_cache_clear(&cache);
    assert_null(find(&owners[0], 5, 10));
    assert_int_equal(page->count, 1);
    hf_page_unref(page);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_same_question_of_the_same_owner_gets_the_page),
        TEST(the_newest_question_of_an_owner_wins),
        TEST(a_forgotten_owner_has_no_page_and_others_keep_theirs),
        TEST(many_owners_take_no_more_than_the_slots),
        TEST(a_page_that_was_found_lives_on_when_the_cache_is_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
