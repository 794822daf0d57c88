#include "client/channel_rules.h"

#include <string.h>

#include "pattern.h"

static bool is_ascii(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] >= 128) {
            return false;
        }
    }
    return true;
}

/* The last occurrence of a separator (not empty) in text, or NULL. */
static const char *find_last(const char *text, size_t len, const char *separator,
                             size_t separator_len)
{
    for (size_t at = len; at >= separator_len; at--) {
        const char *candidate = text + at - separator_len;
        if (memcmp(candidate, separator, separator_len) == 0) {
            return candidate;
        }
    }
    return NULL;
}

enum hf_channel_error hf_channel_lookup(const struct hf_config *config, const char *channel,
                                        size_t len, struct hf_channel_ref *ref)
{
    const struct hf_config_channel *rules = &config->channel;
    size_t prefix_len = strlen(rules->private_prefix);
    size_t boundary_len = strlen(rules->namespace_boundary);
    size_t start = 0;

    ref->options = NULL;
    ref->rest_at = 0;
    ref->is_private = prefix_len > 0 && len >= prefix_len &&
                      memcmp(channel, rules->private_prefix, prefix_len) == 0;
    if (ref->is_private) {
        start = prefix_len;
    }
    const char *boundary = boundary_len == 0 ? NULL
                                             : memmem(channel + start, len - start,
                                                      rules->namespace_boundary, boundary_len);
    if (boundary == NULL) {
        ref->options = &rules->without_namespace;
    } else {
        ref->options =
            hf_config_find_namespace(config, channel + start, (size_t)(boundary - channel) - start);
        ref->rest_at = (size_t)(boundary - channel) + boundary_len;
    }
    return ref->options == NULL ? HF_CHANNEL_UNKNOWN : HF_CHANNEL_OK;
}

enum hf_channel_error hf_channel_check_length(const struct hf_config *config, size_t len)
{
    return len > config->channel.max_length_bytes ? HF_CHANNEL_BAD_REQUEST : HF_CHANNEL_OK;
}

bool hf_channel_user_is_listed(const struct hf_config *config, const char *channel, size_t len,
                               const char *user, size_t user_len)
{
    const char *boundary = config->channel.user_boundary;
    const char *separator = config->channel.user_separator;
    size_t boundary_len = strlen(boundary);
    size_t separator_len = strlen(separator);
    if (boundary_len == 0 || user_len == 0) {
        return false;
    }
    const char *at = find_last(channel, len, boundary, boundary_len);
    if (at == NULL) {
        return false;
    }
    const char *end = channel + len;
    const char *entry = at + boundary_len;
    for (;;) {
        const char *entry_end =
            separator_len == 0 ? NULL
                               : memmem(entry, (size_t)(end - entry), separator, separator_len);
        size_t entry_len = (size_t)((entry_end == NULL ? end : entry_end) - entry);
        if (entry_len == user_len && memcmp(entry, user, user_len) == 0) {
            return true;
        }
        if (entry_end == NULL) {
            return false;
        }
        entry = entry_end + separator_len;
    }
}

/* Whether a name has the part that lists users. */
static bool is_user_limited(const struct hf_config *config,
                            const struct hf_channel_options *options, const char *channel,
                            size_t len)
{
    const char *boundary = config->channel.user_boundary;
    return options->allow_user_limited_channels && boundary[0] != '\0' &&
           memmem(channel, len, boundary, strlen(boundary)) != NULL;
}

/* The pattern of the publish and history permissions: the client flag alone, the subscriber flag
 * with a subscription; the anonymous user needs its own flag on top. */
static bool is_permitted(const struct hf_channel_caller *caller, bool for_client,
                         bool for_subscriber, bool for_anonymous)
{
    if (caller->user_len == 0 && !for_anonymous) {
        return false;
    }
    return for_client || (for_subscriber && caller->is_subscribed);
}

static bool may_read_history(const struct hf_channel_options *options,
                             const struct hf_channel_caller *caller)
{
    return is_permitted(caller, options->allow_history_for_client,
                        options->allow_history_for_subscriber,
                        options->allow_history_for_anonymous);
}

/* Whether the namespace takes such a name: one in ASCII, unless it says by itself which. */
static bool is_valid_name(const struct hf_channel_ref *ref, const char *channel, size_t len)
{
    const struct hf_pattern *pattern = ref->options->channel_pattern;
    if (pattern == NULL) {
        return is_ascii(channel, len);
    }
    return hf_pattern_match(pattern, channel + ref->rest_at, len - ref->rest_at) ==
           HF_PATTERN_MATCHES;
}

