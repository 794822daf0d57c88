/* Session internals, shared by session*.c only.
 *
 * Order. Commands on one channel take effect in the order they came in, as if each had waited for
 * the one before: while a subscribe, publish or history is with the engine, later commands of the
 * session on that channel wait (session_order.c); only publishes follow each other at once, since
 * the engine keeps their order. Commands on different channels do not wait for each other, so their
 * replies may change places: clients match them by id. What waits is bounded by
 * holdfast.session_requests_max and, in bytes, by client.queue_max_size; beyond, a command is
 * answered with error 111. */
#ifndef HF_SERVER_SESSION_INTERNAL_H
#define HF_SERVER_SESSION_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <holdfast/engine.h>

#include "client/channel_rules.h"
#include "client/hub.h"
#include "client/session.h"
#include "client/session_channel.h"
#include "client/session_identity.h"
#include "client/subscription.h"
#include "codes.h"
#include "command.h"
#include "net/transport.h"
#include "reply.h"
#include "token/token.h"
#include "worker.h"

/* Bytes of a goodbye's words: what fits into a WebSocket's close frame (RFC 6455 section 5.5). */
#define HF_DISCONNECT_REASON_MAX 123

#define HF_SESSION_NEVER      UINT64_MAX
#define HF_CLIENT_ID_SIZE     16 /* bytes of a UUID */
#define HF_CLIENT_ID_TEXT_LEN 36

/* Below so many queued bytes a connection is given the next page of a recovery. */
#define HF_CATCH_UP_LOW_WATER ((size_t)64 * 1024)

enum hf_session_state {
    HF_SESSION_CONNECTING, /* waits for the connect command */
    HF_SESSION_JOINING,    /* the connect command waits for server-side subscriptions, and all later
                              ones for it */
    HF_SESSION_CONNECTED,
    HF_SESSION_CLOSING, /* the transport was told to close; nothing is done any more */
};

/* A request that the engine (or, for a page, the output queue) has to answer. It outlives its
 * session when that closes first: `session` is then NULL and the answer is dropped. */
struct hf_session_request {
    struct hf_session *session;
    LIST_ENTRY(hf_session_request) in_session;
    struct hf_subscription *subscription; /* subscribe and pages; NULL once that is gone */
    uint64_t since_offset;                /* subscribe: as asked for */
    char *data;                           /* subscribe: owned; what the token says, NULL for none */
    uint32_t data_len;
    uint32_t join_index;         /* server-side subscribe: place in the session's join */
    struct hf_position position; /* pages: after what was sent; search: where the client begins */
    uint64_t channel_hash;
    uint32_t id;          /* of the command */
    bool is_blocking : 1; /* later commands on the channel wait */
    bool is_publish : 1;
    bool has_recover : 1; /* subscribe: the client asked for recovery */
    bool is_positioned : 1;
    bool is_recoverable : 1;
    bool rejects_unrecovered : 1;
    struct hf_subscribe_params params; /* subscribe: what the engine is asked for */
    bool is_waiting : 1;               /* pages: not asked for yet, the output queue is too long */
};

LIST_HEAD(hf_session_requests, hf_session_request);

struct hf_session_waiting;
struct hf_tailoring;
STAILQ_HEAD(hf_session_waiting_list, hf_session_waiting);

struct hf_session {
    struct hf_worker *worker;
    const struct hf_transport *transport;
    struct hf_connection *connection;
    struct hf_session_identity *identity;   /* owned; NULL: anonymous, and nothing to expire */
    struct hf_session_requests requests;    /* waiting for an answer */
    LIST_ENTRY(hf_session) in_user;         /* directory.h; le_prev NULL: not listed */
    struct hf_subscription **subscriptions; /* owned; subscription_count of subscription_capacity */
    uint64_t ping_at_ms;                    /* connecting: when it is stale */
    uint64_t pong_at_ms; /* a pong must have come; HF_SESSION_NEVER: none is due */
    uint32_t subscription_count;
    uint32_t subscription_capacity;
    uint32_t request_count;
    uint32_t waiting_count;
    struct hf_session_waiting_list waiting; /* commands, oldest first */
    uint32_t waiting_bytes;
    uint8_t state; /* enum hf_session_state */
    bool awaits_pong;
    unsigned char client_id[HF_CLIENT_ID_SIZE];
};

/* An idle session with one subscription costs these two, 8 bytes in `subscriptions` and 24 in the
 * hub's entry. */
