#include "reply.h"

#include "codes.h"

#include <assert.h>

const struct hf_encoder *hf_encoder_of(enum hf_encoding encoding)
{
    return encoding == HF_ENCODING_PROTOBUF ? &hf_encoder_protobuf : &hf_encoder_json;
}

void hf_reply_error(const struct hf_encoder *encoder, struct hf_buffer *buffer, uint32_t id,
                    uint32_t code)
{
    const char *message = hf_error_message(code);
    assert(message);
    encoder->error(buffer, id, code, hf_slice_of(message), hf_error_code_is_temporary(code));
}

void hf_reply_separate(const struct hf_encoder *encoder, struct hf_buffer *frame)
{
    if (frame->len != 0) {
        hf_buffer_append_slice(frame, encoder->separator);
    }
}
