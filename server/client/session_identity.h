/* Identity: who a session's client is, what else is known of it, and when that ends.
 *
 * Most of a broker's sessions are anonymous and have none (session->identity NULL): it is allocated
 * when there is something to say. Private to session*.c and subscription.c. */
#ifndef HF_SERVER_SESSION_IDENTITY_H
#define HF_SERVER_SESSION_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "reply.h"
#include "slice.h"

struct hf_session;
struct hf_session_join;
struct hf_subscription;
struct hf_channel_info;
struct hf_deferred;

struct hf_session_identity {
    uint64_t close_at_ms; /* worker's clock: expired and not refreshed; HF_SESSION_NEVER: never */
    uint64_t subscriptions_at_ms; /* worker's clock: the first of them is to be ended, or later */
    struct hf_session_join *join; /* owned; what the connect command waits for, else NULL */
    struct hf_deferred *deferred; /* owned; what the server does once it is connected */
    uint64_t announced_until_ms;  /* worker's clock: until then its single connection is newer
                                     than any that is announced; 0: it is not */
    struct hf_channel_info *channel_infos; /* owned; chan_info of single subscriptions */
    char *info;                            /* owned; conn_info as JSON, NULL for none */
    uint32_t info_len;
    uint32_t user_len;
    bool is_counted; /* among the user's connections in worker->users */
    char user[];     /* user_len bytes; "" = anonymous */
};

/* Gives the session an identity; there must be none. user and info are copied. False: no memory. */
bool hf_session_identify(struct hf_session *session, struct hf_slice user, struct hf_slice info);
/* The session's identity, made for the anonymous user when there is none. NULL: no memory. */
struct hf_session_identity *hf_session_identity(struct hf_session *session);
/* Replaces conn_info. False: no memory, nothing is changed. */
bool hf_session_set_info(struct hf_session *session, struct hf_slice info);
/* The session is leaving: takes its user out of the node's count and drops an open join. */
void hf_session_identity_leave(struct hf_session *session);
void hf_session_identity_free(struct hf_session *session);

struct hf_slice hf_session_user(const struct hf_session *session);

/* The chan_info of a subscription: copied, and dropped with it. Empty info does nothing. */
bool hf_session_set_channel_info(struct hf_subscription *subscription, struct hf_slice info);
void hf_session_drop_channel_info(struct hf_subscription *subscription);

/* Appends the client info that others are told, as JSON. subscription: the session's to the channel
 * in question, or NULL. */
void hf_session_write_client_info(const struct hf_session *session,
                                  const struct hf_subscription *subscription,
                                  struct hf_buffer *buffer);

/* --- time ----------------------------------------------------------------------------------- */

/* Milliseconds since 1970. */
int64_t hf_session_unix_ms(void);
/* Seconds until then: at least 1, at most a year, as clients are told. */
uint32_t hf_session_ttl(int64_t expire_at_s);
/* The connection ends at expire_at_s (0: never) unless it is refreshed. False: no memory. */
bool hf_session_expire_at(struct hf_session *session, int64_t expire_at_s);
/* The same for a subscription. */
bool hf_subscription_expire_at(struct hf_subscription *subscription, int64_t expire_at_s);
/* Ends what has expired. True: the session is closing. */
bool hf_session_end_expired(struct hf_session *session, uint64_t now_ms);
/* When hf_session_end_expired has something to do; HF_SESSION_NEVER: never. */
uint64_t hf_session_expiry_deadline(const struct hf_session *session);

#endif
