/* The JSON reader: any text is walked without harm; what is accepted is written back and accepted
 * again, and the whole walk and the quick check agree. */
#include "fuzz.h"
#include "json.h"

static void walk(struct hf_json *json, struct hf_arena *arena)
{
    struct hf_json_key key;
    struct hf_slice text;
    int64_t number;
    bool truth;

    switch (hf_json_peek(json)) {
    case HF_JSON_OBJECT:
        hf_json_object_begin(json);
        while (hf_json_object_next(json, &key)) {
            (void)hf_json_key_is(&key, HF_SLICE("channel"));
            if (hf_json_key_text(json, &key, arena, &text)) {
                walk(json, arena);
            }
        }
        break;
    case HF_JSON_ARRAY:
        hf_json_array_begin(json);
        while (hf_json_array_next(json)) {
            walk(json, arena);
        }
        break;
    case HF_JSON_STRING:
        hf_json_get_string(json, arena, &text);
        break;
    case HF_JSON_NUMBER:
        hf_json_get_i64(json, &number);
        break;
    case HF_JSON_BOOL:
        hf_json_get_bool(json, &truth);
        break;
    default:
        hf_json_skip(json);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = exact_copy(data, size);
    struct hf_slice text = hf_slice(copy, size);
    struct hf_json json;
    struct hf_arena arena;
    struct hf_buffer buffer;
    bool is_valid = hf_json_is_valid(text);

    hf_arena_init(&arena, 0);
    hf_buffer_init(&buffer, 0);
    hf_json_init(&json, text, HF_JSON_MAX_DEPTH);
    walk(&json, &arena);
    /* The walk also refuses numbers that are no integers and texts that are none. */
    assert(hf_json_end(&json) != HF_JSON_OK || is_valid);
    if (is_valid) {
        hf_json_append_raw(&buffer, text);
        assert(hf_json_is_valid(hf_buffer_slice(&buffer)));
        assert(memchr(buffer.data, '\n', buffer.len) == NULL);
    }
    hf_buffer_fini(&buffer);
    hf_arena_fini(&arena);
    free(copy);
    return 0;
}
