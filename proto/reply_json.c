#include "json.h"
#include "reply.h"

#include <assert.h>

/* Room for the names, numbers and punctuation around a publication's variable parts, so that a push
 * is written into one reservation. */
enum { PUBLICATION_OVERHEAD = 256 };

/* ---- objects ---- */

/* An object being written. */
struct object {
    struct hf_buffer *buffer;
    bool has_members;
};

/* What stands before a member's value; the comma is left out for the first member. */
#define MEMBER(name) HF_SLICE(",\"" name "\":")

static struct object open_object(struct hf_buffer *buffer)
{
    hf_buffer_append_char(buffer, '{');
    return (struct object){buffer, false};
}

static void close_object(struct object *object)
{
    hf_buffer_append_char(object->buffer, '}');
}

static void begin_member(struct object *object, struct hf_slice member)
{
    size_t skipped = object->has_members ? 0 : 1;
    hf_buffer_append(object->buffer, member.data + skipped, member.len - skipped);
    object->has_members = true;
}

static struct object begin_object_member(struct object *object, struct hf_slice member)
{
    begin_member(object, member);
    return open_object(object->buffer);
}

static void always_put_text(struct object *object, struct hf_slice member, struct hf_slice text)
{
    begin_member(object, member);
    hf_json_append_string(object->buffer, text);
}

static void always_put_u64(struct object *object, struct hf_slice member, uint64_t value)
{
    begin_member(object, member);
    hf_buffer_append_u64(object->buffer, value);
}

static void put_text(struct object *object, struct hf_slice member, struct hf_slice text)
{
    if (text.len != 0) {
        always_put_text(object, member, text);
    }
}

static void put_raw(struct object *object, struct hf_slice member, struct hf_slice raw)
{
    if (raw.len != 0) {
        begin_member(object, member);
        hf_json_append_raw(object->buffer, raw);
    }
}

static void put_u64(struct object *object, struct hf_slice member, uint64_t value)
{
    if (value != 0) {
        always_put_u64(object, member, value);
    }
}

static void put_true(struct object *object, struct hf_slice member, bool value)
{
    if (value) {
        begin_member(object, member);
        HF_BUFFER_APPEND_LITERAL(object->buffer, "true");
    }
}

/* ---- shared parts ---- */

void hf_reply_json_client_info(struct hf_buffer *buffer, const struct hf_client_info *info)
{
    struct object object = open_object(buffer);
    always_put_text(&object, MEMBER("user"), info->user);
    always_put_text(&object, MEMBER("client"), info->client);
    put_raw(&object, MEMBER("conn_info"), info->conn_info);
    put_raw(&object, MEMBER("chan_info"), info->chan_info);
    close_object(&object);
}

/* The value of a member whose name is written. */
static void append_info(struct hf_buffer *buffer, const struct hf_client_info *info,
                        struct hf_slice info_raw)
{
    assert(info || info_raw.len != 0);
    if (info_raw.len != 0) {
        hf_json_append_raw(buffer, info_raw);
    } else {
        hf_reply_json_client_info(buffer, info);
    }
}

/* The most that a publication without special characters takes. */
static size_t publication_size(const struct hf_wire_publication *publication)
{
    return PUBLICATION_OVERHEAD + publication->data.len + publication->info_raw.len +
           publication->tags.len + publication->channel.len + publication->key.len +
           publication->epoch.len;
}

void hf_reply_json_publication(struct hf_buffer *buffer,
                               const struct hf_wire_publication *publication)
{
    struct object object = open_object(buffer);
    if (publication->data_is_text) {
        always_put_text(&object, MEMBER("data"), publication->data);
    } else {
        put_raw(&object, MEMBER("data"), publication->data);
    }
    if (publication->info || publication->info_raw.len != 0) {
        begin_member(&object, MEMBER("info"));
        append_info(buffer, publication->info, publication->info_raw);
    }
    put_u64(&object, MEMBER("offset"), publication->offset);
    put_raw(&object, MEMBER("tags"), publication->tags);
    put_true(&object, MEMBER("delta"), publication->delta);
    put_text(&object, MEMBER("channel"), publication->channel);
    put_text(&object, MEMBER("key"), publication->key);
    put_text(&object, MEMBER("epoch"), publication->epoch);
    put_u64(&object, MEMBER("version"), publication->version);
    close_object(&object);
}

