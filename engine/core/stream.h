/* Stream: one channel's place in its history, who watches it, and how it keeps in step.
 *
 *                  connected             listening            read done
 *   [*] ─► OFFLINE ─────────► LISTENING ───────────► PLACING ──────────► LIVE
 *             ▲                                        ▲                  │
 *             └────────── disconnected (from any) ─────┘◄─────────────────┘
 *                                                        gap, stale or foreign message
 *
 *   OFFLINE    nothing is heard; the place (if known) is out of date
 *   LISTENING  the store was asked to deliver and has not confirmed
 *   PLACING    messages are kept back; a read is queued or open that finds the place, or
 *              confirms it and closes the gap
 *   LIVE       position is the newest publication heard; the next message goes out at once
 *
 * A stream that only checks what a witness says (is_checking) does not listen: it goes from OFFLINE
 * to PLACING, and is gone when it would be LIVE.
 *
 * Lingering is a stream in any state without watches: it keeps in step until its time is over, and
 * is leaving (is_leaving) when it only waits for its open read. A stream without history has no
 * place: it is LIVE as soon as it listens.
 *
 * Private to engine/core. */
#ifndef HF_CORE_STREAM_H
#define HF_CORE_STREAM_H

#include <sys/queue.h>

#include "core/core.h"
#include "core/lives.h"
#include "core/page_cache.h"
#include "core/tail.h"
#include "core/witness.h"

enum hf_stream_state {
    HF_STREAM_OFFLINE,
    HF_STREAM_LISTENING,
    HF_STREAM_PLACING,
    HF_STREAM_LIVE,
};

enum hf_read_state {
    HF_READ_NONE,
    HF_READ_QUEUED, /* in core->read_queue */
    HF_READ_OPEN,   /* the store has it */
};

/* One subscriber that waits for its answer. */
struct hf_waiter {
    TAILQ_ENTRY(hf_waiter) in_waiters; /* stream->waiters, by arrival */
    struct hf_core_watch *watch;
    struct hf_subscribe_params params;
    bool continues;
    bool asked;         /* a read was sent after this one arrived */
    bool checked;       /* such a read has come back and confirmed our place: may be refused (C3) */
    bool found_nothing; /* such a read has found no publication at all */
    uint64_t deadline_ms;
    void *request;
};
TAILQ_HEAD(hf_waiters, hf_waiter);

struct hf_core_watch {
    TAILQ_ENTRY(hf_core_watch) in_watches; /* stream->watches */
    struct hf_stream *stream;
    void *owner;
    bool is_live; /* some subscriber was answered `live` since the last loss */
};

/* What the store had at some place. */
struct hf_fact {
    struct hf_position position; /* epoch 0: nothing is known */
    uint64_t print;              /* fingerprint of the publication there */
    uint64_t life;               /* the last one of the store in which that was seen */
};

struct hf_stream {
    struct hf_table_node in_table; /* core->streams */
    struct hf_stream_options options;
    enum hf_stream_state state : 4;
    enum hf_read_state read_state : 4;
    bool has_place : 1;   /* position says where we were last in step */
    bool has_tail : 1;    /* in_tails is linked */
    bool read_again : 1;  /* something came up that the open read cannot have answered */
    bool was_removed : 1; /* PLACING: the history was removed, do not keep what comes before LIVE */
    bool read_proves : 1; /* the open read asks for evidence, not for the place */
    bool read_places : 1; /* the open read was sent to find or confirm the place */
    bool read_is_stale : 1;  /* its result must be ignored: we were disconnected since */
    bool read_newest : 1;    /* it asked for the newest publication only */
    bool wants_check : 1;    /* LIVE, but a waiter doubts our place: read it again */
    bool read_on_trial : 1;  /* the open read was sent while the store's life was on trial */
    bool is_provisional : 1; /* our place is from such a read: another node may have mended the
                                stream since, and a new epoch is not announced */
    bool is_blind : 1;       /* our place was taken over without its publication: look at it */
    bool is_held : 1;     /* PLACING, checked; what was missed is read when the fence has opened */
    bool is_mending : 1;  /* what is open is not a read but a mend */
    bool is_healing : 1;  /* ... that writes back, rather than one for a new epoch */
    bool is_leaving : 1;  /* without watches; goes when what is open is back */
    bool is_checking : 1; /* for a witness: without watches, not listening */
    bool is_suspicious : 1; /* the store may have lost what we saw: prove that it did not */
    bool was_in_step : 1; /* suspicious, and our place was the store's newest when we lost sight of
                             it */
    struct hf_position position; /* newest publication handed on */
    struct hf_tail tail;         /* ends at position */
    struct hf_fact known; /* newest acknowledged to a publisher here, heard or read, if ahead of
                             position */
    struct hf_fact shown; /* newest that was read from a life which is still to be compared,
                             and perhaps does not follow what we know */
    uint64_t seen_life; /* one that the store had admitted when it had the newest up to `known` and
                           position: heard, when it was written; read, by then. 0: not known */
    uint64_t newest_print;    /* fingerprint of the publication at position, kept when the tail
                                 goes; 0: unknown */
    uint64_t tail_expires_ms; /* the store's history is gone by then unless renewed */

