#include <stdio.h>
#include <string.h>

#include "config/loader.h"

/* A flag as it stands on the command line. */
struct flag {
    char path[HF_CONFIG_PATH_MAX];    /* without dashes; short names already replaced */
    char key[HF_CONFIG_PATH_MAX + 8]; /* as written, for messages; never holds a value */
    const char *value;                /* after '=', or the next argument; NULL: none */
    bool has_equals;
};

static const struct {
    char letter;
    const char *path;
} short_names[] = {
    {'c', "config"}, {'h', "help"}, {'p', "http_server.port"}, {'a', "http_server.address"}};

/* -p 80, -p80, -p=80. False for an unknown letter. */
static bool read_short(const char *argument, struct flag *flag)
{
    snprintf(flag->key, sizeof(flag->key), "-%c", argument[1]);
    for (size_t i = 0; i < sizeof(short_names) / sizeof(short_names[0]); i++) {
        if (short_names[i].letter == argument[1]) {
            snprintf(flag->path, sizeof(flag->path), "%s", short_names[i].path);
            flag->has_equals = argument[2] != '\0';
            if (flag->has_equals) {
                flag->value = argument[2] == '=' ? argument + 3 : argument + 2;
            }
            return true;
        }
    }
    return false;
}

/* --name or --name=value. */
static void read_long(const char *argument, struct flag *flag)
{
    const char *equals = strchr(argument, '=');
    int len =
        equals == NULL ? (int)strnlen(argument, HF_CONFIG_PATH_MAX) : (int)(equals - argument);
    snprintf(flag->key, sizeof(flag->key), "%.*s", len, argument);
    snprintf(flag->path, sizeof(flag->path), "%s", flag->key + 2);
    flag->has_equals = equals != NULL;
    flag->value = equals == NULL ? NULL : equals + 1;
}

/* Whether the flag alone means true. */
static bool is_switch(const struct hf_catalogue_entry *entry)
{
    static const char *const switches[] = {".enabled", ".external", ".insecure"};
    if (entry->option != NULL) {
        return entry->option->type == HF_OPTION_BOOL;
    }
    size_t len = strlen(entry->path);
    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
        size_t switch_len = strlen(switches[i]);
        if (len > switch_len && strcmp(entry->path + len - switch_len, switches[i]) == 0) {
            return true;
        }
    }
    return false;
}

struct parser {
    struct hf_loader *loader;
    struct hf_flags *flags;
    int argc;
    const char *const *argv;
    int next;   /* argument to be read next */
    bool apply; /* second pass: set options */
};

/* Adds the error text + detail in the first pass only. */
static void refuse(struct parser *parser, const char *key, const char *text, const char *detail)
{
    parser->flags->is_bad = true;
    if (!parser->apply) {
        hf__loader_error(parser->loader, key, "%s%s", text, detail);
    }
}

/* Takes the next argument as the value when there was no '='; false after an error. */
static bool need_value(struct parser *parser, struct flag *flag)
{
    if (flag->value == NULL && parser->next < parser->argc) {
        flag->value = parser->argv[parser->next++];
    }
    if (flag->value == NULL) {
        refuse(parser, flag->key, "needs a value", "");
        return false;
    }
    return true;
}

/* Flags that are no options. False when it is none of them. */
static bool read_special(struct parser *parser, struct flag *flag)
{
    if (strcmp(flag->path, "help") == 0) {
        parser->flags->wants_help = true;
    } else if (strcmp(flag->path, "version") == 0) {
        parser->flags->wants_version = true;
    } else if (strcmp(flag->path, "config") == 0) {
        if (need_value(parser, flag)) {
            parser->flags->config_path = flag->value;
        }
    } else {
        return false;
    }
    return true;
}

static void read_option(struct parser *parser, struct flag *flag)
{
    static const char namespaces[] = "channel.namespaces";
    const struct hf_catalogue_entry *entry = hf__catalogue_find(parser->loader, flag->path);
    if (entry == NULL && strcmp(flag->path, namespaces) == 0) {
        refuse(parser, flag->key, "cannot be given as a flag; write it into the file", "");
        return;
    }
    if (entry == NULL) {
        char nearest[HF_CONFIG_PATH_MAX];
        hf__suggest_path(parser->loader, flag->path, false, nearest);
        refuse(parser, flag->key, "unknown flag; the nearest valid one is --", nearest);
        return;
    }
    if (is_switch(entry) && !flag->has_equals) {
        flag->value = "true";
    }
    if (need_value(parser, flag) && parser->apply) {
        hf__apply_text(parser->loader, entry, flag->key, flag->value);
    }
}

/* Reads one argument, and its value. The text of an argument that is no flag is not repeated: it
 * may be a secret that lost its flag. */
static void read_argument(struct parser *parser)
{
    int index = parser->next++;
    const char *argument = parser->argv[index];
    struct flag flag = {.value = NULL};
    if (argument[0] != '-' || argument[1] == '\0' || strcmp(argument, "--") == 0) {
        char position[32];
        snprintf(position, sizeof(position), "argument %d", index);
        refuse(parser, position, "is not a flag; see --help", "");
        return;
    }
    if (argument[1] != '-') {
        if (!read_short(argument, &flag)) {
            refuse(parser, flag.key, "unknown flag; see --help", "");
            return;
        }
    } else {
        read_long(argument, &flag);
    }
    if (!read_special(parser, &flag)) {
        read_option(parser, &flag);
    }
}

void hf__load_flags(struct hf_loader *loader, int argc, const char *const argv[], bool apply,
                    struct hf_flags *flags)
{
    struct parser parser = {
        .loader = loader, .flags = flags, .argc = argc, .argv = argv, .next = 1, .apply = apply};
    loader->source = "flags";
    size_t errors_before = loader->result->errors.count;
    while (parser.next < argc) {
        read_argument(&parser);
    }
    if (loader->result->errors.count > errors_before) {
        flags->is_bad = true;
    }
}
