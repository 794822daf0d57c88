#include "net/http_request.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEADERS_FIRST = 16,
    HEADERS_MAX = 128,
    KEPT_MAX = 4096, /* bytes of a head, and of a body, that a later request takes over */
    SPACE = 0x20,
};

static int refuse(struct hf_http_exchange *exchange, uint16_t status)
{
    if (exchange->error_status == 0) {
        exchange->error_status = status;
    }
    return -1;
}

/* --- what http_parser calls ------------------------------------------------------------------- */

static int on_target(http_parser *parser, const char *at, size_t len)
{
    struct hf_http_exchange *exchange = parser->data;
    if (exchange->target.len == 0) {
        exchange->target.at = (uint32_t)(at - exchange->head.data);
    }
    exchange->target.len += (uint32_t)len;
    return 0;
}

static struct hf_http_header *add_header(struct hf_http_exchange *exchange)
{
    if (exchange->header_count == HEADERS_MAX) {
        refuse(exchange, 431);
        return NULL;
    }
    if (exchange->header_count == exchange->header_capacity) {
        uint32_t capacity =
            exchange->header_capacity == 0 ? HEADERS_FIRST : exchange->header_capacity * 2;
        struct hf_http_header *headers =
            realloc(exchange->headers, capacity * sizeof(*exchange->headers));
        if (headers == NULL) {
            refuse(exchange, 503);
            return NULL;
        }
        exchange->headers = headers;
        exchange->header_capacity = capacity;
    }
    struct hf_http_header *header = &exchange->headers[exchange->header_count++];
    *header = (struct hf_http_header){0};
    return header;
}

static int on_header_name(http_parser *parser, const char *at, size_t len)
{
    struct hf_http_exchange *exchange = parser->data;
    struct hf_http_header *header;
    if (exchange->header_count == 0 || exchange->in_value) {
        header = add_header(exchange);
        if (header == NULL) {
            return -1;
        }
        header->name.at = (uint32_t)(at - exchange->head.data);
        exchange->in_value = false;
    } else {
        header = &exchange->headers[exchange->header_count - 1];
    }
    header->name.len += (uint32_t)len;
    return 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t len)
{
    struct hf_http_exchange *exchange = parser->data;
    struct hf_http_header *header = &exchange->headers[exchange->header_count - 1];
    uint32_t offset = (uint32_t)(at - exchange->head.data);
    if (!exchange->in_value) {
        header->value.at = offset;
        exchange->in_value = true;
    } else if (len > 0 && offset != header->value.at + header->value.len) {
        return refuse(exchange, 400); /* a folded line (RFC 9112, 5.2) */
    }
    header->value.len += (uint32_t)len;
    return 0;
}

static bool has_one_host(const struct hf_http_exchange *exchange)
{
    unsigned hosts = 0;
    for (uint32_t i = 0; i < exchange->header_count; i++) {
        struct hf_http_span name = exchange->headers[i].name;
        hosts += hf_slice_equal_fold(hf_slice(exchange->head.data + name.at, name.len),
                                     HF_SLICE("host"));
    }
    return hosts == 1 || (hosts == 0 && exchange->parser.http_minor == 0);
}

static int check_expectation(struct hf_http_exchange *exchange, bool has_body)
{
    struct hf_slice expect = hf_http_header(&exchange->request, "expect");
    if (expect.len == 0 || exchange->parser.http_minor == 0) {
        return 0;
    }
    if (!hf_slice_equal_fold(expect, HF_SLICE("100-continue"))) {
        return refuse(exchange, 417);
    }
    exchange->wants_continue = has_body;
    return 0;
}

/* The coding must be chunked, alone, and HTTP/1.0 has none (RFC 9112, 6.1); none is needed. */
static int check_coding(struct hf_http_exchange *exchange)
{
    if (!exchange->parser.uses_transfer_encoding) {
        return 0;
    }
    exchange->is_chunked = true;
    char coding[sizeof("chunked")];
    if ((exchange->parser.flags & F_CONTENTLENGTH) != 0 ||
        (exchange->parser.flags & F_CHUNKED) == 0 || exchange->parser.http_minor == 0) {
        return refuse(exchange, 400);
    }
    if (!hf_http_header_join(&exchange->request, "transfer-encoding", coding, sizeof(coding)) ||
        !hf_slice_equal_fold(hf_slice_of(coding), HF_SLICE("chunked"))) {
        return refuse(exchange, 501);
    }
    return 0;
}

