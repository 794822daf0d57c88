/* Redis store: whether the server still is the primary that was greeted.
 *
 * A primary that is made a replica keeps its connections: it answers reads and probes, and delivers
 * what its new primary replicates, if the link to that lives. A publish is told READONLY; a node
 * that publishes nothing is told nothing. So it asks with each probe: HELLO says the role, and
 * INFO, where we may ask it, the life: a server that followed another one and is a primary again
 * may have lost what it had. */
#include "store/redis_store.h"

#include "redis/identity.h"

static void on_hello(void *context, const struct hf_reply *reply)
{
    if (reply != NULL && reply->type == HF_REPLY_ARRAY && hf_redis_hello_is_replica(reply))
        hf_redis_reconnect(context, HF_REDIS_REPLICA_REASON);
}

/* An error says nothing: it may be forbidden, or a script busy. */
static void on_info(void *context, const struct hf_reply *reply)
{
    struct hf_redis_store *store = context;
    if (reply == NULL || reply->type != HF_REPLY_TEXT)
        return;
    uint64_t life = hf_redis_info_life(reply->text);
    if (life != 0 && life != hf_redis_connection_life(store->commands))
        hf_redis_reconnect(store, "the server's replication history is another one than before");
}

void hf_redis_role_ask(struct hf_redis_store *store)
{
    if (!hf_redis_connection_command(store->commands, on_hello, store, "HELLO", NULL) ||
        !hf_redis_connection_command(store->commands, on_info, store, "INFO", "server",
                                     "replication", NULL))
        hf_redis_connection_break(store->commands, "out of memory");
}
