/* Info metrics: what the node has done during the last node.info_metrics_aggregate_interval, as the
 * server API's `info` tells it.
 *
 * A JSON object in the peer's form: {"interval":60,"items":{NAME:number,...}}. `interval` is in
 * seconds; NAME is one of the peer's metrics with its labels, all joined by dots; a counter's
 * number is its growth in the interval, a gauge's its value at the end. Items of 0 are left out.
 * One thread. */
#ifndef HF_SERVER_INFO_METRICS_H
#define HF_SERVER_INFO_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"

struct hf_worker;

/* One for each node; zeroed is new. */
struct hf_info_metrics {
    uint64_t begun_at_ms; /* the interval; 0: there is none yet */
    uint64_t before[256]; /* the counters then, in the order of the items */
};

/* Begins the first interval, or ends one that is over: then true, and `text` holds the object. The
 * caller asks about once a second and looks at hf_buffer_failed. `worker` stands for its node. */
bool hf_info_metrics_tick(struct hf_info_metrics *metrics, const struct hf_worker *worker,
                          uint64_t now_ms, struct hf_buffer *text);

#endif
