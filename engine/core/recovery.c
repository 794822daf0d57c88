#include "core/stream.h"

#include <assert.h>
#include <stdlib.h>

/* What stands between a waiter and its answer. */
enum hurdle {
    HURDLE_NONE,    /* answered and freed */
    HURDLE_BACKLOG, /* its publications are older than the tail: a read brings them */
    HURDLE_FENCE,   /* another node may know that the store has lost something */
    HURDLE_CHECK, /* it knows more than we do, or says so, or our place is provisional: a read tells
                     who is right */
};

void hf__recovery_answer(struct hf_core *core, struct hf_stream *stream, struct hf_waiter *waiter,
                         int result, const struct hf_subscribe_result *answer)
{
    static const struct hf_subscribe_result nothing;
    TAILQ_REMOVE(&stream->waiters, waiter, in_waiters);
    if (TAILQ_EMPTY(&stream->waiters)) {
        TAILQ_REMOVE(&core->waiting, stream, in_waiting);
    }
    if (result == HF_OK && answer->live) {
        waiter->watch->is_live = true;
    }
    core->effects.answer(core->context, waiter->request, result,
                         answer != NULL ? answer : &nothing);
    free(waiter);
}

/* At the top, with nothing recovered: a fresh subscriber, or one that is told the truth. */
static enum hurdle answer_top(struct hf_core *core, struct hf_stream *stream,
                              struct hf_waiter *waiter)
{
    hf__recovery_answer(core, stream, waiter, HF_OK,
                        &(struct hf_subscribe_result){
                            .position = stream->position,
                            .top = stream->position,
                            .live = true,
                        });
    return HURDLE_NONE;
}

static enum hurdle refuse(struct hf_core *core, struct hf_stream *stream, struct hf_waiter *waiter)
{
    core->counters.recoveries_refused++;
    if (waiter->continues) {
        hf__recovery_answer(core, stream, waiter, HF_EUNRECOVERABLE, NULL);
        return HURDLE_NONE;
    }
    return answer_top(core, stream, waiter);
}

/* `page` (NULL: nothing was missed) starts right behind the waiter's position. */
static void answer_page(struct hf_core *core, struct hf_stream *stream, struct hf_waiter *waiter,
                        struct hf_page *page)
{
    struct hf_position position = {stream->position.epoch, waiter->params.since.offset};
    if (page != NULL) {
        assert(page->items[0]->position.offset == position.offset + 1);
        position = page->items[page->count - 1]->position;
    }
    hf__recovery_answer(core, stream, waiter, HF_OK,
                        &(struct hf_subscribe_result){
                            .position = position,
                            .top = stream->position,
                            .recovered = true,
                            .live = position.offset == stream->position.offset,
                            .page = page,
                        });
}

static enum hurdle answer_from_tail(struct hf_core *core, struct hf_stream *stream,
                                    struct hf_waiter *waiter)
{
    struct hf_page *page =
        hf__core_cut_tail(core, stream, waiter->params.since.offset,
                          core->config.page_publications_max, core->config.page_bytes_max);
    if (page == NULL) {
        hf__recovery_answer(core, stream, waiter, HF_ENOMEM, NULL);
        return HURDLE_NONE;
    }
    core->counters.recoveries_from_tail++;
    answer_page(core, stream, waiter, page);
    hf_page_unref(page);
    return HURDLE_NONE;
}

/* `page`: the newest publication, or NULL for one who has it. */
static enum hurdle answer_newest(struct hf_core *core, struct hf_stream *stream,
                                 struct hf_waiter *waiter, struct hf_page *page)
{
    hf__recovery_answer(core, stream, waiter, HF_OK,
                        &(struct hf_subscribe_result){
                            .position = stream->position,
                            .top = stream->position,
                            .recovered = true,
                            .live = true,
                            .page = page,
                        });
    return HURDLE_NONE;
}

/* It has a publication that we have not heard of: on another node, or in another life of the store.
 */
static bool has_newer(const struct hf_stream *stream, struct hf_position since)
{
    if (since.epoch == HF_EPOCH_NONE || since.epoch == stream->position.epoch) {
        return since.offset > stream->position.offset;
    }
    return since.epoch != HF_EPOCH_FOREIGN && since.epoch > stream->position.epoch;
}

