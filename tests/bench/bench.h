/* What the parts of holdfast-bench share: the options of a run, the run itself, and the steps that
 * scenarios are made of. Main thread only. Whatever goes wrong ends the program with a message and
 * exit code 1. */
#ifndef HF_BENCH_BENCH_H
#define HF_BENCH_BENCH_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fleet.h"
#include "publisher.h"
#include "redis_counter.h"
#include "report.h"
#include "wire.h"

#define HF_PIDS_MAX 16

struct hf_bench;

struct hf_scenario {
    const char *name;
    void (*run)(struct hf_bench *bench);
};

struct hf_bench_options {
    const struct hf_scenario *scenario;
    struct sockaddr_in address;
    struct sockaddr_in back_address; /* where clients of a storm come back to */
    const struct hf_wire *wire;
    const char *path; /* NULL: the wire's */
    enum hf_publisher_way publish_by;
    const char *publish_path;
    const char *key;
    pid_t pids[HF_PIDS_MAX]; /* of the server */
    uint32_t pid_count;
    const char *redis; /* NULL: not looked at */

    uint32_t clients, threads, opening_max;
    const char *channel;
    uint32_t channels;
    uint32_t publishers, in_flight, payload_size, window;
    double rate, seconds, warm_up_seconds, timeout_seconds;
    uint64_t publications;
    uint32_t missed;
    bool is_stream, is_quiet;
    const char *label;
    const char *json; /* NULL: none */
};

/* What server and Redis have used up to a moment. */
struct hf_usage {
    uint64_t time_ns;
    double server_cpu, redis_cpu;
    uint64_t redis_commands;
};

struct hf_bench {
    struct hf_bench_options options;
    struct hf_fleet *fleet;         /* NULL: there are no clients */
    struct hf_publisher *publisher; /* NULL: none publishes */
    struct hf_redis_counter *redis; /* NULL: not looked at */
    pid_t redis_pid;
    struct hf_usage begin, end;
    struct hf_report report;
};

extern const struct hf_scenario hf_scenarios[]; /* ends with a NULL name */

/* Parses the command line; ends the program for --help and for what it does not take. */
void hf_bench_parse(int argc, char **argv, struct hf_bench_options *options);

_Noreturn void hf_bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- steps ---
 * is_there: asked every millisecond until it says so, or a failure or the time limit ends it. */
void hf_bench_wait(struct hf_bench *bench, const char *what,
                   bool (*is_there)(const struct hf_bench *bench));
void hf_bench_sleep(struct hf_bench *bench, const char *what, double seconds);

void hf_bench_make_fleet(struct hf_bench *bench, uint32_t clients);
void hf_bench_connect_all(struct hf_bench *bench); /* to options.address */
void hf_bench_make_publisher(struct hf_bench *bench);

void hf_bench_usage(struct hf_bench *bench, struct hf_usage *usage);
double hf_bench_rss_mib(const struct hf_bench *bench);
double hf_bench_rss_peak_mib(const struct hf_bench *bench);
/* Seconds, CPU of server and Redis, Redis' commands, and the server's peak of memory. */
void hf_bench_report_usage(struct hf_bench *bench);

void hf_scenario_idle(struct hf_bench *bench);
void hf_scenario_connect(struct hf_bench *bench);
void hf_scenario_load(struct hf_bench *bench); /* fanout, channels, publish */
void hf_scenario_storm(struct hf_bench *bench);

#endif
