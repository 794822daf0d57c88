/* Storm: many clients that lose their node at once come back to another one.
 *
 *   bench_storm [--broker PROGRAM] [--clients N] [--missed M] [--rounds N] [--only shared|personal]
 *
 * Two nodes on one private redis-server. N clients are subscribed on the first; they are cut, M
 * publications go to each channel, and all come back to the second, which knows nothing of the
 * streams (cold), then are cut and come back to it again (warm: lingering streams). On one shared
 * channel, and on a personal channel each. A client that is not recovered, or misses, repeats or
 * misplaces anything, fails the bench; so does memory that is not given back when all have gone,
 * after the first storms and after another one. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "broker.h"
#include "loop.h"
#include "process.h"
#include "redis_server.h"
#include "swarm.h"

#define TIMEOUT_MS  60000
#define OPENING_MAX 2000
#define BODY_SIZE   ((size_t)1024 * 1024)
/* The memory that a storm took must be back so long after it: nodes linger for 5 s here, remember
 * witnesses and idle channels for 20 s, and give free pages back within seconds. */
#define BACK_MS 60000
/* ... but for this share of it (the allocator's own books) and this (slots of descriptors). */
#define KEPT_SHARE 0.05
#define KEPT_MIB   2.0

static const char usage[] =
    "usage: bench_storm [--broker PROGRAM] [--clients N] [--missed M] [--rounds N]\n"
    "                   [--only shared|personal]\n"
    "  --broker PROGRAM  holdfast (beside this program's folder)\n"
    "  --clients N       clients (10000)\n"
    "  --missed M        publications that each misses (10)\n"
    "  --rounds N        warm storms after the cold one (3)\n"
    "  --only KIND       only on one shared channel, or only on personal ones\n";

static struct {
    const char *program;
    uint32_t clients, missed, rounds;
    bool without_shared, without_personal;
    char default_program[512];
} options = {.clients = 10000, .missed = 10, .rounds = 3};

struct bench {
    struct hf_redis_server *redis;
    pid_t redis_pid;
    struct hf_broker *first, *second;
    struct hf_swarm *swarm;
    bool is_shared;
    uint64_t offset; /* of every channel */
    char *body;
};

static void fail(const char *what)
{
    fprintf(stderr, "bench_storm: %s\n", what);
    exit(EXIT_FAILURE);
}

/* --- publishing --------------------------------------------------------------------------------
 */

/* One publication to every channel, through the node that the clients do not come back to. */
static void publish(struct bench *bench)
{
    size_t len = 0;
    bench->offset++;
    if (bench->is_shared) {
        len =
            (size_t)snprintf(bench->body, BODY_SIZE,
                             "{\"channel\":\"storm\",\"data\":{\"n\":%" PRIu64 "}}", bench->offset);
        hf_broker_post(bench->first, "/api/publish", bench->body, len);
        return;
    }
    len = (size_t)snprintf(bench->body, BODY_SIZE, "{\"data\":{\"n\":%" PRIu64 "},\"channels\":[",
                           bench->offset);
    for (uint32_t i = 0; i < options.clients; i++) {
        len += (size_t)snprintf(bench->body + len, BODY_SIZE - len, "%s\"user:%" PRIu32 "\"",
                                i > 0 ? "," : "", i);
    }
    len += (size_t)snprintf(bench->body + len, BODY_SIZE - len, "]}");
    hf_broker_post(bench->first, "/api/broadcast", bench->body, len);
}

/* --- Redis' own count of commands --------------------------------------------------------------
 */

/* Prints what was called since the last reset, but for what nodes do all the time, and returns how
 * many of them were scripts and how many read or wrote a stream. */
