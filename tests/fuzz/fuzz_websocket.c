/* The WebSocket reader: frames from a client, given whole and then in pieces, as the first byte
 * says, whose top bit switches permessage-deflate on; both ways must take the same messages. */
#include "deflate.h"
#include "fuzz.h"
#include "websocket.h"

enum { MAX_MESSAGE = 4096 };

struct outcome {
    unsigned messages;
    unsigned controls;
    size_t payload_bytes;
    uint16_t close_code;
};

static void read_compressed(struct hf_slice payload)
{
    struct hf_inflater *inflater = hf_inflater_new();
    struct hf_buffer message;

    assert(inflater != NULL);
    hf_buffer_init(&message, 0);
    if (hf_inflate(inflater, payload, MAX_MESSAGE, &message) == HF_INFLATE_OK) {
        assert(message.len <= MAX_MESSAGE);
    }
    hf_buffer_fini(&message);
    hf_inflater_free(inflater);
}

/* piece: bytes that come at once, at least 1. */
static struct outcome read_all(const uint8_t *data, size_t size, size_t piece, bool deflates)
{
    char *input = exact_copy(data, size);
    struct hf_websocket_reader reader;
    struct outcome outcome = {0};
    size_t at = 0;
    size_t end = piece < size ? piece : size;

    hf_websocket_reader_init(&reader, MAX_MESSAGE);
    reader.allows_deflate = deflates;
    while (at < end) {
        struct hf_websocket_message message;
        enum hf_websocket_result result =
            hf_websocket_read(&reader, input + at, end - at, &message);

        if (result == HF_WEBSOCKET_ERROR) {
            outcome.close_code = message.close_code;
            assert(message.reason != NULL && outcome.close_code != 0);
            break;
        }
        if (result == HF_WEBSOCKET_NEED_MORE) {
            assert(message.consumed == 0);
            if (end == size) {
                break;
            }
            end = size - end > piece ? end + piece : size;
            continue;
        }
        assert(message.consumed > 0 && message.consumed <= end - at);
        if (result == HF_WEBSOCKET_MESSAGE || result == HF_WEBSOCKET_CONTROL) {
            struct hf_websocket_close close;

            assert(message.payload.len <= MAX_MESSAGE);
            outcome.messages += result == HF_WEBSOCKET_MESSAGE;
            outcome.controls += result == HF_WEBSOCKET_CONTROL;
            outcome.payload_bytes += message.payload.len;
            assert(deflates || !message.is_compressed);
            if (message.is_compressed) {
                assert(result == HF_WEBSOCKET_MESSAGE);
                read_compressed(message.payload);
            }
            if (message.opcode == HF_WEBSOCKET_CLOSE) {
                (void)hf_websocket_parse_close(message.payload, &close);
            }
        }
        at += message.consumed;
        if (at == end && end < size) {
            end = size - end > piece ? end + piece : size;
        }
    }
    hf_websocket_reader_fini(&reader);
    free(input);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole;
    struct outcome pieces;

    if (size == 0) {
        return 0;
    }
    bool deflates = (data[0] & 0x80) != 0;
    whole = read_all(data + 1, size - 1, size, deflates);
    pieces = read_all(data + 1, size - 1, 1 + data[0] % 32u, deflates);
    assert(whole.messages == pieces.messages && whole.controls == pieces.controls);
    assert(whole.payload_bytes == pieces.payload_bytes);
    /* Of two faults in one frame, the one whose bytes came first is told. */
    assert((whole.close_code != 0) == (pieces.close_code != 0));
    return 0;
}