/* Only the newest publication counts: the cache mode of recovery. Not one that is older than what
 * the subscriber has, unless the store has no other. */
static enum hurdle answer_latest(struct hf_core *core, struct hf_stream *stream,
                                 struct hf_waiter *waiter)
{
    const struct hf_position *since = &waiter->params.since;
    if (!waiter->checked && has_newer(stream, *since)) {
        return HURDLE_CHECK;
    }
    if (since->offset > 0 && hf_position_equal(*since, stream->position)) {
        core->counters.recoveries_from_tail++;
        return answer_newest(core, stream, waiter, NULL);
    }
    if (stream->position.offset == 0 || waiter->found_nothing) {
        return refuse(core, stream, waiter);
    }
    if (hf_tail_at(&stream->tail, stream->position.offset) == NULL) {
        return HURDLE_BACKLOG;
    }
    struct hf_page *page =
        hf__core_cut_tail(core, stream, stream->position.offset - 1, 1, SIZE_MAX);
    if (page == NULL) {
        hf__recovery_answer(core, stream, waiter, HF_ENOMEM, NULL);
        return HURDLE_NONE;
    }
    core->counters.recoveries_from_tail++;
    enum hurdle hurdle = answer_newest(core, stream, waiter, page);
    hf_page_unref(page);
    return hurdle;
}

/* The stream is LIVE. */
static enum hurdle try_answer(struct hf_core *core, struct hf_stream *stream,
                              struct hf_waiter *waiter)
{
    const struct hf_subscribe_params *params = &waiter->params;
    if (!params->recover || stream->options.history_size == 0) {
        return answer_top(core, stream, waiter);
    }
    if (core->is_fenced) {
        return HURDLE_FENCE;
    }
    if (stream->is_provisional) {
        return HURDLE_CHECK;
    }
    if (params->latest) {
        return answer_latest(core, stream, waiter);
    }
    uint64_t epoch = params->since.epoch;
    bool other_epoch = epoch != HF_EPOCH_NONE && epoch != stream->position.epoch;
    if (other_epoch || params->since.offset > stream->position.offset) {
        bool is_certain = waiter->checked || epoch == HF_EPOCH_FOREIGN;
        return is_certain ? refuse(core, stream, waiter) : HURDLE_CHECK;
    }
    uint64_t missed = stream->position.offset - params->since.offset;
    if (missed == 0) {
        core->counters.recoveries_from_tail++;
        answer_page(core, stream, waiter, NULL);
        return HURDLE_NONE;
    }
    if (missed > params->recovery_limit && params->recovery_limit != HF_LIMIT_NONE &&
        !waiter->continues) {
        return refuse(core, stream, waiter);
    }
    uint64_t first = hf_tail_first(&stream->tail);
    if (first > 0 && params->since.offset + 1 >= first) {
        return answer_from_tail(core, stream, waiter);
    }
    return HURDLE_BACKLOG;
}

void hf__recovery_settle(struct hf_core *core, struct hf_stream *stream, uint64_t now_ms)
{
    if (stream->state != HF_STREAM_LIVE) {
        return;
    }
    if (stream->tail.count > 0 && now_ms >= stream->tail_expires_ms) {
        hf__core_clear_tail(core, stream); /* the store's history has expired just so */
    }
    bool wants_backlog = false;
    struct hf_waiter *waiter, *next;
    for (waiter = TAILQ_FIRST(&stream->waiters); waiter != NULL; waiter = next) {
        next = TAILQ_NEXT(waiter, in_waiters);
        enum hurdle hurdle = try_answer(core, stream, waiter);
        wants_backlog |= hurdle == HURDLE_BACKLOG;
        stream->wants_check |= hurdle == HURDLE_CHECK;
    }
    if (wants_backlog || stream->wants_check) {
        hf__core_want_read(core, stream);
    }
}

/* The waiter whose position the first read of a stream should start from: of the newest epoch the
 * oldest, so that the others find theirs in the same page. NULL: nobody recovers. */
