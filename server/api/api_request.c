#include <string.h>

#include "api/api_internal.h"
#include "base64.h"
#include "log.h"

static enum hf_api_parse_result result_of(enum hf_json_status status)
{
    switch (status) {
    case HF_JSON_OK:
        return HF_API_PARSED;
    case HF_JSON_NO_MEMORY:
        return HF_API_PARSE_NO_MEMORY;
    case HF_JSON_MALFORMED:
        break;
    }
    return HF_API_PARSE_MALFORMED;
}

/* Each takes the value of a field; null leaves the field as it is. */
static void take_string(struct hf_json *json, struct hf_arena *arena, struct hf_slice *value)
{
    if (!hf_json_take_null(json)) {
        (void)hf_json_get_string(json, arena, value);
    }
}

static void take_bool(struct hf_json *json, bool *value)
{
    if (!hf_json_take_null(json)) {
        (void)hf_json_get_bool(json, value);
    }
}

static void take_u64(struct hf_json *json, uint64_t *value)
{
    if (!hf_json_take_null(json)) {
        (void)hf_json_get_u64(json, value);
    }
}

/* An object of strings, kept as it was sent. */
static void take_tags(struct hf_json *json, struct hf_arena *arena, struct hf_slice *tags)
{
    const char *start;
    struct hf_json_key key;
    struct hf_slice value;
    size_t count = 0;

    *tags = (struct hf_slice){0};
    if (hf_json_take_null(json) || !hf_json_object_begin(json)) {
        return;
    }
    start = json->at - 1; /* the brace that was just taken */
    while (hf_json_object_next(json, &key)) {
        (void)hf_json_get_string(json, arena, &value);
        count++;
    }
    if (!hf_json_failed(json) && count > 0) {
        *tags = hf_slice(start, (size_t)(json->at - start));
    }
}

/* The list of channels; doubles in the arena, which is bounded by the body's size. */
static bool take_channels(struct hf_json *json, struct hf_arena *arena, size_t channels_max,
                          struct hf_api_publish_request *request)
{
    size_t capacity = 0;

    request->channels = NULL;
    request->channel_count = 0;
    if (hf_json_take_null(json) || !hf_json_array_begin(json)) {
        return true;
    }
    while (hf_json_array_next(json)) {
        struct hf_slice channel = {0};

        if (request->channel_count == channels_max) {
            return false;
        }
        if (request->channel_count == capacity) {
            struct hf_slice *grown;

            capacity = capacity == 0 ? 8 : capacity * 2;
            grown = hf_arena_alloc(arena, capacity * sizeof(*grown));
            if (grown == NULL) {
                json->status = HF_JSON_NO_MEMORY;
                json->reason = "no memory for the channels";
                return true;
            }
            if (request->channel_count > 0) {
                memcpy(grown, request->channels, request->channel_count * sizeof(*grown));
            }
            request->channels = grown;
        }
        take_string(json, arena, &channel);
        request->channels[request->channel_count++] = channel;
    }
    return true;
}

enum hf_api_parse_result hf_api_parse_publish(struct hf_slice text, struct hf_arena *arena,
                                              const struct hf_config *config,
                                              union hf_api_request *parameters)
{
    size_t channels_max = config->holdfast.broadcast_channels_max;
    struct hf_api_publish_request *request = &parameters->publish;
    struct hf_json json;
    struct hf_json_key key;

    memset(request, 0, sizeof(*request));
    hf_json_init(&json, text, HF_JSON_MAX_DEPTH);
    (void)hf_json_object_begin(&json);
    while (!hf_json_failed(&json) && hf_json_object_next(&json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("channel"))) {
            take_string(&json, arena, &request->channel);
        } else if (hf_json_key_is(&key, HF_SLICE("channels"))) {
            if (!take_channels(&json, arena, channels_max, request)) {
                hf_log(HF_LOG_DEBUG,
                       "broadcast to more channels than holdfast.broadcast_channels_max", "max=%zu",
                       channels_max);
                return HF_API_PARSE_TOO_MANY;
            }
        } else if (hf_json_key_is(&key, HF_SLICE("data"))) {
            (void)hf_json_raw(&json, &request->data);
        } else if (hf_json_key_is(&key, HF_SLICE("b64data"))) {
            take_string(&json, arena, &request->b64data);
        } else if (hf_json_key_is(&key, HF_SLICE("skip_history"))) {
            take_bool(&json, &request->skip_history);
        } else if (hf_json_key_is(&key, HF_SLICE("tags"))) {
            take_tags(&json, arena, &request->tags);
        } else if (hf_json_key_is(&key, HF_SLICE("idempotency_key"))) {
            take_string(&json, arena, &request->idempotency_key);
        } else if (hf_json_key_is(&key, HF_SLICE("delta"))) {
            take_bool(&json, &request->delta);
        } else if (hf_json_key_is(&key, HF_SLICE("version"))) {
            take_u64(&json, &request->version);
        } else if (hf_json_key_is(&key, HF_SLICE("version_epoch"))) {
            take_string(&json, arena, &request->version_epoch);
        } else {
            (void)hf_json_skip(&json);
        }
    }
    return result_of(hf_json_end(&json));
}

static void take_since(struct hf_json *json, struct hf_arena *arena,
                       struct hf_api_history_request *request)
{
    struct hf_json_key key;