/* The head is there. Returns what http_parser wants: 1 for "no body", which we read ourselves. */
static int on_head_done(http_parser *parser)
{
    struct hf_http_exchange *exchange = parser->data;
    exchange->is_head_done = true;
    if (parser->http_major != 1) {
        return refuse(exchange, 505);
    }
    if (!has_one_host(exchange)) {
        return refuse(exchange, 400);
    }
    if (check_coding(exchange) != 0) {
        return -1;
    }
    exchange->body_left = parser->content_length == UINT64_MAX ? 0 : parser->content_length;
    if (exchange->body_left > exchange->body_max) {
        return refuse(exchange, 413);
    }
    bool has_body = exchange->is_chunked || exchange->body_left > 0;
    return check_expectation(exchange, has_body) != 0 ? -1 : 1;
}

static int on_head_end(http_parser *parser)
{
    struct hf_http_exchange *exchange = parser->data;
    exchange->keeps_alive = http_should_keep_alive(parser) != 0;
    http_parser_pause(parser, 1); /* the body is not its business */
    return 0;
}

static const http_parser_settings callbacks = {
    .on_url = on_target,
    .on_header_field = on_header_name,
    .on_header_value = on_header_value,
    .on_headers_complete = on_head_done,
    .on_message_complete = on_head_end,
};

/* --- the exchange --------------------------------------------------------------------------- */

/* Sets what is not zero at the start of a request. */
static void begin(struct hf_http_exchange *exchange, size_t head_max, size_t body_max)
{
    exchange->head_max = head_max;
    exchange->body_max = body_max;
    http_parser_init(&exchange->parser, HTTP_REQUEST);
    exchange->parser.data = exchange;
}

struct hf_http_exchange *hf__http_exchange_new(size_t head_max, size_t body_max)
{
    struct hf_http_exchange *exchange = calloc(1, sizeof(*exchange));
    if (exchange == NULL) {
        return NULL;
    }
    begin(exchange, head_max, body_max);
    return exchange;
}

void hf__http_exchange_trim(struct hf_http_exchange *exchange)
{
    if (exchange->head.capacity > KEPT_MAX) {
        hf_buffer_fini(&exchange->head);
    }
    if (exchange->body.capacity > KEPT_MAX) {
        hf_buffer_fini(&exchange->body);
    }
}

void hf__http_exchange_renew(struct hf_http_exchange *exchange, size_t head_max, size_t body_max)
{
    hf_buffer_reset(&exchange->head);
    hf_buffer_reset(&exchange->body);
    *exchange = (struct hf_http_exchange){.head = exchange->head,
                                          .body = exchange->body,
                                          .headers = exchange->headers,
                                          .header_capacity = exchange->header_capacity};
    begin(exchange, head_max, body_max);
}

void hf__http_exchange_free(struct hf_http_exchange *exchange)
{
    hf_buffer_fini(&exchange->head);
    hf_buffer_fini(&exchange->body);
    free(exchange->headers);
    free(exchange);
}

/* Splits the target into path and query. An absolute form (RFC 9112, 3.2.2) loses its authority. */
static void set_target(struct hf_http_exchange *exchange)
{
    const char *at = exchange->head.data + exchange->target.at;
    const char *end = at + exchange->target.len;
    const char *fragment = memchr(at, '#', (size_t)(end - at));
    end = fragment != NULL ? fragment : end;
    if (at < end && *at != '/') {
        const char *scheme_end = memmem(at, (size_t)(end - at), "://", 3);
        if (scheme_end != NULL) {
            const char *authority = scheme_end + 3;
            const char *path = memchr(authority, '/', (size_t)(end - authority));
            at = path != NULL ? path : end;
        }
    }
    const char *mark = memchr(at, '?', (size_t)(end - at));
    exchange->request.path = hf_slice(at, (size_t)((mark != NULL ? mark : end) - at));
    exchange->request.query =
        mark != NULL ? hf_slice(mark + 1, (size_t)(end - mark - 1)) : hf_slice(end, 0);
}

static void set_request(struct hf_http_exchange *exchange)
{
    struct hf_http_request *request = &exchange->request;
    request->method = hf_slice_of(http_method_str((enum http_method)exchange->parser.method));
    request->body = hf_buffer_slice(&exchange->body);
    request->version_major = exchange->parser.http_major;
    request->version_minor = exchange->parser.http_minor;
    set_target(exchange);
}

