#include "client.pb-c.h"
#include "proto_test.h"
#include "reply.h"

/* Each message is compared with bytes by hand, or with what protobuf-c packs from the schema. */

static const struct hf_encoder *const encoder = &hf_encoder_protobuf;

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

static void expect_bytes(struct hf_buffer *buffer, struct hf_slice want)
{
    assert_false(hf_buffer_failed(buffer));
    assert_int_equal(buffer->len, want.len);
    if (want.len != 0) {
        assert_memory_equal(buffer->data, want.data, want.len);
    }
    hf_buffer_reset(buffer);
}

/* The buffer holds exactly the reply, after its length. */
static void expect(struct hf_buffer *buffer, const HfPb__Reply *reply)
{
    size_t len = hf_pb__reply__get_packed_size(reply);
    struct hf_buffer want;
    hf_buffer_init(&want, 0);
    size_t rest = len;
    while (rest >= 0x80) {
        hf_buffer_append_char(&want, (char)(0x80 | (rest & 0x7f)));
        rest >>= 7;
    }
    hf_buffer_append_char(&want, (char)rest);
    assert_true(hf_buffer_reserve(&want, len));
    hf_pb__reply__pack(reply, (uint8_t *)want.data + want.len);
    want.len += len;
    expect_bytes(buffer, hf_buffer_slice(&want));
    hf_buffer_fini(&want);
}

static ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static ProtobufCBinaryData bytes_of_slice(struct hf_slice slice)
{
    return (ProtobufCBinaryData){slice.len, (uint8_t *)(uintptr_t)slice.data};
}

/* ---- bytes by hand ---- */

static void test_by_hand(void **state)
{
    struct hf_buffer *buffer = *state;
    encoder->ping(buffer);
    expect_bytes(buffer, HF_SLICE("\x00"));
    encoder->publish(buffer, 3);
    expect_bytes(buffer, HF_SLICE("\x04\x08\x03\x42\x00"));
    encoder->unsubscribe(buffer, 300);
    expect_bytes(buffer, HF_SLICE("\x05\x08\xac\x02\x3a\x00"));
    encoder->error(buffer, 1, 107, HF_SLICE("no"), true);
    expect_bytes(buffer, HF_SLICE("\x0c\x08\x01\x12\x08\x08\x6b\x12\x02no\x18\x01"));
    /* push { channel "ch", pub { data 00 ff, offset 7 } } */
    struct hf_wire_publication publication = {.data = HF_SLICE("\x00\xff"), .offset = 7};
    encoder->push_publication(buffer, hf_push_channel(HF_SLICE("ch")), &publication);
    expect_bytes(buffer, HF_SLICE("\x0e\x22\x0c\x12\x02"
                                  "ch\x22\x06\x22\x02\x00\xff\x30\x07"));
    encoder->push_disconnect(buffer, 3000, HF_SLICE("x"));
    expect_bytes(buffer, HF_SLICE("\x0a\x22\x08\x5a\x06\x08\xb8\x17\x12\x01x"));
}

/* ---- replies ---- */

static void test_connect(void **state)
{
    struct hf_buffer *buffer = *state;
    const struct hf_connect_result_sub subs[] = {
        {.channel = HF_SLICE("a"), .result = {.recoverable = true, .epoch = HF_SLICE("e")}},
        {.channel = HF_SLICE("b")},
    };
    const struct hf_connect_result result = {
        .client = HF_SLICE("c1"),
        .version = HF_SLICE("0.1.0"),
        .expires = true,
        .ttl = 300,
        .data = HF_SLICE("{}"),
        .subs = subs,
        .subs_count = COUNT(subs),
        .ping = 25,
        .pong = true,
        .session = HF_SLICE("s"),
        .node = HF_SLICE("n"),
        .time = INT64_C(1763714901000),
    };
    encoder->connect(buffer, 1, &result);
    HfPb__SubscribeResult first = HF_PB__SUBSCRIBE_RESULT__INIT;
    HfPb__SubscribeResult second = HF_PB__SUBSCRIBE_RESULT__INIT;
    HfPb__SubscribeResultEntry a = HF_PB__SUBSCRIBE_RESULT_ENTRY__INIT;
    HfPb__SubscribeResultEntry b = HF_PB__SUBSCRIBE_RESULT_ENTRY__INIT;
    HfPb__SubscribeResultEntry *entries[] = {&a, &b};
    HfPb__ConnectResult connect = HF_PB__CONNECT_RESULT__INIT;
    HfPb__Reply reply = HF_PB__REPLY__INIT;
    first.recoverable = true;
    first.epoch = bytes_of("e");
    a.key = bytes_of("a");
    a.value = &first;
    b.key = bytes_of("b");
    b.value = &second;
    connect.client = bytes_of("c1");
    connect.version = bytes_of("0.1.0");
    connect.expires = true;
    connect.ttl = 300;
    connect.data = bytes_of("{}");
    connect.n_subs = COUNT(entries);
    connect.subs = entries;
    connect.ping = 25;
    connect.pong = true;
    connect.session = bytes_of("s");
    connect.node = bytes_of("n");
    connect.time = INT64_C(1763714901000);
    reply.id = 1;
    reply.connect = &connect;
    expect(buffer, &reply);
}

