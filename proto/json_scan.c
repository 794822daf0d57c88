#include "json_scan.h"

#include "json.h"
#include "utf8.h"

#include <assert.h>
#include <string.h>

static const char *fail(struct hf__json_error *error, const char *at, const char *reason)
{
    error->at = at;
    error->reason = reason;
    return NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    c = hf_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

uint32_t hf__json_hex4(const char *at)
{
    uint32_t unit = 0;
    for (int i = 1; i <= 4; i++) {
        unit = unit << 4 | (uint32_t)hex_value(at[i]);
    }
    return unit;
}

/* at: the backslash. */
static const char *scan_escape(const char *at, const char *end, struct hf__json_error *error)
{
    if (end - at < 2) {
        return fail(error, end, "string is not closed");
    }
    switch (at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return at + 2;
    case 'u':
        for (int i = 2; i < 6; i++) {
            if (end - at <= i) {
                return fail(error, end, "string is not closed");
            }
            if (hex_value(at[i]) < 0) {
                return fail(error, at + i, "not a hexadecimal digit");
            }
        }
        return at + 6;
    default:
        return fail(error, at + 1, "unknown escape");
    }
}

const char *hf__json_scan_string(const char *at, const char *end, bool *has_escapes,
                                 struct hf__json_error *error)
{
    *has_escapes = false;
    at++;
    for (;;) {
        at = hf__json_skip_plain(at, end, true);
        if (at == end) {
            return fail(error, end, "string is not closed");
        }
        unsigned char byte = (unsigned char)*at;
        if (byte == '"') {
            return at + 1;
        }
        if (byte == '\\') {
            *has_escapes = true;
            at = scan_escape(at, end, error);
            if (!at) {
                return NULL;
            }
        } else if (byte < 0x20) {
            return fail(error, at, "control character in string");
        } else {
            /* Stay here for a run of multi-byte characters: text is rarely mixed. */
            do {
                size_t len = hf_utf8_char_len(at, end);
                if (len == 0) {
                    return fail(error, at, "invalid UTF-8");
                }
                at += len;
            } while (at < end && (unsigned char)*at >= 0x80);
        }
    }
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && is_digit(*at)) {
        at++;
    }
    return at;
}

const char *hf__json_scan_number(const char *at, const char *end, struct hf__json_error *error)
{
    if (*at == '-') {
        at++;
    }
    if (at == end || !is_digit(*at)) {
        return fail(error, at, "number without digits");
    }
    at = *at == '0' ? at + 1 : skip_digits(at, end);
    if (at < end && *at == '.') {
        at++;
        if (at == end || !is_digit(*at)) {
            return fail(error, at, "fraction without digits");
        }
        at = skip_digits(at, end);
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-')) {
            at++;
        }
        if (at == end || !is_digit(*at)) {
            return fail(error, at, "exponent without digits");
        }
        at = skip_digits(at, end);
    }
    return at;
}

static const char *scan_literal(const char *at, const char *end, const char *literal, size_t len,
                                struct hf__json_error *error)
{
    if ((size_t)(end - at) < len || memcmp(at, literal, len) != 0) {
        return fail(error, at, "unknown literal");
    }
    return at + len;
}

static const char *scan_scalar(const char *at, const char *end, struct hf__json_error *error)
{
    if (at == end) {
        return fail(error, at, "value expected");
    }
    bool has_escapes;
    switch (*at) {
    case '"':
        return hf__json_scan_string(at, end, &has_escapes, error);
    case 't':
        return scan_literal(at, end, "true", 4, error);
    case 'f':
        return scan_literal(at, end, "false", 5, error);
    case 'n':
        return scan_literal(at, end, "null", 4, error);
    default:
        if (*at == '-' || is_digit(*at)) {
            return hf__json_scan_number(at, end, error);
        }
        return fail(error, at, "value expected");
    }
}

/* Containers opened by a scan, one bit each. */
struct nesting {
    uint64_t is_object[HF_JSON_MAX_DEPTH / 64];
    unsigned depth;
};

static void push(struct nesting *nesting, bool is_object)
{
    uint64_t bit = UINT64_C(1) << nesting->depth % 64;
    uint64_t *word = &nesting->is_object[nesting->depth / 64];
    *word = is_object ? *word | bit : *word & ~bit;
    nesting->depth++;
}

static bool in_object(const struct nesting *nesting)
{
    unsigned top = nesting->depth - 1;
    return (nesting->is_object[top / 64] >> top % 64 & 1) != 0;
}

/* Takes `"name" :` and the blanks after it. at: no blank. */
static const char *scan_name(const char *at, const char *end, struct hf__json_error *error)
{
    if (at == end || *at != '"') {
        return fail(error, at, "member name expected");
    }
    bool has_escapes;
    at = hf__json_scan_string(at, end, &has_escapes, error);
    if (!at) {
        return NULL;
    }
    at = hf__json_skip_blanks(at, end);
    if (at == end || *at != ':') {
        return fail(error, at, "colon expected");
    }
    return hf__json_skip_blanks(at + 1, end);
}

/* After a value: takes the closing brackets that follow and, if a container is still open, the
 * comma and what leads to the next value. */
static const char *scan_after_value(const char *at, const char *end, struct nesting *nesting,
                                    struct hf__json_error *error)
{
    while (nesting->depth > 0) {
        bool is_object = in_object(nesting);
        at = hf__json_skip_blanks(at, end);
        if (at < end && *at == ',') {
            at = hf__json_skip_blanks(at + 1, end);
            return is_object ? scan_name(at, end, error) : at;
        }
        if (at == end || *at != (is_object ? '}' : ']')) {
            return fail(error, at, "comma or closing bracket expected");
        }
        at++;
        nesting->depth--;
    }
    return at;
}

const char *hf__json_scan_value(const char *at, const char *end, unsigned depth_left,
                                struct hf__json_error *error)
{
    struct nesting nesting = {.depth = 0};
    assert(depth_left <= HF_JSON_MAX_DEPTH);
    do {
        if (at < end && (*at == '{' || *at == '[')) {
            bool is_object = *at == '{';
            if (nesting.depth == depth_left) {
                return fail(error, at, "nested too deeply");
            }
            push(&nesting, is_object);
            at = hf__json_skip_blanks(at + 1, end);
            if (at < end && *at == (is_object ? '}' : ']')) {
                at++;
                nesting.depth--;
                at = scan_after_value(at, end, &nesting, error);
            } else if (is_object) {
                at = scan_name(at, end, error);
            }
        } else {
            at = scan_scalar(at, end, error);
            at = at ? scan_after_value(at, end, &nesting, error) : NULL;
        }
    } while (at && nesting.depth > 0);
    return at;
}
