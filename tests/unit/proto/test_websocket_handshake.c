#include "proto_test.h"
#include "websocket.h"

static struct hf_websocket_handshake good_handshake(void)
{
    return (struct hf_websocket_handshake){
        .method = HF_SLICE("GET"),
        .http_major = 1,
        .http_minor = 1,
        .connection = HF_SLICE("keep-alive, Upgrade"),
        .upgrade = HF_SLICE("websocket"),
        .version = HF_SLICE("13"),
        .key = HF_SLICE("dGhlIHNhbXBsZSBub25jZQ=="),
    };
}

static void test_accept_key(void **state)
{
    (void)state;
    char accept[HF_WEBSOCKET_ACCEPT_LEN + 1];
    struct hf_websocket_hash *hash = hf_websocket_hash_new();
    assert_non_null(hash);
    /* the example of RFC 6455, section 1.3 */
    assert_true(hf_websocket_accept_key(hash, HF_SLICE("dGhlIHNhbXBsZSBub25jZQ=="), accept));
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_true(hf_websocket_accept_key(hash, HF_SLICE(" dGhlIHNhbXBsZSBub25jZQ==\t"), accept));
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_false(hf_websocket_accept_key(hash, HF_SLICE(""), accept));
    assert_false(hf_websocket_accept_key(hash, HF_SLICE("dGhlIHNhbXBsZSBub25jZQ"), accept));
    hf_websocket_hash_free(hash);
}

static void test_good(void **state)
{
    (void)state;
    struct hf_websocket_handshake handshake = good_handshake();
    assert_int_equal(hf_websocket_handshake_status(&handshake), 101);
    handshake.connection = HF_SLICE("UPGRADE");
    handshake.upgrade = HF_SLICE("foo ,\tWebSocket ");
    handshake.version = HF_SLICE(" 13 ");
    handshake.key = HF_SLICE("AZaz09+/AAAAAAAAAAAAAA=="); /* the edges of the alphabet */
    assert_int_equal(hf_websocket_handshake_status(&handshake), 101);
}

static void test_method(void **state)
{
    (void)state;
    static const struct hf_slice methods[] = {HF_SLICE("POST"), HF_SLICE("get"), HF_SLICE("HEAD"),
                                              HF_SLICE("")};
    for (size_t i = 0; i < COUNT(methods); i++) {
        struct hf_websocket_handshake handshake = good_handshake();
        handshake.method = methods[i];
        assert_int_equal(hf_websocket_handshake_status(&handshake), 405);
    }
}

static void test_http_version(void **state)
{
    (void)state;
    struct hf_websocket_handshake handshake = good_handshake();
    handshake.http_minor = 0;
    assert_int_equal(hf_websocket_handshake_status(&handshake), 400);
    handshake.http_major = 2;
    handshake.http_minor = 1;
    assert_int_equal(hf_websocket_handshake_status(&handshake), 400);
}

static void test_headers(void **state)
{
    (void)state;
    static const struct hf_slice connections[] = {HF_SLICE(""), HF_SLICE("close"),
                                                  HF_SLICE("upgrades"), HF_SLICE("keep-alive"),
                                                  HF_SLICE(" , ,")};
    for (size_t i = 0; i < COUNT(connections); i++) {
        struct hf_websocket_handshake handshake = good_handshake();
        handshake.connection = connections[i];
        assert_int_equal(hf_websocket_handshake_status(&handshake), 400);
    }
    static const struct hf_slice upgrades[] = {HF_SLICE(""), HF_SLICE("h2c"),
                                               HF_SLICE("websocket/13"), HF_SLICE("web socket")};
    for (size_t i = 0; i < COUNT(upgrades); i++) {
        struct hf_websocket_handshake handshake = good_handshake();
        handshake.upgrade = upgrades[i];
        assert_int_equal(hf_websocket_handshake_status(&handshake), 400);
    }
    static const struct hf_slice versions[] = {HF_SLICE(""), HF_SLICE("8"), HF_SLICE("130"),
                                               HF_SLICE("13, 8")};
    for (size_t i = 0; i < COUNT(versions); i++) {
        struct hf_websocket_handshake handshake = good_handshake();
        handshake.version = versions[i];
        assert_int_equal(hf_websocket_handshake_status(&handshake), 400);
    }
    static const struct hf_slice keys[] = {
        HF_SLICE(""),
        HF_SLICE("dGhlIHNhbXBsZSBub25jZQ="),
        HF_SLICE("dGhlIHNhbXBsZSBub25jZQ==="),
        HF_SLICE("dGhlIHNhbXBsZSBub25jZQAA"), /* 18 bytes */
        HF_SLICE("dGhlIHNhbXBsZSBub25jZQ=A"),
        HF_SLICE("dGhlIHNhbXBsZS-ub25jZQ=="), /* not the standard alphabet */
        HF_SLICE("dGhlIHNhbX\0sZSBub25jZQ=="),
        HF_SLICE("dGhlIHNhbX@sZSBub25jZQ=="), /* next to the letters and digits */
        HF_SLICE("dGhlIHNhbX[sZSBub25jZQ=="),
        HF_SLICE("dGhlIHNhbX`sZSBub25jZQ=="),
        HF_SLICE("dGhlIHNhbX{sZSBub25jZQ=="),
        HF_SLICE("dGhlIHNhbX:sZSBub25jZQ=="),
    };
    for (size_t i = 0; i < COUNT(keys); i++) {
        struct hf_websocket_handshake handshake = good_handshake();
        handshake.key = keys[i];
        assert_int_equal(hf_websocket_handshake_status(&handshake), 400);
    }
}

static void test_subprotocol(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        enum hf_encoding encoding;
        const char *chosen;
    } cases[] = {
        {"", HF_ENCODING_JSON, ""},
        {"chat", HF_ENCODING_JSON, ""},
        {"centrifuge-json", HF_ENCODING_JSON, "centrifuge-json"},
        {"centrifuge-protobuf", HF_ENCODING_PROTOBUF, "centrifuge-protobuf"},
        {"a, centrifuge-protobuf,centrifuge-json", HF_ENCODING_PROTOBUF, "centrifuge-protobuf"},
        {"\tcentrifuge-json ,centrifuge-protobuf", HF_ENCODING_JSON, "centrifuge-json"},
        {"Centrifuge-Protobuf", HF_ENCODING_JSON, ""}, /* case matters here */
        {"centrifuge-protobuf2", HF_ENCODING_JSON, ""},
        {",,", HF_ENCODING_JSON, ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hf_slice chosen = HF_SLICE("before");
        assert_int_equal(hf_websocket_choose_subprotocol(hf_slice_of(cases[i].header), &chosen),
                         cases[i].encoding);
        assert_slice_equal(chosen, cases[i].chosen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST("websocket_handshake: key of the RFC -> its accept value", test_accept_key),
        TEST("websocket_handshake: right headers in any case -> 101", test_good),
        TEST("websocket_handshake: other method -> 405", test_method),
        TEST("websocket_handshake: other HTTP version -> 400", test_http_version),
        TEST("websocket_handshake: wrong or missing header -> 400", test_headers),
        TEST("websocket_handshake: subprotocols -> the client's first known", test_subprotocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
