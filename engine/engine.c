#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <event2/event.h>

#include "engine_private.h"

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* This process may have been stopped for long: a fence that was open then lets nobody through. */
static void keep_time(struct hf_engine *engine)
{
    engine->now_ms = clock_ms();
    if (!hf_fence_is_open(&engine->fence, engine->now_ms)) {
        engine->is_fenced = true;
        hf_core_set_fence(engine->core, true, engine->now_ms);
    }
}

/* --- towards the ports -------------------------------------------------------------------------
 */

void hf__engine_post_event(struct hf_port *port, struct hf_event *event)
{
    hf_outbox_add(&port->events, &event->letter.mail);
}

struct hf_event *hf__engine_new_event(enum hf_mail_kind kind, size_t len)
{
    struct hf_event *event = malloc(sizeof *event + len);
    if (event != NULL) {
        memset(event, 0, sizeof *event);
        event->letter.kind = kind;
        event->len = len;
    }
    return event;
}

/* An event could not be allocated: the watch hears nothing more until its loss could be told. */
static void break_watch(struct hf_engine *engine, struct hf_watch *watch)
{
    if (!watch->is_broken) {
        watch->is_broken = true;
        TAILQ_INSERT_TAIL(&engine->broken, watch, in_broken);
    }
}

static void mend_watch(struct hf_engine *engine, struct hf_watch *watch)
{
    if (watch->is_broken) {
        watch->is_broken = false;
        TAILQ_REMOVE(&engine->broken, watch, in_broken);
    }
}

static bool post_lost(struct hf_watch *watch, int reason)
{
    struct hf_event *event = hf__engine_new_event(HF_MAIL_LOST, 0);
    if (event == NULL) {
        return false;
    }
    event->watch = watch;
    event->reason = reason;
    hf__engine_post_event(watch->port, event);
    return true;
}

static void mend_watches(struct hf_engine *engine)
{
    struct hf_watch *watch;
    while ((watch = TAILQ_FIRST(&engine->broken)) != NULL && post_lost(watch, HF_ENOMEM)) {
        mend_watch(engine, watch);
    }
}

/* Back to its port, or nowhere when that is closed. */
static void post_completion(struct hf_engine *engine, struct hf_request *request, int result)
{
    request->result = result;
    if (request->port != NULL) {
        hf_outbox_add(&request->port->events, &request->letter.mail);
    } else {
        hf__engine_release(engine, request);
    }
}

/* --- the core's effects ------------------------------------------------------------------------
 */

static void effect_listen(void *context, struct hf_bytes channel)
{
    struct hf_engine *engine = context;
    engine->store->ops->listen(engine->store, channel);
}

static void effect_unlisten(void *context, struct hf_bytes channel)
{
    struct hf_engine *engine = context;
    engine->store->ops->unlisten(engine->store, channel);
}

/* The core opens at most loads_in_flight_max reads and mends. */
static struct hf_read *take_read(struct hf_engine *engine, struct hf_stream *stream)
{
    struct hf_read *read = engine->free_reads;
    assert(read != NULL);
    engine->free_reads = read->next_free;
    read->stream = stream;
    return read;
}

static void give_back(struct hf_read *read)
{
    read->next_free = read->engine->free_reads;
    read->engine->free_reads = read;
}

static void on_read_complete(struct hf_store_read *store_read)
{
    struct hf_read *read = HF_CONTAINER_OF(store_read, struct hf_read, store);
    struct hf_engine *engine = read->engine;
    const struct hf_core_read_result result = {
        .result = store_read->result,
        .top = store_read->top,
        .page = store_read->page,
        .has_more = store_read->has_more,
        .life = store_read->life,
        .admitted_life = store_read->admitted_life,
    };
    give_back(read);
    keep_time(engine);
    hf_core_read_done(engine->core, read->stream, &result, engine->now_ms);
    hf_page_unref(result.page);
}

static void effect_read(void *context, struct hf_stream *stream, const struct hf_core_read *wanted)
{
    struct hf_engine *engine = context;
    struct hf_read *read = take_read(engine, stream);
    read->store = (struct hf_store_read){
        .channel = wanted->channel,
        .options = wanted->options,
        .limit = wanted->limit,
        .bytes_max = wanted->bytes_max,
        .create = true,
        .has_since = wanted->has_since,
        .with_since = wanted->with_since,
        .reverse = wanted->reverse,
        .with_admitted_life = wanted->proves,
        .since = wanted->since,
        .complete = on_read_complete,
    };
    engine->store->ops->read(engine->store, &read->store);
}

