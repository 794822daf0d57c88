#include "client/user_command.h"

#include <string.h>

#include "base64.h"
#include "client/directory.h"
#include "client/session_internal.h"
#include "client/session_server.h"
#include "codes.h"
#include "log.h"
#include "token/token_override.h"

static const char *const names[] = {
    [HF_USER_SUBSCRIBE] = "subscribe",
    [HF_USER_UNSUBSCRIBE] = "unsubscribe",
    [HF_USER_DISCONNECT] = "disconnect",
    [HF_USER_REFRESH] = "refresh",
};

/* Dates beyond are taken as this one, as in tokens: milliseconds of it fit every type here. */
#define DATE_MAX_S INT64_C(100000000000)

/* An announcement that is not heard within it is lost. */
#define ANNOUNCED_MS 5000

static const char user_magic[] = "user\n";
static const char single_magic[] = "single\n";

/* --- reading -------------------------------------------------------------------------------- */

/* What comes in two forms, in any order. */
struct encoded {
    struct hf_slice info;
    struct hf_slice data;
};

static void take_string(struct hf_json *json, struct hf_arena *arena, struct hf_slice *value)
{
    if (!hf_json_take_null(json)) {
        (void)hf_json_get_string(json, arena, value);
    }
}

static void take_since(struct hf_json *json, struct hf_arena *arena,
                       struct hf_user_command *command)
{
    struct hf_json_key key;

    if (hf_json_take_null(json)) {
        return;
    }
    command->has_since = true;
    (void)hf_json_object_begin(json);
    while (!hf_json_failed(json) && hf_json_object_next(json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("offset"))) {
            if (!hf_json_take_null(json)) {
                (void)hf_json_get_u64(json, &command->since_offset);
            }
        } else if (hf_json_key_is(&key, HF_SLICE("epoch"))) {
            take_string(json, arena, &command->since_epoch);
        } else {
            (void)hf_json_skip(json);
        }
    }
}

static void take_disconnect(struct hf_json *json, struct hf_arena *arena,
                            struct hf_user_command *command)
{
    struct hf_json_key key;

    if (hf_json_take_null(json)) {
        return;
    }
    command->code = 0;
    command->reason = (struct hf_slice){0};
    (void)hf_json_object_begin(json);
    while (!hf_json_failed(json) && hf_json_object_next(json, &key)) {
        if (hf_json_key_is(&key, HF_SLICE("code"))) {
            if (!hf_json_take_null(json)) {
                (void)hf_json_get_u32(json, &command->code);
            }
        } else if (hf_json_key_is(&key, HF_SLICE("reason"))) {
            take_string(json, arena, &command->reason);
        } else {
            (void)hf_json_skip(json);
        }
    }
}

/* Doubles in the arena, which is bounded by the text's size. */
static void take_whitelist(struct hf_json *json, struct hf_arena *arena,
                           struct hf_user_command *command)
{
    size_t capacity = 0;

    command->whitelist = NULL;
    command->whitelist_count = 0;
    if (hf_json_take_null(json) || !hf_json_array_begin(json)) {
        return;
    }
    while (hf_json_array_next(json)) {
        struct hf_slice client = {0};

        if (command->whitelist_count == capacity) {
            struct hf_slice *grown;

            capacity = capacity == 0 ? 8 : capacity * 2;
            grown = hf_arena_alloc(arena, capacity * sizeof(*grown));
            if (grown == NULL) {
                hf_json_fail_memory(json);
                return;
            }
            if (command->whitelist_count > 0) {
                memcpy(grown, command->whitelist, command->whitelist_count * sizeof(*grown));
            }
            command->whitelist = grown;
        }
        take_string(json, arena, &client);
        command->whitelist[command->whitelist_count++] = client;
    }
}

