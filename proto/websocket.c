#include "websocket.h"

#include "utf8.h"

#include <assert.h>
#include <string.h>

#define RSV1 0x40u /* with permessage-deflate: the message is compressed */

/* ---- reading ---- */

void hf_websocket_unmask(char *data, size_t len, const unsigned char mask[4], size_t phase)
{
    unsigned char rotated[8];
    for (size_t i = 0; i < sizeof(rotated); i++) {
        rotated[i] = mask[(phase + i) % 4];
    }
    uint64_t wide_mask;
    memcpy(&wide_mask, rotated, sizeof(wide_mask));
    size_t i = 0;
    for (; len - i >= sizeof(wide_mask); i += sizeof(wide_mask)) {
        uint64_t word;
        memcpy(&word, data + i, sizeof(word));
        word ^= wide_mask;
        memcpy(data + i, &word, sizeof(word));
    }
    for (; i < len; i++) {
        data[i] = (char)((unsigned char)data[i] ^ rotated[i % sizeof(rotated)]);
    }
}

static enum hf_websocket_result refuse(struct hf_websocket_frame *frame, uint16_t close_code,
                                       const char *reason)
{
    frame->close_code = close_code;
    frame->reason = reason;
    return HF_WEBSOCKET_ERROR;
}

static bool is_control(enum hf_websocket_opcode opcode)
{
    return opcode >= HF_WEBSOCKET_CLOSE;
}

static bool is_known(unsigned opcode)
{
    return opcode <= HF_WEBSOCKET_BINARY ||
           (opcode >= HF_WEBSOCKET_CLOSE && opcode <= HF_WEBSOCKET_PONG);
}

static uint64_t read_big_endian(const unsigned char *at, size_t len)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

/* The payload length, or with *error a reason why it is not acceptable. at: byte 1 of the frame;
 * extended: bytes of the length that follow it, all there. */
static uint64_t payload_length(const unsigned char *at, size_t extended, const char **error)
{
    if (extended == 0) {
        return *at & 0x7f;
    }
    uint64_t len = read_big_endian(at + 1, extended);
    if (len <= (extended == 2 ? 125U : 0xffffU)) {
        *error = "payload length not in its shortest form";
    } else if (len >> 63 != 0) {
        *error = "payload length with its top bit set";
    }
    return len;
}

/* Judges the first two bytes. NULL when they are fine. */
static const char *check_start(const unsigned char *bytes, bool allows_deflate)
{
    unsigned opcode = bytes[0] & 0x0f;
    bool may_compress = opcode == HF_WEBSOCKET_TEXT || opcode == HF_WEBSOCKET_BINARY;
    unsigned allowed = allows_deflate && may_compress ? RSV1 : 0;
    if ((bytes[0] & 0x70 & ~allowed) != 0) {
        return "reserved bit set";
    }
    if (!is_known(opcode)) {
        return "unknown opcode";
    }
    if ((bytes[1] & 0x80) == 0) {
        return "frame is not masked";
    }
    if (opcode >= HF_WEBSOCKET_CLOSE) {
        if ((bytes[0] & 0x80) == 0) {
            return "control frame in fragments";
        }
        if ((bytes[1] & 0x7f) > HF_WEBSOCKET_CONTROL_MAX) {
            return "control frame over 125 bytes";
        }
    }
    return NULL;
}

