/* holdfast-bench: the load generator. See --help (options.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

const struct hf_scenario hf_scenarios[] = {
    {"idle", hf_scenario_idle},
    {"connect", hf_scenario_connect},
    {"fanout", hf_scenario_load},
    {"channels", hf_scenario_load},
    {"publish", hf_scenario_load},
    {"storm", hf_scenario_storm},
    {NULL, NULL},
};

static void print(const struct hf_bench *bench)
{
    const struct hf_bench_options *options = &bench->options;
    printf("%s, %s\n", options->scenario->name, options->label);
    hf_report_print_table(&bench->report, stdout);
    if (options->json == NULL) {
        return;
    }
    FILE *file = fopen(options->json, "ae");
    if (file == NULL) {
        hf_bench_die("%s: %s", options->json, strerror(errno));
    }
    hf_report_print_json(&bench->report, options->scenario->name, options->label, file);
    if (fclose(file) != 0) {
        hf_bench_die("%s: %s", options->json, strerror(errno));
    }
}

int main(int argc, char **argv)
{
    struct hf_bench *bench = calloc(1, sizeof *bench);
    if (bench == NULL) {
        hf_bench_die("no memory");
    }
    hf_bench_parse(argc, argv, &bench->options);
    if (bench->options.redis != NULL) {
        bench->redis = hf_redis_counter_new(bench->options.redis);
        bench->redis_pid = hf_redis_counter_pid(bench->redis);
    }
    bench->options.scenario->run(bench);
    print(bench);
    hf_publisher_free(bench->publisher);
    hf_fleet_free(bench->fleet);
    hf_redis_counter_free(bench->redis);
    free(bench);
    return EXIT_SUCCESS;
}
