/* Core: every stream of one sequencer, as pure logic.
 *
 * Events go in (watches, subscribers, messages, read results, time), effects come out through a
 * table. No clock, no I/O, no threads: a simulation drives it as well as the engine does. All
 * functions belong to one thread. Effects may be called from inside any of the functions; they must
 * not call back into the core.
 *
 * C1  For a watch with a live subscriber, deliver() gets every publication after the answered
 *     position, in order, none twice, until lost().
 * C2  A subscriber is answered `recovered` only from a stream that is in step with the store, and
 *     only with consecutive publications that start right after its position.
 * C3  A subscriber is refused only by what a read says that was sent after it asked.
 * C4  At most `reads_in_flight_max` reads are open, at most one per stream.
 * C5  A stream of which the store has lost a part is written back or gets another epoch before
 *     anybody is answered from it.
 *     By any node: what was read while the store's life was on trial (fenced, and never unfenced in
 *     this life) is read again before anybody is told `recovered` from it.
 * C6  Every subscribe is answered exactly once: at the latest at its deadline, with the close of
 * its watch, or in hf_core_free. */
#ifndef HF_CORE_CORE_H
#define HF_CORE_CORE_H

#include <holdfast/engine.h>

#include "core/lives.h"
#include "hash.h"

struct hf_core;
struct hf_core_watch;
struct hf_stream;

/* What the core wants read. The answer comes through hf_core_read_done. */
struct hf_core_read {
    struct hf_bytes channel; /* borrowed; lives until hf_core_read_done */
    struct hf_stream_options options;
    bool has_since;
    bool with_since; /* the publication at `since` too, beyond `limit` and `bytes_max`: does the
                        store still know it? */
    struct hf_position since;
    bool proves;  /* the result's admitted_life is needed */
    bool reverse; /* newest first */
    uint32_t limit;
    size_t bytes_max;
};

/* What the core wants done to a store that has lost acknowledged publications. Only if the stream
 * there is still at `expected`: HF_EUNRECOVERABLE otherwise. Answered by hf_core_mend_done. */
struct hf_core_mend {
    struct hf_bytes channel; /* borrowed; lives until hf_core_mend_done */
    struct hf_stream_options options;
    struct hf_position expected;
    uint64_t life; /* of the store in which that was seen: nothing is to be done to another */
    struct hf_page *page; /* what follows `expected`: written back. NULL: nothing fits, the stream
                             must get a new epoch so that every client learns of the loss. Borrowed
                             until return */
};

struct hf_core_read_result {
    int result;
    struct hf_position top;
    struct hf_page *page; /* borrowed; NULL when empty */
    bool has_more;
    uint64_t life;          /* of the store that has answered */
    uint64_t admitted_life; /* the last life into which anybody has published by then, as far as the
                               store itself knows; 0: not known */
};

struct hf_core_effects {
    void (*listen)(void *context, struct hf_bytes channel);
    void (*unlisten)(void *context, struct hf_bytes channel);
    void (*read)(void *context, struct hf_stream *stream, const struct hf_core_read *read);
    void (*mend)(void *context, struct hf_stream *stream, const struct hf_core_mend *mend);
    void (*deliver)(void *context, void *owner, struct hf_publication *publication);
    void (*lost)(void *context, void *owner, int reason);
    void (*answer)(void *context, void *request, int result,
                   const struct hf_subscribe_result *answer);
};

struct hf_core_config {
    uint64_t linger_ms;
    uint32_t lingering_streams_max;
    uint32_t tail_publications_max;
    size_t tail_bytes_max;
    size_t tails_bytes_max;
    uint32_t page_publications_max;
    size_t page_bytes_max;
    uint32_t reads_in_flight_max;
    uint64_t wait_ms;       /* a subscriber waits so long for the store */
    uint32_t witnesses_max; /* channels without a stream whose position is remembered */
    size_t witnesses_bytes_max;
    uint64_t witness_ttl_ms;     /* not renewed for so long, it is forgotten */
    struct hf_hash_key hash_key; /* of channel names; random */
};