    struct hf_publication **pending; /* messages heard while PLACING, in order of arrival */
    uint32_t pending_count, pending_capacity;
    uint32_t pending_asked; /* how many of them were heard before the open read was sent */
    size_t pending_bytes;

    uint64_t in_step_life; /* when was_in_step: the store's life then; 0: not known any more */
    uint64_t held_life; /* the last one in which it was held: who published into that went on from
                           our place too */
    struct hf_position suspect;      /* the store was found there, behind us; epoch 0: it was not */
    struct hf_position read_since;   /* what the open read asked for */
    struct hf_position read_place;   /* our place when it was sent */
    struct hf_position read_known;   /* `known` when it was sent */
    uint64_t retry_ms;               /* a read failed: not again before; 0: none failed */
    TAILQ_ENTRY(hf_stream) in_reads; /* core->reads when QUEUED, core->retries when retry_ms */

    struct hf_waiters waiters;
    TAILQ_HEAD(, hf_core_watch) watches;
    TAILQ_ENTRY(hf_stream) in_waiting;   /* core->waiting, when waiters is not empty */
    TAILQ_ENTRY(hf_stream) in_lingering; /* core->lingering, when linger_until_ms */
    TAILQ_ENTRY(hf_stream) in_tails; /* core->tails by last growth, when the tail is not empty */
    uint64_t linger_until_ms;

    char channel[]; /* its name in the table */
};
TAILQ_HEAD(hf_streams, hf_stream);

struct hf_core {
    struct hf_core_config config;
    struct hf_core_effects effects;
    void *context; /* of the effects */
    bool is_connected;
    uint64_t life;                 /* the store's; 0: it was not there yet */
    struct hf_lives admitted;      /* as its data told when we connected to it */
    struct hf_table streams;       /* by channel */
    struct hf_streams reads;       /* QUEUED, first come first served */
    struct hf_streams retries;     /* whose read failed, by retry_ms */
    struct hf_streams waiting;     /* with waiters */
    struct hf_streams lingering;   /* without watches, by linger_until_ms */
    struct hf_streams tails;       /* with a tail, longest without growth first */
    struct hf_witnesses witnesses; /* of channels that have no stream */
    struct hf_page_cache pages;    /* by stream */
    uint64_t suspicious;           /* streams that are */
    uint32_t checking;             /* streams that are */
    bool is_fenced;                /* nobody is told `recovered` */
    uint64_t open_life; /* the life in which it was unfenced last; any other is on trial */
    uint32_t reads_open;
    struct hf_core_counters counters;
};

static inline struct hf_bytes hf__stream_channel(const struct hf_stream *stream)
{
    return (struct hf_bytes){stream->channel, stream->in_table.len};
}

/* --- core.c ---------------------------------------------------------------------------------- */

/* Accounts for the tail's growth or loss since `bytes_before`, and keeps tails_bytes_max. */
void hf__core_tail_changed(struct hf_core *core, struct hf_stream *stream, size_t bytes_before);
void hf__core_clear_tail(struct hf_core *core, struct hf_stream *stream);
/* hf_tail_cut from the stream's tail; the same question gets the same page for a while. */
struct hf_page *hf__core_cut_tail(struct hf_core *core, const struct hf_stream *stream,
                                  uint64_t after, uint32_t limit, size_t bytes_max);
