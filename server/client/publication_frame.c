#include "client/publication_frame.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "worker.h"

_Static_assert(HF_PUBLICATION_SLOT_PUSH + HF_FRAMINGS <= HF_ATTACHMENTS, "slots of a publication");
_Static_assert(HF_PAGE_SLOT_LIST + HF_ENCODINGS <= HF_PAGE_SLOT_PUSHES, "slots of a page");
_Static_assert(HF_PAGE_SLOT_PUSHES + HF_FRAMINGS <= HF_ATTACHMENTS, "slots of a page");

/* Built bytes, as attached. */
struct wire {
    size_t len;
    char data[];
};

/* Attached instead of bytes when the payload cannot be encoded, so that it is tried only once. */
static struct wire unfit;

static void wire_destroy(void *value)
{
    if (value != &unfit) {
        free(value);
    }
}

static struct wire *wire_new(const char *data, size_t len)
{
    struct wire *wire = malloc(sizeof(*wire) + len);

    if (wire != NULL) {
        wire->len = len;
        if (len > 0) {
            memcpy(wire->data, data, len);
        }
    }
    return wire;
}

const struct hf_encoder *hf_transport_encoder(const struct hf_transport *transport)
{
    return transport->encoder != NULL ? transport->encoder : hf_encoder_of(transport->encoding);
}

static struct hf_slice slice_of(struct hf_bytes bytes)
{
    return hf_slice(bytes.data, bytes.len);
}

static bool is_json_or_absent(struct hf_bytes bytes)
{
    return bytes.len == 0 || hf_json_is_valid(slice_of(bytes));
}

bool hf_publication_to_wire(const struct hf_publication *publication, enum hf_encoding encoding,
                            struct hf_wire_publication *wire)
{
    const struct hf_publication_fields *fields = &publication->fields;

    *wire = (struct hf_wire_publication){
        .data = slice_of(fields->data),
        .info_raw = slice_of(fields->info),
        .tags = slice_of(fields->tags),
        .offset = publication->position.offset,
        .version = fields->version,
    };
    return (encoding != HF_ENCODING_JSON || is_json_or_absent(fields->data)) &&
           is_json_or_absent(fields->info) && is_json_or_absent(fields->tags);
}

/* Appends the push of one publication. False when it cannot be said. */
static bool write_push(struct hf_worker *worker, const struct hf_encoder *encoder,
                       struct hf_slice channel, const struct hf_publication *publication,
                       struct hf_buffer *buffer)
{
    struct hf_wire_publication wire;
    char epoch[HF_EPOCH_TEXT_SIZE];

    if (!hf_publication_to_wire(publication, encoder->encoding, &wire)) {
        return false;
    }
    if (publication->position.offset == 1) {
        /* A subscriber of a stream that did not exist yet learns its epoch here. */
        wire.epoch = hf_slice(epoch, hf_epoch_format(publication->position.epoch, epoch));
    }
    encoder->push_publication(buffer, channel, &wire);
    hf_counter_add(&worker->counters.frames_built, 1);
    return true;
}

/* The buffer's messages, wrapped, appended to `out`. */
static bool wrap_into(const struct hf_transport *transport, const struct hf_buffer *messages,
                      struct hf_buffer *out)
{
    struct hf_frame *frame;

    if (hf_buffer_failed(messages)) {
        return false;
    }
    frame = transport->wrap(messages->data, messages->len);
    if (frame == NULL) {
        return false;
    }
    hf_buffer_append(out, frame->data, frame->len);
    hf_frame_unref(frame);
    return !hf_buffer_failed(out);
}

/* NULL: no memory. */
static struct wire *build_push(struct hf_worker *worker, const struct hf_transport *transport,
                               struct hf_slice channel, const struct hf_publication *publication)
{
    struct hf_buffer *messages = &worker->encode;
    struct hf_frame *frame;
    struct wire *wire;

    hf_buffer_reset(messages);
    if (!write_push(worker, hf_transport_encoder(transport), channel, publication, messages)) {
        return &unfit;
    }
    if (hf_buffer_failed(messages)) {
        return NULL;
    }
    frame = transport->wrap(messages->data, messages->len);
    if (frame == NULL) {
        return NULL;
    }
    wire = wire_new(frame->data, frame->len);
    hf_frame_unref(frame);
    return wire;
}

/* Puts `built` into a slot's place: what is there in the end is what is used. */
static struct wire *settle(struct wire *built, struct wire *attached)
{
    if (attached != built) {
        wire_destroy(built);
    }
    return attached;
}

static void release_publication(void *owner)
{
    hf_publication_unref(owner);
}

static void release_page(void *owner)
{
    hf_page_unref(owner);
}

