/* The connect request of a unidirectional transport, from whichever place it comes: cf_connect, the
 * body, or plain parameters: ?channel=a&channel=b. Worker's thread only. */
#ifndef HF_SERVER_UNI_REQUEST_H
#define HF_SERVER_UNI_REQUEST_H

#include "arena.h"
#include "command.h"
#include "net/event_id.h"
#include "net/http.h"

/* A request and the memory behind it. */
struct hf_uni_request {
    struct hf_arena arena;
    struct hf_connect_request connect; /* texts are the arena's: they outlive the HTTP request */
};

/* Reads it; `text` stands for cf_connect or the body (empty: "{}"). Channels of the query are added
 * to its subs. Where `since` knows a channel, its recovery is asked for. Returns 0, or the HTTP
 * status to refuse with and *reason: 400, 403 for a channel of the query that may not be
 * subscribed to, 500. End with hf_uni_request_fini in every case. */
int hf_uni_request_read(struct hf_uni_request *request, const struct hf_http_request *http,
                        struct hf_slice text, const struct hf_event_ids *since,
                        const char **reason);
void hf_uni_request_fini(struct hf_uni_request *request);

#endif
