#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "engine_private.h"

/* Memory of publish requests with a payload of at most SPARE_BYTES is kept for later ones, of so
 * many: a port has seldom more on their way in one turn of a busy loop. */
#define SPARE_BYTES 512
#define SPARES_MAX  128

/* --- making requests ---------------------------------------------------------------------------
 */

static bool has_spare_size(enum hf_mail_kind kind, size_t bytes)
{
    return kind == HF_MAIL_PUBLISH && bytes <= SPARE_BYTES;
}

/* NULL: no memory. */
static struct hf_request *take_memory(struct hf_port *port, enum hf_mail_kind kind, size_t bytes)
{
    if (!has_spare_size(kind, bytes)) {
        return malloc(sizeof(struct hf_request) + bytes);
    }
    if (port->spares == NULL) {
        return malloc(sizeof(struct hf_request) + SPARE_BYTES);
    }
    struct hf_mail *spare = port->spares;
    port->spares = spare->next;
    port->spare_count--;
    return HF_CONTAINER_OF(HF_CONTAINER_OF(spare, struct hf_letter, mail), struct hf_request,
                           letter);
}

static void put_memory(struct hf_port *port, struct hf_request *request)
{
    if (!has_spare_size(request->letter.kind, request->bytes) || port->spare_count == SPARES_MAX) {
        free(request);
        return;
    }
    request->letter.mail.next = port->spares;
    port->spares = &request->letter.mail;
    port->spare_count++;
}

static struct hf_bytes put(char **end, struct hf_bytes bytes)
{
    struct hf_bytes copy = {*end, bytes.len};
    if (bytes.len > 0) {
        memcpy(*end, bytes.data, bytes.len);
        *end += bytes.len;
    }
    return copy;
}

int hf__port_request_new(struct hf_port *port, enum hf_mail_kind kind, size_t bytes, void *context,
                         struct hf_request **request)
{
    struct hf_engine *engine = port->engine;
    if (port->is_closing) {
        return HF_ECLOSED;
    }
    uint64_t requests = atomic_fetch_add(&engine->pending_requests, 1) + 1;
    size_t total = atomic_fetch_add(&engine->pending_bytes, bytes) + bytes;
    bool is_internal =
        kind == HF_MAIL_WATCH_CLOSE || kind == HF_MAIL_PORT_OPEN || kind == HF_MAIL_PORT_CLOSE;
    int result = HF_ELIMIT;
    if (!is_internal && (requests > engine->config.pending_requests_max ||
                         total > engine->config.pending_bytes_max)) {
        goto err_after_count;
    }
    struct hf_request *self = take_memory(port, kind, bytes);
    if (self == NULL) {
        result = HF_ENOMEM;
        goto err_after_count;
    }
    memset(self, 0, sizeof *self);
    self->letter.kind = kind;
    self->port = port;
    self->context = context;
    self->bytes = bytes;
    *request = self;
    return HF_OK;

err_after_count:
    atomic_fetch_sub(&engine->pending_requests, 1);
    atomic_fetch_sub(&engine->pending_bytes, bytes);
    return result;
}

static void uncount(struct hf_engine *engine, const struct hf_request *request)
{
    atomic_fetch_sub(&engine->pending_requests, 1);
    atomic_fetch_sub(&engine->pending_bytes, request->bytes);
}

void hf__engine_release(struct hf_engine *engine, struct hf_request *request)
{
    uncount(engine, request);
    free(request);
}

void hf__port_send_request(struct hf_port *port, struct hf_request *request)
{
    hf_outbox_add(&port->requests, &request->letter.mail);
}

static bool is_valid_channel(struct hf_bytes channel)
{
    return channel.len > 0 && channel.len <= UINT16_MAX;
}

static bool are_valid_options(const struct hf_stream_options *options)
{
    return options->history_size == 0 ||
           (options->history_ttl_s > 0 && options->meta_ttl_s >= options->history_ttl_s);
}

