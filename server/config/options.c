#include "config/options.h"

#include <assert.h>

#include "config/config.h"

static_assert(sizeof(enum hf_engine_type) == sizeof(unsigned), "enums are stored as unsigned");

#define KIB         INT64_C(1024)
#define MIB         (1024 * KIB)
#define GIB         (1024 * MIB)
#define SECOND      INT64_C(1000)
#define HOUR        (3600 * SECOND)
#define CENTURY     (876000 * HOUR)
#define COUNT_MAX   INT64_C(4000000000)
#define BYTES_MAX   (1024 * GIB)
#define MESSAGE_MAX GIB

/* One line per option: path, field, default, then range or choices, flags, help. */
#define AT(field) offsetof(struct hf_config, field)
#define IN(field) offsetof(struct hf_channel_options, field)

#define FLAG(path_, at_, default_, help_)                                                          \
    {                                                                                              \
        .path = path_, .type = HF_OPTION_BOOL, .offset = at_, .fallback = default_, .help = help_  \
    }
#define NUMBER(type_, path_, at_, default_, min_, max_, flags_, help_)                             \
    {                                                                                              \
        .path = path_, .type = type_, .offset = at_, .fallback = default_, .min = min_,            \
        .max = max_, .flags = flags_, .help = help_                                                \
    }
#define INT(...)      NUMBER(HF_OPTION_INT, __VA_ARGS__)
#define BYTES(...)    NUMBER(HF_OPTION_BYTES, __VA_ARGS__)
#define DURATION(...) NUMBER(HF_OPTION_DURATION, __VA_ARGS__)
#define STRING(path_, at_, default_, flags_, help_)                                                \
    {                                                                                              \
        .path = path_, .type = HF_OPTION_STRING, .offset = at_, .fallback = default_,              \
        .flags = flags_, .help = help_                                                             \
    }
#define LIST(path_, at_, help_)                                                                    \
    {                                                                                              \
        .path = path_, .type = HF_OPTION_LIST, .offset = at_, .fallback = "", .help = help_        \
    }
#define ENUM(path_, at_, default_, choices_, help_)                                                \
    {                                                                                              \
        .path = path_, .type = HF_OPTION_ENUM, .offset = at_, .fallback = default_,                \
        .choices = choices_, .help = help_                                                         \
    }

static const struct hf_option_choice log_levels[] = {
    {"trace", HF_LOG_TRACE, true}, {"debug", HF_LOG_DEBUG, true},
    {"info", HF_LOG_INFO, true},   {"warn", HF_LOG_WARN, true},
    {"error", HF_LOG_ERROR, true}, {"none", HF_LOG_NONE, true},
    {"fatal", 0, false},           {NULL, 0, false},
};

static const struct hf_option_choice engine_types[] = {
    {"memory", HF_ENGINE_TYPE_MEMORY, true},
    {"redis", HF_ENGINE_TYPE_REDIS, true},
    {"nats", 0, false},
    {"postgres", 0, false},
    {"tarantool", 0, false},
    {NULL, 0, false},
};

static const struct hf_option_choice data_formats[] = {
    {"", HF_DATA_FORMAT_ANY, true},
    {"json", HF_DATA_FORMAT_JSON, true},
    {"json_object", HF_DATA_FORMAT_JSON_OBJECT, true},
    {"binary", HF_DATA_FORMAT_BINARY, true},
    {NULL, 0, false},
};

static const struct hf_option_choice error_modes[] = {
    {"", HF_API_ERROR_MODE_REPLY, true},
    {"transport", HF_API_ERROR_MODE_TRANSPORT, true},
    {NULL, 0, false},
};

static const struct hf_option_choice recovery_modes[] = {
    {"", HF_RECOVERY_MODE_STREAM, true},
    {"stream", HF_RECOVERY_MODE_STREAM, true},
    {"cache", HF_RECOVERY_MODE_CACHE, true},
    {NULL, 0, false},
};

static const struct hf_option_choice subscription_types[] = {
    {"", HF_SUBSCRIPTION_TYPE_STREAM, true},
    {"stream", HF_SUBSCRIPTION_TYPE_STREAM, true},
    {"map", 0, false},
    {"map_clients", 0, false},
    {"map_users", 0, false},
    {"shared_poll", 0, false},
    {NULL, 0, false},
};