/* Queues a read for the stream unless it has one. */
void hf__core_want_read(struct hf_core *core, struct hf_stream *stream);
void hf__core_unqueue_read(struct hf_core *core, struct hf_stream *stream);
void hf__core_send_reads(struct hf_core *core);
/* Queues a read for later: this one failed. */
void hf__core_retry_read(struct hf_core *core, struct hf_stream *stream, uint64_t now_ms);
/* Counts as the stream's open read. */
void hf__core_send_mend(struct hf_core *core, struct hf_stream *stream,
                        const struct hf_core_mend *mend);

/* --- registry.c: which streams there are ----------------------------------------------------- */

struct hf_stream *hf__registry_find(const struct hf_core *core, struct hf_bytes channel);
/* hf_table_next for streams. */
struct hf_stream *hf__registry_next(const struct hf_core *core, struct hf_table_walk *walk);
/* One that is OFFLINE, and knows what its channel's witness did. NULL: no memory. */
struct hf_stream *hf__registry_add(struct hf_core *core, struct hf_bytes channel,
                                   const struct hf_stream_options *options);
/* An OFFLINE one follows its channel, if the store is there. */
void hf__registry_connect(struct hf_core *core, struct hf_stream *stream);
/* It has no watches: it stays for a while. */
void hf__registry_linger(struct hf_core *core, struct hf_stream *stream, uint64_t now_ms);
void hf__registry_stop_lingering(struct hf_core *core, struct hf_stream *stream);
/* It has lingered for long enough. */
void hf__registry_drop(struct hf_core *core, struct hf_stream *stream);
/* Nothing of it is open or waits; what it knows becomes a witness. */
void hf__registry_free(struct hf_core *core, struct hf_stream *stream);
/* Witnesses are heard: each one's channel gets a stream for as long as the comparison takes. */
void hf__registry_hear_witnesses(struct hf_core *core);
/* Somebody wants to follow a stream that was only to be checked: from the beginning, then. */
void hf__registry_stop_checking(struct hf_core *core, struct hf_stream *stream);

/* --- stream.c: keeping in step --------------------------------------------------------------- */

void hf__stream_set_suspicious(struct hf_core *core, struct hf_stream *stream, bool is_suspicious);
void hf__stream_set_state(struct hf_core *core, struct hf_stream *stream,
                          enum hf_stream_state state);
void hf__stream_connected(struct hf_core *core, struct hf_stream *stream, bool is_same_store);
void hf__stream_disconnected(struct hf_core *core, struct hf_stream *stream);
void hf__stream_listening(struct hf_core *core, struct hf_stream *stream, uint64_t now_ms);
void hf__stream_message(struct hf_core *core, struct hf_stream *stream,
                        struct hf_publication *publication, uint64_t now_ms);
/* A read that was sent to find or confirm the place has come back with HF_OK. */
void hf__stream_placed(struct hf_core *core, struct hf_stream *stream,
                       const struct hf_core_read_result *result, uint64_t now_ms);
void hf__stream_removed(struct hf_core *core, struct hf_stream *stream);
/* The tail is about to go: keeps the fingerprint of the newest publication. */
void hf__stream_remember_newest(struct hf_stream *stream);
/* Older publications have been read: keeps them if they join the tail. */
void hf__stream_extend_tail(struct hf_core *core, struct hf_stream *stream,
                            const struct hf_page *page, uint64_t now_ms);
void hf__stream_drop_pending(struct hf_stream *stream);
/* A watch is about to be added that wants these options: the stream serves the most that any of its
 * watches asks for; without any, it takes them, but keeps a history that it has. */
void hf__stream_widen(struct hf_core *core, struct hf_stream *stream,
                      const struct hf_stream_options *options);

/* --- evidence.c: what is known of the store -------------------------------------------------- */

