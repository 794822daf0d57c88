/* Emulation requests in both encodings (command.h). */
#include "command.h"

#include "client.pb-c.h"
#include "proto_test.h"

static struct hf_arena arena;
static char *copy;

static enum hf_command_status decode(enum hf_encoding encoding, struct hf_slice message,
                                     struct hf_emulation_request *request)
{
    struct hf_slice exact = exact_copy(message);
    copy = (char *)exact.data;
    hf_arena_init(&arena, 65536);
    return hf_emulation_request_decode(encoding, exact, &arena, request, NULL);
}

static void end(void)
{
    hf_arena_fini(&arena);
    free(copy);
}

static void assert_text(struct hf_slice slice, const char *expected)
{
    assert_int_equal(slice.len, strlen(expected));
    assert_memory_equal(slice.data, expected, slice.len);
}

static void json_names_come_in_any_case_and_strings_are_unescaped(void **state)
{
    struct hf_emulation_request request;
    (void)state;
    assert_int_equal(decode(HF_ENCODING_JSON,
                            HF_SLICE("{\"more\":[1],\"Session\":\"s\",\"node\":\"n\","
                                     "\"data\":\"{\\\"id\\\":1}\\n{}\"}"),
                            &request),
                     HF_COMMAND_OK);
    assert_text(request.session, "s");
    assert_text(request.node, "n");
    assert_text(request.data, "{\"id\":1}\n{}");
    end();
}

static void json_what_is_absent_is_empty(void **state)
{
    struct hf_emulation_request request;
    (void)state;
    assert_int_equal(decode(HF_ENCODING_JSON, HF_SLICE("{\"data\":null}"), &request),
                     HF_COMMAND_OK);
    assert_text(request.session, "");
    assert_text(request.node, "");
    assert_text(request.data, "");
    end();
}

static void json_that_is_no_object_or_has_data_that_is_no_string_is_malformed(void **state)
{
    static const char *const texts[] = {"",      "[]",    "{\"data\":{}}", "{\"node\":1}",
                                        "{} {}", "{\"a\""};
    struct hf_emulation_request request;
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(decode(HF_ENCODING_JSON, hf_slice_of(texts[i]), &request),
                         HF_COMMAND_MALFORMED);
        end();
    }
}

static ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static void protobuf_data_is_any_bytes_and_names_are_texts(void **state)
{
    HfPb__EmulationRequest from = HF_PB__EMULATION_REQUEST__INIT;
    struct hf_emulation_request request;
    uint8_t packed[64];
    (void)state;
    from.node = bytes_of("n");
    from.session = bytes_of("s");
    from.data = bytes_of("\xff\n\x01");
    size_t len = hf_pb__emulation_request__pack(&from, packed);
    assert_int_equal(decode(HF_ENCODING_PROTOBUF, hf_slice((const char *)packed, len), &request),
                     HF_COMMAND_OK);
    assert_text(request.node, "n");
    assert_text(request.session, "s");
    assert_text(request.data, "\xff\n\x01");
    end();
    for (size_t cut = 1; cut < len; cut++) { /* ends within a field, or between two */
        enum hf_command_status status =
            decode(HF_ENCODING_PROTOBUF, hf_slice((const char *)packed, cut), &request);
        assert_true(status == (cut == 3 || cut == 6 ? HF_COMMAND_OK : HF_COMMAND_MALFORMED));
        end();
    }
    from.session = bytes_of("\xff");
    len = hf_pb__emulation_request__pack(&from, packed);
    assert_int_equal(decode(HF_ENCODING_PROTOBUF, hf_slice((const char *)packed, len), &request),
                     HF_COMMAND_MALFORMED);
    end();
}

static void without_memory_it_says_so(void **state)
{
    struct hf_emulation_request request;
    (void)state;
    struct hf_slice message = HF_SLICE("\n\x01n");
    hf_arena_init(&arena, 8);
    assert_int_equal(
        hf_emulation_request_decode(HF_ENCODING_PROTOBUF, message, &arena, &request, NULL),
        HF_COMMAND_NO_MEMORY);
    hf_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_names_come_in_any_case_and_strings_are_unescaped),
        cmocka_unit_test(json_what_is_absent_is_empty),
        cmocka_unit_test(json_that_is_no_object_or_has_data_that_is_no_string_is_malformed),
        cmocka_unit_test(protobuf_data_is_any_bytes_and_names_are_texts),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
