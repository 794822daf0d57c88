/* The node's count of users' connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "client/users.h"

static void limit_is_for_each_user(void **state)
{
    struct hf_users *users = hf_users_new(2);

    (void)state;
    assert_int_equal(hf_users_add(users, HF_SLICE("a")), HF_USERS_OK);
    assert_int_equal(hf_users_add(users, HF_SLICE("a")), HF_USERS_OK);
    assert_int_equal(hf_users_add(users, HF_SLICE("a")), HF_USERS_FULL);
    assert_int_equal(hf_users_add(users, HF_SLICE("ab")), HF_USERS_OK);
    hf_users_remove(users, HF_SLICE("a"));
    assert_int_equal(hf_users_add(users, HF_SLICE("a")), HF_USERS_OK);
    hf_users_remove(users, HF_SLICE("a"));
    hf_users_remove(users, HF_SLICE("a"));
    hf_users_remove(users, HF_SLICE("ab"));
    hf_users_free(users);
}

static void users_and_connections_are_counted_with_and_without_a_limit(void **state)
{
    (void)state;
    for (uint32_t limit = 0; limit <= 3; limit += 3) {
        struct hf_users *users = hf_users_new(limit);
        uint64_t count;
        uint64_t connections;

        for (int i = 0; i < 3; i++) {
            assert_int_equal(hf_users_add(users, HF_SLICE("a")), HF_USERS_OK);
        }
        assert_int_equal(hf_users_add(users, HF_SLICE("b")), HF_USERS_OK);
        hf_users_count(users, &count, &connections);
        assert_int_equal(count, 2);
        assert_int_equal(connections, 4);
        hf_users_remove(users, HF_SLICE("b"));
        hf_users_count(users, &count, &connections);
        assert_int_equal(count, 1);
        assert_int_equal(connections, 3);
        for (int i = 0; i < 3; i++) {
            hf_users_remove(users, HF_SLICE("a"));
        }
        hf_users_free(users);
    }
}

static void *come_and_go(void *context)
{
    for (int i = 0; i < 2000; i++) {
        if (hf_users_add(context, HF_SLICE("a")) == HF_USERS_OK) {
            hf_users_remove(context, HF_SLICE("a"));
        }
    }
    return NULL;
}

static void threads_share_the_count(void **state)
{
    struct hf_users *users = hf_users_new(1);
    pthread_t threads[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, users), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(hf_users_add(users, HF_SLICE("a")), HF_USERS_OK);
    assert_int_equal(hf_users_add(users, HF_SLICE("a")), HF_USERS_FULL);
    hf_users_remove(users, HF_SLICE("a"));
    hf_users_free(users); /* asserts that nobody is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limit_is_for_each_user),
        cmocka_unit_test(users_and_connections_are_counted_with_and_without_a_limit),
        cmocka_unit_test(threads_share_the_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
