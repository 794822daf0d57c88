#include "net/origin.h"

#include <ctype.h>
#include <string.h>

#include "glob.h"

const char *hf_origin_pattern_error(const char *pattern)
{
    return pattern[0] == '\0' ? "it is empty" : hf_glob_error(pattern);
}

bool hf_origin_is_allowed(const struct hf_string_list *allowed, const char *origin, size_t len)
{
    char lowered[HF_ORIGIN_MAX];
    if (origin == NULL) {
        return true;
    }
    if (allowed->count == 1 && strcmp(allowed->items[0], "*") == 0) {
        return true;
    }
    if (len > sizeof(lowered)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        lowered[i] = (char)tolower((unsigned char)origin[i]);
    }
    for (size_t i = 0; i < allowed->count; i++) {
        if (hf_glob_matches(allowed->items[i], hf_slice(lowered, len))) {
            return true;
        }
    }
    return false;
}
