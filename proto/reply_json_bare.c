#include "reply.h"

#include <string.h>

/* Bare pushes are the pushes of the JSON encoder without {"push": and }. They are taken off what it
 * wrote, so that the two can never differ; a push is written once for all its receivers. */

#define PUSH_OPEN_LEN (sizeof("{\"push\":") - 1)

static void unwrap(struct hf_buffer *buffer, size_t start)
{
    if (hf_buffer_failed(buffer)) {
        return;
    }
    size_t len = buffer->len - start - PUSH_OPEN_LEN - 1;
    memmove(buffer->data + start, buffer->data + start + PUSH_OPEN_LEN, len);
    hf_buffer_truncate(buffer, start + len);
}

static void bare_connect(struct hf_buffer *buffer, uint32_t id,
                         const struct hf_connect_result *result)
{
    (void)id;
    hf_encoder_json.connect(buffer, 0, result);
}

static void bare_publication(struct hf_buffer *buffer, struct hf_push_channel channel,
                             const struct hf_wire_publication *publication)
{
    size_t start = buffer->len;
    hf_encoder_json.push_publication(buffer, channel, publication);
    unwrap(buffer, start);
}

static void item_publication(struct hf_buffer *buffer, struct hf_push_channel channel,
                             const struct hf_wire_publication *publication)
{
    (void)channel;
    hf_reply_json_publication(buffer, publication);
}

static void bare_join(struct hf_buffer *buffer, struct hf_push_channel channel,
                      const struct hf_client_info *info, struct hf_slice info_raw)
{
    size_t start = buffer->len;
    hf_encoder_json.push_join(buffer, channel, info, info_raw);
    unwrap(buffer, start);
}

static void bare_leave(struct hf_buffer *buffer, struct hf_push_channel channel,
                       const struct hf_client_info *info, struct hf_slice info_raw)
{
    size_t start = buffer->len;
    hf_encoder_json.push_leave(buffer, channel, info, info_raw);
    unwrap(buffer, start);
}

static void bare_subscribe(struct hf_buffer *buffer, struct hf_slice channel,
                           const struct hf_subscribe_push *push)
{
    size_t start = buffer->len;
    hf_encoder_json.push_subscribe(buffer, channel, push);
    unwrap(buffer, start);
}

static void bare_unsubscribe(struct hf_buffer *buffer, struct hf_slice channel, uint32_t code,
                             struct hf_slice reason)
{
    size_t start = buffer->len;
    hf_encoder_json.push_unsubscribe(buffer, channel, code, reason);
    unwrap(buffer, start);
}

static void bare_message(struct hf_buffer *buffer, struct hf_slice data)
{
    size_t start = buffer->len;
    hf_encoder_json.push_message(buffer, data);
    unwrap(buffer, start);
}

static void bare_disconnect(struct hf_buffer *buffer, uint32_t code, struct hf_slice reason)
{
    size_t start = buffer->len;
    hf_encoder_json.push_disconnect(buffer, code, reason);
    unwrap(buffer, start);
}

static void bare_refresh(struct hf_buffer *buffer, bool expires, uint32_t ttl)
{
    size_t start = buffer->len;
    hf_encoder_json.push_refresh(buffer, expires, ttl);
    unwrap(buffer, start);
}

static void bare_ping(struct hf_buffer *buffer)
{
    hf_encoder_json.ping(buffer);
}

static void list_add(struct hf_buffer *list, const struct hf_wire_publication *publication)
{
    hf_encoder_json.publication_list_add(list, publication);
}

#define BARE(publication_function)                                                                 \
    {                                                                                              \
        .encoding = HF_ENCODING_JSON, .separator = {"\n", 1}, .connect = bare_connect,             \
        .push_publication = publication_function, .push_join = bare_join,                          \
        .push_leave = bare_leave, .push_subscribe = bare_subscribe,                                \
        .push_unsubscribe = bare_unsubscribe, .push_message = bare_message,                        \
        .push_disconnect = bare_disconnect, .push_refresh = bare_refresh, .ping = bare_ping,       \
        .publication_list_add = list_add,                                                          \
    }

const struct hf_encoder hf_encoder_json_bare = BARE(bare_publication);
const struct hf_encoder hf_encoder_json_item = BARE(item_publication);
