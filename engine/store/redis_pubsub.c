/* Redis store: listening and deliveries, and the proof that they work.
 *
 * A channel is subscribed or unsubscribed in flush, many to a command; each command's channel is
 * acknowledged once, in order, so a channel is in the state that was asked for last as soon as no
 * acknowledgement is pending.
 *
 * Liveness: a connection that is quiet for a second is pinged, and every probe_interval_ms a
 * publication of our own goes through the publish path and must come back. A server that answers
 * but no longer delivers (another one behind the same name) is found that way, and on_connected
 * waits for the first one to come back. Its role is asked for with it (redis_role.c). */
#include "store/redis_store.h"

#include <stdio.h>
#include <string.h>

#include "redis/frame.h"

#define SUBSCRIBE_BATCH_MAX 512
#define PING_AFTER_MS       1000

/* --- wishes --------------------------------------------------------------------------------- */

static void note_change(struct hf_redis_channel *channel)
{
    struct hf_redis_store *store = channel->store;
    if (!channel->is_changed) {
        TAILQ_INSERT_TAIL(&store->changed, channel, in_changed);
        channel->is_changed = true;
    }
    hf_redis_schedule(store);
}

void hf_redis_listen(struct hf_redis_store *store, struct hf_bytes name)
{
    struct hf_redis_channel *channel = hf_redis_channel_get(store, name);
    if (channel == NULL) {
        /* Told as a loss: when it is over, every listen is asked for anew. */
        hf_redis_connection_break(store->pubsub, "out of memory");
        return;
    }
    channel->is_wanted = true;
    channel->needs_announce = true;
    note_change(channel);
}

void hf_redis_unlisten(struct hf_redis_store *store, struct hf_bytes name)
{
    struct hf_redis_channel *channel = hf_redis_channel_find(store, name.data, name.len);
    if (channel == NULL || !channel->is_wanted)
        return;
    channel->is_wanted = false;
    channel->is_announced = false;
    channel->needs_announce = false;
    note_change(channel);
}

/* --- commands ------------------------------------------------------------------------------- */

/* One SUBSCRIBE or UNSUBSCRIBE. */
static void send_batch(struct hf_redis_store *store, const char *command,
                       struct hf_redis_channel **channels, uint32_t count)
{
    if (count == 0)
        return;
    size_t size = HF_REDIS_COMMAND_SIZE + HF_REDIS_ARGUMENT_SIZE(11);
    for (uint32_t i = 0; i < count; i++)
        size += HF_REDIS_ARGUMENT_SIZE(store->pubsub_prefix.len + channels[i]->len);
    char *at = hf_redis_connection_reserve(store->pubsub, size);
    if (at != NULL) {
        at = hf_redis_write_command(at, 1 + (size_t)count);
        at = hf_redis_write_text(at, command);
        for (uint32_t i = 0; i < count; i++)
            at = hf_redis_write_joined(at, store->pubsub_prefix.text, store->pubsub_prefix.len,
                                       channels[i]->name, channels[i]->len);
    }
    if (at == NULL || !hf_redis_connection_send(store->pubsub, at, NULL, NULL))
        hf_redis_connection_break(store->pubsub, "out of memory");
}

static bool is_settled(const struct hf_redis_channel *channel)
{
    return channel->is_wanted == channel->is_subscribed;
}

void hf_redis_pubsub_flush(struct hf_redis_store *store)
{
    struct hf_redis_channel *subscribe[SUBSCRIBE_BATCH_MAX], *unsubscribe[SUBSCRIBE_BATCH_MAX];
    uint32_t subscribes = 0, unsubscribes = 0;
    if (!store->is_up || !hf_redis_connection_is_ready(store->pubsub))
        return;

    struct hf_redis_channel *channel;
    TAILQ_FOREACH (channel, &store->changed, in_changed) {
        if (is_settled(channel))
            continue;
        channel->is_subscribed = channel->is_wanted;
        channel->acks_pending++;
        if (channel->is_wanted)
            subscribe[subscribes++] = channel;
        else
            unsubscribe[unsubscribes++] = channel;
        if (subscribes == SUBSCRIBE_BATCH_MAX) {
            send_batch(store, "SUBSCRIBE", subscribe, subscribes);
            subscribes = 0;
        }
        if (unsubscribes == SUBSCRIBE_BATCH_MAX) {
            send_batch(store, "UNSUBSCRIBE", unsubscribe, unsubscribes);
            unsubscribes = 0;
        }
    }
    send_batch(store, "SUBSCRIBE", subscribe, subscribes);
    send_batch(store, "UNSUBSCRIBE", unsubscribe, unsubscribes);
}