/* A life of the store that we meet may be of an earlier state than the one before, and may have
 * gone on from there on another line. So whatever we have seen of a stream must be found in it:
 * first what lies beyond our place (evidence_to_prove), then our place. One read can tell only
 * what its page shows. Of what has expired nothing is left to compare; but the store's data knows
 * the lives that were admitted (lives.h): if it does not know one that it knew when it had what we
 * saw, it is of an earlier time, or of another line, and what we saw counts as lost. */

/* Tells contents of one place apart; never 0. */
uint64_t hf__fingerprint(const struct hf_publication_fields *fields);
bool hf__is_same(const struct hf_publication *a, const struct hf_publication *b);
bool hf__is_newer(struct hf_position a, struct hf_position b);
/* The store has acknowledged, sent or shown a publication of the line that we follow: it must still
 * have it when it is asked later. `life` is the one that showed it; `seen_life`: of hf_stream, 0
 * when not known. */
void hf__evidence_note(struct hf_stream *stream, struct hf_position position,
                       const struct hf_publication_fields *fields, uint64_t life,
                       uint64_t seen_life);
/* The `seen_life` of what the read brings that was open last, from our life. */
uint64_t hf__evidence_life(const struct hf_core *core, const struct hf_stream *stream);
/* Whatever else becomes of the result: the store has shown its newest publication. But what a life
 * shows that was not compared yet must not take the place of what we know. */
void hf__evidence_read(const struct hf_core *core, struct hf_stream *stream,
                       const struct hf_core_read_result *result);
/* What has to be asked for before the place. False: nothing. */
bool hf__evidence_to_prove(const struct hf_core *core, const struct hf_stream *stream,
                           struct hf_position *position);
/* ... and whether the answer has it. */
bool hf__evidence_is_proved(const struct hf_core *core, struct hf_stream *stream,
                            const struct hf_core_read_result *result);
/* Everything has been found: it is of one line. */
void hf__evidence_accept(struct hf_stream *stream);
/* Whether the store lacks what it has acknowledged or shown before (stream->known). */
bool hf__evidence_lacks_known(const struct hf_stream *stream,
                              const struct hf_core_read_result *result);
/* Whether the result of a read from our place (stream->read_since), of our epoch, shows that the
 * store has lost what we saw: it is behind us, has something else there, or cannot have it. */
bool hf__evidence_refutes(const struct hf_core *core, struct hf_stream *stream,
                          const struct hf_core_read_result *result);

/* --- mend.c: a store that has lost something ---------------------------------------------------
 */

/* `result` shows that it has. */
void hf__mend_begin(struct hf_core *core, struct hf_stream *stream,
                    const struct hf_core_read_result *result);
/* A second look at the end of what is left (stream->suspect), once that was seen to be behind us:
 * what we have is written back if it fits, else the stream gets a new epoch. */
void hf__mend_look(struct hf_core *core, struct hf_stream *stream,
                   const struct hf_core_read_result *result, uint64_t now_ms);
/* The store was written back (healed), or asked for a new epoch, or somebody was faster. */
void hf__mend_done(struct hf_core *core, const struct hf_stream *stream, bool was_done);

/* --- recovery.c: answering subscribers ------------------------------------------------------- */

/* What the next read of this stream should ask for. False: nothing is wanted. */
bool hf__recovery_plan(struct hf_core *core, struct hf_stream *stream, struct hf_core_read *read);
/* Answers every waiter that can be answered now; queues a read when one is wanted. */
void hf__recovery_settle(struct hf_core *core, struct hf_stream *stream, uint64_t now_ms);
/* A read for waiters (not for the place) has come back with HF_OK. */
void hf__recovery_backlog(struct hf_core *core, struct hf_stream *stream,
                          const struct hf_core_read_result *result, uint64_t now_ms);
/* Answers those waiters whose next publications are in `page`, which does not reach the tail. */
void hf__recovery_serve_page(struct hf_core *core, struct hf_stream *stream, struct hf_page *page);
/* Answers and frees. `answer` may be NULL unless `result` is HF_OK. */
void hf__recovery_answer(struct hf_core *core, struct hf_stream *stream, struct hf_waiter *waiter,
                         int result, const struct hf_subscribe_result *answer);

#endif
