#include "redis/connection.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include <holdfast/error.h>

#include "redis/backoff.h"
#include "redis/identity.h"
#include "redis/resolve.h"
#include "redis/scripts.h"

#define FEED_SIZE     ((size_t)16 * 1024)
#define READ_SIZE     ((size_t)256 * 1024)
#define COMMANDS_MIN  64
#define STABLE_MS     1000 /* a connection that lasted so long resets the backoff */
#define ARGUMENTS_MAX 8

enum state {
    STATE_WAITING,    /* `timer` ends the backoff */
    STATE_RESOLVING,  /* `resolve`; `timer` is the connect timeout */
    STATE_CONNECTING, /* `stream`; `timer` is the connect timeout */
    STATE_GREETING,   /* `stream`; commands of the greeting are open; `timer` is the io timeout */
    STATE_READY,      /* the same, for the owner's commands */
};

struct command {
    hf_redis_callback *callback;
    void *context;
    uint64_t sent_ms;
};

struct hf_redis_connection {
    /* set by new */
    struct event_base *base;
    struct hf_redis_connection_config config;
    struct hf_redis_connection_events events;
    struct hf_resolver *resolver;
    struct event *timer;
    struct event *breaker; /* made active by _break */
    uint64_t random;

    /* the attempt */
    enum state state;
    struct hf_backoff backoff;
    uint32_t attempts; /* so that each tries the next address of the name */
    struct hf_resolve *resolve;
    struct bufferevent *stream;
    struct hf_reply_reader *reader;
    uint64_t life; /* of the server's process */
    uint64_t ready_ms;
    uint64_t arrived_ms; /* when bytes came last */
    bool is_paused;
    char reason[HF_REDIS_REASON_SIZE];       /* why it is not ready, or "" */
    char break_reason[HF_REDIS_REASON_SIZE]; /* given to _break */

    /* open commands: a ring of `commands_capacity` (a power of two) */
    struct command *commands;
    size_t commands_capacity, commands_first, commands_count;
    char *reserved; /* the last reserve's result */
    struct evbuffer_iovec room;
    uint64_t sent;
};

static void greet(struct hf_redis_connection *connection);

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t next_random(struct hf_redis_connection *connection)
{
    uint64_t x = connection->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return connection->random = x;
}

static void set_timer(struct hf_redis_connection *connection, uint64_t wait_ms)
{
    struct timeval wait = {(time_t)(wait_ms / 1000), (suseconds_t)(wait_ms % 1000 * 1000)};
    event_add(connection->timer, &wait);
}

/* --- breaking ------------------------------------------------------------------------------- */

static void drop_commands(struct hf_redis_connection *connection)
{
    while (connection->commands_count > 0) {
        struct command command = connection->commands[connection->commands_first];
        connection->commands_first =
            (connection->commands_first + 1) & (connection->commands_capacity - 1);
        connection->commands_count--;
        if (command.callback != NULL)
            command.callback(command.context, NULL);
    }
}

static void drop_attempt(struct hf_redis_connection *connection)
{
    event_del(connection->timer);
    event_del(connection->breaker);
    if (connection->resolve != NULL)
        hf_resolve_cancel(connection->resolve);
    if (connection->stream != NULL)
        bufferevent_free(connection->stream);
    hf_reply_reader_free(connection->reader);
    connection->resolve = NULL;
    connection->stream = NULL;
    connection->reader = NULL;
    connection->break_reason[0] = '\0';
}

static void keep_reason(struct hf_redis_connection *connection, const char *reason)
{
    char address[80];
    hf_redis_address_describe(&connection->config.address, address, sizeof address);
    snprintf(connection->reason, sizeof connection->reason, "Redis at %.50s: %.80s", address,
             reason);
}

/* The attempt or the connection is over; called from the loop only. */
static void fail(struct hf_redis_connection *connection, const char *reason)
{
    keep_reason(connection, reason);
    drop_attempt(connection);
    if (connection->state == STATE_READY && now_ms() - connection->ready_ms >= STABLE_MS)
        hf_backoff_reset(&connection->backoff);
    connection->state = STATE_WAITING;
    set_timer(connection, hf_backoff_next_ms(&connection->backoff, next_random(connection)));
    drop_commands(connection);
    connection->events.on_closed(connection->events.context, connection->reason);
}