_Static_assert(sizeof(struct hf_session) <= 144, "sessions are many: keep them small");
_Static_assert(sizeof(struct hf_subscription) <= 40, "subscriptions are many: keep them small");

/* --- session.c --- */

/* Ends the connection: subscriptions go at once, the transport says goodbye with the code's
 * canonical reason after what was already sent. The first call wins. */
void hf_session_disconnect(struct hf_session *session, enum hf_disconnect_code code);
/* The same with a code and words of a backend's own (text of at most HF_DISCONNECT_REASON_MAX
 * bytes). */
void hf_session_disconnect_saying(struct hf_session *session, uint32_t code,
                                  struct hf_slice reason);
/* Answers the connect command with an error, after which the connection is of no use; a
 * unidirectional one is disconnected. */
void hf_session_refuse(struct hf_session *session, uint32_t id, enum hf_error_code code);

/* Carries out a command, or keeps it until its turn comes. message: its text. */
void hf_session_dispatch(struct hf_session *session, const struct hf_command *command,
                         struct hf_slice message);

/* Carries out a command of a connected session; nothing keeps it waiting. */
void hf_session_execute(struct hf_session *session, const struct hf_command *command);

static inline bool hf_session_is_closing(const struct hf_session *session)
{
    return session->state == HF_SESSION_CLOSING;
}

/* The session's deadline is another one, maybe not within a call of the transport's. */
static inline void hf_session_reschedule(const struct hf_session *session)
{
    if (session->transport->reschedule != NULL) {
        session->transport->reschedule(session->connection);
    }
}

/* --- session_connect.c --- */
void hf_session_connect(struct hf_session *session, uint32_t id,
                        const struct hf_connect_request *request);
/* The session is connected; counts it and starts its pings. */
void hf_session_connected(struct hf_session *session);
/* Answers the connect command. expire_at_s: 0 for never. subs: as in the result. */
void hf_session_reply_connect(struct hf_session *session, uint32_t id, int64_t expire_at_s,
                              const struct hf_connect_result_sub *subs, size_t subs_count);
/* The client's UUID as text. */
void hf_session_client_text(const struct hf_session *session, char text[HF_CLIENT_ID_TEXT_LEN + 1]);

/* --- session_authenticate.c: 0, an error code, or a disconnect code (3000 and above) --- */

/* Decides on a connect command and gives the session its identity. token: may be empty. Claims'
 * slices live in the hub's arena. */
int hf_session_authenticate(struct hf_session *session, struct hf_slice token,
                            struct hf_token_claims *claims);
int hf_session_verify_connection(const struct hf_session *session, struct hf_slice token,
                                 struct hf_token_claims *claims);
int hf_session_verify_subscription(const struct hf_session *session, struct hf_slice channel,
                                   struct hf_slice token, struct hf_token_claims *claims);
/* What a token's override makes of a subscription's flags. */
struct hf_channel_position_flags
hf_session_override_position(struct hf_channel_position_flags flags,
                             const struct hf_channel_options *options,
                             const struct hf_token_sub *sub);

/* What it makes of a channel's options about presence, joins and leaves. */
struct hf_channel_options hf_session_override_members(const struct hf_channel_options *options,
                                                      const struct hf_token_sub *sub);

/* --- session_join.c --- */

/* Makes the server-side subscriptions: those of the token, the personal channel, and those that the
 * client wishes for and may have; of a transient session only the last. is_strict: the client must
 * have all that it wishes for. The connect command is answered when all are there: at once for
 * none. 0, or a code as above. */
int hf_session_join(struct hf_session *session, uint32_t id,
                    const struct hf_connect_request *request, bool is_strict,
                    const struct hf_token_claims *claims);
void hf_session_join_free(struct hf_session_join *join);

/* --- session_refresh.c --- */
void hf_session_refresh(struct hf_session *session, uint32_t id,
                        const struct hf_refresh_request *request);
void hf_session_sub_refresh(struct hf_session *session, uint32_t id,
                            const struct hf_sub_refresh_request *request);

/* --- session_order.c --- */

/* The session is connected: carries out all that waited for that. */
void hf_session_resume_all(struct hf_session *session);

/* Whether a command of this kind has to wait for others on the channel. */
bool hf_session_must_wait(const struct hf_session *session, enum hf_command_kind kind,
                          struct hf_slice channel);
/* Keeps the command (its text is copied) until hf_session_resume, or answers that it cannot. */
void hf_session_wait(struct hf_session *session, const struct hf_command *command,
                     struct hf_slice channel, struct hf_slice message);
/* A request on the channel has completed: carries out what waited for it. Not from inside of
 * hf_session_receive. May end the connection. */
