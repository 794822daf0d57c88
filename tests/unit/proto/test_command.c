#include "command.h"

#include "json.h"
#include "proto_test.h"

/* A command decoded from an exact copy of its text; free with fixture_fini. */
struct fixture {
    struct hf_arena arena;
    struct hf_slice text;
    struct hf_command command;
    struct hf_command_error error;
    enum hf_command_status status;
};

static void fixture_decode(struct fixture *fixture, const char *text)
{
    memset(fixture, 0, sizeof(*fixture));
    /* Leftovers of an earlier command must not show through. */
    memset(&fixture->command, 0xa5, sizeof(fixture->command));
    hf_arena_init(&fixture->arena, 0);
    fixture->text = exact_copy(hf_slice_of(text));
    fixture->status =
        hf_command_decode_json(fixture->text, &fixture->arena, &fixture->command, &fixture->error);
}

static void fixture_fini(struct fixture *fixture)
{
    hf_arena_fini(&fixture->arena);
    free((char *)fixture->text.data);
}

/* Decodes a command that must be of the kind. */
static const union hf_request *expect(struct fixture *fixture, const char *text,
                                      enum hf_command_kind kind)
{
    fixture_decode(fixture, text);
    if (fixture->status != HF_COMMAND_OK || fixture->command.kind != kind) {
        fail_msg("%s: status %d, kind %s, %s", text, (int)fixture->status,
                 fixture->status == HF_COMMAND_OK ? hf_command_kind_name(fixture->command.kind)
                                                  : "unknown",
                 fixture->error.reason);
    }
    return &fixture->command.request;
}

static void check_kind(const char *text, enum hf_command_kind kind)
{
    struct fixture fixture;
    expect(&fixture, text, kind);
    fixture_fini(&fixture);
}

/* ---- each request ---- */

static void test_connect(void **state)
{
    (void)state;
    struct fixture fixture;
    const struct hf_connect_request *request =
        &expect(&fixture,
                "{\"id\":1,\"connect\":{\"token\":\"eyJ\",\"data\":{\"a\": 1.0},\"name\":\"js\","
                "\"version\":\"5.7\",\"flag\":3,\"dict\":\"d\",\"profile\":\"p\","
                "\"headers\":{\"X-A\":\"1\",\"x-\\u0062\":\"\\n\"},"
                "\"subs\":{\"chat:main\":{\"recover\":true,\"epoch\":\"abc\",\"offset\":42},"
                "\"b\":{},\"skipped\":null,\"\\u0063\":{\"delta\":\"fossil\"}}}}",
                HF_COMMAND_CONNECT)
             ->connect;
    assert_int_equal(fixture.command.id, 1);
    assert_slice_equal(request->token, "eyJ");
    assert_slice_equal(request->data, "{\"a\": 1.0}");
    assert_slice_equal(request->name, "js");
    assert_slice_equal(request->version, "5.7");
    assert_int_equal(request->flag, 3);
    assert_slice_equal(request->dict, "d");
    assert_slice_equal(request->profile, "p");
    assert_int_equal(request->headers_count, 2);
    assert_slice_equal(request->headers[0].name, "X-A");
    assert_slice_equal(request->headers[0].value, "1");
    assert_slice_equal(request->headers[1].name, "x-b");
    assert_slice_equal(request->headers[1].value, "\n");
    assert_int_equal(request->subs_count, 3);
    assert_slice_equal(request->subs[0].channel, "chat:main");
    assert_true(request->subs[0].request.recover);
    assert_slice_equal(request->subs[0].request.epoch, "abc");
    assert_int_equal(request->subs[0].request.offset, 42);
    assert_slice_equal(request->subs[1].channel, "b");
    assert_false(request->subs[1].request.recover);
    assert_slice_equal(request->subs[2].channel, "c");
    assert_slice_equal(request->subs[2].request.delta, "fossil");
    fixture_fini(&fixture);
}

static void test_connect_empty(void **state)
{
    (void)state;
    struct fixture fixture;
    const struct hf_connect_request *request =
        &expect(&fixture, "{\"connect\":{},\"id\":1}", HF_COMMAND_CONNECT)->connect;
    static const struct hf_connect_request nothing;
    assert_memory_equal(request, &nothing, sizeof(nothing));
    fixture_fini(&fixture);
}

