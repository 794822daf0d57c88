#ifndef HF_CONFIG_VALUE_H
#define HF_CONFIG_VALUE_H

/* Values: from the text or JSON of a source into a field of a configuration struct, and back.
 *
 * Pure apart from allocation; any thread. `base` is the struct hf_config or struct
 * hf_channel_options that the option's offset refers to. A failed set leaves the field as it was.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/options.h"

/* Enough for every reason below; longer ones are cut. */
#define HF_VALUE_WHY_MAX 512

enum hf_value_result {
    HF_VALUE_OK,
    HF_VALUE_BAD, /* why says what is wrong and what is valid; never holds a secret's value */
    HF_VALUE_NO_MEMORY,
};

/* Sets a field from text as in the environment (borrowed). why has HF_VALUE_WHY_MAX bytes. */
enum hf_value_result hf__value_set_text(const struct hf_option *option, void *base,
                                        const char *text, char *why)
    __attribute__((warn_unused_result));

/* Sets a field from a JSON value (borrowed): its natural JSON type, or a string as above. */
enum hf_value_result hf__value_set_json(const struct hf_option *option, void *base,
                                        const json_t *value, char *why)
    __attribute__((warn_unused_result));

/* Whether two fields hold the same; makes `to` hold what `from` does (HF_VALUE_NO_MEMORY: it is as
 * it was). */
bool hf__value_equal(const struct hf_option *option, const void *base, const void *other);
enum hf_value_result hf__value_copy(const struct hf_option *option, void *to, const void *from)
    __attribute__((warn_unused_result));

/* Frees what the field owns and clears it. */
void hf__value_clear(const struct hf_option *option, void *base);

/* The field as JSON, secrets as "***"; a new reference, NULL when memory is out. */
json_t *hf__value_describe(const struct hf_option *option, const void *base)
    __attribute__((warn_unused_result));

/* Range, choices and units of an option as a short text, for messages and help. */
void hf__value_describe_range(const struct hf_option *option, char *text, size_t size);

enum hf_duration_result {
    HF_DURATION_OK,
    HF_DURATION_BARE_NUMBER, /* digits without a unit */
    HF_DURATION_TOO_FINE,    /* below a millisecond */
    HF_DURATION_MALFORMED,   /* also: too large for 64 bits */
};

/* Reads Go's duration syntax ("1h30m", "300ms", "-1.5s", "0"). *duration_ms is set when OK. */
enum hf_duration_result hf__duration_parse(const char *text, int64_t *duration_ms)
    __attribute__((warn_unused_result));

/* Shortest exact form in one unit: "720h", "90m", "300ms", "0s". size 32 is always enough. */
void hf__duration_format(int64_t duration_ms, char *text, size_t size);

/* Whether a value asks for nothing, seen from the peer: null, false, 0, "", "0s", [], {}, or the
 * same as the text of its default (may be NULL). */
bool hf__value_is_harmless_json(const json_t *value, const char *peer_default);
bool hf__value_is_harmless_text(const char *text, const char *peer_default);

#endif