enum hf_websocket_result hf_websocket_parse(char *data, size_t len, size_t max_payload,
                                            bool allows_deflate, struct hf_websocket_frame *frame)
{
    assert(max_payload <= SIZE_MAX / 2);
    *frame = (struct hf_websocket_frame){.total_len = HF_WEBSOCKET_CLIENT_HEADER_MIN};
    if (len < 2) {
        return HF_WEBSOCKET_NEED_MORE;
    }
    const unsigned char *bytes = (const unsigned char *)data;
    const char *error = check_start(bytes, allows_deflate);
    if (error) {
        return refuse(frame, HF_WEBSOCKET_CLOSE_PROTOCOL_ERROR, error);
    }
    frame->opcode = (enum hf_websocket_opcode)(bytes[0] & 0x0f);
    frame->fin = (bytes[0] & 0x80) != 0;
    frame->is_compressed = (bytes[0] & RSV1) != 0;
    unsigned short_len = bytes[1] & 0x7f;
    size_t extended = short_len < 126 ? 0 : short_len == 126 ? 2 : 8;
    size_t header_len = 2 + extended + 4;
    frame->total_len = header_len;
    if (len < 2 + extended) {
        return HF_WEBSOCKET_NEED_MORE;
    }
    uint64_t payload_len = payload_length(bytes + 1, extended, &error);
    if (error) {
        return refuse(frame, HF_WEBSOCKET_CLOSE_PROTOCOL_ERROR, error);
    }
    if (!is_control(frame->opcode) && payload_len > max_payload) {
        return refuse(frame, HF_WEBSOCKET_CLOSE_TOO_BIG, "message over the size limit");
    }
    frame->payload_len = (size_t)payload_len;
    frame->total_len = header_len + frame->payload_len;
    if (len < frame->total_len) {
        return HF_WEBSOCKET_NEED_MORE;
    }
    frame->payload = data + header_len;
    hf_websocket_unmask(frame->payload, frame->payload_len, bytes + header_len - 4, 0);
    return HF_WEBSOCKET_FRAME;
}

void hf_websocket_reader_init(struct hf_websocket_reader *reader, size_t max_message)
{
    assert(max_message > 0 && max_message <= SIZE_MAX / 2);
    *reader = (struct hf_websocket_reader){.opcode = HF_WEBSOCKET_CONTINUATION};
    hf_buffer_init(&reader->fragments, max_message);
}

void hf_websocket_reader_fini(struct hf_websocket_reader *reader)
{
    hf_buffer_fini(&reader->fragments);
    reader->opcode = HF_WEBSOCKET_CONTINUATION;
}

static enum hf_websocket_result fail_read(struct hf_websocket_message *message, uint16_t close_code,
                                          const char *reason)
{
    message->close_code = close_code;
    message->reason = reason;
    message->consumed = 0;
    return HF_WEBSOCKET_ERROR;
}

/* A data frame that is not a message by itself. */
static enum hf_websocket_result add_fragment(struct hf_websocket_reader *reader,
                                             const struct hf_websocket_frame *frame,
                                             struct hf_websocket_message *message)
{
    if (frame->opcode != HF_WEBSOCKET_CONTINUATION) {
        reader->opcode = frame->opcode;
        reader->is_compressed = frame->is_compressed;
    }
    hf_buffer_append(&reader->fragments, frame->payload, frame->payload_len);
    if (hf_buffer_failed(&reader->fragments)) {
        return fail_read(message, HF_WEBSOCKET_CLOSE_INTERNAL, "out of memory");
    }
    if (!frame->fin) {
        return HF_WEBSOCKET_FRAME;
    }
    message->opcode = reader->opcode;
    message->is_compressed = reader->is_compressed;
    message->payload = hf_buffer_slice(&reader->fragments);
    reader->opcode = HF_WEBSOCKET_CONTINUATION;
    reader->is_delivered = true;
    return HF_WEBSOCKET_MESSAGE;
}

