/* Redis store: publishes. */
#include "store/redis_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis/frame.h"
#include "redis/scripts.h"

/* Larger histories are trimmed by whole nodes of the stream (100 entries or 4 KiB), as trimming
 * exactly costs up to a third of a publication. */
#define TRIM_EXACT_MAX 100

#define CALL_ARGUMENTS  2 /* before the groups */
#define FRAME_ARGUMENTS 2 /* of a publication, before its fields */

/* Keys expire so much later than asked, so that it need not be set with each publication; those
 * with a short life exactly when asked. */
#define TTL_SLACK_S        1
#define TTL_WITH_SLACK_MIN 16

#define OPTIONS_SIZE     64 /* the mode, three numbers, and what stands between and behind */
#define GROUP_START_SIZE (HF_REDIS_ANY_SIZE + 11)

/* One EVALSHA: the first `in_flight` operations of each of its channels. */
struct hf_redis_call {
    struct hf_redis_store *store;
    struct hf_stream_options options; /* of all its publications */
    uint64_t number;
    uint32_t count;
    uint32_t publications;
    size_t bytes;
    struct hf_redis_channel *channels[HF_CALL_PUBLICATIONS_MAX];
};

/* --- replies -------------------------------------------------------------------------------- */

/* Those before the last one have the offsets before. */
void hf_redis_finish_group(struct hf_redis_channel *channel, int result, struct hf_position last)
{
    struct hf_redis_store *store = channel->store;
    if (result != HF_OK)
        channel->refreshed_ms = 0;
    else if (last.epoch != HF_EPOCH_NONE)
        hf_redis_channel_learn(channel, last);
    while (channel->in_flight > 0) {
        struct hf_redis_op *op = TAILQ_FIRST(&channel->ops);
        if (op->kind == HF_REDIS_PUBLISH) {
            op->request.publish->position = (struct hf_position){0};
            if (result == HF_OK && last.epoch != HF_EPOCH_NONE) {
                op->request.publish->position =
                    (struct hf_position){last.epoch, last.offset - (channel->in_flight - 1)};
            }
        }
        TAILQ_REMOVE(&channel->ops, op, in_channel);
        hf_redis_complete(store, op, result);
        channel->in_flight--; /* last: what the completion flushes must not send the rest again */
    }
    hf_redis_channel_settle(channel);
}

void hf_redis_queue_again(struct hf_redis_channel *channel, bool is_unsure)
{
    struct hf_redis_op *op = TAILQ_FIRST(&channel->ops);
    channel->refreshed_ms = 0;
    for (; channel->in_flight > 0; channel->in_flight--, op = TAILQ_NEXT(op, in_channel)) {
        op->is_unsure |= is_unsure;
        hf_redis_wait_in_place(channel->store, op);
    }
    hf_redis_channel_settle(channel);
}

static void finish_call(struct hf_redis_call *call, int result)
{
    for (uint32_t i = 0; i < call->count; i++)
        hf_redis_finish_group(call->channels[i], result, (struct hf_position){0});
    free(call);
}

static bool send_call(struct hf_redis_call *call, bool with_text);

/* Of one channel, when the call as a whole has been carried out. */
static void take_answer(struct hf_redis_channel *channel, const struct hf_reply *answer)
{
    struct hf_position last = {0};
    int result = HF_OK;
    if (hf_reply_is_error(answer, "READONLY")) {
        hf_redis_judge(channel->store, answer);
        hf_redis_queue_again(channel, false); /* the connection is given up */
        return;
    }
    if (answer->type == HF_REPLY_ERROR)
        result = hf_redis_judge(channel->store, answer);
    else if (!hf_reply_position(answer, &last))
        result = HF_EUNKNOWN;
    hf_redis_finish_group(channel, result, last);
}

static void send_call_again(struct hf_redis_call *call)
{
    for (uint32_t i = 0; i < call->count; i++)
        call->channels[i]->refreshed_ms = 0;
    if (!send_call(call, true))
        finish_call(call, HF_ENOMEM);
}

