#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "api/registry.h"
#include "api/survey.h"
#include "client/hub.h"
#include "client/member.h"
#include "client/user_command.h"
#include "log.h"
#include "net/emulation.h"
#include "net/http.h"
#include "net/listener.h"
#include "net/poller.h"
#include "net/websocket_deflate.h"
#include "net/worker_loop.h"
#include "pace.h"

enum {
    REGISTRY_TICK_MS = 1000,
    COMMAND_DRAIN = 1,
    COMMAND_STOP = 2,
};

/* What a worker is to go over to. */
struct update {
    const struct hf_config *config;
    SSL_CTX *tls[HF_ENTRANCES]; /* a reference each */
    uint64_t generation;
};

/* A message in an inbox. */
struct letter {
    STAILQ_ENTRY(letter) next;
    size_t len;
    char text[];
};

STAILQ_HEAD(letters, letter);

/* A worker and what its thread and the node's share about it. */
struct worker_thread {
    struct hf_worker worker; /* first, so that a worker is its thread */
    struct hf_worker_options options;
    pthread_t thread;
    int command_fd;       /* eventfd: the node has set `commands` */
    atomic_uint commands; /* COMMAND_* */
    atomic_bool is_drained;
    _Atomic(struct update *) update; /* owned; the newest that is not taken yet */
    _Atomic uint64_t generation;     /* of the newest that was taken */
    /* until the thread has started */
    pthread_mutex_t start_lock;
    pthread_cond_t start_told;
    int start_result; /* 1: not known yet */
    /* the thread's own */
    struct hf_listener *listener;
    struct hf_listener *internal_listener; /* NULL: none */
    struct hf_poll_source port_source;
    struct hf_poll_source command_source;
    struct hf_pace pace;
    struct hf_wheel_entry registry_timer;
    bool is_stopping;
    /* what other workers have told */
    pthread_mutex_t inbox_lock;
    struct letters inbox; /* oldest first */
    size_t inbox_bytes;
    size_t inbox_max; /* set at the start */
};

static struct worker_thread *thread_of(struct hf_worker *worker)
{
    return (struct worker_thread *)worker;
}

/* --- the thread's callbacks ------------------------------------------------------------------- */

static uint64_t monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* What the port has is taken now, or when the rest after a long fan-out is over. */
static void take_mail(struct hf_worker *worker)
{
    struct worker_thread *thread = thread_of(worker);
    uint64_t now_us = monotonic_us();
    uint64_t rest_us = hf_pace_begin(&thread->pace, now_us);
    hf__loop_wake(worker);
    if (rest_us > 0) {
        hf__loop_set_alarm(worker, now_us + rest_us, take_mail);
        return;
    }
    hf_port_dispatch(worker->port);
    hf_hub_flush(worker->hub);
}

static void on_port(struct hf_poll_source *source, unsigned what)
{
    (void)what;
    take_mail((struct hf_worker *)((char *)source - offsetof(struct worker_thread, port_source)));
}

static void on_bus(void *port_context, struct hf_bytes message)
{
    if (!hf_emulation_take(port_context, message) && !hf_user_command_take(port_context, message) &&
        !hf_survey_take(port_context, message)) {
        hf_registry_on_bus(port_context, message);
    }
}

static void read_inbox(struct worker_thread *thread)
{
    struct letters letters = STAILQ_HEAD_INITIALIZER(letters);
    pthread_mutex_lock(&thread->inbox_lock);
    STAILQ_CONCAT(&letters, &thread->inbox);
    thread->inbox_bytes = 0;
    pthread_mutex_unlock(&thread->inbox_lock);
    while (!STAILQ_EMPTY(&letters)) {
        struct letter *letter = STAILQ_FIRST(&letters);
        STAILQ_REMOVE_HEAD(&letters, next);
        (void)hf_emulation_take(&thread->worker, (struct hf_bytes){letter->text, letter->len});
        free(letter);
    }
}

static void on_registry_timer(struct hf_wheel_entry *entry, uint64_t now_ms)
{
    struct worker_thread *thread =
        (struct worker_thread *)((char *)entry - offsetof(struct worker_thread, registry_timer));
    hf_registry_tick(thread->worker.registry, now_ms);
    hf_surveys_tick(thread->worker.surveys, now_ms);
    hf_members_refresh(&thread->worker, now_ms);
    hf_wheel_set(thread->worker.wheel, entry, now_ms + REGISTRY_TICK_MS);
}

