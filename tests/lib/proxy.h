/* Proxy: a TCP relay to a server on loopback, in a thread of its own, that makes the network fail
 * as told. All functions may be called from any thread; a change holds for bytes that arrive after
 * the call returned. */
#ifndef HF_TESTS_PROXY_H
#define HF_TESTS_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_proxy;

/* Which connections a fault is for. A connection that sends SUBSCRIBE is of the second kind. */
enum hf_proxy_kind { HF_PROXY_COMMANDS = 1, HF_PROXY_PUBSUB = 2, HF_PROXY_ALL = 3 };

struct hf_proxy *hf_proxy_start(uint16_t server_port);
void hf_proxy_free(struct hf_proxy *proxy); /* NULL is allowed */

const char *hf_proxy_address(const struct hf_proxy *proxy);          /* "127.0.0.1:<port>" */
void hf_proxy_lead_to(struct hf_proxy *proxy, uint16_t server_port); /* later connections */

/* Replies are read from the server and thrown away: the command was carried out and nobody knows.
 * `lost_bytes` counts them. */
void hf_proxy_lose_replies(struct hf_proxy *proxy, enum hf_proxy_kind kind, bool lose);
uint64_t hf_proxy_lost_bytes(const struct hf_proxy *proxy);
/* Nothing passes in any direction and nothing is closed: a black hole. */
void hf_proxy_hold(struct hf_proxy *proxy, bool hold);
/* New connections are closed as soon as they are made. */
void hf_proxy_refuse(struct hf_proxy *proxy, bool refuse);
void hf_proxy_cut(struct hf_proxy *proxy, enum hf_proxy_kind kind);

uint64_t hf_proxy_attempts(const struct hf_proxy *proxy); /* connections asked for so far */

#endif
