#include "client/directory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "client/session_internal.h"

/* Out of memory leaves an item out of the table, and says so by a NULL handle (uthash). */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct hf_directory_user {
    UT_hash_handle hh;
    LIST_HEAD(, hf_session) sessions; /* never empty */
    size_t len;
    char name[]; /* len bytes */
};

void hf_directory_init(struct hf_directory *directory, const struct hf_hub *hub)
{
    *directory = (struct hf_directory){.hub = hub};
}

void hf_directory_fini(struct hf_directory *directory)
{
    assert(directory->users == NULL);
    (void)directory;
}

/* Names are chosen outside: the hash is keyed, so that nobody can make many of them collide. */
static unsigned hash_of(const struct hf_directory *directory, struct hf_slice name)
{
    return (unsigned)hf_hub_hash(directory->hub, name);
}

static struct hf_directory_user *find(const struct hf_directory *directory, struct hf_slice name,
                                      unsigned hash)
{
    struct hf_directory_user *user = NULL;

    if (name.data == NULL) {
        name = HF_SLICE(""); /* for memcmp */
    }
    HASH_FIND_BYHASHVALUE(hh, directory->users, name.data, name.len, hash, user);
    return user;
}

static struct hf_directory_user *insert(struct hf_directory *directory, struct hf_slice name,
                                        unsigned hash)
{
    struct hf_directory_user *user = calloc(1, sizeof(*user) + name.len);

    if (user == NULL) {
        return NULL;
    }
    LIST_INIT(&user->sessions);
    user->len = name.len;
    if (name.len > 0) {
        memcpy(user->name, name.data, name.len);
    }
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, directory->users, user->name, user->len, hash, user);
    if (user->hh.tbl == NULL) {
        free(user);
        return NULL;
    }
    return user;
}

bool hf_directory_add(struct hf_directory *directory, struct hf_session *session)
{
    struct hf_slice name = hf_session_user(session);
    unsigned hash = hash_of(directory, name);
    struct hf_directory_user *user = find(directory, name, hash);

    if (user == NULL) {
        user = insert(directory, name, hash);
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
    struct hf_directory_user *user;

    if (session->in_user.le_prev == NULL) {
        return;
    }
    user = find(directory, name, hash_of(directory, name));
    LIST_REMOVE(session, in_user);
    session->in_user.le_prev = NULL;
    if (LIST_EMPTY(&user->sessions)) {
        HASH_DEL(directory->users, user);
        free(user);
    }
}

struct hf_session *hf_directory_first(const struct hf_directory *directory, struct hf_slice user)
{
    const struct hf_directory_user *found = find(directory, user, hash_of(directory, user));

    return found == NULL ? NULL : LIST_FIRST(&found->sessions);
}

struct hf_session *hf_directory_next(const struct hf_session *session)
{
    return LIST_NEXT(session, in_user);
}
