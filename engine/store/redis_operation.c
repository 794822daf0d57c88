/* Redis store: the life of an operation: queued, waiting for its deadline, held, completed. */
#include "store/redis_store.h"

#include <assert.h>
#include <stdlib.h>

#include <event2/event.h>

static void op_free(struct hf_redis_store *store, struct hf_redis_op *op)
{
    if (op->kind == HF_REDIS_READ) {
        hf_redis_read_free(op);
    } else if (store->pooled < HF_OPERATIONS_POOLED_MAX) {
        store->pooled++;
        TAILQ_INSERT_HEAD(&store->pool, op, in_waiting);
    } else {
        free(op);
    }
}

struct hf_redis_op *hf_redis_op_new(struct hf_redis_store *store, enum hf_redis_op_kind kind)
{
    struct hf_redis_op *op = NULL;
    if (kind == HF_REDIS_READ) {
        op = hf_redis_read_new();
    } else if (!TAILQ_EMPTY(&store->pool)) {
        op = TAILQ_FIRST(&store->pool);
        TAILQ_REMOVE(&store->pool, op, in_waiting);
        store->pooled--;
        *op = (struct hf_redis_op){0};
    } else {
        op = calloc(1, sizeof *op);
    }
    if (op != NULL)
        op->kind = kind;
    return op;
}

void hf_redis_pool_free(struct hf_redis_store *store)
{
    struct hf_redis_op *op;
    while ((op = TAILQ_FIRST(&store->pool)) != NULL) {
        TAILQ_REMOVE(&store->pool, op, in_waiting);
        free(op);
    }
}

/* --- the end -------------------------------------------------------------------------------- */

void hf_redis_complete(struct hf_redis_store *store, struct hf_redis_op *op, int result)
{
    struct hf_redis_op ended = *op;
    assert(!op->is_waiting);
    store->pending_bytes -= ended.bytes;
    store->pending_requests--;
    op_free(store, op);
    if (ended.kind == HF_REDIS_PUBLISH && result == HF_OK)
        store->refusal[0] = '\0';
    hf_redis_request_complete(&ended, result);
}

void hf_redis_complete_later(struct hf_redis_store *store, struct hf_redis_op *op, int result)
{
    assert(!op->is_waiting);
    op->result = result;
    TAILQ_INSERT_TAIL(&store->done, op, in_waiting);
    hf_redis_schedule(store);
}

/* What is refused during a completion comes with the next turn. */
void hf_redis_complete_done(struct hf_redis_store *store)
{
    struct hf_redis_ops done = TAILQ_HEAD_INITIALIZER(done);
    struct hf_redis_op *op;
    TAILQ_CONCAT(&done, &store->done, in_waiting);
    while ((op = TAILQ_FIRST(&done)) != NULL) {
        TAILQ_REMOVE(&done, op, in_waiting);
        hf_redis_complete(store, op, op->result);
    }
}

/* --- waiting -------------------------------------------------------------------------------- */

void hf_redis_stop_waiting(struct hf_redis_store *store, struct hf_redis_op *op)
{
    assert(op->is_waiting);
    if (store->waiting_near == op)
        store->waiting_near = NULL;
    TAILQ_REMOVE(&store->waiting, op, in_waiting);
    op->is_waiting = false;
}

static void set_deadline(struct hf_redis_store *store)
{
    const struct hf_redis_op *first = TAILQ_FIRST(&store->waiting);
    if (first == NULL || store->is_closing || event_pending(store->deadline, EV_TIMEOUT, NULL))
        return;
    uint64_t now_ms = hf_redis_now_ms();
    hf_redis_add_timer(store->deadline,
                       first->deadline_ms > now_ms ? first->deadline_ms - now_ms : 0);
}

/* R2's order. All that a lost connection had in flight comes here, in about that order: so the
 * place is looked for from where the one before was put. */
static void insert_by_deadline(struct hf_redis_store *store, struct hf_redis_op *op)
{
    struct hf_redis_op *later =
        store->waiting_near != NULL ? store->waiting_near : TAILQ_FIRST(&store->waiting);
    struct hf_redis_op *before;
    while (later != NULL && later->deadline_ms < op->deadline_ms)
        later = TAILQ_NEXT(later, in_waiting);
    while (later != NULL && (before = TAILQ_PREV(later, hf_redis_ops, in_waiting)) != NULL &&
           before->deadline_ms >= op->deadline_ms)
        later = before;
    if (later != NULL)
        TAILQ_INSERT_BEFORE(later, op, in_waiting);
    else
        TAILQ_INSERT_TAIL(&store->waiting, op, in_waiting);
    op->is_waiting = true;
    store->waiting_near = op;
}

void hf_redis_wait_in_place(struct hf_redis_store *store, struct hf_redis_op *op)
{
    insert_by_deadline(store, op);
    event_del(store->deadline); /* it may be the first now */
    set_deadline(store);
}

/* R1: the first behind what is in flight. */
static void insert_first(struct hf_redis_op *op)
{
    struct hf_redis_channel *channel = op->channel;
    struct hf_redis_op *next = TAILQ_FIRST(&channel->ops);
    while (next != NULL && !next->is_waiting) /* R2; in_flight still counts what completes now */
        next = TAILQ_NEXT(next, in_channel);
    if (next != NULL)
        TAILQ_INSERT_BEFORE(next, op, in_channel);
    else
        TAILQ_INSERT_TAIL(&channel->ops, op, in_channel);
}

