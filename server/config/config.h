#ifndef HF_CONFIG_CONFIG_H
#define HF_CONFIG_CONFIG_H

/* Configuration: one immutable struct, filled from flags, environment, file and defaults.
 *
 * Threads: loading and freeing happen on one thread; between the two nothing is written, so every
 * thread may read a loaded configuration without locks.
 * Ownership: the struct owns every string and array in it; hf_config_free() frees all at once.
 * Units: `_ms` fields are milliseconds, `_bytes` fields bytes. Strings are never NULL; "" = unset.
 * Names, defaults and meanings are those of Centrifugo v6 (docs of that product), except for the
 * section `holdfast`, which is ours; where a meaning differs, the field says so. Ranges are those
 * of the option table (options.c) and are checked: readers need no second check. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"

struct hf_pattern;

enum hf_engine_type {
    HF_ENGINE_TYPE_MEMORY,
    HF_ENGINE_TYPE_REDIS,
};

/* What the payload of a publication must be. */
enum hf_data_format {
    HF_DATA_FORMAT_ANY,         /* option value "": anything but zero bytes */
    HF_DATA_FORMAT_JSON,        /* a JSON value */
    HF_DATA_FORMAT_JSON_OBJECT, /* a JSON object */
    HF_DATA_FORMAT_BINARY,      /* anything, also zero bytes */
};

/* How the server API reports errors. */
enum hf_api_error_mode {
    HF_API_ERROR_MODE_REPLY,     /* option value "": HTTP 200 with an error object */
    HF_API_ERROR_MODE_TRANSPORT, /* mapped HTTP status, body is the bare error object */
};

/* How a client recovers. */
enum hf_recovery_mode {
    HF_RECOVERY_MODE_STREAM, /* option values "" and "stream" */
    HF_RECOVERY_MODE_CACHE,  /* "cache": the newest publication is all that counts */
};

/* What may be subscribed to in a namespace; the peer's other types are not offered. */
enum hf_subscription_type {
    HF_SUBSCRIPTION_TYPE_STREAM, /* option values "" and "stream" */
};

struct hf_string_list {
    char **items; /* owned; NULL when count is 0 */
    size_t count;
};

/* The options of one namespace, or of the channels without one. */
struct hf_channel_options {
    char *name; /* "" for channel.without_namespace */

    uint32_t history_size;  /* publications kept; 0 = no history (then history_ttl_ms is 0 too) */
    int64_t history_ttl_ms; /* whole seconds; idle time after which a stream is emptied */
    int64_t history_meta_ttl_ms; /* whole seconds; never 0: channel.history_meta_ttl is filled in */

    bool force_recovery; /* recovery for every subscription; implies force_positioning */
    bool allow_recovery; /* recovery when the client asks */
    bool force_positioning;
    bool allow_positioning;
    enum hf_recovery_mode force_recovery_mode;
    bool auto_cache_recover; /* with mode cache: everybody recovers, asked or not */

    bool allow_subscribe_for_client;
    bool allow_subscribe_for_anonymous; /* only adds user "" to the former */
    bool allow_user_limited_channels;

    bool allow_publish_for_client;
    bool allow_publish_for_subscriber;
    bool allow_publish_for_anonymous; /* only adds user "" to the two above */

    bool presence;              /* who is subscribed is remembered */
    bool join_leave;            /* who subscribes and unsubscribes is told */
    bool force_push_join_leave; /* ... to every subscriber, asked or not */
    bool allow_presence_for_client;
    bool allow_presence_for_subscriber;
    bool allow_presence_for_anonymous; /* only adds user "" to the two above */

    bool allow_history_for_client;
    bool allow_history_for_subscriber;
    bool allow_history_for_anonymous; /* only adds user "" to the two above */

    enum hf_data_format
        publication_data_format; /* channel.publication_data_format filled in for "" */
    enum hf_subscription_type subscription_type;

    char *channel_regex; /* what follows the namespace must match it; "" = ASCII is all there is to
                            a name */
    struct hf_pattern *channel_pattern; /* made of it; owned; NULL = none */

    struct hf_string_list allowed_delta_types; /* "fossil" or nothing */
    bool delta_publish;                        /* every publication asks for delta delivery */
    bool allow_tags_filter;                    /* subscribers may choose publications by tags */
    bool
        allow_channel_compaction; /* pushes tell numbers instead of names to who understands them */
};

/* Each PEM: the text itself, its base64, or the name of a file. */
struct hf_config_tls {
    bool enabled;
    char *cert_pem;      /* the certificate, then those that signed it */
    char *key_pem;       /* secret when it is no file name */
    char *client_ca_pem; /* "" = clients show no certificate */
};

