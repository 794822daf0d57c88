#include "net/output.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "net/tls.h"

enum {
    FIRST_CAPACITY = 8,
    IOVECS_MAX = 64,
};

static struct hf_frame **at(struct hf_output *output, uint32_t index)
{
    return output->ring == NULL ? &output->single
                                : &output->ring[(output->head + index) & (output->capacity - 1)];
}

static bool grow(struct hf_output *output)
{
    uint32_t capacity = output->ring == NULL ? FIRST_CAPACITY : output->capacity * 2;
    if (capacity > UINT32_MAX / 2) {
        return false;
    }
    struct hf_frame **ring = malloc(capacity * sizeof(struct hf_frame *));
    if (ring == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < output->count; i++) {
        ring[i] = *at(output, i);
    }
    free(output->ring);
    output->ring = ring;
    output->capacity = capacity;
    output->head = 0;
    return true;
}

bool hf_output_push(struct hf_output *output, struct hf_frame *frame)
{
    uint32_t capacity = output->ring == NULL ? 1 : output->capacity;
    if (output->count == capacity && !grow(output)) {
        return false;
    }
    *at(output, output->count) = hf_frame_ref(frame);
    output->count++;
    output->bytes += frame->len;
    return true;
}

static void release_ring(struct hf_output *output)
{
    free(output->ring);
    *output = (struct hf_output){0};
}

static void pop(struct hf_output *output)
{
    hf_frame_unref(*at(output, 0));
    output->head = output->ring == NULL ? 0 : (output->head + 1) & (output->capacity - 1);
    output->head_offset = 0;
    output->count--;
}

static void take_written(struct hf_output *output, size_t written)
{
    output->bytes -= written;
    while (output->count > 0) {
        size_t left = (*at(output, 0))->len - output->head_offset;
        if (written < left) {
            output->head_offset += (uint32_t)written;
            return;
        }
        written -= left;
        pop(output);
    }
}

static ssize_t write_some(struct hf_output *output, int fd, SSL *tls)
{
    if (tls == NULL && output->count == 1) { /* cheaper than a vector of one */
        const struct hf_frame *frame = *at(output, 0);
        return send(fd, frame->data + output->head_offset, frame->len - output->head_offset,
                    MSG_NOSIGNAL);
    }
    struct iovec vectors[IOVECS_MAX];
    uint32_t count = output->count < IOVECS_MAX ? output->count : IOVECS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        struct hf_frame *frame = *at(output, i);
        uint32_t offset = i == 0 ? output->head_offset : 0;
        vectors[i].iov_base = (char *)(uintptr_t)frame->data + offset;
        vectors[i].iov_len = frame->len - offset;
    }
    if (tls != NULL) {
        return hf_tls_writev(tls, vectors, count);
    }
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = count};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

enum hf_output_result hf_output_write(struct hf_output *output, int fd, SSL *tls, uint64_t *written,
                                      uint64_t *calls)
{
    while (output->count > 0) {
        ssize_t sent = write_some(output, fd, tls);
        ++*calls;
        if (sent < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno == EAGAIN || errno == EWOULDBLOCK ? HF_OUTPUT_BLOCKED : HF_OUTPUT_FAILED;
        }
        *written += (uint64_t)sent;
        take_written(output, (size_t)sent);
    }
    release_ring(output);
    return HF_OUTPUT_EMPTY;
}

void hf_output_clear(struct hf_output *output)
{
    while (output->count > 0) {
        pop(output);
    }
    release_ring(output);
}