static bool is_target_char(unsigned char c)
{
    return c > SPACE && c < 0x7f;
}

/* Lines neither go on in the next one nor have blanks before the colon: others on the way may not
 * take them for what the parser does (RFC 9112, 5.1 and 5.2). */
static bool has_plain_lines(const struct hf_http_exchange *exchange)
{
    const char *data = exchange->head.data;
    const char *end = data + exchange->head.len;
    for (const char *at = data; (at = memchr(at, '\n', (size_t)(end - at))) != NULL;) {
        at++;
        if (at < end && (*at == SPACE || *at == '\t')) {
            return false;
        }
    }
    for (uint32_t i = 0; i < exchange->header_count; i++) {
        struct hf_http_span name = exchange->headers[i].name;
        if (memchr(data + name.at, SPACE, name.len) != NULL) {
            return false;
        }
    }
    return true;
}

/* What the packaged parser does not check: the protocol's name, odd characters in the target, how
 * lines begin, and that a carriage return stands only before a line feed. */
static bool is_strict(const struct hf_http_exchange *exchange)
{
    const char *data = exchange->head.data;
    const char *end = data + exchange->head.len;
    const char *target = data + exchange->target.at;
    for (uint32_t i = 0; i < exchange->target.len; i++) {
        if (!is_target_char((unsigned char)target[i])) {
            return false;
        }
    }
    static const struct hf_slice protocol = {" HTTP/", 6};
    const char *at = target + exchange->target.len;
    if ((size_t)(end - at) < protocol.len || memcmp(at, protocol.data, protocol.len) != 0) {
        return false;
    }
    for (at = data; (at = memchr(at, '\r', (size_t)(end - at))) != NULL; at++) {
        if (at + 1 == end || at[1] != '\n') {
            return false;
        }
    }
    return end[-1] == '\n' && has_plain_lines(exchange);
}

static void finish_head(struct hf_http_exchange *exchange, size_t head_len)
{
    hf_buffer_truncate(&exchange->head, head_len);
    if (!is_strict(exchange)) {
        refuse(exchange, 400);
        return;
    }
    exchange->is_complete = !exchange->is_chunked && exchange->body_left == 0;
}

static size_t feed_head(struct hf_http_exchange *exchange, const char *data, size_t len)
{
    size_t start = exchange->head.len;
    size_t room = exchange->head_max - start;
    size_t part = len < room ? len : room;
    hf_buffer_append(&exchange->head, data, part);
    if (hf_buffer_failed(&exchange->head)) {
        refuse(exchange, 503);
        return 0;
    }
    size_t used =
        http_parser_execute(&exchange->parser, &callbacks, exchange->head.data + start, part);
    enum http_errno error = HTTP_PARSER_ERRNO(&exchange->parser);
    if (error == HPE_PAUSED) {
        finish_head(exchange, start + used);
    } else if (error != HPE_OK) {
        refuse(exchange, error == HPE_HEADER_OVERFLOW ? 431 : 400);
    } else if (part == room) {
        refuse(exchange, 431);
    }
    return used;
}

static size_t feed_counted(struct hf_http_exchange *exchange, const char *data, size_t len)
{
    size_t part = len < exchange->body_left ? len : (size_t)exchange->body_left;
    hf_buffer_append(&exchange->body, data, part);
    if (hf_buffer_failed(&exchange->body)) {
        refuse(exchange, 503);
    }
    exchange->body_left -= part;
    exchange->is_complete = exchange->body_left == 0;
    return part;
}

static size_t feed_chunks(struct hf_http_exchange *exchange, const char *data, size_t len)
{
    size_t used;
    switch (hf__http_chunks_feed(&exchange->chunks, data, len, &exchange->body, exchange->body_max,
                                 &used)) {
    case HF_HTTP_CHUNKS_MORE:
        break;
    case HF_HTTP_CHUNKS_DONE:
        exchange->is_complete = true;
        break;
    case HF_HTTP_CHUNKS_BAD:
        refuse(exchange, 400);
        break;
    case HF_HTTP_CHUNKS_TOO_BIG:
        refuse(exchange, 413);
        break;
    case HF_HTTP_CHUNKS_NO_MEMORY:
        refuse(exchange, 503);
        break;
    }
    return used;
}