static const struct hf_waiter *oldest_waiter(const struct hf_stream *stream, uint64_t epoch)
{
    const struct hf_waiter *oldest = NULL;
    const struct hf_waiter *waiter;
    TAILQ_FOREACH (waiter, &stream->waiters, in_waiters) {
        const struct hf_position *since = &waiter->params.since;
        if (!waiter->params.recover || waiter->params.latest || since->epoch == HF_EPOCH_FOREIGN) {
            continue;
        }
        if (epoch != HF_EPOCH_NONE && since->epoch != HF_EPOCH_NONE && since->epoch != epoch) {
            continue;
        }
        if (oldest == NULL || since->epoch > oldest->params.since.epoch ||
            (since->epoch == oldest->params.since.epoch &&
             since->offset < oldest->params.since.offset)) {
            oldest = waiter;
        }
    }
    return oldest;
}

static bool wants_latest(const struct hf_stream *stream)
{
    const struct hf_waiter *waiter;
    TAILQ_FOREACH (waiter, &stream->waiters, in_waiters) {
        if (waiter->params.latest) {
            return true;
        }
    }
    return false;
}

/* From a place that the store should know, that publication included. */
static void start_at(struct hf_core_read *read, struct hf_position position)
{
    read->has_since = true;
    read->with_since = position.offset > 0;
    read->since = position;
}

bool hf__recovery_plan(struct hf_core *core, struct hf_stream *stream, struct hf_core_read *read)
{
    *read = (struct hf_core_read){
        .channel = hf__stream_channel(stream),
        .options = stream->options,
        .limit = core->config.page_publications_max,
        .bytes_max = core->config.page_bytes_max,
    };
    bool places = stream->state == HF_STREAM_PLACING || stream->wants_check;
    if (!places && (stream->state != HF_STREAM_LIVE || TAILQ_EMPTY(&stream->waiters))) {
        return false;
    }
    stream->read_places = places;
    stream->read_proves = false;
    struct hf_position unproved;
    if (places && stream->suspect.epoch != HF_EPOCH_NONE) {
        start_at(read, stream->suspect);
        read->limit = 1;
    } else if (places && hf__evidence_to_prove(core, stream, &unproved)) {
        start_at(read, unproved);
        read->limit = 1;
        stream->read_proves = true;
    } else if (places && stream->has_place) {
        start_at(read, stream->position);
        read->proves = stream->is_suspicious && stream->was_in_step;
    } else {
        const struct hf_waiter *waiter =
            oldest_waiter(stream, places ? HF_EPOCH_NONE : stream->position.epoch);
        if (waiter != NULL && places) {
            start_at(read, waiter->params.since); /* its top may be ours: we must know it, too */
        } else if (waiter != NULL) {
            read->has_since = true;
            read->since = (struct hf_position){stream->position.epoch, waiter->params.since.offset};
        } else if (places || wants_latest(stream)) {
            read->reverse = true; /* the newest: what the next reads can be compared with */
            read->limit = 1;
        } else {
            return false;
        }
    }
    stream->read_newest = read->reverse;
    stream->read_on_trial = core->is_fenced && core->life != core->open_life;
    stream->read_since = read->since;
    stream->read_place = stream->position;
    stream->read_known = stream->known.position;
    stream->pending_asked = stream->pending_count;
    struct hf_waiter *waiter;
    TAILQ_FOREACH (waiter, &stream->waiters, in_waiters) {
        waiter->asked = true;
    }
    return true;
}

/* The part of `page` behind `offset`, which lies in it. One reference for the caller. */
static struct hf_page *page_behind(struct hf_page *page, uint64_t offset)
{
    uint64_t first = page->items[0]->position.offset;
    uint32_t skip = (uint32_t)(offset + 1 - first);
    return skip == 0 ? hf_page_ref(page) : hf_page_new(page->items + skip, page->count - skip);
}

