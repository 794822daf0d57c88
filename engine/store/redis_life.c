/* Redis store: which life of Redis was admitted last (store.h, on_connected).
 *
 * `<prefix>:life` holds its number in hexadecimal. It is read whenever commands become ready, and
 * written when a life is admitted, before what is published into it; when there is none, at once,
 * before any stream is made. Like all else in Redis it may be lost: a Redis that went back says an
 * older life, or none when it had no stream. */
#include "store/redis_store.h"

#include <stdio.h>
#include <stdlib.h>

#define SOME_OTHER_LIFE 1 /* what is there cannot be read */

/* Refused (the server is full, busy, ...): the next publications bring it along. */
static void on_noted(void *context, const struct hf_reply *reply)
{
    struct hf_redis_store *store = context;
    if (reply != NULL && reply->type == HF_REPLY_ERROR) {
        hf_redis_judge(store, reply);
        store->is_life_noted = false;
    }
}

/* Without memory an older one stays: a node that starts then waits for longer than it must. */
static void note(struct hf_redis_store *store)
{
    char number[17];
    uint64_t life = hf_redis_connection_life(store->commands);
    snprintf(number, sizeof number, "%llx", (unsigned long long)life);
    store->is_life_noted = hf_redis_connection_command(store->commands, on_noted, store, "SET",
                                                       store->life_key, number, NULL);
}

void hf_redis_life_admit(struct hf_redis_store *store)
{
    if (store->is_life_known && !store->is_life_noted &&
        hf_redis_connection_life(store->commands) == store->admitted_life)
        note(store);
}

uint64_t hf_redis_life_parse(struct hf_redis_store *store, const struct hf_reply *reply)
{
    if (reply->type == HF_REPLY_NIL)
        return 0;
    if (reply->type == HF_REPLY_ERROR)
        hf_redis_judge(store, reply);
    uint64_t life = reply->type == HF_REPLY_TEXT ? strtoull(reply->text, NULL, 16) : 0;
    return life != 0 ? life : SOME_OTHER_LIFE;
}

static void on_life(void *context, const struct hf_reply *reply)
{
    struct hf_redis_store *store = context;
    if (reply == NULL)
        return;
    store->noted_life = hf_redis_life_parse(store, reply);
    store->is_life_known = true;
    store->is_life_noted = store->noted_life == hf_redis_connection_life(store->commands);
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
