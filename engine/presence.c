/* Presence: the requests of ports, what becomes of them on the engine's thread, and the clients
 * whose grace this engine has to end. */
#include <stdlib.h>
#include <string.h>

#include "engine_private.h"

_Static_assert(offsetof(struct hf_request, payload) % _Alignof(struct hf_presence_item) == 0,
               "the items of a presence request begin its payload");

/* A removed client that waits for the end of its grace, or whose END the store has. */
struct hf_held_client {
    struct hf_store_presence request;
    struct hf_presence_item item; /* its texts are in `text` */
    struct hf_engine *engine;
    uint64_t due_ms;
    TAILQ_ENTRY(hf_held_client) in_held; /* engine->held_clients until it is due */
    char text[];
};

static struct hf_bytes put(char **end, struct hf_bytes bytes)
{
    struct hf_bytes copy = {*end, bytes.len};
    if (bytes.len > 0) {
        memcpy(*end, bytes.data, bytes.len);
        *end += bytes.len;
    }
    return copy;
}

static size_t texts_size(const struct hf_presence_client *who)
{
    return who->channel.len + who->client.len + who->user.len + who->info.len;
}

static struct hf_presence_client put_client(char **end, const struct hf_presence_client *who)
{
    return (struct hf_presence_client){
        .channel = put(end, who->channel),
        .client = put(end, who->client),
        .user = put(end, who->user),
        .info = put(end, who->info),
    };
}

/* --- port's side -------------------------------------------------------------------------------
 */

static bool is_valid_channel(struct hf_bytes channel)
{
    return channel.len > 0 && channel.len <= UINT16_MAX;
}

/* The client is a word, since stores write it before others. */
static bool is_valid(const struct hf_presence_client *who)
{
    if (!is_valid_channel(who->channel) || who->client.len == 0 ||
        who->client.len > HF_PRESENCE_CLIENT_MAX) {
        return false;
    }
    for (size_t i = 0; i < who->client.len; i++) {
        unsigned char byte = (unsigned char)who->client.data[i];
        if (byte <= ' ' || byte == 127) {
            return false;
        }
    }
    return true;
}

/* A request of `count` items of that action, filled but for its callback. */
static int items_new(struct hf_port *port, enum hf_presence_action action,
                     const struct hf_presence_client *clients, size_t count, void *context,
                     struct hf_request **made)
{
    size_t bytes = count * sizeof(struct hf_presence_item);
    if (count == 0 || count > HF_PRESENCE_BATCH_MAX) {
        return HF_EINVAL;
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_valid(&clients[i])) {
            return HF_EINVAL;
        }
        bytes += texts_size(&clients[i]);
    }
    struct hf_request *request;
    enum hf_mail_kind kind = action == HF_PRESENCE_ADD ? HF_MAIL_PRESENCE_ADD : HF_MAIL_PRESENCE;
    int result = hf__port_request_new(port, kind, bytes, context, &request);
    if (result != HF_OK) {
        return result;
    }
    struct hf_presence_item *items = (struct hf_presence_item *)(void *)request->payload;
    char *end = (char *)(items + count);
    for (size_t i = 0; i < count; i++) {
        items[i] =
            (struct hf_presence_item){.action = action, .who = put_client(&end, &clients[i])};
    }
    request->presence.items = items;
    request->presence.count = count;
    *made = request;
    return HF_OK;
}

int hf_presence_add(struct hf_port *port, const struct hf_presence_client *client,
                    hf_presence_add_callback *callback, void *context)
{
    struct hf_request *request;
    int result = items_new(port, HF_PRESENCE_ADD, client, 1, context, &request);
    if (result == HF_OK) {
        request->callback.presence_add = callback;
        hf__port_send_request(port, request);
    }
    return result;
}

int hf_presence_refresh(struct hf_port *port, const struct hf_presence_client *clients,
                        size_t count, hf_done_callback *callback, void *context)
{
    struct hf_request *request;
    int result = items_new(port, HF_PRESENCE_REFRESH, clients, count, context, &request);
    if (result == HF_OK) {
        request->callback.done = callback;
        hf__port_send_request(port, request);
    }
    return result;
}

