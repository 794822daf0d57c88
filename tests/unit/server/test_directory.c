#include "session_fixture.h"

#include "client/directory.h"

/* A session that is only listed. */
static struct hf_session *session_of(struct fixture *fixture, const char *user)
{
    struct hf_session *session = calloc(1, sizeof(*session));

    assert_non_null(session);
    session->worker = &fixture->worker;
    if (user[0] != '\0') {
        assert_true(hf_session_identify(session, hf_slice_of(user), (struct hf_slice){0}));
    }
    return session;
}

static void session_free(struct hf_session *session)
{
    hf_session_identity_free(session);
    free(session);
}

static size_t count_of(const struct hf_directory *directory, const char *user)
{
    size_t count = 0;

    for (const struct hf_session *session = hf_directory_first(directory, hf_slice_of(user));
         session != NULL; session = hf_directory_next(session)) {
        count++;
    }
    return count;
}

static void sessions_are_found_by_user_newest_first(void **state)
{
    static const char *const users[] = {"ann", "bob", "ann", "", "annie", "", "ann"};
    enum { COUNT = sizeof(users) / sizeof(users[0]) };
    struct fixture *fixture = *state;
    struct hf_directory *directory = hf_hub_directory(fixture->worker.hub);
    struct hf_session *sessions[COUNT];

    for (size_t i = 0; i < COUNT; i++) {
        sessions[i] = session_of(fixture, users[i]);
        assert_true(hf_directory_add(directory, sessions[i]));
    }
    assert_int_equal(count_of(directory, "ann"), 3);
    assert_ptr_equal(hf_directory_first(directory, HF_SLICE("ann")), sessions[6]);
    assert_ptr_equal(hf_directory_next(sessions[6]), sessions[2]);
    assert_int_equal(count_of(directory, "bob"), 1);
    assert_int_equal(count_of(directory, ""), 2);
    assert_int_equal(count_of(directory, "an"), 0);
    hf_directory_remove(directory, sessions[2]);
    hf_directory_remove(directory, sessions[2]); /* it is not there any more */
    assert_int_equal(count_of(directory, "ann"), 2);
    for (size_t i = 0; i < COUNT; i++) {
        hf_directory_remove(directory, sessions[i]);
        session_free(sessions[i]);
    }
    assert_int_equal(count_of(directory, "ann"), 0);
}

static void many_users_come_and_go(void **state)
{
    enum { USERS = 3000 };
    struct fixture *fixture = *state;
    struct hf_directory *directory = hf_hub_directory(fixture->worker.hub);
    static struct hf_session *sessions[USERS];

    for (size_t i = 0; i < USERS; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "user%zu", i / 2);
        sessions[i] = session_of(fixture, name);
        assert_true(hf_directory_add(directory, sessions[i]));
    }
    assert_int_equal(count_of(directory, "user0"), 2);
    assert_int_equal(count_of(directory, "user1499"), 2);
    for (size_t i = 0; i < USERS; i++) { /* also while they are looked at */
        struct hf_session *session = hf_directory_first(directory, hf_session_user(sessions[i]));

        if (session != NULL) {
            struct hf_session *next = hf_directory_next(session);

            hf_directory_remove(directory, session);
            if (next != NULL) {
                hf_directory_remove(directory, next);
            }
        }
    }
    for (size_t i = 0; i < USERS; i++) {
        session_free(sessions[i]);
    }
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(sessions_are_found_by_user_newest_first),
        WITH_FIXTURE(many_users_come_and_go),
    };

    return cmocka_run_group_tests_name("directory", tests, NULL, NULL);
}
