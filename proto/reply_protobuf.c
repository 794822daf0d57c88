#include "json.h"
#include "reply.h"

#include <assert.h>

/* Fields are written straight into the buffer. A message's length stands before its content and
 * takes more bytes the longer that is, so its place is left by a guess of the content's size; when
 * the guess was wrong the content is moved. Publications, which matter, are guessed by adding up.
 * Every message starts with its length, so that a frame is its messages one after another. */

enum wire_type { WIRE_VARINT = 0, WIRE_BYTES = 2 };

/* Bytes that a message takes besides its variable parts, roughly. */
enum { SMALL_MESSAGE = 64 };
/* Bytes of a field's tag (numbers of 16 and above are rare) and of a varint. */
enum { VARINT_MAX_SIZE = 10, FIELD_HEAD_MAX_SIZE = 2 * VARINT_MAX_SIZE };

/* ---- fields ---- */

static size_t varint_size(uint64_t value)
{
    /* One byte for each 7 bits begun. */
    return (size_t)(63 - __builtin_clzll(value | 1)) / 7 + 1;
}

/* Writes the value into exactly varint_size(value) bytes; returns the end. */
static char *write_varint(char *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (char)(0x80 | (value & 0x7f));
        value >>= 7;
    }
    *at++ = (char)value;
    return at;
}

static void append_varint(struct hf_buffer *buffer, uint64_t value)
{
    if (hf_buffer_reserve(buffer, VARINT_MAX_SIZE)) {
        buffer->len = (size_t)(write_varint(buffer->data + buffer->len, value) - buffer->data);
    }
}

static void put_u64(struct hf_buffer *buffer, unsigned number, uint64_t value)
{
    if (value != 0 && hf_buffer_reserve(buffer, FIELD_HEAD_MAX_SIZE)) {
        char *at = write_varint(buffer->data + buffer->len, number << 3 | WIRE_VARINT);
        buffer->len = (size_t)(write_varint(at, value) - buffer->data);
    }
}

static void put_true(struct hf_buffer *buffer, unsigned number, bool value)
{
    put_u64(buffer, number, value ? 1 : 0);
}

/* A text or raw bytes. */
static void put_bytes(struct hf_buffer *buffer, unsigned number, struct hf_slice bytes)
{
    if (bytes.len != 0 && hf_buffer_reserve(buffer, FIELD_HEAD_MAX_SIZE + bytes.len)) {
        char *at = write_varint(buffer->data + buffer->len, number << 3 | WIRE_BYTES);
        at = write_varint(at, bytes.len);
        memcpy(at, bytes.data, bytes.len);
        buffer->len = (size_t)(at - buffer->data) + bytes.len;
    }
}

static size_t u64_size(unsigned number, uint64_t value)
{
    return value != 0 ? varint_size(number << 3) + varint_size(value) : 0;
}

static size_t bytes_size(unsigned number, size_t len)
{
    return len != 0 ? varint_size(number << 3) + varint_size(len) + len : 0;
}

/* ---- messages ---- */

/* A message that is being written: where its content begins, and the room before it. */
struct message {
    struct hf_buffer *buffer;
    size_t content;  /* offset in the buffer */
    size_t len_size; /* bytes left for the length */
};

/* size: a guess of the content's. */
static struct message open_message(struct hf_buffer *buffer, size_t size)
{
    struct message message = {.buffer = buffer, .len_size = varint_size(size)};
    if (hf_buffer_reserve(buffer, message.len_size + size)) {
        buffer->len += message.len_size;
    }
    message.content = buffer->len;
    return message;
}

static struct message open_field(struct hf_buffer *buffer, unsigned number, size_t size)
{
    append_varint(buffer, number << 3 | WIRE_BYTES);
    return open_message(buffer, size);
}

static void close_message(const struct message *message)
{
    struct hf_buffer *buffer = message->buffer;
    if (hf_buffer_failed(buffer)) {
        return;
    }
    size_t len = buffer->len - message->content;
    size_t len_size = varint_size(len);
    size_t start = message->content - message->len_size;
    if (len_size != message->len_size) {
        if (len_size > message->len_size &&
            !hf_buffer_reserve(buffer, len_size - message->len_size)) {
            return;
        }
        memmove(buffer->data + start + len_size, buffer->data + message->content, len);
        buffer->len = start + len_size + len;
    }
    write_varint(buffer->data + start, len);
}

/* ---- client info and tags, kept as JSON ---- */

/* Takes the next value, whatever it is, and gives it if it is a string that is a text. Memory for
 * what had escapes comes from the arena. */
