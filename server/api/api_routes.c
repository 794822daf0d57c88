#include "api/api_routes.h"

#include <stdlib.h>
#include <string.h>

#include <holdfast/error.h>

int hf_routes_add(struct hf_routes *routes, const char *prefix, const char *suffix,
                  hf_http_handler *handler)
{
    size_t prefix_len = strlen(prefix);
    size_t suffix_len = strlen(suffix);
    char *path;

    if (routes->count == HF_ROUTES_MAX) {
        return HF_ELIMIT;
    }
    path = malloc(prefix_len + suffix_len + 1);
    if (path == NULL) {
        return HF_ENOMEM;
    }
    memcpy(path, prefix, prefix_len);
    memcpy(path + prefix_len, suffix, suffix_len + 1);
    routes->items[routes->count++] = (struct hf_http_route){.path = path, .handler = handler};
    return HF_OK;
}

void hf_routes_fini(struct hf_routes *routes)
{
    for (size_t i = 0; i < routes->count; i++) {
        free((void *)(uintptr_t)routes->items[i].path);
    }
    routes->count = 0;
}
