/* A core with its outside played by the test: what the core does is written down as text, one line
 * for each effect, and the test compares it; what the store answers, the test says.
 *
 *   listen CH | unlisten CH
 *   read CH newest | read CH after E:O | read CH from E:O       `from`: that publication too
 *   mend CH at E:O with FIRST-LAST | mend CH at E:O anew
 *   deliver WATCH E:O
 *   lost WATCH
 *   answer REQUEST top E:O [live]
 *   answer REQUEST recovered E:O of E:O [FIRST-LAST] [live]
 *   answer REQUEST error "text"
 *
 * Watches and requests are named by the strings that are their contexts. The payload of a
 * publication is "same" unless the test wants another one at the same place; that is then shown
 * behind its position, as in 7:4=other. Static: each test program has its own. */
#ifndef HF_TESTS_CORE_FIXTURE_H
#define HF_TESTS_CORE_FIXTURE_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/core.h"

enum { FIXTURE_OPEN_MAX = 64, FIXTURE_LOG_MAX = 1 << 16 };

struct core_fixture {
    struct hf_core_config config;
    struct hf_core *core;
    uint64_t now_ms;
    uint64_t life;                             /* the store's */
    uint64_t admitted_life;                    /* as reads show it */
    struct hf_lives lives;                     /* ... and as it tells on connecting */
    struct hf_stream *reads[FIXTURE_OPEN_MAX]; /* open, first come first */
    struct hf_core_read asked[FIXTURE_OPEN_MAX];
    size_t reads_open;
    struct hf_stream *mending; /* NULL: no mend is open */
    struct hf_page *last_page; /* of the last answer that had one; one reference */
    char log[FIXTURE_LOG_MAX];
    size_t log_len;
};

static const struct hf_stream_options fixture_history = {
    .history_size = 100, .history_ttl_s = 60, .meta_ttl_s = 3600};
static const struct hf_stream_options fixture_no_history = {0};

static inline struct hf_bytes fixture_bytes(const char *text)
{
    return (struct hf_bytes){text, strlen(text)};
}

/* --- writing down ----------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static inline void fixture_log(struct core_fixture *fixture,
                                                                     const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = sizeof fixture->log - fixture->log_len;
    int len = vsnprintf(fixture->log + fixture->log_len, room, format, arguments);
    va_end(arguments);
    assert_true(len >= 0 && (size_t)len < room);
    fixture->log_len += (size_t)len;
}

/* Compares all that was written down since the last time. */
#define expect(fixture, text) fixture_expect((fixture), (text), __FILE__, __LINE__)

static inline void fixture_expect(struct core_fixture *fixture, const char *text, const char *file,
                                  int line)
{
    char log[sizeof fixture->log];
    memcpy(log, fixture->log, fixture->log_len + 1);
    fixture->log_len = 0;
    fixture->log[0] = '\0';
    if (strcmp(log, text) != 0) {
        print_error("expected:\n%s\ngot:\n%s\n", text, log);
        _fail(file, line);
    }
}

static inline void fixture_on_listen(void *context, struct hf_bytes channel)
{
    fixture_log(context, "listen %.*s\n", (int)channel.len, channel.data);
}

static inline void fixture_on_unlisten(void *context, struct hf_bytes channel)
{
    fixture_log(context, "unlisten %.*s\n", (int)channel.len, channel.data);
}

static inline void fixture_on_read(void *context, struct hf_stream *stream,
                                   const struct hf_core_read *read)
{
    struct core_fixture *fixture = context;
    assert_true(fixture->reads_open < FIXTURE_OPEN_MAX);
    for (size_t i = 0; i < fixture->reads_open; i++) {
        assert_ptr_not_equal(fixture->reads[i], stream); /* C4 */
    }
    fixture->reads[fixture->reads_open] = stream;
    fixture->asked[fixture->reads_open++] = *read;
    assert_true(fixture->reads_open <= fixture->config.reads_in_flight_max); /* C4 */
    fixture_log(fixture, "read %.*s ", (int)read->channel.len, read->channel.data);
    if (read->has_since) {
        assert_false(read->reverse);
        fixture_log(fixture, "%s %" PRIu64 ":%" PRIu64 "\n", read->with_since ? "from" : "after",
                    read->since.epoch, read->since.offset);
    } else {
        assert_true(read->reverse);
        assert_int_equal(read->limit, 1);
        fixture_log(fixture, "newest\n");
    }
}

