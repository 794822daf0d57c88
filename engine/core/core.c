#include "core/core.h"
#include "core/stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A read that failed is repeated after this long: the store paces its own reconnecting, this only
 * keeps errors that come at once from spinning. */
#define RETRY_MS 200

struct hf_core *hf_core_new(const struct hf_core_config *config,
                            const struct hf_core_effects *effects, void *context)
{
    struct hf_core *core = calloc(1, sizeof *core);
    if (core == NULL) {
        return NULL;
    }
    core->config = *config;
    core->effects = *effects;
    core->context = context;
    TAILQ_INIT(&core->reads);
    TAILQ_INIT(&core->retries);
    TAILQ_INIT(&core->waiting);
    TAILQ_INIT(&core->lingering);
    TAILQ_INIT(&core->tails);
    hf_table_init(&core->streams, &core->config.hash_key,
                  HF_TABLE_NAME_AT(struct hf_stream, in_table, channel));
    const struct hf_witness_limits limits = {
        .max = config->witnesses_max,
        .bytes_max = config->witnesses_bytes_max,
        .ttl_ms = config->witness_ttl_ms,
    };
    hf__witnesses_init(&core->witnesses, &limits, &core->config.hash_key);
    return core;
}

/* --- tails -------------------------------------------------------------------------------------
 */

static void unlink_tail(struct hf_core *core, struct hf_stream *stream)
{
    if (stream->has_tail) {
        TAILQ_REMOVE(&core->tails, stream, in_tails);
        stream->has_tail = false;
    }
}

void hf__core_clear_tail(struct hf_core *core, struct hf_stream *stream)
{
    hf__stream_remember_newest(stream);
    hf_page_cache_forget(&core->pages, stream);
    core->counters.tails_bytes -= stream->tail.bytes;
    hf_tail_clear(&stream->tail);
    unlink_tail(core, stream);
}

void hf__core_tail_changed(struct hf_core *core, struct hf_stream *stream, size_t bytes_before)
{
    core->counters.tails_bytes += stream->tail.bytes - bytes_before;
    hf_page_cache_forget(&core->pages, stream);
    unlink_tail(core, stream);
    if (stream->tail.count > 0) {
        TAILQ_INSERT_TAIL(&core->tails, stream, in_tails);
        stream->has_tail = true;
    }
    while (core->counters.tails_bytes > core->config.tails_bytes_max) {
        hf__core_clear_tail(core, TAILQ_FIRST(&core->tails));
    }
}

struct hf_page *hf__core_cut_tail(struct hf_core *core, const struct hf_stream *stream,
                                  uint64_t after, uint32_t limit, size_t bytes_max)
{
    struct hf_page *page = hf_page_cache_find(&core->pages, stream, after, limit);
    if (page == NULL) {
        page = hf_tail_cut(&stream->tail, after, limit, bytes_max);
        if (page != NULL) {
            hf_page_cache_keep(&core->pages, stream, after, limit, page);
        }
    }
    return page;
}

/* --- reads -------------------------------------------------------------------------------------
 */

void hf__core_want_read(struct hf_core *core, struct hf_stream *stream)
{
    if (stream->read_state == HF_READ_NONE && stream->retry_ms == 0) {
        stream->read_state = HF_READ_QUEUED;
        TAILQ_INSERT_TAIL(&core->reads, stream, in_reads);
    }
}

void hf__core_unqueue_read(struct hf_core *core, struct hf_stream *stream)
{
    if (stream->read_state == HF_READ_QUEUED) {
        TAILQ_REMOVE(&core->reads, stream, in_reads);
        stream->read_state = HF_READ_NONE;
    }
    if (stream->retry_ms != 0) {
        TAILQ_REMOVE(&core->retries, stream, in_reads);
        stream->retry_ms = 0;
    }
}

void hf__core_send_reads(struct hf_core *core)
{
    struct hf_stream *stream;
    while (core->reads_open < core->config.reads_in_flight_max &&
           (stream = TAILQ_FIRST(&core->reads)) != NULL) {
        hf__core_unqueue_read(core, stream);
        struct hf_core_read read;
        if (hf__recovery_plan(core, stream, &read)) {
            stream->read_state = HF_READ_OPEN;
            stream->read_is_stale = false;
            core->reads_open++;
            core->counters.reads++;
            core->effects.read(core->context, stream, &read);
        }
    }
}

