#include "net/output.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "net/tls.h"

enum { FIRST_CAPACITY = 8 };

static struct hf_frame *frame_at(const struct hf_output *output, uint32_t index)
{
    return output->ring == NULL ? output->single
                                : output->ring[(output->head + index) & (output->capacity - 1)];
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
        ring[i] = frame_at(output, i);
    }
    free(output->ring);
    output->ring = ring;
    output->capacity = capacity;
    output->head = 0;
    return true;
}

bool hf_output_push(struct hf_output *output, struct hf_frame *frame)
{
    if (output->count == (output->ring == NULL ? 1 : output->capacity) && !grow(output)) {
        return false;
    }
    if (output->ring == NULL) {
        output->single = hf_frame_ref(frame);
    } else {
        output->ring[(output->head + output->count) & (output->capacity - 1)] = hf_frame_ref(frame);
    }
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
    hf_frame_unref(frame_at(output, 0));
    output->head = output->ring == NULL ? 0 : (output->head + 1) & (output->capacity - 1);
    output->head_offset = 0;
    output->count--;
}

void hf_output_take(struct hf_output *output, size_t written)
{
    output->bytes -= written;
    while (output->count > 0) {
        size_t left = frame_at(output, 0)->len - output->head_offset;
        if (written < left) {
            output->head_offset += (uint32_t)written;
            return;
        }
        written -= left;
        pop(output);
    }
    release_ring(output);
}

uint32_t hf_output_vectors(const struct hf_output *output, struct iovec *vectors)
{
    uint32_t count = output->count < HF_OUTPUT_VECTORS_MAX ? output->count : HF_OUTPUT_VECTORS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        const struct hf_frame *frame = frame_at(output, i);
        uint32_t offset = i == 0 ? output->head_offset : 0;
        vectors[i].iov_base = (char *)(uintptr_t)frame->data + offset;
        vectors[i].iov_len = frame->len - offset;
    }
    return count;
}

static ssize_t write_some(struct hf_output *output, int fd, SSL *tls)
{
    if (tls == NULL && output->count == 1) { /* cheaper than a vector of one */
        const struct hf_frame *frame = frame_at(output, 0);
        return send(fd, frame->data + output->head_offset, frame->len - output->head_offset,
                    MSG_NOSIGNAL);
    }
    struct iovec vectors[HF_OUTPUT_VECTORS_MAX];
    uint32_t count = hf_output_vectors(output, vectors);
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
        hf_output_take(output, (size_t)sent);
    }
    return HF_OUTPUT_EMPTY;
}

void hf_output_clear(struct hf_output *output)
{
    while (output->count > 0) {
        pop(output);
    }
    release_ring(output);
}
