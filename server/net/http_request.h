/* An HTTP request while it is read, and until it is answered. Private to http*.c.
 *
 * Bytes are parsed once, as they come, however slowly they do: the head is collected in one buffer
 * that the header slices point into, the body (without its chunks) in another. http_parser reads
 * heads only; what its packaged build lets pass is refused here. */
#ifndef HF_SERVER_HTTP_REQUEST_H
#define HF_SERVER_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <http_parser.h>

#include "buffer.h"
#include "net/http.h"
#include "net/http_chunks.h"

/* A header in `head`, by offset: the buffer may move while it grows. */
struct hf_http_span {
    uint32_t at;
    uint32_t len;
};

struct hf_http_header {
    struct hf_http_span name;
    struct hf_http_span value;
};

struct hf_http_counters;

struct hf_http_exchange {
    struct hf_http_request request;    /* first, so that a request is its exchange */
    struct hf_http_exchange *spare;    /* in worker->priv->spare_exchanges */
    struct hf_http_counters *counters; /* of its route; NULL: not handed to a handler */
    uint64_t complete_at_us;           /* monotonic: when the handler got it */
    http_parser parser;
    struct hf_buffer head;
    struct hf_buffer body;
    struct hf_http_chunks chunks;
    uint64_t body_left; /* bytes to come, when they are counted (not chunked) */
    size_t head_max;
    size_t body_max;
    struct hf_http_span target;
    struct hf_http_header *headers; /* owned */
    uint32_t header_count;
    uint32_t header_capacity;
    uint16_t error_status; /* not 0: the request is refused with it and the connection ends */
    bool in_value;         /* the last header has got (part of) its value */
    bool is_head_done;
    bool is_chunked;
    bool is_complete;    /* the handler may have it */
    bool keeps_alive;    /* another request may follow on the connection */
    bool wants_continue; /* the client waits for 100 before it sends the body */
    bool is_in_handler;
};

/* NULL: no memory. Limits in bytes. */
struct hf_http_exchange *hf__http_exchange_new(size_t head_max, size_t body_max);
/* An answered one is kept for a later request: gives back what memory it has beyond the usual. */
void hf__http_exchange_trim(struct hf_http_exchange *exchange);
/* Makes it as good as new, for the next request. */
void hf__http_exchange_renew(struct hf_http_exchange *exchange, size_t head_max, size_t body_max);
void hf__http_exchange_free(struct hf_http_exchange *exchange);

/* Takes bytes until the request is complete, refused, or they are used up. Returns how many. */
size_t hf__http_exchange_feed(struct hf_http_exchange *exchange, const char *data, size_t len);

#endif
