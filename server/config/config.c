#include "config/config.h"

#include <stdlib.h>
#include <string.h>

#include "config/loader.h"
#include "config/value.h"
#include "pattern.h"

static void free_channel_options(struct hf_channel_options *options)
{
    for (size_t i = 0; i < hf__channel_option_count; i++) {
        hf__value_clear(&hf__channel_options[i], options);
    }
    hf_pattern_free(options->channel_pattern);
}

static void free_token_patterns(struct hf_config_token *token)
{
    hf_pattern_free(token->audience_pattern);
    hf_pattern_free(token->issuer_pattern);
}

void hf_config_free(struct hf_config *config)
{
    if (config == NULL) {
        return;
    }
    for (size_t i = 0; i < hf__option_count; i++) {
        hf__value_clear(&hf__options[i], config);
    }
    free_token_patterns(&config->client.token);
    free_token_patterns(&config->client.subscription_token);
    free_channel_options(&config->channel.without_namespace);
    for (size_t i = 0; i < config->channel.namespace_count; i++) {
        free_channel_options(&config->channel.namespaces[i]);
    }
    free(config->channel.namespaces);
    free(config->channel.namespace_slots);
    free(config);
}

void hf_config_result_fini(struct hf_config_result *result)
{
    hf_config_free(result->config);
    result->config = NULL;
    free(result->text);
    result->text = NULL;
    hf__messages_free(&result->errors);
    hf__messages_free(&result->warnings);
}
