/* Publishing into Redis with history: this store against redis-benchmark running the peer's
 * sequence of commands as a script (peer_publish.lua), on the same private redis-server,
 * alternating.
 *
 *   bench_publish [publications per case] [rounds]
 *
 * Each case is measured by the clock and by the CPU time that Redis' main thread spends for a
 * publication, which other programs on the machine disturb less. A script runs slower while its
 * client works beside it on the same caches, so each case is compared with a run of the peer's
 * script under the same conditions: in turns with its client (one connection), or together with it
 * (four), as with the store. All have 64 publications in flight, unless batched. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "loop.h"
#include "redis/scripts.h"
#include "redis_server.h"
#include "store_client.h"

#define PAYLOAD    128
#define HISTORY    300
#define ROUNDS_MAX 25
#define WINDOW_MAX 4096

struct figures {
    double per_second;
    double redis_us;  /* CPU time of Redis' main thread for one publication */
    double client_us; /* CPU time of this program; 0 where it is redis-benchmark's */
};

struct bench_case {
    const char *name;
    unsigned channels;
    unsigned in_flight; /* publications */
    unsigned per_flush; /* publications between two flushes */
    uint32_t history;
    double target; /* ratio to the peer; 0: none */
    /* redis-benchmark with a script on so many connections; NULL: the store */
    void (*run)(unsigned connections, unsigned count);
    unsigned connections;
};

static void run_peer(unsigned connections, unsigned count);
static void run_script(unsigned connections, unsigned count);
static void run_append(unsigned connections, unsigned count);
static void run_nothing(unsigned connections, unsigned count);

static const struct bench_case cases[] = {
    {"peer's script in turns with its client", 1, 64, 0, HISTORY, 0, run_peer, 1},
    {"our script, the same", 1, 64, 0, HISTORY, 1.8, run_script, 1},
    {"floor: a script of XADD alone, the same", 1, 64, 0, HISTORY, 0, run_append, 1},
    {"floor: `return 1` with our arguments", 1, 64, 0, HISTORY, 0, run_nothing, 1},
    {"peer's script beside its client", 1, 64, 0, HISTORY, 0, run_peer, 4},
    {"our script, the same", 1, 64, 0, HISTORY, 1.8, run_script, 4},
    {"store: one publication per call", 64, 64, 1, HISTORY, 1.8, NULL, 0},
    {"store: one per call, history of 10", 64, 64, 1, 10, 0, NULL, 0},
    {"store: one per call, history of 5000", 64, 64, 1, 5000, 0, NULL, 0},
    {"store: batched: one channel", 1, 512, 64, HISTORY, 3, NULL, 0},
    {"store: batched: 16 channels", 16, 1024, 256, HISTORY, 3, NULL, 0},
    {"store: batched: 1024 channels, one for each", 1024, 1024, 256, HISTORY, 0, NULL, 0},
};
#define CASES (sizeof cases / sizeof cases[0])

static struct figures figures[CASES][ROUNDS_MAX];

static struct hf_redis_server *server;
static char payload[PAYLOAD + 1];

static void must(bool is_so, const char *what)
{
    if (!is_so) {
        fprintf(stderr, "bench_publish: %s\n", what);
        exit(1);
    }
}

static double redis_cpu_us(void)
{
    double total = 0;
    redisReply *reply = hf_redis_server_command(server, "INFO cpu");
    static const char *const fields[] = {"used_cpu_user_main_thread:", "used_cpu_sys_main_thread:"};
    for (size_t i = 0; i < 2; i++) {
        const char *at = strstr(reply->str, fields[i]);
        must(at != NULL, "INFO cpu lacks the main thread's times");
        total += strtod(at + strlen(fields[i]), NULL);
    }
    freeReplyObject(reply);
    return total * 1e6;
}

static double own_cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* --- the peer's ------------------------------------------------------------------------------ */

