/* What the chaos tests share. Each test is one scenario (README.md): its own Redis and nodes,
 * cleaned up by the teardown however the test ends. */
#ifndef HF_TESTS_CHAOS_H
#define HF_TESTS_CHAOS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine_client.h"
#include "proxy.h"

#define T_DETECT_MS 2000 /* I4 */

struct chaos {
    struct hf_cluster cluster;
    struct hf_proxy *proxy; /* what a test puts here is freed, and in the next line */
    struct hf_redis_server *second;
};

static inline int chaos_set_up(void **state)
{
    struct chaos *chaos = calloc(1, sizeof *chaos);
    *state = chaos;
    return chaos != NULL ? 0 : -1;
}

static inline int chaos_tear_down(void **state)
{
    struct chaos *chaos = *state;
    hf_proxy_free(chaos->proxy); /* first: nothing is held back any more */
    hf_cluster_close(&chaos->cluster);
    hf_redis_server_free(chaos->second);
    free(chaos);
    return 0;
}

#define CHAOS_TEST(test) cmocka_unit_test_setup_teardown(test, chaos_set_up, chaos_tear_down)

/* Runs them, or only those that HF_CHAOS_TEST matches ("c10_*"). */
#define CHAOS_RUN(tests)                                                                           \
    (cmocka_set_test_filter(getenv("HF_CHAOS_TEST")), cmocka_run_group_tests(tests, NULL, NULL))

/* How much longer than by default a test that could go on for ever runs: HF_CHAOS_SCALE. */
static inline uint32_t chaos_scale(void)
{
    const char *text = getenv("HF_CHAOS_SCALE");
    long scale = text != NULL ? strtol(text, NULL, 10) : 1;
    return scale > 0 && scale < 100000 ? (uint32_t)scale : 1;
}

static inline struct hf_cluster *chaos_start(void **state, const char *const *redis_options)
{
    struct chaos *chaos = *state;
    hf_cluster_init(&chaos->cluster, redis_options);
    return &chaos->cluster;
}

/* An integer reply. */
#define CHAOS_NUMBER(cluster, ...)                                                                 \
    chaos_number(hf_redis_server_command((cluster)->redis, __VA_ARGS__))
static inline long long chaos_number(redisReply *reply)
{
    if (reply->type != REDIS_REPLY_INTEGER) {
        fail_msg("no number, but %s", reply->str != NULL ? reply->str : "something else");
    }
    long long number = reply->integer;
    freeReplyObject(reply);
    return number;
}

/* A field of INFO. */
static inline long long chaos_info(struct hf_cluster *cluster, const char *field)
{
    redisReply *reply = hf_redis_server_command(cluster->redis, "INFO everything");
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\n%s:", field);
    const char *at = strstr(reply->str, wanted);
    if (at == NULL) {
        fail_msg("INFO has no %s", field);
    }
    long long number = strtoll(at + strlen(wanted), NULL, 10);
    freeReplyObject(reply);
    return number;
}

#endif
