/* Table: a hash table of structures by a name that lies in them; the structures are the caller's.
 *
 *   struct thing {
 *       struct hf_table_node node;
 *       ...
 *       char name[];
 *   };
 *   hf_table_init(&table, &key, HF_TABLE_NAME_AT(struct thing, node, name));
 *   hf_table_add(&table, &thing->node, len);
 *   struct hf_table_node *node = hf_table_find(&table, name, len);
 *   thing = node != NULL ? HF_TABLE_ITEM(node, struct thing, node) : NULL;
 *
 * T1  A table of n items has between n and 8 n buckets after hf_table_shrink, of a pointer each;
 *     none when it is empty. It grows with _add.
 * T2  Names are hashed with the caller's secret key (hash.h), so that nobody can choose names that
 *     meet in one bucket. The order of a walk depends on nothing else but the key and the names.
 * Pure; one thread. */
#ifndef HF_BASE_TABLE_H
#define HF_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash.h"

struct hf_table_node {
    struct hf_table_node *next; /* in the bucket */
    uint32_t hash;
    uint32_t len; /* of the name; bytes */
};

struct hf_table {
    struct hf_table_node **buckets; /* bucket_count of them, a power of two; NULL when 0 */
    const struct hf_hash_key *key;  /* borrowed */
    uint32_t bucket_count;
    uint32_t count;
    uint32_t name_at; /* from a node to its name; bytes */
};

#define HF_TABLE_NAME_AT(type, node, name) (offsetof(type, name) - offsetof(type, node))
#define HF_TABLE_ITEM(pointer, type, node)                                                         \
    ((type *)(void *)((char *)(pointer)-offsetof(type, node)))

/* No memory is taken before the first item. `key` must live as long as the table. */
void hf_table_init(struct hf_table *table, const struct hf_hash_key *key, size_t name_at);
/* Gives the buckets back; the items are forgotten, not freed. The table is empty and usable. */
void hf_table_clear(struct hf_table *table);

/* NULL: not there. */
struct hf_table_node *hf_table_find(const struct hf_table *table, const void *name, size_t len);
/* The name must not be in the table, and must not change while it is. False: no memory, or the
 * table is full (2^31 items), and nothing has changed. */
bool hf_table_add(struct hf_table *table, struct hf_table_node *node, size_t len);
/* Never moves another item, so that a walk may go on. */
void hf_table_remove(struct hf_table *table, struct hf_table_node *node);
/* Gives back what many items have left behind (T1). Cheap when there is nothing to do; not to be
 * called during a walk. */
void hf_table_shrink(struct hf_table *table);

/* A walk over all items:
 *
 *   struct hf_table_walk walk = {0};
 *   while ((node = hf_table_next(&table, &walk)) != NULL) ...
 *
 * The item that was returned last may be removed; nothing may be added. */
struct hf_table_walk {
    struct hf_table_node *next;
    uint32_t bucket; /* the next one */
};
struct hf_table_node *hf_table_next(const struct hf_table *table, struct hf_table_walk *walk);

#endif
