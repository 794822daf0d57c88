#include "net/worker_loop.h"

#include <stdlib.h>
#include <time.h>

#include <event2/event.h>
#include <holdfast/error.h>
#include <openssl/ssl.h>

#include "net/http_request.h"
#include "net/send_batch.h"
#include "websocket.h"

enum {
    WORK_PASSES = 4, /* work that brings more work waits for the next turn after so many */
    ENCODE_KEPT_BYTES = 1024 * 1024, /* of the buffer that answers are encoded in, between turns */
};

static uint64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void hf__loop_wake(struct hf_worker *worker)
{
    hf_gather_event(&worker->priv->gather);
    if (!worker->priv->is_awake) {
        worker->priv->is_awake = true;
        worker->now_ms = monotonic_ms();
    }
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct hf_worker *worker = context;
    hf__loop_wake(worker);
    worker->priv->timer_at_ms = UINT64_MAX;
    hf_wheel_advance(worker->wheel, worker->now_ms);
}

static void arm_timer(struct hf_worker *worker)
{
    struct hf_worker_private *priv = worker->priv;
    uint64_t next_ms = hf_wheel_next_ms(worker->wheel);
    if (next_ms >= priv->timer_at_ms) {
        return; /* waking too early is harmless: the wheel then arms the rest */
    }
    worker->now_ms = monotonic_ms(); /* a long turn must not delay the timer by its own length */
    uint64_t wait_ms = next_ms > worker->now_ms ? next_ms - worker->now_ms : 0;
    struct timeval wait = {.tv_sec = (time_t)(wait_ms / 1000),
                           .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000)};
    if (event_add(priv->timer, &wait) == 0) {
        priv->timer_at_ms = next_ms;
    }
}

/* At the beginning of a turn, so that nobody takes it for work of the one before. */
static void rest(struct hf_worker_private *priv)
{
    if (priv->rest_us > 0) {
        const struct timespec time = {.tv_nsec = (long)priv->rest_us * 1000};
        (void)nanosleep(&time, NULL); /* cut short by a signal is well, too */
    }
}

/* A single large answer must not hold its memory for ever. */
static void give_back(struct hf_buffer *buffer)
{
    if (buffer->capacity > ENCODE_KEPT_BYTES) {
        hf_buffer_fini(buffer);
    }
}

/* Ends what the callbacks have begun. */
static void end_turn(struct hf_worker *worker)
{
    struct hf_worker_private *priv = worker->priv;
    if (priv->on_turn_end != NULL) {
        priv->on_turn_end(worker);
    }
    for (int pass = 0; pass < WORK_PASSES && priv->with_work != NULL; pass++) {
        hf__connections_work(worker);
        if (priv->on_turn_end != NULL) {
            priv->on_turn_end(worker);
        }
    }
    give_back(&worker->encode);
    uint32_t rest_us = hf_gather_end_turn(&priv->gather, worker->now_ms);
    arm_timer(worker);
    priv->is_awake = false;
    priv->rest_us = priv->with_work == NULL ? rest_us : 0;
}

void hf__loop_turn(struct hf_worker *worker)
{
    rest(worker->priv);
    int flags = EVLOOP_ONCE | (worker->priv->with_work != NULL ? EVLOOP_NONBLOCK : 0);
    event_base_loop(worker->base, flags);
    hf__loop_wake(worker);
    end_turn(worker);
}

static struct event_base *new_base(void)
{
    struct event_config *options = event_config_new();
    if (options == NULL) {
        return NULL;
    }
    /* Only one thread touches the base, and timers need no more than milliseconds. */
    event_config_set_flag(options, EVENT_BASE_FLAG_NOLOCK);
    event_config_require_features(options, EV_FEATURE_O1);
    struct event_base *base = event_base_new_with_config(options);
    event_config_free(options);
    return base;
}

int hf__loop_open(struct hf_worker *worker)
{
    struct hf_worker_private *priv = calloc(1, sizeof(*priv));
    if (priv == NULL) {
        return HF_ENOMEM;
    }
    worker->priv = priv;
    worker->now_ms = monotonic_ms();
    worker->wheel = hf_wheel_new(worker->now_ms);
    worker->base = new_base();
    priv->scratch = malloc(HF_LOOP_SCRATCH_BYTES);
    priv->hash = hf_websocket_hash_new();
    priv->batch = hf_send_batch_open(worker->config->holdfast.io_uring);
    priv->timer_at_ms = UINT64_MAX;
    if (worker->base != NULL) {
        priv->timer = evtimer_new(worker->base, on_timer, worker);
    }
    if (worker->wheel == NULL || priv->scratch == NULL || priv->hash == NULL ||
        priv->batch == NULL || priv->timer == NULL) {
        hf__loop_close(worker);
        return HF_ENOMEM;
    }
    return HF_OK;
}

void hf__loop_close(struct hf_worker *worker)
{
    struct hf_worker_private *priv = worker->priv;
    hf__connections_close(worker, 3000);
    if (priv->timer != NULL) {
        event_free(priv->timer);
    }
    if (worker->base != NULL) {
        event_base_free(worker->base);
    }
    hf_wheel_free(worker->wheel);
    for (int i = 0; i < HF_ENTRANCES; i++) {
        SSL_CTX_free(priv->tls[i]);
    }
    while (priv->spare_exchanges != NULL) {
        struct hf_http_exchange *exchange = priv->spare_exchanges;
        priv->spare_exchanges = exchange->spare;
        hf__http_exchange_free(exchange);
    }
    hf_websocket_hash_free(priv->hash);
    hf_send_batch_close(priv->batch);
    free(priv->scratch);
    free(priv);
    worker->priv = NULL;
    worker->base = NULL;
    worker->wheel = NULL;
}
