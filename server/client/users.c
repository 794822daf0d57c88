#include "client/users.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Out of memory leaves an item out of the table, and says so by a NULL handle (uthash). */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct user {
    UT_hash_handle hh;
    uint32_t connections; /* at least 1 */
    size_t len;
    char name[]; /* len bytes */
};

struct hf_users {
    pthread_mutex_t lock;
    struct user *table;
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
    if (pthread_mutex_init(&users->lock, NULL) != 0) {
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
    assert(users->table == NULL);
    pthread_mutex_destroy(&users->lock);
    free(users);
}

static struct user *insert(struct hf_users *users, struct hf_slice name)
{
    struct user *user = calloc(1, sizeof(*user) + name.len);

    if (user == NULL) {
        return NULL;
    }
    user->len = name.len;
    memcpy(user->name, name.data, name.len);
    HASH_ADD_KEYPTR(hh, users->table, user->name, user->len, user);
    if (user->hh.tbl == NULL) {
        free(user);
        return NULL;
    }
    return user;
}

enum hf_users_result hf_users_add(struct hf_users *users, struct hf_slice user)
{
    enum hf_users_result result = HF_USERS_OK;
    struct user *found = NULL;

    pthread_mutex_lock(&users->lock);
    HASH_FIND(hh, users->table, user.data, user.len, found);
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
    struct user *found = NULL;

    pthread_mutex_lock(&users->lock);
    HASH_FIND(hh, users->table, user.data, user.len, found);
    assert(found != NULL);
    users->connections--;
    if (--found->connections == 0) {
        HASH_DEL(users->table, found);
        free(found);
    }
    pthread_mutex_unlock(&users->lock);
}

void hf_users_count(struct hf_users *users, uint64_t *user_count, uint64_t *connections)
{
    pthread_mutex_lock(&users->lock);
    *user_count = HASH_COUNT(users->table);
    *connections = users->connections;
    pthread_mutex_unlock(&users->lock);
}
