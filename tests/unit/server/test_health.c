#include "session_fixture.h"

#include "api_fixture.h"

#include "api/health.h"

static struct hf_routes routes;

static int setup(void **state)
{
    fixture_setup(state);
    memset(&routes, 0, sizeof(routes));
    assert_int_equal(hf_health_add_routes(((struct fixture *)*state)->config, &routes), HF_OK);
    return 0;
}

static int teardown(void **state)
{
    hf_routes_fini(&routes);
    return fixture_teardown(state);
}

static void ask(struct fixture *fixture, const char *method, const char *path)
{
    handle(&routes, http_new(fixture, method, path, ""));
}

static void set_store(bool is_ready, const char *reason)
{
    fake_engine.status.is_ready = is_ready;
    fake_engine.status.is_connected = is_ready;
    fake_engine.status.not_ready_ms = is_ready ? 0 : 1200;
    (void)snprintf(fake_engine.status.reason, sizeof(fake_engine.status.reason), "%s", reason);
}

#define OK_BODY                                                                                    \
    "{\"status\":\"ok\",\"draining\":false,\"store\":{\"ready\":true,\"connected\":true}}"

static void healthy_node_is_ok_and_ready(void **state)
{
    set_store(true, "");
    ask(*state, "GET", "/health");
    assert_string_equal(answer.type, "application/json");
    expect_answer(200, OK_BODY);
    ask(*state, "GET", "/health/ready");
    expect_answer(200, OK_BODY);
    ask(*state, "HEAD", "/health");
    assert_int_equal(answer.status, 200);
    expect_answer(200, OK_BODY); /* http.c leaves the body out */
}

static void node_without_its_store_lives_but_is_not_ready(void **state)
{
    static const char body[] = "{\"status\":\"degraded\",\"draining\":false,\"store\":{"
                               "\"ready\":false,\"connected\":false,\"not_ready_ms\":1200,"
                               "\"reason\":\"\\\"redis\\\" refused\"}}";

    set_store(false, "\"redis\" refused");
    ask(*state, "GET", "/health");
    expect_answer(200, body);
    ask(*state, "GET", "/health/ready");
    expect_answer(503, body);
}

static void draining_node_lives_but_is_not_ready(void **state)
{
    static const char body[] = "{\"status\":\"degraded\",\"draining\":true,\"store\":{"
                               "\"ready\":true,\"connected\":true}}";

    set_store(true, "");
    fake_node.is_draining = true;
    ask(*state, "GET", "/health");
    expect_answer(200, body);
    ask(*state, "GET", "/health/ready");
    expect_answer(503, body);
}

static void other_verbs_are_405(void **state)
{
    ask(*state, "POST", "/health");
    assert_string_equal(answer.headers, "Allow: GET, HEAD\r\n");
    expect_answer(405, "");
}

static void disabled_health_has_no_routes(void **state)
{
    struct fixture *fixture = *state;
    struct hf_routes none = {0};

    assert_int_equal(routes.count, 2);
    fixture->config->health.enabled = false;
    assert_int_equal(hf_health_add_routes(fixture->config, &none), HF_OK);
    assert_int_equal(none.count, 0);
}

static void full_table_is_an_error(void **state)
{
    struct hf_routes table = {0};

    (void)state;
    for (int i = 0; i < HF_ROUTES_MAX; i++) {
        assert_int_equal(hf_routes_add(&table, "/a", "/b", NULL), HF_OK);
    }
    assert_int_equal(hf_routes_add(&table, "/a", "/b", NULL), HF_ELIMIT);
    assert_string_equal(table.items[0].path, "/a/b");
    hf_routes_fini(&table);
    assert_int_equal(table.count, 0);
}

#define WITH_ROUTES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ROUTES(healthy_node_is_ok_and_ready),
        WITH_ROUTES(node_without_its_store_lives_but_is_not_ready),
        WITH_ROUTES(draining_node_lives_but_is_not_ready),
        WITH_ROUTES(other_verbs_are_405),
        WITH_ROUTES(disabled_health_has_no_routes),
        cmocka_unit_test(full_table_is_an_error),
    };

    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
