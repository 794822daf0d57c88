/* Node counters: the counters of all workers of a node as one (counters.h), and the names of what
 * they count. Any thread that may read the workers' counters. */
#ifndef HF_SERVER_NODE_COUNTERS_H
#define HF_SERVER_NODE_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"

struct hf_node;
struct hf_worker;

/* The sum over the workers of the counter at `offset` in hf_worker_counters. */
uint64_t hf_node_counter(const struct hf_node *node, size_t offset);
#define HF_NODE_COUNTER(node, field)                                                               \
    hf_node_counter(node, offsetof(struct hf_worker_counters, field))

/* Of the places of `sessions`: static texts. */
const char *hf_framing_transport(size_t framing);
const char *hf_framing_encoding(size_t framing);
/* Of the places of `commands`: the protocol's names. */
const char *hf_command_name(size_t kind);

/* The path of the i-th route of both listeners, whose place in `http` is i. NULL: there are no
 * more. Valid as long as the worker. */
const char *hf_counted_route(const struct hf_worker *worker, size_t i);
/* The API method that the path stands for; NULL: none. */
const char *hf_route_api_method(const struct hf_worker *worker, const char *path);

#endif