struct hf_config_http_server {
    char *address;          /* "" = all interfaces */
    uint32_t port;          /* 0 = the kernel picks a free one */
    char *internal_address; /* "" = as address */
    uint32_t internal_port; /* of API, health and metrics; 0 = the same listener */
    struct hf_config_tls tls;
    bool tls_external; /* no TLS on the internal listener */
};

struct hf_config_log {
    enum hf_log_level level;
    char *file; /* "" = standard error */
};

struct hf_config_redis {
    char *address; /* host:port, redis://, tcp:// or unix://; taken apart by the engine */
    char *prefix;  /* of every key and pub/sub channel; not "" */
    uint32_t db;
    char *user;        /* "" = the default user */
    char *password;    /* secret; "" = none */
    char *client_name; /* "" = none */
    int64_t connect_timeout_ms;
    int64_t io_timeout_ms;
    int64_t presence_ttl_ms; /* with the memory engine too */
};

struct hf_config_engine {
    enum hf_engine_type type;
    struct hf_config_redis redis; /* has its defaults also with the memory engine */
};

/* Keys of JSON Web Tokens and what is asked of their claims. "" = not set, not checked. */
struct hf_config_token {
    bool enabled;                                    /* subscription_token only: has its own keys */
    char *hmac_secret_key;                           /* secret; for HS256, HS384 and HS512 */
    char *hmac_previous_secret_key;                  /* secret; tried second */
    uint32_t hmac_previous_secret_key_valid_until_s; /* since 1970; 0 = no limit */
    char *rsa_public_key;                            /* PEM; for RS256, RS384 and RS512 */
    char *ecdsa_public_key;     /* PEM; for the one of ES256, ES384, ES512 that fits its curve */
    char *jwks_public_endpoint; /* URL of the keys, in place of those above */
    char *audience;             /* must be (among) `aud` */
    char *issuer;               /* must be `iss` */
    char *audience_regex;       /* must match one of `aud`; not together with audience */
    char *issuer_regex;         /* must match `iss`; not together with issuer */
    struct hf_pattern *audience_pattern; /* made of them; owned; NULL = none */
    struct hf_pattern *issuer_pattern;
    char *user_id_claim; /* whose value is the user; "" = sub */
};

/* Each user with a connection is subscribed to a channel of his own, `[namespace:]#user`. */
struct hf_config_personal_channel {
    bool enabled;
    bool single_connection;           /* a user's new connection ends the older ones */
    char *personal_channel_namespace; /* "" = the channels without one */
};

struct hf_config_client {
    struct hf_string_list allowed_origins; /* lower case globs, see origin.h */
    int64_t ping_interval_ms;              /* 0 = no pings */
    int64_t pong_timeout_ms;               /* 0 = pongs are not waited for; 0 when pings are off */
    int64_t stale_close_delay_ms;          /* 0 = an unauthenticated connection may stay */
    uint32_t channel_limit;                /* subscriptions of one connection; at least 1 */
    uint64_t queue_max_size_bytes;         /* output queue of one connection; at least 1 */
    uint32_t connection_limit;             /* connections of this node; 0 = no limit */
    uint32_t connection_rate_limit; /* new connections per second of this node; 0 = no limit */
    uint32_t history_max_publication_limit;  /* per history call; 0 = no limit */
    uint32_t recovery_max_publication_limit; /* per recovery; 0 = all that the stream holds */
    int64_t presence_update_interval_ms;     /* at least 1 s; below presence_ttl_ms */
    bool insecure;
    bool allow_anonymous_connect_without_token;
    bool disallow_anonymous_connection_tokens;
    bool insecure_skip_token_signature_verify;
    struct hf_config_token token;
    struct hf_config_token subscription_token; /* counts when enabled; else those of `token` do */
    struct hf_config_personal_channel subscribe_to_user_personal_channel;
    int64_t expired_close_delay_ms;     /* from a connection's expiry until it is closed */
    int64_t expired_sub_close_delay_ms; /* from a subscription's expiry until it is ended */
    uint32_t user_connection_limit;     /* of one user on this node; 0 = no limit */
    bool connect_include_server_time;
};

struct hf_config_websocket {
    bool disabled;
    char *handler_prefix;                /* starts with '/', does not end with it */
    uint64_t message_size_limit_bytes;   /* of one incoming message, decompressed; at least 1 */
    bool compression;                    /* permessage-deflate for clients that offer it */
    uint64_t compression_min_size_bytes; /* shorter messages are sent as they are */
    uint32_t compression_level;          /* 1 (fast) to 9 (small) */
    int64_t write_timeout_ms;            /* at least 1 */
};

/* http_stream, sse, emulation (always enabled), uni_sse, uni_http_stream, uni_websocket */
struct hf_config_stream {
    bool enabled;
    char *handler_prefix;                 /* starts with '/' */
    uint64_t max_request_body_size_bytes; /* uni_websocket: of one message */
    int64_t write_timeout_ms;             /* uni_websocket only */
};

