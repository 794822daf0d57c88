#include "session_fixture.h"

#include "api_fixture.h"

#include "api/api.h"

static struct hf_routes routes;

static int setup(void **state)
{
    fixture_setup(state);
    memset(&routes, 0, sizeof(routes));
    assert_int_equal(hf_api_add_routes(((struct fixture *)*state)->config, &routes), HF_OK);
    return 0;
}

static int teardown(void **state)
{
    hf_routes_fini(&routes);
    return fixture_teardown(state);
}

/* A call with the right key. */
static void call(struct fixture *fixture, const char *path, const char *body)
{
    struct fake_http *http = http_new(fixture, "POST", path, body);

    http->headers[0] = "X-API-Key";
    http->headers[1] = "secret";
    handle(&routes, http);
}

static void call_transport(struct fixture *fixture, const char *path, const char *body)
{
    struct fake_http *http = http_new(fixture, "POST", path, body);

    http->headers[0] = "X-API-Key";
    http->headers[1] = "secret";
    http->headers[2] = "X-Centrifugo-Error-Mode";
    http->headers[3] = "transport";
    handle(&routes, http);
}

#define ERROR(code, message) "{\"error\":{\"code\":" code ",\"message\":\"" message "\"}}"

/* --- transport rules ------------------------------------------------------------------------ */

static void wrong_verb_is_405_before_the_key(void **state)
{
    struct fake_http *http = http_new(*state, "GET", "/api/info", "{}");

    handle(&routes, http);
    assert_string_equal(answer.headers, "Allow: POST\r\n");
    expect_answer(405, "");
}

static void keys_are_looked_for_in_three_places(void **state)
{
    static const struct {
        const char *header, *value, *second, *second_value, *query;
        int status;
    } cases[] = {
        {NULL, NULL, NULL, NULL, NULL, 401},
        {"X-API-Key", "secret", NULL, NULL, NULL, 200},
        {"x-api-key", "secret", NULL, NULL, NULL, 200},
        {"X-API-Key", "secre", NULL, NULL, NULL, 401},
        {"X-API-Key", "secret2", NULL, NULL, NULL, 401},
        {"X-API-Key", "Secret", NULL, NULL, NULL, 401},
        {"Authorization", "apikey secret", NULL, NULL, NULL, 200},
        {"Authorization", "APIKEY  secret", NULL, NULL, NULL, 200},
        {"Authorization", "apikey secret x", NULL, NULL, NULL, 401},
        {"Authorization", "apikeysecret", NULL, NULL, NULL, 401},
        {"Authorization", "bearer secret", NULL, NULL, NULL, 401},
        {"Authorization", "apikey", NULL, NULL, NULL, 401},
        {"X-API-Key", "wrong", "Authorization", "apikey secret", NULL, 401},
        {"X-API-Key", "wrong", NULL, NULL, "secret", 200},
        {NULL, NULL, NULL, NULL, "secret", 200},
        {NULL, NULL, NULL, NULL, "wrong", 401},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake_http *http = http_new(*state, "POST", "/api/rpc", "{}");

        http->headers[0] = cases[i].header;
        http->headers[1] = cases[i].value;
        http->headers[2] = cases[i].second;
        http->headers[3] = cases[i].second_value;
        http->api_key = cases[i].query;
        handle(&routes, http);
        assert_int_equal(answer.status, cases[i].status);
        if (cases[i].status == 401) {
            expect_answer(401, "");
        }
    }
    free(answer.body);
    answer.body = NULL;
}

static void without_a_configured_key_every_call_is_refused_unless_insecure(void **state)
{
    struct fixture *fixture = *state;
    char *key = fixture->config->http_api.key;
    char empty[1] = "";
    struct fake_http *http;

    fixture->config->http_api.key = empty;
    http = http_new(fixture, "POST", "/api/info", "{}");
    http->headers[0] = "X-API-Key";
    http->headers[1] = "";
    handle(&routes, http);
    expect_answer(401, "");
    fixture->config->http_api.insecure = true;
    handle(&routes, http_new(fixture, "POST", "/api/rpc", "{}"));
    expect_answer(200, ERROR("107", "bad request"));
    fixture->config->http_api.key = key;
}