void hf__core_send_mend(struct hf_core *core, struct hf_stream *stream,
                        const struct hf_core_mend *mend)
{
    stream->is_mending = true;
    stream->read_state = HF_READ_OPEN;
    stream->read_is_stale = false;
    core->reads_open++;
    core->effects.mend(core->context, stream, mend);
}

/* --- watchers ----------------------------------------------------------------------------------
 */

struct hf_core_watch *hf_core_watch_open(struct hf_core *core, struct hf_bytes channel,
                                         const struct hf_stream_options *options, void *owner)
{
    struct hf_core_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        return NULL;
    }
    struct hf_stream *stream = hf__registry_find(core, channel);
    if (stream == NULL) {
        stream = hf__registry_add(core, channel, options);
        if (stream == NULL) {
            free(watch);
            return NULL;
        }
        hf__registry_connect(core, stream);
    } else if (stream->is_checking) {
        hf__registry_stop_checking(core, stream);
    }
    hf__registry_stop_lingering(core, stream);
    stream->is_leaving = false;
    hf__stream_widen(core, stream, options);
    hf__core_send_reads(core);
    watch->stream = stream;
    watch->owner = owner;
    TAILQ_INSERT_TAIL(&stream->watches, watch, in_watches);
    return watch;
}

void hf_core_watch_close(struct hf_core *core, struct hf_core_watch *watch, uint64_t now_ms)
{
    struct hf_stream *stream = watch->stream;
    struct hf_waiter *waiter, *next;
    for (waiter = TAILQ_FIRST(&stream->waiters); waiter != NULL; waiter = next) {
        next = TAILQ_NEXT(waiter, in_waiters);
        if (waiter->watch == watch) {
            hf__recovery_answer(core, stream, waiter, HF_ECLOSED, NULL);
        }
    }
    TAILQ_REMOVE(&stream->watches, watch, in_watches);
    free(watch);
    if (TAILQ_EMPTY(&stream->watches)) {
        hf__registry_linger(core, stream, now_ms);
    }
}

void hf_core_each_watch(struct hf_core *core, struct hf_bytes channel,
                        void (*tell)(void *context, void *owner), void *context)
{
    struct hf_stream *stream = hf__registry_find(core, channel);
    struct hf_core_watch *watch;
    if (stream == NULL) {
        return;
    }
    TAILQ_FOREACH (watch, &stream->watches, in_watches) {
        tell(context, watch->owner);
    }
}

int hf_core_subscribe(struct hf_core *core, struct hf_core_watch *watch,
                      const struct hf_subscribe_params *params, bool continues, void *request,
                      uint64_t now_ms)
{
    struct hf_waiter *waiter = calloc(1, sizeof *waiter);
    if (waiter == NULL) {
        return HF_ENOMEM;
    }
    struct hf_stream *stream = watch->stream;
    waiter->watch = watch;
    waiter->params = *params;
    waiter->continues = continues;
    waiter->deadline_ms = now_ms + core->config.wait_ms;
    waiter->request = request;
    if (TAILQ_EMPTY(&stream->waiters)) {
        TAILQ_INSERT_TAIL(&core->waiting, stream, in_waiting);
    }
    TAILQ_INSERT_TAIL(&stream->waiters, waiter, in_waiters);
    hf__recovery_settle(core, stream, now_ms);
    hf__core_send_reads(core);
    return HF_OK;
}

/* --- the store ---------------------------------------------------------------------------------
 */

void hf_core_connected(struct hf_core *core, uint64_t life, const struct hf_lives *admitted)
{
    bool is_same_store = core->life == 0 || core->life == life;
    core->life = life;
    core->admitted = *admitted;
    core->is_connected = true;
    struct hf_table_walk walk = {0};
    struct hf_stream *stream;
    while ((stream = hf__registry_next(core, &walk)) != NULL) {
        hf__stream_connected(core, stream, is_same_store);
    }
    if (!is_same_store) {
        hf__witnesses_doubt(&core->witnesses);
    }
    hf__registry_hear_witnesses(core);
    hf__core_send_reads(core);
}

void hf_core_disconnected(struct hf_core *core)
{
    core->is_connected = false;
    struct hf_table_walk walk = {0};
    struct hf_stream *stream;
    while ((stream = hf__registry_next(core, &walk)) != NULL) {
        hf__core_unqueue_read(core, stream);
        hf__stream_disconnected(core, stream);
    }
}

void hf_core_listening(struct hf_core *core, struct hf_bytes channel, uint64_t now_ms)
{
    struct hf_stream *stream = hf__registry_find(core, channel);
    if (stream != NULL) {
        hf__stream_listening(core, stream, now_ms);
        hf__core_send_reads(core);
    }
}