static inline void fixture_on_mend(void *context, struct hf_stream *stream,
                                   const struct hf_core_mend *mend)
{
    struct core_fixture *fixture = context;
    assert_null(fixture->mending);
    assert_true(mend->life == fixture->life);
    fixture->mending = stream;
    fixture_log(fixture, "mend %.*s at %" PRIu64 ":%" PRIu64, (int)mend->channel.len,
                mend->channel.data, mend->expected.epoch, mend->expected.offset);
    if (mend->page == NULL) {
        fixture_log(fixture, " anew\n");
    } else {
        fixture_log(fixture, " with %" PRIu64 "-%" PRIu64 "\n",
                    mend->page->items[0]->position.offset,
                    mend->page->items[mend->page->count - 1]->position.offset);
    }
}

static inline void fixture_on_deliver(void *context, void *owner,
                                      struct hf_publication *publication)
{
    fixture_log(context, "deliver %s %" PRIu64 ":%" PRIu64, (const char *)owner,
                publication->position.epoch, publication->position.offset);
    struct hf_bytes data = publication->fields.data;
    if (data.len != 4 || memcmp(data.data, "same", 4) != 0) {
        fixture_log(context, "=%.*s", (int)data.len, data.data);
    }
    fixture_log(context, "\n");
}

static inline void fixture_on_lost(void *context, void *owner, int reason)
{
    assert_int_equal(reason, HF_EUNRECOVERABLE);
    fixture_log(context, "lost %s\n", (const char *)owner);
}

static inline void fixture_log_page(struct core_fixture *fixture, struct hf_page *page)
{
    assert_true(page->count > 0);
    for (uint32_t i = 1; i < page->count; i++) { /* C2 */
        assert_int_equal(page->items[i]->position.offset, page->items[0]->position.offset + i);
    }
    fixture_log(fixture, " %" PRIu64 "-%" PRIu64, page->items[0]->position.offset,
                page->items[page->count - 1]->position.offset);
    hf_page_unref(fixture->last_page);
    fixture->last_page = hf_page_ref(page);
}

static inline void fixture_on_answer(void *context, void *request, int result,
                                     const struct hf_subscribe_result *answer)
{
    struct core_fixture *fixture = context;
    fixture_log(fixture, "answer %s ", (const char *)request);
    if (result != HF_OK) {
        fixture_log(fixture, "error \"%s\"\n", hf_error_text(result));
        return;
    }
    if (answer->recovered) {
        fixture_log(fixture, "recovered %" PRIu64 ":%" PRIu64 " of %" PRIu64 ":%" PRIu64,
                    answer->position.epoch, answer->position.offset, answer->top.epoch,
                    answer->top.offset);
    } else {
        assert_null(answer->page);
        assert_true(hf_position_equal(answer->position, answer->top));
        fixture_log(fixture, "top %" PRIu64 ":%" PRIu64, answer->top.epoch, answer->top.offset);
    }
    if (answer->page != NULL) {
        fixture_log_page(fixture, answer->page);
    }
    fixture_log(fixture, answer->live ? " live\n" : "\n");
}

/* --- life ------------------------------------------------------------------------------------- */

/* Defaults that tests may change before fixture_start. */
static inline void fixture_init(struct core_fixture *fixture)
{
    memset(fixture, 0, sizeof *fixture);
    fixture->now_ms = 1000;
    fixture->life = 1;
    hf_lives_admit(&fixture->lives, fixture->life);
    fixture->config = (struct hf_core_config){
        .linger_ms = 10000,
        .lingering_streams_max = 10,
        .tail_publications_max = 8,
        .tail_bytes_max = 1 << 20,
        .tails_bytes_max = 1 << 22,
        .page_publications_max = 4,
        .page_bytes_max = 1 << 20,
        .reads_in_flight_max = 8,
        .wait_ms = 4000,
        .witnesses_bytes_max = 4096,
        .witness_ttl_ms = 60000,
    };
}