static bool take_text(struct hf_json *json, struct hf_arena *arena, struct hf_slice *text)
{
    struct hf_slice raw;
    struct hf_json value;
    if (!hf_json_raw(json, &raw)) {
        return false;
    }
    hf_json_init(&value, raw, HF_JSON_MAX_DEPTH);
    return hf_json_peek(&value) == HF_JSON_STRING && hf_json_get_string(&value, arena, text);
}

/* json: an object of a client info. */
static void parse_info(struct hf_slice text, struct hf_arena *arena, struct hf_client_info *info)
{
    struct hf_json json;
    struct hf_json_key key;
    *info = (struct hf_client_info){0};
    hf_json_init(&json, text, HF_JSON_MAX_DEPTH);
    hf_json_object_begin(&json);
    while (hf_json_object_next(&json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("user"))) {
            take_text(&json, arena, &info->user);
        } else if (hf_json_key_is(&key, HF_SLICE("client"))) {
            take_text(&json, arena, &info->client);
        } else if (hf_json_key_is(&key, HF_SLICE("conn_info"))) {
            hf_json_raw(&json, &info->conn_info);
        } else if (hf_json_key_is(&key, HF_SLICE("chan_info"))) {
            hf_json_raw(&json, &info->chan_info);
        } else {
            hf_json_skip(&json);
        }
    }
}

static void write_info(struct hf_buffer *buffer, unsigned number, const struct hf_client_info *info)
{
    struct message message =
        open_field(buffer, number,
                   bytes_size(1, info->user.len) + bytes_size(2, info->client.len) +
                       bytes_size(3, info->conn_info.len) + bytes_size(4, info->chan_info.len));
    put_bytes(buffer, 1, info->user);
    put_bytes(buffer, 2, info->client);
    put_bytes(buffer, 3, info->conn_info);
    put_bytes(buffer, 4, info->chan_info);
    close_message(&message);
}

/* info_raw wins. Neither: nothing is written. */
static void put_info(struct hf_buffer *buffer, unsigned number, const struct hf_client_info *info,
                     struct hf_slice info_raw)
{
    if (info_raw.len != 0) {
        struct hf_arena arena;
        struct hf_client_info parsed;
        hf_arena_init(&arena, 0);
        parse_info(info_raw, &arena, &parsed);
        write_info(buffer, number, &parsed);
        hf_arena_fini(&arena);
    } else if (info) {
        write_info(buffer, number, info);
    }
}

/* tags: JSON object of strings. */
static void put_tags(struct hf_buffer *buffer, unsigned number, struct hf_slice tags)
{
    if (tags.len == 0) {
        return;
    }
    struct hf_arena arena;
    struct hf_json json;
    struct hf_json_key key;
    hf_arena_init(&arena, 0);
    hf_json_init(&json, tags, HF_JSON_MAX_DEPTH);
    hf_json_object_begin(&json);
    while (hf_json_object_next(&json, &key)) {
        struct hf_slice name;
        struct hf_slice value;
        bool has_name = hf_json_key_text(&json, &key, &arena, &name);
        if (!take_text(&json, &arena, &value) || !has_name) {
            continue;
        }
        struct message entry =
            open_field(buffer, number, bytes_size(1, name.len) + bytes_size(2, value.len));
        put_bytes(buffer, 1, name);
        put_bytes(buffer, 2, value);
        close_message(&entry);
    }
    hf_arena_fini(&arena);
}

/* ---- shared parts ---- */

/* Info and tags are taken for as long as their JSON. */
static size_t publication_size(const struct hf_wire_publication *publication)
{
    return bytes_size(4, publication->data.len) + bytes_size(5, publication->info_raw.len) +
           u64_size(6, publication->offset) + bytes_size(7, publication->tags.len) +
           u64_size(8, publication->delta) + bytes_size(10, publication->channel.len) +
           bytes_size(11, publication->key.len) + bytes_size(14, publication->epoch.len) +
           u64_size(16, publication->version);
}

/* size: publication_size(publication). */
static void put_publication(struct hf_buffer *buffer, unsigned number,
                            const struct hf_wire_publication *publication, size_t size)
{
    struct message message = open_field(buffer, number, size);
    put_bytes(buffer, 4, publication->data);
    put_info(buffer, 5, publication->info, publication->info_raw);
    put_u64(buffer, 6, publication->offset);
    put_tags(buffer, 7, publication->tags);
    put_true(buffer, 8, publication->delta);
    put_bytes(buffer, 10, publication->channel);
    put_bytes(buffer, 11, publication->key);
    put_bytes(buffer, 14, publication->epoch);
    put_u64(buffer, 16, publication->version);
    close_message(&message);
}

