/* Redis store: reads. Plain commands only, and never a write (S4), except to create.
 *
 *   POSITION  GET meta    [+ XRANGE]     the meta key is missing:
 *   PROOF     XINFO or create [+ XRANGE]      the stream's own last ID tells the position
 *   RANGE     XRANGE                     further chunks, and the first when the epoch was unknown
 *
 * A step's commands travel together but are not one transaction, so others may write between
 * them. The answer is one true statement all the same: "at some moment of the read, the stream was
 * in epoch E with top T, and these were publications of it":
 *   - T is the greatest position seen. Published in between: XRANGE shows entries behind what GET
 *     said; T was the top when the last of them had been added.
 *   - Expired or removed in between: no entries, and the position is kept by the meta key.
 *   - A newer epoch in between: what was read of the older one is dropped. A range that is bounded
 *     to an epoch shows none of the newer one; then the statement is about the moment of GET.
 *   - Trimmed between two chunks: what was read before the hole is dropped, as if the read had
 *     come later. The caller sees that the page does not begin at `since`.
 *   - Entries further below T than the history is long, which are there until trimming comes to
 *     them, count as trimmed.
 *   - Entries that end below T although nothing was cut off: the stream has lost its end. They
 *     connect to nothing that will be published; none are given. */
#include "store/redis_store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "redis/frame.h"
#include "redis/scripts.h"

#define CHUNK_FIRST 128 /* while the size of a publication is not known but bytes are limited */
#define CHUNK_MIN   16
#define CHUNK_MAX   1024

#define BOUND_SIZE (HF_POSITION_TEXT_SIZE + 1)

enum phase { PHASE_POSITION, PHASE_PROOF, PHASE_RANGE };

struct read {
    struct hf_redis_op op; /* first member */
    enum phase phase;
    uint32_t replies_open; /* of the step */
    int error;             /* of a reply in the step */
    bool is_lost;          /* the connection broke in the step */
    bool is_unpositioned;  /* the step's position command found nothing */
    bool is_forgotten;     /* NOSCRIPT: the next try brings the script's text */
    bool has_range;        /* a range was read in this or an earlier step */
    bool is_below;         /* the step's range began below the floor */

    struct hf_position since; /* the request's, with the epoch found when it gave none */
    struct hf_position top;
    bool is_cut;   /* limit or bytes_max was reached */
    bool is_ended; /* a range came to the stream's end */
    uint32_t chunk;
    size_t bytes;
    uint32_t count, capacity;
    struct hf_publication **items;
};

static void send_step(struct read *read);
static void finish(struct read *read, int result);

struct hf_redis_op *hf_redis_read_new(void)
{
    struct read *read = calloc(1, sizeof *read);
    return read != NULL ? &read->op : NULL;
}

static void drop_items(struct read *read)
{
    for (uint32_t i = 0; i < read->count; i++)
        hf_publication_unref(read->items[i]);
    read->count = 0;
    read->bytes = 0;
}

void hf_redis_read_free(struct hf_redis_op *op)
{
    struct read *read = (struct read *)op;
    drop_items(read);
    free(read->items);
    free(read);
}

/* --- entries -------------------------------------------------------------------------------- */

static bool has_since_epoch(const struct read *read)
{
    return read->op.request.read->has_since && read->since.epoch != HF_EPOCH_NONE;
}

/* Publications of the top's epoch are wanted, unless the caller asked for those of another. */
static bool is_wanted(const struct read *read)
{
    return !has_since_epoch(read) || read->since.epoch == read->top.epoch;
}

static uint64_t parse_number(const struct hf_reply *text)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text->len && text->text[i] >= '0' && text->text[i] <= '9'; i++)
        value = value * 10 + (uint64_t)(text->text[i] - '0');
    return value;
}

static void parse_fields(const struct hf_reply *list, struct hf_publication_fields *fields)
{
    memset(fields, 0, sizeof *fields);
    for (size_t i = 0; i + 1 < list->len; i += 2) {
        const struct hf_reply *name = list->items[i], *value = list->items[i + 1];
        if (name->type != HF_REPLY_TEXT || value->type != HF_REPLY_TEXT)
            continue;
        struct hf_bytes bytes = {value->text, value->len};
        if (hf_reply_is_text(name, "data"))
            fields->data = bytes;
        else if (hf_reply_is_text(name, "info"))
            fields->info = bytes;
        else if (hf_reply_is_text(name, "tags"))
            fields->tags = bytes;
        else if (hf_reply_is_text(name, "version"))
            fields->version = parse_number(value);
        else if (hf_reply_is_text(name, "version_epoch"))
            fields->version_epoch = bytes;
        else if (hf_reply_is_text(name, "delta"))
            fields->delta = true;
    }
}