static inline void fixture_start(struct core_fixture *fixture)
{
    static const struct hf_core_effects effects = {
        .listen = fixture_on_listen,
        .unlisten = fixture_on_unlisten,
        .read = fixture_on_read,
        .mend = fixture_on_mend,
        .deliver = fixture_on_deliver,
        .lost = fixture_on_lost,
        .answer = fixture_on_answer,
    };
    fixture->core = hf_core_new(&fixture->config, &effects, fixture);
    assert_non_null(fixture->core);
}

/* --- the store's side ------------------------------------------------------------------------- */

static inline struct hf_publication *fixture_publication(uint64_t epoch, uint64_t offset,
                                                         const char *data)
{
    const struct hf_publication_fields fields = {.data = fixture_bytes(data)};
    struct hf_publication *publication =
        hf_publication_new((struct hf_position){epoch, offset}, &fields);
    assert_non_null(publication);
    return publication;
}

static inline struct hf_page *fixture_page(uint64_t epoch, uint64_t first, uint64_t last,
                                           const char *data)
{
    struct hf_publication *items[256] = {0};
    uint32_t count = 0;
    for (uint64_t offset = first; offset <= last; offset++) {
        items[count++] = fixture_publication(epoch, offset, data);
    }
    struct hf_page *page = hf_page_new(items, count);
    assert_non_null(page);
    for (uint32_t i = 0; i < count; i++) {
        hf_publication_unref(items[i]);
    }
    return page;
}

/* Takes the oldest open read out of the books. */
static inline struct hf_stream *fixture_take_read(struct core_fixture *fixture)
{
    assert_true(fixture->reads_open > 0);
    struct hf_stream *stream = fixture->reads[0];
    fixture->reads_open--;
    memmove(fixture->reads, fixture->reads + 1, fixture->reads_open * sizeof fixture->reads[0]);
    memmove(fixture->asked, fixture->asked + 1, fixture->reads_open * sizeof fixture->asked[0]);
    return stream;
}

/* The oldest open read is answered: the stream's top is epoch:top, and it brings first..last (first
 * 0: nothing). */
static inline void read_gives_other(struct core_fixture *fixture, uint64_t epoch, uint64_t top,
                                    uint64_t first, uint64_t last, const char *data)
{
    struct hf_page *page = first > 0 ? fixture_page(epoch, first, last, data) : NULL;
    const struct hf_core_read_result result = {
        .result = HF_OK,
        .top = {epoch, top},
        .page = page,
        .has_more = first > 0 && last < top,
        .life = fixture->life,
        .admitted_life = fixture->asked[0].proves ? fixture->admitted_life : 0,
    };
    hf_core_read_done(fixture->core, fixture_take_read(fixture), &result, fixture->now_ms);
    hf_page_unref(page);
}

static inline void read_gives(struct core_fixture *fixture, uint64_t epoch, uint64_t top,
                              uint64_t first, uint64_t last)
{
    read_gives_other(fixture, epoch, top, first, last, "same");
}

static inline void read_fails(struct core_fixture *fixture, int error)
{
    const struct hf_core_read_result result = {.result = error};
    hf_core_read_done(fixture->core, fixture_take_read(fixture), &result, fixture->now_ms);
}

static inline void mend_done(struct core_fixture *fixture, int result)
{
    struct hf_stream *stream = fixture->mending;
    assert_non_null(stream);
    fixture->mending = NULL;
    hf_core_mend_done(fixture->core, stream, result, fixture->now_ms);
}

static inline void hear_other(struct core_fixture *fixture, const char *channel, uint64_t epoch,
                              uint64_t offset, const char *data)
{
    struct hf_publication *publication = fixture_publication(epoch, offset, data);
    hf_core_message(fixture->core, fixture_bytes(channel), publication, fixture->now_ms);
    hf_publication_unref(publication);
}

