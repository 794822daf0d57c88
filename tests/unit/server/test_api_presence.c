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

static struct hf_bytes bytes_of(const char *text)
{
    return (struct hf_bytes){text, strlen(text)};
}

static void presence_is_an_object_of_clients(void **state)
{
    const struct hf_present_client clients[] = {
        {bytes_of("c1"), bytes_of("{\"user\":\"ann\",\"client\":\"c1\"}")},
        {bytes_of("c2"), bytes_of("not ours")},
        {bytes_of("c3"), bytes_of("{\"user\":\"\",\"client\":\"c3\"}")},
    };

    call(*state, "/api/presence", "{\"channel\":\"room:a\"}");
    assert_string_equal(request_at(0, FAKE_PRESENCE_GET)->channel, "room:a");
    complete_presence_get(0, HF_OK, clients, 3);
    expect_answer(200, "{\"result\":{\"presence\":{\"c1\":{\"user\":\"ann\",\"client\":\"c1\"},"
                       "\"c3\":{\"user\":\"\",\"client\":\"c3\"}}}}");
    call(*state, "/api/presence", "{\"channel\":\"room:a\"}");
    complete_presence_get(1, HF_OK, NULL, 0);
    expect_answer(200, "{\"result\":{\"presence\":{}}}");
}

static void stats_are_two_numbers(void **state)
{
    call(*state, "/api/presence_stats", "{\"channel\":\"room:a\"}");
    complete_presence_stats(0, HF_OK, 7, 0);
    expect_answer(200, "{\"result\":{\"num_clients\":7,\"num_users\":0}}");
}

static void refusals_have_their_codes(void **state)
{
    static const char *const paths[] = {"/api/presence", "/api/presence_stats"};
    static const char *const cases[][2] = {
        {"{}", ERROR("107", "bad request")},
        {"{\"channel\":\"none:a\"}", ERROR("102", "unknown channel")},
        {"{\"channel\":\"lobby:a\"}", ERROR("108", "not available")},
    };

    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < sizeof(cases) / sizeof(cases[0]); j++) {
            call(*state, paths[i], cases[j][0]);
            expect_answer(200, cases[j][1]);
        }
        call(*state, paths[i], "{\"channel\":");
        expect_answer(400, "Bad Request");
        fake_engine.refuse = HF_ELIMIT;
        call(*state, paths[i], "{\"channel\":\"room:a\"}");
        fake_engine.refuse = 0;
        expect_answer(200, ERROR("100", "internal server error"));
        handle(&routes, http_new(*state, "POST", paths[i], "{\"channel\":\"room:a\"}"));
        expect_answer(401, "");
    }
    assert_int_equal(fake_engine.request_count, 0);
}

static void failures_of_the_engine_are_errors(void **state)
{
    call(*state, "/api/presence", "{\"channel\":\"room:a\"}");
    complete_presence_get(0, HF_EUNAVAILABLE, NULL, 0);
    expect_answer(200, ERROR("100", "internal server error"));
    call(*state, "/api/presence_stats", "{\"channel\":\"room:a\"}");
    complete_presence_stats(1, HF_EUNAVAILABLE, 0, 0);
    expect_answer(200, ERROR("100", "internal server error"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(presence_is_an_object_of_clients),
        CASE(stats_are_two_numbers),
        CASE(refusals_have_their_codes),
        CASE(failures_of_the_engine_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