static void publication_list_add(struct hf_buffer *list,
                                 const struct hf_wire_publication *publication)
{
    hf_buffer_reserve(list, publication_size(publication));
    if (list->len != 0) {
        hf_buffer_append_char(list, ',');
    }
    hf_reply_json_publication(list, publication);
}

/* The list was written by publication_list_add: no line breaks to take out. */
static void append_publications(struct hf_buffer *buffer, struct hf_slice list)
{
    hf_buffer_append_char(buffer, '[');
    hf_buffer_append_slice(buffer, list);
    hf_buffer_append_char(buffer, ']');
}

static void put_subscribe_result(struct object *object, const struct hf_subscribe_reply *result)
{
    put_true(object, MEMBER("expires"), result->expires);
    put_u64(object, MEMBER("ttl"), result->ttl);
    put_true(object, MEMBER("recoverable"), result->recoverable);
    put_text(object, MEMBER("epoch"), result->epoch);
    if (result->publications_raw.len != 0) {
        begin_member(object, MEMBER("publications"));
        append_publications(object->buffer, result->publications_raw);
    }
    put_true(object, MEMBER("recovered"), result->recovered);
    put_u64(object, MEMBER("offset"), result->offset);
    put_true(object, MEMBER("positioned"), result->positioned);
    put_raw(object, MEMBER("data"), result->data);
    put_true(object, MEMBER("was_recovering"), result->was_recovering);
    put_true(object, MEMBER("delta"), result->delta);
    put_u64(object, MEMBER("id"), result->id);
}

/* ---- replies ---- */

/* A message that is being written, with the one object inside it that has the content. */
struct reply {
    struct object outer;
    struct object result;
};

static struct reply open_reply(struct hf_buffer *buffer, uint32_t id, struct hf_slice member)
{
    struct reply reply = {.outer = open_object(buffer)};
    put_u64(&reply.outer, MEMBER("id"), id);
    reply.result = begin_object_member(&reply.outer, member);
    return reply;
}

static void close_reply(struct reply *reply)
{
    close_object(&reply->result);
    close_object(&reply->outer);
}

static void json_error(struct hf_buffer *buffer, uint32_t id, uint32_t code,
                       struct hf_slice message, bool temporary)
{
    struct reply reply = open_reply(buffer, id, MEMBER("error"));
    put_u64(&reply.result, MEMBER("code"), code);
    always_put_text(&reply.result, MEMBER("message"), message); /* SDKs read it unasked */
    put_true(&reply.result, MEMBER("temporary"), temporary);
    close_reply(&reply);
}

static void put_connect_subs(struct object *object, const struct hf_connect_result *result)
{
    if (result->subs_count == 0) {
        return;
    }
    struct object subs = begin_object_member(object, MEMBER("subs"));
    for (size_t i = 0; i < result->subs_count; i++) {
        if (i != 0) {
            hf_buffer_append_char(subs.buffer, ',');
        }
        hf_json_append_string(subs.buffer, result->subs[i].channel);
        hf_buffer_append_char(subs.buffer, ':');
        struct object sub = open_object(subs.buffer);
        put_subscribe_result(&sub, &result->subs[i].result);
        close_object(&sub);
    }
    close_object(&subs);
}

static void json_connect(struct hf_buffer *buffer, uint32_t id,
                         const struct hf_connect_result *result)
{
    struct reply reply = open_reply(buffer, id, MEMBER("connect"));
    put_text(&reply.result, MEMBER("client"), result->client);
    put_text(&reply.result, MEMBER("version"), result->version);
    put_true(&reply.result, MEMBER("expires"), result->expires);
    put_u64(&reply.result, MEMBER("ttl"), result->ttl);
    put_raw(&reply.result, MEMBER("data"), result->data);
    put_connect_subs(&reply.result, result);
    put_u64(&reply.result, MEMBER("ping"), result->ping);
    put_true(&reply.result, MEMBER("pong"), result->pong);
    put_text(&reply.result, MEMBER("session"), result->session);
    put_text(&reply.result, MEMBER("node"), result->node);
    if (result->time != 0) {
        begin_member(&reply.result, MEMBER("time"));
        hf_buffer_append_i64(buffer, result->time);
    }
    close_reply(&reply);
}

static void json_subscribe(struct hf_buffer *buffer, uint32_t id,
                           const struct hf_subscribe_reply *result)
{
    hf_buffer_reserve(buffer,
                      PUBLICATION_OVERHEAD + result->publications_raw.len + result->data.len);
    struct reply reply = open_reply(buffer, id, MEMBER("subscribe"));
    put_subscribe_result(&reply.result, result);
    close_reply(&reply);
}

