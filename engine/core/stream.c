#include "core/stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void hf__stream_set_state(struct hf_core *core, struct hf_stream *stream,
                          enum hf_stream_state state)
{
    static const bool allowed[4][4] = {
        [HF_STREAM_OFFLINE] = {[HF_STREAM_LISTENING] = true, [HF_STREAM_PLACING] = true},
        [HF_STREAM_LISTENING] =
            {[HF_STREAM_OFFLINE] = true, [HF_STREAM_PLACING] = true, [HF_STREAM_LIVE] = true},
        [HF_STREAM_PLACING] = {[HF_STREAM_OFFLINE] = true, [HF_STREAM_LIVE] = true},
        [HF_STREAM_LIVE] = {[HF_STREAM_OFFLINE] = true, [HF_STREAM_PLACING] = true},
    };
    assert(allowed[stream->state][state]);
    core->counters.in_step -= stream->state == HF_STREAM_LIVE;
    core->counters.in_step += state == HF_STREAM_LIVE;
    stream->state = state;
}

void hf__stream_set_suspicious(struct hf_core *core, struct hf_stream *stream, bool is_suspicious)
{
    core->suspicious += (uint64_t)is_suspicious - (uint64_t)stream->is_suspicious;
    stream->is_suspicious = is_suspicious;
}

static bool has_history(const struct hf_stream *stream)
{
    return stream->options.history_size > 0;
}

/* --- messages kept back ------------------------------------------------------------------------
 */

void hf__stream_drop_pending(struct hf_stream *stream)
{
    for (uint32_t i = 0; i < stream->pending_count; i++) {
        hf_publication_unref(stream->pending[i]);
    }
    free(stream->pending);
    stream->pending = NULL;
    stream->pending_count = stream->pending_capacity = stream->pending_asked = 0;
    stream->pending_bytes = 0;
}

/* Above the tail's limits nothing is kept: another read brings it. */
static void keep_back(struct hf_core *core, struct hf_stream *stream,
                      struct hf_publication *publication)
{
    hf__stream_published(stream, publication->position, &publication->fields);
    if (stream->pending_count >= core->config.tail_publications_max ||
        stream->pending_bytes + publication->size > core->config.tail_bytes_max) {
        goto overflow;
    }
    if (stream->pending_count == stream->pending_capacity) {
        uint32_t capacity = stream->pending_capacity > 0 ? stream->pending_capacity * 2 : 8;
        struct hf_publication **pending =
            realloc(stream->pending, capacity * sizeof(struct hf_publication *));
        if (pending == NULL) {
            goto overflow;
        }
        stream->pending = pending;
        stream->pending_capacity = capacity;
    }
    stream->pending[stream->pending_count++] = hf_publication_ref(publication);
    stream->pending_bytes += publication->size;
    return;

overflow:
    hf__stream_drop_pending(stream);
    stream->read_again = true;
}

/* --- handing on --------------------------------------------------------------------------------
 */

/* What is delivered is a view, so that the frames which are attached to it do not stay in the tail.
 */
static void deliver(struct hf_core *core, struct hf_stream *stream,
                    struct hf_publication *publication)
{
    struct hf_publication *view = NULL;
    struct hf_core_watch *watch;
    TAILQ_FOREACH (watch, &stream->watches, in_watches) {
        if (watch->is_live && view == NULL) {
            view = hf_publication_view(publication);
            view = view != NULL ? view : hf_publication_ref(publication); /* no memory: as it is */
        }
        if (watch->is_live) {
            core->effects.deliver(core->context, watch->owner, view);
        }
    }
    hf_publication_unref(view);
}

/* FNV-1a by words; told apart are contents of the same place, so it need not be strong. */
static uint64_t mix(uint64_t print, struct hf_bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i += sizeof(uint64_t)) {
        uint64_t word = 0;
        size_t rest = bytes.len - i;
        memcpy(&word, bytes.data + i, rest < sizeof word ? rest : sizeof word);
        print = (print ^ word) * UINT64_C(0x100000001b3);
        print ^= print >> 29;
    }
    return (print ^ bytes.len) * UINT64_C(0x100000001b3);
}

