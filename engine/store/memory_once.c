#include "store/memory_once.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "table.h"

#define SWEEP_PARTS 64 /* calls for all entries */
#define SWEEP_MIN   256

enum kind { KEY, VERSION, KINDS };

struct hf_memory_once_entry {
    struct hf_table_node in_table;              /* once->tables[kind] */
    TAILQ_ENTRY(hf_memory_once_entry) in_sweep; /* once->sweep */
    uint64_t expires_ms;
    struct hf_position position; /* KEY */
    uint64_t version;            /* VERSION */
    char *version_epoch;
    uint32_t version_epoch_len;
    uint32_t kind;
    char name[]; /* length of the channel, channel, idempotency key */
};

struct hf_memory_once {
    struct hf_hash_key hash_key;
    struct hf_table tables[KINDS];
    uint32_t limits[KINDS];
    TAILQ_HEAD(, hf_memory_once_entry) sweep; /* the longest unvisited first */
};

static void forget(struct hf_memory_once *once, struct hf_memory_once_entry *entry)
{
    hf_table_remove(&once->tables[entry->kind], &entry->in_table);
    TAILQ_REMOVE(&once->sweep, entry, in_sweep);
    free(entry->version_epoch);
    free(entry);
}

struct hf_memory_once *hf_memory_once_new(uint32_t keys_max, uint32_t versions_max)
{
    struct hf_memory_once *once = calloc(1, sizeof *once);
    if (once == NULL || !hf_hash_key_new(&once->hash_key)) {
        free(once);
        return NULL;
    }
    once->limits[KEY] = keys_max;
    once->limits[VERSION] = versions_max;
    for (int kind = 0; kind < KINDS; kind++)
        hf_table_init(&once->tables[kind], &once->hash_key,
                      HF_TABLE_NAME_AT(struct hf_memory_once_entry, in_table, name));
    TAILQ_INIT(&once->sweep);
    return once;
}

void hf_memory_once_free(struct hf_memory_once *once)
{
    if (once == NULL)
        return;
    while (!TAILQ_EMPTY(&once->sweep))
        forget(once, TAILQ_FIRST(&once->sweep));
    for (int kind = 0; kind < KINDS; kind++)
        hf_table_clear(&once->tables[kind]);
    free(once);
}

static void write_name(char *name, struct hf_bytes channel, struct hf_bytes key)
{
    memcpy(name, &channel.len, sizeof channel.len);
    name += sizeof channel.len;
    memcpy(name, channel.data, channel.len);
    if (key.len > 0)
        memcpy(name + channel.len, key.data, key.len);
}

/* The entry of the name, made when there is none. */
static int get(struct hf_memory_once *once, enum kind kind, struct hf_bytes channel,
               struct hf_bytes key, uint64_t now_ms, struct hf_memory_once_entry **entry,
               bool *is_new)
{
    struct hf_table *table = &once->tables[kind];
    size_t len = sizeof channel.len + channel.len + key.len;
    struct hf_memory_once_entry *made = calloc(1, sizeof *made + len);
    if (made == NULL)
        return HF_ENOMEM;
    made->kind = kind;
    write_name(made->name, channel, key);
    struct hf_table_node *node = hf_table_find(table, made->name, len);
    struct hf_memory_once_entry *found =
        node != NULL ? HF_TABLE_ITEM(node, struct hf_memory_once_entry, in_table) : NULL;
    if (found != NULL && now_ms >= found->expires_ms) {
        forget(once, found);
        found = NULL;
    }
    *is_new = found == NULL;
    if (found != NULL || table->count >= once->limits[kind]) {
        free(made);
        *entry = found;
        return found != NULL ? HF_OK : HF_ELIMIT;
    }
    if (!hf_table_add(table, &made->in_table, len)) {
        free(made);
        return HF_ENOMEM;
    }
    TAILQ_INSERT_TAIL(&once->sweep, made, in_sweep);
    *entry = made;
    return HF_OK;
}

static bool is_outdated(const struct hf_memory_once_entry *last,
                        const struct hf_store_publish *request)
{
    const struct hf_bytes epoch = request->fields.version_epoch;
    return last->version >= request->fields.version &&
           (epoch.len == 0 || (epoch.len == last->version_epoch_len &&
                               memcmp(epoch.data, last->version_epoch, epoch.len) == 0));
}

