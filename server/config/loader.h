#ifndef HF_CONFIG_LOADER_H
#define HF_CONFIG_LOADER_H

/* Loader: the state that the sources share while one configuration is being read.
 *
 * Private to config/. One thread. Each source applies what it holds to loader->config in turn,
 * later ones overwriting earlier ones, and adds to the result's errors and warnings; nobody stops
 * at the first error. Functions return nothing: what went wrong is in the result, or in no_memory.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "config/options.h"

/* Longest full path of a key, its NUL included. */
#define HF_CONFIG_PATH_MAX 96

/* A key with a full path: an option, or one that only the peer offers. */
struct hf_catalogue_entry {
    char path[HF_CONFIG_PATH_MAX];
    const struct hf_option *option; /* NULL: not offered */
    size_t base;                    /* with option: where its struct starts in struct hf_config */
    const struct hf_peer_key *peer; /* with option NULL */
};

struct hf_loader {
    struct hf_config *config;           /* owned */
    struct hf_config_result *result;    /* borrowed */
    const char *source;                 /* named in messages: a file name, "environment", "flags" */
    struct hf_catalogue_entry *entries; /* owned; all keys, but not those of single namespaces */
    size_t entry_count;
    json_t *flat_names; /* owned; path -> flat key by which it was given, NULL outside of files */
    bool no_memory;
};

/* Starts with an empty result and all defaults; false when memory is out. */
bool hf__loader_init(struct hf_loader *loader, struct hf_config_result *result);
void hf__loader_fini(struct hf_loader *loader);

/* Adds "source: key: text". key may be NULL. */
void hf__loader_error(struct hf_loader *loader, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void hf__loader_warning(struct hf_loader *loader, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The catalogue (catalogue.c). */
bool hf__catalogue_build(struct hf_loader *loader);
const struct hf_catalogue_entry *hf__catalogue_find(const struct hf_loader *loader,
                                                    const char *path);
/* By its name in the environment, without HOLDFAST_: HTTP_SERVER_PORT. */
const struct hf_catalogue_entry *hf__catalogue_find_environment(const struct hf_loader *loader,
                                                                const char *name);
/* Whether path is an object that holds known keys. */
bool hf__catalogue_is_section(const struct hf_loader *loader, const char *path);
/* HTTP_SERVER_PORT from http_server.port; name has HF_CONFIG_PATH_MAX bytes. */
void hf__catalogue_environment_name(const char *path, char *name);

/* The channel option or peer's channel key with this bare name, else NULL. */
const struct hf_option *hf__channel_option_find(const char *name);
const struct hf_peer_key *hf__peer_channel_key_find(const char *name);

/* Suggestions (suggest.c): the nearest known path, for files also that of a section. For a key
 * inside a namespace give its path as `channel.namespaces[N].key`; the answer is then written the
 * same way. nearest has HF_CONFIG_PATH_MAX bytes. */
void hf__suggest_path(const struct hf_loader *loader, const char *path, bool with_sections,
                      char *nearest);
void hf__suggest_environment(const struct hf_loader *loader, const char *name, char *nearest);

/* Setting single keys (apply.c). key is how the source names it. */
void hf__apply_text(struct hf_loader *loader, const struct hf_catalogue_entry *entry,
                    const char *key, const char *text);
void hf__apply_channel_text(struct hf_loader *loader, struct hf_channel_options *options,
                            const struct hf_option *option, const char *key, const char *text);
/* A JSON object in the layout of version 6, keys in lower case; a list of namespaces (replaces). */
void hf__apply_object(struct hf_loader *loader, const char *path, const json_t *object);
void hf__apply_namespaces(struct hf_loader *loader, const char *key, const json_t *value);
/* Replaces the namespaces by count empty ones; false when memory is out. */
bool hf__namespaces_replace(struct hf_loader *loader, size_t count);

/* The object with all keys in lower case, as a new reference; errors name clashes. */
json_t *hf__lower_keys(struct hf_loader *loader, const char *path, const json_t *value);

/* Flat keys of older versions, moved to where version 6 has them (flat.c). Takes and gives a
 * reference; NULL when memory is out. */
json_t *hf__flat_to_nested(struct hf_loader *loader, json_t *root);

/* The sources. */
void hf__load_file(struct hf_loader *loader, const char *path, bool may_be_missing);
void hf__load_environment(struct hf_loader *loader, const char *const envp[]);

/* What the flags say besides options. */
struct hf_flags {
    const char *config_path; /* NULL: not given */
    bool wants_help;
    bool wants_version;
    bool is_bad;
};

/* Called twice: first with apply false for *flags and errors, last with true to set the options. */
void hf__load_flags(struct hf_loader *loader, int argc, const char *const argv[], bool apply,
                    struct hf_flags *flags);

/* Fills in what depends on other options, then checks combinations (validate.c). */
void hf__complete(struct hf_loader *loader);
void hf__validate(struct hf_loader *loader);
/* Its part about tokens and users (validate_tokens.c). */
void hf__validate_tokens(struct hf_loader *loader);
/* ... about listeners and TLS (validate_listeners.c). */
void hf__validate_listeners(struct hf_loader *loader);
/* ... and about regular expressions, which it compiles (validate_patterns.c). */
void hf__validate_patterns(struct hf_loader *loader);

/* Builds the hash table of namespaces; false when memory is out (namespaces.c). */
bool hf__namespaces_index(struct hf_config *config);

/* As hf_config_describe, for files that only their owner may read. */
char *hf__describe_with_secrets(const struct hf_config *config);

/* Text of --help; the caller frees it, NULL when memory is out (help.c). */
char *hf__help_text(void);

/* Adds a formatted string to a list; false when memory is out. */
bool hf__messages_add(struct hf_string_list *list, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void hf__messages_free(struct hf_string_list *list);

#endif
