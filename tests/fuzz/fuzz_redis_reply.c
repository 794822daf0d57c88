/* What a Redis server answers, fed in pieces whose length the first byte gives. */
#include <holdfast/error.h>

#include "fuzz.h"
#include "redis/reply.h"

static size_t touch(const struct hf_reply *reply)
{
    struct hf_position position;
    size_t sum = 0;
    char text[64];

    switch (reply->type) {
    case HF_REPLY_ERROR:
        (void)hf_reply_is_error(reply, "NOSCRIPT");
        assert(hf_reply_error_code(reply) != HF_OK);
        hf_reply_error_text(reply, text, sizeof(text));
        assert(memchr(text, '\0', sizeof(text)) != NULL);
        break;
    case HF_REPLY_TEXT:
        assert(reply->text[reply->len] == '\0');
        (void)hf_reply_position(reply, &position);
        for (size_t i = 0; i < reply->len; i++) {
            sum += (unsigned char)reply->text[i];
        }
        break;
    case HF_REPLY_ARRAY:
        for (size_t i = 0; i < reply->len; i++) {
            sum += touch(reply->items[i]);
        }
        break;
    case HF_REPLY_NUMBER:
    case HF_REPLY_NIL:
        break;
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hf_reply_reader *reader = hf_reply_reader_new();
    size_t piece = size != 0 ? 1 + data[0] % 64u : 1;
    const char *error = NULL;

    assert(reader != NULL);
    for (size_t at = 1; at < size && error == NULL; at += piece) {
        size_t len = size - at < piece ? size - at : piece;
        char *copy = exact_copy(data + at, len);
        const struct hf_reply *reply;
        bool is_fed = hf_reply_reader_feed(reader, copy, len);

        free(copy);
        if (!is_fed) {
            break;
        }
        while ((reply = hf_reply_reader_next(reader, &error)) != NULL) {
            (void)touch(reply);
        }
    }
    hf_reply_reader_free(reader);
    return 0;
}