static int append(struct read *read, struct hf_position position, const struct hf_reply *list)
{
    if (read->count == read->capacity) {
        uint32_t capacity = read->capacity > 0 ? read->capacity * 2 : 16;
        struct hf_publication **items = realloc(read->items, capacity * sizeof *items);
        if (items == NULL)
            return HF_ENOMEM;
        read->items = items;
        read->capacity = capacity;
    }
    struct hf_publication_fields fields;
    parse_fields(list, &fields);
    struct hf_publication *publication = hf_publication_new(position, &fields);
    if (publication == NULL)
        return HF_ENOMEM;
    read->items[read->count++] = publication;
    read->bytes += publication->size;
    return HF_OK;
}

/* The publication at `since` itself, when it was asked for and is there: it counts towards no
 * limit. */
static const struct hf_publication *extra(const struct read *read)
{
    const struct hf_store_read *request = read->op.request.read;
    bool is_there = request->with_since && read->count > 0 &&
                    read->items[0]->position.offset == read->since.offset;
    return is_there ? read->items[0] : NULL;
}

static uint32_t counted(const struct read *read)
{
    return read->count - (extra(read) != NULL);
}

static bool is_full(const struct read *read)
{
    const struct hf_store_read *request = read->op.request.read;
    const struct hf_publication *since = extra(read);
    size_t bytes = read->bytes - (since != NULL ? since->size : 0);
    return counted(read) >= request->limit ||
           (request->bytes_max > 0 && bytes > request->bytes_max);
}

/* Entries up to this offset are there only because trimming is done in batches. */
static uint64_t floor_offset(const struct read *read)
{
    const uint32_t size = read->op.request.read->options.history_size;
    return size > 0 && read->top.offset > size ? read->top.offset - size : 0;
}

/* One entry of a range, in the range's order. */
static int absorb(struct read *read, struct hf_position position, const struct hf_reply *list)
{
    bool reverse = read->op.request.read->reverse;
    if (position.epoch < read->top.epoch)
        return HF_OK; /* left over from an older epoch */
    if (position.epoch > read->top.epoch) {
        drop_items(read);
        read->is_cut = false;
        read->top = position;
    }
    if (position.offset > read->top.offset)
        read->top.offset = position.offset;
    if (!is_wanted(read) || read->is_cut)
        return HF_OK;
    if (position.offset <= floor_offset(read)) {
        read->is_below = !reverse;
        read->is_ended |= reverse;
        return HF_OK;
    }
    if (is_full(read)) {
        read->is_cut = true;
        return HF_OK;
    }
    if (read->count > 0) {
        uint64_t last = read->items[read->count - 1]->position.offset;
        if (reverse && position.offset != last - 1) {
            read->is_ended = true;
            return HF_OK;
        }
        if (!reverse && position.offset != last + 1)
            drop_items(read);
    }
    return append(read, position, list);
}

static int absorb_range(struct read *read, const struct hf_reply *range)
{
    if (range->type != HF_REPLY_ARRAY)
        return HF_ESTORE;
    for (size_t i = 0; i < range->len; i++) {
        const struct hf_reply *entry = range->items[i];
        struct hf_position position;
        if (entry->type != HF_REPLY_ARRAY || entry->len != 2 ||
            entry->items[1]->type != HF_REPLY_ARRAY ||
            !hf_reply_position(entry->items[0], &position))
            return HF_ESTORE;
        int rc = absorb(read, position, entry->items[1]);
        if (rc != HF_OK)
            return rc;
    }
    if (range->len < read->chunk)
        read->is_ended = true;
    return HF_OK;
}

/* --- the end -------------------------------------------------------------------------------- */

/* The top may have moved on since they were read. */
static void drop_below_floor(struct read *read)
{
    const bool reverse = read->op.request.read->reverse;
    uint32_t below = 0;
    while (below < read->count) {
        uint32_t oldest = reverse ? read->count - 1 - below : below;
        if (read->items[oldest]->position.offset > floor_offset(read))
            break;
        hf_publication_unref(read->items[oldest]);
        below++;
    }
    read->count -= below;
    if (!reverse && below > 0 && read->count > 0)
        memmove(read->items, read->items + below, read->count * sizeof read->items[0]);
}

