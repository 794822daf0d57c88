#include <stdlib.h>
#include <string.h>

#include "config/loader.h"
#include "config/value.h"

/* FNV-1a: names are short and come from the operator; what clients send is only looked up. */
static uint32_t hash_name(const char *name, size_t len)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char)name[i]) * 16777619U;
    }
    return hash;
}

bool hf__namespaces_index(struct hf_config *config)
{
    struct hf_config_channel *channel = &config->channel;
    if (channel->namespace_count == 0) {
        return true;
    }
    uint32_t slots = 4;
    while (slots < channel->namespace_count * 2) {
        slots *= 2;
    }
    channel->namespace_slots = calloc(slots, sizeof(*channel->namespace_slots));
    if (channel->namespace_slots == NULL) {
        return false;
    }
    channel->namespace_slot_mask = slots - 1;
    for (size_t i = 0; i < channel->namespace_count; i++) {
        const char *name = channel->namespaces[i].name;
        uint32_t slot = hash_name(name, strlen(name)) & channel->namespace_slot_mask;
        while (channel->namespace_slots[slot] != 0) {
            slot = (slot + 1) & channel->namespace_slot_mask;
        }
        channel->namespace_slots[slot] = (uint32_t)i + 1;
    }
    return true;
}

const struct hf_channel_options *hf_config_find_namespace(const struct hf_config *config,
                                                          const char *name, size_t len)
{
    const struct hf_config_channel *channel = &config->channel;
    if (channel->namespace_slots == NULL) {
        return NULL;
    }
    uint32_t slot = hash_name(name, len) & channel->namespace_slot_mask;
    while (channel->namespace_slots[slot] != 0) {
        const struct hf_channel_options *options =
            &channel->namespaces[channel->namespace_slots[slot] - 1];
        if (strlen(options->name) == len && memcmp(options->name, name, len) == 0) {
            return options;
        }
        slot = (slot + 1) & channel->namespace_slot_mask;
    }
    return NULL;
}

static void remove_all(struct hf_config_channel *channel)
{
    for (size_t i = 0; i < channel->namespace_count; i++) {
        for (size_t j = 0; j < hf__channel_option_count; j++) {
            hf__value_clear(&hf__channel_options[j], &channel->namespaces[i]);
        }
    }
    free(channel->namespaces);
    channel->namespaces = NULL;
    channel->namespace_count = 0;
}

static bool set_defaults(struct hf_channel_options *options)
{
    char why[HF_VALUE_WHY_MAX];
    for (size_t i = 0; i < hf__channel_option_count; i++) {
        const struct hf_option *option = &hf__channel_options[i];
        if (hf__value_set_text(option, options, option->fallback, why) != HF_VALUE_OK) {
            return false;
        }
    }
    return true;
}

bool hf__namespaces_replace(struct hf_loader *loader, size_t count)
{
    struct hf_config_channel *channel = &loader->config->channel;
    remove_all(channel);
    if (count == 0) {
        return true;
    }
    channel->namespaces = calloc(count, sizeof(*channel->namespaces));
    if (channel->namespaces == NULL) {
        loader->no_memory = true;
        return false;
    }
    channel->namespace_count = count;
    for (size_t i = 0; i < count; i++) {
        if (!set_defaults(&channel->namespaces[i])) {
            loader->no_memory = true;
            remove_all(channel); /* half of them have no names: nobody may look at those */
            return false;
        }
    }
    return true;
}
