/* HTTP requests: head, query, body and chunks, fed whole and in pieces whose length the first byte
 * gives; both ways must come to the same end. */
#include "fuzz.h"
#include "net/http_request.h"

enum { HEAD_MAX = 4096, BODY_MAX = 4096 };

struct outcome {
    bool is_complete;
    uint16_t error_status;
    size_t used;
    size_t body_len;
};

/* What handlers ask of a request. */
static void touch(const struct hf_http_request *request)
{
    static const char *const names[] = {"upgrade", "connection", "origin", "sec-websocket-key"};
    char out[32];
    size_t len;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct hf_slice value = hf_http_header(request, names[i]);
        assert(value.len == 0 || memchr(value.data, '\n', value.len) == NULL);
        (void)hf_http_header_join(request, names[i], out, sizeof(out));
    }
    if (hf_http_query(request, "format", out, sizeof(out), &len)) {
        assert(len <= sizeof(out));
    }
}

static struct outcome read_request(const uint8_t *data, size_t size, size_t piece)
{
    struct hf_http_exchange *exchange = hf__http_exchange_new(HEAD_MAX, BODY_MAX);
    struct outcome outcome = {0};

    assert(exchange != NULL);
    while (outcome.used < size && !exchange->is_complete && exchange->error_status == 0) {
        size_t len = size - outcome.used < piece ? size - outcome.used : piece;
        char *copy = exact_copy(data + outcome.used, len);
        size_t used = hf__http_exchange_feed(exchange, copy, len);

        free(copy);
        assert(used <= len);
        assert(used == len || exchange->is_complete || exchange->error_status != 0);
        outcome.used += used;
    }
    if (exchange->is_complete) {
        touch(&exchange->request);
    }
    outcome.is_complete = exchange->is_complete;
    outcome.error_status = exchange->error_status;
    outcome.body_len = exchange->request.body.len;
    assert(outcome.body_len <= BODY_MAX);
    hf__http_exchange_free(exchange);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole;
    struct outcome pieces;

    if (size == 0) {
        return 0;
    }
    whole = read_request(data + 1, size - 1, size);
    pieces = read_request(data + 1, size - 1, 1 + data[0] % 32u);
    assert(whole.is_complete == pieces.is_complete);
    assert((whole.error_status != 0) == (pieces.error_status != 0));
    if (whole.is_complete) {
        assert(whole.used == pieces.used && whole.body_len == pieces.body_len);
    }
    return 0;
}