static void test_connect_many_subs(void **state)
{
    (void)state;
    struct hf_buffer text;
    hf_buffer_init(&text, 0);
    HF_BUFFER_APPEND_LITERAL(&text, "{\"id\":1,\"connect\":{\"subs\":{");
    for (uint64_t i = 0; i < 1000; i++) {
        hf_buffer_append_slice(&text, i == 0 ? HF_SLICE("\"") : HF_SLICE(",\""));
        hf_buffer_append_u64(&text, i);
        HF_BUFFER_APPEND_LITERAL(&text, "\":{\"offset\":");
        hf_buffer_append_u64(&text, i * i);
        hf_buffer_append_char(&text, '}');
    }
    hf_buffer_append(&text, "}}}", 4); /* with its NUL */
    struct fixture fixture;
    const struct hf_connect_request *request =
        &expect(&fixture, text.data, HF_COMMAND_CONNECT)->connect;
    assert_int_equal(request->subs_count, 1000);
    for (uint64_t i = 0; i < 1000; i++) {
        char name[8];
        snprintf(name, sizeof(name), "%u", (unsigned)i);
        assert_slice_equal(request->subs[i].channel, name);
        assert_int_equal(request->subs[i].request.offset, i * i);
    }
    fixture_fini(&fixture);
    hf_buffer_fini(&text);
}

static void test_subscribe(void **state)
{
    (void)state;
    struct fixture fixture;
    const struct hf_subscribe_request *request =
        &expect(&fixture,
                "{\"id\":4294967295,\"subscribe\":{\"channel\":\"chat:main\",\"token\":\"t\","
                "\"recover\":true,\"epoch\":\"xyz\",\"offset\":18446744073709551615,"
                "\"data\":[1, 2],\"positioned\":true,\"recoverable\":true,\"join_leave\":true,"
                "\"delta\":\"fossil\",\"flag\":3,\"type\":-1,\"phase\":1,\"cursor\":\"\","
                "\"limit\":0,\"asc\":true}}",
                HF_COMMAND_SUBSCRIBE)
             ->subscribe;
    assert_int_equal(fixture.command.id, UINT32_MAX);
    assert_slice_equal(request->channel, "chat:main");
    assert_slice_equal(request->token, "t");
    assert_true(request->recover);
    assert_slice_equal(request->epoch, "xyz");
    assert_true(request->offset == UINT64_MAX);
    assert_slice_equal(request->data, "[1, 2]");
    assert_true(request->positioned);
    assert_true(request->recoverable);
    assert_true(request->join_leave);
    assert_slice_equal(request->delta, "fossil");
    assert_int_equal(request->flag,
                     HF_SUBSCRIBE_FLAG_COMPACTION | HF_SUBSCRIBE_FLAG_REJECT_UNRECOVERED);
    assert_int_equal(request->type, -1);
    assert_null(request->tf);
    assert_int_equal(fixture.arena.total, 0); /* no memory beside the frame */
    fixture_fini(&fixture);
}

static void test_filter(void **state)
{
    (void)state;
    struct fixture fixture;
    const struct hf_filter_node *tf =
        expect(&fixture,
               "{\"id\":1,\"subscribe\":{\"channel\":\"a\",\"tf\":{\"op\":\"and\",\"nodes\":["
               "{\"key\":\"k\",\"cmp\":\"eq\",\"val\":\"v\"},"
               "{\"op\":\"not\",\"nodes\":[{\"key\":\"z\",\"cmp\":\"ex\"}]},"
               "{\"cmp\":\"in\",\"key\":\"y\",\"vals\":[\"1\",\"2\",\"\\u0033\"]}]}}}",
               HF_COMMAND_SUBSCRIBE)
            ->subscribe.tf;
    assert_non_null(tf);
    assert_slice_equal(tf->op, "and");
    assert_int_equal(tf->nodes_count, 3);
    assert_slice_equal(tf->nodes[0].key, "k");
    assert_slice_equal(tf->nodes[0].cmp, "eq");
    assert_slice_equal(tf->nodes[0].val, "v");
    assert_int_equal(tf->nodes[1].nodes_count, 1);
    assert_slice_equal(tf->nodes[1].nodes[0].key, "z");
    assert_int_equal(tf->nodes[2].vals_count, 3);
    assert_slice_equal(tf->nodes[2].vals[0], "1");
    assert_slice_equal(tf->nodes[2].vals[2], "3");
    fixture_fini(&fixture);
}

