/* What Centrifugo v6 and its older versions know and we do not offer. Facts from its public
 * configuration reference: names and defaults only. */
#include "config/options.h"

#define ANY HF_PEER_ANY
#define END                                                                                        \
    {                                                                                              \
        NULL, NULL, NULL                                                                           \
    }

/* A leaf with a default that is harmless, a leaf whose zero value only is, an object. */
#define LEAF(name, harmless)                                                                       \
    {                                                                                              \
        name, harmless, NULL                                                                       \
    }
#define ZERO(name)                                                                                 \
    {                                                                                              \
        name, NULL, NULL                                                                           \
    }
#define OBJECT(name, keys)                                                                         \
    {                                                                                              \
        name, NULL, keys                                                                           \
    }

/* clang-format off */

/* In a section with a switch, the switch asks; the rest only says how. */
static const struct hf_peer_key tls_keys[] = {
    ZERO("enabled"), LEAF("cert_pem", ANY), LEAF("key_pem", ANY), LEAF("server_ca_pem", ANY),
    LEAF("client_ca_pem", ANY), LEAF("insecure_skip_verify", ANY), LEAF("server_name", ANY), END,
};

static const struct hf_peer_key tls_autocert_keys[] = {
    ZERO("enabled"), LEAF("host_whitelist", ANY), LEAF("cache_dir", ANY), LEAF("email", ANY),
    LEAF("server_name", ANY), LEAF("http", ANY), LEAF("http_addr", ANY), END,
};

static const struct hf_peer_key enabled_keys[] = {ZERO("enabled"), END};

/* What the TLS object has for clients means nothing to a listener, to the peer neither. */
static const struct hf_peer_key listener_tls_keys[] = {
    LEAF("server_ca_pem", ANY), LEAF("insecure_skip_verify", ANY), LEAF("server_name", ANY), END,
};

static const struct hf_peer_key http_server_keys[] = {
    OBJECT("tls", listener_tls_keys),
    OBJECT("tls_autocert", tls_autocert_keys),
    OBJECT("internal_tls", tls_keys), OBJECT("http3", enabled_keys), ZERO("h2c_external"), END,
};

static const struct hf_peer_key token_keys[] = {
    LEAF("insecure_skip_jwks_endpoint_safety_check", ANY), END,
};

static const struct hf_peer_key transforms_keys[] = {
    ZERO("enabled"), LEAF("transforms", ANY), END,
};

static const struct hf_peer_key proxy_http_keys[] = {
    OBJECT("tls", tls_keys), LEAF("static_headers", ANY), LEAF("status_to_code_transforms", ANY),
    END,
};

static const struct hf_peer_key proxy_grpc_keys[] = {
    OBJECT("tls", tls_keys), LEAF("credentials_key", ANY), LEAF("credentials_value", ANY),
    LEAF("compression", ANY), LEAF("static_metadata", ANY), END,
};

static const struct hf_peer_key proxy_keys[] = {
    ZERO("enabled"), ZERO("endpoint"), LEAF("timeout", "1s"), LEAF("http_headers", ANY),
    LEAF("grpc_metadata", ANY), LEAF("emulated_headers", ANY), LEAF("binary_encoding", ANY),
    LEAF("include_connection_meta", ANY), OBJECT("http", proxy_http_keys),
    OBJECT("grpc", proxy_grpc_keys), END,
};

static const struct hf_peer_key client_proxy_keys[] = {
    OBJECT("connect", proxy_keys), OBJECT("refresh", proxy_keys), END,
};

static const struct hf_peer_key channel_proxy_keys[] = {
    OBJECT("subscribe", proxy_keys), OBJECT("publish", proxy_keys),
    OBJECT("sub_refresh", proxy_keys), OBJECT("subscribe_stream", proxy_keys),
    OBJECT("map_publish", proxy_keys), OBJECT("map_remove", proxy_keys),
    OBJECT("shared_poll_refresh", proxy_keys), OBJECT("cache_empty", proxy_keys),
    OBJECT("state", proxy_keys), END,
};

