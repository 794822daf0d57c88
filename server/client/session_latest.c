#include "client/session_internal.h"

#include "client/tailoring.h"

/* Cache mode with a tags filter. The engine recovers the newest publication; when that does not
 * pass, the history is searched backwards, page by page, for the newest that does, through at most
 * client.recovery_max_publication_limit publications. The answer to the subscribe waits for it;
 * what is published meanwhile follows as after the first page of a recovery. */

static void on_searched(void *context, int rc, struct hf_position top, struct hf_page *page);

/* Whether nothing of the page passes; also without memory to know, since the answer then fails. */
static bool is_empty(const struct hf_subscription *subscription, struct hf_page *page)
{
    struct hf_page *part = NULL;
    bool is_known = hf_tailored_part(subscription, page, &part);

    hf_page_unref(part);
    return is_known && part == NULL;
}

/* How many publications the next page may have. */
static uint32_t page_limit(const struct hf_session_request *request)
{
    uint32_t page = request->session->worker->config->holdfast.page_max_publications;
    uint32_t left = request->params.recovery_limit;

    return left < page ? left : page;
}

/* Asks for what lies before `before`. HF_OK, or why that cannot be. */
static int search(struct hf_session_request *request, struct hf_position before)
{
    struct hf_slice channel = hf_hub_entry_channel(request->subscription->entry);
    struct hf_history_params params = {
        .channel = {channel.data, channel.len},
        .limit = page_limit(request),
        .has_since = true,
        .reverse = true,
        .since = before,
    };
    struct hf_channel_ref ref;

    if (hf_channel_lookup(request->session->worker->config, channel.data, channel.len, &ref) !=
        HF_CHANNEL_OK) {
        return HF_EINVAL; /* the configuration was reloaded, without this namespace */
    }
    params.options = hf_channel_stream_options(ref.options);
    return hf_history(request->session->worker->port, &params, on_searched, request);
}

/* Answers with the publication that was found (a page of it), or with none. */
static void finish(struct hf_session_request *request, struct hf_page *found)
{
    const struct hf_subscribe_result result = {
        .position = request->position,
        .top = request->position,
        .recovered = found != NULL,
        .page = found,
    };

    hf_session_finish_subscribe(request, HF_OK, &result);
}

/* Nothing of the page passes: goes on before it, or ends without a find. */
static void search_on(struct hf_session_request *request, const struct hf_page *page)
{
    int rc;

    if (request->params.recovery_limit <= page->count) {
        finish(request, NULL);
        return;
    }
    if (request->params.recovery_limit != HF_LIMIT_NONE) {
        request->params.recovery_limit -= page->count;
    }
    rc = search(request, page->items[page->count - 1]->position);
    if (rc != HF_OK) {
        hf_session_finish_subscribe(request, rc, NULL);
    }
}

/* The first of the page that passes; NULL in *found for none. False: no memory. */
static bool find(const struct hf_subscription *subscription, const struct hf_page *page,
                 struct hf_page **found)
{
    *found = NULL;
    for (uint32_t i = 0; i < page->count; i++) {
        struct hf_page *one = hf_page_new(&page->items[i], 1);

        if (one == NULL) {
            return false;
        }
        if (!is_empty(subscription, one)) {
            *found = one;
            return true;
        }
        hf_page_unref(one);
    }
    return true;
}

static void on_searched(void *context, int rc, struct hf_position top, struct hf_page *page)
{
    struct hf_session_request *request = context;
    struct hf_page *found = NULL;

    (void)top; /* where the subscription begins is known already */
    if (request->session == NULL || request->subscription == NULL) {
        hf_session_finish_subscribe(request, HF_ECLOSED, NULL); /* nobody waits for it */
    } else if (rc == HF_EUNRECOVERABLE) {
        finish(request, NULL); /* all of it is gone */
    } else if (rc != HF_OK || (page != NULL && !find(request->subscription, page, &found))) {
        hf_session_finish_subscribe(request, rc != HF_OK ? rc : HF_ENOMEM, NULL);
    } else if (found == NULL && page != NULL) {
        search_on(request, page);
    } else {
        finish(request, found);
        hf_page_unref(found);
    }
}

bool hf_session_search_latest(struct hf_session_request *request,
                              const struct hf_subscribe_result *engine_result)
{
    struct hf_page *page = engine_result->page;

    if (!request->params.latest || page == NULL || !request->subscription->is_tailored ||
        !is_empty(request->subscription, page)) {
        return false;
    }
    request->position = engine_result->position;
    search_on(request, page);
    return true;
}
