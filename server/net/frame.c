#include "net/frame.h"

#include <stdlib.h>

struct hf_frame *hf_frame_new(size_t len, char **bytes)
{
    if (len > UINT32_MAX) {
        return NULL;
    }
    struct hf_frame *frame = malloc(sizeof(*frame) + len);
    if (frame == NULL) {
        return NULL;
    }
    *bytes = (char *)(frame + 1);
    *frame = (struct hf_frame){.data = *bytes, .len = (uint32_t)len, .references = 1};
    return frame;
}

struct hf_frame *hf_frame_borrow(const char *data, size_t len, void (*release)(void *owner),
                                 void *owner)
{
    if (len > UINT32_MAX) {
        return NULL;
    }
    struct hf_frame *frame = malloc(sizeof(*frame));
    if (frame != NULL) {
        *frame = (struct hf_frame){.data = data,
                                   .len = (uint32_t)len,
                                   .references = 1,
                                   .release = release,
                                   .owner = owner};
    }
    return frame;
}

struct hf_frame *hf_frame_ref(struct hf_frame *frame)
{
    frame->references++;
    return frame;
}

void hf_frame_unref(struct hf_frame *frame)
{
    if (--frame->references != 0) {
        return;
    }
    if (frame->release != NULL) {
        frame->release(frame->owner);
    }
    free(frame);
}
