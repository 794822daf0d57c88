#include "node.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <http_parser.h>

#include "api/api_routes.h"
#include "client/users.h"
#include "log.h"
#include "net/admission.h"
#include "net/emulation.h"
#include "net/listener.h"
#include "net/poll.h"
#include "net/stream.h"
#include "net/websocket_driver.h"
#include "reload.h"
#include "worker.h"

enum {
    UUID_TEXT_SIZE = 37,
    REASON_SIZE = 256,
    RELOAD_TIDY_MS = 1000,
    PARSER_SLACK = 4096, /* what the parser allows above our own limit of heads */
};

struct hf_node {
    const struct hf_config *config;
    char uid[UUID_TEXT_SIZE];
    uint64_t started_ms; /* monotonic */
    uint16_t port;       /* listened on */
    atomic_bool is_draining;
    struct hf_engine *engine;
    struct hf_routes routes;
    struct hf_routes internal_routes; /* of the internal listener, when there is one */
    struct hf_reload reload;
    struct hf_admission admission;
    struct hf_users *users;        /* owned */
    struct hf_worker **workers;    /* owned; the first `worker_count` have been started */
    _Atomic unsigned worker_count; /* workers that run already see it grow */
    int signal_fd;
    int report_fd; /* eventfd: a worker has drained */
    sigset_t old_signals;
    bool has_pid_file;
};

static uint64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- what others ask -------------------------------------------------------------------------- */

const char *hf_node_uid(const struct hf_node *node)
{
    return node->uid;
}

const char *hf_node_name(const struct hf_node *node)
{
    return node->config->node_name;
}

uint64_t hf_node_uptime_s(const struct hf_node *node)
{
    return (monotonic_ms() - node->started_ms) / 1000;
}

bool hf_node_is_draining(const struct hf_node *node)
{
    return atomic_load(&node->is_draining);
}

struct hf_engine *hf_node_engine(const struct hf_node *node)
{
    return node->engine;
}

unsigned hf_node_worker_count(const struct hf_node *node)
{
    return node->worker_count;
}

struct hf_worker *hf_node_worker(const struct hf_node *node, unsigned index)
{
    return node->workers[index];
}

/* --- the process ------------------------------------------------------------------------------ */

static bool make_uid(char uid[UUID_TEXT_SIZE])
{
    unsigned char b[16];
    if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b)) {
        return false;
    }
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4, RFC 9562 */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(uid, UUID_TEXT_SIZE,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
    return true;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        hf_log(HF_LOG_WARN, "the descriptor limit is unknown", "error=%s", strerror(errno));
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        hf_log(HF_LOG_WARN, "the descriptor limit cannot be raised", "error=%s", strerror(errno));
        return;
    }
    hf_log(HF_LOG_INFO, "descriptor limit", "descriptors=%ju", (uintmax_t)limit.rlim_cur);
}

static bool write_pid_file(struct hf_node *node)
{
    const char *path = node->config->pid_file;
    if (path[0] == '\0') {
        return true;
    }
    FILE *file = fopen(path, "we");
    bool is_written = file != NULL && fprintf(file, "%ld\n", (long)getpid()) > 0;
    if (file != NULL && fclose(file) != 0) {
        is_written = false;
    }
    if (!is_written) {
        hf_log(HF_LOG_ERROR, "the pid file cannot be written", "path=%s error=%s", path,
               strerror(errno));
    }
    node->has_pid_file = file != NULL;
    return is_written;
}

/* Signals are read from a descriptor; threads that start later inherit the mask. */
static bool take_signals(struct hf_node *node)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &signals, &node->old_signals);
    node->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    node->report_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (node->signal_fd < 0 || node->report_fd < 0) {
        hf_log(HF_LOG_ERROR, "signals cannot be read", "error=%s", strerror(errno));
        return false;
    }
    return true;
}

/* --- the parts -------------------------------------------------------------------------------- */

static void log_engine(void *context, enum hf_log_severity severity, const char *text)
{
    (void)context;
    static const enum hf_log_level levels[] = {
        [HF_SEVERITY_DEBUG] = HF_LOG_DEBUG,
        [HF_SEVERITY_INFO] = HF_LOG_INFO,
        [HF_SEVERITY_WARNING] = HF_LOG_WARN,
        [HF_SEVERITY_ERROR] = HF_LOG_ERROR,
    };
    hf_log(levels[severity], text, "part=%s", "engine");
}

static const char *text_or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

/* 0 is "none" in our configuration and "the default" in the engine's. */
static uint32_t at_least_1(int64_t value)
{
    return value > 0 ? (uint32_t)value : 1;
}

static size_t at_least_1_byte(uint64_t value)
{
    return value > 0 ? value : 1;
}

