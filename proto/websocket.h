/* WebSocket (RFC 6455), server side: the handshake's decisions, and frames as bytes. No I/O. Pure
 * functions, any thread; a reader belongs to one connection. Of extensions only permessage-deflate
 * is known (deflate.h): other reserved bits are refused. Text messages are not checked
 * for UTF-8 here: the command decoder does it. */
#ifndef HF_PROTO_WEBSOCKET_H
#define HF_PROTO_WEBSOCKET_H

#include "buffer.h"
#include "reply.h"
#include "slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hf_websocket_opcode {
    HF_WEBSOCKET_CONTINUATION = 0x0,
    HF_WEBSOCKET_TEXT = 0x1,
    HF_WEBSOCKET_BINARY = 0x2,
    HF_WEBSOCKET_CLOSE = 0x8,
    HF_WEBSOCKET_PING = 0x9,
    HF_WEBSOCKET_PONG = 0xa,
};

/* Close codes of the RFC that this side sends or understands. */
enum hf_websocket_close_code {
    HF_WEBSOCKET_CLOSE_NORMAL = 1000,
    HF_WEBSOCKET_CLOSE_GOING_AWAY = 1001,
    HF_WEBSOCKET_CLOSE_PROTOCOL_ERROR = 1002,
    HF_WEBSOCKET_CLOSE_NO_STATUS = 1005, /* never sent: "the close frame carried no code" */
    HF_WEBSOCKET_CLOSE_INVALID_DATA = 1007,
    HF_WEBSOCKET_CLOSE_TOO_BIG = 1009,
    HF_WEBSOCKET_CLOSE_INTERNAL = 1011,
};

/* Longest header of a server frame; shortest and longest of a client frame (with mask). */
#define HF_WEBSOCKET_SERVER_HEADER_MAX 10
#define HF_WEBSOCKET_CLIENT_HEADER_MIN 6
#define HF_WEBSOCKET_CLIENT_HEADER_MAX 14
/* Longest payload of a control frame. */
#define HF_WEBSOCKET_CONTROL_MAX     125
#define HF_WEBSOCKET_CLOSE_FRAME_MAX (2 + HF_WEBSOCKET_CONTROL_MAX)
#define HF_WEBSOCKET_ACCEPT_LEN      28

/* ---- handshake ---- */

struct hf_websocket_handshake { /* values of a request; empty = header absent; all borrowed */
    struct hf_slice method;
    unsigned http_major;
    unsigned http_minor;
    struct hf_slice connection; /* repeated headers joined with ", " */
    struct hf_slice upgrade;
    struct hf_slice version; /* Sec-WebSocket-Version */
    struct hf_slice key;     /* Sec-WebSocket-Key */
};

/* 101 when the upgrade may be answered, else the HTTP status to refuse it with (400 or 405). */
int hf_websocket_handshake_status(const struct hf_websocket_handshake *handshake);

/* What accept keys are made with. Made once for many, since it costs more than they do; used by one
 * thread at a time. */
struct hf_websocket_hash;

/* NULL: no memory, or the library refuses SHA-1. */
struct hf_websocket_hash *hf_websocket_hash_new(void);
void hf_websocket_hash_free(struct hf_websocket_hash *hash); /* NULL: nothing */

/* Sec-WebSocket-Accept for a key: 28 characters and a NUL. False when the library fails or the key
 * is not one that hf_websocket_handshake_status accepts. */
bool hf_websocket_accept_key(struct hf_websocket_hash *hash, struct hf_slice key,
                             char out[HF_WEBSOCKET_ACCEPT_LEN + 1]);

/* Picks from Sec-WebSocket-Protocol the first of the client's entries that is known, and gives it
 * in *chosen (static text) to be echoed; empty when none is, and then the header is left out.
 * Returns the encoding, JSON by default. */
enum hf_encoding hf_websocket_choose_subprotocol(struct hf_slice header, struct hf_slice *chosen);

/* ---- reading ---- */

enum hf_websocket_result {
    HF_WEBSOCKET_NEED_MORE, /* nothing taken; frame.total_len says how many bytes are needed at
                               least */
    HF_WEBSOCKET_FRAME,     /* a frame (parse), or one that completes nothing (read) */
    HF_WEBSOCKET_MESSAGE,   /* read only: a whole text or binary message */
    HF_WEBSOCKET_CONTROL,   /* read only: a close, ping or pong */
    HF_WEBSOCKET_ERROR,     /* close the connection with close_code */
};

