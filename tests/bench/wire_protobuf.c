#include <stdlib.h>
#include <string.h>

#include "client.pb-c.h"
#include "wire.h"

static ProtobufCBinaryData bytes_of(struct hf_slice slice)
{
    return (ProtobufCBinaryData){slice.len, (uint8_t *)(uintptr_t)slice.data};
}

static struct hf_slice slice_of(ProtobufCBinaryData bytes)
{
    return hf_slice((const char *)bytes.data, bytes.len);
}

/* A command behind its length. */
static void append_command(struct hf_buffer *out, const HfPb__Command *command)
{
    size_t len = hf_pb__command__get_packed_size(command);
    for (size_t rest = len;; rest >>= 7) {
        hf_buffer_append_char(out, (char)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0)));
        if (rest <= 0x7f) {
            break;
        }
    }
    if (hf_buffer_reserve(out, len)) {
        out->len += hf_pb__command__pack(command, (uint8_t *)out->data + out->len);
    }
}

static void write_connect(struct hf_buffer *out, uint32_t id)
{
    HfPb__ConnectRequest connect = HF_PB__CONNECT_REQUEST__INIT;
    HfPb__Command command = HF_PB__COMMAND__INIT;
    command.id = id;
    command.connect = &connect;
    append_command(out, &command);
}

static void write_subscribe(struct hf_buffer *out, uint32_t id, struct hf_slice channel,
                            const struct hf_wire_position *since)
{
    HfPb__SubscribeRequest subscribe = HF_PB__SUBSCRIBE_REQUEST__INIT;
    HfPb__Command command = HF_PB__COMMAND__INIT;
    command.id = id;
    command.subscribe = &subscribe;
    subscribe.channel = bytes_of(channel);
    if (since != NULL) {
        subscribe.recover = 1;
        subscribe.epoch = bytes_of(hf_slice_of(since->epoch));
        subscribe.offset = since->offset;
    }
    append_command(out, &command);
}

static void write_publish(struct hf_buffer *out, uint32_t id, struct hf_slice channel,
                          struct hf_slice data)
{
    HfPb__PublishRequest publish = HF_PB__PUBLISH_REQUEST__INIT;
    HfPb__Command command = HF_PB__COMMAND__INIT;
    command.id = id;
    command.publish = &publish;
    publish.channel = bytes_of(channel);
    publish.data = bytes_of(data);
    append_command(out, &command);
}

static void write_pong(struct hf_buffer *out)
{
    hf_buffer_append_char(out, '\0');
}

static bool split(struct hf_slice *frame, struct hf_slice *message)
{
    size_t len = 0, at = 0;
    unsigned shift = 0;
    do {
        if (at == frame->len || shift > 28) {
            return false;
        }
        len |= (size_t)(frame->data[at] & 0x7f) << shift;
        shift += 7;
    } while ((frame->data[at++] & 0x80) != 0);
    if (frame->len - at < len) {
        return false;
    }
    *message = hf_slice(frame->data + at, len);
    *frame = hf_slice(frame->data + at + len, frame->len - at - len);
    return true;
}

static void tell_publication(const HfPb__Publication *publication, const struct hf_wire_sink *sink)
{
    sink->take(sink->context, &(struct hf_wire_event){.kind = HF_WIRE_PUBLICATION,
                                                      .data = slice_of(publication->data),
                                                      .offset = publication->offset});
}

static void tell_subscribe(const HfPb__SubscribeResult *result, const struct hf_wire_sink *sink)
{
    for (size_t i = 0; i < result->n_publications; i++) {
        tell_publication(result->publications[i], sink);
    }
    sink->take(sink->context, &(struct hf_wire_event){.kind = HF_WIRE_SUBSCRIBED,
                                                      .recovered = result->recovered != 0,
                                                      .has_position = result->epoch.len > 0,
                                                      .epoch = slice_of(result->epoch),
                                                      .offset = result->offset});
}

static const char *tell(const HfPb__Reply *reply, const struct hf_wire_sink *sink)
{
    struct hf_wire_event event = {.id = reply->id};
    if (reply->push != NULL && reply->push->pub != NULL) {
        tell_publication(reply->push->pub, sink);
    } else if (reply->subscribe != NULL) {
        tell_subscribe(reply->subscribe, sink);
    } else if (reply->publish != NULL) {
        event.kind = HF_WIRE_PUBLISHED;
        sink->take(sink->context, &event);
    } else if (reply->connect != NULL) {
        event.kind = HF_WIRE_CONNECTED;
        sink->take(sink->context, &event);
    } else {
        return "an error or an unknown reply";
    }
    return NULL;
}

static const char *read_message(struct hf_slice message, const struct hf_wire_sink *sink)
{
    if (message.len == 0) {
        sink->take(sink->context, &(struct hf_wire_event){.kind = HF_WIRE_PING});
        return NULL;
    }
    HfPb__Reply *reply = hf_pb__reply__unpack(NULL, message.len, (const uint8_t *)message.data);
    if (reply == NULL) {
        return "not a reply in Protobuf";
    }
    const char *wrong = tell(reply, sink);
    hf_pb__reply__free_unpacked(reply, NULL);
    return wrong;
}

const struct hf_wire hf_wire_protobuf = {
    .name = "protobuf",
    .path = "/connection/websocket",
    .subprotocol = "centrifuge-protobuf",
    .is_binary = true,
    .connect = write_connect,
    .subscribe = write_subscribe,
    .publish = write_publish,
    .pong = write_pong,
    .split = split,
    .read = read_message,
};