static const struct hf_peer_key client_keys[] = {
    OBJECT("token", token_keys), OBJECT("subscription_token", token_keys),
    LEAF("channel_position_check_delay", "40s"), ZERO("channel_position_max_time_lag"),
    ZERO("user_id_http_header"), LEAF("concurrency", ANY),
    OBJECT("connect_code_to_unidirectional_disconnect", transforms_keys),
    OBJECT("proxy", client_proxy_keys), END,
};

/* How large Go's buffers are: our connections hold none while they are idle. */
static const struct hf_peer_key websocket_keys[] = {
    LEAF("read_buffer_size", ANY), LEAF("write_buffer_size", ANY), LEAF("use_write_buffer_pool", ANY),
    ZERO("decompressed_message_size_limit"), END,
};

static const struct hf_peer_key uni_websocket_keys[] = {
    ZERO("compression"), ZERO("compression_min_size"), LEAF("compression_level", "1"),
    LEAF("read_buffer_size", ANY), LEAF("write_buffer_size", ANY), LEAF("use_write_buffer_pool", ANY),
    ZERO("decompressed_message_size_limit"), ZERO("disable_closing_handshake"),
    ZERO("disable_disconnect_push"), ZERO("join_push_messages"), END,
};

static const struct hf_peer_key uni_http_keys[] = {
    OBJECT("connect_code_to_http_response", transforms_keys), END,
};

static const struct hf_peer_key uni_grpc_keys[] = {
    ZERO("enabled"), LEAF("address", ANY), LEAF("port", ANY),
    LEAF("max_receive_message_size", ANY), OBJECT("tls", tls_keys), END,
};

static const struct hf_peer_key endpoint_keys[] = {
    ZERO("enabled"), LEAF("handler_prefix", ANY), END,
};

static const struct hf_peer_key webtransport_keys[] = {
    ZERO("enabled"), LEAF("handler_prefix", ANY), LEAF("message_size_limit", ANY), END,
};

static const struct hf_peer_key grpc_api_keys[] = {
    ZERO("enabled"), LEAF("address", ANY), LEAF("port", ANY), LEAF("key", ANY),
    LEAF("error_mode", ANY), OBJECT("tls", tls_keys), LEAF("reflection", ANY),
    LEAF("max_receive_message_size", ANY), END,
};

static const struct hf_peer_key admin_keys[] = {
    ZERO("enabled"), LEAF("handler_prefix", ANY), LEAF("password", ANY), LEAF("secret", ANY),
    LEAF("insecure", ANY), LEAF("external", ANY), LEAF("web_path", ANY),
    LEAF("web_proxy_address", ANY), END,
};

static const struct hf_peer_key prometheus_keys[] = {
    ZERO("instrument_http_handlers"), ZERO("recovered_publications_histogram"),
    ZERO("native_histograms"), END,
};

static const struct hf_peer_key graphite_keys[] = {
    ZERO("enabled"), LEAF("host", ANY), LEAF("port", ANY), LEAF("prefix", ANY),
    LEAF("interval", ANY), LEAF("tags", ANY), END,
};

static const struct hf_peer_key opentelemetry_keys[] = {
    ZERO("enabled"), LEAF("api", ANY), LEAF("consuming", ANY), LEAF("google_cloud_adc_auth", ANY), END,
};

static const struct hf_peer_key usage_stats_keys[] = {LEAF("disabled", ANY), END};

