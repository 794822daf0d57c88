/* Redis counter: what a Redis server has done so far, asked over a connection of its own. One
 * thread. Ends the program with a message when the server does not answer. */
#ifndef HF_BENCH_REDIS_COUNTER_H
#define HF_BENCH_REDIS_COUNTER_H

#include <stdint.h>
#include <sys/types.h>

struct hf_redis_counter;

/* address: "host:port". */
struct hf_redis_counter *hf_redis_counter_new(const char *address);
void hf_redis_counter_free(struct hf_redis_counter *counter); /* NULL: nothing */

pid_t hf_redis_counter_pid(struct hf_redis_counter *counter);
/* Commands executed, those inside of scripts included; without INFO and PING, which are asked for
 * their own sake. */
uint64_t hf_redis_counter_commands(struct hf_redis_counter *counter);

#endif
