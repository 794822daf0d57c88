#include "net/websocket_deflate.h"

#include <assert.h>
#include <stdlib.h>

#include "net/websocket_frame.h"

enum {
    KEPT_BYTES = 128 * 1024, /* of a buffer between messages */
    COMPRESSED_BIT = 0x40,   /* RSV1 */
};

struct compression {
    struct hf_deflater *deflater; /* NULL: not open */
    struct hf_inflater *inflater;
    struct hf_buffer deflated;
    struct hf_buffer inflated;
    size_t min_size;
};

static _Thread_local struct compression own;

bool hf_websocket_deflate_open(const struct hf_config_websocket *config)
{
    if (own.deflater != NULL) {
        return true;
    }
    own.deflater = hf_deflater_new((int)config->compression_level);
    own.inflater = hf_inflater_new();
    own.min_size = config->compression_min_size_bytes;
    hf_buffer_init(&own.deflated, 0);
    hf_buffer_init(&own.inflated, 0);
    if (own.deflater == NULL || own.inflater == NULL) {
        hf_websocket_deflate_close();
        return false;
    }
    return true;
}

void hf_websocket_deflate_close(void)
{
    hf_deflater_free(own.deflater);
    hf_inflater_free(own.inflater);
    hf_buffer_fini(&own.deflated);
    hf_buffer_fini(&own.inflated);
    own = (struct compression){0};
}

/* A single large message must not hold its memory for ever. */
static void give_back(struct hf_buffer *buffer)
{
    if (buffer->capacity > KEPT_BYTES) {
        hf_buffer_fini(buffer);
    }
}

struct hf_frame *hf_websocket_deflate_wrap(enum hf_websocket_opcode opcode, const char *data,
                                           size_t len)
{
    assert(own.deflater != NULL);
    if (len < own.min_size) {
        return hf__websocket_wrap(opcode, data, len);
    }
    hf_buffer_reset(&own.deflated);
    struct hf_frame *frame = NULL;
    if (hf_deflate(own.deflater, hf_slice(data, len), &own.deflated)) {
        bool is_shorter = own.deflated.len < len;
        frame = is_shorter ? hf__websocket_wrap(opcode | COMPRESSED_BIT, own.deflated.data,
                                                own.deflated.len)
                           : hf__websocket_wrap(opcode, data, len);
    }
    give_back(&own.deflated);
    return frame;
}

enum hf_inflate_result hf_websocket_deflate_open_message(struct hf_slice payload, size_t max,
                                                         struct hf_slice *message)
{
    assert(own.inflater != NULL);
    give_back(&own.inflated);
    enum hf_inflate_result result = hf_inflate(own.inflater, payload, max, &own.inflated);
    *message = hf_buffer_slice(&own.inflated);
    return result;
}