    request->has_since = false;
    if (hf_json_take_null(json) || !hf_json_object_begin(json)) {
        return;
    }
    request->has_since = true;
    while (hf_json_object_next(json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("offset"))) {
            take_u64(json, &request->since_offset);
        } else if (hf_json_key_is(&key, HF_SLICE("epoch"))) {
            take_string(json, arena, &request->since_epoch);
        } else {
            (void)hf_json_skip(json);
        }
    }
}

enum hf_api_parse_result hf_api_parse_history(struct hf_slice text, struct hf_arena *arena,
                                              const struct hf_config *config,
                                              union hf_api_request *parameters)
{
    struct hf_api_history_request *request = &parameters->history;
    struct hf_json json;
    struct hf_json_key key;

    memset(request, 0, sizeof(*request));
    hf_json_init(&json, text, HF_JSON_MAX_DEPTH);
    (void)config;
    (void)hf_json_object_begin(&json);
    while (!hf_json_failed(&json) && hf_json_object_next(&json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("channel"))) {
            take_string(&json, arena, &request->channel);
        } else if (hf_json_key_is(&key, HF_SLICE("limit"))) {
            if (!hf_json_take_null(&json)) {
                (void)hf_json_get_i32(&json, &request->limit);
            }
        } else if (hf_json_key_is(&key, HF_SLICE("since"))) {
            take_since(&json, arena, request);
        } else if (hf_json_key_is(&key, HF_SLICE("reverse"))) {
            take_bool(&json, &request->reverse);
        } else {
            (void)hf_json_skip(&json);
        }
    }
    return result_of(hf_json_end(&json));
}

/* The one string that the method takes. */
static enum hf_api_parse_result parse_text(struct hf_slice text, struct hf_arena *arena,
                                           struct hf_slice name, struct hf_slice *value)
{
    struct hf_json json;
    struct hf_json_key key;

    *value = (struct hf_slice){0};
    hf_json_init(&json, text, HF_JSON_MAX_DEPTH);
    (void)hf_json_object_begin(&json);
    while (!hf_json_failed(&json) && hf_json_object_next(&json, &key)) {
        if (hf_json_key_is(&key, name)) {
            take_string(&json, arena, value);
        } else {
            (void)hf_json_skip(&json);
        }
    }
    return result_of(hf_json_end(&json));
}

enum hf_api_parse_result hf_api_parse_channels(struct hf_slice text, struct hf_arena *arena,
                                               const struct hf_config *config,
                                               union hf_api_request *parameters)
{
    (void)config;
    return parse_text(text, arena, HF_SLICE("pattern"), &parameters->text);
}

enum hf_api_parse_result hf_api_parse_rpc(struct hf_slice text, struct hf_arena *arena,
                                          const struct hf_config *config,
                                          union hf_api_request *parameters)
{
    (void)config;
    return parse_text(text, arena, HF_SLICE("method"), &parameters->text);
}

enum hf_api_parse_result hf_api_parse_empty(struct hf_slice text, struct hf_arena *arena,
                                            const struct hf_config *config,
                                            union hf_api_request *parameters)
{
    struct hf_json json;

    (void)arena;
    (void)config;
    (void)parameters;
    hf_json_init(&json, text, HF_JSON_MAX_DEPTH);
    if (hf_json_peek(&json) != HF_JSON_OBJECT) {
        return HF_API_PARSE_MALFORMED;
    }
    (void)hf_json_skip(&json);
    return result_of(hf_json_end(&json));
}

/* --- commands on users ---------------------------------------------------------------------- */

static enum hf_api_parse_result parse_user(enum hf_user_command_kind kind, struct hf_slice text,
                                           struct hf_arena *arena, union hf_api_request *parameters)
{
    return result_of(hf_user_command_parse(kind, text, arena, &parameters->user));
}

enum hf_api_parse_result hf_api_parse_subscribe(struct hf_slice text, struct hf_arena *arena,
                                                const struct hf_config *config,
                                                union hf_api_request *parameters)
{
    (void)config;
    return parse_user(HF_USER_SUBSCRIBE, text, arena, parameters);
}

enum hf_api_parse_result hf_api_parse_unsubscribe(struct hf_slice text, struct hf_arena *arena,
                                                  const struct hf_config *config,
                                                  union hf_api_request *parameters)
{
    (void)config;
    return parse_user(HF_USER_UNSUBSCRIBE, text, arena, parameters);
}

enum hf_api_parse_result hf_api_parse_disconnect(struct hf_slice text, struct hf_arena *arena,
                                                 const struct hf_config *config,
                                                 union hf_api_request *parameters)
{
    (void)config;
    return parse_user(HF_USER_DISCONNECT, text, arena, parameters);
}

enum hf_api_parse_result hf_api_parse_refresh(struct hf_slice text, struct hf_arena *arena,
                                              const struct hf_config *config,
                                              union hf_api_request *parameters)
{
    (void)config;
    return parse_user(HF_USER_REFRESH, text, arena, parameters);
}

int hf_api_decode_base64(struct hf_slice text, struct hf_arena *arena, struct hf_slice *out)
{
    switch (hf_base64_decode_arena(text, arena, out)) {
    case HF_BASE64_OK:
        return 0;
    case HF_BASE64_MALFORMED:
        return HF_ERROR_BAD_REQUEST;
    case HF_BASE64_NO_MEMORY:
        break;
    }
    return HF_ERROR_INTERNAL;
}
