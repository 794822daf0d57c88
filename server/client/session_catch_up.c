#include "client/session_internal.h"

#include "client/publication_frame.h"
#include "client/tailoring.h"
#include "net/connection.h"

/* A recovery that is larger than a page goes on here: the next page is asked for when the output
 * queue is short, and is sent as ordinary publications. The engine answers `live` with the last
 * page, and from then on the hub delivers. */

static bool ask(struct hf_session_request *request);

/* Sends a page's publications one by one, for transports that look at each. */
static enum hf_publication_frame_result send_each(struct hf_subscription *subscription,
                                                  const struct hf_page *page)
{
    struct hf_session *session = subscription->session;
    struct hf_slice channel = hf_hub_entry_channel(subscription->entry);
    enum hf_publication_frame_result result = HF_PUBLICATION_FRAME_OK;

    hf_session_flush(session);
    for (uint32_t i = 0; i < page->count && result == HF_PUBLICATION_FRAME_OK; i++) {
        struct hf_frame *frame;

        if (hf_session_is_closing(session)) {
            break;
        }
        result = hf_publication_frame(session->worker, session->transport, channel, page->items[i],
                                      &frame);
        if (result == HF_PUBLICATION_FRAME_OK) {
            session->transport->send_publication(session->connection, frame, channel,
                                                 page->items[i]->position);
            hf_frame_unref(frame);
        }
    }
    return result;
}

static enum hf_publication_frame_result send_together(struct hf_subscription *subscription,
                                                      struct hf_page *page)
{
    struct hf_session *session = subscription->session;
    struct hf_slice channel = hf_hub_entry_channel(subscription->entry);
    const struct hf_publication_form form = {.is_delta = hf_gets_deltas(subscription),
                                             .is_compact = hf_number_given(subscription) != 0};
    struct hf_frame *frame;
    enum hf_publication_frame_result result =
        hf_page_form_frame(session->worker, session->transport, channel, &form, page, &frame);

    if (result == HF_PUBLICATION_FRAME_OK) {
        hf_session_flush(session);
        if (!hf_session_is_closing(session)) {
            session->transport->send(session->connection, frame);
        }
        hf_frame_unref(frame);
    }
    return result;
}

/* Sends what the subscriber gets of a page. */
static enum hf_publication_frame_result send_part(struct hf_subscription *subscription,
                                                  struct hf_page *page)
{
    enum hf_publication_frame_result result = HF_PUBLICATION_FRAME_OK;
    struct hf_page *part;

    if (!hf_tailored_part(subscription, page, &part)) {
        return HF_PUBLICATION_FRAME_NO_MEMORY;
    }
    if (part != NULL) {
        result = subscription->session->transport->send_publication != NULL
                     ? send_each(subscription, part)
                     : send_together(subscription, part);
        hf_page_unref(part);
    }
    return result;
}

bool hf_session_send_page(struct hf_subscription *subscription, struct hf_page *page)
{
    struct hf_session *session = subscription->session;

    if (page == NULL) {
        return true;
    }
    switch (send_part(subscription, page)) {
    case HF_PUBLICATION_FRAME_OK:
        return !hf_session_is_closing(session);
    case HF_PUBLICATION_FRAME_NO_MEMORY:
        hf_subscription_lost(subscription);
        return false;
    case HF_PUBLICATION_FRAME_UNFIT:
        hf_subscription_unfit(subscription);
        return false;
    }
    return false;
}

/* One page for one subscription. Frees or passes on the request. */
static void take_page(struct hf_session_request *request, int rc,
                      const struct hf_subscribe_result *engine_result)
{
    struct hf_subscription *subscription = request->subscription;

    if (subscription == NULL) {
        hf_session_request_free(request);
    } else if (rc != HF_OK || !engine_result->recovered) {
        /* Gone from the stream, or the store is away: either way the client knows its position and
         * asks again from there. */
        hf_subscription_lost(subscription);
        hf_session_request_free(request);
    } else if (!hf_session_send_page(subscription, engine_result->page)) {
        hf_session_request_free(request);
    } else if (engine_result->live) {
        subscription->request = NULL;
        subscription->state = HF_SUBSCRIPTION_LIVE;
        hf_hub_set_live(subscription);
        hf_session_request_free(request);
    } else {
        hf_session_catch_up(request, engine_result->position);
    }
}

static void on_page(void *context, int rc, const struct hf_subscribe_result *engine_result)
{
    struct hf_session_request *request = context;
    struct hf_session *session = request->session;

    if (session == NULL) {
        hf_session_request_free(request);
        return;
    }
    take_page(request, rc, engine_result);
    if (!hf_session_is_closing(session)) {
        hf_session_catch_up_resume(session);
    }
}

/* False: refused, and the client was told that the subscription has ended. */
static bool ask(struct hf_session_request *request)
{
    struct hf_subscribe_params params = {
        .recover = true,
        .since = request->position,
        .recovery_limit = HF_LIMIT_NONE, /* the limit was judged with the first page */
    };

    request->is_waiting = false;
    if (hf_subscribe(request->subscription->entry->watch, &params, true, on_page, request) !=
        HF_OK) {
        hf_subscription_lost(request->subscription);
        hf_session_request_free(request);
        return false;
    }
    return true;
}

void hf_session_catch_up(struct hf_session_request *request, struct hf_position position)
{
    struct hf_session *session = request->session;

    request->position = position;
    hf_session_flush(session);
    if (hf_session_is_closing(session)) {
        hf_session_request_free(request);
        return;
    }
    if (session->transport->queued(session->connection) < HF_CATCH_UP_LOW_WATER) {
        (void)ask(request);
        return;
    }
    request->is_waiting = true;
    hf_connection_want_drain(session->connection);
}

/* New ones are inserted at the head. */
static struct hf_session_request *find_oldest(const struct hf_session *session)
{
    struct hf_session_request *request;
    struct hf_session_request *oldest = NULL;

    LIST_FOREACH (request, &session->requests, in_session) {
        if (request->is_waiting) {
            oldest = request;
        }
    }
    return oldest;
}

/* The oldest that waits goes first. Only one is asked for here: its page fills the queue again. One
 * that is refused brings no page to go on with: the next follows at once. */
void hf_session_catch_up_resume(struct hf_session *session)
{
    struct hf_session_request *oldest;

    while (!hf_session_is_closing(session) && (oldest = find_oldest(session)) != NULL) {
        if (session->transport->queued(session->connection) >= HF_CATCH_UP_LOW_WATER) {
            hf_connection_want_drain(session->connection);
            return;
        }
        if (ask(oldest)) {
            return;
        }
    }
}
