#include "net/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <holdfast/error.h>
#include <openssl/ssl.h>

#include "codes.h"
#include "net/output.h"
#include "net/poller.h"
#include "net/send_batch.h"
#include "net/tls.h"
#include "net/worker_loop.h"

enum {
    DEFAULT_WRITE_TIMEOUT_MS = 10000,
    REFUSAL_LINGER_MS = 2000, /* for a peer without TLS to take its answer */
    CACHE_LINE = 64,
};

enum connection_state {
    CONNECTION_OPEN,
    CONNECTION_FINISHING, /* the queue is being written; input is thrown away */
    CONNECTION_LINGERING, /* our side is shut down; waiting for the peer's end */
    CONNECTION_CLOSED,    /* on_closed and the memory's end come with the end of the turn */
};

/* What a delivery touches is together: with many connections, each further cache line is one more
 * wait for memory. */
struct hf_connection {
    struct hf_wheel_entry timer;
    /* hot */
    struct hf_poll_source source; /* and the descriptor */
    struct hf_worker *worker;
    void *state;                     /* the driver's */
    struct hf_connection *next_work; /* in worker->priv->with_work while has_work */
    uint64_t io_deadline_ms; /* open: the stalled write; closing: its end. UINT64_MAX: none */
    SSL *tls;                /* owned; NULL: the socket as it is */
    struct hf_output output;
    size_t queue_max;  /* bytes; 0: no limit */
    uint8_t state_now; /* enum connection_state */
    bool has_work : 1;
    bool is_shaking : 1; /* the TLS handshake is not done: the driver has not begun */
    bool is_reading : 1; /* the driver wants input */
    bool is_blocked : 1; /* the kernel has refused output */
    bool saw_end : 1;    /* the peer has shut down its side */
    bool wants_drain : 1;
    bool wants_later : 1;
    bool is_awaited : 1;        /* was open when draining began */
    bool has_waiting_input : 1; /* reading is on again: the driver gets `input` */
    bool may_read : 1;          /* the socket may hold what no event is going to tell of */
    bool comes_to_end : 1;      /* ... up to its end */
    /* the rest */
    uint16_t close_code;
    uint8_t entrance; /* enum hf_entrance */
    uint32_t write_timeout_ms;
    const struct hf_connection_driver *driver;
    struct hf_connection *next;
    struct hf_connection **link; /* what points here in worker->priv->connections */
    char *input;                 /* owned; what the driver has left unconsumed; NULL: nothing */
    size_t input_len;            /* bytes */
    size_t input_size;           /* allocated */
    uint64_t driver_deadline_ms;
};

#define HOT_BEGIN offsetof(struct hf_connection, source)
#define HOT_END   offsetof(struct hf_connection, close_code)
_Static_assert(HOT_END - HOT_BEGIN <= 2 * CACHE_LINE, "what a delivery touches is together");

static void add_work(struct hf_connection *connection)
{
    if (!connection->has_work) {
        connection->has_work = true;
        connection->next_work = connection->worker->priv->with_work;
        connection->worker->priv->with_work = connection;
    }
}

static void arm_timer(struct hf_connection *connection)
{
    uint64_t deadline_ms = connection->io_deadline_ms;
    if (connection->state_now == CONNECTION_OPEN && connection->driver_deadline_ms < deadline_ms) {
        deadline_ms = connection->driver_deadline_ms;
    }
    hf_wheel_set(connection->worker->wheel, &connection->timer, deadline_ms);
}

static void set_io_deadline(struct hf_connection *connection, uint64_t deadline_ms)
{
    if (connection->io_deadline_ms != deadline_ms) {
        connection->io_deadline_ms = deadline_ms;
        arm_timer(connection);
    }
}

/* The end without delay: nothing more is written; the driver hears of it when the turn ends. */
static void close_now(struct hf_connection *connection, unsigned code)
{
    if (connection->state_now == CONNECTION_CLOSED) {
        return;
    }
    if (connection->state_now == CONNECTION_OPEN) {
        connection->close_code = (uint16_t)code;
    }
    connection->state_now = CONNECTION_CLOSED;
    hf_output_clear(&connection->output);
    hf_wheel_cancel(connection->worker->wheel, &connection->timer);
    add_work(connection);
}

/* --- reading -------------------------------------------------------------------------------- */

static bool takes_input(const struct hf_connection *connection)
{
    return connection->state_now == CONNECTION_OPEN && connection->is_reading;
}