/* Nested as deep as the reader lets it, and deeper. */
static void test_filter_depth(void **state)
{
    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        struct hf_buffer text;
        hf_buffer_init(&text, 0);
        HF_BUFFER_APPEND_LITERAL(&text, "{\"id\":1,\"subscribe\":{\"tf\":");
        int levels = HF_JSON_MAX_DEPTH / 2 - 1 + extra; /* each is an object in an array */
        for (int i = 0; i < levels; i++) {
            HF_BUFFER_APPEND_LITERAL(&text, "{\"nodes\":[");
        }
        for (int i = 0; i < levels; i++) {
            HF_BUFFER_APPEND_LITERAL(&text, "]}");
        }
        hf_buffer_append(&text, "}}", 3);
        struct fixture fixture;
        fixture_decode(&fixture, text.data);
        assert_int_equal(fixture.status, extra == 0 ? HF_COMMAND_OK : HF_COMMAND_MALFORMED);
        fixture_fini(&fixture);
        hf_buffer_fini(&text);
    }
}

static void test_publish(void **state)
{
    (void)state;
    struct fixture fixture;
    const struct hf_publish_request *request =
        &expect(&fixture,
                "{\"id\":7,\"publish\":{\"channel\":\"chat:\\u00e9\",\"data\": {\"a\":1.0} ,"
                "\"type\":1,\"key\":\"k\",\"removed\":true}}",
                HF_COMMAND_PUBLISH)
             ->publish;
    assert_slice_equal(request->channel, "chat:\xc3\xa9");
    assert_slice_equal(request->data, "{\"a\":1.0}");
    assert_int_equal(request->type, 1);
    assert_slice_equal(request->key, "k");
    assert_true(request->removed);
    fixture_fini(&fixture);
}

static void test_channel_requests(void **state)
{
    (void)state;
    struct fixture fixture;
    assert_slice_equal(
        expect(&fixture, "{\"id\":2,\"unsubscribe\":{\"channel\":\"u\"}}", HF_COMMAND_UNSUBSCRIBE)
            ->unsubscribe.channel,
        "u");
    fixture_fini(&fixture);
    assert_slice_equal(
        expect(&fixture, "{\"id\":2,\"presence\":{\"channel\":\"p\"}}", HF_COMMAND_PRESENCE)
            ->presence.channel,
        "p");
    fixture_fini(&fixture);
    assert_slice_equal(expect(&fixture, "{\"id\":2,\"presence_stats\":{\"channel\":\"s\"}}",
                              HF_COMMAND_PRESENCE_STATS)
                           ->presence_stats.channel,
                       "s");
    fixture_fini(&fixture);
}

static void test_history(void **state)
{
    (void)state;
    struct fixture fixture;
    const struct hf_history_request *request =
        &expect(&fixture,
                "{\"id\":2,\"history\":{\"channel\":\"h\",\"limit\":-1,\"reverse\":true,"
                "\"since\":{\"offset\":5,\"epoch\":\"e\"}}}",
                HF_COMMAND_HISTORY)
             ->history;
    assert_slice_equal(request->channel, "h");
    assert_int_equal(request->limit, -1);
    assert_true(request->reverse);
    assert_true(request->has_since);
    assert_int_equal(request->since.offset, 5);
    assert_slice_equal(request->since.epoch, "e");
    fixture_fini(&fixture);
    request = &expect(&fixture, "{\"id\":2,\"history\":{\"channel\":\"h\",\"since\":null}}",
                      HF_COMMAND_HISTORY)
                   ->history;
    assert_false(request->has_since);
    assert_int_equal(request->limit, 0);
    fixture_fini(&fixture);
}

