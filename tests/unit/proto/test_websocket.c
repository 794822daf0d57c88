#include "websocket.h"

#include "proto_test.h"

static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};

/* Appends a masked client frame. first: the frame's first byte. */
static void add_frame(struct hf_buffer *stream, unsigned first, struct hf_slice payload)
{
    unsigned char header[HF_WEBSOCKET_CLIENT_HEADER_MAX] = {(unsigned char)first};
    size_t len = 2;
    if (payload.len < 126) {
        header[1] = (unsigned char)(0x80 | payload.len);
    } else if (payload.len <= 0xffff) {
        header[1] = 0x80 | 126;
        header[2] = (unsigned char)(payload.len >> 8);
        header[3] = (unsigned char)payload.len;
        len = 4;
    } else {
        header[1] = 0x80 | 127;
        for (size_t i = 0; i < 8; i++) {
            header[2 + i] = (unsigned char)((uint64_t)payload.len >> (56 - 8 * i));
        }
        len = 10;
    }
    memcpy(header + len, mask, sizeof(mask));
    hf_buffer_append(stream, header, len + sizeof(mask));
    for (size_t i = 0; i < payload.len; i++) {
        hf_buffer_append_char(stream, (char)((unsigned char)payload.data[i] ^ mask[i % 4]));
    }
    assert_false(hf_buffer_failed(stream));
}

/* ---- single frames ---- */

static void test_rfc_example(void **state)
{
    (void)state;
    /* RFC 6455, section 5.7: a single-frame masked text message */
    char bytes[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    struct hf_websocket_frame frame;
    assert_int_equal(hf_websocket_parse(bytes, sizeof(bytes) - 1, 100, false, &frame),
                     HF_WEBSOCKET_FRAME);
    assert_true(frame.fin);
    assert_int_equal(frame.opcode, HF_WEBSOCKET_TEXT);
    assert_int_equal(frame.total_len, sizeof(bytes) - 1);
    assert_slice_equal(hf_slice(frame.payload, frame.payload_len), "Hello");
}

static void test_lengths(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 7, 8, 9, 125, 126, 127, 65535, 65536, 100000};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        char *payload = malloc(lengths[i] + 1);
        assert_non_null(payload);
        for (size_t j = 0; j < lengths[i]; j++) {
            payload[j] = (char)(j % 253);
        }
        struct hf_buffer stream;
        hf_buffer_init(&stream, 0);
        add_frame(&stream, 0x82, hf_slice(payload, lengths[i]));
        struct hf_slice copy = exact_copy(hf_buffer_slice(&stream));
        struct hf_websocket_frame frame;
        assert_int_equal(hf_websocket_parse((char *)copy.data, copy.len, lengths[i], false, &frame),
                         HF_WEBSOCKET_FRAME);
        assert_int_equal(frame.opcode, HF_WEBSOCKET_BINARY);
        assert_int_equal(frame.total_len, stream.len);
        assert_true(hf_slice_equal(hf_slice(frame.payload, frame.payload_len),
                                   hf_slice(payload, lengths[i])));
        free((char *)copy.data);
        hf_buffer_fini(&stream);
        free(payload);
    }
}

/* Every cut asks for more, changes no byte, and never promises less than it needs. */
static void test_cut(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 5, 125, 126, 300, 65536};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        char *payload = calloc(1, lengths[i] + 1);
        assert_non_null(payload);
        struct hf_buffer stream;
        hf_buffer_init(&stream, 0);
        add_frame(&stream, 0x81, hf_slice(payload, lengths[i]));
        size_t step = stream.len > 1000 ? 997 : 1;
        for (size_t len = 0; len < stream.len; len += len < 20 ? 1 : step) {
            struct hf_slice copy = exact_copy(hf_slice(stream.data, len));
            struct hf_websocket_frame frame;
            assert_int_equal(hf_websocket_parse((char *)copy.data, len, 100000, false, &frame),
                             HF_WEBSOCKET_NEED_MORE);
            assert_true(frame.total_len > len && frame.total_len <= stream.len);
            assert_true(hf_slice_equal(copy, hf_slice(stream.data, len)));
            free((char *)copy.data);
        }
        hf_buffer_fini(&stream);
        free(payload);
    }
}