/* Two publications in a list, as the schema has them. */
static void list_of_two(struct hf_buffer *list, HfPb__Publication publications[2])
{
    const struct hf_wire_publication first = {.data = HF_SLICE("\x01\x00"), .offset = 1};
    const struct hf_wire_publication second = {.data = HF_SLICE("2"), .offset = 300};
    encoder->publication_list_add(list, &first);
    encoder->publication_list_add(list, &second);
    hf_pb__publication__init(&publications[0]);
    hf_pb__publication__init(&publications[1]);
    publications[0].data = bytes_of_slice(first.data);
    publications[0].offset = 1;
    publications[1].data = bytes_of("2");
    publications[1].offset = 300;
}

static void test_subscribe(void **state)
{
    struct hf_buffer *buffer = *state;
    struct hf_buffer list;
    HfPb__Publication publications[2];
    HfPb__Publication *items[] = {&publications[0], &publications[1]};
    hf_buffer_init(&list, 0);
    list_of_two(&list, publications);
    const struct hf_subscribe_reply result = {
        .expires = true,
        .ttl = 60,
        .recoverable = true,
        .positioned = true,
        .recovered = true,
        .was_recovering = true,
        .delta = true,
        .epoch = HF_SLICE("e"),
        .offset = UINT64_MAX,
        .data = HF_SLICE("[]"),
        .publications_raw = hf_buffer_slice(&list),
    };
    encoder->subscribe(buffer, 2, &result);
    HfPb__SubscribeResult subscribe = HF_PB__SUBSCRIBE_RESULT__INIT;
    HfPb__Reply reply = HF_PB__REPLY__INIT;
    subscribe.expires = true;
    subscribe.ttl = 60;
    subscribe.recoverable = true;
    subscribe.positioned = true;
    subscribe.recovered = true;
    subscribe.was_recovering = true;
    subscribe.delta = true;
    subscribe.epoch = bytes_of("e");
    subscribe.offset = UINT64_MAX;
    subscribe.data = bytes_of("[]");
    subscribe.n_publications = COUNT(items);
    subscribe.publications = items;
    reply.id = 2;
    reply.subscribe = &subscribe;
    expect(buffer, &reply);
    hf_buffer_fini(&list);

    const struct hf_subscribe_reply nothing = {0};
    encoder->subscribe(buffer, 2, &nothing);
    expect_bytes(buffer, HF_SLICE("\x04\x08\x02\x32\x00"));
}

static void test_history(void **state)
{
    struct hf_buffer *buffer = *state;
    struct hf_buffer list;
    HfPb__Publication publications[2];
    HfPb__Publication *items[] = {&publications[0], &publications[1]};
    HfPb__HistoryResult history = HF_PB__HISTORY_RESULT__INIT;
    HfPb__Reply reply = HF_PB__REPLY__INIT;
    hf_buffer_init(&list, 0);
    list_of_two(&list, publications);
    struct hf_history_result result = {
        .publications_raw = hf_buffer_slice(&list), .epoch = HF_SLICE("e"), .offset = 300};
    encoder->history(buffer, 3, &result);
    history.n_publications = COUNT(items);
    history.publications = items;
    history.epoch = bytes_of("e");
    history.offset = 300;
    reply.id = 3;
    reply.history = &history;
    expect(buffer, &reply);
    hf_buffer_fini(&list);
}