static void on_mend_complete(struct hf_store_mend *mend)
{
    struct hf_read *read = HF_CONTAINER_OF(mend, struct hf_read, mend);
    struct hf_engine *engine = read->engine;
    hf_page_unref(mend->page);
    give_back(read);
    keep_time(engine);
    hf_core_mend_done(engine->core, read->stream, mend->result, engine->now_ms);
}

static void effect_mend(void *context, struct hf_stream *stream, const struct hf_core_mend *wanted)
{
    struct hf_engine *engine = context;
    struct hf_read *read = take_read(engine, stream);
    read->mend = (struct hf_store_mend){
        .channel = wanted->channel,
        .options = wanted->options,
        .expected = wanted->expected,
        .life = wanted->life,
        .page = wanted->page != NULL ? hf_page_ref(wanted->page) : NULL,
        .complete = on_mend_complete,
    };
    engine->store->ops->mend(engine->store, &read->mend);
}

static void effect_deliver(void *context, void *owner, struct hf_publication *publication)
{
    struct hf_engine *engine = context;
    struct hf_watch *watch = owner;
    if (watch->is_broken) {
        return;
    }
    struct hf_event *event = hf__engine_new_event(HF_MAIL_PUBLICATION, 0);
    if (event == NULL) {
        break_watch(engine, watch);
        return;
    }
    event->watch = watch;
    event->publication = hf_publication_ref(publication);
    atomic_fetch_add(&watch->port->undelivered, publication->size);
    engine->publications_out++;
    hf__engine_post_event(watch->port, event);
}

static void effect_lost(void *context, void *owner, int reason)
{
    struct hf_watch *watch = owner;
    if (!watch->is_broken && !post_lost(watch, reason)) {
        break_watch(context, watch);
    }
}

static void effect_answer(void *context, void *owner, int result,
                          const struct hf_subscribe_result *answer)
{
    struct hf_request *request = owner;
    request->subscribe.answer = *answer;
    if (answer->page != NULL) {
        hf_page_ref(answer->page);
    }
    post_completion(context, request, result);
}

const struct hf_core_effects hf__engine_core_effects = {
    .listen = effect_listen,
    .unlisten = effect_unlisten,
    .read = effect_read,
    .mend = effect_mend,
    .deliver = effect_deliver,
    .lost = effect_lost,
    .answer = effect_answer,
};

/* --- the store's events ------------------------------------------------------------------------
 */

static void on_disconnected(void *context, const char *reason)
{
    struct hf_engine *engine = context;
    (void)reason; /* the store has logged it and shows it in its status */
    hf_fence_disconnected(&engine->fence);
    hf_core_disconnected(engine->core);
}

static void on_listening(void *context, struct hf_bytes channel)
{
    struct hf_engine *engine = context;
    hf_core_listening(engine->core, channel, engine->now_ms);
}

static void on_publication(void *context, struct hf_bytes channel,
                           struct hf_publication *publication)
{
    struct hf_engine *engine = context;
    hf_core_message(engine->core, channel, publication, engine->now_ms);
}

static void on_removed(void *context, struct hf_bytes channel)
{
    struct hf_engine *engine = context;
    hf_core_removed(engine->core, channel);
}

/* --- the fence: what engines say to each other ------------------------------------------------ */

struct fence_message {
    struct hf_store_bus bus;
    char text[64];
};

static void on_fence_said(struct hf_store_bus *bus)
{
    free(HF_CONTAINER_OF(bus, struct fence_message, bus));
}

/* Lost words are repeated with the next heartbeat. */
static void say(struct hf_engine *engine, const struct hf_fence_word *word)
{
    struct fence_message *message = calloc(1, sizeof *message);
    if (message == NULL) {
        return;
    }
    int len = snprintf(message->text, sizeof message->text,
                       "%c%" PRIx64 " %" PRIx64 " %" PRIx64 " %d", HF__BUS_FENCE, word->number,
                       word->checked_life, word->said_ms, word->wants_answer);
    message->bus.message = (struct hf_bytes){message->text, (size_t)len};
    message->bus.complete = on_fence_said;
    engine->store->ops->bus_send(engine->store, &message->bus);
}

/* Said once: from now on a node that should be waited for may be forgotten. */
static void tell_crowded(struct hf_engine *engine)
{
    engine->is_crowded = true;
    if (engine->config.log != NULL) {
        char text[128];
        snprintf(text, sizeof text,
                 "%u other nodes are known: of more, not all are waited for after a loss "
                 "(awaited_nodes_max)",
                 engine->config.awaited_nodes_max);
        engine->config.log(engine->config.log_context, HF_SEVERITY_WARNING, text);
    }
}