static void fail_with_error(struct hf_redis_connection *connection, const char *what,
                            const struct hf_reply *reply)
{
    char text[HF_REDIS_REASON_SIZE] = "an answer that does not fit";
    char reason[HF_REDIS_REASON_SIZE];
    if (reply->type == HF_REPLY_ERROR)
        hf_reply_error_text(reply, text, sizeof text);
    snprintf(reason, sizeof reason, "%s: %.120s", what, text);
    hf_redis_connection_break(connection, reason);
}

static void on_breaker(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    struct hf_redis_connection *connection = context;
    char reason[HF_REDIS_REASON_SIZE];
    memcpy(reason, connection->break_reason, sizeof reason);
    connection->break_reason[0] = '\0';
    if (connection->state != STATE_WAITING)
        fail(connection, reason);
}

void hf_redis_connection_break(struct hf_redis_connection *connection, const char *reason)
{
    if (connection->state == STATE_WAITING || connection->break_reason[0] != '\0')
        return;
    snprintf(connection->break_reason, sizeof connection->break_reason, "%s", reason);
    keep_reason(connection, reason); /* it is not ready from now on */
    event_active(connection->breaker, EV_TIMEOUT, 0);
}

/* --- reading -------------------------------------------------------------------------------- */

static void dispatch(struct hf_redis_connection *connection, const struct hf_reply *reply)
{
    if (connection->commands_count == 0) {
        if (connection->state == STATE_READY && connection->events.on_push != NULL)
            connection->events.on_push(connection->events.context, reply);
        else
            hf_redis_connection_break(connection, "a reply to no command");
        return;
    }
    struct command command = connection->commands[connection->commands_first];
    connection->commands_first =
        (connection->commands_first + 1) & (connection->commands_capacity - 1);
    connection->commands_count--;
    command.callback(command.context, reply);
}

/* Hands out every reply that is whole. False: the input cannot be used any more. */
static bool dispatch_all(struct hf_redis_connection *connection)
{
    const char *error;
    const struct hf_reply *reply;
    while (connection->break_reason[0] == '\0' &&
           (reply = hf_reply_reader_next(connection->reader, &error)) != NULL)
        dispatch(connection, reply);
    if (connection->break_reason[0] == '\0' && error != NULL) {
        hf_redis_connection_break(connection, error);
        return false;
    }
    return connection->break_reason[0] == '\0';
}

