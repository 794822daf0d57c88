/* A connection: one client socket on one worker, from accept to close, with its output queue.
 *
 * What the bytes mean is a driver's business: HTTP at first (http.c), then perhaps WebSocket
 * (websocket.c). An idle connection holds no buffers: reads go through the worker's scratch
 * buffer, and only an incomplete message is kept.
 *
 *   accept ─► OPEN ──close──► CLOSING (queue drains, bounded in time) ──► CLOSED ─► freed
 *               └──error, drop, peer gone───────────────────────────────────┘
 *
 * Worker's thread only. Nothing is freed inside a call from the owner: memory goes on a later turn
 * of the loop, after driver->on_closed. Writes happen at the end of the turn, those of all
 * connections with one system call where the kernel permits it, so load turns into batches. */
#ifndef HF_SERVER_CONNECTION_H
#define HF_SERVER_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/frame.h"

struct hf_connection;
struct hf_worker;

struct hf_connection_driver {
    const char *name;
    /* A peer that has shut down its sending side still gets what is queued for it. */
    bool answers_after_end;
    /* An accepted connection begins with this driver. NULL for drivers that come later. */
    void (*on_open)(struct hf_connection *connection);
    /* Bytes have come: `data` holds all that is unconsumed, writable, valid until return. Returns
     * how many bytes were consumed; the rest is kept and comes again with more behind it. A driver
     * that is switched during the call (hf_connection_set_driver) has the rest handed to its
     * successor at once. Not called while reading is off or after close. */
    size_t (*on_input)(struct hf_connection *connection, char *data, size_t len);
    /* The output queue has become empty (once for each hf_connection_want_drain). */
    void (*on_drained)(struct hf_connection *connection);
    /* The deadline set with hf_connection_set_deadline has passed. */
    void (*on_deadline)(struct hf_connection *connection, uint64_t now_ms);
    /* The end of the turn (once for each hf_connection_want_later): outside of all other calls. */
    void (*on_later)(struct hf_connection *connection);
    /* The node is going away: say goodbye and close, soon. */
    void (*on_drain)(struct hf_connection *connection);
    /* The last call: release the driver's state. `code` is a disconnect code, 3000 when the peer
     * has left. */
    void (*on_closed)(struct hf_connection *connection, unsigned code);
};

/* Which listener a connection came in by, and so which routes and what TLS it gets. */
enum hf_entrance {
    HF_ENTRANCE_CLIENTS,
    HF_ENTRANCE_INTERNAL, /* http_server.internal_port */
    HF_ENTRANCES
};

/* Takes the descriptor, which must be non-blocking. On failure it is closed and HF_ENOMEM returned.
 * What the peer has sent already goes to the driver before this returns.
 * Where the entrance has TLS, the driver's on_open comes when the handshake is done, and nothing
 * but on_drain and on_closed before. */
int hf_connection_accept(struct hf_worker *worker, int fd, enum hf_entrance entrance);
enum hf_entrance hf_connection_entrance(const struct hf_connection *connection);

void hf_connection_set_driver(struct hf_connection *connection,
                              const struct hf_connection_driver *driver, void *state);
const struct hf_connection_driver *hf_connection_driver(const struct hf_connection *connection);
void hf_connection_set_state(struct hf_connection *connection, void *state);
void *hf_connection_state(const struct hf_connection *connection);
struct hf_worker *hf_connection_worker(const struct hf_connection *connection);

/* Takes a reference of its own. Bytes that the kernel does not take and that exceed the limit
 * (hf_connection_set_queue_max; 0: none) close the connection with 3008 without sending the rest;
 * no memory closes it with 3004. Ignored after close. Never calls the driver before it returns. */
void hf_connection_send(struct hf_connection *connection, struct hf_frame *frame);
void hf_connection_set_queue_max(struct hf_connection *connection, size_t bytes);
/* Has the processor fetch what hf_connection_send is going to need. */
void hf_connection_prefetch(const struct hf_connection *connection);
size_t hf_connection_queued(const struct hf_connection *connection);
/* on_drained follows, on this turn at the earliest, also when nothing is queued. */
void hf_connection_want_drain(struct hf_connection *connection);
void hf_connection_want_later(struct hf_connection *connection);
/* A queue of which the kernel takes nothing for so long closes the connection with 3009. */
void hf_connection_set_write_timeout(struct hf_connection *connection, uint32_t timeout_ms);

/* One deadline per connection, kept in the worker's timer wheel; UINT64_MAX: none. */
void hf_connection_set_deadline(struct hf_connection *connection, uint64_t when_ms);
/* Stop or go on reading (an HTTP request is being answered: the next one waits). */
void hf_connection_set_reading(struct hf_connection *connection, bool reading);

/* `finish`: write what is queued, shut down, and wait for the peer to close, all within
 * `linger_ms`. Otherwise at once, also when it is finishing already. The first call's code is the
 * one that on_closed gets. */
void hf_connection_close(struct hf_connection *connection, unsigned code, bool finish,
                         uint32_t linger_ms);
bool hf_connection_is_closing(const struct hf_connection *connection);

#endif
