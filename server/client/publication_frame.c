#include "client/publication_frame.h"

#include <stdlib.h>
#include <string.h>

#include "delta.h"
#include "json.h"
#include "worker.h"

/* What sets one attached form apart from the others: the framing or, of a list, the encoding, and
 * these. */
#define SLOT_DELTA   0x100u
#define SLOT_BASE    0x200u
#define SLOT_COMPACT 0x400u
#define SLOT_LIST    0x800u

_Static_assert(HF_FRAMINGS <= SLOT_DELTA && HF_ENCODINGS <= SLOT_DELTA, "slots");

/* Built bytes, as attached. */
struct wire {
    struct hf_attachment attachment;
    bool
        is_unfit; /* the payload cannot be encoded: there are no bytes, and it is tried only once */
    size_t len;
    char data[];
};

static void wire_destroy(struct hf_attachment *attachment)
{
    free(attachment);
}

/* How publications are written. */
struct style {
    struct hf_worker *worker;
    const struct hf_encoder *encoder;
    struct hf_publication_form form; /* zero: plain */
    struct hf_buffer patch;          /* holds the last one */
};

/* NULL: no memory. */
static struct wire *wire_new(const char *data, size_t len)
{
    struct wire *wire = malloc(sizeof(*wire) + len);

    if (wire != NULL) {
        *wire = (struct wire){.attachment.destroy = wire_destroy, .len = len};
        if (len > 0) {
            memcpy(wire->data, data, len);
        }
    }
    return wire;
}

static struct wire *wire_new_unfit(void)
{
    struct wire *wire = wire_new(NULL, 0);

    if (wire != NULL) {
        wire->is_unfit = true;
    }
    return wire;
}