struct hf_websocket_frame {
    enum hf_websocket_opcode opcode;
    bool fin;
    bool is_compressed;  /* RSV1: only on the first frame of a data message */
    char *payload;       /* in the caller's bytes, unmasked in place */
    size_t payload_len;  /* bytes */
    size_t total_len;    /* bytes of the frame, header included; with NEED_MORE a lower bound */
    uint16_t close_code; /* only with ERROR: 1002 or 1009 */
    const char *reason;  /* only with ERROR: static text for logs */
};

/* Parses the frame at the start of `data`. allows_deflate: RSV1 may be set. Payload limits are
 * judged as soon as the header is there. The payload is unmasked in place when the frame is
 * complete, so a frame that was returned must not be parsed again. data: the caller's, written to.
 * max_payload: bytes, for data frames,
 * <= SIZE_MAX / 2.
 * Returns NEED_MORE, FRAME or ERROR. */
enum hf_websocket_result hf_websocket_parse(char *data, size_t len, size_t max_payload,
                                            bool allows_deflate, struct hf_websocket_frame *frame);

/* Puts fragments together. A message in one frame is handed out in place, without a copy. */
struct hf_websocket_reader {
    struct hf_buffer fragments;      /* of the open message; its max is the message limit */
    enum hf_websocket_opcode opcode; /* of the open message; CONTINUATION = none is open */
    bool is_delivered;               /* fragments holds a message that was handed out */
    bool is_compressed;              /* the open message is */
    bool allows_deflate;             /* permessage-deflate was negotiated; set after init */
};

struct hf_websocket_message {
    enum hf_websocket_opcode opcode; /* TEXT or BINARY; CLOSE, PING, PONG with CONTROL */
    bool is_compressed;              /* MESSAGE: payload is to be inflated (hf_inflate) */
    struct hf_slice payload;         /* valid until the next call with the reader or the data */
    size_t consumed;     /* bytes of data that are done with (0 with NEED_MORE, ERROR) */
    size_t needed;       /* with NEED_MORE: lower bound of the bytes to collect */
    uint16_t close_code; /* only with ERROR: 1002, 1009 or 1011 (no memory) */
    const char *reason;  /* only with ERROR: static text for logs */
};

/* max_message: bytes over all fragments, 1..SIZE_MAX / 2. Allocates nothing until a fragment comes.
 */
void hf_websocket_reader_init(struct hf_websocket_reader *reader, size_t max_message);
void hf_websocket_reader_fini(struct hf_websocket_reader *reader);

/* Takes one frame from the start of `data`. Control frames may come between fragments. After ERROR
 * the reader must not be used again but for fini. */
enum hf_websocket_result hf_websocket_read(struct hf_websocket_reader *reader, char *data,
                                           size_t len, struct hf_websocket_message *message);

struct hf_websocket_close {
    uint16_t code; /* 1005 when the frame was empty */
    struct hf_slice reason;
};

/* Decodes the payload of a close frame. Returns 0, or the code to close with: 1002 (one byte, or a
 * code that must not be sent), 1007 (the reason is not UTF-8). */
uint16_t hf_websocket_parse_close(struct hf_slice payload, struct hf_websocket_close *close);

/* XORs len bytes with the 4-byte mask; `phase` is how many mask bytes were used before. */
void hf_websocket_unmask(char *data, size_t len, const unsigned char mask[4], size_t phase);

/* ---- writing ---- */

/* Header of a final, unmasked frame. Returns its length, 2-10. */
size_t hf_websocket_header(enum hf_websocket_opcode opcode, uint64_t payload_len,
                           char out[HF_WEBSOCKET_SERVER_HEADER_MAX]);

/* A whole close frame; the reason is cut at a character boundary to fit 123 bytes. code 1005 makes
 * an empty one. Returns its length. */
size_t hf_websocket_close_frame(uint16_t code, struct hf_slice reason,
                                char out[HF_WEBSOCKET_CLOSE_FRAME_MAX]);

#endif