/* Topologies ask by having an address. We speak the older protocol to Redis in any case. */
#define REDIS_TOPOLOGY_KEYS                                                                        \
    LEAF("force_resp2", ANY), OBJECT("tls", tls_keys), OBJECT("sentinel_tls", tls_keys),           \
        ZERO("cluster_address"), ZERO("sentinel_address"), ZERO("sentinel_master_name"),           \
        ZERO("sentinel_user"), ZERO("sentinel_password"), ZERO("sentinel_client_name"),            \
        ZERO("history_use_lists"),                                                                 \
        ZERO("presence_hash_field_ttl"), ZERO("presence_user_mapping"),                            \
        OBJECT("replica_client", enabled_keys)

static const struct hf_peer_key engine_redis_keys[] = {REDIS_TOPOLOGY_KEYS, END};

static const struct hf_peer_key engine_keys[] = {OBJECT("redis", engine_redis_keys), END};

static const struct hf_peer_key other_redis_keys[] = {
    REDIS_TOPOLOGY_KEYS, LEAF("presence_ttl", "60s"), LEAF("address", ANY), LEAF("prefix", ANY), LEAF("db", ANY),
    LEAF("user", ANY), LEAF("password", ANY), LEAF("client_name", ANY),
    LEAF("connect_timeout", ANY), LEAF("io_timeout", ANY), END,
};

static const struct hf_peer_key broker_keys[] = {
    ZERO("enabled"), LEAF("type", ANY), OBJECT("redis", other_redis_keys), LEAF("nats", ANY),
    LEAF("postgres", ANY), LEAF("redisnats", ANY), END,
};

static const struct hf_peer_key presence_manager_keys[] = {
    ZERO("enabled"), LEAF("type", ANY), OBJECT("redis", other_redis_keys), END,
};

static const struct hf_peer_key map_broker_keys[] = {
    LEAF("type", "memory"), LEAF("redis", ANY), LEAF("postgres", ANY), END,
};

static const struct hf_peer_key controller_keys[] = {
    ZERO("enabled"), LEAF("type", ANY), LEAF("postgres", ANY), END,
};

static const struct hf_peer_key rpc_ping_keys[] = {ZERO("enabled"), LEAF("method", ANY), END};

static const struct hf_peer_key rpc_without_namespace_keys[] = {
    ZERO("proxy_enabled"), LEAF("proxy_name", "default"), END,
};

static const struct hf_peer_key rpc_keys[] = {
    OBJECT("proxy", proxy_keys), OBJECT("without_namespace", rpc_without_namespace_keys),
    ZERO("namespaces"), OBJECT("ping", rpc_ping_keys), LEAF("namespace_boundary", ":"), END,
};

/* map and shared_poll say how; subscription_type asks. */
const struct hf_peer_key hf__peer_channel_keys[] = {
    ZERO("map_clients_presence_channel_prefix"),
    ZERO("map_users_presence_channel_prefix"), ZERO("subscribe_proxy_enabled"),
    LEAF("subscribe_proxy_name", "default"), ZERO("publish_proxy_enabled"),
    LEAF("publish_proxy_name", "default"), ZERO("sub_refresh_proxy_enabled"),
    LEAF("sub_refresh_proxy_name", "default"), ZERO("subscribe_stream_proxy_enabled"),
    LEAF("subscribe_stream_proxy_name", "default"), ZERO("subscribe_stream_proxy_bidirectional"),
    LEAF("map", ANY), LEAF("shared_poll", ANY), END,
};

static const struct hf_peer_key channel_keys[] = {
    OBJECT("without_namespace", hf__peer_channel_keys), OBJECT("proxy", channel_proxy_keys), END,
};