static void take_date(struct hf_json *json, int64_t *seconds)
{
    if (!hf_json_take_null(json) && hf_json_get_i64(json, seconds)) {
        *seconds = *seconds > DATE_MAX_S ? DATE_MAX_S : *seconds;
        *seconds = *seconds < -DATE_MAX_S ? -DATE_MAX_S : *seconds;
    }
}

static void take_raw(struct hf_json *json, struct hf_slice *value)
{
    if (!hf_json_take_null(json)) {
        (void)hf_json_raw(json, value);
    }
}

/* Members that several commands have. False: it is none of them. */
static bool take_common(struct hf_json *json, const struct hf_json_key *key, struct hf_arena *arena,
                        struct hf_user_command *command)
{
    if (hf_json_key_is(key, HF_SLICE("user"))) {
        take_string(json, arena, &command->user);
    } else if (hf_json_key_is(key, HF_SLICE("client"))) {
        take_string(json, arena, &command->client);
    } else if (hf_json_key_is(key, HF_SLICE("session"))) {
        take_string(json, arena, &command->session);
    } else if (hf_json_key_is(key, HF_SLICE("channel"))) {
        take_string(json, arena, &command->channel);
    } else if (hf_json_key_is(key, HF_SLICE("info"))) {
        take_raw(json, &command->sub.info);
    } else if (hf_json_key_is(key, HF_SLICE("expire_at"))) {
        take_date(json, &command->expire_at_s);
    } else {
        return false;
    }
    return true;
}

/* The rest; what a command does not have is ignored, as any unknown member is. */
static void take_own(struct hf_json *json, const struct hf_json_key *key, struct hf_arena *arena,
                     struct hf_user_command *command, struct encoded *encoded)
{
    bool is_subscribe = command->kind == HF_USER_SUBSCRIBE;
    bool is_disconnect = command->kind == HF_USER_DISCONNECT;

    if (is_subscribe && hf_json_key_is(key, HF_SLICE("data"))) {
        take_raw(json, &command->sub.data);
    } else if (is_subscribe && hf_json_key_is(key, HF_SLICE("b64info"))) {
        take_string(json, arena, &encoded->info);
    } else if (is_subscribe && hf_json_key_is(key, HF_SLICE("b64data"))) {
        take_string(json, arena, &encoded->data);
    } else if (is_subscribe && hf_json_key_is(key, HF_SLICE("recover_since"))) {
        take_since(json, arena, command);
    } else if (is_subscribe && hf_json_key_is(key, HF_SLICE("override"))) {
        hf_token_take_overrides(json, arena, &command->sub);
    } else if (is_disconnect && hf_json_key_is(key, HF_SLICE("disconnect"))) {
        take_disconnect(json, arena, command);
    } else if (is_disconnect && hf_json_key_is(key, HF_SLICE("whitelist"))) {
        take_whitelist(json, arena, command);
    } else if (command->kind == HF_USER_REFRESH && hf_json_key_is(key, HF_SLICE("expired"))) {
        if (!hf_json_take_null(json)) {
            (void)hf_json_get_bool(json, &command->expired);
        }
    } else {
        (void)hf_json_skip(json);
    }
}

/* The encoded form wins. It must hold JSON, since clients of the JSON encoding are told it. */
static enum hf_json_status settle(struct hf_slice text, struct hf_arena *arena,
                                  struct hf_user_command *command, struct hf_slice *value)
{
    if (hf_slice_is_empty(text)) {
        return HF_JSON_OK;
    }
    switch (hf_base64_decode_arena(text, arena, value)) {
    case HF_BASE64_OK:
        command->is_valid = command->is_valid && hf_json_is_valid_part(*value);
        break;
    case HF_BASE64_MALFORMED:
        command->is_valid = false;
        break;
    case HF_BASE64_NO_MEMORY:
        return HF_JSON_NO_MEMORY;
    }
    return HF_JSON_OK;
}

/* Codes that a WebSocket may be closed with and that mean something to SDKs. */
static bool is_disconnect(uint32_t code, struct hf_slice reason)
{
    return code >= 3000 && code <= 4999 && reason.len <= HF_DISCONNECT_REASON_MAX &&
           memchr(reason.data, '\0', reason.len) == NULL;
}

