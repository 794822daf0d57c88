/* User command: what a backend asks of a user's connections, wherever they are: subscribe,
 * unsubscribe, disconnect, refresh.
 *
 * It travels as the text of the server API's parameters (the peer's documentation names them), on
 * the engine's bus, which every worker of every node hears; each carries it out on the sessions
 * that it has. Nobody reports back: a command is taken when the store has it, and a node that is
 * cut off from the store at that moment misses it. A message is "user\n" <name of the command> "\n"
 * <parameters, a JSON object> "single\n" <client id> "\n" <user>        this client has connected:
 * the user's older connections go (single_connection) Worker's thread. */
#ifndef HF_SERVER_USER_COMMAND_H
#define HF_SERVER_USER_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/engine.h>

#include "arena.h"
#include "buffer.h"
#include "json.h"
#include "slice.h"
#include "token/token.h"

struct hf_session;
struct hf_worker;

enum hf_user_command_kind {
    HF_USER_SUBSCRIBE,
    HF_USER_UNSUBSCRIBE,
    HF_USER_DISCONNECT,
    HF_USER_REFRESH,
};

struct hf_user_command {
    enum hf_user_command_kind kind;
    struct hf_slice text;    /* the parameters as they were given */
    struct hf_slice user;    /* "": those without a name */
    struct hf_slice client;  /* only this connection; empty: all of the user's */
    struct hf_slice session; /* only the connection with this session id; empty: all */
    struct hf_slice channel; /* (un)subscribe; unsubscribe: empty for all of them */
    struct hf_token_sub sub; /* subscribe: info, data, override. refresh: info */
    int64_t expire_at_s;     /* subscribe, refresh: since 1970; 0: never */
    struct hf_slice since_epoch;
    uint64_t since_offset;
    bool has_since; /* subscribe: wants what was published after it */
    bool expired;   /* refresh: ends the connection */
    uint32_t code;  /* disconnect */
    struct hf_slice reason;
    struct hf_slice *whitelist; /* disconnect: arena; client ids that stay */
    size_t whitelist_count;
    bool is_valid; /* false: understood, but nothing that can be done (bad base64, bad code) */
};

/* Takes a command's parameters apart. Slices borrow from the text or the arena. Unknown members are
 * ignored. */
enum hf_json_status hf_user_command_parse(enum hf_user_command_kind kind, struct hf_slice text,
                                          struct hf_arena *arena, struct hf_user_command *command);

/* Appends the message that brings the command to every worker. */
void hf_user_command_write(const struct hf_user_command *command, struct hf_buffer *message);

/* For the bus. True: it was one of these messages, and was carried out here. */
bool hf_user_command_take(struct hf_worker *worker, struct hf_bytes message);

/* The session has connected: the older connections of its user go, on every node. */
void hf_user_announce_single(struct hf_session *session);

#endif
