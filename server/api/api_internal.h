/* Server API internals, shared by api*.c only. Worker's thread. */
#ifndef HF_SERVER_API_INTERNAL_H
#define HF_SERVER_API_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/engine.h>

#include "api/api.h"
#include "arena.h"
#include "client/channel_rules.h"
#include "codes.h"
#include "json.h"
#include "worker.h"

/* --- api.c: what all methods share. Every hf_api_respond_* answers and frees the request. --- */

/* Method and key. False: the request was answered (405, 401). */
bool hf_api_admit(struct hf_http_request *request);
/* {"error":...}, or in transport error mode the bare error with its HTTP status. */
void hf_api_respond_error(struct hf_http_request *request, enum hf_error_code code);
/* 400 with plain text: the body is not the JSON that the method takes. */
void hf_api_respond_malformed(struct hf_http_request *request);
/* 200 with the buffer's content, or 500 when the buffer failed. */
void hf_api_respond(struct hf_http_request *request, const struct hf_buffer *body);
/* 500 with plain text. */
void hf_api_respond_failure(struct hf_http_request *request);

/* The API's error for an engine's result other than HF_OK. */
enum hf_error_code hf_api_engine_error(int result);

/* --- api_request.c: bodies. Slices borrow from the body or the arena. --- */

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

struct hf_api_history_request {
    struct hf_slice channel;
    struct hf_slice since_epoch;
    uint64_t since_offset;
    int32_t limit;
    bool has_since;
    bool reverse;
};

enum hf_api_parse_result hf_api_parse_publish(struct hf_slice body, struct hf_arena *arena,
                                              size_t channels_max,
                                              struct hf_api_publish_request *request);
/* Also history_remove's body, which has the channel only. */
enum hf_api_parse_result hf_api_parse_history(struct hf_slice body, struct hf_arena *arena,
                                              struct hf_api_history_request *request);
/* An object, whatever is in it. */
enum hf_api_parse_result hf_api_parse_empty(struct hf_slice body);

/* Standard alphabet, padded (RFC 4648 section 4). *out is in the arena. False: not base64, or no
 * memory (*out.data is then NULL and `is_memory` set). */
bool hf_api_decode_base64(struct hf_slice text, struct hf_arena *arena, struct hf_slice *out,
                          bool *is_memory);

/* --- methods --- */
hf_http_handler hf_api_publish, hf_api_broadcast;       /* api_publish.c */
hf_http_handler hf_api_history, hf_api_history_remove;  /* api_history.c */
hf_http_handler hf_api_info;                            /* api_info.c */
hf_http_handler hf_api_presence, hf_api_presence_stats; /* api_presence.c */

#endif