static int make_page(struct read *read)
{
    struct hf_store_read *request = read->op.request.read;
    if (!is_wanted(read))
        drop_items(read);
    if (read->count > 0) {
        uint64_t newest = read->items[request->reverse ? 0 : read->count - 1]->position.offset;
        bool may_end_below = request->reverse ? request->has_since : is_full(read) || read->is_cut;
        if (newest < read->top.offset && !may_end_below)
            drop_items(read);
    }
    drop_below_floor(read);
    if (read->count == 0)
        return HF_OK;

    const struct hf_publication *last = read->items[read->count - 1];
    request->has_more = request->reverse ? read->is_cut : last->position.offset < read->top.offset;
    request->page = hf_page_new(read->items, read->count);
    return request->page != NULL ? HF_OK : HF_ENOMEM;
}

static void finish(struct read *read, int result)
{
    struct hf_redis_channel *channel = read->op.channel;
    struct hf_store_read *request = read->op.request.read;
    request->page = NULL;
    request->has_more = false;
    request->top = read->top;
    request->life = hf_redis_connection_life(channel->store->commands);
    if (result == HF_OK)
        result = make_page(read);
    if (result == HF_OK)
        hf_redis_channel_learn(channel, read->top);
    hf_redis_complete(channel->store, &read->op, result);
    channel->users--;
    hf_redis_channel_settle(channel);
}

/* Everything anew once the connection is back. */
static void start_again(struct read *read)
{
    struct hf_redis_channel *channel = read->op.channel;
    drop_items(read);
    if (channel->store->is_closing) {
        finish(read, HF_ECLOSED);
        return;
    }
    hf_redis_wait_again(channel->store, &read->op);
    channel->users--;
    hf_redis_channel_settle(channel);
}

static void advance(struct read *read)
{
    const struct hf_store_read *request = read->op.request.read;
    if (read->is_lost) {
        start_again(read);
    } else if (read->is_forgotten && read->error == HF_OK) {
        send_step(read);
    } else if (read->error != HF_OK) {
        finish(read, read->error);
    } else if (read->is_unpositioned && read->phase == PHASE_POSITION) {
        read->phase = PHASE_PROOF;
        send_step(read);
    } else if (request->limit == 0 || read->since.epoch > HF_EPOCH_MAX ||
               read->top.epoch == HF_EPOCH_NONE) {
        finish(read, HF_OK);
    } else if (!read->has_range) {
        read->since.epoch = read->top.epoch;
        read->phase = PHASE_RANGE;
        send_step(read);
    } else if (read->is_ended || read->is_cut || !is_wanted(read) ||
               (read->count == 0 && !read->is_below)) {
        finish(read, HF_OK);
    } else if (is_full(read) && !request->reverse) {
        finish(read, HF_OK); /* the top tells whether there is more */
    } else {
        read->phase = PHASE_RANGE;
        send_step(read);
    }
}

/* --- replies -------------------------------------------------------------------------------- */

static void reply_done(struct read *read)
{
    if (--read->replies_open == 0)
        advance(read);
}

static void fail(struct read *read, int error)
{
    if (read->error == HF_OK)
        read->error = error;
}

static void see_top(struct read *read, struct hf_position position)
{
    if (position.epoch > read->top.epoch ||
        (position.epoch == read->top.epoch && position.offset > read->top.offset))
        read->top = position;
}

static void on_meta(void *context, const struct hf_reply *reply)
{
    struct read *read = context;
    struct hf_position position;
    if (reply == NULL)
        read->is_lost = true;
    else if (reply->type == HF_REPLY_ERROR)
        fail(read, hf_redis_judge(read->op.channel->store, reply));
    else if (hf_reply_position(reply, &position))
        see_top(read, position);
    else
        read->is_unpositioned = true; /* missing; or not ours, which is the same to the script */
    reply_done(read);
}

static const struct hf_reply *last_generated_id(const struct hf_reply *info)
{
    for (size_t i = 0; i + 1 < info->len; i += 2) {
        if (hf_reply_is_text(info->items[i], "last-generated-id"))
            return info->items[i + 1];
    }
    return NULL;
}

static void on_info(void *context, const struct hf_reply *reply)
{
    struct read *read = context;
    struct hf_position position;
    if (reply == NULL) {
        read->is_lost = true;
    } else if (reply->type == HF_REPLY_ERROR) {
        if (strstr(reply->text, "no such key") == NULL)
            fail(read, hf_redis_judge(read->op.channel->store, reply));
    } else {
        const struct hf_reply *id = reply->type == HF_REPLY_ARRAY ? last_generated_id(reply) : NULL;
        if (id != NULL && hf_reply_position(id, &position))
            see_top(read, position);
        else if (id == NULL || !hf_reply_is_text(id, "0-0"))
            fail(read, HF_ESTORE);
    }
    reply_done(read);
}

