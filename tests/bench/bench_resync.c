/* Resync: how long many live streams take to be back in step after Redis was away.
 *
 *   bench_resync [--streams N] [--behind N] [--rounds N]
 *
 * One engine follows N streams on a private redis-server. Before each interruption `behind` of them
 * get publications that the engine does not hear of (as a message that pub/sub lost); being in step
 * again includes their delivery. The clock starts when Redis answers: at once for cut connections,
 * after loading the append-only file for a restart. Printed are the medians of the rounds. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <holdfast/engine.h>

#include "loop.h"
#include "redis_server.h"

#define OPEN_BATCH   2000
#define DEADLINE_MS  60000
#define MISSED       3 /* publications for each stream that is behind */
#define ROUNDS_MAX   32
#define CHANNEL_SIZE 32

static const char usage[] = "usage: bench_resync [--streams N] [--behind N] [--rounds N]\n"
                            "  --streams N   live streams (100000)\n"
                            "  --behind N    of them have missed publications (1000)\n"
                            "  --rounds N    interruptions of each kind (3)\n";

static const struct hf_stream_options options = {100, 3600, 7200};

struct bench {
    uint32_t streams, behind, rounds;
    struct hf_redis_server *server;
    struct hf_engine *engine;
    struct hf_port *port;
    uint32_t subscribed;
    uint32_t published;
    uint64_t delivered;
    uint64_t reads_before; /* the interruption */
};

static void fail(const char *what)
{
    fprintf(stderr, "bench_resync: %s\n", what);
    exit(EXIT_FAILURE);
}

/* --- the engine --------------------------------------------------------------------------------
 */

static struct bench bench;

static void on_publication(void *context, struct hf_publication *publication)
{
    (void)context;
    (void)publication;
    bench.delivered++;
}

static void on_lost(void *context, int reason)
{
    (void)context;
    fail(hf_error_text(reason));
}

static void on_subscribed(void *context, int result, const struct hf_subscribe_result *answer)
{
    (void)context;
    if (result != HF_OK || !answer->live)
        fail("a subscribe failed");
    bench.subscribed++;
}

static void on_published(void *context, int result, enum hf_publish_outcome outcome,
                         struct hf_position position)
{
    (void)outcome;
    (void)context;
    (void)position;
    if (result != HF_OK)
        fail("a publish failed");
    bench.published++;
}

static void turn(void)
{
    struct pollfd readable = {.fd = hf_port_fd(bench.port), .events = POLLIN};
    hf_port_flush(bench.port);
    if (poll(&readable, 1, 1) < 0 && errno != EINTR)
        fail("poll");
    hf_port_dispatch(bench.port);
}

static void await(bool (*is_true)(void), const char *what)
{
    uint64_t end_ms = hf_test_now_ms() + DEADLINE_MS;
    while (!is_true()) {
        if (hf_test_now_ms() > end_ms)
            fail(what);
        turn();
    }
}

static struct hf_bytes name_of(uint32_t number, char text[CHANNEL_SIZE])
{
    int len = snprintf(text, CHANNEL_SIZE, "user:%" PRIu32, number);
    return (struct hf_bytes){text, (size_t)len};
}

static uint32_t wanted; /* what is_subscribed and is_published wait for */

static bool is_subscribed(void)
{
    return bench.subscribed >= wanted;
}

static bool is_published(void)
{
    return bench.published >= wanted;
}

static bool is_in_step(void)
{
    struct hf_engine_status status;
    hf_engine_status(bench.engine, &status);
    /* Every stream is read again; the status is up to 100 ms old. */
    return status.is_ready && status.streams_in_step == bench.streams &&
           status.store_reads >= bench.reads_before + bench.streams &&
           bench.delivered >= (uint64_t)bench.behind * MISSED;
}

static bool is_ready(void)
{
    struct hf_engine_status status;
    hf_engine_status(bench.engine, &status);
    return status.is_ready;
}

