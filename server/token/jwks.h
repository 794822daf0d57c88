/* JWKS: the keys that an address on the web publishes for tokens (RFC 7517 section 5), fetched with
 * libcurl on a thread of their own, so that nobody else ever waits for the web.
 *
 *   opened ─► fetch ─► keys known ─► fetched anew every `ttl`, and when a token names a key that is
 *                                    not among them, but never within `retry` of the last time
 *
 * When a fetch fails the keys that are known stay, a line is logged, and the next comes after
 * `retry`. All who open the same address share one. Any thread may call any of these; find holds
 * a lock for as long as it takes to look. */
#ifndef HF_SERVER_TOKEN_JWKS_H
#define HF_SERVER_TOKEN_JWKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"
#include "token/key_set.h"

struct hf_jwks;

struct hf_jwks_limits {
    int64_t ttl_ms;     /* from one fetch to the next */
    int64_t retry_ms;   /* between fetches at least */
    int64_t timeout_ms; /* of one fetch */
    uint64_t bytes_max; /* of an answer */
    uint32_t keys_max;
};

/* NULL, or what is wrong with the address (static text). */
const char *hf_jwks_address_error(const char *address);

/* Starts fetching, if nobody has yet; limits count for the first to open an address. NULL: no
 * memory or no thread. */
struct hf_jwks *hf_jwks_open(const char *address, const struct hf_jwks_limits *limits)
    __attribute__((warn_unused_result));
/* The last to close ends the thread, and a fetch that is going on with it. NULL is fine. */
void hf_jwks_close(struct hf_jwks *jwks);

enum hf_jwks_result {
    HF_JWKS_FOUND,
    HF_JWKS_UNKNOWN, /* the address was asked less than `retry` ago and has no such key */
    HF_JWKS_PENDING, /* not known, and being asked for: try again later */
};

/* With HF_JWKS_FOUND *keys is the key, to be used until *set is given back with hf_key_set_unref.
 */
enum hf_jwks_result hf_jwks_find(struct hf_jwks *jwks, struct hf_slice kid, struct hf_key_set **set,
                                 const struct hf_token_keys **keys)
    __attribute__((warn_unused_result));

/* Blocks until a fetch has ended, well or not; for programs that have nothing else to do. */
void hf_jwks_wait(struct hf_jwks *jwks);

#endif
