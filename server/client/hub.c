#include "client/hub.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "client/directory.h"
#include "client/member.h"
#include "client/publication_frame.h"
#include "client/session_internal.h"
#include "client/shared_reply.h"
#include "client/subscription.h"
#include "client/tailoring.h"
#include "hash.h"
#include "log.h"
#include "net/connection.h"
#include "worker.h"

#define BUCKETS_MIN  64u
#define ARENA_FACTOR 64u
#define PREFETCH_MAX 16u

struct hf_hub {
    struct hf_worker *worker;
    struct hf_hub_entry **buckets; /* bucket_count, a power of two */
    size_t bucket_count;
    size_t entry_count;
    struct hf_hash_key hash_key;            /* of names that clients choose */
    uint64_t random;                        /* state of hf_hub_random, never 0 */
    unsigned char pool[HF_HUB_RANDOM_POOL]; /* of hf_hub_random_bytes */
    size_t pool_left;                       /* at its start */
    struct hf_members members;
    struct hf_directory directory;
    struct hf_session_output output;
    struct hf_shared_reply shared_reply;
    struct hf_arena arena; /* of the frame that is being decoded */
    struct hf_frame *ping_frames[HF_FRAMINGS];
};

/* --- hash table ----------------------------------------------------------------------------- */

const struct hf_hash_key *hf_hub_hash_key(const struct hf_hub *hub)
{
    return &hub->hash_key;
}

uint64_t hf_hub_hash(const struct hf_hub *hub, struct hf_slice channel)
{
    return hf_hash(&hub->hash_key, channel.data, channel.len);
}

static uint32_t hash_of(const struct hf_hub *hub, struct hf_slice channel)
{
    return (uint32_t)hf_hub_hash(hub, channel);
}

static struct hf_hub_entry **bucket_of(const struct hf_hub *hub, uint32_t hash)
{
    return &hub->buckets[hash & (hub->bucket_count - 1)];
}

static struct hf_hub_entry *find_hashed(const struct hf_hub *hub, struct hf_slice channel,
                                        uint32_t hash)
{
    struct hf_hub_entry *entry = *bucket_of(hub, hash);

    while (entry != NULL && (entry->hash != hash || entry->channel_len != channel.len ||
                             memcmp(entry->channel, channel.data, channel.len) != 0)) {
        entry = entry->next;
    }
    return entry;
}

struct hf_hub_entry *hf_hub_find(const struct hf_hub *hub, struct hf_slice channel)
{
    return find_hashed(hub, channel, hash_of(hub, channel));
}

void hf_hub_each(const struct hf_hub *hub,
                 void (*visit)(void *context, const struct hf_hub_entry *entry), void *context)
{
    for (size_t i = 0; i < hub->bucket_count; i++) {
        for (const struct hf_hub_entry *entry = hub->buckets[i]; entry != NULL;
             entry = entry->next) {
            visit(context, entry);
        }
    }
}

/* Doubles or halves the table. Without memory it stays as it is, only slower or larger. */
static void resize(struct hf_hub *hub, size_t bucket_count)
{
    struct hf_hub_entry **old = hub->buckets;
    size_t old_count = hub->bucket_count;
    struct hf_hub_entry **buckets = calloc(bucket_count, sizeof(struct hf_hub_entry *));

    if (buckets == NULL) {
        return;
    }
    hub->buckets = buckets;
    hub->bucket_count = bucket_count;
    for (size_t i = 0; i < old_count; i++) {
        struct hf_hub_entry *entry = old[i];

        while (entry != NULL) {
            struct hf_hub_entry *next = entry->next;
            struct hf_hub_entry **bucket = bucket_of(hub, entry->hash);

            entry->next = *bucket;
            *bucket = entry;
            entry = next;
        }
    }
    free(old);
}

static void set_entry_count(struct hf_hub *hub, size_t count)
{
    hub->entry_count = count;
    atomic_store_explicit(&hub->worker->counters.channels, count, memory_order_relaxed);
    if (count > hub->bucket_count) {
        resize(hub, hub->bucket_count * 2);
    } else if (count < hub->bucket_count / 8 && hub->bucket_count > BUCKETS_MIN) {
        resize(hub, hub->bucket_count / 2);
    }
}

/* --- entries -------------------------------------------------------------------------------- */

