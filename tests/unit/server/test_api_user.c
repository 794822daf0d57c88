/* Commands on users, as calls. */
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

static void command_is_answered_when_the_store_has_it(void **state)
{
    static const char *const names[] = {"subscribe", "unsubscribe", "disconnect", "refresh"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[32];
        char expected[128];

        (void)snprintf(path, sizeof(path), "/api/%s", names[i]);
        call(*state, path, "{\"user\":\"ann\", \"channel\":\"chat:a\"}");
        (void)snprintf(expected, sizeof(expected),
                       "user\n%s\n{\"user\":\"ann\", \"channel\":\"chat:a\"}", names[i]);
        assert_string_equal(request_at(i, FAKE_BUS)->data, expected);
        assert_int_equal(answer.status, 0);
        complete_done(i, FAKE_BUS, HF_OK);
        expect_answer(200, "{\"result\":{}}");
    }
}

static void store_that_is_away_is_an_error(void **state)
{
    call(*state, "/api/disconnect", "{\"user\":\"ann\"}");
    complete_done(0, FAKE_BUS, HF_EUNAVAILABLE);
    expect_answer(200, ERROR("100", "internal server error"));
    fake_engine.refuse = HF_ELIMIT;
    call(*state, "/api/disconnect", "{\"user\":\"ann\"}");
    expect_answer(200, ERROR("100", "internal server error"));
}

static void refusals_have_their_codes(void **state)
{
    static const struct {
        const char *path, *body, *expected;
    } cases[] = {
        {"/api/subscribe", "{\"user\":\"a\"}", ERROR("107", "bad request")},
        {"/api/subscribe", "{\"user\":\"a\",\"channel\":\"none:a\"}",
         ERROR("102", "unknown channel")},
        {"/api/subscribe", "{\"channel\":\"chat:a\",\"b64data\":\"*\"}",
         ERROR("107", "bad request")},
        {"/api/unsubscribe", "{\"user\":\"a\",\"channel\":\"none:a\"}",
         ERROR("102", "unknown channel")},
        {"/api/disconnect", "{\"user\":\"a\",\"disconnect\":{\"code\":1}}",
         ERROR("107", "bad request")},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        call(*state, cases[i].path, cases[i].body);
        expect_answer(200, cases[i].expected);
    }
    call(*state, "/api/refresh", "{\"user\":5}");
    expect_answer(400, "Bad Request");
    call(*state, "/api/subscribe", "");
    expect_answer(400, "Bad Request");
    assert_int_equal(fake_engine.request_count, 0);
    call(*state, "/api/unsubscribe", "{\"user\":\"a\"}"); /* from all channels */
    complete_done(0, FAKE_BUS, HF_OK);
    expect_answer(200, "{\"result\":{}}");
}

#define WITH_ROUTES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ROUTES(command_is_answered_when_the_store_has_it),
        WITH_ROUTES(store_that_is_away_is_an_error),
        WITH_ROUTES(refusals_have_their_codes),
    };

    return cmocka_run_group_tests_name("api_user", tests, NULL, NULL);
}
