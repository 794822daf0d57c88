/* permessage-deflate (RFC 7692) without context takeover in either direction: every message is
 * compressed by itself, so one compressor and one decompressor serve any number of connections, and
 * a compressed message may go to all of them. With zlib. An object belongs to one thread. */
#ifndef HF_PROTO_DEFLATE_H
#define HF_PROTO_DEFLATE_H

#include "buffer.h"
#include "slice.h"

#include <stdbool.h>
#include <stddef.h>

/* What is answered to an offer that was accepted. */
#define HF_WEBSOCKET_DEFLATE_ANSWER                                                                \
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

/* Whether one of the offers in Sec-WebSocket-Extensions (repeated headers joined with ", ") allows
 * that answer: not one with parameters that are unknown, malformed or given twice, nor one that
 * wants a smaller window of us. */
bool hf_websocket_accepts_deflate(struct hf_slice header);

struct hf_deflater;
struct hf_inflater;

/* level: 1 (fast) to 9 (small). About 260 KiB. NULL: no memory. */
struct hf_deflater *hf_deflater_new(int level);
void hf_deflater_free(struct hf_deflater *deflater); /* NULL is allowed */

/* Appends the compressed message to `out`. False: no memory (the buffer has failed). */
bool hf_deflate(struct hf_deflater *deflater, struct hf_slice message, struct hf_buffer *out);

/* About 40 KiB once used. NULL: no memory. */
struct hf_inflater *hf_inflater_new(void);
void hf_inflater_free(struct hf_inflater *inflater); /* NULL is allowed */

enum hf_inflate_result {
    HF_INFLATE_OK,
    HF_INFLATE_BAD,     /* no deflate data, or it ends in the middle */
    HF_INFLATE_TOO_BIG, /* it would be more than `max` */
    HF_INFLATE_NO_MEMORY,
};

/* Appends what the payload of a compressed message holds to `out` (reset before), at most `max`
 * bytes, however much it would be. */
enum hf_inflate_result hf_inflate(struct hf_inflater *inflater, struct hf_slice payload, size_t max,
                                  struct hf_buffer *out);

#endif