/* Hands bytes to the driver, and to its successor when it is switched. Returns what was used. */
static size_t deliver(struct hf_connection *connection, char *data, size_t len)
{
    size_t used = 0;
    while (used < len && takes_input(connection)) {
        const struct hf_connection_driver *driver = connection->driver;
        used += driver->on_input(connection, data + used, len - used);
        if (connection->driver == driver) {
            break;
        }
    }
    return used;
}

static void deliver_kept(struct hf_connection *connection)
{
    size_t used = deliver(connection, connection->input, connection->input_len);
    connection->input_len -= used;
    if (connection->input_len == 0) {
        free(connection->input);
        connection->input = NULL;
        connection->input_size = 0;
    } else if (used > 0) {
        memmove(connection->input, connection->input + used, connection->input_len);
    }
}

static void deliver_new(struct hf_connection *connection, char *data, size_t len)
{
    size_t used = deliver(connection, data, len);
    if (used == len || connection->state_now != CONNECTION_OPEN) {
        return;
    }
    connection->input = malloc(len - used);
    if (connection->input == NULL) {
        close_now(connection, HF_DISCONNECT_SERVER_ERROR);
        return;
    }
    memcpy(connection->input, data + used, len - used);
    connection->input_len = connection->input_size = len - used;
}

/* Appends bytes that did not fit behind those that are kept. */
static bool keep_more(struct hf_connection *connection, const char *data, size_t len)
{
    size_t size = connection->input_size * 2;
    if (size < connection->input_len + len) {
        size = connection->input_len + len;
    }
    char *input = realloc(connection->input, size);
    if (input == NULL) {
        close_now(connection, HF_DISCONNECT_SERVER_ERROR);
        return false;
    }
    memcpy(input + connection->input_len, data, len);
    connection->input = input;
    connection->input_len += len;
    connection->input_size = size;
    return true;
}

/* Reads behind what is kept, and beyond its memory into the scratch buffer. *is_over: the end comes
 * behind these bytes and will not be heard of again. */
static ssize_t read_socket(struct hf_connection *connection, bool *is_over)
{
    char *scratch = connection->worker->priv->scratch;
    size_t room = connection->input_size - connection->input_len;
    struct iovec vectors[2] = {
        {.iov_base = connection->input + connection->input_len, .iov_len = room},
        {.iov_base = scratch, .iov_len = HF_LOOP_SCRATCH_BYTES},
    };
    size_t full = room + HF_LOOP_SCRATCH_BYTES;
    ssize_t len;
    *is_over = false;
    if (connection->tls != NULL) {
        len = hf_tls_readv(connection->tls, vectors, 2, is_over);
        full -= HF_TLS_RECORD_MAX; /* where less is free, it stops */
    } else if (connection->input == NULL) {
        len = recv(connection->source.fd, scratch, HF_LOOP_SCRATCH_BYTES, 0);
    } else {
        len = readv(connection->source.fd, vectors, 2);
    }
    /* Less than there is room for is all that there was; what comes from now on will be told. */
    if (len > 0 && ((size_t)len >= full || connection->comes_to_end)) {
        return len;
    }
    connection->may_read = len < 0 && errno == EINTR;
    return len;
}

static void take_bytes(struct hf_connection *connection, size_t len)
{
    hf_counter_add(&connection->worker->counters.bytes_in, len);
    if (connection->state_now != CONNECTION_OPEN) {
        return; /* thrown away: nobody will look at it */
    }
    char *scratch = connection->worker->priv->scratch;
    if (connection->input == NULL) {
        deliver_new(connection, scratch, len);
        return;
    }
    size_t room = connection->input_size - connection->input_len;
    if (len <= room) {
        connection->input_len += len;
    } else {
        connection->input_len += room;
        if (!keep_more(connection, scratch, len - room)) {
            return;
        }
    }
    deliver_kept(connection);
}

static void take_end(struct hf_connection *connection)
{
    connection->saw_end = true;
    if (connection->state_now == CONNECTION_FINISHING) {
        add_work(connection); /* the queue is still wanted */
    } else if (connection->state_now == CONNECTION_OPEN && connection->driver->answers_after_end &&
               connection->output.count > 0) {
        hf_connection_close(connection, HF_DISCONNECT_CONNECTION_CLOSED, true,
                            connection->write_timeout_ms);
    } else {
        close_now(connection, HF_DISCONNECT_CONNECTION_CLOSED);
    }
}

