/* An engine's life outside its thread: its configuration, opening, closing, asking for status. */
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <event2/event.h>

#include "engine_private.h"

/* --- configuration -----------------------------------------------------------------------------
 */

#define DEFAULT(field, value) ((field) = (field) != 0 ? (field) : (value))

static void fill_defaults(struct hf_engine_config *config)
{
    DEFAULT(config->linger_ms, 60000);
    DEFAULT(config->lingering_streams_max, 100000);
    DEFAULT(config->tail_publications_max, 1024);
    DEFAULT(config->tail_bytes_max, (size_t)1 << 20);
    DEFAULT(config->tails_bytes_max, (size_t)256 << 20);
    DEFAULT(config->page_publications_max, 512);
    DEFAULT(config->page_bytes_max, (size_t)256 << 10);
    DEFAULT(config->loads_in_flight_max, 64);
    DEFAULT(config->wait_ms, 4000);
    DEFAULT(config->node_timeout_ms, 3000);
    DEFAULT(config->node_hello_ms, 300); /* nodes answer at once: more than a slow round trip */
    DEFAULT(config->awaited_nodes_max, 1024);
    DEFAULT(config->witnesses_max, 100000);
    DEFAULT(config->witnesses_bytes_max, (size_t)32 << 20);
    DEFAULT(config->witness_ttl_ms, 3600000);
    DEFAULT(config->idle_channels_max, 65536);
    DEFAULT(config->idle_channel_ttl_ms, 60000);
    DEFAULT(config->memory_keys_max, 1000000);
    DEFAULT(config->memory_versions_max, 1000000);
    DEFAULT(config->presence_ttl_ms, 60000);
    DEFAULT(config->pending_requests_max, 100000);
    DEFAULT(config->pending_bytes_max, (size_t)64 << 20);
    DEFAULT(config->publication_bytes_max, (size_t)256 << 20);
    DEFAULT(config->mailbox_bytes_max, (size_t)64 << 20);
    DEFAULT(config->redis.connect_timeout_ms, 1000);
    DEFAULT(config->redis.io_timeout_ms, 4000);
    DEFAULT(config->redis.probe_interval_ms, 5000);
}

static void free_strings(struct hf_engine_config *config)
{
    free((char *)config->redis.address);
    free((char *)config->redis.user);
    free((char *)config->redis.password);
    free((char *)config->redis.prefix);
    free((char *)config->redis.client_name);
    free((char *)config->node_name);
}

/* An own copy of `*text`, or of `fallback` when that is NULL; NULL stays NULL without either. */
static bool own_string(const char **text, const char *fallback)
{
    const char *source = *text != NULL ? *text : fallback;
    *text = source != NULL ? strdup(source) : NULL;
    return source == NULL || *text != NULL;
}

static int copy_config(struct hf_engine_config *copy, const struct hf_engine_config *config)
{
    *copy = *config;
    fill_defaults(copy);
    bool is_whole = own_string(&copy->redis.address, "redis://127.0.0.1:6379");
    is_whole &= own_string(&copy->redis.user, NULL);
    is_whole &= own_string(&copy->redis.password, NULL);
    is_whole &= own_string(&copy->redis.prefix, "holdfast");
    is_whole &= own_string(&copy->redis.client_name, NULL);
    is_whole &= own_string(&copy->node_name, NULL);
    if (!is_whole) {
        free_strings(copy);
        return HF_ENOMEM;
    }
    return HF_OK;
}

/* --- parts -------------------------------------------------------------------------------------
 */

static int open_reads(struct hf_engine *engine)
{
    uint32_t count = engine->config.loads_in_flight_max;
    engine->reads = calloc(count, sizeof *engine->reads);
    if (engine->reads == NULL) {
        return HF_ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        engine->reads[i].engine = engine;
        engine->reads[i].next_free = engine->free_reads;
        engine->free_reads = &engine->reads[i];
    }
    return HF_OK;
}

static int open_core(struct hf_engine *engine)
{
    const struct hf_engine_config *config = &engine->config;
    struct hf_core_config core_config = {
        .linger_ms = config->linger_ms,
        .lingering_streams_max = config->lingering_streams_max,
        .tail_publications_max = config->tail_publications_max,
        .tail_bytes_max = config->tail_bytes_max,
        .tails_bytes_max = config->tails_bytes_max,
        .page_publications_max = config->page_publications_max,
        .page_bytes_max = config->page_bytes_max,
        .reads_in_flight_max = config->loads_in_flight_max,
        .wait_ms = config->wait_ms,
        .witnesses_max = config->witnesses_max,
        .witnesses_bytes_max = config->witnesses_bytes_max,
        .witness_ttl_ms = config->witness_ttl_ms,
    };
    if (!hf_hash_key_new(&core_config.hash_key)) {
        return HF_ELIMIT;
    }
    engine->core = hf_core_new(&core_config, &hf__engine_core_effects, engine);
    return engine->core != NULL ? HF_OK : HF_ENOMEM;
}

