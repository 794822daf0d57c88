/* Redis store: the table of channels. */
#include "store/redis_store.h"

#include <stdlib.h>
#include <string.h>

struct hf_redis_channel *hf_redis_channel_find(struct hf_redis_store *store, const char *name,
                                               size_t len)
{
    struct hf_table_node *node = hf_table_find(&store->channels, name, len);
    return node != NULL ? HF_TABLE_ITEM(node, struct hf_redis_channel, in_table) : NULL;
}

struct hf_redis_channel *hf_redis_channel_next(const struct hf_redis_store *store,
                                               struct hf_table_walk *walk)
{
    struct hf_table_node *node = hf_table_next(&store->channels, walk);
    return node != NULL ? HF_TABLE_ITEM(node, struct hf_redis_channel, in_table) : NULL;
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
    if (!hf_table_add(&store->channels, &channel->in_table, channel->len)) {
        free(channel);
        return NULL;
    }
    return channel;
}

static void channel_free(struct hf_redis_store *store, struct hf_redis_channel *channel)
{
    hf_table_remove(&store->channels, &channel->in_table);
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
    channel->idle_s = (uint32_t)(hf_redis_now_ms() / 1000);
    store->idle_count++;
}

void hf_redis_channels_trim(struct hf_redis_store *store)
{
    const struct hf_engine_config *config = store->config;
    uint64_t now_ms = hf_redis_now_ms();
    struct hf_redis_channel *oldest;
    while ((oldest = TAILQ_FIRST(&store->idle)) != NULL &&
           (store->idle_count > config->idle_channels_max ||
            oldest->idle_s * UINT64_C(1000) + config->idle_channel_ttl_ms <= now_ms)) {
        TAILQ_REMOVE(&store->idle, oldest, in_idle);
        store->idle_count--;
        channel_free(store, oldest);
    }
    hf_table_shrink(&store->channels);
}

void hf_redis_channels_free(struct hf_redis_store *store)
{
    struct hf_table_walk walk = {0};
    struct hf_redis_channel *channel;
    while ((channel = hf_redis_channel_next(store, &walk)) != NULL)
        channel_free(store, channel);
    hf_table_clear(&store->channels);
    free(store->bus);
    free(store->presence);
}