/* An answer that a client without TLS understands. */
static void refuse_plaintext(struct hf_connection *connection)
{
    static const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
                               "Content-Length: 39\r\nConnection: close\r\n\r\n"
                               "This port speaks HTTPS: use https://.\r\n";
    struct hf_frame *frame = hf_frame_borrow(text, sizeof(text) - 1, NULL, NULL);
    SSL_free(connection->tls);
    connection->tls = NULL;
    connection->is_shaking = false;
    if (frame == NULL) {
        close_now(connection, HF_DISCONNECT_SERVER_ERROR);
        return;
    }
    hf_connection_send(connection, frame);
    hf_frame_unref(frame);
    hf_connection_close(connection, HF_DISCONNECT_CONNECTION_CLOSED, true, REFUSAL_LINGER_MS);
}

static void shake_hands(struct hf_connection *connection)
{
    struct hf_worker_counters *counters = &connection->worker->counters;
    switch (hf_tls_handshake(connection->tls)) {
    case HF_TLS_DONE:
        connection->is_shaking = false;
        connection->may_read = true; /* what has come behind the handshake */
        hf_counter_add(&counters->tls_handshakes, 1);
        hf_counter_add(&counters->tls_resumptions, SSL_session_reused(connection->tls) == 1);
        set_io_deadline(connection, UINT64_MAX);
        connection->driver->on_open(connection);
        break;
    case HF_TLS_WANTS_READ:
        break;
    case HF_TLS_WANTS_WRITE:
        connection->is_blocked = true;
        add_work(connection);
        break;
    case HF_TLS_IS_HTTP:
        hf_counter_add(&counters->tls_failures, 1);
        refuse_plaintext(connection);
        break;
    case HF_TLS_FAILED:
        close_now(connection, HF_DISCONNECT_CONNECTION_CLOSED);
        break;
    }
}

static void on_readable(struct hf_connection *connection)
{
    bool is_over;
    ssize_t len = read_socket(connection, &is_over);
    if (len > 0) {
        take_bytes(connection, (size_t)len);
        if (is_over && connection->state_now != CONNECTION_CLOSED) {
            take_end(connection);
        }
    } else if (len == 0) {
        take_end(connection);
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        close_now(connection, HF_DISCONNECT_CONNECTION_CLOSED);
    }
}

static bool can_read(const struct hf_connection *connection)
{
    if (!connection->may_read || connection->is_shaking ||
        connection->state_now == CONNECTION_CLOSED) {
        return false;
    }
    return connection->state_now == CONNECTION_OPEN ? connection->is_reading : !connection->saw_end;
}

/* --- events ----------------------------------------------------------------------------------- */

static void on_ready(struct hf_poll_source *source, unsigned what)
{
    struct hf_connection *connection =
        (struct hf_connection *)((char *)source - offsetof(struct hf_connection, source));
    hf__loop_wake(connection->worker);
    if (connection->state_now == CONNECTION_CLOSED) {
        return;
    }
    if ((what & HF_POLL_WRITE) != 0 && connection->is_blocked) {
        connection->is_blocked = false;
        add_work(connection);
    }
    connection->may_read |= (what & HF_POLL_READ) != 0;
    connection->comes_to_end |= (what & HF_POLL_END) != 0;
    if (connection->is_shaking) {
        shake_hands(connection);
    }
    if (can_read(connection)) {
        on_readable(connection);
    }
    if (can_read(connection)) {
        add_work(connection); /* the others first */
    }
}

static void on_timer(struct hf_wheel_entry *entry, uint64_t now_ms)
{
    struct hf_connection *connection =
        (struct hf_connection *)((char *)entry - offsetof(struct hf_connection, timer));
    if (connection->io_deadline_ms <= now_ms) {
        if (connection->state_now == CONNECTION_OPEN && !connection->is_shaking) {
            hf_counters_disconnect(&connection->worker->counters, HF_DISCONNECT_WRITE_ERROR);
        }
        close_now(connection, HF_DISCONNECT_WRITE_ERROR);
        return;
    }
    if (connection->state_now == CONNECTION_OPEN && connection->driver_deadline_ms <= now_ms) {
        connection->driver_deadline_ms = UINT64_MAX;
        connection->driver->on_deadline(connection, now_ms);
    }
    if (connection->state_now != CONNECTION_CLOSED) {
        arm_timer(connection);
    }
}

/* Who has once had to wait for room stays registered for it: that costs nothing until it waits
 * again. */