const struct hf_peer_key hf__peer_keys[] = {
    OBJECT("http_server", http_server_keys), OBJECT("client", client_keys),
    OBJECT("websocket", websocket_keys), OBJECT("uni_websocket", uni_websocket_keys),
    OBJECT("uni_sse", uni_http_keys), OBJECT("uni_http_stream", uni_http_keys),
    OBJECT("uni_grpc", uni_grpc_keys), OBJECT("webtransport", webtransport_keys),
    OBJECT("init", endpoint_keys),     OBJECT("grpc_api", grpc_api_keys), OBJECT("admin", admin_keys),
    OBJECT("prometheus", prometheus_keys), OBJECT("swagger", endpoint_keys),
    OBJECT("debug", endpoint_keys), OBJECT("graphite", graphite_keys),
    OBJECT("usage_stats", usage_stats_keys), OBJECT("opentelemetry", opentelemetry_keys),
    ZERO("consumers"), ZERO("proxies"), OBJECT("rpc", rpc_keys),
    OBJECT("controller", controller_keys), OBJECT("engine", engine_keys),
    OBJECT("broker", broker_keys), OBJECT("presence_manager", presence_manager_keys),
    OBJECT("map_broker", map_broker_keys), LEAF("shared_poll", ANY),
    ZERO("enable_unreleased_features"), OBJECT("channel", channel_keys), END,
};

const struct hf_flat_key hf__flat_keys[] = {
    {"namespaces", "channel.namespaces", false},
    {"rpc_namespaces", "rpc.namespaces", false},
    {"rpc_ping", "rpc.ping.enabled", false},
    {"allowed_origins", "client.allowed_origins", false},
    {"separate_subscription_token_config", "client.subscription_token.enabled", false},
    {"api_disable", "http_api.disabled", false},
    {"global_history_meta_ttl", "channel.history_meta_ttl", false},
    {"global_presence_ttl", "engine.redis.presence_ttl", false},
    {"presence_ttl", "engine.redis.presence_ttl", false},
    {"global_redis_presence_user_mapping", "engine.redis.presence_user_mapping", false},
    {"redis_presence_hash_field_ttl", "engine.redis.presence_hash_field_ttl", false},
    {"engine", "engine.type", true},
    {"redis_use_lists", "engine.redis.history_use_lists", false},
    {"redis_tls", "engine.redis.tls.enabled", false},
    {"redis_tls_key", "engine.redis.tls.key_pem", false},
    {"redis_tls_cert", "engine.redis.tls.cert_pem", false},
    {"redis_tls_root_ca", "engine.redis.tls.server_ca_pem", false},
    {"redis_tls_client_ca", "engine.redis.tls.client_ca_pem", false},
    {"redis_tls_server_name", "engine.redis.tls.server_name", false},
    {"redis_sentinel_tls", "engine.redis.sentinel_tls.enabled", false},
    {"address", "http_server.address", false},
    {"port", "http_server.port", false},
    {"internal_address", "http_server.internal_address", false},
    {"internal_port", "http_server.internal_port", false},
    {"tls_external", "http_server.tls_external", false},
    {"tls", "http_server.tls.enabled", false},
    {"tls_key", "http_server.tls.key_pem", false},
    {"tls_cert", "http_server.tls.cert_pem", false},
    {"tls_autocert", "http_server.tls_autocert.enabled", false},
    {"name", "node.name", false},
    {"node_info_metrics_aggregate_interval", "node.info_metrics_aggregate_interval", false},
    {"ping_interval", "client.ping_interval", false},
    {"pong_timeout", "client.pong_timeout", false},
    {"allow_anonymous_connect_without_token", "client.allow_anonymous_connect_without_token",
     false},
    {"client_anonymous", "client.allow_anonymous_connect_without_token", false},
    {"disallow_anonymous_connection_tokens", "client.disallow_anonymous_connection_tokens", false},
    {"user_subscribe_to_personal", "client.subscribe_to_user_personal_channel.enabled", false},
    {"user_personal_channel_namespace",
     "client.subscribe_to_user_personal_channel.personal_channel_namespace", false},
    {"user_personal_single_connection",
     "client.subscribe_to_user_personal_channel.single_connection", false},
    {"channel_max_length", "channel.max_length", false},
    {"channel_private_prefix", "channel.private_prefix", false},
    {"channel_namespace_boundary", "channel.namespace_boundary", false},
    {"channel_user_boundary", "channel.user_boundary", false},
    {"channel_user_separator", "channel.user_separator", false},
    {"websocket_disable", "websocket.disabled", false},
    {"usage_stats_disable", "usage_stats.disabled", false},
    {"sse", "sse.enabled", true},
    {"http_stream", "http_stream.enabled", true},
    {"uni_sse", "uni_sse.enabled", true},
    {"uni_http_stream", "uni_http_stream.enabled", true},
    {"uni_websocket", "uni_websocket.enabled", true},
    {"uni_grpc", "uni_grpc.enabled", true},
    {"webtransport", "webtransport.enabled", true},
    {"grpc_api", "grpc_api.enabled", true},
    {"admin", "admin.enabled", true},
    {"prometheus", "prometheus.enabled", true},
    {"health", "health.enabled", true},
    {"swagger", "swagger.enabled", true},
    {"debug", "debug.enabled", true},
    {"graphite", "graphite.enabled", true},
    {"opentelemetry", "opentelemetry.enabled", true},
    {NULL, NULL, false},
};