static void test_protocol_errors(void **state)
{
    (void)state;
    static const struct {
        struct hf_slice bytes; /* as short as the error can be seen */
        uint16_t close_code;
        const char *reason;
    } cases[] = {
        {HF_SLICE("\x81\x05"), 1002, "frame is not masked"},
        {HF_SLICE("\xc1\x80"), 1002, "reserved bit set"},
        {HF_SLICE("\xa1\x80"), 1002, "reserved bit set"},
        {HF_SLICE("\x91\x80"), 1002, "reserved bit set"},
        {HF_SLICE("\x83\x80"), 1002, "unknown opcode"},
        {HF_SLICE("\x87\x80"), 1002, "unknown opcode"},
        {HF_SLICE("\x8b\x80"), 1002, "unknown opcode"},
        {HF_SLICE("\x8f\x80"), 1002, "unknown opcode"},
        {HF_SLICE("\x08\x80"), 1002, "control frame in fragments"},
        {HF_SLICE("\x09\x80"), 1002, "control frame in fragments"},
        {HF_SLICE("\x0a\x80"), 1002, "control frame in fragments"},
        {HF_SLICE("\x88\xfe"), 1002, "control frame over 125 bytes"},
        {HF_SLICE("\x89\xff"), 1002, "control frame over 125 bytes"},
        {HF_SLICE("\x81\xfe\x00\x7d"), 1002, "payload length not in its shortest form"},
        {HF_SLICE("\x81\xff\0\0\0\0\0\0\xff\xff"), 1002, "payload length not in its shortest form"},
        {HF_SLICE("\x81\xff\x80\0\0\0\0\x01\0\0"), 1002, "payload length with its top bit set"},
        {HF_SLICE("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff"), 1009, "message over the size limit"},
        {HF_SLICE("\x81\xfe\x03\xe9"), 1009, "message over the size limit"}, /* 1001 bytes */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hf_slice copy = exact_copy(cases[i].bytes);
        struct hf_websocket_frame frame;
        assert_int_equal(hf_websocket_parse((char *)copy.data, copy.len, 1000, false, &frame),
                         HF_WEBSOCKET_ERROR);
        assert_int_equal(frame.close_code, cases[i].close_code);
        assert_string_equal(frame.reason, cases[i].reason);
        free((char *)copy.data);
    }
    char huge[] = "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff";
    struct hf_websocket_frame frame;
    assert_int_equal(hf_websocket_parse(huge, 10, SIZE_MAX / 2, false, &frame),
                     HF_WEBSOCKET_NEED_MORE);
    assert_true(frame.total_len == (size_t)INT64_MAX + HF_WEBSOCKET_CLIENT_HEADER_MAX);
}

/* The payload limit is for data: a control frame may come when little room is left. */
static void test_control_has_no_limit(void **state)
{
    (void)state;
    struct hf_buffer stream;
    hf_buffer_init(&stream, 0);
    add_frame(&stream, 0x89, HF_SLICE("ping payload"));
    struct hf_websocket_frame frame;
    assert_int_equal(hf_websocket_parse(stream.data, stream.len, 1, false, &frame),
                     HF_WEBSOCKET_FRAME);
    assert_int_equal(frame.opcode, HF_WEBSOCKET_PING);
    hf_buffer_fini(&stream);
}

