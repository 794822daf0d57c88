#ifndef HF_CONFIG_OPTIONS_H
#define HF_CONFIG_OPTIONS_H

/* Options: the tables that everything about configuration is generated from: reading of files,
 * environment and flags, the help text, suggestions, and the printed configuration.
 *
 * Constant data; any thread. Offered options are in options.c; what the peer knows and we do not
 * offer, and the names of older versions of it, are in peer_options.c. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hf_option_type {
    HF_OPTION_BOOL,     /* bool */
    HF_OPTION_INT,      /* uint32_t */
    HF_OPTION_BYTES,    /* uint64_t */
    HF_OPTION_DURATION, /* int64_t, milliseconds */
    HF_OPTION_STRING,   /* char *, owned */
    HF_OPTION_LIST,     /* struct hf_string_list, owned */
    HF_OPTION_ENUM,     /* an enum without negative values */
};

enum hf_option_flag {
    HF_OPTION_SECRET = 1 << 0,        /* the value never leaves the process */
    HF_OPTION_URL = 1 << 1,           /* may hold a password before '@', which is hidden */
    HF_OPTION_NOT_EMPTY = 1 << 2,     /* strings: "" is refused */
    HF_OPTION_PATH = 1 << 3,          /* strings: a URL path that starts with '/' */
    HF_OPTION_WHOLE_SECONDS = 1 << 4, /* durations */
    HF_OPTION_ZERO_TOO = 1 << 5,      /* numbers: 0 is fine although below min */
    HF_OPTION_MINUS_ONE = 1 << 6,     /* durations: -1 is taken as 0 (the peer's way to say off) */
    HF_OPTION_SINGLE = 1 << 7,        /* strings: a list with one element is taken as well */
    HF_OPTION_EMPTY_TOO = 1 << 8,     /* INT: "" is taken as 0 (the peer has a string there) */
};

/* A value of an enum option. */
struct hf_option_choice {
    const char *text;
    unsigned value;
    bool is_offered; /* false: known to the peer only */
};

struct hf_option {
    const char *path; /* dotted; channel options: the bare name */
    enum hf_option_type type;
    size_t offset;        /* in struct hf_config, or in struct hf_channel_options */
    const char *fallback; /* the default, as it would be written in the environment */
    int64_t min;          /* INT, BYTES, DURATION (ms) */
    int64_t max;
    const struct hf_option_choice *choices; /* ENUM; ends with text NULL */
    unsigned flags;                         /* of enum hf_option_flag */
    const char *help;                       /* one or more phrases, no full stop */
};

/* Options with full paths, and the options of a namespace. */
extern const struct hf_option hf__options[];
extern const size_t hf__option_count;
extern const struct hf_option hf__channel_options[];
extern const size_t hf__channel_option_count;

/* `harmless` of a key that never asks for anything by itself. */
#define HF_PEER_ANY "*"

/* A key that the peer knows and that is not offered here. Ends with name NULL. */
struct hf_peer_key {
    const char *name;     /* one step of the path */
    const char *harmless; /* text of the peer's default, HF_PEER_ANY, or NULL: zero values only */
    const struct hf_peer_key *fields; /* not NULL: an object with these keys */
};

extern const struct hf_peer_key hf__peer_keys[];
extern const struct hf_peer_key hf__peer_channel_keys[];

/* A top-level key of the peer's versions 3 to 5. Ends with key NULL. */
struct hf_flat_key {
    const char *key;
    const char *path;    /* where version 6 has it */
    bool is_scalar_only; /* an object under this key is already the layout of version 6 */
};

/* Families: `<key>X` is `<path>X` when that is a known path. Ends with key NULL. */
extern const struct hf_flat_key hf__flat_keys[];
extern const struct hf_flat_key hf__flat_families[];

/* Channel options that had another name (path), or (path NULL) have no single successor. Ends with
 * key NULL. */
struct hf_old_channel_key {
    const char *key;
    const char *path;
    const char *advice; /* with path NULL: what to write instead */
};

extern const struct hf_old_channel_key hf__old_channel_keys[];

#endif
