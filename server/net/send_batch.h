/* A send batch: what a turn has to write to many sockets, handed to the kernel with one system call
 * (io_uring), or with one for each socket where the kernel permits no ring.
 *
 * The thread that opened it only. Nothing is written before hf_send_batch_run, and all of it when
 * that returns: nothing is in flight between two calls. */
#ifndef HF_SERVER_SEND_BATCH_H
#define HF_SERVER_SEND_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "net/output.h"

#define HF_SEND_BATCH_MAX 256 /* sends in one batch */

struct hf_send_batch;

/* `result`: bytes that the kernel has taken, or -errno (-EAGAIN: it takes none now). */
typedef void hf_send_done(void *owner, ssize_t result);

/* `wants_ring`: try for a ring. NULL: no memory. */
struct hf_send_batch *hf_send_batch_open(bool wants_ring);
void hf_send_batch_close(struct hf_send_batch *batch); /* NULL is allowed */
bool hf_send_batch_has_ring(const struct hf_send_batch *batch);

/* Adds the first frames of a queue that is not empty (as many as one call may carry). The queue
 * must stay as it is until the run. False: the batch is full. */
bool hf_send_batch_add(struct hf_send_batch *batch, int fd, const struct hf_output *output,
                       void *owner);

/* Sends everything, then tells each owner, in the order of adding; `done` must not add. Returns how
 * many system calls that took. */
uint64_t hf_send_batch_run(struct hf_send_batch *batch, hf_send_done *done);

#endif
