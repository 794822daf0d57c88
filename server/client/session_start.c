#include "client/session_internal.h"

#include <stdlib.h>

#include "client/member.h"
#include "client/publication_frame.h"
#include "log.h"

/* How a unidirectional session starts: it asks for every channel that its connect request wishes
 * for, and when the last has answered sends one connect push with all of them.
 *
 * A channel that answered before the last did is not live yet, since its publications must not come
 * before the connect push. It goes on as a recovery from the position in that push; one without
 * history has nothing to recover and is live from then on. */

struct start_channel {
    struct hf_subscription *subscription; /* the session's */
    struct hf_session_request *request;   /* answered; kept for catching up */
    struct hf_page *page;                 /* a reference; NULL: empty */
    struct hf_position position;          /* after the page */
    struct hf_position top;
    uint64_t since_offset;
    bool is_positioned : 1;
    bool is_recoverable : 1;
    bool was_recovering : 1;
    bool is_recovered : 1;
    bool is_live : 1; /* said with the last answer: nothing can have come in between */
};

struct hf_session_start {
    uint32_t count;
    uint32_t pending;
    struct start_channel channels[];
};

void hf_session_start_forget(struct hf_session *session)
{
    struct hf_session_start *start;

    if (!session->transport->is_unidirectional) {
        return; /* it has none */
    }
    start = session->start;
    session->start = NULL;
    for (uint32_t i = 0; start != NULL && i < start->count; i++) {
        hf_page_unref(start->channels[i].page);
        if (start->channels[i].request != NULL) {
            hf_session_request_free(start->channels[i].request);
        }
    }
    free(start);
}

/* --- the connect push ----------------------------------------------------------------------- */

static void describe_channel(const struct start_channel *channel, struct hf_slice publications,
                             char epoch[HF_EPOCH_TEXT_SIZE], struct hf_start_channel *told,
                             struct hf_connect_result_sub *sub)
{
    struct hf_slice name = hf_hub_entry_channel(channel->subscription->entry);

    *told = (struct hf_start_channel){
        .channel = name,
        .publications = publications,
        .position = channel->is_positioned ? channel->position : (struct hf_position){0},
        .is_recoverable = channel->is_recoverable,
        .was_recovering = channel->was_recovering,
        .is_recovered = channel->is_recovered,
        .has_more = !hf_position_equal(channel->position, channel->top),
    };
    *sub = (struct hf_connect_result_sub){
        .channel = name,
        .result = {.positioned = channel->is_positioned,
                   .recoverable = channel->is_recoverable,
                   .was_recovering = channel->was_recovering,
                   .recovered = channel->is_recovered,
                   .publications_raw = publications},
    };
    if (channel->is_positioned) {
        sub->result.epoch = hf_slice(epoch, hf_epoch_format(channel->position.epoch, epoch));
        sub->result.offset =
            channel->is_recovered ? channel->since_offset : channel->position.offset;
    }
}

static int write_connect(struct hf_session *session, const struct hf_session_start *start)
{
    char text[HF_CLIENT_ID_TEXT_LEN + 1];
    size_t count = start->count > 0 ? start->count : 1; /* no allocation of nothing */
    struct hf_start_channel *told = calloc(count, sizeof(*told));
    struct hf_connect_result_sub *subs = calloc(count, sizeof(*subs));
    char(*epochs)[HF_EPOCH_TEXT_SIZE] = calloc(count, sizeof(*epochs));
    struct hf_connect_result result;
    int code = told == NULL || subs == NULL || epochs == NULL ? HF_DISCONNECT_SERVER_ERROR : 0;

    for (uint32_t i = 0; i < start->count && code == 0; i++) {
        struct hf_slice list;

        switch (hf_page_list(session->worker, session->transport, start->channels[i].page, &list)) {
        case HF_PUBLICATION_FRAME_OK:
            describe_channel(&start->channels[i], list, epochs[i], &told[i], &subs[i]);
            break;
        case HF_PUBLICATION_FRAME_NO_MEMORY:
            code = HF_DISCONNECT_SERVER_ERROR;
            break;
        case HF_PUBLICATION_FRAME_UNFIT:
            code = HF_DISCONNECT_INAPPROPRIATE_PROTOCOL;
            break;
        }
    }
    if (code == 0 && session->transport->start != NULL) {
        session->transport->start(session->connection, told, start->count);
    }
    if (code == 0) {
        hf_session_describe(session, &result);
        hf_session_client_text(session, text);
        result.client = hf_slice(text, HF_CLIENT_ID_TEXT_LEN);
        result.subs = subs;
        result.subs_count = start->count;
        hf_session_encoder(session)->connect(hf_session_reply_begin(session), 0, &result);
        hf_session_reply_end(session);
        hf_session_flush(session);
    }
    free(told);
    free(subs);
    free(epochs);
    return code;
}