struct hf_config_channel {
    uint32_t max_length_bytes;
    char *private_prefix;     /* "" = no private channels */
    char *namespace_boundary; /* "" = no namespaces */
    char *user_boundary;      /* "" = no user-limited channels */
    char *user_separator;     /* "" = one user only */
    int64_t history_meta_ttl_ms;
    enum hf_data_format publication_data_format;
    struct hf_channel_options without_namespace;
    struct hf_channel_options *namespaces; /* namespace_count of them; NULL for none */
    size_t namespace_count;
    uint32_t *namespace_slots;    /* hash table: 0 = free, else index + 1; NULL for no namespaces */
    uint32_t namespace_slot_mask; /* number of slots - 1; the number is a power of two */
};

struct hf_config_http_api {
    bool disabled;
    bool insecure; /* no key is asked for */
    bool external; /* with an internal listener: the API stays on the clients' */
    char *handler_prefix;
    char *key; /* secret; "" = every call is refused unless insecure */
    enum hf_api_error_mode error_mode;
};

struct hf_config_prometheus {
    bool enabled;
    char *handler_prefix;
};

struct hf_config_health {
    bool enabled; /* true by default, unlike the peer */
    char *handler_prefix;
};

/* Limits and knobs that the peer does not have. */
struct hf_config_holdfast {
    uint32_t workers;                /* never 0 after loading: the number of cores is filled in */
    int64_t linger_ms;               /* a stream without subscribers stays warm; 0 = not at all */
    uint32_t lingering_streams_max;  /* of the node */
    uint32_t tail_max_publications;  /* per stream */
    uint64_t tail_max_bytes;         /* per stream */
    uint64_t tails_max_bytes;        /* all streams of the node */
    uint32_t page_max_publications;  /* one page of recovered publications */
    uint64_t page_max_bytes;         /* same */
    int64_t presence_leave_delay_ms; /* a user who is back within it has not left; 0 = off */
    int64_t store_wait_ms;           /* requests wait so long for a store that is away */
    int64_t redis_probe_interval_ms; /* Redis proves so often that it delivers, and its role */
    int64_t node_timeout_ms;         /* another node is given up after so long a silence */
    int64_t node_hello_ms;           /* other nodes have so long to make themselves known */
    uint32_t awaited_nodes_max;      /* other nodes waited for after the store was lost */
    uint32_t witnesses_max;          /* positions remembered of channels not followed here */
    uint64_t witnesses_max_bytes;    /* the same in bytes */
    int64_t witness_ttl_ms;          /* one that nothing is heard of for so long is forgotten */
    uint32_t idle_channels_max;      /* Redis: unused channels whose epoch is remembered */
    int64_t idle_channel_ttl_ms;     /* ... for so long */
    uint32_t memory_keys_max;        /* memory engine: idempotency keys remembered */
    uint32_t memory_versions_max;    /* memory engine: channels' last versions remembered */
    uint32_t pending_requests_max;   /* requests waiting inside the engine */
    uint64_t pending_bytes_max;      /* payload bytes waiting for the store */
    uint64_t publication_max_bytes;  /* one publication with its channel, info and tags */
    uint32_t loads_in_flight_max;    /* reads of streams asked of the store at once */
    uint64_t mailbox_max_bytes;      /* one worker's mailbox from the engine */
    uint64_t inbox_max_bytes;        /* what other workers hand to one worker */
    int64_t delivery_rest_max_ms;    /* longest rest after a fan-out, below 1 s; 0 = none */
    uint32_t session_requests_max;   /* commands of one client waiting for the engine */
    uint64_t delta_max_bytes;        /* larger payloads are always sent in full */
    uint64_t tags_filter_max_bytes;  /* memory of one subscriber's filter */
    uint32_t tags_filter_max_depth;  /* nodes from its root to a leaf */
    uint32_t regex_match_limit;      /* steps of one match of a regular expression */
    uint64_t regex_memory_max_bytes; /* memory of one such match */
    int64_t jwks_ttl_ms;             /* keys of an address are fetched anew after it */
    int64_t jwks_retry_ms;           /* ... and never twice within it */
    int64_t jwks_timeout_ms;         /* of one fetch */
    uint64_t jwks_max_bytes;         /* of an answer */
    uint32_t jwks_max_keys;          /* in it */
    uint32_t broadcast_channels_max; /* channels in one broadcast call */
    uint32_t batch_commands_max;     /* commands in one request of the server API */
    uint32_t surveys_max;            /* calls of `channels` that a worker has open */
    uint32_t survey_channels_max;    /* channels in one answer to it */
    int64_t survey_timeout_ms;       /* nodes must have answered it within this */
    uint32_t registry_nodes_max;     /* other nodes remembered */
    int64_t registry_interval_ms;    /* a node tells the others of itself so often */
    int64_t registry_timeout_ms;     /* one that is silent for so long is forgotten */
    uint64_t http_body_max_bytes;    /* request body of the server API */
    uint64_t http_header_max_bytes;  /* request line and headers of any request */
    int64_t http_timeout_ms;         /* a request must be complete within it */
    bool poll_enabled;
    char *poll_handler_prefix;    /* starts with '/' */
    int64_t poll_max_wait_ms;     /* a poll's longest wait; whole seconds */
    int64_t http_idle_timeout_ms; /* keep-alive connection without a request */
    int64_t tls_handshake_timeout_ms;
    bool io_uring; /* a turn's writes go to the kernel in one call, where it permits that */
};

