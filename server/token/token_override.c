#include "token/token_override.h"

static unsigned override_bit(struct hf_slice name)
{
    static const struct {
        const char *name;
        unsigned bit;
    } names[] = {
        {"presence", HF_TOKEN_OVERRIDE_PRESENCE},
        {"join_leave", HF_TOKEN_OVERRIDE_JOIN_LEAVE},
        {"force_push_join_leave", HF_TOKEN_OVERRIDE_FORCE_PUSH_JOIN_LEAVE},
        {"force_positioning", HF_TOKEN_OVERRIDE_FORCE_POSITIONING},
        {"force_recovery", HF_TOKEN_OVERRIDE_FORCE_RECOVERY},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (hf_slice_equal(name, hf_slice_of(names[i].name))) {
            return names[i].bit;
        }
    }
    return 0;
}

/* {"value": true} */
static void take_override(struct hf_json *json, struct hf_arena *arena, unsigned bit,
                          struct hf_token_sub *sub)
{
    struct hf_json_key key;
    struct hf_slice name;
    bool value = false;

    if (hf_json_take_null(json)) {
        return;
    }
    (void)hf_json_object_begin(json);
    while (!hf_json_failed(json) && hf_json_object_next(json, &key) &&
           hf_json_key_text(json, &key, arena, &name)) {
        if (hf_slice_equal(name, HF_SLICE("value"))) {
            (void)hf_json_get_bool(json, &value);
        } else {
            (void)hf_json_skip(json);
        }
    }
    sub->overridden |= bit;
    sub->override_values = (sub->override_values & ~bit) | (value ? bit : 0);
}

void hf_token_take_overrides(struct hf_json *json, struct hf_arena *arena, struct hf_token_sub *sub)
{
    struct hf_json_key key;
    struct hf_slice name;

    if (hf_json_take_null(json)) {
        return;
    }
    (void)hf_json_object_begin(json);
    while (!hf_json_failed(json) && hf_json_object_next(json, &key) &&
           hf_json_key_text(json, &key, arena, &name)) {
        unsigned bit = override_bit(name);

        if (bit != 0) {
            take_override(json, arena, bit, sub);
        } else {
            (void)hf_json_skip(json);
        }
    }
}
