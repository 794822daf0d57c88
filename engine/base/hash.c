#include "hash.h"

#include <endian.h>
#include <string.h>
#include <sys/random.h>

bool hf_hash_key_new(struct hf_hash_key *key)
{
    return getrandom(key, sizeof *key, 0) == (ssize_t)sizeof *key;
}

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

/* Inlined, as are its callers, so that the state stays in registers: names are short, and are
 * looked up several times for each publication. */
static inline __attribute__((always_inline)) void round_of(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

/* The next 8 bytes as a little-endian number, whatever the machine is. */
static uint64_t word_at(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return le64toh(word);
}

/* The last bytes, fewer than 8. */
static uint64_t tail_at(const unsigned char *at, size_t len)
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++) {
        word |= (uint64_t)at[i] << (8 * i);
    }
    return word;
}

static inline __attribute__((always_inline)) void mix(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    round_of(v);
    v[0] ^= word;
}

uint64_t hf_hash(const struct hf_hash_key *key, const void *data, size_t len)
{
    uint64_t v[4] = {
        key->words[0] ^ UINT64_C(0x736f6d6570736575), key->words[1] ^ UINT64_C(0x646f72616e646f6d),
        key->words[0] ^ UINT64_C(0x6c7967656e657261), key->words[1] ^ UINT64_C(0x7465646279746573)};
    const unsigned char *at = data;
    for (size_t rest = len; rest >= 8; rest -= 8, at += 8) {
        mix(v, word_at(at));
    }
    mix(v, (uint64_t)len << 56 | tail_at(at, len % 8));
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) {
        round_of(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