static void on_created(void *context, const struct hf_reply *reply)
{
    struct read *read = context;
    struct hf_position position;
    if (reply == NULL)
        read->is_lost = true;
    else if (hf_reply_is_error(reply, "NOSCRIPT"))
        read->is_forgotten = true;
    else if (reply->type == HF_REPLY_ERROR)
        fail(read, hf_redis_judge(read->op.channel->store, reply));
    else if (hf_reply_position(reply, &position))
        see_top(read, position);
    else
        fail(read, HF_ESTORE);
    reply_done(read);
}

static void on_range(void *context, const struct hf_reply *reply)
{
    struct read *read = context;
    if (reply == NULL) {
        read->is_lost = true;
    } else if (reply->type == HF_REPLY_ERROR) {
        fail(read, hf_redis_judge(read->op.channel->store, reply));
    } else if (read->is_unpositioned || read->is_forgotten) {
        /* Another step brings the position and the range again. */
    } else if (read->error == HF_OK) {
        int rc = absorb_range(read, reply);
        if (rc != HF_OK)
            fail(read, rc);
    }
    reply_done(read);
}

/* --- commands ------------------------------------------------------------------------------- */

static char *write_key(char *at, const struct read *read, const struct hf_redis_prefix *prefix)
{
    const struct hf_redis_channel *channel = read->op.channel;
    return hf_redis_write_joined(at, prefix->text, prefix->len, channel->name, channel->len);
}

static bool send_position(struct read *read)
{
    struct hf_redis_store *store = read->op.channel->store;
    const struct hf_script *script = &hf_scripts[HF_SCRIPT_STREAM_CREATE];
    size_t name_len = store->stream_prefix.len + read->op.channel->len;
    char *at = hf_redis_connection_reserve(
        store->commands, HF_REDIS_COMMAND_SIZE + 2 * HF_REDIS_ARGUMENT_SIZE(name_len) +
                             4 * HF_REDIS_ARGUMENT_SIZE(20) +
                             HF_REDIS_ARGUMENT_SIZE(read->is_forgotten ? script->len : 40));
    if (at == NULL)
        return false;
    if (read->phase == PHASE_POSITION) {
        at = hf_redis_write_command(at, 2);
        at = hf_redis_write_text(at, "GET");
        at = write_key(at, read, &store->meta_prefix);
        return hf_redis_connection_send(store->commands, at, on_meta, read);
    }
    if (!read->op.request.read->create) {
        at = hf_redis_write_command(at, 3);
        at = hf_redis_write_text(at, "XINFO");
        at = hf_redis_write_text(at, "STREAM");
        at = write_key(at, read, &store->stream_prefix);
        return hf_redis_connection_send(store->commands, at, on_info, read);
    }
    at = hf_redis_write_command(at, 6);
    at = hf_redis_write_text(at, read->is_forgotten ? "EVAL" : "EVALSHA");
    at = hf_redis_write_text(at, read->is_forgotten ? script->text : script->sha1);
    at = hf_redis_write_text(at, "2");
    at = write_key(at, read, &store->stream_prefix);
    at = write_key(at, read, &store->meta_prefix);
    at = hf_redis_write_number(at, hf_redis_ttl(read->op.request.read->options.meta_ttl_s));
    return hf_redis_connection_send(store->commands, at, on_created, read);
}

/* The bound at `position`, excluding it or not. */
static char *write_bound(char *at, struct hf_position position, bool excluded)
{
    char text[BOUND_SIZE];
    text[0] = '(';
    size_t len = hf_position_format(position, text + 1);
    return excluded ? hf_redis_write_bytes(at, text, len + 1)
                    : hf_redis_write_bytes(at, text + 1, len);
}

/* Where the range begins, in its own direction, and that it ends with the epoch. */
static char *write_bounds(char *at, const struct read *read)
{
    const struct hf_store_read *request = read->op.request.read;
    struct hf_position begin = read->since;
    bool excluded = !request->with_since;
    if (read->count > 0) {
        begin = read->items[read->count - 1]->position;
        excluded = true;
    } else if (!request->reverse && floor_offset(read) > 0 &&
               (!request->has_since ||
                (begin.epoch == read->top.epoch && begin.offset < floor_offset(read)))) {
        begin = (struct hf_position){read->top.epoch, floor_offset(read)};
        excluded = true;
    } else if (!request->has_since) {
        at = hf_redis_write_text(at, request->reverse ? "+" : "-");
        return hf_redis_write_text(at, request->reverse ? "-" : "+");
    }
    at = write_bound(at, begin, excluded);
    return request->reverse ? write_bound(at, (struct hf_position){begin.epoch, 0}, false)
                            : hf_redis_write_number(at, begin.epoch); /* its last possible ID */
}