static void test_presence(void **state)
{
    struct hf_buffer *buffer = *state;
    const struct hf_client_info info = {.user = HF_SLICE("u"), .client = HF_SLICE("c1")};
    const struct hf_presence_entry entries[] = {
        {.client = HF_SLICE("c1"), .info = &info},
        {.client = HF_SLICE("c2"),
         .info_raw = HF_SLICE("{\"user\":\"\\u0075\",\"client\":\"c2\",\"conn_info\":{\"a\":1}}")},
    };
    encoder->presence(buffer, 4, entries, COUNT(entries));
    HfPb__ClientInfo infos[] = {HF_PB__CLIENT_INFO__INIT, HF_PB__CLIENT_INFO__INIT};
    HfPb__ClientInfoEntry wants[] = {HF_PB__CLIENT_INFO_ENTRY__INIT,
                                     HF_PB__CLIENT_INFO_ENTRY__INIT};
    HfPb__ClientInfoEntry *items[] = {&wants[0], &wants[1]};
    HfPb__PresenceResult presence = HF_PB__PRESENCE_RESULT__INIT;
    HfPb__Reply reply = HF_PB__REPLY__INIT;
    infos[0].user = infos[1].user = bytes_of("u");
    infos[0].client = wants[0].key = bytes_of("c1");
    infos[1].client = wants[1].key = bytes_of("c2");
    infos[1].conn_info = bytes_of("{\"a\":1}");
    wants[0].value = &infos[0];
    wants[1].value = &infos[1];
    presence.n_presence = COUNT(items);
    presence.presence = items;
    reply.id = 4;
    reply.presence = &presence;
    expect(buffer, &reply);
    encoder->presence(buffer, 4, NULL, 0);
    expect_bytes(buffer, HF_SLICE("\x04\x08\x04\x4a\x00"));
}

static void test_small_replies(void **state)
{
    struct hf_buffer *buffer = *state;
    encoder->presence_stats(buffer, 1, 300, 2);
    expect_bytes(buffer, HF_SLICE("\x09\x08\x01\x52\x05\x08\xac\x02\x10\x02"));
    encoder->rpc(buffer, 1, HF_SLICE("\x00z"));
    expect_bytes(buffer, HF_SLICE("\x08\x08\x01\x6a\x04\x0a\x02\x00z"));
    encoder->refresh(buffer, 1, true, 60);
    expect_bytes(buffer, HF_SLICE("\x08\x08\x01\x72\x04\x18\x01\x20\x3c"));
    encoder->sub_refresh(buffer, 1, true, 60);
    expect_bytes(buffer, HF_SLICE("\x08\x08\x01\x7a\x04\x08\x01\x10\x3c"));
}

/* ---- pushes ---- */

static void test_push_publication(void **state)
{
    struct hf_buffer *buffer = *state;
    const struct hf_wire_publication publication = {
        .data = HF_SLICE("{\"n\":1}"),
        .info_raw = HF_SLICE("{\"user\":\"\\ud83d\\ude00\",\"client\":\"c\",\"other\":[1],"
                             "\"conn_info\": null ,\"chan_info\":{\"x\": 2}}"),
        .tags = HF_SLICE(" { \"a\" : \"1\" , \"\\u0062\":\"\\n\", \"\":\"\" } "),
        .channel = HF_SLICE("other"),
        .key = HF_SLICE("k"),
        .epoch = HF_SLICE("e"),
        .offset = 5,
        .version = 77,
        .data_is_text = true, /* makes no difference here */
        .delta = true,
    };
    encoder->push_publication(buffer, hf_push_channel(HF_SLICE("chat:main")), &publication);
    HfPb__ClientInfo info = HF_PB__CLIENT_INFO__INIT;
    HfPb__TextEntry tags[] = {HF_PB__TEXT_ENTRY__INIT, HF_PB__TEXT_ENTRY__INIT,
                              HF_PB__TEXT_ENTRY__INIT};
    HfPb__TextEntry *items[] = {&tags[0], &tags[1], &tags[2]};
    HfPb__Publication pub = HF_PB__PUBLICATION__INIT;
    HfPb__Push push = HF_PB__PUSH__INIT;
    HfPb__Reply reply = HF_PB__REPLY__INIT;
    info.user = bytes_of("\xf0\x9f\x98\x80");
    info.client = bytes_of("c");
    info.conn_info = bytes_of("null");
    info.chan_info = bytes_of("{\"x\": 2}");
    tags[0].key = bytes_of("a");
    tags[0].value = bytes_of("1");
    tags[1].key = bytes_of("b");
    tags[1].value = bytes_of("\n");
    pub.data = bytes_of("{\"n\":1}");
    pub.info = &info;
    pub.offset = 5;
    pub.n_tags = COUNT(items);
    pub.tags = items;
    pub.delta = true;
    pub.channel = bytes_of("other");
    pub.key = bytes_of("k");
    pub.epoch = bytes_of("e");
    pub.version = 77;
    push.channel = bytes_of("chat:main");
    push.pub = &pub;
    reply.push = &push;
    expect(buffer, &reply);
}

