/* Redis store: what changes a channel otherwise than by publishing (remove, mend), and the bus. */
#include "store/redis_store.h"

#include <string.h>

#include "redis/frame.h"
#include "redis/scripts.h"

/* Ends the operation that the channel has in flight. */
static void finish(struct hf_redis_channel *channel, int result)
{
    struct hf_redis_op *op = TAILQ_FIRST(&channel->ops);
    TAILQ_REMOVE(&channel->ops, op, in_channel);
    hf_redis_complete(channel->store, op, result);
    channel->in_flight = 0;
    hf_redis_channel_settle(channel);
}

/* The same when it could not be sent: not from inside a call into the store. */
static void refuse(struct hf_redis_channel *channel, int result)
{
    struct hf_redis_op *op = TAILQ_FIRST(&channel->ops);
    TAILQ_REMOVE(&channel->ops, op, in_channel);
    channel->in_flight = 0;
    hf_redis_complete_later(channel->store, op, result);
    hf_redis_channel_settle(channel);
}

static char *write_key(char *at, const struct hf_redis_channel *channel,
                       const struct hf_redis_prefix *prefix)
{
    return hf_redis_write_joined(at, prefix->text, prefix->len, channel->name, channel->len);
}

static size_t key_size(const struct hf_redis_channel *channel, const struct hf_redis_prefix *prefix)
{
    return HF_REDIS_ARGUMENT_SIZE(prefix->len + channel->len);
}

size_t hf_redis_script_size(const struct hf_script *script, bool with_text)
{
    return HF_REDIS_COMMAND_SIZE + HF_REDIS_ARGUMENT_SIZE(7) + HF_REDIS_ARGUMENT_SIZE(20) +
           HF_REDIS_ARGUMENT_SIZE(with_text ? script->len : strlen(script->sha1));
}

char *hf_redis_write_script(char *at, const struct hf_script *script, bool with_text, uint64_t keys,
                            size_t arguments)
{
    at = hf_redis_write_command(at, 3 + keys + arguments);
    at = hf_redis_write_text(at, with_text ? "EVAL" : "EVALSHA");
    at = hf_redis_write_text(at, with_text ? script->text : script->sha1);
    return hf_redis_write_number(at, keys);
}

/* --- remove --------------------------------------------------------------------------------- */

static bool send_remove(struct hf_redis_channel *channel, bool with_text);

static void on_remove_reply(void *context, const struct hf_reply *reply)
{
    struct hf_redis_channel *channel = context;
    struct hf_redis_store *store = channel->store;
    if (reply == NULL) {
        /* It may be carried out twice without harm. */
        struct hf_redis_op *op = TAILQ_FIRST(&channel->ops);
        channel->in_flight = 0;
        TAILQ_REMOVE(&channel->ops, op, in_channel);
        hf_redis_wait_again(store, op);
    } else if (hf_reply_is_error(reply, "NOSCRIPT")) {
        if (!send_remove(channel, true))
            finish(channel, HF_ENOMEM);
    } else {
        finish(channel, reply->type == HF_REPLY_ERROR ? hf_redis_judge(store, reply) : HF_OK);
    }
}

static bool send_remove(struct hf_redis_channel *channel, bool with_text)
{
    struct hf_redis_store *store = channel->store;
    const struct hf_script *script = &hf_scripts[HF_SCRIPT_STREAM_REMOVE];
    char *at = hf_redis_connection_reserve(store->commands,
                                           hf_redis_script_size(script, with_text) +
                                               key_size(channel, &store->stream_prefix) +
                                               HF_REDIS_ARGUMENT_SIZE(store->db_prefix.len) +
                                               HF_REDIS_ARGUMENT_SIZE(strlen(HF_FRAME_REMOVED)));
    if (at == NULL)
        return false;
    at = hf_redis_write_script(at, script, with_text, 1, 2);
    at = write_key(at, channel, &store->stream_prefix);
    at = hf_redis_write_bytes(at, store->db_prefix.text, store->db_prefix.len);
    at = hf_redis_write_text(at, HF_FRAME_REMOVED);
    return hf_redis_connection_send(store->commands, at, on_remove_reply, channel);
}

void hf_redis_send_remove(struct hf_redis_channel *channel)
{
    hf_redis_stop_waiting(channel->store, TAILQ_FIRST(&channel->ops));
    channel->in_flight = 1;
    if (!send_remove(channel, false))
        refuse(channel, HF_ENOMEM);
}

/* --- mend ----------------------------------------------------------------------------------- */

static bool send_mend(struct hf_redis_channel *channel, bool with_text);

static void on_mend_reply(void *context, const struct hf_reply *reply)
{
    struct hf_redis_channel *channel = context;
    struct hf_redis_store *store = channel->store;
    struct hf_position position;
    if (reply == NULL) {
        finish(channel, store->is_closing ? HF_ECLOSED : HF_EUNKNOWN);
    } else if (hf_reply_is_error(reply, "NOSCRIPT")) {
        if (!send_mend(channel, true))
            finish(channel, HF_ENOMEM);
    } else if (hf_reply_is_error(reply, "HFELSEWHERE")) {
        finish(channel, HF_EUNRECOVERABLE);
    } else if (hf_reply_position(reply, &position)) {
        hf_redis_channel_learn(channel, position);
        finish(channel, HF_OK);
    } else {
        finish(channel, reply->type == HF_REPLY_ERROR ? hf_redis_judge(store, reply) : HF_ESTORE);
    }
}