/* From the loop: on_listening where it is due, and the list is emptied of what is settled. */
void hf_redis_pubsub_announce(struct hf_redis_store *store)
{
    struct hf_redis_channels changed = TAILQ_HEAD_INITIALIZER(changed);
    TAILQ_CONCAT(&changed, &store->changed, in_changed);
    struct hf_redis_channel *channel;
    while ((channel = TAILQ_FIRST(&changed)) != NULL) {
        TAILQ_REMOVE(&changed, channel, in_changed);
        if (!is_settled(channel)) { /* before the connection is up */
            TAILQ_INSERT_TAIL(&store->changed, channel, in_changed);
            continue;
        }
        channel->is_changed = false;
        if (channel->needs_announce && channel->is_subscribed && channel->acks_pending == 0) {
            channel->needs_announce = false;
            channel->is_announced = true;
            channel->users++;
            store->events->on_listening(store->events->context,
                                        (struct hf_bytes){channel->name, channel->len});
            channel->users--;
        }
        hf_redis_channel_settle(channel);
    }
}

/* --- up and down ---------------------------------------------------------------------------- */

void hf_redis_pubsub_set_up(struct hf_redis_store *store)
{
    if (store->is_up || !store->is_delivering || !store->is_life_known ||
        !hf_redis_connection_is_ready(store->commands))
        return;
    store->is_up = true;
    store->up_life = hf_redis_connection_life(store->commands);
    store->close_log_text[0] = '\0';
    hf_redis_log(store, HF_SEVERITY_INFO, "Redis is connected and delivers");
    store->events->on_connected(store->events->context, store->up_life, &store->noted);
    hf_redis_schedule(store);
}

void hf_redis_pubsub_ready(struct hf_redis_store *store)
{
    store->arrived_ms = hf_redis_now_ms();
    store->is_ping_open = false;
    store->is_probe_open = false;
    /* without a name of our own, the list ends there */
    if (!hf_redis_connection_command(store->pubsub, NULL, NULL, "SUBSCRIBE", store->bus_name,
                                     store->probe_name, store->node_channel.text, NULL))
        hf_redis_connection_break(store->pubsub, "out of memory");
}

static void forget_listens(struct hf_redis_store *store)
{
    struct hf_table_walk walk = {0};
    struct hf_redis_channel *channel;
    while ((channel = hf_redis_channel_next(store, &walk)) != NULL) {
        if (channel->is_changed)
            TAILQ_REMOVE(&store->changed, channel, in_changed);
        channel->is_changed = false;
        channel->is_wanted = channel->is_subscribed = false;
        channel->is_announced = channel->needs_announce = false;
        channel->acks_pending = 0;
        hf_redis_channel_settle(channel);
    }
}

void hf_redis_pubsub_closed(struct hf_redis_store *store, const char *reason)
{
    store->is_probe_subscribed = store->is_delivering = false;
    store->is_probe_open = store->is_ping_open = false;
    if (!store->is_up)
        return; /* what was asked for meanwhile stays asked for */
    store->is_up = false;
    forget_listens(store);
    store->events->on_disconnected(store->events->context, reason);
}

/* --- what arrives --------------------------------------------------------------------------- */

static void deliver(struct hf_redis_channel *channel, const struct hf_reply *message)
{
    struct hf_redis_store *store = channel->store;
    const struct hf_bytes name = {channel->name, channel->len};
    const char *at = message->text, *end = at + message->len;
    channel->users++; /* stays through the callbacks */
    if (channel->is_announced && hf_reply_is_text(message, HF_FRAME_REMOVED)) {
        store->events->on_removed(store->events->context, name);
        at = end;
    } else if (channel->is_announced && hf_redis_deliver_presence(channel, message)) {
        at = end;
    }
    while (at < end && channel->is_announced) {
        struct hf_position position;
        struct hf_publication_fields fields;
        if (hf_frame_parse(&at, end, &position, &fields) != HF_OK) {
            hf_redis_log(store, HF_SEVERITY_WARNING,
                         "a pub/sub message that no Holdfast wrote was ignored");
            break;
        }
        /* Not from a server that the commands do not go to any more. */
        if (store->up_life == hf_redis_connection_life(store->commands)) {
            hf_redis_channel_learn(channel, position);
        } else if (position.epoch > channel->epoch) {
            channel->epoch = position.epoch;
            channel->offset = 0;
        }
        struct hf_publication *publication = hf_publication_new(position, &fields);
        if (publication == NULL) {
            /* A publication must not be missed in silence: after a loss all is compared. */
            hf_redis_connection_break(store->pubsub, "out of memory");
            break;
        }
        store->events->on_publication(store->events->context, name, publication);
        hf_publication_unref(publication);
    }
    channel->users--;
    hf_redis_channel_settle(channel);
}

static void on_acknowledged(struct hf_redis_channel *channel)
{
    if (channel->acks_pending > 0 && --channel->acks_pending == 0)
        note_change(channel); /* announces it, or lets it go */
}

static void on_probe_back(struct hf_redis_store *store, const struct hf_reply *message)
{
    char text[21];
    snprintf(text, sizeof text, "%llu", (unsigned long long)store->probe_number);
    if (!hf_reply_is_text(message, text))
        return;
    store->is_probe_open = false;
    store->is_delivering = true;
    hf_redis_pubsub_set_up(store);
}

