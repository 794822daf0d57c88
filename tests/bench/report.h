/* Report: the figures of a run, printed as a table to people and as one JSON object to programs.
 * One thread. */
#ifndef HF_BENCH_REPORT_H
#define HF_BENCH_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "histogram.h"

#define HF_REPORT_MAX 96

struct hf_report_figure {
    char name[64]; /* snake_case with its unit, "cpu_seconds": the key in JSON */
    double value;
};

/* Zeroed: empty. */
struct hf_report {
    struct hf_report_figure figures[HF_REPORT_MAX];
    unsigned count;
};

/* Ends the program when there are more than HF_REPORT_MAX. name: static. */
void hf_report_add(struct hf_report *report, const char *name, double value);
/* <name>_p50_us, _p99_us, _p999_us and _max_us; nothing when the histogram is empty. */
void hf_report_add_latency(struct hf_report *report, const char *name,
                           const struct hf_histogram *histogram);

void hf_report_print_table(const struct hf_report *report, FILE *out);
/* {"scenario":...,"label":...,"figures":{...}} and a line feed. Texts need no escapes. */
void hf_report_print_json(const struct hf_report *report, const char *scenario, const char *label,
                          FILE *out);

#endif
