/* A node: the whole broker process: configuration, engine, workers, and their orderly end.
 *
 *   STARTING ─► RUNNING ──SIGTERM/SIGINT──► DRAINING (clients are told 3001) ─► STOPPED
 *
 * hf_node_run blocks the main thread. The rest may be called from any thread. */
#ifndef HF_SERVER_NODE_H
#define HF_SERVER_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include <holdfast/engine.h>

#include "config/config.h"

struct hf_config_source;
struct hf_node;
struct hf_worker;

/* `source`: what SIGHUP reads again (reload.h). Returns the process' exit status. */
int hf_node_run(const struct hf_config *config, const struct hf_config_source *source);

const char *hf_node_uid(const struct hf_node *node); /* UUID of this start */
const char *hf_node_name(const struct hf_node *node);
uint64_t hf_node_uptime_s(const struct hf_node *node);
bool hf_node_is_draining(const struct hf_node *node);
struct hf_engine *hf_node_engine(const struct hf_node *node);
unsigned hf_node_worker_count(const struct hf_node *node);
struct hf_worker *hf_node_worker(const struct hf_node *node, unsigned index);

#endif
