/* Compression of WebSocket messages on a worker: one compressor and one decompressor per thread,
 * made for the first connection that negotiates it and shared by all; a connection itself costs
 * nothing more. A publication is compressed once per encoding and node, not per subscriber.
 *
 * Every function works on the calling worker's own objects (thread-local). */
#ifndef HF_SERVER_WEBSOCKET_DEFLATE_H
#define HF_SERVER_WEBSOCKET_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "deflate.h"
#include "net/frame.h"
#include "websocket.h"

/* Does nothing when it is open. False: no memory. */
bool hf_websocket_deflate_open(const struct hf_config_websocket *config);
/* At the thread's end; does nothing when it is not open. */
void hf_websocket_deflate_close(void);

/* A frame for connections that have negotiated compression. What is shorter than
 * websocket.compression_min_size, or would not become shorter, goes as it is. NULL: no memory. */
struct hf_frame *hf_websocket_deflate_wrap(enum hf_websocket_opcode opcode, const char *data,
                                           size_t len);

/* What a compressed message holds, at most `max` bytes; *message is writable and valid until the
 * next call. */
enum hf_inflate_result hf_websocket_deflate_open_message(struct hf_slice payload, size_t max,
                                                         struct hf_slice *message);

#endif