static void test_other_requests(void **state)
{
    (void)state;
    struct fixture fixture;
    const union hf_request *request =
        expect(&fixture, "{\"id\":2,\"rpc\":{\"method\":\"m\",\"data\":\"d\"}}", HF_COMMAND_RPC);
    assert_slice_equal(request->rpc.method, "m");
    assert_slice_equal(request->rpc.data, "\"d\"");
    fixture_fini(&fixture);
    request = expect(&fixture, "{\"send\":{\"data\":[]}}", HF_COMMAND_SEND);
    assert_int_equal(fixture.command.id, 0);
    assert_slice_equal(request->send.data, "[]");
    fixture_fini(&fixture);
    request = expect(&fixture, "{\"id\":2,\"refresh\":{\"token\":\"t\"}}", HF_COMMAND_REFRESH);
    assert_slice_equal(request->refresh.token, "t");
    fixture_fini(&fixture);
    request = expect(&fixture,
                     "{\"id\":2,\"sub_refresh\":{\"channel\":\"c\",\"token\":\"t\",\"type\":0,"
                     "\"track\":[],\"untrack\":[]}}",
                     HF_COMMAND_SUB_REFRESH);
    assert_slice_equal(request->sub_refresh.channel, "c");
    assert_slice_equal(request->sub_refresh.token, "t");
    fixture_fini(&fixture);
    check_kind("{\"id\":2,\"ping\":{}}", HF_COMMAND_PING);
    check_kind("{\"id\":2,\"ping\":{\"x\":1}}", HF_COMMAND_PING);
}

/* ---- which command it is ---- */

static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum hf_command_kind kind;
    } cases[] = {
        {"{}", HF_COMMAND_PONG},
        {" { } \r", HF_COMMAND_PONG},
        {"{\"id\":0}", HF_COMMAND_PONG},
        {"{\"id\":null}", HF_COMMAND_PONG},
        {"{\"connect\":{}}", HF_COMMAND_PONG},
        {"{\"id\":0,\"publish\":{\"channel\":\"a\",\"data\":1}}", HF_COMMAND_PONG},
        {"{\"unknown\":{}}", HF_COMMAND_PONG},
        {"{\"send\":null}", HF_COMMAND_PONG},
        {"{\"send\":{}}", HF_COMMAND_SEND},
        {"{\"id\":3,\"send\":{}}", HF_COMMAND_SEND},
        {"{\"send\":{},\"refresh\":{}}", HF_COMMAND_SEND},
        {"{\"send\":{},\"connect\":{}}", HF_COMMAND_NONE}, /* connect comes first, but has no id */
        {"{\"id\":3}", HF_COMMAND_NONE},
        {"{\"id\":3,\"unknown\":{}}", HF_COMMAND_NONE},
        {"{\"id\":3,\"subscribe\":null}", HF_COMMAND_NONE},
        {"{\"ID\":3,\"Connect\":{}}", HF_COMMAND_CONNECT},
        {"{\"id\":3,\"\\u0063onnect\":{}}", HF_COMMAND_CONNECT},
        {"{\"id\":1,\"id\":3,\"rpc\":{}}", HF_COMMAND_RPC},
        {"{\"id\":3,\"id\":null,\"rpc\":{}}", HF_COMMAND_RPC},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_kind(cases[i].text, cases[i].kind);
    }
}

static void test_order(void **state)
{
    (void)state;
    static const char *const names[] = {
        "connect",        "ping",    "subscribe", "unsubscribe", "publish", "presence",
        "presence_stats", "history", "rpc",       "send",        "refresh", "sub_refresh",
    };
    for (size_t first = 0; first < COUNT(names); first++) {
        assert_string_equal(hf_command_kind_name((enum hf_command_kind)(first + 1)), names[first]);
        for (size_t second = first + 1; second < COUNT(names); second++) {
            char text[100];
            enum hf_command_kind kind = (enum hf_command_kind)(HF_COMMAND_CONNECT + first);
            snprintf(text, sizeof(text), "{\"id\":1,\"%s\":{},\"%s\":{}}", names[first],
                     names[second]);
            check_kind(text, kind);
            snprintf(text, sizeof(text), "{\"id\":1,\"%s\":{},\"%s\":{}}", names[second],
                     names[first]);
            check_kind(text, kind);
        }
    }
    assert_string_equal(hf_command_kind_name(HF_COMMAND_NONE), "none");
    assert_string_equal(hf_command_kind_name(HF_COMMAND_PONG), "pong");
}