static bool open_engine(struct hf_node *node)
{
    const struct hf_config *config = node->config;
    const struct hf_config_redis *redis = &config->engine.redis;
    const struct hf_config_holdfast *own = &config->holdfast;
    const struct hf_engine_config engine_config = {
        .store = config->engine.type == HF_ENGINE_TYPE_REDIS ? HF_STORE_REDIS : HF_STORE_MEMORY,
        .redis =
            {
                .address = redis->address,
                .user = text_or_null(redis->user),
                .password = text_or_null(redis->password),
                .db = redis->db,
                .prefix = redis->prefix,
                .client_name = text_or_null(redis->client_name),
                .connect_timeout_ms = (uint32_t)redis->connect_timeout_ms,
                .io_timeout_ms = (uint32_t)redis->io_timeout_ms,
                .probe_interval_ms = (uint32_t)own->redis_probe_interval_ms,
            },
        .node_name = node->uid,
        .presence_ttl_ms = (uint32_t)redis->presence_ttl_ms,
        .linger_ms = at_least_1(own->linger_ms),
        .lingering_streams_max = at_least_1(own->lingering_streams_max),
        .tail_publications_max = at_least_1(own->tail_max_publications),
        .tail_bytes_max = at_least_1_byte(own->tail_max_bytes),
        .tails_bytes_max = at_least_1_byte(own->tails_max_bytes),
        .page_publications_max = at_least_1(own->page_max_publications),
        .page_bytes_max = at_least_1_byte(own->page_max_bytes),
        .loads_in_flight_max = at_least_1(own->loads_in_flight_max),
        .wait_ms = at_least_1(own->store_wait_ms),
        .node_timeout_ms = (uint32_t)own->node_timeout_ms,
        .node_hello_ms = (uint32_t)own->node_hello_ms,
        .awaited_nodes_max = own->awaited_nodes_max,
        .witnesses_max = own->witnesses_max,
        .witnesses_bytes_max = at_least_1_byte(own->witnesses_max_bytes),
        .witness_ttl_ms = (uint32_t)own->witness_ttl_ms,
        .idle_channels_max = own->idle_channels_max,
        .idle_channel_ttl_ms = (uint32_t)own->idle_channel_ttl_ms,
        .memory_keys_max = own->memory_keys_max,
        .memory_versions_max = own->memory_versions_max,
        .pending_requests_max = at_least_1(own->pending_requests_max),
        .pending_bytes_max = at_least_1_byte(own->pending_bytes_max),
        .publication_bytes_max = (size_t)own->publication_max_bytes,
        .mailbox_bytes_max = at_least_1_byte(own->mailbox_max_bytes),
        .log = log_engine,
    };
    char reason[REASON_SIZE] = "";
    int result = hf_engine_open(&engine_config, &node->engine, reason, sizeof(reason));
    if (result != HF_OK) {
        hf_log(HF_LOG_ERROR, "the engine cannot start", "error=%s reason=%s", hf_error_text(result),
               reason);
    }
    return result == HF_OK;
}

static bool has_internal(const struct hf_config *config)
{
    return config->http_server.internal_port != 0;
}

static int add_stream_routes(const struct hf_config *config, struct hf_routes *routes)
{
    const struct {
        bool is_on;
        const char *path;
        hf_http_handler *handler;
    } streams[] = {
        {config->http_stream.enabled, config->http_stream.handler_prefix, hf_http_stream_handle},
        {config->sse.enabled, config->sse.handler_prefix, hf_sse_handle},
        {config->http_stream.enabled || config->sse.enabled, config->emulation.handler_prefix,
         hf_emulation_handle},
        {config->uni_sse.enabled, config->uni_sse.handler_prefix, hf_uni_sse_handle},
        {config->uni_http_stream.enabled, config->uni_http_stream.handler_prefix,
         hf_uni_http_stream_handle},
        {config->uni_websocket.enabled, config->uni_websocket.handler_prefix,
         hf_uni_websocket_handle},
        {config->holdfast.poll_enabled, config->holdfast.poll_handler_prefix, hf_poll_handle},
    };
    int result = HF_OK;
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]) && result == HF_OK; i++) {
        if (streams[i].is_on) {
            result = hf_routes_add(routes, streams[i].path, "", streams[i].handler);
        }
    }
    return result;
}

static bool build_routes(struct hf_node *node)
{
    const struct hf_config *config = node->config;
    struct hf_routes *internal = has_internal(config) ? &node->internal_routes : &node->routes;
    int result = hf_api_add_routes(config, config->http_api.external ? &node->routes : internal);
    if (result == HF_OK) {
        result = hf_health_add_routes(config, internal);
    }
    if (result == HF_OK) {
        result = hf_metrics_add_routes(config, internal);
    }
    if (result == HF_OK && !config->websocket.disabled) {
        result =
            hf_routes_add(&node->routes, config->websocket.handler_prefix, "", hf_websocket_handle);
    }
    if (result == HF_OK) {
        result = add_stream_routes(config, &node->routes);
    }
    if (result != HF_OK) {
        hf_log(HF_LOG_ERROR, "the routes cannot be set up", "error=%s", hf_error_text(result));
    }
    return result == HF_OK;
}