/* Numbers of the publications in a subscribe and in a history result. Lists are kept with the
 * first, since many clients recover the same page; a history reply changes the tags. */
enum { SUBSCRIBE_PUBLICATIONS = 7, HISTORY_PUBLICATIONS = 1 };

static void publication_list_add(struct hf_buffer *list,
                                 const struct hf_wire_publication *publication)
{
    put_publication(list, SUBSCRIBE_PUBLICATIONS, publication, publication_size(publication));
}

/* Appends a list as it is, then gives its fields the number of a history result's. */
static void append_history(struct hf_buffer *buffer, struct hf_slice list)
{
    _Static_assert(SUBSCRIBE_PUBLICATIONS < 16 && HISTORY_PUBLICATIONS < 16, "tags of one byte");
    size_t start = buffer->len;
    hf_buffer_append_slice(buffer, list);
    if (hf_buffer_failed(buffer)) {
        return;
    }
    char *at = buffer->data + start;
    const char *end = buffer->data + buffer->len;
    while (at < end) {
        size_t len = 0;
        unsigned shift = 0;
        *at++ = HISTORY_PUBLICATIONS << 3 | WIRE_BYTES;
        do {
            len |= (size_t)(*at & 0x7f) << shift;
            shift += 7;
        } while ((*at++ & 0x80) != 0);
        at += len;
    }
}

static size_t subscribe_size(const struct hf_subscribe_reply *result)
{
    return SMALL_MESSAGE + result->publications_raw.len + result->data.len + result->epoch.len;
}

static void put_subscribe_result(struct hf_buffer *buffer, unsigned number,
                                 const struct hf_subscribe_reply *result)
{
    struct message message = open_field(buffer, number, subscribe_size(result));
    put_true(buffer, 1, result->expires);
    put_u64(buffer, 2, result->ttl);
    put_true(buffer, 3, result->recoverable);
    put_bytes(buffer, 6, result->epoch);
    hf_buffer_append_slice(buffer, result->publications_raw);
    put_true(buffer, 8, result->recovered);
    put_u64(buffer, 9, result->offset);
    put_true(buffer, 10, result->positioned);
    put_bytes(buffer, 11, result->data);
    put_true(buffer, 12, result->was_recovering);
    put_true(buffer, 13, result->delta);
    put_u64(buffer, 14, result->id);
    close_message(&message);
}

/* ---- replies ---- */

static struct message open_reply(struct hf_buffer *buffer, uint32_t id, size_t size)
{
    struct message reply = open_message(buffer, SMALL_MESSAGE / 2 + size);
    put_u64(buffer, 1, id);
    return reply;
}

static void protobuf_error(struct hf_buffer *buffer, uint32_t id, uint32_t code,
                           struct hf_slice message, bool temporary)
{
    struct message reply = open_reply(buffer, id, message.len);
    struct message error = open_field(buffer, 2, message.len);
    put_u64(buffer, 1, code);
    put_bytes(buffer, 2, message);
    put_true(buffer, 3, temporary);
    close_message(&error);
    close_message(&reply);
}

static void protobuf_connect(struct hf_buffer *buffer, uint32_t id,
                             const struct hf_connect_result *result)
{
    struct message reply = open_reply(buffer, id, SMALL_MESSAGE);
    struct message connect = open_field(buffer, 5, SMALL_MESSAGE);
    put_bytes(buffer, 1, result->client);
    put_bytes(buffer, 2, result->version);
    put_true(buffer, 3, result->expires);
    put_u64(buffer, 4, result->ttl);
    put_bytes(buffer, 5, result->data);
    for (size_t i = 0; i < result->subs_count; i++) {
        const struct hf_connect_result_sub *sub = &result->subs[i];
        struct message entry =
            open_field(buffer, 6, sub->channel.len + subscribe_size(&sub->result));
        put_bytes(buffer, 1, sub->channel);
        put_subscribe_result(buffer, 2, &sub->result);
        close_message(&entry);
    }
    put_u64(buffer, 7, result->ping);
    put_true(buffer, 8, result->pong);
    put_bytes(buffer, 9, result->session);
    put_bytes(buffer, 10, result->node);
    put_u64(buffer, 11, (uint64_t)result->time);
    close_message(&connect);
    close_message(&reply);
}

static void protobuf_subscribe(struct hf_buffer *buffer, uint32_t id,
                               const struct hf_subscribe_reply *result)
{
    struct message reply = open_reply(buffer, id, subscribe_size(result));
    put_subscribe_result(buffer, 6, result);
    close_message(&reply);
}