void hf_session_resume(struct hf_session *session, uint64_t channel_hash);
void hf_session_drop_waiting(struct hf_session *session);

/* --- session_request.c --- */

/* A request of this session, linked and blocking; NULL after having answered the command with an
 * error: too many are open, or no memory. */
struct hf_session_request *hf_session_request_new(struct hf_session *session, uint32_t id,
                                                  struct hf_slice channel);
/* The same without the limit and without an answer, for what the server itself subscribes to.
 * NULL: no memory. */
struct hf_session_request *hf_session_request_link(struct hf_session *session, uint32_t id,
                                                   struct hf_slice channel);
/* Keeps a copy of what the subscribe's answer is to carry. False: no memory. */
bool hf_session_request_set_data(struct hf_session_request *request, struct hf_slice data);
/* Unlinks (when the session still lives) and frees. */
void hf_session_request_free(struct hf_session_request *request);
/* The session is gone: completions find nobody. Requests that wait for the queue are freed. */
void hf_session_requests_abandon(struct hf_session *session);

/* Replies. */
void hf_session_reply_error(struct hf_session *session, uint32_t id, enum hf_error_code code);
struct hf_buffer *hf_session_reply_begin(struct hf_session *session);
void hf_session_reply_end(struct hf_session *session);
/* Flushes this worker's gathered output, so that what is sent next comes after it. */
void hf_session_flush(struct hf_session *session);
const struct hf_encoder *hf_session_encoder(const struct hf_session *session);

/* The client's error for an engine's result (not HF_OK, not HF_EUNRECOVERABLE). Logs what is not
 * expected. */
enum hf_error_code hf_session_engine_error(int result);

/* --- session_subscribe.c --- */

void hf_session_subscribe(struct hf_session *session, uint32_t id,
                          const struct hf_subscribe_request *request);
void hf_session_unsubscribe(struct hf_session *session, uint32_t id, struct hf_slice channel);
/* The client was told of its subscription, which goes on: live, with further pages, or not at all
 * when it is unwanted by now. Takes the request. */
void hf_session_go_on(struct hf_session_request *request,
                      const struct hf_subscribe_result *engine_result);

/* Answers a subscribe command with what the engine says; NULL unless rc is HF_OK. Takes the
 * request. */
void hf_session_finish_subscribe(struct hf_session_request *request, int rc,
                                 const struct hf_subscribe_result *engine_result);

/* --- session_latest.c --- */

/* True: the newest publication does not pass the subscriber's filter, and the newest that does is
 * searched for; hf_session_finish_subscribe follows. */
bool hf_session_search_latest(struct hf_session_request *request,
                              const struct hf_subscribe_result *engine_result);

/* --- subscription.c --- */

/* Adds a subscription that waits for its first answer. tailoring: taken in any case; NULL for none.
 * NULL: no memory, or no watch from the engine. */
struct hf_subscription *hf_subscription_new(struct hf_session *session, struct hf_slice channel,
                                            const struct hf_channel_options *options,
                                            struct hf_tailoring *tailoring);
/* The session's subscription to the channel, or NULL. */
struct hf_subscription *hf_session_find_subscription(const struct hf_session *session,
                                                     struct hf_slice channel);
/* Removes from session and hub, and frees. Its request, if any, goes on without it. */
void hf_subscription_free(struct hf_subscription *subscription);
/* Pushes unsubscribe with the code, then frees the subscription. */
void hf_subscription_end(struct hf_subscription *subscription, enum hf_unsubscribe_code code);

/* --- session_catch_up.c --- */

/* Goes on with a recovery whose first pages have been sent up to `position`. Takes the request. */
void hf_session_catch_up(struct hf_session_request *request, struct hf_position position);
/* Sends a page's publications (NULL: none). False when the subscription has ended over it. */
bool hf_session_send_page(struct hf_subscription *subscription, struct hf_page *page);
/* If a page waits for the output queue and that is short now, asks for it. */
void hf_session_catch_up_resume(struct hf_session *session);

/* --- session_channel.c --- */
void hf_session_publish(struct hf_session *session, uint32_t id,
                        const struct hf_publish_request *request);
void hf_session_history(struct hf_session *session, uint32_t id,
                        const struct hf_history_request *request);

/* --- session_presence.c --- */
void hf_session_presence(struct hf_session *session, uint32_t id, struct hf_slice channel);
void hf_session_presence_stats(struct hf_session *session, uint32_t id, struct hf_slice channel);

#endif