static struct hf_hub_entry *entry_open(struct hf_hub *hub, struct hf_slice channel, uint32_t hash,
                                       const struct hf_stream_options *options)
{
    struct hf_hub_entry *entry = calloc(1, sizeof(*entry) + channel.len);
    struct hf_hub_entry **bucket;

    if (entry == NULL) {
        return NULL;
    }
    entry->watch = hf_watch_open(hub->worker->port, (struct hf_bytes){channel.data, channel.len},
                                 options, entry);
    if (entry->watch == NULL) {
        free(entry);
        return NULL;
    }
    entry->hub = hub;
    entry->hash = hash;
    entry->channel_len = (uint32_t)channel.len;
    memcpy(entry->channel, channel.data, channel.len);
    bucket = bucket_of(hub, hash);
    entry->next = *bucket;
    *bucket = entry;
    set_entry_count(hub, hub->entry_count + 1);
    return entry;
}

static void entry_close(struct hf_hub_entry *entry)
{
    struct hf_hub *hub = entry->hub;
    struct hf_hub_entry **link = bucket_of(hub, entry->hash);

    while (*link != entry) {
        link = &(*link)->next;
    }
    *link = entry->next;
    hf_watch_close(entry->watch);
    hf_publication_unref(entry->base);
    free(entry->subscribers);
    free(entry);
    set_entry_count(hub, hub->entry_count - 1);
}