static bool send_mend(struct hf_redis_channel *channel, bool with_text)
{
    struct hf_redis_store *store = channel->store;
    const struct hf_store_mend *request = TAILQ_FIRST(&channel->ops)->request.mend;
    const struct hf_script *script = &hf_scripts[HF_SCRIPT_STREAM_MEND];
    const uint32_t count = request->page != NULL ? request->page->count : 0;
    size_t arguments = 8;
    size_t size =
        hf_redis_script_size(script, with_text) + key_size(channel, &store->stream_prefix) +
        key_size(channel, &store->meta_prefix) + key_size(channel, &store->version_prefix) +
        HF_REDIS_ARGUMENT_SIZE(store->db_prefix.len) + 7 * HF_REDIS_ARGUMENT_SIZE(20);
    for (uint32_t i = 0; i < count; i++) {
        size += hf_redis_publication_size_max(&request->page->items[i]->fields);
        arguments += hf_redis_publication_arguments(&request->page->items[i]->fields);
    }

    char *at = hf_redis_connection_reserve(store->commands, size);
    if (at == NULL)
        return false;
    at = hf_redis_write_script(at, script, with_text, 3, arguments);
    at = write_key(at, channel, &store->stream_prefix);
    at = write_key(at, channel, &store->meta_prefix);
    at = write_key(at, channel, &store->version_prefix);
    at = hf_redis_write_bytes(at, store->db_prefix.text, store->db_prefix.len);
    at = hf_redis_write_number(at, request->expected.epoch);
    at = hf_redis_write_number(at, request->expected.offset);
    at = hf_redis_write_number(at, request->options.history_size);
    at = hf_redis_write_text(at, hf_redis_trim(request->options.history_size));
    at = hf_redis_write_number(at, hf_redis_ttl(request->options.history_ttl_s));
    at = hf_redis_write_number(at, hf_redis_ttl(request->options.meta_ttl_s));
    at = hf_redis_write_number(at, count);
    for (uint32_t i = 0; i < count; i++)
        at = hf_redis_write_publication(at, &request->page->items[i]->fields);
    return hf_redis_connection_send(store->commands, at, on_mend_reply, channel);
}

void hf_redis_send_mend(struct hf_redis_channel *channel)
{
    hf_redis_stop_waiting(channel->store, TAILQ_FIRST(&channel->ops));
    channel->in_flight = 1;
    const uint64_t life = TAILQ_FIRST(&channel->ops)->request.mend->life;
    if (life != 0 && life != hf_redis_connection_life(channel->store->commands))
        refuse(channel, HF_EUNRECOVERABLE);
    else if (!send_mend(channel, false))
        refuse(channel, HF_ENOMEM);
}

/* --- bus ------------------------------------------------------------------------------------ */

static void on_bus_reply(void *context, const struct hf_reply *reply)
{
    struct hf_redis_op *op = context;
    struct hf_redis_store *store = op->channel->store;
    int result = HF_OK;
    if (reply == NULL)
        result = store->is_closing ? HF_ECLOSED : HF_EUNKNOWN;
    else if (reply->type == HF_REPLY_ERROR)
        result = hf_redis_judge(store, reply);
    else if (op->request.bus->target.len > 0 && reply->type == HF_REPLY_NUMBER &&
             reply->number == 0)
        result = HF_ENONODE; /* nobody is subscribed */
    hf_redis_complete(store, op, result);
}

/* Messages of the bus do not wait for each other: the pipeline keeps their order. */
void hf_redis_send_bus(struct hf_redis_op *op)
{
    struct hf_redis_store *store = op->channel->store;
    const struct hf_bytes message = op->request.bus->message;
    const struct hf_bytes target = op->request.bus->target;
    TAILQ_REMOVE(&op->channel->ops, op, in_channel);
    hf_redis_stop_waiting(store, op);
    size_t name_len =
        target.len > 0 ? store->node_prefix.len + target.len : strlen(store->bus_name);
    char *at = hf_redis_connection_reserve(store->commands,
                                           HF_REDIS_COMMAND_SIZE + HF_REDIS_ARGUMENT_SIZE(7) +
                                               HF_REDIS_ARGUMENT_SIZE(name_len) +
                                               HF_REDIS_ARGUMENT_SIZE(message.len));
    if (at != NULL) {
        at = hf_redis_write_command(at, 3);
        at = hf_redis_write_text(at, "PUBLISH");
        at = target.len > 0 ? hf_redis_write_joined(at, store->node_prefix.text,
                                                    store->node_prefix.len, target.data, target.len)
                            : hf_redis_write_text(at, store->bus_name);
        at = hf_redis_write_bytes(at, message.data, message.len);
    }
    if (at == NULL || !hf_redis_connection_send(store->commands, at, on_bus_reply, op))
        hf_redis_complete_later(store, op, HF_ENOMEM);
}
