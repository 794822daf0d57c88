#include "json.h"

#include "json_scan.h"
#include "utf8.h"

#include <assert.h>

void hf_json_init(struct hf_json *json, struct hf_slice text, unsigned max_depth)
{
    assert(max_depth >= 1 && max_depth <= HF_JSON_MAX_DEPTH);
    const char *start = text.len != 0 ? text.data : "";
    *json = (struct hf_json){
        .start = start,
        .end = start + text.len,
        .at = start,
        .max_depth = max_depth,
    };
}

static bool fail_at(struct hf_json *json, enum hf_json_status status, const char *at,
                    const char *reason)
{
    if (!json->reason) {
        json->status = status;
        json->reason = reason;
        json->error_offset = (size_t)(at - json->start);
    }
    json->at = json->end;
    return false;
}

static bool fail_scan(struct hf_json *json, const struct hf__json_error *error)
{
    return fail_at(json, HF_JSON_MALFORMED, error->at, error->reason);
}

void hf_json_fail(struct hf_json *json, const char *reason)
{
    fail_at(json, HF_JSON_MALFORMED, json->at, reason);
}

void hf_json_fail_memory(struct hf_json *json)
{
    fail_at(json, HF_JSON_NO_MEMORY, json->at, "out of memory");
}

/* Skips blanks; whether a byte follows, which is then `c`. */
static bool next_is(struct hf_json *json, char c)
{
    json->at = hf__json_skip_blanks(json->at, json->end);
    return json->at < json->end && *json->at == c;
}

enum hf_json_type hf_json_peek(struct hf_json *json)
{
    json->at = hf__json_skip_blanks(json->at, json->end);
    if (json->at == json->end) {
        return HF_JSON_NONE;
    }
    switch (*json->at) {
    case 'n':
        return HF_JSON_NULL;
    case 't':
    case 'f':
        return HF_JSON_BOOL;
    case '"':
        return HF_JSON_STRING;
    case '[':
        return HF_JSON_ARRAY;
    case '{':
        return HF_JSON_OBJECT;
    default:
        return *json->at == '-' || (*json->at >= '0' && *json->at <= '9') ? HF_JSON_NUMBER
                                                                          : HF_JSON_NONE;
    }
}

static bool container_begin(struct hf_json *json, char bracket, const char *reason)
{
    if (!next_is(json, bracket)) {
        return fail_at(json, HF_JSON_MALFORMED, json->at, reason);
    }
    if (json->depth == json->max_depth) {
        return fail_at(json, HF_JSON_MALFORMED, json->at, "nested too deeply");
    }
    json->at++;
    json->depth++;
    json->is_first = true;
    return true;
}

bool hf_json_object_begin(struct hf_json *json)
{
    return container_begin(json, '{', "object expected");
}

bool hf_json_array_begin(struct hf_json *json)
{
    return container_begin(json, '[', "array expected");
}

/* Takes the comma before a further element, or the closing bracket. Whether an element follows. */
static bool container_next(struct hf_json *json, char bracket)
{
    if (json->reason) {
        return false;
    }
    bool was_first = json->is_first;
    json->is_first = false;
    if (next_is(json, bracket)) {
        json->at++;
        json->depth--;
        return false;
    }
    if (was_first) {
        return true;
    }
    if (json->at == json->end || *json->at != ',') {
        return fail_at(json, HF_JSON_MALFORMED, json->at, "comma or closing bracket expected");
    }
    json->at++;
    return true;
}

bool hf_json_array_next(struct hf_json *json)
{
    return container_next(json, ']');
}

bool hf_json_object_next(struct hf_json *json, struct hf_json_key *key)
{
    if (!container_next(json, '}')) {
        return false;
    }
    if (!next_is(json, '"')) {
        return fail_at(json, HF_JSON_MALFORMED, json->at, "member name expected");
    }
    struct hf__json_error error;
    const char *after = hf__json_scan_string(json->at, json->end, &key->has_escapes, &error);
    if (!after) {
        return fail_scan(json, &error);
    }
    key->raw = hf_slice(json->at + 1, (size_t)(after - json->at) - 2);
    json->at = after;
    if (!next_is(json, ':')) {
        return fail_at(json, HF_JSON_MALFORMED, json->at, "colon expected");
    }
    json->at++;
    return true;
}