static void test_what_cannot_be_said(void **state)
{
    struct hf_buffer *buffer = *state;
    const struct hf_wire_publication publication = {
        .data = HF_SLICE("1"),
        .info_raw = HF_SLICE("{\"user\":5,\"client\":\"\\ud800\",\"chan_info\":1}"),
        .tags = HF_SLICE("{\"a\":1,\"b\":\"\\ud800\",\"c\":{\"d\":\"e\"},\"f\":\"g\"}"),
    };
    encoder->push_publication(buffer, hf_push_channel(HF_SLICE("c")), &publication);
    HfPb__ClientInfo info = HF_PB__CLIENT_INFO__INIT;
    HfPb__TextEntry tag = HF_PB__TEXT_ENTRY__INIT;
    HfPb__TextEntry *items[] = {&tag};
    HfPb__Publication pub = HF_PB__PUBLICATION__INIT;
    HfPb__Push push = HF_PB__PUSH__INIT;
    HfPb__Reply reply = HF_PB__REPLY__INIT;
    info.chan_info = bytes_of("1");
    tag.key = bytes_of("f");
    tag.value = bytes_of("g");
    pub.data = bytes_of("1");
    pub.info = &info;
    pub.n_tags = 1;
    pub.tags = items;
    push.channel = bytes_of("c");
    push.pub = &pub;
    reply.push = &push;
    expect(buffer, &reply);
}

/* Around the sizes where a length takes one byte more, with and without parts whose size is only
 * guessed. */
static void test_sizes(void **state)
{
    struct hf_buffer *buffer = *state;
    static char data[17000];
    static const struct {
        size_t from;
        size_t to;
    } ranges[] = {{0, 300}, {16200, 16500}};
    memset(data, 'x', sizeof(data));
    for (size_t range = 0; range < COUNT(ranges); range++) {
        for (size_t len = ranges[range].from; len < ranges[range].to; len++) {
            for (int with_info = 0; with_info < 2; with_info++) {
                struct hf_wire_publication publication = {.data = hf_slice(data, len), .offset = 9};
                HfPb__ClientInfo info = HF_PB__CLIENT_INFO__INIT;
                HfPb__Publication pub = HF_PB__PUBLICATION__INIT;
                HfPb__Push push = HF_PB__PUSH__INIT;
                HfPb__Reply reply = HF_PB__REPLY__INIT;
                if (with_info) {
                    publication.info_raw = HF_SLICE("{\"user\":\"u\",\"client\":\"12345\"}");
                    info.user = bytes_of("u");
                    info.client = bytes_of("12345");
                    pub.info = &info;
                }
                encoder->push_publication(buffer, hf_push_channel(HF_SLICE("channel")),
                                          &publication);
                pub.data = bytes_of_slice(publication.data);
                pub.offset = 9;
                push.channel = bytes_of("channel");
                push.pub = &pub;
                reply.push = &push;
                expect(buffer, &reply);
            }
        }
    }
}

