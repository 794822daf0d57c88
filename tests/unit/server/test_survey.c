/* Questions to all nodes, and the API's `channels` over them. */
#include "session_fixture.h"

#include "api_fixture.h"

#define ERROR(code, message) "{\"error\":{\"code\":" code ",\"message\":\"" message "\"}}"
#define OTHER                "{\"type\":\"node\",\"uid\":\"uid-2\",\"name\":\"b\",\"version\":\"v\"}"
#define LEAVE                "{\"type\":\"leave\",\"uid\":\"uid-2\"}"

static struct hf_routes routes;

static int setup(void **state)
{
    fixture_setup(state);
    return hf_api_add_routes(((struct fixture *)*state)->config, &routes);
}

static int teardown(void **state)
{
    hf_routes_fini(&routes);
    for (unsigned i = 0; i < fake_engine.request_count; i++) { /* as when the port closes */
        if (fake_engine.requests[i].kind == FAKE_BUS && !fake_engine.requests[i].is_done) {
            complete_done(i, FAKE_BUS, HF_ECLOSED);
        }
    }
    return fixture_teardown(state);
}

static void call(struct fixture *fixture, const char *body)
{
    struct fake_http *http = http_new(fixture, "POST", "/api/channels", body);

    http->headers[0] = "X-API-Key";
    http->headers[1] = "secret";
    handle(&routes, http);
}

static bool hear(struct fixture *fixture, const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len); /* exact, so that a sanitizer sees a read beyond it */
    bool is_taken;

    assert_non_null(copy);
    memcpy(copy, text, len);
    is_taken = hf_survey_take(&fixture->worker, (struct hf_bytes){copy, len});
    free(copy);
    return is_taken;
}

static void know_other_node(struct fixture *fixture, const char *message)
{
    hf_registry_on_bus(&fixture->worker, (struct hf_bytes){message, strlen(message)});
}

/* Brings the last request's message to this worker, as the bus would. */
static void echo(struct fixture *fixture)
{
    char text[sizeof(fake_engine.requests[0].data)];

    memcpy(text, request_at(fake_engine.request_count - 1, FAKE_BUS)->data, sizeof(text));
    assert_true(hear(fixture, text));
}

static void one_node_answers_itself(void **state)
{
    struct fixture *fixture = *state;
    struct client first, second;

    client_connect(&first, fixture);
    client_connect(&second, fixture);
    client_subscribe_live(&first, "plain:a", 0);
    client_subscribe_live(&second, "plain:a", 0);
    client_subscribe_live(&second, "chat:b", 0);
    fake_engine.request_count = 0;
    call(fixture, "{\"pattern\":\"plain:*\"}");
    assert_string_equal(
        request_at(0, FAKE_BUS)->data,
        "survey\n{\"id\":1,\"uid\":\"uid-1\",\"worker\":0,\"pattern\":\"plain:*\"}");
    complete_done(0, FAKE_BUS, HF_OK);
    echo(fixture);
    assert_string_equal(request_at(1, FAKE_BUS)->channel, "uid-1"); /* to who asked */
    assert_string_equal(request_at(1, FAKE_BUS)->data,
                        "surveyed\n{\"id\":1,\"worker\":0,\"uid\":\"uid-1\",\"index\":0,\"of\":1,"
                        "\"channels\":{\"plain:a\":2},\"last\":true}");
    assert_int_equal(answer.status, 0);
    echo(fixture);
    expect_answer(200, "{\"result\":{\"channels\":{\"plain:a\":{\"num_clients\":2}}}}");
    echo(fixture); /* late and again: nobody waits for it */
    client_close(&first);
    client_close(&second);
}

static void all_workers_of_all_nodes_are_waited_for_and_added_up(void **state)
{
    struct fixture *fixture = *state;

    know_other_node(fixture, OTHER);
    call(fixture, "{}");
    echo(fixture); /* the question */
    echo(fixture); /* the own answer, which is empty */
    assert_int_equal(answer.status, 0);
    assert_true(hear(fixture, "surveyed\n{\"id\":1,\"worker\":0,\"uid\":\"uid-2\",\"index\":0,"
                              "\"of\":2,\"last\":true,\"channels\":{\"a\":1}}"));
    assert_true(hear(fixture, "surveyed\n{\"id\":1,\"worker\":0,\"uid\":\"uid-2\",\"index\":1,"
                              "\"of\":2,\"channels\":{\"a\":2}}"));
    assert_true(hear(fixture, "surveyed\n{\"id\":1,\"worker\":1,\"uid\":\"uid-2\",\"index\":1,"
                              "\"of\":2,\"last\":true,\"channels\":{\"not ours\":2}}"));
    assert_int_equal(answer.status, 0);
    assert_true(hear(fixture, "surveyed\n{\"id\":1,\"worker\":0,\"uid\":\"uid-2\",\"index\":1,"
                              "\"of\":2,\"last\":true,\"channels\":{\"a\":4}}"));
    expect_answer(200, "{\"result\":{\"channels\":{\"a\":{\"num_clients\":7}}}}");
}

