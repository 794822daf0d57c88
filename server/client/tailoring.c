#include "client/tailoring.h"

#include <stdlib.h>

#include "client/hub.h"
#include "client/session_internal.h"
#include "client/subscription.h"
#include "client/tags_filter.h"
#include "log.h"
#include "worker.h"

/* --- making --------------------------------------------------------------------------------- */

static int make_filter(const struct hf_config *config, const struct hf_channel_options *options,
                       const struct hf_filter_node *tf, struct hf_tags_filter **filter)
{
    const struct hf_tags_filter_limits limits = {
        .bytes_max = config->holdfast.tags_filter_max_bytes,
        .depth_max = config->holdfast.tags_filter_max_depth,
    };
    const char *reason = "not allowed (allow_tags_filter)";
    enum hf_tags_filter_result result = HF_TAGS_FILTER_BAD;

    if (options->allow_tags_filter) {
        result = hf_tags_filter_new(tf, &limits, filter, &reason);
    }
    if (result == HF_TAGS_FILTER_OK) {
        return 0;
    }
    hf_log(HF_LOG_DEBUG, "tags filter refused", "reason=%s", reason);
    return result == HF_TAGS_FILTER_BAD ? HF_ERROR_BAD_REQUEST : HF_ERROR_INTERNAL;
}

uint32_t hf_number_given(const struct hf_subscription *subscription)
{
    const struct hf_tailoring *tailoring = hf_hub_tailoring(subscription);

    return tailoring != NULL ? tailoring->number : 0;
}

/* The channel's number, if the client takes it and it is free; else 0. None in Protobuf: there
 * centrifuge-js (5.8) compares objects, and takes a number for another one each time. */
static uint32_t choose_number(const struct hf_session *session,
                              const struct hf_channel_options *options,
                              const struct hf_subscribe_request *request)
{
    uint32_t number = hf_channel_number(request->channel);

    if (!options->allow_channel_compaction || (request->flag & HF_SUBSCRIBE_FLAG_COMPACTION) == 0 ||
        session->transport->encoding != HF_ENCODING_JSON) {
        return 0;
    }
    for (uint32_t i = 0; i < session->subscription_count; i++) {
        if (hf_number_given(session->subscriptions[i]) == number) {
            return 0;
        }
    }
    return number;
}

int hf_tailoring_new(const struct hf_session *session, const struct hf_channel_options *options,
                     const struct hf_subscribe_request *request, struct hf_tailoring **tailoring)
{
    const struct hf_config *config = session->worker->config;
    uint32_t number = choose_number(session, options, request);
    bool wants_deltas = hf_slice_equal(request->delta, HF_SLICE("fossil")) &&
                        options->allowed_delta_types.count > 0 && request->tf == NULL;
    int code = 0;

    *tailoring = NULL;
    if (request->tf == NULL && !wants_deltas && number == 0) {
        return 0;
    }
    *tailoring = calloc(1, sizeof(**tailoring));
    if (*tailoring == NULL) {
        return HF_ERROR_INTERNAL;
    }
    (*tailoring)->gets_deltas = wants_deltas;
    (*tailoring)->number = number;
    if (request->tf != NULL) {
        code = make_filter(config, options, request->tf, &(*tailoring)->filter);
    }
    if (code != 0) {
        hf_tailoring_free(*tailoring);
        *tailoring = NULL;
    }
    return code;
}

void hf_tailoring_free(struct hf_tailoring *tailoring)
{
    if (tailoring != NULL) {
        hf_tags_filter_free(tailoring->filter);
        hf_publication_unref(tailoring->base);
        free(tailoring);
    }
}

bool hf_gets_deltas(const struct hf_subscription *subscription)
{
    const struct hf_tailoring *tailoring = hf_hub_tailoring(subscription);

    return tailoring != NULL && tailoring->gets_deltas;
}

/* --- live ----------------------------------------------------------------------------------- */

/* What goes out next follows the base of everyone who is live, so that one base serves all. */
void hf_tailoring_live(struct hf_hub_entry *entry, struct hf_tailoring *tailoring)
{
    struct hf_publication *base = tailoring->base;

    tailoring->base = NULL;
    if (base == NULL) {
        return;
    }
    if (entry->base == NULL) {
        entry->base = base;
        tailoring->has_base = true;
    } else {
        tailoring->has_base = hf_position_equal(entry->base->position, base->position);
        hf_publication_unref(base);
    }
}