static void hear(struct hf_engine *engine, struct hf_bytes message)
{
    char text[64] = ""; /* an empty message has nothing behind its letter either */
    snprintf(text, sizeof text, "%.*s", (int)message.len, message.data);
    char *rest = text + 1; /* behind the letter; a text that is no word ends as the number 0 */
    struct hf_fence_word word = {.number = strtoull(rest, &rest, 16)};
    word.checked_life = strtoull(rest, &rest, 16);
    word.said_ms = strtoull(rest, &rest, 16);
    word.wants_answer = strtoull(rest, &rest, 16) != 0;
    if (text[0] == HF__BUS_FENCE && word.number != 0) {
        keep_time(engine); /* it may have lain there while this process was stopped */
        hf_fence_heard(&engine->fence, &word, engine->now_ms);
        if (!engine->is_crowded && engine->fence.count == engine->config.awaited_nodes_max) {
            tell_crowded(engine);
        }
    }
}

static void keep_fence(struct hf_engine *engine)
{
    if (hf_core_is_checked(engine->core)) {
        hf_fence_checked(&engine->fence);
    }
    struct hf_fence_word word;
    if (hf_fence_says(&engine->fence, &word, engine->now_ms)) {
        say(engine, &word);
    }
    bool is_fenced = !hf_fence_is_open(&engine->fence, engine->now_ms);
    engine->is_fenced = is_fenced;
    hf_core_set_fence(engine->core, is_fenced, engine->now_ms);
    if (!is_fenced) {
        engine->store->ops->admit(engine->store, engine->fence.life);
    }
}

static void on_connected(void *context, uint64_t life, const struct hf_lives *admitted)
{
    struct hf_engine *engine = context;
    keep_time(engine);
    hf_fence_connected(&engine->fence, life, hf_lives_newest(admitted), engine->now_ms);
    keep_fence(engine);
    hf_core_connected(engine->core, life, admitted);
}

/* At most once: a port for which there is no memory does not hear it. */
static void on_bus(void *context, struct hf_bytes message)
{
    struct hf_engine *engine = context;
    if (message.len == 0 || message.data[0] != HF__BUS_MESSAGE) {
        hear(engine, message);
        return;
    }
    message = (struct hf_bytes){message.data + 1, message.len - 1};
    struct hf_port *port;
    LIST_FOREACH (port, &engine->ports, in_ports) {
        struct hf_event *event = hf__engine_new_event(HF_MAIL_BUS, message.len);
        if (event != NULL) {
            memcpy(event->message, message.data, message.len);
            hf__engine_post_event(port, event);
        }
    }
}

const struct hf_store_events hf__engine_store_events = {
    .on_connected = on_connected,
    .on_disconnected = on_disconnected,
    .on_listening = on_listening,
    .on_publication = on_publication,
    .on_removed = on_removed,
    .on_bus = on_bus,
    .on_presence = hf__presence_on_store_event,
};

/* --- requests ----------------------------------------------------------------------------------
 */

void hf__engine_complete_open(struct hf_engine *engine, struct hf_request *request, int result)
{
    if (request->port != NULL) {
        TAILQ_REMOVE(&request->port->open, request, in_open);
    }
    post_completion(engine, request, result);
}

static void on_publish_complete(struct hf_store_publish *publish)
{
    struct hf_request *request = HF_CONTAINER_OF(publish, struct hf_request, publish);
    struct hf_engine *engine = request->engine;
    if (publish->result == HF_OK && publish->outcome == HF_PUBLISHED) {
        hf_core_published(engine->core, publish->channel, &publish->options, publish->position,
                          &publish->fields);
    }
    hf__engine_complete_open(engine, request, publish->result);
}

static void on_history_complete(struct hf_store_read *read)
{
    struct hf_request *request = HF_CONTAINER_OF(read, struct hf_request, history);
    int result = read->result;
    if (result == HF_OK && read->has_since && read->since.epoch != HF_EPOCH_NONE &&
        read->since.epoch != read->top.epoch) {
        result = HF_EUNRECOVERABLE;
    }
    if (request->port == NULL) {
        hf_page_unref(read->page);
    }
    hf__engine_complete_open(request->engine, request, result);
}

static void on_remove_complete(struct hf_store_remove *remove)
{
    struct hf_request *request = HF_CONTAINER_OF(remove, struct hf_request, remove);
    hf__engine_complete_open(request->engine, request, remove->result);
}

static void on_bus_complete(struct hf_store_bus *bus)
{
    struct hf_request *request = HF_CONTAINER_OF(bus, struct hf_request, bus);
    hf__engine_complete_open(request->engine, request, bus->result);
}

