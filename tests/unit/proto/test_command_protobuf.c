#include "command.h"

#include "client.pb-c.h"
#include "proto_test.h"
#include "protobuf_scan.h"

/* Commands are packed by protobuf-c from the schema, or given as bytes. */

struct fixture {
    struct hf_arena arena;
    struct hf_slice message; /* exact copy */
    struct hf_command command;
    struct hf_command_error error;
    enum hf_command_status status;
};

static void fixture_decode(struct fixture *fixture, struct hf_slice message, size_t arena_limit)
{
    memset(fixture, 0, sizeof(*fixture));
    memset(&fixture->command, 0xa5, sizeof(fixture->command));
    hf_arena_init(&fixture->arena, arena_limit);
    fixture->message = exact_copy(message);
    fixture->status = hf_command_decode_protobuf(fixture->message, &fixture->arena,
                                                 &fixture->command, &fixture->error);
}

static void fixture_fini(struct fixture *fixture)
{
    hf_arena_fini(&fixture->arena);
    free((char *)fixture->message.data);
}

static const union hf_request *expect(struct fixture *fixture, const HfPb__Command *command,
                                      enum hf_command_kind kind)
{
    size_t len = hf_pb__command__get_packed_size(command);
    uint8_t *packed = malloc(len + 1);
    assert_non_null(packed);
    hf_pb__command__pack(command, packed);
    fixture_decode(fixture, hf_slice((const char *)packed, len), 0);
    free(packed);
    assert_int_equal(fixture->status, HF_COMMAND_OK);
    assert_int_equal(fixture->command.kind, kind);
    assert_int_equal(fixture->command.id, command->id);
    return &fixture->command.request;
}

static void check_status(struct hf_slice message, enum hf_command_status status, const char *reason)
{
    struct fixture fixture;
    fixture_decode(&fixture, message, 0);
    assert_int_equal(fixture.status, status);
    assert_string_equal(fixture.error.reason, reason);
    fixture_fini(&fixture);
}

static ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

/* ---- each request ---- */

static void test_connect(void **state)
{
    (void)state;
    struct fixture fixture;
    HfPb__SubscribeRequest chat = HF_PB__SUBSCRIBE_REQUEST__INIT;
    chat.recover = true;
    chat.epoch = bytes_of("abc");
    chat.offset = UINT64_MAX;
    HfPb__SubscribeRequestEntry with_value = HF_PB__SUBSCRIBE_REQUEST_ENTRY__INIT;
    with_value.key = bytes_of("chat:main");
    with_value.value = &chat;
    HfPb__SubscribeRequestEntry without = HF_PB__SUBSCRIBE_REQUEST_ENTRY__INIT;
    without.key = bytes_of("b");
    HfPb__SubscribeRequestEntry *subs[] = {&with_value, &without};
    HfPb__TextEntry header = HF_PB__TEXT_ENTRY__INIT;
    header.key = bytes_of("X-A");
    header.value = bytes_of("1");
    HfPb__TextEntry *headers[] = {&header};
    HfPb__ConnectRequest connect = HF_PB__CONNECT_REQUEST__INIT;
    connect.token = bytes_of("eyJ");
    connect.data = (ProtobufCBinaryData){3, (uint8_t *)"\0\xff\n"};
    connect.n_subs = COUNT(subs);
    connect.subs = subs;
    connect.name = bytes_of("js");
    connect.version = bytes_of("5.7");
    connect.n_headers = COUNT(headers);
    connect.headers = headers;
    connect.flag = INT64_MIN;
    connect.dict = bytes_of("d");
    connect.profile = bytes_of("p");
    HfPb__Command command = HF_PB__COMMAND__INIT;
    command.id = 4294967295;
    command.connect = &connect;
    const struct hf_connect_request *request =
        &expect(&fixture, &command, HF_COMMAND_CONNECT)->connect;
    assert_slice_equal(request->token, "eyJ");
    assert_true(hf_slice_equal(request->data, hf_slice("\0\xff\n", 3)));
    assert_slice_equal(request->name, "js");
    assert_slice_equal(request->version, "5.7");
    assert_true(request->flag == INT64_MIN);
    assert_slice_equal(request->dict, "d");
    assert_slice_equal(request->profile, "p");
    assert_int_equal(request->headers_count, 1);
    assert_slice_equal(request->headers[0].name, "X-A");
    assert_slice_equal(request->headers[0].value, "1");
    assert_int_equal(request->subs_count, 2);
    assert_slice_equal(request->subs[0].channel, "chat:main");
    assert_true(request->subs[0].request.recover);
    assert_slice_equal(request->subs[0].request.epoch, "abc");
    assert_true(request->subs[0].request.offset == UINT64_MAX);
    assert_slice_equal(request->subs[1].channel, "b");
    assert_false(request->subs[1].request.recover);
    fixture_fini(&fixture);
}