static void test_unmask(void **state)
{
    (void)state;
    char plain[40];
    for (size_t i = 0; i < sizeof(plain); i++) {
        plain[i] = (char)(i * 7);
    }
    for (size_t from = 0; from < 8; from++) {
        for (size_t len = 0; len + from <= sizeof(plain); len++) {
            for (size_t phase = 0; phase < 4; phase++) {
                char data[sizeof(plain)];
                memcpy(data, plain, sizeof(plain));
                hf_websocket_unmask(data + from, len, mask, phase);
                for (size_t i = 0; i < sizeof(plain); i++) {
                    bool is_inside = i >= from && i < from + len;
                    unsigned char key = is_inside ? mask[(phase + i - from) % 4] : 0;
                    assert_int_equal((unsigned char)data[i], (unsigned char)plain[i] ^ key);
                }
            }
        }
    }
}

/* ---- messages ---- */

/* Reads the one thing that the stream must give next and drops its bytes from the stream. */
static void expect_read(struct hf_websocket_reader *reader, struct hf_buffer *stream,
                        enum hf_websocket_result result, enum hf_websocket_opcode opcode,
                        const char *payload)
{
    struct hf_websocket_message message;
    assert_int_equal(hf_websocket_read(reader, stream->data, stream->len, &message), result);
    if (result == HF_WEBSOCKET_MESSAGE || result == HF_WEBSOCKET_CONTROL) {
        assert_int_equal(message.opcode, opcode);
        assert_slice_equal(message.payload, payload);
    }
    assert_true(message.consumed > 0 && message.consumed <= stream->len);
    memmove(stream->data, stream->data + message.consumed, stream->len - message.consumed);
    hf_buffer_truncate(stream, stream->len - message.consumed);
}

static void test_messages(void **state)
{
    (void)state;
    struct hf_websocket_reader reader;
    struct hf_buffer stream;
    hf_websocket_reader_init(&reader, 100);
    hf_buffer_init(&stream, 0);
    add_frame(&stream, 0x81, HF_SLICE("{\"id\":1}"));
    add_frame(&stream, 0x82, HF_SLICE(""));
    add_frame(&stream, 0x8a, HF_SLICE("p"));
    add_frame(&stream, 0x88, HF_SLICE("\x03\xe8 bye"));
    expect_read(&reader, &stream, HF_WEBSOCKET_MESSAGE, HF_WEBSOCKET_TEXT, "{\"id\":1}");
    expect_read(&reader, &stream, HF_WEBSOCKET_MESSAGE, HF_WEBSOCKET_BINARY, "");
    expect_read(&reader, &stream, HF_WEBSOCKET_CONTROL, HF_WEBSOCKET_PONG, "p");
    expect_read(&reader, &stream, HF_WEBSOCKET_CONTROL, HF_WEBSOCKET_CLOSE, "\x03\xe8 bye");
    assert_int_equal(stream.len, 0);
    assert_null(reader.fragments.data); /* whole messages are never copied */
    hf_buffer_fini(&stream);
    hf_websocket_reader_fini(&reader);
}

static void test_fragments(void **state)
{
    (void)state;
    struct hf_websocket_reader reader;
    struct hf_buffer stream;
    hf_websocket_reader_init(&reader, 10);
    hf_buffer_init(&stream, 0);
    for (int round = 0; round < 2;
         round++) { /* exactly the limit each time: nothing is left over */
        add_frame(&stream, 0x01, HF_SLICE("01"));
        add_frame(&stream, 0x00, HF_SLICE("2345"));
        add_frame(&stream, 0x89, HF_SLICE("between the fragments"));
        add_frame(&stream, 0x00, HF_SLICE(""));
        add_frame(&stream, 0x80, HF_SLICE("6789"));
        expect_read(&reader, &stream, HF_WEBSOCKET_FRAME, 0, NULL);
        expect_read(&reader, &stream, HF_WEBSOCKET_FRAME, 0, NULL);
        expect_read(&reader, &stream, HF_WEBSOCKET_CONTROL, HF_WEBSOCKET_PING,
                    "between the fragments");
        expect_read(&reader, &stream, HF_WEBSOCKET_FRAME, 0, NULL);
        expect_read(&reader, &stream, HF_WEBSOCKET_MESSAGE, HF_WEBSOCKET_TEXT, "0123456789");
    }
    add_frame(&stream, 0x81, HF_SLICE("whole"));
    expect_read(&reader, &stream, HF_WEBSOCKET_MESSAGE, HF_WEBSOCKET_TEXT, "whole");
    assert_null(reader.fragments.data); /* the memory went with the message */
    add_frame(&stream, 0x02, HF_SLICE(""));
    add_frame(&stream, 0x80, HF_SLICE(""));
    expect_read(&reader, &stream, HF_WEBSOCKET_FRAME, 0, NULL);
    expect_read(&reader, &stream, HF_WEBSOCKET_MESSAGE, HF_WEBSOCKET_BINARY, "");
    hf_buffer_fini(&stream);
    hf_websocket_reader_fini(&reader);
}