/* Grows by half from one, since most channels have few subscribers and some have very many. */
static bool entry_reserve(struct hf_hub_entry *entry)
{
    uint32_t capacity = entry->capacity + entry->capacity / 2 + 1;
    struct hf_hub_subscriber *grown;

    if (entry->count < entry->capacity) {
        return true;
    }
    grown = realloc(entry->subscribers, capacity * sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    entry->subscribers = grown;
    entry->capacity = capacity;
    return true;
}

static void entry_place(struct hf_hub_entry *entry, uint32_t index,
                        struct hf_hub_subscriber subscriber)
{
    entry->subscribers[index] = subscriber;
    subscriber.subscription->hub_index = index;
}

int hf_hub_add(struct hf_hub *hub, struct hf_slice channel, const struct hf_stream_options *options,
               struct hf_subscription *subscription)
{
    const struct hf_session *session = subscription->session;
    uint32_t hash = hash_of(hub, channel);
    struct hf_hub_entry *entry = find_hashed(hub, channel, hash);
    struct hf_hub_subscriber subscriber = {.transport = session->transport,
                                           .connection = session->connection,
                                           .subscription = subscription};

    if (entry == NULL) {
        entry = entry_open(hub, channel, hash, options);
        if (entry == NULL) {
            return HF_ENOMEM;
        }
    }
    if (!entry_reserve(entry)) {
        if (entry->count == 0) {
            entry_close(entry);
        }
        return HF_ENOMEM;
    }
    entry_place(entry, entry->count++, subscriber);
    subscription->entry = entry;
    return HF_OK;
}

/* The last of those before *end, if the hole is among them, moves into it and leaves one. */
static void move_hole(struct hf_hub_entry *entry, uint32_t *hole, uint32_t *end)
{
    if (*hole < *end) {
        *end -= 1;
        if (*hole != *end) { /* else the place may hold who was moved just before */
            entry_place(entry, *hole, entry->subscribers[*end]);
        }
        *hole = *end;
    }
}

void hf_hub_remove(struct hf_subscription *subscription)
{
    struct hf_hub_entry *entry = subscription->entry;
    uint32_t hole = subscription->hub_index;

    hf_tailoring_free(hf_hub_tailoring(subscription));
    move_hole(entry, &hole, &entry->plain);
    move_hole(entry, &hole, &entry->live);
    move_hole(entry, &hole, &entry->count);
    if (entry->plain == entry->live) { /* nobody needs it */
        hf_publication_unref(entry->base);
        entry->base = NULL;
    }
    subscription->entry = NULL;
    if (entry->count == 0 && !entry->is_pinned) {
        entry_close(entry);
    }
}

/* Makes the subscriber at `index` the last of those before *end, which it was not one of. */
static void move_into(struct hf_hub_entry *entry, uint32_t index, uint32_t *end)
{
    struct hf_hub_subscriber subscriber = entry->subscribers[index];

    entry_place(entry, index, entry->subscribers[*end]);
    entry_place(entry, *end, subscriber);
    *end += 1;
}

void hf_hub_set_live(struct hf_subscription *subscription)
{
    struct hf_hub_entry *entry = subscription->entry;

    if (subscription->hub_index < entry->live) {
        return;
    }
    move_into(entry, subscription->hub_index, &entry->live);
    if (subscription->is_tailored) {
        hf_tailoring_live(entry, hf_hub_tailoring(subscription));
    } else {
        move_into(entry, subscription->hub_index, &entry->plain);
    }
}

void hf_hub_tailor(struct hf_subscription *subscription, struct hf_tailoring *tailoring)
{
    subscription->entry->subscribers[subscription->hub_index].tailoring = tailoring;
    subscription->is_tailored = true;
}

struct hf_tailoring *hf_hub_tailoring(const struct hf_subscription *subscription)
{
    return subscription->is_tailored
               ? subscription->entry->subscribers[subscription->hub_index].tailoring
               : NULL;
}

bool hf_hub_is_live(const struct hf_subscription *subscription)
{
    return subscription->hub_index < subscription->entry->live;
}

/* --- what the engine tells ------------------------------------------------------------------ */

void hf_hub_pin(struct hf_hub_entry *entry)
{
    entry->is_pinned = true;
}

void hf_hub_unpin(struct hf_hub_entry *entry)
{
    entry->is_pinned = false;
    if (entry->count == 0) {
        entry_close(entry);
    }
}

/* Calls `end`, which removes the subscription, for the subscribers [0, count) of a framing
 * (HF_FRAMINGS: of any). It may remove others as well. The entry is pinned. */
static void end_first(struct hf_hub_entry *entry, uint32_t count, unsigned framing,
                      void (*end)(struct hf_subscription *subscription))
{
    uint32_t i = count;

    while (i > 0) {
        const struct hf_hub_subscriber *subscriber = &entry->subscribers[i - 1];

        if (framing == HF_FRAMINGS || subscriber->transport->framing == framing) {
            end(subscriber->subscription);
        }
        i = i - 1 < entry->live ? i - 1 : entry->live;
    }
}

static void send_one(const struct hf_hub_entry *entry, const struct hf_transport *transport,
                     struct hf_connection *connection, struct hf_frame *frame,
                     struct hf_position position)
{
    if (transport->send_publication != NULL) {
        transport->send_publication(connection, frame, hf_hub_entry_channel(entry), position);
    } else {
        transport->send(connection, frame);
    }
}

void hf_hub_send(const struct hf_subscription *subscription, struct hf_frame *frame,
                 struct hf_position position)
{
    const struct hf_session *session = subscription->session;

    send_one(subscription->entry, session->transport, session->connection, frame, position);
}

/* One framing's share of a plain fan-out; `first` is a transport of it. */
static enum hf_publication_frame_result send_to(struct hf_hub_entry *entry,
                                                const struct hf_transport *first,
                                                struct hf_publication *publication)
{
    const struct hf_hub_subscriber *subscriber = entry->subscribers;
    const struct hf_hub_subscriber *end = subscriber + entry->plain;
    enum hf_framing framing = first->framing;
    enum hf_publication_frame_result result;
    struct hf_frame *frame;

    result = hf_publication_frame(entry->hub->worker, first, hf_hub_entry_channel(entry),
                                  publication, &frame);
    if (result != HF_PUBLICATION_FRAME_OK) {
        return result;
    }
    for (; subscriber < end; subscriber++) {
        if (subscriber->transport->framing == framing) {
            send_one(entry, subscriber->transport, subscriber->connection, frame,
                     publication->position);
        }
    }
    hf_frame_unref(frame);
    return HF_PUBLICATION_FRAME_OK;
}

/* For each framing a transport of it among the plain live subscribers, or NULL. Their connections
 * are on their way from memory meanwhile, as far as it makes sense to fetch ahead. */
static void find_transports(const struct hf_hub_entry *entry,
                            const struct hf_transport *transports[HF_FRAMINGS])
{
    for (unsigned framing = 0; framing < HF_FRAMINGS; framing++) {
        transports[framing] = NULL;
    }
    for (uint32_t i = 0; i < entry->plain; i++) {
        const struct hf_hub_subscriber *subscriber = &entry->subscribers[i];

        transports[subscriber->transport->framing] = subscriber->transport;
        if (i < PREFETCH_MAX) {
            hf_connection_prefetch(subscriber->connection);
        }
    }
}

void hf_hub_on_publication(void *watch_context, struct hf_publication *publication)
{
    struct hf_hub_entry *entry = watch_context;
    const struct hf_transport *transports[HF_FRAMINGS];

    hf_hub_pin(entry);
    find_transports(entry, transports);
    hf_hub_flush(entry->hub); /* a subscribe reply must not be overtaken */
    for (unsigned framing = 0; framing < HF_FRAMINGS; framing++) {
        enum hf_publication_frame_result result = HF_PUBLICATION_FRAME_OK;

        if (transports[framing] != NULL) {
            result = send_to(entry, transports[framing], publication);
        }
        /* Who could not be given this publication must not be given later ones. */
        if (result == HF_PUBLICATION_FRAME_UNFIT) {
            end_first(entry, entry->plain, framing, hf_subscription_unfit);
        } else if (result != HF_PUBLICATION_FRAME_OK) {
            end_first(entry, entry->plain, framing, hf_subscription_lost);
        }
    }
    if (entry->plain < entry->live) {
        hf_tailoring_fan_out(entry, publication);
    }
    hf_hub_unpin(entry);
}

void hf_hub_on_lost(void *watch_context, int reason)
{
    struct hf_hub_entry *entry = watch_context;

    hf_log(HF_LOG_DEBUG, "stream lost", "channel=%.*s subscribers=%u reason=%s",
           (int)entry->channel_len, entry->channel, entry->live, hf_error_text(reason));
    hf_hub_pin(entry);
    end_first(entry, entry->live, HF_FRAMINGS, hf_subscription_lost);
    hf_hub_unpin(entry);
}

/* --- the hub itself ------------------------------------------------------------------------- */

struct hf_hub *hf_hub_open(struct hf_worker *worker)
{
    struct hf_hub *hub = calloc(1, sizeof(*hub));

    if (hub == NULL) {
        return NULL;
    }
    hub->worker = worker;
    hub->bucket_count = BUCKETS_MIN;
    hub->buckets = calloc(hub->bucket_count, sizeof(struct hf_hub_entry *));
    if (hub->buckets == NULL || !hf_hash_key_new(&hub->hash_key) ||
        RAND_bytes((unsigned char *)&hub->random, (int)sizeof(hub->random)) != 1) {
        free(hub->buckets);
        free(hub);
        return NULL;
    }
    hub->random |= 1;
    TAILQ_INIT(&hub->members);
    hf_directory_init(&hub->directory, hub);
    hf_session_output_init(&hub->output);
    /* Decoded commands are larger than their text, at worst by the size of a structure per few
     * bytes of a map. */
    hf_arena_init(&hub->arena, worker->config->websocket.message_size_limit_bytes * ARENA_FACTOR);
    return hub;
}

void hf_hub_close(struct hf_hub *hub)
{
    if (hub == NULL) {
        return;
    }
    for (unsigned framing = 0; framing < HF_FRAMINGS; framing++) {
        if (hub->ping_frames[framing] != NULL) {
            hf_frame_unref(hub->ping_frames[framing]);
        }
    }
    hf_directory_fini(&hub->directory);
    hf_arena_fini(&hub->arena);
    hf_session_output_fini(&hub->output);
    hf_shared_reply_clear(&hub->shared_reply);
    free(hub->buckets);
    free(hub);
}

/* Fetched for many at a time, as each fetch asks the kernel for the process' id. */
bool hf_hub_random_bytes(struct hf_hub *hub, unsigned char *out, size_t len)
{
    if (hub->pool_left < len) {
        if (RAND_bytes(hub->pool, (int)sizeof(hub->pool)) != 1) {
            return false;
        }
        hub->pool_left = sizeof(hub->pool);
    }
    hub->pool_left -= len;
    memcpy(out, hub->pool + hub->pool_left, len);
    memset(hub->pool + hub->pool_left, 0, len);
    return true;
}

void hf_hub_flush(struct hf_hub *hub)
{
    hf_session_output_flush(&hub->output);
    hf_shared_reply_clear(&hub->shared_reply);
}

struct hf_members *hf_hub_members(struct hf_hub *hub)
{
    return &hub->members;
}

struct hf_directory *hf_hub_directory(struct hf_hub *hub)
{
    return &hub->directory;
}

struct hf_session_output *hf_hub_output(struct hf_hub *hub)
{
    return &hub->output;
}

struct hf_shared_reply *hf_hub_shared_reply(struct hf_hub *hub)
{
    return &hub->shared_reply;
}

struct hf_arena *hf_hub_arena(struct hf_hub *hub)
{
    return &hub->arena;
}

struct hf_frame *hf_hub_ping_frame(struct hf_hub *hub, const struct hf_transport *transport)
{
    struct hf_frame **frame = &hub->ping_frames[transport->framing];
    struct hf_buffer *encode = &hub->worker->encode;

    if (*frame == NULL) {
        hf_buffer_reset(encode);
        hf_transport_encoder(transport)->ping(encode);
        if (!hf_buffer_failed(encode)) {
            *frame = transport->wrap(encode->data, encode->len);
        }
    }
    return *frame;
}

uint64_t hf_hub_random(struct hf_hub *hub, uint64_t bound)
{
    /* xorshift64* (Marsaglia; Vigna, 2016). The bias of the modulus does not matter for delays. */
    hub->random ^= hub->random >> 12;
    hub->random ^= hub->random << 25;
    hub->random ^= hub->random >> 27;
    return hub->random * UINT64_C(0x2545f4914f6cdd1d) % bound;
}