struct hf_config {
    struct hf_config_http_server http_server;
    struct hf_config_log log;
    struct hf_config_engine engine;
    struct hf_config_client client;
    struct hf_config_websocket websocket;
    struct hf_config_stream http_stream;
    struct hf_config_stream sse;
    struct hf_config_stream emulation;
    struct hf_config_stream uni_sse;
    struct hf_config_stream uni_http_stream;
    struct hf_config_stream uni_websocket;
    struct hf_config_channel channel;
    struct hf_config_http_api http_api;
    struct hf_config_health health;
    struct hf_config_prometheus prometheus;
    struct hf_config_holdfast holdfast;
    char *node_name;                  /* `<hostname>_<port>` is filled in when not set */
    int64_t info_metrics_interval_ms; /* `info` tells what was done in so long */
    char *pid_file;                   /* "" = none is written */
    int64_t shutdown_timeout_ms;
};

/* What the caller of hf_config_load() has to do. */
enum hf_config_status {
    HF_CONFIG_LOADED,      /* config is set; log the warnings and go on */
    HF_CONFIG_HELP,        /* print text to standard output, exit 0 */
    HF_CONFIG_VERSION,     /* print text to standard output, exit 0 */
    HF_CONFIG_BAD_USAGE,   /* a flag is wrong: print errors to standard error, exit 2 */
    HF_CONFIG_BAD_CONTENT, /* a value or key is wrong: print errors to standard error, exit 1 */
    HF_CONFIG_NO_MEMORY,   /* nothing is set, exit 1 */
};

struct hf_config_result {
    struct hf_config *config;       /* NULL unless HF_CONFIG_LOADED; may be taken: set it to NULL */
    char *text;                     /* HELP and VERSION, else NULL */
    struct hf_string_list errors;   /* all that were found, each "source: key: what is wrong" */
    struct hf_string_list warnings; /* same form; may be there with every status */
};

/* Reads the configuration. Later sources win: defaults, file, environment, flags.
 * argv (argc entries, argv[0] is the program) and envp (NULL-terminated "NAME=value") are borrowed
 * until return. Without -c/--config, `config.json` in the working directory is read when it exists.
 * Fills *result in every case; end with hf_config_result_fini(). No value of a secret option ever
 * appears in a message. */
enum hf_config_status hf_config_load(struct hf_config_result *result, int argc,
                                     const char *const argv[], const char *const envp[])
    __attribute__((warn_unused_result));

/* As hf_config_load, for a node that runs with `present`: options that only count at the start keep
 * their present values, and what comes of that is checked again. With HF_CONFIG_LOADED the lists
 * (zeroed by the caller, freed with hf_config_list_fini) name the options that have changed: those
 * that now count, and those that wait for a restart. No help and no version is answered. */
enum hf_config_status
hf_config_reload(struct hf_config_result *result, const struct hf_config *present, int argc,
                 const char *const argv[], const char *const envp[], struct hf_string_list *changed,
                 struct hf_string_list *waiting) __attribute__((warn_unused_result));
void hf_config_list_fini(struct hf_string_list *list);

/* All options as a file at `path` (NULL: none) sets them, defaults elsewhere, as a new file could
 * have them: JSON in the v6 layout, secrets in the clear, nothing filled in that depends on the
 * machine. The caller frees the text; NULL with errors in *result, or when memory is out. */
char *hf_config_expand(const char *path, struct hf_config_result *result)
    __attribute__((warn_unused_result));

/* Frees what the result still owns. A zeroed result is fine. */
void hf_config_result_fini(struct hf_config_result *result);

/* Frees a configuration that was taken out of a result; NULL is fine. */
void hf_config_free(struct hf_config *config);

/* The configuration in effect as JSON (v6 layout, indented), secrets shown as "***". The caller
 * frees the text; NULL when memory is out. */
char *hf_config_describe(const struct hf_config *config) __attribute__((warn_unused_result));

/* The namespace with that name (len bytes, borrowed), or NULL. Reads only; a hash lookup. */
const struct hf_channel_options *hf_config_find_namespace(const struct hf_config *config,
                                                          const char *name, size_t len)
    __attribute__((warn_unused_result));

#endif
