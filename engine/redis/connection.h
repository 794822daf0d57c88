/* Connection: one connection to a Redis server that is there for good: it is made, introduced
 * (AUTH, HELLO, SELECT, scripts), used as an ordered pipeline of commands, and when it breaks made
 * again, for ever, with backoff. Loop thread only.
 *
 *   WAITING ──timer──► RESOLVING ──► CONNECTING ──► GREETING ──on_ready──► READY
 *      ▲                   │              │             │                    │
 *      └───────────────────┴──────────────┴─────────────┴─────broken─────────┘   (on_closed)
 *
 * K1  Every command gets exactly one callback: its reply, or NULL when the connection broke or is
 *     freed. Replies come in the order of the commands.
 * K2  Nothing is called back from inside a call, except that _free calls back open commands.
 * K3  A command that is unanswered for io_timeout_ms, while nothing arrives, breaks the connection.
 * K4  on_closed follows every on_ready, after the callbacks of K1; it also comes, without an
 *     on_ready, when an attempt fails. The reason holds no secret. */
#ifndef HF_REDIS_CONNECTION_H
#define HF_REDIS_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "redis/address.h"
#include "redis/reply.h"

struct event_base;
struct hf_redis_connection;

#define HF_REDIS_REASON_SIZE    160
#define HF_REDIS_REPLICA_REASON "READONLY: it is a replica of another server"

struct hf_redis_connection_config {
    struct hf_redis_address address; /* borrowed for the connection's life */
    const char *client_name;         /* NULL: none; borrowed the same */
    uint32_t connect_timeout_ms;     /* of the name's look-up and the connect together */
    uint32_t io_timeout_ms;
    bool has_scripts; /* load them, and refuse a server that takes no writes */
};

struct hf_redis_connection_events {
    void (*on_ready)(void *context);
    void (*on_closed)(void *context, const char *reason);
    /* Set for a pub/sub connection: everything that arrives after on_ready goes here instead of to
     * commands' callbacks. Borrowed until return. */
    void (*on_push)(void *context, const struct hf_reply *reply);
    void *context;
};

/* NULL: no memory. The first attempt begins from the loop. */
struct hf_redis_connection *
hf_redis_connection_new(struct event_base *base, const struct hf_redis_connection_config *config,
                        const struct hf_redis_connection_events *events);

/* Calls back open commands with NULL, not on_closed. Not from a callback of this connection. */
void hf_redis_connection_free(struct hf_redis_connection *connection);

/* Also false when _break was called: what is sent then is lost. */
bool hf_redis_connection_is_ready(const struct hf_redis_connection *connection);
const char *hf_redis_connection_reason(const struct hf_redis_connection *connection);
/* The server's life (identity.h), asked for by each greeting (with has_scripts); when it is not
 * told, another number for each connection. Never 0 once on_ready was called. */
uint64_t hf_redis_connection_life(const struct hf_redis_connection *connection);
uint64_t hf_redis_connection_commands(const struct hf_redis_connection *connection);

/* Gives the connection up, as if it had broken; carried out on the loop's next turn. */
void hf_redis_connection_break(struct hf_redis_connection *connection, const char *reason);

/* Ends the wait for the next attempt: the server is known to be there. */
void hf_redis_connection_hurry(struct hf_redis_connection *connection);

/* Stops or goes on reading. While it is stopped there are no timeouts. */
void hf_redis_connection_pause(struct hf_redis_connection *connection, bool paused);

/* --- writing commands, only while ready ----------------------------------------------------- */

/* `reply` is borrowed until return; NULL: the connection broke after the command was sent. */
typedef void hf_redis_callback(void *context, const struct hf_reply *reply);

/* Bytes that one argument of `len` bytes takes at most, and those a command's start takes. */
#define HF_REDIS_ARGUMENT_SIZE(len) ((size_t)(len) + 26)
#define HF_REDIS_COMMAND_SIZE       ((size_t)24)

/* Room for one command of at most `size` bytes in the output buffer. NULL: no memory. Write it at
 * once with the functions below, then hand over its end. */
char *hf_redis_connection_reserve(struct hf_redis_connection *connection, size_t size);

/* Sends what was written from the last reserve's result up to `end`. `callback` is NULL on a
 * pub/sub connection. False: no memory; nothing was sent then and there is no callback. */
bool hf_redis_connection_send(struct hf_redis_connection *connection, char *end,
                              hf_redis_callback *callback, void *context);

/* A short command of NUL-terminated arguments, the last one NULL. False: no memory. */
bool hf_redis_connection_command(struct hf_redis_connection *connection,
                                 hf_redis_callback *callback, void *context, ...);

/* Writers: each returns the new end. The first writes bare digits, at most 20, no argument. */
char *hf_redis_write_digits(char *at, uint64_t value);
char *hf_redis_write_command(char *at, size_t arguments);
char *hf_redis_write_bytes(char *at, const char *data, size_t len);
char *hf_redis_write_text(char *at, const char *text);
char *hf_redis_write_number(char *at, uint64_t number);
/* One argument of two parts: a prefix and a name. */
char *hf_redis_write_joined(char *at, const char *prefix, size_t prefix_len, const char *data,
                            size_t len);

/* One argument of `len` bytes in many parts: start, parts, then the part "\r\n". */
char *hf_redis_write_start(char *at, size_t len);
char *hf_redis_write_part(char *at, const char *data, size_t len);

#endif
