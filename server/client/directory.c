#include "client/directory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client/hub.h"
#include "client/session_internal.h"

struct user {
    struct hf_table_node in_table;
    LIST_HEAD(, hf_session) sessions; /* never empty */
    char name[];
};

void hf_directory_init(struct hf_directory *directory, const struct hf_hub *hub)
{
    hf_table_init(&directory->users, hf_hub_hash_key(hub),
                  HF_TABLE_NAME_AT(struct user, in_table, name));
}

void hf_directory_fini(struct hf_directory *directory)
{
    assert(directory->users.count == 0);
    hf_table_clear(&directory->users);
}

static struct user *find(const struct hf_directory *directory, struct hf_slice name)
{
    struct hf_table_node *node = hf_table_find(&directory->users, name.data, name.len);

    return node != NULL ? HF_TABLE_ITEM(node, struct user, in_table) : NULL;
}

static struct user *insert(struct hf_directory *directory, struct hf_slice name)
{
    struct user *user = calloc(1, sizeof(*user) + name.len);

    if (user == NULL) {
        return NULL;
    }
    LIST_INIT(&user->sessions);
    if (name.len > 0) {
        memcpy(user->name, name.data, name.len);
    }
    if (!hf_table_add(&directory->users, &user->in_table, name.len)) {
        free(user);
        return NULL;
    }
    return user;
}

bool hf_directory_add(struct hf_directory *directory, struct hf_session *session)
{
    struct hf_slice name = hf_session_user(session);
    struct user *user = find(directory, name);

    if (user == NULL) {
        user = insert(directory, name);
    }
    if (user == NULL) {
        return false;
    }
    LIST_INSERT_HEAD(&user->sessions, session, in_user);
    return true;
}

void hf_directory_remove(struct hf_directory *directory, struct hf_session *session)
{
    struct hf_slice name = hf_session_user(session);
    struct user *user;

    if (session->in_user.le_prev == NULL) {
        return;
    }
    user = find(directory, name);
    LIST_REMOVE(session, in_user);
    session->in_user.le_prev = NULL;
    if (LIST_EMPTY(&user->sessions)) {
        hf_table_remove(&directory->users, &user->in_table);
        hf_table_shrink(&directory->users);
        free(user);
    }
}

struct hf_session *hf_directory_first(const struct hf_directory *directory, struct hf_slice user)
{
    const struct user *found = find(directory, user);

    return found == NULL ? NULL : LIST_FIRST(&found->sessions);
}

struct hf_session *hf_directory_next(const struct hf_session *session)
{
    return LIST_NEXT(session, in_user);
}