static void watch(struct hf_connection *connection)
{
    enum hf_poll_mode mode = connection->is_blocked                    ? HF_POLL_EDGE_WRITE
                             : connection->source.mode == HF_POLL_NONE ? HF_POLL_EDGE
                                                                       : connection->source.mode;
    if (hf_poller_set(connection->worker->priv->poller, &connection->source, mode) != 0) {
        close_now(connection, HF_DISCONNECT_SERVER_ERROR);
    }
}

/* --- writing -------------------------------------------------------------------------------- */

/* What has become of the queue, of which `written` bytes have just gone out. */
static void settle_output(struct hf_connection *connection, enum hf_output_result result,
                          uint64_t written)
{
    hf_counter_add(&connection->worker->counters.bytes_out, written);
    if (result == HF_OUTPUT_FAILED) {
        close_now(connection, HF_DISCONNECT_CONNECTION_CLOSED);
        return;
    }
    connection->is_blocked = result == HF_OUTPUT_BLOCKED;
    if (connection->state_now != CONNECTION_OPEN) {
        return; /* the time for finishing is fixed */
    }
    if (result == HF_OUTPUT_EMPTY) {
        set_io_deadline(connection, UINT64_MAX);
    } else if (written > 0 || connection->io_deadline_ms == UINT64_MAX) {
        set_io_deadline(connection, connection->worker->now_ms + connection->write_timeout_ms);
    }
}

/* Writes what the kernel takes; `written` bytes have gone out before. */
static void write_rest(struct hf_connection *connection, uint64_t written)
{
    uint64_t calls = 0;
    enum hf_output_result result = hf_output_write(&connection->output, connection->source.fd,
                                                   connection->tls, &written, &calls);
    hf_counter_add(&connection->worker->counters.writes, calls);
    settle_output(connection, result, written);
}

static void write_output(struct hf_connection *connection)
{
    write_rest(connection, 0);
}

/* A batch has sent the queue's first frames. */
static void on_sent(void *owner, ssize_t result)
{
    struct hf_connection *connection = owner;
    if (result >= 0) {
        hf_output_take(&connection->output, (size_t)result);
        if (connection->output.count > 0) {
            write_rest(connection, (uint64_t)result);
        } else {
            settle_output(connection, HF_OUTPUT_EMPTY, (uint64_t)result);
        }
    } else if (result == -EINTR) {
        write_output(connection);
    } else {
        settle_output(connection, result == -EAGAIN ? HF_OUTPUT_BLOCKED : HF_OUTPUT_FAILED, 0);
    }
}

void hf_connection_send(struct hf_connection *connection, struct hf_frame *frame)
{
    if (connection->state_now != CONNECTION_OPEN) {
        return;
    }
    if (!hf_output_push(&connection->output, frame)) {
        close_now(connection, HF_DISCONNECT_SERVER_ERROR);
        return;
    }
    size_t max = connection->queue_max;
    if (max != 0 && connection->output.bytes > max && !connection->is_blocked) {
        /* Much for one turn is not yet a slow peer: ask the kernel first. */
        write_output(connection);
    }
    if (max != 0 && connection->output.bytes > max) {
        hf_counters_disconnect(&connection->worker->counters, HF_DISCONNECT_SLOW);
        close_now(connection, HF_DISCONNECT_SLOW);
        return;
    }
    if (!connection->is_blocked || connection->source.mode != HF_POLL_EDGE_WRITE) {
        add_work(connection);
    }
}

/* --- the end of the turn -------------------------------------------------------------------- */

static void finish_output(struct hf_connection *connection)
{
    if (connection->state_now != CONNECTION_FINISHING || connection->output.count > 0) {
        return;
    }
    if (connection->tls != NULL) {
        hf_tls_finish(connection->tls);
    }
    if (connection->saw_end || shutdown(connection->source.fd, SHUT_WR) != 0) {
        close_now(connection, connection->close_code);
        return;
    }
    connection->state_now = CONNECTION_LINGERING;
}

static void dispose(struct hf_connection *connection)
{
    SSL_free(connection->tls);
    close(connection->source.fd); /* and nothing is heard of it any more */
    if (connection->is_shaking) {
        hf_counter_add(&connection->worker->counters.tls_failures, 1);
    }
    if (connection->driver != NULL) {
        connection->driver->on_closed(connection, connection->close_code);
    }
    hf_wheel_cancel(connection->worker->wheel, &connection->timer);
    hf_output_clear(&connection->output);
    free(connection->input);
    *connection->link = connection->next;
    if (connection->next != NULL) {
        connection->next->link = connection->link;
    }
    hf_counter_sub(&connection->worker->counters.connections, 1);
    connection->worker->priv->awaited -= connection->is_awaited;
    free(connection);
}