size_t hf__http_exchange_feed(struct hf_http_exchange *exchange, const char *data, size_t len)
{
    size_t used = 0;
    while (used < len && !exchange->is_complete && exchange->error_status == 0) {
        const char *rest = data + used;
        if (!exchange->is_head_done) {
            used += feed_head(exchange, rest, len - used);
        } else if (exchange->is_chunked) {
            used += feed_chunks(exchange, rest, len - used);
        } else {
            used += feed_counted(exchange, rest, len - used);
        }
    }
    if (exchange->is_complete) {
        set_request(exchange);
    }
    return used;
}

/* --- what handlers ask ---------------------------------------------------------------------- */

static const struct hf_http_exchange *exchange_of(const struct hf_http_request *request)
{
    return (const struct hf_http_exchange *)request;
}

static struct hf_slice trimmed_value(const struct hf_http_exchange *exchange,
                                     const struct hf_http_header *header)
{
    const char *data = exchange->head.data + header->value.at;
    size_t len = header->value.len;
    while (len > 0 && (data[len - 1] == SPACE || data[len - 1] == '\t')) {
        len--;
    }
    return hf_slice(data, len);
}

static const struct hf_http_header *next_header(const struct hf_http_exchange *exchange,
                                                const char *name, uint32_t *index)
{
    struct hf_slice wanted = hf_slice_of(name);
    while (*index < exchange->header_count) {
        const struct hf_http_header *header = &exchange->headers[(*index)++];
        struct hf_slice own = hf_slice(exchange->head.data + header->name.at, header->name.len);
        if (hf_slice_equal_fold(own, wanted)) {
            return header;
        }
    }
    return NULL;
}

struct hf_slice hf_http_header(const struct hf_http_request *request, const char *name)
{
    const struct hf_http_exchange *exchange = exchange_of(request);
    uint32_t index = 0;
    const struct hf_http_header *header = next_header(exchange, name, &index);
    return header != NULL ? trimmed_value(exchange, header) : hf_slice(NULL, 0);
}

bool hf_http_header_join(const struct hf_http_request *request, const char *name, char *out,
                         size_t size)
{
    const struct hf_http_exchange *exchange = exchange_of(request);
    const struct hf_http_header *header;
    uint32_t index = 0;
    size_t len = 0;
    while ((header = next_header(exchange, name, &index)) != NULL) {
        struct hf_slice value = trimmed_value(exchange, header);
        size_t separator = len > 0 ? 2 : 0;
        if (value.len + separator + 1 > size - len) {
            return false;
        }
        memcpy(out + len, ", ", separator);
        memcpy(out + len + separator, value.data, value.len);
        len += separator + value.len;
    }
    out[len] = '\0';
    return true;
}

bool hf_http_method_is(const struct hf_http_request *request, const char *method)
{
    return hf_slice_equal(request->method, hf_slice_of(method));
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = hf_ascii_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Decodes %xx and '+'. False when broken or longer than `size`. */
static bool decode_component(struct hf_slice text, char *out, size_t size, size_t *len)
{
    size_t used = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '%') {
            int high = text.len - i > 2 ? hex_value(text.data[i + 1]) : -1;
            int low = text.len - i > 2 ? hex_value(text.data[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        if (used == size) {
            return false;
        }
        out[used++] = c;
    }
    *len = used;
    return true;
}

/* The first parameter of that name, as it was sent. */
static bool find_parameter(const struct hf_http_request *request, const char *name,
                           struct hf_slice *value)
{
    size_t name_len = strlen(name);
    const char *at = request->query.data;
    const char *end = at + request->query.len;
    while (at < end) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        next = next != NULL ? next : end;
        const char *sign = memchr(at, '=', (size_t)(next - at));
        size_t own_len = (size_t)((sign != NULL ? sign : next) - at);
        if (own_len == name_len && memcmp(at, name, name_len) == 0) {
            *value =
                sign != NULL ? hf_slice(sign + 1, (size_t)(next - sign - 1)) : hf_slice(next, 0);
            return true;
        }
        at = next + 1;
    }
    return false;
}

bool hf_http_query_has(const struct hf_http_request *request, const char *name)
{
    struct hf_slice value;
    return find_parameter(request, name, &value);
}

bool hf_http_query(const struct hf_http_request *request, const char *name, char *out, size_t size,
                   size_t *len)
{
    struct hf_slice value;
    return find_parameter(request, name, &value) && decode_component(value, out, size, len);
}
