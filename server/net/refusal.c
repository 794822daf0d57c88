#include "net/refusal.h"

#include <stdio.h>
#include <string.h>

#include "codes.h"
#include "net/cors.h"

enum { ANSWER_MAX = HF_CORS_MAX + 512 };

/* The status line's end. 401 has to say how to do better (RFC 9110, 15.5.2). */
static const char *status_of(unsigned code)
{
    switch (code) {
    case HF_DISCONNECT_INVALID_TOKEN:
    case HF_DISCONNECT_EXPIRED:
    case HF_DISCONNECT_BAD_REQUEST: /* no token: what else is wrong was found before */
        return "401 Unauthorized\r\nWWW-Authenticate: Bearer";
    case HF_DISCONNECT_PERMISSION_DENIED:
        return "403 Forbidden";
    case HF_DISCONNECT_CHANNEL_LIMIT:
        return "400 Bad Request";
    case HF_DISCONNECT_CONNECTION_LIMIT:
        return "429 Too Many Requests";
    default:
        return "503 Service Unavailable";
    }
}

struct hf_frame *hf_refusal_frame(unsigned disconnect_code, const char *cors)
{
    const char *reason = hf_disconnect_reason(disconnect_code);
    char answer[ANSWER_MAX];
    char *bytes;
    if (disconnect_code == HF_DISCONNECT_BAD_REQUEST) {
        reason = "a token is needed";
    } else if (reason == NULL) { /* a backend's own code */
        reason = "disconnected by server";
    }
    int len = snprintf(answer, sizeof(answer),
                       "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                       "Content-Length: %zu\r\nCache-Control: no-store\r\nConnection: close\r\n"
                       "%s\r\n%s\n",
                       status_of(disconnect_code), strlen(reason) + 1, cors, reason);
    struct hf_frame *frame = len > 0 && len < ANSWER_MAX ? hf_frame_new((size_t)len, &bytes) : NULL;
    if (frame != NULL) {
        memcpy(bytes, answer, (size_t)len);
    }
    return frame;
}