static char *read_peer_script(void)
{
    static char text[8192], path[512];
    snprintf(path, sizeof path, "%s", __FILE__);
    char *slash = strrchr(path, '/');
    must(slash != NULL, "where am I?");
    snprintf(slash + 1, sizeof path - (size_t)(slash + 1 - path), "peer_publish.lua");
    FILE *file = fopen(path, "r");
    must(file != NULL, "peer_publish.lua is not beside the source");
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

#define ARGUMENTS_MAX 20

/* Runs EVALSHA with the script and the arguments, which end with NULL, `count` times. */
static void run_benchmark(const char *script, const char *const *arguments, unsigned connections,
                          unsigned count)
{
    char number[16], sha1[64], clients[16], pipelined[16];
    const char *words[ARGUMENTS_MAX + 16] = {"redis-benchmark",
                                             "-s",
                                             hf_redis_server_unix(server) + 7,
                                             "-c",
                                             clients,
                                             "-P",
                                             pipelined,
                                             "-n",
                                             number,
                                             "EVALSHA",
                                             sha1};
    size_t word_count = 11;
    snprintf(number, sizeof number, "%u", count);
    snprintf(clients, sizeof clients, "%u", connections);
    snprintf(pipelined, sizeof pipelined, "%u", 64 / connections);
    redisReply *reply = hf_redis_server_command(server, "SCRIPT LOAD %s", script);
    must(reply->type == REDIS_REPLY_STRING, "Redis does not take the script");
    snprintf(sha1, sizeof sha1, "%s", reply->str);
    freeReplyObject(reply);
    for (; *arguments != NULL; arguments++)
        words[word_count++] = *arguments;
    pid_t child = fork();
    must(child >= 0, "fork failed");
    if (child == 0) {
        if (freopen("/dev/null", "w", stdout) == NULL)
            _exit(1);
        execvp(words[0], (char *const *)words);
        _exit(127);
    }
    int status;
    must(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
         "redis-benchmark failed");
}

static void run_peer(unsigned connections, unsigned count)
{
    const char *const arguments[] = {
        "3",    "peer:stream", "peer:meta", "", payload, "300", "300", "peer:client",
        "3600", "abcdefgh",    "PUBLISH",   "", "",      "0",   "",    NULL};
    run_benchmark(read_peer_script(), arguments, connections, count);
}

/* As the store calls it for one publication to a stream that it has published to of late. */
static const char *const our_arguments[] = {
    "2", "our:stream", "our:meta", "12345678.1", "s300 301 3601 ", "9-*", payload, NULL};

static void run_script(unsigned connections, unsigned count)
{
    hf_redis_server_do(server, "XADD our:stream 9-1 data x");
    hf_redis_server_do(server, "SET our:meta 9-1 EX 3601");
    run_benchmark(hf_scripts[HF_SCRIPT_STREAM_PUBLISH].text, our_arguments, connections, count);
    redisReply *reply = hf_redis_server_command(server, "GET our:meta");
    /* It finishes the pipeline that it has begun. */
    must(reply->type == REDIS_REPLY_STRING && strncmp(reply->str, "9-", 2) == 0 &&
             strtoul(reply->str + 2, NULL, 10) > count,
         "our script did not publish");
    freeReplyObject(reply);
}

static void run_append(unsigned connections, unsigned count)
{
    run_benchmark("return redis.call('XADD', KEYS[1], 'MAXLEN', '~', '300', '*', 'data', ARGV[4])",
                  our_arguments, connections, count);
}

static void run_nothing(unsigned connections, unsigned count)
{
    run_benchmark("return 1", our_arguments, connections, count);
}

/* --- ours ------------------------------------------------------------------------------------ */

struct publication {
    struct hf_store_publish request; /* first member */
    struct run *run;
};

struct run {
    struct hf_store_client client;
    struct publication window[WINDOW_MAX];
    struct publication *free[WINDOW_MAX];
    char names[WINDOW_MAX][16];
    unsigned free_count, next_channel, to_send, done, total;
};

static void on_published(struct hf_store_publish *request)
{
    struct publication *publication = (struct publication *)request;
    struct run *run = publication->run;
    must(request->result == HF_OK, "a publication failed");
    run->done++;
    run->free[run->free_count++] = publication;
}

static bool is_all_done(const struct run *run)
{
    return run->done == run->total;
}

static void run_store(struct run *run, const struct bench_case *bench, unsigned count)
{
    struct hf_store *store = run->client.store;
    run->free_count = 0;
    for (unsigned i = 0; i < bench->in_flight; i++) {
        run->window[i].run = run;
        run->free[run->free_count++] = &run->window[i];
    }
    run->done = 0;
    run->total = run->to_send = count;
    while (!is_all_done(run)) {
        unsigned gathered = 0;
        while (run->to_send > 0 && run->free_count > 0) {
            struct publication *publication = run->free[--run->free_count];
            publication->request = (struct hf_store_publish){
                .channel = hf_bytes_of(run->names[run->next_channel++ % bench->channels]),
                .options = {bench->history, 300, 3600},
                .fields = {.data = {payload, PAYLOAD}},
                .complete = on_published,
            };
            store->ops->publish(store, &publication->request);
            run->to_send--;
            if (++gathered == bench->per_flush) {
                store->ops->flush(store);
                gathered = 0;
            }
        }
        store->ops->flush(store);
        event_base_loop(run->client.base, EVLOOP_ONCE);
    }
}

/* --- figures --------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What the better quarter of the rounds reaches: other programs only ever make it worse. */
static double good(size_t of_case, unsigned rounds, size_t offset, bool is_more_better)
{
    double values[ROUNDS_MAX];
    for (unsigned i = 0; i < rounds; i++)
        memcpy(&values[i], (const char *)&figures[of_case][i] + offset, sizeof values[i]);
    qsort(values, rounds, sizeof values[0], compare);
    return values[is_more_better ? rounds - 1 - rounds / 4 : rounds / 4];
}

static struct figures measure(struct run *run, const struct bench_case *bench, unsigned count)
{
    double redis_us = redis_cpu_us(), client_us = own_cpu_us();
    uint64_t begin_ms = hf_test_now_ms();
    if (bench->run != NULL)
        bench->run(bench->connections, count);
    else
        run_store(run, bench, count);
    double seconds = (double)(hf_test_now_ms() - begin_ms) / 1000;
    return (struct figures){
        .per_second = count / (seconds > 0 ? seconds : 0.001),
        .redis_us = (redis_cpu_us() - redis_us) / count,
        .client_us = bench->run != NULL ? 0 : (own_cpu_us() - client_us) / count,
    };
}

static void report(unsigned rounds)
{
    double peer_rate = 0, peer_us = 0; /* of the last row of the peer's */
    printf("%-40s %10s %7s %9s %7s %10s %7s\n", "publications of 128 bytes with history", "per s",
           "ratio", "Redis us", "ratio", "client us", "target");
    for (size_t i = 0; i < CASES; i++) {
        double rate = good(i, rounds, offsetof(struct figures, per_second), true);
        double redis_us = good(i, rounds, offsetof(struct figures, redis_us), false);
        if (cases[i].run == run_peer) {
            peer_rate = rate;
            peer_us = redis_us;
        }
        double client_us = good(i, rounds, offsetof(struct figures, client_us), false);
        printf("%-40s %10.0f %7.2f %9.2f %7.2f %10.2f", cases[i].name, rate, rate / peer_rate,
               redis_us, peer_us / redis_us, client_us);
        if (cases[i].target > 0)
            printf(" %7.1f", cases[i].target);
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000;
    unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 5;
    must(count > 0 && rounds > 0 && rounds <= ROUNDS_MAX, "bench_publish [count] [rounds <= 25]");
    memset(payload, 'x', PAYLOAD);
    server = hf_redis_server_start(NULL);
    struct run *run = calloc(1, sizeof *run);
    must(run != NULL, "out of memory");
    for (unsigned i = 0; i < WINDOW_MAX; i++)
        snprintf(run->names[i], sizeof run->names[i], "bench:%u", i);
    hf_store_client_init(&run->client, hf_redis_server_unix(server));
    hf_store_client_connect(&run->client);
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < CASES; i++) {
            hf_redis_server_do(server, "FLUSHALL");
            figures[i][round] = measure(run, &cases[i], count);
        }
    }
    report(rounds);
    hf_store_client_close(&run->client);
    free(run);
    hf_redis_server_free(server);
    return 0;
}
