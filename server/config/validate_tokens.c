#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "config/loader.h"
#include "token/jwks.h"
#include "token/token_key.h"

/* The claim that names the user: ^[a-zA-Z_]+$, or empty for the usual one. */
static bool is_claim_name(const char *name)
{
    for (; *name != '\0'; name++) {
        unsigned char letter = (unsigned char)*name;
        if (letter >= 128 || (!isalpha(letter) && letter != '_')) {
            return false;
        }
    }
    return true;
}

/* One set of keys; their text is never quoted. */
static void check_keys(struct hf_loader *loader, const char *section,
                       const struct hf_config_token *token)
{
    char key[HF_CONFIG_PATH_MAX];
    struct hf_token_keys keys;
    const char *option = "";
    const char *why = hf_token_keys_init(&keys, token, &option);
    if (why != NULL) {
        snprintf(key, sizeof(key), "%s.%s", section, option);
        hf__loader_error(loader, key, "%s", why);
    } else {
        hf_token_keys_fini(&keys);
    }
    if (token->hmac_previous_secret_key[0] != '\0' && token->hmac_secret_key[0] == '\0') {
        snprintf(key, sizeof(key), "%s.hmac_previous_secret_key", section);
        hf__loader_error(loader, key, "needs the present one, hmac_secret_key");
    }
    if (!is_claim_name(token->user_id_claim)) {
        snprintf(key, sizeof(key), "%s.user_id_claim", section);
        hf__loader_error(loader, key, "must consist of the characters a-z A-Z _");
    }
}

static void check_jwks(struct hf_loader *loader, const char *section,
                       const struct hf_config_token *token)
{
    char key[HF_CONFIG_PATH_MAX];
    const char *why;

    if (token->jwks_public_endpoint[0] == '\0') {
        return;
    }
    snprintf(key, sizeof(key), "%s.jwks_public_endpoint", section);
    why = hf_jwks_address_error(token->jwks_public_endpoint);
    if (why != NULL) {
        hf__loader_error(loader, key, "%s", why);
    }
    if (token->hmac_secret_key[0] != '\0' || token->rsa_public_key[0] != '\0' ||
        token->ecdsa_public_key[0] != '\0') {
        hf__loader_warning(loader, key, "counts alone: the keys given beside it are not used");
    }
}

static void check_personal_channel(struct hf_loader *loader)
{
    const struct hf_config *config = loader->config;
    const struct hf_config_personal_channel *personal =
        &config->client.subscribe_to_user_personal_channel;
    const char *name = personal->personal_channel_namespace;
    if (!personal->enabled) {
        return;
    }
    if (config->channel.user_boundary[0] == '\0') {
        hf__loader_error(loader, "client.subscribe_to_user_personal_channel.enabled",
                         "needs channel.user_boundary, which is empty");
    }
    if (name[0] != '\0' && hf_config_find_namespace(config, name, strlen(name)) == NULL) {
        hf__loader_error(loader,
                         "client.subscribe_to_user_personal_channel.personal_channel_namespace",
                         "there is no namespace \"%.64s\"", name);
    }
}

void hf__validate_tokens(struct hf_loader *loader)
{
    const struct hf_config_client *client = &loader->config->client;
    bool skips = client->insecure_skip_token_signature_verify;
    check_keys(loader, "client.token", &client->token);
    check_jwks(loader, "client.token", &client->token);
    if (client->subscription_token.enabled) {
        check_keys(loader, "client.subscription_token", &client->subscription_token);
        check_jwks(loader, "client.subscription_token", &client->subscription_token);
        if (!skips && !hf_token_keys_exist(&client->subscription_token)) {
            hf__loader_warning(loader, "client.subscription_token.enabled",
                               "no key is set beside it: every subscription token is invalid");
        }
    }
    check_personal_channel(loader);
    if (skips) {
        hf__loader_warning(loader, "client.insecure_skip_token_signature_verify",
                           "everyone can make tokens: for development only");
    }
    if (!client->insecure && !client->allow_anonymous_connect_without_token && !skips &&
        !hf_token_keys_exist(&client->token)) {
        hf__loader_warning(loader, "client.token",
                           "no key is set, and "
                           "client.allow_anonymous_connect_without_token is off: no client can "
                           "connect");
    }
}
