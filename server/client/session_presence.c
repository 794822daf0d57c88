#include "client/session_internal.h"

#include <stdlib.h>

#include "json.h"

/* The presence commands. */

/* The checks, and the open request. NULL: answered with an error. */
static struct hf_session_request *begin(struct hf_session *session, uint32_t id,
                                        struct hf_slice channel)
{
    struct hf_slice user = hf_session_user(session);
    struct hf_channel_caller caller = {
        .user = user.data,
        .user_len = user.len,
        .is_subscribed = hf_session_find_subscription(session, channel) != NULL,
    };
    struct hf_channel_ref ref;
    enum hf_channel_error error =
        hf_channel_may_presence(session->worker->config, channel.data, channel.len, &caller, &ref);

    if (error != HF_CHANNEL_OK) {
        hf_session_reply_error(session, id, (enum hf_error_code)error);
        return NULL;
    }
    return hf_session_request_new(session, id, channel);
}

/* Frees the request. NULL: nobody is to be answered, or an error was. */
static struct hf_session *end(struct hf_session_request *request, int rc)
{
    struct hf_session *session = request->session;
    uint32_t id = request->id;

    hf_session_request_free(request);
    if (session == NULL || hf_session_is_closing(session)) {
        return NULL;
    }
    if (rc != HF_OK) {
        hf_session_reply_error(session, id, hf_session_engine_error(rc));
    }
    return session;
}

/* --- presence ------------------------------------------------------------------------------- */

static void write_presence(struct hf_session *session, uint32_t id,
                           const struct hf_present_client *clients, size_t count)
{
    struct hf_presence_entry *entries =
        calloc(count > 0 ? count : 1, sizeof(struct hf_presence_entry));
    size_t written = 0;

    if (entries == NULL) {
        hf_session_reply_error(session, id, HF_ERROR_INTERNAL);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct hf_slice info = hf_slice(clients[i].info.data, clients[i].info.len);

        if (hf_json_is_valid(info)) { /* else no Holdfast wrote it */
            entries[written++] = (struct hf_presence_entry){
                .client = hf_slice(clients[i].client.data, clients[i].client.len),
                .info_raw = info,
            };
        }
    }
    hf_session_encoder(session)->presence(hf_session_reply_begin(session), id, entries, written);
    hf_session_reply_end(session);
    free(entries);
}

static void on_presence(void *context, int rc, const struct hf_present_client *clients,
                        size_t count)
{
    struct hf_session_request *request = context;
    uint64_t channel_hash = request->channel_hash;
    uint32_t id = request->id;
    struct hf_session *session = end(request, rc);

    if (session == NULL) {
        return;
    }
    if (rc == HF_OK) {
        write_presence(session, id, clients, count);
    }
    hf_session_resume(session, channel_hash);
}

void hf_session_presence(struct hf_session *session, uint32_t id, struct hf_slice channel)
{
    struct hf_session_request *request = begin(session, id, channel);
    struct hf_bytes name = {channel.data, channel.len};
    int rc;

    if (request == NULL) {
        return;
    }
    rc = hf_presence_get(session->worker->port, name, on_presence, request);
    if (rc != HF_OK) {
        end(request, rc);
    }
}

/* --- presence_stats ------------------------------------------------------------------------- */

static uint32_t clamp(uint64_t value)
{
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static void on_stats(void *context, int rc, uint64_t clients, uint64_t users)
{
    struct hf_session_request *request = context;
    uint64_t channel_hash = request->channel_hash;
    uint32_t id = request->id;
    struct hf_session *session = end(request, rc);

    if (session == NULL) {
        return;
    }
    if (rc == HF_OK) {
        hf_session_encoder(session)->presence_stats(hf_session_reply_begin(session), id,
                                                    clamp(clients), clamp(users));
        hf_session_reply_end(session);
    }
    hf_session_resume(session, channel_hash);
}

void hf_session_presence_stats(struct hf_session *session, uint32_t id, struct hf_slice channel)
{
    struct hf_session_request *request = begin(session, id, channel);
    struct hf_bytes name = {channel.data, channel.len};
    int rc;

    if (request == NULL) {
        return;
    }
    rc = hf_presence_stats(session->worker->port, name, on_stats, request);
    if (rc != HF_OK) {
        end(request, rc);
    }
}