static void open_watch(struct hf_engine *engine, struct hf_watch *watch)
{
    watch->core =
        hf_core_watch_open(engine->core, (struct hf_bytes){watch->channel, watch->channel_len},
                           &watch->options, watch);
    if (watch->core != NULL) {
        LIST_INSERT_HEAD(&watch->port->opened, watch, in_opened);
    }
}

static void close_watch(struct hf_engine *engine, struct hf_watch *watch)
{
    mend_watch(engine, watch);
    if (watch->core != NULL) {
        LIST_REMOVE(watch, in_opened);
        hf_core_watch_close(engine->core, watch->core, engine->now_ms);
        watch->core = NULL;
    }
}

static void subscribe(struct hf_engine *engine, struct hf_request *request)
{
    struct hf_watch *watch = request->subscribe.watch;
    int result = HF_ENOMEM;
    if (watch->core != NULL) {
        result = hf_core_subscribe(engine->core, watch->core, &request->subscribe.params,
                                   request->subscribe.continues, request, engine->now_ms);
    }
    if (result != HF_OK) {
        post_completion(engine, request, result);
    }
}

/* The store keeps what it has of a closed port; only the completions go ahead of it. */
static void orphan(struct hf_engine *engine, struct hf_request *request)
{
    struct hf_port *port = request->port;
    struct hf_request *notice = malloc(sizeof *notice);
    if (notice == NULL) {
        return; /* then the port waits for the store's own completion */
    }
    memset(notice, 0, sizeof *notice);
    notice->letter.kind = request->letter.kind;
    notice->callback = request->callback;
    notice->context = request->context;
    notice->port = port;
    atomic_fetch_add(&engine->pending_requests, 1);
    TAILQ_REMOVE(&port->open, request, in_open);
    request->port = NULL;
    post_completion(engine, notice, HF_ECLOSED);
}

/* Done when nothing of the port is left here; otherwise asked again on the next turn. */
static bool close_port(struct hf_engine *engine, struct hf_port *port)
{
    struct hf_watch *watch;
    while ((watch = LIST_FIRST(&port->opened)) != NULL) {
        close_watch(engine, watch);
    }
    struct hf_request *request, *next;
    for (request = TAILQ_FIRST(&port->open); request != NULL; request = next) {
        next = TAILQ_NEXT(request, in_open);
        orphan(engine, request);
    }
    return TAILQ_EMPTY(&port->open);
}

static void to_store(struct hf_engine *engine, struct hf_request *request)
{
    const struct hf_store_ops *ops = engine->store->ops;
    switch (request->letter.kind) {
    case HF_MAIL_PUBLISH:
        request->publish.complete = on_publish_complete;
        ops->publish(engine->store, &request->publish);
        break;
    case HF_MAIL_HISTORY:
        request->history.complete = on_history_complete;
        ops->read(engine->store, &request->history);
        break;
    case HF_MAIL_REMOVE:
        request->remove.complete = on_remove_complete;
        ops->remove(engine->store, &request->remove);
        break;
    case HF_MAIL_PRESENCE_ADD:
    case HF_MAIL_PRESENCE:
    case HF_MAIL_PRESENCE_GET:
    case HF_MAIL_PRESENCE_STATS:
        hf__presence_to_store(engine, request);
        break;
    default:
        request->bus.complete = on_bus_complete;
        ops->bus_send(engine->store, &request->bus);
        break;
    }
}

static void accept_request(struct hf_engine *engine, struct hf_request *request)
{
    request->engine = engine;
    TAILQ_INSERT_TAIL(&request->port->open, request, in_open);
    to_store(engine, request);
}

static void handle_request(struct hf_engine *engine, struct hf_request *request)
{
    struct hf_port *port = request->port;
    switch (request->letter.kind) {
    case HF_MAIL_SUBSCRIBE:
        subscribe(engine, request);
        return;
    case HF_MAIL_WATCH_OPEN:
        open_watch(engine, request->watch);
        break;
    case HF_MAIL_WATCH_CLOSE:
        close_watch(engine, request->watch);
        break;
    case HF_MAIL_PORT_OPEN:
        LIST_INSERT_HEAD(&engine->ports, port, in_ports);
        break;
    case HF_MAIL_PORT_CLOSE:
        if (!close_port(engine, port)) {
            TAILQ_INSERT_TAIL(&engine->closing, request, in_open);
            return;
        }
        LIST_REMOVE(port, in_ports);
        post_completion(engine, request, HF_OK);
        hf_mailbox_post(&port->inbox, &port->events);
        atomic_store(&port->is_released, true);
        return; /* the port may be gone now */
    default:
        accept_request(engine, request);
        return;
    }
    post_completion(engine, request, HF_OK);
}