/* --- after it ------------------------------------------------------------------------------- */

static void go_live(struct start_channel *channel, struct hf_session_request *request)
{
    channel->subscription->request = NULL;
    channel->subscription->state = HF_SUBSCRIPTION_LIVE;
    hf_hub_set_live(channel->subscription);
    hf_session_request_free(request);
}

/* Everything is answered. */
static void finish(struct hf_session *session)
{
    struct hf_session_start *start = session->start;
    int code;

    hf_session_set_connected(session);
    code = write_connect(session, start);
    if (code != 0) {
        hf_session_disconnect(session, (enum hf_disconnect_code)code);
        return;
    }
    /* Each step may end the connection, and with it the start. */
    for (uint32_t i = 0; session->start == start && i < start->count; i++) {
        struct start_channel *channel = &start->channels[i];
        struct hf_session_request *request = channel->request;

        channel->request = NULL;
        if (channel->subscription->is_member) {
            hf_member_tell_join(channel->subscription);
        }
        if (channel->is_live || channel->position.epoch == HF_EPOCH_NONE) {
            go_live(channel, request);
        } else {
            channel->subscription->state = HF_SUBSCRIPTION_CATCHING_UP;
            hf_session_catch_up(request, channel->position);
        }
    }
    if (session->start == start) {
        hf_session_start_forget(session);
    }
}

static struct start_channel *find(struct hf_session_start *start,
                                  const struct hf_subscription *subscription)
{
    struct start_channel *channel = start->channels;

    while (channel->subscription != subscription) {
        channel++;
    }
    return channel;
}

static void on_subscribed(void *context, int rc, const struct hf_subscribe_result *result)
{
    struct hf_session_request *request = context;
    struct hf_session *session = request->session;
    struct hf_session_start *start;
    struct start_channel *channel;

    if (session == NULL || hf_session_is_closing(session)) {
        hf_session_request_free(request);
        return;
    }
    if (rc != HF_OK) {
        (void)hf_session_engine_error(rc); /* logs what is not expected */
        hf_session_disconnect(session, HF_DISCONNECT_SERVER_ERROR);
        hf_session_request_free(request); /* after the subscription that knows it */
        return;
    }
    start = session->start;
    channel = find(start, request->subscription);
    request->is_blocking = false;
    channel->request = request;
    channel->page = result->page != NULL ? hf_page_ref(result->page) : NULL;
    channel->position = result->position;
    channel->top = result->top;
    channel->is_recovered = result->recovered;
    start->pending--;
    if (start->pending == 0) {
        channel->is_live = result->live;
        finish(session);
    }
}

/* --- before it ------------------------------------------------------------------------------ */

/* 0 and *ref when the client may have the channel; -1: it is left out; or a disconnect code. */
static int check_wish(const struct hf_session *session, struct hf_slice channel,
                      const struct hf_channel_caller *caller, struct hf_channel_ref *ref)
{
    const struct hf_config *config = session->worker->config;

    if (hf_channel_lookup(config, channel.data, channel.len, ref) != HF_CHANNEL_OK) {
        return HF_DISCONNECT_BAD_REQUEST;
    }
    if (hf_slice_is_empty(channel) ||
        hf_channel_check_length(config, channel.len) != HF_CHANNEL_OK ||
        hf_channel_may_subscribe(config, channel.data, channel.len, caller, ref) != HF_CHANNEL_OK ||
        hf_session_find_subscription(session, channel) != NULL) {
        hf_log(HF_LOG_DEBUG, "a wished for channel is left out", "channel=%.*s", (int)channel.len,
               channel.data);
        return -1;
    }
    return session->subscription_count < config->client.channel_limit ? 0
                                                                      : HF_DISCONNECT_CHANNEL_LIMIT;
}

