#include "client/shared_reply.h"

#include <holdfast/publication.h>

#include "client/session_internal.h"
#include "net/frame.h"

void hf_shared_reply_clear(struct hf_shared_reply *shared)
{
    if (shared->frame != NULL) {
        hf_frame_unref(shared->frame);
    }
    hf_page_unref(shared->page);
    *shared = (struct hf_shared_reply){0};
}

static bool is_shareable(const struct hf_session_request *request,
                         const struct hf_subscribe_result *engine_result)
{
    return engine_result->recovered && engine_result->page != NULL && request->data_len == 0 &&
           !request->subscription->is_tailored && request->subscription->expire_at_s == 0;
}

static bool is_equal(const struct hf_shared_reply *shared, const struct hf_session_request *request,
                     const struct hf_subscribe_result *engine_result)
{
    return shared->transport == request->session->transport &&
           shared->page == engine_result->page && shared->epoch == engine_result->position.epoch &&
           shared->since_offset == request->since_offset && shared->id == request->id &&
           shared->is_positioned == request->is_positioned &&
           shared->is_recoverable == request->is_recoverable &&
           shared->has_recover == request->has_recover;
}

bool hf_shared_reply_is_next(struct hf_shared_reply *shared,
                             const struct hf_session_request *request,
                             const struct hf_subscribe_result *engine_result)
{
    if (!is_shareable(request, engine_result)) {
        return false;
    }
    if (is_equal(shared, request, engine_result)) {
        return true;
    }
    hf_shared_reply_clear(shared);
    *shared = (struct hf_shared_reply){
        .transport = request->session->transport,
        .page = hf_page_ref(engine_result->page),
        .epoch = engine_result->position.epoch,
        .since_offset = request->since_offset,
        .id = request->id,
        .is_positioned = request->is_positioned,
        .is_recoverable = request->is_recoverable,
        .has_recover = request->has_recover,
    };
    return false;
}

bool hf_shared_reply_build(struct hf_shared_reply *shared, const struct hf_session_request *request,
                           const struct hf_subscribe_reply *result)
{
    const struct hf_session *session = request->session;
    struct hf_buffer text;

    hf_buffer_init(&text, 0);
    hf_session_encoder(session)->subscribe(&text, request->id, result);
    if (!hf_buffer_failed(&text)) {
        shared->frame = session->transport->wrap(text.data, text.len);
    }
    hf_buffer_fini(&text);
    return shared->frame != NULL;
}

bool hf_shared_reply_send(const struct hf_shared_reply *shared, struct hf_session *session)
{
    if (shared->frame == NULL) {
        return false;
    }
    hf_session_flush(session);
    session->transport->send(session->connection, shared->frame);
    return true;
}