static bool can_write(const struct hf_connection *connection)
{
    return connection->state_now != CONNECTION_CLOSED && connection->output.count > 0 &&
           !connection->is_blocked;
}

static bool can_take_waiting(const struct hf_connection *connection)
{
    return connection->has_waiting_input && takes_input(connection);
}

static bool can_tell_drained(const struct hf_connection *connection)
{
    return connection->wants_drain && connection->output.count == 0 &&
           connection->state_now == CONNECTION_OPEN;
}

/* What a connection has to do before it writes. */
static void begin_work(struct hf_connection *connection)
{
    if (connection->wants_later && connection->state_now != CONNECTION_CLOSED) {
        connection->wants_later = false;
        connection->driver->on_later(connection);
    }
    if (can_take_waiting(connection)) {
        connection->has_waiting_input = false;
        if (connection->input != NULL) {
            deliver_kept(connection);
        }
    }
    if (can_read(connection)) {
        on_readable(connection);
    }
}

static void run_batch(struct hf_worker *worker)
{
    hf_counter_add(&worker->counters.writes, hf_send_batch_run(worker->priv->batch, on_sent));
}

/* No callbacks run here, so the queues stay as they are until the batch has been sent. */
static void write_all(struct hf_worker *worker, struct hf_connection *first)
{
    struct hf_send_batch *batch = worker->priv->batch;
    for (struct hf_connection *at = first; at != NULL; at = at->next_work) {
        if (!can_write(at)) {
            continue;
        }
        if (at->tls != NULL) {
            write_output(at);
        } else if (!hf_send_batch_add(batch, at->source.fd, &at->output, at)) {
            run_batch(worker);
            (void)hf_send_batch_add(batch, at->source.fd, &at->output, at); /* it is empty now */
        }
    }
    run_batch(worker);
}

/* What is to be done after writing; what that brings anew waits for the next pass. */
static void end_work(struct hf_connection *connection)
{
    if (connection->state_now == CONNECTION_CLOSED) {
        dispose(connection); /* still has_work: last words must not put it on the list again */
        return;
    }
    connection->has_work = false;
    if (can_tell_drained(connection)) {
        connection->wants_drain = false;
        connection->driver->on_drained(connection);
    }
    finish_output(connection);
    if (connection->state_now != CONNECTION_CLOSED) {
        watch(connection);
    }
    if (connection->state_now != CONNECTION_CLOSED &&
        (connection->wants_later || can_take_waiting(connection) || can_read(connection) ||
         can_write(connection) || can_tell_drained(connection))) {
        add_work(connection);
    }
}

void hf__connections_work(struct hf_worker *worker)
{
    struct hf_connection *connection = worker->priv->with_work;
    worker->priv->with_work = NULL;
    for (struct hf_connection *at = connection; at != NULL; at = at->next_work) {
        begin_work(at);
    }
    write_all(worker, connection);
    while (connection != NULL) {
        struct hf_connection *next = connection->next_work;
        end_work(connection);
        connection = next;
    }
}

void hf__connections_drain(struct hf_worker *worker)
{
    struct hf_connection *connection = worker->priv->connections;
    for (; connection != NULL; connection = connection->next) {
        connection->is_awaited = true;
        worker->priv->awaited++;
        if (connection->state_now == CONNECTION_OPEN) {
            connection->driver->on_drain(connection);
        }
    }
}

void hf__connections_close(struct hf_worker *worker, unsigned code)
{
    struct hf_connection *connection = worker->priv->connections;
    for (; connection != NULL; connection = connection->next) {
        close_now(connection, code);
    }
    while (worker->priv->with_work != NULL) {
        hf__connections_work(worker);
    }
}

void hf_connection_prefetch(const struct hf_connection *connection)
{
    const char *hot = (const char *)connection + HOT_BEGIN;
    __builtin_prefetch(hot, 1);
    __builtin_prefetch(hot + CACHE_LINE, 1);
}

size_t hf__connection_size(void)
{
    return sizeof(struct hf_connection);
}

/* --- opening, closing, settings --------------------------------------------------------------- */