/* Every stream gets one publication and one watch. */
static void open_streams(void)
{
    const struct hf_subscribe_params fresh = {.recovery_limit = HF_LIMIT_NONE};
    char text[CHANNEL_SIZE];
    await(is_ready, "the engine is not ready");
    for (uint32_t i = 0; i < bench.streams;) {
        for (wanted = i + OPEN_BATCH; i < wanted && i < bench.streams; i++) {
            const struct hf_publish_params first = {
                .channel = name_of(i, text), .options = options, .fields.data = {"first", 5}};
            if (hf_publish(bench.port, &first, on_published, NULL) != HF_OK)
                fail("a publish was refused");
        }
        wanted = i;
        await(is_published, "publishes are not answered");
    }
    for (uint32_t i = 0; i < bench.streams;) {
        for (wanted = i + OPEN_BATCH; i < wanted && i < bench.streams; i++) {
            struct hf_watch *watch = hf_watch_open(bench.port, name_of(i, text), &options, NULL);
            if (watch == NULL || hf_subscribe(watch, &fresh, false, on_subscribed, NULL) != HF_OK)
                fail("a subscribe was refused");
        }
        wanted = i;
        await(is_subscribed, "subscribes are not answered");
    }
}

/* --- the interruptions -------------------------------------------------------------------------
 */

/* As another node's publish script does, but nobody is told. */
static void fall_behind(void)
{
    char text[CHANNEL_SIZE];
    for (uint32_t i = 0; i < bench.behind; i++) {
        uint32_t number = (uint32_t)((uint64_t)i * bench.streams / bench.behind);
        struct hf_bytes name = name_of(number, text);
        hf_redis_server_do(
            bench.server, "EVAL %s 2 holdfast:stream:%b holdfast:meta:%b %d",
            "local epoch = string.match(redis.call('GET', KEYS[2]), '^(%d+)') "
            "for i = 1, tonumber(ARGV[1]) do "
            "  local id = redis.call('XADD', KEYS[1], epoch .. '-*', 'data', 'missed') "
            "  redis.call('SET', KEYS[2], id) "
            "end",
            name.data, name.len, name.data, name.len, MISSED);
    }
    bench.delivered = 0;
}

static double cpu_seconds(void)
{
    struct rusage usage_self;
    getrusage(RUSAGE_SELF, &usage_self);
    return (double)usage_self.ru_utime.tv_sec + (double)usage_self.ru_stime.tv_sec +
           (double)(usage_self.ru_utime.tv_usec + usage_self.ru_stime.tv_usec) / 1e6;
}

/* Fields of INFO; 0 when it is not there. */
static double info(const char *section, const char *field)
{
    redisReply *reply = hf_redis_server_command(bench.server, "INFO %s", section);
    const char *at = reply->type == REDIS_REPLY_STRING ? strstr(reply->str, field) : NULL;
    double value = at != NULL ? strtod(at + strlen(field), NULL) : 0;
    freeReplyObject(reply);
    return value;
}

static double redis_cpu_seconds(void)
{
    return info("cpu", "used_cpu_sys:") + info("cpu", "used_cpu_user:");
}

static void await_in_step(uint32_t round, bool restarts)
{
    uint64_t end_ms = hf_test_now_ms() + DEADLINE_MS;
    while (!is_in_step()) {
        if (hf_test_now_ms() > end_ms) {
            struct hf_engine_status status;
            hf_engine_status(bench.engine, &status);
            fprintf(stderr,
                    "bench_resync: round %" PRIu32 ", %s: %" PRIu64 " of %" PRIu32
                    " streams are in step, %" PRIu64 " reads, %" PRIu64 " delivered, %" PRIu64
                    " rotated, %s %s\n",
                    round + 1, restarts ? "restarted" : "cut", status.streams_in_step,
                    bench.streams, status.store_reads - bench.reads_before, bench.delivered,
                    status.epochs_rotated, status.is_ready ? "ready" : "not ready:", status.reason);
            fail("the streams do not get back in step");
        }
        turn();
    }
}

struct figures {
    double ms[ROUNDS_MAX];
    double cpu, redis_cpu, commands; /* sums */
};