/* --- the thread --------------------------------------------------------------------------------
 */

void hf__engine_on_inbox(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct hf_engine *engine = context;
    keep_time(engine);
    struct hf_mail *mail = hf_mailbox_take(&engine->inbox);
    while (mail != NULL) {
        struct hf_mail *next = mail->next;
        struct hf_letter *letter = HF_CONTAINER_OF(mail, struct hf_letter, mail);
        handle_request(engine, HF_CONTAINER_OF(letter, struct hf_request, letter));
        mail = next;
    }
}

void hf__engine_update_status(struct hf_engine *engine)
{
    struct hf_store_status store = {0};
    engine->store->ops->status(engine->store, &store);
    const struct hf_core_counters *core = hf_core_counters(engine->core);
    bool is_ready = store.is_connected && store.is_delivering && !engine->is_fenced;
    if (is_ready) {
        engine->not_ready_since_ms = 0;
    } else if (engine->not_ready_since_ms == 0) {
        engine->not_ready_since_ms = engine->now_ms;
    }
    struct hf_engine_status status = {
        .is_ready = is_ready,
        .is_connected = store.is_connected,
        .not_ready_ms = is_ready ? 0 : engine->now_ms - engine->not_ready_since_ms,
        .streams = core->streams,
        .streams_in_step = core->in_step,
        .lingering = core->lingering,
        .tails_bytes = core->tails_bytes,
        .witnesses = core->witnesses,
        .store_commands = store.commands,
        .store_reads = core->reads,
        .publications_in = core->publications_in,
        .publications_out = engine->publications_out,
        .duplicates_dropped = core->duplicates_dropped,
        .gaps_repaired = core->gaps_repaired,
        .streams_lost = core->streams_lost,
        .recoveries_from_tail = core->recoveries_from_tail,
        .recoveries_from_store = core->recoveries_from_store,
        .recoveries_refused = core->recoveries_refused,
        .rollbacks_seen = core->rollbacks_seen,
        .streams_healed = core->streams_healed,
        .epochs_rotated = core->epochs_rotated,
    };
    memcpy(status.reason, store.reason, sizeof status.reason);
    if (store.is_connected && store.is_delivering && engine->is_fenced &&
        status.reason[0] == '\0') {
        bool is_deaf = engine->fence.open_life == engine->fence.life;
        snprintf(status.reason, sizeof status.reason, "%s",
                 is_deaf ? "Redis has not delivered of late what this node says to the others"
                         : "the nodes are checking that Redis has lost nothing");
    }
    pthread_mutex_lock(&engine->status_lock);
    engine->status = status;
    pthread_mutex_unlock(&engine->status_lock);
}

void hf__engine_on_tick(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct hf_engine *engine = context;
    keep_time(engine);
    hf_core_tick(engine->core, engine->now_ms);
    hf__presence_tick(engine);
    hf__engine_update_status(engine);
}

/* Stops reading publications while a port is too far behind, until all have caught up halfway. */
static void keep_pace(struct hf_engine *engine)
{
    size_t most = 0;
    struct hf_port *port;
    LIST_FOREACH (port, &engine->ports, in_ports) {
        size_t undelivered = atomic_load(&port->undelivered);
        most = undelivered > most ? undelivered : most;
    }
    bool is_paused = atomic_load(&engine->is_paused);
    size_t limit = engine->config.mailbox_bytes_max;
    if (!is_paused ? most > limit : most <= limit / 2) {
        atomic_store(&engine->is_paused, !is_paused);
        engine->store->ops->pause(engine->store, !is_paused);
    }
}

static void end_turn(struct hf_engine *engine)
{
    struct hf_request *request, *next;
    for (request = TAILQ_FIRST(&engine->closing); request != NULL; request = next) {
        next = TAILQ_NEXT(request, in_open);
        TAILQ_REMOVE(&engine->closing, request, in_open);
        handle_request(engine, request);
    }
    mend_watches(engine);
    keep_fence(engine);
    engine->store->ops->flush(engine->store);
    struct hf_port *port;
    LIST_FOREACH (port, &engine->ports, in_ports) {
        hf_mailbox_post(&port->inbox, &port->events);
    }
    keep_pace(engine);
}

void *hf__engine_run(void *context)
{
    struct hf_engine *engine = context;
    while (!atomic_load(&engine->is_stopping)) {
        event_base_loop(engine->base, EVLOOP_ONCE);
        engine->now_ms = clock_ms();
        end_turn(engine);
    }
    return NULL;
}
