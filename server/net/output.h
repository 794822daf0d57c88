/* An output queue: frames on their way to one socket, oldest first.
 *
 * Worker's thread only. One waiting frame needs no memory beyond this struct; more than one
 * allocate a ring that is freed when the queue is empty. */
#ifndef HF_SERVER_OUTPUT_H
#define HF_SERVER_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>
#include <sys/uio.h>

#include "net/frame.h"

/* Zeroed: empty. */
struct hf_output {
    struct hf_frame **ring; /* owned; NULL: `single` is the ring */
    struct hf_frame *single;
    size_t bytes; /* not yet written */
    uint32_t head;
    uint32_t count;
    uint32_t capacity;    /* of `ring`, a power of two */
    uint32_t head_offset; /* bytes of the first frame that are written already */
};

enum hf_output_result {
    HF_OUTPUT_EMPTY,   /* everything is written */
    HF_OUTPUT_BLOCKED, /* the kernel takes no more now */
    HF_OUTPUT_FAILED,  /* errno: the socket is of no use any more */
};

/* Adds a frame with a reference of its own. False: no memory, nothing has changed. */
bool hf_output_push(struct hf_output *output, struct hf_frame *frame);

#define HF_OUTPUT_VECTORS_MAX 64 /* frames that one call carries */

/* What is to be written next, in `vectors` of at least HF_OUTPUT_VECTORS_MAX. Returns how many.
 * They hold until the queue is changed. */
uint32_t hf_output_vectors(const struct hf_output *output, struct iovec *vectors);
/* So many bytes of it are written. */
void hf_output_take(struct hf_output *output, size_t written);

/* Writes until the queue is empty or the kernel is full, through `tls` unless it is NULL. Adds the
 * bytes and calls that it took to *written and *calls. */
enum hf_output_result hf_output_write(struct hf_output *output, int fd, SSL *tls, uint64_t *written,
                                      uint64_t *calls);

/* Drops every frame and the ring. */
void hf_output_clear(struct hf_output *output);

#endif