static void test_subscribe(void **state)
{
    (void)state;
    struct fixture fixture;
    HfPb__FilterNode leaf = HF_PB__FILTER_NODE__INIT;
    ProtobufCBinaryData vals[] = {bytes_of("a"), bytes_of("")};
    leaf.key = bytes_of("k");
    leaf.cmp = bytes_of("in");
    leaf.n_vals = COUNT(vals);
    leaf.vals = vals;
    HfPb__FilterNode *nodes[] = {&leaf, &leaf};
    HfPb__FilterNode root = HF_PB__FILTER_NODE__INIT;
    root.op = bytes_of("and");
    root.val = bytes_of("v");
    root.n_nodes = COUNT(nodes);
    root.nodes = nodes;
    HfPb__SubscribeRequest subscribe = HF_PB__SUBSCRIBE_REQUEST__INIT;
    subscribe.channel = bytes_of("chat:\xc3\xa9");
    subscribe.token = bytes_of("t");
    subscribe.recover = true;
    subscribe.epoch = bytes_of("e");
    subscribe.offset = 300;
    subscribe.data = bytes_of("{}");
    subscribe.positioned = true;
    subscribe.recoverable = true;
    subscribe.join_leave = true;
    subscribe.delta = bytes_of("fossil");
    subscribe.tf = &root;
    subscribe.flag = 3;
    subscribe.type = -1;
    HfPb__Command command = HF_PB__COMMAND__INIT;
    command.id = 2;
    command.subscribe = &subscribe;
    const struct hf_subscribe_request *request =
        &expect(&fixture, &command, HF_COMMAND_SUBSCRIBE)->subscribe;
    assert_slice_equal(request->channel, "chat:\xc3\xa9");
    assert_slice_equal(request->token, "t");
    assert_slice_equal(request->epoch, "e");
    assert_int_equal(request->offset, 300);
    assert_slice_equal(request->data, "{}");
    assert_true(request->recover && request->positioned && request->recoverable);
    assert_true(request->join_leave);
    assert_slice_equal(request->delta, "fossil");
    assert_int_equal(request->flag, 3);
    assert_int_equal(request->type, -1);
    assert_slice_equal(request->tf->op, "and");
    assert_slice_equal(request->tf->val, "v");
    assert_int_equal(request->tf->nodes_count, 2);
    assert_slice_equal(request->tf->nodes[1].key, "k");
    assert_slice_equal(request->tf->nodes[1].cmp, "in");
    assert_int_equal(request->tf->nodes[1].vals_count, 2);
    assert_slice_equal(request->tf->nodes[1].vals[0], "a");
    assert_slice_equal(request->tf->nodes[1].vals[1], "");
    fixture_fini(&fixture);
}

static void test_publish(void **state)
{
    (void)state;
    struct fixture fixture;
    /* id 5, publish { channel "ab", data 00 ff 0a, type 1, key "k", removed } */
    fixture_decode(&fixture,
                   HF_SLICE("\x08\x05\x3a\x10\x0a\x02"
                            "ab\x12\x03\x00\xff\x0a\x18\x01\x22\x01k\x28\x01"),
                   0);
    assert_int_equal(fixture.status, HF_COMMAND_OK);
    assert_int_equal(fixture.command.kind, HF_COMMAND_PUBLISH);
    assert_int_equal(fixture.command.id, 5);
    const struct hf_publish_request *request = &fixture.command.request.publish;
    assert_slice_equal(request->channel, "ab");
    assert_true(hf_slice_equal(request->data, hf_slice("\0\xff\n", 3)));
    assert_int_equal(request->type, 1);
    assert_slice_equal(request->key, "k");
    assert_true(request->removed);
    fixture_fini(&fixture);
}

