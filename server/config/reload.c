#include <string.h>

#include "config/loader.h"
#include "config/value.h"

/* What a running node can go over to: sections (with their dot), or single options. The rest is
 * built into listeners, engine, tables and routes at the start. */
static const char *const live[] = {
    "client.",
    "channel.",
    "http_api.key",
    "http_api.insecure",
    "http_api.error_mode",
    "http_server.tls.cert_pem",
    "http_server.tls.key_pem",
    "http_server.tls.client_ca_pem",
};

/* Exceptions: the table of users is made at the start. */
static const char fixed_limit[] = "client.user_connection_limit";

static bool is_live(const char *path)
{
    for (size_t i = 0; i < sizeof(live) / sizeof(live[0]); i++) {
        size_t len = strlen(live[i]);
        bool is_section = live[i][len - 1] == '.';
        if (is_section ? strncmp(path, live[i], len) == 0 : strcmp(path, live[i]) == 0) {
            return strcmp(path, fixed_limit) != 0;
        }
    }
    return false;
}

static bool channel_options_equal(const struct hf_channel_options *options,
                                  const struct hf_channel_options *other)
{
    for (size_t i = 0; i < hf__channel_option_count; i++) {
        if (!hf__value_equal(&hf__channel_options[i], options, other)) {
            return false;
        }
    }
    return true;
}

static bool namespaces_equal(const struct hf_config_channel *channel,
                             const struct hf_config_channel *other)
{
    bool is_equal = channel->namespace_count == other->namespace_count;
    for (size_t i = 0; is_equal && i < channel->namespace_count; i++) {
        is_equal = channel_options_equal(&channel->namespaces[i], &other->namespaces[i]);
    }
    return is_equal;
}

/* Lists the differences and takes back those that cannot count yet. False: no memory. */
static bool compare(struct hf_config *config, const struct hf_config *present,
                    struct hf_string_list *changed, struct hf_string_list *waiting)
{
    for (size_t i = 0; i < hf__option_count; i++) {
        const struct hf_option *option = &hf__options[i];
        if (hf__value_equal(option, config, present)) {
            continue;
        }
        bool counts = is_live(option->path);
        if (!hf__messages_add(counts ? changed : waiting, "%s", option->path) ||
            (!counts && hf__value_copy(option, config, present) != HF_VALUE_OK)) {
            return false;
        }
    }
    if (!channel_options_equal(&config->channel.without_namespace,
                               &present->channel.without_namespace) &&
        !hf__messages_add(changed, "%s", "channel.without_namespace")) {
        return false;
    }
    return namespaces_equal(&config->channel, &present->channel) ||
           hf__messages_add(changed, "%s", "channel.namespaces");
}

static enum hf_config_status refuse(struct hf_config_result *result, enum hf_config_status status)
{
    hf_config_free(result->config);
    result->config = NULL;
    return status;
}

enum hf_config_status hf_config_reload(struct hf_config_result *result,
                                       const struct hf_config *present, int argc,
                                       const char *const argv[], const char *const envp[],
                                       struct hf_string_list *changed,
                                       struct hf_string_list *waiting)
{
    enum hf_config_status status = hf_config_load(result, argc, argv, envp);
    if (status != HF_CONFIG_LOADED) {
        return status;
    }
    if (!compare(result->config, present, changed, waiting)) {
        return refuse(result, HF_CONFIG_NO_MEMORY);
    }
    hf__messages_free(&result->warnings); /* the check of what came of it tells them again */
    struct hf_loader loader = {.config = result->config, .result = result};
    hf__validate(&loader);
    if (loader.no_memory) {
        return refuse(result, HF_CONFIG_NO_MEMORY);
    }
    return result->errors.count > 0 ? refuse(result, HF_CONFIG_BAD_CONTENT) : HF_CONFIG_LOADED;
}

void hf_config_list_fini(struct hf_string_list *list)
{
    hf__messages_free(list);
}
