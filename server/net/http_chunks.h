/* Chunked request bodies (RFC 9112, 7.1), decoded strictly, byte by byte if need be. Pure.
 *
 * Written here because the packaged http_parser is built without its strict checks, and a body
 * whose end two parties see in different places is how requests are smuggled. */
#ifndef HF_SERVER_HTTP_CHUNKS_H
#define HF_SERVER_HTTP_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

/* Zeroed: before the first chunk. */
struct hf_http_chunks {
    uint64_t left;     /* bytes of the chunk that are still to come */
    uint32_t overhead; /* bytes of extensions and trailers so far */
    uint8_t state;     /* enum in the source */
};

enum hf_http_chunks_result {
    HF_HTTP_CHUNKS_MORE, /* everything was used, more is needed */
    HF_HTTP_CHUNKS_DONE, /* the body is complete */
    HF_HTTP_CHUNKS_BAD,
    HF_HTTP_CHUNKS_TOO_BIG,
    HF_HTTP_CHUNKS_NO_MEMORY,
};

/* Appends what the chunks in `data` hold to `body`, which may come to hold `body_max` bytes. *used
 * tells how far it went. */
enum hf_http_chunks_result hf__http_chunks_feed(struct hf_http_chunks *chunks, const char *data,
                                                size_t len, struct hf_buffer *body, size_t body_max,
                                                size_t *used);

#endif