static void test_outranked_request(void **state)
{
    (void)state;
    struct fixture fixture;
    const union hf_request *request = expect(
        &fixture,
        "{\"id\":1,\"subscribe\":{\"channel\":\"a\"},\"publish\":{\"channel\":\"b\",\"data\":1}}",
        HF_COMMAND_SUBSCRIBE);
    assert_slice_equal(request->subscribe.channel, "a");
    fixture_fini(&fixture);
    request = expect(
        &fixture,
        "{\"id\":1,\"publish\":{\"channel\":\"b\",\"data\":1},\"subscribe\":{\"channel\":\"a\"}}",
        HF_COMMAND_SUBSCRIBE);
    assert_slice_equal(request->subscribe.channel, "a");
    assert_int_equal(request->subscribe.data.len, 0);
    fixture_fini(&fixture);
    request = expect(
        &fixture,
        "{\"id\":1,\"publish\":{\"channel\":\"a\",\"key\":\"k\"},\"publish\":{\"channel\":\"b\"}}",
        HF_COMMAND_PUBLISH);
    assert_slice_equal(request->publish.channel, "b"); /* of equals the last counts, alone */
    assert_int_equal(request->publish.key.len, 0);
    fixture_fini(&fixture);
    /* It is not executed, but still must be right. */
    fixture_decode(&fixture, "{\"id\":1,\"subscribe\":{},\"publish\":{\"channel\":5}}");
    assert_int_equal(fixture.status, HF_COMMAND_MALFORMED);
    fixture_fini(&fixture);
}

static void test_lenient_fields(void **state)
{
    (void)state;
    struct fixture fixture;
    const struct hf_publish_request *publish =
        &expect(&fixture,
                "{\"id\":1,\"x\":[{\"channel\":1}],\"publish\":{\"CHANNEL\":\"a\",\"key\":null,"
                "\"removed\":null,\"type\":null,\"what\":{\"data\":2},\"data\":null}}",
                HF_COMMAND_PUBLISH)
             ->publish;
    assert_slice_equal(publish->channel, "a");
    assert_slice_equal(publish->data, "null"); /* null is a payload like any other */
    assert_int_equal(publish->key.len, 0);
    assert_false(publish->removed);
    fixture_fini(&fixture);
    const struct hf_subscribe_request *subscribe =
        &expect(&fixture,
                "{\"id\":1,\"subscribe\":{\"channel\":\"a\",\"channel\":\"b\",\"tf\":null,"
                "\"offset\":null}}",
                HF_COMMAND_SUBSCRIBE)
             ->subscribe;
    assert_slice_equal(subscribe->channel, "b");
    assert_null(subscribe->tf);
    fixture_fini(&fixture);
    const struct hf_connect_request *connect =
        &expect(&fixture,
                "{\"id\":1,\"connect\":{\"subs\":{\"a\":{}},\"subs\":{\"b\":{}},\"headers\":null}}",
                HF_COMMAND_CONNECT)
             ->connect;
    assert_int_equal(connect->subs_count, 1);
    assert_slice_equal(connect->subs[0].channel, "b");
    fixture_fini(&fixture);
}

/* ---- errors ---- */

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t offset;
        const char *reason;
    } cases[] = {
        {"", 0, "object expected"},
        {"x", 0, "object expected"},
        {"[]", 0, "object expected"},
        {"null", 0, "object expected"},
        {"{}{}", 2, "bytes after the value"},
        {"{\"id\":1} x", 9, "bytes after the value"},
        {"{\"id\":1", 7, "comma or closing bracket expected"},
        {"{\"id\":-1}", 8, "number out of range"},
        {"{\"id\":4294967296}", 16, "number out of range"},
        {"{\"id\":1.0}", 7, "integer expected"},
        {"{\"id\":\"1\"}", 6, "number expected"},
        {"{\"id\":1,\"connect\":1}", 18, "object expected"},
        {"{\"id\":1,\"connect\":{\"token\":1}}", 27, "string expected"},
        {"{\"id\":1,\"connect\":{\"subs\":[]}}", 26, "object expected"},
        {"{\"id\":1,\"connect\":{\"subs\":{\"a\":1}}}", 31, "object expected"},
        {"{\"id\":1,\"connect\":{\"headers\":{\"a\":1}}}", 34, "string expected"},
        {"{\"id\":1,\"subscribe\":{\"channel\":{}}}", 31, "string expected"},
        {"{\"id\":1,\"subscribe\":{\"recover\":1}}", 31, "true or false expected"},
        {"{\"id\":1,\"subscribe\":{\"offset\":-1}}", 32, "number out of range"},
        {"{\"id\":1,\"subscribe\":{\"tf\":[]}}", 26, "object expected"},
        {"{\"id\":1,\"subscribe\":{\"tf\":{\"vals\":[1]}}}", 35, "string expected"},
        {"{\"id\":1,\"subscribe\":{\"tf\":{\"nodes\":[null]}}}", 36, "object expected"},
        {"{\"id\":1,\"publish\":{\"channel\":\"\\ud800\"}}", 30, "lone surrogate in text"},
        {"{\"id\":1,\"publish\":{\"channel\":\"\xff\"}}", 30, "invalid UTF-8"},
        {"{\"id\":1,\"publish\":{\"data\":\"\xff\"}}", 27, "invalid UTF-8"},
        {"{\"id\":1,\"publish\":{\"data\":{\"a\":01}}}", 32, "comma or closing bracket expected"},
        {"{\"id\":1,\"unknown\":{\"a\":\"\x01\"}}", 24, "control character in string"},
        {"{\"id\":1,\"history\":{\"since\":1}}", 27, "object expected"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture fixture;
        fixture_decode(&fixture, cases[i].text);
        if (fixture.status != HF_COMMAND_MALFORMED || !fixture.error.reason ||
            strcmp(fixture.error.reason, cases[i].reason) != 0 ||
            fixture.error.offset != cases[i].offset) {
            fail_msg("%s: status %d, %s at %zu", cases[i].text, (int)fixture.status,
                     fixture.error.reason, fixture.error.offset);
        }
        assert_int_equal(
            hf_command_decode_json(fixture.text, &fixture.arena, &fixture.command, NULL),
            HF_COMMAND_MALFORMED);
        fixture_fini(&fixture);
    }
}

