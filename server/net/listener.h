/* Listeners: sockets that accept the node's connections, one per worker on one address.
 *
 * Binding is the node's business, before workers start; accepting is the worker's. */
#ifndef HF_SERVER_LISTENER_H
#define HF_SERVER_LISTENER_H

#include <stddef.h>
#include <stdint.h>

#include "net/connection.h"

struct hf_listener;
struct hf_worker;

/* Opens `count` listening, non-blocking sockets that share one address and port; the kernel spreads
 * connections over them. `name` is an address or a host name, "" means all interfaces, IPv6 and
 * IPv4. *port 0 is replaced by the port that the kernel picked. Returns 0, or -1 with a text in
 * `reason`, also when another process has the port. */
int hf_listener_bind(const char *name, uint16_t *port, int *fds, unsigned count, char *reason,
                     size_t reason_size) __attribute__((warn_unused_result));

/* Accepts on the worker's loop; takes the descriptor, also on failure. NULL: no memory. */
struct hf_listener *hf_listener_open(struct hf_worker *worker, int fd, enum hf_entrance entrance);
/* Stops accepting and closes the socket. NULL is allowed. */
void hf_listener_close(struct hf_listener *listener);

#endif
