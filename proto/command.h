/* Command: what clients ask for, decoded from a frame. Pure functions, any thread, one at a time
 * per arena. The structs do not depend on the encoding; every slice in them borrows from the frame
 * or from the arena, and dies with either. Absent fields are zero: empty slices, 0, false, NULL
 * arrays. "Raw" is a JSON value or, in Protobuf, any bytes. */
#ifndef HF_PROTO_COMMAND_H
#define HF_PROTO_COMMAND_H

#include "arena.h"
#include "encoding.h"
#include "slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a command is, in the order in which one of several requests in it is chosen. */
enum hf_command_kind {
    HF_COMMAND_NONE, /* nothing that can be executed: no known request, or one (other than send)
                        without an id; the connection is to be closed with bad request */
    HF_COMMAND_CONNECT,
    HF_COMMAND_PING,
    HF_COMMAND_SUBSCRIBE,
    HF_COMMAND_UNSUBSCRIBE,
    HF_COMMAND_PUBLISH,
    HF_COMMAND_PRESENCE,
    HF_COMMAND_PRESENCE_STATS,
    HF_COMMAND_HISTORY,
    HF_COMMAND_RPC,
    HF_COMMAND_SEND,
    HF_COMMAND_REFRESH,
    HF_COMMAND_SUB_REFRESH,
    HF_COMMAND_PONG, /* id 0 and no send, whatever else is set */
};

/* In flags of subscribe. */
#define HF_SUBSCRIBE_FLAG_COMPACTION         (INT64_C(1) << 0)
#define HF_SUBSCRIBE_FLAG_REJECT_UNRECOVERED (INT64_C(1) << 1)

struct hf_stream_position {
    uint64_t offset;
    struct hf_slice epoch;
};

/* A tree of conditions on a publication's tags. */
struct hf_filter_node {
    struct hf_slice op;
    struct hf_slice key;
    struct hf_slice cmp;
    struct hf_slice val;
    struct hf_slice *vals; /* arena, vals_count */
    size_t vals_count;
    struct hf_filter_node *nodes; /* arena, nodes_count */
    size_t nodes_count;
};

struct hf_subscribe_request {
    struct hf_slice channel;
    struct hf_slice token;
    struct hf_slice epoch;
    uint64_t offset;
    struct hf_slice data; /* raw; empty = absent */
    struct hf_slice delta;
    struct hf_filter_node *tf; /* arena; NULL = absent */
    int64_t flag;              /* HF_SUBSCRIBE_FLAG_* */
    int32_t type;              /* 0 = stream */
    bool recover;
    bool positioned;
    bool recoverable;
    bool join_leave;
};

struct hf_connect_sub {
    struct hf_slice channel; /* the key in `subs` */
    struct hf_subscribe_request request;
};

struct hf_header {
    struct hf_slice name;
    struct hf_slice value;
};

struct hf_connect_request {
    struct hf_slice token;
    struct hf_slice data;        /* raw; empty = absent */
    struct hf_connect_sub *subs; /* arena, subs_count, in the client's order; a channel may
                                    come twice, the last one counts */
    size_t subs_count;
    struct hf_slice name;
    struct hf_slice version;
    struct hf_header *headers; /* arena, headers_count; of equal names the last counts */
    size_t headers_count;
    int64_t flag;
    struct hf_slice dict;
    struct hf_slice profile;
};

struct hf_channel_request { /* unsubscribe, presence, presence_stats */
    struct hf_slice channel;
};

struct hf_publish_request {
    struct hf_slice channel;
    struct hf_slice data; /* raw, `null` included; empty = absent */
    struct hf_slice key;
    int32_t type; /* 0 = stream */
    bool removed;
};

struct hf_history_request {
    struct hf_slice channel;
    struct hf_stream_position since;
    int32_t limit; /* publications; 0 = position only, negative = all */
    bool has_since;
    bool reverse;
};

struct hf_rpc_request {
    struct hf_slice method;
    struct hf_slice data; /* raw; empty = absent */
};

struct hf_send_request {
    struct hf_slice data; /* raw; empty = absent */
};

struct hf_refresh_request {
    struct hf_slice token;
};

struct hf_sub_refresh_request {
    struct hf_slice channel;
    struct hf_slice token;
    int32_t type; /* 0 = stream */
};

/* Not a command: commands that come apart from the stream of their session. */
struct hf_emulation_request {
    struct hf_slice node;
    struct hf_slice session;
    struct hf_slice data; /* a frame of commands, in the session's encoding */
};

