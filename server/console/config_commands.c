#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "base64.h"
#include "console/command.h"

#define KEY_BYTES 64

int hf_console_version(const struct hf_console_options *options)
{
    (void)options;
    puts("Holdfast v" HF_VERSION);
    return EXIT_SUCCESS;
}

int hf_console_checkconfig(const struct hf_console_options *options)
{
    const char *argv[] = {"holdfast", "-c", options->config};
    struct hf_config_result result = {0};
    int status = EXIT_SUCCESS;

    if (hf_config_load(&result, 3, argv, options->envp) != HF_CONFIG_LOADED) {
        status = EXIT_FAILURE;
    }
    for (size_t i = 0; i < result.errors.count; i++) {
        (void)hf_console_fail("%s", result.errors.items[i]);
    }
    for (size_t i = 0; options->is_strict && i < result.warnings.count; i++) {
        status = hf_console_fail("%s", result.warnings.items[i]);
    }
    hf_config_result_fini(&result);
    return status;
}

/* NUL-terminated, in the alphabet of URLs. */
static bool make_key(char text[HF_BASE64_ENCODED_MAX(KEY_BYTES) + 1])
{
    unsigned char bytes[KEY_BYTES];

    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        return false;
    }
    text[hf_base64_encode_url(hf_slice((const char *)bytes, sizeof(bytes)), text)] = '\0';
    return true;
}

int hf_console_genconfig(const struct hf_console_options *options)
{
    char token_key[HF_BASE64_ENCODED_MAX(KEY_BYTES) + 1];
    char api_key[HF_BASE64_ENCODED_MAX(KEY_BYTES) + 1];
    char *text;
    int status;

    if (!make_key(token_key) || !make_key(api_key)) {
        return hf_console_fail("no randomness");
    }
    if (asprintf(&text,
                 "{\n"
                 "  \"client\": {\n"
                 "    \"token\": {\n"
                 "      \"hmac_secret_key\": \"%s\"\n"
                 "    },\n"
                 "    \"allowed_origins\": []\n"
                 "  },\n"
                 "  \"http_api\": {\n"
                 "    \"key\": \"%s\"\n"
                 "  }\n"
                 "}",
                 token_key, api_key) < 0) {
        return hf_console_fail("out of memory");
    }
    status = hf_console_write_new(options->config, text);
    free(text);
    return status;
}

int hf_console_defaultconfig(const struct hf_console_options *options)
{
    struct hf_config_result result;
    char *text = hf_config_expand(options->base, &result);
    int status = EXIT_FAILURE;

    for (size_t i = 0; i < result.errors.count; i++) {
        (void)hf_console_fail("%s", result.errors.items[i]);
    }
    if (text == NULL && result.errors.count == 0) {
        (void)hf_console_fail("out of memory");
    }
    hf_config_result_fini(&result);
    if (text != NULL && options->is_dry_run) {
        status = puts(text) >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    } else if (text != NULL) {
        status = hf_console_write_new(options->config, text);
    }
    free(text);
    return status;
}