/* A conversation that arrives byte by byte gives the same as one that arrives at once. */
static void test_byte_by_byte(void **state)
{
    (void)state;
    struct hf_websocket_reader reader;
    struct hf_buffer stream;
    struct hf_buffer arrived;
    struct hf_buffer log;
    char long_text[200];
    memset(long_text, 'x', sizeof(long_text));
    hf_websocket_reader_init(&reader, 1000);
    hf_buffer_init(&stream, 0);
    hf_buffer_init(&arrived, 0);
    hf_buffer_init(&log, 0);
    add_frame(&stream, 0x81, HF_SLICE("one"));
    add_frame(&stream, 0x01, HF_SLICE("tw"));
    add_frame(&stream, 0x89, HF_SLICE("ping"));
    add_frame(&stream, 0x80, HF_SLICE("o"));
    add_frame(&stream, 0x82, hf_slice(long_text, sizeof(long_text)));
    add_frame(&stream, 0x88, HF_SLICE(""));
    for (size_t i = 0; i < stream.len; i++) {
        struct hf_websocket_message message;
        hf_buffer_append_char(&arrived, stream.data[i]);
        enum hf_websocket_result result =
            hf_websocket_read(&reader, arrived.data, arrived.len, &message);
        if (result == HF_WEBSOCKET_NEED_MORE) {
            assert_int_equal(message.consumed, 0);
            assert_true(message.needed > arrived.len);
            continue;
        }
        assert_int_not_equal(result, HF_WEBSOCKET_ERROR);
        assert_int_equal(message.consumed, arrived.len);
        if (result != HF_WEBSOCKET_FRAME) {
            hf_buffer_append_u64(&log, message.opcode);
            hf_buffer_append_char(&log, ':');
            hf_buffer_append(&log, message.payload.data,
                             message.payload.len < 5 ? message.payload.len : 5);
            hf_buffer_append_char(&log, ' ');
        }
        hf_buffer_reset(&arrived);
    }
    assert_buffer_equal(&log, "1:one 9:ping 1:two 2:xxxxx 8: ");
    hf_buffer_fini(&log);
    hf_buffer_fini(&arrived);
    hf_buffer_fini(&stream);
    hf_websocket_reader_fini(&reader);
}

/* Reads frames until the last one, which must be refused. */
static void check_refused(const struct hf_slice *frames, size_t count, uint16_t close_code,
                          const char *reason)
{
    struct hf_websocket_reader reader;
    struct hf_websocket_message message;
    hf_websocket_reader_init(&reader, 10);
    for (size_t i = 0; i < count; i++) {
        struct hf_slice copy = exact_copy(frames[i]);
        enum hf_websocket_result result =
            hf_websocket_read(&reader, (char *)copy.data, copy.len, &message);
        assert_int_equal(result == HF_WEBSOCKET_ERROR, i == count - 1);
        free((char *)copy.data);
    }
    assert_int_equal(message.close_code, close_code);
    assert_string_equal(message.reason, reason);
    assert_int_equal(message.consumed, 0);
    hf_websocket_reader_fini(&reader);
}