/* Takes the descriptors, also on failure. */
static bool start_workers_on(struct hf_node *node, const int *fds, const int *internal_fds,
                             unsigned count)
{
    bool has_internal_listener = has_internal(node->config);
    for (unsigned i = 0; i < count; i++) {
        const struct hf_worker_options options = {
            .node = node,
            .config = node->config,
            .engine = node->engine,
            .index = i,
            .listener_fd = fds[i],
            .has_internal_listener = has_internal_listener,
            .internal_listener_fd = internal_fds[i],
            .report_fd = node->report_fd,
            .routes = node->routes.items,
            .route_count = node->routes.count,
            .internal_routes = node->internal_routes.items,
            .internal_route_count = node->internal_routes.count,
            .tls = {node->reload.tls[HF_ENTRANCE_CLIENTS], node->reload.tls[HF_ENTRANCE_INTERNAL]},
            .admission = &node->admission,
            .users = node->users,
        };
        int result = hf_worker_start(&options, &node->workers[i]);
        if (result != HF_OK) {
            hf_log(HF_LOG_ERROR, "a worker cannot start", "worker=%u error=%s", i,
                   hf_error_text(result));
            for (unsigned rest = i + 1; rest < count; rest++) {
                close(fds[rest]);
                if (has_internal_listener) {
                    close(internal_fds[rest]);
                }
            }
            return false;
        }
        node->worker_count = i + 1;
    }
    return true;
}

/* `count` sockets for each listener that there is. False: logged, all are closed. */
static bool bind_listeners(struct hf_node *node, int *fds, int *internal_fds, unsigned count)
{
    const struct hf_config_http_server *server = &node->config->http_server;
    const char *internal_address =
        server->internal_address[0] != '\0' ? server->internal_address : server->address;
    uint16_t internal_port = (uint16_t)server->internal_port;
    char reason[REASON_SIZE];
    node->port = (uint16_t)server->port;
    if (hf_listener_bind(server->address, &node->port, fds, count, reason, sizeof(reason)) != 0) {
        hf_log(HF_LOG_ERROR, "cannot listen", "reason=%s", reason);
        return false;
    }
    if (has_internal(node->config) &&
        hf_listener_bind(internal_address, &internal_port, internal_fds, count, reason,
                         sizeof(reason)) != 0) {
        hf_log(HF_LOG_ERROR, "cannot listen", "reason=%s", reason);
        for (unsigned i = 0; i < count; i++) {
            close(fds[i]);
        }
        return false;
    }
    return true;
}

static bool start_workers(struct hf_node *node)
{
    const struct hf_config *config = node->config;
    unsigned count = config->holdfast.workers;
    int *fds = calloc(2 * (size_t)count, sizeof(*fds));
    node->workers = calloc(count, sizeof(struct hf_worker *));
    if (fds == NULL || node->workers == NULL) {
        free(fds);
        hf_log(HF_LOG_ERROR, "no memory for the workers", "workers=%u", count);
        return false;
    }
    bool is_started = bind_listeners(node, fds, fds + count, count) &&
                      start_workers_on(node, fds, fds + count, count);
    free(fds);
    return is_started;
}

/* --- running ---------------------------------------------------------------------------------- */

/* Waits for a signal that ends the node, for at most timeout_ms (-1: for ever), or until
 * `is_done`. Returns whether such a signal came. */
