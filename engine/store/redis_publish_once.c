/* Redis store: publishes that may not be carried out again: with an idempotency key or a version,
 * and those whose outcome is unknown because the connection broke behind them.
 *
 * Each call of publishing has a name, which the entry of its last publication keeps (field "by").
 * A channel has one such call in flight at most, and nothing is published to it by this node
 * before that call's outcome is known. So after a lost connection the script that looks for the
 * name and publishes only when it is not there makes one of two attempts, whatever has become of
 * the first one:
 *  - applied, and still there: found; its position is the answer.
 *  - not applied, or lost by Redis with what came after it (a restart, a failover): the entries
 *    behind the position before it are all there, without the name. It is applied now. What a node
 *    has written back after a loss has no name any more, and may be it: then it is not known.
 *    (store.h, S7: that is done before, not after this.)
 *  - it cannot be told, since the entries are gone by now (trimmed, removed, expired): HF_EUNKNOWN.
 */
#include "store/redis_store.h"

#include <string.h>

#include "redis/frame.h"
#include "redis/scripts.h"

#define ARGUMENTS        12 /* before the publications */
#define IDEM_LENGTH_SIZE 21 /* digits of a length, and a colon */

static uint32_t idempotency_ttl_s(const struct hf_store_publish *request)
{
    return request->idempotency_ttl_s != 0 ? request->idempotency_ttl_s : HF_IDEMPOTENCY_TTL_S;
}

bool hf_redis_is_once(const struct hf_redis_op *op)
{
    const struct hf_store_publish *request = op->request.publish;
    return op->is_unsure || request->idempotency_key.len > 0 ||
           (request->fields.version > 0 && request->options.history_size > 0);
}

/* --- replies -------------------------------------------------------------------------------- */

static bool send_once(struct hf_redis_channel *channel, bool with_text);

static void on_answer(struct hf_redis_channel *channel, const struct hf_reply *reply)
{
    struct hf_store_publish *request = TAILQ_FIRST(&channel->ops)->request.publish;
    struct hf_position position;
    if (reply->type != HF_REPLY_ARRAY || reply->len != 2 ||
        reply->items[1]->type != HF_REPLY_TEXT ||
        hf_position_parse(reply->items[1]->text, reply->items[1]->len, &position) != HF_OK) {
        hf_redis_connection_break(channel->store->commands,
                                  "the publish script answered in another form");
        hf_redis_finish_group(channel, HF_EUNKNOWN, (struct hf_position){0});
        return;
    }
    if (hf_reply_is_text(reply->items[0], "repeated"))
        request->outcome = HF_PUBLISH_REPEATED;
    else if (hf_reply_is_text(reply->items[0], "outdated"))
        request->outcome = HF_PUBLISH_OUTDATED;
    hf_redis_finish_group(channel, HF_OK, position);
}

static void on_once_reply(void *context, const struct hf_reply *reply)
{
    struct hf_redis_channel *channel = context;
    struct hf_redis_store *store = channel->store;
    const bool is_unsure = TAILQ_FIRST(&channel->ops)->is_unsure;
    if (reply == NULL && store->is_closing) {
        hf_redis_finish_group(channel, HF_ECLOSED, (struct hf_position){0});
    } else if (reply == NULL) {
        hf_redis_queue_again(channel, true);
    } else if (hf_reply_is_error(reply, "NOSCRIPT")) {
        if (!send_once(channel, true))
            hf_redis_finish_group(channel, is_unsure ? HF_EUNKNOWN : HF_ENOMEM,
                                  (struct hf_position){0});
    } else if (hf_reply_is_error(reply, "READONLY")) {
        hf_redis_judge(store, reply);
        hf_redis_queue_again(channel, false);
    } else if (reply->type == HF_REPLY_ERROR) {
        int result = hf_redis_judge(store, reply);
        if (is_unsure || hf_reply_is_error(reply, "HFDOUBT"))
            result = HF_EUNKNOWN;
        hf_redis_finish_group(channel, result, (struct hf_position){0});
    } else {
        on_answer(channel, reply);
    }
}