/* A memory store has no other nodes to wait for. */
static int open_fence(struct hf_engine *engine)
{
    struct hf_fence_config config = {
        .peer_timeout_ms = engine->config.node_timeout_ms,
        .hello_ms = engine->config.store == HF_STORE_MEMORY ? 0 : engine->config.node_hello_ms,
        .heartbeat_ms = engine->config.node_timeout_ms / 3,
        .deaf_ms = engine->config.node_timeout_ms * 2 / 3,
        .peers_max = engine->config.awaited_nodes_max,
    };
    while (config.self == 0) {
        if (getrandom(&config.self, sizeof config.self, 0) != (ssize_t)sizeof config.self) {
            return HF_ELIMIT;
        }
    }
    engine->is_fenced = true;
    hf_core_set_fence(engine->core, true, 0);
    return hf_fence_init(&engine->fence, &config) ? HF_OK : HF_ENOMEM;
}

static int open_loop(struct hf_engine *engine)
{
    const struct timeval tick = {.tv_usec = HF_CORE_TICK_MS * 1000};
    engine->base = event_base_new();
    if (engine->base == NULL) {
        return HF_ENOMEM;
    }
    engine->inbox_event = event_new(engine->base, engine->inbox.fd, EV_READ | EV_PERSIST,
                                    hf__engine_on_inbox, engine);
    engine->tick_event = event_new(engine->base, -1, EV_PERSIST, hf__engine_on_tick, engine);
    if (engine->inbox_event == NULL || engine->tick_event == NULL ||
        event_add(engine->inbox_event, NULL) != 0 || event_add(engine->tick_event, &tick) != 0) {
        return HF_ENOMEM;
    }
    return HF_OK;
}

static int open_store(struct hf_engine *engine, char *reason, size_t reason_size)
{
    engine->store_events = hf__engine_store_events;
    engine->store_events.context = engine;
    switch (engine->config.store) {
    case HF_STORE_MEMORY:
        engine->store = hf_store_memory_open(engine->base, &engine->config, &engine->store_events,
                                             reason, reason_size);
        break;
    case HF_STORE_REDIS:
        engine->store = hf_store_redis_open(engine->base, &engine->config, &engine->store_events,
                                            reason, reason_size);
        break;
    default:
        snprintf(reason, reason_size, "there is no store kind %d", (int)engine->config.store);
    }
    if (engine->store == NULL) {
        return HF_EINVAL;
    }
    hf__engine_update_status(engine);
    return HF_OK;
}

/* Signals are the program's business: the engine's thread takes none but those of its own faults.
 */
static int start_thread(struct hf_engine *engine)
{
    sigset_t all, before;
    sigfillset(&all);
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        sigdelset(&all, faults[i]);
    }
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&engine->thread, NULL, hf__engine_run, engine);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0 ? HF_OK : HF_ENOMEM;
}

/* Frees what is there; the thread does not run. */
static void destroy(struct hf_engine *engine)
{
    if (engine->store != NULL) {
        engine->store->ops->close(engine->store);
    }
    hf__presence_fini(engine);
    hf_core_free(engine->core);
    hf_fence_fini(&engine->fence);
    free(engine->reads);
    if (engine->inbox_event != NULL) {
        event_free(engine->inbox_event);
    }
    if (engine->tick_event != NULL) {
        event_free(engine->tick_event);
    }
    if (engine->base != NULL) {
        event_base_free(engine->base);
    }
    if (engine->inbox.fd >= 0) {
        hf_mailbox_fini(&engine->inbox);
    }
    pthread_mutex_destroy(&engine->status_lock);
    free_strings(&engine->config);
    free(engine);
}

/* --- the public side ---------------------------------------------------------------------------
 */

int hf_engine_open(const struct hf_engine_config *config, struct hf_engine **engine_out,
                   char *reason, size_t reason_size)
{
    snprintf(reason, reason_size, "%s", hf_error_text(HF_ENOMEM));
    struct hf_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL) {
        return HF_ENOMEM;
    }
    engine->inbox.fd = -1;
    LIST_INIT(&engine->ports);
    TAILQ_INIT(&engine->broken);
    TAILQ_INIT(&engine->closing);
    TAILQ_INIT(&engine->held_clients);
    pthread_mutex_init(&engine->status_lock, NULL);
    int result = copy_config(&engine->config, config);
    if (result != HF_OK) {
        memset(&engine->config, 0, sizeof engine->config);
        goto err_after_alloc;
    }
    if (hf_mailbox_init(&engine->inbox) != 0) {
        result = HF_ELIMIT;
        snprintf(reason, reason_size, "no file descriptor is left");
        goto err_after_alloc;
    }
    if ((result = open_reads(engine)) != HF_OK || (result = open_core(engine)) != HF_OK ||
        (result = open_fence(engine)) != HF_OK || (result = open_loop(engine)) != HF_OK ||
        (result = open_store(engine, reason, reason_size)) != HF_OK ||
        (result = start_thread(engine)) != HF_OK) {
        goto err_after_alloc;
    }
    *engine_out = engine;
    if (reason_size > 0) {
        reason[0] = '\0';
    }
    return HF_OK;

err_after_alloc:
    destroy(engine);
    return result;
}

void hf_engine_close(struct hf_engine *engine)
{
    atomic_store(&engine->is_stopping, true);
    hf_mailbox_wake(&engine->inbox);
    pthread_join(engine->thread, NULL);
    assert(LIST_EMPTY(&engine->ports)); /* ports are closed before their engine */
    destroy(engine);
}

void hf_engine_status(struct hf_engine *engine, struct hf_engine_status *status)
{
    pthread_mutex_lock(&engine->status_lock);
    *status = engine->status;
    pthread_mutex_unlock(&engine->status_lock);
}
