#include "protobuf_scan.h"

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_64 = 1,
    WIRE_BYTES = 2,
    WIRE_32 = 5,
};

enum { VARINT_MAX_SIZE = 10, TAG_MAX_SIZE = 5 };

struct scan {
    const char *start;
    unsigned fields_left;
    enum hf_command_status status;
    struct hf_command_error error;
};

static bool fail(struct scan *scan, enum hf_command_status status, const char *at,
                 const char *reason)
{
    scan->status = status;
    scan->error = (struct hf_command_error){reason, (size_t)(at - scan->start)};
    return false;
}

/* The byte behind the varint at `at`, or NULL when it does not end within max_size bytes. */
static const char *read_varint(const char *at, const char *end, size_t max_size, uint64_t *value)
{
    uint64_t result = 0;
    for (size_t i = 0; i < max_size && at + i < end; i++) {
        unsigned char byte = (unsigned char)at[i];
        result |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *value = result;
            return at + i + 1;
        }
    }
    return NULL;
}

static bool scan_message(struct scan *scan, const char *at, const char *end,
                         const ProtobufCMessageDescriptor *descriptor, unsigned depth);

/* A field's bytes. seen: single sub-messages that came before, one bit by field number. */
static bool scan_bytes(struct scan *scan, const char *at, size_t len, uint32_t number,
                       const ProtobufCMessageDescriptor *descriptor, unsigned depth, uint64_t *seen)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(descriptor, number);
    if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE) {
        return true;
    }
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        uint64_t bit = UINT64_C(1) << (number % 64);
        if (*seen & bit) {
            return fail(scan, HF_COMMAND_MALFORMED, at, "a field comes twice");
        }
        *seen |= bit;
    }
    return scan_message(scan, at, at + len, field->descriptor, depth + 1);
}

/* Skips a value that is no run of bytes. NULL: it is cut short, or of no known wire type. */
static const char *skip_value(const char *at, const char *end, unsigned wire_type)
{
    uint64_t ignored;
    switch (wire_type) {
    case WIRE_VARINT:
        return read_varint(at, end, VARINT_MAX_SIZE, &ignored);
    case WIRE_64:
        return end - at >= 8 ? at + 8 : NULL;
    case WIRE_32:
        return end - at >= 4 ? at + 4 : NULL;
    default:
        return NULL;
    }
}

static bool scan_message(struct scan *scan, const char *at, const char *end,
                         const ProtobufCMessageDescriptor *descriptor, unsigned depth)
{
    uint64_t seen = 0;
    if (depth > HF_PROTOBUF_MAX_DEPTH) {
        return fail(scan, HF_COMMAND_MALFORMED, at, "nested too deep");
    }
    while (at < end) {
        uint64_t tag;
        const char *value = read_varint(at, end, TAG_MAX_SIZE, &tag);
        if (!value || tag > UINT32_MAX || tag >> 3 == 0) {
            return fail(scan, HF_COMMAND_MALFORMED, at, "not a field's tag");
        }
        if (scan->fields_left-- == 0) {
            return fail(scan, HF_COMMAND_TOO_LARGE, at, "too many fields");
        }
        if ((tag & 7) == WIRE_BYTES) {
            uint64_t len;
            value = read_varint(value, end, VARINT_MAX_SIZE, &len);
            if (!value || len > (uint64_t)(end - value)) {
                return fail(scan, HF_COMMAND_MALFORMED, at, "a field is cut short");
            }
            if (!scan_bytes(scan, value, (size_t)len, (uint32_t)(tag >> 3), descriptor, depth,
                            &seen)) {
                return false;
            }
            at = value + len;
        } else {
            const char *next = skip_value(value, end, tag & 7);
            if (!next) {
                return fail(scan, HF_COMMAND_MALFORMED, at, "not a field's value");
            }
            at = next;
        }
    }
    return true;
}

enum hf_command_status hf__protobuf_scan(struct hf_slice message,
                                         const ProtobufCMessageDescriptor *descriptor,
                                         struct hf_command_error *error)
{
    struct scan scan = {.start = message.data, .fields_left = HF_PROTOBUF_MAX_FIELDS};
    if (message.len == 0 ||
        scan_message(&scan, message.data, message.data + message.len, descriptor, 1)) {
        return HF_COMMAND_OK;
    }
    if (error) {
        *error = scan.error;
    }
    return scan.status;
}

static enum hf_command_status frame_error(struct hf_command_error *error,
                                          enum hf_command_status status, size_t offset,
                                          const char *reason)
{
    if (error) {
        *error = (struct hf_command_error){reason, offset};
    }
    return status;
}

enum hf_command_status hf__protobuf_next_message(struct hf_command_iterator *iterator,
                                                 struct hf_slice *message,
                                                 struct hf_command_error *error)
{
    size_t offset = iterator->at;
    size_t left = iterator->frame.len - offset;
    if (left == 0) {
        return offset != 0 ? HF_COMMAND_END
                           : frame_error(error, HF_COMMAND_MALFORMED, 0, "empty frame");
    }
    const char *at = iterator->frame.data + offset;
    const char *end = at + left;
    uint64_t len;
    const char *body = read_varint(at, end, VARINT_MAX_SIZE, &len);
    if (!body) {
        return frame_error(error, HF_COMMAND_MALFORMED, offset, "not a message's length");
    }
    if (iterator->max_message_size != 0 && len > iterator->max_message_size) {
        return frame_error(error, HF_COMMAND_TOO_LARGE, offset, "message over the size limit");
    }
    if (len > (uint64_t)(end - body)) {
        return frame_error(error, HF_COMMAND_MALFORMED, offset, "a message is cut short");
    }
    *message = hf_slice(body, (size_t)len);
    iterator->at = offset + (size_t)(body - at) + (size_t)len;
    return HF_COMMAND_OK;
}