void hf__recovery_serve_page(struct hf_core *core, struct hf_stream *stream, struct hf_page *page)
{
    if (core->is_fenced || stream->is_provisional) {
        return;
    }
    uint64_t first = page->items[0]->position.offset;
    uint64_t last = page->items[page->count - 1]->position.offset;
    uint64_t epoch = page->items[0]->position.epoch;
    struct hf_waiter *waiter, *next;
    for (waiter = TAILQ_FIRST(&stream->waiters); waiter != NULL; waiter = next) {
        next = TAILQ_NEXT(waiter, in_waiters);
        struct hf_position since = waiter->params.since;
        if (!waiter->params.recover || waiter->params.latest ||
            (since.epoch != epoch && since.epoch != HF_EPOCH_NONE) || since.offset + 1 < first ||
            since.offset >= last) {
            continue;
        }
        if (!waiter->continues && waiter->params.recovery_limit != HF_LIMIT_NONE &&
            stream->position.offset - since.offset > waiter->params.recovery_limit) {
            continue; /* settling refuses it */
        }
        struct hf_page *part = page_behind(page, since.offset);
        if (part == NULL) {
            hf__recovery_answer(core, stream, waiter, HF_ENOMEM, NULL);
            continue;
        }
        core->counters.recoveries_from_store++;
        answer_page(core, stream, waiter, part);
        hf_page_unref(part);
    }
}

/* Those whose next publication the store no longer has. `first` is the oldest that it has behind
 * the position that was asked for; 0: none. */
static void refuse_trimmed(struct hf_core *core, struct hf_stream *stream, uint64_t first)
{
    struct hf_waiter *waiter, *next;
    for (waiter = TAILQ_FIRST(&stream->waiters); waiter != NULL; waiter = next) {
        next = TAILQ_NEXT(waiter, in_waiters);
        const struct hf_position *since = &waiter->params.since;
        bool is_concerned =
            waiter->params.recover && waiter->asked && since->offset >= stream->read_since.offset &&
            since->offset < stream->position.offset &&
            (since->epoch == HF_EPOCH_NONE || since->epoch == stream->position.epoch);
        if (is_concerned && (first == 0 || since->offset + 1 < first)) {
            refuse(core, stream, waiter);
        }
    }
}

/* How much of the page we know to be followed without a hole by what we have heard. */
static uint32_t count_up_to(const struct hf_page *page, uint64_t offset)
{
    uint32_t count = 0;
    while (count < page->count && page->items[count]->position.offset <= offset) {
        count++;
    }
    return count;
}

/* The newest publication was asked for, by those who want nothing else. */
static void newest_read(struct hf_core *core, struct hf_stream *stream,
                        const struct hf_core_read_result *result, uint64_t now_ms)
{
    bool is_ours = result->page != NULL &&
                   hf_position_equal(result->page->items[0]->position, stream->position);
    struct hf_waiter *waiter, *next;
    for (waiter = TAILQ_FIRST(&stream->waiters); waiter != NULL; waiter = next) {
        next = TAILQ_NEXT(waiter, in_waiters);
        bool is_for_it = waiter->asked || !has_newer(stream, waiter->params.since);
        if (!waiter->params.latest || !is_for_it) {
            continue;
        }
        if (is_ours) {
            core->counters.recoveries_from_store++;
            answer_newest(core, stream, waiter, result->page);
        } else if (result->page == NULL) {
            waiter->found_nothing = waiter->asked;
        }
    }
    if (is_ours) {
        hf__stream_extend_tail(core, stream, result->page, now_ms);
    }
}

void hf__recovery_backlog(struct hf_core *core, struct hf_stream *stream,
                          const struct hf_core_read_result *result, uint64_t now_ms)
{
    if (stream->state != HF_STREAM_LIVE) {
        return; /* our place came into doubt meanwhile; the waiters wait for it */
    }
    if (result->top.epoch != stream->position.epoch ||
        result->top.offset < stream->read_place.offset) {
        stream->wants_check = true; /* the store has changed or gone back: nobody is answered yet */
        return;
    }
    if (stream->read_newest) {
        newest_read(core, stream, result, now_ms);
        return;
    }
    uint32_t count = result->page != NULL ? count_up_to(result->page, stream->position.offset) : 0;
    refuse_trimmed(core, stream, count > 0 ? result->page->items[0]->position.offset : 0);
    if (count == 0) {
        return;
    }
    struct hf_page *page = count == result->page->count ? hf_page_ref(result->page)
                                                        : hf_page_new(result->page->items, count);
    if (page == NULL) {
        return; /* asked again, or answered at the deadline */
    }
    hf__stream_extend_tail(core, stream, page, now_ms);
    uint64_t first = hf_tail_first(&stream->tail);
    if (first == 0 || stream->read_since.offset + 1 < first) {
        hf__recovery_serve_page(core, stream, page);
    }
    hf_page_unref(page);
}
