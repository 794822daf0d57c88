#include "socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "websocket.h"

#define PORTS_PER_ADDRESS 16384u
#define REQUEST_MAX       1024

int hf_socket_connect(const struct sockaddr_in *address, uint32_t number)
{
    const int on = 1;
    struct sockaddr_in from = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl((INADDR_LOOPBACK + 1) + number / PORTS_PER_ADDRESS),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) == 0 &&
        (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
         errno == EINPROGRESS)) {
        return fd;
    }
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int hf_socket_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

bool hf_socket_send(int fd, const char *data, size_t len)
{
    ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
    if (sent >= 0 && (size_t)sent < len) {
        errno = EMSGSIZE;
    }
    return sent == (ssize_t)len;
}

bool hf_socket_send_upgrade(int fd, const char *path, const char *subprotocol)
{
    char request[REQUEST_MAX];
    int len = snprintf(request, sizeof request,
                       "GET %s HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\n"
                       "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s%s%s\r\n",
                       path, subprotocol != NULL ? "Sec-WebSocket-Protocol: " : "",
                       subprotocol != NULL ? subprotocol : "", subprotocol != NULL ? "\r\n" : "");
    return hf_socket_send(fd, request, (size_t)len);
}

void hf_socket_append_frame(struct hf_buffer *out, bool is_binary, struct hf_slice payload)
{
    static const char mask[4] = {0};
    char head[HF_WEBSOCKET_SERVER_HEADER_MAX];
    size_t len =
        hf_websocket_header(is_binary ? HF_WEBSOCKET_BINARY : HF_WEBSOCKET_TEXT, payload.len, head);
    head[1] = (char)(head[1] | 0x80);
    hf_buffer_append(out, head, len);
    hf_buffer_append(out, mask, sizeof mask);
    hf_buffer_append_slice(out, payload);
}

enum hf_socket_result hf_socket_parse(struct hf_slice data, struct hf_socket_frame *frame)
{
    const unsigned char *bytes = (const unsigned char *)data.data;
    if (data.len < 2) {
        return HF_SOCKET_NEED_MORE;
    }
    size_t head = 2, len = bytes[1] & 0x7f;
    size_t extra = len == 126 ? 2 : len == 127 ? 8 : 0;
    if (data.len < head + extra) {
        return HF_SOCKET_NEED_MORE;
    }
    len = extra > 0 ? 0 : len;
    for (size_t i = 0; i < extra; i++) {
        len = len << 8 | bytes[head + i];
    }
    head += extra;
    if (data.len - head < len) {
        return HF_SOCKET_NEED_MORE;
    }
    frame->payload = hf_slice(data.data + head, len);
    frame->total = head + len;
    switch (bytes[0]) {
    case 0x80 | HF_WEBSOCKET_TEXT:
    case 0x80 | HF_WEBSOCKET_BINARY:
        return HF_SOCKET_MESSAGE;
    case 0x80 | HF_WEBSOCKET_PING:
        return HF_SOCKET_PING;
    case 0x80 | HF_WEBSOCKET_CLOSE:
        frame->close_code = len >= 2 ? bytes[head] * 256u + bytes[head + 1] : 0;
        return HF_SOCKET_CLOSED;
    default:
        return HF_SOCKET_WRONG;
    }
}

ptrdiff_t hf_socket_parse_upgrade(struct hf_slice data)
{
    const char *end = memmem(data.data, data.len, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }
    if (data.len < 12 || memcmp(data.data, "HTTP/1.1 101", 12) != 0) {
        return -1;
    }
    return end - data.data + 4;
}
