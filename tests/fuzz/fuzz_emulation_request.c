/* Emulation requests: the first byte chooses the encoding, the rest is the request. */
#include "command.h"
#include "fuzz.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_emulation_request request;
    struct hf_command_error error = {NULL, 0};
    enum hf_command_status status;
    struct hf_arena arena;
    enum hf_encoding encoding;
    char *copy;

    if (size == 0) {
        return 0;
    }
    encoding = data[0] == 'P' ? HF_ENCODING_PROTOBUF : HF_ENCODING_JSON;
    copy = exact_copy(data + 1, size - 1);
    hf_arena_init(&arena, size * 2 + 4096);
    status =
        hf_emulation_request_decode(encoding, hf_slice(copy, size - 1), &arena, &request, &error);
    if (status == HF_COMMAND_OK) {
        assert(hf_utf8_is_valid(request.node.data, request.node.len));
        assert(hf_utf8_is_valid(request.session.data, request.session.len));
        assert(request.node.len + request.session.len + request.data.len <= size);
    } else {
        assert(error.reason != NULL && error.offset < size);
    }
    hf_arena_fini(&arena);
    free(copy);
    return 0;
}