/* SDKs take a goodbye without a reason for a broken connection. */
static struct hf_slice reason_of(const struct hf_user_command *command)
{
    const char *canonical = hf_disconnect_reason(command->code);

    if (!hf_slice_is_empty(command->reason)) {
        return command->reason;
    }
    return hf_slice_of(canonical != NULL ? canonical : "disconnected by server");
}

enum hf_json_status hf_user_command_parse(enum hf_user_command_kind kind, struct hf_slice text,
                                          struct hf_arena *arena, struct hf_user_command *command)
{
    struct encoded encoded = {{0}, {0}};
    enum hf_json_status status;
    struct hf_json json;
    struct hf_json_key key;

    memset(command, 0, sizeof(*command));
    command->kind = kind;
    command->text = text;
    command->code = HF_DISCONNECT_FORCE_NO_RECONNECT;
    hf_json_init(&json, text, HF_JSON_MAX_DEPTH);
    (void)hf_json_object_begin(&json);
    while (!hf_json_failed(&json) && hf_json_object_next(&json, &key)) {
        if (!take_common(&json, &key, arena, command)) {
            take_own(&json, &key, arena, command, &encoded);
        }
    }
    status = hf_json_end(&json);
    if (status != HF_JSON_OK) {
        return status;
    }
    command->reason = reason_of(command);
    command->is_valid = is_disconnect(command->code, command->reason);
    status = settle(encoded.info, arena, command, &command->sub.info);
    return status != HF_JSON_OK ? status : settle(encoded.data, arena, command, &command->sub.data);
}

void hf_user_command_write(const struct hf_user_command *command, struct hf_buffer *message)
{
    HF_BUFFER_APPEND_LITERAL(message, "user\n");
    hf_buffer_append_slice(message, hf_slice_of(names[command->kind]));
    hf_buffer_append_char(message, '\n');
    hf_buffer_append_slice(message, command->text);
}

/* --- carrying out --------------------------------------------------------------------------- */

static bool is_meant(const struct hf_session *session, const struct hf_user_command *command)
{
    char text[HF_CLIENT_ID_TEXT_LEN + 1];
    struct hf_slice client;

    hf_session_client_text(session, text);
    client = hf_slice(text, HF_CLIENT_ID_TEXT_LEN);
    for (size_t i = 0; i < command->whitelist_count; i++) {
        if (hf_slice_equal(command->whitelist[i], client)) {
            return false;
        }
    }
    return (hf_slice_is_empty(command->client) || hf_slice_equal(command->client, client)) &&
           (hf_slice_is_empty(command->session) ||
            hf_session_has_session_id(session, command->session));
}

static void carry_out(struct hf_worker *worker, const struct hf_user_command *command)
{
    struct hf_session *next;

    for (struct hf_session *session =
             hf_directory_first(hf_hub_directory(worker->hub), command->user);
         session != NULL; session = next) {
        next = hf_directory_next(session);
        if (is_meant(session, command)) {
            hf_session_serve(session, command);
        }
    }
    hf_hub_flush(worker->hub);
}

/* The text up to the next line's end, which is taken out of *rest with it. */
static bool next_line(struct hf_slice *rest, struct hf_slice *line)
{
    const char *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;

    if (end == NULL) {
        return false;
    }
    *line = hf_slice(rest->data, (size_t)(end - rest->data));
    *rest = hf_slice(end + 1, rest->len - line->len - 1);
    return true;
}