uint64_t hf__fingerprint(const struct hf_publication_fields *fields)
{
    uint64_t print = mix(UINT64_C(0xcbf29ce484222325), fields->data);
    print = mix(print, fields->info);
    print = mix(print, fields->tags);
    return print != 0 ? print : 1;
}

void hf__stream_remember_newest(struct hf_stream *stream)
{
    const struct hf_publication *newest = hf_tail_at(&stream->tail, stream->position.offset);
    if (newest != NULL) {
        stream->newest_print = hf__fingerprint(&newest->fields);
    }
}

static struct hf_tail_limits tail_limits(const struct hf_core *core, const struct hf_stream *stream)
{
    struct hf_tail_limits limits = {core->config.tail_publications_max,
                                    core->config.tail_bytes_max};
    if (limits.publications_max > stream->options.history_size) {
        limits.publications_max = stream->options.history_size;
    }
    return limits;
}

static void append_to_tail(struct hf_core *core, struct hf_stream *stream,
                           struct hf_publication *publication, uint64_t now_ms)
{
    struct hf_tail_limits limits = tail_limits(core, stream);
    size_t before = stream->tail.bytes;
    hf_tail_append(&stream->tail, publication, &limits);
    stream->newest_print = stream->tail.count == 0 ? hf__fingerprint(&publication->fields) : 0;
    stream->tail_expires_ms = now_ms + (uint64_t)stream->options.history_ttl_s * 1000;
    hf__core_tail_changed(core, stream, before);
}

void hf__stream_extend_tail(struct hf_core *core, struct hf_stream *stream,
                            const struct hf_page *page, uint64_t now_ms)
{
    struct hf_tail_limits limits = tail_limits(core, stream);
    size_t before = stream->tail.bytes;
    if (stream->tail.count > 0) {
        hf_tail_prepend(&stream->tail, page, &limits);
        hf__core_tail_changed(core, stream, before);
    } else if (page->items[page->count - 1]->position.offset == stream->position.offset) {
        for (uint32_t i = 0; i < page->count; i++) {
            append_to_tail(core, stream, page->items[i], now_ms);
        }
    }
}

/* The next publication of the stream: the place moves on and everyone live gets it. */
static void advance(struct hf_core *core, struct hf_stream *stream,
                    struct hf_publication *publication, uint64_t now_ms)
{
    assert(publication->position.epoch == stream->position.epoch);
    assert(publication->position.offset == stream->position.offset + 1);
    stream->position = publication->position;
    append_to_tail(core, stream, publication, now_ms);
    deliver(core, stream, publication);
}

/* The stream goes on without what the live subscribers still had to get. */
static void lose(struct hf_core *core, struct hf_stream *stream)
{
    core->counters.streams_lost++;
    struct hf_core_watch *watch;
    TAILQ_FOREACH (watch, &stream->watches, in_watches) {
        if (watch->is_live) {
            watch->is_live = false;
            core->effects.lost(core->context, watch->owner, HF_EUNRECOVERABLE);
        }
    }
}

/* --- messages ----------------------------------------------------------------------------------
 */