/* The listener stays: probes must be told that this node is going (503), as long as it is there. */
static void start_draining(struct worker_thread *thread)
{
    struct hf_worker *worker = &thread->worker;
    if (worker->priv->is_draining) {
        return;
    }
    worker->priv->is_draining = true;
    if (worker->index == 0) {
        hf_registry_leave(worker->registry);
    }
    hf__connections_drain(worker);
}

static void update_free(struct update *update)
{
    if (update != NULL) {
        for (int i = 0; i < HF_ENTRANCES; i++) {
            SSL_CTX_free(update->tls[i]);
        }
        free(update);
    }
}

static void take_update(struct worker_thread *thread)
{
    struct hf_worker *worker = &thread->worker;
    struct update *update = atomic_exchange(&thread->update, NULL);
    struct hf_token_verifiers tokens;
    if (update == NULL) {
        return;
    }
    if (hf_token_verifiers_open(&tokens, update->config) != HF_OK) {
        hf_log(HF_LOG_ERROR, "no memory to go over to the new configuration", "worker=%u",
               worker->index);
        update_free(update);
        return;
    }
    hf_token_verifiers_close(&worker->tokens);
    worker->tokens = tokens;
    worker->config = update->config;
    for (int i = 0; i < HF_ENTRANCES; i++) {
        SSL_CTX *former = worker->priv->tls[i];
        worker->priv->tls[i] = update->tls[i];
        update->tls[i] = former;
    }
    atomic_store(&thread->generation, update->generation);
    update_free(update);
}

static void on_command(struct hf_poll_source *source, unsigned what)
{
    (void)what;
    struct worker_thread *thread =
        (struct worker_thread *)((char *)source - offsetof(struct worker_thread, command_source));
    hf__loop_wake(&thread->worker);
    uint64_t count;
    if (read(source->fd, &count, sizeof(count)) != sizeof(count)) {
        return; /* woken without a command */
    }
    take_update(thread);
    read_inbox(thread);
    unsigned commands = atomic_load(&thread->commands);
    if ((commands & COMMAND_DRAIN) != 0) {
        start_draining(thread);
    }
    thread->is_stopping = (commands & COMMAND_STOP) != 0;
}

static void report_drained(struct worker_thread *thread)
{
    atomic_store(&thread->is_drained, true);
    uint64_t one = 1;
    if (write(thread->options.report_fd, &one, sizeof(one)) != sizeof(one)) {
        hf_log(HF_LOG_ERROR, "the node cannot be told", "worker=%u error=%s", thread->worker.index,
               strerror(errno));
    }
}

static void on_turn_end(struct hf_worker *worker)
{
    struct worker_thread *thread = thread_of(worker);
    hf_port_flush(worker->port);
    if (worker->priv->is_draining && !atomic_load(&thread->is_drained) &&
        worker->priv->awaited == 0) {
        report_drained(thread);
    }
}

/* --- the thread ------------------------------------------------------------------------------- */

static bool open_sources(struct worker_thread *thread)
{
    struct hf_poller *poller = thread->worker.priv->poller;
    thread->port_source.fd = hf_port_fd(thread->worker.port);
    thread->port_source.on_ready = on_port;
    thread->command_source.fd = thread->command_fd;
    thread->command_source.on_ready = on_command;
    /* The port's by its edges: while it rests, what it has is not told of again and again. */
    return hf_poller_set(poller, &thread->port_source, HF_POLL_EDGE) == 0 &&
           hf_poller_set(poller, &thread->command_source, HF_POLL_LEVEL) == 0;
}

static bool open_listeners(struct worker_thread *thread)
{
    struct hf_worker_options *options = &thread->options;
    int fd = options->listener_fd;
    options->listener_fd = -1;
    thread->listener = hf_listener_open(&thread->worker, fd, HF_ENTRANCE_CLIENTS);
    if (thread->listener == NULL || !options->has_internal_listener) {
        return thread->listener != NULL;
    }
    options->has_internal_listener = false;
    thread->internal_listener =
        hf_listener_open(&thread->worker, options->internal_listener_fd, HF_ENTRANCE_INTERNAL);
    return thread->internal_listener != NULL;
}

