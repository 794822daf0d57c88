#include "store/memory_once.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define HASH_NONFATAL_OOM            1
#define uthash_nonfatal_oom(element) ((element)->len = SIZE_MAX)
#include <uthash.h>

#define SWEEP_PARTS 64 /* calls for all entries */
#define SWEEP_MIN   256

enum kind { KEY = 'k', VERSION = 'v' };

struct hf_memory_once_entry {
    UT_hash_handle hh;                          /* once->entries */
    TAILQ_ENTRY(hf_memory_once_entry) in_sweep; /* once->sweep */
    uint64_t expires_ms;
    struct hf_position position; /* KEY */
    uint64_t version;            /* VERSION */
    char *version_epoch;
    size_t version_epoch_len;
    size_t len;
    char name[]; /* the hash key: kind, length of the channel, channel, idempotency key */
};

struct hf_memory_once {
    struct hf_memory_once_entry *entries;
    TAILQ_HEAD(, hf_memory_once_entry) sweep; /* the longest unvisited first */
};

static void forget(struct hf_memory_once *once, struct hf_memory_once_entry *entry)
{
    HASH_DEL(once->entries, entry); /* NOLINT(clang-analyzer-core.NullDereference): uthash */
    TAILQ_REMOVE(&once->sweep, entry, in_sweep);
    free(entry->version_epoch);
    free(entry);
}

struct hf_memory_once *hf_memory_once_new(void)
{
    struct hf_memory_once *once = calloc(1, sizeof *once);
    if (once != NULL)
        TAILQ_INIT(&once->sweep);
    return once;
}

void hf_memory_once_free(struct hf_memory_once *once)
{
    if (once == NULL)
        return;
    while (!TAILQ_EMPTY(&once->sweep))
        forget(once, TAILQ_FIRST(&once->sweep));
    free(once);
}

static void write_name(char *name, enum kind kind, struct hf_bytes channel, struct hf_bytes key)
{
    *name++ = (char)kind;
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
    size_t len = 1 + sizeof channel.len + channel.len + key.len;
    struct hf_memory_once_entry *found, *made = calloc(1, sizeof *made + len);
    if (made == NULL)
        return HF_ENOMEM;
    made->len = len;
    write_name(made->name, kind, channel, key);
    HASH_FIND(hh, once->entries, made->name, len, found);
    if (found != NULL && now_ms >= found->expires_ms) {
        forget(once, found);
        found = NULL;
    }
    *is_new = found == NULL;
    if (found != NULL || HASH_COUNT(once->entries) >= HF_MEMORY_ONCE_MAX) {
        free(made);
        *entry = found;
        return found != NULL ? HF_OK : HF_ELIMIT;
    }
    HASH_ADD_KEYPTR(hh, once->entries, made->name, len, made);
    if (made->len == SIZE_MAX) {
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
        claim->version->version_epoch_len = request->fields.version_epoch.len;
        claim->version->expires_ms = now_ms + (uint64_t)request->options.meta_ttl_s * 1000;
    }
}

void hf_memory_once_sweep(struct hf_memory_once *once, uint64_t now_ms)
{
    size_t count = HASH_COUNT(once->entries);
    size_t visits = count / SWEEP_PARTS > SWEEP_MIN ? count / SWEEP_PARTS : SWEEP_MIN;
    for (size_t i = 0; i < visits && i < count; i++) {
        struct hf_memory_once_entry *entry = TAILQ_FIRST(&once->sweep);
        TAILQ_REMOVE(&once->sweep, entry, in_sweep);
        TAILQ_INSERT_TAIL(&once->sweep, entry, in_sweep);
        if (now_ms >= entry->expires_ms)
            forget(once, entry);
    }
}