static bool equal_bytes(struct hf_bytes a, struct hf_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool is_same(const struct hf_publication *a, const struct hf_publication *b)
{
    return equal_bytes(a->fields.data, b->fields.data) &&
           equal_bytes(a->fields.info, b->fields.info) &&
           equal_bytes(a->fields.tags, b->fields.tags) && a->fields.version == b->fields.version &&
           equal_bytes(a->fields.version_epoch, b->fields.version_epoch);
}

/* A LIVE stream hears a message that is not the next one: a repeat, or a sign that our place is in
 * doubt (a gap, another epoch, a store that has gone back). */
static void doubt(struct hf_core *core, struct hf_stream *stream,
                  struct hf_publication *publication)
{
    bool is_old = false; /* a read tells; to keep it back would only bring it here again */
    if (publication->position.epoch == stream->position.epoch &&
        publication->position.offset <= stream->position.offset) {
        const struct hf_publication *known =
            hf_tail_at(&stream->tail, publication->position.offset);
        if (known != NULL && is_same(known, publication)) {
            core->counters.duplicates_dropped++;
            return;
        }
        is_old = known == NULL;
    }
    hf__stream_set_state(core, stream, HF_STREAM_PLACING);
    if (!is_old) {
        keep_back(core, stream, publication);
    } else if (stream->read_state == HF_READ_OPEN) {
        stream->read_again = true;
    }
    hf__core_want_read(core, stream);
}

void hf__stream_message(struct hf_core *core, struct hf_stream *stream,
                        struct hf_publication *publication, uint64_t now_ms)
{
    switch (stream->state) {
    case HF_STREAM_OFFLINE:
    case HF_STREAM_LISTENING:
        hf__stream_published(stream, publication->position, &publication->fields);
        return; /* the read that follows listening brings it */
    case HF_STREAM_PLACING:
        keep_back(core, stream, publication);
        return;
    case HF_STREAM_LIVE:
        break;
    }
    if (!has_history(stream) || publication->position.offset == 0) {
        deliver(core, stream, publication);
    } else if (publication->position.epoch == stream->position.epoch &&
               publication->position.offset == stream->position.offset + 1) {
        advance(core, stream, publication, now_ms);
    } else {
        doubt(core, stream, publication);
    }
}

/* What a read has brought is dropped, and so is what was heard before the read was sent and still
 * does not follow: the read has refuted it. What was heard later may be news. */
static void release_pending(struct hf_core *core, struct hf_stream *stream, uint64_t now_ms)
{
    struct hf_publication **pending = stream->pending;
    uint32_t count = stream->pending_count;
    uint32_t asked = stream->pending_asked;
    stream->pending = NULL;
    stream->pending_count = stream->pending_capacity = stream->pending_asked = 0;
    stream->pending_bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct hf_position position = pending[i]->position;
        bool is_ours = position.epoch == stream->position.epoch;
        bool is_old = is_ours && position.offset <= stream->position.offset;
        bool is_next = is_ours && position.offset == stream->position.offset + 1;
        if (position.offset > 0 && (is_old || (i < asked && !is_next))) {
            core->counters.duplicates_dropped++;
        } else {
            hf__stream_message(core, stream, pending[i], now_ms);
        }
        hf_publication_unref(pending[i]);
    }
    free(pending);
}

/* --- connection --------------------------------------------------------------------------------
 */

void hf__stream_connected(struct hf_core *core, struct hf_stream *stream, bool is_same_store)
{
    if (!is_same_store && (stream->has_place || stream->known.epoch != HF_EPOCH_NONE)) {
        hf__stream_set_suspicious(core, stream, true);
    }
    if (stream->is_checking) {
        hf__stream_set_state(core, stream, HF_STREAM_PLACING);
        hf__core_want_read(core, stream);
        return;
    }
    hf__stream_set_state(core, stream, HF_STREAM_LISTENING);
    core->effects.listen(core->context, hf__stream_channel(stream));
}

void hf__stream_disconnected(struct hf_core *core, struct hf_stream *stream)
{
    if (stream->state == HF_STREAM_OFFLINE) {
        return;
    }
    if (stream->state == HF_STREAM_LIVE && !stream->is_checking) {
        stream->was_in_step = true;
        stream->in_step_life = core->life;
    }
    hf__stream_set_state(core, stream, HF_STREAM_OFFLINE);
    hf__stream_drop_pending(stream);
    stream->read_again = false;
    stream->wants_check = false;
    stream->was_removed = false;
    stream->is_held = false;
    stream->is_blind = false;
    stream->suspect = (struct hf_position){0};
    if (stream->read_state == HF_READ_OPEN) {
        stream->read_is_stale = true;
    }
}

void hf__stream_listening(struct hf_core *core, struct hf_stream *stream, uint64_t now_ms)
{
    if (stream->state != HF_STREAM_LISTENING) {
        return;
    }
    if (has_history(stream)) {
        hf__stream_set_state(core, stream, HF_STREAM_PLACING);
        hf__core_want_read(core, stream);
    } else {
        hf__stream_set_state(core, stream, HF_STREAM_LIVE);
        hf__recovery_settle(core, stream, now_ms);
    }
}

/* --- placing -----------------------------------------------------------------------------------
 */

/* Takes the store's word for the place. What of the page leads up to the top becomes the tail; a
 * page that does not reach it serves the waiters it was read for. */
