/* Redis store: the table of channels. */
#include "store/redis_store.h"

#include <stdlib.h>
#include <string.h>

struct hf_redis_channel *hf_redis_channel_find(struct hf_redis_store *store, const char *name,
                                               size_t len)
{
    struct hf_redis_channel *channel;
    HASH_FIND(hh, store->channels, name, len, channel);
    return channel;
}

struct hf_redis_channel *hf_redis_channel_new(struct hf_redis_store *store, struct hf_bytes name)
{
    struct hf_redis_channel *channel = calloc(1, sizeof *channel + name.len);
    if (channel == NULL)
        return NULL;
    channel->store = store;
    TAILQ_INIT(&channel->ops);
    channel->len = name.len;
    if (name.len > 0)
        memcpy(channel->name, name.data, name.len);
    return channel;
}

struct hf_redis_channel *hf_redis_channel_get(struct hf_redis_store *store, struct hf_bytes name)
{
    struct hf_redis_channel *channel = hf_redis_channel_find(store, name.data, name.len);
    if (channel != NULL) {
        if (channel->is_idle) {
            TAILQ_REMOVE(&store->idle, channel, in_idle);
            channel->is_idle = false;
            store->idle_count--;
        }
        return channel;
    }

    channel = hf_redis_channel_new(store, name);
    if (channel == NULL)
        return NULL;
    HASH_ADD_KEYPTR(hh, store->channels, channel->name, channel->len, channel);
    if (channel->store == NULL) {
        free(channel);
        return NULL;
    }
    return channel;
}

static void channel_free(struct hf_redis_store *store, struct hf_redis_channel *channel)
{
    HASH_DEL(store->channels, channel);
    free(channel);
}

void hf_redis_channel_learn(struct hf_redis_channel *channel, struct hf_position position)
{
    uint64_t life = hf_redis_connection_life(channel->store->commands);
    if (position.epoch < channel->epoch)
        return;
    if (position.epoch > channel->epoch || channel->offset_life != life)
        channel->offset = 0;
    channel->epoch = position.epoch;
    channel->offset_life = life;
    if (position.offset > channel->offset)
        channel->offset = position.offset;
}

void hf_redis_channel_settle(struct hf_redis_channel *channel)
{
    struct hf_redis_store *store = channel->store;
    if (!TAILQ_EMPTY(&channel->ops)) {
        if (channel->in_flight == 0 && !channel->is_ready &&
            !hf_redis_is_held(TAILQ_FIRST(&channel->ops))) {
            TAILQ_INSERT_TAIL(&store->ready, channel, in_ready);
            channel->is_ready = true;
            hf_redis_schedule(store);
        }
        return;
    }
    if (channel->in_flight > 0 || channel->users > 0 || channel->is_ready || channel->is_changed ||
        channel->is_idle || channel->is_wanted || channel->is_subscribed ||
        channel->acks_pending > 0)
        return;
    if (channel->epoch == HF_EPOCH_NONE) {
        channel_free(store, channel);
        return;
    }
    TAILQ_INSERT_TAIL(&store->idle, channel, in_idle);
    channel->is_idle = true;
    if (store->idle_count++ == HF_IDLE_CHANNELS_MAX) {
        struct hf_redis_channel *oldest = TAILQ_FIRST(&store->idle);
        TAILQ_REMOVE(&store->idle, oldest, in_idle);
        store->idle_count--;
        channel_free(store, oldest);
    }
}

void hf_redis_channels_free(struct hf_redis_store *store)
{
    struct hf_redis_channel *channel, *next;
    HASH_ITER (hh, store->channels, channel, next) {
        channel_free(store, channel);
    }
    free(store->bus);
    free(store->presence);
}