static void test_history(void **state)
{
    (void)state;
    struct fixture fixture;
    HfPb__StreamPosition since = HF_PB__STREAM_POSITION__INIT;
    HfPb__HistoryRequest history = HF_PB__HISTORY_REQUEST__INIT;
    HfPb__Command command = HF_PB__COMMAND__INIT;
    command.id = 6;
    command.history = &history;
    history.channel = bytes_of("c");
    history.limit = -1;
    const struct hf_history_request *request =
        &expect(&fixture, &command, HF_COMMAND_HISTORY)->history;
    assert_slice_equal(request->channel, "c");
    assert_int_equal(request->limit, -1);
    assert_false(request->has_since);
    fixture_fini(&fixture);
    history.since = &since;
    history.reverse = true;
    since.offset = 12;
    since.epoch = bytes_of("e");
    request = &expect(&fixture, &command, HF_COMMAND_HISTORY)->history;
    assert_true(request->has_since && request->reverse);
    assert_int_equal(request->since.offset, 12);
    assert_slice_equal(request->since.epoch, "e");
    fixture_fini(&fixture);
}

static void test_small_requests(void **state)
{
    (void)state;
    struct fixture fixture;
    HfPb__ChannelRequest channel = HF_PB__CHANNEL_REQUEST__INIT;
    channel.channel = bytes_of("c");
    HfPb__Command command = HF_PB__COMMAND__INIT;
    command.id = 1;
    command.unsubscribe = &channel;
    assert_slice_equal(expect(&fixture, &command, HF_COMMAND_UNSUBSCRIBE)->unsubscribe.channel,
                       "c");
    fixture_fini(&fixture);
    command.unsubscribe = NULL;
    command.presence = &channel;
    assert_slice_equal(expect(&fixture, &command, HF_COMMAND_PRESENCE)->presence.channel, "c");
    fixture_fini(&fixture);
    command.presence = NULL;
    command.presence_stats = &channel;
    assert_slice_equal(
        expect(&fixture, &command, HF_COMMAND_PRESENCE_STATS)->presence_stats.channel, "c");
    fixture_fini(&fixture);
    command.presence_stats = NULL;
    HfPb__RpcRequest rpc = HF_PB__RPC_REQUEST__INIT;
    rpc.method = bytes_of("m");
    rpc.data = bytes_of("1");
    command.rpc = &rpc;
    const union hf_request *request = expect(&fixture, &command, HF_COMMAND_RPC);
    assert_slice_equal(request->rpc.method, "m");
    assert_slice_equal(request->rpc.data, "1");
    fixture_fini(&fixture);
    command.rpc = NULL;
    HfPb__RefreshRequest refresh = HF_PB__REFRESH_REQUEST__INIT;
    refresh.token = bytes_of("t");
    command.refresh = &refresh;
    assert_slice_equal(expect(&fixture, &command, HF_COMMAND_REFRESH)->refresh.token, "t");
    fixture_fini(&fixture);
    command.refresh = NULL;
    HfPb__SubRefreshRequest sub_refresh = HF_PB__SUB_REFRESH_REQUEST__INIT;
    sub_refresh.channel = bytes_of("c");
    sub_refresh.token = bytes_of("t");
    sub_refresh.type = 1;
    command.sub_refresh = &sub_refresh;
    request = expect(&fixture, &command, HF_COMMAND_SUB_REFRESH);
    assert_slice_equal(request->sub_refresh.channel, "c");
    assert_slice_equal(request->sub_refresh.token, "t");
    assert_int_equal(request->sub_refresh.type, 1);
    fixture_fini(&fixture);
}

