/* Redis store: its address, and the names of its keys and pub/sub channels. */
#include "store/redis_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static bool make_prefix(struct hf_redis_prefix *prefix, const char *first, const char *second)
{
    prefix->len = strlen(first) + strlen(second);
    prefix->text = malloc(prefix->len + 1);
    if (prefix->text == NULL)
        return false;
    snprintf(prefix->text, prefix->len + 1, "%s%s", first, second);
    return true;
}

static bool make_presence_names(struct hf_redis_store *store, const char *prefix)
{
    static const char *const names[] = {
        [HF_REDIS_PRESENCE_INFO] = ":presence:",
        [HF_REDIS_PRESENCE_EXPIRE] = ":presence-expire:",
        [HF_REDIS_PRESENCE_USERS] = ":presence-users:",
        [HF_REDIS_PRESENCE_LEAVING] = ":presence-leaving:",
    };
    bool is_made = true;
    for (size_t i = 0; i < HF_REDIS_PRESENCE_KEYS; i++)
        is_made &= make_prefix(&store->presence_prefixes[i], prefix, names[i]);
    store->presence = hf_redis_channel_new(store, (struct hf_bytes){0});
    if (store->presence != NULL)
        store->presence->users = 1; /* it never goes */
    return is_made && store->presence != NULL;
}

static bool make_node_names(struct hf_redis_store *store, const char *db, const char *prefix)
{
    const char *own_name = store->config->node_name;
    struct hf_redis_prefix start;
    bool is_made =
        make_prefix(&start, db, prefix) && make_prefix(&store->node_prefix, start.text, ":node:") &&
        (own_name == NULL || make_prefix(&store->node_channel, store->node_prefix.text, own_name));
    free(start.text);
    return is_made;
}

bool hf_redis_names_make(struct hf_redis_store *store)
{
    const char *prefix =
        store->config->redis.prefix != NULL ? store->config->redis.prefix : "holdfast";
    char db[16] = "";
    uint64_t node = 0;
    if (store->address.db != 0)
        snprintf(db, sizeof db, "db%u:", store->address.db);
    if (getrandom(&node, sizeof node, 0) != sizeof node ||
        getrandom(&store->node, sizeof store->node, 0) != sizeof store->node ||
        !hf_hash_key_new(&store->hash_key))
        return false;
    hf_table_init(&store->channels, &store->hash_key,
                  HF_TABLE_NAME_AT(struct hf_redis_channel, in_table, name));
    store->bus = hf_redis_channel_new(store, (struct hf_bytes){0});
    if (store->bus == NULL)
        return false;
    store->bus->users = 1; /* it never goes */
    snprintf(store->probe_name, sizeof store->probe_name, "%s%.128s:probe:%016llx", db, prefix,
             (unsigned long long)node);
    snprintf(store->bus_name, sizeof store->bus_name, "%s%.128s:bus", db, prefix);
    snprintf(store->life_key, sizeof store->life_key, "%.128s:life", prefix);
    return make_node_names(store, db, prefix) &&
           make_prefix(&store->stream_prefix, prefix, ":stream:") &&
           make_prefix(&store->meta_prefix, prefix, ":meta:") &&
           make_prefix(&store->version_prefix, prefix, ":version:") &&
           make_prefix(&store->idem_prefix, prefix, ":idem:") &&
           make_presence_names(store, prefix) && make_prefix(&store->db_prefix, db, "") &&
           make_prefix(&store->pubsub_prefix, db, store->stream_prefix.text);
}

/* What the address leaves open comes from the configuration. */
int hf_redis_address_complete(struct hf_redis_store *store)
{
    const struct hf_redis_config *redis = &store->config->redis;
    struct hf_redis_address *address = &store->address;
    if (address->password == NULL && redis->password != NULL && redis->password[0] != '\0') {
        address->password = strdup(redis->password);
        if (address->password == NULL)
            return HF_ENOMEM;
    }
    if (address->user == NULL && redis->user != NULL && redis->user[0] != '\0') {
        address->user = strdup(redis->user);
        if (address->user == NULL)
            return HF_ENOMEM;
    }
    if (!address->has_db)
        address->db = redis->db;
    return HF_OK;
}

void hf_redis_names_free(struct hf_redis_store *store)
{
    struct hf_redis_prefix *prefixes[] = {
        &store->stream_prefix, &store->meta_prefix,   &store->version_prefix, &store->idem_prefix,
        &store->db_prefix,     &store->pubsub_prefix, &store->node_prefix,    &store->node_channel};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        free(prefixes[i]->text);
    for (size_t i = 0; i < HF_REDIS_PRESENCE_KEYS; i++)
        free(store->presence_prefixes[i].text);
    hf_redis_address_fini(&store->address);
}