void hf_core_message(struct hf_core *core, struct hf_bytes channel,
                     struct hf_publication *publication, uint64_t now_ms)
{
    struct hf_stream *stream = hf__registry_find(core, channel);
    if (stream != NULL) {
        core->counters.publications_in++;
        hf__stream_message(core, stream, publication, now_ms);
        hf__core_send_reads(core);
        return;
    }
    const struct hf_witness *witness = hf__witness_find(&core->witnesses, channel);
    if (witness != NULL && publication->position.offset > 0) { /* a late one, after unlisten */
        hf__witness_note(&core->witnesses, channel, &witness->options, publication->position,
                         hf__fingerprint(&publication->fields), core->life);
    }
}

void hf_core_published(struct hf_core *core, struct hf_bytes channel,
                       const struct hf_stream_options *options, struct hf_position position,
                       const struct hf_publication_fields *fields)
{
    struct hf_stream *stream = hf__registry_find(core, channel);
    if (position.offset == 0) {
        return;
    }
    if (stream != NULL) {
        hf__evidence_note(stream, position, fields, core->life, core->life);
    } else {
        hf__witness_note(&core->witnesses, channel, options, position, hf__fingerprint(fields),
                         core->life);
    }
}

void hf_core_removed(struct hf_core *core, struct hf_bytes channel)
{
    struct hf_stream *stream = hf__registry_find(core, channel);
    if (stream != NULL) {
        hf__stream_removed(core, stream);
    }
}

void hf__core_retry_read(struct hf_core *core, struct hf_stream *stream, uint64_t now_ms)
{
    stream->retry_ms = now_ms + RETRY_MS;
    TAILQ_INSERT_TAIL(&core->retries, stream, in_reads);
}

static void fail_read(struct hf_core *core, struct hf_stream *stream, int result, uint64_t now_ms)
{
    struct hf_waiter *waiter, *next;
    for (waiter = TAILQ_FIRST(&stream->waiters); waiter != NULL; waiter = next) {
        next = TAILQ_NEXT(waiter, in_waiters);
        if (waiter->asked && result != HF_EUNAVAILABLE) {
            hf__recovery_answer(core, stream, waiter, result, NULL);
        }
    }
    hf__core_retry_read(core, stream, now_ms);
}

/* After every result: a place still in doubt is read (again), a stream that is LIVE answers. */
static void go_on(struct hf_core *core, struct hf_stream *stream, uint64_t now_ms)
{
    if (stream->is_leaving) {
        hf__registry_drop(core, stream);
        hf__core_send_reads(core);
        return;
    }
    if (stream->state == HF_STREAM_PLACING && !stream->is_held) {
        hf__core_want_read(core, stream);
    }
    hf__recovery_settle(core, stream, now_ms);
    if (stream->is_checking && stream->state == HF_STREAM_LIVE) {
        hf__registry_free(core, stream); /* the witness was right, or the store is mended */
        hf__registry_hear_witnesses(core);
    }
    hf__core_send_reads(core);
}

static void confirm_waiters(struct hf_stream *stream)
{
    struct hf_waiter *waiter;
    TAILQ_FOREACH (waiter, &stream->waiters, in_waiters) {
        waiter->checked |= waiter->asked;
    }
}

/* What was open is back. True: its result is to be ignored, the connection broke meanwhile. */
static bool take_back(struct hf_core *core, struct hf_stream *stream)
{
    assert(stream->read_state == HF_READ_OPEN);
    stream->read_state = HF_READ_NONE;
    stream->is_mending = false;
    core->reads_open--;
    return stream->read_is_stale;
}

void hf_core_read_done(struct hf_core *core, struct hf_stream *stream,
                       const struct hf_core_read_result *result, uint64_t now_ms)
{
    assert(!stream->is_mending);
    bool is_stale = take_back(core, stream);
    bool is_ok = result->result == HF_OK && result->top.epoch != HF_EPOCH_NONE;
    bool is_of_ours = result->life == core->life;
    if (!is_stale && is_ok && !is_of_ours) {
        hf__core_retry_read(core, stream, now_ms); /* we are about to be told of that one */
    } else if (!is_stale && !is_ok) {
        fail_read(core, stream, result->result == HF_OK ? HF_ESTORE : result->result, now_ms);
    } else if (!is_stale && stream->read_places) {
        confirm_waiters(stream);
        hf__stream_placed(core, stream, result, now_ms);
    } else if (!is_stale) {
        hf__recovery_backlog(core, stream, result, now_ms);
    }
    hf__evidence_read(core, stream, result);
    go_on(core, stream, now_ms);
}

