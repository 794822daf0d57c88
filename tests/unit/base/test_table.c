/* The hash table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "table.h"

struct thing {
    int number;
    struct hf_table_node node;
    bool was_seen;
    char name[16];
};

static const struct hf_hash_key key = {{11, 22}};
static struct hf_table table;
static struct thing things[10000];

static int set_up(void **state)
{
    (void)state;
    memset(things, 0, sizeof things);
    hf_table_init(&table, &key, HF_TABLE_NAME_AT(struct thing, node, name));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hf_table_clear(&table);
    return 0;
}

static size_t name_of(int number, char name[16])
{
    return (size_t)snprintf(name, 16, "thing %d", number);
}

static void add(int number)
{
    struct thing *thing = &things[number];
    thing->number = number;
    assert_true(hf_table_add(&table, &thing->node, name_of(number, thing->name)));
}

static const struct thing *find(int number)
{
    char name[16];
    size_t len = name_of(number, name);
    struct hf_table_node *node = hf_table_find(&table, name, len);
    return node != NULL ? HF_TABLE_ITEM(node, struct thing, node) : NULL;
}

static void an_empty_table_has_nothing_and_no_memory(void **state)
{
    struct hf_table_walk walk = {0};
    (void)state;
    assert_null(find(1));
    assert_null(hf_table_next(&table, &walk));
    assert_null(table.buckets);
}

static void what_was_added_is_found_by_its_name_and_nothing_else(void **state)
{
    (void)state;
    for (int i = 0; i < 10000; i++) {
        add(i);
    }
    assert_int_equal(table.count, 10000);
    for (int i = 0; i < 10000; i++) {
        assert_ptr_equal(find(i), &things[i]);
    }
    assert_null(find(10000));
    assert_null(hf_table_find(&table, "thing", 5));
    assert_null(hf_table_find(&table, "thing 12 ", 9));
}

static void the_empty_name_is_one_like_others(void **state)
{
    (void)state;
    assert_null(hf_table_find(&table, NULL, 0));
    assert_true(hf_table_add(&table, &things[0].node, 0));
    add(1);
    assert_ptr_equal(hf_table_find(&table, NULL, 0), &things[0].node);
}

static void what_was_removed_is_not_found(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        add(i);
    }
    for (int i = 0; i < 1000; i += 2) {
        hf_table_remove(&table, &things[i].node);
    }
    assert_int_equal(table.count, 500);
    for (int i = 0; i < 1000; i++) {
        assert_ptr_equal(find(i), i % 2 == 0 ? NULL : &things[i]);
    }
    add(0);
    assert_ptr_equal(find(0), &things[0]);
}

static void after_shrinking_the_buckets_fit_what_is_left(void **state)
{
    (void)state;
    for (int i = 0; i < 10000; i++) {
        add(i);
    }
    assert_in_range(table.bucket_count, 10000, 20000);
    for (int i = 0; i < 9990; i++) {
        hf_table_remove(&table, &things[i].node);
    }
    hf_table_shrink(&table);
    assert_in_range(table.bucket_count, 10, 80);
    for (int i = 0; i < 10000; i++) {
        assert_ptr_equal(find(i), i < 9990 ? NULL : &things[i]);
    }
    for (int i = 9990; i < 10000; i++) {
        hf_table_remove(&table, &things[i].node);
    }
    hf_table_shrink(&table);
    assert_null(table.buckets);
    add(7);
    assert_ptr_equal(find(7), &things[7]);
}

static void a_walk_sees_everything_once_though_it_removes_what_it_sees(void **state)
{
    struct hf_table_walk walk = {0};
    struct hf_table_node *node;
    int seen = 0;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        add(i);
    }
    while ((node = hf_table_next(&table, &walk)) != NULL) {
        struct thing *thing = HF_TABLE_ITEM(node, struct thing, node);
        assert_false(thing->was_seen);
        thing->was_seen = true;
        seen++;
        if (thing->number % 3 != 0) {
            hf_table_remove(&table, node);
        }
    }
    assert_int_equal(seen, 1000);
    assert_int_equal(table.count, 334);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_table_has_nothing_and_no_memory),
        TEST(what_was_added_is_found_by_its_name_and_nothing_else),
        TEST(the_empty_name_is_one_like_others),
        TEST(what_was_removed_is_not_found),
        TEST(after_shrinking_the_buckets_fit_what_is_left),
        TEST(a_walk_sees_everything_once_though_it_removes_what_it_sees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