static void test_cut(void **state)
{
    (void)state;
    static const char text[] =
        "{\"id\":1,\"connect\":{\"token\":\"e\\u0041\",\"data\":{\"a\":[1.5e3,true,null]},"
        "\"subs\":{\"a\":{\"offset\":12,\"tf\":{\"vals\":[\"x\"],\"nodes\":[{}]}}}}}";
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        char cut[sizeof(text)];
        struct fixture fixture;
        memcpy(cut, text, len);
        cut[len] = '\0';
        fixture_decode(&fixture, cut);
        assert_int_equal(fixture.status, HF_COMMAND_MALFORMED);
        fixture_fini(&fixture);
    }
    check_kind(text, HF_COMMAND_CONNECT);
}

static void test_no_memory(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"id\":1,\"publish\":{\"channel\":\"0123456789abcdef0123456789abcdef\\n\"}}",
        "{\"id\":1,\"connect\":{\"subs\":{\"a\":{}}}}",
        "{\"id\":1,\"connect\":{\"headers\":{\"a\":\"b\",\"c\":\"d\"}}}",
        "{\"id\":1,\"subscribe\":{\"tf\":{}}}",
        "{\"id\":1,\"connect\":{\"subs\":{\"0123456789abcdef0123456789abcdef\\n\":{}}}}",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct hf_arena arena;
        struct hf_command command;
        struct hf_command_error error = {NULL, 0};
        hf_arena_init(&arena, 32);
        assert_int_equal(hf_command_decode_json(hf_slice_of(texts[i]), &arena, &command, &error),
                         HF_COMMAND_NO_MEMORY);
        assert_string_equal(error.reason, "out of memory");
        hf_arena_fini(&arena);
    }
}

/* ---- frames ---- */

static void test_frame(void **state)
{
    (void)state;
    static const char *const frames[] = {
        "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n{}",
        "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n{}\n",
    };
    for (size_t i = 0; i < COUNT(frames); i++) {
        struct hf_arena arena;
        struct hf_command command;
        struct hf_command_iterator iterator;
        struct hf_slice frame = exact_copy(hf_slice_of(frames[i]));
        hf_arena_init(&arena, 0);
        hf_command_iterator_init(&iterator, HF_ENCODING_JSON, frame, 65536);
        assert_int_equal(hf_command_iterator_next(&iterator, &arena, &command, NULL),
                         HF_COMMAND_OK);
        assert_int_equal(command.kind, HF_COMMAND_CONNECT);
        assert_int_equal(hf_command_iterator_next(&iterator, &arena, &command, NULL),
                         HF_COMMAND_OK);
        assert_int_equal(command.kind, HF_COMMAND_SUBSCRIBE);
        assert_slice_equal(command.request.subscribe.channel, "a");
        assert_int_equal(hf_command_iterator_next(&iterator, &arena, &command, NULL),
                         HF_COMMAND_OK);
        assert_int_equal(command.kind, HF_COMMAND_PONG);
        assert_int_equal(hf_command_iterator_next(&iterator, &arena, &command, NULL),
                         HF_COMMAND_END);
        assert_int_equal(hf_command_iterator_next(&iterator, &arena, &command, NULL),
                         HF_COMMAND_END);
        hf_arena_fini(&arena);
        free((char *)frame.data);
    }
}

