#include "json.h"
#include "proto_test.h"
#include "reply.h"

static const struct hf_encoder *const encoder = &hf_encoder_json;

/* The buffer of the running test. */
static int setup(void **state)
{
    struct hf_buffer *buffer = malloc(sizeof(*buffer));
    assert_non_null(buffer);
    hf_buffer_init(buffer, 0);
    *state = buffer;
    return 0;
}

static int teardown(void **state)
{
    hf_buffer_fini(*state);
    free(*state);
    return 0;
}

/* Compares what was written, checks that it is one line of JSON, and empties the buffer. */
static void expect(struct hf_buffer *buffer, const char *text)
{
    assert_buffer_equal(buffer, text);
    assert_true(hf_json_is_valid(hf_buffer_slice(buffer)));
    assert_null(memchr(buffer->data, '\n', buffer->len));
    hf_buffer_reset(buffer);
}

static void test_error(void **state)
{
    struct hf_buffer *buffer = *state;
    encoder->error(buffer, 1, 107, HF_SLICE("bad \"request\""), false);
    expect(buffer, "{\"id\":1,\"error\":{\"code\":107,\"message\":\"bad \\\"request\\\"\"}}");
    encoder->error(buffer, 4294967295, 111, HF_SLICE(""), true);
    expect(buffer,
           "{\"id\":4294967295,\"error\":{\"code\":111,\"message\":\"\",\"temporary\":true}}");
}

static void test_connect(void **state)
{
    struct hf_buffer *buffer = *state;
    struct hf_connect_result result = {.client = HF_SLICE("c1")};
    encoder->connect(buffer, 1, &result);
    expect(buffer, "{\"id\":1,\"connect\":{\"client\":\"c1\"}}");
    const struct hf_connect_result_sub subs[] = {
        {.channel = HF_SLICE("a\"b"), .result = {.recoverable = true, .positioned = true}},
        {.channel = HF_SLICE("c")},
    };
    result = (struct hf_connect_result){
        .client = HF_SLICE("c1"),
        .version = HF_SLICE("0.1.0"),
        .expires = true,
        .ttl = 300,
        .data = HF_SLICE("{\n\"a\": 1.0}"),
        .subs = subs,
        .subs_count = COUNT(subs),
        .ping = 25,
        .pong = true,
        .session = HF_SLICE("s"),
        .node = HF_SLICE("n"),
        .time = 1700000000000,
    };
    encoder->connect(buffer, 1, &result);
    expect(buffer,
           "{\"id\":1,\"connect\":{\"client\":\"c1\",\"version\":\"0.1.0\",\"expires\":true,"
           "\"ttl\":300,\"data\":{\"a\": 1.0},\"subs\":{\"a\\\"b\":{\"recoverable\":true,"
           "\"positioned\":true},\"c\":{}},\"ping\":25,\"pong\":true,\"session\":\"s\","
           "\"node\":\"n\",\"time\":1700000000000}}");
}

static void test_subscribe(void **state)
{
    struct hf_buffer *buffer = *state;
    struct hf_subscribe_reply result = {0};
    encoder->subscribe(buffer, 2, &result);
    expect(buffer, "{\"id\":2,\"subscribe\":{}}");
    struct hf_buffer list;
    hf_buffer_init(&list, 0);
    struct hf_wire_publication publication = {.data = HF_SLICE("{\"n\":1}"), .offset = 1};
    encoder->publication_list_add(&list, &publication);
    publication = (struct hf_wire_publication){.data = HF_SLICE("[\r\n2]"), .offset = 2};
    encoder->publication_list_add(&list, &publication);
    result = (struct hf_subscribe_reply){
        .expires = true,
        .ttl = 60,
        .recoverable = true,
        .positioned = true,
        .recovered = true,
        .was_recovering = true,
        .delta = true,
        .epoch = HF_SLICE("xyz"),
        .offset = 18446744073709551615U,
        .data = HF_SLICE("null"),
        .publications_raw = hf_buffer_slice(&list),
    };
    encoder->subscribe(buffer, 2, &result);
    expect(buffer, "{\"id\":2,\"subscribe\":{\"expires\":true,\"ttl\":60,\"recoverable\":true,"
                   "\"epoch\":\"xyz\",\"publications\":[{\"data\":{\"n\":1},\"offset\":1},"
                   "{\"data\":[2],\"offset\":2}],\"recovered\":true,"
                   "\"offset\":18446744073709551615,\"positioned\":true,\"data\":null,"
                   "\"was_recovering\":true,\"delta\":true}}");
    hf_buffer_fini(&list);
}