static void drop_claim(struct hf_memory_once *once, struct hf_memory_once_claim *claim)
{
    if (claim->key != NULL && claim->is_key_new)
        forget(once, claim->key);
    if (claim->version != NULL && claim->is_version_new)
        forget(once, claim->version);
    free(claim->version_epoch);
    *claim = (struct hf_memory_once_claim){0};
}

/* `rc`, or HF_OK with the outcome set. */
static int claim_version(struct hf_memory_once *once, struct hf_store_publish *request,
                         struct hf_position top, uint64_t now_ms,
                         struct hf_memory_once_claim *claim)
{
    const struct hf_bytes epoch = request->fields.version_epoch;
    int rc = get(once, VERSION, request->channel, (struct hf_bytes){0}, now_ms, &claim->version,
                 &claim->is_version_new);
    if (rc != HF_OK)
        return rc;
    /* Without a position there is no last version. */
    if (!claim->is_version_new && top.epoch != HF_EPOCH_NONE &&
        is_outdated(claim->version, request)) {
        request->outcome = HF_PUBLISH_OUTDATED;
        request->position = top;
        return HF_OK;
    }
    if (epoch.len == 0)
        return HF_OK;
    claim->version_epoch = malloc(epoch.len);
    if (claim->version_epoch == NULL)
        return HF_ENOMEM;
    memcpy(claim->version_epoch, epoch.data, epoch.len);
    return HF_OK;
}

int hf_memory_once_begin(struct hf_memory_once *once, struct hf_store_publish *request,
                         struct hf_position top, uint64_t now_ms,
                         struct hf_memory_once_claim *claim)
{
    int rc = HF_OK;
    *claim = (struct hf_memory_once_claim){0};
    if (request->idempotency_key.len > 0) {
        rc = get(once, KEY, request->channel, request->idempotency_key, now_ms, &claim->key,
                 &claim->is_key_new);
        if (rc == HF_OK && !claim->is_key_new) {
            request->outcome = HF_PUBLISH_REPEATED;
            request->position = claim->key->position;
        }
    }
    if (rc == HF_OK && request->outcome == HF_PUBLISHED && request->fields.version > 0 &&
        request->options.history_size > 0)
        rc = claim_version(once, request, top, now_ms, claim);
    if (rc != HF_OK || request->outcome != HF_PUBLISHED)
        drop_claim(once, claim);
    return rc;
}

void hf_memory_once_end(struct hf_memory_once *once, const struct hf_store_publish *request,
                        struct hf_memory_once_claim *claim, bool is_published,
                        struct hf_position position, uint64_t now_ms)
{
    if (!is_published) {
        drop_claim(once, claim);
        return;
    }
    if (claim->key != NULL) {
        uint32_t ttl_s = request->idempotency_ttl_s;
        claim->key->position = position;
        claim->key->expires_ms =
            now_ms + (uint64_t)(ttl_s != 0 ? ttl_s : HF_IDEMPOTENCY_TTL_S) * 1000;
    }
    if (claim->version != NULL) {
        free(claim->version->version_epoch);
        claim->version->version = request->fields.version;
        claim->version->version_epoch = claim->version_epoch;
        claim->version->version_epoch_len = (uint32_t)request->fields.version_epoch.len;
        claim->version->expires_ms = now_ms + (uint64_t)request->options.meta_ttl_s * 1000;
    }
}

void hf_memory_once_sweep(struct hf_memory_once *once, uint64_t now_ms)
{
    size_t count = (size_t)once->tables[KEY].count + once->tables[VERSION].count;
    size_t visits = count / SWEEP_PARTS > SWEEP_MIN ? count / SWEEP_PARTS : SWEEP_MIN;
    for (size_t i = 0; i < visits && i < count; i++) {
        struct hf_memory_once_entry *entry = TAILQ_FIRST(&once->sweep);
        TAILQ_REMOVE(&once->sweep, entry, in_sweep);
        TAILQ_INSERT_TAIL(&once->sweep, entry, in_sweep);
        if (now_ms >= entry->expires_ms)
            forget(once, entry);
    }
    for (int kind = 0; kind < KINDS; kind++)
        hf_table_shrink(&once->tables[kind]);
}