static int compare(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static void measure(struct figures *figures, uint32_t round, bool restarts)
{
    struct hf_engine_status before, after;
    fall_behind();
    /* What was answered may not be in the file yet, while an fsync is under way: write it all. */
    hf_redis_server_do(bench.server, "CONFIG SET appendfsync always");
    hf_redis_server_do(bench.server, "SET bench:written 1");
    hf_redis_server_do(bench.server, "CONFIG SET appendfsync everysec");
    hf_engine_status(bench.engine, &before);
    double redis_cpu = redis_cpu_seconds();
    if (restarts) {
        hf_redis_server_kill(bench.server);
        hf_redis_server_restart(bench.server);
        redis_cpu = redis_cpu_seconds(); /* loading is not counted */
    } else {
        hf_redis_server_do(bench.server, "CLIENT KILL TYPE normal SKIPME yes");
        hf_redis_server_do(bench.server, "CLIENT KILL TYPE pubsub");
    }
    double cpu = cpu_seconds();
    uint64_t start_ms = hf_test_now_ms();
    bench.reads_before = before.store_reads;
    await_in_step(round, restarts);
    figures->ms[round] = (double)(hf_test_now_ms() - start_ms);
    figures->cpu += cpu_seconds() - cpu;
    figures->redis_cpu += redis_cpu_seconds() - redis_cpu;
    hf_engine_status(bench.engine, &after);
    figures->commands += (double)(after.store_commands - before.store_commands);
    if (bench.delivered != (uint64_t)bench.behind * MISSED || after.epochs_rotated > 0)
        fail("what was missed was not delivered exactly once");
}

static void report(const char *what, struct figures *figures)
{
    qsort(figures->ms, bench.rounds, sizeof figures->ms[0], compare);
    printf("%-18s %8.0f ms (%.0f-%.0f)  %6.2f commands/stream  %5.2f s CPU  %5.2f s Redis CPU\n",
           what, figures->ms[bench.rounds / 2], figures->ms[0], figures->ms[bench.rounds - 1],
           figures->commands / bench.rounds / bench.streams, figures->cpu / bench.rounds,
           figures->redis_cpu / bench.rounds);
}

static uint32_t number_of(const char *text, uint32_t max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || value == 0 || value > max) {
        fputs(usage, stderr);
        exit(2);
    }
    return (uint32_t)value;
}

static void parse(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"streams", required_argument, NULL, 's'},
        {"behind", required_argument, NULL, 'b'},
        {"rounds", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int option;
    bench = (struct bench){.streams = 100000, .behind = 1000, .rounds = 3};
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (option == 's') {
            bench.streams = number_of(optarg, 10000000);
        } else if (option == 'b') {
            bench.behind = number_of(optarg, 10000000);
        } else if (option == 'r') {
            bench.rounds = number_of(optarg, ROUNDS_MAX);
        } else {
            fputs(usage, option == 'h' ? stdout : stderr);
            exit(option == 'h' ? EXIT_SUCCESS : 2);
        }
    }
    if (bench.behind > bench.streams)
        fail("more streams are behind than there are");
}

static void log_warning(void *context, enum hf_log_severity severity, const char *text)
{
    (void)context;
    if (severity >= HF_SEVERITY_ERROR)
        fprintf(stderr, "engine: %s\n", text);
}

int main(int argc, char **argv)
{
    static const char *const redis_options[] = {"--appendonly", "yes", NULL};
    static struct figures cut, restarted;
    char reason[160];
    parse(argc, argv);
    bench.server = hf_redis_server_start(redis_options);
    const struct hf_engine_config config = {
        .store = HF_STORE_REDIS,
        .redis.address = hf_redis_server_tcp(bench.server),
        .lingering_streams_max = bench.streams,
        .log = log_warning,
    };
    const struct hf_port_callbacks callbacks = {.on_publication = on_publication,
                                                .on_lost = on_lost};
    if (hf_engine_open(&config, &bench.engine, reason, sizeof reason) != HF_OK)
        fail(reason);
    bench.port = hf_port_open(bench.engine, &callbacks);
    if (bench.port == NULL)
        fail("no port");

    uint64_t start_ms = hf_test_now_ms();
    open_streams();
    printf("%" PRIu32 " streams, %" PRIu32 " of them %d publications behind; opened in %" PRIu64
           " ms; medians of %" PRIu32 " rounds\n",
           bench.streams, bench.behind, MISSED, hf_test_now_ms() - start_ms, bench.rounds);
    for (uint32_t round = 0; round < bench.rounds; round++)
        measure(&cut, round, false);
    for (uint32_t round = 0; round < bench.rounds; round++)
        measure(&restarted, round, true);
    report("connections cut", &cut);
    report("Redis restarted", &restarted);
    hf_port_close(bench.port);
    hf_engine_close(bench.engine);
    hf_redis_server_free(bench.server);
    return EXIT_SUCCESS;
}