bool hf_json_raw(struct hf_json *json, struct hf_slice *raw)
{
    *raw = hf_slice(NULL, 0);
    if (json->reason) {
        return false;
    }
    struct hf__json_error error;
    const char *from = hf__json_skip_blanks(json->at, json->end);
    const char *after = hf__json_scan_value(from, json->end, json->max_depth - json->depth, &error);
    if (!after) {
        return fail_scan(json, &error);
    }
    *raw = hf_slice(from, (size_t)(after - from));
    json->at = after;
    return true;
}

bool hf_json_skip(struct hf_json *json)
{
    struct hf_slice raw;
    return hf_json_raw(json, &raw);
}

bool hf_json_take_null(struct hf_json *json)
{
    if (!next_is(json, 'n') || json->end - json->at < 4 || memcmp(json->at, "null", 4) != 0) {
        return false;
    }
    json->at += 4;
    return true;
}

/* ---- strings ---- */

static char unescape_char(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c; /* quote, backslash, slash */
    }
}

static bool is_high_surrogate(uint32_t unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low_surrogate(uint32_t unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

/* at: the backslash of a \u escape in a scanned string. Returns the first byte after the one or two
 * escapes of the character, or NULL when a surrogate has no partner. */
static const char *decode_unicode(const char *at, const char *end, uint32_t *code_point)
{
    uint32_t unit = hf__json_hex4(at + 1);
    at += 6;
    if (is_high_surrogate(unit) && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        uint32_t low = hf__json_hex4(at + 1);
        if (is_low_surrogate(low)) {
            *code_point = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            return at + 6;
        }
    }
    *code_point = unit;
    return is_high_surrogate(unit) || is_low_surrogate(unit) ? NULL : at;
}

/* raw: the inside of a scanned string with escapes. */
static bool unescape(struct hf_json *json, struct hf_arena *arena, struct hf_slice raw,
                     struct hf_slice *text)
{
    char *out = hf_arena_alloc(arena, raw.len);
    if (!out) {
        return fail_at(json, HF_JSON_NO_MEMORY, raw.data, "out of memory");
    }
    const char *at = raw.data;
    const char *end = raw.data + raw.len;
    size_t len = 0;
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((escape ? escape : end) - at);
        memcpy(out + len, at, plain);
        len += plain;
        if (!escape) {
            break;
        }
        if (escape[1] != 'u') {
            out[len++] = unescape_char(escape[1]);
            at = escape + 2;
            continue;
        }
        uint32_t code_point;
        at = decode_unicode(escape, end, &code_point);
        if (!at) {
            return fail_at(json, HF_JSON_MALFORMED, escape, "lone surrogate in text");
        }
        len += hf_utf8_encode(code_point, out + len);
    }
    hf_arena_trim(arena, out, raw.len, len);
    *text = hf_slice(out, len);
    return true;
}

bool hf_json_get_string(struct hf_json *json, struct hf_arena *arena, struct hf_slice *value)
{
    if (!next_is(json, '"')) {
        return fail_at(json, HF_JSON_MALFORMED, json->at, "string expected");
    }
    bool has_escapes;
    struct hf__json_error error;
    const char *after = hf__json_scan_string(json->at, json->end, &has_escapes, &error);
    if (!after) {
        return fail_scan(json, &error);
    }
    struct hf_slice raw = hf_slice(json->at + 1, (size_t)(after - json->at) - 2);
    json->at = after;
    if (has_escapes) {
        return unescape(json, arena, raw, value);
    }
    *value = raw;
    return true;
}

bool hf_json_key_text(struct hf_json *json, const struct hf_json_key *key, struct hf_arena *arena,
                      struct hf_slice *text)
{
    if (key->has_escapes) {
        return unescape(json, arena, key->raw, text);
    }
    *text = key->raw;
    return true;
}

static bool escaped_key_is(struct hf_slice raw, struct hf_slice name)
{
    const char *at = raw.data;
    const char *end = raw.data + raw.len;
    size_t matched = 0;
    while (at < end) {
        uint32_t c = (unsigned char)*at;
        if (c != '\\') {
            at++;
        } else if (at[1] == 'u') {
            c = hf__json_hex4(at + 1);
            at += 6;
        } else {
            c = (unsigned char)unescape_char(at[1]);
            at += 2;
        }
        if (c >= 0x80 || matched == name.len ||
            hf_ascii_lower((char)c) != hf_ascii_lower(name.data[matched])) {
            return false;
        }
        matched++;
    }
    return matched == name.len;
}

bool hf_json_key_is(const struct hf_json_key *key, struct hf_slice name)
{
    return key->has_escapes ? escaped_key_is(key->raw, name) : hf_slice_equal_fold(key->raw, name);
}

/* ---- numbers and truth values ---- */

bool hf_json_get_bool(struct hf_json *json, bool *value)
{
    json->at = hf__json_skip_blanks(json->at, json->end);
    size_t left = (size_t)(json->end - json->at);
    if (left >= 4 && memcmp(json->at, "true", 4) == 0) {
        json->at += 4;
        *value = true;
        return true;
    }
    if (left >= 5 && memcmp(json->at, "false", 5) == 0) {
        json->at += 5;
        *value = false;
        return true;
    }
    return fail_at(json, HF_JSON_MALFORMED, json->at, "true or false expected");
}

/* Takes an integer whose sign and absolute value are given. */
static bool get_integer(struct hf_json *json, bool *is_negative, uint64_t *magnitude)
{
    if (hf_json_peek(json) != HF_JSON_NUMBER) {
        return fail_at(json, HF_JSON_MALFORMED, json->at, "number expected");
    }
    struct hf__json_error error;
    const char *from = json->at;
    const char *after = hf__json_scan_number(from, json->end, &error);
    if (!after) {
        return fail_scan(json, &error);
    }
    const char *at = *from == '-' ? from + 1 : from;
    uint64_t result = 0;
    for (; at < after; at++) {
        if (*at < '0' || *at > '9') {
            return fail_at(json, HF_JSON_MALFORMED, at, "integer expected");
        }
        if (__builtin_mul_overflow(result, (uint64_t)10, &result) ||
            __builtin_add_overflow(result, (uint64_t)(*at - '0'), &result)) {
            return fail_at(json, HF_JSON_MALFORMED, from, "number out of range");
        }
    }
    *is_negative = *from == '-';
    *magnitude = result;
    json->at = after;
    return true;
}

static bool get_unsigned(struct hf_json *json, uint64_t max, uint64_t *value)
{
    bool is_negative;
    uint64_t magnitude;
    if (!get_integer(json, &is_negative, &magnitude)) {
        return false;
    }
    if (is_negative || magnitude > max) {
        return fail_at(json, HF_JSON_MALFORMED, json->at, "number out of range");
    }
    *value = magnitude;
    return true;
}

/* max: the largest value; the smallest is -max - 1. */
static bool get_signed(struct hf_json *json, uint64_t max, int64_t *value)
{
    bool is_negative;
    uint64_t magnitude;
    if (!get_integer(json, &is_negative, &magnitude)) {
        return false;
    }
    if (magnitude > max + (is_negative ? 1 : 0)) {
        return fail_at(json, HF_JSON_MALFORMED, json->at, "number out of range");
    }
    *value = is_negative && magnitude != 0 ? -(int64_t)(magnitude - 1) - 1 : (int64_t)magnitude;
    return true;
}

bool hf_json_get_u64(struct hf_json *json, uint64_t *value)
{
    return get_unsigned(json, UINT64_MAX, value);
}

bool hf_json_get_u32(struct hf_json *json, uint32_t *value)
{
    uint64_t wide;
    if (!get_unsigned(json, UINT32_MAX, &wide)) {
        return false;
    }
    *value = (uint32_t)wide;
    return true;
}

bool hf_json_get_i64(struct hf_json *json, int64_t *value)
{
    return get_signed(json, INT64_MAX, value);
}

bool hf_json_get_i32(struct hf_json *json, int32_t *value)
{
    int64_t wide;
    if (!get_signed(json, INT32_MAX, &wide)) {
        return false;
    }
    *value = (int32_t)wide;
    return true;
}

enum hf_json_status hf_json_end(struct hf_json *json)
{
    if (json->reason) {
        return json->status;
    }
    assert(json->depth == 0);
    json->at = hf__json_skip_blanks(json->at, json->end);
    if (json->at != json->end) {
        fail_at(json, HF_JSON_MALFORMED, json->at, "bytes after the value");
    }
    return json->status;
}

static bool is_valid_within(struct hf_slice text, unsigned max_depth)
{
    struct hf_json json;
    hf_json_init(&json, text, max_depth);
    hf_json_skip(&json);
    return hf_json_end(&json) == HF_JSON_OK;
}

bool hf_json_is_valid(struct hf_slice text)
{
    return is_valid_within(text, HF_JSON_MAX_DEPTH);
}

bool hf_json_is_valid_part(struct hf_slice text)
{
    return is_valid_within(text, HF_JSON_MAX_DEPTH - 1);
}