static struct hf_redis_channel *find_channel(struct hf_redis_store *store,
                                             const struct hf_reply *name)
{
    const struct hf_redis_prefix *prefix = &store->pubsub_prefix;
    if (name->type != HF_REPLY_TEXT || name->len < prefix->len ||
        memcmp(name->text, prefix->text, prefix->len) != 0)
        return NULL;
    return hf_redis_channel_find(store, name->text + prefix->len, name->len - prefix->len);
}

void hf_redis_pubsub_push(struct hf_redis_store *store, const struct hf_reply *reply)
{
    store->arrived_ms = hf_redis_now_ms();
    store->is_ping_open = false;
    if (reply->type == HF_REPLY_ERROR) {
        /* SUBSCRIBE was refused: the ACL, or the server's state. */
        char text[HF_REDIS_REASON_SIZE];
        hf_redis_judge(store, reply);
        hf_reply_error_text(reply, text, sizeof text);
        hf_redis_connection_break(store->pubsub, text);
        return;
    }
    if (reply->type != HF_REPLY_ARRAY || reply->len != 3 || reply->items[1]->type != HF_REPLY_TEXT)
        return; /* a ping's answer */

    const struct hf_reply *kind = reply->items[0], *name = reply->items[1];
    if (hf_reply_is_text(name, store->probe_name)) {
        if (hf_reply_is_text(kind, "message")) {
            on_probe_back(store, reply->items[2]);
        } else if (hf_reply_is_text(kind, "subscribe")) {
            store->is_probe_subscribed = true;
            hf_redis_probe(store);
        }
        return;
    }
    if (hf_reply_is_text(name, store->bus_name) ||
        (store->node_channel.text != NULL && hf_reply_is_text(name, store->node_channel.text))) {
        if (hf_reply_is_text(kind, "message") && store->is_up)
            store->events->on_bus(store->events->context,
                                  (struct hf_bytes){reply->items[2]->text, reply->items[2]->len});
        return;
    }
    struct hf_redis_channel *channel = find_channel(store, name);
    if (channel == NULL)
        return;
    if (!hf_reply_is_text(kind, "message"))
        on_acknowledged(channel);
    else if (reply->items[2]->type == HF_REPLY_TEXT)
        deliver(channel, reply->items[2]);
}

/* --- liveness ------------------------------------------------------------------------------- */

static void on_probe_reply(void *context, const struct hf_reply *reply)
{
    struct hf_redis_store *store = context;
    store->probes_open--;
    if (reply == NULL)
        return;
    /* Only the last probe's answer counts: one before it may be older than the subscription. */
    if (reply->type == HF_REPLY_ERROR)
        hf_redis_judge(store, reply);
    else if (reply->type == HF_REPLY_NUMBER && reply->number == 0 && store->probes_open == 0 &&
             store->is_probe_open)
        hf_redis_reconnect(store, "publications go to a server that does not deliver to us");
}

void hf_redis_probe(struct hf_redis_store *store)
{
    if (!store->is_probe_subscribed || store->is_paused ||
        !hf_redis_connection_is_ready(store->commands))
        return;
    char number[21];
    snprintf(number, sizeof number, "%llu", (unsigned long long)++store->probe_number);
    store->is_probe_open = true;
    store->probe_ms = hf_redis_now_ms();
    if (hf_redis_connection_command(store->commands, on_probe_reply, store, "PUBLISH",
                                    store->probe_name, number, NULL))
        store->probes_open++;
    else
        store->is_probe_open = false; /* no memory: another try follows */
    hf_redis_pubsub_set_up(store);
}

void hf_redis_pubsub_tick(struct hf_redis_store *store)
{
    uint64_t now_ms = hf_redis_now_ms();
    if (!hf_redis_connection_is_ready(store->pubsub) || store->is_paused)
        return;
    if (store->is_ping_open) {
        if (now_ms - store->ping_ms >= store->io_timeout_ms) {
            hf_redis_connection_break(store->pubsub, "a ping was not answered in time");
            return;
        }
    } else if (now_ms - store->arrived_ms >= PING_AFTER_MS) {
        store->is_ping_open = true;
        store->ping_ms = now_ms;
        if (!hf_redis_connection_command(store->pubsub, NULL, NULL, "PING", NULL))
            hf_redis_connection_break(store->pubsub, "out of memory");
    }

    if (!hf_redis_connection_is_ready(store->commands))
        return;
    if (!store->is_probe_open) {
        if (now_ms - store->probe_ms >= store->probe_interval_ms) {
            hf_redis_role_ask(store);
            hf_redis_probe(store);
        }
    } else if (now_ms - store->probe_ms >= store->io_timeout_ms) {
        hf_redis_reconnect(store, "a publication of our own did not come back in time");
    }
}

void hf_redis_pubsub_pause(struct hf_redis_store *store, bool paused)
{
    if (store->is_paused == paused)
        return;
    store->is_paused = paused;
    hf_redis_connection_pause(store->pubsub, paused);
    /* What is open can be answered only after the pause; its time counts from then. */
    store->arrived_ms = store->ping_ms = store->probe_ms = hf_redis_now_ms();
}
