/* Wire: what a client and a server say to each other inside WebSocket messages, for the load
 * generator: the Centrifuge protocol in JSON and in Protobuf, what nchan sends (payloads alone),
 * and Socket.IO (its default text encoding). Pure functions, any thread. */
#ifndef HF_BENCH_WIRE_H
#define HF_BENCH_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "slice.h"

#define HF_WIRE_EPOCH_MAX 64 /* bytes, with the NUL */

struct hf_wire_position {
    char epoch[HF_WIRE_EPOCH_MAX];
    uint64_t offset;
};

enum hf_wire_kind {
    HF_WIRE_CONNECTED,
    HF_WIRE_SUBSCRIBED,  /* position, recovered */
    HF_WIRE_PUBLICATION, /* data, offset; those of a subscribe reply come before its SUBSCRIBED */
    HF_WIRE_PUBLISHED,   /* id: the answer to a publish */
    HF_WIRE_PING,        /* to be answered with pong */
};

struct hf_wire_event {
    enum hf_wire_kind kind;
    uint32_t id;
    bool recovered;
    bool has_position;
    struct hf_slice epoch;
    uint64_t offset; /* 0: none */
    struct hf_slice data;
};

struct hf_wire_sink {
    void *context;
    void (*take)(void *context, const struct hf_wire_event *event);
};

struct hf_wire {
    const char *name;
    const char *path;        /* of the WebSocket, by default; %s is the channel where it is in it */
    const char *subprotocol; /* NULL: none */
    bool is_binary;
    bool is_by_path; /* connecting subscribes: nothing is said */

    /* Each appends one message as it stands in a WebSocket frame. since: NULL, or where to recover
     * from. data: JSON text. */
    void (*connect)(struct hf_buffer *out, uint32_t id);
    void (*subscribe)(struct hf_buffer *out, uint32_t id, struct hf_slice channel,
                      const struct hf_wire_position *since);
    void (*publish)(struct hf_buffer *out, uint32_t id, struct hf_slice channel,
                    struct hf_slice data);
    void (*pong)(struct hf_buffer *out);

    /* Takes the next message off the front of a frame. False: the frame is cut short. */
    bool (*split)(struct hf_slice *frame, struct hf_slice *message);
    /* Tells the sink what a message says. Returns NULL, or what is wrong: static text. An error
     * that the server reports is wrong too. */
    const char *(*read)(struct hf_slice message, const struct hf_wire_sink *sink);
};

extern const struct hf_wire hf_wire_json;
extern const struct hf_wire hf_wire_protobuf;
extern const struct hf_wire hf_wire_nchan;
extern const struct hf_wire hf_wire_socketio;

/* By name; NULL: there is none. */
const struct hf_wire *hf_wire_of(const char *name);

#endif
