#include "bench.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "process.h"

#define POLL_US 1000

void hf_bench_die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("holdfast-bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(EXIT_FAILURE);
}

static void check(const struct hf_bench *bench)
{
    const char *failure = bench->fleet != NULL ? hf_fleet_failure(bench->fleet) : NULL;
    if (failure == NULL && bench->publisher != NULL) {
        failure = hf_publisher_failure(bench->publisher);
    }
    if (failure != NULL) {
        hf_bench_die("%s failed: %s", bench->options.scenario->name, failure);
    }
}

static void print_progress(const struct hf_bench *bench, const char *what, double seconds)
{
    struct hf_fleet_counters counters = {0};
    if (bench->options.is_quiet) {
        return;
    }
    if (bench->fleet != NULL) {
        hf_fleet_read(bench->fleet, &counters);
    }
    fprintf(stderr,
            "%-8s %6.1f s  %-12s %6" PRIu32 " ready %9" PRIu64 " published %11" PRIu64
            " received\n",
            bench->options.scenario->name, seconds, what, counters.ready,
            bench->publisher != NULL ? hf_publisher_acknowledged(bench->publisher) : 0,
            counters.publications);
}

void hf_bench_wait(struct hf_bench *bench, const char *what,
                   bool (*is_there)(const struct hf_bench *bench))
{
    uint64_t begin_ns = hf_now_ns(), told = 0;
    while (!is_there(bench)) {
        double seconds = (double)(hf_now_ns() - begin_ns) / 1e9;
        check(bench);
        if (seconds > bench->options.timeout_seconds) {
            print_progress(bench, what, seconds);
            hf_bench_die("%s: not all is %s after %.0f s", bench->options.scenario->name, what,
                         seconds);
        }
        if ((uint64_t)seconds > told) {
            told = (uint64_t)seconds;
            print_progress(bench, what, seconds);
        }
        hf_sleep_us(POLL_US);
    }
    check(bench);
}

void hf_bench_sleep(struct hf_bench *bench, const char *what, double seconds)
{
    uint64_t begin_ns = hf_now_ns();
    double passed = 0, told = 0;
    while ((passed = (double)(hf_now_ns() - begin_ns) / 1e9) < seconds) {
        check(bench);
        if (passed > told + 5) {
            told = passed;
            print_progress(bench, what, passed);
        }
        hf_sleep_us(10 * POLL_US);
    }
}

/* --- clients and publishers --------------------------------------------------------------------
 */

void hf_bench_make_fleet(struct hf_bench *bench, uint32_t clients)
{
    const struct hf_bench_options *options = &bench->options;
    bench->fleet = hf_fleet_new(&(struct hf_fleet_config){
        .wire = options->wire,
        .path = options->path,
        .clients = clients,
        .threads = options->threads < clients ? options->threads : clients,
        .opening_max = options->opening_max,
        .channel = options->channel,
        .channels = options->channels,
        .publishers = hf_publisher_count(options->channels, options->publishers),
        .is_stream = options->is_stream,
    });
}

static bool is_everyone_ready(const struct hf_bench *bench)
{
    struct hf_fleet_counters counters;
    hf_fleet_read(bench->fleet, &counters);
    return counters.ready == bench->options.clients;
}

void hf_bench_connect_all(struct hf_bench *bench)
{
    hf_fleet_open(bench->fleet, &bench->options.address);
    hf_bench_wait(bench, "connected", is_everyone_ready);
}

void hf_bench_make_publisher(struct hf_bench *bench)
{
    const struct hf_bench_options *options = &bench->options;
    bool is_client = options->publish_by == HF_PUBLISH_CLIENT;
    const char *client_path = options->path != NULL ? options->path : options->wire->path;
    bench->publisher = hf_publisher_new(&(struct hf_publisher_config){
        .way = options->publish_by,
        .wire = options->wire,
        .address = options->address,
        .path = is_client ? client_path : options->publish_path,
        .key = options->key,
        .channel = options->channel,
        .channels = options->channels,
        .connections = options->publishers,
        .in_flight = is_client ? options->in_flight : 1,
        .payload_size = options->payload_size,
        .rate = options->rate,
        .window = bench->fleet != NULL ? options->window : 0,
        .fleet = bench->fleet,
        .subscribers_per_channel = (double)options->clients / options->channels,
    });
}

/* --- usage -------------------------------------------------------------------------------------
 */

static double sum_of(const struct hf_bench *bench, double (*figure)(pid_t pid))
{
    double sum = 0;
    for (uint32_t i = 0; i < bench->options.pid_count; i++) {
        double value = figure(bench->options.pids[i]);
        if (value < 0) {
            hf_bench_die("the server's process %d has gone", (int)bench->options.pids[i]);
        }
        sum += value;
    }
    return sum;
}

double hf_bench_rss_mib(const struct hf_bench *bench)
{
    return sum_of(bench, hf_process_rss_mib);
}

double hf_bench_rss_peak_mib(const struct hf_bench *bench)
{
    return sum_of(bench, hf_process_rss_peak_mib);
}

void hf_bench_usage(struct hf_bench *bench, struct hf_usage *usage)
{
    *usage = (struct hf_usage){
        .redis_commands = bench->redis != NULL ? hf_redis_counter_commands(bench->redis) : 0,
        .redis_cpu = bench->redis != NULL ? hf_process_cpu_seconds(bench->redis_pid) : 0,
        .server_cpu = sum_of(bench, hf_process_cpu_seconds),
        .time_ns = hf_now_ns(),
    };
}

void hf_bench_report_usage(struct hf_bench *bench)
{
    struct hf_report *report = &bench->report;
    const struct hf_usage *begin = &bench->begin, *end = &bench->end;
    hf_report_add(report, "seconds", (double)(end->time_ns - begin->time_ns) / 1e9);
    hf_report_add(report, "server_cpu_seconds", end->server_cpu - begin->server_cpu);
    hf_report_add(report, "server_rss_mib", hf_bench_rss_mib(bench));
    hf_report_add(report, "server_rss_peak_mib", hf_bench_rss_peak_mib(bench));
    if (bench->redis != NULL) {
        hf_report_add(report, "redis_cpu_seconds", end->redis_cpu - begin->redis_cpu);
        hf_report_add(report, "redis_commands",
                      (double)(end->redis_commands - begin->redis_commands));
        hf_report_add(report, "redis_rss_mib", hf_process_rss_mib(bench->redis_pid));
    }
}