/* A connection that is not in the worker's list yet. NULL: no memory; the descriptor is closed. */
static struct hf_connection *new_connection(struct hf_worker *worker, int fd, SSL_CTX *tls)
{
    struct hf_connection *connection = calloc(1, sizeof(*connection));
    if (connection != NULL && tls != NULL) {
        connection->tls = hf_tls_open(tls, fd);
        connection->is_shaking = true;
    }
    if (connection == NULL || (tls != NULL && connection->tls == NULL)) {
        free(connection);
        close(fd);
        return NULL;
    }
    connection->worker = worker;
    connection->timer.callback = on_timer;
    connection->driver_deadline_ms = UINT64_MAX;
    connection->io_deadline_ms = UINT64_MAX;
    connection->write_timeout_ms = DEFAULT_WRITE_TIMEOUT_MS;
    connection->is_reading = true;
    connection->source.on_ready = on_ready;
    connection->source.fd = fd;
    return connection;
}

int hf_connection_accept(struct hf_worker *worker, int fd, enum hf_entrance entrance)
{
    struct hf_connection *connection = new_connection(worker, fd, worker->priv->tls[entrance]);
    if (connection == NULL) {
        return HF_ENOMEM;
    }
    connection->entrance = (uint8_t)entrance;
    connection->next = worker->priv->connections;
    connection->link = &worker->priv->connections;
    if (connection->next != NULL) {
        connection->next->link = &connection->next;
    }
    worker->priv->connections = connection;
    hf_gather_arrival(&worker->priv->gather);
    hf_counter_add(&worker->counters.connections, 1);
    connection->driver = worker->priv->first_driver;
    if (connection->is_shaking) {
        set_io_deadline(connection,
                        worker->now_ms +
                            (uint64_t)worker->config->holdfast.tls_handshake_timeout_ms);
    } else {
        connection->driver->on_open(connection);
        on_readable(connection); /* where many come, most have spoken before they are accepted */
    }
    add_work(connection); /* the end of the turn registers what it waits for */
    return HF_OK;
}

void hf_connection_close(struct hf_connection *connection, unsigned code, bool finish,
                         uint32_t linger_ms)
{
    if (!finish || connection->is_shaking) {
        close_now(connection, code);
        return;
    }
    if (connection->state_now != CONNECTION_OPEN) {
        return;
    }
    connection->state_now = CONNECTION_FINISHING;
    connection->close_code = (uint16_t)code;
    set_io_deadline(connection, connection->worker->now_ms + linger_ms);
    add_work(connection);
}

enum hf_entrance hf_connection_entrance(const struct hf_connection *connection)
{
    return connection->entrance;
}

bool hf_connection_is_closing(const struct hf_connection *connection)
{
    return connection->state_now != CONNECTION_OPEN;
}

void hf_connection_set_driver(struct hf_connection *connection,
                              const struct hf_connection_driver *driver, void *state)
{
    connection->driver = driver;
    connection->state = state;
}

const struct hf_connection_driver *hf_connection_driver(const struct hf_connection *connection)
{
    return connection->driver;
}

void hf_connection_set_state(struct hf_connection *connection, void *state)
{
    connection->state = state;
}

void *hf_connection_state(const struct hf_connection *connection)
{
    return connection->state;
}

struct hf_worker *hf_connection_worker(const struct hf_connection *connection)
{
    return connection->worker;
}

void hf_connection_set_queue_max(struct hf_connection *connection, size_t bytes)
{
    connection->queue_max = bytes;
}

size_t hf_connection_queued(const struct hf_connection *connection)
{
    return connection->output.bytes;
}

void hf_connection_want_drain(struct hf_connection *connection)
{
    connection->wants_drain = true;
    add_work(connection);
}

void hf_connection_want_later(struct hf_connection *connection)
{
    connection->wants_later = true;
    add_work(connection);
}

void hf_connection_set_write_timeout(struct hf_connection *connection, uint32_t timeout_ms)
{
    connection->write_timeout_ms = timeout_ms;
}

void hf_connection_set_deadline(struct hf_connection *connection, uint64_t when_ms)
{
    if (connection->driver_deadline_ms != when_ms) {
        connection->driver_deadline_ms = when_ms;
        if (connection->state_now != CONNECTION_CLOSED) {
            arm_timer(connection);
        }
    }
}

void hf_connection_set_reading(struct hf_connection *connection, bool reading)
{
    if (connection->is_reading == reading) {
        return;
    }
    connection->is_reading = reading;
    connection->has_waiting_input = reading;
    add_work(connection);
}
