/* Pattern: a regular expression of the configuration, compiled once (libpcre2, in UTF-8).
 *
 * It matches anywhere in a text unless anchored; `$` is the very end. Immutable: any thread. What
 * one match may cost is bounded, since the texts come from clients. */
#ifndef HF_SERVER_PATTERN_H
#define HF_SERVER_PATTERN_H

#include <stddef.h>
#include <stdint.h>

struct hf_pattern;

/* Of one match. */
struct hf_pattern_limits {
    uint32_t steps_max; /* of the search */
    size_t memory_max;  /* bytes; rounded up to whole KiB */
};

#define HF_PATTERN_WHY_MAX 256

/* NULL when the expression is not valid or there is no memory: why (HF_PATTERN_WHY_MAX bytes) then
 * says what is wrong and where. */
struct hf_pattern *hf_pattern_new(const char *expression, const struct hf_pattern_limits *limits,
                                  char *why) __attribute__((warn_unused_result));
void hf_pattern_free(struct hf_pattern *pattern); /* NULL is allowed */

enum hf_pattern_result {
    HF_PATTERN_MATCHES,
    HF_PATTERN_MATCHES_NOT, /* also: the text is no UTF-8 */
    HF_PATTERN_GAVE_UP,     /* at a limit, or without memory; the limit is logged */
};

enum hf_pattern_result hf_pattern_match(const struct hf_pattern *pattern, const char *text,
                                        size_t len);

#endif
