/* Connections that only are there, and how fast they come. */
#include "bench.h"

#define SETTLE_SECONDS 1.0

void hf_scenario_idle(struct hf_bench *bench)
{
    const struct hf_bench_options *options = &bench->options;
    struct hf_fleet_counters counters;
    double before_mib = hf_bench_rss_mib(bench);
    hf_bench_make_fleet(bench, options->clients);
    hf_bench_connect_all(bench);
    hf_bench_sleep(bench, "settling", SETTLE_SECONDS);
    double connected_mib = hf_bench_rss_mib(bench);
    hf_fleet_reset(bench->fleet);
    hf_bench_usage(bench, &bench->begin);
    hf_bench_sleep(bench, "idle", options->seconds);
    hf_bench_usage(bench, &bench->end);
    hf_fleet_read(bench->fleet, &counters);
    double after_mib = hf_bench_rss_mib(bench);
    double cpu = bench->end.server_cpu - bench->begin.server_cpu;
    double per_client = 1024 * 1024 / (double)options->clients;

    hf_report_add(&bench->report, "connections", options->clients);
    hf_report_add(&bench->report, "rss_before_mib", before_mib);
    hf_report_add(&bench->report, "rss_bytes_per_connection",
                  (connected_mib - before_mib) * per_client);
    hf_report_add(&bench->report, "rss_bytes_per_connection_later",
                  (after_mib - before_mib) * per_client);
    hf_report_add(&bench->report, "pings", (double)counters.pings);
    hf_report_add(&bench->report, "cpu_us_per_connection_minute",
                  cpu * 1e6 / options->clients / options->seconds * 60);
    hf_bench_report_usage(bench);
}

void hf_scenario_connect(struct hf_bench *bench)
{
    const struct hf_bench_options *options = &bench->options;
    struct hf_fleet_counters counters;
    struct hf_histogram delivery = {0}, connecting = {0};
    hf_bench_make_fleet(bench, options->clients);
    hf_bench_usage(bench, &bench->begin);
    hf_bench_connect_all(bench);
    hf_bench_usage(bench, &bench->end);
    hf_fleet_read(bench->fleet, &counters);
    hf_fleet_latency(bench->fleet, &delivery, &connecting);
    double seconds = (double)(counters.last_ready_ns - bench->begin.time_ns) / 1e9;
    double cpu = bench->end.server_cpu - bench->begin.server_cpu;

    hf_report_add(&bench->report, "connections", options->clients);
    hf_report_add(&bench->report, "connections_per_second", options->clients / seconds);
    hf_report_add(&bench->report, "connections_per_cpu_second", options->clients / cpu);
    hf_report_add_latency(&bench->report, "connecting", &connecting);
    hf_bench_report_usage(bench);
}