static void on_call_reply(void *context, const struct hf_reply *reply)
{
    struct hf_redis_call *call = context;
    struct hf_redis_store *store = call->store;
    if (reply == NULL && store->is_closing) {
        finish_call(call, HF_ECLOSED);
        return;
    }
    if (reply != NULL && hf_reply_is_error(reply, "NOSCRIPT")) {
        send_call_again(call);
        return;
    }
    if (reply != NULL && reply->type == HF_REPLY_ERROR && call->count > 1) {
        finish_call(call, hf_redis_judge(store, reply));
        return;
    }
    if (reply != NULL && call->count > 1 &&
        (reply->type != HF_REPLY_ARRAY || reply->len != call->count)) {
        hf_redis_connection_break(store->commands, "the publish script answered in another form");
        finish_call(call, HF_EUNKNOWN);
        return;
    }
    for (uint32_t i = 0; i < call->count; i++) {
        if (reply == NULL)
            hf_redis_queue_again(call->channels[i], true);
        else
            take_answer(call->channels[i], call->count > 1 ? reply->items[i] : reply);
    }
    free(call);
}

static void on_plain_reply(void *context, const struct hf_reply *reply)
{
    struct hf_redis_channel *channel = context;
    struct hf_redis_store *store = channel->store;
    int result = HF_OK;
    if (reply == NULL)
        result = store->is_closing ? HF_ECLOSED : HF_EUNKNOWN;
    else if (reply->type == HF_REPLY_ERROR)
        result = hf_redis_judge(store, reply);
    hf_redis_finish_group(channel, result, (struct hf_position){0});
}

const char *hf_redis_trim(uint32_t history_size)
{
    return history_size <= TRIM_EXACT_MAX ? "=" : "~";
}

/* --- the script call ------------------------------------------------------------------------ */

static bool has_version_epoch(const struct hf_publication_fields *fields)
{
    return fields->version > 0 && fields->version_epoch.len > 0;
}

static size_t fields_count(const struct hf_publication_fields *fields)
{
    return 1 + (fields->info.len > 0) + (fields->tags.len > 0) + (fields->version > 0) +
           has_version_epoch(fields) + fields->delta;
}

/* Behind the frame's head. */
static size_t body_size(const struct hf_publication_fields *fields)
{
    return fields->data.len + fields->info.len + fields->tags.len +
           (has_version_epoch(fields) ? fields->version_epoch.len : 0);
}

size_t hf_redis_publication_arguments(const struct hf_publication_fields *fields)
{
    return FRAME_ARGUMENTS + 2 * fields_count(fields);
}

size_t hf_redis_publication_size_max(const struct hf_publication_fields *fields)
{
    /* the head, a count, and six fields with their names (at most 13 bytes) and values */
    return HF_REDIS_ARGUMENT_SIZE(HF_FRAME_HEAD_SIZE) + HF_REDIS_ARGUMENT_SIZE(2) +
           6 * HF_REDIS_ARGUMENT_SIZE(13) + 4 * HF_REDIS_ARGUMENT_SIZE(0) + body_size(fields) +
           HF_REDIS_ARGUMENT_SIZE(20) + HF_REDIS_ARGUMENT_SIZE(1);
}

char *hf_redis_write_publication(char *at, const struct hf_publication_fields *fields)
{
    char head[HF_FRAME_HEAD_SIZE];
    at = hf_redis_write_bytes(at, head, hf_frame_head(fields, head));
    at = hf_redis_write_number(at, 2 * fields_count(fields));
    at = hf_redis_write_text(at, "data");
    at = hf_redis_write_bytes(at, fields->data.data, fields->data.len);
    if (fields->info.len > 0) {
        at = hf_redis_write_text(at, "info");
        at = hf_redis_write_bytes(at, fields->info.data, fields->info.len);
    }
    if (fields->tags.len > 0) {
        at = hf_redis_write_text(at, "tags");
        at = hf_redis_write_bytes(at, fields->tags.data, fields->tags.len);
    }
    if (fields->version > 0) {
        at = hf_redis_write_text(at, "version");
        at = hf_redis_write_number(at, fields->version);
    }
    if (has_version_epoch(fields)) {
        at = hf_redis_write_text(at, "version_epoch");
        at = hf_redis_write_bytes(at, fields->version_epoch.data, fields->version_epoch.len);
    }
    if (fields->delta) {
        at = hf_redis_write_text(at, "delta");
        at = hf_redis_write_text(at, "1");
    }
    return at;
}

