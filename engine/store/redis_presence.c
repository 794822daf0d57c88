/* Redis store: presence. All changes are in one queue, and one call of the script is in flight at a
 * time: so they are applied in their order also when Redis has forgotten the script or the
 * connection broke, and what comes meanwhile gathers for the next call. */
#include "store/redis_store.h"

#include <stdlib.h>
#include <string.h>

#include "redis/frame.h"
#include "redis/scripts.h"

#define CALL_ITEMS_MAX HF_PRESENCE_BATCH_MAX
#define FIRST_ARGS     4 /* of the script, before the items */
#define ITEM_ARGS      5

/* What the next call carries. */
struct call {
    size_t items, channels;
    size_t args_size; /* of the items at most */
    size_t keys_size; /* of the channels at most */
    struct hf_bytes names[CALL_ITEMS_MAX];
    uint32_t channel_of[CALL_ITEMS_MAX]; /* from 0 */
};

static bool is_equal(struct hf_bytes a, struct hf_bytes b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static void add_item(const struct hf_redis_store *store, struct call *call,
                     const struct hf_presence_client *who)
{
    /* Neighbours are most often of one channel, or all are of different ones. */
    size_t channel = call->channels;
    while (channel > 0 && !is_equal(call->names[channel - 1], who->channel))
        channel--;
    if (channel == 0) {
        call->names[call->channels++] = who->channel;
        channel = call->channels;
        for (size_t i = 0; i < HF_REDIS_PRESENCE_KEYS; i++)
            call->keys_size +=
                HF_REDIS_ARGUMENT_SIZE(store->presence_prefixes[i].len + who->channel.len);
    }
    call->channel_of[call->items++] = (uint32_t)(channel - 1);
    call->args_size += HF_REDIS_ARGUMENT_SIZE(20) + HF_REDIS_ARGUMENT_SIZE(1) +
                       HF_REDIS_ARGUMENT_SIZE(who->client.len + 1 + who->user.len) +
                       HF_REDIS_ARGUMENT_SIZE(who->info.len) + HF_REDIS_ARGUMENT_SIZE(10);
}

static void gather(const struct hf_redis_store *store, struct call *call)
{
    const struct hf_redis_op *op = TAILQ_FIRST(&store->presence->ops);
    *call = (struct call){0};
    for (uint32_t i = 0; i < store->presence->in_flight; i++, op = TAILQ_NEXT(op, in_channel)) {
        const struct hf_store_presence *request = op->request.presence;
        for (size_t j = 0; j < request->count; j++)
            add_item(store, call, &request->items[j].who);
    }
}

/* As lua/presence_update.lua names them. What may have been told is not told again. */
static const char *action_of(const struct hf_presence_item *item, bool is_repeated)
{
    switch (item->action) {
    case HF_PRESENCE_ADD:
        return "+";
    case HF_PRESENCE_REFRESH:
        return "r";
    case HF_PRESENCE_JOIN:
        return is_repeated ? "n" : "j";
    case HF_PRESENCE_REMOVE:
        if (item->grace_ms > 0 && item->tells)
            return is_repeated ? "I" : "H";
        if (item->grace_ms > 0)
            return "h";
        return item->tells && !is_repeated ? "l" : "-";
    case HF_PRESENCE_END:
        return "e";
    }
    return "n";
}

static char *write_item(char *at, const struct hf_presence_item *item, uint32_t channel,
                        bool is_repeated)
{
    const struct hf_presence_client *who = &item->who;
    at = hf_redis_write_number(at, (uint64_t)channel + 1);
    at = hf_redis_write_text(at, action_of(item, is_repeated));
    at = hf_redis_write_start(at, who->client.len + 1 + who->user.len);
    at = hf_redis_write_part(at, who->client.data, who->client.len);
    at = hf_redis_write_part(at, " ", 1);
    at = hf_redis_write_part(at, who->user.data, who->user.len);
    at = hf_redis_write_part(at, "\r\n", 2);
    at = hf_redis_write_bytes(at, who->info.data, who->info.len);
    return hf_redis_write_number(at, item->grace_ms);
}

/* --- replies -------------------------------------------------------------------------------- */

/* The result of each is what take_answers left in it, unless there is one for all. */
static void finish(struct hf_redis_store *store, int result)
{
    struct hf_redis_channel *queue = store->presence;
    while (queue->in_flight > 0) {
        struct hf_redis_op *op = TAILQ_FIRST(&queue->ops);
        TAILQ_REMOVE(&queue->ops, op, in_channel);
        hf_redis_complete(store, op, result != HF_OK ? result : op->result);
        queue->in_flight--; /* last: what the completion flushes must not send the rest again */
    }
    hf_redis_channel_settle(queue);
}

/* The same when it could not be sent: not from inside a call into the store. */
static void refuse(struct hf_redis_store *store)
{
    struct hf_redis_channel *queue = store->presence;
    for (; queue->in_flight > 0; queue->in_flight--) {
        struct hf_redis_op *op = TAILQ_FIRST(&queue->ops);
        TAILQ_REMOVE(&queue->ops, op, in_channel);
        hf_redis_complete_later(store, op, HF_ENOMEM);
    }
    hf_redis_channel_settle(queue);
}

static void queue_again(struct hf_redis_store *store, bool is_repeated)
{
    struct hf_redis_channel *queue = store->presence;
    struct hf_redis_op *op = TAILQ_FIRST(&queue->ops);
    for (; queue->in_flight > 0; queue->in_flight--, op = TAILQ_NEXT(op, in_channel)) {
        op->is_repeated = op->is_repeated || is_repeated;
        hf_redis_wait_in_place(store, op);
    }
    hf_redis_channel_settle(queue);
}

/* One character for each item; `error` is the result of those whose channel met one. False: the
 * answer is of another form. */
static bool take_answers(struct hf_redis_store *store, const struct hf_reply *reply, int error)
{
    struct hf_redis_op *op = TAILQ_FIRST(&store->presence->ops);
    size_t at = 0;
    if (reply->type != HF_REPLY_TEXT)
        return false;
    for (uint32_t i = 0; i < store->presence->in_flight; i++, op = TAILQ_NEXT(op, in_channel)) {
        struct hf_store_presence *request = op->request.presence;
        if (request->count > reply->len - at)
            return false;
        op->result = HF_OK;
        for (size_t j = 0; j < request->count; j++, at++) {
            request->items[j].is_held = reply->text[at] == '1';
            if (reply->text[at] == 'x')
                op->result = error;
        }
    }
    return at == reply->len;
}

static bool send_update(struct hf_redis_store *store, bool with_text);

/* The error of some of the channels. */
static const struct hf_reply *error_of_some(const struct hf_reply *reply)
{
    bool is_there =
        reply->type == HF_REPLY_ARRAY && reply->len == 2 && reply->items[1]->type == HF_REPLY_ERROR;
    return is_there ? reply->items[1] : NULL;
}

/* What was carried out, or a part of it. */
static void take_reply(struct hf_redis_store *store, const struct hf_reply *reply)
{
    const struct hf_reply *error = error_of_some(reply);
    int error_code = error != NULL ? hf_redis_judge(store, error) : HF_EUNKNOWN;
    if (error != NULL && hf_reply_is_error(error, "READONLY")) {
        queue_again(store, true);
    } else if (take_answers(store, error != NULL ? reply->items[0] : reply, error_code)) {
        finish(store, HF_OK);
    } else {
        hf_redis_connection_break(store->commands, "the presence script answered in another form");
        finish(store, HF_EUNKNOWN);
    }
}

static void on_update_reply(void *context, const struct hf_reply *reply)
{
    struct hf_redis_store *store = context;
    if (reply == NULL) {
        if (store->is_closing)
            finish(store, HF_ECLOSED);
        else
            queue_again(store, true);
    } else if (hf_reply_is_error(reply, "NOSCRIPT")) {
        if (!send_update(store, true))
            finish(store, HF_ENOMEM);
    } else if (hf_reply_is_error(reply, "READONLY")) {
        hf_redis_judge(store, reply);
        queue_again(store, false);
    } else if (reply->type == HF_REPLY_ERROR) {
        finish(store, hf_redis_judge(store, reply));
    } else {
        take_reply(store, reply);
    }
}

/* --- changes -------------------------------------------------------------------------------- */

static char *write_keys(char *at, const struct hf_redis_store *store, struct hf_bytes channel)
{
    for (size_t i = 0; i < HF_REDIS_PRESENCE_KEYS; i++)
        at = hf_redis_write_joined(at, store->presence_prefixes[i].text,
                                   store->presence_prefixes[i].len, channel.data, channel.len);
    return at;
}

/* KEYS and ARGV as the script's header lists them, for what is in flight. */
static bool send_update(struct hf_redis_store *store, bool with_text)
{
    const struct hf_script *script = &hf_scripts[HF_SCRIPT_PRESENCE_UPDATE];
    struct call call;
    gather(store, &call);
    char *at = hf_redis_connection_reserve(
        store->commands, hf_redis_script_size(script, with_text) + call.keys_size + call.args_size +
                             HF_REDIS_ARGUMENT_SIZE(store->pubsub_prefix.len) +
                             (FIRST_ARGS - 1) * HF_REDIS_ARGUMENT_SIZE(20));
    if (at == NULL)
        return false;
    at = hf_redis_write_script(at, script, with_text, HF_REDIS_PRESENCE_KEYS * call.channels,
                               FIRST_ARGS + ITEM_ARGS * call.items);
    for (size_t i = 0; i < call.channels; i++)
        at = write_keys(at, store, call.names[i]);
    at = hf_redis_write_bytes(at, store->pubsub_prefix.text, store->pubsub_prefix.len);
    at = hf_redis_write_number(at, store->presence_prefixes[HF_REDIS_PRESENCE_INFO].len);
    at = hf_redis_write_number(at, store->config->presence_ttl_ms);
    at = hf_redis_write_number(at, HF_PRESENCE_SLACK_MS);
    const struct hf_redis_op *op = TAILQ_FIRST(&store->presence->ops);
    size_t item = 0;
    for (uint32_t i = 0; i < store->presence->in_flight; i++, op = TAILQ_NEXT(op, in_channel)) {
        const struct hf_store_presence *request = op->request.presence;
        for (size_t j = 0; j < request->count; j++, item++)
            at = write_item(at, &request->items[j], call.channel_of[item], op->is_repeated);
    }
    return hf_redis_connection_send(store->commands, at, on_update_reply, store);
}

void hf_redis_send_presence(struct hf_redis_store *store)
{
    struct hf_redis_channel *queue = store->presence;
    size_t items = 0, bytes = 0;
    struct hf_redis_op *op = TAILQ_FIRST(&queue->ops);
    for (; op != NULL && op->kind == HF_REDIS_PRESENCE; op = TAILQ_NEXT(op, in_channel)) {
        items += op->request.presence->count;
        bytes += op->bytes;
        if (queue->in_flight > 0 && (items > CALL_ITEMS_MAX || bytes > HF_CALL_BYTES_MAX))
            break;
        hf_redis_stop_waiting(store, op);
        queue->in_flight++;
    }
    if (!send_update(store, false))
        refuse(store);
}

/* --- reads ---------------------------------------------------------------------------------- */

/* Texts of the sorted set, in its order: "<client> <user>". */
static int compare_members(const void *a, const void *b)
{
    const struct hf_reply *left = *(struct hf_reply *const *)a;
    const struct hf_reply *right = *(struct hf_reply *const *)b;
    size_t len = left->len < right->len ? left->len : right->len;
    int order = memcmp(left->text, right->text, len);
    return order != 0 ? order : (left->len > right->len) - (left->len < right->len);
}

/* Whether the client is the first word of one of the texts, which are sorted. */
static bool is_gone(const struct hf_reply *gone, const struct hf_reply *client)
{
    size_t from = 0, to = gone->len;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const struct hf_reply *member = gone->items[middle];
        size_t len = client->len < member->len ? client->len : member->len;
        int order = memcmp(client->text, member->text, len);
        /* A client holds nothing below a space, so the space sorts where the client ends. */
        if (order == 0 && member->len > client->len && member->text[client->len] == ' ')
            return true;
        if (order < 0 || (order == 0 && client->len < member->len))
            to = middle;
        else
            from = middle + 1;
    }
    return false;
}