static void test_empty_results(void **state)
{
    struct hf_buffer *buffer = *state;
    encoder->unsubscribe(buffer, 3);
    expect(buffer, "{\"id\":3,\"unsubscribe\":{}}");
    encoder->publish(buffer, 4);
    expect(buffer, "{\"id\":4,\"publish\":{}}");
    encoder->ping(buffer);
    expect(buffer, "{}");
}

static void test_history(void **state)
{
    struct hf_buffer *buffer = *state;
    struct hf_history_result result = {0};
    encoder->history(buffer, 5, &result);
    expect(buffer, "{\"id\":5,\"history\":{\"publications\":[],\"epoch\":\"\",\"offset\":0}}");
    result = (struct hf_history_result){
        .publications_raw = HF_SLICE("{\"data\":1}"),
        .epoch = HF_SLICE("e"),
        .offset = 9,
    };
    encoder->history(buffer, 5, &result);
    expect(buffer,
           "{\"id\":5,\"history\":{\"publications\":[{\"data\":1}],\"epoch\":\"e\",\"offset\":9}}");
}

static void test_presence(void **state)
{
    struct hf_buffer *buffer = *state;
    encoder->presence(buffer, 6, NULL, 0);
    expect(buffer, "{\"id\":6,\"presence\":{\"presence\":{}}}");
    const struct hf_client_info info = {.user = HF_SLICE("u"),
                                        .client = HF_SLICE("c1"),
                                        .conn_info = HF_SLICE("{\"n\":\n1}"),
                                        .chan_info = HF_SLICE("2")};
    const struct hf_presence_entry entries[] = {
        {.client = HF_SLICE("c1"), .info = &info},
        {.client = HF_SLICE("c2"), .info_raw = HF_SLICE("{\"user\":\"\",\"client\":\"c2\"}")},
    };
    encoder->presence(buffer, 6, entries, COUNT(entries));
    expect(buffer, "{\"id\":6,\"presence\":{\"presence\":{\"c1\":{\"user\":\"u\",\"client\":\"c1\","
                   "\"conn_info\":{\"n\":1},\"chan_info\":2},\"c2\":{\"user\":\"\","
                   "\"client\":\"c2\"}}}}");
    encoder->presence_stats(buffer, 7, 0, 0);
    expect(buffer, "{\"id\":7,\"presence_stats\":{\"num_clients\":0,\"num_users\":0}}");
    encoder->presence_stats(buffer, 7, 3, 2);
    expect(buffer, "{\"id\":7,\"presence_stats\":{\"num_clients\":3,\"num_users\":2}}");
}

static void test_rpc_and_refresh(void **state)
{
    struct hf_buffer *buffer = *state;
    encoder->rpc(buffer, 8, hf_slice(NULL, 0));
    expect(buffer, "{\"id\":8,\"rpc\":{}}");
    encoder->rpc(buffer, 8, HF_SLICE("[1, 2]"));
    expect(buffer, "{\"id\":8,\"rpc\":{\"data\":[1, 2]}}");
    encoder->refresh(buffer, 9, true, 30);
    expect(buffer, "{\"id\":9,\"refresh\":{\"expires\":true,\"ttl\":30}}");
    encoder->refresh(buffer, 9, false, 0);
    expect(buffer, "{\"id\":9,\"refresh\":{}}");
    encoder->sub_refresh(buffer, 10, true, 31536000);
    expect(buffer, "{\"id\":10,\"sub_refresh\":{\"expires\":true,\"ttl\":31536000}}");
}

static void test_publication(void **state)
{
    struct hf_buffer *buffer = *state;
    struct hf_wire_publication publication = {.data = HF_SLICE("{\"a\":1.0}")};
    hf_reply_json_publication(buffer, &publication);
    expect(buffer, "{\"data\":{\"a\":1.0}}");
    publication = (struct hf_wire_publication){0};
    hf_reply_json_publication(buffer, &publication);
    expect(buffer, "{}");
    const struct hf_client_info info = {.user = HF_SLICE("u"), .client = HF_SLICE("c")};
    publication = (struct hf_wire_publication){
        .data = HF_SLICE("1"),
        .info = &info,
        .tags = HF_SLICE("{\"k\":\"v\"}"),
        .channel = HF_SLICE("ch"),
        .key = HF_SLICE("key"),
        .epoch = HF_SLICE("ep"),
        .offset = 1,
        .version = 18446744073709551615U,
        .delta = true,
    };
    hf_reply_json_publication(buffer, &publication);
    expect(buffer, "{\"data\":1,\"info\":{\"user\":\"u\",\"client\":\"c\"},\"offset\":1,"
                   "\"tags\":{\"k\":\"v\"},\"delta\":true,\"channel\":\"ch\",\"key\":\"key\","
                   "\"epoch\":\"ep\",\"version\":18446744073709551615}");
    publication = (struct hf_wire_publication){
        .data = HF_SLICE("{\"a\":\n1}"),
        .data_is_text = true,
        .info = &info,
        .info_raw = HF_SLICE("{\"user\":\"raw\",\"client\":\"r\"}"),
    };
    hf_reply_json_publication(buffer, &publication);
    expect(buffer, "{\"data\":\"{\\\"a\\\":\\n1}\",\"info\":{\"user\":\"raw\",\"client\":\"r\"}}");
    publication = (struct hf_wire_publication){.data_is_text = true};
    hf_reply_json_publication(buffer, &publication);
    expect(buffer, "{\"data\":\"\"}");
}

