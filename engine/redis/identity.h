/* Identity: which server answers, from its replies to HELLO and INFO. Pure. */
#ifndef HF_REDIS_IDENTITY_H
#define HF_REDIS_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "redis/reply.h"

/* HELLO's reply, an array of names and values: its major version, 0 when there is none; and whether
 * the server follows another one. */
long hf_redis_hello_version(const struct hf_reply *hello);
bool hf_redis_hello_is_replica(const struct hf_reply *hello);

/* A number made of the process' run ID and its replication ID, from the text of INFO server and
 * replication; 0 when that tells none. A process may lose what it has by following another primary
 * for a while: then it has another replication ID when it is a primary again. */
uint64_t hf_redis_info_life(const char *info);

#endif