int hf_presence_join(struct hf_port *port, const struct hf_presence_client *client,
                     hf_done_callback *callback, void *context)
{
    struct hf_request *request;
    int result = items_new(port, HF_PRESENCE_JOIN, client, 1, context, &request);
    if (result == HF_OK) {
        request->callback.done = callback;
        hf__port_send_request(port, request);
    }
    return result;
}

int hf_presence_remove(struct hf_port *port, const struct hf_presence_client *client,
                       const struct hf_presence_remove_options *options, hf_done_callback *callback,
                       void *context)
{
    struct hf_request *request;
    int result = items_new(port, HF_PRESENCE_REMOVE, client, 1, context, &request);
    if (result == HF_OK) {
        request->presence.items[0].tells = options->tells;
        request->presence.items[0].grace_ms = client->user.len > 0 ? options->grace_ms : 0;
        request->callback.done = callback;
        hf__port_send_request(port, request);
    }
    return result;
}

static int read_new(struct hf_port *port, enum hf_mail_kind kind, struct hf_bytes channel,
                    void *context, struct hf_request **request)
{
    if (!is_valid_channel(channel)) {
        return HF_EINVAL;
    }
    int result = hf__port_request_new(port, kind, channel.len, context, request);
    if (result == HF_OK) {
        char *end = (*request)->payload;
        (*request)->presence_read.channel = put(&end, channel);
    }
    return result;
}

int hf_presence_get(struct hf_port *port, struct hf_bytes channel, hf_presence_callback *callback,
                    void *context)
{
    struct hf_request *request;
    int result = read_new(port, HF_MAIL_PRESENCE_GET, channel, context, &request);
    if (result == HF_OK) {
        request->presence_read.wants_entries = true;
        request->callback.presence_get = callback;
        hf__port_send_request(port, request);
    }
    return result;
}

int hf_presence_stats(struct hf_port *port, struct hf_bytes channel,
                      hf_presence_stats_callback *callback, void *context)
{
    struct hf_request *request;
    int result = read_new(port, HF_MAIL_PRESENCE_STATS, channel, context, &request);
    if (result == HF_OK) {
        request->callback.presence_stats = callback;
        hf__port_send_request(port, request);
    }
    return result;
}

/* What tells of a port's close has nothing but its callback. */
void hf__presence_complete(struct hf_request *request)
{
    const struct hf_store_presence *update = &request->presence;
    struct hf_store_presence_read *read = &request->presence_read;
    switch (request->letter.kind) {
    case HF_MAIL_PRESENCE_ADD:
        request->callback.presence_add(request->context, request->result,
                                       request->result == HF_OK && update->items[0].is_held);
        break;
    case HF_MAIL_PRESENCE_GET:
        request->callback.presence_get(request->context, request->result,
                                       read->count > 0 ? read->entries : NULL, read->count);
        free(read->entries);
        break;
    case HF_MAIL_PRESENCE_STATS:
        request->callback.presence_stats(request->context, request->result, read->clients,
                                         read->users);
        break;
    default:
        if (request->callback.done != NULL) {
            request->callback.done(request->context, request->result);
        }
    }
}

/* --- engine's side: requests ------------------------------------------------------------------ */

/* The store holds the client; this engine ends that when the grace is over. Without memory, or with
 * too many of them, the store ends it later. */
