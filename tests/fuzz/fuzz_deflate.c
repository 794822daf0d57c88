/* The decompressor of WebSocket messages, and the offers of the handshake: whatever comes, output
 * stays within the limit, and what was taken survives being compressed and decompressed again. */
#include "deflate.h"
#include "fuzz.h"

enum { MAX_MESSAGE = 16384 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *input = exact_copy(data, size);
    struct hf_inflater *inflater = hf_inflater_new();
    struct hf_deflater *deflater = hf_deflater_new(1);
    struct hf_buffer message;
    struct hf_buffer compressed;
    struct hf_buffer again;

    assert(inflater != NULL && deflater != NULL);
    hf_buffer_init(&message, 0);
    hf_buffer_init(&compressed, 0);
    hf_buffer_init(&again, 0);
    (void)hf_websocket_accepts_deflate(hf_slice(input, size));
    if (hf_inflate(inflater, hf_slice(input, size), MAX_MESSAGE, &message) == HF_INFLATE_OK) {
        assert(message.len <= MAX_MESSAGE);
        assert(hf_deflate(deflater, hf_buffer_slice(&message), &compressed));
        assert(hf_inflate(inflater, hf_buffer_slice(&compressed), MAX_MESSAGE, &again) ==
               HF_INFLATE_OK);
        assert(again.len == message.len);
        assert(message.len == 0 || memcmp(again.data, message.data, message.len) == 0);
    }
    hf_buffer_fini(&message);
    hf_buffer_fini(&compressed);
    hf_buffer_fini(&again);
    hf_inflater_free(inflater);
    hf_deflater_free(deflater);
    free(input);
    return 0;
}