static void adopt(struct hf_core *core, struct hf_stream *stream,
                  const struct hf_core_read_result *result, uint64_t now_ms)
{
    hf__core_clear_tail(core, stream);
    bool is_known = hf_position_equal(stream->known, result->top);
    stream->newest_print = is_known ? stream->known_print : 0;
    stream->position = result->top;
    stream->has_place = true;
    struct hf_page *page = result->page;
    if (page == NULL) {
        return;
    }
    if (page->items[page->count - 1]->position.offset != result->top.offset) {
        stream->is_blind = stream->newest_print == 0;
        hf__recovery_serve_page(core, stream, page);
        return;
    }
    hf__stream_extend_tail(core, stream, page, now_ms);
}

/* Our place was taken over without its publication: from now on another one there is noticed. */
static void note_contents(struct hf_stream *stream, const struct hf_core_read_result *result)
{
    const struct hf_publication *first = result->page != NULL ? result->page->items[0] : NULL;
    if (stream->newest_print == 0 && stream->tail.count == 0 && first != NULL &&
        hf_position_equal(first->position, stream->position)) {
        stream->newest_print = hf__fingerprint(&first->fields);
    }
}

/* Whether the store lacks what it has acknowledged or shown before (stream->known). */
static bool lacks_known(const struct hf_stream *stream, const struct hf_core_read_result *result)
{
    const struct hf_position *known = &stream->read_known;
    if (known->epoch != result->top.epoch || known->offset > result->top.offset) {
        return known->epoch >= result->top.epoch;
    }
    for (uint32_t i = 0; result->page != NULL && i < result->page->count; i++) {
        const struct hf_publication *theirs = result->page->items[i];
        if (hf_position_equal(theirs->position, *known) &&
            hf_position_equal(stream->known, *known) && stream->known_print != 0) {
            return stream->known_print != hf__fingerprint(&theirs->fields);
        }
    }
    return false;
}

/* Whether the result of a read from our place (stream->read_since) shows that the store has lost
 * what we saw: it is behind us, or has something else there. That our place is trimmed away shows
 * nothing, unless what remains would follow it without a hole: then it may have been written after
 * a loss. But not when nobody has published into another life than the one that we saw, or the one
 * in which our place was last found right. */
static bool is_refuted(const struct hf_stream *stream, const struct hf_core_read_result *result)
{
    if (result->top.offset < stream->read_since.offset) {
        return true;
    }
    uint64_t admitted = result->admitted_life;
    bool is_of_our_life = stream->in_step_life != 0 && admitted != 0 &&
                          (admitted == stream->in_step_life || admitted == stream->held_life);
    bool must_prove = stream->is_suspicious && stream->was_in_step && !is_of_our_life &&
                      stream->read_since.offset > 0;
    if (must_prove && result->page != NULL &&
        result->page->items[0]->position.offset == stream->read_since.offset + 1) {
        return true;
    }
    for (uint32_t i = 0; result->page != NULL && i < result->page->count; i++) {
        const struct hf_publication *theirs = result->page->items[i];
        const struct hf_publication *ours = hf_tail_at(&stream->tail, theirs->position.offset);
        if (ours != NULL && !is_same(ours, theirs)) {
            return true;
        }
        if (ours == NULL && stream->newest_print != 0 &&
            theirs->position.offset == stream->position.offset &&
            stream->newest_print != hf__fingerprint(&theirs->fields)) {
            return true;
        }
    }
    return false;
}

static void mend(struct hf_core *core, struct hf_stream *stream, struct hf_position expected,
                 struct hf_page *page)
{
    const struct hf_core_mend mend = {
        .channel = hf__stream_channel(stream),
        .options = stream->options,
        .expected = expected,
        .life = core->life,
        .page = page,
    };
    stream->is_healing = page != NULL;
    hf__core_send_mend(core, stream, &mend);
}