static inline void hear(struct core_fixture *fixture, const char *channel, uint64_t epoch,
                        uint64_t offset)
{
    hear_other(fixture, channel, epoch, offset, "same");
}

static inline void listening(struct core_fixture *fixture, const char *channel)
{
    hf_core_listening(fixture->core, fixture_bytes(channel), fixture->now_ms);
}

static inline void connect_store(struct core_fixture *fixture)
{
    hf_core_connected(fixture->core, fixture->life, &fixture->lives);
}

/* --- the subscribers' side -------------------------------------------------------------------- */

static inline struct hf_core_watch *watch(struct core_fixture *fixture, const char *channel,
                                          const char *name)
{
    struct hf_core_watch *opened =
        hf_core_watch_open(fixture->core, fixture_bytes(channel), &fixture_history, (void *)name);
    assert_non_null(opened);
    return opened;
}

static inline void unwatch(struct core_fixture *fixture, struct hf_core_watch *closed)
{
    hf_core_watch_close(fixture->core, closed, fixture->now_ms);
}

static inline void subscribe_with(struct core_fixture *fixture, struct hf_core_watch *where,
                                  const char *name, const struct hf_subscribe_params *params,
                                  bool continues)
{
    assert_int_equal(
        hf_core_subscribe(fixture->core, where, params, continues, (void *)name, fixture->now_ms),
        HF_OK);
}

static inline void subscribe(struct core_fixture *fixture, struct hf_core_watch *where,
                             const char *name)
{
    subscribe_with(fixture, where, name, &(struct hf_subscribe_params){0}, false);
}

static inline void recover(struct core_fixture *fixture, struct hf_core_watch *where,
                           const char *name, uint64_t epoch, uint64_t offset)
{
    const struct hf_subscribe_params params = {
        .recover = true, .since = {epoch, offset}, .recovery_limit = HF_LIMIT_NONE};
    subscribe_with(fixture, where, name, &params, false);
}

static inline void recover_on(struct core_fixture *fixture, struct hf_core_watch *where,
                              const char *name, uint64_t epoch, uint64_t offset)
{
    const struct hf_subscribe_params params = {
        .recover = true, .since = {epoch, offset}, .recovery_limit = HF_LIMIT_NONE};
    subscribe_with(fixture, where, name, &params, true);
}

static inline void wait_ms(struct core_fixture *fixture, uint64_t ms)
{
    fixture->now_ms += ms;
    hf_core_tick(fixture->core, fixture->now_ms);
}

static inline const struct hf_core_counters *counters(const struct core_fixture *fixture)
{
    return hf_core_counters(fixture->core);
}

/* What is open is answered as a closing store would, then the core goes. */
static inline void fixture_stop(struct core_fixture *fixture)
{
    hf_core_disconnected(fixture->core);
    while (fixture->reads_open > 0) {
        read_fails(fixture, HF_ECLOSED);
    }
    if (fixture->mending != NULL) {
        mend_done(fixture, HF_ECLOSED);
    }
    hf_core_free(fixture->core);
    hf_page_unref(fixture->last_page);
}

/* A core on a store whose stream "ch" is at epoch:top, and one watch of it with a live subscriber.
 * The tail then holds the newest publication, if there is one. */
static inline struct hf_core_watch *start_live(struct core_fixture *fixture, uint64_t epoch,
                                               uint64_t top)
{
    fixture_start(fixture);
    connect_store(fixture);
    struct hf_core_watch *opened = watch(fixture, "ch", "w");
    subscribe(fixture, opened, "s");
    listening(fixture, "ch");
    read_gives(fixture, epoch, top, top, top);
    char text[160];
    snprintf(text, sizeof text,
             "listen ch\nread ch newest\nanswer s top %" PRIu64 ":%" PRIu64 " live\n", epoch, top);
    expect(fixture, text);
    return opened;
}

#endif