static void json_unsubscribe(struct hf_buffer *buffer, uint32_t id)
{
    struct reply reply = open_reply(buffer, id, MEMBER("unsubscribe"));
    close_reply(&reply);
}

static void json_publish(struct hf_buffer *buffer, uint32_t id)
{
    struct reply reply = open_reply(buffer, id, MEMBER("publish"));
    close_reply(&reply);
}

static void json_history(struct hf_buffer *buffer, uint32_t id,
                         const struct hf_history_result *result)
{
    hf_buffer_reserve(buffer, PUBLICATION_OVERHEAD + result->publications_raw.len);
    struct reply reply = open_reply(buffer, id, MEMBER("history"));
    begin_member(&reply.result, MEMBER("publications"));
    append_publications(buffer, result->publications_raw);
    always_put_text(&reply.result, MEMBER("epoch"), result->epoch);
    always_put_u64(&reply.result, MEMBER("offset"), result->offset);
    close_reply(&reply);
}

static void json_presence(struct hf_buffer *buffer, uint32_t id,
                          const struct hf_presence_entry *entries, size_t count)
{
    struct reply reply = open_reply(buffer, id, MEMBER("presence"));
    struct object presence = begin_object_member(&reply.result, MEMBER("presence"));
    for (size_t i = 0; i < count; i++) {
        if (i != 0) {
            hf_buffer_append_char(buffer, ',');
        }
        hf_json_append_string(buffer, entries[i].client);
        hf_buffer_append_char(buffer, ':');
        append_info(buffer, entries[i].info, entries[i].info_raw);
    }
    close_object(&presence);
    close_reply(&reply);
}

static void json_presence_stats(struct hf_buffer *buffer, uint32_t id, uint32_t num_clients,
                                uint32_t num_users)
{
    struct reply reply = open_reply(buffer, id, MEMBER("presence_stats"));
    always_put_u64(&reply.result, MEMBER("num_clients"), num_clients);
    always_put_u64(&reply.result, MEMBER("num_users"), num_users);
    close_reply(&reply);
}

static void json_rpc(struct hf_buffer *buffer, uint32_t id, struct hf_slice data)
{
    struct reply reply = open_reply(buffer, id, MEMBER("rpc"));
    put_raw(&reply.result, MEMBER("data"), data);
    close_reply(&reply);
}

static void put_expiry(struct object *object, bool expires, uint32_t ttl)
{
    put_true(object, MEMBER("expires"), expires);
    put_u64(object, MEMBER("ttl"), ttl);
}

static void json_refresh(struct hf_buffer *buffer, uint32_t id, bool expires, uint32_t ttl)
{
    struct reply reply = open_reply(buffer, id, MEMBER("refresh"));
    put_expiry(&reply.result, expires, ttl);
    close_reply(&reply);
}

static void json_sub_refresh(struct hf_buffer *buffer, uint32_t id, bool expires, uint32_t ttl)
{
    struct reply reply = open_reply(buffer, id, MEMBER("sub_refresh"));
    put_expiry(&reply.result, expires, ttl);
    close_reply(&reply);
}

/* ---- pushes ---- */

/* A push that is being written: {"push":{"channel":...,"<kind>":{ content }}}. */
struct push {
    struct object reply;
    struct object push;
    struct object content;
};

static struct push open_push_by(struct hf_buffer *buffer, struct hf_push_channel channel,
                                struct hf_slice member)
{
    struct push push = {.reply = open_object(buffer)};
    push.push = begin_object_member(&push.reply, MEMBER("push"));
    if (channel.id != 0) {
        put_u64(&push.push, MEMBER("id"), channel.id);
    } else {
        put_text(&push.push, MEMBER("channel"), channel.name);
    }
    push.content = begin_object_member(&push.push, member);
    return push;
}

/* channel: empty for pushes that concern the connection. */
static struct push open_push(struct hf_buffer *buffer, struct hf_slice channel,
                             struct hf_slice member)
{
    return open_push_by(buffer, hf_push_channel(channel), member);
}

static void close_push(struct push *push)
{
    close_object(&push->content);
    close_object(&push->push);
    close_object(&push->reply);
}

