/* Mending: what is done when the store has lost what a stream knows (stream.h). */
#include "core/stream.h"

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

/* C5. Nobody is answered before the store is mended: the stream is PLACING until a later read. */
void hf__mend_begin(struct hf_core *core, struct hf_stream *stream,
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

/* Whether all that is known lies on the line that ends with the tail, or was found in the store. */
static bool is_all_in_tail(const struct hf_core *core, struct hf_stream *stream,
                           struct hf_position expected)
{
    const struct hf_fact *shown = &stream->shown;
    const struct hf_publication *ours = hf_tail_at(&stream->tail, shown->position.offset);
    bool has_known = stream->known.position.epoch != expected.epoch ||
                     stream->known.position.offset <= stream->position.offset;
    bool has_shown = shown->position.epoch != expected.epoch ||
                     (shown->life == core->life && shown->position.offset <= expected.offset) ||
                     (ours != NULL && hf__fingerprint(&ours->fields) == shown->print);
    return has_known && has_shown;
}

/* A second look at the end of what is left, once it was seen to be behind us. */
void hf__mend_look(struct hf_core *core, struct hf_stream *stream,
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
                  hf__is_same(ours, theirs));
    struct hf_page *page = NULL;
    if (joins && is_all_in_tail(core, stream, expected) &&
        hf_tail_at(&stream->tail, expected.offset + 1) != NULL) {
        page = hf_tail_cut(&stream->tail, expected.offset, UINT32_MAX, SIZE_MAX);
        if (page == NULL) {
            hf__core_retry_read(core, stream, now_ms); /* no memory: not a reason to give up */
            return;
        }
    }
    mend(core, stream, expected, page);
    hf_page_unref(page);
}

void hf__mend_done(struct hf_core *core, const struct hf_stream *stream, bool was_done)
{
    if (was_done && stream->is_healing) {
        core->counters.streams_healed++;
    } else if (was_done) {
        core->counters.epochs_rotated++;
    }
}