static void test_push_publication(void **state)
{
    struct hf_buffer *buffer = *state;
    struct hf_wire_publication publication = {
        .data = HF_SLICE("{\n \"text\": \"hi\"\n}"),
        .offset = 7,
        .epoch = HF_SLICE("e"),
    };
    encoder->push_publication(buffer, hf_push_channel(HF_SLICE("chat:\"x\"")), &publication);
    expect(buffer, "{\"push\":{\"channel\":\"chat:\\\"x\\\"\",\"pub\":{\"data\":{ \"text\": "
                   "\"hi\"},\"offset\":7,\"epoch\":\"e\"}}}");
}

/* Compaction: a number stands for the channel. */
static void test_push_by_number(void **state)
{
    struct hf_buffer *buffer = *state;
    const struct hf_push_channel channel = {.name = HF_SLICE("ch"), .id = 2147483647};
    const struct hf_client_info info = {.user = HF_SLICE("u"), .client = HF_SLICE("c")};
    const struct hf_wire_publication publication = {.data = HF_SLICE("1"), .offset = 7};
    encoder->push_publication(buffer, channel, &publication);
    expect(buffer, "{\"push\":{\"id\":2147483647,\"pub\":{\"data\":1,\"offset\":7}}}");
    encoder->push_join(buffer, channel, &info, hf_slice(NULL, 0));
    expect(buffer, "{\"push\":{\"id\":2147483647,\"join\":{\"info\":{\"user\":\"u\",\"client\":"
                   "\"c\"}}}}");
    encoder->subscribe(buffer, 3, &(struct hf_subscribe_reply){.id = 5});
    expect(buffer, "{\"id\":3,\"subscribe\":{\"id\":5}}");
}

static void test_push_info(void **state)
{
    struct hf_buffer *buffer = *state;
    const struct hf_client_info info = {.user = HF_SLICE(""), .client = HF_SLICE("c")};
    encoder->push_join(buffer, hf_push_channel(HF_SLICE("ch")), &info, hf_slice(NULL, 0));
    expect(buffer, "{\"push\":{\"channel\":\"ch\",\"join\":{\"info\":{\"user\":\"\",\"client\":"
                   "\"c\"}}}}");
    encoder->push_leave(buffer, hf_push_channel(HF_SLICE("ch")), NULL,
                        HF_SLICE("{\"user\":\"u\",\"client\":\"d\"}"));
    expect(buffer, "{\"push\":{\"channel\":\"ch\",\"leave\":{\"info\":{\"user\":\"u\",\"client\":"
                   "\"d\"}}}}");
}

static void test_push_subscription(void **state)
{
    struct hf_buffer *buffer = *state;
    struct hf_subscribe_push push = {0};
    encoder->push_subscribe(buffer, HF_SLICE("ch"), &push);
    expect(buffer, "{\"push\":{\"channel\":\"ch\",\"subscribe\":{}}}");
    push = (struct hf_subscribe_push){
        .recoverable = true,
        .positioned = true,
        .epoch = HF_SLICE("e"),
        .offset = 5,
        .data = HF_SLICE("[]"),
    };
    encoder->push_subscribe(buffer, HF_SLICE("ch"), &push);
    expect(buffer, "{\"push\":{\"channel\":\"ch\",\"subscribe\":{\"recoverable\":true,\"epoch\":"
                   "\"e\",\"offset\":5,\"positioned\":true,\"data\":[]}}}");
    encoder->push_unsubscribe(buffer, HF_SLICE("ch"), 2500, HF_SLICE("insufficient state"));
    expect(buffer, "{\"push\":{\"channel\":\"ch\",\"unsubscribe\":{\"code\":2500,\"reason\":"
                   "\"insufficient state\"}}}");
    encoder->push_unsubscribe(buffer, HF_SLICE("ch"), 2000, HF_SLICE(""));
    expect(buffer,
           "{\"push\":{\"channel\":\"ch\",\"unsubscribe\":{\"code\":2000,\"reason\":\"\"}}}");
}