static void json_push_publication(struct hf_buffer *buffer, struct hf_push_channel channel,
                                  const struct hf_wire_publication *publication)
{
    hf_buffer_reserve(buffer, channel.name.len + publication_size(publication));
    if (channel.id != 0) {
        HF_BUFFER_APPEND_LITERAL(buffer, "{\"push\":{\"id\":");
        hf_buffer_append_u64(buffer, channel.id);
    } else {
        HF_BUFFER_APPEND_LITERAL(buffer, "{\"push\":{\"channel\":");
        hf_json_append_string(buffer, channel.name);
    }
    HF_BUFFER_APPEND_LITERAL(buffer, ",\"pub\":");
    hf_reply_json_publication(buffer, publication);
    HF_BUFFER_APPEND_LITERAL(buffer, "}}");
}

static void push_with_info(struct hf_buffer *buffer, struct hf_push_channel channel,
                           struct hf_slice member, const struct hf_client_info *info,
                           struct hf_slice info_raw)
{
    struct push push = open_push_by(buffer, channel, member);
    begin_member(&push.content, MEMBER("info"));
    append_info(buffer, info, info_raw);
    close_push(&push);
}

static void json_push_join(struct hf_buffer *buffer, struct hf_push_channel channel,
                           const struct hf_client_info *info, struct hf_slice info_raw)
{
    push_with_info(buffer, channel, MEMBER("join"), info, info_raw);
}

static void json_push_leave(struct hf_buffer *buffer, struct hf_push_channel channel,
                            const struct hf_client_info *info, struct hf_slice info_raw)
{
    push_with_info(buffer, channel, MEMBER("leave"), info, info_raw);
}

static void json_push_subscribe(struct hf_buffer *buffer, struct hf_slice channel,
                                const struct hf_subscribe_push *subscribe)
{
    struct push push = open_push(buffer, channel, MEMBER("subscribe"));
    put_true(&push.content, MEMBER("recoverable"), subscribe->recoverable);
    put_text(&push.content, MEMBER("epoch"), subscribe->epoch);
    put_u64(&push.content, MEMBER("offset"), subscribe->offset);
    put_true(&push.content, MEMBER("positioned"), subscribe->positioned);
    put_raw(&push.content, MEMBER("data"), subscribe->data);
    close_push(&push);
}

/* SDKs read the reason unasked, so it is there even when empty. */
static void put_code_and_reason(struct object *object, uint32_t code, struct hf_slice reason)
{
    put_u64(object, MEMBER("code"), code);
    always_put_text(object, MEMBER("reason"), reason);
}

static void json_push_unsubscribe(struct hf_buffer *buffer, struct hf_slice channel, uint32_t code,
                                  struct hf_slice reason)
{
    struct push push = open_push(buffer, channel, MEMBER("unsubscribe"));
    put_code_and_reason(&push.content, code, reason);
    close_push(&push);
}

static void json_push_message(struct hf_buffer *buffer, struct hf_slice data)
{
    struct push push = open_push(buffer, hf_slice(NULL, 0), MEMBER("message"));
    put_raw(&push.content, MEMBER("data"), data);
    close_push(&push);
}

static void json_push_disconnect(struct hf_buffer *buffer, uint32_t code, struct hf_slice reason)
{
    struct push push = open_push(buffer, hf_slice(NULL, 0), MEMBER("disconnect"));
    put_code_and_reason(&push.content, code, reason);
    close_push(&push);
}

static void json_push_refresh(struct hf_buffer *buffer, bool expires, uint32_t ttl)
{
    struct push push = open_push(buffer, hf_slice(NULL, 0), MEMBER("refresh"));
    put_expiry(&push.content, expires, ttl);
    close_push(&push);
}

static void json_ping(struct hf_buffer *buffer)
{
    HF_BUFFER_APPEND_LITERAL(buffer, "{}");
}

const struct hf_encoder hf_encoder_json = {
    .encoding = HF_ENCODING_JSON,
    .separator = {"\n", 1},
    .error = json_error,
    .connect = json_connect,
    .subscribe = json_subscribe,
    .unsubscribe = json_unsubscribe,
    .publish = json_publish,
    .history = json_history,
    .presence = json_presence,
    .presence_stats = json_presence_stats,
    .rpc = json_rpc,
    .refresh = json_refresh,
    .sub_refresh = json_sub_refresh,
    .push_publication = json_push_publication,
    .push_join = json_push_join,
    .push_leave = json_push_leave,
    .push_subscribe = json_push_subscribe,
    .push_unsubscribe = json_push_unsubscribe,
    .push_message = json_push_message,
    .push_disconnect = json_push_disconnect,
    .push_refresh = json_push_refresh,
    .ping = json_ping,
    .publication_list_add = publication_list_add,
};
