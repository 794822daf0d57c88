/* The broker program: reads its configuration and runs a node until a signal ends it, or runs a
 * console command. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "console/console.h"
#include "log.h"
#include "node.h"
#include "reload.h"

static void print_list(const struct hf_string_list *list, const char *kind)
{
    for (size_t i = 0; i < list->count; i++) {
        fprintf(stderr, "holdfast: %s: %s\n", kind, list->items[i]);
    }
}

static int run(struct hf_config_result *result, const struct hf_config_source *source)
{
    int failure = hf_log_init(result->config->log.level, result->config->log.file);
    if (failure != 0) {
        fprintf(stderr, "holdfast: log file %s: %s\n", result->config->log.file,
                strerror(-failure));
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < result->warnings.count; i++) {
        hf_log(HF_LOG_WARN, "configuration", "warning=%s", result->warnings.items[i]);
    }
    int status = hf_node_run(result->config, source);
    hf_log_fini();
    return status;
}

int main(int argc, char *argv[])
{
    struct hf_config_result result = {0};
    const struct hf_config_source source = {
        .argc = argc, .argv = (const char *const *)argv, .envp = (const char *const *)environ};
    int status = EXIT_FAILURE;
    if (hf_console_is_asked(argc, (const char *const *)argv)) {
        return hf_console_run(argc, (const char *const *)argv, (const char *const *)environ);
    }
    switch (
        hf_config_load(&result, argc, (const char *const *)argv, (const char *const *)environ)) {
    case HF_CONFIG_LOADED:
        status = run(&result, &source);
        break;
    case HF_CONFIG_HELP:
    case HF_CONFIG_VERSION:
        status =
            fputs(result.text, stdout) >= 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        break;
    case HF_CONFIG_BAD_USAGE:
        print_list(&result.errors, "error");
        status = 2;
        break;
    case HF_CONFIG_BAD_CONTENT:
        print_list(&result.warnings, "warning");
        print_list(&result.errors, "error");
        break;
    case HF_CONFIG_NO_MEMORY:
        fputs("holdfast: out of memory\n", stderr);
        break;
    }
    hf_config_result_fini(&result);
    return status;
}