#define NO_MASK "\0\0\0\0"

static void test_refused_messages(void **state)
{
    (void)state;
    static const struct hf_slice first = HF_SLICE("\x01\x85" NO_MASK "12345");
    const struct hf_slice lone[] = {HF_SLICE("\x80\x80" NO_MASK)};
    check_refused(lone, 1, 1002, "continuation of no message");
    const struct hf_slice lone_start[] = {HF_SLICE("\x00\x80")}; /* seen in the first two bytes */
    check_refused(lone_start, 1, 1002, "continuation of no message");
    const struct hf_slice nested[] = {first, HF_SLICE("\x81\x80" NO_MASK)};
    check_refused(nested, 2, 1002, "new message inside a fragmented one");
    const struct hf_slice nested_part[] = {first, HF_SLICE("\x02\x80" NO_MASK)};
    check_refused(nested_part, 2, 1002, "new message inside a fragmented one");
    const struct hf_slice large[] = {HF_SLICE("\x81\x8b")};
    check_refused(large, 1, 1009, "message over the size limit");
    const struct hf_slice sum[] = {first, HF_SLICE("\x00\x85" NO_MASK "67890"),
                                   HF_SLICE("\x80\x81")};
    check_refused(sum, 3, 1009, "message over the size limit");
    const struct hf_slice unmasked[] = {HF_SLICE("\x81\x01x")};
    check_refused(unmasked, 1, 1002, "frame is not masked");
}

static void test_no_memory(void **state)
{
    (void)state;
    struct hf_websocket_reader reader;
    struct hf_websocket_message message;
    char first[] = "\x01\x85" NO_MASK "12345";
    hf_websocket_reader_init(&reader, 10);
    reader.fragments.failed = true; /* as after an allocation that failed */
    assert_int_equal(hf_websocket_read(&reader, first, sizeof(first) - 1, &message),
                     HF_WEBSOCKET_ERROR);
    assert_int_equal(message.close_code, 1011);
    assert_string_equal(message.reason, "out of memory");
    hf_websocket_reader_fini(&reader);
}

/* ---- close ---- */

static void test_parse_close(void **state)
{
    (void)state;
    static const struct {
        struct hf_slice payload;
        uint16_t error;
        uint16_t code;
        const char *reason;
    } cases[] = {
        {HF_SLICE(""), 0, 1005, ""},
        {HF_SLICE("\x03\xe8"), 0, 1000, ""},
        {HF_SLICE("\x03\xe9going"), 0, 1001, "going"},
        {HF_SLICE("\x0b\xb8\xc3\xa9"), 0, 3000, "\xc3\xa9"},
        {HF_SLICE("\x03\xf6"), 0, 1014, ""},
        {HF_SLICE("\x13\x87"), 0, 4999, ""},
        {HF_SLICE("\x03"), 1002, 1005, ""},
        {HF_SLICE("\x03\xe7"), 1002, 1005, ""},     /* 999 */
        {HF_SLICE("\x03\xec"), 1002, 1005, ""},     /* 1004 */
        {HF_SLICE("\x03\xed"), 1002, 1005, ""},     /* 1005 */
        {HF_SLICE("\x03\xee"), 1002, 1005, ""},     /* 1006 */
        {HF_SLICE("\x03\xf7"), 1002, 1005, ""},     /* 1015 */
        {HF_SLICE("\x0b\xb7"), 1002, 1005, ""},     /* 2999 */
        {HF_SLICE("\x13\x88"), 1002, 1005, ""},     /* 5000 */
        {HF_SLICE("\x03\xe8\xff"), 1007, 1005, ""}, /* reason is no UTF-8 */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hf_slice copy = exact_copy(cases[i].payload);
        struct hf_websocket_close close;
        assert_int_equal(hf_websocket_parse_close(copy, &close), cases[i].error);
        assert_int_equal(close.code, cases[i].code);
        assert_slice_equal(close.reason, cases[i].reason);
        free((char *)copy.data);
    }
}

