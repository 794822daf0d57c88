/* Redis store: the contract's requests become operations, and what became of those is told. */
#include "store/redis_store.h"

/* --- completions ---------------------------------------------------------------------------- */

static void complete_publish(struct hf_store_publish *request, int result)
{
    request->result = result;
    if (result != HF_OK) {
        request->position = (struct hf_position){0};
        request->outcome = HF_PUBLISHED;
    }
    request->complete(request);
}

static void complete_read(struct hf_store_read *request, int result)
{
    request->result = result;
    if (result != HF_OK) {
        request->top = (struct hf_position){0};
        request->page = NULL;
        request->has_more = false;
    }
    request->complete(request);
}

static void complete_remove(struct hf_store_remove *request, int result)
{
    request->result = result;
    request->complete(request);
}

static void complete_mend(struct hf_store_mend *request, int result)
{
    request->result = result;
    request->complete(request);
}

static void complete_bus(struct hf_store_bus *request, int result)
{
    request->result = result;
    request->complete(request);
}

static void complete_presence(struct hf_store_presence *request, int result)
{
    request->result = result;
    request->complete(request);
}

static void complete_presence_read(struct hf_store_presence_read *request, int result)
{
    request->result = result;
    request->complete(request);
}

void hf_redis_request_complete(const struct hf_redis_op *op, int result)
{
    switch (op->kind) {
    case HF_REDIS_PUBLISH:
        complete_publish(op->request.publish, result);
        break;
    case HF_REDIS_READ:
        complete_read(op->request.read, result);
        break;
    case HF_REDIS_REMOVE:
        complete_remove(op->request.remove, result);
        break;
    case HF_REDIS_MEND:
        complete_mend(op->request.mend, result);
        break;
    case HF_REDIS_BUS:
        complete_bus(op->request.bus, result);
        break;
    case HF_REDIS_PRESENCE:
        complete_presence(op->request.presence, result);
        break;
    case HF_REDIS_PRESENCE_READ:
        complete_presence_read(op->request.presence_read, result);
        break;
    }
}

/* --- requests ------------------------------------------------------------------------------- */

void hf_redis_publish(struct hf_store *base, struct hf_store_publish *request)
{
    struct hf_redis_store *store = hf_redis_store_of(base);
    const struct hf_stream_options *options = &request->options;
    const struct hf_publication_fields *fields = &request->fields;
    request->outcome = HF_PUBLISHED;
    bool has_ttl = options->history_ttl_s > 0 && options->meta_ttl_s > 0;
    struct hf_redis_op *op = hf_redis_op_new(store, HF_REDIS_PUBLISH);
    if (op != NULL)
        op->request.publish = request;
    if (hf_redis_enqueue(store, op, request->channel,
                         fields->data.len + fields->info.len + fields->tags.len +
                             request->channel.len + request->idempotency_key.len +
                             request->fields.version_epoch.len,
                         options->history_size > 0 && !has_ttl ? HF_EINVAL : HF_OK) != HF_OK) {
        request->internal[0] = store->failed_publishes;
        store->failed_publishes = request;
        hf_redis_schedule(store);
    }
}

void hf_redis_read(struct hf_store *base, struct hf_store_read *request)
{
    struct hf_redis_store *store = hf_redis_store_of(base);
    struct hf_redis_op *op = hf_redis_op_new(store, HF_REDIS_READ);
    if (op != NULL)
        op->request.read = request;
    if (hf_redis_enqueue(store, op, request->channel, 0,
                         request->create && request->options.meta_ttl_s == 0 ? HF_EINVAL : HF_OK) !=
        HF_OK) {
        request->internal[0] = store->failed_reads;
        store->failed_reads = request;
        hf_redis_schedule(store);
    }
}

void hf_redis_remove(struct hf_store *base, struct hf_store_remove *request)
{
    struct hf_redis_store *store = hf_redis_store_of(base);
    struct hf_redis_op *op = hf_redis_op_new(store, HF_REDIS_REMOVE);
    if (op != NULL)
        op->request.remove = request;
    if (hf_redis_enqueue(store, op, request->channel, 0, HF_OK) != HF_OK) {
        request->internal[0] = store->failed_removes;
        store->failed_removes = request;
        hf_redis_schedule(store);
    }
}

