/* Registry: which streams there are, and how they come and go (stream.h). */
#include "core/stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct hf_stream *hf__registry_find(const struct hf_core *core, struct hf_bytes channel)
{
    struct hf_table_node *node = hf_table_find(&core->streams, channel.data, channel.len);
    return node != NULL ? HF_TABLE_ITEM(node, struct hf_stream, in_table) : NULL;
}

/* What a witness says is taken over when it cannot be taken for granted: while the store is away,
 * or when it has come back and may have lost it. The stream then checks it. */
static void heed_witness(struct hf_core *core, struct hf_stream *stream)
{
    struct hf_witness *witness = hf__witness_find(&core->witnesses, hf__stream_channel(stream));
    if (witness == NULL) {
        return;
    }
    if (witness->is_doubted || !core->is_connected) {
        stream->has_place = true;
        stream->position = witness->position;
        stream->newest_print = witness->print;
        hf__stream_set_suspicious(core, stream, witness->is_doubted);
    } else {
        stream->known = (struct hf_fact){witness->position, witness->print, core->life};
    }
    stream->seen_life = witness->seen_life;
    hf__witness_remove(&core->witnesses, witness);
}

struct hf_stream *hf__registry_next(const struct hf_core *core, struct hf_table_walk *walk)
{
    struct hf_table_node *node = hf_table_next(&core->streams, walk);
    return node != NULL ? HF_TABLE_ITEM(node, struct hf_stream, in_table) : NULL;
}

struct hf_stream *hf__registry_add(struct hf_core *core, struct hf_bytes channel,
                                   const struct hf_stream_options *options)
{
    struct hf_stream *stream = calloc(1, sizeof *stream + channel.len);
    if (stream == NULL) {
        return NULL;
    }
    stream->options = *options;
    memcpy(stream->channel, channel.data, channel.len);
    hf_tail_init(&stream->tail);
    TAILQ_INIT(&stream->waiters);
    TAILQ_INIT(&stream->watches);
    if (!hf_table_add(&core->streams, &stream->in_table, channel.len)) {
        free(stream);
        return NULL;
    }
    core->counters.streams++;
    heed_witness(core, stream);
    return stream;
}

static bool is_lingering(const struct hf_stream *stream)
{
    return stream->linger_until_ms != 0;
}

void hf__registry_stop_lingering(struct hf_core *core, struct hf_stream *stream)
{
    if (is_lingering(stream)) {
        TAILQ_REMOVE(&core->lingering, stream, in_lingering);
        stream->linger_until_ms = 0;
        core->counters.lingering--;
    }
}

static void become_witness(struct hf_core *core, struct hf_stream *stream)
{
    bool is_suspicious = stream->is_suspicious;
    hf__stream_set_suspicious(core, stream, false);
    if (stream->has_place) {
        hf__witness_note(&core->witnesses, hf__stream_channel(stream), &stream->options,
                         stream->position, stream->newest_print, stream->seen_life);
    }
    if (stream->known.position.epoch != HF_EPOCH_NONE) {
        hf__witness_note(&core->witnesses, hf__stream_channel(stream), &stream->options,
                         stream->known.position, stream->known.print, stream->seen_life);
    }
    if (is_suspicious) {
        hf__witness_doubt(&core->witnesses, hf__stream_channel(stream));
    }
}

void hf__registry_free(struct hf_core *core, struct hf_stream *stream)
{
    assert(TAILQ_EMPTY(&stream->watches) && TAILQ_EMPTY(&stream->waiters));
    assert(stream->read_state != HF_READ_OPEN);
    hf__registry_stop_lingering(core, stream);
    hf__core_unqueue_read(core, stream);
    hf__core_clear_tail(core, stream);
    hf__stream_drop_pending(stream);
    become_witness(core, stream);
    core->checking -= stream->is_checking;
    core->counters.in_step -= stream->state == HF_STREAM_LIVE;
    hf_table_remove(&core->streams, &stream->in_table);
    core->counters.streams--;
    free(stream);
}

/* What another life has shown (stream->shown) is no witness' to remember: the stream stays until
 * that was compared. At most one for each read that is open when the store is replaced. */
static void stay_to_compare(struct hf_core *core, struct hf_stream *stream)
{
    hf__registry_stop_lingering(core, stream);
    hf__stream_disconnected(core, stream);
    stream->is_leaving = false;
    stream->is_checking = true;
    core->checking++;
    if (core->is_connected) {
        hf__stream_connected(core, stream, true);
    }
}

/* The read names the stream's memory: with one open, the stream goes when that is back. */
void hf__registry_drop(struct hf_core *core, struct hf_stream *stream)
{
    if (stream->read_state == HF_READ_OPEN) {
        hf__registry_stop_lingering(core, stream);
        stream->is_leaving = true;
        return;
    }
    if (core->is_connected) {
        core->effects.unlisten(core->context, hf__stream_channel(stream));
    }
    if (stream->shown.position.epoch != HF_EPOCH_NONE) {
        stay_to_compare(core, stream);
    } else {
        hf__registry_free(core, stream);
    }
}

void hf__registry_linger(struct hf_core *core, struct hf_stream *stream, uint64_t now_ms)
{
    stream->linger_until_ms = now_ms + core->config.linger_ms;
    if (stream->linger_until_ms == 0) {
        stream->linger_until_ms = 1;
    }
    TAILQ_INSERT_TAIL(&core->lingering, stream, in_lingering);
    core->counters.lingering++;
    if (core->counters.lingering > core->config.lingering_streams_max) {
        hf__registry_drop(core, TAILQ_FIRST(&core->lingering));
    }
}

void hf__registry_connect(struct hf_core *core, struct hf_stream *stream)
{
    if (core->is_connected) {
        hf__stream_connected(core, stream, true);
        hf__core_send_reads(core);
    }
}

void hf__registry_stop_checking(struct hf_core *core, struct hf_stream *stream)
{
    hf__core_unqueue_read(core, stream);
    hf__stream_disconnected(core, stream);
    stream->is_checking = false;
    core->checking--;
    hf__registry_connect(core, stream);
}

void hf__registry_hear_witnesses(struct hf_core *core)
{
    struct hf_witness *witness;
    while (core->is_connected && core->checking < core->config.reads_in_flight_max &&
           (witness = TAILQ_FIRST(&core->witnesses.doubted)) != NULL) {
        struct hf_stream_options options = witness->options;
        struct hf_stream *stream = hf__registry_add(core, hf__witness_channel(witness), &options);
        if (stream == NULL) {
            return; /* no memory: tried again with the next tick */
        }
        stream->is_checking = true;
        core->checking++;
        hf__registry_connect(core, stream);
    }
}