union hf_request {
    struct hf_connect_request connect;
    struct hf_subscribe_request subscribe;
    struct hf_channel_request unsubscribe;
    struct hf_publish_request publish;
    struct hf_channel_request presence;
    struct hf_channel_request presence_stats;
    struct hf_history_request history;
    struct hf_rpc_request rpc;
    struct hf_send_request send;
    struct hf_refresh_request refresh;
    struct hf_sub_refresh_request sub_refresh;
};

struct hf_command {
    uint32_t id; /* 0 = absent */
    enum hf_command_kind kind;
    union hf_request request; /* the member that kind names; none for NONE, PING and PONG */
};

enum hf_command_status {
    HF_COMMAND_OK = 0,
    HF_COMMAND_END = 1,        /* iterator: the frame holds no further message */
    HF_COMMAND_MALFORMED = -1, /* close with bad request (3501) */
    HF_COMMAND_TOO_LARGE = -2, /* over the size limit; close with bad request (3501) */
    HF_COMMAND_NO_MEMORY = -3, /* close with internal server error (3004) */
};

struct hf_command_error {
    const char *reason; /* static text for logs */
    size_t offset;      /* bytes from the start of the message, or of the frame from the iterator */
};

/* Decodes one message, which must be one JSON object and nothing else. Unknown fields are ignored,
 * null is absent (except for raw data, where it is a value), of duplicate fields the last counts,
 * names match in any ASCII case. On failure *command is undefined and *error is set.
 * message: kept until the command is no longer used. error: may be NULL. */
enum hf_command_status hf_command_decode_json(struct hf_slice message, struct hf_arena *arena,
                                              struct hf_command *command,
                                              struct hf_command_error *error);

/* Decodes a connect request that stands alone, without a command around it. As above. */
enum hf_command_status hf_connect_request_decode_json(struct hf_slice message,
                                                      struct hf_arena *arena,
                                                      struct hf_connect_request *request,
                                                      struct hf_command_error *error);

/* Decodes one message in Protobuf (proto/client.proto). Unknown fields are ignored; a text that is
 * not UTF-8, a field of another wire type, a single sub-message that comes twice, and messages
 * nested too deep are malformed, too many fields TOO_LARGE; an empty message is a pong. Needs arena
 * memory in proportion to the message. On failure as hf_command_decode_json. */
enum hf_command_status hf_command_decode_protobuf(struct hf_slice message, struct hf_arena *arena,
                                                  struct hf_command *command,
                                                  struct hf_command_error *error);

/* hf_command_decode_json or hf_command_decode_protobuf. */
enum hf_command_status hf_command_decode(enum hf_encoding encoding, struct hf_slice message,
                                         struct hf_arena *arena, struct hf_command *command,
                                         struct hf_command_error *error);

/* Decodes an emulation request, in its own encoding. As hf_command_decode. */
enum hf_command_status hf_emulation_request_decode(enum hf_encoding encoding,
                                                   struct hf_slice message, struct hf_arena *arena,
                                                   struct hf_emulation_request *request,
                                                   struct hf_command_error *error);

/* Splits a frame into messages. JSON: one per line, one line feed may end the frame; an empty frame
 * or an empty line is malformed. Protobuf: each follows its length (a varint), which may be 0; an
 * empty frame or a message that is cut short is malformed. */
struct hf_command_iterator {
    enum hf_encoding encoding;
    struct hf_slice frame;   /* borrowed */
    size_t at;               /* bytes of the frame already taken */
    size_t max_message_size; /* bytes; 0 = unlimited */
};

void hf_command_iterator_init(struct hf_command_iterator *iterator, enum hf_encoding encoding,
                              struct hf_slice frame, size_t max_message_size);

/* The next message, not decoded: OK, END, MALFORMED or TOO_LARGE (error may be NULL). */
enum hf_command_status hf_command_iterator_next_message(struct hf_command_iterator *iterator,
                                                        struct hf_slice *message,
                                                        struct hf_command_error *error);

/* The next message, decoded. Error offsets count from the start of the frame. */
enum hf_command_status hf_command_iterator_next(struct hf_command_iterator *iterator,
                                                struct hf_arena *arena, struct hf_command *command,
                                                struct hf_command_error *error);

/* The protocol's name of the request ("subscribe", ...), static; "none" and "pong" for the others.
 */
const char *hf_command_kind_name(enum hf_command_kind kind);

#endif
