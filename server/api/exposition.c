#include "api/exposition.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NUMBER_SIZE = 32, HISTOGRAM_NAME_SIZE = 128 };

static void append(struct hf_buffer *text, const char *string)
{
    hf_buffer_append(text, string, strlen(string));
}

/* Backslash and newline, and in label values the quotation mark. */
static void append_escaped(struct hf_buffer *text, const char *string, bool is_label)
{
    for (; *string != '\0'; string++) {
        if (*string == '\\') {
            append(text, "\\\\");
        } else if (*string == '\n') {
            append(text, "\\n");
        } else if (*string == '"' && is_label) {
            append(text, "\\\"");
        } else {
            hf_buffer_append_char(text, *string);
        }
    }
}

void hf_exposition_family(struct hf_buffer *text, const char *name, const char *type,
                          const char *help)
{
    append(text, "# HELP ");
    append(text, name);
    append(text, " ");
    append_escaped(text, help, false);
    append(text, "\n# TYPE ");
    append(text, name);
    append(text, " ");
    append(text, type);
    append(text, "\n");
}

static void begin_sample(struct hf_buffer *text, const char *name, const struct hf_label *labels,
                         size_t label_count)
{
    append(text, name);
    for (size_t i = 0; i < label_count; i++) {
        append(text, i == 0 ? "{" : ",");
        append(text, labels[i].name);
        append(text, "=\"");
        append_escaped(text, labels[i].value, true);
        append(text, "\"");
    }
    append(text, label_count > 0 ? "} " : " ");
}

static void format_time(uint64_t value_us, char out[NUMBER_SIZE])
{
    size_t len = (size_t)snprintf(out, NUMBER_SIZE, "%" PRIu64 ".%06" PRIu64, value_us / 1000000,
                                  value_us % 1000000);
    while (out[len - 1] == '0' && out[len - 2] != '.') {
        out[--len] = '\0';
    }
}

void hf_exposition_sample(struct hf_buffer *text, const char *name, const struct hf_label *labels,
                          size_t label_count, uint64_t value)
{
    begin_sample(text, name, labels, label_count);
    hf_buffer_append_u64(text, value);
    append(text, "\n");
}

void hf_exposition_time(struct hf_buffer *text, const char *name, const struct hf_label *labels,
                        size_t label_count, uint64_t value_us)
{
    char number[NUMBER_SIZE];
    begin_sample(text, name, labels, label_count);
    format_time(value_us, number);
    append(text, number);
    append(text, "\n");
}

void hf_exposition_single(struct hf_buffer *text, const char *name, const char *type,
                          const char *help, uint64_t value)
{
    hf_exposition_family(text, name, type, help);
    hf_exposition_sample(text, name, NULL, 0, value);
}

void hf_exposition_histogram(struct hf_buffer *text, const char *name, const struct hf_label *label,
                             const uint64_t *bounds_us, const uint64_t *counts, size_t bound_count,
                             uint64_t sum_us)
{
    char part[HISTOGRAM_NAME_SIZE];
    char bound[NUMBER_SIZE];
    size_t own = label != NULL ? 1 : 0;
    struct hf_label labels[2];
    uint64_t count = 0;
    if (label != NULL) {
        labels[0] = *label;
    }
    labels[own] = (struct hf_label){"le", bound};
    snprintf(part, sizeof(part), "%s_bucket", name);
    for (size_t i = 0; i <= bound_count; i++) {
        count += counts[i];
        if (i < bound_count) {
            format_time(bounds_us[i], bound);
        } else {
            snprintf(bound, sizeof(bound), "+Inf");
        }
        hf_exposition_sample(text, part, labels, own + 1, count);
    }
    snprintf(part, sizeof(part), "%s_sum", name);
    hf_exposition_time(text, part, labels, own, sum_us);
    snprintf(part, sizeof(part), "%s_count", name);
    hf_exposition_sample(text, part, labels, own, count);
}
