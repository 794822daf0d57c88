#include "redis_counter.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hf_redis_counter {
    redisContext *context;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "holdfast-bench: Redis: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

struct hf_redis_counter *hf_redis_counter_new(const char *address)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    struct hf_redis_counter *counter = calloc(1, sizeof *counter);
    if (counter == NULL || colon == NULL || (size_t)(colon - address) >= sizeof host) {
        die(address, "not host:port");
    }
    snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
    counter->context = redisConnect(host, (int)strtol(colon + 1, NULL, 10));
    if (counter->context == NULL || counter->context->err != 0) {
        die(address, counter->context != NULL ? counter->context->errstr : "no memory");
    }
    return counter;
}

void hf_redis_counter_free(struct hf_redis_counter *counter)
{
    if (counter != NULL) {
        redisFree(counter->context);
        free(counter);
    }
}

static redisReply *ask(struct hf_redis_counter *counter, const char *section)
{
    redisReply *reply = redisCommand(counter->context, "INFO %s", section);
    if (reply == NULL || reply->type != REDIS_REPLY_STRING) {
        die("INFO", reply == NULL ? counter->context->errstr : "an unexpected answer");
    }
    return reply;
}

pid_t hf_redis_counter_pid(struct hf_redis_counter *counter)
{
    redisReply *reply = ask(counter, "server");
    const char *at = strstr(reply->str, "process_id:");
    if (at == NULL) {
        die("INFO server", "has no process_id");
    }
    pid_t pid = (pid_t)strtol(at + strlen("process_id:"), NULL, 10);
    freeReplyObject(reply);
    return pid;
}

uint64_t hf_redis_counter_commands(struct hf_redis_counter *counter)
{
    uint64_t sum = 0;
    redisReply *reply = ask(counter, "commandstats");
    for (const char *at = reply->str; (at = strstr(at, "cmdstat_")) != NULL;) {
        char name[64];
        unsigned long long calls;
        at += strlen("cmdstat_");
        if (sscanf(at, "%63[^:]:calls=%llu", name, &calls) == 2 && strcmp(name, "info") != 0 &&
            strcmp(name, "ping") != 0) {
            sum += calls;
        }
    }
    freeReplyObject(reply);
    return sum;
}
