#include <string.h>

#include "json.h"
#include "wire.h"

/* --- nchan: a WebSocket message is a payload ---------------------------------------------------
 */

static bool split_whole(struct hf_slice *frame, struct hf_slice *message)
{
    *message = *frame;
    *frame = hf_slice(frame->data + frame->len, 0);
    return true;
}

static const char *read_payload(struct hf_slice message, const struct hf_wire_sink *sink)
{
    sink->take(sink->context,
               &(struct hf_wire_event){.kind = HF_WIRE_PUBLICATION, .data = message});
    return NULL;
}

const struct hf_wire hf_wire_nchan = {
    .name = "nchan",
    .path = "/sub/%s",
    .is_by_path = true,
    .split = split_whole,
    .read = read_payload,
};

/* --- Socket.IO 4 over Engine.IO 4 ---------------------------------------------------------------
 * Packets are texts that begin with Engine.IO's type (0 open, 2 ping, 3 pong, 4 message), behind 4
 * with Socket.IO's (0 connect, 2 event, 3 acknowledgement). Our server of
 * tests/bench/peers/socketio joins a room on the event "subscribe" and sends "publication". */

static void socketio_connect(struct hf_buffer *out, uint32_t id)
{
    (void)id;
    HF_BUFFER_APPEND_LITERAL(out, "40");
}

static void socketio_subscribe(struct hf_buffer *out, uint32_t id, struct hf_slice channel,
                               const struct hf_wire_position *since)
{
    (void)since; /* it recovers connections, not subscriptions */
    HF_BUFFER_APPEND_LITERAL(out, "42");
    hf_buffer_append_u64(out, id);
    HF_BUFFER_APPEND_LITERAL(out, "[\"subscribe\",");
    hf_json_append_string(out, channel);
    HF_BUFFER_APPEND_LITERAL(out, "]");
}

static void socketio_pong(struct hf_buffer *out)
{
    HF_BUFFER_APPEND_LITERAL(out, "3");
}

/* ["publication",{...},...]: what follows the payload is the position of connection recovery. */
static const char *read_event(struct hf_slice text, const struct hf_wire_sink *sink)
{
    struct hf_wire_event event = {.kind = HF_WIRE_PUBLICATION};
    struct hf_json json;
    hf_json_init(&json, text, HF_JSON_MAX_DEPTH);
    hf_json_array_begin(&json);
    for (unsigned i = 0; hf_json_array_next(&json); i++) {
        if (i == 1) {
            hf_json_raw(&json, &event.data);
        } else {
            hf_json_skip(&json);
        }
    }
    if (hf_json_end(&json) != HF_JSON_OK) {
        return "an event that is no JSON";
    }
    sink->take(sink->context, &event);
    return NULL;
}

static bool begins(struct hf_slice text, const char *with)
{
    return text.len >= strlen(with) && memcmp(text.data, with, strlen(with)) == 0;
}

static const char *socketio_read(struct hf_slice message, const struct hf_wire_sink *sink)
{
    struct hf_wire_event event = {0};
    if (begins(message, "42[")) {
        return read_event(hf_slice(message.data + 2, message.len - 2), sink);
    }
    if (begins(message, "0")) {
        return NULL;
    }
    if (begins(message, "40")) {
        event.kind = HF_WIRE_CONNECTED;
    } else if (begins(message, "43")) {
        event.kind = HF_WIRE_SUBSCRIBED;
    } else if (begins(message, "2")) {
        event.kind = HF_WIRE_PING;
    } else {
        return "an unexpected packet";
    }
    sink->take(sink->context, &event);
    return NULL;
}

const struct hf_wire hf_wire_socketio = {
    .name = "socketio",
    .path = "/socket.io/?EIO=4&transport=websocket",
    .connect = socketio_connect,
    .subscribe = socketio_subscribe,
    .pong = socketio_pong,
    .split = split_whole,
    .read = socketio_read,
};

const struct hf_wire *hf_wire_of(const char *name)
{
    static const struct hf_wire *const wires[] = {&hf_wire_json, &hf_wire_protobuf, &hf_wire_nchan,
                                                  &hf_wire_socketio};
    for (size_t i = 0; i < sizeof wires / sizeof wires[0]; i++) {
        if (strcmp(wires[i]->name, name) == 0) {
            return wires[i];
        }
    }
    return NULL;
}
