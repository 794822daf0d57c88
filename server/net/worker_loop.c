#include "net/worker_loop.h"

#include <stdlib.h>
#include <time.h>

#include <holdfast/error.h>
#include <openssl/ssl.h>

#include "net/http_request.h"
#include "net/poller.h"
#include "net/send_batch.h"
#include "websocket.h"

enum {
    WORK_PASSES = 4, /* work that brings more work waits for the next turn after so many */
    US_PER_MS = 1000,
    ENCODE_KEPT_BYTES = 1024 * 1024, /* of the buffer that answers are encoded in, between turns */
};

static uint64_t monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void hf__loop_wake(struct hf_worker *worker)
{
    hf_gather_event(&worker->priv->gather);
    if (!worker->priv->is_awake) {
        worker->priv->is_awake = true;
        worker->now_ms = monotonic_us() / US_PER_MS;
    }
}

void hf__loop_set_alarm(struct hf_worker *worker, uint64_t when_us,
                        void (*on_alarm)(struct hf_worker *worker))
{
    worker->priv->alarm_us = when_us;
    worker->priv->on_alarm = on_alarm;
}

/* Until the next timer, in microseconds. By a clock of its own: a long turn must not delay a timer
 * by its length. */
static int64_t time_left(const struct hf_worker *worker)
{
    uint64_t wheel_ms = hf_wheel_next_ms(worker->wheel);
    uint64_t next_us = worker->priv->alarm_us;
    if (wheel_ms < next_us / US_PER_MS) {
        next_us = wheel_ms * US_PER_MS;
    }
    if (next_us == UINT64_MAX) {
        return HF_POLL_FOREVER;
    }
    uint64_t now_us = monotonic_us();
    return next_us > now_us ? (int64_t)(next_us - now_us) : 0;
}

static void run_timers(struct hf_worker *worker)
{
    struct hf_worker_private *priv = worker->priv;
    hf_wheel_advance(worker->wheel, worker->now_ms);
    if (priv->alarm_us != UINT64_MAX && priv->alarm_us <= monotonic_us()) {
        priv->alarm_us = UINT64_MAX;
        priv->on_alarm(worker);
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
    priv->is_awake = false;
    priv->rest_us = priv->with_work == NULL ? rest_us : 0;
}

void hf__loop_turn(struct hf_worker *worker)
{
    struct hf_worker_private *priv = worker->priv;
    rest(priv);
    hf_poller_wait(priv->poller, priv->with_work != NULL ? 0 : time_left(worker));
    hf__loop_wake(worker);
    run_timers(worker);
    end_turn(worker);
}

int hf__loop_open(struct hf_worker *worker)
{
    struct hf_worker_private *priv = calloc(1, sizeof(*priv));
    if (priv == NULL) {
        return HF_ENOMEM;
    }
    worker->priv = priv;
    worker->now_ms = monotonic_us() / US_PER_MS;
    worker->wheel = hf_wheel_new(worker->now_ms);
    priv->poller = hf_poller_open();
    priv->scratch = malloc(HF_LOOP_SCRATCH_BYTES);
    priv->hash = hf_websocket_hash_new();
    priv->batch = hf_send_batch_open(worker->config->holdfast.io_uring);
    priv->alarm_us = UINT64_MAX;
    if (worker->wheel == NULL || priv->poller == NULL || priv->scratch == NULL ||
        priv->hash == NULL || priv->batch == NULL) {
        hf__loop_close(worker);
        return HF_ENOMEM;
    }
    return HF_OK;
}

void hf__loop_close(struct hf_worker *worker)
{
    struct hf_worker_private *priv = worker->priv;
    hf__connections_close(worker, 3000);
    hf_poller_close(priv->poller);
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
    worker->wheel = NULL;
}
