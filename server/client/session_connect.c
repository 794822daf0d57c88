#include "client/session_internal.h"

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

/* A UUID of version 4 (RFC 9562: random but for version and variant). */
static bool choose_client_id(struct hf_session *session)
{
    if (!hf_hub_random_bytes(session->worker->hub, session->client_id, HF_CLIENT_ID_SIZE)) {
        return false;
    }
    session->client_id[6] = (unsigned char)((session->client_id[6] & 0x0f) | 0x40);
    session->client_id[8] = (unsigned char)((session->client_id[8] & 0x3f) | 0x80);
    return true;
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
    hf_session_reschedule(session); /* it may be the engine's answer that brought us here */
}

void hf_session_connected(struct hf_session *session)
{
    session->state = HF_SESSION_CONNECTED;
    hf_counter_add(&session->worker->counters.clients, 1);
    schedule_first_ping(session);
}

void hf_session_reply_connect(struct hf_session *session, uint32_t id, int64_t expire_at_s,
                              const struct hf_connect_result_sub *subs, size_t subs_count)
{
    const struct hf_config_client *client = &session->worker->config->client;
    struct hf_connect_result result = {
        .version = HF_SLICE(SERVER_NAME), .subs = subs, .subs_count = subs_count};
    char text[HF_CLIENT_ID_TEXT_LEN + 1];

    hf_session_client_text(session, text);
    result.client = hf_slice(text, HF_CLIENT_ID_TEXT_LEN);
    result.expires = expire_at_s != 0;
    result.ttl = result.expires ? hf_session_ttl(expire_at_s) : 0;
    /* Seconds on the wire: rounded up, so that a client never expects a ping too early. */
    result.ping = (uint32_t)((client->ping_interval_ms + 999) / 1000);
    result.pong = client->pong_timeout_ms > 0 && !session->transport->is_unidirectional;
    result.time = client->connect_include_server_time ? hf_session_unix_ms() : 0;
    if (session->transport->describe != NULL) {
        session->transport->describe(session->connection, &result);
    }
    hf_session_encoder(session)->connect(hf_session_reply_begin(session), id, &result);
    hf_session_reply_end(session);
}

static void begin(struct hf_session *session, uint32_t id, const struct hf_connect_request *request,
                  bool is_strict)
{
    struct hf_token_claims claims;
    int code = choose_client_id(session) ? 0 : HF_DISCONNECT_SERVER_ERROR;

    if (code == 0) {
        code = hf_session_authenticate(session, request->token, &claims);
    }
    if (code == 0) {
        code = hf_session_join(session, id, request, is_strict, &claims);
    }
    if (code >= HF_DISCONNECT_CONNECTION_CLOSED) {
        hf_session_disconnect(session, (enum hf_disconnect_code)code);
    } else if (code != 0) {
        hf_session_refuse(session, id, (enum hf_error_code)code);
    }
}

void hf_session_connect(struct hf_session *session, uint32_t id,
                        const struct hf_connect_request *request)
{
    begin(session, id, request, false);
}

void hf_session_start(struct hf_session *session, const struct hf_connect_request *request,
                      bool is_strict)
{
    struct hf_arena *arena = hf_hub_arena(session->worker->hub);

    hf_arena_reset(arena);
    begin(session, 0, request, is_strict);
    hf_arena_reset(arena);
    hf_session_flush(session);
}
