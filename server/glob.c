#include "glob.h"

#include <string.h>

/* Patterns are matched by backtracking over `*`, once per alternative of `{}`: the pattern with one
 * alternative chosen is written out first. Both are bounded by hf_glob_error. */

/* Whether byte is in the set that starts after '['; *end is set behind ']'. */
static bool is_in_set(const char *set, char byte, const char **end)
{
    bool is_negated = *set == '!';
    bool is_found = false;
    set += is_negated ? 1 : 0;
    while (*set != ']') {
        char low = *set == '\\' ? *++set : *set;
        char high = low;
        set++;
        if (set[0] == '-' && set[1] != ']') {
            set++;
            high = *set == '\\' ? *++set : *set;
            set++;
        }
        is_found = is_found || (byte >= low && byte <= high);
    }
    *end = set + 1;
    return is_found != is_negated;
}

/* Whether the one-byte element at *pattern takes byte; *pattern moves behind the element. */
static bool takes_byte(const char **pattern, char byte)
{
    const char *at = *pattern;
    if (*at == '?') {
        *pattern = at + 1;
        return true;
    }
    if (*at == '[') {
        return is_in_set(at + 1, byte, pattern);
    }
    at += *at == '\\' ? 1 : 0;
    *pattern = at + 1;
    return *at == byte;
}

/* Matches a pattern without alternatives. Only the last `*` needs to be retried: what came before
 * it is matched as early as possible. */
static bool matches(const char *pattern, const char *text, size_t len)
{
    const char *end = text + len;
    const char *star = NULL;
    const char *retry = NULL;
    while (text < end) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
            continue;
        }
        const char *next = pattern;
        if (*pattern != '\0' && takes_byte(&next, *text)) {
            pattern = next;
            text++;
        } else if (star != NULL) {
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

/* The first byte of `wanted` at this level of the pattern: not escaped and not in a set. */
static const char *find_plain(const char *pattern, const char *wanted)
{
    bool in_set = false;
    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '\\' && pattern[1] != '\0') {
            pattern++;
        } else if (in_set) {
            in_set = *pattern != ']';
        } else if (strchr(wanted, *pattern) != NULL) {
            return pattern;
        } else {
            in_set = *pattern == '[';
        }
    }
    return NULL;
}

/* Tries each alternative of the first `{}`, then those of the next, by calling itself. */
static bool matches_alternatives(const char *pattern, const char *text, size_t len)
{
    const char *open = find_plain(pattern, "{");
    if (open == NULL) {
        return matches(pattern, text, len);
    }
    const char *close = find_plain(open + 1, "}");
    const char *start = open + 1;
    while (start <= close) {
        const char *end = find_plain(start, ",}");
        char chosen[HF_GLOB_MAX];
        size_t head_len = (size_t)(open - pattern);
        size_t chosen_len = (size_t)(end - start);
        memcpy(chosen, pattern, head_len);
        memcpy(chosen + head_len, start, chosen_len);
        memcpy(chosen + head_len + chosen_len, close + 1, strlen(close + 1) + 1);
        if (matches_alternatives(chosen, text, len)) {
            return true;
        }
        start = end + 1;
    }
    return false;
}

static const char *set_error(const char **at)
{
    const char *set = *at + 1;
    set += *set == '!' ? 1 : 0;
    if (*set == ']') {
        return "the set [] is empty";
    }
    for (; *set != '\0' && *set != ']'; set++) {
        set += *set == '\\' && set[1] != '\0' ? 1 : 0;
    }
    *at = set;
    return *set == ']' ? NULL : "the set [ is not closed";
}

const char *hf_glob_error(const char *pattern)
{
    bool in_alternatives = false;
    size_t alternatives = 1; /* of the group that is read */
    size_t patterns = 1;     /* that the groups before make */
    size_t groups = 0;
    if (strlen(pattern) >= HF_GLOB_MAX) {
        return "it is too long";
    }
    for (const char *at = pattern; *at != '\0'; at++) {
        const char *error = NULL;
        if (*at == '\\') {
            if (*++at == '\0') {
                return "it ends with a backslash";
            }
        } else if (*at == '[') {
            error = set_error(&at);
        } else if (*at == '{') {
            error = in_alternatives ? "{ inside of {}" : NULL;
            in_alternatives = true;
            error = ++groups > HF_GLOB_GROUPS_MAX ? "more than four groups of {}" : error;
            alternatives = 1;
        } else if (*at == ',') {
            alternatives++;
        } else if (*at == '}') {
            error = in_alternatives ? NULL : "} without {";
            in_alternatives = false;
            patterns *= alternatives;
            error = patterns > HF_GLOB_PATTERNS_MAX ? "too many alternatives in {}" : error;
        }
        if (error != NULL) {
            return error;
        }
    }
    return in_alternatives ? "{ is not closed" : NULL;
}

bool hf_glob_matches(const char *pattern, struct hf_slice text)
{
    return matches_alternatives(pattern, text.data, text.len);
}
