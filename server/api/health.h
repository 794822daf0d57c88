/* Health: whether the process lives, and whether it can serve.
 *
 *   GET|HEAD <prefix>        200 while the node runs; {"status":"ok"|"degraded",...} says how well
 *   GET|HEAD <prefix>/ready  200, or 503 while the store is away or the node is draining
 *
 * Both bodies have one form:
 *   {"status":"degraded","draining":false,
 *    "store":{"ready":false,"connected":true,"not_ready_ms":1200,"reason":"..."}}
 * `reason` and `not_ready_ms` are there only while the store is not ready. Any worker's thread. */
#ifndef HF_SERVER_HEALTH_H
#define HF_SERVER_HEALTH_H

#include <stdbool.h>

#include <holdfast/engine.h>

#include "api/api_routes.h"
#include "buffer.h"

/* Appends the body. Returns whether the node can serve. */
bool hf_health_describe(struct hf_buffer *body, const struct hf_engine_status *status,
                        bool is_draining);

#endif
