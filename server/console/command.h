/* What console commands share. Private to console/. */
#ifndef HF_SERVER_CONSOLE_COMMAND_H
#define HF_SERVER_CONSOLE_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

/* The arguments of a command, taken apart. Strings are borrowed from argv. */
struct hf_console_options {
    const char *config;  /* -c --config; "config.json" by default */
    const char *user;    /* -u --user; "" by default */
    const char *channel; /* -s --channel; NULL: not given */
    const char *base;    /* -b --base; NULL: not given */
    const char *token;   /* the one argument without a dash; NULL: not given */
    int64_t ttl_s;       /* -t --ttl; a week by default; -1: no end */
    bool is_quiet;       /* -q --quiet */
    bool is_strict;      /* -s --strict of checkconfig */
    bool is_dry_run;     /* -d --dry-run */
    const char *const *envp;
};

/* Each returns the exit status. */
int hf_console_gentoken(const struct hf_console_options *options);
int hf_console_gensubtoken(const struct hf_console_options *options);
int hf_console_checktoken(const struct hf_console_options *options);
int hf_console_checksubtoken(const struct hf_console_options *options);
int hf_console_checkconfig(const struct hf_console_options *options);
int hf_console_genconfig(const struct hf_console_options *options);
int hf_console_defaultconfig(const struct hf_console_options *options);
int hf_console_version(const struct hf_console_options *options);

/* Prints `error: ...`; returns 1. */
int hf_console_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The configuration of options->config and the environment; NULL after having told why. The caller
 * frees it with hf_config_free. */
struct hf_config *hf_console_load(const struct hf_console_options *options);

/* Writes a new file, readable by its owner only. 0, or 1 after having told why: it is never written
 * over. */
int hf_console_write_new(const char *path, const char *text);

#endif