static void count_commands(struct bench *bench, uint64_t *scripts, uint64_t *on_streams)
{
    static const char *const apart[] = {"ping",   "info",      "config",     "publish",
                                        "client", "subscribe", "unsubscribe"};
    redisReply *reply = hf_redis_server_command(bench->redis, "INFO commandstats");
    *scripts = *on_streams = 0;
    printf("    Redis:");
    for (const char *at = reply->str; (at = strstr(at, "cmdstat_")) != NULL;) {
        char name[32];
        unsigned long long calls;
        at += strlen("cmdstat_");
        if (sscanf(at, "%31[^:]:calls=%llu", name, &calls) != 2) {
            continue;
        }
        printf(" %s %llu", name, calls);
        bool is_apart = strchr(name, '|') != NULL;
        for (size_t i = 0; i < sizeof apart / sizeof apart[0]; i++) {
            is_apart |= strcmp(name, apart[i]) == 0;
        }
        *on_streams += is_apart ? 0 : calls;
        *scripts += strncmp(name, "eval", 4) == 0 ? calls : 0;
    }
    printf("\n");
    freeReplyObject(reply);
}

/* --- a storm -----------------------------------------------------------------------------------
 */

static void storm(struct bench *bench, const char *name)
{
    struct hf_swarm_times times;
    pid_t node = hf_broker_pid(bench->second);
    hf_swarm_cut(bench->swarm);
    for (uint32_t i = 0; i < options.missed; i++) {
        publish(bench);
    }
    nanosleep(&(struct timespec){1, 0}, NULL); /* so that nothing else is counted */
    hf_redis_server_do(bench->redis, "CONFIG RESETSTAT");
    double cpu = hf_process_cpu_seconds(node);
    double redis_cpu = hf_process_cpu_seconds(bench->redis_pid);
    if (!hf_swarm_connect(bench->swarm, hf_broker_port(bench->second), bench->offset, TIMEOUT_MS,
                          &times)) {
        fail(hf_swarm_failure(bench->swarm));
    }
    cpu = hf_process_cpu_seconds(node) - cpu;
    redis_cpu = hf_process_cpu_seconds(bench->redis_pid) - redis_cpu;
    if (times.recovered != options.clients ||
        times.publications != (uint64_t)options.clients * options.missed) {
        fail("not everyone has recovered everything");
    }
    printf("  %-5s all recovered after %5.0f ms; one client p50 %.0f, p99 %.0f, max %.0f ms; CPU "
           "node %.2f s (%.0f recoveries each), Redis %.2f s; RSS %.1f MiB\n",
           name, times.all_ms, times.p50_ms, times.p99_ms, times.max_ms, cpu, options.clients / cpu,
           redis_cpu, hf_process_rss_mib(node));
    uint64_t scripts, on_streams;
    count_commands(bench, &scripts, &on_streams);
    double channels = bench->is_shared ? 1 : options.clients;
    printf("    per channel: %.2f commands, %.2f of them scripts; target %s\n",
           (double)on_streams / channels, (double)scripts / channels,
           (bench->is_shared ? on_streams <= 5 : (double)scripts <= 1.1 * channels) ? "met"
                                                                                    : "MISSED");
}

/* Returns what is resident and no part of the program file or a library: those are loaded as they
 * are used, and stay. */
static double print_memory(const struct bench *bench, const char *when)
{
    pid_t node = hf_broker_pid(bench->second);
    double heap = hf_process_anonymous_mib(node);
    printf("  RSS %-28s %6.1f MiB (peak %.1f), heap and stacks %6.1f MiB\n", when,
           hf_process_rss_mib(node), hf_process_rss_peak_mib(node), heap);
    return heap;
}

/* Cuts all clients and waits until the memory is back: when lingering is over, and witnesses and
 * idle channels are forgotten. */
static void await_level(const struct bench *bench, double level)
{
    pid_t node = hf_broker_pid(bench->second);
    hf_swarm_cut(bench->swarm);
    uint64_t start_ms = hf_test_now_ms();
    while (hf_process_anonymous_mib(node) > level) {
        if (hf_test_now_ms() - start_ms > BACK_MS) {
            print_memory(bench, "never back");
            fail("the memory of the storm is not given back");
        }
        nanosleep(&(struct timespec){0, 100 * 1000 * 1000}, NULL);
    }
    print_memory(bench, "after all have gone");
    printf("    back at %.1f MiB of heap and stacks or less after %.0f s\n", level,
           (double)(hf_test_now_ms() - start_ms) / 1000);
}