/* A family takes a key only when the resulting path is known, so overlapping starts do no harm. */
const struct hf_flat_key hf__flat_families[] = {
    {"token_", "client.token.", false},
    {"subscription_token_", "client.subscription_token.", false},
    {"api_", "http_api.", false},
    {"redis_", "engine.redis.", false},
    {"tls_autocert_", "http_server.tls_autocert.", false},
    {"log_", "log.", false},
    {"client_", "client.", false},
    {"websocket_", "websocket.", false},
    {"uni_websocket_", "uni_websocket.", false},
    {"uni_sse_", "uni_sse.", false},
    {"uni_http_stream_", "uni_http_stream.", false},
    {"uni_grpc_", "uni_grpc.", false},
    {"sse_", "sse.", false},
    {"http_stream_", "http_stream.", false},
    {"emulation_", "emulation.", false},
    {"webtransport_", "webtransport.", false},
    {"grpc_api_", "grpc_api.", false},
    {"admin_", "admin.", false},
    {"prometheus_", "prometheus.", false},
    {"health_", "health.", false},
    {"swagger_", "swagger.", false},
    {"debug_", "debug.", false},
    {"graphite_", "graphite.", false},
    {"shutdown_", "shutdown.", false},
    {"proxy_connect_", "client.proxy.connect.", false},
    {"proxy_refresh_", "client.proxy.refresh.", false},
    {"proxy_subscribe_", "channel.proxy.subscribe.", false},
    {"proxy_publish_", "channel.proxy.publish.", false},
    {"proxy_sub_refresh_", "channel.proxy.sub_refresh.", false},
    {"proxy_subscribe_stream_", "channel.proxy.subscribe_stream.", false},
    {"proxy_rpc_", "rpc.proxy.", false},
    {"rpc_ping_", "rpc.ping.", false},
    {NULL, NULL, false},
};

const struct hf_old_channel_key hf__old_channel_keys[] = {
    {"recover", "force_recovery", NULL},
    {"position", "force_positioning", NULL},
    {"proxy_subscribe", "subscribe_proxy_enabled", NULL},
    {"proxy_publish", "publish_proxy_enabled", NULL},
    {"proxy_sub_refresh", "sub_refresh_proxy_enabled", NULL},
    {"publish", NULL, "allow_publish_for_client and allow_publish_for_anonymous"},
    {"subscribe_to_publish", NULL, "allow_publish_for_subscriber"},
    {"anonymous", NULL, "allow_subscribe_for_anonymous"},
    {"protected", NULL, "allow_subscribe_for_client where it was false"},
    {"presence_disable_for_client", NULL, "allow_presence_for_subscriber where it was false"},
    {"history_disable_for_client", NULL, "allow_history_for_subscriber where it was false"},
    {NULL, NULL, NULL},
};
/* clang-format on */