enum hf_publication_frame_result hf_publication_frame(struct hf_worker *worker,
                                                      const struct hf_transport *transport,
                                                      struct hf_slice channel,
                                                      struct hf_publication *publication,
                                                      struct hf_frame **frame)
{
    unsigned slot = HF_PUBLICATION_SLOT_PUSH + (unsigned)transport->framing;
    struct wire *wire = hf_publication_attachment(publication, slot);

    if (wire == NULL) {
        wire = build_push(worker, transport, channel, publication);
        if (wire == NULL) {
            return HF_PUBLICATION_FRAME_NO_MEMORY;
        }
        wire = settle(wire, hf_publication_attach(publication, slot, wire, wire_destroy));
    }
    if (wire == &unfit) {
        return HF_PUBLICATION_FRAME_UNFIT;
    }
    *frame = hf_frame_borrow(wire->data, wire->len, release_publication,
                             hf_publication_ref(publication));
    if (*frame == NULL) {
        hf_publication_unref(publication);
        return HF_PUBLICATION_FRAME_NO_MEMORY;
    }
    return HF_PUBLICATION_FRAME_OK;
}

/* All pushes of the page, up to HF_FRAME_MESSAGES_MAX per frame. NULL: no memory. */
static struct wire *build_pushes(struct hf_worker *worker, const struct hf_transport *transport,
                                 struct hf_slice channel, const struct hf_page *page)
{
    const struct hf_encoder *encoder = hf_transport_encoder(transport);
    struct hf_buffer *messages = &worker->encode;
    struct hf_buffer out;
    struct wire *wire = NULL;

    hf_buffer_init(&out, 0);
    hf_buffer_reset(messages);
    for (uint32_t i = 0; i < page->count; i++) {
        hf_reply_separate(encoder, messages);
        if (!write_push(worker, encoder, channel, page->items[i], messages)) {
            wire = &unfit;
            goto out;
        }
        if ((i + 1) % HF_FRAME_MESSAGES_MAX == 0 || i + 1 == page->count) {
            if (!wrap_into(transport, messages, &out)) {
                goto out;
            }
            hf_buffer_reset(messages);
        }
    }
    wire = wire_new(out.data, out.len);
out:
    hf_buffer_fini(&out);
    return wire;
}

enum hf_publication_frame_result hf_page_frame(struct hf_worker *worker,
                                               const struct hf_transport *transport,
                                               struct hf_slice channel, struct hf_page *page,
                                               struct hf_frame **frame)
{
    unsigned slot = HF_PAGE_SLOT_PUSHES + (unsigned)transport->framing;
    struct wire *wire = hf_page_attachment(page, slot);

    if (wire == NULL) {
        wire = build_pushes(worker, transport, channel, page);
        if (wire == NULL) {
            return HF_PUBLICATION_FRAME_NO_MEMORY;
        }
        wire = settle(wire, hf_page_attach(page, slot, wire, wire_destroy));
    }
    if (wire == &unfit) {
        return HF_PUBLICATION_FRAME_UNFIT;
    }
    *frame = hf_frame_borrow(wire->data, wire->len, release_page, hf_page_ref(page));
    if (*frame == NULL) {
        hf_page_unref(page);
        return HF_PUBLICATION_FRAME_NO_MEMORY;
    }
    return HF_PUBLICATION_FRAME_OK;
}

static struct wire *build_list(struct hf_worker *worker, const struct hf_encoder *encoder,
                               const struct hf_page *page)
{
    struct hf_buffer *list = &worker->encode;

    hf_buffer_reset(list);
    for (uint32_t i = 0; i < page->count; i++) {
        struct hf_wire_publication wire;

        if (!hf_publication_to_wire(page->items[i], encoder->encoding, &wire)) {
            return &unfit;
        }
        encoder->publication_list_add(list, &wire);
    }
    hf_counter_add(&worker->counters.frames_built, page->count);
    return hf_buffer_failed(list) ? NULL : wire_new(list->data, list->len);
}

enum hf_publication_frame_result hf_page_list(struct hf_worker *worker,
                                              const struct hf_transport *transport,
                                              struct hf_page *page, struct hf_slice *list)
{
    unsigned slot = HF_PAGE_SLOT_LIST + (unsigned)transport->encoding;
    struct wire *wire;

    *list = (struct hf_slice){0};
    if (page == NULL) {
        return HF_PUBLICATION_FRAME_OK;
    }
    wire = hf_page_attachment(page, slot);
    if (wire == NULL) {
        wire = build_list(worker, hf_transport_encoder(transport), page);
        if (wire == NULL) {
            return HF_PUBLICATION_FRAME_NO_MEMORY;
        }
        wire = settle(wire, hf_page_attach(page, slot, wire, wire_destroy));
    }
    if (wire == &unfit) {
        return HF_PUBLICATION_FRAME_UNFIT;
    }
    *list = hf_slice(wire->data, wire->len);
    return HF_PUBLICATION_FRAME_OK;
}
