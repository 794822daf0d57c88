/* Channel names: every name has a clear answer, whoever asks. */
#include <stdio.h>

#include "client/channel_rules.h"
#include "fuzz.h"

static struct hf_config *load(void)
{
    static char *argv[] = {(char *)(uintptr_t) "holdfast", NULL};
    static char *envp[] = {
        (char *)(uintptr_t) "HOLDFAST_CHANNEL_NAMESPACES="
                            "[{\"name\":\"chat\",\"history_size\":10,\"history_ttl\":\"60s\","
                            "\"allow_user_limited_channels\":true,"
                            "\"allow_history_for_subscriber\":true},"
                            "{\"name\":\"live\",\"allow_subscribe_for_client\":true,"
                            "\"allow_publish_for_subscriber\":true}]",
        NULL,
    };
    struct hf_config_result result = {0};
    struct hf_config *config;
    enum hf_config_status status =
        hf_config_load(&result, 1, (const char *const *)argv, (const char *const *)envp);

    for (size_t i = 0; i < result.errors.count; i++) {
        (void)fprintf(stderr, "%s\n", result.errors.items[i]);
    }
    assert(status == HF_CONFIG_LOADED);
    config = result.config;
    result.config = NULL;
    hf_config_result_fini(&result);
    return config;
}

static void check(enum hf_channel_error error, const struct hf_channel_ref *ref)
{
    assert(error == HF_CHANNEL_OK || error == HF_CHANNEL_UNKNOWN || error == HF_CHANNEL_DENIED ||
           error == HF_CHANNEL_BAD_REQUEST || error == HF_CHANNEL_NOT_AVAILABLE);
    assert((error == HF_CHANNEL_UNKNOWN) == (ref->options == NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hf_config *config; /* kept for all runs */
    char *name = exact_copy(data, size);
    struct hf_channel_ref ref;

    if (config == NULL) {
        config = load();
    }
    for (int i = 0; i < 4; i++) {
        struct hf_channel_caller caller = {
            .user = "42", .user_len = i & 1 ? 2 : 0, .is_subscribed = (i & 2) != 0};

        check(hf_channel_lookup(config, name, size, &ref), &ref);
        check(hf_channel_may_subscribe(config, name, size, &caller, &ref), &ref);
        check(hf_channel_may_publish(config, name, size, &caller, &ref), &ref);
        check(hf_channel_may_history(config, name, size, &caller, &ref), &ref);
    }
    assert((hf_channel_check_length(config, size) == HF_CHANNEL_OK) == (size <= 255));
    assert(!hf_channel_user_is_listed(config, name, size, "", 0));
    if (hf_channel_user_is_listed(config, name, size, "42", 2)) {
        assert(memchr(name, '#', size) != NULL);
    }
    free(name);
    return 0;
}