/* clang-format off */
const struct hf_option hf__options[] = {
    STRING("http_server.address", AT(http_server.address), "", 0,
           "address to listen on; empty = all interfaces"),
    INT("http_server.port", AT(http_server.port), "8000", 0, 65535, 0,
        "port for clients, server API and health; 0 = a free one"),
    STRING("http_server.internal_address", AT(http_server.internal_address), "", 0,
           "address of the internal listener; empty = http_server.address"),
    INT("http_server.internal_port", AT(http_server.internal_port), "0", 0, 65535, HF_OPTION_EMPTY_TOO,
        "port of its own for server API, health and metrics; 0 = they share http_server.port"),
    FLAG("http_server.tls.enabled", AT(http_server.tls.enabled), "false",
         "TLS (1.2 or newer) on both listeners"),
    STRING("http_server.tls.cert_pem", AT(http_server.tls.cert_pem), "", 0,
           "certificate and the chain behind it: PEM, base64 of PEM, or a file's name"),
    STRING("http_server.tls.key_pem", AT(http_server.tls.key_pem), "", HF_OPTION_SECRET,
           "key of the certificate, without a passphrase; given in the same ways"),
    STRING("http_server.tls.client_ca_pem", AT(http_server.tls.client_ca_pem), "", 0,
           "certificates of which one must have signed a client's own; empty = clients need none"),
    FLAG("http_server.tls_external", AT(http_server.tls_external), "false",
         "no TLS on the internal listener"),

    ENUM("log.level", AT(log.level), "info", log_levels, "least important level that is logged"),
    STRING("log.file", AT(log.file), "", 0, "file to log to; empty = standard error"),

    STRING("node.name", AT(node_name), "", 0,
           "name of this node in the server API; empty = <hostname>_<port>"),
    DURATION("node.info_metrics_aggregate_interval", AT(info_metrics_interval_ms), "60s", SECOND,
             24 * HOUR, 0, "the server API's info tells what was done in the last such time"),
    STRING("pid_file", AT(pid_file), "", 0, "file to write the process id to; empty = none"),
    DURATION("shutdown.timeout", AT(shutdown_timeout_ms), "30s", 1, 24 * HOUR, 0,
             "how long a graceful stop may take"),

    ENUM("engine.type", AT(engine.type), "memory", engine_types,
         "where streams live: memory (one node only) or redis (any number of nodes)"),
    STRING("engine.redis.address", AT(engine.redis.address), "redis://127.0.0.1:6379",
           HF_OPTION_NOT_EMPTY | HF_OPTION_URL | HF_OPTION_SINGLE,
           "host:port, redis://[[user]:password@]host:port[/db] or unix://[[user]:password@]/path"),
    STRING("engine.redis.prefix", AT(engine.redis.prefix), "holdfast", HF_OPTION_NOT_EMPTY,
           "start of every key and pub/sub channel"),
    INT("engine.redis.db", AT(engine.redis.db), "0", 0, 65535, 0,
        "database number; pub/sub ignores it, so set prefixes to keep setups apart"),
    STRING("engine.redis.user", AT(engine.redis.user), "", 0, "user name for AUTH"),
    STRING("engine.redis.password", AT(engine.redis.password), "", HF_OPTION_SECRET,
           "password for AUTH"),
    STRING("engine.redis.client_name", AT(engine.redis.client_name), "", 0,
           "name of our connections in CLIENT LIST"),
    DURATION("engine.redis.connect_timeout", AT(engine.redis.connect_timeout_ms), "1s", 1, HOUR, 0,
             "time to open a connection"),
    DURATION("engine.redis.io_timeout", AT(engine.redis.io_timeout_ms), "4s", 1, HOUR, 0,
             "time for an answer"),
    DURATION("engine.redis.presence_ttl", AT(engine.redis.presence_ttl_ms), "60s", SECOND, 24 * HOUR,
             0, "clients of a node that died leave the presence after this time (any engine)"),

    LIST("client.allowed_origins", AT(client.allowed_origins),
         "globs of web page origins that may connect; \"*\" alone = all, empty = only clients that "
         "send no Origin"),
    DURATION("client.ping_interval", AT(client.ping_interval_ms), "25s", SECOND, 24 * HOUR,
             HF_OPTION_ZERO_TOO | HF_OPTION_MINUS_ONE,
             "time between pings; 0 = no pings (the peer takes 25s instead)"),
    DURATION("client.pong_timeout", AT(client.pong_timeout_ms), "8s", 1, 24 * HOUR,
             HF_OPTION_ZERO_TOO | HF_OPTION_MINUS_ONE,
             "time a client has to answer a ping, shorter than the interval; 0 = pongs are not "
             "waited for (the peer takes 8s instead)"),
    DURATION("client.stale_close_delay", AT(client.stale_close_delay_ms), "10s", 1, HOUR,
             HF_OPTION_ZERO_TOO,
             "time a client has to send its connect command; 0 = no limit (the peer takes 10s "
             "instead)"),
    INT("client.channel_limit", AT(client.channel_limit), "128", 1, COUNT_MAX, 0,
        "subscriptions of one connection"),
    BYTES("client.queue_max_size", AT(client.queue_max_size_bytes), "1048576", 1, 16 * GIB, 0,
          "bytes that may wait for a slow client before it is disconnected"),
    INT("client.connection_limit", AT(client.connection_limit), "0", 0, COUNT_MAX, 0,
        "connections of this node; 0 = no limit"),
    INT("client.connection_rate_limit", AT(client.connection_rate_limit), "0", 0, COUNT_MAX, 0,
        "new connections per second of this node; 0 = no limit"),
    INT("client.history_max_publication_limit", AT(client.history_max_publication_limit), "300", 0,
        COUNT_MAX, 0,
        "publications in the answer to one history call of a client; 0 = no limit (the peer takes "
        "300 instead)"),
    INT("client.recovery_max_publication_limit", AT(client.recovery_max_publication_limit), "300",
        0, COUNT_MAX, 0,
        "publications one recovery may deliver; 0 = all that the stream holds (the peer takes 300 "
        "instead)"),
    DURATION("client.presence_update_interval", AT(client.presence_update_interval_ms), "27s",
             SECOND, 24 * HOUR, 0,
             "time between refreshes of a client's presence; shorter than engine.redis.presence_ttl"),
    FLAG("client.insecure", AT(client.insecure), "false",
         "no tokens and no permissions: for development only"),
    FLAG("client.allow_anonymous_connect_without_token",
         AT(client.allow_anonymous_connect_without_token), "false",
         "clients without a token are let in as the anonymous user"),
    FLAG("client.disallow_anonymous_connection_tokens",
         AT(client.disallow_anonymous_connection_tokens), "false",
         "tokens that name no user are refused"),
    FLAG("client.insecure_skip_token_signature_verify",
         AT(client.insecure_skip_token_signature_verify), "false",
         "tokens are believed whoever signed them: for development only"),
    STRING("client.token.hmac_secret_key", AT(client.token.hmac_secret_key), "", HF_OPTION_SECRET,
           "secret for tokens signed with HS256, HS384 or HS512"),
    STRING("client.token.hmac_previous_secret_key", AT(client.token.hmac_previous_secret_key), "",
           HF_OPTION_SECRET, "former secret, still accepted while secrets are being changed"),
    INT("client.token.hmac_previous_secret_key_valid_until",
        AT(client.token.hmac_previous_secret_key_valid_until_s), "0", 0, COUNT_MAX, 0,
        "seconds since 1970 until which the former secret counts; 0 = no limit"),
    STRING("client.token.rsa_public_key", AT(client.token.rsa_public_key), "", 0,
           "public key in PEM for tokens signed with RS256, RS384 or RS512"),
    STRING("client.token.ecdsa_public_key", AT(client.token.ecdsa_public_key), "", 0,
           "public key in PEM for tokens signed with ES256, ES384 or ES512, whichever fits its curve"),
    STRING("client.token.jwks_public_endpoint", AT(client.token.jwks_public_endpoint), "", HF_OPTION_URL,
           "address of a JSON Web Key Set (http or https) whose keys count in place of those above"),
    STRING("client.token.audience", AT(client.token.audience), "", 0,
           "what the claim aud must be or hold; empty = not checked"),
    STRING("client.token.issuer", AT(client.token.issuer), "", 0,
           "what the claim iss must be; empty = not checked"),
    STRING("client.token.audience_regex", AT(client.token.audience_regex), "", 0,
           "regular expression that the claim aud, or one of it, must match; empty = not checked"),
    STRING("client.token.issuer_regex", AT(client.token.issuer_regex), "", 0,
           "regular expression that the claim iss must match; empty = not checked"),
    STRING("client.token.user_id_claim", AT(client.token.user_id_claim), "sub", 0,
           "claim that names the user"),
    FLAG("client.subscription_token.enabled", AT(client.subscription_token.enabled), "false",
         "subscription tokens have keys of their own, below; nothing is inherited"),
    STRING("client.subscription_token.hmac_secret_key", AT(client.subscription_token.hmac_secret_key), "", HF_OPTION_SECRET,
           "secret for tokens signed with HS256, HS384 or HS512"),
    STRING("client.subscription_token.hmac_previous_secret_key", AT(client.subscription_token.hmac_previous_secret_key), "",
           HF_OPTION_SECRET, "former secret, still accepted while secrets are being changed"),
    INT("client.subscription_token.hmac_previous_secret_key_valid_until",
        AT(client.subscription_token.hmac_previous_secret_key_valid_until_s), "0", 0, COUNT_MAX, 0,
        "seconds since 1970 until which the former secret counts; 0 = no limit"),
    STRING("client.subscription_token.rsa_public_key", AT(client.subscription_token.rsa_public_key), "", 0,
           "public key in PEM for tokens signed with RS256, RS384 or RS512"),
    STRING("client.subscription_token.ecdsa_public_key", AT(client.subscription_token.ecdsa_public_key), "", 0,
           "public key in PEM for tokens signed with ES256, ES384 or ES512, whichever fits its curve"),
    STRING("client.subscription_token.jwks_public_endpoint", AT(client.subscription_token.jwks_public_endpoint), "", HF_OPTION_URL,
           "address of a JSON Web Key Set (http or https) whose keys count in place of those above"),
    STRING("client.subscription_token.audience", AT(client.subscription_token.audience), "", 0,
           "what the claim aud must be or hold; empty = not checked"),
    STRING("client.subscription_token.issuer", AT(client.subscription_token.issuer), "", 0,
           "what the claim iss must be; empty = not checked"),
    STRING("client.subscription_token.audience_regex", AT(client.subscription_token.audience_regex), "", 0,
           "regular expression that the claim aud, or one of it, must match; empty = not checked"),
    STRING("client.subscription_token.issuer_regex", AT(client.subscription_token.issuer_regex), "", 0,
           "regular expression that the claim iss must match; empty = not checked"),
    STRING("client.subscription_token.user_id_claim", AT(client.subscription_token.user_id_claim), "sub", 0,
           "claim that names the user"),
    FLAG("client.subscribe_to_user_personal_channel.enabled",
         AT(client.subscribe_to_user_personal_channel.enabled), "false",
         "every connection of a user is subscribed to the channel [namespace:]#user"),
    FLAG("client.subscribe_to_user_personal_channel.single_connection",
         AT(client.subscribe_to_user_personal_channel.single_connection), "false",
         "a user's new connection ends the older ones"),
    STRING("client.subscribe_to_user_personal_channel.personal_channel_namespace",
           AT(client.subscribe_to_user_personal_channel.personal_channel_namespace), "", 0,
           "namespace of personal channels; empty = none"),
    DURATION("client.expired_close_delay", AT(client.expired_close_delay_ms), "25s", 0, 24 * HOUR, 0,
             "time from a connection's expiry, for its client to refresh it, until it is closed"),
    DURATION("client.expired_sub_close_delay", AT(client.expired_sub_close_delay_ms), "25s", 0,
             24 * HOUR, 0,
             "time from a subscription's expiry, for its client to refresh it, until it is ended"),
    INT("client.user_connection_limit", AT(client.user_connection_limit), "0", 0, COUNT_MAX, 0,
        "connections of one user on this node, not counting the anonymous one; 0 = no limit"),
    FLAG("client.connect_include_server_time", AT(client.connect_include_server_time), "false",
         "the answer to connect carries the server's time"),

    FLAG("websocket.disabled", AT(websocket.disabled), "false", "no WebSocket endpoint"),
    STRING("websocket.handler_prefix", AT(websocket.handler_prefix), "/connection/websocket",
           HF_OPTION_PATH, "URL path of the WebSocket endpoint"),
    BYTES("websocket.message_size_limit", AT(websocket.message_size_limit_bytes), "65536", 1,
          MESSAGE_MAX, 0, "bytes of one message from a client, also after decompression"),
    FLAG("websocket.compression", AT(websocket.compression), "false",
         "permessage-deflate for clients that offer it, each message by itself"),
    BYTES("websocket.compression_min_size", AT(websocket.compression_min_size_bytes), "0", 0,
          MESSAGE_MAX, 0, "bytes below which a message is sent as it is"),
    INT("websocket.compression_level", AT(websocket.compression_level), "1", 1, 9, 0,
        "1 = fast, 9 = small"),
    DURATION("websocket.write_timeout", AT(websocket.write_timeout_ms), "1s", 1, HOUR, 0,
             "time after which a connection that takes no bytes is dropped"),

    FLAG("http_stream.enabled", AT(http_stream.enabled), "false", "offer this transport"),
    STRING("http_stream.handler_prefix", AT(http_stream.handler_prefix), "/connection/http_stream", HF_OPTION_PATH,
           "URL path of the transport"),
    BYTES("http_stream.max_request_body_size", AT(http_stream.max_request_body_size_bytes), "65536", 1,
          MESSAGE_MAX, 0, "bytes of the request's body"),
    FLAG("sse.enabled", AT(sse.enabled), "false", "offer this transport"),
    STRING("sse.handler_prefix", AT(sse.handler_prefix), "/connection/sse", HF_OPTION_PATH,
           "URL path of the transport"),
    BYTES("sse.max_request_body_size", AT(sse.max_request_body_size_bytes), "65536", 1,
          MESSAGE_MAX, 0, "bytes of the request's body"),
    FLAG("uni_sse.enabled", AT(uni_sse.enabled), "false", "offer this transport"),
    STRING("uni_sse.handler_prefix", AT(uni_sse.handler_prefix), "/connection/uni_sse", HF_OPTION_PATH,
           "URL path of the transport"),
    BYTES("uni_sse.max_request_body_size", AT(uni_sse.max_request_body_size_bytes), "65536", 1,
          MESSAGE_MAX, 0, "bytes of the request's body"),
    FLAG("uni_http_stream.enabled", AT(uni_http_stream.enabled), "false", "offer this transport"),
    STRING("uni_http_stream.handler_prefix", AT(uni_http_stream.handler_prefix), "/connection/uni_http_stream", HF_OPTION_PATH,
           "URL path of the transport"),
    BYTES("uni_http_stream.max_request_body_size", AT(uni_http_stream.max_request_body_size_bytes), "65536", 1,
          MESSAGE_MAX, 0, "bytes of the request's body"),
    STRING("emulation.handler_prefix", AT(emulation.handler_prefix), "/emulation", HF_OPTION_PATH,
           "URL path for the commands of http_stream and sse clients"),
    BYTES("emulation.max_request_body_size", AT(emulation.max_request_body_size_bytes), "65536", 1,
          MESSAGE_MAX, 0, "bytes of such a request's body"),
    FLAG("uni_websocket.enabled", AT(uni_websocket.enabled), "false", "offer this transport"),
    STRING("uni_websocket.handler_prefix", AT(uni_websocket.handler_prefix),
           "/connection/uni_websocket", HF_OPTION_PATH, "URL path of the transport"),
    BYTES("uni_websocket.message_size_limit", AT(uni_websocket.max_request_body_size_bytes),
          "65536", 1, MESSAGE_MAX, 0, "bytes of one message from a client"),
    DURATION("uni_websocket.write_timeout", AT(uni_websocket.write_timeout_ms), "1s", 1, HOUR, 0,
             "time after which a connection that takes no bytes is dropped"),

    INT("channel.max_length", AT(channel.max_length_bytes), "255", 1, 65535, 0,
        "bytes of a channel name that clients may subscribe to"),
    STRING("channel.private_prefix", AT(channel.private_prefix), "$", 0,
           "start of channels that need a subscription token; empty = none (the peer takes $ "
           "instead)"),
    STRING("channel.namespace_boundary", AT(channel.namespace_boundary), ":", 0,
           "ends the namespace in a channel name; empty = no namespaces (the peer takes : instead)"),
    STRING("channel.user_boundary", AT(channel.user_boundary), "#", 0,
           "starts the list of users in a channel name; empty = none (the peer takes # instead)"),
    STRING("channel.user_separator", AT(channel.user_separator), ",", 0,
           "stands between users in a channel name; empty = one user only (the peer takes , "
           "instead)"),
    DURATION("channel.history_meta_ttl", AT(channel.history_meta_ttl_ms), "720h", SECOND, CENTURY,
             HF_OPTION_WHOLE_SECONDS,
             "time that the position of an unused stream is remembered, where the namespace does "
             "not say"),
    ENUM("channel.publication_data_format", AT(channel.publication_data_format), "", data_formats,
         "what payloads must be, where the namespace does not say; empty = not empty"),

    FLAG("http_api.disabled", AT(http_api.disabled), "false", "no server API"),
    STRING("http_api.handler_prefix", AT(http_api.handler_prefix), "/api", HF_OPTION_PATH,
           "URL path of the server API"),
    STRING("http_api.key", AT(http_api.key), "", HF_OPTION_SECRET,
           "key that callers of the server API must send; empty = every call is refused"),
    FLAG("http_api.insecure", AT(http_api.insecure), "false", "the server API asks for no key"),
    ENUM("http_api.error_mode", AT(http_api.error_mode), "", error_modes,
         "empty: errors come with status 200; transport: with a fitting HTTP status"),

    FLAG("http_api.external", AT(http_api.external), "false",
         "with an internal listener: the server API stays on http_server.port"),

    FLAG("prometheus.enabled", AT(prometheus.enabled), "false", "metrics for Prometheus"),
    STRING("prometheus.handler_prefix", AT(prometheus.handler_prefix), "/metrics", HF_OPTION_PATH,
           "URL path of the metrics"),

    FLAG("health.enabled", AT(health.enabled), "true", "health endpoints (the peer: false)"),
    STRING("health.handler_prefix", AT(health.handler_prefix), "/health", HF_OPTION_PATH,
           "URL path of the health endpoints"),

    INT("holdfast.workers", AT(holdfast.workers), "0", 0, 1024, 0,
        "worker threads for connections; 0 = one per core"),
    DURATION("holdfast.linger", AT(holdfast.linger_ms), "60s", 0, 24 * HOUR, 0,
             "time a stream without subscribers is kept warm; 0 = not at all"),
    INT("holdfast.lingering_streams_max", AT(holdfast.lingering_streams_max), "100000", 0,
        COUNT_MAX, 0, "streams without subscribers kept warm; 0 = none"),
    INT("holdfast.tail_max_publications", AT(holdfast.tail_max_publications), "1024", 1, 1 << 24, 0,
        "newest publications of a stream kept in memory"),
    BYTES("holdfast.tail_max_bytes", AT(holdfast.tail_max_bytes), "1MiB", 1, BYTES_MAX, 0,
          "bytes of the newest publications of a stream kept in memory"),
    BYTES("holdfast.tails_max_bytes", AT(holdfast.tails_max_bytes), "256MiB", 1, BYTES_MAX, 0,
          "bytes of the newest publications of all streams kept in memory"),
    INT("holdfast.page_max_publications", AT(holdfast.page_max_publications), "512", 1, 1 << 20, 0,
        "publications of one page of a recovery"),
    BYTES("holdfast.page_max_bytes", AT(holdfast.page_max_bytes), "256KiB", 1, GIB, 0,
          "bytes of one page of a recovery; a larger publication makes a page of its own"),
    DURATION("holdfast.presence_leave_delay", AT(holdfast.presence_leave_delay_ms), "0s", 0, HOUR, 0,
             "a user (not the anonymous one) who unsubscribes or is cut off stays present for this "
             "time; back within it, on any node, nobody is told of a leave and a join; 0 = gone at "
             "once"),
    DURATION("holdfast.store_wait", AT(holdfast.store_wait_ms), "4s", 0, HOUR, 0,
             "time that requests wait for a store that is away; 0 = they fail at once"),
    DURATION("holdfast.redis_probe_interval", AT(holdfast.redis_probe_interval_ms), "5s", 100, HOUR,
             0,
             "Redis has to prove so often that it delivers, and is asked whether it still is the "
             "primary that it was"),
    DURATION("holdfast.node_timeout", AT(holdfast.node_timeout_ms), "3s", 100, HOUR, 0,
             "after Redis was lost, nodes wait so long for each other's word on what it still has"),
    DURATION("holdfast.node_hello", AT(holdfast.node_hello_ms), "300ms", 1, HOUR, 0,
             "a node that meets another process of Redis gives other nodes this time to make "
             "themselves known"),
    INT("holdfast.awaited_nodes_max", AT(holdfast.awaited_nodes_max), "1024", 1, 65536, 0,
        "other nodes whose word is waited for after Redis was lost; of more, the longest silent "
        "are not waited for"),
    INT("holdfast.witnesses_max", AT(holdfast.witnesses_max), "100000", 1, COUNT_MAX, 0,
        "channels not followed on this node whose position is remembered, to notice a loss in Redis"),
    BYTES("holdfast.witnesses_max_bytes", AT(holdfast.witnesses_max_bytes), "32MiB", 1, BYTES_MAX,
          0, "bytes of those positions; above it the longest unheard are forgotten"),
    DURATION("holdfast.witness_ttl", AT(holdfast.witness_ttl_ms), "1h", SECOND, 1000 * HOUR, 0,
             "time after which such a position is forgotten when nothing is heard of its channel; "
             "longer than a Redis that comes back may be behind"),
    INT("holdfast.idle_channels_max", AT(holdfast.idle_channels_max), "65536", 1, COUNT_MAX, 0,
        "channels not in use whose epoch in Redis is remembered, which saves a round trip"),
    DURATION("holdfast.idle_channel_ttl", AT(holdfast.idle_channel_ttl_ms), "60s", SECOND, 24 * HOUR,
             0, "time that such an epoch is remembered"),
    INT("holdfast.memory_keys_max", AT(holdfast.memory_keys_max), "1000000", 1, COUNT_MAX, 0,
        "idempotency keys that the memory engine remembers; above it publishing with a new key "
        "fails"),
    INT("holdfast.memory_versions_max", AT(holdfast.memory_versions_max), "1000000", 1, COUNT_MAX,
        0,
        "channels whose last version the memory engine remembers; above it publishing with a "
        "version to another channel fails"),
    INT("holdfast.pending_requests_max", AT(holdfast.pending_requests_max), "100000", 1, COUNT_MAX,
        0, "requests of this node waiting inside the engine"),
    BYTES("holdfast.pending_bytes_max", AT(holdfast.pending_bytes_max), "64MiB", 1, BYTES_MAX, 0,
          "payload bytes of this node waiting for the store"),
    BYTES("holdfast.publication_max_bytes", AT(holdfast.publication_max_bytes), "256MiB", 1,
          500 * MIB, 0,
          "bytes of one publication with its channel, info and tags; a larger one is refused (Redis "
          "takes 512 MiB by default)"),
    INT("holdfast.loads_in_flight_max", AT(holdfast.loads_in_flight_max), "64", 1, 1 << 20, 0,
        "reads of streams asked of the store at once"),
    BYTES("holdfast.mailbox_max_bytes", AT(holdfast.mailbox_max_bytes), "64MiB", 1, BYTES_MAX, 0,
          "bytes waiting between the engine and one worker"),
    BYTES("holdfast.inbox_max_bytes", AT(holdfast.inbox_max_bytes), "8MiB", 1, BYTES_MAX, 0,
          "bytes of emulated commands that other workers hand to one worker; above it the sender "
          "gets HTTP 503"),
    DURATION("holdfast.delivery_rest_max", AT(holdfast.delivery_rest_max_ms), "3ms", 0, SECOND - 1,
             0,
             "after a large fan-out a worker gathers publications for four times as long, at most "
             "so long; 0 = not at all"),
    INT("holdfast.session_requests_max", AT(holdfast.session_requests_max), "1024", 1, 1 << 24, 0,
        "commands of one client waiting for an answer of the engine"),
    BYTES("holdfast.delta_payload_max", AT(holdfast.delta_max_bytes), "1MiB", 0, GIB, 0,
          "bytes of a payload that may be sent as a difference; larger ones are sent in full"),
    BYTES("holdfast.tags_filter_max_bytes", AT(holdfast.tags_filter_max_bytes), "8KiB", 1, MIB, 0,
          "memory that the tags filter of one subscription may take"),
    INT("holdfast.tags_filter_max_depth", AT(holdfast.tags_filter_max_depth), "16", 1, 100, 0,
        "how deep a tags filter may be nested"),
    INT("holdfast.regex_match_limit", AT(holdfast.regex_match_limit), "100000", 100, COUNT_MAX, 0,
        "steps that one match of a regular expression may take"),
    BYTES("holdfast.regex_memory_max", AT(holdfast.regex_memory_max_bytes), "1MiB", 1024, GIB, 0,
          "memory that one match of a regular expression may take"),
    DURATION("holdfast.jwks_ttl", AT(holdfast.jwks_ttl_ms), "1h", SECOND, 1000 * HOUR, 0,
             "time after which the keys of a jwks_public_endpoint are fetched anew"),
    DURATION("holdfast.jwks_retry", AT(holdfast.jwks_retry_ms), "5s", 1, HOUR, 0,
             "time between two such fetches at least, whether the first failed or a token names an "
             "unknown key"),
    DURATION("holdfast.jwks_timeout", AT(holdfast.jwks_timeout_ms), "2s", 1, HOUR, 0,
             "time that such a fetch may take"),
    BYTES("holdfast.jwks_max_bytes", AT(holdfast.jwks_max_bytes), "256KiB", 1, GIB, 0,
          "bytes of the answer to such a fetch"),
    INT("holdfast.jwks_max_keys", AT(holdfast.jwks_max_keys), "100", 1, 1 << 20, 0,
        "keys in it"),
    INT("holdfast.broadcast_channels_max", AT(holdfast.broadcast_channels_max), "10000", 1, 1 << 24,
        0, "channels in one broadcast call of the server API"),
    INT("holdfast.batch_commands_max", AT(holdfast.batch_commands_max), "10000", 1, 1 << 24, 0,
        "commands in one batch call of the server API"),
    INT("holdfast.surveys_max", AT(holdfast.surveys_max), "16", 1, 1 << 20, 0,
        "calls of the server API's `channels` that a worker has open"),
    INT("holdfast.survey_channels_max", AT(holdfast.survey_channels_max), "100000", 1, 1 << 24, 0,
        "channels in one answer of `channels`"),
    DURATION("holdfast.survey_timeout", AT(holdfast.survey_timeout_ms), "4s", 1, HOUR, 0,
             "nodes must have answered `channels` within it"),
    INT("holdfast.registry_nodes_max", AT(holdfast.registry_nodes_max), "1024", 1, 1 << 20, 0,
        "other nodes that a node remembers"),
    DURATION("holdfast.registry_interval", AT(holdfast.registry_interval_ms), "3s", 100, HOUR, 0,
             "time between a node's words to the others on itself, which `info` shows"),
    DURATION("holdfast.registry_timeout", AT(holdfast.registry_timeout_ms), "10s", 200, 24 * HOUR,
             0, "a node that is silent for so long is forgotten; longer than the interval"),
    BYTES("holdfast.http_body_max", AT(holdfast.http_body_max_bytes), "10MiB", 1, GIB, 0,
          "bytes of the body of a server API request"),
    BYTES("holdfast.http_header_max", AT(holdfast.http_header_max_bytes), "16KiB", 256, 16 * MIB, 0,
          "bytes of the request line and headers of a request"),
    DURATION("holdfast.http_timeout", AT(holdfast.http_timeout_ms), "10s", 1, HOUR, 0,
             "time in which a request must be complete"),
    FLAG("holdfast.poll.enabled", AT(holdfast.poll_enabled), "false",
         "offer long polling for clients with nothing but HTTP"),
    STRING("holdfast.poll.handler_prefix", AT(holdfast.poll_handler_prefix), "/connection/poll",
           HF_OPTION_PATH, "URL path of long polling"),
    DURATION("holdfast.poll.max_wait", AT(holdfast.poll_max_wait_ms), "25s", SECOND, HOUR,
             HF_OPTION_WHOLE_SECONDS, "longest wait of a poll, and that of one without a timeout"),
    DURATION("holdfast.http_idle_timeout", AT(holdfast.http_idle_timeout_ms), "60s", 1, 24 * HOUR,
             0, "time that a kept-alive connection may wait for its next request"),
    DURATION("holdfast.tls_handshake_timeout", AT(holdfast.tls_handshake_timeout_ms), "10s", 1, HOUR,
             0, "time in which a TLS handshake must be done"),
    FLAG("holdfast.io_uring", AT(holdfast.io_uring), "true",
         "write to many sockets with one system call where the kernel permits it"),
};