struct hf_core_counters {
    uint64_t streams, lingering, tails_bytes, witnesses; /* now */
    uint64_t in_step;                                    /* of the streams: LIVE (stream.h) */
    uint64_t reads;                                      /* these and the following: ever */
    uint64_t publications_in, duplicates_dropped, gaps_repaired, streams_lost;
    uint64_t rollbacks_seen, streams_healed, epochs_rotated;
    uint64_t recoveries_from_tail, recoveries_from_store, recoveries_refused;
};

/* `config` and `effects` are copied. The core starts disconnected. NULL: no memory. */
struct hf_core *hf_core_new(const struct hf_core_config *config,
                            const struct hf_core_effects *effects, void *context);
/* Answers what waits with HF_ECLOSED and frees everything. No read may be open. */
void hf_core_free(struct hf_core *core);

/* --- watchers ------------------------------------------------------------------------------ */

/* `owner` is what the effects name. NULL: no memory. */
struct hf_core_watch *hf_core_watch_open(struct hf_core *core, struct hf_bytes channel,
                                         const struct hf_stream_options *options, void *owner);
/* Subscribers that wait are answered HF_ECLOSED. */
void hf_core_watch_close(struct hf_core *core, struct hf_core_watch *watch, uint64_t now_ms);
/* HF_OK: `request` will be answered (perhaps before this returns). HF_ENOMEM: it will not. */
int hf_core_subscribe(struct hf_core *core, struct hf_core_watch *watch,
                      const struct hf_subscribe_params *params, bool continues, void *request,
                      uint64_t now_ms);

/* Calls `tell` with the owner of each watch of the channel; it must not call into the core. */
void hf_core_each_watch(struct hf_core *core, struct hf_bytes channel,
                        void (*tell)(void *context, void *owner), void *context);

/* --- the store ----------------------------------------------------------------------------- */

/* Listens are wanted anew. Another life than before: it is not certain that the store still has all
 * that it acknowledged (it was restarted, or another one took over). Never 0. `admitted`: the lives
 * that its data knows. */
void hf_core_connected(struct hf_core *core, uint64_t life, const struct hf_lives *admitted);
void hf_core_disconnected(struct hf_core *core); /* nothing is heard from now on */
void hf_core_listening(struct hf_core *core, struct hf_bytes channel, uint64_t now_ms);
void hf_core_message(struct hf_core *core, struct hf_bytes channel,
                     struct hf_publication *publication, uint64_t now_ms);
/* A publish was acknowledged: this node is a witness of it. */
void hf_core_published(struct hf_core *core, struct hf_bytes channel,
                       const struct hf_stream_options *options, struct hf_position position,
                       const struct hf_publication_fields *fields);
/* The history of the channel was removed: what memory holds of it must not be recovered. */
void hf_core_removed(struct hf_core *core, struct hf_bytes channel);
void hf_core_read_done(struct hf_core *core, struct hf_stream *stream,
                       const struct hf_core_read_result *result, uint64_t now_ms);

void hf_core_mend_done(struct hf_core *core, struct hf_stream *stream, int result, uint64_t now_ms);

/* --- the fence (fence.h) --------------------------------------------------------------------- */

/* Whether everything that is known here has been compared with the store since hf_core_connected
 * said that it might not be the same, and was mended where it had to be. */
bool hf_core_is_checked(const struct hf_core *core);
/* While fenced, nobody is told `recovered`: those who ask wait. A core starts unfenced. */
void hf_core_set_fence(struct hf_core *core, bool is_fenced, uint64_t now_ms);

/* --- time ---------------------------------------------------------------------------------- */

#define HF_CORE_TICK_MS 100 /* call hf_core_tick about so often */
void hf_core_tick(struct hf_core *core, uint64_t now_ms);

const struct hf_core_counters *hf_core_counters(struct hf_core *core);

#endif