enum hf_websocket_result hf_websocket_read(struct hf_websocket_reader *reader, char *data,
                                           size_t len, struct hf_websocket_message *message)
{
    if (reader->is_delivered) {
        /* Fragmented messages are rare: keep no memory for the next one. */
        hf_buffer_fini(&reader->fragments);
        reader->is_delivered = false;
    }
    *message = (struct hf_websocket_message){.opcode = HF_WEBSOCKET_CONTINUATION};
    struct hf_websocket_frame frame;
    size_t room = reader->fragments.max - reader->fragments.len;
    enum hf_websocket_result result =
        hf_websocket_parse(data, len, room, reader->allows_deflate, &frame);
    message->needed = frame.total_len;
    if (result == HF_WEBSOCKET_ERROR) {
        return fail_read(message, frame.close_code, frame.reason);
    }
    if (len >= 2 && !is_control(frame.opcode)) {
        bool is_open = reader->opcode != HF_WEBSOCKET_CONTINUATION;
        if (is_open != (frame.opcode == HF_WEBSOCKET_CONTINUATION)) {
            return fail_read(message, HF_WEBSOCKET_CLOSE_PROTOCOL_ERROR,
                             is_open ? "new message inside a fragmented one"
                                     : "continuation of no message");
        }
    }
    if (result == HF_WEBSOCKET_NEED_MORE) {
        return result;
    }
    message->consumed = frame.total_len;
    if (!is_control(frame.opcode) && !(frame.fin && reader->opcode == HF_WEBSOCKET_CONTINUATION)) {
        return add_fragment(reader, &frame, message);
    }
    message->opcode = frame.opcode;
    message->is_compressed = frame.is_compressed;
    message->payload = hf_slice(frame.payload, frame.payload_len);
    return is_control(frame.opcode) ? HF_WEBSOCKET_CONTROL : HF_WEBSOCKET_MESSAGE;
}

/* Codes a peer may put into a close frame: those that the RFC and its registry define, and the
 * ranges for libraries and applications. */
static bool is_sendable(uint16_t code)
{
    if (code >= 3000 && code < 5000) {
        return true;
    }
    return code >= 1000 && code <= 1014 && code != 1004 && code != HF_WEBSOCKET_CLOSE_NO_STATUS &&
           code != 1006;
}

uint16_t hf_websocket_parse_close(struct hf_slice payload, struct hf_websocket_close *close)
{
    *close = (struct hf_websocket_close){.code = HF_WEBSOCKET_CLOSE_NO_STATUS};
    if (payload.len == 0) {
        return 0;
    }
    if (payload.len == 1) {
        return HF_WEBSOCKET_CLOSE_PROTOCOL_ERROR;
    }
    uint16_t code = (uint16_t)read_big_endian((const unsigned char *)payload.data, 2);
    if (!is_sendable(code)) {
        return HF_WEBSOCKET_CLOSE_PROTOCOL_ERROR;
    }
    if (!hf_utf8_is_valid(payload.data + 2, payload.len - 2)) {
        return HF_WEBSOCKET_CLOSE_INVALID_DATA;
    }
    close->code = code;
    close->reason = hf_slice(payload.data + 2, payload.len - 2);
    return 0;
}

/* ---- writing ---- */

static void write_big_endian(char *out, uint64_t value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = (char)(value >> 8 * (len - 1 - i));
    }
}

size_t hf_websocket_header(enum hf_websocket_opcode opcode, uint64_t payload_len,
                           char out[HF_WEBSOCKET_SERVER_HEADER_MAX])
{
    out[0] = (char)(0x80 | opcode);
    if (payload_len < 126) {
        out[1] = (char)payload_len;
        return 2;
    }
    if (payload_len <= 0xffff) {
        out[1] = 126;
        write_big_endian(out + 2, payload_len, 2);
        return 4;
    }
    out[1] = 127;
    write_big_endian(out + 2, payload_len, 8);
    return 10;
}

size_t hf_websocket_close_frame(uint16_t code, struct hf_slice reason,
                                char out[HF_WEBSOCKET_CLOSE_FRAME_MAX])
{
    if (code == HF_WEBSOCKET_CLOSE_NO_STATUS) {
        return hf_websocket_header(HF_WEBSOCKET_CLOSE, 0, out);
    }
    size_t reason_len = reason.len;
    if (reason_len > HF_WEBSOCKET_CONTROL_MAX - 2) {
        reason_len = HF_WEBSOCKET_CONTROL_MAX - 2;
    }
    /* Also drops what is not UTF-8: a close frame with it would be a protocol error of ours. */
    reason_len = hf_utf8_valid_prefix(reason.data, reason_len);
    size_t len = hf_websocket_header(HF_WEBSOCKET_CLOSE, 2 + reason_len, out);
    write_big_endian(out + len, code, 2);
    if (reason_len != 0) {
        memcpy(out + len + 2, reason.data, reason_len);
    }
    return len + 2 + reason_len;
}