void hf_core_mend_done(struct hf_core *core, struct hf_stream *stream, int result, uint64_t now_ms)
{
    assert(stream->is_mending);
    if (!take_back(core, stream)) {
        if (result == HF_OK || result == HF_EUNRECOVERABLE) {
            hf__mend_done(core, stream, result == HF_OK);
        } else {
            hf__core_retry_read(core, stream, now_ms);
        }
    }
    go_on(core, stream, now_ms);
}

/* --- the fence ---------------------------------------------------------------------------------
 */

bool hf_core_is_checked(const struct hf_core *core)
{
    return core->is_connected && core->suspicious == 0 && core->checking == 0 &&
           TAILQ_EMPTY(&core->witnesses.doubted);
}

static void release_held(struct hf_core *core)
{
    struct hf_table_walk walk = {0};
    struct hf_stream *stream;
    while ((stream = hf__registry_next(core, &walk)) != NULL) {
        if (stream->is_held) {
            stream->is_held = false;
            hf__core_want_read(core, stream);
        }
    }
}

void hf_core_set_fence(struct hf_core *core, bool is_fenced, uint64_t now_ms)
{
    if (core->is_fenced == is_fenced) {
        return;
    }
    core->is_fenced = is_fenced;
    core->open_life = is_fenced ? core->open_life : core->life;
    if (!is_fenced) {
        release_held(core);
    }
    struct hf_stream *stream, *next;
    for (stream = TAILQ_FIRST(&core->waiting); stream != NULL; stream = next) {
        next = TAILQ_NEXT(stream, in_waiting);
        hf__recovery_settle(core, stream, now_ms);
    }
    hf__core_send_reads(core);
}

/* --- time --------------------------------------------------------------------------------------
 */

static void expire_waiters(struct hf_core *core, struct hf_stream *stream, uint64_t now_ms)
{
    struct hf_waiter *waiter, *next;
    for (waiter = TAILQ_FIRST(&stream->waiters); waiter != NULL; waiter = next) {
        next = TAILQ_NEXT(waiter, in_waiters);
        if (now_ms < waiter->deadline_ms) {
            return; /* the rest came later */
        }
        hf__recovery_answer(core, stream, waiter,
                            core->is_connected ? HF_ETIMEOUT : HF_EUNAVAILABLE, NULL);
    }
}

void hf_core_tick(struct hf_core *core, uint64_t now_ms)
{
    struct hf_stream *stream, *next;
    for (stream = TAILQ_FIRST(&core->waiting); stream != NULL; stream = next) {
        next = TAILQ_NEXT(stream, in_waiting);
        expire_waiters(core, stream, now_ms);
    }
    while ((stream = TAILQ_FIRST(&core->retries)) != NULL && now_ms >= stream->retry_ms) {
        hf__core_unqueue_read(core, stream);
        hf__core_want_read(core, stream);
    }
    while ((stream = TAILQ_FIRST(&core->lingering)) != NULL && now_ms >= stream->linger_until_ms) {
        hf__registry_drop(core, stream);
    }
    hf_page_cache_clear(&core->pages);
    hf_table_shrink(&core->streams);
    hf__witnesses_tick(&core->witnesses, core->is_connected, now_ms);
    hf__registry_hear_witnesses(core);
    hf__core_send_reads(core);
}

void hf_core_free(struct hf_core *core)
{
    if (core == NULL) {
        return;
    }
    assert(core->reads_open == 0);
    core->is_connected = false;
    core->config.lingering_streams_max = UINT32_MAX; /* nothing is freed inside the first walk */
    struct hf_table_walk walk = {0};
    struct hf_stream *stream;
    while ((stream = hf__registry_next(core, &walk)) != NULL) {
        struct hf_core_watch *watch;
        while ((watch = TAILQ_FIRST(&stream->watches)) != NULL) {
            hf_core_watch_close(core, watch, 0);
        }
    }
    walk = (struct hf_table_walk){0};
    while ((stream = hf__registry_next(core, &walk)) != NULL) {
        hf__registry_free(core, stream);
    }
    hf_table_clear(&core->streams);
    hf__witnesses_fini(&core->witnesses);
    free(core);
}

const struct hf_core_counters *hf_core_counters(struct hf_core *core)
{
    core->counters.witnesses = core->witnesses.table.count;
    return &core->counters;
}