static bool has_get_form(const struct hf_reply *reply)
{
    if (reply->type != HF_REPLY_ARRAY || reply->len != 2)
        return false;
    for (size_t i = 0; i < 2; i++) {
        const struct hf_reply *list = reply->items[i];
        if (list->type != HF_REPLY_ARRAY || (i == 0 && list->len % 2 != 0))
            return false;
        for (size_t j = 0; j < list->len; j++) {
            if (list->items[j]->type != HF_REPLY_TEXT)
                return false;
        }
    }
    return true;
}

static struct hf_bytes put(char **end, const struct hf_reply *text)
{
    struct hf_bytes copy = {*end, text->len};
    memcpy(*end, text->text, text->len);
    *end += text->len;
    return copy;
}

static int take_entries(struct hf_store_presence_read *request, const struct hf_reply *reply)
{
    if (!has_get_form(reply))
        return HF_ESTORE;
    const struct hf_reply *all = reply->items[0], *gone = reply->items[1];
    size_t size = 0;
    if (all->len == 0)
        return HF_OK;
    if (gone->len > 0)
        qsort(gone->items, gone->len, sizeof *gone->items, compare_members);
    for (size_t i = 0; i < all->len; i++)
        size += all->items[i]->len;
    struct hf_present_client *entries = malloc(all->len / 2 * sizeof *entries + size);
    if (entries == NULL)
        return HF_ENOMEM;
    char *text = (char *)(entries + all->len / 2);
    for (size_t i = 0; i < all->len; i += 2) {
        if (is_gone(gone, all->items[i]))
            continue;
        struct hf_present_client *entry = &entries[request->count++];
        entry->client = put(&text, all->items[i]);
        entry->info = put(&text, all->items[i + 1]);
    }
    request->entries = entries;
    return HF_OK;
}