static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        struct hf_slice message;
        enum hf_command_kind kind;
    } cases[] = {
        {{"", 0}, HF_COMMAND_PONG},
        {HF_SLICE("\x3a\x00"), HF_COMMAND_PONG},                    /* publish without id */
        {HF_SLICE("\x08\x01"), HF_COMMAND_NONE},                    /* id alone */
        {HF_SLICE("\x08\x01\x5a\x00"), HF_COMMAND_PING},            /* ping */
        {HF_SLICE("\x62\x00"), HF_COMMAND_SEND},                    /* send needs no id */
        {HF_SLICE("\x3a\x00\x62\x00"), HF_COMMAND_NONE},            /* publish, send, no id */
        {HF_SLICE("\x08\x01\x62\x00\x3a\x00"), HF_COMMAND_PUBLISH}, /* publish outranks send */
        {HF_SLICE("\x08\x01\x3a\x00\x22\x00"), HF_COMMAND_CONNECT}, /* connect outranks all */
        {HF_SLICE("\x08\x01\xa2\x06\x03"
                  "abc\x32\x00"),
         HF_COMMAND_UNSUBSCRIBE}, /* field 100 is unknown */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture fixture;
        fixture_decode(&fixture, cases[i].message, 0);
        assert_int_equal(fixture.status, HF_COMMAND_OK);
        assert_int_equal(fixture.command.kind, cases[i].kind);
        fixture_fini(&fixture);
    }
}

