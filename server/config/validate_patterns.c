#include <stdio.h>
#include <string.h>

#include "config/loader.h"
#include "pattern.h"

/* Compiles the expression, if there is one, and keeps it in *pattern, in place of what an earlier
 * check has left there. key: its option. */
static void compile(struct hf_loader *loader, const char *key, const char *expression,
                    struct hf_pattern **pattern)
{
    const struct hf_config_holdfast *own = &loader->config->holdfast;
    const struct hf_pattern_limits limits = {own->regex_match_limit, own->regex_memory_max_bytes};
    char why[HF_PATTERN_WHY_MAX];

    hf_pattern_free(*pattern);
    *pattern = NULL;
    if (expression[0] == '\0') {
        return;
    }
    *pattern = hf_pattern_new(expression, &limits, why);
    if (*pattern == NULL) {
        hf__loader_error(loader, key, "is no regular expression: %s", why);
    }
}

static void compile_channel(struct hf_loader *loader, const char *section,
                            struct hf_channel_options *options)
{
    char key[HF_CONFIG_PATH_MAX + sizeof(".channel_regex")];

    (void)snprintf(key, sizeof(key), "%s.channel_regex", section);
    compile(loader, key, options->channel_regex, &options->channel_pattern);
}

static void compile_token(struct hf_loader *loader, const char *section,
                          struct hf_config_token *token)
{
    const struct {
        const char *name;
        const char *exact;
        const char *expression;
        struct hf_pattern **pattern;
    } claims[] = {{"audience", token->audience, token->audience_regex, &token->audience_pattern},
                  {"issuer", token->issuer, token->issuer_regex, &token->issuer_pattern}};

    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        char key[HF_CONFIG_PATH_MAX];

        (void)snprintf(key, sizeof(key), "%s.%s_regex", section, claims[i].name);
        if (claims[i].exact[0] != '\0' && claims[i].expression[0] != '\0') {
            hf__loader_error(loader, key, "and %s exclude each other: set one of them",
                             claims[i].name);
        }
        compile(loader, key, claims[i].expression, claims[i].pattern);
    }
}

void hf__validate_patterns(struct hf_loader *loader)
{
    struct hf_config_channel *channel = &loader->config->channel;
    struct hf_config_client *client = &loader->config->client;

    compile_token(loader, "client.token", &client->token);
    compile_token(loader, "client.subscription_token", &client->subscription_token);
    compile_channel(loader, "channel.without_namespace", &channel->without_namespace);
    for (size_t i = 0; i < channel->namespace_count; i++) {
        char section[HF_CONFIG_PATH_MAX];

        (void)snprintf(section, sizeof(section), "channel.namespaces[%zu] (%.40s)", i,
                       channel->namespaces[i].name);
        compile_channel(loader, section, &channel->namespaces[i]);
    }
}
