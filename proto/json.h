/* JSON: a strict reader (RFC 8259) that walks a text once without allocating, and the writers that
 * the encoders share. No state beyond the cursor; any thread, one at a time per cursor.
 *
 * Walking: the caller pulls values in text order and must take each value exactly once, with a
 * hf_json_get_* function, hf_json_raw or a container walk:
 *
 *     hf_json_init(&json, text, HF_JSON_MAX_DEPTH);
 *     hf_json_object_begin(&json);
 *     while (hf_json_object_next(&json, &key)) {
 *         if (hf_json_key_is(&key, HF_SLICE("channel")))
 *             hf_json_get_string(&json, &arena, &channel);
 *         else
 *             hf_json_skip(&json);
 *     }
 *     if (hf_json_end(&json) != 0) ...   (the one check that is needed: errors are sticky)
 *
 * Every byte passed over is validated, so a text that ends without an error is valid JSON and
 * UTF-8. Beyond RFC 8259: nesting is limited; a byte order mark is refused; duplicate names are all
 * shown, in order. Escapes of lone surrogates ("\ud800") are legal JSON and stay in raw values;
 * they are no text, so hf_json_get_string refuses them. "\u0000" is legal text. */
#ifndef HF_PROTO_JSON_H
#define HF_PROTO_JSON_H

#include "arena.h"
#include "buffer.h"
#include "slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Containers that may be open at once: the default, and the most that hf_json_init takes. */
#define HF_JSON_MAX_DEPTH 128

enum hf_json_type {
    HF_JSON_NONE, /* no value follows, or an error happened */
    HF_JSON_NULL,
    HF_JSON_BOOL,
    HF_JSON_NUMBER,
    HF_JSON_STRING,
    HF_JSON_ARRAY,
    HF_JSON_OBJECT,
};

enum hf_json_status {
    HF_JSON_OK = 0,
    HF_JSON_MALFORMED = -1, /* not JSON, too deep, or not of the type or range asked for */
    HF_JSON_NO_MEMORY = -2, /* the arena was exhausted */
};

struct hf_json {
    /* set at init */
    const char *start;  /* borrowed until the last call on the cursor */
    const char *end;    /* one past the last byte */
    unsigned max_depth; /* containers that may be open at once */
    /* walk state */
    const char *at; /* next byte to read; == end after an error */
    unsigned depth; /* containers open now */
    bool is_first;  /* the innermost container was just opened */
    /* first error; reason NULL while there is none */
    enum hf_json_status status;
    const char *reason;  /* static text */
    size_t error_offset; /* bytes from start */
};

/* A member's name as it stands between its quotes. */
struct hf_json_key {
    struct hf_slice raw; /* borrowed from the text, escapes not decoded */
    bool has_escapes;
};

/* text: borrowed for the life of the cursor. max_depth: 1..HF_JSON_MAX_DEPTH. */
void hf_json_init(struct hf_json *json, struct hf_slice text, unsigned max_depth);

/* The type of the value that comes next, judged by its first byte; takes nothing. */
enum hf_json_type hf_json_peek(struct hf_json *json);

/* Takes `{`. False, with an error, when the next value is no object. */
bool hf_json_object_begin(struct hf_json *json);

/* True: *key is the next member's name and its value is to be taken next. False: the object has
 * ended (its `}` is taken) or an error happened. */
bool hf_json_object_next(struct hf_json *json, struct hf_json_key *key);

bool hf_json_array_begin(struct hf_json *json);

/* True: an element is to be taken next. False: the array has ended or an error happened. */
bool hf_json_array_next(struct hf_json *json);

/* Takes the next value whole and gives its exact bytes, borrowed from the text, without the blanks
 * around it. False on error; *raw is then empty. */
bool hf_json_raw(struct hf_json *json, struct hf_slice *raw);

/* Takes the next value whole. False on error. */
bool hf_json_skip(struct hf_json *json);

/* Takes `null` when that is the next value; otherwise takes nothing and returns false. */
bool hf_json_take_null(struct hf_json *json);

/* Each takes one value and is false, with an error, when it is of another type or out of range;
 * *value is then unchanged. Integers must be written without fraction and exponent; "-0" is an i64.
 * String: *value borrows from the text, or from the arena when there were escapes. */
bool hf_json_get_string(struct hf_json *json, struct hf_arena *arena, struct hf_slice *value);
bool hf_json_get_bool(struct hf_json *json, bool *value);
bool hf_json_get_u32(struct hf_json *json, uint32_t *value);
bool hf_json_get_u64(struct hf_json *json, uint64_t *value);
bool hf_json_get_i32(struct hf_json *json, int32_t *value);
bool hf_json_get_i64(struct hf_json *json, int64_t *value);

/* The name as text: borrowed from the input or, with escapes, from the arena. False on error. */
bool hf_json_key_text(struct hf_json *json, const struct hf_json_key *key, struct hf_arena *arena,
                      struct hf_slice *text);

/* Whether the name is `name`, ASCII letters of either case being the same (field names are matched
 * so in the client protocol and the server API). name: ASCII. Decodes escapes without memory. */
bool hf_json_key_is(const struct hf_json_key *key, struct hf_slice name);

/* Checks that nothing but blanks follows. Returns the status of the whole walk. */
enum hf_json_status hf_json_end(struct hf_json *json);

/* Sets an error at the cursor, for callers' own rules. reason: static text. The first error stays.
 */
void hf_json_fail(struct hf_json *json, const char *reason);

/* The same for memory that the caller could not get: the status becomes NO_MEMORY. */
void hf_json_fail_memory(struct hf_json *json);

static inline bool hf_json_failed(const struct hf_json *json)
{
    return json->reason != NULL;
}

/* Whether the bytes are exactly one JSON value, blanks around it allowed. */
bool hf_json_is_valid(struct hf_slice text);

/* The same for a value that is to be a member or an element: it may nest one level less. */
bool hf_json_is_valid_part(struct hf_slice text);

/* Appends `"text"` with what must be escaped escaped. text must be valid UTF-8 for the output to be
 * valid JSON; other bytes pass unchanged. */
void hf_json_append_string(struct hf_buffer *buffer, struct hf_slice text);

/* Appends a JSON value byte for byte, without the raw line feeds and carriage returns that may
 * stand between its tokens (messages in a frame are separated by line feeds). */
void hf_json_append_raw(struct hf_buffer *buffer, struct hf_slice raw);

#endif
