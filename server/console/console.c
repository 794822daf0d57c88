#include "console/console.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console/command.h"

#define WEEK_S 604800

enum { EXIT_USAGE = 2 };

static const struct {
    const char *name;
    const char *letters; /* flags that it takes */
    const char *usage;
    int (*run)(const struct hf_console_options *options);
} commands[] = {
    {"gentoken", "cutq", "[-c FILE] [-u USER] [-t SECONDS] [-q]", hf_console_gentoken},
    {"gensubtoken", "cutqs", "[-c FILE] [-u USER] -s CHANNEL [-t SECONDS] [-q]",
     hf_console_gensubtoken},
    {"checktoken", "c", "[-c FILE] TOKEN", hf_console_checktoken},
    {"checksubtoken", "c", "[-c FILE] TOKEN", hf_console_checksubtoken},
    {"checkconfig", "cS", "[-c FILE] [--strict]", hf_console_checkconfig},
    {"genconfig", "c", "[-c FILE]", hf_console_genconfig},
    {"defaultconfig", "cbd", "[-c FILE] [-b FILE] [-d]", hf_console_defaultconfig},
    {"version", "", "", hf_console_version},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* Letters stand for flags in `commands`; S is the strict of checkconfig, which shares its short
 * name with the channel. */
static const struct {
    char letter;
    char short_name;
    const char *long_name;
    bool has_value;
} flags[] = {
    {'c', 'c', "config", true}, {'u', 'u', "user", true},     {'t', 't', "ttl", true},
    {'q', 'q', "quiet", false}, {'s', 's', "channel", true},  {'S', 's', "strict", false},
    {'b', 'b', "base", true},   {'d', 'd', "dry-run", false},
};

int hf_console_fail(const char *format, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    printf("error: %s\n", len < 0 ? "out of memory" : text);
    if (len >= 0) {
        free(text);
    }
    return EXIT_FAILURE;
}

struct hf_config *hf_console_load(const struct hf_console_options *options)
{
    const char *argv[] = {"holdfast", "-c", options->config};
    struct hf_config_result result = {0};
    struct hf_config *config = NULL;

    if (hf_config_load(&result, 3, argv, options->envp) == HF_CONFIG_LOADED) {
        config = result.config;
        result.config = NULL;
    } else if (result.errors.count == 0) {
        (void)hf_console_fail("out of memory");
    }
    for (size_t i = 0; i < result.errors.count; i++) {
        (void)hf_console_fail("%s", result.errors.items[i]);
    }
    hf_config_result_fini(&result);
    return config;
}

int hf_console_write_new(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

    if (fd < 0) {
        return hf_console_fail("%s: %s", path,
                               errno == EEXIST ? "the file exists already" : strerror(errno));
    }
    if (file == NULL) {
        close(fd);
        return hf_console_fail("%s: out of memory", path);
    }
    bool is_written = fputs(text, file) >= 0 && fputs("\n", file) >= 0;
    if (fclose(file) != 0 || !is_written) {
        return hf_console_fail("%s: %s", path, strerror(errno));
    }
    return EXIT_SUCCESS;
}

/* -1, or seconds from 1 on. */
static bool read_ttl(const char *text, int64_t *ttl_s)
{
    char *end;

    errno = 0;
    *ttl_s = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *ttl_s >= -1 && *ttl_s != 0 &&
           *ttl_s <= UINT32_MAX;
}

static bool set_flag(struct hf_console_options *options, char letter, const char *value)
{
    switch (letter) {
    case 'c':
        options->config = value;
        break;
    case 'u':
        options->user = value;
        break;
    case 's':
        options->channel = value;
        break;
    case 'b':
        options->base = value;
        break;
    case 'q':
        options->is_quiet = true;
        break;
    case 'S':
        options->is_strict = true;
        break;
    case 'd':
        options->is_dry_run = true;
        break;
    case 't':
        return value != NULL && read_ttl(value, &options->ttl_s);
    }
    return true;
}

/* The flag's place in `flags`, or a negative number. *value: what follows an equals sign. */
static int find_flag(const char *argument, const char *letters, const char **value)
{
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        size_t len = strlen(flags[i].long_name);

        if (strchr(letters, flags[i].letter) == NULL) {
            continue;
        }
        if (argument[1] == flags[i].short_name && argument[2] == '\0') {
            return (int)i;
        }
        if (argument[1] == '-' && strncmp(argument + 2, flags[i].long_name, len) == 0 &&
            (argument[2 + len] == '\0' || (argument[2 + len] == '=' && flags[i].has_value))) {
            *value = argument[2 + len] == '=' ? argument + 3 + len : NULL;
            return (int)i;
        }
    }
    return -1;
}

/* False after having told what is wrong. Arguments are not repeated: they may be tokens. */
static bool read_arguments(struct hf_console_options *options, const char *letters, int argc,
                           const char *const argv[])
{
    for (int i = 2; i < argc; i++) {
        const char *value = NULL;
        int flag = argv[i][0] == '-' ? find_flag(argv[i], letters, &value) : -1;

        if (argv[i][0] != '-' && options->token == NULL) {
            options->token = argv[i];
            continue;
        }
        if (flag < 0) {
            (void)hf_console_fail("argument %d is not known to %s", i, argv[1]);
            return false;
        }
        if (flags[flag].has_value && value == NULL && i + 1 < argc) {
            value = argv[++i];
        }
        if ((flags[flag].has_value && value == NULL) ||
            !set_flag(options, flags[flag].letter, value)) {
            (void)hf_console_fail("--%s needs a valid value", flags[flag].long_name);
            return false;
        }
    }
    return true;
}

static void print_usage(FILE *out)
{
    fputs("Usage: holdfast [flags]         runs a node; holdfast --help lists its flags\n"
          "       holdfast COMMAND ...\n"
          "\n"
          "Commands:\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++) {
        fprintf(out, "  %s %s\n", commands[i].name, commands[i].usage);
    }
}

bool hf_console_is_asked(int argc, const char *const argv[])
{
    return argc > 1 && argv[1][0] != '-' && argv[1][0] != '\0';
}

int hf_console_run(int argc, const char *const argv[], const char *const envp[])
{
    struct hf_console_options options = {
        .config = "config.json", .user = "", .ttl_s = WEEK_S, .envp = envp};

    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) != 0) {
            continue;
        }
        if (argc == 3 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
            printf("Usage: holdfast %s %s\n", commands[i].name, commands[i].usage);
            return EXIT_SUCCESS;
        }
        if (!read_arguments(&options, commands[i].letters, argc, argv)) {
            printf("Usage: holdfast %s %s\n", commands[i].name, commands[i].usage);
            return EXIT_USAGE;
        }
        int status = commands[i].run(&options);
        return fflush(stdout) == 0 ? status : EXIT_FAILURE;
    }
    if (strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return EXIT_SUCCESS;
    }
    (void)hf_console_fail("unknown command");
    print_usage(stdout);
    return EXIT_USAGE;
}
