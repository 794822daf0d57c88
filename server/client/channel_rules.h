#ifndef HF_CHANNEL_RULES_H
#define HF_CHANNEL_RULES_H

/* Channel rules: from a channel's name to its options, and who may do what with it.
 *
 * Pure functions over the configuration: any thread, no allocation, nothing kept. All strings are
 * borrowed until return. Results are error numbers of the client protocol (docs of the Centrifuge
 * protocol; 0 = fine): 102 unknown channel, 103 permission denied, 107 bad request, 108 not
 * available. Channel length is hf_channel_check_length(), since only subscribing checks it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum hf_channel_error {
    HF_CHANNEL_OK = 0,
    HF_CHANNEL_UNKNOWN = 102,
    HF_CHANNEL_DENIED = 103,
    HF_CHANNEL_BAD_REQUEST = 107,
    HF_CHANNEL_NOT_AVAILABLE = 108,
};

/* A channel name taken apart; filled by hf_channel_lookup(). */
struct hf_channel_ref {
    const struct hf_channel_options *options; /* owned by the configuration; NULL = unknown */
    bool is_private;                          /* starts with channel.private_prefix */
    size_t rest_at; /* where the name begins that channel_regex is about: behind the namespace, or
                       the whole name where there is none */
};

/* Who asks. */
struct hf_channel_caller {
    const char *user; /* user_len bytes; "" = anonymous */
    size_t user_len;
    bool is_subscribed; /* to the channel in question; ignored by hf_channel_may_subscribe() */
};

/* Finds the options of a channel (len bytes). HF_CHANNEL_OK, or HF_CHANNEL_UNKNOWN with
 * ref->options NULL. One hash lookup. The server API needs no more than this. */
enum hf_channel_error hf_channel_lookup(const struct hf_config *config, const char *channel,
                                        size_t len, struct hf_channel_ref *ref)
    __attribute__((warn_unused_result));

/* 107 when the name is longer than channel.max_length. */
enum hf_channel_error hf_channel_check_length(const struct hf_config *config, size_t len)
    __attribute__((warn_unused_result));

/* The whole decision for one command of a client, in the protocol's order: unknown namespace 102,
 * name not ASCII or (with a channel_regex) not matching it 107, (history off 108,) permission 103.
 * *ref is filled as by hf_channel_lookup(). Not checked here: length, already subscribed, number of
 * channels, payload. */
enum hf_channel_error hf_channel_may_subscribe(const struct hf_config *config, const char *channel,
                                               size_t len, const struct hf_channel_caller *caller,
                                               struct hf_channel_ref *ref)
    __attribute__((warn_unused_result));
enum hf_channel_error hf_channel_may_publish(const struct hf_config *config, const char *channel,
                                             size_t len, const struct hf_channel_caller *caller,
                                             struct hf_channel_ref *ref)
    __attribute__((warn_unused_result));
enum hf_channel_error hf_channel_may_history(const struct hf_config *config, const char *channel,
                                             size_t len, const struct hf_channel_caller *caller,
                                             struct hf_channel_ref *ref)
    __attribute__((warn_unused_result));

/* presence and presence_stats; presence off 108. */
enum hf_channel_error hf_channel_may_presence(const struct hf_config *config, const char *channel,
                                              size_t len, const struct hf_channel_caller *caller,
                                              struct hf_channel_ref *ref)
    __attribute__((warn_unused_result));

/* Whether a permitted subscription is told of joins and leaves: forced by the namespace, or asked
 * for by the client and allowed by presence access (as a subscriber) or by client.insecure. */
bool hf_channel_gets_joins(const struct hf_config *config, const struct hf_channel_options *options,
                           const struct hf_channel_caller *caller, bool asks);

/* What a permitted subscription gets; positioned is always true with recoverable. */
struct hf_channel_position_flags {
    bool positioned;
    bool recoverable;
};

/* Which of positioning and recovery a subscription has: forced by the namespace, or asked for by
 * the client and allowed by the namespace, by history access (as a subscriber), or by
 * client.insecure. What is asked for without a right to it is ignored. Both are off in channels
 * without history. */
struct hf_channel_position_flags hf_channel_position_flags(const struct hf_config *config,
                                                           const struct hf_channel_options *options,
                                                           const struct hf_channel_caller *caller,
                                                           bool asks_positioned,
                                                           bool asks_recoverable);

/* Whether a stream is kept. */
static inline bool hf_channel_has_history(const struct hf_channel_options *options)
{
    return options->history_size > 0;
}

/* Whether the user (user_len bytes) is in the list at the end of a user-limited channel name
 * (`news#42,43`); false when the name has no channel.user_boundary, and for the anonymous user. */
bool hf_channel_user_is_listed(const struct hf_config *config, const char *channel, size_t len,
                               const char *user, size_t user_len);

#endif
