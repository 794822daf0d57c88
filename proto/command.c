#include "command.h"

#include "json.h"
#include "protobuf_scan.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What a decoding function works on: the text and the memory beside it. */
struct source {
    struct hf_json json;
    struct hf_arena *arena;
};

/* ---- messages as tables of fields ---- */

enum field_type {
    FIELD_TEXT, /* struct hf_slice */
    FIELD_RAW,  /* struct hf_slice, any JSON value, null included */
    FIELD_BOOL,
    FIELD_I32,
    FIELD_I64,
    FIELD_U64,
    FIELD_OTHER, /* by its own function */
};

struct field {
    struct hf_slice name;
    enum field_type type;
    size_t offset; /* of the member in its message's struct */
    /* FIELD_OTHER: takes the value into `message`, the struct itself; failure is in the cursor */
    void (*decode)(struct source *source, void *message);
};

struct message {
    const struct field *fields;
    size_t count;
};

#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
#define FIELD(type, message, member)                                                               \
    {                                                                                              \
        NAME(#member), FIELD_##type, offsetof(struct message, member), NULL                        \
    }
#define FIELD_BY(member, function)                                                                 \
    {                                                                                              \
        NAME(#member), FIELD_OTHER, 0, function                                                    \
    }
#define MESSAGE(fields)                                                                            \
    {                                                                                              \
        fields, COUNT(fields)                                                                      \
    }

static void decode_field(struct source *source, const struct field *field, void *out)
{
    char *member = (char *)out + field->offset;
    struct hf_json *json = &source->json;
    if (field->type == FIELD_RAW) {
        hf_json_raw(json, (struct hf_slice *)(void *)member);
        return;
    }
    if (hf_json_take_null(json)) {
        return;
    }
    switch (field->type) {
    case FIELD_TEXT:
        hf_json_get_string(json, source->arena, (struct hf_slice *)(void *)member);
        break;
    case FIELD_BOOL:
        hf_json_get_bool(json, (bool *)(void *)member);
        break;
    case FIELD_I32:
        hf_json_get_i32(json, (int32_t *)(void *)member);
        break;
    case FIELD_I64:
        hf_json_get_i64(json, (int64_t *)(void *)member);
        break;
    case FIELD_U64:
        hf_json_get_u64(json, (uint64_t *)(void *)member);
        break;
    case FIELD_OTHER:
        field->decode(source, out);
        break;
    case FIELD_RAW:
        break; /* taken above */
    }
}

static const struct field *find_field(const struct message *message, const struct hf_json_key *key)
{
    for (size_t i = 0; i < message->count; i++) {
        if (hf_json_key_is(key, message->fields[i].name)) {
            return &message->fields[i];
        }
    }
    return NULL;
}

/* out: the message's struct, zeroed. */
static void decode_message(struct source *source, const struct message *message, void *out)
{
    struct hf_json_key key;
    hf_json_object_begin(&source->json);
    while (hf_json_object_next(&source->json, &key)) {
        const struct field *field = find_field(message, &key);
        if (field) {
            decode_field(source, field, out);
        } else {
            hf_json_skip(&source->json);
        }
    }
}

/* A zeroed element at the end of an arena array that holds `count`; NULL with the error set. The
 * array grows when the count is a power of two, so that its capacity need not be kept.
 * array: the address of the array's pointer. */
static void *array_add(struct source *source, void *array, size_t count, size_t element_size)
{
    char *elements;
    memcpy(&elements, array, sizeof(elements));
    if ((count & (count - 1)) == 0) {
        size_t capacity = count != 0 ? 2 * count : 1;
        char *grown = hf_arena_alloc(source->arena, capacity * element_size);
        if (!grown) {
            hf_json_fail_memory(&source->json);
            return NULL;
        }
        if (count != 0) {
            memcpy(grown, elements, count * element_size);
        }
        elements = grown;
        memcpy(array, &elements, sizeof(elements));
    }
    return memset(elements + count * element_size, 0, element_size);
}

/* ---- filter ---- */

static void decode_filter_vals(struct source *source, void *message)
{
    struct hf_filter_node *node = message;
    node->vals_count = 0;
    hf_json_array_begin(&source->json);
    while (hf_json_array_next(&source->json)) {
        struct hf_slice *val =
            array_add(source, &node->vals, node->vals_count, sizeof(*node->vals));
        if (val && hf_json_get_string(&source->json, source->arena, val)) {
            node->vals_count++;
        }
    }
}

static void decode_filter_nodes(struct source *source, void *message);

static const struct field filter_fields[] = {
    FIELD(TEXT, hf_filter_node, op),    FIELD(TEXT, hf_filter_node, key),
    FIELD(TEXT, hf_filter_node, cmp),   FIELD(TEXT, hf_filter_node, val),
    FIELD_BY(vals, decode_filter_vals), FIELD_BY(nodes, decode_filter_nodes),
};
static const struct message filter_message = MESSAGE(filter_fields);

/* Recursion is bounded by the reader's nesting limit. */
static void decode_filter_nodes(struct source *source, void *message)
{
    struct hf_filter_node *node = message;
    node->nodes_count = 0;
    hf_json_array_begin(&source->json);
    while (hf_json_array_next(&source->json)) {
        struct hf_filter_node *child =
            array_add(source, &node->nodes, node->nodes_count, sizeof(*node->nodes));
        if (child) {
            decode_message(source, &filter_message, child);
            node->nodes_count++;
        }
    }
}

static void decode_subscribe_tf(struct source *source, void *message)
{
    struct hf_subscribe_request *request = message;
    request->tf = NULL;
    struct hf_filter_node *root = array_add(source, &request->tf, 0, sizeof(*root));
    if (root) {
        decode_message(source, &filter_message, root);
    }
}

/* ---- requests ---- */

static const struct field subscribe_fields[] = {
    FIELD(TEXT, hf_subscribe_request, channel),
    FIELD(TEXT, hf_subscribe_request, token),
    FIELD(BOOL, hf_subscribe_request, recover),
    FIELD(TEXT, hf_subscribe_request, epoch),
    FIELD(U64, hf_subscribe_request, offset),
    FIELD(RAW, hf_subscribe_request, data),
    FIELD(BOOL, hf_subscribe_request, positioned),
    FIELD(BOOL, hf_subscribe_request, recoverable),
    FIELD(BOOL, hf_subscribe_request, join_leave),
    FIELD(TEXT, hf_subscribe_request, delta),
    FIELD_BY(tf, decode_subscribe_tf),
    FIELD(I64, hf_subscribe_request, flag),
    FIELD(I32, hf_subscribe_request, type),
};
static const struct message subscribe_message = MESSAGE(subscribe_fields);

static void decode_connect_subs(struct source *source, void *message)
{
    struct hf_connect_request *request = message;
    struct hf_json_key key;
    request->subs_count = 0;
    hf_json_object_begin(&source->json);
    while (hf_json_object_next(&source->json, &key)) {
        if (hf_json_take_null(&source->json)) {
            continue;
        }
        struct hf_connect_sub *sub =
            array_add(source, &request->subs, request->subs_count, sizeof(*sub));
        if (sub && hf_json_key_text(&source->json, &key, source->arena, &sub->channel)) {
            decode_message(source, &subscribe_message, &sub->request);
            request->subs_count++;
        }
    }
}

static void decode_connect_headers(struct source *source, void *message)
{
    struct hf_connect_request *request = message;
    struct hf_json_key key;
    request->headers_count = 0;
    hf_json_object_begin(&source->json);
    while (hf_json_object_next(&source->json, &key)) {
        struct hf_header *header =
            array_add(source, &request->headers, request->headers_count, sizeof(*header));
        if (header && hf_json_key_text(&source->json, &key, source->arena, &header->name) &&
            hf_json_get_string(&source->json, source->arena, &header->value)) {
            request->headers_count++;
        }
    }
}

static const struct field connect_fields[] = {
    FIELD(TEXT, hf_connect_request, token),   FIELD(RAW, hf_connect_request, data),
    FIELD_BY(subs, decode_connect_subs),      FIELD(TEXT, hf_connect_request, name),
    FIELD(TEXT, hf_connect_request, version), FIELD_BY(headers, decode_connect_headers),
    FIELD(I64, hf_connect_request, flag),     FIELD(TEXT, hf_connect_request, dict),
    FIELD(TEXT, hf_connect_request, profile),
};

static const struct field channel_fields[] = {
    FIELD(TEXT, hf_channel_request, channel),
};

static const struct field publish_fields[] = {
    FIELD(TEXT, hf_publish_request, channel), FIELD(RAW, hf_publish_request, data),
    FIELD(I32, hf_publish_request, type),     FIELD(TEXT, hf_publish_request, key),
    FIELD(BOOL, hf_publish_request, removed),
};

static const struct field position_fields[] = {
    FIELD(U64, hf_stream_position, offset),
    FIELD(TEXT, hf_stream_position, epoch),
};
static const struct message position_message = MESSAGE(position_fields);

static void decode_history_since(struct source *source, void *message)
{
    struct hf_history_request *request = message;
    request->since = (struct hf_stream_position){0};
    request->has_since = true;
    decode_message(source, &position_message, &request->since);
}

static const struct field history_fields[] = {
    FIELD(TEXT, hf_history_request, channel),
    FIELD(I32, hf_history_request, limit),
    FIELD_BY(since, decode_history_since),
    FIELD(BOOL, hf_history_request, reverse),
};

static const struct field rpc_fields[] = {
    FIELD(RAW, hf_rpc_request, data),
    FIELD(TEXT, hf_rpc_request, method),
};

static const struct field send_fields[] = {
    FIELD(RAW, hf_send_request, data),
};

static const struct field refresh_fields[] = {
    FIELD(TEXT, hf_refresh_request, token),
};

static const struct field sub_refresh_fields[] = {
    FIELD(TEXT, hf_sub_refresh_request, channel),
    FIELD(TEXT, hf_sub_refresh_request, token),
    FIELD(I32, hf_sub_refresh_request, type),
};

/* ---- command ---- */

struct request_type {
    struct hf_slice name;
    struct message message;
};

static const struct request_type request_types[] = {
    [HF_COMMAND_CONNECT] = {NAME("connect"), MESSAGE(connect_fields)},
    [HF_COMMAND_PING] = {NAME("ping"), {NULL, 0}},
    [HF_COMMAND_SUBSCRIBE] = {NAME("subscribe"), MESSAGE(subscribe_fields)},
    [HF_COMMAND_UNSUBSCRIBE] = {NAME("unsubscribe"), MESSAGE(channel_fields)},
    [HF_COMMAND_PUBLISH] = {NAME("publish"), MESSAGE(publish_fields)},
    [HF_COMMAND_PRESENCE] = {NAME("presence"), MESSAGE(channel_fields)},
    [HF_COMMAND_PRESENCE_STATS] = {NAME("presence_stats"), MESSAGE(channel_fields)},
    [HF_COMMAND_HISTORY] = {NAME("history"), MESSAGE(history_fields)},
    [HF_COMMAND_RPC] = {NAME("rpc"), MESSAGE(rpc_fields)},
    [HF_COMMAND_SEND] = {NAME("send"), MESSAGE(send_fields)},
    [HF_COMMAND_REFRESH] = {NAME("refresh"), MESSAGE(refresh_fields)},
    [HF_COMMAND_SUB_REFRESH] = {NAME("sub_refresh"), MESSAGE(sub_refresh_fields)},
};

static enum hf_command_kind kind_of(const struct hf_json_key *key)
{
    for (size_t i = HF_COMMAND_CONNECT; i < COUNT(request_types); i++) {
        if (hf_json_key_is(key, request_types[i].name)) {
            return (enum hf_command_kind)i;
        }
    }
    return HF_COMMAND_NONE;
}

/* Takes one request. One that another request in the command outranks is only checked. */
static void decode_request(struct source *source, enum hf_command_kind kind,
                           struct hf_command *command)
{
    union hf_request unused;
    union hf_request *request = &unused;
    if (command->kind == HF_COMMAND_NONE || kind <= command->kind) {
        command->kind = kind;
        request = &command->request;
    }
    memset(request, 0, sizeof(*request));
    decode_message(source, &request_types[kind].message, request);
}

static void decode_command(struct source *source, struct hf_command *command)
{
    struct hf_json *json = &source->json;
    struct hf_json_key key;
    bool has_send = false;
    command->id = 0;
    command->kind = HF_COMMAND_NONE;
    hf_json_object_begin(json);
    while (hf_json_object_next(json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("id"))) {
            if (!hf_json_take_null(json)) {
                hf_json_get_u32(json, &command->id);
            }
            continue;
        }
        enum hf_command_kind kind = kind_of(&key);
        if (kind == HF_COMMAND_NONE) {
            hf_json_skip(json);
        } else if (!hf_json_take_null(json)) {
            has_send = has_send || kind == HF_COMMAND_SEND;
            decode_request(source, kind, command);
        }
    }
    if (command->id == 0 && !has_send) {
        command->kind = HF_COMMAND_PONG;
    } else if (command->id == 0 && command->kind != HF_COMMAND_SEND) {
        command->kind = HF_COMMAND_NONE;
    }
}

static enum hf_command_status fail(struct hf_command_error *error, enum hf_command_status status,
                                   size_t offset, const char *reason)
{
    if (error) {
        *error = (struct hf_command_error){reason, offset};
    }
    return status;
}

/* The end of a message: nothing may follow it. */
static enum hf_command_status finish(struct source *source, struct hf_command_error *error)
{
    switch (hf_json_end(&source->json)) {
    case HF_JSON_OK:
        return HF_COMMAND_OK;
    case HF_JSON_NO_MEMORY:
        return fail(error, HF_COMMAND_NO_MEMORY, source->json.error_offset, source->json.reason);
    case HF_JSON_MALFORMED:
        break;
    }
    return fail(error, HF_COMMAND_MALFORMED, source->json.error_offset, source->json.reason);
}

enum hf_command_status hf_command_decode_json(struct hf_slice message, struct hf_arena *arena,
                                              struct hf_command *command,
                                              struct hf_command_error *error)
{
    struct source source = {.arena = arena};
    hf_json_init(&source.json, message, HF_JSON_MAX_DEPTH);
    decode_command(&source, command);
    return finish(&source, error);
}

enum hf_command_status hf_connect_request_decode_json(struct hf_slice message,
                                                      struct hf_arena *arena,
                                                      struct hf_connect_request *request,
                                                      struct hf_command_error *error)
{
    struct source source = {.arena = arena};
    hf_json_init(&source.json, message, HF_JSON_MAX_DEPTH);
    memset(request, 0, sizeof(*request));
    decode_message(&source, &request_types[HF_COMMAND_CONNECT].message, request);
    return finish(&source, error);
}

static const struct field emulation_fields[] = {
    FIELD(TEXT, hf_emulation_request, node),
    FIELD(TEXT, hf_emulation_request, session),
    FIELD(TEXT, hf_emulation_request, data),
};

enum hf_command_status hf_emulation_request_decode(enum hf_encoding encoding,
                                                   struct hf_slice message, struct hf_arena *arena,
                                                   struct hf_emulation_request *request,
                                                   struct hf_command_error *error)
{
    static const struct message fields = MESSAGE(emulation_fields);
    struct source source = {.arena = arena};
    if (encoding == HF_ENCODING_PROTOBUF) {
        return hf__emulation_request_decode_protobuf(message, arena, request, error);
    }
    hf_json_init(&source.json, message, HF_JSON_MAX_DEPTH);
    memset(request, 0, sizeof(*request));
    decode_message(&source, &fields, request);
    return finish(&source, error);
}

enum hf_command_status hf_command_decode(enum hf_encoding encoding, struct hf_slice message,
                                         struct hf_arena *arena, struct hf_command *command,
                                         struct hf_command_error *error)
{
    return encoding == HF_ENCODING_PROTOBUF
               ? hf_command_decode_protobuf(message, arena, command, error)
               : hf_command_decode_json(message, arena, command, error);
}

/* ---- frame ---- */

void hf_command_iterator_init(struct hf_command_iterator *iterator, enum hf_encoding encoding,
                              struct hf_slice frame, size_t max_message_size)
{
    *iterator = (struct hf_command_iterator){
        .encoding = encoding,
        .frame = frame,
        .max_message_size = max_message_size,
    };
}

static enum hf_command_status next_line(struct hf_command_iterator *iterator,
                                        struct hf_slice *message, struct hf_command_error *error)
{
    size_t at = iterator->at;
    size_t left = iterator->frame.len - at;
    if (left == 0) {
        return at != 0 ? HF_COMMAND_END : fail(error, HF_COMMAND_MALFORMED, 0, "empty frame");
    }
    const char *line = iterator->frame.data + at;
    const char *line_feed = memchr(line, '\n', left);
    size_t len = line_feed ? (size_t)(line_feed - line) : left;
    iterator->at = at + len + (line_feed ? 1 : 0);
    if (len == 0) {
        return fail(error, HF_COMMAND_MALFORMED, at, "empty line");
    }
    if (iterator->max_message_size != 0 && len > iterator->max_message_size) {
        return fail(error, HF_COMMAND_TOO_LARGE, at, "message over the size limit");
    }
    *message = hf_slice(line, len);
    return HF_COMMAND_OK;
}

enum hf_command_status hf_command_iterator_next_message(struct hf_command_iterator *iterator,
                                                        struct hf_slice *message,
                                                        struct hf_command_error *error)
{
    return iterator->encoding == HF_ENCODING_PROTOBUF
               ? hf__protobuf_next_message(iterator, message, error)
               : next_line(iterator, message, error);
}

enum hf_command_status hf_command_iterator_next(struct hf_command_iterator *iterator,
                                                struct hf_arena *arena, struct hf_command *command,
                                                struct hf_command_error *error)
{
    struct hf_slice message;
    enum hf_command_status status = hf_command_iterator_next_message(iterator, &message, error);
    if (status != HF_COMMAND_OK) {
        return status;
    }
    status = hf_command_decode(iterator->encoding, message, arena, command, error);
    if (status != HF_COMMAND_OK && error) {
        error->offset += (size_t)(message.data - iterator->frame.data);
    }
    return status;
}

const char *hf_command_kind_name(enum hf_command_kind kind)
{
    if (kind == HF_COMMAND_PONG) {
        return "pong";
    }
    return kind == HF_COMMAND_NONE ? "none" : request_types[kind].name.data;
}