void hf_redis_wait_again(struct hf_redis_store *store, struct hf_redis_op *op)
{
    hf_redis_wait_in_place(store, op);
    insert_first(op);
    hf_redis_channel_settle(op->channel);
}

static void expire(struct hf_redis_op *op, int result)
{
    struct hf_redis_store *store = op->channel->store;
    hf_redis_stop_waiting(store, op);
    TAILQ_REMOVE(&op->channel->ops, op, in_channel);
    hf_redis_complete(store, op, result);
}

/* A group that was sent together can only be looked for together. */
static void expire_unsure(struct hf_redis_channel *channel)
{
    struct hf_redis_op *op, *next;
    for (op = TAILQ_FIRST(&channel->ops); op != NULL; op = next) {
        next = TAILQ_NEXT(op, in_channel);
        if (op->is_unsure)
            expire(op, HF_EUNKNOWN);
    }
}

void hf_redis_on_deadline(int fd, short what, void *context)
{
    (void)fd, (void)what;
    struct hf_redis_store *store = context;
    struct hf_redis_op *op;
    uint64_t now_ms = hf_redis_now_ms();
    while ((op = TAILQ_FIRST(&store->waiting)) != NULL && op->deadline_ms <= now_ms) {
        struct hf_redis_channel *channel = op->channel;
        channel->users++;
        if (op->is_unsure)
            expire_unsure(channel);
        else
            expire(op, HF_EUNAVAILABLE);
        channel->users--;
        hf_redis_channel_settle(channel);
    }
    set_deadline(store);
}

/* --- held: R4 ------------------------------------------------------------------------------- */

static bool overtakes(const struct hf_redis_op *op)
{
    return op->kind == HF_REDIS_READ || op->kind == HF_REDIS_MEND;
}

static bool is_holding(const struct hf_redis_store *store)
{
    return !store->is_closing && hf_redis_connection_is_ready(store->commands) &&
           hf_redis_connection_life(store->commands) != store->admitted_life;
}

bool hf_redis_is_held(const struct hf_redis_op *op)
{
    const struct hf_redis_store *store = op->channel->store;
    bool writes = op->kind == HF_REDIS_REMOVE ||
                  (op->kind == HF_REDIS_PUBLISH && op->request.publish->options.history_size > 0);
    return writes && is_holding(store);
}

/* The connection is one to a life that is not admitted: R4. */
void hf_redis_hold(struct hf_redis_store *store)
{
    struct hf_redis_op *op;
    if (!is_holding(store))
        return;
    TAILQ_FOREACH (op, &store->waiting, in_waiting) {
        if (!overtakes(op))
            continue;
        TAILQ_REMOVE(&op->channel->ops, op, in_channel);
        insert_first(op);
        hf_redis_channel_settle(op->channel);
    }
}

void hf_redis_admit(struct hf_store *base, uint64_t life)
{
    struct hf_redis_store *store = hf_redis_store_of(base);
    struct hf_redis_op *op;
    if (store->is_closing || store->admitted_life == life)
        return;
    store->admitted_life = life;
    hf_redis_life_admit(store);
    TAILQ_FOREACH (op, &store->waiting, in_waiting)
        hf_redis_channel_settle(op->channel);
}

/* --- the beginning -------------------------------------------------------------------------- */

/* Reads, mends and what nodes say to each other are not refused here: held publishes, which fill
 * the queue after a loss, wait for just them. Their number is bounded by who asks: the core's by
 * loads_in_flight_max, the ports' by the same limits as these. */
static bool is_full(const struct hf_redis_store *store, const struct hf_redis_op *op)
{
    const struct hf_engine_config *config = store->config;
    return !overtakes(op) && op->kind != HF_REDIS_BUS &&
           (store->pending_requests >= config->pending_requests_max ||
            store->pending_bytes + op->bytes > config->pending_bytes_max);
}

int hf_redis_enqueue(struct hf_redis_store *store, struct hf_redis_op *op, struct hf_bytes name,
                     size_t bytes, int refusal)
{
    if (op == NULL)
        return HF_ENOMEM;
    op->bytes = bytes;
    if (store->is_closing)
        refusal = HF_ECLOSED;
    else if (refusal == HF_OK && is_full(store, op))
        refusal = HF_ELIMIT;
    if (op->kind == HF_REDIS_BUS)
        op->channel = store->bus;
    else if (op->kind == HF_REDIS_PRESENCE || op->kind == HF_REDIS_PRESENCE_READ)
        op->channel = store->presence;
    else if (refusal == HF_OK && (op->channel = hf_redis_channel_get(store, name)) == NULL)
        refusal = HF_ENOMEM;
    store->pending_requests++;
    if (refusal != HF_OK) {
        op->bytes = 0;
        hf_redis_complete_later(store, op, refusal);
        return HF_OK;
    }
    store->pending_bytes += bytes;
    op->deadline_ms = hf_redis_now_ms() + store->config->wait_ms;
    op->is_waiting = true;
    TAILQ_INSERT_TAIL(&store->waiting, op, in_waiting);
    if (overtakes(op) && is_holding(store))
        insert_first(op);
    else
        TAILQ_INSERT_TAIL(&op->channel->ops, op, in_channel);
    hf_redis_channel_settle(op->channel);
    set_deadline(store);
    return HF_OK;
}
