/* Publications as they come over Redis' pub/sub: what is taken is made again, byte for byte. */
#include "fuzz.h"
#include "redis/frame.h"

static void check_round_trip(const char *from, const char *to, struct hf_position position,
                             const struct hf_publication_fields *fields)
{
    char text[HF_POSITION_TEXT_SIZE];
    char head[HF_FRAME_HEAD_SIZE];
    struct hf_position again;
    size_t text_len = hf_position_format(position, text);
    size_t head_len = hf_frame_head(fields, head);

    assert(hf_position_parse(text, text_len, &again) == 0);
    assert(again.epoch == position.epoch && again.offset == position.offset);
    if (from[text_len] == '\n') { /* data to the end, without a head */
        assert(text_len + 1 + fields->data.len == (size_t)(to - from));
        return;
    }
    assert(text_len + head_len + fields->data.len + fields->info.len + fields->tags.len +
               fields->version_epoch.len ==
           (size_t)(to - from));
    assert(memcmp(from, text, text_len) == 0);
    assert(memcmp(from + text_len, head, head_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = exact_copy(data, size);
    const char *cursor = copy;
    const char *end = copy + size;
    struct hf_position position;
    struct hf_publication_fields fields;

    (void)hf_position_parse(copy, size, &position);
    while (cursor < end) {
        const char *start = cursor;

        if (hf_frame_parse(&cursor, end, &position, &fields) != 0) {
            assert(cursor == start);
            break;
        }
        assert(cursor > start && cursor <= end);
        check_round_trip(start, cursor, position, &fields);
    }
    free(copy);
    return 0;
}