const struct hf_option hf__channel_options[] = {
    STRING("name", IN(name), "", 0, "name of the namespace; only in channel.namespaces"),
    INT("history_size", IN(history_size), "0", 0, COUNT_MAX, 0,
        "publications kept per channel; 0 = no history"),
    DURATION("history_ttl", IN(history_ttl_ms), "0s", SECOND, CENTURY,
             HF_OPTION_ZERO_TOO | HF_OPTION_WHOLE_SECONDS,
             "time without publications after which a channel's history is dropped; 0 = no history"),
    DURATION("history_meta_ttl", IN(history_meta_ttl_ms), "0s", SECOND, CENTURY,
             HF_OPTION_ZERO_TOO | HF_OPTION_WHOLE_SECONDS,
             "time that the position of an unused stream is remembered; 0 = "
             "channel.history_meta_ttl"),
    FLAG("force_recovery", IN(force_recovery), "false", "every subscription recovers"),
    FLAG("allow_recovery", IN(allow_recovery), "false", "subscriptions that ask for it recover"),
    FLAG("force_positioning", IN(force_positioning), "false", "every subscription is positioned"),
    FLAG("allow_positioning", IN(allow_positioning), "false",
         "subscriptions that ask for it are positioned"),
    ENUM("force_recovery_mode", IN(force_recovery_mode), "", recovery_modes,
         "stream (also empty): all that was missed; cache: only the newest publication"),
    FLAG("auto_cache_recover", IN(auto_cache_recover), "false",
         "with recovery mode cache: every subscriber gets the newest publication"),
    FLAG("allow_subscribe_for_client", IN(allow_subscribe_for_client), "false",
         "clients may subscribe"),
    FLAG("allow_subscribe_for_anonymous", IN(allow_subscribe_for_anonymous), "false",
         "with allow_subscribe_for_client: also the anonymous user"),
    FLAG("allow_user_limited_channels", IN(allow_user_limited_channels), "false",
         "users may subscribe to channels that list them"),
    FLAG("allow_publish_for_client", IN(allow_publish_for_client), "false", "clients may publish"),
    FLAG("allow_publish_for_subscriber", IN(allow_publish_for_subscriber), "false",
         "subscribers may publish"),
    FLAG("allow_publish_for_anonymous", IN(allow_publish_for_anonymous), "false",
         "with one of the others: also the anonymous user"),
    FLAG("allow_history_for_client", IN(allow_history_for_client), "false",
         "clients may read the history"),
    FLAG("allow_history_for_subscriber", IN(allow_history_for_subscriber), "false",
         "subscribers may read the history"),
    FLAG("allow_history_for_anonymous", IN(allow_history_for_anonymous), "false",
         "with one of the others: also the anonymous user"),
    FLAG("presence", IN(presence), "false", "who is subscribed to a channel is remembered"),
    FLAG("join_leave", IN(join_leave), "false",
         "who subscribes and unsubscribes is told to subscribers that ask for it"),
    FLAG("force_push_join_leave", IN(force_push_join_leave), "false",
         "with join_leave: told to every subscriber"),
    FLAG("allow_presence_for_client", IN(allow_presence_for_client), "false",
         "clients may ask who is present"),
    FLAG("allow_presence_for_subscriber", IN(allow_presence_for_subscriber), "false",
         "subscribers may ask who is present"),
    FLAG("allow_presence_for_anonymous", IN(allow_presence_for_anonymous), "false",
         "with one of the others: also the anonymous user"),
    ENUM("publication_data_format", IN(publication_data_format), "", data_formats,
         "what payloads must be; empty = channel.publication_data_format"),
    STRING("channel_regex", IN(channel_regex), "", 0,
           "regular expression that the name behind the namespace must match; it may then hold more "
           "than ASCII; empty = any ASCII name"),
    LIST("allowed_delta_types", IN(allowed_delta_types),
         "delta compression that subscribers may ask for: fossil; empty = none"),
    FLAG("delta_publish", IN(delta_publish), "false",
         "every publication may be sent as a difference to the one before"),
    FLAG("allow_channel_compaction", IN(allow_channel_compaction), "false",
         "pushes tell a number instead of the channel's name to clients that understand it"),
    FLAG("allow_tags_filter", IN(allow_tags_filter), "false",
         "subscribers may ask for publications with certain tags only"),
    ENUM("subscription_type", IN(subscription_type), "", subscription_types,
         "empty or stream: a stream of publications"),
};
/* clang-format on */

const size_t hf__option_count = sizeof(hf__options) / sizeof(hf__options[0]);
const size_t hf__channel_option_count =
    sizeof(hf__channel_options) / sizeof(hf__channel_options[0]);