int hf_publish(struct hf_port *port, const struct hf_publish_params *params,
               hf_publish_callback *callback, void *context)
{
    if (!is_valid_channel(params->channel) || !are_valid_options(&params->options)) {
        return HF_EINVAL;
    }
    const struct hf_publication_fields *fields = &params->fields;
    size_t bytes = params->channel.len + fields->data.len + fields->info.len + fields->tags.len +
                   fields->version_epoch.len + params->idempotency_key.len;
    if (bytes > port->engine->config.publication_bytes_max) {
        return HF_ELIMIT;
    }
    struct hf_request *request;
    int result = hf__port_request_new(port, HF_MAIL_PUBLISH, bytes, context, &request);
    if (result != HF_OK) {
        return result;
    }
    char *end = request->payload;
    request->callback.publish = callback;
    request->publish.channel = put(&end, params->channel);
    request->publish.options = params->options;
    request->publish.fields = *fields;
    request->publish.fields.data = put(&end, fields->data);
    request->publish.fields.info = put(&end, fields->info);
    request->publish.fields.tags = put(&end, fields->tags);
    request->publish.fields.version_epoch =
        put(&end, fields->version > 0 ? fields->version_epoch : (struct hf_bytes){0});
    request->publish.idempotency_key = put(&end, params->idempotency_key);
    request->publish.idempotency_ttl_s = params->idempotency_ttl_s;
    hf__port_send_request(port, request);
    return HF_OK;
}

int hf_history(struct hf_port *port, const struct hf_history_params *params,
               hf_history_callback *callback, void *context)
{
    if (!is_valid_channel(params->channel) || !are_valid_options(&params->options) ||
        params->options.history_size == 0) {
        return HF_EINVAL;
    }
    struct hf_request *request;
    int result =
        hf__port_request_new(port, HF_MAIL_HISTORY, params->channel.len, context, &request);
    if (result != HF_OK) {
        return result;
    }
    char *end = request->payload;
    request->callback.history = callback;
    request->history = (struct hf_store_read){
        .channel = put(&end, params->channel),
        .options = params->options,
        .limit = params->limit,
        .create = true,
        .has_since = params->has_since,
        .reverse = params->reverse,
        .since = params->since,
    };
    hf__port_send_request(port, request);
    return HF_OK;
}

int hf_history_remove(struct hf_port *port, struct hf_bytes channel, hf_done_callback *callback,
                      void *context)
{
    if (!is_valid_channel(channel)) {
        return HF_EINVAL;
    }
    struct hf_request *request;
    int result = hf__port_request_new(port, HF_MAIL_REMOVE, channel.len, context, &request);
    if (result != HF_OK) {
        return result;
    }
    char *end = request->payload;
    request->callback.done = callback;
    request->remove.channel = put(&end, channel);
    hf__port_send_request(port, request);
    return HF_OK;
}

static int send_bus(struct hf_port *port, struct hf_bytes node_name, struct hf_bytes message,
                    hf_done_callback *callback, void *context)
{
    struct hf_request *request;
    int result = hf__port_request_new(port, HF_MAIL_BUS_SEND, message.len + 1 + node_name.len,
                                      context, &request);
    if (result != HF_OK) {
        return result;
    }
    request->callback.done = callback;
    char *end = request->payload;
    *end++ = HF__BUS_MESSAGE;
    put(&end, message);
    request->bus.message = (struct hf_bytes){request->payload, message.len + 1};
    request->bus.target = put(&end, node_name);
    hf__port_send_request(port, request);
    return HF_OK;
}

int hf_bus_send(struct hf_port *port, struct hf_bytes message, hf_done_callback *callback,
                void *context)
{
    return send_bus(port, (struct hf_bytes){0}, message, callback, context);
}

int hf_bus_send_to(struct hf_port *port, struct hf_bytes node_name, struct hf_bytes message,
                   hf_done_callback *callback, void *context)
{
    if (node_name.len == 0 || node_name.len > HF_NODE_NAME_MAX) {
        return HF_EINVAL;
    }
    return send_bus(port, node_name, message, callback, context);
}

/* --- watches -----------------------------------------------------------------------------------
 */