/* What all commands check first. */
static enum hf_channel_error lookup_for_client(const struct hf_config *config, const char *channel,
                                               size_t len, struct hf_channel_ref *ref)
{
    enum hf_channel_error error = hf_channel_lookup(config, channel, len, ref);
    if (error != HF_CHANNEL_OK) {
        return error;
    }
    return is_valid_name(ref, channel, len) ? HF_CHANNEL_OK : HF_CHANNEL_BAD_REQUEST;
}

enum hf_channel_error hf_channel_may_subscribe(const struct hf_config *config, const char *channel,
                                               size_t len, const struct hf_channel_caller *caller,
                                               struct hf_channel_ref *ref)
{
    enum hf_channel_error error = lookup_for_client(config, channel, len, ref);
    if (error != HF_CHANNEL_OK) {
        return error;
    }
    if (ref->is_private) {
        return HF_CHANNEL_DENIED; /* wants a token, in insecure mode too */
    }
    const struct hf_channel_options *options = ref->options;
    bool is_allowed;
    if (is_user_limited(config, options, channel, len)) {
        is_allowed =
            hf_channel_user_is_listed(config, channel, len, caller->user, caller->user_len);
    } else {
        is_allowed = options->allow_subscribe_for_client &&
                     (caller->user_len > 0 || options->allow_subscribe_for_anonymous);
    }
    return is_allowed || config->client.insecure ? HF_CHANNEL_OK : HF_CHANNEL_DENIED;
}

enum hf_channel_error hf_channel_may_publish(const struct hf_config *config, const char *channel,
                                             size_t len, const struct hf_channel_caller *caller,
                                             struct hf_channel_ref *ref)
{
    enum hf_channel_error error = lookup_for_client(config, channel, len, ref);
    if (error != HF_CHANNEL_OK) {
        return error;
    }
    bool is_allowed = is_permitted(caller, ref->options->allow_publish_for_client,
                                   ref->options->allow_publish_for_subscriber,
                                   ref->options->allow_publish_for_anonymous);
    return is_allowed || config->client.insecure ? HF_CHANNEL_OK : HF_CHANNEL_DENIED;
}

enum hf_channel_error hf_channel_may_history(const struct hf_config *config, const char *channel,
                                             size_t len, const struct hf_channel_caller *caller,
                                             struct hf_channel_ref *ref)
{
    enum hf_channel_error error = lookup_for_client(config, channel, len, ref);
    if (error != HF_CHANNEL_OK) {
        return error;
    }
    if (!hf_channel_has_history(ref->options)) {
        return HF_CHANNEL_NOT_AVAILABLE;
    }
    return may_read_history(ref->options, caller) || config->client.insecure ? HF_CHANNEL_OK
                                                                             : HF_CHANNEL_DENIED;
}

static bool may_read_presence(const struct hf_channel_options *options,
                              const struct hf_channel_caller *caller)
{
    return is_permitted(caller, options->allow_presence_for_client,
                        options->allow_presence_for_subscriber,
                        options->allow_presence_for_anonymous);
}

enum hf_channel_error hf_channel_may_presence(const struct hf_config *config, const char *channel,
                                              size_t len, const struct hf_channel_caller *caller,
                                              struct hf_channel_ref *ref)
{
    enum hf_channel_error error = lookup_for_client(config, channel, len, ref);
    if (error != HF_CHANNEL_OK) {
        return error;
    }
    if (!ref->options->presence) {
        return HF_CHANNEL_NOT_AVAILABLE;
    }
    return may_read_presence(ref->options, caller) || config->client.insecure ? HF_CHANNEL_OK
                                                                              : HF_CHANNEL_DENIED;
}

bool hf_channel_gets_joins(const struct hf_config *config, const struct hf_channel_options *options,
                           const struct hf_channel_caller *caller, bool asks)
{
    struct hf_channel_caller subscriber = *caller;
    subscriber.is_subscribed = true;
    if (!options->join_leave) {
        return false;
    }
    return options->force_push_join_leave ||
           (asks && (config->client.insecure || may_read_presence(options, &subscriber)));
}

struct hf_channel_position_flags hf_channel_position_flags(const struct hf_config *config,
                                                           const struct hf_channel_options *options,
                                                           const struct hf_channel_caller *caller,
                                                           bool asks_positioned,
                                                           bool asks_recoverable)
{
    struct hf_channel_position_flags flags = {false, false};
    if (!hf_channel_has_history(options)) {
        return flags;
    }
    struct hf_channel_caller subscriber = *caller;
    subscriber.is_subscribed = true;
    bool has_access = config->client.insecure || may_read_history(options, &subscriber);
    flags.recoverable =
        options->force_recovery || (asks_recoverable && (options->allow_recovery || has_access));
    flags.positioned = flags.recoverable || options->force_positioning ||
                       (asks_positioned && (options->allow_positioning || has_access));
    return flags;
}
