/* Several calls in one request. */
#include "session_fixture.h"

#include "api_fixture.h"

#define ERROR(code, message) "{\"error\":{\"code\":" code ",\"message\":\"" message "\"}}"

static struct hf_routes routes;

static int setup(void **state)
{
    fixture_setup(state);
    return hf_api_add_routes(((struct fixture *)*state)->config, &routes);
}

static int teardown(void **state)
{
    hf_routes_fini(&routes);
    return fixture_teardown(state);
}

static void call(struct fixture *fixture, const char *path, const char *body)
{
    struct fake_http *http = http_new(fixture, "POST", path, body);

    http->headers[0] = "X-API-Key";
    http->headers[1] = "secret";
    handle(&routes, http);
}

#define BAD       ERROR("107", "bad request")
#define NOT_FOUND ERROR("104", "not found")
#define UNKNOWN   ERROR("102", "unknown channel")
#define FAILED    ERROR("100", "internal server error")

#define PUBLISH(channel) "{\"publish\":{\"channel\":\"" channel "\",\"data\":1}}"

static const struct hf_position first = {.epoch = 7, .offset = 1};

/* --- batch ---------------------------------------------------------------------------------- */

static void commands_run_one_after_the_other_and_are_answered_in_order(void **state)
{
    call(*state, "/api/batch",
         "{\"commands\":[" PUBLISH("chat:a") "," PUBLISH(
             "none:a") ",{\"history\":{\"channel\":\"chat:a\"}}," PUBLISH("plain:a") "]}");
    assert_int_equal(fake_engine.request_count, 1); /* the second waits for the first */
    complete_publish(0, HF_OK, first);
    assert_int_equal(fake_engine.request_count, 2);
    complete_history(1, HF_OK, first, NULL);
    assert_int_equal(answer.status, 0);
    complete_publish(2, HF_EUNAVAILABLE, (struct hf_position){0});
    expect_answer(200,
                  "{\"replies\":[{\"publish\":{\"offset\":1,\"epoch\":\"7\"}}," UNKNOWN
                  ",{\"history\":{\"publications\":[],\"epoch\":\"7\",\"offset\":1}}," FAILED "]}");
}

static void parallel_commands_run_at_once(void **state)
{
    call(*state, "/api/batch",
         "{\"parallel\":true,\"commands\":[" PUBLISH("chat:a") "," PUBLISH("chat:b") "]}");
    assert_int_equal(fake_engine.request_count, 2);
    complete_publish(1, HF_OK, (struct hf_position){7, 2});
    assert_int_equal(answer.status, 0);
    complete_publish(0, HF_OK, first);
    expect_answer(200, "{\"replies\":[{\"publish\":{\"offset\":1,\"epoch\":\"7\"}},"
                       "{\"publish\":{\"offset\":2,\"epoch\":\"7\"}}]}");
}

static void commands_that_wait_for_nothing_are_answered_at_once(void **state)
{
    call(*state, "/api/batch",
         "{\"commands\":[null,{},{\"map_publish\":{}},{\"rpc\":{\"method\":\"x\"}},"
         "{\"publish\":null,\"info\":{}},{\"info\":{},\"rpc\":{}}]}");
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body, "{\"replies\":[" BAD "," NOT_FOUND "," NOT_FOUND
                                        "," NOT_FOUND ",{\"info\":{\"nodes\":["));
    /* of several methods in a command the first in the peer's order counts */
    assert_non_null(strstr(answer.body, "]}},{\"info\":{\"nodes\":["));
    call(*state, "/api/batch", "{}");
    expect_answer(200, "{\"replies\":[]}");
}

static void malformed_batch_does_nothing(void **state)
{
    static const char *const bodies[] = {
        "",
        "[]",
        "{\"commands\":{}}",
        "{\"commands\":[1]}",
        "{\"commands\":[" PUBLISH("chat:a") ",{\"history\":{\"channel\":5}}]}",
        "{\"commands\":[" PUBLISH("chat:a") "]",
        "{\"commands\":[" PUBLISH("chat:a") "],\"parallel\":1}",
    };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        call(*state, "/api/batch", bodies[i]);
        expect_answer(400, "Bad Request");
    }
    assert_int_equal(fake_engine.request_count, 0);
}

static void more_commands_than_allowed_are_a_bad_request(void **state)
{
    struct fixture *fixture = *state;

    fixture->config->holdfast.batch_commands_max = 2;
    call(fixture, "/api/batch", "{\"commands\":[{},{},{}]}");
    expect_answer(200, BAD);
    call(fixture, "/api", "{\"method\":\"rpc\"}\n{\"method\":\"rpc\"}\n{\"method\":\"rpc\"}");
    expect_answer(200, BAD);
    call(fixture, "/api/batch", "{\"commands\":[{},{}]}");
    expect_answer(200, "{\"replies\":[" NOT_FOUND "," NOT_FOUND "]}");
}