/* Whether `publication` may be told as the difference to `base`. */
static bool follows(const struct hf_publication *publication, const struct hf_publication *base)
{
    return base != NULL && publication->fields.delta &&
           publication->position.epoch == base->position.epoch &&
           publication->position.offset == base->position.offset + 1;
}

/* How a publication can be told: bits. */
enum { FORM_DELTA = 1, FORM_BASE = 2, FORM_COMPACT = 4, FORMS = 8 };

/* One fan-out. */
struct fan_out {
    struct hf_hub_entry *entry;
    struct hf_publication *publication;
    bool is_patchable;
    struct {
        bool is_tried;
        uint8_t result;         /* enum hf_publication_frame_result */
        struct hf_frame *frame; /* owned */
    } made[HF_FRAMINGS][FORMS];
    bool has_tags; /* they have been read */
    struct hf_arena arena;
    struct hf_tags tags;
};

static enum hf_publication_frame_result make(struct fan_out *fan_out,
                                             const struct hf_session *session, unsigned bits,
                                             struct hf_frame **frame)
{
    const struct hf_publication_form form = {
        .is_delta = (bits & FORM_DELTA) != 0,
        .base = (bits & FORM_BASE) != 0 ? fan_out->entry->base : NULL,
        .is_compact = (bits & FORM_COMPACT) != 0,
    };

    return hf_publication_form_frame(session->worker, session->transport,
                                     hf_hub_entry_channel(fan_out->entry), &form,
                                     fan_out->publication, frame);
}

/* Sends the publication in a form, which is made once for each framing. */
static enum hf_publication_frame_result
send_form(struct fan_out *fan_out, const struct hf_subscription *subscription, unsigned bits)
{
    unsigned framing = (unsigned)subscription->session->transport->framing;
    enum hf_publication_frame_result result;

    if (!fan_out->made[framing][bits].is_tried) {
        fan_out->made[framing][bits].is_tried = true;
        fan_out->made[framing][bits].result = (uint8_t)make(fan_out, subscription->session, bits,
                                                            &fan_out->made[framing][bits].frame);
    }
    result = (enum hf_publication_frame_result)fan_out->made[framing][bits].result;
    if (result == HF_PUBLICATION_FRAME_OK) {
        hf_hub_send(subscription, fan_out->made[framing][bits].frame,
                    fan_out->publication->position);
    }
    return result;
}

/* False: the filter does not let it pass. No memory to know: *result says so. */
static bool passes(struct fan_out *fan_out, const struct hf_tags_filter *filter,
                   enum hf_publication_frame_result *result)
{
    struct hf_bytes tags = fan_out->publication->fields.tags;

    if (filter == NULL) {
        return true;
    }
    if (!fan_out->has_tags) {
        if (!hf_tags_read(hf_slice(tags.data, tags.len), &fan_out->arena, &fan_out->tags)) {
            *result = HF_PUBLICATION_FRAME_NO_MEMORY;
            return false;
        }
        fan_out->has_tags = true;
    }
    return hf_tags_filter_matches(filter, &fan_out->tags);
}

/* Who could not be given this publication must not be given later ones. */
static void end(struct hf_subscription *subscription, enum hf_publication_frame_result result)
{
    if (result == HF_PUBLICATION_FRAME_UNFIT) {
        hf_subscription_unfit(subscription);
    } else {
        hf_subscription_lost(subscription);
    }
}