static void empty_result(struct hf_buffer *buffer, uint32_t id, unsigned number)
{
    struct message reply = open_reply(buffer, id, 0);
    struct message result = open_field(buffer, number, 0);
    close_message(&result);
    close_message(&reply);
}

static void protobuf_unsubscribe(struct hf_buffer *buffer, uint32_t id)
{
    empty_result(buffer, id, 7);
}

static void protobuf_publish(struct hf_buffer *buffer, uint32_t id)
{
    empty_result(buffer, id, 8);
}

static void protobuf_history(struct hf_buffer *buffer, uint32_t id,
                             const struct hf_history_result *result)
{
    size_t size = result->publications_raw.len + result->epoch.len;
    struct message reply = open_reply(buffer, id, size);
    struct message history = open_field(buffer, 11, size);
    append_history(buffer, result->publications_raw);
    put_bytes(buffer, 2, result->epoch);
    put_u64(buffer, 3, result->offset);
    close_message(&history);
    close_message(&reply);
}

static void protobuf_presence(struct hf_buffer *buffer, uint32_t id,
                              const struct hf_presence_entry *entries, size_t count)
{
    size_t size = count * SMALL_MESSAGE;
    struct message reply = open_reply(buffer, id, size);
    struct message presence = open_field(buffer, 9, size);
    for (size_t i = 0; i < count; i++) {
        assert(entries[i].info || entries[i].info_raw.len != 0);
        struct message entry = open_field(buffer, 1, SMALL_MESSAGE);
        put_bytes(buffer, 1, entries[i].client);
        put_info(buffer, 2, entries[i].info, entries[i].info_raw);
        close_message(&entry);
    }
    close_message(&presence);
    close_message(&reply);
}

static void protobuf_presence_stats(struct hf_buffer *buffer, uint32_t id, uint32_t num_clients,
                                    uint32_t num_users)
{
    struct message reply = open_reply(buffer, id, 0);
    struct message stats = open_field(buffer, 10, 0);
    put_u64(buffer, 1, num_clients);
    put_u64(buffer, 2, num_users);
    close_message(&stats);
    close_message(&reply);
}

static void protobuf_rpc(struct hf_buffer *buffer, uint32_t id, struct hf_slice data)
{
    struct message reply = open_reply(buffer, id, data.len);
    struct message rpc = open_field(buffer, 13, bytes_size(1, data.len));
    put_bytes(buffer, 1, data);
    close_message(&rpc);
    close_message(&reply);
}

static void protobuf_refresh(struct hf_buffer *buffer, uint32_t id, bool expires, uint32_t ttl)
{
    struct message reply = open_reply(buffer, id, 0);
    struct message refresh = open_field(buffer, 14, 0);
    put_true(buffer, 3, expires);
    put_u64(buffer, 4, ttl);
    close_message(&refresh);
    close_message(&reply);
}

static void protobuf_sub_refresh(struct hf_buffer *buffer, uint32_t id, bool expires, uint32_t ttl)
{
    struct message reply = open_reply(buffer, id, 0);
    struct message refresh = open_field(buffer, 15, 0);
    put_true(buffer, 1, expires);
    put_u64(buffer, 2, ttl);
    close_message(&refresh);
    close_message(&reply);
}

/* ---- pushes ---- */

/* A push that is being written: reply, push, and the one message inside. */
struct push {
    struct message reply;
    struct message push;
    struct message content;
};

static size_t channel_size(struct hf_push_channel channel)
{
    return channel.id != 0 ? u64_size(1, channel.id) : bytes_size(2, channel.name.len);
}

static void put_channel(struct hf_buffer *buffer, struct hf_push_channel channel)
{
    put_u64(buffer, 1, channel.id);
    if (channel.id == 0) {
        put_bytes(buffer, 2, channel.name);
    }
}

/* size: a guess of the content's. */
static struct push open_push_by(struct hf_buffer *buffer, struct hf_push_channel channel,
                                unsigned number, size_t size)
{
    size_t push_size = channel_size(channel) + bytes_size(number, size);
    struct push push = {.reply = open_message(buffer, bytes_size(4, push_size))};
    push.push = open_field(buffer, 4, push_size);
    put_channel(buffer, channel);
    push.content = open_field(buffer, number, size);
    return push;
}

/* channel: empty for pushes that concern the connection. */
static struct push open_push(struct hf_buffer *buffer, struct hf_slice channel, unsigned number,
                             size_t size)
{
    return open_push_by(buffer, hf_push_channel(channel), number, size);
}

