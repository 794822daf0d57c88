#include "client/users.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

struct user {
    struct hf_table_node in_table;
    uint32_t connections; /* at least 1 */
    char name[];
};

struct hf_users {
    pthread_mutex_t lock;
    struct hf_hash_key hash_key;
    struct hf_table table;
    uint32_t limit;
    uint64_t connections; /* of all users */
};

struct hf_users *hf_users_new(uint32_t limit)
{
    struct hf_users *users = calloc(1, sizeof(*users));

    if (users == NULL) {
        return NULL;
    }
    users->limit = limit;
    hf_table_init(&users->table, &users->hash_key, HF_TABLE_NAME_AT(struct user, in_table, name));
    if (!hf_hash_key_new(&users->hash_key) || pthread_mutex_init(&users->lock, NULL) != 0) {
        free(users);
        return NULL;
    }
    return users;
}

void hf_users_free(struct hf_users *users)
{
    if (users == NULL) {
        return;
    }
    assert(users->table.count == 0);
    hf_table_clear(&users->table);
    pthread_mutex_destroy(&users->lock);
    free(users);
}

static struct user *find(const struct hf_users *users, struct hf_slice name)
{
    struct hf_table_node *node = hf_table_find(&users->table, name.data, name.len);

    return node != NULL ? HF_TABLE_ITEM(node, struct user, in_table) : NULL;
}

static struct user *insert(struct hf_users *users, struct hf_slice name)
{
    struct user *user = calloc(1, sizeof(*user) + name.len);

    if (user == NULL) {
        return NULL;
    }
    memcpy(user->name, name.data, name.len);
    if (!hf_table_add(&users->table, &user->in_table, name.len)) {
        free(user);
        return NULL;
    }
    return user;
}

enum hf_users_result hf_users_add(struct hf_users *users, struct hf_slice user)
{
    enum hf_users_result result = HF_USERS_OK;
    struct user *found;

    pthread_mutex_lock(&users->lock);
    found = find(users, user);
    if (found == NULL) {
        found = insert(users, user);
    }
    if (found == NULL) {
        result = HF_USERS_NO_MEMORY;
    } else if (users->limit > 0 && found->connections >= users->limit) {
        result = HF_USERS_FULL;
    } else {
        found->connections++;
        users->connections++;
    }
    pthread_mutex_unlock(&users->lock);
    return result;
}

void hf_users_remove(struct hf_users *users, struct hf_slice user)
{
    struct user *found;

    pthread_mutex_lock(&users->lock);
    found = find(users, user);
    assert(found != NULL);
    users->connections--;
    if (--found->connections == 0) {
        hf_table_remove(&users->table, &found->in_table);
        hf_table_shrink(&users->table);
        free(found);
    }
    pthread_mutex_unlock(&users->lock);
}

void hf_users_count(struct hf_users *users, uint64_t *user_count, uint64_t *connections)
{
    pthread_mutex_lock(&users->lock);
    *user_count = users->table.count;
    *connections = users->connections;
    pthread_mutex_unlock(&users->lock);
}
