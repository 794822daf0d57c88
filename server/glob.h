/* Glob: patterns over a whole text. Pure; any thread; allocates nothing.
 *
 *   `*` any bytes, also none;  `?` one byte;  `[abc]` `[a-z]` `[!abc]` a byte of, or not of, a set;
 *   `{a,b}` one of the alternatives (not nested);  `\` takes the next byte as it is. */
#ifndef HF_SERVER_GLOB_H
#define HF_SERVER_GLOB_H

#include <stdbool.h>

#include "slice.h"

#define HF_GLOB_MAX          512 /* bytes of a pattern, with its NUL */
#define HF_GLOB_GROUPS_MAX   4   /* of alternatives */
#define HF_GLOB_PATTERNS_MAX 256 /* that all combinations of alternatives make */

/* NULL when the pattern (NUL-terminated, borrowed) can be matched, else what is wrong with it
 * (static text). "" is fine: it matches the empty text. */
const char *hf_glob_error(const char *pattern);

/* pattern: one that hf_glob_error has passed. */
bool hf_glob_matches(const char *pattern, struct hf_slice text);

#endif