/* Whether the publications of the group in flight are data and nothing else. */
static bool is_plain(const struct hf_redis_channel *channel)
{
    const struct hf_redis_op *op = TAILQ_FIRST(&channel->ops);
    for (uint32_t i = 0; i < channel->in_flight; i++, op = TAILQ_NEXT(op, in_channel)) {
        if (fields_count(&op->request.publish->fields) > 1)
            return false;
    }
    return true;
}

/* Whether the group travels in the script's shortest form. */
static bool is_single(const struct hf_redis_channel *channel, bool plain)
{
    return plain && channel->in_flight == 1 && channel->epoch != HF_EPOCH_NONE;
}

/* Arguments of a channel's group in the script's ARGV, and their size at most, with the keys. */
static size_t group_arguments(const struct hf_redis_channel *channel, size_t *size)
{
    const struct hf_redis_store *store = channel->store;
    const bool plain = is_plain(channel);
    const struct hf_redis_op *op = TAILQ_FIRST(&channel->ops);
    *size += HF_REDIS_ARGUMENT_SIZE(store->stream_prefix.len + channel->len) +
             HF_REDIS_ARGUMENT_SIZE(store->meta_prefix.len + channel->len) +
             HF_REDIS_ARGUMENT_SIZE(GROUP_START_SIZE);
    if (is_single(channel, plain)) {
        *size += HF_REDIS_ARGUMENT_SIZE(op->request.publish->fields.data.len);
        return 2;
    }
    size_t count = 1;
    for (uint32_t i = 0; i < channel->in_flight; i++, op = TAILQ_NEXT(op, in_channel)) {
        const struct hf_publication_fields *fields = &op->request.publish->fields;
        if (plain) {
            count += 2;
            *size += HF_REDIS_ARGUMENT_SIZE(HF_FRAME_HEAD_SIZE) +
                     HF_REDIS_ARGUMENT_SIZE(fields->data.len);
        } else {
            count += hf_redis_publication_arguments(fields);
            *size += hf_redis_publication_size_max(fields);
        }
    }
    return count;
}

static uint32_t ttl_slack_s(uint32_t ttl_s)
{
    return ttl_s >= TTL_WITH_SLACK_MIN ? TTL_SLACK_S : 0;
}

uint64_t hf_redis_ttl(uint32_t ttl_s)
{
    return (uint64_t)ttl_s + ttl_slack_s(ttl_s);
}

/* Whether the channel's keys live long enough without their expiry being set again. What another
 * connection has set may have been set on another server, or been rolled back. */
static bool keeps_expiry(const struct hf_redis_channel *channel,
                         const struct hf_stream_options *options, uint64_t now_ms)
{
    uint32_t slack_s = ttl_slack_s(options->history_ttl_s);
    if (slack_s > ttl_slack_s(options->meta_ttl_s))
        slack_s = ttl_slack_s(options->meta_ttl_s);
    return channel->refreshed_ttl_s == options->history_ttl_s &&
           channel->refreshed_meta_ttl_s == options->meta_ttl_s &&
           channel->refreshed_ms > channel->store->ready_ms &&
           now_ms - channel->refreshed_ms < (uint64_t)slack_s * 1000;
}

/* Whether all channels of the call keep theirs. If not, all are set now. */
static bool refresh(struct hf_redis_call *call)
{
    uint64_t now_ms = hf_redis_now_ms();
    bool is_kept = true;
    for (uint32_t i = 0; i < call->count && is_kept; i++)
        is_kept = keeps_expiry(call->channels[i], &call->options, now_ms);
    for (uint32_t i = 0; i < call->count && !is_kept; i++) {
        call->channels[i]->refreshed_ms = now_ms;
        call->channels[i]->refreshed_ttl_s = call->options.history_ttl_s;
        call->channels[i]->refreshed_meta_ttl_s = call->options.meta_ttl_s;
    }
    return is_kept;
}

/* "<epoch>-*", without a NUL; nothing for no epoch. */
static char *write_any(char *at, uint64_t epoch)
{
    if (epoch == HF_EPOCH_NONE)
        return at;
    at = hf_redis_write_digits(at, epoch);
    *at++ = '-';
    *at++ = '*';
    return at;
}

