#include "deflate.h"
#include "websocket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct codec {
    struct hf_deflater *deflater;
    struct hf_inflater *inflater;
    struct hf_buffer deflated;
    struct hf_buffer inflated;
};

static struct codec codec;

static int open_codec(void **state)
{
    (void)state;
    codec.deflater = hf_deflater_new(1);
    codec.inflater = hf_inflater_new();
    assert_non_null(codec.deflater);
    assert_non_null(codec.inflater);
    hf_buffer_init(&codec.deflated, 0);
    hf_buffer_init(&codec.inflated, 0);
    return 0;
}

static int close_codec(void **state)
{
    (void)state;
    hf_deflater_free(codec.deflater);
    hf_inflater_free(codec.inflater);
    hf_buffer_fini(&codec.deflated);
    hf_buffer_fini(&codec.inflated);
    return 0;
}

/* --- negotiation ------------------------------------------------------------------------------ */

static void test_offers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        bool is_accepted;
    } cases[] = {
        {"permessage-deflate", true},
        {"Permessage-Deflate ; client_max_window_bits", true},
        {"permessage-deflate; client_max_window_bits=10", true},
        {"permessage-deflate; client_max_window_bits=\"15\"", true},
        {"permessage-deflate; server_no_context_takeover; client_no_context_takeover", true},
        {"permessage-deflate; server_max_window_bits=10, permessage-deflate", true},
        {"x-webkit-deflate-frame, permessage-deflate;client_max_window_bits", true},
        {"", false},
        {",", false},
        {"permessage-deflate-x", false},
        {"permessage-deflate;", false},
        {"permessage-deflate; server_max_window_bits=10", false},
        {"permessage-deflate; server_max_window_bits=15", false},
        {"permessage-deflate; client_max_window_bits=7", false},
        {"permessage-deflate; client_max_window_bits=16", false},
        {"permessage-deflate; client_max_window_bits=", false},
        {"permessage-deflate; server_no_context_takeover=1", false},
        {"permessage-deflate; client_no_context_takeover; client_no_context_takeover", false},
        {"permessage-deflate; unknown", false},
        {"permessage-deflate; =", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hf_slice header = hf_slice(cases[i].header, strlen(cases[i].header));
        if (hf_websocket_accepts_deflate(header) != cases[i].is_accepted) {
            fail_msg("%s", cases[i].header);
        }
    }
}

/* --- messages --------------------------------------------------------------------------------- */

static void goes_round(const char *data, size_t len, size_t *compressed_len)
{
    hf_buffer_reset(&codec.deflated);
    assert_true(hf_deflate(codec.deflater, hf_slice(data, len), &codec.deflated));
    assert_int_equal(
        hf_inflate(codec.inflater, hf_buffer_slice(&codec.deflated), len, &codec.inflated),
        HF_INFLATE_OK);
    assert_int_equal(codec.inflated.len, len);
    if (len > 0) {
        assert_memory_equal(codec.inflated.data, data, len);
        assert_int_equal(
            hf_inflate(codec.inflater, hf_buffer_slice(&codec.deflated), len - 1, &codec.inflated),
            HF_INFLATE_TOO_BIG);
    }
    *compressed_len = codec.deflated.len;
}

static void test_round_trips(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 2, 100, 4095, 4096, 4097, 70000, 1000000};
    size_t compressed;
    for (size_t i = 0; i < COUNT(lengths); i++) {
        char *data = malloc(lengths[i] + 1);
        assert_non_null(data);
        memset(data, 'a', lengths[i]);
        goes_round(data, lengths[i], &compressed);
        assert_true(lengths[i] < 100 || compressed < lengths[i] / 10);
        uint32_t random = 12345;
        for (size_t k = 0; k < lengths[i]; k++) {
            random = random * 1664525 + 1013904223;
            data[k] = (char)(random >> 24);
        }
        goes_round(data, lengths[i], &compressed);
        free(data);
    }
}

static void test_no_context(void **state)
{
    (void)state;
    static const char text[] = "{\"push\":{\"channel\":\"chat:main\",\"pub\":{\"offset\":1}}}";
    size_t first;
    size_t second;
    goes_round(text, sizeof(text) - 1, &first);
    goes_round(text, sizeof(text) - 1, &second);
    assert_int_equal(first, second);
}

static void is_hello(const char *payload, size_t len)
{
    assert_int_equal(hf_inflate(codec.inflater, hf_slice(payload, len), 5, &codec.inflated),
                     HF_INFLATE_OK);
    assert_int_equal(codec.inflated.len, 5);
    assert_memory_equal(codec.inflated.data, "Hello", 5);
}