static struct wire *wire_of(struct hf_attachment *attachment)
{
    return (struct wire *)attachment;
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

/* --- writing ------------------------------------------------------------------------------------
 */

static struct style style_new(struct hf_worker *worker, const struct hf_transport *transport,
                              const struct hf_publication_form *form)
{
    struct style style = {.worker = worker, .encoder = hf_transport_encoder(transport)};

    if (form != NULL) {
        style.form = *form;
    }
    return style;
}

/* Puts the difference to the base in the payload's place, if there is a shorter one. */
static void patch_data(struct style *style, struct hf_wire_publication *wire)
{
    size_t most = style->worker->config->holdfast.delta_max_bytes;
    struct hf_slice base;

    if (style->form.base == NULL) {
        return;
    }
    base = slice_of(style->form.base->fields.data);
    if (base.len > most || wire->data.len > most) {
        return;
    }
    hf_buffer_reset(&style->patch);
    /* Without memory for it the full payload is as right. */
    if (hf_delta_encode(base, wire->data, &style->patch) == HF_DELTA_OK &&
        !hf_buffer_failed(&style->patch)) {
        wire->data = hf_buffer_slice(&style->patch);
        wire->delta = true;
    }
}

/* The next publication. False when it cannot be said. */
static bool to_wire(struct style *style, const struct hf_publication *publication,
                    struct hf_wire_publication *wire)
{
    if (!hf_publication_to_wire(publication, style->encoder->encoding, wire)) {
        return false;
    }
    if (style->form.is_delta) {
        patch_data(style, wire);
        wire->data_is_text = style->encoder->encoding == HF_ENCODING_JSON;
        style->form.base = publication;
    }
    hf_counter_add(&style->worker->counters.frames_built, 1);
    return true;
}

/* Appends the push of one publication. False when it cannot be said. */
static bool write_push(struct style *style, struct hf_slice channel,
                       const struct hf_publication *publication, struct hf_buffer *buffer)
{
    const struct hf_push_channel by = {
        .name = channel, .id = style->form.is_compact ? hf_channel_number(channel) : 0};
    struct hf_wire_publication wire;
    char epoch[HF_EPOCH_TEXT_SIZE];

    if (!to_wire(style, publication, &wire)) {
        return false;
    }
    if (publication->position.offset == 1) {
        /* A subscriber of a stream that did not exist yet learns its epoch here. */
        wire.epoch = hf_slice(epoch, hf_epoch_format(publication->position.epoch, epoch));
    }
    style->encoder->push_publication(buffer, by, &wire);
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
static struct wire *build_push(struct style *style, const struct hf_transport *transport,
                               struct hf_slice channel, const struct hf_publication *publication)
{
    struct hf_buffer *messages = &style->worker->encode;
    struct hf_frame *frame;
    struct wire *wire;

    hf_buffer_reset(messages);
    if (!write_push(style, channel, publication, messages)) {
        return wire_new_unfit();
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

/* All pushes of the page, up to HF_FRAME_MESSAGES_MAX per frame. NULL: no memory. */
static struct wire *build_pushes(struct style *style, const struct hf_transport *transport,
                                 struct hf_slice channel, const struct hf_page *page)
{
    struct hf_buffer *messages = &style->worker->encode;
    struct hf_buffer out;
    struct wire *wire = NULL;

    hf_buffer_init(&out, 0);
    hf_buffer_reset(messages);
    for (uint32_t i = 0; i < page->count; i++) {
        hf_reply_separate(style->encoder, messages);
        if (!write_push(style, channel, page->items[i], messages)) {
            wire = wire_new_unfit();
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

static struct wire *build_list(struct style *style, const struct hf_page *page)
{
    struct hf_buffer *list = &style->worker->encode;

    hf_buffer_reset(list);
    for (uint32_t i = 0; i < page->count; i++) {
        struct hf_wire_publication wire;

        if (!to_wire(style, page->items[i], &wire)) {
            return wire_new_unfit();
        }
        style->encoder->publication_list_add(list, &wire);
    }
    return hf_buffer_failed(list) ? NULL : wire_new(list->data, list->len);
}

/* --- sharing ------------------------------------------------------------------------------------
 */

/* What is attached in the end is what is used: `built`, which is taken, or what another thread was
 * faster with. NULL: no memory. */
static struct wire *share_by_publication(struct hf_publication *publication, unsigned slot,
                                         struct wire *built)
{
    struct hf_attachment *attached;

    if (built == NULL) {
        return NULL;
    }
    built->attachment.slot = slot;
    attached = hf_publication_attach(publication, &built->attachment);
    if (attached != &built->attachment) {
        free(built);
    }
    return wire_of(attached);
}

static struct wire *share_by_page(struct hf_page *page, unsigned slot, struct wire *built)
{
    struct hf_attachment *attached;

    if (built == NULL) {
        return NULL;
    }
    built->attachment.slot = slot;
    attached = hf_page_attach(page, &built->attachment);
    if (attached != &built->attachment) {
        free(built);
    }
    return wire_of(attached);
}

static void release_publication(void *owner)
{
    hf_publication_unref(owner);
}

static void release_page(void *owner)
{
    hf_page_unref(owner);
}

/* A frame over the wire form, which lives as long as the publication. */
static enum hf_publication_frame_result frame_of_publication(const struct wire *wire,
                                                             struct hf_publication *publication,
                                                             struct hf_frame **frame)
{
    if (wire == NULL) {
        return HF_PUBLICATION_FRAME_NO_MEMORY;
    }
    if (wire->is_unfit) {
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

static enum hf_publication_frame_result frame_of_page(const struct wire *wire, struct hf_page *page,
                                                      struct hf_frame **frame)
{
    if (wire == NULL) {
        return HF_PUBLICATION_FRAME_NO_MEMORY;
    }
    if (wire->is_unfit) {
        return HF_PUBLICATION_FRAME_UNFIT;
    }
    *frame = hf_frame_borrow(wire->data, wire->len, release_page, hf_page_ref(page));
    if (*frame == NULL) {
        hf_page_unref(page);
        return HF_PUBLICATION_FRAME_NO_MEMORY;
    }
    return HF_PUBLICATION_FRAME_OK;
}

static enum hf_publication_frame_result list_of(const struct wire *wire, struct hf_slice *list)
{
    if (wire == NULL) {
        return HF_PUBLICATION_FRAME_NO_MEMORY;
    }
    if (wire->is_unfit) {
        return HF_PUBLICATION_FRAME_UNFIT;
    }
    *list = hf_slice(wire->data, wire->len);
    return HF_PUBLICATION_FRAME_OK;
}

/* --- the forms ----------------------------------------------------------------------------------
 */

static unsigned slot_of(const struct hf_transport *transport,
                        const struct hf_publication_form *form)
{
    return (unsigned)transport->framing | (form->is_delta ? SLOT_DELTA : 0) |
           (form->base != NULL ? SLOT_BASE : 0) | (form->is_compact ? SLOT_COMPACT : 0);
}

static enum hf_publication_frame_result publication_frame(struct style *style,
                                                          const struct hf_transport *transport,
                                                          struct hf_slice channel,
                                                          struct hf_publication *publication,
                                                          struct hf_frame **frame)
{
    unsigned slot = slot_of(transport, &style->form);
    struct wire *wire = wire_of(hf_publication_attachment(publication, slot));

    if (wire == NULL) {
        wire = share_by_publication(publication, slot,
                                    build_push(style, transport, channel, publication));
    }
    return frame_of_publication(wire, publication, frame);
}

enum hf_publication_frame_result hf_publication_frame(struct hf_worker *worker,
                                                      const struct hf_transport *transport,
                                                      struct hf_slice channel,
                                                      struct hf_publication *publication,
                                                      struct hf_frame **frame)
{
    struct style style = style_new(worker, transport, NULL);

    return publication_frame(&style, transport, channel, publication, frame);
}

enum hf_publication_frame_result
hf_publication_form_frame(struct hf_worker *worker, const struct hf_transport *transport,
                          struct hf_slice channel, const struct hf_publication_form *form,
                          struct hf_publication *publication, struct hf_frame **frame)
{
    bool is_special =
        form->is_compact ||
        (form->is_delta && (form->base != NULL || transport->encoding == HF_ENCODING_JSON));
    struct style style = style_new(worker, transport, is_special ? form : NULL);
    enum hf_publication_frame_result result =
        publication_frame(&style, transport, channel, publication, frame);

    hf_buffer_fini(&style.patch);
    return result;
}

enum hf_publication_frame_result hf_page_frame(struct hf_worker *worker,
                                               const struct hf_transport *transport,
                                               struct hf_slice channel, struct hf_page *page,
                                               struct hf_frame **frame)
{
    const struct hf_publication_form plain = {0};

    return hf_page_form_frame(worker, transport, channel, &plain, page, frame);
}

enum hf_publication_frame_result hf_page_form_frame(struct hf_worker *worker,
                                                    const struct hf_transport *transport,
                                                    struct hf_slice channel,
                                                    const struct hf_publication_form *form,
                                                    struct hf_page *page, struct hf_frame **frame)
{
    unsigned slot = slot_of(transport, form);
    struct wire *wire = wire_of(hf_page_attachment(page, slot));

    if (wire == NULL) {
        struct style style = style_new(worker, transport, form);

        wire = share_by_page(page, slot, build_pushes(&style, transport, channel, page));
        hf_buffer_fini(&style.patch);
    }
    return frame_of_page(wire, page, frame);
}

static enum hf_publication_frame_result page_list(struct hf_worker *worker,
                                                  const struct hf_transport *transport,
                                                  const struct hf_publication_form *form,
                                                  struct hf_page *page, struct hf_slice *list)
{
    unsigned slot = SLOT_LIST | (unsigned)transport->encoding | (form->is_delta ? SLOT_DELTA : 0);
    struct wire *wire;

    *list = (struct hf_slice){0};
    if (page == NULL) {
        return HF_PUBLICATION_FRAME_OK;
    }
    wire = wire_of(hf_page_attachment(page, slot));
    if (wire == NULL) {
        struct style style = style_new(worker, transport, form);

        wire = share_by_page(page, slot, build_list(&style, page));
        hf_buffer_fini(&style.patch);
    }
    return list_of(wire, list);
}

enum hf_publication_frame_result hf_page_list(struct hf_worker *worker,
                                              const struct hf_transport *transport,
                                              struct hf_page *page, struct hf_slice *list)
{
    const struct hf_publication_form plain = {0};

    return page_list(worker, transport, &plain, page, list);
}

enum hf_publication_frame_result hf_page_delta_list(struct hf_worker *worker,
                                                    const struct hf_transport *transport,
                                                    struct hf_page *page, struct hf_slice *list)
{
    const struct hf_publication_form deltas = {.is_delta = true};

    return page_list(worker, transport, &deltas, page, list);
}

/* FNV-1a. That names collide does no harm: a client is given a number once (tailoring.h). */
uint32_t hf_channel_number(struct hf_slice channel)
{
    uint32_t number = UINT32_C(2166136261);

    for (size_t i = 0; i < channel.len; i++) {
        number = (number ^ (unsigned char)channel.data[i]) * UINT32_C(16777619);
    }
    number &= INT32_MAX;
    return number != 0 ? number : 1;
}
