#include "redis/resolve.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/dns.h>
#include <event2/util.h>

struct hf_resolver {
    struct event_base *base;
    struct evdns_base *dns; /* made when the first name is looked up */
};

struct hf_resolve {
    hf_resolve_callback *callback; /* NULL: cancelled */
    void *context;
    struct evdns_getaddrinfo_request *request;
    bool is_starting; /* inside hf_resolve */
    bool is_done;
};

struct hf_resolver *hf_resolver_new(struct event_base *base)
{
    struct hf_resolver *resolver = calloc(1, sizeof *resolver);
    if (resolver != NULL)
        resolver->base = base;
    return resolver;
}

void hf_resolver_free(struct hf_resolver *resolver)
{
    if (resolver == NULL)
        return;
    if (resolver->dns != NULL)
        evdns_base_free(resolver->dns, 1);
    free(resolver);
}

static bool read_system_settings(struct hf_resolver *resolver)
{
    if (resolver->dns == NULL) {
        resolver->dns = evdns_base_new(resolver->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
        if (resolver->dns == NULL)
            return false;
    }
    evdns_base_clear_nameservers_and_suspend(resolver->dns);
    /* A file that is missing or says nothing leaves the defaults: a name server on this host. */
    evdns_base_resolv_conf_parse(resolver->dns, DNS_OPTIONS_ALL, "/etc/resolv.conf");
    evdns_base_resume(resolver->dns);
    return true;
}

static void on_addresses(int result, struct evutil_addrinfo *addresses, void *context)
{
    struct hf_resolve *resolve = context;
    resolve->is_done = true;
    if (resolve->callback == NULL) {
        if (addresses != NULL)
            evutil_freeaddrinfo(addresses);
    } else if (result != 0) {
        resolve->callback(resolve->context, NULL, evutil_gai_strerror(result));
    } else {
        resolve->callback(resolve->context, addresses, NULL);
    }
    if (!resolve->is_starting)
        free(resolve);
}

struct hf_resolve *hf_resolve(struct hf_resolver *resolver, const char *host, uint16_t port,
                              hf_resolve_callback *callback, void *context)
{
    struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_protocol = IPPROTO_TCP,
                                    .ai_flags = EVUTIL_AI_NUMERICHOST};
    struct evutil_addrinfo *addresses = NULL;
    char service[6];
    snprintf(service, sizeof service, "%u", port);
    if (evutil_getaddrinfo(host, service, &hints, &addresses) == 0) {
        callback(context, addresses, NULL);
        return NULL;
    }

    struct hf_resolve *resolve = calloc(1, sizeof *resolve);
    if (resolve == NULL || !read_system_settings(resolver)) {
        free(resolve);
        callback(context, NULL, "out of memory");
        return NULL;
    }
    *resolve = (struct hf_resolve){.callback = callback, .context = context, .is_starting = true};
    hints.ai_flags = 0;
    resolve->request =
        evdns_getaddrinfo(resolver->dns, host, service, &hints, on_addresses, resolve);
    resolve->is_starting = false;
    if (resolve->is_done) {
        free(resolve);
        return NULL;
    }
    return resolve;
}

void hf_resolve_cancel(struct hf_resolve *resolve)
{
    resolve->callback = NULL;
    evdns_getaddrinfo_cancel(resolve->request);
}
