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
    hf__evidence_note(stream, publication->position, &publication->fields, core->life, core->life);
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
        if (known != NULL && hf__is_same(known, publication)) {
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
        hf__evidence_note(stream, publication->position, &publication->fields, core->life,
                          core->life);
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
        stream->seen_life = core->life;
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
    if (!is_same_store && (stream->has_place || stream->known.position.epoch != HF_EPOCH_NONE ||
                           stream->shown.position.epoch != HF_EPOCH_NONE)) {
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
    bool is_known = hf_position_equal(stream->known.position, result->top);
    stream->newest_print = is_known ? stream->known.print : 0;
    stream->seen_life = is_known ? stream->seen_life : hf__evidence_life(core, stream);
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
    if (stream->position.offset > before &&
        hf__is_newer(stream->position, stream->known.position)) {
        stream->seen_life = hf__evidence_life(core, stream);
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

/* The store has everything that is known here. */
static void trust(struct hf_core *core, struct hf_stream *stream)
{
    hf__stream_set_suspicious(core, stream, false);
    hf__evidence_accept(stream);
}

/* Nothing here speaks against what the store has, but another node may know better and mend it:
 * subscribers are given none of it before the fence opens. */
static void hold(struct hf_core *core, struct hf_stream *stream)
{
    trust(core, stream);
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
        hf__mend_look(core, stream, result, now_ms);
        return;
    }
    if (stream->read_proves) {
        if (!hf__evidence_is_proved(core, stream, result)) {
            hf__mend_begin(core, stream, result);
        }
        return;
    }
    if (hf__evidence_lacks_known(stream, result)) {
        hf__mend_begin(core, stream, result);
        return;
    }
    stream->is_provisional = stream->read_on_trial;
    bool was_blind = stream->is_blind;
    stream->is_blind = false;
    if (!stream->has_place) {
        adopt(core, stream, result, now_ms);
    } else if (result->top.epoch < stream->position.epoch) {
        hf__mend_begin(core, stream, result); /* to a life of the stream that had ended */
        return;
    } else if (result->top.epoch > stream->position.epoch) {
        lose(core, stream);
        adopt(core, stream, result, now_ms);
    } else {
        if (hf__evidence_refutes(core, stream, result)) {
            hf__mend_begin(core, stream, result);
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
    trust(core, stream);
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