static bool wait_for_end(struct hf_node *node, int64_t timeout_ms,
                         bool (*is_done)(const struct hf_node *node))
{
    uint64_t deadline_ms = timeout_ms < 0 ? UINT64_MAX : monotonic_ms() + (uint64_t)timeout_ms;
    while (!is_done(node)) {
        uint64_t now_ms = monotonic_ms();
        if (now_ms >= deadline_ms) {
            return false;
        }
        uint64_t left_ms = deadline_ms - now_ms;
        int wait_ms = deadline_ms == UINT64_MAX ? -1 : left_ms < 60000 ? (int)left_ms : 60000;
        struct pollfd fds[2] = {{.fd = node->signal_fd, .events = POLLIN},
                                {.fd = node->report_fd, .events = POLLIN}};
        if (poll(fds, 2, wait_ms) < 0 && errno != EINTR) {
            hf_log(HF_LOG_ERROR, "poll failed", "error=%s", strerror(errno));
            return true;
        }
        uint64_t reports;
        if (read(node->report_fd, &reports, sizeof(reports)) < 0 && errno != EAGAIN) {
            hf_log(HF_LOG_ERROR, "workers cannot be heard", "error=%s", strerror(errno));
        }
        struct signalfd_siginfo info;
        while (read(node->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
            if (info.ssi_signo != SIGHUP) {
                hf_log(HF_LOG_INFO, "signal", "name=%s", strsignal((int)info.ssi_signo));
                return true;
            }
            hf_reload_run(&node->reload, node->workers, node->worker_count, &node->admission);
        }
    }
    return false;
}

static bool is_never(const struct hf_node *node)
{
    (void)node;
    return false;
}

static bool are_drained(const struct hf_node *node)
{
    for (unsigned i = 0; i < node->worker_count; i++) {
        if (!hf_worker_is_drained(node->workers[i])) {
            return false;
        }
    }
    return true;
}

/* Until a signal ends the node. */
static void serve(struct hf_node *node)
{
    while (!wait_for_end(node, RELOAD_TIDY_MS, is_never)) {
        hf_reload_tidy(&node->reload, node->workers, node->worker_count);
    }
}

/* Returns the exit status. */
static int drain(struct hf_node *node)
{
    hf_log(HF_LOG_INFO, "shutting down: clients are told to reconnect elsewhere",
           "timeout_ms=%" PRId64, node->config->shutdown_timeout_ms);
    atomic_store(&node->is_draining, true);
    for (unsigned i = 0; i < node->worker_count; i++) {
        hf_worker_drain(node->workers[i]);
    }
    bool is_interrupted = wait_for_end(node, node->config->shutdown_timeout_ms, are_drained);
    if (are_drained(node)) {
        return EXIT_SUCCESS;
    }
    hf_log(HF_LOG_ERROR,
           is_interrupted ? "stopping at once: a second signal came" : "shutdown timeout reached",
           "");
    return EXIT_FAILURE;
}

static bool start(struct hf_node *node, const struct hf_config_source *source)
{
    const struct hf_config *config = node->config;
    if (!make_uid(node->uid)) {
        hf_log(HF_LOG_ERROR, "no randomness for the node's id", "error=%s", strerror(errno));
        return false;
    }
    http_parser_set_max_header_size((uint32_t)config->holdfast.http_header_max_bytes +
                                    PARSER_SLACK);
    hf_admission_init(&node->admission, config->client.connection_limit,
                      config->client.connection_rate_limit);
    raise_descriptor_limit();
    node->users = hf_users_new(config->client.user_connection_limit);
    if (node->users == NULL) {
        hf_log(HF_LOG_ERROR, "no memory to count users", "");
        return false;
    }
    if (!hf_reload_open(&node->reload, config, source) || !take_signals(node) ||
        !open_engine(node) || !build_routes(node) || !start_workers(node) ||
        !write_pid_file(node)) {
        return false;
    }
    hf_log(HF_LOG_INFO, "holdfast is serving",
           "version=%s name=%s address=%s port=%u engine=%s workers=%u", HF_VERSION,
           config->node_name, config->http_server.address, (unsigned)node->port,
           config->engine.type == HF_ENGINE_TYPE_REDIS ? "redis" : "memory",
           hf_node_worker_count(node));
    return true;
}

static void stop(struct hf_node *node)
{
    for (unsigned i = 0; i < node->worker_count; i++) {
        hf_worker_stop(node->workers[i]);
    }
    for (unsigned i = 0; i < node->worker_count; i++) {
        hf_worker_join(node->workers[i]);
    }
    for (unsigned i = 0; i < node->worker_count; i++) {
        hf_worker_free(node->workers[i]);
    }
    free(node->workers);
    hf_users_free(node->users);
    if (node->engine != NULL) {
        hf_engine_close(node->engine);
    }
    hf_routes_fini(&node->routes);
    hf_routes_fini(&node->internal_routes);
    hf_reload_close(&node->reload);
    if (node->has_pid_file && unlink(node->config->pid_file) != 0) {
        hf_log(HF_LOG_WARN, "the pid file cannot be removed", "error=%s", strerror(errno));
    }
    if (node->signal_fd >= 0) {
        close(node->signal_fd);
    }
    if (node->report_fd >= 0) {
        close(node->report_fd);
    }
    pthread_sigmask(SIG_SETMASK, &node->old_signals, NULL);
}

int hf_node_run(const struct hf_config *config, const struct hf_config_source *source)
{
    struct hf_node node = {
        .config = config,
        .started_ms = monotonic_ms(),
        .signal_fd = -1,
        .report_fd = -1,
    };
    pthread_sigmask(SIG_SETMASK, NULL, &node.old_signals);
    int status = EXIT_FAILURE;
    if (start(&node, source)) {
        serve(&node);
        status = drain(&node);
    }
    stop(&node);
    hf_log(HF_LOG_INFO, "holdfast has stopped", "status=%d", status);
    return status;
}
