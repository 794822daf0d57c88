/* Reply: what Redis answered, read by hiredis' reader into an arena, so that a reply costs no
 * allocation of its own. Loop thread only.
 *
 * A reply is valid until the next hf_reply_reader_next of its reader. */
#ifndef HF_REDIS_REPLY_H
#define HF_REDIS_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/position.h>

enum hf_reply_type {
    HF_REPLY_TEXT,   /* bulk string or status */
    HF_REPLY_ERROR,  /* text too */
    HF_REPLY_NUMBER, /* integer */
    HF_REPLY_ARRAY,
    HF_REPLY_NIL,
};

struct hf_reply {
    enum hf_reply_type type;
    size_t len;       /* text, error: bytes. array: items */
    const char *text; /* text, error; NUL-terminated, may hold NULs */
    int64_t number;
    struct hf_reply **items; /* array */
};

struct hf_reply_reader;

struct hf_reply_reader *hf_reply_reader_new(void); /* NULL: no memory */
void hf_reply_reader_free(struct hf_reply_reader *reader);

/* Adds what arrived; `data` is borrowed until return. False: no memory, the reader is of no more
 * use. Bounded pieces (16 KiB) between calls of _next keep it cheap: the reader moves what it has
 * left of its buffer with each reply. */
bool hf_reply_reader_feed(struct hf_reply_reader *reader, const char *data, size_t len);

/* The next whole reply, or NULL for more input; on a protocol error or without memory NULL with
 * *error set to a static or reader-owned text. */
const struct hf_reply *hf_reply_reader_next(struct hf_reply_reader *reader, const char **error);

/* Bytes that the arena holds, for tests. */
size_t hf_reply_reader_arena_size(const struct hf_reply_reader *reader);

bool hf_reply_is_text(const struct hf_reply *reply, const char *text);
/* Whether it is an error that begins with the word `code`. */
bool hf_reply_is_error(const struct hf_reply *reply, const char *code);
/* Whether it is a text "<epoch>-<offset>", then in *position. */
bool hf_reply_position(const struct hf_reply *reply, struct hf_position *position);

/* What an error of Redis means for a request that met it: HF_EUNAVAILABLE, HF_ESTORE or, when it
 * may have been applied all the same, HF_EUNKNOWN. The one place that maps Redis' errors. */
int hf_reply_error_code(const struct hf_reply *error);

/* Whether it is an error that the server's state or our rights are the reason of, not what was
 * asked for. */
bool hf_reply_is_refusal(const struct hf_reply *reply);

/* The error's text for logs and status: printable, cut to `size`, without arguments of commands
 * (which may be secrets). */
void hf_reply_error_text(const struct hf_reply *error, char *text, size_t size);

#endif