static void test_close_frame(void **state)
{
    (void)state;
    char out[HF_WEBSOCKET_CLOSE_FRAME_MAX];
    char reason[200];
    assert_int_equal(hf_websocket_close_frame(3501, HF_SLICE("bad request"), out), 15);
    assert_memory_equal(out,
                        "\x88\x0d\x0d\xad"
                        "bad request",
                        15);
    assert_int_equal(hf_websocket_close_frame(1000, hf_slice(NULL, 0), out), 4);
    assert_memory_equal(out, "\x88\x02\x03\xe8", 4);
    assert_int_equal(hf_websocket_close_frame(1005, HF_SLICE("ignored"), out), 2);
    assert_memory_equal(out, "\x88\x00", 2);
    memset(reason, 'r', sizeof(reason));
    assert_int_equal(hf_websocket_close_frame(1000, hf_slice(reason, 123), out), 127);
    assert_int_equal(hf_websocket_close_frame(1000, hf_slice(reason, 124), out), 127);
    assert_int_equal(out[1], 125);
    memcpy(reason + 121, "\xe2\x82\xac", 3); /* would be cut in its middle */
    assert_int_equal(hf_websocket_close_frame(1000, hf_slice(reason, 200), out), 125);
    assert_int_equal(out[1], 123);
}

/* ---- headers ---- */

static void test_header(void **state)
{
    (void)state;
    static const struct {
        enum hf_websocket_opcode opcode;
        uint64_t payload_len;
        struct hf_slice header;
    } cases[] = {
        {HF_WEBSOCKET_TEXT, 0, HF_SLICE("\x81\x00")},
        {HF_WEBSOCKET_TEXT, 125, HF_SLICE("\x81\x7d")},
        {HF_WEBSOCKET_BINARY, 126, HF_SLICE("\x82\x7e\x00\x7e")},
        {HF_WEBSOCKET_TEXT, 65535, HF_SLICE("\x81\x7e\xff\xff")},
        {HF_WEBSOCKET_TEXT, 65536, HF_SLICE("\x81\x7f\0\0\0\0\0\x01\0\0")},
        {HF_WEBSOCKET_PONG, 3, HF_SLICE("\x8a\x03")},
        {HF_WEBSOCKET_TEXT, 0x0123456789abcdef,
         HF_SLICE("\x81\x7f\x01\x23\x45\x67\x89\xab\xcd\xef")},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[HF_WEBSOCKET_SERVER_HEADER_MAX];
        size_t len = hf_websocket_header(cases[i].opcode, cases[i].payload_len, out);
        assert_true(hf_slice_equal(hf_slice(out, len), cases[i].header));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("websocket: example of the RFC -> its text", test_rfc_example),
        TEST("websocket: payloads around each length form -> unmasked", test_lengths),
        TEST("websocket: frame cut anywhere -> need more, bytes untouched", test_cut),
        TEST("websocket: protocol errors -> close code as soon as visible", test_protocol_errors),
        TEST("websocket: control frame with no room left -> taken", test_control_has_no_limit),
        TEST("websocket: unmask at any place, length, phase -> XOR", test_unmask),
        TEST("websocket: whole messages and control frames -> in place", test_messages),
        TEST("websocket: fragments with a ping between -> one message", test_fragments),
        TEST("websocket: bytes one at a time -> the same events", test_byte_by_byte),
        TEST("websocket: wrong order or size of fragments -> refused", test_refused_messages),
        TEST("websocket: no memory for a fragment -> 1011", test_no_memory),
        TEST("websocket: close payloads -> code and reason, or an error", test_parse_close),
        TEST("websocket: close frame -> reason cut between characters", test_close_frame),
        TEST("websocket: server header -> shortest length form", test_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
