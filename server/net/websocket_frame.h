/* One WebSocket frame of ours, ready to be sent. Worker's thread. */
#ifndef HF_SERVER_WEBSOCKET_FRAME_H
#define HF_SERVER_WEBSOCKET_FRAME_H

#include <stddef.h>

#include "net/frame.h"

/* `first`: an opcode, perhaps with reserved bits. NULL: no memory, or above 2 GiB. */
struct hf_frame *hf__websocket_wrap(unsigned first, const char *data, size_t len);

#endif