/* Whether the page is what follows `expected`. */
static bool is_mend_valid(const struct hf_store_mend *request)
{
    if (request->options.history_size == 0 || request->options.history_ttl_s == 0 ||
        request->options.meta_ttl_s == 0 || request->expected.epoch == HF_EPOCH_NONE)
        return false;
    for (uint32_t i = 0; request->page != NULL && i < request->page->count; i++) {
        const struct hf_position position = {request->expected.epoch,
                                             request->expected.offset + 1 + i};
        if (!hf_position_equal(request->page->items[i]->position, position))
            return false;
    }
    return request->page == NULL || request->page->count > 0;
}

void hf_redis_mend(struct hf_store *base, struct hf_store_mend *request)
{
    struct hf_redis_store *store = hf_redis_store_of(base);
    struct hf_redis_op *op = hf_redis_op_new(store, HF_REDIS_MEND);
    if (op != NULL)
        op->request.mend = request;
    if (hf_redis_enqueue(store, op, request->channel,
                         request->page != NULL ? request->page->size : 0,
                         is_mend_valid(request) ? HF_OK : HF_EINVAL) != HF_OK) {
        request->internal[0] = store->failed_mends;
        store->failed_mends = request;
        hf_redis_schedule(store);
    }
}

void hf_redis_bus_send(struct hf_store *base, struct hf_store_bus *request)
{
    struct hf_redis_store *store = hf_redis_store_of(base);
    struct hf_redis_op *op = hf_redis_op_new(store, HF_REDIS_BUS);
    if (op != NULL)
        op->request.bus = request;
    if (hf_redis_enqueue(store, op, (struct hf_bytes){0}, request->message.len, HF_OK) != HF_OK) {
        request->internal[0] = store->failed_buses;
        store->failed_buses = request;
        hf_redis_schedule(store);
    }
}

static size_t presence_bytes(const struct hf_store_presence *request)
{
    size_t bytes = 0;
    for (size_t i = 0; i < request->count; i++) {
        const struct hf_presence_client *who = &request->items[i].who;
        bytes += who->channel.len + who->client.len + who->user.len + who->info.len;
    }
    return bytes;
}

void hf_redis_presence(struct hf_store *base, struct hf_store_presence *request)
{
    struct hf_redis_store *store = hf_redis_store_of(base);
    struct hf_redis_op *op = hf_redis_op_new(store, HF_REDIS_PRESENCE);
    if (op != NULL)
        op->request.presence = request;
    if (hf_redis_enqueue(store, op, (struct hf_bytes){0}, presence_bytes(request), HF_OK) !=
        HF_OK) {
        request->internal[0] = store->failed_presences;
        store->failed_presences = request;
        hf_redis_schedule(store);
    }
}

void hf_redis_presence_read(struct hf_store *base, struct hf_store_presence_read *request)
{
    struct hf_redis_store *store = hf_redis_store_of(base);
    struct hf_redis_op *op = hf_redis_op_new(store, HF_REDIS_PRESENCE_READ);
    request->entries = NULL;
    request->count = 0;
    request->clients = request->users = 0;
    if (op != NULL)
        op->request.presence_read = request;
    if (hf_redis_enqueue(store, op, (struct hf_bytes){0}, 0, HF_OK) != HF_OK) {
        request->internal[0] = store->failed_presence_reads;
        store->failed_presence_reads = request;
        hf_redis_schedule(store);
    }
}

/* --- refused without an operation ----------------------------------------------------------- */

void hf_redis_complete_failed(struct hf_redis_store *store, int result)
{
    struct hf_store_publish *publish;
    struct hf_store_read *read;
    struct hf_store_remove *remove;
    while ((publish = store->failed_publishes) != NULL) {
        store->failed_publishes = publish->internal[0];
        complete_publish(publish, result);
    }
    while ((read = store->failed_reads) != NULL) {
        store->failed_reads = read->internal[0];
        complete_read(read, result);
    }
    while ((remove = store->failed_removes) != NULL) {
        store->failed_removes = remove->internal[0];
        complete_remove(remove, result);
    }
    struct hf_store_mend *mend;
    while ((mend = store->failed_mends) != NULL) {
        store->failed_mends = mend->internal[0];
        complete_mend(mend, result);
    }
    struct hf_store_bus *bus;
    while ((bus = store->failed_buses) != NULL) {
        store->failed_buses = bus->internal[0];
        complete_bus(bus, result);
    }
    struct hf_store_presence *presence;
    while ((presence = store->failed_presences) != NULL) {
        store->failed_presences = presence->internal[0];
        complete_presence(presence, result);
    }
    struct hf_store_presence_read *presence_read;
    while ((presence_read = store->failed_presence_reads) != NULL) {
        store->failed_presence_reads = presence_read->internal[0];
        complete_presence_read(presence_read, result);
    }
}