/* --- the single route ----------------------------------------------------------------------- */

static void lines_are_answered_by_lines(void **state)
{
    call(*state, "/api",
         "{\"id\":1,\"method\":\"publish\",\"params\":{\"channel\":\"chat:a\",\"data\":1}}\n"
         "{\"method\":\"PRESENCE_STATS\",\"params\":{\"channel\":\"room:a\"}}"
         "{\"id\":3,\"method\":10,\"params\":{\"method\":\"x\"}}\n");
    complete_publish(0, HF_OK, first);
    complete_presence_stats(1, HF_OK, 2, 1);
    expect_answer(200, "{\"id\":1,\"result\":{\"offset\":1,\"epoch\":\"7\"}}\n"
                       "{\"result\":{\"num_clients\":2,\"num_users\":1}}\n"
                       "{\"id\":3,\"error\":{\"code\":104,\"message\":\"not found\"}}");
}

static void command_without_a_method_publishes(void **state)
{
    call(*state, "/api", "{\"params\":{\"channel\":\"plain:a\",\"data\":1}}");
    assert_string_equal(request_at(0, FAKE_PUBLISH)->channel, "plain:a");
    complete_publish(0, HF_OK, (struct hf_position){0});
    expect_answer(200, "{\"result\":{}}");
}

static void bad_parameters_are_the_commands_own_error(void **state)
{
    call(*state, "/api",
         "{\"id\":1,\"method\":\"publish\",\"params\":{\"channel\":5}}\n"
         "{\"id\":2,\"method\":\"info\"}\n"
         "{\"id\":3,\"method\":99,\"params\":{}}");
    expect_answer(200, "{\"id\":1,\"error\":{\"code\":107,\"message\":\"bad request\"}}\n"
                       "{\"id\":2,\"error\":{\"code\":107,\"message\":\"bad request\"}}\n"
                       "{\"id\":3,\"error\":{\"code\":104,\"message\":\"not found\"}}");
}

static void malformed_lines_do_nothing(void **state)
{
    static const char *const bodies[] = {
        "",
        " \n",
        "{",
        "{\"method\":\"unknown\"}",
        "{\"method\":\"\"}",
        "{\"id\":-1}",
        "{\"method\":\"publish\",\"params\":{\"channel\":\"chat:a\",\"data\":1}}\nx"};

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        call(*state, "/api", bodies[i]);
        expect_answer(400, "Bad Request");
    }
    assert_int_equal(fake_engine.request_count, 0);
}

static void many_commands_need_no_deep_stack(void **state)
{
    struct hf_buffer body;

    hf_buffer_init(&body, 0);
    for (int i = 0; i < 10000; i++) {
        HF_BUFFER_APPEND_LITERAL(&body, "{\"method\":\"rpc\",\"params\":{}}\n");
    }
    hf_buffer_append_char(&body, '\0');
    call(*state, "/api", body.data);
    assert_int_equal(answer.status, 200);
    assert_int_equal(strlen(answer.body), 10000 * (sizeof(BAD) - 1) + 9999);
    hf_buffer_fini(&body);
    free(answer.body);
    answer.body = NULL;
}

static void both_routes_need_the_key(void **state)
{
    handle(&routes, http_new(*state, "POST", "/api/batch", "{}"));
    expect_answer(401, "");
    handle(&routes, http_new(*state, "POST", "/api", "{}"));
    expect_answer(401, "");
    handle(&routes, http_new(*state, "GET", "/api", ""));
    expect_answer(405, "");
}

#define WITH_ROUTES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ROUTES(commands_run_one_after_the_other_and_are_answered_in_order),
        WITH_ROUTES(parallel_commands_run_at_once),
        WITH_ROUTES(commands_that_wait_for_nothing_are_answered_at_once),
        WITH_ROUTES(malformed_batch_does_nothing),
        WITH_ROUTES(more_commands_than_allowed_are_a_bad_request),
        WITH_ROUTES(lines_are_answered_by_lines),
        WITH_ROUTES(command_without_a_method_publishes),
        WITH_ROUTES(bad_parameters_are_the_commands_own_error),
        WITH_ROUTES(malformed_lines_do_nothing),
        WITH_ROUTES(many_commands_need_no_deep_stack),
        WITH_ROUTES(both_routes_need_the_key),
    };

    return cmocka_run_group_tests_name("api_list", tests, NULL, NULL);
}