static bool open_parts(struct worker_thread *thread)
{
    struct hf_worker *worker = &thread->worker;
    worker->priv->first_driver = &hf_http_driver;
    worker->priv->routes = thread->options.routes;
    worker->priv->route_count = thread->options.route_count;
    worker->priv->internal_routes = thread->options.internal_routes;
    worker->priv->internal_route_count = thread->options.internal_route_count;
    for (int i = 0; i < HF_ENTRANCES; i++) {
        if (thread->options.tls[i] != NULL && SSL_CTX_up_ref(thread->options.tls[i]) == 1) {
            worker->priv->tls[i] = thread->options.tls[i];
        }
    }
    worker->priv->admission = thread->options.admission;
    worker->hub = hf_hub_open(worker);
    worker->registry = hf_registry_open(worker);
    worker->surveys = hf_surveys_open(worker);
    worker->emulation = hf_emulation_open();
    worker->users = thread->options.users;
    const struct hf_port_callbacks callbacks = {
        .on_publication = hf_hub_on_publication,
        .on_lost = hf_hub_on_lost,
        .on_bus = on_bus,
        .on_join = hf_member_on_join,
        .on_leave = hf_member_on_leave,
        .port_context = worker,
    };
    worker->port = hf_port_open(thread->options.engine, &callbacks);
    if (worker->hub == NULL || worker->registry == NULL || worker->surveys == NULL ||
        worker->emulation == NULL || worker->port == NULL ||
        hf_token_verifiers_open(&worker->tokens, worker->config) != HF_OK) {
        return false;
    }
    worker->priv->on_turn_end = on_turn_end;
    thread->registry_timer.callback = on_registry_timer;
    hf_wheel_set(worker->wheel, &thread->registry_timer, worker->now_ms);
    return open_listeners(thread) && open_sources(thread);
}

/* The listening sockets that no listener has taken. */
static void close_untaken(const struct hf_worker_options *options)
{
    if (options->listener_fd >= 0) {
        close(options->listener_fd);
    }
    if (options->has_internal_listener) {
        close(options->internal_listener_fd);
    }
}

/* Sessions end first, then their requests with the port, then what both use. */
static void close_parts(struct worker_thread *thread)
{
    struct hf_worker *worker = &thread->worker;
    hf_listener_close(thread->listener);
    hf_listener_close(thread->internal_listener);
    close_untaken(&thread->options);
    hf__connections_close(worker, 3001);
    if (worker->port != NULL) {
        hf_port_flush(worker->port);
        hf_port_close(worker->port);
        worker->port = NULL;
    }
    hf_surveys_close(worker->surveys);
    if (worker->hub != NULL) {
        hf_hub_flush(worker->hub);
    }
    hf_hub_close(worker->hub);
    hf_registry_close(worker->registry);
    hf_emulation_close(worker->emulation);
    hf_token_verifiers_close(&worker->tokens);
    worker->priv->on_turn_end = NULL;
    hf__loop_close(worker);
    hf_websocket_deflate_close();
    hf_buffer_fini(&worker->encode);
}

static void tell_start(struct worker_thread *thread, int result)
{
    pthread_mutex_lock(&thread->start_lock);
    thread->start_result = result;
    pthread_cond_signal(&thread->start_told);
    pthread_mutex_unlock(&thread->start_lock);
}

static void *run_worker(void *context)
{
    struct worker_thread *thread = context;
    struct hf_worker *worker = &thread->worker;
    if (hf__loop_open(worker) != HF_OK) {
        close_untaken(&thread->options);
        tell_start(thread, HF_ENOMEM);
        return NULL;
    }
    bool is_open = open_parts(thread);
    tell_start(thread, is_open ? HF_OK : HF_ENOMEM);
    while (is_open && !thread->is_stopping) {
        hf__loop_turn(worker);
        hf_pace_end(&thread->pace, monotonic_us());
    }
    close_parts(thread);
    return NULL;
}

/* --- the node's side -------------------------------------------------------------------------- */

static void free_thread(struct worker_thread *thread)
{
    pthread_cond_destroy(&thread->start_told);
    pthread_mutex_destroy(&thread->start_lock);
    while (!STAILQ_EMPTY(&thread->inbox)) {
        struct letter *letter = STAILQ_FIRST(&thread->inbox);
        STAILQ_REMOVE_HEAD(&thread->inbox, next);
        free(letter);
    }
    pthread_mutex_destroy(&thread->inbox_lock);
    if (thread->command_fd >= 0) {
        close(thread->command_fd);
    }
    update_free(atomic_load(&thread->update));
    free(thread);
}

