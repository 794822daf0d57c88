#include "client/session_internal.h"

#include <time.h>

#include <openssl/rand.h>

#include "log.h"

#define SERVER_NAME "Holdfast " HF_VERSION

void hf_session_client_text(const struct hf_session *session, char text[HF_CLIENT_ID_TEXT_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    char *out = text;

    for (size_t i = 0; i < HF_CLIENT_ID_SIZE; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }
        *out++ = digits[session->client_id[i] >> 4];
        *out++ = digits[session->client_id[i] & 0xf];
    }
    *out = '\0';
}

/* Tokens, which would name users, are not offered: everybody is the anonymous one. */
struct hf_slice hf_session_user(const struct hf_session *session)
{
    (void)session;
    return hf_slice("", 0);
}

void hf_session_write_client_info(const struct hf_session *session, struct hf_buffer *buffer)
{
    char text[HF_CLIENT_ID_TEXT_LEN + 1];
    struct hf_client_info info = {.user = hf_session_user(session)};

    hf_session_client_text(session, text);
    info.client = hf_slice(text, HF_CLIENT_ID_TEXT_LEN);
    hf_reply_json_client_info(buffer, &info);
}

/* A UUID of version 4 (RFC 9562: random but for version and variant). */
bool hf_session_choose_id(struct hf_session *session)
{
    if (RAND_bytes(session->client_id, HF_CLIENT_ID_SIZE) != 1) {
        return false;
    }
    session->client_id[6] = (unsigned char)((session->client_id[6] & 0x0f) | 0x40);
    session->client_id[8] = (unsigned char)((session->client_id[8] & 0x3f) | 0x80);
    return true;
}

/* What a client may do without a token; tokens need a key, and none can be configured yet. */
int hf_session_check_credentials(const struct hf_session *session,
                                 const struct hf_connect_request *request)
{
    const struct hf_config_client *client = &session->worker->config->client;

    if (!hf_slice_is_empty(request->token)) {
        return HF_DISCONNECT_INVALID_TOKEN;
    }
    if (!client->insecure && !client->allow_anonymous_connect_without_token) {
        return HF_DISCONNECT_BAD_REQUEST;
    }
    return 0;
}

/* Server-side subscriptions are not offered, so a channel that the client wishes for is skipped as
 * one that it may not have; only a namespace that does not exist is an error, as in the protocol.
 */
static int check_wishes(const struct hf_session *session, const struct hf_connect_request *request)
{
    for (size_t i = 0; i < request->subs_count; i++) {
        struct hf_slice channel = request->subs[i].channel;
        struct hf_channel_ref ref;

        if (hf_channel_lookup(session->worker->config, channel.data, channel.len, &ref) !=
            HF_CHANNEL_OK) {
            return HF_DISCONNECT_BAD_REQUEST;
        }
        hf_log(HF_LOG_DEBUG, "server-side subscription is not offered", "channel=%.*s",
               (int)channel.len, channel.data);
    }
    return 0;
}

/* Clients of one start must not ping in step: the first ping comes in [interval/2, interval). */
static void schedule_first_ping(struct hf_session *session)
{
    const struct hf_worker *worker = session->worker;
    uint64_t interval_ms = (uint64_t)worker->config->client.ping_interval_ms;
    uint64_t half_ms = interval_ms / 2;

    session->ping_at_ms = HF_SESSION_NEVER;
    if (interval_ms > 0) {
        session->ping_at_ms =
            worker->now_ms + half_ms + hf_hub_random(worker->hub, interval_ms - half_ms);
    }
}

static int64_t unix_time_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void hf_session_describe(const struct hf_session *session, struct hf_connect_result *result)
{
    const struct hf_config_client *client = &session->worker->config->client;

    *result = (struct hf_connect_result){.version = HF_SLICE(SERVER_NAME)};
    /* Seconds on the wire: rounded up, so that a client never expects a ping too early. */
    result->ping = (uint32_t)((client->ping_interval_ms + 999) / 1000);
    result->pong = client->pong_timeout_ms > 0 && !session->transport->is_unidirectional;
    result->time = client->connect_include_server_time ? unix_time_ms() : 0;
    if (session->transport->describe != NULL) {
        session->transport->describe(session->connection, result);
    }
}

void hf_session_set_connected(struct hf_session *session)
{
    session->state = HF_SESSION_CONNECTED;
    hf_counter_add(&session->worker->counters.clients, 1);
    schedule_first_ping(session);
}

static void reply(struct hf_session *session, uint32_t id)
{
    struct hf_connect_result result;
    char text[HF_CLIENT_ID_TEXT_LEN + 1];

    hf_session_describe(session, &result);
    hf_session_client_text(session, text);
    result.client = hf_slice(text, HF_CLIENT_ID_TEXT_LEN);
    hf_session_encoder(session)->connect(hf_session_reply_begin(session), id, &result);
    hf_session_reply_end(session);
}

void hf_session_connect(struct hf_session *session, uint32_t id,
                        const struct hf_connect_request *request)
{
    int code = hf_session_check_credentials(session, request);

    if (code == 0) {
        code = check_wishes(session, request);
    }
    if (code == 0 && !hf_session_choose_id(session)) {
        code = HF_DISCONNECT_SERVER_ERROR;
    }
    if (code != 0) {
        hf_session_disconnect(session, (enum hf_disconnect_code)code);
        return;
    }
    hf_session_set_connected(session);
    reply(session, id);
}
