#include "store/memory_presence.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "table.h"

struct room;

/* A user with at least one member in the room. */
struct user {
    struct hf_table_node in_table; /* room->users */
    TAILQ_HEAD(, member) waiting;
    size_t members;
    char name[];
};

struct member {
    struct hf_table_node in_table; /* room->members */
    struct room *room;
    struct user *user;
    TAILQ_ENTRY(member) in_order; /* presence->present, or presence->waiting */
    TAILQ_ENTRY(member) of_user;  /* user->waiting, while it waits */
    uint64_t expires_ms;          /* 0: not in order yet */
    bool is_waiting;              /* for its END */
    bool tells;                   /* while it waits: its leave is told */
    char *info;                   /* owned; info_len bytes */
    size_t info_len;
    char client[];
};
TAILQ_HEAD(members, member);

/* A channel with members. */
struct room {
    struct hf_table_node in_table; /* presence->rooms */
    struct hf_table members, users;
    char name[];
};

struct hf_memory_presence {
    struct hf_hash_key hash_key;
    struct hf_table rooms;
    struct members present; /* by expires_ms: each is put at the end for the same time */
    struct members waiting; /* by expires_ms */
    uint32_t ttl_ms;
    hf_memory_presence_tell *tell;
    void *context;
};

/* --- the tables ----------------------------------------------------------------------------- */

/* A zeroed object of `size` bytes with the key behind it; its `len` is the caller's to set. */
static void *new_keyed(size_t size, size_t key_at, struct hf_bytes key)
{
    char *object = calloc(1, size + key.len);
    if (object != NULL && key.len > 0)
        memcpy(object + key_at, key.data, key.len);
    return object;
}

static struct room *find_room(const struct hf_memory_presence *presence, struct hf_bytes name)
{
    struct hf_table_node *node = hf_table_find(&presence->rooms, name.data, name.len);
    return node != NULL ? HF_TABLE_ITEM(node, struct room, in_table) : NULL;
}

static struct room *room_of(struct hf_memory_presence *presence, struct hf_bytes name)
{
    struct room *room = find_room(presence, name);
    if (room != NULL)
        return room;
    room = new_keyed(sizeof *room, offsetof(struct room, name), name);
    if (room == NULL)
        return NULL;
    hf_table_init(&room->members, &presence->hash_key,
                  HF_TABLE_NAME_AT(struct member, in_table, client));
    hf_table_init(&room->users, &presence->hash_key, HF_TABLE_NAME_AT(struct user, in_table, name));
    if (!hf_table_add(&presence->rooms, &room->in_table, name.len)) {
        free(room);
        return NULL;
    }
    return room;
}

static void settle_room(struct hf_memory_presence *presence, struct room *room)
{
    if (room->members.count == 0 && room->users.count == 0) {
        hf_table_clear(&room->members);
        hf_table_clear(&room->users);
        hf_table_remove(&presence->rooms, &room->in_table);
        free(room);
    }
}

static struct user *find_user(const struct room *room, struct hf_bytes name)
{
    struct hf_table_node *node = hf_table_find(&room->users, name.data, name.len);
    return node != NULL ? HF_TABLE_ITEM(node, struct user, in_table) : NULL;
}

static struct user *user_of(struct room *room, struct hf_bytes name)
{
    struct user *user = find_user(room, name);
    if (user != NULL)
        return user;
    user = new_keyed(sizeof *user, offsetof(struct user, name), name);
    if (user == NULL)
        return NULL;
    TAILQ_INIT(&user->waiting);
    if (!hf_table_add(&room->users, &user->in_table, name.len)) {
        free(user);
        return NULL;
    }
    return user;
}

static void settle_user(struct room *room, struct user *user)
{
    if (user->members == 0) {
        hf_table_remove(&room->users, &user->in_table);
        hf_table_shrink(&room->users);
        free(user);
    }
}

static struct member *find_member(const struct room *room, struct hf_bytes client)
{
    struct hf_table_node *node = hf_table_find(&room->members, client.data, client.len);
    return node != NULL ? HF_TABLE_ITEM(node, struct member, in_table) : NULL;
}

static struct member *member_new(struct room *room, struct user *user, struct hf_bytes client)
{
    struct member *member = new_keyed(sizeof *member, offsetof(struct member, client), client);
    if (member == NULL)
        return NULL;
    if (!hf_table_add(&room->members, &member->in_table, client.len)) {
        free(member);
        return NULL;
    }
    member->room = room;
    member->user = user;
    user->members++;
    return member;
}

static bool set_info(struct member *member, struct hf_bytes info)
{
    if (member->info_len == info.len &&
        (info.len == 0 || memcmp(member->info, info.data, info.len) == 0))
        return true;
    char *copy = malloc(info.len > 0 ? info.len : 1);
    if (copy == NULL)
        return false;
    if (info.len > 0)
        memcpy(copy, info.data, info.len);
    free(member->info);
    member->info = copy;
    member->info_len = info.len;
    return true;
}

