#include "net/send_batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <liburing.h>

#include "log.h"

#define VECTORS_MAX 1024 /* of all sends of a batch */
#define SEND_FLAGS  (MSG_NOSIGNAL | MSG_DONTWAIT)
#define NOT_SENT    ((ssize_t)INT64_MIN) /* no errno */

struct one_send {
    void *owner;
    int fd;
    ssize_t result; /* NOT_SENT until it is known */
    struct msghdr message;
};

struct hf_send_batch {
    struct io_uring ring; /* empty between two runs */
    bool has_ring;
    uint32_t count;
    uint32_t vector_count;
    struct one_send sends[HF_SEND_BATCH_MAX];
    struct iovec vectors[VECTORS_MAX];
};

static bool open_ring(struct io_uring *ring)
{
    struct io_uring_params params = {
        /* One thread submits, and all is done within its calls. */
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL,
    };
    int result = io_uring_queue_init_params(HF_SEND_BATCH_MAX, ring, &params);
    if (result != 0) {
        hf_log(HF_LOG_INFO, "no io_uring: one system call for each socket", "error=%s",
               strerror(-result));
    }
    return result == 0;
}

struct hf_send_batch *hf_send_batch_open(bool wants_ring)
{
    struct hf_send_batch *batch = malloc(sizeof(*batch));
    if (batch != NULL) {
        batch->count = 0;
        batch->vector_count = 0;
        batch->has_ring = wants_ring && open_ring(&batch->ring);
    }
    return batch;
}

static void close_ring(struct hf_send_batch *batch)
{
    if (batch->has_ring) {
        io_uring_queue_exit(&batch->ring);
        batch->has_ring = false;
    }
}

void hf_send_batch_close(struct hf_send_batch *batch)
{
    if (batch != NULL) {
        close_ring(batch);
        free(batch);
    }
}

bool hf_send_batch_has_ring(const struct hf_send_batch *batch)
{
    return batch->has_ring;
}

bool hf_send_batch_add(struct hf_send_batch *batch, int fd, const struct hf_output *output,
                       void *owner)
{
    struct iovec *vectors = batch->vectors + batch->vector_count;
    if (batch->count == HF_SEND_BATCH_MAX ||
        batch->vector_count + HF_OUTPUT_VECTORS_MAX > VECTORS_MAX) {
        return false;
    }
    uint32_t count = hf_output_vectors(output, vectors);
    batch->vector_count += count;
    batch->sends[batch->count++] = (struct one_send){
        .owner = owner,
        .fd = fd,
        .result = NOT_SENT,
        .message = {.msg_iov = vectors, .msg_iovlen = count},
    };
    return true;
}

/* --- with a ring ------------------------------------------------------------------------------ */

/* The ring is empty and has room for a whole batch. */
static void fill_ring(struct hf_send_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        struct one_send *send = &batch->sends[i];
        const struct iovec *first = send->message.msg_iov;
        struct io_uring_sqe *entry = io_uring_get_sqe(&batch->ring);
        if (send->message.msg_iovlen == 1) {
            io_uring_prep_send(entry, send->fd, first->iov_base, first->iov_len, SEND_FLAGS);
        } else {
            io_uring_prep_sendmsg(entry, send->fd, &send->message, SEND_FLAGS);
        }
        io_uring_sqe_set_data64(entry, i);
    }
}

/* Returns how many have come. */
static uint32_t take_results(struct hf_send_batch *batch)
{
    struct io_uring_cqe *entry;
    unsigned head;
    uint32_t count = 0;
    io_uring_for_each_cqe(&batch->ring, head, entry)
    {
        batch->sends[io_uring_cqe_get_data64(entry)].result = entry->res;
        count++;
    }
    io_uring_cq_advance(&batch->ring, count);
    return count;
}

/* A ring that fails (the kernel has no memory) is given up with what it has not sent, which is then
 * sent without it. */
static uint64_t send_by_ring(struct hf_send_batch *batch)
{
    uint64_t calls = 0;
    uint32_t open = batch->count;
    fill_ring(batch);
    while (open > 0) {
        int result = io_uring_submit_and_wait(&batch->ring, open);
        calls++;
        open -= take_results(batch);
        if (result < 0 && result != -EINTR) {
            hf_log(HF_LOG_WARN, "io_uring is given up: one system call for each socket", "error=%s",
                   strerror(-result));
            close_ring(batch);
            break;
        }
    }
    return calls;
}

/* --- without one ------------------------------------------------------------------------------ */

static ssize_t send_one(const struct one_send *one)
{
    const struct iovec *first = one->message.msg_iov;
    ssize_t sent = one->message.msg_iovlen == 1 /* cheaper than a vector of one */
                       ? send(one->fd, first->iov_base, first->iov_len, SEND_FLAGS)
                       : sendmsg(one->fd, &one->message, SEND_FLAGS);
    return sent >= 0 ? sent : -errno;
}

uint64_t hf_send_batch_run(struct hf_send_batch *batch, hf_send_done *done)
{
    uint64_t calls = batch->has_ring && batch->count > 1 ? send_by_ring(batch) : 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        struct one_send *one = &batch->sends[i];
        if (one->result == NOT_SENT) {
            one->result = send_one(one);
            calls++;
        }
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        done(batch->sends[i].owner, batch->sends[i].result);
    }
    batch->count = 0;
    batch->vector_count = 0;
    return calls;
}