static int take_stats(struct hf_store_presence_read *request, const struct hf_reply *reply)
{
    if (reply->type != HF_REPLY_ARRAY || reply->len != 2 ||
        reply->items[0]->type != HF_REPLY_NUMBER || reply->items[0]->number < 0 ||
        reply->items[1]->type != HF_REPLY_NUMBER || reply->items[1]->number < 0)
        return HF_ESTORE;
    request->clients = (uint64_t)reply->items[0]->number;
    request->users = (uint64_t)reply->items[1]->number;
    return HF_OK;
}

static bool send_read(struct hf_redis_op *op, bool with_text);

static void on_read_reply(void *context, const struct hf_reply *reply)
{
    struct hf_redis_op *op = context;
    struct hf_redis_store *store = op->channel->store;
    struct hf_store_presence_read *request = op->request.presence_read;
    if (reply == NULL) {
        if (store->is_closing)
            hf_redis_complete(store, op, HF_ECLOSED);
        else
            hf_redis_wait_again(store, op);
    } else if (hf_reply_is_error(reply, "NOSCRIPT")) {
        if (!send_read(op, true))
            hf_redis_complete(store, op, HF_ENOMEM);
    } else if (reply->type == HF_REPLY_ERROR) {
        hf_redis_complete(store, op, hf_redis_judge(store, reply));
    } else {
        hf_redis_complete(store, op,
                          request->wants_entries ? take_entries(request, reply)
                                                 : take_stats(request, reply));
    }
}

