/* Tags filters: a subscribe command in JSON on the first line, the tags of a publication behind it.
 * What is taken answers for all tags, and its negation the opposite. */
#include "client/tags_filter.h"
#include "fuzz.h"

static void check(const struct hf_filter_node *tf, struct hf_slice text)
{
    const struct hf_tags_filter_limits limits = {.bytes_max = 4096, .depth_max = 16};
    struct hf_filter_node copy = *tf;
    struct hf_filter_node negation = {.op = HF_SLICE("not"), .nodes = &copy, .nodes_count = 1};
    struct hf_tags_filter *filter;
    struct hf_tags_filter *negated;
    const char *reason = NULL;
    struct hf_arena arena;
    struct hf_tags tags;

    if (hf_tags_filter_new(tf, &limits, &filter, &reason) != HF_TAGS_FILTER_OK) {
        assert(reason != NULL);
        return;
    }
    hf_arena_init(&arena, 1 << 20);
    if (hf_tags_read(text, &arena, &tags)) {
        bool is_match = hf_tags_filter_matches(filter, &tags);

        if (hf_tags_filter_new(&negation, &limits, &negated, &reason) == HF_TAGS_FILTER_OK) {
            assert(hf_tags_filter_matches(negated, &tags) != is_match);
            hf_tags_filter_free(negated);
        }
    }
    hf_arena_fini(&arena);
    hf_tags_filter_free(filter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line_end = memchr(data, '\n', size);
    size_t line_len = line_end != NULL ? (size_t)(line_end - data) : size;
    size_t tags_len = line_end != NULL ? size - line_len - 1 : 0;
    char *line = exact_copy(data, line_len);
    char *tags = exact_copy(data + size - tags_len, tags_len);
    struct hf_arena arena;
    struct hf_command command;

    hf_arena_init(&arena, 1 << 20);
    if (hf_command_decode_json(hf_slice(line, line_len), &arena, &command, NULL) == HF_COMMAND_OK &&
        command.kind == HF_COMMAND_SUBSCRIBE && command.request.subscribe.tf != NULL) {
        check(command.request.subscribe.tf, hf_slice(tags, tags_len));
    }
    hf_arena_fini(&arena);
    free(line);
    free(tags);
    return 0;
}
