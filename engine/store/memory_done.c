#include "store/memory_done.h"

#include <stddef.h>
#include <stdlib.h>

void hf_memory_done_add(struct hf_memory_done *done, void **internal, enum hf_memory_request kind)
{
    internal[0] = NULL;
    internal[1] = (void *)(uintptr_t)kind;
    if (done->first == NULL)
        done->first = internal;
    else
        done->last[0] = internal;
    done->last = internal;
}

#define REQUEST_OF(internal_pointer, type)                                                         \
    ((type *)(void *)((char *)(internal_pointer)-offsetof(type, internal)))

static void complete_publish(struct hf_store_publish *request, bool is_closing)
{
    if (is_closing) {
        request->result = HF_ECLOSED;
        request->position = (struct hf_position){0};
    }
    request->complete(request);
}

static void complete_read(struct hf_store_read *request, bool is_closing)
{
    if (is_closing) {
        hf_page_unref(request->page);
        request->page = NULL;
        request->top = (struct hf_position){0};
        request->has_more = false;
        request->result = HF_ECLOSED;
    }
    request->complete(request);
}

static void complete_remove(struct hf_store_remove *request, bool is_closing)
{
    if (is_closing)
        request->result = HF_ECLOSED;
    request->complete(request);
}

static void complete_mend(struct hf_store_mend *request, bool is_closing)
{
    if (is_closing)
        request->result = HF_ECLOSED;
    request->complete(request);
}

static void complete_bus(struct hf_store_bus *request, bool is_closing)
{
    if (is_closing)
        request->result = HF_ECLOSED;
    request->complete(request);
}

static void complete_presence(struct hf_store_presence *request, bool is_closing)
{
    if (is_closing)
        request->result = HF_ECLOSED;
    request->complete(request);
}

static void complete_presence_read(struct hf_store_presence_read *request, bool is_closing)
{
    if (is_closing) {
        free(request->entries);
        request->entries = NULL;
        request->count = 0;
        request->result = HF_ECLOSED;
    }
    request->complete(request);
}

void hf_memory_done_complete(struct hf_memory_done *done, bool is_closing)
{
    void **next = done->first;
    done->first = done->last = NULL;
    while (next != NULL) {
        void **internal = next;
        next = internal[0];
        switch ((enum hf_memory_request)(uintptr_t)internal[1]) {
        case HF_MEMORY_PUBLISH:
            complete_publish(REQUEST_OF(internal, struct hf_store_publish), is_closing);
            break;
        case HF_MEMORY_READ:
            complete_read(REQUEST_OF(internal, struct hf_store_read), is_closing);
            break;
        case HF_MEMORY_REMOVE:
            complete_remove(REQUEST_OF(internal, struct hf_store_remove), is_closing);
            break;
        case HF_MEMORY_MEND:
            complete_mend(REQUEST_OF(internal, struct hf_store_mend), is_closing);
            break;
        case HF_MEMORY_BUS:
            complete_bus(REQUEST_OF(internal, struct hf_store_bus), is_closing);
            break;
        case HF_MEMORY_PRESENCE:
            complete_presence(REQUEST_OF(internal, struct hf_store_presence), is_closing);
            break;
        case HF_MEMORY_PRESENCE_READ:
            complete_presence_read(REQUEST_OF(internal, struct hf_store_presence_read), is_closing);
            break;
        }
    }
}
