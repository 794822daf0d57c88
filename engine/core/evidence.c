/* Evidence: what a stream knows of the store, and whether a store still has it (stream.h). */
#include "core/stream.h"

#include <string.h>

/* --- contents ----------------------------------------------------------------------------------
 */

static bool equal_bytes(struct hf_bytes a, struct hf_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool hf__is_same(const struct hf_publication *a, const struct hf_publication *b)
{
    return equal_bytes(a->fields.data, b->fields.data) &&
           equal_bytes(a->fields.info, b->fields.info) &&
           equal_bytes(a->fields.tags, b->fields.tags) && a->fields.version == b->fields.version &&
           equal_bytes(a->fields.version_epoch, b->fields.version_epoch);
}

/* FNV-1a by words; told apart are contents of the same place, so it need not be strong. */
static uint64_t mix(uint64_t print, struct hf_bytes bytes)
{
    const char *at = bytes.data;
    for (size_t rest = bytes.len; rest > 0;) {
        uint64_t word = 0;
        size_t len = sizeof word;
        if (rest >= sizeof word) {
            memcpy(&word, at, sizeof word); /* of a size that is known: no call */
        } else {
            memcpy(&word, at, len = rest);
        }
        print = (print ^ word) * UINT64_C(0x100000001b3);
        print ^= print >> 29;
        at += len;
        rest -= len;
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

/* --- noting ------------------------------------------------------------------------------------
 */

bool hf__is_newer(struct hf_position a, struct hf_position b)
{
    return a.epoch != b.epoch ? a.epoch > b.epoch : a.offset > b.offset;
}

/* The newest that is known of the line that we follow. */
static struct hf_position newest_position(const struct hf_stream *stream)
{
    bool is_beyond = hf__is_newer(stream->known.position, stream->position);
    return is_beyond ? stream->known.position : stream->position;
}

uint64_t hf__evidence_life(const struct hf_core *core, const struct hf_stream *stream)
{
    bool is_admitted = !stream->read_on_trial && !stream->read_is_stale;
    return is_admitted ? core->life : hf_lives_newest(&core->admitted);
}

void hf__evidence_note(struct hf_stream *stream, struct hf_position position,
                       const struct hf_publication_fields *fields, uint64_t life,
                       uint64_t seen_life)
{
    struct hf_position newest = newest_position(stream);
    if (hf__is_newer(position, newest)) {
        stream->known = (struct hf_fact){position, hf__fingerprint(fields), life};
        bool is_told = seen_life != 0 || position.epoch != newest.epoch;
        stream->seen_life = is_told ? seen_life : stream->seen_life;
    }
}

static const struct hf_publication *find_in(const struct hf_page *page, struct hf_position position)
{
    for (uint32_t i = 0; page != NULL && i < page->count; i++) {
        if (hf_position_equal(page->items[i]->position, position)) {
            return page->items[i];
        }
    }
    return NULL;
}

/* Whether what a result shows is written behind the newest that we know: it is of another epoch, or
 * shows that too. */
static bool joins(struct hf_stream *stream, const struct hf_core_read_result *result)
{
    struct hf_position newest = newest_position(stream);
    if (result->top.epoch != newest.epoch || newest.offset == 0) {
        return result->top.epoch >= newest.epoch;
    }
    hf__stream_remember_newest(stream);
    bool is_beyond = hf__is_newer(stream->known.position, stream->position);
    uint64_t print = is_beyond ? stream->known.print : stream->newest_print;
    const struct hf_publication *theirs = find_in(result->page, newest);
    return theirs != NULL && hf__fingerprint(&theirs->fields) == print;
}

/* It may be of another line. Of two such lines the first is kept until a store has shown it too. */
static void keep_apart(struct hf_stream *stream, const struct hf_publication *publication,
                       uint64_t life, bool is_proven)
{
    const struct hf_publication *ours = hf_tail_at(&stream->tail, publication->position.offset);
    bool is_ours = ours != NULL && ours->position.epoch == publication->position.epoch &&
                   hf__is_same(ours, publication);
    bool has_room =
        stream->shown.position.epoch == HF_EPOCH_NONE || stream->shown.life == life || is_proven;
    if (!is_ours && has_room && hf__is_newer(publication->position, stream->shown.position)) {
        stream->shown =
            (struct hf_fact){publication->position, hf__fingerprint(&publication->fields), life};
    }
}

void hf__evidence_read(const struct hf_core *core, struct hf_stream *stream,
                       const struct hf_core_read_result *result)
{
    if (result->page == NULL) {
        return;
    }
    const struct hf_publication *first = result->page->items[0];
    const struct hf_publication *last = result->page->items[result->page->count - 1];
    const struct hf_publication *newest =
        first->position.offset > last->position.offset ? first : last;
    bool is_of_ours = result->life == core->life;
    bool is_compared = is_of_ours && !stream->is_suspicious;
    if (is_compared || joins(stream, result)) {
        uint64_t seen_life = is_of_ours ? hf__evidence_life(core, stream) : 0;
        hf__evidence_note(stream, newest->position, &newest->fields, result->life, seen_life);
    } else {
        keep_apart(stream, newest, result->life, stream->shown.life == core->life);
    }
}

/* --- comparing ---------------------------------------------------------------------------------
 */

static bool is_shown_open(const struct hf_core *core, const struct hf_stream *stream)
{
    return stream->shown.position.epoch != HF_EPOCH_NONE && stream->shown.life != core->life;
}

bool hf__evidence_to_prove(const struct hf_core *core, const struct hf_stream *stream,
                           struct hf_position *position)
{
    bool is_shown = is_shown_open(core, stream);
    bool is_known =
        stream->known.life != core->life && hf__is_newer(stream->known.position, stream->position);
    *position = is_shown ? stream->shown.position : stream->known.position;
    return stream->is_suspicious && (is_shown || is_known);
}

/* Whether the store is of an earlier time than when it had our newest, or of another line: where
 * the entry has expired that would tell, it counts as lost. */
static bool lacks_life(const struct hf_core *core, const struct hf_stream *stream)
{
    return stream->is_suspicious && stream->seen_life != core->life &&
           hf_lives_lack(&core->admitted, stream->seen_life);
}

bool hf__evidence_is_proved(const struct hf_core *core, struct hf_stream *stream,
                            const struct hf_core_read_result *result)
{
    bool is_shown = is_shown_open(core, stream);
    struct hf_fact *fact = is_shown ? &stream->shown : &stream->known;
    if (!hf_position_equal(stream->read_since, fact->position)) {
        return true; /* something newer is known by now, and asked for next */
    }
    bool is_over = result->top.epoch > fact->position.epoch;
    if (!is_over &&
        (result->top.epoch < fact->position.epoch || result->top.offset < fact->position.offset)) {
        return false;
    }
    const struct hf_publication *theirs = find_in(result->page, fact->position);
    bool is_comparable = theirs != NULL && fact->print != 0;
    if (is_comparable && hf__fingerprint(&theirs->fields) != fact->print) {
        return false;
    }
    if (!is_over && !is_shown && lacks_life(core, stream)) {
        if (!is_comparable) {
            return false;
        }
        stream->seen_life = hf__evidence_life(core, stream); /* it was written back */
    }
    fact->life = core->life;
    return true;
}

void hf__evidence_accept(struct hf_stream *stream)
{
    if (hf__is_newer(stream->shown.position, newest_position(stream))) {
        stream->known = stream->shown;
    }
    stream->shown = (struct hf_fact){0};
}

bool hf__evidence_lacks_known(const struct hf_stream *stream,
                              const struct hf_core_read_result *result)
{
    const struct hf_position *known = &stream->read_known;
    if (known->epoch != result->top.epoch || known->offset > result->top.offset) {
        return known->epoch >= result->top.epoch;
    }
    const struct hf_publication *theirs = find_in(result->page, *known);
    return theirs != NULL && hf_position_equal(stream->known.position, *known) &&
           stream->known.print != 0 && stream->known.print != hf__fingerprint(&theirs->fields);
}

/* That our place is trimmed away shows nothing, unless what remains would follow it without a hole:
 * then it may have been written after a loss. But not when nobody has published into another life
 * than the one that we saw, or the one in which our place was last found right; nor when what is
 * known further on was found. */
static bool must_prove(const struct hf_core *core, const struct hf_stream *stream,
                       const struct hf_core_read_result *result)
{
    const struct hf_fact *known = &stream->known;
    bool is_found = known->life == core->life && known->print != 0 &&
                    hf__is_newer(known->position, stream->position);
    uint64_t admitted = result->admitted_life;
    bool is_of_our_life = stream->in_step_life != 0 && admitted != 0 &&
                          (admitted == stream->in_step_life || admitted == stream->held_life);
    return stream->is_suspicious && stream->was_in_step && !is_of_our_life && !is_found &&
           stream->read_since.offset > 0 && result->page != NULL &&
           result->page->items[0]->position.offset == stream->read_since.offset + 1;
}

bool hf__evidence_refutes(const struct hf_core *core, struct hf_stream *stream,
                          const struct hf_core_read_result *result)
{
    if (result->top.offset < stream->read_since.offset || must_prove(core, stream, result)) {
        return true;
    }
    for (uint32_t i = 0; result->page != NULL && i < result->page->count; i++) {
        const struct hf_publication *theirs = result->page->items[i];
        const struct hf_publication *ours = hf_tail_at(&stream->tail, theirs->position.offset);
        if (ours != NULL && !hf__is_same(ours, theirs)) {
            return true;
        }
        if (ours == NULL && stream->newest_print != 0 &&
            theirs->position.offset == stream->position.offset &&
            stream->newest_print != hf__fingerprint(&theirs->fields)) {
            return true;
        }
    }
    bool is_newest = !hf__is_newer(stream->known.position, stream->position);
    if (is_newest && lacks_life(core, stream)) {
        bool is_known = stream->tail.count > 0 || stream->newest_print != 0;
        if (!is_known || find_in(result->page, stream->position) == NULL) {
            return true;
        }
        stream->seen_life = hf__evidence_life(core, stream); /* it was written back */
    }
    return false;
}
