/* Protobuf on the wire, checked before generated code unpacks it. Private to the decoders; pure,
 * any thread.
 *
 * The generated unpacker recurses as deep as a message nests, merges a repeated sub-message into
 * the one before, and allocates for every field. So what would cost it more than the message is
 * worth is refused first: deep nesting, many fields, a single sub-message that comes twice (no
 * encoder writes one so). */
#ifndef HF_PROTO_PROTOBUF_SCAN_H
#define HF_PROTO_PROTOBUF_SCAN_H

#include "command.h"

#include <protobuf-c/protobuf-c.h>

/* Messages within each other, the outermost included; fields in a message with all inside it. */
#define HF_PROTOBUF_MAX_DEPTH  64
#define HF_PROTOBUF_MAX_FIELDS 8192

/* Checks the form of a whole message. OK, MALFORMED or TOO_LARGE; error may be NULL. */
enum hf_command_status hf__protobuf_scan(struct hf_slice message,
                                         const ProtobufCMessageDescriptor *descriptor,
                                         struct hf_command_error *error);

/* As hf_command_iterator_next_message, for messages that each follow their length. */
enum hf_command_status hf__protobuf_next_message(struct hf_command_iterator *iterator,
                                                 struct hf_slice *message,
                                                 struct hf_command_error *error);

/* hf_emulation_request_decode for this encoding (command_protobuf.c). */
enum hf_command_status hf__emulation_request_decode_protobuf(struct hf_slice message,
                                                             struct hf_arena *arena,
                                                             struct hf_emulation_request *request,
                                                             struct hf_command_error *error);

#endif
