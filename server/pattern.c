#include "pattern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "log.h"

#define LOG_INTERVAL_MS 1000

struct hf_pattern {
    pcre2_code *code;
    pcre2_match_context *context; /* the limits; matching only reads it */
};

void hf_pattern_free(struct hf_pattern *pattern)
{
    if (pattern != NULL) {
        pcre2_match_context_free(pattern->context);
        pcre2_code_free(pattern->code);
        free(pattern);
    }
}

struct hf_pattern *hf_pattern_new(const char *expression, const struct hf_pattern_limits *limits,
                                  char *why)
{
    struct hf_pattern *pattern = calloc(1, sizeof(*pattern));
    int error = 0;
    size_t offset = 0;

    (void)snprintf(why, HF_PATTERN_WHY_MAX, "no memory");
    if (pattern == NULL) {
        return NULL;
    }
    pattern->code = pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED,
                                  PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C,
                                  &error, &offset, NULL);
    if (pattern->code == NULL) {
        PCRE2_UCHAR text[HF_PATTERN_WHY_MAX / 2];

        (void)pcre2_get_error_message(error, text, sizeof(text));
        (void)snprintf(why, HF_PATTERN_WHY_MAX, "%s at character %zu", (const char *)text, offset);
        hf_pattern_free(pattern);
        return NULL;
    }
    pattern->context = pcre2_match_context_create(NULL);
    if (pattern->context == NULL) {
        hf_pattern_free(pattern);
        return NULL;
    }
    (void)pcre2_set_match_limit(pattern->context, limits->steps_max);
    (void)pcre2_set_heap_limit(pattern->context, (uint32_t)(limits->memory_max / 1024 + 1));
    return pattern;
}

/* Clients choose the texts, so they must not choose how much is logged. */
static enum hf_pattern_result give_up(const char *option, size_t len)
{
    static struct hf_log_limit limit;
    uint32_t suppressed;

    if (hf_log_limit_pass(&limit, LOG_INTERVAL_MS, &suppressed)) {
        hf_log(HF_LOG_WARN, "a text was too much for a regular expression",
               "option=%s text_len=%zu suppressed=%u", option, len, suppressed);
    }
    return HF_PATTERN_GAVE_UP;
}

enum hf_pattern_result hf_pattern_match(const struct hf_pattern *pattern, const char *text,
                                        size_t len)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int rc;

    if (data == NULL) {
        return HF_PATTERN_GAVE_UP;
    }
    rc = pcre2_match(pattern->code, (PCRE2_SPTR)(len > 0 ? text : ""), len, 0, 0, data,
                     pattern->context);
    pcre2_match_data_free(data);
    switch (rc) {
    case PCRE2_ERROR_NOMATCH:
        return HF_PATTERN_MATCHES_NOT;
    case PCRE2_ERROR_MATCHLIMIT:
        return give_up("holdfast.regex_match_limit", len);
    case PCRE2_ERROR_HEAPLIMIT:
        return give_up("holdfast.regex_memory_max", len);
    case PCRE2_ERROR_NOMEMORY:
        return HF_PATTERN_GAVE_UP;
    default: /* other errors tell that the text is no UTF-8 */
        return rc >= 0 ? HF_PATTERN_MATCHES : HF_PATTERN_MATCHES_NOT;
    }
}