/* The store has lost what we know, and it has lost it for good unless it fits on again. */
static void roll_forward(struct hf_core *core, struct hf_stream *stream,
                         const struct hf_core_read_result *result, uint64_t now_ms)
{
    struct hf_position expected = stream->suspect;
    stream->suspect = (struct hf_position){0};
    if (!hf_position_equal(result->top, expected)) {
        return; /* somebody moved it meanwhile: the next read tells */
    }
    const struct hf_publication *ours = hf_tail_at(&stream->tail, expected.offset);
    const struct hf_publication *theirs = result->page != NULL ? result->page->items[0] : NULL;
    bool joins = expected.offset == 0 ||
                 (ours != NULL && theirs != NULL && theirs->position.offset == expected.offset &&
                  is_same(ours, theirs));
    struct hf_page *page = NULL;
    bool is_all =
        stream->known.epoch != expected.epoch || stream->known.offset <= stream->position.offset;
    if (joins && is_all && hf_tail_at(&stream->tail, expected.offset + 1) != NULL) {
        page = hf_tail_cut(&stream->tail, expected.offset, UINT32_MAX, SIZE_MAX);
        if (page == NULL) {
            hf__core_retry_read(core, stream, now_ms); /* no memory: not a reason to give up */
            return;
        }
    }
    mend(core, stream, expected, page);
    hf_page_unref(page);
}

/* C5. Nobody is answered before the store is mended: the stream is PLACING until a later read. */
static void store_went_back(struct hf_core *core, struct hf_stream *stream,
                            const struct hf_core_read_result *result)
{
    core->counters.rollbacks_seen++;
    hf__stream_set_suspicious(core, stream, true); /* until mended, also over a lost connection */
    stream->was_in_step = true;
    stream->in_step_life = 0;
    if (stream->state == HF_STREAM_LIVE) {
        hf__stream_set_state(core, stream, HF_STREAM_PLACING);
    }
    if (result->top.epoch == stream->position.epoch &&
        result->top.offset < stream->position.offset) {
        stream->suspect = result->top;
    } else {
        mend(core, stream, result->top, NULL);
    }
}

/* Hands on what the page holds behind our place. False: the store no longer has the next one. */
static bool catch_up(struct hf_core *core, struct hf_stream *stream,
                     const struct hf_core_read_result *result, uint64_t now_ms)
{
    uint64_t before = stream->position.offset;
    for (uint32_t i = 0; result->page != NULL && i < result->page->count; i++) {
        struct hf_publication *publication = result->page->items[i];
        if (publication->position.offset <= stream->position.offset) {
            continue;
        }
        if (publication->position.offset != stream->position.offset + 1) {
            return false;
        }
        advance(core, stream, publication, now_ms);
    }
    if (stream->position.offset > before && stream->state == HF_STREAM_PLACING) {
        core->counters.gaps_repaired++;
    }
    return result->has_more || stream->position.offset >= result->top.offset;
}

/* The place is known again: handed on is what was kept back, unless there is more to read. */
static void settle_place(struct hf_core *core, struct hf_stream *stream,
                         const struct hf_core_read_result *result, uint64_t now_ms)
{
    stream->wants_check = false;
    if (stream->read_again || stream->position.offset < result->top.offset) {
        stream->read_again = false;
        if (stream->state == HF_STREAM_LIVE) {
            hf__stream_set_state(core, stream, HF_STREAM_PLACING);
        }
    } else if (stream->state == HF_STREAM_PLACING) {
        hf__stream_set_state(core, stream, HF_STREAM_LIVE);
        release_pending(core, stream, now_ms);
        if (stream->was_removed) {
            hf__core_clear_tail(core, stream);
            stream->was_removed = false;
        }
    }
}

/* What is on its way from before the removal must not come back into memory. */
static bool is_newer(struct hf_position a, struct hf_position b)
{
    return a.epoch != b.epoch ? a.epoch > b.epoch : a.offset > b.offset;
}

void hf__stream_published(struct hf_stream *stream, struct hf_position position,
                          const struct hf_publication_fields *fields)
{
    if (is_newer(position, stream->position) && is_newer(position, stream->known)) {
        stream->known = position;
        stream->known_print = hf__fingerprint(fields);
    }
}

bool hf__stream_joins(struct hf_stream *stream, const struct hf_core_read_result *result)
{
    hf__stream_remember_newest(stream);
    bool is_known_newer = is_newer(stream->known, stream->position);
    struct hf_position newest = is_known_newer ? stream->known : stream->position;
    uint64_t print = is_known_newer ? stream->known_print : stream->newest_print;
    if (result->top.epoch > newest.epoch) {
        return true;
    }
    for (uint32_t i = 0; result->page != NULL && i < result->page->count; i++) {
        const struct hf_publication *theirs = result->page->items[i];
        if (hf_position_equal(theirs->position, newest)) {
            return hf__fingerprint(&theirs->fields) == print;
        }
    }
    return false;
}

