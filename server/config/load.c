#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/loader.h"

#define DEFAULT_FILE "config.json"

/* The answer to --help and --version. */
static enum hf_config_status answer(struct hf_config_result *result, const struct hf_flags *flags)
{
    if (flags->wants_help) {
        result->text = hf__help_text();
        return result->text == NULL ? HF_CONFIG_NO_MEMORY : HF_CONFIG_HELP;
    }
    result->text = strdup("Holdfast v" HF_VERSION "\n");
    return result->text == NULL ? HF_CONFIG_NO_MEMORY : HF_CONFIG_VERSION;
}

/* Applies all sources in order. Combinations are only checked when each value is right by itself:
 * a default in place of a wrong value would be blamed for what it is not. */
static enum hf_config_status load(struct hf_loader *loader, int argc, const char *const argv[],
                                  const char *const envp[])
{
    struct hf_flags flags = {0};
    hf__load_flags(loader, argc, argv, false, &flags);
    if (flags.wants_help || flags.wants_version) {
        return answer(loader->result, &flags);
    }
    hf__load_file(loader, flags.config_path == NULL ? DEFAULT_FILE : flags.config_path,
                  flags.config_path == NULL);
    hf__load_environment(loader, envp);
    hf__load_flags(loader, argc, argv, true, &flags);
    if (loader->result->errors.count == 0 && !loader->no_memory) {
        hf__complete(loader);
        hf__validate(loader);
    }
    if (loader->no_memory) {
        return HF_CONFIG_NO_MEMORY;
    }
    if (flags.is_bad) {
        return HF_CONFIG_BAD_USAGE;
    }
    if (loader->result->errors.count > 0) {
        return HF_CONFIG_BAD_CONTENT;
    }
    loader->result->config = loader->config;
    loader->config = NULL;
    return HF_CONFIG_LOADED;
}

enum hf_config_status hf_config_load(struct hf_config_result *result, int argc,
                                     const char *const argv[], const char *const envp[])
{
    struct hf_loader loader;
    *result = (struct hf_config_result){0};
    enum hf_config_status status = HF_CONFIG_NO_MEMORY;
    if (hf__loader_init(&loader, result)) {
        status = load(&loader, argc, argv, envp);
    }
    hf__loader_fini(&loader);
    if (status == HF_CONFIG_HELP || status == HF_CONFIG_VERSION) {
        hf__messages_free(&result->errors);
    } else if (status == HF_CONFIG_NO_MEMORY) {
        hf_config_result_fini(result);
    }
    return status;
}

char *hf_config_expand(const char *path, struct hf_config_result *result)
{
    struct hf_loader loader;
    char *text = NULL;
    *result = (struct hf_config_result){0};
    if (hf__loader_init(&loader, result)) {
        if (path != NULL) {
            hf__load_file(&loader, path, false);
        }
        if (result->errors.count == 0 && !loader.no_memory) {
            text = hf__describe_with_secrets(loader.config);
        }
    }
    hf__loader_fini(&loader);
    return text;
}