static void test_other_pushes(void **state)
{
    struct hf_buffer *buffer = *state;
    const struct hf_client_info info = {.user = HF_SLICE("u"), .client = HF_SLICE("c")};
    encoder->push_join(buffer, hf_push_channel(HF_SLICE("ch")), &info, hf_slice(NULL, 0));
    expect_bytes(buffer, HF_SLICE("\x10\x22\x0e\x12\x02"
                                  "ch\x2a\x08\x0a\x06\x0a\x01u\x12\x01"
                                  "c"));
    encoder->push_leave(buffer, hf_push_channel(HF_SLICE("ch")), NULL,
                        HF_SLICE("{\"user\":\"u\",\"client\":\"c\"}"));
    expect_bytes(buffer, HF_SLICE("\x10\x22\x0e\x12\x02"
                                  "ch\x32\x08\x0a\x06\x0a\x01u\x12\x01"
                                  "c"));
    encoder->push_leave(buffer, (struct hf_push_channel){.name = HF_SLICE("ch"), .id = 300}, &info,
                        hf_slice(NULL, 0));
    expect_bytes(buffer, HF_SLICE("\x0f\x22\x0d\x08\xac\x02\x32\x08\x0a\x06\x0a\x01u\x12\x01"
                                  "c"));
    encoder->push_unsubscribe(buffer, HF_SLICE("ch"), 2500, HF_SLICE("r"));
    expect_bytes(buffer, HF_SLICE("\x0e\x22\x0c\x12\x02"
                                  "ch\x3a\x06\x10\xc4\x13\x1a\x01r"));
    encoder->push_message(buffer, HF_SLICE("m"));
    expect_bytes(buffer, HF_SLICE("\x07\x22\x05\x42\x03\x0a\x01m"));
    const struct hf_subscribe_push subscribe = {.recoverable = true,
                                                .positioned = true,
                                                .epoch = HF_SLICE("e"),
                                                .offset = 3,
                                                .data = HF_SLICE("d")};
    encoder->push_subscribe(buffer, HF_SLICE("ch"), &subscribe);
    expect_bytes(buffer, HF_SLICE("\x14\x22\x12\x12\x02"
                                  "ch\x4a\x0c\x08\x01\x22\x01"
                                  "e\x28\x03\x30\x01\x3a\x01"
                                  "d"));
    encoder->push_refresh(buffer, true, 60);
    expect_bytes(buffer, HF_SLICE("\x08\x22\x06\x62\x04\x08\x01\x10\x3c"));
}

/* ---- frames, failure ---- */

static void test_separate(void **state)
{
    struct hf_buffer *buffer = *state;
    for (int i = 0; i < 2; i++) {
        hf_reply_separate(encoder, buffer);
        encoder->publish(buffer, 1);
    }
    expect_bytes(buffer, HF_SLICE("\x04\x08\x01\x42\x00\x04\x08\x01\x42\x00"));
}

static void test_full_buffer(void **state)
{
    (void)state;
    const struct hf_wire_publication publication = {
        .data = HF_SLICE("some data"),
        .info_raw = HF_SLICE("{\"user\":\"u\",\"client\":\"c\"}"),
        .tags = HF_SLICE("{\"a\":\"b\"}"),
        .offset = 5,
    };
    bool has_fitted = false;
    for (size_t max = 1; max < 400; max++) {
        struct hf_buffer small;
        hf_buffer_init(&small, max);
        encoder->push_publication(&small, hf_push_channel(HF_SLICE("channel")), &publication);
        has_fitted = has_fitted || !hf_buffer_failed(&small);
        assert_true(small.len <= max);
        hf_buffer_fini(&small);
    }
    assert_true(has_fitted);
}

#define REPLY_TEST(name, function)                                                                 \
    {                                                                                              \
        name, function, setup, teardown, NULL                                                      \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        REPLY_TEST("messages -> the bytes written by hand", test_by_hand),
        REPLY_TEST("connect: all fields -> as packed from the schema", test_connect),
        REPLY_TEST("subscribe: all fields, or none -> as packed", test_subscribe),
        REPLY_TEST("history: the same list -> under its own number", test_history),
        REPLY_TEST("presence: struct and JSON infos -> map entries", test_presence),
        REPLY_TEST("other replies -> the bytes written by hand", test_small_replies),
        REPLY_TEST("publication: all fields, JSON info and tags -> as packed",
                   test_push_publication),
        REPLY_TEST("publication: members that are no text -> left out", test_what_cannot_be_said),
        REPLY_TEST("publication: every size around longer lengths -> as packed", test_sizes),
        REPLY_TEST("other pushes -> the bytes written by hand", test_other_pushes),
        REPLY_TEST("several messages in a frame -> one after another", test_separate),
        REPLY_TEST("buffer too small -> failed, nothing beyond it", test_full_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
