/* Everyone is cut off at once, misses publications, and comes back. */
#include "bench.h"
#include "clock.h"

static bool is_all_published(const struct hf_bench *bench)
{
    return hf_publisher_is_done(bench->publisher);
}

static bool is_all_recovered(const struct hf_bench *bench)
{
    const struct hf_bench_options *options = &bench->options;
    struct hf_fleet_counters counters;
    hf_fleet_read(bench->fleet, &counters);
    return counters.ready == options->clients &&
           counters.publications >= (uint64_t)options->clients * options->missed;
}

void hf_scenario_storm(struct hf_bench *bench)
{
    const struct hf_bench_options *options = &bench->options;
    struct hf_fleet_counters counters;
    struct hf_histogram delivery = {0}, connecting = {0};
    hf_bench_make_fleet(bench, options->clients);
    hf_bench_connect_all(bench);
    hf_fleet_cut(bench->fleet);
    hf_fleet_reset(bench->fleet);
    hf_bench_make_publisher(bench);
    hf_publisher_start(bench->publisher, options->timeout_seconds,
                       (uint64_t)options->missed * options->channels);
    hf_bench_wait(bench, "published", is_all_published);
    hf_bench_sleep(bench, "settling", options->warm_up_seconds);
    double before_mib = hf_bench_rss_mib(bench);

    hf_bench_usage(bench, &bench->begin);
    hf_fleet_open(bench->fleet, &options->back_address);
    hf_bench_wait(bench, "recovered", is_all_recovered);
    hf_bench_usage(bench, &bench->end);

    hf_fleet_read(bench->fleet, &counters);
    hf_fleet_latency(bench->fleet, &delivery, &connecting);
    if (counters.recovered != options->clients ||
        counters.publications != (uint64_t)options->clients * options->missed) {
        hf_bench_die("storm: %u of %u clients were told recovered", counters.recovered,
                     options->clients);
    }
    double cpu = bench->end.server_cpu - bench->begin.server_cpu;
    double seconds = (double)(counters.last_ready_ns - bench->begin.time_ns) / 1e9;
    hf_report_add(&bench->report, "clients", options->clients);
    hf_report_add(&bench->report, "channels", options->channels);
    hf_report_add(&bench->report, "missed", options->missed);
    hf_report_add(&bench->report, "all_recovered_seconds", seconds);
    hf_report_add(&bench->report, "recoveries_per_second", options->clients / seconds);
    hf_report_add(&bench->report, "recoveries_per_cpu_second", options->clients / cpu);
    hf_report_add(&bench->report, "rss_before_mib", before_mib);
    hf_report_add_latency(&bench->report, "recovering", &connecting);
    hf_bench_report_usage(bench);
}
