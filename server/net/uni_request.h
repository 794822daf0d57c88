/* The connect request of a unidirectional transport, from whichever place it comes: cf_connect, the
 * body, or plain parameters: ?token=T&channel=a&channel=b&subscription_token=S, where S is for the
 * channel before it. A token may also be the credentials of an Authorization header (RFC 6750,
 * 2.1). The request's own token goes before the parameter, and that before the header.
 * Worker's thread only. */
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
    bool is_plain; /* names channels in the query: none of all may be denied, and a refusal is told
                      by the HTTP status */
};

/* Reads it; `text` stands for cf_connect or the body (empty: "{}"). Channels of the query are added
 * to its subs. Where `since` knows a channel, its recovery is asked for. Returns 0, or the HTTP
 * status to refuse with and *reason: 400 for what no client may ask for, 500. What this client may
 * have is for the session to say. End with hf_uni_request_fini in every case. */
int hf_uni_request_read(struct hf_uni_request *request, const struct hf_http_request *http,
                        struct hf_slice text, const struct hf_event_ids *since,
                        const char **reason);
void hf_uni_request_fini(struct hf_uni_request *request);

#endif