char *hf_redis_write_any(char *at, uint64_t epoch)
{
    char text[HF_REDIS_ANY_SIZE];
    return hf_redis_write_bytes(at, text, (size_t)(write_any(text, epoch) - text));
}

static char *write_group(char *at, const struct hf_redis_channel *channel)
{
    const bool plain = is_plain(channel);
    const struct hf_redis_op *op = TAILQ_FIRST(&channel->ops);
    char start[GROUP_START_SIZE], *end = write_any(start, channel->epoch);
    if (is_single(channel, plain)) {
        const struct hf_bytes *data = &op->request.publish->fields.data;
        at = hf_redis_write_bytes(at, start, (size_t)(end - start));
        return hf_redis_write_bytes(at, data->data, data->len);
    }
    end = hf_redis_write_digits(end, channel->in_flight);
    if (!plain)
        *end++ = 'f';
    at = hf_redis_write_bytes(at, start, (size_t)(end - start));

    char text[HF_FRAME_HEAD_SIZE];
    for (uint32_t i = 0; i < channel->in_flight; i++, op = TAILQ_NEXT(op, in_channel)) {
        const struct hf_publication_fields *fields = &op->request.publish->fields;
        if (plain) {
            at = hf_redis_write_bytes(at, text, hf_frame_head(fields, text));
            at = hf_redis_write_bytes(at, fields->data.data, fields->data.len);
        } else {
            at = hf_redis_write_publication(at, fields);
        }
    }
    return at;
}

static char *write_options(char *at, const struct hf_redis_store *store,
                           const struct hf_stream_options *options, bool is_kept)
{
    const bool is_usual = options->history_size > TRIM_EXACT_MAX && store->db_prefix.len == 0;
    char text[OPTIONS_SIZE], *end = text;
    *end++ = !is_kept ? 'e' : is_usual ? 's' : 'k';
    end = hf_redis_write_digits(end, options->history_size);
    *end++ = ' ';
    end = hf_redis_write_digits(end, hf_redis_ttl(options->history_ttl_s));
    *end++ = ' ';
    end = hf_redis_write_digits(end, hf_redis_ttl(options->meta_ttl_s));
    *end++ = ' ';
    return hf_redis_write_joined(at, text, (size_t)(end - text), store->db_prefix.text,
                                 store->db_prefix.len);
}

