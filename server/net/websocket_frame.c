#include "net/websocket_frame.h"

#include <string.h>

#include "websocket.h"

enum { WRAP_MAX = INT32_MAX };

struct hf_frame *hf__websocket_wrap(unsigned first, const char *data, size_t len)
{
    if (len > WRAP_MAX) {
        return NULL;
    }
    char header[HF_WEBSOCKET_SERVER_HEADER_MAX];
    size_t header_len = hf_websocket_header(HF_WEBSOCKET_CONTINUATION, len, header);
    header[0] = (char)((unsigned char)header[0] | first);
    char *bytes;
    struct hf_frame *frame = hf_frame_new(header_len + len, &bytes);
    if (frame != NULL) {
        memcpy(bytes, header, header_len);
        memcpy(bytes + header_len, data, len);
    }
    return frame;
}