static void on_read(struct bufferevent *stream, void *context)
{
    struct hf_redis_connection *connection = context;
    struct evbuffer *input = bufferevent_get_input(stream);
    struct evbuffer_iovec piece;

    connection->arrived_ms = now_ms();
    while (evbuffer_peek(input, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0) {
        size_t len = piece.iov_len < FEED_SIZE ? piece.iov_len : FEED_SIZE;
        if (!hf_reply_reader_feed(connection->reader, piece.iov_base, len)) {
            hf_redis_connection_break(connection, "out of memory");
            return;
        }
        evbuffer_drain(input, len);
        if (!dispatch_all(connection))
            return; /* _break ends it; what else has arrived is of no use */
    }
}

/* --- attempts ------------------------------------------------------------------------------- */

static void on_connected(struct hf_redis_connection *connection)
{
    if (connection->config.address.path == NULL) {
        int fd = bufferevent_getfd(connection->stream);
        int on = 1, idle_s = 15, interval_s = 5, probes = 3;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    }
    event_del(connection->timer);
    connection->state = STATE_GREETING;
    connection->arrived_ms = now_ms();
    bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
    greet(connection);
}

static void on_event(struct bufferevent *stream, short what, void *context)
{
    (void)stream;
    struct hf_redis_connection *connection = context;
    if (what & BEV_EVENT_CONNECTED)
        on_connected(connection);
    else if (what & BEV_EVENT_EOF)
        fail(connection, "the connection was closed");
    else
        fail(connection, strerror(EVUTIL_SOCKET_ERROR()));
}

static void connect_to(struct hf_redis_connection *connection, const struct sockaddr *address,
                       socklen_t len)
{
    connection->state = STATE_CONNECTING;
    connection->reader = hf_reply_reader_new();
    connection->stream = bufferevent_socket_new(connection->base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (connection->reader == NULL || connection->stream == NULL) {
        hf_redis_connection_break(connection, "out of memory");
        return;
    }
    bufferevent_setcb(connection->stream, on_read, NULL, on_event, connection);
    bufferevent_set_max_single_read(connection->stream, READ_SIZE);
    bufferevent_set_max_single_write(connection->stream, READ_SIZE);
    /* On failure the event callback may have run, or not. */
    if (bufferevent_socket_connect(connection->stream, address, (int)len) != 0 &&
        connection->state == STATE_CONNECTING)
        hf_redis_connection_break(connection, strerror(EVUTIL_SOCKET_ERROR()));
}

static void on_addresses(void *context, struct evutil_addrinfo *addresses, const char *error)
{
    struct hf_redis_connection *connection = context;
    connection->resolve = NULL;
    if (addresses == NULL) {
        hf_redis_connection_break(connection, error);
        return;
    }
    uint32_t count = 0;
    for (const struct evutil_addrinfo *at = addresses; at != NULL; at = at->ai_next)
        count++;
    const struct evutil_addrinfo *chosen = addresses;
    for (uint32_t skip = connection->attempts++ % count; skip > 0; skip--)
        chosen = chosen->ai_next;
    connect_to(connection, chosen->ai_addr, (socklen_t)chosen->ai_addrlen);
    evutil_freeaddrinfo(addresses);
}

static void start(struct hf_redis_connection *connection)
{
    const struct hf_redis_address *address = &connection->config.address;
    set_timer(connection, connection->config.connect_timeout_ms);
    connection->state = STATE_RESOLVING;
    if (address->path != NULL) {
        struct sockaddr_un path = {.sun_family = AF_UNIX};
        snprintf(path.sun_path, sizeof path.sun_path, "%s", address->path);
        connect_to(connection, (struct sockaddr *)&path, sizeof path);
        return;
    }
    struct hf_resolve *resolve =
        hf_resolve(connection->resolver, address->host, address->port, on_addresses, connection);
    if (resolve != NULL)
        connection->resolve = resolve;
}

/* K3. The timer is set when the first command is open; it then looks again after each period. */
static void check_io_timeout(struct hf_redis_connection *connection)
{
    if (connection->commands_count == 0)
        return;
    const struct command *oldest = &connection->commands[connection->commands_first];
    uint64_t since_ms =
        oldest->sent_ms > connection->arrived_ms ? oldest->sent_ms : connection->arrived_ms;
    uint64_t end_ms = since_ms + connection->config.io_timeout_ms;
    uint64_t now = now_ms();
    if (connection->is_paused)
        set_timer(connection, connection->config.io_timeout_ms);
    else if (now >= end_ms)
        fail(connection, "a command was not answered in time");
    else
        set_timer(connection, end_ms - now);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    struct hf_redis_connection *connection = context;
    switch (connection->state) {
    case STATE_WAITING:
        start(connection);
        break;
    case STATE_RESOLVING:
        fail(connection, "the name was not resolved in time");
        break;
    case STATE_CONNECTING:
        fail(connection, "the connection was not made in time");
        break;
    case STATE_GREETING:
    case STATE_READY:
        check_io_timeout(connection);
        break;
    }
}

/* --- greeting ------------------------------------------------------------------------------- */

static void on_auth_reply(void *context, const struct hf_reply *reply)
{
    if (reply != NULL && !hf_reply_is_text(reply, "OK"))
        fail_with_error(context, "AUTH", reply);
}

static void on_select_reply(void *context, const struct hf_reply *reply)
{
    if (reply != NULL && !hf_reply_is_text(reply, "OK"))
        fail_with_error(context, "SELECT", reply);
}

static void on_name_reply(void *context, const struct hf_reply *reply)
{
    if (reply != NULL && !hf_reply_is_text(reply, "OK"))
        fail_with_error(context, "CLIENT SETNAME", reply);
}

/* Who is there: the scripts need Redis 7.0's XADD <epoch>-*, and a server that takes writes. */
static void on_hello_reply(void *context, const struct hf_reply *reply)
{
    struct hf_redis_connection *connection = context;
    char reason[HF_REDIS_REASON_SIZE];
    if (reply == NULL)
        return;
    if (reply->type != HF_REPLY_ARRAY) {
        fail_with_error(connection, "HELLO (Redis 7.0 or later is needed)", reply);
        return;
    }
    long version = hf_redis_hello_version(reply);
    if (version < 7) {
        snprintf(reason, sizeof reason, "version %ld is too old: the scripts need Redis 7.0",
                 version);
        hf_redis_connection_break(connection, reason);
    } else if (connection->config.has_scripts && hf_redis_hello_is_replica(reply)) {
        hf_redis_connection_break(connection, HF_REDIS_REPLICA_REASON);
    }
}

static void on_info_reply(void *context, const struct hf_reply *reply)
{
    struct hf_redis_connection *connection = context;
    if (reply == NULL)
        return;
    if (reply->type == HF_REPLY_ERROR && !hf_reply_is_error(reply, "NOPERM")) {
        fail_with_error(connection, "INFO", reply);
        return;
    }
    connection->life = reply->type == HF_REPLY_TEXT ? hf_redis_info_life(reply->text) : 0;
    while (connection->life == 0) /* not told, or not permitted */
        connection->life = next_random(connection);
}

static void on_script_reply(void *context, const struct hf_reply *reply)
{
    if (reply == NULL)
        return;
    for (size_t i = 0; i < HF_SCRIPTS; i++) {
        if (hf_reply_is_text(reply, hf_scripts[i].sha1))
            return;
    }
    fail_with_error(context, "SCRIPT LOAD", reply);
}

/* The greeting's last command: everything before it was answered. */
static void on_ping_reply(void *context, const struct hf_reply *reply)
{
    struct hf_redis_connection *connection = context;
    if (reply == NULL || connection->break_reason[0] != '\0')
        return;
    if (!hf_reply_is_text(reply, "PONG")) {
        fail_with_error(connection, "PING", reply);
        return;
    }
    connection->state = STATE_READY;
    connection->ready_ms = now_ms();
    connection->reason[0] = '\0';
    if (connection->is_paused)
        bufferevent_disable(connection->stream, EV_READ);
    connection->events.on_ready(connection->events.context);
}

static bool send_auth(struct hf_redis_connection *connection)
{
    const struct hf_redis_address *address = &connection->config.address;
    const char *password = address->password != NULL ? address->password : "";
    if (address->user != NULL) /* one without a password may be "nopass" */
        return hf_redis_connection_command(connection, on_auth_reply, connection, "AUTH",
                                           address->user, password, NULL);
    return address->password == NULL ||
           hf_redis_connection_command(connection, on_auth_reply, connection, "AUTH", password,
                                       NULL);
}

static bool send_scripts(struct hf_redis_connection *connection)
{
    if (connection->config.has_scripts &&
        !hf_redis_connection_command(connection, on_info_reply, connection, "INFO", "server",
                                     "replication", NULL))
        return false;
    for (size_t i = 0; connection->config.has_scripts && i < HF_SCRIPTS; i++) {
        if (!hf_redis_connection_command(connection, on_script_reply, connection, "SCRIPT", "LOAD",
                                         hf_scripts[i].text, NULL))
            return false;
    }
    return true;
}

/* All in one go; the replies are judged one by one. */
static void greet(struct hf_redis_connection *connection)
{
    char db[11];
    const struct hf_redis_connection_config *config = &connection->config;
    snprintf(db, sizeof db, "%u", config->address.db);
    bool is_sent =
        send_auth(connection) &&
        hf_redis_connection_command(connection, on_hello_reply, connection, "HELLO", "2", NULL) &&
        (config->client_name == NULL ||
         hf_redis_connection_command(connection, on_name_reply, connection, "CLIENT", "SETNAME",
                                     config->client_name, NULL)) &&
        (config->address.db == 0 || hf_redis_connection_command(connection, on_select_reply,
                                                                connection, "SELECT", db, NULL)) &&
        send_scripts(connection) &&
        hf_redis_connection_command(connection, on_ping_reply, connection, "PING", NULL);
    if (!is_sent)
        hf_redis_connection_break(connection, "out of memory");
}

/* --- commands ------------------------------------------------------------------------------- */

char *hf_redis_connection_reserve(struct hf_redis_connection *connection, size_t size)
{
    assert(connection->state >= STATE_GREETING);
    struct evbuffer *output = bufferevent_get_output(connection->stream);
    if (evbuffer_reserve_space(output, (ev_ssize_t)size, &connection->room, 1) != 1)
        return NULL;
    return connection->reserved = connection->room.iov_base;
}

static bool grow_commands(struct hf_redis_connection *connection)
{
    size_t capacity =
        connection->commands_capacity > 0 ? connection->commands_capacity * 2 : COMMANDS_MIN;
    struct command *commands = malloc(capacity * sizeof *commands);
    if (commands == NULL)
        return false;
    for (size_t i = 0; i < connection->commands_count; i++)
        commands[i] =
            connection
                ->commands[(connection->commands_first + i) & (connection->commands_capacity - 1)];
    free(connection->commands);
    connection->commands = commands;
    connection->commands_capacity = capacity;
    connection->commands_first = 0;
    return true;
}

bool hf_redis_connection_send(struct hf_redis_connection *connection, char *end,
                              hf_redis_callback *callback, void *context)
{
    struct evbuffer *output = bufferevent_get_output(connection->stream);
    if (callback != NULL && connection->commands_count == connection->commands_capacity &&
        !grow_commands(connection))
        return false;

    assert(end >= connection->reserved &&
           (size_t)(end - connection->reserved) <= connection->room.iov_len);
    connection->room.iov_len = (size_t)(end - connection->reserved);
    if (evbuffer_commit_space(output, &connection->room, 1) != 0)
        return false;
    connection->sent++;
    if (callback == NULL)
        return true;

    size_t last = (connection->commands_first + connection->commands_count) &
                  (connection->commands_capacity - 1);
    connection->commands[last] = (struct command){callback, context, now_ms()};
    if (connection->commands_count++ == 0 && !event_pending(connection->timer, EV_TIMEOUT, NULL))
        set_timer(connection, connection->config.io_timeout_ms);
    return true;
}

bool hf_redis_connection_command(struct hf_redis_connection *connection,
                                 hf_redis_callback *callback, void *context, ...)
{
    const char *arguments[ARGUMENTS_MAX];
    size_t count = 0, size = HF_REDIS_COMMAND_SIZE;
    va_list list;
    va_start(list, context);
    for (const char *argument; (argument = va_arg(list, const char *)) != NULL; count++) {
        assert(count < ARGUMENTS_MAX);
        arguments[count] = argument;
        size += HF_REDIS_ARGUMENT_SIZE(strlen(argument));
    }
    va_end(list);

    char *at = hf_redis_connection_reserve(connection, size);
    if (at == NULL)
        return false;
    at = hf_redis_write_command(at, count);
    for (size_t i = 0; i < count; i++)
        at = hf_redis_write_text(at, arguments[i]);
    return hf_redis_connection_send(connection, at, callback, context);
}

/* --- life ----------------------------------------------------------------------------------- */

struct hf_redis_connection *hf_redis_connection_new(struct event_base *base,
                                                    const struct hf_redis_connection_config *config,
                                                    const struct hf_redis_connection_events *events)
{
    struct hf_redis_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->base = base;
    connection->config = *config;
    connection->events = *events;
    connection->state = STATE_WAITING;
    if (getrandom(&connection->random, sizeof connection->random, GRND_NONBLOCK) < 0)
        connection->random = now_ms() ^ (uintptr_t)connection;
    connection->random |= 1; /* the generator must not start at 0 */
    connection->resolver = hf_resolver_new(base);
    connection->timer = evtimer_new(base, on_timer, connection);
    connection->breaker = evtimer_new(base, on_breaker, connection);
    if (connection->resolver == NULL || connection->timer == NULL || connection->breaker == NULL) {
        hf_redis_connection_free(connection);
        return NULL;
    }
    snprintf(connection->reason, sizeof connection->reason, "Redis is not connected yet");
    set_timer(connection, 0);
    return connection;
}

void hf_redis_connection_free(struct hf_redis_connection *connection)
{
    if (connection == NULL)
        return;
    connection->state = STATE_WAITING;
    if (connection->timer != NULL && connection->breaker != NULL)
        drop_attempt(connection);
    drop_commands(connection);
    if (connection->timer != NULL)
        event_free(connection->timer);
    if (connection->breaker != NULL)
        event_free(connection->breaker);
    hf_resolver_free(connection->resolver);
    free(connection->commands);
    free(connection);
}

bool hf_redis_connection_is_ready(const struct hf_redis_connection *connection)
{
    return connection->state == STATE_READY && connection->break_reason[0] == '\0';
}

const char *hf_redis_connection_reason(const struct hf_redis_connection *connection)
{
    return connection->reason;
}

uint64_t hf_redis_connection_life(const struct hf_redis_connection *connection)
{
    return connection->life;
}

uint64_t hf_redis_connection_commands(const struct hf_redis_connection *connection)
{
    return connection->sent;
}

void hf_redis_connection_hurry(struct hf_redis_connection *connection)
{
    if (connection->state == STATE_WAITING) {
        set_timer(connection, 0);
    }
}

void hf_redis_connection_pause(struct hf_redis_connection *connection, bool paused)
{
    connection->is_paused = paused;
    if (connection->state != STATE_READY)
        return; /* a pause begins when it is ready */
    if (paused) {
        bufferevent_disable(connection->stream, EV_READ);
    } else {
        connection->arrived_ms = now_ms();
        bufferevent_enable(connection->stream, EV_READ);
    }
}