/* RFC 7692, 7.2.3 */
static void test_rfc_examples(void **state)
{
    (void)state;
    is_hello("\xf2\x48\xcd\xc9\xc9\x07\x00", 7);                          /* 7.2.3.1 */
    is_hello("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11);         /* 7.2.3.3 */
    is_hello("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8);                      /* 7.2.3.4 */
    is_hello("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13); /* 7.2.3.5 */
}

static void test_bomb(void **state)
{
    (void)state;
    enum { BOMB = 64 * 1024 * 1024, LIMIT = 65536 };
    char *zeros = calloc(1, BOMB);
    assert_non_null(zeros);
    assert_true(hf_deflate(codec.deflater, hf_slice(zeros, BOMB), &codec.deflated));
    free(zeros);
    assert_true(codec.deflated.len < BOMB / 100);
    assert_int_equal(
        hf_inflate(codec.inflater, hf_buffer_slice(&codec.deflated), LIMIT, &codec.inflated),
        HF_INFLATE_TOO_BIG);
    assert_true(codec.inflated.capacity <= 4 * LIMIT);
    is_hello("\xf2\x48\xcd\xc9\xc9\x07\x00", 7); /* what came before leaves no trace */
}

static void test_garbage(void **state)
{
    (void)state;
    static const struct hf_slice cases[] = {
        HF_SLICE("\xff\xff\xff\xff"),
        HF_SLICE("\x07"),
        HF_SLICE("\x00\x05\x00\x05\x00Hello"),
        HF_SLICE("Hello, Hello"),
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(hf_inflate(codec.inflater, cases[i], 1000, &codec.inflated),
                         HF_INFLATE_BAD);
    }
    is_hello("\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
}

static void test_cut_messages(void **state)
{
    (void)state;
    static const char text[] = "no two words of this text are the same, so that little repeats";
    assert_true(hf_deflate(codec.deflater, hf_slice(text, sizeof(text) - 1), &codec.deflated));
    for (size_t len = 1; len + 1 < codec.deflated.len; len++) {
        assert_int_equal(
            hf_inflate(codec.inflater, hf_slice(codec.deflated.data, len), 1000, &codec.inflated),
            HF_INFLATE_BAD);
    }
}

static void test_full_buffer(void **state)
{
    (void)state;
    struct hf_buffer small;
    hf_buffer_init(&small, 16);
    assert_false(hf_deflate(codec.deflater, HF_SLICE("0123456789"), &small));
    assert_int_equal(
        hf_inflate(codec.inflater, HF_SLICE("\xf2\x48\xcd\xc9\xc9\x07\x00"), 1000, &small),
        HF_INFLATE_NO_MEMORY);
    hf_buffer_fini(&small);
}

/* --- frames ----------------------------------------------------------------------------------- */

/* Reads one masked frame (mask 0) with an empty payload. */
static enum hf_websocket_result read_frame(struct hf_websocket_reader *reader, unsigned first,
                                           struct hf_websocket_message *message)
{
    char bytes[] = {(char)first, (char)0x80, 0, 0, 0, 0};
    return hf_websocket_read(reader, bytes, sizeof(bytes), message);
}

static void test_reserved_bit(void **state)
{
    (void)state;
    static const unsigned refused[] = {0xa1, 0x91, 0xf1, 0xc9, 0xca, 0xc8, 0xc0};
    struct hf_websocket_message message;
    struct hf_websocket_reader reader;
    hf_websocket_reader_init(&reader, 100);
    assert_int_equal(read_frame(&reader, 0xc1, &message), HF_WEBSOCKET_ERROR);
    hf_websocket_reader_fini(&reader);
    for (size_t i = 0; i < COUNT(refused); i++) {
        hf_websocket_reader_init(&reader, 100);
        reader.allows_deflate = true;
        assert_int_equal(read_frame(&reader, refused[i], &message), HF_WEBSOCKET_ERROR);
        assert_int_equal(message.close_code, 1002);
        hf_websocket_reader_fini(&reader);
    }
}

static void test_compressed_fragments(void **state)
{
    (void)state;
    struct hf_websocket_message message;
    struct hf_websocket_reader reader;
    hf_websocket_reader_init(&reader, 100);
    reader.allows_deflate = true;
    assert_int_equal(read_frame(&reader, 0xc1, &message), HF_WEBSOCKET_MESSAGE);
    assert_true(message.is_compressed);
    assert_int_equal(read_frame(&reader, 0x81, &message), HF_WEBSOCKET_MESSAGE);
    assert_false(message.is_compressed);
    assert_int_equal(read_frame(&reader, 0x42, &message), HF_WEBSOCKET_FRAME);
    assert_int_equal(read_frame(&reader, 0x89, &message), HF_WEBSOCKET_CONTROL);
    assert_false(message.is_compressed);
    assert_int_equal(read_frame(&reader, 0x80, &message), HF_WEBSOCKET_MESSAGE);
    assert_true(message.is_compressed);
    assert_int_equal(message.opcode, HF_WEBSOCKET_BINARY);
    assert_int_equal(read_frame(&reader, 0x02, &message), HF_WEBSOCKET_FRAME);
    assert_int_equal(read_frame(&reader, 0x80, &message), HF_WEBSOCKET_MESSAGE);
    assert_false(message.is_compressed);
    assert_int_equal(read_frame(&reader, 0x02, &message), HF_WEBSOCKET_FRAME);
    assert_int_equal(read_frame(&reader, 0xc0, &message), HF_WEBSOCKET_ERROR);
    hf_websocket_reader_fini(&reader);
}

#define TEST(name, function)                                                                       \
    {                                                                                              \
        name, function, open_codec, close_codec, NULL                                              \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("deflate: offers -> accepted, or left alone", test_offers),
        TEST("deflate: messages of many sizes -> the same again", test_round_trips),
        TEST("deflate: the same message twice -> the same bytes", test_no_context),
        TEST("deflate: examples of the RFC -> Hello", test_rfc_examples),
        TEST("deflate: a bomb -> too big, bounded memory", test_bomb),
        TEST("deflate: garbage -> refused, and the next message is read", test_garbage),
        TEST("deflate: message cut anywhere -> refused", test_cut_messages),
        TEST("deflate: buffer full -> no memory", test_full_buffer),
        TEST("deflate: reserved bits where none belong -> 1002", test_reserved_bit),
        TEST("deflate: fragments -> compressed as the first one says", test_compressed_fragments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
