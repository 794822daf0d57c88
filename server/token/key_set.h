/* Key set: public keys by their names, read from a JSON Web Key Set (RFC 7517, RFC 7518 section 6,
 * RFC 8037).
 *
 * Immutable and reference-counted: any thread may hold and use one. Keys that are not for
 * signatures
 * (`use`, `key_ops` aside), have no `kid`, or are of a kind that no algorithm here uses are left
 * out: sets hold what other readers need, too. */
#ifndef HF_SERVER_TOKEN_KEY_SET_H
#define HF_SERVER_TOKEN_KEY_SET_H

#include <stddef.h>
#include <stdint.h>

#include "slice.h"
#include "token/token_key.h"

struct hf_key_set;

/* The set with one reference, NULL when the text is no key set (also: more than keys_max keys, a
 * name twice, a key that is not as its kind demands) or memory is out; *reason is then a static
 * text. */
struct hf_key_set *hf_key_set_read(struct hf_slice text, uint32_t keys_max, const char **reason)
    __attribute__((warn_unused_result));

/* Takes another reference and returns the set; gives one back (NULL is fine). */
struct hf_key_set *hf_key_set_ref(struct hf_key_set *set);
void hf_key_set_unref(struct hf_key_set *set);

/* The key of that name, valid as long as the set; NULL: there is none. */
const struct hf_token_keys *hf_key_set_find(const struct hf_key_set *set, struct hf_slice kid);
size_t hf_key_set_count(const struct hf_key_set *set);

#endif
