/* Hash: a keyed hash of names that strangers choose (channels, users, clients).
 *
 * SipHash-1-3 (Aumasson and Bernstein, 2012). Without the key nobody can find names that collide,
 * so a table keyed by it cannot be made slow on purpose. The key is random and never leaves the
 * process. Any thread. */
#ifndef HF_BASE_HASH_H
#define HF_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_hash_key {
    uint64_t words[2];
};

/* A new random key. False: the system gives no random bytes. */
bool hf_hash_key_new(struct hf_hash_key *key);

/* `data` may be NULL when `len` is 0. */
uint64_t hf_hash(const struct hf_hash_key *key, const void *data, size_t len);

#endif
