/* A frame: bytes that are ready to be written to a socket, shared by many connections of a worker.
 *
 * One worker's thread only; the count is not atomic. Frames that share bytes between workers
 * (a publication's wire form) hold a reference of the bytes' owner, released with the last one. */
#ifndef HF_SERVER_FRAME_H
#define HF_SERVER_FRAME_H

#include <stddef.h>
#include <stdint.h>

struct hf_frame {
    const char *data;
    uint32_t len;
    uint32_t references;
    void (*release)(void *owner); /* NULL: `data` is part of this allocation */
    void *owner;
};

/* `len` bytes in the same allocation, filled through `*bytes`. One reference for the caller. */
struct hf_frame *hf_frame_new(size_t len, char **bytes);
/* Bytes of someone else; `release(owner)` runs with the last unref (not when NULL is returned). */
struct hf_frame *hf_frame_borrow(const char *data, size_t len, void (*release)(void *owner),
                                 void *owner);
struct hf_frame *hf_frame_ref(struct hf_frame *frame);
void hf_frame_unref(struct hf_frame *frame);

#endif