/* ---- hostile input ---- */

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        struct hf_slice message;
        const char *reason;
    } cases[] = {
        {HF_SLICE("\x08"), "not a field's value"},
        {HF_SLICE("\x80"), "not a field's tag"},
        {HF_SLICE("\x00\x01"), "not a field's tag"},                 /* field number 0 */
        {HF_SLICE("\xff\xff\xff\xff\x7f\x01"), "not a field's tag"}, /* over 32 bits */
        {HF_SLICE("\x0b\x0c"), "not a field's value"},               /* a group */
        {HF_SLICE("\x0d\x01\x02\x03"), "not a field's value"},       /* 3 of 4 bytes */
        {HF_SLICE("\x09\x01\x02\x03"), "not a field's value"},       /* 3 of 8 bytes */
        {HF_SLICE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "not a field's value"},
        {HF_SLICE("\x3a\x05\x0a\x02"), "a field is cut short"},
        {HF_SLICE("\x3a\x03\x0a\x02x"), "a field is cut short"}, /* inside */
        {HF_SLICE("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "a field is cut short"},
        {HF_SLICE("\x0a\x00"), "a field is of another type"}, /* id as bytes */
        {HF_SLICE("\x3a\x00\x3a\x00"), "a field comes twice"},
        {HF_SLICE("\x08\x01\x3a\x04\x0a\x02\xc3("), "a text is not UTF-8"}, /* channel */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_status(cases[i].message, HF_COMMAND_MALFORMED, cases[i].reason);
    }
}

/* A subscribe whose filter nests, `levels` messages in all. */
static struct hf_slice nested(char *out, size_t size, unsigned levels)
{
    size_t at = size;
    for (unsigned level = levels; level > 1; level--) {
        size_t len = size - at;
        /* command.subscribe (5), subscribe.tf (13), node.nodes (6) */
        unsigned number = level == 2 ? 5 : level == 3 ? 13 : 6;
        if (len >= 0x80) {
            out[--at] = (char)(len >> 7);
            out[--at] = (char)(0x80 | (len & 0x7f));
        } else {
            out[--at] = (char)len;
        }
        out[--at] = (char)(number << 3 | 2);
    }
    return hf_slice(out + at, size - at);
}

static void test_depth(void **state)
{
    (void)state;
    char message[1024];
    struct fixture fixture;
    fixture_decode(&fixture, nested(message, sizeof(message), HF_PROTOBUF_MAX_DEPTH), 0);
    assert_int_equal(fixture.status, HF_COMMAND_OK);
    fixture_fini(&fixture);
    check_status(nested(message, sizeof(message), HF_PROTOBUF_MAX_DEPTH + 1), HF_COMMAND_MALFORMED,
                 "nested too deep");
}

/* A connect with so many unknown fields; +1 for the connect itself. */
static void test_fields(void **state)
{
    (void)state;
    enum { FIELDS = HF_PROTOBUF_MAX_FIELDS, HEAD = 4 };
    static char message[HEAD + 2 * FIELDS];
    struct fixture fixture;
    size_t len = 2 * (FIELDS - 1);
    message[0] = 0x22;
    message[1] = (char)(0x80 | (len & 0x7f));
    message[2] = (char)(len >> 7);
    for (size_t i = 0; i < FIELDS - 1; i++) {
        message[3 + 2 * i] = 0x62; /* field 12 */
        message[4 + 2 * i] = 0x00;
    }
    fixture_decode(&fixture, hf_slice(message, 3 + len), 0);
    assert_int_equal(fixture.status, HF_COMMAND_OK);
    /* What the limit is for: memory in proportion. */
    assert_true(fixture.arena.total < 64 * (3 + len));
    fixture_fini(&fixture);
    message[3 + len] = 0x08;
    message[4 + len] = 0x01;
    check_status(hf_slice(message, 3 + len + 2), HF_COMMAND_TOO_LARGE, "too many fields");
}

static void test_no_memory(void **state)
{
    (void)state;
    struct fixture fixture;
    char message[4096] = "\x3a\xfd\x1f\x12\xfa\x1f"; /* publish { data: 4090 bytes } */
    for (size_t limit = 64; limit <= 4096; limit *= 2) {
        fixture_decode(&fixture, hf_slice(message, sizeof(message)), limit);
        assert_int_equal(fixture.status, HF_COMMAND_NO_MEMORY);
        assert_string_equal(fixture.error.reason, "out of memory");
        fixture_fini(&fixture);
    }
}

static void test_every_prefix(void **state)
{
    (void)state;
    static const char message[] = "\x08\x01\x2a\x15\x0a\x02"
                                  "ab\x18\x01\x32\x01"
                                  "e\x38\xac\x02\x6a\x07\x32\x05\x1a\x03"
                                  "abc";
    for (size_t len = 0; len < sizeof(message); len++) {
        struct fixture fixture;
        fixture_decode(&fixture, hf_slice(message, len), 0);
        bool is_whole = len == 0 || len == 2 || len == sizeof(message) - 1;
        assert_int_equal(fixture.status, is_whole ? HF_COMMAND_OK : HF_COMMAND_MALFORMED);
        fixture_fini(&fixture);
    }
}

/* ---- frames ---- */

static void test_frames(void **state)
{
    (void)state;
    static const struct {
        struct hf_slice frame;
        unsigned good;
        enum hf_command_status end;
    } cases[] = {
        {{"", 0}, 0, HF_COMMAND_MALFORMED},
        {HF_SLICE("\x00"), 1, HF_COMMAND_END}, /* pong */
        {HF_SLICE("\x00\x02\x08\x01\x00"), 3, HF_COMMAND_END},
        {HF_SLICE("\x02\x08"), 0, HF_COMMAND_MALFORMED},
        {HF_SLICE("\x00\x80"), 1, HF_COMMAND_MALFORMED},
        {HF_SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 0, HF_COMMAND_MALFORMED},
        {HF_SLICE("\x80\x00"), 1, HF_COMMAND_END},   /* 0 in two bytes */
        {HF_SLICE("\x09"), 0, HF_COMMAND_TOO_LARGE}, /* judged before the body is there */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hf_slice frame = exact_copy(cases[i].frame);
        struct hf_command_iterator iterator;
        struct hf_command_error error = {0};
        struct hf_command command;
        struct hf_arena arena;
        hf_arena_init(&arena, 0);
        hf_command_iterator_init(&iterator, HF_ENCODING_PROTOBUF, frame, 8);
        for (unsigned message = 0; message < cases[i].good; message++) {
            assert_int_equal(hf_command_iterator_next(&iterator, &arena, &command, &error),
                             HF_COMMAND_OK);
        }
        assert_int_equal(hf_command_iterator_next(&iterator, &arena, &command, &error),
                         cases[i].end);
        hf_arena_fini(&arena);
        free((char *)frame.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("connect: all fields -> taken, data any bytes", test_connect),
        TEST("subscribe: all fields with a filter -> taken", test_subscribe),
        TEST("publish: bytes by hand -> taken", test_publish),
        TEST("history: with and without since -> told apart", test_history),
        TEST("other requests -> taken", test_small_requests),
        TEST("several or no requests, no id -> the right kind", test_kinds),
        TEST("malformed messages -> malformed with the reason", test_malformed),
        TEST("nesting: at the limit -> taken, beyond -> malformed", test_depth),
        TEST("fields: at the limit -> taken in bounded memory, beyond -> too large", test_fields),
        TEST("arena exhausted -> no memory", test_no_memory),
        TEST("every prefix of a command -> malformed unless whole", test_every_prefix),
        TEST("frames: lengths -> messages, cut short -> malformed", test_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