/* --- the call ------------------------------------------------------------------------------- */

static size_t call_size(const struct hf_redis_channel *channel, const struct hf_script *script,
                        bool with_text, size_t *arguments)
{
    const struct hf_redis_store *store = channel->store;
    const struct hf_redis_op *op = TAILQ_FIRST(&channel->ops);
    const struct hf_store_publish *request = op->request.publish;
    size_t size = hf_redis_script_size(script, with_text) +
                  HF_REDIS_ARGUMENT_SIZE(store->stream_prefix.len + channel->len) +
                  HF_REDIS_ARGUMENT_SIZE(store->meta_prefix.len + channel->len) +
                  HF_REDIS_ARGUMENT_SIZE(store->version_prefix.len + channel->len) +
                  HF_REDIS_ARGUMENT_SIZE(store->idem_prefix.len + IDEM_LENGTH_SIZE + channel->len +
                                         1 + request->idempotency_key.len) +
                  HF_REDIS_ARGUMENT_SIZE(store->db_prefix.len) +
                  HF_REDIS_ARGUMENT_SIZE(request->fields.version_epoch.len) +
                  ARGUMENTS * HF_REDIS_ARGUMENT_SIZE(HF_POSITION_TEXT_SIZE);
    *arguments = ARGUMENTS;
    for (uint32_t i = 0; i < channel->in_flight; i++, op = TAILQ_NEXT(op, in_channel)) {
        size += hf_redis_publication_size_max(&op->request.publish->fields);
        *arguments += hf_redis_publication_arguments(&op->request.publish->fields);
    }
    return size;
}

/* "<prefix><length of the channel's name>:<channel>:<key>". Channels and keys may hold colons, and
 * no two pairs of them may share a key. */
static char *write_idem_key(char *at, const struct hf_redis_channel *channel, struct hf_bytes key)
{
    const struct hf_redis_prefix *prefix = &channel->store->idem_prefix;
    char length[IDEM_LENGTH_SIZE], *end = hf_redis_write_digits(length, channel->len);
    *end++ = ':';
    const size_t length_len = (size_t)(end - length);
    at = hf_redis_write_start(at, prefix->len + length_len + channel->len + 1 + key.len);
    at = hf_redis_write_part(at, prefix->text, prefix->len);
    at = hf_redis_write_part(at, length, length_len);
    at = hf_redis_write_part(at, channel->name, channel->len);
    at = hf_redis_write_part(at, ":", 1);
    at = hf_redis_write_part(at, key.data, key.len);
    return hf_redis_write_part(at, "\r\n", 2);
}

static char *write_keys(char *at, const struct hf_redis_channel *channel,
                        const struct hf_store_publish *request)
{
    const struct hf_redis_store *store = channel->store;
    const struct hf_redis_prefix *prefixes[] = {&store->stream_prefix, &store->meta_prefix,
                                                &store->version_prefix};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        at = hf_redis_write_joined(at, prefixes[i]->text, prefixes[i]->len, channel->name,
                                   channel->len);
    return request->idempotency_key.len > 0 ? write_idem_key(at, channel, request->idempotency_key)
                                            : at;
}