void hf__stream_removed(struct hf_core *core, struct hf_stream *stream)
{
    hf__core_clear_tail(core, stream);
    stream->was_removed = stream->state == HF_STREAM_PLACING;
    if (stream->read_state == HF_READ_OPEN && !stream->is_mending) {
        stream->read_is_stale = true;
    }
}

static bool is_unwatched(const struct hf_stream *stream)
{
    const struct hf_core_watch *watch;
    TAILQ_FOREACH (watch, &stream->watches, in_watches) {
        if (watch->is_live) {
            return false;
        }
    }
    return true;
}

/* Nothing here speaks against what the store has, but another node may know better and mend it:
 * subscribers are given none of it before the fence opens. */
static void hold(struct hf_core *core, struct hf_stream *stream)
{
    hf__stream_set_suspicious(core, stream, false);
    stream->is_held = core->is_fenced;
    stream->held_life = core->life;
    if (stream->state == HF_STREAM_LIVE) {
        hf__stream_set_state(core, stream, HF_STREAM_PLACING);
    }
}

void hf__stream_placed(struct hf_core *core, struct hf_stream *stream,
                       const struct hf_core_read_result *result, uint64_t now_ms)
{
    if (stream->suspect.epoch != HF_EPOCH_NONE) {
        roll_forward(core, stream, result, now_ms);
        return;
    }
    if (lacks_known(stream, result)) {
        store_went_back(core, stream, result);
        return;
    }
    stream->is_provisional = stream->read_on_trial;
    bool was_blind = stream->is_blind;
    stream->is_blind = false;
    if (!stream->has_place) {
        adopt(core, stream, result, now_ms);
    } else if (result->top.epoch < stream->position.epoch) {
        store_went_back(core, stream, result); /* to a life of the stream that had ended */
        return;
    } else if (result->top.epoch > stream->position.epoch) {
        lose(core, stream);
        adopt(core, stream, result, now_ms);
    } else {
        if (is_refuted(stream, result)) {
            store_went_back(core, stream, result);
            return;
        }
        note_contents(stream, result);
        bool is_ahead = result->top.offset > stream->position.offset;
        if (stream->read_on_trial && is_ahead && !is_unwatched(stream)) {
            hold(core, stream);
            return;
        }
        if (is_unwatched(stream) && result->has_more && is_ahead) {
            adopt(core, stream, result, now_ms); /* nobody needs what is between */
        } else if (!catch_up(core, stream, result, now_ms)) {
            lose(core, stream);
            adopt(core, stream, result, now_ms);
        }
    }
    hf__stream_set_suspicious(core, stream, false);
    stream->was_in_step = false;
    stream->held_life = 0;
    stream->is_blind &= !was_blind; /* once: who is left behind again will hear the next one soon */
    stream->read_again |= stream->is_blind;
    settle_place(core, stream, result, now_ms);
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

void hf__stream_widen(struct hf_core *core, struct hf_stream *stream,
                      const struct hf_stream_options *options)
{
    bool had_history = has_history(stream);
    if (TAILQ_EMPTY(&stream->watches) && (options->history_size > 0 || !had_history)) {
        stream->options = *options;
    }
    stream->options = (struct hf_stream_options){
        .history_size = larger(stream->options.history_size, options->history_size),
        .history_ttl_s = larger(stream->options.history_ttl_s, options->history_ttl_s),
        .meta_ttl_s = larger(stream->options.meta_ttl_s, options->meta_ttl_s),
    };
    if (!had_history && has_history(stream) && stream->state == HF_STREAM_LIVE) {
        lose(core, stream); /* what was live had no place in the stream */
        hf__stream_set_state(core, stream, HF_STREAM_PLACING);
        hf__core_want_read(core, stream);
    }
}

void hf__stream_mended(struct hf_core *core, const struct hf_stream *stream, bool was_done)
{
    if (was_done && stream->is_healing) {
        core->counters.streams_healed++;
    } else if (was_done) {
        core->counters.epochs_rotated++;
    }
}
