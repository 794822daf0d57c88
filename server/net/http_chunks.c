#include "net/http_chunks.h"

enum {
    OVERHEAD_MAX = 4096, /* of extensions and trailers, which are skipped */
    SIZE_DIGITS_BITS = 60,
};

enum chunks_state {
    AT_SIZE,      /* the first digit of a chunk's size */
    IN_SIZE,      /* further digits */
    IN_EXTENSION, /* behind ';', up to the line's end */
    AT_SIZE_LF,
    IN_DATA,
    AT_DATA_CR,
    AT_DATA_LF,
    AT_TRAILER, /* behind the last chunk: a line, or the empty one that ends the body */
    IN_TRAILER,
    AT_TRAILER_LF,
    AT_END_LF,
};

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = hf_ascii_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool take_digit(struct hf_http_chunks *chunks, char c)
{
    int digit = hex_value(c);
    if (digit < 0 || chunks->left >> SIZE_DIGITS_BITS != 0) {
        return false;
    }
    chunks->left = chunks->left * 16 + (unsigned)digit;
    return true;
}

static bool take_size_char(struct hf_http_chunks *chunks, char c)
{
    if (c == '\r') {
        chunks->state = AT_SIZE_LF;
        return true;
    }
    if (c == ';') {
        chunks->state = IN_EXTENSION;
        return true;
    }
    return take_digit(chunks, c);
}

/* A byte that is skipped; a control character is refused. `next` follows on a line's end. */
static bool skip_char(struct hf_http_chunks *chunks, char c, enum chunks_state next)
{
    if (c == '\r') {
        chunks->state = (uint8_t)next;
        return true;
    }
    unsigned char byte = (unsigned char)c;
    return (byte >= 0x20 || byte == '\t') && byte != 0x7f && ++chunks->overhead <= OVERHEAD_MAX;
}

static bool expect(struct hf_http_chunks *chunks, char c, char wanted, enum chunks_state next)
{
    chunks->state = (uint8_t)next;
    return c == wanted;
}

/* One byte outside of a chunk's data. False: the body is malformed. */
static bool take_char(struct hf_http_chunks *chunks, char c)
{
    switch ((enum chunks_state)chunks->state) {
    case AT_SIZE:
        chunks->state = IN_SIZE;
        chunks->left = 0;
        return take_digit(chunks, c);
    case IN_SIZE:
        return take_size_char(chunks, c);
    case IN_EXTENSION:
        return skip_char(chunks, c, AT_SIZE_LF);
    case AT_SIZE_LF:
        return expect(chunks, c, '\n', chunks->left > 0 ? IN_DATA : AT_TRAILER);
    case AT_DATA_CR:
        return expect(chunks, c, '\r', AT_DATA_LF);
    case AT_DATA_LF:
        return expect(chunks, c, '\n', AT_SIZE);
    case AT_TRAILER:
        chunks->state = IN_TRAILER;
        return skip_char(chunks, c, AT_END_LF);
    case IN_TRAILER:
        return skip_char(chunks, c, AT_TRAILER_LF);
    case AT_TRAILER_LF:
        return expect(chunks, c, '\n', AT_TRAILER);
    case AT_END_LF:
        return c == '\n';
    case IN_DATA:
        break;
    }
    return false;
}

enum hf_http_chunks_result hf__http_chunks_feed(struct hf_http_chunks *chunks, const char *data,
                                                size_t len, struct hf_buffer *body, size_t body_max,
                                                size_t *used)
{
    *used = 0;
    while (*used < len) {
        if (chunks->state != IN_DATA) {
            bool is_last = chunks->state == AT_END_LF;
            if (!take_char(chunks, data[(*used)++])) {
                return HF_HTTP_CHUNKS_BAD;
            }
            if (is_last) {
                return HF_HTTP_CHUNKS_DONE;
            }
            continue;
        }
        if (chunks->left > body_max - body->len) {
            return HF_HTTP_CHUNKS_TOO_BIG;
        }
        size_t part = len - *used < chunks->left ? len - *used : (size_t)chunks->left;
        hf_buffer_append(body, data + *used, part);
        if (hf_buffer_failed(body)) {
            return HF_HTTP_CHUNKS_NO_MEMORY;
        }
        *used += part;
        chunks->left -= part;
        if (chunks->left == 0) {
            chunks->state = AT_DATA_CR;
        }
    }
    return HF_HTTP_CHUNKS_MORE;
}
