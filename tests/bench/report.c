#include "report.h"

#include <math.h>
#include <stdlib.h>

void hf_report_add(struct hf_report *report, const char *name, double value)
{
    if (report->count == HF_REPORT_MAX) {
        fprintf(stderr, "holdfast-bench: more than %d figures\n", HF_REPORT_MAX);
        exit(EXIT_FAILURE);
    }
    struct hf_report_figure *figure = &report->figures[report->count++];
    snprintf(figure->name, sizeof figure->name, "%s", name);
    figure->value = isfinite(value) ? value : 0;
}

void hf_report_add_latency(struct hf_report *report, const char *name,
                           const struct hf_histogram *histogram)
{
    static const struct {
        const char *suffix;
        double share;
    } quantiles[] = {{"p50_us", 0.5}, {"p99_us", 0.99}, {"p999_us", 0.999}, {"max_us", 1}};
    char full[64];
    for (size_t i = 0; histogram->count > 0 && i < sizeof quantiles / sizeof quantiles[0]; i++) {
        snprintf(full, sizeof full, "%s_%s", name, quantiles[i].suffix);
        hf_report_add(report, full,
                      (double)hf_histogram_quantile(histogram, quantiles[i].share) / 1e3);
    }
}

static void print_value(double value, FILE *out)
{
    double size = fabs(value);
    int decimals = size == floor(size) || size >= 10000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 5;
    fprintf(out, "%.*f", decimals, value);
}

void hf_report_print_table(const struct hf_report *report, FILE *out)
{
    for (unsigned i = 0; i < report->count; i++) {
        fprintf(out, "  %-36s ", report->figures[i].name);
        print_value(report->figures[i].value, out);
        fputc('\n', out);
    }
}

void hf_report_print_json(const struct hf_report *report, const char *scenario, const char *label,
                          FILE *out)
{
    fprintf(out, "{\"scenario\":\"%s\",\"label\":\"%s\",\"figures\":{", scenario, label);
    for (unsigned i = 0; i < report->count; i++) {
        fprintf(out, "%s\"%s\":%.9g", i > 0 ? "," : "", report->figures[i].name,
                report->figures[i].value);
    }
    fprintf(out, "}}\n");
}
