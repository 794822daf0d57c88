/* Redis store: which lives of Redis were admitted (store.h, on_connected).
 *
 * `<prefix>:life` holds their numbers in hexadecimal, newest first. It is read whenever commands
 * become ready, and written when a life is admitted, before what is published into it; when there
 * is none, at once, before any stream is made. All nodes in one life write the same. Like all else
 * in Redis it may be lost: a Redis that went back has only older lives, or none when it had no
 * stream. */
#include "store/redis_store.h"

#include <stdio.h>
#include <stdlib.h>

#define SOME_OTHER_LIFE 1 /* what is there cannot be read */
#define LIFE_DIGITS     16

/* Refused (the server is full, busy, ...): the next publications bring it along. */
static void on_noted(void *context, const struct hf_reply *reply)
{
    struct hf_redis_store *store = context;
    if (reply != NULL && reply->type == HF_REPLY_ERROR) {
        hf_redis_judge(store, reply);
        store->is_life_noted = false;
    }
}

/* Without memory, or refused, an older one stays: a node that starts then waits for longer than it
 * must, and the next publications bring it along. */
static void note(struct hf_redis_store *store)
{
    char text[HF_LIVES_MAX * (LIFE_DIGITS + 1)];
    size_t len = 0;
    struct hf_lives lives = store->noted;
    hf_lives_admit(&lives, hf_redis_connection_life(store->commands));
    for (uint32_t i = 0; i < lives.count; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, i == 0 ? "%llx" : " %llx",
                                (unsigned long long)lives.lives[i]);
    }
    store->is_life_noted = hf_redis_connection_command(store->commands, on_noted, store, "SET",
                                                       store->life_key, text, NULL);
}

void hf_redis_life_admit(struct hf_redis_store *store)
{
    if (store->is_life_known && !store->is_life_noted &&
        hf_redis_connection_life(store->commands) == store->admitted_life)
        note(store);
}

void hf_redis_life_parse(struct hf_redis_store *store, const struct hf_reply *reply,
                         struct hf_lives *lives)
{
    lives->count = 0;
    if (reply->type == HF_REPLY_NIL)
        return;
    if (reply->type == HF_REPLY_ERROR)
        hf_redis_judge(store, reply);
    const char *at = reply->type == HF_REPLY_TEXT ? reply->text : "?";
    while (*at != '\0' && lives->count < HF_LIVES_MAX) {
        char *end;
        uint64_t life = strtoull(at, &end, 16);
        lives->lives[lives->count++] = life != 0 ? life : SOME_OTHER_LIFE;
        at = life != 0 ? end : at; /* what cannot be read fills the list: it lacks nothing */
    }
}

static void on_life(void *context, const struct hf_reply *reply)
{
    struct hf_redis_store *store = context;
    if (reply == NULL)
        return;
    hf_redis_life_parse(store, reply, &store->noted);
    store->is_life_known = true;
    store->is_life_noted =
        hf_lives_newest(&store->noted) == hf_redis_connection_life(store->commands);
    if (reply->type == HF_REPLY_NIL)
        note(store);
    else
        hf_redis_life_admit(store);
    hf_redis_pubsub_set_up(store);
}

void hf_redis_life_ask(struct hf_redis_store *store)
{
    if (!hf_redis_connection_command(store->commands, on_life, store, "GET", store->life_key, NULL))
        hf_redis_connection_break(store->commands, "out of memory");
}