struct hf_watch *hf_watch_open(struct hf_port *port, struct hf_bytes channel,
                               const struct hf_stream_options *options, void *watch_context)
{
    if (!is_valid_channel(channel) || !are_valid_options(options)) {
        return NULL;
    }
    struct hf_watch *watch = calloc(1, sizeof *watch + channel.len);
    if (watch == NULL) {
        return NULL;
    }
    struct hf_request *request;
    if (hf__port_request_new(port, HF_MAIL_WATCH_OPEN, 0, NULL, &request) != HF_OK) {
        free(watch);
        return NULL;
    }
    watch->port = port;
    watch->context = watch_context;
    watch->options = *options;
    watch->channel_len = channel.len;
    memcpy(watch->channel, channel.data, channel.len);
    LIST_INSERT_HEAD(&port->watches, watch, in_watches);
    request->watch = watch;
    hf__port_send_request(port, request);
    return watch;
}

/* The memory goes when the engine has let go of it too: with this request's completion. The request
 * was promised at the open, so it is not refused; without memory the watch stays until its port
 * closes. */
void hf_watch_close(struct hf_watch *watch)
{
    watch->is_closed = true;
    struct hf_request *request;
    if (hf__port_request_new(watch->port, HF_MAIL_WATCH_CLOSE, 0, NULL, &request) == HF_OK) {
        request->watch = watch;
        hf__port_send_request(watch->port, request);
    }
}

int hf_subscribe(struct hf_watch *watch, const struct hf_subscribe_params *params, bool continues,
                 hf_subscribe_callback *callback, void *context)
{
    assert(!watch->is_closed);
    struct hf_request *request;
    int result = hf__port_request_new(watch->port, HF_MAIL_SUBSCRIBE, 0, context, &request);
    if (result != HF_OK) {
        return result;
    }
    request->callback.subscribe = callback;
    request->subscribe.watch = watch;
    request->subscribe.params = *params;
    request->subscribe.continues = continues;
    hf__port_send_request(watch->port, request);
    return HF_OK;
}

/* --- what comes back ---------------------------------------------------------------------------
 */

static void free_watch(struct hf_watch *watch)
{
    LIST_REMOVE(watch, in_watches);
    free(watch);
}

static void complete(struct hf_port *port, struct hf_request *request)
{
    switch (request->letter.kind) {
    case HF_MAIL_PUBLISH:
        request->callback.publish(request->context, request->result, request->publish.outcome,
                                  request->publish.position);
        break;
    case HF_MAIL_HISTORY:
        request->callback.history(request->context, request->result, request->history.top,
                                  request->history.page);
        hf_page_unref(request->history.page);
        break;
    case HF_MAIL_REMOVE:
    case HF_MAIL_BUS_SEND:
        if (request->callback.done != NULL) {
            request->callback.done(request->context, request->result);
        }
        break;
    case HF_MAIL_PRESENCE_ADD:
    case HF_MAIL_PRESENCE:
    case HF_MAIL_PRESENCE_GET:
    case HF_MAIL_PRESENCE_STATS:
        hf__presence_complete(request);
        break;
    case HF_MAIL_SUBSCRIBE:
        request->callback.subscribe(request->context, request->result, &request->subscribe.answer);
        hf_page_unref(request->subscribe.answer.page);
        break;
    case HF_MAIL_WATCH_CLOSE:
        free_watch(request->watch);
        break;
    case HF_MAIL_PORT_CLOSE:
        port->is_closed = true;
        break;
    default:
        break; /* WATCH_OPEN, PORT_OPEN: nothing to tell */
    }
    uncount(port->engine, request);
    put_memory(port, request);
}

/* Bytes of publications that have left the mailbox; the engine may be waiting for that. */
static void count_delivered(struct hf_port *port, size_t bytes)
{
    size_t before = atomic_fetch_sub(&port->undelivered, bytes);
    size_t low = port->engine->config.mailbox_bytes_max / 2;
    if (before > low && before - bytes <= low && atomic_load(&port->engine->is_paused)) {
        hf_mailbox_wake(&port->engine->inbox);
    }
}

static void handle_presence(struct hf_port *port, const struct hf_event *event)
{
    void (*callback)(void *, struct hf_bytes) =
        event->letter.kind == HF_MAIL_JOIN ? port->callbacks.on_join : port->callbacks.on_leave;
    count_delivered(port, event->len);
    if (!event->watch->is_closed && callback != NULL) {
        callback(event->watch->context, (struct hf_bytes){event->message, event->len});
    }
}

