#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arena.h"
#include "console/command.h"
#include "token/token.h"
#include "token/token_sign.h"

/* The keys of a kind of token. */
static const struct hf_config_token *keys_of(const struct hf_config *config,
                                             enum hf_token_kind kind)
{
    return kind == HF_TOKEN_SUBSCRIPTION && config->client.subscription_token.enabled
               ? &config->client.subscription_token
               : &config->client.token;
}

static void print_heading(const struct hf_console_options *options, enum hf_token_kind kind)
{
    fputs("HMAC SHA-256 JWT for ", stdout);
    if (options->user[0] == '\0') {
        fputs("anonymous user", stdout);
    } else {
        printf("user \"%s\"", options->user);
    }
    if (kind == HF_TOKEN_SUBSCRIPTION) {
        printf(" and channel \"%s\"", options->channel);
    }
    if (options->ttl_s < 0) {
        fputs(" without expiration:\n", stdout);
    } else {
        printf(" with expiration TTL %lldh%lldm%llds:\n", (long long)options->ttl_s / 3600,
               (long long)options->ttl_s / 60 % 60, (long long)options->ttl_s % 60);
    }
}

static int generate(const struct hf_console_options *options, enum hf_token_kind kind)
{
    struct hf_config *config = hf_console_load(options);
    const struct hf_config_token *keys;
    char *token;

    if (config == NULL) {
        return EXIT_FAILURE;
    }
    keys = keys_of(config, kind);
    if (keys->hmac_secret_key[0] == '\0') {
        hf_config_free(config);
        return hf_console_fail("no HMAC secret key is set");
    }
    token = hf_token_sign(keys, options->user, options->channel, options->ttl_s, time(NULL));
    hf_config_free(config);
    if (token == NULL) {
        return hf_console_fail("the token cannot be made");
    }
    if (!options->is_quiet) {
        print_heading(options, kind);
    }
    printf("%s%s", token, options->is_quiet ? "" : "\n");
    free(token);
    return EXIT_SUCCESS;
}

int hf_console_gentoken(const struct hf_console_options *options)
{
    return generate(options, HF_TOKEN_CONNECTION);
}

int hf_console_gensubtoken(const struct hf_console_options *options)
{
    if (options->channel == NULL || options->channel[0] == '\0') {
        return hf_console_fail("a channel is needed: -s CHANNEL");
    }
    return generate(options, HF_TOKEN_SUBSCRIPTION);
}

/* The operator asked to see this very token, so its claims may be shown here. */
static int report(enum hf_token_result result, enum hf_token_kind kind,
                  const struct hf_token_claims *claims, const char *reason)
{
    if (result != HF_TOKEN_OK) {
        return hf_console_fail("token with algorithm %.*s and claims %.*s has error: %s",
                               (int)claims->algorithm.len, claims->algorithm.data,
                               (int)claims->payload.len, claims->payload.data, reason);
    }
    fputs("valid token for ", stdout);
    if (claims->user.len == 0) {
        fputs("anonymous user", stdout);
    } else {
        printf("user \"%.*s\"", (int)claims->user.len, claims->user.data);
    }
    if (kind == HF_TOKEN_SUBSCRIPTION) {
        printf(" and channel \"%.*s\"", (int)claims->sub.channel.len, claims->sub.channel.data);
    }
    printf("\npayload: %.*s\n", (int)claims->payload.len, claims->payload.data);
    return EXIT_SUCCESS;
}

static int check(const struct hf_console_options *options, enum hf_token_kind kind)
{
    struct hf_token_verifiers verifiers = {0};
    struct hf_token_claims claims;
    struct hf_arena arena;
    const char *reason = "";
    struct hf_config *config;
    int status;

    if (options->token == NULL) {
        return hf_console_fail("a token is needed");
    }
    config = hf_console_load(options);
    if (config == NULL) {
        return EXIT_FAILURE;
    }
    hf_arena_init(&arena, 0);
    if (hf_token_verifiers_open(&verifiers, config) != 0) {
        status = hf_console_fail("out of memory");
    } else {
        const struct hf_token_verifier *verifier =
            kind == HF_TOKEN_CONNECTION ? verifiers.connection : verifiers.subscription;
        enum hf_token_result result;

        hf_token_verifier_wait(verifier);
        result = hf_token_verify(verifier, kind, hf_slice_of(options->token),
                                 (int64_t)time(NULL) * 1000, &arena, &claims, &reason);
        status = report(result, kind, &claims, reason);
    }
    hf_token_verifiers_close(&verifiers);
    hf_arena_fini(&arena);
    hf_config_free(config);
    return status;
}

int hf_console_checktoken(const struct hf_console_options *options)
{
    return check(options, HF_TOKEN_CONNECTION);
}

int hf_console_checksubtoken(const struct hf_console_options *options)
{
    return check(options, HF_TOKEN_SUBSCRIPTION);
}