static void there_is_no_rpc_to_call(void **state)
{
    call(*state, "/api/rpc", "{}");
    expect_answer(200, ERROR("107", "bad request"));
    call(*state, "/api/rpc", "{\"method\":\"x\",\"params\":{}}");
    expect_answer(200, ERROR("104", "not found"));
    call_transport(*state, "/api/rpc", "{\"method\":\"x\"}");
    expect_answer(404, "{\"code\":104,\"message\":\"not found\"}");
}

static void what_is_not_offered_has_no_route(void **state)
{
    (void)state;
    assert_null(find_handler(&routes, "/api/map_publish"));
    assert_null(find_handler(&routes, "/api/publish/"));
}

static void disabled_api_has_no_routes(void **state)
{
    struct fixture *fixture = *state;
    struct hf_routes none = {0};

    fixture->config->http_api.disabled = true;
    assert_int_equal(hf_api_add_routes(fixture->config, &none), HF_OK);
    assert_int_equal(none.count, 0);
}

static void broken_bodies_are_400(void **state)
{
    static const struct {
        const char *path, *body;
    } cases[] = {
        {"/api/publish", ""},
        {"/api/publish", "{"},
        {"/api/publish", "[]"},
        {"/api/publish", "{\"channel\":1,\"data\":{}}"},
        {"/api/publish", "{\"channel\":\"plain:a\",\"data\":{}}x"},
        {"/api/publish", "{\"channel\":\"plain:a\",\"data\":{},\"tags\":{\"a\":1}}"},
        {"/api/publish", "{\"channel\":\"plain:a\",\"data\":{},\"skip_history\":\"yes\"}"},
        {"/api/publish", "{\"channel\":\"plain:a\",\"data\":\"\xff\"}"},
        {"/api/broadcast", "{\"channels\":\"plain:a\",\"data\":{}}"},
        {"/api/broadcast", "{\"channels\":[1],\"data\":{}}"},
        {"/api/history", "{\"channel\":\"chat:a\",\"limit\":\"1\"}"},
        {"/api/history", "{\"channel\":\"chat:a\",\"since\":3}"},
        {"/api/history_remove", ""},
        {"/api/info", ""},
        {"/api/info", "[]"},
        {"/api/info", "{"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        call(*state, cases[i].path, cases[i].body);
        assert_string_equal(answer.type, "text/plain; charset=utf-8");
        expect_answer(400, "Bad Request");
    }
    assert_int_equal(fake_engine.request_count, 0);
}

static void transport_mode_gives_bare_errors_with_a_status(void **state)
{
    struct fixture *fixture = *state;

    call_transport(fixture, "/api/publish", "{\"channel\":\"none:a\",\"data\":{}}");
    expect_answer(404, "{\"code\":102,\"message\":\"unknown channel\"}");
    call_transport(fixture, "/api/publish", "{\"data\":{}}");
    expect_answer(400, "{\"code\":107,\"message\":\"bad request\"}");
    call_transport(fixture, "/api/history", "{\"channel\":\"plain:a\"}");
    expect_answer(400, "{\"code\":108,\"message\":\"not available\"}");
    call_transport(fixture, "/api/history",
                   "{\"channel\":\"chat:a\",\"since\":{\"offset\":1,\"epoch\":\"x\"}}");
    complete_history(0, HF_EUNRECOVERABLE, (struct hf_position){0}, NULL);
    expect_answer(416, "{\"code\":112,\"message\":\"unrecoverable position\"}");
    fixture->config->http_api.error_mode = HF_API_ERROR_MODE_TRANSPORT;
    call(fixture, "/api/publish", "{\"channel\":\"plain:a\",\"data\":{}}");
    complete_publish(1, HF_EUNAVAILABLE, (struct hf_position){0});
    expect_answer(500, "{\"code\":100,\"message\":\"internal server error\"}");
}

/* --- publish -------------------------------------------------------------------------------- */

static void publish_answers_with_the_position(void **state)
{
    call(*state, "/api/publish",
         "{\"CHANNEL\":\"chat:a\",\"data\":{ \"x\": 1.0 },\"tags\":{\"k\": \"v\"},\"other\":[1]}");
    assert_int_equal(answer.status, 0);
    assert_string_equal(request_at(0, FAKE_PUBLISH)->channel, "chat:a");
    assert_string_equal(fake_engine.requests[0].data, "{ \"x\": 1.0 }");
    assert_string_equal(fake_engine.requests[0].tags, "{\"k\": \"v\"}");
    assert_string_equal(fake_engine.requests[0].info, "");
    assert_int_equal(fake_engine.requests[0].options.history_size, 10);
    complete_publish(0, HF_OK, (struct hf_position){EPOCH, UINT64_C(9007199254740993)});
    assert_string_equal(answer.type, "application/json");
    expect_answer(200, "{\"result\":{\"offset\":9007199254740993,"
                       "\"epoch\":\"1700000000000000\"}}");
}

static void publish_without_history_has_an_empty_result(void **state)
{
    call(*state, "/api/publish", "{\"channel\":\"plain:a\",\"data\":null,\"tags\":{}}");
    assert_string_equal(request_at(0, FAKE_PUBLISH)->data, "null");
    assert_string_equal(fake_engine.requests[0].tags, "");
    complete_publish(0, HF_OK, (struct hf_position){0});
    expect_answer(200, "{\"result\":{}}");
    call(*state, "/api/publish",
         "{\"channel\":\"chat:a\",\"data\":1,\"skip_history\":true,\"tags\":null}");
    assert_int_equal(request_at(1, FAKE_PUBLISH)->options.history_size, 0);
    complete_publish(1, HF_OK, (struct hf_position){0});
    expect_answer(200, "{\"result\":{}}");
}

static void publish_takes_base64(void **state)
{
    call(*state, "/api/publish",
         "{\"channel\":\"plain:a\",\"data\":1,\"b64data\":\"eyJhIjoxfQ==\"}");
    assert_string_equal(request_at(0, FAKE_PUBLISH)->data, "{\"a\":1}");
    complete_publish(0, HF_OK, (struct hf_position){0});
    expect_answer(200, "{\"result\":{}}");
    call(*state, "/api/publish", "{\"channel\":\"plain:a\",\"b64data\":\"****\"}");
    expect_answer(200, ERROR("107", "bad request"));
    call(*state, "/api/publish", "{\"channel\":\"object:a\",\"b64data\":\"AQI=\"}");
    expect_answer(200, ERROR("107", "bad request"));
}

static void publish_refusals_have_their_codes(void **state)
{
    static const struct {
        const char *body, *expected;
    } cases[] = {
        {"{\"data\":{}}", ERROR("107", "bad request")},
        {"{\"channel\":\"plain:a\"}", ERROR("107", "bad request")},
        {"{\"channel\":\"undefined:channel\",\"data\":{}}", ERROR("102", "unknown channel")},
        {"{\"channel\":\"object:a\",\"data\":[]}", ERROR("107", "bad request")},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        call(*state, "/api/publish", cases[i].body);
        expect_answer(200, cases[i].expected);
    }
    assert_int_equal(fake_engine.request_count, 0);
    fake_engine.refuse = HF_ELIMIT;
    call(*state, "/api/publish", "{\"channel\":\"plain:a\",\"data\":1}");
    expect_answer(200, ERROR("100", "internal server error"));
}

static void publish_options_reach_the_engine(void **state)
{
    call(*state, "/api/publish",
         "{\"channel\":\"chat:a\",\"data\":1,\"idempotency_key\":\"k-1\",\"version\":7,"
         "\"version_epoch\":\"e\",\"delta\":true}");
    call(*state, "/api/broadcast",
         "{\"channels\":[\"chat:a\",\"chat:b\"],\"data\":1,\"idempotency_key\":\"k-2\"}");
    assert_int_equal(fake_engine.request_count, 3);
    const struct fake_request *first = &fake_engine.requests[0];
    assert_string_equal(first->idempotency_key, "k-1");
    assert_string_equal(first->version_epoch, "e");
    assert_int_equal(first->version, 7);
    assert_true(first->delta);
    assert_string_equal(fake_engine.requests[1].idempotency_key, "k-2");
    assert_string_equal(fake_engine.requests[2].idempotency_key, "k-2");
    assert_int_equal(fake_engine.requests[2].version, 0);
    assert_false(fake_engine.requests[2].delta);
    for (unsigned i = 0; i < 3; i++) {
        complete_publish(i, HF_OK, (struct hf_position){0});
    }
}

static void channel_rules_of_clients_do_not_bind_the_api(void **state)
{
    call(*state, "/api/publish",
         "{\"channel\":\"closed:\\u00e4abcdefghijklmnopqrstuvwxyz0123456789\",\"data\":1}");
    assert_int_equal(fake_engine.request_count, 1);
    complete_publish(0, HF_OK, (struct hf_position){0});
    expect_answer(200, "{\"result\":{}}");
}

/* --- broadcast ------------------------------------------------------------------------------ */

static void broadcast_answers_in_order(void **state)
{
    call(*state, "/api/broadcast",
         "{\"channels\":[\"chat:a\",\"none:a\",\"\",\"plain:b\",\"chat:c\"],\"data\":{\"a\":1}}");
    assert_int_equal(fake_engine.request_count, 3);
    complete_publish(2, HF_ETIMEOUT, (struct hf_position){0});
    complete_publish(1, HF_OK, (struct hf_position){0});
    assert_int_equal(answer.status, 0);
    complete_publish(0, HF_OK, (struct hf_position){EPOCH, 3});
    expect_answer(
        200,
        "{\"result\":{\"responses\":["
        "{\"result\":{\"offset\":3,\"epoch\":\"1700000000000000\"}}," ERROR(
            "102", "unknown channel") "," ERROR("107",
                                                "bad request") ","
                                                               "{\"result\":{}}," ERROR(
                                                                   "100",
                                                                   "internal server error") "]}}");
}

static void broadcast_to_nothing_but_errors_is_answered_at_once(void **state)
{
    call(*state, "/api/broadcast", "{\"channels\":[\"none:a\"],\"data\":1}");
    expect_answer(200, "{\"result\":{\"responses\":[" ERROR("102", "unknown channel") "]}}");
}

static void broadcast_refusals_have_their_codes(void **state)
{
    struct fixture *fixture = *state;

    call(fixture, "/api/broadcast", "{\"channels\":[],\"data\":1}");
    expect_answer(200, ERROR("107", "bad request"));
    call(fixture, "/api/broadcast", "{\"data\":1}");
    expect_answer(200, ERROR("107", "bad request"));
    fixture->config->holdfast.broadcast_channels_max = 2;
    call(fixture, "/api/broadcast",
         "{\"channels\":[\"plain:a\",\"plain:b\",\"plain:c\"],\"data\":1}");
    expect_answer(200, ERROR("107", "bad request"));
    assert_int_equal(fake_engine.request_count, 0);
}

/* --- history -------------------------------------------------------------------------------- */

static void history_gives_publications_and_position(void **state)
{
    struct hf_publication_fields fields = {.data = {"{\"a\": 1}", 8},
                                           .info = {"{\"user\":\"u\",\"client\":\"c\"}", 25},
                                           .tags = {"{\"k\":\"v\"}", 9}};
    struct hf_publication *items[2];
    struct hf_page *page;

    items[0] = hf_publication_new((struct hf_position){EPOCH, 4}, &fields);
    items[1] = publication_of(5, "2");
    page = hf_page_new(items, 2);
    call(*state, "/api/history",
         "{\"channel\":\"chat:a\",\"limit\":2,\"since\":{\"offset\":3,"
         "\"epoch\":\"1700000000000000\"}}");
    assert_int_equal(request_at(0, FAKE_HISTORY)->history.limit, 2);
    assert_true(fake_engine.requests[0].history.has_since);
    assert_int_equal(fake_engine.requests[0].history.since.offset, 3);
    assert_int_equal(fake_engine.requests[0].history.since.epoch, EPOCH);
    complete_history(0, HF_OK, (struct hf_position){EPOCH, 5}, page);
    expect_answer(200,
                  "{\"result\":{\"publications\":[{\"data\":{\"a\": 1},"
                  "\"info\":{\"user\":\"u\",\"client\":\"c\"},\"offset\":4,\"tags\":{\"k\":\"v\"}},"
                  "{\"data\":2,\"offset\":5}],\"epoch\":\"1700000000000000\",\"offset\":5}}");
    hf_page_unref(page);
    hf_publication_unref(items[0]);
    hf_publication_unref(items[1]);
}

static void history_limits_are_not_clamped(void **state)
{
    static const struct {
        const char *body;
        uint32_t limit;
        bool reverse;
    } cases[] = {
        {"{\"channel\":\"chat:a\"}", 0, false},
        {"{\"channel\":\"chat:a\",\"limit\":-1,\"reverse\":true}", HF_LIMIT_NONE, true},
        {"{\"channel\":\"chat:a\",\"limit\":100000,\"since\":null}", 100000, false},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        call(*state, "/api/history", cases[i].body);
        assert_int_equal(request_at(i, FAKE_HISTORY)->history.limit, cases[i].limit);
        assert_int_equal(fake_engine.requests[i].history.reverse, cases[i].reverse);
        assert_false(fake_engine.requests[i].history.has_since);
        complete_history(i, HF_OK, (struct hf_position){EPOCH, 0}, NULL);
        expect_answer(200, "{\"result\":{\"publications\":[],\"epoch\":\"1700000000000000\","
                           "\"offset\":0}}");
    }
}

static void history_refusals_have_their_codes(void **state)
{
    static const struct {
        const char *body, *expected;
    } cases[] = {
        {"{}", ERROR("107", "bad request")},
        {"{\"channel\":\"none:a\"}", ERROR("102", "unknown channel")},
        {"{\"channel\":\"plain:a\"}", ERROR("108", "not available")},
        {"{\"channel\":\"chat:a\",\"reverse\":true,\"since\":{\"offset\":0}}",
         ERROR("100", "internal server error")},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        call(*state, "/api/history", cases[i].body);
        expect_answer(200, cases[i].expected);
    }
    call(*state, "/api/history", "{\"channel\":\"chat:a\"}");
    complete_history(0, HF_EUNRECOVERABLE, (struct hf_position){0}, NULL);
    expect_answer(200, ERROR("112", "unrecoverable position"));
    fake_engine.refuse = HF_ELIMIT;
    call(*state, "/api/history", "{\"channel\":\"chat:a\"}");
    expect_answer(200, ERROR("100", "internal server error"));
}

static void binary_history_is_a_500(void **state)
{
    struct hf_publication *item = publication_of(1, "\x01");
    struct hf_page *page = hf_page_new(&item, 1);

    call(*state, "/api/history", "{\"channel\":\"chat:a\",\"limit\":-1}");
    complete_history(0, HF_OK, (struct hf_position){EPOCH, 1}, page);
    expect_answer(500, "Internal Server Error");
    hf_page_unref(page);
    hf_publication_unref(item);
}

static void history_remove_answers_when_it_is_done(void **state)
{
    call(*state, "/api/history_remove", "{\"channel\":\"chat:a\"}");
    assert_string_equal(request_at(0, FAKE_REMOVE)->channel, "chat:a");
    assert_int_equal(answer.status, 0);
    complete_done(0, FAKE_REMOVE, HF_OK);
    expect_answer(200, "{\"result\":{}}");
    call(*state, "/api/history_remove", "{\"channel\":\"chat:a\"}");
    complete_done(1, FAKE_REMOVE, HF_ECLOSED);
    expect_answer(200, ERROR("100", "internal server error"));
    call(*state, "/api/history_remove", "{\"channel\":\"plain:a\"}");
    expect_answer(200, ERROR("108", "not available"));
}

/* --- info ----------------------------------------------------------------------------------- */

static void info_lists_the_nodes(void **state)
{
    static const char other[] =
        "{\"type\":\"node\",\"uid\":\"uid-2\",\"name\":\"b\\\"\",\"version\":\"Holdfast 9\","
        "\"num_clients\":2,\"num_users\":1,\"num_subs\":3,\"num_channels\":4,\"uptime\":5}";
    struct fixture *fixture = *state;
    struct client client;

    fake_node.uptime_s = 60;
    client_connect(&client, fixture);
    client_subscribe_live(&client, "chat:a", 0);
    client_subscribe_live(&client, "chat:b", 0);
    hf_registry_on_bus(&fixture->worker, (struct hf_bytes){other, sizeof(other) - 1});
    call(fixture, "/api/info", "{}");
    expect_answer(200, "{\"result\":{\"nodes\":["
                       "{\"uid\":\"uid-1\",\"name\":\"node-1\",\"version\":\"Holdfast " HF_VERSION
                       "\",\"num_clients\":1,\"num_users\":1,\"num_channels\":2,\"uptime\":60,"
                       "\"num_subs\":2},"
                       "{\"uid\":\"uid-2\",\"name\":\"b\\\"\",\"version\":\"Holdfast 9\","
                       "\"num_clients\":2,\"num_users\":1,\"num_channels\":4,\"uptime\":5,"
                       "\"num_subs\":3}]}}");
    client_close(&client);
}

#define WITH_ROUTES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ROUTES(wrong_verb_is_405_before_the_key),
        WITH_ROUTES(keys_are_looked_for_in_three_places),
        WITH_ROUTES(without_a_configured_key_every_call_is_refused_unless_insecure),
        WITH_ROUTES(there_is_no_rpc_to_call),
        WITH_ROUTES(what_is_not_offered_has_no_route),
        WITH_ROUTES(disabled_api_has_no_routes),
        WITH_ROUTES(broken_bodies_are_400),
        WITH_ROUTES(transport_mode_gives_bare_errors_with_a_status),
        WITH_ROUTES(publish_answers_with_the_position),
        WITH_ROUTES(publish_without_history_has_an_empty_result),
        WITH_ROUTES(publish_takes_base64),
        WITH_ROUTES(publish_refusals_have_their_codes),
        WITH_ROUTES(publish_options_reach_the_engine),
        WITH_ROUTES(channel_rules_of_clients_do_not_bind_the_api),
        WITH_ROUTES(broadcast_answers_in_order),
        WITH_ROUTES(broadcast_to_nothing_but_errors_is_answered_at_once),
        WITH_ROUTES(broadcast_refusals_have_their_codes),
        WITH_ROUTES(history_gives_publications_and_position),
        WITH_ROUTES(history_limits_are_not_clamped),
        WITH_ROUTES(history_refusals_have_their_codes),
        WITH_ROUTES(binary_history_is_a_500),
        WITH_ROUTES(history_remove_answers_when_it_is_done),
        WITH_ROUTES(info_lists_the_nodes),
    };

    return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