int hf_worker_start(const struct hf_worker_options *options, struct hf_worker **worker)
{
    struct worker_thread *thread = calloc(1, sizeof(*thread));
    if (thread == NULL) {
        close_untaken(options);
        return HF_ENOMEM;
    }
    thread->options = *options;
    thread->worker.node = options->node;
    thread->worker.config = options->config;
    thread->worker.index = options->index;
    thread->inbox_max = (size_t)options->config->holdfast.inbox_max_bytes;
    thread->pace.rest_max_us = (uint64_t)options->config->holdfast.delivery_rest_max_ms * 1000;
    hf_buffer_init(&thread->worker.encode, 0);
    thread->start_result = 1;
    pthread_mutex_init(&thread->start_lock, NULL);
    pthread_cond_init(&thread->start_told, NULL);
    pthread_mutex_init(&thread->inbox_lock, NULL);
    STAILQ_INIT(&thread->inbox);
    thread->command_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (thread->command_fd < 0 || pthread_create(&thread->thread, NULL, run_worker, thread) != 0) {
        close_untaken(options);
        free_thread(thread);
        return HF_ENOMEM;
    }
    pthread_mutex_lock(&thread->start_lock);
    while (thread->start_result == 1) {
        pthread_cond_wait(&thread->start_told, &thread->start_lock);
    }
    int result = thread->start_result;
    pthread_mutex_unlock(&thread->start_lock);
    if (result != HF_OK) {
        pthread_join(thread->thread, NULL);
        free_thread(thread);
        return result;
    }
    *worker = &thread->worker;
    return HF_OK;
}

static void wake(const struct worker_thread *thread)
{
    uint64_t one = 1;
    ssize_t written;
    do {
        written = write(thread->command_fd, &one, sizeof(one));
    } while (written < 0 && errno == EINTR);
}

static void command(struct hf_worker *worker, unsigned what)
{
    struct worker_thread *thread = thread_of(worker);
    atomic_fetch_or(&thread->commands, what);
    wake(thread);
}

int hf_worker_reload(struct hf_worker *worker, const struct hf_config *config,
                     SSL_CTX *const tls[HF_ENTRANCES], uint64_t generation)
{
    struct worker_thread *thread = thread_of(worker);
    struct update *update = malloc(sizeof(*update));
    if (update == NULL) {
        return HF_ENOMEM;
    }
    *update = (struct update){.config = config, .generation = generation};
    for (int i = 0; i < HF_ENTRANCES; i++) {
        if (tls[i] != NULL && SSL_CTX_up_ref(tls[i]) == 1) {
            update->tls[i] = tls[i];
        }
    }
    update_free(atomic_exchange(&thread->update, update));
    wake(thread);
    return HF_OK;
}

uint64_t hf_worker_generation(const struct hf_worker *worker)
{
    return atomic_load(&((const struct worker_thread *)worker)->generation);
}

bool hf_worker_tell(struct hf_worker *worker, struct hf_bytes message)
{
    struct worker_thread *thread = thread_of(worker);
    struct letter *letter = malloc(sizeof(*letter) + message.len);
    if (letter == NULL) {
        return false;
    }
    letter->len = message.len;
    memcpy(letter->text, message.data, message.len);
    pthread_mutex_lock(&thread->inbox_lock);
    bool has_room = thread->inbox_bytes + message.len <= thread->inbox_max;
    if (has_room) {
        thread->inbox_bytes += message.len;
        STAILQ_INSERT_TAIL(&thread->inbox, letter, next);
    }
    pthread_mutex_unlock(&thread->inbox_lock);
    if (has_room) {
        wake(thread);
    } else {
        free(letter);
    }
    return has_room;
}

void hf_worker_drain(struct hf_worker *worker)
{
    command(worker, COMMAND_DRAIN);
}

bool hf_worker_is_drained(const struct hf_worker *worker)
{
    return atomic_load(&((const struct worker_thread *)worker)->is_drained);
}

void hf_worker_stop(struct hf_worker *worker)
{
    command(worker, COMMAND_STOP);
}

void hf_worker_join(struct hf_worker *worker)
{
    pthread_join(thread_of(worker)->thread, NULL);
}

void hf_worker_free(struct hf_worker *worker)
{
    free_thread(thread_of(worker));
}