void hf_tailoring_fan_out(struct hf_hub_entry *entry, struct hf_publication *publication)
{
    struct fan_out fan_out = {.entry = entry,
                              .publication = publication,
                              .is_patchable = follows(publication, entry->base)};
    bool has_base = publication->position.offset > 0;
    bool is_base = false;

    hf_arena_init(&fan_out.arena, 0);
    for (uint32_t i = entry->live; i > entry->plain; i--) {
        struct hf_subscription *subscription = entry->subscribers[i - 1].subscription;
        struct hf_tailoring *tailoring = entry->subscribers[i - 1].tailoring;
        enum hf_publication_frame_result result = HF_PUBLICATION_FRAME_OK;
        unsigned bits = tailoring->number != 0 ? FORM_COMPACT : 0;

        if (tailoring->gets_deltas) {
            bits |=
                fan_out.is_patchable && tailoring->has_base ? FORM_DELTA | FORM_BASE : FORM_DELTA;
            tailoring->has_base = has_base;
            is_base |= has_base;
        }
        if (passes(&fan_out, tailoring->filter, &result)) {
            result = send_form(&fan_out, subscription, bits);
        }
        if (result != HF_PUBLICATION_FRAME_OK) {
            end(subscription, result);
        }
    }
    for (unsigned framing = 0; framing < HF_FRAMINGS; framing++) {
        for (unsigned bits = 0; bits < FORMS; bits++) {
            if (fan_out.made[framing][bits].frame != NULL) {
                hf_frame_unref(fan_out.made[framing][bits].frame);
            }
        }
    }
    hf_arena_fini(&fan_out.arena);
    hf_publication_unref(entry->base);
    is_base = is_base && entry->live > entry->plain;
    entry->base = is_base ? hf_publication_ref(hf_publication_origin(publication)) : NULL;
}

/* --- recovered pages ------------------------------------------------------------------------ */

/* Those of the page that pass, as a page of its own: NULL in *part for none. False: no memory. */
static bool filter_page(const struct hf_tags_filter *filter, const struct hf_page *page,
                        struct hf_page **part)
{
    struct hf_publication **items = malloc(page->count * sizeof(struct hf_publication *));
    uint32_t count = 0;
    struct hf_arena arena;
    bool is_read = items != NULL;

    hf_arena_init(&arena, 0);
    for (uint32_t i = 0; is_read && i < page->count; i++) {
        struct hf_bytes text = page->items[i]->fields.tags;
        struct hf_tags tags;

        hf_arena_reset(&arena);
        is_read = hf_tags_read(hf_slice(text.data, text.len), &arena, &tags);
        if (is_read && hf_tags_filter_matches(filter, &tags)) {
            items[count++] = page->items[i];
        }
    }
    hf_arena_fini(&arena);
    *part = is_read && count > 0 ? hf_page_new(items, count) : NULL;
    free(items);
    return is_read && (count == 0 || *part != NULL);
}

/* The client gets this page: its last publication is what the next delta is made from. */
static void remember_base(struct hf_tailoring *tailoring, const struct hf_page *page)
{
    hf_publication_unref(tailoring->base);
    tailoring->base = hf_publication_ref(page->items[page->count - 1]);
}

/* The plain list of a part of a page, in the worker's buffer. */
static enum hf_publication_frame_result list_part(const struct hf_session *session,
                                                  struct hf_page *part, struct hf_slice *list)
{
    struct hf_buffer *encode = &session->worker->encode;
    enum hf_publication_frame_result result =
        hf_page_list(session->worker, session->transport, part, list);

    if (result == HF_PUBLICATION_FRAME_OK) { /* the list goes with the part */
        struct hf_slice attached = *list;

        hf_buffer_reset(encode);
        hf_buffer_append_slice(encode, attached);
        *list = hf_buffer_slice(encode);
        result = hf_buffer_failed(encode) ? HF_PUBLICATION_FRAME_NO_MEMORY : result;
    }
    return result;
}

bool hf_tailored_part(const struct hf_subscription *subscription, struct hf_page *page,
                      struct hf_page **part)
{
    struct hf_tailoring *tailoring = hf_hub_tailoring(subscription);

    if (tailoring != NULL && tailoring->filter != NULL) {
        return filter_page(tailoring->filter, page, part);
    }
    if (tailoring != NULL && tailoring->gets_deltas) {
        remember_base(tailoring, page);
    }
    *part = hf_page_ref(page);
    return true;
}

enum hf_publication_frame_result hf_tailored_list(const struct hf_subscription *subscription,
                                                  struct hf_page *page, struct hf_slice *list)
{
    const struct hf_session *session = subscription->session;
    enum hf_publication_frame_result result;
    struct hf_page *part;

    if (page == NULL || !subscription->is_tailored) {
        return hf_page_list(session->worker, session->transport, page, list);
    }
    if (!hf_tailored_part(subscription, page, &part)) {
        return HF_PUBLICATION_FRAME_NO_MEMORY;
    }
    result = hf_gets_deltas(subscription)
                 ? hf_page_delta_list(session->worker, session->transport, part, list)
                 : list_part(session, part, list);
    hf_page_unref(part);
    return result;
}