static void node_that_leaves_is_not_waited_for(void **state)
{
    struct fixture *fixture = *state;

    know_other_node(fixture, OTHER);
    call(fixture, "{}");
    echo(fixture);
    echo(fixture);
    hf_surveys_tick(fixture->worker.surveys, fixture->worker.now_ms);
    assert_int_equal(answer.status, 0);
    know_other_node(fixture, LEAVE);
    hf_surveys_tick(fixture->worker.surveys, fixture->worker.now_ms);
    expect_answer(200, "{\"result\":{\"channels\":{}}}");
}

static void silent_node_fails_the_survey_in_time(void **state)
{
    struct fixture *fixture = *state;

    know_other_node(fixture, OTHER);
    call(fixture, "{}");
    hf_surveys_tick(fixture->worker.surveys, fixture->worker.now_ms + 3999);
    assert_int_equal(answer.status, 0);
    hf_surveys_tick(fixture->worker.surveys, fixture->worker.now_ms + 4000);
    expect_answer(200, ERROR("100", "internal server error"));
    complete_done(0, FAKE_BUS, HF_OK); /* later than that */
}

static void question_that_cannot_be_asked_is_an_error(void **state)
{
    struct fixture *fixture = *state;

    call(fixture, "{}");
    complete_done(0, FAKE_BUS, HF_EUNAVAILABLE);
    expect_answer(200, ERROR("100", "internal server error"));
    fake_engine.refuse = HF_ELIMIT;
    call(fixture, "{}");
    expect_answer(200, ERROR("106", "limit exceeded"));
}

static void bounds_have_an_answer(void **state)
{
    struct fixture *fixture = *state;

    fixture->config->holdfast.surveys_max = 1;
    fixture->config->holdfast.survey_channels_max = 2;
    call(fixture, "{}");
    call(fixture, "{}");
    expect_answer(200, ERROR("106", "limit exceeded"));
    assert_true(hear(fixture, "surveyed\n{\"id\":1,\"worker\":0,\"uid\":\"uid-1\",\"of\":1,"
                              "\"channels\":{\"a\":1,\"b\":1,\"c\":1}}"));
    expect_answer(200, ERROR("106", "limit exceeded"));
    call(fixture, "{}");
    assert_true(hear(fixture, "surveyed\n{\"id\":2,\"worker\":0,\"uid\":\"uid-1\",\"of\":1,"
                              "\"channels\":{},\"too_many\":true,\"last\":true}"));
    expect_answer(200, ERROR("106", "limit exceeded"));
}

static void worker_with_too_many_channels_says_so(void **state)
{
    struct fixture *fixture = *state;
    struct client client;

    fixture->config->holdfast.survey_channels_max = 1;
    client_connect(&client, fixture);
    client_subscribe_live(&client, "plain:a", 0);
    client_subscribe_live(&client, "plain:b", 0);
    assert_true(
        hear(fixture, "survey\n{\"id\":5,\"uid\":\"uid-2\",\"worker\":3,\"pattern\":\"\"}"));
    assert_non_null(strstr(request_at(2, FAKE_BUS)->data, "\"too_many\":true,\"last\":true}"));
    client_close(&client);
}

static void bad_patterns_are_refused(void **state)
{
    static const char *const bodies[] = {"{\"pattern\":\"[\"}", "{\"pattern\":\"a\\u0000b\"}"};
    char body[700];

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        call(*state, bodies[i]);
        expect_answer(200, ERROR("107", "bad request"));
    }
    (void)snprintf(body, sizeof(body), "{\"pattern\":\"%0600d\"}", 0);
    call(*state, body);
    expect_answer(200, ERROR("107", "bad request"));
    assert_int_equal(fake_engine.request_count, 0);
}

static void strange_messages_do_nothing(void **state)
{
    struct fixture *fixture = *state;

    assert_false(hear(fixture, "{}"));
    assert_false(hear(fixture, "surve"));
    assert_true(hear(fixture, "survey\n"));
    assert_true(hear(fixture, "survey\n{\"id\":1,\"uid\":\"u\",\"pattern\":\"[\"}"));
    assert_true(hear(fixture, "surveyed\n"));
    assert_true(hear(fixture, "surveyed\n{\"id\":9}"));
    assert_int_equal(fake_engine.request_count, 0);
}

static void survey_that_is_open_at_the_end_is_answered(void **state)
{
    struct fixture *fixture = *state;

    call(fixture, "{}");
    hf_surveys_close(fixture->worker.surveys);
    expect_answer(200, ERROR("100", "internal server error"));
    fixture->worker.surveys = NULL;
}

#define WITH_ROUTES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ROUTES(one_node_answers_itself),
        WITH_ROUTES(all_workers_of_all_nodes_are_waited_for_and_added_up),
        WITH_ROUTES(node_that_leaves_is_not_waited_for),
        WITH_ROUTES(silent_node_fails_the_survey_in_time),
        WITH_ROUTES(question_that_cannot_be_asked_is_an_error),
        WITH_ROUTES(bounds_have_an_answer),
        WITH_ROUTES(worker_with_too_many_channels_says_so),
        WITH_ROUTES(bad_patterns_are_refused),
        WITH_ROUTES(strange_messages_do_nothing),
        WITH_ROUTES(survey_that_is_open_at_the_end_is_answered),
    };

    return cmocka_run_group_tests_name("survey", tests, NULL, NULL);
}