static struct hf_broker *start_node(const struct bench *bench)
{
    char config[1024];
    snprintf(
        config, sizeof config,
        "{\"http_server\":{\"address\":\"127.0.0.1\"},\"http_api\":{\"key\":\"bench\"},"
        "\"client\":{\"insecure\":true,\"allowed_origins\":[\"*\"]},"
        "\"engine\":{\"type\":\"redis\",\"redis\":{\"address\":\"redis://%s\"}},"
        "\"holdfast\":{\"linger\":\"5s\",\"witness_ttl\":\"20s\",\"idle_channel_ttl\":\"20s\"},"
        "\"log\":{\"level\":\"error\"},"
        "\"channel\":{\"without_namespace\":{\"history_size\":100,\"history_ttl\":\"600s\","
        "\"force_recovery\":true},\"namespaces\":[{\"name\":\"user\",\"history_size\":100,"
        "\"history_ttl\":\"600s\",\"force_recovery\":true}]}}",
        hf_redis_server_tcp(bench->redis));
    return hf_broker_start(options.program, config);
}

static void run(bool is_shared)
{
    struct bench bench = {.is_shared = is_shared, .body = malloc(BODY_SIZE)};
    struct hf_swarm_times times;
    if (bench.body == NULL) {
        fail("no memory");
    }
    bench.redis = hf_redis_server_start(NULL);
    redisReply *reply = hf_redis_server_command(bench.redis, "INFO server");
    const char *pid = strstr(reply->str, "process_id:");
    bench.redis_pid = pid != NULL ? (pid_t)strtol(pid + 11, NULL, 10) : 0;
    freeReplyObject(reply);
    bench.first = start_node(&bench);
    bench.second = start_node(&bench);
    bench.swarm = hf_swarm_new(&(struct hf_swarm_config){
        .clients = options.clients,
        .channel = is_shared ? "storm" : "user:%u",
        .opening_max = OPENING_MAX,
    });

    printf("%s: %" PRIu32 " clients, each missing %" PRIu32 " publications\n",
           is_shared ? "one shared channel" : "a personal channel each", options.clients,
           options.missed);
    if (!hf_swarm_connect(bench.swarm, hf_broker_port(bench.first), 0, TIMEOUT_MS, &times)) {
        fail(hf_swarm_failure(bench.swarm));
    }
    double before = print_memory(&bench, "before");
    storm(&bench, "cold");
    for (uint32_t i = 0; i < options.rounds; i++) {
        storm(&bench, "warm");
    }
    double full = print_memory(&bench, "with all clients");
    double level = before + (full - before) * KEPT_SHARE + KEPT_MIB;
    await_level(&bench, level);
    storm(&bench, "again");
    print_memory(&bench, "with all clients");
    await_level(&bench, level);
    hf_swarm_free(bench.swarm);
    hf_broker_free(bench.first);
    hf_broker_free(bench.second);
    hf_redis_server_free(bench.redis);
    free(bench.body);
}

/* --- options -----------------------------------------------------------------------------------
 */

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
        {"broker", required_argument, NULL, 'b'},
        {"clients", required_argument, NULL, 'c'},
        {"missed", required_argument, NULL, 'm'},
        {"rounds", required_argument, NULL, 'r'},
        {"only", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    const char *slash = strrchr(argv[0], '/');
    snprintf(options.default_program, sizeof options.default_program, "%.*s../holdfast",
             slash != NULL ? (int)(slash + 1 - argv[0]) : 0, argv[0]);
    options.program = options.default_program;
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (option == 'b') {
            options.program = optarg;
        } else if (option == 'c') {
            options.clients = number_of(optarg, 19000);
        } else if (option == 'm') {
            options.missed = number_of(optarg, 100);
        } else if (option == 'r') {
            options.rounds = number_of(optarg, 100);
        } else if (option == 'o' && strcmp(optarg, "shared") == 0) {
            options.without_personal = true;
        } else if (option == 'o' && strcmp(optarg, "personal") == 0) {
            options.without_shared = true;
        } else {
            fputs(usage, option == 'h' ? stdout : stderr);
            exit(option == 'h' ? EXIT_SUCCESS : 2);
        }
    }
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!options.without_shared) {
        run(true);
    }
    if (!options.without_personal) {
        run(false);
    }
    return EXIT_SUCCESS;
}
