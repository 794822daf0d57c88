#include "deflate.h"

#include <limits.h>
#include <stdlib.h>

#include <zlib.h>

enum {
    WINDOW_BITS = 15,
    MEMORY_LEVEL = 8,
    STEP = 4096, /* bytes by which the output grows */
};

/* What ends a flushed block; not sent with a message (RFC 7692, 7.2.1). */
static const unsigned char TAIL[4] = {0x00, 0x00, 0xff, 0xff};

struct hf_deflater {
    z_stream stream;
};

struct hf_inflater {
    z_stream stream;
};

/* --- negotiation ------------------------------------------------------------------------------ */

static struct hf_slice trim(struct hf_slice text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = hf_slice(text.data + 1, text.len - 1);
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* Takes the next part up to `separator`, trimmed; false at the end of the text. */
static bool next_part(struct hf_slice *text, char separator, struct hf_slice *part)
{
    if (text->data == NULL) {
        return false;
    }
    const char *end = memchr(text->data, separator, text->len);
    size_t len = end != NULL ? (size_t)(end - text->data) : text->len;
    *part = trim(hf_slice(text->data, len));
    *text = end != NULL ? hf_slice(end + 1, text->len - len - 1) : hf_slice(NULL, 0);
    return true;
}

/* 8 to 15, also quoted; 0: anything else. */
static int window_bits(struct hf_slice value)
{
    if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"') {
        value = hf_slice(value.data + 1, value.len - 2);
    }
    if (value.len == 1 && (value.data[0] == '8' || value.data[0] == '9')) {
        return value.data[0] - '0';
    }
    if (value.len == 2 && value.data[0] == '1' && value.data[1] >= '0' && value.data[1] <= '5') {
        return 10 + value.data[1] - '0';
    }
    return 0;
}

enum parameter {
    SERVER_NO_CONTEXT = 1,
    CLIENT_NO_CONTEXT = 2,
    SERVER_WINDOW = 4,
    CLIENT_WINDOW = 8,
};

/* The parameter's bit, or 0 when the offer cannot be taken because of it. */
static unsigned check_parameter(struct hf_slice text)
{
    const char *equals = text.len > 0 ? memchr(text.data, '=', text.len) : NULL;
    size_t name_len = equals != NULL ? (size_t)(equals - text.data) : text.len;
    struct hf_slice name = trim(hf_slice(text.data, name_len));
    struct hf_slice value =
        equals != NULL ? trim(hf_slice(equals + 1, text.len - name_len - 1)) : hf_slice(NULL, 0);
    if (hf_slice_equal_fold(name, HF_SLICE("server_no_context_takeover"))) {
        return equals == NULL ? SERVER_NO_CONTEXT : 0;
    }
    if (hf_slice_equal_fold(name, HF_SLICE("client_no_context_takeover"))) {
        return equals == NULL ? CLIENT_NO_CONTEXT : 0;
    }
    if (hf_slice_equal_fold(name, HF_SLICE("client_max_window_bits"))) {
        return equals == NULL || window_bits(value) != 0 ? CLIENT_WINDOW : 0;
    }
    /* It would have to be answered even where it is the largest: that offer is left to others. */
    return 0;
}

static bool is_acceptable(struct hf_slice offer)
{
    struct hf_slice part;
    unsigned seen = 0;
    if (!next_part(&offer, ';', &part) ||
        !hf_slice_equal_fold(part, HF_SLICE("permessage-deflate"))) {
        return false;
    }
    while (next_part(&offer, ';', &part)) {
        unsigned bit = check_parameter(part);
        if (bit == 0 || (seen & bit) != 0) {
            return false;
        }
        seen |= bit;
    }
    return true;
}

bool hf_websocket_accepts_deflate(struct hf_slice header)
{
    struct hf_slice offer;
    while (next_part(&header, ',', &offer)) {
        if (is_acceptable(offer)) {
            return true;
        }
    }
    return false;
}

/* --- compressing ------------------------------------------------------------------------------ */

