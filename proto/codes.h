/* Codes: the numbers and texts of protocol errors, disconnects and unsubscribes, as SDKs know them.
 * Texts are part of the protocol: a close frame without its reason makes some SDKs reconnect where
 * they must not. Pure, any thread. */
#ifndef HF_PROTO_CODES_H
#define HF_PROTO_CODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(NAME, code, message, is_temporary): errors in replies. Temporary ones are retried by SDKs. */
#define HF_ERROR_CODES(X)                                                                          \
    X(INTERNAL, 100, "internal server error", true)                                                \
    X(UNAUTHORIZED, 101, "unauthorized", false)                                                    \
    X(UNKNOWN_CHANNEL, 102, "unknown channel", false)                                              \
    X(PERMISSION_DENIED, 103, "permission denied", false)                                          \
    X(METHOD_NOT_FOUND, 104, "method not found", false)                                            \
    X(ALREADY_SUBSCRIBED, 105, "already subscribed", false)                                        \
    X(LIMIT_EXCEEDED, 106, "limit exceeded", false)                                                \
    X(BAD_REQUEST, 107, "bad request", false)                                                      \
    X(NOT_AVAILABLE, 108, "not available", false)                                                  \
    X(TOKEN_EXPIRED, 109, "token expired", false)                                                  \
    X(EXPIRED, 110, "expired", false)                                                              \
    X(TOO_MANY_REQUESTS, 111, "too many requests", true)                                           \
    X(UNRECOVERABLE_POSITION, 112, "unrecoverable position", false)

/* X(NAME, code, reason): why the server ends a connection. */
#define HF_DISCONNECT_CODES(X)                                                                     \
    X(CONNECTION_CLOSED, 3000, "connection closed") /* internal, never sent */                     \
    X(SHUTDOWN, 3001, "shutdown")                                                                  \
    X(SERVER_ERROR, 3004, "internal server error")                                                 \
    X(EXPIRED, 3005, "connection expired")                                                         \
    X(SUBSCRIPTION_EXPIRED, 3006, "subscription expired")                                          \
    X(SLOW, 3008, "slow")                                                                          \
    X(WRITE_ERROR, 3009, "write error")                                                            \
    X(INSUFFICIENT_STATE, 3010, "insufficient state")                                              \
    X(FORCE_RECONNECT, 3011, "force reconnect")                                                    \
    X(NO_PONG, 3012, "no pong")                                                                    \
    X(TOO_MANY_REQUESTS, 3013, "too many requests")                                                \
    X(STATE_INVALIDATED, 3014, "state invalidated")                                                \
    X(INVALID_TOKEN, 3500, "invalid token")                                                        \
    X(BAD_REQUEST, 3501, "bad request")                                                            \
    X(STALE, 3502, "stale")                                                                        \
    X(FORCE_NO_RECONNECT, 3503, "force disconnect")                                                \
    X(CONNECTION_LIMIT, 3504, "connection limit")                                                  \
    X(CHANNEL_LIMIT, 3505, "channel limit")                                                        \
    X(INAPPROPRIATE_PROTOCOL, 3506, "inappropriate protocol")                                      \
    X(PERMISSION_DENIED, 3507, "permission denied")                                                \
    X(NOT_AVAILABLE, 3508, "not available")                                                        \
    X(TOO_MANY_ERRORS, 3509, "too many errors")

/* X(NAME, code, reason): why a subscription ended. The first two are internal, never sent. */
#define HF_UNSUBSCRIBE_CODES(X)                                                                    \
    X(CLIENT, 0, "client unsubscribed")                                                            \
    X(DISCONNECT, 1, "client disconnected")                                                        \
    X(SERVER, 2000, "server unsubscribe")                                                          \
    X(INSUFFICIENT_STATE, 2500, "insufficient state")                                              \
    X(EXPIRED, 2501, "subscription expired")                                                       \
    X(STATE_INVALIDATED, 2502, "state invalidated")

enum hf_error_code {
#define X(name, code, message, is_temporary) HF_ERROR_##name = (code),
    HF_ERROR_CODES(X)
#undef X
};

enum hf_disconnect_code {
#define X(name, code, reason) HF_DISCONNECT_##name = (code),
    HF_DISCONNECT_CODES(X)
#undef X
};

enum hf_unsubscribe_code {
#define X(name, code, reason) HF_UNSUBSCRIBE_##name = (code),
    HF_UNSUBSCRIBE_CODES(X)
#undef X
};

/* The canonical text, static; NULL for a code that is not in the list above. */
const char *hf_error_message(uint32_t code);
const char *hf_disconnect_reason(uint32_t code);
const char *hf_unsubscribe_reason(uint32_t code);

/* Whether SDKs retry after this error; false for unknown codes. */
bool hf_error_code_is_temporary(uint32_t code);

/* Whether an SDK that is disconnected with this code stays away: 3500-3999 and 4500-4999. */
bool hf_disconnect_is_terminal(uint32_t code);

#endif