/* The client is present where that is kept: what it subscribes to can be asked for. */
static void on_present(void *context, int rc, bool has_returned)
{
    struct hf_session_request *request = context;
    struct hf_session *session = request->session;

    if (session == NULL || hf_session_is_closing(session)) {
        hf_session_request_free(request);
        return;
    }
    if (rc == HF_OK) {
        hf_member_added(request->subscription, has_returned);
        rc = hf_subscribe(request->subscription->entry->watch, &request->params, false,
                          on_subscribed, request);
    }
    if (rc != HF_OK) {
        (void)hf_session_engine_error(rc);
        hf_session_disconnect(session, HF_DISCONNECT_SERVER_ERROR);
        hf_session_request_free(request);
    }
}

static int ask_engine(struct hf_session_request *request)
{
    struct hf_subscription *subscription = request->subscription;

    if (hf_member_keeps_presence(subscription)) {
        return hf_member_add(subscription, on_present, request);
    }
    return hf_subscribe(subscription->entry->watch, &request->params, false, on_subscribed,
                        request);
}

/* Who only looks in is no member of the channel. */
static struct hf_subscription *new_subscription(struct hf_session *session, struct hf_slice channel,
                                                const struct hf_channel_options *options)
{
    struct hf_channel_options without_members = *options;

    if (!session->transport->is_transient) {
        return hf_subscription_new(session, channel, options);
    }
    without_members.presence = false;
    without_members.join_leave = false;
    return hf_subscription_new(session, channel, &without_members);
}

/* Asks for one channel. False: the engine did not take the request. */
static bool ask(struct hf_session *session, const struct hf_connect_sub *wish,
                const struct hf_channel_caller *caller, const struct hf_channel_options *options)
{
    const struct hf_config *config = session->worker->config;
    struct hf_session_start *start = session->start;
    const struct hf_subscribe_request *asked = &wish->request;
    struct hf_channel_position_flags flags = hf_channel_position_flags(
        config, options, caller, asked->positioned, asked->recoverable || asked->recover);
    struct hf_session_request *request = hf_session_request_add(session, 0, wish->channel);
    struct hf_subscription *subscription =
        request != NULL ? new_subscription(session, wish->channel, options) : NULL;

    if (subscription != NULL) {
        hf_session_prepare_subscribe(request, asked, options, flags,
                                     config->client.recovery_max_publication_limit,
                                     &request->params);
        subscription->request = request;
        request->subscription = subscription;
        subscription->gets_joins =
            hf_channel_gets_joins(config, options, caller, asked->join_leave);
        if (ask_engine(request) == HF_OK) {
            start->channels[start->count++] = (struct start_channel){
                .subscription = subscription,
                .since_offset = asked->offset,
                .is_positioned = request->is_positioned,
                .is_recoverable = request->is_recoverable,
                .was_recovering = request->has_recover,
            };
            start->pending++;
            return true;
        }
        hf_subscription_free(subscription);
    }
    if (request != NULL) {
        hf_session_request_free(request);
    }
    return false;
}

/* Of equal channels the last counts, so they are taken from the end. */
static int ask_all(struct hf_session *session, const struct hf_connect_request *request)
{
    struct hf_channel_caller caller = {.user = "", .is_subscribed = true};

    for (size_t i = request->subs_count; i-- > 0;) {
        struct hf_channel_ref ref;
        int code = check_wish(session, request->subs[i].channel, &caller, &ref);

        if (code == 0 && !ask(session, &request->subs[i], &caller, ref.options)) {
            code = HF_DISCONNECT_SERVER_ERROR;
        }
        if (code > 0) {
            return code;
        }
    }
    return 0;
}

void hf_session_start(struct hf_session *session, const struct hf_connect_request *request)
{
    int code = hf_session_check_credentials(session, request);

    if (code == 0 && !hf_session_choose_id(session)) {
        code = HF_DISCONNECT_SERVER_ERROR;
    }
    if (code == 0) {
        session->start =
            calloc(1, sizeof(*session->start) + request->subs_count * sizeof(struct start_channel));
        code = session->start != NULL ? ask_all(session, request) : HF_DISCONNECT_SERVER_ERROR;
    }
    if (code != 0) {
        hf_session_disconnect(session, (enum hf_disconnect_code)code);
    } else if (session->start->pending == 0) {
        finish(session);
    }
}