static void take_command(struct hf_worker *worker, struct hf_slice rest)
{
    struct hf_user_command command;
    struct hf_arena arena;
    struct hf_slice name;
    size_t kind = 0;

    if (!next_line(&rest, &name)) {
        return;
    }
    while (kind < sizeof(names) / sizeof(names[0]) &&
           !hf_slice_equal(name, hf_slice_of(names[kind]))) {
        kind++;
    }
    if (kind == sizeof(names) / sizeof(names[0])) {
        return; /* of a newer version */
    }
    hf_arena_init(&arena, 0);
    if (hf_user_command_parse((enum hf_user_command_kind)kind, rest, &arena, &command) ==
            HF_JSON_OK &&
        command.is_valid) {
        carry_out(worker, &command);
    } else {
        hf_log(HF_LOG_ERROR, "a command on a user was not understood", "command=%.*s bytes=%zu",
               (int)name.len, name.data, rest.len);
    }
    hf_arena_fini(&arena);
}

static bool has_magic(struct hf_slice *text, const char *magic)
{
    size_t len = strlen(magic);

    if (text->len < len || memcmp(text->data, magic, len) != 0) {
        return false;
    }
    *text = hf_slice(text->data + len, text->len - len);
    return true;
}

/* --- one connection per user ------------------------------------------------------------------
 *
 * The bus has one order for everyone, so what comes first on it is the older connection: whoever
 * has not heard its own announcement yet is newer than the one that is heard, and stays. */

static void take_single(struct hf_worker *worker, struct hf_slice user)
{
    struct hf_slice client;
    struct hf_session *next;

    if (!next_line(&user, &client) || hf_slice_is_empty(user)) {
        return; /* who has no name is nobody's other connection */
    }
    for (struct hf_session *session = hf_directory_first(hf_hub_directory(worker->hub), user);
         session != NULL; session = next) {
        char text[HF_CLIENT_ID_TEXT_LEN + 1];
        struct hf_session_identity *identity = session->identity;

        next = hf_directory_next(session);
        hf_session_client_text(session, text);
        if (hf_slice_equal(client, hf_slice(text, HF_CLIENT_ID_TEXT_LEN))) {
            identity->announced_until_ms = 0;
        } else if (!session->transport->is_transient &&
                   (identity == NULL || identity->announced_until_ms <= worker->now_ms)) {
            hf_session_disconnect(session, HF_DISCONNECT_CONNECTION_LIMIT);
        }
    }
    hf_hub_flush(worker->hub);
}

static void on_announced(void *context, int rc)
{
    static struct hf_log_limit limit;

    (void)context; /* nothing of the session, which may be gone */
    if (rc != HF_OK && rc != HF_ECLOSED && hf_log_limit_pass(&limit, 1000, NULL)) {
        hf_log(HF_LOG_WARN, "older connections of a user may stay", "reason=%s", hf_error_text(rc));
    }
}

void hf_user_announce_single(struct hf_session *session)
{
    const struct hf_worker *worker = session->worker;
    struct hf_buffer *message = &session->worker->encode;
    char text[HF_CLIENT_ID_TEXT_LEN + 1];
    int rc = HF_ENOMEM;

    hf_session_client_text(session, text);
    hf_buffer_reset(message);
    hf_buffer_append(message, single_magic, sizeof(single_magic) - 1);
    hf_buffer_append(message, text, HF_CLIENT_ID_TEXT_LEN);
    hf_buffer_append_char(message, '\n');
    hf_buffer_append_slice(message, hf_session_user(session));
    if (!hf_buffer_failed(message)) {
        rc = hf_bus_send(worker->port, (struct hf_bytes){message->data, message->len}, on_announced,
                         NULL);
    }
    if (rc == HF_OK) {
        session->identity->announced_until_ms = worker->now_ms + ANNOUNCED_MS;
    } else {
        on_announced(NULL, rc);
    }
}

bool hf_user_command_take(struct hf_worker *worker, struct hf_bytes message)
{
    struct hf_slice text = hf_slice(message.data, message.len);

    if (has_magic(&text, user_magic)) {
        take_command(worker, text);
    } else if (has_magic(&text, single_magic)) {
        take_single(worker, text);
    } else {
        return false;
    }
    return true;
}
