/* Reply: what the server tells clients, and the table of functions that encode it. Pure functions,
 * any thread. A connection picks one hf_encoder at its handshake and never asks again which it is.
 *
 * Every function appends exactly one message to the buffer (no separator; see
 * hf_encoder.separator), borrows its arguments until return, and reports failure only through
 * hf_buffer_failed(). Zero and empty fields are left out where the protocol says so. Texts must be
 * valid UTF-8. "Raw" slices are payloads: with JSON they must be valid JSON and are copied through
 * byte for byte except for line breaks between tokens; with Protobuf they are any bytes. What is
 * called a JSON object here (info_raw, tags) is one in every encoding: the Protobuf encoder takes
 * it apart, and leaves out members that are not of the right type or no text (a lone surrogate). */
#ifndef HF_PROTO_REPLY_H
#define HF_PROTO_REPLY_H

#include "buffer.h"
#include "encoding.h"
#include "slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_client_info {
    struct hf_slice user;      /* always written */
    struct hf_slice client;    /* always written */
    struct hf_slice conn_info; /* raw */
    struct hf_slice chan_info; /* raw */
};

struct hf_wire_publication {
    struct hf_slice data;              /* raw; with data_is_text any UTF-8 text */
    const struct hf_client_info *info; /* NULL = absent, or given by info_raw */
    struct hf_slice info_raw;          /* JSON object of a client info; wins over info */
    struct hf_slice tags;              /* JSON object of strings */
    struct hf_slice channel;           /* only where it differs from the push's channel */
    struct hf_slice key;
    struct hf_slice epoch;
    uint64_t offset;   /* 0 = no position */
    uint64_t version;  /* 0 = none */
    bool data_is_text; /* write data as a JSON string (delta was negotiated) */
    bool delta;        /* data is a patch */
};

/* How a push names its channel. */
struct hf_push_channel {
    struct hf_slice name;
    uint32_t id; /* not 0: told instead of the name, to clients that were given it (compaction) */
};

static inline struct hf_push_channel hf_push_channel(struct hf_slice name)
{
    return (struct hf_push_channel){.name = name};
}

struct hf_subscribe_reply {
    bool expires;
    uint32_t ttl; /* seconds */
    bool recoverable;
    bool positioned;
    bool recovered;
    bool was_recovering;
    bool delta;
    uint32_t id; /* of the channel in later pushes; 0 = they name it */
    struct hf_slice epoch;
    uint64_t offset;
    struct hf_slice data;             /* raw */
    struct hf_slice publications_raw; /* a list built with hf_encoder.publication_list_add */
};

struct hf_connect_result_sub {
    struct hf_slice channel;
    struct hf_subscribe_reply result;
};

struct hf_connect_result {
    struct hf_slice client;
    struct hf_slice version;
    bool expires;
    bool pong;
    uint32_t ttl;                             /* seconds */
    uint32_t ping;                            /* seconds */
    struct hf_slice data;                     /* raw */
    const struct hf_connect_result_sub *subs; /* subs_count; channels differ */
    size_t subs_count;
    struct hf_slice session;
    struct hf_slice node;
    int64_t time; /* ms since 1970, 0 = absent */
};

struct hf_history_result {
    struct hf_slice publications_raw; /* a list built with hf_encoder.publication_list_add */
    struct hf_slice epoch;
    uint64_t offset;
};

struct hf_presence_entry {
    struct hf_slice client;            /* the key; unique within the result */
    const struct hf_client_info *info; /* NULL = given by info_raw */
    struct hf_slice info_raw;          /* JSON object of a client info; wins over info */
};

struct hf_subscribe_push {
    bool recoverable;
    bool positioned;
    struct hf_slice epoch;
    uint64_t offset;
    struct hf_slice data; /* raw */
};

struct hf_encoder {
    enum hf_encoding encoding;
    /* What stands between two messages in one frame, if anything. */
    struct hf_slice separator;