static void close_push(const struct push *push)
{
    close_message(&push->content);
    close_message(&push->push);
    close_message(&push->reply);
}

static void protobuf_push_publication(struct hf_buffer *buffer, struct hf_push_channel channel,
                                      const struct hf_wire_publication *publication)
{
    size_t size = publication_size(publication);
    size_t push_size = channel_size(channel) + bytes_size(4, size);
    struct message reply = open_message(buffer, bytes_size(4, push_size));
    struct message push = open_field(buffer, 4, push_size);
    put_channel(buffer, channel);
    put_publication(buffer, 4, publication, size);
    close_message(&push);
    close_message(&reply);
}

static void push_with_info(struct hf_buffer *buffer, struct hf_push_channel channel,
                           unsigned number, const struct hf_client_info *info,
                           struct hf_slice info_raw)
{
    assert(info || info_raw.len != 0);
    struct push push = open_push_by(buffer, channel, number, SMALL_MESSAGE);
    put_info(buffer, 1, info, info_raw);
    close_push(&push);
}

static void protobuf_push_join(struct hf_buffer *buffer, struct hf_push_channel channel,
                               const struct hf_client_info *info, struct hf_slice info_raw)
{
    push_with_info(buffer, channel, 5, info, info_raw);
}

static void protobuf_push_leave(struct hf_buffer *buffer, struct hf_push_channel channel,
                                const struct hf_client_info *info, struct hf_slice info_raw)
{
    push_with_info(buffer, channel, 6, info, info_raw);
}

static void protobuf_push_unsubscribe(struct hf_buffer *buffer, struct hf_slice channel,
                                      uint32_t code, struct hf_slice reason)
{
    struct push push = open_push(buffer, channel, 7, reason.len);
    put_u64(buffer, 2, code);
    put_bytes(buffer, 3, reason);
    close_push(&push);
}

static void protobuf_push_message(struct hf_buffer *buffer, struct hf_slice data)
{
    struct push push = open_push(buffer, hf_slice(NULL, 0), 8, bytes_size(1, data.len));
    put_bytes(buffer, 1, data);
    close_push(&push);
}

static void protobuf_push_subscribe(struct hf_buffer *buffer, struct hf_slice channel,
                                    const struct hf_subscribe_push *subscribe)
{
    struct push push = open_push(buffer, channel, 9, subscribe->epoch.len + subscribe->data.len);
    put_true(buffer, 1, subscribe->recoverable);
    put_bytes(buffer, 4, subscribe->epoch);
    put_u64(buffer, 5, subscribe->offset);
    put_true(buffer, 6, subscribe->positioned);
    put_bytes(buffer, 7, subscribe->data);
    close_push(&push);
}

static void protobuf_push_disconnect(struct hf_buffer *buffer, uint32_t code,
                                     struct hf_slice reason)
{
    struct push push = open_push(buffer, hf_slice(NULL, 0), 11, reason.len);
    put_u64(buffer, 1, code);
    put_bytes(buffer, 2, reason);
    close_push(&push);
}

static void protobuf_push_refresh(struct hf_buffer *buffer, bool expires, uint32_t ttl)
{
    struct push push = open_push(buffer, hf_slice(NULL, 0), 12, 0);
    put_true(buffer, 1, expires);
    put_u64(buffer, 2, ttl);
    close_push(&push);
}

static void protobuf_ping(struct hf_buffer *buffer)
{
    append_varint(buffer, 0); /* a reply without content */
}

const struct hf_encoder hf_encoder_protobuf = {
    .encoding = HF_ENCODING_PROTOBUF,
    .separator = {NULL, 0},
    .error = protobuf_error,
    .connect = protobuf_connect,
    .subscribe = protobuf_subscribe,
    .unsubscribe = protobuf_unsubscribe,
    .publish = protobuf_publish,
    .history = protobuf_history,
    .presence = protobuf_presence,
    .presence_stats = protobuf_presence_stats,
    .rpc = protobuf_rpc,
    .refresh = protobuf_refresh,
    .sub_refresh = protobuf_sub_refresh,
    .push_publication = protobuf_push_publication,
    .push_join = protobuf_push_join,
    .push_leave = protobuf_push_leave,
    .push_subscribe = protobuf_push_subscribe,
    .push_unsubscribe = protobuf_push_unsubscribe,
    .push_message = protobuf_push_message,
    .push_disconnect = protobuf_push_disconnect,
    .push_refresh = protobuf_push_refresh,
    .ping = protobuf_ping,
    .publication_list_add = publication_list_add,
};