/* --- members -------------------------------------------------------------------------------- */

/* Takes the member out of the order of expiry, if it has been put in. */
static void take_from_order(struct hf_memory_presence *presence, struct member *member)
{
    if (member->is_waiting) {
        TAILQ_REMOVE(&presence->waiting, member, in_order);
        TAILQ_REMOVE(&member->user->waiting, member, of_user);
        member->is_waiting = false;
    } else if (member->expires_ms > 0) {
        TAILQ_REMOVE(&presence->present, member, in_order);
    }
    member->expires_ms = 0;
}

/* The room may be gone afterwards. */
static void member_free(struct hf_memory_presence *presence, struct member *member)
{
    struct room *room = member->room;
    struct user *user = member->user;
    take_from_order(presence, member);
    hf_table_remove(&room->members, &member->in_table);
    hf_table_shrink(&room->members);
    user->members--;
    settle_user(room, user);
    free(member->info);
    free(member);
    settle_room(presence, room);
}

static void tell_leave(const struct hf_memory_presence *presence, const struct member *member)
{
    presence->tell(presence->context,
                   (struct hf_bytes){member->room->name, member->room->in_table.len}, false,
                   (struct hf_bytes){member->info, member->info_len});
}

static void keep(struct hf_memory_presence *presence, struct member *member, uint64_t now_ms)
{
    take_from_order(presence, member);
    member->expires_ms = now_ms + presence->ttl_ms;
    TAILQ_INSERT_TAIL(&presence->present, member, in_order);
}

static void hold(struct hf_memory_presence *presence, struct member *member, bool tells,
                 uint64_t due_ms)
{
    take_from_order(presence, member);
    member->is_waiting = true;
    member->expires_ms = due_ms + HF_PRESENCE_SLACK_MS;
    member->tells = tells;
    TAILQ_INSERT_TAIL(&member->user->waiting, member, of_user);
    struct member *before = TAILQ_LAST(&presence->waiting, members);
    while (before != NULL && before->expires_ms > member->expires_ms)
        before = TAILQ_PREV(before, members, in_order);
    if (before != NULL)
        TAILQ_INSERT_AFTER(&presence->waiting, before, member, in_order);
    else
        TAILQ_INSERT_HEAD(&presence->waiting, member, in_order);
}

void hf_memory_presence_sweep(struct hf_memory_presence *presence, uint64_t now_ms)
{
    struct member *member;
    while ((member = TAILQ_FIRST(&presence->present)) != NULL && member->expires_ms <= now_ms)
        member_free(presence, member);
    while ((member = TAILQ_FIRST(&presence->waiting)) != NULL && member->expires_ms <= now_ms) {
        if (member->tells)
            tell_leave(presence, member);
        member_free(presence, member);
    }
    hf_table_shrink(&presence->rooms);
}

/* --- actions -------------------------------------------------------------------------------- */

/* The user's return ends the wait of this client or else of one other. */
static bool end_wait(struct hf_memory_presence *presence, struct user *user, struct member *own)
{
    if (own != NULL && own->is_waiting)
        return true; /* the caller keeps it */
    struct member *member = TAILQ_FIRST(&user->waiting);
    if (member == NULL)
        return false;
    member_free(presence, member);
    return true;
}

/* A member that is not in the order of expiry yet, with its room and user where they are new. */
static struct member *make_member(struct hf_memory_presence *presence,
                                  const struct hf_presence_client *who)
{
    struct room *room = room_of(presence, who->channel);
    struct user *user = room != NULL ? user_of(room, who->user) : NULL;
    struct member *member = user != NULL ? member_new(room, user, who->client) : NULL;
    if (member != NULL && set_info(member, who->info))
        return member;
    if (member != NULL)
        member_free(presence, member); /* room and user go with it */
    else if (user != NULL)
        settle_user(room, user);
    if (member == NULL && room != NULL)
        settle_room(presence, room);
    return NULL;
}

static int add(struct hf_memory_presence *presence, struct hf_presence_item *item, uint64_t now_ms)
{
    struct room *room = find_room(presence, item->who.channel);
    struct member *member = room != NULL ? find_member(room, item->who.client) : NULL;
    if (item->action == HF_PRESENCE_ADD) {
        struct user *user = room != NULL ? find_user(room, item->who.user) : NULL;
        if (member != NULL && !set_info(member, item->who.info))
            return HF_ENOMEM;
        item->is_held = user != NULL && end_wait(presence, user, member);
    }
    if (member == NULL)
        member = make_member(presence, &item->who);
    if (member == NULL)
        return HF_ENOMEM;
    keep(presence, member, now_ms);
    return HF_OK;
}