    /* Replies. id: of the command, > 0. */
    void (*error)(struct hf_buffer *buffer, uint32_t id, uint32_t code, struct hf_slice message,
                  bool temporary);
    void (*connect)(struct hf_buffer *buffer, uint32_t id, const struct hf_connect_result *result);
    void (*subscribe)(struct hf_buffer *buffer, uint32_t id,
                      const struct hf_subscribe_reply *result);
    void (*unsubscribe)(struct hf_buffer *buffer, uint32_t id);
    void (*publish)(struct hf_buffer *buffer, uint32_t id);
    void (*history)(struct hf_buffer *buffer, uint32_t id, const struct hf_history_result *result);
    void (*presence)(struct hf_buffer *buffer, uint32_t id, const struct hf_presence_entry *entries,
                     size_t count);
    void (*presence_stats)(struct hf_buffer *buffer, uint32_t id, uint32_t num_clients,
                           uint32_t num_users);
    void (*rpc)(struct hf_buffer *buffer, uint32_t id, struct hf_slice data);
    void (*refresh)(struct hf_buffer *buffer, uint32_t id, bool expires, uint32_t ttl);
    void (*sub_refresh)(struct hf_buffer *buffer, uint32_t id, bool expires, uint32_t ttl);

    /* Pushes. info_raw of join and leave: a client info as JSON object, wins over info. */
    void (*push_publication)(struct hf_buffer *buffer, struct hf_push_channel channel,
                             const struct hf_wire_publication *publication);
    void (*push_join)(struct hf_buffer *buffer, struct hf_push_channel channel,
                      const struct hf_client_info *info, struct hf_slice info_raw);
    void (*push_leave)(struct hf_buffer *buffer, struct hf_push_channel channel,
                       const struct hf_client_info *info, struct hf_slice info_raw);
    void (*push_subscribe)(struct hf_buffer *buffer, struct hf_slice channel,
                           const struct hf_subscribe_push *push);
    void (*push_unsubscribe)(struct hf_buffer *buffer, struct hf_slice channel, uint32_t code,
                             struct hf_slice reason);
    void (*push_message)(struct hf_buffer *buffer, struct hf_slice data);
    void (*push_disconnect)(struct hf_buffer *buffer, uint32_t code, struct hf_slice reason);
    void (*push_refresh)(struct hf_buffer *buffer, bool expires, uint32_t ttl);
    void (*ping)(struct hf_buffer *buffer);

    /* Adds a publication to a list for publications_raw. The list buffer starts empty and holds
     * nothing else; its content is opaque and may be kept and sent to many clients. */
    void (*publication_list_add)(struct hf_buffer *list,
                                 const struct hf_wire_publication *publication);
};

extern const struct hf_encoder hf_encoder_json;
/* For unidirectional transports: pushes without the object around them, {"channel":..,"pub":..}.
 * `connect` is a push here (its id is not written); the other replies are NULL, as nobody asks. */
extern const struct hf_encoder hf_encoder_json_bare;
/* For long polling: a publication's push is the publication alone; else as the one above. */
extern const struct hf_encoder hf_encoder_json_item;
extern const struct hf_encoder hf_encoder_protobuf;

/* The encoder of an encoding, static. */
const struct hf_encoder *hf_encoder_of(enum hf_encoding encoding);

/* The code's error with its canonical message and flag; the code must be in HF_ERROR_CODES. */
void hf_reply_error(const struct hf_encoder *encoder, struct hf_buffer *buffer, uint32_t id,
                    uint32_t code);

/* Starts a further message in a frame: appends the separator unless `frame` is empty. */
void hf_reply_separate(const struct hf_encoder *encoder, struct hf_buffer *frame);

/* JSON objects alone, for the HTTP API: {"data":...,"offset":...} and {"user":...,"client":...}. */
void hf_reply_json_publication(struct hf_buffer *buffer,
                               const struct hf_wire_publication *publication);
void hf_reply_json_client_info(struct hf_buffer *buffer, const struct hf_client_info *info);

#endif