static void test_push_connection(void **state)
{
    struct hf_buffer *buffer = *state;
    encoder->push_message(buffer, HF_SLICE("{\"m\":1}"));
    expect(buffer, "{\"push\":{\"message\":{\"data\":{\"m\":1}}}}");
    encoder->push_disconnect(buffer, 3001, HF_SLICE("shutdown"));
    expect(buffer, "{\"push\":{\"disconnect\":{\"code\":3001,\"reason\":\"shutdown\"}}}");
    encoder->push_refresh(buffer, true, 60);
    expect(buffer, "{\"push\":{\"refresh\":{\"expires\":true,\"ttl\":60}}}");
    encoder->push_refresh(buffer, false, 0);
    expect(buffer, "{\"push\":{\"refresh\":{}}}");
}

static void test_one_reservation(void **state)
{
    struct hf_buffer *buffer = *state;
    char data[5000];
    memset(data, 'x', sizeof(data));
    data[0] = data[sizeof(data) - 1] = '"';
    struct hf_wire_publication publication = {.data = hf_slice(data, sizeof(data)), .offset = 1};
    encoder->push_publication(buffer, hf_push_channel(HF_SLICE("ch")), &publication);
    /* Were it reserved in steps, the capacity would be a multiple of an earlier one. */
    assert_int_equal(buffer->capacity, sizeof(data) + 256 + 2);
}

static void test_full_buffer(void **state)
{
    (void)state;
    struct hf_wire_publication publication = {.data = HF_SLICE("{\"a\":1}"), .offset = 3};
    struct hf_subscribe_reply result = {.epoch = HF_SLICE("e"), .recovered = true};
    struct hf_buffer whole;
    hf_buffer_init(&whole, 0);
    encoder->push_publication(&whole, hf_push_channel(HF_SLICE("ch")), &publication);
    hf_reply_separate(encoder, &whole);
    encoder->subscribe(&whole, 1, &result);
    for (size_t max = 1; max < whole.len; max++) {
        struct hf_buffer buffer;
        hf_buffer_init(&buffer, max);
        encoder->push_publication(&buffer, hf_push_channel(HF_SLICE("ch")), &publication);
        hf_reply_separate(encoder, &buffer);
        encoder->subscribe(&buffer, 1, &result);
        assert_true(hf_buffer_failed(&buffer));
        assert_true(buffer.len <= max);
        hf_buffer_fini(&buffer);
    }
    hf_buffer_fini(&whole);
}

#define TEST_WITH_BUFFER(name, function)                                                           \
    {                                                                                              \
        name, function, setup, teardown, NULL                                                      \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_BUFFER("reply_json: error -> message always there", test_error),
        TEST_WITH_BUFFER("reply_json: connect with least and most -> exact bytes", test_connect),
        TEST_WITH_BUFFER("reply_json: subscribe with recovered list -> exact bytes",
                         test_subscribe),
        TEST_WITH_BUFFER("reply_json: results without fields -> {}", test_empty_results),
        TEST_WITH_BUFFER("reply_json: history -> all three fields always there", test_history),
        TEST_WITH_BUFFER("reply_json: presence and stats -> always there", test_presence),
        TEST_WITH_BUFFER("reply_json: rpc, refresh, sub_refresh -> exact bytes",
                         test_rpc_and_refresh),
        TEST_WITH_BUFFER("reply_json: publication -> zero fields left out", test_publication),
        TEST_WITH_BUFFER("reply_json: publication push -> one line", test_push_publication),
        TEST_WITH_BUFFER("reply_json: channel with a number -> the number alone",
                         test_push_by_number),
        TEST_WITH_BUFFER("reply_json: join and leave pushes -> info", test_push_info),
        TEST_WITH_BUFFER("reply_json: subscribe and unsubscribe pushes -> exact bytes",
                         test_push_subscription),
        TEST_WITH_BUFFER("reply_json: message, disconnect, refresh pushes -> no channel",
                         test_push_connection),
        TEST_WITH_BUFFER("reply_json: publication push -> one reservation", test_one_reservation),
        TEST("reply_json: buffer full at any byte -> failure", test_full_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
