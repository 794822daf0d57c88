/* Slice: a borrowed view of bytes. It owns nothing and need not end in NUL; who hands one out says
 * how long the bytes live. {NULL, 0} is the empty slice and, where a header says so, "absent". */
#ifndef HF_PROTO_SLICE_H
#define HF_PROTO_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct hf_slice {
    const char *data; /* may be NULL only when len is 0 */
    size_t len;       /* bytes */
};

/* A slice of a string literal, usable as an expression. */
#define HF_SLICE(literal) ((struct hf_slice){"" literal "", sizeof(literal) - 1})

static inline struct hf_slice hf_slice(const char *data, size_t len)
{
    return (struct hf_slice){data, len};
}

/* text: NUL-terminated, borrowed for as long as the slice is used; NULL gives the empty slice. */
static inline struct hf_slice hf_slice_of(const char *text)
{
    return (struct hf_slice){text, text ? strlen(text) : 0};
}

static inline bool hf_slice_is_empty(struct hf_slice slice)
{
    return slice.len == 0;
}

static inline bool hf_slice_equal(struct hf_slice a, struct hf_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline char hf_ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Equal when ASCII letters of either case count as the same. */
static inline bool hf_slice_equal_fold(struct hf_slice a, struct hf_slice b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (hf_ascii_lower(a.data[i]) != hf_ascii_lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

#endif
