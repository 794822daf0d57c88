/* Routes: a table of HTTP paths built from configured prefixes.
 *
 * Built and freed on one thread; read-only while workers run, then any thread may read it. */
#ifndef HF_SERVER_API_ROUTES_H
#define HF_SERVER_API_ROUTES_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "net/http.h"

#define HF_ROUTES_MAX 48

struct hf_routes {
    struct hf_http_route items[HF_ROUTES_MAX]; /* the first `count`; paths are owned here */
    size_t count;
};

/* Appends `<prefix><suffix>`. Strings are borrowed until return. HF_ENOMEM, or HF_ELIMIT when the
 * table is full, and then nothing was added. A zeroed table is empty. */
int hf_routes_add(struct hf_routes *routes, const char *prefix, const char *suffix,
                  hf_http_handler *handler);
void hf_routes_fini(struct hf_routes *routes);

/* The server API's methods under http_api.handler_prefix; nothing when http_api.disabled.
 * HF_OK, HF_ENOMEM or HF_ELIMIT; what was added stays and is freed with the table. */
int hf_api_add_routes(const struct hf_config *config, struct hf_routes *routes);

/* prometheus.handler_prefix; nothing unless prometheus.enabled. Results as above. */
int hf_metrics_add_routes(const struct hf_config *config, struct hf_routes *routes);

/* health.handler_prefix and its `/ready`; nothing unless health.enabled. Results as above. */
int hf_health_add_routes(const struct hf_config *config, struct hf_routes *routes);

#endif