static bool send_read(struct hf_redis_op *op, bool with_text)
{
    struct hf_redis_store *store = op->channel->store;
    const struct hf_store_presence_read *request = op->request.presence_read;
    const struct hf_script *script =
        &hf_scripts[request->wants_entries ? HF_SCRIPT_PRESENCE_GET : HF_SCRIPT_PRESENCE_STATS];
    const struct hf_redis_prefix *keys[2] = {
        &store->presence_prefixes[request->wants_entries ? HF_REDIS_PRESENCE_INFO
                                                         : HF_REDIS_PRESENCE_EXPIRE],
        &store->presence_prefixes[request->wants_entries ? HF_REDIS_PRESENCE_EXPIRE
                                                         : HF_REDIS_PRESENCE_USERS],
    };
    size_t size = hf_redis_script_size(script, with_text);
    for (size_t i = 0; i < 2; i++)
        size += HF_REDIS_ARGUMENT_SIZE(keys[i]->len + request->channel.len);
    char *at = hf_redis_connection_reserve(store->commands, size);
    if (at == NULL)
        return false;
    at = hf_redis_write_script(at, script, with_text, 2, 0);
    for (size_t i = 0; i < 2; i++)
        at = hf_redis_write_joined(at, keys[i]->text, keys[i]->len, request->channel.data,
                                   request->channel.len);
    return hf_redis_connection_send(store->commands, at, on_read_reply, op);
}

/* Reads do not wait for each other, nor do changes wait for them: the pipeline keeps their order.
 */
void hf_redis_send_presence_read(struct hf_redis_op *op)
{
    TAILQ_REMOVE(&op->channel->ops, op, in_channel);
    hf_redis_stop_waiting(op->channel->store, op);
    if (!send_read(op, false))
        hf_redis_complete_later(op->channel->store, op, HF_ENOMEM);
}

/* --- joins and leaves ----------------------------------------------------------------------- */

bool hf_redis_deliver_presence(struct hf_redis_channel *channel, const struct hf_reply *message)
{
    const size_t join_len = strlen(HF_FRAME_JOIN), leave_len = strlen(HF_FRAME_LEAVE);
    bool is_join = message->len >= join_len && memcmp(message->text, HF_FRAME_JOIN, join_len) == 0;
    bool is_leave =
        message->len >= leave_len && memcmp(message->text, HF_FRAME_LEAVE, leave_len) == 0;
    if (!is_join && !is_leave)
        return false;
    const struct hf_store_events *events = channel->store->events;
    size_t skipped = is_join ? join_len : leave_len;
    events->on_presence(events->context, (struct hf_bytes){channel->name, channel->len}, is_join,
                        (struct hf_bytes){message->text + skipped, message->len - skipped});
    return true;
}
