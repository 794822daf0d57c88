#include <string.h>

#include "json.h"
#include "wire.h"

static void append_id(struct hf_buffer *out, uint32_t id)
{
    HF_BUFFER_APPEND_LITERAL(out, "{\"id\":");
    hf_buffer_append_u64(out, id);
}

static void write_connect(struct hf_buffer *out, uint32_t id)
{
    append_id(out, id);
    HF_BUFFER_APPEND_LITERAL(out, ",\"connect\":{}}");
}

static void write_subscribe(struct hf_buffer *out, uint32_t id, struct hf_slice channel,
                            const struct hf_wire_position *since)
{
    append_id(out, id);
    HF_BUFFER_APPEND_LITERAL(out, ",\"subscribe\":{\"channel\":");
    hf_json_append_string(out, channel);
    if (since != NULL) {
        HF_BUFFER_APPEND_LITERAL(out, ",\"recover\":true,\"epoch\":");
        hf_json_append_string(out, hf_slice_of(since->epoch));
        HF_BUFFER_APPEND_LITERAL(out, ",\"offset\":");
        hf_buffer_append_u64(out, since->offset);
    }
    HF_BUFFER_APPEND_LITERAL(out, "}}");
}

static void write_publish(struct hf_buffer *out, uint32_t id, struct hf_slice channel,
                          struct hf_slice data)
{
    append_id(out, id);
    HF_BUFFER_APPEND_LITERAL(out, ",\"publish\":{\"channel\":");
    hf_json_append_string(out, channel);
    HF_BUFFER_APPEND_LITERAL(out, ",\"data\":");
    hf_buffer_append_slice(out, data);
    HF_BUFFER_APPEND_LITERAL(out, "}}");
}

static void write_pong(struct hf_buffer *out)
{
    HF_BUFFER_APPEND_LITERAL(out, "{}");
}

static bool split(struct hf_slice *frame, struct hf_slice *message)
{
    const char *line = memchr(frame->data, '\n', frame->len);
    size_t len = line != NULL ? (size_t)(line - frame->data) : frame->len;
    *message = hf_slice(frame->data, len);
    len += line != NULL;
    *frame = hf_slice(frame->data + len, frame->len - len);
    return true;
}

static void read_publication(struct hf_json *json, const struct hf_wire_sink *sink)
{
    struct hf_wire_event event = {.kind = HF_WIRE_PUBLICATION};
    struct hf_json_key key;
    hf_json_object_begin(json);
    while (hf_json_object_next(json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("data"))) {
            hf_json_raw(json, &event.data);
        } else if (hf_json_key_is(&key, HF_SLICE("offset"))) {
            hf_json_get_u64(json, &event.offset);
        } else {
            hf_json_skip(json);
        }
    }
    if (!hf_json_failed(json)) {
        sink->take(sink->context, &event);
    }
}

static void read_publications(struct hf_json *json, const struct hf_wire_sink *sink)
{
    hf_json_array_begin(json);
    while (hf_json_array_next(json)) {
        read_publication(json, sink);
    }
}

/* An epoch is made of characters that need no escapes. */
static bool read_epoch(struct hf_json *json, struct hf_slice *epoch)
{
    struct hf_slice raw;
    if (hf_json_peek(json) != HF_JSON_STRING || !hf_json_raw(json, &raw)) {
        hf_json_fail(json, "an epoch that is no text");
        return false;
    }
    *epoch = hf_slice(raw.data + 1, raw.len - 2);
    return true;
}

static void read_subscribe(struct hf_json *json, const struct hf_wire_sink *sink)
{
    struct hf_wire_event event = {.kind = HF_WIRE_SUBSCRIBED};
    struct hf_json_key key;
    hf_json_object_begin(json);
    while (hf_json_object_next(json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("publications"))) {
            read_publications(json, sink);
        } else if (hf_json_key_is(&key, HF_SLICE("epoch"))) {
            event.has_position = read_epoch(json, &event.epoch);
        } else if (hf_json_key_is(&key, HF_SLICE("offset"))) {
            hf_json_get_u64(json, &event.offset);
        } else if (hf_json_key_is(&key, HF_SLICE("recovered"))) {
            hf_json_get_bool(json, &event.recovered);
        } else {
            hf_json_skip(json);
        }
    }
    if (!hf_json_failed(json)) {
        sink->take(sink->context, &event);
    }
}

static void read_push(struct hf_json *json, const struct hf_wire_sink *sink)
{
    struct hf_json_key key;
    hf_json_object_begin(json);
    while (hf_json_object_next(json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("pub"))) {
            read_publication(json, sink);
        } else if (hf_json_key_is(&key, HF_SLICE("channel"))) {
            hf_json_skip(json);
        } else {
            hf_json_fail(json, "a push that is no publication");
        }
    }
}

static void read_plain(struct hf_json *json, enum hf_wire_kind kind, uint32_t id,
                       const struct hf_wire_sink *sink)
{
    const struct hf_wire_event event = {.kind = kind, .id = id};
    if (hf_json_skip(json)) {
        sink->take(sink->context, &event);
    }
}

static const char *read_message(struct hf_slice message, const struct hf_wire_sink *sink)
{
    struct hf_json json;
    struct hf_json_key key;
    uint32_t id = 0;
    bool is_empty = true;
    hf_json_init(&json, message, HF_JSON_MAX_DEPTH);
    hf_json_object_begin(&json);
    while (hf_json_object_next(&json, &key)) {
        is_empty = false;
        if (hf_json_key_is(&key, HF_SLICE("push"))) {
            read_push(&json, sink);
        } else if (hf_json_key_is(&key, HF_SLICE("id"))) {
            hf_json_get_u32(&json, &id);
        } else if (hf_json_key_is(&key, HF_SLICE("publish"))) {
            read_plain(&json, HF_WIRE_PUBLISHED, id, sink);
        } else if (hf_json_key_is(&key, HF_SLICE("subscribe"))) {
            read_subscribe(&json, sink);
        } else if (hf_json_key_is(&key, HF_SLICE("connect"))) {
            read_plain(&json, HF_WIRE_CONNECTED, id, sink);
        } else {
            hf_json_fail(&json, "an error or an unknown reply");
        }
    }
    if (hf_json_end(&json) != HF_JSON_OK) {
        return json.reason;
    }
    if (is_empty) {
        sink->take(sink->context, &(struct hf_wire_event){.kind = HF_WIRE_PING});
    }
    return NULL;
}

const struct hf_wire hf_wire_json = {
    .name = "json",
    .path = "/connection/websocket",
    .connect = write_connect,
    .subscribe = write_subscribe,
    .publish = write_publish,
    .pong = write_pong,
    .split = split,
    .read = read_message,
};