size_t hf_redis_call_name(const struct hf_redis_store *store, uint64_t number,
                          char name[HF_REDIS_CALL_NAME_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    size_t len = 0;
    for (int shift = 28; shift >= 0; shift -= 4)
        name[len++] = digits[store->node >> shift & 15];
    name[len++] = '.';
    int shift = 60;
    while (shift > 0 && number >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        name[len++] = digits[number >> shift & 15];
    name[len] = '\0';
    return len;
}

/* KEYS and ARGV as lua/stream_publish.lua's header lists them; with_text: EVAL, which also makes
 * Redis know the script again. False: no memory, nothing was sent. */
static bool send_call(struct hf_redis_call *call, bool with_text)
{
    struct hf_redis_store *store = call->store;
    const struct hf_script *script = &hf_scripts[HF_SCRIPT_STREAM_PUBLISH];
    size_t size = hf_redis_script_size(script, with_text) +
                  HF_REDIS_ARGUMENT_SIZE(HF_REDIS_CALL_NAME_SIZE) +
                  HF_REDIS_ARGUMENT_SIZE(OPTIONS_SIZE + store->db_prefix.len);
    size_t arguments = CALL_ARGUMENTS;
    for (uint32_t i = 0; i < call->count; i++)
        arguments += group_arguments(call->channels[i], &size);

    char *at = hf_redis_connection_reserve(store->commands, size);
    if (at == NULL)
        return false;
    char name[HF_REDIS_CALL_NAME_SIZE];
    at = hf_redis_write_script(at, script, with_text, 2 * (uint64_t)call->count, arguments);
    for (uint32_t i = 0; i < call->count; i++) {
        const struct hf_redis_channel *channel = call->channels[i];
        at = hf_redis_write_joined(at, store->stream_prefix.text, store->stream_prefix.len,
                                   channel->name, channel->len);
        at = hf_redis_write_joined(at, store->meta_prefix.text, store->meta_prefix.len,
                                   channel->name, channel->len);
    }
    at = hf_redis_write_bytes(at, name, hf_redis_call_name(store, call->number, name));
    at = write_options(at, store, &call->options, refresh(call));
    for (uint32_t i = 0; i < call->count; i++)
        at = write_group(at, call->channels[i]);
    return hf_redis_connection_send(store->commands, at, on_call_reply, call);
}

/* --- sending -------------------------------------------------------------------------------- */

void hf_redis_refuse_group(struct hf_redis_channel *channel, int result)
{
    channel->refreshed_ms = 0; /* it may have been noted for what was not sent */
    for (; channel->in_flight > 0; channel->in_flight--) {
        struct hf_redis_op *op = TAILQ_FIRST(&channel->ops);
        TAILQ_REMOVE(&channel->ops, op, in_channel);
        hf_redis_complete_later(channel->store, op, result);
    }
    hf_redis_channel_settle(channel);
}

static void close_call(struct hf_redis_store *store)
{
    struct hf_redis_call *call = store->call;
    store->call = NULL;
    if (call == NULL || send_call(call, false))
        return;
    for (uint32_t i = 0; i < call->count; i++)
        hf_redis_refuse_group(call->channels[i], HF_ENOMEM);
    free(call);
}

static bool same_options(const struct hf_stream_options *a, const struct hf_stream_options *b)
{
    if (a->history_size == 0 || b->history_size == 0)
        return a->history_size == b->history_size;
    return a->history_size == b->history_size && a->history_ttl_s == b->history_ttl_s &&
           a->meta_ttl_s == b->meta_ttl_s;
}

/* Puts the publishes at the head of the queue into flight, as many as fit beside what the call
 * holds; at least one when it holds nothing. Returns their bytes. */
static size_t take_group(struct hf_redis_channel *channel, uint32_t publications, size_t bytes)
{
    struct hf_redis_op *first = TAILQ_FIRST(&channel->ops);
    size_t taken = 0;
    for (struct hf_redis_op *op = first; op != NULL; op = TAILQ_NEXT(op, in_channel)) {
        bool is_first_of_call = publications == 0 && channel->in_flight == 0;
        if (op->kind != HF_REDIS_PUBLISH || hf_redis_is_once(op) ||
            !same_options(&op->request.publish->options, &first->request.publish->options))
            break;
        if (!is_first_of_call && (publications + channel->in_flight >= HF_CALL_PUBLICATIONS_MAX ||
                                  bytes + taken + op->bytes > HF_CALL_BYTES_MAX))
            break;
        hf_redis_stop_waiting(channel->store, op);
        channel->in_flight++;
        taken += op->bytes;
    }
    return taken;
}

void hf_redis_begin_attempt(struct hf_redis_channel *channel, uint64_t number)
{
    uint64_t life = hf_redis_connection_life(channel->store->commands);
    TAILQ_FIRST(&channel->ops)->attempt = (struct hf_redis_attempt){
        .number = number,
        .life = life,
        .sent_ms = hf_redis_now_ms(),
        .before = {channel->epoch, channel->offset_life == life ? channel->offset : 0},
    };
}

/* Publications with history join the call that is being gathered. */
static void add_to_call(struct hf_redis_channel *channel)
{
    struct hf_redis_store *store = channel->store;
    const struct hf_stream_options *options = &TAILQ_FIRST(&channel->ops)->request.publish->options;
    if (store->call != NULL && !same_options(&store->call->options, options))
        close_call(store);
    for (;;) {
        if (store->call == NULL) {
            store->call = calloc(1, sizeof *store->call);
            if (store->call == NULL) {
                take_group(channel, 0, 0);
                hf_redis_refuse_group(channel, HF_ENOMEM);
                return;
            }
            store->call->store = store;
            store->call->options = *options;
            store->call->number = ++store->calls;
        }
        size_t bytes = take_group(channel, store->call->publications, store->call->bytes);
        if (channel->in_flight > 0) {
            hf_redis_begin_attempt(channel, store->call->number);
            store->call->channels[store->call->count++] = channel;
            store->call->publications += channel->in_flight;
            store->call->bytes += bytes;
            return;
        }
        close_call(store); /* full */
    }
}

/* Publications without history: one PUBLISH, no script. */
static void send_plain(struct hf_redis_channel *channel)
{
    struct hf_redis_store *store = channel->store;
    take_group(channel, 0, 0);

    char head[HF_FRAME_HEAD_SIZE];
    size_t message_len = 0;
    const struct hf_redis_op *op = TAILQ_FIRST(&channel->ops);
    for (uint32_t i = 0; i < channel->in_flight; i++, op = TAILQ_NEXT(op, in_channel))
        message_len += HF_FRAME_NO_HISTORY_LEN + hf_frame_head(&op->request.publish->fields, head) +
                       body_size(&op->request.publish->fields);

    char *at = hf_redis_connection_reserve(
        store->commands, HF_REDIS_COMMAND_SIZE + HF_REDIS_ARGUMENT_SIZE(7) +
                             HF_REDIS_ARGUMENT_SIZE(store->pubsub_prefix.len + channel->len) +
                             HF_REDIS_ARGUMENT_SIZE(message_len));
    if (at == NULL) {
        hf_redis_refuse_group(channel, HF_ENOMEM);
        return;
    }
    at = hf_redis_write_command(at, 3);
    at = hf_redis_write_text(at, "PUBLISH");
    at = hf_redis_write_joined(at, store->pubsub_prefix.text, store->pubsub_prefix.len,
                               channel->name, channel->len);
    at = hf_redis_write_start(at, message_len);
    op = TAILQ_FIRST(&channel->ops);
    for (uint32_t i = 0; i < channel->in_flight; i++, op = TAILQ_NEXT(op, in_channel)) {
        const struct hf_publication_fields *fields = &op->request.publish->fields;
        at = hf_redis_write_part(at, HF_FRAME_NO_HISTORY, HF_FRAME_NO_HISTORY_LEN);
        at = hf_redis_write_part(at, head, hf_frame_head(fields, head));
        at = hf_redis_write_part(at, fields->data.data, fields->data.len);
        at = hf_redis_write_part(at, fields->info.data, fields->info.len);
        at = hf_redis_write_part(at, fields->tags.data, fields->tags.len);
        if (has_version_epoch(fields))
            at = hf_redis_write_part(at, fields->version_epoch.data, fields->version_epoch.len);
    }
    at = hf_redis_write_part(at, "\r\n", 2);
    if (!hf_redis_connection_send(store->commands, at, on_plain_reply, channel))
        hf_redis_refuse_group(channel, HF_ENOMEM);
}

static void send_head(struct hf_redis_channel *channel)
{
    channel->users++; /* stays through what follows */
    while (channel->in_flight == 0 && !TAILQ_EMPTY(&channel->ops)) {
        struct hf_redis_op *op = TAILQ_FIRST(&channel->ops);
        if (hf_redis_is_held(op))
            break;
        if (op->kind == HF_REDIS_READ) {
            TAILQ_REMOVE(&channel->ops, op, in_channel);
            hf_redis_stop_waiting(channel->store, op);
            hf_redis_read_start(op);
        } else if (op->kind == HF_REDIS_REMOVE) {
            hf_redis_send_remove(channel);
        } else if (op->kind == HF_REDIS_MEND) {
            hf_redis_send_mend(channel);
        } else if (op->kind == HF_REDIS_BUS) {
            hf_redis_send_bus(op);
        } else if (op->kind == HF_REDIS_PRESENCE) {
            hf_redis_send_presence(channel->store);
        } else if (op->kind == HF_REDIS_PRESENCE_READ) {
            hf_redis_send_presence_read(op);
        } else if (hf_redis_is_once(op)) {
            hf_redis_send_once(channel);
        } else if (op->request.publish->options.history_size == 0) {
            send_plain(channel);
        } else {
            add_to_call(channel);
        }
    }
    channel->users--;
    hf_redis_channel_settle(channel);
}

void hf_redis_send_ready(struct hf_redis_store *store)
{
    if (hf_redis_connection_is_ready(store->commands) && !TAILQ_EMPTY(&store->ready))
        hf_redis_life_admit(store); /* before what is published into it */
    while (hf_redis_connection_is_ready(store->commands) && !TAILQ_EMPTY(&store->ready)) {
        struct hf_redis_channel *channel = TAILQ_FIRST(&store->ready);
        TAILQ_REMOVE(&store->ready, channel, in_ready);
        channel->is_ready = false;
        send_head(channel);
    }
    close_call(store);
}