static void hold(struct hf_engine *engine, const struct hf_presence_item *item)
{
    if (engine->held_client_count >= engine->config.pending_requests_max) {
        return;
    }
    struct hf_held_client *held = malloc(sizeof *held + texts_size(&item->who));
    if (held == NULL) {
        return;
    }
    char *end = held->text;
    memset(held, 0, sizeof *held);
    held->engine = engine;
    held->due_ms = engine->now_ms + item->grace_ms;
    held->item =
        (struct hf_presence_item){.action = HF_PRESENCE_END, .who = put_client(&end, &item->who)};
    struct hf_held_client *before = TAILQ_LAST(&engine->held_clients, hf_held_clients);
    while (before != NULL && before->due_ms > held->due_ms) {
        before = TAILQ_PREV(before, hf_held_clients, in_held);
    }
    if (before != NULL) {
        TAILQ_INSERT_AFTER(&engine->held_clients, before, held, in_held);
    } else {
        TAILQ_INSERT_HEAD(&engine->held_clients, held, in_held);
    }
    engine->held_client_count++;
}

static void on_update_complete(struct hf_store_presence *update)
{
    struct hf_request *request = HF_CONTAINER_OF(update, struct hf_request, presence);
    const struct hf_presence_item *first = &update->items[0]; /* a remove comes alone */
    if (update->result == HF_OK && first->action == HF_PRESENCE_REMOVE && first->is_held) {
        hold(request->engine, first);
    }
    hf__engine_complete_open(request->engine, request, update->result);
}

static void on_read_complete(struct hf_store_presence_read *read)
{
    struct hf_request *request = HF_CONTAINER_OF(read, struct hf_request, presence_read);
    if (request->port == NULL) {
        free(read->entries);
    }
    hf__engine_complete_open(request->engine, request, read->result);
}

void hf__presence_to_store(struct hf_engine *engine, struct hf_request *request)
{
    if (request->letter.kind == HF_MAIL_PRESENCE_ADD || request->letter.kind == HF_MAIL_PRESENCE) {
        request->presence.complete = on_update_complete;
        engine->store->ops->presence(engine->store, &request->presence);
    } else {
        request->presence_read.complete = on_read_complete;
        engine->store->ops->presence_read(engine->store, &request->presence_read);
    }
}

/* --- engine's side: the end of a grace -------------------------------------------------------- */

/* When that failed, the store ends it later. */
static void on_end_complete(struct hf_store_presence *request)
{
    struct hf_held_client *held = HF_CONTAINER_OF(request, struct hf_held_client, request);
    held->engine->held_client_count--;
    free(held);
}

void hf__presence_tick(struct hf_engine *engine)
{
    struct hf_held_client *held;
    while ((held = TAILQ_FIRST(&engine->held_clients)) != NULL && held->due_ms <= engine->now_ms) {
        TAILQ_REMOVE(&engine->held_clients, held, in_held);
        held->request = (struct hf_store_presence){
            .items = &held->item, .count = 1, .complete = on_end_complete};
        engine->store->ops->presence(engine->store, &held->request);
    }
}

void hf__presence_fini(struct hf_engine *engine)
{
    struct hf_held_client *held;
    while ((held = TAILQ_FIRST(&engine->held_clients)) != NULL) {
        TAILQ_REMOVE(&engine->held_clients, held, in_held);
        free(held);
    }
}

/* --- engine's side: joins and leaves ---------------------------------------------------------- */

struct news {
    enum hf_mail_kind kind;
    struct hf_bytes info;
};

/* At most once: a port for which there is no memory does not hear it. */
static void tell_watch(void *context, void *owner)
{
    const struct news *news = context;
    struct hf_watch *watch = owner;
    struct hf_event *event = hf__engine_new_event(news->kind, news->info.len);
    if (event == NULL) {
        return;
    }
    event->watch = watch;
    if (news->info.len > 0) {
        memcpy(event->message, news->info.data, news->info.len);
    }
    atomic_fetch_add(&watch->port->undelivered, news->info.len);
    hf__engine_post_event(watch->port, event);
}

void hf__presence_on_store_event(void *context, struct hf_bytes channel, bool is_join,
                                 struct hf_bytes info)
{
    struct hf_engine *engine = context;
    struct news news = {is_join ? HF_MAIL_JOIN : HF_MAIL_LEAVE, info};
    hf_core_each_watch(engine->core, channel, tell_watch, &news);
}