/* How many entries to ask for next. */
static uint32_t next_chunk(const struct read *read)
{
    const struct hf_store_read *request = read->op.request.read;
    uint64_t chunk = CHUNK_MAX;
    if (request->bytes_max > 0) {
        chunk = CHUNK_FIRST;
        if (read->bytes >= request->bytes_max)
            chunk = 1;
        else if (read->count > 0)
            chunk = (request->bytes_max - read->bytes) / (read->bytes / read->count + 1) + 1;
        if (chunk < CHUNK_MIN)
            chunk = CHUNK_MIN;
        if (chunk > CHUNK_MAX)
            chunk = CHUNK_MAX;
    }
    /* One more than wanted tells, in reverse, whether there is more. */
    uint64_t wanted = (uint64_t)request->limit - counted(read) + (request->reverse ? 1 : 0);
    wanted += request->with_since && read->count == 0;
    return (uint32_t)(chunk < wanted ? chunk : wanted);
}

static bool send_range(struct read *read)
{
    struct hf_redis_store *store = read->op.channel->store;
    size_t name_len = store->stream_prefix.len + read->op.channel->len;
    char *at = hf_redis_connection_reserve(
        store->commands, HF_REDIS_COMMAND_SIZE + HF_REDIS_ARGUMENT_SIZE(name_len) +
                             5 * HF_REDIS_ARGUMENT_SIZE(BOUND_SIZE));
    if (at == NULL)
        return false;
    read->chunk = next_chunk(read);
    read->has_range = true;
    at = hf_redis_write_command(at, 6);
    at = hf_redis_write_text(at, read->op.request.read->reverse ? "XREVRANGE" : "XRANGE");
    at = write_key(at, read, &store->stream_prefix);
    at = write_bounds(at, read);
    at = hf_redis_write_text(at, "COUNT");
    at = hf_redis_write_number(at, read->chunk);
    return hf_redis_connection_send(store->commands, at, on_range, read);
}

static void on_admitted(void *context, const struct hf_reply *reply)
{
    struct read *read = context;
    struct hf_lives lives = {0};
    if (reply == NULL)
        read->is_lost = true;
    else
        hf_redis_life_parse(read->op.channel->store, reply, &lives);
    read->op.request.read->admitted_life = hf_lives_newest(&lives);
    reply_done(read);
}

/* Behind the range: nothing in it was written into a later life. */
static bool send_admitted(struct read *read)
{
    struct hf_redis_store *store = read->op.channel->store;
    return hf_redis_connection_command(store->commands, on_admitted, read, "GET", store->life_key,
                                       NULL);
}

/* The range goes along with the position when its bounds are known without it. */
static bool wants_range(const struct read *read)
{
    const struct hf_store_read *request = read->op.request.read;
    return request->limit > 0 && read->since.epoch <= HF_EPOCH_MAX &&
           (!request->has_since || has_since_epoch(read));
}

static void send_step(struct read *read)
{
    struct hf_redis_store *store = read->op.channel->store;
    if (!hf_redis_connection_is_ready(store->commands)) {
        start_again(read);
        return;
    }
    read->error = HF_OK;
    read->is_lost = false;
    read->is_unpositioned = false;
    read->is_below = false;
    read->replies_open = 1; /* this function's own: nothing may end the step before its end */
    if (read->phase != PHASE_RANGE) {
        if (send_position(read))
            read->replies_open++;
        else
            fail(read, HF_ENOMEM);
        read->is_forgotten = false;
    }
    if (read->error == HF_OK && wants_range(read)) {
        if (send_range(read))
            read->replies_open++;
        else
            fail(read, HF_ENOMEM);
    }
    if (read->error == HF_OK && read->op.request.read->with_admitted_life) {
        if (send_admitted(read))
            read->replies_open++;
        else
            fail(read, HF_ENOMEM);
    }
    if (--read->replies_open > 0)
        return;
    /* Nothing was sent: no memory. Not from inside a call into the store. */
    struct hf_redis_channel *channel = read->op.channel;
    hf_redis_complete_later(store, &read->op, HF_ENOMEM);
    channel->users--;
    hf_redis_channel_settle(channel);
}

void hf_redis_read_start(struct hf_redis_op *op)
{
    struct read *read = (struct read *)op;
    struct hf_store_read *request = op->request.read;
    request->admitted_life = 0;
    read->phase = PHASE_POSITION;
    read->since = request->has_since ? request->since : (struct hf_position){0};
    read->top = (struct hf_position){0};
    read->is_cut = read->is_ended = read->has_range = read->is_forgotten = false;
    op->channel->users++;
    send_step(read);
}