static void test_bad_frames(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        unsigned good; /* messages before the error */
        enum hf_command_status status;
        size_t offset;
        const char *reason;
    } cases[] = {
        {"", 0, HF_COMMAND_MALFORMED, 0, "empty frame"},
        {"\n", 0, HF_COMMAND_MALFORMED, 0, "empty line"},
        {"\n{}", 0, HF_COMMAND_MALFORMED, 0, "empty line"},
        {"{}\n\n", 1, HF_COMMAND_MALFORMED, 3, "empty line"},
        {"{}\n\n{}", 1, HF_COMMAND_MALFORMED, 3, "empty line"},
        {"{}\n \n{}", 1, HF_COMMAND_MALFORMED, 4, "object expected"},
        {"{}\n{\"id\":x}", 1, HF_COMMAND_MALFORMED, 9, "number expected"},
        {"{\n}", 0, HF_COMMAND_MALFORMED, 1, "member name expected"},
        {"{}\n{\"id\":1234567}", 1, HF_COMMAND_TOO_LARGE, 3, "message over the size limit"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hf_arena arena;
        struct hf_command command;
        struct hf_command_error error = {NULL, 0};
        struct hf_command_iterator iterator;
        hf_arena_init(&arena, 0);
        hf_command_iterator_init(&iterator, HF_ENCODING_JSON, hf_slice_of(cases[i].frame), 12);
        for (unsigned message = 0; message < cases[i].good; message++) {
            assert_int_equal(hf_command_iterator_next(&iterator, &arena, &command, &error),
                             HF_COMMAND_OK);
        }
        assert_int_equal(hf_command_iterator_next(&iterator, &arena, &command, &error),
                         cases[i].status);
        assert_string_equal(error.reason, cases[i].reason);
        assert_int_equal(error.offset, cases[i].offset);
        hf_arena_fini(&arena);
    }
}

static void test_size_limit(void **state)
{
    (void)state;
    struct hf_command_iterator iterator;
    struct hf_slice message;
    hf_command_iterator_init(&iterator, HF_ENCODING_JSON, HF_SLICE("12345\n123456"), 5);
    assert_int_equal(hf_command_iterator_next_message(&iterator, &message, NULL), HF_COMMAND_OK);
    assert_slice_equal(message, "12345");
    assert_int_equal(hf_command_iterator_next_message(&iterator, &message, NULL),
                     HF_COMMAND_TOO_LARGE);
    hf_command_iterator_init(&iterator, HF_ENCODING_JSON, HF_SLICE("123456"), 0);
    assert_int_equal(hf_command_iterator_next_message(&iterator, &message, NULL), HF_COMMAND_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("command: connect with all fields -> decoded", test_connect),
        TEST("command: empty connect -> all fields absent", test_connect_empty),
        TEST("command: connect with 1000 subs -> all of them in order", test_connect_many_subs),
        TEST("command: subscribe with all fields -> decoded without memory", test_subscribe),
        TEST("command: tags filter -> tree", test_filter),
        TEST("command: tags filter too deep -> malformed", test_filter_depth),
        TEST("command: publish -> payload byte for byte", test_publish),
        TEST("command: unsubscribe, presence, presence_stats -> channel", test_channel_requests),
        TEST("command: history with and without position -> decoded", test_history),
        TEST("command: rpc, send, refresh, sub_refresh, ping -> decoded", test_other_requests),
        TEST("command: id and requests present or not -> pong, none or kind", test_kinds),
        TEST("command: two requests in any order -> the first in rank", test_order),
        TEST("command: outranked request -> checked, leaves no trace", test_outranked_request),
        TEST("command: null, unknown, duplicate, any case -> lenient", test_lenient_fields),
        TEST("command: malformed -> reason and offset", test_malformed),
        TEST("command: cut anywhere -> malformed", test_cut),
        TEST("command: arena exhausted -> no-memory status", test_no_memory),
        TEST("command: frame of several messages -> each, then the end", test_frame),
        TEST("command: empty lines and bad messages -> error at frame offset", test_bad_frames),
        TEST("command: message over the limit -> too large", test_size_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