static void handle_event(struct hf_port *port, struct hf_event *event)
{
    switch (event->letter.kind) {
    case HF_MAIL_PUBLICATION:
        count_delivered(port, event->publication->size);
        if (!event->watch->is_closed) {
            port->callbacks.on_publication(event->watch->context, event->publication);
        }
        hf_publication_unref(event->publication);
        break;
    case HF_MAIL_LOST:
        if (!event->watch->is_closed) {
            port->callbacks.on_lost(event->watch->context, event->reason);
        }
        break;
    case HF_MAIL_BUS:
        if (port->callbacks.on_bus != NULL) {
            port->callbacks.on_bus(port->callbacks.port_context,
                                   (struct hf_bytes){event->message, event->len});
        }
        break;
    case HF_MAIL_JOIN:
    case HF_MAIL_LEAVE:
        handle_presence(port, event);
        break;
    default:
        assert(false);
    }
    free(event);
}

void hf_port_dispatch(struct hf_port *port)
{
    struct hf_mail *mail = hf_mailbox_take(&port->inbox);
    while (mail != NULL) {
        struct hf_mail *next = mail->next;
        struct hf_letter *letter = HF_CONTAINER_OF(mail, struct hf_letter, mail);
        if (letter->kind >= HF_MAIL_PUBLICATION) {
            handle_event(port, HF_CONTAINER_OF(letter, struct hf_event, letter));
        } else {
            complete(port, HF_CONTAINER_OF(letter, struct hf_request, letter));
        }
        mail = next;
    }
}

int hf_port_fd(const struct hf_port *port)
{
    return port->inbox.fd;
}

void hf_port_flush(struct hf_port *port)
{
    hf_mailbox_post(&port->engine->inbox, &port->requests);
}

/* --- opening and closing -----------------------------------------------------------------------
 */

struct hf_port *hf_port_open(struct hf_engine *engine, const struct hf_port_callbacks *callbacks)
{
    struct hf_port *port = calloc(1, sizeof *port);
    if (port == NULL) {
        return NULL;
    }
    port->engine = engine;
    port->callbacks = *callbacks;
    LIST_INIT(&port->watches);
    TAILQ_INIT(&port->open);
    LIST_INIT(&port->opened);
    if (hf_mailbox_init(&port->inbox) != 0) {
        goto err_after_alloc;
    }
    struct hf_request *request;
    if (hf__port_request_new(port, HF_MAIL_PORT_OPEN, 0, NULL, &request) != HF_OK) {
        goto err_after_inbox;
    }
    hf__port_send_request(port, request);
    hf_port_flush(port);
    return port;

err_after_inbox:
    hf_mailbox_fini(&port->inbox);
err_after_alloc:
    free(port);
    return NULL;
}

/* The engine's thread never blocks, so this wait is a matter of one of its turns. */
void hf_port_close(struct hf_port *port)
{
    struct hf_request *request;
    while (hf__port_request_new(port, HF_MAIL_PORT_CLOSE, 0, NULL, &request) != HF_OK) {
        (void)poll(NULL, 0, 10); /* no memory for a few bytes: the only way is to wait for some */
    }
    port->is_closing = true;
    hf__port_send_request(port, request);
    hf_port_flush(port);
    while (!port->is_closed) {
        struct pollfd readable = {.fd = port->inbox.fd, .events = POLLIN};
        if (poll(&readable, 1, -1) < 0 && errno != EINTR) {
            abort(); /* only a broken descriptor table can do this */
        }
        hf_port_dispatch(port);
    }
    while (!atomic_load(&port->is_released)) {
        sched_yield(); /* the engine is between posting the completion and its next statement */
    }
    while (!LIST_EMPTY(&port->watches)) {
        free_watch(LIST_FIRST(&port->watches));
    }
    while (port->spares != NULL) {
        free(take_memory(port, HF_MAIL_PUBLISH, 0));
    }
    hf_mailbox_fini(&port->inbox);
    free(port);
}