struct hf_deflater *hf_deflater_new(int level)
{
    struct hf_deflater *deflater = calloc(1, sizeof(*deflater));
    if (deflater == NULL) {
        return NULL;
    }
    if (deflateInit2(&deflater->stream, level, Z_DEFLATED, -WINDOW_BITS, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(deflater);
        return NULL;
    }
    return deflater;
}

void hf_deflater_free(struct hf_deflater *deflater)
{
    if (deflater != NULL) {
        (void)deflateEnd(&deflater->stream); /* tells only that a message was cut short */
        free(deflater);
    }
}

/* Room at the end of the buffer, of at least `least` bytes, as the stream's output. */
static bool give_room(z_stream *stream, struct hf_buffer *out, size_t least)
{
    if (!hf_buffer_reserve(out, least)) {
        return false;
    }
    size_t room = out->capacity - out->len;
    stream->next_out = (Bytef *)out->data + out->len;
    stream->avail_out = room < UINT_MAX ? (uInt)room : UINT_MAX;
    return true;
}

static void give_input(z_stream *stream, const void *data, size_t len)
{
    stream->next_in = (Bytef *)(uintptr_t)data;
    stream->avail_in = (uInt)len;
}

bool hf_deflate(struct hf_deflater *deflater, struct hf_slice message, struct hf_buffer *out)
{
    z_stream *stream = &deflater->stream;
    if (message.len > UINT_MAX || deflateReset(stream) != Z_OK) {
        out->failed = true;
        return false;
    }
    give_input(stream, message.data, message.len);
    do {
        if (!give_room(stream, out, STEP)) {
            return false;
        }
        (void)deflate(stream, Z_SYNC_FLUSH); /* cannot fail with a valid stream and room */
        out->len = (size_t)((char *)stream->next_out - out->data);
    } while (stream->avail_out == 0);
    hf_buffer_truncate(out, out->len - sizeof(TAIL));
    return true;
}

/* --- decompressing ---------------------------------------------------------------------------- */

struct hf_inflater *hf_inflater_new(void)
{
    struct hf_inflater *inflater = calloc(1, sizeof(*inflater));
    if (inflater == NULL) {
        return NULL;
    }
    if (inflateInit2(&inflater->stream, -WINDOW_BITS) != Z_OK) {
        free(inflater);
        return NULL;
    }
    return inflater;
}

void hf_inflater_free(struct hf_inflater *inflater)
{
    if (inflater != NULL) {
        (void)inflateEnd(&inflater->stream); /* fails only for a broken stream */
        free(inflater);
    }
}

/* Takes all of the input. One byte above `max` is enough to know. */
static enum hf_inflate_result take_input(z_stream *stream, size_t max, struct hf_buffer *out)
{
    for (;;) {
        size_t left = max - out->len + 1;
        if (!give_room(stream, out, left < STEP ? left : STEP)) {
            return HF_INFLATE_NO_MEMORY;
        }
        stream->avail_out = stream->avail_out < left ? stream->avail_out : (uInt)left;
        int result = inflate(stream, Z_SYNC_FLUSH);
        out->len = (size_t)((char *)stream->next_out - out->data);
        if (out->len > max) {
            return HF_INFLATE_TOO_BIG;
        }
        if (result == Z_MEM_ERROR) {
            return HF_INFLATE_NO_MEMORY;
        }
        if (result == Z_STREAM_END) {
            /* A block that calls itself the last: another stream may follow (RFC 7692, 7.2.3.5). */
            if (inflateReset(stream) != Z_OK) {
                return HF_INFLATE_BAD;
            }
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            return HF_INFLATE_BAD;
        }
        if (stream->avail_in == 0 && stream->avail_out > 0) {
            return HF_INFLATE_OK;
        }
    }
}

/* Whether a block has just ended and nothing of the next one has come (zlib.h, inflate). */
static bool is_between_blocks(const z_stream *stream)
{
    return (stream->data_type & 128) != 0 && (stream->data_type & 7) == 0;
}

enum hf_inflate_result hf_inflate(struct hf_inflater *inflater, struct hf_slice payload, size_t max,
                                  struct hf_buffer *out)
{
    z_stream *stream = &inflater->stream;
    hf_buffer_reset(out);
    if (payload.len > UINT_MAX || max >= SIZE_MAX / 2 || inflateReset(stream) != Z_OK) {
        return HF_INFLATE_BAD;
    }
    give_input(stream, payload.data, payload.len);
    enum hf_inflate_result result = take_input(stream, max, out);
    if (result != HF_INFLATE_OK) {
        return result;
    }
    give_input(stream, TAIL, sizeof(TAIL));
    result = take_input(stream, max, out);
    if (result != HF_INFLATE_OK) {
        return result;
    }
    return is_between_blocks(stream) ? HF_INFLATE_OK : HF_INFLATE_BAD;
}