static void leave(struct hf_memory_presence *presence, struct hf_presence_item *item,
                  uint64_t now_ms)
{
    struct room *room = find_room(presence, item->who.channel);
    struct member *member = room != NULL ? find_member(room, item->who.client) : NULL;
    if (member != NULL && item->grace_ms > 0 && item->who.user.len > 0) {
        hold(presence, member, item->tells, now_ms + item->grace_ms);
        item->is_held = true;
        return;
    }
    if (member != NULL)
        member_free(presence, member);
    if (item->tells)
        presence->tell(presence->context, item->who.channel, false, item->who.info);
}

static void end(struct hf_memory_presence *presence, const struct hf_presence_item *item)
{
    struct room *room = find_room(presence, item->who.channel);
    struct member *member = room != NULL ? find_member(room, item->who.client) : NULL;
    if (member == NULL || !member->is_waiting)
        return;
    if (member->tells)
        tell_leave(presence, member);
    member_free(presence, member);
}

int hf_memory_presence_apply(struct hf_memory_presence *presence, struct hf_presence_item *items,
                             size_t count, uint64_t now_ms)
{
    int result = HF_OK;
    hf_memory_presence_sweep(presence, now_ms);
    for (size_t i = 0; i < count && result == HF_OK; i++) {
        struct hf_presence_item *item = &items[i];
        item->is_held = false;
        switch (item->action) {
        case HF_PRESENCE_ADD:
        case HF_PRESENCE_REFRESH:
            result = add(presence, item, now_ms);
            break;
        case HF_PRESENCE_JOIN:
            presence->tell(presence->context, item->who.channel, true, item->who.info);
            break;
        case HF_PRESENCE_REMOVE:
            leave(presence, item, now_ms);
            break;
        case HF_PRESENCE_END:
            end(presence, item);
            break;
        }
    }
    return result;
}

/* --- reading -------------------------------------------------------------------------------- */

static struct hf_bytes put(char **end, const char *data, size_t len)
{
    struct hf_bytes copy = {*end, len};
    if (len > 0)
        memcpy(*end, data, len);
    *end += len;
    return copy;
}

static int read_entries(const struct room *room, struct hf_store_presence_read *request)
{
    size_t size = 0;
    struct hf_table_walk walk = {0};
    const struct hf_table_node *node;
    while ((node = hf_table_next(&room->members, &walk)) != NULL) {
        const struct member *member = HF_TABLE_ITEM(node, struct member, in_table);
        size += sizeof(struct hf_present_client) + node->len + member->info_len;
    }
    struct hf_present_client *entries = malloc(size > 0 ? size : 1);
    if (entries == NULL)
        return HF_ENOMEM;
    char *text = (char *)(entries + room->members.count);
    walk = (struct hf_table_walk){0};
    while ((node = hf_table_next(&room->members, &walk)) != NULL) {
        const struct member *member = HF_TABLE_ITEM(node, struct member, in_table);
        struct hf_present_client *entry = &entries[request->count++];
        entry->client = put(&text, member->client, node->len);
        entry->info = put(&text, member->info, member->info_len);
    }
    request->entries = entries;
    return HF_OK;
}

int hf_memory_presence_read(struct hf_memory_presence *presence,
                            struct hf_store_presence_read *request, uint64_t now_ms)
{
    hf_memory_presence_sweep(presence, now_ms);
    struct room *room = find_room(presence, request->channel);
    request->clients = request->users = 0;
    request->entries = NULL;
    request->count = 0;
    if (room == NULL)
        return HF_OK;
    if (request->wants_entries)
        return read_entries(room, request);
    request->clients = room->members.count;
    request->users = room->users.count;
    return HF_OK;
}

/* --- life ----------------------------------------------------------------------------------- */

struct hf_memory_presence *hf_memory_presence_new(uint32_t ttl_ms, hf_memory_presence_tell *tell,
                                                  void *context)
{
    struct hf_memory_presence *presence = calloc(1, sizeof *presence);
    if (presence == NULL)
        return NULL;
    if (!hf_hash_key_new(&presence->hash_key)) {
        free(presence);
        return NULL;
    }
    hf_table_init(&presence->rooms, &presence->hash_key,
                  HF_TABLE_NAME_AT(struct room, in_table, name));
    presence->ttl_ms = ttl_ms;
    presence->tell = tell;
    presence->context = context;
    TAILQ_INIT(&presence->present);
    TAILQ_INIT(&presence->waiting);
    return presence;
}

void hf_memory_presence_free(struct hf_memory_presence *presence)
{
    struct member *member;
    if (presence == NULL)
        return;
    while ((member = TAILQ_FIRST(&presence->present)) != NULL)
        member_free(presence, member);
    while ((member = TAILQ_FIRST(&presence->waiting)) != NULL)
        member_free(presence, member);
    hf_table_clear(&presence->rooms);
    free(presence);
}