/* KEYS and ARGV as lua/stream_publish_once.lua's header lists them. False: no memory. */
static bool send_once(struct hf_redis_channel *channel, bool with_text)
{
    struct hf_redis_store *store = channel->store;
    const struct hf_script *script = &hf_scripts[HF_SCRIPT_STREAM_PUBLISH_ONCE];
    const struct hf_redis_op *op = TAILQ_FIRST(&channel->ops);
    const struct hf_store_publish *request = op->request.publish;
    const struct hf_stream_options *options = &request->options;
    char name[HF_REDIS_CALL_NAME_SIZE], before[HF_POSITION_TEXT_SIZE];
    size_t arguments, keys = request->idempotency_key.len > 0 ? 4 : 3;

    char *at = hf_redis_connection_reserve(store->commands,
                                           call_size(channel, script, with_text, &arguments));
    if (at == NULL)
        return false;
    at = hf_redis_write_script(at, script, with_text, keys, arguments);
    at = write_keys(at, channel, request);
    at = hf_redis_write_bytes(at, store->db_prefix.text, store->db_prefix.len);
    at = hf_redis_write_number(at, options->history_size);
    at = hf_redis_write_text(at, hf_redis_trim(options->history_size));
    at = hf_redis_write_number(at, hf_redis_ttl(options->history_ttl_s));
    at = hf_redis_write_number(at, hf_redis_ttl(options->meta_ttl_s));
    at = hf_redis_write_bytes(at, name, hf_redis_call_name(store, op->attempt.number, name));
    at = hf_redis_write_any(at, channel->epoch);
    at = hf_redis_write_bytes(at, before,
                              op->is_unsure ? hf_position_format(op->attempt.before, before) : 0);
    at = hf_redis_write_number(at, request->fields.version);
    at = hf_redis_write_bytes(at, request->fields.version_epoch.data,
                              request->fields.version_epoch.len);
    at = hf_redis_write_number(at, idempotency_ttl_s(request));
    at = hf_redis_write_number(at, channel->in_flight);
    for (uint32_t i = 0; i < channel->in_flight; i++, op = TAILQ_NEXT(op, in_channel))
        at = hf_redis_write_publication(at, &op->request.publish->fields);
    return hf_redis_connection_send(store->commands, at, on_once_reply, channel);
}

/* Whether what the attempt would have left behind must be there still, as far as time goes. */
static bool can_be_told(const struct hf_redis_op *op, uint64_t life)
{
    const struct hf_store_publish *request = op->request.publish;
    uint64_t age_ms = hf_redis_now_ms() - op->attempt.sent_ms;
    if (request->options.history_size > 0)
        return age_ms < (uint64_t)request->options.meta_ttl_s * 1000;
    return request->idempotency_key.len > 0 && life == op->attempt.life &&
           age_ms < (uint64_t)idempotency_ttl_s(request) * 1000;
}

/* The next attempt, if there has to be one, must find this one too: a life that has lost its end
 * may give it an offset that the former one had given already. */
static void note_life(struct hf_redis_channel *channel, uint64_t life)
{
    struct hf_redis_attempt *attempt = &TAILQ_FIRST(&channel->ops)->attempt;
    if (attempt->life == life)
        return;
    uint64_t offset = channel->epoch == attempt->before.epoch && channel->offset_life == life
                          ? channel->offset
                          : 0;
    attempt->life = life;
    if (offset < attempt->before.offset)
        attempt->before.offset = offset;
}

void hf_redis_send_once(struct hf_redis_channel *channel)
{
    struct hf_redis_store *store = channel->store;
    const uint64_t life = hf_redis_connection_life(store->commands);
    struct hf_redis_op *first = TAILQ_FIRST(&channel->ops);
    const bool is_unsure = first->is_unsure;
    for (struct hf_redis_op *op = first; op != NULL && (op == first || op->is_unsure);
         op = TAILQ_NEXT(op, in_channel)) {
        hf_redis_stop_waiting(store, op);
        channel->in_flight++;
        if (!is_unsure)
            break;
    }
    if (!is_unsure)
        hf_redis_begin_attempt(channel, ++store->calls);
    if (is_unsure && !can_be_told(first, life))
        hf_redis_refuse_group(channel, HF_EUNKNOWN);
    else if (!send_once(channel, false))
        hf_redis_refuse_group(channel, is_unsure ? HF_EUNKNOWN : HF_ENOMEM);
    else
        note_life(channel, life);
}
