/* Publications to one or many channels, with or without subscribers and history. */
#include <inttypes.h>
#include <stdio.h>

#include "bench.h"

static bool is_all_published(const struct hf_bench *bench)
{
    return hf_publisher_is_done(bench->publisher);
}

static uint64_t expected(const struct hf_bench *bench)
{
    return hf_publisher_acknowledged(bench->publisher) * bench->options.clients /
           bench->options.channels;
}

static bool is_all_delivered(const struct hf_bench *bench)
{
    return hf_fleet_publications(bench->fleet) >= expected(bench);
}

/* Publishes, and waits until all of it is acknowledged and delivered. */
static void publish(struct hf_bench *bench, double seconds, uint64_t publications)
{
    hf_publisher_start(bench->publisher, seconds, publications);
    hf_bench_wait(bench, "published", is_all_published);
    if (bench->fleet != NULL) {
        hf_bench_wait(bench, "delivered", is_all_delivered);
    }
}

/* The sum of the streams' newest offsets, as subscribers of all channels are told. */
static uint64_t newest_offsets(struct hf_bench *bench)
{
    struct hf_fleet *fleet = bench->fleet;
    uint32_t clients = bench->options.clients;
    bench->options.clients = bench->options.channels;
    hf_bench_make_fleet(bench, bench->options.channels);
    hf_bench_connect_all(bench);
    uint64_t sum = hf_fleet_offsets(bench->fleet);
    hf_fleet_free(bench->fleet);
    bench->fleet = fleet;
    bench->options.clients = clients;
    return sum;
}

static void report(struct hf_bench *bench)
{
    struct hf_fleet_counters counters = {0};
    struct hf_histogram delivery = {0}, connecting = {0};
    double cpu = bench->end.server_cpu - bench->begin.server_cpu;
    double redis_cpu = bench->end.redis_cpu - bench->begin.redis_cpu;
    double seconds = (double)(bench->end.time_ns - bench->begin.time_ns) / 1e9;
    double published = (double)hf_publisher_acknowledged(bench->publisher);
    struct hf_report *out = &bench->report;

    hf_report_add(out, "channels", bench->options.channels);
    hf_report_add(out, "subscribers", bench->options.clients);
    hf_report_add(out, "payload_bytes", bench->options.payload_size);
    hf_report_add(out, "publications", published);
    hf_report_add(out, "publications_per_second", published / seconds);
    hf_report_add(out, "publications_per_cpu_second", published / cpu);
    hf_report_add(out, "publications_per_cpu_second_with_redis", published / (cpu + redis_cpu));
    hf_report_add_latency(out, "acknowledged", hf_publisher_latency(bench->publisher));
    if (bench->fleet != NULL) {
        hf_fleet_read(bench->fleet, &counters);
        hf_fleet_latency(bench->fleet, &delivery, &connecting);
        double delivered = (double)counters.publications;
        hf_report_add(out, "deliveries", delivered);
        hf_report_add(out, "deliveries_per_second", delivered / seconds);
        hf_report_add(out, "deliveries_per_cpu_second", delivered / cpu);
        hf_report_add(out, "deliveries_per_frame", delivered / (double)counters.messages);
        hf_report_add(out, "deliveries_per_read", delivered / (double)counters.reads);
        hf_report_add_latency(out, "delivery", &delivery);
    }
    hf_bench_report_usage(bench);
}

void hf_scenario_load(struct hf_bench *bench)
{
    const struct hf_bench_options *options = &bench->options;
    uint64_t offsets = 0, warmed_up = 0;
    if (options->clients > 0) {
        hf_bench_make_fleet(bench, options->clients);
        hf_bench_connect_all(bench);
    } else if (options->is_stream) {
        offsets = newest_offsets(bench);
    }
    hf_bench_make_publisher(bench);
    if (options->warm_up_seconds > 0) {
        publish(bench, options->warm_up_seconds, 0);
        warmed_up = hf_publisher_acknowledged(bench->publisher);
        if (bench->fleet != NULL) {
            hf_fleet_reset(bench->fleet);
        }
    }
    hf_bench_usage(bench, &bench->begin);
    publish(bench, options->seconds, options->publications);
    hf_bench_usage(bench, &bench->end);
    if (hf_publisher_acknowledged(bench->publisher) == 0) {
        hf_bench_die("nothing was published");
    }
    if (options->clients == 0 && options->is_stream) {
        uint64_t grown = newest_offsets(bench) - offsets;
        uint64_t acknowledged = warmed_up + hf_publisher_acknowledged(bench->publisher);
        if (grown != acknowledged) {
            hf_bench_die("%" PRIu64 " publications are acknowledged, the streams grew by %" PRIu64,
                         acknowledged, grown);
        }
    }
    report(bench);
}
