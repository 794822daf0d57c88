/* Resolve: the addresses of a host name, looked up without blocking the loop (evdns: resolv.conf
 * and hosts are read anew for every look-up). Loop thread only. */
#ifndef HF_REDIS_RESOLVE_H
#define HF_REDIS_RESOLVE_H

#include <stdint.h>

#include <event2/util.h>

struct event_base;
struct hf_resolver;
struct hf_resolve;

/* NULL: no memory. */
struct hf_resolver *hf_resolver_new(struct event_base *base);
/* Every look-up must have ended or been cancelled. */
void hf_resolver_free(struct hf_resolver *resolver);

/* `addresses` are taken by the callee (evutil_freeaddrinfo); NULL: `error` says why. */
typedef void hf_resolve_callback(void *context, struct evutil_addrinfo *addresses,
                                 const char *error);

/* Looks up `host` (borrowed until return; a number is fine). The callback runs once, perhaps before
 * the return, unless it is cancelled. Returns the look-up, or NULL when the callback has run. */
struct hf_resolve *hf_resolve(struct hf_resolver *resolver, const char *host, uint16_t port,
                              hf_resolve_callback *callback, void *context);
void hf_resolve_cancel(struct hf_resolve *resolve);

#endif
