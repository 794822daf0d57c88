#include "table.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 4u
#define ITEMS_MAX   (UINT32_C(1) << 31)

void hf_table_init(struct hf_table *table, const struct hf_hash_key *key, size_t name_at)
{
    *table = (struct hf_table){.key = key, .name_at = (uint32_t)name_at};
}

void hf_table_clear(struct hf_table *table)
{
    free(table->buckets);
    hf_table_init(table, table->key, table->name_at);
}

static struct hf_table_node **bucket_of(const struct hf_table *table, uint32_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

static void link_node(struct hf_table *table, struct hf_table_node *node)
{
    struct hf_table_node **bucket = bucket_of(table, node->hash);
    node->next = *bucket;
    *bucket = node;
}

/* Without memory the table stays as it is. */
static bool resize(struct hf_table *table, uint32_t bucket_count)
{
    struct hf_table_node **buckets = calloc(bucket_count, sizeof(struct hf_table_node *));
    if (buckets == NULL) {
        return false;
    }
    struct hf_table_node **old = table->buckets;
    uint32_t old_count = table->bucket_count;
    table->buckets = buckets;
    table->bucket_count = bucket_count;
    for (uint32_t i = 0; i < old_count; i++) {
        struct hf_table_node *node = old[i];
        while (node != NULL) {
            struct hf_table_node *next = node->next;
            link_node(table, node);
            node = next;
        }
    }
    free(old);
    return true;
}

struct hf_table_node *hf_table_find(const struct hf_table *table, const void *name, size_t len)
{
    if (table->count == 0) {
        return NULL;
    }
    uint32_t hash = (uint32_t)hf_hash(table->key, name, len);
    struct hf_table_node *node = *bucket_of(table, hash);
    while (node != NULL &&
           (node->hash != hash || node->len != len ||
            (len > 0 && memcmp((const char *)node + table->name_at, name, len) != 0))) {
        node = node->next;
    }
    return node;
}

bool hf_table_add(struct hf_table *table, struct hf_table_node *node, size_t len)
{
    if (table->count == ITEMS_MAX || len > UINT32_MAX) {
        return false;
    }
    if (table->count >= table->bucket_count) {
        uint32_t wanted = table->bucket_count > 0 ? table->bucket_count * 2 : BUCKETS_MIN;
        if (!resize(table, wanted) && table->bucket_count == 0) {
            return false; /* else the buckets are only fuller */
        }
    }
    node->hash = (uint32_t)hf_hash(table->key, (const char *)node + table->name_at, len);
    node->len = (uint32_t)len;
    link_node(table, node);
    table->count++;
    return true;
}

void hf_table_remove(struct hf_table *table, struct hf_table_node *node)
{
    struct hf_table_node **link = bucket_of(table, node->hash);
    while (*link != node) {
        link = &(*link)->next;
    }
    *link = node->next;
    table->count--;
}

void hf_table_shrink(struct hf_table *table)
{
    if (table->count == 0) {
        hf_table_clear(table);
        return;
    }
    uint32_t wanted = table->bucket_count;
    while (wanted > BUCKETS_MIN && wanted / 8 >= table->count) {
        wanted /= 2;
    }
    if (wanted < table->bucket_count) {
        (void)resize(table, wanted); /* without memory it stays larger than it needs to be */
    }
}

struct hf_table_node *hf_table_next(const struct hf_table *table, struct hf_table_walk *walk)
{
    while (walk->next == NULL && walk->bucket < table->bucket_count) {
        walk->next = table->buckets[walk->bucket++];
    }
    struct hf_table_node *node = walk->next;
    if (node != NULL) {
        walk->next = node->next;
    }
    return node;
}
