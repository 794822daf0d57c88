/* Server API internals, shared by api*.c only. Worker's thread.
 *
 * A method takes its parameters apart (`parse`, before anything is done), is run, and answers its
 * call once, at once or later. What becomes of the answer is the business of who made the call: a
 * request of its own, or one among others (api_list.c). */
#ifndef HF_SERVER_API_INTERNAL_H
#define HF_SERVER_API_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/engine.h>

#include "api/api.h"
#include "arena.h"
#include "client/channel_rules.h"
#include "client/user_command.h"
#include "codes.h"
#include "json.h"
#include "worker.h"

/* --- api_request.c: parameters. Slices borrow from the text or the arena. --- */

enum hf_api_parse_result {
    HF_API_PARSED,
    HF_API_PARSE_MALFORMED, /* HTTP 400 */
    HF_API_PARSE_TOO_MANY,  /* more channels than holdfast.broadcast_channels_max */
    HF_API_PARSE_NO_MEMORY,
};

struct hf_api_publish_request {
    struct hf_slice channel;   /* publish */
    struct hf_slice *channels; /* broadcast; arena, channel_count */
    size_t channel_count;
    struct hf_slice data; /* raw JSON value as sent */
    struct hf_slice b64data;
    struct hf_slice tags; /* raw JSON object of strings; empty when it has no member */
    struct hf_slice idempotency_key;
    struct hf_slice version_epoch;
    uint64_t version;
    bool skip_history;
    bool delta;
};

/* Also of those that take a channel only: history_remove, presence, presence_stats. */
struct hf_api_history_request {
    struct hf_slice channel;
    struct hf_slice since_epoch;
    uint64_t since_offset;
    int32_t limit;
    bool has_since;
    bool reverse;
};

union hf_api_request {
    struct hf_api_publish_request publish;
    struct hf_api_history_request history;
    struct hf_user_command user;
    struct hf_slice text; /* channels: pattern; rpc: method */
};

/* What a method's `parse` is. The text and the arena's content must stay until it has run. */
typedef enum hf_api_parse_result hf_api_parser(struct hf_slice text, struct hf_arena *arena,
                                               const struct hf_config *config,
                                               union hf_api_request *request);
hf_api_parser hf_api_parse_publish; /* and broadcast */
hf_api_parser hf_api_parse_history;
hf_api_parser hf_api_parse_channels;
hf_api_parser hf_api_parse_rpc;
hf_api_parser hf_api_parse_empty; /* an object, whatever is in it */
hf_api_parser hf_api_parse_subscribe, hf_api_parse_unsubscribe, hf_api_parse_disconnect,
    hf_api_parse_refresh;

/* Standard alphabet, padded. *out is in the arena; empty for an empty text. 0, HF_ERROR_BAD_REQUEST
 * or HF_ERROR_INTERNAL (no memory). */
int hf_api_decode_base64(struct hf_slice text, struct hf_arena *arena, struct hf_slice *out);

/* --- api_call.c: one call of one method --- */

#define HF_API_FAILED (-1) /* no memory for the answer, or it has no form in JSON: HTTP 500 */

struct hf_api_call {
    struct hf_worker *worker;
    /* code: 0, an error code, or HF_API_FAILED. text: {"result":...} when code is 0; borrowed until
     * return. May free the call. */
    void (*answered)(struct hf_api_call *call, int code, struct hf_slice text);
};

/* Starts the answer: the result's value is to be appended, one JSON object. */
struct hf_buffer *hf_api_result_begin(const struct hf_api_call *call);
/* Answers with what was appended, or that there was no memory for it. */
void hf_api_result_end(struct hf_api_call *call);
void hf_api_answer_empty(struct hf_api_call *call); /* {} */
void hf_api_answer_error(struct hf_api_call *call, int code);

/* Appends {"code":...,"message":"..."}. */
void hf_api_write_error(struct hf_buffer *body, int code);

/* The API's error for an engine's result other than HF_OK. */
enum hf_error_code hf_api_engine_error(int result);
/* The channel's options. 0, or the error for a name that is empty or of an unknown namespace. */
int hf_api_find_channel(const struct hf_worker *worker, struct hf_slice channel,
                        struct hf_channel_ref *ref);

/* --- methods --- */

struct hf_api_method {
    const char *name;
    uint32_t number; /* in the single route's commands */
    hf_api_parser *parse;
    /* Answers the call once. The request and what it points to are borrowed until return. */
    void (*run)(struct hf_api_call *call, const union hf_api_request *request);
};

typedef void hf_api_runner(struct hf_api_call *call, const union hf_api_request *request);
hf_api_runner hf_api_publish, hf_api_broadcast;       /* api_publish.c */
hf_api_runner hf_api_history, hf_api_history_remove;  /* api_history.c */
hf_api_runner hf_api_presence, hf_api_presence_stats; /* api_presence.c */
hf_api_runner hf_api_info;                            /* api_info.c */
hf_api_runner hf_api_channels;                        /* api_channels.c */
hf_api_runner hf_api_user_command;                    /* api_user.c */
hf_api_runner hf_api_rpc;                             /* api_call.c: there are none to call */

/* In the order in which the peer looks for them in a batch's command. NULL: no such method. */
extern const struct hf_api_method hf_api_methods[];
extern const size_t hf_api_method_count;
/* Letters of either case are the same. */
const struct hf_api_method *hf_api_find_method(struct hf_slice name);

/* --- api.c: HTTP. Every hf_api_respond* answers and frees the request. --- */

/* Method and key. False: the request was answered (405, 401). */
bool hf_api_admit(struct hf_http_request *request);
/* {"error":...}, or in transport error mode the bare error with its HTTP status. */
void hf_api_respond_error(struct hf_http_request *request, int code);
/* 400 with plain text: the body is not the JSON that the method takes. */
void hf_api_respond_malformed(struct hf_http_request *request);
/* 500 with plain text. */
void hf_api_respond_failure(struct hf_http_request *request);
/* 200 with a JSON text. */
void hf_api_respond_json(struct hf_http_request *request, struct hf_slice text);

/* --- api_list.c: several calls in one request --- */
hf_http_handler hf_api_batch;
hf_http_handler hf_api_commands; /* the single route */

#endif
