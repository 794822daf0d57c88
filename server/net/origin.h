#ifndef HF_ORIGIN_H
#define HF_ORIGIN_H

/* Origin: which web pages may connect. Pure; any thread; allocates nothing.
 *
 * Patterns are globs (glob.h) over the whole origin, compared with the lower-cased Origin header.
 */

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

/* Longest Origin that is looked at; a longer one is refused. */
#define HF_ORIGIN_MAX 512

/* Whether a request with this Origin header (len bytes, borrowed; NULL = no such header) may
 * connect. Without the header always; with an empty list never; a list of exactly "*" = always. */
bool hf_origin_is_allowed(const struct hf_string_list *allowed, const char *origin, size_t len);

/* NULL when the pattern (NUL-terminated, borrowed) is a usable glob, else what is wrong with it
 * (static text). Used when the configuration is loaded. */
const char *hf_origin_pattern_error(const char *pattern);

#endif
