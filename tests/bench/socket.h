/* Socket: the client side of WebSocket over TCP, as the load generator needs it: connections from
 * several loopback addresses, the upgrade, masked frames out, server frames in. Non-blocking; what
 * is sent is small and must fit the socket's buffer. Any thread, one at a time per socket. */
#ifndef HF_BENCH_SOCKET_H
#define HF_BENCH_SOCKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "slice.h"

/* Begins to connect, from 127.0.0.(2 + number / 16384), so that ports suffice. Returns the
 * descriptor, -1: errno. */
int hf_socket_connect(const struct sockaddr_in *address, uint32_t number);

/* What a finished connect came to: 0, or an errno. */
int hf_socket_error(int fd);

/* False: errno, or EMSGSIZE when the buffer did not take all. */
bool hf_socket_send(int fd, const char *data, size_t len);

/* Sends the request for an upgrade. subprotocol: NULL: none. */
bool hf_socket_send_upgrade(int fd, const char *path, const char *subprotocol);

/* Appends one masked frame (the mask is 0, which leaves the payload as it is). */
void hf_socket_append_frame(struct hf_buffer *out, bool is_binary, struct hf_slice payload);

enum hf_socket_result {
    HF_SOCKET_NEED_MORE,
    HF_SOCKET_MESSAGE, /* a whole text or binary frame */
    HF_SOCKET_PING,
    HF_SOCKET_CLOSED, /* close_code */
    HF_SOCKET_WRONG,
};

struct hf_socket_frame {
    struct hf_slice payload;
    size_t total; /* bytes of the frame */
    unsigned close_code;
};

/* Takes the server's frame at the start of the data apart; it must not be fragmented. */
enum hf_socket_result hf_socket_parse(struct hf_slice data, struct hf_socket_frame *frame);

/* The answer to the upgrade at the start of the data: its length, 0: incomplete, -1: refused. */
ptrdiff_t hf_socket_parse_upgrade(struct hf_slice data);

#endif
