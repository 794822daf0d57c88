/* Registry: what a worker knows of the nodes on the same store, from what they tell each other.
 *
 * Every node tells about itself on the engine's bus when it starts, every
 * holdfast.registry_interval (from worker 0), within a second of hearing a new one, and when it
 * stops; every worker's registry keeps what it heard and forgets a node that was silent for
 * holdfast.registry_timeout. The own node is always there, with figures of the moment.
 *
 * A message is one JSON object. Unknown fields and types are ignored, so that nodes of different
 * versions can share a store:
 *   {"type":"node","uid":U,"name":N,"version":V,"num_clients":1,"num_users":1,"num_subs":1,
 *    "num_channels":1,"uptime":1,"metrics":{...}}   uptime in seconds; metrics: info_metrics.h
 *   {"type":"leave","uid":U}
 * Worker's thread only. At most holdfast.registry_nodes_max other nodes are kept; more are ignored
 * until one is forgotten. */
#ifndef HF_SERVER_REGISTRY_H
#define HF_SERVER_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

#include <holdfast/publication.h>

#include "slice.h"

struct hf_registry;
struct hf_worker;

struct hf_node_info {
    struct hf_slice uid; /* slices: valid until the visitor returns */
    struct hf_slice name;
    struct hf_slice version;
    uint64_t num_clients;
    uint64_t num_users; /* distinct user names; "" counts as one */
    uint64_t num_subs;
    uint64_t num_channels;
    uint64_t uptime_s;
    struct hf_slice metrics; /* JSON, see info_metrics.h; empty: none yet */
};

/* NULL: no memory. worker->node and worker->config must be set. */
struct hf_registry *hf_registry_open(struct hf_worker *worker);
void hf_registry_close(struct hf_registry *registry); /* NULL is allowed */

/* Forgets silent nodes; on worker 0 tells about this one when it is time (the first call does).
 * To be called about once a second, with the port open. */
void hf_registry_tick(struct hf_registry *registry, uint64_t now_ms);

/* Tells the others that this node leaves; nothing is told after it. Worker 0, port open. */
void hf_registry_leave(struct hf_registry *registry);

/* For hf_port_callbacks.on_bus; port_context is the worker. */
void hf_registry_on_bus(void *port_context, struct hf_bytes message);

/* Calls `visit` for every node, this one first. */
void hf_registry_each(struct hf_registry *registry,
                      void (*visit)(void *context, const struct hf_node_info *info), void *context);

#endif
